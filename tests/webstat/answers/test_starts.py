"""The range in the jobs table is the one that a job's panel tells, from a store with reports of some hours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agent.report import Job
from agent.states import JobState
from tests.webstat.test_job_pages import HOUR, Made, drawn, similar, view_of
from tests.webstat.test_pages import said, walk
from webstat.answers.forecast import Forecast, foretell, past_of
from webstat.answers.starts import NAMES, starts, starts_of
from webstat.data import jobs
from webstat.data.jobrows import folded_rows, sort_rows, window
from webstat.format import NBSP
from webstat.pages.people import user_layout

AGO = 20
"""How many seconds old the newest report is."""


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    made = Made(tmp_path)
    yield made
    made.close()


def shown(made: Made, now: float | None = None) -> dict[str, tuple[int | None, ...]]:
    """Job id -> NAMES of its row, tasks of arrays in one."""
    source, clusters = made.source, made.source.clusters()
    now = made.now if now is None else now
    table = jobs.table(source, clusters, now)
    rows = folded_rows(table, np.arange(len(table.columns["state"])))
    order = sort_rows(rows, "id")
    told = starts(source, clusters, rows, order, now)
    ids = window(rows, order, ["id"])["id"]
    return dict(zip(ids, zip(*(told[name] for name in NAMES), strict=True), strict=True))


def test_a_row_has_what_is_foretold_at_its_report(made: Made) -> None:
    past = similar(made, waited=3 * HOUR + 300, count=60) + similar(made, waited=9 * HOUR, count=100)[60:]
    queued = [made.job(number, ago=number * HOUR / 4, cores=2) for number in range(1, 9)]
    made.put(AGO, *queued, *past)
    found, (cluster,) = shown(made), made.source.clusters()
    at = made.now - AGO
    for job in queued:
        told = foretell(
            past_of(made.source, cluster), queue=job.queue, cores=job.cores, gpus=0,
            walltime_seconds=job.walltime_seconds, now=at, waited_seconds=at - job.submitted_at,
        )  # fmt: skip
        assert isinstance(told, Forecast)
        since, until, count = found[job.id]
        assert count == told.similar and until is not None
        assert 0 <= until - (at + told.p90_seconds) <= HOUR
        if since is None:  # nearly at once
            assert told.p50_seconds <= 600
        else:
            assert 0 <= at + told.p50_seconds - since <= 600 and since < until
    assert len({found[job.id] for job in queued}) > 4, "each has waited differently"


def test_lists_of_some_jobs_have_the_same(made: Made) -> None:
    queued = [made.job(number, ago=number * HOUR / 4, cores=2) for number in range(1, 5)]
    made.put(AGO, *queued, made.running(9), *similar(made, waited=3 * HOUR, count=60))
    source, clusters = made.source, made.source.clusters()
    everything = jobs.current(source, clusters, made.now)
    some = everything[everything["id"].isin(["9.pbs01", "3.pbs01", "1.pbs01"])].iloc[::-1]
    found = starts_of(source, clusters, some, made.now)
    assert {key.partition("/")[2]: one for key, one in found.items()} == {
        job.id: shown(made)[job.id] for job in (queued[0], queued[2])
    }
    moved = some.set_axis(some.index + 1)
    assert starts_of(source, clusters, moved, made.now) == {}, "a row that is another job by now"
    assert starts_of(source, clusters, some.set_axis(some.index + 1000), made.now) == {}


def test_what_does_not_only_wait_for_room_has_none(made: Made) -> None:
    theirs = similar(made, waited=3 * HOUR, count=60)
    estimated = made.job(2, estimated_start_at=int(made.now + HOUR))
    held = made.job(3, JobState.HELD, hold="u")
    never = made.job(4, comment="Can Never Run: Insufficient amount of resource: ncpus")
    running = made.running(5)
    made.put(AGO, made.job(1), estimated, held, never, running, *theirs)
    found = shown(made)
    assert None not in found["1.pbs01"][1:]
    for job in (estimated, held, never, running):
        assert found[job.id] == (None, None, None)


def test_a_silent_cluster_and_a_short_past_have_none(made: Made) -> None:
    made.put(AGO, made.job(1), *similar(made, waited=3 * HOUR, count=60))
    assert shown(made)["1.pbs01"] != (None, None, None)
    assert shown(made, made.now + 5 * HOUR)["1.pbs01"] == (None, None, None)
    few = [replace(job, queue="other") for job in similar(made, waited=3 * HOUR, count=19)]
    made.put(AGO / 2, replace(made.job(1), queue="other"), *few)
    assert shown(made)["1.pbs01"] == (None, None, None)


def test_an_array_has_that_of_the_task_that_waits(made: Made) -> None:
    def task(index: int, state: JobState = JobState.QUEUED) -> Job:
        job = made.job(700, state, ago=2 * HOUR)
        return replace(job, id=f"700[{index}].pbs01", array_id="700[].pbs01", array_index=str(index))

    made.put(AGO, task(1), task(2), *similar(made, waited=5 * HOUR, count=60))
    found = shown(made)
    assert found["700[].pbs01"][2] == 59, "those before which another one waited, as here"
    ran = replace(task(1), state=JobState.RUNNING, started_at=int(made.now - HOUR), walltime_seconds=4 * HOUR)
    made.put(AGO / 2, ran, task(2), *similar(made, waited=5 * HOUR, count=60))
    assert shown(made)["700[].pbs01"] == (None, None, None), "the row tells when the first one ends"


def test_the_list_of_a_users_jobs_says_it_too(made: Made) -> None:
    few = replace(made.job(2), queue="other")
    made.put(AGO, made.job(1), few, *similar(made, waited=3 * HOUR, count=60))
    page = drawn(user_layout(view_of(made.source, "/user/u", made.now), made.job(1).user))
    cells = [said(one) for one in walk(page) if one["type"] == "Td"]
    assert any(re.fullmatch(r"starts (\S+ )?\d\d:\d\d – (\S+ )?\d\d:\d\d.*", one) for one in cells)
    assert any(one.startswith("not foretold") for one in cells), "no similar job in that queue"
    titles = [str(one["props"].get("title")).replace(NBSP, " ") for one in walk(page)]
    assert any("webstat’s own estimate, from 60 similar jobs" in one for one in titles)
