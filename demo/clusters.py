"""The three simulated sites and a tiny one: nodes, queues with limits, users. Tables only, nothing moves here.

All names are invented. Sizes follow the pictures of the pages, so that a demo looks like them; biox3 is
smaller than there, to keep the demo cheap.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from random import Random

HOUR = 3600
DAY = 86400


@dataclass(frozen=True)
class User:
    """Somebody who submits."""

    name: str
    uid: int
    group: str
    gid: int
    project: str
    weight: float
    """Share of the CPU jobs, before sizes are looked at; 0 submits none."""
    gpu_weight: float
    usual_log2: float
    """log2 of the cores of the jobs this user runs most."""
    names: tuple[str, ...]
    """Job names to choose from."""


@dataclass(frozen=True)
class Queue:
    """One queue. `max_walltime` in seconds; limits are None where there is none."""

    name: str
    max_walltime: int
    priority: int = 0
    gpu: bool = False
    """Its jobs run on the GPU nodes, and others do not."""
    default_walltime: int | None = None
    user_cores: int | None = None
    user_jobs: int | None = None
    user_gpus: int | None = None
    all_cores: int | None = None
    enabled: bool = True
    started: bool = True
    routes_to: tuple[str, ...] = ()

    @property
    def takes_jobs(self) -> bool:
        """Whether the workload may use it."""
        return self.enabled and self.started and not self.routes_to


@dataclass(frozen=True)
class NodeGroup:
    """Equal nodes with numbered names. Memory in GB."""

    prefix: str
    count: int
    cores: int
    memory: int
    properties: tuple[str, ...]
    gpus: int = 0
    gpu_model: str | None = None
    digits: int = 3


@dataclass(frozen=True)
class Node:
    """One node; `index` is its bit in the scheduler's sets."""

    index: int
    name: str
    cores: int
    memory: int
    gpus: int
    gpu_model: str | None
    properties: tuple[str, ...]


@dataclass(frozen=True)
class ReservationRule:
    """Nodes that are kept for a course or for maintenance, on some weekdays (0 is Monday), local hours."""

    name: str
    owner: str
    first_node: int
    nodes: int
    start_hour: int
    hours: int
    weekdays: tuple[int, ...]
    days_ahead: int = 1
    """How long before it begins the scheduler tells of it."""


@dataclass(frozen=True)
class Site:
    """One cluster and how it is used."""

    name: str
    kind: str
    """`openpbs`, `torque` or `slurm`: the dialect its commands speak."""
    version: str
    server: str
    login: str
    node_groups: tuple[NodeGroup, ...]
    queues: tuple[Queue, ...]
    users: tuple[User, ...]
    jobs_per_day: int
    """Array tasks counted one by one."""
    utilisation: float
    """Load that is offered, as a share of all cores."""
    largest_job_cores: int
    first_job: int
    gpu_share: float = 0.0
    """Of the submissions."""
    array_share: float = 0.03
    array_tasks: tuple[int, int] = (6, 28)
    outage_days: float = 2.5
    """Mean time between nodes that are taken out or break."""
    broken: tuple[tuple[str, str, str], ...] = ()
    """(node, offline|down, the admin's words) for as long as the demo runs."""
    reservations: tuple[ReservationRule, ...] = ()
    keep_completed: int = 0
    """Seconds that an ended job stays listed; 0 not at all."""

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """Every node, in the order the commands list them."""
        nodes: list[Node] = []
        for group in self.node_groups:
            for number in range(1, group.count + 1):
                name = f"{group.prefix}{number:0{group.digits}d}"
                nodes.append(
                    Node(len(nodes), name, group.cores, group.memory, group.gpus, group.gpu_model, group.properties)
                )
        return tuple(nodes)

    @property
    def cores_per_node(self) -> int:
        """Of the ordinary nodes."""
        return self.node_groups[0].cores

    @property
    def memory_per_node(self) -> int:
        """Of the ordinary nodes, GB."""
        return self.node_groups[0].memory

    @property
    def _gpu_group(self) -> NodeGroup:
        return next(g for g in self.node_groups if g.gpus)

    @property
    def gpus_per_node(self) -> int:
        """Of the GPU nodes."""
        return self._gpu_group.gpus

    @property
    def gpu_nodes(self) -> int:
        """How many nodes have GPUs."""
        return sum(g.count for g in self.node_groups if g.gpus)

    @property
    def gpu_node_cores(self) -> int:
        """Of one GPU node."""
        return self._gpu_group.cores

    @property
    def gpu_node_memory(self) -> int:
        """Of one GPU node, GB."""
        return self._gpu_group.memory

    @property
    def pool_cores(self) -> int:
        """Cores of the ordinary nodes together."""
        return sum(g.cores * g.count for g in self.node_groups if not g.gpus)


_GROUPS = {
    "physics": (2001, "lattice", ("lattice", "ising", "qmc-run", "kpm", "phonon")),
    "chem": (2002, "catalysis", ("vasp-relax", "dft-scf", "cp2k-md", "orca", "neb")),
    "bio": (2003, "folding", ("villin-fold", "ab42-md", "nvt-eq", "npt-prod", "align")),
    "astro": (2004, "halos", ("nbody", "halo-find", "sph-disk", "render", "lensing")),
    "climate": (2005, "monsoon", ("wrf-12km", "regrid", "ocean-spin", "post", "ensemble")),
    "learning": (2006, "vision", ("train-net", "finetune", "eval", "embed", "hpsweep")),
}

_PEOPLE = (
    ("alice", "bio"),
    ("bob", "physics"),
    ("carol", "chem"),
    ("dave", "climate"),
    ("erin", "astro"),
    ("frank", "chem"),
    ("grace", "bio"),
    ("heidi", "learning"),
    ("ivan", "physics"),
    ("judy", "climate"),
    ("mallory", "chem"),
    ("niaj", "astro"),
    ("olivia", "learning"),
    ("peggy", "physics"),
    ("rupert", "bio"),
    ("sybil", "learning"),
    ("trent", "climate"),
    ("victor", "chem"),
    ("wendy", "astro"),
)


def _users(site: str, leave_out: tuple[str, ...], gpu: tuple[str, ...], most_log2: float) -> tuple[User, ...]:
    """The people of one site: weights by Zipf's law in an order of its own."""
    random = Random(f"people:{site}")
    present = [(i, *person) for i, person in enumerate(_PEOPLE) if person[0] not in leave_out]
    ranks = list(range(1, len(present) + 1))
    random.shuffle(ranks)
    users = []
    for (number, name, group), rank in zip(present, ranks, strict=True):
        gid, project, names = _GROUPS[group]
        own = random.sample(names, 3)
        users.append(
            User(
                name=name,
                uid=1001 + number,
                group=group,
                gid=gid,
                project=project,
                weight=rank**-0.9,
                gpu_weight=rank**-0.5 if name in gpu else 0.0,
                usual_log2=random.uniform(0.0, most_log2),
                names=tuple(own),
            )
        )
    return tuple(users)


def certainty() -> Site:
    """OpenPBS, 128 nodes, 3,072 cores, 16 GPUs."""
    return Site(
        name="certainty",
        kind="openpbs",
        version="23.06.06",
        server="certainty",
        login="login1.certainty.example",
        node_groups=(
            NodeGroup("cn", 124, 24, 128, ("ib", "avx512")),
            NodeGroup("gpu", 4, 24, 256, ("ib", "gpu"), gpus=4, gpu_model="a100", digits=2),
        ),
        queues=(
            Queue("short", 4 * HOUR, priority=50, default_walltime=HOUR, user_jobs=30),
            Queue("batch", 2 * DAY, default_walltime=4 * HOUR, user_cores=1152),
            Queue("long", 5 * DAY, priority=-10, default_walltime=2 * DAY, user_cores=576, all_cores=2304),
            Queue("gpu", 2 * DAY, gpu=True, default_walltime=12 * HOUR, user_gpus=8),
            Queue("maint", DAY, enabled=False, started=False),
        ),
        users=_users("certainty", ("wendy",), ("heidi", "olivia", "sybil", "alice", "grace"), 6.5),
        jobs_per_day=480,
        utilisation=0.9,
        largest_job_cores=384,
        first_job=461203,
        gpu_share=0.1,
        broken=(
            ("cn043", "offline", "DIMM B3 swapped twice, waits for the vendor, ticket 4711"),
            ("cn117", "down", ""),
        ),
        reservations=(
            ReservationRule("course", "grace", 56, 4, 13, 5, (0, 1, 2, 3, 4)),
            ReservationRule("hackathon", "bob", 80, 2, 9, 30, (5,)),
            ReservationRule("maintenance", "root", 100, 8, 6, 12, (1,), days_ahead=6),
        ),
    )


def vsp_compute() -> Site:
    """TORQUE, 49 nodes, 1,176 cores."""
    return Site(
        name="vsp-compute",
        kind="torque",
        version="6.1.3.h5",
        server="vsp-compute.example",
        login="vsp-login.example",
        node_groups=(NodeGroup("vsp", 49, 24, 64, ("batch", "el7"), digits=2),),
        queues=(
            Queue("short", 2 * HOUR, priority=80, default_walltime=30 * 60),
            Queue("batch", 3 * DAY, priority=50, default_walltime=DAY, user_jobs=48),
            Queue("long", 14 * DAY, priority=20, default_walltime=4 * DAY, user_jobs=24),
            Queue("route", 14 * DAY, routes_to=("short", "batch", "long")),
            Queue("retired", DAY, enabled=False, started=False),
        ),
        users=_users("vsp-compute", ("heidi", "ivan", "olivia", "sybil", "niaj", "judy"), (), 4.0),
        jobs_per_day=330,
        utilisation=0.97,
        largest_job_cores=192,
        first_job=98117,
        array_share=0.04,
        array_tasks=(5, 24),
        outage_days=6.0,
        broken=(("vsp37", "down", "PSU dead, spare ordered"),),
        keep_completed=300,
    )


def biox3() -> Site:
    """Slurm with the torque wrappers, 200 nodes, 6,400 cores, 64 GPUs."""
    return Site(
        name="biox3",
        kind="slurm",
        version="22.05.8",
        server="biox3",
        login="login1",
        node_groups=(
            NodeGroup("b", 184, 32, 192, ("amd", "ib")),
            NodeGroup("g", 16, 32, 384, ("amd", "ib", "a100"), gpus=4, gpu_model="a100", digits=2),
        ),
        queues=(
            Queue("short", 6 * HOUR),
            Queue("batch", 2 * DAY, user_cores=2560),
            Queue("long", 7 * DAY, user_cores=1280, all_cores=4608),
            Queue("gpu", 3 * DAY, gpu=True, user_gpus=24),
            Queue("old", DAY, enabled=False, started=False),
        ),
        users=_users("biox3", ("peggy", "trent"), ("heidi", "olivia", "sybil", "carol", "wendy", "erin", "niaj"), 7.0),
        jobs_per_day=450,
        utilisation=0.88,
        largest_job_cores=768,
        first_job=2203411,
        gpu_share=0.24,
        array_share=0.03,
        outage_days=1.6,
        broken=(
            ("b141", "offline", "bad DIMM in slot B2, ticket #4711"),
            ("g09", "down", "GPU fell off the bus: Xid 79"),
        ),
        reservations=(ReservationRule("firmware", "root", 96, 3, 8, 12, (1, 3)),),
        keep_completed=300,
    )


def sites() -> tuple[Site, ...]:
    """The demo's three clusters, one in each dialect."""
    return (certainty(), vsp_compute(), biox3())


def small(kind: str = "openpbs") -> Site:
    """A tiny, busy cluster for tests: eight nodes of four cores, two of them with GPUs (none in TORQUE)."""
    model = {"openpbs": certainty, "torque": vsp_compute, "slurm": biox3}[kind]()
    groups = [NodeGroup("n", 6, 4, 16, model.node_groups[0].properties, digits=1)]
    queues = [
        Queue("short", 2 * HOUR, priority=10, default_walltime=HOUR, user_jobs=4),
        Queue("batch", DAY, default_walltime=4 * HOUR, user_cores=16),
    ]
    if kind != "torque":
        groups.append(NodeGroup("g", 2, 4, 32, ("gpu",), gpus=2, gpu_model="a100", digits=1))
        queues.append(Queue("gpu", DAY, gpu=True, user_gpus=4))
    return replace(
        model,
        name=f"small-{kind}",
        node_groups=tuple(groups),
        queues=tuple(queues),
        jobs_per_day=150,
        utilisation=0.7,
        largest_job_cores=16,
        first_job=1,
        gpu_share=0.15 if kind != "torque" else 0.0,
        array_share=0.05,
        array_tasks=(3, 14),
        outage_days=1.0,
        broken=(("n6", "offline", "disk"),),
        reservations=(ReservationRule("course", "grace", 4, 1, 9, 6, (0, 1, 2, 3, 4, 5, 6)),)
        if kind != "torque"
        else (),
    )


def site_named(name: str) -> Site:
    """One of the demo's clusters, or a small one by its kind (`small-openpbs`).

    Raises KeyError with the names that exist.
    """
    known = {site.name: site for site in (*sites(), *(small(kind) for kind in ("openpbs", "torque", "slurm")))}
    if name not in known:
        raise KeyError(f"no simulated cluster {name!r}; there are {', '.join(known)}")
    return known[name]
