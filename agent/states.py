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

OUT_OF_SERVICE = frozenset({NodeState.OFFLINE, NodeState.DOWN, NodeState.UNKNOWN})
"""States of a node that serves nobody."""

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

SLURM_WRAPPER_JOB_STATES: Dict[str, JobState] = {
    "Q": JobState.QUEUED,  # held ones too: the parser tells them by their priority, which is 0
    "R": JobState.RUNNING,  # also CONFIGURING: it has its nodes, they are being booted
    "S": JobState.SUSPENDED,
    "C": JobState.FINISHED,  # also COMPLETING: the wrapper shows both alike
    "U": JobState.FINISHED,  # DEADLINE and OUT_OF_MEMORY, the two ends it has no letter for
}
"""Letters of the qstat that Debian's slurm-wlm-torque installs."""

SLURM_JOB_STATES: Dict[str, JobState] = {
    "PENDING": JobState.QUEUED,  # held, waiting for a date: its reason tells
    "REQUEUED": JobState.QUEUED,
    "REQUEUE_FED": JobState.QUEUED,
    "REQUEUE_HOLD": JobState.HELD,
    "RESV_DEL_HOLD": JobState.HELD,  # its reservation was deleted
    "SPECIAL_EXIT": JobState.HELD,  # requeued and held because of its exit code
    "CONFIGURING": JobState.RUNNING,  # its nodes are being booted for it
    "RUNNING": JobState.RUNNING,
    "RESIZING": JobState.RUNNING,
    "SIGNALING": JobState.RUNNING,
    "STOPPED": JobState.RUNNING,  # by SIGSTOP: it keeps its cores
    "SUSPENDED": JobState.SUSPENDED,
    "COMPLETING": JobState.EXITING,
    "STAGE_OUT": JobState.EXITING,
    "COMPLETED": JobState.FINISHED,
    "CANCELLED": JobState.FINISHED,
    "FAILED": JobState.FINISHED,
    "TIMEOUT": JobState.FINISHED,
    "NODE_FAIL": JobState.FINISHED,
    "PREEMPTED": JobState.FINISHED,
    "BOOT_FAIL": JobState.FINISHED,
    "DEADLINE": JobState.FINISHED,
    "OUT_OF_MEMORY": JobState.FINISHED,
    "REVOKED": JobState.FINISHED,  # another cluster of the federation took it
}

SLURM_HOLD_REASONS: Dict[str, JobState] = {
    "JobHeldUser": JobState.HELD,
    "JobHeldAdmin": JobState.HELD,
    "Dependency": JobState.HELD,  # as PBS has it: a system hold until the other job ends
    "DependencyNeverSatisfied": JobState.HELD,
    "BeginTime": JobState.WAITING,
}
"""Reasons that say more of a pending job than its state does."""

SLURM_NODE_STATES: Dict[str, NodeState] = {
    "idle": NodeState.FREE,
    "mixed": NodeState.PARTIAL,
    "allocated": NodeState.BUSY,
    "completing": NodeState.BUSY,  # nothing new starts on it before its jobs have gone
    "planned": NodeState.FREE,  # kept for a larger job; shorter ones are let in before
    "perfctrs": NodeState.BUSY,  # allocated, with performance counters in use
    "reserved": NodeState.RESERVED,
    "maint": NodeState.OFFLINE,
    "maintenance": NodeState.OFFLINE,
    "drain": NodeState.OFFLINE,
    "draining": NodeState.OFFLINE,  # its jobs run on, no new ones start
    "drained": NodeState.OFFLINE,
    "fail": NodeState.OFFLINE,
    "failing": NodeState.OFFLINE,
    "blocked": NodeState.OFFLINE,
    "future": NodeState.OFFLINE,
    "reboot": NodeState.OFFLINE,
    "reboot_issued": NodeState.OFFLINE,
    "reboot_requested": NodeState.OFFLINE,
    "powering_down": NodeState.OFFLINE,
    "power_down": NodeState.OFFLINE,
    "down": NodeState.DOWN,
    "error": NodeState.DOWN,
    "inval": NodeState.DOWN,  # it registered with less than its configuration says
    "invalid_reg": NodeState.DOWN,
    "not_responding": NodeState.DOWN,
    "unknown": NodeState.UNKNOWN,
    # Said beside one of the words above, and nothing against using the node:
    "cloud": NodeState.FREE,
    "dynamic_norm": NodeState.FREE,
    "dynamic_future": NodeState.FREE,
    "powered_down": NodeState.FREE,  # Slurm boots it when a job needs it
    "powering_up": NodeState.FREE,
    "power_up": NodeState.FREE,
}
"""Words of sinfo, and its flags in small letters."""

SLURM_NODE_SUFFIXES: Dict[str, NodeState] = {
    "*": NodeState.DOWN,  # does not respond; no new work goes to it
    "~": NodeState.FREE,  # powered down; Slurm boots it when a job needs it
    "#": NodeState.FREE,  # powering up
    "!": NodeState.OFFLINE,  # to be powered down
    "%": NodeState.OFFLINE,  # powering down
    "$": NodeState.OFFLINE,  # in a maintenance reservation
    "@": NodeState.FREE,  # to be rebooted once it is idle; meanwhile it serves
    "^": NodeState.OFFLINE,  # being rebooted
    "-": NodeState.FREE,  # planned for a larger job
}
"""Marks that follow a node's word (`idle~`, `down*`)."""


def occupied(state: NodeState, cores: int, cores_used: int) -> NodeState:
    """Refine a usable node's state by its cores: none taken FREE, some PARTIAL, all BUSY.

    Other states come back unchanged. A node that the scheduler calls busy stays busy.
    """
    if state not in (NodeState.FREE, NodeState.PARTIAL):
        return state
    if cores_used <= 0:
        return NodeState.FREE
    return NodeState.BUSY if cores_used >= cores > 0 else NodeState.PARTIAL
