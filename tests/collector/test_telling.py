"""Tell me when, through a real collector: asked over its socket, decided after its polls, told to real servers.

One module, since all of it shares these servers and what a person asks for.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert, update
from sqlalchemy.exc import DBAPIError

from agent.report import Job
from agent.wire import to_wire
from collector import schema
from collector.alerts import webhook
from collector.alerts.deliver import FIRST_RETRY_SECONDS, MOST_TRIES, Deliverer
from collector.alerts.mail import write_mail
from collector.alerts.rules import Rules
from collector.alerts.webhook import is_allowed, make_secret
from collector.schema import delivery, notice, rule
from collector.settings import NotifySettings, Settings
from collector.store import Store
from tests.collector.agents import fake_agent
from tests.collector.receivers import Hook, Mailbox, mail_server, web_server
from tests.collector.reports import a_job, a_report, as_running, reading, table_rows
from tests.collector.test_service import ask_refresh, running, settings_of, until_stored
from tests.databases import kept_in, store_at

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


def test_mail_is_sent_and_a_stranger_s_words_begin_no_header(
    store: Engine, hook: Hook, box: Mailbox, tmp_path: Path
) -> None:
    cluster = Cluster(a_job(7))

    async def scene() -> None:
        async with fake_agent(cluster) as agent:
            settings = notifying(settings_of(tmp_path, {"c": agent.endpoint}), hook, box)
            async with running(settings) as (service, _):
                await until_stored(service)
                await add(settings, "started", subject="7.pbs01", channels=["mail"], mail="alice@example.org")
                cluster.jobs = [as_running(a_job(7), int(time.time()))]
                await poll_until(service, lambda: box.mails)
                await until(lambda: table_rows(store, delivery)[0]["told_at"])

    asyncio.run(scene())
    ((sender, to, mail),) = box.mails
    assert (sender, to) == ("webstat@example.org", ["alice@example.org"])
    assert (mail["Subject"], mail["To"]) == ("Job 7.pbs01 has started (c)", "alice@example.org")
    assert mail["Auto-Submitted"] == "auto-generated" and "Job 7.pbs01 has started (c)." in mail.get_content()
    (sent,) = table_rows(store, delivery)
    assert mail["Message-ID"] == f"<{sent['message']}@example.org>"
    evil = write_mail(settings_mail(box), "a@example.org", "1", ["Node x\r\nBcc: everybody@example.org\n\nhello"], 0)
    assert evil["Bcc"] is None and evil["Subject"] == "Node x Bcc: everybody@example.org hello"


def settings_mail(box: Mailbox) -> NotifySettings:
    return NotifySettings(smtp=f"127.0.0.1:{box.port}", smtp_from="webstat@example.org")


def test_two_collectors_tell_once_and_one_goes_on_for_the_other(hook: Hook, tmp_path: Path) -> None:
    cluster = Cluster(a_job(7), a_job(8))

    async def scene() -> None:
        async with fake_agent(cluster) as agent:
            first, second = (
                notifying(settings_of(tmp_path, {"c": agent.endpoint}, lease_seconds=2), hook) for _ in range(2)
            )
            async with contextlib.AsyncExitStack() as until_it_ends:
                holder, _ = await until_it_ends.enter_async_context(running(first))
                await until_stored(holder)
                async with running(second) as (other, _):
                    for job in ("7.pbs01", "8.pbs01"):  # asked of the one that does not poll it
                        await add(second, "ended", subject=job, channels=["webhook"], webhook=hook.url)
                    cluster.jobs = [a_job(8)]
                    await poll_until(holder, lambda: hook.posts)
                    await until_it_ends.aclose()
                    cluster.jobs = []
                    await poll_until(other, lambda: len(hook.posts) > 1)
                    last = other.watches[0].last.report
                    await poll_until(other, lambda: other.watches[0].last.report > last + 1)

    with kept_in("postgresql"):
        asyncio.run(scene())
    assert hook.words() == [f"Job {job}.pbs01 has ended without having started (c)" for job in (7, 8)]


def test_what_is_not_taken_is_tried_again_and_then_given_up(
    store: Engine, hook: Hook, box: Mailbox, tmp_path: Path
) -> None:
    told = Written(store, tmp_path, hook, box)
    hook.statuses = [500, 302]
    box.refuse = ["451 later", "550 no such person"]
    told.notice("webhook", "mail")
    first = told.send(at=0)
    assert {one["channel"]: (one["tries"], one["due_at"]) for one in first} == {
        "webhook": (1, told.now + FIRST_RETRY_SECONDS), "mail": (1, told.now + FIRST_RETRY_SECONDS),
    }  # fmt: skip
    assert {one["said"] for one in first} == {"it answered 500", "the mail server says 451 later"}
    assert told.send(at=FIRST_RETRY_SECONDS - 1) == first, "not before its time"
    second = {one["channel"]: one for one in told.send(at=FIRST_RETRY_SECONDS)}
    assert (second["webhook"]["due_at"], second["webhook"]["said"]) == (None, "it answered 302"), "not followed"
    assert len(hook.posts) == 2
    assert len({headers["webhook-id"] for headers, _ in hook.posts}) == 1, "the same one again"
    assert len({headers["webhook-signature"] for headers, _ in hook.posts}) in (1, 2)
    hook.statuses = [503]
    told.notice("webhook")
    at, tries = 10_000.0, 0
    while (row := [one for one in told.send(at=at) if one["channel"] == "webhook"][-1])["due_at"] is not None:
        assert row["tries"] == tries + 1
        tries, at = row["tries"], row["due_at"] - told.now
    assert row["tries"] == MOST_TRIES and row["told_at"] is None
    assert len(told.send(at=at + 1e6)) == 3 and len(hook.posts) == 2 + MOST_TRIES


def test_a_person_is_told_so_often_an_hour_and_the_rest_at_once(
    store: Engine, hook: Hook, box: Mailbox, tmp_path: Path
) -> None:
    told = Written(store, tmp_path, hook, box, an_hour=2)
    for number in range(2):
        told.notice("mail")
        told.send(at=number)
    assert len(box.mails) == 2
    for _ in range(3):
        told.notice("mail")
    told.notice("mail", owner="user:bob")
    told.send(at=5)
    assert len(box.mails) == 3, "another person's hour is another"
    assert {one["due_at"] for one in told.rows() if one["due_at"]} == {told.now + 3600}
    told.send(at=3599)
    assert len(box.mails) == 3
    told.send(at=3600)
    assert len(box.mails) == 4
    digest = box.mails[-1][2]
    assert str(digest["Subject"]).startswith("3 notices: something happened")
    assert digest.get_content().count("something happened.") == 3
    assert all(one["told_at"] for one in told.rows())


def test_what_is_not_taken_counts_in_the_hour_too(store: Engine, hook: Hook, box: Mailbox, tmp_path: Path) -> None:
    told = Written(store, tmp_path, hook, box, an_hour=2)
    hook.statuses = [500, 500, 200]
    for number in range(4):
        told.notice("webhook")
        told.send(at=number)
    assert [one["tries"] for one in told.rows()] == [1, 1, 0, 0]
    told.send(at=3600)
    assert [one["tries"] for one in told.rows()] == [2, 2, 0, 0], "what is tried again comes first"
    told.send(at=7200)
    assert [one["tries"] for one in told.rows()] == [2, 2, 1, 1]
    assert len(hook.posts) == 5, "two of them together"


class Written:
    """Notices in a store with one rule, and a deliverer of them; times are seconds from `now`."""

    def __init__(self, engine: Engine, folder: Path, hook: Hook, box: Mailbox, **more: Any) -> None:
        self.engine, self.hook, self.now = engine, hook, 1_795_400_000.0
        settings = notifying(settings_of(folder, {"c": "tcp://127.0.0.1:1"}), hook, box, **more)
        opened = Store(settings.store.url)
        self.cluster_id = opened.sync_clusters(settings)["c"]
        opened.close()
        self.deliverer = Deliverer(engine, settings.notify)
        self.rules: dict[str, int] = {}

    def notice(self, *channels: str, owner: str = ME) -> None:
        with self.engine.begin() as connection:
            if owner not in self.rules:
                places = {"webhook": self.hook.url, "secret": make_secret(), "mail": "a@example.org"}
                row = {"owner": owner, "kind": "silent", "cluster_id": self.cluster_id, "number": 0, "once": True}
                made = insert(rule).values(**row, **places, channels="[]", created_at=0, expires_at=2**40)
                self.rules[owner] = connection.execute(made.returning(rule.c.id)).scalar_one()
            row = {"owner": owner, "rule_id": self.rules[owner], "cluster_id": self.cluster_id, "at": int(self.now)}
            told = {"kind": "silent", "words": "something happened", "facts": "{}", "browser": False}
            ident = connection.execute(insert(notice).values(**row, **told).returning(notice.c.id)).scalar_one()
            for channel in channels:
                connection.execute(insert(delivery).values(notice_id=ident, channel=channel, due_at=self.now))

    def send(self, at: float) -> list[dict[str, Any]]:
        """All that is due at a time; the deliveries then."""
        for message in self.deliverer.take([self.cluster_id], self.now + at):
            self.deliverer.note(message, asyncio.run(self.deliverer.send(message)), self.now + at)
        return self.rows()

    def rows(self) -> list[dict[str, Any]]:
        return table_rows(self.engine, delivery)


def test_a_collector_killed_between_decision_and_delivery_tells_after_its_restart(
    store: Engine, hook: Hook, tmp_path: Path
) -> None:
    """Killed for good: with the post in the receiver's hands, and its answer not noted."""
    cluster = Cluster(as_running(a_job(7), int(time.time()) - 60))
    taken = threading.Event()
    let_go = threading.Event()

    def hold() -> None:
        taken.set()
        let_go.wait(30)

    async def scene() -> None:
        async with fake_agent(cluster) as agent:
            settings = notifying(settings_of(tmp_path, {"c": agent.endpoint}, period_seconds=5), hook)
            file = write_settings(tmp_path, settings)
            hook.before = hold
            with collecting(file) as process:
                await until(lambda: rows_of(store, schema.cluster) and table_rows(store, schema.cluster)[0]["report"])
                await add(settings, "ended", subject="7.pbs01", channels=["webhook"], webhook=hook.url)
                cluster.jobs = []
                await until(taken.is_set)
                process.kill()
                process.wait(10)
            hook.before = lambda: None
            let_go.set()
            (sent,) = table_rows(store, delivery)
            assert (sent["tries"], sent["told_at"]) == (1, None) and sent["due_at"] is not None
            with store.begin() as connection:  # as if the half minute were over
                connection.execute(update(delivery).values(due_at=0))
            with collecting(file):
                await until(lambda: table_rows(store, delivery)[0]["told_at"])

    asyncio.run(scene())
    assert len(hook.posts) == 2 and len(table_rows(store, notice)) == 1
    assert len({headers["webhook-id"] for headers, _ in hook.posts}) == 1, "by which the receiver knows it again"
    assert hook.posts[0][1] == hook.posts[1][1]


def rows_of(engine: Engine, table: Any) -> list[dict[str, Any]]:
    """None while the store is being made."""
    try:
        return table_rows(engine, table)
    except DBAPIError:
        return []


def write_settings(folder: Path, settings: Settings) -> Path:
    collector, notify = settings.collector, settings.notify
    file = folder / "webstat.toml"
    file.write_text(
        f'[store]\nurl = "{settings.store.url}"\n[collector]\nannounce = "{collector.announce}"\n'
        f'refresh = "{collector.refresh}"\nperiod_seconds = 5\n[notify]\nwebhooks = ["{notify.webhooks[0]}"]\n'
        f'[[cluster]]\nname = "c"\nagent = "{settings.cluster[0].agent}"\n',
        encoding="utf-8",
    )
    return file


@contextlib.contextmanager
def collecting(file: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A collector in a process of its own."""
    command = [sys.executable, "-m", "collector", "--config", str(file), "run"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def test_silence_is_told_after_the_third_failure(store: Engine, hook: Hook, tmp_path: Path) -> None:
    cluster = Cluster(a_job(7))

    async def scene() -> None:
        async with fake_agent(cluster) as agent:
            settings = settings_of(tmp_path, {"c": agent.endpoint}, timeout_seconds=0.2, retries=0)
            settings = notifying(settings, hook)
            async with running(settings) as (service, _):
                await until_stored(service)
                await add(settings, "silent", channels=["webhook"], webhook=hook.url, once=False)
                cluster.jobs = None
                await poll_until(service, lambda: service.watches[0].failures == 2)
                before = len(table_rows(store, notice))
                await poll_until(service, lambda: hook.posts)
                assert before == 0
                await poll_until(service, lambda: service.watches[0].failures >= 6)

    asyncio.run(scene())
    assert hook.words() == ["c does not answer"]


def test_wishes_that_are_refused(store: Engine, hook: Hook, tmp_path: Path) -> None:
    cluster = Cluster(a_job(7))

    async def scene() -> None:
        async with fake_agent(cluster) as agent:
            settings = notifying(settings_of(tmp_path, {"c": agent.endpoint}), hook, rules_each=2)
            async with running(settings) as (service, _):
                await until_stored(service)
                common = {"act": "add", "feed": FEED, "cluster": "c"}
                for told, words in REFUSED:
                    answer = await wish(settings, **{**common, **told})
                    assert not answer["ok"] and words in answer["message"], (told, answer)
                assert table_rows(store, rule) == []
                for _ in range(2):
                    await add(settings, "silent")
                answer = await wish(settings, **common, kind="silent")
                assert not answer["ok"] and "you have 2 rules" in answer["message"]
                assert (await wish(settings, **{**common, "owner": "user:bob", "feed": "g" * 40}, kind="silent"))["ok"]
                assert not (await ask_refresh(settings, b'{"tell": [[[]]]}'))["ok"]

    asyncio.run(scene())


REFUSED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"kind": "none"}, "kind"),
    ({"kind": "silent", "cluster": "d"}, "no cluster is named 'd'"),
    ({"kind": "ended"}, "say of which"),
    ({"kind": "ended", "subject": "8.pbs01"}, "no job 8.pbs01 waits or runs on c"),
    ({"kind": "ended", "subject": "7"}, "no job 7 waits"),
    ({"kind": "node", "subject": "n2"}, "c has no node n2"),
    ({"kind": "stuck", "subject": "batch", "number": 10}, "from 5 minutes"),
    ({"kind": "stuck", "subject": "none", "number": 600}, "c has no queue none"),
    ({"kind": "cores", "number": 0}, "how many cores"),
    ({"kind": "silent", "owner": "root"}, "owner"),
    ({"kind": "silent", "subject": "a\r\nb"}, "subject"),
    ({"kind": "silent", "channels": ["mail"], "mail": "a@example.org"}, "sends no e-mails"),
    ({"kind": "silent", "channels": ["mail"], "mail": "a@example.org\r\nx"}, "mail"),
    ({"kind": "silent", "channels": ["webhook"], "webhook": "http://127.0.0.1:1/"}, "may not go there"),
    ({"kind": "silent", "channels": ["webhook"]}, "needs an address"),
    ({"kind": "silent", "owner": "key:x", "channels": ["webhook"], "webhook": "http://a/"}, "signed in"),
)
"""Wishes, and what is said to who has them."""


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("https://hooks.example.org/a?b", True),
        ("https://HOOKS.example.org./a", True),
        ("http://hooks.example.org/a", True),
        ("https://hooks.example.org:8443/a", False),
        ("https://other.example.org:8443/a", True),
        ("https://other.example.org/a", False),
        ("https://xhooks.example.org/a", False),
        ("https://hooks.example.org.evil.example/a", False),
        ("https://hooks.example.org@evil.example/a", False),
        ("https://evil.example\\@hooks.example.org/a", False),
        ("https://user:secret@hooks.example.org/a", False),
        ("ftp://hooks.example.org/a", False),
        ("file:///etc/passwd", False),
        ("http://10.0.0.7/a", True),
        ("http://10.0.0.7:8080/a", False),
        ("http://10.0.1.7/a", False),
        ("http://127.0.0.1/a", False),
        ("http://[::1]/a", False),
        ("http://[fd00::7]/a", True),
        ("http://167772167/a", False),
        ("http://0x0a000007/a", False),
        ("http://169.254.169.254/latest", False),
        ("https://", False),
        ("hooks.example.org", False),
        ("http://hooks.example.org:99999999/", False),
    ],
)
def test_where_webhooks_may_go(address: str, may: bool) -> None:
    allowed = ("hooks.example.org", "other.example.org:8443", "10.0.0.0/24", "fd00::/8")
    assert is_allowed(address, allowed) is may
    assert not is_allowed(address, ())


def test_a_slow_receiver_delays_no_poll_and_is_not_waited_for(
    store: Engine, hook: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(a_job(7))
    taken, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        taken.set()
        let_go.wait(30)

    async def scene() -> None:
        async with fake_agent(cluster) as agent:
            settings = notifying(settings_of(tmp_path, {"c": agent.endpoint}), hook)
            async with running(settings) as (service, _):
                await until_stored(service)
                hook.before = hold
                await add(settings, "cores", number=1, channels=["webhook"], webhook=hook.url)
                await poll_until(service, taken.is_set)
                last = service.watches[0].last.report
                await poll_until(service, lambda: service.watches[0].last.report >= last + 3)
                assert table_rows(store, delivery)[0]["told_at"] is None
                let_go.set()
                await until(lambda: table_rows(store, delivery)[0]["told_at"])

    asyncio.run(scene())
    assert hook.words() == ["16 cores are free (c)"]
    monkeypatch.setattr(webhook, "SECONDS", 0.1)
    let_go.clear()
    with pytest.raises(webhook.Failed, match="no answer in"):
        asyncio.run(webhook.post(hook.url, make_secret(), "m", 0, b"{}"))
    let_go.set()


def test_what_belongs_to_another_collector_is_left_to_it(
    store: Engine, hook: Hook, box: Mailbox, tmp_path: Path
) -> None:
    told = Written(store, tmp_path, hook, box)
    told.notice("webhook")
    assert told.deliverer.take([told.cluster_id + 1], told.now) == told.deliverer.take([], told.now) == []
    (message,) = told.deliverer.take([told.cluster_id], told.now)
    assert told.deliverer.take([told.cluster_id], told.now) == [], "it is on its way"
    assert message.keys == [told.rows()[0]["notice_id"]]


def test_what_a_removed_rule_had_to_tell_is_not_told(store: Engine, hook: Hook, box: Mailbox, tmp_path: Path) -> None:
    told = Written(store, tmp_path, hook, box)
    told.notice("webhook")
    rules = Rules(store, NotifySettings())
    assert not rules.wish({"act": "remove", "owner": "user:bob", "id": told.rules[ME]})["ok"]
    assert rules.wish({"act": "remove", "owner": ME, "id": told.rules[ME]})["ok"]
    (row,) = told.send(at=0)
    assert (row["due_at"], row["told_at"], row["said"]) == (None, None, "its rule was removed")
    assert hook.posts == [] and len(table_rows(store, notice)) == 1
