"""The records that the simulation moves: jobs, their arrays, what they stand on, and why they wait.

No behaviour: scheduler.py places them, simulation.py moves them through time, render_*.py print them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from demo.clusters import Queue, User


class Phase(Enum):
    """Where a job is in its life."""

    QUEUED = "queued"
    HELD = "held"
    WAITING = "waiting"
    """For the time it asked for."""
    RUNNING = "running"
    EXITING = "exiting"
    """Ended; its files are copied and it still stands on its nodes."""
    ENDED = "ended"


@dataclass(slots=True, eq=False)
class Array:
    """A job array: its tasks are jobs."""

    number: int
    slot_limit: int | None
    tasks: list[Job] = field(default_factory=list)
    running: int = 0
    left: int = 0
    """Tasks that have not ended."""
    begun: int | None = None
    """When its first task started."""


@dataclass(slots=True, eq=False)
class Job:
    """One job, or one task of an array. Times are unix seconds, memory GB."""

    number: int
    """Digits of its id. An array's tasks share it; Slurm gives a task its own when it starts."""
    user: User
    queue: Queue
    name: str
    chunks: int
    cores: int
    """Of one chunk; each chunk is on a node of its own."""
    gpus: int
    memory: int
    walltime: int
    runtime: int
    """How long it will run; the limit ends it where this is more than the walltime."""
    exit_status: int
    submitted: int
    efficiency: float
    memory_share: float
    project: str | None
    serial: int
    """Order of submission over the whole simulation."""
    phase: Phase = Phase.QUEUED
    hold: str = ""
    """`u` its user's, `o` an operator's, `s` the system's (a dependency)."""
    wanted_start: int | None = None
    """Not before this time, as asked."""
    depends_on: Job | None = None
    needed_by: list[Job] = field(default_factory=list)
    array: Array | None = None
    index: int = 0
    eligible: int | None = None
    """Since when nothing but the scheduler keeps it."""
    started: int | None = None
    ended: int | None = None
    """When its processes ended."""
    released: int | None = None
    """When it left its nodes, and the listing says it is over."""
    places: tuple[tuple[int, int], ...] = ()
    """(node index, set of its core numbers as bits) for what runs, in the order of the request."""
    gpu_places: tuple[tuple[int, int], ...] = ()
    """(node index, set of its GPU numbers as bits)."""
    pool: int = 0
    shape: int = 0
    """Jobs of one shape want the same of every node."""
    priority: int = 0

    all_cores: int = field(init=False)
    """Over all its chunks; so are the next two."""
    all_gpus: int = field(init=False)
    all_memory: int = field(init=False)

    def __post_init__(self) -> None:
        self.all_cores = self.chunks * self.cores
        self.all_gpus = self.chunks * self.gpus
        self.all_memory = self.chunks * self.memory

    def used_seconds(self, now: int) -> int:
        """How long it has run."""
        if self.started is None:
            return 0
        return (self.ended if self.ended is not None else now) - self.started

    def cpu_seconds(self, now: int) -> int:
        """CPU time it has used."""
        return int(self.used_seconds(now) * self.all_cores * self.efficiency)

    def used_kilobytes(self, now: int) -> int:
        """Memory it holds, or held at most; it grows over the first ten minutes."""
        grown = min(1.0, self.used_seconds(now) / 600)
        return int(self.all_memory * 1048576 * self.memory_share * grown)


class Why(Enum):
    """Why a waiting job does not run."""

    NOTHING = "it has not been looked at yet"
    QUEUE_STOPPED = "its queue does not start jobs"
    NEVER = "no set of nodes is large enough"
    USER_JOBS = "its user runs as many jobs as the queue allows"
    USER_CORES = "its user has as many cores as the queue allows"
    USER_GPUS = "its user has as many GPUs as the queue allows"
    ALL_CORES = "the queue has as many cores as it may"
    ARRAY_SLOTS = "its array runs as many tasks as it may"
    KEPT = "what it wants is kept for a reservation or an earlier job"
    CORES = "too few cores are free"
    GPUS = "too few GPUs are free"
    MEMORY = "too little memory is free"
    NODES = "the free cores are not on enough nodes"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why one job waits: asked for, available and existing amounts, where they are what it is about."""

    why: Why
    asked: int = 0
    available: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Reservation:
    """Nodes (bits) kept from all jobs for a time."""

    number: int
    name: str
    owner: str
    nodes: int
    start: int
    end: int
    made: int
    """Since when the scheduler tells of it."""
