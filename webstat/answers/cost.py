"""What the jobs of a user or group cost and how much of it they used: sums, and these in plain sentences. Pure.

Of one job it is efficiency.py that speaks. Jobs count that ran and have ended, each with its whole run from start to
end, as History counts its CPU efficiency: of one that still runs the measure may change. What is not told is left out of
its sum, and where nothing is told, that is said.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from webstat.efficiency import FEW_CORES
from webstat.format import HOUR, hours, percent, plural, shorten

WORTH_SECONDS = HOUR
"""Core-seconds held idle from which it is said where: below, nobody would look for them."""


@dataclass(frozen=True)
class Idle:
    """A queue of a cluster, and what was held idle there."""

    cluster: str
    queue: str
    core_seconds: float
    share: float
    """Of the core-seconds held there by jobs that tell their processor time."""


@dataclass(frozen=True)
class Cost:
    """What some jobs held and used. Each `*_jobs` says how many tell what the sums beside it are of."""

    jobs: int = 0
    core_seconds: float = 0.0
    cpu_jobs: int = 0
    cpu_core_seconds: float = 0.0
    """Core-seconds of the jobs that tell their processor time."""
    idle_core_seconds: float = 0.0
    """Of these, those without processor time."""
    memory_jobs: int = 0
    memory_share: float | None = None
    """Peak over what was asked for, each job by its bytes asked for x seconds run."""
    walltime_jobs: int = 0
    walltime_share: float | None = None
    """Run over what was asked for, of all seconds together."""
    untold: tuple[str, ...] = ()
    """What no job tells, in words."""
    worst: Idle | None = None
    """Where most is held idle, of the queues whose jobs keep fewer than FEW_CORES of their cores busy."""

    @property
    def idle_share(self) -> float | None:
        """Which share of the cores stood idle; None where no job tells."""
        return self.idle_core_seconds / self.cpu_core_seconds if self.cpu_core_seconds else None


def cost_of(used: pd.DataFrame) -> Cost:
    """The sums of load_ended_use()."""
    if used.empty:
        return Cost()
    ran, held = used["ran_seconds"], used["cores"] * used["ran_seconds"]
    cpu = used["cpu_used_seconds"].notna() & (ran > 0)
    idle = _idle(used[cpu])
    memory = used[(used["memory_bytes"] > 0) & used["memory_used_bytes"].notna() & (ran > 0)]
    asked = memory["memory_bytes"] * memory["ran_seconds"]
    limited = used[used["walltime_seconds"] > 0]
    told = {"cores": "cpu_used_seconds", "memory": "memory_used_bytes"}
    return Cost(
        jobs=len(used),
        core_seconds=float(held.sum()),
        cpu_jobs=int(cpu.sum()),
        cpu_core_seconds=float(held[cpu].sum()),
        idle_core_seconds=max(0.0, float(held[cpu].sum() - used["cpu_used_seconds"][cpu].sum())),
        memory_jobs=len(memory),
        memory_share=_divided((memory["memory_used_bytes"] * memory["ran_seconds"]).sum(), asked.sum()),
        walltime_jobs=len(limited),
        walltime_share=_divided(limited["ran_seconds"].sum(), limited["walltime_seconds"].sum()),
        untold=tuple(name for name, column in told.items() if used[column].isna().all()),
        worst=max(idle, key=lambda one: one.core_seconds, default=None),
    )


def _idle(used: pd.DataFrame) -> list[Idle]:
    found = []
    for (cluster, queue), jobs in used.groupby(["cluster", "queue"]):
        held = float((jobs["cores"] * jobs["ran_seconds"]).sum())
        idle = held - float(jobs["cpu_used_seconds"].sum())
        if idle > held * (1 - FEW_CORES) and idle >= WORTH_SECONDS:
            found.append(Idle(str(cluster), str(queue), idle, idle / held))
    return found


def _divided(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def sentences(cost: Cost, days: int, titles: dict[str, str]) -> list[str]:
    """What it comes to, each sentence with its stop; `titles` are what people call clusters, by name."""
    if not cost.jobs:
        return [f"No job that ran has ended in the last {days} days."]
    count = plural(cost.jobs, "job")
    said = [f"{count} ended in the last {days} days and cost {hours(cost.core_seconds)} core-hours."]
    share = cost.idle_share
    if share is not None:
        idle = f"{percent(share)} of the cores stood idle: {hours(cost.idle_core_seconds)}"
        some = f" of the {hours(cost.cpu_core_seconds)} core-hours of the {plural(cost.cpu_jobs, 'job')} that tell it."
        said.append(idle + (" core-hours." if cost.cpu_jobs == cost.jobs else some))
    used = []
    if cost.memory_share is not None:
        # Where the same jobs tell both it is said once.
        used.append(
            f"{percent(cost.memory_share)} of the memory{_told_by(cost.memory_jobs, cost.cpu_jobs or cost.jobs)}"
        )
    if cost.walltime_share is not None:
        used.append(f"{percent(cost.walltime_share)} of the walltime{_told_by(cost.walltime_jobs, cost.jobs)}")
    if used:
        said.append(f"Used of what was asked for: {' and '.join(used)}.")
    if cost.untold:
        said.append(f"How much they used of their {' and '.join(cost.untold)} is not told.")
    if cost.worst is not None:
        worst = cost.worst
        where = f"{shorten(titles.get(worst.cluster, worst.cluster), 40)} · {shorten(worst.queue, 40)}"
        said.append(
            f"Most in {where}, where jobs kept {percent(1 - worst.share)} of their cores busy: "
            f"{hours(worst.core_seconds)} core-hours idle."
        )
    return said


def _told_by(some: int, every: int) -> str:
    """Nothing where all jobs tell it."""
    return "" if some == every else f" (told of {plural(some, 'job')})"
