"""One user, or one group, on all clusters: use by day, starts with their waits, how the last jobs ended.

`by` is user or group, everywhere.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from sqlalchemy import ColumnElement, Engine, Table, case, func, select, union_all

from collector import schema
from collector.rows import join_id
from webstat.data.queries.engine import read_frame
from webstat.data.queries.now import NO_GROUP
from webstat.data.queries.veil import counts_all


def _is(table: Table, by: str, name: str) -> ColumnElement[bool]:
    column = {"user": table.c.user_id, "group": table.c.group_id}[by]
    return column == select(schema.word.c.id).where(schema.word.c.text == name).scalar_subquery()


def _everywhere(table: Table) -> ColumnElement[bool]:
    """True of every row; makes the index be used, which begins with the cluster."""
    return table.c.cluster_id.in_(select(schema.cluster.c.id))


@counts_all
def load_use_days(engine: Engine, by: str, name: str, since: int) -> pd.DataFrame:
    """What was used on the UTC days from `since` on, by whom and where, oldest first.

    day int64 (its first second), cluster str, queue str, user str, group str (`–` for none), core_hours float64.
    """
    u = schema.usage_day.c
    user, group, queue = (schema.word.alias() for _ in range(3))
    query = (
        select(
            u.bucket, schema.cluster.c.name, queue.c.text, user.c.text, func.coalesce(group.c.text, NO_GROUP),
            u.core_seconds / 3600.0,
        )
        .select_from(schema.usage_day)
        .join(schema.cluster, schema.cluster.c.id == u.cluster_id)
        .join(user, user.c.id == u.user_id)
        .join(queue, queue.c.id == u.queue_id)
        .outerjoin(group, group.c.id == u.group_id)
        .where(_everywhere(schema.usage_day), u.bucket >= since, _is(schema.usage_day, by, name))
        .order_by(u.bucket)
    )  # fmt: skip
    texts = dict.fromkeys(("cluster", "queue", "user", "group"), "str")
    return read_frame(engine, query, {"day": "int64", **texts, "core_hours": "float64"})


def load_known_days(engine: Engine, since: int) -> pd.DataFrame:
    """The UTC days from `since` on of which anything is known of any cluster, oldest first: day int64."""
    known = [
        select(table.c.bucket).where(_everywhere(table), table.c.bucket >= since).distinct()
        for table in (schema.usage_day, schema.capacity_day)
    ]
    days = union_all(*known).subquery()
    query = select(days.c.bucket).distinct().order_by(days.c.bucket)
    return read_frame(engine, query, {"day": "int64"})


@counts_all
def load_starts(engine: Engine, by: str, name: str, since: int) -> pd.DataFrame:
    """Jobs that started since `since`: cluster str, queue str, user str, wait_seconds int64.

    A wait is counted from when the job became eligible, from its submission where that is not told.
    """
    j = schema.job.c
    user, queue = schema.word.alias(), schema.word.alias()
    began = func.coalesce(j.eligible_at, j.submitted_at)

    def started(ended: ColumnElement[bool]) -> Any:
        return (
            select(
                schema.cluster.c.name,
                queue.c.text,
                user.c.text,
                case((j.started_at > began, j.started_at - began), else_=0),
            )
            .select_from(schema.job)
            .join(schema.cluster, schema.cluster.c.id == j.cluster_id)
            .join(user, user.c.id == j.user_id)
            .join(queue, queue.c.id == j.queue_id)
            .where(_everywhere(schema.job), ended, _is(schema.job, by, name), j.started_at >= since)
        )

    # Each half has its own stretch of the index on clusters and ends.
    query = union_all(started(j.ended_at.is_(None)), started(j.ended_at >= since))
    return read_frame(engine, query, {"cluster": "str", "queue": "str", "user": "str", "wait_seconds": "int64"})


def load_ended(engine: Engine, by: str, name: str, since: int, limit: int) -> pd.DataFrame:
    """The jobs that ended last, since `since`, the newest first, at most `limit`.

    cluster str, id str (native), name str, user str, queue str, cores int64, started_at float64 (NaN where it
    never ran), ended_at int64, ended_estimated bool (the end lies between two polls), exit_status float64.
    """
    j = schema.job.c
    user, queue, server = (schema.word.alias() for _ in range(3))
    query = (
        select(
            schema.cluster.c.name, j.number, server.c.text, j.name, user.c.text, queue.c.text,
            j.cores, j.started_at, j.ended_at, j.ended_estimated, j.exit_status,
        )
        .select_from(schema.job)
        .join(schema.cluster, schema.cluster.c.id == j.cluster_id)
        .join(user, user.c.id == j.user_id)
        .join(queue, queue.c.id == j.queue_id)
        .outerjoin(server, server.c.id == j.server_id)
        .where(_everywhere(schema.job), j.ended_at >= since, _is(schema.job, by, name))
        .order_by(j.ended_at.desc(), j.id.desc())
        .limit(limit)
    )  # fmt: skip
    frame = read_frame(
        engine,
        query,
        {
            "cluster": "str",
            "id": "object",
            "server": "object",
            **dict.fromkeys(("name", "user", "queue"), "str"),
            "cores": "int64",
            "started_at": "float64",
            "ended_at": "int64",
            "ended_estimated": "bool",
            "exit_status": "float64",
        },
    )
    frame["id"] = pd.Series(map(join_id, frame["id"], frame.pop("server")), dtype="str", index=frame.index)
    return frame


@counts_all
def load_ended_use(engine: Engine, by: str, name: str, since: int) -> pd.DataFrame:
    """What the jobs asked for and used that ran and ended since `since`, in the order of their ends: to be summed.

    cluster str, queue str, submitted_at, cores, ran_seconds (from start to end) int64, and NaN where not told:
    cpu_used_seconds, walltime_seconds, memory_bytes, memory_used_bytes, exit_status float64.
    """
    j = schema.job.c
    queue = schema.word.alias()
    query = (
        select(
            schema.cluster.c.name, queue.c.text, j.submitted_at, j.cores,
            case((j.ended_at > j.started_at, j.ended_at - j.started_at), else_=0),
            j.cpu_used_seconds, j.walltime_seconds, j.memory_bytes, j.memory_used_bytes, j.exit_status,
        )
        .select_from(schema.job)
        .join(schema.cluster, schema.cluster.c.id == j.cluster_id)
        .join(queue, queue.c.id == j.queue_id)
        .where(_everywhere(schema.job), j.ended_at >= since, _is(schema.job, by, name), j.started_at.is_not(None))
        .order_by(j.ended_at, j.id)
    )  # fmt: skip
    told = ("cpu_used_seconds", "walltime_seconds", "memory_bytes", "memory_used_bytes", "exit_status")
    whole = dict.fromkeys(("submitted_at", "cores", "ran_seconds"), "int64")
    return read_frame(engine, query, {"cluster": "str", "queue": "str", **whole, **dict.fromkeys(told, "float64")})


@counts_all
def load_last_day(engine: Engine, by: str, name: str) -> int | None:
    """The last UTC day of which there is any use of that user or group, its first second; None where there is none.

    The day of a job that was only submitted counts too.
    """
    query = select(func.max(schema.usage_day.c.bucket)).where(_is(schema.usage_day, by, name))
    found = read_frame(engine, query, {"day": "object"})["day"]
    return None if found.isna().all() else int(found.iloc[0])
