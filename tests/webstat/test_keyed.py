"""The page and collectors with keys: it knows them from the store, speaks to no other, and says what is wrong."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, update

from agent.keys import load_secret, make_keys
from collector import schema
from collector.errors import SettingsError
from tests.webstat.served import FakeCollector, Server, served, settings_for, wait_for
from tests.webstat.stores import Builder, Shape
from tests.webstat.test_live import listen, news
from webstat.factory import create_app


@pytest.fixture
def builder(tmp_path: Path) -> Iterator[Builder]:
    builder = Builder(tmp_path / "store.sqlite")
    builder.add(Shape("one", "One", nodes=2, days=1))
    yield builder
    builder.close()


class Site:
    """A collector with keys in the store, and a page that it allows."""

    def __init__(self, folder: Path, builder: Builder) -> None:
        self.web = make_keys(folder / "web", "web")[1]
        self.stranger = make_keys(folder / "stranger", "stranger")[1]
        self._folder = folder
        self._builder = builder
        self._made: list[FakeCollector] = []

    def collector(self, name: str = "collector", enter: bool = True) -> FakeCollector:
        """One with keys of its own; where it does not `enter` them, the store calls it open."""
        own = load_secret(make_keys(self._folder / name, name)[1])
        made = FakeCollector(lambda name: {"ok": True, "message": "a new report is in"}, own, (self._folder / "web",))
        self._made.append(made)
        self.enter(made, own.public.decode() if enter else None)
        return made

    def enter(self, made: FakeCollector, public_key: str | None) -> None:
        with self._builder.engine.begin() as connection:
            connection.execute(delete(schema.collector))
            row = {"name": "host:1", "announce": made.announce, "refresh": made.refresh, "public_key": public_key}
            number = connection.execute(insert(schema.collector).values(**row, started_at=0)).inserted_primary_key[0]
            connection.execute(update(schema.cluster).values(collector_id=number))

    def close(self) -> None:
        for made in self._made:
            made.close()


@pytest.fixture
def site(tmp_path: Path, builder: Builder) -> Iterator[Site]:
    site = Site(tmp_path, builder)
    yield site
    site.close()


def refresh(server: Server) -> dict[str, Any]:
    with urllib.request.urlopen(urllib.request.Request(f"{server.url}/refresh/one", method="POST"), timeout=20) as got:
        answer: dict[str, Any] = json.load(got)
        return answer


def heard(server: Server) -> bool:
    connected: bool = server.app.state.hub.connected
    return connected


def test_it_hears_and_asks_with_the_key_that_the_store_tells(
    site: Site, builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webstat.live.LOOK_SECONDS", 3600.0)  # so that news come from announcements alone
    collector = site.collector()
    with served(settings_for(builder.url, "one", secret_key_file=site.web)) as server:
        wait_for(lambda: heard(server), "the announcements to be heard")
        with listen(server) as socket:
            news(socket, "one")
            number = builder.report("one")
            collector.say("one", number)
            assert news(socket, "one")["report"] == number
        assert refresh(server)["ok"]
        assert collector.asked == ["one"]


def test_a_collector_with_new_keys_is_heard_again(site: Site, builder: Builder) -> None:
    before = site.collector("before")
    with served(settings_for(builder.url, "one", secret_key_file=site.web)) as server:
        wait_for(lambda: heard(server), "the first to be heard")
        before.close()
        wait_for(lambda: not heard(server), "its end to be noticed")
        site.collector("after")
        wait_for(lambda: heard(server), "the second to be heard")
        assert refresh(server)["ok"]


@pytest.mark.parametrize("key", ["none", "stranger"])
def test_without_its_key_it_learns_nothing_and_says_so(
    site: Site, builder: Builder, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    collector = site.collector()
    secret = {"none": None, "stranger": site.stranger}[key]
    words = {"none": "takes keys only, and this side has none", "stranger": "one side refuses the other's key"}[key]
    with served(settings_for(builder.url, "one", secret_key_file=secret)) as server:
        wait_for(lambda: words in caplog.text, "the log to say why")
        answer = refresh(server)
        assert not answer["ok"]
        assert "disagree about keys" in answer["message"] and "collector check" in answer["message"]
        for _ in range(20):
            collector.say("one", 1)
            time.sleep(0.02)
        assert not heard(server)
        with urllib.request.urlopen(f"{server.url}/healthz") as health:
            assert json.load(health)["collector_heard"] is False
        with urllib.request.urlopen(f"{server.url}/clusters.txt") as page:
            assert b"one" in page.read(), "the page goes on: the store has the data"
    assert caplog.text.count(words) <= 3, "not at each try"
    assert collector.asked == []


def test_with_a_key_it_speaks_to_nobody_without(site: Site, builder: Builder, caplog: pytest.LogCaptureFixture) -> None:
    """A collector that the store calls open, and one of webstat.toml that the store does not know."""
    open_one = FakeCollector(lambda name: {"ok": True, "message": "come in"})
    site.enter(open_one, None)
    try:
        with served(settings_for(builder.url, "one", collector=open_one, secret_key_file=site.web)) as server:
            wait_for(lambda: "this side speaks to none without" in caplog.text, "the log to say why")
            assert "disagree about keys" in refresh(server)["message"]
            with builder.engine.begin() as connection:
                connection.execute(delete(schema.collector))
                connection.execute(update(schema.cluster).values(collector_id=None))
            assert "does not answer" in refresh(server)["message"]
            assert not heard(server)
        assert open_one.asked == []
    finally:
        open_one.close()


def test_a_key_that_cannot_be_used_is_said_at_the_start(site: Site, builder: Builder) -> None:
    site.web.chmod(0o644)
    with pytest.raises(SettingsError, match=r"\[web\] secret_key_file: .* chmod 600"):
        create_app(settings_for(builder.url, "one", secret_key_file=site.web))
