"""What clusters a made store has: their nodes, queues and people, drawn from the seed. Nothing moves here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from hashlib import sha256
from random import Random

HOUR = 3600
DAY = 86400
YEAR = 365.25 * DAY

END = 1_795_824_000
"""2026-11-28: fixed, so that the same store comes out on another day."""
GROWS_AT = 0.4
"""Share of the time after which more nodes are installed."""
LIVING = 10_000
"""So many jobs are in the queue of the first cluster at the end, where it has ten times as many in all."""
_JOBS_A_YEAR = 200_000
"""Of one cluster of 100 to 500 nodes; those with fewer have fewer nodes."""
_LEAST_NODES = 8
_SHARED = ("anna", "ben", "chris", "dana", "erik", "fatima", "george", "hanna")
"""People who have accounts on several clusters."""


@dataclass(frozen=True)
class Plan:
    """What is to be made; the same plan makes the same store."""

    jobs: int
    clusters: int
    years: float
    seed: int = 1
    end: int = END
    """When the last reports were taken, unix seconds."""

    @property
    def start(self) -> int:
        """Midnight (UTC) before which nothing is known."""
        return int(self.end - self.years * YEAR) // DAY * DAY

    @property
    def mark(self) -> str:
        """By which a store of this plan is known again."""
        return sha256(repr(sorted(asdict(self).items())).encode()).hexdigest()[:32]


def plan_of(jobs: int, clusters: int | None, years: float | None, seed: int, end: int) -> Plan:
    """A plan in which clusters are as busy as real ones: fewer jobs are those of fewer clusters and a shorter time."""
    clusters = clusters or (10 if jobs >= 1_000_000 else 3)
    return Plan(jobs, clusters, years or min(5.0, max(0.02, jobs / clusters / _JOBS_A_YEAR)), seed, end)


@dataclass(frozen=True)
class Queue:
    """An execution queue."""

    name: str
    max_walltime_seconds: int
    gpu: bool = False


@dataclass(frozen=True)
class User:
    """Somebody who submits; `weight` is the share of the submissions, `log2_cores` the usual size of a job."""

    name: str
    group: str
    account: str
    weight: float
    log2_cores: float
    fails: float
    efficiency: float
    jobs: tuple[str, ...]
    """Names of jobs."""


@dataclass(frozen=True)
class Pool:
    """Equal nodes. A job takes units of one node, or whole nodes: cores, or GPUs with their share of the cores."""

    first: int
    nodes: int
    later: int
    """How many of them are installed only at GROWS_AT."""
    units: int
    cores: int
    gpus: int
    memory_bytes: int
    prefix: str


@dataclass(frozen=True)
class Cluster:
    """One cluster and how it is used."""

    number: int
    name: str
    kind: str
    version: str
    jobs: int
    living: int
    start: int
    end: int
    seed: str
    pools: tuple[Pool, ...]
    queues: tuple[Queue, ...]
    users: tuple[User, ...]
    load: float
    """Core seconds asked for, as a share of those installed."""

    @property
    def server(self) -> str:
        """Ends the ids of its jobs."""
        return f"{self.name}-pbs"

    @property
    def node_names(self) -> list[str]:
        """All nodes, in the order of their numbers."""
        return [f"{pool.prefix}{number + 1:03d}" for pool in self.pools for number in range(pool.nodes)]


def clusters_of(plan: Plan) -> list[Cluster]:
    """The clusters of a plan; every third one has GPUs."""
    share = plan.jobs // plan.clusters
    return [
        _cluster(plan, number, share + (plan.jobs - share * plan.clusters if number == 0 else 0))
        for number in range(plan.clusters)
    ]


def _cluster(plan: Plan, number: int, jobs: int) -> Cluster:
    random = Random(f"{plan.seed}:{number}")
    busy = jobs * YEAR / (plan.end - plan.start) / _JOBS_A_YEAR
    nodes = max(_LEAST_NODES, int(random.randint(100, 500) * min(1.0, busy)))
    cores = random.choice((16, 24, 24, 32))
    pools = [Pool(0, nodes, nodes // 8, cores, cores, 0, cores * 4 << 30, f"c{number}n")]
    queues = [Queue("short", 4 * HOUR), Queue("batch", 2 * DAY), Queue("long", 7 * DAY)]
    queues += random.sample([Queue("debug", HOUR), Queue("verylong", 14 * DAY)], random.randint(0, 2))
    if number % 3 == 0:
        pools.append(Pool(nodes, max(2, nodes // 12), 0, 4, 64, 4, 512 << 30, f"c{number}g"))
        queues.append(Queue("gpu", 3 * DAY, gpu=True))
    kind, version = ("openpbs", "23.06.06") if number % 2 == 0 else ("torque", "6.1.3.h5")
    return Cluster(
        number=number,
        name=f"bench{number}",
        kind=kind,
        version=version,
        jobs=jobs,
        living=min(LIVING, jobs // 10) if number == 0 else 0,
        start=plan.start,
        end=plan.end,
        seed=f"{plan.seed}:{number}",
        pools=tuple(pools),
        queues=tuple(sorted(queues, key=lambda queue: (queue.gpu, queue.max_walltime_seconds))),
        users=_users(random, number),
        load=random.uniform(0.8, 0.9),
    )


def _users(random: Random, number: int) -> tuple[User, ...]:
    """50 to 300 people in 5 to 20 groups; few of them submit most of the jobs."""
    groups = [f"group{number}{letter}" for letter in "abcdefghijklmnopqrst"[: random.randint(5, 20)]]
    names = [f"u{number}{place:03d}" for place in range(random.randint(50, 300) - 4)] + random.sample(_SHARED, 4)
    random.shuffle(names)
    stems = ("relax", "md-prod", "train", "align", "wrf", "qmc", "scan", "post", "mesh", "fit", "render", "neb")
    users = []
    for rank, name in enumerate(names, 1):
        group = random.choice(groups)
        users.append(
            User(
                name=name,
                group=group,
                account=f"{group}-{random.choice(('base', 'base', 'grant'))}",
                weight=rank**-1.0,
                log2_cores=random.uniform(0.0, 7.0),
                fails=random.uniform(0.02, 0.12),
                efficiency=random.uniform(0.4, 0.97),
                jobs=tuple(random.sample(stems, 3)),
            )
        )
    return tuple(users)
