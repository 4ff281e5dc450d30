"""Ended jobs by columns: packs a month's jobs, the spans of irregular ones, and sums for questions over years.

What history is counted from: a month of 17,000 jobs is a quarter of a megabyte and is read in a few milliseconds. The
tables stay the truth of all that ended at `packed_until` or later. What the columns hold is decided in lives.py, how
they lie in bytes in columns.py; webstat counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import numpy as np
from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from collector.columns import Numbers, to_bytes
from collector.lives import (
    COMPLETED,
    FAILED,
    JOB_ROW,
    LIVES,
    SPAN_ROW,
    Columns,
    Stretches,
    by_column,
    month_number,
    pack_columns,
    runs,
    waits,
)
from collector.rollup import hour_of
from collector.schema import history_column, history_month, job, job_span

JOBS, SPANS, SUMS = "jobs", "spans", "sums"
"""Kinds of columns: one element stands for a job, for a span of an irregular job, for what jobs of one kind come to."""

SUM_KEYS = ("back", "user", "group", "account", "queue", "size", "walltime_class", "outcome")
"""What jobs summed together have in common; `back` is how many months before the jobs' end the sum is of."""

SUMMED = (
    "core_seconds", "gpu_seconds", "run_seconds", "queued_seconds", "queued_core_seconds", "start_wait_seconds",
    "submitted", "started", "ended", "exited", "failed",
    "cpu_used", "cpu_core_seconds", "walltime_used_seconds", "walltime_asked_seconds",
)  # fmt: skip
"""See webstat's definitions; the last four, exited and failed are of jobs that ended."""

REPACK_SECONDS = 3600
"""How much later than its columns the jobs of a month that goes on may be."""


def month_of(second: int) -> int:
    """First second of the (UTC) month that `second` is in."""
    day = datetime.fromtimestamp(second, UTC)
    return int(datetime(day.year, day.month, 1, tzinfo=UTC).timestamp())


def month_after(month: int) -> int:
    """First second of the month after the one that begins at `month`."""
    return month_of(month + 32 * 86400)


def unpack(connection: Connection, cluster_id: int, ends: Iterable[int]) -> None:
    """Say that of jobs that ended at one of `ends`, or later in its month, the columns no longer tell the truth."""
    first: dict[int, int] = {}
    for ended_at in ends:
        month = month_of(ended_at)
        first[month] = min(ended_at, first.get(month, ended_at))
    for month, ended_at in first.items():
        connection.execute(
            update(history_month)
            .where(
                history_month.c.cluster_id == cluster_id,
                history_month.c.month == month,
                history_month.c.packed_until > ended_at,
            )
            .values(packed_until=ended_at)
        )


def unpacked_months(engine: Engine, cluster_id: int, known_until: int) -> list[int]:
    """The months with jobs whose columns are to be made (again), oldest first.

    `known_until` is the time of the newest report, or of the end of what was imported. The month that
    goes on is among them when its columns are REPACK_SECONDS behind.
    """
    with engine.connect() as connection:
        first, last = connection.execute(
            select(func.min(job.c.ended_at), func.max(job.c.ended_at)).where(job.c.cluster_id == cluster_id)
        ).one()
        if first is None:
            return []
        statement = select(history_month.c.month, history_month.c.packed_until)
        packed: dict[int, int] = dict(
            connection.execute(statement.where(history_month.c.cluster_id == cluster_id)).all()
        )
        pruned = pruned_until(connection, cluster_id)
    months = []
    month = max(month_of(first), pruned)
    while month <= last:
        end = min(month_after(month), hour_of(known_until))
        behind = end - packed.get(month, month)
        if behind > 0 and (end < hour_of(known_until) or behind >= REPACK_SECONDS):
            months.append(month)
        month = month_after(month)
    return months


def pruned_until(connection: Connection, cluster_id: int) -> int:
    """First second of the month from which on the tables have all jobs; columns of months before it stay as they are."""
    pruned = select(func.max(history_month.c.month)).where(
        history_month.c.cluster_id == cluster_id, history_month.c.pruned
    )
    last = connection.execute(pruned).scalar_one()
    return 0 if last is None else month_after(last)


def pack_month(connection: Connection, cluster_id: int, month: int, known_until: int) -> int:
    """Make the columns of a month again from its jobs, in the caller's transaction; returns how many jobs.

    Jobs that ended in the hour that goes on are left to the tables. A month whose jobs were pruned must not
    be given: nothing would be left of it.
    """
    end = min(month_after(month), hour_of(known_until))
    rows = _load_jobs(connection, cluster_id, month, end)
    jobs, spans = pack_columns(rows, _load_spans(connection, cluster_id, month, end), month)
    columns = {(JOBS, name): numbers for name, numbers in jobs.items()}
    columns |= {(SPANS, name): numbers for name, numbers in spans.items()}
    columns |= {(SUMS, name): numbers for name, numbers in sums(jobs, spans, month).items()}
    here = (history_column.c.cluster_id == cluster_id) & (history_column.c.month == month)
    connection.execute(delete(history_column).where(here))
    packed = [
        {"cluster_id": cluster_id, "month": month, "kind": kind, "name": name, "data": to_bytes(name, numbers)}
        for (kind, name), numbers in columns.items()
    ]
    connection.execute(insert(history_column), packed)
    this_month = (history_month.c.cluster_id == cluster_id) & (history_month.c.month == month)
    version = connection.execute(select(history_month.c.version).where(this_month)).scalar_one_or_none() or 0
    connection.execute(delete(history_month).where(this_month))
    submitted = rows["submitted_at"]
    connection.execute(
        insert(history_month).values(
            cluster_id=cluster_id,
            month=month,
            jobs=len(submitted),
            first_submitted_at=int(submitted.min()) if len(submitted) else None,
            packed_until=end,
            version=version + 1,
            pruned=False,
        )
    )
    return len(submitted)


def pack(engine: Engine, cluster_id: int, known_until: int) -> int:
    """Make the columns of all months that need it, a transaction each; returns how many months."""
    months = unpacked_months(engine, cluster_id, known_until)
    for month in months:
        with engine.begin() as connection:
            pack_month(connection, cluster_id, month, known_until)
    return len(months)


def _load_jobs(connection: Connection, cluster_id: int, since: int, until: int) -> Columns:
    """The jobs that ended in [since, until), by end."""
    rows = connection.execute(
        select(*[job.c[name] for name in JOB_ROW], job.c.array_number.is_not(None).label("task"))
        .where(job.c.cluster_id == cluster_id, job.c.ended_at >= since, job.c.ended_at < until)
        .order_by(job.c.ended_at, job.c.id)
    ).all()
    return by_column((*JOB_ROW, "task"), rows)


def _load_spans(connection: Connection, cluster_id: int, since: int, until: int) -> Columns:
    """The spans of those jobs, in the jobs' order, each job's by time."""
    rows = connection.execute(
        select(*[job_span.c[name] for name in SPAN_ROW])
        .join(job, job.c.id == job_span.c.job_id)
        .where(job.c.cluster_id == cluster_id, job.c.ended_at >= since, job.c.ended_at < until)
        .order_by(job.c.ended_at, job.c.id, job_span.c.since)
    ).all()
    return by_column(SPAN_ROW, rows)


def sums(jobs: Columns, spans: Columns, month: int) -> Columns:
    """pack_columns() of a month -> SUM_KEYS and SUMMED: what jobs of one kind did in each month until their end."""
    last = int(month_number(np.array([month]))[0])
    rows = [_usage(jobs, runs(jobs, spans), month, last, ("core_seconds", "gpu_seconds", "run_seconds"))]
    rows.append(_usage(jobs, waits(jobs, spans), month, last, ("queued_core_seconds", "", "queued_seconds")))
    everyone = np.arange(len(jobs["ended"]))
    begun = np.flatnonzero(jobs["ran"] >= 0)
    submitted = jobs["ended"] - np.maximum(jobs["ran"], 0) - jobs["queued"]
    one = np.ones_like(jobs["ended"])
    rows.append(_moments(jobs, everyone, month_number(submitted + month), last, {"submitted": one}))
    started = {"started": one, "start_wait_seconds": jobs["wait"]}
    rows.append(_moments(jobs, begun, month_number((jobs["ended"] - jobs["ran"])[begun] + month), last, started))
    rows.append(_moments(jobs, everyone, np.full(len(everyone), last), last, ended_values(jobs)))
    return _added(rows)


def ended_values(jobs: Columns) -> Columns:
    """What each job counts when it ends: ended, exited and failed (0 or 1), and what its efficiency is told from.

    cpu_used and cpu_core_seconds are of jobs that tell their processor time, walltime_* of those that tell both.
    Jobs that live count nothing.
    """
    ran, outcome = jobs["ran"], jobs["outcome"]
    ended = outcome != LIVES
    cpu = (jobs["cpu_used"] >= 0) & (ran > 0) & ended
    walltime = (jobs["walltime"] > 0) & (jobs["walltime_used"] >= 0) & ended
    return {
        "ended": ended.astype(np.int64),
        "exited": ((outcome == COMPLETED) | (outcome == FAILED)).astype(np.int64),
        "failed": (outcome == FAILED).astype(np.int64),
        "cpu_used": jobs["cpu_used"] * cpu,
        "cpu_core_seconds": jobs["cores"].astype(np.int64) * ran * cpu,
        "walltime_used_seconds": jobs["walltime_used"].astype(np.int64) * walltime,
        "walltime_asked_seconds": jobs["walltime"].astype(np.int64) * walltime,
    }


def _usage(jobs: Columns, found: Stretches, month: int, last: int, names: tuple[str, str, str]) -> Columns:
    """Core, GPU and plain seconds of stretches, month by month."""
    first = month_number(found.since + month)
    parts = []
    for number in range(int(first.min()) if len(first) else last, last + 1):
        start, end = (int(np.datetime64(n, "M").astype("datetime64[s]").astype(np.int64)) for n in (number, number + 1))
        seconds = np.minimum(found.until + month, end) - np.maximum(found.since + month, start)
        some = np.flatnonzero(seconds > 0)
        values = {names[0]: found.cores * seconds, names[1]: found.gpus * seconds, names[2]: seconds}
        part = _moments(jobs, found.job[some], np.full(len(some), number), last, {})
        part |= {name: numbers[some] for name, numbers in values.items() if name}
        part["queue"] = found.queue[some]
        parts.append(part)
    return _joined(parts)


def _moments(jobs: Columns, chosen: Numbers, months: Numbers, last: int, values: Columns) -> Columns:
    """Keys of the chosen jobs, with values that each adds in the month named."""
    keys = {name: jobs[name][chosen] for name in SUM_KEYS if name != "back"}
    return {"back": last - months, **keys, **{name: numbers[chosen] for name, numbers in values.items()}}


def _joined(parts: list[Columns]) -> Columns:
    """Rows one after the other; sums that a part does not have are 0 in it."""
    names = (*SUM_KEYS, *SUMMED)
    zeros = [np.zeros_like(part["back"]) for part in parts]
    return {
        name: np.concatenate([part.get(name, zero) for part, zero in zip(parts, zeros, strict=True)]) for name in names
    }


def _added(parts: list[Columns]) -> Columns:
    """One row for each set of keys."""
    rows = _joined(parts)
    code = np.zeros(len(rows["back"]), dtype=np.int64)
    for name in SUM_KEYS:
        values, number = np.unique(rows[name], return_inverse=True)
        code = code * max(1, len(values)) + number
        _, code = np.unique(code, return_inverse=True)  # so that it never overflows
    _, first, code = np.unique(code, return_index=True, return_inverse=True)
    added = {name: rows[name][first] for name in SUM_KEYS}
    for name in SUMMED:
        added[name] = np.bincount(code, weights=rows[name], minlength=len(first)).astype(np.int64)
    return added
