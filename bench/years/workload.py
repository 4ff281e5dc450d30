"""What is submitted to a cluster: times with a rhythm of days and weeks, sizes, walltimes, fates. Pure.

When jobs start and end is decided by machine.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.years.clusters import DAY, GROWS_AT, HOUR, Cluster

Numbers = npt.NDArray[Any]

CHUNK_HOURS = 28 * 24
"""Jobs are made for so many hours at once."""

PLAIN, DELETED, RERUN, SUSPENDED = range(4)
"""`fate`: deleted before it starts; put back once; suspended once."""
_FATES = (0.945, 0.04, 0.007, 0.008)

_POPULAR = np.array(
    [600, 1800, 3600, 2 * HOUR, 4 * HOUR, 8 * HOUR, 12 * HOUR, DAY, 2 * DAY, 3 * DAY, 7 * DAY, 14 * DAY]
)
"""Walltimes that people ask for."""
_STATUSES = np.array([1, 1, 1, 2, 127, 137, 139, 265])
_KILLED = 271
"""Exit status of a job that is ended at its walltime."""
_PILOT = 60_000
_SIGMA = 1.6


class Job(NamedTuple):
    """One job as it is submitted. `units` are those of a node of its pool; `nodes` more than 1 are whole ones."""

    number: int
    array: int
    """Number of its array, else -1; `index` its place there."""
    index: int
    name: str
    user: int
    queue: int
    pool: int
    units: int
    nodes: int
    submitted_at: int
    eligible_at: int
    walltime: int
    runtime: int
    status: int
    efficiency_percent: int
    memory_bytes: int
    fate: int


def submissions(cluster: Cluster) -> Iterator[tuple[int, list[Job], dict[int, int]]]:
    """(second up to which they are submitted, jobs in order, sizes of arrays by number), CHUNK_HOURS at a time."""
    hours = _jobs_by_hour(cluster)
    factors = _runtime_factors(cluster)
    number = 1000 * (cluster.number + 1)
    for first in range(0, len(hours), CHUNK_HOURS):
        some = hours[first : first + CHUNK_HOURS]
        random = _random(cluster.seed, str(first))
        start = cluster.start + first * HOUR
        end = min(start + len(some) * HOUR, cluster.end)
        at = np.repeat(start + np.arange(len(some)) * HOUR, some)
        at = np.sort(np.minimum(at + random.integers(0, HOUR, len(at)), end - 1))
        jobs, arrays, number = _jobs(cluster, random, at, factors, number)
        yield end, jobs, arrays


def _random(seed: str, what: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(sha256(f"{seed}:{what}".encode()).digest()[:8], "big"))


def _jobs_by_hour(cluster: Cluster) -> Numbers:
    """How many are submitted in each hour: more by day than by night, fewer at weekends, good and bad weeks."""
    random = _random(cluster.seed, "hours")
    hours = np.arange(-(-(cluster.end - cluster.start) // HOUR))
    at = cluster.start // HOUR + hours
    rate = 1.0 + 0.8 * np.sin((at % 24 - 8) / 24 * 2 * np.pi)
    weekday = (at // 24 + 3) % 7
    rate *= np.where(weekday >= 5, 0.45, 1.0)
    rate *= random.lognormal(0, 0.25, len(hours) // 168 + 1)[hours // 168]
    rate *= np.where(hours < GROWS_AT * len(hours), 0.9, 1.0)
    total = np.floor(np.cumsum(rate / rate.sum()) * (cluster.jobs - cluster.living) + 0.5)
    counts = np.diff(total, prepend=0).astype(np.int64)
    last = min(36, len(counts))
    counts[-last:] += np.diff(np.arange(last + 1) * cluster.living // last)
    return counts


def _runtime_factors(cluster: Cluster) -> Numbers:
    """By how much runtimes in each pool are to be stretched so that its load is as told."""
    later = np.array([pool.later for pool in cluster.pools]) * GROWS_AT
    capacity = np.array([pool.cores * pool.nodes for pool in cluster.pools]) - later * [p.cores for p in cluster.pools]
    wanted = cluster.load * capacity * (cluster.end - cluster.start) / max(1, cluster.jobs)
    factors = np.ones(len(cluster.pools))
    for _ in range(6):
        columns = _columns(cluster, _random(cluster.seed, "pilot"), np.zeros(_PILOT, np.int64), factors)
        used = _cores(cluster, columns) * columns["runtime"] * (columns["fate"] != DELETED)
        factors *= wanted / (np.bincount(columns["pool"], weights=used, minlength=len(factors)) / _PILOT)
    return factors


def _cores(cluster: Cluster, columns: dict[str, Numbers]) -> Numbers:
    per_unit = np.array([pool.cores // pool.units for pool in cluster.pools])
    return columns["units"] * columns["nodes"] * per_unit[columns["pool"]]


def _jobs(
    cluster: Cluster, random: np.random.Generator, at: Numbers, factors: Numbers, number: int
) -> tuple[list[Job], dict[int, int], int]:
    """Jobs of these times: some of them are many of one array, submitted together."""
    sizes = np.where(random.random(len(at)) < 0.015, random.integers(5, 60, len(at)), 1)
    starts = np.cumsum(sizes) - sizes
    sizes = sizes[starts < len(at)]
    starts = starts[: len(sizes)]
    if len(sizes):
        sizes[-1] = len(at) - starts[-1]
    one = np.repeat(np.arange(len(sizes)), sizes)
    columns = _columns(cluster, random, at[starts], factors)
    columns = {name: values[one] for name, values in columns.items()}
    vary = np.where(sizes[one] > 1, random.uniform(0.5, 1.0, len(one)), 1.0)
    columns["runtime"] = np.maximum(1, columns["runtime"] * vary).astype(np.int64)
    numbers = number + one
    columns |= {
        "number": numbers,
        "array": np.where(sizes[one] > 1, numbers, -1),
        "index": np.arange(len(one)) - starts[one],
    }
    users = cluster.users
    stem, count = columns.pop("stem").tolist(), columns.pop("count").tolist()
    names = [
        users[user].jobs[place] + (f"-{suffix}" if suffix else "")
        for user, place, suffix in zip(columns["user"].tolist(), stem, count, strict=True)
    ]
    lists = {name: values.tolist() for name, values in columns.items()} | {"name": names}
    jobs = [Job(*row) for row in zip(*[lists[name] for name in Job._fields], strict=True)]
    arrays = {int(number + place): int(sizes[place]) for place in np.flatnonzero(sizes > 1)}
    return jobs, arrays, number + len(sizes)


def _columns(cluster: Cluster, random: np.random.Generator, at: Numbers, factors: Numbers) -> dict[str, Numbers]:
    """All but numbers and names of jobs submitted at these times."""
    users, size = cluster.users, len(at)
    weights = np.array([user.weight for user in users])
    user = random.choice(len(users), size, p=weights / weights.sum())
    pool = (random.random(size) < 0.12).astype(np.int64) if len(cluster.pools) > 1 else np.zeros(size, np.int64)
    per_node = np.array([one.units for one in cluster.pools])[pool]
    most = np.array([max(1, (one.nodes - one.later) // 8) for one in cluster.pools])[pool]
    usual = np.array([one.log2_cores for one in users])[user]
    wanted = np.exp2(np.where(pool == 0, np.rint(random.normal(usual, 1.0)), random.integers(0, 4, size))).clip(1)
    nodes = np.minimum(np.ceil(wanted / per_node), most).astype(np.int64)
    units = np.where(nodes > 1, per_node, np.minimum(wanted, per_node)).astype(np.int64)
    limits = np.array([queue.max_walltime_seconds for queue in cluster.queues])
    gpu = np.array([queue.gpu for queue in cluster.queues])
    longest = np.array([max(limits[gpu == bool(number)]) for number in range(len(cluster.pools))])[pool]
    runtime = random.lognormal(np.log(2.5 * HOUR * factors[pool]), _SIGMA, size).clip(5, longest)
    failed = random.random(size) < np.array([one.fails for one in users])[user]
    runtime = np.where(failed, runtime * random.random(size), runtime).clip(1)
    asked = _POPULAR[np.searchsorted(_POPULAR, (runtime / random.uniform(0.15, 1.0, size)).clip(0, 14 * DAY))]
    asked = np.minimum(asked, longest)
    killed = (random.random(size) < 0.02) & ~failed & (runtime >= _POPULAR[0])
    asked = np.where(killed, _POPULAR[np.searchsorted(_POPULAR, runtime, side="right") - 1], asked)
    runtime = np.where(killed, asked + random.integers(0, 40, size), np.minimum(runtime, asked)).astype(np.int64)
    queue = np.zeros(size, np.int64)
    skip = random.random(size) < 0.1
    for number in range(len(cluster.pools)):
        here = np.flatnonzero(gpu == bool(number))
        fits = np.searchsorted(limits[here], asked)
        queue = np.where(pool == number, here[np.minimum(fits + skip, len(here) - 1)], queue)
    late = random.random(size) < 0.05
    efficiency = (np.array([one.efficiency for one in users])[user] * random.normal(1, 0.1, size)).clip(0.01, 1)
    memory = np.array([one.memory_bytes for one in cluster.pools])[pool] // per_node * units * nodes
    status = np.where(failed, _STATUSES[random.integers(0, len(_STATUSES), size)], np.where(killed, _KILLED, 0))
    return {
        "user": user,
        "queue": queue,
        "pool": pool,
        "units": units,
        "nodes": nodes,
        "submitted_at": at,
        "eligible_at": at + np.where(late, random.exponential(6 * HOUR, size), 0).astype(np.int64),
        "walltime": asked,
        "runtime": runtime.clip(1),
        "status": status,
        "efficiency_percent": (efficiency * 100).astype(np.int64),
        "memory_bytes": (memory * random.choice([0.25, 0.5, 1.0], size)).astype(np.int64),
        "fate": random.choice(len(_FATES), size, p=_FATES),
        "stem": random.integers(0, 3, size),
        "count": random.integers(0, 40, size),
    }
