"""How waits and slowdowns are distributed: exactly from jobs, or from classes 4 % wide over years. Pure.

A wait is counted where the job started, a slowdown where it ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from collector.columns import Numbers
from collector.lives import CLASS_STEP, LIVES, SHORT_RUN_SECONDS, Columns, value_of_class
from webstat.data.explore.count import month_buckets
from webstat.data.explore.cut import Cut, Product, matching
from webstat.data.explore.shapes import Ended, Filters

QUANTILES = (0.5, 0.75, 0.9, 0.95)

COLUMNS = {"wait": ("wait",), "slowdown": ("wait", "outcome")}
"""What is distributed -> columns of jobs that exact quantiles take."""

CLASSES = {"wait": ("wait_class", "started_back"), "slowdown": ("slowdown_class", "outcome")}
"""The same for quantiles from classes."""

SLOWDOWN_SCALE = 1000
SCALES = {"wait": 1, "slowdown": SLOWDOWN_SCALE}
"""What values are multiplied with to be whole numbers, which are sorted many times faster."""

WITHIN = f"{CLASS_STEP * 50:.0f} %"
"""How true quantiles from classes are."""

_MOST_CLASSES = 576  # ln(1 + 300 years) in steps of 4 %


def values(jobs: Columns, what: str, filters: Filters) -> tuple[Numbers, Numbers, Numbers]:
    """(positions of the jobs, when each counts, its value in units of SCALES) of the jobs that have one."""
    has = jobs["ran"] >= 0
    if what == "slowdown":
        has &= jobs["outcome"] != LIVES
    kept = matching(jobs, filters)
    some = np.flatnonzero(has if kept is None else has & kept)
    wait, ran, ended = jobs["wait"][some], jobs["ran"][some], jobs["ended"][some]
    if what == "wait":
        return some, ended - ran, wait
    slowdown = np.maximum((wait.astype(np.int64) + ran) / np.maximum(ran, SHORT_RUN_SECONDS), 1)
    return some, ended, np.rint(slowdown * SLOWDOWN_SCALE).astype(np.int64)


def exact(rows: Numbers, found: Numbers, size: int, quantiles: Sequence[float] = QUANTILES) -> tuple[Numbers, Numbers]:
    """Quantiles of the values (whole, below 2^32) of each row, between neighbours in proportion; and how many values each row has.

    float64 of shape (size, quantiles), NaN where a row has none; int64 of shape (size,).
    """
    counts = np.bincount(rows, minlength=size)
    ordered = np.sort((rows.astype(np.int64) << 32) | found.astype(np.int64)) & 0xFFFFFFFF  # one sort instead of two
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    result = np.full((size, len(quantiles)), np.nan)
    there = np.flatnonzero(counts)
    for number, share in enumerate(quantiles):
        place = share * (counts[there] - 1)
        low = np.floor(place).astype(np.int64)
        high = np.minimum(low + 1, counts[there] - 1)
        below, above = ordered[starts[there] + low], ordered[starts[there] + high]
        result[there, number] = below + (place - low) * (above - below)
    return result, counts


class Classed:
    """Counts of classes by row; see exact()."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._counts = np.zeros(size * _MOST_CLASSES)

    def add(self, rows: Numbers, classes: Numbers, jobs: Numbers | None = None) -> None:
        """Some more values, or how many of each."""
        place = rows * _MOST_CLASSES + np.minimum(classes, _MOST_CLASSES - 1)
        if len(self._counts) < 4 * len(place):
            self._counts += np.bincount(place, weights=jobs, minlength=len(self._counts))
        else:  # most of so many are not touched
            np.add.at(self._counts, place, 1.0 if jobs is None else jobs)

    def quantiles(self, quantiles: Sequence[float] = QUANTILES) -> tuple[Numbers, Numbers]:
        """As exact(), true to within 2 %."""
        sums = self._counts.reshape(self._size, _MOST_CLASSES).cumsum(axis=1)
        counts = sums[:, -1]
        result = np.full((self._size, len(quantiles)), np.nan)
        for row in np.flatnonzero(counts):
            wanted = [share * (counts[row] - 1) + 1 for share in quantiles]
            result[row] = value_of_class(np.searchsorted(sums[row], wanted))
        return result, counts.astype(np.int64)


def classed(packed: Iterable[Ended], what: str, cut: Cut | Product, edges: Numbers, filters: Filters) -> Classed:
    """Classes of jobs by row of the cut and bucket; `edges` are those of UTC months, or of several together."""
    buckets = len(edges) - 1
    found = Classed(cut.size * buckets)
    for one in packed:
        classes = one.jobs[f"{what}_class"]
        has = (classes >= 0) & one.true
        kept = matching(one.jobs, filters)
        if kept is not None:
            has &= kept
        if what == "slowdown":
            has &= one.jobs["outcome"] != LIVES
        some = np.flatnonzero(has)
        ended = np.broadcast_to(one.months, has.shape)[some]
        bucket = month_buckets(ended - one.jobs["started_back"][some] if what == "wait" else ended, edges)
        inside = bucket >= 0
        some, bucket = some[inside], bucket[inside]
        found.add(cut.of_jobs(one.jobs)[some] * buckets + bucket, classes[some])
    return found


def ready(spreads: Iterable[tuple[Numbers, Columns]], edges: Numbers, size: int) -> Classed:
    """The same from Gatherer.spreads(), each with the rows of the cut that its numbers are of."""
    buckets = len(edges) - 1
    found = Classed(size * buckets)
    for rows, one in spreads:
        bucket = month_buckets(one["month"], edges)
        inside = np.flatnonzero((bucket >= 0) & (rows >= 0))
        found.add(rows[inside] * buckets + bucket[inside], one["class"][inside], one["jobs"][inside])
    return found
