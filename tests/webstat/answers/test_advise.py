"""Answers over recorded clusters: ranked, honest about age, and right about what happened next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from agent.probe import take_report
from agent.recording import Replay
from agent.report import Report
from collector.store import PollTimes, Store
from tests.databases import store_at
from tests.webstat.answers.grounds import HOUR, made, node, queues, verdict, waiting
from tests.webstat.recorded import PERIOD, SAMPLES, Recorded
from tests.webstat.served import settings_for
from webstat.answers.advise import ORDER, Advice, advise
from webstat.answers.change import best, tries
from webstat.answers.forbid import Refusal
from webstat.answers.judge import Verdict
from webstat.answers.request import Request
from webstat.data.source import Source
from webstat.privacy import Level, Veil

ASKED = (
    Request(1, walltime_seconds=1800),
    Request(24, walltime_seconds=4 * HOUR),
    Request(gpus=1),
    Request(48, nodes=2),
)


@pytest.fixture(scope="module")
def source(recorded: Recorded) -> Iterator[Source]:
    found = Source(recorded.settings())
    yield found
    found.close()


@pytest.fixture(scope="module", params=ASKED, ids=lambda one: one.words.replace("\u00a0", " "))
def advice(request: pytest.FixtureRequest, recorded: Recorded, source: Source) -> Advice:
    return advise(source, request.param, recorded.now)


def test_every_queue_is_answered_once(advice: Advice, recorded: Recorded) -> None:
    answered = [(one.cluster.name, one.queue) for one in (*advice.answers, *advice.hopeless)]
    listed = [
        (name, queue.name)
        for name, report in recorded.reports.items()
        for queue in report.queues
        if queue.type != "routing" and not queue.name.startswith("R1")
    ]
    assert sorted(answered) == sorted(listed)


def test_the_best_comes_first(advice: Advice) -> None:
    ranks = [ORDER.index(one.verdict) for one in advice.answers]
    assert ranks == sorted(ranks)
    usual = [one for one in advice.answers if not one.wasteful and not one.restricted]
    foretold = [one.p50_seconds for one in usual if one.p50_seconds is not None]
    assert foretold == sorted(foretold)
    for one in (*advice.answers, *advice.hopeless):
        assert one.judged.why
        assert (one.line is None) == (one.verdict is Verdict.NEVER)
        assert (one.p50_seconds is not None) + bool(one.not_foretold) == (one.verdict is Verdict.LATER)


def test_queues_for_some_people_are_marked_and_stand_behind_others(source: Source, recorded: Recorded) -> None:
    found = advise(source, ASKED[0], recorded.now)
    restricted = {(one.cluster.name, one.queue) for one in (*found.answers, *found.hopeless) if one.restricted}
    assert {("old", "bigmem"), ("old", "gpu"), ("torque", "bigmem"), ("torque", "gpu")} <= restricted
    now = [one.restricted for one in found.answers if one.verdict is Verdict.NOW]
    assert now == sorted(now)
    for one in found.answers:
        words = "".join(map(str, one.judged.why))
        assert ("on its list" in words) == (one.restricted and one.verdict is not Verdict.NEVER)


def test_what_is_late_or_silent_starts_nothing_now(recorded: Recorded, source: Source) -> None:
    fresh = advise(source, ASKED[0], recorded.now)
    assert any(one.verdict is Verdict.NOW for one in fresh.answers)
    for late in (3 * PERIOD, 30 * PERIOD):
        old = advise(source, ASKED[0], recorded.now + late)
        assert not any(one.verdict is Verdict.NOW for one in old.answers)
        waits = [one for one in old.answers if one.verdict is Verdict.LATER]
        assert waits
        assert all(one.judged.why[0] == "From its state " for one in waits)
    assert {one.not_foretold for one in waits} == {"its cluster does not answer"}
    assert any(one.p50_seconds is not None for one in fresh.answers)


def test_behind_a_veil_the_answers_are_the_same_and_own_limits_of_others_are_not_told(
    recorded: Recorded, source: Source
) -> None:
    owner = str(source.totals(source.clusters()[1])["user"].iloc[0])
    plain = advise(source, Request(24, walltime_seconds=HOUR), recorded.now)
    for level in (Level.PSEUDONYMS, Level.OWN, Level.TOTALS):
        veiled = Source(recorded.settings(), veil=Veil(level, me=owner, salt=b"salt"))
        found = advise(veiled, Request(24, walltime_seconds=HOUR, user="somebody-else"), recorded.now)
        veiled.close()
        assert [(one.queue, one.verdict, one.line) for one in found.answers] == [
            (one.queue, one.verdict, one.line) for one in plain.answers
        ]


def played(path: Path, sample: str) -> Iterator[tuple[Source, Report, Report]]:
    """A recorded series report by report: the store after each, that report, and the next one."""
    replay = Replay(SAMPLES / sample)
    # Of some series the queues were recorded in the first poll only: what is not repeated is not wrong.
    reports = [replace(take_report(replay), cluster="c", partial=()) for _ in range(replay.polls)]
    url = store_at(path / "store.sqlite")
    settings = settings_for(url, "c")
    store, source = Store(url), Source(settings)
    try:
        ident = store.sync_clusters(settings)["c"]
        for report, later in pairwise(reports):
            store.store_report(ident, report, PollTimes(report.taken_at - 1, 1.0, report.taken_at + PERIOD))
            yield source, report, later
    finally:
        source.close()
        store.close()


SERIES = {
    "openpbs-23.06.06/timeseries": (20, 0),
    "torque-6.1.3.h5/timeseries": (60, 0),
    "slurm-22.05.8/series": (60, 40),
}
"""Recorded series -> of how many jobs at least it can be told what would have been said of them, and how many would have
started now: on the first two larger jobs wait on the same nodes, and the scheduler does not tell for when."""


@pytest.mark.parametrize("sample", SERIES)
def test_what_started_was_not_called_impossible_and_what_would_start_now_did(tmp_path: Path, sample: str) -> None:
    """Jobs that came and started while it was recorded; what each asked for is asked of the report before it came."""
    replay = Replay(SAMPLES / sample)
    seen = [take_report(replay) for _ in range(replay.polls)]
    began: dict[str, int] = {}
    for number, report in enumerate(seen):
        for job in report.jobs:
            if job.started_at is not None:
                began.setdefault(job.id, number)
    said: dict[Verdict, int] = dict.fromkeys(Verdict, 0)
    prompt = 0
    for number, (source, report, later) in enumerate(played(tmp_path, sample)):
        for job in later.jobs:
            came = job.submitted_at is not None and report.taken_at < job.submitted_at <= later.taken_at
            if not came or began.get(job.id, -1) <= number:
                continue
            wish = Request(
                job.cores, job.nodes or None, None, job.gpus or None, job.memory_bytes, job.walltime_seconds, job.user, job.group
            )  # fmt: skip
            advice = advise(source, wish, report.taken_at + 1)
            found = [one for one in (*advice.answers, *advice.hopeless) if one.queue == job.queue]
            if not found:
                continue  # its partition is listed from the next report on
            said[found[0].verdict] += 1
            prompt += found[0].verdict is Verdict.NOW and began[job.id] <= number + 2
    told, now = SERIES[sample]
    assert sum(said.values()) >= told
    assert said[Verdict.NEVER] == 0
    assert (said[Verdict.NOW] >= now) if now else (said[Verdict.NOW] == 0)
    assert prompt >= 0.95 * said[Verdict.NOW]


def test_jobs_of_queues_with_a_lower_priority_are_behind() -> None:
    listed = queues(fast={}, slow={})
    listed["priority"] = [100.0, 10.0]
    found = made([node(), node(used=4)], listed, wait=waiting(("slow", "Resources", 48, 2)))
    assert verdict(found, "fast", cores="4").verdict is Verdict.NOW
    assert verdict(found, "slow", cores="4").verdict is Verdict.LATER
    found = made([node(), node(used=4)], listed, wait=waiting(("fast", "Resources", 48, 2)))
    assert verdict(found, "slow", cores="4").verdict is Verdict.LATER


def tried(
    request: Request,
    accepts: object,
    windows: tuple[float, ...] = (),
    blocks: tuple[int, ...] = (),
    fits: tuple[tuple[str, float], ...] = (("walltime", 2 * HOUR),),
) -> str | None:
    groups = list(tries(request, windows, blocks, [Refusal("", *one) for one in fits]))
    found = best(groups, accepts)  # type: ignore[arg-type]
    return None if found is None else found.words.replace("\u00a0", " ")


def test_the_change_that_keeps_most_of_the_request_is_named() -> None:
    request = Request(48, walltime_seconds=12 * HOUR)
    assert tried(request, lambda one: one.walltime_seconds <= 4 * HOUR) == "Ask for at most 4 h"
    assert tried(request, lambda one: one.walltime_seconds <= 2 * HOUR) == "Ask for at most 2 h"
    assert tried(request, lambda one: one.cores <= 12, blocks=(12,)) == "Ask for 12 cores"
    assert tried(request, lambda one: one.walltime_seconds <= 1300, windows=(1290.0,)) == "Ask for at most 20 min"
    assert tried(request, lambda one: one.cores <= 24 or one.walltime_seconds <= 900) == "Ask for 24 cores"
    assert tried(request, lambda one: False) is None
    shaped = Request(nodes=2, cores_per_node=24)
    assert tried(shaped, lambda one: not one.nodes) == "Ask for 48 cores without saying on how many nodes"
    assert tried(shaped, lambda one: one.nodes == 1) == "Ask for 1 node of 24 cores"
    assert (
        tried(shaped, lambda one: one.cores_per_node == 20, fits=(("cores_per_node", 20),))
        == "Ask for 3 nodes of 20 cores"
    )
    assert tried(Request(1, gpus=8), lambda one: one.gpus <= 2, fits=(("GPUs", 2),)) == "Ask for 2 GPUs"
    assert tried(Request(1), lambda one: one.walltime_seconds is not None) == "Name a walltime of at most 2 d"


def test_a_change_is_only_told_where_nothing_starts_now(advice: Advice) -> None:
    assert advice.change is None or advice.answers[0].verdict is not Verdict.NOW


def test_a_change_changes_the_verdict(recorded: Recorded, source: Source) -> None:
    large = advise(source, Request(4000, walltime_seconds=HOUR), recorded.now)
    assert large.answers[0].verdict is not Verdict.NOW
    assert large.change is not None
    again = advise(source, large.change.request, recorded.now)
    assert again.answers[0].verdict is large.change.answer.verdict
    assert ORDER.index(again.answers[0].verdict) < ORDER.index(large.answers[0].verdict)
