"""A fake agent on a real socket, for the collector's tests: it answers what it is told to."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import zmq
import zmq.asyncio
from zmq.auth.asyncio import AsyncioAuthenticator

from agent.keys import KeyPair
from agent.wire import request_from_wire

Reply = Callable[[str], "bytes | None"]
"""The ask -> the reply frame; None stays silent."""


class FakeAgent:
    """Where it listens, and what it was asked."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.asked: list[str] = []


@contextlib.asynccontextmanager
async def fake_agent(
    reply: Reply, keys: KeyPair | None = None, allowed: bytes | None = None
) -> AsyncIterator[FakeAgent]:
    context = zmq.asyncio.Context()
    authenticator = None
    socket = context.socket(zmq.ROUTER)
    if keys is not None:
        authenticator = AsyncioAuthenticator(context)
        authenticator.start()
        authenticator.configure_curve_callback(credentials_provider=_Allowed(allowed))
        socket.curve_server = True
        socket.curve_secretkey = keys.secret
    agent = FakeAgent(f"tcp://127.0.0.1:{socket.bind_to_random_port('tcp://127.0.0.1')}")
    task = asyncio.create_task(_answer(socket, reply, agent))
    try:
        yield agent
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        socket.close(linger=0)
        if authenticator is not None:
            authenticator.stop()
        context.destroy(linger=0)


class _Allowed:
    def __init__(self, key: bytes | None) -> None:
        self._key = key

    def callback(self, domain: str, key: bytes) -> bool:
        return key == self._key


async def _answer(socket: zmq.asyncio.Socket, reply: Reply, agent: FakeAgent) -> None:
    while True:
        *route, body = await socket.recv_multipart()
        ask = request_from_wire(body).ask
        agent.asked.append(ask)
        answer = reply(ask)
        if answer is not None:
            await socket.send_multipart([*route, answer])
