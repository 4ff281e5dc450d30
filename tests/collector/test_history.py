"""Ended jobs by columns: bytes and back, seconds shared out, packed months equal the tables, sums equal brute force."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text, true

from agent.states import HOLDS_CORES, IS_PENDING, JobState
from collector import schema
from collector.columns import Numbers, from_bytes, kind_of, to_bytes
from collector.history import pack, unpacked_months
from collector.known import known_until, spans_of_jobs
from collector.lives import (
    COMPLETED,
    ESTIMATED,
    FAILED,
    IRREGULAR,
    JOB_ROW,
    NEVER_RAN,
    NONE,
    SIZES,
    SPAN_ROW,
    TASK,
    UNTOLD,
    WALLTIMES,
    Columns,
    by_column,
    counts,
    month_after,
    month_of,
    pack_columns,
    spread,
)
from collector.schema import JOB_STATES
from collector.store import Store
from collector.sums import SUM_KEYS, SUMMED, sums
from tests.collector.imported import OPENPBS_LOG, T0, TORQUE_LOG, import_into, open_store, told, write_log
from tests.collector.reports import table_rows

NAMES = ("ended", "walltime", "wait_class", "back", "flags")
DAY = 86400
PAST = T0 - 400 * DAY
"""2025-10-19: no log tells of what is to come."""


@pytest.fixture
def opened(each_store: str, tmp_path: Path) -> Iterator[tuple[Store, int]]:
    store, cluster_id = open_store(tmp_path)
    yield store, cluster_id
    store.close()


# Columns


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_bytes_and_back(name: str, data: st.DataObject) -> None:
    limits = np.iinfo(kind_of(name))
    numbers = data.draw(st.lists(st.integers(int(limits.min), int(limits.max)), max_size=40))
    found = from_bytes(name, to_bytes(name, np.array(numbers, dtype=np.int64)))
    assert found.dtype == kind_of(name)
    assert found.tolist() == numbers


@pytest.mark.parametrize("name", ["ended", "wait_class", "flags"])
def test_what_is_too_large_is_not_cut(name: str) -> None:
    limits = np.iinfo(kind_of(name))
    for number in (int(limits.max) + 1, int(limits.min) - 1):
        with pytest.raises(OverflowError, match=f"column {name} holds a number beyond"):
            to_bytes(name, np.array([0, number], dtype=np.int64))


# Seconds shared out

moments = st.integers(-5, 60)
stretches = st.lists(st.tuples(st.integers(0, 2), moments, moments, st.integers(0, 9)), max_size=12)
edges_of = st.lists(st.integers(0, 50), min_size=2, max_size=6, unique=True).map(sorted)


@given(stretches, edges_of, st.booleans())
@settings(max_examples=150, deadline=None)
def test_seconds_by_bucket_equal_those_counted_one_by_one(
    found: list[tuple[int, int, int, int]], edges: list[int], weighted: bool
) -> None:
    rows, since, until, weights = (np.array([one[place] for one in found], dtype=np.int64) for place in range(4))
    expected = np.zeros((3, len(edges) - 1))
    for row, start, end, weight in found:
        for second in range(start, end):
            if edges[0] <= second < edges[-1]:
                expected[row, np.searchsorted(edges, second, side="right") - 1] += weight if weighted else 1
    shared = spread(rows, since, until, weights if weighted else None, np.array(edges), 3)
    assert shared.tolist() == expected.tolist()
    counted = np.zeros((3, len(edges) - 1))
    for row, start, _, weight in found:
        if edges[0] <= start < edges[-1]:
            counted[row, np.searchsorted(edges, start, side="right") - 1] += weight if weighted else 1
    told = counts(rows, since, {"all": weights if weighted else None}, np.array(edges), 3)
    assert told["all"].tolist() == counted.tolist()


# Packed months are the tables


def packed(store: Store, cluster_id: int, kind: str) -> dict[int, Columns]:
    """Month -> its columns of a kind."""
    months: dict[int, Columns] = defaultdict(dict)
    for row in table_rows(store.engine, schema.history_column):
        if row["cluster_id"] == cluster_id and row["kind"] == kind:
            months[row["month"]][row["name"]] = from_bytes(row["name"], row["data"])
    return months


def jobs_of(columns: Columns, spans: Columns, month: int) -> list[dict[str, Any]]:
    """Columns -> jobs with their spans, as expected_jobs() has them."""
    jobs = []
    for place in range(len(columns["ended"])):
        one: dict[str, Any] = {name: int(numbers[place]) for name, numbers in columns.items()}
        ended, ran, queued = one["ended"] + month, one["ran"], one["queued"]
        begun = ended - max(ran, 0)
        if one["flags"] & IRREGULAR:
            mine = np.flatnonzero(spans["job"] == place)
            life = [
                (
                    *(int(spans[name][n]) + month for name in ("since", "until")),
                    *(int(spans[name][n]) for name in ("state", "queue", "cores", "gpus")),
                )
                for n in mine
            ]
        else:
            same = (one["queue"], one["cores"], one["gpus"])
            life = [(begun - queued, begun, JOB_STATES.index(JobState.QUEUED), *same)] if queued else []
            life += [(begun, ended, JOB_STATES.index(JobState.RUNNING), *same)] if ran > 0 else []
        jobs.append(
            {
                "submitted": begun - queued,
                "started": begun if ran >= 0 else None,
                "ended": ended,
                **{name: one[name] for name in ("wait", "walltime", "walltime_used", "cpu_used", "cores", "gpus")},
                **{name: one[name] for name in ("user", "group", "account", "queue", "outcome", "size")},
                "estimated": bool(one["flags"] & ESTIMATED),
                "task": bool(one["flags"] & TASK),
                "spans": life,
            }
        )
    return jobs


def expected_jobs(store: Store, cluster_id: int, since: int, until: int) -> list[dict[str, Any]]:
    """The same from the tables."""
    spans = defaultdict(list)
    with store.engine.connect() as connection:
        for job_id, *span in connection.execute(spans_of_jobs(true())):
            spans[job_id].append(tuple(span))
    jobs = []
    for row in table_rows(store.engine, schema.job):
        if row["cluster_id"] != cluster_id or not since <= (row["ended_at"] or 0) < until:
            continue
        started, status = row["started_at"], row["exit_status"]
        eligible = row["submitted_at"] if row["eligible_at"] is None else row["eligible_at"]
        outcome = UNTOLD if status is None else COMPLETED if status == 0 else FAILED
        names = ("walltime", "walltime_used", "cpu_used")
        jobs.append(
            {
                "submitted": row["submitted_at"],
                "started": started,
                "ended": row["ended_at"],
                "wait": NONE if started is None else max(0, started - eligible),
                **{name: NONE if (told := row[f"{name}_seconds"]) is None else told for name in names},
                "cores": row["cores"],
                "gpus": row["gpus"],
                **{name: row[f"{name}_id"] or 0 for name in ("user", "group", "account", "queue")},
                "outcome": NEVER_RAN if started is None else outcome,
                "size": sum(row["cores"] > most for most in SIZES),
                "estimated": bool(row["ended_estimated"]),
                "task": row["array_number"] is not None,
                "spans": sorted(spans[row["id"]]),
            }
        )
    return jobs


def check_packed(store: Store, cluster_id: int) -> int:
    """Compare all packed months with the tables; returns how many jobs are packed."""
    columns, spans = packed(store, cluster_id, "jobs"), packed(store, cluster_id, "spans")
    number = 0
    for row in table_rows(store.engine, schema.history_month):
        month = row["month"]
        expected = expected_jobs(store, cluster_id, month, row["packed_until"])
        assert sorted(jobs_of(columns[month], spans[month], month), key=repr) == sorted(expected, key=repr)
        assert row["jobs"] == len(expected)
        assert row["first_submitted_at"] == min((one["submitted"] for one in expected), default=None)
        number += len(expected)
    return number


@pytest.mark.parametrize("log", [OPENPBS_LOG, TORQUE_LOG], ids=["openpbs", "torque"])
def test_recorded_logs_job_by_job(opened: tuple[Store, int], log: Path) -> None:
    store, cluster_id = opened
    import_into(store, cluster_id, log)
    with store.engine.connect() as connection:
        until = known_until(connection, cluster_id)
    assert until is not None
    pack(store.engine, cluster_id, until + 3600)
    assert check_packed(store, cluster_id) == len(table_rows(store.engine, schema.job)) > 0


def test_a_late_correction_is_packed_as_from_scratch(opened: tuple[Store, int], tmp_path: Path) -> None:
    store, cluster_id = opened
    lines = [
        told("E", n, PAST + n * DAY, ctime=PAST, start=PAST + 60, end=PAST + n * DAY, exit_status=0) for n in range(90)
    ]
    import_into(store, cluster_id, write_log(tmp_path / "a", lines))
    store.roll_up(cluster_id, 0)
    before = table_rows(store.engine, schema.history_month)
    change = {"ctime": PAST, "start": PAST + 900, "end": PAST + 40 * DAY, "exit_status": 1}
    late = [
        told("E", 40, PAST + 89 * DAY, **change),
        told("E", 140, PAST + 89 * DAY, **{**change, "end": PAST + 60 * DAY}),
    ]
    import_into(store, cluster_id, write_log(tmp_path / "b", late))
    with store.engine.connect() as connection:
        lagging = connection.execute(text("select month, packed_until from history_month order by month")).all()
    ends = {row["month"]: row["packed_until"] for row in before}
    changed = {month_of(PAST + days * DAY): PAST + days * DAY for days in (40, 60)}
    assert dict(map(tuple, lagging)) == {**ends, **changed}
    store.roll_up(cluster_id, 0)
    assert check_packed(store, cluster_id) > 80
    after = sorted(table_rows(store.engine, schema.history_column), key=repr)
    with store.engine.begin() as connection:
        connection.execute(schema.history_month.delete())
        connection.execute(schema.history_column.delete())
    store.roll_up(cluster_id, 0)
    assert sorted(table_rows(store.engine, schema.history_column), key=repr) == after
    versions = {row["month"]: row["version"] for row in before}
    assert all(version == 1 for version in versions.values())


@pytest.mark.parametrize(
    "odd",
    [
        {"Resource_List__walltime": "99999999:00:00"},
        {"Resource_List__ncpus": 99_999_999_999},
        {"ctime": 0},
    ],
    ids=["walltime", "cores", "submission"],
)
def test_what_somebody_mistyped_does_not_keep_a_month_from_being_packed(
    opened: tuple[Store, int], tmp_path: Path, odd: dict[str, Any]
) -> None:
    store, cluster_id = opened
    life = {"ctime": PAST, "start": PAST + 60, "end": PAST + 99, "exit_status": 0}
    lines = [told("E", 1, PAST + 99, **{**life, **odd}), told("E", 2, PAST + 99, **life)]
    lines.append(told("E", 3, PAST + 40 * DAY, **{**life, "end": PAST + 40 * DAY}))
    import_into(store, cluster_id, write_log(tmp_path / "a", lines))
    with store.engine.connect() as connection:  # its hours are another matter
        until = connection.execute(text("select max(until) from known_span")).scalar_one()
    pack(store.engine, cluster_id, until)
    assert unpacked_months(store.engine, cluster_id, until) == []
    (first, _) = table_rows(store.engine, schema.history_month)
    assert first["jobs"] == 2
    (row,) = (row for row in packed(store, cluster_id, "jobs").values() if len(row["ended"]) == 2)
    assert (row["ran"] == 39).all()


def test_a_start_after_the_end_is_taken_for_the_end() -> None:
    """Of an end that was estimated, where the scheduler's clock is ahead."""
    month = month_of(T0)
    job = (1, T0, None, T0 + 40 * DAY, T0 + 60, 1, None, None, 2, 4, 0, None, None, None, None, True, False, False)
    span = (1, T0, T0 + 60, JOB_STATES.index(JobState.QUEUED), 2, 4, 0)
    jobs, spans = pack_columns(by_column((*JOB_ROW, "task"), [job]), by_column(SPAN_ROW, [span]), month)
    assert [int(jobs[name][0]) for name in ("ran", "queued", "wait", "flags")] == [0, 60, 60, ESTIMATED]
    assert [from_bytes(name, to_bytes(name, numbers)).tolist() for name, numbers in jobs.items()] == [
        numbers.tolist() for numbers in jobs.values()
    ]
    found = sums(jobs, spans, month)
    assert [int(found[name].sum()) for name in ("submitted", "started", "queued_core_seconds")] == [1, 1, 240]


# Sums


def random_month(chance: random.Random, month: int, number: int) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Rows of jobs that ended in a month, and of their spans: plain lives, and ones with holds, gaps, moves, new sizes."""
    jobs, spans = [], []
    for job_id in range(1, number + 1):
        ended = chance.randrange(month, month_after(month))
        submitted = ended - chance.choice([0, 1, chance.randrange(5000), chance.randrange(200 * DAY)])
        started = None if chance.random() < 0.2 else chance.randint(submitted, ended)
        queue, cores, gpus = chance.choice([7, 8]), chance.randrange(1, 300), chance.randrange(3)
        eligible = chance.choice([None, submitted, chance.randint(submitted, ended)])
        used = [None if chance.random() < 0.3 else chance.randrange(10**6) for _ in range(3)]
        who = (chance.choice([1, 2]), chance.choice([None, 3]), None, queue)
        ending = (chance.choice([None, 0, 1, 271]), chance.random() < 0.1, False, chance.random() < 0.3)
        jobs.append((job_id, submitted, eligible, started, ended, *who, cores, gpus, *used, *ending))
        edges = sorted({submitted, ended, *([] if started is None else [started])})
        kinds: list[JobState] = []
        if chance.random() < 0.5:
            edges = sorted({*edges, *(chance.randint(submitted, ended) for _ in range(chance.randrange(4)))})
            kinds = [JobState.HELD, JobState.RUNNING, JobState.SUSPENDED, JobState.EXITING, JobState.QUEUED]
        for since, until in pairwise(edges):
            usual = JobState.QUEUED if started is None or since < started else JobState.RUNNING
            state = chance.choice(kinds) if kinds else usual
            if not kinds or chance.random() < 0.8:
                size = (chance.choice([7, 9]), chance.randrange(1, 99), 1) if kinds else (queue, cores, gpus)
                spans.append((job_id, since, until, JOB_STATES.index(state), *size))
    return jobs, spans


def months_between(since: int, until: int) -> Iterator[int]:
    month = month_of(since)
    while month < until:
        yield month
        month = month_after(month)


def brute_sums(
    jobs: list[tuple[Any, ...]], spans: list[tuple[Any, ...]], month: int
) -> dict[tuple[int, ...], dict[str, int]]:
    found: dict[tuple[int, ...], dict[str, int]] = defaultdict(lambda: dict.fromkeys(SUMMED, 0))
    day = datetime.fromtimestamp(month, UTC)

    def back(second: int) -> int:
        then = datetime.fromtimestamp(second, UTC)
        return (day.year - then.year) * 12 + day.month - then.month

    for row in jobs:
        one = dict(zip((*JOB_ROW, "task"), row, strict=True))
        asked, status, started = one["walltime_seconds"], one["exit_status"], one["started_at"]
        size = sum(one["cores"] > most for most in SIZES)
        walltime = len(WALLTIMES) + 1 if asked is None else sum(asked > most for most in WALLTIMES)
        outcome = UNTOLD if status is None else COMPLETED if status == 0 else FAILED
        outcome = NEVER_RAN if started is None else outcome
        who = (one["user_id"], one["group_id"] or 0, one["account_id"] or 0)

        def at(
            second: int, queue: int, who: tuple[int, ...] = who, what: tuple[int, ...] = (size, walltime, outcome)
        ) -> dict[str, int]:
            return found[(back(second), *who, queue, *what)]

        for _, since, until, state, queue, cores, gpus in (span for span in spans if span[0] == one["id"]):
            for start in months_between(since, until):
                seconds = min(until, month_after(start)) - max(since, start)
                if JOB_STATES[state] in HOLDS_CORES:
                    at(start, queue)["core_seconds"] += seconds * cores
                    at(start, queue)["gpu_seconds"] += seconds * gpus
                    at(start, queue)["run_seconds"] += seconds
                if JOB_STATES[state] in IS_PENDING:
                    at(start, queue)["queued_seconds"] += seconds
                    at(start, queue)["queued_core_seconds"] += seconds * cores
        at(one["submitted_at"], one["queue_id"])["submitted"] += 1
        if started is not None:
            eligible = one["submitted_at"] if one["eligible_at"] is None else one["eligible_at"]
            at(started, one["queue_id"])["started"] += 1
            at(started, one["queue_id"])["start_wait_seconds"] += max(0, started - eligible)
        last = at(one["ended_at"], one["queue_id"])
        last["ended"] += 1
        last["exited"] += outcome in (COMPLETED, FAILED)
        last["failed"] += outcome == FAILED
        ran = 0 if started is None else one["ended_at"] - started
        if one["cpu_used_seconds"] is not None and ran > 0:
            last["cpu_used"] += one["cpu_used_seconds"]
            last["cpu_core_seconds"] += one["cores"] * ran
        if asked and one["walltime_used_seconds"] is not None:
            last["walltime_used_seconds"] += one["walltime_used_seconds"]
            last["walltime_asked_seconds"] += asked
    return {key: row for key, row in found.items() if any(row.values())}


@pytest.mark.parametrize("seed", range(6))
def test_sums_equal_brute_force(seed: int) -> None:
    month = month_of(T0)
    rows, stretches = random_month(random.Random(seed), month, 60)
    jobs, spans = pack_columns(by_column((*JOB_ROW, "task"), rows), by_column(SPAN_ROW, stretches), month)
    assert 0 < np.count_nonzero(jobs["flags"] & IRREGULAR) < 60
    found: dict[str, Numbers] = sums(jobs, spans, month)
    keys = list(zip(*(found[name].tolist() for name in SUM_KEYS), strict=True))
    assert len(set(keys)) == len(keys)
    got = {key: {name: int(found[name][place]) for name in SUMMED} for place, key in enumerate(keys)}
    assert {key: row for key, row in got.items() if any(row.values())} == brute_sums(rows, stretches, month)


def test_an_empty_month_has_empty_columns() -> None:
    jobs, spans = pack_columns(by_column((*JOB_ROW, "task"), []), by_column(SPAN_ROW, []), month_of(T0))
    columns = {**jobs, **spans, **sums(jobs, spans, month_of(T0))}
    assert {len(numbers) for numbers in columns.values()} == {0}
    assert [from_bytes(name, to_bytes(name, numbers)).size for name, numbers in columns.items()] == [0] * len(columns)


def test_the_month_that_goes_on_is_packed_now_and_then(opened: tuple[Store, int], tmp_path: Path) -> None:
    store, cluster_id = opened
    lines = [told("E", n, T0 + n * 1800, start=T0, end=T0 + n * 1800) for n in range(1, 20)]
    import_into(store, cluster_id, write_log(tmp_path / "a", lines))
    assert unpacked_months(store.engine, cluster_id, T0 + 9 * 3600) == [month_of(T0)]
    store.roll_up(cluster_id, 0)
    with store.engine.connect() as connection:
        (row,) = connection.execute(select(schema.history_month.c.packed_until, schema.history_month.c.jobs)).all()
    assert tuple(row) == (T0 + 9 * 3600, 17), "those of the hour that goes on are the tables'"
    assert unpacked_months(store.engine, cluster_id, T0 + 10 * 3600 - 1) == []
    assert unpacked_months(store.engine, cluster_id, T0 + 10 * 3600) == [month_of(T0)]
