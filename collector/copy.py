"""Moves a site from SQLite to PostgreSQL: every row of every table, compared row by row before it counts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Engine, String, Table, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from collector.database import lock_for_writing, migrate, open_engine, require_schema, storable
from collector.errors import StoreBusy, StoreError
from collector.leases import living_collectors
from collector.partitions import PARTITIONED, make_room
from collector.progress import progress
from collector.schema import cluster, collector, metadata

ROWS_AT_ONCE = 5000

TABLES = tuple(table for table in metadata.sorted_tables if table is not collector)
"""In an order in which each row finds what it refers to. Collectors enter themselves."""


def copy_store(source_url: str, target_url: str) -> dict[str, int]:
    """Copy a store into an empty database, whole or not at all; returns how many rows each table has.

    Raises StoreError where the one is no store of this version's schema, the other is not PostgreSQL or not empty, or
    a row came out different; StoreBusy where a collector uses either.
    """
    source, target = open_engine(source_url), open_engine(target_url)
    try:
        if source.dialect.name != "sqlite" or target.dialect.name != "postgresql":
            raise StoreError(
                "a store is copied from SQLite to PostgreSQL: copy sqlite:///FILE postgresql://HOST/DATABASE"
            )
        require_schema(source)
        lock = lock_for_writing(source)
        try:
            return _copy(source, target)
        finally:
            if lock is not None:
                lock.close()
    except SQLAlchemyError as error:
        raise StoreError(f"nothing was copied: {str(error).splitlines()[0]}") from error
    finally:
        source.dispose()
        target.dispose()


def _copy(source: Engine, target: Engine) -> dict[str, int]:
    migrate(target)
    with source.connect() as old, target.begin() as new:
        if running := len(living_collectors(new)):
            raise StoreBusy(f"{running} collectors use {_shown(target)}; stop them first")
        if new.execute(select(cluster.c.id).limit(1)).first() is not None:
            raise StoreError(f"{_shown(target)} has clusters already; a store is copied into an empty database")
        counts = {
            table.name: int(old.execute(select(func.count()).select_from(table)).scalar_one()) for table in TABLES
        }
        total = sum(counts.values())
        for what, step in (("copying ", _copy_table), ("checking", _check_table)):
            done = 0
            with progress(total, what) as say:
                for table in TABLES:
                    for rows in step(old, new, table):
                        done += rows
                        say(rows, f"{done:,} of {total:,} rows, {table.name}")
        return counts


def _copy_table(old: Connection, new: Connection, table: Table) -> Iterator[int]:
    names = [column.name for column in table.columns]
    if table in PARTITIONED:
        seconds = table.c.at if "at" in names else table.c.bucket
        first, last = old.execute(select(func.min(seconds), func.max(seconds))).one()
        if first is not None:
            make_room(new, first, last, table)
    cursor = new.connection.cursor()
    columns = ", ".join(f'"{name}"' for name in names)
    for some in _batches(_rows(old, table), ROWS_AT_ONCE):
        with cursor.copy(f'COPY "{table.name}" ({columns}) FROM STDIN') as copying:
            for row in some:
                copying.write_row(row)
        yield len(some)
    if "id" in table.c:
        counter = text("SELECT setval(pg_get_serial_sequence(:table, 'id'), max(id)) FROM " + table.name)
        new.execute(counter, {"table": table.name})


def _check_table(old: Connection, new: Connection, table: Table) -> Iterator[int]:
    """Both sides in the same order, side by side. Raises StoreError at the first row that differs."""
    pairs = zip(_rows(old, table), _rows(new, table), strict=True)
    try:
        for some in _batches(pairs, ROWS_AT_ONCE):
            for before, after in some:
                if before != after and tuple(map(storable, before)) != after:
                    raise StoreError(
                        f"nothing was copied: a row of {table.name} came out different: {before} -> {after}"
                    )
            yield len(some)
    except ValueError:
        raise StoreError(f"nothing was copied: {table.name} has not as many rows as it had") from None


def _rows(connection: Connection, table: Table) -> Iterator[tuple[Any, ...]]:
    """The rows of a table in the order of its key, bytes by bytes."""
    several = connection.dialect.name == "postgresql"
    key = [one.collate("C") if several and isinstance(one.type, String) else one for one in table.primary_key]
    found = connection.execute(select(table).order_by(*key), execution_options={"yield_per": ROWS_AT_ONCE})
    for row in found:
        yield tuple(row)


def _shown(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=True)


def _batches(rows: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while some := list(islice(rows, size)):
        yield some
