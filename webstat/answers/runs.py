"""How much of their walltime jobs use: what past jobs tell of when those that run will end, and how well that held. Pure.

A job is compared with those of its queue and walltime class that had run for as large a part of their walltime as it has.
Nothing in it names anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from collector.columns import Numbers
from collector.lives import LIVES, NEVER_RAN, NO_WALLTIME, WALLTIMES, Columns

FEWEST = 20
"""Similar jobs; of fewer nothing is expected."""

COLUMNS = ("ended", "ran", "walltime", "walltime_class", "queue", "outcome")
"""Of packed jobs, those that runs are made from; see collector.lives."""

_ANY = -1
"""The queue that stands for all of a cluster."""


@dataclass(frozen=True)
class Runs:
    """Jobs that started and asked for a walltime. Each array has an element for a job.

    `queue` are ids of words, `walltime_class` those of collector.lives, `used` ran ÷ asked; `started`, `ended` and
    `due` (start and walltime asked) unix seconds. Those that still run end at infinity, and `used` is what they have
    used by then.
    """

    queue: Numbers
    walltime_class: Numbers
    used: Numbers
    started: Numbers
    ended: Numbers
    due: Numbers

    def __len__(self) -> int:
        return len(self.queue)

    def some(self, which: Numbers) -> Runs:
        """Those chosen by a mask or by places."""
        return Runs(*(getattr(self, name)[which] for name in self.__dataclass_fields__))


def runs_of(jobs: Columns) -> Runs:
    """From COLUMNS of jobs, living ones among them."""
    told = (jobs["outcome"] != NEVER_RAN) & (jobs["ran"] >= 0) & (jobs["walltime"] > 0)
    some = {name: jobs[name][told] for name in COLUMNS}
    ended, ran, asked = (some[name].astype(np.float64) for name in ("ended", "ran", "walltime"))
    started = ended - ran
    return Runs(
        some["queue"].astype(np.int64),
        some["walltime_class"].astype(np.int64),
        ran / asked,
        started,
        np.where(some["outcome"] == LIVES, np.inf, ended),
        started + asked,
    )


def class_of(walltime_seconds: Numbers) -> Numbers:
    """The walltime class of each walltime asked; NaN is none."""
    classes = np.searchsorted(WALLTIMES, walltime_seconds)
    return np.where(np.isnan(walltime_seconds), NO_WALLTIME, classes)


class Shares:
    """Which share of their walltime the past jobs used, by queue and walltime class; where a queue has too few, by class."""

    def __init__(self, runs: Runs) -> None:
        """Of those of `runs` that have ended."""
        some = runs.some(np.isfinite(runs.ended))
        self._used: dict[tuple[int, int], Numbers] = {}
        for queue in (some.queue, np.full(len(some), _ANY)):
            order = np.lexsort((some.used, some.walltime_class, queue))
            kinds = np.column_stack([queue[order], some.walltime_class[order]])
            starts = np.flatnonzero(np.r_[True, (kinds[1:] != kinds[:-1]).any(axis=1)]) if len(order) else []
            for start, used in zip(starts, np.split(some.used[order], starts[1:]), strict=False):
                self._used[int(kinds[start, 0]), int(kinds[start, 1])] = used

    def quantiles(self, runs: Runs, used: Numbers, levels: Sequence[float]) -> Numbers:
        """Of their walltime, the share within which this part (`levels`) of the similar jobs had ended, of shape (levels, jobs).

        Similar are those that used more than `used`; NaN where they are fewer than FEWEST.
        """
        found = np.full((len(levels), len(runs)), np.nan)
        for jobs, ordered, first, left in self._similar(runs, used):
            for row, level in enumerate(levels):
                place = first + np.maximum(np.ceil(level * left - 1e-9).astype(np.int64), 1) - 1
                found[row, jobs] = ordered[place]
        return found

    def places(self, runs: Runs, used: Numbers) -> Numbers:
        """Which part of the similar jobs used less than each of `runs` did in the end; NaN as in quantiles().

        A job is within the quantile of a level if its place is below that level.
        """
        found = np.full(len(runs), np.nan)
        for jobs, ordered, first, left in self._similar(runs, used):
            found[jobs] = np.maximum(np.searchsorted(ordered, runs.used[jobs], side="left") - first, 0) / left
        return found

    def _similar(self, runs: Runs, used: Numbers) -> list[tuple[Numbers, Numbers, Numbers, Numbers]]:
        """By kind of jobs: their places in `runs`, what similar ones used in order, which is the first, how many are left."""
        found = []
        lacking = np.ones(len(runs), dtype=bool)
        for queue in (runs.queue, np.full(len(runs), _ANY)):
            kinds = queue * (NO_WALLTIME + 1) + runs.walltime_class
            for kind in np.unique(kinds[lacking]):
                jobs = np.flatnonzero(lacking & (kinds == kind))
                ordered = self._used.get((int(queue[jobs[0]]), int(runs.walltime_class[jobs[0]])))
                if ordered is None:
                    continue
                first = np.searchsorted(ordered, used[jobs], side="right")
                enough = len(ordered) - first >= FEWEST
                jobs, first = jobs[enough], first[enough]
                lacking[jobs] = False
                found.append((jobs, ordered, first, len(ordered) - first))
        return found
