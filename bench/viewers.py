"""Many people watching at once: how long a drawing takes, what an update costs on the wire, and what the scheduler notices.

Viewers are simulated: each holds a websocket, and asks as a browser does, a little after it heard of news, with what it was given last. They run in a process of their own beside the site, on the same cores.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import statistics
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import requests
from websockets.sync.client import connect

from bench.site import Site, site
from webstat import ids

PAGES = ("/", "/cluster/large", "/cluster/still", "/jobs", "/health")
HERD = 0.015
"""Seconds that each other viewer adds to the time over which all spread their questions, as in assets/live.js."""
WATCHERS, IDLE, SECONDS, PERIOD_SECONDS = 50, 200, 60, 15
SETTLING_SECONDS = 10
"""All begin at once, as no people do: what they ask in this time is not counted."""


@dataclass
class Viewer:
    """One browser: what it shows, and what its questions took."""

    url: str
    path: str
    name: str
    deaf: bool = False
    """Holds the websocket open and asks nothing, as a hidden tab does."""
    drawn: dict[str, Any] | None = None
    taken: list[float] = field(default_factory=list)
    wires: list[tuple[bool, int]] = field(default_factory=list)
    """(whether a part of the page changed, bytes there and back) of each question."""

    def run(self, until: float) -> None:
        """Watch until then."""
        settled = time.time() + SETTLING_SECONDS
        session = requests.Session()
        question = drawing_question(session, self.url)
        if not self.deaf:
            self._ask(session, question, counted=False)
        with connect(self.url.replace("http", "ws") + "/live", open_timeout=30) as socket:
            while time.time() < until:
                try:
                    message = socket.recv(timeout=1)
                except TimeoutError:
                    continue
                if not self.deaf and self._is_new(json.loads(message)["news"]):
                    time.sleep(random.uniform(0, HERD * (WATCHERS - 1)))
                    self._ask(session, question, time.time() > settled, extra=len(message))

    def _is_new(self, news: dict[str, Any]) -> bool:
        """Whether it says anything that is not on the screen: the first message after connecting seldom does."""
        shown = (self.drawn or {}).get("clusters", {})
        return any(shown.get(name) != item["stamp"] for name, item in news.items())

    def _ask(self, session: requests.Session, question: dict[str, Any], counted: bool, extra: int = 0) -> None:
        values = [self.path, "", {"theme": "light", "zone": "UTC", "me": self.name}, {"at": time.time()}, 0]
        inputs = [{**one, "value": value} for one, value in zip(question["inputs"], values, strict=True)]
        state = [{**question["state"][0], "value": self.drawn}]
        body = {**question, "inputs": inputs, "state": state, "changedPropIds": [f"{ids.NEWS}.data"]}
        begun = time.perf_counter()
        answer = session.post(f"{self.url}/_dash-update-component", json=body, headers={"Accept-Encoding": "gzip"})
        took = time.perf_counter() - begun
        answer.raise_for_status()
        if answer.status_code == 200:
            found = answer.json()
            self.drawn = found["response"].get(ids.DRAWN, {}).get("data", self.drawn)
            changed = bool(found.get("sideUpdate")) or ids.PAGE in found["response"]
            sent = len(answer.request.body or b"") + int(answer.headers["Content-Length"]) + extra
            if counted:
                self.taken.append(took)
                self.wires.append((changed, sent))


def drawing_question(session: requests.Session, url: str) -> dict[str, Any]:
    """The drawing callback's question, as the browser asks it, without values."""
    for one in session.get(f"{url}/_dash-dependencies").json():
        if f"{ids.DRAWN}.data" in one["output"] and not one["clientside_function"]:
            names = one["output"].strip(".").split("...")
            outputs = [dict(zip(("id", "property"), name.rsplit(".", 1), strict=True)) for name in names]
            inputs = [{"id": i["id"], "property": i["property"]} for i in one["inputs"]]
            state = [{"id": i["id"], "property": i["property"]} for i in one["state"]]
            return {"output": one["output"], "outputs": outputs, "inputs": inputs, "state": state}
    raise LookupError("the page has no drawing callback")


def main() -> None:
    """Print the tables."""
    with site(("large", "still"), still=("still",), period=PERIOD_SECONDS) as running:
        _watched(running)
        _idle(running)


def _watched(running: Site) -> None:
    viewers = [Viewer(running.url, PAGES[place % len(PAGES)], f"user{place}") for place in range(WATCHERS)]
    viewers = _run(viewers, SECONDS)
    taken = sorted(second for viewer in viewers for second in viewer.taken)
    p50, p95 = statistics.median(taken), taken[int(len(taken) * 0.95)]
    jobs = running.agents["large"].jobs
    print(
        f"{WATCHERS} viewers of {len(PAGES)} pages, each with a name of its own, clusters of {jobs:,} and of few jobs,"
    )
    print(f"a report of each every {PERIOD_SECONDS} s, {len(taken):,} drawings")
    print(f"  a drawing        p50 {p50 * 1000:6.0f} ms (target 50)   p95 {p95 * 1000:6.0f} ms (target 150)")
    same = sorted(sent for viewer in viewers for changed, sent in viewer.wires if not changed)
    other = sorted(sent for viewer in viewers for changed, sent in viewer.wires if changed)
    for words, sizes in (("nothing on the page differs", same), ("parts of the page differ", other)):
        if sizes:
            print(f"  on the wire, {words:28} {statistics.median(sizes):8,.0f} bytes   (largest {sizes[-1]:,})")


def _idle(running: Site) -> None:
    agents = list(running.agents.values())

    def asked(viewers: list[Viewer]) -> int:
        before = sum(len(agent.sent) for agent in agents)
        _run(viewers, SECONDS)
        return sum(len(agent.sent) for agent in agents) - before

    alone = asked([])
    watched = asked([Viewer(running.url, PAGES[place % len(PAGES)], "", deaf=True) for place in range(IDLE)])
    print(f"  polls of the schedulers in {SECONDS} s: {alone} with nobody, {watched} with {IDLE} idle viewers")


def _run(viewers: list[Viewer], seconds: float) -> list[Viewer]:
    """The viewers after they have watched for so long."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as other:
        return other.submit(_watch, viewers, seconds).result()


def _watch(viewers: list[Viewer], seconds: float) -> list[Viewer]:
    until = time.time() + seconds
    threads = [threading.Thread(target=viewer.run, args=(until,)) for viewer in viewers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    time.sleep(max(0.0, until - time.time()))
    return viewers


if __name__ == "__main__":
    main()
