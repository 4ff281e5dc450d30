"""Who hears the collector's announcements and may ask it for a refresh."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import zmq
import zmq.asyncio
from zmq.utils.monitor import recv_monitor_message

from agent.curve import Peer
from agent.keys import KeyPair, load_secret, make_keys
from collector.errors import SettingsError
from collector.keys import check_exposure
from collector.schema import collector
from collector.service import Service
from collector.settings import CollectorSettings, Settings
from collector.store import Store
from tests.collector.agents import fake_agent
from tests.collector.reports import reading, table_rows
from tests.collector.test_service import fresh, settings_of

REFUSED = zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL


class Site:
    """Pairs of a collector, of two web processes that it allows, and of one that it does not."""

    def __init__(self, folder: Path) -> None:
        self.allowed = folder / "allowed"
        self.own_file = make_keys(folder / "own", "collector")[1]
        self.own = load_secret(self.own_file)
        self.web, self.other = (load_secret(make_keys(self.allowed, name)[1]) for name in ("web", "other"))
        self.stranger = load_secret(make_keys(folder / "away", "stranger")[1])
        self.keyed = {"secret_key_file": self.own_file, "allow": [self.allowed], "refresh_min_seconds": 0}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@contextlib.asynccontextmanager
async def collecting(settings: Settings) -> AsyncIterator[Service]:
    store = Store(settings.store.url)
    service = Service(settings, store)
    task = asyncio.create_task(service.run())
    try:
        yield service
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        service.close()
        store.close()


class Client:
    """A socket at one of the collector's, with whatever keys; knows whether it was refused."""

    def __init__(self, context: zmq.asyncio.Context, kind: int, peer: Peer) -> None:
        self.socket = context.socket(kind)
        self.socket.linger = 0
        if kind == zmq.SUB:
            self.socket.subscribe(b"")
        self._monitor = self.socket.get_monitor_socket(REFUSED)
        peer.connect(self.socket)

    async def refused(self) -> None:
        async with asyncio.timeout(10):
            await recv_monitor_message(self._monitor)

    async def hears(self, service: Service) -> dict[str, Any]:
        """The next announcement; polls until one comes."""
        for _ in range(100):
            service.watches[0].wanted.set()
            if await self.socket.poll(100):
                message: dict[str, Any] = json.loads(await self.socket.recv())
                return message
        raise AssertionError("nothing was announced")

    async def ask(self, seconds: float = 10) -> dict[str, Any] | None:
        """The answer to a refresh, None where there is none."""
        self.socket.sndtimeo = int(seconds * 1000)  # who is refused before it asks has nobody to send to
        with contextlib.suppress(zmq.Again):
            await self.socket.send(b'{"refresh": "c"}')
        if not await self.socket.poll(seconds * 1000):
            return None
        answer: dict[str, Any] = json.loads(await self.socket.recv())
        return answer

    def close(self) -> None:
        self.socket.disable_monitor()
        self._monitor.close(linger=0)
        self.socket.close(linger=0)


@contextlib.contextmanager
def clients(kind: int, *peers: Peer) -> Iterator[list[Client]]:
    context = zmq.asyncio.Context()
    made = [Client(context, kind, peer) for peer in peers]
    try:
        yield made
    finally:
        for client in made:
            client.close()
        context.destroy(linger=0)


def ways_in(endpoint: str, site: Site) -> tuple[Peer, ...]:
    """An allowed one, and: without keys, with a wrong key of the collector, with a key that is not allowed."""
    server, wrong = site.own.public, site.other.public
    return (
        Peer(endpoint, server, site.web),
        Peer(endpoint),
        Peer(endpoint, wrong, site.web),
        Peer(endpoint, server, site.stranger),
    )


def test_only_allowed_keys_hear(site: Site, tmp_path: Path) -> None:
    async def scene() -> None:
        async with fake_agent(fresh) as agent:
            settings = settings_of(tmp_path, {"c": agent.endpoint}, **site.keyed)
            async with collecting(settings) as service:
                with clients(zmq.SUB, *ways_in(settings.collector.announce, site)) as (allowed, *others):
                    await asyncio.gather(*(one.refused() for one in others))
                    for _ in range(3):
                        assert (await allowed.hears(service))["cluster"] == "c"
                    assert not [one for one in others if await one.socket.poll(100)]
                engine = reading(settings.store.url)
                (row,) = table_rows(engine, collector)
                engine.dispose()
                assert row["public_key"] == site.own.public.decode(), "by which the page knows it"

    asyncio.run(scene())


def test_only_allowed_keys_are_answered(site: Site, tmp_path: Path) -> None:
    async def scene() -> None:
        async with fake_agent(fresh) as agent:
            settings = settings_of(tmp_path, {"c": agent.endpoint}, **site.keyed)
            async with collecting(settings) as service:
                with clients(zmq.REQ, *ways_in(settings.collector.refresh, site)) as (allowed, *others):
                    assert (await allowed.ask() or {})["ok"]
                    asked = len(agent.asked)
                    assert await asyncio.gather(*(one.ask(0.5) for one in others)) == [None, None, None]
                    await asyncio.gather(*(one.refused() for one in others))
                    assert len(agent.asked) == asked, "nobody was asked for them"
                    for endpoint in (settings.collector.announce, settings.collector.refresh):
                        with socket.create_connection((urlsplit(endpoint).hostname, urlsplit(endpoint).port)) as raw:
                            raw.sendall(b"\xff\0\0\0\0\0\0\0\x01\x7f" + b"GET / HTTP/1.1\r\n\r\n" * 1000)
                    assert (await allowed.ask() or {})["ok"], "the collector is unharmed"
                    assert service.watches[0].failures == 0

    asyncio.run(scene())


def test_a_key_that_is_taken_away_hears_and_asks_no_more(site: Site, tmp_path: Path) -> None:
    """Also where it is connected already; the others go on."""

    async def scene() -> None:
        async with fake_agent(fresh) as agent:
            settings = settings_of(tmp_path, {"c": agent.endpoint}, **site.keyed)
            pairs: tuple[KeyPair, ...] = (site.web, site.other)
            async with collecting(settings) as service:
                hearing = [Peer(settings.collector.announce, site.own.public, pair) for pair in pairs]
                asking = [Peer(settings.collector.refresh, site.own.public, pair) for pair in pairs]
                with clients(zmq.SUB, *hearing) as (web, other), clients(zmq.REQ, *asking) as (web_asks, other_asks):
                    for one in (web, other):
                        await one.hears(service)
                    for one in (web_asks, other_asks):
                        assert (await one.ask() or {})["ok"]
                    (site.allowed / "other.key").unlink()
                    service.watches[0].wanted.set()
                    await other.refused()
                    while await other.socket.poll(0):  # what came before
                        await other.socket.recv()
                    for _ in range(3):
                        await web.hears(service)
                    assert not await other.socket.poll(100)
                    assert await other_asks.ask(0.5) is None
                    assert (await web_asks.ask() or {})["ok"]
                    make_keys(site.allowed, "third")
                    (site.allowed / "third.key").write_bytes((tmp_path / "away" / "stranger.key").read_bytes())
                    late = Peer(settings.collector.announce, site.own.public, site.stranger)
                    with clients(zmq.SUB, late) as (stranger,):
                        await stranger.hears(service)
                        (site.allowed / "third.key").unlink()  # one that was not there at the start
                        service.watches[0].wanted.set()
                        await stranger.refused()
                    await web.hears(service)

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("settings", "refused"),
    [
        ({}, None),
        ({"announce": "ipc:///tmp/a", "refresh": "tcp://[::1]:1"}, None),
        ({"announce": "tcp://0.0.0.0:7622"}, "announce"),
        ({"refresh": "tcp://*:7623"}, "refresh"),
        ({"announce": "tcp://login1.example.org:7622", "secret_key_file": Path("k")}, "announce"),
        ({"announce": "tcp://0.0.0.0:7622", "secret_key_file": Path("k"), "allow": (Path("a"),)}, None),
        ({"announce": "tcp://0.0.0.0:7622", "insecure": True}, None),
    ],
)
def test_beyond_this_host_only_with_keys(settings: dict[str, Any], refused: str | None) -> None:
    given = CollectorSettings.model_validate(settings)
    if refused is None:
        check_exposure(given)
        return
    with pytest.raises(SettingsError, match=rf"\[collector\] {refused} = .* insecure = true"):
        check_exposure(given)
