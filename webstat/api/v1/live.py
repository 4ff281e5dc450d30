"""The clusters as they are, or were at a moment, as tables: clusters, queues, nodes, jobs, room."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from webstat import twins
from webstat.api.jobs import FILE_COLUMNS, asked_of
from webstat.api.jobs import Refused as RefusedJobs
from webstat.api.v1.sheets import Look, Sheet
from webstat.api.v1.words import Refused
from webstat.data import frames
from webstat.data import free as free_room
from webstat.data import jobs as current
from webstat.data.explore.question import listed
from webstat.data.free import Place
from webstat.data.jobrows import flat_rows, sort_rows, window
from webstat.data.jobsearch import search
from webstat.data.source import Past
from webstat.format import iso
from webstat.health import Cluster, health
from webstat.past import how_exact
from webstat.past import look as looked

CLUSTERS = (
    "cluster", "title", "scheduler", "demo", "state", "taken_at", "age_seconds", "cores_installed", "cores_in_use",
    "cores_free", "gpus_installed", "gpus_free", "jobs_running", "jobs_queued", "jobs_held", "jobs_suspended",
)  # fmt: skip

QUEUES = (
    "cluster", "name", "state", "routing", "jobs_running", "cores_running", "jobs_queued", "cores_queued", "jobs_held",
    "max_walltime_seconds", "started", "wait_50", "wait_90",
)  # fmt: skip

NODES = (
    "cluster", "name", "state", "native_state", "cores", "cores_used", "gpus", "gpus_used", "memory_bytes",
    "memory_used_bytes", "load", "properties", "comment",
)  # fmt: skip

JOBS = tuple(name for name in FILE_COLUMNS if name != "why_tone")

FREE = (
    "cluster", "place", "name", "state", "any_node", "cores_free", "cores_installed", "nodes_with_room", "block_cores",
    "gpus_free", "gpu_block_gpus", "gpu_block_cores", "memory_bytes", "waiting", "max_walltime_seconds",
)  # fmt: skip

_OF_QUEUES = {
    "jobs_running": "running", "cores_running": "running_cores", "jobs_queued": "queued",
    "cores_queued": "queued_cores", "jobs_held": "held", "wait_50": "wait_half", "wait_90": "wait_most",
}  # fmt: skip


def clusters(look: Look) -> Sheet:
    """A row a cluster."""
    there, chosen = _there(look)
    rows = []
    for cluster in chosen:
        row = twins.about(cluster, health(cluster, there.now), there.now)
        if cluster.report:
            row |= twins.counts(there.source.capacity(cluster), frames.jobs(there.source.totals(cluster)))
        rows.append(row)
    return _sheet("clusters", CLUSTERS, rows, there, chosen)


def queues(look: Look) -> Sheet:
    """A row a queue; started, wait_50 and wait_90 are of the last seven days."""
    there, chosen = _there(look)
    source, rows = there.source, []
    for cluster in chosen:
        if cluster.report:
            frame = frames.queues_frame(source.queues(cluster), source.totals(cluster), source.waits(cluster))
            frame = frame.rename(columns={theirs: name for name, theirs in _OF_QUEUES.items()})
            rows += [{"cluster": cluster.name, **row} for row in frame.to_dict("records")]
    return _sheet("queues", QUEUES, rows, there, chosen)


def nodes(look: Look) -> Sheet:
    """A row a node."""
    there, chosen = _there(look)
    rows = []
    for cluster in chosen:
        if cluster.report:
            rows += [
                {"cluster": cluster.name, **row, "properties": _listed(row["properties"])}
                for row in there.source.nodes(cluster).to_dict("records")
            ]
    return _sheet("nodes", NODES, rows, there, chosen)


def free(look: Look) -> Sheet:
    """A row a cluster, queue, and property of nodes: what is free there."""
    there, chosen = _there(look)
    rows = [row for cluster in chosen if cluster.report for row in _room(there, cluster)]
    return _sheet("free", FREE, rows, there, chosen)


def jobs(look: Look) -> Sheet:
    """A row a job that lives or ended in the last 24 hours, tasks of arrays each by itself."""
    there, chosen = _there(look)
    try:
        asked = asked_of(look.words)
    except RefusedJobs as refused:
        raise Refused([str(refused)]) from refused
    table = current.table(there.source, there.source.clusters(), there.now)
    rows = flat_rows(table, np.flatnonzero(search(table, asked.query).without()))
    order = sort_rows(rows, asked.sort, asked.descending)
    columns = window(rows, order[look.form.offset : look.form.offset + look.form.limit], JOBS)
    return Sheet(f"jobs-{_moment(there)}", columns, _meta(there, chosen), len(order))


def _there(look: Look) -> tuple[Look, list[Cluster]]:
    """The store as it is or was, and the clusters that are asked for."""
    source, now = looked(look.source, look.words, look.now)
    there = replace(look, source=source, now=now)
    known = source.clusters()
    names = listed(look.words.get("cluster", ""))
    strange = [name for name in names if name not in {cluster.name for cluster in known}]
    if strange:
        raise Refused([twins.unknown("cluster", strange[0], [cluster.name for cluster in known])])
    return there, [cluster for cluster in known if not names or cluster.name in names]


def _sheet(name: str, columns: Iterable[str], rows: list[dict[str, Any]], there: Look, chosen: list[Cluster]) -> Sheet:
    told = {column: [row.get(column) for row in rows] for column in columns}
    return Sheet(f"{name}-{_moment(there)}", told, _meta(there, chosen))


def _meta(there: Look, chosen: list[Cluster]) -> dict[str, Any]:
    source = there.source
    exact = "as the newest report says"
    if isinstance(source, Past):
        known = [(cluster, then) for cluster in chosen if (then := source.then(cluster)) is not None]
        exact = how_exact(known, source.moment, UTC) or "nothing is known of this moment"
    return {
        "at": iso(there.now),
        "resolution": exact,
        "known_until": {one.name: None if one.taken_at is None else iso(one.taken_at) for one in chosen},
        "state": {one.name: health(one, there.now).state.value for one in chosen},
    }


def _moment(there: Look) -> str:
    return f"{datetime.fromtimestamp(there.now, UTC):%Y-%m-%dT%H%M%SZ}"


def _listed(text: Any) -> str | None:
    return ",".join(map(str, json.loads(text))) if isinstance(text, str) else None


def _room(there: Look, cluster: Cluster) -> Iterator[dict[str, Any]]:
    found = free_room.at(there.source, cluster)
    everything = Place(cluster.name, found.room, waiting=found.waiting)
    kinds = [("cluster", (everything,)), ("queue", found.queues), ("property", found.properties)]
    for kind, places in kinds:
        for place in places:
            room = place.room
            gpus, beside = room.gpu_block or (None, None)
            yield {
                "cluster": cluster.name, "place": kind, "name": place.name,
                "state": place.state if kind == "queue" else None, "any_node": place.any_node,
                "cores_free": room.capacity.free, "cores_installed": room.capacity.installed,
                "nodes_with_room": room.nodes_with_room, "block_cores": room.block, "gpus_free": room.gpus_free,
                "gpu_block_gpus": gpus, "gpu_block_cores": beside, "memory_bytes": room.memory_bytes,
                "waiting": place.waiting, "max_walltime_seconds": place.max_walltime_seconds,
            }  # fmt: skip
