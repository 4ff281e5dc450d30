"""What was played -> the records that the collector writes: jobs, their ends, the last report. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from agent.report import Job, Node, Queue, Report, Scheduler
from agent.states import JobState, NodeState
from bench.years.clusters import Cluster
from bench.years.machine import Life, Played
from bench.years.workload import DELETED, SUSPENDED
from collector.ingest import JobChange
from collector.merge import Ended
from collector.spans import Span

_LEAST_SUSPENDED_SECONDS = 100


class Records:
    """Makes the records of one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._nodes = cluster.node_names

    def ended(self, lives: Iterable[Life]) -> tuple[list[Ended], list[JobChange]]:
        """Jobs as a log tells them, and those that only polls can tell: they were suspended."""
        told, seen = [], []
        for life in lives:
            job = self._job(life, JobState.FINISHED, "")
            if life.job.fate == SUSPENDED and life.ended_at - life.started_at > _LEAST_SUSPENDED_SECONDS:
                spans = _suspended(job, life)
                seen.append(JobChange(None, job, life.job.submitted_at, life.ended_at, opened=spans))
            else:
                told.append(Ended(job, life.job.submitted_at, life.ended_at, life.runs))
        return told, seen

    def queues(self) -> list[Queue]:
        """The queues, open."""
        return [
            Queue(queue.name, "execution", enabled=True, started=True, max_walltime_seconds=queue.max_walltime_seconds)
            for queue in self._cluster.queues
        ]

    def nodes(self, played: Played | None = None) -> list[Node]:
        """The nodes as they are at the end; idle ones where no end is given."""
        used: dict[int, int] = defaultdict(int)
        jobs: dict[int, list[str]] = defaultdict(list)
        for life in played.living if played else ():
            for node in life.hosts:
                used[node] += life.job.units
                jobs[node].append(self._name(life)[0])
        nodes = []
        for pool in self._cluster.pools:
            for number in range(pool.first, pool.first + pool.nodes):
                taken = used[number]
                state = NodeState.BUSY if taken == pool.units else NodeState.PARTIAL if taken else NodeState.FREE
                state = played.out.get(number, state) if played else state
                nodes.append(
                    Node(
                        name=self._nodes[number],
                        state=state,
                        native_state=_NATIVE[state],
                        cores=pool.cores,
                        cores_used=taken * pool.cores // pool.units,
                        gpus=pool.gpus,
                        gpus_used=taken if pool.gpus else 0,
                        memory_bytes=pool.memory_bytes,
                        jobs=tuple(jobs[number]),
                        properties=("gpu",) if pool.gpus else ("batch",),
                    )
                )
        return nodes

    def report(self, played: Played) -> Report:
        """The last one: all that lives at the end."""
        cluster = self._cluster
        return Report(
            agent_version="0",
            cluster=cluster.name,
            scheduler=Scheduler(cluster.kind, cluster.version, cluster.server),
            taken_at=float(cluster.end),
            query_seconds={"jobs": 0.8, "nodes": 0.2, "queues": 0.1},
            jobs=[self._living(life) for life in played.living],
            arrays=[],  # their sizes were entered when they were submitted
            nodes=self.nodes(played),
            queues=self.queues(),
            warnings=[],
        )

    def _living(self, life: Life) -> Job:
        if life.started_at:
            return self._job(life, JobState.RUNNING, "R")
        is_held = life.job.fate == DELETED or life.job.eligible_at > self._cluster.end
        return self._job(life, JobState.HELD, "H") if is_held else self._job(life, JobState.QUEUED, "Q")

    def _name(self, life: Life) -> tuple[str, str | None]:
        """Native ids of a job and of its array."""
        job, server = life.job, self._cluster.server
        if job.array < 0:
            return f"{job.number}.{server}", None
        return f"{job.number}[{job.index}].{server}", f"{job.number}[].{server}"

    def _job(self, life: Life, state: JobState, native_state: str) -> Job:
        job = life.job
        pool, user = self._cluster.pools[job.pool], self._cluster.users[job.user]
        cores = job.units * (pool.cores // pool.units)
        name, array = self._name(life)
        started = life.started_at or None
        ended = life.ended_at or None
        used = None if started is None else (ended or max(started, self._cluster.end)) - started
        return Job(
            id=name,
            state=state,
            native_state=native_state,
            name=job.name,
            user=user.name,
            queue=self._cluster.queues[job.queue].name,
            group=user.group,
            account=user.account,
            project=None,
            array_id=array,
            array_index=None if array is None else str(job.index),
            cores=cores * job.nodes,
            nodes=job.nodes,
            gpus=job.units * job.nodes if pool.gpus else 0,
            memory_bytes=job.memory_bytes,
            walltime_seconds=job.walltime,
            walltime_used_seconds=used,
            cpu_used_seconds=None if used is None else used * cores * job.nodes * job.efficiency_percent // 100,
            memory_used_bytes=None if used is None else job.memory_bytes * job.efficiency_percent // 100,
            submitted_at=job.submitted_at,
            eligible_at=job.eligible_at,
            started_at=started,
            ended_at=ended,
            estimated_start_at=None,
            exit_status=None if started is None or ended is None else job.status,
            priority=None,
            depends_on=None,
            hold="u" if state is JobState.HELD else None,
            comment="Not Running: Insufficient amount of resource: ncpus" if state is JobState.QUEUED else None,
            hosts={self._nodes[node]: cores for node in life.hosts},
        )


_NATIVE = {
    NodeState.FREE: "free",
    NodeState.PARTIAL: "free",
    NodeState.BUSY: "job-busy",
    NodeState.OFFLINE: "offline",
    NodeState.DOWN: "down",
}


def _suspended(job: Job, life: Life) -> list[Span]:
    """Its life, with a tenth of its run suspended."""
    start, end = life.started_at, life.ended_at
    since = start + (end - start) // 3
    until = since + (end - start) // 10
    parts = [
        (life.job.submitted_at, start, JobState.QUEUED),
        (start, since, JobState.RUNNING),
        (since, until, JobState.SUSPENDED),
        (until, end, JobState.RUNNING),
    ]
    return [Span(first, last, state, job.queue, job.cores, job.gpus) for first, last, state in parts]
