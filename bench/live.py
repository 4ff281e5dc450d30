"""From the report in the collector to the figure in the browser, with 10,000 jobs.

An agent made for the purpose answers each poll with the recorded large cluster a moment later, 1 % of
its jobs changed; collector, page and browser are the real ones. The clock starts when the agent has
sent its answer and stops when the chart has been drawn again; compared with half the period of the
fallback that asks by itself.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import zmq

from agent.probe import take_report
from agent.recording import Choice, Replay
from agent.report import Report
from agent.wire import to_wire
from bench.store import SAMPLE, later
from scripts.run import free_port
from tests.browser import open_browser

UPDATES = 8
FALLBACK_SECONDS = 10.0
_WATCH = """() => {
  const curves = () => document.querySelector('.js-plotly-plot .scatterlayer')?.innerHTML ?? '';
  if (!curves()) return false;
  if (window.drawn) return true;
  let last = curves();
  window.drawn = [];
  setInterval(() => {
    const now = curves();
    if (now && now !== last) { last = now; window.drawn.push(Date.now()); }
  }, 10);
  return true;
}"""
"""Notes the time whenever the chart's curves are other ones."""


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        agent = Agent(f"ipc://{folder}/agent")
        port = free_port(0)
        config = folder / "webstat.toml"
        config.write_text(
            f'[store]\nurl = "sqlite:///s.sqlite"\n[web]\nport = {port}\n[collector]\nperiod_seconds = 5\n'
            f'announce = "ipc://{folder}/announce"\nrefresh = "ipc://{folder}/refresh"\n'
            f'[[cluster]]\nname = "large"\nagent = "{agent.endpoint}"\n'
        )
        environment = {**os.environ, "WEBSTAT_CONFIG": str(config)}
        quiet = {"env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        commands = [[sys.executable, "-m", "collector", "run"], [sys.executable, "app.py"]]
        processes = [subprocess.Popen(command, **quiet) for command in commands]  # type: ignore[call-overload]
        try:
            delays = _watch(agent, f"http://127.0.0.1:{port}/cluster/large")
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait()
            agent.close()
    median = statistics.median(delays)
    print(f"{agent.jobs:,} jobs, 1 % changed, {len(delays)} updates, one page open")
    print(
        f"  answer sent -> chart drawn   {median * 1000:8.0f} ms   (worst {max(delays) * 1000:.0f} ms; target under 1 s)"
    )
    print(f"  the fallback's mean wait     {FALLBACK_SECONDS / 2 * 1000:8.0f} ms   before it even asks")


def _watch(agent: Agent, address: str) -> list[float]:
    with open_browser() as browser:
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        for _ in range(60):
            try:
                page.goto(address)
                page.wait_for_function(_WATCH, timeout=2000)
                break
            except Exception:  # the page is still starting
                time.sleep(0.5)
        delays = []
        seen = len(agent.sent)
        while len(delays) < UPDATES:
            while len(agent.sent) == seen:
                page.wait_for_timeout(20)
            seen = len(agent.sent)
            sent = agent.sent[-1]
            page.wait_for_function("(at) => window.drawn.some((t) => t > at)", arg=sent * 1000, timeout=20_000)
            drawn = page.evaluate("(at) => Math.min(...window.drawn.filter((t) => t > at))", sent * 1000)
            delays.append(drawn / 1000 - sent)
        return delays


class Agent:
    """Answers every request on `endpoint` with a later report; `sent` are the times of its answers."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.sent: list[float] = []
        self._report = _now(take_report(Replay(SAMPLE, Choice())))
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
                self._report = _now(later(self._report))
                socket.send(to_wire(self._report))
                self.sent.append(time.time())
        socket.close(linger=0)


def _now(report: Report) -> Report:
    """The same report, taken now. Its jobs keep their times: they only have waited longer."""
    return replace(report, taken_at=time.time(), jobs=[replace(one) for one in report.jobs])
