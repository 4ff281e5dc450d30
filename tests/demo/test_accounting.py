"""The log of a simulated OpenPBS, followed by the agent: it tells what the history of the same moment does."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from agent.accounting_log import AccountingLog as Follower
from agent.parsers import openpbs_text
from agent.report import Job, Report, Scheduler
from agent.states import JobState
from agent.zones import zone_named
from demo.accounting import AccountingLog
from demo.clusters import DAY
from demo.dialects import answer
from demo.simulation import Simulation
from demo.state import Epoch, accounting_folder

START = 1_795_392_000
HERE = zone_named(None)
STEP = 600


def finished(simulation: Simulation, follower: Follower) -> dict[str, Job]:
    listing = openpbs_text.parse_jobs(answer(simulation, ["qstat", "-t", "-f", "-w"]).stdout, HERE)
    parts = ([], [], listing.warnings, "")
    report = Report("c", Scheduler("openpbs", "", ""), simulation.now, {}, listing.jobs, listing.arrays, *parts)
    told = follower.with_ends(report)
    assert told.warnings == []
    return {job.id: job for job in told.jobs if job.state is JobState.FINISHED}


@pytest.mark.parametrize("late", [False, True])
def test_the_log_tells_what_the_history_does(tmp_path: Path, late: bool) -> None:
    simulation = Epoch(41, START, 3600, ("small-openpbs",)).simulate("small-openpbs", remember=DAY)
    simulation.advance(START + DAY)
    log, follower = AccountingLog(tmp_path, simulation), Follower(tmp_path, HERE)
    begin, told = simulation.now, {}
    while simulation.now < START + DAY + 12 * STEP:
        simulation.advance(simulation.now + STEP)
        log.write()
        if not late:
            told.update(finished(simulation, follower))
    told.update(finished(simulation, follower))
    history = openpbs_text.parse_jobs(answer(simulation, ["qstat", "-x", "-t", "-f", "-w"]).stdout, HERE).jobs
    ended = {job.id: job for job in history if job.state is JobState.FINISHED and (job.ended_at or 0) > begin}
    ran = [job for job in ended.values() if job.started_at is not None]
    assert len(ran) > 5
    apart = {"native_state", "comment", "priority", "hosts", "depends_on"}
    for job in ran:
        assert {key: value for key, value in asdict(told[job.id]).items() if key not in apart} == {
            key: value for key, value in asdict(job).items() if key not in apart
        }
    if not late:  # else it was never seen waiting
        assert ended.keys() <= told.keys()


def test_who_has_a_log(tmp_path: Path) -> None:
    assert accounting_folder(tmp_path, "certainty") == tmp_path / "certainty/accounting"
    assert [accounting_folder(tmp_path, name) for name in ("vsp-compute", "biox3")] == [None, None]
