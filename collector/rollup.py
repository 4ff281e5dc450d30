"""Job and node spans -> usage and capacity of buckets. Pure; the same spans give the same rows.

Waits are counted in the bucket in which the job started, from when it became eligible (from its
submission, where the scheduler does not tell eligibility).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
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


def usage(
    spans: Iterable[JobSpan], times: Iterable[JobTimes], buckets: Collection[int], size: int, end: int
) -> dict[int, dict[UsageKey, Usage]]:
    """Usage in each of `buckets` (their first seconds), `size` seconds each; spans are cut at their edges.

    `end` is the time of the newest report: beyond it nothing is known, and open spans are cut there.
    """
    rows: dict[int, dict[UsageKey, Usage]] = {bucket: {} for bucket in buckets}
    for span in spans:
        key = (span.queue_id, span.user_id, span.group_id)
        for bucket, seconds in _shares(span.since, span.until, rows, size, end):
            row = rows[bucket].setdefault(key, Usage())
            if span.state in HOLDS_CORES:
                row.core_seconds += span.cores * seconds
                row.gpu_seconds += span.gpus * seconds
            elif span.state in IS_PENDING:
                row.waited_core_seconds += span.cores * seconds
    for job in times:
        key = (job.queue_id, job.user_id, job.group_id)
        if (found := _bucket_of(job.submitted_at, rows, size, end)) is not None:
            found.setdefault(key, Usage()).submitted += 1
        if job.started_at is not None and (found := _bucket_of(job.started_at, rows, size, end)) is not None:
            row = found.setdefault(key, Usage())
            row.started += 1
            row.wait_seconds += max(0, job.started_at - (job.eligible_at or job.submitted_at))
        if job.ended_at is not None and (found := _bucket_of(job.ended_at, rows, size, end)) is not None:
            found.setdefault(key, Usage()).ended += 1
    return rows


def capacity(
    spans: Iterable[Sequence[int]], buckets: Collection[int], size: int, end: int
) -> dict[int, dict[int, tuple[int, int, int]]]:
    """Installed capacity by node state in each of `buckets`, as for usage().

    Spans are (state, since, until, cores, gpus); the answer is bucket -> state -> (core, gpu, node seconds).
    """
    rows: dict[int, dict[int, tuple[int, int, int]]] = {bucket: {} for bucket in buckets}
    for state, since, until, cores, gpus in spans:
        for bucket, seconds in _shares(since, until, rows, size, end):
            core, gpu, node = rows[bucket].get(state, (0, 0, 0))
            rows[bucket][state] = (core + cores * seconds, gpu + gpus * seconds, node + seconds)
    return rows


def _shares(since: int, until: int, wanted: Collection[int], size: int, end: int) -> Iterator[tuple[int, int]]:
    """(bucket, seconds of [since, until) in it) for each wanted bucket that the span touches."""
    until = min(until, end)
    for bucket in range(since - since % size, until, size):
        if bucket in wanted:
            yield bucket, min(until, bucket + size) - max(since, bucket)


def _bucket_of(
    second: int, rows: dict[int, dict[UsageKey, Usage]], size: int, end: int
) -> dict[UsageKey, Usage] | None:
    return rows.get(second - second % size) if second < end else None
