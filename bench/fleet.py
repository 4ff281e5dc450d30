"""One collector for many clusters: 170 agents with 100,000 jobs in all, every one asked each 30 s, with keys.

The agents are one process, the collector another, as a user starts it. Each cluster has the nodes and the jobs that run of the
recorded large one, and some that wait. From one report to the next jobs end, others start and new ones come, and
all that run have used more. Compared with what just reading the same answers takes: inflate, `json.loads`, and records of it.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import zmq
from sqlalchemy import create_engine, text

from agent.curve import Allowed, Door
from agent.keys import load_secret, make_keys
from agent.probe import take_report
from agent.recording import Choice, Replay
from agent.report import Job, Report
from agent.states import JobState
from agent.wire import from_wire, to_wire
from bench.store import SAMPLE
from bench.timing import medians

CLUSTERS, JOBS, PERIOD = 170, 100_000, 30
ROUNDS = 6
"""Of all clusters, that are measured."""
WARM_SECONDS = 75
"""First reports, sums and what else a start brings."""
ENDED, STARTED = 3, 3
"""Jobs of a cluster from one report to the next: 1 % of them."""
_TICK = os.sysconf("SC_CLK_TCK")


class Cluster:
    """One of the clusters; each report is a period after the last."""

    def __init__(self, recorded: Report, number: int) -> None:
        by_state = sorted(recorded.jobs, key=lambda one: one.state is not JobState.RUNNING)
        self._jobs = by_state[: JOBS // CLUSTERS]
        self._report = replace(recorded, cluster=f"c{number:03}", arrays=())
        self._next = 10_000_000

    def report(self) -> Report:
        """The cluster now."""
        now = time.time()
        running = [one for one in self._jobs if one.state is JobState.RUNNING]
        waiting = [one for one in self._jobs if one.state is not JobState.RUNNING]
        hosts = [one.hosts for one in running[:ENDED]]
        started = [
            replace(one, state=JobState.RUNNING, native_state="R", started_at=int(now), hosts=where, comment=None)
            for one, where in zip(waiting[:STARTED], hosts, strict=True)
        ]
        goes_on = [_used_more(one) for one in running[ENDED:]]
        self._jobs = [*goes_on, *started, *waiting[STARTED:], *(self._new(one, int(now)) for one in waiting[:STARTED])]
        return replace(self._report, taken_at=now, jobs=self._jobs)

    def _new(self, like: Job, now: int) -> Job:
        self._next += 1
        return replace(like, id=f"{self._next}.pbs", submitted_at=now, array_id=None, array_index=None)


def _used_more(job: Job) -> Job:
    return replace(
        job,
        walltime_used_seconds=(job.walltime_used_seconds or 0) + PERIOD,
        cpu_used_seconds=(job.cpu_used_seconds or 0) + PERIOD * job.cores,
    )


def serve(folder: Path, told: Connection) -> None:
    """Answer for all clusters until told to stop."""
    recorded = take_report(Replay(SAMPLE, Choice()))
    context = zmq.Context()
    door = Door(context, load_secret(folder / "agent.key_secret"), Allowed([folder / "collector.key"]))
    poller = zmq.Poller()
    clusters: dict[Any, Cluster] = {}
    for number in range(CLUSTERS):
        socket = context.socket(zmq.REP)
        door.guard(socket)
        socket.bind(f"ipc://{folder}/a{number:03}")
        poller.register(socket, zmq.POLLIN)
        clusters[socket] = Cluster(recorded, number)
    told.send(True)
    while not told.poll():
        for socket, _ in poller.poll(200):
            socket.recv()
            socket.send(to_wire(clusters[socket].report()))
    for socket in clusters:
        socket.close(linger=0)
    door.close()
    context.term()


@contextmanager
def fleet(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Agents and collector; the collector's process."""
    for name in ("agent", "collector"):
        make_keys(folder, name)
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    agents = multiprocessing.get_context("spawn").Process(target=serve, args=(folder, theirs))
    agents.start()
    ours.recv()
    clusters = "".join(
        f'[[cluster]]\nname = "c{number:03}"\nagent = "ipc://{folder}/a{number:03}"\nserver_key_file = "agent.key"\n'
        for number in range(CLUSTERS)
    )
    config = folder / "webstat.toml"
    config.write_text(
        f'[store]\nurl = "sqlite:///s.sqlite"\n[collector]\nperiod_seconds = {PERIOD}\n'
        f'secret_key_file = "collector.key_secret"\n'
        f'announce = "ipc://{folder}/announce"\nrefresh = "ipc://{folder}/refresh"\n{clusters}'
    )
    environment = {**os.environ, "WEBSTAT_CONFIG": str(config)}
    with (folder / "collector.log").open("wb") as log:
        collector = subprocess.Popen(
            [sys.executable, "-m", "collector", "run"], env=environment, stdout=log, stderr=log
        )
    try:
        yield collector
    finally:
        collector.terminate()
        collector.wait()
        ours.send(True)
        agents.join()


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name, fleet(Path(name)) as collector:
        time.sleep(WARM_SECONDS)
        begun, used = time.time(), _seconds(collector.pid)
        shares = []
        for _ in range(ROUNDS):
            before, since = _seconds(collector.pid), time.monotonic()
            time.sleep(PERIOD)
            shares.append((_seconds(collector.pid) - before) / (time.monotonic() - since))
        used = _seconds(collector.pid) - used
        until = time.time()
        memory = _memory(collector.pid)
        polls = _polls(Path(name), begun, until)
    reading = _reading()
    jobs = JOBS // CLUSTERS * CLUSTERS
    print(
        f"{CLUSTERS} clusters, {jobs:,} jobs, {CLUSTERS * 176:,} nodes, each asked every {PERIOD} s, for {until - begun:.0f} s"
    )
    print(
        f"  reports stored        {polls['stored']:8,}      of {CLUSTERS * (until - begun) / PERIOD:,.0f} due; {polls['failed']} polls failed"
    )
    between = polls["between"]
    print(
        f"  from one to the next  {statistics.median(between):8.2f} s    (p95 {between[int(len(between) * 0.95)]:.2f} s)"
    )
    print(
        f"  of one core           {statistics.median(shares):8.0%}      (median of {ROUNDS} periods, worst {max(shares):.0%}; limit 50 %)"
    )
    print(
        f"  a report              {used / polls['stored'] * 1000:8.1f} ms   of processor time; read with plain json: {reading['json'] * 1000:.1f}, "
        f"made records: {reading['records'] * 1000:.1f}"
    )
    print(
        f"  memory, at most       {memory['VmHWM'] / 1024:8.0f} MB   (limit 300; at the end {memory['VmRSS'] / 1024:.0f})"
    )


def _seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def _memory(pid: int) -> dict[str, int]:
    """In KiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith(("VmHWM", "VmRSS"))}


def _polls(folder: Path, since: float, until: float) -> dict[str, Any]:
    engine = create_engine(f"sqlite:///{folder}/s.sqlite")
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "select cluster_id, report, taken_at from poll where at between :since and :until order by cluster_id, at"
            ),
            {"since": since, "until": until},
        ).all()
    engine.dispose()
    stored = [row for row in rows if row.report is not None]
    between = sorted(
        after.taken_at - before.taken_at
        for before, after in itertools.pairwise(stored)
        if after.cluster_id == before.cluster_id
    )
    return {"stored": len(stored), "failed": len(rows) - len(stored), "between": between}


def _reading() -> dict[str, float]:
    data = to_wire(Cluster(take_report(Replay(SAMPLE, Choice())), 0).report())
    return medians(15, {"json": lambda: json.loads(zlib.decompress(data)), "records": lambda: from_wire(data)})


if __name__ == "__main__":
    main()
