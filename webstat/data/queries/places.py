"""Where jobs are: those that hold nodes, with the cores they have on each, and the nodes with the jobs they tell of."""

from __future__ import annotations

import json

import pandas as pd
from sqlalchemy import Engine, select

from agent.states import HOLDS_CORES, JobState
from collector import schema
from collector.rows import hosts_record, join_id
from collector.schema import JOB_STATES
from webstat.data.queries.engine import read_frame, with_words

_ON_NODES = [JOB_STATES.index(state) for state in (*sorted(HOLDS_CORES), JobState.SUSPENDED)]


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
