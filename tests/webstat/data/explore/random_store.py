"""A store of randomly made jobs, and the same jobs as plain records to count by hand."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, insert

from agent.states import JobState
from collector.database import migrate, open_engine
from collector.history import pack
from collector.partitions import PARTITIONED, make_room
from collector.schema import (
    JOB_STATES,
    OPEN,
    capacity_day,
    capacity_hour,
    cluster,
    job,
    job_span,
    known_span,
    word,
)
from tests.databases import store_at

HOUR, DAY = 3600, 86400
SINCE = int(datetime(2026, 9, 20, tzinfo=UTC).timestamp())
UNTIL = int(datetime(2026, 11, 20, 12, 34, 56, tzinfo=UTC).timestamp())
"""Both clock changes of autumn lie between."""

USERS = ("alice", "bob", "carol", "dave")
GROUPS = ("physics", "bio", None)
QUEUES = ("short", "long", "gpu")
RUNNING, QUEUED, SUSPENDED = (JOB_STATES.index(s) for s in (JobState.RUNNING, JobState.QUEUED, JobState.SUSPENDED))
CAPACITY = 100


@dataclass(frozen=True)
class Span:
    since: int
    until: int
    runs: bool
    waits: bool
    queue: str
    cores: int
    gpus: int


@dataclass(frozen=True)
class Plain:
    """A job as it is counted by hand."""

    cluster: str
    user: str
    group: str | None
    account: str | None
    queue: str
    cores: int
    gpus: int
    submitted: int
    eligible: int | None
    started: int | None
    ended: int | None
    exit_status: int | None
    walltime: int | None
    walltime_used: int | None
    cpu_used: int | None
    spans: tuple[Span, ...]


def make_jobs(seed: int, number: int, names: tuple[str, ...] = ("one", "two")) -> list[Plain]:
    rng = random.Random(seed)
    return [_job(rng, rng.choice(names)) for _ in range(number)]


def _job(rng: random.Random, where: str) -> Plain:
    queue, cores = rng.choice(QUEUES), rng.choice((1, 1, 4, 8, 24, 96, 600))
    gpus = rng.choice((0, 0, 2))
    submitted = rng.randrange(SINCE, UNTIL)
    wait = rng.choice((0, 1, rng.randrange(60), rng.randrange(5 * HOUR), rng.randrange(9 * DAY)))
    run = rng.choice((0, 3, rng.randrange(2 * HOUR), rng.randrange(12 * DAY), rng.randrange(45 * DAY)))
    started: int | None = submitted + wait
    ended: int | None = submitted + wait + run
    eligible = rng.choice((None, submitted, submitted + rng.randrange(wait + 1)))
    spans = []
    if wait:
        spans.append(Span(submitted, submitted + wait, False, True, queue, cores, gpus))
    if rng.random() < 0.1:  # deleted before it ran
        started, ended = None, submitted + wait
    elif rng.random() < 0.2 and run > 100:  # irregular: suspended, moved on, run again with other cores
        one, two = submitted + wait + run // 3, submitted + wait + run // 2
        other = rng.choice(QUEUES)
        spans += [
            Span(submitted + wait, one, True, False, other, cores, gpus),
            Span(one, two, False, rng.random() < 0.5, queue, cores, gpus),
            Span(two, submitted + wait + run, True, False, queue, cores + 1, gpus),
        ]
    elif run:
        spans.append(Span(submitted + wait, submitted + wait + run, True, False, queue, cores, gpus))
    exit_status = rng.choice((0, 0, 0, 1, 271, None))
    if ended is not None and ended > UNTIL:  # it lives
        ended, exit_status = None, None
        if started is not None and started > UNTIL:
            started = None
        spans = [s for s in spans if s.since <= UNTIL]
        spans = [
            s if s.until <= UNTIL else Span(s.since, OPEN, s.runs, s.waits, s.queue, s.cores, s.gpus) for s in spans
        ]
    return Plain(
        where, rng.choice(USERS), rng.choice(GROUPS), rng.choice(("p1", None)), queue, cores, gpus, submitted, eligible,
        started, ended, exit_status if started is not None else None, rng.choice((None, HOUR, DAY, 5 * DAY, 30 * DAY)),
        run if rng.random() < 0.8 else None, run * cores // 2 if rng.random() < 0.7 else None, tuple(spans),
    )  # fmt: skip


def write_store(path: Path, jobs: list[Plain], *, packed: bool = True) -> Engine:
    """The jobs in a store of clusters `one` and `two`, known in between but for a gap of two days on `two`."""
    engine = open_engine(store_at(path))
    migrate(engine)
    texts = sorted({text for one in jobs for text in (one.user, one.group, one.account, *QUEUES) if text})
    ids = {text: number for number, text in enumerate(texts, 1)}
    clusters = {"one": 1, "two": 2}
    with engine.begin() as connection:
        connection.execute(insert(word), [{"id": number, "text": text} for text, number in ids.items()])
        for name, number in clusters.items():
            connection.execute(
                insert(cluster).values(
                    id=number, name=name, title=name.title(), period_seconds=60, report=7, taken_at=float(UNTIL)
                )
            )
        stretches = [(1, SINCE, UNTIL), (2, SINCE, SINCE + 20 * DAY), (2, SINCE + 22 * DAY, UNTIL)]
        connection.execute(
            insert(known_span), [{"cluster_id": c, "since": since, "until": until} for c, since, until in stretches]
        )
        for table, size in ((capacity_hour, HOUR), (capacity_day, DAY)):
            rows = [
                {
                    "cluster_id": c,
                    "bucket": at,
                    "state": 0,
                    "core_seconds": CAPACITY * size,
                    "gpu_seconds": 0,
                    "node_seconds": size,
                }
                for c in clusters.values()
                for at in range(SINCE, UNTIL, size)
            ]
            make_room(connection, SINCE, UNTIL, *({table} & set(PARTITIONED)))
            connection.execute(insert(table), rows)
        connection.execute(insert(job), [_row(number, one, clusters, ids) for number, one in enumerate(jobs, 1)])
        spans = [
            {
                "job_id": number, "since": s.since, "until": s.until, "queue_id": ids[s.queue], "cores": s.cores, "gpus": s.gpus,
                "state": RUNNING if s.runs else QUEUED if s.waits else SUSPENDED,
            }
            for number, one in enumerate(jobs, 1)
            for s in one.spans
        ]  # fmt: skip
        connection.execute(insert(job_span), spans)
    if packed:
        for number in clusters.values():
            pack(engine, number, UNTIL)
    return engine


def _row(number: int, one: Plain, clusters: dict[str, int], ids: dict[str, int]) -> dict[str, object]:
    return {
        "id": number, "cluster_id": clusters[one.cluster], "number": str(number), "name": "job", "state": 0,
        "native_state": "", "user_id": ids[one.user], "group_id": ids.get(one.group or ""),
        "account_id": ids.get(one.account or ""), "queue_id": ids[one.queue], "cores": one.cores, "nodes": 1,
        "gpus": one.gpus, "submitted_at": one.submitted, "eligible_at": one.eligible, "started_at": one.started,
        "ended_at": one.ended, "exit_status": one.exit_status, "walltime_seconds": one.walltime,
        "walltime_used_seconds": one.walltime_used, "cpu_used_seconds": one.cpu_used, "ended_estimated": False,
    }  # fmt: skip
