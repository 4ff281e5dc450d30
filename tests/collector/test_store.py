"""The store's properties: exact, rebuildable, any past moment, gaps, atomic, idempotent, one writer.

One module, since each property is tried on the same reports.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, inspect, select, text

from agent.report import Array, Job, Node, Queue, Report, Reservation
from agent.states import JobState, NodeState
from collector.database import open_engine
from collector.errors import StoreBusy, StoreTooNew
from collector.rollup import DAY, HOUR
from collector.schema import (
    OPEN,
    capacity_hour,
    cluster,
    dirty_hour,
    job,
    job_array,
    job_live,
    job_span,
    metadata,
    node_span,
    poll,
    queue,
    usage_day,
    usage_hour,
    word,
)
from collector.store import PollTimes, Store
from tests.collector.reports import T0, a_job, a_report, as_running, jobs_at, reading, settings_for, table_rows
from tests.databases import store_at


@pytest.fixture
def url(each_store: str, tmp_path: Path) -> str:
    return store_at(tmp_path / "store.sqlite")


def opened(url: str, *names: str) -> Store:
    store = Store(url)
    store.sync_clusters(settings_for(*(names or ("c",))))
    return store


def put(store: Store, report: Report) -> bool:
    return store.store_report(1, report, PollTimes(report.taken_at, 0.5)).is_new


def test_the_migrations_make_the_schema(url: str) -> None:
    Store(url).close()
    migrated, declared = open_engine(url), open_engine("sqlite:///:memory:")
    with migrated.connect() as connection, declared.begin() as other:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        if url.startswith("sqlite"):
            metadata.create_all(other)
            without_rowid = text("select name from sqlite_master where sql like '%WITHOUT ROWID%' order by name")
            assert connection.execute(without_rowid).all() == other.execute(without_rowid).all()
        there = inspect(connection)
        for table in metadata.tables.values():
            key = [column.name for column in table.primary_key]
            placed = ["at"] if table is poll and not url.startswith("sqlite") else []
            assert sorted(there.get_pk_constraint(table.name)["constrained_columns"]) == sorted(key + placed)
            foreign = {(*one.column_keys, one.referred_table.name) for one in table.foreign_key_constraints}
            told = {(*one["constrained_columns"], one["referred_table"]) for one in there.get_foreign_keys(table.name)}
            assert told == foreign, table.name
    migrated.dispose()
    declared.dispose()


def test_the_same_report_twice_changes_nothing(url: str) -> None:
    report = a_report(T0 + 60, [a_job(), as_running(a_job(2), T0 + 30)])
    store = opened(url)
    assert put(store, report)
    engine = reading(url)
    before = [table_rows(engine, table) for table in (job, job_span, node_span, word)]
    assert not put(store, report)
    store.close()
    again = opened(url)  # nor after a restart
    assert not put(again, report)
    assert put(again, replace(report, taken_at=T0 + 120))
    assert [table_rows(engine, table) for table in (job, job_span, node_span, word)] == before
    (row,) = table_rows(engine, cluster)
    assert (row["report"], row["taken_at"]) == (2, T0 + 120)
    assert [one["report"] for one in table_rows(engine, poll)] == [1, None, None, 2]
    again.close()
    engine.dispose()


def test_silence_ends_nothing_and_is_noted(url: str) -> None:
    store = opened(url)
    put(store, a_report(T0 + 60, [as_running(a_job(), T0 + 30)]))
    assert store.store_failure(1, PollTimes(T0 + 120, 5, T0 + 180), "silent", "nothing answers") == 1
    assert store.store_failure(1, PollTimes(T0 + 180, 5), "silent", "nothing answers") == 2
    engine = reading(url)
    (row,) = table_rows(engine, cluster)
    assert (row["failures"], row["error_code"], row["report"], row["taken_at"]) == (2, "silent", 1, T0 + 60)
    assert jobs_at(engine, T0 + 170) == {"1.pbs01": JobState.RUNNING}
    put(store, a_report(T0 + 240, [as_running(a_job(), T0 + 30)]))
    (row,) = table_rows(engine, cluster)
    assert (row["failures"], row["error_code"], row["error"]) == (0, None, None)
    store.close()
    engine.dispose()


def test_what_is_said_of_a_job_goes_when_it_ends(url: str) -> None:
    store = opened(url)
    engine = reading(url)
    said = a_job(comment="Not enough free nodes", estimated_start_at=T0 + 900)
    for at, one, expected in [
        (60, said, [("Not enough free nodes", T0 + 900)]),
        (120, replace(said, comment="Queue not started"), [("Queue not started", T0 + 900)]),
        (180, replace(said, comment=None, estimated_start_at=None), []),
        (240, said, [("Not enough free nodes", T0 + 900)]),
        (300, replace(said, state=JobState.FINISHED), []),
        (360, said, [("Not enough free nodes", T0 + 900)]),
    ]:
        put(store, a_report(T0 + at, [one]))
        assert [(row["comment"], row["estimated_start_at"]) for row in table_rows(engine, job_live)] == expected
        if at == 240:
            store.close()
            store = opened(url)
    put(store, a_report(T0 + 420, []))
    assert table_rows(engine, job_live) == []
    store.close()
    engine.dispose()


def test_sizes_of_arrays_are_kept_and_only_those_of_listed_ones_are_known(url: str) -> None:
    def size_of(number: int, total: int | None) -> Array:
        return Array(f"{number}[].pbs01", "B", total=total)

    store = opened(url, "c", "other")
    put(store, a_report(T0 + 60, arrays=[size_of(number, 10 * number) for number in range(1, 1201)]))
    put(store, a_report(T0 + 120, arrays=[size_of(7, 71), size_of(8, 80), size_of(9, None)]))
    assert store._known[1].arrays == {"7[]": 71, "8[]": 80}
    store.close()
    store = opened(url, "c", "other")
    put(store, a_report(T0 + 180, arrays=[size_of(1, 10), size_of(8, 88), size_of(1201, 3)]))
    assert store._known[1].arrays == {"1[]": 10, "8[]": 88, "1201[]": 3}
    later = a_report(T0 + 180, arrays=[size_of(1, 5)])
    store.store_report(2, later, PollTimes(later.taken_at, 0.5))
    engine = reading(url)
    expected = {**{f"{number}[]": 10 * number for number in range(1, 1201)}, "7[]": 71, "8[]": 88, "1201[]": 3}
    rows = table_rows(engine, job_array)
    assert {row["number"]: row["total"] for row in rows if row["cluster_id"] == 1} == expected
    assert [row for row in rows if row["cluster_id"] == 2] == [{"cluster_id": 2, "number": "1[]", "total": 5}]
    store.close()
    engine.dispose()


def test_reservations_are_those_of_the_newest_report(url: str) -> None:
    course = Reservation("R1.pbs01", "course", "grace", "confirmed", "R1", T0 + 900, T0 + 1800, ("n1",), 16)
    store = opened(url)
    engine = reading(url)
    for at, told, stored in [
        (60, (course,), [("R1.pbs01", "confirmed")]),
        (120, (replace(course, state="running"),), [("R1.pbs01", "running")]),
        (60, (), [("R1.pbs01", "running")]),  # an older report
        (180, (), []),
    ]:
        put(store, a_report(T0 + at, reservations=told))
        (row,) = table_rows(engine, cluster)
        assert (row["reservations"] is None) == (stored == [])
        assert [(one["id"], one["state"]) for one in json.loads(row["reservations"] or "[]")] == stored
    store.close()
    engine.dispose()


def test_limits_of_a_queue_come_back_after_a_restart(url: str) -> None:
    told = Queue("batch", "execution", True, True, limits={"max_run": "[u:bob=3]", "resources_max.ncpus": "48"})
    store = opened(url)
    put(store, a_report(T0 + 60, queues=[told]))
    store.close()
    store = opened(url)
    put(store, a_report(T0 + 120, queues=[told]))
    assert store._known[1].queues["batch"].record == told
    engine = reading(url)
    (row,) = table_rows(engine, queue)
    assert json.loads(row["limits"]) == told.limits
    put(store, a_report(T0 + 180, queues=[replace(told, limits={})]))
    (row,) = table_rows(engine, queue)
    assert row["limits"] is None
    store.close()
    engine.dispose()


def test_a_failure_inside_the_transaction_leaves_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(url)
    put(store, a_report(T0 + 60, [a_job()]))
    engine = reading(url)
    before = [table_rows(engine, table) for table in metadata.sorted_tables]

    def broken(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr("collector.store.write_queues", broken)
        with pytest.raises(OSError, match="disk full"):
            put(store, a_report(T0 + 120, [a_job(2, user="newcomer")]))
    assert [table_rows(engine, table) for table in metadata.sorted_tables] == before
    put(store, a_report(T0 + 120, [a_job(2, user="newcomer")]))
    assert jobs_at(engine, T0 + 120) == {"2.pbs01": JobState.QUEUED}
    store.close()
    engine.dispose()


def test_a_second_collector_is_refused_and_told_of_the_first(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.sqlite"
    store = opened(url)
    with pytest.raises(StoreBusy, match=r"process id \d+"):
        Store(url)
    store.close()
    Store(url).close()


def test_a_store_of_a_newer_webstat_is_refused(url: str) -> None:
    Store(url).close()
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
    engine.dispose()
    with pytest.raises(StoreTooNew, match="9999"):
        Store(url)


def test_a_node_that_went_and_came_back_is_one_node(url: str) -> None:
    store = opened(url)
    node = Node("n1", NodeState.FREE, "free", cores=16)
    put(store, a_report(T0 + 60, nodes=[node]))
    put(store, a_report(T0 + 120, nodes=[]))
    put(store, a_report(T0 + 180, nodes=[node]))
    engine = reading(url)
    spans = [(row["node_id"], row["since"], row["until"]) for row in table_rows(engine, node_span)]
    assert spans == [(1, T0 + 60, T0 + 120), (1, T0 + 180, OPEN)]
    store.close()
    engine.dispose()


def test_clusters_no_longer_named_stay_unlisted(url: str) -> None:
    store = Store(url)
    assert store.sync_clusters(settings_for("a", "b")) == {"a": 1, "b": 2}
    assert store.sync_clusters(settings_for("b", "c")) == {"b": 2, "c": 3}
    engine = reading(url)
    assert {row["name"]: row["listed"] for row in table_rows(engine, cluster)} == {"a": False, "b": True, "c": True}
    store.close()
    engine.dispose()


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "'; drop table job; --", "\u202eeman", "🐫" * 50, "=1+1"]
)
def test_a_strangers_text_is_stored_as_it_is(url: str, name: str) -> None:
    store = opened(url)
    put(store, a_report(T0 + 60, [a_job(name=name, user=name, queue=name, comment=name)]))
    engine = reading(url)
    (row,) = table_rows(engine, job)
    assert row["name"] == name
    assert [one["comment"] for one in table_rows(engine, job_live)] == [name]
    assert name in {one["text"] for one in table_rows(engine, word)}
    store.close()
    engine.dispose()


def test_killed_at_any_moment_it_loses_at_most_the_report_in_hand(url: str) -> None:
    """A process stores reports until it is killed; what is there afterwards is whole, and goes on."""
    code = (
        "import sys; sys.path.insert(0, '.')\n"
        "from tests.collector.test_store import opened, put, random_reports\n"
        f"store = opened({url!r})\n"
        "for report in random_reports(5, 150):\n"
        "    put(store, report); store.roll_up(1, 0); print(report.taken_at, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told = 0.0
    for _ in range(random.Random().randint(3, 30)):
        told = float(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()
    store = opened(url)
    engine = reading(url)
    (row,) = table_rows(engine, cluster)
    assert row["taken_at"] >= told
    for report in random_reports(5, 150):
        put(store, report)
    store.roll_up(1, 0)
    store.close()
    whole = Path(engine.url.database or "").with_name("whole.sqlite")
    other = opened(store_at(whole))
    for report in random_reports(5, 150):
        put(other, report)
    other.roll_up(1, 0)
    other.close()
    second = reading(store_at(whole))
    for table in (job, job_span, usage_hour, usage_day, capacity_hour, dirty_hour):
        assert table_rows(engine, table) == table_rows(second, table)
    engine.dispose()
    second.dispose()


# Exactness against brute force


def random_reports(seed: int, count: int) -> list[Report]:
    """Reports of a made-up cluster, whose scheduler lists ended jobs once more with their exact end."""
    return [report for report, _ in history(random.Random(seed), count)]


def history(chance: random.Random, count: int) -> list[tuple[Report, list[Job]]]:
    """(report, every job so far as it truly was) for `count` polls at uneven times, gaps included."""
    truth: list[Job] = []
    told: set[str] = set()
    moment = T0 + chance.randrange(HOUR)
    reports = []
    for _ in range(count):
        before = moment
        moment += chance.choice([20, 60, 60, 60, 61, 300, 5 * HOUR])
        for _ in range(chance.randrange(4)):
            submitted = chance.randrange(before + 1, moment + 1)
            started = submitted + chance.choice([0, 1, chance.randrange(4000)])
            ended = started + chance.choice([1, 5, chance.randrange(1, 9000)])
            number = len(truth) + 1
            truth.append(
                a_job(
                    number,
                    user=chance.choice("abc"),
                    queue=chance.choice(["short", "long"]),
                    group=chance.choice(["g", None]),
                    cores=chance.randrange(1, 64),
                    gpus=chance.randrange(3),
                    submitted_at=submitted,
                    started_at=started,
                    ended_at=ended,
                )
            )
        listed = []
        for one in truth:
            if (one.ended_at or 0) <= moment:
                if one.id not in told:
                    told.add(one.id)
                    listed.append(replace(one, state=JobState.FINISHED))
            elif (one.started_at or 0) <= moment:
                listed.append(replace(one, state=JobState.RUNNING, ended_at=None))
            else:
                listed.append(replace(one, state=JobState.QUEUED, started_at=None, ended_at=None))
        reports.append((a_report(moment, listed), list(truth)))
    return reports


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), count=st.integers(1, 25), restart=st.booleans())
def test_usage_equals_brute_force_and_every_poll_can_be_seen_again(
    each_store: str, tmp_path_factory: pytest.TempPathFactory, seed: int, count: int, restart: bool
) -> None:
    url = store_at(tmp_path_factory.mktemp("exact") / "s.sqlite")
    polls = history(random.Random(seed), count)
    store = opened(url)
    for number, (report, _) in enumerate(polls):
        put(store, report)
        if number % 3 == 0:
            store.roll_up(1, 0)
        if restart and number == count // 2:
            store.close()
            store = opened(url)
    store.roll_up(1, 0)
    store.close()
    engine = reading(url)
    for report, _ in polls:
        listed = {one.id: one.state for one in report.jobs if one.state is not JobState.FINISHED}
        assert jobs_at(engine, int(report.taken_at)) == listed
    end, truth = int(polls[-1][0].taken_at), polls[-1][1]
    first = min((one.submitted_at or 0 for one in truth), default=end)
    for size, table in ((HOUR, usage_hour), (DAY, usage_day)):
        for bucket in range(first - first % size, end + 1, size):
            assert usage_of(engine, table, bucket) == brute_force(truth, bucket, min(bucket + size, end))
    engine.dispose()


def usage_of(engine: object, table: object, bucket: int) -> dict[tuple[str, ...], tuple[int, ...]]:
    names = {row["id"]: row["text"] for row in table_rows(engine, word)}  # type: ignore[arg-type]
    return {
        (names[row["queue_id"]], names[row["user_id"]], names.get(row["group_id"], "")): (
            row["core_seconds"],
            row["gpu_seconds"],
            row["waited_core_seconds"],
            row["submitted"],
            row["started"],
            row["ended"],
            row["wait_seconds"],
        )
        for row in table_rows(engine, table)  # type: ignore[arg-type]
        if row["bucket"] == bucket
    }


def brute_force(truth: list[Job], start: int, end: int) -> dict[tuple[str, ...], tuple[int, ...]]:
    sums: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0] * 7)
    for one in truth:
        submitted, started, ended = one.submitted_at or 0, one.started_at or 0, one.ended_at or 0
        row = [0] * 7
        ran = max(0, min(ended, end) - max(started, start))
        waited = max(0, min(started, end) - max(submitted, start))
        row[0], row[1], row[2] = ran * one.cores, ran * one.gpus, waited * one.cores
        row[3], row[4], row[5] = start <= submitted < end, start <= started < end, start <= ended < end
        row[6] = (started - submitted) if row[4] else 0
        if ran or waited or any(row):
            key = (one.queue, one.user, one.group or "")
            sums[key] = [a + b for a, b in zip(sums[key], row, strict=True)]
    return {key: tuple(row) for key, row in sums.items()}


def test_a_rollup_done_again_gives_the_same_rows(url: str) -> None:
    store = opened(url)
    for report in random_reports(3, 40):
        put(store, report)
        store.roll_up(1, 0)
    engine = reading(url)
    before = [table_rows(engine, table) for table in (usage_hour, usage_day, capacity_hour)]
    writing = open_engine(url)
    with writing.begin() as connection:
        hours = connection.execute(select(usage_hour.c.bucket).distinct()).scalars().all()
        connection.execute(dirty_hour.delete())
        connection.execute(dirty_hour.insert(), [{"cluster_id": 1, "bucket": hour} for hour in hours])
        for table in (usage_hour, usage_day):
            connection.execute(table.delete())
    writing.dispose()
    store.roll_up(1, 0)
    assert [table_rows(engine, table) for table in (usage_hour, usage_day, capacity_hour)] == before
    assert any(before[0])
    store.close()
    engine.dispose()


def test_the_running_hour_is_rolled_up_only_now_and_then(url: str) -> None:
    store = opened(url)
    put(store, a_report(T0 + 60, [as_running(a_job(), T0)]))
    assert store.roll_up(1) == 1
    put(store, a_report(T0 + 120, [as_running(a_job(), T0)]))
    assert store.roll_up(1) == 0
    put(store, a_report(T0 + HOUR + 60, [as_running(a_job(), T0)]))
    assert store.roll_up(1) == 1, "the hour that is over is not put off"
    engine = reading(url)
    with engine.connect() as connection:
        assert connection.execute(select(func.sum(usage_hour.c.core_seconds))).scalar_one() == 4 * HOUR
    store.close()
    engine.dispose()
