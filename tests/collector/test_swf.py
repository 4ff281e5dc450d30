"""Traces in the Standard Workload Format."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.states import JobState
from collector.logs import Found
from collector.spans import Span
from collector.swf import Header, TraceReader, is_swf, parse_header
from tests.collector.imported import SAMPLES, read_log, recorded_lines

RECORDED = (SAMPLES / "swf/openpbs-23.06.06.swf").read_text(encoding="latin-1").split("\n")
ODD = (SAMPLES / "swf/odd.swf").read_text(encoding="latin-1").split("\n")


def read(lines: list[str], now: float | None = None) -> Found:
    header = parse_header(lines)
    assert header.began_at is not None
    reader = TraceReader(header, header.began_at, time.time() if now is None else now)
    reader.read(lines, 1)
    return reader.take()


def test_a_trace_made_of_a_log_tells_the_log_s_jobs() -> None:
    log = {one.job.id: one for one in read_log(recorded_lines()).ended}
    found = read(RECORDED)
    assert (len(found.ended), found.problems) == (220, [])
    for one in found.ended:
        job, same = one.job, log[f"{one.job.id}.pbs01"]
        assert (one.submitted_at, job.started_at, one.ended_at) == (
            same.submitted_at,
            same.job.started_at,
            same.ended_at,
        )
        assert (job.cores, job.queue, job.walltime_seconds) == (
            same.job.cores,
            same.job.queue,
            same.job.walltime_seconds,
        )
        assert (job.exit_status == 0) == (same.job.exit_status == 0)
        assert [(span.since, span.state) for span in one.spans] == [(span.since, span.state) for span in same.spans]
    users = {(one.job.user, log[f"{one.job.id}.pbs01"].job.user) for one in found.ended}
    assert len(users) == len({name for name, _ in users}) == len({name for _, name in users}) > 3


def test_the_header() -> None:
    header = parse_header(ODD)
    assert header == Header(1_000_000_000, {0: "interactive", 3: "<img"}, True)
    assert parse_header(["; UnixStartTime: soon", ";", "; Note: UnixStartTime: 5"]) == Header(None, {}, False)


def test_odd_lines() -> None:
    found = read(ODD)
    jobs = {one.job.id: one for one in found.ended}
    assert sorted(jobs) == list("123456")
    assert [(problem.line, problem.reason[:20]) for problem in found.problems] == [
        (16, "it has 13 fields; a "),
        (17, "'x' is no number"),
        (18, "it tells no number o"),
        (19, "99999999999999 is to"),
        (20, "it ends in the futur"),
    ]
    assert found.kinds == Counter({"job": 6, "part of a job": 1})
    first, never, failed, parted, cancelled, untold = (jobs[number] for number in "123456")
    assert first.spans == [
        Span(1_000_000_000, 1_000_000_010, JobState.QUEUED, "<img", 4, 0),
        Span(1_000_000_010, 1_000_000_110, JobState.RUNNING, "<img", 4, 0),
    ]
    assert (first.job.cpu_used_seconds, first.job.memory_used_bytes) == (100, 4 * 2048 * 1024)
    assert (never.job.started_at, never.job.cores, never.job.exit_status) == (None, 8, None)
    assert (failed.job.exit_status, failed.job.queue, failed.job.name) == (1, "queue9", "program1")
    assert parted.ended_at - parted.submitted_at == 80  # the whole job, not its part
    assert (cancelled.job.started_at, cancelled.job.user, cancelled.job.group) == (None, "unknown", None)
    assert (untold.job.exit_status, untold.job.cores, untold.job.queue) == (None, 0, "queue1")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (RECORDED, True),
        (ODD[7:], True),
        (["", "; a comment"], True),
        (recorded_lines()[:3], False),
        (["1 2 3"], False),
        (["a " * 18], False),
        ([], False),
    ],
)
def test_what_a_trace_looks_like(lines: list[str], expected: bool) -> None:
    assert is_swf(lines) is expected


@given(st.lists(st.one_of(st.integers(-1, 2**50).map(str), st.floats().map(str), st.text(max_size=5)), max_size=19))
def test_any_line_is_read_or_skipped_with_a_reason(words: list[str]) -> None:
    line = " ".join(words)
    found = read(["; UnixStartTime: 0", line, " ".join(map(str, [1] * 18))])
    assert len(found.ended) + found.kinds["part of a job"] + len(found.problems) in (1, 2)
    assert found.ended[-1].job.id == "1"
    assert all(problem.reason for problem in found.problems)
