"""Asks one agent: one request, one report or a typed error. Lazy Pirate: a socket that got no answer is dropped.

Source of the pattern: the ZeroMQ guide, chapter 4. When to ask is schedule.py's business.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import zmq
import zmq.asyncio
from zmq.utils.monitor import recv_monitor_message

from agent.curve import Peer
from agent.errors import ErrorReply, KeysError, WireError
from agent.keys import load_secret, read_allowed
from agent.wire import MAX_MESSAGE_BYTES, answer_from_wire, request_to_wire
from collector.errors import NoAnswer, NoneYet, PollFailed, SettingsError
from collector.settings import ClusterSettings, CollectorSettings

CONNECT_SECONDS = 5.0
"""How long a connection and its handshake may take; the answer itself has `timeout_seconds`."""

_REFUSED: dict[int, str] = {
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: "the agent does not allow this collector's key; give the agent the collector's "
    ".key file (--allow)",
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: "the agent and the collector disagree about keys: one side uses CURVE and the "
    "other does not, or server_key_file is not this agent's key",
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: "the agent ended the handshake; check that server_key_file is its public "
    "key and that it allows this collector's",
}
_EVENTS: int = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
for _event in _REFUSED:
    _EVENTS |= _event


def peers_of(cluster: ClusterSettings, collector: CollectorSettings) -> tuple[Peer, ...]:
    """The agent that webstat.toml names, once for each key it may have; raises SettingsError where a file cannot be used."""
    if cluster.server_key_file is None:
        return (Peer(cluster.agent),)
    assert collector.secret_key_file is not None  # settings.py sees to it
    try:
        own = load_secret(collector.secret_key_file)
        keys, wrong = read_allowed([cluster.server_key_file])
        if wrong and not keys:  # beside a good one, one that is just being copied does no harm
            raise wrong[0]
    except KeysError as error:
        raise SettingsError(f"cluster {cluster.name}: {error}") from None
    if not keys:
        raise SettingsError(
            f"cluster {cluster.name}: no .key file in {cluster.server_key_file}; copy the agent's there"
        )
    return tuple(Peer(cluster.agent, key, own) for key in sorted(keys))


async def fetch_reply(
    context: zmq.asyncio.Context, peers: Sequence[Peer], ask: str, timeout: float, retries: int = 0
) -> bytes:
    """The agent's reply frame to `ask`; raises PollFailed (code `silent` or `refused`).

    `timeout` seconds for each of 1 + `retries` tries, connecting included. A refusal is not tried again, but with
    the next of `peers`: the same agent by another of its keys.
    """
    *others, last = peers
    for peer in others:
        try:
            return await _retry(context, peer, ask, timeout, retries)
        except PollFailed as error:
            if error.code != "refused":
                raise
    return await _retry(context, last, ask, timeout, retries)


async def fetch_answer(context: zmq.asyncio.Context, peers: Sequence[Peer], ask: str, timeout: float) -> dict[str, Any]:
    """The facts the agent answers to `ask` (such as `ping`); raises PollFailed."""
    reply = await fetch_reply(context, peers, ask, timeout)
    try:
        return answer_from_wire(reply)
    except WireError as error:
        raise failure(error) from None


def failure(error: WireError) -> PollFailed:
    """What the agent's modules raise, as this side's error: the agent's own words, command and stderr included."""
    if not isinstance(error, ErrorReply):
        return PollFailed(str(error), error.code)
    detail = error.reply_detail
    words = [str(error)]
    stderr = str(detail.get("stderr") or "").strip()
    if stderr and stderr not in words[0]:
        words.append(f"it said: {stderr[:500]}")
    return PollFailed("; ".join(words), error.reply_code)


async def _retry(context: zmq.asyncio.Context, peer: Peer, ask: str, timeout: float, retries: int) -> bytes:
    for left in range(retries, -1, -1):
        try:
            return await _try(context, peer, ask, timeout)
        except NoAnswer:
            if not left:
                raise
    raise AssertionError("unreachable")


async def _try(context: zmq.asyncio.Context, peer: Peer, ask: str, timeout: float) -> bytes:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    async with _socket(context, peer) as (socket, monitor):
        await _handshake(monitor, peer, min(CONNECT_SECONDS, timeout))
        try:
            await socket.send(request_to_wire(ask))
        except zmq.Again:
            raise NoAnswer(f"the agent at {peer.endpoint} went away before it was asked") from None
        waiting = asyncio.ensure_future(socket.recv())
        lost = asyncio.ensure_future(_disconnected(monitor))
        try:
            await asyncio.wait(
                {waiting, lost}, timeout=max(0.0, deadline - loop.time()), return_when=asyncio.FIRST_COMPLETED
            )
            if waiting.done():
                return bytes(waiting.result())
            if lost.done():
                raise NoAnswer(f"the agent at {peer.endpoint} went away before it answered")
        finally:
            for task in (waiting, lost):
                task.cancel()
            await asyncio.gather(waiting, lost, return_exceptions=True)
    raise NoneYet(
        f"the agent at {peer.endpoint} took the request and did not answer within {timeout:g} s; "
        "look at its log, or raise timeout_seconds"
    )


@contextlib.asynccontextmanager
async def _socket(
    context: zmq.asyncio.Context, peer: Peer
) -> AsyncIterator[tuple[zmq.asyncio.Socket, zmq.asyncio.Socket]]:
    socket = context.socket(zmq.REQ)
    socket.setsockopt(zmq.LINGER, 0)
    # Nobody may be there any more to be asked; then sending would wait for ever.
    socket.setsockopt(zmq.SNDTIMEO, int(CONNECT_SECONDS * 1000))
    socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
    socket.setsockopt(zmq.IPV6, 1)
    monitor = socket.get_monitor_socket(_EVENTS)
    try:
        try:
            peer.connect(socket)
        except zmq.ZMQError as error:
            raise NoAnswer(f"{peer.endpoint} cannot be connected to: {error}") from None
        yield socket, monitor
    finally:
        socket.disable_monitor()
        monitor.close(linger=0)
        socket.close(linger=0)


async def _handshake(monitor: zmq.asyncio.Socket, peer: Peer, timeout: float) -> None:
    """Return when the connection stands; raise what went wrong otherwise."""
    disconnected = False
    try:
        async with asyncio.timeout(timeout):
            while True:
                event = int((await recv_monitor_message(monitor))["event"])
                if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                    return
                if event in _REFUSED:
                    raise PollFailed(_REFUSED[event], "refused")
                disconnected = True  # it is tried again by itself until the time is up
    except TimeoutError:
        pass
    if disconnected:
        raise PollFailed(_REFUSED[zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL], "refused")
    raise NoAnswer(f"nothing answers at {peer.endpoint}; is the agent running, and the address right?")


async def _disconnected(monitor: zmq.asyncio.Socket) -> None:
    while (await recv_monitor_message(monitor))["event"] != zmq.EVENT_DISCONNECTED:
        pass
