"""What was, of any length: ended jobs by columns, what is not packed yet, capacity, what is known.

How columns lie in bytes is collector.columns', what they mean collector.lives'; what is counted from them is
webstat.data.explore's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import pandas as pd
from sqlalchemy import ColumnElement, Connection, Engine, Row, Table, and_, case, func, or_, select

from agent.states import NodeState
from collector import schema
from collector.lives import JOB_ROW, SPAN_ROW, Columns, month_after, pack_columns
from collector.schema import NODE_STATES, OPEN
from webstat.data.queries.engine import one_moment, read_columns, read_frame, read_rows
from webstat.data.queries.veil import counts_all

_OUT = [NODE_STATES.index(state) for state in (NodeState.OFFLINE, NodeState.DOWN, NodeState.UNKNOWN)]
_OFF = [NODE_STATES.index(state) for state in (NodeState.OFFLINE, NodeState.DOWN)]

Part = tuple[int, int, int]
"""(cluster id, first second of the month, version) of packed columns."""


def load_months(engine: Engine, cluster_ids: Collection[int]) -> Sequence[Row[Any]]:
    """The packed months of clusters, oldest first: cluster_id, month, jobs, first_submitted_at or None, packed_until,
    version, pruned.
    """
    m = schema.history_month.c
    query = select(m.cluster_id, m.month, m.jobs, m.first_submitted_at, m.packed_until, m.version, m.pruned).where(
        m.cluster_id.in_(cluster_ids)
    )
    return read_rows(engine, query.order_by(m.cluster_id, m.month))


def load_packed(
    engine: Engine, parts: Collection[Part], kind: str, names: Collection[str]
) -> dict[tuple[Part, str], bytes]:
    """The bytes of the named columns of each part that is still of its version; from_bytes() reads them."""
    c, m = schema.history_column.c, schema.history_month.c
    versions = {part[:2]: part for part in parts}
    query = (
        select(c.cluster_id, c.month, m.version, c.name, c.data)
        .join(schema.history_month, and_(m.cluster_id == c.cluster_id, m.month == c.month))
        .where(
            c.cluster_id.in_({part[0] for part in parts}),
            c.month.in_({part[1] for part in parts}),
            c.kind == kind,
            c.name.in_(names),
        )
    )
    found = {}
    for cluster_id, month, version, name, data in read_rows(engine, query):
        part = versions.get((cluster_id, month))
        if part is not None and part[2] == version:
            found[part, name] = data
    return found


@counts_all
def load_tail(
    engine: Engine, cluster_id: int, packed: Sequence[Row[Any]], known_until: int
) -> tuple[Columns, Columns, int | None]:
    """The jobs of a cluster that live or that ended outside its packed months, as pack_columns() has them, times in unix
    seconds; and the first second at which one of them was submitted.

    `packed` are the cluster's rows of load_months(), `known_until` the time of its newest report: living jobs are known
    until then.
    """
    outside = _outside(cluster_id, packed)
    with one_moment(engine) as connection:
        jobs = _jobs(connection, outside)
        spans = _spans(connection, outside)
    first = int(jobs["submitted_at"].min()) if len(jobs["submitted_at"]) else None
    return *pack_columns(jobs, spans, 0, known_until), first


def _outside(cluster_id: int, packed: Iterable[Row[Any]]) -> ColumnElement[bool]:
    """Which jobs of a cluster its columns do not tell of; said so that an index finds each half of the OR."""
    since, ranges = 0, []
    for row in packed:
        if row.month > since:
            ranges.append((since, row.month))
        since = month_after(row.month) if row.pruned else max(row.packed_until, row.month)
        if not row.pruned and row.packed_until >= month_after(row.month):
            since = month_after(row.month)
    here, ended = schema.job.c.cluster_id == cluster_id, schema.job.c.ended_at
    between = [and_(here, ended >= start, ended < end) for start, end in ranges]
    return or_(and_(here, ended.is_(None)), and_(here, ended >= since), *between)


def _jobs(connection: Connection, which: ColumnElement[bool]) -> Columns:
    j = schema.job.c
    query = select(*[j[name] for name in JOB_ROW], j.array_number.is_not(None))
    return read_columns(connection, query.where(which), (*JOB_ROW, "task"))


def _spans(connection: Connection, which: ColumnElement[bool]) -> Columns:
    j, s = schema.job.c, schema.job_span.c
    query = select(*[s[name] for name in SPAN_ROW]).join(schema.job, j.id == s.job_id)
    return read_columns(connection, query.where(which), SPAN_ROW)


def load_capacity(
    engine: Engine, cluster_ids: Collection[int], since: int, until: int, by_day: bool, apart: bool = False
) -> pd.DataFrame:
    """Capacity of all these clusters together by hour, or by (UTC) day, of those that touch [since, until).

    cluster_id int64 where it is told of each cluster `apart`; bucket int64, installed, usable, gpus int64 (core and GPU seconds; GPUs are of usable nodes), nodes, nodes_offline,
    nodes_down int64 (node seconds).
    """
    table, size = (schema.capacity_day, 86400) if by_day else (schema.capacity_hour, 3600)
    c = table.c
    usable = c.state.not_in(_OUT)

    def seconds(column: Any, when: ColumnElement[bool]) -> Any:
        return func.sum(case((when, column), else_=0))

    by = (c.cluster_id, c.bucket) if apart else (c.bucket,)
    query = (
        select(
            *by,
            func.sum(c.core_seconds),
            seconds(c.core_seconds, c.state.not_in(_OFF)),
            seconds(c.gpu_seconds, usable),
            func.sum(c.node_seconds),
            seconds(c.node_seconds, c.state == _OUT[0]),
            seconds(c.node_seconds, c.state.in_(_OUT[1:])),
        )
        .where(c.cluster_id.in_(cluster_ids), c.bucket > since - size, c.bucket < until)
        .group_by(*by)
        .order_by(*by)
    )
    names = ("installed", "usable", "gpus", "nodes", "nodes_offline", "nodes_down")
    return read_frame(engine, query, dict.fromkeys((*(column.name for column in by), *names), "int64"))


def load_hours_since(engine: Engine, cluster_ids: Collection[int]) -> int:
    """First second from which on capacity is kept by hours; 0 where no hours were pruned."""
    c = schema.cluster.c

    def first_bucket(table: Table) -> int | None:
        # Cluster by cluster: of each, the index has its first at hand.
        first = select(func.min(table.c.bucket)).where(table.c.cluster_id == c.id).scalar_subquery()
        found = [row[0] for row in read_rows(engine, select(first).where(c.id.in_(cluster_ids))) if row[0] is not None]
        return min(found, default=None)

    firsts = [first_bucket(table) for table in (schema.capacity_hour, schema.capacity_day)]
    if firsts[1] is None:
        return 0
    first = OPEN if firsts[0] is None else firsts[0]
    return first if firsts[1] + 86400 <= first else 0


def load_known(engine: Engine, cluster_ids: Collection[int], since: int, until: int) -> pd.DataFrame:
    """When the jobs of clusters were known: cluster_id, since, until int64, cut to [since, until), in order."""
    k = schema.known_span.c
    query = (
        select(k.cluster_id, k.since, k.until)
        .where(k.cluster_id.in_(cluster_ids), k.since < until, k.until > since)
        .order_by(k.cluster_id, k.since)
    )
    frame = read_frame(engine, query, dict.fromkeys(("cluster_id", "since", "until"), "int64"))
    frame["since"] = frame["since"].clip(lower=since)
    frame["until"] = frame["until"].clip(upper=until)
    return frame


def load_extent(engine: Engine, cluster_ids: Collection[int]) -> tuple[int, int] | None:
    """First and last second of which anything is known of these clusters; None of none."""
    k = schema.known_span.c
    query = select(func.min(k.since), func.max(k.until)).where(k.cluster_id.in_(cluster_ids))
    first, last = read_rows(engine, query)[0]
    return None if first is None else (first, last)


def load_ends(engine: Engine, cluster_ids: Collection[int]) -> dict[int, int]:
    """Cluster id -> last second of which its jobs are known, from reports and imports; of those of which anything is."""
    k = schema.known_span.c
    query = select(k.cluster_id, func.max(k.until)).where(k.cluster_id.in_(cluster_ids)).group_by(k.cluster_id)
    return {cluster_id: int(until) for cluster_id, until in read_rows(engine, query)}


def load_texts(engine: Engine, ids: Collection[int]) -> dict[int, str]:
    """The words of these ids."""
    w = schema.word.c
    found: dict[int, str] = {}
    wanted = sorted(ids)
    for start in range(0, len(wanted), 500):
        found.update(read_rows(engine, select(w.id, w.text).where(w.id.in_(wanted[start : start + 500]))))
    return found


def load_word_ids(engine: Engine, texts: Collection[str]) -> dict[str, int]:
    """The ids of these words; of those that the store knows."""
    w = schema.word.c
    return dict(read_rows(engine, select(w.text, w.id).where(w.text.in_(texts))))


def load_worst_nodes(engine: Engine, cluster_ids: Collection[int], since: int, until: int, limit: int) -> pd.DataFrame:
    """The nodes that were out of service longest in [since, until): cluster_id int64, name str, offline_seconds,
    down_seconds int64, times int64 (how often they went out).
    """
    n, s = schema.node.c, schema.node_span.c
    first = case((s.since > since, s.since), else_=since)
    last = case((s.until < until, s.until), else_=until)
    offline = func.sum(case((s.state == _OUT[0], last - first), else_=0)).label("offline")
    down = func.sum(case((s.state.in_(_OUT[1:]), last - first), else_=0)).label("down")
    query = (
        select(n.cluster_id, n.name, offline, down, func.count())
        .join(schema.node_span, s.node_id == n.id)
        .where(n.cluster_id.in_(cluster_ids), s.state.in_(_OUT), s.since < until, s.until > since, last > first)
        .group_by(n.id)
        .order_by((offline + down).desc(), n.name)
        .limit(limit)
    )
    numbers = dict.fromkeys(("offline_seconds", "down_seconds", "times"), "int64")
    return read_frame(engine, query, {"cluster_id": "int64", "name": "str", **numbers})
