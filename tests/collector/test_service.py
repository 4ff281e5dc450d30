"""The loop over real sockets: store, announce, refresh, failures, and agents that do not hold up others."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import zmq
import zmq.asyncio

from agent.errors import CommandError
from agent.wire import error_to_wire, to_wire
from collector.errors import CollectorError, PollFailed
from collector.schema import cluster, collector, poll
from collector.service import Service
from collector.settings import Settings
from collector.store import Store, Stored
from tests.collector.agents import FakeAgent, fake_agent
from tests.collector.reports import a_job, a_report, reading, table_rows
from tests.databases import store_at


def free_endpoint() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{one.getsockname()[1]}"


def settings_of(tmp_path: Path, agents: dict[str, str], **collector: Any) -> Settings:
    defaults = {"announce": free_endpoint(), "refresh": free_endpoint(), "period_seconds": 3600, "timeout_seconds": 2}
    return Settings.model_validate(
        {
            "store": {"url": store_at(tmp_path / "store.sqlite")},
            "collector": {**defaults, **collector},
            "cluster": [{"name": name, "agent": endpoint} for name, endpoint in agents.items()],
        }
    )


def fresh(_: str) -> bytes:
    return to_wire(a_report(time.time(), [a_job()]))


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[tuple[Service, zmq.asyncio.Socket]]:
    """The service at work, and a subscriber to its announcements."""
    context = zmq.asyncio.Context()
    subscriber = context.socket(zmq.SUB)
    subscriber.subscribe(b"")
    subscriber.connect(settings.collector.announce)
    store = Store(settings.store.url)
    service = Service(settings, store)
    task = asyncio.create_task(service.run())
    try:
        yield service, subscriber
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        service.close()
        store.close()
        context.destroy(linger=0)


async def heard(service: Service, subscriber: zmq.asyncio.Socket) -> dict[str, Any]:
    """The next announcement; polls until one comes, since a new subscriber misses the first ones."""
    for _ in range(40):
        service.watches[0].wanted.set()
        if await subscriber.poll(250):
            message: dict[str, Any] = json.loads(await subscriber.recv())
            return message
    raise AssertionError("nothing was announced")


async def ask_refresh(settings: Settings, body: bytes) -> dict[str, Any]:
    context = zmq.asyncio.Context()
    asking = context.socket(zmq.REQ)
    asking.connect(settings.collector.refresh)
    try:
        async with asyncio.timeout(10):
            await asking.send(body)
            answer: dict[str, Any] = json.loads(await asking.recv())
            return answer
    finally:
        asking.close(linger=0)
        context.destroy(linger=0)


async def until_stored(service: Service) -> None:
    async with asyncio.timeout(10):
        while any(watch.last is None for watch in service.watches):
            await asyncio.sleep(0.02)


def test_a_report_is_stored_and_announced(each_store: str, tmp_path: Path) -> None:
    async def scene() -> None:
        async with fake_agent(fresh) as agent:
            settings = settings_of(tmp_path, {"c": agent.endpoint})
            async with running(settings) as (service, subscriber):
                await until_stored(service)
                engine = reading(store_at(tmp_path / "store.sqlite"))
                (row,), (polled,) = table_rows(engine, collector), table_rows(engine, cluster)
                assert (row["announce"], row["refresh"]) == (settings.collector.announce, settings.collector.refresh)
                assert polled["collector_id"] == row["id"]
                engine.dispose()
                message = await heard(service, subscriber)
                assert message["cluster"] == "c"
                assert message["report"] >= 1
                assert time.time() - message["taken_at"] < 10

    asyncio.run(scene())
    engine = reading(store_at(tmp_path / "store.sqlite"))
    (row,) = table_rows(engine, cluster)
    assert row["report"] >= 1
    assert row["next_poll_at"] > row["attempted_at"]
    engine.dispose()


def test_a_dead_agent_delays_no_other_and_is_noted(each_store: str, tmp_path: Path) -> None:
    async def scene() -> None:
        async with fake_agent(fresh) as good, fake_agent(lambda ask: None) as mute:
            settings = settings_of(
                tmp_path, {"mute": mute.endpoint, "good": good.endpoint}, retries=0, timeout_seconds=6
            )
            async with running(settings) as (service, _):
                silent, quick = service.watches
                async with asyncio.timeout(10):
                    while quick.last is None:
                        await asyncio.sleep(0.02)
                    assert silent.last is None
                    while silent.last is None:
                        await asyncio.sleep(0.02)
                assert isinstance(quick.last, Stored)
                assert isinstance(silent.last, PollFailed)

    asyncio.run(scene())
    engine = reading(store_at(tmp_path / "store.sqlite"))
    rows = {row["name"]: row for row in table_rows(engine, cluster)}
    assert (rows["mute"]["failures"], rows["mute"]["error_code"]) == (1, "silent")
    assert (rows["good"]["failures"], rows["good"]["report"]) == (0, 1)
    assert {one["error_code"] for one in table_rows(engine, poll)} == {None, "silent"}
    engine.dispose()


def test_a_failed_command_is_announced_with_its_code(each_store: str, tmp_path: Path) -> None:
    failed = error_to_wire(CommandError("qstat ended with exit code 255", "qstat -f", 255, "cannot connect"))

    async def scene() -> None:
        async with fake_agent(lambda ask: failed) as agent:
            settings = settings_of(tmp_path, {"c": agent.endpoint})
            async with running(settings) as (service, subscriber):
                await until_stored(service)
                message = await heard(service, subscriber)
                assert (message["report"], message["health"]) == (None, "command_failed")

    asyncio.run(scene())
    engine = reading(store_at(tmp_path / "store.sqlite"))
    (row,) = table_rows(engine, cluster)
    assert "cannot connect" in row["error"]
    engine.dispose()


def test_a_refresh_polls_now_and_says_when_the_next_is_allowed(each_store: str, tmp_path: Path) -> None:
    async def scene() -> None:
        async with fake_agent(fresh) as agent:
            settings = settings_of(tmp_path, {"c": agent.endpoint}, refresh_min_seconds=30)
            async with running(settings) as (service, _):
                await until_stored(service)
                asked = len(agent.asked)
                first = await ask_refresh(settings, b'{"refresh": "c"}')
                assert (first["ok"], first["message"]) == (True, "a new report is in")
                assert first["report"] == 2
                assert len(agent.asked) == asked + 1
                second = await ask_refresh(settings, b'{"refresh": "c"}')
                assert not second["ok"]
                assert "the next is allowed in" in second["message"]
                assert second["next_allowed_at"] == pytest.approx(first["next_allowed_at"])
                assert len(agent.asked) == asked + 1, "no second round of commands"

    asyncio.run(scene())


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b"\xff", b'{"refresh": 3}', b'{"refresh": null}'])
def test_a_bad_request_is_answered(each_store: str, tmp_path: Path, body: bytes) -> None:
    async def scene() -> None:
        async with running(settings := settings_of(tmp_path, {"c": "tcp://127.0.0.1:1"})) as _:
            answer = await ask_refresh(settings, body)
            assert (answer["ok"], answer["report"]) == (False, None)
            assert "expected" in answer["message"]
            unknown = await ask_refresh(settings, b'{"refresh": "nowhere"}')
            assert "no cluster is named 'nowhere'" in unknown["message"]

    asyncio.run(scene())


def test_a_store_that_cannot_be_written_does_not_end_the_loop(
    each_store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("No space left on device")

    async def scene(agent: FakeAgent) -> None:
        settings = settings_of(tmp_path, {"c": agent.endpoint}, refresh_min_seconds=0)
        async with running(settings) as (service, _):
            await until_stored(service)
            with monkeypatch.context() as patch:
                patch.setattr(Store, "store_report", full)
                answer = await ask_refresh(settings, b'{"refresh": "c"}')
                assert "No space left on device" in answer["message"]
            assert (await ask_refresh(settings, b'{"refresh": "c"}'))["ok"]

    async def both() -> None:
        async with fake_agent(fresh) as agent:
            await scene(agent)

    asyncio.run(both())


def test_an_address_in_use_says_what_to_do(each_store: str, tmp_path: Path) -> None:
    async def scene() -> None:
        context = zmq.Context()
        holder = context.socket(zmq.PUB)
        endpoint = f"tcp://127.0.0.1:{holder.bind_to_random_port('tcp://127.0.0.1')}"
        store = Store(store_at(tmp_path / "store.sqlite"))
        service = Service(settings_of(tmp_path, {"c": "tcp://127.0.0.1:1"}, announce=endpoint), store)
        with pytest.raises(CollectorError, match=r"another collector running\? Else change \[collector\] announce"):
            await service.run()
        service.close()
        store.close()
        holder.close(linger=0)
        context.term()

    asyncio.run(scene())
