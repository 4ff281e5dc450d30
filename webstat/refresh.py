"""Asks the collector: to poll a cluster now, or to do what somebody wishes with their rules; says in words what happened.

The collector decides whether it may; browsers that ask for the same report at the same time share one question.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import zmq
import zmq.asyncio

from agent.curve import Peer
from agent.errors import KeysError
from webstat.format import duration, shorten
from webstat.live import REFUSAL, REFUSED

log = logging.getLogger(__name__)

CONNECT_SECONDS = 1.5
ANSWER_SECONDS = 25.0
"""The collector itself keeps an asker waiting for up to 20 s."""
TRIES = 2
LARGEST_ANSWER = 64 * 1024
NO_COLLECTOR = "The collector does not answer. Admin: start it with “python -m collector run”."

DISAGREE = "The collector and this page disagree about keys. Admin: see “python -m collector check”."


@dataclass(frozen=True)
class Answer:
    """What became of a refresh: whether a new report came, the words for it, and when the next is allowed."""

    ok: bool
    message: str
    next_allowed_at: float | None = None
    report: int | None = None

    def to_json(self) -> dict[str, Any]:
        """As the browser gets it."""
        return asdict(self)


class Refresher:
    """Questions to the collectors' sockets, at most one per cluster at a time."""

    def __init__(self, peer_of: Callable[[str], Peer | None], answer_seconds: float = ANSWER_SECONDS) -> None:
        """`peer_of` says where the collector of a cluster takes them, if there is one; it may look into the store."""
        self._peer_of = peer_of
        self._answer_seconds = answer_seconds
        self._asking: dict[str, asyncio.Task[Answer]] = {}

    async def ask(self, cluster: str) -> Answer:
        """Ask for a poll of `cluster`; always an Answer, whatever happens."""
        task = self._asking.get(cluster)
        if task is None:
            task = self._asking[cluster] = asyncio.create_task(self._ask(cluster))
            task.add_done_callback(lambda _: self._asking.pop(cluster, None))
        # A browser that goes away must not take the answer from the others.
        return await asyncio.shield(task)

    async def _ask(self, cluster: str) -> Answer:
        peer = await asyncio.to_thread(self._peer_of, cluster)
        try:
            reached, raw = await _put(peer, {"refresh": cluster}, self._answer_seconds, TRIES)
        except KeysError:
            return Answer(False, DISAGREE)
        if raw is not None:
            return _read(cluster, raw)
        if reached:
            waited = duration(TRIES * self._answer_seconds)
            return Answer(False, f"{cluster}: the collector took the question and gave no answer in {waited}.")
        return Answer(False, NO_COLLECTOR)


async def tell(peer: Peer | None, wish: dict[str, Any], answer_seconds: float = ANSWER_SECONDS) -> dict[str, Any]:
    """Bring somebody's wish about their rules to a collector; its answer, or words for there being none.

    Asked once: it might be done twice.
    """
    try:
        reached, raw = await _put(peer, {"tell": wish}, answer_seconds, 1)
        if raw is not None:
            answer = json.loads(raw)
            return {**answer, "ok": bool(answer["ok"]), "message": str(answer["message"])}
    except KeysError:
        return {"ok": False, "message": DISAGREE}
    except (ValueError, KeyError, TypeError):
        return {"ok": False, "message": "The collector’s answer could not be read."}
    words = "The collector took the wish and gave no answer; look whether it was done." if reached else NO_COLLECTOR
    return {"ok": False, "message": words}


async def _put(
    peer: Peer | None, question: dict[str, Any], answer_seconds: float, tries: int
) -> tuple[bool, bytes | None]:
    """(whether a collector was reached, what it answered). Raises KeysError, which is logged."""
    if peer is None:
        return False, None
    reached = False
    with zmq.asyncio.Context() as context:
        for _ in range(tries):
            # Lazy Pirate: a REQ socket without its answer is of no further use.
            with context.socket(zmq.REQ) as socket:
                socket.linger = 0
                socket.immediate = True
                socket.maxmsgsize = LARGEST_ANSWER
                try:
                    if not await _reach(socket, peer):
                        break
                except KeysError as error:
                    log.warning("collector cannot be asked endpoint=%s error=%s", peer.endpoint, error)
                    raise
                socket.sndtimeo = int(CONNECT_SECONDS * 1000)
                try:
                    await socket.send(json.dumps(question).encode())
                except zmq.Again:  # it went away meanwhile
                    continue
                reached = True
                if await socket.poll(answer_seconds * 1000, zmq.POLLIN):
                    return True, await socket.recv()
    log.warning("question without answer asked=%s endpoint=%s reached=%s", next(iter(question)), peer.endpoint, reached)
    return reached, None


async def _reach(socket: zmq.asyncio.Socket, peer: Peer) -> bool:
    """Whether the connection stands; raises KeysError where one side does not take the other's key."""
    monitor = socket.get_monitor_socket(REFUSED)
    try:
        peer.connect(socket)
        if await socket.poll(CONNECT_SECONDS * 1000, zmq.POLLOUT):
            return True
        if await monitor.poll(0):
            raise KeysError(REFUSAL)
        return False
    finally:
        socket.disable_monitor()
        monitor.close(linger=0)


def _read(cluster: str, raw: bytes) -> Answer:
    try:
        document = json.loads(raw)
        ok, message = bool(document["ok"]), str(document["message"])
        report, allowed = document.get("report"), document.get("next_allowed_at")
        report = int(report) if report is not None else None
        allowed = float(allowed) if allowed is not None else None
    except (ValueError, KeyError, TypeError):
        return Answer(False, f"{cluster}: the collector’s answer could not be read.")
    number = f" (report {report:,})" if ok and report is not None else ""
    return Answer(ok, f"{cluster}: {shorten(message, 200).rstrip('.')}{number}.", allowed, report)
