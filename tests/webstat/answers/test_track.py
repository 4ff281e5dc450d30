"""How well expected ends held is what a job by job count says; what does not hold is recalibrated, or not told."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.webstat.answers.test_runs import similar_by_hand
from webstat.answers.runs import Runs, class_of
from webstat.answers.track import DAYS, EVERY_SECONDS, LATE_SECONDS, LEVELS, Track, track

HOUR, DAY = 3600.0, 86400.0
UNTIL = 200 * DAY


def history(seed: int, number: int, used: object = None, queues: int = 2) -> Runs:
    """Jobs of the last 60 days; `used` is what part of their walltime they use, by when they started."""
    rng = np.random.default_rng(seed)
    asked = rng.choice([4 * HOUR, 20 * HOUR, 60 * HOUR], number)
    started = rng.uniform(UNTIL - 60 * DAY, UNTIL, number)
    share = rng.beta(1.5, 1.5, number) if used is None else used(started, rng)  # type: ignore[operator]
    ended = started + share * asked
    ended = np.where(ended < UNTIL, ended, np.inf)
    share = np.minimum(share, (UNTIL - started) / asked)
    return Runs(
        rng.choice([1, 8], number),
        rng.integers(0, queues, number),
        class_of(asked),
        share,
        started,
        ended,
        started + asked,
    )


def tried_by_hand(runs: Runs) -> list[float]:
    """The place of each job tried among those similar to it then."""
    places = []
    for moment in np.arange(UNTIL - DAYS * DAY, UNTIL, EVERY_SECONDS):
        known = runs.some(runs.ended <= moment)
        for job in range(len(runs)):
            started, ended, due = runs.started[job], runs.ended[job], runs.due[job]
            if started <= moment < min(ended, due) and due <= UNTIL - LATE_SECONDS:
                used = (moment - started) / (due - started)
                similar = similar_by_hand(known, int(runs.queue[job]), int(runs.walltime_class[job]), float(used))
                if similar:
                    less = sum(one < runs.used[job] for one in similar) / len(similar)
                    places.append(less if math.isfinite(ended) else 1.0)
    return places


@pytest.mark.parametrize("seed", range(2))
def test_what_held_is_what_is_counted_by_hand(seed: int) -> None:
    runs = history(seed, 400)
    places, found = tried_by_hand(runs), track(runs, UNTIL)
    assert found.tried == len(places) >= 100
    assert found.half == pytest.approx(np.mean([place < 0.5 for place in places]))
    assert found.most == pytest.approx(np.mean([place < 0.9 for place in places]))
    assert found.levels == LEVELS and not found.recalibrated and found.by_walltime == 1.0


def test_of_few_jobs_nothing_is_said() -> None:
    assert track(history(1, 30), UNTIL) == Track(track(history(1, 30), UNTIL).tried)
    assert track(history(1, 0), UNTIL) == Track(0)


def test_jobs_that_become_longer_week_by_week_are_recalibrated() -> None:
    def longer(started: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return (0.4 + (started - (UNTIL - 60 * DAY)) / (100 * DAY)) * rng.uniform(0, 1, len(started))

    found = track(history(3, 9000, longer), UNTIL)
    assert found.recalibrated and found.levels is not None and found.levels[1] > 0.9
    assert found.most is not None and 0.85 <= found.most <= 0.95


def test_where_jobs_change_all_the_time_nothing_is_expected() -> None:
    def ever_longer(started: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return (started - (UNTIL - 60 * DAY)) / (60 * DAY) * rng.uniform(0.9, 1.0, len(started))

    found = track(history(4, 4000, ever_longer), UNTIL)
    assert found.levels is None and found.most is not None and found.most < 0.85


def test_jobs_that_outlive_their_walltime_are_counted_as_such() -> None:
    found = track(history(5, 2000, lambda started, rng: rng.uniform(0.5, 1.5, len(started))), UNTIL)
    assert found.by_walltime is not None and found.by_walltime < 0.8
