"""What one queue would do with a job: start it now, later, or never, and why. Pure.

"Now" is only said where nothing that is known speaks against it: permitted by its limits, free, not reserved, not
promised to those who wait, on nodes that are known to be the queue's, by a report that is fresh.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from webstat.answers.fit import Fitted, Shape, fit, shapes
from webstat.answers.forbid import Refusal, Use, Who, asked_amounts, refusals, unchecked, used_up
from webstat.answers.ground import Ground, Nodes, Places, Queue
from webstat.answers.request import Request
from webstat.data.limits import ROUTED
from webstat.format import MINUTE, When, duration, memory, number, plural

Words = tuple[str | When, ...]


class Verdict(StrEnum):
    """From best to worst."""

    NOW = "now"
    LATER = "later"
    NEVER = "impossible"


@dataclass(frozen=True)
class Judged:
    """A verdict; moments are unix seconds."""

    verdict: Verdict
    why: Words
    shape: Shape | None = None
    """How it would lie on nodes; None where it cannot."""
    until: float | None = None
    """Of NOW: until when the room can be used; else until when it could be, by a job that is short enough. None for no end."""
    not_before: float | None = None
    """Before then it cannot start."""
    fits: tuple[Refusal, ...] = ()
    """What forbids it and what would not."""
    hopeless: bool = False
    """Whether nothing about the job could change that."""


@dataclass(frozen=True)
class Moment:
    """When it is asked, and how well the cluster is known."""

    now: float
    taken_at: float
    fresh: bool
    """Whether the report is as new as it can be."""
    stale: bool = False
    """Whether what is said is of the past."""


STATES = {
    "closed": "It is closed.",
    "draining": "It takes no new jobs.",
    "stopped": "It is stopped: it starts no jobs.",
}
"""States of a queue that starts nothing which is submitted now, in words."""


def judge(
    ground: Ground, queue: Queue, kind: str | None, request: Request, who: Who, uses: Mapping[str, Use], at: Moment
) -> Judged:
    """The verdict of one queue of a cluster whose scheduler is of that kind."""
    if queue.state in STATES:
        return Judged(Verdict.NEVER, (STATES[queue.state],), hopeless=True)
    if ROUTED in queue.limits.takes:
        return Judged(Verdict.NEVER, (f"It takes {ROUTED}.",), hopeless=True)
    nodes, here = queue.nodes, queue.places
    ways = tuple(shapes(request, kind))
    if not nodes.cores[here].sum():
        return _limited(queue, ways[0], request, who, uses) or Judged(
            Verdict.LATER, ("The scheduler tells no cores of its nodes.",), ways[0]
        )
    memory_there = np.nan_to_num(nodes.memory, nan=np.inf)
    able = _first(ways, nodes.cores, nodes.gpus, memory_there, queue)
    if able is None:
        refusal = _too_large(ways[0], request, nodes, queue)
        return Judged(Verdict.NEVER, (refusal.words,), fits=(refusal,), hopeless=not refusal.what)
    limited = _limited(queue, able.shape, request, who, uses)
    if limited is not None:
        return limited
    if _first(ways, np.where(nodes.serves, nodes.cores, 0.0), nodes.gpus, memory_there, queue) is None:
        out = int((~nodes.serves[here]).sum())
        words = f"It would need nodes that are out of service: {number(out)} of {plural(len(here), 'node')}."
        return Judged(Verdict.NEVER, (words,), hopeless=True)
    judged = _now_or_later(ground, queue, ways, able.shape, request, who, uses, at)
    if not queue.limits.takes:
        return judged
    only = f" It takes {' and '.join(queue.limits.takes)}; whether that is you is not told."
    return replace(judged, why=(*judged.why, only))


def _limited(queue: Queue, shape: Shape, request: Request, who: Who, uses: Mapping[str, Use]) -> Judged | None:
    found = tuple(refusals(queue.limits, asked_amounts(request, shape.parts), who, uses))
    if not found:
        return None
    return Judged(Verdict.NEVER, (" ".join(one.words for one in found),), fits=found)


def _first(
    ways: tuple[Shape, ...], cores: np.ndarray, gpus: np.ndarray, memory: np.ndarray, queue: Queue
) -> Fitted | None:
    """The first way in which it fits on the queue's nodes with that much on each."""
    here = queue.places
    forever = np.full(len(here), np.inf)
    found = (fit(one, cores[here], gpus[here], memory[here], forever, 0.0) for one in ways)
    return next((one for one in found if one is not None), None)


def _now_or_later(
    ground: Ground,
    queue: Queue,
    ways: tuple[Shape, ...],
    able: Shape,
    request: Request,
    who: Who,
    uses: Mapping[str, Use],
    at: Moment,
) -> Judged:
    nodes = queue.nodes
    ends = math.inf if request.walltime_seconds is None else at.now + request.walltime_seconds

    def fitting(here: Places, ends: float) -> Fitted | None:
        left = nodes.left[here], nodes.gpus_left[here], nodes.memory_idle[here], nodes.until[here]
        return next((one for way in ways if (one := fit(way, *left, ends)) is not None), None)

    found = fitting(queue.sure, ends)
    in_the_way = list(used_up(queue.limits, asked_amounts(request, able.parts), who, uses))
    not_longer = queue.longest if ends - at.now > queue.longest else None
    if found is not None and at.fresh and not in_the_way and not_longer is None:
        end = found.until if math.isfinite(found.until) else None
        return Judged(Verdict.NOW, _now(found, queue, end, who), found.shape, end)
    why: list[str | When] = [] if at.fresh else ["From its state ", When(at.taken_at, "age"), " ago. "]
    why += [f"{one} " for one in in_the_way]
    # One minute of room is room that a shorter job could use.
    short = fitting(queue.sure, at.now + MINUTE)
    end = None
    if found is not None and not_longer is not None:
        why.append(_not_told_how_long(not_longer))
        end = at.now + not_longer if not_longer else None
    elif found is not None:
        why += [] if in_the_way else ["There was room for it."]
    elif short is not None:
        why += _not_so_long(nodes, queue, short)
        end = min(short.until, at.now + queue.longest)
    elif fitting(queue.places, ends) is not None:
        why.append("There is room on the cluster, but the scheduler does not tell which nodes are this queue’s.")
    else:
        why += _no_room(nodes, queue, ways, at.stale)
    closed, not_before = ground.closed, None
    if closed is not None and closed.ends_at is not None and (closed.runs or short is None):
        not_before = closed.ends_at if ends > (closed.starts_at or at.now) else None
    shape = next((one.shape for one in (found, short) if one is not None), able)
    usable = at.fresh and not in_the_way
    return Judged(Verdict.LATER, tuple(why), shape, end if usable else None, not_before)


def _not_told_how_long(longest: float) -> str:
    if not longest:
        return "There is room, but how long a job may be the scheduler does not tell."
    return f"There is room, but the scheduler does not tell whether a job may be longer than {duration(longest)}, as others there are."


def _now(found: Fitted, queue: Queue, end: float | None, who: Who) -> Words:
    shape = found.shape
    if shape.parts == 1:
        room = f"{plural(found.nodes, 'node')} {'has' if found.nodes == 1 else 'have'} room for it"
    else:
        room = f"{number(shape.parts)} × {plural(shape.cores, 'core')} fit on {plural(found.nodes, 'node')}"
    words: list[str | When] = [room]
    if end is not None:
        words += [", until ", When(end, "clock")]
    words.append("; GPU nodes only." if queue.gpus_only and not shape.gpus else ".")
    if queue.waiting:
        wants = "do not need that room" if queue.waiting > 1 else "does not need that room"
        words.append(f" The {plural(queue.waiting, 'waiting job')} {wants}." if end is None else _ahead(queue))
    open_limits = list(unchecked(queue.limits, who))
    if open_limits:
        words.append(f" Not checked: {'; '.join(open_limits[:2])}.")
    return tuple(words)


def _ahead(queue: Queue) -> str:
    return f" {plural(queue.waiting, 'job')} {'is' if queue.waiting == 1 else 'are'} ahead."


def _not_so_long(nodes: Nodes, queue: Queue, short: Fitted) -> list[str | When]:
    """That there is room, which is needed before the job would end."""
    reserved = float(nodes.begins[queue.places].min()) <= short.until
    whose = "is reserved" if reserved else "is needed for jobs ahead"
    return [f"The idle room {whose} from ", When(short.until, "clock"), ".", _ahead(queue) if queue.waiting else ""]


def _no_room(nodes: Nodes, queue: Queue, ways: tuple[Shape, ...], stale: bool) -> list[str | When]:
    here = queue.places
    idle, is_are = nodes.idle[here], "were" if stale else "are"
    whole = _first(ways, nodes.idle, nodes.gpus_idle, nodes.memory_idle, queue)
    ahead = _ahead(queue) if queue.waiting else ""
    if whole is not None:
        return [f"Its idle room is for jobs that wait already.{ahead}"]
    gpus = nodes.gpus[here]
    if ways[0].gpus and gpus.sum():
        free = np.nan_to_num(nodes.gpus_idle[here])
        told = "not told which" if np.isnan(nodes.gpus_idle[here]).all() else number(float(free.sum()))
        return [
            f"{told} of {plural(int(gpus.sum()), 'GPU')} {is_are} free, at most {int(free.max())} on a node.{ahead}"
        ]
    if not idle.sum():
        return [f"All its cores {is_are} taken.{ahead}"]
    most = f", at most {number(float(idle.max()))} on a node" if len(here) > 1 else ""
    words = f"{plural(int(idle.sum()), 'core')} {is_are if idle.sum() != 1 else is_are.replace('are', 'is')} idle{most}.{ahead}"
    if ways[0].memory_bytes and np.isnan(nodes.memory_idle[here]).any():
        words += " How much memory is free is not told of all."
    return [words]


def _too_large(shape: Shape, request: Request, nodes: Nodes, queue: Queue) -> Refusal:
    """Why it does not fit even on empty nodes: the first that is larger than there is."""
    cores, gpus, memory_there = (part[queue.places] for part in (nodes.cores, nodes.gpus, nodes.memory))
    asked_gpus = request.gpus or 0
    if asked_gpus > gpus.sum():
        if not gpus.sum():
            return Refusal("It has no GPUs.")
        return Refusal(f"You ask for {asked_gpus:,} GPUs; it has {plural(int(gpus.sum()), 'GPU')}.", "GPUs", gpus.sum())
    if request.total_cores > cores.sum():
        words = f"You ask for {plural(request.total_cores, 'core')}; it has {number(float(cores.sum()))}."
        return Refusal(words, "cores", float(cores.sum()))
    on_a_node = request.nodes is not None or request.cores_per_node is not None
    if on_a_node and shape.parts > len(cores):
        return Refusal(f"You ask for {number(shape.parts)} nodes; it has {number(len(cores))}.", "nodes", len(cores))
    if on_a_node and shape.cores > cores.max():
        words = f"You ask for {plural(shape.cores, 'core')} a node; its largest has {number(float(cores.max()))}."
        return Refusal(words, "cores_per_node", float(cores.max()))
    most = np.nan_to_num(memory_there, nan=np.inf)
    if request.memory_bytes and request.memory_bytes > most.sum():
        words = f"You ask for {memory(request.memory_bytes)}; its nodes have {memory(float(most.sum()))}."
        return Refusal(words, "memory", float(most.sum()))
    if on_a_node and shape.memory_bytes > most.max():
        words = f"You ask for {memory(shape.memory_bytes)} a node; its largest has {memory(float(most.max()))}."
        return Refusal(words, "memory", float(most.max()) * shape.parts)
    enough = int((shape.slots(cores, gpus, most) > 0).sum()) if on_a_node else 0
    if on_a_node:
        words = f"You ask for {plural(shape.parts, 'such node')}; it has {number(enough)}."
        return Refusal(words, "nodes" if enough else "cores_per_node", enough or float(cores.min()))
    if asked_gpus:
        with_gpus = cores[gpus >= 1].max()
        words = f"{plural(asked_gpus, 'GPU')} with {plural(request.total_cores, 'core')} fit on no nodes; a node with GPUs has at most {plural(int(with_gpus), 'core')}."
        return Refusal(words, "cores", float(with_gpus))
    most_there = f"{plural(int(cores.max()), 'core')}" + (
        f" and {memory(float(most.max()))}" if request.memory_bytes else ""
    )
    return Refusal(
        f"It fits on no set of its nodes, which have at most {most_there} each.", "cores", float(cores.max())
    )
