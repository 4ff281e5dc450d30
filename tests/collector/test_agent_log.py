"""Reports with ends from an accounting log, stored: exact, whether the end had been estimated before or not."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from agent.accounting_log import AccountingLog
from agent.probe import take_report
from agent.recording import Choice, Replay
from agent.report import Job, Report
from agent.states import JobState
from agent.wire import from_wire, to_wire
from collector.store import PollTimes, Store
from tests.collector.imported import (
    SAMPLES,
    T0,
    UTC,
    contents,
    import_into,
    open_store,
    recorded_lines,
    told,
    write_log,
)
from tests.collector.reports import a_job, a_report, as_running

SERIES = SAMPLES / "openpbs-23.06.06/timeseries"
POLLS = 12


class Follower:
    """An agent with a log, and the store that its reports go to."""

    def __init__(self, folder: Path) -> None:
        self.log = AccountingLog(folder, UTC)
        self.file = folder / "20261123"
        self.store, self.cluster = open_store(folder)

    def write(self, *lines: str) -> None:
        with self.file.open("a") as file:
            file.writelines(f"{line}\n" for line in lines)

    def take(self, at: int, *jobs: Job, with_log: bool = True) -> None:
        report = a_report(at, jobs)
        store_it(self.store, self.cluster, self.log.with_ends(report) if with_log else report)

    def rows(self) -> list[dict[str, Any]]:
        return contents(self.store.engine)["job"]

    def spans(self) -> list[tuple[int, int, str]]:
        return [(row["since"] - T0, row["until"] - T0, row["state"]) for row in contents(self.store.engine)["span"]]


def store_it(store: Store, cluster: int, report: Report) -> int:
    stored = store.store_report(cluster, from_wire(to_wire(report)), PollTimes(report.taken_at, 0.1))
    return stored.jobs_changed


@pytest.fixture
def follower(each_store: str, tmp_path: Path) -> Any:
    one = Follower(tmp_path)
    yield one
    one.store.close()


RUNNING = as_running(a_job(1), T0 + 60, priority=5, depends_on="afterok:9")
END = told("E", 1, T0 + 95, start=T0 + 60, end=T0 + 95, Exit_status=2, resources_used__walltime="00:00:35")


def check(row: dict[str, Any]) -> None:
    assert (row["ended_at"], row["ended_estimated"], row["exit_status"]) == (T0 + 95, 0, 2)
    assert (row["started_at"], row["walltime_used_seconds"], row["native_state"]) == (T0 + 60, 35, "F")
    assert (row["priority"], row["depends_on"], row["hosts"]) == (5, "afterok:9", [("n1", 4)])


def test_an_end_is_exact(follower: Follower) -> None:
    follower.take(T0 + 70, RUNNING)
    follower.write(END)
    follower.take(T0 + 130)
    (row,) = follower.rows()
    check(row)
    spans = follower.spans()
    assert [span[:2] for span in spans] == [(0, 60), (60, 95)]
    for later in (190, 250):
        follower.take(T0 + later)
    assert (follower.rows(), follower.spans()) == ([row], spans)


def test_an_end_that_was_estimated_becomes_exact(follower: Follower) -> None:
    follower.take(T0 + 70, RUNNING)
    follower.take(T0 + 130)
    assert [row["ended_estimated"] for row in follower.rows()] == [1]
    follower.write(END)
    follower.take(T0 + 190)
    (row,) = follower.rows()
    check(row)
    assert [span[:2] for span in follower.spans()] == [(0, 60), (60, 95)]


def test_a_collector_that_was_away_and_is_started_anew_hears_of_it(follower: Follower) -> None:
    follower.take(T0 + 70, RUNNING)
    follower.write(END)
    follower.log.with_ends(a_report(T0 + 130))  # somebody else asked
    follower.store._known.clear()
    follower.take(T0 + 1700)
    check(follower.rows()[0])


def test_a_job_between_two_reports_is_seen(follower: Follower) -> None:
    follower.take(T0 + 10, as_running(a_job(9), T0 + 5))
    follower.write(END, told("Q", 3, T0 + 80), told("D", 3, T0 + 85))
    follower.take(T0 + 130)
    rows = {row["number"]: row for row in follower.rows()}
    assert (rows["1"]["ended_at"], rows["1"]["ended_estimated"], rows["1"]["exit_status"]) == (T0 + 95, 0, 2)
    assert (rows["3"]["ended_at"], rows["3"]["started_at"]) == (T0 + 85, None)


def test_a_deletion_while_waiting_is_exact(follower: Follower) -> None:
    follower.take(T0 + 10, a_job(1, JobState.HELD, hold="u", priority=3))
    follower.write(told("D", 1, T0 + 42))
    follower.take(T0 + 130)
    (row,) = follower.rows()
    assert (row["ended_at"], row["ended_estimated"], row["started_at"], row["priority"]) == (T0 + 42, 0, None, 3)


def test_a_job_that_is_put_back_lives(follower: Follower) -> None:
    follower.take(T0 + 70, RUNNING)
    follower.write(END)
    again = as_running(a_job(1), T0 + 120)
    follower.take(T0 + 130, again)
    follower.take(T0 + 190, again)
    (row,) = follower.rows()
    assert row["ended_at"] is None
    follower.write(told("S", 1, T0 + 120), told("E", 1, T0 + 200, start=T0 + 120, end=T0 + 200, Exit_status=0))
    follower.take(T0 + 250)
    (row,) = follower.rows()
    assert (row["started_at"], row["ended_at"], row["exit_status"]) == (T0 + 120, T0 + 200, 0)


@pytest.mark.parametrize("late", [False, True])
def test_the_recorded_series(follower: Follower, late: bool) -> None:
    """Twelve polls of a server, and its log as it was then; `late`: it is followed from the last poll on."""
    lines = [f"{line}\n" for line in recorded_lines()]
    source = Replay(SERIES, Choice())
    ends: dict[str, int] = {}
    written = 0
    for poll in range(POLLS):
        report = take_report(source)
        until = time.strftime("%m/%d/%Y %H:%M:%S", time.gmtime(report.taken_at))
        place = next(i for i, line in enumerate(lines) if line[2:3] == "/" and line[:19] > until)
        follower.file.write_bytes("".join(lines[:place]).encode("latin-1"))
        written = place
        if late and poll == POLLS - 1:
            assert any(row["ended_estimated"] for row in follower.rows())
        if not late or poll == POLLS - 1:
            report = follower.log.with_ends(report)
        store_it(follower.store, follower.cluster, report)
    for line in lines[:written]:
        if line[19:22] == ";E;":
            ends[line.split(";")[2]] = int(line.partition(" end=")[2].partition(" ")[0])
    alive = {job.id for job in report.jobs if job.state is not JobState.FINISHED}
    rows = {f"{row['number']}.{row['server']}": row for row in follower.rows()}
    assert len(rows) == len(follower.rows())
    checked = [name for name in ends if name not in alive and "[]" not in name]
    assert len(checked) > 30
    for name in checked:
        assert (rows[name]["ended_at"], rows[name]["ended_estimated"]) == (ends[name], 0), name
        assert rows[name]["exit_status"] is not None
    assert not [name for name in alive if rows[name]["ended_at"] is not None]
    assert not [name for name, row in rows.items() if row["ended_estimated"]]


def test_an_import_of_the_same_log_changes_nothing_of_it(follower: Follower) -> None:
    follower.take(T0 + 70, RUNNING)
    follower.write(END)
    follower.take(T0 + 130)
    before = contents(follower.store.engine)
    import_into(follower.store, follower.cluster, write_log(follower.file.with_name("20261123.txt"), [END]))
    after = contents(follower.store.engine)
    assert (after["job"], after["span"]) == (before["job"], before["span"])
