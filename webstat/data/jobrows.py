"""From the jobs that are asked for to the rows of a table: arrays folded to one row, sorted, a window of them. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from webstat.data.jobcolumns import ENDED, EXPECTS, PENDING
from webstat.data.jobtable import SHOWN, TASKS, TEXTS, Table

SORTS = tuple(column for column in SHOWN if column != "kind")
"""Columns that rows can be sorted by."""

JOB, ARRAY, TASK = range(3)
_KINDS = ("job", "array", "task")
_OF_WHY = ("reason", "why", "why_tone", "comment")


@dataclass(frozen=True, eq=False)
class Folds:
    """Arrays of which at least two tasks are asked for: `arrays` are their places in the table."""

    arrays: np.ndarray
    sizes: np.ndarray
    """Tasks that are asked for."""
    shown: np.ndarray
    """The most advanced task of each: what is not told of an array as a whole is told of this one."""
    first: np.ndarray
    """The task that comes first by its id."""
    whys: np.ndarray
    """The task whose reason is told: the first one that waits, else the most advanced."""
    numbers: dict[str, np.ndarray]
    """Columns that are told of the array as a whole."""
    expects: np.ndarray


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows in no order. For each: the job it shows, its kind, the place of its array in `folds` (-1 for none), and
    where it comes among equals."""

    table: Table
    folds: Folds
    opened: np.ndarray
    """Of each fold, whether its tasks are rows, too."""
    jobs: np.ndarray
    kinds: np.ndarray
    fold: np.ndarray
    places: np.ndarray

    def __len__(self) -> int:
        return len(self.jobs)

    @property
    def arrays(self) -> int:
        """Arrays of which the tasks are no rows."""
        return int(np.count_nonzero(~self.opened))

    @property
    def tasks(self) -> int:
        """The tasks of these arrays."""
        return int(self.folds.sizes[~self.opened].sum())


def flat_rows(table: Table, jobs: np.ndarray) -> Rows:
    """A row for each of the jobs (places in the table, ascending)."""
    nothing = np.zeros(0, dtype=np.int64)
    kinds = np.where(table.columns["array"][jobs] >= 0, TASK, JOB)
    return Rows(table, _folds(table, nothing), nothing.astype(bool), jobs, kinds, np.full(len(jobs), -1), jobs)


def folded_rows(table: Table, jobs: np.ndarray, unfolded: Collection[str] = ()) -> Rows:
    """The same with one row for those that are tasks of one array, followed by them where its key is in `unfolded`."""
    array = table.columns["array"][jobs]
    many = np.bincount(array[array >= 0], minlength=len(table.arrays)) > 1
    folds_away = (array >= 0) & np.append(many, False)[array]
    alone, tasks = jobs[~folds_away], jobs[folds_away]
    folds = _folds(table, tasks)
    opened = np.array([table.arrays[place] in unfolded for place in folds.arrays.tolist()], dtype=bool)
    of_fold = np.searchsorted(folds.arrays, table.columns["array"][tasks])
    below, of_fold = tasks[opened[of_fold]], of_fold[opened[of_fold]]
    kinds = np.where(table.columns["array"][alone] >= 0, TASK, JOB)
    return Rows(
        table,
        folds,
        opened,
        np.concatenate([alone, folds.shown, below]),
        np.concatenate([kinds, np.full(len(folds.arrays), ARRAY), np.full(len(below), TASK)]),
        np.concatenate([np.full(len(alone), -1), np.arange(len(folds.arrays)), of_fold]),
        np.concatenate([alone, folds.first, below]),
    )


def _folds(table: Table, tasks: np.ndarray) -> Folds:
    columns = table.columns
    tasks = tasks[np.lexsort((tasks, columns["state"][tasks], columns["array"][tasks]))]
    array, state = columns["array"][tasks], columns["state"][tasks]
    starts = np.flatnonzero(np.append(True, array[1:] != array[:-1])) if tasks.size else np.zeros(0, dtype=np.int64)
    sizes = np.diff(np.append(starts, len(tasks)))
    waits, over = np.isin(state, list(PENDING)), np.isin(state, list(ENDED))

    def each(reduce: np.ufunc, values: np.ndarray) -> np.ndarray:
        return reduce.reduceat(values, starts) if tasks.size else values

    first_waiting = each(np.minimum, np.where(waits, np.arange(len(tasks)), len(tasks)))
    whys = np.where(first_waiting < len(tasks), first_waiting, starts)
    waited, expected = columns["waited_seconds"][tasks], columns["expected_at"][tasks]
    still = each(np.fmax, np.where(waits, waited, np.nan))
    upcoming = each(np.fmin, np.where(over, np.nan, expected))
    ended = each(np.logical_and, over)
    expected_at = np.where(ended, each(np.fmax, expected), upcoming)
    expects = np.where(expected == np.repeat(expected_at, sizes), columns["expects"][tasks], 0)
    numbers = {
        "submitted_at": each(np.fmin, columns["submitted_at"][tasks]),
        "eligible_at": each(np.fmin, columns["eligible_at"][tasks]),
        "waited_seconds": np.where(np.isnan(still), each(np.fmax, waited), still),
        "expected_at": expected_at,
        **{name: table.tasks[name][array[starts]].astype(np.float64) for name in TASKS},
    }
    shown, first = tasks[starts], each(np.minimum, tasks)
    return Folds(array[starts], sizes, shown, first, tasks[whys], numbers, each(np.maximum, expects))


def sort_rows(rows: Rows, column: str, descending: bool = False) -> np.ndarray:
    """The rows' places in order: by a column of SORTS, what is not told last, equals by their keys.

    `expected_at` has the next event first, then what lives and expects none by its wait, then what ended, the latest
    first. Tasks of an unfolded array follow it, in the same order among themselves.
    """
    keys = [rows.places, *_sort_keys(rows, column, descending)]
    below = (rows.kinds == TASK) & (rows.fold >= 0)
    tops = np.flatnonzero(~below)
    order = tops[np.lexsort([key[tops] for key in keys])]
    if not below.any():
        return order
    rank = np.empty(len(rows), dtype=np.int64)
    rank[order] = np.arange(len(order))
    heads = np.flatnonzero(rows.kinds == ARRAY)
    of_fold = np.empty(len(heads), dtype=np.int64)
    of_fold[rows.fold[heads]] = rank[heads]
    rank[below] = of_fold[rows.fold[below]]
    return np.lexsort([*keys, below, rank])


def _sort_keys(rows: Rows, column: str, descending: bool) -> list[np.ndarray]:
    """Keys for lexsort, the weightiest last."""
    sign = -1.0 if descending else 1.0
    if column != "expected_at":
        return [sign * _ranks(rows, column)]
    expected, waited = _ranks(rows, column), _ranks(rows, "waited_seconds")
    over = np.isin(rows.table.columns["state"][rows.jobs], list(ENDED))
    kind = np.where(over, 2, np.where(np.isnan(expected), 1, 0))
    return [np.choose(kind, [sign * expected, -waited, -expected]), kind]


def _ranks(rows: Rows, column: str) -> np.ndarray:
    table, folds = rows.table, rows.folds
    ranks = table.rank(column)[rows.jobs]
    heads = np.flatnonzero(rows.kinds == ARRAY)
    of_fold = rows.fold[heads]
    if column in folds.numbers:
        ranks[heads] = folds.numbers[column][of_fold]
    elif column == "expects":
        ranks[heads] = folds.expects[of_fold]
    elif column in _OF_WHY:
        ranks[heads] = table.rank(column)[folds.whys][of_fold]
    elif column in ("key", "id", "array_id"):
        ranks[heads] = table.rank(column)[folds.first][of_fold]
    return ranks


def window(rows: Rows, order: np.ndarray, columns: Collection[str] = SHOWN) -> dict[str, list[Any]]:
    """The columns of the rows at the places `order`: str, int, or None where not told."""
    jobs, kinds = rows.jobs[order], rows.kinds[order]
    heads = np.flatnonzero(kinds == ARRAY)
    folds = rows.fold[order][heads]
    return {
        column: _texts(rows, column, jobs, kinds, heads, folds)
        if column in TEXTS
        else _numbers(rows, column, jobs, heads, folds)
        for column in columns
    }


def _numbers(rows: Rows, column: str, jobs: np.ndarray, heads: np.ndarray, folds: np.ndarray) -> list[int | None]:
    values = rows.table.numbers_of(column, jobs).astype(np.float64)
    if column in rows.folds.numbers:
        values[heads] = rows.folds.numbers[column][folds]
    return [None if value != value else int(value) for value in values.tolist()]


def _texts(
    rows: Rows, column: str, jobs: np.ndarray, kinds: np.ndarray, heads: np.ndarray, folds: np.ndarray
) -> list[str | None]:
    table = rows.table
    if column == "kind":
        return [_KINDS[kind] for kind in kinds.tolist()]
    texts: list[str | None] = table.texts_of(column, jobs).tolist()
    arrays = rows.folds.arrays[folds]
    if column == "key":
        of_arrays = [table.arrays[array] for array in arrays.tolist()]
    elif column == "id":
        of_arrays = table.columns["array_id"][jobs[heads]].tolist()
    elif column == "name":
        of_arrays = [_without_index(texts[head], table.columns["id"][jobs[head]]) for head in heads.tolist()]
    elif column == "expects":
        of_arrays = [EXPECTS[what] for what in rows.folds.expects[folds].tolist()]
    elif column in _OF_WHY:
        of_arrays = table.texts_of(column, rows.folds.whys[folds]).tolist()
    else:
        return texts
    for head, text in zip(heads.tolist(), of_arrays, strict=True):
        texts[head] = text
    return texts


def _without_index(name: str | None, task: str) -> str | None:
    """The array's name, where a scheduler puts the index behind it: `sweep-3` of task `12[3]` is `sweep`."""
    index = task.partition("[")[2].partition("]")[0]
    return name.removesuffix(f"-{index}") if name and index else name
