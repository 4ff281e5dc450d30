"""Why a queued job waits where its scheduler says nothing: read from the state of its queue, its nodes and its user. Pure.

Only what must be so is said: a job that no node could hold, or that lacks room or a limit's rest at this moment. What the
scheduler keeps to itself (its order, what it keeps free for a bigger job) is not guessed at. Where the frames come
from is data/readings.py's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from webstat.data.limits import JOBS, Limit, Limits
from webstat.format import duration, memory, number, shorten
from webstat.native_reasons.told import BETWEEN, CHANGE, ELSEWHERE, OTHERS_END, OWN_END, SOONER, Told

CORES, GPUS, MEMORY, WALLTIME = "cores", "GPUs", "memory", "walltime"
"""What is asked for, by the words of data/limits.py."""


@dataclass(frozen=True)
class Asks:
    """What a queued job asks for; `nodes` is 0 and others None where not told. Memory is over all nodes."""

    cores: int
    nodes: int = 0
    gpus: int = 0
    memory_bytes: float | None = None
    walltime_seconds: float | None = None

    def of(self, what: str) -> float | None:
        """The amount of something that limits can be on."""
        amounts = {JOBS: 1, CORES: self.cores, GPUS: self.gpus, "nodes": self.nodes or None}
        return {**amounts, MEMORY: self.memory_bytes, WALLTIME: self.walltime_seconds}.get(what)


@dataclass(frozen=True)
class Machine:
    """The nodes that a job of a queue may use, one place each: float64, 0 free on those that take no work.

    NaN where a node does not tell; `gpus_free` of all together where nodes do not, None where that is not known either.
    """

    cores: np.ndarray
    cores_free: np.ndarray
    gpus: np.ndarray
    gpus_free: np.ndarray
    memory: np.ndarray
    memory_free: np.ndarray
    all_gpus_free: int | None = None
    in_parts: bool = True
    """Whether a job is as many parts as it asks for nodes, each on one node; else that is the least number of nodes."""


@dataclass(frozen=True)
class Share:
    """What a user, or everybody, holds in a queue, and the most of it: by JOBS, CORES, GPUS, MEMORY."""

    held: dict[str, float] = field(default_factory=dict)
    most: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """A queue; `machine` is None where its nodes are not known."""

    name: str
    machine: Machine | None = None
    limits: Limits = field(default_factory=Limits)
    max_walltime_seconds: float | None = None
    held: Share = field(default_factory=Share)
    """What all its jobs hold."""

    @property
    def called(self) -> str:
        """Its name, of a length for a sentence."""
        return shorten(self.name, 16)


def derived(asks: Asks, place: Place, share: Share | None, ahead: int | None) -> Told | None:
    """Why it waits, as far as the state tells; None where nothing does.

    `share` is its user's in that queue. A `user_limit` lacks the user at its beginning, and `order` the number of jobs
    ahead: who says it knows both.
    """
    return (
        _more_than_a_job_may(asks, place)
        or (_more_than_there_is(asks, place.machine) if place.machine else None)
        or (_at_limit(asks, share, place) if share else None)
        or _queue_at_limit(asks, place)
        or (_no_room(asks, place.machine) if place.machine else None)
        or (Told("order", "Other jobs are ahead of it.", BETWEEN) if ahead else None)
    )


# Never


def _never(asked: str, most: str, helps: str = CHANGE) -> Told:
    return Told("never", f"Cannot run: asks for {asked}, {most}.", helps)


def _more_than_a_job_may(asks: Asks, place: Place) -> Told | None:
    limits = [one for one in place.limits.known if one.whom == "job"]
    if place.max_walltime_seconds:
        limits.append(Limit(WALLTIME, int(place.max_walltime_seconds), "job"))
    for one in limits:
        asked = asks.of(one.what)
        if asked is not None and (asked < one.most if one.least else asked > one.most):
            most = f"the queue {place.called} {'wants' if one.least else 'allows'} {_amount(one.what, one.most, bare=True)}"
            bound = "least" if one.least else "most"
            return _never(_amount(one.what, asked), most, f"Ask for at {bound} {_amount(one.what, one.most)}.")
    return None


def _more_than_there_is(asks: Asks, machine: Machine) -> Told | None:
    parts = asks.nodes if machine.in_parts and asks.nodes else 1
    in_all = ((CORES, asks.cores, machine.cores), (GPUS, asks.gpus, machine.gpus))
    for what, asked, there in in_all:
        total = int(np.nansum(there))
        # Where no node tells of any, what there is is not known.
        if asked > total and (total or (what == GPUS and np.nansum(machine.cores))):
            return _never(_amount(what, asked), f"there are {number(total)}" if total else "there are none")
    if asks.nodes > len(machine.cores) > 0 and not machine.in_parts:
        return _never(_amount("nodes", asks.nodes), f"there are {number(len(machine.cores))}")
    if not machine.in_parts or not asks.nodes:
        return None
    each = (
        (CORES, asks.cores, machine.cores),
        (GPUS, asks.gpus, machine.gpus),
        (MEMORY, asks.memory_bytes, machine.memory),
    )
    for what, asked, there in each:
        most = float(np.nanmax(there, initial=0))
        # One of its parts is at least as large as their mean.
        if asked and most and math.ceil(asked / parts) > most:
            largest = f"the largest has {_amount(what, most, bare=True)}"
            return _never(f"{_amount(what, math.ceil(asked / parts))} on a node", largest)
    return None


# Limits


def _at_limit(asks: Asks, share: Share, place: Place) -> Told | None:
    for what, most in share.most.items():
        asked = asks.of(what)
        held = share.held.get(what, 0)
        if not asked or held + asked <= most:
            continue
        if asked > most:
            told = f"a user may have {_amount(what, most, bare=True)} in {place.called}"
            return _never(_amount(what, asked), told, f"Ask for at most {_amount(what, most)}.")
        if what == JOBS:
            return Told("user_limit", f"is at the limit of {_amount(what, most)} in {place.called}.", OWN_END)
        has = f"has {_amount(what, held, bare=True)} of {_amount(what, most)} in {place.called}"
        return Told("user_limit", f"{has}; this asks for {_amount(what, asked, bare=True)}.", OWN_END)
    return None


def _queue_at_limit(asks: Asks, place: Place) -> Told | None:
    for one in place.limits.known:
        asked = asks.of(one.what)
        if one.whom != "all" or one.queued or one.least or not asked or one.what not in place.held.held:
            continue
        if place.held.held[one.what] + asked > one.most:
            words = f"The queue {place.called} is at its limit of {_amount(one.what, one.most)}."
            return Told("group_limit", words, OTHERS_END)
    return None


# Room


def _no_room(asks: Asks, machine: Machine) -> Told | None:
    if not np.nansum(machine.cores) or np.isnan(machine.cores_free).all():
        return None
    free = np.nan_to_num(machine.cores_free)
    gpus = machine.all_gpus_free
    if asks.gpus and gpus is not None and gpus < asks.gpus:
        return Told("gpu", f"Needs {_amount(GPUS, asks.gpus)}; {_left(gpus)} free.", ELSEWHERE)
    if asks.cores > free.sum():
        return Told("full", f"Needs {_amount(CORES, asks.cores)}; {_left(int(free.sum()))} free.", SOONER)
    if not machine.in_parts:
        room = int((free > 0).sum())
        if asks.nodes > room:
            return Told(
                "full", f"Needs {_amount('nodes', asks.nodes)}; {_left(room, 'has', 'have')} free cores.", SOONER
            )
        return None
    return _no_room_for_parts(asks, machine, free) if asks.nodes else None


def _no_room_for_parts(asks: Asks, machine: Machine, free: np.ndarray) -> Told | None:
    """Each part on one node: what is not told of a node is taken to be enough."""
    parts = asks.nodes
    wanted = (
        ("full", CORES, asks.cores, free, SOONER),
        ("gpu", GPUS, asks.gpus, np.where(np.isnan(machine.gpus_free), machine.gpus, machine.gpus_free), ELSEWHERE),
        ("memory", MEMORY, asks.memory_bytes or 0, machine.memory_free, ELSEWHERE),
    )
    fit = np.full(len(free), np.inf)
    for kind, what, asked, there, helps in wanted:
        if not asked:
            continue
        each = math.ceil(asked / parts)
        room = np.where(np.isnan(there), np.inf, there)
        fit = np.minimum(fit, np.floor(room / each))
        # Parts need not be alike: then only the largest of them is known to need a node with so much.
        alike = asked % parts == 0 or what == MEMORY
        if fit.sum() >= parts or (not alike and fit.max(initial=0) >= 1):
            continue
        where = "on a node" if parts == 1 else f"on each of {number(parts)} nodes"
        most = float(np.max(room[np.isfinite(room)], initial=0))
        if fit.max(initial=0) < 1 and most < each:
            left = f"at most {_amount(what, most, bare=True)} {'is' if most <= 1 or what == MEMORY else 'are'} free"
        else:
            left = f"there is room for {_count(int(fit.sum()))}"
        return Told(kind, f"Needs {_amount(what, each)} {where}; {left}.", helps)
    return None


def _count(left: int) -> str:
    return number(left) if left else "none"


def _left(count: int, one: str = "is", more: str = "are") -> str:
    return f"{_count(count)} {one if count <= 1 else more}"


def _amount(what: str, amount: float, bare: bool = False) -> str:
    """`48 cores`, `2 d`, `96 GB`; `bare` without what is counted."""
    if what == WALLTIME:
        return duration(amount)
    if what == MEMORY:
        return memory(amount) + ("" if bare else " of memory")
    noun = "running jobs" if what == JOBS else what
    counted = number(int(amount))
    return counted if bare else f"{counted} {noun.removesuffix('s') if amount == 1 else noun}"
