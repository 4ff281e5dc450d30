"""The store as a thing of its own: which schema it has, and how large it is."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from sqlalchemy import Engine, column, select, table, text

from collector.database import known_revisions
from webstat.data.queries.engine import connected, read_rows
from webstat.errors import StoreEmpty

_REVISION = table("alembic_version", column("version_num"))


def load_revision(engine: Engine) -> str | None:
    """The number of the store's schema, None where it has none. Raises StoreEmpty, StoreBroken."""
    try:
        rows = read_rows(engine, select(_REVISION.c.version_num))
    except StoreEmpty as error:
        if _REVISION.name in str(error):  # there is a store, without that table
            return None
        raise
    return rows[0].version_num if rows else None


@lru_cache(maxsize=1)
def known_schemas() -> tuple[str, ...]:
    """The schemas that this version knows, the one that it reads first."""
    return tuple(known_revisions())


def load_bytes(engine: Engine) -> int:
    """How large the store is: of SQLite its file with the log beside it. Raises StoreEmpty, StoreBroken."""
    with connected(engine) as connection:
        if connection.dialect.name == "postgresql":
            return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
        file = connection.exec_driver_sql("PRAGMA database_list").one()[2]
    return sum(path.stat().st_size for path in (Path(file), wal_of(Path(file))) if path.exists())


def wal_of(file: Path) -> Path:
    """Where SQLite keeps what is not in its file yet."""
    return file.with_name(file.name + "-wal")
