"""Tells web processes of new reports (PUB), and takes their wishes for a refresh (ROUTER for REQ peers).

An announcement is one JSON frame `{"cluster", "report", "taken_at"}`, or after a failed poll
`{"cluster", "report": null, "health": code}`. A request is `{"refresh": cluster}`, its answer
`{"ok", "message", "next_allowed_at", "report"}`. What a person asks to be told of comes the same way, as `{"tell": wish}`. What
these do is service.py's business, who may come in keys.py's.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import zmq
import zmq.asyncio

from agent.curve import Door
from collector.errors import CollectorError

log = logging.getLogger("collector")

Refresh = Callable[[str], Awaitable[dict[str, Any]]]
Tell = Callable[[Any], Awaitable[dict[str, Any]]]

_MAX_REQUEST_BYTES = 4096
REBIND_PAUSES = (0.0, 0.02, 0.1, 0.5, 2.0)
"""Before each try to bind an address that was just given up."""


class Announcer:
    """The two sockets, bound; `serve` answers until it is cancelled."""

    def __init__(self, context: zmq.asyncio.Context, announce: str, refresh: str, door: Door | None = None) -> None:
        """With a `door` only those whom it lets in hear and ask; it stays its owner's."""
        self._context = context
        self._door = door
        self._shut = False
        self._sending = asyncio.Lock()
        self._pub = context.socket(zmq.PUB)
        self._router = context.socket(zmq.ROUTER)
        self._router.setsockopt(zmq.MAXMSGSIZE, _MAX_REQUEST_BYTES)
        for bound, endpoint, key in ((self._pub, announce, "announce"), (self._router, refresh, "refresh")):
            self._guard(bound)
            try:
                bound.bind(endpoint)
            except zmq.ZMQError as error:
                self.close()
                raise CollectorError(
                    f"cannot listen on {endpoint}: {error}; is another collector running? Else change [collector] {key}"
                ) from None
        self._announce_at = self._pub.getsockopt_string(zmq.LAST_ENDPOINT)

    def _guard(self, bound: zmq.asyncio.Socket) -> None:
        bound.setsockopt(zmq.LINGER, 200)
        if self._door is not None:
            self._door.guard(bound)

    @property
    def addresses(self) -> tuple[str, str]:
        """Where announcements are heard, and refreshes wished for: as bound, with this host's name for all addresses."""
        bound = (self._announce_at, self._router.getsockopt_string(zmq.LAST_ENDPOINT))
        host = f"//{socket.getfqdn()}:"
        announce, refresh = (one.replace("//0.0.0.0:", host).replace("//[::]:", host) for one in bound)
        return announce, refresh

    def close(self) -> None:
        """Close both sockets."""
        self._pub.close()
        self._router.close()

    async def announce(self, cluster: str, report: int | None, taken_at: float | None, health: str | None) -> None:
        """Say that `cluster` has `report`, or, where it is None, how its last poll failed."""
        message: dict[str, Any] = {"cluster": cluster, "report": report, "taken_at": taken_at}
        if health is not None:
            message["health"] = health
        async with self._sending:
            if self._door is not None and (self._door.has_gone() or self._shut):
                await self._open_anew()
            await self._pub.send(json.dumps(message).encode())

    async def _open_anew(self) -> None:
        """Make the announcements' socket anew, since libzmq sends no peer away whose key was taken from the folder.

        The others come back by themselves and look into the store then, so what is said meanwhile is not missed.
        """
        self._shut = True
        self._pub.close()
        self._pub = self._context.socket(zmq.PUB)
        self._guard(self._pub)
        for pause in REBIND_PAUSES:
            await asyncio.sleep(pause)
            try:
                self._pub.bind(self._announce_at)
            except zmq.ZMQError as error:  # the old socket is ended by another thread
                said = str(error)
            else:
                self._shut = False
                log.info("keys were taken away: announcements begin anew for those that are left")
                return
        log.error("announcements are heard by nobody until the next try endpoint=%s error=%s", self._announce_at, said)

    async def serve(self, refresh: Refresh, tell: Tell) -> None:
        """Answer requests, several at a time."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                *route, body = await self._router.recv_multipart(copy=False)
                if self._door is None or self._door.lets_in(body):
                    tasks.create_task(self._answer([frame.bytes for frame in route], body.bytes, refresh, tell))

    async def _answer(self, route: list[bytes], body: bytes, refresh: Refresh, tell: Tell) -> None:
        try:
            request = json.loads(body)
        except (ValueError, RecursionError):
            request = None
        match request:
            case {"refresh": str(name)}:
                answer = await refresh(name)
            case {"tell": wish}:
                answer = await tell(wish)
            case _:
                answer = {"ok": False, "message": 'expected {"refresh": "name of a cluster"}'}
        answer = {"next_allowed_at": None, "report": None, **answer}
        await self._router.send_multipart([*route, json.dumps(answer).encode()])
