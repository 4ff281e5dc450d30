"""How well expected ends of jobs have held: what would have been said at past moments against what came. Pure.

Where nine tenths did not end by the time by which nine tenths should have, other parts of the similar jobs are sought that
would have held; where those do not hold either, nothing is to be expected.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from collector.columns import Numbers
from webstat.answers.runs import Runs, Shares

LEVELS = (0.5, 0.9)
"""Parts of the similar jobs within whose time a job is expected to end."""

GOOD = (0.85, 0.95)
"""Of the jobs tried so many may have ended by their 90 % time."""

FEWEST = 100
"""Jobs tried; of fewer it is not known how well times hold."""

DAYS, EVERY_SECONDS = 28, 13 * 3600
"""Moments that are tried: at all hours of the day."""

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

    @property
    def recalibrated(self) -> bool:
        """Whether other parts of the similar jobs are taken than at first."""
        return self.levels not in (None, LEVELS)


def track(runs: Runs, until: float) -> Track:
    """How well times have held that would have been told in DAYS before `until`, each from what was known then."""
    tried = list(_tries(runs, until))
    places = np.concatenate([found for found, _ in tried]) if tried else np.zeros(0)
    if len(places) < FEWEST:
        return Track(len(places))
    in_time = float(np.concatenate([found for _, found in tried]).mean())
    if _good(_held(places, LEVELS)):
        return Track(len(places), *_held(places, LEVELS), in_time)
    # What would have held in the first half of the time is tried in the second.
    early, late = (np.concatenate([found for found, _ in part]) for part in _halves(tried))
    if min(len(early), len(late)) >= FEWEST and _good(held := _held(late, _levels(early))):
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


def _halves(
    tried: list[tuple[Numbers, Numbers]],
) -> tuple[list[tuple[Numbers, Numbers]], list[tuple[Numbers, Numbers]]]:
    """The moments in two, with about as many jobs in each."""
    counts = np.cumsum([len(found) for found, _ in tried])
    middle = int(np.searchsorted(counts, counts[-1] / 2)) + 1
    return tried[:middle], tried[middle:] or [(np.zeros(0), np.zeros(0))]


def _held(places: Numbers, levels: tuple[float, float]) -> tuple[float, float]:
    return float((places < levels[0]).mean()), float((places < levels[1]).mean())


def _good(held: tuple[float, float]) -> bool:
    return GOOD[0] <= held[1] <= GOOD[1]


def _levels(places: Numbers) -> tuple[float, float]:
    """The parts of the similar jobs within which half and nine tenths of these ended."""
    half, most = (min(float(np.quantile(places, level, method="higher")) + 1e-6, 1.0) for level in LEVELS)
    return half, most
