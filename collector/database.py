"""The database under the store: engine with its settings, schema migrations, and the one-writer lock.

What is written into it is store.py's business.
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, TypeVar

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg.types.string import StrDumper
from sqlalchemy import Connection, Engine, create_engine, event, make_url

from collector.errors import StoreBusy, StoreError, StoreTooNew
from collector.leases import living_collectors

_MIGRATIONS = Path(__file__).parent / "migrations"

_LOOKUP = 500
"""Values per look-up: well under SQLite's limit of variables."""

Value = TypeVar("Value")


def portions(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    """So many of the values at a time as one statement may name."""
    for start in range(0, len(values), _LOOKUP):
        yield values[start : start + _LOOKUP]


def storable(value: Any) -> Any:
    """What PostgreSQL keeps of a value: a text without the bytes of zero that it refuses."""
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value


class _Storable(StrDumper):
    def dump(self, obj: str) -> Any:
        return super().dump(storable(obj))


def open_engine(url: str) -> Engine:
    """An engine to write with. SQLite: WAL, so that readers never wait; the file's folder is made.

    PostgreSQL: one connection, since with it go the leases (leases.py). Raises StoreError for other databases.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        shared = create_engine(parsed, pool_size=1, max_overflow=0, pool_pre_ping=True)
        event.listen(shared, "connect", lambda connection, _: connection.adapters.register_dumper(str, _Storable))
        return shared
    if parsed.get_backend_name() != "sqlite":
        raise StoreError(
            f"a store is kept in SQLite or PostgreSQL, not in {parsed.get_backend_name()}; change [store] url"
        )
    if parsed.database and parsed.database != ":memory:":
        try:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"the store's folder cannot be made: {error}; change [store] url") from None
    engine = create_engine(parsed, connect_args={"timeout": 30})

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver's own BEGIN comes too late and is deferred
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "cache_size=-16384", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def known_revisions() -> list[str]:
    """The schemas that this version can bring up to date, its own first."""
    return [script.revision for script in ScriptDirectory(str(_MIGRATIONS)).walk_revisions()]


def migrate(engine: Engine) -> tuple[str | None, str]:
    """Bring the schema to this version's, whole or not at all; returns (revision before, revision after).

    Raises StoreTooNew where the store was written by a newer webstat, StoreBusy where older collectors still use it.
    """
    known = known_revisions()
    head = known[0]
    with engine.begin() as connection:
        several = connection.dialect.name == "postgresql"
        if several:  # two that start at once: the second finds it done
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('webstat schema'))")
        before = MigrationContext.configure(connection).get_current_revision()
        if before is not None and before not in known:
            raise StoreTooNew(
                f"the store has schema {before}, this webstat knows up to {head}; install the newer webstat again"
            )
        if before != head:
            if several and before is not None and (running := len(living_collectors(connection))):
                raise StoreBusy(
                    f"{running} collectors use the store with schema {before}; stop them to bring it to {head}"
                )
            command.upgrade(_config(connection), "head")
    return before, head


def require_schema(engine: Engine) -> None:
    """Check that there is a store of this version's schema; changes nothing. Raises StoreError with what to do."""
    database = engine.url.database
    if engine.url.get_backend_name() == "sqlite" and database and not Path(database).exists():
        raise StoreError(f"{database} does not exist; start the collector once")
    head = known_revisions()[0]
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    if current != head:
        raise StoreError(f"the store has schema {current}, this webstat needs {head}: python -m collector migrate")


def lock_for_writing(engine: Engine) -> IO[str] | None:
    """Keep other collectors from writing this SQLite file until the returned handle is closed.

    The lock is the kernel's: it goes with the process, however that ends. None for other databases.
    Raises StoreBusy, naming the one that holds it.
    """
    database = engine.url.database
    if engine.url.get_backend_name() != "sqlite" or not database or database == ":memory:":
        return None
    handle = Path(f"{database}.lock").open("a+")  # noqa: SIM115 - it is the lock, and outlives this function
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.seek(0)
        holder = handle.read().strip() or "an unknown process"
        handle.close()
        raise StoreBusy(f"{database} is already written by {holder}; stop that collector first") from None
    handle.seek(0)
    handle.truncate()
    handle.write(f"the collector with process id {os.getpid()} on {socket.gethostname()}")
    handle.flush()
    return handle
