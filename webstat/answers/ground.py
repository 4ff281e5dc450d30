"""What a cluster has for a job that is submitted now: nodes as arrays, queues with theirs, and whose the room is.

Made once per report, whatever is asked. Room that a waiting job would fit in is taken to be its own; room that one
would need which does not fit is promised to it, until the scheduler's own estimate of its start where there is one.
Jobs that wait for something else than room want none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agent.states import NodeState
from webstat.answers.fit import Numbers, Shape
from webstat.answers.forbid import Use, Who
from webstat.answers.releases import releases
from webstat.data import frames
from webstat.data.free import RESERVATION_QUEUE, members_of, waiting_by_queue
from webstat.data.limits import Limit, Limits, parse_limits
from webstat.data.queries.changes import load_reservations
from webstat.data.queries.waiting import load_alike_counted
from webstat.data.reservations import Kept, begins_by_node, kept, next_for_all
from webstat.data.waiting import kinds_of

if TYPE_CHECKING:
    from webstat.data.source import Source
    from webstat.health import Cluster

WANT_ROOM = frozenset({"full", "order", "kept", "unsaid", "not_kept", "hidden", "other", "array_begun", "moving"})
"""Kinds of reason (reasons.KINDS) of jobs that may start as soon as there is room."""

Places = NDArray[np.int64]
"""Which nodes, by their places in the arrays."""


@dataclass(frozen=True, eq=False)
class Nodes:
    """A cluster's nodes; numbers that are not told are NaN."""

    cores: Numbers
    idle: Numbers
    """Cores that no job holds, on nodes that take work and are not reserved."""
    left: Numbers
    """The same, less what waiting jobs fit in."""
    gpus: Numbers
    gpus_idle: Numbers
    gpus_left: Numbers
    memory: Numbers
    memory_idle: Numbers
    serves: NDArray[np.bool_]
    """Whether it is in service."""
    begins: Numbers
    """When the next reservation of it begins; infinity where none is to come."""
    promised: Numbers
    """Until when its room is not needed for waiting jobs; minus infinity where nobody knows, infinity where nobody waits for it."""

    @property
    def until(self) -> Numbers:
        """Until when each may be used."""
        return np.minimum(self.begins, self.promised)


@dataclass(frozen=True, eq=False)
class Queue:
    """A queue that jobs can be submitted to."""

    name: str
    nodes: Nodes
    """Those of the cluster, less what is for jobs ahead: of this queue, and of those whose priority is not lower."""
    state: str
    """As frames.queue_state() says it."""
    limits: Limits
    places: Places
    """Its nodes; all of the cluster where it is not told which."""
    sure: Places
    """Those that are its for certain: where it is not told which, the ones on which its jobs run."""
    longest: float
    """The walltime that is known to be possible, seconds; infinity where the scheduler tells its limits."""
    waiting: int
    """Jobs queued in it."""
    gpus_only: bool
    """Whether each of its nodes has GPUs, and others of the cluster have none."""


@dataclass(frozen=True)
class _Wanted:
    """What waiting jobs of one kind want."""

    queue: str
    cores: int
    nodes: int
    gpus: int
    jobs: int
    start: float
    """The first that the scheduler foretells, unix seconds; NaN where it tells none."""
    first: float
    """When the first of them was submitted."""

    def __add__(self, other: _Wanted) -> _Wanted:
        start = float(np.fmin(self.start, other.start))
        return replace(self, jobs=self.jobs + other.jobs, start=start, first=min(self.first, other.first))

    def waits_in(self, names: Collection[str]) -> bool:
        """Whether they wait in one of these queues, or in several."""
        # Slurm lets a job wait in several partitions at once: `batch,long`.
        return self.queue in names or "," in self.queue


@dataclass(frozen=True, eq=False)
class Ground:
    """A cluster at its newest report."""

    queues: tuple[Queue, ...]
    closed: Kept | None
    """The first reservation that covers every node, running or to come."""
    _uses: Mapping[tuple[str, str, str], Use] = field(repr=False)
    """By whom (all, user, group), their name, and queue."""
    _groups: Mapping[str, frozenset[str]] = field(repr=False)

    def uses(self, queue: str, who: Who) -> dict[str, Use]:
        """What all hold in a queue, and what the user and their groups do where they are named."""
        found = {"all": self._uses.get(("all", "", queue), Use())}
        if who.user is not None:
            found["user"] = self._uses.get(("user", who.user, queue), Use())
        for group in who.groups:
            found["group"] = found.get("group", Use()) + self._uses.get(("group", group, queue), Use())
        return found

    def groups_of(self, user: str) -> frozenset[str]:
        """The groups under which a user's jobs run or wait."""
        return self._groups.get(user, frozenset())


def at(source: Source, cluster: Cluster) -> Ground:
    """The ground at a cluster's newest report. Raises StoreEmpty, StoreBroken."""

    def make() -> Ground:
        number = cluster.id or 0
        return ground(
            source.nodes(cluster),
            source.queues(cluster),
            source.totals(cluster),
            source.read(load_alike_counted, number, stamp=cluster.report),
            source.read(load_reservations, number, stamp=cluster.report),
            cluster.scheduler_kind,
            cluster.taken_at or 0.0,
            releases(source, cluster) if cluster.scheduler_kind == "slurm" else None,
        )

    return source.remember(("ground", cluster.id, cluster.report), make)


def ground(
    nodes: pd.DataFrame,
    queues: pd.DataFrame,
    totals: pd.DataFrame,
    waiting: pd.DataFrame,
    reservations: pd.DataFrame,
    kind: str | None,
    taken_at: float,
    running: pd.DataFrame | None = None,
) -> Ground:
    """The ground from load_nodes(), load_queues(), load_job_totals(), load_alike_counted() and load_reservations().

    Slurm's commands tell neither which nodes a partition has nor how long its jobs may be: there `running`, releases() as
    far as node, queue, started_at and ends_by go, tells what is possible for certain.
    """
    found = kept(reservations, nodes, taken_at)
    members = {name: np.array(places) for name, places in members_of(nodes).items()}
    listed = frames.offered(queues, totals)
    everywhere = np.arange(len(nodes))
    tied = {one.name: members.get(one.name, everywhere) for one in listed}
    proved = {} if running is None else _proved(running, nodes)
    wanting = _wanting(waiting, {one.name: one.state for one in listed})
    priority = dict(zip(queues["name"], queues["priority"].fillna(0.0).tolist(), strict=True))
    # Jobs of queues with a lower priority come after those of the queue.
    ranks = {name: priority.get(name, 0.0) for name in tied}
    before = {rank: [name for name, one in ranks.items() if one >= rank] for rank in set(ranks.values())}
    there_are = _nodes(nodes, found, totals)
    shared = {
        rank: _share(there_are, [one for one in wanting if one.waits_in(names)], tied) for rank, names in before.items()
    }
    reserved = set(reservations["queue"].dropna())
    if kind == "openpbs":
        reserved |= {name for name in tied if RESERVATION_QUEUE(name)}
    waits, texts = waiting_by_queue(totals), dict(zip(queues["name"], queues["limits"], strict=True))
    offered = []
    for row in listed:
        if row.routing or row.name in reserved:
            continue
        limits = _with_walltime(parse_limits(texts.get(row.name)), row.max_walltime_seconds)
        # Slurm's queues are partitions, which have nodes of their own.
        told = kind != "slurm" or len(tied) < 2 or row.name in members
        runs_on, longest = proved.get(row.name, (everywhere[:0], 0.0))
        places, there = tied[row.name], shared[ranks[row.name]]
        has_gpus = there.gpus[places] > 0
        offered.append(
            Queue(
                name=row.name,
                nodes=there,
                state=row.state,
                limits=limits,
                places=places,
                sure=places if told else runs_on,
                longest=longest if kind == "slurm" and limits.of("walltime", "job") is None else np.inf,
                waiting=waits.get(row.name, 0),
                gpus_only=bool(has_gpus.size) and bool(has_gpus.all()) and not bool((there.gpus > 0).all()),
            )
        )
    return Ground(tuple(offered), next_for_all(found), _uses(totals), _groups(totals))


def _proved(running: pd.DataFrame, nodes: pd.DataFrame) -> dict[str, tuple[Places, float]]:
    """Queue -> on which nodes its jobs run, and the longest walltime of them."""
    placed = {name: place for place, name in enumerate(nodes["name"])}
    asked = (running["ends_by"] - running["started_at"]).fillna(0.0)
    found = {}
    for queue, jobs in running.groupby("queue"):
        there = sorted({placed[name] for name in jobs["node"] if name in placed})
        found[str(queue)] = np.array(there, dtype=np.int64), float(asked[jobs.index].max())
    return found


def _with_walltime(limits: Limits, seconds: float | None) -> Limits:
    """The limits, with that of walltime where it is told apart from them."""
    if seconds is None or limits.of("walltime", "job") is not None:
        return limits
    return replace(limits, known=(*limits.known, Limit("walltime", int(seconds), "job")))


def _nodes(nodes: pd.DataFrame, found: Iterable[Kept], totals: pd.DataFrame) -> Nodes:
    """The nodes before anything is given to those who wait."""
    found = list(found)
    running = {name for one in found if one.runs for name in one.nodes}
    takes = nodes["state"].isin(frames.TAKES_WORK) & ~nodes["name"].isin(running)
    cores = nodes["cores"].fillna(0)
    # How much of a node is taken need not be told; then only one that is called free is known to be.
    taken = nodes["cores_used"].fillna(cores.where(nodes["state"] != NodeState.FREE.value, 0))
    idle = (cores - taken).clip(lower=0).where(takes, 0)
    gpus = nodes["gpus"].fillna(0)
    gpus_idle = (gpus - nodes["gpus_used"]).clip(lower=0)
    held = totals.loc[totals["state"].isin(frames.IN_USE), "gpus"].sum()
    if nodes["gpus_used"].isna().all() and not held:
        gpus_idle = gpus
    used = nodes["memory_used_bytes"].mask(nodes["memory_used_bytes"].isna() & ~(nodes["cores_used"] > 0), 0.0)
    begins = nodes["name"].map(begins_by_node(found)).astype("float64").fillna(np.inf)
    left, gpus_left = idle.to_numpy(dtype="float64"), gpus_idle.where(takes, 0).to_numpy(dtype="float64")
    return Nodes(
        cores=cores.to_numpy(dtype="float64"),
        idle=left,
        left=left,
        gpus=gpus.to_numpy(dtype="float64"),
        gpus_idle=gpus_left,
        gpus_left=np.nan_to_num(gpus_left),
        memory=nodes["memory_bytes"].to_numpy(dtype="float64"),
        memory_idle=(nodes["memory_bytes"] - used).clip(lower=0).to_numpy(dtype="float64"),
        serves=(~nodes["state"].isin(frames.OUT)).to_numpy(dtype="bool"),
        begins=begins.to_numpy(dtype="float64"),
        promised=np.full(len(nodes), np.inf),
    )


def _wanting(waiting: pd.DataFrame, states: Mapping[str, str]) -> list[_Wanted]:
    """The jobs that would take room, those of one kind together, the first submitted first."""
    queued = waiting[waiting["state"].isin(frames.QUEUED)]
    names = ("queue", "cores", "nodes", "gpus", "jobs", "estimated_start_at", "submitted_at")
    found: dict[tuple[object, ...], _Wanted] = {}
    for kind, *told in zip(kinds_of(queued, states), *(queued[name].tolist() for name in names), strict=True):
        if kind in WANT_ROOM:
            one, alike = _Wanted(*told), tuple(told[:4])
            found[alike] = one + found[alike] if alike in found else one
    return sorted(found.values(), key=lambda one: one.first)


def _share(nodes: Nodes, wanting: Iterable[_Wanted], tied: Mapping[str, Places]) -> Nodes:
    """The nodes once those that wait have been given what they fit in, and promised what they would need."""
    nodes = replace(nodes, left=nodes.left.copy(), gpus_left=nodes.gpus_left.copy())
    planned, unplanned = np.full(len(nodes.cores), np.inf), np.zeros(len(nodes.cores), dtype="bool")
    everywhere = np.arange(len(nodes.cores))
    for row in wanting:
        parts = max(1, row.nodes)
        shape = Shape(parts, max(1, -(-row.cores // parts)), -(-row.gpus // parts), apart=False)
        own = [tied[name] for name in {row.queue, *row.queue.split(",")} if name in tied]
        places = np.unique(np.concatenate(own)) if own else everywhere
        slots = shape.slots(nodes.left[places], nodes.gpus_left[places], nodes.left[places])
        fitting = min(row.jobs, int(slots.sum()) // parts)
        if fitting:
            before = np.cumsum(slots) - slots
            taken = np.clip(fitting * parts - before, 0, slots)
            nodes.left[places] -= taken * shape.cores
            nodes.gpus_left[places] -= taken * shape.gpus
        if fitting < row.jobs:
            able = places[(nodes.cores[places] >= shape.cores) & (nodes.gpus[places] >= shape.gpus)]
            able = able if able.size else places  # its parts are not what they seem
            if np.isnan(row.start):
                unplanned[able] = True
            else:
                planned[able] = np.minimum(planned[able], row.start)
    # Around the first start that a scheduler foretells it lets shorter jobs run, also before others that wait.
    promised = np.where(np.isfinite(planned), planned, np.where(unplanned, -np.inf, np.inf))
    return replace(nodes, promised=promised)


def _uses(totals: pd.DataFrame) -> dict[tuple[str, str, str], Use]:
    found: dict[tuple[str, str, str], Use] = {}
    columns = ["user", "group", "queue", "state", "jobs", "cores", "gpus"]
    for user, group, queue, state, jobs, cores, gpus in totals[columns].itertuples(index=False, name=None):
        use = Use(jobs, cores, gpus, jobs) if state in frames.IN_USE else Use(living=jobs)
        for key in (("all", "", queue), ("user", user, queue), ("group", group, queue)):
            found[key] = found.get(key, Use()) + use
    return found


def _groups(totals: pd.DataFrame) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for user, group in zip(totals["user"], totals["group"], strict=True):
        found.setdefault(user, set()).add(group)
    return {user: frozenset(groups) for user, groups in found.items()}
