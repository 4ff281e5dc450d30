"""One job told by two sources: what was seen of it live, and what its accounting log says. Pure.

Whichever comes first, the same job comes out. The log is right about when the job was submitted, ran and ended, and what
it used; what only polls know (holds, suspension, priority) stays. Reading either is left to others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from agent.report import Job
from agent.states import JobState
from collector.spans import Span, joined, painted

_FROM_LOG = (
    *("name", "user", "group", "account", "project", "queue", "array_id", "array_index"),
    *("cores", "nodes", "gpus", "memory_bytes", "walltime_seconds", "hosts"),
    *("walltime_used_seconds", "cpu_used_seconds", "memory_used_bytes"),
    *("eligible_at", "started_at", "exit_status"),
)
"""What a log is right about, where it tells it."""

UNSEEN = ""
"""`native_state` of a job that no report told of: it is known from a log alone."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A job that has ended, as a log tells it.

    `runs` are those before the last one, (started, ended); `whole` is False where some of them are missing. `trace` is
    True where the log is a trace, whose users and queues are numbers: it corrects no job that is known otherwise.
    """

    job: Job
    submitted_at: int
    ended_at: int
    runs: tuple[tuple[int, int], ...] = ()
    whole: bool = True
    trace: bool = False

    @property
    def spans(self) -> list[Span]:
        """Its life: queued, running, and again."""
        return life(self.job, self.submitted_at, self.ended_at, self.runs)


@dataclass(frozen=True, slots=True)
class Stored:
    """A job as the store has it; `ended_at` None while it lives."""

    id: int
    job: Job
    submitted_at: int
    ended_at: int | None
    ended_estimated: bool
    spans: tuple[Span, ...]


def life(job: Job, submitted_at: int, ended_at: int, runs: Sequence[tuple[int, int]] = ()) -> list[Span]:
    """Queued until it started, running until it ended; so too for each run before. None of them is empty."""
    if not runs:
        return _plain(job, submitted_at, ended_at)
    times = [*runs] if job.started_at is None else [*runs, (job.started_at, ended_at)]
    spans: list[Span] = []
    place = submitted_at
    for started, ended in times:
        started, ended = min(max(started, place), ended_at), min(ended, ended_at)
        if started > place:
            spans.append(Span(place, started, JobState.QUEUED, job.queue, job.cores, job.gpus))
        if ended > started:
            spans.append(Span(started, ended, JobState.RUNNING, job.queue, job.cores, job.gpus))
        place = max(place, started, ended)
    if place < ended_at:
        spans.append(Span(place, ended_at, JobState.QUEUED, job.queue, job.cores, job.gpus))
    return joined(spans)


def _plain(job: Job, submitted_at: int, ended_at: int) -> list[Span]:
    left = ended_at if job.started_at is None else min(max(job.started_at, submitted_at), ended_at)
    queue, cores, gpus = job.queue, job.cores, job.gpus
    spans = [Span(submitted_at, left, JobState.QUEUED, queue, cores, gpus)] if left > submitted_at else []
    if left < ended_at:
        spans.append(Span(left, ended_at, JobState.RUNNING, queue, cores, gpus))
    return spans


def is_implied(job: Job, submitted_at: int, ended_at: int, spans: Sequence[Span]) -> bool:
    """Whether a job's times tell its life, so that its spans need not be stored."""
    if job.started_at is not None and job.started_at < submitted_at:
        return False
    return list(spans) == _plain(job, submitted_at, ended_at)


def corrected(stored: Stored, ended: Ended) -> Stored:
    """The stored job with what the log says of it; equal to `stored` where that is nothing new."""
    if ended.job.started_at is None and not ended.runs and stored.job.started_at is not None:
        return stored  # a deletion is told of jobs that ran, too; their end is told by another record
    job = with_log(stored.job, ended.job)
    trusted_from = 0 if ended.whole else ended.job.started_at or 0
    spans = painted(stored.spans, ended.spans, trusted_from)
    return Stored(stored.id, job, stored.submitted_at, ended.ended_at, False, tuple(spans))


def with_log(seen: Job, told: Job) -> Job:
    """What was seen of a job, and what its log tells, as one record of an ended job."""
    changed: dict[str, Any] = {}
    for name in _FROM_LOG:
        value = getattr(told, name)
        if value or (value == 0 and name not in _NONE_IS_UNTOLD):
            changed[name] = value
    changed.update(state=JobState.FINISHED, ended_at=told.ended_at, comment=None, estimated_start_at=None)
    return replace(seen, **changed)


_NONE_IS_UNTOLD = frozenset({"cores", "nodes", "gpus"})
