"""Spans of nodes in service, packed month by month once they are old: a busy node fills and empties many times a day.

Packed are those that began and ended within a month, between two others in service. The rest stay rows of `node_span`:
whatever lies next to a time out of service, what is younger, and what lasted from one month into another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, Row, delete, func, insert, select

from agent.states import OUT_OF_SERVICE
from collector.columns import Numbers, from_bytes, to_bytes
from collector.lives import Columns, by_column, month_after, month_of
from collector.schema import NODE_STATES, node, node_month, node_span

ROWS_SECONDS = 35 * 86400
"""Spans of months that ended later than this before now are rows: pages of the present read no further back."""

NAMES = tuple(column.name for column in node_span.columns)

_SERVES = np.array([state not in OUT_OF_SERVICE for state in NODE_STATES])


def pack_nodes(engine: Engine, cluster_id: int, known_until: int) -> int:
    """Pack the months that are due, a transaction each; returns how many. `known_until` is the newest report's time."""
    months = list(due_months(engine, cluster_id, known_until))
    for month in months:
        with engine.begin() as connection:
            pack_month_of_nodes(connection, cluster_id, month)
    return len(months)


def due_months(engine: Engine, cluster_id: int, known_until: int) -> Iterator[int]:
    """First seconds of the months whose spans are old enough to be packed and are not yet, oldest first."""
    packed = select(func.max(node_month.c.month)).where(node_month.c.cluster_id == cluster_id)
    with engine.connect() as connection:
        last = connection.execute(packed).scalar_one()
        if last is not None:
            month = month_after(last)
        else:
            # Node by node: of each, the first is at hand.
            of_one = select(func.min(node_span.c.since)).where(node_span.c.node_id == node.c.id).scalar_subquery()
            first = connection.execute(select(func.min(of_one)).where(node.c.cluster_id == cluster_id)).scalar_one()
            month = known_until if first is None else month_of(first)
    while month_after(month) <= known_until - ROWS_SECONDS:
        yield month
        month = month_after(month)


def pack_month_of_nodes(connection: Connection, cluster_id: int, month: int) -> None:
    """Move the spans of a month that can be packed out of the rows, in the caller's transaction."""
    end = month_after(month)
    nodes = select(node.c.id).where(node.c.cluster_id == cluster_id)
    here = node_span.c.node_id.in_(nodes), node_span.c.since >= month, node_span.c.since < end
    query = select(node_span).where(*here).order_by(node_span.c.node_id, node_span.c.since)
    spans = _columns(connection.execute(query).all())
    packed = _between_others(spans) & (spans["until"] <= end)
    moved = {name: numbers[packed] for name, numbers in spans.items()}
    data = {name: to_bytes(name, numbers) for name, numbers in {**moved, "since": moved["since"] - month}.items()}
    data["until"] = to_bytes("until", moved["until"] - moved["since"])
    connection.execute(insert(node_month).values(cluster_id=cluster_id, month=month, **data))
    if packed.any():
        # All of the month, and what stays back again: many times faster than one by one.
        connection.execute(delete(node_span).where(*here))
        stay = zip(*(numbers[~packed].tolist() for numbers in spans.values()), strict=True)
        if rows := [dict(zip(NAMES, one, strict=True)) for one in stay]:
            connection.execute(insert(node_span), rows)


def packed_spans(connection: Connection, cluster_id: int, since: int, until: int) -> Columns:
    """The packed spans of a cluster's nodes that touch [since, until): columns of `node_span`, int64, by node and time."""
    m = node_month.c
    query = select(node_month).where(m.cluster_id == cluster_id, m.month >= month_of(since), m.month < until)
    found: list[Columns] = []
    for row in connection.execute(query.order_by(m.month)):
        spans = {name: from_bytes(name, getattr(row, name)).astype(np.int64) for name in NAMES}
        spans["since"] += row.month
        spans["until"] += spans["since"]
        touches = np.flatnonzero((spans["since"] < until) & (spans["until"] > since))
        found.append({name: numbers[touches] for name, numbers in spans.items()})
    if not found:
        return _columns([])
    whole = {name: np.concatenate([one[name] for one in found]) for name in NAMES}
    order = np.lexsort((whole["since"], whole["node_id"]))
    return {name: numbers[order] for name, numbers in whole.items()}


def _columns(rows: Sequence[Row[Any]]) -> Columns:
    return {name: numbers.astype(np.int64) for name, numbers in by_column(NAMES, rows).items()}


def _between_others(spans: Columns) -> Numbers:
    """Which spans are in service between two others of the same node that are, without a gap."""
    serves = _SERVES[spans["state"]]
    follows = np.zeros(len(serves) + 1, dtype=bool)  # of each, whether it goes on where the one before it ended
    follows[1:-1] = (
        (spans["node_id"][1:] == spans["node_id"][:-1])
        & (spans["since"][1:] == spans["until"][:-1])
        & serves[1:]
        & serves[:-1]
    )
    between: Numbers = follows[:-1] & follows[1:]
    return between
