"""What the store has of one cluster: loaded from its rows, and kept in step after each commit.

Which changes a report makes is decided in ingest.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Connection, func, select

from agent.report import Report
from collector.database import portions
from collector.ingest import Changes, Known, KnownJob, KnownRecord, Named, RecordChanges
from collector.rows import array_totals, job_record, node_record, queue_record, split_id
from collector.schema import (
    JOB_STATES,
    OPEN,
    cluster,
    every_span,
    job,
    job_array,
    job_live,
    job_span,
    known_span,
    node,
    node_span,
    queue,
    queue_span,
)
from collector.spans import Span

WHOLE_JOB = select(job, job_live.c.comment, job_live.c.estimated_start_at).outerjoin(job_live)
"""All that job_record needs."""


def load_known(connection: Connection, cluster_id: int, words: dict[int, str]) -> Known:
    """The jobs that live, the nodes and the queues, with their open spans."""
    taken_at = connection.execute(select(cluster.c.taken_at).where(cluster.c.id == cluster_id)).scalar_one()
    known = Known(taken_at=taken_at)
    open_spans = (
        select(job_span)
        .join(job, job.c.id == job_span.c.job_id)
        .where(job.c.cluster_id == cluster_id, job.c.ended_at.is_(None), job_span.c.until == OPEN)
    )
    spans = {
        row.job_id: Span(row.since, row.until, JOB_STATES[row.state], words[row.queue_id], row.cores, row.gpus)
        for row in connection.execute(open_spans)
    }
    living = WHOLE_JOB.where(job.c.cluster_id == cluster_id, job.c.ended_at.is_(None))
    for row in connection.execute(living).mappings():
        record = job_record(row, words)
        known.jobs[record.id] = KnownJob(row["id"], record, row["submitted_at"], spans.get(row["id"]))
    nodes = select(node, node_span.c.since).join(node_span).where(node_span.c.until == OPEN)
    for row in connection.execute(nodes.where(node.c.cluster_id == cluster_id)).mappings():
        known.nodes[row["name"]] = KnownRecord(row["id"], node_record(row), row["since"])
    queues = select(queue, queue_span.c.since).join(queue_span).where(queue_span.c.until == OPEN)
    for row in connection.execute(queues.where(queue.c.cluster_id == cluster_id)).mappings():
        known.queues[row["name"]] = KnownRecord(row["id"], queue_record(row), row["since"])
    return known


def known_until(connection: Connection, cluster_id: int) -> int | None:
    """Until when the jobs of a cluster are known: the newest report, or the end of what was imported."""
    taken_at = connection.execute(select(cluster.c.taken_at).where(cluster.c.id == cluster_id)).scalar_one()
    imported = connection.execute(
        select(func.max(known_span.c.until)).where(known_span.c.cluster_id == cluster_id)
    ).scalar_one()
    told = [int(moment) for moment in (taken_at, imported) if moment is not None]
    return max(told, default=None)


def kept_since(connection: Connection, cluster_id: int) -> int:
    """From when on the tables have all jobs that ended, and all spans; 0 where nothing has been pruned.

    Sums of hours before that, and columns of months, can no longer be made again: they stay as they are.
    """
    return connection.execute(select(cluster.c.kept_since).where(cluster.c.id == cluster_id)).scalar_one() or 0


def load_ended(
    connection: Connection, cluster_id: int, native_ids: Sequence[str], words: dict[int, str]
) -> dict[str, KnownJob]:
    """Those of `native_ids` that the store has as ended; the latest of each."""
    found: dict[str, KnownJob] = {}
    numbers = [split_id(native_id)[0] for native_id in native_ids]
    for some in portions(numbers):
        rows = WHOLE_JOB.where(job.c.cluster_id == cluster_id, job.c.number.in_(some)).order_by(job.c.submitted_at)
        for row in connection.execute(rows).mappings():
            record = job_record(row, words)
            found[record.id] = KnownJob(
                row["id"], record, row["submitted_at"], None, row["ended_at"], row["ended_estimated"]
            )
    wanted = set(native_ids)
    ended = {native_id: one for native_id, one in found.items() if native_id in wanted}
    _load_spans(connection, list(ended.values()), words)
    return ended


def _load_spans(connection: Connection, jobs: Sequence[KnownJob], words: dict[int, str]) -> None:
    by_id = {one.id: one for one in jobs}
    for some in portions(list(by_id)):
        for row in connection.execute(spans_of_jobs(job.c.id.in_(some))):
            span = Span(row.since, row.until, JOB_STATES[row.state], words[row.queue_id], row.cores, row.gpus)
            by_id[row.job_id].spans += (span,)


def spans_of_jobs(which: ColumnElement[bool]) -> CompoundSelect[Any]:
    """The columns of `job_span`, told or implied, of the jobs that `which` is true of; each job's in order."""
    return every_span(lambda spans: select(*spans.columns()).where(which)).order_by("job_id", "since")


def load_arrays(connection: Connection, cluster_id: int, numbers: Sequence[str]) -> dict[str, int]:
    """The sizes of those of these arrays that the store has."""
    found: dict[str, int] = {}
    sizes = select(job_array.c.number, job_array.c.total).where(job_array.c.cluster_id == cluster_id)
    for some in portions(numbers):
        rows = sizes.where(job_array.c.number.in_(some))
        found.update((row.number, row.total) for row in connection.execute(rows))
    return found


def keep(known: Known, report: Report, change: Changes, inserted: Sequence[int]) -> None:
    """Bring the jobs and arrays of `known` into step with a committed change; `inserted` are the new rows' ids in order."""
    known.taken_at = report.taken_at
    ids = iter(inserted)
    for one in change.jobs:
        job_id = next(ids) if one.known is None else one.known.id
        span = one.opened[-1] if one.opened else None
        if span is None and one.known is not None and one.closed is None:
            span = one.known.span
        kept = KnownJob(job_id, one.job, one.submitted_at, span, one.ended_at, one.ended_estimated)
        if one.anew is not None:
            kept.spans = tuple(one.anew)
        if one.ended_at is None:
            known.jobs[one.job.id] = kept
            known.ended.pop(one.job.id, None)
        else:
            if one.known is not None and known.jobs.get(one.job.id) is one.known:
                del known.jobs[one.job.id]
            known.ended[one.job.id] = kept
            if one.ended_estimated:  # its end may be told yet: then it is looked up
                del known.ended[one.job.id]
    listed = {record.id for record in report.jobs}
    known.ended = {native_id: one for native_id, one in known.ended.items() if native_id in listed}
    known.arrays = array_totals(report.arrays)


def keep_records(
    known: dict[str, KnownRecord[Named]], change: RecordChanges[Named], new_ids: Sequence[int], at: int
) -> None:
    """The same for nodes, or for queues; `new_ids` are those of the new ones in order."""
    for gone in change.gone:
        del known[gone.record.name]
    for old, record, turned in change.changed:
        old.record, old.since = record, at if turned else old.since
    for number, record in zip(new_ids, change.new, strict=True):
        known[record.name] = KnownRecord(number, record, at)
