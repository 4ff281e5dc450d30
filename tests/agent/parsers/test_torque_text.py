"""TORQUE's text where it is wrapped, forged, damaged or odd."""

from __future__ import annotations

from datetime import timezone
from typing import List
from zoneinfo import ZoneInfo

import pytest

from agent.errors import ParseError
from agent.parsers import ParsedJobs, ParsedNodes, ParsedQueues, torque_text
from agent.states import JobState, NodeState

UTC = timezone.utc
SERVER = "tq01.grid.example"


def a_job(number: str = "7", **more: str) -> str:
    fields = {
        "Job_Name": "a",
        "Job_Owner": "ann@host",
        "job_state": "Q",
        "queue": "batch",
        "ctime": "Mon Nov 23 21:30:19 2026",
        **more,
        "fault_tolerant": "False",
    }
    lines = "".join(f"    {name.replace('__', '.')} = {text}\n" for name, text in fields.items())
    return f"Job Id: {number}.{SERVER}\n{lines}\n"


def parse(*records: str) -> ParsedJobs:
    return torque_text.parse_jobs("".join(records).encode("utf-8", "surrogateescape"), UTC)


def ids(parsed: ParsedJobs) -> List[str]:
    return [job.id.partition(".")[0] for job in parsed.jobs]


@pytest.mark.parametrize("raw", [b"", b"\n", b" \n\n"])
def test_nothing_at_all_is_an_idle_server(raw: bytes) -> None:
    assert torque_text.parse_jobs(raw, UTC) == ParsedJobs()
    assert torque_text.parse_nodes(raw, UTC) == ParsedNodes()
    assert torque_text.parse_queues(raw) == ParsedQueues()


@pytest.mark.parametrize(
    "raw",
    [
        b"pbs_iff: cannot connect to trqauthd\n",
        b"Job Id: 7.tq01\n",
        b"Job Id: 7.tq01\n    Job_Owner = ann@host\n\n",
        b"Job Id: 7.tq01\n    Job_Name = cut",
        b"wn1\n     state = free\n\n",
        b"\xff\x00\xfe",
        b"<Data></Data>",
    ],
)
def test_what_is_no_such_listing_is_refused(raw: bytes) -> None:
    with pytest.raises(ParseError, match="expected jobs of qstat -f"):
        torque_text.parse_jobs(raw, UTC)


def test_wrapped_lines_are_put_together_byte_by_byte() -> None:
    text = a_job(comment="für Ω").encode().replace("ü".encode(), b"\xc3\n\t\xbc").replace(b" = b", b"\n\t = \n\tb")
    job = torque_text.parse_jobs(text, UTC).jobs[0]
    assert (job.comment, job.queue) == ("für Ω", "batch")


def test_line_breaks_in_a_value_stay_in_it() -> None:
    hint = "Post job file processing error\n\nUnable to copy file\n*** error from copy\n    at = last"
    parsed = parse(a_job("1", sched_hint=hint, comment="really"), a_job("2"))
    assert ids(parsed) == ["1", "2"]
    assert parsed.jobs[0].comment == "really"
    assert parsed.warnings == []


def test_a_header_inside_a_value_begins_no_record() -> None:
    parsed = parse(
        a_job("1", submit_args=f"x\n\nJob Id: 666.{SERVER}\n\nJob Id: 667.{SERVER}\n    hello = you"), a_job("2")
    )
    assert ids(parsed) == ["1", "2"]
    assert [(warning.source, warning.message) for warning in parsed.warnings] == [
        (f"qstat -f, 1.{SERVER}", f"a value holds line breaks: a value holds the line 'Job Id: {number}.{SERVER}'")
        for number in (666, 667)
    ]


def test_a_forged_record_of_another_s_job_does_not_replace_it() -> None:
    # What follows the forged header is the forger's own record's rest: attributes that the forged ones repeat.
    forged = f"x\n\n{a_job('2', Job_Name='evil', job_state='R', exec_host='wn1/0-99')}".rstrip("\n")
    parsed = parse(a_job("1", submit_args=forged), a_job("2", Job_Name="good"))
    assert [(job.name, job.state) for job in parsed.jobs] == [("a", JobState.QUEUED), ("good", JobState.QUEUED)]
    assert any("there is another of this name" in warning.message for warning in parsed.warnings)


def test_a_forged_record_that_repeats_attributes_is_told() -> None:
    forged = f"x\n\n{a_job('666', job_state='R')}".rstrip("\n")
    parsed = parse(a_job("1", submit_args=forged), a_job("2"))
    assert set(ids(parsed)) >= {"1", "2"}
    assert f"qstat -f, 666.{SERVER}" in {warning.source for warning in parsed.warnings}


def test_a_user_s_text_does_not_change_what_stands_before_it() -> None:
    parsed = parse(a_job("1", Variable_List="A=b\n    job_state = R\n    exec_host = wn1/0-99\n    Job_Owner = root@x"))
    job = parsed.jobs[0]
    assert (job.state, job.user) == (JobState.QUEUED, "ann")
    assert {warning.message for warning in parsed.warnings} == {
        "a value holds line breaks: job_state stands twice",
        "a value holds line breaks: Job_Owner stands twice",
    }


def test_bytes_that_are_no_utf_8_and_control_characters() -> None:
    parsed = parse(a_job("1", comment="\udcff\udcc3 \x1b[2J \x07"), a_job("2"))
    assert ids(parsed) == ["1", "2"]
    comment = parsed.jobs[0].comment
    assert comment is not None
    assert comment.isprintable()


def test_a_warning_before_the_first_record() -> None:
    parsed = torque_text.parse_jobs(b"WARNING: low disk\n" + a_job("1").encode(), UTC)
    assert ids(parsed) == ["1"]
    assert parsed.warnings[0].message == "17 characters stand before the first record"


@pytest.mark.parametrize("cut", [1, 2, 20, 60, 100])
def test_a_cut_last_record_is_left_out_and_named(cut: int) -> None:
    raw = (a_job("1") + a_job("2")).encode()[:-cut]
    parsed = torque_text.parse_jobs(raw, UTC)
    assert ids(parsed) == ["1"]
    assert not parsed.complete
    assert [(warning.source, warning.message) for warning in parsed.warnings] == [
        (f"qstat -f, 2.{SERVER}", "this record was left out: the output ends inside it")
    ]


def test_times_are_those_of_the_zone() -> None:
    raw = a_job(ctime="Sat Jul  4 12:00:00 2026", etime="Sun Oct 25 02:30:00 2026").encode()
    athens = torque_text.parse_jobs(raw, ZoneInfo("Europe/Athens")).jobs[0]
    utc = torque_text.parse_jobs(raw, UTC).jobs[0]
    assert (utc.submitted_at or 0) - (athens.submitted_at or 0) == 3 * 3600
    assert utc.submitted_at == 1783166400
    assert (utc.eligible_at or 0) - (athens.eligible_at or 0) == 3 * 3600


def test_records_without_what_makes_a_job_are_left_out() -> None:
    parsed = parse(a_job("1", job_state=""), a_job("x"), a_job("2"), f"Job Id: 3.{SERVER}\n    Job_Name = a\n\n")
    assert ids(parsed) == ["2"]
    assert not parsed.complete
    assert [warning.message.partition(": ")[2] for warning in parsed.warnings] == [
        "it has no job_state",
        "that is no job id",
        "it has no job_state",
    ]


def test_twenty_megabytes_on_one_line() -> None:
    parsed = parse(a_job("1", Variable_List="A" * 20_000_000), a_job("2"))
    assert ids(parsed) == ["1", "2"]


def a_node(name: str = "wn1", **more: str) -> str:
    fields = {"state": "free", "np": "24", **more}
    return f"{name}\n" + "".join(f"     {key} = {text}\n" for key, text in fields.items()) + "\n"


def test_nodes_with_notes_of_several_lines() -> None:
    raw = a_node("wn1", note="broken\n\nwn666\nstate = free", jobs="0-3/1.s") + a_node("wn2", state="down")
    nodes = torque_text.parse_nodes(raw.encode(), UTC).nodes
    assert [(node.name, node.state) for node in nodes] == [("wn1", NodeState.PARTIAL), ("wn2", NodeState.DOWN)]
    assert nodes[0].comment == "broken  wn666 state = free"


def test_a_cut_node_is_left_out() -> None:
    raw = (a_node("wn1") + a_node("wn2")).encode()[:-3]
    parsed = torque_text.parse_nodes(raw, UTC)
    assert [node.name for node in parsed.nodes] == ["wn1"]
    assert not parsed.complete


def a_queue(name: str, **more: str) -> str:
    return f"Queue: {name}\n" + "".join(f"    {key.replace('__', '.')} = {text}\n" for key, text in more.items()) + "\n"


def test_queues_of_kinds_and_limits() -> None:
    raw = (
        a_queue("a", queue_type="Execution", Priority="5", resources_max__walltime="72:00:00", enabled="True")
        + a_queue("b", queue_type="Route", started="False", state_count="Transit:1 Queued:-1 Held:2 Comp\n\tlete:9 ")
        + a_queue("c", queue_type="Magic")
    )
    parsed = torque_text.parse_queues(raw.encode())
    first, second = parsed.queues
    assert (first.type, first.priority, first.max_walltime_seconds) == ("execution", 5, 259200)
    assert (first.enabled, first.started, first.jobs) == (True, None, {})
    assert (second.type, second.started) == ("routing", False)
    assert second.jobs == {"transiting": 1, "held": 2, "finished": 9}
    assert not parsed.complete
    assert parsed.warnings[0].source == "qstat -Q -f, c"


def test_no_server_is_an_error() -> None:
    for raw in (b"", b"Server: x\n    server_state = Active\n    pbs_ver", b"nonsense"):
        with pytest.raises(ParseError, match="expected a server"):
            torque_text.parse_server(raw)
