"""`rollup` as people see it: the sums of hours and days, and the columns of months, brought up to date or made anew.

What they hold is rollup.py's and lives.py's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click
from sqlalchemy import Connection, func, select, update

from collector.buckets import compute, dirty_hours, mark_dirty
from collector.errors import CollectorError, StoreBusy
from collector.history import pack_month, unpacked_months
from collector.known import kept_since, known_until
from collector.node_months import due_months, pack_month_of_nodes
from collector.progress import progress
from collector.schema import (
    capacity_day,
    capacity_hour,
    history_month,
    job,
    node,
    node_span,
    usage_day,
    usage_hour,
)
from collector.settings import Settings
from collector.store import Store

HOURS_AT_ONCE = 240


def rollup(settings: Settings, names: Sequence[str], rebuild: bool) -> None:
    """Work off what is marked in the clusters named, in all where none is; `rebuild` marks everything first.

    Raises CollectorError for a cluster that does not exist, StoreBusy while a collector writes the store.
    """
    there = [entry.name for entry in settings.cluster]
    if unknown := [name for name in names if name not in there]:
        raise CollectorError(f"there is no cluster {unknown[0]!r} in webstat.toml; there are: {', '.join(there)}")
    try:
        store = Store(settings.store.url)
    except StoreBusy as error:
        raise StoreBusy(f"{error}, roll up, then start it again") from None
    try:
        ids = store.sync_clusters(settings)
        store.hold(*(ids[name] for name in names or there))
        for name in names or there:
            if rebuild:
                mark_all(store, ids[name])
            hours, months = work_off(store, ids[name])
            click.echo(f"{name}: {hours:,} hours summed, {months:,} months packed")
    finally:
        store.close()


def mark_all(store: Store, cluster_id: int) -> None:
    """Say, in one transaction, that all sums and columns are to be made again whose jobs the tables still have.

    Killed after that, whoever works off what is marked goes on.
    """
    with store.engine.begin() as connection:
        until = known_until(connection, cluster_id)
        if until is None:
            return
        since = kept_since(connection, cluster_id)
        firsts = [select(func.min(job.c.submitted_at)).where(job.c.cluster_id == cluster_id)]
        firsts.append(select(func.min(node_span.c.since)).join(node).where(node.c.cluster_id == cluster_id))
        for table in (usage_hour, usage_day, capacity_hour, capacity_day):
            here = table.c.cluster_id == cluster_id, table.c.bucket >= since
            firsts.append(select(func.min(table.c.bucket)).where(*here))
        told = [first for one in firsts if (first := connection.execute(one).scalar_one()) is not None]
        if told:
            mark_dirty(connection, cluster_id, max(min(told), since), until)
        connection.execute(
            update(history_month)
            .where(history_month.c.cluster_id == cluster_id, history_month.c.pruned.is_(False))
            .values(packed_until=history_month.c.month)
        )


def work_off(store: Store, cluster_id: int) -> tuple[int, int]:
    """Make the sums of the hours that are marked, and the columns of the months that lack jobs; returns how many.

    Old spans of nodes are packed too.
    """
    with store.engine.connect() as connection:
        until = known_until(connection, cluster_id)
    if until is None:
        return 0, 0
    hours = dirty_hours(store.engine, cluster_id)
    with progress(len(hours), "summing ") as say:
        for start in range(0, len(hours), HOURS_AT_ONCE):
            some = hours[start : start + HOURS_AT_ONCE]
            compute(store.engine, cluster_id, some, until)
            say(len(some), f"{start + len(some):,} of {len(hours):,} hours")
    months = unpacked_months(store.engine, cluster_id, until)
    _month_by_month(store, months, "packing ", lambda opened, month: pack_month(opened, cluster_id, month, until))
    due = list(due_months(store.engine, cluster_id, until))
    _month_by_month(store, due, "packing nodes ", lambda opened, month: pack_month_of_nodes(opened, cluster_id, month))
    return len(hours), len(months)


def _month_by_month(store: Store, months: Sequence[int], label: str, pack: Callable[[Connection, int], object]) -> None:
    """Pack each month in a transaction of its own, with a bar."""
    with progress(len(months), label) as say:
        for number, month in enumerate(months, 1):
            with store.engine.begin() as connection:
                pack(connection, month)
            say(1, f"{number:,} of {len(months):,} months")
