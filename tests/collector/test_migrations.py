"""A store that an earlier version wrote goes on with this one, with all its rows."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text, true

from agent.report import Array, Queue, Report
from agent.states import JobState
from collector.database import _config, migrate, open_engine
from collector.known import spans_of_jobs
from collector.schema import job, job_array, metadata, queue, queue_span
from collector.store import PollTimes, Store
from tests.collector.reports import T0, a_job, a_report, jobs_at, reading, table_rows

LAST = 1_795_413_091
"""When the newest report of store-0001.sql was taken."""


def write_dump(version: str, file: Path) -> str:
    """Make a store as that version of the schema wrote it; returns its URL.

    Of six reports, with an array, a node that went, usage and spans.
    """
    connection = sqlite3.connect(file)
    connection.executescript(Path(__file__).with_name(f"store-{version}.sql").read_text(encoding="utf-8"))
    connection.close()
    return f"sqlite:///{file}"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return write_dump("0001", tmp_path / "store.sqlite")


def contents(url: str) -> dict[str, list[dict[str, Any]]]:
    """Table -> its rows, whatever columns it has."""
    engine = reading(url)
    with engine.connect() as connection:
        tables = connection.execute(text("select name from sqlite_master where type = 'table'")).scalars().all()
        found = {
            name: [dict(row) for row in connection.execute(text(f'select * from "{name}"')).mappings()]
            for name in tables
        }
    engine.dispose()
    return found


def made(url: str) -> list[Any]:
    """What the tables and indexes of a store are, in the database's own words."""
    engine = reading(url)
    with engine.connect() as connection:
        rows = connection.execute(text("select type, name, sql from sqlite_master order by type, name")).all()
    engine.dispose()
    return [tuple(row) for row in rows]


def test_the_first_migration_makes_what_it_made_when_it_was_released(url: str, tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/new.sqlite")
    with engine.begin() as connection:
        command.upgrade(_config(connection), "0001")
    engine.dispose()
    assert made(f"sqlite:///{tmp_path}/new.sqlite") == made(url)


def test_every_row_is_kept(url: str) -> None:
    before = contents(url)
    assert sum(len(rows) for name, rows in before.items() if rows) > 100
    engine = open_engine(url)
    assert migrate(engine) == ("0001", "0008")
    assert migrate(engine) == ("0008", "0008")
    with engine.connect() as connection:
        spans = [dict(row) for row in connection.execute(spans_of_jobs(true())).mappings()]
    engine.dispose()
    after = contents(url)
    (period,) = {row["period_seconds"] for row in before["cluster"]}
    new = {
        "cluster": {
            **dict.fromkeys(("reservations", "kept_since", "collector_id", "load_share", "query_parts")),
            "wished_seconds": period,
        },
        "poll": {"period_seconds": None},
        "queue": {"limits": None},
    }
    implied = [row.pop("implied") for row in after["job"]]
    assert spans == before.pop("job_span"), "told or implied"
    told = after.pop("job_span")
    assert 0 < sum(implied) < len(implied)
    assert 0 < len(told) < len(spans)
    for name, rows in before.items():
        if name != "alembic_version":
            assert after.pop(name) == [{**row, **new.get(name, {})} for row in rows], name
    made = ("collector", "job_array", "node_month", "history_month", "history_column", "import_file", "import_unended",
            "rule", "notice", "delivery", "listener")  # fmt: skip
    assert after.pop("known_span") == [
        {"cluster_id": 1, "since": 1795394551, "until": 1795394731, "polled": 1},
        {"cluster_id": 1, "since": 1795412671, "until": 1795413091, "polled": 1},
    ]  # what the polls told
    assert after == {"alembic_version": [{"version_num": "0008"}], **{name: [] for name in made}}


def test_it_has_this_version_s_schema(url: str) -> None:
    Store(url).close()
    engine, declared = open_engine(url), open_engine("sqlite:///:memory:")
    without_rowid = text("select name from sqlite_master where sql like '%WITHOUT ROWID%' order by name")
    with engine.connect() as connection, declared.begin() as other:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        metadata.create_all(other)
        assert connection.execute(without_rowid).all() == other.execute(without_rowid).all()
    engine.dispose()
    declared.dispose()


# No version of webstat ended with schema 0006: it came together with 0007.
@pytest.mark.parametrize("version", ["0001", "0002", "0003", "0004", "0005", "0007"])
def test_a_store_of_each_version_is_brought_up_to_this_one(version: str, tmp_path: Path) -> None:
    url = write_dump(version, tmp_path / "store.sqlite")
    before = contents(url)
    engine = open_engine(url)
    assert migrate(engine)[0] == version
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        spans = len(connection.execute(spans_of_jobs(true())).all())
    engine.dispose()
    after = contents(url)
    for name in (
        "cluster",
        "poll",
        "node",
        "node_span",
        "queue",
        "queue_span",
        "usage_hour",
        "usage_day",
        "word",
        "job",
    ):
        assert len(before[name]) == len(after[name]) > 0, name
        for old, new in zip(before[name], after[name], strict=True):
            assert {key: new[key] for key in old} == old
    assert spans == len(before["job_span"]) or version >= "0003"
    store = Store(url)
    number, taken_at = store.latest(1)
    assert taken_at is not None
    assert store.store_report(1, a_report(taken_at + 60), PollTimes(taken_at + 60, 0.5)).report == number + 1
    store.close()


def test_it_goes_on_where_it_was(url: str) -> None:
    task = a_job(900, id="900[1].pbs01", array_id="900[].pbs01", array_index="1", user="d", submitted_at=T0)
    running = replace(task, state=JobState.RUNNING, started_at=LAST + 10, hosts={"n1": 4})
    report: Report = a_report(
        LAST + 60,
        [running],
        arrays=[Array("900[].pbs01", "B", total=40)],
        queues=[
            Queue("short", "execution", True, True, 50, 3600, limits={"resources_max.walltime": "01:00:00"}),
            Queue("long", "execution", True, False),
        ],
    )
    store = Store(url)
    assert store.latest(1) == (6, float(LAST))
    assert store.store_report(1, report, PollTimes(report.taken_at, 0.5)).report == 7
    store.close()
    engine = reading(url)
    assert jobs_at(engine, LAST + 60) == {"900[1].pbs01": JobState.RUNNING}
    (row,) = (row for row in table_rows(engine, job) if row["number"] == "900[1]")
    assert row["id"] == 3, "the row that was there"
    with engine.connect() as connection:
        assert len(connection.execute(spans_of_jobs(job.c.id == 3)).all()) == 2
    assert table_rows(engine, job_array) == [{"cluster_id": 1, "number": "900[]", "total": 40}]
    limits = {row["name"]: row["limits"] for row in table_rows(engine, queue)}
    assert limits == {"short": '{"resources_max.walltime": "01:00:00"}', "long": None}
    assert len(table_rows(engine, queue_span)) == 2, "what limits a queue is new to the store, not to the queue"
    engine.dispose()
