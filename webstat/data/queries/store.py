"""The store as a thing of its own: which schema it has, and how large it is."""

from __future__ import annotations

from pathlib import Path

from alembic.migration import MigrationContext
from sqlalchemy import Engine, text

from webstat.data.queries.engine import connected


def load_revision(engine: Engine) -> str | None:
    """The number of the store's schema, None where it has none. Raises StoreEmpty, StoreBroken."""
    with connected(engine) as connection:
        return MigrationContext.configure(connection).get_current_revision()


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
