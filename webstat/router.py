"""From an address to what is on the screen: one callback for every page, called when there is news.

It answers "no change" as long as the reports behind the page are those already drawn.
"""

from __future__ import annotations

import logging
import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from dash import ALL, Dash, Input, Output, State, ctx, no_update

from webstat import ids
from webstat.components import nav
from webstat.data.source import Source
from webstat.errors import StoreBroken
from webstat.health import COLLECTOR, Cluster, stamps
from webstat.live import Hub
from webstat.pages import find, start
from webstat.parts import CHART, PART, fingerprint, take_apart
from webstat.theme import THEMES
from webstat.view import View

log = logging.getLogger(__name__)


FRAME = (ids.BAR, ids.FRESHNESS, ids.DEMO, ids.TABS, ids.FOOTER)
"""What stands around the page, in the order of _frame()."""


@dataclass
class Drawing:
    """What is to be replaced on the screen; None, or a name that is missing, is what stays."""

    frame: list[Any] = field(default_factory=lambda: [None] * len(FRAME))
    page: list[Any] | None = None
    drawn: dict[str, Any] | None = None
    contents: dict[str, Any] = field(default_factory=dict)
    """Parts' children and charts' figures by name."""

    def outputs(self, parts: list[str], charts: list[str]) -> list[Any]:
        """In the order of the callback's outputs; `parts` and `charts` are those on the screen."""
        rest = [self.contents.get(name, no_update) for name in parts], [self.contents.get(n, no_update) for n in charts]
        return [no_update if one is None else one for one in (*self.frame, self.page, self.drawn)] + list(rest)


def register(app: Dash, source: Source, hub: Hub) -> None:
    """Add the callback that draws pages."""

    @app.callback(
        *[Output(ident, "children") for ident in FRAME],
        Output(ids.PAGE, "children"),
        Output(ids.DRAWN, "data"),
        Output({PART: ALL}, "children"),
        Output({CHART: ALL}, "figure"),
        Input(ids.URL, "pathname"),
        Input(ids.VIEWER, "data"),
        Input(ids.NEWS, "data"),
        Input(ids.TICK, "n_intervals"),
        State(ids.DRAWN, "data"),
    )
    def draw(
        path: str | None, viewer: dict[str, str] | None, _news: Any, _tick: Any, drawn: dict[str, Any] | None
    ) -> Any:
        on_screen = (
            [one["id"][PART] for one in ctx.outputs_list[-2]],
            [one["id"][CHART] for one in ctx.outputs_list[-1]],
        )
        if not viewer:
            return Drawing().outputs(*on_screen)
        try:
            drawing = draw_site(source, hub.connected, path or "/", viewer, drawn or {}, time.time())
        except StoreBroken as error:
            drawing = _could_not("The store could not be read.", str(error))
        except Exception as error:  # a page that fails must say so, with what to quote to an admin
            drawing = _could_not("This page could not be drawn.", "", error)
        return drawing.outputs(*on_screen)


def _could_not(matter: str, words: str, error: Exception | None = None) -> Drawing:
    code = secrets.token_hex(2).upper()
    log.error("%s code=%s words=%s", matter, code, words, exc_info=error)
    # Nothing is marked as drawn, so that the next sign of life brings another try.
    return Drawing(page=start.broken(matter, words, code), drawn={"title": "webstat", "clusters": {}})


def draw_site(
    source: Source, connected: bool, path: str, viewer: dict[str, str], drawn: dict[str, Any], now: float
) -> Drawing:
    """What of the frame and the page is not on the screen yet, by what was `drawn` before.

    Raises StoreBroken.
    """
    view = View(source, source.clusters(), now, _theme(viewer), _zone(source, viewer), connected)
    seen = stamps(view.clusters, connected, now)
    found = find(path)
    own = {name: seen[name] for name in (COLLECTOR, *_rests_on(found, view.clusters)) if name in seen}
    look = [path, view.theme, str(view.zone)]
    if drawn.get("page") == [own, *look] and drawn.get("clusters") == seen:
        return Drawing()
    drawing = Drawing(drawn={**drawn, "page": [own, *look], "clusters": seen})
    assert drawing.drawn is not None
    frame = _frame(view, found[0].entry if found else "")
    drawing.drawn["frame"] = [fingerprint(one) for one in frame]
    before = drawn.get("frame") or [None] * len(frame)
    drawing.frame = [
        None if old == new else one for one, old, new in zip(frame, before, drawing.drawn["frame"], strict=True)
    ]
    if drawn.get("page") == [own, *look]:
        return drawing
    page, drawing.drawn["title"] = _page(view, path, found)
    taken = take_apart(page)
    drawing.drawn["outline"], drawing.drawn["parts"] = [taken.frame, *look], taken.fingerprints()
    if drawn.get("outline") != drawing.drawn["outline"]:
        drawing.page = page
    else:
        known, contents = drawn["parts"], {**taken.parts, **taken.charts}
        drawing.contents = {
            name: contents[name] for name, mark in drawing.drawn["parts"].items() if known.get(name) != mark
        }
    return drawing


def _frame(view: View, entry: str) -> list[Any]:
    return [nav.bar(view, entry), nav.freshness(view), nav.demo(view), nav.tabs(view, entry), nav.footer(view)]


def _page(view: View, path: str, found: Any) -> tuple[list[Any], str]:
    site = view.source.settings.web.title
    if not view.clusters:
        return start.no_clusters(view), site
    if found is None:
        return start.no_such_page(view, path), site
    page, words = found
    named = view.cluster(words["name"]) if "name" in words else None
    title = page.title if named is None else named.title
    body = start.no_data(view) if _nothing(view) else page.layout(view, **words)
    if body is None:
        return start.no_such_page(view, path), site
    return [start.collector_missing(view), *body], f"{title} · {site}"


def _nothing(view: View) -> bool:
    return all(cluster.report == 0 and cluster.failures == 0 for cluster in view.clusters)


def _rests_on(found: Any, clusters: tuple[Cluster, ...]) -> list[str]:
    if found and "name" in found[1]:
        return [found[1]["name"]]
    return [cluster.name for cluster in clusters]


def _theme(viewer: dict[str, str]) -> str:
    theme = viewer.get("theme")
    return theme if theme in THEMES else THEMES[0]


def _zone(source: Source, viewer: dict[str, str]) -> ZoneInfo:
    for name in (source.settings.web.timezone, viewer.get("zone")):
        if name:
            try:
                return ZoneInfo(name)
            except (KeyError, ValueError, OSError):
                continue
    return ZoneInfo("UTC")
