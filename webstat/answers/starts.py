"""When jobs in tables and lists start: our own range for those that are queued and of which their scheduler foretells nothing.

As of each cluster's report, rounded like all that is estimated. How it is foretold is forecast.py's.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor

import numpy as np
import pandas as pd

from webstat.answers.forecast import Forecast, foretell, past_of
from webstat.data import jobs as data
from webstat.data.jobcolumns import EXPECTS, REASONS, STATES
from webstat.data.jobrows import ARRAY, Rows
from webstat.data.jobtable import Table
from webstat.data.source import Source
from webstat.format import range_step
from webstat.health import Cluster, health
from webstat.reasons import KINDS

NAMES = ("starts_from", "starts_by", "similar")
Start = tuple[int | None, int, int]
"""From and by when half and nine tenths of so many similar jobs start, unix seconds; from None where that is at once."""

_KINDS = {REASONS.index(title): kind for kind, title in KINDS.items()}
_QUEUED = STATES.index("queued")


def starts(
    source: Source, clusters: Sequence[Cluster], rows: Rows, order: np.ndarray, now: float
) -> dict[str, list[int | None]]:
    """NAMES of the rows of the jobs table at the places `order`, None where nothing is foretold. Raises StoreEmpty, StoreBroken.

    Of an array it is the task whose reason to wait the row tells. Of clusters that do not answer nothing is foretold.
    """
    columns = rows.table.columns
    jobs, heads = rows.jobs[order].copy(), rows.kinds[order] == ARRAY
    folds = rows.fold[order][heads]
    jobs[heads] = rows.folds.whys[folds]
    expects = columns["expects"][jobs].copy()
    expects[heads] = rows.folds.expects[folds]
    found = _starts(source, clusters, rows.table, jobs, expects, now)
    return {name: [None if one is None else one[place] for one in found] for place, name in enumerate(NAMES)}


def starts_of(source: Source, clusters: Sequence[Cluster], some: pd.DataFrame, now: float) -> dict[str, Start]:
    """The same of rows of data.jobs.current(), by their keys. Raises StoreEmpty, StoreBroken."""
    table = data.table(source, clusters, now)
    some = some[some.index < len(table)]
    places = some.index.to_numpy()
    found = _starts(source, clusters, table, places, table.columns["expects"][places], now)
    # A report that came meanwhile may have moved them.
    there = table.texts_of("key", places) == some["key"].to_numpy()
    return {key: one for key, one, same in zip(some["key"], found, there, strict=True) if one is not None and same}


def _starts(
    source: Source, clusters: Sequence[Cluster], table: Table, jobs: np.ndarray, expects: np.ndarray, now: float
) -> list[Start | None]:
    """Of the jobs at these places of the table."""
    columns = table.columns
    known = {one.name: one for one in clusters if not health(one, now).stale}
    found: list[Start | None] = [None] * len(jobs)
    for row in np.flatnonzero((columns["state"][jobs] == _QUEUED) & (expects == EXPECTS.index(""))).tolist():
        cluster = known.get(table.clusters[columns["cluster"][jobs[row]]])
        if cluster is not None:
            found[row] = _start(source, cluster, table, int(jobs[row]))
    return found


def _start(source: Source, cluster: Cluster, table: Table, job: int) -> Start | None:
    """Of a job at a place of the table: made once a report."""
    columns = table.columns
    made = source.remember(("starts", cluster.id, cluster.report), dict[str, Start | None])
    ident = columns["id"][job]
    if ident not in made:
        at, walltime = cluster.taken_at or 0.0, columns["walltime_seconds"][job]
        told = foretell(
            past_of(source, cluster),
            queue=table.words[columns["queue"][job]] or "",
            cores=int(columns["cores"][job]),
            gpus=int(columns["gpus"][job]),
            walltime_seconds=None if np.isnan(walltime) else float(walltime),
            now=at,
            waited_seconds=max(0.0, at - float(columns["since"][job])),
            reason=_KINDS[int(columns["reason"][job])],
        )
        made[ident] = _rounded(told, at) if isinstance(told, Forecast) else None
    return made[ident]


def _rounded(told: Forecast, at: float) -> Start:
    first, last = range_step(told.p50_seconds), range_step(told.p90_seconds)
    since = floor((at + told.p50_seconds) / first) * first
    until = ceil((at + told.p90_seconds) / last) * last
    return (since if at < since < until else None), until, told.similar
