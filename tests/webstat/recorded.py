"""A store filled from recorded clusters through the agent's probe and the collector's store, as if it were now.

Nothing is made up but the date: all times are moved by the same number of seconds, so that the newest report of each
cluster is some seconds old. Made once a session: the fixture `recorded` stands in conftest.py. It is only to be read.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.probe import take_report
from agent.recording import Replay
from agent.report import Report
from collector.settings import ClusterSettings, CollectorSettings, Settings, StoreSettings
from collector.store import PollTimes, Store
from tests.databases import store_at
from tests.webstat.served import FakeCollector, settings_for

SAMPLES = Path(__file__).parent.parent / "samples"
CLUSTERS = {
    "series": "openpbs-23.06.06/timeseries",
    "mixed": "openpbs-23.06.06/mixed",
    "large": "openpbs-23.06.06/large",
    "torque": "torque-6.1.3.h5/mixed",
    "old": "torque-2.5.13/mixed",
    "slurm": "slurm-22.05.8/mixed",
    "accounts": "slurm-22.05.8/accounting",
}
"""Cluster -> what it was recorded from: 12 polls, all kinds of jobs (353, 261, 225, 70, 22), or many (11,708)."""

PERIOD = 3600
"""Seconds between polls: so long that a cluster stays live while tests run."""

_JOB_TIMES = ("submitted_at", "eligible_at", "started_at", "ended_at", "estimated_start_at")
_RESERVATION_TIMES = ("starts_at", "ends_at")


@dataclass(frozen=True)
class Recorded:
    """A filled store: its address, its clusters in order, and the newest report of each as it was stored."""

    url: str
    now: float
    reports: dict[str, Report]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.reports)

    def settings(self, collector: FakeCollector | None = None, **web: Any) -> Settings:
        """Settings of a web process over it."""
        return settings_for(self.url, *self.names, collector=collector, **web)


def record(path: Path, *names: str) -> Recorded:
    """Fill a new store at `path` with some of CLUSTERS, or with all."""
    chosen = names or tuple(CLUSTERS)
    now = time.time()
    url = store_at(path)
    settings = Settings(
        store=StoreSettings(url=url),
        collector=CollectorSettings(period_seconds=PERIOD),
        cluster=tuple(ClusterSettings(name=name, agent="tcp://127.0.0.1:1") for name in chosen),
    )
    store = Store(url)
    try:
        reports = {}
        for age, (name, ident) in enumerate(store.sync_clusters(settings).items(), start=5):
            polls = _polls(SAMPLES / CLUSTERS[name])
            by = int(now - age - polls[-1].taken_at)
            for report in polls:
                reports[name] = moved(report, name, by)
                at = reports[name].taken_at
                store.store_report(ident, reports[name], PollTimes(at - 1, 1.0, at + PERIOD))
            store.roll_up(ident)
    finally:
        store.close()
    return Recorded(url, now, reports)


def _polls(folder: Path) -> list[Report]:
    replay = Replay(folder)
    return [take_report(replay) for _ in range(replay.polls)]


def moved(report: Report, cluster: str, by: int) -> Report:
    """A report with all its times moved by some seconds, under a cluster's name."""
    return dataclasses.replace(
        report,
        cluster=cluster,
        taken_at=report.taken_at + by,
        jobs=[_moved(job, _JOB_TIMES, by) for job in report.jobs],
        reservations=tuple(_moved(reservation, _RESERVATION_TIMES, by) for reservation in report.reservations),
    )


def _moved(record: Any, times: tuple[str, ...], by: int) -> Any:
    told = {name: getattr(record, name) + by for name in times if getattr(record, name) is not None}
    return dataclasses.replace(record, **told)
