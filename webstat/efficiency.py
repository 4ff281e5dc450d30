"""Whether a job uses what it asked for, and how near its end is: findings in words. Pure.

Only what is measured is told. What many jobs cost is answers/cost.py's; what asking for less would have gained is the
owner's own similar jobs' to say (answers/smaller.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from webstat.format import NBSP, duration, memory, number, percent

YOUNG = 600
"""Seconds a job must have run before anything is said of it: before that it reads its input."""
FEW_CORES = 0.5
"""A job that keeps a smaller share of its cores busy is told so: half as many would have done."""
LITTLE_MEMORY = 0.1
"""The same of memory. Lower, since a peak is asked for, which one job in many reaches, and too little kills it."""
LITTLE_WALLTIME = 0.25
"""The same of walltime, once it has ended: to ask for twice or thrice what is needed is prudent."""
SHORT = 3600
"""Who asks for no more walltime than this has little to gain by asking for less: schedulers fit it in anywhere."""
ALMOST_OVER = 0.95
LAST_MINUTES = 600
"""A job is called almost over past ALMOST_OVER of its walltime with at most these seconds left."""
MORE_THAN_ASKED = 1.1
"""Used cores over asked-for ones from which it is told; below, it is measuring error."""


@dataclass(frozen=True)
class Finding:
    """One thing worth saying of a job; tone is "" or "warn"."""

    tone: str
    words: str


def findings(
    *,
    cores: int,
    cpu_used_seconds: float | None,
    walltime_used_seconds: float | None,
    memory_bytes: float | None,
    memory_used_bytes: float | None,
    walltime_seconds: float | None,
    started_at: float | None,
    now: float,
    interactive: bool = False,
    over: bool = False,
    exit_status: int | None = None,
) -> list[Finding]:
    """What stands out in a job, running or `over`, the most important first; empty for interactive and young ones.

    Seconds and bytes; None and NaN are "not told". Where the walltime used is not told, it is the time since the
    start. Without anything that stands out, the share of busy cores is the one finding, if it is known.
    """
    ran = _known(walltime_used_seconds)
    if ran is None:
        start = _known(started_at)
        ran = None if start is None else _known(now - start)
    if interactive or ran is None or ran < YOUNG:
        return []
    said = [
        _over_cores(cores, cpu_used_seconds, ran),
        _over_memory(memory_bytes, memory_used_bytes),
        None if over else _end(ran, walltime_seconds),
        _few_cores(cores, cpu_used_seconds, ran),
        _little_memory(memory_bytes, memory_used_bytes),
        # One that failed might have run longer.
        _little_walltime(ran, walltime_seconds) if over and not exit_status else None,
    ]
    found = [finding for finding in said if finding]
    return found or _usual(cores, cpu_used_seconds, ran)


def cores_share(cores: int, cpu_used_seconds: float | None, walltime_used_seconds: float | None) -> float | None:
    """Which share of its cores a job keeps busy: CPU time over cores times walltime; None where one is unknown."""
    held, used, ran = _known(cores), _known(cpu_used_seconds), _known(walltime_used_seconds)
    if held is None or used is None or ran is None or min(held, used, ran) < 0 or not held * ran:
        return None
    return _known(used / (held * ran))


def _few_cores(cores: int, cpu_used: float | None, ran: float) -> Finding | None:
    share = cores_share(cores, cpu_used, ran)
    if share is None or share >= FEW_CORES:
        return None
    if cores == 1:
        return Finding("warn", f"Keeps its core busy {percent(share)} of the time")
    busy = _cores(share * cores)
    if busy == "0":
        return Finding("warn", f"Keeps none of its {number(cores)} cores busy")
    return Finding("warn", f"Keeps {busy} of its {number(cores)} cores busy ({percent(share)})")


def _over_cores(cores: int, cpu_used: float | None, ran: float) -> Finding | None:
    share = cores_share(cores, cpu_used, ran)
    if share is None or share < MORE_THAN_ASKED or share * cores - cores < 0.5:
        return None
    used = _cores(share * cores)
    return Finding("warn", f"Uses {used} cores, asked for {number(cores)}")


def _over_memory(asked: float | None, used: float | None) -> Finding | None:
    asked, used = _known(asked), _known(used)
    if not asked or used is None or asked < 0 or used <= asked or memory(used) == memory(asked):
        return None
    return Finding("warn", f"Uses {memory(used)} of memory, asked for {memory(asked)}")


def _little_memory(asked: float | None, used: float | None) -> Finding | None:
    asked, used = _known(asked), _known(used)
    if not asked or not used or asked < 0 or used < 0 or used >= asked * LITTLE_MEMORY:
        return None
    most, unit = memory(asked).split(NBSP)
    peak, peak_unit = memory(used).split(NBSP)
    both = peak if unit == peak_unit else f"{peak}{NBSP}{peak_unit}"
    return Finding("warn", f"Uses {both} of the {most}{NBSP}{unit} it asked for")


def _end(ran: float, walltime: float | None) -> Finding | None:
    limit = _known(walltime)
    if not limit or limit < 0 or ran < limit * ALMOST_OVER or limit - ran > LAST_MINUTES:
        return None
    if ran > limit:
        return Finding("warn", f"Has run {duration(ran - limit)} longer than its {duration(limit)}")
    return Finding("warn", f"{percent(ran / limit)} of its {duration(limit)} used")


def _little_walltime(ran: float, walltime: float | None) -> Finding | None:
    limit = _known(walltime)
    if limit is None or limit <= SHORT or ran >= limit * LITTLE_WALLTIME:
        return None
    return Finding("warn", f"Asked for {duration(limit)}, ran {duration(ran)} ({percent(ran / limit)})")


def _usual(cores: int, cpu_used: float | None, ran: float) -> list[Finding]:
    share = cores_share(cores, cpu_used, ran)
    return [] if share is None else [Finding("", f"{percent(share)} of its {'core' if cores == 1 else 'cores'} busy")]


def _cores(count: float) -> str:
    """A measured number of cores: whole from ten on, one decimal below."""
    return number(count) if count >= 9.95 or round(count, 1) == round(count) else f"{count:.1f}"


def _known(value: Any) -> float | None:
    try:
        known = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return known if math.isfinite(known) else None
