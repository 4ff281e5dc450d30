"""A whole site for measuring: collector and page as a user runs them, agents that answer with a recorded cluster."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import zmq

from agent.probe import take_report
from agent.recording import Choice, Replay
from agent.report import Report
from agent.wire import to_wire
from bench.store import SAMPLE, later
from scripts.run import free_port

SMALL = SAMPLE.parent / "mixed"


class Agent:
    """Answers every request with the recorded large cluster, 1 % of its jobs changed since the last; `sent` are the
    times of its answers. With `still` it is a small cluster in which nothing changes but the time.
    """

    def __init__(self, endpoint: str, still: bool = False) -> None:
        self.endpoint = endpoint
        self.sent: list[float] = []
        self._still = still
        self._report = now_of(take_report(Replay(SMALL if still else SAMPLE, Choice())))
        self.jobs = len(self._report.jobs)
        self._context = zmq.Context()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._stop.set()
        self._thread.join()
        self._context.term()

    def _serve(self) -> None:
        socket = self._context.socket(zmq.REP)
        socket.bind(self.endpoint)
        while not self._stop.is_set():
            if socket.poll(100):
                socket.recv()
                self._report = now_of(self._report if self._still else later(self._report))
                socket.send(to_wire(self._report))
                self.sent.append(time.time())
        socket.close(linger=0)


def now_of(report: Report) -> Report:
    """The same report, taken now. Its jobs keep their times: they only have waited longer."""
    return replace(report, taken_at=time.time(), jobs=[replace(one) for one in report.jobs])


@dataclass
class Site:
    """A running site."""

    url: str
    agents: dict[str, Agent]


@contextlib.contextmanager
def site(names: Sequence[str] = ("large",), still: Sequence[str] = (), period: int = 5) -> Iterator[Site]:
    """Collector and page over one agent a name, asked every `period` seconds; begins when all have been stored once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        agents = {one: Agent(f"ipc://{folder}/{one}", one in still) for one in names}
        port = free_port(0)
        config = folder / "webstat.toml"
        clusters = "".join(
            f'[[cluster]]\nname = "{one}"\nagent = "{agent.endpoint}"\n' for one, agent in agents.items()
        )
        config.write_text(
            f'[store]\nurl = "sqlite:///s.sqlite"\n[web]\nport = {port}\n[collector]\n'
            f"period_seconds = {period}\n"
            f'announce = "ipc://{folder}/announce"\nrefresh = "ipc://{folder}/refresh"\n{clusters}'
        )
        environment = {**os.environ, "WEBSTAT_CONFIG": str(config)}
        quiet = {"env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        commands = [[sys.executable, "-m", "collector", "run"], [sys.executable, "app.py"]]
        processes = [subprocess.Popen(command, **quiet) for command in commands]  # type: ignore[call-overload]
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_seen(url, len(agents))
            yield Site(url, agents)
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait()
            for agent in agents.values():
                agent.close()


def _wait_until_seen(url: str, clusters: int) -> None:
    for _ in range(240):
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/healthz") as answer:
            if f'"seen":{clusters}' in answer.read().decode():
                return
        time.sleep(0.25)
    sys.exit("bench: the site did not start")
