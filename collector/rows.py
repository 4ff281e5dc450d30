"""Records <-> rows: how a Job, Node or Queue lies in the store's columns. Pure.

Users, groups, accounts, projects and queues are interned in `word`; the caller brings the
lookup from text to id, and from id to text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sqlalchemy import RowMapping

from agent.report import Job, Node, Queue
from agent.states import JobState
from collector.schema import JOB_STATES, NODE_STATES

JOB_STATE_NUMBER = {state: number for number, state in enumerate(JOB_STATES)}
NODE_STATE_NUMBER = {state: number for number, state in enumerate(NODE_STATES)}

WordId = Callable[[str], int]
Row = dict[str, Any]

_JOB_AS_IS = (
    "array_id",
    "array_index",
    "name",
    "native_state",
    "cores",
    "nodes",
    "gpus",
    "memory_bytes",
    "walltime_seconds",
    "walltime_used_seconds",
    "cpu_used_seconds",
    "memory_used_bytes",
    "eligible_at",
    "started_at",
    "estimated_start_at",
    "exit_status",
    "priority",
    "hold",
    "depends_on",
)
_NODE_AS_IS = (
    "native_state",
    "cores",
    "cores_used",
    "gpus",
    "gpus_used",
    "memory_bytes",
    "memory_used_bytes",
    "load",
    "comment",
)
_QUEUE_AS_IS = ("name", "type", "enabled", "started", "priority", "max_walltime_seconds")


def job_words(job: Job) -> Iterator[str]:
    """Every text of a job that is interned."""
    yield job.user
    yield job.queue
    for text in (job.group, job.account, job.project):
        if text is not None:
            yield text


def job_row(job: Job, submitted_at: int, ended_at: int | None, ended_estimated: bool, word_id: WordId) -> Row:
    """All columns of `job` but id and cluster_id."""
    row: Row = {name: getattr(job, name) for name in _JOB_AS_IS}
    row.update(
        native_id=job.id,
        user_id=word_id(job.user),
        queue_id=word_id(job.queue),
        group_id=None if job.group is None else word_id(job.group),
        account_id=None if job.account is None else word_id(job.account),
        project_id=None if job.project is None else word_id(job.project),
        state=JOB_STATE_NUMBER[job.state],
        submitted_at=submitted_at,
        ended_at=ended_at,
        ended_estimated=ended_estimated,
        comment=job.comment if ended_at is None else None,
        hosts=json.dumps(job.hosts, separators=(",", ":"), ensure_ascii=False) if job.hosts else None,
    )
    return row


def job_record(row: RowMapping, words: Mapping[int, str]) -> Job:
    """The Job that a row of `job` was made from; its end is left out where it was estimated."""
    ended = None if row["ended_estimated"] else row["ended_at"]
    return Job(
        id=row["native_id"],
        state=JobState.FINISHED if row["ended_at"] is not None else JOB_STATES[row["state"]],
        user=words[row["user_id"]],
        queue=words[row["queue_id"]],
        group=None if row["group_id"] is None else words[row["group_id"]],
        account=None if row["account_id"] is None else words[row["account_id"]],
        project=None if row["project_id"] is None else words[row["project_id"]],
        submitted_at=row["submitted_at"],
        ended_at=ended,
        comment=row["comment"],
        hosts=json.loads(row["hosts"]) if row["hosts"] else {},
        **{name: row[name] for name in _JOB_AS_IS},
    )


def node_row(node: Node) -> Row:
    """All columns of `node` but id, cluster_id and gone_at."""
    row: Row = {name: getattr(node, name) for name in _NODE_AS_IS}
    row.update(
        name=node.name,
        state=NODE_STATE_NUMBER[node.state],
        jobs=json.dumps(node.jobs, ensure_ascii=False) if node.jobs else None,
        properties=json.dumps(node.properties, ensure_ascii=False) if node.properties else None,
    )
    return row


def node_record(row: RowMapping) -> Node:
    """The Node that a row of `node` was made from."""
    return Node(
        name=row["name"],
        state=NODE_STATES[row["state"]],
        jobs=tuple(json.loads(row["jobs"])) if row["jobs"] else (),
        properties=tuple(json.loads(row["properties"])) if row["properties"] else (),
        **{name: row[name] for name in _NODE_AS_IS},
    )


def queue_row(queue: Queue) -> Row:
    """All columns of `queue` but id, cluster_id and gone_at."""
    return {name: getattr(queue, name) for name in _QUEUE_AS_IS}


def queue_record(row: RowMapping) -> Queue:
    """The Queue that a row of `queue` was made from; its counters are not kept."""
    return Queue(**{name: row[name] for name in _QUEUE_AS_IS})
