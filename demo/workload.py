"""What users submit: job sizes, runtimes and arrivals of the Lublin-Feitelson model, scaled to a cluster.

Source: U. Lublin and D. G. Feitelson, "The workload on parallel supercomputers: modeling the
characteristics of rigid jobs", Journal of Parallel and Distributed Computing 63 (2003) 1105-1122;
the constants are those of its batch and interactive jobs taken together. Walltime requests follow
A. W. Mu'alem and D. G. Feitelson, IEEE TPDS 12 (2001) 529-543, and D. Tsafrir, Y. Etsion and D. G.
Feitelson, JSSPP 2005: users round up to a few popular values, and use a fraction of what they ask for
that is spread almost evenly, with some jobs ended by their limit.

The week (fewer jobs at weekends), arrays, users' habits and failures are ours. Which node a job gets,
and when, is scheduler.py's business; which clusters exist is clusters.py's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from demo.clusters import Queue, Site, User

SERIAL_PROBABILITY = 0.244
POWER_OF_TWO_PROBABILITY = 0.576
SMALLEST_LOG2 = 0.8
LARGEST_TO_MIDDLE_LOG2 = 2.5
FIRST_STAGE_PROBABILITY = 0.86
RUNTIME_SHORT = (4.2, 0.94)
RUNTIME_LONG = (312.0, 0.03)
SHORT_SLOPE, SHORT_AT_ZERO = -0.0054, 0.78
LONGEST_LOG = 12.0
GAP = (10.2303 * 1.0225, 0.4871)
LONGEST_GAP_LOG = 13.0
CYCLE = (8.1737, 3.9631)
BUCKETS = 48
CYCLE_STARTS_AT_BUCKET = 11

MODEL_SIZE = 128
"""Processors of the machines the runtime's dependence on size was fitted to."""

WEEKDAYS = (1.16, 1.2, 1.2, 1.16, 1.05, 0.64, 0.59)
"""Arrivals of Monday to Sunday relative to the week's mean; sums to 7."""

POPULAR_WALLTIMES = tuple(
    60 * m
    for m in (10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 360, 480, 600, 720, 1080, 1440, 2160, 2880, 4320, 5760, 7200)
) + tuple(86400 * d for d in (7, 10, 14, 20, 30))

ENDED_BY_LIMIT = 0.09
FAILS = 0.06
FAILURES = (1, 1, 1, 2, 127, 137, 139, 271)
EPSILON = 1.0
DAY = 86400


def day_weights() -> list[float]:
    """Relative number of arrivals in each half hour from midnight, mean 1."""
    shape, scale = CYCLE
    weights = [0.0] * BUCKETS
    for half_hour in range(CYCLE_STARTS_AT_BUCKET, CYCLE_STARTS_AT_BUCKET + BUCKETS):
        density = math.exp((shape - 1) * math.log(half_hour) - half_hour / scale)
        weights[(half_hour - 1) % BUCKETS] = density
    mean = sum(weights) / BUCKETS
    return [w / mean for w in weights]


class ArrivalClock:
    """Moments of submission, with the model's daily cycle and our week."""

    def __init__(self, start: int, gap_seconds: float, utc_offset: int) -> None:
        """Begin at `start` (unix seconds); `gap_seconds` is the mean time between submissions."""
        self._now = float(start)
        self._offset = utc_offset
        self._weights = day_weights()
        shape, scale = GAP
        self._stretch = gap_seconds / _mean_of_exp_gamma(shape, scale, LONGEST_GAP_LOG)

    def next(self, random: Random) -> int:
        """The next submission, unix seconds; never before the one given last."""
        gap = _log_gamma(random, GAP, LONGEST_GAP_LOG)
        points = math.exp(gap) * self._stretch
        bucket_seconds = DAY / BUCKETS
        while True:
            local = self._now + self._offset
            weight = self._weights[int(local % DAY // bucket_seconds)] * WEEKDAYS[int(local // DAY + 3) % 7]
            left = bucket_seconds - local % bucket_seconds
            if points <= left * weight:
                self._now += points / weight
                return int(self._now)
            points -= left * weight
            self._now += left + 1e-6  # over the border, or a rounding error could keep us in the bucket


def draw_processors(random: Random, largest: int) -> tuple[int, bool]:
    """A job's processors, and whether it is a power of two by intent; at most `largest`."""
    high = math.log2(max(2, largest))
    middle = max(SMALLEST_LOG2, high - LARGEST_TO_MIDDLE_LOG2)
    chance = random.random()
    if chance <= SERIAL_PROBABILITY:
        return 1, True
    if random.random() <= FIRST_STAGE_PROBABILITY:
        log2 = random.uniform(SMALLEST_LOG2, middle)
    else:
        log2 = random.uniform(middle, high)
    power = chance <= SERIAL_PROBABILITY + POWER_OF_TWO_PROBABILITY
    if power:
        log2 = round(log2)
    return max(1, min(largest, round(2**log2))), power


def draw_runtime(random: Random, share: float) -> float:
    """Seconds a job runs, given the share of the machine (0 to 1) it takes: a hyper-gamma, logarithmic."""
    short = min(1.0, max(0.0, SHORT_SLOPE * share * MODEL_SIZE + SHORT_AT_ZERO))
    stage = RUNTIME_SHORT if random.random() <= short else RUNTIME_LONG
    return math.exp(_log_gamma(random, stage, LONGEST_LOG))


def _log_gamma(random: Random, shape_and_scale: tuple[float, float], most: float) -> float:
    while True:
        value = random.gammavariate(*shape_and_scale)
        if value <= most:
            return value


def _mean_of_exp_gamma(shape: float, scale: float, most: float) -> float:
    """Mean of exp(g) for g drawn from a gamma cut at `most`, by midpoints."""
    steps = 4000
    width = most / steps
    total = weighted = 0.0
    for step in range(steps):
        g = (step + 0.5) * width
        density = math.exp((shape - 1) * math.log(g) - g / scale)
        total += density
        weighted += density * math.exp(g)
    return weighted / total


@dataclass(frozen=True, slots=True)
class Request:
    """One submission: a job, or an array of `tasks` equal jobs. Times in seconds, memory in GB per chunk."""

    user: User
    queue: Queue
    name: str
    chunks: int
    cores: int
    """Cores of one chunk; a chunk is on one node."""
    gpus: int
    memory: int
    walltime: int
    runtimes: tuple[int, ...]
    """How long it would run, one for each task; more than the walltime means: ended by it."""
    exit_statuses: tuple[int, ...]
    slot_limit: int | None
    """Tasks that may run at once."""
    efficiency: float
    """CPU seconds it uses per core second, 0 to 1."""
    memory_share: float
    """Of the memory asked for."""
    project: str | None


class Workload:
    """Draws requests for one site; the same random generator gives the same requests."""

    def __init__(self, site: Site) -> None:
        self.site = site
        cpu_users = [u for u in site.users if u.weight > 0]
        gpu_users = [u for u in site.users if u.gpu_weight > 0]
        self._users = {False: cpu_users, True: gpu_users}
        self._user_weights: dict[tuple[bool, int], list[float]] = {}
        self._stretch = {gpu: self._calibrate(gpu) for gpu in ((False, True) if gpu_users else (False,))}

    @property
    def gap_seconds(self) -> float:
        """Mean time between submissions, so that tasks and jobs together reach the site's jobs a day."""
        site = self.site
        mean_tasks = 1 + site.array_share * (sum(site.array_tasks) / 2 - 1)
        return DAY * mean_tasks / site.jobs_per_day

    def draw(self, random: Random) -> Request:
        """One request."""
        site = self.site
        gpu = random.random() < site.gpu_share
        tasks = random.randint(*site.array_tasks) if not gpu and random.random() < site.array_share else 1
        chunks, cores, gpus, runtime = self._shape(random, gpu, tasks > 1)
        runtime *= self._stretch[gpu]
        user = self._pick_user(random, gpu, chunks * cores)
        queues = self._queues_for(gpu, chunks, cores, gpus)
        walltime = self._ask_walltime(random, runtime, queues[-1].max_walltime)
        queue = self._pick_queue(random, walltime, queues)
        runtimes, statuses = [], []
        for _ in range(tasks):
            status = random.choice(FAILURES) if random.random() < FAILS else 0
            own = runtime * random.uniform(0.6, 1.15) if tasks > 1 else runtime
            runtimes.append(max(5, int(own * random.random() if status else own)))
            statuses.append(status)
        memory = self._ask_memory(random, cores, gpu)
        return Request(
            user=user,
            queue=queue,
            name=self._name(random, user, tasks > 1),
            chunks=chunks,
            cores=cores,
            gpus=gpus,
            memory=memory,
            walltime=walltime,
            runtimes=tuple(runtimes),
            exit_statuses=tuple(statuses),
            slot_limit=max(2, tasks // 4) if tasks > 12 and random.random() < 0.5 else None,
            efficiency=round(min(1.0, random.betavariate(8, 1.2)) if random.random() < 0.85 else random.random(), 3),
            memory_share=round(random.betavariate(1.6, 2.2), 3),
            project=user.project if random.random() < 0.4 else None,
        )

    def _shape(self, random: Random, gpu: bool, small: bool) -> tuple[int, int, int, float]:
        """Chunks, cores and GPUs of one chunk, and the model's runtime."""
        site = self.site
        if gpu:
            per_node = site.gpus_per_node
            wanted = random.choices((1, 2, per_node, 2 * per_node), (55, 22, 18, 5))[0]
            wanted = min(wanted, site.gpu_nodes * per_node)
            chunks = max(1, wanted // per_node)
            gpus = min(wanted, per_node)
            cores = gpus * (site.gpu_node_cores // per_node)
            return chunks, cores, gpus, draw_runtime(random, wanted / (site.gpu_nodes * per_node))
        node = site.cores_per_node
        if small:
            processors, power = random.choice((1, 1, 1, 2, 4)), True
        else:
            processors, power = draw_processors(random, site.largest_job_cores)
        runtime = draw_runtime(random, processors / site.pool_cores)
        if processors <= node:
            # The sizes people ask for fit the node: its divisors, and powers of two below a half.
            fitting = [c for c in range(1, node + 1) if node % c == 0 or (c <= node // 2 and c & (c - 1) == 0)]
            cores = min(fitting, key=lambda c: (abs(math.log2(c / processors)), c))
            return 1, cores, 0, runtime
        nodes = processors / node
        whole = int(2 ** round(math.log2(nodes))) if power else round(nodes)
        return max(1, min(whole, site.largest_job_cores // node)), node, 0, runtime

    def _calibrate(self, gpu: bool) -> float:
        """By how much runtimes must be stretched for the site's jobs a day to reach its utilisation."""
        site = self.site
        random = Random(f"calibrate:{site.name}:{gpu}")
        share = site.gpu_share if gpu else 1 - site.gpu_share
        wanted = site.utilisation * (site.gpu_nodes * site.gpus_per_node if gpu else site.pool_cores) * DAY
        submissions = DAY / self.gap_seconds * share
        draws = []
        for _ in range(4000):
            tasks = random.randint(*site.array_tasks) if not gpu and random.random() < site.array_share else 1
            chunks, cores, gpus, runtime = self._shape(random, gpu, tasks > 1)
            longest = self._queues_for(gpu, chunks, cores, gpus)[-1].max_walltime
            draws.append((tasks * chunks * (gpus if gpu else cores), runtime, longest))
        low, high = 1e-3, 1e3
        for _ in range(40):
            stretch = math.sqrt(low * high)
            mean = sum(size * min(longest, stretch * runtime) for size, runtime, longest in draws) / len(draws)
            # What fails, fails half way on average.
            if mean * submissions * (1 - FAILS / 2) < wanted:
                low = stretch
            else:
                high = stretch
        return math.sqrt(low * high)

    def _pick_user(self, random: Random, gpu: bool, cores: int) -> User:
        """By weight, and by how near the size is to what the user usually runs."""
        size_class = int(math.log2(cores))
        weights = self._user_weights.get((gpu, size_class))
        if weights is None:
            weights = list(
                accumulate(
                    (u.gpu_weight if gpu else u.weight) * math.exp(-(((size_class - u.usual_log2) / 3.5) ** 2))
                    for u in self._users[gpu]
                )
            )
            self._user_weights[gpu, size_class] = weights
        return random.choices(self._users[gpu], cum_weights=weights)[0]

    def _queues_for(self, gpu: bool, chunks: int, cores: int, gpus: int) -> list[Queue]:
        """Queues whose limits allow a job of this size at all, the shortest first."""
        return [
            q
            for q in self.site.queues
            if q.takes_jobs
            and q.gpu == gpu
            and chunks * cores <= (q.user_cores or math.inf)
            and chunks * gpus <= (q.user_gpus or math.inf)
        ]

    def _ask_walltime(self, random: Random, runtime: float, longest: int) -> int:
        if random.random() < ENDED_BY_LIMIT:
            shorter = [w for w in POPULAR_WALLTIMES if w <= runtime]
            if shorter:
                return min(longest, shorter[-1])
        used = max(0.04, random.random())
        asked = runtime / used + EPSILON
        return min(longest, next((w for w in POPULAR_WALLTIMES if w >= asked), longest))

    def _pick_queue(self, random: Random, walltime: int, queues: list[Queue]) -> Queue:
        fitting = [q for q in queues if q.max_walltime >= walltime]
        # Most people use the shortest queue that takes the job, some their usual one.
        return fitting[0] if random.random() < 0.85 else random.choice(fitting)

    def _ask_memory(self, random: Random, cores: int, gpu: bool) -> int:
        site = self.site
        whole = site.gpu_node_memory if gpu else site.memory_per_node
        node_cores = site.gpu_node_cores if gpu else site.cores_per_node
        share = whole * 0.9 * cores / node_cores
        factor = random.choice((0.25, 0.5, 0.5, 1.0, 1.0)) if random.random() < 0.94 else random.uniform(1.5, 4.0)
        return max(1, min(int(whole * 0.9), int(share * factor)))

    def _name(self, random: Random, user: User, array: bool) -> str:
        stem = random.choice(user.names)
        if array:
            return stem
        return f"{stem}{random.choice(('-', '_', '.'))}{random.randint(1, 99)}" if random.random() < 0.5 else stem
