"""Counts what jobs did, by bucket and cut: exactly from their lives, or from sums over whole months. Pure.

What a measure means stands in MEASURES. Both ways give float64 arrays of shape (rows of the cut, buckets).
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from collector.columns import Numbers
from collector.lives import Columns, Stretches, count, runs, spread, waits
from collector.sums import SUMMED, ended_values
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
_ENDED = frozenset(
    {"ended", "exited", "failed", "cpu_used", "cpu_core_seconds", "walltime_used_seconds", "walltime_asked_seconds"}
)


def columns_for(names: Collection[str], by: str | None, filters: Filters) -> set[str]:
    """The columns of jobs that counting these measures takes."""
    needed = {COLUMNS[cut] for cut in (by, *filters) if cut is not None} - {"cluster"} | {"queue", "cores", "gpus"}
    if "start_wait_seconds" in names:
        needed.add("wait")
    if _ENDED & set(names):
        needed.add("outcome")
    if {"cpu_used", "cpu_core_seconds"} & set(names):
        needed.add("cpu_used")
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
            some = _in_queues(stretches(jobs, lives.spans), queues)
            where = cut.of_stretches(rows, some.job, some.queue)
            for name in kinds.keys() & set(names):
                weights = None if kinds[name] is None else getattr(some, kinds[name])
                found[name] = spread(where, some.since, some.until, weights, edges, cut.size)
    if queues is not None:
        mine = has_key(jobs["queue"], queues)
        jobs, rows = {name: numbers[mine] for name, numbers in jobs.items()}, rows[mine]
    started = jobs["ended"] - np.maximum(jobs["ran"], 0)
    began = jobs["ran"] >= 0
    if "submitted" in names:
        found["submitted"] = count(rows, started - jobs["queued"], None, edges, cut.size)
    if "started" in names:
        found["started"] = count(rows[began], started[began], None, edges, cut.size)
    if "start_wait_seconds" in names:
        found["start_wait_seconds"] = count(rows[began], started[began], jobs["wait"][began], edges, cut.size)
    if _ENDED & set(names):
        told = _ended(jobs, names)
        for name in _ENDED & set(names):
            found[name] = count(rows, jobs["ended"], told[name], edges, cut.size)
    return found


def monthly(sums: Columns, cut: Cut, edges: Numbers, names: Collection[str], filters: Filters) -> dict[str, Numbers]:
    """The same from Gatherer.sums(); `edges` are those of UTC months."""
    kept = matching(sums, filters)
    rows = cut.of_jobs(sums)
    month = sums["month"] - int(edges[:1].astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)[0])
    buckets = len(edges) - 1
    inside = (month >= 0) & (month < buckets)
    if kept is not None:
        inside &= kept
    place = rows[inside] * buckets + month[inside]
    return {
        name: np.bincount(place, weights=sums[name][inside], minlength=cut.size * buckets).reshape(cut.size, buckets)
        for name in names
    }


def _ended(jobs: Columns, names: Collection[str]) -> Columns:
    """ended_values(), of columns that are not there as if nobody told them: their measures are not asked for."""
    untold = np.full_like(jobs["ended"], -1)
    columns = {name: jobs.get(name, untold) for name in ("cpu_used", "walltime", "walltime_used")}
    told = ended_values({**columns, **{name: jobs[name] for name in ("ran", "outcome", "cores")}})
    return {name: numbers for name, numbers in told.items() if name in names}


def _in_queues(some: Stretches, queues: Collection[int] | None) -> Stretches:
    if queues is None:
        return some
    mine = has_key(some.queue, queues)
    return Stretches(*[getattr(some, name)[mine] for name in Stretches.__slots__])
