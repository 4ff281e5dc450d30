"""How waits and slowdowns are distributed: exactly from jobs, or from classes 1 % wide over years. Pure.

A wait is counted where the job started, a slowdown where it ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from collector.columns import Numbers
from collector.lives import LIVES, SHORT_RUN_SECONDS, Columns, month_number, value_of_class
from webstat.data.explore.cut import Cut, Product, matching
from webstat.data.explore.shapes import Ended, Filters

QUANTILES = (0.5, 0.75, 0.9, 0.95)

COLUMNS = {"wait": ("wait",), "slowdown": ("wait", "outcome")}
"""What is distributed -> columns of jobs that exact quantiles take."""

CLASSES = {"wait": ("wait_class", "started_back"), "slowdown": ("slowdown_class", "outcome")}
"""The same for quantiles from classes."""

_MOST_CLASSES = 2304  # ln(1 + 300 years) in steps of 1 %


def values(jobs: Columns, what: str, filters: Filters) -> tuple[Numbers, Numbers, Numbers]:
    """(positions of the jobs, when each counts, its value) of the jobs that have one."""
    has = jobs["ran"] >= 0
    if what == "slowdown":
        has &= jobs["outcome"] != LIVES
    kept = matching(jobs, filters)
    some = np.flatnonzero(has if kept is None else has & kept)
    wait, ran, ended = jobs["wait"][some], jobs["ran"][some], jobs["ended"][some]
    if what == "wait":
        return some, ended - ran, wait
    slowdown = np.maximum((wait.astype(np.int64) + ran) / np.maximum(ran, SHORT_RUN_SECONDS), 1)
    return some, ended, slowdown


def exact(rows: Numbers, found: Numbers, size: int, quantiles: Sequence[float] = QUANTILES) -> tuple[Numbers, Numbers]:
    """Quantiles of the values of each row, between neighbours in proportion; and how many values each row has.

    float64 of shape (size, quantiles), NaN where a row has none; int64 of shape (size,).
    """
    counts = np.bincount(rows, minlength=size)
    ordered = found[np.lexsort((found, rows))] if found.dtype.kind == "f" else _sorted(rows, found)
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


def _sorted(rows: Numbers, found: Numbers) -> Numbers:
    """Values in the order of rows, then of values; one sort of whole numbers is many times faster than two."""
    return np.sort((rows.astype(np.int64) << 32) | found.astype(np.int64)) & 0xFFFFFFFF


class Classed:
    """Counts of classes by row, from packed months; see exact()."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._counts = np.zeros(size * _MOST_CLASSES, dtype=np.int32)

    def add(self, rows: Numbers, classes: Numbers) -> None:
        """Some more values."""
        place = rows * _MOST_CLASSES + np.minimum(classes, _MOST_CLASSES - 1)
        self._counts += np.bincount(place, minlength=len(self._counts))

    def quantiles(self, quantiles: Sequence[float] = QUANTILES) -> tuple[Numbers, Numbers]:
        """As exact(), true to within 1 %."""
        sums = self._counts.reshape(self._size, _MOST_CLASSES).cumsum(axis=1)
        counts = sums[:, -1]
        result = np.full((self._size, len(quantiles)), np.nan)
        for row in np.flatnonzero(counts):
            wanted = [share * (counts[row] - 1) + 1 for share in quantiles]
            result[row] = value_of_class(np.searchsorted(sums[row], wanted))
        return result, counts


def classed(packed: Iterable[Ended], what: str, cut: Cut | Product, edges: Numbers, filters: Filters) -> Classed:
    """Classes of jobs by row of the cut and bucket; `edges` are those of UTC months, or of several together."""
    starts, buckets = month_number(edges[:-1]), len(edges) - 1
    end = int(month_number(edges[-1:] - 1)[0]) + 1
    bucket_of = np.repeat(np.arange(buckets), np.diff(np.append(starts, end)))
    found = Classed(cut.size * buckets)
    for one in packed:
        classes = one.jobs[f"{what}_class"]
        has = (classes >= 0) & one.true
        kept = matching(one.jobs, filters)
        if kept is not None:
            has &= kept
        if what == "slowdown":
            has &= one.jobs["outcome"] != LIVES
        back = one.jobs["started_back"].astype(np.int64) if what == "wait" else 0
        at = np.broadcast_to(one.months - back - starts[0], has.shape)
        some = np.flatnonzero(has & (at >= 0) & (at < len(bucket_of)))
        found.add(cut.of_jobs(one.jobs)[some] * buckets + bucket_of[at[some]], classes[some])
    return found
