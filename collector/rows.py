"""Records <-> rows: how a Job, Node, Queue or Reservation lies in the store's columns. Pure.

Users, groups, accounts, projects, queues, servers and the nodes of jobs are interned in `word`; the
caller brings the lookup from text to id, and from id to text.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import RowMapping

from agent.report import Array, Job, Node, Queue, Reservation
from agent.states import JobState
from collector.schema import JOB_STATES, NODE_STATES

JOB_STATE_NUMBER = {state: number for number, state in enumerate(JOB_STATES)}
NODE_STATE_NUMBER = {state: number for number, state in enumerate(NODE_STATES)}

WordId = Callable[[str], int]
Row = dict[str, Any]

_JOB_AS_IS = (
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
    for text in (job.group, job.account, job.project, split_id(job.id)[1]):
        if text is not None:
            yield text
    yield from sorted(job.hosts)


def words_of(jobs: Sequence[Job]) -> set[str]:
    """The same of many jobs, each once."""
    texts: set[str | None] = {split_id(one.id)[1] for one in jobs}
    for names in {(one.user, one.queue, one.group, one.account, one.project) for one in jobs}:
        texts.update(names)
    texts.update(*[one.hosts for one in jobs])
    return {text for text in texts if text is not None}


def split_id(native_id: str) -> tuple[str, str | None]:
    """A job's id at its first dot: `123[4].pbs01` -> (`123[4]`, `pbs01`); the server is None without a dot."""
    number, dot, server = native_id.partition(".")
    return number, server if dot else None


def join_id(number: str, server: str | None) -> str:
    """The id that split_id took apart."""
    return number if server is None else f"{number}.{server}"


_INDEX = re.compile(r"\[([^\]]+)\]\Z")


def _index_in(number: str) -> str | None:
    found = _INDEX.search(number)
    return found.group(1) if found else None


def hosts_text(hosts: Mapping[str, int], word_id: WordId) -> str | None:
    """{node: cores} as `cores:nodes;…`, nodes as ranges of their word ids; None for none."""
    if len(hosts) == 1:
        ((name, cores),) = hosts.items()
        return f"{cores}:{word_id(name)}"
    by_cores: dict[int, list[int]] = defaultdict(list)
    for name, cores in hosts.items():
        by_cores[cores].append(word_id(name))
    return ";".join(f"{cores}:{_ranges(sorted(nodes))}" for cores, nodes in sorted(by_cores.items())) or None


def hosts_record(text: str | None, words: Mapping[int, str]) -> dict[str, int]:
    """The {node: cores} that hosts_text wrote."""
    hosts: dict[str, int] = {}
    for part in (text or "").split(";"):
        cores, _, ranges = part.partition(":")
        for first, _, last in (one.partition("-") for one in ranges.split(",") if one):
            for number in range(int(first), int(last or first) + 1):
                hosts[words[number]] = int(cores)
    return hosts


def _ranges(numbers: list[int]) -> str:
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ",".join("-".join(map(str, run)) for run in runs)


def job_row(job: Job, submitted_at: int, ended_at: int | None, ended_estimated: bool, word_id: WordId) -> Row:
    """All columns of `job` but id and cluster_id."""
    row: Row = {name: getattr(job, name) for name in _JOB_AS_IS}
    number, server = split_id(job.id)
    row.update(
        number=number,
        server_id=None if server is None else word_id(server),
        array_number=None if job.array_id is None else split_id(job.array_id)[0],
        array_index=None if job.array_index == _index_in(number) else job.array_index,
        user_id=word_id(job.user),
        queue_id=word_id(job.queue),
        group_id=None if job.group is None else word_id(job.group),
        account_id=None if job.account is None else word_id(job.account),
        project_id=None if job.project is None else word_id(job.project),
        state=JOB_STATE_NUMBER[job.state],
        submitted_at=submitted_at,
        ended_at=ended_at,
        ended_estimated=ended_estimated,
        hosts=hosts_text(job.hosts, word_id),
    )
    return row


def job_record(row: RowMapping, words: Mapping[int, str]) -> Job:
    """The Job that a row of `job` with its `job_live` was made from; its end is left out where it was estimated."""
    ended = None if row["ended_estimated"] else row["ended_at"]
    server = None if row["server_id"] is None else words[row["server_id"]]
    array_number, array_index = row["array_number"], row["array_index"]
    return Job(
        id=join_id(row["number"], server),
        array_id=None if array_number is None else join_id(array_number, server),
        array_index=_index_in(row["number"]) if array_index is None else array_index,
        state=JobState.FINISHED if row["ended_at"] is not None else JOB_STATES[row["state"]],
        user=words[row["user_id"]],
        queue=words[row["queue_id"]],
        group=None if row["group_id"] is None else words[row["group_id"]],
        account=None if row["account_id"] is None else words[row["account_id"]],
        project=None if row["project_id"] is None else words[row["project_id"]],
        submitted_at=row["submitted_at"],
        ended_at=ended,
        comment=row["comment"],
        estimated_start_at=row["estimated_start_at"],
        hosts=hosts_record(row["hosts"], words),
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
    row: Row = {name: getattr(queue, name) for name in _QUEUE_AS_IS}
    row["limits"] = json.dumps(queue.limits, ensure_ascii=False) if queue.limits else None
    return row


def queue_record(row: RowMapping) -> Queue:
    """The Queue that a row of `queue` was made from; its counters are not kept."""
    limits = json.loads(row["limits"]) if row["limits"] else {}
    return Queue(limits=limits, **{name: row[name] for name in _QUEUE_AS_IS})


def array_totals(arrays: Iterable[Array]) -> dict[str, int]:
    """Number -> how many subjobs, of the arrays that tell; of several of one number the first counts."""
    totals: dict[str, int] = {}
    for array in arrays:
        if array.total is not None:
            totals.setdefault(split_id(array.id)[0], array.total)
    return totals


def reservations_text(reservations: Iterable[Reservation]) -> str | None:
    """`cluster.reservations`; None for none."""
    rows = [asdict(one) for one in reservations]
    return json.dumps(rows, ensure_ascii=False) if rows else None
