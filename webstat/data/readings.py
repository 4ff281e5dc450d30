"""What webstat reads from the state of the queued jobs of which their scheduler says nothing, made once a report.

The reading itself is answers/derive.py's. All jobs are read, whoever looks, so that counts are right: who shows one of them
must have it from a list of jobs that may be looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from webstat.answers.derive import CORES, GPUS, Asks, Machine, Place, Share, derived
from webstat.data import frames
from webstat.data.free import RESERVATION_QUEUE, members_of
from webstat.data.limits import JOBS, parse_limits
from webstat.data.queries.changes import load_reservations
from webstat.data.queries.waiting import SHARES, load_shares, load_waiting_counted
from webstat.data.source import Source
from webstat.data.waiting import kinds_of
from webstat.health import Cluster
from webstat.native_reasons import Told

_TOLD_MEMORY = frozenset({"openpbs", "slurm"})
"""Schedulers that tell how much memory of a node is given to jobs; TORQUE tells how much its processes use."""


@dataclass(frozen=True)
class Readings:
    """What is read of each job, by its id, and how many queued jobs of its queue have waited longer."""

    told: Mapping[str, Told] = field(default_factory=dict)
    ahead: Mapping[str, int] = field(default_factory=dict)


def readings(source: Source, cluster: Cluster) -> Readings:
    """The readings of a cluster's newest report; none of a past moment, when it is not known what was said."""
    if cluster.id is None:
        return Readings()
    return source.remember(("readings", cluster.id, cluster.report), lambda: _readings(source, cluster))


def _readings(source: Source, cluster: Cluster) -> Readings:
    queues = source.queues(cluster)
    waiting = source.read(load_waiting_counted, cluster.id, stamp=cluster.report)
    waiting = waiting.assign(ahead=_ahead(waiting))
    waiting = waiting[waiting["state"] == "queued"]
    unsaid = waiting[kinds_of(waiting, frames.queue_states(queues)) == "unsaid"]
    if unsaid.empty:
        return Readings()
    places = Places(source, cluster, queues)
    shares = _shares(source.read(load_shares, cluster.id, stamp=cluster.report))
    known: dict[tuple[object, ...], Told | None] = {}
    told: dict[str, Told] = {}
    rows = unsaid[["id", "queue", "owner", "ahead", "cores", "nodes", "gpus", "memory_bytes", "walltime_seconds"]]
    for ident, queue, owner, ahead, cores, nodes, gpus, memory, walltime in rows.itertuples(index=False, name=None):
        share = shares.get((owner, queue))
        key = (queue, owner if share else None, ahead > 0, cores, nodes, gpus, str(memory), str(walltime))
        if key not in known:
            asks = Asks(cores, nodes, gpus, _told(memory), _told(walltime))
            place = places.of(queue)
            known[key] = derived(asks, place, share, ahead) if place else None
        found = known[key]
        if found is not None:
            told[ident] = found
    return Readings(told, dict(zip(unsaid["id"], unsaid["ahead"].tolist(), strict=True)))


def _ahead(waiting: pd.DataFrame) -> pd.Series:
    """How many queued jobs of the same queue have waited longer, for queued jobs."""
    queued = waiting[waiting["state"] == "queued"]
    since = queued["eligible_at"].fillna(queued["submitted_at"])
    ahead = since.groupby(queued["queue"]).rank(method="min") - 1
    return ahead.reindex(waiting.index).fillna(0).astype("int64")


def _told(value: float) -> float | None:
    return None if value != value else value


def _shares(frame: pd.DataFrame) -> dict[tuple[int, str], Share]:
    """(owner, queue) -> what that user holds, where there is a limit."""
    limited = frame[frame[[f"most_{name}" for name in SHARES.values()]].notna().any(axis=1)]
    return {
        (row["owner"], row["queue"]): Share(
            {what: float(row[name]) for what, name in SHARES.items()},
            {what: float(row[f"most_{name}"]) for what, name in SHARES.items() if row[f"most_{name}"] >= 0},
        )
        for row in limited.to_dict("records")
    }


class Places:
    """The queues of a cluster with the nodes that their jobs may use, each made when it is asked for."""

    def __init__(self, source: Source, cluster: Cluster, queues: pd.DataFrame) -> None:
        self._cluster, self._queues = cluster, queues.set_index("name")
        # What was not read is what it was before: no room is told from that.
        self._nodes = source.nodes(cluster) if "nodes" not in cluster.partial else source.nodes(cluster).iloc[:0]
        self._totals = source.totals(cluster)
        self._members = members_of(self._nodes)
        reservations = source.read(load_reservations, cluster.id, stamp=cluster.report)
        self._reserved = set(reservations["queue"].dropna())
        self._made: dict[str, Place | None] = {}

    def of(self, name: str) -> Place | None:
        """The queue of that name; None where nothing can be said of its jobs."""
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def _make(self, name: str) -> Place | None:
        if name in self._reserved or (self._cluster.scheduler_kind == "openpbs" and RESERVATION_QUEUE(name)):
            return None
        if name not in self._queues.index:  # Slurm's list of several, or one that is not listed
            return Place(name, self._machine(name.split(",")))
        row = self._queues.loc[name]
        if row["type"] == "routing":
            return None
        return Place(
            name,
            self._machine([name]),
            parse_limits(row["limits"]),
            _told(row["max_walltime_seconds"]),
            self._held(name),
        )

    def _held(self, name: str) -> Share:
        holding = self._totals[self._totals["state"].isin(frames.IN_USE) & (self._totals["queue"] == name)]
        sums = holding[["jobs", "cores", "gpus"]].sum()
        return Share({JOBS: float(sums["jobs"]), CORES: float(sums["cores"]), GPUS: float(sums["gpus"])})

    def _machine(self, names: list[str]) -> Machine | None:
        """The nodes tied to any of some queues, else all of them; None where none is known.

        Where they are fewer than that and it is not told which, what all of them lack is lacking there too.
        """
        tied = [self._members.get(name) for name in names]
        every = range(len(self._nodes))
        places = sorted({place for one in tied for place in (every if one is None else one)})
        nodes = self._nodes.iloc[places]
        if nodes.empty:
            return None
        takes_work = nodes["state"].isin(frames.TAKES_WORK)
        memory_free = self._free(nodes, "memory_bytes", "memory_used_bytes", takes_work)
        if self._cluster.scheduler_kind not in _TOLD_MEMORY:
            memory_free = np.full(len(nodes), np.nan)
        gpus_free: Any = None
        if len(nodes) == len(self._nodes):
            gpus_free = frames.capacity(nodes, self._totals).gpus_free
        return Machine(
            cores=nodes["cores"].to_numpy(dtype="float64"),
            cores_free=self._free(nodes, "cores", "cores_used", takes_work),
            gpus=nodes["gpus"].fillna(0).to_numpy(dtype="float64"),
            gpus_free=np.where(nodes["gpus"] > 0, self._free(nodes, "gpus", "gpus_used", takes_work), 0.0),
            memory=nodes["memory_bytes"].to_numpy(dtype="float64"),
            memory_free=memory_free,
            all_gpus_free=gpus_free,
            in_parts=self._cluster.scheduler_kind != "slurm",
        )

    @staticmethod
    def _free(nodes: pd.DataFrame, there: str, used: str, takes_work: pd.Series) -> np.ndarray:
        free = (nodes[there] - nodes[used]).clip(lower=0).where(takes_work, 0.0)
        return free.to_numpy(dtype="float64")
