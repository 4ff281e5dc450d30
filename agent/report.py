"""The report: the whole state of one cluster at one moment, as records that nobody changes.

No I/O and no encoding here: wire.py knows how a report travels, the parsers how it is made.
Times are unix seconds UTC, durations seconds, memory bytes; None is "the scheduler does not say".
Every string is a stranger's text.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Dict, List, Optional, Tuple, Type, TypeVar

from agent.states import JobState, NodeState

PROTOCOL = 1
"""Number of the message format; changes when an older reader would misread a newer report."""


Record = TypeVar("Record", bound=Type[Any])


def _slotted(record_type: Record) -> Record:
    """The same dataclass with `__slots__`, as `dataclass(slots=True)` makes it from Python 3.10 on."""
    names = tuple(one.name for one in fields(record_type))
    body = {key: value for key, value in vars(record_type).items() if key not in (*names, "__dict__", "__weakref__")}
    body["__slots__"] = names
    return type(record_type)(record_type.__name__, record_type.__bases__, body)  # type: ignore[misc, no-any-return]


# There may be a hundred thousand: frozen they would take ten times as long to make, without slots six times the memory.
@_slotted
@dataclass
class Job:
    """A plain job or one subjob of an array; never an array's parent. Nobody changes one: `replace` makes another."""

    id: str
    """As the scheduler prints it: `123.pbs01`, `123[4].pbs01`, `17`."""
    state: JobState
    native_state: str
    """The scheduler's own letter or word."""
    name: str = ""
    user: str = ""
    queue: str = ""
    group: Optional[str] = None
    account: Optional[str] = None
    project: Optional[str] = None
    array_id: Optional[str] = None
    """Id of the array's parent, where this is a subjob."""
    array_index: Optional[str] = None
    cores: int = 0
    """In use if it holds cores (running, exiting), asked for otherwise."""
    nodes: int = 0
    gpus: int = 0
    memory_bytes: Optional[int] = None
    """Memory asked for, over all nodes."""
    walltime_seconds: Optional[int] = None
    """Walltime asked for; None where there is no limit or it is not told."""
    walltime_used_seconds: Optional[int] = None
    cpu_used_seconds: Optional[int] = None
    memory_used_bytes: Optional[int] = None
    submitted_at: Optional[int] = None
    eligible_at: Optional[int] = None
    started_at: Optional[int] = None
    ended_at: Optional[int] = None
    estimated_start_at: Optional[int] = None
    """The scheduler's own estimate."""
    exit_status: Optional[int] = None
    priority: Optional[int] = None
    comment: Optional[str] = None
    """The scheduler's own words on why it waits or how it went."""
    hold: Optional[str] = None
    """Native hold types (`u`, `o`, `us`); None where nothing holds it."""
    depends_on: Optional[str] = None
    """Native dependency text."""
    hosts: Dict[str, int] = field(default_factory=dict)
    """Node name -> cores, for what runs, and for what has run where a log tells it; empty otherwise. Names as `Node.name`."""


@dataclass(frozen=True)
class Array:
    """The parent of a job array; its subjobs are jobs."""

    id: str
    native_state: str
    name: str = ""
    user: str = ""
    queue: str = ""
    total: Optional[int] = None
    """Number of subjobs it was submitted with."""


@dataclass(frozen=True)
class Node:
    """One vnode or host, once."""

    name: str
    state: NodeState
    native_state: str
    cores: Optional[int] = None
    cores_used: Optional[int] = None
    gpus: Optional[int] = None
    gpus_used: Optional[int] = None
    memory_bytes: Optional[int] = None
    memory_used_bytes: Optional[int] = None
    load: Optional[float] = None
    jobs: Tuple[str, ...] = ()
    """Ids of the jobs on it, each once, as `Job.id` has them."""
    properties: Tuple[str, ...] = ()
    comment: Optional[str] = None


@dataclass(frozen=True)
class Queue:
    """One queue and its limits."""

    name: str
    type: str
    """`execution` or `routing`."""
    enabled: Optional[bool] = None
    """Takes new jobs."""
    started: Optional[bool] = None
    """Starts its jobs."""
    priority: Optional[int] = None
    max_walltime_seconds: Optional[int] = None
    jobs: Dict[str, int] = field(default_factory=dict)
    """Job state (values of JobState) -> count, as the scheduler's own counters say."""
    limits: Dict[str, str] = field(default_factory=dict)
    """Every attribute that limits it, as the scheduler writes name and value: `max_run` -> `[u:PBS_GENERIC=20]`.

    One that is told several times has its values joined by `, `. Also what says that it takes only some jobs, where that is
    `True`: `from_route_only`, `acl_user_enable`, `acl_group_enable`, `acl_host_enable`."""


@dataclass(frozen=True)
class Reservation:
    """Nodes that the scheduler keeps for somebody for a time."""

    id: str
    name: str
    owner: str
    state: str
    """`confirmed`, `running`, or another word of the scheduler in lower case."""
    queue: Optional[str] = None
    """Where the jobs that may use it are submitted to."""
    starts_at: Optional[int] = None
    ends_at: Optional[int] = None
    nodes: Tuple[str, ...] = ()
    """Each once, as `Node.name` has them; empty where none are assigned yet."""
    cores: Optional[int] = None
    """Asked for; an exclusive one keeps whole nodes."""
    comment: Optional[str] = None


@dataclass(frozen=True)
class Scheduler:
    """Which scheduler answered."""

    kind: str
    """`openpbs`, `torque` or `slurm`."""
    version: str
    server: str


@dataclass(frozen=True)
class Warning:  # noqa: A001 - the field's own word, always used as report.Warning
    """Something that could not be read or done; the report stands without it."""

    source: str
    """The command, or the command and the record."""
    message: str


@dataclass(frozen=True)
class Report:
    """The whole state of one cluster at one moment."""

    cluster: str
    scheduler: Scheduler
    taken_at: float
    """When the queries had finished."""
    query_seconds: Dict[str, float]
    """`jobs`, `nodes`, `queues`, `server`, `reservations` -> seconds their commands took."""
    jobs: List[Job]
    arrays: List[Array]
    nodes: List[Node]
    queues: List[Queue]
    warnings: List[Warning]
    agent_version: str
    partial: Tuple[str, ...] = ()
    """Which of `jobs`, `nodes`, `queues` are known to lack records (a command failed, its output was
    cut, a record could not be read): what is missing there has not gone away."""
    reservations: Tuple[Reservation, ...] = ()
    """None where the scheduler tells of none, or cannot be asked."""
    protocol: int = PROTOCOL
