"""What does not run: the jobs that wait, with what is said of why."""

from __future__ import annotations

from typing import Any

import pandas as pd
from sqlalchemy import ColumnElement, Engine, case, column, func, select, table

from agent.states import HOLDS_CORES, JobState
from collector import schema
from collector.rows import join_id
from collector.schema import JOB_STATES
from webstat.data.limits import JOBS, parse_limits
from webstat.data.queries.engine import read_frame, read_rows, veil_of, with_words
from webstat.data.queries.now import NO_GROUP
from webstat.data.queries.veil import OWNERS, counts_all

_WAITING = [
    JOB_STATES.index(state) for state in (JobState.QUEUED, JobState.HELD, JobState.WAITING, JobState.TRANSITING)
]


_HOLDING = [JOB_STATES.index(state) for state in HOLDS_CORES]
SHARES = {JOBS: "jobs", "cores": "cores", "GPUs": "gpus", "memory": "memory_bytes"}
"""What a user's jobs can be limited to, as data/limits.py calls it -> the columns of load_shares()."""


@counts_all
def load_waiting_counted(engine: Engine, cluster_id: int) -> pd.DataFrame:
    """The same of all jobs, whoever looks: to be counted, and not listed.

    id, user, group, queue, state str, cores, nodes, gpus, submitted_at int64, eligible_at, estimated_start_at,
    memory_bytes, walltime_seconds float64, comment, hold, depends_on object, as load_waiting() has them; owner int64,
    which tells users apart, whoever looks, and names nobody.
    """
    return _load(engine, cluster_id, _owner(engine))


@counts_all
def load_shares(engine: Engine, cluster_id: int) -> pd.DataFrame:
    """What each user with living jobs holds in each queue, and the most that the queue lets that user hold.

    owner int64 (as load_waiting_counted() has it), queue str; jobs, cores, gpus int64 and memory_bytes float64, of jobs
    that run; most_jobs, most_cores, most_gpus, most_memory_bytes float64 (NaN without a limit). A limit for one user by
    name holds instead of that for every user.
    """
    j, queue, user = schema.job.c, schema.word.alias(), schema.word.alias()
    owner = _owner(engine)
    held = j.state.in_(_HOLDING)
    sums = (
        select(
            owner.label("owner"), j.queue_id,
            *(func.sum(case((held, amount), else_=0)).label(name) for name, amount in (
                ("jobs", 1), ("cores", j.cores), ("gpus", j.gpus), ("memory_bytes", func.coalesce(j.memory_bytes, 0)),
            )),
        )
        .where(j.cluster_id == cluster_id, j.ended_at.is_(None))
        .group_by(owner, j.queue_id)
        .subquery()
    )  # fmt: skip
    query = (
        select(sums.c.owner, queue.c.text, user.c.text, sums.c.jobs, sums.c.cores, sums.c.gpus, sums.c.memory_bytes)
        .join(queue, queue.c.id == sums.c.queue_id)
        .join(user, user.c.id == sums.c.owner)
    )
    counts = dict.fromkeys(("jobs", "cores", "gpus"), "int64")
    dtypes = {"owner": "int64", "queue": "str", "user": "object", **counts, "memory_bytes": "float64"}
    frame = read_frame(engine, query, dtypes)
    q = schema.queue.c
    listed = read_rows(engine, select(q.name, q.limits).where(q.cluster_id == cluster_id, q.gone_at.is_(None)))
    limits = {row.name: _user_limits(row.limits) for row in listed if row.limits}
    pairs = list(zip(frame["queue"], frame.pop("user"), strict=True))
    for what, name in SHARES.items():
        most = [_most(limits.get(queue, {}).get(what, {}), user) for queue, user in pairs]
        frame[f"most_{name}"] = pd.Series(most, dtype="float64", index=frame.index)
    return frame


def _user_limits(text: str) -> dict[str, dict[str | None, int]]:
    """What -> user, or None for every one -> the most of it that runs."""
    found: dict[str, dict[str | None, int]] = {}
    for one in parse_limits(text).known:
        if one.whom == "user" and not one.queued and not one.least:
            of_users = found.setdefault(one.what, {})
            of_users[one.name] = min(one.most, of_users.get(one.name, one.most))
    return found


def _most(limits: dict[str | None, int], user: str) -> float:
    return float(limits.get(user, limits.get(None, float("nan"))))


def _owner(engine: Engine) -> ColumnElement[Any]:
    """The user of a row of `job` as a number: through a veil, all others would be one."""
    if veil_of(engine) is None:
        return schema.job.c.user_id
    owners = table(OWNERS, column("job_id"), column("owner_id"))
    return select(owners.c.owner_id).where(owners.c.job_id == schema.job.c.id).scalar_subquery()


def load_waiting(engine: Engine, cluster_id: int) -> pd.DataFrame:
    """Jobs that are queued, held, moving or waiting for their time, the longest waiting first.

    id str (native), user str, group str (`–` for none), queue str, state str, cores int64, nodes int64, gpus int64,
    submitted_at int64, eligible_at, estimated_start_at, memory_bytes, walltime_seconds float64 (NaN where not told),
    comment, hold, depends_on object (str or None).
    """
    return _load(engine, cluster_id)


def _load(engine: Engine, cluster_id: int, owner: ColumnElement[Any] | None = None) -> pd.DataFrame:
    more = {} if owner is None else {"owner": owner}
    j, live = schema.job.c, schema.job_live.c
    user, group, queue, server = (schema.word.alias() for _ in range(4))
    query = (
        select(
            j.number, server.c.text, user.c.text, func.coalesce(group.c.text, NO_GROUP), queue.c.text, j.state,
            j.cores, j.nodes, j.gpus, j.submitted_at, j.eligible_at, live.estimated_start_at,
            j.memory_bytes, j.walltime_seconds, live.comment, j.hold, j.depends_on, *more.values(),
        )
        .select_from(schema.job)
        .join(user, user.c.id == j.user_id)
        .join(queue, queue.c.id == j.queue_id)
        .outerjoin(group, group.c.id == j.group_id)
        .outerjoin(server, server.c.id == j.server_id)
        .outerjoin(schema.job_live, live.job_id == j.id)
        .where(j.cluster_id == cluster_id, j.ended_at.is_(None), j.state.in_(_WAITING))
        .order_by(j.submitted_at, j.id)
    )  # fmt: skip
    texts = dict.fromkeys(("user", "group", "queue"), "str")
    frame = read_frame(
        engine,
        query,
        {
            "id": "object",
            "server": "object",
            **texts,
            "state": "int64",
            **dict.fromkeys(("cores", "nodes", "gpus", "submitted_at"), "int64"),
            "eligible_at": "float64",
            **dict.fromkeys(("estimated_start_at", "memory_bytes", "walltime_seconds"), "float64"),
            **dict.fromkeys(("comment", "hold", "depends_on"), "object"),
            **dict.fromkeys(more, "int64"),
        },
    )
    frame["id"] = pd.Series(map(join_id, frame["id"], frame.pop("server")), dtype="str", index=frame.index)
    return with_words(frame, JOB_STATES)


@counts_all
def load_alike_counted(engine: Engine, cluster_id: int) -> pd.DataFrame:
    """The same jobs, those together that ask for the same and of which the same is said; to be counted, and not listed.

    queue str, state str, cores, nodes, gpus int64, comment, hold, depends_on object (str or None), jobs int64,
    submitted_at int64 (the first), estimated_start_at float64 (the first; NaN where not told).
    """
    j, live = schema.job.c, schema.job_live.c
    alike = (j.queue_id, j.state, j.cores, j.nodes, j.gpus, live.comment, j.hold, j.depends_on)
    sums = (
        select(
            *alike,
            func.count().label("jobs"),
            func.min(j.submitted_at).label("first"),
            func.min(live.estimated_start_at).label("start"),
        )
        .select_from(schema.job)
        .outerjoin(schema.job_live, live.job_id == j.id)
        .where(j.cluster_id == cluster_id, j.ended_at.is_(None), j.state.in_(_WAITING))
        .group_by(*alike)
        .subquery()
    )
    s = sums.c
    query = select(
        schema.word.c.text, s.state, s.cores, s.nodes, s.gpus, s.comment, s.hold, s.depends_on, s.jobs, s.first, s.start
    ).join(schema.word, schema.word.c.id == s.queue_id)
    frame = read_frame(
        engine,
        query,
        {
            "queue": "str",
            **dict.fromkeys(("state", "cores", "nodes", "gpus"), "int64"),
            **dict.fromkeys(("comment", "hold", "depends_on"), "object"),
            **dict.fromkeys(("jobs", "submitted_at"), "int64"),
            "estimated_start_at": "float64",
        },
    )
    return with_words(frame, JOB_STATES)
