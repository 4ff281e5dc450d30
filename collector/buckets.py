"""The rollup tables: computes dirty hours again from spans, and sums days from hours.

What a bucket holds is decided in rollup.py; which hours are dirty is noted with each report.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from sqlalchemy import Connection, Engine, Table, delete, exists, func, insert, or_, select

from collector.columns import Numbers
from collector.known import kept_since
from collector.lives import Columns, by_column
from collector.node_months import packed_spans
from collector.partitions import make_room
from collector.rollup import DAY, HOUR, JOB_SPAN, JOB_TIMES, NODE_SPAN, capacity, day_of, hour_of, usage
from collector.schema import (
    capacity_day,
    capacity_hour,
    dirty_hour,
    every_span,
    job,
    lived_in,
    node,
    node_span,
    usage_day,
    usage_hour,
)
from collector.write import insert_columns

BATCH_SECONDS = 10 * DAY
"""How far apart the hours of one transaction may be."""


def mark_dirty(connection: Connection, cluster_id: int, first: int, last: int) -> None:
    """Note that every hour from second `first` to second `last` must be computed again."""
    marked = set(connection.execute(select(dirty_hour.c.bucket).where(dirty_hour.c.cluster_id == cluster_id)).scalars())
    hours = range(hour_of(first), hour_of(last) + HOUR, HOUR)
    rows = [{"cluster_id": cluster_id, "bucket": bucket} for bucket in hours if bucket not in marked]
    if rows:
        connection.execute(insert(dirty_hour), rows)


def dirty_hours(engine: Engine, cluster_id: int) -> list[int]:
    """The hours that must be computed again, oldest first."""
    with engine.connect() as connection:
        found = connection.execute(
            select(dirty_hour.c.bucket).where(dirty_hour.c.cluster_id == cluster_id).order_by(dirty_hour.c.bucket)
        )
        return list(found.scalars())


def compute(engine: Engine, cluster_id: int, hours: list[int], known_until: int) -> None:
    """Compute `hours` (in order) again, with the days they are in, in transactions of up to ten days.

    `known_until` is the time of the newest report: an hour that is not over by then stays dirty. Hours whose jobs
    were pruned keep their sums.
    """
    for batch in _batches(hours):
        with engine.begin() as connection:
            since = kept_since(connection, cluster_id)
            if kept := _with_pruned_hours(
                connection, cluster_id, [hour for hour in batch if hour >= since], known_until
            ):
                _compute_usage(connection, cluster_id, kept, known_until)
                _compute_capacity(connection, cluster_id, kept, known_until)
            over = [hour for hour in batch if hour + HOUR <= known_until]
            connection.execute(
                delete(dirty_hour).where(dirty_hour.c.cluster_id == cluster_id, dirty_hour.c.bucket.in_(over))
            )
            for day in sorted({day_of(hour) for hour in kept}):
                _sum_day(connection, cluster_id, day)


def _batches(hours: list[int]) -> Iterator[list[int]]:
    """The hours in runs that span at most BATCH_SECONDS: their jobs are read once for all of them."""
    batch: list[int] = []
    for hour in hours:
        if batch and hour - batch[0] >= BATCH_SECONDS:
            yield batch
            batch = []
        batch.append(hour)
    if batch:
        yield batch


def _with_pruned_hours(connection: Connection, cluster_id: int, hours: list[int], known_until: int) -> list[int]:
    """The hours, and all others of days that have no hours' sums: these are pruned day by day, and a day needs all."""
    wanted = set(hours)
    for day in {day_of(hour) for hour in hours}:
        here = [
            select(table.c.bucket).where(
                table.c.cluster_id == cluster_id, table.c.bucket >= day, table.c.bucket < day + DAY
            )
            for table in (usage_hour, capacity_hour)
        ]
        if not connection.execute(select(or_(*(exists(one) for one in here)))).scalar_one():
            wanted.update(range(day, min(day + DAY, known_until), HOUR))
    return sorted(wanted)


def _compute_usage(connection: Connection, cluster_id: int, hours: list[int], known_until: int) -> None:
    start, end = hours[0], min(hours[-1] + HOUR, known_until)
    alive = lived_in(cluster_id, start, end)
    key = (job.c.user_id, func.coalesce(job.c.group_id, 0))
    spans = connection.execute(
        every_span(
            lambda s: select(s.queue_id, *key, s.state, s.since, s.until, s.cores, s.gpus).where(
                alive, s.since < end, s.until > start
            )
        )
    )
    times = connection.execute(
        select(
            job.c.queue_id,
            *key,
            *[job.c[name] for name in ("submitted_at", "eligible_at", "started_at", "ended_at")],
        ).where(
            alive,
            or_(job.c.submitted_at >= start, job.c.started_at >= start, job.c.ended_at >= start),
        )
    )
    rows = usage(by_column(JOB_SPAN, spans.all()), by_column(JOB_TIMES, times.all()), _edges(hours), end)
    _replace(connection, usage_hour, cluster_id, hours, rows)


def _compute_capacity(connection: Connection, cluster_id: int, hours: list[int], known_until: int) -> None:
    start, end = hours[0], min(hours[-1] + HOUR, known_until)
    spans = connection.execute(
        select(*[node_span.c[name] for name in NODE_SPAN])
        .join(node, node.c.id == node_span.c.node_id)
        .where(node.c.cluster_id == cluster_id, node_span.c.since < end, node_span.c.until > start)
    )
    told, packed = by_column(NODE_SPAN, spans.all()), packed_spans(connection, cluster_id, start, end)
    both = {name: np.concatenate([told[name], packed[name]]) for name in NODE_SPAN}
    rows = capacity(both, _edges(hours), end)
    _replace(connection, capacity_hour, cluster_id, hours, rows)


def _edges(hours: list[int]) -> Numbers:
    return np.arange(hours[0], hours[-1] + 2 * HOUR, HOUR)


def _replace(connection: Connection, table: Table, cluster_id: int, hours: list[int], rows: Columns) -> None:
    """Put the rows of these hours in the place of those that are there; rows of hours between them are left out."""
    make_room(connection, hours[0], hours[-1], table)
    connection.execute(delete(table).where(table.c.cluster_id == cluster_id, table.c.bucket.in_(hours)))
    wanted = np.isin(rows["bucket"], hours)
    columns = {name: numbers[wanted].tolist() for name, numbers in rows.items()}
    insert_columns(connection, table, {"cluster_id": [cluster_id] * int(wanted.sum()), **columns})


def _sum_day(connection: Connection, cluster_id: int, day: int) -> None:
    """A day's rows are the sums of its hours' rows."""
    for hours, days in ((usage_hour, usage_day), (capacity_hour, capacity_day)):
        keys = [c.name for c in hours.primary_key.columns if c.name not in ("cluster_id", "bucket")]
        sums = [c.name for c in hours.columns if not c.primary_key]
        connection.execute(delete(days).where(days.c.cluster_id == cluster_id, days.c.bucket == day))
        connection.execute(
            insert(days).from_select(
                ["cluster_id", "bucket", *keys, *sums],
                select(
                    hours.c.cluster_id,
                    func.min(day),
                    *[hours.c[key] for key in keys],
                    *[func.sum(hours.c[name]) for name in sums],
                )
                .where(hours.c.cluster_id == cluster_id, hours.c.bucket >= day, hours.c.bucket < day + DAY)
                .group_by(hours.c.cluster_id, *[hours.c[key] for key in keys]),
            )
        )
