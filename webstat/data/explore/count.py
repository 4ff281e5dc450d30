"""Counts what jobs did, by bucket and cut: exactly from their lives, or from sums over whole months. Pure.

What a measure means stands in MEASURES. Both ways give float64 arrays of shape (rows of the cut, buckets).
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from collector.columns import Numbers
from collector.lives import Columns, counts, month_number, runs, spread, waits
from collector.sums import ENDED, SUMMED, ended_values
from webstat.data.explore.cut import COLUMNS, Cut, has_key, matching
from webstat.data.explore.shapes import Filters, Lives

MEASURES = {
    "core_seconds": "cores x seconds run",
    "gpu_seconds": "GPUs x seconds run",
    "run_seconds": "seconds run, added up over jobs",
    "queued_seconds": "seconds waited, added up over jobs",
    "queued_core_seconds": "cores asked for x seconds waited",
    "start_wait_seconds": "waits of the jobs that started, from when they were eligible",
    "submitted": "jobs submitted",
    "started": "jobs started",
    "ended": "jobs ended",
    "exited": "jobs that ended and told an exit status",
    "failed": "of those, jobs whose exit status is not 0",
    "cpu_used": "processor seconds used by jobs that ended and tell it",
    "cpu_core_seconds": "cores x seconds run of those jobs",
    "walltime_used_seconds": "walltime used by jobs that ended and tell it and what they asked for",
    "walltime_asked_seconds": "walltime that those jobs asked for",
}
assert set(MEASURES) == set(SUMMED)

_RUNS = {"core_seconds": "cores", "gpu_seconds": "gpus", "run_seconds": None}
_WAITS = {"queued_core_seconds": "cores", "queued_seconds": None}


def columns_for(names: Collection[str], by: str | None, filters: Filters) -> set[str]:
    """The columns of jobs that counting these measures takes."""
    needed = {COLUMNS[cut] for cut in (by, *filters) if cut is not None} - {"cluster"}
    if {"core_seconds", "queued_core_seconds"} & set(names):
        needed.add("cores")
    if "gpu_seconds" in names:
        needed.add("gpus")
    if "start_wait_seconds" in names:
        needed.add("wait")
    if not set(ENDED).isdisjoint(names):
        needed.add("outcome")
    if {"cpu_used", "cpu_core_seconds"} & set(names):
        needed |= {"cpu_used", "cores"}
    if {"walltime_used_seconds", "walltime_asked_seconds"} & set(names):
        needed |= {"walltime", "walltime_used"}
    return needed


def narrowed(lives: Lives, filters: Filters) -> Lives:
    """The jobs that filters keep. A filter by queue is left to counting: a job may have been in several."""
    kept = matching(lives.jobs, {by: keys for by, keys in filters.items() if by != "queue"})
    if kept is None or kept.all():
        return lives
    jobs = {name: numbers[kept] for name, numbers in lives.jobs.items()}
    chosen = kept[lives.spans["job"]]
    spans = {name: numbers[chosen] for name, numbers in lives.spans.items()}
    spans["job"] = (np.cumsum(kept) - 1)[spans["job"]]
    return Lives(jobs, spans)


def measures(lives: Lives, cut: Cut, edges: Numbers, names: Collection[str], filters: Filters) -> dict[str, Numbers]:
    """Measure -> its array, to the second; `lives` are those of narrowed() with the columns of columns_for()."""
    jobs, found = lives.jobs, {}
    rows = cut.of_jobs(jobs)
    queues = filters.get("queue")
    for kinds, stretches in ((_RUNS, runs), (_WAITS, waits)):
        if kinds.keys() & set(names):
            some = stretches(jobs, lives.spans)
            if queues is not None:
                some = some.chosen(has_key(some.of("queue"), queues))
            where = rows[some.job] if cut.by != "queue" else cut.rows[some.of("queue")]
            for name in kinds.keys() & set(names):
                column = kinds[name]
                weights = None if column is None else some.of(column)
                found[name] = spread(where, some.since, some.until, weights, edges, cut.size)
    if queues is not None:
        mine = has_key(jobs["queue"], queues)
        jobs, rows = {name: numbers[mine] for name, numbers in jobs.items()}, rows[mine]
    started, wanted = jobs["ended"] - np.maximum(jobs["ran"], 0), set(names)
    if "submitted" in wanted:
        found |= counts(rows, started - jobs["queued"], {"submitted": None}, edges, cut.size)
    if wanted & {"started", "start_wait_seconds"}:
        began = jobs["ran"] >= 0
        values = {"started": None, "start_wait_seconds": jobs["wait"][began] if "wait" in jobs else None}
        some_values = {name: values[name] for name in values.keys() & wanted}
        found |= counts(rows[began], started[began], some_values, edges, cut.size)
    if not wanted.isdisjoint(ENDED):
        values = ended_values(jobs, [name for name in ENDED if name in wanted])
        found |= counts(rows, jobs["ended"], values, edges, cut.size)
    return found


def monthly(rows: Numbers, sums: Columns, edges: Numbers, names: Collection[str], size: int) -> dict[str, Numbers]:
    """The same from Gatherer.sums() or ready(), of which `rows` are those of the cut, -1 for what is left out.

    `edges` are those of UTC months, or of several together.
    """
    bucket = month_buckets(sums["month"], edges)
    buckets = len(edges) - 1
    inside = np.flatnonzero((bucket >= 0) & (rows >= 0))
    place = rows[inside] * buckets + bucket[inside]
    return {
        name: np.bincount(place, weights=sums[name][inside], minlength=size * buckets).reshape(size, buckets)
        for name in names
    }


def month_buckets(months: Numbers, edges: Numbers) -> Numbers:
    """The bucket of each month (since 1970); -1 of those outside. `edges` are those of UTC months, or several together."""
    starts, end = month_number(edges[:-1]), int(month_number(edges[-1:] - 1)[0]) + 1
    found = np.searchsorted(starts, months, side="right") - 1
    return np.where(months < end, found, -1)
