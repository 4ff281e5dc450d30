"""Previous state + Report -> changes. Pure: no clock, no SQL; store.py writes what comes out.

A job's history is a row of half-open spans. Times come from the scheduler where it tells them
(submitted, started, ended); a change that is only seen is dated by the report that saw it; an end
that nobody told lies between two reports and is marked as estimated. Silence changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter
from typing import Generic, TypeVar

from agent.report import Job, Node, Queue, Report
from agent.states import HOLDS_CORES, IS_PENDING, JobState
from collector.merge import UNSEEN, with_log
from collector.rows import array_totals
from collector.schema import OPEN
from collector.spans import Span, first_difference, painted

Named = TypeVar("Named", Node, Queue)

OVERDUE_SECONDS = 600
"""How long after its walltime a job may still be about to be ended."""


@dataclass(slots=True)
class KnownJob:
    """A job as the store has it: its row id, last record, and last span."""

    id: int
    job: Job
    submitted_at: int
    span: Span | None
    ended_at: int | None = None
    ended_estimated: bool = False
    spans: tuple[Span, ...] = ()
    """All of them, of one that has ended and was looked up."""


@dataclass(slots=True)
class KnownRecord(Generic[Named]):
    """A node or queue as the store has it; `since` of its open span."""

    id: int
    record: Named
    since: int


@dataclass(slots=True)
class RecordChanges(Generic[Named]):
    """What a report changes of the nodes, or of the queues."""

    new: list[Named] = field(default_factory=list)
    changed: list[tuple[KnownRecord[Named], Named, bool]] = field(default_factory=list)
    """(known, new record, whether its span changes)"""
    gone: list[KnownRecord[Named]] = field(default_factory=list)

    @property
    def turned(self) -> list[tuple[KnownRecord[Named], Named]]:
        """Those of `changed` whose span changes."""
        return [(old, record) for old, record, turns in self.changed if turns]


@dataclass(slots=True)
class Known:
    """What the store has of one cluster, kept in step by store.py.

    `jobs` are those that live, by native id; `ended` those that have ended and may still be listed.
    """

    taken_at: float | None = None
    jobs: dict[str, KnownJob] = field(default_factory=dict)
    ended: dict[str, KnownJob] = field(default_factory=dict)
    nodes: dict[str, KnownRecord[Node]] = field(default_factory=dict)
    queues: dict[str, KnownRecord[Queue]] = field(default_factory=dict)
    arrays: dict[str, int] = field(default_factory=dict)
    """Sizes of the arrays that the last report listed, and of those that the next one lists, by number."""


@dataclass(slots=True)
class JobChange:
    """One job to insert (`known` None) or update, with what happens to its spans.

    `closed` is the last span with its new end (an end not after its beginning deletes it),
    `opened` the spans that follow it.
    """

    known: KnownJob | None
    job: Job
    submitted_at: int
    ended_at: int | None = None
    ended_estimated: bool = False
    closed: Span | None = None
    opened: list[Span] = field(default_factory=list)
    anew: list[Span] | None = None
    """All spans of a job that had ended, where they are others now."""
    used_only: bool = False
    """Nothing but what it has used so far differs."""


@dataclass(slots=True)
class Changes:
    """All that one report changes; `at` is its time in whole seconds."""

    at: int
    jobs: list[JobChange] = field(default_factory=list)
    nodes: RecordChanges[Node] = field(default_factory=RecordChanges)
    queues: RecordChanges[Queue] = field(default_factory=RecordChanges)
    new_arrays: dict[str, int] = field(default_factory=dict)
    """Number -> size, of arrays the store does not have."""
    resized_arrays: dict[str, int] = field(default_factory=dict)
    dirty_since: int = OPEN
    """Usage from this second on is no longer what was known; OPEN if none is."""
    dirty_until: int = 0
    """Last second of which that is so, where it is later than the report: a log had told of it."""

    def ends(self) -> set[int]:
        """When jobs ended that end now, have another end now, or live again."""
        before = {one.known.ended_at for one in self.jobs if one.known is not None}
        return {at for at in before | {one.ended_at for one in self.jobs} if at is not None}


def unknown_ids(known: Known, report: Report) -> list[str]:
    """Native ids in the report that `known` does not hold: the store looks them up among the ended."""
    return [job.id for job in report.jobs if job.id not in known.jobs and job.id not in known.ended]


def unknown_arrays(known: Known, report: Report) -> list[str]:
    """Numbers of the arrays in the report that `known` does not hold: the store looks them up."""
    return [number for number in array_totals(report.arrays) if number not in known.arrays]


def changes(known: Known, report: Report) -> Changes:
    """What the report changes; empty where it says what is known already.

    `known` is only read. A report not newer than the last one changes nothing.
    """
    result = Changes(at=int(report.taken_at))
    if known.taken_at is not None and report.taken_at <= known.taken_at:
        return result
    _job_changes(result, known, report)
    result.nodes = _record_changes(known.nodes, report.nodes, "nodes" in report.partial, _size)
    if result.nodes.new:
        result.dirty_since = min(result.dirty_since, result.at)
    uncounted = [replace(queue, jobs={}) for queue in report.queues]  # counts are counted from jobs, not kept
    result.queues = _record_changes(known.queues, uncounted, "queues" in report.partial, _limits)
    for number, total in array_totals(report.arrays).items():
        if number not in known.arrays:
            result.new_arrays[number] = total
        elif known.arrays[number] != total:
            result.resized_arrays[number] = total
    return result


# Jobs


def _job_changes(result: Changes, known: Known, report: Report) -> None:
    now, before = result.at, None if known.taken_at is None else int(known.taken_at)
    seen = set()
    for job in report.jobs:
        if job.id in seen:
            continue  # listed twice: the first one counts
        seen.add(job.id)
        old = known.jobs.get(job.id)
        if old is not None and _same_job(old, job):
            if old.job == job:
                continue
            change = _continued(old, job, before, now)
        else:
            if old is not None:  # its number now belongs to another job
                _add(result, _vanished(old, before, now))
            past = known.ended.get(job.id)
            if past is None or not _same_job(past, job):
                change = _appeared(job, before, now)
            else:
                again = _listed_again(past, job, before, now)
                if again is None:
                    continue  # it ended, and is still listed
                change = again
        _add(result, change)
    for native_id, old in known.jobs.items():
        if native_id not in seen and ("jobs" not in report.partial or _is_overdue(old, now)):
            _add(result, _vanished(old, before, now))


def _add(result: Changes, change: JobChange) -> None:
    result.jobs.append(change)
    if change.anew is not None and change.known is not None:
        first = first_difference(change.known.spans, change.anew)
        result.dirty_until = max(result.dirty_until, change.known.ended_at or 0, change.ended_at or 0)
    elif change.known is None:
        first = change.submitted_at
    elif change.closed is not None:
        first = change.closed.until
    elif change.opened:
        first = change.opened[0].since
    else:
        return
    result.dirty_since = min(result.dirty_since, first)


def _same_job(old: KnownJob, job: Job) -> bool:
    return job.submitted_at is None or job.submitted_at == old.submitted_at


def _appeared(job: Job, before: int | None, now: int) -> JobChange:
    """A job seen for the first time, with the past that its own times tell."""
    submitted = min(job.submitted_at if job.submitted_at is not None else now, now)
    ended, estimated = _end(job, submitted, before, now) if job.state is JobState.FINISHED else (None, False)
    steps = [(submitted, job.state if job.state in IS_PENDING or job.started_at is None else JobState.QUEUED)]
    if job.state is JobState.FINISHED:
        steps = [(submitted, JobState.QUEUED)]
        if job.started_at is not None:
            steps.append((job.started_at, JobState.RUNNING))
    elif job.state in (JobState.RUNNING, JobState.EXITING, JobState.SUSPENDED):
        started = now if job.started_at is None else job.started_at
        steps = [(submitted, JobState.QUEUED), (started, JobState.RUNNING)]
        if job.state is not JobState.RUNNING:
            steps.append((_ran_until(job, started, now), job.state))
    elif job.state is JobState.UNKNOWN and job.started_at is not None:
        steps.append((job.started_at, JobState.UNKNOWN))
    return JobChange(None, job, submitted, ended, estimated, None, _spans(job, steps, submitted, now, ended))


def _continued(old: KnownJob, job: Job, before: int | None, now: int) -> JobChange:
    """A job that lived at the last report and is listed again."""
    assert old.span is not None
    if job.state is JobState.FINISHED:
        job = _with_what_the_living_tell(job, old.job)
    ended, estimated = _end(job, old.span.since, before, now) if job.state is JobState.FINISHED else (None, False)
    steps: list[tuple[int, JobState]] = []
    state = old.span.state
    restarted = job.started_at is not None and job.started_at != old.job.started_at
    if restarted and job.started_at is not None and (state in IS_PENDING or job.started_at > old.span.since):
        if state not in IS_PENDING and before is not None:  # it ran before, and was started anew in between
            steps.append(((max(before, old.span.since) + job.started_at) // 2, JobState.QUEUED))
        steps.append((job.started_at, JobState.RUNNING))
        state = JobState.RUNNING
    if ended is None and (job.state is not state or (not steps and _key(old.span) != _key_of(job, state))):
        steps.append((now, job.state))
    if not steps and ended is None:
        return JobChange(old, job, old.submitted_at, used_only=_used_only(old.job, job))
    first = min(max(steps[0][0] if steps else OPEN, old.span.since), ended if ended is not None else now)
    opened = _spans(job, steps, first, now, ended) if steps else []
    return JobChange(old, job, old.submitted_at, ended, estimated, replace(old.span, until=first), opened)


def _with_what_the_living_tell(job: Job, living: Job) -> Job:
    """Of a job that has ended, some listings no longer tell where it ran, and logs neither its priority nor on what it waited."""
    priority = living.priority if job.priority is None else job.priority
    return replace(
        job, hosts=job.hosts or living.hosts, priority=priority, depends_on=job.depends_on or living.depends_on
    )


def _vanished(old: KnownJob, before: int | None, now: int) -> JobChange:
    """A job that is no longer listed: it ended between the last report and this one."""
    assert old.span is not None
    latest = now
    if old.span.state not in IS_PENDING and old.job.started_at is not None and old.job.walltime_seconds:
        latest = min(now, max(old.job.started_at + old.job.walltime_seconds, before or 0))
    ended = max(old.span.since, (before + latest) // 2 if before is not None else now)
    job = replace(old.job, state=JobState.FINISHED, comment=None)
    return JobChange(old, job, old.submitted_at, ended, True, replace(old.span, until=ended))


def _is_overdue(old: KnownJob, now: int) -> bool:
    """Whether a job that an incomplete listing lacks must have ended: its scheduler lets none run on so long."""
    if old.span is None or old.span.state not in HOLDS_CORES:
        return False
    return bool(old.job.walltime_seconds) and now > old.span.since + (old.job.walltime_seconds or 0) + OVERDUE_SECONDS


def _listed_again(past: KnownJob, job: Job, before: int | None, now: int) -> JobChange | None:
    """A job that the store has as ended; None where nothing new is said of it."""
    assert past.ended_at is not None
    finished = job.state is JobState.FINISHED
    if past.ended_estimated:
        if not finished:
            return _returned(past, job, now)
        return None if job.ended_at is None else _end_told(past, job, now)
    if finished and job.native_state == past.job.native_state and now >= past.ended_at:
        return None
    same_run = job.started_at is not None and job.started_at == past.job.started_at
    if finished or same_run or now < past.ended_at:
        return _end_known(past, job, before, now)
    return _returned(past, job, now)


def _end_told(past: KnownJob, job: Job, now: int) -> JobChange:
    """A job that was gone, and of which it is told now when it ended."""
    open_span = replace(past.spans[-1], until=OPEN) if past.spans else None
    known = KnownJob(past.id, past.job, past.submitted_at, open_span)
    told = _appeared(job, None, now) if open_span is None else _continued(known, job, past.ended_at, now)
    life = [*past.spans[:-1], *([told.closed] if told.closed else []), *told.opened]
    ended = told.ended_at
    assert ended is not None
    cut = [replace(span, until=min(span.until, ended)) for span in life if span.since < min(span.until, ended)]
    return JobChange(past, told.job, past.submitted_at, ended, anew=cut)


def _end_known(past: KnownJob, job: Job, before: int | None, now: int) -> JobChange | None:
    """A job whose end a log has told already: how it was before is learnt as if that were not known."""
    assert past.ended_at is not None
    seen = [span for span in past.spans if before is not None and span.since <= before]
    if past.job.native_state == UNSEEN or not seen:
        life = _appeared(job, before, now).opened
    else:
        run = [span.since for span in seen if span.state in IS_PENDING]  # the run that goes on began after the last
        started = next((span.since for span in seen if not run or span.since > run[-1]), None)
        last = replace(seen[-1], until=OPEN)
        known = KnownJob(past.id, replace(past.job, started_at=started), past.submitted_at, last)
        told = _continued(known, job, before, now)
        life = [*seen[:-1], last if told.closed is None else told.closed, *told.opened]
    spans = painted([span for span in life if span.until > span.since], past.spans)
    record = with_log(job, past.job)
    if record == past.job and spans == list(past.spans):
        return None
    return JobChange(past, record, past.submitted_at, past.ended_at, anew=spans if past.spans else None)


def _returned(past: KnownJob, job: Job, now: int) -> JobChange:
    """A job that was taken for ended is listed again: what lies between stays unknown."""
    return JobChange(past, job, past.submitted_at, opened=_spans(job, [(now, job.state)], now, now, None))


def _end(job: Job, since: int, before: int | None, now: int) -> tuple[int, bool]:
    """(when a finished job ended, whether that is estimated)"""
    if job.ended_at is not None:
        return min(job.ended_at, now), False
    earliest = max(before if before is not None else since, since, job.started_at or 0)
    if job.started_at is not None and job.walltime_used_seconds is not None:
        return min(max(job.started_at + job.walltime_used_seconds, since), now), True
    return (min(earliest, now) + now) // 2, True


def _ran_until(job: Job, started: int, now: int) -> int:
    """When a job first seen suspended stopped running: its used walltime stands still since then."""
    if job.state is JobState.SUSPENDED and job.walltime_used_seconds is not None:
        return min(started + job.walltime_used_seconds, now)
    return now


def _spans(job: Job, steps: list[tuple[int, JobState]], first: int, now: int, ended: int | None) -> list[Span]:
    """Steps (time, state) as adjoining spans, in order, none empty, the last one open unless it ended."""
    end = OPEN if ended is None else ended
    times = []
    floor = first
    for at, _ in steps:
        floor = max(floor, min(at, now))
        times.append(floor)
    spans = []
    for (_, state), since, until in zip(steps, times, [*times[1:], end], strict=True):
        until = min(until, end)
        if until > since:
            spans.append(Span(since, until, state, job.queue, job.cores, job.gpus))
    return spans


def _key(span: Span) -> tuple[JobState, str, int, int]:
    return span.state, span.queue, span.cores, span.gpus


def _key_of(job: Job, state: JobState) -> tuple[JobState, str, int, int]:
    return state, job.queue, job.cores, job.gpus


_USED = ("walltime_used_seconds", "cpu_used_seconds", "memory_used_bytes")
_all_but_used = attrgetter(*(one.name for one in fields(Job) if one.name not in _USED))


def _used_only(old: Job, new: Job) -> bool:
    return bool(_all_but_used(old) == _all_but_used(new))


# Nodes and queues


def _record_changes(
    known: dict[str, KnownRecord[Named]], records: Iterable[Named], partial: bool, span: Callable[[Named], object]
) -> RecordChanges[Named]:
    """Compare by name; of several of one name the first counts. `span` tells what opens a new span."""
    result: RecordChanges[Named] = RecordChanges()
    seen: set[str] = set()
    for record in records:
        if record.name in seen:
            continue
        seen.add(record.name)
        old = known.get(record.name)
        if old is None:
            result.new.append(record)
        elif old.record != record:
            result.changed.append((old, record, span(old.record) != span(record)))
    if not partial:
        result.gone = [old for name, old in known.items() if name not in seen]
    return result


def _size(node: Node) -> object:
    return node.state, node.cores, node.gpus


def _limits(queue: Queue) -> object:
    return queue.enabled, queue.started, queue.max_walltime_seconds
