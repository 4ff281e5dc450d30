"""Records of accounting logs come to jobs that have ended; what is damaged is skipped with a reason."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.states import JobState
from collector import logs
from collector.logs import Found, LogReader, Unended
from collector.spans import Span
from tests.collector.imported import T0, TORQUE_LOG, UTC, read_log, recorded_lines, stamp, told

QUEUED, RUNNING = JobState.QUEUED, JobState.RUNNING
DAY = 86400


def span(since: int, until: int, state: JobState) -> Span:
    return Span(T0 + since, T0 + until, state, "batch", 4, 0)


def test_the_recorded_log() -> None:
    found = read_log(recorded_lines())
    assert found.problems == []
    ended = {one.job.id: one for one in found.ended}
    lines = recorded_lines()
    ends = {line.split(";")[2] for line in lines if line[19:22] == ";E;" and "[]" not in line.split(";")[2]}
    assert ends <= ended.keys()
    assert all(one.job.started_at is None for name, one in ended.items() if name not in ends)
    assert found.arrays["66[]"] == 4
    assert found.kinds["E"] == sum(line[19:22] == ";E;" for line in lines)
    assert len([one for one in found.ended if one.runs]) == 5


def test_a_job_from_its_records() -> None:
    found = read_log(
        [told("Q", 1, T0), told("S", 1, T0 + 60, start=T0 + 60), told("E", 1, T0 + 99, start=T0 + 60, end=T0 + 98)]
    )
    (one,) = found.ended
    assert one.spans == [span(0, 60, QUEUED), span(60, 98, RUNNING)]
    assert (found.records, found.since, found.until) == (3, T0, T0 + 99)


def test_an_end_without_its_time_is_that_of_the_line() -> None:
    (one,) = read_log([told("E", 1, T0 + 99, start=T0 + 60)]).ended
    assert one.ended_at == T0 + 99


def test_a_deleted_job_ended_without_starting() -> None:
    for kind in "DA":
        (one,) = read_log([told("Q", 1, T0), told(kind, 1, T0 + 30, "requestor=root@here")]).ended
        assert (one.job.started_at, one.ended_at, one.spans) == (None, T0 + 30, [span(0, 30, QUEUED)])


def test_a_deletion_of_a_job_that_runs_or_is_not_known_says_nothing() -> None:
    start = [told("Q", 1, T0), told("S", 1, T0 + 5, start=T0 + 5)]
    assert read_log([*start, told("D", 1, T0 + 30), told("D", 2, T0 + 30)]).ended == []
    (one,) = read_log(
        [*start, told("D", 1, T0 + 30), told("E", 1, T0 + 31, start=T0 + 5, end=T0 + 31), told("D", 1, T0 + 99)]
    ).ended
    assert one.ended_at == T0 + 31


def test_a_rerun_is_a_run_of_its_own() -> None:
    again = [
        told("Q", 1, T0),
        told("S", 1, T0 + 10, start=T0 + 10),
        told("R", 1, T0 + 20, start=T0 + 10, end=T0 + 19, Exit_status=-11, run_count=1),
        told("S", 1, T0 + 30, start=T0 + 30),
    ]
    (one,) = read_log([*again, told("E", 1, T0 + 50, start=T0 + 30, end=T0 + 50, Exit_status=0, run_count=2)]).ended
    assert one.spans == [span(0, 10, QUEUED), span(10, 19, RUNNING), span(19, 30, QUEUED), span(30, 50, RUNNING)]
    assert (one.whole, one.job.exit_status) == (True, 0)
    (gone,) = read_log([*again[:3], told("D", 1, T0 + 40)]).ended
    assert gone.spans == [span(0, 10, QUEUED), span(10, 19, RUNNING), span(19, 40, QUEUED)]
    assert (gone.job.started_at, gone.job.exit_status) == (None, None)


def test_a_run_that_the_log_lacks_is_known_to_be_missing() -> None:
    (one,) = read_log([told("E", 1, T0 + 50, start=T0 + 30, end=T0 + 50, run_count=2)]).ended
    assert not one.whole


def test_torque_tells_a_rerun_without_its_times() -> None:
    first = told("S", 1, T0 + 10, start=T0 + 10, start_count=1, owner="alice@here")
    lines = [f"{stamp(T0)};Q;1.pbs01;queue=batch", first, f"{stamp(T0 + 20)};R;1.pbs01;"]
    lines += [
        told("S", 1, T0 + 30, start=T0 + 30, start_count=2),
        told("E", 1, T0 + 50, start=T0 + 30, end=T0 + 50, start_count=2),
    ]
    (one,) = read_log(lines).ended
    assert one.spans == [span(0, 10, QUEUED), span(10, 20, RUNNING), span(20, 30, QUEUED), span(30, 50, RUNNING)]
    assert one.whole


def test_torque_tells_no_owner_of_a_job_that_waits() -> None:
    assert read_log([f"{stamp(T0)};Q;1.tq01;queue=batch", f"{stamp(T0 + 9)};D;1.tq01;requestor=a@b"]).ended == []
    found = read_log(recorded_lines(TORQUE_LOG))
    assert ([one.job.id for one in found.ended], found.problems) == (["54037.tq01.grid.example"], [])


def test_parents_of_arrays_are_no_jobs() -> None:
    parent = told("Q", "7[]", T0, array_indices="1-10:3,20")
    found = read_log([parent, told("D", "7[]", T0 + 5), told("E", "7[]", T0 + 6, start=T0, end=T0 + 6)])
    assert (found.ended, found.arrays) == ([], {"7[]": 5})


def test_a_value_may_hold_line_ends() -> None:
    forged = f"{stamp(T0)};E;9.pbs01"
    lines = [told("E", 1, T0 + 9, ' account="one', start=T0, end=T0 + 9), "two", "", 'three" project=p', forged]
    found = read_log([*lines, told("E", 2, T0 + 9, start=T0, end=T0 + 9)])
    assert [(one.job.id, one.job.account, one.job.project) for one in found.ended] == [
        ("1.pbs01", "one two  three", "p"),
        ("2.pbs01", None, None),
    ]
    assert [problem.line for problem in found.problems] == [5]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("rubbish", "it is no record"),
        ("\x00\xff\x1f", "it is no record"),
        (told("E", 1, T0, user="", start=T0), "it tells no user"),
        (told("E", "one", T0, start=T0), "is no job id"),
        (told("E", 1, T0, start=T0 + 60, end=T0 + 9), "before it started"),
        (told("E", 1, T0, ctime="", end=T0 + 9), "no time of submission"),
        (told("E", 1, T0, start=T0, end=T0 + 20 * 365 * DAY), "in the future"),
        (told("E", 1, T0, ctime=5, start=T0, end=T0 + 9), "more than ten years"),
        (f"99/99/2026 10:00:00;E;{told('E', 1, T0).split(';', 2)[2]}", "its date is none"),
    ],
)
def test_what_is_damaged_is_skipped_with_a_reason(line: str, reason: str) -> None:
    good = told("E", 2, T0 + 9, start=T0, end=T0 + 9)
    found = read_log([good, line, told("E", 3, T0 + 9, start=T0, end=T0 + 9)])
    assert [one.job.id for one in found.ended] == ["2.pbs01", "3.pbs01"]
    ((number, said),) = [(problem.line, problem.reason) for problem in found.problems]
    assert (number, reason in said) == (2, True)


def test_windows_line_ends() -> None:
    (one,) = read_log([told("E", 1, T0 + 9, start=T0, end=T0 + 9, Exit_status=3) + "\r"]).ended
    assert one.job.exit_status == 3


def test_only_so_many_waiting_jobs_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MOST_UNENDED", 3)
    unended = Unended()
    read_log([told("Q", number, T0) for number in range(10)], unended=unended)
    assert list(unended.queued) == ["6.pbs01", "7.pbs01", "8.pbs01", "9.pbs01"][-len(unended.queued) :]
    assert len(unended.queued) <= 4


LINES = [
    line for line in recorded_lines() if line[22:26] in ("175.", "182.", "197.") or line[22:25] in ("33.", "66[", "134")
]
"""Reruns, arrays, and comments over several lines."""


@settings(deadline=None)
@given(st.lists(st.integers(0, len(LINES)), max_size=6), st.booleans())
def test_wherever_it_is_left_and_taken_up_the_same_comes_out(cuts: list[int], anew: bool) -> None:
    assert len(LINES) > 60
    whole = read_log(LINES)
    reader, place = LogReader(UTC, time.time(), Unended()), 0
    parts: list[Found] = []
    for cut in sorted(cuts):
        reader.read(LINES[place:cut], place + 1)
        if anew:  # the record in hand is read again
            in_hand = reader.in_hand
            parts.append(reader.take())
            kept = Unended()
            for kind, name, lines in reader.unended.rows():
                kept.add(kind, name, lines)
            reader = LogReader(UTC, time.time(), kept)
            while in_hand > 0:
                cut -= 1
                in_hand -= len(LINES[cut]) + 1
            assert in_hand == 0
        place = cut
    reader.read(LINES[place:], place + 1)
    reader.finish()
    parts.append(reader.take())
    ended = [one for part in parts for one in part.ended]
    assert ended == whole.ended
    assert sum((part.kinds for part in parts), Counter()) == whole.kinds
