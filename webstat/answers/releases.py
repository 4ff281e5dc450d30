"""What the jobs of a cluster that run hold on which node, and until when: at the latest, and as others like them ended.

How long jobs run of the walltime they ask for is runs.py's; what is free when follows from it in future.py.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from webstat.answers.runs import COLUMNS, Runs, Shares, class_of, runs_of
from webstat.data.queries.places import load_held
from webstat.data.source import Source
from webstat.format import DAY, HOUR
from webstat.health import Cluster

DAYS = 90
"""Of past jobs that what is expected rests on."""

LEVELS: Final = (0.5, 0.9)
"""Parts of the similar jobs within whose time a job is expected to end."""


def releases(source: Source, cluster: Cluster) -> pd.DataFrame:
    """What running jobs hold, one row for each job and node; of all jobs, through any veil.

    job_id str (not to be shown to who may not see the job), node str (empty where the scheduler does not tell), queue str,
    cores int64, gpus int64 (of a job on several nodes shared out evenly, since schedulers do not tell; 0 where none are
    told), memory_bytes float64 (asked for, by cores; NaN where not told), started_at float64, ends_by float64 (start and
    walltime asked, and what it was suspended for; NaN without; it may have passed), ends_p50 and ends_p90 float64 (when
    half and nine tenths of similar jobs had ended, never after ends_by unless that has passed; NaN without basis).
    Jobs that are suspended hold no cores and are not among them. Raises StoreEmpty, StoreBroken.
    """

    def make() -> pd.DataFrame:
        held = source.ask(load_held, cluster.id or 0)
        return by_node(expected(held, _shares(source, cluster), float(cluster.taken_at or 0)))

    return source.share(("releases", cluster.id, cluster.report), make)


def _shares(source: Source, cluster: Cluster) -> Shares:
    """What the jobs tell that ended until the last full hour."""
    until = int(cluster.taken_at or 0) // HOUR * HOUR
    return source.counted.get(("shares", cluster.id), until, lambda: Shares(past_runs(source, cluster, until)))


def past_runs(source: Source, cluster: Cluster, until: int) -> Runs:
    """The jobs that ended in DAYS before `until`, and those that ran then."""
    jobs = source.explorer.jobs_of(cluster, until - DAYS * DAY, COLUMNS)
    runs = runs_of(jobs)
    # Columns may tell of what came after a past moment: what ended later still ran then.
    runs = runs.some(runs.started < until)
    return Runs(
        runs.queue,
        runs.walltime_class,
        runs.used,
        runs.started,
        np.where(runs.ended < until, runs.ended, np.inf),
        runs.due,
    )


def expected(held: pd.DataFrame, shares: Shares, now: float) -> pd.DataFrame:
    """load_held() with ends_by, ends_p50 and ends_p90 as of releases(), for jobs that run at `now`."""
    started, asked = held["started_at"].to_numpy(), held["walltime_seconds"].to_numpy()
    stood = held["suspended_seconds"].to_numpy()
    ends_by = started + asked + stood
    known = np.flatnonzero(~np.isnan(ends_by) & (asked > 0))
    ran = np.maximum(now - started[known], 0.0)
    queue = held["queue_id"].to_numpy()[known]
    nothing = np.full(len(known), np.nan)
    runs = Runs(queue, class_of(asked[known]), nothing, started[known], nothing, ends_by[known])
    shares_of = shares.quantiles(runs, ran / asked[known], LEVELS)
    ends = np.full((len(LEVELS), len(held)), np.nan)
    ends[:, known] = started[known] + shares_of * asked[known]
    # Some end a little after their walltime, when the scheduler gets to it: that is no reason to expect it later.
    ends = np.where(ends_by > now, np.minimum(ends, ends_by), ends)
    return held.assign(ends_by=ends_by, ends_p50=ends[0], ends_p90=ends[1])


def by_node(held: pd.DataFrame) -> pd.DataFrame:
    """The rows of releases() from those of expected()."""
    hosts = [one or {"": cores} for one, cores in zip(held["hosts"], held["cores"].tolist(), strict=True)]
    nodes = np.array([len(one) for one in hosts], dtype=np.int64)
    rows = held.loc[np.repeat(held.index.to_numpy(), nodes)].reset_index(drop=True)
    cores = np.array([count for one in hosts for count in one.values()], dtype=np.int64)
    all_cores = np.repeat(np.add.reduceat(cores, np.cumsum(nodes) - nodes) if len(nodes) else nodes, nodes)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(nodes) - nodes, nodes)
    on = np.repeat(nodes, nodes)
    gpus = rows["gpus"].to_numpy()
    return pd.DataFrame(
        {
            "job_id": rows["id"],
            "node": pd.Series([name for one in hosts for name in one], dtype="str"),
            "queue": rows["queue"],
            "cores": cores,
            "gpus": gpus // on + (place < gpus % on),
            "memory_bytes": rows["memory_bytes"] * cores / np.maximum(all_cores, 1),
            "started_at": rows["started_at"],
            **{name: rows[name] for name in ("ends_by", "ends_p50", "ends_p90")},
        }
    )
