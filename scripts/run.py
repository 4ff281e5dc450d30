"""`make run`: agent, collector and page together, until Ctrl-C.

What is run: what webstat.toml describes, where there is one; else an agent on this machine's qstat;
else three simulated clusters, which every page calls DEMO. Nothing of the last two is kept.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from collector.errors import CollectorError
from collector.settings import Settings, load_settings, settings_path
from collector.store import PollTimes, Store
from demo.past import all_reports, gaps
from demo.state import accounting_folder, bin_folder, prepare

ROOT = Path(__file__).resolve().parent.parent
PAGE_PORT = 8050
PAGE_SECONDS = 60
"""How long the page may take to answer for the first time."""
STOP_SECONDS = 8
_WIPE = "\r\033[K"


@dataclass
class Plan:
    """What to start: the settings file, further programs before collector and page, and what to do meanwhile."""

    headline: str
    config: Path
    programs: dict[str, list[str]] = field(default_factory=dict)
    prepare: Callable[[Settings], None] | None = None
    """Run while the page starts, before the collector does."""


class Stopped(BaseException):
    """Ctrl-C or SIGTERM."""


def main() -> int:
    """Start, wait, stop; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make run", description=__doc__)
    parser.add_argument("--demo", action="store_true", help="simulated clusters, whatever there is")
    parser.add_argument("--days", type=int, default=30, help="days of simulated past (default 30)")
    parser.add_argument("--port", type=int, help=f"the page's port (default {PAGE_PORT}, or a free one)")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    folder = Path(tempfile.mkdtemp(prefix="webstat-"))
    running = Programs(folder)
    try:
        plan = choose(folder, arguments)
        _run(plan, running)
    except Stopped:
        say("stopping")
    except (CollectorError, RuntimeError) as error:
        say(str(error))
        return 1
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def choose(folder: Path, arguments: argparse.Namespace) -> Plan:
    """Which of the three this is."""
    config = settings_path(None)
    if not arguments.demo and config.exists():
        return Plan(f"the clusters of {config}", config)
    if not arguments.demo and shutil.which("qstat"):
        return local_plan(folder, arguments.port)
    return demo_plan(folder, arguments.days, arguments.port)


def local_plan(folder: Path, port: int | None) -> Plan:
    """An agent on this machine's qstat; raises RuntimeError with its words if that cannot be read."""
    done = subprocess.run([sys.executable, "-m", "agent", "report"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(
            f"this machine has a qstat, but it does not work:\n{done.stderr.strip()}\n"
            "Mend that, write a webstat.toml, or see the simulated clusters with: make demo"
        )
    scheduler = json.loads(done.stdout)["scheduler"]
    name = re.sub(r"[^A-Za-z0-9._-]", "-", scheduler["server"]).strip(".-") or "local"
    endpoint = f"ipc://{folder}/agent"
    config = write_config(folder, [(name, endpoint, False)], 30, port)
    agent = [sys.executable, "-m", "agent", "serve", "--bind", endpoint, "--cluster", name]
    return Plan(f"this machine's {scheduler['kind']} {scheduler['version']}", config, {"agent": agent})


def demo_plan(folder: Path, days: int, port: int | None) -> Plan:
    """Three simulated clusters behind qstats of their own, with `days` of past."""
    state = folder / "demo"
    epoch = prepare(state, days=days, fresh=True)
    programs = {"simulation": [sys.executable, "-m", "demo", "serve", str(state), "--with-parent"]}
    clusters = []
    for name in epoch.clusters:
        endpoint = f"ipc://{folder}/{name}"
        agent = [sys.executable, "-m", "agent", "serve", "--bind", endpoint, "--cluster", name]
        agent += ["--path", str(bin_folder(state, name))]
        if log := accounting_folder(state, name):
            agent += ["--accounting", str(log)]
        programs[f"agent of {name}"] = agent
        clusters.append((name, endpoint, True))
    config = write_config(folder, clusters, 30, port)
    return Plan("DEMO: three simulated clusters", config, programs, lambda settings: fill_past(settings, state, days))


def fill_past(settings: Settings, state: Path, days: int) -> None:
    """Give the store the simulated past, report by report through the collector's own ingest."""
    begun = time.monotonic()
    until = int(time.time())
    before: dict[str, float] = {}
    store = Store(settings.store.url)
    try:
        ids = store.sync_clusters(settings)
        with contextlib.closing(all_reports(state, until)) as past:
            for name, report in past:
                last = before.get(name)
                silent = last is None or any(last < end and at < report.taken_at for at, end in gaps(name, until))
                times = PollTimes(report.taken_at, 0.5, known_since=None if silent else last)
                store.store_report(ids[name], report, times)
                before[name] = report.taken_at
                progress("the past", 1 - (until - report.taken_at) / (days * 86400))
        for cluster_id in ids.values():
            store.roll_up(cluster_id, 0)
    finally:
        store.close()
        progress(None, 1)
    say(f"{days} days of simulated past stored in {time.monotonic() - begun:.0f} s")


def progress(what: str | None, share: float) -> None:
    """A bar on a terminal, in place; nothing elsewhere. None wipes it."""
    if sys.stdout.isatty():
        bar = "" if what is None else f"webstat: {what:28} [{'#' * int(share * 30):30}] {share:4.0%}"
        print(f"{_WIPE}{bar}", end="", flush=True)


def write_config(folder: Path, clusters: list[tuple[str, str, bool]], period: int, port: int | None) -> Path:
    """A webstat.toml in `folder` for clusters (name, endpoint, demo)."""
    lines = [
        "[store]",
        'url = "sqlite:///webstat.sqlite"',
        "[collector]",
        f"period_seconds = {period}",
        "refresh_min_seconds = 10",
        f'announce = "ipc://{folder}/announce"',
        f'refresh = "ipc://{folder}/refresh"',
        "[web]",
        f"port = {port or free_port(PAGE_PORT)}",
    ]
    for name, endpoint, demo in clusters:
        lines += ["[[cluster]]", f'name = "{name}"', f'agent = "{endpoint}"', f"demo = {str(demo).lower()}"]
    config = folder / "webstat.toml"
    config.write_text("\n".join(lines) + "\n")
    return config


def free_port(wanted: int) -> int:
    """`wanted` where it is free on the loopback address, else any free one."""
    for port in (wanted, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise RuntimeError("no port is free on 127.0.0.1")


class Programs:
    """The started programs, each with its log in `folder`; stopped in reverse order."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: list[str], config: Path) -> None:
        """Start one; its own session, so that Ctrl-C reaches it through us alone."""
        environment = {**os.environ, "WEBSTAT_CONFIG": str(config), "PYTHONUNBUFFERED": "1"}
        with self._log(name).open("wb") as log:
            self._running[name] = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def check(self) -> None:
        """Raise RuntimeError with its last words if one has ended."""
        for name, process in self._running.items():
            if process.poll() is not None:
                words = f"the {name} ended with exit code {process.returncode}:"
                raise RuntimeError(f"{words}\n{self.last_words(name)}")

    def last_words(self, name: str) -> str:
        """The end of its log."""
        return "\n".join(self._log(name).read_text(errors="replace").splitlines()[-15:])

    def stop(self) -> None:
        """End all of them, politely first."""
        for process in reversed(self._running.values()):
            process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in self._running.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"


def _run(plan: Plan, running: Programs) -> None:
    settings = load_settings(plan.config)
    say(plan.headline)
    for name, command in plan.programs.items():
        running.start(name, command, plan.config)
    running.start("page", [sys.executable, "app.py"], plan.config)
    address = f"http://{settings.web.host}:{settings.web.port}"
    threading.Thread(target=_tell_when_served, args=(address, running), daemon=True).start()
    if plan.prepare is not None:
        plan.prepare(settings)
    running.start("collector", [sys.executable, "-m", "collector", "run"], plan.config)
    while True:
        running.check()
        time.sleep(0.5)


def _tell_when_served(address: str, running: Programs) -> None:
    end = time.monotonic() + PAGE_SECONDS
    while time.monotonic() < end:
        if _answers(f"{address}/healthz"):
            say(f"the page is at {address}  (Ctrl-C stops everything)")
            return
        time.sleep(0.1)
    say(f"the page at {address} does not answer after {PAGE_SECONDS} s; its last words:")
    say(running.last_words("page"))


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise Stopped


def say(words: str) -> None:
    """One line to the person at the terminal, in the place of a bar if there is one."""
    print(f"{_WIPE if sys.stdout.isatty() else ''}webstat: {words}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
