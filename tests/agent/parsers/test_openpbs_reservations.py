"""Reservations and limits of queues that no recorded output has: other states, odd texts, and what users may type."""

from __future__ import annotations

import json
import time
from datetime import timezone
from typing import Dict, List

import pytest

from agent.errors import ParseError
from agent.parsers import ParsedReservations, openpbs_json, openpbs_text
from agent.parsers.openpbs_reservations import parse_reservations
from agent.report import Reservation
from tests.agent.samples import load_sample

UTC = timezone.utc
MIXED = load_sample("openpbs-23.06.06/mixed")
RECORDED = MIXED.output("pbs_rstat -f").read()
FIRST = Reservation("R151.pbs01", "course", "grace", "running", "R151", 1795468926, 1795476126, ("cn016", "cn017"), 48)


def read(raw: bytes) -> ParsedReservations:
    return parse_reservations(raw, UTC)


def changed(old: bytes, new: bytes) -> ParsedReservations:
    """The recorded output with this text of its first record replaced."""
    assert old in RECORDED
    return read(RECORDED.replace(old, new, 1))


@pytest.mark.parametrize(
    ("printed", "state"),
    [
        (b"RESV_UNCONFIRMED", "unconfirmed"),
        (b"RESV_DEGRADED", "degraded"),
        (b"RESV_BEING_ALTERED", "being_altered"),
        (b"RESV_TIME_TO_RUN", "time_to_run"),
        (b"13", "13"),  # a state that the client has no word for
        (b"On Fire\x1b[31m", "on fire\N{REPLACEMENT CHARACTER}[31m"),
    ],
)
def test_other_states_keep_the_scheduler_s_word(printed: bytes, state: str) -> None:
    assert changed(b"RESV_RUNNING", printed).reservations[0].state == state


def test_what_is_not_told_is_none() -> None:
    told = (b"Resv ID", b"Reserve_", b"reserve_state")
    lines = [line for line in RECORDED.split(b"\n\n")[0].split(b"\n") if line.startswith(told)]
    parsed = read(b"\n".join(lines) + b"\n\n")
    assert parsed == ParsedReservations([Reservation("R151.pbs01", "course", "grace", "running")])


def test_cores_are_those_of_its_nodes_where_it_names_no_number() -> None:
    assert changed(b"Resource_List.ncpus = 48\n", b"").reservations[0].cores == 48
    assert changed(b"Resource_List.ncpus = 48\n", b"Resource_List.ncpus = many\n").reservations[0].cores == 48


def test_a_time_that_cannot_be_read_is_told() -> None:
    parsed = changed(b"Mon Nov 23 21:22:06 2026", b"Tomorrow")
    assert parsed.reservations[0].starts_at is None
    assert [(one.source, one.message) for one in parsed.warnings] == [
        ("pbs_rstat -f", "'Tomorrow' is no time; where it stands, nothing is told")
    ]
    # This client prints the day with a zero, where qstat prints a space.
    assert changed(b"Mon Nov 23 21:22:06 2026", b"Tue Nov 03 01:02:03 2026").reservations[0].starts_at == 1793667723


def test_a_record_without_its_state_is_left_out_with_a_word() -> None:
    parsed = changed(b"reserve_state = RESV_RUNNING\n", b"")
    assert [one.id for one in parsed.reservations] == ["R152.pbs01"]
    assert not parsed.complete
    assert [one.source for one in parsed.warnings] == ["pbs_rstat -f, R151.pbs01"]


def test_a_cut_record_is_left_out() -> None:
    parsed = read(RECORDED[:-1])
    assert parsed.reservations == [FIRST]
    assert not parsed.complete


def test_another_output_is_refused() -> None:
    with pytest.raises(ParseError, match="expected reservations of pbs_rstat -f"):
        read(b"Job Id: 1.pbs01\n    Job_Name = x\n\n")


@pytest.mark.parametrize(
    "typed",
    [
        b"\nreserve_state = RESV_DELETED",
        b"\nreserve_end = Mon Nov 23 21:22:06 2099\nresv_nodes = (cn001:ncpus=24)",
        b"\nResv ID: R999.pbs01\nReserve_Name = forged\nreserve_state = RESV_RUNNING",
        b"\n\nResv ID: \n",
        b"\n\nResv ID: R999.pbs01\nno attribute",
    ],
)
def test_an_environment_changes_nothing_the_server_says(typed: bytes) -> None:
    parsed = changed(b"PBS_O_MAIL=/var/mail/grace", b"PBS_O_MAIL=" + typed)
    assert parsed.reservations == read(RECORDED).reservations
    assert parsed.reservations[0] == FIRST


def test_an_id_that_stands_twice_counts_once() -> None:
    forged = b"Resv ID: R152.pbs01\nReserve_Name = forged\nreserve_state = RESV_RUNNING\n\n"
    parsed = read(RECORDED + forged)
    assert parsed.reservations == read(RECORDED).reservations
    assert [one.source for one in parsed.warnings] == ["pbs_rstat -f, R152.pbs01"]


# Limits of queues


def limits_in_text(*lines: str) -> Dict[str, str]:
    attributes = "".join(f"    {line}\n" for line in lines)
    (queue,) = openpbs_text.parse_queues(f"Queue: q\n    queue_type = Execution\n{attributes}\n".encode()).queues
    return queue.limits


def test_every_kind_of_limit_and_nothing_else() -> None:
    limits = [
        *("max_running = 60", "max_user_run = 30", "max_group_run = 40", "max_queuable = 500", "max_array_size = 100"),
        *("max_run_soft = [u:PBS_GENERIC=2]", "max_queued_res.ncpus = [o:PBS_ALL=9]", "resources_min.mem = 1gb"),
        *("resources_available.ncpus = 64", "queued_jobs_threshold = [u:PBS_GENERIC=5]", "resources_max.foo = 1"),
        *("acl_user_enable = True", "acl_group_enable = True", "from_route_only = True"),
    ]
    others = [
        *("acl_host_enable = False", "acl_users = max_run", "resources_default.walltime = 01:00:00", "Priority = 1"),
        *("resources_assigned.ncpus = 3", "default_chunk.ncpus = 1", "comment = max_run = 7", "total_jobs = 2"),
    ]
    expected: Dict[str, str] = dict(line.split(" = ") for line in limits)
    assert limits_in_text(*others, *limits) == expected
    assert list(limits_in_text(*limits)) == list(expected)  # in the scheduler's order


def test_a_limit_that_is_told_twice_is_told_whole_and_all_else_counts_once() -> None:
    limits = limits_in_text("max_run = [g:physics=25]", "max_run = [u:bob=3]", "max_run = [u:carol=1],[u:erin=2]")
    assert limits == {"max_run": "[g:physics=25], [u:bob=3], [u:carol=1], [u:erin=2]"}
    raw = b"Queue: q\n    queue_type = Execution\n    enabled = True\n    enabled = False\n\n"
    assert openpbs_text.parse_queues(raw).queues[0].enabled is True


def test_limits_are_printable() -> None:
    assert limits_in_text("max_run = [u:\x1b[31mred=1]") == {"max_run": "[u:\N{REPLACEMENT CHARACTER}[31mred=1]"}
    assert limits_in_text("max_run = ") == {}


def test_json_in_which_names_stand_twice_is_merged() -> None:
    inner = '"max_run_res":{"ncpus":"[u:a=1]"},"max_run_res":{"ngpus":4,"ncpus":"[g:b=2]"},"max_running":60'
    raw = f'{{"pbs_version":"1","Queue":{{"q":{{"queue_type":"Execution",{inner}}}}}}}'
    (queue,) = openpbs_json.parse_queues(raw.encode()).queues
    assert queue.limits == {"max_run_res.ncpus": "[u:a=1], [g:b=2]", "max_run_res.ngpus": "4", "max_running": "60"}
    assert json.loads(raw)["Queue"]["q"]["max_run_res"] == {"ngpus": 4, "ncpus": "[g:b=2]"}  # what gets lost else


def test_very_many_limits_take_time_in_proportion() -> None:
    def seconds(number: int) -> float:
        raw = b"Queue: q\n    queue_type = Execution\n" + b"    max_run = [u:x=1]\n" * number + b"\n"
        runs: List[float] = []
        for _ in range(3):
            start = time.process_time()
            openpbs_text.parse_queues(raw)
            runs.append(time.process_time() - start)
        return min(runs)

    assert seconds(160_000) < 80 * max(seconds(10_000), 0.0005)
