"""A past moment is what the report of then said, as far as the store keeps it; and nothing of what came later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, delete, insert, update

from agent.probe import take_report
from agent.recording import Replay
from agent.report import Job, Report
from agent.states import HOLDS_CORES, JobState
from collector import schema
from collector.node_months import pack_nodes, packed_spans
from collector.settings import ClusterSettings, CollectorSettings, Settings, StoreSettings
from collector.store import PollTimes, Store
from tests.collector.reports import T0, a_job, a_report, as_running
from tests.databases import store_at
from tests.webstat.recorded import SAMPLES
from webstat.data import jobs
from webstat.data.queries import one, past, people, waiting
from webstat.data.queries.known_then import How, load_first_known, load_gaps, load_steps
from webstat.data.queries.report import load_report
from webstat.data.source import Past, Source
from webstat.health import Cluster, State, health
from webstat.reasons import NOT_KEPT

SERIES = ("openpbs-23.06.06/timeseries", "torque-6.1.3.h5/timeseries", "slurm-22.05.8/series")


@dataclass(frozen=True)
class Played:
    """A recorded series in a store, and its reports in order."""

    source: Source
    reports: list[Report]

    def at(self, moment: float) -> tuple[Past, Cluster]:
        past = self.source.at(int(moment), self.reports[-1].taken_at + 3600)
        (cluster,) = past.clusters()
        return past, cluster


def play(folder: Path, reports: list[Report], period: int) -> Source:
    settings = Settings(
        store=StoreSettings(url=store_at(folder / "store.sqlite")),
        collector=CollectorSettings(period_seconds=period),
        cluster=(ClusterSettings(name="c", agent="tcp://127.0.0.1:1"),),
    )
    store = Store(settings.store.url)
    store.sync_clusters(settings)
    for report in reports:
        store.store_report(1, report, PollTimes(report.taken_at - 1, 1.0))
    store.roll_up(1)
    store.close()
    return Source(settings)


@pytest.fixture(scope="module", params=[*SERIES, *(f"{one} old" for one in SERIES[1:])])
def played(
    each_store: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Played]:
    name, _, old = request.param.partition(" ")
    replay = Replay(SAMPLES / name)
    reports = [take_report(replay) for _ in range(replay.polls)]
    folder = tmp_path_factory.mktemp("played")
    source = play(folder, reports, 10)
    if old:  # as if months had gone by since
        engine = create_engine(store_at(folder / "store.sqlite"))
        pack_nodes(engine, 1, int(reports[-1].taken_at) + 70 * 86400)
        with engine.connect() as connection:
            assert len(packed_spans(connection, 1, 0, schema.OPEN)["since"]) > 20
        engine.dispose()
    yield Played(source, reports)
    source.close()


def living(report: Report) -> dict[str, Job]:
    return {job.id: job for job in report.jobs if job.state is not JobState.FINISHED}


def with_hindsight(reports: list[Report], number: int) -> dict[str, Job]:
    """The jobs of a report, put right by what later ones tell to the second of its own last second.

    Jobs that started or ended in it, and tasks of arrays, which Slurm lists one by one only once they start.
    """
    at, expected = int(reports[number].taken_at), living(reports[number])
    for later in reports[number + 1 :]:
        for job in later.jobs:
            told = replace(job, state=JobState.QUEUED, hosts={})
            if job.ended_at is not None and job.ended_at <= at:
                expected.pop(job.id, None)
            elif job.id in expected or (job.submitted_at or at + 1) <= at:
                before = expected.setdefault(job.id, told)
                if before.state is JobState.QUEUED and job.started_at is not None and job.started_at <= at:
                    expected[job.id] = replace(job, state=JobState.RUNNING)
    return expected


def of_job(job: Job) -> tuple[object, ...]:
    """What the store keeps of a job at every moment."""
    started = job.started_at if job.state in HOLDS_CORES else None
    return (job.state, job.queue, job.cores, job.gpus, job.user, job.group, job.name, job.array_id, started)


def test_each_poll_is_shown_as_its_report_was(played: Played) -> None:
    exact = 0
    for number, report in enumerate(played.reports):
        past, cluster = played.at(report.taken_at)
        assert (cluster.taken_at, cluster.report) == (report.taken_at, number + 1)
        shown = past.ask(load_report, 1)
        assert shown is not None
        expected = with_hindsight(played.reports, number)
        assert {job.id: of_job(job) for job in shown.jobs} == {ident: of_job(job) for ident, job in expected.items()}
        exact += {job.id: of_job(job) for job in shown.jobs} == {k: of_job(v) for k, v in living(report).items()}

        nodes = past.nodes(cluster).set_index("name")
        told = {node.name: (node.state.value, node.cores or 0, node.gpus or 0) for node in report.nodes}
        assert {row.Index: (row.state, row.cores, row.gpus) for row in nodes.itertuples()} == told
        queues = past.queues(cluster)
        assert {row.name: (row.enabled, row.started) for row in queues.itertuples()} == {
            queue.name: (queue.enabled, queue.started) for queue in report.queues
        }
    assert exact or played.reports[0].scheduler.kind == "slurm", "some polls need no hindsight"


def test_nodes_have_the_cores_in_use_that_their_jobs_told(played: Played) -> None:
    off = total = 0
    for report in played.reports:
        past, cluster = played.at(report.taken_at)
        nodes = past.nodes(cluster).set_index("name")
        used = nodes["cores_used"]
        assert not (used > nodes["cores"]).any()
        off += sum(used[node.name] != node.cores_used for node in report.nodes if node.cores_used is not None)
        total += len(report.nodes)
    assert off / total < 0.1, "but for jobs of that very second, reruns, and what a scheduler reserves"


def test_between_polls_the_last_one_is_shown(played: Played) -> None:
    for earlier, later in zip(played.reports[3:6], played.reports[4:7], strict=True):
        exact, _ = played.at(earlier.taken_at)
        past, cluster = played.at((earlier.taken_at + later.taken_at) / 2)
        assert cluster.taken_at == earlier.taken_at
        assert past.ask(load_report, 1) == exact.ask(load_report, 1)


def test_nothing_of_later_is_told(played: Played) -> None:
    report = played.reports[5]
    at = int(report.taken_at)
    then, cluster = played.at(report.taken_at)
    table = jobs.current(then, (cluster,), at)
    for column in ("submitted_at", "eligible_at", "started_at", "ended_at"):
        assert not (table[column] > at).any(), column
    assert table.loc[table["ended_at"].isna(), "exit_status"].isna().all()
    polls = then.ask(past.load_polls, 1, 0)
    assert polls["taken_at"].tolist() == [one.taken_at for one in played.reports[:6]]
    spans = then.ask(past.load_core_spans, 1, 0, schema.OPEN)
    assert (spans["since"] <= at).all() and ((spans["until"] <= at) | (spans["until"] == schema.OPEN)).all()
    for user in {job.user for job in report.jobs}:
        assert (then.ask(people.load_ended, "user", user, 0, 1000)["ended_at"] <= at).all()
    for ident in list(with_hindsight(played.reports, 5))[:20]:
        found = then.ask(one.load_job, 1, ident)
        assert found is not None and found.ended_at is None and found.record.state is not JobState.FINISHED
        assert then.ask(one.load_job_spans, found.row)["until"].iloc[-1] == schema.OPEN


def test_what_the_scheduler_said_then_is_not_made_up(played: Played) -> None:
    then, _ = played.at(played.reports[2].taken_at)
    waits = then.ask(waiting.load_waiting, 1)
    assert set(waits["comment"]) <= {NOT_KEPT} and waits["estimated_start_at"].isna().all()


def test_before_the_first_report_nothing_is_known(played: Played) -> None:
    first = int(played.reports[0].taken_at)
    assert played.source.at(first - 1, first).clusters() == ()
    assert played.source.ask(load_first_known)["at"].tolist() == [first]


def test_steps_go_from_report_to_report(played: Played) -> None:
    taken = [int(report.taken_at) for report in played.reports]
    for place, at in enumerate(taken):
        expected = (taken[place - 1] if place else None, taken[place + 1] if place + 1 < len(taken) else None)
        assert played.source.ask(load_steps, (1,), at) == expected
    assert played.source.ask(load_steps, (1,), taken[3] + 1) == (taken[3], taken[4])


HOUR = 3600


@pytest.fixture
def gap(each_store: str, tmp_path: Path) -> Iterator[Source]:
    """Reports at 0:00 and 0:01, then nothing for three hours, in which a job ends and another starts."""
    first, second = a_job(1, submitted_at=T0 - 100), a_job(2, submitted_at=T0 - 50)
    running = as_running(first, T0 - 10)
    ended = replace(running, state=JobState.FINISHED, ended_at=T0 + HOUR)
    reports = [
        a_report(T0, [running, second]),
        a_report(T0 + 60, [running, second]),
        a_report(T0 + 3 * HOUR, [ended, as_running(second, T0 + HOUR)]),
    ]
    source = play(tmp_path, reports, 60)
    yield source
    source.close()


def test_in_a_gap_the_last_known_state_stays_and_is_called_old(gap: Source) -> None:
    at = T0 + 2 * HOUR
    past = gap.at(at, T0 + 4 * HOUR)
    (cluster,) = past.clusters()
    (then,) = (past.then(cluster),)
    assert then is not None and (then.how, then.before, then.after) == (How.REPORT, T0 + 60, T0 + 3 * HOUR)
    assert health(cluster, at).state is State.SILENT
    states = {job.id: job.state for job in past.ask(load_report, 1).jobs}
    assert states == {"1.pbs01": JobState.RUNNING, "2.pbs01": JobState.QUEUED}
    gaps = gap.ask(load_gaps, T0 - HOUR, 900)
    assert gaps.to_dict("records") == [{"cluster_id": 1, "since": T0 + 60, "until": T0 + 3 * HOUR}]


def test_failed_polls_make_a_cluster_silent_then(gap: Source) -> None:
    engine = create_engine(gap.settings.store.url)
    rows = [
        {"cluster_id": 1, "at": T0 + 120 + n * 60, "seconds": 5.0, "error_code": "silent", "error": "timeout"}
        for n in range(4)
    ]
    with engine.begin() as connection:
        connection.execute(insert(schema.poll), rows)
    engine.dispose()
    for at, failures in ((T0 + 100, 0), (T0 + 130, 1), (T0 + 400, 4)):
        (cluster,) = gap.at(at, T0 + 4 * HOUR).clusters()
        assert cluster.failures == failures
    assert health(cluster, T0 + 400).matter == "Does not answer"


def test_a_log_tells_of_jobs_and_not_of_nodes(gap: Source) -> None:
    engine = create_engine(gap.settings.store.url)
    logged = [{"cluster_id": 1, "since": T0 - DAY, "until": T0 - 60, "polled": False}]
    logged.append({"cluster_id": 1, "since": T0 + 60, "until": T0 + 3 * HOUR - 60, "polled": False})
    with engine.begin() as connection:
        connection.execute(insert(schema.known_span), logged)
    engine.dispose()
    past = gap.at(T0 + 2 * HOUR, T0 + 4 * HOUR)
    (cluster,) = past.clusters()
    then = past.then(cluster)
    assert then is not None and then.how is How.LOG and cluster.taken_at == T0 + 2 * HOUR
    assert [(job.id, job.state) for job in past.ask(load_report, 1).jobs] == [("2.pbs01", JobState.RUNNING)]
    assert past.nodes(cluster).empty and past.capacity(cluster).installed is None
    early = gap.at(T0 - 61, T0 + 4 * HOUR)
    assert [(job.id, job.state) for job in early.ask(load_report, 1).jobs] == [("1.pbs01", JobState.QUEUED)]
    assert gap.ask(load_first_known)["at"].tolist() == [T0 - DAY]


def test_reports_whose_polls_are_kept_no_longer_are_known(gap: Source) -> None:
    engine = create_engine(gap.settings.store.url)
    with engine.begin() as connection:
        connection.execute(delete(schema.poll).where(schema.poll.c.at < T0 + HOUR))
    past = gap.at(T0 + 30, T0 + 4 * HOUR)
    (cluster,) = past.clusters()
    then = past.then(cluster)
    assert then is not None and then.how is How.KEPT and len(past.nodes(cluster)) == 1
    assert len(past.ask(load_report, 1).jobs) == 2
    assert gap.at(T0 + 2 * HOUR, T0 + 4 * HOUR).clusters() == (), "a gap is one also without its polls"
    with engine.begin() as connection:
        connection.execute(update(schema.cluster).values(kept_since=T0 + 60))
    engine.dispose()
    assert gap.at(T0 + 29, T0 + 4 * HOUR).clusters() == (), "the jobs of then may have been lost"
    assert gap.ask(load_first_known)["at"].tolist() == [T0 + 60]


DAY = 86400


def test_a_moment_goes_with_the_last_that_holds_it(gap: Source) -> None:
    """The memory of a moment lives as long as somebody reads it, however many came after it."""
    held = gap.at(T0 + 60, T0 + HOUR)
    for number in range(20):
        assert gap.at(T0 + 61 + number, T0 + HOUR).clusters()
    (cluster,) = held.clusters()
    assert len(held.nodes(cluster)) == 1
