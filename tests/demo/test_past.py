"""The past joins the present, tells every end once and exactly, and has gaps."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import create_engine, func, select

from agent.report import Report
from agent.states import HOLDS_CORES, JobState
from collector import schema
from collector.settings import Settings
from collector.store import PollTimes, Store
from demo.clusters import DAY, HOUR
from demo.direct import take_report
from demo.past import COARSE_SECONDS, all_reports, gaps, report_times, reports
from demo.state import Epoch, prepare

START = 1_795_392_000
UNTIL = START + 4 * DAY + 1234
KINDS = ("openpbs", "torque", "slurm")
EPOCH = Epoch(41, START, 3600, tuple(f"small-{kind}" for kind in KINDS))


def ended(all_of_them: list[Report]) -> dict[str, list[tuple[int | None, int | None, int | None]]]:
    """Job id -> (started, ended, exit status) of each report that calls it finished."""
    found: dict[str, list[tuple[int | None, int | None, int | None]]] = {}
    for report in all_of_them:
        for job in report.jobs:
            if job.state is JobState.FINISHED:
                found.setdefault(job.id, []).append((job.started_at, job.ended_at, job.exit_status))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_report_is_the_present(kind: str) -> None:
    past = list(reports(EPOCH, f"small-{kind}", UNTIL))
    times = [report.taken_at for report in past]
    assert times == sorted(set(times))
    assert times[0] == START and times[-1] == UNTIL
    live = EPOCH.simulate(f"small-{kind}")  # as `serve` does, with other steps and another memory
    live.advance(UNTIL - 100)
    live.advance(UNTIL)
    now = take_report(live)
    listed = {job.id: job for job in past[-1].jobs}
    assert [listed[job.id] for job in now.jobs] == now.jobs
    assert (past[-1].nodes, past[-1].queues, past[-1].arrays) == (now.nodes, now.queues, now.arrays)
    assert past[-1].reservations == now.reservations
    assert any(report.reservations for report in past) == (kind == "openpbs")
    extra = set(listed) - {job.id for job in now.jobs}
    assert all(listed[name].state is JobState.FINISHED for name in extra)


@pytest.mark.parametrize("kind", KINDS)
def test_every_end_is_told_with_its_times(kind: str) -> None:
    told = ended(list(reports(EPOCH, f"small-{kind}", UNTIL)))
    simulation = EPOCH.simulate(f"small-{kind}", remember=30 * DAY)
    simulation.advance(UNTIL)
    happened = [job for job in simulation.ended if (job.released or 0) > START and job.started is not None]
    assert len(happened) > 150
    for job in happened:
        index = f"[{job.index}]" if job.array and kind != "slurm" else ""
        suffix = "" if kind == "slurm" else f".{simulation.site.server}"
        stories = set(told[f"{job.number}{index}{suffix}"])
        over = job.ended if kind == "slurm" else job.released
        status = None if kind == "slurm" else job.exit_status
        assert stories == {(job.started, over, status)}


def test_the_store_has_the_past_s_limits_reservations_and_sizes_of_arrays(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.sqlite"
    past = list(reports(EPOCH, "small-openpbs", UNTIL))
    store = Store(url)
    store.sync_clusters(Settings.model_validate({"cluster": [{"name": "c", "agent": "tcp://127.0.0.1:1"}]}))
    for report in past:
        store.store_report(1, report, PollTimes(report.taken_at, 0))
    store.close()
    engine = create_engine(url)
    job, job_array, queue = schema.job, schema.job_array, schema.queue
    sizes = select(job_array.c.number, job_array.c.total, func.count(job.c.id)).join(
        job, (job.c.array_number == job_array.c.number) & (job.c.cluster_id == job_array.c.cluster_id)
    )
    with engine.connect() as connection:
        arrays = connection.execute(sizes.group_by(job_array.c.number, job_array.c.total)).all()
        limits = dict(connection.execute(select(queue.c.name, queue.c.limits).where(queue.c.gone_at.is_(None))).all())
        reserved = connection.execute(select(schema.cluster.c.reservations)).scalar_one()
    engine.dispose()
    assert len(arrays) > 3
    # Of one that has just begun to be listed, or whose tasks ended before the first report, there may be fewer jobs.
    assert all(tasks <= total for _, total, tasks in arrays)
    assert sum(tasks == total for _, total, tasks in arrays) >= len(arrays) - 1
    assert {name: json.loads(text or "{}") for name, text in limits.items()} == {
        one.name: one.limits for one in past[-1].queues
    }
    assert [one["id"] for one in json.loads(reserved or "[]")] == [one.id for one in past[-1].reservations]
    assert past[-1].reservations


def test_no_job_is_lost_between_two_reports() -> None:
    """Whoever lived in one report lives in the next one, or is told to have ended."""
    previous: set[str] = set()
    for report in reports(EPOCH, "small-openpbs", UNTIL):
        present = {job.id for job in report.jobs}
        assert previous <= present
        previous = {job.id for job in report.jobs if job.state is not JobState.FINISHED}


def test_cores_on_nodes_are_the_cores_of_jobs() -> None:
    for report in reports(EPOCH, "small-torque", UNTIL):
        by_jobs = sum(job.cores for job in report.jobs if job.state in HOLDS_CORES)
        assert by_jobs == sum(node.cores_used or 0 for node in report.nodes)


def test_reports_are_closer_together_towards_the_end_and_leave_out_the_gaps() -> None:
    epoch = Epoch(1, START, 0, ("biox3",))
    until = START + 30 * DAY
    times = report_times(epoch, "biox3", until)
    assert times[0] == START and times[-1] == until
    steps = [b - a for a, b in pairwise(times)]
    assert steps[-1] == HOUR and steps[1] <= COARSE_SECONDS
    silent = gaps("biox3", until)
    assert len(silent) == 3
    for begin, end in silent:
        assert begin < end
        assert not [at for at in times if begin <= at < end]
        assert [at for at in times if begin - COARSE_SECONDS <= at < begin]
        assert [at for at in times if end <= at < end + COARSE_SECONDS]
    assert max(steps) > 17 * HOUR


def test_all_clusters_are_made_side_by_side(tmp_path: Path) -> None:
    names = tuple(f"small-{kind}" for kind in KINDS)
    epoch = prepare(tmp_path / "state", days=2, clusters=names)
    until = epoch.start + 2 * DAY
    merged = list(all_reports(tmp_path / "state", until))
    assert [report.taken_at for _, report in merged] == sorted(report.taken_at for _, report in merged)
    for name in names:
        assert [report for cluster, report in merged if cluster == name] == list(reports(epoch, name, until))


def test_a_process_that_fails_is_told(tmp_path: Path) -> None:
    prepare(tmp_path, days=1, clusters=("small-slurm",))
    text = (tmp_path / "epoch.json").read_text(encoding="utf-8")
    (tmp_path / "epoch.json").write_text(text.replace("small-slurm", "nosuch"), encoding="utf-8")
    with pytest.raises(RuntimeError, match="the past of nosuch ended early"):
        list(all_reports(tmp_path, START))
