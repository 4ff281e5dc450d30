"""Where jobs are and why they wait: the loads return what their docstrings state, with and without rows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import Engine, insert, select, update

from collector import schema
from tests.webstat.stores import HOSTILE, Builder, Shape
from webstat.data.queries import places, waiting
from webstat.data.queries.engine import open_store

pytestmark = pytest.mark.usefixtures("each_store")

NOW = 1_800_000_000
LOADS: dict[str, Callable[[Engine, int], pd.DataFrame]] = {
    name: load for module in (places, waiting) for name, load in vars(module).items() if name.startswith("load_")
}


@pytest.fixture
def builder(tmp_path: Path) -> Iterator[Builder]:
    builder = Builder(tmp_path / "store.sqlite", now=NOW)
    yield builder
    builder.close()


@pytest.fixture
def engine(builder: Builder) -> Iterator[Engine]:
    engine = open_store(builder.url)
    yield engine
    engine.dispose()


@pytest.mark.parametrize("name", LOADS)
def test_columns_and_dtypes_are_those_promised(builder: Builder, engine: Engine, name: str) -> None:
    empty = LOADS[name](engine, 1).dtypes
    builder.add(Shape("one", "One", gpu_nodes=2, nodes=12, days=2))
    filled = LOADS[name](engine, 1)
    assert len(filled)
    assert list(filled.dtypes.items()) == list(empty.items())
    assert set(filled.columns) <= set(re.findall(r"[a-z_]+", LOADS[name].__doc__ or ""))


def test_jobs_that_hold_nodes_tell_how_many_cores_where(builder: Builder, engine: Engine) -> None:
    ident = builder.add(Shape("one", "One", nodes=12, days=2))
    found = places.load_placed_jobs(engine, ident)
    assert set(found["state"]) == {"running"}
    assert all(job.id.endswith(".one") for job in found.itertuples())
    placed = [job for job in found.itertuples() if job.hosts]
    assert placed
    for job in placed:
        assert sum(job.hosts.values()) <= job.cores
        assert all(re.fullmatch(r"cn0\d\d", name) for name in job.hosts)
    listed = places.load_node_jobs(engine, ident)
    on_first = {job.id for job in placed if "cn001" in job.hosts}
    assert set(listed.set_index("name").at["cn001", "jobs"]) == on_first


def test_a_node_that_is_forgotten_has_no_name(builder: Builder, engine: Engine) -> None:
    ident = builder.add(Shape("one", "One", nodes=4, days=1))
    with builder.engine.begin() as connection:
        job = connection.execute(select(schema.job.c.id).where(schema.job.c.hosts.is_not(None))).scalar()
        connection.execute(update(schema.job).where(schema.job.c.id == job).values(hosts="4:999999"))
    assert {"#999999": 4} in list(places.load_placed_jobs(engine, ident)["hosts"])


def test_waiting_jobs_come_with_the_schedulers_words(builder: Builder, engine: Engine) -> None:
    ident = builder.add(Shape("one", "One", nodes=4, days=1, queued=30, users=HOSTILE))
    with builder.engine.begin() as connection:
        job = connection.execute(select(schema.job.c.id).where(schema.job.c.state == 0)).scalar()
        connection.execute(
            insert(schema.job_live).values(job_id=job, comment="Not Running: soon", estimated_start_at=NOW + 60)
        )
    found = waiting.load_waiting(engine, ident)
    assert len(found) == 30
    assert set(found["state"]) <= {"queued", "held"}
    assert found["submitted_at"].is_monotonic_increasing
    (told,) = found[found["comment"].notna()].itertuples()
    assert (told.comment, told.estimated_start_at) == ("Not Running: soon", NOW + 60)
    assert set(found["user"]) <= set(HOSTILE)
    assert json.loads(json.dumps(found["id"].tolist()))[0].endswith(".one")
