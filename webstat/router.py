"""From an address to what is on the screen: one callback for every page, called when there is news.

It answers "no change" as long as the reports behind the page are those already drawn.
"""

from __future__ import annotations

import logging
import secrets
import time
from typing import Any
from zoneinfo import ZoneInfo

from dash import Dash, Input, Output, State, html, no_update

from webstat import ids
from webstat.components import nav
from webstat.data.source import Source
from webstat.errors import StoreBroken
from webstat.health import COLLECTOR, Cluster, stamps
from webstat.live import Hub
from webstat.pages import find, start
from webstat.theme import THEMES
from webstat.view import View

log = logging.getLogger(__name__)


def register(app: Dash, source: Source, hub: Hub) -> None:
    """Add the callback that draws pages."""

    @app.callback(
        Output(ids.BAR, "children"),
        Output(ids.FRESHNESS, "children"),
        Output(ids.DEMO, "children"),
        Output(ids.TABS, "children"),
        Output(ids.FOOTER, "children"),
        Output(ids.PAGE, "children"),
        Output(ids.DRAWN, "data"),
        Input(ids.URL, "pathname"),
        Input(ids.VIEWER, "data"),
        Input(ids.NEWS, "data"),
        Input(ids.TICK, "n_intervals"),
        State(ids.DRAWN, "data"),
    )
    def draw(
        path: str | None, viewer: dict[str, str] | None, _news: Any, _tick: Any, drawn: dict[str, Any] | None
    ) -> Any:
        if not viewer:
            return [no_update] * 7
        try:
            return draw_site(source, hub.connected, path or "/", viewer, drawn or {}, time.time())
        except StoreBroken as error:
            return _could_not("The store could not be read.", str(error))
        except Exception as error:  # a page that fails must say so, with what to quote to an admin
            return _could_not("This page could not be drawn.", "", error)


def _could_not(matter: str, words: str, error: Exception | None = None) -> list[Any]:
    code = secrets.token_hex(2).upper()
    log.error("%s code=%s words=%s", matter, code, words, exc_info=error)
    # Nothing is marked as drawn, so that the next sign of life brings another try.
    return [no_update] * 5 + [start.broken(matter, words, code), {"title": "webstat", "clusters": {}}]


def draw_site(
    source: Source, connected: bool, path: str, viewer: dict[str, str], drawn: dict[str, Any], now: float
) -> list[Any]:
    """The frame's parts, the page and what they were drawn from; no_update for what is on the screen already.

    Raises StoreBroken.
    """
    view = View(source, source.clusters(), now, _theme(viewer), _zone(source, viewer), connected)
    seen = stamps(view.clusters, connected, now)
    found = find(path)
    own = {name: seen[name] for name in (COLLECTOR, *_rests_on(found, view.clusters)) if name in seen}
    look = [path, view.theme, str(view.zone)]
    frame_key, page_key = [seen, *look], [own, *look]
    frame: list[Any] = [no_update] * 5
    if drawn.get("frame") != frame_key:
        entry = found[0].entry if found else ""
        frame = [part(view, entry) for part in (nav.bar, _freshness, _demo, nav.tabs, _footer)]
    if drawn.get("page") == page_key:
        page, title = no_update, drawn.get("title")
    else:
        page, title = _page(view, path, found)
    if drawn.get("frame") == frame_key and page is no_update:
        return [no_update] * 7
    return [*frame, page, {"frame": frame_key, "page": page_key, "title": title, "clusters": seen}]


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
    # A wrapper of its own for each page: one page's parts are never mistaken for another's.
    shown = html.Div([start.collector_missing(view), *body], key=page.path)
    return [shown], f"{title} · {site}"


def _nothing(view: View) -> bool:
    return all(cluster.report == 0 and cluster.failures == 0 for cluster in view.clusters)


def _rests_on(found: Any, clusters: tuple[Cluster, ...]) -> list[str]:
    if found and "name" in found[1]:
        return [found[1]["name"]]
    return [cluster.name for cluster in clusters]


def _freshness(view: View, _entry: str) -> list[Any]:
    return nav.freshness(view)


def _demo(view: View, _entry: str) -> list[Any]:
    return nav.demo(view)


def _footer(view: View, _entry: str) -> list[Any]:
    return nav.footer(view)


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
