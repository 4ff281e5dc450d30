"""An agent that dies under an open page, and comes back: real collector, wire, store, page and browser."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq
from playwright.sync_api import expect

from agent.probe import take_report
from agent.recording import Replay
from agent.wire import to_wire
from scripts.run import free_port
from tests.browser import open_browser
from tests.running import make_run
from tests.webstat.recorded import SAMPLES, moved

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PERIOD = 5


class RecordedAgent:
    """Answers with a recorded cluster as if it were now, for as long as it is up."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._report = take_report(Replay(SAMPLES / "torque-6.1.3.h5" / "mixed"))
        self.start()

    def start(self) -> None:
        self._down = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def stop(self) -> None:
        self._down.set()
        self._thread.join()

    def _serve(self) -> None:
        with zmq.Context() as context, context.socket(zmq.REP) as socket:
            socket.linger = 0
            socket.bind(self._endpoint)
            while not self._down.is_set():
                if socket.poll(50):
                    socket.recv()
                    socket.send(to_wire(moved(self._report, "lost", int(time.time() - self._report.taken_at))))


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[RecordedAgent]:
    agent = RecordedAgent(f"ipc://{tmp_path}/agent")
    try:
        yield agent
    finally:
        agent.stop()


def test_the_card_greys_says_its_age_and_comes_back(agent: RecordedAgent, tmp_path: Path) -> None:
    port = free_port(0)
    config = tmp_path / "webstat.toml"
    config.write_text(
        f'[web]\nport = {port}\n[collector]\nannounce = "ipc://{tmp_path}/a"\nrefresh = "ipc://{tmp_path}/r"\n'
        f"period_seconds = {PERIOD}\ntimeout_seconds = 1\nretries = 0\nbackoff_max_seconds = {PERIOD}\n"
        f'[[cluster]]\nname = "lost"\nagent = "ipc://{tmp_path}/agent"\n'
        '[[cluster]]\nname = "never"\nagent = "tcp://127.0.0.1:1"\n'
    )
    with make_run(tmp_path, config=config, until="the page is at"), open_browser() as browser:
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{port}/")
        card = page.locator("section.card", has=page.get_by_role("heading", name="lost"))
        pill = card.locator(".ws-pill")
        expect(pill).to_contain_text("live", timeout=60_000)
        free = card.locator(".ws-kpi .v").first.inner_text()
        assert "cores free of" in free
        page.evaluate("window.notReloaded = true")

        agent.stop()
        expect(pill).to_contain_text("late", timeout=60_000)
        expect(pill).to_contain_text("last seen", timeout=60_000)
        expect(card).to_have_class("card h-100 ws-stale")
        expect(card.locator(".ws-note")).to_contain_text("Below is its state at")
        assert card.locator(".ws-kpi .v").first.inner_text() == free.replace("cores free", "cores were free")
        before = pill.inner_text()
        expect(pill).not_to_have_text(before, timeout=30_000)  # its age goes on
        expect(page.locator("#freshness")).to_contain_text("silent")

        agent.start()
        expect(pill).to_contain_text("live", timeout=60_000)
        expect(card).to_have_class("card h-100")
        assert card.locator(".ws-kpi .v").first.inner_text() == free
        assert page.evaluate("window.notReloaded") is True
