"""How a node has been: a strip of its states, the share of each, and the changes as a list."""

from __future__ import annotations

from datetime import datetime, timedelta

from dash import html

from webstat.components.capacity import NODE_WORDS
from webstat.components.cards import empty
from webstat.components.text import Part, clock, strong
from webstat.data.node_past import ABSENT, GAP, SERVES, KnownNode, coarse, in_service
from webstat.data.one import sums
from webstat.format import duration, percent, plural
from webstat.view import View

_LOOKS = {**NODE_WORDS, GAP: ("b-gap", "not known: no report"), ABSENT: ("b-none", "not listed")}
_SERVICE = {SERVES: "in service", **{state: words for state, (_, words) in _LOOKS.items()}}


def section(view: View, known: KnownNode, heading: type, most: int) -> list[Part]:
    """Title, strip with its shares, and at most `most` changes, the latest first."""
    title: list[Part] = [
        heading("How has it been?", className="ws-q"),
        html.Div("state of the node, last 7 d", className="ws-sub mb-2"),
    ]
    whole = sum(one.seconds for one in known.stretches)
    share = {what: seconds / whole for what, seconds in sums(known.stretches).items()} if whole else {}
    if set(share) <= {ABSENT, GAP}:
        return [*title, empty("Not known.", "No report of the last 7 d lists it.")]
    order = [what for what in _LOOKS if what in share]
    label = ", ".join(f"{percent(share[what])} {_LOOKS[what][1]}" for what in order)
    pieces = [
        html.I(className=_LOOKS[one.what][0], style={"width": f"{one.seconds / whole:.3%}"})
        for one in coarse(known.stretches)
    ]
    keys = [
        html.Span(
            [
                html.I(className=f"ws-key {_LOOKS[what][0]}", **{"aria-hidden": "true"}),
                f"{_LOOKS[what][1]} {percent(share[what])}",
            ],
            className="text-nowrap",
        )
        for what in order
    ]
    return [
        *title,
        html.Div(pieces, className="ws-bar ws-strip", role="img", **{"aria-label": label}),
        _days(known.stretches[0].since, known.at, view),
        html.Div(keys, className="d-flex flex-wrap column-gap-3 ws-sub mt-1"),
        *_changes(known, view, most),
    ]


def _days(since: float, at: float, view: View) -> html.Div:
    """The weekdays under the strip, each from its midnight on."""
    day = datetime.fromtimestamp(since, view.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    marks: list[Part] = []
    for _ in range(9):
        day = (day + timedelta(days=1)).replace(hour=0)
        place = (day.timestamp() - since) / (at - since)
        if place < 0.97:
            marks.append(html.Span(f"{day:%a}", style={"left": f"{place:.2%}"}))
    return html.Div(marks, className="ws-days ws-sub", **{"aria-hidden": "true"})


def _changes(known: KnownNode, view: View, most: int) -> list[Part]:
    changes = in_service(known.stretches)[::-1]
    if len(changes) == 1 and changes[0].what == SERVES:
        return [html.Div("In service all the time.", className="ws-sub mt-2")]
    lines = []
    for change in changes[:most]:
        begun: Part = (
            ["since ", clock(change.since, view)]
            if change.until >= known.at
            else [clock(change.since, view), " – ", clock(change.until, view)]
        )
        word = _SERVICE[change.what]
        lines.append(
            html.Li(
                [
                    strong(word[0].upper() + word[1:]),
                    " ",
                    *begun,
                    html.Span(f" · {duration(change.seconds)}", className="z"),
                ]
            )
        )
    more = len(changes) - most
    if more > 0:
        lines.append(html.Li(f"and {plural(more, 'earlier change')}", className="z"))
    return [html.Ul(lines, className="list-unstyled mt-2 mb-0 ws-changes")]
