"""The frame around every page: bar, tabs on phones, the DEMO label, footer."""

from __future__ import annotations

from dash import dcc, html

from webstat import addresses, ids
from webstat.components.states import TONES, WORDS, headline, past_pill
from webstat.components.text import Part, age, foreign, icon, link
from webstat.format import duration, zone_words
from webstat.health import Cluster
from webstat.privacy import SAYS
from webstat.view import View

OVERVIEW, FREE, CLUSTERS, JOBS, HISTORY, HEALTH = "overview", "free", "clusters", "jobs", "history", "health"
"""Names of the menu's entries; the page says which one it belongs to."""


def bar(view: View, entry: str) -> list[Part]:
    """The menu and the freshness of the data; the buttons beside are the frame's own."""
    entries = [
        link_to("Overview", "/", entry == OVERVIEW),
        link_to("Free now", "/free", entry == FREE),
        _clusters(view, entry == CLUSTERS),
        link_to("Jobs", "/jobs", entry == JOBS),
        link_to("History", "/history", entry == HISTORY),
        link_to("Health", "/health", entry == HEALTH),
    ]
    return [html.Div(entries, className="d-none d-md-flex")]


def _clusters(view: View, active: bool) -> html.Span | html.Details | None:
    if len(view.clusters) == 1:  # a menu of one would be a detour
        return link_to("Cluster", f"/cluster/{view.clusters[0].name}", active)
    return cluster_menu(view, "Clusters", None, active) if view.clusters else None


def link_to(text: Part, href: str, active: bool) -> html.Span:
    """A menu entry; the one of the page at hand says so to screen readers too."""
    entry = dcc.Link(text, href=href, className="nav-link active" if active else "nav-link")
    # dcc.Link passes no aria attributes on, so the item around it carries the mark.
    return html.Span(entry, className="ws-entry", **({"aria-current": "page"} if active else {}))


def cluster_menu(view: View, label: str, current: Cluster | None, active: bool = False) -> html.Details | None:
    """The clusters with their states, as a menu that opens; None where there is no other to go to."""
    if current is not None and len(view.clusters) < 2:
        return None
    items = []
    for cluster in view.clusters:
        state = view.health(cluster).state
        tone, symbol = TONES[state]
        mark = html.Span([icon(symbol), WORDS[state]], className=f"ws-sub st-{tone} ms-auto ps-3")
        here = current is not None and cluster.name == current.name
        item = link([foreign(cluster.title), mark], f"/cluster/{cluster.name}")
        item.className = "dropdown-item d-flex" + (" active" if here else "")
        items.append(html.Li(item))
    chevron = icon("chevron-down")
    if current is None:
        summary = html.Summary([label, " ", chevron], className="nav-link active" if active else "nav-link")
    else:
        summary = html.Summary(
            chevron, className="btn btn-outline-secondary px-1 py-0", title=label, **{"aria-label": label}
        )
    # With an id of its own it stays open when there is news.
    ident = "clusters-menu" if current is None else "other-clusters"
    return html.Details([summary, html.Ul(items, className="dropdown-menu show")], className="ws-menu", id=ident)


def freshness(view: View) -> list[Part]:
    """The pill over all clusters and the age of the newest report."""
    if not view.clusters:
        return []
    if view.at is not None:
        return [past_pill(view.at, view)]
    newest = max((c.taken_at for c in view.clusters if c.taken_at is not None), default=None)
    parts: list[Part] = [headline(view.clusters, view)]
    if newest is not None:
        parts.append(html.Span(["data ", age(newest, view), " old"], className="ws-sub d-none d-lg-inline"))
    return parts


def tabs(view: View, entry: str) -> list[Part]:
    """The menu at the bottom of small screens."""
    if not view.clusters:
        return []
    clusters = "Clusters" if len(view.clusters) > 1 else "Cluster"
    rows = [
        ("grid-1x2", "Overview", "/", OVERVIEW),
        ("square", "Free now", "/free", FREE),
        ("hdd-stack", clusters, f"/cluster/{view.clusters[0].name}", CLUSTERS),
        ("list-task", "Jobs", "/jobs", JOBS),
        ("graph-up", "History", "/history", HISTORY),
        ("activity", "Health", "/health", HEALTH),
    ]
    return [
        dcc.Link([icon(symbol), text], href=href, className="active" if name == entry else "")
        for symbol, text, href, name in rows
    ]


def notices(view: View) -> list[Part]:
    """What must be known of everything on the page: that it is invented, and what of others is not shown."""
    said: list[Part] = []
    simulated = [cluster for cluster in view.clusters if cluster.demo]
    if simulated:
        some = "" if len(simulated) == len(view.clusters) else f" ({', '.join(c.title for c in simulated)})"
        words = f"simulated clusters{some}. Their users, jobs and numbers are invented."
        said.append(html.Div([html.B("DEMO:"), " ", words], className="ws-demo", role="note"))
    if view.source.veil is not None:
        said.append(html.Div([icon("eye-slash"), " ", SAYS[view.source.veil.level]], className="ws-veil", role="note"))
    return said


def store_away() -> list[Part]:
    """The label that says that nothing new can be read."""
    words = "webstat’s store cannot be read now. What you see is as it was; it goes on by itself."
    return [html.Div([icon("database-x"), " ", words], className="ws-demo", role="alert")]


def footer(view: View, live: bool = True) -> list[Part]:
    """Time zone, the measured load on each scheduler, the way to the past, and the same as text.

    `live` is whether the page can show a past moment; from another one the way leads to the overview's.
    """
    loads = [
        f"{c.query_seconds:.1f} s every {duration(c.period_seconds)} on {c.title}"
        for c in view.clusters
        if c.query_seconds is not None and c.report
    ]
    zone = zone_words(view.zone, view.now)
    parts: list[Part] = [html.Span("Times are UTC." if zone == "UTC" else f"Times are {zone}; hover for UTC.")]
    if loads:
        more = f", and {len(loads) - 3} more" if len(loads) > 3 else ""
        parts.append(html.Span(f"What asking the schedulers costs them: {', '.join(loads[:3])}{more}."))
    newest = max((int(c.taken_at) for c in view.clusters if c.taken_at is not None), default=None)
    if newest is not None and view.at is None:
        there = {"data-to": str(newest), "data-path": "" if live else "/", "type": "button"}
        look = "btn btn-link btn-sm p-0 ws-sub"
        parts.append(
            html.Button([icon("clock-history"), " Look at a past moment"], id=ids.LOOK_BACK, className=look, **there)
        )
    if view.clusters:
        shown = next((c for c in view.clusters if view.path == addresses.cluster_page(c.name)), None)
        # Not a page of the site's own drawing: a plain link, which leaves it.
        person = view.path.startswith(("/user/", "/group/"))
        text = (
            f"{view.path.rstrip('/')}.txt"
            if person
            else f"{addresses.cluster_page(shown.name)}.txt"
            if shown
            else "/clusters.txt"
        )
        parts.append(html.A("As text, for terminals", href=text, className="ms-md-auto"))
    return parts
