"""What pages ask: the clusters as they are, and each cluster's frames, remembered per report number.

Only the small cluster table is read at each question; all else is kept until a new report comes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeVar

import pandas as pd

from collector.settings import Settings
from webstat import identity
from webstat.cache import Memory
from webstat.data import frames, queries, usage
from webstat.errors import StoreEmpty
from webstat.format import DAY, HOUR, WEEK
from webstat.health import Cluster, Warning

T = TypeVar("T")


class Source:
    """The store behind a memory; one for all pages and threads."""

    def __init__(self, settings: Settings, memory: Memory | None = None) -> None:
        self.settings = settings
        self._engine = queries.open_store(settings.store.url)
        self._memory = memory or Memory()

    def close(self) -> None:
        """Give back the store's connections."""
        self._engine.dispose()

    def remember(self, key: tuple[object, ...], make: Callable[[], T]) -> T:
        """The result for `key`, made once; `key` must name the reports it rests on."""
        return self._memory.get(key, make)

    def clusters(self) -> tuple[Cluster, ...]:
        """The clusters of webstat.toml in its order, else those the collector lists; as they are now.

        Clusters the store does not know yet, or all while there is no store, have report 0.
        Raises StoreBroken.
        """
        try:
            rows = queries.load_clusters(self._engine)
        except StoreEmpty:
            rows = None
        known = {} if rows is None else {row.name: _cluster(row) for row in rows[rows["listed"]].itertuples()}
        if not self.settings.cluster:
            return tuple(known.values())
        default = self.settings.collector.period_seconds
        return tuple(
            known.get(c.name)
            or Cluster(c.name, c.title or c.name, demo=c.demo, period_seconds=c.period_seconds or default)
            for c in self.settings.cluster
        )

    def totals(self, cluster: Cluster) -> pd.DataFrame:
        """load_job_totals() of the cluster's newest report."""
        return self._of_report("totals", cluster, lambda id_: queries.load_job_totals(self._engine, id_))

    def nodes(self, cluster: Cluster) -> pd.DataFrame:
        """load_nodes() of the cluster's newest report."""
        return self._of_report("nodes", cluster, lambda id_: queries.load_nodes(self._engine, id_))

    def queues(self, cluster: Cluster) -> pd.DataFrame:
        """load_queues() of the cluster's newest report."""
        return self._of_report("queues", cluster, lambda id_: queries.load_queues(self._engine, id_))

    def capacity(self, cluster: Cluster) -> frames.Capacity:
        """The cluster's capacity at its newest report."""
        return self.remember(
            ("capacity", cluster.id, cluster.report),
            lambda: frames.capacity(self.nodes(cluster), self.totals(cluster)),
        )

    def polls(self, cluster: Cluster, until: float) -> pd.DataFrame:
        """load_polls() of the 24 hours before `until`; not remembered, since failed polls have no number."""
        return queries.load_polls(self._engine, cluster.id or 0, int(until - DAY))

    def waits(self, cluster: Cluster) -> pd.DataFrame:
        """load_waits() of the seven days before the newest report, to the whole hour."""
        until = int(cluster.taken_at or 0) // HOUR * HOUR + HOUR
        return self.remember(
            ("waits", cluster.id, until),
            lambda: queries.load_waits(self._engine, cluster.id or 0, until - WEEK, until),
        )

    def usage(self, cluster: Cluster, until: float) -> usage.Usage:
        """Cores in use in the 24 hours before `until`, by user; gaps open."""
        since, end = usage.window(until)

        def make() -> usage.Usage:
            spans = queries.load_core_spans(self._engine, cluster.id or 0, since, end)
            polls = queries.load_polls(self._engine, cluster.id or 0, since - DAY)
            known = usage.known_stretches(polls, cluster.period_seconds, since, min(end, cluster.taken_at or 0))
            return usage.usage(spans, known, since, end)

        return self.remember(("usage", cluster.id, cluster.report, end), make)

    def usable(self, cluster: Cluster, until: float) -> pd.Series:
        """Usable cores at the steps of usage()."""
        since, end = usage.window(until)

        def make() -> pd.Series:
            hours = queries.load_capacity_hours(self._engine, cluster.id or 0, since - HOUR, end)
            total = self.usage(cluster, until).total
            return usage.usable_series(hours, total, self.capacity(cluster).usable, cluster.taken_at or 0)

        return self.remember(("usable", cluster.id, cluster.report, end), make)

    def hues(self, now: float) -> dict[str, int]:
        """User -> hue, from the last 90 days over all clusters; made anew once a day (UTC)."""
        today = int(now // DAY)

        def make() -> dict[str, int]:
            hours = queries.load_user_hours(self._engine, int((today - 90) * DAY))
            return identity.hues(hours.itertuples(index=False, name=None))

        # A store that has just begun has no sums yet: that is not remembered.
        return self._memory.get(("hues", today), make, keep=bool)

    def _of_report(self, name: str, cluster: Cluster, load: Callable[[int], pd.DataFrame]) -> pd.DataFrame:
        return self.remember((name, cluster.id, cluster.report), lambda: load(cluster.id or 0))


def _cluster(row: object) -> Cluster:
    def known(name: str) -> float | None:
        value = getattr(row, name)
        return None if pd.isna(value) else float(value)

    def listed(name: str) -> list[object]:
        value = getattr(row, name)
        return list(json.loads(value)) if value else []

    warnings = (w for w in listed("warnings") if isinstance(w, dict))
    return Cluster(
        name=row.name,
        title=row.title or row.name,
        demo=bool(row.demo),
        id=int(row.id),
        period_seconds=int(row.period_seconds),
        scheduler_kind=row.scheduler_kind,
        scheduler_version=row.scheduler_version,
        report=int(row.report),
        taken_at=known("taken_at"),
        query_seconds=known("query_seconds"),
        warnings=tuple(Warning(str(w.get("source", "")), str(w.get("message", ""))) for w in warnings),
        partial=tuple(str(part) for part in listed("partial")),
        failures=int(row.failures),
        error_code=row.error_code,
        error=row.error,
        attempted_at=known("attempted_at"),
        next_poll_at=known("next_poll_at"),
    )
