"""Where there is room: pure, from the frames of now.py, but for at(), which remembers it per report.

What counts as free is frames.py's to say. A queue is tied to the nodes that have its name among their
properties; one whose name no node has may use any node of its cluster. Queues that pass jobs on, and those
that were made for a reservation, are no place to submit to and are left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from webstat.data import frames
from webstat.data.frames import Capacity
from webstat.data.queries.changes import load_reservations

if TYPE_CHECKING:
    from webstat.data.source import Source
    from webstat.health import Cluster

LISTED_PROPERTIES = 8
"""How many kinds of node are told of a cluster where not more are asked for."""

STARTS_JOBS = frozenset({"open", "unknown"})
"""States of a queue whose room can be used by a job that is submitted now."""

RESERVATION_QUEUE = re.compile(r"[RSM][0-9]+\Z").match
"""How OpenPBS names the queues that it makes for reservations; not always can it be asked for those."""

_NO_TOTALS = pd.DataFrame(
    {name: pd.Series(dtype="str") for name in ("user", "queue", "state")}
    | {name: pd.Series(dtype="int64") for name in ("jobs", "cores", "gpus")}
)


@dataclass(frozen=True)
class Room:
    """What a set of nodes has free; nodes that cannot take work count as installed and never as free."""

    capacity: Capacity
    gpus_free: int | None
    """None where there are GPUs and the scheduler does not tell which of them are taken."""
    nodes_with_room: int = 0
    block: int = 0
    """The most free cores on one node."""
    gpu_block: tuple[int, int] | None = None
    """The most free GPUs on one node, and the free cores beside them; None where none is known to be free."""
    memory_bytes: float | None = None
    """The most free memory on one node with free cores; None where not told."""


@dataclass(frozen=True)
class Place:
    """A queue, or the nodes that share a property."""

    name: str
    room: Room
    any_node: bool = False
    state: str = "open"
    """As frames.queue_state() says it."""
    waiting: int | None = None
    """Jobs queued; None for a property, since jobs wait in queues."""
    max_walltime_seconds: float | None = None

    @property
    def usable(self) -> bool:
        """Whether a job that is submitted now may start here."""
        return self.state in STARTS_JOBS


@dataclass(frozen=True)
class Free:
    """The room of one cluster: all of it, by queue, and by property, each roomiest first."""

    room: Room
    waiting: int
    queues: tuple[Place, ...] = ()
    properties: tuple[Place, ...] = ()
    """Properties that tell nodes apart and are no queue's name; the roomiest of them."""
    more_properties: int = 0


def at(source: Source, cluster: Cluster, most: int = LISTED_PROPERTIES) -> Free:
    """The room of a cluster at its newest report, by at most so many properties."""

    def make() -> Free:
        reservations = source.read(load_reservations, cluster.id or 0, stamp=cluster.report)
        queues = source.queues(cluster)
        reserved = set(reservations["queue"].dropna())
        if cluster.scheduler_kind == "openpbs":
            reserved |= {name for name in queues["name"] if RESERVATION_QUEUE(name)}
        return free(source.nodes(cluster), queues, source.totals(cluster), reserved, most)

    return source.share(("free", cluster.id, cluster.report, most), make)


def free(
    nodes: pd.DataFrame,
    queues: pd.DataFrame,
    totals: pd.DataFrame,
    reserved: Collection[str] = (),
    most: int = LISTED_PROPERTIES,
) -> Free:
    """The room from load_nodes(), load_queues() and load_job_totals(); `reserved` are the queues of reservations."""
    whole = room(nodes, totals)
    members = members_of(nodes)
    # A queue that is not listed is named by jobs alone: no place, unless nothing is listed.
    listed = frames.offered(queues, totals)
    waiting = waiting_by_queue(totals)
    places = []
    for queue in listed:
        if queue.routing or queue.name in reserved:
            continue
        tied = members.get(queue.name)
        places.append(
            Place(
                name=queue.name,
                room=whole if tied is None else _part(nodes, tied, whole),
                any_node=tied is None,
                state=queue.state,
                waiting=waiting.get(queue.name, 0),
                max_walltime_seconds=queue.max_walltime_seconds,
            )
        )
    kinds = _kinds(nodes, members, {queue.name for queue in listed})
    properties = [Place(name, _part(nodes, members[name], whole)) for name in kinds[:most]]
    return Free(
        room=whole,
        waiting=frames.jobs(totals).queued,
        queues=tuple(sorted(places, key=_roomiest)),
        properties=tuple(sorted(properties, key=_roomiest)),
        more_properties=len(kinds) - len(properties),
    )


def room(nodes: pd.DataFrame, totals: pd.DataFrame) -> Room:
    """The room of a whole cluster, from load_nodes() and load_job_totals()."""
    capacity = frames.capacity(nodes, totals)
    return _room(nodes, capacity, capacity.gpus_free)


def _part(nodes: pd.DataFrame, places: list[int], whole: Room) -> Room:
    """The room of some nodes of a cluster, by their places in the frame."""
    part = nodes.iloc[places]
    capacity = frames.capacity(part, _NO_TOTALS)
    gpus_free: int | None = capacity.gpus_free
    if capacity.gpus and nodes["gpus_used"].isna().all():
        # What jobs hold is known of the cluster only, not where.
        gpus_free = whole.gpus_free if capacity.gpus == whole.capacity.gpus else None
    return _room(part, capacity, gpus_free)


def _room(nodes: pd.DataFrame, capacity: Capacity, gpus_free: int | None) -> Room:
    rows = frames.room_frame(nodes)
    if rows.empty:
        return Room(capacity, gpus_free)
    gpus = rows[rows["gpus_free"] > 0].sort_values(["gpus_free", "cores_free"], ascending=False)
    memory = rows["memory_free_bytes"].max()
    return Room(
        capacity=capacity,
        gpus_free=gpus_free,
        nodes_with_room=len(rows),
        block=int(rows["cores_free"].max()),
        gpu_block=None if gpus.empty else (int(gpus["gpus_free"].iloc[0]), int(gpus["cores_free"].iloc[0])),
        memory_bytes=None if pd.isna(memory) else float(memory),
    )


def waiting_by_queue(totals: pd.DataFrame) -> dict[str, int]:
    """Queue -> jobs queued in it; one that waits in several (`batch,long`, as Slurm writes it) counts in each."""
    waiting: dict[str, int] = {}
    queued = totals.loc[totals["state"].isin(frames.QUEUED), ["queue", "jobs"]]
    for queue, jobs in queued.itertuples(index=False, name=None):
        for name in {queue, *queue.split(",")}:
            waiting[name] = waiting.get(name, 0) + int(jobs)
    return waiting


def members_of(nodes: pd.DataFrame) -> dict[str, list[int]]:
    """Property -> places of the nodes that have it, in load_nodes()."""
    members: dict[str, list[int]] = {}
    for place, text in enumerate(nodes["properties"]):
        for name in dict.fromkeys(json.loads(text)) if isinstance(text, str) else ():
            members.setdefault(str(name), []).append(place)
    return members


def _kinds(nodes: pd.DataFrame, members: dict[str, list[int]], queues: Collection[str]) -> list[str]:
    """The properties that tell nodes apart and are no queue's name, roomiest first."""
    free = dict(frames.room_frame(nodes)[["name", "cores_free"]].itertuples(index=False, name=None))
    by_place = [free.get(name, 0) for name in nodes["name"]]
    kinds = [name for name, places in members.items() if len(places) < len(nodes) and name not in queues]
    return sorted(kinds, key=lambda name: (-sum(by_place[place] for place in members[name]), name))


def _roomiest(place: Place) -> tuple[object, ...]:
    room = place.room
    free = -1 if room.capacity.free is None else room.capacity.free
    return not place.usable, -free, -room.block, -(room.gpus_free or 0), place.waiting or 0, place.name
