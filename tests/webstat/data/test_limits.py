"""Limits in words, from what real schedulers print of their queues."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.parsers.values import restricts
from webstat.data.limits import ACCESS, Limit, Limits, parse_limits

SAMPLES = Path(__file__).parents[2] / "samples"
RECORDED = sorted(
    {
        (found[1], found[2])
        for path in SAMPLES.glob("*/*/qstat-Q-f*.txt")
        for found in re.finditer(r"^ {4}(\S+) = (.+)$", path.read_text("latin-1"), re.MULTILINE)
        if restricts(found[1], found[2])
    }
)


def words(**native: str) -> list[str]:
    return [limit.words.replace("\u00a0", " ") for limit in parse_limits(json.dumps(native)).known]


def test_there_is_something_recorded() -> None:
    kinds = defaultdict(set)
    for name, value in RECORDED:
        kinds[name].add(value)
    assert {"max_run", "max_run_res.ncpus", "max_user_run", "max_running", "resources_min.walltime"} <= set(kinds)
    assert kinds["acl_user_enable"] == kinds["acl_group_enable"] == {"True"}


@pytest.mark.parametrize(("name", "value"), RECORDED)
def test_every_recorded_limit_is_understood(name: str, value: str) -> None:
    found = parse_limits(json.dumps({name: value}))
    assert found.raw == ()
    assert found.takes == ((ACCESS[name],) if name in ACCESS else ())
    assert bool([limit.most for limit in found.known if limit.most > 0]) != bool(found.takes)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("max_run", "[g:physics=25], [u:PBS_GENERIC=20]", ["25 jobs for group physics", "20 jobs a user"]),
        ("max_run", "[u:PBS_GENERIC=20],[g:physics=1]", ["20 jobs a user", "1 job for group physics"]),
        ("max_run_res.ncpus", "[o:PBS_ALL=720], [u:carol=96]", ["720 cores in all", "96 cores for carol"]),
        ("max_run_res.ncpus", "[u:PBS_GENERIC=240]", ["240 cores a user"]),
        ("max_run_res.ngpus", "[u:PBS_GENERIC=8]", ["8 GPUs a user"]),
        ("max_queued", "[u:PBS_GENERIC=10]", ["10 jobs a user, queued ones included"]),
        ("max_run_res.mem", "[p:PBS_GENERIC=512gb]", ["512 GB of memory a project"]),
        ("max_running", "60", ["60 jobs in all"]),
        ("max_user_run", "30", ["30 jobs a user"]),
        ("max_queuable", "100000", ["100,000 jobs in all, queued ones included"]),
        ("max_user_res.ncpus", "96", ["96 cores a user"]),
        ("max_array_size", "10000", ["10,000 tasks an array"]),
        ("resources_max.ncpus", "48", ["48 cores a job"]),
        ("resources_available.ncpus", "48", ["48 cores in all"]),
        ("resources_max.walltime", "240:00:00", ["10 d of walltime a job"]),
        ("resources_min.walltime", "00:30:01", ["at least 30 min of walltime a job"]),
        ("resources_max.mem", "1932735283200b", ["1.8 TB of memory a job"]),
        ("resources_min.ncpus", "1", ["at least 1 core a job"]),
    ],
)
def test_words(name: str, value: str, expected: list[str]) -> None:
    assert words(**{name: value}) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_run_res.foo_lic", "[u:PBS_GENERIC=2]"),
        ("max_run_soft", "[u:PBS_GENERIC=2]"),
        ("max_run", "[u:PBS_GENERIC=many]"),
        ("max_run", "20"),
        ("max_run", "[x:PBS_GENERIC=2]"),
        ("max_run", "[u:PBS_GENERIC=2] and more"),
        ("max_run_res", "[u:PBS_GENERIC=2]"),
        ("resources_max.walltime", "soon"),
        ("resources_max.nice", "7"),
        ("queued_jobs_threshold", "[o:PBS_ALL=2]"),
        ("max_user_run", "-1"),
    ],
)
def test_what_is_not_understood_stays_as_it_is(name: str, value: str) -> None:
    assert parse_limits(json.dumps({name: value})) == Limits((), ((name, value),))


def test_the_tightest_limit_for_everybody_is_the_one_of_the_table() -> None:
    found = parse_limits(
        json.dumps(
            {
                "max_run_res.ncpus": "[u:PBS_GENERIC=240], [u:carol=96]",
                "max_user_res.ncpus": "120",
                "max_queued_res.ncpus": "[u:PBS_GENERIC=7]",
            }
        )
    )
    cores = found.of("cores", "user")
    assert cores == Limit("cores", 120, "user")
    assert found.of("jobs", "user") is None
    assert Limit("cores", 96, "user", "carol") in found.beside([cores, None])
    assert cores not in found.beside([cores])


def test_nothing_told_is_nothing() -> None:
    assert parse_limits(None) == parse_limits("{}") == Limits()


@given(
    st.dictionaries(st.sampled_from([*(name for name, _ in RECORDED), "max_", "x"]), st.text(max_size=30), max_size=4)
)
def test_every_attribute_is_either_known_or_raw(native: dict[str, str]) -> None:
    found = parse_limits(json.dumps(native))
    assert set(dict(found.raw)) <= set(native)
    assert len(found.takes) == len(native.keys() & ACCESS.keys())
    assert bool(found.known) == (len(found.raw) + len(found.takes) < len(native))
    assert all(limit.words for limit in found.known)
