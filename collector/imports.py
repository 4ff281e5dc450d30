"""Back-fill: accounting logs and traces -> jobs in the store, a batch and its place in the file in one transaction.

Killed anywhere, it goes on where it was; what is read again changes nothing. Which files there are is logfiles.py's,
what their lines say logs.py's and swf.py's, the statements enter.py's.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path

from sqlalchemy import Connection, Engine, bindparam, delete, insert, select

from collector.enter import Entered, enter, enter_arrays
from collector.known import kept_since
from collector.logfiles import TAIL, LogFile, first_line, hash_of
from collector.logs import Found, LogReader, Unended
from collector.schema import import_file, import_unended
from collector.stretches import extend_known
from collector.swf import TraceReader, is_swf, parse_header
from collector.words import Words
from collector.write import insert_rows

BATCH_JOBS = 10_000
BATCH_RECORDS = 100_000
"""A transaction has about so many at most."""

WAL_PAGES = 30_000

SHOWN_PROBLEMS = 5

_BETWEEN = "\x1e"
"""Stands between records kept as one value; no printable text holds it."""


@dataclass(frozen=True)
class Skipped:
    """A line, or the rest of a file, that was not read."""

    place: str
    reason: str


@dataclass
class Summary:
    """What an import has done so far."""

    files: int = 0
    files_known: int = 0
    """Those that had been read to their end before."""
    bytes_read: int = 0
    """From disk, compressed ones as they are."""
    records: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    jobs: Entered = field(default_factory=Entered)
    skipped: int = 0
    problems: list[Skipped] = field(default_factory=list)
    """The first SHOWN_PROBLEMS lines."""
    troubles: list[Skipped] = field(default_factory=list)
    """Files that were not read to their end."""
    since: int | None = None
    until: int | None = None


class Import:
    """Reads files into one cluster of an open store, whose only writer it is."""

    def __init__(self, engine: Engine, words: Words, cluster_id: int, zone: tzinfo, now: float) -> None:
        self._engine = engine
        self._words = words
        self._cluster_id = cluster_id
        self._now = now
        self.summary = Summary()
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":  # pages that change again and again are copied to the file less often
                connection.exec_driver_sql(f"PRAGMA wal_autocheckpoint={WAL_PAGES}")
            self._unended = _load_unended(connection, cluster_id)
        self._stored_unended = {(kind, name): lines for kind, name, lines in self._unended.rows()}
        self._log = LogReader(zone, now, self._unended)

    def run(self, paths: Sequence[Path]) -> Iterator[Path]:
        """Read the files in their order; gives the one in hand after each block, so that progress can be shown."""
        gc.disable()  # no record refers to another, and looking for circles among so many takes an eighth of the time
        try:
            yield from self._run(paths)
        finally:
            gc.enable()

    def _run(self, paths: Sequence[Path]) -> Iterator[Path]:
        for path in paths:
            before = self.summary.bytes_read
            try:
                for file in self._read(path):
                    self.summary.bytes_read = before + file.raw_read
                    yield path
                size = path.stat().st_size
            except OSError as error:
                self._trouble(path, f"it cannot be read: {error.strerror or error}")
                size = 0
            self.summary.bytes_read = before + size
            yield path

    def _read(self, path: Path) -> Iterator[LogFile]:
        file = LogFile(path)
        head = file.head()
        if not head.strip():
            return self._trouble(path, file.trouble or "it is empty")
        reader = self._reader(path, head)
        if reader is None:
            return None
        place = self._place(file, head)
        if place.position and file.is_at_end(place.position):
            self.summary.files_known += 1
            return None
        for lines in file.blocks(place.position):
            if place.end == place.position:  # the first block
                place.tail = file.passed
                reader.look_back(place.tail.decode("latin-1").split("\n")[1:])
            if lines.too_long is not None:
                reader.finish()
                reader.skip(lines.too_long, "it is longer than 8 MB; no record is")
            reader.read(lines.lines, lines.number)
            place.end = lines.end
            place.tail = (place.tail + lines.data)[-(TAIL + reader.in_hand) :]
            if reader.waiting >= BATCH_RECORDS or reader.ended >= BATCH_JOBS:
                self._store(reader, place)
            yield file
        reader.finish()
        if place.end > place.position:
            self._store(reader, place)
            self.summary.files += 1
        elif not file.trouble:
            self.summary.files_known += 1
        if file.trouble:
            self._trouble(path, file.trouble)
        return None

    def _reader(self, path: Path, head: bytes) -> LogReader | TraceReader | None:
        lines = head.decode("latin-1").split("\n")
        if not is_swf(lines[:-1] or lines):
            return self._log
        header = parse_header(lines)
        if header.began_at is None:
            self._trouble(
                path, "its header has no UnixStartTime, so its times are unknown; add e.g. `; UnixStartTime: 0`"
            )
            return None
        return TraceReader(header, header.began_at, self._now)

    def _place(self, file: LogFile, head: bytes) -> _Place:
        """How far this file, under whichever name, was read before."""
        place = _Place(str(file.path), hash_of(first_line(head)))
        known = select(import_file.c.mark, import_file.c.position).where(
            import_file.c.cluster_id == self._cluster_id, import_file.c.mark.startswith(place.head)
        )
        with self._engine.connect() as connection:
            rows = connection.execute(known.order_by(import_file.c.position.desc())).all()
        for row in rows:
            if file.goes_on_at(row.position, row.mark[len(place.head) :]):
                place.mark, place.position, place.end = row.mark, row.position, row.position
                break
        return place

    def _store(self, reader: LogReader | TraceReader, place: _Place) -> None:
        """What was found, and how far the file was read: in one transaction."""
        found = reader.take()
        position = place.end - reader.in_hand
        before = place.tail[: len(place.tail) - reader.in_hand][-TAIL:]
        mark = place.head + hash_of(before)
        with self._engine.begin() as connection:
            entered = enter(connection, self._cluster_id, found.ended, self._words)
            enter_arrays(connection, self._cluster_id, found.arrays)
            if found.since is not None and found.until is not None:
                since = max(found.since, kept_since(connection, self._cluster_id))  # jobs from before were not entered
                if since <= found.until:
                    extend_known(connection, self._cluster_id, since, found.until + 1)
            self._store_unended(connection)
            self._note_file(connection, place, mark, position, found)
        place.mark, place.position = mark, position
        summary = self.summary
        summary.jobs += entered
        summary.records += found.records
        summary.kinds.update(found.kinds)
        summary.skipped += len(found.problems)
        for problem in found.problems[: max(0, SHOWN_PROBLEMS - len(summary.problems))]:
            summary.problems.append(Skipped(f"{place.name}:{problem.line}", problem.reason))
        if found.since is not None:
            summary.since = min(found.since, found.since if summary.since is None else summary.since)
        if found.until is not None:
            summary.until = max(found.until, summary.until or 0)

    def _note_file(self, connection: Connection, place: _Place, mark: str, position: int, found: Found) -> None:
        here = import_file.c.cluster_id == self._cluster_id
        old = connection.execute(select(import_file).where(here, import_file.c.mark == place.mark)).one_or_none()
        connection.execute(delete(import_file).where(here, import_file.c.mark.in_([place.mark, mark])))
        connection.execute(
            insert(import_file).values(
                cluster_id=self._cluster_id,
                mark=mark,
                name=place.name,
                position=position,
                records=found.records + (old.records if old else 0),
                skipped=len(found.problems) + (old.skipped if old else 0),
                at=int(self._now),
            )
        )

    def _store_unended(self, connection: Connection) -> None:
        """Bring the table into step with what the log told of jobs that have not ended."""
        now = {(kind, name): lines for kind, name, lines in self._log.unended.rows()}
        before = self._stored_unended
        changed = [key for key, lines in now.items() if before.get(key) != lines]
        gone = [key for key in before if key not in now or before[key] != now[key]]
        if gone:
            table = import_unended.c
            same = (
                (table.cluster_id == self._cluster_id) & (table.kind == bindparam("k")) & (table.job == bindparam("j"))
            )
            connection.execute(delete(import_unended).where(same), [{"k": kind, "j": name} for kind, name in gone])
        insert_rows(
            connection,
            import_unended,
            [
                {"cluster_id": self._cluster_id, "kind": kind, "job": name, "data": _packed(now[kind, name])}
                for kind, name in changed
            ],
        )
        self._stored_unended = now

    def _trouble(self, path: Path, reason: str) -> None:
        self.summary.troubles.append(Skipped(str(path), reason))


@dataclass
class _Place:
    """How far a file is read."""

    name: str
    head: str
    """First half of its mark."""
    mark: str | None = None
    """As it is stored."""
    position: int = 0
    """All before this byte is stored."""
    end: int = 0
    """All before this byte is read."""
    tail: bytes = b""
    """What stands before `end`."""


def _packed(lines: tuple[str, ...]) -> bytes:
    return _BETWEEN.join(lines).encode("latin-1", "replace")


def _load_unended(connection: Connection, cluster_id: int) -> Unended:
    unended = Unended()
    for row in connection.execute(select(import_unended).where(import_unended.c.cluster_id == cluster_id)):
        unended.add(row.kind, row.job, tuple(row.data.decode("latin-1").split(_BETWEEN)))
    return unended
