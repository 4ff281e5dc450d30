"""What the fields of Slurm's JSON mean, as 22.05 prints them: jobs and nodes from its records.

Reading the document, and what an empty one means, is left to slurm_json.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Dict, List, Mapping, Optional

from agent.parsers.notes import Notes
from agent.parsers.values import parse_bytes, printable
from agent.report import Job, Node
from agent.states import (
    HOLDS_CORES,
    IS_PENDING,
    SLURM_HOLD_REASONS,
    SLURM_JOB_STATES,
    SLURM_NODE_STATES,
    JobState,
    NodeState,
    occupied,
    worst,
)

Record = Mapping[str, Any]

_NO_NUMBER = 0xFFFFFFF0
"""Slurm's numbers from here up to 2^32 stand for "none" and "unlimited"."""
_MIB = 1 << 20

_TASKS = re.compile(r"(\d{1,9})(?:-(\d{1,9})(?::(\d{1,9}))?)?\Z")
# gpu:a100:2(IDX:0-1) · gres:gpu:2 · gres/gpu=4 · gpu
_GPUS = re.compile(r"(?:gres[:/])?gpu(?:[:=][A-Za-z][\w.-]*)?(?:[:=](\d{1,6}))?\Z")
_IN_BRACKETS = re.compile(r"\([^()]*\)")


def read_job(record: Record, notes: Notes) -> Job:
    """One record of squeue as a job. Raises ValueError where its id, its state or its cores cannot be read."""
    number, word, cores = _number(record, "job_id"), text_of(record, "job_state"), _number(record, "cpus")
    if number is None or not word or cores is None:
        missing = "job_id" if number is None else "cpus" if word else "job_state"
        raise ValueError(f"its {missing} is {ascii(record.get(missing))[:60]}")
    state = SLURM_JOB_STATES.get(word)
    if state is None:
        state = JobState.UNKNOWN
        notes.add(f"job state {word[:40]!r} is unknown")
    reason = text_of(record, "state_reason")
    reason = "" if reason == "None" else reason
    if state is JobState.QUEUED:
        state = SLURM_HOLD_REASONS.get(reason, state)
    array, task = _number(record, "array_job_id"), _number(record, "array_task_id")
    pending, ended = state in IS_PENDING, state is JobState.FINISHED
    started = bool(text_of(record, "nodes")) and not pending
    start, minutes = _time(record, "start_time"), _number(record, "time_limit")
    resources = text_of(record, "tres_alloc_str") or text_of(record, "tres_req_str")
    return Job(
        id=str(number) if not array or task is None else f"{array}_{task}",
        state=state,
        native_state=printable(word),
        name=text_of(record, "name"),
        user=text_of(record, "user_name"),
        queue=text_of(record, "partition"),
        group=text_of(record, "group_name") or None,
        account=text_of(record, "account") or None,
        project=text_of(record, "wckey") or None,
        array_id=str(array) if array else None,
        array_index=str(task) if array and task is not None else None,
        cores=cores,
        nodes=_number(record, "node_count") or 0,
        gpus=_gpus(record, resources),
        memory_bytes=_memory(resources),
        walltime_seconds=None if minutes is None else minutes * 60,
        submitted_at=_time(record, "submit_time"),
        eligible_at=_time(record, "eligible_time"),
        started_at=start if started else None,
        ended_at=_time(record, "end_time") if ended else None,
        estimated_start_at=start if pending else None,
        exit_status=_exit_status(record) if ended and started else None,
        priority=_number(record, "priority"),
        comment=text_of(record, "state_description") or reason or None,
        hold=reason or None if state is JobState.HELD else None,
        depends_on=text_of(record, "dependency") or None,
        hosts=_cores_by_node(record, cores) if state in HOLDS_CORES else {},
    )


def expand_array(job: Job, waiting: str, room: int, notes: Notes) -> List[Job]:
    """A waiting array's record as one job for each task that its expression (`3,5,100-199:5%50`) names.

    The record itself comes back, with a note, where there are more than `room` or the expression cannot be read.
    """
    ranges = []
    for piece in waiting.partition("%")[0].split(","):
        match = _TASKS.match(piece.strip())
        if not match:
            notes.add(f"its tasks {waiting[:80]!r} are unreadable; they count as one job", job.id)
            return [job]
        low, high, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
        ranges.append(range(low, high + 1, step or 1))
    if not 0 < sum(map(len, ranges)) <= room:
        notes.add(f"its {sum(map(len, ranges))} tasks count as one job: that is too many for one listing", job.id)
        return [job]
    parent = job.array_id or job.id
    tasks = [
        replace(job, id=f"{parent}_{task}", array_id=parent, array_index=str(task), estimated_start_at=None)
        for tasks in ranges
        for task in tasks
    ]
    # The estimate is that of the task which is next.
    tasks[0] = replace(tasks[0], estimated_start_at=job.estimated_start_at)
    return tasks


def read_node(record: Record, notes: Notes) -> Node:
    """One record of sinfo as a node. Raises ValueError where its name, its state or its cores cannot be read."""
    name, word, cores = text_of(record, "name"), text_of(record, "state"), _number(record, "cpus")
    flags = record.get("state_flags")
    if not name or not word or cores is None:
        missing = "name" if not name else "cpus" if word else "state"
        raise ValueError(f"its {missing} is {ascii(record.get(missing))[:60]}")
    words = [word, *(printable(str(flag)) for flag in (flags if isinstance(flags, list) else []))]
    for one in words:
        if one.lower() not in SLURM_NODE_STATES:
            notes.add(f"node state {one[:40]!r} is unknown")
    state = worst(SLURM_NODE_STATES.get(one.lower(), NodeState.UNKNOWN) for one in words)
    used, load = _number(record, "alloc_cpus"), _number(record, "cpu_load")
    memory, memory_used = _number(record, "real_memory"), _number(record, "alloc_memory")
    partitions = record.get("partitions")
    properties = [str(name) for name in partitions] if isinstance(partitions, list) else []
    properties += text_of(record, "active_features").split(",")
    return Node(
        name=name,
        state=state if used is None else occupied(state, cores, used),
        native_state="+".join(words).upper(),
        cores=cores,
        cores_used=used,
        gpus=_count_gpus(text_of(record, "gres")),
        gpus_used=_count_gpus(text_of(record, "gres_used")),
        memory_bytes=None if memory is None else memory * _MIB,
        memory_used_bytes=None if memory_used is None else memory_used * _MIB,
        load=None if load is None else load / 100,
        properties=tuple(dict.fromkeys(printable(word.strip()) for word in properties if word.strip())),
        comment=text_of(record, "reason") or None,
    )


def text_of(record: Record, key: str) -> str:
    """A field as printable text; empty where it is absent or none."""
    value = record.get(key)
    return printable(value.strip()) if isinstance(value, str) else ""


def _number(record: Record, key: str) -> Optional[int]:
    """A number that is one: not null, not negative, none of Slurm's marks for "none" and "unlimited"."""
    value = record.get(key)
    return value if type(value) is int and 0 <= value < _NO_NUMBER else None


def _time(record: Record, key: str) -> Optional[int]:
    return _number(record, key) or None  # 0 is none


def _exit_status(record: Record) -> Optional[int]:
    """What the job exited with; 256 and the signal's number where one ended it, as PBS has it."""
    code = _number(record, "exit_code")
    if code is None or code > 0xFFFF:
        return None
    return 256 + (code & 0x7F) if code & 0x7F else code >> 8


def _memory(resources: str) -> Optional[int]:
    """`cpu=64,mem=125G,node=4` -> bytes."""
    for part in resources.split(","):
        key, _, value = part.partition("=")
        if key == "mem":
            return parse_bytes(value)
    return None


def _gpus(record: Record, resources: str) -> int:
    """GPUs that it has, else those that it asked for."""
    counted = sum(_count_gpus(part) for part in resources.split(",") if part.startswith("gres/gpu="))
    if counted:
        return counted
    detail = record.get("gres_detail")
    if isinstance(detail, list) and detail:
        return sum(_count_gpus(str(part)) for part in detail)
    for key, times in (("tres_per_job", 1), ("tres_per_node", "node_count"), ("tres_per_task", "tasks")):
        asked = _count_gpus(text_of(record, key))
        if asked:
            return asked * (times if isinstance(times, int) else _number(record, times) or 1)
    return 0


def _count_gpus(gres: str) -> int:
    """`gpu:a100:4(S:0-1),gpu:v100:2` -> 6; a mere `gpu` is one. Other kinds of resources do not count."""
    matches = (_GPUS.match(part) for part in _IN_BRACKETS.sub("", gres).split(","))
    return sum(int(match[1] or 1) for match in matches if match)


def _cores_by_node(record: Record, cores: int) -> Dict[str, int]:
    """The cores it has on each node; empty where that is not told."""
    resources = record.get("job_resources")
    allocated = resources.get("allocated_nodes") if isinstance(resources, dict) else None
    counts: Dict[str, int] = {}
    for part in allocated if isinstance(allocated, list) else []:
        sockets = part.get("sockets") if isinstance(part, dict) else None
        if not isinstance(sockets, dict) or not isinstance(part.get("nodename"), str):
            return {}
        listed = [socket.get("cores") for socket in sockets.values() if isinstance(socket, dict)]
        counts[printable(part["nodename"])] = sum(len(one) for one in listed if isinstance(one, dict))
    total = sum(counts.values())
    if not total or cores % total:
        return counts if total == cores else {}
    # Physical cores are listed, `cpus` counts their threads.
    return {node: count * (cores // total) for node, count in counts.items()}
