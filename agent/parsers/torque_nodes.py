"""What TORQUE's node and queue attributes mean: records from names and values, in whichever format they were printed.

TORQUE 2.5 and 6.1 differ in a node's jobs and in the order inside its status; both are read everywhere. Finding names
and values in an output is left to torque_xml and torque_text, jobs to torque_jobs.
"""

from __future__ import annotations

import re
from typing import Dict, Optional

from agent.parsers import ParsedNodes, ParsedQueues
from agent.parsers.notes import Notes
from agent.parsers.torque_jobs import JOB_ID, Attributes, Records, slots_in, told
from agent.parsers.values import parse_bytes, parse_integer, parse_seconds, printable, restricts
from agent.report import Node, Queue
from agent.states import TORQUE_NODE_STATES, JobState, NodeState, occupied, worst


def read_nodes(records: Records, notes: Notes) -> ParsedNodes:
    """All records of one pbsnodes as nodes; what cannot be read goes to `notes`."""
    nodes: Dict[str, Node] = {}
    for name, attributes in records:
        try:
            node = _node(name, attributes, notes)
        except ValueError as problem:
            notes.leave_out(name, str(problem))
            continue
        if node.name in nodes:
            notes.add("this node is listed twice; the first record counts", name)
        else:
            nodes[node.name] = node
    return ParsedNodes(list(nodes.values()), notes.warnings(), notes.complete)


def read_queues(records: Records, notes: Notes) -> ParsedQueues:
    """All records of `qstat -Q -f` as queues; what cannot be read goes to `notes`."""
    queues = []
    for name, attributes in records:
        kind = attributes.get("queue_type", "").strip().lower()[:1]
        if kind not in _QUEUE_TYPES:
            notes.leave_out(name, f"its queue_type is {attributes.get('queue_type', '')[:40]!r}")
            continue
        counts = dict(_STATE_COUNT.findall(attributes.get("state_count", "")))
        queues.append(
            Queue(
                name=printable(name),
                type=_QUEUE_TYPES[kind],
                enabled=_BOOLEANS.get(attributes.get("enabled", "").strip().lower()),
                started=_BOOLEANS.get(attributes.get("started", "").strip().lower()),
                priority=parse_integer(attributes.get("Priority")),
                max_walltime_seconds=parse_seconds(attributes.get("resources_max.walltime")),
                jobs={state.value: int(counts[word]) for word, state in _COUNTED.items() if word in counts},
                limits={
                    printable(key): printable(text) for key, text in attributes.items() if text and restricts(key, text)
                },
            )
        )
    return ParsedQueues(queues, notes.warnings(), notes.complete)


_QUEUE_TYPES = {"e": "execution", "r": "routing"}
_BOOLEANS = {"true": True, "false": False}
_STATE_COUNT = re.compile(r"(\w+):(\d{1,9})")
_COUNTED = {
    "Transit": JobState.TRANSITING,
    "Queued": JobState.QUEUED,
    "Held": JobState.HELD,
    "Waiting": JobState.WAITING,
    "Running": JobState.RUNNING,  # suspended ones are counted here
    "Exiting": JobState.EXITING,
    "Complete": JobState.FINISHED,
}


def _node(name: str, attributes: Attributes, notes: Notes) -> Node:
    """Raises ValueError where its state or its jobs cannot be read."""
    words = [word.strip() for word in attributes.get("state", "").split(",") if word.strip()]
    if not words or not name:
        raise ValueError(f"it has no {'name' if words else 'state'}")
    for word in words:
        if word not in TORQUE_NODE_STATES:
            notes.add(f"node state {word[:40]!r} is unknown")
    cores = parse_integer(attributes.get("np"))
    slots = _slots_by_job(attributes.get("jobs", ""))
    cores_used = sum(slots.values())
    state = worst(TORQUE_NODE_STATES.get(word, NodeState.UNKNOWN) for word in words)
    status = attributes.get("status", "")
    total, available = (parse_bytes(_of_status(status, key)) for key in ("totmem", "availmem"))
    load = _of_status(status, "loadave")
    return Node(
        name=printable(name),
        state=occupied(state, cores or 0, cores_used),
        native_state=printable(",".join(words)),
        cores=cores,
        cores_used=cores_used,
        gpus=parse_integer(attributes.get("gpus", "0")),  # 6.1 leaves it out where there is none
        memory_bytes=parse_bytes(_of_status(status, "physmem")),
        memory_used_bytes=None if total is None or available is None else max(0, total - available),
        load=float(load) if load and _LOAD.match(load) else None,
        jobs=tuple(slots),
        properties=tuple(
            printable(word.strip()) for word in attributes.get("properties", "").split(",") if word.strip()
        ),
        comment=told(attributes, "note") or _message(status),
    )


def _slots_by_job(jobs: str) -> Dict[str, int]:
    """A node's `0-3/ID,8-9,12-13/ID2` (6.1) or `0/ID, 1/ID` (2.5) -> job id: slots. ValueError if it is neither."""
    slots: Dict[str, int] = {}
    pending = 0
    for piece in jobs.split(",") if jobs.strip() else ():
        numbers, slash, job = piece.partition("/")
        pending += slots_in(numbers)
        if slash:
            slots[job.strip()] = slots.get(job.strip(), 0) + pending
            pending = 0
    if pending or not all(map(JOB_ID.match, slots)):
        raise ValueError(f"its jobs {jobs[:80]!r} are unreadable")
    return slots


_LOAD = re.compile(r"\d{1,7}(?:\.\d{1,7})?\Z")
_STATUS = {key: re.compile(rf"(?:\A|,){key}=([^,]*)") for key in ("totmem", "availmem", "physmem", "loadave")}
# A health check's words, in which commas and equals signs may stand, up to a key that mom reports
_MESSAGE = re.compile(
    r"(?:\A|,)message=(.*?)(?:,(?:gres|netload|size|state|varattr|jobs|loadave|ncpus|physmem|cpuclock)=|\Z)", re.DOTALL
)


def _of_status(status: str, key: str) -> Optional[str]:
    """One figure of a node's status line; None where it has none.

    The health check's message, in which anything may stand, comes after the figures in 6.1 and before them in 2.5,
    whose line begins with rectime: so the first of several counts, or the last.
    """
    found = _STATUS[key].findall(status)
    return str(found[-1] if status.startswith("rectime=") else found[0]) if found else None


def _message(status: str) -> Optional[str]:
    match = _MESSAGE.search(status)
    return printable(match[1].strip()) or None if match else None
