"""What users can type into their jobs to deceive OpenPBS's parsers, and what cannot be read, case by case."""

from __future__ import annotations

import json
import time
import tracemalloc
from contextlib import suppress
from datetime import timezone
from typing import Any, Callable, List, Tuple

import pytest

from agent.errors import ParseError
from agent.parsers import ParsedJobs, ParsedNodes, openpbs_json, openpbs_text
from agent.states import JobState, NodeState
from tests.agent.parsers import openpbs_clients as clients

UTC = timezone.utc
MEGABYTE = 1_000_000


def text_jobs(raw: bytes) -> ParsedJobs:
    return openpbs_text.parse_jobs(raw, UTC)


def json_jobs(raw: bytes) -> ParsedJobs:
    return openpbs_json.parse_jobs(raw, UTC)


def record(name: str, typed: str = "", user: str = "alice", as_manager: bool = True, **changes: str) -> clients.Record:
    """A running job's record with this text in the user's environment."""
    attributes = {
        "Job_Name": "honest",
        "Job_Owner": f"{user}@login01.hpc.example",
        "job_state": "R",
        "queue": "workq",
        "server": "pbs01",
        "ctime": "Mon Nov 23 21:18:03 2026",
        "exec_vnode": "(cn001:ncpus=12)",
        "Hold_Types": "n",
        "Resource_List.ncpus": "12",
        "Resource_List.nodect": "1",
        "stime": "Mon Nov 23 21:18:03 2026",
        "Variable_List": f"PBS_O_HOME=/home/{user},PBS_O_LANG=C.UTF-8,PBS_O_LOGNAME={user},"
        f"PBS_O_PATH=/opt/pbs/bin:/usr/local/bin:/usr/bin:/bin,X={typed},PBS_O_HOST=login01.hpc.example",
        "euser": user,
        "egroup": "physics",
        "comment": "Job run at Mon Nov 23 at 21:18 on (cn001:ncpus=12)",
        "etime": "Mon Nov 23 21:18:03 2026",
        "eligible_time": "00:00:00",
        "project": "_pbs_project_default",
        **changes,
    }
    if not as_manager:
        del attributes["euser"], attributes["egroup"]
    return name, list(attributes.items())


def read_as(form: str, records: List[clients.Record], release: bool = True) -> ParsedJobs:
    if form == "json":
        return json_jobs(clients.print_json(records, release))
    return text_jobs((clients.print_wide if form == "wide" else clients.print_wrapped)(records, release))


FORGED = clients.print_wide([record("666.pbs01", user="victim")], release=True).decode()
FORMS = [(form, release) for form in ("wide", "wrapped", "json") for release in (True, False)]


@pytest.mark.parametrize(("form", "release"), FORMS)
def test_a_whole_record_in_the_environment_is_no_job(form: str, release: bool) -> None:
    """The plainest attack: a blank line, a header and all the attributes a job has."""
    for before in ("", "x", "x" * 40, "x" * 71, "x" * 300):
        typed = f"{before}\n\n{FORGED}".replace(",", "\\,")
        parsed = read_as(
            form, [record("1.pbs01"), record("2.pbs01", typed, user="mallory"), record("3.pbs01")], release
        )
        assert [(job.id, job.user, job.cores) for job in parsed.jobs] == [
            ("1.pbs01", "alice", 12),
            ("2.pbs01", "mallory", 12),
            ("3.pbs01", "alice", 12),
        ]
        if form == "wrapped":
            assert any("666.pbs01" in warning.source + warning.message for warning in parsed.warnings)
        else:
            assert parsed.warnings == []


@pytest.mark.parametrize("commas", [0, 1, 2, 3, 5, 8])
@pytest.mark.parametrize("pad", range(0, 80, 7))
def test_a_forged_record_has_its_line_breaks_in_the_wrong_places(commas: int, pad: int) -> None:
    """qstat counts columns on through a value's newlines, wherever the forger puts filling and commas."""
    forged = FORGED.replace("/home/victim", "/home/" + "v" * pad)
    for _ in range(commas):
        forged = forged.replace(
            "\n    Hold_Types = n", f"\n    Hold_Types = n\n    Mail_Users = {'m' * pad},{'n' * 60}", 1
        )
    parsed = read_as("wrapped", [record("2.pbs01", "\n\n" + forged, user="mallory"), record("3.pbs01")])
    assert [(job.id, job.user) for job in parsed.jobs] == [("2.pbs01", "mallory"), ("3.pbs01", "alice")]
    assert parsed.warnings


def test_a_header_in_the_environment_is_told_and_the_job_stays_whole() -> None:
    typed = "first line\nsecond line = x\n    job_state = F\n\nJob Id: 4242.pbs01\n    Job_Name = not_a_job"
    honest = read_as("wide", [record("2.pbs01")]).jobs
    parsed = read_as("wrapped", [record("2.pbs01", typed)])
    assert parsed.jobs == honest
    assert parsed.complete
    assert [warning.source for warning in parsed.warnings] == ["qstat -f, 2.pbs01"] * 2
    assert "4242.pbs01" in parsed.warnings[0].message


@pytest.mark.parametrize("form", ["wide", "wrapped"])
def test_attributes_typed_after_the_servers_do_not_count(form: str) -> None:
    typed = "\n".join(
        ["x", "    job_state = F", "    Resource_List.ncpus = 9999", "    euser = victim", "    comment = no"]
    )
    if form == "wide":
        typed = typed.replace("\n", "\udcca")  # a single byte 0xCA, which the release prints as ^ and a newline
    raw = _printed(form, [record("1.pbs01"), record("2.pbs01", typed, user="mallory")])
    jobs = text_jobs(raw).jobs
    assert [(job.id, job.user, job.state, job.cores) for job in jobs] == [
        ("1.pbs01", "alice", JobState.RUNNING, 12),
        ("2.pbs01", "mallory", JobState.RUNNING, 12),
    ]
    assert jobs[0].comment == jobs[1].comment


def _printed(form: str, records: List[clients.Record]) -> bytes:
    """As the release prints bytes that are no UTF-8: the printers take text, so 0xCA goes in as its stand-in."""
    mark = "\N{LATIN SMALL LETTER O WITH DIAERESIS}mark"
    kept = [(name, [(key, value.replace("\udcca", mark)) for key, value in pairs]) for name, pairs in records]
    raw = (clients.print_wide if form == "wide" else clients.print_wrapped)(kept, release=True)
    return raw.replace(b"^\x03^\xf6mark", b"^\n")


def test_the_byte_that_becomes_a_newline_forges_nothing_with_w() -> None:
    """0xCA: `^` and a newline. Neither a record, nor what the server says itself, can be made of it."""
    typed = ("\n\n" + FORGED).replace("\n", "\udcca")
    account = "\udcca    Resource_List.ncpus = 1\udcca    stime = Mon Nov 23 20:00:00 2026"
    honest = text_jobs(_printed("wide", [record("2.pbs01", user="mallory")])).jobs[0]
    sly = record("2.pbs01", typed, user="mallory")
    sly[1].insert(5, ("Account_Name", account))
    parsed = text_jobs(_printed("wide", [record("1.pbs01"), sly, record("3.pbs01")]))
    assert [job.id for job in parsed.jobs] == ["1.pbs01", "2.pbs01", "3.pbs01"]
    assert (parsed.jobs[1].cores, parsed.jobs[1].started_at, parsed.jobs[1].user) == (12, honest.started_at, "mallory")
    assert any("2.pbs01" in warning.source for warning in parsed.warnings)


@pytest.mark.parametrize("form", ["wide", "wrapped"])
def test_nobody_becomes_somebody_else(form: str) -> None:
    """An ordinary user's qstat shows no euser, so one that is there was typed."""
    typed = "x\n    euser = victim\n    egroup = wheel".replace("\n", "\udcca" if form == "wide" else "\n")
    honest, sly = record("1.pbs01", as_manager=False), record("2.pbs01", typed, user="mallory", as_manager=False)
    parsed = text_jobs(_printed(form, [honest, sly]))
    assert [(job.user, job.group) for job in parsed.jobs] == [("alice", None), ("mallory", None)]
    assert any("euser" in warning.message for warning in parsed.warnings)


def test_a_tab_after_that_byte_does_not_make_a_wide_listing_wrapped() -> None:
    typed = "\udcca\t\udcca\t    Job_Owner = victim@host"
    raw = _printed("wide", [record("1.pbs01", typed), record("2.pbs01", comment="x" * 300)])
    assert [(job.id, job.user, len(job.comment or "")) for job in text_jobs(raw).jobs][1] == ("2.pbs01", "alice", 300)


def test_an_id_that_is_listed_twice_counts_once() -> None:
    raw = clients.print_wide([record("1.pbs01"), record("1.pbs01", user="victim")], release=True)
    parsed = text_jobs(raw)
    assert [(job.id, job.user) for job in parsed.jobs] == [("1.pbs01", "alice")]
    assert "twice" in parsed.warnings[0].message


# --- Records and words that nobody has seen


@pytest.mark.parametrize(("form", "release"), FORMS)
def test_an_unknown_state_is_kept_and_told_once(form: str, release: bool) -> None:
    parsed = read_as(form, [record(f"{number}.pbs01", job_state="Z") for number in range(3)], release)
    assert [(job.state, job.native_state, job.hosts) for job in parsed.jobs] == [(JobState.UNKNOWN, "Z", {})] * 3
    assert [warning.message for warning in parsed.warnings] == ["job state 'Z' is unknown"]
    assert parsed.complete


@pytest.mark.parametrize(("form", "release"), FORMS)
def test_a_bad_record_does_not_spoil_the_others(form: str, release: bool) -> None:
    without_state = record("2.pbs01")
    without_state[1].pop(2)
    parsed = read_as(form, [record("1.pbs01"), without_state, record("no id"), record("3.pbs01")], release)
    # Wrapped, a record without a state is taken for a part of the value before it.
    assert [job.id for job in parsed.jobs] == ["1.pbs01", "3.pbs01"]
    assert len(parsed.warnings) >= 2
    assert not parsed.complete


@pytest.mark.parametrize(("form", "release"), FORMS)
def test_numbers_that_are_none_are_not_invented(form: str, release: bool) -> None:
    odd = record(
        "1.pbs01", **{"ctime": "yesterday", "Resource_List.mem": "much", "Resource_List.walltime": "1:2:3:4:5"}
    )
    waiting = record("2.pbs01", job_state="Q", exec_vnode="", **{"Resource_List.ncpus": "9" * 30})
    running = record("3.pbs01", **{"Resource_List.ncpus": "9" * 30})
    unknown = record("4.pbs01", exec_vnode="cn001", **{"Resource_List.ncpus": "9" * 30})
    lost = record("5.pbs01", exec_vnode="((", **{"Resource_List.ncpus": "-3"})
    parsed = read_as(form, [odd, waiting, running, unknown, lost], release)
    jobs = {job.id: job for job in parsed.jobs}
    assert (jobs["1.pbs01"].submitted_at, jobs["1.pbs01"].memory_bytes, jobs["1.pbs01"].walltime_seconds) == (None,) * 3
    assert [jobs[name].cores for name in ("2.pbs01", "3.pbs01", "4.pbs01")] == [0, 12, 0]
    assert "5.pbs01" not in jobs
    assert not parsed.complete
    assert {"'yesterday' is no time", "'much' is no size"} <= {
        warning.message.partition(";")[0] for warning in parsed.warnings
    }


def test_many_warnings_are_counted_not_listed() -> None:
    parsed = read_as("wide", [record(f"{number}.pbs01", job_state=f"state{number}") for number in range(500)])
    assert len(parsed.jobs) == 500
    assert len(parsed.warnings) == 101
    assert parsed.warnings[-1].message == "400 more warnings were left out"


def test_what_stands_before_the_first_record_is_skipped() -> None:
    raw = b"Welcome to the cluster\n\n" + clients.print_wide([record("1.pbs01")], release=True)
    parsed = text_jobs(raw)
    assert [job.id for job in parsed.jobs] == ["1.pbs01"]
    assert "Welcome" in parsed.warnings[0].message


def test_terminal_escapes_do_not_get_through() -> None:
    name = "\x1b]0;owned\x07\u202egnp\u2066.exe\x00"
    document = json.loads(clients.print_json([record("1.pbs01")], release=False))
    document["Jobs"]["1.pbs01"]["Job_Name"] = name
    raw = json.dumps(document, indent="\t", separators=(",", ":\t")).encode()
    for parsed in (json_jobs(raw), json_jobs(json.dumps(document).encode())):
        assert parsed.jobs[0].name.isprintable()
        assert parsed.jobs[0].name.count("\ufffd") == 5


# --- JSON that is none


def test_json_laid_out_otherwise_is_read_too() -> None:
    document = json.loads(clients.print_json([record("1.pbs01"), record("2.pbs01")], release=False))
    expected = json_jobs(clients.print_json([record("1.pbs01"), record("2.pbs01")], release=False))
    for raw in (json.dumps(document).encode(), json.dumps(document, indent=1, sort_keys=True).encode()):
        assert json_jobs(raw) == expected


def test_one_broken_record_is_left_out_and_the_others_read() -> None:
    raw = clients.print_json([record("1.pbs01"), record("2.pbs01"), record("3.pbs01")], release=True)
    start = raw.index(b'"2.pbs01"')
    broken = raw[:start] + raw[start:].replace(b'"Resource_List":{', b'"Resource_List":[', 1)
    parsed = json_jobs(broken)
    assert [job.id for job in parsed.jobs] == ["1.pbs01", "3.pbs01"]
    assert not parsed.complete
    assert parsed.warnings[0].source == "qstat -f -F json, 2.pbs01"


def test_another_document_is_refused() -> None:
    for raw in (b"", b"[]", b"{}", b'{"pbs_version":"1","nodes":{}}', b'{"jobs":[]}', b'"Jobs"', b"<html>Jobs</html>"):
        with pytest.raises(ParseError, match="'Jobs'"):
            json_jobs(raw)
    assert json_jobs(b'{"timestamp":1,"pbs_version":"23.06.06","pbs_server":"pbs01"}') == ParsedJobs()
    assert json_jobs(b'{"timestamp":1,"pbs_server":"pbs01","Jobs":{}}') == ParsedJobs()


# --- Nodes


def nodes_of(text: str) -> ParsedNodes:
    return openpbs_text.parse_nodes(text.encode(), UTC)


def test_a_node_keeps_the_worst_of_its_states() -> None:
    parsed = nodes_of(
        "cn1\n     Mom = cn1\n     state = free,glowing\n     resources_available.ncpus = 8\n\n"
        "cn2\n     Mom = cn2\n     state = offline,down,job-busy\n\n"
        "cn3\n     Mom = cn3\n     ntype = PBS\n\n"
    )
    assert [(node.name, node.state, node.native_state) for node in parsed.nodes] == [
        ("cn1", NodeState.UNKNOWN, "free,glowing"),
        ("cn2", NodeState.DOWN, "offline,down,job-busy"),
    ]
    assert [warning.message for warning in parsed.warnings] == [
        "node state 'glowing' is unknown",
        "this record was left out: it has no state",
    ]
    assert not parsed.complete


def test_a_comment_with_empty_lines_is_no_node() -> None:
    parsed = nodes_of(
        "cn1\n     Mom = cn1\n     state = free\n     comment = broken\n\ncn9\n\nsee wiki\n     sharing = no\n\n"
        "cn2\n     Mom = cn2\n     state = free\n\n"
    )
    assert [(node.name, node.comment) for node in parsed.nodes] == [("cn1", "broken  cn9  see wiki"), ("cn2", None)]


# --- Sizes and times


def _one_line(size: int) -> List[Tuple[Callable[[bytes], Any], bytes]]:
    header = b"Job Id: 1.pbs01\n    Job_Name = "
    record_end = b"\n    Job_Owner = a@b\n    job_state = Q\n    queue = q\n    ctime = x\n\n"
    return [
        (text_jobs, b"x" * size),
        (text_jobs, header + b"x" * size + record_end),
        (text_jobs, header + b"^\x03^\xfc" * (size // 4) + record_end),
        (
            text_jobs,
            header
            + b"n\n    Variable_List = "
            + (b"\n\nJob Id: 2.pbs01\n    x" + b"y" * 216) * (size // 240)
            + record_end,
        ),
        (text_jobs, b"Job Id: 1\n    Job_Name = y\n\tz" + b"," * size + record_end),
        (
            openpbs_text.parse_queues,
            b"Queue: q\n    queue_type = Execution\n    state_count = " + b"a" * size + b"\n\n",
        ),
        (lambda raw: openpbs_text.parse_nodes(raw, UTC), b"\n" * size + b"x"),
        (lambda raw: openpbs_text.parse_nodes(raw, UTC), b"cn1\n     state = " + b"," * size + b"\n\n"),
        (json_jobs, b'{"pbs_version":"' + b"x" * size + b'"}'),
        (json_jobs, b'{"pbs_version":"' + b"x" * size),
        (
            json_jobs,
            b'\n    "Jobs":{\n        "1.pbs01":{\n            "Job_Name":"' + b" " * size + b"x,\n        }\n    }\n}",
        ),
        (
            json_jobs,
            b'\n    "Jobs":{\n        "1.pbs01":{\n            "Job_Name":"'
            + b"\n" * size
            + b'"x\n        }\n    }\n}',
        ),
    ]


@pytest.mark.parametrize("case", range(len(_one_line(1))))
def test_megabytes_on_one_line_end_soon_and_take_little_memory(case: int) -> None:
    def seconds(size: int) -> float:
        read, raw = _one_line(size)[case]
        start = time.process_time()
        with suppress(ParseError):
            read(raw)
        return time.process_time() - start

    read, raw = _one_line(20 * MEGABYTE)[case]
    tracemalloc.start()
    try:
        read(raw)
    except ParseError as error:
        assert len(str(error)) < 300
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 4 * len(raw)
    # In proportion to the size: 16 times as much takes nothing like 256 times as long.
    assert seconds(4 * MEGABYTE) < 80 * max(min(seconds(MEGABYTE // 4) for _ in range(3)), 0.0005)
