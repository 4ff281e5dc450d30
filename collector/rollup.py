"""Job and node spans -> usage and capacity of buckets. Pure; the same spans give the same rows.

Waits are counted in the bucket in which the job started, from when it became eligible (from its
submission, where the scheduler does not tell eligibility).
"""

from __future__ import annotations

import numpy as np

from collector.columns import Numbers
from collector.lives import HOLDS, WAITS, Columns, counts, spread

HOUR = 3600
DAY = 86400

USAGE_KEY = ("queue_id", "user_id", "group_id")
"""group_id is 0 where the scheduler names no group."""

JOB_SPAN = (*USAGE_KEY, "state", "since", "until", "cores", "gpus")
"""Columns of one stretch of a job's life; `until` may be OPEN."""

JOB_TIMES = (*USAGE_KEY, "submitted_at", "eligible_at", "started_at", "ended_at")
"""When a job was submitted, became eligible, started and ended; NaN where it has not or is not told."""

NODE_SPAN = ("state", "since", "until", "cores", "gpus")


def hour_of(second: int) -> int:
    """First second of the (UTC) hour that `second` is in."""
    return second - second % HOUR


def day_of(second: int) -> int:
    """First second of the (UTC) day that `second` is in."""
    return second - second % DAY


def usage(spans: Columns, times: Columns, edges: Numbers, end: int) -> Columns:
    """JOB_SPAN and JOB_TIMES -> the rows of usage in the buckets between `edges`; spans are cut at their edges.

    `end` is the time of the newest report: beyond it nothing is known, and open spans are cut there. Gives
    columns of int64: bucket (its first second), USAGE_KEY, and sums, of which at least one is not 0.
    """
    keys = np.concatenate([np.stack([rows[name] for name in USAGE_KEY], axis=1) for rows in (spans, times)])
    keys, places = np.unique(keys, axis=0, return_inverse=True)
    places = places.reshape(-1)
    of_span, of_job = places[: len(spans["since"])], places[len(spans["since"]) :]
    sums: Columns = {}
    for name, states, size in (
        ("core_seconds", HOLDS, "cores"),
        ("gpu_seconds", HOLDS, "gpus"),
        ("waited_core_seconds", WAITS, "cores"),
    ):
        some = np.flatnonzero(states[spans["state"].astype(np.int64)])
        until = np.minimum(spans["until"][some], end)
        sums[name] = spread(of_span[some], spans["since"][some], until, spans[size][some], edges, len(keys))
    eligible = np.where(np.isnan(times["eligible_at"]), times["submitted_at"], times["eligible_at"])
    waits = np.maximum(times["started_at"] - eligible, 0)
    for moment, values in (
        ("submitted_at", {"submitted": None}),
        ("started_at", {"started": None, "wait_seconds": waits}),
        ("ended_at", {"ended": None}),
    ):
        at = np.where(times[moment] < end, times[moment], edges[-1])  # which is in no bucket
        sums |= counts(of_job, at, values, edges, len(keys))
    rows = _rows(sums, edges)
    line = rows.pop("line")
    return {**{name: keys[line, place].astype(np.int64) for place, name in enumerate(USAGE_KEY)}, **rows}


def capacity(spans: Columns, edges: Numbers, end: int) -> Columns:
    """NODE_SPAN -> the rows of installed capacity, as usage(): bucket, state, core, GPU and node seconds."""
    states = spans["state"].astype(np.int64)
    until = np.minimum(spans["until"], end)
    size = int(states.max(initial=-1)) + 1
    weights = {"core_seconds": spans["cores"], "gpu_seconds": spans["gpus"], "node_seconds": None}
    sums = {name: spread(states, spans["since"], until, weight, edges, size) for name, weight in weights.items()}
    rows = _rows(sums, edges)
    return {"state": rows.pop("line"), **rows}


def _rows(sums: Columns, edges: Numbers) -> Columns:
    """Tables of (line, bucket) -> columns: line, bucket, and all sums where one of them is not 0; by bucket, then line."""
    place, line = np.nonzero(sum(np.rint(table) != 0 for table in sums.values()).T)
    columns = {"line": line, "bucket": edges[place]}
    columns |= {name: np.rint(table[line, place]) for name, table in sums.items()}
    return {name: numbers.astype(np.int64) for name, numbers in columns.items()}
