"""One look at the site: what a page needs to draw itself for one viewer at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

from webstat.data.source import Source
from webstat.health import Cluster, Health, collector_is_missing, health


@dataclass(frozen=True)
class View:
    """The store, the clusters as they are, and the viewer's theme and zone; `now` is unix seconds."""

    source: Source
    clusters: tuple[Cluster, ...]
    now: float
    theme: str
    zone: tzinfo
    connected: bool
    """Whether the collector's announcements can be heard."""

    @property
    def collector_missing(self) -> bool:
        """Whether the collector does not run."""
        return collector_is_missing(self.clusters, self.connected, self.now)

    def health(self, cluster: Cluster) -> Health:
        """How well a cluster is known now."""
        return health(cluster, self.now)

    def cluster(self, name: str) -> Cluster | None:
        """The cluster of that name."""
        return next((cluster for cluster in self.clusters if cluster.name == name), None)
