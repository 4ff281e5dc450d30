"""The page of the jobs behind a point: its rows, its words, the ways on and back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import update

from collector.database import open_engine
from collector.schema import history_month
from collector.settings import Settings
from tests.webstat.data.explore.random_store import DAY, SINCE, UNTIL, make_jobs, write_store
from tests.webstat.stores import HOSTILE, Builder, Shape
from tests.webstat.test_pages import Site, said, settings_for, walk
from webstat.data.source import Source
from webstat.pages.history_jobs import SHOWN

RANGE = "from=2026-09-20&to=2026-11-21"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "store.sqlite"
    write_store(path, make_jobs(3, 450)).dispose()
    return f"sqlite:///{path}"


@pytest.fixture(scope="module")
def site(url: str) -> Iterator[Site]:
    source = Source(Settings.model_validate({"store": {"url": url}}))
    yield Site(source)
    source.close()


def page(site: Site, words: str) -> Any:
    return site.page(f"/history/jobs?{words}", now=UNTIL)


def links(page: Any) -> dict[str, str]:
    return {said(part).strip(): part["props"]["href"] for part in walk(page) if "href" in part["props"]}


def jobs_on(page: Any) -> list[str]:
    found = [part["props"].get("href", "") for part in walk(page)]
    return [href for href in found if href.startswith("/job/")]


def test_pages_of_rows_are_all_jobs_once(site: Site) -> None:
    address, seen, pages = f"/history/jobs?{RANGE}&event=submitted", [], 0
    while address:
        shown = site.page(address, now=UNTIL)
        seen += jobs_on(shown)
        pages += 1
        address = next((href for words, href in links(shown).items() if words.startswith("The next ")), "")
    assert len(seen) == len(set(seen)) == 450 and pages == -(-450 // SHOWN)
    assert "450 jobs were submitted, 20 Sep – 20 Nov 2026" in said(shown)
    assert "401 to 450 of 450" in said(shown) and "The ones before" in links(shown)
    assert "No more jobs" in said(page(site, f"{RANGE}&offset=5000"))


def test_what_is_filtered_stands_in_words_and_ways_lead_back(site: Site) -> None:
    words = f"{RANGE}&user=alice,bob&state=failed&size=2-8&event=ended&metric=wait"
    shown = page(site, words)
    assert "Only users alice and bob; end state failed; job size 2–8 cores." in said(shown)
    ways = links(shown)
    back = urlsplit(next(href for text, href in ways.items() if "The same in history" in text))
    assert back.path == "/history"
    assert parse_qs(back.query) == {
        "from": ["2026-09-20"], "to": ["2026-11-21"], "user": ["alice,bob"], "state": ["failed"], "size": ["2-8"],
        "metric": ["wait"],
    }  # fmt: skip
    for form in ("CSV", "Excel", "Parquet", "JSON"):
        file = urlsplit(ways[form])
        assert file.path == "/api/v1/history/jobs"
        told = parse_qs(file.query)
        assert told["event"] == ["ended"] and told["user"] == ["alice,bob"] and told["zone"] == ["Europe/Berlin"]


def test_a_head_sorts_by_its_column_and_turns_round(site: Site) -> None:
    ways = links(page(site, RANGE))
    assert (
        "sort=core_hours" in ways["Core-hours"] and "sort=-run_seconds" in ways["Ran"] and "sort=user" in ways["User"]
    )
    turned = page(site, f"{RANGE}&sort=-run_seconds")
    assert "sort=run_seconds" in links(turned)["Ran"] and "sort=" not in links(turned)["Core-hours"]
    marks = [part["props"]["aria-sort"] for part in walk(turned) if "aria-sort" in part["props"]]
    assert marks == ["descending"]


def test_what_cannot_be_read_is_said(site: Site) -> None:
    words = said(page(site, "event=exploded&sort=size&offset=-3&size=9"))
    for part in ("event='exploded' is unknown", "sort='size' is no column", "offset='-3'", "no job size '9'"):
        assert part in words


def test_jobs_that_are_no_longer_kept_are_missed_aloud(url: str, site: Site) -> None:
    engine = open_engine(url)
    which = (history_month.c.cluster_id == 1) & (history_month.c.month < SINCE + 11 * DAY)
    try:
        with engine.begin() as connection:
            connection.execute(update(history_month).where(which).values(pruned=True))
        words = said(page(site, "from=2026-09-21&to=2026-10-01"))
        assert re.search(r"Jobs that ended before .* of One are no longer kept one by one", words)
    finally:
        with engine.begin() as connection:
            connection.execute(update(history_month).values(pruned=False))
        engine.dispose()


def test_names_that_try_to_act_are_text(tmp_path_factory: pytest.TempPathFactory) -> None:
    builder = Builder(tmp_path_factory.mktemp("odd") / "store.sqlite")
    builder.add(Shape("odd", "<b>odd</b>", nodes=10, days=2, users=HOSTILE, job_names=HOSTILE, queued=20))
    builder.add(Shape("fresh", "fresh", seen=False))
    source = Source(settings_for(builder.url, "odd", "fresh"))
    shown = Site(source).page("/history/jobs?range=7d")
    assert jobs_on(shown) and all(href.startswith("/job/odd/") for href in jobs_on(shown))
    assert "<script>alert(" in said(shown)
    assert not any("dangerously" in str(part["props"]) for part in walk(shown))
    source.close()
    builder.close()
