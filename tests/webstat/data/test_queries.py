"""Every load_* returns the columns and dtypes its docstring states, with and without rows."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import Engine, insert, select, update
from sqlalchemy.exc import DBAPIError

from collector import schema
from collector.lives import JOB_ROW, by_column
from collector.schema import OPEN
from tests.webstat.stores import HOSTILE, Builder, Shape
from webstat.data.queries import now, past
from webstat.data.queries.engine import connected, open_store, read_columns
from webstat.errors import StoreBroken, StoreEmpty

NOW = 1_800_000_000


@pytest.fixture
def builder(each_store: str, tmp_path: Path) -> Iterator[Builder]:
    builder = Builder(tmp_path / "store.sqlite", now=NOW)
    yield builder
    builder.close()


@pytest.fixture
def engine(builder: Builder) -> Iterator[Engine]:
    engine = open_store(builder.url)
    yield engine
    engine.dispose()


LOADS: dict[str, Callable[[Engine], pd.DataFrame]] = {
    "load_job_totals": lambda engine: now.load_job_totals(engine, 1),
    "load_nodes": lambda engine: now.load_nodes(engine, 1),
    "load_queues": lambda engine: now.load_queues(engine, 1),
    "load_core_spans": lambda engine: past.load_core_spans(engine, 1, NOW - 86400, NOW),
    "load_waits": lambda engine: past.load_waits(engine, 1, NOW - 7 * 86400, NOW),
    "load_polls": lambda engine: past.load_polls(engine, 1, NOW - 86400),
    "load_spent": lambda engine: past.load_spent(engine, NOW - 3600, NOW - 86400),
    "load_capacity_hours": lambda engine: past.load_capacity_hours(engine, 1, NOW - 86400, NOW),
    "load_holder_hours": lambda engine: past.load_holder_hours(engine, NOW - 90 * 86400),
}


def promised(name: str) -> set[str]:
    """The column names that the docstring lists: words before a dtype, or before a comma in a list of them."""
    text = (getattr(now, name, None) or getattr(past, name)).__doc__
    return set(re.findall(r"[a-z_]+", text))


@pytest.mark.parametrize("name", LOADS)
@pytest.mark.parametrize("filled", [True, False])
def test_columns_and_dtypes_are_those_promised(builder: Builder, engine: Engine, name: str, filled: bool) -> None:
    empty = LOADS[name](engine).dtypes
    if filled:
        builder.add(Shape("one", "One", gpu_nodes=2, nodes=12, days=2))
        frame = LOADS[name](engine)
        assert len(frame)
        assert list(frame.dtypes.items()) == list(empty.items())
    assert set(empty.index) <= promised(name)
    for column, dtype in empty.items():
        assert str(dtype) in ("str", "object", "bool", "int64", "float64"), column


def test_every_frame_is_tested() -> None:
    loads = {name for name in {**vars(now), **vars(past)} if name.startswith("load_")}
    assert set(LOADS) == loads - {"load_clusters", "load_collectors"}  # which give rows


def test_the_totals_are_those_of_the_jobs_that_live(builder: Builder, engine: Engine) -> None:
    with builder.engine.begin() as connection:
        ident = connection.execute(
            insert(schema.cluster).values(name="c", title="c", period_seconds=60)
        ).inserted_primary_key[0]
        alice, batch = builder.word(connection, "alice"), builder.word(connection, "batch")
        base = {"cluster_id": ident, "name": "", "user_id": alice, "queue_id": batch, "native_state": "", "nodes": 1}
        base |= {"submitted_at": 100, "ended_estimated": False}
        rows = [
            {**base, "number": "1", "state": 4, "cores": 8, "gpus": 1, "walltime_seconds": 3600, "ended_at": None},
            {**base, "number": "2", "state": 4, "cores": 4, "gpus": 0, "walltime_seconds": None, "ended_at": None},
            {**base, "number": "3", "state": 0, "cores": 2, "gpus": 0, "walltime_seconds": 60, "ended_at": None},
            {**base, "number": "4", "state": 7, "cores": 9, "gpus": 0, "walltime_seconds": 60, "ended_at": 500},
        ]
        connection.execute(insert(schema.job), rows)
    totals = now.load_job_totals(engine, ident).set_index("state")
    assert totals.loc["running", ["jobs", "cores", "gpus", "asked_core_seconds", "unlimited"]].tolist() == [
        2, 12, 1, 28800.0, 1,
    ]  # fmt: skip
    assert totals.loc["queued", ["jobs", "cores", "asked_core_seconds", "first_submitted_at"]].tolist() == [
        1, 2, 120.0, 100,
    ]  # fmt: skip
    assert set(totals.index) == {"running", "queued"}


def test_spans_are_those_in_which_cores_were_held(builder: Builder, engine: Engine) -> None:
    with builder.engine.begin() as connection:
        connection.execute(insert(schema.cluster).values(id=1, name="c", title="c", period_seconds=60))
        bob, batch = builder.word(connection, "bob"), builder.word(connection, "batch")
        base = {"cluster_id": 1, "name": "", "user_id": bob, "queue_id": batch, "native_state": "", "nodes": 1}
        base |= {"submitted_at": 0, "ended_estimated": False, "cores": 4, "gpus": 0, "state": 4}
        ends = {1: None, 2: None, 3: 150, 4: 90}
        connection.execute(
            insert(schema.job), [{**base, "id": n, "number": str(n), "ended_at": end} for n, end in ends.items()]
        )
        span = {"queue_id": batch, "cores": 4, "gpus": 0}
        spans = [
            {**span, "job_id": 1, "since": 0, "until": 120, "state": 0},  # queued
            {**span, "job_id": 1, "since": 120, "until": OPEN, "state": 4},
            {**span, "job_id": 2, "since": 120, "until": OPEN, "state": 4},
            {**span, "job_id": 3, "since": 20, "until": 140, "state": 4},
            {**span, "job_id": 3, "since": 140, "until": 150, "state": 6},  # exiting holds its cores
            {**span, "job_id": 4, "since": 0, "until": 90, "state": 4},  # before the window
        ]
        connection.execute(insert(schema.job_span), spans)
    found = past.load_core_spans(engine, 1, 100, 200)
    assert sorted(found.itertuples(index=False, name=None)) == [
        ("bob", 20, 140, 4),
        ("bob", 120, OPEN, 8),
        ("bob", 140, 150, 4),
    ]


def test_waits_count_from_when_a_job_became_eligible(builder: Builder, engine: Engine) -> None:
    with builder.engine.begin() as connection:
        connection.execute(insert(schema.cluster).values(id=1, name="c", title="c", period_seconds=60))
        word = builder.word(connection, "batch")
        base = {"cluster_id": 1, "name": "", "user_id": word, "queue_id": word, "native_state": "", "nodes": 1}
        base |= {"ended_estimated": False, "cores": 4, "gpus": 0, "state": 4}
        times = [(0, None, 100), (0, 60, 100), (120, None, 100), (0, None, 5)]
        rows = [
            {**base, "number": str(n), "submitted_at": s, "eligible_at": e, "started_at": b}
            for n, (s, e, b) in enumerate(times)
        ]
        connection.execute(insert(schema.job), rows)
    assert sorted(past.load_waits(engine, 1, 50, 200)["wait_seconds"]) == [0, 40, 100]


def test_nothing_can_be_written_and_nothing_is_created(builder: Builder, engine: Engine, tmp_path: Path) -> None:
    with engine.connect() as connection, pytest.raises(DBAPIError, match=r"read-?only"):
        connection.execute(update(schema.cluster).values(title="changed"))
    missing = open_store(f"sqlite:///{tmp_path}/not there/none.sqlite")
    with pytest.raises(StoreEmpty):
        now.load_clusters(missing)
    missing.dispose()
    assert [path.name for path in tmp_path.iterdir() if "sqlite" not in path.name] == []


def test_odd_paths_are_opened(tmp_path: Path) -> None:
    folder = tmp_path / "a b#c%20&d"
    folder.mkdir()
    builder = Builder(folder / "s.sqlite", now=NOW)
    builder.add(Shape("odd", "Odd", nodes=1, days=1))
    engine = open_store(builder.url)
    assert [row.name for row in now.load_clusters(engine)] == ["odd"]
    engine.dispose()
    builder.close()


def test_a_store_without_tables_is_empty_and_a_broken_one_is_broken(tmp_path: Path) -> None:
    (tmp_path / "new.sqlite").touch()
    new = open_store(f"sqlite:///{tmp_path}/new.sqlite")
    with pytest.raises(StoreEmpty):
        now.load_clusters(new)
    new.dispose()
    (tmp_path / "bad.sqlite").write_bytes(b"this is no database, though long enough to be looked at" * 40)
    bad = open_store(f"sqlite:///{tmp_path}/bad.sqlite")
    with pytest.raises(StoreBroken, match="not a database"):
        now.load_clusters(bad)
    bad.dispose()


def test_hostile_names_come_back_as_they_are(builder: Builder, engine: Engine) -> None:
    builder.add(Shape("one", "One", users=HOSTILE, nodes=30, days=1, load=1.0, queued=60))
    found = set(now.load_job_totals(engine, 1)["user"])
    assert found <= set(HOSTILE)
    assert len(found) > 5


def test_reading_while_the_collector_writes(builder: Builder, engine: Engine) -> None:
    builder.add(Shape("one", "One", nodes=4, days=1))
    with builder.engine.begin() as connection:
        connection.execute(update(schema.cluster).values(report=7777))
        begun = time.monotonic()
        assert [row.report for row in now.load_clusters(engine)] == [1000]
        assert time.monotonic() - begun < 5


def test_numbers_come_by_column_as_they_do_by_row(builder: Builder, engine: Engine) -> None:
    builder.add(Shape("one", "One", nodes=4, days=1, load=1.0, queued=30))
    names = (*JOB_ROW, "task")
    query = select(*[schema.job.c[name] for name in JOB_ROW], schema.job.c.array_number.is_not(None))
    with builder.engine.begin() as connection:
        connection.execute(update(schema.job).where(schema.job.c.id == 1).values(cores=2**53 - 1, gpus=0))
    for some in (query, query.where(schema.job.c.id < 0)):
        with connected(engine) as connection:
            told, rows = read_columns(connection, some, names), by_column(names, connection.execute(some).all())
        assert tuple(told) == names
        for name in names:
            np.testing.assert_array_equal(told[name], rows[name])
            assert told[name].dtype == rows[name].dtype
