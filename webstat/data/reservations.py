"""Which nodes are kept for somebody, and until when the others can be used: pure, from load_reservations()."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from webstat.data.frames import OUT

NOT_KEPT = frozenset({"unconfirmed", "finished", "deleted", "being_deleted", "deleting_jobs"})
"""States in which nothing is kept yet, or no longer."""

_MAINTENANCE = ("maint", "downtime", "shutdown", "outage")


@dataclass(frozen=True)
class Kept:
    """Nodes kept for a time; moments are unix seconds, None where not told."""

    id: str
    name: str
    owner: str
    state: str
    queue: str | None
    starts_at: float | None
    ends_at: float | None
    nodes: tuple[str, ...]
    cores: int | None
    comment: str | None
    runs: bool
    """Whether it has begun."""
    everything: bool
    """Whether it covers every node that is in service."""

    @property
    def maintenance(self) -> bool:
        """Whether its name says that it is no ordinary work."""
        text = f"{self.name} {self.queue or ''}".lower()
        return any(word in text for word in _MAINTENANCE)


def kept(reservations: pd.DataFrame, nodes: pd.DataFrame, now: float) -> list[Kept]:
    """The reservations that hold or will hold nodes: those that run, then the coming ones by their start.

    `nodes` is load_nodes(): nodes that are out of service need not be reserved to be unusable.
    """
    in_service = set(nodes.loc[~nodes["state"].isin(OUT), "name"])
    found = []
    for row in reservations.itertuples(index=False):
        starts, ends = (None if pd.isna(at) else float(at) for at in (row.starts_at, row.ends_at))
        if row.state in NOT_KEPT or (ends is not None and ends <= now):
            continue
        found.append(
            Kept(
                row.id,
                row.name,
                row.owner,
                row.state,
                row.queue,
                starts,
                ends,
                tuple(row.nodes),
                None if pd.isna(row.cores) else int(row.cores),
                row.comment,
                runs=row.state == "running" or (starts is not None and starts <= now),
                everything=bool(in_service) and in_service <= set(row.nodes),
            )
        )
    return sorted(found, key=lambda one: (not one.runs, one.starts_at or 0.0, one.id))


def next_for_all(found: Sequence[Kept]) -> Kept | None:
    """The first that covers the whole cluster, running or to come."""
    return next((one for one in found if one.everything and (one.runs or one.starts_at is not None)), None)


def begins_by_node(found: Iterable[Kept]) -> dict[str, float]:
    """Node -> when the next reservation of it begins; nodes with none to come are missing."""
    begins: dict[str, float] = {}
    for one in found:
        if not one.runs and one.starts_at is not None:
            for node in one.nodes:
                begins[node] = min(one.starts_at, begins.get(node, one.starts_at))
    return begins
