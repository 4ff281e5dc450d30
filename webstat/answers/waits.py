"""How long one cluster's jobs have waited, as arrays: what forecasts and their backtests rest on. Pure.

Nothing in it names anybody. What is foretold from it is similar.py's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

import numpy as np

from collector.columns import Numbers
from collector.lives import IRREGULAR, LIVES, NO_WALLTIME, SIZES, WALLTIMES, Columns

DAY, HOUR = 86400, 3600

COLUMNS = ("ended", "ran", "queued", "flags", "wait", "queue", "gpus", "walltime_class", "size", "outcome")
"""Of packed jobs, those that waits are made from; see collector.lives."""

WORKING = range(8, 18)
"""Hours of working days, by the clock of the site; the rest of the week is nights and weekends."""


@dataclass(frozen=True)
class Line:
    """A queue's line over time: when jobs came to it and when they left it, both in order, unix seconds."""

    came: Numbers
    left: Numbers

    def length(self, at: Numbers | float) -> Numbers:
        """How many jobs waited at each moment, those that came in that second not counted."""
        return np.searchsorted(self.came, at, side="left") - np.searchsorted(self.left, at, side="right")


NOBODY = Line(np.zeros(0), np.zeros(0))


@dataclass(frozen=True)
class Asked:
    """What of a job decides what it is like: numbers as the arrays of Waits have them."""

    size: int
    walltime: int
    hours: int
    crowd: int


@dataclass(frozen=True)
class Waits:
    """The jobs of one queue by their start. Each array has an element for a job.

    `eligible` and `started` are unix seconds, `wait` the seconds between. Those that have not started come last: their
    `started` is infinite, `wait` is how long they waited until they left or were last seen, and those that were held meanwhile are
    left out.
    `size` counts the classes of cores, twice (with GPUs, and without), `walltime` the classes of walltime, `hours` the
    parts of the week in which a job became eligible; `crowd` is 1 where others of its size waited then, else 0.
    """

    eligible: Numbers
    started: Numbers
    wait: Numbers
    size: Numbers
    walltime: Numbers
    hours: Numbers
    crowd: Numbers
    lines: Mapping[int, Line]
    """Of each size."""

    def started_by(self, now: float) -> int:
        """How many of them had started by then; they are the first ones."""
        return int(np.searchsorted(self.started, now, side="right"))

    def crowd_at(self, size: int, at: float) -> int:
        """Whether others of that size waited at a moment, as `crowd`."""
        return int(self.lines.get(size, NOBODY).length(at) > 0)


def size_of(cores: int, gpus: int) -> int:
    """The size class of a job, as Waits.size."""
    return 2 * int(np.searchsorted(SIZES, cores)) + (gpus > 0)


def walltime_of(seconds: float | None) -> int:
    """The walltime class of a job, as Waits.walltime."""
    return NO_WALLTIME if seconds is None else int(np.searchsorted(WALLTIMES, seconds))


def hours_of(at: Numbers, zone: tzinfo) -> Numbers:
    """The part of the week of each moment: 0 working hours, 1 the rest of Monday to Friday, 2 the weekend."""
    at = np.asarray(at, dtype=np.int64)
    if not len(at):
        return np.zeros(0, dtype=np.int8)
    days = at // DAY
    first = int(days.min())
    # By the clock of each day's noon: twice a year a night is an hour off.
    noons = range(first * DAY + DAY // 2, (int(days.max()) + 1) * DAY, DAY)
    local = at + np.array([_offset(noon, zone) for noon in noons], dtype=np.int64)[days - first]
    hour, weekday = local % DAY // HOUR, (local // DAY + 3) % 7  # 1 January 1970 was a Thursday
    working = (hour >= WORKING.start) & (hour < WORKING.stop)
    return np.where(weekday >= 5, 2, np.where(working, 0, 1)).astype(np.int8)


def _offset(at: int, zone: tzinfo) -> int:
    offset = datetime.fromtimestamp(at, UTC).astimezone(zone).utcoffset()
    return int(offset.total_seconds()) if offset else 0


def waits_of(jobs: Columns, zone: tzinfo) -> dict[int, Waits]:
    """Queue (id of its word) -> its waits, from COLUMNS of jobs, living ones among them."""
    queues, place = np.unique(jobs["queue"], return_inverse=True)
    order = np.argsort(place, kind="stable")
    cuts = np.searchsorted(place[order], np.arange(len(queues) + 1))
    found = {}
    for number, queue in enumerate(queues):
        some = order[cuts[number] : cuts[number + 1]]
        found[int(queue)] = _of_queue({name: jobs[name][some] for name in COLUMNS}, zone)
    return found


def _of_queue(jobs: Columns, zone: tzinfo) -> Waits:
    ended, ran = jobs["ended"].astype(np.float64), jobs["ran"]
    did_start = ran >= 0
    left = np.where(did_start, ended - ran, ended)
    came = np.where(did_start, left - jobs["wait"], left - jobs["queued"])
    still_waits = (jobs["outcome"] == LIVES) & ~did_start
    size = (2 * jobs["size"].astype(np.int64) + (jobs["gpus"] > 0)).astype(np.int8)
    waited = (left > came) | still_waits
    gone = np.where(still_waits, np.inf, left)
    lines = {}
    for one in np.unique(size):
        those = waited & (size == one)
        lines[int(one)] = Line(np.sort(came[those]), np.sort(gone[those]))
    crowd = np.zeros(len(ended), dtype=np.int8)
    for one, line in lines.items():
        those = size == one
        crowd[those] = line.length(came[those]) > 0
    started = np.where(did_start, left, np.inf)
    order = np.argsort(started, kind="stable")
    order = order[did_start[order] | (jobs["flags"][order] & IRREGULAR == 0)]
    return Waits(
        eligible=came[order],
        started=started[order],
        wait=(left - came)[order],
        size=size[order],
        walltime=jobs["walltime_class"][order].astype(np.int8),
        hours=hours_of(came[order], zone),
        crowd=crowd[order],
        lines=lines,
    )
