"""Which queue of a cluster moves, and what the waiting jobs wait for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from dash import html

from webstat import addresses
from webstat.components import bars
from webstat.components.bars import Row
from webstat.components.cards import card, empty
from webstat.components.ranges import range_bar
from webstat.components.tables import cell, head, number_cell, table
from webstat.components.text import Part, age, clock, foreign, icon, link, person
from webstat.data import frames, waiting
from webstat.data.limits import JOBS, Limits, parse_limits
from webstat.data.queries.changes import load_reservations
from webstat.data.queries.waiting import load_waiting, load_waiting_counted
from webstat.data.readings import readings
from webstat.format import duration, number, plural, shorten, wait
from webstat.health import Cluster
from webstat.view import View

WIDE, NARROW, LIMITS = "q-wide", "q-narrow", "q-limits"
"""Columns that are there where the card has room for them, in place of others, and where it has much."""

BAR, NO_BAR = "q-bar", "q-no-bar"
"""What is there where it has room for all of them, and in place of that."""

QUEUE_STATES = {
    "open": ("st-ok", "check-lg", "open"),
    "stopped": ("st-warn", "slash-circle", "stopped"),
    "draining": ("st-warn", "box-arrow-right", "takes no new jobs"),
    "closed": ("st-warn", "slash-circle", "closed"),
    "unknown": ("", "question", "not told"),
}
"""State of frames.queues_frame() -> tone, icon, word."""


def queues_card(cluster: Cluster, view: View) -> html.Section:
    """Queues with their jobs, limits and waits, but for those made for a reservation."""
    queues = view.source.queues(cluster)
    rows = _rows(cluster, view)
    reserved = view.source.read(load_reservations, cluster.id or 0, stamp=cluster.report)["queue"]
    rows = rows[~rows["name"].isin(reserved.dropna()) | (rows["running"] + rows["queued"] > 0)]
    stale = view.health(cluster).stale
    title = "Which queue moved?" if stale else "Which queue moves?"
    subtitle = f"jobs and cores {'then' if stale else view.moment()}; waits of the jobs that started in the last 7 d"
    if rows.empty:
        nothing = empty("No queue.", "The scheduler tells of none, and no job is in one.")
        return card(title, subtitle, [nothing], "q-queues")
    limits = {queue.name: parse_limits(queue.limits) for queue in queues.itertuples()}
    shown = [Limits() if row.routing else limits.get(row.name, Limits()) for row in rows.itertuples()]
    per_user = [what for what in ("cores", JOBS) if any(one.of(what, "user") for one in shown)]
    # Slurm's qstat names no limits: there, nothing said does not mean that there is none.
    told = cluster.scheduler_kind != "slurm"
    body = [_queue_row(row, one, per_user, told, cluster) for row, one in zip(rows.itertuples(), shown, strict=True)]
    content = table(_heads(per_user), body, f"Queues of {cluster.title}")
    return card(title, subtitle, [html.Div(content, className="ws-fit")], "q-queues", stale)


def _rows(cluster: Cluster, view: View) -> pd.DataFrame:
    """frames.queues_frame() of the newest report."""
    source = view.source
    return source.share(
        ("queues", cluster.id, cluster.report),
        lambda: frames.queues_frame(source.queues(cluster), source.totals(cluster), source.waits(cluster)),
    )


def _heads(per_user: Sequence[str]) -> list[list[html.Th]]:
    top = [
        head("Queue", rows=2),
        head("State", rows=2, extra=WIDE),
        head("Running", columns=2, extra=f"g {WIDE}"),
        head("Queued", columns=2, extra=f"g {WIDE}"),
        head("Runs", rows=2, extra=f"n g {NARROW}"),
        head("Queued", rows=2, extra=f"n g {NARROW}"),
        head(["Held", html.Br(), "jobs"], rows=2, extra=f"n g {WIDE}"),
        head("Limits", columns=1 + len(per_user), extra=f"g {LIMITS}"),
        head("Waited, last 7 d", columns=2, extra=f"g {NO_BAR}"),
        head("Waited, last 7 d", columns=3, extra=f"g {BAR}"),
    ]
    units = [("jobs", f"n g {WIDE}"), ("cores", f"n {WIDE}"), ("jobs", f"n g {WIDE}"), ("cores", f"n {WIDE}")]
    second = [head(unit, extra=extra) for unit, extra in units]
    second += [head("walltime", extra=f"g {LIMITS}")]
    second += [head([what, html.Br(), "a user"], extra=f"n {LIMITS}") for what in per_user]
    second += [head(html.Span("50 %", className="ws-def", title="Half of them waited no longer"), extra="n g")]
    second += [head(html.Span("90 %", className="ws-def", title="Nine of ten waited no longer"), extra="n")]
    second += [head("0 to 3 d, log", extra=f"fw-normal {BAR}")]
    return [top, second]


def _queue_row(row: Any, limits: Limits, per_user: Sequence[str], told: bool, cluster: Cluster) -> html.Tr:
    tone, symbol, word = QUEUE_STATES[row.state]
    jobs = addresses.jobs_page(cluster=cluster.name, queue=row.name)
    below = html.Div(word, className=f"{NARROW} fw-normal {tone}") if row.state != "open" else None
    walltime = [limits.of("walltime", "job"), limits.of("walltime", "job", least=True)]
    of_user = [limits.of(what, "user") for what in per_user]
    more = limits.beside([*walltime, *of_user])
    name: list[Part] = [link(foreign(row.name, 24), jobs, quiet=True), below, _more(more, limits)]
    cells = [
        html.Th(name, scope="row"),
        cell(html.Span([icon(symbol), word], className=f"ws-st {tone}"), WIDE),
        number_cell(row.running, f"g {WIDE}"),
        number_cell(row.running_cores, WIDE),
        number_cell(row.queued, f"g {WIDE}"),
        number_cell(row.queued_cores, WIDE),
        number_cell(row.running, f"g {NARROW}"),
        number_cell(row.queued, f"g {NARROW}"),
        number_cell(row.held, f"g {WIDE}"),
        cell(_walltime(row.max_walltime_seconds, walltime[1], told), f"g text-nowrap {LIMITS}"),
    ]
    untold = html.Span("–", className="z", title="not told by the scheduler")
    none = "" if told else untold
    cells += [cell(number(one.most) if one else none, f"n {LIMITS}") for one in of_user]
    return html.Tr(cells + _waits(row))


def _walltime(seconds: float, least: Any, told: bool) -> Part:
    if pd.isna(seconds):
        most: Part = "no limit" if told else html.Span("–", className="z", title="not told by the scheduler")
        return [most, f", at least {duration(least.most)}"] if least else most
    return f"{duration(least.most)} to {duration(seconds)}" if least else duration(seconds)


def _more(limits: Sequence[Any], all_limits: Limits) -> Part:
    """Limits that have no column, in words; those that are not understood only by their number, raw in the tooltip."""
    words = [shorten(one.words, 48) for one in limits] + [f"takes {one}" for one in all_limits.takes]
    raw = [f"{name} = {value}" for name, value in all_limits.raw]
    if raw:
        words.append(plural(len(raw), "other limit"))
    if not words:
        return None
    native = f"The scheduler says: {'; '.join(raw)}" if raw else None
    return html.Div(
        "; ".join(words),
        className=f"ws-sub fw-normal ws-beside {LIMITS}",
        title=shorten(native, 300) if native else None,
    )


def _waits(row: Any) -> list[html.Td]:
    if row.routing or not row.started:
        words = "passes jobs on" if row.routing else "no job in 7 d"
        return [
            html.Td(words, className=f"g z {NO_BAR}", colSpan=2),
            html.Td(words, className=f"g z {BAR}", colSpan=3),
        ]
    half, most = wait(row.wait_half), wait(row.wait_most)
    bar = range_bar(row.wait_half, row.wait_most, f"half within {half}, 90 % within {most}")
    return [cell(half, "n g"), cell(most, "n"), cell(bar, BAR)]


def waiting_card(cluster: Cluster, view: View) -> html.Section:
    """What the waiting jobs wait for, and which has waited longest."""
    stale = view.health(cluster).stale
    title = "What were the waiting jobs waiting for?" if stale else "What are the waiting jobs waiting for?"
    jobs = view.source.read(load_waiting_counted, cluster.id or 0, stamp=cluster.report)
    rows = _rows(cluster, view)
    states = dict(zip(rows["name"], rows["state"], strict=True))
    read = readings(view.source, cluster).told
    counted = view.source.share(
        ("waiting by reason", cluster.id, cluster.report), lambda: waiting.reasons_frame(jobs, states, read)
    )
    if counted.empty:
        nothing = empty("Nobody waits.", "What is submitted now may start at once, if it fits.")
        return card(title, "jobs that are queued or held", [nothing], "q-waiting", stale)
    listed = [
        Row(_jobs_link(row, cluster), "b-held" if row.kind == "held" else "b-wait", row.jobs)
        for row in counted.itertuples()
    ]
    label = "Waiting jobs by reason"
    body: list[Part] = [html.Div(bars.bar_list([listed], len(jobs), label), className="ws-grey ws-sentences")]
    if derived := int(counted["derived"].sum()):
        body.append(html.Div(_of_state(derived, len(jobs)), className="ws-sub mt-2"))
    listed_jobs = view.source.read(load_waiting, cluster.id or 0, stamp=cluster.report)
    first = waiting.longest(listed_jobs, states, read)
    if first is not None:
        body.append(_longest(first, cluster, view))
    return card(title, f"{plural(len(jobs), 'job')}, first reason each; click to list them", body, "q-waiting", stale)


def _of_state(derived: int, jobs: int) -> str:
    """That some of the reasons are no scheduler's."""
    which = f"{number(derived)} of these jobs" if derived < jobs else "this job" if jobs == 1 else "these jobs"
    return f"Of {which} the scheduler says nothing; their reason is webstat’s own reading of the state."


def _jobs_link(row: Any, cluster: Cluster) -> Part:
    return link(row.title, addresses.jobs_page(cluster=cluster.name, state="queued,held", reason=row.title), quiet=True)


def _longest(job: waiting.Longest, cluster: Cluster, view: View) -> html.Div:
    size = plural(job.nodes, "node") if job.nodes > 1 else plural(job.cores, "core")
    all_listed = view.source.veil is None or view.source.veil.lists
    words: list[Part] = [
        "Longest wait: " if all_listed else "Your longest wait: ",
        link(foreign(job.id.split(".")[0], 20), view.address(job=f"{cluster.name}/{job.id}", node=None)),
        " (",
        person(job.user),
        f", {size}), ",
        age(job.since, view),
    ]
    if job.estimated_start_at and job.estimated_start_at > view.now:
        words += ["; the scheduler expects it to start at ", clock(job.estimated_start_at, view)]
    words += [". ", job.words]
    return html.Div(words, className="ws-sub mt-3 pt-2 border-top")
