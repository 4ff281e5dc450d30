"""The demo's past: the reports an agent would have made since the epoch, for the collector's own ingest.

They come from the same simulation as the present: same jobs, same ids, same moment of change. Each holds
the live jobs of its time and every job that ended since the one before, with its exact times.
"""

from __future__ import annotations

import heapq
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import tzinfo
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from agent.report import Report
from demo.clusters import DAY, HOUR
from demo.direct import take_report
from demo.state import Epoch, load_epoch

COARSE_SECONDS, FINE_SECONDS, FINE_FOR = 6 * HOUR, HOUR, 24 * HOUR
"""Reports are hours apart, so that a month is stored in seconds; of the last day there are more."""

_SILENT = {
    "certainty": ((20.2, 9.0),),
    "vsp-compute": ((11.6, 13.0), (0.9, 2.5)),
    "biox3": ((26.4, 10.0), (5.3, 18.0), (0.45, 3.2)),
}
"""When nobody answered: (days before the end, hours it lasted)."""


def gaps(cluster: str, until: int) -> list[tuple[int, int]]:
    """Stretches [from, to) in which the cluster's agent did not answer, unix seconds, oldest first."""
    begins = [(until - int(days * DAY), int(hours * HOUR)) for days, hours in _SILENT.get(cluster, ())]
    return [(begin, begin + seconds) for begin, seconds in begins]


def report_times(epoch: Epoch, cluster: str, until: int) -> list[int]:
    """When there are reports: in steps from the epoch's start, at `until`, and never within a gap."""
    fine = until - FINE_FOR
    times = {
        *range(until, max(fine, epoch.start), -FINE_SECONDS),
        *range(fine, epoch.start, -COARSE_SECONDS),
        epoch.start,
    }
    silent = gaps(cluster, until)
    return sorted(at for at in times if not any(start <= at < end for start, end in silent))


def reports(epoch: Epoch, cluster: str, until: int | None = None, zone: tzinfo | None = None) -> Iterator[Report]:
    """One report after the other, oldest first, the last one at `until` (unix seconds; now if None)."""
    until = int(time.time()) if until is None else until
    times = report_times(epoch, cluster, until)
    longest = max((b - a for a, b in pairwise(times)), default=0)
    simulation = epoch.simulate(cluster, remember=longest + HOUR)
    since = epoch.start
    for at in times:
        simulation.advance(at)
        yield take_report(simulation, since, zone)
        since = at


def all_reports(state: Path, until: int) -> Iterator[tuple[str, Report]]:
    """(cluster, report) of all clusters of a prepared folder, in the order of their times.

    Each cluster is simulated by a process of its own, while the caller stores what came before. They end
    with the generator. Raises RuntimeError where one of them fails.
    """
    epoch = load_epoch(state)
    makers: list[subprocess.Popen[bytes]] = []
    try:
        for name in epoch.clusters:
            argv = [sys.executable, "-m", "demo", "past", str(state.resolve()), name, str(until)]
            root = Path(__file__).resolve().parent.parent
            makers.append(
                subprocess.Popen(
                    argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, cwd=root, start_new_session=True
                )
            )
        streams = [_read_reports(name, maker) for name, maker in zip(epoch.clusters, makers, strict=True)]
        yield from heapq.merge(*streams, key=lambda pair: pair[1].taken_at)
    finally:
        for maker in makers:
            maker.kill()
            maker.wait()
            if maker.stdout:
                maker.stdout.close()


def write_reports(epoch: Epoch, cluster: str, until: int, out: BinaryIO) -> None:
    """The other end of `all_reports`: pickles, since both ends are this project's own processes."""
    for report in reports(epoch, cluster, until):
        pickle.dump(report, out, pickle.HIGHEST_PROTOCOL)
        out.flush()
    pickle.dump(None, out)
    out.flush()


def _read_reports(cluster: str, maker: subprocess.Popen[bytes]) -> Iterator[tuple[str, Report]]:
    assert maker.stdout is not None
    while True:
        try:
            report = pickle.load(maker.stdout)
        except (EOFError, pickle.UnpicklingError):
            raise RuntimeError(f"the past of {cluster} ended early, exit code {maker.wait()}") from None
        if report is None:
            return
        yield cluster, report
