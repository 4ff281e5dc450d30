"""The page Health: what it says of a scheduler that is slow, of polls that failed, and of who asks."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from sqlalchemy import insert, update

from collector.schema import cluster, collector
from collector.store import PollTimes, Store
from tests.collector.reports import a_report, settings_for
from tests.webstat.test_pages import Site, said, walk
from webstat.data.source import Source

NOW = int(time.time())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    url = f"sqlite:///{tmp_path_factory.mktemp('health')}/store.sqlite"
    settings = settings_for("slow", "quick", "never", load_share=0.05)
    settings = settings.model_copy(update={"store": settings.store.model_copy(update={"url": url})})
    store = Store(url)
    ids = store.sync_clusters(settings)
    for ago in range(20 * 3600, 0, -200):
        at = NOW - ago
        if 5 * 3600 < ago <= 6 * 3600:
            store.store_failure(ids["slow"], PollTimes(at, 1.0, query_seconds=1.0), "command_failed", "no server")
        else:
            report = a_report(at, query_seconds={"jobs": 8.0, "nodes": 2.0})
            store.store_report(ids["slow"], report, PollTimes(at - 11, 11.5, at + 189, period=200))
    store.store_report(ids["quick"], a_report(NOW - 5), PollTimes(NOW - 6, 0.4, NOW + 54, period=60))
    with store.engine.begin() as connection:
        row = {
            "name": "host1:4711",
            "region": "north",
            "announce": "tcp://h:1",
            "refresh": "tcp://h:2",
            "started_at": 1.0,
        }
        ident = connection.execute(insert(collector).values(**row).returning(collector.c.id)).scalar_one()
        connection.execute(update(cluster).where(cluster.c.name != "never").values(collector_id=ident))
    store.close()
    source = Source(settings)
    yield Site(source)
    source.close()


def card(site: Site, name: str) -> tuple[str, list[dict]]:  # type: ignore[type-arg]
    page = site.page("/health", now=float(NOW))
    (found,) = (one for one in walk(page) if one["props"].get("id") == name)
    return said(found).replace("\u00a0", " "), list(walk(found))


def test_a_slowed_scheduler_is_shown_with_its_load(site: Site) -> None:
    text, _ = card(site, "slow")
    for words in (
        "Asked every200 s",
        "Its commands took10.0 s5.0 % of the time",
        "Answer after11.5 s",
        "Rounds of commands17360",
        "Time they took170 s57 min",
        "Share of the time, of 5 % that it may take4.7 %4.0 %",
        "A round asks for 2 listings: jobs 8.0 s, nodes 2.0 s.",
        "Wished every 1 min; asked every 200 s, since its commands are slow.",
        "Polled by host1:4711 (region north).",
    ):
        assert words in text, (words, text)


def test_failed_polls_are_seen_in_shape_and_word(site: Site) -> None:
    text, parts = card(site, "slow")
    (strip,) = (one for one in parts if "ws-cells" in str(one["props"].get("className")))
    assert strip["props"]["role"] == "img"
    assert "18 failed: " in strip["props"]["aria-label"]
    looks = [cell["props"]["className"] for cell in strip["props"]["children"]]
    assert len(looks) == 48
    assert "b-bad" in looks, "a whole half hour of nothing but failures"
    assert looks.count("b-run") > 30
    assert looks[:4] == ["b-free"] * 4, "it was not asked then"
    assert "all failed" in text
    assert "not asked" in text


def test_who_asks_is_said_once_for_all(site: Site) -> None:
    page = site.page("/health", now=float(NOW))
    assert "1 collector polls 2 of 3 clusters: host1:4711 (region north)." in said(page)


def test_a_quick_scheduler_is_not_said_to_be_slow(site: Site) -> None:
    text, _ = card(site, "quick")
    assert "Wished" not in text
    assert "1 poll, none failed." in text


def test_one_that_was_never_asked_has_no_load(site: Site) -> None:
    text, _ = card(site, "never")
    assert "Never asked in the last 24 h." in text
    assert "Rounds" not in text
