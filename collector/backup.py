"""Copies of an SQLite store: `backup` beside a running collector, `restore` while none runs.

A copy is of one moment, is checked before it gets its name, and never takes another's place.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from collector.database import known_revisions, lock_for_writing, open_engine
from collector.errors import StoreError, StoreTooNew
from collector.progress import progress
from collector.settings import Settings

PAGES_AT_ONCE = 2048


def backup(settings: Settings, to: Path) -> Path:
    """Copy the store as it is at this moment to a new file, or into a folder under a name with the time; returns the file.

    The collector may go on writing meanwhile. Raises StoreError; then nothing is left behind.
    """
    store = _file_of(settings)
    if not store.exists():
        raise StoreError(f"{store} does not exist; start the collector once")
    target = to / time.strftime("webstat-%Y%m%d-%H%M%S.sqlite") if to.is_dir() else to
    _copy(store, target)
    return target


def restore(settings: Settings, copy: Path) -> Path | None:
    """Put a copy in the store's place; returns where the store that was there lies now, None where none was.

    A copy of an older schema is brought up to date by the collector's next start. Raises StoreError for what is no copy of
    a store, StoreTooNew, StoreBusy while a collector runs.
    """
    store = _file_of(settings)
    if not copy.is_file():
        raise StoreError(f"{copy} does not exist")
    engine = open_engine(settings.store.url)
    try:
        store.parent.mkdir(parents=True, exist_ok=True)
        lock = lock_for_writing(engine)
        with contextlib.ExitStack() as stack:
            if lock is not None:
                stack.callback(lock.close)
            fresh = store.with_name(f"{store.name}.restored")
            fresh.unlink(missing_ok=True)
            _copy(copy, fresh)
            aside = None
            if store.exists():
                with contextlib.closing(sqlite3.connect(store)) as old:  # so that the file alone holds all of it
                    old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                aside = store.with_name(time.strftime(f"{store.name}.before-%Y%m%d-%H%M%S"))
                store.rename(aside)
            for ending in ("-wal", "-shm"):
                Path(f"{store}{ending}").unlink(missing_ok=True)
            fresh.rename(store)
            return aside
    except OSError as error:
        raise StoreError(f"{copy} cannot be put in place of {store}: {error}") from None
    finally:
        engine.dispose()


def _file_of(settings: Settings) -> Path:
    url = settings.store.file
    if url is None:
        raise StoreError("this is for stores in SQLite; a PostgreSQL server has tools of its own: pg_dump, pg_restore")
    return url


def _copy(source: Path, target: Path) -> None:
    """Copy a store to a file that does not exist yet, checked, with a bar."""
    if target.exists():
        raise StoreError(f"{target} exists and is left alone; choose another name")
    part = target.with_name(f"{target.name}.part")
    try:
        needed, free = source.stat().st_size, shutil.disk_usage(target.parent).free
        if needed > free:
            raise StoreError(f"{target.parent} has {free:,} bytes free, the store takes {needed:,}")
        part.unlink(missing_ok=True)
        with _reading(source) as old, contextlib.closing(sqlite3.connect(part)) as new:
            _check_is_a_store(old, source)
            _copy_pages(old, new)
            found = new.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise StoreError(f"{source} is damaged: {found}")
        _sync(part)
        part.chmod(source.stat().st_mode & 0o777)
        part.rename(target)
        _sync(target.parent)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{source} cannot be copied to {target}: {error}") from None
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def _reading(file: Path) -> Iterator[sqlite3.Connection]:
    """A connection that sees the store as it is at this moment, however long it is read."""
    address = f"file:{quote(str(file.resolve()))}?mode=ro"
    with contextlib.closing(sqlite3.connect(address, uri=True, isolation_level=None, timeout=30)) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield connection


def _check_is_a_store(connection: sqlite3.Connection, file: Path) -> None:
    try:
        revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError:
        revision = None
    if revision is None:
        raise StoreError(f"{file} is no store of webstat")
    known = known_revisions()
    if revision[0] not in known:
        raise StoreTooNew(
            f"{file} has schema {revision[0]}, this webstat knows up to {known[0]}; install the newer one"
        )


def _copy_pages(old: sqlite3.Connection, new: sqlite3.Connection) -> None:
    total = old.execute("PRAGMA page_count").fetchone()[0]
    done = 0
    with progress(total, "copying ") as say:

        def copied(_: int, left: int, pages: int) -> None:
            nonlocal done
            say(pages - left - done, f"{pages - left:,} of {pages:,} pages")
            done = pages - left

        old.backup(new, pages=PAGES_AT_ONCE, progress=copied)
    new.execute("PRAGMA journal_mode=DELETE")  # so that the copy is one file


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
