"""The demo's past: the reports an agent would have made since the epoch, for the collector's own ingest.

They come from the same simulation as the present: same jobs, same ids, same moment of change. Each holds
the live jobs of its time and every job that ended since the one before, with its exact times.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import tzinfo
from itertools import pairwise

from agent.report import Report
from demo.clusters import DAY, HOUR
from demo.direct import take_report
from demo.state import Epoch

COARSE_SECONDS, FINE_SECONDS, FINE_FOR = 4 * HOUR, HOUR, 36 * HOUR
"""Reports are hours apart, so that a month is stored in seconds; of the last day and a half there are more."""

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
    times = [*range(until, fine, -FINE_SECONDS), *range(fine, epoch.start, -COARSE_SECONDS), epoch.start]
    silent = gaps(cluster, until)
    return sorted(at for at in set(times) if not any(start <= at < end for start, end in silent))


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
