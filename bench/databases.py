"""The same store in PostgreSQL and in SQLite, and what its tables by month are good for.

A server of its own is started, with the care for power cuts that the tests leave out. A report of 10,000 jobs with 1 %
changed is stored in both; the frames of a page are read from both; of a table of sums by hour, an old month is dropped as
a partition, and deleted from a table that is whole; spans of jobs are looked up in one table, and in one by month.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine, text

from agent.probe import take_report
from agent.recording import Choice, Replay
from bench.store import CHANGED, POLLS, SAMPLE, later
from collector.database import open_engine
from collector.lives import month_after
from collector.partitions import drop_before, make_room
from collector.schema import usage_hour
from collector.settings import Settings
from collector.store import PollTimes, Store
from tests.databases import Postgres
from webstat.data.queries import now
from webstat.data.queries.engine import open_store

ROWS = 3_600_000
"""Sums by hour of a month: 100 clusters with 50 users, queues and groups an hour."""
MONTH = 1_793_491_200
"""2026-11-01."""


def main() -> None:
    """Print the tables."""
    server = Postgres(careful=True)
    try:
        with tempfile.TemporaryDirectory() as folder:
            _both(server, Path(folder))
        _months(open_engine(server.url(server.database_at(Path("months")))))
        _spans(open_engine(server.url(server.database_at(Path("spans")))))
    finally:
        server.stop()


def _both(server: Postgres, folder: Path) -> None:
    urls = {"sqlite": f"sqlite:///{folder}/s.sqlite", "postgresql": server.url(server.database_at(folder))}
    stores = {name: Store(url) for name, url in urls.items()}
    times: dict[str, list[float]] = {name: [] for name in urls}
    report = take_report(Replay(SAMPLE, Choice()))
    settings = Settings.model_validate({"cluster": [{"name": "c", "agent": "tcp://127.0.0.1:1"}]})
    for store in stores.values():
        store.sync_clusters(settings)
        store.store_report(1, report, PollTimes(report.taken_at, 0))
    for _ in range(POLLS):
        report = later(report)
        for name, store in stores.items():
            begun = time.perf_counter()
            assert store.store_report(1, report, PollTimes(report.taken_at, 0)).jobs_changed == CHANGED
            times[name].append(time.perf_counter() - begun)
    print(f"{len(report.jobs):,} jobs, {CHANGED} changed, {POLLS} polls, medians")
    _print("storing a report", times)
    readers = {name: open_store(url) for name, url in urls.items()}
    loads: dict[str, Callable[[Engine], object]] = {
        "the clusters": now.load_clusters,
        "jobs by user and queue": lambda engine: now.load_job_totals(engine, 1),
        "the nodes": lambda engine: now.load_nodes(engine, 1),
    }
    for what, load in loads.items():
        times = {name: [_seconds(load, engine) for _ in range(15)] for name, engine in readers.items()}
        _print(what, times)
    for closing in (*stores.values(), *readers.values()):
        (closing.close if isinstance(closing, Store) else closing.dispose)()


def _print(what: str, times: dict[str, list[float]]) -> None:
    medians = {name: statistics.median(one) * 1000 for name, one in times.items()}
    ratio = medians["postgresql"] / medians["sqlite"]
    print(
        f"  {what:24} PostgreSQL {medians['postgresql']:8.1f} ms   SQLite {medians['sqlite']:8.1f} ms   ratio {ratio:5.2f}"
    )


def _seconds(load: Callable[[Engine], object], engine: Engine) -> float:
    begun = time.perf_counter()
    load(engine)
    return time.perf_counter() - begun


def _months(engine: Engine) -> None:
    fill = (
        "INSERT INTO {} SELECT 1 + n % 100, :month + (n / 100 / 50) * 3600, 1 + n / 100 % 50, 1, 0, 1, 0, 0, 1, 1, 1, 0 "
        "FROM generate_series(0, :rows - 1) n"
    )
    values = {"month": MONTH, "rows": ROWS}
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO cluster (id, name, title, listed, demo, period_seconds, report, failures) "
            "SELECT n, 'c' || n, 'C', true, false, 60, 0, 0 FROM generate_series(1, 100) n"
        )
        connection.exec_driver_sql("INSERT INTO word SELECT n, 'w' || n FROM generate_series(1, 50) n")
        make_room(connection, MONTH, MONTH, usage_hour)
        connection.exec_driver_sql("CREATE TABLE whole (LIKE usage_hour INCLUDING ALL)")
        connection.execute(text(fill.format("usage_hour")), values)
        connection.execute(text(fill.format("whole")), values)
    begun = time.perf_counter()
    with engine.begin() as connection:
        rows = drop_before(connection, usage_hour, month_after(MONTH))
    dropped = time.perf_counter() - begun
    begun = time.perf_counter()
    for cluster_id in range(1, 101):  # as pruning does: cluster by cluster, in short transactions
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM whole WHERE cluster_id = :id"), {"id": cluster_id})
    deleted = time.perf_counter() - begun
    begun = time.perf_counter()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM whole")
    vacuumed = time.perf_counter() - begun
    print(f"\n{rows:,} sums by hour of an old month, 100 clusters")
    print(f"  counted and dropped      {dropped:6.2f} s")
    print(
        f"  deleted, then vacuumed   {deleted:6.2f} s + {vacuumed:.2f} s   ratio {dropped / (deleted + vacuumed):.2f}"
    )
    engine.dispose()


def _spans(engine: Engine) -> None:
    """What it would cost to lay the spans of jobs by month too: those of a report's jobs are looked up by id."""
    fill = (
        "INSERT INTO {} SELECT n / 2, :month - (n / 2 % 60) * 2592000 + n % 2, 253402300799, 4, 1, 4, 0 "
        "FROM generate_series(0, :rows - 1) n"
    )
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE whole (LIKE job_span INCLUDING ALL)")
        connection.exec_driver_sql("CREATE TABLE parted (LIKE job_span INCLUDING ALL) PARTITION BY RANGE (since)")
        for number in range(-1, 60):
            first = MONTH - number * 2592000
            connection.exec_driver_sql(
                f"CREATE TABLE parted_{number + 1} PARTITION OF parted FOR VALUES FROM ({first}) TO ({first + 2592000})"
            )
        for table in ("whole", "parted"):
            connection.execute(text(fill.format(table)), {"month": MONTH, "rows": ROWS})
            connection.exec_driver_sql(f"ANALYZE {table}")
    ids = {"ids": list(range(0, ROWS // 2, ROWS // 2 // 500))[:500]}
    medians = {}
    with engine.connect() as connection:
        for table in ("whole", "parted"):
            query = text(f"SELECT * FROM {table} WHERE job_id = ANY(:ids)")
            times = [_seconds(lambda _, query=query: connection.execute(query, ids).all(), engine) for _ in range(15)]
            medians[table] = statistics.median(times) * 1000
    ratio = medians["parted"] / medians["whole"]
    print(f"\nspans of 500 jobs among {ROWS:,}")
    print(f"  one table {medians['whole']:8.1f} ms   60 months {medians['parted']:8.1f} ms   ratio {ratio:.1f}")
    engine.dispose()
