"""Old spans of nodes are packed, and tell what their rows told."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from agent.report import Node
from agent.states import OUT_OF_SERVICE, NodeState
from collector import schema
from collector.buckets import mark_dirty
from collector.lives import month_after, month_of
from collector.node_months import ROWS_SECONDS, pack_nodes, packed_spans
from collector.rollup import DAY, HOUR
from collector.schema import NODE_STATES, OPEN
from collector.store import PollTimes, Store
from tests.collector.reports import T0, a_report, table_rows
from tests.databases import store_at
from webstat.data.queries.engine import open_store
from webstat.data.queries.one import load_node_spans

BEGAN = T0 - 100 * DAY
OUT = [NODE_STATES.index(state) for state in OUT_OF_SERVICE]

Spans = list[tuple[int, ...]]


@pytest.fixture(params=[1, 2, 3])
def store(each_store: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Four nodes over a hundred days: changing all the time, out now and then, away now and then, the last one idle."""
    store = Store(store_at(tmp_path / "store.sqlite"))
    with store.engine.begin() as connection:
        connection.execute(schema.cluster.insert().values(name="c", title="c", period_seconds=60))
    chance = random.Random(request.param)
    moment = BEGAN
    states = [*(3 * [NodeState.FREE, NodeState.PARTIAL, NodeState.BUSY]), NodeState.RESERVED, NodeState.DOWN]
    while moment < T0:
        moment = min(T0, moment + chance.choice([60, 600, 6 * HOUR, 2 * DAY]))
        nodes = [_node(f"n{n}", chance.choice(states), chance) for n in range(3) if chance.random() < 0.9]
        report = a_report(moment, nodes=[*nodes, Node("idle", NodeState.FREE, "free", cores=4)])
        store.store_report(1, report, PollTimes(moment - 1, 1.0))
    yield store
    store.close()


def _node(name: str, state: NodeState, chance: random.Random) -> Node:
    return Node(name, state, state.value, cores=chance.choice([16, 16, 32]), gpus=chance.choice([None, 2]))


def rows(engine: Engine) -> Spans:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(schema.node_span))]


def packed(engine: Engine, since: int = 0, until: int = OPEN) -> Spans:
    with engine.connect() as connection:
        found = packed_spans(connection, 1, since, until)
    return list(zip(*(numbers.tolist() for numbers in found.values()), strict=True))


def test_nothing_is_lost_and_nothing_is_there_twice(store: Store) -> None:
    before = sorted(rows(store.engine))
    assert pack_nodes(store.engine, 1, T0) >= 2
    moved, left = packed(store.engine), rows(store.engine)
    assert sorted(moved + left) == before
    assert len(moved) > len(before) / 5
    assert moved == sorted(moved)
    assert pack_nodes(store.engine, 1, T0) == 0
    assert packed(store.engine) == moved


def test_what_is_young_or_next_to_a_time_out_of_service_stays(store: Store) -> None:
    before = rows(store.engine)
    pack_nodes(store.engine, 1, T0)
    moved = set(packed(store.engine))
    ends = {(node, until): state for node, _, until, state, *_ in before}
    begins = {(node, since): state for node, since, _, state, *_ in before}
    for node, since, until, state, *_ in moved:
        assert month_of(since) == month_of(until - 1)
        assert month_after(month_of(since)) <= T0 - ROWS_SECONDS
        assert state not in OUT
        assert ends[node, since] not in OUT
        assert begins[node, until] not in OUT


def test_a_stretch_of_time_has_the_spans_that_touch_it(store: Store) -> None:
    pack_nodes(store.engine, 1, T0)
    every, chance = packed(store.engine), random.Random(4)
    for _ in range(50):
        since = chance.randrange(BEGAN - DAY, T0)
        until = since + chance.choice([1, HOUR, 40 * DAY])
        assert packed(store.engine, since, until) == [one for one in every if one[1] < until and one[2] > since]


def test_capacity_made_anew_is_the_same(store: Store) -> None:
    def sums() -> list[list[dict[str, Any]]]:
        with store.engine.begin() as connection:
            mark_dirty(connection, 1, BEGAN, T0)
        store.roll_up(1, 0)
        return [table_rows(store.engine, table) for table in (schema.capacity_hour, schema.capacity_day)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("collector.store.pack_nodes", lambda *_: 0)
        before = sums()
    pack_nodes(store.engine, 1, T0)
    assert packed(store.engine)
    assert sums() == before


def test_a_node_s_past_is_the_same(store: Store) -> None:
    since, until = BEGAN + 10 * DAY, BEGAN + 60 * DAY
    engine = open_store(str(store.engine.url))

    def pasts() -> list[dict[str, Any]]:
        return [load_node_spans(engine, 1, row, since, until).to_dict("list") for row in range(1, 5)]

    before = pasts()
    pack_nodes(store.engine, 1, T0)
    assert pasts() == before
    engine.dispose()
