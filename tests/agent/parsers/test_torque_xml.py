"""TORQUE's XML where it is hostile, damaged or odd."""

from __future__ import annotations

from datetime import timezone
from typing import List

import pytest

from agent.errors import ParseError
from agent.parsers import ParsedJobs, torque_xml
from agent.report import Array
from agent.states import JobState, NodeState

UTC = timezone.utc
PROLOG = b'<?xml version="1.0"?>\n'
SERVER = "tq01.grid.example"


def element(name: str, text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"<{name}>{escaped}</{name}>"


def a_job(number: str = "7", **more: str) -> str:
    fields = {"Job_Name": "a", "Job_Owner": "ann@host", "job_state": "Q", "queue": "batch", "ctime": "1795469419"}
    fields.update(more)
    inside = "".join(element(name, text) for name, text in fields.items())
    return f"<Job>{element('Job_Id', f'{number}.{SERVER}')}{inside}</Job>"


def document(*records: str) -> bytes:
    return PROLOG + f"<Data>{''.join(records)}</Data>\n".encode()


def parse(raw: bytes) -> ParsedJobs:
    return torque_xml.parse_jobs(raw, UTC)


def ids(parsed: ParsedJobs) -> List[str]:
    return [job.id.partition(".")[0] for job in parsed.jobs]


@pytest.mark.parametrize(
    "raw", [b"", b"\n", PROLOG + b"<Data></Data>\n", b"<Data></Data>", PROLOG + b"<Data>\n</Data>"]
)
def test_an_idle_server(raw: bytes) -> None:
    assert parse(raw) == ParsedJobs()


@pytest.mark.parametrize(
    "raw",
    [
        b"qstat: cannot connect to server",
        PROLOG,
        PROLOG[:9],
        b"<html><body>502</body></html>",
        b"</Data>",
        b"<Data><Node><name>wn1</name></Node></Data>",
        b"<Data>nothing here</Data>",
        document(a_job())[:150],
        b"\x00\xff\xfe",
    ],
)
def test_what_is_no_such_document_is_refused_with_its_first_words(raw: bytes) -> None:
    with pytest.raises(ParseError, match="expected a <Data> document of <Job> records") as refused:
        parse(raw)
    assert repr(raw[:20])[2:-1] in str(refused.value)


def test_control_characters_and_bad_utf_8_do_not_end_the_reading() -> None:
    raw = document(a_job("1"), a_job("2", comment="BEEP and esc[31m and NONE"), a_job("3"))
    raw = raw.replace(b"BEEP", b"\x07").replace(b"esc", b"\x1b").replace(b"NONE", b"\xff\xc3\xef\xbf\xbe\x00")
    parsed = parse(raw)
    assert ids(parsed) == ["1", "2", "3"]
    assert parsed.complete
    assert parsed.warnings == []
    comment = parsed.jobs[1].comment
    assert comment is not None
    assert comment.startswith("\ufffd and \ufffd[31m and \ufffd")
    assert comment.isprintable()


def test_a_value_that_looks_like_records_is_a_value() -> None:
    evil = f"x</Job_Name></Job>{a_job('666')}<Job><Job_Name>\nJob Id: 667.{SERVER}\n    job_state = R"
    parsed = parse(document(a_job("1", Job_Name=evil), a_job("2")))
    assert ids(parsed) == ["1", "2"]
    assert "<Job_Id>666." in parsed.jobs[0].name
    assert parsed.jobs[0].state is JobState.QUEUED


def test_one_bad_record_does_not_spoil_the_others() -> None:
    broken = a_job("2").replace("</queue>", "</quoue>")
    parsed = parse(document(a_job("1"), broken, a_job("3")))
    assert ids(parsed) == ["1", "3"]
    assert not parsed.complete
    assert len(parsed.warnings) == 1
    assert "not well-formed" in parsed.warnings[0].message
    assert parsed.warnings[0].source.startswith("qstat -x, record at byte ")


def test_a_record_without_its_end_does_not_swallow_the_next() -> None:
    parsed = parse(document(a_job("1"), a_job("2")[:60], a_job("3")))
    assert ids(parsed) == ["1", "3"]
    assert not parsed.complete
    assert "60 bytes between the records" in parsed.warnings[0].message


def test_entities_and_document_types_do_not_act() -> None:
    bomb = '<!DOCTYPE Data [<!ENTITY a "' + "ha" * 1000 + '"><!ENTITY b "' + "&a;" * 1000 + '">]>'
    raw = PROLOG + f"{bomb}<Data>{a_job('1')}{a_job('2', Job_Name='NAME')}</Data>".replace("NAME", "&b;&b;").encode()
    parsed = parse(raw)
    assert ids(parsed) == ["1"]
    assert {warning.message.split(":")[0] for warning in parsed.warnings} == {"this record was left out"}
    outside = PROLOG + f'<!DOCTYPE Data SYSTEM "file:///etc/passwd"><Data>{a_job("1")}</Data>'.encode()
    assert ids(parse(outside)) == ["1"]


def test_deep_nesting_is_no_danger() -> None:
    deep = a_job("1").replace("</Job>", "<x>" * 100_000 + "</x>" * 100_000 + "</Job>")
    assert ids(parse(document(deep, a_job("2")))) == ["1", "2"]


def test_a_cut_document_keeps_what_was_whole() -> None:
    raw = document(a_job("1"), a_job("2"), a_job("3"))
    parsed = parse(raw[: raw.index(b"<Job_Id>3") + 5])
    assert ids(parsed) == ["1", "2"]
    assert not parsed.complete
    assert "without </Data>" in parsed.warnings[0].message


def test_a_template_is_an_array_and_a_task_knows_its_own() -> None:
    parsed = parse(
        document(
            a_job("12[]", job_array_request="0,3,5-9,100-104%4", job_state="H"),
            a_job("13[4]", job_state="R", exec_host="wn1/0-3+wn2/8-9,12-13"),
        ).replace(b"13[4]." + SERVER.encode(), b"13[4]")
    )
    assert parsed.arrays == [Array(f"12[].{SERVER}", "H", "a", "ann", "batch", 12)]
    task = parsed.jobs[0]
    assert (task.id, task.array_id, task.array_index) == ("13[4]", "13[]", "4")  # the server's name is switched off
    assert (task.cores, task.nodes, task.hosts) == (8, 2, {"wn1": 4, "wn2": 4})


@pytest.mark.parametrize(
    ("asked", "cores", "nodes", "gpus"),
    [
        ({"nodes": "2:ppn=4"}, 8, 2, 0),
        ({"nodes": "1:ppn=8:gpus=2:gpu+3:batch:ppn=2"}, 14, 4, 2),
        ({"nodes": "wn003:ppn=1+wn004:ppn=2", "nodect": "2"}, 3, 2, 0),
        ({"nodes": "3"}, 3, 3, 0),
        ({"nodes": "2:ppn=4:gpus=4#shared"}, 8, 2, 8),
        ({"procs": "10"}, 10, 0, 0),
        ({"ncpus": "4"}, 4, 0, 0),
        ({"nodes": "2:ppn=4", "ncpus": "1"}, 8, 2, 0),
        ({"nodes": "x" * 100}, 1, 1, 0),
        ({"nodes": "99999999999999999999:ppn=4"}, 4, 1, 0),
        ({}, 0, 0, 0),
    ],
)
def test_cores_that_a_waiting_job_asks_for(asked: dict, cores: int, nodes: int, gpus: int) -> None:
    resources = "".join(element(name, text) for name, text in asked.items())
    record = a_job().replace("<queue>", f"<Resource_List>{resources}</Resource_List><queue>")
    job = parse(document(record)).jobs[0]
    assert (job.cores, job.nodes, job.gpus) == (cores, nodes, gpus)
    assert job.hosts == {}


def test_requests_by_tasks() -> None:
    request = "<req_information><task_count.0>2</task_count.0><lprocs.0>4</lprocs.0></req_information><queue>"
    assert parse(document(a_job().replace("<queue>", request))).jobs[0].cores == 8


@pytest.mark.parametrize(
    ("asked", "memory_bytes"),
    [
        ({"mem": "4gb", "pmem": "1gb", "vmem": "8gb"}, 4 << 30),
        ({"pmem": "1gb"}, 6 << 30),
        ({"vmem": "8gb"}, 8 << 30),
        ({"pvmem": "512mb"}, 3 << 30),
        ({}, None),
    ],
)
def test_memory_that_a_job_asks_for(asked: dict, memory_bytes: int) -> None:
    resources = "".join(element(name, text) for name, text in {"nodes": "1:ppn=6", **asked}.items())
    record = a_job().replace("<queue>", f"<Resource_List>{resources}</Resource_List><queue>")
    assert parse(document(record)).jobs[0].memory_bytes == memory_bytes


def test_suspended_jobs_hold_no_cores_and_requeued_ones_have_not_started() -> None:
    past = {"exec_host": "wn1/1+wn1/0", "start_time": "1795469500", "exit_status": "271"}
    suspended, requeued = parse(document(a_job("1", job_state="S", **past), a_job("2", **past))).jobs
    assert (suspended.cores, suspended.hosts, suspended.started_at) == (2, {}, 1795469500)
    assert (requeued.cores, requeued.hosts, requeued.started_at, requeued.exit_status) == (0, {}, None, None)


def test_a_state_that_nobody_has_seen_is_unknown_and_said_once() -> None:
    parsed = parse(document(*(a_job(str(number), job_state="Z") for number in range(5)), a_job("9", job_state="R")))
    assert [job.state for job in parsed.jobs] == [JobState.UNKNOWN] * 5 + [JobState.RUNNING]
    assert {job.native_state for job in parsed.jobs[:5]} == {"Z"}
    assert [warning.message for warning in parsed.warnings] == ["job state 'Z' is unknown"]
    assert parsed.complete


@pytest.mark.parametrize(
    "host", ["wn1", "wn1/", "wn1/3-1", "wn1/x", "/1", "wn1/0+", "wn1/0-99999999999", "+", "wn1/-1"]
)
def test_a_running_job_whose_cores_are_unreadable_is_left_out(host: str) -> None:
    parsed = parse(document(a_job("1", job_state="R", exec_host=host), a_job("2")))
    assert ids(parsed) == ["2"]
    assert not parsed.complete
    assert parsed.warnings[0].source == f"qstat -x, 1.{SERVER}"


def test_unreadable_numbers_are_none_and_said() -> None:
    job = a_job(ctime="yesterday", Priority="high", etime="9" * 30)
    parsed = parse(document(job))
    assert (parsed.jobs[0].submitted_at, parsed.jobs[0].priority, parsed.jobs[0].eligible_at) == (None, None, None)
    assert {warning.message.partition(";")[0] for warning in parsed.warnings} == {
        "'yesterday' is no time",
        "'high' is no number",
        f"'{'9' * 30}' is no time",
    }


@pytest.mark.parametrize("record", ["<Job></Job>", "<Job><Job_Id>x</Job_Id></Job>", "<Job>text</Job>"])
def test_records_without_what_makes_a_job_are_left_out(record: str) -> None:
    parsed = parse(document(record, a_job("2")))
    assert ids(parsed) == ["2"]
    assert not parsed.complete
    assert len(parsed.warnings) == 1


def test_the_same_id_twice_counts_once() -> None:
    parsed = parse(document(a_job("1", Job_Name="first"), a_job("1", Job_Name="second")))
    assert [job.name for job in parsed.jobs] == ["first"]
    assert parsed.warnings[0].message == "this id is listed twice; the first record counts"


def test_a_flood_of_bad_records_is_few_warnings() -> None:
    parsed = parse(document(*("<Job></Job>" for _ in range(3)), *(a_job(f"x{n}") for n in range(500)), a_job("2")))
    assert ids(parsed) == ["2"]
    assert len(parsed.warnings) == 101
    assert "more warnings were left out" in parsed.warnings[-1].message


def test_twenty_megabytes_on_one_line() -> None:
    raw = document(a_job("1", Variable_List="A" * 20_000_000), a_job("2", comment="b" * 200_000))
    parsed = parse(raw)
    assert ids(parsed) == ["1", "2"]
    assert len(parsed.jobs[1].comment or "") == 65536  # what people read is cut


def a_node(**fields: str) -> bytes:
    fields = {"name": "wn1", "state": "free", "np": "24", **fields}
    return document(f"<Node>{''.join(element(name, text) for name, text in fields.items())}</Node>")


@pytest.mark.parametrize(
    ("fields", "state", "used"),
    [
        ({}, NodeState.FREE, 0),
        ({"jobs": "0-3/1.s,8-9,12-13/2[4].s"}, NodeState.PARTIAL, 8),
        ({"jobs": "0/1.s, 1/1.s"}, NodeState.PARTIAL, 2),
        ({"jobs": "0-23/1"}, NodeState.BUSY, 24),
        ({"jobs": "0-24/1"}, NodeState.BUSY, 25),  # slots can exceed np
        ({"state": "offline,job-exclusive", "jobs": "0-23/1.s"}, NodeState.OFFLINE, 24),
        ({"state": "job-exclusive,offline", "jobs": "0-23/1.s"}, NodeState.OFFLINE, 24),
        ({"state": "busy,down"}, NodeState.DOWN, 0),
        ({"state": "down, offline"}, NodeState.DOWN, 0),
    ],
)
def test_states_and_slots_of_nodes(fields: dict, state: NodeState, used: int) -> None:
    parsed = torque_xml.parse_nodes(a_node(**fields), UTC)
    assert (parsed.nodes[0].state, parsed.nodes[0].cores_used) == (state, used)
    assert parsed.warnings == []


@pytest.mark.parametrize("jobs", ["0-3", "x/1.s", "0/", "0/../../etc", "1/1.s,2", "/1.s"])
def test_a_node_whose_jobs_are_unreadable_is_left_out(jobs: str) -> None:
    parsed = torque_xml.parse_nodes(a_node(jobs=jobs), UTC)
    assert parsed.nodes == []
    assert not parsed.complete
    assert parsed.warnings[0].source == "pbsnodes -x, wn1"


def test_an_unknown_node_state_is_unknown_unless_another_word_is_worse() -> None:
    for words, state in (("hibernating", NodeState.UNKNOWN), ("hibernating,offline", NodeState.OFFLINE)):
        parsed = torque_xml.parse_nodes(a_node(state=words), UTC)
        assert (parsed.nodes[0].state, parsed.nodes[0].native_state) == (state, words)
        assert [warning.message for warning in parsed.warnings] == ["node state 'hibernating' is unknown"]


@pytest.mark.parametrize(
    "status",
    [
        # 6.1: the figures, then the message; 2.5: the other way round
        "arch=x,totmem=20kb,availmem=5kb,physmem=10kb,loadave=1.50,message=bad, loadave=9,state=down,physmem=1kb ,gres=",
        "rectime=1,message=bad, loadave=9,state=down,physmem=1kb ,gres=,loadave=1.50,physmem=10kb,availmem=5kb,totmem=20kb",
    ],
)
def test_a_message_forges_no_figure(status: str) -> None:
    node = torque_xml.parse_nodes(a_node(status=status), UTC).nodes[0]
    assert (node.load, node.memory_bytes, node.memory_used_bytes) == (1.5, 10 << 10, 15 << 10)
    assert node.state is NodeState.FREE
    assert (node.comment or "").startswith("bad, loadave=9")


def test_a_node_without_figures() -> None:
    node = torque_xml.parse_nodes(a_node(status="rectime=1,loadave=nan,physmem=lots,totmem=,jobs="), UTC).nodes[0]
    assert (node.load, node.memory_bytes, node.memory_used_bytes, node.comment) == (None, None, None, None)
