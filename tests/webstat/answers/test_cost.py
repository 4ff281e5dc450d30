"""What jobs cost and used together, and how it is said."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.webstat.recorded import Recorded
from webstat.answers.cost import Cost, cost_of, sentences
from webstat.data.queries.people import load_ended_use
from webstat.data.source import Source

HOUR, GB = 3600, 1 << 30
TITLES = {"c": "Cluster"}


def jobs(*rows):
    names = (
        "queue",
        "cores",
        "ran_seconds",
        "cpu_used_seconds",
        "walltime_seconds",
        "memory_bytes",
        "memory_used_bytes",
    )
    frame = pd.DataFrame([(*row, None, None, None)[: len(names)] for row in rows], columns=list(names))
    return frame.assign(cluster="c", submitted_at=0, exit_status=0.0).astype(dict.fromkeys(names[3:], "float64"))


def said(frame):
    return [words.replace("\u00a0", " ") for words in sentences(cost_of(frame), 30, TITLES)]


def test_no_jobs_cost_nothing():
    assert cost_of(jobs()) == Cost()
    assert said(jobs()) == ["No job that ran has ended in the last 30 days."]


def test_everything_is_said_in_plain_sentences():
    frame = jobs(
        ("long", 48, 10 * HOUR, 120 * HOUR, 24 * HOUR, 192 * GB, 11 * GB),
        ("short", 4, HOUR, 4 * HOUR, 2 * HOUR, 8 * GB, 4 * GB),
    )
    assert said(frame) == [
        "2 jobs ended in the last 30 days and cost 484 core-hours.",
        "74 % of the cores stood idle: 360 core-hours.",
        "Used of what was asked for: 6 % of the memory and 42 % of the walltime.",
        "Most in Cluster · long, where jobs kept 25 % of their cores busy: 360 core-hours idle.",
    ]


def test_what_is_not_told_is_said_and_is_no_zero():
    frame = jobs(("batch", 8, HOUR, None, None, None, None))
    assert said(frame) == [
        "1 job ended in the last 30 days and cost 8.0 core-hours.",
        "How much they used of their cores and memory is not told.",
    ]
    assert cost_of(frame).idle_share is None


def test_what_some_tell_is_said_to_be_of_some():
    frame = jobs(*[("batch", 8, HOUR, 4 * HOUR, HOUR, GB, GB)] * 2, ("batch", 8, HOUR, None, None, None, None))
    assert said(frame)[1:3] == [
        "50 % of the cores stood idle: 8.0 of the 16.0 core-hours of the 2 jobs that tell it.",
        "Used of what was asked for: 100 % of the memory and 100 % of the walltime (told of 2 jobs).",
    ]


@pytest.mark.parametrize(("cpu", "worst"), [(3.9, True), (4.1, False)])
def test_only_queues_with_few_cores_busy_are_pointed_at(cpu, worst):
    cost = cost_of(jobs(("batch", 8, HOUR, cpu * HOUR)))
    assert (cost.worst is not None) == worst


def test_more_processor_time_than_cores_is_no_idleness():
    assert cost_of(jobs(("batch", 1, HOUR, 3 * HOUR))).idle_core_seconds == 0


def test_memory_that_nobody_asked_for_is_not_called_untold():
    assert "memory" not in " ".join(said(jobs(("batch", 8, HOUR, 4 * HOUR, HOUR, None, GB))))


@pytest.mark.parametrize(
    ("cluster", "untold"),
    [("mixed", ()), ("torque", ()), ("old", ()), ("slurm", ("cores", "memory")), ("accounts", ("cores", "memory"))],
)
def test_what_recorded_schedulers_tell(recorded: Recorded, cluster: str, untold: tuple[str, ...]) -> None:
    source = Source(recorded.settings())
    compared = 0
    for user in sorted({job.user for job in recorded.reports[cluster].jobs}):
        used = source.ask(load_ended_use, "user", user, int(recorded.now) - 30 * 86400)
        cost = cost_of(used[used["cluster"] == cluster])
        if cost.jobs:
            assert cost.untold == untold, user
            assert (cost.idle_share is None) == bool(untold) or not cost.core_seconds
            compared += 1
    source.close()
    assert compared
