"""Where jobs are: those that hold nodes, with the cores they have on each, and the nodes with the jobs they tell of."""

from __future__ import annotations

import json

import pandas as pd
from sqlalchemy import Engine, func, select

from agent.states import HOLDS_CORES, JobState
from collector import schema
from collector.rows import hosts_record, join_id
from collector.schema import JOB_STATES, OPEN
from webstat.data.queries.engine import read_frame, with_words
from webstat.data.queries.veil import counts_all

_HOLDING = [JOB_STATES.index(state) for state in sorted(HOLDS_CORES)]
_SUSPENDED = JOB_STATES.index(JobState.SUSPENDED)
_ON_NODES = [*_HOLDING, _SUSPENDED]


def load_placed_jobs(engine: Engine, cluster_id: int) -> pd.DataFrame:
    """Jobs that run, exit or are suspended, oldest first.

    id str (native), name str, user str, queue str, state str, cores int64, nodes int64, started_at float64,
    walltime_seconds float64 (NaN where not told), hosts object ({node: cores}, empty where not told).
    """
    j = schema.job.c
    user, queue, server = (schema.word.alias() for _ in range(3))
    query = (
        select(
            j.number, server.c.text, j.name, user.c.text, queue.c.text, j.state, j.cores, j.nodes,
            j.started_at, j.walltime_seconds, j.hosts,
        )
        .select_from(schema.job)
        .join(user, user.c.id == j.user_id)
        .join(queue, queue.c.id == j.queue_id)
        .outerjoin(server, server.c.id == j.server_id)
        .where(j.cluster_id == cluster_id, j.ended_at.is_(None), j.state.in_(_ON_NODES))
        .order_by(j.id)
    )  # fmt: skip
    frame = read_frame(
        engine,
        query,
        {
            "id": "object",
            "server": "object",
            **dict.fromkeys(("name", "user", "queue"), "str"),
            **dict.fromkeys(("state", "cores", "nodes"), "int64"),
            "started_at": "float64",
            "walltime_seconds": "float64",
            "hosts": "object",
        },
    )
    frame["id"] = pd.Series(map(join_id, frame["id"], frame.pop("server")), dtype="str", index=frame.index)
    words = _node_words(engine, cluster_id)
    frame["hosts"] = pd.Series(
        [hosts_record(text, words) for text in frame["hosts"]], dtype="object", index=frame.index
    )
    return with_words(frame, JOB_STATES)


@counts_all
def load_held(engine: Engine, cluster_id: int) -> pd.DataFrame:
    """What each job holds that runs or exits, whoever looks: to be added up, and not listed.

    id str (native), queue_id int64, queue str, cores, gpus int64, memory_bytes, started_at, walltime_seconds float64
    (NaN where not told), suspended_seconds float64 (for how long it stood still since it was submitted; walltime does
    not count then), hosts object ({node: cores}, empty where not told).
    """
    j, s = schema.job.c, schema.job_span.c
    queue, server = (schema.word.alias() for _ in range(2))
    here = (j.cluster_id == cluster_id, j.ended_at.is_(None), j.state.in_(_HOLDING))
    query = (
        select(
            j.number, server.c.text, j.queue_id, queue.c.text, j.cores, j.gpus, j.memory_bytes, j.started_at,
            j.walltime_seconds, j.id, j.hosts,
        )
        .select_from(schema.job)
        .join(queue, queue.c.id == j.queue_id)
        .outerjoin(server, server.c.id == j.server_id)
        .where(*here)
        .order_by(j.id)
    )  # fmt: skip
    dtypes = {
        "id": "object",
        "server": "object",
        "queue_id": "int64",
        "queue": "str",
        "cores": "int64",
        "gpus": "int64",
        "memory_bytes": "float64",
        "started_at": "float64",
        "walltime_seconds": "float64",
        "suspended_seconds": "int64",
        "hosts": "object",
    }
    frame = read_frame(engine, query, dtypes)
    stood = (
        select(s.job_id, func.sum(s.until - s.since))
        .join(schema.job, j.id == s.job_id)
        .where(*here, s.state == _SUSPENDED, s.until < OPEN)
        .group_by(s.job_id)
    )
    seconds = read_frame(engine, stood, {"job": "int64", "seconds": "float64"}).set_index("job")["seconds"]
    frame["suspended_seconds"] = frame["suspended_seconds"].map(seconds).fillna(0.0).astype("float64")
    frame["id"] = pd.Series(map(join_id, frame["id"], frame.pop("server")), dtype="str", index=frame.index)
    words = _node_words(engine, cluster_id)
    hosts = [hosts_record(text, words) for text in frame["hosts"]]
    frame["hosts"] = pd.Series(hosts, dtype="object", index=frame.index)
    return frame


def load_node_jobs(engine: Engine, cluster_id: int) -> pd.DataFrame:
    """What the listed nodes say of the jobs on them, by name: name str, jobs object (list of native ids)."""
    n = schema.node.c
    query = select(n.name, n.jobs).where(n.cluster_id == cluster_id, n.gone_at.is_(None)).order_by(n.name)
    frame = read_frame(engine, query, {"name": "str", "jobs": "object"})
    frame["jobs"] = pd.Series(
        [json.loads(text) if text else [] for text in frame["jobs"]], dtype="object", index=frame.index
    )
    return frame


class NodeWords(dict[int, str]):
    """Names by word id; of a node that is no longer known only the id."""

    def __missing__(self, ident: int) -> str:
        return f"#{ident}"


def _node_words(engine: Engine, cluster_id: int) -> NodeWords:
    n, w = schema.node.c, schema.word.c
    query = select(w.id, w.text).join(schema.node, n.name == w.text).where(n.cluster_id == cluster_id)
    words = read_frame(engine, query, {"id": "int64", "text": "object"})
    return NodeWords(zip(words["id"].tolist(), words["text"], strict=True))
