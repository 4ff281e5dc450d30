"""The one change of a request that would help most: what to try, and which of it is the best. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from webstat.answers.forbid import Refusal
from webstat.answers.request import Request
from webstat.format import DAY, HOUR, MINUTE, duration, memory, plural

STEPS = (2 * DAY, DAY, 12 * HOUR, 8 * HOUR, 4 * HOUR, 2 * HOUR, HOUR, 30 * MINUTE, 15 * MINUTE)
"""Walltimes that people ask for."""


@dataclass(frozen=True)
class Try:
    """A request that asks for less; `kept` is which share of what was asked it still asks for."""

    request: Request
    words: str
    kept: float


def tries(
    request: Request, windows: Iterable[float], blocks: Iterable[int], fits: Iterable[Refusal]
) -> Iterator[list[Try]]:
    """What to try, a list for each thing that can be changed, in each what keeps most first.

    `windows` are for how many seconds room could be used, `blocks` the most idle cores on a node of each queue, `fits`
    what limits would allow.
    """
    allowed: dict[str, set[float]] = {}
    for one in fits:
        if one.most:
            allowed.setdefault(one.what, set()).add(one.most)
    yield list(_shorter(request, {*STEPS, *map(_rounded, windows), *map(int, allowed.get("walltime", ()))}))
    yield list(_fewer(request, {*blocks, *map(int, allowed.get("cores", ()))}))
    each = map(int, allowed.get("cores_per_node", ()))
    yield list(_other_nodes(request, map(int, allowed.get("nodes", ())), each))
    if size := request.memory_bytes:
        sizes = {size // 2, size // 4, *map(int, allowed.get("memory", ()))}
        yield [
            Try(replace(request, memory_bytes=one), f"Ask for at most {memory(one)}", one / size)
            for one in sorted(sizes, reverse=True)
            if 0 < one < size
        ]
    if gpus := request.gpus:
        yield [
            Try(replace(request, gpus=one), f"Ask for {plural(one, 'GPU')}", one / gpus)
            for one in sorted({gpus // 2, *map(int, allowed.get("GPUs", ()))}, reverse=True)
            if 0 < one < gpus
        ]


def _rounded(seconds: float) -> int:
    """Down to what one would type."""
    step = 5 * MINUTE if seconds >= 10 * MINUTE else MINUTE
    return int(seconds // step * step)


def _shorter(request: Request, walltimes: Iterable[int]) -> Iterator[Try]:
    asked = request.walltime_seconds
    for one in sorted(walltimes, reverse=True):
        if one > 0 and (asked is None or one < asked):
            verb = "Ask for at most" if asked is not None else "Name a walltime of at most"
            yield Try(replace(request, walltime_seconds=one), f"{verb} {duration(one)}", one / (asked or STEPS[0]))


def _fewer(request: Request, counts: Iterable[int]) -> Iterator[Try]:
    if request.nodes or request.cores_per_node:
        return
    asked = request.total_cores
    for one in sorted({*counts, asked // 2, asked // 4}, reverse=True):
        if 0 < one < asked:
            yield Try(replace(request, cores=one), f"Ask for {plural(one, 'core')}", one / asked)


def _other_nodes(request: Request, counts: Iterable[int], sizes: Iterable[int]) -> Iterator[Try]:
    if not (request.nodes or request.cores_per_node):
        return
    anywhere = replace(request, cores=request.total_cores, nodes=None, cores_per_node=None)
    yield Try(anywhere, f"Ask for {plural(request.total_cores, 'core')} without saying on how many nodes", 0.99)
    nodes = request.nodes or 1
    each = request.cores_per_node or request.total_cores // nodes
    for one in sorted({size for size in sizes if 0 < size < each}, reverse=True):
        more = -(-request.total_cores // one)
        smaller = replace(request, cores=None, nodes=more, cores_per_node=one)
        yield Try(smaller, f"Ask for {plural(more, 'node')} of {plural(one, 'core')}", 0.98)
    for one in sorted({*counts, nodes - 1, nodes // 2, 1}, reverse=True):
        if 0 < one < nodes:
            fewer = replace(request, cores=None, nodes=one, cores_per_node=each)
            yield Try(fewer, f"Ask for {plural(one, 'node')} of {plural(each, 'core')}", one / nodes)


def best(groups: Iterable[list[Try]], helps: Callable[[Request], bool]) -> Try | None:
    """Of the first of each list that helps, the one that keeps most."""
    found = [
        one for tried in groups if (one := next((each for each in tried if helps(each.request)), None)) is not None
    ]
    return max(found, key=lambda one: one.kept, default=None)
