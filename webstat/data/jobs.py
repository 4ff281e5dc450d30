"""The jobs that live and those that ended in the last 24 hours, of all clusters, kept until a new report comes.

Made of pieces: a cluster's living jobs by report, its ended ones by the hour, since those of past hours stay as they
are. Only the newest of each are kept, and beside what pages remember, since they are large.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from webstat.cache import Memory
from webstat.data import frames
from webstat.data.jobcolumns import About, Columns, job_columns
from webstat.data.jobtable import Table, Told, join, stack
from webstat.data.queries import jobs as queries
from webstat.data.queries.waiting import load_waiting_counted
from webstat.data.readings import readings
from webstat.data.source import Source
from webstat.format import DAY, HOUR
from webstat.health import Cluster

_Hour = tuple[int, ...]
"""An hour and the marks by which its jobs are known to be the same."""

_TABLES_KEPT, _PARTS_KEPT, _HOURS_KEPT, _ARRAYS_KEPT = 2, 2, 26, 5000
_MEMORIES = 10_000


def current(source: Source, clusters: Sequence[Cluster], now: float) -> pd.DataFrame:
    """One row a job that lives or ended in the last 24 hours (counted from the full hour), by cluster and id.

    key, kind (job or task), id, array_id, name, user, group, account, project, cluster, queue, state (STATES of
    jobcolumns.py), native_state, expects (ends, starts, ended or ""), why, why_tone ("", warn or bad), comment,
    depends_on, hold object (str or None); cores, nodes, gpus int64; exit_status, memory_bytes, walltime_seconds,
    submitted_at, eligible_at, started_at, ended_at, walltime_used_seconds, cpu_used_seconds, memory_used_bytes,
    priority, waited_seconds, ran_seconds, expected_at, tasks_done, tasks_running, tasks_waiting, tasks_total
    float64 (NaN where not told). The frame is shared: take what is needed, and change nothing.
    Raises StoreEmpty, StoreBroken.
    """
    return table(source, clusters, now).frame


def table(source: Source, clusters: Sequence[Cluster], now: float) -> Table:
    """The same as a Table, which can be searched and folded."""
    known = [cluster for cluster in clusters if cluster.id is not None and cluster.report]
    since = int(now // HOUR * HOUR) - DAY
    stamp = (since, *((cluster.name, cluster.title, cluster.report) for cluster in known))
    return _kept(source, _TABLES_KEPT, "table").get(stamp, lambda: _table(source, known, since))


def _table(source: Source, clusters: Sequence[Cluster], since: int) -> Table:
    parts = [
        _kept(source, _PARTS_KEPT, "part", cluster.id).get(
            (cluster.report, cluster.title, since), partial(_part, source, cluster, since)
        )
        for cluster in clusters
    ]
    if not parts:
        nobody = np.array([None], dtype=object)
        return join([], [job_columns(queries.no_jobs(), About("", "", "", 0, {}), nobody)], nobody, {})
    told = {key: one for _, of_part in parts for key, one in of_part.items()}
    return join([cluster.name for cluster in clusters], [columns for columns, _ in parts], _words(source), told)


def _part(source: Source, cluster: Cluster, since: int) -> tuple[Columns, dict[str, Told]]:
    """One cluster's jobs, and what else is told of their arrays."""
    # In this order, whatever is stored meanwhile: no job that ends is missed, and every word that a job uses is known.
    living = source.ask(queries.load_living_jobs, cluster.id)
    ended = list(_ended(source, cluster, since))
    words = _words(source)
    pieces = [_of_hour(source, cluster, key, rows, words) for key, rows in ended]
    about = replace(
        _about(cluster, frames.queue_states(source.queues(cluster))),
        queued_since=_queued_since(source, cluster),
        derived=readings(source, cluster).told,
    )
    pieces.append(job_columns(living, about, words))
    return stack(pieces), _told(source, cluster, pieces, since)


def _ended(source: Source, cluster: Cluster, since: int) -> Iterator[tuple[_Hour, pd.DataFrame]]:
    kept = _kept(source, _HOURS_KEPT, "ended rows", cluster.id)
    hours = source.ask(queries.load_ended_hours, cluster.id, since)
    for hour, *marks in hours.itertuples(index=False, name=None):
        load = partial(source.ask, queries.load_ended_jobs, cluster.id, hour, hour + HOUR)
        yield (hour, *marks), kept.get((hour, *marks), load)


def _of_hour(source: Source, cluster: Cluster, hour: _Hour, rows: pd.DataFrame, words: np.ndarray) -> Columns:
    kept = _kept(source, _HOURS_KEPT, "ended", cluster.id)
    return kept.get((*hour, cluster.title), lambda: job_columns(rows, _about(cluster, {}), words))


def _about(cluster: Cluster, queue_states: Mapping[str, str]) -> About:
    taken_at = int(cluster.taken_at or 0)
    return About(cluster.name, cluster.title, cluster.scheduler_kind or "", taken_at, queue_states)


def _queued_since(source: Source, cluster: Cluster) -> dict[str, np.ndarray] | None:
    """Since when the queued jobs of each queue wait, where not all of them are listed."""
    if source.veil is None or source.veil.lists:
        return None
    waiting = source.ask(load_waiting_counted, cluster.id)
    waiting = waiting[waiting["state"] == "queued"]
    since = waiting["eligible_at"].fillna(waiting["submitted_at"])
    return {str(queue): np.sort(times.to_numpy(dtype=np.float64)) for queue, times in since.groupby(waiting["queue"])}


def _words(source: Source) -> np.ndarray:
    words = source.ask(queries.load_words)
    texts = np.full(int(words["id"].max()) + 1 if len(words) else 1, None, dtype=object)
    texts[words["id"].to_numpy()] = words["text"].to_numpy()
    return texts


def _told(source: Source, cluster: Cluster, pieces: Sequence[Columns], since: int) -> dict[str, Told]:
    """What the store tells of the cluster's arrays that have tasks in `pieces`, by their keys."""
    ids: dict[str, str] = {}
    early: list[str] = []
    for piece in pieces:
        tasks = np.flatnonzero(piece["array_number"] != None)  # noqa: E711 - of each element
        ids |= zip(piece["array_number"][tasks], piece["array_id"][tasks], strict=True)
        early += piece["array_number"][tasks[piece["submitted_at"][tasks] < since]].tolist()
    totals = source.ask(queries.load_array_totals, cluster.id, tuple(ids))
    total = dict(zip(totals["number"], totals["total"].tolist(), strict=True))
    # What ended before stays so: it is counted once for each array that is old enough to have such tasks.
    kept = _kept(source, _ARRAYS_KEPT, "arrays", cluster.id)
    ended = {
        number: kept.get((number, since), partial(_ended_before, source, cluster, number, since))
        for number in dict.fromkeys(early)
    }
    return {
        f"{cluster.name}/{array_id}": Told(total.get(number, 0), ended.get(number, 0))
        for number, array_id in ids.items()
    }


def _ended_before(source: Source, cluster: Cluster, number: str, since: int) -> int:
    return int(source.ask(queries.load_array_ended, cluster.id, (number,), since)["ended"].iloc[0])


def _kept(source: Source, size: int, *what: object) -> Memory:
    """A small memory of its own for something of which only the newest is asked for."""
    # All in one place among what pages remember: each for itself would crowd the others out on a site of many clusters.
    every = source.remember(("jobs",), lambda: Memory(_MEMORIES))
    return every.get(what, lambda: Memory(size))
