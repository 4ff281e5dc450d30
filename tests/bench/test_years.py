"""`make bench-store`: a made store is like a collected one, the same seed makes the same, killed it goes on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agent.states import HOLDS_CORES, JobState
from bench import duck
from bench.years.clusters import DAY, END, Plan, clusters_of, plan_of
from bench.years.machine import Machine
from bench.years.make import MadeOtherwise, make
from bench.years.write import Writer
from collector.schema import JOB_STATES, OPEN
from tests.collector.reports import EVERY_SPAN

PLAN = plan_of(jobs=2000, clusters=2, years=0.1, seed=7, end=END)
SPANS = f"({EVERY_SPAN})"
HOLDING = ", ".join(str(number) for number, state in enumerate(JOB_STATES) if state in HOLDS_CORES)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    make(PLAN, folder)
    return folder


def ask(folder: Path, question: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "store.sqlite")) as reading:
        return reading.execute(question).fetchall()


def dump(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "store.sqlite")) as reading:
        return list(reading.iterdump())


def test_it_holds_what_was_asked_for(made: Path) -> None:
    assert ask(made, "select count(*) from job") == [(2000,)]
    assert ask(made, "select name, scheduler_kind, taken_at from cluster") == [
        ("bench0", "openpbs", END),
        ("bench1", "torque", END),
    ]
    ((waiting,),) = ask(made, "select count(*) from job where cluster_id = 1 and ended_at is null")
    assert waiting >= 20  # a tenth of its jobs come in the last hours; some run soon
    states = {JOB_STATES[state] for (state,) in ask(made, f"select distinct state from {SPANS}")}
    assert states >= {JobState.QUEUED, JobState.RUNNING, JobState.SUSPENDED}
    failed, deleted = ask(made, "select sum(exit_status != 0) * 1.0 / count(*), sum(started_at is null) from job")[0]
    assert 0.03 < failed < 0.15
    assert deleted > 0
    assert ask(made, "select count(*) from job where array_number is not null")[0][0] > 0
    assert ask(made, "select sum(gpus) > 0 from job group by cluster_id order by cluster_id") == [(1,), (0,)]


def test_lives_are_possible(made: Path) -> None:
    assert ask(made, "select * from job where started_at < eligible_at or ended_at < started_at") == []
    for table, owner in ((SPANS, "job_id"), ("node_span", "node_id")):
        assert ask(made, f"select * from {table} where until <= since") == []
        overlaps = (
            f"select * from {table} a join {table} b using ({owner}) where a.since < b.since and b.since < a.until"
        )
        assert ask(made, overlaps) == []
    parted = f"select count(*) from {SPANS} a where not exists (select 1 from {SPANS} b where b.job_id = a.job_id and"
    ends = ask(made, f"{parted} b.since = a.until)")
    assert ends == ask(made, f"select count(distinct job_id) from {SPANS}")


def test_sums_tell_what_the_spans_tell(made: Path) -> None:
    used = f"select sum((min(until, {END}) - since) * cores) from {SPANS} where state in ({HOLDING})"
    for table in ("usage_hour", "usage_day"):
        assert ask(made, f"select sum(core_seconds) from {table}") == ask(made, used)
    assert ask(made, "select sum(jobs) from history_month") == ask(made, "select count(ended_at) from job")


def test_no_node_is_asked_for_more_than_it_has() -> None:
    (cluster,) = clusters_of(Plan(jobs=1000, clusters=1, years=0.1, seed=3))
    lives = [life for played in Machine(cluster).play() for life in (*played.ended, *played.living)]
    assert len(lives) == 1000
    size = {number: pool.units for pool in cluster.pools for number in range(pool.first, pool.first + pool.nodes)}
    turns: list[tuple[int, int, int]] = []
    for life in lives:
        for node in life.hosts:
            turns += [(life.started_at, life.job.units, node), (life.ended_at or OPEN, -life.job.units, node)]
    used = dict.fromkeys(size, 0)
    for _, units, node in sorted(turns):  # what ends in a second makes room for what starts in it
        used[node] += units
        assert used[node] <= size[node]


def test_killed_it_goes_on_and_comes_to_the_same(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(Writer, "_write_polls", killed)
        with pytest.raises(KeyboardInterrupt):
            make(PLAN, tmp_path)
    assert 0 < ask(tmp_path, "select count(*) from job")[0][0] < 1000
    make(PLAN, tmp_path)
    assert dump(tmp_path) == dump(made)


def test_another_plan_is_refused(made: Path) -> None:
    with pytest.raises(MadeOtherwise, match="another plan"):
        make(plan_of(jobs=2000, clusters=2, years=0.1, seed=8, end=END), made)
    with pytest.raises(MadeOtherwise, match="other clusters"):
        make(plan_of(jobs=2000, clusters=3, years=0.1, seed=7, end=END), made)


def test_duckdb_counts_the_same(made: Path) -> None:
    at = list(range(END - 20 * DAY, END + 1, DAY))
    with closing(duck.load(made / "store.sqlite")) as connection:
        counted = duck.counts(connection, at, duck.Only(cluster=["bench1"])).sort_values("bucket")
        hours = duck.core_hours(connection, at).core_hours.sum()
        answers = {name: len(question(connection, at)) for name, question in duck.QUESTIONS.items()}
    sums = f"select bucket, sum(submitted), sum(started), sum(ended) from usage_day where bucket >= {at[0]}"
    assert list(counted.itertuples(index=False, name=None)) == ask(made, f"{sums} and cluster_id = 2 group by bucket")
    cut = f"min(coalesce(ended_at, {END}), {END}) - max(started_at, {at[0]})"
    assert hours * 3600 == pytest.approx(ask(made, f"select sum(cores * max(0, {cut})) from job")[0][0])
    assert min(answers.values()) > 0
