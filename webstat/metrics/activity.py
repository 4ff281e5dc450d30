"""What this process does, for Prometheus: requests, viewers, what is remembered, what is logged; and itself.

Each worker counts for itself, so each is asked on its own port.
"""

from __future__ import annotations

import logging
import time
from collections import Counter as Count
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent import __version__
from collector.metrics import process_registry
from webstat.cache import Memory
from webstat.live import Hub
from webstat.pages import find

log = logging.getLogger("webstat.requests")

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SLOW_SECONDS = 1.0
METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"})
DASH = ("/_dash-update-component", "/_dash-component-suites", "/_dash-layout", "/_dash-dependencies")
OTHER = "other"


class Activity(logging.Handler):
    """Counts requests as the ASGI application's middleware, and log records as a handler; logs requests."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.registry = process_registry()
        self.records: Count[str] = Count()
        self.exceptions = 0
        labels = ("method", "route")
        self._requests = Counter(
            "webstat_http_requests", "Requests answered", (*labels, "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "webstat_http_request_duration_seconds",
            "Time from a request to the end of its answer; what Dash's callbacks take is /_dash-update-component",
            labels, buckets=BUCKETS, registry=self.registry,
        )  # fmt: skip

    def emit(self, record: logging.LogRecord) -> None:
        """Count a record, and whether it tells of an exception."""
        self.records[record.levelname.lower()] += 1
        self.exceptions += bool(record.exc_info and record.exc_info[0])

    def around(self, app: ASGIApp) -> ASGIApp:
        """The application with each request counted and logged."""

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            status = 500  # an application that raises before it answers

            async def noted(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            began = time.perf_counter()
            try:
                await app(scope, receive, noted)
            finally:
                self._note(scope, status, time.perf_counter() - began)

        return counted

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in METHODS else OTHER
        route = template(scope)
        self._requests.labels(method, route, f"{status // 100}xx").inc()
        self._seconds.labels(method, route).observe(seconds)
        unusual = status >= 400 or seconds >= SLOW_SECONDS
        remote = scope["client"][0] if scope.get("client") else None
        log.log(
            logging.INFO if unusual else logging.DEBUG,
            "request method=%s route=%s status=%d ms=%d remote=%s",
            *(method, route, status, round(seconds * 1000), remote),
        )


class Kept(Collector):
    """What is read where it is kept: viewers, announcements, memories, log records."""

    def __init__(self, activity: Activity, hub: Hub, memories: Mapping[str, Memory]) -> None:
        self._activity, self._hub, self._memories = activity, hub, memories

    def collect(self) -> Iterator[Metric]:
        """The present numbers."""
        build = GaugeMetricFamily("webstat_build_info", "Version of this process", labels=("version",))
        build.add_metric((__version__,), 1)
        yield build
        yield GaugeMetricFamily("webstat_viewers", "Browsers that listen for news", self._hub.viewers)
        heard = "1 if a collector is heard, else 0"
        yield GaugeMetricFamily("webstat_collector_heard", heard, int(self._hub.connected))
        yield CounterMetricFamily("webstat_announcements", "Announcements heard", self._hub.announced)
        for what in ("hits", "misses"):
            words = f"{what.capitalize()} of what is remembered: results of the store, drawings of pages"
            family = CounterMetricFamily(f"webstat_cache_{what}", words, labels=("memory",))
            for name, memory in self._memories.items():
                family.add_metric((name,), getattr(memory, what))
            yield family
        records = CounterMetricFamily("webstat_log_records", "Warnings and errors logged", labels=("level",))
        for level in ("warning", "error", "critical"):
            records.add_metric((level,), self._activity.records[level])
        yield records
        yield CounterMetricFamily("webstat_exceptions", "Exceptions logged", self._activity.exceptions)


def template(scope: Mapping[str, Any]) -> str:
    """The route of a request as it was declared, never what stood in the address: so there are only so many."""
    for declared in (scope.get("fastapi", {}).get("effective_route_context"), scope.get("route")):
        if path := getattr(declared, "path", None):
            return str(path)
    for prefix in DASH:
        if scope["path"].startswith(prefix):
            return prefix
    found = find(scope["path"])
    return found[0].path if found else OTHER
