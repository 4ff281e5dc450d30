"""A cluster's newest state as the agent's Report, put together again from the store's rows.

How a record lies in columns is collector/rows.py's; what is made of the report, the caller's.
"""

from __future__ import annotations

import json

from sqlalchemy import Engine, select

from agent.report import Report, Scheduler, Warning
from collector.rows import job_record, node_record
from collector.schema import cluster, job, job_live, node, word
from webstat.data.queries.engine import one_moment, veil_of
from webstat.data.queries.veil import counts_all
from webstat.privacy import UNTOLD


@counts_all
def load_report_counted(engine: Engine, cluster_id: int) -> Report | None:
    """The same with all jobs, whoever looks: to be counted, and not listed."""
    return load_report(engine, cluster_id)


def load_report(engine: Engine, cluster_id: int) -> Report | None:
    """The newest report of a cluster, None before its first; not a frame, unlike the others here.

    Its jobs are those that live, in the order in which they were first seen, as are its nodes. What the
    store does not keep is missing: queues' counters (so there are no queues), arrays, seconds by command, the
    order of a job's hosts; a job of which no time of submission was told has the one at which it was first seen.
    Raises StoreEmpty, StoreBroken.
    """
    with one_moment(engine) as connection:
        about = connection.execute(select(cluster).where(cluster.c.id == cluster_id)).mappings().one_or_none()
        if about is None or not about["report"]:
            return None
        words = dict(connection.execute(select(word.c.id, word.c.text)).all())
        jobs = connection.execute(
            select(job, job_live.c.comment, job_live.c.estimated_start_at)
            .outerjoin(job_live)
            .where(job.c.cluster_id == cluster_id, job.c.ended_at.is_(None))
            .order_by(job.c.id)
        ).mappings()
        nodes = connection.execute(
            select(node).where(node.c.cluster_id == cluster_id, node.c.gone_at.is_(None)).order_by(node.c.id)
        ).mappings()
        return Report(
            cluster=about["name"],
            scheduler=Scheduler(
                about["scheduler_kind"] or "", about["scheduler_version"] or "", about["scheduler_server"] or ""
            ),
            taken_at=about["taken_at"],
            query_seconds={},
            jobs=[job_record(row, words) for row in jobs],
            arrays=[],
            nodes=[node_record(row) for row in nodes],
            queues=[],
            warnings=[
                Warning(one["source"], one["message"] if veil_of(engine) is None else UNTOLD)
                for one in json.loads(about["warnings"] or "[]")
            ],
            agent_version="",
            partial=tuple(json.loads(about["partial"] or "[]")),
        )
