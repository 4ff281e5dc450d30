"""Pages for when there is nothing to show yet: no clusters configured, no data, no such page, a broken store."""

from __future__ import annotations

from collections.abc import Sequence

from dash import html

from webstat.components.cards import note
from webstat.components.text import Part, clock, foreign, link
from webstat.data.queries.known_then import load_first_known
from webstat.format import shorten
from webstat.health import Cluster
from webstat.view import View


def no_clusters(view: View) -> list[Part]:
    """webstat.toml names no cluster."""
    steps = [
        ["On a login node of the cluster, start the agent: ", html.Code("python -m agent serve")],
        [
            "Copy ",
            html.Code("webstat.example.toml"),
            " to ",
            html.Code("webstat.toml"),
            " and name the cluster and its agent in it.",
        ],
        ["Start the collector: ", html.Code("python -m collector run")],
        ["Start this page again: ", html.Code("python app.py")],
    ]
    why = "webstat.toml names no cluster, or is not where this page was started."
    return _page("No clusters are configured", why, steps)


def no_data(view: View) -> list[Part]:
    """Clusters are configured, and none has ever been seen."""
    names = ", ".join(cluster.title for cluster in view.clusters[:6])
    more = f" and {len(view.clusters) - 6} more" if len(view.clusters) > 6 else ""
    why = f"No report of {names}{more} is in the store. The first one appears here by itself."
    if not view.collector_missing:
        steps = [
            ["The collector runs. It asks each cluster in turn; the first answers take a few seconds."],
            [
                "If nothing comes: ",
                html.Code("python -m collector check"),
                " tells what does not work, and what to do.",
            ],
        ]
    else:
        steps = [
            ["Start the collector: ", html.Code("python -m collector run")],
            ["If it runs and nothing comes: ", html.Code("python -m collector check"), " tells what does not work."],
        ]
    return _page("No data yet", why, steps)


def no_such_page(view: View, path: str) -> list[Part]:
    """The address is not one of ours."""
    others = [[link(foreign(cluster.title), f"/cluster/{cluster.name}")] for cluster in view.clusters[:12]]
    steps = [[link("Overview", "/")], *others]
    return _page(
        "There is no such page",
        ["Nothing is at ", html.Code(foreign(path, 80)), ". What is there:"],
        steps,
        numbered=False,
    )


def no_moment(view: View) -> list[Part]:
    """The address names a moment that cannot be shown."""
    return _page("There is no such moment", view.refused, _ways_back(), numbered=False)


def nothing_known(view: View, cluster: Cluster | None = None) -> list[Part]:
    """At that moment nothing was known of any cluster, or of the one that the page is about."""
    of = cluster.title if cluster else "any cluster"
    title = f"Nothing of {shorten(of, 40)} is known at that moment"
    known = view.live.ask(load_first_known)
    first = known if cluster is None else known[known["cluster_id"] == cluster.id]
    if first.empty:
        return _page(title, f"No report of {of} is in the store.", _ways_back(), numbered=False)
    at = int(first["at"].min())
    why: list[Part] = ["It is known since ", clock(at, view), ", or what was before is kept no longer."]
    there = link("The first moment that is known", view.address(at=str(at)))
    return _page(title, why, [[there], *_ways_back()], numbered=False)


def _ways_back() -> list[list[Part]]:
    back = html.Button("Back to live", className="btn btn-link p-0", **{"data-step": "live", "type": "button"})
    return [[back]]


def broken(matter: str, words: str, code: str) -> list[Part]:
    """Something failed: what, in whose words, and the code under which the log has it."""
    said = [" ", foreign(words, 200)] if words else []
    rest = [
        *said,
        " Nothing is lost; the page tries again by itself. Code ",
        html.Code(code),
        ".",
    ]
    return [html.H1("webstat", className="visually-hidden"), note("bad", matter, rest)]


def collector_missing(view: View) -> html.Div | None:
    """The sentence over every page while the collector does not run."""
    if not view.collector_missing or not any(cluster.report for cluster in view.clusters):
        return None
    rest = [
        " What you see is the last that it stored. Admin: start it with ",
        html.Code("python -m collector run"),
        ".",
    ]
    return note("warn", "The collector does not run.", rest, "pause-circle", "mb-3")


def _page(title: str, why: Part, steps: Sequence[Part], numbered: bool = True) -> list[Part]:
    items = (html.Ol if numbered else html.Ul)([html.Li(step) for step in steps], className="mb-0")
    body = html.Div([html.P(why), items], className="card-body")
    return [html.H1(title, className="ws-h1 mb-3"), html.Section(body, className="card ws-start")]
