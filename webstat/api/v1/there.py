"""The clusters that a question asks for, as they are or were at a moment, and what is told of how old that is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from webstat import twins
from webstat.api.v1.columns import AGE
from webstat.api.v1.refusals import Refused
from webstat.api.v1.sheets import Look
from webstat.data.explore.question import listed
from webstat.data.source import Past, Source
from webstat.format import iso
from webstat.health import Cluster, health
from webstat.past import how_exact
from webstat.past import look as looked

_UNKNOWN = (None,) * len(AGE)


@dataclass(frozen=True)
class There:
    """The store as it is or was, the second of that, and of its clusters those that are asked for."""

    source: Source
    now: float
    chosen: tuple[Cluster, ...]
    words: Mapping[str, str]

    @property
    def seen(self) -> tuple[Cluster, ...]:
        """Those of which there is a report."""
        return tuple(one for one in self.chosen if one.report)

    def keeps(self, word: str, name: object) -> bool:
        """Whether a list among the words has a name in it, or there is no such list."""
        items = listed(self.words.get(word, ""))
        return not items or name in items

    def aged(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """Columns, among which is `cluster`, and AGE behind them."""
        ages = {one.name: _age(one, self.now) for one in self.chosen}
        of_rows = [ages.get(name, _UNKNOWN) for name in columns["cluster"]]
        return {**columns, **{name: [age[place] for age in of_rows] for place, name in enumerate(AGE)}}

    def meta(self, **more: Any) -> dict[str, Any]:
        """What rows rest on, and how exactly that is known."""
        exact = "as the newest report says"
        if isinstance(self.source, Past):
            known = [(one, then) for one in self.chosen if (then := self.source.then(one)) is not None]
            exact = how_exact(known, self.source.moment, UTC) or "nothing is known of this moment"
        return {"at": iso(self.now), "resolution": exact, "clusters": about(self.chosen, self.now), **more}

    @property
    def moment(self) -> str:
        """For names of files."""
        return f"{datetime.fromtimestamp(self.now, UTC):%Y-%m-%dT%H%M%SZ}"


def there(look: Look) -> There:
    """What a question looks at; raises Refused, NoMoment, WebError."""
    source, now = looked(look.source, look.words, look.now)
    names = listed(look.words.get("cluster", ""))
    known = [cluster.name for cluster in look.source.clusters()]
    strange = [name for name in names if name not in known]
    if strange:
        raise Refused([twins.unknown("cluster", strange[0], known)])
    return There(source, now, tuple(one for one in source.clusters() if not names or one.name in names), look.words)


def about(clusters: Iterable[Cluster], now: float) -> dict[str, dict[str, Any]]:
    """How well each cluster is known, and how old that is, by its name."""
    told = {}
    for one in clusters:
        state, taken_at, age = _age(one, now)
        told[one.name] = {
            "state": state,
            "report": one.report,
            "taken_at": None if taken_at is None else iso(taken_at),
            "age_seconds": age,
            "partial": list(one.partial),
        }
    return told


def _age(cluster: Cluster, now: float) -> tuple[str, float | None, float | None]:
    known = twins.about(cluster, health(cluster, now), now)
    return known["state"], known["taken_at"], known["age_seconds"]
