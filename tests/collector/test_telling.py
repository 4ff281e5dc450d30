"""Tell me when, through a real collector: asked over its socket, decided after its polls, told to real servers."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from agent.report import Job
from agent.wire import to_wire
from collector.schema import delivery, notice, rule
from collector.settings import NotifySettings, Settings
from tests.collector.agents import fake_agent
from tests.collector.receivers import Hook, Mailbox, mail_server, web_server
from tests.collector.reports import a_job, a_report, as_running, reading, table_rows
from tests.collector.test_service import ask_refresh, running, settings_of, until_stored
from tests.databases import store_at

ME, FEED = "user:alice", "f" * 40


@pytest.fixture
def hook() -> Iterator[Hook]:
    with web_server() as hook:
        yield hook


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mail_server() as box:
        yield box


@pytest.fixture
def store(each_store: str, tmp_path: Path) -> Iterator[Engine]:
    """To look into."""
    engine = reading(store_at(tmp_path / "store.sqlite"))
    yield engine
    engine.dispose()


def notifying(settings: Settings, hook: Hook, box: Mailbox | None = None, **more: Any) -> Settings:
    smtp = {"smtp": f"127.0.0.1:{box.port}", "smtp_from": "webstat@example.org"} if box else {}
    return settings.model_copy(update={"notify": NotifySettings(webhooks=(hook.allowed,), **smtp, **more)})


class Cluster:
    """An agent's answers: `jobs` is what it lists, None that it is silent."""

    def __init__(self, *jobs: Job) -> None:
        self.jobs: Sequence[Job] | None = jobs

    def __call__(self, _: str) -> bytes | None:
        return None if self.jobs is None else to_wire(a_report(time.time(), self.jobs))


async def wish(settings: Settings, **told: Any) -> dict[str, Any]:
    return await ask_refresh(settings, json.dumps({"tell": {"owner": ME, **told}}).encode())


async def add(settings: Settings, kind: str, **told: Any) -> dict[str, Any]:
    answer = await wish(settings, act="add", feed=FEED, kind=kind, cluster="c", **told)
    assert answer["ok"], answer
    return answer


async def until(is_so: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not is_so():
            await asyncio.sleep(0.02)


async def poll_until(service: Any, is_so: Callable[[], Any]) -> None:
    """Poll again and again until it is so."""
    async with asyncio.timeout(20):
        while not is_so():
            service.watches[0].wanted.set()
            await asyncio.sleep(0.05)


def test_the_end_of_a_job_is_told_once_and_signed(store: Engine, hook: Hook, tmp_path: Path) -> None:
    cluster = Cluster(as_running(a_job(7), int(time.time()) - 60), a_job(8))

    async def scene() -> str:
        async with fake_agent(cluster) as agent:
            settings = notifying(settings_of(tmp_path, {"c": agent.endpoint}), hook, page="https://webstat.example.org")
            async with running(settings) as (service, _):
                await until_stored(service)
                answer = await add(settings, "ended", subject="7.pbs01", channels=["webhook"], webhook=hook.url)
                await poll_until(service, lambda: service.watches[0].last.report >= 2)
                assert hook.posts == [] and table_rows(store, notice) == []
                cluster.jobs = [a_job(8)]
                await poll_until(service, lambda: hook.posts)
                last = service.watches[0].last.report
                await poll_until(service, lambda: service.watches[0].last.report > last + 1)
                return str(answer["secret"])

    secret = asyncio.run(scene())
    ((headers, body),) = hook.posts
    document = json.loads(body)
    (told,) = document["notices"]
    assert (document["version"], document["page"]) == (1, "https://webstat.example.org/tell")
    assert (told["kind"], told["cluster"], told["subject"]) == ("ended", "c", "7.pbs01")
    assert told["words"] == "Job 7.pbs01 has ended (c)" and told["facts"]["estimated"] is True
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), signed, "sha256")
    assert headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()
    assert headers["webhook-id"] == document["id"]
    (row,), (sent,) = table_rows(store, rule), table_rows(store, delivery)
    assert row["ended_at"] == row["told_at"] == told["at"]
    assert sent["due_at"] is None and sent["told_at"] and sent["tries"] == 1
