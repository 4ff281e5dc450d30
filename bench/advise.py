"""Where a job should be submitted, over ten clusters with 100,000 jobs: side by side with reading their frames alone.

`first` is right after new reports of all ten, `again` whatever is asked next, `a change` where nothing starts now, so
that other requests are tried. Reading is what answers rest on: nodes, queues, sums of jobs, those that wait.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time

from agent.probe import take_report
from agent.recording import Replay
from agent.report import Report
from bench.store import SAMPLE
from bench.timing import medians
from collector.settings import ClusterSettings, Settings, StoreSettings
from collector.store import PollTimes, Store
from webstat.answers import advise as advisor
from webstat.answers.forecast import past_of
from webstat.answers.request import Request
from webstat.data.queries.changes import load_reservations
from webstat.data.queries.waiting import load_alike_counted
from webstat.data.source import Source

CLUSTERS, ROUNDS = 10, 5
FITS, NOWHERE = Request(1, walltime_seconds=1800), Request(48, nodes=2, walltime_seconds=12 * 3600)


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        url = f"sqlite:///{name}/store.sqlite"
        settings = Settings(
            store=StoreSettings(url=url),
            cluster=tuple(ClusterSettings(name=f"c{place}", agent="tcp://127.0.0.1:1") for place in range(CLUSTERS)),
        )
        now, jobs = _fill(Store(url), settings)
        print(f"{CLUSTERS} clusters, {jobs:,} jobs that live; median of {ROUNDS}")
        taken = medians(
            ROUNDS,
            {
                "reading the frames": lambda: _with(settings, _read),
                "first": lambda: _with(settings, lambda source: advisor.advise(source, FITS, now)),
            },
        )
        source = Source(settings)
        advisor.advise(source, FITS, now)
        taken |= medians(
            ROUNDS,
            {
                "again": lambda: advisor.advise(source, FITS, now),
                "a change": lambda: advisor.advise(source, NOWHERE, now),
            },
        )
        source.close()
        for words, seconds in taken.items():
            print(
                f"  {words:20} {seconds * 1000:7.0f} ms" + (" (target 1,000)" if words != "reading the frames" else "")
            )


def _fill(store: Store, settings: Settings) -> tuple[float, int]:
    recorded = take_report(Replay(SAMPLE))
    now, jobs = time.time(), 0
    try:
        for name, ident in store.sync_clusters(settings).items():
            report: Report = dataclasses.replace(recorded, cluster=name, taken_at=now - 5)
            store.store_report(ident, report, PollTimes(now - 6, 1.0, now + 600))
            jobs += len(report.jobs)
    finally:
        store.close()
    return now, jobs


def _with(settings: Settings, do: object) -> None:
    source = Source(settings)
    try:
        do(source)  # type: ignore[operator]
    finally:
        source.close()


def _read(source: Source) -> None:
    for cluster in source.clusters():
        source.nodes(cluster), source.queues(cluster), source.totals(cluster)
        past_of(source, cluster)
        for load in (load_alike_counted, load_reservations):
            source.read(load, cluster.id or 0, stamp=cluster.report)


if __name__ == "__main__":
    main()
