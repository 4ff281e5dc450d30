"""From the collector's announcements to the browsers: one hub for all viewers, no thread for any.

The hub hears the collectors' PUB sockets and looks into the store's cluster table, at each announcement
and every few seconds besides: so a cluster that goes silent, or a collector that cannot be heard, is
news too. What goes out is only `{cluster, report, stamp}`; pages fetch the data themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

import zmq
import zmq.asyncio
from zmq.utils.monitor import parse_monitor_message

from agent.curve import Peer
from agent.errors import KeysError
from collector.events import set_within
from webstat.errors import WebError
from webstat.health import Cluster, stamps

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
"""Time between two looks into the store when nothing is announced."""
PING_SECONDS = 5.0
"""Time between two signs of life to a browser; after 12 s without any it asks by itself."""
LARGEST_ANNOUNCEMENT = 64 * 1024
HEARD, LOST = zmq.EVENT_HANDSHAKE_SUCCEEDED, zmq.EVENT_DISCONNECTED
REFUSED = zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
REFUSAL = "one side refuses the other's key: the collector must allow that of this page, and have the one that the store tells"
MOST_TURNS = 3
"""Clusters report close together: how often pages are made ready again before viewers are told."""

News = dict[str, dict[str, Any]]
"""Cluster -> {"report": int, "stamp": str}; the empty name is the collector itself."""


class Hub:
    """Hears, looks, and tells every connected browser. Its coroutines run in one event loop."""

    def __init__(
        self,
        peers: Callable[[], Collection[Peer]],
        clusters: Callable[[], tuple[Cluster, ...]],
        prepare: Callable[[bool], None],
    ) -> None:
        """`peers` says where collectors announce, `clusters` looks into the store, both again and again.

        `prepare(connected)` makes ready what viewers will ask for after news.
        """
        self._prepare = prepare
        self._peers = peers
        self._tuned: set[Peer] = set()
        self._heard: set[str] = set()
        self._trouble: dict[str, str] = {}
        self._clusters = clusters
        self._news: News = {}
        self._viewers: set[Viewer] = set()
        self._woken = asyncio.Event()
        self.announced = 0
        """How many announcements were heard."""

    @property
    def connected(self) -> bool:
        """Whether a collector is heard."""
        return bool(self._heard)

    @property
    def viewers(self) -> int:
        """How many browsers listen to this process: over as many all spread their questions, so each process has its share."""
        return len(self._viewers)

    async def run(self) -> None:
        """Hear and look until cancelled."""
        with zmq.asyncio.Context() as context, context.socket(zmq.SUB) as socket:
            socket.linger = 0
            socket.maxmsgsize = LARGEST_ANNOUNCEMENT
            socket.subscribe(b"")
            monitor = socket.get_monitor_socket(HEARD | LOST | REFUSED)
            tasks = [self._hear(socket), self._watch(monitor), self._look(socket)]
            try:
                async with asyncio.TaskGroup() as group:
                    for task in tasks:
                        group.create_task(task)
            finally:
                socket.disable_monitor()
                monitor.close(linger=0)

    async def _hear(self, socket: zmq.asyncio.Socket) -> None:
        while True:
            frames = await socket.recv_multipart()
            try:
                announcement = json.loads(frames[-1])
                log.debug("announced cluster=%s report=%s", announcement["cluster"], announcement.get("report"))
            except (ValueError, KeyError, TypeError):
                log.warning("announcement cannot be read bytes=%d", len(frames[-1]))
                continue
            self.announced += 1
            self._woken.set()

    async def _watch(self, monitor: zmq.asyncio.Socket) -> None:
        while True:
            event = parse_monitor_message(await monitor.recv_multipart())
            endpoint = event["endpoint"].decode("utf-8", "replace")
            there = bool(event["event"] & HEARD)
            if event["event"] & REFUSED:
                self._complain(endpoint, REFUSAL)
            if there != (endpoint in self._heard):
                (self._heard.add if there else self._heard.discard)(endpoint)
                self._trouble.pop(endpoint, None)
                log.info("collector connected=%s endpoint=%s", there, endpoint)
                self._woken.set()

    async def _tune(self, socket: zmq.asyncio.Socket) -> None:
        """Listen to the collectors that there are now."""
        wanted = set(await asyncio.to_thread(self._peers))
        for peer in self._tuned - wanted:  # first: one that comes back with another key has the same address
            socket.disconnect(peer.endpoint)
            self._heard.discard(peer.endpoint)
        for peer in wanted - self._tuned:
            try:
                peer.connect(socket)
            except (zmq.ZMQError, KeysError) as error:
                self._complain(peer.endpoint, str(error))
                wanted.discard(peer)
        self._tuned = wanted

    def _complain(self, endpoint: str, words: str) -> None:
        """Say in the log why a collector is not heard; once, since it is tried again and again."""
        if self._trouble.get(endpoint) != words:
            self._trouble[endpoint] = words
            log.warning("collector cannot be heard endpoint=%s error=%s", endpoint, words)

    async def _look(self, socket: zmq.asyncio.Socket) -> None:
        while True:
            self._woken.clear()
            try:
                await self._tune(socket)
                self._tell(await self._find_news())
            except WebError as error:
                log.warning("store cannot be read error=%s", error)
            await set_within(self._woken, LOOK_SECONDS)

    async def _find_news(self) -> News:
        """What the store says now, with the pages made ready for it; reports that come meanwhile included."""
        prepared, news = self._news, await self._read()
        for _ in range(MOST_TURNS):
            if news == prepared or not self._viewers:
                break
            await asyncio.to_thread(self._prepare, self.connected)
            prepared, news = news, await self._read()
        return news

    async def _read(self) -> News:
        clusters = await asyncio.to_thread(self._clusters)
        reports = {cluster.name: cluster.report for cluster in clusters}
        found = stamps(clusters, self.connected, time.time())
        return {name: {"report": reports.get(name), "stamp": one} for name, one in found.items()}

    def _tell(self, news: News) -> None:
        changed = {name: item for name, item in news.items() if self._news.get(name) != item}
        self._news = news
        if changed:
            for viewer in self._viewers:
                viewer.add(changed)

    @contextlib.contextmanager
    def viewer(self) -> Any:
        """A browser that listens; it is told the last news of every cluster first."""
        viewer = Viewer(self._news, lambda: len(self._viewers))
        self._viewers.add(viewer)
        try:
            yield viewer
        finally:
            self._viewers.discard(viewer)


class Viewer:
    """One browser's unread news; older news of a cluster gives way to newer."""

    def __init__(self, news: Mapping[str, dict[str, Any]], count: Callable[[], int]) -> None:
        self._count = count
        self._unread: News = dict(news)
        self._arrived = asyncio.Event()
        self._arrived.set()

    def add(self, news: News) -> None:
        """Put news in; never waits."""
        self._unread.update(news)
        self._arrived.set()

    async def messages(self) -> Any:
        """JSON texts to send, for ever: news as it comes, and a sign of life in between."""
        while True:
            await set_within(self._arrived, PING_SECONDS)
            self._arrived.clear()
            unread, self._unread = self._unread, {}
            yield json.dumps({"now": time.time(), "news": unread, "viewers": self._count()})
