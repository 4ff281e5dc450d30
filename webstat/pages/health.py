"""How well each cluster is known, for everyone: the proof that asking is gentle, and what an admin needs first."""

from __future__ import annotations

import pandas as pd
from dash import html

from webstat.components.cards import empty, kpi
from webstat.components.states import pill, trouble
from webstat.components.text import Part, age, clock, foreign, link, until
from webstat.data import usage
from webstat.format import DAY, duration, number, percent, plural
from webstat.health import Cluster
from webstat.view import View

SHOWN_WARNINGS = 10


def layout(view: View) -> list[Part]:
    """One card a cluster."""
    cards = [html.Div(_card(cluster, view), className="col-12 col-xl-6", id=cluster.name) for cluster in view.clusters]
    words = "How fresh the data are, what asking costs the schedulers, and what went wrong."
    head = html.Div(
        [html.H1("Health", className="ws-h1"), html.Span(words, className="text-body-secondary")],
        className="d-flex flex-wrap align-items-baseline column-gap-3 mb-3",
    )
    return [head, html.Div(cards, className="row g-3")]


def _card(cluster: Cluster, view: View) -> html.Section:
    ident = f"h-{cluster.name}"
    title = link(foreign(cluster.title), f"/cluster/{cluster.name}", quiet=True)
    head = html.Div(
        [
            html.H2(title, className="ws-q fs-6", id=ident),
            html.Span(cluster.scheduler, className="ws-sub text-truncate d-none d-sm-inline"),
            html.Span(pill(cluster, view), className="ms-auto"),
        ],
        className="d-flex align-items-center gap-2 mb-2",
    )
    polls = view.source.polls(cluster, view.now) if cluster.id else pd.DataFrame()
    said = trouble(cluster, view, details=False)
    body = [said, _numbers(cluster, polls, view), _day(polls, cluster, view), _last_error(cluster), _warnings(cluster)]
    stale = " ws-stale" if view.health(cluster).stale else ""
    return html.Section(
        html.Div([head, *body], className="card-body"), className=f"card h-100{stale}", **{"aria-labelledby": ident}
    )


def _numbers(cluster: Cluster, polls: pd.DataFrame, view: View) -> html.Div:
    when: Part = age(cluster.taken_at, view) if cluster.taken_at is not None else "–"
    at: Part = ["report of ", clock(cluster.taken_at, view)] if cluster.taken_at is not None else "no report yet"
    waits = cluster.next_poll_at is not None and cluster.next_poll_at > view.now
    due: Part = ["next in ", until(cluster.next_poll_at, view)] if waits else "the next is due"
    cost = "–" if cluster.query_seconds is None else f"{cluster.query_seconds:.1f}"
    share = None if cluster.query_seconds is None else cluster.query_seconds / cluster.period_seconds
    took = f"{percent(share, 1)} of the time" if share is not None else "not known yet"
    failed = int(polls["error_code"].notna().sum()) if len(polls) else 0
    cells = [
        kpi("Age of data", when, note=at, small=True),
        kpi("Asked every", duration(cluster.period_seconds), note=due, small=True),
        kpi("Cost of asking", cost, "s" if share is not None else "", took, small=True),
        kpi("Polls, 24 h", number(len(polls)), note=f"{number(failed)} failed", small=True),
    ]
    columns = [html.Div(one, className="col ps-2" if place else "col") for place, one in enumerate(cells)]
    return html.Div(columns, className="row row-cols-2 row-cols-md-4 g-0 ws-kpis mt-3 mb-3")


def _day(polls: pd.DataFrame, cluster: Cluster, view: View) -> html.Div:
    since = int(view.now - DAY)
    known = usage.known_stretches(polls, cluster.period_seconds, since, view.now) if len(polls) else []
    missed = usage.gaps(known, since, view.now, usage.LATE_AFTER * cluster.period_seconds)
    pieces, at = [], float(since)
    for start, end in [*missed, (view.now, view.now)]:
        pieces += [("b-run", start - at), ("b-gap", end - start)]
        at = end
    strip = html.Div(
        [html.I(className=look, style={"width": f"{width / DAY:.3%}"}) for look, width in pieces if width > 0],
        className="ws-bar ws-strip",
        role="img",
        **{"aria-label": f"Known {percent(sum(end - start for start, end in known) / DAY)} of the last 24 hours"},
    )
    total = sum(end - start for start, end in missed)
    words = (
        "No gap in the last 24 h."
        if not missed
        else f"{plural(len(missed), 'gap')} in the last 24 h, {duration(total)} in all."
    )
    if not len(polls):
        return html.Div(empty("Never asked in the last 24 h.", "The collector notes each poll; none is in the store."))
    return html.Div(
        [
            html.Div("When reports came, last 24 h", className="ws-sub mb-1"),
            strip,
            html.Div(words, className="ws-sub mt-1"),
        ]
    )


def _last_error(cluster: Cluster) -> html.Div | None:
    if not cluster.failures:
        return None
    times = "The last poll failed" if cluster.failures == 1 else f"The last {cluster.failures} polls failed"
    return html.Div(
        [
            html.H3(times, className="ws-q mt-3"),
            html.Div(
                [html.Code(cluster.error_code or "unknown"), " ", foreign(cluster.error or "no words", 400)],
                className="ws-words",
            ),
        ]
    )


def _warnings(cluster: Cluster) -> html.Div | None:
    if not cluster.warnings:
        return None
    rows = [
        html.Li([html.Code(foreign(w.source, 60)), " ", foreign(w.message, 240)])
        for w in cluster.warnings[:SHOWN_WARNINGS]
    ]
    more = len(cluster.warnings) - len(rows)
    if more > 0:
        rows.append(html.Li(f"and {number(more)} more", className="z"))
    return html.Div(
        [
            html.H3(f"{plural(len(cluster.warnings), 'warning')} in the last report", className="ws-q mt-3"),
            html.Ul(rows, className="ws-words list-unstyled mb-0"),
        ]
    )
