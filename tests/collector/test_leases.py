"""Several collectors on one PostgreSQL: each cluster has one at a time, and whoever fails is stood in for."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text

from collector.errors import LeaseLost, StoreBusy, StoreError
from collector.schema import cluster, job, poll
from collector.store import PollTimes, Store
from tests.collector.agents import fake_agent
from tests.collector.reports import T0, a_job, a_report, as_running, reading, settings_for, table_rows
from tests.collector.test_service import fresh
from tests.databases import kept_in, running, store_at

NAMES = ("a", "b", "c", "d", "e")


@pytest.fixture(autouse=True, scope="module")
def on_postgresql() -> Iterator[None]:
    with kept_in("postgresql"):
        yield


@pytest.fixture
def open_stores(tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Opens the same store once more, as a collector that is registered."""
    made: list[Store] = []

    def open_one(region: str | None = None) -> Store:
        store = Store(store_at(tmp_path / "s"))
        made.append(store)
        store.sync_clusters(settings_for(*NAMES))
        store.leases.register("tcp://127.0.0.1:1", "tcp://127.0.0.1:2", region)
        return store

    yield open_one
    for store in made:
        store.close()


def cut_off(store: Store) -> None:
    """The database ends the store's connection."""
    with store.engine.connect() as connection:
        number = connection.execute(text("select pg_backend_pid()")).scalar_one()
    with reading(store.engine.url.render_as_string()).connect() as other:
        other.execute(text(f"select pg_terminate_backend({number}, 5000)"))


def test_they_share_evenly_and_give_up_what_is_another_s(open_stores: Callable[..., Store]) -> None:
    first, ids = open_stores(), [1, 2, 3, 4, 5]
    assert first.share(ids).held == {1, 2, 3, 4, 5}
    second = open_stores()
    assert second.share(ids).held == set(), "all are taken"
    shares = first.share(ids)
    assert shares.held == {1, 2, 3, 4, 5} and len(shares.surplus) == 2
    for cluster_id in shares.surplus:
        first.leases.release(cluster_id)
    assert second.share(ids).held == shares.surplus
    assert first.share(ids).surplus == set()
    rows = table_rows(first.engine, cluster)
    assert {row["id"]: row["collector_id"] for row in rows} == {
        one: first.leases.id if one in shares.held - shares.surplus else second.leases.id for one in ids
    }
    elsewhere = open_stores("north")
    assert first.share(ids).surplus == set(), "one of another region takes no part"
    assert elsewhere.share([]).held == set()


def test_whoever_is_cut_off_writes_nothing_more_and_goes_on_with_what_is_left(
    open_stores: Callable[..., Store],
) -> None:
    first, second, ids = open_stores(), open_stores(), [1, 2]
    assert first.share(ids).held == {1}
    assert second.share(ids).held == {2}
    report = a_report(T0 + 60, [as_running(a_job(), T0 + 30)])
    assert first.store_report(1, report, PollTimes(T0 + 60, 0.5)).report == 1
    with pytest.raises(StoreBusy, match=r"b is held by the collector .+:\d+"):
        first.store_report(2, report, PollTimes(T0 + 60, 0.5))
    cut_off(first)
    with pytest.raises(LeaseLost):
        first.store_report(1, a_report(T0 + 120, []), PollTimes(T0 + 120, 0.5))
    assert second.share(ids).taken == {1}, "it is alone now, and takes all"
    later = a_report(T0 + 180, [as_running(a_job(), T0 + 30), as_running(a_job(2, user="new"), T0 + 150)])
    assert second.store_report(1, later, PollTimes(T0 + 180, 0.5)).report == 2
    assert first.share(ids).held == set()
    assert second.share(ids).surplus == {2}
    second.leases.release(1)
    assert first.share(ids).taken == {1}
    assert not first.store_report(1, later, PollTimes(T0 + 181, 0.5)).is_new, "it has read what the other stored"
    assert first.store_report(1, a_report(T0 + 240, []), PollTimes(T0 + 240, 0.5)).report == 3
    assert [row["ended_at"] is not None for row in table_rows(first.engine, job)] == [True, True]
    assert [row["report"] for row in table_rows(first.engine, poll)] == [1, 2, None, 3]


def test_a_command_waits_for_nobody(open_stores: Callable[..., Store]) -> None:
    collector, command = open_stores(), Store(open_stores().engine.url.render_as_string())
    collector.share([1, 2, 3])
    with pytest.raises(StoreBusy, match="a is held by the collector"):
        command.hold(3, 1)
    command.hold(4)
    command.close()


def test_a_database_that_keeps_other_bytes_is_refused() -> None:
    server = running()
    server.run("CREATE DATABASE odd ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    with pytest.raises(StoreError, match="createdb -E UTF8 -T template0"):
        Store(server.url("odd"))
    server.run("DROP DATABASE odd WITH (FORCE)")


CONFIG = """
[store]
url = "{url}"
[collector]
period_seconds = 5
lease_seconds = 2
announce = "tcp://127.0.0.1:*"
refresh = "tcp://127.0.0.1:*"
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_another_takes_over_within_two_periods(tmp_path: Path, how: signal.Signals) -> None:
    url = store_at(tmp_path / "s")
    engine = reading(url)
    with two_agents() as endpoints:
        toml = CONFIG.format(url=url) + "".join(
            f'[[cluster]]\nname = "c{number}"\nagent = "{one}"\n' for number, one in enumerate(endpoints)
        )
        (tmp_path / "webstat.toml").write_text(toml)
        collectors = [start(tmp_path), start(tmp_path)]
        try:
            watch(engine, collectors, how)
        finally:
            for process in collectors:
                process.kill()
                process.wait()


def watch(engine: Engine, collectors: list[subprocess.Popen[bytes]], how: signal.Signals) -> None:
    until(lambda: len(holders(engine)) == 2, 30)
    before = dict(reports(engine))
    collectors[0].send_signal(how)
    stopped = time.time()
    until(lambda: len(holders(engine)) == 1, 10)
    until(lambda: all(one > before[name] for name, one in reports(engine)), 10)
    assert time.time() - stopped < 15
    numbers = [(row["cluster_id"], row["report"]) for row in table_rows(engine, poll) if row["report"]]
    assert len(numbers) == len(set(numbers)), "none is doubled"
    for cluster_id in (1, 2):
        mine = sorted(number for one, number in numbers if one == cluster_id)
        assert mine == list(range(1, len(mine) + 1)), "none is lost"
    if how is signal.SIGSTOP:
        collectors[0].send_signal(signal.SIGCONT)
        until(lambda: len(holders(engine)) == 2, 30)


@contextlib.contextmanager
def two_agents() -> Iterator[list[str]]:
    """Two agents that always have a new report, in a thread of their own; gives their addresses."""
    started: Future[list[str]] = Future()
    done = threading.Event()

    async def serve() -> None:
        async with fake_agent(fresh) as one, fake_agent(fresh) as other:
            started.set_result([one.endpoint, other.endpoint])
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        yield started.result(10)
    finally:
        done.set()
        thread.join()


def start(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "collector", "--config", str(folder / "webstat.toml"), "run"]
    with (folder / f"log{time.monotonic_ns()}").open("wb") as log:
        return subprocess.Popen(command, stderr=log, env=os.environ)


def until(true: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.1)


def holders(engine: Engine) -> set[int]:
    """Who polls the clusters, once each has a report."""
    with engine.connect() as connection:
        rows = connection.execute(select(cluster.c.collector_id, cluster.c.report)).all()
    return {row.collector_id for row in rows} if rows and all(row.report for row in rows) else set()


def reports(engine: Engine) -> list[tuple[str, int]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(cluster.c.name, cluster.c.report))]
