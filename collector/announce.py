"""Tells web processes of new reports (PUB), and takes their wishes for a refresh (ROUTER for REQ peers).

An announcement is one JSON frame `{"cluster", "report", "taken_at"}`, or after a failed poll
`{"cluster", "report": null, "health": code}`. A request is `{"refresh": cluster}`, its answer
`{"ok", "message", "next_allowed_at", "report"}`. What a refresh does is service.py's business.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import zmq
import zmq.asyncio

from collector.errors import CollectorError

Refresh = Callable[[str], Awaitable[dict[str, Any]]]

_MAX_REQUEST_BYTES = 4096


class Announcer:
    """The two sockets, bound; `serve` answers until it is cancelled."""

    def __init__(self, context: zmq.asyncio.Context, announce: str, refresh: str) -> None:
        self._pub = context.socket(zmq.PUB)
        self._router = context.socket(zmq.ROUTER)
        self._router.setsockopt(zmq.MAXMSGSIZE, _MAX_REQUEST_BYTES)
        for bound, endpoint, key in ((self._pub, announce, "announce"), (self._router, refresh, "refresh")):
            bound.setsockopt(zmq.LINGER, 200)
            try:
                bound.bind(endpoint)
            except zmq.ZMQError as error:
                self.close()
                raise CollectorError(
                    f"cannot listen on {endpoint}: {error}; is another collector running? Else change [collector] {key}"
                ) from None

    @property
    def addresses(self) -> tuple[str, str]:
        """Where announcements are heard, and refreshes wished for: as bound, with this host's name for all addresses."""
        bound = (self._pub.getsockopt_string(zmq.LAST_ENDPOINT), self._router.getsockopt_string(zmq.LAST_ENDPOINT))
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
        await self._pub.send(json.dumps(message).encode())

    async def serve(self, refresh: Refresh) -> None:
        """Answer requests, several at a time."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                *route, body = await self._router.recv_multipart()
                tasks.create_task(self._answer(route, body, refresh))

    async def _answer(self, route: list[bytes], body: bytes, refresh: Refresh) -> None:
        try:
            request = json.loads(body)
            name = request["refresh"]
            if not isinstance(name, str):
                raise TypeError
        except (ValueError, TypeError, KeyError, RecursionError):
            answer = {"ok": False, "message": 'expected {"refresh": "name of a cluster"}'}
        else:
            answer = await refresh(name)
        answer = {"next_allowed_at": None, "report": None, **answer}
        await self._router.send_multipart([*route, json.dumps(answer).encode()])
