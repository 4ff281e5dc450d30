"""What pages ask: the clusters as they are, and each cluster's frames, remembered per report number.

Only the small cluster table is read at each question; all else is kept until a new report comes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import pandas as pd
from sqlalchemy import Engine, Row

from agent.curve import Peer
from agent.keys import KeyPair
from collector.settings import Settings
from webstat import identity
from webstat.cache import Memory, Newest
from webstat.data import frames, usage
from webstat.data.explore.explorer import Explorer
from webstat.data.queries import engine, moment, now, past
from webstat.data.queries.identity import identity_of
from webstat.data.queries.veil import Sight, open_sight
from webstat.errors import StoreBroken, StoreEmpty
from webstat.format import DAY, HOUR, WEEK
from webstat.health import Cluster, Warning
from webstat.privacy import UNTOLD, Veil
from webstat.secret import load_secret
from webstat.shared import Shared, code_mark

T = TypeVar("T")


MOMENTS, KEPT_SECONDS = 6, 600
"""Past moments that are remembered, and for how long: what is learnt later may tell more of them."""


@dataclass(frozen=True)
class Collectors:
    """Where collectors are heard: their sockets for announcements, and for wishes for a refresh by cluster."""

    announce: frozenset[Peer]
    refresh: Mapping[str, Peer]
    otherwise: Peer | None
    """Whom to ask for a cluster that none of them polls."""

    def refresh_of(self, cluster: str) -> Peer | None:
        """Whom to ask for a new report of a cluster; None where there is nobody."""
        return self.refresh.get(cluster, self.otherwise)

    @property
    def any(self) -> Peer | None:
        """Whom to bring what any of them can write; None where there is nobody."""
        return next(iter(self.refresh.values()), self.otherwise)


@dataclass(frozen=True)
class Poller:
    """A collector that runs, by its host and process, and the names of the clusters it polls."""

    name: str
    region: str | None
    clusters: frozenset[str]


class Source:
    """The store behind a memory; one for all pages and threads."""

    def __init__(
        self,
        settings: Settings,
        memory: Memory | None = None,
        sight: Sight | None = None,
        veil: Veil | None = None,
        shared: Shared | None = None,
        counted: Newest | None = None,
    ) -> None:
        """`sight` is opened already where it is not of the present; `veil` is what the store is seen through.

        `shared` and `counted` are those of the source without a veil, which opens them. Raises SettingsError.
        """
        self.settings = settings
        self.veil = veil
        self._store = engine.open_store(settings.store.url)
        self._sight = sight or open_sight(self._store, veil)
        self._memory = Memory() if memory is None else memory  # an empty one is false
        self._moments = Memory(MOMENTS)
        self.counted = counted or Newest()
        """What only counts all jobs, and names nobody: of the newest reports, alike through each veil."""
        self.shared: Shared | None = None
        if sight is None:  # a past moment has no history page, and must go when nobody holds it: no circle
            self.explorer = Explorer(self.ask, veil)
            self.shared = shared if veil is not None else _open_shared(settings, self._store)

    @property
    def memory(self) -> Memory:
        """What is remembered, to be counted."""
        return self._memory

    def at(self, at: int, now: float) -> Past:
        """The same of a past moment: what was there at `at`, a second before `now`. Raises StoreEmpty, StoreBroken."""
        return self._moments.get(
            (at, int(now // KEPT_SECONDS)),
            lambda: Past(self.settings, moment.open_moment(self._store, at, self.veil), self.veil, self.explorer),
        )

    def close(self) -> None:
        """Give back the store's connections."""
        self.explorer.close()
        self._sight.close()
        if self.shared is not None and self.veil is None:
            self.shared.close()
        self._store.dispose()

    def remember(self, key: tuple[object, ...], make: Callable[[], T]) -> T:
        """The result for `key`, made once; `key` must name the reports it rests on."""
        return self._memory.get(key, make)

    def share(self, key: tuple[object, ...], make: Callable[[], T]) -> T:
        """remember(), and what another web process has made is taken: for what takes longer to make than to be sent.

        What comes is only read.
        """
        shared, veil = self.shared, self.veil
        if shared is None:
            return self.remember(key, make)
        return self.remember(key, lambda: shared.get((None if veil is None else veil.key, key), make))

    def clusters(self) -> tuple[Cluster, ...]:
        """The clusters of webstat.toml in its order, else those the collector lists; as they are now.

        Clusters the store does not know yet, or all while there is no store, have report 0.
        Raises StoreBroken.
        """
        try:
            rows = self.ask(now.load_clusters)
        except StoreEmpty:
            rows = ()
        known = {row.name: _cluster(row, self.veil) for row in rows if row.listed}
        if not self.settings.cluster:
            return tuple(known.values())
        default = self.settings.collector.period_seconds
        return tuple(
            known.get(c.name)
            or Cluster(c.name, c.title or c.name, demo=c.demo, period_seconds=c.period_seconds or default)
            for c in self.settings.cluster
        )

    def collectors(self, own: KeyPair | None) -> Collectors:
        """Those that have entered themselves in the store, spoken to with the `own` keys; where none has, the one of
        webstat.toml, if it is open."""
        try:
            rows = self.ask(now.load_collectors)
        except (StoreEmpty, StoreBroken):
            rows = ()
        # One that was killed may stand there still, with the same address and another key: the newest counts.
        announce = {row.announce: _peer(row.announce, row.public_key, own) for row in rows}
        refresh = {row.cluster: _peer(row.refresh, row.public_key, own) for row in rows}
        if own is not None:
            return Collectors(frozenset(announce.values()), refresh, None)
        named = self.settings.collector
        heard = frozenset(announce.values()) or frozenset({Peer(named.announce)})
        return Collectors(heard, refresh, Peer(named.refresh))

    def pollers(self) -> tuple[Poller, ...]:
        """The collectors that have entered themselves in the store, by name. Raises StoreBroken."""
        try:
            rows = self.ask(now.load_collectors)
        except StoreEmpty:
            rows = ()
        polled: dict[tuple[str, str | None], set[str]] = {}
        for row in rows:
            polled.setdefault((row.name, row.region), set()).update({row.cluster} - {None})
        return tuple(
            Poller(name, region, frozenset(polled[name, region]))
            for name, region in sorted(polled, key=lambda one: one[0])
        )

    def read(self, load: Callable[..., T], *arguments: object, stamp: object) -> T:
        """`load(engine, *arguments)` of queries/, remembered until `stamp` is another one.

        `stamp` names what the answer rests on: a report's number, or the hour or day that has ended.
        """
        return self.share((load, arguments, stamp), lambda: self.ask(load, *arguments))

    def ask(self, load: Callable[..., T], *arguments: object) -> T:
        """`load(engine, *arguments)` of queries/, not remembered: for what is large, and kept by who asks."""
        return load(self._sight.of(load), *arguments)

    def totals(self, cluster: Cluster) -> pd.DataFrame:
        """load_job_totals() of the cluster's newest report."""
        return self.read(now.load_job_totals, cluster.id or 0, stamp=cluster.report)

    def nodes(self, cluster: Cluster) -> pd.DataFrame:
        """load_nodes() of the cluster's newest report."""
        return self.read(now.load_nodes, cluster.id or 0, stamp=cluster.report)

    def queues(self, cluster: Cluster) -> pd.DataFrame:
        """load_queues() of the cluster's newest report."""
        return self.read(now.load_queues, cluster.id or 0, stamp=cluster.report)

    def capacity(self, cluster: Cluster) -> frames.Capacity:
        """The cluster's capacity at its newest report."""
        return self.remember(
            ("capacity", cluster.id, cluster.report),
            lambda: frames.capacity(self.nodes(cluster), self.totals(cluster)),
        )

    def polls(self, cluster: Cluster, until: float) -> pd.DataFrame:
        """load_polls() of the 24 hours before `until`; not remembered, since failed polls have no number."""
        return self.ask(past.load_polls, cluster.id or 0, int(until - DAY))

    def waits(self, cluster: Cluster) -> pd.DataFrame:
        """load_waits() of the seven days before the newest report, to the whole hour."""
        until = int(cluster.taken_at or 0) // HOUR * HOUR + HOUR
        return self.read(past.load_waits, cluster.id or 0, until - WEEK, until, stamp=until)

    def usage(self, cluster: Cluster, until: float, by: str = "user", named: int | None = usage.NAMED) -> usage.Usage:
        """Cores in use in the 24 hours before `until`, by user, group or queue; gaps open. `named` of them, None for all."""
        since, end = usage.window(until)

        def make() -> usage.Usage:
            spans = self.ask(past.load_core_spans, cluster.id or 0, since, end, by)
            polls = self.ask(past.load_polls, cluster.id or 0, since - DAY)
            known = usage.known_stretches(polls, cluster.wished, since, min(end, cluster.taken_at or 0))
            return usage.usage(spans, known, since, end, named=named)

        return self.share(("usage", cluster.id, by, named, cluster.report, end), make)

    def usable(self, cluster: Cluster, until: float) -> pd.Series:
        """Usable cores at the steps of usage()."""
        since, end = usage.window(until)

        def make() -> pd.Series:
            hours = self.ask(past.load_capacity_hours, cluster.id or 0, since - HOUR, end)
            total = self.usage(cluster, until).total
            return usage.usable_series(hours, total, self.capacity(cluster).usable, cluster.taken_at or 0)

        return self.remember(("usable", cluster.id, cluster.report, end), make)

    def hues(self, at: float, by: str = "user") -> dict[str, int]:
        """User, group or queue -> hue, from the last 90 days over all clusters; made anew once a day (UTC)."""
        today = int(at // DAY)

        def make() -> dict[str, int]:
            hours = self.ask(past.load_holder_hours, int((today - 90) * DAY), by)
            return identity.hues(hours.itertuples(index=False, name=None))

        # A store that has just begun has no sums yet: that is not remembered.
        return self._memory.get(("hues", by, today), make, keep=bool)


class Past(Source):
    """A past moment, asked as the store is; of the clusters, those that are known of it."""

    def __init__(self, settings: Settings, then: moment.Moment, veil: Veil | None, explorer: Explorer) -> None:
        """`explorer` is that of the present, which this does not close."""
        super().__init__(settings, sight=then.sight, veil=veil)
        self.explorer = explorer
        self._then = then  # it goes with the last that holds it

    @property
    def moment(self) -> int:
        """Which one, unix seconds."""
        return self._then.at

    def then(self, cluster: Cluster) -> moment.Then | None:
        """How a cluster is known at the moment."""
        return next((one for one in self._then.clusters if one.cluster_id == cluster.id), None)

    def clusters(self) -> tuple[Cluster, ...]:
        """Those that were known then, as they were; the others are missing. Raises StoreBroken."""
        return self.remember(("clusters",), lambda: tuple(one for one in super(Past, self).clusters() if one.report))


def _peer(endpoint: str, public_key: str | None, own: KeyPair | None) -> Peer:
    return Peer(endpoint, public_key.encode() if public_key else None, own)


def _open_shared(settings: Settings, store: Engine) -> Shared | None:
    if not settings.web.memcached or settings.web.secret_file is None:
        return None
    store_is = identity_of(store, settings.store.file)
    own = {"host", "port", "memcached", "secret_file", "drain_seconds", "proxies"}
    code = f"{code_mark()}\n{settings.model_dump_json(exclude={'web': own})}"
    secret = load_secret(settings.web.secret_file, "memcached")
    return Shared(settings.web.memcached, secret, lambda: f"{code}\n{store_is()}")


def _cluster(row: Row[Any], veil: Veil | None) -> Cluster:
    def listed(text: str | None) -> list[Any]:
        return list(json.loads(text)) if text else []

    warnings = (w for w in listed(row.warnings) if isinstance(w, dict))
    return Cluster(
        name=row.name,
        title=row.title or row.name,
        demo=row.demo,
        id=row.id,
        period_seconds=row.period_seconds,
        wished_seconds=row.wished_seconds,
        load_share=row.load_share,
        scheduler_kind=row.scheduler_kind,
        scheduler_version=row.scheduler_version,
        report=row.report,
        taken_at=row.taken_at,
        query_seconds=row.query_seconds,
        query_parts=tuple(json.loads(row.query_parts).items()) if row.query_parts else (),
        # Both quote what the scheduler printed, names and all.
        warnings=tuple(
            Warning(str(w.get("source", "")), str(w.get("message", "")) if veil is None else UNTOLD) for w in warnings
        ),
        partial=tuple(str(part) for part in listed(row.partial)),
        failures=row.failures,
        error_code=row.error_code,
        error=row.error if veil is None or row.error is None else UNTOLD,
        attempted_at=row.attempted_at,
        next_poll_at=row.next_poll_at,
    )
