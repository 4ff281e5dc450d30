"""memcached, HAProxy and web processes as they are run for good, each on a port of its own, ended with the block."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from scripts.run import free_port
from scripts.setup import find_program
from tests.certificates import make_certificate
from tests.webstat.served import wait_for

ROOT = Path(__file__).resolve().parent.parent.parent
CONFIG = ROOT / "deploy" / "haproxy.cfg"


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


class HAProxy:
    """deploy/haproxy.cfg with addresses and files of its own, before some ports; `context` trusts its certificate."""

    def __init__(self, folder: Path, ports: Sequence[int], changes: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.plain, self.port = free_port(0), free_port(0)
        certificate, key = folder / "cert.pem", folder / "key.pem"
        make_certificate(certificate, key, "IP:127.0.0.1")
        (folder / "webstat.pem").write_bytes(certificate.read_bytes() + key.read_bytes())
        self.context = ssl.create_default_context(cafile=certificate)
        self.certificate = certificate
        text = CONFIG.read_text(encoding="utf-8")
        for old, new in (
            ("bind :80\n", f"bind 127.0.0.1:{self.plain}\n"),
            ("bind :443 ", f"bind 127.0.0.1:{self.port} "),
            ("/etc/haproxy/webstat.pem alpn", f"{folder}/webstat.pem alpn"),
            ("stats socket /run/haproxy/admin.sock", f"stats socket {folder}/admin.sock"),
            ("    log /dev/log local0\n", "    log stderr format raw local0\n"),
            ("    chroot /var/lib/haproxy\n", ""),
            ("    user haproxy\n", ""),
            ("    group haproxy\n", ""),
            *(changes or {}).items(),
        ):
            assert old in text, old
            text = text.replace(old, new)
        for number in range(1, 5):
            line = f"server web{number} 127.0.0.1:805{number}"
            assert text.count(line) == 3, line
            if number <= len(ports):  # that many processes; some of the file's are commented out
                text = text.replace(f"# {line}", line).replace(
                    line, f"server web{number} 127.0.0.1:{ports[number - 1]}"
                )
            else:
                text = re.sub(f"^ *{re.escape(line)}.*$", "", text, flags=re.MULTILINE)
        self.config = folder / "haproxy.cfg"
        self.config.write_text(text, encoding="utf-8")

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def running(self) -> Iterator[HAProxy]:
        """For as long as the block lasts."""
        command = [program("haproxy"), "-db", "-f", str(self.config)]
        with running(command, self.port, self.folder / "haproxy.log") as self.process:
            yield self

    def command(self, words: str) -> str:
        """What its socket answers."""
        with socket.socket(socket.AF_UNIX) as channel:
            channel.connect(str(self.folder / "admin.sock"))
            channel.sendall(words.encode() + b"\n")
            return b"".join(iter(lambda: channel.recv(65536), b"")).decode()

    def status(self, backend: str, server: str) -> str:
        """As `show stat` has it: UP, DOWN, DRAIN, no check, ..."""
        rows = csv.DictReader(io.StringIO(self.command("show stat").removeprefix("# ")))
        return next(row["status"] for row in rows if (row["pxname"], row["svname"]) == (backend, server))
