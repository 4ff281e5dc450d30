"""How a job could lie on nodes, and whether there is room for it: pure, from arrays with a place for each node."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webstat.answers.request import Request

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Shape:
    """Equal parts of a job, each of which must lie on one node."""

    parts: int
    cores: int
    gpus: int = 0
    memory_bytes: float = 0.0
    apart: bool = True
    """Whether each needs a node of its own."""

    def slots(self, cores: Numbers, gpus: Numbers, memory: Numbers) -> Numbers:
        """How many of the parts find room on each node; what is not told (NaN) is no room."""
        found = cores // self.cores
        if self.gpus:
            found = np.minimum(found, np.nan_to_num(gpus) // self.gpus)
        if self.memory_bytes:
            found = np.minimum(found, np.nan_to_num(memory) // self.memory_bytes)
        return np.minimum(found, 1.0) if self.apart else found


def shapes(request: Request, kind: str | None) -> Iterator[Shape]:
    """The ways in which a job may lie, those with the fewest parts first.

    Where nothing is said of nodes, only OpenPBS may put several parts on one node, and Slurm any core anywhere.
    """
    cores, gpus, memory = request.total_cores, request.gpus or 0, float(request.memory_bytes or 0)
    if request.nodes or request.cores_per_node:
        parts = request.nodes or math.ceil(cores / (request.cores_per_node or 1))
        yield Shape(parts, math.ceil(cores / parts), math.ceil(gpus / parts), memory / parts)
        return
    if kind == "slurm" and not gpus:
        yield Shape(1, cores, 0, memory)
        if cores > 1:
            yield Shape(cores, 1, 0, memory / cores, apart=False)
        return
    for parts in _divisors(math.gcd(cores, gpus)):
        yield Shape(parts, cores // parts, gpus // parts, memory / parts, apart=kind != "openpbs")


def _divisors(number: int) -> list[int]:
    small = [one for one in range(1, math.isqrt(number) + 1) if number % one == 0]
    return small + [number // one for one in reversed(small) if one * one != number]


@dataclass(frozen=True)
class Fitted:
    """That a shape fits: how many nodes have room for a part of it, and until when the best of them can be used."""

    shape: Shape
    nodes: int
    until: float
    """Unix seconds; infinity where nothing is known to come."""


def fit(shape: Shape, cores: Numbers, gpus: Numbers, memory: Numbers, until: Numbers, ends: float) -> Fitted | None:
    """Whether a shape fits on nodes with that much free, of which each can be used `until`, if the job ends at `ends`.

    Nodes that can be used longest are taken first.
    """
    slots = np.where(until >= ends, shape.slots(cores, gpus, memory), 0.0)
    if slots.sum() < shape.parts:
        return None
    longest = np.argsort(-until, kind="stable")
    last = int(np.searchsorted(np.cumsum(slots[longest]), shape.parts))
    return Fitted(shape, int((slots > 0).sum()), float(until[longest[last]]))
