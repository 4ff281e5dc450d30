"""The REP loop: one request, one reply, errors included, for as long as the agent serves.

At most one round of commands runs per `min_age`, however many ask: what a round gave, report or error, is
what everybody gets until it is too old. What a round does is the probe's business, how messages look wire's.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from typing import Any, Callable, Dict, List, Optional

import zmq

from agent import __version__, notify
from agent.commands import Stopped
from agent.curve import Allowed, Door, is_local
from agent.errors import AgentError, KeysError, MalformedMessage, SettingsError
from agent.keys import load_secret
from agent.log import fields
from agent.report import PROTOCOL, Report
from agent.settings import AgentSettings
from agent.wire import answer_to_wire, error_to_wire, request_from_wire, to_wire

_log = logging.getLogger("webstat.agent")

MAX_REQUEST_BYTES = 64 * 1024
"""libzmq drops a peer that sends more; requests that wire.py refuses are below and get a reply."""
_LINGER_MS = 200


class Remembered(AgentError):
    """An error as it goes out: with the age of the round that failed, and when the next may be."""

    def __init__(self, error: AgentError, age_seconds: float, retry_after_seconds: float) -> None:
        super().__init__(str(error))
        self.code = error.code
        self._detail = {
            **error.detail(),
            "age_seconds": round(age_seconds, 1),
            "retry_after_seconds": round(retry_after_seconds, 1),
        }

    def detail(self) -> Dict[str, Any]:
        return self._detail


class Stop:
    """Becomes true at the first SIGTERM or SIGINT, and then wakes whoever waits on `fd`. The second one kills."""

    def __init__(self) -> None:
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self.requested = False
        self._before: Dict[int, Any] = {}
        self._wakeup_before = -1

    @property
    def fd(self) -> int:
        """Readable once the agent is to end."""
        return self._wake_read

    def request(self) -> None:
        """Ask the agent to end."""
        self.requested = True
        os.write(self._wake_write, b"x")

    def install(self) -> None:
        """Take SIGTERM and SIGINT; only in the main thread."""
        # Written by the interpreter itself when a signal comes: a handler of ours would run too late for a
        # poll that is just being entered.
        self._wakeup_before = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._handle)

    def close(self) -> None:
        """Give the signals back."""
        if self._before:
            signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _handle(self, number: int, frame: Any) -> None:
        signal.signal(number, signal.SIG_DFL)
        self.request()


class Agent:
    """Answers requests; owns what the last round gave, no socket and no clock of its own."""

    def __init__(
        self,
        take: Callable[[], Report],
        facts: Callable[[], Dict[str, Any]],
        min_age: float,
        max_message: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._take = take
        self._facts = facts
        self._min_age = min_age
        self._max_message = max_message
        self._clock = clock
        self._reply: Optional[bytes] = None
        self._error: Optional[AgentError] = None
        self._round_at: Optional[float] = None

    def answer(self, frames: List[bytes]) -> bytes:
        """The reply to one request; never raises but Stopped."""
        try:
            if len(frames) != 1:
                raise MalformedMessage(f"a request is one frame, this one has {len(frames)}")
            ask = request_from_wire(frames[0]).ask
            if ask == "report":
                return self._report()
            if ask == "ping":
                return answer_to_wire(self._ping())
            raise MalformedMessage(f"field 'ask' of the request is {ask[:40]!r}, expected 'report' or 'ping'")
        except AgentError as error:
            _log.warning("request refused", extra=fields(code=error.code, message=str(error)))
            return error_to_wire(error)
        except Stopped:
            raise
        except Exception as error:
            return error_to_wire(_internal(error))

    def _ping(self) -> Dict[str, Any]:
        return {"agent_version": __version__, "protocol": PROTOCOL, "now": time.time(), **self._facts()}

    def _report(self) -> bytes:
        now = self._clock()
        if self._round_at is None or now - self._round_at >= self._min_age:
            self._round()
            # Counted from the end: a round that took longer than min_age is not followed by the next at once.
            now = self._round_at = self._clock()
        if self._error is not None:
            age = now - self._round_at
            return error_to_wire(Remembered(self._error, age, max(0.0, self._min_age - age)))
        assert self._reply is not None
        return self._reply

    def _round(self) -> None:
        started = self._clock()
        self._reply = self._error = None
        try:
            report = self._take()
            self._reply = to_wire(report, self._max_message)
        except AgentError as error:
            self._error = error
            seconds = self._clock() - started
            _log.error("round failed", extra=fields(code=error.code, message=str(error), seconds=seconds))
        except Stopped:
            raise
        except Exception as error:
            self._error = _internal(error)
        else:
            _log.info(
                "report made",
                extra=fields(
                    cluster=report.cluster,
                    jobs=len(report.jobs),
                    nodes=len(report.nodes),
                    warnings=len(report.warnings),
                    seconds=self._clock() - started,
                    bytes=len(self._reply),
                ),
            )
            for warning in report.warnings[:20]:
                _log.warning("in report", extra=fields(source=warning.source, message=warning.message))


def serve(settings: AgentSettings, take: Callable[[], Report], facts: Callable[[], Dict[str, Any]], stop: Stop) -> None:
    """Bind and answer until `stop`; raises SettingsError or KeysError before the first request."""
    keys = load_secret(settings.secret_key_file) if settings.secret_key_file else None
    allowed = Allowed(settings.allow) if keys else None
    check_exposure(settings.bind, with_keys=keys is not None, insecure=settings.insecure)
    context = zmq.Context()
    door = Door(context, keys, allowed) if keys and allowed else None
    socket = context.socket(zmq.REP)
    try:
        socket.setsockopt(zmq.MAXMSGSIZE, MAX_REQUEST_BYTES)
        socket.setsockopt(zmq.LINGER, _LINGER_MS)
        socket.setsockopt(zmq.IPV6, 1 if "[" in settings.bind else 0)
        if door is not None:
            door.guard(socket)
        try:
            socket.bind(settings.bind)
        except zmq.ZMQError as error:
            raise SettingsError(f"cannot bind {settings.bind}: {error.strerror}; choose another --bind") from None
        endpoint = socket.getsockopt_string(zmq.LAST_ENDPOINT)
        collectors = len(door.keys) if door is not None else 0
        _log.info("serving", extra=fields(bind=endpoint, curve=door is not None, collectors=collectors))
        notify.ready(f"serving {settings.cluster or 'a cluster'} at {endpoint}")
        _loop(socket, Agent(take, facts, settings.min_age, settings.max_message), door, stop)
        notify.stopping()
        _log.info("ended")
    finally:
        socket.close()
        if door is not None:
            door.close()
        context.term()


def check_exposure(bind: str, with_keys: bool, insecure: bool) -> None:
    """Refuse a socket that others can reach without keys; raises SettingsError."""
    if with_keys or insecure or is_local(bind):
        return
    raise SettingsError(
        f"--bind {bind} can be reached from other hosts, and there are no keys: give --secret-key-file and --allow "
        "(see: python -m agent keys make), or bind tcp://127.0.0.1:PORT; --insecure serves anybody"
    )


def _loop(socket: zmq.Socket[bytes], agent: Agent, door: Optional[Door], stop: Stop) -> None:
    poller = zmq.Poller()
    poller.register(socket, zmq.POLLIN)
    poller.register(stop.fd, zmq.POLLIN)
    watchdog = notify.watchdog_seconds()
    while True:
        notify.alive()
        poller.poll(None if watchdog is None else int(watchdog * 1000))
        if stop.requested:
            return
        try:
            frames = socket.recv_multipart(zmq.NOBLOCK, copy=False)
        except zmq.Again:
            continue
        if door is not None and not door.lets_in(frames[0]):
            socket.send(error_to_wire(KeysError("the agent does not allow this collector's key any more")))
            continue
        try:
            reply = agent.answer([frame.bytes for frame in frames])
        except Stopped:
            return
        socket.send(reply)


def _internal(error: Exception) -> AgentError:
    _log.error("internal error", exc_info=error)
    return AgentError(f"internal error of the agent: {type(error).__name__}: {error}; its log tells where")
