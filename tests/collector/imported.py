"""Imports for tests: recorded logs, made ones, and what a store then holds, without the numbers of its rows."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterable, Sequence
from datetime import tzinfo
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from agent.zones import zone_named
from collector.imports import Import, Summary
from collector.logs import Found, LogReader, Unended
from collector.rows import hosts_record
from collector.settings import Settings
from collector.store import Store
from tests.collector.reports import EVERY_SPAN
from tests.databases import store_at

SAMPLES = Path(__file__).parent.parent / "samples"
OPENPBS_LOG = SAMPLES / "openpbs-23.06.06/accounting/20261123.gz"
TORQUE_LOG = SAMPLES / "torque-6.1.3.h5/accounting/20261123.gz"
UTC = zone_named("UTC")
SETTINGS = Settings.model_validate({"cluster": [{"name": "c", "agent": "tcp://127.0.0.1:1"}]})

JOB = """
select number, server.text server, array_number, array_index, name, u.text user, g.text "group", a.text account,
       p.text project, q.text queue, state, native_state, cores, nodes, gpus, memory_bytes, walltime_seconds,
       walltime_used_seconds, cpu_used_seconds, memory_used_bytes, submitted_at, eligible_at, started_at, ended_at,
       ended_estimated, implied, exit_status, priority, hold, depends_on, comment, estimated_start_at, hosts
from job left join job_live on job_live.job_id = job.id left join word server on server.id = server_id
left join word u on u.id = user_id left join word g on g.id = group_id left join word a on a.id = account_id
left join word p on p.id = project_id left join word q on q.id = queue_id
"""
SPAN = f"""
select number, submitted_at, since, until, s.state, q.text queue, s.cores, s.gpus
from ({EVERY_SPAN}) s join job on job.id = s.job_id left join word q on q.id = s.queue_id
"""
USAGE = """
select bucket, q.text queue, u.text user, g.text "group", core_seconds, gpu_seconds, waited_core_seconds, submitted,
       started, ended, wait_seconds
from {} left join word q on q.id = queue_id left join word u on u.id = user_id left join word g on g.id = group_id
"""
UNENDED = "select kind, job, data from import_unended"


def contents(engine: Engine, *more: str) -> dict[str, list[dict[str, Any]]]:
    """Jobs, spans, sums and sizes of arrays, words resolved, in an order of their own; `more` are further selects."""
    selects = {"job": JOB, "span": SPAN, "hour": USAGE.format("usage_hour"), "day": USAGE.format("usage_day")}
    selects |= {"array": "select number, total from job_array", "known": "select since, until from known_span"}
    with engine.connect() as connection:
        words: dict[int, str] = dict(connection.execute(text("select id, text from word")).all())
        found = {
            name: [dict(row) for row in connection.execute(text(select)).mappings()]
            for name, select in [*selects.items(), *((one, one) for one in more)]
        }
    for row in found["job"]:
        row["hosts"] = sorted(hosts_record(row["hosts"], words).items())
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


def open_store(folder: Path) -> tuple[Store, int]:
    """A store in `folder`, with the number of its only cluster."""
    store = Store(store_at(folder / "store.sqlite"))
    return store, store.sync_clusters(SETTINGS)["c"]


def import_into(store: Store, cluster_id: int, *paths: Path, zone: tzinfo = UTC) -> Summary:
    """Read files as a process of its own would: what the store remembers is read anew."""
    store._known.clear()
    reading = Import(store.engine, store.words, cluster_id, zone, time.time())
    for _ in reading.run(paths):
        pass
    return reading.summary


def read_log(lines: Iterable[str], zone: tzinfo = UTC, unended: Unended | None = None) -> Found:
    """What some lines come to."""
    reader = LogReader(zone, time.time(), Unended() if unended is None else unended)
    reader.read(list(lines), 1)
    reader.finish()
    return reader.take()


def recorded_lines(path: Path = OPENPBS_LOG) -> list[str]:
    """The lines of a recorded log, without their ends."""
    return gzip.decompress(path.read_bytes()).decode("latin-1").split("\n")[:-1]


def write_log(path: Path, lines: Sequence[str]) -> Path:
    """A log of these lines."""
    path.write_bytes("".join(f"{line}\n" for line in lines).encode("latin-1"))
    return path


T0 = 1_795_392_000
"""2026-11-23 00:00 UTC."""


def stamp(second: int) -> str:
    """A line's time, in UTC."""
    return time.strftime("%m/%d/%Y %H:%M:%S", time.gmtime(second))


def told(kind: str, number: int | str, at: int, rest: str = "", **attributes: object) -> str:
    """A line of OpenPBS's; those of Q, S, E and R records tell a whole job."""
    base: dict[str, object] = {}
    if kind in "QSER":
        base = {"user": "alice", "group": "physics", "jobname": f"job{number}", "queue": "batch", "ctime": T0}
        base |= {"Resource_List.ncpus": 4, "Resource_List.nodect": 1, "Resource_List.select": "1:ncpus=4"}
    words = " ".join(f"{name.replace('__', '.')}={value}" for name, value in {**base, **attributes}.items())
    return f"{stamp(at)};{kind};{number}.pbs01;{words}{rest}"
