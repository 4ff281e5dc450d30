"""The clusters as they are, or were at a moment, as tables: clusters, queues, nodes, jobs, room."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from webstat import twins
from webstat.answers.future import COLUMNS
from webstat.answers.future import future as foreseen
from webstat.answers.releases import STEP
from webstat.api.jobs import Refused as RefusedJobs
from webstat.api.jobs import asked_of
from webstat.api.v1.columns import AGE
from webstat.api.v1.refusals import Refused
from webstat.api.v1.sheets import Look, Sheet, columns_of
from webstat.api.v1.there import There, there
from webstat.api.v1.words import JOB_NOW_COLUMNS
from webstat.data import frames
from webstat.data import free as free_room
from webstat.data import jobs as current
from webstat.data.free import Place
from webstat.data.jobrows import flat_rows, sort_rows, window
from webstat.data.jobsearch import search
from webstat.health import Cluster, health

CLUSTERS = (
    "cluster", "title", "scheduler", "demo", "state", "says", "taken_at", "age_seconds", "period_seconds", "report",
    "partial", "cores_installed", "cores_usable", "cores_in_use", "cores_free", "cores_offline", "cores_reserved",
    "utilisation", "gpus_installed", "gpus_free", "nodes", "nodes_out", "nodes_whole", "jobs_running", "jobs_queued",
    "jobs_held", "jobs_suspended", "cores_queued", "users",
)  # fmt: skip

QUEUES = (
    "cluster", "name", "type", "state", "enabled", "starts", "routing", "priority", "max_walltime_seconds", "limits",
    "jobs_running", "cores_running", "jobs_queued", "cores_queued", "jobs_held", "started", "wait_50", "wait_90", *AGE,
)  # fmt: skip

NODES = (
    "cluster", "name", "state", "native_state", "cores", "cores_used", "gpus", "gpus_used", "memory_bytes",
    "memory_used_bytes", "load", "properties", "comment", *AGE,
)  # fmt: skip

JOBS = (*JOB_NOW_COLUMNS, *AGE)

FREE = (
    "cluster", "place", "name", "state", "usable", "any_node", "cores_free", "cores_installed", "nodes",
    "nodes_with_room", "nodes_whole", "block_cores", "gpus_free", "gpus_installed", "gpu_block_gpus",
    "gpu_block_cores", "memory_bytes", "waiting", "max_walltime_seconds", *AGE,
)  # fmt: skip

FUTURE = ("cluster", "at", "until", *COLUMNS, "cores_usable", *AGE)

MOST_PROPERTIES = 100
"""Kinds of node that are told of a cluster; meta says of how many more none is."""

_OF_QUEUES = {
    "jobs_running": "running", "cores_running": "running_cores", "jobs_queued": "queued",
    "cores_queued": "queued_cores", "jobs_held": "held", "wait_50": "wait_half", "wait_90": "wait_most",
}  # fmt: skip


def clusters(look: Look) -> Sheet:
    """A row a cluster."""
    seen = there(look)
    rows = [_cluster(seen, one) for one in seen.chosen]
    kept = [row for row in rows if seen.keeps("state", row["state"])]
    return Sheet(f"clusters-{seen.moment}", columns_of(kept, CLUSTERS), seen.meta())


def _cluster(seen: There, cluster: Cluster) -> dict[str, Any]:
    known = health(cluster, seen.now)
    row = twins.about(cluster, known, seen.now)
    row |= {"period_seconds": cluster.period_seconds, "says": twins.says(known, seen.now)}
    if cluster.report:
        capacity, jobs = seen.source.capacity(cluster), frames.jobs(seen.source.totals(cluster))
        row |= twins.counts(capacity, jobs)
        row |= {"report": cluster.report, "partial": ",".join(cluster.partial), "users": jobs.users}
        row |= {"cores_queued": jobs.queued_cores, "utilisation": capacity.share, "cores_usable": capacity.usable}
        if capacity.installed is not None:
            row |= {"cores_offline": capacity.offline, "cores_reserved": capacity.reserved}
            row |= {"nodes": capacity.nodes, "nodes_out": capacity.out, "nodes_whole": capacity.whole_nodes}
    return row


def queues(look: Look) -> Sheet:
    """A row a queue; started, wait_50 and wait_90 are of the last seven days."""
    seen = there(look)
    rows = [row for one in seen.seen for row in _queues(seen, one)]
    kept = [row for row in rows if seen.keeps("queue", row["name"]) and seen.keeps("state", row["state"])]
    return Sheet(f"queues-{seen.moment}", seen.aged(columns_of(kept, QUEUES)), seen.meta())


def _queues(seen: There, cluster: Cluster) -> Iterator[dict[str, Any]]:
    listed = seen.source.queues(cluster)
    frame = frames.queues_frame(listed, seen.source.totals(cluster), seen.source.waits(cluster))
    frame = frame.rename(columns={theirs: name for name, theirs in _OF_QUEUES.items()})
    told = {row["name"]: row for row in listed.to_dict("records")}
    for row in frame.to_dict("records"):
        own = told.get(row["name"], {})
        row |= {"cluster": cluster.name, "starts": own.get("started"), "limits": _limits(own.get("limits"))}
        yield row | {name: own.get(name) for name in ("type", "enabled", "priority")}


def nodes(look: Look) -> Sheet:
    """A row a node."""
    seen = there(look)
    rows = []
    for cluster in seen.seen:
        for row in seen.source.nodes(cluster).to_dict("records"):
            has = _names(row["properties"])
            of_one = not seen.words.get("property") or any(seen.keeps("property", name) for name in has)
            if of_one and seen.keeps("node", row["name"]) and seen.keeps("state", row["state"]):
                rows.append({"cluster": cluster.name, **row, "properties": ",".join(has)})
    return Sheet(f"nodes-{seen.moment}", seen.aged(columns_of(rows, NODES)), seen.meta())


def free(look: Look) -> Sheet:
    """A row a cluster, queue, and property of nodes: what is free there."""
    seen = there(look)
    found = {one: free_room.at(seen.source, one, MOST_PROPERTIES) for one in seen.seen}
    rows = [row for one, room in found.items() for row in _room(one, room)]
    kept = [row for row in rows if seen.keeps("place", row["place"]) and seen.keeps("name", row["name"])]
    left_out = {one.name: room.more_properties for one, room in found.items() if room.more_properties}
    return Sheet(f"free-{seen.moment}", seen.aged(columns_of(kept, FREE)), seen.meta(properties_left_out=left_out))


def _room(cluster: Cluster, found: free_room.Free) -> Iterator[dict[str, Any]]:
    everything = Place(cluster.name, found.room, waiting=found.waiting)
    kinds = [("cluster", (everything,)), ("queue", found.queues), ("property", found.properties)]
    for kind, places in kinds:
        for place in places:
            room = place.room
            gpus, beside = room.gpu_block or (None, None)
            told = room.capacity.installed is not None
            of_queue = kind == "queue"
            yield {
                "cluster": cluster.name, "place": kind, "name": place.name,
                "state": place.state if of_queue else None, "usable": place.usable if of_queue else None,
                "any_node": place.any_node if of_queue else None,
                "cores_free": room.capacity.free, "cores_installed": room.capacity.installed,
                "nodes": room.capacity.nodes, "nodes_with_room": room.nodes_with_room if told else None,
                "nodes_whole": room.capacity.whole_nodes if told else None,
                "block_cores": room.block if told else None, "gpus_free": room.gpus_free,
                "gpus_installed": room.capacity.gpus, "gpu_block_gpus": gpus, "gpu_block_cores": beside,
                "memory_bytes": room.memory_bytes, "waiting": place.waiting,
                "max_walltime_seconds": place.max_walltime_seconds,
            }  # fmt: skip


def future(look: Look) -> Sheet:
    """A row a cluster and ten minutes of the 24 hours after its newest report: what would be free before anything starts."""
    seen = there(look)
    columns: dict[str, Any] = {name: [] for name in FUTURE if name not in AGE}
    told = {}
    for cluster in seen.seen:
        found = foreseen(seen.source, cluster)
        if found is None:
            continue
        at = found.steps.index.to_numpy()
        columns["cluster"] += [cluster.name] * len(at)
        columns["at"] += at.tolist()
        columns["until"] += (at + STEP).tolist()
        columns["cores_usable"] += [found.usable] * len(at)
        for name in COLUMNS:
            columns[name] += found.steps[name].tolist()
        told[cluster.name] = {
            "cores_held": found.held,
            "cores_without_end": found.endless,
            "cores_overdue": found.overdue,
            "cores_by_walltime_only": found.unforetold,
            "jobs_tried": found.track.tried,
            "ended_by_50": found.track.half,
            "ended_by_90": found.track.most,
            "likely_held": found.track.least,
        }
    meta = seen.meta(step_seconds=STEP, rests_on=told)
    return Sheet(f"future-{seen.moment}", seen.aged(columns), meta)


def jobs(look: Look) -> Sheet:
    """A row a job that lives or ended in the last 24 hours, tasks of arrays each by itself."""
    seen = there(look)
    try:
        asked = asked_of(look.words)
    except RefusedJobs as refused:
        raise Refused([str(refused)]) from refused
    table = current.table(seen.source, seen.source.clusters(), seen.now)
    rows = flat_rows(table, np.flatnonzero(search(table, asked.query).without()))
    order = sort_rows(rows, asked.sort, asked.descending)
    columns = window(rows, order[look.form.offset : look.form.offset + look.form.limit], JOB_NOW_COLUMNS)
    return Sheet(f"jobs-{seen.moment}", seen.aged(columns), seen.meta(), len(order))


def _names(text: Any) -> list[str]:
    return list(map(str, json.loads(text))) if isinstance(text, str) else []


def _limits(text: Any) -> str | None:
    """Limits as the scheduler writes them."""
    if not isinstance(text, str) or pd.isna(text):
        return None
    return "; ".join(f"{name} = {value}" for name, value in json.loads(text).items())
