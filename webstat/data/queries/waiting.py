"""What does not run: the jobs that wait, with what is said of why."""

from __future__ import annotations

import pandas as pd
from sqlalchemy import Engine, func, select

from agent.states import JobState
from collector import schema
from collector.rows import join_id
from collector.schema import JOB_STATES
from webstat.data.queries.engine import read_frame, with_words
from webstat.data.queries.now import NO_GROUP
from webstat.data.queries.veil import counts_all

_WAITING = [
    JOB_STATES.index(state) for state in (JobState.QUEUED, JobState.HELD, JobState.WAITING, JobState.TRANSITING)
]


@counts_all
def load_waiting_counted(engine: Engine, cluster_id: int) -> pd.DataFrame:
    """The same of all jobs, whoever looks: to be counted, and not listed.

    id, user, group, queue, state str, cores, nodes, gpus, submitted_at int64, eligible_at, estimated_start_at float64,
    comment, hold, depends_on object, as load_waiting() has them.
    """
    return load_waiting(engine, cluster_id)


def load_waiting(engine: Engine, cluster_id: int) -> pd.DataFrame:
    """Jobs that are queued, held, moving or waiting for their time, the longest waiting first.

    id str (native), user str, group str (`–` for none), queue str, state str, cores int64, nodes int64, gpus int64,
    submitted_at int64, eligible_at, estimated_start_at float64 (NaN where not told), comment, hold, depends_on
    object (str or None).
    """
    j, live = schema.job.c, schema.job_live.c
    user, group, queue, server = (schema.word.alias() for _ in range(4))
    query = (
        select(
            j.number, server.c.text, user.c.text, func.coalesce(group.c.text, NO_GROUP), queue.c.text, j.state,
            j.cores, j.nodes, j.gpus, j.submitted_at, j.eligible_at, live.estimated_start_at,
            live.comment, j.hold, j.depends_on,
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
            "estimated_start_at": "float64",
            **dict.fromkeys(("comment", "hold", "depends_on"), "object"),
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
