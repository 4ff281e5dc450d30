"""What can be looked for by name: the jobs that live, and ended ones by number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from sqlalchemy import Engine, Row, Select, select, union_all

from collector import schema
from collector.schema import JOB_STATES
from webstat.data.queries.engine import read_frame, read_rows, with_words

_CLUSTERS_AT_ONCE = 100
"""SQLite puts at most 500 queries together; each cluster takes two."""


def load_names(engine: Engine, cluster_id: int) -> pd.DataFrame:
    """The jobs that live: number str (the id up to its first dot), server str or None (the rest), array_number str or None,
    name str, user str, group str or None, queue str, state str.
    """
    j = schema.job.c
    server, user, group, queue = (schema.word.alias() for _ in range(4))
    query = (
        select(j.number, server.c.text, j.array_number, j.name, user.c.text, group.c.text, queue.c.text, j.state)
        .select_from(schema.job)
        .outerjoin(server, server.c.id == j.server_id)
        .join(user, user.c.id == j.user_id)
        .outerjoin(group, group.c.id == j.group_id)
        .join(queue, queue.c.id == j.queue_id)
        .where(j.cluster_id == cluster_id, j.ended_at.is_(None))
    )
    frame = read_frame(
        engine,
        query,
        {
            "number": "str",
            "server": "object",
            "array_number": "object",
            "name": "str",
            "user": "str",
            "group": "object",
            "queue": "str",
            "state": "int64",
        },
    )
    return with_words(frame, JOB_STATES)


def load_ended_by_number(engine: Engine, cluster_ids: Sequence[int], start: str, limit: int) -> list[Row[Any]]:
    """Ended jobs whose number is `start`, then those whose number begins with it, the highest first.

    Rows, since they are few and asked for at each letter typed: cluster_id, number, server or None (the rest of the id),
    name, user, ended_at, exit_status or None. At most `limit` of both kinds per cluster.
    """
    rows: list[Row[Any]] = []
    for begin in range(0, len(cluster_ids), _CLUSTERS_AT_ONCE):
        rows += read_rows(engine, _ended(cluster_ids[begin : begin + _CLUSTERS_AT_ONCE], start, limit))
    # By length before digits: of two numbers the longer one is the higher.
    rows.sort(key=lambda row: (row.number == start, len(row.number), row.number, row.ended_at), reverse=True)
    return rows


def _ended(cluster_ids: Sequence[int], start: str, limit: int) -> Select[Any]:
    j = schema.job.c
    found = []
    for cluster_id in cluster_ids:
        ended = select(j.id).where(j.cluster_id == cluster_id, j.ended_at.is_not(None))
        # Both are answered from the index job_by_number, however many jobs have ended.
        whole = ended.where(j.number == start).limit(limit)
        beyond = start[:-1] + chr(ord(start[-1]) + 1)
        begun = ended.where(j.number > start, j.number < beyond).order_by(j.number.desc()).limit(limit)
        found += [select(whole.subquery().c.id), select(begun.subquery().c.id)]
    server, user = schema.word.alias(), schema.word.alias()
    ids = union_all(*found).subquery()
    return (
        select(
            j.cluster_id,
            j.number,
            server.c.text.label("server"),
            j.name,
            user.c.text.label("user"),
            j.ended_at,
            j.exit_status,
        )
        .select_from(ids)
        .join(schema.job, j.id == ids.c.id)
        .outerjoin(server, server.c.id == j.server_id)
        .join(user, user.c.id == j.user_id)
    )
