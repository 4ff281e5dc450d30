"""The report that the agent makes of a simulated cluster's commands, made without printing and parsing them.

Thirty days of past are hundreds of reports of hundreds of jobs: too much to print and parse while
somebody waits. Every value here is what agent.parsers reads from the text of render_*.py at that moment;
tests hold the two together. Only ended jobs can be more: `since` adds those the listings no longer show.
The dialects stand in one module to be read side by side.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import tzinfo
from typing import Any

from agent import __version__
from agent import report as records
from agent.states import (
    HOLDS_CORES,
    IS_PENDING,
    OPENPBS_JOB_STATES,
    OPENPBS_NODE_STATES,
    SLURM_NODE_STATES,
    SLURM_WRAPPER_JOB_STATES,
    TORQUE_JOB_STATES,
    TORQUE_NODE_STATES,
    JobState,
    NodeState,
    occupied,
    worst,
)
from demo import render_openpbs, render_slurm, render_torque
from demo.jobs import Array, Job, Phase
from demo.scheduler import bits
from demo.simulation import Simulation

GIB = 1 << 30
QUERY_SECONDS = {"openpbs": 0.09, "torque": 0.06, "slurm": 0.07}
"""What one listing costs, about: a report of the past has to say something."""

_COUNTED = {
    "T": JobState.TRANSITING,
    "Q": JobState.QUEUED,
    "H": JobState.HELD,
    "W": JobState.WAITING,
    "R": JobState.RUNNING,
    "E": JobState.EXITING,
    "C": JobState.FINISHED,
}


def take_report(simulation: Simulation, since: int | None = None, zone: tzinfo | None = None) -> records.Report:
    """The cluster at the simulation's time; with `since`, all jobs that ended after it are among the jobs.

    `zone` is the client's, in which comments tell times (None: this machine's).
    """
    site = simulation.site
    maker: _Maker = {"openpbs": _OpenPBS, "torque": _Torque, "slurm": _Slurm}[site.kind](simulation, zone)
    jobs = list(maker.jobs(since))
    seconds = QUERY_SECONDS[site.kind]
    query_seconds = {"jobs": seconds, "nodes": seconds / 3, "queues": seconds / 9, "server": seconds / 9}
    if site.kind == "openpbs":
        query_seconds["reservations"] = seconds / 9
    return records.Report(
        cluster=site.name,
        scheduler=records.Scheduler(site.kind, site.version, site.server),
        taken_at=float(simulation.now),
        query_seconds=query_seconds,
        jobs=jobs,
        arrays=maker.arrays(),
        nodes=maker.nodes(jobs),
        queues=maker.queues(),
        warnings=[],
        agent_version=__version__,
        reservations=tuple(maker.reservations()),
    )


class _Maker(ABC):
    """What the dialects have in common: nearly nothing but the order of things."""

    def __init__(self, simulation: Simulation, zone: tzinfo | None) -> None:
        self.simulation = simulation
        self.site = simulation.site
        self.now = simulation.now
        self.zone = zone

    def jobs(self, since: int | None) -> Iterator[records.Job]:
        listed = self.listed()
        yield from map(self.job, listed)
        if since is not None:
            there = set(listed)
            for job in self.simulation.ended:
                if (job.released or 0) > since and job not in there:
                    yield self.job(job)

    @abstractmethod
    def listed(self) -> list[Job]: ...

    @abstractmethod
    def job(self, job: Job) -> records.Job: ...

    def arrays(self) -> list[records.Array]:
        return []

    @abstractmethod
    def nodes(self, jobs: list[records.Job]) -> list[records.Node]: ...

    @abstractmethod
    def queues(self) -> list[records.Queue]: ...

    def reservations(self) -> Iterator[records.Reservation]:
        yield from ()

    def limits(self, told: Iterable[tuple[str, str]]) -> dict[str, str]:
        """One text for each name, as a parser has it."""
        limits: dict[str, str] = {}
        for name, text in told:
            limits[name] = f"{limits[name]}, {text}" if name in limits else text
        return limits

    def hosts(self, job: Job, state: JobState) -> dict[str, int]:
        if state not in HOLDS_CORES:
            return {}
        nodes = self.site.nodes
        return {nodes[n].name: job.cores for n, _ in job.places}

    def used(self, job: Job) -> dict[str, Any]:
        if job.started is None:
            return {}
        return {
            "walltime_used_seconds": job.used_seconds(self.now),
            "cpu_used_seconds": job.cpu_seconds(self.now),
            "memory_used_bytes": job.used_kilobytes(self.now) * 1024,
        }

    def counted(self, counts: Counter[tuple[str, str]], letters: str, name: str) -> dict[str, int]:
        return {_COUNTED[letter].value: counts[name, letter] for letter in letters}


class _OpenPBS(_Maker):
    def __init__(self, simulation: Simulation, zone: tzinfo | None) -> None:
        super().__init__(simulation, zone)
        self.listing = render_openpbs.Listing(simulation, zone)

    def listed(self) -> list[Job]:
        return [item for item in self.listing.listed(subjobs=True, history=False) if isinstance(item, Job)]

    def job(self, job: Job) -> records.Job:
        letter = self.listing.letter(job)
        state = OPENPBS_JOB_STATES[letter]
        over = state in (JobState.FINISHED, JobState.EXITING)
        due = self.simulation.due(job) if job.phase is Phase.QUEUED and not job.array else None
        return records.Job(
            id=self.listing.job_id(job),
            state=state,
            native_state=letter,
            name=job.name,
            user=job.user.name,
            queue=job.queue.name,
            group=job.user.group,
            account=job.project,
            array_id=self.listing.array_id(job.array) if job.array else None,
            array_index=str(job.index) if job.array else None,
            cores=job.all_cores,
            nodes=job.chunks,
            gpus=job.all_gpus,
            memory_bytes=job.all_memory * GIB,
            walltime_seconds=job.walltime,
            **self.used(job),
            submitted_at=job.submitted,
            eligible_at=job.eligible,
            started_at=job.started,
            ended_at=job.released,
            estimated_start_at=due,
            exit_status=job.exit_status if over and job.started is not None else None,
            priority=0,
            comment=self.listing.comment(job),
            hold=(job.hold or None) if not (job.array and job.started is not None) else None,
            depends_on=self.listing.depend(job),
            hosts=self.hosts(job, state),
        )

    def arrays(self) -> list[records.Array]:
        made = []
        for array in sorted(self.simulation.arrays.values(), key=lambda array: array.number):
            first = array.tasks[0]
            made.append(
                records.Array(
                    id=self.listing.array_id(array),
                    native_state=self.listing.array_letter(array),
                    name=first.name,
                    user=first.user.name,
                    queue=first.queue.name,
                    total=len(array.tasks),
                )
            )
        return made

    def nodes(self, jobs: list[records.Job]) -> list[records.Node]:
        simulation, machine = self.simulation, self.simulation.machine
        reserved = {n: r for r in simulation.active_reservations() for n in bits(r.nodes)}
        made = []
        for node in self.site.nodes:
            native = self.listing.node_state(node, reserved.get(node.index))
            used = node.cores - machine.free_cores[node.index]
            standing = sorted(machine.jobs[node.index], key=lambda job: job.serial)
            state = worst(OPENPBS_NODE_STATES[word] for word in native.split(","))
            out = simulation.out.get(node.index)
            made.append(
                records.Node(
                    name=node.name,
                    state=occupied(state, node.cores, used),
                    native_state=native,
                    cores=node.cores,
                    cores_used=used,
                    gpus=node.gpus or None,
                    gpus_used=node.gpus - machine.free_gpus[node.index] if node.gpus else None,
                    memory_bytes=node.memory * GIB,
                    memory_used_bytes=(node.memory - machine.free_memory[node.index]) * GIB,
                    jobs=tuple(self.listing.job_id(job) for job in standing),
                    properties=node.properties + ((f"gpu_model={node.gpu_model}",) if node.gpu_model else ()),
                    comment=(out[1] or None) if out else None,
                )
            )
        return made

    def queues(self) -> list[records.Queue]:
        counts = self.listing.counts()
        made = [
            records.Queue(
                name=queue.name,
                type="execution",
                enabled=queue.enabled,
                started=queue.started,
                priority=queue.priority or None,
                max_walltime_seconds=queue.max_walltime if queue.takes_jobs else None,
                jobs=self.counted(counts, "TQHWRE", queue.name),
                limits=self.limits(self.listing.limits(queue)),
            )
            for queue in self.site.queues
        ]
        for reservation in self.simulation.confirmed_reservations():
            made.append(
                records.Queue(
                    name=f"R{reservation.number}",
                    type="execution",
                    enabled=True,
                    started=reservation.start <= self.now,
                    jobs=self.counted(Counter(), "TQHWRE", ""),
                    limits=self.limits(self.listing.reservation_limits(reservation)),
                )
            )
        return made

    def reservations(self) -> Iterator[records.Reservation]:
        for reservation in self.simulation.confirmed_reservations():
            yield records.Reservation(
                id=f"R{reservation.number}.{self.site.server}",
                name=reservation.name,
                owner=reservation.owner,
                state="running" if reservation.start <= self.now else "confirmed",
                queue=f"R{reservation.number}",
                starts_at=reservation.start,
                ends_at=reservation.end,
                nodes=tuple(self.site.nodes[n].name for n in bits(reservation.nodes)),
                cores=self.listing.reserved_cores(reservation),
            )


class _Torque(_Maker):
    def __init__(self, simulation: Simulation, zone: tzinfo | None) -> None:
        super().__init__(simulation, zone)
        self.listing = render_torque.Listing(simulation, zone)

    def listed(self) -> list[Job]:
        return [item for item in self.listing.listed(subjobs=True) if not isinstance(item, Array)]

    def job(self, job: Job) -> records.Job:
        letter = self.listing.letter(job)
        state = TORQUE_JOB_STATES[letter]
        return records.Job(
            id=self.listing.job_id(job),
            state=state,
            native_state=letter,
            name=self.listing.job_name(job),
            user=job.user.name,
            queue=job.queue.name,
            group=job.user.group,
            account=job.project,
            array_id=self.listing.array_id(job.array) if job.array else None,
            array_index=str(job.index) if job.array else None,
            cores=job.all_cores,
            nodes=job.chunks,
            gpus=0,
            memory_bytes=job.all_memory * GIB,
            walltime_seconds=job.walltime,
            **self.used(job),
            submitted_at=job.submitted,
            eligible_at=job.eligible,
            started_at=job.started,
            ended_at=job.released,
            exit_status=job.exit_status if job.ended is not None else None,
            priority=0,
            comment=self.listing.comment(job),
            hold=self.listing.hold(job) or None,
            depends_on=self.listing.depend(job),
            hosts=self.hosts(job, state),
        )

    def nodes(self, jobs: list[records.Job]) -> list[records.Node]:
        simulation, machine = self.simulation, self.simulation.machine
        made = []
        for node in self.site.nodes:
            native = self.listing.node_state(node)
            used = node.cores - machine.free_cores[node.index]
            standing = sorted(machine.jobs[node.index], key=lambda job: job.serial)
            out = simulation.out.get(node.index)
            figures: dict[str, Any] = {}
            if not (out and out[0] == "down"):
                told = self.listing.figures(node)
                figures["memory_bytes"] = int(told["physmem"]) * 1024
                figures["memory_used_bytes"] = (int(told["totmem"]) - int(told["availmem"])) * 1024
                figures["load"] = float(told["loadave"])
            made.append(
                records.Node(
                    name=node.name,
                    state=occupied(worst(TORQUE_NODE_STATES[word] for word in native.split(",")), node.cores, used),
                    native_state=native,
                    cores=node.cores,
                    cores_used=used,
                    gpus=0,
                    jobs=tuple(self.listing.job_id(job) for job in standing),
                    properties=node.properties,
                    comment=(out[1] or None) if out else None,
                    **figures,
                )
            )
        return made

    def queues(self) -> list[records.Queue]:
        counts = self.listing.counts()
        return [
            records.Queue(
                name=queue.name,
                type="routing" if queue.routes_to else "execution",
                enabled=queue.enabled,
                started=queue.started,
                priority=queue.priority or None,
                max_walltime_seconds=queue.max_walltime if queue.takes_jobs else None,
                jobs=self.counted(counts, "TQHWREC", queue.name),
                limits=self.limits(self.listing.limits(queue)),
            )
            for queue in self.site.queues
        ]


class _Slurm(_Maker):
    def __init__(self, simulation: Simulation, zone: tzinfo | None) -> None:
        super().__init__(simulation, zone)
        self.listing = render_slurm.Listing(simulation, zone)

    def listed(self) -> list[Job]:
        return self.listing.listed()

    def job(self, job: Job) -> records.Job:
        letter = self.listing.letter(job)
        state = SLURM_WRAPPER_JOB_STATES[letter]
        priority = self.listing.priority(job)
        if state is JobState.QUEUED and not priority:
            state = JobState.HELD
        start, end = self.listing.times(job)
        return records.Job(
            id=str(job.number),
            state=state,
            native_state=letter,
            name=job.name,
            user=job.user.name,
            queue=job.queue.name,
            group=job.user.group,
            account=job.project,
            cores=job.all_cores,
            nodes=job.chunks,
            walltime_seconds=job.walltime,
            submitted_at=job.submitted,
            started_at=job.started,
            ended_at=end if state is JobState.FINISHED else None,
            estimated_start_at=start if state in IS_PENDING else None,
            priority=priority,
            hosts=self.hosts(job, state),
        )

    def hosts(self, job: Job, state: JobState) -> dict[str, int]:
        hosts = super().hosts(job, state)
        return dict(sorted(hosts.items())) if len(hosts) > 1 else hosts

    def nodes(self, jobs: list[records.Job]) -> list[records.Node]:
        """The wrapper tells neither jobs nor used cores of a node: the agent counts them from the jobs."""
        used: Counter[str] = Counter()
        standing: dict[str, list[str]] = {}
        for job in jobs:
            for host, cores in job.hosts.items():
                used[host] += cores
                standing.setdefault(host, []).append(job.id)
        made = []
        for node in sorted(self.site.nodes, key=lambda node: node.name):
            _, native = self.listing.node_state(node)
            state = SLURM_NODE_STATES[native]
            out = self.simulation.out.get(node.index)
            # A node whose last job is being cleared away is still taken, though no running job is there.
            untold = not used[node.name] and state in (NodeState.PARTIAL, NodeState.BUSY)
            made.append(
                records.Node(
                    name=node.name,
                    state=state if untold else occupied(state, node.cores, used[node.name]),
                    native_state=native,
                    cores=node.cores,
                    cores_used=None if untold else used[node.name],
                    gpus=node.gpus,
                    memory_bytes=node.memory * GIB,
                    jobs=tuple(sorted(standing.get(node.name, ()))),
                    properties=node.properties,
                    comment=(out[1] or None) if out else None,
                )
            )
        return made

    def queues(self) -> list[records.Queue]:
        return [records.Queue(q.name, "execution", q.enabled, q.started) for q in self.site.queues]
