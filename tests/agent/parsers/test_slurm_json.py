"""Slurm's JSON where it is damaged or odd."""

from __future__ import annotations

import json
from datetime import timezone
from typing import Any, Dict, List

import pytest

from agent.errors import ParseError
from agent.parsers import ParsedJobs, ParsedNodes, slurm_json
from agent.states import JobState, NodeState

UTC = timezone.utc


def a_job(number: int = 7, **more: Any) -> Dict[str, Any]:
    return {
        "job_id": number,
        "job_state": "PENDING",
        "name": "a",
        "user_name": "ann",
        "partition": "batch",
        "cpus": 4,
        "node_count": 1,
        "state_reason": "Priority",
        "start_time": 1795479960,
        "submit_time": 1795469159,
        "array_job_id": 0,
        "array_task_id": None,
        "array_task_string": "",
        **more,
    }


def parse(*records: Any, errors: Any = ()) -> ParsedJobs:
    return slurm_json.parse_jobs(json.dumps({"meta": {}, "errors": errors, "jobs": records}).encode(), UTC)


def ids(parsed: ParsedJobs) -> List[str]:
    return [job.id for job in parsed.jobs]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"squeue: error: Unable to contact slurm controller",
        b"[]",
        b"null",
        b'{"jobs": {}}',
        b'{"nodes": []}',
        b'{"jobs": [{"job_id": 1',
        b"[" * 100_000,
        b'{"jobs": [' + b"9" * 5000 + b"]",
        b"\xff\xfe",
    ],
)
def test_what_is_no_such_document_is_refused(raw: bytes) -> None:
    with pytest.raises(ParseError, match="squeue --json: expected a JSON document"):
        slurm_json.parse_jobs(raw, UTC)


def test_no_jobs_is_an_idle_cluster_and_errors_are_a_failure() -> None:
    assert parse() == ParsedJobs()
    with pytest.raises(ParseError, match="lists nothing and says why: Unspecified error"):
        parse(errors=[{"error": "Unspecified error", "errno": -1}])
    with pytest.raises(ParseError, match="no words"):
        parse(errors=[{}])


def test_errors_beside_jobs_are_a_warning() -> None:
    parsed = parse(a_job(), errors=[{"description": "one node did not answer"}])
    assert ids(parsed) == ["7"]
    assert not parsed.complete
    assert "one node did not answer" in parsed.warnings[0].message


@pytest.mark.parametrize(
    "record",
    [
        7,
        None,
        "job",
        {},
        a_job(job_id="7"),
        a_job(job_id=None),
        a_job(job_id=True),
        a_job(job_state=None),
        a_job(job_state=["RUNNING"]),  # as later versions print it
        a_job(cpus={"set": True, "infinite": False, "number": 4}),
        a_job(cpus=-1),
    ],
)
def test_a_record_that_cannot_be_read_is_left_out(record: Any) -> None:
    parsed = parse(record, a_job(8))
    assert ids(parsed) == ["8"]
    assert not parsed.complete
    assert len(parsed.warnings) == 1


def test_a_later_version_s_document_is_refused() -> None:
    later = a_job(cpus={"set": True, "infinite": False, "number": 4}, job_state=["RUNNING"])
    with pytest.raises(ParseError, match=r"none of its records could be read; the first: .*its job_state is"):
        parse(later, later)


def test_fields_of_other_types_are_not_told() -> None:
    names = ["name", "user_name", "partition", "account", "dependency", "node_count", "time_limit", "priority", "wckey"]
    odd: Dict[str, Any] = {name: [1] for name in names}
    odd.update(job_resources=[], gres_detail={}, submit_time="now", tres_alloc_str=4, job_state="RUNNING", nodes="n1")
    job = parse(a_job(**odd)).jobs[0]
    assert (job.name, job.user, job.queue, job.account, job.nodes) == ("", "", "", None, 0)
    assert (job.walltime_seconds, job.priority, job.submitted_at, job.memory_bytes, job.hosts) == (
        *(None, None, None, None),
        {},
    )


@pytest.mark.parametrize("number", [0xFFFFFFFF, 0xFFFFFFFE, -2, 1.5, "60", None])
def test_slurm_s_marks_for_no_number(number: Any) -> None:
    assert parse(a_job(time_limit=number)).jobs[0].walltime_seconds is None


def test_a_state_that_nobody_has_seen_is_unknown_and_said_once() -> None:
    parsed = parse(a_job(1, job_state="LEVITATING"), a_job(2, job_state="LEVITATING"))
    assert [job.state for job in parsed.jobs] == [JobState.UNKNOWN] * 2
    assert [warning.message for warning in parsed.warnings] == ["job state 'LEVITATING' is unknown"]


@pytest.mark.parametrize(
    ("expression", "tasks"),
    [
        ("1-3", ["1", "2", "3"]),
        ("7-9%6", ["7", "8", "9"]),
        ("10-40:10", ["10", "20", "30", "40"]),
        ("3,5,7-8", ["3", "5", "7", "8"]),
        ("0", ["0"]),
    ],
)
def test_a_waiting_array_is_a_job_for_each_task(expression: str, tasks: List[str]) -> None:
    parsed = parse(a_job(17, array_job_id=17, array_task_string=expression))
    assert [(job.id, job.array_id, job.array_index) for job in parsed.jobs] == [
        (f"17_{task}", "17", task) for task in tasks
    ]
    assert [job.estimated_start_at for job in parsed.jobs] == [1795479960] + [None] * (len(tasks) - 1)
    assert [(array.id, array.total, array.native_state) for array in parsed.arrays] == [("17", None, "PENDING")]


@pytest.mark.parametrize("expression", ["1,3,5,...", "x", "9-1", "1-400000000", "1-2:x", "-"])
def test_an_array_that_cannot_be_expanded_counts_as_one_job(expression: str) -> None:
    parsed = parse(a_job(17, array_job_id=17, array_task_string=expression), a_job(18))
    assert ids(parsed) == ["17", "18"]
    assert len(parsed.warnings) == 1
    assert "count as one job" in parsed.warnings[0].message


def test_no_more_tasks_than_there_is_room_for() -> None:
    parsed = parse(*(a_job(n, array_job_id=n, array_task_string="1-60000") for n in (1, 2)), a_job(3))
    assert len(parsed.jobs) == 60002
    assert len(parsed.arrays) == 2


def test_a_running_task_has_its_array_s_name() -> None:
    job = parse(a_job(33, job_state="RUNNING", array_job_id=17, array_task_id=4, nodes="n1")).jobs[0]
    assert (job.id, job.array_id, job.array_index, job.started_at) == ("17_4", "17", "4", 1795479960)


@pytest.mark.parametrize(
    ("fields", "gpus"),
    [
        ({"gres_detail": ["gpu:a100:2(IDX:0-1)", "gpu:a100:1(IDX:0)"]}, 3),
        ({"tres_per_job": "gres:gpu:a100:4"}, 4),
        ({"tres_per_node": "gres:gpu:2", "node_count": 3}, 6),
        ({"tres_per_task": "gres:gpu:1", "tasks": 8}, 8),
        ({"tres_per_node": "gres:gpu"}, 1),
        ({"gres_detail": ["gpu:a100:2(IDX:0,3),gpu:v100:1(IDX:1,2)"]}, 3),
        ({"tres_alloc_str": "cpu=4,mem=8G,gres/gpu=2,gres/gpu:a100=2"}, 2),
        ({"tres_per_node": "gres:craynetwork:4"}, 0),
        ({}, 0),
    ],
)
def test_gpus(fields: Dict[str, Any], gpus: int) -> None:
    assert parse(a_job(**fields)).jobs[0].gpus == gpus


@pytest.mark.parametrize(
    ("resources", "memory_bytes"),
    [("cpu=1,mem=2000M,node=1", 2000 << 20), ("mem=62.50G", 125 << 29), ("cpu=1,mem=1T", 1 << 40), ("cpu=1", None)],
)
def test_memory(resources: str, memory_bytes: int) -> None:
    assert parse(a_job(tres_req_str=resources)).jobs[0].memory_bytes == memory_bytes


@pytest.mark.parametrize(("code", "status"), [(0, 0), (768, 3), (15, 271), (139, 267), (None, None), (1 << 20, None)])
def test_exit_statuses_are_pbs_s(code: Any, status: Any) -> None:
    assert parse(a_job(job_state="FAILED", nodes="n1", exit_code=code)).jobs[0].exit_status == status


def a_node(**more: Any) -> Dict[str, Any]:
    return {"name": "n1", "state": "idle", "state_flags": [], "cpus": 16, "alloc_cpus": 0, **more}


def parse_nodes(*records: Any) -> ParsedNodes:
    return slurm_json.parse_nodes(json.dumps({"errors": [], "nodes": records}).encode(), UTC)


@pytest.mark.parametrize(
    ("fields", "state", "native"),
    [
        ({}, NodeState.FREE, "IDLE"),
        ({"state": "mixed", "alloc_cpus": 4}, NodeState.PARTIAL, "MIXED"),
        ({"state": "allocated", "alloc_cpus": 16}, NodeState.BUSY, "ALLOCATED"),
        ({"state_flags": ["DRAIN"]}, NodeState.OFFLINE, "IDLE+DRAIN"),
        ({"state_flags": ["CLOUD", "POWERED_DOWN"]}, NodeState.FREE, "IDLE+CLOUD+POWERED_DOWN"),
        ({"state_flags": ["NOT_RESPONDING"]}, NodeState.DOWN, "IDLE+NOT_RESPONDING"),
        ({"state_flags": ["LEVITATING"]}, NodeState.UNKNOWN, "IDLE+LEVITATING"),
    ],
)
def test_states_of_nodes(fields: Dict[str, Any], state: NodeState, native: str) -> None:
    parsed = parse_nodes(a_node(**fields))
    assert (parsed.nodes[0].state, parsed.nodes[0].native_state) == (state, native)
    assert len(parsed.warnings) == ("LEVITATING" in native)


def test_what_a_node_does_not_tell_is_none() -> None:
    marks = {"cpu_load": 0xFFFFFFFE, "free_memory": -2, "real_memory": None, "alloc_memory": "x", "gres": None}
    node = parse_nodes(a_node(**marks, partitions=None)).nodes[0]
    assert (node.load, node.memory_bytes, node.memory_used_bytes, node.gpus, node.properties) == (
        None,
        None,
        None,
        0,
        (),
    )


@pytest.mark.parametrize(
    "record", [{}, a_node(name=""), a_node(cpus=None), a_node(state=None), [], a_node(state=["IDLE"])]
)
def test_a_node_that_cannot_be_read_is_left_out(record: Any) -> None:
    parsed = parse_nodes(record, a_node(name="n2"))
    assert [node.name for node in parsed.nodes] == ["n2"]
    assert not parsed.complete
    assert len(parsed.warnings) == 1


def test_twenty_megabytes_in_one_text() -> None:
    parsed = parse(a_job(1, name="A" * 20_000_000), a_job(2))
    assert ids(parsed) == ["1", "2"]
    assert len(parsed.jobs[0].name) == 65536
