"""Opening the store for reading, and one query -> one frame, or columns of numbers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
import orjson
import pandas as pd
from sqlalchemy import URL, Connection, Engine, Row, Select, create_engine, event, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from collector.columns import Numbers
from collector.lives import Columns, by_column
from webstat.errors import StoreBroken, StoreEmpty
from webstat.privacy import Veil


def open_store(url: str) -> Engine:
    """An engine that only reads; nothing is opened before the first query.

    An SQLite file is opened with mode=ro, so that reading never creates it.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True, execution_options={"postgresql_readonly": True})
    path = quote(Path(parsed.database or "").resolve().as_posix())
    read_only = URL.create("sqlite", database=f"file:{path}", query={"mode": "ro", "uri": "true"})
    # A connection a query costs 0.1 ms, and a store that is made anew is then simply the next one read.
    engine = create_engine(read_only, poolclass=NullPool, connect_args={"timeout": 10})

    @event.listens_for(engine, "connect")
    def _only_read(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA query_only=ON")

    return engine


VEILED = "veil"
"""The option of an engine that sees the store through a veil."""


def veil_of(engine: Engine) -> Veil | None:
    """Through what an engine sees the store; None where nothing is hidden."""
    return engine.get_execution_options().get(VEILED)


def file_of(store: Engine) -> str:
    """The path of an SQLite store's file, from the address by which open_store() opened it."""
    return unquote((store.url.database or "").removeprefix("file:"))


def read_rows(engine: Engine, query: Select[Any]) -> Sequence[Row[Any]]:
    """The rows of a query.

    Raises StoreEmpty where the store or its tables are not there, StoreBroken where it cannot be read.
    """
    with connected(engine) as connection:
        return connection.execute(query).all()


def read_frame(engine: Engine, query: Select[Any], dtypes: Mapping[str, str]) -> pd.DataFrame:
    """The rows of a query as a frame; `dtypes` are the names and types of its columns in order. Raises as read_rows()."""
    rows = read_rows(engine, query)
    # Column by column: a frame made from rows guesses each type and is several times slower.
    columns = zip(*rows, strict=True) if rows else ((),) * len(dtypes)
    return pd.DataFrame(
        {name: pd.Series(values, dtype=dtype) for (name, dtype), values in zip(dtypes.items(), columns, strict=True)}
    )


def read_columns(connection: Connection, query: Select[Any], names: tuple[str, ...]) -> Columns:
    """The rows of a query of whole numbers, as by_column() has them; `names` are those of its columns in order."""
    if connection.dialect.name != "sqlite":
        return by_column(names, connection.execute(query).all())
    # As one array of each column: Python makes no row, and SQLite holds no other thread up meanwhile.
    arrays = select(*[func.json_group_array(column) for column in query.subquery().c])
    texts = connection.execute(arrays).one()
    return {name: _numbers(orjson.loads(text)) for name, text in zip(names, texts, strict=True)}


def _numbers(values: list[int | None]) -> Numbers:
    """As float64; NaN for None, of which many columns have nothing else."""
    if values.count(None) == len(values):
        return np.full(len(values), np.nan)
    return np.array(values, dtype=np.float64)


@contextlib.contextmanager
def one_moment(engine: Engine) -> Iterator[Connection]:
    """A connection for several queries that all see the store as it is at the first: no report comes in between.

    Raises StoreEmpty, StoreBroken.
    """
    with connected(engine) as connection:
        if VEILED in connection.get_execution_options():
            pass  # what is seen through a veil is always of one moment
        elif connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")  # the driver begins a transaction only before it writes
        else:
            connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


@contextlib.contextmanager
def connected(engine: Engine) -> Iterator[Connection]:
    """A connection. Raises StoreEmpty, StoreBroken."""
    try:
        with engine.connect() as connection:
            yield connection
    except DBAPIError as error:
        words = str(error.orig)
        if any(sign in words for sign in ("unable to open", "no such table", "no such column", "does not exist")):
            raise StoreEmpty(words) from error
        raise StoreBroken(words) from error
    except SQLAlchemyError as error:
        raise StoreBroken(type(error).__name__) from error


def with_words(frame: pd.DataFrame, states: Sequence[Any]) -> pd.DataFrame:
    """The frame with the numbers of its column `state` turned into words."""
    words = [state.value for state in states]
    frame["state"] = pd.Series([words[index] for index in frame["state"]], dtype="str", index=frame.index)
    return frame
