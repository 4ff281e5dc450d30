"""Accounting logs as text: lines, attributes, jobs, and local times around the clocks' change."""

from __future__ import annotations

import gzip
import json
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Dict, List, Tuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.parsers.accounting import KIND, TEXT, Clock, JobReader, attributes_of, is_line, is_open
from agent.parsers.openpbs_text import parse_jobs
from agent.report import Job
from agent.states import JobState
from agent.zones import zone_named
from tests.agent.samples import SAMPLES

OPENPBS = SAMPLES / "openpbs-23.06.06"
TORQUE = SAMPLES / "torque-6.1.3.h5"
ATHENS = ZoneInfo("Europe/Athens")


def lines_of(scheduler: str) -> List[str]:
    packed = SAMPLES / scheduler / "accounting" / "20261123.gz"
    return gzip.decompress(packed.read_bytes()).decode("latin-1").split("\n")


def jobs_of(scheduler: str, kind: str) -> Dict[str, Job]:
    reader, jobs = JobReader(), {}
    for line in lines_of(scheduler):
        if is_line(line) and line[KIND] == kind:
            name, _, text = line[TEXT:].strip().partition(";")
            if "[]" not in name:
                jobs[name] = reader.job(name, attributes_of(text), 2**31)
    return jobs


def test_ended_jobs_are_those_that_the_recorded_qstat_tells_of() -> None:
    told = jobs_of("openpbs-23.06.06", "E")
    zone = zone_named(json.loads((OPENPBS / "mixed/manifest.json").read_text())["timezone"])
    listed = parse_jobs(gzip.decompress((OPENPBS / "mixed/qstat-x-f.txt.gz").read_bytes()), zone).jobs
    ended = [job for job in listed if job.state is JobState.FINISHED]
    assert len(ended) > 20
    apart = {"native_state", "priority", "comment", "hosts", "depends_on"}  # only qstat tells them, or only the log
    for job in ended:
        log = asdict(told[job.id])
        assert {key: log[key] for key in log if key not in apart} == {
            key: value for key, value in asdict(job).items() if key not in apart
        }
        assert sum(told[job.id].hosts.values()) == job.cores


def test_torque_jobs_have_the_slots_that_the_log_counts_itself() -> None:
    started = jobs_of("torque-6.1.3.h5", "S")
    assert len(started) == 87
    (ended,) = jobs_of("torque-6.1.3.h5", "E").values()
    assert (ended.cores, ended.nodes, len(ended.hosts)) == (720, 30, 30)  # total_execution_slots, unique_node_count
    assert (ended.user, ended.group, ended.queue) == ("alice", "physics", "batch")
    assert (ended.submitted_at, ended.started_at, ended.ended_at) == (1795472972, 1795472972, 1795472982)
    assert (ended.exit_status, ended.walltime_seconds, ended.walltime_used_seconds) == (0, 216000, 10)
    assert (ended.cpu_used_seconds, ended.memory_used_bytes) == (0, 11660 * 1024)


def test_tasks_of_arrays_name_their_array() -> None:
    task = next(job for job in jobs_of("openpbs-23.06.06", "E").values() if job.array_index)
    assert task.id == task.array_id.replace("[]", f"[{task.array_index}]")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "attributes"),
    [
        ("user=alice group=g", {"user": "alice", "group": "g"}),
        ('user=a account="two words" queue=q', {"user": "a", "account": "two words", "queue": "q"}),
        ('user=a account="x Exit_status=0" queue=q Exit_status=9', {"account": "x Exit_status=0", "Exit_status": "9"}),
        ('user=a account="one" project=p', {"account": "one", "project": "p"}),
        ('user=a account="lines\nof text" project=p', {"account": "lines\nof text", "project": "p"}),
        ("depend=afterok:1.pbs01@pbs01 x=a=b", {"depend": "afterok:1.pbs01@pbs01", "x": "a=b"}),
        ("user=a word queue=q", {"user": "a", "queue": "q"}),
        ('account="" user=a', {"account": "", "user": "a"}),
    ],
)
def test_attributes(text: str, attributes: Dict[str, str]) -> None:
    found = attributes_of(text)
    assert {name: found[name] for name in attributes} == attributes


@given(st.text(st.characters(max_codepoint=255), max_size=120))
def test_any_text_has_attributes(text: str) -> None:
    attributes_of(text)
    is_open(text)


@given(st.text(st.characters(max_codepoint=255), max_size=40), st.sampled_from(["qtime=5", "start=7 end=3", "ctime=x"]))
def test_a_job_is_read_or_refused_with_a_reason(text: str, times: str) -> None:
    try:
        job = JobReader().job("1.pbs01", attributes_of(f"user=a {times} {text}"), 9)
    except ValueError as reason:
        assert str(reason)
    else:
        assert job.user.isprintable()


def test_what_people_wrote_is_printable_utf_8() -> None:
    text = 'user=j\u00fcrgen account="a\x1b[31mb" jobname=\u4f5c\u4e1a ctime=5'.encode().decode("latin-1")
    job = JobReader().job("1.pbs01", attributes_of(text), 9)
    assert (job.user, job.name) == ("jürgen", "作业")
    assert job.account == "a\ufffd[31mb"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("11/23/2026 21:10:26;E;1.pbs01;user=a", True),
        ("11/23/2026 21:10:26;E", False),
        ("line two", False),
        ("", False),
        ("2026-11-23 21:10:26;E;1.pbs01;", False),
    ],
)
def test_a_line_begins_a_record_or_not(line: str, expected: bool) -> None:
    assert is_line(line) is expected


def times_of(stamps: List[Tuple[str, str]], zone: ZoneInfo) -> List[str]:
    """UTC times of lines, in their order."""
    clock, found = Clock(zone), []
    for stamp, rest in stamps:
        line = f"{stamp};{rest}"
        if clock.turns(line):
            clock.see(line)
        at = clock.at(line)
        found.append("-" if at is None else datetime.fromtimestamp(at, timezone.utc).strftime("%d %H:%M:%S"))
    return found


def test_both_hours_of_the_autumn_change_by_their_order() -> None:
    day = "10/25/2026"  # 04:00 EEST becomes 03:00 EET
    lines = [
        (f"{day} {time}", "Q;1;queue=q")
        for time in ("02:59:59", "03:10:00", "03:59:58", "03:00:03", "03:59:59", "04:00:00")
    ]
    assert times_of(lines, ATHENS) == [
        "24 23:59:59", "25 00:10:00", "25 00:59:58", "25 01:00:03", "25 01:59:59", "25 02:00:00",
    ]  # fmt: skip


def test_both_hours_of_the_autumn_change_by_the_times_in_the_records() -> None:
    second = int(datetime(2026, 10, 25, 1, 30, 5, tzinfo=timezone.utc).timestamp())
    lines = [
        ("10/25/2026 03:30:05", f"E;1;user=a start=5 end={second}"),
        ("10/25/2026 03:31:00", "D;2;requestor=a"),
        ("10/25/2026 03:31:01", f"S;3;user=a start={second - 3600 + 56}"),
        ("10/25/2026 03:31:02", "D;2;requestor=a"),
    ]
    assert times_of(lines, ATHENS) == ["25 01:30:05", "25 01:31:00", "25 00:31:01", "25 00:31:02"]


def test_threads_that_write_out_of_order_do_not_turn_the_clock() -> None:
    lines = [(f"10/25/2026 03:{time}", "Q;1;queue=q") for time in ("10:02", "10:01", "10:02", "10:00")]
    assert times_of(lines, ATHENS) == ["25 00:10:02", "25 00:10:01", "25 00:10:02", "25 00:10:00"]


def test_the_spring_change_and_dates_that_are_none() -> None:
    lines = [(stamp, "D;1;") for stamp in ("03/29/2026 02:59:59", "03/29/2026 04:00:00", "02/30/2026 10:00:00")]
    assert times_of(lines, ATHENS) == ["29 00:59:59", "29 01:00:00", "-"]


def test_another_day_begins_anew() -> None:
    lines = [(stamp, "Q;1;") for stamp in ("10/25/2026 03:50:00", "10/25/2026 03:01:00", "10/26/2026 03:01:00")]
    assert times_of(lines, ATHENS) == ["25 00:50:00", "25 01:01:00", "26 01:01:00"]
