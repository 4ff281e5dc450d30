"""Whose report, and the questions it puts to history: in its period, and in the one before.

What is made of the answers is contents.py's.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import pandas as pd

from collector.stretches import SHORTEST_GAP_SECONDS
from webstat.data.explore import buckets
from webstat.data.explore.answer import ENOUGH_KNOWN, Answer, answer, known_share
from webstat.data.explore.explorer import Asked
from webstat.data.explore.question import Question
from webstat.data.queries import past
from webstat.data.source import Source
from webstat.errors import NoReport, StoreEmpty
from webstat.format import shorten
from webstat.health import Cluster
from webstat.report.period import Period

MOST_LISTED = 10
"""Where there are more names, they are not told all."""

Filters = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Subject:
    """Whose report it is: a group, user or cluster, or everything."""

    kind: str
    name: str = ""

    @property
    def filters(self) -> Filters:
        """What keeps its jobs."""
        return () if self.kind == "everything" else ((self.kind, (self.name,)),)


class Asking:
    """The questions of one report; each is answered once. `now` is unix seconds.

    Raises NoReport where there is no such subject, or nothing is known of the period; StoreEmpty, StoreBroken.
    """

    def __init__(self, source: Source, subject: Subject, period: Period, now: float) -> None:
        self.source, self.subject, self.period = source, subject, period
        self._clusters = _clusters(source, subject)
        self._answers: dict[tuple[object, ...], Answer] = {}
        self._until = period.until
        self._before_until = period.before.until
        asked = self.asked()
        known = self._known(asked)
        if not known:
            raise NoReport(self._nothing(now))
        self.whole = asked.until >= period.until - SHORTEST_GAP_SECONDS
        """Whether it is known to its end; else it is compared with as much of the period before."""
        if not self.whole:
            self._until = asked.until
            self._before_until = min(period.before.until, period.before.since + asked.until - period.since)
        self.known_before = self._known(self.asked(before=True))
        self.compared = min(known, self.known_before) >= ENOUGH_KNOWN
        """Whether enough is known of both periods for a comparison to mean anything."""
        self._check()

    @property
    def clusters(self) -> tuple[Cluster, ...]:
        """Those of which anything is known in the period."""
        asked = self.asked()
        told = set(self._stretches(asked)["cluster_id"])
        return tuple(cluster for cluster in asked.clusters if cluster.id in told)

    def asked(self, by: str | None = None, metric: str = "core-hours", before: bool = False) -> Asked:
        """What a question of the subject is about."""
        return self._asked(by, metric, before, self.subject.filters)

    def answer(
        self, by: str | None, metric: str = "core-hours", *, before: bool = False, filters: Filters | None = None
    ) -> Answer:
        """The answer to a question, over the whole period or the one before; without `filters`, of the subject."""
        kept = self.subject.filters if filters is None else filters
        key = (by, metric, before, kept)
        if key not in self._answers:
            self._answers[key] = answer(self.source.explorer, self._asked(by, metric, before, kept))
        return self._answers[key]

    def _asked(self, by: str | None, metric: str, before: bool, filters: Filters) -> Asked:
        since, until = (self.period.before.since, self._before_until) if before else (self.period.since, self._until)
        question = Question(
            since, until, self.period.zone, None, metric, by, filters, self.period.step, compare=False
        )  # fmt: skip
        asked = self.source.explorer.asked(question, self._clusters)
        if asked.exact:
            return asked
        # However many jobs there are: sums over months of UTC are none of these periods.
        last = max((cluster.until for cluster in asked.known), default=until)
        edges = buckets.edges(since, min(until, max(last, since + 1)), self.period.step, self.period.zone)
        return replace(asked, exact=True, edges=edges)

    def _stretches(self, asked: Asked) -> pd.DataFrame:
        return self.source.explorer.stretches(asked, asked.since, asked.until)

    def _known(self, asked: Asked) -> float:
        return float(known_share(self._stretches(asked), asked, asked.edges[[0, -1]])[0])

    def _nothing(self, now: float) -> str:
        where = f"cluster {self.subject.name}" if self.subject.kind == "cluster" else "store"
        extent = self.source.explorer.extent(self._clusters)
        if self.period.since > now:
            return f"{self.period.title} has not begun."
        if extent is None:
            return f"Nothing is known of {self.period.words}: the {where} has no history yet."
        first, last = (datetime.fromtimestamp(at, self.period.zone) for at in extent)
        return (
            f"Nothing is known of {self.period.words}: the {where}'s history is from "
            f"{first.day} {first:%B %Y} to {last.day} {last:%B %Y}."
        )

    def _check(self) -> None:
        """Whether there is such a user or group; one that is known may have used nothing."""
        kind, name = self.subject.kind, self.subject.name
        if kind not in ("user", "group") or not self.answer(kind).totals.empty:
            return
        holders = set(self.source.ask(past.load_holder_hours, 0, kind)["holder"])
        if name not in holders:
            here = set(self.answer(kind, filters=()).totals["name"])
            raise NoReport(unknown(kind, name, holders | here))


def _clusters(source: Source, subject: Subject) -> tuple[Cluster, ...]:
    clusters = source.clusters()
    if not any(cluster.id is not None for cluster in clusters):
        raise StoreEmpty("no cluster has reported yet")
    if subject.kind == "cluster" and subject.name not in [cluster.name for cluster in clusters]:
        raise NoReport(unknown("cluster", subject.name, [cluster.name for cluster in clusters]))
    return clusters


def listed(names: Sequence[str]) -> str:
    """Strangers' names, parted by commas."""
    return ", ".join(shorten(name, 40) for name in names)


def unknown(kind: str, name: str, known: Collection[str]) -> str:
    """That there is none of that name, and what is close to it."""
    by_small = {one.casefold(): one for one in sorted(known)}
    near = [by_small[one] for one in difflib.get_close_matches(name.casefold(), by_small, n=3, cutoff=0.5)]
    told = ""
    if near:
        told = f" The closest: {listed(near)}."
    elif known and len(known) <= MOST_LISTED:
        told = f" There are: {listed(sorted(known))}."
    return f"No {kind} is named “{shorten(name, 40)}”.{told}"
