"""Live and back-fill come to the same store, in whichever order: the recorded polls and their server's log."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.probe import take_report
from agent.recording import Replay
from agent.report import Report
from agent.states import JobState
from collector.schema import JOB_STATES
from collector.store import PollTimes
from tests.collector.imported import (
    OPENPBS_LOG,
    SAMPLES,
    TORQUE_LOG,
    contents,
    import_into,
    open_store,
    recorded_lines,
    write_log,
)

SERIES = {
    OPENPBS_LOG: SAMPLES / "openpbs-23.06.06/timeseries",
    TORQUE_LOG: SAMPLES / "torque-6.1.3.h5/timeseries",
}


@cache
def reports_of(folder: Path) -> list[Report]:
    replay = Replay(folder)
    return [take_report(replay) for _ in range(replay.polls)]


@cache
def lines_of(log: Path) -> list[str]:
    """The log's lines, without the hours after the series."""
    lines = recorded_lines(log)
    return [line for line in lines if not line[:2].isdigit() or line[11:16] <= "21:32" or log == TORQUE_LOG]


def told(log: Path, cuts: list[tuple[int, int]], sums_between: bool) -> dict[str, list[dict[str, Any]]]:
    """What the store holds when the log's lines up to `cuts[n][1]` were imported before poll `cuts[n][0]`."""
    reports, lines = reports_of(SERIES[log]), lines_of(log)
    with tempfile.TemporaryDirectory() as folder:
        store, cluster_id = open_store(Path(folder))
        path = Path(folder) / "20261123"
        for number in range(len(reports) + 1):
            for place, end in cuts:
                if place == number:
                    import_into(store, cluster_id, write_log(path, lines[:end]))
            if number < len(reports):
                report = reports[number]
                store.store_report(cluster_id, report, PollTimes(report.taken_at, 0.1))
            if sums_between:
                store.roll_up(cluster_id, 0)
        store.roll_up(cluster_id, 0)
        found = contents(store.engine)
        store.close()
    return found


@cache
def expected(log: Path) -> dict[str, list[dict[str, Any]]]:
    """All polls, then all of the log."""
    return told(log, [(len(reports_of(SERIES[log])), len(lines_of(log)))], False)


def test_what_only_polls_know_stays_and_ends_are_the_log_s(
    each_store: str,
) -> None:
    found = expected(OPENPBS_LOG)
    live = told(OPENPBS_LOG, [], False)
    ended = [row for row in found["job"] if row["ended_at"] is not None]
    assert len(ended) > len([row for row in live["job"] if row["ended_at"] is not None]) + 100
    assert sum(row["ended_estimated"] for row in found["job"]) < sum(row["ended_estimated"] for row in live["job"])
    states = {JOB_STATES[row["state"]] for row in found["span"]}
    assert {JobState.HELD, JobState.SUSPENDED, JobState.RUNNING} <= states
    assert any(row["priority"] for row in ended)


@pytest.mark.parametrize("log", SERIES, ids=["openpbs", "torque"])
def test_the_whole_log_before_each_poll(each_store: str, log: Path) -> None:
    for place in (0, 1, 6, 11):
        assert told(log, [(place, len(lines_of(log)))], place == 6) == expected(log)


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, len(lines_of(OPENPBS_LOG)))), max_size=3), st.booleans())
def test_the_log_in_pieces_among_the_polls(each_store: str, cuts: list[tuple[int, int]], sums_between: bool) -> None:
    pieces = list(zip(sorted(place for place, _ in cuts), sorted(end for _, end in cuts), strict=True))
    whole = (12, len(lines_of(OPENPBS_LOG)))
    assert told(OPENPBS_LOG, [*pieces, whole], sums_between) == expected(OPENPBS_LOG)
