"""On PostgreSQL, the large tables whose rows go by age lie month by month: what is pruned is dropped, not deleted.

SQLite's tables are whole; everything here then does nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from sqlalchemy import Connection, Table, text

from collector.lives import month_after, month_of
from collector.schema import capacity_hour, poll, usage_hour

PARTITIONED = (usage_hour, capacity_hour, poll)
"""Their rows are placed by the UTC month of `bucket`, or `at`."""


def make_room(connection: Connection, first: int, last: int, *tables: Table) -> None:
    """See to it that rows of seconds `first` to `last` have a place in these tables, in the caller's transaction."""
    if connection.dialect.name != "postgresql":
        return
    wanted = [(table, month) for table in tables for month in _months(first, last)]
    there = text("SELECT name FROM unnest(CAST(:names AS text[])) name WHERE to_regclass(name) IS NOT NULL")
    made = set(connection.execute(there, {"names": [_name(table, month) for table, month in wanted]}).scalars())
    missing = [(table, month) for table, month in wanted if _name(table, month) not in made]
    if missing:  # two collectors may want the same: the lock goes with the transaction
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('webstat partitions'))")
    for table, month in missing:
        connection.exec_driver_sql(
            f'CREATE TABLE IF NOT EXISTS "{_name(table, month)}" PARTITION OF "{table.name}" '
            f"FOR VALUES FROM ({month}) TO ({month_after(month)})"
        )


def drop_before(connection: Connection, table: Table, limit: int) -> int:
    """Drop the months that ended before second `limit`, of all clusters; returns how many rows they had.

    Raises OperationalError where somebody reads the table for seconds: readers go first.
    """
    if connection.dialect.name != "postgresql":
        return 0
    rows = 0
    partitions = text(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
        "WHERE i.inhparent = CAST(:table AS regclass)"
    )
    for name in connection.execute(partitions, {"table": table.name}).scalars().all():
        month = _month(table, name)
        if month is not None and month_after(month) <= limit:
            rows += connection.exec_driver_sql(f'SELECT count(*) FROM "{name}"').scalar_one()
            connection.exec_driver_sql("SET LOCAL lock_timeout = '2s'")
            connection.exec_driver_sql(f'DROP TABLE "{name}"')
    return rows


def _months(first: int, last: int) -> Iterator[int]:
    month = month_of(first)
    while month <= last:
        yield month
        month = month_after(month)


def _name(table: Table, month: int) -> str:
    return f"{table.name}_{datetime.fromtimestamp(month, UTC):%Y%m}"


def _month(table: Table, name: str) -> int | None:
    """The month of a partition's name; None of one that is not ours."""
    found = re.fullmatch(rf"{table.name}_(\d{{4}})(\d\d)", name)
    return int(datetime(int(found[1]), int(found[2]), 1, tzinfo=UTC).timestamp()) if found else None
