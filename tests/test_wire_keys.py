"""An attacker on the wire: what passes between agent, collector and page, recorded byte for byte, with keys and without."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import zmq
import zmq.asyncio

from agent.curve import Peer
from agent.keys import load_secret, make_keys
from agent.report import Report
from agent.server import Stop, serve
from agent.settings import AgentSettings
from collector.events import set_within
from collector.settings import Settings
from tests.collector.reports import a_job, a_report
from tests.collector.test_announce import collecting
from tests.collector.test_service import free_endpoint, settings_of
from webstat.live import Hub
from webstat.refresh import Answer, Refresher

CLUSTER, USER, NODE = b"quaggacluster", b"okapiuser", b"zebranode"


class Wire:
    """A TCP proxy before a socket, which keeps all bytes of both directions."""

    def __init__(self, to: str) -> None:
        self._to = urlsplit(to)
        self._recorded: list[bytearray] = []

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        try:
            yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(self._to.hostname, self._to.port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(self._copy(reader, back), self._copy(there, writer), return_exceptions=True)

    async def _copy(self, source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        record = bytearray()
        self._recorded.append(record)
        with contextlib.closing(to), contextlib.suppress(OSError):
            while data := await source.read(65536):
                record += data
                to.write(data)

    def readable(self) -> bytes:
        """All that passed, and all that unpacks."""
        found = []
        for record in self._recorded:
            found.append(bytes(record))
            for start in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", record):
                with contextlib.suppress(zlib.error):
                    found.append(zlib.decompressobj().decompress(record[start.start() :]))
        return b"\n".join(found)


@contextlib.contextmanager
def an_agent(settings: AgentSettings) -> Iterator[None]:
    """The agent's own server, with a new report at each request."""

    def take() -> Report:
        report = a_report(time.time(), [a_job(user=USER.decode(), hosts={NODE.decode(): 4})])
        report.nodes[:] = [type(report.nodes[0])(NODE.decode(), report.nodes[0].state, "free", cores=16)]
        return report

    stop = Stop()
    thread = threading.Thread(target=serve, args=(settings, take, dict, stop))
    thread.start()
    try:
        yield
    finally:
        stop.request()
        thread.join(10)
        stop.close()
    assert not thread.is_alive()


@pytest.mark.parametrize("keyed", [True, False])
def test_nothing_on_the_wire_can_be_read(tmp_path: Path, keyed: bool) -> None:
    pairs = {name: make_keys(tmp_path / name, name) for name in ("agent", "collector", "web")}
    own, web = (load_secret(pairs[name][1]) for name in ("collector", "web"))
    at = free_endpoint()
    keys = {"secret_key_file": pairs["agent"][1], "allow": (pairs["collector"][0],)} if keyed else {}
    settings = settings_of(
        tmp_path,
        {CLUSTER.decode(): at},
        refresh_min_seconds=0,
        timeout_seconds=30,
        **({"secret_key_file": pairs["collector"][1], "allow": [pairs["web"][0]]} if keyed else {}),
    )

    def peer(endpoint: str) -> Peer:
        return Peer(endpoint, own.public, web) if keyed else Peer(endpoint)

    async def scene() -> list[Wire]:
        wires = [Wire(at), Wire(settings.collector.announce), Wire(settings.collector.refresh)]
        async with wires[0].open() as asked, wires[1].open() as announced, wires[2].open() as refreshed:
            cluster = settings.cluster[0].model_copy(
                update={"agent": asked, "server_key_file": pairs["agent"][0] if keyed else None}
            )
            answer = await play(settings.model_copy(update={"cluster": (cluster,)}), peer(announced), peer(refreshed))
        assert answer.ok and "a new report is in" in answer.message
        return wires

    with an_agent(AgentSettings("serve", bind=at, min_age=0.0, **keys)):
        agent, announcements, refreshes = asyncio.run(scene())
    for wire, secrets in (
        (agent, (USER, NODE, b'"ask"', b'"report"')),
        (announcements, (CLUSTER, b'"report"', b"taken_at")),
        (refreshes, (CLUSTER, b'"refresh"', b"a new report")),
    ):
        passed = wire.readable()
        assert len(passed) > 300
        assert [one for one in secrets if (one in passed) == keyed] == []


async def play(settings: Settings, announced: Peer, refreshed: Peer) -> Answer:
    """Collector, hub and refresher at work until an announcement was heard and a refresh answered."""
    heard = asyncio.Event()
    hub = Hub(lambda: {announced}, lambda: (), lambda connected: None)
    context = zmq.asyncio.Context()
    listener = context.socket(zmq.SUB)
    listener.subscribe(b"")
    async with collecting(settings):
        announced.connect(listener)
        tasks = [asyncio.create_task(hub.run()), asyncio.create_task(_hear(listener, heard))]
        try:
            async with asyncio.timeout(60):
                while not hub.connected:
                    await asyncio.sleep(0.02)
                while True:
                    answer = await Refresher(lambda _: refreshed).ask(settings.cluster[0].name)
                    if await set_within(heard, 0.2):
                        return answer
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            context.destroy(linger=0)


async def _hear(listener: zmq.asyncio.Socket, heard: asyncio.Event) -> None:
    assert CLUSTER in await listener.recv()
    heard.set()
