"""One look at the site: what a page needs to draw itself for one viewer at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from urllib.parse import urlencode

from webstat.data.source import Source
from webstat.health import Cluster, Health, collector_is_missing, health


@dataclass(frozen=True)
class View:
    """The store, the clusters as they are, and the viewer's theme, zone and name; `now` is unix seconds.

    At a past moment `source` and `clusters` are those of then, and `now` is then.
    """

    source: Source
    clusters: tuple[Cluster, ...]
    now: float
    theme: str
    zone: tzinfo
    connected: bool
    """Whether the collector's announcements can be heard."""
    path: str = "/"
    query: Mapping[str, str] = field(default_factory=dict)
    """What the address says after its question mark; of a word said twice, the last."""
    at: int | None = None
    """The past moment that is shown; None at the present."""
    present: tuple[Source, float] | None = None
    """At a past moment, the store as it is, and what time it is."""
    refused: str = ""
    """Why the moment that the address names cannot be shown."""
    me: str | None = None
    """The user name that this browser remembers as its owner's."""

    def address(self, **changes: str | None) -> str:
        """The address of this page with some words of its query changed; None takes a word out."""
        query = {name: value for name, value in {**self.query, **changes}.items() if value is not None}
        return self.path + (f"?{urlencode(query)}" if query else "")

    @property
    def live(self) -> Source:
        """The store as it is."""
        return self.present[0] if self.present else self.source

    @property
    def real_now(self) -> float:
        """What time it is, whatever moment is shown."""
        return self.present[1] if self.present else self.now

    def moment(self, live: str = "now", past: str = "at that moment") -> str:
        """What is said of the present, or instead of it at a past moment."""
        return live if self.at is None else past

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
