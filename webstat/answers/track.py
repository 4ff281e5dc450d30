"""How well expected ends of jobs have held: what would have been said at past moments against what came. Pure.

Where nine tenths did not end by the time by which nine tenths should have, other parts of the similar jobs are sought that
would have held; where those do not hold either, nothing is to be expected.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from collector.columns import Numbers
from webstat.answers.backtest import is_good
from webstat.answers.runs import Runs, Shares

LEVELS = (0.5, 0.9)
"""Parts of the similar jobs within whose time a job is expected to end."""

FEWEST = 100
"""Jobs tried; of fewer it is not known how well times hold."""

DAYS, EVERY_SECONDS = 28, 13 * 3600
"""Moments that are tried: at all hours of the day."""

WITHIN = (3600, 2 * 3600, 4 * 3600, 8 * 3600, 12 * 3600, 24 * 3600)
FEWEST_MOMENTS = 10
"""After how long it is looked how many cores have become free; at fewer moments it is not known how well that holds."""

LATE_SECONDS = 300
"""So long after its walltime a scheduler may take to end a job."""


@dataclass(frozen=True)
class Track:
    """Of jobs that ran at past moments. Shares are None where too few were tried."""

    tried: int
    half: float | None = None
    """The share that had ended by the 50 % time."""
    most: float | None = None
    """The share that had ended by the 90 % time."""
    by_walltime: float | None = None
    """The share that had ended when its walltime was over."""
    levels: tuple[float, float] | None = LEVELS
    """Parts of the similar jobs by which half and nine tenths are foretold now; None where none held."""

    moments: int = 0
    """How many times it was looked how many cores had become free."""
    least: float | None = None
    """At which share of them these were at least as many as should be in nine tenths."""
    below: float | None = None
    """How many standard deviations below the expected number that is; None where no such number held."""

    @property
    def recalibrated(self) -> bool:
        """Whether other parts of the similar jobs are taken than at first."""
        return self.levels not in (None, LEVELS)


def track(runs: Runs, until: float) -> Track:
    """How well times have held that would have been told in DAYS before `until`, each from what was known then."""
    found = _of_jobs(runs, until)
    if found.levels is None or not found.tried:
        return found
    return replace(found, **_of_cores(runs, until, found.levels))


def recalibrated(parts: Numbers, levels: tuple[float, float]) -> Numbers:
    """Parts of similar jobs that had ended -> how probable it is for a job that nine tenths end by the second of `levels`."""
    return np.interp(parts, [0.0, *levels, 1.0], [0.0, *LEVELS, 1.0]) if levels != LEVELS else parts


def _of_jobs(runs: Runs, until: float) -> Track:
    tried = list(_tries(runs, until))
    places = np.concatenate([found for found, _ in tried]) if tried else np.zeros(0)
    if len(places) < FEWEST:
        return Track(len(places))
    in_time = float(np.concatenate([found for _, found in tried]).mean())
    if is_good(_held(places, LEVELS)[1]):
        return Track(len(places), *_held(places, LEVELS), in_time)
    # What would have held in the first half of the time is tried in the second.
    early, late = (np.concatenate([found for found, _ in part]) for part in _halves(tried))
    if min(len(early), len(late)) >= FEWEST and is_good((held := _held(late, _levels(early)))[1]):
        return Track(len(late), *held, in_time, _levels(places))
    return Track(len(places), *_held(places, LEVELS), in_time, None)


def _tries(runs: Runs, until: float) -> Iterator[tuple[Numbers, Numbers]]:
    """Of each moment: the places of the jobs that ran then (Shares.places()), and whether they ended by their walltime.

    Tried are jobs whose walltime is over by now, so that it is known of all of them.
    """
    shares = Shares.of(runs)
    some = runs.some((runs.due <= until - LATE_SECONDS) & (runs.ended > until - DAYS * 86400))
    for moment in np.arange(until - DAYS * 86400, until, EVERY_SECONDS):
        there = some.some((some.started <= moment) & (some.ended > moment) & (some.due > moment))
        used = (moment - there.started) / (there.due - there.started)
        places = shares.known_at(moment).places(there, used)
        places[np.isinf(there.ended) & ~np.isnan(places)] = 1.0
        known = ~np.isnan(places)
        yield places[known], (there.ended <= there.due + LATE_SECONDS)[known]


def _of_cores(runs: Runs, until: float, levels: tuple[float, float]) -> dict[str, Any]:
    """Whether as many cores as expected became free within some hours, and how many fewer in one of ten times."""
    shares, moments = Shares.of(runs), []
    some = runs.some(runs.ended > until - DAYS * 86400)
    for moment in np.arange(until - DAYS * 86400, until - max(WITHIN), EVERY_SECONDS):
        there = some.some((some.started <= moment) & (some.ended > moment))
        asked, due = there.due - there.started, there.due[:, None]
        then = moment + np.array(WITHIN)
        known = shares.known_at(moment)
        parts = known.parts(there, (moment - there.started) / asked, (then - there.started[:, None]) / asked[:, None])
        if np.isnan(parts).all():
            continue
        ended = np.fmax((due > moment) & (due <= then), recalibrated(parts, levels))
        came = there.cores @ (there.ended[:, None] <= then)
        deviation = np.sqrt((there.cores.astype(np.float64) ** 2) @ (ended * (1 - ended)))
        moments.append(np.divide(came - there.cores @ ended, deviation, out=np.zeros(len(then)), where=deviation > 0))
    if len(moments) < FEWEST_MOMENTS:
        return {"moments": len(moments)}
    half = len(moments) // 2
    first, second = np.concatenate(moments[:half]), np.concatenate(moments[half:])
    held = float(np.mean(np.r_[first >= _lowest(second), second >= _lowest(first)]))
    below = -_lowest(np.concatenate(moments)) if is_good(held) else None
    return {"moments": len(moments), "least": held, "below": below}


def _lowest(deviations: Numbers) -> float:
    """What nine tenths are above."""
    return float(np.quantile(deviations, 1 - LEVELS[1], method="lower"))


def _halves(
    tried: list[tuple[Numbers, Numbers]],
) -> tuple[list[tuple[Numbers, Numbers]], list[tuple[Numbers, Numbers]]]:
    """The moments in two, with about as many jobs in each."""
    counts = np.cumsum([len(found) for found, _ in tried])
    middle = int(np.searchsorted(counts, counts[-1] / 2)) + 1
    return tried[:middle], tried[middle:] or [(np.zeros(0), np.zeros(0))]


def _held(places: Numbers, levels: tuple[float, float]) -> tuple[float, float]:
    return float((places < levels[0]).mean()), float((places < levels[1]).mean())


def _levels(places: Numbers) -> tuple[float, float]:
    """The parts of the similar jobs within which half and nine tenths of these ended."""
    half, most = (min(float(np.quantile(places, level, method="higher")) + 1e-6, 1.0) for level in LEVELS)
    return half, most
