"""What can be asked for, and how it is made of measures. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from collector.columns import Numbers

HOUR = 3600.0

Measured = dict[str, Numbers]
"""Measure -> float64 array of shape (rows of a cut, buckets)."""

Value = Callable[[Measured, Numbers, Numbers], Numbers]
"""(measured, seconds of the buckets, their usable core seconds) -> the metric, of the same shape."""


def divided(part: Numbers, whole: Numbers) -> Numbers:
    """NaN where there is nothing to divide by."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(whole > 0, part / whole, np.nan)


@dataclass(frozen=True)
class Metric:
    """One metric. What is `additive` adds up over keys, so it may be stacked; of what is `distributed` the median is taken.

    The jobs behind a bucket are those that did `event` in it, and of these those with an end state, where `state` is one.
    """

    name: str
    unit: str
    measures: tuple[str, ...] = ()
    value: Value | None = None
    additive: bool = True
    distributed: str | None = None
    event: str = "ran"
    state: str | None = None


def _sum(name: str, size: float = 1.0) -> Value:
    return lambda measured, _seconds, _usable: measured[name] / size


def _mean(name: str) -> Value:
    return lambda measured, seconds, _usable: measured[name] / seconds


def _ratio(part: str, whole: str) -> Value:
    return lambda measured, _seconds, _usable: divided(measured[part], measured[whole])


def _utilisation(measured: Measured, _seconds: Numbers, usable: Numbers) -> Numbers:
    return divided(measured["core_seconds"], usable)


_CPU = ("cpu_used", "cpu_core_seconds")
_WALLTIME = ("walltime_used_seconds", "walltime_asked_seconds")

METRICS = {
    "core-hours": Metric("Core-hours", "core-hours", ("core_seconds",), _sum("core_seconds", HOUR)),
    "gpu-hours": Metric("GPU-hours", "GPU-hours", ("gpu_seconds",), _sum("gpu_seconds", HOUR)),
    "utilisation": Metric("Utilisation", "share of the usable cores", ("core_seconds",), _utilisation),
    "running-cores": Metric("Cores in use", "cores in use, mean", ("core_seconds",), _mean("core_seconds")),
    "running-jobs": Metric("Running jobs", "running jobs, mean", ("run_seconds",), _mean("run_seconds")),
    "queued-cores": Metric(
        "Cores waited for",
        "cores waited for, mean",
        ("queued_core_seconds",),
        _mean("queued_core_seconds"),
        event="lived",
    ),
    "queued-jobs": Metric(
        "Queued jobs", "waiting jobs, mean", ("queued_seconds",), _mean("queued_seconds"), event="lived"
    ),
    "submitted": Metric("Jobs submitted", "jobs submitted", ("submitted",), _sum("submitted"), event="submitted"),
    "started": Metric("Jobs started", "jobs started", ("started",), _sum("started"), event="started"),
    "ended": Metric("Jobs ended", "jobs ended", ("ended",), _sum("ended"), event="ended"),
    "failed": Metric(
        "Failed jobs",
        "jobs with an exit status other than 0",
        ("failed",),
        _sum("failed"),
        event="ended",
        state="failed",
    ),
    "wait": Metric(
        "Waits", "wait of half of the jobs that started", additive=False, distributed="wait", event="started"
    ),
    "slowdown": Metric(
        "Slowdown", "(wait + run) ÷ run of half of the jobs", additive=False, distributed="slowdown", event="ended"
    ),
    "cpu-efficiency": Metric(
        "CPU efficiency", "processor time ÷ (cores × run)", _CPU, _ratio(*_CPU), additive=False, event="ended"
    ),
    "walltime-efficiency": Metric(
        "Walltime used of asked",
        "walltime used ÷ walltime asked",
        _WALLTIME,
        _ratio(*_WALLTIME),
        additive=False,
        event="ended",
    ),
}
