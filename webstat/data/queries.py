"""The only reader of the store: each load_* asks one question and returns a frame.

Times are unix seconds UTC (int64; float64 with NaN where a value may be missing), text is dtype str,
states are the words of agent.states. What is computed from a frame is frames.py's; what is
remembered, source.py's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
from sqlalchemy import URL, Engine, Select, and_, case, create_engine, event, func, or_, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from agent.states import HOLDS_CORES
from collector import schema
from collector.schema import JOB_STATES, NODE_STATES
from webstat.errors import StoreBroken, StoreEmpty

_HOLDING = [index for index, state in enumerate(JOB_STATES) if state in HOLDS_CORES]


def open_store(url: str) -> Engine:
    """An engine that only reads; nothing is opened before the first query.

    An SQLite file is opened with mode=ro, so that reading never creates it.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True, execution_options={"postgresql_readonly": True})
    path = quote(Path(parsed.database or "").resolve().as_posix())
    read_only = URL.create("sqlite", database=f"file:{path}", query={"mode": "ro", "uri": "true"})
    # A connection a query costs 0.1 ms, and a store that is made anew is then simply the next one read.
    engine = create_engine(read_only, poolclass=NullPool, connect_args={"timeout": 10})

    @event.listens_for(engine, "connect")
    def _only_read(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA query_only=ON")

    return engine


def _frame(engine: Engine, query: Select[Any], dtypes: dict[str, str]) -> pd.DataFrame:
    try:
        with engine.connect() as connection:
            rows = connection.execute(query).all()
    except DBAPIError as error:
        words = str(error.orig)
        if any(sign in words for sign in ("unable to open", "no such table", "no such column", "does not exist")):
            raise StoreEmpty(words) from error
        raise StoreBroken(words) from error
    except SQLAlchemyError as error:
        raise StoreBroken(type(error).__name__) from error
    # Column by column: a frame made from rows guesses each type and is several times slower.
    columns = zip(*rows, strict=True) if rows else ((),) * len(dtypes)
    return pd.DataFrame(
        {name: pd.Series(values, dtype=dtype) for (name, dtype), values in zip(dtypes.items(), columns, strict=True)}
    )


def load_clusters(engine: Engine) -> pd.DataFrame:
    """Every cluster the store knows, by name.

    id int64, name str, title str, listed bool, demo bool, period_seconds int64, scheduler_kind str, scheduler_version str,
    report int64, taken_at float64, query_seconds float64, warnings str (JSON), partial str (JSON),
    failures int64, error_code str, error str, attempted_at float64, next_poll_at float64;
    missing text is None.
    """
    c = schema.cluster.c
    query = select(
        c.id, c.name, c.title, c.listed, c.demo, c.period_seconds, c.scheduler_kind, c.scheduler_version,
        c.report, c.taken_at, c.query_seconds, c.warnings, c.partial,
        c.failures, c.error_code, c.error, c.attempted_at, c.next_poll_at,
    ).order_by(c.name)  # fmt: skip
    return _frame(
        engine,
        query,
        {
            "id": "int64",
            "name": "str",
            "title": "str",
            "listed": "bool",
            "demo": "bool",
            "period_seconds": "int64",
            "scheduler_kind": "object",
            "scheduler_version": "object",
            "report": "int64",
            "taken_at": "float64",
            "query_seconds": "float64",
            "warnings": "object",
            "partial": "object",
            "failures": "int64",
            "error_code": "object",
            "error": "object",
            "attempted_at": "float64",
            "next_poll_at": "float64",
        },
    )


def load_job_totals(engine: Engine, cluster_id: int) -> pd.DataFrame:
    """The jobs that live, summed by user, queue and state.

    user str, queue str, state str, jobs int64, cores int64, gpus int64, asked_core_seconds float64
    (cores x walltime asked, of jobs that ask for one), unlimited int64 (jobs without a walltime),
    first_submitted_at int64.
    """
    j = schema.job.c
    sums = (
        select(
            j.user_id,
            j.queue_id,
            j.state,
            func.count().label("jobs"),
            func.sum(j.cores).label("cores"),
            func.sum(j.gpus).label("gpus"),
            func.coalesce(func.sum(1.0 * j.cores * j.walltime_seconds), 0.0).label("asked"),
            func.sum(case((j.walltime_seconds.is_(None), 1), else_=0)).label("unlimited"),
            func.min(j.submitted_at).label("first"),
        )
        .where(j.cluster_id == cluster_id, j.ended_at.is_(None))
        .group_by(j.user_id, j.queue_id, j.state)
        .subquery()
    )
    user, queue = schema.word.alias(), schema.word.alias()
    query = (
        select(
            user.c.text, queue.c.text, sums.c.state, sums.c.jobs, sums.c.cores, sums.c.gpus,
            sums.c.asked, sums.c.unlimited, sums.c.first,
        )
        .join(user, user.c.id == sums.c.user_id)
        .join(queue, queue.c.id == sums.c.queue_id)
    )  # fmt: skip
    frame = _frame(
        engine,
        query,
        {
            "user": "str",
            "queue": "str",
            "state": "int64",
            "jobs": "int64",
            "cores": "int64",
            "gpus": "int64",
            "asked_core_seconds": "float64",
            "unlimited": "int64",
            "first_submitted_at": "int64",
        },
    )
    return _with_words(frame, JOB_STATES)


def load_nodes(engine: Engine, cluster_id: int) -> pd.DataFrame:
    """The nodes that are listed, by name.

    name str, state str, native_state str, cores, cores_used, gpus, gpus_used, memory_bytes,
    memory_used_bytes, load float64 (NaN where not told), properties str (JSON) or None, comment str or None.
    """
    n = schema.node.c
    query = (
        select(
            n.name, n.state, n.native_state, n.cores, n.cores_used, n.gpus, n.gpus_used,
            n.memory_bytes, n.memory_used_bytes, n.load, n.properties, n.comment,
        )
        .where(n.cluster_id == cluster_id, n.gone_at.is_(None))
        .order_by(n.name)
    )  # fmt: skip
    numbers = ("cores", "cores_used", "gpus", "gpus_used", "memory_bytes", "memory_used_bytes", "load")
    frame = _frame(
        engine,
        query,
        {
            "name": "str",
            "state": "int64",
            "native_state": "str",
            **dict.fromkeys(numbers, "float64"),
            "properties": "object",
            "comment": "object",
        },
    )
    return _with_words(frame, NODE_STATES)


def load_queues(engine: Engine, cluster_id: int) -> pd.DataFrame:
    """The queues that are listed, highest priority first, then by name.

    name str, type str, enabled object (bool or None), started object (bool or None), priority float64,
    max_walltime_seconds float64.
    """
    q = schema.queue.c
    query = (
        select(q.name, q.type, q.enabled, q.started, q.priority, q.max_walltime_seconds)
        .where(q.cluster_id == cluster_id, q.gone_at.is_(None))
        .order_by(func.coalesce(q.priority, 0).desc(), q.name)
    )
    return _frame(
        engine,
        query,
        {
            "name": "str",
            "type": "str",
            "enabled": "object",
            "started": "object",
            "priority": "float64",
            "max_walltime_seconds": "float64",
        },
    )


def load_core_spans(engine: Engine, cluster_id: int, since: int, until: int) -> pd.DataFrame:
    """Stretches in which jobs held cores (running, exiting) that touch [since, until), equal ones summed.

    user str, since int64, until int64 (may lie after `until`, OPEN while it goes on), cores int64.
    """
    j, s, w = schema.job.c, schema.job_span.c, schema.word.c
    query = (
        select(w.text, s.since, s.until, func.sum(s.cores))
        .select_from(schema.job)
        .join(schema.job_span, s.job_id == j.id)
        .join(schema.word, w.id == j.user_id)
        .where(
            j.cluster_id == cluster_id,
            or_(j.ended_at.is_(None), j.ended_at >= since),
            s.state.in_(_HOLDING),
            s.until > since,
            s.since < until,
        )
        .group_by(w.text, s.since, s.until)
    )
    return _frame(engine, query, {"user": "str", "since": "int64", "until": "int64", "cores": "int64"})


def load_waits(engine: Engine, cluster_id: int, since: int, until: int) -> pd.DataFrame:
    """Jobs that started in [since, until): queue str, wait_seconds int64.

    A wait is counted from when the job became eligible, from its submission where that is not told.
    """
    j, w = schema.job.c, schema.word.c
    began = func.coalesce(j.eligible_at, j.submitted_at)
    query = (
        select(w.text, case((j.started_at > began, j.started_at - began), else_=0))
        .select_from(schema.job)
        .join(schema.word, w.id == j.queue_id)
        .where(
            j.cluster_id == cluster_id,
            or_(j.ended_at.is_(None), j.ended_at >= since),
            j.started_at >= since,
            j.started_at < until,
        )
    )
    return _frame(engine, query, {"queue": "str", "wait_seconds": "int64"})


def load_polls(engine: Engine, cluster_id: int, since: int) -> pd.DataFrame:
    """Polls begun since `since`, oldest first.

    at int64, seconds float64, report float64 (NaN where it brought none), taken_at float64,
    known_since float64 (from when on the report tells all; NaN where only of its moment), query_seconds float64, error_code str or None, error str or None.
    """
    p = schema.poll.c
    query = (
        select(p.at, p.seconds, p.report, p.taken_at, p.known_since, p.query_seconds, p.error_code, p.error)
        .where(p.cluster_id == cluster_id, p.at >= since)
        .order_by(p.at)
    )
    return _frame(
        engine,
        query,
        {
            "at": "int64",
            "seconds": "float64",
            "report": "float64",
            "taken_at": "float64",
            "known_since": "float64",
            "query_seconds": "float64",
            "error_code": "object",
            "error": "object",
        },
    )


def load_capacity_hours(engine: Engine, cluster_id: int, since: int, until: int) -> pd.DataFrame:
    """Installed cores by node state and hour: bucket int64, state str, core_seconds int64."""
    c = schema.capacity_hour.c
    query = (
        select(c.bucket, c.state, c.core_seconds)
        .where(c.cluster_id == cluster_id, c.bucket >= since, c.bucket < until)
        .order_by(c.bucket)
    )
    frame = _frame(engine, query, {"bucket": "int64", "state": "int64", "core_seconds": "int64"})
    return _with_words(frame, NODE_STATES)


def load_user_hours(engine: Engine, since: int) -> pd.DataFrame:
    """Who used how much since `since`, over all clusters: user str, cluster str, core_hours float64.

    From the days' sums, and from the hours' where no day of that cluster has been summed yet.
    """
    frames = []
    for table in (schema.usage_day, schema.usage_hour):
        u = table.c
        days = select(schema.usage_day.c.cluster_id).distinct()
        beyond = and_(u.bucket >= since, u.cluster_id.not_in(days)) if table is schema.usage_hour else u.bucket >= since
        query = (
            select(schema.word.c.text, schema.cluster.c.name, func.sum(u.core_seconds) / 3600.0)
            .join(schema.word, schema.word.c.id == u.user_id)
            .join(schema.cluster, schema.cluster.c.id == u.cluster_id)
            .where(beyond)
            .group_by(schema.word.c.text, schema.cluster.c.name)
        )
        frames.append(_frame(engine, query, {"user": "str", "cluster": "str", "core_hours": "float64"}))
    return pd.concat(frames, ignore_index=True)


def _with_words(frame: pd.DataFrame, states: Sequence[Any]) -> pd.DataFrame:
    words = [state.value for state in states]
    frame["state"] = pd.Series([words[index] for index in frame["state"]], dtype="str", index=frame.index)
    return frame
