"""What is printed and then parsed is what the report that is made directly holds, in all three dialects."""

from __future__ import annotations

import re
from collections import Counter
from datetime import tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agent.parsers import openpbs_reservations, openpbs_text, slurm_config, slurm_text, torque_text, torque_xml
from agent.probe import count_cores_used
from agent.report import Report
from agent.states import JobState
from demo.clusters import DAY, Site, certainty, sites, small
from demo.dialects import answer
from demo.direct import take_report
from demo.simulation import Simulation
from tests.agent.samples import load_sample

START = 1_795_392_000
BERLIN = ZoneInfo("Europe/Berlin")
SITES = [*(small(kind) for kind in ("openpbs", "torque", "slurm")), *sites()]

LISTINGS: dict[str, list[tuple[str, Any]]] = {
    "openpbs": [
        ("qstat -t -f -w", openpbs_text.parse_jobs),
        ("qstat -t -f", openpbs_text.parse_jobs),
        ("pbsnodes -av", openpbs_text.parse_nodes),
        ("pbsnodes -a", openpbs_text.parse_nodes),
        ("qstat -Q -f", lambda raw, zone: openpbs_text.parse_queues(raw)),
        ("qstat -B -f", lambda raw, zone: openpbs_text.parse_server(raw)),
        ("pbs_rstat -f", openpbs_reservations.parse_reservations),
    ],
    "torque": [
        ("qstat -t -x", torque_xml.parse_jobs),
        ("qstat -t -f -1", torque_text.parse_jobs),
        ("qstat -t -f", torque_text.parse_jobs),
        ("pbsnodes -x", torque_xml.parse_nodes),
        ("pbsnodes -a", torque_text.parse_nodes),
        ("qstat -Q -f", lambda raw, zone: torque_text.parse_queues(raw)),
        ("qstat -B -f", lambda raw, zone: torque_text.parse_server(raw)),
    ],
    "slurm": [
        ("qstat -f", slurm_text.parse_jobs),
        ("pbsnodes -a", slurm_text.parse_nodes),
        ("qstat -Q -f", lambda raw, zone: slurm_text.parse_queues(raw)),
        ("scontrol show config", lambda raw, zone: slurm_config.parse_server(raw)),
    ],
}


def parsed(simulation: Simulation, command: str, parse: Any, zone: tzinfo) -> Any:
    printed = answer(simulation, command.split(), zone)
    assert printed.exit_code == 0, printed.stderr
    result = parse(printed.stdout, zone)
    assert result.warnings == []
    assert getattr(result, "complete", True)
    return result


def compare(simulation: Simulation, report: Report, zone: tzinfo) -> None:
    for command, parse in LISTINGS[simulation.site.kind]:
        result = parsed(simulation, command, parse, zone)
        if hasattr(result, "jobs"):
            assert result.jobs == report.jobs, command
            assert result.arrays == (report.arrays if "-t" in command else []), command
        elif hasattr(result, "nodes"):
            assert count_cores_used(result.nodes, report.jobs) == report.nodes, command
        elif hasattr(result, "queues"):
            assert result.queues == report.queues, command
        elif hasattr(result, "reservations"):
            assert tuple(result.reservations) == report.reservations, command
        else:
            assert (result.name, result.version) == (report.scheduler.server, report.scheduler.version)


@pytest.mark.parametrize("site", SITES, ids=lambda site: site.name)
def test_the_report_is_what_the_commands_say(site: Site) -> None:
    simulation = Simulation(site, 29, START)
    states = set()
    for at in range(START, START + 3 * DAY, 13 * 3600 + 1234):
        simulation.advance(at)
        report = take_report(simulation, zone=BERLIN)
        compare(simulation, report, BERLIN)
        states.update(job.state for job in report.jobs)
    assert {JobState.QUEUED, JobState.RUNNING} <= states


def test_a_week_has_a_maintenance_that_is_announced_and_a_course_that_runs() -> None:
    simulation = Simulation(certainty(), 29, START)
    seen: dict[tuple[str, str], int] = Counter()
    for at in range(START, START + 7 * DAY, 3 * 3600):
        simulation.advance(at)
        report = take_report(simulation)
        nodes = {node.name: node for node in report.nodes}
        for one in report.reservations:
            seen[one.name, one.state] += 1
            assert one.starts_at is not None and one.ends_at is not None and one.starts_at < one.ends_at
            assert (one.starts_at <= at < one.ends_at) == (one.state == "running")
            held = [
                "resv-exclusive" in nodes[name].native_state
                for name in one.nodes
                if "down" not in nodes[name].native_state
            ]
            assert set(held) <= {one.state == "running"}
        assert {one.queue for one in report.reservations} == {q.name for q in report.queues if q.name[0] == "R"}
    assert seen["maintenance", "confirmed"] > 20
    assert min(seen["maintenance", "running"], seen["course", "running"], seen["hackathon", "running"]) > 2


def test_what_is_printed_of_a_reservation_is_what_the_client_prints() -> None:
    recorded = load_sample("openpbs-23.06.06/mixed").output("pbs_rstat -f").read().decode()
    simulation = Simulation(small(), 29, START)
    simulation.advance(START + DAY // 2)
    printed = answer(simulation, ["pbs_rstat", "-f"], BERLIN).stdout.decode()
    names = [
        re.findall(r"^(?:Resv ID|[\w.]+(?= = ))", text.split("\n\n")[0], re.MULTILINE) for text in (recorded, printed)
    ]
    assert names[0] == names[1]
    assert len(names[0]) > 20


@pytest.mark.parametrize(
    ("kind", "queue", "limits"),
    [
        ("openpbs", "batch", {"resources_max.walltime": "24:00:00", "max_run_res.ncpus": "[u:PBS_GENERIC=16]"}),
        ("openpbs", "short", {"resources_max.walltime": "02:00:00", "max_run": "[u:PBS_GENERIC=4]"}),
        ("torque", "short", {"resources_max.walltime": "02:00:00", "max_user_run": "4"}),
        ("slurm", "short", {}),
    ],
)
def test_queues_have_limits(kind: str, queue: str, limits: dict[str, str]) -> None:
    report = take_report(Simulation(small(kind), 29, START))
    assert {one.name: one.limits for one in report.queues}[queue] == limits


def test_ended_openpbs_jobs_are_what_the_history_says() -> None:
    """Plain qstat no longer lists them; the report of the past has them as qstat -x would."""
    simulation = Simulation(small(), 31, START, remember=DAY)
    simulation.advance(START + 2 * DAY)
    report = take_report(simulation, since=START + DAY + 3600, zone=BERLIN)
    history = parsed(simulation, "qstat -x -t -f -w", openpbs_text.parse_jobs, BERLIN)
    of_history = {job.id: job for job in history.jobs}
    ended = [job for job in report.jobs if job.state is JobState.FINISHED]
    assert len(ended) > 20
    for job in ended:
        assert job == of_history[job.id]
    assert {job.id for job in report.jobs} <= set(of_history)


@pytest.mark.parametrize("kind", ["torque", "slurm"])
def test_ended_jobs_look_as_they_did_while_they_were_listed(kind: str) -> None:
    simulation = Simulation(small(kind), 37, START, remember=DAY)
    simulation.advance(START + DAY)
    while not any((job.released or 0) > simulation.now - 200 for job in simulation.ended):
        simulation.advance(simulation.now + 60)
    listed = {job.id: job for job in take_report(simulation).jobs if job.state is JobState.FINISHED and job.ended_at}
    assert listed
    since = simulation.now - DAY // 2
    simulation.advance(simulation.now + 3600)
    later = {job.id: job for job in take_report(simulation, since=since).jobs}
    for name, job in listed.items():
        assert later[name] == job
