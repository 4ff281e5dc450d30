"""A service as systemd would run it, without systemd: its unit's command, user and environment, and an ear for sd_notify."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

MOST_EXPOSURE = 2.0


def exposure(unit: Path) -> float:
    """How exposed `systemd-analyze security` finds a unit, of 10."""
    judge = ["systemd-analyze", "security", "--offline=true", "--no-pager"]
    done = subprocess.run([*judge, str(unit)], capture_output=True, text=True)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    return float(found.group(1))


def read_unit(file: Path) -> dict[str, list[str]]:
    """Key -> its values, of all sections."""
    found: dict[str, list[str]] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


class Running:
    """A service that runs; `said` is all that it told systemd."""

    def __init__(self, process: subprocess.Popen[bytes], ear: socket.socket, log: Path) -> None:
        self.process = process
        self.said: list[str] = []
        self._ear = ear
        self._log = log

    def wait_for(self, word: str, times: int = 1, seconds: float = 30) -> None:
        """Until it has told `word` so many times; fails with its log."""
        until = time.monotonic() + seconds
        while sum(word in message.split("\n") for message in self.said) < times:
            self._ear.settimeout(max(0.01, until - time.monotonic()))
            try:
                self.said.append(self._ear.recv(4096).decode())
            except TimeoutError:
                raise AssertionError(
                    f"{word} was not told; {self.said[-3:]}\n{self._log.read_text()[-3000:]}"
                ) from None

    def stop(self) -> None:
        """SIGTERM, as `systemctl stop`; fails where it does not end as systemd calls clean."""
        self.process.send_signal(signal.SIGTERM)
        self.wait_for("STOPPING=1")
        assert self.process.wait(20) in (0, -signal.SIGTERM), self._log.read_text()[-3000:]


@contextlib.contextmanager
def service(unit: Path, user: str, folder: Path, watchdog: float = 0.4) -> Iterator[Running]:
    """Run a unit's ExecStart; a WatchdogSec of `watchdog`, so that it has to give signs of life at once."""
    keys = read_unit(unit)
    (command,), (place,) = keys["ExecStart"], keys["WorkingDirectory"]
    environment = {"PATH": os.environ["PATH"], "WATCHDOG_USEC": str(int(watchdog * 1e6))}
    for file in keys.get("EnvironmentFile", []):
        lines = Path(file.lstrip("-")).read_text(encoding="utf-8").splitlines()
        environment |= dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        address = folder / f"{unit.stem}.notify"
        ear.bind(str(address))
        address.chmod(0o777)
        environment["NOTIFY_SOCKET"] = str(address)
        log = folder / f"{unit.stem}.log"
        with log.open("wb") as output:
            as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"]
            process = subprocess.Popen(
                [*as_user, *shlex.split(command)], cwd=place, env=environment, stdout=output, stderr=output
            )
        try:
            yield Running(process, ear, log)
        finally:
            process.kill()
            process.wait()
            address.unlink()
