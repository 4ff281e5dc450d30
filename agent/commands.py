"""The only door to subprocess: runs one scheduler command with a time limit and an output cap.

What a command's exit code means is the probe's business, which commands there are the dialect's.
No shell, no standard input, LC_ALL=C.UTF-8, and a process group of its own that is ended whole.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shlex
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional, Sequence

from agent.errors import CommandError, CommandMissing, CommandTimeout, OutputTooLarge

STDERR_LIMIT = 64 * 1024
"""Bytes of standard error that are kept; the rest is read and dropped."""
_CHUNK = 1 << 18
_TICK = 0.1
"""Seconds between looks at whether the command has ended while something still holds its pipe."""
_GRACE = 0.4
"""Seconds between SIGTERM and SIGKILL, and for a pipe that a grandchild holds open."""


class Stopped(Exception):
    """The agent was asked to end while a command ran; the command has been killed. Never an error reply."""


@dataclass(frozen=True)
class Output:
    """What one command printed, and how it ended."""

    command: str
    """The command line as one string, quoted as a shell would need it."""
    stdout: bytes
    stderr: str
    exit_code: int
    """Minus the signal's number if a signal ended it."""
    seconds: float
    finished_at: float
    """Unix seconds UTC."""


@dataclass(frozen=True)
class Limits:
    """How commands are run: the same for each command of one agent."""

    timeout_seconds: float = 60.0
    max_bytes: int = 512 * 1024 * 1024
    path: Optional[Path] = None
    """A folder that is searched before PATH."""
    timezone: Optional[str] = None
    """TZ for the command, so that the client prints in the zone its output is read in."""
    stop_fd: Optional[int] = None
    """A file descriptor that becomes readable when the agent is to end."""


def find(name: str, path: Optional[Path] = None) -> Optional[str]:
    """The file that `run` would start for this command name, or None."""
    return shutil.which(name, path=_search_path(path))


def run(argv: Sequence[str], limits: Limits) -> Output:
    """Run one command and return what it printed, whatever its exit code.

    Raises CommandMissing if it cannot be started, CommandTimeout, OutputTooLarge, and Stopped.
    A child that ignores SIGTERM gets SIGKILL; a grandchild that keeps the pipe open is not waited for.
    """
    command = shlex.join(argv)
    started = time.monotonic()
    process = _start(argv, command, limits)
    try:
        reader = _Reader(process, limits, command, started + limits.timeout_seconds)
        reader.read_all()
        exit_code = reader.wait()
    finally:
        _end(process)
    return Output(
        command=command,
        stdout=reader.stdout(),
        stderr=printable(reader.stderr),
        exit_code=exit_code,
        seconds=round(time.monotonic() - started, 3),
        finished_at=time.time(),
    )


def printable(raw: bytes) -> str:
    """Standard error as text: what cannot be shown or could act on a terminal is replaced, lines and tabs stay."""
    text = raw.decode("utf-8", "replace").replace("\r\n", "\n")
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


class _Reader:
    """Reads both pipes of one process until they close, the process is gone, or a limit is reached."""

    def __init__(self, process: subprocess.Popen[bytes], limits: Limits, command: str, deadline: float) -> None:
        self.process = process
        self.limits = limits
        self.command = command
        self.deadline = deadline
        self.stderr = b""
        self._chunks: List[bytes] = []
        self._size = 0

    def stdout(self) -> bytes:
        whole = b"".join(self._chunks)
        self._chunks = []
        return whole

    def read_all(self) -> None:
        assert self.process.stdout is not None and self.process.stderr is not None
        gone_at: Optional[float] = None
        with selectors.DefaultSelector() as selector:
            for pipe in (self.process.stdout, self.process.stderr):
                os.set_blocking(pipe.fileno(), False)
                selector.register(pipe, selectors.EVENT_READ, pipe)
            if self.limits.stop_fd is not None:
                selector.register(self.limits.stop_fd, selectors.EVENT_READ, None)
            waiting = 2
            while waiting:
                now = time.monotonic()
                if now >= self.deadline:
                    raise self._timeout()
                ready = selector.select(min(_TICK, self.deadline - now))
                for key, _ in ready:
                    if key.data is None:
                        raise Stopped(self.command)
                    if not self._read(key.fd, is_stdout=key.data is self.process.stdout):
                        selector.unregister(key.fileobj)
                        waiting -= 1
                if ready or self.process.poll() is None:
                    gone_at = None
                elif gone_at is None:
                    gone_at = time.monotonic()
                elif time.monotonic() - gone_at > _GRACE:
                    return  # the command is gone and silent; a grandchild holds the pipe

    def wait(self) -> int:
        """The exit code, once both pipes are closed: a command may close them and go on running."""
        while True:
            left = self.deadline - time.monotonic()
            if left <= 0:
                raise self._timeout()
            try:
                return self.process.wait(min(left, _TICK))
            except subprocess.TimeoutExpired:
                if self.limits.stop_fd is not None and _readable(self.limits.stop_fd):
                    raise Stopped(self.command) from None

    def _read(self, fd: int, is_stdout: bool) -> bool:
        """Read what is there; False at the end of the pipe."""
        try:
            chunk = os.read(fd, _CHUNK)
        except BlockingIOError:
            return True
        if not is_stdout:
            self.stderr = (self.stderr + chunk)[:STDERR_LIMIT]
        elif self._size + len(chunk) > self.limits.max_bytes:
            raise OutputTooLarge(
                f"{self.command} printed more than {self.limits.max_bytes} bytes and was ended; "
                "raise --max-output if this cluster is that large",
                self.command,
                None,
                printable(self.stderr),
            )
        elif chunk:
            self._chunks.append(chunk)
            self._size += len(chunk)
        return bool(chunk)

    def _timeout(self) -> CommandTimeout:
        return timed_out(self.command, self.limits.timeout_seconds, printable(self.stderr))


def timed_out(command: str, seconds: float, stderr: str = "") -> CommandTimeout:
    """The error for a command that was ended after `seconds`."""
    return CommandTimeout(
        f"{command} did not finish within {seconds:g} s and was ended; "
        "is the scheduler's server hung or overloaded? (--timeout sets the limit)",
        command,
        None,
        stderr,
    )


def _start(argv: Sequence[str], command: str, limits: Limits) -> subprocess.Popen[bytes]:
    environment: Dict[str, str] = {**os.environ, "LC_ALL": "C.UTF-8", "PATH": _search_path(limits.path)}
    if limits.timezone:
        environment["TZ"] = limits.timezone
    try:
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise CommandMissing(
            f"{argv[0]} was not found on PATH; run the agent where the scheduler's commands are, "
            "or name their folder with --path",
            command,
        ) from None
    except OSError as error:
        raise CommandMissing(f"{argv[0]} cannot be started: {error.strerror or error}", command) from None
    except ValueError as error:  # a NUL byte in an argument
        raise CommandError(f"{command} cannot be started: {error}", command) from None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process group, politely first; leaves nothing but what has moved to another session."""
    if process.poll() is None:
        _signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
    # Also after a normal end: a grandchild may still be in the group.
    _signal_group(process.pid, signal.SIGKILL)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    # A process in an uninterruptible wait (dead NFS) cannot be killed: do not hang with it.
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE)


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _readable(fd: int) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_READ)
        return bool(selector.select(0))


def _search_path(first: Optional[Path]) -> str:
    rest = os.environ.get("PATH", os.defpath)
    return f"{first}{os.pathsep}{rest}" if first else rest
