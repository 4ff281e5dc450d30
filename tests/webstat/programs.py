"""memcached, HAProxy and web processes as they are run for good, each on a port of its own, ended with the block."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from scripts.run import free_port
from scripts.setup import find_program
from tests.webstat.served import wait_for

ROOT = Path(__file__).resolve().parent.parent.parent


def program(name: str) -> str:
    """Where a Debian program is; without it the test is skipped."""
    found = find_program(name)
    if found is None:
        pytest.skip(f"no {name} found: apt-get install {name} to have the tests with it")
    return found


class Process:
    """A program that listens on `port`; it may be killed and started again."""

    def __init__(self, command: Sequence[str], port: int, log: Path) -> None:
        self.port = port
        self._command = [str(word) for word in command]
        self._log = log
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(self._command, cwd=ROOT, stdout=log, stderr=log)
        wait_for(self._listens, f"{self._command[0]} to listen; {self.said()}", seconds=60)

    def stop(self) -> None:
        """SIGTERM, and wait for its end."""
        self.process.terminate()
        self.process.wait(30)

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(30)

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def said(self) -> str:
        """The end of its log."""
        return self._log.read_text(errors="replace")[-3000:] if self._log.exists() else ""

    def _listens(self) -> bool:
        assert self.process.poll() is None, self.said()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False


@contextlib.contextmanager
def running(command: Sequence[str], port: int, log: Path) -> Iterator[Process]:
    """A program for as long as the block lasts."""
    one = Process(command, port, log)
    try:
        yield one
    finally:
        one.kill()


@contextlib.contextmanager
def memcached(folder: Path) -> Iterator[Process]:
    """A memcached of its own."""
    port = free_port(0)
    account = ["-u", "root"] if os.geteuid() == 0 else []
    command = [program("memcached"), "-l", "127.0.0.1", "-p", str(port), "-U", "0", "-m", "64", *account]
    with running(command, port, folder / "memcached.log") as one:
        yield one


@contextlib.contextmanager
def web(config: Path, port: int, name: str) -> Iterator[Process]:
    """`app.py --config config --port port`."""
    command = [sys.executable, "app.py", "--config", str(config), "--port", str(port)]
    with running(command, port, config.parent / f"{name}.log") as one:
        yield one
