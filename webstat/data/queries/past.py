"""What was: stretches of cores, waits, polls, and the sums of hours and days."""

from __future__ import annotations

from typing import Any

import pandas as pd
from sqlalchemy import Engine, Select, case, func, or_, select

from agent.states import HOLDS_CORES
from collector import schema
from collector.schema import JOB_STATES, NODE_STATES
from webstat.data.queries.engine import read_frame, with_words
from webstat.data.queries.now import NO_GROUP
from webstat.data.queries.veil import counts_all

_HOLDING = [index for index, state in enumerate(JOB_STATES) if state in HOLDS_CORES]


@counts_all
def load_core_spans(engine: Engine, cluster_id: int, since: int, until: int, by: str = "user") -> pd.DataFrame:
    """Stretches in which jobs held cores (running, exiting) that touch [since, until), equal ones summed.

    `by` is user, group or queue. holder str (`–` for no group), since int64, until int64 (may lie after `until`,
    OPEN while it goes on), cores int64.
    """
    j, w = schema.job.c, schema.word.c

    def holding(s: schema.SpansOf) -> Select[Any]:
        holder = {"user": j.user_id, "group": j.group_id, "queue": s.queue_id}[by]
        return select(
            holder.label("holder"), s.since.label("since"), s.until.label("until"), s.cores.label("cores")
        ).where(
            j.cluster_id == cluster_id,
            or_(j.ended_at.is_(None), j.ended_at >= since),
            s.state.in_(_HOLDING),
            s.until > since,
            s.since < until,
        )

    held = schema.every_span(holding).subquery()
    query = (
        select(func.coalesce(w.text, NO_GROUP), held.c.since, held.c.until, func.sum(held.c.cores))
        .outerjoin_from(held, schema.word, w.id == held.c.holder)
        .group_by(w.text, held.c.since, held.c.until)
    )
    return read_frame(engine, query, {"holder": "str", "since": "int64", "until": "int64", "cores": "int64"})


@counts_all
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
    return read_frame(engine, query, {"queue": "str", "wait_seconds": "int64"})


def load_polls(engine: Engine, cluster_id: int, since: int) -> pd.DataFrame:
    """Polls begun since `since`, oldest first.

    at int64, seconds float64, report float64 (NaN where it brought none), taken_at float64,
    known_since float64 (from when on the report tells all; NaN where only of its moment), period_seconds float64 (in which
    the next report was awaited; NaN where the poll brought none, or the wished one was), query_seconds float64,
    error_code str or None, error str or None.
    """
    p = schema.poll.c
    query = (
        select(
            p.at,
            p.seconds,
            p.report,
            p.taken_at,
            p.known_since,
            p.period_seconds,
            p.query_seconds,
            p.error_code,
            p.error,
        )
        .where(p.cluster_id == cluster_id, p.at >= since)
        .order_by(p.at)
    )
    return read_frame(
        engine,
        query,
        {
            "at": "int64",
            "seconds": "float64",
            "report": "float64",
            "taken_at": "float64",
            "known_since": "float64",
            "period_seconds": "float64",
            "query_seconds": "float64",
            "error_code": "object",
            "error": "object",
        },
    )


def load_spent(engine: Engine, hour: int, day: int) -> pd.DataFrame:
    """What commands for webstat took of each scheduler's time since seconds `hour` and `day`, a cluster a row.

    cluster_id int64, rounds_hour int64, seconds_hour float64, rounds_day int64, seconds_day float64; those never asked left out.
    """
    p = schema.poll.c
    in_hour = p.at >= hour
    query = (
        select(
            p.cluster_id,
            func.sum(case((in_hour, 1), else_=0)),
            func.sum(case((in_hour, p.query_seconds), else_=0.0)),
            func.count(),
            func.sum(p.query_seconds),
        )
        # With the clusters, so that the index is used, which begins with them.
        .where(p.cluster_id.in_(select(schema.cluster.c.id)), p.at >= day, schema.cost_of_poll())
        .group_by(p.cluster_id)
        .order_by(p.cluster_id)
    )
    return read_frame(
        engine,
        query,
        {
            "cluster_id": "int64",
            "rounds_hour": "int64",
            "seconds_hour": "float64",
            "rounds_day": "int64",
            "seconds_day": "float64",
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
    frame = read_frame(engine, query, {"bucket": "int64", "state": "int64", "core_seconds": "int64"})
    return with_words(frame, NODE_STATES)


@counts_all
def load_holder_hours(engine: Engine, since: int, by: str = "user") -> pd.DataFrame:
    """Who used how much since `since`, over all clusters: holder str, cluster str, core_hours float64.

    `by` is user, group or queue. From the days' sums, and from the hours' where no day of that cluster
    has been summed yet.
    """
    frames = []
    for table in (schema.usage_day, schema.usage_hour):
        u = table.c
        has_days = (
            select(schema.usage_day.c.cluster_id).where(schema.usage_day.c.cluster_id == schema.cluster.c.id).exists()
        )
        # Cluster by cluster, since sums are found by cluster and time.
        clusters = select(schema.cluster.c.id).where(has_days if table is schema.usage_day else ~has_days)
        query = (
            select(
                func.coalesce(schema.word.c.text, NO_GROUP),
                schema.cluster.c.name,
                func.sum(u.core_seconds) / 3600.0,
            )
            .outerjoin(schema.word, schema.word.c.id == u[f"{by}_id"])
            .join(schema.cluster, schema.cluster.c.id == u.cluster_id)
            .where(u.cluster_id.in_(clusters), u.bucket >= since)
            .group_by(schema.word.c.text, schema.cluster.c.name)
        )
        frames.append(read_frame(engine, query, {"holder": "str", "cluster": "str", "core_hours": "float64"}))
    return pd.concat(frames, ignore_index=True)
