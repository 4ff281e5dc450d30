"""The store, its disk, and what it says of clusters and clocks."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator

from collector.settings import Settings
from webstat import ready
from webstat.data.queries import store
from webstat.data.source import Source
from webstat.doctor.finding import Finding, Level, ok, problem, warning
from webstat.errors import WebError
from webstat.format import duration
from webstat.health import State, health
from webstat.twins import says

LITTLE_BYTES, LITTLE_SHARE = 1 << 30, 0.05
LARGE_WAL = 256 << 20
CLOCK_SECONDS = 5.0
MIB = 1 << 20


def check_store(source: Source) -> Iterator[Finding]:
    """Whether it can be read, its schema, and its size."""
    found = ready.check_store(source)
    if not found.ok:
        words, _, action = found.words.rpartition("; ")
        yield problem("store", words or found.words, action if words else "is the database up? see [store] url")
        return
    yield ok("store", f"{found.words}, {source.ask(store.load_bytes) / MIB:,.0f} MiB")


def check_disk(settings: Settings) -> Iterator[Finding]:
    """Of an SQLite store: room, its write-ahead log, and whether we may write beside it, as its readers must."""
    file = settings.store.file
    if file is None or not file.exists():
        return
    usage = shutil.disk_usage(file.parent)
    words = f"{usage.free / MIB:,.0f} MiB are free where the store is"
    if usage.free < LITTLE_BYTES or usage.free < LITTLE_SHARE * usage.total:
        yield warning("disk", words, "make room, or shorten [retention]: python -m collector prune --dry-run")
    else:
        yield ok("disk", words)
    wal = store.wal_of(file)
    size = wal.stat().st_size if wal.exists() else 0
    if size > LARGE_WAL:
        yield warning(
            "wal", f"SQLite's log beside the store has {size / MIB:,.0f} MiB", "restart the page: a reader holds it"
        )
    else:
        yield ok("wal", f"SQLite's log beside the store has {size / MIB:,.0f} MiB")
    if not os.access(file.parent, os.W_OK):
        action = f"run as the user of the services, or let this one write to {file.parent}"
        yield problem("disk", f"{file.parent} cannot be written, which readers of SQLite must", action)


def check_clock(source: Source) -> Iterator[Finding]:
    """Whether reports come from the future: then a clock is wrong, and ages are."""
    try:
        clusters = source.clusters()
    except WebError:
        return
    now = time.time()
    ahead = [one.name for one in clusters if one.taken_at is not None and one.taken_at - now > CLOCK_SECONDS]
    if ahead:
        action = "run NTP on this host and theirs; python -m collector check says which is off"
        yield warning("clock", f"reports from the future: {', '.join(ahead)}", action)
    else:
        yield ok("clock", f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(now))} UTC; no report is from the future")


def check_clusters(source: Source) -> Iterator[Finding]:
    """How well each cluster is known."""
    try:
        clusters = source.clusters()
    except WebError:
        return
    now = time.time()
    for cluster in clusters:
        known = health(cluster, now)
        age = f", {duration(now - cluster.taken_at)} old" if cluster.taken_at is not None else ""
        words = f"{cluster.name}: {known.state.value}{age}"
        if known.state is State.LIVE:
            yield ok("cluster", words)
            continue
        level = Level.PROBLEM if known.state in (State.SILENT, State.REFUSED) else Level.WARNING
        action = "wait for the first report" if known.state is State.NEW else "python -m collector check"
        yield Finding(level, "cluster", f"{words}. {says(known, now)}", action)
