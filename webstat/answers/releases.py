"""What the jobs of a cluster that run hold on which node, and until when: at the latest, and as others like them ended.

How long jobs run of the walltime they ask for is runs.py's; what is free when follows from it in future.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from collector.columns import Numbers
from webstat.answers.runs import COLUMNS, Runs, Shares, class_of, runs_of
from webstat.answers.track import LEVELS, Track, recalibrated, track
from webstat.data.queries.places import load_held
from webstat.data.source import Source
from webstat.format import DAY, HOUR
from webstat.health import Cluster

DAYS = 90
"""Of past jobs that what is expected rests on."""

STEP = 600
STEPS = DAY // STEP + 1
"""Steps of the next 24 hours; the last one begins where they end."""


@dataclass(frozen=True)
class Holding:
    """What a cluster's running jobs hold: the frame of releases(), and which part of the jobs similar to each had ended
    at each of `moments`, of shape (jobs, moments), jobs in the order of the frame. What has to end by then has."""

    rows: pd.DataFrame
    moments: Numbers
    ended: Numbers


def releases(source: Source, cluster: Cluster) -> pd.DataFrame:
    """What running jobs hold, one row for each job and node; of all jobs, through any veil.

    job_id str (not to be shown to who may not see the job), node str (empty where the scheduler does not tell), queue str,
    cores int64, gpus int64 (of a job on several nodes shared out evenly, since schedulers do not tell; 0 where none are
    told), memory_bytes float64 (asked for, by cores; NaN where not told), started_at float64, ends_by float64 (start and
    walltime asked, and what it was suspended for; NaN without; it may have passed), ends_p50 and ends_p90 float64 (when
    half and nine tenths of similar jobs had ended, never after ends_by unless that has passed; NaN without basis, or where
    such times have not held: see track_of()).
    Jobs that are suspended hold no cores and are not among them. Raises StoreEmpty, StoreBroken.
    """
    return holding(source, cluster).rows


def holding(source: Source, cluster: Cluster) -> Holding:
    """releases(), and what part of similar jobs had ended when, over the next 24 hours. Raises StoreEmpty, StoreBroken."""

    def make() -> Holding:
        held, now = source.ask(load_held, cluster.id or 0), int(cluster.taken_at or 0)
        shares, levels = _shares(source, cluster), track_of(source, cluster).levels
        moments = now + np.arange(STEPS) * STEP
        rows = by_node(expected(held, shares, now, levels))
        return Holding(rows, moments, ended_by(held, shares, now, moments, levels))

    return source.counted.get(("holding", cluster.id), cluster.report, make)


def track_of(source: Source, cluster: Cluster) -> Track:
    """How well the expected ends of the cluster's jobs have held, as of the last midnight (UTC)."""
    until = int(cluster.taken_at or 0) // DAY * DAY
    return source.share(("track", cluster.id, until), lambda: track(past_runs(source, cluster, until), until))


def _shares(source: Source, cluster: Cluster) -> Shares:
    """What the jobs tell that ended until the last full hour."""
    until = int(cluster.taken_at or 0) // HOUR * HOUR
    return source.counted.get(("shares", cluster.id), until, lambda: Shares.of(past_runs(source, cluster, until)))


def past_runs(source: Source, cluster: Cluster, until: int) -> Runs:
    """The jobs that ended in DAYS before `until`, and those that ran then."""
    jobs = source.explorer.jobs_of(cluster, until - DAYS * DAY, COLUMNS)
    runs = runs_of(jobs)
    # Columns may tell of what came after a past moment: what ended later still ran then.
    runs = runs.some(runs.started < until)
    return Runs(
        runs.cores,
        runs.queue,
        runs.walltime_class,
        runs.used,
        runs.started,
        np.where(runs.ended < until, runs.ended, np.inf),
        runs.due,
    )


def expected(
    held: pd.DataFrame, shares: Shares, now: float, levels: tuple[float, float] | None = LEVELS
) -> pd.DataFrame:
    """load_held() with ends_by, ends_p50 and ends_p90 as of releases(), for jobs that run at `now`.

    `levels` are the parts of the similar jobs that are taken for these; None: nothing is expected.
    """
    runs = _running(held)
    ends = np.full((2, len(held)), np.nan)
    if levels is not None:
        asked = held["walltime_seconds"].to_numpy()
        ends = runs.started + shares.quantiles(runs, _used(runs, held, now), levels) * asked
    # Some end a little after their walltime, when the scheduler gets to it: that is no reason to expect it later.
    ends = np.where(runs.due > now, np.minimum(ends, runs.due), ends)
    return held.assign(ends_by=runs.due, ends_p50=ends[0], ends_p90=ends[1])


def ended_by(
    held: pd.DataFrame, shares: Shares, now: float, moments: Numbers, levels: tuple[float, float] | None = LEVELS
) -> Numbers:
    """Holding.ended of load_held() at these moments. Without a basis a job ends with its walltime, or never."""
    runs = _running(held)
    due = runs.due[:, None]
    certain = ((due > now) & (due <= moments)).astype(np.float32)
    if levels is None:
        return certain
    then = (moments - runs.started[:, None]) / held["walltime_seconds"].to_numpy()[:, None]
    parts = recalibrated(shares.parts(runs, _used(runs, held, now), then), levels)
    return np.fmax(certain, parts).astype(np.float32)


def _running(held: pd.DataFrame) -> Runs:
    """load_held() as runs, of which it is not known what they use in the end."""
    started, asked = held["started_at"].to_numpy(), held["walltime_seconds"].to_numpy()
    asked = np.where(asked > 0, asked, np.nan)
    cores, queue = held["cores"].to_numpy(), held["queue_id"].to_numpy()
    unknown = np.full(len(held), np.nan)
    return Runs(
        cores, queue, class_of(asked), unknown, started, unknown, started + asked + held["suspended_seconds"].to_numpy()
    )


def _used(runs: Runs, held: pd.DataFrame, now: float) -> Numbers:
    """Which part of its walltime each has used; more than any where that is not known, so that nothing is similar."""
    used = np.maximum(now - runs.started, 0) / held["walltime_seconds"].to_numpy()
    return np.where(np.isnan(runs.due), np.inf, used)


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
