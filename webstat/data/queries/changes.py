"""What changed: stretches of nodes and queues that began, arrays that arrived, reservations, the first report."""

from __future__ import annotations

import json

import pandas as pd
from sqlalchemy import Engine, and_, func, or_, select

from agent.states import OUT_OF_SERVICE
from collector import schema
from collector.schema import NODE_STATES
from webstat.data.queries.engine import read_frame, veil_of

_OUT = [NODE_STATES.index(state) for state in OUT_OF_SERVICE]

_RESERVATION = {
    "id": "str",
    "name": "str",
    "owner": "str",
    "state": "str",
    "queue": "object",
    "starts_at": "float64",
    "ends_at": "float64",
    "nodes": "object",
    "cores": "float64",
    "comment": "object",
}


def load_reservations(engine: Engine, cluster_id: int) -> pd.DataFrame:
    """The reservations of the newest report, soonest first; empty where the scheduler tells of none.

    id str, name str, owner str, state str, queue object (str or None), starts_at float64, ends_at float64,
    nodes object (tuple of str), cores float64, comment object (str or None). Through a veil name, owner and comment are
    left out.
    """
    query = select(schema.cluster.c.reservations).where(schema.cluster.c.id == cluster_id)
    told = read_frame(engine, query, {"reservations": "object"})["reservations"]
    rows = [row for text in told.dropna() for row in json.loads(text) if isinstance(row, dict)]
    if veil_of(engine) is not None:
        rows = [{**row, "name": "", "owner": "", "comment": None} for row in rows]
    columns = {name: [_field(row, name) for row in rows] for name in _RESERVATION}
    frame = pd.DataFrame({name: pd.Series(columns[name], dtype=dtype) for name, dtype in _RESERVATION.items()})
    return frame.sort_values(["starts_at", "id"], ignore_index=True)


def _field(row: dict[str, object], name: str) -> object:
    value = row.get(name)
    if name == "nodes":
        return tuple(str(node) for node in value) if isinstance(value, list) else ()
    if _RESERVATION[name] == "float64":
        return float(value) if isinstance(value, (int, float)) else None
    return value if value is None and _RESERVATION[name] == "object" else str(value or "")


def load_node_changes(engine: Engine, cluster_id: int, since: int) -> pd.DataFrame:
    """Stretches of listed nodes that began since `since` after another one, oldest first; one of them out of service.

    name str, at int64, state str, before str (the state it had until then), comment object (str or None; the
    newest report's), now bool (the stretch goes on).
    """
    n, s = schema.node.c, schema.node_span.c
    earlier = schema.node_span.alias()
    query = (
        select(n.name, s.since, s.state, earlier.c.state, n.comment, s.until == schema.OPEN)
        .select_from(schema.node_span)
        .join(schema.node, n.id == s.node_id)
        .join(earlier, and_(earlier.c.node_id == s.node_id, earlier.c.until == s.since))
        .where(
            n.cluster_id == cluster_id,
            n.gone_at.is_(None),
            s.since >= since,
            s.state != earlier.c.state,
            or_(s.state.in_(_OUT), earlier.c.state.in_(_OUT)),
        )
        .order_by(s.since, n.name)
    )
    dtypes = {"name": "str", "at": "int64", "state": "int64", "before": "int64", "comment": "object", "now": "bool"}
    frame = read_frame(engine, query, dtypes)
    for column in ("state", "before"):
        words = [NODE_STATES[index].value for index in frame[column]]
        frame[column] = pd.Series(words, dtype="str", index=frame.index)
    return frame


def load_queue_changes(engine: Engine, cluster_id: int, since: int) -> pd.DataFrame:
    """Stretches of listed queues that began since `since` and had one before them, oldest first.

    name str, at int64, enabled, started, enabled_before, started_before object (bool or None).
    """
    q, s = schema.queue.c, schema.queue_span.c
    earlier = schema.queue_span.alias()
    query = (
        select(q.name, s.since, s.enabled, s.started, earlier.c.enabled, earlier.c.started)
        .select_from(schema.queue_span)
        .join(schema.queue, q.id == s.queue_id)
        .join(earlier, and_(earlier.c.queue_id == s.queue_id, earlier.c.until == s.since))
        .where(q.cluster_id == cluster_id, q.gone_at.is_(None), s.since >= since)
        .order_by(s.since, q.name)
    )
    flags = ("enabled", "started", "enabled_before", "started_before")
    return read_frame(engine, query, {"name": "str", "at": "int64", **dict.fromkeys(flags, "object")})


def load_arrivals(engine: Engine, cluster_id: int, since: int) -> pd.DataFrame:
    """Job arrays submitted since `since`, oldest first.

    user str, queue str, array str (its id up to the first dot), at int64, tasks int64 (those seen, or what it
    was submitted with where that is told and more).
    """
    j, w = schema.job.c, schema.word
    queue = w.alias()
    sums = (
        select(j.user_id, j.queue_id, j.array_number, func.min(j.submitted_at).label("at"), func.count().label("seen"))
        .where(
            j.cluster_id == cluster_id,
            or_(j.ended_at.is_(None), j.ended_at >= since),
            j.array_number.is_not(None),
            j.submitted_at >= since,
        )
        .group_by(j.user_id, j.queue_id, j.array_number)
        .subquery()
    )
    a = schema.job_array.c
    query = (
        select(w.c.text, queue.c.text, sums.c.array_number, sums.c.at, sums.c.seen, a.total)
        .select_from(sums)
        .join(w, w.c.id == sums.c.user_id)
        .join(queue, queue.c.id == sums.c.queue_id)
        .outerjoin(schema.job_array, and_(a.cluster_id == cluster_id, a.number == sums.c.array_number))
        .order_by(sums.c.at, sums.c.array_number)
    )
    dtypes = {"user": "str", "queue": "str", "array": "str", "at": "int64", "tasks": "int64", "total": "float64"}
    frame = read_frame(engine, query, dtypes)
    frame["tasks"] = frame[["tasks", "total"]].max(axis=1).astype("int64")
    return frame.drop(columns="total")


def load_first_report(engine: Engine, cluster_id: int) -> float | None:
    """When the oldest report that is known was taken; None where there is none."""
    p = schema.poll.c
    query = select(p.taken_at).where(p.cluster_id == cluster_id, p.report.is_not(None)).order_by(p.at).limit(1)
    found = read_frame(engine, query, {"taken_at": "float64"})["taken_at"]
    return float(found.iloc[0]) if len(found) else None
