"""Spans that are not stored: a job's times imply them, to the second, or else they are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, insert, select

from agent.states import JobState
from collector.known import spans_of_jobs
from collector.lives import JOB_ROW, SPAN_ROW, by_column, regular
from collector.merge import is_implied
from collector.schema import JOB_STATES, RAN, WAITED, job, job_span, metadata
from collector.spans import Span
from collector.store import PollTimes, Store
from tests.collector.imported import SETTINGS, import_into, open_store, told, write_log
from tests.collector.reports import T0, a_job, a_report, as_running, table_rows
from tests.databases import store_at

moments = st.integers(0, 6)
spans = st.lists(
    st.tuples(moments, st.integers(1, 3), st.sampled_from([0, 1, 4, 5]), st.sampled_from([7, 7, 7, 8]), st.just(4)),
    max_size=3,
)


@pytest.fixture(scope="module")
def engine() -> Engine:
    made = create_engine("sqlite://")
    metadata.create_all(made)
    return made


def a_row(submitted: int, started: int | None, ended: int) -> dict[str, Any]:
    times = {"submitted_at": submitted, "started_at": started, "ended_at": ended, "implied": True}
    who = {"cluster_id": 1, "number": "1", "name": "a", "user_id": 1, "queue_id": 7, "state": 7, "native_state": ""}
    return {"id": 1, **who, "cores": 4, "nodes": 1, "gpus": 0, **times}


@given(submitted=moments, started=st.none() | moments, lasted=moments, told_spans=spans, plainly=st.booleans())
@settings(max_examples=300, deadline=None)
def test_all_who_decide_it_agree(
    engine: Engine, submitted: int, started: int | None, lasted: int, told_spans: list[Any], plainly: bool
) -> None:
    """What the queries imply, what is taken for regular when a report or a log is stored, and when it is packed."""
    ended = max(submitted, started or 0) + lasted if plainly else lasted
    row = a_row(submitted, started, ended)
    with engine.connect() as connection:
        connection.execute(insert(job), [row])
        implied = [tuple(one)[1:] for one in connection.execute(spans_of_jobs(job.c.id == 1))]
        connection.rollback()
    life = [(since, since + length, *what, 0) for since, length, *what in told_spans]
    for known in (implied, sorted(life), implied[:1]):
        columns = by_column(SPAN_ROW, [(1, *one) for one in known])
        told_row = {**row, "implied": False, "ended_estimated": False}
        is_regular = bool(regular(by_column(JOB_ROW, [[told_row.get(name) for name in JOB_ROW]]), columns)[0])
        assert is_regular == (sorted(known) == implied)
        queues = {7: "q", 8: "other"}
        record = a_job(1, started_at=started, queue="q", cores=4, gpus=0)
        objects = [
            Span(since, until, JOB_STATES[state], queues[queue], cores, gpus)
            for since, until, state, queue, cores, gpus in sorted(known)
        ]
        if ended >= submitted:
            strict = is_implied(record, submitted, ended, objects)
            assert strict == (is_regular and (started is None or started >= submitted))


def put(store: Store, at: int, *jobs: Any) -> None:
    store.store_report(1, a_report(at, list(jobs)), PollTimes(at, 0.1))


def told_of(store: Store) -> list[tuple[int, int, str]]:
    return [
        (row["since"] - T0, row["until"] - T0, JOB_STATES[row["state"]].value)
        for row in table_rows(store.engine, job_span)
    ]


def all_of(store: Store) -> list[tuple[int, int, str]]:
    with store.engine.connect() as connection:
        rows = connection.execute(spans_of_jobs(job.c.number == "1")).all()
    return [(row.since - T0, row.until - T0, JOB_STATES[row.state].value) for row in rows]


def test_a_job_that_ended_leaves_no_spans_behind_and_has_them_still(each_store: str, tmp_path: Path) -> None:
    store = Store(store_at(tmp_path / "store.sqlite"))
    store.sync_clusters(SETTINGS)
    put(store, T0, a_job(1, submitted_at=T0 - 60))
    put(store, T0 + 60, as_running(a_job(1, submitted_at=T0 - 60), T0 + 30))
    assert len(told_of(store)) == 2, "it lives"
    ended = a_job(1, JobState.FINISHED, submitted_at=T0 - 60, started_at=T0 + 30, ended_at=T0 + 90, exit_status=0)
    put(store, T0 + 120, ended)
    assert told_of(store) == []
    assert all_of(store) == [(-60, 30, "queued"), (30, 90, "running")]
    later = a_job(1, JobState.FINISHED, submitted_at=T0 - 60, started_at=T0 + 30, ended_at=T0 + 100, exit_status=0)
    store._known.clear()
    put(store, T0 + 180, later)
    (row,) = table_rows(store.engine, job)
    life = [(-60, 30, "queued"), (30, row["ended_at"] - T0, "running")]
    assert all_of(store) == life
    store.close()


def test_one_that_was_held_or_lives_again_is_told(each_store: str, tmp_path: Path) -> None:
    store = Store(store_at(tmp_path / "store.sqlite"))
    store.sync_clusters(SETTINGS)
    put(store, T0, a_job(1, JobState.HELD, submitted_at=T0 - 60))
    put(store, T0 + 60, as_running(a_job(1, submitted_at=T0 - 60), T0 + 30))
    put(store, T0 + 120)
    assert [state for _, _, state in told_of(store)] == ["held", "running"]
    before = all_of(store)
    assert before == told_of(store)
    put(store, T0 + 180, as_running(a_job(1, submitted_at=T0 - 60), T0 + 30))
    assert all_of(store)[-1][2] == "running", "it had not ended"
    assert table_rows(store.engine, job)[0]["ended_at"] is None
    store.close()


def test_an_end_taken_back_brings_the_spans_back(each_store: str, tmp_path: Path) -> None:
    store = Store(store_at(tmp_path / "store.sqlite"))
    store.sync_clusters(SETTINGS)
    running = as_running(a_job(1, submitted_at=T0 - 60), T0)
    put(store, T0 + 60, running)
    put(store, T0 + 120)
    (row,) = table_rows(store.engine, job)
    assert row["ended_estimated"]
    assert row["implied"]
    assert told_of(store) == []
    put(store, T0 + 180, running)
    (row,) = table_rows(store.engine, job)
    assert row["ended_at"] is None
    assert not row["implied"]
    assert all_of(store) == told_of(store)
    assert [state for _, _, state in all_of(store)][:2] == ["queued", "running"]
    store.close()


def test_a_log_that_corrects_a_job_leaves_told_only_what_its_times_do_not_tell(each_store: str, tmp_path: Path) -> None:
    store, cluster_id = open_store(tmp_path)
    began = T0 - 400 * 86400
    plain = {"ctime": began, "start": began + 60, "end": began + 99}
    import_into(store, cluster_id, write_log(tmp_path / "a", [told("E", 5, began + 99, **plain)]))
    (row,) = table_rows(store.engine, job)
    assert row["implied"]
    assert table_rows(store.engine, job_span) == []
    with store.engine.connect() as connection:
        both = connection.execute(select(WAITED.since, WAITED.until, RAN.since, RAN.until)).one()
    assert tuple(both) == (began, began + 60, began + 60, began + 99)
    store.close()
