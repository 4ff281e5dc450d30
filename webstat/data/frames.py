"""What a cluster is like at one moment: pure, from the frames of queries.py to what pages show.

Definitions are those of the interface: *usable* = installed cores less the idle ones of nodes that are
offline, down or unknown; *free* = free cores on usable, unreserved nodes; *whole nodes* = nodes that
can take work and have no core taken. Over time is usage.py's.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from agent.states import HOLDS_CORES, JobState, NodeState

IN_USE = frozenset(state.value for state in HOLDS_CORES)
QUEUED = frozenset({JobState.QUEUED.value, JobState.TRANSITING.value})
HELD = frozenset({JobState.HELD.value, JobState.WAITING.value})
TAKES_WORK = frozenset({NodeState.FREE.value, NodeState.PARTIAL.value})
OUT = frozenset({NodeState.OFFLINE.value, NodeState.DOWN.value, NodeState.UNKNOWN.value})


@dataclass(frozen=True)
class Capacity:
    """A cluster's cores and GPUs, by what they do. None where the scheduler tells of no nodes."""

    in_use: int
    """Cores of jobs that run or exit, suspended ones not."""
    installed: int | None = None
    free: int | None = None
    reserved: int = 0
    """Idle cores of reserved nodes."""
    offline: int = 0
    """Idle cores of nodes that are offline, down or unknown."""
    blocked: int = 0
    """Idle cores of nodes that take no more work, such as those used exclusively."""
    difference: int = 0
    """Cores the nodes call taken less cores that jobs hold; shown where it is not zero."""
    whole_nodes: int = 0
    whole_gpu_nodes: int = 0
    """How many of the whole nodes have GPUs."""
    gpus: int = 0
    gpus_free: int = 0
    nodes: int = 0
    node_states: dict[str, int] = field(default_factory=dict)
    """State -> nodes; every state that occurs."""
    node_sizes: tuple[int, ...] = ()
    """The different numbers of cores that nodes have, most frequent first."""

    @property
    def usable(self) -> int | None:
        """Installed cores less idle ones that are out of service."""
        return None if self.installed is None else self.installed - self.offline

    @property
    def share(self) -> float | None:
        """In use ÷ usable; None where nothing is usable."""
        return min(1.0, self.in_use / self.usable) if self.usable else None

    @property
    def out(self) -> int:
        """Nodes out of service."""
        return sum(count for state, count in self.node_states.items() if state in OUT)


@dataclass(frozen=True)
class Jobs:
    """A cluster's jobs, counted."""

    running: int = 0
    suspended: int = 0
    queued: int = 0
    queued_cores: int = 0
    held: int = 0
    waiting_for_time: int = 0
    """Part of `held`: jobs whose start time has not come."""
    unknown: int = 0
    asked_core_seconds: float = 0.0
    """Cores x walltime of the queued jobs that ask for a walltime."""
    unlimited: int = 0
    """Queued jobs without a walltime."""
    oldest_queued_at: int | None = None
    users: int = 0
    """Users with jobs that hold cores."""

    def backlog_seconds(self, installed: int | None) -> float | None:
        """How long the whole machine would work on what is queued; None where that cannot be told."""
        if not installed or (self.queued and self.unlimited == self.queued):
            return None
        return self.asked_core_seconds / installed


def capacity(nodes: pd.DataFrame, totals: pd.DataFrame) -> Capacity:
    """Sum up load_nodes() and load_job_totals()."""
    holding = totals[totals["state"].isin(IN_USE)]
    in_use = int(holding["cores"].sum())
    cores = nodes["cores"].fillna(0)
    if nodes.empty or not cores.sum():
        return Capacity(in_use=in_use, nodes=len(nodes), node_states=_counts(nodes["state"]))
    taken = nodes["cores_used"].fillna(0).clip(upper=cores)
    idle = cores - taken
    state = nodes["state"]
    takes_work = state.isin(TAKES_WORK)
    whole = takes_work & (taken == 0) & (cores > 0)
    gpus = nodes["gpus"].fillna(0)
    gpus_free = int((gpus - nodes["gpus_used"].fillna(0)).clip(lower=0)[takes_work].sum())
    if nodes["gpus_used"].isna().all():
        # Schedulers that do not tell it per node: what jobs hold is gone, wherever it is.
        gpus_free = int(max(0, gpus[takes_work].sum() - holding["gpus"].sum()))
    return Capacity(
        in_use=in_use,
        installed=int(cores.sum()),
        free=int(idle[takes_work].sum()),
        reserved=int(idle[state == NodeState.RESERVED.value].sum()),
        offline=int(idle[state.isin(OUT)].sum()),
        blocked=int(idle[state == NodeState.BUSY.value].sum()),
        difference=int(taken.sum()) - in_use,
        whole_nodes=int(whole.sum()),
        whole_gpu_nodes=int((whole & (gpus > 0)).sum()),
        gpus=int(gpus.sum()),
        gpus_free=gpus_free,
        nodes=len(nodes),
        node_states=_counts(state),
        node_sizes=tuple(int(size) for size in cores[cores > 0].value_counts().index),
    )


def jobs(totals: pd.DataFrame) -> Jobs:
    """Count load_job_totals()."""
    count = totals.groupby("state")["jobs"].sum()
    queued = totals[totals["state"].isin(QUEUED)]
    return Jobs(
        running=int(count.reindex(list(IN_USE)).sum()),
        suspended=int(count.get(JobState.SUSPENDED.value, 0)),
        queued=int(queued["jobs"].sum()),
        queued_cores=int(queued["cores"].sum()),
        held=int(count.reindex(list(HELD)).sum()),
        waiting_for_time=int(count.get(JobState.WAITING.value, 0)),
        unknown=int(count.get(JobState.UNKNOWN.value, 0)),
        asked_core_seconds=float(queued["asked_core_seconds"].sum()),
        unlimited=int(queued["unlimited"].sum()),
        oldest_queued_at=None if queued.empty else int(queued["first_submitted_at"].min()),
        users=totals.loc[totals["state"].isin(IN_USE), "user"].nunique(),
    )


def holders_frame(totals: pd.DataFrame, by: str = "user") -> pd.DataFrame:
    """Which users, groups or queues hold cores: holder str, cores int64, jobs int64; most first, then by name."""
    holding = totals[totals["state"].isin(IN_USE)].rename(columns={by: "holder"})
    frame = holding.groupby("holder", as_index=False)[["cores", "jobs"]].sum()
    return frame.sort_values(["cores", "holder"], ascending=[False, True], ignore_index=True)


def queues_frame(queues: pd.DataFrame, totals: pd.DataFrame, waits: pd.DataFrame) -> pd.DataFrame:
    """One row a queue, in the order of `queues`; queues that only jobs name come last.

    name str, state str (open, stopped, closed, draining, unknown), routing bool, running, running_cores, queued,
    queued_cores, held int64, max_walltime_seconds float64, started int64 (jobs that started in the
    time of `waits`), wait_half float64 and wait_most float64 (seconds within which 50 % and 90 % did).
    """
    names = list(dict.fromkeys([*queues["name"], *totals["queue"]]))
    frame = pd.DataFrame({"name": pd.Series(names, dtype="str")})
    known = {one.name: one for one in offered(queues, totals)}
    about = [known.get(name) or Offered(name) for name in names]
    frame["state"] = pd.Series([one.state for one in about], dtype="str", index=frame.index)
    frame["routing"] = [one.routing for one in about]
    for kind, states in (("running", IN_USE), ("queued", QUEUED), ("held", HELD)):
        sums = totals[totals["state"].isin(states)].groupby("queue")[["jobs", "cores"]].sum().reindex(names)
        frame[kind] = sums["jobs"].fillna(0).astype("int64").to_numpy()
        if kind != "held":
            frame[f"{kind}_cores"] = sums["cores"].fillna(0).astype("int64").to_numpy()
    frame["max_walltime_seconds"] = np.array([one.max_walltime_seconds for one in about], dtype="float64")
    grouped = waits.groupby("queue")["wait_seconds"]
    frame["started"] = grouped.size().reindex(names).fillna(0).astype("int64").to_numpy()
    frame["wait_half"] = grouped.quantile(0.5).reindex(names).to_numpy(dtype="float64")
    frame["wait_most"] = grouped.quantile(0.9).reindex(names).to_numpy(dtype="float64")
    return frame


@dataclass(frozen=True)
class Offered:
    """A queue as it is told of; one that only jobs name is of unknown state."""

    name: str
    state: str = "unknown"
    """As queue_state() says it."""
    routing: bool = False
    max_walltime_seconds: float | None = None


def offered(queues: pd.DataFrame, totals: pd.DataFrame) -> list[Offered]:
    """The queues of load_queues() in their order; where none is listed, those that jobs of load_job_totals() name."""
    if queues.empty:
        return [Offered(name) for name in dict.fromkeys(totals["queue"])]
    columns = (queues[name] for name in ("name", "type", "enabled", "started", "max_walltime_seconds"))
    return [
        Offered(name, queue_state(enabled, started), kind == "routing", None if pd.isna(most) else float(most))
        for name, kind, enabled, started, most in zip(*columns, strict=True)
    ]


def queue_state(enabled: object, started: object) -> str:
    """`open`, `stopped` (starts nothing), `draining` (takes nothing), `closed` (neither), or `unknown` where neither is told."""
    if enabled is None and started is None:
        return "unknown"
    if started is False or started == 0:
        return "closed" if enabled is False or enabled == 0 else "stopped"
    return "draining" if enabled is False or enabled == 0 else "open"


def queue_states(queues: pd.DataFrame) -> dict[str, str]:
    """Queue -> queue_state(), of load_queues()."""
    told = zip(queues["name"], queues["enabled"], queues["started"], strict=True)
    return {name: queue_state(enabled, started) for name, enabled, started in told}


def room_frame(nodes: pd.DataFrame) -> pd.DataFrame:
    """Nodes that take work and have free cores, roomiest first.

    name str, cores_free int64, cores int64, gpus_free float64 (NaN where not told), gpus int64,
    memory_free_bytes float64 (NaN where not told), properties list[str].
    """
    free = nodes["cores"].fillna(0) - nodes["cores_used"].fillna(0)
    room = nodes[nodes["state"].isin(TAKES_WORK) & (free > 0)]
    gpus = room["gpus"].fillna(0)
    gpus_free = np.where(gpus > 0, (room["gpus"] - room["gpus_used"]).clip(lower=0), 0)
    # Where nobody tells how much is taken, only a node without jobs is known to have all of it.
    memory_used = room["memory_used_bytes"].mask(room["memory_used_bytes"].isna() & ~(room["cores_used"] > 0), 0.0)
    frame = pd.DataFrame(
        {
            "name": room["name"],
            "cores_free": free[room.index].astype("int64"),
            "cores": room["cores"].astype("int64"),
            "gpus_free": gpus_free,
            "gpus": gpus.astype("int64"),
            "memory_free_bytes": (room["memory_bytes"] - memory_used).clip(lower=0),
            "properties": [_list(text) for text in room["properties"]],
        }
    )
    return frame.sort_values(["cores_free", "gpus_free", "name"], ascending=[False, False, True], ignore_index=True)


def out_frame(nodes: pd.DataFrame) -> pd.DataFrame:
    """Nodes out of service, down ones first: name str, state str, native_state str, comment str or None."""
    rank = {NodeState.DOWN.value: 0, NodeState.UNKNOWN.value: 1, NodeState.OFFLINE.value: 2}
    out = nodes.loc[nodes["state"].isin(OUT), ["name", "state", "native_state", "comment"]]
    order = out.assign(rank=out["state"].map(rank)).sort_values(["rank", "name"]).index
    return out.loc[order].reset_index(drop=True)


def with_others(frame: pd.DataFrame, names: Sequence[str], limit: int) -> tuple[pd.DataFrame, int, int]:
    """The rows of holders_frame() to list one by one, how many are folded, and their cores.

    Listed are the coloured `names` that hold cores and the largest others, `limit` in all; a single
    row is not worth folding.
    """
    if len(frame) <= limit + 1:
        return frame, 0, 0
    coloured = frame["holder"].isin(names)
    spare = max(0, limit - int(coloured.sum()))
    listed = coloured | (~coloured & ((~coloured).cumsum() <= spare))
    return frame[listed], int((~listed).sum()), int(frame.loc[~listed, "cores"].sum())


def _counts(states: pd.Series) -> dict[str, int]:
    return {str(state): int(count) for state, count in states.value_counts().items()}


def _list(text: str | None) -> list[str]:
    return [str(item) for item in json.loads(text)] if isinstance(text, str) else []
