"""From an address to what is on the screen: one callback for every page, called when there is news.

It answers "no change" as long as the reports behind the page are those already drawn.
"""

from __future__ import annotations

import logging
import secrets
import time
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from dash import Dash, Input, Output, State, no_update, set_props

from webstat import addresses, ids
from webstat.access import viewer as viewers
from webstat.access.sources import Sources
from webstat.access.viewer import Viewer
from webstat.cache import Memory
from webstat.components import nav, time_machine
from webstat.data import jobs
from webstat.data.source import Source
from webstat.errors import NoMoment, StoreBroken
from webstat.format import clock
from webstat.health import COLLECTOR, stamps
from webstat.live import Hub
from webstat.pages import CLUSTER, Found, find, panel, start
from webstat.parts import Taken, fingerprint, take_apart
from webstat.past import asked, stay_at
from webstat.theme import THEMES
from webstat.view import View

log = logging.getLogger(__name__)


FRAME = (ids.BAR, ids.FRESHNESS, ids.DEMO, ids.TABS, ids.FOOTER, ids.PAST)
"""What stands around the page, in the order of _framed()."""

REGIONS = (ids.PAGE, ids.PANEL)
"""What is drawn by its parts: the page, and the panel of the job or node that the address names."""


SHARED_SECONDS = 10
"""How long viewers who see the same are given the same drawing; the browser counts its ages on."""

MOST_PREPARED, PREPARING_SECONDS, FORGOTTEN_SECONDS = 24, 1.0, 900
"""Before viewers are told of news: how many looks are drawn, for how long, and of those seen how lately."""


@dataclass
class Drawing:
    """What is to be replaced on the screen; None, or a region that is missing, is what stays."""

    frame: list[Any] = field(default_factory=lambda: [None] * len(FRAME))
    regions: dict[str, list[Any]] = field(default_factory=dict)
    drawn: dict[str, Any] | None = None
    pieces: list[tuple[dict[str, str], str, Any]] = field(default_factory=list)
    """(id, property, value) of the parts and charts that differ."""

    def outputs(self) -> list[Any]:
        """In the order of the callback's outputs."""
        whole = [*self.frame, *(self.regions.get(region) for region in REGIONS), self.drawn]
        return [no_update if one is None else one for one in whole]


@dataclass(frozen=True)
class _Body:
    """A page and its panel, drawn and taken apart; shared, so it is only read."""

    title: str
    regions: dict[str, tuple[list[Any], Taken]]


def register(app: Dash, artist: Artist, hub: Hub) -> None:
    """Add the callback that draws pages."""

    @app.callback(
        *[Output(ident, "children") for ident in (*FRAME, *REGIONS)],
        Output(ids.DRAWN, "data"),
        Input(ids.URL, "pathname"),
        Input(ids.URL, "search"),
        Input(ids.VIEWER, "data"),
        Input(ids.NEWS, "data"),
        Input(ids.TICK, "n_intervals"),
        State(ids.DRAWN, "data"),
    )
    def draw(
        path: str | None,
        search: str | None,
        viewer: dict[str, str] | None,
        _news: Any,
        _tick: Any,
        drawn: dict[str, Any] | None,
    ) -> Any:
        if not viewer:
            return Drawing().outputs()
        address = (path or "/") + (search or "")
        try:
            drawing = artist.draw(hub.connected, address, viewer, drawn or {}, time.time())
        except StoreBroken as error:
            if (drawn or {}).get("page", [None])[-1] == address:
                drawing = _as_it_was(drawn or {}, error)
            else:
                drawing = _could_not("The store could not be read.", str(error))
        except Exception as error:  # a page that fails must say so, with what to quote to an admin
            drawing = _could_not("This page could not be drawn.", "", error)
        for ident, prop, value in drawing.pieces:
            # Not an output: an answer then names what it changes, and a question nothing at all.
            set_props(ident, {prop: value})
        return drawing.outputs()


def _as_it_was(drawn: dict[str, Any], error: StoreBroken) -> Drawing:
    """What is on the screen stays, and a line says so; the ages on it count on."""
    log.warning("the store could not be read error=%s", error)
    place = FRAME.index(ids.DEMO)
    drawing = Drawing(
        drawn={**drawn, "clusters": {}}
    )  # as if nothing was drawn: the next sign of life brings another try
    assert drawing.drawn is not None
    drawing.frame[place] = nav.store_away()
    drawing.drawn["frame"] = [None if at == place else one for at, one in enumerate(drawn.get("frame", FRAME))]
    return drawing


def _could_not(matter: str, words: str, error: Exception | None = None) -> Drawing:
    code = secrets.token_hex(2).upper()
    log.error("%s code=%s words=%s", matter, code, words, exc_info=error)
    # Nothing is marked as drawn, so that the next sign of life brings another try.
    return Drawing(
        regions={ids.PAGE: start.broken(matter, words, code), ids.PANEL: []}, drawn={"title": "webstat", "clusters": {}}
    )


_Look = tuple[str, str, str, str | None, Viewer]
"""An address, the theme, the zone, on personal pages the name of who looks, and as whom the door knows them."""


class Artist:
    """Draws the site for many viewers; those who look at the same share one drawing."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._drawings = self.memory = Memory(128)
        self._prepared_at = 0.0
        self._looks: dict[_Look, float] = {}
        """What was looked at, and when last; the latest at the end."""

    def draw(self, connected: bool, address: str, viewer: dict[str, str], drawn: dict[str, Any], now: float) -> Drawing:
        """What of the frame and the page is not on the screen yet, by what was `drawn` before.

        Raises StoreBroken.
        """
        view = self._view(connected, address, viewer, now)
        look = (view.address(), view.theme, str(view.zone), view.me, _alike(viewers.current.get()))
        self._looks.pop(look, None)
        if view.at is None:  # no news changes the past
            self._looks[look] = now
        return self._drawing(view, drawn)

    def prepare(self, connected: bool) -> None:
        """Draw what people look at before they are told of news, since then all ask at once."""
        now = self._prepared_at = time.time()
        recent = [one for one in reversed(list(self._looks.items())) if now - one[1] < FORGOTTEN_SECONDS]
        self._looks = dict(reversed(recent[:MOST_PREPARED]))
        for (address, theme, zone, me, viewer), _ in recent[:MOST_PREPARED]:
            mark = viewers.current.set(viewer)
            try:
                view = self._view(connected, address, {"theme": theme, "zone": zone, "me": me or ""}, now)
                self._drawing(view, {})
                if view.path == addresses.jobs_page():
                    jobs.table(view.source, view.clusters, now)  # the rows are asked for next
            except Exception:  # who asks for that page is told so
                log.warning("a page could not be prepared address=%s", address, exc_info=True)
            finally:
                viewers.current.reset(mark)
            if time.time() - now > PREPARING_SECONDS:
                break

    def _view(self, connected: bool, address: str, viewer: dict[str, str], now: float) -> View:
        path, _, search = address.partition("?")
        query = dict(parse_qsl(search, max_num_fields=64))
        who, found = viewers.current.get(), find(path)
        source = self._sources.of(who)
        # Where people sign in, a browser's word for who somebody is does not count.
        me = (who.name if who.signed_in else viewer.get("me")) or None
        me = me if (found and found[0].personal) or panel.JOB in query else None
        seen = {"theme": _theme(viewer), "zone": _zone(source, viewer), "path": path, "query": query, "me": me}
        try:
            at = asked(query, now) if found is None or found[0].live else None
        except NoMoment as error:
            return View(source, source.clusters(), now, connected=connected, refused=str(error), **seen)
        if at is None:
            return View(source, source.clusters(), now, connected=connected, **seen)
        then = source.at(at, now)
        # Whether the collector runs now says nothing of then.
        return View(then, then.clusters(), float(at), connected=True, at=at, present=(source, now), **seen)

    def _drawing(self, view: View, drawn: dict[str, Any]) -> Drawing:
        found = find(view.path)
        seen = stamps(view.clusters, view.connected, view.now)
        own = {name: seen[name] for name in (COLLECTOR, *_rests_on(found, view)) if name in seen}
        seen_as = None if view.source.veil is None else repr(view.source.veil)
        look = [view.path, view.theme, str(view.zone), view.me, seen_as]
        page, shown = [*look, view.address()], drawn.get("clusters", {})
        if drawn.get("page") == page and shown == seen:
            return Drawing()
        drawing = Drawing(drawn={**drawn, "page": page, "clusters": seen, "at": view.at})
        assert drawing.drawn is not None
        moment = int((view.real_now - self._prepared_at) // SHARED_SECONDS)
        frame, drawing.drawn["frame"] = self._drawings.get(
            (*seen.items(), *look[:3], seen_as, view.at, moment), lambda: _framed(view, found)
        )
        before = drawn.get("frame") or [None] * len(frame)
        drawing.frame = [
            None if old == new else one for one, old, new in zip(frame, before, drawing.drawn["frame"], strict=True)
        ]
        if drawn.get("page") == page and all(shown.get(name) == stamp for name, stamp in own.items()):
            return drawing
        body = self._drawings.get((*own.items(), *page, moment), lambda: _body(view, found))
        drawing.drawn["title"], drawing.drawn["outline"], drawing.drawn["marks"] = body.title, {}, {}
        # A panel beside a page that is nobody's leaves it as it is.
        whose = view.me if found and found[0].personal else None
        outlines = {ids.PAGE: [view.path, view.theme, str(view.zone), whose, seen_as], ids.PANEL: look[1:]}
        for region, (children, taken) in body.regions.items():
            outline = fingerprint([taken.frame, *outlines[region]])
            drawing.drawn["outline"][region], drawing.drawn["marks"][region] = outline, taken.marks
            if drawn.get("outline", {}).get(region) != outline:
                drawing.regions[region] = children
            else:
                drawing.pieces += taken.differing(drawn["marks"][region])
        return drawing


def _body(view: View, found: Found | None) -> _Body:
    page, title = _page(view, found)
    bodies = {ids.PAGE: page, ids.PANEL: panel.layout(view)}
    if view.at is not None:
        stay_at([*bodies[ids.PAGE], *bodies[ids.PANEL]], view.at)
    return _Body(title, {region: (body, take_apart(body, region)) for region, body in bodies.items()})


def _framed(view: View, found: Found | None) -> tuple[list[Any], list[str]]:
    """What stands around the page, and its fingerprints."""
    entry = found[0].entry if found else ""
    frame = [
        nav.bar(view, entry),
        nav.freshness(view),
        nav.notices(view),
        nav.tabs(view, entry),
        nav.footer(view, live=found is None or found[0].live),
        time_machine.bar(view, found[1].get(CLUSTER) if found else None),
    ]
    if view.at is not None:
        stay_at([one for part in frame for one in part], view.at)
    return frame, [fingerprint(one) for one in frame]


def _page(view: View, found: Found | None) -> tuple[list[Any], str]:
    site = view.source.settings.web.title
    if view.refused:
        return start.no_moment(view), site
    if view.at is not None and (unknown := _unknown_then(view, found)):
        return unknown, site
    if not view.clusters:
        return start.no_clusters(view), site
    if found is None:
        return start.no_such_page(view, view.path), site
    page, words = found
    body = start.no_data(view) if _nothing(view) else page.layout(view, **words)
    if body is None:
        return start.no_such_page(view, view.path), site
    then = "" if view.at is None else f" · {clock(view.at, view.zone, view.real_now)}"
    return [start.collector_missing(view), *body], f"{page.title_of(view, words)}{then} · {site}"


def _unknown_then(view: View, found: Found | None) -> list[Any] | None:
    """What is said where nothing is known at a past moment of the page's cluster, or of any; None where something is."""
    name = found[1].get(CLUSTER) if found else None
    cluster = next((one for one in view.live.clusters() if one.name == name), None)
    if cluster is not None and view.cluster(cluster.name) is None:
        return start.nothing_known(view, cluster)
    return None if view.clusters else start.nothing_known(view)


def _nothing(view: View) -> bool:
    return all(cluster.report == 0 and cluster.failures == 0 for cluster in view.clusters)


def _rests_on(found: Found | None, view: View) -> list[str]:
    """The clusters whose news may change what is shown."""
    everything = [cluster.name for cluster in view.clusters]
    if found is None or CLUSTER not in found[1]:
        return everything
    return [name for name in everything if name in (found[1][CLUSTER], *panel.rests_on(view))]


def _alike(viewer: Viewer) -> Viewer:
    """The same for all whose pages are the same."""
    return replace(viewer, until=None)


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
