"""The jobs behind a point of history, one by one: which they are, what they used in the stretch, how they ended.

Which jobs are meant is data.explore.behind's.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from dash import html

from webstat.addresses import job_page, user_page
from webstat.components.cards import empty, note
from webstat.components.choices import choices
from webstat.components.exports import export_links, question_words
from webstat.components.tables import cell, head, number_cell, table
from webstat.components.text import Part, clock, foreign, icon, link, person, strong
from webstat.data.explore.behind import USUAL_SORT, Behind, Wanted, behind, read_number, read_wanted
from webstat.data.explore.cut import CLASSES, NAMES
from webstat.data.explore.explorer import Asked
from webstat.data.queries.history_jobs import EVENTS
from webstat.exits import exit_words
from webstat.figures.history import range_words
from webstat.format import UNKNOWN, compact, duration, number, plural, wait
from webstat.sentences import listed
from webstat.view import View

SHOWN = 200
MOST_OFFSET = 10**9

WIDE, WIDER, NARROW = "d-none d-md-table-cell", "d-none d-lg-table-cell", "d-md-none"

_EVENTS = {"lived": "Lived", "ran": "Ran", "submitted": "Submitted", "started": "Started", "ended": "Ended"}


def layout(view: View) -> list[Part]:
    """The page of the jobs that the address asks for."""
    source = view.source
    names = [cluster.name for cluster in view.clusters]
    extent = source.explorer.extent(view.clusters) if view.query.get("range") == "all" else None
    wanted, problems = read_wanted(view.query, view.now, view.zone, names, extent)
    offset = read_number(view.query, "offset", 0, 0, MOST_OFFSET, problems)
    asked = source.explorer.asked(wanted.question, view.clusters)
    found = source.share(
        ("behind", *asked.key, wanted.question.since, wanted.question.until, wanted.event, wanted.sort, offset),
        lambda: behind(source.ask, asked, wanted, SHOWN, offset),
    )
    said = [note("warn", problem, extra="mb-3") for problem in problems]
    return [
        _head(asked, wanted, found),
        _tools(wanted, view),
        *said,
        *_unkept(found, view),
        _card(found, wanted, offset, view),
    ]


def _head(asked: Asked, wanted: Wanted, found: Behind) -> html.Div:
    question, total = wanted.question, found.jobs.total
    did = EVENTS[wanted.event] if total != 1 else EVENTS[wanted.event].replace("were", "was")
    words: list[Part] = [
        strong(plural(total, "job")),
        f" {did}, {range_words(question.since, question.until, question.zone)}; ",
        strong(compact(found.jobs.core_seconds / 3600)),
        " core-hours within that.",
    ]
    filters = [part for by, kept in question.filters for part in (_filter(asked, by, kept), "; ")][:-1]
    if filters:
        words += [" Only ", *filters, "."]
    return html.Div(
        [html.H1("Jobs of the past", className="ws-h1"), html.Span(words, className="text-body-secondary")],
        className="d-flex flex-wrap align-items-baseline column-gap-3 mb-2",
    )


def _filter(asked: Asked, by: str, kept: Sequence[str]) -> html.Span:
    titles = {cluster.name: cluster.title for cluster in asked.clusters}
    said = dict(CLASSES[by].values()) if by in CLASSES else titles
    one, several = NAMES[by]
    return html.Span(
        [one if len(kept) == 1 else several, " ", foreign(listed([said.get(word, word) for word in kept]), 80)]
    )


def _tools(wanted: Wanted, view: View) -> html.Div:
    options = [
        (words, view.address(event=None if event == "lived" else event, offset=None))
        for event, words in _EVENTS.items()
    ]
    words = {**question_words(wanted.question), "event": wanted.event, "sort": wanted.sort}
    back = view.address(event=None, sort=None, offset=None).removeprefix(view.path)
    return html.Div(
        [
            link([icon("graph-up"), " The same in history"], f"/history{back}"),
            choices("What the jobs did in the range", options, list(EVENTS).index(wanted.event)),
            html.Div(export_links("/api/v1/history/jobs", words), className="ms-auto"),
        ],
        className="d-flex flex-wrap align-items-center gap-3 mb-3",
    )


def _unkept(found: Behind, view: View) -> list[Part]:
    """That jobs are missing here which charts still count."""
    notes: list[Part] = []
    for title, until in found.unkept:
        rest = [
            " of ",
            foreign(title),
            " are no longer kept one by one: they are missing here, and counted in history.",
        ]
        notes.append(note("warn", "Jobs that ended before ", [clock(until, view), *rest], extra="mb-3"))
    return notes


def _card(found: Behind, wanted: Wanted, offset: int, view: View) -> Part:
    rows = [
        SimpleNamespace(**dict(zip(found.columns, row, strict=True)))
        for row in zip(*found.columns.values(), strict=True)
    ]
    if not rows:
        if found.jobs.total:
            return empty("No more jobs.", link("Back to the first", view.address(offset=None)))
        return empty("No job.", "Another range, or fewer filters, may show some.")
    users = len(wanted.question.kept("user")) != 1
    schedulers = {cluster.name: cluster.scheduler_kind for cluster in view.clusters}
    heads = [
        _sorted("Job", "id", wanted, view),
        *([_sorted("User", "user", wanted, view, WIDE)] if users else []),
        _sorted("Cluster · queue", "cluster", wanted, view, WIDER),
        _sorted("Cores", "cores", wanted, view, f"n {WIDE}"),
        _sorted("Submitted", "submitted_at", wanted, view, WIDER),
        _sorted("Waited", "wait_seconds", wanted, view, f"n {WIDE}"),
        _sorted("Started", "started_at", wanted, view, WIDE),
        _sorted("Ran", "run_seconds", wanted, view, f"n {WIDE}"),
        _sorted("Core-hours", "core_hours", wanted, view, "n"),
        _sorted("How it ended", "state", wanted, view, WIDE),
    ]
    body = table([heads], [_row(job, schedulers.get(job.cluster), view, users) for job in rows], "Jobs of the past")
    return html.Div(html.Div([body, _pages(found, offset, view)], className="card-body"), className="card")


def _sorted(words: str, column: str, wanted: Wanted, view: View, extra: str = "") -> html.Th:
    """A head that sorts by its column: numbers and times the largest first, the other way at the next press."""
    ways = (column, f"-{column}") if column in ("id", "user", "cluster", "state") else (f"-{column}", column)
    chosen = wanted.sort.removeprefix("-") == column
    way = ways[1] if wanted.sort == ways[0] else ways[0]
    shown: list[Part] = [words]
    if chosen:
        shown += [" ", icon("arrow-down" if wanted.sort.startswith("-") else "arrow-up")]
    one = head(link(shown, view.address(sort=None if way == USUAL_SORT else way, offset=None), quiet=True), extra=extra)
    if chosen:
        setattr(one, "aria-sort", "descending" if wanted.sort.startswith("-") else "ascending")
    return one


def _row(job: Any, scheduler: str | None, view: View, users: bool) -> html.Tr:
    name = html.Span(foreign(job.name, 18), className="d-none d-md-inline ps-2")
    below: list[Part] = [foreign(job.name, 16), f" · {plural(job.cores, 'core')}"]
    if users:
        below = [person(job.user, 14), " · ", *below]
    number_words = job.id.partition(".")[0]
    ran = UNKNOWN if job.run_seconds != job.run_seconds else duration(job.run_seconds)
    how = _how(job, scheduler, view)
    title = html.Th(
        [
            link(foreign(number_words), job_page(job.cluster, job.id), title=job.id),
            name,
            html.Div(below, className=f"{NARROW} ws-sub"),
            html.Div(how, className=f"{NARROW} ws-sub text-wrap"),
        ],
        scope="row",
        className="fw-normal text-nowrap",
    )
    cluster = view.cluster(job.cluster)
    return html.Tr(
        [
            title,
            *([cell(link(person(job.user, 16), user_page(job.user), quiet=True), WIDE)] if users else []),
            cell(
                [foreign(cluster.title if cluster else job.cluster, 16), " · ", foreign(job.queue, 16)],
                f"text-nowrap {WIDER}",
            ),
            number_cell(job.cores, WIDE),
            cell(clock(job.submitted_at, view), f"text-nowrap {WIDER}"),
            cell(UNKNOWN if job.wait_seconds != job.wait_seconds else wait(job.wait_seconds), f"n {WIDE}"),
            cell(clock(job.started_at, view) if job.started_at == job.started_at else UNKNOWN, f"text-nowrap {WIDE}"),
            cell(ran, f"n {WIDE}"),
            cell([_hours(job.core_hours), html.Div(f"ran {ran}", className=f"{NARROW} ws-sub")], "n"),
            cell(how, f"ws-wrap {WIDE}"),
        ]
    )


def _hours(value: float) -> str:
    return f"{value:.1f}" if 0 < value < 100 else number(value)


def _how(job: Any, scheduler: str | None, view: View) -> list[Part]:
    """When and how a job ended."""
    if job.state == "lives":
        return [html.Span("runs still" if job.started_at == job.started_at else "waits still", className="z")]
    about = html.Span("about ", title="it ended between two reports") if job.ended_estimated else None
    when: list[Part] = [about, clock(job.ended_at, view)]
    if job.state == "completed":
        return [icon("check-lg", "st-ok"), " ", *when]
    if job.state == "failed":
        return [icon("x-lg", "st-bad"), " ", *when, ", ", exit_words(int(job.exit_status), scheduler)]
    words = ", it never ran" if job.state == "never-ran" else ", how is not told"
    return [*when, html.Span(words, className="z")]


def _pages(found: Behind, offset: int, view: View) -> html.Div:
    shown, total = len(found.jobs.rows), found.jobs.total
    parts: list[Part] = [f"{number(offset + 1)} to {number(offset + shown)} of {number(total)}. "]
    if offset:
        before = max(0, offset - SHOWN)
        parts += [link("The ones before", view.address(offset=str(before) if before else None)), " "]
    if offset + shown < total:
        parts.append(
            link(f"The next {number(min(SHOWN, total - offset - shown))}", view.address(offset=str(offset + shown)))
        )
    return html.Div(parts, className="ws-sub mt-2 d-flex flex-wrap gap-2")
