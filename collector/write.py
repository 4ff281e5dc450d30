"""Changes -> rows: the statements that write jobs, nodes and queues inside store.py's transaction.

Which rows change is decided in ingest.py, how a record lies in columns in rows.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, insert, select, update

from agent.report import Job
from collector.ingest import Changes, JobChange
from collector.rows import JOB_STATE_NUMBER, NODE_STATE_NUMBER, Row, job_row, node_row, queue_row
from collector.schema import OPEN, job, job_live, job_span, node, node_span, queue, queue_span
from collector.words import Words

Closed = tuple[int, int, int]
"""(id of its job, node or queue; since; until) of a span that ends."""


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
    numbered = [(next(ids) if one.known is None else one.known.id, one) for one in jobs]
    _write_live(connection, numbered)
    _write_spans(connection, numbered, words)
    return inserted


def _write_live(connection: Connection, jobs: Iterable[tuple[int, JobChange]]) -> None:
    """What is said of the jobs now; nothing of those that have ended."""
    gone: list[Row] = []
    said: list[Row] = []
    for job_id, one in jobs:
        alive = one.known if one.known is not None and one.known.ended_at is None else None
        before = (None, None) if alive is None else _said(alive.job)
        after = (None, None) if one.ended_at is not None else _said(one.job)
        if before != after:
            if before != (None, None):
                gone.append({"row_id": job_id})
            if after != (None, None):
                said.append({"job_id": job_id, "comment": after[0], "estimated_start_at": after[1]})
    if gone:
        connection.execute(delete(job_live).where(job_live.c.job_id == bindparam("row_id")), gone)
    if said:
        connection.execute(insert(job_live), said)


def _said(record: Job) -> tuple[str | None, int | None]:
    return record.comment, record.estimated_start_at


def _write_spans(connection: Connection, jobs: Iterable[tuple[int, JobChange]], words: Words) -> None:
    closed: list[Closed] = []
    opened: list[Row] = []
    for job_id, one in jobs:
        if one.closed is not None:
            closed.append((job_id, one.closed.since, one.closed.until))
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
    _turn_spans(connection, job_span, closed, opened)


def write_nodes(connection: Connection, cluster_id: int, change: Changes) -> None:
    """Insert, update and retire nodes, with their spans."""
    new = [(_revive(connection, node, cluster_id, node_row(record)), record) for record in change.new_nodes]
    _update_by_id(connection, node, [{"row_id": old.id, **node_row(record)} for old, record, _ in change.changed_nodes])
    _update_by_id(connection, node, [{"row_id": gone.id, "gone_at": change.at} for gone in change.gone_nodes])
    turned = [(old, record) for old, record, turns in change.changed_nodes if turns]
    _turn_spans(
        connection,
        node_span,
        [(old.id, old.since, change.at) for old in [*(old for old, _ in turned), *change.gone_nodes]],
        [
            {
                "node_id": node_id,
                "since": change.at,
                "until": OPEN,
                "state": NODE_STATE_NUMBER[record.state],
                "cores": record.cores or 0,
                "gpus": record.gpus or 0,
            }
            for node_id, record in [*new, *((old.id, record) for old, record in turned)]
        ],
    )


def write_queues(connection: Connection, cluster_id: int, change: Changes) -> None:
    """The same for queues."""
    new = [(_revive(connection, queue, cluster_id, queue_row(record)), record) for record in change.new_queues]
    rows = [{"row_id": old.id, **queue_row(record)} for old, record, _ in change.changed_queues]
    _update_by_id(connection, queue, rows)
    _update_by_id(connection, queue, [{"row_id": gone.id, "gone_at": change.at} for gone in change.gone_queues])
    turned = [(old, record) for old, record, turns in change.changed_queues if turns]
    _turn_spans(
        connection,
        queue_span,
        [(old.id, old.since, change.at) for old in [*(old for old, _ in turned), *change.gone_queues]],
        [
            {
                "queue_id": queue_id,
                "since": change.at,
                "until": OPEN,
                "enabled": record.enabled,
                "started": record.started,
                "max_walltime_seconds": record.max_walltime_seconds,
            }
            for queue_id, record in [*new, *((old.id, record) for old, record in turned)]
        ],
    )


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


def _turn_spans(connection: Connection, table: Table, closed: list[Closed], opened: list[Row]) -> None:
    """End spans, and begin others; a span that would end where it begins, or before, is dropped."""
    owner = next(column for column in table.primary_key.columns if column.name != "since")
    at = (owner == bindparam("row_owner")) & (table.c.since == bindparam("row_since"))
    ends = [
        {"row_owner": number, "row_since": since, "until": until} for number, since, until in closed if until > since
    ]
    if ends:
        connection.execute(update(table).where(at).values(until=bindparam("until")), ends)
    drops = [{"row_owner": number, "row_since": since} for number, since, until in closed if until <= since]
    if drops:
        connection.execute(delete(table).where(at), drops)
    if opened:
        connection.execute(insert(table), opened)
