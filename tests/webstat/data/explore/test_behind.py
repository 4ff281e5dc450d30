"""The jobs behind a point: each of them, and what they come to, against the explorer's counts and plain Python."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import event, update

from collector.database import open_engine
from collector.schema import history_month
from collector.settings import Settings
from tests.databases import store_at
from tests.webstat.data.explore.random_store import DAY, HOUR, SINCE, UNTIL, Plain, make_jobs, write_store
from tests.webstat.data.explore.test_brute_force import KEYS, wait_of
from webstat.data.explore.answer import answer
from webstat.data.explore.behind import COLUMNS, Behind, behind, read_wanted
from webstat.data.queries.engine import open_store
from webstat.data.queries.history_jobs import EVENTS, load_jobs_within
from webstat.data.source import Source

JOBS = make_jobs(11, 600)
POINT = {"from": "2026-10-20", "to": "2026-10-27"}


@pytest.fixture(scope="module")
def path(each_store: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("behind") / "store.sqlite"
    write_store(path, JOBS).dispose()
    return path


@pytest.fixture(scope="module")
def source(path: Path) -> Iterator[Source]:
    source = Source(Settings.model_validate({"store": {"url": store_at(path)}}))
    yield source
    source.close()


def found(source: Source, limit: int = 10_000, offset: int = 0, **words: str) -> Behind:
    clusters = source.clusters()
    wanted, problems = read_wanted(words, UNTIL, UTC, [one.name for one in clusters])
    assert problems == []
    return behind(source.ask, source.explorer.asked(wanted.question, clusters), wanted, limit, offset)


def did(event: str, job: Plain, since: int, until: int) -> bool:
    end = UNTIL + 1 if job.ended is None else job.ended
    moments = {"submitted": job.submitted, "started": job.started, "ended": job.ended}
    if event in moments:
        at = moments[event]
        return at is not None and since <= at < until
    if event == "ran":
        return any(span.runs and span.since < until and span.until > since for span in job.spans)
    return job.submitted < until and end >= since


@pytest.mark.parametrize("happened", EVENTS)
@pytest.mark.parametrize(
    "filters", [{}, {"user": "alice,bob"}, {"group": "–", "state": "failed,lives"}, {"size": "1,513+", "cluster": "two"},
                {"walltime": "none,1h,7d+"}, {"account": "p1", "walltime": "24h"}]
)  # fmt: skip
def test_each_job_that_did_it(source: Source, happened: str, filters: dict[str, str]) -> None:
    since, until = SINCE + 30 * DAY, SINCE + 37 * DAY
    told = found(source, **POINT, event=happened, **filters)
    wanted = {
        str(number): job
        for number, job in enumerate(JOBS, 1)
        if did(happened, job, since, until) and all(KEYS[by](job) in words.split(",") for by, words in filters.items())
    }
    assert set(told.columns["id"]) == set(wanted) and told.jobs.total == len(wanted)
    for row, number in enumerate(told.columns["id"]):
        job = wanted[number]
        told_of = {name: told.columns[name][row] for name in COLUMNS}
        known = {
            "cluster": job.cluster,
            "user": job.user,
            "group": job.group,
            "account": job.account,
            "cores": job.cores,
        }
        known |= {"queue": job.queue, "state": KEYS["state"](job), "gpus": job.gpus, "submitted_at": job.submitted}
        assert {name: told_of[name] for name in known} == known
        if job.started is not None:
            assert told_of["wait_seconds"] == wait_of(job)
            assert told_of["run_seconds"] == (job.ended or UNTIL) - job.started
        else:
            assert np.isnan(told_of["wait_seconds"]) and np.isnan(told_of["run_seconds"])
        seconds = sum(s.cores * max(0, min(s.until, until, UNTIL) - max(s.since, since)) for s in job.spans if s.runs)
        assert told_of["core_hours"] == seconds / HOUR


@pytest.mark.parametrize("filters", [{}, {"queue": "short"}, {"queue": "gpu,long", "user": "carol"}, {"size": "2-8"}])
def test_they_come_to_what_the_chart_says(source: Source, filters: dict[str, str]) -> None:
    words = {"from": "2026-11-10", "to": "2026-11-20T12:34:56", **filters}
    asked = source.explorer.asked(read_wanted(words, UNTIL, UTC, ["one", "two"])[0].question, source.clusters())
    chart = answer(source.explorer, asked).all
    assert found(source, **words, event="ran").jobs.core_seconds == pytest.approx(chart["core_hours"] * HOUR)
    assert found(source, **words, event="lived").jobs.core_seconds == pytest.approx(chart["core_hours"] * HOUR)
    for happened in ("submitted", "started", "ended"):
        assert found(source, **words, event=happened).jobs.total == chart[happened]


def test_pages_of_rows_are_all_rows_once_in_any_order(source: Source) -> None:
    for sort in COLUMNS:
        for sign in ("", "-"):
            whole = found(source, **POINT, sort=sign + sort)
            parts = [found(source, 37, start, **POINT, sort=sign + sort) for start in range(0, whole.jobs.total, 37)]
            assert [one for part in parts for one in part.columns["id"]] == whole.columns["id"].tolist()
            values = [value for value in whole.columns[sort].tolist() if value is not None and value == value]
            if sort not in ("id", "state", "cluster"):
                assert values == sorted(values, reverse=sign == "-")
    beyond = found(source, 37, 10_000, **POINT)
    assert (beyond.jobs.total, len(beyond.jobs.rows)) == (whole.jobs.total, 0)
    assert beyond.jobs.core_seconds == whole.jobs.core_seconds


def test_what_is_no_longer_kept_is_said(path: Path, source: Source) -> None:
    assert found(source, **POINT).unkept == ()
    engine = open_engine(store_at(path))
    october = SINCE + 11 * DAY
    which = (history_month.c.cluster_id == 1) & (history_month.c.month < october)
    try:
        with engine.begin() as connection:
            connection.execute(update(history_month).where(which).values(pruned=True))
        assert found(source, **{"from": "2026-09-25", "to": "2026-09-28"}).unkept == (("One", october),)
        assert found(source, **POINT).unkept == ()
    finally:
        with engine.begin() as connection:
            connection.execute(update(history_month).values(pruned=False))
        engine.dispose()


@pytest.mark.parametrize("happened", EVENTS)
def test_indexes_find_the_jobs(path: Path, happened: str) -> None:
    engine = open_store(store_at(path))
    asked: list[Any] = []
    event.listen(engine, "before_cursor_execute", lambda *call: asked.append(call[2:4]))
    load_jobs_within(engine, {1: UNTIL, 2: UNTIL}, SINCE, SINCE + DAY, {"user": (1,), "queue": (2,)}, happened)
    statement, values = next(call for call in asked if call[0].startswith("SELECT"))
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET enable_seqscan = off")  # then only where no index can be used
            plan = [row[0] for row in connection.exec_driver_sql("EXPLAIN " + statement, values)]
            assert any("on job " in step for step in plan)
            assert [step for step in plan if "Seq Scan on job " in step] == []
        else:
            plan = [row[3] for row in connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, values)]
            check_plan(plan)
    engine.dispose()


def check_plan(plan: list[str]) -> None:
    read = [step for step in plan if step.startswith(("SEARCH", "SCAN"))]
    assert any("job USING INDEX job_by_end" in step for step in read)
    assert [step for step in read if step.startswith(("SCAN job", "SCAN word"))] == []


def test_words_that_cannot_be_read() -> None:
    words = {"event": "exploded", "sort": "'; drop table job; --", "size": "many"}
    wanted, problems = read_wanted(words, UNTIL, UTC, ["one"])
    assert (wanted.event, wanted.sort) == ("lived", "-core_hours") and len(problems) == 3
