"""Brings the jobs of a range together: packed columns, and what is not packed yet, as if they were one table.

Decoded columns are remembered, up to a number of bytes; the unpacked rest until the next report.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Row

from collector.columns import Numbers, from_bytes, kind_of
from collector.lives import JOBS, SPANS, SUMS, Columns, month_after, month_number, month_of
from collector.sums import READY, SPREAD, SUM_KEYS, by_cut, spread_by, sums
from webstat.cache import Memory, Weighed
from webstat.data.explore.cut import has_key
from webstat.data.explore.shapes import Ended, Known, Lives
from webstat.data.queries import history
from webstat.data.queries.veil import MASK
from webstat.privacy import Veil

MOST_BYTES = 384 << 20
"""Of decoded columns that are kept."""

VEILED_PART = 8
"""Of what is kept for those who see all, so much less is for each other way to see the store."""

_PORTION = 400_000
"""Rows that are counted at once: all of five years by user would be arrays of some hundred megabytes."""

SPAN_COLUMNS = ("job", "since", "until", "state", "queue", "cores", "gpus")
JOB_COLUMNS = (
    "ended", "ran", "queued", "flags", "wait", "wait_class", "slowdown_class", "started_back", "walltime", "walltime_used",
    "cpu_used", "cores", "gpus", "size", "walltime_class", "outcome", "user", "group", "account", "queue",
)  # fmt: skip
LIFE = ("ended", "ran", "queued", "flags")
"""Columns of jobs without which nothing can be counted."""


Month = tuple[int, int]
"""(cluster id, first second)"""


_PEOPLE = ("user", "group", "account")


@dataclass(frozen=True)
class Mask:
    """How people's words are hidden in columns; as they are in the views of queries/veil.py."""

    veil: Veil | None = None
    clear: tuple[int, ...] = ()
    """Words that are not hidden."""

    def numbers(self, kind: str, name: str, numbers: Numbers) -> Numbers:
        """A column with other people's words masked: of jobs and sums by its name, of what is ready by a cut in its keys."""
        if self.veil is None:
            return numbers
        if name in _PEOPLE and kind in (JOBS, SUMS):
            return self._hidden(numbers)
        if kind in _PEOPLE:
            rows = numbers.reshape(len(READY if name == "sums" else SPREAD), -1).copy()
            rows[1] = self._hidden(rows[1])
            return rows.reshape(-1)
        return numbers

    def _hidden(self, words: Numbers) -> Numbers:
        assert self.veil is not None
        instead = words + MASK if self.veil.lists else np.full_like(words, MASK)
        return np.where((words <= 0) | np.isin(words, self.clear), words, instead)


class Gatherer:
    """What is kept of the columns; one for all threads. `ask` is Source.ask; through a veil people's words are masked."""

    def __init__(self, ask: Callable[..., Any], veil: Veil | None = None) -> None:
        self._ask = ask
        self._veil = veil
        self._decoded = Weighed(MOST_BYTES if veil is None else MOST_BYTES // VEILED_PART)
        self._tails = Memory(size=64)
        self._workers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="columns")

    def close(self) -> None:
        """End the threads."""
        self._workers.shutdown()

    def jobs_within(self, months: Sequence[Row[Any]], since: int, until: int) -> int:
        """How many packed jobs have to be looked at for a range."""
        return sum(row.jobs for row in months if _touches(row, since, until))

    def lives(
        self, clusters: Sequence[Known], months: Sequence[Row[Any]], since: int, until: int, names: Collection[str]
    ) -> Lives:
        """The jobs that lived in [since, until) or ended at `since`, with LIFE and the columns named.

        `months` are those to be looked at; jobs in others that are packed are left out.
        """
        names = tuple(dict.fromkeys((*LIFE, *names)))
        wanted = [row for row in months if _touches(row, since, until)]
        found = self._columns(wanted, JOBS, names)
        spans = self._columns(wanted, SPANS, SPAN_COLUMNS)
        pieces = []
        for row in wanted:
            key = (row.cluster_id, row.month)
            if key in found and key in spans:
                pieces.append(_cut(found[key], spans[key], row.cluster_id, row.month, since, until, row.packed_until))
        for cluster in clusters:
            jobs, rest, first = self._tail(cluster)
            if first is not None and first < until:
                some = {name: jobs[name] for name in names}
                pieces.append(_cut(some, rest, cluster.id, 0, since, until, None))
        return _joined(pieces, names)

    def sums(
        self, clusters: Sequence[Known], months: Sequence[Row[Any]], since: int, until: int, names: Collection[str]
    ) -> Columns:
        """SUM_KEYS and the SUMMED named, with `month` (since 1970) each row is of and `cluster`.

        Months that are not packed as a whole are counted from their jobs.
        """
        names = tuple(dict.fromkeys((*SUM_KEYS, *names)))

        def packed(wanted: Sequence[Row[Any]]) -> dict[Month, Columns]:
            return self._columns(wanted, SUMS, names)

        def made(jobs: Columns, spans: Columns, month: int) -> Columns:
            found = sums(jobs, spans, month)
            return {name: found[name] for name in names}

        return _stacked(self._summed(clusters, months, since, until, packed, made), names)

    def ready(
        self, clusters: Sequence[Known], months: Sequence[Row[Any]], since: int, until: int, kind: str
    ) -> Columns:
        """The READY of each key of one of CUTS, as of sums()."""
        return _stacked(self._ready(clusters, months, since, until, kind, "sums"), READY)

    def spreads(
        self, clusters: Sequence[Known], months: Sequence[Row[Any]], since: int, until: int, kind: str, what: str
    ) -> Iterator[Columns]:
        """The SPREAD of `wait` or `slowdown` by one of CUTS, or PAIR, as of sums(), but in portions: there is much of it."""
        portion: list[Columns] = []
        rows = 0
        for one in self._ready(clusters, months, since, until, kind, what):
            portion.append(one)
            rows += len(one["key"])
            if rows >= _PORTION:
                yield _stacked(portion, SPREAD)
                portion, rows = [], 0
        yield _stacked(portion, SPREAD)

    def _ready(
        self, clusters: Sequence[Known], months: Sequence[Row[Any]], since: int, until: int, kind: str, what: str
    ) -> Iterator[Columns]:
        names = READY if what == "sums" else SPREAD

        def packed(wanted: Sequence[Row[Any]]) -> dict[Month, Columns]:
            found = self._columns(wanted, kind, (what,))
            return {
                month: dict(zip(names, one[what].reshape(len(names), -1), strict=True)) for month, one in found.items()
            }

        def made(jobs: Columns, spans: Columns, month: int) -> Columns:
            rows = by_cut(sums(jobs, spans, month), kind) if what == "sums" else spread_by(jobs, month, kind, what)
            return dict(zip(names, rows, strict=True))

        return self._summed(clusters, months, since, until, packed, made)

    def _summed(
        self,
        clusters: Sequence[Known],
        months: Sequence[Row[Any]],
        since: int,
        until: int,
        packed: Callable[[Sequence[Row[Any]]], dict[Month, Columns]],
        made: Callable[[Columns, Columns, int], Columns],
    ) -> Iterator[Columns]:
        wanted = [row for row in months if _touches(row, since, until)]
        found = packed(wanted)
        for row in wanted:
            one = found.get((row.cluster_id, row.month))
            if one is None:
                true = self._true(row)
                one = None if true is None else made(true.jobs, true.spans, row.month)
            if one is not None:
                yield _dated(one, row.cluster_id, row.month)
        for cluster in clusters:
            jobs, spans, first = self._tail(cluster)
            if first is not None and first < until:
                last = month_of(int(jobs["ended"].max()))
                moved = {"since": spans["since"] - last, "until": spans["until"] - last}
                one = made({**jobs, "ended": jobs["ended"] - last}, {**spans, **moved}, last)
                yield _dated(one, cluster.id, last)

    def lacking(
        self, months: Sequence[Row[Any]], since: int, until: int, column: str, keys: Collection[int]
    ) -> set[Month]:
        """The months that touch a range, of whose jobs none has any of these keys of a cut."""
        wanted = [row for row in months if _touches(row, since, until)]
        found = self._columns(wanted, column, ("sums",))
        return {
            month for month, one in found.items() if not has_key(one["sums"].reshape(len(READY), -1)[1], keys).any()
        }

    def ended(
        self, clusters: Sequence[Known], months: Sequence[Row[Any]], since: int, until: int, names: Collection[str]
    ) -> list[Ended]:
        """The jobs of the months that touch a range, month by month and as they are packed, and those that are not."""
        wanted = [row for row in months if _touches(row, since, until)]
        columns = tuple(dict.fromkeys(("ended", *names)))
        found = self._columns(wanted, JOBS, columns)
        result = []
        for row in wanted:
            jobs = found.get((row.cluster_id, row.month))
            if jobs is not None:
                jobs = {**jobs, "cluster": np.full(len(jobs["ended"]), row.cluster_id, dtype=np.int32)}
                true = jobs["ended"] < row.packed_until - row.month
                result.append(Ended(jobs, int(month_number(np.array([row.month]))[0]), true))
        for cluster in clusters:
            jobs, _, first = self._tail(cluster)
            if first is not None:
                jobs = {**jobs, "cluster": np.full(len(jobs["ended"]), cluster.id, dtype=np.int32)}
                result.append(Ended(jobs, month_number(jobs["ended"]), True))
        return result

    def _tail(self, cluster: Known) -> tuple[Columns, Columns, int | None]:
        """load_tail() of a cluster."""
        stamp = tuple((row.month, row.packed_until, row.version) for row in cluster.packed)
        return self._tails.get(
            (cluster.id, cluster.report, cluster.until, stamp),
            lambda: self._ask(history.load_tail, cluster.id, cluster.packed, cluster.until),
        )

    def _true(self, row: Row[Any]) -> Lives | None:
        """The jobs of a month whose columns are not all true any more: those that are, times less the month."""
        jobs = self._columns([row], JOBS, JOB_COLUMNS).get((row.cluster_id, row.month))
        spans = self._columns([row], SPANS, SPAN_COLUMNS).get((row.cluster_id, row.month))
        if jobs is None or spans is None:
            return None
        return _cut(jobs, spans, row.cluster_id, 0, 0, 1 << 62, row.packed_until - row.month)

    def _columns(self, months: Sequence[Row[Any]], kind: str, names: Sequence[str]) -> dict[Month, Columns]:
        """(cluster id, month) -> columns, of those months that have all of them."""
        masked = self._mask()
        parts = [(row.cluster_id, row.month, row.version) for row in months]
        until = {(row.cluster_id, row.month): row.packed_until for row in months}
        columns: dict[Month, Columns] = {part[:2]: {} for part in parts}
        missing: set[history.Part] = set()
        unread: set[str] = set()
        for part in parts:
            for name in names:
                kept = self._decoded.get((part, until[part[:2]], kind, name, masked.clear))
                if kept is None:
                    missing.add(part)
                    unread.add(name)
                else:
                    columns[part[:2]][name] = kept
        if missing:
            known = {part: frozenset(columns[part[:2]]) for part in missing}

            def read(some: Sequence[history.Part]) -> list[tuple[history.Part, str, Numbers]]:
                packed = self._ask(history.load_packed, some, kind, unread) if some else {}
                return [
                    (part, name, masked.numbers(kind, name, from_bytes(name, data)))
                    for (part, name), data in packed.items()
                    if name not in known[part]
                ]

            # In a few portions: a task for each column would cost as much as its decoding.
            ordered = sorted(missing)
            for portion in self._workers.map(read, [ordered[: len(ordered) // 2], ordered[len(ordered) // 2 :]]):
                for part, name, numbers in portion:
                    columns[part[:2]][name] = numbers
                    self._decoded.put((part, until[part[:2]], kind, name, masked.clear), numbers, numbers.nbytes)
        return {key: found for key, found in columns.items() if len(found) == len(names)}

    def _mask(self) -> Mask:
        """How words are masked in columns; the names that are not hidden are looked up, since they may be new."""
        if self._veil is None:
            return Mask()
        names = self._veil.names
        known = self._ask(history.load_word_ids, names) if names else {}
        return Mask(self._veil, tuple(sorted(known.values())))


def _touches(row: Row[Any], since: int, until: int) -> bool:
    first = row.first_submitted_at
    return first is not None and first < until and month_after(row.month) > since


def _cut(
    jobs: Columns, spans: Columns, cluster_id: int, base: int, since: int, until: int, true_until: int | None
) -> Lives:
    """Those that lived in the range, in unix seconds. Columns tell the truth of what ended before `true_until`."""
    ended = jobs["ended"].astype(np.int64) + base
    ran = jobs["ran"]
    submitted = ended - np.maximum(ran, 0) - jobs["queued"]
    chosen = (ended >= since) & (submitted < until)
    if true_until is not None:
        chosen &= ended < true_until
    if chosen.all():
        some = {**jobs, "ended": ended}
        rest = spans
    else:
        place = np.cumsum(chosen) - 1
        some = {name: numbers[chosen] for name, numbers in jobs.items()}
        some["ended"] = ended[chosen]
        kept = chosen[spans["job"]] if len(spans["job"]) else np.zeros(0, dtype=bool)
        rest = {name: numbers[kept] for name, numbers in spans.items()}
        rest["job"] = place[rest["job"]] if len(rest["job"]) else rest["job"]
    some["cluster"] = np.full(len(some["ended"]), cluster_id, dtype=np.int32)
    moved = {"since": rest["since"].astype(np.int64) + base, "until": rest["until"].astype(np.int64) + base}
    return Lives(some, {**rest, **moved})


def _joined(pieces: Sequence[Lives], names: Collection[str]) -> Lives:
    if not pieces:
        jobs = {name: np.zeros(0, dtype=kind_of(name)) for name in (*names, "cluster")}
        jobs["ended"] = jobs["ended"].astype(np.int64)
        spans = {name: np.zeros(0, dtype=kind_of(name)) for name in SPAN_COLUMNS}
        return Lives(jobs, spans)
    jobs = {name: np.concatenate([piece.jobs[name] for piece in pieces]) for name in (*names, "cluster")}
    spans = {name: np.concatenate([piece.spans[name] for piece in pieces]) for name in SPAN_COLUMNS}
    starts = np.cumsum([0, *[len(piece) for piece in pieces[:-1]]])
    moved = [piece.spans["job"].astype(np.int64) + start for piece, start in zip(pieces, starts, strict=True)]
    spans["job"] = np.concatenate(moved)
    return Lives(jobs, spans)


def _stacked(months: Iterable[Columns], names: Collection[str]) -> Columns:
    """The rows of all months as one, with `month` and `cluster`."""
    rows = list(months)
    empty = np.zeros(0, dtype=np.int64)
    return {
        name: np.concatenate([one[name] for one in rows]) if rows else empty for name in (*names, "month", "cluster")
    }


def _dated(one: Columns, cluster_id: int, month: int) -> Columns:
    number = int(month_number(np.array([month]))[0])
    cluster = np.full(len(one["back"]), cluster_id, dtype=np.int32)
    return {**one, "month": number - one["back"].astype(np.int64), "cluster": cluster}
