from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import Engine, text

from collector.lives import SIZES, WALLTIMES
from collector.schema import JOB_STATES
from collector.settings import ClusterSettings, Settings, StoreSettings
from collector.store import PollTimes, Store
from demo.past import reports
from demo.state import prepare
from tests.collector.reports import EVERY_SPAN
from tests.databases import store_at
from tests.webstat.data.test_frames import totals
from tests.webstat.recorded import record
from tests.webstat.stores import Builder, Shape
from webstat.answers.smaller import WALLTIME
from webstat.data import people
from webstat.data.people import DAYS, GROUP, USER
from webstat.data.queries import people as queries
from webstat.data.queries.engine import open_store
from webstat.data.source import Source
from webstat.format import DAY

pytestmark = pytest.mark.usefixtures("each_store")

NOW = 1_800_000_000


class Filled:
    """A store filled by the collector, summed up, and what is brute-forced from its jobs."""

    def __init__(self, url: str, names: tuple[str, ...], now: float) -> None:
        self.now = now
        self.since = int(now // DAY) * DAY - (DAYS - 1) * DAY
        store = Store(url)
        for ident in range(1, len(names) + 1):
            store.roll_up(ident, 0)
        store.close()
        clusters = tuple(ClusterSettings(name=name, agent="tcp://127.0.0.1:1") for name in names)
        self.source = Source(Settings(store=StoreSettings(url=url), cluster=clusters))
        self.engine = open_store(url)
        with self.engine.connect() as connection:
            self.jobs = connection.execute(text(JOBS)).mappings().all()
            self.spans = connection.execute(text(SPANS)).mappings().all()

    def close(self) -> None:
        self.source.close()
        self.engine.dispose()

    def names(self, by: str) -> list[str]:
        return sorted({job[by] for job in self.jobs if job[by]})

    def core_hours(self, by: str, name: str) -> dict[tuple[str, str, int], float]:
        """(cluster, queue, day) -> core-hours, second by second of every stretch in which a job held cores."""
        sums: dict[tuple[str, str, int], float] = defaultdict(float)
        for span in self.spans:
            if span[by] != name or JOB_STATES[span["state"]].value not in ("running", "exiting"):
                continue
            until = min(span["until"], int(span["taken_at"]))
            for day in range(span["since"] // DAY * DAY, until, DAY):
                seconds = min(until, day + DAY) - max(span["since"], day)
                if day >= self.since and seconds > 0:
                    sums[span["cluster"], span["queue"], day] += span["cores"] * seconds / 3600
        return {key: hours for key, hours in sums.items() if hours}

    def waits(self, by: str, name: str) -> list[int]:
        return [
            max(0, job["started_at"] - (job["submitted_at"] if job["eligible_at"] is None else job["eligible_at"]))
            for job in self.jobs
            if job[by] == name and job["started_at"] is not None and job["started_at"] >= self.since
        ]


WHO = """u.text as user, g.text as "group", q.text as queue, c.name as cluster, c.taken_at"""
JOINED = """
    join cluster c on c.id = j.cluster_id join word u on u.id = j.user_id left join word g on g.id = j.group_id"""
JOBS = f"select j.*, {WHO} from job j {JOINED} join word q on q.id = j.queue_id"
SPANS = (
    f"select s.*, {WHO} from ({EVERY_SPAN}) s join job j on j.id = s.job_id {JOINED} join word q on q.id = s.queue_id"
)


@pytest.fixture(scope="module", params=["recorded", "simulated"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """Recorded clusters of each scheduler; and three simulated days of a small one, whose jobs come and go."""
    folder = tmp_path_factory.mktemp("people")
    if request.param == "recorded":
        stored = record(folder / "store.sqlite", "series", "torque", "slurm", "accounts")
        one = Filled(stored.url, stored.names, stored.now)
    else:
        epoch = prepare(folder / "demo", days=3, clusters=("small-openpbs",))
        url, before, now = store_at(folder / "store.sqlite"), None, 0.0
        store = Store(url)
        cluster = ClusterSettings(name="small", agent="tcp://127.0.0.1:1")
        store.sync_clusters(Settings(store=StoreSettings(url=url), cluster=(cluster,)))
        for report in reports(epoch, "small-openpbs"):
            store.store_report(1, report, PollTimes(report.taken_at, 0.5, known_since=before))
            before = now = report.taken_at
        store.close()
        one = Filled(url, ("small",), now)
    yield one
    one.close()


@pytest.mark.parametrize("by", [USER, GROUP])
def test_use_is_what_the_jobs_add_up_to(filled: Filled, by: str) -> None:
    names = filled.names(by)
    assert names
    used = 0.0
    for name in names:
        expected = filled.core_hours(by, name)
        past = people.at(filled.source, by, name, filled.source.clusters(), filled.now)
        used += past.core_hours
        assert past.core_hours == pytest.approx(sum(expected.values()), abs=1e-6), name
        for day, hours in past.days.dropna().items():
            assert hours == pytest.approx(sum(h for key, h in expected.items() if key[2] == day), abs=1e-6)
        places = {(row.cluster, row.queue): row.core_hours for row in past.places.itertuples() if row.core_hours}
        assert places == pytest.approx(summed(expected, 0, 1))
        by_cluster = {(row.cluster,): row.core_hours for row in past.clusters.itertuples() if row.core_hours}
        assert by_cluster == pytest.approx(summed(expected, 0))
        week = sum(hours for key, hours in expected.items() if key[2] > filled.now // DAY * DAY - 7 * DAY)
        assert past.recent_core_hours == pytest.approx(week, abs=1e-6)
    assert used > 0


@pytest.mark.parametrize("by", [USER, GROUP])
def test_what_jobs_cost_is_what_they_add_up_to_one_by_one(filled: Filled, by: str) -> None:
    told = 0
    for name in filled.names(by):
        sums: dict[str, float] = defaultdict(float)
        for job in filled.jobs:
            if job[by] != name or job["started_at"] is None or (job["ended_at"] or 0) < filled.since:
                continue
            ran = max(0, job["ended_at"] - job["started_at"])
            sums["jobs"] += 1
            sums["held"] += job["cores"] * ran
            if job["cpu_used_seconds"] is not None and ran:
                sums["cpu_jobs"] += 1
                sums["cpu_held"] += job["cores"] * ran
                sums["cpu"] += job["cpu_used_seconds"]
            if job["memory_bytes"] and job["memory_used_bytes"] is not None and ran:
                sums["memory_jobs"] += 1
                sums["memory_asked"] += job["memory_bytes"] * ran
                sums["memory_used"] += job["memory_used_bytes"] * ran
            if job["walltime_seconds"]:
                sums["limited"] += 1
                sums["walltime"] += job["walltime_seconds"]
                sums["ran"] += ran
        cost, alike = people.used(filled.source, by, name, filled.now)
        assert cost == people.at(filled.source, by, name, filled.source.clusters(), filled.now).cost
        assert (cost.jobs, cost.cpu_jobs, cost.memory_jobs, cost.walltime_jobs) == (
            sums["jobs"], sums["cpu_jobs"], sums["memory_jobs"], sums["limited"],
        )  # fmt: skip
        assert cost.core_seconds == sums["held"] and cost.cpu_core_seconds == sums["cpu_held"]
        assert cost.idle_core_seconds == max(0, sums["cpu_held"] - sums["cpu"])
        expected = sums["memory_used"] / sums["memory_asked"] if sums["memory_asked"] else None
        assert cost.memory_share == (None if expected is None else pytest.approx(expected))
        assert cost.walltime_share == (pytest.approx(sums["ran"] / sums["walltime"]) if sums["walltime"] else None)
        for kind in (one for one in alike if one.by == WALLTIME):
            ran_for = [
                job["ended_at"] - job["started_at"] for job in filled.jobs
                if job[by] == name and (job["cluster"], job["queue"]) == (kind.cluster, kind.queue)
                and job["started_at"] is not None and (job["ended_at"] or 0) >= filled.since and job["exit_status"] == 0
                and job["walltime_seconds"] and np.searchsorted(WALLTIMES, job["walltime_seconds"]) == kind.walltime
                and np.searchsorted(SIZES, job["cores"]) == kind.size and job["ended_at"] > job["started_at"]
            ]  # fmt: skip
            assert (kind.jobs, kind.fitted) == (len(ran_for), sum(ran <= kind.most for ran in ran_for))
        told += cost.cpu_jobs
    assert told


def summed(hours: dict[tuple[str, str, int], float], *places: int) -> dict[tuple[object, ...], float]:
    sums: dict[tuple[object, ...], float] = defaultdict(float)
    for key, value in hours.items():
        sums[tuple(key[place] for place in places)] += value
    return sums


@pytest.mark.parametrize("by", [USER, GROUP])
def test_waits_are_those_of_the_jobs_that_started(filled: Filled, by: str) -> None:
    started = 0
    for name in filled.names(by):
        waits = filled.waits(by, name)
        past = people.at(filled.source, by, name, filled.source.clusters(), filled.now)
        assert past.started == len(waits) == past.places["started"].sum()
        started += len(waits)
        if waits:
            assert past.waits == pytest.approx((np.quantile(waits, 0.5), np.quantile(waits, 0.9)))
        else:
            assert past.waits is None
    assert started


@pytest.mark.parametrize("by", [USER, GROUP])
def test_what_is_held_now_is_counted_from_the_jobs_that_live(filled: Filled, by: str) -> None:
    clusters = filled.source.clusters()
    for name in filled.names(by):
        living = [job for job in filled.jobs if job[by] == name and job["ended_at"] is None]
        states = [JOB_STATES[job["state"]].value for job in living]
        now = people.now_of([filled.source.totals(cluster) for cluster in clusters], by, name)
        holding = [job for job, state in zip(living, states, strict=True) if state in ("running", "exiting")]
        assert (now.cores, now.jobs.running) == (sum(job["cores"] for job in holding), len(holding))
        assert now.jobs.queued == sum(state in ("queued", "transiting") for state in states)
        assert now.jobs.held == sum(state in ("held", "waiting") for state in states)
        assert set(now.members) == {job["user"] for job in living}
        rows = people.living(filled.source, by, name, clusters, filled.now)
        assert len(rows) == len(living)
        assert set(rows[by]) <= {name}


def test_the_last_jobs_that_ended_are_the_newest(filled: Filled) -> None:
    shown = 0
    for name in filled.names(USER):
        ends = sorted((job["ended_at"] for job in filled.jobs if job["user"] == name and job["ended_at"]), reverse=True)
        past = people.at(filled.source, USER, name, filled.source.clusters(), filled.now)
        assert past.ended["ended_at"].tolist() == ends[: people.LAST_ENDED]
        shown += len(past.ended)
    assert shown


def test_a_groups_users_are_those_of_its_jobs(filled: Filled) -> None:
    for name in filled.names(GROUP):
        past = people.at(filled.source, GROUP, name, filled.source.clusters(), filled.now)
        expected = {job["user"] for job in filled.jobs if job["group"] == name}
        assert set(past.members["user"]) <= expected
        assert past.core_hours == pytest.approx(past.members["core_hours"].sum())


def test_days_before_the_first_report_are_unknown_and_idle_ones_are_zero() -> None:
    use = pd.DataFrame({"day": [2 * DAY], "core_hours": [5.0]})
    days = people.days_series(use, {2 * DAY, 3 * DAY}, DAY, 4 * DAY)
    assert days.index.tolist() == [DAY, 2 * DAY, 3 * DAY, 4 * DAY]
    assert days.isna().tolist() == [True, False, False, True]
    assert days.tolist()[1:3] == [5.0, 0.0]


def test_who_is_not_known_has_no_past(filled: Filled) -> None:
    for name in ("nobody-of-that-name", "", "%", "alice' or 1=1 --", "batch"):
        past = people.at(filled.source, USER, name, filled.source.clusters(), filled.now)
        assert (past.core_hours, past.last_day, past.waits, len(past.ended)) == (0.0, None, None, 0)
        assert people.living(filled.source, USER, name, filled.source.clusters(), filled.now).empty


def test_nothing_is_counted_where_no_cluster_is_known() -> None:
    assert people.now_of([], USER, "alice") == people.Now()
    assert people.now_of([totals()], USER, "alice").cores == 0


def test_the_closest_names_are_told_whatever_their_case() -> None:
    known = ["alice", "Alicia", "bob", "<script>"]
    assert people.closest("alcie", known)[0] == "alice"
    assert people.closest("ALICE", known)[0] == "alice"
    assert people.closest("zzz", known) == []
    assert people.closest("x" * 10_000, known) == []


def test_jobs_that_need_a_look_come_first() -> None:
    rows = pd.DataFrame(
        [
            ("queued-short", "queued", "", "", None, 10.0),
            ("runs-long", "running", "ends", "", 1000 * DAY, 5.0),
            ("held", "held", "", "", None, 99.0),
            ("ends-soon", "running", "ends", "", 60.0, 5.0),
            ("queued-long", "queued", "starts", "", 50.0, 900.0),
            ("wasteful", "running", "ends", "warn", 999.0, 5.0),
            ("never-starts", "queued", "", "bad", None, 7.0),
        ],
        columns=["key", "state", "expects", "why_tone", "expected_at", "waited_seconds"],
    )
    order = ["wasteful", "never-starts", "ends-soon", "queued-long", "queued-short", "runs-long", "held"]
    assert people.to_look_at(rows, 0.0)["key"].tolist() == order


LOADS = {
    "load_use_days": lambda engine: queries.load_use_days(engine, USER, "alice", NOW - DAYS * DAY),
    "load_known_days": lambda engine: queries.load_known_days(engine, NOW - DAYS * DAY),
    "load_starts": lambda engine: queries.load_starts(engine, USER, "alice", NOW - DAYS * DAY),
    "load_ended_use": lambda engine: queries.load_ended_use(engine, USER, "alice", NOW - DAYS * DAY),
    "load_ended": lambda engine: queries.load_ended(engine, GROUP, "pande", NOW - DAYS * DAY, 5),
}


@pytest.fixture
def builder(tmp_path: Path) -> Iterator[Builder]:
    builder = Builder(tmp_path / "store.sqlite", now=NOW)
    yield builder
    builder.close()


@pytest.fixture
def engine(builder: Builder) -> Iterator[Engine]:
    engine = open_store(builder.url)
    yield engine
    engine.dispose()


@pytest.mark.parametrize("name", LOADS)
def test_columns_and_dtypes_are_those_promised(builder: Builder, engine: Engine, name: str) -> None:
    empty = LOADS[name](engine)
    assert empty.empty
    builder.add(Shape("one", "One", nodes=12, days=2))
    frame = LOADS[name](engine)
    assert len(frame)
    assert frame.dtypes.to_dict() == empty.dtypes.to_dict()
    assert set(frame.columns) <= set(re.findall(r"[a-z_]+", getattr(queries, name).__doc__))
    assert set(map(str, frame.dtypes)) <= {"str", "object", "bool", "int64", "float64"}


def test_the_last_day_is_that_of_the_sums(builder: Builder, engine: Engine) -> None:
    assert queries.load_last_day(engine, USER, "alice") is None
    builder.add(Shape("one", "One", nodes=4, days=2))
    assert queries.load_last_day(engine, USER, "alice") == NOW // DAY * DAY


def test_every_load_is_tested() -> None:
    assert {*LOADS, "load_last_day"} == {name for name in vars(queries) if name.startswith("load_")}
