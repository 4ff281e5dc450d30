"""Which jobs the table holds, and what it says of each: from recorded clusters, and from stores with a past.

One module, since all of it shares the filled stores.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import Engine, event

from agent.probe import take_report
from agent.recording import Choice, Replay
from agent.report import Array, Job, Queue, Report
from agent.states import IS_PENDING, JobState
from collector.database import open_engine
from collector.store import PollTimes, Store
from tests.agent.samples import SAMPLES
from tests.collector.reports import T0, a_job, a_report, as_running
from tests.collector.reports import settings_for as collected
from tests.databases import store_at
from tests.webstat.served import settings_for
from tests.webstat.stores import HOSTILE, Builder, Shape
from webstat.data import jobs
from webstat.data.jobcolumns import STATES, job_columns
from webstat.data.jobtable import SHOWN, TASKS, TEXTS
from webstat.data.queries import jobs as queries
from webstat.data.queries.engine import open_store
from webstat.data.readings import readings
from webstat.data.source import Source
from webstat.efficiency import findings
from webstat.errors import StoreBroken, StoreEmpty
from webstat.exits import exit_words
from webstat.native_reasons import Told
from webstat.reasons import reason

pytestmark = pytest.mark.usefixtures("each_store")

RECORDED = {
    "openpbs": "openpbs-23.06.06/mixed",
    "torque": "torque-6.1.3.h5/mixed",
    "torque-2.5": "torque-2.5.13/mixed",
    "slurm": "slurm-22.05.8/mixed",
    "slurm-series": "slurm-22.05.8/series/poll-12",
}
DAY, HOUR = 86_400, 3600


@pytest.fixture(scope="module")
def reports() -> dict[str, Report]:
    return {name: take_report(Replay(SAMPLES / folder, Choice()), name) for name, folder in RECORDED.items()}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, reports: dict[str, Report]) -> Iterator[Source]:
    """A store into which the collector has put every recorded report."""
    url = store_at(tmp_path_factory.mktemp("jobs") / "store.sqlite")
    store = Store(url)
    for name, ident in store.sync_clusters(collected(*reports)).items():
        store.store_report(ident, reports[name], PollTimes(reports[name].taken_at, 0.5))
    store.close()
    source = Source(settings_for(url, *reports))
    yield source
    source.close()


class Past:
    """A store of one cluster `c` that is given report after report, and what is read of it."""

    def __init__(self, folder: Path) -> None:
        self.url = store_at(folder / "store.sqlite")
        self.store = Store(self.url)
        self.ident = self.store.sync_clusters(collected("c"))["c"]
        self.source = Source(settings_for(self.url, "c"))

    def put(self, at: float, *listed: Job, **more: Any) -> None:
        self.store.store_report(self.ident, a_report(at, listed, **more), PollTimes(at, 0.5))

    def frame(self, now: float) -> pd.DataFrame:
        return jobs.current(self.source, self.source.clusters(), now).set_index("id")


@pytest.fixture
def past(tmp_path: Path) -> Iterator[Past]:
    past = Past(tmp_path)
    yield past
    past.source.close()
    past.store.close()


# Queries


LOADS = {
    "load_living_jobs": lambda engine: queries.load_living_jobs(engine, 1),
    "load_ended_jobs": lambda engine: queries.load_ended_jobs(engine, 1, 0, 2 * T0),
    "load_ended_hours": lambda engine: queries.load_ended_hours(engine, 1, 0),
    "load_words": queries.load_words,
    "load_array_totals": lambda engine: queries.load_array_totals(engine, 1, ("7[]",)),
    "load_array_ended": lambda engine: queries.load_array_ended(engine, 1, ("7[]",), 2 * T0),
}


def test_every_load_is_tested() -> None:
    assert set(LOADS) == {name for name in vars(queries) if name.startswith("load_")}


@pytest.mark.parametrize("name", LOADS)
def test_columns_and_dtypes_are_those_promised(past: Past, name: str) -> None:
    load = LOADS[name]
    empty = past.source.ask(load)
    arrays = [Array("7[].pbs01", "B", total=9)]
    past.put(T0, a_job(1), a_job(2), an_array_task(1), arrays=arrays)
    past.put(T0 + 60, a_job(1), arrays=arrays)
    filled = past.source.ask(load)
    assert len(filled)
    assert list(filled.dtypes.items()) == list(empty.dtypes.items())
    assert set(empty.columns) <= set(re.findall(r"[a-z_]+", getattr(queries, name).__doc__))


def an_array_task(index: int, array: int = 7, **fields: Any) -> Job:
    return a_job(array, id=f"{array}[{index}].pbs01", array_id=f"{array}[].pbs01", array_index=str(index), **fields)


def test_no_jobs_has_the_columns_of_jobs(past: Past) -> None:
    past.put(T0, a_job(1))
    living = past.source.ask(queries.load_living_jobs, past.ident)
    assert list(queries.no_jobs().dtypes.items()) == list(living.dtypes.items())


def plans(engine: Engine, load: Any) -> str:
    """How the database answers the statements of a load."""
    seen: list[tuple[str, Any]] = []
    event.listen(engine, "before_cursor_execute", lambda _c, _k, text, values, *_: seen.append((text, values)))
    load(engine)
    with engine.connect() as connection:
        asked = [(text, values) for text, values in seen if text.startswith("SELECT")]
        explain = "EXPLAIN QUERY PLAN"
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SET enable_seqscan = off")  # which is faster with so few rows
            explain = "EXPLAIN"
        rows = [connection.exec_driver_sql(f"{explain} {text}", values).all() for text, values in asked]
    return "\n".join(row[-1] for plan in rows for row in plan)


def test_what_ended_is_counted_from_an_index_alone(past: Past) -> None:
    past.put(T0, a_job(1))
    engine = open_store(past.url)
    ended, of_array = plans(engine, LOADS["load_ended_hours"]), plans(engine, LOADS["load_array_ended"])
    if engine.dialect.name == "sqlite":
        assert "COVERING INDEX job_by_end" in ended
        assert "USING INDEX job_by_number" in of_array
    else:  # which of the two, it says by how many rows there are
        assert "Index Scan using job_by_" in ended
        assert "Index Scan using job_by_" in of_array
    engine.dispose()


# Recorded clusters


def ended_at(job: Job) -> bool:
    return job.state is JobState.FINISHED


@pytest.mark.parametrize("name", RECORDED)
def test_every_recorded_job_is_there_as_it_was_reported(
    recorded: Source, reports: dict[str, Report], name: str
) -> None:
    report = reports[name]
    frame = jobs.current(recorded, recorded.clusters(), report.taken_at)
    assert list(frame.columns) == list(SHOWN)
    mine = frame[frame["cluster"] == name].set_index("id")
    assert mine.index.is_unique
    listed = {job.id: job for job in report.jobs if not ended_at(job) or (job.ended_at or T0) > report.taken_at - DAY}
    assert set(mine.index) == set(listed)
    told = (
        "array_id", "name", "user", "group", "account", "project", "queue", "native_state", "cores", "nodes", "gpus",
        "memory_bytes", "walltime_seconds", "eligible_at", "started_at", "walltime_used_seconds", "cpu_used_seconds",
        "memory_used_bytes", "exit_status", "priority", "depends_on", "hold",
    )  # fmt: skip
    for job_id, row in mine.to_dict("index").items():
        job = listed[job_id]
        for column in told:
            expected = getattr(job, column)
            assert pd.isna(row[column]) if expected is None else row[column] == expected, (job_id, column)
        failed = ended_at(job) and job.exit_status
        assert row["state"] == ("failed" if failed else job.state.value)
        assert row["comment"] == (None if ended_at(job) else job.comment)
        assert row["kind"] == ("task" if job.array_id else "job")
        assert row["key"] == f"{name}/{job_id}"
        since = row["eligible_at"] if job.eligible_at else row["submitted_at"]
        if job.state in IS_PENDING:
            assert row["waited_seconds"] == max(0, int(report.taken_at) - since)
            assert pd.isna(row["ran_seconds"])
        if job.state is JobState.RUNNING and job.started_at and job.walltime_seconds:
            assert (row["expected_at"], row["expects"]) == (job.started_at + job.walltime_seconds, "ends")
            assert row["ran_seconds"] == max(0, int(report.taken_at) - job.started_at)
        if ended_at(job):
            assert (row["expected_at"], row["expects"]) == (row["ended_at"], "ended")


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_jobs_say_why_they_wait_how_they_run_and_how_they_ended(
    recorded: Source, reports: dict[str, Report], name: str
) -> None:
    report = reports[name]
    frame = jobs.current(recorded, recorded.clusters(), report.taken_at)
    said = frame[frame["cluster"] == name].set_index("id")["why"]
    assert said.map(len).max() <= 60
    read = readings(recorded, next(one for one in recorded.clusters() if one.name == name)).told
    assert set(read) <= set(said.index)
    for job in report.jobs:
        if job.id in said.index:
            assert said[job.id] == why(job, report, read.get(job.id)), job.id


def why(job: Job, report: Report, read: Told | None) -> str:
    """As jobs.py has it, for one job alone."""
    if job.state in (JobState.RUNNING, JobState.EXITING):
        used = {
            name: getattr(job, name)
            for name in (
                "cores", "cpu_used_seconds", "walltime_used_seconds", "memory_bytes", "memory_used_bytes",
                "walltime_seconds", "started_at",
            )
        }  # fmt: skip
        found = findings(**used, now=int(report.taken_at))
        return cut(found[0].words) if found else ""
    if ended_at(job):
        return "" if job.exit_status is None else cut(exit_words(job.exit_status, report.scheduler.kind))
    if job.state is JobState.UNKNOWN:
        return ""
    queues = {queue.name: "open" if queue.started is not False else "stopped" for queue in report.queues}
    foretold = job.estimated_start_at if (job.estimated_start_at or 0) > report.taken_at else None
    found_twice = [
        reason(
            state=job.state.value,
            comment=job.comment,
            hold=job.hold,
            depends_on=job.depends_on,
            job_id=job.id,
            user=job.user,
            queue=queue,
            queue_state=queues.get(job.queue, "unknown"),
            ahead=ahead(job, report) if job.state is JobState.QUEUED else None,
            estimated_start_at=foretold,
            derived=read,
        )
        for queue in (job.queue, "")
    ]
    words = [f"Derived: {one.words}" if one.derived else one.words for one in found_twice]
    return words[0] if len(words[0]) <= 60 else cut(words[1])


def cut(words: str) -> str:
    return words if len(words) <= 60 else words[:59] + "…"


def ahead(job: Job, report: Report) -> int:
    def since(one: Job) -> int:
        return one.eligible_at or one.submitted_at or 0

    queued = [one for one in report.jobs if one.state is JobState.QUEUED and one.queue == job.queue]
    return sum(since(one) < since(job) for one in queued)


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_arrays_count_their_tasks(recorded: Source, reports: dict[str, Report], name: str) -> None:
    report = reports[name]
    table = jobs.table(recorded, recorded.clusters(), report.taken_at)
    sizes = {array.id: array.total for array in report.arrays}
    tasks: dict[str, list[Job]] = {}
    for job in report.jobs:
        if job.array_id:
            tasks.setdefault(job.array_id, []).append(job)
    mine = {key: place for place, key in enumerate(table.arrays) if key.startswith(f"{name}/")}
    assert set(mine) == {f"{name}/{array}" for array in tasks}
    for array, listed in tasks.items():
        counted = {column: int(table.tasks[column][mine[f"{name}/{array}"]]) for column in TASKS}
        states = Counter(job.state for job in listed)
        assert counted["tasks_done"] == states[JobState.FINISHED]
        assert counted["tasks_waiting"] == sum(states[state] for state in IS_PENDING)
        held = (JobState.RUNNING, JobState.EXITING, JobState.SUSPENDED)
        assert counted["tasks_running"] == sum(states[state] for state in held)
        assert counted["tasks_total"] == max(sizes.get(array) or 0, len(listed))


def test_recorded_nodes_are_found_only_for_what_runs(recorded: Source, reports: dict[str, Report]) -> None:
    report = reports["openpbs"]
    table = jobs.table(recorded, recorded.clusters(), report.taken_at)
    texts = dict(zip(table.texts_of("key", np.arange(len(table))), table.texts, strict=True))
    holding = [job for job in report.jobs if job.hosts]
    assert len(holding) > 20
    for job in holding:
        for node in job.hosts:
            assert f"\n{node.casefold()}" in texts[f"openpbs/{job.id}"]


# What comes and goes


def test_a_job_that_ended_is_there_for_a_day(past: Past) -> None:
    past.put(T0, as_running(a_job(1), T0 - 10), a_job(2))
    past.put(T0 + 60, a_job(2))
    assert past.frame(T0 + 60)["state"].to_dict() == {"1.pbs01": "finished", "2.pbs01": "queued"}
    assert set(past.frame(T0 + DAY).index) == {"1.pbs01", "2.pbs01"}
    assert set(past.frame(T0 + DAY + HOUR - 1).index) == {"1.pbs01", "2.pbs01"}, "counted from the full hour"
    assert set(past.frame(T0 + DAY + HOUR).index) == {"2.pbs01"}


def test_a_job_that_failed_is_called_so(past: Past) -> None:
    ended = {"state": JobState.FINISHED, "started_at": T0 - 100, "ended_at": T0 - 10}
    listed = [a_job(n, **ended, exit_status=status) for n, status in enumerate((0, 137, -11, None))]
    past.put(T0, *listed)
    frame = past.frame(T0)
    assert frame["state"].tolist() == ["finished", "failed", "failed", "finished"]
    assert frame["why_tone"].tolist() == ["", "bad", "bad", ""]
    assert frame["why"].tolist()[:2] == ["exit 0: without error", "exit 137: killed, usually out of memory"]
    assert frame["ran_seconds"].tolist() == [90] * 4


def test_only_hours_in_which_jobs_ended_are_read_again(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def load(engine: Engine, cluster_id: int, since: int, until: int) -> pd.DataFrame:
        read.append(since)
        return load_ended_jobs(engine, cluster_id, since, until)

    load_ended_jobs = queries.load_ended_jobs
    monkeypatch.setattr(queries, "load_ended_jobs", load)
    running = [as_running(a_job(n), T0 - 10) for n in range(8)]
    for step, left in enumerate((8, 7, 7, 6, 5, 5, 2)):
        past.put(T0 + step * 1800, *running[:left])
        frame = past.frame(T0 + step * 1800)
        assert (frame["state"] == "finished").sum() == 8 - left
        assert past.frame(T0 + step * 1800).equals(frame)
    assert read == [T0, T0 + HOUR, T0 + HOUR, T0 + 2 * HOUR], "each hour again only while jobs end in it"


def test_a_job_that_is_listed_again_lives_again(past: Past) -> None:
    past.put(T0, as_running(a_job(1), T0 - 10), a_job(2))
    past.put(T0 + 60, a_job(2))
    past.frame(T0 + 60)
    past.put(T0 + 120, as_running(a_job(1), T0 - 10), a_job(2))
    assert past.frame(T0 + 120)["state"].to_dict() == {"1.pbs01": "running", "2.pbs01": "queued"}


def test_of_two_jobs_of_one_number_the_later_one_is_there(past: Past) -> None:
    past.put(T0, as_running(a_job(1), T0 - 10), a_job(2))
    past.put(T0 + 60, a_job(1, user="bob", submitted_at=T0 + 30), a_job(2))
    frame = past.frame(T0 + 60)
    assert frame["user"].to_dict() == {"1.pbs01": "bob", "2.pbs01": "alice"}


def test_tasks_that_ended_long_ago_count_as_done(past: Past) -> None:
    tasks = [an_array_task(n) for n in range(6)] + [an_array_task(n, array=77) for n in range(2)]
    sizes = [Array("7[].pbs01", "B", total=20)]
    past.put(T0, *(as_running(task, T0 - 5) for task in tasks), arrays=sizes)
    past.put(T0 + HOUR, *(as_running(task, T0 - 5) for task in tasks[2:]), arrays=sizes)
    late = T0 + 3 * DAY
    past.put(late, *(as_running(task, T0 - 5) for task in tasks[4:]), arrays=sizes)
    table = jobs.table(past.source, past.source.clusters(), late)
    found = dict(zip(table.arrays, zip(*(table.tasks[name].tolist() for name in TASKS), strict=True), strict=True))
    # Two ended on the first day; of two more it is only known that they ended until now: in the middle, they say.
    assert found == {"c/7[].pbs01": (4, 2, 0, 20), "c/77[].pbs01": (0, 2, 0, 2)}


def test_slurm_arrays_are_counted_too(past: Past) -> None:
    tasks = [replace(an_array_task(n), id=f"12_{n}", array_id="12") for n in range(4)]
    other = replace(a_job(120), id="120")
    past.put(T0, *tasks, other)
    past.put(T0 + 60, *tasks[1:], other)
    table = jobs.table(past.source, past.source.clusters(), T0 + 3 * DAY)
    assert table.arrays == ("c/12",)
    assert [table.tasks[name].tolist() for name in TASKS] == [[1], [0], [3], [4]]
    assert past.source.ask(queries.load_array_ended, past.ident, ("12",), T0 + 10)["ended"].tolist() == [0]


def test_ids_are_in_the_order_of_their_numbers(past: Past) -> None:
    ids = ("9.pbs01", "10.pbs01", "7[2].pbs01", "7[10].pbs01", "R1.pbs01", "Q1.pbs01", "8.pbs01", "9" * 30)
    past.put(T0, *(a_job(1, id=one, array_id="7[].pbs01" if "[" in one else None) for one in ids))
    order = ["7[2].pbs01", "7[10].pbs01", "8.pbs01", "9.pbs01", "10.pbs01", "9" * 30, "Q1.pbs01", "R1.pbs01"]
    assert past.frame(T0).index.tolist() == order


def test_a_stopped_queue_is_the_reason(past: Past) -> None:
    past.put(T0, a_job(1), queues=[Queue("batch", "execution", True, False)])
    assert "stopped" in past.frame(T0)["why"].iloc[0]


@pytest.mark.parametrize(("before", "said"), [(0, "it is next"), (1, "1 job is ahead"), (1234, "1,234 jobs are ahead")])
def test_the_jobs_ahead_are_counted(past: Past, before: int, said: str) -> None:
    comment = "Not Running: Not enough free nodes available"
    first = [a_job(n, submitted_at=T0 - 100 + n % 50, comment=comment) for n in range(before)]
    past.put(T0, *first, a_job(5000, comment=comment), a_job(5001, comment=comment), a_job(5002, queue="other"))
    frame = past.frame(T0)
    assert said in frame["why"]["5000.pbs01"]
    assert frame["why"]["5001.pbs01"] == frame["why"]["5000.pbs01"]


def test_hostile_names_come_through_as_they_are(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "store.sqlite")
    builder.add(Shape("bad", "<b>bad</b>", users=HOSTILE, job_names=HOSTILE, nodes=8, days=1))
    source = Source(settings_for(builder.url, "bad"))
    table = jobs.table(source, source.clusters(), builder.now)
    frame = table.frame
    assert set(frame["user"]) | set(frame["name"]) == set(HOSTILE)
    for user, text in zip(frame["user"], table.texts, strict=True):
        assert user.casefold() in text
    source.close()
    builder.close()


def test_without_a_store_there_are_no_jobs_but_all_columns(tmp_path: Path) -> None:
    source = Source(settings_for(f"sqlite:///{tmp_path}/none.sqlite", "c"))
    frame = jobs.current(source, source.clusters(), T0)
    assert list(frame.columns) == list(SHOWN)
    assert frame.empty
    source.close()


def test_a_broken_store_is_said_so(each_store: str, past: Past, tmp_path: Path) -> None:
    past.put(T0, a_job(1))
    clusters = past.source.clusters()
    past.store.close()
    if each_store == "sqlite":
        (tmp_path / "store.sqlite").write_bytes(b"no database any more, though long enough to be looked at" * 400)
        for rest in tmp_path.glob("store.sqlite-*"):
            rest.unlink()
    else:
        engine = open_engine(past.url)
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE job RENAME COLUMN number TO numbers")
        engine.dispose()
    with pytest.raises((StoreBroken, StoreEmpty)):
        jobs.current(past.source, clusters, T0)


def test_the_frame_has_the_dtypes_promised(past: Past) -> None:
    for now in (T0, T0 + 60):
        frame = jobs.current(past.source, past.source.clusters(), now)
        for column in SHOWN:
            whole = column in ("cores", "nodes", "gpus")
            assert frame[column].dtype == ("object" if column in TEXTS else "int64" if whole else "float64"), column
        past.put(T0 + 60, a_job(1))


def test_every_state_has_a_word() -> None:
    assert {state.value for state in JobState} | {"failed"} == set(STATES)
    assert job_columns.__doc__


def test_a_job_that_exits_or_is_suspended_no_longer_runs(past: Past) -> None:
    held = {"started_at": T0 - 5000, "walltime_seconds": 600, "hosts": {"n1": 4}}
    states = (JobState.RUNNING, JobState.EXITING, JobState.SUSPENDED)
    used = [a_job(n, state, walltime_used_seconds=33, **held) for n, state in enumerate(states)]
    unsaid = [a_job(10 + n, state, **held) for n, state in enumerate(states)]
    past.put(T0, *used, *unsaid)
    frame = past.frame(T0)
    assert frame["ran_seconds"].fillna(-1).tolist() == [5000, 33, 33, 5000, 5000, -1]
    assert frame["expects"].tolist() == ["ends", "ends", ""] * 2
