"""Storing a report of 10,000 jobs with 1 % changed, and what a finished job takes on disk.

Compared with what a simple collector does: writing every job of every report into SQLite again.
The jobs are those of the recorded large cluster; the finished ones those of 30 simulated days.
"""

from __future__ import annotations

import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from agent.probe import take_report
from agent.recording import Choice, Replay
from agent.report import Job, Report
from agent.states import JobState
from collector.schema import OPEN
from collector.settings import Settings
from collector.store import PollTimes, Store
from demo.past import reports
from demo.state import prepare

SAMPLE = Path("tests/samples/openpbs-23.06.06/large-wide")
POLLS = 15
CHANGED = 100


def main() -> None:
    """Print both tables."""
    with tempfile.TemporaryDirectory() as folder:
        _storing(Path(folder))
        _bytes_per_job(Path(folder))


def _storing(folder: Path) -> None:
    report = take_report(Replay(SAMPLE, Choice()))
    store = _open(folder / "changes.sqlite")
    naive = sqlite3.connect(folder / "naive.sqlite")
    naive.execute("pragma journal_mode=wal")
    naive.execute("create table seen (taken_at, id, name, user, queue, state, cores, submitted_at, started_at)")
    begun = time.perf_counter()
    store.store_report(1, report, PollTimes(report.taken_at, 0))
    first = time.perf_counter() - begun
    ours, theirs = [], []
    for _ in range(POLLS):
        report = later(report)
        begun = time.perf_counter()
        stored = store.store_report(1, report, PollTimes(report.taken_at, 0))
        ours.append(time.perf_counter() - begun)
        assert stored.jobs_changed == CHANGED, stored
        begun = time.perf_counter()
        _write_all(naive, report)
        theirs.append(time.perf_counter() - begun)
    store.close()
    naive.close()
    median, other = statistics.median(ours), statistics.median(theirs)
    print(f"{len(report.jobs):,} jobs, {CHANGED} changed, {POLLS} polls, medians")
    print(f"  changes only          {median * 1000:8.1f} ms   (worst {max(ours) * 1000:.1f} ms; target under 150 ms)")
    print(f"  every job again       {other * 1000:8.1f} ms   in plain sqlite3, nine columns")
    print(f"  ratio                 {median / other:8.2f}")
    print(f"  the first report      {first * 1000:8.1f} ms   all jobs new")


def later(report: Report) -> Report:
    """The same cluster a minute later: new records, CHANGED of them in another state."""
    at = report.taken_at + 60
    waiting = [index for index, one in enumerate(report.jobs) if one.state is JobState.QUEUED][:CHANGED]
    jobs = [replace(one) for one in report.jobs]
    for index in waiting:
        jobs[index] = replace(
            jobs[index], state=JobState.RUNNING, native_state="R", started_at=int(at) - 7, hosts={"cn001": 1}
        )
    return replace(report, taken_at=at, jobs=jobs)


def _write_all(naive: sqlite3.Connection, report: Report) -> None:
    with naive:
        naive.executemany("insert into seen values (?,?,?,?,?,?,?,?,?)", [_row(report, one) for one in report.jobs])


def _row(report: Report, one: Job) -> tuple[object, ...]:
    return (
        report.taken_at,
        one.id,
        one.name,
        one.user,
        one.queue,
        one.state.value,
        one.cores,
        one.submitted_at,
        one.started_at,
    )


def _bytes_per_job(folder: Path) -> None:
    print(
        "bytes on disk per finished job, everything included (jobs, spans, nodes, polls, rollups, indexes; target 250)"
    )
    path = folder / "played.sqlite"
    store = _open(path)
    for report in _played(take_report(Replay(SAMPLE, Choice()))):
        store.store_report(1, report, PollTimes(report.taken_at, 0))
    store.roll_up(1, 0)
    store.close()
    _print_size("the recorded jobs", path)
    epoch = prepare(folder / "demo")
    for name in epoch.clusters:
        path = folder / f"{name}.sqlite"
        store = _open(path)
        for report in reports(epoch, name):
            store.store_report(1, report, PollTimes(report.taken_at, 0))
        store.roll_up(1, 0)
        store.close()
        _print_size(f"{name}, 30 d", path)


def _played(report: Report) -> Iterator[Report]:
    """The recorded jobs run to their ends: each minute CHANGED start, those that began half an hour ago end."""
    ends: dict[str, int] = {}
    while report.jobs:
        yield report
        report = later(report)
        for one in report.jobs:
            if one.state is not JobState.QUEUED:
                ends.setdefault(one.id, int(report.taken_at) + 1800 + len(ends) % 3600)
            elif one.depends_on or len(ends) > len(report.jobs):
                ends.setdefault(one.id, int(report.taken_at) + 600)
        report = replace(report, jobs=[one for one in report.jobs if ends.get(one.id, OPEN) > report.taken_at])
    yield report


def _print_size(what: str, path: Path) -> None:
    reading = sqlite3.connect(path)
    (ended,) = reading.execute("select count(*) from job where ended_at is not null").fetchone()
    print(f"  {what:20} {ended:7,} finished jobs {path.stat().st_size / ended:7.0f}")
    for table, size in _largest(reading):
        print(f"      {table:24} {size / ended:20.1f}")
    reading.close()


def _largest(reading: sqlite3.Connection) -> list[tuple[str, int]]:
    """The largest tables and indexes and their bytes; empty where SQLite was built without dbstat."""
    try:
        return reading.execute("select name, sum(pgsize) from dbstat group by name order by 2 desc limit 8").fetchall()
    except sqlite3.OperationalError:
        return []


def _open(path: Path) -> Store:
    store = Store(f"sqlite:///{path}")
    store.sync_clusters(Settings.model_validate({"cluster": [{"name": "c", "agent": "tcp://127.0.0.1:1"}]}))
    return store
