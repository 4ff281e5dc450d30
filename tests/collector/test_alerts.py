"""What is decided to be told: by steps, and by recorded reports through the real store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from agent.probe import take_report
from agent.recording import Replay
from agent.report import Node, Queue, Report
from agent.states import HOLDS_CORES, JobState, NodeState
from collector.alerts.decide import (
    GAP_PERIODS,
    REARM_SECONDS,
    JobSeen,
    Kind,
    Look,
    Memory,
    Rule,
    Seen,
    look_at_failures,
    look_at_job,
    look_at_report,
    step,
)
from collector.alerts.deliver import free_at, retry_seconds
from collector.alerts.rules import KEPT_SECONDS, Rules
from collector.rows import split_id
from collector.schema import job, notice, rule
from collector.settings import NotifySettings
from collector.store import PollTimes, Store
from tests.collector.reports import T0, a_job, a_report, as_running, settings_for, table_rows
from tests.databases import store_at

SERIES = Path(__file__).parent.parent / "samples" / "openpbs-23.06.06" / "timeseries"
PERIOD = 60.0
CORES = Rule(1, "user:a", Kind.CORES, None, 8)
STUCK = Rule(1, "user:a", Kind.STUCK, "batch", 600)
HOLDS, NOT = Look(True, "it holds"), Look(False)


def told_at(one: Rule, looks: list[tuple[float, Look | None]]) -> list[float]:
    """When a rule tells, of looks at seconds after T0."""
    memory, times, before = Memory(), [], 0.0
    for at, look in looks:
        unbroken = at - before <= GAP_PERIODS * PERIOD
        memory, fired = step(one, Memory.read(memory.to_text()), look, T0 + at, unbroken)
        before = at
        times += [at] if fired else []
    return times


def test_what_holds_is_told_once() -> None:
    assert told_at(CORES, [(0, NOT), (60, HOLDS), (120, HOLDS), (180, None), (240, HOLDS)]) == [60]
    assert told_at(CORES, [(0, HOLDS), (60, HOLDS)]) == [0], "what holds already is told at once"


def test_what_flickers_is_told_once_and_what_comes_again_later_again() -> None:
    flickering = [(60.0 * at, HOLDS if at % 3 == 0 else NOT) for at in range(60)]
    assert told_at(CORES, flickering) == [0]
    away = int(REARM_SECONDS / 60)
    looks = [(0.0, HOLDS), *((60.0 * at, NOT) for at in range(1, away + 2)), (60.0 * (away + 2), HOLDS)]
    assert told_at(CORES, looks) == [0, 60 * (away + 2)]
    short = [(0.0, HOLDS), *((60.0 * at, NOT) for at in range(1, away)), (60.0 * away, HOLDS)]
    assert told_at(CORES, short) == [0]


def test_a_gap_proves_nothing() -> None:
    assert told_at(STUCK, [(0, HOLDS), *((60.0 * at, HOLDS) for at in range(1, 12))]) == [600]
    assert told_at(STUCK, [(0, HOLDS), (700, HOLDS)]) == [], "nobody knows of the time between"
    assert told_at(STUCK, [(0, HOLDS), (700, HOLDS), *((700 + 60.0 * at, HOLDS) for at in range(1, 12))]) == [1300]
    # Nor does it say that something has not held all the time.
    assert told_at(CORES, [(0, HOLDS), (60, NOT), (7200, NOT), (7260, HOLDS)]) == [0]


def test_a_start_makes_a_queue_wait_anew() -> None:
    looks: list[tuple[float, Look | None]] = [(60.0 * at, Look(True, "stuck", {}, T0 + 300.0)) for at in range(20)]
    assert told_at(STUCK, looks) == [900]


@pytest.mark.parametrize(
    ("seen", "started", "ended"),
    [
        (JobSeen(None, None), None, None),
        (JobSeen(T0, None), "Job 7 has started", None),
        (JobSeen(T0, T0 + 9, False, 0), "Job 7 has started", "Job 7 has ended with exit status 0"),
        (JobSeen(T0, T0 + 9, True), "Job 7 has started", "Job 7 has ended"),
        (JobSeen(None, T0 + 9), *["Job 7 has ended without having started"] * 2),
    ],
)
def test_jobs(seen: JobSeen, started: str | None, ended: str | None) -> None:
    for kind, words in ((Kind.STARTED, started), (Kind.ENDED, ended)):
        look = look_at_job(Rule(1, "user:a", kind, "7"), seen)
        assert look is not None and (look.words if look.holds else None) == words
        assert look_at_job(Rule(1, "user:a", kind, "7"), None) is None


def test_silence_begins_where_pages_say_so() -> None:
    assert [look_at_failures(failures, report_known=True).holds for failures in range(5)] == [
        False,
        False,
        False,
        True,
        True,
    ]


NODES = [
    Node("n1", NodeState.PARTIAL, "free", cores=16, cores_used=10, properties=("batch",)),
    Node("n2", NodeState.FREE, "free", cores=8, cores_used=0, properties=("long",)),
    Node("n3", NodeState.DOWN, "down", cores=64, cores_used=0, properties=("batch",)),
]


def looked(one: Rule, report: Report, last: float | None = None) -> Look:
    look = look_at_report(one, Seen(report), last)
    assert look is not None
    return look


def test_cores_of_nodes_that_take_work_count() -> None:
    report = a_report(T0, nodes=NODES)
    assert looked(CORES, report).facts == {"free": 14}
    for queue, free in (("batch", 6), ("long", 8), ("elsewhere", 14)):
        look = looked(replace(CORES, subject=queue), report)
        assert (look.facts["free"], look.holds) == (free, free >= 8)
    assert look_at_report(CORES, Seen(a_report(T0, nodes=NODES, partial=("nodes",))), None) is None
    assert look_at_report(CORES, Seen(a_report(T0, nodes=[])), None) is None


def test_nodes() -> None:
    report = a_report(T0, nodes=NODES)
    states = {name: looked(Rule(1, "user:a", Kind.NODE, name), report).holds for name in ("n1", "n2", "n3")}
    assert states == {"n1": False, "n2": False, "n3": True}
    assert look_at_report(Rule(1, "user:a", Kind.NODE, "n4"), Seen(report), None) is None, (
        "silence of a node is no state"
    )


def test_any_node_is_told_when_it_goes_out() -> None:
    one = Rule(1, "user:a", Kind.NODE, once=False)
    memory, said = Memory(), []

    def look(minute: int, *out: str, missing: str = "", partial: bool = False) -> None:
        nonlocal memory
        names = [name for name in ("n1", "n2", "n3", "n4", "n5") if name != missing]
        nodes = [Node(name, NodeState.DOWN if name in out else NodeState.FREE, "x", cores=1) for name in names]
        report = a_report(T0 + 60 * minute, nodes=nodes, partial=("nodes",) if partial else ())
        seen = look_at_report(one, Seen(report), None)
        memory, fired = step(one, Memory.read(memory.to_text()), seen, report.taken_at, True)
        said.append(fired.words if fired else "")

    look(0, "n1")  # it is out already
    look(1, "n1", "n2")
    look(2, "n1", "n2")
    look(3, "n1")
    look(4, "n1", "n2")  # it flickers
    look(5, "n1", missing="n2")
    look(6, partial=True)
    look(7, "n1", "n2")
    look(8)
    look(30)
    look(31, "n1", "n2", "n3", "n4")
    assert said == ["", "Node n2 is down", *[""] * 8, "4 nodes went out: n1 down, n2 down, n3 down and 1 more"]


def test_a_queue_is_stuck_where_a_job_would_fit() -> None:
    def holds(*jobs: Any, **fields: Any) -> bool:
        return looked(STUCK, a_report(T0, jobs, **{"nodes": NODES, **fields})).holds

    assert holds(a_job(1, cores=6))
    assert not holds(a_job(1, cores=7)), "no room on one node"
    assert holds(a_job(1, cores=64), a_job(2, cores=2)), "some would fit"
    assert not holds(a_job(1, JobState.HELD, cores=1)), "it is held"
    assert not holds(a_job(1, cores=1, queue="long"))
    assert holds(a_job(1, cores=1, queue="long,batch")), "it waits in both"
    assert not holds(as_running(a_job(1, cores=1), T0))
    assert not holds(a_job(1, cores=1), queues=[Queue("batch", "execution", True, False)]), "it is closed"


def test_how_often_is_tried_and_told() -> None:
    assert [retry_seconds(tries) for tries in range(1, 6)] == [30, 120, 480, 1920, None]
    assert free_at([], 5000, 1) == 5000
    assert free_at([1000, 4000], 5000, 2) == 5000, "one is over an hour old"
    assert free_at([2000, 4000], 5000, 2) == 5600
    assert free_at([2000, 2000, 4000], 5000, 2) == 5600


@dataclass
class Told:
    """A store with rules."""

    store: Store
    rules: Rules
    cluster_id: int

    def report(self, report: Report) -> None:
        self.store.store_report(self.cluster_id, report, PollTimes(report.taken_at, 0.1))
        self.rules.after_report(self.cluster_id, report, PERIOD)

    def add(self, kind: str, **told: Any) -> dict[str, Any]:
        common = {"act": "add", "owner": "user:alice", "feed": "f" * 40, "cluster": "c"}
        answer = self.rules.wish({**common, "kind": kind, **told})
        assert answer["ok"], answer
        return answer


@pytest.fixture
def told(each_store: str, tmp_path: Path) -> Iterator[Told]:
    store = Store(store_at(tmp_path / "store.sqlite"))
    yield Told(store, Rules(store.engine, NotifySettings(rules_each=1000)), store.sync_clusters(settings_for("c"))["c"])
    store.close()


def notices(told: Told) -> list[dict[str, Any]]:
    return table_rows(told.store.engine, notice)


def test_of_recorded_reports_each_start_and_end_is_told_once_with_the_report_that_tells_it(told: Told) -> None:
    replay = Replay(SERIES)
    polls = [take_report(replay) for _ in range(replay.polls)]
    made: dict[str, int] = {}
    expected: dict[tuple[str, str], int] = {}
    for number, report in enumerate(polls):
        told.report(report)
        rows = {row["number"]: row for row in table_rows(told.store.engine, job)}
        for ident in made:
            row, at = rows[split_id(ident)[0]], int(report.taken_at)
            if row["ended_at"] is not None:
                expected.setdefault(("ended", ident), at)
            if row["started_at"] is not None or row["ended_at"] is not None:
                expected.setdefault(("started", ident), at)
        for one in report.jobs[::4]:
            if one.id not in made and rows[split_id(one.id)[0]]["ended_at"] is None:
                made[one.id] = number
                told.add("ended", subject=one.id)
                told.add("started", subject=one.id)
    found: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row in notices(told):
        found[row["kind"], row["subject"]].append(row["at"])
    assert {key: [at] for key, at in expected.items()} == found
    kinds = [kind for kind, _ in found]
    assert kinds.count("ended") > 10 and kinds.count("started") > 10, kinds
    over = [row for row in table_rows(told.store.engine, rule) if row["ended_at"] is not None]
    assert len(over) == len(found), "a rule of a job ends with what it told"


def test_of_recorded_reports_free_cores_are_told_when_they_become_free(told: Told) -> None:
    replay = Replay(SERIES)
    polls = [take_report(replay) for _ in range(replay.polls)]
    free = [
        sum(
            (n.cores or 0) - (n.cores_used or 0) for n in report.nodes if n.state in (NodeState.FREE, NodeState.PARTIAL)
        )
        for report in polls
    ]
    assert len(set(free)) > 3, "the recording has something to tell"
    told.report(polls[0])
    for number in sorted(set(free)):
        told.add("cores", number=number or 1)
    for report in polls[1:]:
        told.report(report)
    rows = {row["id"]: row for row in table_rows(told.store.engine, rule)}
    for row in rows.values():
        first = next((i for i, one in enumerate(free) if i and one >= row["number"]), None)
        assert row["told_at"] == (None if first is None else int(polls[first].taken_at)), row["number"]
    assert all(rows[row["rule_id"]]["number"] <= free_in(row) for row in notices(told))
    running = [sum(one.state in HOLDS_CORES for one in report.jobs) for report in polls]
    assert max(running) > 0


def free_in(row: dict[str, Any]) -> int:
    return int(str(row["words"]).split()[0])


def test_a_rule_that_is_paused_looks_at_nothing_until_it_is_resumed(told: Told) -> None:
    told.report(a_report(T0, [a_job(7)]))
    ident = told.add("cores", number=1)["id"]
    assert told.rules.wish({"act": "pause", "owner": "user:alice", "id": ident})["ok"]
    told.report(a_report(T0 + 60, [a_job(7)]))
    assert notices(told) == []
    assert told.rules.wish({"act": "resume", "owner": "user:alice", "id": ident})["ok"]
    told.report(a_report(T0 + 120, [a_job(7)]))
    assert [row["words"] for row in notices(told)] == ["16 cores are free (c)"]


def test_what_is_old_goes(told: Told) -> None:
    told.report(a_report(T0, [a_job(7)]))
    told.add("cores", number=1)
    told.report(a_report(T0 + 60, [a_job(7)]))
    (row,) = notices(told)
    told.rules.tidy(row["at"] + KEPT_SECONDS - 1)
    assert len(notices(told)) == 1
    told.rules.tidy(row["at"] + KEPT_SECONDS + 1)
    assert notices(told) == [] and table_rows(told.store.engine, rule) == []
