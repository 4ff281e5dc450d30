"""The torque wrappers' text where it is forged, damaged or odd."""

from __future__ import annotations

from datetime import timezone
from typing import List

import pytest

from agent.errors import ParseError
from agent.parsers import ParsedJobs, ParsedNodes, ParsedQueues, slurm_text
from agent.states import JobState, NodeState

UTC = timezone.utc
START = 1795469159  # Mon Nov 23 21:25:59 2026


def a_job(number: str = "7", **more: str) -> str:
    fields = {
        "Job_Name": "a",
        "Job_Owner": "ann@login1",
        "job_state": "R",
        "queue": "batch",
        "qtime": "Mon Nov 23 21:25:00 2026",
        "mtime": "Mon Nov 23 21:25:59 2026",
        "ctime": "Tue Nov 24 21:25:59 2026",
        "exec_host": "n1/8+n2/8",
        "Priority": "1034",
        "euser": "ann(1001)",
        "egroup": "chem(1002)",
        "Resource_List.walltime": "24:00:00",
        "Resource_List.nodect": "2",
        "Resource_List.ncpus": "16",
    }
    fields.update({name.replace("__", "."): text for name, text in more.items()})
    return f"Job Id:\t{number}\n" + "".join(f"\t{name} = {text}\n" for name, text in fields.items() if text) + "\n"


def parse(*records: str) -> ParsedJobs:
    return slurm_text.parse_jobs("".join(records).encode("utf-8", "surrogateescape"), UTC)


def ids(parsed: ParsedJobs) -> List[str]:
    return [job.id for job in parsed.jobs]


def test_nothing_at_all_is_an_idle_cluster() -> None:
    assert slurm_text.parse_jobs(b"", UTC) == ParsedJobs()
    assert slurm_text.parse_nodes(b"\n", UTC) == ParsedNodes()
    assert slurm_text.parse_queues(b"") == ParsedQueues()


@pytest.mark.parametrize(
    "raw", [b"Problem loading jobs.\n", b"Job Id:\t7\n", b"Job Id:\t7\n\tJob_Name = a", b"\xff\x00"]
)
def test_what_is_no_such_listing_is_refused(raw: bytes) -> None:
    with pytest.raises(ParseError, match="expected jobs of qstat -f"):
        slurm_text.parse_jobs(raw, UTC)


def test_a_running_job_s_ctime_is_no_end() -> None:
    job = parse(a_job()).jobs[0]
    assert (job.started_at, job.ended_at, job.estimated_start_at) == (START, None, None)
    assert (job.cores, job.nodes, job.hosts) == (16, 2, {"n1": 8, "n2": 8})
    assert (job.user, job.group, job.submitted_at) == ("ann", "chem", START - 59)


def test_a_waiting_job_s_times_are_estimates() -> None:
    job = parse(a_job(job_state="Q", exec_host="")).jobs[0]
    assert (job.started_at, job.ended_at, job.estimated_start_at) == (None, None, START)
    assert (job.state, job.cores, job.nodes, job.hosts) == (JobState.QUEUED, 16, 2, {})
    job = parse(a_job(job_state="Q", exec_host="", mtime="", ctime="")).jobs[0]
    assert (job.started_at, job.estimated_start_at) == (None, None)


@pytest.mark.parametrize(
    ("letter", "priority", "state"),
    [
        ("Q", "0", JobState.HELD),
        ("Q", "1", JobState.QUEUED),
        ("Q", "", JobState.QUEUED),
        ("S", "0", JobState.SUSPENDED),
        ("C", "0", JobState.FINISHED),
        ("U", "5", JobState.FINISHED),
        ("R", "0", JobState.RUNNING),
    ],
)
def test_letters_and_holds(letter: str, priority: str, state: JobState) -> None:
    job = parse(a_job(job_state=letter, Priority=priority)).jobs[0]
    assert (job.state, job.native_state) == (state, letter)
    assert bool(job.hosts) is (state is JobState.RUNNING)


def test_a_finished_job_has_its_end_and_one_that_never_ran_no_start() -> None:
    ran, never = parse(a_job("1", job_state="C"), a_job("2", job_state="C", exec_host="")).jobs
    assert (ran.started_at, ran.ended_at, ran.cores, ran.hosts) == (START, START + 86400, 16, {})
    assert (never.started_at, never.ended_at) == (None, START + 86400)


@pytest.mark.parametrize(
    ("walltime", "seconds"),
    [
        ("71582788:15:00", None),  # unlimited
        ("71582788:14:00", None),  # not set
        ("Infinite", None),
        ("71582788:13:00", 0xFFFFFFFD * 60),
        ("00:05:00", 300),
        ("84:30:00", 304200),
    ],
)
def test_no_limit_is_none(walltime: str, seconds: int) -> None:
    assert parse(a_job(Resource_List__walltime=walltime)).jobs[0].walltime_seconds == seconds


def test_a_name_with_line_breaks_does_not_change_its_own_job() -> None:
    name = "x\n\tJob_Owner = root@x\n\tjob_state = C\n\texec_host = n9/99\n\teuser = root(0)"
    parsed = parse(a_job("1", Job_Name=name), a_job("2"))
    assert ids(parsed) == ["1", "2"]
    assert (parsed.jobs[0].user, parsed.jobs[0].state, parsed.jobs[0].cores) == ("ann", JobState.RUNNING, 16)
    assert {warning.message for warning in parsed.warnings} == {
        f"a value holds line breaks: {key} stands twice" for key in ("Job_Owner", "job_state", "exec_host", "euser")
    }


def test_a_name_with_plain_line_breaks_is_a_name() -> None:
    parsed = parse(a_job("1", Job_Name="first\n\nsecond\n\tthird"), a_job("2"))
    assert [job.name for job in parsed.jobs] == ["first  second  third", "a"]
    assert parsed.warnings == []


def test_a_header_in_a_name_begins_no_record() -> None:
    parsed = parse(a_job("1", Job_Name="x\n\nJob Id:\t666\nJob Id:\t667"), a_job("2"))
    assert ids(parsed) == ["1", "2"]
    assert parsed.jobs[0].user == "ann"
    assert len(parsed.warnings) == 2


def test_a_forged_record_of_another_s_job_does_not_replace_it() -> None:
    # The genuine rest of job 1 follows the forged record and so repeats it.
    forged = f"x\n\tJob_Owner = ann@x\n\tjob_state = Q\n\n{a_job('2', Job_Name='evil')}".rstrip("\n")
    parsed = parse(a_job("1", Job_Name=forged), a_job("2", Job_Name="good", job_state="Q", exec_host=""))
    assert {job.id: job.name for job in parsed.jobs}["2"] == "good"
    assert any("there is another of this name" in warning.message for warning in parsed.warnings)


@pytest.mark.parametrize("cut", [1, 2, 20, 60, 100, 300])
def test_a_cut_last_record_is_left_out_and_named(cut: int) -> None:
    parsed = slurm_text.parse_jobs((a_job("1") + a_job("2")).encode()[:-cut], UTC)
    assert ids(parsed) == ["1"]
    assert not parsed.complete
    assert parsed.warnings[0].source == "qstat -f, 2"


def test_a_state_that_nobody_has_seen_is_unknown_and_said_once() -> None:
    parsed = parse(*(a_job(str(number), job_state="Z") for number in range(3)))
    assert {job.state for job in parsed.jobs} == {JobState.UNKNOWN}
    assert {job.native_state for job in parsed.jobs} == {"Z"}
    assert [warning.message for warning in parsed.warnings] == ["job state 'Z' is unknown"]


def test_records_that_cannot_be_read_are_left_out() -> None:
    parsed = parse(a_job("13.head"), a_job("2", job_state=""), a_job("3", exec_host="n1/x"), a_job("4"), a_job("4"))
    assert ids(parsed) == ["4"]
    assert not parsed.complete
    assert [warning.message.rpartition(": ")[2] for warning in parsed.warnings] == [
        "'13.head' is no job id",
        "it has no job_state",
        "its exec_host 'n1/x' is unreadable",
        "this id is listed twice; the first record counts",
    ]


def test_names_of_users_without_a_number() -> None:
    job = parse(a_job(euser="nobody", egroup="(1002)", Account_Name="proj42")).jobs[0]
    assert (job.user, job.group, job.account) == ("nobody", None, "proj42")
    assert parse(a_job(euser="")).jobs[0].user == "ann"


def test_twenty_megabytes_on_one_line() -> None:
    parsed = parse(a_job("1", Job_Name="A" * 20_000_000), a_job("2"))
    assert ids(parsed) == ["1", "2"]
    assert len(parsed.jobs[0].name) == 65536


def a_node(name: str = "n1", **more: str) -> str:
    fields = {"state": "free", "np": "16", "ntype": "cluster", **more}
    return f"{name}\n" + "".join(f"    {key} = {text}\n" for key, text in fields.items()) + "\n"


def status(word: str, reason: str = "") -> str:
    message = f',message="{reason}"' if reason else ""
    return (
        f"rectime=1,state=x,slurmstate={word},size=0kb:0kb{message},ncpus=16,availmem=64000mb,opsys=linux,arch=x86_64"
    )


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("idle", NodeState.FREE),
        ("idle~", NodeState.FREE),
        ("idle#", NodeState.FREE),
        ("idle%", NodeState.OFFLINE),
        ("idle!", NodeState.OFFLINE),
        ("idle*", NodeState.DOWN),
        ("idle$", NodeState.OFFLINE),
        ("idle^", NodeState.OFFLINE),
        ("idle@", NodeState.FREE),
        ("idle-", NodeState.FREE),
        ("mixed~", NodeState.PARTIAL),
        ("mixed", NodeState.PARTIAL),
        ("allocated", NodeState.BUSY),
        ("allocated*", NodeState.DOWN),
        ("completing", NodeState.BUSY),
        ("planned", NodeState.FREE),
        ("reserved", NodeState.RESERVED),
        ("maint", NodeState.OFFLINE),
        ("draining", NodeState.OFFLINE),
        ("drained*", NodeState.DOWN),
        ("down*", NodeState.DOWN),
        ("fail", NodeState.OFFLINE),
        ("unknown", NodeState.UNKNOWN),
    ],
)
def test_states_of_nodes(word: str, state: NodeState) -> None:
    parsed = slurm_text.parse_nodes(a_node(status=status(word)).encode(), UTC)
    assert (parsed.nodes[0].state, parsed.nodes[0].native_state) == (state, word)
    assert parsed.nodes[0].memory_bytes == 64000 << 20
    assert parsed.warnings == []


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("free", NodeState.FREE),
        ("job-exclusive", NodeState.BUSY),
        ("busy", NodeState.BUSY),
        ("offline", NodeState.OFFLINE),
    ],
)
def test_states_without_a_status_are_pbs_s(word: str, state: NodeState) -> None:
    assert slurm_text.parse_nodes(a_node(state=word).encode(), UTC).nodes[0].state is state


def test_a_reason_forges_neither_state_nor_memory() -> None:
    reason = 'x",slurmstate=down,availmem=1mb,\n\nn666\n    more'
    raw = a_node(status=status("mixed", reason), note=reason) + a_node("n2", status=status("idle"))
    parsed = slurm_text.parse_nodes(raw.encode(), UTC)
    assert [node.name for node in parsed.nodes] == ["n1", "n2"]
    assert (parsed.nodes[0].state, parsed.nodes[0].memory_bytes) == (NodeState.PARTIAL, 64000 << 20)
    assert (parsed.nodes[0].comment or "").startswith('x",slurmstate=down')


def test_an_unknown_node_state_is_told_once() -> None:
    raw = a_node(status=status("levitating*")) + a_node("n2", status=status("levitating*"))
    parsed = slurm_text.parse_nodes(raw.encode(), UTC)
    assert [node.state for node in parsed.nodes] == [NodeState.DOWN] * 2
    assert [warning.message for warning in parsed.warnings] == ["node state 'levitating*' is unknown"]


def test_a_cut_queue_is_left_out() -> None:
    raw = b"Queue:\tbatch\n\tqueue_type = Execution\n\tenabled = yes\n\tstarted = no\n\nQueue:\tlong\n\tqueue_type = Ex"
    parsed = slurm_text.parse_queues(raw)
    assert [(queue.name, queue.enabled, queue.started) for queue in parsed.queues] == [("batch", True, False)]
    assert not parsed.complete
