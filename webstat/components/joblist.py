"""Small lists of jobs: those that live, with what to know of each, and those that ended, with how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from dash import html

from webstat.addresses import cluster_page, user_page
from webstat.answers.starts import Start, starts_of
from webstat.components.job import job_link, job_state
from webstat.components.tables import cell, head, number_cell, table
from webstat.components.text import Part, clock, foreign, icon, link, person, until
from webstat.exits import exit_words
from webstat.format import UNKNOWN, duration, plural, wait
from webstat.view import View

WIDE = "d-none d-md-table-cell"
WIDER = "d-none d-lg-table-cell"
NARROW = "d-md-none"


def living(jobs: pd.DataFrame, caption: str, view: View, users: bool = False) -> html.Div:
    """Rows of data.jobs.current(): state, job, where, cores, what is expected, what to know."""
    foretold = starts_of(view.source, view.clusters, jobs, view.now)
    heads = [
        head("State"),
        head("Job"),
        *([head("User", extra=WIDE)] if users else []),
        head("Cluster · queue", extra=WIDE),
        head("Cores", extra=f"n {WIDE}"),
        head("Expected"),
        head("Left, or waited", extra=f"n {WIDER}"),
        head("What to know", extra=WIDE),
    ]
    rows = [_living_row(job, foretold.get(job.key), view, users) for job in jobs.itertuples()]
    return table([heads], rows, caption)


def _living_row(job: Any, foretold: Start | None, view: View, users: bool) -> html.Tr:
    known = _known(job, view)
    name = html.Span(foreign(job.name, 18), className="d-none d-md-inline ps-2")
    below = [foreign(job.name, 16)]
    if users:
        below = [*below, " · ", _user(job.user)]
    cells = [
        cell(job_state(job.state, job.native_state, _whole(job.exit_status))),
        html.Th(
            [job_link(view, job.cluster, job.id), name, html.Div(below, className=f"{NARROW} ws-sub")],
            scope="row",
            className="fw-normal text-nowrap",
        ),
        *([cell(_user(job.user), WIDE)] if users else []),
        cell(_where(job, view), f"text-nowrap {WIDE}"),
        number_cell(job.cores, WIDE),
        cell([_expected(job, foretold, view), html.Div(known, className=f"{NARROW} ws-sub")]),
        cell(_time(job, view), f"n z {WIDER}"),
        cell(known, f"ws-wrap {WIDE}"),
    ]
    return html.Tr(cells)


def _user(name: str) -> Part:
    return link(person(name, 16), user_page(name), quiet=True)


def _where(job: Any, view: View) -> list[Part]:
    cluster = view.cluster(job.cluster)
    title = cluster.title if cluster else job.cluster
    return [link(foreign(title, 16), cluster_page(job.cluster), quiet=True), " · ", foreign(job.queue, 16)]


def _known(job: Any, view: View) -> list[Part]:
    cluster = view.cluster(job.cluster)
    if cluster and cluster.taken_at is not None and view.health(cluster).stale:
        return [icon("clock-history", "st-warn"), " State of ", clock(cluster.taken_at, view)]
    if not job.why:
        return [html.Span(UNKNOWN, className="z")]
    words = foreign(job.why, 120)
    return [icon("exclamation-triangle-fill", "st-warn"), " ", words] if job.why_tone == "warn" else [words]


def _expected(job: Any, foretold: Start | None, view: View) -> Part:
    if foretold is not None and foretold[1] > view.now:
        return _range(*foretold, view)
    if pd.isna(job.expected_at) or not job.expects:
        waited = _time(job, view)
        known = html.Span(waited, className="z d-lg-none text-nowrap") if waited else None
        return html.Span([html.Span("not foretold", className="z" + (" d-none d-lg-inline" if waited else "")), known])
    words = {"ends": "ends by ", "starts": "starts ", "ended": "ended "}[job.expects]
    return html.Span([words, clock(job.expected_at, view)], className="text-nowrap")


def _range(since: int | None, until: int, similar: int, view: View) -> html.Span:
    """Our own range, said as the table of jobs says it."""
    own = f"webstat’s own estimate, from {plural(similar, 'similar job')}: "
    if since is None:
        by = ["starts by ", clock(until, view)]
        return html.Span(by, title=own + "nine tenths of them start by then", className="text-nowrap")
    first = html.Span(["starts ", clock(since, view)], className="text-nowrap")
    last = html.Span(["– ", clock(until, view)], className="text-nowrap")
    words = "half of them start by the first time, nine tenths by the second"
    return html.Span([first, " ", last], title=own + words)


def _time(job: Any, view: View) -> Part:
    if job.expects == "ends" and not pd.isna(job.expected_at):
        return ["in ", until(job.expected_at, view)] if job.expected_at > view.now else "overdue"
    if job.expects != "ended" and pd.isna(job.started_at) and not pd.isna(job.waited_seconds):
        return f"waited {wait(job.waited_seconds)}"
    return ""


def ended(
    jobs: pd.DataFrame, schedulers: Mapping[str, str | None], caption: str, view: View, users: bool = False
) -> html.Div:
    """Rows of load_ended(), with each exit in words; `schedulers` has the kind of each cluster's scheduler."""
    heads = [
        head("Ended"),
        head("Job"),
        *([head("User", extra=WIDE)] if users else []),
        head("Cluster · queue", extra=WIDE),
        head("Cores", extra=f"n {WIDE}"),
        head("Ran", extra=f"n {WIDE}"),
        head("How"),
    ]
    rows = [_ended_row(job, schedulers.get(job.cluster), view, users) for job in jobs.itertuples()]
    return table([heads], rows, caption)


def _ended_row(job: Any, scheduler: str | None, view: View, users: bool) -> html.Tr:
    status = _whole(job.exit_status)
    name = html.Span(foreign(job.name, 18), className="d-none d-md-inline ps-2")
    about = html.Span("about ", title="it ended between two reports") if job.ended_estimated else None
    ran = UNKNOWN if pd.isna(job.started_at) else duration(max(0.0, job.ended_at - job.started_at))
    return html.Tr(
        [
            cell([about, clock(job.ended_at, view)], "text-nowrap"),
            html.Th(
                [
                    job_link(view, job.cluster, job.id),
                    name,
                    html.Div(foreign(job.name, 16), className=f"{NARROW} ws-sub"),
                ],
                scope="row",
                className="fw-normal text-nowrap",
            ),
            *([cell(_user(job.user), WIDE)] if users else []),
            cell(_where(job, view), f"text-nowrap {WIDE}"),
            number_cell(job.cores, WIDE),
            cell(ran, f"n {WIDE}"),
            cell(_exit(status, scheduler, pd.isna(job.started_at)), "ws-wrap"),
        ]
    )


def _exit(status: int | None, scheduler: str | None, idle: bool) -> list[Part]:
    words = exit_words(status, scheduler)
    if status is None and idle:
        return ["it never ran"]
    if status is None:
        return [html.Span(words, className="z")]
    return [job_state("finished"), ", ", words] if status == 0 else [html.Span([icon("x-lg", "st-bad"), " ", words])]


def _whole(status: float | None) -> int | None:
    return None if status is None or pd.isna(status) else int(status)
