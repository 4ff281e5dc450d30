"""What is expected of running jobs is what a plain count over similar past jobs says."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from collector.lives import NO_WALLTIME, WALLTIMES
from webstat.answers.runs import FEWEST, Runs, Shares, class_of

HOUR = 3600


def make_runs(seed: int, number: int, queues: int = 3) -> Runs:
    """Past jobs, some of which still run, with many of the same length."""
    rng = random.Random(seed)
    asked = np.array([rng.choice((HOUR, 4 * HOUR, 5 * HOUR, 30 * HOUR)) for _ in range(number)], dtype=np.float64)
    used = np.array([rng.choice((0.0, rng.random(), rng.random() ** 3, 0.5, 1.0, 1.01)) for _ in range(number)])
    started = np.array([float(rng.randrange(100 * HOUR)) for _ in range(number)])
    ended = np.where([rng.random() < 0.1 for _ in range(number)], np.inf, started + used * asked)
    queue = np.array([rng.randrange(queues) ** 2 for _ in range(number)])
    return Runs(queue, class_of(asked), used, started, ended, started + asked)


def similar_by_hand(past: Runs, queue: int, kind: int, used: float) -> list[float]:
    for same_queue in (True, False):
        found = [
            float(past.used[one])
            for one in range(len(past))
            if math.isfinite(past.ended[one])
            and past.walltime_class[one] == kind
            and (past.queue[one] == queue or not same_queue)
            and past.used[one] > used
        ]
        if len(found) >= FEWEST:
            return sorted(found)
    return []


@pytest.mark.parametrize("number", [0, 15, 90, 1200])
@pytest.mark.parametrize("seed", range(3))
def test_quantiles_and_places_are_those_counted_by_hand(seed: int, number: int) -> None:
    past, asked = make_runs(seed, number), make_runs(seed + 100, 60)
    used = asked.used * np.linspace(0, 1, len(asked))
    levels = (0.5, 0.9, 1.0)
    shares = Shares(past)
    found, places = shares.quantiles(asked, used, levels), shares.places(asked, used)
    told = 0
    for job in range(len(asked)):
        similar = similar_by_hand(past, int(asked.queue[job]), int(asked.walltime_class[job]), float(used[job]))
        if not similar:
            assert np.isnan(found[:, job]).all() and math.isnan(places[job])
            continue
        told += 1
        assert places[job] == sum(one < asked.used[job] for one in similar) / len(similar)
        for level, value in zip(levels, found[:, job], strict=True):
            assert value == min(
                one for one in similar if sum(other <= one for other in similar) >= level * len(similar)
            )
            assert (asked.used[job] <= value) == (places[job] < level)
    assert bool(told) == (number >= 90)


def test_classes_of_walltimes_are_those_of_packed_jobs() -> None:
    asked = np.array([1.0, *WALLTIMES, WALLTIMES[-1] + 1.0, np.nan])
    assert class_of(asked).tolist() == [0, *range(len(WALLTIMES)), len(WALLTIMES), NO_WALLTIME]
