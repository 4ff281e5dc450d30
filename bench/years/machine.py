"""Plays a cluster: which job runs when and on which nodes, which nodes are out. Pure; a simple list scheduler.

First come, first served, but whatever fits may go first; jobs of several nodes that have waited long gather nodes as
they become empty. Nodes are taken out now and then, when their jobs are over. What is submitted is workload.py's.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from random import Random

from agent.states import NodeState
from bench.years.clusters import DAY, GROWS_AT, HOUR, Cluster, Pool
from bench.years.workload import DELETED, RERUN, Job, submissions

POLL_SECONDS = 60
POLLED_DAYS = 100
"""How long counts for polls are kept."""

_LOOKED_AT = 50
"""How many waiting jobs are tried when something ends."""
_CYCLES = 1 / 20
"""How soon, per second, a job starts that may."""
_PATIENCE = 8 * HOUR
_OUTAGE_DAYS = 120
"""Mean time between two outages of one node."""

_ARRIVES, _ENDS, _OUT, _BACK = range(4)
"""What happens; of what happens in the same second, in this order."""

Hosts = tuple[int, ...]
"""Numbers of the nodes that a job has."""

Span = tuple[int, int, int, NodeState]
"""(number of a node, since, until, its state)"""


@dataclass(slots=True)
class Life:
    """A job and what became of it; `started_at` 0 while it has not started."""

    job: Job
    started_at: int = 0
    ended_at: int = 0
    hosts: Hosts = ()
    runs: tuple[tuple[int, int], ...] = ()


@dataclass
class Played:
    """What a stretch of time came to, in order of the ends; `until` is its end."""

    until: int
    ended: list[Life]
    spans: list[Span]
    arrays: dict[int, int]
    living: list[Life] = field(default_factory=list)
    """At the end of all."""
    out: dict[int, NodeState] = field(default_factory=dict)
    """Nodes that start nothing, at the end of all."""
    counts: list[tuple[int, int, int]] = field(default_factory=list)
    """(second, jobs running, jobs waiting) from then on, whenever it changes; of the last POLLED_DAYS, at the end of all."""


@dataclass(slots=True)
class _Seen:
    """What polls have seen of a node: `shown` since `since`; the poll `at` sees `state`, unless it changes until then."""

    since: int
    shown: NodeState
    at: int
    state: NodeState


class _Free:
    """The nodes of a pool by their free units, and the jobs that wait for them."""

    def __init__(self, pool: Pool) -> None:
        self.whole = pool.units
        self.by_units: list[dict[int, None]] = [{} for _ in range(pool.units + 1)]
        self.units: dict[int, int] = {}
        self.out: dict[int, NodeState] = {}
        """Nodes that start nothing."""
        self.waiting: dict[int, Life] = {}
        self.gathered: list[int] = []
        """Empty nodes kept for the first of the waiting."""

    @property
    def empty(self) -> dict[int, None]:
        """Nodes of which nothing is taken."""
        return self.by_units[self.whole]

    @property
    def most(self) -> int:
        """Units that one node can give."""
        return next((units for units in range(self.whole, 0, -1) if self.by_units[units]), 0)

    def change(self, node: int, units: int) -> None:
        """Take (or give back, where negative) units of a node."""
        left = self.units[node]
        self.units[node] = left - units
        if node not in self.out:
            del self.by_units[left][node]
            self.by_units[left - units][node] = None

    def find(self, job: Job) -> Hosts:
        """Nodes for a job, the fullest that does for one that needs no whole nodes; () where there are none."""
        if job.nodes > 1:
            return tuple(islice(self.empty, job.nodes)) if len(self.empty) >= job.nodes else ()
        return next(((next(iter(nodes)),) for nodes in islice(self.by_units, job.units, None) if nodes), ())

    def release(self) -> None:
        """Give up what was gathered."""
        self.empty.update(dict.fromkeys(self.gathered))
        self.gathered.clear()

    def close(self, node: int, state: NodeState) -> None:
        """Start nothing on a node from now on."""
        self.out[node] = state
        if node in self.gathered:
            self.gathered.remove(node)
        else:
            del self.by_units[self.units[node]][node]

    def open(self, node: int) -> None:
        """Start jobs on an empty node, a new one or one that comes back."""
        self.out.pop(node, None)
        self.units[node] = self.whole
        self.empty[node] = None


class Machine:
    """One cluster's scheduler and nodes, from the first second to the last."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._random = Random(f"outages:{cluster.seed}")
        self._pools = [_Free(pool) for pool in cluster.pools]
        self._pool_of = [free for free, pool in zip(self._pools, cluster.pools, strict=True) for _ in range(pool.nodes)]
        self._events: list[tuple[int, int, int, Life | int]] = []
        self._order = 0
        self._held: dict[int, Life] = {}
        self._running: dict[int, Life] = {}
        self._ended: list[Life] = []
        self._seen: dict[int, _Seen] = {}
        self._spans: list[Span] = []
        self._counts: list[tuple[int, int, int]] = []
        extended = cluster.start + int(GROWS_AT * (cluster.end - cluster.start))
        for pool in cluster.pools:
            for place in range(pool.nodes):
                at = extended if place >= pool.nodes - pool.later else cluster.start
                self._push(at, _BACK, pool.first + place)

    def play(self) -> Iterator[Played]:
        """The whole time, a stretch after the other."""
        for until, jobs, arrays in submissions(self._cluster):
            for job in jobs:
                self._push(job.submitted_at, _ARRIVES, Life(job))
            self._run(until)
            played = Played(until, self._ended, self._spans, arrays)
            if until >= self._cluster.end:
                self._finish(played)
            self._ended, self._spans = [], []
            yield played

    def _push(self, at: int, what: int, whom: Life | int) -> None:
        self._order += 1
        heapq.heappush(self._events, (at, what, self._order, whom))

    def _run(self, until: int) -> None:
        events, counted_from = self._events, self._cluster.end - POLLED_DAYS * DAY
        while events and events[0][0] < until:
            at, what, _, whom = heapq.heappop(events)
            if isinstance(whom, int):
                self._turn(at, what, whom)
            elif what == _ARRIVES:
                self._arrive(at, whom)
            else:
                self._end(at, whom)
            if at >= counted_from:
                waiting = len(self._held) + sum(len(pool.waiting) for pool in self._pools)
                self._counts.append((at, len(self._running), waiting))

    def _arrive(self, at: int, life: Life) -> None:
        job, key = life.job, _key(life.job)
        if job.fate == DELETED:
            self._held[key] = life
            self._push(at + 1 + int(self._random.expovariate(1 / (3 * HOUR))), _ENDS, life)
        elif job.eligible_at > at:
            self._held[key] = life
            self._push(job.eligible_at, _ARRIVES, life)
        else:
            self._held.pop(key, None)
            pool = self._pools[job.pool]
            pool.waiting[key] = life
            if len(pool.waiting) <= _LOOKED_AT:
                self._try(at, pool, life)

    def _try(self, at: int, pool: _Free, life: Life) -> None:
        job, hosts = life.job, pool.find(life.job)
        if not hosts:
            return
        del pool.waiting[_key(job)]
        self._running[_key(job)] = life
        life.started_at, life.hosts = at + 1 + int(self._random.expovariate(_CYCLES)), hosts
        for node in hosts:
            pool.change(node, job.units)
            self._see(at, pool, node)
        is_cut = job.fate == RERUN and not life.runs
        self._push(life.started_at + (max(1, job.runtime // 3) if is_cut else job.runtime), _ENDS, life)

    def _end(self, at: int, life: Life) -> None:
        job, key = life.job, _key(life.job)
        if job.fate == DELETED:
            del self._held[key]
            life.ended_at = at
            self._ended.append(life)
            return
        pool = self._pools[job.pool]
        del self._running[key]
        for node in life.hosts:
            pool.change(node, -job.units)
            self._see(at, pool, node)
            if node in pool.out and pool.units[node] == pool.whole:
                self._repair(at, node)
        if job.fate == RERUN and not life.runs:
            life.runs = ((life.started_at, at),)
            life.started_at, life.hosts = 0, ()
            pool.waiting[key] = life
        else:
            life.ended_at = at
            self._ended.append(life)
        self._fill(at, pool)

    def _fill(self, at: int, pool: _Free) -> None:
        """Start what fits of those that have waited longest."""
        self._gather(at, pool)
        most = pool.most
        for life in list(islice(pool.waiting.values(), _LOOKED_AT)):
            if not most:
                break
            if life.job.nodes <= len(pool.empty) if life.job.nodes > 1 else life.job.units <= most:
                self._try(at, pool, life)
                most = pool.most

    def _gather(self, at: int, pool: _Free) -> None:
        """Keep empty nodes for the first of the waiting, where it needs several and has waited long."""
        head = next(iter(pool.waiting.values()), None)
        if head is None or head.job.nodes == 1 or at - head.job.submitted_at < _PATIENCE:
            pool.release()
            return
        while pool.empty and len(pool.gathered) < head.job.nodes:
            pool.gathered.append(pool.empty.popitem()[0])
        if len(pool.gathered) >= head.job.nodes:
            pool.release()
            self._try(at, pool, head)

    def _turn(self, at: int, what: int, node: int) -> None:
        """A node is to be taken out as soon as it is empty, or comes back."""
        pool = self._pool_of[node]
        if what == _BACK:
            pool.open(node)
            self._push(at + HOUR + int(self._random.expovariate(1 / (_OUTAGE_DAYS * DAY))), _OUT, node)
            self._see(at, pool, node)
            self._fill(at, pool)
            return
        is_empty = pool.units[node] == pool.whole
        pool.close(node, NodeState.DOWN if is_empty and self._random.random() < 0.5 else NodeState.OFFLINE)
        self._see(at, pool, node)
        if is_empty:
            self._repair(at, node)

    def _repair(self, at: int, node: int) -> None:
        self._push(at + HOUR + int(self._random.expovariate(1 / (1.5 * DAY))), _BACK, node)

    def _see(self, at: int, pool: _Free, node: int) -> None:
        """Note what the next poll will see of a node."""
        free, tick = pool.units[node], -(-at // POLL_SECONDS) * POLL_SECONDS
        used = NodeState.FREE if free == pool.whole else NodeState.PARTIAL if free else NodeState.BUSY
        state = pool.out.get(node, used) if pool.out else used
        seen = self._seen.get(node)
        if seen is None:
            self._seen[node] = _Seen(tick, state, tick, state)
            return
        if seen.at != tick:
            self._poll(node, seen)
        seen.at, seen.state = tick, state

    def _poll(self, node: int, seen: _Seen) -> None:
        if seen.state is seen.shown:
            return
        if seen.at > seen.since:
            self._spans.append((node, seen.since, seen.at, seen.shown))
        seen.since, seen.shown = seen.at, seen.state

    def _finish(self, played: Played) -> None:
        end = self._cluster.end
        for node, seen in self._seen.items():
            if seen.at < end:
                self._poll(node, seen)
            played.spans.append((node, seen.since, end, seen.shown))
        living = [*self._held.values(), *self._running.values()]
        living += [life for pool in self._pools for life in pool.waiting.values()]
        played.living = sorted(living, key=lambda life: _key(life.job))
        played.out = {node: state for pool in self._pools for node, state in pool.out.items()}
        played.counts = self._counts


def _key(job: Job) -> int:
    return job.number * 100 + job.index
