"""The whole path on a real scheduler: qstat, agent, wire, collector, store, page, browser.

The scheduler is Debian's Slurm with its PBS commands, started by tests/slurm/slurm-up.sh; what is run
is what `make run` runs on a machine that has a qstat.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from agent.commands import Limits
from agent.live import LiveSource
from agent.probe import take_report
from collector.store import PollTimes, Store
from scripts.run import free_port
from scripts.setup import find_program
from tests.browser import open_browser
from tests.running import make_run
from tests.webstat.programs import program
from tests.webstat.served import settings_for
from tests.whole_site import CLUSTERS, PERIOD, Site
from webstat.answers.advise import advise
from webstat.answers.fit import shapes
from webstat.answers.judge import Verdict
from webstat.answers.request import read_request
from webstat.answers.submit import SCRIPT, line
from webstat.data.source import Source

ROOT = Path(__file__).resolve().parent.parent
SLURM = ROOT / "tests" / "slurm"
STATE = Path("/tmp/webstat-slurm-test")
NEEDED = ("slurmctld", "slurmd", "munged", "sbatch", "qstat", "pbsnodes")


def missing_programs() -> list[str]:
    return [name for name in NEEDED if not find_program(name)]


@pytest.fixture(scope="module")
def slurm() -> Iterator[dict[str, str]]:
    """A running one-host Slurm; gives the environment in which its commands find it."""
    if os.geteuid() != 0:
        pytest.skip("a real Slurm needs root: run the tests as root to have this one")
    if missing := missing_programs():
        pytest.skip(f"{', '.join(missing)} not found: apt-get install slurmctld slurmd munge slurm-wlm-torque")
    environment = {**os.environ, "PORT": "17817", "NODES": "8"}
    subprocess.run([SLURM / "slurm-up.sh", STATE], env=environment, check=True, timeout=240)
    try:
        yield {**os.environ, "SLURM_CONF": str(STATE / "slurm.conf")}
    finally:
        subprocess.run([SLURM / "slurm-down.sh", STATE], env=environment, check=True, timeout=120)


@pytest.fixture
def served(slurm: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """`make run` on that Slurm; gives the page's address."""
    port = free_port(0)
    with make_run(tmp_path, "--port", str(port), until="the page is at", base=slurm):
        yield f"http://127.0.0.1:{port}"


@pytest.mark.slurm
@pytest.mark.browser
def test_a_submitted_job_is_seen_without_reloading(slurm: dict[str, str], served: str) -> None:
    with open_browser() as browser:
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        errors: list[str] = []
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(served)
        card = page.locator("main a[href^='/cluster/']").first
        card.wait_for(timeout=60_000)
        page.goto(served + str(card.get_attribute("href")))
        page.get_by_role("heading", name="Who holds the cores now?").wait_for()
        bars = page.locator(".ws-bars")
        bars.get_by_text("alice").first.wait_for()  # 16 cores, as the sample jobs have it
        assert bars.get_by_text("dave").count() == 0, "his only job is held"
        page.evaluate("window.notReloaded = true")
        submit = "runuser -u dave -- sbatch -Q -n3 -t 30 -J seen -o /dev/null --wrap 'sleep 600'"
        subprocess.run(submit, shell=True, env=slurm, cwd="/", check=True, timeout=30)
        bars.get_by_text("dave").first.wait_for(timeout=90_000)
        assert page.evaluate("window.notReloaded") is True
        assert errors == []
    with urllib.request.urlopen(f"{served}/healthz") as answer:
        assert answer.status == 200


ASKED = (
    {"cores": "1", "walltime": "0:20"},
    {"cores": "12", "walltime": "0:30"},
    {"nodes": "2", "cores_per_node": "8", "walltime": "0:20"},
    {"cores": "24", "walltime": "0:10"},
    {"nodes": "9", "walltime": "0:10"},
    {"nodes": "1", "cores_per_node": "17", "walltime": "0:10"},
    {"cores": "129", "walltime": "0:10"},
    {"cores": "1", "gpus": "1", "walltime": "0:10"},
    {"nodes": "1", "memory": "80gb", "walltime": "0:10"},
    {"nodes": "8", "cores_per_node": "16", "walltime": "0:10"},
)
"""Jobs that fit, jobs that never can, and one that has to wait for all others."""


@pytest.mark.slurm
def test_what_the_advisor_says_is_what_the_scheduler_does(
    slurm: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would start now starts, what is impossible is refused or does not; each by the line that is given for it."""
    monkeypatch.setenv("SLURM_CONF", slurm["SLURM_CONF"])
    # A job on the nodes that have room: of a partition's nodes Slurm's commands only tell those on which its jobs run.
    spread = "runuser -u alice -- sbatch -N6 --ntasks-per-node=1 -t 40 --parsable -o /dev/null --wrap 'sleep 900'"
    spread_out = subprocess.run(
        spread, shell=True, env=slurm, cwd="/", check=True, capture_output=True, text=True, timeout=30
    )
    assert begins(spread_out.stdout.strip(), slurm, 60)
    url = f"sqlite:///{tmp_path}/store.sqlite"
    settings = settings_for(url, "here")
    store, source = Store(url), Source(settings)
    said: dict[Verdict, int] = dict.fromkeys(Verdict, 0)
    with closing(store), closing(source):
        ident = store.sync_clusters(settings)["here"]
        for words in ASKED:
            report = replace(take_report(LiveSource(Limits(timeout_seconds=60), UTC)), cluster="here")
            store.store_report(ident, report, PollTimes(report.taken_at - 1, 1.0, report.taken_at + 60))
            request, problems = read_request({**words, "user": "dave"})
            assert problems == {}
            advice = advise(source, request, time.time())
            answer = next(one for one in (*advice.answers, *advice.hopeless) if one.queue == "batch")
            said[answer.verdict] += 1
            typed = answer.line or line("slurm", "batch", next(shapes(request, "slurm")), request.walltime_seconds)
            job = f"{typed.removesuffix(SCRIPT)} --parsable -o /dev/null --wrap 'sleep 900'"
            tried = subprocess.run(
                ["runuser", "-u", "dave", "--", "sh", "-c", job], env=slurm, cwd="/", capture_output=True, text=True, timeout=30
            )  # fmt: skip
            if tried.returncode:
                assert answer.verdict is Verdict.NEVER, (words, tried.stderr)
                continue
            started = begins(tried.stdout.strip(), slurm, 30 if answer.verdict is Verdict.NOW else 6)
            assert started or answer.verdict is not Verdict.NOW, (words, answer)
            assert not started or answer.verdict is not Verdict.NEVER, (words, answer)
    assert said[Verdict.NOW] >= 3 and said[Verdict.NEVER] >= 4 and said[Verdict.LATER] >= 1, said


def begins(job: str, slurm: dict[str, str], seconds: float) -> bool:
    """Whether a job runs within so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        asked = ["squeue", "-h", "-j", job, "-o", "%T"]
        if subprocess.run(asked, env=slurm, capture_output=True, text=True, timeout=30).stdout.strip() == "RUNNING":
            return True
        time.sleep(0.5)
    return False


WINDOWS, LISTENERS = 2, 18
"""Twenty browsers watch: some with a window, the others speak as browsers do, since two cores cannot draw twenty windows."""


@pytest.fixture(scope="module")
def site(slurm: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    program("haproxy")
    with Site(tmp_path_factory.mktemp("site"), slurm).running() as site:
        yield site


class Listener:
    """A browser without a window: it keeps a stream open, connects again by itself, and asks when there is news."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.reports: dict[str, int] = {}
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def knows(self, before: dict[str, int]) -> bool:
        """Whether it has heard of a newer report of every cluster."""
        return all(self.reports.get(name, 0) > before.get(name, 0) for name in CLUSTERS)

    def _run(self) -> None:
        front = self.site.front
        while not self.over.wait(random.uniform(0.2, 1.0)):
            with (
                contextlib.suppress(OSError, WebSocketException, TimeoutError),
                connect(f"wss://127.0.0.1:{front.port}/live", ssl=front.context, open_timeout=10) as stream,
            ):
                while not self.over.is_set():
                    news = json.loads(stream.recv(timeout=12))["news"]
                    self.reports |= {name: item["report"] for name, item in news.items() if item["report"]}
                    with urllib.request.urlopen(
                        f"{front.url}/clusters.json", context=front.context, timeout=20
                    ) as answer:
                        answer.read()


class Watchers:
    """Browsers that watch the overview through HAProxy, each with a window and a stream of its own."""

    def __init__(self, browser: Browser, site: Site) -> None:
        self.site = site
        self.pages = []
        for _ in range(WINDOWS):
            page = browser.new_context(ignore_https_errors=True, viewport={"width": 900, "height": 700}).new_page()
            page.goto(site.front.url, wait_until="domcontentloaded")
            self.pages.append(page)
        self.listeners = [Listener(site) for _ in range(LISTENERS)]
        self.until_live({})
        for page in self.pages:
            page.evaluate("window.notReloaded = true")

    def look(self, page: Page) -> dict[str, str]:
        """Each cluster's pill, as one window shows it."""
        found: dict[str, str] = page.evaluate(
            "Object.fromEntries([...document.querySelectorAll('main section.card.h-100:has(.ws-pill)')]"
            ".map((card) => [card.querySelector('h2').textContent, card.querySelector('.ws-pill')?.textContent || '']))"
        )
        return found

    def until_live(self, before: dict[str, int], seconds: float = 180) -> None:
        """Wait until every window shows every cluster live, with a report newer than `before`."""
        end = time.monotonic() + seconds
        while waiting := [page for page in self.pages if not self._is_live(page, before)]:
            assert time.monotonic() < end, (self.look(waiting[0]), self.site.reports(), before)
            time.sleep(0.5)
        while deaf := [one for one in self.listeners if not one.knows(before)]:
            assert time.monotonic() < end, (len(deaf), deaf[0].reports, before)
            time.sleep(0.5)

    def close(self) -> None:
        for one in self.listeners:
            one.over.set()
        for one in self.listeners:
            one.thread.join(60)

    def _is_live(self, page: Page, before: dict[str, int]) -> bool:
        shown = page.evaluate("window.webstat?.shown || {}")
        numbers = {name: int(str(stamp).split("-")[0]) for name, stamp in shown.items() if str(stamp)[:1].isdigit()}
        pills = self.look(page)
        newer = all(numbers.get(name, 0) > before.get(name, 0) for name in CLUSTERS)
        return newer and len(pills) == len(CLUSTERS) and all("live" in pill for pill in pills.values())


@pytest.mark.alone
@pytest.mark.timeout(1500)
@pytest.mark.slurm
@pytest.mark.browser
def test_whatever_is_killed_the_page_stays_up_and_all_comes_back(site: Site) -> None:
    with open_browser() as browser, ExitStack() as stack:
        watchers = stack.enter_context(closing(Watchers(browser, site)))
        for part in site.parts:
            before = site.reports()
            site.kill(part)
            killed = time.monotonic()
            while time.monotonic() < killed + PERIOD:
                for page in watchers.pages:
                    pills = watchers.look(page)
                    assert set(pills) == set(CLUSTERS), f"{part}: the page is no longer whole"
                    assert all(re.search(r"\d+\s(s|min)", pill) for pill in pills.values()), (
                        f"{part}: no age is shown: {pills}"
                    )
                time.sleep(1)
            watchers.until_live(before)
            for page in watchers.pages:
                assert page.evaluate("window.notReloaded") is True, part
    site.check_store()
