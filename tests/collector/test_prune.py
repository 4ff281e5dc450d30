"""What is kept no longer goes, level by level, and nothing else; what is counted stays the same all along."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from agent.states import JobState
from agent.wire import to_wire
from collector import prune as pruning
from collector import schema, service
from collector.enter import Entered
from collector.history import unpacked_months
from collector.import_command import _close
from collector.imports import Summary
from collector.lives import month_after, month_of
from collector.prune import doomed
from collector.retention import Limits, limits_of
from collector.rollup import DAY, HOUR
from collector.settings import RetentionSettings
from collector.store import PollTimes, Store
from tests.collector.agents import fake_agent
from tests.collector.imported import T0, import_into, told, write_log
from tests.collector.pasts import BEGAN, everything, opened
from tests.collector.reports import a_job, a_report, as_running, table_rows
from tests.collector.test_service import running, settings_of
from tests.databases import store_at
from webstat.data.queries.engine import open_store
from webstat.data.queries.history import load_months, load_tail

KEEP_ALL = RetentionSettings(spans_days=0, hours_days=0, days_days=0, polls_days=0, columns_days=0)
ALL = RetentionSettings(spans_days=90, hours_days=40, days_days=110, polls_days=30, columns_days=100)


Copy = Callable[[int, Path], Path]


@pytest.fixture
def store(each_store: str, copy_past: Copy, tmp_path: Path) -> Iterator[Store]:
    one = opened(copy_past(1, tmp_path / "store.sqlite"))
    yield one
    one.close()


def prune(store: Store, limits: Limits) -> Counter[str]:
    return sum((gone.rows for gone in store.prune(limits)), Counter[str]())


def kept(before: dict[str, list[dict[str, Any]]], limits: Limits) -> dict[str, list[dict[str, Any]]]:
    """What should be left, row by row."""
    spans = min(limits.spans, month_of(T0))
    ended_before = [row for row in before["job"] if row["ended_at"] is not None and row["ended_at"] < spans]
    gone = {row["id"] for row in ended_before}
    left = {row["array_number"] for row in before["job"] if row["id"] not in gone}
    arrays = {row["array_number"] for row in ended_before} - left
    columns = min(limits.columns, spans)
    keep = {
        "job": lambda row: row["id"] not in gone,
        "job_span": lambda row: row["job_id"] not in gone,
        "job_array": lambda row: row["number"] not in arrays,
        "node_span": lambda row: row["until"] > spans,
        "node_month": lambda row: row["month"] >= spans,
        "queue_span": lambda row: row["until"] > spans,
        "usage_hour": lambda row: row["bucket"] >= limits.hours,
        "capacity_hour": lambda row: row["bucket"] >= limits.hours,
        "usage_day": lambda row: row["bucket"] >= limits.days,
        "capacity_day": lambda row: row["bucket"] >= limits.days,
        "poll": lambda row: row["at"] >= limits.polls,
        "history_month": lambda row: row["month"] >= columns,
        "history_column": lambda row: row["month"] >= columns,
    }
    return {name: [row for row in rows if keep.get(name, lambda _: True)(row)] for name, rows in before.items()}


BUT = {"history_month": {"pruned"}, "cluster": {"kept_since"}}


@pytest.mark.parametrize("level", ["spans_days", "hours_days", "days_days", "polls_days", "columns_days", "all"])
def test_what_is_kept_is_all_there(store: Store, level: str) -> None:
    settings = ALL if level == "all" else KEEP_ALL.model_copy(update={level: getattr(ALL, level)})
    limits = limits_of(settings, T0 + HOUR)
    before = everything(store.engine, but=BUT)
    expected = kept(before, limits)
    with store.engine.connect() as connection:
        foretold = {one.table: one.rows for one in doomed(connection, 1, limits) if one.rows}
    gone = prune(store, limits)
    after = everything(store.engine, but=BUT)
    if limits.polls:
        expected["known_span"] = after["known_span"]  # see test_stretches.py
    assert after == expected
    lost = {name: len(before[name]) - len(after[name]) for name in before}
    del lost["known_span"]
    assert dict(gone) == foretold == {name: number for name, number in lost.items() if number}
    assert (level == "columns_days") != bool(gone), "columns stay as long as their jobs"
    assert not prune(store, limits), "the second time nothing is left to go"


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_counted_is_the_same_after_each_step(
    each_store: str, copy_past: Copy, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "JOBS_AT_ONCE", 9)
    store = opened(copy_past(seed, tmp_path / "store.sqlite"))

    engine = open_store(str(store.engine.url))

    def counted() -> tuple[int, int]:
        months = load_months(engine, [1])
        jobs, _, _ = load_tail(engine, 1, months, T0)
        return sum(row.jobs for row in months), len(jobs["ended"])

    before, columns = counted(), everything(store.engine)["history_column"]
    steps = 0
    for _ in store.prune(limits_of(KEEP_ALL.model_copy(update={"spans_days": 90}), T0)):
        steps += 1
        assert counted() == before
        assert min(unpacked_months(store.engine, 1, T0), default=T0) >= month_of(T0 - 90 * DAY)
    assert steps > 10
    store.roll_up(1, 0)
    assert counted() == before
    assert everything(store.engine)["history_column"] == columns
    engine.dispose()
    store.close()


def test_months_that_are_behind_stay(store: Store) -> None:
    limits = limits_of(RetentionSettings(spans_days=60), T0)
    month = month_of(BEGAN + 40 * DAY)
    with store.engine.begin() as connection:
        connection.execute(
            update(schema.history_month).where(schema.history_month.c.month == month).values(packed_until=month + 1)
        )
    gone = prune(store, limits)["job"]
    ends = [row["ended_at"] for row in table_rows(store.engine, schema.job) if row["ended_at"] is not None]
    assert gone > 0
    assert min(ends) >= month
    with store.engine.begin() as connection:  # packed, but an hour is yet to be summed
        connection.execute(
            update(schema.history_month)
            .where(schema.history_month.c.month == month)
            .values(packed_until=month_after(month))
        )
        connection.execute(schema.dirty_hour.insert().values(cluster_id=1, bucket=month + HOUR))
    assert not prune(store, limits)["job"]
    store.roll_up(1, 0)
    assert prune(store, limits)["job"] > 0


def test_what_a_silent_cluster_s_living_jobs_may_have_ended_in_stays(store: Store) -> None:
    prune(store, limits_of(RetentionSettings(spans_days=30), T0 + 2000 * DAY))
    (row,) = table_rows(store.engine, schema.cluster)
    assert row["kept_since"] == month_of(T0)
    living = [row for row in table_rows(store.engine, schema.job) if row["ended_at"] is None]
    assert [one["number"] for one in living] == ["1"]
    assert len([row for row in table_rows(store.engine, schema.job_span) if row["job_id"] == living[0]["id"]]) == 2


def test_where_nothing_has_ended_before_older_logs_may_still_come(each_store: str, tmp_path: Path) -> None:
    store = opened(tmp_path / "store.sqlite")
    store.sync_clusters(settings_of(tmp_path, {"c": "tcp://127.0.0.1:1"}))
    store.store_report(1, a_report(T0, [as_running(a_job(1), T0 - 60)]), PollTimes(T0, 0.1))
    limits = limits_of(RetentionSettings(spans_days=30), T0 + DAY)
    assert not prune(store, limits)
    life = {"ctime": BEGAN, "start": BEGAN + 60, "end": BEGAN + 99}
    log = write_log(tmp_path / "a", [told("E", 5, BEGAN + 99, **life)])
    assert import_into(store, 1, log).jobs.new == 1
    assert not prune(store, limits)["job"], "it is neither summed nor packed yet"
    store.roll_up(1, 0)
    assert prune(store, limits)["job"] == 1
    assert sum(row["ended"] for row in table_rows(store.engine, schema.usage_day)) == 1
    store.close()


# Afterwards


def test_logs_of_pruned_months_are_passed_over_and_counted(store: Store, tmp_path: Path) -> None:
    limits = limits_of(RetentionSettings(spans_days=90, hours_days=400), T0)
    prune(store, limits)
    before = everything(store.engine, but={"dirty_hour": {"bucket"}})
    since = limits.spans
    lives = [(BEGAN, BEGAN + 99), (since - DAY, since - 1), (since - DAY, since), (since + DAY, since + 2 * DAY)]
    lines = [
        told("E", 70_000 + n, ended, ctime=began, start=began + 1, end=ended) for n, (began, ended) in enumerate(lives)
    ]
    summary = import_into(store, 1, write_log(tmp_path / "late", lines))
    assert (summary.jobs.new, summary.jobs.pruned) == (2, 2)
    store.roll_up(1, 0)
    after = everything(store.engine)
    for name in ("usage_hour", "usage_day"):
        older = [row for row in before[name] if row["bucket"] < since]
        assert [row for row in after[name] if row["bucket"] < since] == older != []
    months = {row["month"]: row["jobs"] for row in before["history_month"]}
    for row in after["history_month"]:
        assert row["jobs"] - months[row["month"]] == (2 if row["month"] == since else 0)
    assert after["known_span"][0]["since"] == before["known_span"][0]["since"]
    assert after["dirty_hour"] == [{"cluster_id": 1, "bucket": T0}]


def test_a_summary_says_how_many_were_passed_over(capsys: pytest.CaptureFixture[str]) -> None:
    for pruned, said in ((1234, True), (0, False)):
        _close(Summary(jobs=Entered(pruned=pruned)), 1.0)
        words = "1,234 jobs older than what is kept ([retention] spans_days) were passed over"
        assert (words in capsys.readouterr().out) == said


def test_a_day_whose_hours_were_pruned_is_summed_whole(store: Store, tmp_path: Path) -> None:
    prune(store, limits_of(KEEP_ALL.model_copy(update={"hours_days": 20}), T0))
    before = everything(store.engine)
    day = T0 - 100 * DAY
    line = told("E", 70_000, day + 7200, user="late", ctime=day + 3600, start=day + 3600, end=day + 7200)
    import_into(store, 1, write_log(tmp_path / "late", [line]))
    store.roll_up(1, 0)
    after = everything(store.engine)
    late = {row["id"] for row in after["word"] if row["text"] == "late"}
    assert [row for row in after["usage_day"] if row["user_id"] not in late] == before["usage_day"]
    assert after["capacity_day"] == before["capacity_day"]
    (added,) = (row for row in after["usage_day"] if row["user_id"] in late)
    assert (added["bucket"], added["core_seconds"]) == (day, 4 * HOUR)


def test_a_report_that_lists_what_was_pruned_enters_it_not_again(store: Store) -> None:
    jobs = [as_running(a_job(80_000 + n), T0 - 50 * DAY) for n in range(3)]
    done = [replace(one, state=JobState.FINISHED, ended_at=T0 - 40 * DAY) for one in jobs]
    store.store_report(1, a_report(T0 + 60, done), PollTimes(T0 + 60, 0.1))
    later = T0 + 60 * DAY
    store.store_report(1, a_report(later, done), PollTimes(later, 0.1))
    store.roll_up(1, 0)
    assert prune(store, limits_of(RetentionSettings(spans_days=30), later))["job"] > 0
    assert not [one for one in store._known[1].ended if one.startswith("80")]
    number = len(table_rows(store.engine, schema.job))
    for again in (False, True):
        if again:
            store._known.clear()
        assert store.store_report(1, a_report(later + 60 + again, done), PollTimes(later + 60, 0.1)).jobs_changed == 0
        assert len(table_rows(store.engine, schema.job)) == number
    spans = {row["job_id"] for row in table_rows(store.engine, schema.job_span)}
    assert spans <= {row["id"] for row in table_rows(store.engine, schema.job)}


def test_an_array_that_is_still_listed_is_known_again(store: Store) -> None:
    prune(store, limits_of(RetentionSettings(spans_days=90), T0))
    assert {row["number"] for row in table_rows(store.engine, schema.job_array)} == {"9[]"}


# Beside others


def test_reports_are_stored_while_a_running_collector_prunes(
    each_store: str, copy_past: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_past(1, tmp_path / "store.sqlite")
    for name, seconds in (("PRUNE_FIRST_SECONDS", 0.0), ("PRUNE_PAUSE_SECONDS", 0.02), ("PRUNE_EVERY_SECONDS", 0.05)):
        monkeypatch.setattr(service, name, seconds)
    monkeypatch.setattr(pruning, "JOBS_AT_ONCE", 5)
    numbers: list[tuple[int, int]] = []
    days = RetentionSettings(spans_days=int(time.time() - (T0 - 30 * DAY)) // DAY)
    limit = limits_of(days, time.time()).spans

    def left(store: Store) -> int:
        return sum(1 for row in table_rows(store.engine, schema.job) if (row["ended_at"] or T0) < limit)

    async def scene() -> None:
        async with fake_agent(lambda _: to_wire(a_report(time.time(), [a_job(1, submitted_at=BEGAN)]))) as agent:
            settings = settings_of(tmp_path, {"c": agent.endpoint}, refresh_min_seconds=0)
            async with running(settings.model_copy(update={"retention": days})) as (serving, _):
                reading = serving._store
                async with asyncio.timeout(30):
                    while not numbers or numbers[-1][1]:
                        watch = serving.watches[0]
                        watch.wanted.set()
                        await asyncio.sleep(0.05)
                        numbers.append((reading.latest(1)[0], left(reading)))

    asyncio.run(scene())
    partly = [report for report, jobs in numbers if numbers[-1][1] < jobs < numbers[0][1]]
    assert len(set(partly)) > 2, "reports came while jobs went"


CONFIG = """
[store]
url = "{url}"
[retention]
spans_days = {days}
[[cluster]]
name = "c"
agent = "tcp://127.0.0.1:1"
"""


def run(folder: Path, *words: str, days: int | None = None) -> subprocess.CompletedProcess[str]:
    config = folder / "webstat.toml"
    days = int(time.time() - (T0 - 90 * DAY)) // DAY if days is None else days
    config.write_text(CONFIG.format(days=days, url=store_at(folder / "store.sqlite")))
    return subprocess.run(
        [sys.executable, "-m", "collector", "--config", str(config), *words],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_says_what_would_go_and_then_deletes_it(on_sqlite: None, copy_past: Copy, tmp_path: Path) -> None:
    store = opened(copy_past(1, tmp_path / "store.sqlite"))
    jobs = len(table_rows(store.engine, schema.job))
    dry = run(tmp_path, "prune", "--dry-run")  # beside a collector that runs
    assert (dry.returncode, dry.stderr) == (0, "")
    busy = run(tmp_path, "prune")
    assert busy.returncode == 1
    assert "stop that collector first to prune at once; while it runs it prunes by itself" in busy.stderr
    assert len(table_rows(store.engine, schema.job)) == jobs
    store.close()
    told_rows = {line.split()[0]: line.split()[1] for line in dry.stdout.splitlines() if " rows " in line}
    assert "(spans_days = " in dry.stdout
    assert "columns_days = 0 keeps all" in dry.stdout
    done = run(tmp_path, "prune")
    assert (done.returncode, done.stderr) == (0, "")
    deleted = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines() if line.endswith("deleted")}
    assert deleted == {name: rows for name, rows in told_rows.items() if rows != "0"}
    assert int(deleted["job"].replace(",", "")) > 50
    again = run(tmp_path, "prune")
    assert (again.returncode, again.stdout.strip()) == (0, "nothing is older than is kept")


def test_a_dry_run_needs_a_store(on_sqlite: None, tmp_path: Path) -> None:
    done = run(tmp_path, "prune", "--dry-run", days=90)
    assert done.returncode == 1
    assert "does not exist; start the collector once" in done.stderr
    assert not (tmp_path / "store.sqlite").exists()


# Limits


def test_limits_are_whole_months_and_days() -> None:
    now = T0 + 5 * HOUR + 7
    limits = limits_of(RetentionSettings(spans_days=30, hours_days=2, days_days=0, polls_days=1), now)
    assert limits == Limits(month_of(T0 - 30 * DAY), T0 - 2 * DAY, 0, now - DAY, 0)
    assert limits_of(KEEP_ALL, now) == Limits()
    assert limits_of(RetentionSettings(spans_days=36500), now).spans == 0
    chance = random.Random(3)
    for _ in range(50):
        days = chance.randrange(1, 4000)
        limit = limits_of(RetentionSettings(spans_days=days), now).spans
        assert limit == month_of(limit) <= now - days * DAY < month_after(limit)


@pytest.mark.parametrize(("spans", "columns"), [(90, 60), (0, 60)])
def test_columns_outlive_jobs(spans: int, columns: int) -> None:
    with pytest.raises(ValueError, match=f"columns_days = {columns} is less than spans_days = {spans or 'for ever'}"):
        RetentionSettings(spans_days=spans, columns_days=columns)
    assert RetentionSettings(spans_days=90, columns_days=90).columns_days == 90


def test_the_newest_poll_of_all_may_go(store: Store) -> None:
    prune(store, limits_of(RetentionSettings(polls_days=1), T0 + 900 * DAY))
    with store.engine.connect() as connection:
        assert connection.execute(select(schema.poll)).all() == []
        last = connection.execute(select(schema.known_span).order_by(schema.known_span.c.since.desc())).first()
    assert last is not None
    assert (last.until, bool(last.polled)) == (T0, True)
