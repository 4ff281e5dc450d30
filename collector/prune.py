"""Deletes what is kept no longer, in short transactions with room for others between them.

Killed anywhere, it goes on the next time. A month's jobs go only once its columns hold them all, and `kept_since`
and `pruned` are set before the first of them goes: from then on nothing is counted from what is left of them.
Which seconds are the limits is retention.py's. Living jobs, open spans and words are never touched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    Table,
    and_,
    delete,
    func,
    or_,
    select,
    tuple_,
    update,
)

from collector.history import first_unpacked
from collector.known import kept_since
from collector.lives import month_of
from collector.partitions import drop_before
from collector.retention import Limits
from collector.rollup import DAY, day_of
from collector.schema import (
    capacity_day,
    capacity_hour,
    cluster,
    dirty_hour,
    history_column,
    history_month,
    job,
    job_array,
    job_live,
    job_span,
    node,
    node_month,
    node_span,
    poll,
    queue,
    queue_span,
    usage_day,
    usage_hour,
)

JOBS_AT_ONCE = 400
ROWS_AT_ONCE = 4000
"""A transaction deletes about so many: none takes much longer than storing a report."""

_HOURS, _DAYS = (usage_hour, capacity_hour), (usage_day, capacity_day)


@dataclass(frozen=True, slots=True)
class Gone:
    """What one transaction deleted: rows by table; none where a cluster has nothing (more) to go.

    `before` is the second before which those jobs had ended; `cluster_id` is 0 where it was of all clusters.
    """

    cluster_id: int
    rows: Counter[str] = field(default_factory=Counter)
    before: int = 0


@dataclass(frozen=True, slots=True)
class Doomed:
    """How many rows of a table are kept no longer, and the second before which they were."""

    table: str
    before: int
    rows: int


def prune(engine: Engine, limits: Limits, ids: Sequence[int]) -> Iterator[Gone]:
    """Delete of these clusters, a transaction at each step; nothing is held between two steps.

    Of tables by month, whole months go first, of all clusters.
    """
    with engine.begin() as connection:
        old = ((usage_hour, limits.hours), (capacity_hour, limits.hours), (poll, limits.polls))
        dropped = Counter({table.name: drop_before(connection, table, limit) for table, limit in old})
    yield Gone(0, +dropped)
    for cluster_id in ids:
        yield from _jobs(engine, cluster_id, limits.spans)
        yield from _records(engine, cluster_id)
        yield from _buckets(engine, cluster_id, _HOURS, limits.hours, DAY)
        yield from _buckets(engine, cluster_id, _DAYS, limits.days, 30 * DAY)
        yield from _polls(engine, cluster_id, limits.polls)
        yield from _columns(engine, cluster_id, limits.columns)
        yield Gone(cluster_id)


def doomed(connection: Connection, cluster_id: int, limits: Limits) -> list[Doomed]:
    """What prune() would delete of a cluster, table by table."""
    since = prunable_until(connection, cluster_id, limits.spans)
    ended = _ended(cluster_id, since)
    arrays = select(job.c.array_number)
    stay = arrays.where(
        _here(job, cluster_id), job.c.array_number.is_not(None), or_(job.c.ended_at.is_(None), job.c.ended_at >= since)
    )
    their_arrays = (
        _here(job_array, cluster_id) & job_array.c.number.in_(arrays.where(ended)) & job_array.c.number.not_in(stay)
    )
    found: list[tuple[Table, int, Select[Any]]] = [
        (job, since, select(job.c.id).where(ended)),
        (job_span, since, select(job_span.c.since).join(job, job.c.id == job_span.c.job_id).where(ended)),
        (job_array, since, select(job_array.c.number).where(their_arrays)),
    ]
    found.append(
        (node_month, since, select(node_month.c.month).where(_here(node_month, cluster_id), node_month.c.month < since))
    )
    for owner, spans in ((node, node_span), (queue, queue_span)):
        owner_id, _ = spans.primary_key.columns
        ids = select(owner.c.id).where(_here(owner, cluster_id))
        found.append((spans, since, select(spans.c.since).where(owner_id.in_(ids), spans.c.until <= since)))
    for tables, before in ((_HOURS, limits.hours), (_DAYS, limits.days)):
        found += [
            (table, before, select(table.c.bucket).where(_here(table, cluster_id), table.c.bucket < before))
            for table in tables
        ]
    found.append((poll, limits.polls, select(poll.c.id).where(_here(poll, cluster_id), poll.c.at < limits.polls)))
    columns = min(limits.columns, since)
    found += [
        (table, columns, select(table.c.month).where(_here(table, cluster_id), table.c.month < columns))
        for table in (history_column, history_month)
    ]
    return [
        Doomed(table.name, before, connection.execute(select(func.count()).select_from(rows.subquery())).scalar_one())
        for table, before, rows in found
    ]


def prunable_until(connection: Connection, cluster_id: int, limit: int) -> int:
    """First second of the month from which on jobs stay, though others were kept no longer than to `limit`.

    A month stays while its columns or its hours' sums are behind its jobs, and while a job that lives may have ended
    in it: nothing is known of them since the newest report. Where no job has ended before, nothing goes, so
    that what is older may still be imported.
    """
    since = kept_since(connection, cluster_id)
    taken_at = connection.execute(select(cluster.c.taken_at).where(cluster.c.id == cluster_id)).scalar_one()
    dirty = connection.execute(
        select(func.min(dirty_hour.c.bucket)).where(dirty_hour.c.cluster_id == cluster_id)
    ).scalar_one()
    for second in (taken_at, dirty):
        if second is not None:
            limit = min(limit, month_of(int(second)))
    first = connection.execute(select(func.min(job.c.ended_at)).where(_here(job, cluster_id))).scalar_one()
    if limit <= since or first is None or first >= limit:
        return since
    unpacked = first_unpacked(connection, cluster_id, max(since, month_of(first)), limit)
    return limit if unpacked is None else max(since, unpacked)


def _jobs(engine: Engine, cluster_id: int, limit: int) -> Iterator[Gone]:
    with engine.begin() as connection:
        since = prunable_until(connection, cluster_id, limit)
        if since > kept_since(connection, cluster_id):
            connection.execute(update(cluster).where(cluster.c.id == cluster_id).values(kept_since=since))
            months = update(history_month).where(_here(history_month, cluster_id), history_month.c.month < since)
            connection.execute(months.values(pruned=True))
    while True:
        with engine.begin() as connection:
            rows = _delete_jobs(connection, cluster_id, since)
        if not rows["job"]:
            return
        yield Gone(cluster_id, rows, since)


def _ended(cluster_id: int, before: int) -> ColumnElement[bool]:
    return and_(_here(job, cluster_id), job.c.ended_at < before)


def _here(table: Table, cluster_id: int) -> ColumnElement[bool]:
    return table.c.cluster_id == cluster_id


def _delete_jobs(connection: Connection, cluster_id: int, before: int) -> Counter[str]:
    """The jobs that ended first, with their spans, and the sizes of arrays none of whose jobs is left."""
    some = select(job.c.id, job.c.array_number).where(_ended(cluster_id, before))
    rows = connection.execute(some.order_by(job.c.ended_at, job.c.id).limit(JOBS_AT_ONCE)).all()
    if not rows:
        return Counter()
    ids = [row.id for row in rows]
    gone = _deleted(
        connection,
        (job_span, job_span.c.job_id.in_(ids)),
        (job_live, job_live.c.job_id.in_(ids)),
        (job, job.c.id.in_(ids)),
    )
    arrays = [
        number
        for number in {row.array_number for row in rows}
        if number and not _has_jobs(connection, cluster_id, number)
    ]
    return gone + _deleted(connection, (job_array, and_(_here(job_array, cluster_id), job_array.c.number.in_(arrays))))


def _has_jobs(connection: Connection, cluster_id: int, array_number: str) -> bool:
    """Whether a job of an array is left; its number begins with the array's up to a bracket, so that an index finds it."""
    first = array_number.partition("[")[0]
    tasks = select(job.c.id).where(
        _here(job, cluster_id),
        job.c.number >= first,
        job.c.number < first + "\x7f",
        job.c.array_number == array_number,
    )
    return connection.execute(tasks.limit(1)).first() is not None


def _records(engine: Engine, cluster_id: int) -> Iterator[Gone]:
    """Spans of nodes and queues that ended before the jobs that are left."""
    with engine.connect() as connection:
        since = kept_since(connection, cluster_id)
    for owner, spans in ((node, node_span), (queue, queue_span)):
        keys = tuple(spans.primary_key.columns)
        old = select(*keys).join(owner, owner.c.id == keys[0]).where(_here(owner, cluster_id), keys[1] < since)
        some = tuple_(*keys).in_(old.where(spans.c.until <= since).limit(ROWS_AT_ONCE))
        while True:
            with engine.begin() as connection:
                rows = _deleted(connection, (spans, some))
            if not rows:
                break
            yield Gone(cluster_id, rows)
    with engine.begin() as connection:
        rows = _deleted(connection, (node_month, and_(_here(node_month, cluster_id), node_month.c.month < since)))
    if rows:
        yield Gone(cluster_id, rows)


def _buckets(engine: Engine, cluster_id: int, tables: tuple[Table, ...], limit: int, step: int) -> Iterator[Gone]:
    """Sums by hour, or by day; whole days of both tables together, so that a day has all its hours or none."""
    while True:
        with engine.begin() as connection:
            firsts = [
                connection.execute(select(func.min(table.c.bucket)).where(_here(table, cluster_id))).scalar_one()
                for table in tables
            ]
            first = min((one for one in firsts if one is not None), default=limit)
            if first >= limit:
                return
            until = min(day_of(first) + step, limit)
            rows = _deleted(
                connection, *((table, and_(_here(table, cluster_id), table.c.bucket < until)) for table in tables)
            )
        yield Gone(cluster_id, rows)


def _polls(engine: Engine, cluster_id: int, limit: int) -> Iterator[Gone]:
    """The oldest polls; what they told is known stays in `known_span`."""
    old = select(poll.c.id).where(_here(poll, cluster_id), poll.c.at < limit).order_by(poll.c.at).limit(ROWS_AT_ONCE)
    while True:
        with engine.begin() as connection:
            rows = _deleted(connection, (poll, poll.c.id.in_(old)))
        if not rows:
            return
        yield Gone(cluster_id, rows)


def _columns(engine: Engine, cluster_id: int, limit: int) -> Iterator[Gone]:
    """Columns of months whose jobs have gone: of others they would be made again."""
    while True:
        with engine.begin() as connection:
            before = min(limit, kept_since(connection, cluster_id))
            oldest = select(func.min(history_month.c.month)).where(
                _here(history_month, cluster_id), history_month.c.month < before
            )
            month = connection.execute(oldest).scalar_one()
            if month is None:
                return
            rows = _deleted(
                connection,
                *(
                    (table, and_(_here(table, cluster_id), table.c.month == month))
                    for table in (history_column, history_month)
                ),
            )
        yield Gone(cluster_id, rows)


def _deleted(connection: Connection, *what: tuple[Table, ColumnElement[bool]]) -> Counter[str]:
    """Delete; returns how many rows of each table, tables without any left out."""
    counted = {table.name: connection.execute(delete(table).where(which)).rowcount for table, which in what}
    return Counter({name: number for name, number in counted.items() if number})
