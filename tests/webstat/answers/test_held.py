"""How often forecasts held, as the cluster page and the address for programs tell it."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from datetime import UTC
from typing import Any
from urllib.error import HTTPError

import pytest
from plotly.utils import PlotlyJSONEncoder

from collector.settings import Settings
from tests.webstat.data.explore.random_store import UNTIL, make_jobs, write_store
from tests.webstat.served import Server, served
from tests.webstat.test_pages import said, settings_for
from webstat.answers.backtest import FEWEST_TRIED, Record
from webstat.answers.forecast import Past, held_of, past_of
from webstat.data.source import Source
from webstat.format import percent
from webstat.pages import cluster_held
from webstat.view import View


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    path = tmp_path_factory.mktemp("store") / "store.sqlite"
    engine = write_store(path, make_jobs(5, 2400))
    engine.dispose()
    return settings_for(engine.url.render_as_string(hide_password=False), "one", "two")


@pytest.fixture(scope="module")
def source(settings: Settings) -> Iterator[Source]:
    source = Source(settings)
    yield source
    source.close()


def fetch(server: Server, address: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{address}", timeout=20) as found:
        rows: list[dict[str, Any]] = json.load(found)["rows"]
    return rows


def card_of(source: Source, at: int | None = None) -> str:
    view = View(source, source.clusters(), float(UNTIL), "light", UTC, True, at=at)
    found = cluster_held.held_card(view.clusters[0], view)
    return "" if found is None else said(json.loads(json.dumps(found, cls=PlotlyJSONEncoder)))


def test_the_page_tells_each_queues_shares(source: Source) -> None:
    words = card_of(source)
    held = held_of(past_of(source, source.clusters()[0]))
    assert set(held) == {"short", "long", "gpu"}
    assert "How often did forecasts hold?" in words
    for queue, both in held.items():
        told = [queue]
        for one in both:
            assert one.held is not None and one.tried >= FEWEST_TRIED
            told += [percent(one.held_half), percent(one.held) + (", not told" if one.withheld else "")]
        assert "".join(told).replace("\u00a0", " ") in words.replace("\u00a0", " ")


def test_what_is_withheld_or_too_little_is_said(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    records = {False: Record(200, 0, 0.5, 0.71, 0.71, withheld=True), True: Record(12)}
    waits = past_of(source, source.clusters()[0]).queues["gpu"]
    made = Past({"gpu": waits}, UTC, lambda queue, waiting: records[waiting])
    monkeypatch.setattr(cluster_held, "past_of", lambda source, cluster: made)
    words = card_of(source).replace("\u00a0", " ")
    assert "gpu50 %71 %, not told" in words and "only 12 jobs" in words
    assert "Recalibrated" not in words
    records[False] = Record(200, 0, 0.5, 0.9, 0.71, most_share=0.97)
    words = card_of(source).replace("\u00a0", " ")
    assert "gpu50 %90 %" in words and "Recalibrated, since the usual 90 % time did not hold: gpu." in words


def test_of_an_empty_past_it_says_so(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_held, "past_of", lambda source, cluster: Past({}))
    assert "Not known yet." in card_of(source)


def test_a_past_moment_has_no_card(source: Source) -> None:
    assert card_of(source, at=UNTIL - 86400) == ""


def test_programs_are_told_the_same(settings: Settings, source: Source) -> None:
    clusters = source.clusters()
    expected: list[dict[str, Any]] = [
        {
            "cluster": cluster.name,
            "queue": queue,
            "asked": asked,
            "jobs": one.tried,
            "held_50": one.held_half,
            "held_90": one.held,
            "foretold": not one.withheld,
        }
        for cluster in clusters
        for queue, both in held_of(past_of(source, cluster)).items()
        for asked, one in zip(("first", "waiting"), both, strict=True)
    ]
    assert len(expected) == 12
    with served(settings) as server:
        rows = fetch(server, "/api/v1/forecasts")
        assert [{name: row[name] for name in expected[0]} for row in rows] == expected
        some = fetch(server, "/api/v1/forecasts?cluster=two&queue=gpu")
        assert [(row["cluster"], row["queue"], row["asked"]) for row in some] == [
            ("two", "gpu", "first"),
            ("two", "gpu", "waiting"),
        ]
        with pytest.raises(HTTPError, match="400") as refused:
            fetch(server, "/api/v1/forecasts?user=alice")
        refused.value.close()
