"""Records come back from their rows as they were."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, insert, select

from agent.report import Array, Job, Node, Queue, Reservation
from agent.states import NodeState
from collector.known import WHOLE_JOB
from collector.rows import (
    array_totals,
    hosts_record,
    hosts_text,
    job_record,
    job_row,
    job_words,
    join_id,
    node_record,
    node_row,
    queue_record,
    queue_row,
    reservations_text,
    split_id,
)
from collector.schema import job, job_live, metadata, node, queue
from tests.collector.reports import T0, a_job, as_running

JOBS = [
    a_job(),
    as_running(a_job(), T0 + 5),
    replace(a_job(), id="17", group=None, account="a", project="p"),
    replace(a_job(), id="123[4].pbs01", array_id="123[].pbs01", array_index="4"),
    replace(a_job(), id="18", array_id="17", array_index="3"),
    replace(a_job(), id="9.a.b.c", comment="why", hold="us", depends_on="afterok:1", priority=-3, exit_status=-11),
    replace(a_job(), id="", name="", memory_bytes=2**50, hosts={"n1": 1, "n2": 1, "n3": 1, "n9": 2}),
]


@pytest.mark.parametrize("record", JOBS, ids=lambda one: one.id or "no id")
def test_a_job_comes_back(record: Job) -> None:
    texts = {text: number for number, text in enumerate(dict.fromkeys(job_words(record)), 5)}
    row = job_row(record, record.submitted_at or 0, None, False, texts.__getitem__)
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        metadata.create_all(connection)
        connection.execute(insert(job).values(cluster_id=1, **row))
        connection.execute(insert(job_live).values(job_id=1, comment=record.comment))
        stored = connection.execute(WHOLE_JOB).mappings().one()
    engine.dispose()
    assert job_record(stored, {number: text for text, number in texts.items()}) == record


def test_a_node_and_a_queue_come_back() -> None:
    record = Node("n1", NodeState.DOWN, "down,offline", 16, 3, 2, 1, 2**37, 5, 0.25, ("1", "2"), ("ib",), "DIMM")
    limits = Queue("batch", "execution", True, None, 50, 3600, {}, {"max_run": "[u:Zoë=3], [g:<b>=1]"})
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        metadata.create_all(connection)
        connection.execute(insert(node).values(cluster_id=1, **node_row(record)))
        connection.execute(insert(queue).values(cluster_id=1, **queue_row(limits)))
        assert node_record(connection.execute(select(node)).mappings().one()) == record
        assert queue_record(connection.execute(select(queue)).mappings().one()) == limits
    engine.dispose()


def test_a_queue_without_limits_has_none_in_its_row() -> None:
    assert queue_row(Queue("batch", "execution"))["limits"] is None


def test_reservations_are_rows_of_json() -> None:
    assert reservations_text(()) is None
    text = reservations_text((Reservation("R1.pbs01", "Übung", "grace", "running", None, 5, 9, ("n1", "n2"), 48),))
    assert json.loads(text or "") == [
        {
            "id": "R1.pbs01",
            "name": "Übung",
            "owner": "grace",
            "state": "running",
            "queue": None,
            "starts_at": 5,
            "ends_at": 9,
            "nodes": ["n1", "n2"],
            "cores": 48,
            "comment": None,
        }
    ]


def test_arrays_are_known_by_the_number_their_jobs_name() -> None:
    arrays = [Array("80[].pbs01", "B", total=50), Array("80[].other", "B", total=9), Array("81", "Q", total=0)]
    assert array_totals([*arrays, Array("82[].pbs01", "B")]) == {"80[]": 50, "81": 0}
    task = a_job(80, id="80[4].pbs01", array_id="80[].pbs01")
    texts = {text: number for number, text in enumerate(job_words(task))}
    assert job_row(task, 0, None, False, texts.__getitem__)["array_number"] == "80[]"


@given(st.dictionaries(st.integers(1, 300), st.integers(0, 128), max_size=60))
def test_hosts_come_back_from_ranges(cores: dict[int, int]) -> None:
    hosts = {f"n{number}": count for number, count in cores.items()}
    text = hosts_text(hosts, lambda name: int(name[1:]))
    assert hosts_record(text, {number: f"n{number}" for number in cores}) == hosts
    assert (text is None) == (not hosts)


def test_a_job_on_neighbouring_nodes_takes_few_bytes() -> None:
    hosts = {f"n{number}": 24 for number in range(100, 200)}
    assert hosts_text(hosts, lambda name: int(name[1:])) == "24:100-199"


@given(st.text(max_size=12))
def test_ids_come_back(native_id: str) -> None:
    assert join_id(*split_id(native_id)) == native_id
