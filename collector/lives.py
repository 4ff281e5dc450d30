"""Jobs by columns: what of a job history is counted from, and how seconds are shared out over time. Pure.

Rows become columns here, for the packed months (history.py) as for what is not packed yet (webstat reads that
itself). How a column lies in bytes is columns.py's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from agent.states import HOLDS_CORES, IS_PENDING, JobState
from collector.columns import Numbers
from collector.schema import JOB_STATES, OPEN

NONE = -1
"""Of a duration that is not told."""

ESTIMATED, IRREGULAR, TASK = 1, 2, 4
"""Bits of `flags`: its end lies between two polls; its spans are told one by one; it is an array's."""

SIZES = (1, 8, 32, 128, 512)
"""Most cores of each size class; what has more is in one more class."""

WALLTIMES = (3600, 4 * 3600, 12 * 3600, 24 * 3600, 3 * 86400, 7 * 86400)
"""Longest walltime asked for of each class; then come those that ask for more, and for none."""
NO_WALLTIME = len(WALLTIMES) + 1

UNTOLD, COMPLETED, FAILED, NEVER_RAN, LIVES = range(5)
"""`outcome`: it ran, and no exit status is told; exit status 0; another one; it ended without having run; it lives."""

CLASS_STEP = 0.04
"""`wait_class` and `slowdown_class` are logarithms in these steps: a class's middle is within 2 % of all in it."""

SHORT_RUN_SECONDS = 600
"""Bounded slowdown takes shorter runs for this long: (wait + run) ÷ max(run, 10 min), at least 1."""

MOST = 2**31 - 1
"""Of cores or GPUs: who asks for more has mistyped, and must not keep a month from being packed."""

JOBS, SPANS, SUMS = "jobs", "spans", "sums"
"""Kinds of columns: one element stands for a job, for a span of an irregular job, for what jobs of one kind come to."""

JOB_ROW = (
    "id", "submitted_at", "eligible_at", "started_at", "ended_at", "user_id", "group_id", "account_id", "queue_id",
    "cores", "gpus", "walltime_seconds", "walltime_used_seconds", "cpu_used_seconds", "exit_status",
    "ended_estimated", "implied",
)  # fmt: skip
"""Columns of `job` that job_columns() takes, beside `task`: whether it is an array's."""

SPAN_ROW = ("job_id", "since", "until", "state", "queue_id", "cores", "gpus")
"""Columns of `job_span`, of those of these jobs that are told, each job's by time."""

HOLDS = np.array([state in HOLDS_CORES for state in JOB_STATES])
WAITS = np.array([state in IS_PENDING for state in JOB_STATES])
"""Of an index into JOB_STATES: whether cores are held, whether it is waited for them."""

_QUEUED, _RUNNING = JOB_STATES.index(JobState.QUEUED), JOB_STATES.index(JobState.RUNNING)

Columns = dict[str, Numbers]


def by_column(names: tuple[str, ...], rows: Any) -> Columns:
    """Rows of a query as float64 columns; NaN where not told."""
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    return {name: np.array(values, dtype=np.float64) for name, values in zip(names, columns, strict=True)}


def pack_columns(jobs: Columns, spans: Columns, base: int, known_until: int = 0) -> tuple[Columns, Columns]:
    """JOB_ROW and SPAN_ROW -> columns of jobs, and of the spans of those that were irregular; times less `base`.

    Jobs that live are as if they ended at `known_until`, but for their outcome.

    Of jobs: ended, ran (seconds from start to end, NONE where it did not start), queued (from
    submission to start, or to the end of one that never ran), wait (from when it was eligible to its start, or NONE),
    walltime, walltime_used, cpu_used (NONE where not told), cores, gpus, user, group, account, queue (ids of words, 0
    for none), flags, size, walltime_class, outcome, and for sums over years wait_class, slowdown_class (NONE where it
    did not start) and started_back (months between start and end). Of spans: job (position), since, until, state,
    queue, cores, gpus. All int64.
    """
    lives = np.isnan(jobs["ended_at"])
    latest = np.fmax(np.fmax(jobs["submitted_at"], jobs["started_at"]), known_until)
    jobs = {**jobs, "ended_at": np.where(lives, latest, jobs["ended_at"])}
    spans = {
        **spans,
        "until": np.where(spans["until"] == OPEN, np.maximum(known_until, spans["since"]), spans["until"]),
    }
    places = _places(jobs, spans)
    odd = _irregular(jobs, spans, places)
    return _job_columns(jobs, odd, lives, base), _span_columns(spans, places, odd[places], base)


def regular(jobs: Columns, spans: Columns) -> Numbers:
    """Of each ended job of JOB_ROW, whether its times imply all its spans, those of SPAN_ROW."""
    return ~_irregular(jobs, spans, _places(jobs, spans))


def month_of(second: int) -> int:
    """First second of the (UTC) month that `second` is in."""
    day = datetime.fromtimestamp(second, UTC)
    return int(datetime(day.year, day.month, 1, tzinfo=UTC).timestamp())


def month_after(month: int) -> int:
    """First second of the month after the one that begins at `month`."""
    return month_of(month + 32 * 86400)


def month_number(seconds: Numbers) -> Numbers:
    """Months since 1970 of unix seconds, by UTC."""
    return seconds.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)


def value_of_class(number: Numbers) -> Numbers:
    """The middle of a class; 0 for class 0."""
    return np.expm1(number * CLASS_STEP)


def _class_of(value: Numbers) -> Numbers:
    return np.rint(np.log1p(np.maximum(value, 0)) / CLASS_STEP)


def _places(jobs: Columns, spans: Columns) -> Numbers:
    """Position of each span's job among the jobs."""
    order = np.argsort(jobs["id"])
    return order[np.searchsorted(jobs["id"], spans["job_id"], sorter=order)]


def _irregular(jobs: Columns, spans: Columns, places: Numbers) -> Numbers:
    """Which jobs have other spans than those that their times tell."""
    submitted, begun, ended = jobs["submitted_at"], _begun(jobs), jobs["ended_at"]
    told = (begun > submitted).astype(np.int64) + (ended > begun) * ~np.isnan(jobs["started_at"])
    odd: Numbers = np.bincount(places, minlength=len(told)) != told
    queued, running = spans["state"] == _QUEUED, spans["state"] == _RUNNING
    same = queued | running
    for name in ("queue_id", "cores", "gpus"):
        same &= spans[name] == jobs[name][places]
    same &= spans["since"] == np.where(queued, submitted[places], begun[places])
    same &= spans["until"] == np.where(queued, begun[places], ended[places])
    odd[places[~same]] = True
    return odd & ~(jobs["implied"] > 0)


def _begun(jobs: Columns) -> Numbers:
    """When a job left the queue: its start, or the end of one that never ran, or that clocks say started later."""
    return np.fmin(jobs["started_at"], jobs["ended_at"])


def _job_columns(jobs: Columns, odd: Numbers, lives: Numbers, base: int) -> Columns:
    submitted, ended = jobs["submitted_at"], jobs["ended_at"]
    asked, status, never = jobs["walltime_seconds"], jobs["exit_status"], np.isnan(jobs["started_at"])
    started = np.where(never, np.nan, _begun(jobs))
    ran = ended - started
    eligible = np.where(np.isnan(jobs["eligible_at"]), submitted, jobs["eligible_at"])
    wait = np.maximum(started - eligible, 0)
    slowdown = np.maximum((wait + ran) / np.maximum(ran, SHORT_RUN_SECONDS), 1)
    outcome = np.select(
        [lives, never, np.isnan(status), status == 0], [LIVES, NEVER_RAN, UNTOLD, COMPLETED], default=FAILED
    )
    columns = {
        "ended": ended - base,
        "ran": _told(ran, NONE),
        "queued": _begun(jobs) - submitted,
        "wait": _told(wait, NONE),
        "wait_class": np.where(never, NONE, _class_of(np.where(never, 0, wait))),
        "slowdown_class": np.where(never, NONE, _class_of(np.where(never, 1, slowdown))),
        "started_back": np.where(never, 0, month_number(ended) - month_number(np.where(never, ended, started))),
        "walltime": _told(asked, NONE),
        "walltime_used": _told(jobs["walltime_used_seconds"], NONE),
        "cpu_used": _told(jobs["cpu_used_seconds"], NONE),
        "cores": np.minimum(jobs["cores"], MOST),
        "gpus": np.minimum(jobs["gpus"], MOST),
        "flags": odd * IRREGULAR + (jobs["ended_estimated"] > 0) * ESTIMATED + (jobs["task"] > 0) * TASK,
        "size": np.searchsorted(SIZES, jobs["cores"]),
        "walltime_class": np.where(np.isnan(asked), NO_WALLTIME, np.searchsorted(WALLTIMES, asked)),
        "outcome": outcome,
    }
    columns |= {name: _told(jobs[f"{name}_id"], 0) for name in ("user", "group", "account", "queue")}
    return {name: numbers.astype(np.int64) for name, numbers in columns.items()}


def _span_columns(spans: Columns, places: Numbers, chosen: Numbers, base: int) -> Columns:
    columns = {"job": places, "since": spans["since"] - base, "until": spans["until"] - base}
    columns |= {"state": spans["state"], "queue": spans["queue_id"]}
    columns |= {name: np.minimum(spans[name], MOST) for name in ("cores", "gpus")}
    return {name: numbers[chosen].astype(np.int64) for name, numbers in columns.items()}


def _told(numbers: Numbers, otherwise: int) -> Numbers:
    return np.where(np.isnan(numbers), otherwise, numbers)


def spread(
    rows: Numbers, since: Numbers, until: Numbers, weights: Numbers | None, edges: Numbers, size: int
) -> Numbers:
    """Share stretches [since, until) out over the buckets between `edges`: float64 of shape (size, len(edges) - 1).

    Each stretch adds its seconds in a bucket, times its weight, to the line that `rows` names (0 ... size - 1). What
    lies outside the edges counts nowhere. Exact as long as sums stay below 2^53.
    """
    buckets = len(edges) - 1
    since, until = np.maximum(since, edges[0]), np.minimum(until, edges[-1])
    touches = np.flatnonzero(until > since)  # positions: numpy takes by them much faster than by truth
    if len(touches) < len(since):
        rows, since, until = rows[touches], since[touches], until[touches]
        weights = None if weights is None else weights[touches]
    first, last = bucket_of(edges, since), bucket_of(edges, until - 1)
    length = size * buckets
    # Most begin and end in the same bucket.
    whole_in_one = first == last
    one = np.flatnonzero(whole_in_one)
    seconds = until[one] - since[one]
    if weights is not None:
        seconds = seconds * weights[one]
    within = np.bincount(rows[one] * buckets + first[one], weights=seconds, minlength=length)
    more = np.flatnonzero(~whole_in_one)
    rows, since, until, first, last = rows[more], since[more], until[more], first[more], last[more]
    weights = None if weights is None else weights[more]
    factor = 1.0 if weights is None else weights
    place = rows * buckets
    # As if each filled all buckets from its first to its last, less what it does not fill of these two.
    whole = np.bincount(rows * (buckets + 1) + first, weights=weights, minlength=size * (buckets + 1))
    whole -= np.bincount(rows * (buckets + 1) + last + 1, weights=weights, minlength=size * (buckets + 1))
    filled = whole.reshape(size, buckets + 1)[:, :-1].cumsum(axis=1) * np.diff(edges).astype(np.float64)
    filled -= np.bincount(place + first, weights=(since - edges[first]) * factor, minlength=length).reshape(
        size, buckets
    )
    filled -= np.bincount(place + last, weights=(edges[last + 1] - until) * factor, minlength=length).reshape(
        size, buckets
    )
    return filled + within.reshape(size, buckets)


def bucket_of(edges: Numbers, at: Numbers) -> Numbers:
    """The number of the bucket that each second is in: -1 before the first one, as many as there are after the last."""
    steps = np.diff(edges)
    if len(steps) == 1 or (steps[:-1] != steps[0]).any() or steps[-1] > steps[0]:
        return np.searchsorted(edges, at, side="right") - 1
    # Many times faster, where all are of one length, but for the last.
    found: Numbers = np.clip(at, edges[0] - 1, edges[-1]).astype(np.int64, copy=False)
    found -= edges[0]
    found //= steps[0]
    if steps[-1] < steps[0]:
        found[at >= edges[-1]] = len(steps)
    return found


def counts(rows: Numbers, at: Numbers, values: Mapping[str, Numbers | None], edges: Numbers, size: int) -> Columns:
    """Count moments by bucket, as spread(): for each name its values added up, or the moments where it has none.

    All moments are told: none is NaN.
    """
    buckets = len(edges) - 1
    # What is outside gets a bucket on either side: that is cheaper than to leave it out.
    place = rows * (buckets + 2) + 1
    place += bucket_of(edges, at)
    counted = {}
    for name, numbers in values.items():
        added = np.bincount(place, weights=numbers, minlength=size * (buckets + 2)).reshape(size, buckets + 2)
        counted[name] = added[:, 1:-1].astype(np.float64)
    return counted


@dataclass(frozen=True, slots=True)
class Stretches:
    """Stretches of jobs' lives: whose (position among the jobs), and when."""

    job: Numbers
    since: Numbers
    until: Numbers
    _jobs: Columns
    _spans: Columns
    _told: Numbers
    _regular: Numbers

    def of(self, name: str) -> Numbers:
        """In which queue (id), or with how many cores or GPUs: queue, cores, gpus."""
        regular = self._jobs[name][self._regular]
        return np.concatenate([self._spans[name][self._told], regular]) if len(self._told) else regular

    def chosen(self, which: Numbers) -> Stretches:
        """Those for which `which` is true."""
        told, regular = which[: len(self._told)], which[len(self._told) :]
        return Stretches(
            self.job[which],
            self.since[which],
            self.until[which],
            self._jobs,
            self._spans,
            self._told[told],
            self._regular[regular],
        )


def runs(jobs: Columns, spans: Columns) -> Stretches:
    """When the jobs of pack_columns() held cores; needs ended, ran and flags."""
    since = jobs["ended"] - jobs["ran"]
    return _stretches(jobs, spans, HOLDS, jobs["ran"] > 0, since, jobs["ended"])


def waits(jobs: Columns, spans: Columns) -> Stretches:
    """When they waited for cores; needs ended, ran, queued and flags."""
    until = jobs["ended"] - np.maximum(jobs["ran"], 0)
    return _stretches(jobs, spans, WAITS, jobs["queued"] > 0, until - jobs["queued"], until)


def _stretches(
    jobs: Columns, spans: Columns, states: Numbers, does: Numbers, since: Numbers, until: Numbers
) -> Stretches:
    regular = np.flatnonzero(does & (jobs["flags"] & IRREGULAR == 0))
    told = np.flatnonzero(states[spans["state"]])

    def both(of_told: Numbers, of_regular: Numbers) -> Numbers:
        return np.concatenate([of_told, of_regular]) if len(told) else of_regular

    return Stretches(
        both(spans["job"][told], regular),
        both(spans["since"][told], since[regular]),
        both(spans["until"][told], until[regular]),
        jobs,
        spans,
        told,
        regular,
    )
