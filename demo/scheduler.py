"""Which waiting job starts where: first come first served with EASY backfill, on nodes and under limits.

The oldest job that its limits allow and that does not fit is the top job: the nodes that will be free
soonest are kept for it, and it stays the top job until it starts. Others start before it if they fit now
and are over (by their walltime) when it is due, or use none of its nodes; so none ever delays it.
Source: D. A. Lifka, "The ANL/IBM SP scheduling system", JSSPP 1995.

Sets of nodes are integers, one bit a node. Time and events are simulation.py's business.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from demo.clusters import Site
from demo.jobs import Array, Job, Reason, Reservation, Why

RELEASE_SLACK = 60
"""Seconds after its walltime by which a job has surely left its nodes."""

PLAN_SECONDS = 600
"""How long a plan for the top job is kept. It stays true: jobs end no later than planned, only earlier."""

BACKFILL_DEPTH = 100
"""Jobs behind the top job that one round looks at."""


@dataclass
class TopJob:
    """The job that the others must not delay, the nodes kept for it, and when they are due."""

    job: Job
    nodes: int
    due: float
    planned_at: int


@dataclass
class Promise:
    """What a top job was told first, for tests: it starts by `due` unless nodes were lost meanwhile."""

    job: Job
    due: float
    made: int


def bits(nodes: int) -> Iterator[int]:
    """The numbers of the bits that are set, ascending."""
    while nodes:
        low = nodes & -nodes
        yield low.bit_length() - 1
        nodes ^= low


def _limit_end(job: Job) -> int:
    return (job.started or 0) + job.walltime


class Machine:
    """What is free on each node, and which jobs stand on it."""

    def __init__(self, site: Site) -> None:
        nodes = site.nodes
        self.nodes = nodes
        self.free_cores = [n.cores for n in nodes]
        self.free_gpus = [n.gpus for n in nodes]
        self.free_memory = [n.memory for n in nodes]
        self.core_slots = [(1 << n.cores) - 1 for n in nodes]
        self.gpu_slots = [(1 << n.gpus) - 1 for n in nodes]
        self.jobs: list[dict[Job, None]] = [{} for _ in nodes]
        self._latest_end = [0] * len(nodes)
        """When the last of a node's jobs reaches its limit."""
        self.usable = (1 << len(nodes)) - 1
        """Nodes that take new jobs: neither offline nor down."""
        self.moves = 0
        """Counts placements and removals: a sum over nodes is good as long as it stands still."""
        self._most = max(n.cores for n in nodes)
        self._with_free = [0] * (self._most + 1)
        for node in nodes:
            self._with_free[node.cores] |= 1 << node.index

    def fit(self, job: Job, allowed: int) -> list[int] | None:
        """Nodes for the job's chunks among `allowed`, fullest first; None if there are too few."""
        need, cores, gpus, memory = job.chunks, job.cores, job.gpus, job.memory
        chosen: list[int] = []
        for free in range(cores, self._most + 1):
            candidates = self._with_free[free] & allowed
            while candidates:
                low = candidates & -candidates
                node = low.bit_length() - 1
                candidates ^= low
                if self.free_memory[node] >= memory and self.free_gpus[node] >= gpus:
                    chosen.append(node)
                    if len(chosen) == need:
                        return chosen
        return None

    def place(self, job: Job, nodes: list[int]) -> None:
        """Put the job on these nodes: lowest free core and GPU numbers first."""
        places, gpu_places = [], []
        for node in nodes:
            places.append((node, self._take(self.core_slots, node, job.cores)))
            if job.gpus:
                gpu_places.append((node, self._take(self.gpu_slots, node, job.gpus)))
                self.free_gpus[node] -= job.gpus
            self._move(node, -job.cores)
            self.free_memory[node] -= job.memory
            self.jobs[node][job] = None
            self._latest_end[node] = max(self._latest_end[node], _limit_end(job))
        job.places, job.gpu_places = tuple(places), tuple(gpu_places)

    def remove(self, job: Job) -> None:
        """Take the job off its nodes; its places stay written on it."""
        for node, cores in job.places:
            self.core_slots[node] |= cores
            self._move(node, job.cores)
            self.free_memory[node] += job.memory
            del self.jobs[node][job]
            self._latest_end[node] = max(map(_limit_end, self.jobs[node]), default=0)
        for node, gpus in job.gpu_places:
            self.gpu_slots[node] |= gpus
            self.free_gpus[node] += job.gpus

    def ready_at(self, node: int, job: Job, now: int) -> float:
        """When the node will have room for one chunk of the job, if all its jobs run to their limit."""
        cores = self.free_cores[node] - job.cores
        gpus = self.free_gpus[node] - job.gpus
        memory = self.free_memory[node] - job.memory
        if cores >= 0 and gpus >= 0 and memory >= 0:
            return now
        if cores < 0 and job.cores == self.nodes[node].cores:
            return self._latest_end[node] + RELEASE_SLACK
        for standing in sorted(self.jobs[node], key=_limit_end):
            cores += standing.cores
            gpus += standing.gpus
            memory += standing.memory
            if cores >= 0 and gpus >= 0 and memory >= 0:
                return _limit_end(standing) + RELEASE_SLACK
        return float("inf")

    def _take(self, slots: list[int], node: int, count: int) -> int:
        taken = 0
        free = slots[node]
        for _ in range(count):
            low = free & -free
            taken |= low
            free ^= low
        slots[node] = free
        return taken

    def _move(self, node: int, cores: int) -> None:
        self.moves += 1
        bit = 1 << node
        free = self.free_cores[node]
        self._with_free[free] ^= bit
        self._with_free[free + cores] ^= bit
        self.free_cores[node] = free + cores


class Usage:
    """What users and queues have running, for their limits."""

    def __init__(self) -> None:
        self.jobs: dict[tuple[str, str], int] = {}
        self.cores: dict[tuple[str, str], int] = {}
        self.gpus: dict[tuple[str, str], int] = {}
        self.queue_cores: dict[str, int] = {}

    def add(self, job: Job, sign: int) -> None:
        """Count the job in (1) or out (-1)."""
        key = (job.queue.name, job.user.name)
        self.jobs[key] = self.jobs.get(key, 0) + sign
        self.cores[key] = self.cores.get(key, 0) + sign * job.all_cores
        self.gpus[key] = self.gpus.get(key, 0) + sign * job.all_gpus
        self.queue_cores[job.queue.name] = self.queue_cores.get(job.queue.name, 0) + sign * job.all_cores
        if job.array:
            job.array.running += sign

    def limit(self, job: Job, beside: Job | None = None) -> Why | None:
        """The limit that keeps the job from starting, if one does; `beside` is counted as if it ran."""
        queue = job.queue
        if not queue.started:
            return Why.QUEUE_STOPPED
        key = (queue.name, job.user.name)
        jobs, cores, gpus = self.jobs.get(key, 0) + 1, self.cores.get(key, 0), self.gpus.get(key, 0)
        cores, gpus = cores + job.all_cores, gpus + job.all_gpus
        queue_cores = self.queue_cores.get(queue.name, 0) + job.all_cores
        tasks = job.array.running + 1 if job.array else 0
        if beside is not None and beside.queue is queue:
            queue_cores += beside.all_cores
            if beside.user is job.user:
                jobs, cores, gpus = jobs + 1, cores + beside.all_cores, gpus + beside.all_gpus
                tasks += beside.array is job.array
        if queue.user_jobs is not None and jobs > queue.user_jobs:
            return Why.USER_JOBS
        if queue.user_cores is not None and cores > queue.user_cores:
            return Why.USER_CORES
        if queue.user_gpus is not None and gpus > queue.user_gpus:
            return Why.USER_GPUS
        if queue.all_cores is not None and queue_cores > queue.all_cores:
            return Why.ALL_CORES
        if job.array and job.array.slot_limit is not None and tasks > job.array.slot_limit:
            return Why.ARRAY_SLOTS
        return None


class Pool:
    """The waiting jobs of one set of nodes (those with GPUs, or those without)."""

    def __init__(self, machine: Machine, usage: Usage, nodes: int) -> None:
        self.machine = machine
        self.usage = usage
        self.nodes = nodes
        self.waiting: list[Job] = []
        self.arrived: list[Job] = []
        """Waiting too, and not looked at yet."""
        self.top: TopJob | None = None
        self.promises: list[Promise] = []
        self.freed = False
        """Something became free since the last round, so that all waiting jobs must be looked at."""
        self.last_round = 0
        self._cut = False
        """The last round did not look at all jobs: newcomers must not be looked at before those."""
        self._room_of = (-1, -1)
        self._last_room = (0, 0, 0, 0, 0, 0)

    def round(self, now: int, reservations: list[Reservation]) -> list[tuple[Job, list[int]]]:
        """Start what may start; returns the jobs and their nodes, already placed and counted."""
        self.last_round = now
        starts: list[tuple[Job, list[int]]] = []
        candidates = self.arrived
        self.arrived = []
        if self.freed:
            self.freed = False
            candidates = self.waiting + candidates
            self.waiting = candidates
            self._cut = False
            self._try_top(now, reservations, starts)
        else:
            self.waiting += candidates
            if self._cut:
                return starts
        hopeless: set[int] = set()
        """Shapes that fit nowhere in this round."""
        hopeless_outside: set[int] = set()
        """Shapes that fit on no node that is not kept for the top job."""
        stuck: set[Array] = set()
        """Arrays that a limit stops; limits only fill up during a round."""
        usable = self.nodes & self.machine.usable
        looked_at = 0
        for job in candidates:
            top = self.top
            if job.shape in hopeless or job.started is not None or (top and job is top.job):
                continue
            if job.array in stuck:
                continue
            if self.usage.limit(job, top.job if top else None):
                if job.array:
                    stuck.add(job.array)
                continue
            allowed = self.allowed(job, now, reservations)
            if top is not None:
                looked_at += 1
                if looked_at > BACKFILL_DEPTH:
                    self._cut = True
                    break
                if now + job.walltime + RELEASE_SLACK > top.due:
                    if job.shape in hopeless_outside:
                        continue
                    allowed &= ~top.nodes
            nodes = self.machine.fit(job, allowed)
            if nodes is not None:
                self._start(job, nodes, now, starts)
                continue
            # Where a reservation forbids nodes, a shorter job of the same shape may still fit.
            if allowed == usable:
                hopeless.add(job.shape)
            elif top is not None and allowed == usable & ~top.nodes:
                hopeless_outside.add(job.shape)
            if top is None:
                self._make_top(job, now, reservations)
        if starts:
            self.waiting = [job for job in self.waiting if job.started is None]
        return starts

    def allowed(self, job: Job, now: int, reservations: list[Reservation]) -> int:
        """Nodes the job may use now: usable, and not reserved while it would run."""
        allowed = self.nodes & self.machine.usable
        end = now + job.walltime + RELEASE_SLACK
        for reservation in reservations:
            if end > reservation.start and now < reservation.end:
                allowed &= ~reservation.nodes
        return allowed

    def reason(self, job: Job, now: int, reservations: list[Reservation]) -> Reason:
        """Why a waiting job of this pool does not run at this moment."""
        machine = self.machine
        if job.chunks > self.nodes.bit_count() or job.cores > max(machine.nodes[n].cores for n in bits(self.nodes)):
            return Reason(Why.NEVER, job.all_cores, 0, sum(machine.nodes[n].cores for n in bits(self.nodes)))
        limit = self.usage.limit(job)
        if limit:
            return Reason(limit)
        usable = self.nodes & machine.usable
        if machine.fit(job, usable) is not None:
            return Reason(Why.NOTHING if job in self.arrived else Why.KEPT)
        cores, gpus, memory, all_cores, all_gpus, all_memory = self._room(usable)
        if job.all_gpus > gpus:
            return Reason(Why.GPUS, job.all_gpus, gpus, all_gpus)
        if job.all_cores > cores:
            return Reason(Why.CORES, job.all_cores, cores, all_cores)
        if job.all_memory > memory:
            return Reason(Why.MEMORY, job.all_memory, memory, all_memory)
        return Reason(Why.NODES, job.chunks, 0, self.nodes.bit_count())

    def free_cores(self) -> int:
        """Cores that no job has, on usable nodes and others."""
        free = self.machine.free_cores
        return sum(free[node] for node in bits(self.nodes))

    def forget(self, job: Job) -> None:
        """A waiting job is gone, or may not start for now."""
        for waiting in (self.waiting, self.arrived):
            if job in waiting:
                waiting.remove(job)
        if self.top and self.top.job is job:
            self.top = None
            self.freed = True

    def _room(self, usable: int) -> tuple[int, int, int, int, int, int]:
        """Free and existing cores, GPUs and GB of usable nodes."""
        if self._room_of == (usable, self.machine.moves):
            return self._last_room
        self._room_of = (usable, self.machine.moves)
        cores = gpus = memory = all_cores = all_gpus = all_memory = 0
        machine = self.machine
        for node in bits(usable):
            cores += machine.free_cores[node]
            gpus += machine.free_gpus[node]
            memory += machine.free_memory[node]
            all_cores += machine.nodes[node].cores
            all_gpus += machine.nodes[node].gpus
            all_memory += machine.nodes[node].memory
        self._last_room = (cores, gpus, memory, all_cores, all_gpus, all_memory)
        return self._last_room

    def _start(self, job: Job, nodes: list[int], now: int, starts: list[tuple[Job, list[int]]]) -> None:
        job.started = now
        self.machine.place(job, nodes)
        self.usage.add(job, 1)
        starts.append((job, nodes))

    def _try_top(self, now: int, reservations: list[Reservation], starts: list[tuple[Job, list[int]]]) -> None:
        if self.top is None:
            return
        job = self.top.job
        if self.usage.limit(job):
            self.top = None
            return
        nodes = self.machine.fit(job, self.allowed(job, now, reservations))
        if nodes is not None:
            self.top = None
            self._start(job, nodes, now, starts)
        elif now - self.top.planned_at >= PLAN_SECONDS or self.top.nodes & ~self.machine.usable:
            self._make_top(job, now, reservations)

    def _make_top(self, job: Job, now: int, reservations: list[Reservation]) -> None:
        """Keep the nodes for it that are due first; a job that no nodes can ever take keeps none."""
        # Nodes that will be reserved could not be kept until then: they are left out of the plan, though
        # the job may still start on them.
        plannable = self.nodes & self.machine.usable
        for reservation in reservations:
            plannable &= ~reservation.nodes
        ready = [(self.machine.ready_at(node, job, now), node) for node in bits(plannable)]
        ready.sort()
        if len(ready) < job.chunks or ready[job.chunks - 1][0] == float("inf"):
            self.top = None
            return
        chosen = ready[: job.chunks]
        due = chosen[-1][0]
        if self.top is None:
            self.promises.append(Promise(job, due, now))
        self.top = TopJob(job, sum(1 << node for _, node in chosen), due, now)
