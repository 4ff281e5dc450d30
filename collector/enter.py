"""Ended jobs of a log -> rows: the statements of an import, inside the transaction of imports.py.

How one job's two accounts become one is decided in merge.py, how a record lies in columns in rows.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, delete, func, insert, select

from collector.buckets import mark_dirty
from collector.database import portions
from collector.history import unpack
from collector.ingest import Changes
from collector.known import WHOLE_JOB, kept_since, load_arrays, spans_of_jobs
from collector.merge import Ended, Stored, corrected, is_implied
from collector.rollup import HOUR, hour_of
from collector.rows import JOB_STATE_NUMBER, job_record, job_row, split_id, words_of
from collector.schema import JOB_STATES, cluster, job, job_live, job_span
from collector.spans import Span
from collector.words import Words
from collector.write import insert_rows, update_by_id, write_arrays

_SOME: BindParameter[Any] = bindparam("some", expanding=True)
# Made once: a statement is a circle of objects, which would be left over from each batch.
_BY_NUMBER = select(job.c.id, job.c.number, job.c.submitted_at, job.c.server_id).where(
    job.c.cluster_id == bindparam("cluster"), job.c.number.in_(_SOME)
)
_JOBS = WHOLE_JOB.where(job.c.id.in_(_SOME))
_SPANS = spans_of_jobs(job.c.id.in_(_SOME))

Key = tuple[str, int]
"""(number, second of its submission): by which a job is the same."""


@dataclass
class Entered:
    """How many jobs were new, known already as they are, corrected, and too old to be kept."""

    new: int = 0
    known: int = 0
    corrected: int = 0
    pruned: int = 0
    """They ended in months whose jobs were pruned: nobody can tell any more whether they are counted there."""

    def __add__(self, other: Entered) -> Entered:
        return Entered(
            self.new + other.new,
            self.known + other.known,
            self.corrected + other.corrected,
            self.pruned + other.pruned,
        )


@dataclass
class _Touched:
    """What of the store's sums is no longer right: stretches of seconds, and ends of jobs before and after."""

    stretches: set[tuple[int, int]] = field(default_factory=set)
    ends: set[int] = field(default_factory=set)


def enter(connection: Connection, cluster_id: int, found: Sequence[Ended], words: Words) -> Entered:
    """Insert and correct jobs, and note which hours must be computed again, and which months packed."""
    since = kept_since(connection, cluster_id)
    kept = [one for one in found if one.ended_at >= since]
    words.intern(connection, words_of([one.job for one in kept]))
    words.keep()  # where this transaction fails, so does the import
    entered, touched = Entered(pruned=len(found) - len(kept)), _Touched()
    for some in _without_repeats(kept):
        entered += _enter(connection, cluster_id, some, words, touched)
    for first, last in _merged(touched.stretches, HOUR):
        mark_dirty(connection, cluster_id, first, last)
    unpack(connection, cluster_id, touched.ends)
    return entered


def _key(one: Ended) -> Key:
    return split_id(one.job.id)[0], one.submitted_at


def _without_repeats(found: Sequence[Ended]) -> Iterator[dict[Key, Ended]]:
    """Each job once; what is told of it again comes in later groups."""
    while found:
        once: dict[Key, Ended] = {}
        again = []
        for one in found:
            if once.setdefault(_key(one), one) is not one:
                again.append(one)
        yield once
        found = again


def _enter(
    connection: Connection, cluster_id: int, found: dict[Key, Ended], words: Words, touched: _Touched
) -> Entered:
    there = _find(connection, cluster_id, found, words)
    new = [one for key, one in found.items() if key not in there]
    _insert_jobs(connection, cluster_id, new, words)
    touched.stretches.update((hour_of(one.submitted_at), hour_of(one.ended_at)) for one in new)
    touched.ends.update(one.ended_at for one in new)
    checked = [(before, corrected(before, found[key])) for key, before in there.items() if not found[key].trace]
    different = [(before, after) for before, after in checked if before != after]
    _correct_jobs(connection, different, words)
    latest = connection.execute(select(cluster.c.taken_at).where(cluster.c.id == cluster_id)).scalar_one() or 0
    for before, after in different:
        assert after.ended_at is not None
        end = max(int(latest) if before.ended_at is None else before.ended_at, after.ended_at)
        touched.stretches.add((hour_of(after.submitted_at), hour_of(end)))
        touched.ends.add(after.ended_at)
        if before.ended_at is not None:
            touched.ends.add(before.ended_at)
    return Entered(len(new), len(there) - len(different), len(different))


def _find(connection: Connection, cluster_id: int, found: Mapping[Key, Ended], words: Words) -> dict[Key, Stored]:
    """Those of the jobs that the store has. Server names count where both tell one."""
    ids: dict[int, Key] = {}
    for some in portions(list({number for number, _ in found})):
        rows = connection.execute(_BY_NUMBER, {"cluster": cluster_id, "some": some})
        for job_id, number, submitted_at, server_id in rows:
            one = found.get((number, submitted_at))
            if one is not None:
                server = split_id(one.job.id)[1]
                if server is None or server_id is None or words.id_of(server) == server_id:
                    ids[job_id] = (number, submitted_at)
    return {ids[one.id]: one for one in load_stored(connection, list(ids), words.texts)}


def load_stored(connection: Connection, ids: Sequence[int], texts: Mapping[int, str]) -> Iterator[Stored]:
    """Jobs with their spans, by their rows' ids."""
    for some in portions(ids):
        spans: dict[int, list[Span]] = {}
        for row in connection.execute(_SPANS, {"some": some}):
            span = Span(row.since, row.until, JOB_STATES[row.state], texts[row.queue_id], row.cores, row.gpus)
            spans.setdefault(row.job_id, []).append(span)
        for found in connection.execute(_JOBS, {"some": some}).mappings():
            yield Stored(
                found["id"],
                job_record(found, texts),
                found["submitted_at"],
                found["ended_at"],
                found["ended_estimated"],
                tuple(spans.get(found["id"], ())),
            )


def _insert_jobs(connection: Connection, cluster_id: int, new: Sequence[Ended], words: Words) -> None:
    if not new:
        return
    lives = [one.spans for one in new]
    implied = [
        is_implied(one.job, one.submitted_at, one.ended_at, spans) for one, spans in zip(new, lives, strict=True)
    ]
    rows = [
        {
            "cluster_id": cluster_id,
            "implied": plain,
            **job_row(one.job, one.submitted_at, one.ended_at, False, words.id_of),
        }
        for one, plain in zip(new, implied, strict=True)
    ]
    if connection.dialect.name == "sqlite":  # there is no other writer, and asking for each row's id takes longest
        first = (connection.execute(select(func.max(job.c.id))).scalar() or 0) + 1
        ids = list(range(first, first + len(rows)))
        for job_id, row in zip(ids, rows, strict=True):
            row["id"] = job_id
        insert_rows(connection, job, rows)
    else:
        result = connection.execute(insert(job).returning(job.c.id, sort_by_parameter_order=True), rows)
        ids = [int(number) for number in result.scalars()]
    told = [(job_id, spans) for job_id, spans, plain in zip(ids, lives, implied, strict=True) if not plain]
    _insert_spans(connection, told, words)


def _insert_spans(connection: Connection, spans: Iterable[tuple[int, Iterable[Span]]], words: Words) -> None:
    insert_rows(
        connection,
        job_span,
        [
            {
                "job_id": job_id,
                "since": span.since,
                "until": span.until,
                "state": JOB_STATE_NUMBER[span.state],
                "queue_id": words.id_of(span.queue),
                "cores": span.cores,
                "gpus": span.gpus,
            }
            for job_id, life in spans
            for span in life
        ],
    )


def _correct_jobs(connection: Connection, changed: Sequence[tuple[Stored, Stored]], words: Words) -> None:
    rows, told = [], []
    for _, after in changed:
        assert after.ended_at is not None
        implied = is_implied(after.job, after.submitted_at, after.ended_at, after.spans)
        row = job_row(after.job, after.submitted_at, after.ended_at, False, words.id_of)
        rows.append({"row_id": after.id, "implied": implied, **row})
        if not implied:
            told.append((after.id, after.spans))
    update_by_id(connection, job, rows)
    for some in portions([before.id for before, _ in changed if before.ended_at is None]):
        connection.execute(delete(job_live).where(job_live.c.job_id.in_(some)))
    for some in portions([before.id for before, _ in changed]):
        connection.execute(delete(job_span).where(job_span.c.job_id.in_(some)))
    _insert_spans(connection, told, words)


def enter_arrays(connection: Connection, cluster_id: int, sizes: dict[str, int]) -> None:
    """Enter the sizes of arrays that the store has not; what a report told of an array stays."""
    there = load_arrays(connection, cluster_id, list(sizes))
    new = {number: size for number, size in sizes.items() if number not in there}
    write_arrays(connection, cluster_id, Changes(at=0, new_arrays=new))


def _merged(stretches: Iterable[tuple[int, int]], apart: int) -> Iterator[tuple[int, int]]:
    """Stretches in order, those that overlap or are no more than `apart` from each other as one."""
    first: int | None = None
    last = 0
    for since, until in sorted(stretches):
        if first is not None and since <= last + apart:
            last = max(last, until)
        else:
            if first is not None:
                yield first, last
            first, last = since, until
    if first is not None:
        yield first, last
