"""Ended jobs by columns: packs a month's jobs, the spans of irregular ones, and sums for questions over years.

What history is counted from: a month of 17,000 jobs is a quarter of a megabyte and is read in a few milliseconds. The
tables stay the truth of all that ended at `packed_until` or later. What the columns hold is decided in lives.py and
sums.py, how they lie in bytes in columns.py; webstat counts.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from collector.columns import to_bytes
from collector.known import kept_since
from collector.lives import (
    JOB_ROW,
    JOBS,
    SPAN_ROW,
    SPANS,
    SUMS,
    Columns,
    by_column,
    month_after,
    month_of,
    pack_columns,
)
from collector.rollup import hour_of
from collector.schema import history_column, history_month, job, job_span
from collector.sums import CUTS, PAIR, SPREAD_BY, by_cut, spread_by, sums

REPACK_SECONDS = 3600
"""How much later than its columns the jobs of a month that goes on may be."""


def unpack(connection: Connection, cluster_id: int, ends: Iterable[int]) -> None:
    """Say that of jobs that ended at one of `ends`, or later in its month, the columns no longer tell the truth.

    Sums cannot be cut at a second: those of the month go until it is packed again.
    """
    first: dict[int, int] = {}
    for ended_at in ends:
        month = month_of(ended_at)
        first[month] = min(ended_at, first.get(month, ended_at))
    c = history_column.c
    for month, ended_at in first.items():
        changed = connection.execute(
            update(history_month)
            .where(
                history_month.c.cluster_id == cluster_id,
                history_month.c.month == month,
                history_month.c.packed_until > ended_at,
                history_month.c.pruned.is_(False),
            )
            .values(packed_until=ended_at)
        )
        if changed.rowcount:
            connection.execute(
                delete(history_column).where(c.cluster_id == cluster_id, c.month == month, c.kind.not_in([JOBS, SPANS]))
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
        month = max(month_of(first), kept_since(connection, cluster_id))
    months = []
    while month <= last:
        end = min(month_after(month), hour_of(known_until))
        behind = end - packed.get(month, month)
        if behind > 0 and (end < hour_of(known_until) or behind >= REPACK_SECONDS):
            months.append(month)
        month = month_after(month)
    return months


def first_unpacked(connection: Connection, cluster_id: int, month: int, until: int) -> int | None:
    """The first month from `month` on, before `until`, that has jobs and is not packed to its end; None if none is so."""
    here = history_month.c.cluster_id == cluster_id
    packed: dict[int, int] = dict(
        connection.execute(select(history_month.c.month, history_month.c.packed_until).where(here)).all()
    )
    while month < until:
        after = month_after(month)
        ended = select(job.c.id).where(job.c.cluster_id == cluster_id, job.c.ended_at >= month, job.c.ended_at < after)
        if packed.get(month, month) < after and connection.execute(ended.limit(1)).first() is not None:
            return month
        month = after
    return None


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
    summed = sums(jobs, spans, month)
    columns |= {(SUMS, name): numbers for name, numbers in summed.items()}
    columns |= {(cut, "sums"): by_cut(summed, cut) for cut in CUTS}
    columns |= {(cut, what): spread_by(jobs, month, cut, what) for cut in (*CUTS, PAIR) for what in SPREAD_BY}
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
