"""All jobs of the jobs table, over all clusters, in the order of their ids. Pure.

What a cluster's columns are is jobcolumns.py's, which rows an asker sees jobsearch.py's and jobrows.py's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from webstat.data.jobcolumns import (
    ENDED,
    EXITING,
    EXPECTS,
    PENDING,
    REASONS,
    RUNNING,
    STATES,
    SUSPENDED,
    TONES,
    Columns,
    objects,
)

WORDS = ("user", "group", "account", "project", "queue")
"""Columns that are ids of words."""

TASKS = ("tasks_done", "tasks_running", "tasks_waiting", "tasks_total")

SHOWN = (
    "key", "kind", "id", "array_id", "name", *WORDS[:4], "cluster", "queue", "state", "native_state", "exit_status",
    "cores", "nodes", "gpus", "memory_bytes", "walltime_seconds", "submitted_at", "eligible_at", "started_at",
    "ended_at", "walltime_used_seconds", "cpu_used_seconds", "memory_used_bytes", "priority", "waited_seconds",
    "ran_seconds", "expected_at", "expects", "reason", "why", "why_tone", "comment", "depends_on", "hold", *TASKS,
)  # fmt: skip
"""The columns of a table's row."""

TEXTS = (
    "key", "kind", "id", "array_id", "name", *WORDS, "cluster", "state", "native_state", "expects", "reason", "why", "why_tone",
    "comment", "depends_on", "hold",
)  # fmt: skip
"""Those of SHOWN that are text; the others are numbers."""

_CODED = {"state": STATES, "expects": EXPECTS, "reason": REASONS, "why_tone": TONES}


@dataclass(frozen=True)
class Told:
    """What the store tells of an array besides its tasks of the last day."""

    total: int = 0
    """Tasks it was submitted with; 0 where that is not told."""
    ended: int = 0
    """Tasks that ended before."""


@dataclass(frozen=True, eq=False)
class Table:
    """Jobs in the order of clusters and ids, each once.

    `columns` are those of jobcolumns.py with `cluster` (place in `clusters`) and `array` (place in `arrays`, -1 for
    what is no task); `words` are texts by id. `tasks` has for each array the counts TASKS.
    """

    clusters: tuple[str, ...]
    words: np.ndarray
    columns: Columns
    arrays: tuple[str, ...]
    """Key of each array."""
    tasks: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.columns["state"])

    @cached_property
    def texts(self) -> list[str]:
        """What is searched of each job."""
        return self.columns["text"].tolist()

    def texts_of(self, column: str, rows: np.ndarray) -> np.ndarray:
        """A column of TEXTS for some jobs: str, None where not told."""
        if column == "cluster":
            return objects(self.clusters)[self.columns["cluster"][rows]]
        if column in WORDS:
            return self.words[self.columns[column][rows]]
        if column == "kind":
            return objects(("task", "job"))[(self.columns["array"][rows] < 0).astype(int)]
        if column == "key":
            pairs = zip(self.texts_of("cluster", rows), self.columns["id"][rows], strict=True)
            return objects(f"{cluster}/{job}" for cluster, job in pairs)
        values = self.columns[column][rows]
        return objects(_CODED[column])[values] if column in _CODED else values

    def numbers_of(self, column: str, rows: np.ndarray) -> np.ndarray:
        """A column of numbers for some jobs, NaN where not told; those of arrays are not a job's."""
        return np.full(len(rows), np.nan) if column in TASKS else self.columns[column][rows]

    def rank(self, column: str) -> np.ndarray:
        """A column as numbers in the order it is sorted by: float64, NaN where not told."""
        if column not in self._ranks:
            self._ranks[column] = self._rank(column)
        return self._ranks[column]

    @cached_property
    def _ranks(self) -> dict[str, np.ndarray]:
        return {}

    def _rank(self, column: str) -> np.ndarray:
        everything = np.arange(len(self))
        if column in ("key", "cluster"):
            return (everything if column == "key" else self.columns["cluster"]).astype(np.float64)
        if column in ("id", "array_id"):
            told = self.columns[column] != None  # noqa: E711 - of each element
            places = np.unique(self.columns["place"], return_inverse=True)[1]
            return np.where(told, places.astype(np.float64), np.nan)
        if column in ("state", "expects", "why_tone"):
            return self.columns[column].astype(np.float64)
        if column not in TEXTS:
            return self.numbers_of(column, everything).astype(np.float64)
        codes, texts = pd.factorize(self.texts_of(column, everything))
        order = sorted(range(len(texts)), key=lambda one: (texts[one] == "", texts[one].casefold(), texts[one]))
        ranks = np.full(len(texts) + 1, np.nan)  # the last one is that of -1: not told
        ranks[order] = np.arange(len(texts))
        return ranks[codes]

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The jobs as a frame: the columns SHOWN; texts object (str or None), numbers float64 but for the int64 of
        cores, nodes and gpus. Not to be changed: it is shared."""
        everything = np.arange(len(self))
        return pd.DataFrame(
            {
                column: pd.Series(self.texts_of(column, everything), dtype="object")
                if column in TEXTS
                else pd.Series(self.numbers_of(column, everything))
                for column in SHOWN
            }
        )


def stack(pieces: Sequence[Columns]) -> Columns:
    """Jobs under jobs; there is at least one piece, which may be empty."""
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


def join(clusters: Sequence[str], parts: Sequence[Columns], words: np.ndarray, told: Mapping[str, Told]) -> Table:
    """One part a cluster as one table; of two jobs of one id in a part the later one stays.

    There is at least one part, which may be empty. `told` is by the keys of arrays.
    """
    columns = stack(parts)
    columns["cluster"] = np.repeat(np.arange(len(parts), dtype=np.int16), [len(part["state"]) for part in parts])
    order = _order(columns)
    columns = {name: column[order] for name, column in columns.items()}
    columns["array"], keys = _arrays(clusters, columns)
    return Table(tuple(clusters), words, columns, keys, _tasks(columns, keys, told))


def _order(columns: Columns) -> np.ndarray:
    """The jobs by cluster and id, each once."""
    cluster, place, ids = columns["cluster"], columns["place"], columns["id"]
    order = np.lexsort((place, cluster))
    same = (cluster[order][1:] == cluster[order][:-1]) & (place[order][1:] == place[order][:-1])
    if not same.any():
        return order
    bounds = np.flatnonzero(np.concatenate(([True], ~same, [True])))
    several = np.flatnonzero(np.diff(bounds) > 1)
    kept: list[np.ndarray] = []
    done = 0
    for first, last in zip(bounds[several], bounds[several + 1], strict=True):
        latest = {ids[row]: row for row in order[first:last]}
        kept += [order[done:first], np.array([latest[one] for one in sorted(latest)], dtype=order.dtype)]
        done = last
    return np.concatenate([*kept, order[done:]])


def _arrays(clusters: Sequence[str], columns: Columns) -> tuple[np.ndarray, tuple[str, ...]]:
    codes = np.full(len(columns["state"]), -1, dtype=np.int64)
    tasks = np.flatnonzero(columns["array_id"] != None)  # noqa: E711 - of each element
    if not tasks.size:
        return codes, ()
    pairs = zip(columns["cluster"][tasks], columns["array_id"][tasks], strict=True)
    codes[tasks], keys = pd.factorize(objects(f"{clusters[cluster]}/{array}" for cluster, array in pairs))
    return codes, tuple(keys)


def _tasks(columns: Columns, keys: Sequence[str], told: Mapping[str, Told]) -> dict[str, np.ndarray]:
    """How many tasks each array has; where its size is not told, those that are known are all."""

    def count(states: Iterable[int]) -> np.ndarray:
        these = np.isin(columns["state"], list(states)) & (columns["array"] >= 0)
        return np.bincount(columns["array"][these], minlength=len(keys))

    nothing = Told()
    earlier = np.array([told.get(key, nothing).ended for key in keys], dtype=np.int64)
    total = np.array([told.get(key, nothing).total for key in keys], dtype=np.int64)
    done, known = count(ENDED) + earlier, count(range(len(STATES))) + earlier
    return {
        "tasks_done": done,
        "tasks_running": count((RUNNING, EXITING, SUSPENDED)),
        "tasks_waiting": count(PENDING),
        "tasks_total": np.maximum(total, known),
    }
