from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from agent.probe import take_report
from agent.recording import Choice, Replay
from agent.report import Node, Report, Reservation
from agent.states import JobState, NodeState
from collector.store import PollTimes, Store
from tests.agent.samples import SAMPLES
from tests.collector.reports import settings_for
from tests.databases import store_at
from tests.webstat.data.test_frames import nodes, totals
from webstat.data import free
from webstat.data.queries.changes import load_reservations
from webstat.data.queries.engine import open_store
from webstat.data.queries.now import load_job_totals, load_nodes, load_queues

pytestmark = pytest.mark.usefixtures("each_store")

GB = 1024**3
RECORDED = (
    "openpbs-23.06.06/mixed",
    "openpbs-23.06.06/wide",
    "torque-2.5.13/mixed",
    "torque-6.1.3.h5/mixed",
    "slurm-22.05.8/mixed",
)


def queues(**states: tuple[str, bool | None, bool | None]) -> pd.DataFrame:
    rows = [(name, *state, 0.0, None) for name, state in states.items()]
    frame = pd.DataFrame(rows, columns=["name", "type", "enabled", "started", "priority", "max_walltime_seconds"])
    return frame.astype({"name": "str", "type": "str", "max_walltime_seconds": "float64"})


OPEN = ("execution", True, True)


@pytest.mark.parametrize("state", ["free", "partial"])
def test_nodes_that_take_work_have_room(state: str) -> None:
    taken = 0 if state == "free" else 6
    found = free.room(nodes({"state": state, "cores": 24, "cores_used": taken, "memory_bytes": 64 * GB}), totals())
    assert (found.capacity.free, found.nodes_with_room, found.block) == (24 - taken, 1, 24 - taken)
    assert found.capacity.whole_nodes == (1 if state == "free" else 0)


@pytest.mark.parametrize("state", ["busy", "reserved", "offline", "down", "unknown"])
def test_other_nodes_have_none_however_idle(state: str) -> None:
    idle = {"state": state, "cores": 24, "cores_used": 0, "gpus": 4, "gpus_used": 0}
    idle |= {"memory_bytes": 64 * GB, "memory_used_bytes": 0, "properties": '["batch"]'}
    found = free.free(nodes(idle), queues(batch=OPEN, any=OPEN), totals())
    for room in (found.room, *(place.room for place in found.queues)):
        assert (room.capacity.installed, room.capacity.free, room.capacity.whole_nodes) == (24, 0, 0)
        assert (room.nodes_with_room, room.block, room.gpus_free, room.gpu_block) == (0, 0, 0, None)
        assert room.memory_bytes is None


def test_the_largest_blocks_are_on_one_node_each() -> None:
    machine = nodes(
        {"state": "partial", "cores": 24, "cores_used": 20, "gpus": 4, "gpus_used": 1, "memory_bytes": 99 * GB},
        {"state": "partial", "cores": 24, "cores_used": 10, "gpus": 4, "gpus_used": 1, "memory_bytes": 64 * GB,
         "memory_used_bytes": 60 * GB},
        {"state": "free", "cores": 16, "cores_used": 0, "memory_bytes": 32 * GB},
        {"state": "offline", "cores": 96, "cores_used": 0, "gpus": 8, "gpus_used": 0, "memory_bytes": 999 * GB},
    )  # fmt: skip
    found = free.room(machine, totals())
    assert (found.block, found.gpu_block, found.gpus_free) == (16, (3, 14), 6)
    assert found.memory_bytes == 32 * GB, "what nobody counts on a node with jobs is not known to be free"


def test_a_queue_is_tied_to_the_nodes_that_name_it() -> None:
    machine = nodes(
        {"state": "free", "cores": 24, "cores_used": 0, "properties": '["batch", "ib"]'},
        {"state": "partial", "cores": 24, "cores_used": 20, "properties": '["gpu", "batch"]'},
        {"state": "free", "cores": 8, "cores_used": 0},
        {"state": "down", "cores": 32, "properties": '["lost"]'},
    )
    found = free.free(machine, queues(batch=OPEN, gpu=OPEN, short=OPEN, lost=OPEN), totals())
    assert [(p.name, p.any_node, p.room.capacity.free, p.room.capacity.nodes) for p in found.queues] == [
        ("short", True, 36, 4), ("batch", False, 28, 2), ("gpu", False, 4, 1), ("lost", False, 0, 1),
    ]  # fmt: skip
    assert [(p.name, p.room.capacity.free) for p in found.properties] == [("ib", 24)]


def test_queues_that_are_no_place_to_submit_to_are_left_out_and_stopped_ones_come_last() -> None:
    machine = nodes(
        {"state": "free", "cores": 24, "cores_used": 0, "properties": '["small"]'}, {"state": "free", "cores": 4}
    )
    listed = queues(
        stopped=("execution", True, False), draining=("execution", False, True), closed=("execution", False, False),
        route=("routing", True, True), R151=OPEN, small=OPEN, untold=("execution", None, None),
    )  # fmt: skip
    found = free.free(machine, listed, totals(("a", "stopped", "queued", 3, 9), ("b", "small", "held", 1, 1)), {"R151"})
    assert [(p.name, p.usable, p.waiting) for p in found.queues] == [
        ("untold", True, 0), ("small", True, 0), ("closed", False, 0), ("draining", False, 0), ("stopped", False, 3),
    ]  # fmt: skip
    assert found.waiting == 3


def test_gpus_that_no_node_counts_are_known_only_where_all_of_them_are() -> None:
    machine = nodes(
        {"state": "partial", "cores": 8, "cores_used": 2, "gpus": 4, "properties": '["gpu", "a100"]'},
        {"state": "free", "cores": 8, "gpus": 2, "properties": '["gpu"]'},
        {"state": "free", "cores": 8, "gpus": 0, "properties": '["cpu"]'},
    )
    holding = totals(("a", "gpu", "running", 1, 2, 0.0, 0, 0, 3))
    found = free.free(machine, queues(gpu=OPEN, a100=OPEN, cpu=OPEN, batch=OPEN), holding)
    assert {place.name: place.room.gpus_free for place in found.queues} == {
        "gpu": 3,
        "a100": None,
        "cpu": 0,
        "batch": 3,
    }
    assert found.room.gpu_block is None


def test_kinds_of_nodes_are_those_that_tell_them_apart_roomiest_first() -> None:
    rows = [
        {"state": "free", "cores": 8, "cores_used": place % 8, "properties": json.dumps(["el7", f"rack{place:02d}"])}
        for place in range(12)
    ]
    found = free.free(nodes(*rows), queues(el7=OPEN), totals())
    assert [place.name for place in found.properties][:3] == ["rack00", "rack08", "rack01"]
    assert (len(found.properties), found.more_properties) == (free.LISTED_PROPERTIES, 4)
    assert all(place.waiting is None for place in found.properties)


def test_nothing_is_known_of_a_cluster_without_nodes() -> None:
    found = free.free(nodes(), queues(batch=OPEN), totals(("a", "batch", "queued", 2, 8)))
    assert (found.room.capacity.free, found.room.block, found.waiting) == (None, 0, 2)
    assert found.queues[0].any_node


@pytest.fixture(params=RECORDED)
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Report, free.Free]]:
    """A recorded report, and the room that is read from a store which holds it."""
    report = take_report(Replay(SAMPLES / request.param, Choice()))
    url = store_at(tmp_path / "store.sqlite")
    store = Store(url)
    store.sync_clusters(settings_for("c"))
    store.store_report(1, report, PollTimes(report.taken_at, 0.5))
    store.close()
    engine = open_store(url)
    reserved = set(load_reservations(engine, 1)["queue"].dropna())
    yield report, free.free(load_nodes(engine, 1), load_queues(engine, 1), load_job_totals(engine, 1), reserved)
    engine.dispose()


def idle(node: Node) -> int:
    """Free cores of a recorded node, counted by hand."""
    takes_work = node.state in (NodeState.FREE, NodeState.PARTIAL)
    return max(0, (node.cores or 0) - (node.cores_used or 0)) if takes_work else 0


def test_recorded_room_is_what_a_count_of_the_nodes_gives(stored: tuple[Report, free.Free]) -> None:
    report, found = stored
    sets = {place.name: place.room for place in (*found.queues, *found.properties)}
    assert sets
    for name, room in [("", found.room), *sets.items()]:
        named = [node for node in report.nodes if name in node.properties]
        chosen = named or report.nodes
        free_cores = [idle(node) for node in chosen]
        assert room.capacity.free == sum(free_cores), name
        assert room.capacity.installed == sum(node.cores or 0 for node in chosen)
        assert room.nodes_with_room == sum(cores > 0 for cores in free_cores)
        assert room.block == max(free_cores)
        assert room.capacity.whole_nodes == sum(idle(node) == node.cores for node in chosen if node.cores)
        if all(node.gpus_used is not None for node in chosen if node.gpus):
            gpus = [(node.gpus or 0) - (node.gpus_used or 0) if idle(node) else 0 for node in chosen]
            assert room.gpus_free == sum(gpus)
            assert (room.gpu_block or (0,))[0] == max(gpus)
        memory = [
            node.memory_bytes - (node.memory_used_bytes or 0)
            for node in chosen
            if idle(node) and node.memory_bytes and (node.memory_used_bytes is not None or not node.cores_used)
        ]
        assert room.memory_bytes == (max(memory) if memory else None)


def test_recorded_queues_are_those_one_submits_to(stored: tuple[Report, free.Free]) -> None:
    report, found = stored
    reserved = {one.queue for one in report.reservations}
    listed = {queue.name: queue for queue in report.queues if queue.type != "routing" and queue.name not in reserved}
    assert {place.name for place in found.queues} == set(listed)
    waits = (JobState.QUEUED, JobState.TRANSITING)
    for place in found.queues:
        queue = listed[place.name]
        assert place.usable == (queue.enabled is not False and queue.started is not False)
        assert place.any_node == all(place.name not in node.properties for node in report.nodes)
        assert place.waiting == sum(job.state in waits and place.name in job.queue.split(",") for job in report.jobs)
    assert found.waiting == sum(job.state in waits for job in report.jobs)
    usable = [place.room.capacity.free for place in found.queues if place.usable]
    assert usable == sorted(usable, reverse=True)


def test_the_queue_of_a_reservation_is_no_place_to_submit_to(tmp_path: Path) -> None:
    report = take_report(Replay(SAMPLES / RECORDED[0], Choice()))
    held = Reservation("R151.pbs01", "course", "grace", "running", "R151", 1, 2**40, ("cn001",), 24)
    assert "R151" in {queue.name for queue in report.queues}
    url = store_at(tmp_path / "store.sqlite")
    store = Store(url)
    store.sync_clusters(settings_for("c"))
    store.store_report(1, replace(report, reservations=(held,)), PollTimes(report.taken_at, 0.5))
    store.close()
    engine = open_store(url)
    told = load_reservations(engine, 1)
    engine.dispose()
    assert told[["id", "queue", "owner"]].to_numpy().tolist() == [["R151.pbs01", "R151", "grace"]]
    assert told["nodes"].tolist() == [("cn001",)]
