"""Several web processes behind HAProxy: requests a second, what each core does meanwhile, and what sharing results saves.

HAProxy and memcached are real, with deploy/haproxy.cfg; the store holds the recorded cluster of 10,000 jobs. People's
requests come from a process of its own, on the same cores as all the rest: what it and HAProxy take is said too, since no
number of workers can use what they need. With a core for each of them, workers would be the only limit.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import ssl
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import requests

from agent.probe import take_report
from agent.recording import Choice, Replay
from agent.report import Report
from bench.site import SAMPLE, now_of
from bench.store import later
from bench.viewers import drawing_question
from collector.settings import Settings
from collector.store import PollTimes, Store
from scripts.run import free_port
from tests.webstat.programs import HAProxy, Process, memcached, web
from webstat import ids

WORKERS = (1, 2, 4)
SECONDS, CONNECTIONS, REPORTS = 6, 12, 3
PAGES = ("/", "/cluster/large", "/free", "/jobs", "/health", "/history")
ASKED = (
    *PAGES,
    "/history?range=7d&by=group",
    "/history?range=7d&by=queue&metric=wait",
    "/history?range=7d&metric=queued-jobs",
)
"""What is looked at after a report."""
SEARCHES = ("ro", "sett", "qm", "ab", "x", "1", "md", "e")
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Site:
    """Workers behind HAProxy over a store that is written here."""

    front: HAProxy
    workers: list[Process]
    store: Store
    report: Report

    def new_report(self) -> None:
        """1 % of the jobs changed."""
        self.report = now_of(later(self.report))
        self.store.store_report(1, self.report, PollTimes(self.report.taken_at, 0))


@contextmanager
def site(folder: Path, workers: int, sharing: bool) -> Iterator[Site]:
    """So many workers, with memcached or without."""
    with ExitStack() as stack:
        config = folder / "webstat.toml"
        text = (
            '[store]\nurl = "sqlite:///s.sqlite"\n[web]\nproxies = ["127.0.0.1"]\n[[cluster]]\nname = "large"\n'
            'agent = "tcp://127.0.0.1:1"\n[collector]\nannounce = "tcp://127.0.0.1:9"\nrefresh = "tcp://127.0.0.1:9"\n'
        )
        if sharing:
            cache = stack.enter_context(memcached(folder))
            text = text.replace("[web]\n", f'[web]\nmemcached = "127.0.0.1:{cache.port}"\nsecret_file = "web.secret"\n')
        config.write_text(text)
        store = Store(f"sqlite:///{folder}/s.sqlite")
        stack.callback(store.close)
        store.sync_clusters(Settings.model_validate({"cluster": [{"name": "large", "agent": "tcp://127.0.0.1:1"}]}))
        ports = [free_port(0) for _ in range(workers)]
        processes = [stack.enter_context(web(config, port, f"web{port}")) for port in ports]
        front = stack.enter_context(HAProxy(folder, ports).running())
        running = Site(front, processes, store, now_of(take_report(Replay(SAMPLE, Choice()))))
        running.new_report()
        while any(front.status("pages", f"web{number}") != "UP" for number in range(1, workers + 1)):
            time.sleep(0.1)
        yield running


@dataclass
class Load:
    """People who ask as fast as they are answered, each over a connection that stays."""

    port: int
    certificate: str
    questions: list[bytes]
    seconds: float = SECONDS
    connections: int = CONNECTIONS
    taken: list[float] = field(default_factory=list)
    cpu: float = 0.0

    def run(self) -> Load:
        """Ask, and note how long each answer took; for a process of its own."""
        begun, until = time.process_time(), time.time() + self.seconds
        threads = [threading.Thread(target=self._ask, args=(number, until)) for number in range(self.connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.cpu = time.process_time() - begun
        return self

    def _ask(self, number: int, until: float) -> None:
        with connected(self.port, self.certificate) as connection:
            while time.time() < until:
                begun = time.perf_counter()
                ask(connection, self.questions[number % len(self.questions)])
                self.taken.append(time.perf_counter() - begun)
                number += 1


@contextmanager
def connected(port: int, certificate: str = "") -> Iterator[socket.socket]:
    """A connection; with TLS where there is a certificate."""
    with socket.create_connection(("127.0.0.1", port)) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not certificate:
            yield plain
            return
        context = ssl.create_default_context(cafile=certificate)
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as safe:
            yield safe


def ask(connection: socket.socket, question: bytes) -> None:
    """Ask and read the answer, with as little work as can be: it is on the same cores."""
    connection.sendall(question)
    found = b""
    while b"\r\n\r\n" not in found:
        found += connection.recv(262144)
    head, _, body = found.partition(b"\r\n\r\n")
    status, lower = head[9:12], head.lower()
    assert status in (b"200", b"204"), head.decode()
    length = int(lower.split(b"content-length:")[1].split(b"\r\n")[0]) if b"content-length:" in lower else 0
    left = length - len(body)
    while left > 0:
        left -= len(connection.recv(262144))


def questions(url: str) -> list[bytes]:
    """What browsers ask: pages drawn, rows of the table of jobs, cells of the node map; as they go over the wire."""
    question = drawing_question(requests.Session(), url)
    asked = [_drawing(question, page) for page in PAGES]
    asked += [wire("GET", f"/data/jobs?q={word}") for word in SEARCHES]
    return [*asked, wire("GET", "/data/nodes/large"), wire("GET", "/clusters.json")]


def _drawing(question: dict[str, Any], address: str) -> bytes:
    path, _, search = address.partition("?")
    viewer = {"theme": "light", "zone": "UTC", "me": ""}
    values = [path, search and f"?{search}", viewer, {"at": 0}, 0]
    inputs = [{**one, "value": value} for one, value in zip(question["inputs"], values, strict=True)]
    body = {**question, "inputs": inputs, "state": [question["state"][0]], "changedPropIds": [f"{ids.NEWS}.data"]}
    return wire("POST", "/_dash-update-component", json.dumps(body).encode())


def wire(method: str, path: str, body: bytes = b"", head: str = "") -> bytes:
    """A request as it is sent, with more lines of `head`."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: gzip\r\n{head}"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def seconds_of(processes: Sequence[Process]) -> float:
    """Processor time that they have taken."""
    fields = [Path(f"/proc/{one.process.pid}/stat").read_text().rpartition(")")[2].split() for one in processes]
    return sum(int(one[11]) + int(one[12]) for one in fields) / _TICK


def cores() -> list[tuple[int, int]]:
    """(ticks busy, ticks in all) of each core."""
    found = []
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith("cpu") and line[3].isdigit():
            ticks = [int(one) for one in line.split()[1:9]]
            found.append((sum(ticks) - ticks[3] - ticks[4], sum(ticks)))
    return found


def main() -> None:
    """Print the tables."""
    jobs = len(take_report(Replay(SAMPLE, Choice())).jobs)
    print(f"{jobs:,} jobs; {CONNECTIONS} people who ask as fast as they are answered, {SECONDS} s, over TLS")
    print("  workers  memcached  requests/s   p50    p95   of two cores: workers  HAProxy  people   each core busy")
    for sharing in (False, True):
        for number in WORKERS:
            with tempfile.TemporaryDirectory() as folder, site(Path(folder), number, sharing) as running:
                _rate(running, number, sharing)
    for sharing in (False, True):
        with tempfile.TemporaryDirectory() as folder, site(Path(folder), 4, sharing) as running:
            _after_a_report(running, sharing)


def _rate(running: Site, number: int, sharing: bool) -> None:
    certificate = str(running.front.certificate)
    asked = questions(f"http://127.0.0.1:{running.workers[0].port}")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as people:
        # First so that every worker has drawn everything once.
        people.submit(Load(running.front.port, certificate, asked, seconds=3).run).result()
        busy, used, proxy = cores(), seconds_of(running.workers), seconds_of([running.front.process])
        begun = time.monotonic()
        load = people.submit(Load(running.front.port, certificate, asked).run).result()
        took = time.monotonic() - begun
    shares = [(b - a) / (d - c) for (a, c), (b, d) in zip(busy, cores(), strict=True)]
    mine = [seconds_of(running.workers) - used, seconds_of([running.front.process]) - proxy, load.cpu]
    taken = sorted(load.taken)
    print(
        f"  {number:7}  {'yes' if sharing else 'no':9} {len(taken) / load.seconds:11.0f} {statistics.median(taken) * 1000:6.1f} "
        f"{taken[int(len(taken) * 0.95)] * 1000:6.1f} ms {'':12}"
        + "  ".join(f"{one / took / len(shares):6.0%}" for one in mine)
        + "   "
        + "  ".join(f"{one:4.0%}" for one in shares)
    )


def _after_a_report(running: Site, sharing: bool) -> None:
    """Each of the workers is asked for everything, one after the other, as by viewers who come to it."""
    question = drawing_question(requests.Session(), f"http://127.0.0.1:{running.workers[0].port}")
    drawings = [_drawing(question, page) for page in ASKED]
    first, others, cpu = [], [], []
    for number in range(REPORTS + 1):
        running.new_report()
        before = seconds_of(running.workers)
        times = []
        for worker in running.workers:
            with connected(worker.port) as connection:
                times.append(timed(partial(_ask_all, connection, drawings)))
        if number:  # the first time everything is imported and read for the first time
            first.append(times[0])
            others += times[1:]
            cpu.append(seconds_of(running.workers) - before)
    with_it = "with memcached" if sharing else "without memcached"
    print(
        f"\n{len(ASKED)} pages of each of {len(running.workers)} workers after a report, {with_it}: the first "
        f"{statistics.median(first) * 1000:.0f} ms, each other {statistics.median(others) * 1000:.0f} ms, "
        f"processor time of all {statistics.median(cpu):.2f} s"
    )


def _ask_all(connection: socket.socket, asked: Sequence[bytes]) -> None:
    for question in asked:
        ask(connection, question)


def timed(way: Callable[[], Any]) -> float:
    """The seconds that it takes."""
    begun = time.perf_counter()
    way()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
