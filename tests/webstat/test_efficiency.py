"""Whether jobs use what they asked for: what is told, when, and in which words."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webstat.efficiency import Finding, cores_share, findings

GB, HOUR = 1 << 30, 3600
JOB = {
    "cores": 48,
    "cpu_used_seconds": 46.0 * HOUR,
    "walltime_used_seconds": 1.0 * HOUR,
    "memory_bytes": 192.0 * GB,
    "memory_used_bytes": 96.0 * GB,
    "walltime_seconds": 12.0 * HOUR,
    "started_at": 0.0,
    "now": 1.0 * HOUR,
}


def said(**changed):
    return [(found.tone, found.words.replace("\u00a0", " ")) for found in findings(**{**JOB, **changed})]


def test_a_job_that_uses_what_it_asked_for():
    assert said() == [("", "96 % of its cores busy")]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"cpu_used_seconds": 11.3 * HOUR}, "Keeps 11 of its 48 cores busy (24 %)"),
        ({"cores": 4, "cpu_used_seconds": 1.9 * HOUR}, "Keeps 1.9 of its 4 cores busy (48 %)"),
        ({"cpu_used_seconds": 0.0}, "Keeps none of its 48 cores busy"),
        ({"cpu_used_seconds": 60.0}, "Keeps none of its 48 cores busy"),
        ({"cores": 1, "cpu_used_seconds": 0.1 * HOUR}, "Keeps its core busy 10 % of the time"),
        ({"memory_used_bytes": 11.0 * GB}, "Uses 11 of the 192 GB it asked for"),
        ({"memory_used_bytes": 100.0 * (1 << 20)}, "Uses 100 MB of the 192 GB it asked for"),
        ({"memory_used_bytes": 200.0 * GB}, "Uses 200 GB of memory, asked for 192 GB"),
        ({"cores": 24, "cpu_used_seconds": 31.0 * HOUR}, "Uses 31 cores, asked for 24"),
        ({"walltime_used_seconds": 11.9 * HOUR, "cpu_used_seconds": 540.0 * HOUR}, "99 % of its 12 h used"),
        (
            {"walltime_used_seconds": 12.5 * HOUR, "cpu_used_seconds": 540.0 * HOUR},
            "Has run 30 min longer than its 12 h",
        ),
    ],
)
def test_what_stands_out(changed, words):
    assert said(**changed) == [("warn", words)]


ENDED = {"over": True, "exit_status": 0, "walltime_used_seconds": 2.17 * HOUR, "cpu_used_seconds": 100.0 * HOUR}


def test_a_job_that_has_ended_tells_what_of_its_walltime_it_ran():
    assert said(**ENDED, walltime_seconds=24.0 * HOUR) == [("warn", "Asked for 1 d, ran 2 h 10 (9 %)")]
    assert [tone for tone, _ in said(**{**ENDED, "over": False}, walltime_seconds=24.0 * HOUR)] == [""], "it still runs"
    assert [tone for tone, _ in said(**{**ENDED, "exit_status": 271}, walltime_seconds=24.0 * HOUR)] == [""]
    assert [tone for tone, _ in said(**ENDED, walltime_seconds=8.0 * HOUR)] == [""], "more than a quarter"
    short = {**ENDED, "walltime_used_seconds": 0.2 * HOUR, "cpu_used_seconds": 9.0 * HOUR}
    assert [tone for tone, _ in said(**short, walltime_seconds=1.0 * HOUR)] == [""], "an hour is little"
    assert said(**short, walltime_seconds=1.1 * HOUR) == [("warn", "Asked for 1 h 06, ran 12 min (18 %)")]


def test_a_job_that_has_ended_is_not_almost_over():
    assert [tone for tone, _ in said(**ENDED, walltime_seconds=2.2 * HOUR)] == [""]


def test_one_core_is_one_core():
    assert said(cores=1, cpu_used_seconds=0.9 * HOUR) == [("", "90 % of its core busy")]


def test_more_than_asked_comes_before_less_than_asked():
    found = said(cores=1, cpu_used_seconds=3.0 * HOUR, memory_used_bytes=1.0 * GB)
    assert [words for _, words in found] == ["Uses 3 cores, asked for 1", "Uses 1 of the 192 GB it asked for"]


@pytest.mark.parametrize(
    "changed",
    [
        {"walltime_used_seconds": 599.0},
        {"walltime_used_seconds": None, "now": 599.0},
        {"walltime_used_seconds": None, "started_at": None},
        {"walltime_used_seconds": math.nan, "started_at": math.nan},
        {"interactive": True},
        {"cpu_used_seconds": None},
        {"cpu_used_seconds": math.nan, "memory_used_bytes": math.nan, "memory_bytes": math.nan},
    ],
)
def test_nothing_is_said_too_early_or_without_measurement(changed):
    assert said(**{"cpu_used_seconds": 1.0, **changed}) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"cpu_used_seconds": 24.0 * HOUR},
        {"memory_used_bytes": 20.0 * GB},
        {"memory_used_bytes": 0.0},
        {"cpu_used_seconds": 50.0 * HOUR},
        {"walltime_used_seconds": 11.8 * HOUR, "cpu_used_seconds": 540.0 * HOUR},
        {"walltime_seconds": None},
    ],
)
def test_what_does_not_stand_out(changed):
    assert [tone for tone, _ in said(**changed)] == [""]


def test_without_walltime_used_it_is_the_time_since_the_start():
    assert said(walltime_used_seconds=None, cpu_used_seconds=4.8 * HOUR) == [
        ("warn", "Keeps 4.8 of its 48 cores busy (10 %)")
    ]


def test_share_of_cores():
    assert cores_share(4, 7200.0, 3600.0) == 0.5
    assert cores_share(0, 7200.0, 3600.0) is None
    assert cores_share(4, None, 3600.0) is None
    assert cores_share(4, 7200.0, 0.0) is None
    assert cores_share(4, math.nan, 3600.0) is None


NUMBERS = st.none() | st.floats() | st.integers()


@given(
    cores=NUMBERS, cpu=NUMBERS, ran=NUMBERS, asked=NUMBERS, used=NUMBERS, limit=NUMBERS, start=NUMBERS, now=st.floats()
)
def test_any_numbers_have_an_answer(cores, cpu, ran, asked, used, limit, start, now):
    found = findings(
        cores=cores, cpu_used_seconds=cpu, walltime_used_seconds=ran, memory_bytes=asked, memory_used_bytes=used,
        walltime_seconds=limit, started_at=start, now=now,
    )  # fmt: skip
    assert all(isinstance(one, Finding) and one.tone in ("", "warn") and one.words for one in found)
    share = cores_share(cores, cpu, ran)
    assert share is None or share >= 0
