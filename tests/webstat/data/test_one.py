"""One job and one node as the store has them are those that the reports told of; what is computed of them is exact."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from agent.report import Job, Node
from agent.states import JobState, NodeState
from collector import schema
from collector.rows import hosts_record, hosts_text
from collector.schema import OPEN
from collector.store import PollTimes, Store
from tests.collector.reports import T0, a_job, a_report, as_running, settings_for
from tests.databases import store_at
from tests.webstat.recorded import Recorded
from webstat.data import node_past, one, use
from webstat.data.node_past import ABSENT, GAP, SERVES
from webstat.data.one import HELD, RAN, SUSPENDED, UNKNOWN, WAITED, During, OneJob, Step
from webstat.data.queries import engine as engines
from webstat.data.queries import one as queries
from webstat.exits import exit_words

pytestmark = pytest.mark.usefixtures("each_store")

MINUTE, HOUR, DAY = 60, 3600, 86400


def spans(*rows: tuple[str, int, int]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["state", "since", "until"])
    return frame.astype({"state": "str", "since": "int64", "until": "int64"})


def a_known(**fields: object) -> OneJob:
    job = a_job(1, **{key: value for key, value in fields.items() if key not in ("ended_at", "estimated")})
    ended = fields.get("ended_at")
    return OneJob(1, job, float(T0), None if ended is None else float(str(ended)), bool(fields.get("estimated")))


# From recorded clusters


@pytest.fixture(scope="module")
def engine(recorded: Recorded) -> Iterator[Engine]:
    engine = engines.open_store(recorded.url)
    yield engine
    engine.dispose()


@pytest.mark.parametrize("cluster", ["mixed", "torque", "old", "slurm", "accounts"])
def test_a_job_is_that_of_the_newest_report(recorded: Recorded, engine: Engine, cluster: str) -> None:
    ident = recorded.names.index(cluster) + 1
    jobs = recorded.reports[cluster].jobs
    assert jobs
    for job in jobs[:: 1 + len(jobs) // 100]:
        found = queries.load_job(engine, ident, job.id)
        assert found is not None, job.id
        # The store keeps when a job ended even where nobody said so, and no words on one that has.
        told = replace(job, submitted_at=found.record.submitted_at)
        if job.state is JobState.FINISHED:
            left_out = {"comment": None, "estimated_start_at": None, "hosts": found.record.hosts}
            told = replace(told, **left_out)
            assert found.ended_at is not None and found.ended_estimated == (job.ended_at is None)
        assert found.record == told
        assert job.submitted_at in (None, found.submitted_at)
        stretches = one.job_stretches(queries.load_job_spans(engine, found.row), found.until)
        assert all(a.until == b.since for a, b in pairwise(stretches))


@pytest.mark.parametrize("cluster", ["mixed", "torque", "slurm"])
def test_a_node_is_that_of_the_newest_report(recorded: Recorded, engine: Engine, cluster: str) -> None:
    ident = recorded.names.index(cluster) + 1
    for node in recorded.reports[cluster].nodes:
        found = queries.load_node(engine, ident, node.name)
        assert found is not None and found.gone_at is None
        assert found.record == node
        states = queries.load_node_spans(engine, ident, found.row, 0, OPEN)
        assert states["until"].iloc[-1] == OPEN
        assert states["state"].iloc[-1] == node.state.value


def test_jobs_that_ended_on_a_node_are_found_by_their_hosts(recorded: Recorded, engine: Engine) -> None:
    ident = recorded.names.index("series") + 1
    with engine.connect() as connection:
        gone = select(schema.job.c.number).where(schema.job.c.cluster_id == ident, schema.job.c.ended_at.is_not(None))
        ended = [queries.load_job(engine, ident, number) for number in connection.scalars(gone)]
    nodes = {node for found in ended if found for node in found.record.hosts}
    assert len(nodes) > 5
    for node in nodes:
        told = {one.record.id: one.record.hosts[node] for one in ended if one and node in one.record.hosts}
        before = queries.load_jobs_before(engine, ident, node, 0, 10_000)
        here = dict(zip(before["id"], before["cores_here"], strict=True))
        assert told == here
        assert before["ended_at"].is_monotonic_decreasing
        few = queries.load_jobs_before(engine, ident, node, 0, 1)
        assert few["id"].tolist() == before["id"].tolist()[:1]
    assert queries.load_jobs_before(engine, ident, "no such node", 0, 50).empty


def test_dependencies_of_recorded_jobs_name_jobs(recorded: Recorded, engine: Engine) -> None:
    found = 0
    for cluster in ("mixed", "torque", "slurm"):
        for job in recorded.reports[cluster].jobs:
            for tie in one.ties(job.depends_on):
                assert tie.kind.startswith("after") == tie.after
                assert tie.other and not set(tie.other) & set("@(:,")
                found += len(queries.load_states(engine, recorded.names.index(cluster) + 1, [tie.other]))
    assert found >= 4


# From reports made for one question each


@pytest.fixture
def store(tmp_path: Path) -> Iterator[tuple[Store, Engine]]:
    url = store_at(tmp_path / "store.sqlite")
    store = Store(url)
    store.sync_clusters(settings_for("c"))
    engine = engines.open_store(url)
    yield store, engine
    engine.dispose()
    store.close()


def put(store: Store, at: float, *jobs: Job, **fields: object) -> None:
    store.store_report(1, a_report(at, jobs, **fields), PollTimes(at - 1, 0.5))


def test_an_empty_store_has_no_job_and_no_node(store: tuple[Store, Engine]) -> None:
    _, engine = store
    assert queries.load_job(engine, 1, "1.pbs01") is None
    assert queries.load_node(engine, 1, "n1") is None
    assert queries.load_ahead(engine, 1, 1) is None
    assert queries.load_reports_around(engine, 1, T0) == (None, None)
    frames = {
        "since until state cores": queries.load_job_spans(engine, 1),
        "since until state": queries.load_node_spans(engine, 1, 1, 0, OPEN),
        "id state user name exit_status ended_at": queries.load_states(engine, 1, ["1.pbs01"]),
        "cores_here id name user queue cores started_at ended_at ended_estimated exit_status walltime_seconds": (
            queries.load_jobs_before(engine, 1, "n1", 0, 50)
        ),
    }
    for columns, frame in frames.items():
        assert frame.empty
        assert list(frame.columns) == columns.split()
        assert {str(dtype) for dtype in frame.dtypes} <= {"int64", "float64", "str", "bool"}


def test_frames_have_the_same_dtypes_when_filled(store: tuple[Store, Engine]) -> None:
    writer, engine = store
    loads = [
        lambda: queries.load_job_spans(engine, 1),
        lambda: queries.load_node_spans(engine, 1, 1, 0, OPEN),
        lambda: queries.load_states(engine, 1, ["1.pbs01"]),
        lambda: queries.load_jobs_before(engine, 1, "n1", 0, 50),
    ]
    empty = [load().dtypes.to_dict() for load in loads]
    job = as_running(a_job(1), T0 + 10)
    put(writer, T0 + 60, job)
    put(writer, T0 + 120)
    filled = [load() for load in loads]
    assert [len(frame) for frame in filled] == [2, 1, 1, 1]
    assert [frame.dtypes.to_dict() for frame in filled] == empty


def test_of_an_id_used_twice_the_latest_is_shown(store: tuple[Store, Engine]) -> None:
    writer, engine = store
    put(writer, T0 + 60, a_job(7, name="first"))
    put(writer, T0 + 120, a_job(7, name="second", submitted_at=T0 + 100))
    for asked in ("7.pbs01", "7"):
        found = queries.load_job(engine, 1, asked)
        assert found is not None and found.record.name == "second"
    assert queries.load_job(engine, 1, "7.other") is None
    assert queries.load_job(engine, 2, "7.pbs01") is None
    states = queries.load_states(engine, 1, ["7.pbs01", "8.pbs01"])
    assert states[["id", "name", "state"]].to_numpy().tolist() == [["7.pbs01", "second", "queued"]]


def test_an_estimated_end_lies_between_two_reports(store: tuple[Store, Engine]) -> None:
    writer, engine = store
    put(writer, T0 + 60, as_running(a_job(1), T0 + 10))
    put(writer, T0 + 120, as_running(a_job(1), T0 + 10))
    put(writer, T0 + 180)
    put(writer, T0 + 240)
    found = queries.load_job(engine, 1, "1.pbs01")
    assert found is not None and found.ended_estimated
    assert queries.load_reports_around(engine, 1, int(found.ended_at or 0)) == (T0 + 120, T0 + 180)
    assert found.record.hosts == {"n1": 4}, "where it ran stays known"


def test_jobs_ahead_are_those_of_its_queue_that_wait_longer(store: tuple[Store, Engine]) -> None:
    writer, engine = store
    jobs = [
        a_job(1, submitted_at=T0 + 1),
        a_job(2, submitted_at=T0, eligible_at=T0 + 3),
        a_job(3, submitted_at=T0 + 2),
        a_job(4, submitted_at=T0, queue="other"),
        a_job(5, JobState.HELD, submitted_at=T0),
        as_running(a_job(6), T0 + 10),
    ]
    put(writer, T0 + 60, *jobs)
    rows = {job.id: queries.load_job(engine, 1, job.id) for job in jobs}
    ahead = [queries.load_ahead(engine, 1, found.row) for found in rows.values() if found]
    assert ahead == [0, 2, 1, 0, None, None]


# Pure


def test_a_jobs_life_is_told_in_steps() -> None:
    told = [
        ("held", T0, T0 + 100),
        ("queued", T0 + 100, T0 + 200),
        ("running", T0 + 200, T0 + 300),
        ("suspended", T0 + 300, T0 + 340),
        ("running", T0 + 340, T0 + 380),
        ("exiting", T0 + 380, T0 + 400),
        ("queued", T0 + 400, T0 + 500),
        ("running", T0 + 500, OPEN),
    ]
    stretches = one.job_stretches(spans(*told), T0 + 600)
    assert [stretch.what for stretch in stretches] == [HELD, WAITED, RAN, SUSPENDED, RAN, WAITED, RAN]
    assert one.sums(stretches) == {HELD: 100, WAITED: 200, RAN: 260, SUSPENDED: 40}
    job = a_known(state=JobState.RUNNING, started_at=T0 + 500, eligible_at=T0 + 100)
    steps, left_out = one.steps(job, stretches)
    assert [step.what for step in steps] == [
        "submitted", "held", "released", "eligible", "started", "suspended", "resumed", "requeued", "restarted",
    ]  # fmt: skip
    assert left_out == 0
    assert steps[-1] == Step("restarted", T0 + 500, T0 + 600)


def test_of_a_long_life_the_middle_is_left_out() -> None:
    told = [("queued" if n % 2 else "running", T0 + 10 * n, T0 + 10 * n + 10) for n in range(60)]
    stretches = one.job_stretches(spans(*told), T0 + 600)
    steps, left_out = one.steps(a_known(state=JobState.RUNNING, ended_at=T0 + 600), stretches)
    assert len(steps) == one.MOST_STEPS
    assert left_out == 62 - one.MOST_STEPS
    assert (steps[0].what, steps[-1].what) == ("submitted", "ended")


def test_what_no_span_covers_is_unknown() -> None:
    told = spans(("running", T0, T0 + 10), ("running", T0 + 30, OPEN))
    assert one.job_stretches(told, T0 + 40) == [
        During(RAN, T0, T0 + 10), During(UNKNOWN, T0 + 10, T0 + 30), During(RAN, T0 + 30, T0 + 40),
    ]  # fmt: skip
    assert one.job_stretches(spans(), T0) == []


def test_a_start_is_told_where_the_spans_are_gone() -> None:
    job = a_known(state=JobState.FINISHED, started_at=T0 + 50, ended_at=T0 + 90, walltime_seconds=100)
    assert [step.what for step in one.steps(job, [])[0]] == ["submitted", "started", "ended"]
    spent = use.use(job, [], T0 + 500)
    assert spent is not None and spent.ran_seconds == 40


def test_a_suspended_jobs_walltime_stands_still() -> None:
    job = a_known(state=JobState.RUNNING, started_at=T0, walltime_seconds=1000)
    stretches = one.job_stretches(
        spans(("running", T0, T0 + 10), ("suspended", T0 + 10, T0 + 70), ("running", T0 + 70, OPEN)), T0 + 100
    )
    assert one.ends_by(job, stretches) == T0 + 1060
    assert one.ends_by(a_known(started_at=T0), stretches) is None
    assert one.ends_by(a_known(walltime_seconds=5), []) is None


def test_use_is_measured_by_what_was_asked_for() -> None:
    job = a_known(
        state=JobState.RUNNING,
        cores=48,
        started_at=T0,
        walltime_seconds=48 * HOUR,
        walltime_used_seconds=32 * HOUR,
        cpu_used_seconds=int(11.5 * 32 * HOUR),
        memory_bytes=192 << 30,
        memory_used_bytes=110 << 30,
    )
    found = use.use(job, [During(RAN, T0, T0 + 32 * HOUR)], T0 + 32 * HOUR)
    assert found is not None
    assert found.cores_busy == pytest.approx(11.5)
    assert found.cores_odd and not found.memory_odd and not found.young
    assert found.memory_share == pytest.approx(110 / 192)
    assert found.walltime_share == pytest.approx(2 / 3)
    assert (found.core_seconds, found.core_seconds_most) == (48 * 32 * HOUR, 48 * 48 * HOUR)


def test_what_is_not_told_is_not_measured() -> None:
    found = use.use(a_known(state=JobState.RUNNING, started_at=T0), [], T0 + 60)
    assert found is not None and found.young
    assert (found.cores_share, found.memory_share, found.walltime_share, found.core_seconds_most) == (None,) * 4
    assert not found.cores_odd and not found.memory_odd
    assert use.use(a_known(), [During(WAITED, T0, T0 + 60)], T0 + 60) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("afterok:463702.pbs01@pbs01", [("463702.pbs01", True)]),
        ("on:1,afterok:103.pbs01@pbs01", [("103.pbs01", True)]),
        ("afterany:11197.pbs01@pbs01:11198.pbs01@pbs01", [("11197.pbs01", True), ("11198.pbs01", True)]),
        ("beforeok:11227.pbs01@pbs01,beforeany:11228.pbs01@pbs01", [("11227.pbs01", False), ("11228.pbs01", False)]),
        ("afterok:11209[].pbs01@pbs01", [("11209[].pbs01", True)]),
        ("afterok:13(unfulfilled)?afterany:14_*(failed)", [("13", True), ("14", True)]),
        ("after:15+10(unfulfilled)", [("15", True)]),
        ("singleton(unfulfilled)", []),
        ("afterok:", []),
        ("<script>:1", []),
        (None, []),
    ],
)
def test_dependencies_name_other_jobs(text: str | None, expected: list[tuple[str, bool]]) -> None:
    assert [(tie.other, tie.after) for tie in one.ties(text)] == expected


def test_a_dependency_on_many_jobs_is_cut() -> None:
    assert len(one.ties("afterany:" + ":".join(map(str, range(1000))))) == 20


names = st.dictionaries(st.integers(1, 60), st.integers(1, 64), max_size=20)


@given(names)
def test_hosts_hold_the_nodes_that_were_written(hosts: dict[int, int]) -> None:
    text = hosts_text({str(word): cores for word, cores in hosts.items()}, int)
    assert {word: one.cores_on(text, word) for word in range(70)} == {word: hosts.get(word) for word in range(70)}
    assert sorted(one.word_ids(text)) == sorted(hosts)
    assert hosts_record(text, {word: str(word) for word in hosts}) == {str(word): c for word, c in hosts.items()}


def test_a_nodes_past_covers_all_of_the_time() -> None:
    told = spans(("busy", T0 - 50, T0 + 100), ("down", T0 + 100, T0 + 200), ("free", T0 + 300, OPEN))
    found = node_past.node_stretches(told, T0, T0 + 400, [(T0 + 150, T0 + 320)])
    assert found == [
        During("busy", T0, T0 + 100),
        During("down", T0 + 100, T0 + 150),
        During(GAP, T0 + 150, T0 + 320),
        During("free", T0 + 320, T0 + 400),
    ]
    assert node_past.node_stretches(told, T0 + 200, T0 + 400)[0] == During(ABSENT, T0 + 200, T0 + 300)
    assert node_past.node_stretches(spans(), T0, T0 + 400) == [During(ABSENT, T0, T0 + 400)]


def test_changes_of_service_leave_out_how_full_a_node_was() -> None:
    states = ("busy", "partial", "free", "offline", "down", "busy")
    told = spans(*((state, T0 + 10 * n, T0 + 10 * n + 10) for n, state in enumerate(states)))
    found = node_past.in_service(node_past.node_stretches(told, T0, T0 + 60))
    assert [(one.what, one.seconds) for one in found] == [(SERVES, 30), ("offline", 10), ("down", 10), (SERVES, 10)]


@given(st.lists(st.sampled_from(["busy", "partial", "free", "down"]), min_size=1, max_size=400), st.integers(1, 50))
def test_a_strip_is_bounded_and_tells_every_outage(states: list[str], cells: int) -> None:
    told = spans(*((state, T0 + 7 * n, T0 + 7 * n + 7) for n, state in enumerate(states)))
    whole = node_past.node_stretches(told, T0, T0 + 7 * len(states))
    found = node_past.coarse(whole, cells)
    assert len(found) <= cells
    assert (found[0].since, found[-1].until) == (T0, pytest.approx(T0 + 7 * len(states)))
    assert all(a.until == b.since for a, b in pairwise(found))
    out = [one for one in whole if one.what == "down"]
    assert all(any(c.what == "down" and c.since < one.until and c.until > one.since for c in found) for one in out)


def test_jobs_on_a_node_are_told_by_either_side() -> None:
    placed = pd.DataFrame({"id": ["1", "2", "3"], "hosts": [{"n1": 4}, {}, {"n2": 8}]})
    node = Node("n1", NodeState.BUSY, "busy", jobs=("2", "9"))
    found = node_past.jobs_here(placed, node)
    assert found["id"].tolist() == ["1", "2"]
    assert found["cores_here"].iloc[0] == 4
    assert pd.isna(found["cores_here"].iloc[1])


@pytest.mark.parametrize(
    ("status", "scheduler", "words"),
    [
        (0, "openpbs", "exit 0: without error"),
        (None, "slurm", "the scheduler does not say how"),
        (1, "slurm", "exit 1: with an error"),
        (42, None, "exit 42: with an error"),
        (127, "torque", "exit 127: its command was not found"),
        (137, "slurm", "exit 137: killed, usually out of memory"),
        (139, "torque", "exit 139: crashed: segmentation fault"),
        (254, "openpbs", "exit 254: with an error"),
        (265, "slurm", "exit 265: killed"),
        (267, "openpbs", "exit 267: crashed: segmentation fault"),
        (271, "openpbs", "exit 271: told to end, by qdel or a limit"),
        (-29, "openpbs", "exit -29: over its walltime"),
        (-11, "torque", "exit -11: over its walltime"),
        (-99, "openpbs", "exit -99: the scheduler ended it, or could not start it"),
        (-29, None, "exit -29: the scheduler ended it, or could not start it"),
        (320, "openpbs", "exit 320: ended by signal 64"),
        (9999, "openpbs", "exit 9999: with an error"),
    ],
)
def test_an_end_is_told_in_words(status: int | None, scheduler: str | None, words: str) -> None:
    assert exit_words(status, scheduler) == words


def test_every_recorded_exit_has_words(recorded: Recorded) -> None:
    statuses = {
        (job.exit_status, report.scheduler.kind)
        for report in recorded.reports.values()
        for job in report.jobs
        if job.exit_status is not None
    }
    assert len(statuses) > 5
    for status, scheduler in statuses:
        assert exit_words(status, scheduler).startswith(f"exit {status}: ")
