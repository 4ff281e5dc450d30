"""How gently schedulers are asked: by what their commands took, through agent, collector, store and page."""

from __future__ import annotations

import asyncio
import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from agent.errors import CommandTimeout
from agent.wire import error_to_wire, to_wire
from collector.schedule import Spent, fair_period
from collector.schema import cluster, known_span, poll
from collector.service import Service
from collector.store import PollTimes, Store
from tests.agent.fake_commands import fake_cluster
from tests.agent.samples import load_sample
from tests.collector.agents import fake_agent
from tests.collector.reports import T0, a_report, reading, settings_for, table_rows
from tests.collector.test_service import ask_refresh, running, settings_of, until_stored
from tests.databases import store_at
from webstat.data import usage
from webstat.data.changes import at as what_changed
from webstat.data.queries.known_then import load_gaps
from webstat.data.source import Source
from webstat.health import State, health

ROOT = Path(__file__).resolve().parents[2]


class SlowScheduler:
    """A recorded scheduler whose qstat takes as long as it is told to, and an agent beside it."""

    def __init__(self, folder: Path) -> None:
        self._commands = fake_cluster(folder / "bin", load_sample("openpbs-23.06.06/mixed"))
        self._pause = folder / "pause"
        qstat = self._commands.folder / "qstat"
        first, rest = qstat.read_text().split("\n", 1)
        qstat.write_text(f'{first}\nread pause < "{self._pause}"; sleep "$pause"\n{rest}')
        self.take(0)

    def take(self, seconds: float) -> None:
        self._pause.write_text(f"{seconds}\n")

    def rounds(self) -> int:
        """How often jobs were asked for."""
        return sum(call.startswith("pbsnodes") for call in self._commands.calls())

    @contextlib.contextmanager
    def agent(self) -> Iterator[str]:
        """Runs it; gives where it listens."""
        options = ["--bind", "tcp://127.0.0.1:0", "--min-age", "0", "--cluster", "c"]
        process = subprocess.Popen(
            [sys.executable, "-m", "agent", "serve", *options, "--path", str(self._commands.folder)],
            cwd=ROOT, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stderr is not None
        try:
            found = (re.search(r"event=serving bind=(\S+)", line) for line in process.stderr)
            yield next(one.group(1) for one in found if one)
        finally:
            process.terminate()
            process.communicate(timeout=30)


async def polled_again(service: Service, store: str) -> tuple[Any, float]:
    """The cluster's row after one more poll, and what that one's commands took."""
    (watch,) = service.watches
    watch.last = None
    watch.wanted.set()
    async with asyncio.timeout(30):
        while watch.last is None:
            await asyncio.sleep(0.02)
    engine = reading(store)
    (row,) = table_rows(engine, cluster)
    engine.dispose()
    return row, row["query_seconds"]


def test_a_slow_qstat_is_asked_less_often_until_it_is_quick_again(each_store: str, tmp_path: Path) -> None:
    scheduler = SlowScheduler(tmp_path)
    share = 0.02  # 2 % of 60 s are 1.2 s: several quick rounds, even on a busy machine
    url = store_at(tmp_path / "store.sqlite")

    async def scene(endpoint: str) -> None:
        settings = settings_of(tmp_path, {"c": endpoint}, period_seconds=60, timeout_seconds=30, load_share=share)
        async with running(settings) as (service, _):
            await until_stored(service)
            (watch,) = service.watches
            scheduler.take(2)
            row, took = await polled_again(service, url)
            assert took > 2
            assert row["period_seconds"] == fair_period([(0, took)], 60, share) > 100, "at once"
            assert row["wished_seconds"] == 60
            # Due after that, whatever the wish: nothing else asks before.
            assert row["next_poll_at"] - row["attempted_at"] == pytest.approx(row["period_seconds"], abs=0.01)
            assert watch.due_at == pytest.approx(row["next_poll_at"])
            seen = Source(settings)
            (slow,) = seen.clusters()
            seen.close()
            assert health(slow, row["taken_at"] + 2 * slow.period_seconds).state is State.LIVE
            as_wished = replace(slow, period_seconds=60)
            assert health(as_wished, row["taken_at"] + 2 * slow.period_seconds).state is not State.LIVE
            scheduler.take(0)
            rounds = scheduler.rounds()
            asked = 0
            while row["period_seconds"] > 60 and asked < 8:
                row, took = await polled_again(service, url)
                asked += 1
            assert row["period_seconds"] == 60, f"quick again: {took} s"
            assert scheduler.rounds() == rounds + asked

    with scheduler.agent() as endpoint:
        asyncio.run(scene(endpoint))


@pytest.mark.parametrize(("wished", "seconds", "period"), [(60, 10.0, 200), (600, 100.0, 2000)])
def test_slower_polls_are_no_gap_now_nor_when_they_are_quick_again(
    each_store: str, tmp_path: Path, wished: int, seconds: float, period: int
) -> None:
    url = store_at(tmp_path / "store.sqlite")
    settings = settings_for("c", period_seconds=wished).model_copy(update={"store": settings_of(tmp_path, {}).store})
    store = Store(url)
    store.sync_clusters(settings)
    spent: list[Spent] = []
    taken: list[int] = []

    def play(at: int, costs: list[float]) -> int:
        for cost in costs:
            spent.append((at, cost))
            now = fair_period(spent, wished, 0.05)
            store.store_report(1, a_report(at, query_seconds={"jobs": cost}), PollTimes(at - cost, cost, period=now))
            taken.append(at)
            at += now
        return at

    def seen(at: float) -> tuple[Any, list[tuple[float, float]]]:
        source = Source(settings)
        (one,) = source.clusters()
        polls = source.polls(one, at)
        known = usage.known_stretches(polls, one.wished, taken[0], at, step=60)
        assert source.ask(load_gaps, taken[0] - 1, 60).empty
        kinds = {event.kind for event in what_changed(source, one, at)}
        source.close()
        assert not kinds & {"silent", "back"}
        return one, usage.gaps(known, taken[0], at, usage.LATE_AFTER * one.period_seconds)

    due = play(T0, [1.0] * 3 + [seconds] * 12)
    assert taken[-1] - taken[-2] == period
    one, gaps = seen(due + period)
    assert (one.period_seconds, one.wished, gaps) == (period, wished, [])
    assert health(one, due).state is State.LIVE
    assert health(one, due + period).state is State.LIVE

    due = play(due, [1.0] * 4)
    assert taken[-1] - taken[-2] == wished
    one, gaps = seen(due)
    assert (one.period_seconds, gaps) == (wished, []), "what was slow then is no gap now"
    source = Source(settings)
    slow = source.at((taken[8] + taken[9]) // 2 + period // 3, due)
    (then,) = slow.clusters()
    assert (then.taken_at, then.period_seconds) == (taken[8], period)
    assert health(then, taken[8] + 2 * period).state is State.LIVE
    source.close()
    store.sync_clusters(settings)
    store.close()
    engine = reading(url)
    with engine.connect() as connection:
        spans = connection.execute(select(known_span.c.since, known_span.c.until)).all()
    engine.dispose()
    assert spans == [(T0 - wished, taken[-1])]


def test_another_collector_goes_on_at_the_same_pace(each_store: str, tmp_path: Path) -> None:
    def slow(_: str) -> bytes:
        return to_wire(a_report(time.time(), query_seconds={"jobs": 6.0, "nodes": 4.0}))

    async def scene() -> None:
        async with fake_agent(slow) as agent:
            settings = settings_of(tmp_path, {"c": agent.endpoint}, period_seconds=60, timeout_seconds=30)
            async with running(settings) as (service, _):
                await until_stored(service)
                assert service.watches[0].period == 200
            store = Store(settings.store.url)
            again = Service(settings, store)
            engine = reading(settings.store.url)
            (row,) = table_rows(engine, cluster)
            assert (row["period_seconds"], row["wished_seconds"]) == (200, 60), "entering the settings leaves it"
            engine.dispose()
            again.close()
            store.close()
            async with running(settings) as (service, _):
                (watch,) = service.watches
                async with asyncio.timeout(10):
                    while not watch.spent:
                        await asyncio.sleep(0.01)
                assert watch.spent[0][1] == 10.0, "as the store tells"

    asyncio.run(scene())


def test_a_refresh_is_refused_while_the_hour_is_overspent(each_store: str, tmp_path: Path) -> None:
    def costly(_: str) -> bytes:
        return to_wire(a_report(time.time(), query_seconds={"jobs": 20.0}))

    async def scene() -> None:
        async with fake_agent(costly) as agent:
            share = 0.01  # 36 s an hour, and one round more
            settings = settings_of(
                tmp_path, {"c": agent.endpoint}, refresh_min_seconds=0, load_share=share, timeout_seconds=30
            )
            async with running(settings) as (service, _):
                await until_stored(service)
                for _ in range(2):
                    answer = await ask_refresh(settings, b'{"refresh": "c"}')
                    assert answer["ok"], answer
                asked = len(agent.asked)
                refused = await ask_refresh(settings, b'{"refresh": "c"}')
                assert not refused["ok"]
                assert "kept busy for 60 s of the last hour, more than the 36 s" in refused["message"]
                assert refused["next_allowed_at"] > time.time()
                assert len(agent.asked) == asked, "no commands for it"

    asyncio.run(scene())


def test_commands_that_time_out_count_too(each_store: str, tmp_path: Path) -> None:
    async def scene() -> None:
        def late(_: str) -> bytes:
            time.sleep(0.6)  # as commands do that are killed at their time limit
            return error_to_wire(CommandTimeout("qstat did not end", "qstat -f"))

        async with fake_agent(late) as agent:
            settings = settings_of(tmp_path, {"c": agent.endpoint}, period_seconds=5, load_share=0.001)
            async with running(settings) as (service, _):
                await until_stored(service)
                (watch,) = service.watches
                assert watch.due_at - time.time() > 300, "600 s, not the wished 5 s"
                assert watch.period == 5, "failures leave the period"

    asyncio.run(scene())
    engine = reading(store_at(tmp_path / "store.sqlite"))
    (row,) = table_rows(engine, poll)
    assert row["query_seconds"] >= 0.6
    assert row["period_seconds"] is None
    engine.dispose()


def test_a_dead_agent_costs_its_scheduler_nothing(on_sqlite: None, tmp_path: Path) -> None:
    async def scene() -> None:
        settings = settings_of(tmp_path, {"c": "tcp://127.0.0.1:1"}, timeout_seconds=0.5, period_seconds=5)
        async with running(settings) as (service, _):
            await until_stored(service)
            assert service.watches[0].spent == []
            assert service.watches[0].due_at - time.time() < 6

    asyncio.run(scene())


def test_each_cluster_may_have_its_own_share(on_sqlite: None) -> None:
    settings = settings_for("a", "b", load_share=0.1)
    own = settings.cluster[1].model_copy(update={"load_share": 0.0, "period_seconds": 30})
    assert settings.pace_of(settings.cluster[0]) == (60, 0.1)
    assert settings.pace_of(own) == (30, 0.0)
