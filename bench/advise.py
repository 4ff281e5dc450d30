"""Answers over ten clusters with 100,000 jobs, side by side with reading the frames that they rest on.

Where a job should be submitted: right after new reports of all ten, of one of them, whatever is asked next, and where
nothing starts now, so that other requests are tried; and by the command, Python's own start and all that it loads
included. Beside it what would be free when on one of them, and the ranges in a window of the table of jobs.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from agent.probe import take_report
from agent.recording import Replay
from agent.report import Report
from bench.store import SAMPLE
from bench.timing import medians
from collector.settings import ClusterSettings, Settings, StoreSettings
from collector.store import PollTimes, Store
from webstat.answers.advise import advise
from webstat.answers.forecast import past_of
from webstat.answers.future import future
from webstat.answers.request import Request
from webstat.answers.starts import starts
from webstat.data import jobs
from webstat.data.jobrows import flat_rows, sort_rows
from webstat.data.queries.changes import load_reservations
from webstat.data.queries.waiting import load_alike_counted
from webstat.data.source import Source
from webstat.start import keep_loaded

CLUSTERS, ROUNDS, WINDOW = 10, 5, 100
FITS, NOWHERE = Request(1, walltime_seconds=1800), Request(48, nodes=2, walltime_seconds=12 * 3600)


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        url = f"sqlite:///{name}/store.sqlite"
        settings = Settings(
            store=StoreSettings(url=url),
            cluster=tuple(ClusterSettings(name=f"c{place}", agent="tcp://127.0.0.1:1") for place in range(CLUSTERS)),
        )
        store = Store(url)
        now = time.time()
        reports = _fill(store, settings, now - 30)
        keep_loaded()
        print(f"{CLUSTERS} clusters, {CLUSTERS * len(reports[0].jobs):,} jobs that live; median of {ROUNDS}")
        taken = medians(
            ROUNDS,
            {
                "reading the frames": lambda: _anew(settings, _read),
                "where: all reports new": lambda: _anew(settings, lambda source: advise(source, FITS, now)),
                "the command": lambda: _command(Path(name), url),
                "free when: one cluster": lambda: _anew(settings, lambda source: future(source, source.clusters()[0])),
            },
        )
        source = Source(settings)
        advise(source, FITS, now)
        taken["where: one report new"] = _after_each(store, source, reports[0], now)
        taken |= medians(
            ROUNDS,
            {
                "where: again": lambda: advise(source, FITS, now),
                "where: with a change": lambda: advise(source, NOWHERE, now),
            },
        )
        taken["ranges of a window"] = _of_windows(source, now)
        source.close()
        store.close()
        for words, seconds in taken.items():
            print(f"  {words:24} {seconds * 1000:7.0f} ms" + (" (target 1,000)" if words.startswith("where") else ""))


def _fill(store: Store, settings: Settings, at: float) -> list[Report]:
    recorded = take_report(Replay(SAMPLE))
    reports = []
    for name, ident in store.sync_clusters(settings).items():
        reports.append(dataclasses.replace(recorded, cluster=name, taken_at=at))
        store.store_report(ident, reports[-1], PollTimes(at - 1, 1.0, at + 3600))
    return reports


def _after_each(store: Store, source: Source, report: Report, now: float) -> float:
    """Asked after each of some reports of the first cluster."""
    idents = {one.name: one.id for one in source.clusters()}
    seconds = []
    for number in range(1, ROUNDS + 1):
        at = report.taken_at + number
        newer = dataclasses.replace(report, taken_at=at)
        store.store_report(idents[report.cluster] or 0, newer, PollTimes(at - 1, 1.0, at + 3600))
        begun = time.perf_counter()
        advise(source, FITS, now)
        seconds.append(time.perf_counter() - begun)
    return float(np.median(seconds))


def _of_windows(source: Source, now: float) -> float:
    """Of windows that were not asked for before."""
    clusters = source.clusters()
    table = jobs.table(source, clusters, now)
    rows = flat_rows(table, np.arange(len(table.columns["state"])))
    order = sort_rows(rows, "waited_seconds", descending=True)
    seconds = []
    for start in range(0, WINDOW * ROUNDS, WINDOW):
        begun = time.perf_counter()
        starts(source, clusters, rows, order[start : start + WINDOW], now)
        seconds.append(time.perf_counter() - begun)
    return float(np.median(seconds))


def _anew(settings: Settings, do: Callable[[Source], object]) -> None:
    source = Source(settings)
    try:
        do(source)
    finally:
        source.close()


def _command(folder: Path, url: str) -> None:
    config = folder / "webstat.toml"
    config.write_text(f'[store]\nurl = "{url}"\n')
    command = [sys.executable, "-m", "webstat", "--config", str(config), "advise", "--cores", "1", "--walltime", "0:30"]
    done = subprocess.run(command, stdout=subprocess.PIPE)
    assert b"CLUSTER" in done.stdout


def _read(source: Source) -> None:
    for cluster in source.clusters():
        source.nodes(cluster), source.queues(cluster), source.totals(cluster)
        past_of(source, cluster)
        for load in (load_alike_counted, load_reservations):
            source.read(load, cluster.id or 0, stamp=cluster.report)


if __name__ == "__main__":
    main()
