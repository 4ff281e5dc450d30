"""Changes -> rows: the statements that write jobs, arrays, nodes and queues inside store.py's transaction.

Which rows change is decided in ingest.py, how a record lies in columns in rows.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Column, Connection, Dialect, Table, bindparam, delete, insert, select, union_all, update

from agent.report import Job, Node, Queue
from collector.database import portions
from collector.ingest import Changes, JobChange, Named, RecordChanges
from collector.lives import JOB_ROW, SPAN_ROW, by_column, regular
from collector.rows import JOB_STATE_NUMBER, NODE_STATE_NUMBER, Row, job_row, node_row, queue_row
from collector.schema import (
    OPEN,
    RAN,
    WAITED,
    job,
    job_array,
    job_live,
    job_span,
    node,
    node_span,
    queue,
    queue_span,
)
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
    _tell_spans(connection, [one.known.id for one in jobs if one.known is not None and one.known.ended_at is not None])
    inserted: list[int] = []
    if rows:
        result = connection.execute(insert(job).returning(job.c.id, sort_by_parameter_order=True), rows)
        inserted = [int(number) for number in result.scalars()]
    used = [one for one in jobs if one.known is not None and one.used_only]
    full = [one for one in jobs if one.known is not None and not one.used_only]
    update_by_id(connection, job, [_used_row(one) for one in used])
    update_by_id(
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
    _imply_spans(connection, [job_id for job_id, one in numbered if one.ended_at is not None])
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
    anew: list[Row] = []
    for job_id, one in jobs:
        if one.anew is not None:
            anew.append({"row_id": job_id})
        if one.closed is not None:
            closed.append((job_id, one.closed.since, one.closed.until))
        for span in one.opened if one.anew is None else one.anew:
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
    if anew:
        connection.execute(delete(job_span).where(job_span.c.job_id == bindparam("row_id")), anew)
    _turn_spans(connection, job_span, closed, opened)


def _tell_spans(connection: Connection, ids: Sequence[int]) -> None:
    """Write down the spans that jobs' times imply, before these change."""
    for some in portions(ids):
        these = job.c.id.in_(some)
        implied = union_all(*(select(*s.columns()).where(s.there, these) for s in (WAITED, RAN)))
        connection.execute(insert(job_span).from_select([column.name for column in job_span.columns], implied))
        connection.execute(update(job).where(these, job.c.implied).values(implied=False))


def _imply_spans(connection: Connection, ids: Sequence[int]) -> None:
    """Delete the spans of ended jobs whose times imply them."""
    for some in portions(ids):
        rows = connection.execute(select(*[job.c[name] for name in JOB_ROW]).where(job.c.id.in_(some))).all()
        told = select(*[job_span.c[name] for name in SPAN_ROW]).where(job_span.c.job_id.in_(some))
        are_regular = regular(by_column(JOB_ROW, rows), by_column(SPAN_ROW, connection.execute(told).all()))
        implied = [row.id for row, is_regular in zip(rows, are_regular, strict=True) if is_regular]
        connection.execute(update(job).where(job.c.id.in_(implied)).values(implied=True))
        connection.execute(delete(job_span).where(job_span.c.job_id.in_(implied)))


def write_arrays(connection: Connection, cluster_id: int, change: Changes) -> None:
    """Insert the sizes of new arrays, and correct those that were told otherwise before."""
    if change.new_arrays:
        rows = [
            {"cluster_id": cluster_id, "number": number, "total": total} for number, total in change.new_arrays.items()
        ]
        connection.execute(insert(job_array), rows)
    if change.resized_arrays:
        same = (job_array.c.cluster_id == cluster_id) & (job_array.c.number == bindparam("row_number"))
        sizes = [{"row_number": number, "total": total} for number, total in change.resized_arrays.items()]
        connection.execute(update(job_array).where(same).values(total=bindparam("total")), sizes)


def write_nodes(connection: Connection, cluster_id: int, nodes: RecordChanges[Node], at: int) -> list[int]:
    """Insert, update and retire nodes, with their spans; returns the ids of the new, in order."""
    return _write_records(connection, cluster_id, nodes, at, node, node_span, node_row, _node_span_row)


def write_queues(connection: Connection, cluster_id: int, queues: RecordChanges[Queue], at: int) -> list[int]:
    """The same for queues."""
    return _write_records(connection, cluster_id, queues, at, queue, queue_span, queue_row, _queue_span_row)


def _write_records(
    connection: Connection,
    cluster_id: int,
    records: RecordChanges[Named],
    at: int,
    table: Table,
    spans: Table,
    row: Callable[[Named], Row],
    span_row: Callable[[Named], Row],
) -> list[int]:
    ids = [_revive(connection, table, cluster_id, row(record)) for record in records.new]
    update_by_id(connection, table, [{"row_id": old.id, **row(record)} for old, record, _ in records.changed])
    update_by_id(connection, table, [{"row_id": gone.id, "gone_at": at} for gone in records.gone])
    opened: list[tuple[int, Named]] = list(zip(ids, records.new, strict=True))
    opened += [(old.id, record) for old, record in records.turned]
    _turn_spans(
        connection,
        spans,
        [(old.id, old.since, at) for old in [*(old for old, _ in records.turned), *records.gone]],
        [{_owner(spans).name: number, "since": at, "until": OPEN, **span_row(record)} for number, record in opened],
    )
    return ids


def _node_span_row(record: Node) -> Row:
    return {"state": NODE_STATE_NUMBER[record.state], "cores": record.cores or 0, "gpus": record.gpus or 0}


def _queue_span_row(record: Queue) -> Row:
    return {
        "enabled": record.enabled,
        "started": record.started,
        "max_walltime_seconds": record.max_walltime_seconds,
    }


def _used_row(one: JobChange) -> Row:
    assert one.known is not None
    return {
        "row_id": one.known.id,
        "walltime_used_seconds": one.job.walltime_used_seconds,
        "cpu_used_seconds": one.job.cpu_used_seconds,
        "memory_used_bytes": one.job.memory_used_bytes,
    }


def update_by_id(connection: Connection, table: Table, rows: list[Row]) -> None:
    """One statement for all rows, which have the same keys; `row_id` names the row."""
    if rows:
        values: dict[str, Any] = {name: bindparam(name) for name in rows[0] if name != "row_id"}
        connection.execute(update(table).where(table.c.id == bindparam("row_id")).values(values), rows)


def insert_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows of the same keys, passed to the driver as they are: SQLAlchemy's own way takes three times as long."""
    if not rows:
        return
    statement, names = _insert_into(table, tuple(rows[0]), connection.dialect)
    values: list[Any] = list(map(itemgetter(*names), rows) if names else rows)
    connection.exec_driver_sql(statement, values)


def insert_columns(connection: Connection, table: Table, columns: Mapping[str, Sequence[Any]]) -> None:
    """The same, of columns of equal length."""
    statement, names = _insert_into(table, tuple(columns), connection.dialect)
    rows: list[Any] = list(zip(*[columns[name] for name in names or columns], strict=True))
    if rows:
        connection.exec_driver_sql(statement, rows if names else [dict(zip(columns, row, strict=True)) for row in rows])


@lru_cache(maxsize=32)
def _insert_into(table: Table, names: tuple[str, ...], dialect: Dialect) -> tuple[str, tuple[str, ...]]:
    """The driver's own text, and the order of its values; none where it takes them by name."""
    compiled = insert(table).compile(dialect=dialect, column_keys=names)
    return str(compiled), tuple(compiled.positiontup or ()) if compiled.positional else ()


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
    at = (_owner(table) == bindparam("row_owner")) & (table.c.since == bindparam("row_since"))
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


def _owner(spans: Table) -> Column[Any]:
    """The column that names whose spans they are."""
    return next(column for column in spans.primary_key.columns if column.name != "since")
