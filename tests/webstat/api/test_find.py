"""What the search box is told: who and what is meant by a few letters."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from agent.probe import take_report
from agent.recording import Choice, Replay
from agent.report import Job, Node, Queue, Report
from agent.states import JobState, NodeState
from collector.store import PollTimes, Store
from tests.agent.samples import SAMPLES
from tests.collector.reports import T0, a_job, a_report, as_running
from tests.collector.reports import settings_for as collected
from tests.webstat.served import Server, served, settings_for
from tests.webstat.stores import WORLD, Builder
from webstat.data.queries.engine import open_store
from webstat.data.queries.find import load_ended_by_number, load_names

JOBS = [
    as_running(a_job(463702, name="relax", user="alice"), T0 + 10),
    a_job(463703, name="relax", user="bob", group="chem"),
    a_job(463704, name="Relax", user="bob", state=JobState.HELD),
    *(a_job(5001, id=f"5001[{n}].pbs01", array_id="5001[].pbs01", array_index=str(n), name="sweep") for n in (1, 2, 3)),
    a_job(12, name="short id", user="al"),
]
NODES = [
    Node("cn001", NodeState.PARTIAL, "free", cores=16, cores_used=4),
    Node("cn002", NodeState.DOWN, "down", cores=16),
    Node("alice-box", NodeState.FREE, "free", cores=4, cores_used=0),
]
QUEUES = [Queue("batch", "execution", True, True), Queue("long/all", "execution", True, True)]


def stored(url: str, *reports: Report) -> None:
    """What the collector leaves; several reports of a cluster come one after the other."""
    store = Store(url)
    ids = store.sync_clusters(collected(*dict.fromkeys(report.cluster for report in reports)))
    for report in reports:
        store.store_report(ids[report.cluster], report, PollTimes(report.taken_at, 0.5))
    store.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two clusters; on the first, jobs 46370 and 463701 have ended."""
    url = f"sqlite:///{tmp_path_factory.mktemp('find')}/store.sqlite"
    gone = [a_job(46370, name="old"), as_running(a_job(463701, name="older", user="carol"), T0 + 5)]
    ended = [
        replace(gone[0], state=JobState.FINISHED, ended_at=T0 + 70, exit_status=0),
        replace(gone[1], state=JobState.FINISHED, ended_at=T0 + 80, exit_status=271),
    ]
    other = [as_running(a_job(463705, user="alice", queue="gpu"), T0 + 5)]
    stored(
        url,
        a_report(T0 + 60, [*gone, *JOBS], cluster="one", nodes=NODES, queues=QUEUES),
        a_report(T0 + 120, [*ended, *JOBS], cluster="one", nodes=NODES, queues=QUEUES),
        a_report(T0 + 120, other, cluster="alpine"),
    )
    with served(settings_for(url, "one", "alpine", "never-seen")) as server:
        yield server


def find(server: Server, question: str) -> list[dict[str, str]]:
    with urllib.request.urlopen(f"{server.url}/data/find?q={quote(question)}", timeout=20) as answer:
        assert answer.headers["Content-Type"] == "application/json"
        found = json.loads(answer.read())
    assert len(found) <= 12
    assert all(set(one) == {"kind", "text", "detail", "href"} for one in found)
    return found


def names(server: Server, question: str) -> list[tuple[str, str]]:
    return [(one["kind"], one["text"]) for one in find(server, question)]


def test_a_name_finds_everything_that_has_it(server: Server) -> None:
    assert find(server, "alice") == [
        {"kind": "user", "text": "alice", "detail": "2 running, 3 waiting on 2 clusters", "href": "/user/alice"},
        {"kind": "node", "text": "alice-box", "detail": "one · all cores free", "href": "/node/one/alice-box"},
    ]
    assert names(server, " AL ") == [
        ("user", "al"), ("cluster", "alpine"), ("user", "alice"), ("node", "alice-box"), ("queue", "long/all"),
    ]  # fmt: skip
    assert find(server, "chem") == [
        {"kind": "group", "text": "chem", "detail": "1 waiting on one", "href": "/group/chem"}
    ]
    assert find(server, "long/all")[0]["href"] == "/jobs?cluster=one&queue=long%2Fall"
    assert find(server, "cn002")[0]["detail"] == "one · down"
    assert names(server, "never")[0] == ("cluster", "never-seen")


def test_jobs_by_the_beginning_of_their_number_living_ones_first(server: Server) -> None:
    assert [one["text"] for one in find(server, "46370")] == [
        "46370.pbs01", "463702.pbs01", "463703.pbs01", "463704.pbs01", "463705.pbs01", "463701.pbs01",
    ]  # fmt: skip
    by_id = {one["text"]: one for one in find(server, "4637")}
    assert by_id["463702.pbs01"] == {
        "kind": "job",
        "text": "463702.pbs01",
        "detail": "relax · alice · running · one",
        "href": "/job/one/463702.pbs01",
    }
    assert by_id["463701.pbs01"]["detail"] == "older · carol · failed (exit 271) · one"
    assert by_id["46370.pbs01"]["detail"] == "old · alice · finished · one"
    assert by_id["463705.pbs01"]["detail"].endswith(" · alpine")


@pytest.mark.parametrize("question", ["463701", "463701.pbs01", "463701.pb", "463701.PBS01"])
def test_a_whole_number_finds_its_job(server: Server, question: str) -> None:
    assert names(server, question) == [("job", "463701.pbs01")]


def test_a_number_of_another_server_finds_nothing(server: Server) -> None:
    assert find(server, "463701.elsewhere") == []
    assert find(server, "463702.elsewhere") == []


def test_jobs_by_their_whole_name_running_ones_first(server: Server) -> None:
    assert [one["text"] for one in find(server, "relax")] == ["463702.pbs01", "463703.pbs01", "463704.pbs01"]
    assert find(server, "rela") == []
    assert names(server, "short id") == [("job", "12.pbs01")]


def test_an_array_comes_with_its_tasks(server: Server) -> None:
    assert find(server, "5001[]")[0] == {
        "kind": "array",
        "text": "5001[].pbs01",
        "detail": "sweep · alice · 3 tasks · one",
        "href": "/jobs?cluster=one&q=5001%5B%5D.pbs01",
    }
    assert names(server, "5001[2]") == [("job", "5001[2].pbs01")]
    assert {text for _, text in names(server, "5001")} == {"5001[].pbs01", *(f"5001[{n}].pbs01" for n in (1, 2, 3))}


@pytest.mark.parametrize(
    "question", ["", "   ", "nobody", "%", "_", "9" * 500, "'; drop table job; --", "\u202e", "1%", "4_3702"]
)
def test_what_fits_nothing_finds_nothing(server: Server, question: str) -> None:
    assert find(server, question) == []


def test_hostile_names_come_as_they_are_and_addresses_lead_home(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "store.sqlite")
    shape = next(shape for shape in WORLD if shape.name == "hostile")
    builder.add(shape)
    with served(settings_for(builder.url, "hostile")) as server:
        for user in shape.users:
            found = next(one for one in find(server, user) if one["kind"] == "user")
            assert found["href"].startswith("/user/")
            assert "/" not in found["href"].removeprefix("/user/")
            assert len(found["text"]) <= 60
    builder.close()


def test_users_of_the_past_are_found(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "store.sqlite")
    shape = replace(WORLD[0], name="c", nodes=4, days=3, queued=0)
    builder.add(shape)
    with builder.engine.begin() as connection:
        connection.exec_driver_sql(
            "update job set user_id = (select id from word where text = 'bob') where ended_at is null"
        )
    with served(settings_for(builder.url, "c")) as server:
        assert find(server, "alice") == [
            {"kind": "user", "text": "alice", "detail": "no jobs now", "href": "/user/alice"}
        ]
    builder.close()


def test_nothing_is_found_where_there_is_no_store(tmp_path: Path) -> None:
    with served(settings_for(f"sqlite:///{tmp_path}/none.sqlite", "one")) as server:
        assert find(server, "4711") == []
        assert names(server, "one") == [("cluster", "one")]


def test_kinds_share_the_room(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.sqlite"
    many: list[Job] = [a_job(n, user=f"n{n:03}", group="nn", queue="normal", name="N") for n in range(1, 60)]
    nodes = [Node(f"n{n:04}", NodeState.FREE, "free", cores=4, cores_used=0) for n in range(900)]
    stored(url, a_report(T0, many, cluster="north", nodes=nodes, queues=QUEUES))
    with served(settings_for(url, "north")) as server:
        kinds = [kind for kind, _ in names(server, "n")]
        assert len(kinds) == 12
    assert kinds == ["job"] * 5 + ["cluster"] + ["user"] * 5 + ["group"], "what was typed, then what begins so"


def test_all_jobs_of_a_large_cluster_are_read_once_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/store.sqlite"
    report = take_report(Replay(SAMPLES / "openpbs-23.06.06" / "large-wide", Choice()), "large")
    assert len(report.jobs) > 10_000
    stored(url, report)
    read = []

    def counted(*arguments: Any) -> Any:
        read.append(arguments)
        return load_names(*arguments)

    monkeypatch.setattr("webstat.api.find.load_names", counted)
    some = report.jobs[len(report.jobs) // 2]
    with served(settings_for(url, "large")) as server:
        assert find(server, some.id)[0]["text"] == some.id
        for question in (some.id[:2], some.id[:4], some.user, some.user[:1], some.name, "n"):
            assert find(server, question)
        assert len(read) == 1
        stored(url, replace(report, taken_at=report.taken_at + 60))
        assert find(server, some.id)[0]["text"] == some.id
        assert len(read) == 2


def test_the_queries_answer_with_what_they_promise(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.sqlite"
    Store(url).close()
    engine = open_store(url)
    empty = load_names(engine, 1).dtypes
    assert load_ended_by_number(engine, [1], "4", 5) == load_ended_by_number(engine, [], "4", 5) == []
    numbers = (4, 40, 41, 400, 5)
    ended = [replace(a_job(n), state=JobState.FINISHED, ended_at=T0 + 65, exit_status=n) for n in numbers]
    living = [a_job(n) for n in (*numbers, 6)]
    stored(url, a_report(T0 + 60, living), a_report(T0 + 120, [*ended, a_job(6)]))
    names = load_names(engine, 1)
    assert names[["number", "server", "name", "user", "group", "queue", "state"]].values.tolist() == [
        ["6", "pbs01", "job6", "alice", "physics", "batch", "queued"]
    ]
    assert names.dtypes.equals(empty)
    found = load_ended_by_number(engine, [1], "4", 2)
    assert [row.number for row in found] == ["4", "400", "41"], "of each cluster at most two that only begin so"
    assert found[0]._asdict() == {
        "cluster_id": 1, "number": "4", "server": "pbs01", "name": "job4", "user": "alice", "ended_at": T0 + 65,
        "exit_status": 4,
    }  # fmt: skip
    engine.dispose()
