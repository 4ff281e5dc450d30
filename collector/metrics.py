"""What a collector does, for Prometheus: served on [collector] metrics by prometheus_client's own thread.

What it brought is told by the page's /metrics, from the store.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, start_http_server
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from collector.errors import CollectorError

BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
MOST_OUTCOMES = 30
"""Different ones; an agent may invent more, which count as `other`."""


class HostedProcess(ProcessCollector):
    """process_*, also in the units' sandbox (ProcSubset=pid), where /proc/stat does not tell when the host started."""

    def _boot_time(self) -> float:
        return time.time() - time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def process_registry() -> CollectorRegistry:
    """A registry that tells of this process; each number once, without when it was first counted."""
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    HostedProcess(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class Meter:
    """The numbers of one collector; counted always, served where the settings say so."""

    def __init__(self, clusters_held: Callable[[], float]) -> None:
        self.registry = process_registry()
        self._outcomes: set[str] = set()
        own: dict[str, Any] = {"namespace": "webstat_collector", "registry": self.registry}
        timed = {**own, "buckets": BUCKETS}
        self._polls = Counter("polls", "Polls by outcome: new, same, or an error's code", ("cluster", "outcome"), **own)
        self._fetch = Histogram("fetch_seconds", "Time from asking an agent to its answer", ("cluster",), **timed)
        self.store = Histogram("store_seconds", "Time in which a report is stored", **timed)
        self.rollup = Histogram("rollup_seconds", "Time in which sums are made after a report", **timed)
        self.announcements = Counter("announcements", "Announcements sent", **own)
        self._refreshes = Counter("refreshes", "Refreshes by hand: done or refused", ("outcome",), **own)
        self.waiting = Gauge("thread_waiting", "Calls of the writing thread that wait or run", **own)
        Gauge("clusters_held", "Clusters that this collector polls", **own).set_function(clusters_held)

    def polled(self, cluster: str, outcome: str, seconds: float) -> None:
        """Count a poll that took so long until the answer came, or none."""
        if len(self._outcomes) < MOST_OUTCOMES:
            self._outcomes.add(outcome)
        told = outcome[:40] if outcome in self._outcomes else "other"
        self._polls.labels(cluster, told).inc()
        self._fetch.labels(cluster).observe(seconds)

    def refreshed(self, ok: bool) -> None:
        """Count a refresh by hand."""
        self._refreshes.labels("done" if ok else "refused").inc()

    def serve(self, address: str) -> Callable[[], None]:
        """Answer at HOST:PORT until what is returned is called. Raises CollectorError where that is taken."""
        host, _, port = address.rpartition(":")
        try:
            server, thread = start_http_server(int(port), host.strip("[]"), self.registry)
        except (OSError, OverflowError) as error:
            raise CollectorError(
                f"metrics cannot be served at {address}: {error}; change [collector] metrics"
            ) from None

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return stop
