"""Every count of the explorer, against the same jobs counted one by one in plain Python."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from sqlalchemy import delete

from collector.schema import capacity_hour
from collector.settings import Settings
from tests.databases import store_at
from tests.webstat.data.explore.random_store import DAY, HOUR, SINCE, UNTIL, Plain, make_jobs, write_store
from webstat.data.explore import explorer as explorer_module
from webstat.data.explore.answer import answer
from webstat.data.explore.count import MEASURES
from webstat.data.explore.cut import CLASSES, NAMES
from webstat.data.explore.question import Question, read
from webstat.data.source import Source

BERLIN, NEW_YORK, KATHMANDU = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), ZoneInfo("Asia/Kathmandu")
JOBS = make_jobs(7, 900)


@pytest.fixture(scope="module")
def source(each_store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    yield from _source(tmp_path_factory.mktemp("store"), packed=True)


@pytest.fixture(scope="module")
def unpacked(each_store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    yield from _source(tmp_path_factory.mktemp("store"), packed=False)


def _source(folder: Path, *, packed: bool) -> Iterator[Source]:
    write_store(folder / "store.sqlite", JOBS, packed=packed).dispose()
    settings = Settings.model_validate({"store": {"url": store_at(folder / "store.sqlite")}})
    source = Source(settings)
    yield source
    source.close()


SIZES = CLASSES["size"]
WALLTIMES = CLASSES["walltime"]


def size_of(job: Plain) -> str:
    number = next((n for n, most in enumerate((1, 8, 32, 128, 512)) if job.cores <= most), 5)
    return SIZES[number][0]


def walltime_of(job: Plain) -> str:
    limits = (HOUR, 4 * HOUR, 12 * HOUR, DAY, 3 * DAY, 7 * DAY)
    if job.walltime is None:
        return "none"
    return WALLTIMES[next((n for n, most in enumerate(limits) if job.walltime <= most), 6)][0]


def state_of(job: Plain) -> str:
    if job.ended is None:
        return "lives"
    if job.started is None:
        return "never-ran"
    if job.exit_status is None:
        return "untold"
    return "failed" if job.exit_status else "completed"


KEYS: dict[str, Callable[[Plain], str]] = {
    "cluster": lambda job: job.cluster,
    "user": lambda job: job.user,
    "group": lambda job: job.group or "–",
    "account": lambda job: job.account or "–",
    "queue": lambda job: job.queue,
    "state": state_of,
    "size": size_of,
    "walltime": walltime_of,
}

Wanted = Callable[[Plain, str], bool]
"""Whether a job counts, in a queue."""


def by_hand(measure: str, since: int, until: int, wanted: Wanted) -> float:
    total = 0.0
    for job in JOBS:
        for span in job.spans:
            seconds = min(span.until, until, UNTIL) - max(span.since, since)
            if seconds <= 0 or not wanted(job, span.queue):
                continue
            if span.runs:
                total += seconds * {"core_seconds": span.cores, "gpu_seconds": span.gpus, "run_seconds": 1}.get(
                    measure, 0
                )
            if span.waits:
                total += seconds * {"queued_core_seconds": span.cores, "queued_seconds": 1}.get(measure, 0)
        if not wanted(job, job.queue):
            continue
        if since <= job.submitted < until:
            total += measure == "submitted"
        if job.started is not None and since <= job.started < until:
            total += measure == "started"
            total += wait_of(job) * (measure == "start_wait_seconds")
        if job.ended is not None and since <= job.ended < until:
            run = 0 if job.started is None else job.ended - job.started
            told = job.started is not None and job.exit_status is not None
            cpu = job.cpu_used is not None and run > 0
            walltime = job.walltime is not None and job.walltime_used is not None
            total += {
                "ended": 1,
                "exited": told,
                "failed": told and job.exit_status != 0,
                "cpu_used": (job.cpu_used or 0) * cpu,
                "cpu_core_seconds": job.cores * run * cpu,
                "walltime_used_seconds": (job.walltime_used or 0) * walltime,
                "walltime_asked_seconds": (job.walltime or 0) * walltime,
            }.get(measure, 0)
    return total


def wait_of(job: Plain) -> int:
    assert job.started is not None
    return max(0, job.started - (job.submitted if job.eligible is None else job.eligible))


def waits_by_hand(since: int, until: int, wanted: Wanted) -> list[int]:
    return [wait_of(j) for j in JOBS if j.started is not None and since <= j.started < until and wanted(j, j.queue)]


def key_in(by: str | None, job: Plain, queue: str) -> str:
    return "all" if by is None else queue if by == "queue" else KEYS[by](job)


def passes(question: Question, job: Plain, queue: str) -> bool:
    return all(key_in(by, job, queue) in words for by, words in question.filters)


def matches(question: Question, word: str) -> Wanted:
    """Whether a job, in a queue, is of this key and passes the question's filters."""
    return lambda job, queue: key_in(question.by, job, queue) == word and passes(question, job, queue)


QUESTIONS = [
    ({"from": "2026-10-20", "to": "2026-11-05", "by": "user"}, BERLIN, "day"),
    ({"from": "2026-10-24T07:13:20", "to": "2026-10-26T03:00", "by": "queue", "step": "hour"}, BERLIN, "hour"),
    ({"from": "2026-10-20", "to": "2026-11-20", "by": "state", "step": "week", "queue": "short,gpu"}, NEW_YORK, "week"),
    ({"from": "2026-09-25", "to": "2026-11-19", "by": "size", "step": "month", "user": "alice,bob"}, KATHMANDU, "month"),
    ({"from": "2026-11-01", "to": "2026-11-02", "by": "group", "step": "hour", "cluster": "two"}, NEW_YORK, "hour"),
    ({"from": "2026-10-01", "to": "2026-11-20", "by": "walltime", "state": "failed,lives", "group": "–"}, UTC, "day"),
    ({"from": "2026-10-01", "to": "2026-10-02", "by": "account", "size": "1,33-128", "account": "p1"}, UTC, "hour"),
    ({"range": "7d", "by": "nothing", "walltime": "1h,none"}, BERLIN, "day"),
    ({"from": "2026-10-03", "to": "2026-10-20", "by": "cluster", "step": "day", "queue": "long"}, BERLIN, "day"),
]  # fmt: skip


def asked_of(source: Source, words: dict[str, str], zone: ZoneInfo) -> explorer_module.Asked:
    clusters = source.clusters()
    question, problems = read(words, UNTIL, zone, [c.name for c in clusters])
    assert problems == []
    return source.explorer.asked(question, clusters)


def check_measures(source: Source, asked: explorer_module.Asked) -> None:
    question, names = asked.question, tuple(MEASURES)
    counter = source.explorer.counter(asked, asked.since, names, (question.by,))
    cut = counter.cut(question.by, asked.since, asked.until, names)
    measured = counter.measured(cut, asked.edges, names)
    words = source.explorer.words(asked, question.by, cut.keys) if question.by else ["all"]
    everything = sorted({key_in(question.by, job, s.queue) for job in JOBS for s in (*job.spans, job)})
    for word in everything:
        for place, (start, end) in enumerate(zip(asked.edges[:-1], asked.edges[1:], strict=True)):
            for name in names:
                told = measured[name][words.index(word), place] if word in words else 0.0
                wanted = by_hand(name, int(start), int(end), matches(question, word))
                assert told == wanted, (name, word, place)


@pytest.mark.parametrize(("words", "zone", "step"), QUESTIONS)
def test_every_measure_to_the_second(source: Source, words: dict[str, str], zone: ZoneInfo, step: str) -> None:
    asked = asked_of(source, words, zone)
    assert asked.exact and asked.question.step == step and len(asked.edges) > 1
    if step != "hour":
        check_measures(source, asked)
    else:  # forty-odd hours of everything take long by hand
        asked = explorer_module.Asked(**{**vars(asked), "edges": asked.edges[:9]})
        check_measures(source, asked)


def test_what_is_not_packed_counts_the_same(unpacked: Source) -> None:
    check_measures(unpacked, asked_of(unpacked, {"from": "2026-10-20", "to": "2026-11-30", "step": "week"}, BERLIN))


@pytest.mark.parametrize("words", [{"by": "user"}, {"by": "queue", "group": "bio"}, {"by": "state", "queue": "gpu"}])
def test_sums_over_months(source: Source, words: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explorer_module, "MOST_EXACT", 0)
    asked = asked_of(source, {"from": "2026-10-05", "to": "2026-11-20", **words}, BERLIN)
    assert not asked.exact
    assert [datetime.fromtimestamp(int(edge), UTC).isoformat() for edge in asked.edges[:-1]] == [
        "2026-10-01T00:00:00+00:00",
        "2026-11-01T00:00:00+00:00",
    ]
    check_measures(source, asked)


@pytest.mark.parametrize(("words", "zone", "step"), QUESTIONS)
def test_waits(source: Source, words: dict[str, str], zone: ZoneInfo, step: str) -> None:
    asked = asked_of(source, words, zone)
    question = asked.question
    counter = source.explorer.counter(asked, asked.since, (), (question.by,))
    cut = counter.cut(question.by, asked.since, asked.until, ())
    told, counts = counter.distributed(cut, asked.edges[[0, -1]], "wait", (0.5, 0.9))
    for row, word in enumerate(source.explorer.words(asked, question.by, cut.keys) if question.by else ["all"]):
        waits = waits_by_hand(asked.since, asked.until, matches(question, word))
        assert counts[row, 0] == len(waits)
        if waits:
            assert told[row, 0, 0] == pytest.approx(statistics.median(waits))
            assert told[row, 0, 1] == pytest.approx(np.quantile(waits, 0.9))


def test_waits_from_classes_are_true_to_two_percent(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explorer_module, "MOST_EXACT", 0)
    asked = asked_of(source, {"from": "2026-10-05", "to": "2026-11-20", "by": "queue"}, BERLIN)
    counter = source.explorer.counter(asked, asked.since, (), ("queue",))
    cut = counter.cut("queue", asked.since, asked.until, ("started",))
    told, counts = counter.distributed(cut, asked.edges, "wait", (0.5, 0.9))
    for row, word in enumerate(source.explorer.words(asked, "queue", cut.keys)):
        for place in range(2):
            start, end = int(asked.edges[place]), int(asked.edges[place + 1])
            waits = sorted(waits_by_hand(start, end, matches(asked.question, word)))
            assert counts[row, place] == len(waits) > 10
            low = waits[(len(waits) - 1) // 2]
            high = waits[len(waits) // 2]
            assert low * 0.98 - 1 <= told[row, place, 0] <= high * 1.02 + 1


@pytest.mark.parametrize("metric", ["core-hours", "utilisation", "wait", "slowdown", "cpu-efficiency", "queued-jobs"])
@pytest.mark.parametrize("by", [*NAMES, "nothing"])
def test_answers_hang_together(source: Source, metric: str, by: str) -> None:
    asked = asked_of(source, {"range": "30d", "metric": metric, "by": by}, BERLIN)
    found = answer(source.explorer, asked)
    assert found.series.shape == (len(found.totals), len(found.edges) - 1)
    assert found.whole.shape == (found.series.shape[1],)
    assert found.former is not None and len(found.former) == len(found.whole)
    if found.metric.additive:
        assert found.series.sum(axis=0) == pytest.approx(found.whole)
        assert found.totals["value"].sum() == pytest.approx(found.all["value"])
        assert found.totals["share"].sum() == pytest.approx(1)
    assert found.totals["core_hours"].sum() == pytest.approx(found.all["core_hours"])
    assert found.all_before is not None and found.all_before["core_hours"] > 0
    ordered = found.totals["value"].dropna().tolist()
    assert ordered == sorted(ordered, reverse=True)


def test_capacity_comes_from_days_where_hours_were_pruned(tmp_path: Path) -> None:
    engine = write_store(tmp_path / "store.sqlite", JOBS[:50])
    source = Source(Settings.model_validate({"store": {"url": store_at(tmp_path / "store.sqlite")}}))
    asked = asked_of(source, {"from": "2026-10-05", "to": "2026-10-07", "step": "day"}, UTC)
    by_hours = source.explorer.capacity(asked, asked.edges)
    with engine.begin() as connection:
        connection.execute(delete(capacity_hour).where(capacity_hour.c.bucket < SINCE + 40 * DAY))
    assert source.explorer.capacity(asked, asked.edges).equals(by_hours)
    assert (by_hours["usable"] == 2 * 100 * DAY).all()
    source.close()
    engine.dispose()


def test_gaps_are_told(source: Source) -> None:
    found = answer(source.explorer, asked_of(source, {"from": "2026-10-05", "to": "2026-10-20"}, UTC))
    assert [(gap.cluster, gap.since, gap.until) for gap in found.gaps] == [("Two", SINCE + 20 * DAY, SINCE + 22 * DAY)]
