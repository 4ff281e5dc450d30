"""Words on the page: icons, strangers' texts, and moments that the browser keeps true.

Every <time> carries its moment; those with data-ws are counted on by assets/webstat.js.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dash import dcc, html

from webstat import format as words
from webstat.format import When
from webstat.view import View

Part = object
"""Anything Dash takes as a child."""


def icon(name: str, tone: str = "") -> html.I:
    """A Bootstrap icon; always beside a word."""
    return html.I(className=f"bi bi-{name} {tone}".strip(), **{"aria-hidden": "true"})


def strong(text: Part) -> html.B:
    """A word that carries the sentence."""
    return html.B(text, className="fw-semibold")


def foreign(text: str, limit: int = 24) -> html.Bdi:
    """A name from the scheduler: cut, and kept from turning the text around it right-to-left."""
    if not text.strip():
        return html.Bdi("(no name)", className="z")
    short = words.shorten(text, limit)
    return html.Bdi(short) if short == text else html.Bdi(short, title=words.shorten(text, 300))


def person(user: str, limit: int = 20) -> html.Bdi:
    """A user's name; the browser marks it where it is its owner's."""
    text = words.shorten(user, limit)
    return html.Bdi(text or "(no name)", title=words.shorten(user, 300), **{"data-user": user})


def clock(at: float, view: View, now: float | None = None) -> html.Time:
    """A moment as a clock time in the viewer's zone, as one says it at `now`, else at the moment that is shown."""
    return html.Time(
        words.clock(at, view.zone, view.now if now is None else now), dateTime=words.iso(at), title=words.utc(at)
    )


def age(at: float, view: View) -> html.Time:
    """How long ago a moment was, counting up."""
    return _counted(words.duration(view.now - at), at, "age")


def until(at: float, view: View) -> html.Time:
    """How long it is until a moment, counting down."""
    return _counted(words.duration(at - view.now), at, "until")


def _counted(text: str, at: float, form: str) -> html.Time:
    return html.Time(text, dateTime=words.iso(at), title=words.utc(at), **{"data-ws": form, "data-at": f"{at:.1f}"})


def sentence(parts: Iterable[str | When], view: View) -> list[Part]:
    """A sentence with its moments as elements."""
    draw = {"clock": clock, "age": age, "until": until}
    return [part if isinstance(part, str) else draw[part.form](part.at, view) for part in parts]


def link(text: Part | Sequence[Part], href: str, quiet: bool = False, title: str | None = None) -> dcc.Link:
    """A link inside the site, followed without loading the page anew."""
    return dcc.Link(text, href=href, className="ws-quiet" if quiet else "", title=title)
