"""Stores filled through collector.schema's tables, as the collector would leave them: for tests and for looking.

Everything is drawn from one seed; times are relative to `now`. `python -m tests.webstat.stores FOLDER`
leaves a store and a webstat.toml there.

One module, since a cluster's jobs, nodes, spans and polls are made to agree with each other.
"""

from __future__ import annotations

import json
import random
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, select, update

from agent.states import HOLDS_CORES, JobState, NodeState
from collector import schema
from collector.database import open_engine
from collector.partitions import make_room
from collector.rows import hosts_text
from collector.schema import JOB_STATES, NODE_STATES, OPEN
from tests.databases import store_at

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    "=cmd|'/c calc'!A1",
    "u" * 180,
    "\u202eresu\u202c",
    "مستخدم",
    "🧪🔬",
    "a&b;%{y}</span>",
)
"""Names that try to act, to spill, or to turn the line around."""

USERS = ("alice", "bob", "carol", "dave", "frank", "grace", "heidi", "ivan", "judy", "mallory", "olivia", "peggy")
HOUR, DAY = 3600, 86400
_SCRIPTS = ScriptDirectory(str(Path(schema.__file__).parent / "migrations"))


@dataclass
class Shape:
    """What a cluster is like."""

    name: str
    title: str
    kind: str = "openpbs"
    version: str = "23.06.06"
    nodes: int = 128
    cores: int = 24
    gpu_nodes: int = 0
    users: tuple[str, ...] = USERS
    queues: tuple[tuple[str, int | None], ...] = (("short", 4 * HOUR), ("batch", DAY), ("long", 5 * DAY))
    load: float = 0.85
    queued: int = 40
    demo: bool = False
    period: int = 60
    age: float = 14.0
    failures: int = 0
    error_code: str | None = None
    error: str | None = None
    partial: tuple[str, ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()
    gaps: tuple[tuple[float, float], ...] = ()
    """Hours ago (from, to) in which no report came."""
    seen: bool = True
    days: int = 8
    out: int = 3
    job_names: tuple[str, ...] = ("villin-fold", "ab42-prod", "nvt-eq", "cp2k-slab", "STDIN")


@dataclass
class Builder:
    """A store being filled."""

    path: Path
    now: float = field(default_factory=time.time)
    seed: int = 7

    def __post_init__(self) -> None:
        self.engine = open_engine(self.url)
        self.random = random.Random(self.seed)
        self._words: dict[str, int] = {}
        schema.metadata.create_all(self.engine)
        with self.engine.begin() as connection:
            MigrationContext.configure(connection).stamp(_SCRIPTS, "head")

    @property
    def url(self) -> str:
        return store_at(self.path)

    def close(self) -> None:
        self.engine.dispose()

    def word(self, connection: Connection, text: str) -> int:
        if text not in self._words:
            found = connection.execute(select(schema.word.c.id).where(schema.word.c.text == text)).scalar()
            self._words[text] = (
                found or connection.execute(insert(schema.word).values(text=text)).inserted_primary_key[0]
            )
        return self._words[text]

    def add(self, shape: Shape) -> int:
        """Write a cluster with its history; returns its id."""
        taken_at = self.now - shape.age
        with self.engine.begin() as connection:
            row: dict[str, Any] = {
                "name": shape.name,
                "title": shape.title,
                "listed": True,
                "demo": shape.demo,
                "period_seconds": shape.period,
                "load_share": 0.05,
                "report": 0,
                "failures": shape.failures,
                "error_code": shape.error_code,
                "error": shape.error,
                "attempted_at": taken_at if not shape.failures else self.now - 20,
                "next_poll_at": taken_at + shape.period if not shape.failures else self.now + 40,
            }
            if shape.seen:
                row |= {
                    "scheduler_kind": shape.kind,
                    "scheduler_version": shape.version,
                    "scheduler_server": shape.name,
                    "report": 1000,
                    "taken_at": taken_at,
                    "query_seconds": 0.6,
                    "warnings": json.dumps([{"source": s, "message": m} for s, m in shape.warnings]),
                    "partial": json.dumps(list(shape.partial)),
                }
            ident = connection.execute(insert(schema.cluster).values(**row)).inserted_primary_key[0]
            if shape.seen:
                running = self._jobs(connection, ident, shape, taken_at)
                self._nodes(connection, ident, shape, running, taken_at)
                self._queues(connection, ident, shape)
                self._sums(connection, ident, shape, taken_at)
            self._polls(connection, ident, shape, taken_at)
        return ident

    def _jobs(self, connection: Connection, ident: int, shape: Shape, taken_at: float) -> list[dict[str, Any]]:
        capacity = int(shape.nodes * shape.cores * shape.load)
        jobs: list[dict[str, Any]] = []
        begin = taken_at - shape.days * DAY
        lanes: list[tuple[str, int]] = []
        while capacity > 0 and shape.users:
            weight = [1 / (1 + place) for place in range(len(shape.users))]
            user = self.random.choices(shape.users, weight)[0]
            size = min(capacity, self.random.choice((1, 4, shape.cores, shape.cores, 2 * shape.cores, 4 * shape.cores)))
            lanes.append((user, size))
            capacity -= size
        for user, size in lanes:
            at = begin + self.random.uniform(-10, 10) * HOUR
            while at < taken_at:
                queue, limit = self.random.choice(shape.queues)
                walltime = limit or 2 * DAY
                length = int(
                    self.random.uniform(0.2, 1.0) * min(walltime, self.random.choice((6 * HOUR, 14 * HOUR, 40 * HOUR)))
                )
                waited = int(self.random.expovariate(1 / 3000))
                jobs.append(self._job(user, queue, size, shape, at - waited, at, at + length, walltime, taken_at))
                at += length + self.random.choice((60, 60, 300, 3 * HOUR))
        for _ in range(shape.queued):
            user = self.random.choice(shape.users)
            queue, limit = self.random.choice(shape.queues)
            at = taken_at - self.random.expovariate(1 / (5 * HOUR))
            size = self.random.choice((1, shape.cores, 4 * shape.cores))
            held = self.random.random() < 0.05
            state = JobState.HELD if held else JobState.QUEUED
            jobs.append(self._job(user, queue, size, shape, at, None, None, limit or DAY, taken_at, state))
        number = 460000
        rows, spans = [], []
        for place, job in enumerate(sorted(jobs, key=lambda job: job["submitted_at"])):
            row = {key: value for key, value in job.items() if key not in ("user", "queue")}
            row["id"] = ident * 1_000_000 + place
            row["cluster_id"] = ident
            row["number"] = str(number + place)
            row["server_id"] = self.word(connection, shape.name)
            row["user_id"] = self.word(connection, job["user"])
            row["group_id"] = self.word(connection, "pande")
            row["queue_id"] = self.word(connection, job["queue"])
            job["id"], job["native_id"] = row["id"], f"{row['number']}.{shape.name}"
            rows.append(row)
            base = {"job_id": row["id"], "queue_id": row["queue_id"], "cores": row["cores"], "gpus": row["gpus"]}
            waiting = JOB_STATES.index(JobState.QUEUED)
            started, ended = row["started_at"], row["ended_at"]
            if started is None:
                spans.append({**base, "since": row["submitted_at"], "until": OPEN, "state": row["state"]})
                continue
            if started > row["submitted_at"]:
                spans.append({**base, "since": row["submitted_at"], "until": started, "state": waiting})
            spans.append(
                {**base, "since": started, "until": ended or OPEN, "state": JOB_STATES.index(JobState.RUNNING)}
            )
        if rows:
            connection.execute(insert(schema.job), rows)
            connection.execute(insert(schema.job_span), spans)
        return [job for job in jobs if job["ended_at"] is None and JOB_STATES[job["state"]] in HOLDS_CORES]

    def _job(
        self,
        user: str,
        queue: str,
        size: int,
        shape: Shape,
        submitted: float,
        started: float | None,
        ended: float | None,
        walltime: int,
        taken_at: float,
        state: JobState = JobState.RUNNING,
    ) -> dict[str, Any]:
        over = ended is not None and ended < taken_at
        index = JOB_STATES.index(JobState.FINISHED if over else state)
        return {
            "user": user,
            "queue": queue,
            "name": self.random.choice(shape.job_names),
            "state": index,
            "native_state": "R",
            "cores": size,
            "nodes": max(1, size // shape.cores),
            "gpus": 0,
            "walltime_seconds": walltime,
            "submitted_at": int(submitted),
            "started_at": int(started) if started is not None else None,
            "ended_at": int(ended) if over else None,
            "ended_estimated": False,
        }

    def _nodes(
        self, connection: Connection, ident: int, shape: Shape, running: list[dict[str, Any]], at: float
    ) -> None:
        used = [0] * shape.nodes
        gone = set(range(shape.nodes - 1, -1, -7)) if shape.out else set()
        gone = set(sorted(gone)[: shape.out])
        held: list[list[str]] = [[] for _ in used]
        hosts: dict[int, dict[str, int]] = {}
        places = [place for place in range(shape.nodes) if place not in gone]
        for job in sorted(running, key=lambda job: -job["cores"]):
            left = job["cores"]
            for place in places:
                take = min(left, shape.cores - used[place])
                if take:
                    used[place] += take
                    held[place].append(job["native_id"])
                    hosts.setdefault(job["id"], {})[f"cn{place + 1:03d}"] = take
                    left -= take
                if not left:
                    break
        rows = []
        for place in range(shape.nodes):
            state = (
                NodeState.FREE
                if not used[place]
                else NodeState.BUSY
                if used[place] >= shape.cores
                else NodeState.PARTIAL
            )
            if place in gone:
                state = NodeState.DOWN if place % 2 else NodeState.OFFLINE
            gpu = place >= shape.nodes - shape.gpu_nodes
            rows.append(
                {
                    "cluster_id": ident,
                    "name": f"cn{place + 1:03d}",
                    "state": NODE_STATES.index(state),
                    "native_state": state.value,
                    "cores": shape.cores,
                    "cores_used": used[place],
                    "gpus": 4 if gpu else 0,
                    "gpus_used": min(4, used[place] // 6) if gpu else 0,
                    "memory_bytes": 128 * 1024**3,
                    "memory_used_bytes": used[place] * 5 * 1024**3,
                    "load": used[place] * 0.98,
                    "jobs": json.dumps(held[place]),
                    "properties": json.dumps(["gpu", "k80"] if gpu else ["batch", "short"]),
                    "comment": "DIMM swap, ticket 4711" if state is NodeState.OFFLINE else None,
                }
            )
        if rows:
            connection.execute(insert(schema.node), rows)
        for job_id, places_of_job in hosts.items():
            text = hosts_text(places_of_job, lambda name: self.word(connection, name))
            connection.execute(update(schema.job).where(schema.job.c.id == job_id).values(hosts=text))

    def _queues(self, connection: Connection, ident: int, shape: Shape) -> None:
        rows = [
            {
                "cluster_id": ident,
                "name": name,
                "type": "execution",
                "enabled": True,
                "started": True,
                "priority": 100 - place,
                "max_walltime_seconds": limit,
            }
            for place, (name, limit) in enumerate(shape.queues)
        ]
        stopped = {"cluster_id": ident, "name": "debug", "type": "execution", "enabled": True, "started": False}
        stopped |= {"priority": 0, "max_walltime_seconds": 1800}
        connection.execute(insert(schema.queue), [*rows, stopped])

    def _polls(self, connection: Connection, ident: int, shape: Shape, taken_at: float) -> None:
        rows: list[dict[str, Any]] = []
        none = {"report": None, "taken_at": None, "query_seconds": None, "error_code": None, "error": None}
        if shape.seen:
            at, number = taken_at, 1000
            while at > taken_at - 1.2 * DAY:
                ago = (self.now - at) / HOUR
                if not any(start >= ago >= end for start, end in shape.gaps):
                    row = {"report": number, "taken_at": at, "query_seconds": 0.6}
                    rows.append({**none, "cluster_id": ident, "at": int(at - 1), "seconds": 0.7, **row})
                    number -= 1
                at -= shape.period
        for step in range(shape.failures):
            row = {"error_code": shape.error_code, "error": shape.error}
            rows.append({**none, "cluster_id": ident, "at": int(self.now - 20 - step * 120), "seconds": 30.0, **row})
        if rows:
            make_room(connection, min(row["at"] for row in rows), int(self.now), schema.poll)
            connection.execute(insert(schema.poll), rows)
        told = [row for row in rows if row.get("report") is not None]
        if told:
            since, until = (int(find(row["taken_at"] for row in told)) for find in (min, max))
            connection.execute(insert(schema.known_span).values(cluster_id=ident, since=since, until=until + 1))

    def _sums(self, connection: Connection, ident: int, shape: Shape, taken_at: float) -> None:
        serving = {"cluster_id": ident, "gpu_seconds": 0}
        hour = int(taken_at) // HOUR * HOUR
        rows = [
            {
                **serving,
                "bucket": hour - ago * HOUR,
                "state": NODE_STATES.index(NodeState.BUSY),
                "core_seconds": (shape.nodes - shape.out) * shape.cores * HOUR,
                "node_seconds": (shape.nodes - shape.out) * HOUR,
            }
            for ago in range(30)
        ]
        make_room(connection, hour - 30 * HOUR, hour, schema.capacity_hour)
        connection.execute(insert(schema.capacity_hour), rows)
        totals: dict[str, int] = {}
        jobs = schema.job.c
        for user, cores, started, ended in connection.execute(
            select(schema.word.c.text, jobs.cores, jobs.started_at, jobs.ended_at)
            .join(schema.word, schema.word.c.id == jobs.user_id)
            .where(jobs.cluster_id == ident, jobs.started_at.is_not(None))
        ):
            totals[user] = totals.get(user, 0) + cores * int((ended or taken_at) - started)
        day = int(taken_at) // DAY * DAY
        zero = dict.fromkeys(("gpu_seconds", "waited_core_seconds", "submitted", "started", "ended", "wait_seconds"), 0)
        queue = self.word(connection, shape.queues[0][0])
        rows = [
            {
                **zero,
                "cluster_id": ident,
                "bucket": day,
                "queue_id": queue,
                "user_id": self.word(connection, user),
                "group_id": 0,
                "core_seconds": seconds,
            }
            for user, seconds in totals.items()
        ]
        if rows:
            connection.execute(insert(schema.usage_day), rows)

    def report(self, name: str, taken_at: float | None = None, start_cores: int = 0, user: str = "newcomer") -> int:
        """A new report of a cluster, in which `user` has started a job of `start_cores`; returns its number."""
        at = taken_at if taken_at is not None else time.time()
        c = schema.cluster.c
        with self.engine.begin() as connection:
            ident, number, period = connection.execute(
                select(c.id, c.report, c.period_seconds).where(c.name == name)
            ).one()
            fresh = {"report": number + 1, "taken_at": at, "failures": 0, "error_code": None, "error": None}
            fresh |= {"attempted_at": at, "next_poll_at": at + period}
            connection.execute(update(schema.cluster).where(c.id == ident).values(**fresh))
            make_room(connection, int(at), int(at), schema.poll)
            connection.execute(
                insert(schema.poll).values(cluster_id=ident, at=int(at), seconds=0.5, report=number + 1, taken_at=at)
            )
            if start_cores:
                queue = connection.execute(
                    select(schema.job.c.queue_id).where(schema.job.c.cluster_id == ident)
                ).scalar()
                job = {
                    "cluster_id": ident,
                    "number": f"new{number}",
                    "server_id": self.word(connection, name),
                    "name": "new",
                    "user_id": self.word(connection, user),
                    "queue_id": queue or self.word(connection, "batch"),
                    "state": JOB_STATES.index(JobState.RUNNING),
                    "native_state": "R",
                    "cores": start_cores,
                    "nodes": 1,
                    "gpus": 0,
                    "submitted_at": int(at) - 60,
                    "started_at": int(at) - 30,
                    "ended_estimated": False,
                }
                job_id = connection.execute(insert(schema.job).values(**job)).inserted_primary_key[0]
                span = {"job_id": job_id, "since": int(at) - 30, "until": OPEN, "state": job["state"]}
                span |= {"queue_id": job["queue_id"], "cores": start_cores, "gpus": 0}
                connection.execute(insert(schema.job_span).values(**span))
        return int(number) + 1


TIMEOUT = "the agent at tcp://login3:7621 gave no answer in 90 s"
WORLD = (
    Shape("certainty", "certainty", gpu_nodes=4, queued=285),
    Shape("vsp-compute", "vsp-compute", "torque", "6.1.3", nodes=49, load=0.7, queued=14, age=31.0, gaps=((9.0, 6.5),)),
    Shape(
        "biox3", "biox3", "slurm", "22.05.8", nodes=400, cores=16, load=0.9, queued=42,
        age=12 * 60.0, failures=6, error_code="silent", error=TIMEOUT,
    ),
    Shape("late", "latecomer", nodes=10, age=180.0, failures=1, error_code="command_timeout", error="qstat -f took 71 s"),
    Shape(
        "partial", "partial", "torque", "2.5.13", nodes=16, partial=("nodes",),
        warnings=(("pbsnodes -x", "exit 1: cannot connect to server"), ("qstat -x: 17.partial", "no owner")),
    ),
    Shape("newton", "newton", seen=False, failures=4, error_code="refused", error="the agent refused the key"),
    Shape("fresh", "fresh", seen=False),
    Shape("idle", "idle", users=(), queued=0, nodes=8, out=0),
    Shape("full", "full", load=1.2, nodes=6, out=0, queued=9),
    Shape("hostile", "<b>hostile</b> & co", users=HOSTILE, nodes=20, queued=12, out=2),
)  # fmt: skip


def toml(builder: Builder, shapes: tuple[Shape, ...], announce: str, refresh: str, port: int = 8050) -> str:
    """A webstat.toml for these clusters."""
    lines = [
        f'[store]\nurl = "{builder.url}"',
        f'[collector]\nannounce = "{announce}"\nrefresh = "{refresh}"',
    ]
    lines.append(f"[web]\nport = {port}")
    for shape in shapes:
        title = json.dumps(shape.title)
        lines.append(f'[[cluster]]\nname = "{shape.name}"\ntitle = {title}\nagent = "tcp://127.0.0.1:1"')
    return "\n\n".join(lines) + "\n"


def main() -> None:
    """Leave a store with every state, and its settings, in the folder named."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    builder = Builder(folder / "webstat.sqlite")
    shapes = WORLD[: int(sys.argv[2])] if len(sys.argv) > 2 else WORLD
    for shape in shapes:
        builder.add(shape)
    (folder / "webstat.toml").write_text(toml(builder, shapes, "tcp://127.0.0.1:17622", "tcp://127.0.0.1:17623", 18050))
    builder.close()


if __name__ == "__main__":
    main()
