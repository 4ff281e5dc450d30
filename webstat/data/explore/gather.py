"""Brings the jobs of a range together: packed columns, and what is not packed yet, as if they were one table.

Decoded columns are remembered, up to a number of bytes; the unpacked rest until the next report.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from sqlalchemy import Row

from collector.columns import from_bytes, kind_of
from collector.lives import JOBS, SPANS, SUMS, Columns, month_after, month_number, month_of
from collector.sums import SUM_KEYS, sums
from webstat.cache import Memory, Weighed
from webstat.data.explore.shapes import Ended, Known, Lives
from webstat.data.queries import history

MOST_BYTES = 384 << 20
"""Of decoded columns that are kept."""

SPAN_COLUMNS = ("job", "since", "until", "state", "queue", "cores", "gpus")
LIFE = ("ended", "ran", "queued", "flags")
"""Columns of jobs without which nothing can be counted."""


class Gatherer:
    """What is kept of the columns; one for all threads. `ask` is Source.ask."""

    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask = ask
        self._decoded = Weighed(MOST_BYTES)
        self._tails = Memory(size=64)
        self._workers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="columns")

    def close(self) -> None:
        """End the threads."""
        self._workers.shutdown()

    def months(self, clusters: Sequence[Known]) -> Sequence[Row[Any]]:
        """load_months() of the clusters."""
        return self._ask(history.load_months, tuple(cluster.id for cluster in clusters))

    def jobs_within(self, months: Sequence[Row[Any]], since: int, until: int) -> int:
        """How many packed jobs have to be looked at for a range."""
        return sum(row.jobs for row in months if _touches(row, since, until))

    def lives(
        self, clusters: Sequence[Known], months: Sequence[Row[Any]], since: int, until: int, names: Collection[str]
    ) -> Lives:
        """The jobs that lived in [since, until) or ended at `since`, with LIFE and the columns named."""
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
            jobs, rest, first = self._tail(cluster, months)
            if first is not None and first < until:
                some = {name: jobs[name] for name in names}
                pieces.append(_cut(some, rest, cluster.id, 0, since, until, None))
        return _joined(pieces, names)

    def sums(
        self, clusters: Sequence[Known], months: Sequence[Row[Any]], since: int, until: int, names: Collection[str]
    ) -> Columns:
        """Sums by kinds of jobs over whole UTC months: `month` (months since 1970), `cluster`, SUM_KEYS, the SUMMED named.

        Months of the range that are not packed as a whole are counted from their jobs.
        """
        keys = tuple(key for key in SUM_KEYS if key != "back")
        wanted = [row for row in months if _touches(row, since, until)]
        found = self._columns(wanted, SUMS, ("back", *keys, *names))
        rows = []
        for row in wanted:
            packed = found.get((row.cluster_id, row.month))
            if packed is None:
                rows += self._counted(row, names)
            else:
                rows.append(_summed(packed, row.cluster_id, row.month, (*keys, *names)))
        for cluster in clusters:
            jobs, spans, first = self._tail(cluster, months)
            if first is not None:
                rows.append(_tail_sums(jobs, spans, cluster, (*keys, *names)))
        empty = np.zeros(0, dtype=np.int64)
        return {
            name: np.concatenate([one[name] for one in rows]) if rows else empty
            for name in ("month", "cluster", *keys, *names)
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
            jobs, _, first = self._tail(cluster, months)
            if first is not None:
                jobs = {**jobs, "cluster": np.full(len(jobs["ended"]), cluster.id, dtype=np.int32)}
                result.append(Ended(jobs, month_number(jobs["ended"]), True))
        return result

    def _tail(self, cluster: Known, months: Sequence[Row[Any]]) -> tuple[Columns, Columns, int | None]:
        mine = [row for row in months if row.cluster_id == cluster.id]
        stamp = (cluster.report, cluster.until, tuple((row.month, row.packed_until, row.version) for row in mine[-3:]))
        return self._tails.get(
            (cluster.id, stamp, len(mine), sum(row.packed_until for row in mine)),
            lambda: self._ask(history.load_tail, cluster.id, mine, cluster.until),
        )

    def _counted(self, row: Row[Any], names: Collection[str]) -> list[Columns]:
        """The sums of a month of which the columns are not all true any more, from those of its jobs that are."""
        columns = ("wait", "cpu_used", "walltime", "walltime_used", "cores", "gpus")
        keys = tuple(key for key in SUM_KEYS if key != "back")
        wanted = (*LIFE, *columns, *keys)
        jobs = self._columns([row], JOBS, wanted).get((row.cluster_id, row.month))
        spans = self._columns([row], SPANS, SPAN_COLUMNS).get((row.cluster_id, row.month))
        if jobs is None or spans is None:
            return []
        true = _cut(jobs, spans, row.cluster_id, 0, 0, 1 << 62, row.packed_until - row.month)
        counted = sums(true.jobs, true.spans, row.month)
        return [_summed(counted, row.cluster_id, row.month, (*keys, *names))]

    def _columns(self, months: Sequence[Row[Any]], kind: str, names: Sequence[str]) -> dict[tuple[int, int], Columns]:
        """(cluster id, month) -> columns, of those months that have all of them."""
        parts = [(row.cluster_id, row.month, row.version) for row in months]
        until = {(row.cluster_id, row.month): row.packed_until for row in months}
        columns: dict[tuple[int, int], Columns] = {part[:2]: {} for part in parts}
        missing: set[history.Part] = set()
        unread: set[str] = set()
        for part in parts:
            for name in names:
                kept = self._decoded.get((part, until[part[:2]], kind, name))
                if kept is None:
                    missing.add(part)
                    unread.add(name)
                else:
                    columns[part[:2]][name] = kept
        if missing:
            packed = self._ask(history.load_packed, missing, kind, unread)
            new = {key: data for key, data in packed.items() if key[1] not in columns[key[0][:2]]}
            decoded = self._workers.map(lambda item: from_bytes(item[0][1], item[1]), new.items(), chunksize=16)
            for (part, name), numbers in zip(new, decoded, strict=True):
                columns[part[:2]][name] = numbers
                self._decoded.put((part, until[part[:2]], kind, name), numbers, numbers.nbytes)
        return {key: found for key, found in columns.items() if len(found) == len(names)}


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


def _summed(packed: Columns, cluster_id: int, month: int, names: Collection[str]) -> Columns:
    number = int(month_number(np.array([month]))[0])
    found = {name: packed[name] for name in names}
    found["month"] = number - packed["back"].astype(np.int64)
    found["cluster"] = np.full(len(packed["back"]), cluster_id, dtype=np.int32)
    return found


def _tail_sums(jobs: Columns, spans: Columns, cluster: Known, names: Collection[str]) -> Columns:
    """The sums of what is not packed, by each one's own month."""
    last = month_of(int(jobs["ended"].max()))
    whole = {**jobs, "ended": jobs["ended"] - last}
    rest = {**spans, "since": spans["since"] - last, "until": spans["until"] - last}
    return _summed(sums(whole, rest, last), cluster.id, last, names)
