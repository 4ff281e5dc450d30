"""What would be free when: a cluster's cores, whole nodes and GPUs over the next 24 hours, before anything that waits starts.

What its jobs hold, and until when, is releases.py's. Nodes out of service never count; reserved ones count until their
reservation begins, and again when it has ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from agent.states import NodeState
from collector.columns import Numbers
from webstat.answers.releases import releases, track_of
from webstat.answers.track import Track
from webstat.data.frames import OUT, TAKES_WORK
from webstat.data.queries.changes import load_reservations
from webstat.data.reservations import Kept, kept
from webstat.data.source import Source
from webstat.format import DAY
from webstat.health import Cluster

STEP = 300
STEPS = DAY // STEP + 1
"""The last one begins where the 24 hours end."""

LINES = {"certain": "ends_by", "likely": "ends_p90", "expected": "ends_p50"}
"""Line -> the column of releases() by which cores become free in it; each is at least as high as the one before."""


@dataclass(frozen=True)
class Future:
    """The 24 hours from a cluster's newest report on."""

    at: int
    """When that was taken, unix seconds."""
    steps: pd.DataFrame
    """By the first second of each step: for each of LINES `cores_…`, `nodes_…` (whole ones) and `gpus_…`, int64: what is
    free from then on, for as long as the step goes on."""
    usable: int
    """Cores of nodes in service."""
    gpus: int
    """GPUs of nodes in service."""
    held: int
    """Cores of jobs there."""
    endless: int
    """Those of jobs of which no end is known: without a walltime, or without a start."""
    overdue: int
    """Those of jobs that are over their walltime, and of which nothing is expected."""
    unforetold: int
    """Those of jobs of which only the walltime is known, and nothing is expected."""
    reserved: tuple[Kept, ...]
    """The reservations to come that take something away in these hours."""
    track: Track
    """How well expected ends have held."""

    @property
    def foretold(self) -> bool:
        """Whether anything but walltimes is told."""
        return self.unforetold + self.endless + self.overdue < self.held


def future(source: Source, cluster: Cluster) -> Future | None:
    """From the newest report of a cluster; None where its scheduler tells no cores of nodes. Raises StoreEmpty, StoreBroken."""

    def make() -> Future | None:
        told = source.read(load_reservations, cluster.id or 0, stamp=cluster.report)
        nodes, at = source.nodes(cluster), int(cluster.taken_at or 0)
        return foresee(nodes, releases(source, cluster), kept(told, nodes, at), at, track_of(source, cluster))

    return source.share(("future", cluster.id, cluster.report), make)


def foresee(
    nodes: pd.DataFrame, held: pd.DataFrame, reservations: Sequence[Kept], at: int, track: Track
) -> Future | None:
    """From load_nodes(), releases() and kept() at `at`."""
    if not nodes["cores"].fillna(0).sum():
        return None
    nodes = nodes[~nodes["state"].isin(OUT)].reset_index(drop=True)
    places = dict(zip(nodes["name"], range(len(nodes)), strict=True))
    node = np.array([-1 if name else -2 for name in held["node"]], dtype=np.int64)
    node = np.where(node == -1, [places.get(name, -1) for name in held["node"]], node)
    # What is held on nodes out of service, or on such that are not listed, frees nothing.
    held, node = held[node != -1].reset_index(drop=True), node[node != -1]
    by, half = held["ends_by"], held["ends_p50"]
    coming = [one for one in reservations if not one.runs and one.starts_at is not None and one.starts_at < at + DAY]
    coming = [one for one in coming if places.keys() & set(one.nodes)]
    room = _Room(nodes, held, node, _blocked(nodes, places, coming, reservations, at))
    certain = by.where(by > at)
    steps = {}
    for line, column in LINES.items():
        steps.update(room.line(line, _step(held[column].fillna(certain) if line != "certain" else certain, at)))

    def cores(which: pd.Series) -> int:
        return int(held.loc[which, "cores"].sum())

    return Future(
        at=at,
        steps=pd.DataFrame(steps, index=pd.Index(at + np.arange(STEPS) * STEP, dtype="int64")),
        usable=int(nodes["cores"].fillna(0).sum()),
        gpus=int(nodes["gpus"].fillna(0).sum()),
        held=int(held["cores"].sum()),
        endless=cores(by.isna()),
        overdue=cores((by <= at) & half.isna()),
        unforetold=cores((by > at) & half.isna()),
        reserved=tuple(coming),
        track=track,
    )


def _step(ends: pd.Series, at: int) -> Numbers:
    """The first step that begins when each has ended; STEPS where that is later, or not known."""
    steps = np.ceil((ends.to_numpy() - at) / STEP)
    return np.where(np.isnan(steps), STEPS, np.clip(steps, 0, STEPS)).astype(np.int64)


def _blocked(
    nodes: pd.DataFrame, places: dict[str, int], coming: Iterable[Kept], reservations: Iterable[Kept], at: int
) -> Numbers:
    """Cores that each node has less in each step, of shape (nodes, steps), since they are reserved."""
    size = nodes["cores"].fillna(0).to_numpy(dtype=np.int64)
    blocked = np.zeros((len(nodes), STEPS), dtype=np.int32)
    # Of a node that is reserved now nothing is free until all that it may be reserved for has ended.
    reserved = (nodes["state"] == NodeState.RESERVED.value).to_numpy()
    until = np.where(reserved, 0, -1)
    for one in reservations:
        if one.runs:
            ends = STEPS if one.ends_at is None else int(np.ceil((one.ends_at - at) / STEP))
            mine = [places[name] for name in one.nodes if name in places]
            until[mine] = np.where(reserved[mine], np.maximum(until[mine], ends), -1)
    until = np.where(until == 0, STEPS, until)  # nobody says until when
    blocked += np.where(np.arange(STEPS) < until[:, None], size[:, None], 0).astype(np.int32)
    for one in coming:
        begins = max(int(((one.starts_at or 0) - at) // STEP), 0)
        ends = STEPS if one.ends_at is None else int(np.ceil((one.ends_at - at) / STEP))
        mine = [places[name] for name in one.nodes if name in places]
        share = size[mine] if one.cores is None else np.minimum(size[mine], -(-one.cores // len(one.nodes)))
        blocked[mine, begins:ends] += share[:, None].astype(np.int32)
    return np.minimum(blocked, size[:, None].astype(np.int32))


class _Room:
    """What is free on nodes in service as jobs end on them; `node` is the place of each row of `held`, -2 where not told."""

    def __init__(self, nodes: pd.DataFrame, held: pd.DataFrame, node: Numbers, blocked: Numbers) -> None:
        self._node, self._blocked = node, blocked
        self._size, self._gpus = (nodes[name].fillna(0).to_numpy(dtype=np.int64) for name in ("cores", "gpus"))
        self._held = {name: held[name].to_numpy() for name in ("cores", "gpus")}
        on = {name: self._by_node(name, np.zeros(len(node), dtype=np.int64))[:, -1] for name in self._held}
        used = np.minimum(nodes["cores_used"].fillna(0).to_numpy(dtype=np.int64), self._size)
        gpus_used = nodes["gpus_used"].fillna(pd.Series(on["gpus"])).to_numpy(dtype=np.int64)
        self._idle = {"cores": self._size - used, "gpus": np.maximum(self._gpus - gpus_used, 0)}
        # What jobs hold beyond what a node calls taken is not there to become free.
        self._excess = {"cores": np.maximum(on["cores"] - used, 0), "gpus": np.maximum(on["gpus"] - gpus_used, 0)}
        self._on = on["cores"]
        reserved = (nodes["state"] == NodeState.RESERVED.value).to_numpy()
        self._takes = nodes["state"].isin(TAKES_WORK).to_numpy() | reserved
        # A node that takes no more work though it has idle cores is used by somebody alone.
        self._alone = ~self._takes & (self._idle["cores"] > 0)

    def line(self, name: str, step: Numbers) -> dict[str, Numbers]:
        """The three columns of Future.steps where what is held becomes free in these steps."""
        released = self._by_node("cores", step)
        idle = np.where(self._takes, self._idle["cores"], 0)[:, None]
        cores = idle + np.maximum(released - self._excess["cores"][:, None], 0)
        alone = self._alone[:, None]
        gone = (released >= self._on[:, None]) & (self._on > 0)[:, None]
        cores = np.where(alone, np.where(gone, self._size[:, None], 0), np.minimum(cores, self._size[:, None]))
        whole = (cores == self._size[:, None]) & (self._blocked == 0) & (self._size > 0)[:, None]
        cores = np.maximum(cores - self._blocked, 0)
        gpus = self._idle["gpus"][:, None] + np.maximum(self._by_node("gpus", step) - self._excess["gpus"][:, None], 0)
        gpus = np.where(cores > 0, np.minimum(gpus, self._gpus[:, None]), 0)
        most = (self._size[:, None] - self._blocked).sum(axis=0)
        anywhere = {kind: self._anywhere(kind, step) for kind in self._held}
        return {
            f"cores_{name}": np.minimum(cores.sum(axis=0) + anywhere["cores"], most).astype(np.int64),
            f"nodes_{name}": whole.sum(axis=0).astype(np.int64),
            f"gpus_{name}": np.minimum(gpus.sum(axis=0) + anywhere["gpus"], self._gpus.sum()).astype(np.int64),
        }

    def _by_node(self, kind: str, step: Numbers) -> Numbers:
        """What has become free on each node until each step."""
        released = np.zeros((len(self._size), STEPS), dtype=np.int32)
        some = (self._node >= 0) & (step < STEPS)
        np.add.at(released, (self._node[some], step[some]), self._held[kind][some])
        return released.cumsum(axis=1, dtype=np.int32)

    def _anywhere(self, kind: str, step: Numbers) -> Numbers:
        """The same of jobs whose scheduler does not tell where they run."""
        some = (self._node == -2) & (step < STEPS)
        return np.bincount(step[some], weights=self._held[kind][some], minlength=STEPS).cumsum()
