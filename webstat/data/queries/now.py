"""What is now: clusters, the jobs that live in sums, nodes and queues."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd
from sqlalchemy import Engine, Row, case, func, select

from collector import schema
from collector.schema import JOB_STATES, NODE_STATES
from webstat.data.queries.engine import read_frame, read_rows, veil_of, with_words
from webstat.data.queries.veil import counts_all
from webstat.privacy import without_people

NO_GROUP = "–"
"""What stands for the group where the scheduler names none."""


def load_clusters(engine: Engine) -> Sequence[Row[Any]]:
    """Every cluster the store knows, by name, with all columns of the table; rows, since each drawing asks for them."""
    return read_rows(engine, select(schema.cluster).order_by(schema.cluster.c.name))


def load_collectors(engine: Engine) -> Sequence[Row[Any]]:
    """The collectors that run, the newest last: a row for each cluster that one polls, or one row with None.

    announce str, refresh str (addresses), public_key str (None: open), name str (host and process), region str or None,
    cluster str or None.
    """
    c, k = schema.collector.c, schema.cluster.c
    polled = schema.collector.outerjoin(schema.cluster, k.collector_id == c.id)
    columns = (c.announce, c.refresh, c.public_key, c.name, c.region, k.name.label("cluster"))
    return read_rows(engine, select(*columns).select_from(polled).order_by(c.id))


@counts_all
def load_job_totals(engine: Engine, cluster_id: int) -> pd.DataFrame:
    """The jobs that live, summed by user, group, queue and state.

    user str, group str (`–` for none), queue str, state str, jobs int64, cores int64, gpus int64, asked_core_seconds float64
    (cores x walltime asked, of jobs that ask for one), unlimited int64 (jobs without a walltime),
    first_submitted_at int64.
    """
    j = schema.job.c
    sums = (
        select(
            j.user_id,
            j.group_id,
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
        .group_by(j.user_id, j.group_id, j.queue_id, j.state)
        .subquery()
    )
    user, group, queue = (schema.word.alias() for _ in range(3))
    query = (
        select(
            user.c.text, func.coalesce(group.c.text, NO_GROUP), queue.c.text, sums.c.state, sums.c.jobs, sums.c.cores, sums.c.gpus,
            sums.c.asked, sums.c.unlimited, sums.c.first,
        )
        .join(user, user.c.id == sums.c.user_id)
        .outerjoin(group, group.c.id == sums.c.group_id)
        .join(queue, queue.c.id == sums.c.queue_id)
    )  # fmt: skip
    frame = read_frame(
        engine,
        query,
        {
            "user": "str",
            "group": "str",
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
    return with_words(frame, JOB_STATES)


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
    frame = read_frame(
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
    return with_words(frame, NODE_STATES)


def load_queues(engine: Engine, cluster_id: int) -> pd.DataFrame:
    """The queues that are listed, highest priority first, then by name.

    name str, type str, enabled object (bool or None), started object (bool or None), priority float64,
    max_walltime_seconds float64, limits object (JSON {native name: native text} or None; through a veil without those of
    some people only).
    """
    q = schema.queue.c
    query = (
        select(q.name, q.type, q.enabled, q.started, q.priority, q.max_walltime_seconds, q.limits)
        .where(q.cluster_id == cluster_id, q.gone_at.is_(None))
        .order_by(func.coalesce(q.priority, 0).desc(), q.name)
    )
    frame = read_frame(
        engine,
        query,
        {
            "name": "str",
            "type": "str",
            "enabled": "object",
            "started": "object",
            "priority": "float64",
            "max_walltime_seconds": "float64",
            "limits": "object",
        },
    )
    if veil_of(engine) is not None:
        frame["limits"] = pd.Series([_for_all(text) for text in frame["limits"]], dtype="object", index=frame.index)
    return frame


def _for_all(limits: str | None) -> str | None:
    """A queue's limits without those of some people."""
    return limits and json.dumps(without_people(json.loads(limits)))
