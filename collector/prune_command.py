"""`prune` as people see it: what goes, or would go, table by table, and why.

The deleting itself is prune.py's. While a collector runs it prunes by itself, and this command only looks.
"""

from __future__ import annotations

import time
from collections import Counter

import click
from sqlalchemy import Connection, create_engine, select

from collector.database import require_schema
from collector.errors import StoreBusy
from collector.progress import progress
from collector.prune import Doomed, doomed
from collector.retention import Limits, limits_of
from collector.rollup_command import work_off
from collector.schema import cluster
from collector.settings import RetentionSettings, Settings
from collector.store import Store

_LEVELS = {
    "job": "spans_days", "job_span": "spans_days", "job_array": "spans_days", "node_span": "spans_days",
    "node_month": "spans_days", "queue_span": "spans_days", "usage_hour": "hours_days", "capacity_hour": "hours_days", "usage_day": "days_days",
    "capacity_day": "days_days", "poll": "polls_days", "history_month": "columns_days", "history_column": "columns_days",
}  # fmt: skip


def show_doomed(settings: Settings) -> None:
    """Say what would go. Reads only, also beside a running collector. Raises StoreError for a store that is not there."""
    limits = limits_of(settings.retention, time.time())
    engine = create_engine(settings.store.url)
    try:
        require_schema(engine)
        with engine.connect() as connection:
            for name, found in _doomed(connection, limits).items():
                click.echo(name)
                for one in found:
                    click.echo(f"  {one.table:15} {one.rows:>12,} rows  {_why(one, settings.retention)}")
                if found[0].before < limits.spans:
                    click.echo("  " + _behind(found[0], limits))
    finally:
        engine.dispose()


def prune_all(settings: Settings) -> None:
    """Delete what is kept no longer, to the end. Raises StoreBusy while a collector writes the store."""
    try:
        store = Store(settings.store.url)
    except StoreBusy as error:
        raise StoreBusy(
            f"{error} to prune at once; while it runs it prunes by itself, a little every hour (--dry-run says what)"
        ) from None
    try:
        with store.engine.connect() as connection:
            ids = connection.execute(select(cluster.c.id).order_by(cluster.c.id)).scalars().all()
        store.hold(*ids)
        for cluster_id in ids:  # a month goes only once all that was counted from it is
            work_off(store, cluster_id)
        limits = limits_of(settings.retention, time.time())
        with store.engine.connect() as connection:
            total = sum(one.rows for found in _doomed(connection, limits).values() for one in found)
        rows: Counter[str] = Counter()
        with progress(total, "pruning ") as say:
            for gone in store.prune(limits):
                rows += gone.rows
                say(gone.rows.total(), f"{rows.total():,} of {total:,} rows")
    finally:
        store.close()
    for table in _LEVELS:
        if rows[table]:
            click.echo(f"{table:15} {rows[table]:>12,} rows deleted")
    click.echo("the file keeps its size; its free pages are used again" if rows else "nothing is older than is kept")


def _doomed(connection: Connection, limits: Limits) -> dict[str, list[Doomed]]:
    clusters = connection.execute(select(cluster.c.id, cluster.c.name).order_by(cluster.c.name)).all()
    return {row.name: doomed(connection, row.id, limits) for row in clusters}


def _why(one: Doomed, retention: RetentionSettings) -> str:
    level = _LEVELS[one.table]
    days = getattr(retention, level)
    if not days:
        return f"{level} = 0 keeps all"
    return f"before {_day(one.before)} ({level} = {days})" if one.before else "none is old enough"


def _behind(jobs: Doomed, limits: Limits) -> str:
    if not jobs.before:
        return f"no job goes: none ended before {_day(limits.spans)}, or their months are not summed and packed yet"
    return (
        f"jobs that ended from {_day(jobs.before)} on stay, though the limit is {_day(limits.spans)}: "
        "their months are not summed and packed yet, or no report is of a later one"
    )


def _day(second: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(second))
