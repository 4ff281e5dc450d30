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
from webstat.answers.releases import STEP, STEPS, Holding, holding, track_of
from webstat.answers.track import Track
from webstat.data.frames import OUT, TAKES_WORK
from webstat.data.queries.changes import load_reservations
from webstat.data.reservations import Kept, kept
from webstat.data.source import Source
from webstat.format import DAY
from webstat.health import Cluster

COLUMNS = (
    "cores_certain", "cores_likely", "cores_expected", "nodes_certain", "nodes_expected", "gpus_certain", "gpus_expected",
)  # fmt: skip
"""What is free (nodes: whole ones): for certain, by walltimes; in nine of ten cases; on the average."""


ANYWHERE, OUTSIDE = -1, -2
"""In the place of a node: the scheduler does not tell it; it is not in service."""


@dataclass(frozen=True)
class Future:
    """The 24 hours from a cluster's newest report on."""

    at: int
    """When that was taken, unix seconds."""
    steps: pd.DataFrame
    """By the first second of each step: COLUMNS, int64: what is free from then on, for as long as the step goes on."""
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
        return foresee(nodes, holding(source, cluster), kept(told, nodes, at), at, track_of(source, cluster))

    return source.share(("future", cluster.id, cluster.report), make)


def foresee(
    nodes: pd.DataFrame, holding: Holding, reservations: Sequence[Kept], at: int, track: Track
) -> Future | None:
    """From load_nodes(), holding() and kept() at `at`."""
    if not nodes["cores"].fillna(0).sum():
        return None
    nodes = nodes[~nodes["state"].isin(OUT)].reset_index(drop=True)
    places = dict(zip(nodes["name"], range(len(nodes)), strict=True)) | {"": ANYWHERE}
    node = np.array([places.get(name, OUTSIDE) for name in holding.rows["node"]], dtype=np.int64)
    # What is held on nodes out of service, or on such that are not listed, frees nothing.
    order = np.argsort(node, kind="stable")
    order = order[node[order] != OUTSIDE]
    held, ended = holding.rows.iloc[order], holding.ended[pd.factorize(holding.rows["job_id"])[0][order]]
    by, half = held["ends_by"], held["ends_p50"]
    coming = [one for one in reservations if not one.runs and one.starts_at is not None and one.starts_at < at + DAY]
    coming = [one for one in coming if places.keys() & set(one.nodes)]
    room = _Room(nodes, held, node[order], _blocked(nodes, places, coming, reservations, at))
    due = by.to_numpy()[:, None]
    certain = room.line(((due > at) & (due <= holding.moments)).astype(np.float32))
    expected = room.line(ended)
    fewer = np.zeros(STEPS) if track.below is None else track.below * room.deviation(held["job_id"], ended)
    steps = {f"{kind}_certain": numbers for kind, numbers in certain.items()}
    steps |= {f"{kind}_expected": numbers for kind, numbers in expected.items()}
    steps["cores_likely"] = np.clip(expected["cores"] - fewer, certain["cores"], None)

    def cores(which: pd.Series) -> int:
        return int(held.loc[which, "cores"].sum())

    return Future(
        at=at,
        steps=pd.DataFrame(
            {name: np.floor(steps[name] + 1e-3).astype(np.int64) for name in COLUMNS},
            index=pd.Index(holding.moments, dtype="int64"),
        ),
        usable=int(nodes["cores"].fillna(0).sum()),
        gpus=int(nodes["gpus"].fillna(0).sum()),
        held=int(held["cores"].sum()),
        endless=cores(by.isna()),
        overdue=cores((by <= at) & half.isna()),
        unforetold=cores((by > at) & half.isna()),
        reserved=tuple(coming),
        track=track,
    )


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
        share = (
            size[mine]
            if one.cores is None or one.everything
            else np.minimum(size[mine], -(-one.cores // len(one.nodes)))
        )
        blocked[mine, begins:ends] += share[:, None].astype(np.int32)
    return np.minimum(blocked, size[:, None].astype(np.int32))


class _Room:
    """What is free on nodes in service as jobs end on them; `node` is the place of each row of `held`, or ANYWHERE, in order."""

    def __init__(self, nodes: pd.DataFrame, held: pd.DataFrame, node: Numbers, blocked: Numbers) -> None:
        self._blocked = blocked
        self._placed = int((node == ANYWHERE).sum())
        self._nodes, self._starts = np.unique(node[self._placed :], return_index=True)
        self._cores, self._gpus_held = (held[name].to_numpy(dtype=np.float32) for name in ("cores", "gpus"))
        size, gpus = (nodes[name].fillna(0).to_numpy(dtype=np.int64) for name in ("cores", "gpus"))
        all_ended = np.ones((len(node), 1), dtype=np.float32)
        on, on_gpus = (self._added(held, all_ended)[:, 0] for held in (self._cores, self._gpus_held))
        used = np.minimum(nodes["cores_used"].fillna(0).to_numpy(dtype=np.int64), size)
        gpus_used = nodes["gpus_used"].fillna(pd.Series(on_gpus)).to_numpy(dtype=np.int64)
        takes = nodes["state"].isin({*TAKES_WORK, NodeState.RESERVED.value}).to_numpy()
        column = np.s_[:, None]
        self._size, self._gpus = size[column], gpus[column]
        self._idle = np.where(takes, size - used, 0)[column]
        self._idle_gpus = np.maximum(gpus - gpus_used, 0)[column]
        # What jobs hold beyond what a node calls taken is not there to become free.
        self._excess, self._excess_gpus = np.maximum(on - used, 0)[column], np.maximum(on_gpus - gpus_used, 0)[column]
        # A node that takes no more work though it has idle cores is used by somebody alone.
        self._alone = (~takes & (size > used) & (on > 0))[column]
        self._never = (~takes & (size > used) & (on == 0))[column]
        self._emptied = ((size > 0) & (self._alone[:, 0] | (takes & (on >= used)) | (~takes & (on >= size))))[column]

    def line(self, ended: Numbers) -> dict[str, Numbers]:
        """Cores, whole nodes and GPUs free in each step, where a row of `held` has ended with these probabilities."""
        all_gone, none_gone = self._multiplied(ended), self._multiplied(1 - ended)
        cores = np.minimum(self._idle + np.maximum(self._added(self._cores, ended) - self._excess, 0), self._size)
        cores = np.where(self._never, 0, np.where(self._alone, self._size * all_gone, cores))
        whole = np.where(self._emptied & (self._blocked == 0), all_gone, 0)
        cores = np.maximum(cores - self._blocked, 0)
        # Idle GPUs are of no use on a node whose cores are all taken.
        usable = np.where(self._idle > 0, 1.0, np.where(self._alone, all_gone, 1 - none_gone))
        gpus = np.minimum(
            self._idle_gpus * usable + np.maximum(self._added(self._gpus_held, ended) - self._excess_gpus, 0),
            self._gpus,
        )
        gpus = np.where(cores > 0, gpus, 0)
        most = (self._size - self._blocked).sum(axis=0)
        somewhere, gpus_somewhere = (
            held[: self._placed] @ ended[: self._placed] for held in (self._cores, self._gpus_held)
        )
        return {
            "cores": np.minimum(cores.sum(axis=0) + somewhere, most),
            "nodes": whole.sum(axis=0),
            "gpus": np.minimum(gpus.sum(axis=0) + gpus_somewhere, self._gpus.sum()),
        }

    def deviation(self, jobs: pd.Series, ended: Numbers) -> Numbers:
        """The standard deviation of how many cores have become free, as if no job knew of another."""
        which, names = pd.factorize(jobs)
        cores = np.bincount(which, weights=self._cores, minlength=len(names))
        first = np.unique(which, return_index=True)[1]
        return np.sqrt(cores**2 @ (ended[first] * (1 - ended[first])))

    def _added(self, held: Numbers, ended: Numbers) -> Numbers:
        """By node and step, of what `held` has, what has become free."""
        return self._reduced(np.add, held[:, None] * ended, 0.0)

    def _multiplied(self, ended: Numbers) -> Numbers:
        """By node and step, how probable all of it is."""
        return self._reduced(np.multiply, ended, 1.0)

    def _reduced(self, how: np.ufunc, rows: Numbers, nothing: float) -> Numbers:
        result = np.full((self._blocked.shape[0], rows.shape[1]), nothing, dtype=np.float32)
        if len(self._nodes):
            result[self._nodes] = how.reduceat(rows[self._placed :], self._starts, axis=0)
        return result
