"""Asks the store what a question needs: which clusters, jobs and keys, exactly or from sums over months.

What is made of the counts is answer.py's and its neighbours'.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from sqlalchemy import Row

from collector.columns import Numbers
from collector.lives import SUMS, Columns, bucket_of, spread
from collector.sums import PAIR
from webstat.cache import Weighed
from webstat.data.explore import buckets, quantiles
from webstat.data.explore.count import columns_for, measures, monthly, narrowed
from webstat.data.explore.cut import CLASSES, COLUMNS, WORDS, Cut, Product, cut_of, matching
from webstat.data.explore.gather import VEILED_PART, Gatherer, Month
from webstat.data.explore.metrics import Measured
from webstat.data.explore.question import Question
from webstat.data.explore.shapes import Known, Lives
from webstat.data.queries import history
from webstat.data.queries.veil import MASK
from webstat.health import Cluster
from webstat.privacy import Veil

T = TypeVar("T")

MOST_EXACT = 1_500_000
"""Where a range has more jobs to look at, it is answered from sums over months."""

MOST_HOURS = 100 * buckets.DAY
"""Up to which length capacity is taken by hours, where they are kept; beyond it by days."""

MOST_RECENT_BYTES = 192 << 20
"""Of the jobs of the last questions."""

_USUAL = {"cores", "queue", "size", "walltime_class", "outcome", "wait", "cpu_used"}
"""Columns that the cards of a page take."""

NONE = "–"
"""The word for no group, or no account."""


@dataclass(frozen=True)
class Asked:
    """A question with what of the store it is about.

    `edges` are those of its buckets, within what is known. `months` are the packed ones; `exact` is whether jobs are
    counted one by one.
    """

    question: Question
    clusters: tuple[Cluster, ...]
    known: tuple[Known, ...]
    months: tuple[Row[Any], ...]
    keys: dict[str, tuple[int, ...]]
    edges: Numbers
    exact: bool
    skipped: frozenset[Month] = frozenset()
    """Months of whose jobs the filters keep none."""
    strangers: tuple[tuple[str, str], ...] = ()
    """Names that filters keep and that the store does not know: (cut, name)."""

    @property
    def wanted(self) -> tuple[Row[Any], ...]:
        """The packed months that have to be looked at."""
        return tuple(row for row in self.months if (row.cluster_id, row.month) not in self.skipped)

    @property
    def since(self) -> int:
        """First second of the first bucket."""
        return int(self.edges[0])

    @property
    def until(self) -> int:
        """Where the last bucket ends."""
        return int(self.edges[-1])

    @property
    def zone(self) -> tzinfo:
        """The zone that the buckets begin by."""
        return self.question.zone if self.exact else UTC

    @property
    def before(self) -> Numbers:
        """Edges of the period of the same length before, and of the own one; as many months where those are counted."""
        start = 2 * self.since - self.until if self.exact else buckets.months_before(self.since, len(self.edges) - 1)
        return np.array([start, self.since, self.until], dtype=np.int64)

    @property
    def first(self) -> int:
        """First second of what is counted: of the period before, where that is compared."""
        return int(self.before[0]) if self.question.compare else self.since

    @property
    def ids(self) -> tuple[int, ...]:
        """Ids of the clusters."""
        return tuple(cluster.id for cluster in self.known)

    @property
    def key(self) -> tuple[object, ...]:
        """What is asked, and what the answer rests on: of the same key, the same answer."""
        q = self.question
        return *self.rests_on, q.metric, q.by, q.filters, q.compare, str(q.zone), self.edges.tobytes()

    @property
    def rests_on(self) -> tuple[object, ...]:
        """The reports and packed months that jobs are counted from."""
        return (
            tuple((cluster.id, cluster.report, cluster.until) for cluster in self.known),
            tuple((row.cluster_id, row.month, row.version, row.packed_until) for row in self.months),
        )


EVERYTHING = cut_of(None)


@dataclass(frozen=True)
class Counter:
    """Counts for one question: from the lives of its jobs or, where these are too many, from sums over months."""

    gatherer: Gatherer
    asked: Asked
    lives: Lives | None
    _sums: dict[tuple[str, ...], Columns] = field(default_factory=dict)
    _values: dict[str, tuple[Numbers, Numbers, Numbers]] = field(default_factory=dict)

    def cut(self, by: str | None, since: int, until: int, names: Collection[str]) -> Cut:
        """The cut by all keys that occur in [since, until)."""
        if by is None:
            return EVERYTHING
        if self.lives is not None:
            spans = [self.lives.spans["queue"]] if by == "queue" else []
            return cut_of(by, self.lives.jobs[COLUMNS[by]], *spans)
        sums = self._summed(by, since, until, names)
        return cut_of(by, sums["key" if COLUMNS[by] == self._kind(by) else COLUMNS[by]])

    def measured(self, cut: Cut, edges: Numbers, names: Collection[str]) -> Measured:
        """Measures by row of the cut and bucket; `edges` are those of UTC months where months are counted."""
        if self.lives is not None:
            return measures(self.lives, cut, edges, names, self.asked.keys)
        sums = self._summed(cut.by, int(edges[0]), int(edges[-1]), names)
        return monthly(self._rows(cut, sums), sums, edges, names, cut.size)

    def distributed(
        self, cut: Cut | Product, edges: Numbers, what: str, shares: Sequence[float]
    ) -> tuple[Numbers, Numbers]:
        """Quantiles of `wait` (of jobs that started) or `slowdown` (of jobs that ended), of shape (rows, buckets, shares),
        and how many jobs they rest on.
        """
        shape = (cut.size, len(edges) - 1)
        since, until = int(edges[0]), int(edges[-1])
        if self.lives is not None:
            if what not in self._values:
                self._values[what] = quantiles.values(self.lives.jobs, what, self.asked.keys)
            some, at, values = self._values[what]
            inside = np.flatnonzero((at >= since) & (at < until))
            rows = cut.of_jobs(self.lives.jobs)[some[inside]] * shape[1]
            rows += bucket_of(edges, at[inside])
            found, counts = quantiles.exact(rows, values[inside], shape[0] * shape[1], shares)
            found /= quantiles.SCALES[what]
        elif self.asked.keys:
            columns = {*quantiles.CLASSES[what], *cut.columns, *(COLUMNS[by] for by in self.asked.keys)} - {"cluster"}
            ended = self.gatherer.ended(self.asked.known, self.asked.wanted, since, until, columns)
            found, counts = quantiles.classed(ended, what, cut, edges, self.asked.keys).quantiles(shares)
        else:
            kind = PAIR if isinstance(cut, Product) else self._kind(cut.by)
            spreads = self.gatherer.spreads(self.asked.known, self.asked.months, since, until, kind, what)
            by_row = ((self._spread_rows(cut, one), one) for one in spreads)
            found, counts = quantiles.ready(by_row, edges, cut.size).quantiles(shares)
        return found.reshape(*shape, len(shares)), counts.reshape(shape)

    def _spread_rows(self, cut: Cut | Product, one: Columns) -> Numbers:
        if isinstance(cut, Product):
            return cut.of_jobs({"cluster": one["cluster"], "queue": one["key"] >> 4, "size": one["key"] & 15})
        return self._rows(cut, one)

    def _kind(self, by: str | None) -> str:
        """The sums that hold a cut: those kept ready by it alone, unless filters need more."""
        return SUMS if self.asked.keys else "outcome" if by in (None, "cluster") else COLUMNS[by]

    def _summed(self, by: str | None, since: int, until: int, names: Collection[str]) -> Columns:
        kind = self._kind(by)
        place = (kind, str(since), str(until), *(sorted(names) if kind == SUMS else ()))
        if place not in self._sums:
            where = (self.asked.known, self.asked.wanted, since, until)
            gatherer = self.gatherer
            self._sums[place] = gatherer.sums(*where, names) if kind == SUMS else gatherer.ready(*where, kind)
        return self._sums[place]

    def _rows(self, cut: Cut, sums: Columns) -> Numbers:
        """The row of each sum; -1 of those that filters leave out."""
        if cut.by is None:
            rows = np.zeros(len(sums["month"]), dtype=np.int64)
        else:
            rows = cut.rows[sums["key" if COLUMNS[cut.by] == self._kind(cut.by) else COLUMNS[cut.by]]]
        kept = matching(sums, self.asked.keys)
        return rows if kept is None else np.where(kept, rows, -1)


class Explorer:
    """Answers questions about history from one store, through a veil where there is one; one for all threads.

    `ask` is Source.ask.
    """

    def __init__(self, ask: Callable[..., Any], veil: Veil | None = None) -> None:
        self._ask = ask
        self._veil = veil
        self._gatherer = Gatherer(ask, veil)
        self._recent = Weighed(MOST_RECENT_BYTES if veil is None else MOST_RECENT_BYTES // VEILED_PART)
        self._workers = ThreadPoolExecutor(max_workers=4, thread_name_prefix="explorer")
        self._texts: dict[int, str] = {0: NONE}

    def close(self) -> None:
        """End its threads."""
        self._workers.shutdown()
        self._gatherer.close()

    def beside(self, count: Callable[..., T], *arguments: object) -> Future[T]:
        """Count something in a thread of its own: numpy and SQLite let others work meanwhile."""
        return self._workers.submit(count, *arguments)

    def extent(self, clusters: Collection[Cluster]) -> tuple[int, int] | None:
        """First and last second of which anything is known."""
        found = self._ask(history.load_extent, tuple(c.id for c in clusters if c.id is not None))
        return found if found is None else (int(found[0]), int(found[1]))

    def asked(self, question: Question, clusters: Sequence[Cluster]) -> Asked:
        """What a question is about. Clusters that the store does not know are left out."""
        names = question.kept("cluster")
        chosen = tuple(c for c in clusters if c.id is not None and (not names or c.name in names))
        ids = tuple(c.id for c in chosen if c.id is not None)
        imported = self._ask(history.load_ends, ids)
        months = tuple(self._ask(history.load_months, ids))
        known = tuple(
            Known(
                c.id,
                c.report,
                max(int(c.taken_at or 0), imported.get(c.id, 0)),
                tuple(row for row in months if row.cluster_id == c.id),
            )
            for c in chosen
            if c.id is not None
        )
        last = max((cluster.until for cluster in known), default=question.until)
        until = min(question.until, last) if last > question.since else question.until
        first = 2 * question.since - until if question.compare else question.since
        keys, strangers = {}, []
        for by, kept in question.filters:
            if by != "cluster":
                keys[by], unknown = self._keys(by, kept)
                strangers += [(by, word) for word in unknown]
        skipped = frozenset[Month]().union(
            *(self._gatherer.lacking(months, first, until, COLUMNS[by], kept) for by, kept in keys.items())
        )
        wanted = [row for row in months if (row.cluster_id, row.month) not in skipped]
        exact = self._gatherer.jobs_within(wanted, first, until) <= MOST_EXACT
        if exact:
            edges = buckets.edges(question.since, until, question.step, question.zone)
        else:
            edges = buckets.month_edges(question.since, until)
            edges[-1] = max(min(int(edges[-1]), last), int(edges[-2]) + 1)
        return Asked(question, chosen, known, months, keys, edges, exact, skipped, tuple(strangers))

    def counter(self, asked: Asked, since: int, names: Collection[str], cuts: Collection[str | None]) -> Counter:
        """What counts the measures named, waits and slowdowns from `since` on, by these cuts."""
        if not asked.exact:
            return Counter(self._gatherer, asked, None)
        wanted = {column for by in (None, *cuts) for column in columns_for(names, by, asked.keys)}
        wanted |= {*quantiles.COLUMNS["wait"], *quantiles.COLUMNS["slowdown"]}
        return Counter(self._gatherer, asked, self._lives(asked, min(since, asked.first), wanted))

    def _lives(self, asked: Asked, since: int, wanted: set[str]) -> Lives:
        """The jobs that the filters keep; those of the last questions are kept, since a page counts them again and again."""
        place = (*asked.rests_on, since, asked.until, tuple(asked.keys.items()))
        kept: Lives | None = self._recent.get(place)
        if kept is not None and wanted <= kept.jobs.keys():
            return kept
        names = wanted | (set(kept.jobs) - {"cluster"} if kept is not None else _USUAL)
        lives = narrowed(self._gatherer.lives(asked.known, asked.wanted, since, asked.until, names), asked.keys)
        self._recent.put(place, lives, sum(numbers.nbytes for numbers in lives.jobs.values()))
        return lives

    def jobs_of(self, cluster: Cluster, since: int, names: Collection[str]) -> Columns:
        """The jobs of a cluster that lived since then, living ones among them, by the columns named."""
        assert cluster.id is not None
        months = tuple(self._ask(history.load_months, (cluster.id,)))
        imported = self._ask(history.load_ends, (cluster.id,)).get(cluster.id, 0)
        until = max(int(cluster.taken_at or 0), imported)
        known = Known(cluster.id, cluster.report, until, months)
        return self._gatherer.lives((known,), months, since, until + 1, names).jobs

    def capacity(self, asked: Asked, edges: Numbers) -> pd.DataFrame:
        """Capacity by bucket: installed, usable, gpus (core and GPU seconds), nodes, nodes_offline, nodes_down (node seconds).

        Of all clusters of the question together.
        """
        frame, size = self._capacity(asked, edges, False)
        rows = np.zeros(len(frame), dtype=np.int64)
        names = frame.columns[1:]
        return pd.DataFrame({name: _spread(asked, edges, frame, size, name, rows, 1)[0] for name in names})

    def usable(self, asked: Asked, edges: Numbers, cluster_ids: Sequence[int]) -> Numbers:
        """Usable core-seconds of each of these clusters by bucket, of shape (clusters, buckets)."""
        frame, size = self._capacity(asked, edges, True)
        places = {one: place for place, one in enumerate(cluster_ids)}
        frame = frame[frame["cluster_id"].isin(cluster_ids)]
        rows = np.array([places[one] for one in frame["cluster_id"].tolist()], dtype=np.int64)
        return _spread(asked, edges, frame, size, "usable", rows, len(cluster_ids))

    def _capacity(self, asked: Asked, edges: Numbers, apart: bool) -> tuple[pd.DataFrame, int]:
        """load_capacity() of the clusters, and the seconds of its buckets."""
        since, until = int(edges[0]), int(edges[-1])
        by_day = until - since > MOST_HOURS or since < self._ask(history.load_hours_since, asked.ids)
        frame = self._ask(history.load_capacity, asked.ids, since, until, by_day, apart)
        return frame, buckets.DAY if by_day else buckets.HOUR

    def stretches(self, asked: Asked, since: int, until: int) -> pd.DataFrame:
        """load_known() of the clusters."""
        frame: pd.DataFrame = self._ask(history.load_known, asked.ids, since, until)
        return frame

    def worst_nodes(self, asked: Asked, limit: int) -> pd.DataFrame:
        """load_worst_nodes() of the range, as far as it has passed."""
        until = min(asked.until, max((cluster.until for cluster in asked.known), default=0))
        frame: pd.DataFrame = self._ask(history.load_worst_nodes, asked.ids, asked.since, until, limit)
        return frame

    def names(self, asked: Asked, by: str | None, keys: Sequence[int]) -> list[str]:
        """What people call keys: clusters by their titles, classes in words."""
        if by is None:
            return ["all"] * len(keys)
        if by == "cluster":
            titles = {cluster.id: cluster.title for cluster in asked.clusters}
            return [titles.get(key, str(key)) for key in keys]
        if by in WORDS:
            missing = [key for key in keys if key not in self._texts]
            if missing:
                self._texts.update(self._ask(history.load_texts, missing))
            return [self._texts.get(key, str(key)) for key in keys]
        return [CLASSES[by][key][1] for key in keys]

    def words(self, asked: Asked, by: str | None, keys: Sequence[int]) -> list[str]:
        """Keys as they stand in addresses."""
        if by == "cluster":
            names = {cluster.id: cluster.name for cluster in asked.clusters}
            return [names.get(key, str(key)) for key in keys]
        return [CLASSES[by][key][0] for key in keys] if by in CLASSES else self.names(asked, by, keys)

    def _keys(self, by: str, words: Collection[str]) -> tuple[tuple[int, ...], list[str]]:
        """The keys of a cut that words name, and the words that the store does not know."""
        if by in WORDS:
            found = self._ask(history.load_word_ids, words)
            if self._veil is not None and by != "queue":
                # That there is such a person is not told either.
                shown = self._veil.names
                found = {word: ident for word, ident in found.items() if ident >= MASK or word in shown}
            unknown = [word for word in words if word not in found and word != NONE]
            return (*found.values(), *([0] if NONE in words else [])), unknown
        return tuple(key for key, (word, _) in CLASSES[by].items() if word in words), []


def _spread(
    asked: Asked, edges: Numbers, frame: pd.DataFrame, size: int, name: str, rows: Numbers, count: int
) -> Numbers:
    """A column of load_capacity() over the buckets of `edges`, of shape (count, buckets); equal `rows` stand together."""
    starts = frame["bucket"].to_numpy()
    last = max((cluster.until for cluster in asked.known), default=int(edges[-1]))
    ends = np.maximum(np.minimum(starts + size, last), starts + 1)
    rates = frame[name].to_numpy(dtype=np.float64) / size
    # What goes on is summed now and then only: its nodes are those of the hour before.
    goes_on = np.flatnonzero((rows[1:] == rows[:-1]) & (np.append(rows[2:], -1) != rows[1:])) + 1
    goes_on = goes_on[starts[goes_on] + size > last]
    rates[goes_on] = rates[goes_on - 1]
    return spread(rows, starts, ends, rates, edges, count)
