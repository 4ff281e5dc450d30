"""What jobs are divided by: the cuts, their keys, and which jobs a filter keeps. Pure.

A key is a number: the id of a cluster or word, or the number of a class. Usage goes by the queue a job was in at the
time, counts of jobs by the last one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from collector.columns import Numbers
from collector.lives import COMPLETED, FAILED, LIVES, NEVER_RAN, SIZES, UNTOLD, WALLTIMES, Columns

WORDS = frozenset({"user", "group", "account", "queue"})
"""Cuts whose keys are words; 0 is none."""

COLUMNS = {
    "cluster": "cluster",
    "user": "user",
    "group": "group",
    "account": "account",
    "queue": "queue",
    "state": "outcome",
    "size": "size",
    "walltime": "walltime_class",
}
"""Cut -> the column that has its keys."""

NAMES = {
    "cluster": ("cluster", "clusters"),
    "user": ("user", "users"),
    "group": ("group", "groups"),
    "account": ("account", "accounts"),
    "queue": ("queue", "queues"),
    "state": ("end state", "end states"),
    "size": ("job size", "job sizes"),
    "walltime": ("walltime class", "walltime classes"),
}
"""Cut -> its name, for one and for several."""

OUTCOMES = {
    COMPLETED: ("completed", "completed"),
    FAILED: ("failed", "failed"),
    NEVER_RAN: ("never-ran", "ended before it ran"),
    UNTOLD: ("untold", "exit status not told"),
    LIVES: ("lives", "has not ended"),
}
"""Outcome -> its word in addresses, and in sentences."""


def _sizes() -> dict[int, tuple[str, str]]:
    lower = [0, *SIZES]
    found = {}
    for number, (low, most) in enumerate(zip(lower, SIZES, strict=False)):
        words = f"{most} core" if most == 1 else f"{low + 1}–{most} cores"
        found[number] = (str(most) if most == 1 else f"{low + 1}-{most}", words)
    found[len(SIZES)] = (f"{SIZES[-1] + 1}+", f"over {SIZES[-1]} cores")
    return found


def _walltimes() -> dict[int, tuple[str, str]]:
    def said(seconds: int) -> str:
        return f"{seconds // 86400} d" if seconds % 86400 == 0 and seconds > 86400 else f"{seconds // 3600} h"

    found = {number: (said(most).replace(" ", ""), f"up to {said(most)}") for number, most in enumerate(WALLTIMES)}
    found[len(WALLTIMES)] = (f"{said(WALLTIMES[-1]).replace(' ', '')}+", f"over {said(WALLTIMES[-1])}")
    found[len(WALLTIMES) + 1] = ("none", "no walltime asked")
    return found


CLASSES: Mapping[str, Mapping[int, tuple[str, str]]] = {"state": OUTCOMES, "size": _sizes(), "walltime": _walltimes()}
"""Cut -> key -> its word in addresses, and in sentences; in their order."""


@dataclass(frozen=True)
class Cut:
    """How rows are numbered: `keys` in their order, and `rows`, by which a key becomes its row."""

    by: str | None
    keys: tuple[int, ...]
    rows: Numbers

    @property
    def size(self) -> int:
        """How many rows there are."""
        return len(self.keys)

    @property
    def columns(self) -> frozenset[str]:
        """The columns of jobs that of_jobs() takes."""
        return frozenset() if self.by is None else frozenset({COLUMNS[self.by]})

    def of_jobs(self, jobs: Columns) -> Numbers:
        """The row of each job."""
        if self.by is None:
            return np.zeros(len(jobs["cluster"]), dtype=np.int64)
        return self.rows[jobs[COLUMNS[self.by]]]


@dataclass(frozen=True)
class Product:
    """Cuts inside each other, as one cut of jobs; the last one's keys are next to each other."""

    cuts: tuple[Cut, ...]

    @property
    def size(self) -> int:
        """How many rows there are."""
        return prod(cut.size for cut in self.cuts)

    @property
    def columns(self) -> frozenset[str]:
        """As of Cut."""
        return frozenset().union(*(cut.columns for cut in self.cuts))

    def of_jobs(self, jobs: Columns) -> Numbers:
        """The row of each job."""
        rows = self.cuts[0].of_jobs(jobs)
        for cut in self.cuts[1:]:
            rows = rows * cut.size + cut.of_jobs(jobs)
        return rows


def cut_of(by: str | None, *columns: Numbers) -> Cut:
    """The cut by all keys that stand in `columns`; of None, one row for everything."""
    if by is None:
        return Cut(None, (0,), np.zeros(1, dtype=np.int64))
    present = np.zeros(1, dtype=bool)
    for column in columns:
        if len(column):
            there = np.bincount(column) > 0
            present = np.resize(
                np.append(present, np.zeros(max(0, len(there) - len(present)), bool)), max(len(there), len(present))
            )
            present[: len(there)] |= there
    keys = np.flatnonzero(present)
    rows = np.zeros(len(present), dtype=np.int64)
    rows[keys] = np.arange(len(keys))
    return Cut(by, tuple(int(key) for key in keys), rows)


def matching(columns: Columns, filters: Mapping[str, Collection[int]]) -> Numbers | None:
    """Which rows all filters keep; None where all are kept. `filters` are cuts with the keys that are kept."""
    kept: Numbers | None = None
    for by, keys in filters.items():
        one = has_key(columns[COLUMNS[by]], keys)
        kept = one if kept is None else kept & one
    return kept


def has_key(column: Numbers, keys: Collection[int]) -> Numbers:
    """Which elements are one of the keys."""
    most = max([int(column.max()) if len(column) else 0, *keys, 0])
    wanted = np.zeros(most + 1, dtype=bool)
    wanted[list(keys)] = True
    return wanted[column]
