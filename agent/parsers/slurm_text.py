"""The text of the qstat and pbsnodes that Debian's slurm-wlm-torque installs: they speak PBS's form of Slurm.

`qstat -f`, `pbsnodes -a`, `qstat -Q -f`. The names are PBS's, several meanings are not:

- exec_host counts cores (`n1/8+n2/8`), it numbers no slots.
- Of a job that has started, mtime is the start and ctime the end, which is only expected while it runs. Of one that
  waits, both are Slurm's estimates, or absent.
- A held job is Q; its priority is 0, which no other waiting job's is. A job that waits for a date or for another job
  is Q too. A completing job is C, like a finished one. A configuring one is R.
- A waiting array is one record under its first id, without `[]`: how many tasks it has is not told.
- Comment, memory, GPUs, exit status and used times are not told; of nodes neither jobs nor used cores.

Job names come first and may hold line breaks, so a user can forge attributes and whole records. An attribute that
stands twice is taken from its last place, which is Slurm's; forged records are told only if they betray themselves.
"""

from __future__ import annotations

import re
from datetime import tzinfo
from typing import Dict, Mapping, Optional, Tuple

from agent.parsers import ParsedJobs, ParsedNodes, ParsedQueues
from agent.parsers.blocks import Form, take_blocks
from agent.parsers.notes import Notes
from agent.parsers.values import Remembered, parse_bytes, parse_integer, parse_seconds, printable, remembered_times
from agent.report import Job, Node, Queue
from agent.states import (
    HOLDS_CORES,
    IS_PENDING,
    SLURM_NODE_STATES,
    SLURM_NODE_SUFFIXES,
    SLURM_WRAPPER_JOB_STATES,
    TORQUE_NODE_STATES,
    JobState,
    NodeState,
    worst,
)

_JOBS = Form("jobs of qstat -f", header="Job Id:", first="Job_Name", wraps=False, last_counts=True)
_NODES = Form("nodes of pbsnodes -a", header="", first="state", wraps=False)
_QUEUES = Form("queues of qstat -Q -f", header="Queue:", first="queue_type", wraps=False)

_NO_LIMIT_SECONDS = 0xFFFFFFFE * 60
"""Slurm's numbers for "none" and "unlimited", which the wrapper takes for minutes: `71582788:15:00`."""

_ID = re.compile(r"\d{1,10}\Z")
_NAME_AND_NUMBER = re.compile(r"(.*)\(\d+\)\Z", re.DOTALL)
_HOST = re.compile(r"([^/+\s]+)/(\d{1,7})\Z")


def parse_jobs(raw: bytes, zone: tzinfo) -> ParsedJobs:
    """The output of `qstat -f` as jobs and warnings; arrays are not told apart.

    `raw` is the output as it came; nothing at all is an idle cluster. `zone` is the one the client printed its times
    in. Raises ParseError where it is no such listing, or none of its records is whole.
    """
    notes = Notes("qstat -f")
    times = remembered_times(zone)
    jobs: Dict[str, Job] = {}
    for name, attributes in take_blocks(raw, _JOBS, notes):
        try:
            job = _job(name, attributes, times)
        except ValueError as problem:
            notes.leave_out(name, str(problem))
            continue
        if job.id in jobs:
            notes.add("this id is listed twice; the first record counts", name)
            continue
        jobs[job.id] = job
        if job.state is JobState.UNKNOWN:
            notes.add(f"job state {job.native_state[:40]!r} is unknown")
    notes.add_unreadable({"time": times})
    return ParsedJobs(list(jobs.values()), [], notes.warnings(), notes.complete)


def parse_nodes(raw: bytes, zone: tzinfo) -> ParsedNodes:
    """The output of `pbsnodes -a` as nodes, without jobs and used cores, and warnings; errors as in parse_jobs."""
    del zone
    notes = Notes("pbsnodes -a")
    nodes: Dict[str, Node] = {}
    for name, attributes in take_blocks(raw, _NODES, notes):
        node, unknown = _node(name, attributes)
        if node.name in nodes:
            notes.add("this node is listed twice; the first record counts", name)
            continue
        nodes[node.name] = node
        if unknown:
            notes.add(f"node state {node.native_state[:40]!r} is unknown")
    return ParsedNodes(list(nodes.values()), notes.warnings(), notes.complete)


def parse_queues(raw: bytes) -> ParsedQueues:
    """The output of `qstat -Q -f` as queues, which are Slurm's partitions; limits and counts are not told."""
    notes = Notes("qstat -Q -f")
    queues = [
        Queue(
            name=printable(name),
            type="execution",
            enabled=_YES_NO.get(attributes.get("enabled", "")),
            started=_YES_NO.get(attributes.get("started", "")),
        )
        for name, attributes in take_blocks(raw, _QUEUES, notes)
    ]
    return ParsedQueues(queues, notes.warnings(), notes.complete)


_YES_NO = {"yes": True, "no": False}


def _job(name: str, attributes: Mapping[str, str], times: Remembered) -> Job:
    letter, owner = attributes.get("job_state", ""), attributes.get("Job_Owner", "")
    if not _ID.match(name):
        raise ValueError(f"{name[:80]!r} is no job id")
    if not letter or not owner:
        raise ValueError(f"it has no {'Job_Owner' if letter else 'job_state'}")
    state = SLURM_WRAPPER_JOB_STATES.get(letter, JobState.UNKNOWN)
    priority = parse_integer(attributes.get("Priority"))
    if state is JobState.QUEUED and priority == 0:
        state = JobState.HELD
    given = _cores_by_node(attributes.get("exec_host", "")) if state not in IS_PENDING else {}
    walltime_seconds = parse_seconds(attributes.get("Resource_List.walltime"))
    start, end = (times[attributes[key]] if key in attributes else None for key in ("mtime", "ctime"))
    return Job(
        id=name,
        state=state,
        native_state=printable(letter),
        name=printable(attributes.get("Job_Name", "")),
        user=_without_number(attributes.get("euser", "")) or printable(owner.rpartition("@")[0] or owner),
        queue=printable(attributes.get("queue", "")),
        group=_without_number(attributes.get("egroup", "")),
        account=printable(attributes.get("Account_Name", "")) or None,
        cores=sum(given.values()) or _count(attributes, "Resource_List.ncpus"),
        nodes=len(given) or _count(attributes, "Resource_List.nodect"),
        walltime_seconds=walltime_seconds if (walltime_seconds or 0) < _NO_LIMIT_SECONDS else None,
        submitted_at=times[attributes["qtime"]] if "qtime" in attributes else None,
        started_at=start if given else None,  # a job cancelled while it waited has the time of that
        ended_at=end if state is JobState.FINISHED else None,
        estimated_start_at=start if state in IS_PENDING else None,
        priority=priority,
        hosts=given if state in HOLDS_CORES else {},
    )


def _node(name: str, attributes: Mapping[str, str]) -> Tuple[Node, bool]:
    """The node, and whether its state is not known."""
    status = attributes.get("status", "")
    # slurmstate stands before the reason, in which anything may stand, the figures after it.
    slurm = _SLURM_STATE.search(status)
    native = (slurm[1] if slurm else attributes.get("state", "")).strip()
    bare = native.rstrip("".join(SLURM_NODE_SUFFIXES))
    words = [word for word in bare.split("+") if word]
    states = [SLURM_NODE_STATES.get(word) or TORQUE_NODE_STATES.get(word, NodeState.UNKNOWN) for word in words]
    states += [SLURM_NODE_SUFFIXES[mark] for mark in native[len(bare) :]]
    unknown = not words or any(word not in SLURM_NODE_STATES and word not in TORQUE_NODE_STATES for word in words)
    memory = _MEMORY.findall(status)
    node = Node(
        name=printable(name),
        state=worst(states),
        native_state=printable(native),
        cores=parse_integer(attributes.get("np")),
        gpus=parse_integer(attributes.get("gpus", "0")),  # left out where there is none
        memory_bytes=parse_bytes(memory[-1]) if memory else None,  # called availmem; it is all the node has
        properties=tuple(map(printable, attributes.get("properties", "").replace(",", " ").split())),
        comment=printable(attributes.get("note", "").strip()) or None,
    )
    return node, unknown


_SLURM_STATE = re.compile(r"(?:\A|,)slurmstate=([^,]*)")
_MEMORY = re.compile(r",availmem=(\d{1,12}mb)(?=,|\Z)")


def _without_number(text: str) -> Optional[str]:
    """`chem(1002)` -> `chem`; None where there is no name."""
    match = _NAME_AND_NUMBER.match(text.strip())
    return printable(match[1] if match else text.strip()) or None


def _count(attributes: Mapping[str, str], key: str) -> int:
    return max(0, parse_integer(attributes.get(key)) or 0)


def _cores_by_node(exec_host: str) -> Dict[str, int]:
    """`n1/8+n2/8` -> {"n1": 8, "n2": 8}. Raises ValueError where it is no such text."""
    nodes: Dict[str, int] = {}
    for part in exec_host.split("+") if exec_host else ():
        match = _HOST.match(part)
        if not match or match[1] != printable(match[1]):
            raise ValueError(f"its exec_host {exec_host[:80]!r} is unreadable")
        nodes[match[1]] = nodes.get(match[1], 0) + int(match[2])
    return nodes
