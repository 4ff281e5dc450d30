"""Changes -> rows: the statements that write jobs, nodes and queues inside store.py's transaction.

Which rows change is decided in ingest.py, how a record lies in columns in rows.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, insert, select, update

from collector.ingest import Changes, JobChange
from collector.rows import JOB_STATE_NUMBER, NODE_STATE_NUMBER, Row, job_row, node_row, queue_row
from collector.schema import OPEN, job, job_span, node, node_span, queue, queue_span
from collector.words import Words


def write_jobs(connection: Connection, cluster_id: int, jobs: Sequence[JobChange], words: Words) -> list[int]:
    """Insert and update; returns the ids of the inserted, in the order of `jobs`."""
    new = [one for one in jobs if one.known is None]
    rows = [
        {
            "cluster_id": cluster_id,
            **job_row(one.job, one.submitted_at, one.ended_at, one.ended_estimated, words.id_of),
        }
        for one in new
    ]
    inserted: list[int] = []
    if rows:
        result = connection.execute(insert(job).returning(job.c.id, sort_by_parameter_order=True), rows)
        inserted = [int(number) for number in result.scalars()]
    used = [one for one in jobs if one.known is not None and one.used_only]
    full = [one for one in jobs if one.known is not None and not one.used_only]
    _update_by_id(connection, job, [_used_row(one) for one in used])
    _update_by_id(
        connection,
        job,
        [
            {
                "row_id": one.known.id,
                **job_row(one.job, one.submitted_at, one.ended_at, one.ended_estimated, words.id_of),
            }
            for one in full
            if one.known is not None
        ],
    )
    ids = iter(inserted)
    _write_spans(connection, [(next(ids) if one.known is None else one.known.id, one) for one in jobs], words)
    return inserted


def _write_spans(connection: Connection, jobs: Iterable[tuple[int, JobChange]], words: Words) -> None:
    closed, dropped, opened = [], [], []
    for job_id, one in jobs:
        if one.closed is not None:
            row = {"row_job": job_id, "row_since": one.closed.since}
            if one.closed.until > one.closed.since:
                closed.append({**row, "until": one.closed.until})
            else:
                dropped.append(row)
        for span in one.opened:
            opened.append(
                {
                    "job_id": job_id,
                    "since": span.since,
                    "until": span.until,
                    "state": JOB_STATE_NUMBER[span.state],
                    "queue_id": words.id_of(span.queue),
                    "cores": span.cores,
                    "gpus": span.gpus,
                }
            )
    at = (job_span.c.job_id == bindparam("row_job")) & (job_span.c.since == bindparam("row_since"))
    if closed:
        connection.execute(update(job_span).where(at).values(until=bindparam("until")), closed)
    if dropped:
        connection.execute(delete(job_span).where(at), dropped)
    if opened:
        connection.execute(insert(job_span), opened)


def write_nodes(connection: Connection, cluster_id: int, change: Changes) -> None:
    for record in change.new_nodes:
        node_id = _revive(connection, node, cluster_id, node_row(record))
        _open_node_span(connection, node_id, record, change.at)
    _update_by_id(connection, node, [{"row_id": old.id, **node_row(record)} for old, record, _ in change.changed_nodes])
    for old, record, turned in change.changed_nodes:
        if turned:
            _close_span(connection, node_span, node_span.c.node_id == old.id, old.since, change.at)
            _open_node_span(connection, old.id, record, change.at)
    for gone in change.gone_nodes:
        connection.execute(update(node).where(node.c.id == gone.id).values(gone_at=change.at))
        _close_span(connection, node_span, node_span.c.node_id == gone.id, gone.since, change.at)


def write_queues(connection: Connection, cluster_id: int, change: Changes) -> None:
    for record in change.new_queues:
        queue_id = _revive(connection, queue, cluster_id, queue_row(record))
        connection.execute(insert(queue_span).values(_queue_span_row(queue_id, record, change.at)))
    for old, record, turned in change.changed_queues:
        connection.execute(update(queue).where(queue.c.id == old.id).values(**queue_row(record)))
        if turned:
            _close_span(connection, queue_span, queue_span.c.queue_id == old.id, old.since, change.at)
            connection.execute(insert(queue_span).values(_queue_span_row(old.id, record, change.at)))
    for gone in change.gone_queues:
        connection.execute(update(queue).where(queue.c.id == gone.id).values(gone_at=change.at))
        _close_span(connection, queue_span, queue_span.c.queue_id == gone.id, gone.since, change.at)


def _used_row(one: JobChange) -> Row:
    assert one.known is not None
    return {
        "row_id": one.known.id,
        "walltime_used_seconds": one.job.walltime_used_seconds,
        "cpu_used_seconds": one.job.cpu_used_seconds,
        "memory_used_bytes": one.job.memory_used_bytes,
    }


def _update_by_id(connection: Connection, table: Table, rows: list[Row]) -> None:
    """One statement for all rows, which have the same keys; `row_id` names the row."""
    if rows:
        values: dict[str, Any] = {name: bindparam(name) for name in rows[0] if name != "row_id"}
        connection.execute(update(table).where(table.c.id == bindparam("row_id")).values(values), rows)


def _revive(connection: Connection, table: Table, cluster_id: int, row: Row) -> int:
    """Insert a node or queue, or take up again the row of one that was gone; returns its id."""
    same = (table.c.cluster_id == cluster_id) & (table.c.name == row["name"])
    found = connection.execute(select(table.c.id).where(same)).scalar_one_or_none()
    if found is None:
        return int(
            connection.execute(insert(table).values(cluster_id=cluster_id, **row).returning(table.c.id)).scalar_one()
        )
    connection.execute(update(table).where(table.c.id == found).values(gone_at=None, **row))
    return int(found)


def _open_node_span(connection: Connection, node_id: int, record: Any, since: int) -> None:
    connection.execute(
        insert(node_span).values(
            node_id=node_id,
            since=since,
            until=OPEN,
            state=NODE_STATE_NUMBER[record.state],
            cores=record.cores or 0,
            gpus=record.gpus or 0,
        )
    )


def _queue_span_row(queue_id: int, record: Any, since: int) -> Row:
    return {
        "queue_id": queue_id,
        "since": since,
        "until": OPEN,
        "enabled": record.enabled,
        "started": record.started,
        "max_walltime_seconds": record.max_walltime_seconds,
    }


def _close_span(connection: Connection, table: Table, of: Any, since: int, until: int) -> None:
    at = of & (table.c.since == since)
    connection.execute(update(table).where(at).values(until=until) if until > since else delete(table).where(at))
