from __future__ import annotations

import asyncio
import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import websockets
from sqlalchemy import insert, update
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from collector import schema
from tests.webstat.served import FakeCollector, Server, served, settings_for, wait_for
from tests.webstat.stores import Builder, Shape
from webstat.health import COLLECTOR


@pytest.fixture
def builder(tmp_path: Path) -> Iterator[Builder]:
    builder = Builder(tmp_path / "store.sqlite")
    builder.add(Shape("one", "One", nodes=2, days=1))
    builder.add(Shape("two", "Two", nodes=2, days=1))
    yield builder
    builder.close()


@pytest.fixture
def collector() -> Iterator[FakeCollector]:
    collector = FakeCollector()
    yield collector
    collector.close()


@pytest.fixture
def never_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told was announced: nothing is looked up meanwhile."""
    monkeypatch.setattr("webstat.live.LOOK_SECONDS", 3600)


@pytest.fixture
def server(builder: Builder, collector: FakeCollector) -> Iterator[Server]:
    with served(settings_for(builder.url, "one", "two", collector=collector)) as server:
        wait_for(lambda: server.app.state.hub.connected, "the announcements to be heard")
        yield server


def listen(server: Server, origin: str | None = None) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{server.port}/live", origin=origin)


def news(socket: ClientConnection, cluster: str, seconds: float = 10) -> dict[str, object]:
    """The next news of a cluster."""
    end = time.monotonic() + seconds
    while True:
        message = json.loads(socket.recv(timeout=max(0.01, end - time.monotonic())))
        if cluster in message["news"]:
            return message["news"][cluster]


def test_who_connects_hears_the_last_news_of_every_cluster(server: Server) -> None:
    with listen(server) as socket:
        news(socket, "one")
    with listen(server) as socket:
        message = json.loads(socket.recv(timeout=10))
    assert set(message["news"]) == {"one", "two", COLLECTOR}
    assert message["news"]["one"] == {"report": 1000, "stamp": "1000-live"}
    assert message["news"][COLLECTOR]["stamp"] == "there"
    assert abs(message["now"] - time.time()) < 60


def test_an_announced_report_is_told_to_all_and_only_what_is_new(
    never_looked_up: None, server: Server, builder: Builder, collector: FakeCollector
) -> None:
    with listen(server) as one, listen(server) as other:
        for socket in (one, other):
            news(socket, "one")
        number = builder.report("two")
        collector.say("two", number)
        for socket in (one, other):
            message = json.loads(socket.recv(timeout=20))
            assert message["news"] == {"two": {"report": number, "stamp": f"{number}-live"}}


def test_news_come_without_announcements_too(builder: Builder) -> None:
    with served(settings_for(builder.url, "one")) as server, listen(server) as socket:
        news(socket, "one")
        number = builder.report("one")
        assert news(socket, "one", seconds=60)["report"] == number


def test_announcements_that_cannot_be_read_do_no_harm(
    server: Server, builder: Builder, collector: FakeCollector
) -> None:
    with listen(server) as socket:
        news(socket, "one")
        for frame in (b"", b"{", b"[]", b'"text"', b"\xff\xfe", b'{"report": 3}', b"7" * 1_000_000):
            collector.say_raw(frame)
        collector.say("one", builder.report("one"))
        assert news(socket, "one")["report"] == 1001


def test_a_sign_of_life_comes_when_there_is_no_news(server: Server) -> None:
    with listen(server) as socket:
        news(socket, "one")
        assert json.loads(socket.recv(timeout=10))["news"] == {}


def test_other_sites_may_not_listen(server: Server) -> None:
    with pytest.raises(InvalidStatus):
        listen(server, origin="http://elsewhere.example")
    with listen(server, origin=f"http://127.0.0.1:{server.port}") as socket:
        assert news(socket, "one")


def test_a_collector_that_goes_is_noticed(builder: Builder) -> None:
    collector = FakeCollector()
    with served(settings_for(builder.url, "one", collector=collector)) as server:
        hub = server.app.state.hub
        wait_for(lambda: hub.connected, "the collector to be heard")
        collector.close()
        wait_for(lambda: not hub.connected, "its end to be noticed")


def test_collectors_are_found_in_the_store(builder: Builder) -> None:
    """Each tells of its own clusters, and is asked for them; one that comes later is heard too."""

    def enter(one: FakeCollector, number: int, cluster_id: int) -> None:
        with builder.engine.begin() as connection:
            row = {"id": number, "name": f"host:{number}", "announce": one.announce, "refresh": one.refresh}
            connection.execute(insert(schema.collector).values(**row, started_at=0))
            mine = update(schema.cluster).where(schema.cluster.c.id == cluster_id)
            connection.execute(mine.values(collector_id=number))

    first, second = (FakeCollector(lambda name: {"ok": True, "message": f"{name} it is"}) for _ in range(2))
    enter(first, 7, 1)
    with served(settings_for(builder.url, "one", "two")) as server, listen(server) as socket:
        wait_for(lambda: server.app.state.hub.connected, "the first to be heard")
        enter(second, 8, 2)
        news(socket, "two")
        for name, mine, other in (("two", second, first), ("one", first, second)):
            number, begun = builder.report(name), time.monotonic()
            while time.monotonic() < begun + 20:  # heard at the latest after a look into the store
                mine.say(name, number)
                if news(socket, name)["report"] == number:
                    break
            request = urllib.request.Request(f"{server.url}/refresh/{name}", method="POST")
            assert f"{name} it is" in json.load(urllib.request.urlopen(request))["message"]
            assert (mine.asked, name in other.asked) == ([name], False)
        first.close()
        time.sleep(0.5)
        assert server.app.state.hub.connected, "the second is"
        second.close()
        wait_for(lambda: not server.app.state.hub.connected, "the end of both to be noticed")


def test_viewers_cost_no_threads(server: Server, builder: Builder, collector: FakeCollector) -> None:
    async def many() -> None:
        url = f"ws://127.0.0.1:{server.port}/live"
        sockets = await asyncio.gather(*(websockets.connect(url) for _ in range(200)))
        for socket in sockets:
            await socket.recv()
        assert server.app.state.hub.viewers == 200
        assert threading.active_count() - before < 20
        number = builder.report("one")
        collector.say("one", number)
        told = await asyncio.gather(*(asyncio.wait_for(socket.recv(), 20) for socket in sockets))
        heard = [json.loads(text)["news"].get("one", {}).get("report") for text in told]
        assert heard.count(number) >= 190  # a sign of life may have come first
        await asyncio.gather(*(socket.close() for socket in sockets))

    before = threading.active_count()
    asyncio.run(many())
    wait_for(lambda: server.app.state.hub.viewers == 0, "the viewers to be gone")
