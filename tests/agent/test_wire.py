"""The wire: what is sent comes back; old, new and hostile peers get a typed error that names the field."""

from __future__ import annotations

import contextlib
import json
import zlib
from dataclasses import MISSING, fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import (
    CommandError,
    ErrorReply,
    MalformedMessage,
    MessageTooLarge,
    ProtocolMismatch,
    WireError,
)
from agent.report import PROTOCOL, Array, Job, Node, Queue, Report, Reservation, Scheduler, Warning
from agent.states import JobState, NodeState
from agent.wire import (
    answer_from_wire,
    answer_to_wire,
    error_to_wire,
    from_wire,
    report_to_json,
    request_from_wire,
    request_to_wire,
    to_wire,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBER = st.one_of(st.none(), st.integers(-(2**62), 2**62))
COUNTS = st.dictionaries(TEXT, st.integers(0, 10**6), max_size=3)
MAYBE_TEXT = st.one_of(st.none(), TEXT)
JOBS = st.builds(
    Job,
    id=TEXT,
    state=st.sampled_from(JobState),
    native_state=TEXT,
    name=TEXT,
    user=TEXT,
    queue=TEXT,
    group=MAYBE_TEXT,
    cores=st.integers(0, 10**6),
    memory_bytes=NUMBER,
    submitted_at=NUMBER,
    exit_status=NUMBER,
    comment=MAYBE_TEXT,
    hosts=COUNTS,
)
NODES = st.builds(
    Node,
    name=TEXT,
    state=st.sampled_from(NodeState),
    native_state=TEXT,
    cores=NUMBER,
    load=st.one_of(st.none(), st.floats(0, 1e6)),
    jobs=st.lists(TEXT, max_size=3).map(tuple),
    properties=st.lists(TEXT, max_size=3).map(tuple),
)
QUEUES = st.builds(
    Queue,
    name=TEXT,
    type=TEXT,
    enabled=st.booleans(),
    priority=NUMBER,
    max_walltime_seconds=NUMBER,
    jobs=COUNTS,
    limits=st.dictionaries(TEXT, TEXT, max_size=3),
)
RESERVATIONS = st.builds(
    Reservation,
    id=TEXT,
    name=TEXT,
    owner=TEXT,
    state=TEXT,
    queue=MAYBE_TEXT,
    starts_at=NUMBER,
    ends_at=NUMBER,
    nodes=st.lists(TEXT, max_size=3).map(tuple),
    cores=NUMBER,
    comment=MAYBE_TEXT,
)
REPORTS = st.builds(
    Report,
    cluster=TEXT,
    scheduler=st.builds(Scheduler, TEXT, TEXT, TEXT),
    taken_at=st.floats(0, 4e9),
    query_seconds=st.dictionaries(TEXT, st.floats(0, 100), max_size=3),
    jobs=st.lists(JOBS, max_size=5),
    arrays=st.lists(st.builds(Array, TEXT, TEXT, TEXT, TEXT, TEXT, NUMBER), max_size=2),
    nodes=st.lists(NODES, max_size=3),
    queues=st.lists(QUEUES, max_size=3),
    warnings=st.lists(st.builds(Warning, TEXT, TEXT), max_size=2),
    agent_version=TEXT,
    partial=st.sampled_from([(), ("jobs",), ("nodes", "queues")]),
    reservations=st.lists(RESERVATIONS, max_size=3).map(tuple),
)
SMALL = Report(
    "c",
    Scheduler("torque", "6.1", "tq01"),
    1.5,
    {"jobs": 0.1},
    [Job("1", JobState.RUNNING, "R", cores=4, hosts={"n1": 4})],
    [],
    [Node("n1", NodeState.BUSY, "job-exclusive")],
    [Queue("batch", "execution", limits={"max_user_run": "30"})],
    [],
    "0.1.0",
    reservations=(Reservation("R1", "course", "grace", "running", nodes=("n1",), cores=4),),
)


@given(REPORTS)
def test_a_report_comes_back_as_it_was(report: Report) -> None:
    assert from_wire(to_wire(report)) == report


@given(REPORTS)
def test_the_report_for_people_is_json(report: Report) -> None:
    document = json.loads(json.dumps(report_to_json(report)))
    assert [one["id"] for one in document["jobs"]] == [one.id for one in report.jobs]
    assert document["protocol"] == PROTOCOL


def unpacked(data: bytes) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(zlib.decompress(data))
    return document


def changed(**fields: Any) -> bytes:
    return json.dumps({**unpacked(to_wire(SMALL)), **fields}).encode()


def column(table: str, name: str, values: object) -> bytes:
    document = unpacked(to_wire(SMALL))
    document[table]["columns"][name] = values
    return json.dumps(document).encode()


def test_a_newer_peer_of_the_same_protocol_is_read() -> None:
    document = unpacked(to_wire(SMALL))
    document["moon_phase"] = 0.3
    document["jobs"]["columns"]["mood"] = ["fine"]
    document["jobs"]["columns"]["state"] = ["hibernating"]
    read = from_wire(json.dumps(document).encode())
    assert read == replace(SMALL, jobs=[replace(SMALL.jobs[0], state=JobState.UNKNOWN)])


def test_an_older_peer_of_the_same_protocol_is_read() -> None:
    document = unpacked(to_wire(SMALL))
    for name in ("partial", "arrays", "warnings", "reservations"):
        del document[name]
    del document["jobs"]["columns"]["cores"]
    del document["queues"]["columns"]["limits"]
    read = from_wire(json.dumps(document).encode())
    assert read.jobs == [replace(SMALL.jobs[0], cores=0)]
    assert read.queues == [replace(SMALL.queues[0], limits={})]
    assert (read.partial, read.arrays, read.reservations) == ((), [], ())


def test_what_older_readers_do_not_know_stands_apart_from_what_they_need() -> None:
    """They take the tables and columns they know by name: all others of a report are as they were without the new."""
    plain = replace(SMALL, queues=[replace(SMALL.queues[0], limits={})], reservations=())
    with_all, without = unpacked(to_wire(SMALL)), unpacked(to_wire(plain))
    assert with_all["queues"]["columns"].pop("limits") == [{"max_user_run": "30"}]
    assert with_all.pop("reservations")["count"] == 1
    assert without.pop("reservations") == {"count": 0, "columns": without_columns(Reservation)}
    assert with_all == without


def without_columns(record: type) -> dict[str, list[Any]]:
    return {one.name: [] for one in fields(record) if one.default is MISSING and one.default_factory is MISSING}


@pytest.mark.parametrize(
    ("number", "theirs", "ours"),
    [
        (PROTOCOL - 1, "upgrade the agent", "upgrade the collector"),
        (PROTOCOL + 1, "upgrade the collector", "upgrade the agent"),
        ("1", "same version on both", "same version on both"),
        (None, "same version on both", "same version on both"),
        (True, "same version on both", "same version on both"),
        ("x" * 1000, "names no protocol number but 'xxx", "same version on both"),
    ],
)
def test_another_protocol_is_refused_with_which_side_to_upgrade(number: object, theirs: str, ours: str) -> None:
    with pytest.raises(ProtocolMismatch, match=theirs) as caught:
        from_wire(changed(protocol=number))
    assert f"webstat {SMALL.agent_version}" in str(caught.value)
    assert len(str(caught.value)) < 200
    with pytest.raises(ProtocolMismatch, match=theirs):
        answer_from_wire(json.dumps({"protocol": number, "kind": "answer"}).encode())
    with pytest.raises(ProtocolMismatch, match=ours):
        request_from_wire(json.dumps({"protocol": number, "ask": "report"}).encode())


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"", "neither JSON nor zlib|cut short"),
        (b"\x00\xff garbage", "neither JSON nor zlib"),
        (b"{", "not JSON"),
        (b'{"protocol": NaN}', "not JSON"),
        (b"{" + b'"a":{' * 100_000, "not JSON"),
        (zlib.compress(b"[1]"), "a list, expected an object"),
        (to_wire(SMALL)[:-9], "cut short"),
        (changed(kind="poem"), "'kind'"),
        (changed(cluster=7), "'cluster' is a int"),
        (changed(taken_at="noon"), "'taken_at'"),
        (changed(taken_at=True), "'taken_at'"),
        (changed(query_seconds={"jobs": "long"}), "query_seconds.jobs"),
        (changed(scheduler={"kind": "torque", "version": 6, "server": "x"}), "scheduler.version"),
        (changed(partial="jobs"), "'partial'"),
        (changed(jobs=[]), "'jobs'"),
        (changed(jobs={"count": -1, "columns": {}}), "'jobs'"),
        (changed(jobs={"count": 1, "columns": {}}), "'jobs.id' is missing"),
        (column("jobs", "id", ["1", "2"]), "'jobs.id'"),
        (column("jobs", "cores", ["4"]), "'jobs.cores' holds str"),
        (column("jobs", "cores", [True]), "'jobs.cores' holds bool"),
        (column("jobs", "cores", [2**63]), "out of range"),
        (column("jobs", "submitted_at", [1.5]), "'jobs.submitted_at' holds float"),
        (column("jobs", "hosts", [{"n1": "four"}]), "'jobs.hosts'"),
        (column("nodes", "jobs", [[1]]), "'nodes.jobs'"),
        (column("queues", "limits", [{"max_run": 4}]), "'queues.limits': expected strings"),
        (column("queues", "limits", [["max_run"]]), "'queues.limits' holds list, expected dict"),
        (column("reservations", "nodes", [["n1", None]]), "'reservations.nodes'"),
        (column("reservations", "starts_at", ["noon"]), "'reservations.starts_at' holds str"),
        (changed(reservations={"count": 1, "columns": {"id": ["R1"]}}), "'reservations.name' is missing"),
    ],
)
def test_a_message_that_cannot_be_read_names_what_is_wrong(data: bytes, named: str) -> None:
    with pytest.raises(MalformedMessage, match=named):
        from_wire(data)


@given(st.binary(max_size=200))
def test_no_bytes_do_worse_than_a_typed_error(data: bytes) -> None:
    for read in (from_wire, answer_from_wire, request_from_wire):
        with pytest.raises(WireError):
            read(data)


@given(st.data())
def test_a_damaged_report_is_an_error_or_a_report(data: st.DataObject) -> None:
    raw = bytearray(zlib.decompress(to_wire(SMALL)))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(WireError):
        assert isinstance(from_wire(bytes(raw)), Report)


def test_sizes_are_limited_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MessageTooLarge, match="--max-message"):
        to_wire(SMALL, max_bytes=10)
    with pytest.raises(MessageTooLarge):
        from_wire(to_wire(SMALL), max_bytes=10)
    with pytest.raises(MessageTooLarge):
        request_from_wire(b"{" * 5000)
    monkeypatch.setattr("agent.wire.MAX_UNPACKED_BYTES", 1000)
    with pytest.raises(MessageTooLarge, match="unpacks to more"):
        from_wire(zlib.compress(b" " * 100_000))


def test_half_a_character_is_written_as_a_question_mark() -> None:
    assert from_wire(column("jobs", "name", ["a\ud800b"])).jobs[0].name == "a?b"
    assert from_wire(to_wire(replace(SMALL, cluster="a\udcffb"))).cluster == "a?b"


def test_an_error_reply_carries_the_command_and_its_words() -> None:
    error = CommandError("qstat ended with exit code 255", "qstat -f", 255, "cannot connect to server")
    with pytest.raises(ErrorReply, match="exit code 255") as caught:
        from_wire(error_to_wire(error))
    assert caught.value.reply_code == "command_failed"
    assert caught.value.reply_detail == {
        "command": "qstat -f",
        "exit_code": 255,
        "stderr": "cannot connect to server",
    }


def test_requests_and_answers_come_back() -> None:
    assert request_from_wire(request_to_wire("ping")).ask == "ping"
    assert answer_from_wire(answer_to_wire({"now": 1.5}))["now"] == 1.5
    with pytest.raises(MalformedMessage, match="'ask'"):
        request_from_wire(json.dumps({"protocol": PROTOCOL, "ask": 7}).encode())
    with pytest.raises(MalformedMessage, match="'kind'"):
        answer_from_wire(to_wire(SMALL))
