"""An agent one protocol number older, or newer: refused with words that say which side to upgrade, wherever one looks."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.report import PROTOCOL
from collector.settings import load_settings
from scripts.run import free_port
from tests.agent.samples import SAMPLES
from tests.webstat.served import wait_for
from tests.webstat.test_pages import Site, said
from webstat.health import State, health

ROOT = Path(__file__).resolve().parent.parent


class Place:
    """A cluster whose agent is one process after the other, and the collector's commands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config, self.log = folder / "webstat.toml", folder / "agent.log"
        self.at = f"tcp://127.0.0.1:{free_port(0)}"
        self.config.write_text(
            f'[store]\nurl = "sqlite:///store.sqlite"\n[[cluster]]\nname = "far"\nagent = "{self.at}"\n'
        )
        self._agent: subprocess.Popen[bytes] | None = None

    def run_agent(self, protocol: int) -> None:
        """Start the agent as a version with this protocol number would be: its folder, with that number."""
        self.stop()
        shutil.rmtree(self.folder / "agent", ignore_errors=True)
        shutil.copytree(ROOT / "agent", self.folder / "agent", ignore=shutil.ignore_patterns("__pycache__"))
        module = self.folder / "agent" / "report.py"
        text, changed = re.subn(r"^PROTOCOL = \d+$", f"PROTOCOL = {protocol}", module.read_text(), flags=re.MULTILINE)
        assert changed == 1
        module.write_text(text)
        sample = str(SAMPLES / "torque-6.1.3.h5" / "mixed")
        command = [sys.executable, "-m", "agent", "serve", "--bind", self.at, "--min-age", "0", "--replay", sample]
        with self.log.open("wb") as log:
            self._agent = subprocess.Popen(command, cwd=self.folder, stderr=log)
        wait_for(lambda: "event=serving" in self.log.read_text(), "the agent to listen", 30)

    def stop(self) -> None:
        if self._agent is not None:
            self._agent.terminate()
            assert self._agent.wait(20) == 0

    def collector(self, command: str) -> tuple[int, str]:
        arguments = [sys.executable, "-m", "collector", "--config", str(self.config), command]
        done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.stop()


def test_the_same_number_is_spoken(place: Place) -> None:
    place.run_agent(PROTOCOL)
    code, words = place.collector("check")
    assert code == 0, words
    assert f"✓ protocol  {PROTOCOL}; the agent is webstat" in words


@pytest.mark.parametrize(("number", "older"), [(PROTOCOL - 1, "agent"), (PROTOCOL + 1, "collector")])
def test_another_number_is_refused_with_which_side_to_upgrade(place: Place, number: int, older: str) -> None:
    place.run_agent(PROTOCOL)
    assert place.collector("once")[0] == 0
    place.run_agent(number)

    words = rf"the agent \(webstat [\d.]+\) speaks protocol {number}, this collector {PROTOCOL}: upgrade the {older}"
    code, once = place.collector("once")
    assert code == 1
    assert re.search(rf'"poll failed" cluster=far code=protocol .*{words}', once), once
    assert re.search(rf"✕ far: {words}", once), once
    code, check = place.collector("check")
    assert code == 1
    assert re.search(rf"✕ protocol  {words}", check), check
    theirs = f"the collector speaks protocol {PROTOCOL}, this agent {number}: upgrade the {older}"
    assert theirs in place.log.read_text(), "who looks at the agent alone is told the same"

    site = Site(load_settings(place.config))
    try:
        (cluster,) = site.source.clusters()
        assert cluster.report == 1, "what was known stays"
        assert health(cluster, (cluster.attempted_at or 0) + 1).state is State.REFUSED
        for path in ("/", "/cluster/far", "/health"):
            page = said(site.page(path))
            assert re.search(words, page), f"{path}: {page}"
        place.run_agent(PROTOCOL)
        assert place.collector("once")[0] == 0
        (cluster,) = site.source.clusters()
        assert (cluster.failures, cluster.error_code) == (0, None), "upgraded, it is back at the next poll"
        assert "upgrade the" not in said(site.page("/cluster/far"))
    finally:
        site.source.close()
