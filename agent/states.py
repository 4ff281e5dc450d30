"""The vocabularies: neutral job and node states, and the tables that native letters and words pass through.

What a table does not hold becomes `unknown`, its native text is kept beside it, and the parser warns.
"""

from __future__ import annotations

from enum import Enum
from typing import Dict, Iterable


class JobState(str, Enum):
    """What a job is doing, whatever the scheduler calls it."""

    QUEUED = "queued"
    HELD = "held"
    WAITING = "waiting"
    TRANSITING = "transiting"
    RUNNING = "running"
    SUSPENDED = "suspended"
    EXITING = "exiting"
    FINISHED = "finished"
    UNKNOWN = "unknown"


HOLDS_CORES = frozenset({JobState.RUNNING, JobState.EXITING})
"""States in which a job's cores count as in use."""

IS_PENDING = frozenset({JobState.QUEUED, JobState.HELD, JobState.WAITING, JobState.TRANSITING})
"""States of a job that has not started."""


class NodeState(str, Enum):
    """What a node can do, whatever the scheduler calls it."""

    FREE = "free"
    PARTIAL = "partial"
    BUSY = "busy"
    RESERVED = "reserved"
    OFFLINE = "offline"
    DOWN = "down"
    UNKNOWN = "unknown"


USABLE = frozenset({NodeState.FREE, NodeState.PARTIAL, NodeState.BUSY})
"""States of a node that serves ordinary jobs."""

_WORST_FIRST = (
    NodeState.DOWN,
    NodeState.OFFLINE,
    NodeState.UNKNOWN,
    NodeState.RESERVED,
    NodeState.BUSY,
    NodeState.PARTIAL,
    NodeState.FREE,
)


def worst(states: Iterable[NodeState]) -> NodeState:
    """The state of a node whose native state is several words; UNKNOWN if there is none."""
    seen = set(states)
    for state in _WORST_FIRST:
        if state in seen:
            return state
    return NodeState.UNKNOWN


OPENPBS_JOB_STATES: Dict[str, JobState] = {
    "Q": JobState.QUEUED,
    "R": JobState.RUNNING,
    "H": JobState.HELD,
    "W": JobState.WAITING,  # its execution time has not come
    "T": JobState.TRANSITING,
    "E": JobState.EXITING,
    "S": JobState.SUSPENDED,
    "U": JobState.SUSPENDED,  # the workstation's owner is typing
    "X": JobState.FINISHED,  # a subjob that has ended
    "F": JobState.FINISHED,
    "M": JobState.FINISHED,  # moved to another server
}
"""B, an array that has begun, is left out: parents are no jobs."""

TORQUE_JOB_STATES: Dict[str, JobState] = {
    "Q": JobState.QUEUED,
    "R": JobState.RUNNING,
    "H": JobState.HELD,
    "W": JobState.WAITING,
    "T": JobState.TRANSITING,
    "E": JobState.EXITING,
    "S": JobState.SUSPENDED,
    "C": JobState.FINISHED,  # listed for keep_completed seconds
}

OPENPBS_NODE_STATES: Dict[str, NodeState] = {
    "free": NodeState.FREE,
    "busy": NodeState.BUSY,  # load over $max_load
    "job-busy": NodeState.BUSY,
    "job-exclusive": NodeState.BUSY,
    "job-sharing": NodeState.PARTIAL,
    "resv-exclusive": NodeState.RESERVED,
    "offline": NodeState.OFFLINE,
    "maintenance": NodeState.OFFLINE,
    "provisioning": NodeState.OFFLINE,
    "wait-provisioning": NodeState.OFFLINE,
    "sleep": NodeState.OFFLINE,
    "down": NodeState.DOWN,
    "Stale": NodeState.DOWN,  # the mom no longer reports this vnode
    "stale": NodeState.DOWN,
    "unresolvable": NodeState.DOWN,
    "state-unknown": NodeState.UNKNOWN,
    "initializing": NodeState.UNKNOWN,
}

TORQUE_NODE_STATES: Dict[str, NodeState] = {
    "free": NodeState.FREE,
    "busy": NodeState.BUSY,
    "job-exclusive": NodeState.BUSY,
    "job-sharing": NodeState.PARTIAL,
    "reserve": NodeState.RESERVED,
    "offline": NodeState.OFFLINE,
    "down": NodeState.DOWN,
    "unknown": NodeState.UNKNOWN,
    "state-unknown": NodeState.UNKNOWN,
}


def occupied(state: NodeState, cores: int, cores_used: int) -> NodeState:
    """Refine a usable node's state by its cores: none taken FREE, some PARTIAL, all BUSY.

    Other states come back unchanged. A node that the scheduler calls busy stays busy.
    """
    if state not in (NodeState.FREE, NodeState.PARTIAL):
        return state
    if cores_used <= 0:
        return NodeState.FREE
    return NodeState.BUSY if cores_used >= cores > 0 else NodeState.PARTIAL
