"""Job and node spans -> usage and capacity of one bucket. Pure; the same spans give the same rows.

Waits are counted in the bucket in which the job started, from when it became eligible (from its
submission, where the scheduler does not tell eligibility).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from agent.states import HOLDS_CORES, IS_PENDING, JobState

HOUR = 3600
DAY = 86400

UsageKey = tuple[int, int, int]
"""(queue_id, user_id, group_id or 0)"""


@dataclass(frozen=True, slots=True)
class JobSpan:
    """One stretch of a job's life; `until` may be OPEN."""

    queue_id: int
    user_id: int
    group_id: int
    state: JobState
    since: int
    until: int
    cores: int
    gpus: int


@dataclass(frozen=True, slots=True)
class JobTimes:
    """When a job was submitted, became eligible, started and ended; None where it has not or is not told."""

    queue_id: int
    user_id: int
    group_id: int
    submitted_at: int
    eligible_at: int | None
    started_at: int | None
    ended_at: int | None


@dataclass(slots=True)
class Usage:
    """What one queue, user and group used in one bucket."""

    core_seconds: int = 0
    gpu_seconds: int = 0
    waited_core_seconds: int = 0
    submitted: int = 0
    started: int = 0
    ended: int = 0
    wait_seconds: int = 0


def hour_of(second: int) -> int:
    """First second of the (UTC) hour that `second` is in."""
    return second - second % HOUR


def day_of(second: int) -> int:
    """First second of the (UTC) day that `second` is in."""
    return second - second % DAY


def usage(spans: Iterable[JobSpan], times: Iterable[JobTimes], start: int, end: int) -> dict[UsageKey, Usage]:
    """Usage within [start, end); spans may reach beyond it and are cut.

    `end` must not lie after the newest report, or open spans would be taken for known future.
    """
    rows: dict[UsageKey, Usage] = {}
    for span in spans:
        seconds = min(span.until, end) - max(span.since, start)
        if seconds <= 0:
            continue
        row = rows.setdefault((span.queue_id, span.user_id, span.group_id), Usage())
        if span.state in HOLDS_CORES:
            row.core_seconds += span.cores * seconds
            row.gpu_seconds += span.gpus * seconds
        elif span.state in IS_PENDING:
            row.waited_core_seconds += span.cores * seconds
    for job in times:
        key = (job.queue_id, job.user_id, job.group_id)
        if start <= job.submitted_at < end:
            rows.setdefault(key, Usage()).submitted += 1
        if job.started_at is not None and start <= job.started_at < end:
            row = rows.setdefault(key, Usage())
            row.started += 1
            row.wait_seconds += max(0, job.started_at - (job.eligible_at or job.submitted_at))
        if job.ended_at is not None and start <= job.ended_at < end:
            rows.setdefault(key, Usage()).ended += 1
    return rows


def capacity(spans: Iterable[tuple[int, int, int, int, int]], start: int, end: int) -> dict[int, tuple[int, int, int]]:
    """Installed capacity by node state within [start, end).

    Spans are (state, since, until, cores, gpus); the answer is state -> (core, gpu, node seconds).
    """
    rows: dict[int, tuple[int, int, int]] = {}
    for state, since, until, cores, gpus in spans:
        seconds = min(until, end) - max(since, start)
        if seconds > 0:
            core, gpu, node = rows.get(state, (0, 0, 0))
            rows[state] = (core + cores * seconds, gpu + gpus * seconds, node + seconds)
    return rows
