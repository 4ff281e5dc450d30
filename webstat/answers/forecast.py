"""When will it start? Our own range for a job, from what similar ones waited, or why none is told.

Waits are waits.py's, which jobs are similar and what follows from them similar.py's. How often such answers held is told
with each of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from math import ceil
from zoneinfo import ZoneInfo

from webstat.answers.similar import FEWEST, quantile, similar, upper_bound
from webstat.answers.waits import COLUMNS, DAY, Asked, Waits, hours_of, size_of, waits_of, walltime_of
from webstat.data.source import Source
from webstat.health import Cluster

DAYS = 90
"""Of how much history waits are taken."""


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


@dataclass(frozen=True)
class NotForetold:
    """Why no range is told: a phrase, such as "only 7 similar jobs"."""

    why: str
    similar: int


@dataclass(frozen=True)
class Past:
    """The waits of one cluster's past jobs by queue; of no queue that it does not name any job has started."""

    queues: Mapping[str, Waits]
    zone: tzinfo


def past_of(source: Source, cluster: Cluster) -> Past:
    """What forecasts for a cluster rest on, of its newest report; at a past moment, what was known then. Remembered.

    All jobs count, whoever looks. Raises StoreEmpty, StoreBroken.
    """

    def make() -> Past:
        until = int(cluster.taken_at or 0)
        jobs = source.explorer.jobs_of(cluster, until - DAYS * DAY, COLUMNS)
        zone = ZoneInfo(source.settings.web.timezone) if source.settings.web.timezone else UTC
        by_id = waits_of(jobs, zone)
        names = source.explorer.texts(by_id)
        return Past({names[queue]: waits for queue, waits in by_id.items()}, zone)

    return source.counted.get(("waits", cluster.id), cluster.report, make)


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
) -> Forecast | NotForetold:
    """The range for a job that asks for this and has waited so long already (from when it was eligible).

    `ahead` is how many jobs of its queue waited when it came, where that is known better than by the past. Only jobs that had
    started by `now` count.
    """
    waits = past.queues.get(queue)
    if waits is None:
        return NotForetold("no similar jobs", 0)
    came = now - waited_seconds
    asked = Asked(size_of(cores, gpus), walltime_of(walltime_seconds), int(hours_of([came], past.zone)[0]))
    found = similar(waits, asked, now, waited_seconds)
    count = len(found.waits)
    if count < FEWEST:
        return NotForetold(f"only {count} similar job{'' if count == 1 else 's'}", count)
    return Forecast(
        p50_seconds=quantile(found.waits, 0.5),
        p90_seconds=upper_bound(found.waits, 0.9),
        similar=count,
        days=max(1, ceil((now - found.since) / DAY)),
        held=None,
        like=found.like,
    )
