"""What jobs of one kind did, month by month: sums for questions over years. Pure.

A month's sums are made with its columns (history.py) from the same jobs, and lie in columns too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np

from collector.columns import Numbers
from collector.lives import COMPLETED, FAILED, LIVES, Columns, Stretches, month_number, runs, waits

SUM_KEYS = ("back", "user", "group", "account", "queue", "size", "walltime_class", "outcome")
"""What jobs summed together have in common; `back` is how many months before the jobs' end the sum is of."""

SUMMED = (
    "core_seconds", "gpu_seconds", "run_seconds", "queued_seconds", "queued_core_seconds", "start_wait_seconds",
    "submitted", "started",
    "ended", "exited", "failed",
    "cpu_used", "cpu_core_seconds", "walltime_used_seconds", "walltime_asked_seconds",
)  # fmt: skip
"""See webstat's definitions; those from `ended` on are of jobs that ended."""

ENDED = SUMMED[SUMMED.index("ended") :]
"""What ended_values() tells."""

CUTS = ("user", "group", "account", "queue", "size", "walltime_class", "outcome")
"""Keys by which sums are kept ready, each alone; `kind` of their columns."""

PAIR = "pair"
"""Kind of what is kept ready by queue and size together."""

SPREAD_BY = ("wait", "slowdown")

READY = ("back", "key", *SUMMED)
SPREAD = ("back", "key", "class", "jobs")
"""What the rows of the columns `sums`, `wait` and `slowdown` of such a kind are."""


def by_cut(whole: Columns, cut: str) -> Numbers:
    """sums() by one of CUTS alone; a row each of READY."""
    added = _added_up({"back": whole["back"], "key": whole[cut]}, {name: whole[name] for name in SUMMED})
    return np.stack([added[name] for name in READY])


def spread_by(jobs: Columns, month: int, cut: str, what: str) -> Numbers:
    """How `wait` or `slowdown` is distributed by one of CUTS, or by PAIR: a row each of SPREAD.

    How many jobs are in each class, and how many months before the one that begins at `month`. Waits count where the
    job started, slowdowns where it ended. A PAIR's key is the queue x 16 + the size.
    """
    key = jobs["queue"] * 16 + jobs["size"] if cut == PAIR else jobs[cut]
    back = int(month_number(np.array([month]))[0]) - month_number(jobs["ended"] + month)
    if what == "wait":
        back = back + jobs["started_back"]
    some = np.flatnonzero((jobs[f"{what}_class"] >= 0) & ((what == "wait") | (jobs["outcome"] != LIVES)))
    keys = {"back": back[some], "key": key[some], "class": jobs[f"{what}_class"][some]}
    counted = _added_up(keys, {"jobs": np.ones(len(some), dtype=np.int64)})
    return np.stack([counted[name] for name in SPREAD])


def sums(jobs: Columns, spans: Columns, month: int) -> Columns:
    """pack_columns() of a month -> SUM_KEYS and SUMMED: what jobs of one kind did in each month until that one.

    The jobs may have ended before it, not after it.
    """
    last = int(month_number(np.array([month]))[0])
    rows = [_usage(jobs, runs(jobs, spans), month, last, ("core_seconds", "gpu_seconds", "run_seconds"))]
    rows.append(_usage(jobs, waits(jobs, spans), month, last, ("queued_core_seconds", "", "queued_seconds")))
    everyone = np.arange(len(jobs["ended"]))
    begun = np.flatnonzero(jobs["ran"] >= 0)
    submitted = jobs["ended"] - np.maximum(jobs["ran"], 0) - jobs["queued"]
    one = np.ones_like(jobs["ended"])
    rows.append(_moments(jobs, everyone, month_number(submitted + month), last, {"submitted": one}))
    started = {"started": one, "start_wait_seconds": jobs["wait"]}
    rows.append(_moments(jobs, begun, month_number((jobs["ended"] - jobs["ran"])[begun] + month), last, started))
    rows.append(_moments(jobs, everyone, month_number(jobs["ended"] + month), last, ended_values(jobs)))
    return _added(rows)


def ended_values(jobs: Columns, names: Collection[str] = ENDED) -> Columns:
    """What each job counts when it ends: ended, exited and failed (true or not), and what its efficiency is told from.

    cpu_used and cpu_core_seconds are of jobs that tell their processor time, walltime_* of those that tell both.
    Jobs that live count nothing. `names` are those of ENDED to make.
    """
    outcome = jobs["outcome"]
    ended = outcome != LIVES

    def cpu() -> Numbers:
        told: Numbers = (jobs["cpu_used"] >= 0) & (jobs["ran"] > 0) & ended
        return told

    def walltime() -> Numbers:
        told: Numbers = (jobs["walltime"] > 0) & (jobs["walltime_used"] >= 0) & ended
        return told

    made: dict[str, Callable[[], Numbers]] = {
        "ended": lambda: ended,
        "exited": lambda: (outcome == COMPLETED) | (outcome == FAILED),
        "failed": lambda: outcome == FAILED,
        "cpu_used": lambda: jobs["cpu_used"] * cpu(),
        "cpu_core_seconds": lambda: jobs["cores"].astype(np.int64) * jobs["ran"] * cpu(),
        "walltime_used_seconds": lambda: jobs["walltime_used"].astype(np.int64) * walltime(),
        "walltime_asked_seconds": lambda: jobs["walltime"].astype(np.int64) * walltime(),
    }
    return {name: made[name]() for name in names}


def _usage(jobs: Columns, found: Stretches, month: int, last: int, names: tuple[str, str, str]) -> Columns:
    """Core, GPU and plain seconds of stretches, month by month."""
    first = month_number(found.since + month)
    parts = []
    for number in range(int(first.min()) if len(first) else last, last + 1):
        start, end = (int(np.datetime64(n, "M").astype("datetime64[s]").astype(np.int64)) for n in (number, number + 1))
        seconds = np.minimum(found.until + month, end) - np.maximum(found.since + month, start)
        some = np.flatnonzero(seconds > 0)
        values = {names[0]: found.of("cores") * seconds, names[1]: found.of("gpus") * seconds, names[2]: seconds}
        part = _moments(jobs, found.job[some], np.full(len(some), number), last, {})
        part |= {name: numbers[some] for name, numbers in values.items() if name}
        part["queue"] = found.of("queue")[some]
        parts.append(part)
    return _joined(parts)


def _moments(jobs: Columns, chosen: Numbers, months: Numbers, last: int, values: Columns) -> Columns:
    """Keys of the chosen jobs, with values that each adds in the month named."""
    keys = {name: jobs[name][chosen] for name in SUM_KEYS if name != "back"}
    return {"back": last - months, **keys, **{name: numbers[chosen] for name, numbers in values.items()}}


def _joined(parts: list[Columns]) -> Columns:
    """Rows one after the other; sums that a part does not have are 0 in it."""
    names = (*SUM_KEYS, *SUMMED)
    zeros = [np.zeros_like(part["back"]) for part in parts]
    return {
        name: np.concatenate([part.get(name, zero) for part, zero in zip(parts, zeros, strict=True)]) for name in names
    }


def _added(parts: list[Columns]) -> Columns:
    """One row for each set of keys."""
    rows = _joined(parts)
    return _added_up({name: rows[name] for name in SUM_KEYS}, {name: rows[name] for name in SUMMED})


def _added_up(keys: Columns, values: Columns) -> Columns:
    """One row for each set of keys, with the sums of the values."""
    code = np.zeros(len(keys["back"]), dtype=np.int64)
    for numbers in keys.values():
        distinct, number = np.unique(numbers, return_inverse=True)
        code = code * max(1, len(distinct)) + number
        _, code = np.unique(code, return_inverse=True)  # so that it never overflows
    _, first, code = np.unique(code, return_index=True, return_inverse=True)
    added = {name: numbers[first] for name, numbers in keys.items()}
    for name, numbers in values.items():
        added[name] = np.bincount(code, weights=numbers, minlength=len(first)).astype(np.int64)
    return added
