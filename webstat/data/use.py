"""What a job asked for and what of it it uses. Pure; whether that is worth a word is efficiency.py's to say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from webstat.data.one import RAN, During, OneJob
from webstat.efficiency import FEW_CORES, LITTLE_MEMORY, MORE_THAN_ASKED, YOUNG, cores_share


@dataclass(frozen=True)
class Use:
    """What a job asked for and used; shares of what was asked for, None where not told."""

    ran_seconds: float
    walltime_used_seconds: float
    """As the scheduler counts it, else the time it ran."""
    core_seconds: float
    """Held so far, over all its starts."""
    core_seconds_most: float | None
    """If it runs to its limit; None without a limit, and once it has ended."""
    idle_core_seconds: float | None
    """Of those held so far, with a core doing nothing; None where not told."""
    cores_busy: float | None
    cores_share: float | None
    memory_share: float | None
    walltime_share: float | None

    @property
    def young(self) -> bool:
        """Whether it is too early to say anything."""
        return self.walltime_used_seconds < YOUNG

    @property
    def cores_odd(self) -> bool:
        """Whether it keeps few of its cores busy, or takes more than its own."""
        return self.cores_share is not None and not FEW_CORES <= self.cores_share < MORE_THAN_ASKED

    @property
    def memory_odd(self) -> bool:
        """The same of memory."""
        return self.memory_share is not None and not LITTLE_MEMORY <= self.memory_share <= 1


def use(job: OneJob, stretches: Sequence[During], at: float) -> Use | None:
    """What a job has used by `at`; None where it never ran."""
    record = job.record
    ran = sum(one.seconds for one in stretches if one.what == RAN)
    if not ran and record.started_at is not None:
        ran = max(0.0, min(at, job.until) - record.started_at)
    if not ran:
        return None
    told = record.walltime_used_seconds
    walltime = ran if told is None else float(told)
    share = cores_share(record.cores, record.cpu_used_seconds, walltime)
    limit = record.walltime_seconds
    most = None if limit is None or job.ended_at is not None else float(record.cores * max(limit, ran))
    return Use(
        ran_seconds=ran,
        walltime_used_seconds=walltime,
        core_seconds=record.cores * ran,
        core_seconds_most=most,
        idle_core_seconds=None if share is None else record.cores * ran * max(0.0, 1 - share),
        cores_busy=None if share is None else share * record.cores,
        cores_share=share,
        memory_share=_share(record.memory_used_bytes, record.memory_bytes),
        walltime_share=_share(walltime, limit),
    )


def _share(used: float | None, asked: float | None) -> float | None:
    return used / asked if used is not None and asked else None
