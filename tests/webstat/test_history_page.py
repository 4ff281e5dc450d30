"""The history page, drawn for every metric and cut, from made and from recorded clusters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from collector.settings import Settings
from tests.webstat.data.explore.random_store import DAY, UNTIL, make_jobs, write_store
from tests.webstat.stores import HOSTILE, Builder, Shape
from tests.webstat.test_pages import Site, said, settings_for, texts, walk
from webstat.data.explore import explorer as explorer_module
from webstat.data.explore.cut import NAMES
from webstat.data.explore.metrics import METRICS
from webstat.data.explore.question import Question, read
from webstat.data.source import Source


@pytest.fixture(scope="module")
def random(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("random")
    write_store(folder / "store.sqlite", make_jobs(3, 400)).dispose()
    source = Source(Settings.model_validate({"store": {"url": f"sqlite:///{folder}/store.sqlite"}}))
    yield Site(source)
    source.close()


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    builder = Builder(tmp_path_factory.mktemp("odd") / "store.sqlite")
    for shape in (
        Shape("odd", "<b>odd</b>", nodes=10, days=2, users=HOSTILE, queued=20),
        Shape("fresh", "fresh", seen=False),
    ):
        builder.add(shape)
    source = Source(settings_for(builder.url, "odd", "fresh"))
    yield Site(source)
    source.close()
    builder.close()


def charts(page: Any) -> list[Any]:
    return [part["props"]["figure"] for part in walk(page) if part["type"] == "Graph"]


CUTS = [*NAMES, "nothing"]


@pytest.mark.parametrize(
    ("metric", "by"),
    [
        *((metric, CUTS[place % len(CUTS)]) for place, metric in enumerate(METRICS)),
        *(("core-hours", by) for by in CUTS),
    ],
)
def test_every_metric_by_everything(random: Site, metric: str, by: str) -> None:
    page = random.page(f"/history?metric={metric}&by={by}", now=UNTIL)
    figure = charts(page)[0]
    unit = (
        "share of the cluster's own usable cores"
        if (metric, by) == ("utilisation", "cluster")
        else METRICS[metric].unit
    )
    assert figure["layout"]["yaxis"]["title"]["text"] == unit
    edges = figure["layout"]["meta"]["edges"]
    assert all(len(trace["x"]) == len(edges) == len(trace["y"]) for trace in figure["data"])
    assert any(value is not None for trace in figure["data"] for value in trace["y"])
    assert "could not be drawn" not in said(page)


def test_bands_add_up_to_the_line(random: Site) -> None:
    figure = charts(random.page("/history?by=user&from=2026-10-01&to=2026-11-01", now=UNTIL))[0]
    bands = [trace["y"] for trace in figure["data"] if "stackgroup" in trace]
    whole = next(trace["y"] for trace in figure["data"] if trace["name"] == "all")
    for place, value in enumerate(whole):
        assert sum(band[place] for band in bands) == pytest.approx(value, rel=1e-3)


def test_bars_and_lines(random: Site) -> None:
    bars = charts(random.page("/history?chart=bars", now=UNTIL))[0]
    assert {trace["type"] for trace in bars["data"]} == {"bar", "scatter"}
    lines = charts(random.page("/history?chart=lines", now=UNTIL))[0]
    assert all("stackgroup" not in trace for trace in lines["data"])


def test_what_cannot_be_read_is_said_and_the_page_answers(random: Site) -> None:
    page = random.page(
        "/history?metric=nonsense&by=<script>&from=yesterday&shown=-1&size=7&cluster=nope&step=second", now=UNTIL
    )
    words = said(page)
    for part in (
        "metric='nonsense' is unknown",
        "'yesterday' is no date",
        "There is no job size '7'",
        "There is no cluster 'nope'",
    ):
        assert part in words
    assert charts(page)


def test_a_range_of_which_nothing_is_known(random: Site) -> None:
    words = said(random.page("/history?from=2020-01-01&to=2020-02-01", now=UNTIL))
    assert "Nothing is known of this range." in words
    assert "nothing of the period before is known" in words


def test_gaps_are_named(random: Site) -> None:
    words = said(random.page("/history?from=2026-10-05&to=2026-10-20", now=UNTIL))
    assert "One gap: Two, 2 d" in words


def test_many_jobs_are_answered_from_months(random: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explorer_module, "MOST_EXACT", 0)
    words = said(random.page("/history?range=90d&metric=wait", now=UNTIL))
    assert "whole months by UTC from monthly sums, waits to within 2 %" in words


def test_names_stay_text(odd: Site) -> None:
    page = odd.page("/history?by=user&range=7d")
    assert any("<script>" in text for text in texts(page))
    figure = charts(page)[0]
    assert all("<" not in trace["name"] for trace in figure["data"])


def test_the_address_says_all_of_a_question() -> None:
    query = {
        "from": "2026-10-24", "to": "2026-10-26", "metric": "wait", "by": "queue", "step": "hour", "chart": "bars",
        "shown": "20", "compare": "no", "user": "a%2Cb,c%25", "state": "failed", "cluster": "one",
    }  # fmt: skip
    zone = ZoneInfo("Europe/Berlin")
    question, problems = read(query, UNTIL, zone, ["one", "two"])
    assert problems == []
    assert question.kept("user") == ("a,b", "c%")
    assert question.until - question.since == 2 * DAY + 3600  # the clocks are set back in between
    again, problems = read(question.words(), UNTIL, zone, ["one", "two"])
    assert problems == []
    assert again == question


def test_the_usual_question_has_no_words() -> None:
    question, _ = read({}, UNTIL, ZoneInfo("UTC"), [])
    assert question.words() == {}
    assert isinstance(question, Question)


def test_a_page_before_anything_is_known(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "store.sqlite")
    builder.add(Shape("fresh", "fresh", seen=False))
    source = Source(settings_for(builder.url, "fresh"))
    words = said(Site(source).page("/history"))
    assert "Nothing has been recorded yet." in words or "report" in words
    source.close()
    builder.close()


def test_of_a_time_to_come_nothing_is_told(random: Site) -> None:
    page = random.page("/history?from=2031-01-01&to=2031-02-01", now=UNTIL)
    words = said(page)
    assert "Nothing is known of this range." in words
    assert "Out of service longest" not in words
    assert "Jobs ended–" in words.replace(" ", "").replace("Jobsended", "Jobs ended")


@pytest.mark.parametrize("metric", ["wait", "queued-jobs", "cpu-efficiency"])
def test_the_key_tells_what_the_table_tells(random: Site, metric: str) -> None:
    page = random.page(f"/history?from=2026-10-05&to=2026-10-20&by=queue&metric={metric}", now=UNTIL)
    (keys,) = (part for part in walk(page) if part["props"].get("className") == "ws-keys")
    total = next(
        part for part in walk(page) if part["type"] == "Tr" and part["props"].get("className") == "fw-semibold"
    )
    assert texts(total)[1] in texts(keys)


def test_cells_of_waits_lead_to_their_jobs(random: Site) -> None:
    page = random.page("/history?from=2026-10-05&to=2026-10-20", now=UNTIL)
    links = [part["props"]["href"] for part in walk(page) if "event=started" in str(part["props"].get("href"))]
    assert links
    assert all("queue=" in one and "size=" in one and "cluster=" in one for one in links)
