"""The simulations' process: answers the demo's commands on a unix socket, each with what is true now.

Nothing runs between questions: the simulations are moved to the present when somebody asks.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from zoneinfo import ZoneInfo

from demo.accounting import AccountingLog
from demo.client import SOCKET
from demo.dialects import answer
from demo.simulation import Simulation
from demo.state import accounting_folder, load_epoch

CLIENT_SECONDS = 10.0
"""How long a client may take to say what it wants, and to take the answer."""

MAX_REQUEST = 65536


PARENT_CHECK_SECONDS = 2.0


class Stopped(BaseException):
    """A signal asked for the end; no error, so that nothing but the main function takes it."""


def run_server(state: Path, say: Callable[[str], None] = print, with_parent: bool = False) -> int:
    """Serve until SIGTERM or SIGINT, or `with_parent` until the parent process is gone.

    Says one line when the commands are answered. Returns an exit code.
    """
    parent = os.getppid()
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    try:
        epoch = load_epoch(state)
        began = time.monotonic()
        simulations = {name: epoch.simulate(name) for name in epoch.clusters}
        logs = {}
        for name, simulation in simulations.items():
            simulation.advance(int(time.time()))
            if folder := accounting_folder(state, name):
                logs[name] = AccountingLog(folder, simulation)
        with _listen(state) as listener:
            try:
                say(f"demo: {', '.join(simulations)} answer after {time.monotonic() - began:.1f} s")
                listener.settimeout(PARENT_CHECK_SECONDS if with_parent else None)
                while not with_parent or os.getppid() == parent:
                    with contextlib.suppress(TimeoutError):
                        connection, _ = listener.accept()
                        with connection:
                            _serve_one(connection, simulations, logs)
                return 0
            finally:
                (state / SOCKET).unlink(missing_ok=True)
    except Stopped:
        return 0


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped


def _listen(state: Path) -> socket.socket:
    """Bind in the state folder; a socket that a killed process left behind is replaced."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = Path.cwd()
    os.chdir(state)  # the path of a socket may have about 100 characters only
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(SOCKET)
            except OSError:
                Path(SOCKET).unlink(missing_ok=True)
            else:
                sys.exit(f"demo: another process serves {state}")
        listener.bind(SOCKET)
        Path(SOCKET).chmod(0o600)
        listener.listen(64)
    finally:
        os.chdir(before)
    return listener


def _serve_one(connection: socket.socket, simulations: dict[str, Simulation], logs: dict[str, AccountingLog]) -> None:
    connection.settimeout(CLIENT_SECONDS)
    try:
        with connection.makefile("rb") as stream:
            request = json.loads(stream.readline(MAX_REQUEST))
        simulation = simulations[request["cluster"]]
        simulation.advance(int(time.time()))
        if log := logs.get(request["cluster"]):
            log.write()
        printed = answer(simulation, request["argv"], _zone(request.get("zone")))
        head = {"exit_code": printed.exit_code, "stdout": len(printed.stdout), "stderr": len(printed.stderr)}
        connection.sendall(json.dumps(head).encode() + b"\n" + printed.stdout + printed.stderr)
    except Exception as error:  # whatever one client sends, the others are served
        print(f"demo: a client was not answered: {error!r}", file=sys.stderr)


def _zone(name: str | None) -> ZoneInfo | None:
    """The client's TZ; this machine's zone where it has none, or one that is no IANA name."""
    try:
        return ZoneInfo(name.lstrip(":")) if name else None
    except (KeyError, ValueError, OSError):
        return None
