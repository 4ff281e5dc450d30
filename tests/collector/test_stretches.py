"""Of which time jobs are known: the same before and after polls are pruned, and gaps stay gaps beside imported logs."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, insert, select

from collector import prune as pruning
from collector.database import migrate, open_engine
from collector.partitions import make_room
from collector.prune import prune
from collector.retention import Limits
from collector.schema import cluster, known_span, metadata, poll
from collector.stretches import extend_known, note_polled, polled_stretches
from tests.collector.imported import T0
from tests.databases import store_at
from webstat.data.queries.engine import open_store
from webstat.data.queries.past import load_polls
from webstat.data.usage import known_stretches

HOUR = 3600
PERIOD = 60
END = T0 + 10**6

Stretch = tuple[float, float]
pauses = st.sampled_from([1, 60, 61, 120, 151, 899, 900, 901, 960, 961, 3000, 3001, 5000])
periods = st.sampled_from([60, 60, 200, 1200])
histories = st.lists(
    st.tuples(pauses, st.sampled_from([None, None, None, 100, 1000, 9000]), periods), min_size=1, max_size=30
)


def reports_of(history: Iterable[tuple[int, int | None, int]]) -> list[tuple[int, int | None, int]]:
    """(taken_at, known_since, period in force before it) of (pause, known back, period in force after it)."""
    at, reports, awaited = T0, [], PERIOD
    for pause, back, period in history:
        at += pause
        reports.append((at, None if back is None else at - back, awaited))
        awaited = period
    return reports


def union(stretches: Iterable[Stretch]) -> list[Stretch]:
    joined: list[Stretch] = []
    for since, until in sorted(stretches):
        if joined and since <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(until, joined[-1][1]))
        else:
            joined.append((since, until))
    return joined


@given(histories)
@settings(max_examples=200, deadline=None)
def test_the_rule_is_the_one_by_which_polls_are_read(history: list[tuple[int, int | None, int]]) -> None:
    reports = reports_of(history)
    polls = pd.DataFrame(
        {
            "report": range(len(reports)),
            "taken_at": [float(at) for at, _, _ in reports],
            "known_since": [float("nan") if told is None else float(told) for _, told, _ in reports],
            "period_seconds": [float(period) for _, _, period in history],
        }
    )
    assert polled_stretches(reports, PERIOD) == known_stretches(polls, PERIOD, 0, END)
    cut = len(reports) // 2
    done = polled_stretches(reports[:cut], PERIOD)
    assert polled_stretches(reports[cut:], PERIOD, done) == polled_stretches(reports, PERIOD)


@pytest.mark.parametrize("seed", range(4))
def test_known_before_is_known_after_polls_are_pruned(
    each_store: str, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "ROWS_AT_ONCE", 9)
    engine = open_store_with_polls(tmp_path, random.Random(seed))
    reader = open_store(store_at(tmp_path / "s.sqlite"))

    def known() -> list[Stretch]:
        with engine.connect() as connection:
            return [(row.since, row.until) for row in connection.execute(select(known_span))]

    before = known()
    assert before == known_stretches(load_polls(reader, 1, 0), PERIOD, 0, END)
    assert len(before) > 5
    for limit in (T0 + 3 * HOUR, T0 + 3 * HOUR + 1, T0 + 9 * HOUR, T0 + 20 * HOUR, END):
        for _ in prune(engine, Limits(polls=limit), [1]):
            assert known() == before
    assert load_polls(reader, 1, 0).empty
    engine.dispose()
    reader.dispose()


def open_store_with_polls(folder: Path, chance: random.Random):  # type: ignore[no-untyped-def]
    engine = open_engine(store_at(folder / "s.sqlite"))
    migrate(engine)
    rows, at = [], T0
    for number in range(150):
        at += chance.choice([60, 60, 60, 90, 151, 900, 901, 4000])
        row = {"cluster_id": 1, "at": at - 1, "seconds": 1.0, "report": None, "taken_at": None, "known_since": None}
        if chance.random() < 0.8:
            row |= {"report": number, "taken_at": float(at), "known_since": chance.choice([None, None, at - 1500])}
        rows.append(row)
    with engine.begin() as connection:
        connection.execute(
            cluster.insert().values(id=1, name="c", title="c", period_seconds=PERIOD, report=1, failures=0)
        )
        make_room(connection, T0, at, poll)
        connection.execute(poll.insert(), rows)
        for row in rows:
            if row["report"] is not None:
                note_polled(connection, 1, int(row["taken_at"]), row["known_since"], PERIOD)
    return engine


def noted(connection: Connection, polled: bool | None = None) -> list[Stretch]:
    rows = connection.execute(select(known_span).order_by(known_span.c.since)).all()
    return [(row.since, row.until) for row in rows if polled is None or row.polled == polled]


def hours(*stretches: tuple[float, float]) -> list[Stretch]:
    return [(int(T0 + since * HOUR), int(T0 + until * HOUR)) for since, until in stretches]


@pytest.fixture
def connection(each_store: str, tmp_path: Path):  # type: ignore[no-untyped-def]
    engine = open_engine(store_at(tmp_path / "s.sqlite"))
    migrate(engine)
    with engine.begin() as one:
        one.execute(insert(cluster).values(name="c", title="C", period_seconds=900))
        yield one
    engine.dispose()


def note(connection: Connection, *stretches: tuple[float, float]) -> None:
    for since, until in hours(*stretches):
        for at in range(int(since) + 900, int(until) + 1, 900):
            note_polled(connection, 1, at, None, 900)


def test_a_log_beside_a_gap_closes_it_not(connection: Connection) -> None:
    note(connection, (0, 10), (14, 20))
    for since, until in hours((-5, -1), (20.5, 22)):  # each is less than a day from the gap
        extend_known(connection, 1, int(since), int(until))
    assert noted(connection, True) == hours((0, 10), (14, 20))
    assert noted(connection, False) == hours((-5, -1), (20.5, 22))


def test_a_log_that_tells_of_the_gap_closes_it(connection: Connection) -> None:
    note(connection, (0, 10), (14, 20))
    extend_known(connection, 1, *map(int, hours((9, 15))[0]))
    assert noted(connection, True) == hours((0, 10), (14, 20))
    assert noted(connection, False) == hours((10, 14))
    assert union(noted(connection)) == hours((0, 20))


@given(
    st.lists(st.tuples(st.integers(0, 80), st.integers(1, 30), st.booleans()), max_size=8),
)
@settings(max_examples=100, deadline=None)
def test_no_two_overlap_and_nothing_that_was_told_is_lost(told: list[tuple[int, int, bool]]) -> None:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    polled_at = -1
    with engine.begin() as connection:
        for since, length, polled in told:
            if polled and since <= polled_at:
                continue  # polls are pruned in order
            before = union(noted(connection))
            if polled:
                note(connection, (since, since + length))
                polled_at = since + length
            else:
                extend_known(connection, 1, *map(int, hours((since, since + length))[0]))
            rows = noted(connection)
            assert all(one[1] <= other[0] for one, other in pairwise(rows))
            assert all(one[0] < one[1] for one in rows)
            assert union([*rows, *before, *hours((since, since + length))]) == union(rows)
    engine.dispose()
