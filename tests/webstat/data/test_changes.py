from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import Engine, insert, update

from agent.probe import take_report
from agent.recording import Replay
from agent.report import Array, Node, Queue, Report, Reservation
from agent.states import JobState, NodeState
from collector import schema
from collector.settings import ClusterSettings, Settings, StoreSettings
from collector.store import PollTimes, Store
from tests.agent.samples import SAMPLES
from tests.collector.reports import T0, a_job, a_report
from tests.databases import store_at
from tests.webstat.stores import Builder, Shape
from webstat.data import changes
from webstat.data.changes import Event, Name
from webstat.data.queries import changes as queries
from webstat.data.queries.engine import open_store
from webstat.data.reservations import Kept
from webstat.data.source import Source
from webstat.format import When

pytestmark = pytest.mark.usefixtures("each_store")

SERIES = SAMPLES / "openpbs-23.06.06" / "timeseries"
"""In its third poll an admin sets cn005 offline, in its fourth cn020 is down; in its eighth both serve again."""


def said(event: Event) -> str:
    """The sentence as text; moments as their distance from T0 in hours."""
    parts = []
    for word in event.words:
        if isinstance(word, When):
            parts.append(f"<{(word.at - T0) / 3600:g}>")
        else:
            parts.append(word.text if isinstance(word, Name) else word)
    return "".join(parts).replace("\u00a0", " ")


class Site:
    """A store that the collector fills with reports of one cluster, and what changed by it."""

    def __init__(self, folder: Path) -> None:
        self.url = store_at(folder / "store.sqlite")
        self.settings = Settings(
            store=StoreSettings(url=self.url), cluster=(ClusterSettings(name="c", agent="tcp://127.0.0.1:1"),)
        )
        self.store = Store(self.url)
        self.store.sync_clusters(self.settings)
        self.source = Source(self.settings)

    def put(self, report: Report) -> None:
        self.store.store_report(1, report, PollTimes(report.taken_at - 1, 1.0))

    def fail(self, at: float) -> None:
        self.store.store_failure(1, PollTimes(at, 30.0), "silent", "no answer")

    def events(self, now: float) -> list[Event]:
        """All but that the cluster is new, as it is in most of these tests."""
        return [event for event in self.all_events(now) if event.kind != "new"]

    def all_events(self, now: float) -> list[Event]:
        return changes.at(self.source, self.source.clusters()[0], now)

    def close(self) -> None:
        self.store.close()
        self.source.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


def recorded(polls: int) -> list[Report]:
    replay = Replay(SERIES)
    return [take_report(replay) for _ in range(polls)]


def test_recorded_nodes_that_went_are_told_with_how(site: Site) -> None:
    reports = recorded(7)
    for report in reports:
        site.put(report)
    told = [event for event in site.events(reports[-1].taken_at + 5) if event.kind in ("offline", "down", "back")]
    assert [(event.kind, said(event)) for event in told] == [
        ("offline", "cn005 set offline: “draining for kernel update”"),
        ("down", "cn020 went down: “node down: communication closed”"),
    ]
    assert [event.at for event in told] == [int(reports[2].taken_at), int(reports[3].taken_at)]


def test_recorded_nodes_that_came_back_are_told_once(site: Site) -> None:
    reports = recorded(12)
    for report in reports:
        site.put(report)
    told = [event for event in site.events(reports[-1].taken_at + 5) if event.kind in ("offline", "down", "back")]
    assert [(event.at, said(event)) for event in told] == [
        (int(reports[7].taken_at), "cn005, cn020 back in service")
    ]  # fmt: skip


def test_the_nodes_of_the_first_report_have_not_changed(site: Site) -> None:
    site.put(recorded(1)[0])
    assert [event.kind for event in site.events(recorded(1)[0].taken_at + 5) if event.kind != "arrived"] == []


def nodes(*states: tuple[str, NodeState, str | None]) -> list[Node]:
    return [Node(name, state, state.value, cores=8, cores_used=0, comment=comment) for name, state, comment in states]


def test_nodes_that_change_in_one_report_in_one_way_are_one_event(site: Site) -> None:
    free, off = NodeState.FREE, NodeState.OFFLINE
    names = ["cn076", "cn077", "cn078", "cn090", "x"]
    site.put(a_report(T0, nodes=nodes(*((name, free, None) for name in names))))
    swap = "DIMM swap"
    site.put(a_report(T0 + 60, nodes=nodes(*((name, off, swap if name != "x" else None) for name in names))))
    told = {said(event) for event in site.events(T0 + 70)}
    assert told == {"cn076–cn078, cn090 set offline: “DIMM swap”", "x set offline"}


def test_an_admins_word_is_not_told_of_what_is_over(site: Site) -> None:
    site.put(a_report(T0, nodes=nodes(("n1", NodeState.FREE, None), ("n2", NodeState.FREE, None))))
    site.put(a_report(T0 + 60, nodes=nodes(("n1", NodeState.OFFLINE, "fan"), ("n2", NodeState.FREE, None))))
    site.put(a_report(T0 + 120, nodes=nodes(("n1", NodeState.BUSY, "fan mended"), ("n2", NodeState.UNKNOWN, None))))
    assert {said(event) for event in site.events(T0 + 130)} == {"n1 back in service", "n2 in an unknown state"}


def test_changes_of_a_day_ago_are_no_news(site: Site) -> None:
    site.put(a_report(T0, nodes=nodes(("n1", NodeState.FREE, None))))
    site.put(a_report(T0 + 60, nodes=nodes(("n1", NodeState.DOWN, None))))
    assert [said(event) for event in site.events(T0 + 86000) if event.kind == "down"] == ["n1 went down"]
    assert [event for event in site.events(T0 + 87000) if event.kind == "down"] == []


def test_queues_that_opened_or_closed(site: Site) -> None:
    def queue(name: str, enabled: bool | None, started: bool | None) -> Queue:
        return Queue(name, "execution", enabled, started)

    before = [queue("a", True, True), queue("b", False, False), queue("c", True, True), queue("d", None, None)]
    after = [queue("a", True, False), queue("b", True, True), queue("c", False, True), queue("d", None, None)]
    site.put(a_report(T0, queues=before))
    site.put(a_report(T0 + 60, queues=[*after, queue("new", True, True)]))
    assert {(event.kind, said(event)) for event in site.events(T0 + 70)} == {
        ("closed", "queue a was stopped"), ("open", "queue b was opened"), ("closed", "queue c takes no new jobs"),
    }  # fmt: skip


def test_large_arrays_are_told_by_who_and_how_many(site: Site) -> None:
    def tasks(number: int, count: int, user: str, at: int) -> list[object]:
        return [
            a_job(
                number,
                JobState.QUEUED,
                id=f"{number}[{n}].pbs01",
                array_id=f"{number}[].pbs01",
                user=user,
                submitted_at=at,
            )
            for n in range(count)
        ]

    jobs = [*tasks(1, 12, "carol", T0 + 10), *tasks(2, 9, "carol", T0 + 50), *tasks(3, 19, "dave", T0 + 20)]
    jobs += [*tasks(4, 2, "erin", T0 + 30), *(a_job(100 + n, submitted_at=T0) for n in range(50))]
    arrays = [Array("4[].pbs01", "B", user="erin", queue="batch", total=1000)]
    site.put(a_report(T0 + 60, jobs, arrays=arrays))
    told = sorted(said(event) for event in site.events(T0 + 70) if event.kind == "arrived")
    assert told == ["carol queued 2 arrays, 21 tasks in batch", "erin queued an array of 1,000 tasks in batch"]


def reservation(**fields: object) -> Reservation:
    base = {"id": "R1.pbs01", "name": "course", "owner": "grace@login", "state": "confirmed", "queue": "R1"}
    return Reservation(**{**base, **fields})  # type: ignore[arg-type]


def test_reservations_that_run_or_come(site: Site) -> None:
    hour = 3600
    four = ("cn057", "cn058", "cn059", "cn060")
    listed = (
        reservation(state="running", starts_at=T0 - hour, ends_at=T0 + 4 * hour, nodes=four),
        reservation(
            id="R2", name="maintenance", owner="root", starts_at=T0 + 8 * hour, ends_at=T0 + 18 * hour, nodes=("n1",)
        ),
        reservation(id="R3", name="", starts_at=T0 + 9 * hour, cores=96),
        reservation(id="R4", starts_at=T0 + 800 * hour, nodes=four),
        reservation(id="R5", starts_at=T0 - 9 * hour, ends_at=T0 - hour, nodes=four),
    )
    site.put(a_report(T0 - 10, reservations=listed))
    assert {(event.kind, event.coming, said(event)) for event in site.events(T0)} == {
        ("kept", False, "cn057–cn060 kept for reservation “course” by grace until <4>"),
        ("coming", True, "maintenance by root, all nodes, <8> until <18>; jobs that would run into it wait"),
        ("coming", True, "reservation by grace, 96 cores, <9>"),
    }


def polled(site: Site, *stretches: tuple[int, int]) -> None:
    for start, end in stretches:
        for at in range(T0 + start, T0 + end, 60):
            site.put(a_report(at))


def test_a_cluster_that_answers_again_says_after_how_long(site: Site) -> None:
    polled(site, (0, 1800), (9000, 10800))
    site.fail(T0 + 4000)
    assert [said(event) for event in site.events(T0 + 10800)] == ["answers again after 2 h"]


def test_a_cluster_that_nobody_asked_is_not_blamed(site: Site) -> None:
    polled(site, (0, 1800), (9000, 10800), (14400, 16200))
    assert [said(event) for event in site.events(T0 + 16200)] == ["is asked again after 1 h; 2 gaps in 24 h"]


@pytest.mark.parametrize(("failed", "words"), [(True, "stopped answering"), (False, "was no longer asked")])
def test_a_silence_that_goes_on_begins_with_the_last_report(site: Site, failed: bool, words: str) -> None:
    polled(site, (0, 1800))
    if failed:
        site.fail(T0 + 2000)
    events = site.events(T0 + 5000)
    assert [(event.kind, said(event)) for event in events] == [("silent", words)]
    assert T0 + 1700 <= events[0].at <= T0 + 1860
    assert site.events(T0 + 90_000) == [], "it is no news after a day"


def test_the_first_report_is_no_return(site: Site) -> None:
    site.fail(T0 - 600)
    polled(site, (0, 1800))
    assert [(event.kind, said(event)) for event in site.all_events(T0 + 1800)] == [
        ("new", "answers for the first time")
    ]


def test_nothing_is_said_of_a_cluster_never_seen(site: Site) -> None:
    assert site.all_events(T0) == []


def event(at: float, kind: str = "down", words: str = "x", coming: bool = False) -> Event:
    return Event(at, kind, (words,), coming)


def test_what_is_to_come_is_on_top_then_the_newest() -> None:
    told = [
        ("a", event(1)),
        ("b", event(3, words="y")),
        ("a", event(9, "coming", "z", True)),
        ("a", event(8, "coming", "w", True)),
    ]
    assert [one[1].at for one in changes.newest_first(told, 10)] == [9, 8, 3, 1]
    assert [one[1].at for one in changes.newest_first(told, 3)] == [9, 8, 3]
    many = [("a", event(100 + n, "coming", f"{n}", True)) for n in range(9)]
    assert [one[1].at for one in changes.newest_first(many, 10)] == [102, 101, 100]


def test_arrivals_do_not_crowd_out_the_rest() -> None:
    told = [("a", event(100 + n, "arrived", f"{n}")) for n in range(20)] + [("a", event(1))]
    assert [one[1].at for one in changes.newest_first(told, 10)] == [119, 118, 117, 1]


def test_the_same_on_several_clusters_is_one_event() -> None:
    told = [("b", event(20, words="was no longer asked")), ("a", event(10, words="was no longer asked"))]
    told += [("c", event(5000, words="was no longer asked")), ("a", event(12, words="else"))]
    found = changes.newest_first(told, 10)
    assert [one[0] for one in found] == [("c",), ("a",), ("a", "b")]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["cn2", "cn1"], ["cn1", "cn2"]),
        (["cn057", "cn058", "cn059", "cn060"], ["cn057–cn060"]),
        (["n9", "n10", "n11"], ["n9–n11"]),
        (["smp01[0]", "smp01[1]", "smp01[2]"], ["smp01[0]–smp01[2]"]),
        (["n1.a", "n2.a", "n3.b"], ["n1.a", "n2.a", "n3.b"]),
        (["a", "c", "e", "g"], ["a", "c", "e", "g"]),
        (["a", "c", "e", "g", "i"], ["a", "c", "e", "2 more"]),
        (["a", "c", "e", "x1", "x2", "x3", "x4"], ["a", "c", "e", "x1–x4"]),
        (["a", "a"], ["a"]),
        ([], []),
        (["1" * 30], ["1" * 30]),
    ],
)
def test_names_in_a_row_are_one(names: list[str], expected: list[str]) -> None:
    assert changes.ranges(names) == expected


def test_a_reservation_without_a_start_is_not_told() -> None:
    one = Kept("R", "n", "o", "running", None, None, None, (), None, None, runs=True, everything=False)
    assert changes.kept_events([one], 0.0) == []


# The queries

NOW = 1_800_000_000
LOADS = {
    "load_reservations": lambda engine: queries.load_reservations(engine, 1),
    "load_node_changes": lambda engine: queries.load_node_changes(engine, 1, NOW - 86400),
    "load_queue_changes": lambda engine: queries.load_queue_changes(engine, 1, NOW - 86400),
    "load_arrivals": lambda engine: queries.load_arrivals(engine, 1, NOW - 86400),
}


@pytest.fixture
def builder(tmp_path: Path) -> Iterator[Builder]:
    builder = Builder(tmp_path / "built.sqlite", now=NOW)
    yield builder
    builder.close()


@pytest.fixture
def engine(builder: Builder) -> Iterator[Engine]:
    engine = open_store(builder.url)
    yield engine
    engine.dispose()


def fill(builder: Builder) -> None:
    """One change of each kind, beside a cluster as it is."""
    builder.add(Shape("one", "One", nodes=4, days=1))
    told = json.dumps([{"id": "R1", "name": None, "starts_at": NOW, "nodes": ["a"]}, "no reservation", {}])
    span = {"cores": 24, "gpus": 0}
    with builder.engine.begin() as connection:
        connection.execute(update(schema.cluster).values(reservations=told))
        spans = [{"since": 0, "until": NOW - 50, "state": 0}, {"since": NOW - 50, "until": schema.OPEN, "state": 5}]
        connection.execute(insert(schema.node_span), [{"node_id": 1, **span, **one} for one in spans])
        times = [(0, NOW - 50, True), (NOW - 50, schema.OPEN, False)]
        rows = [{"queue_id": 1, "since": a, "until": b, "enabled": True, "started": on} for a, b, on in times]
        connection.execute(insert(schema.queue_span), rows)
        connection.execute(update(schema.job).where(schema.job.c.ended_at.is_(None)).values(array_number="7[]"))


@pytest.mark.parametrize("name", LOADS)
def test_columns_and_dtypes_are_those_promised(builder: Builder, engine: Engine, name: str) -> None:
    empty = LOADS[name](engine)
    assert empty.empty
    fill(builder)
    frame = LOADS[name](engine)
    assert len(frame)
    assert frame.dtypes.to_dict() == empty.dtypes.to_dict()
    assert set(frame.columns) <= set(re.findall(r"[a-z_]+", getattr(queries, name).__doc__))
    assert set(map(str, frame.dtypes)) <= {"str", "object", "bool", "int64", "float64"}


def test_a_reservation_that_says_little_is_read(builder: Builder, engine: Engine) -> None:
    fill(builder)
    found = queries.load_reservations(engine, 1)
    assert found["id"].tolist() == ["R1", ""]
    assert found["nodes"].tolist() == [("a",), ()]
    assert pd.isna(found["ends_at"]).all()
    assert found["queue"].tolist() == [None, None]


def test_the_first_report_is_the_oldest(builder: Builder, engine: Engine) -> None:
    assert queries.load_first_report(engine, 1) is None
    builder.add(Shape("one", "One", nodes=1, days=1))
    first = queries.load_first_report(engine, 1)
    assert first is not None
    assert NOW - 1.3 * 86400 < first < NOW - 86400


def test_every_load_is_tested() -> None:
    assert {*LOADS, "load_first_report"} == {name for name in vars(queries) if name.startswith("load_")}
