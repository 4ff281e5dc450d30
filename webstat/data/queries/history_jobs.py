"""The jobs behind a stretch of history, one by one, as long as they are kept.

What is asked is webstat.data.explore.behind's; the same cuts and keys keep a job here as in the explorer's counts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    and_,
    case,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
)

from collector import schema
from collector.lives import (
    COMPLETED,
    FAILED,
    HOLDS,
    LIVES,
    NEVER_RAN,
    NO_WALLTIME,
    SIZES,
    UNTOLD,
    WALLTIMES,
)
from webstat.data.queries.engine import one_moment

EVENTS = {
    "lived": "lived: waited or ran",
    "ran": "ran",
    "submitted": "were submitted",
    "started": "started",
    "ended": "ended",
}
"""What jobs did in the stretch, and how it is said of several."""

_HOLDING = [number for number, holds in enumerate(HOLDS.tolist()) if holds]
_WORDS = {"user": "user_id", "group": "group_id", "account": "account_id", "queue": "queue_id"}

DTYPES = {
    "cluster_id": "int64", "number": "object", "server": "object", "name": "object", "user": "object",
    "group": "object", "account": "object", "queue": "object", "outcome": "int64", "cores": "int64",
    "nodes": "int64", "gpus": "int64", "submitted_at": "float64", "eligible_at": "float64", "started_at": "float64",
    "ended_at": "float64", "wait_seconds": "float64", "run_seconds": "float64", "core_seconds": "float64",
    "walltime_seconds": "float64", "walltime_used_seconds": "float64", "cpu_used_seconds": "float64",
    "memory_used_bytes": "float64", "exit_status": "float64", "ended_estimated": "bool",
}  # fmt: skip
"""The columns of a row; rows can be sorted by each of them but `server`."""

SORTS = tuple(name for name in DTYPES if name != "server")

Filters = Mapping[str, Collection[int]]


@dataclass(frozen=True)
class Jobs:
    """Some rows of the jobs asked for, and what all of them come to."""

    rows: pd.DataFrame
    total: int
    core_seconds: float


def load_jobs_within(
    engine: Engine,
    known_until: Mapping[int, int],
    since: int,
    until: int,
    filters: Filters,
    event: str = "lived",
    sort: str = "core_seconds",
    descending: bool = True,
    limit: int = 200,
    offset: int = 0,
) -> Jobs:
    """The jobs of clusters that did something (one of EVENTS) in [since, until), DTYPES' columns, sorted.

    `known_until` says of each cluster's id until when its jobs are known: what goes on is counted up to there.
    `filters` are cuts with the keys that are kept. core_seconds are those within the stretch and, with a filter by
    queue, in those queues; what is not told comes last, and NaN or None.
    """
    parts = [_of_cluster(one, known, since, until, filters, event, sort) for one, known in known_until.items()]
    if not parts:
        return Jobs(_frame([]), 0, 0.0)
    found = union_all(*parts).subquery()
    key = found.c.key.desc() if descending else found.c.key
    chosen = (
        select(found, func.count().over().label("total"), func.sum(found.c.core_seconds).over().label("all_seconds"))
        .order_by(found.c.key.is_(None), key, found.c.id)
        .limit(limit)
        .offset(offset)
        .subquery()
    )
    with one_moment(engine) as connection:
        rows = connection.execute(_columns(chosen, descending)).all()
        if rows:
            return Jobs(_frame([row[:-2] for row in rows]), int(rows[0][-2]), float(rows[0][-1]))
        return Jobs(_frame([]), *_sums(connection, found))


def _sums(connection: Connection, found: Any) -> tuple[int, float]:
    """Of a place behind the last row."""
    total, seconds = connection.execute(select(func.count(), func.sum(found.c.core_seconds))).one()
    return int(total), float(seconds or 0)


def _frame(rows: list[Any]) -> pd.DataFrame:
    columns = zip(*rows, strict=True) if rows else ((),) * len(DTYPES)
    return pd.DataFrame(
        {name: pd.Series(values, dtype=kind) for (name, kind), values in zip(DTYPES.items(), columns, strict=True)}
    )


def _of_cluster(
    cluster_id: int, known: int, since: int, until: int, filters: Filters, event: str, sort: str
) -> Select[Any]:
    """id, cluster_id, known (until when), core_seconds and the key to sort by, of one cluster: each finds its own index."""
    j = schema.job.c
    seconds = _core_seconds(since, min(until, known), filters.get("queue"))
    key = seconds if sort == "core_seconds" else _expressions(known)[sort]
    return select(j.id, literal(known).label("known"), seconds.label("core_seconds"), key.label("key")).where(
        _did(cluster_id, since, until, event, filters), *_kept(filters)
    )


def _columns(chosen: Any, descending: bool) -> Select[Any]:
    expressions = _expressions(chosen.c.known)
    expressions["core_seconds"] = chosen.c.core_seconds
    key = chosen.c.key.desc() if descending else chosen.c.key
    return (
        select(*[expressions[name] for name in DTYPES], chosen.c.total, chosen.c.all_seconds)
        .join_from(chosen, schema.job, schema.job.c.id == chosen.c.id)
        .order_by(chosen.c.key.is_(None), key, chosen.c.id)
    )


def _expressions(known: Any) -> dict[str, ColumnElement[Any]]:
    j = schema.job.c
    run = func.coalesce(j.ended_at, known) - j.started_at
    wait = j.started_at - func.coalesce(j.eligible_at, j.submitted_at)
    made = {
        "outcome": _outcome(),
        "wait_seconds": case((wait < 0, 0), else_=wait),
        "run_seconds": case((run < 0, 0), else_=run),
        "server": _word(j.server_id),
        **{name: _word(j[column]) for name, column in _WORDS.items()},
    }
    return {name: made[name] if name in made else j[name] for name in DTYPES if name != "core_seconds"}


def _word(column: ColumnElement[Any]) -> ColumnElement[Any]:
    word = schema.word.alias()
    return select(word.c.text).where(word.c.id == column).scalar_subquery()


def _outcome() -> ColumnElement[int]:
    """As collector.lives tells it of packed jobs."""
    j = schema.job.c
    return case(
        (j.ended_at.is_(None), LIVES),
        (j.started_at.is_(None), NEVER_RAN),
        (j.exit_status.is_(None), UNTOLD),
        (j.exit_status == 0, COMPLETED),
        else_=FAILED,
    )


def _did(cluster_id: int, since: int, until: int, event: str, filters: Filters) -> ColumnElement[bool]:
    j = schema.job.c
    lived = schema.lived_in(cluster_id, since, until)
    queues = filters.get("queue")
    last = true() if queues is None else j.queue_id.in_(queues)
    if event in ("lived", "ran"):
        kinds = (schema.RAN,) if event == "ran" else (schema.RAN, schema.WAITED)
        told = [*_within(schema.TOLD, since, until, queues), *([_told_running()] if event == "ran" else [])]
        within = or_(
            select(1).where(schema.TOLD.job_id == j.id, *told).exists(),
            *(and_(kind.there, *_within(kind, since, until, queues)) for kind in kinds),
        )
        if event == "ran":
            return and_(lived, within)
        return lived if queues is None else and_(lived, or_(last, within))
    if event == "ended":
        return and_(j.cluster_id == cluster_id, j.ended_at >= since, j.ended_at < until, last)
    at = j.submitted_at if event == "submitted" else j.started_at
    return and_(lived, at >= since, at < until, last)


def _kept(filters: Filters) -> list[ColumnElement[bool]]:
    """What filters keep, but for those by cluster and queue."""
    j = schema.job.c
    kept: list[ColumnElement[bool]] = []
    for by, keys in filters.items():
        if by in ("user", "group", "account"):
            column = j[_WORDS[by]]
            kept.append(or_(column.in_(keys), column.is_(None)) if 0 in keys else column.in_(keys))
        elif by == "state":
            kept.append(_outcome().in_(keys))
        elif by == "size":
            kept.append(or_(*[_between(j.cores, SIZES, key) for key in keys]))
        elif by == "walltime":
            asked = j.walltime_seconds
            classes = [asked.is_(None) if key == NO_WALLTIME else _between(asked, WALLTIMES, key) for key in keys]
            kept.append(or_(*classes))
    return kept


def _between(column: ColumnElement[Any], limits: tuple[int, ...], key: int) -> ColumnElement[bool]:
    """Whether a column is in the class `key`: above the limit before, and at most the own one."""
    above = [column > limits[key - 1]] if key > 0 else []
    return and_(true(), *above, *([column <= limits[key]] if key < len(limits) else []))


def _core_seconds(since: int, until: int, queues: Collection[int] | None) -> ColumnElement[Any]:
    """Of a job, told and implied, within [since, until)."""

    def seconds(s: schema.SpansOf) -> ColumnElement[Any]:
        first = case((s.since > since, s.since), else_=since)
        last = case((s.until < until, s.until), else_=until)
        return (last - first) * s.cores

    told = [schema.TOLD.job_id == schema.job.c.id, _told_running(), *_within(schema.TOLD, since, until, queues)]
    implied = and_(schema.RAN.there, *_within(schema.RAN, since, until, queues))
    return case(
        (implied, seconds(schema.RAN)),
        else_=select(func.coalesce(func.sum(seconds(schema.TOLD)), 0)).where(*told).scalar_subquery(),
    )


def _within(s: schema.SpansOf, since: int, until: int, queues: Collection[int] | None) -> list[ColumnElement[bool]]:
    """Which spans touch [since, until), in one of the queues."""
    return [s.since < until, s.until > since, *([] if queues is None else [s.queue_id.in_(queues)])]


def _told_running() -> ColumnElement[bool]:
    return schema.TOLD.state.in_(_HOLDING)
