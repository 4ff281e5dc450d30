"""One cluster moving through time: submissions, starts, ends, holds, dependencies, broken nodes.

A heap of events, nothing happens between them. The state at a time is a pure function of (site, seed,
start, utc_offset, time): however often and whenever `advance` is called on the way, the same state comes
out, because the random generator is drawn from in the order of events only.

Which job starts where is scheduler.py's business, what users submit workload.py's, and how it all looks
to a client render_*.py's.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from random import Random

from demo.clusters import DAY, HOUR, Site
from demo.jobs import Array, Job, Phase, Reason, Reservation
from demo.scheduler import Machine, Pool, Usage
from demo.workload import ArrivalClock, Request, Workload

ROUND_GAP = 20
"""Seconds between two rounds of the scheduler at least."""

WARM_UP = 4 * DAY
"""Simulated before the first moment anybody asks for, so that the cluster is in its usual state."""

HOLD_SHARE, LATER_SHARE, DEPENDENT_SHARE, NEVER_SHARE = 0.012, 0.012, 0.05, 0.003
USUAL_RELUCTANCE = 0.2
KILLED_BY_LIMIT = {"openpbs": -29, "torque": 271, "slurm": 15}
KILLED_BY_NODE = 265

OFFLINE_WORDS = (
    "DIMM swap",
    "kernel update, back this evening",
    "ECC errors, memtest running",
    "high temperature, fan replaced",
    "IB link flaps, cable ordered",
    "disk replaced, reinstalling",
)
DOWN_WORDS = ("", "", "PSU dead", "no answer to ping, on site Thursday")


class Simulation:
    """One site from `start - WARM_UP` on. Times are unix seconds."""

    def __init__(self, site: Site, seed: int, start: int, utc_offset: int = 0, remember: int = 2 * HOUR) -> None:
        """`utc_offset` places the day's rush; ended jobs are remembered for `remember` seconds."""
        self.site = site
        self.now = self.begin = start - WARM_UP
        self.remember = remember
        self.utc_offset = utc_offset
        self.machine = Machine(site)
        self.usage = Usage()
        gpu_nodes = sum(1 << n.index for n in site.nodes if n.gpus)
        all_nodes = (1 << len(site.nodes)) - 1
        self.pools = [Pool(self.machine, self.usage, all_nodes & ~gpu_nodes)]
        if gpu_nodes:
            self.pools.append(Pool(self.machine, self.usage, gpu_nodes))
        self.jobs: dict[Job, None] = {}
        """Everything that has not left its nodes, in order of submission."""
        self.arrays: dict[int, Array] = {}
        """Arrays with a task that has not ended, by number."""
        self.ended: deque[Job] = deque()
        """What has left, by that time."""
        self.out: dict[int, tuple[str, str, int]] = {}
        """Nodes that take no jobs: index -> (offline|down, the admin's words, since)."""
        self.next_number = site.first_job
        self.submitted = 0
        self.waiting_of: dict[str, int] = {}
        """Jobs of each user that have not started."""
        self._random = Random(f"{seed}:{site.name}")
        self._workload = Workload(site)
        self._arrivals = ArrivalClock(self.now, self._workload.gap_seconds * (1 - USUAL_RELUCTANCE), utc_offset)
        self._events: list[tuple[int, int, Callable[..., None], tuple[object, ...]]] = []
        self._event_count = 0
        self._round_at: int | None = None
        self._last_round = 0
        self._shapes: dict[tuple[int, int, int, int, int], int] = {}
        self._crowd, self._crowd_at = 0.0, self.now
        self._last_of: dict[str, Job] = {}
        self._reservation_count = 0
        self.reservations: list[Reservation] = []
        """Of each rule the running or the next one."""
        names = {n.name: n.index for n in site.nodes}
        for name, state, words in site.broken:
            self._take_out(names[name], state, words)
        for rule in range(len(site.reservations)):
            self.reservations.append(self._next_reservation(rule))
            self._at(self.reservations[rule].start, self._reservation_turns, rule)
        self._at(self._arrivals.next(self._random), self._submit)
        self._at(self.now + int(self._random.expovariate(1 / (site.outage_days * DAY))), self._node_fails)

    def advance(self, to: int) -> None:
        """Let everything up to and including `to` happen; does nothing if that is past."""
        events = self._events
        while events and events[0][0] <= to:
            self.now, _, action, arguments = heapq.heappop(events)
            action(*arguments)
        self.now = max(self.now, to)
        while self.ended and (self.ended[0].released or 0) < self.now - self.remember:
            self.ended.popleft()

    def reason(self, job: Job) -> Reason:
        """Why a queued job does not run."""
        return self.pools[job.pool].reason(job, self.now, self.reservations)

    def due(self, job: Job) -> int | None:
        """When the scheduler expects to start the job, where it has planned it."""
        top = self.pools[job.pool].top
        return int(top.due) if top and top.job is job else None

    def confirmed_reservations(self) -> list[Reservation]:
        """Those that the scheduler tells of: they hold their nodes now, or will."""
        return [r for r in self.reservations if r.made <= self.now < r.end]

    def active_reservations(self) -> list[Reservation]:
        """Those that hold their nodes now."""
        return [r for r in self.reservations if r.start <= self.now < r.end]

    # Submissions

    def _submit(self) -> None:
        random = self._random
        self._at(self._arrivals.next(random), self._submit)
        request = self._workload.draw(random)
        if random.random() < self._reluctance(request.user.name):
            return
        number = self._number()
        if len(request.runtimes) > 1:
            array = Array(number, request.slot_limit, left=len(request.runtimes))
            self.arrays[number] = array
            for index, (runtime, status) in enumerate(zip(request.runtimes, request.exit_statuses, strict=True), 1):
                job = self._make_job(request, number, runtime, status)
                job.array, job.index = array, index
                array.tasks.append(job)
                self._queue(job)
            return
        job = self._make_job(request, number, request.runtimes[0], request.exit_statuses[0])
        before = self._last_of.get(job.user.name)
        self._last_of[job.user.name] = job
        kind = random.random()
        if kind < NEVER_SHARE:
            job.chunks = len(self.site.nodes) * 2
            job.__post_init__()
            self._shape(job)
            self._queue(job)
            self._at(self.now + random.randint(HOUR, 10 * HOUR), self._delete, job)
        elif kind < NEVER_SHARE + HOLD_SHARE:
            job.phase, job.hold = Phase.HELD, "o" if random.random() < 0.15 else "u"
            self._at(self.now + random.randint(HOUR, 2 * DAY), self._release_hold, job)
        elif kind < NEVER_SHARE + HOLD_SHARE + LATER_SHARE:
            job.phase = Phase.WAITING
            job.wanted_start = self.now + random.randint(1, 36) * HOUR
            self._at(job.wanted_start, self._release_hold, job)
        elif kind < NEVER_SHARE + HOLD_SHARE + LATER_SHARE + DEPENDENT_SHARE and before and before.ended is None:
            job.phase, job.hold, job.depends_on = Phase.HELD, "s", before
            before.needed_by.append(job)
        else:
            self._queue(job)

    def _make_job(self, request: Request, number: int, runtime: int, status: int) -> Job:
        job = Job(
            number=number,
            user=request.user,
            queue=request.queue,
            name=request.name,
            chunks=request.chunks,
            cores=request.cores,
            gpus=request.gpus,
            memory=request.memory,
            walltime=request.walltime,
            runtime=runtime,
            exit_status=status,
            submitted=self.now,
            efficiency=request.efficiency,
            memory_share=request.memory_share,
            project=request.project,
            serial=self.submitted,
            pool=1 if request.gpus else 0,
            priority=1000 + 10 * request.queue.priority + request.chunks,
        )
        self.submitted += 1
        self._waits(job, 1)
        self._shape(job)
        self.jobs[job] = None
        return job

    def _waits(self, job: Job, count: int) -> None:
        name = job.user.name
        self.waiting_of[name] = self.waiting_of.get(name, 0) + count

    def _shape(self, job: Job) -> None:
        key = (job.pool, job.chunks, job.cores, job.gpus, job.memory)
        job.shape = self._shapes.setdefault(key, len(self._shapes))

    def _number(self) -> int:
        self.next_number += 1
        return self.next_number - 1

    def _queue(self, job: Job) -> None:
        job.phase, job.eligible = Phase.QUEUED, self.now
        self.pools[job.pool].arrived.append(job)
        self._want_round()

    def _reluctance(self, user: str) -> float:
        """Probability that somebody who meant to submit does not, seeing the queue; USUAL_RELUCTANCE at the usual load."""
        if self.now - self._crowd_at >= 15 * 60:
            pool = self.pools[0]
            asked = sum(j.all_cores * min(j.runtime, j.walltime) for j in pool.waiting if not self.usage.limit(j))
            hours = asked / self.site.pool_cores / HOUR
            taken = 1 - pool.free_cores() / self.site.pool_cores
            self._crowd = USUAL_RELUCTANCE + (hours - 4) / 30 if taken > 0.9 else taken - 0.7
            self._crowd_at = self.now
        return max(self._crowd, self.waiting_of.get(user, 0) / 60 - 0.3)

    # Life of a job

    def _round(self) -> None:
        self._round_at = None
        self._last_round = self.now
        for pool in self.pools:
            if pool.freed or pool.arrived:
                for job, _ in pool.round(self.now, self.reservations):
                    self._started(job)

    def _started(self, job: Job) -> None:
        job.phase = Phase.RUNNING
        self._waits(job, -1)
        if job.array:
            if job.array.begun is None:
                job.array.begun = self.now
            pending = any(task.phase is Phase.QUEUED for task in job.array.tasks)
            if self.site.kind == "slurm" and pending:
                job.number = self._number()  # Slurm splits a task off when it starts; the last one keeps the first id
        run = min(job.runtime, job.walltime)
        if job.runtime > job.walltime:
            job.exit_status = KILLED_BY_LIMIT[self.site.kind]
        self._at(self.now + run, self._end, job)

    def _end(self, job: Job) -> None:
        if job.ended is None:
            job.phase, job.ended = Phase.EXITING, self.now
            self._at(self.now + 2 + job.serial % 19, self._release, job)

    def _release(self, job: Job) -> None:
        self.machine.remove(job)
        self.usage.add(job, -1)
        self.pools[job.pool].freed = True
        self._gone(job)
        self._want_round()

    def _gone(self, job: Job) -> None:
        """The job is over, whether it ran or was deleted."""
        job.phase, job.released = Phase.ENDED, self.now
        del self.jobs[job]
        self.ended.append(job)
        if job.array:
            job.array.left -= 1
            if not job.array.left:
                del self.arrays[job.array.number]
        for dependent in job.needed_by:
            if dependent.ended is None:
                if job.exit_status == 0 and job.started is not None:
                    dependent.hold = ""
                    self._queue(dependent)
                else:
                    # PBS deletes it at once; where Slurm leaves it pending, its user does after a while.
                    later = 0 if self.site.kind != "slurm" else HOUR * (2 + dependent.serial % 9)
                    self._at(self.now + later, self._delete, dependent)
        if self._last_of.get(job.user.name) is job:
            del self._last_of[job.user.name]

    def _delete(self, job: Job) -> None:
        if job.started is None and job.ended is None:
            self.pools[job.pool].forget(job)
            job.ended, job.exit_status = self.now, 271
            self._waits(job, -1)
            self._gone(job)
            self._want_round()

    def _release_hold(self, job: Job) -> None:
        if job.ended is None and job.phase in (Phase.HELD, Phase.WAITING):
            job.hold = ""
            self._queue(job)

    # Nodes

    def _node_fails(self) -> None:
        random, site = self._random, self.site
        self._at(self.now + 1 + int(random.expovariate(1 / (site.outage_days * DAY))), self._node_fails)
        node = random.randrange(len(site.nodes))
        down = random.random() < 0.35
        words = random.choice(DOWN_WORDS if down else OFFLINE_WORDS)
        duration = int(random.lognormvariate(9.9, 0.9))  # half of them less than 5.5 h
        if node not in self.out:
            self._take_out(node, "down" if down else "offline", words)
            self._at(self.now + min(duration, 4 * DAY), self._node_returns, node)

    def _take_out(self, node: int, state: str, words: str) -> None:
        self.out[node] = (state, words, self.now)
        self.machine.usable &= ~(1 << node)
        if state == "down":
            for job in list(self.machine.jobs[node]):
                if job.ended is None:
                    job.exit_status = KILLED_BY_NODE
                    self._end(job)
        for pool in self.pools:
            if pool.nodes >> node & 1:
                # The top job may have lost a node that was kept for it.
                pool.promises = [p for p in pool.promises if p.job.started is not None]
                pool.freed = True
        self._want_round()

    def _node_returns(self, node: int) -> None:
        del self.out[node]
        self.machine.usable |= 1 << node
        for pool in self.pools:
            pool.freed = True
        self._want_round()

    def _reservation_turns(self, rule: int) -> None:
        """One begins; when it is over the next one takes its place."""
        current = self.reservations[rule]
        if self.now >= current.end:
            self.reservations[rule] = current = self._next_reservation(rule)
            self._at(current.start, self._reservation_turns, rule)
            for pool in self.pools:
                pool.freed = True
            self._want_round()
        else:
            self._at(current.end, self._reservation_turns, rule)

    def _next_reservation(self, rule: int) -> Reservation:
        spec = self.site.reservations[rule]
        midnight = (self.now + self.utc_offset) // DAY * DAY - self.utc_offset
        for day in range(9):
            start = midnight + day * DAY + spec.start_hour * HOUR
            weekday = (start + self.utc_offset) // DAY + 3
            if start > self.now and weekday % 7 in spec.weekdays:
                self._reservation_count += 1
                nodes = ((1 << spec.nodes) - 1) << spec.first_node
                number = self.site.first_job + self._reservation_count
                made = max(self.now, start - spec.days_ahead * DAY)
                return Reservation(number, spec.name, spec.owner, nodes, start, start + spec.hours * HOUR, made)
        raise ValueError(f"reservation {spec.name} of {self.site.name} has no weekday")

    # Events

    def _at(self, when: int, action: Callable[..., None], *arguments: object) -> None:
        self._event_count += 1
        heapq.heappush(self._events, (when, self._event_count, action, arguments))

    def _want_round(self) -> None:
        if self._round_at is None:
            self._round_at = max(self.now + 1, self._last_round + ROUND_GAP)
            self._at(self._round_at, self._round)
