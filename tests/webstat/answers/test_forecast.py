"""Forecasts from a real store, against the same jobs looked at one by one in plain Python."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from datetime import datetime
from math import ceil, comb, log
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from collector.settings import Settings
from tests.databases import store_at
from tests.webstat.data.explore.random_store import DAY, HOUR, SINCE, UNTIL, Plain, make_jobs, write_store
from webstat.answers.forecast import Forecast, NotForetold, Past, foretell, past_of
from webstat.data.source import Source
from webstat.privacy import Level, Veil

ZONE = ZoneInfo("Europe/Berlin")
JOBS = make_jobs(11, 3000)


@pytest.fixture(scope="module")
def source(each_store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    folder = tmp_path_factory.mktemp("store")
    write_store(folder / "store.sqlite", JOBS).dispose()
    source = Source(settings_of(folder))
    yield source
    source.close()


def settings_of(folder: Path) -> Settings:
    return Settings.model_validate(
        {"store": {"url": store_at(folder / "store.sqlite")}, "web": {"timezone": "Europe/Berlin"}}
    )


@pytest.fixture(scope="module")
def past(source: Source) -> Past:
    return past_of(source, source.clusters()[0])


def bare(past: Past) -> Past:
    """Without what is known of how often answers held."""
    return Past(past.queues, past.zone)


def came(job: Plain) -> int:
    return job.submitted if job.eligible is None else job.eligible


def left(job: Plain) -> float:
    """When it was no longer waited for."""
    at = job.started if job.started is not None else job.ended
    return float("inf") if at is None else at


def kind(job: Plain) -> tuple[int, bool]:
    return next((n for n, most in enumerate((1, 8, 32, 128, 512)) if job.cores <= most), 5), job.gpus > 0


def walltime(job: Plain) -> int:
    limits = (HOUR, 4 * HOUR, 12 * HOUR, DAY, 3 * DAY, 7 * DAY)
    return 7 if job.walltime is None else next((n for n, most in enumerate(limits) if job.walltime <= most), 6)


def hours(at: float) -> str:
    local = datetime.fromtimestamp(at, ZONE)
    return "weekend" if local.weekday() >= 5 else "working" if 8 <= local.hour < 18 else "night"


def crowd(queue: str, of: tuple[int, bool], at: float) -> bool:
    """Whether a job of that kind waited in the queue; one that never started came when it was submitted."""
    return any(
        (came(one) if one.started is not None else one.submitted) < at < left(one)
        for one in JOBS
        if one.cluster == "one" and one.queue == queue and kind(one) == of
    )


def bound(ordered: list[float]) -> float:
    count = len(ordered)
    below = 0.0
    for k in range(1, count + 1):
        below += comb(count, k - 1) * 0.9 ** (k - 1) * 0.1 ** (count - k + 1)
        if below >= 0.95:
            return ordered[k - 1]
    return ordered[-1]


def since_change(waits: list[float]) -> list[float]:
    """Waits by start, without those from before a run over the older ones' bound that is too long to be one of them."""
    newer = 59
    while len(waits) - newer >= 59:
        older, rest = waits[:-newer], waits[-newer:]
        over = [wait > bound(sorted(older)) for wait in older]
        follows = sum(a and b for a, b in itertools.pairwise(over)) / max(1, sum(over[:-1]))
        longest = 1 + ceil(log(0.01 / newer / 0.1) / log(min(max(follows, 0.1), 0.99)))
        first, length = None, 0
        for place, one in enumerate([*(wait > bound(sorted(older)) for wait in rest), False]):
            if not one and length >= longest:
                first = place - length
            length = length + 1 if one else 0
        if first is not None:
            return waits[min(len(older) + first, len(waits) - 59) :]
        newer *= 2
    return waits


def by_hand(job: Plain, now: float, waited: float) -> tuple[float, float, int] | None:
    """50 % and 90 % time of a job like this one, and of how many; None of too few."""
    started = sorted(
        (
            one
            for one in JOBS
            if one.cluster == "one" and one.queue == job.queue and one.started is not None and one.started <= now
        ),
        key=lambda one: one.started or 0,
    )
    kept = [one for one in started if waited == 0 or (one.started or 0) - came(one) > waited]
    at, busy = now - waited, crowd(job.queue, kind(job), now - waited)
    alike = {
        "size": lambda one: kind(one) == kind(job),
        "walltime": lambda one: walltime(one) == walltime(job),
        "hours": lambda one: hours(came(one)) == hours(at),
        "crowd": lambda one: crowd(one.queue, kind(one), came(one)) == busy,
    }
    for names in (("size", "walltime", "crowd", "hours"), ("size", "walltime", "crowd"), ("size", "crowd"), ("crowd",)):
        some = kept
        for name in names:
            some = [one for one in some if alike[name](one)]
        if len(some) >= 50:
            kept = some
            break
    waits = since_change([float(max(0, (one.started or 0) - came(one))) for one in kept])
    if len(waits) < 20:
        return None
    ordered = sorted(wait - waited for wait in waits)
    return ordered[ceil(len(ordered) / 2) - 1], bound(ordered), len(ordered)


@pytest.mark.parametrize("seed", range(4))
def test_ranges_are_those_counted_by_hand(past: Past, seed: int) -> None:
    rng = random.Random(seed)
    found = 0
    for job in rng.sample([one for one in JOBS if one.cluster == "one"], 12):
        now, waited = rng.randrange(SINCE + 10 * DAY, UNTIL), rng.choice((0, 0, 60, HOUR, DAY))
        told = foretell(
            bare(past),
            queue=job.queue,
            cores=job.cores,
            gpus=job.gpus,
            walltime_seconds=job.walltime,
            now=now,
            waited_seconds=waited,
        )
        expected = by_hand(job, now, waited)
        if expected is None:
            assert isinstance(told, NotForetold)
            continue
        assert isinstance(told, Forecast)
        assert (told.p50_seconds, told.p90_seconds, told.similar) == expected
        found += 1
    assert found


def test_what_has_waited_longer_waits_on(past: Past) -> None:
    """Of jobs that waited longer than w, what remained after w."""
    asked = {"queue": "long", "cores": 1, "gpus": 0, "walltime_seconds": None, "now": float(UNTIL)}
    waited = foretell(bare(past), **asked, waited_seconds=5 * DAY)
    assert isinstance(waited, Forecast)
    assert waited.p90_seconds <= 4 * DAY  # none of them waited longer than nine days
    nothing = foretell(bare(past), **asked, waited_seconds=9 * DAY)
    assert nothing == NotForetold("no similar jobs", 0)


def test_of_few_jobs_nothing_is_foretold(past: Past) -> None:
    asked = {"queue": "short", "cores": 1, "gpus": 0, "walltime_seconds": HOUR}
    starts = sorted(past.queues["short"].started)
    assert foretell(past, **asked, now=starts[6]) == NotForetold("only 7 similar jobs", 7)
    assert foretell(past, **asked, now=starts[0]) == NotForetold("only 1 similar job", 1)
    assert isinstance(foretell(past, **asked, now=starts[19]), Forecast)
    assert foretell(past, queue="none", cores=1, gpus=0, walltime_seconds=None, now=UNTIL).similar == 0


def test_through_a_veil_all_jobs_count(source: Source, past: Past) -> None:
    for level in (Level.PSEUDONYMS, Level.OWN, Level.TOTALS):
        veiled = Source(source.settings, veil=Veil(level, me="alice", salt=b"salt"))
        seen = past_of(veiled, veiled.clusters()[0])
        for queue, waits in past.queues.items():
            assert waits.wait.tolist() == seen.queues[queue].wait.tolist()
        veiled.close()


def test_at_a_past_moment_it_is_foretold_as_it_would_have_been(source: Source, past: Past) -> None:
    at = UNTIL - 9 * DAY
    then = source.at(at, float(UNTIL))
    asked = {"queue": "long", "cores": 1, "gpus": 0, "walltime_seconds": DAY, "now": float(at)}
    assert foretell(bare(past_of(then, then.clusters()[0])), **asked) == foretell(bare(past), **asked)


def test_it_is_remembered(source: Source) -> None:
    cluster = source.clusters()[0]
    assert past_of(source, cluster) is past_of(source, cluster)
