"""When will it start? Our own range for a job, from what similar ones waited, or why none is told.

Waits are waits.py's, which jobs are similar and what follows from them similar.py's. How often such answers held is told
with each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from functools import partial
from math import ceil
from zoneinfo import ZoneInfo

import numpy as np

from webstat.answers.backtest import AN_HOUR, SHORTEST_SECONDS, Record, record, tried
from webstat.answers.similar import DAYS, FEWEST, quantile, similar, upper_bound
from webstat.answers.waits import COLUMNS, DAY, Asked, Waits, hours_of, size_of, waits_of, walltime_of
from webstat.data.source import Source
from webstat.format import NBSP, plural
from webstat.health import Cluster

OTHER_WAITS = frozenset({"never", "dependency", "held", "later", "queue_stopped", "failed"})
"""Kinds of reasons (reasons.KINDS) to wait that past jobs tell nothing of."""

WHILE_WAITING = AN_HOUR / 2
"""A job that has waited so long is told how often answers to waiting jobs held."""


@dataclass(frozen=True)
class Forecast:
    """By when half and nine tenths of such jobs start, as seconds from now."""

    p50_seconds: float
    p90_seconds: float
    similar: int
    """Jobs it rests on."""
    days: int
    """Over which they were submitted."""
    held: float | None
    """Share of past answers of this kind whose 90 % time held, 0 to 1; None where too few were tried."""
    like: str = ""
    """What these jobs have in common with it: "of its size and walltime"."""
    recalibrated: bool = False
    """Whether other quantiles of their waits are told than half and nine tenths, since these have not held."""


@dataclass(frozen=True)
class NotForetold:
    """Why no range is told: a phrase, such as "only 7 similar jobs"."""

    why: str
    similar: int = 0


def untried(queue: str, waiting: bool) -> Record:
    """The record of a Past of which nothing was asked again."""
    return Record()


@dataclass(frozen=True)
class Past:
    """The waits of one cluster's past jobs by queue, and how often answers from them held."""

    queues: Mapping[str, Waits]
    zone: tzinfo = UTC
    record: Callable[[str, bool], Record] = untried
    """Of a queue: of answers given at first, or to jobs that were WHILE_WAITING."""


def past_of(source: Source, cluster: Cluster) -> Past:
    """What forecasts for a cluster rest on, of its newest report; at a past moment, what was known then. Remembered.

    All jobs count, whoever looks. Raises StoreEmpty, StoreBroken.
    """
    until = int(cluster.taken_at or 0)

    def make() -> Past:
        if cluster.id is None or not until:
            return Past({})
        past = waits_since(source, cluster, until - DAYS * DAY)

        def kept(queue: str, waiting: bool) -> Record:
            waits = past.queues[queue]
            # Once a day, and anew where much history has come in.
            stamp = (until // DAY, len(waits.wait).bit_length())
            make = partial(record_of, waits, until, waiting)
            return source.counted.get(("record", cluster.id, queue, waiting), stamp, make)

        return replace(past, record=kept)

    return source.counted.get(("waits", cluster.id), cluster.report, make)


def held_of(past: Past) -> dict[str, tuple[Record, Record]]:
    """Of each queue about whose jobs was asked: how often answers held that were given at first, and to waiting jobs."""
    both = {queue: (past.record(queue, False), past.record(queue, True)) for queue in sorted(past.queues)}
    return {queue: records for queue, records in both.items() if any(one.tried for one in records)}


def waits_since(source: Source, cluster: Cluster, since: int) -> Past:
    """The waits of the jobs that lived since then, not remembered and with no record. Raises StoreEmpty, StoreBroken."""
    zone = zone_of(source)
    by_id = waits_of(source.explorer.jobs_of(cluster, since, COLUMNS), zone)
    names = source.explorer.texts(by_id)
    return Past({names[queue]: waits for queue, waits in by_id.items()}, zone)


def zone_of(source: Source) -> tzinfo:
    """The zone whose clock tells working hours: that of the settings, else UTC."""
    name = source.settings.web.timezone
    return ZoneInfo(name) if name else UTC


def record_of(waits: Waits, until: float, waiting: bool) -> Record:
    """How often answers held lately, given at first or to jobs that had waited for an hour."""
    return record(tried(waits, until, AN_HOUR if waiting else 0.0))


def foretell(
    past: Past,
    *,
    queue: str,
    cores: int,
    gpus: int,
    walltime_seconds: float | None,
    now: float,
    waited_seconds: float = 0.0,
    ahead: int | None = None,
    reason: str = "unsaid",
) -> Forecast | NotForetold:
    """The range for a job that asks for this and has waited so long already, from when it was eligible.

    `ahead` is how many jobs of its queue waited when it came, where that is known better than from the past: 0 says that
    nobody did. Only jobs that had started by `now` count. `reason` is the kind of why it waits.
    """
    if reason in OTHER_WAITS:
        return NotForetold("it does not only wait for room")
    waits = past.queues.get(queue)
    if waits is None:
        return NotForetold("no similar jobs")
    came = now - waited_seconds
    size = size_of(cores, gpus)
    crowd = 0 if ahead == 0 else waits.crowd_at(size, came)
    asked = Asked(size, walltime_of(walltime_seconds), int(hours_of(np.array([came]), past.zone)[0]), crowd)
    found = similar(waits, asked, now, waited_seconds)
    count = len(found.waits)
    if count < FEWEST:
        return NotForetold(f"only {plural(count, 'similar job')}" if count else "no similar jobs", count)
    known = past.record(queue, waited_seconds >= WHILE_WAITING)
    if known.withheld and known.held is not None:
        return NotForetold(f"the 90{NBSP}% time held for {known.held * 100:.0f} of 100", count)
    most = upper_bound(found.waits, 0.9) if known.most_share is None else quantile(found.waits, known.most_share)
    most = max(most, SHORTEST_SECONDS)
    return Forecast(
        p50_seconds=min(quantile(found.waits, known.half_share or 0.5), most),
        p90_seconds=most,
        similar=count,
        days=max(1, ceil((now - found.since) / DAY)),
        held=known.held,
        like=found.like,
        recalibrated=known.half_share is not None or known.most_share is not None,
    )
