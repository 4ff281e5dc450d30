"""Where can I run now? As drawn from recorded clusters, and as it is typed in Chromium."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.webstat.recorded import Recorded
from tests.webstat.served import Server, served
from tests.webstat.test_pages import Site, said, walk
from webstat.answers.request import FIELDS, WALLTIME_HINT, WORDS, read_request
from webstat.data import jobs
from webstat.data.source import Source


@pytest.fixture(scope="module")
def drawn(recorded: Recorded) -> Iterator[Site]:
    source = Source(recorded.settings())
    yield Site(source)
    source.close()


def card_of(page: Any) -> dict[str, Any]:
    return next(c for c in walk(page) if c["type"] == "Section" and c["props"].get("aria-labelledby") == "q-ask")


def rows(page: Any) -> list[str]:
    found = [c for c in walk(card_of(page)) if c["props"].get("className") == "row-l"]
    return [said(one) for one in found]


def test_answers_are_ranked_with_time_reason_and_line(drawn: Site) -> None:
    page = drawn.page("/?cores=1&walltime=2:00")
    found = rows(page)
    kinds = ["now" if "Starts now" in row else "never" if "Impossible" in row else "later" for row in found]
    assert set(kinds) == {"now", "later", "never"}
    assert kinds == sorted(kinds, key=["now", "later", "never"].index)
    lines = [c["props"]["data-copy"] for c in walk(card_of(page)) if "data-copy" in c["props"]]
    assert len(lines) == len(found) - kinds.count("never")
    assert {line.split()[0] for line in lines} == {"qsub", "sbatch"}
    assert any("2:00:01" in row for row in found), "the number of the limit"
    assert "it is closed." in said(card_of(page))


def test_a_word_that_cannot_be_read_says_what_is_expected(drawn: Site) -> None:
    page = drawn.page("/?cores=4&walltime=soon")
    field = next(c for c in walk(page) if "data-said" in c["props"])
    told = json.loads(field["props"]["data-said"])
    assert told["problems"] == {"walltime": WALLTIME_HINT}
    assert told["shown"] == {"cores": "4", "walltime": "soon", "memory": ""}
    assert "The walltime could not be read. The answers are without it." in said(card_of(page))
    assert any("ws-stale-answers" in str(c["props"].get("className")) for c in walk(page))


def test_my_last_job_comes_first(drawn: Site, recorded: Recorded) -> None:
    known = jobs.current(drawn.source, drawn.source.clusters(), recorded.now)
    job = known.loc[known[known["user"] == "alice"]["submitted_at"].idxmax()]
    page = drawn.page("/", me="alice")
    presets = [c for c in walk(card_of(page)) if "btn" in str(c["props"].get("className")) and "href" in c["props"]]
    assert said(presets[0]) == "my last job"
    asked = {name: values[0] for name, values in parse_qs(urlsplit(presets[0]["props"]["href"]).query).items()}
    assert int(asked["cores"]) == job["cores"]
    assert "active" in presets[0]["props"]["className"], "and it is what is asked where nothing else is"
    assert "my last job" not in said(drawn.page("/"))


def test_a_change_that_helps_is_a_link(drawn: Site) -> None:
    page = drawn.page("/?cores=4&nodes=4&walltime=8d")
    told = said(card_of(page))
    assert "What would help most: " in told
    note = next(c for c in walk(page) if "ws-note ok" in str(c["props"].get("className")) and "help most" in said(c))
    href = next(c["props"]["href"] for c in walk(note) if "href" in c["props"])
    assert rows(drawn.page(href))[0].count("Starts now" if "would start it now" in told else "") >= 1


def test_of_the_past_it_is_said_that_it_cannot_be_told(drawn: Site, recorded: Recorded) -> None:
    page = drawn.page(f"/?at={int(recorded.now) - 60}")
    assert "is not kept of the past" in said(card_of(page))
    assert rows(page) == []


def test_what_a_browser_lets_through_the_server_reads() -> None:
    examples = {
        "cores": ["1", "1,000"], "nodes": ["any", "2"], "cores_per_node": ["any", "24"], "gpus": ["4"], "memory": ["96", "1.5 TB", "512mb"],
        "walltime": ["12:00", "12h", "2d", "90 min", "1d 12h", "240:00:00", "1-12:00:00"], "group": ["chem"],
    }  # fmt: skip
    for name, _, _, hint, pattern in FIELDS:
        assert name in WORDS
        for text in examples[name]:
            assert re.fullmatch(pattern, text, re.IGNORECASE), (name, text)
            assert read_request({name: text})[1] == {}
        if hint:
            assert not re.fullmatch(pattern, "soon", re.IGNORECASE)


@pytest.fixture(scope="module")
def site(recorded: Recorded) -> Iterator[Server]:
    with served(recorded.settings()) as server:
        yield server


def opened(page: Page, address: str) -> None:
    """The first drawing of all reads everything."""
    page.goto(address)
    page.locator("main h1").wait_for(timeout=60_000)


@pytest.mark.browser
def test_answers_follow_as_one_types_and_the_last_good_one_stays(browser: Browser, site: Server) -> None:
    page: Page = browser.new_page(viewport={"width": 1440, "height": 1000}, base_url=site.url)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    opened(page, "/")
    walltime = page.get_by_label("Walltime", exact=True)
    expect(walltime).to_have_value("1:00")
    answers = page.locator("#answers")
    walltime.fill("100d")
    page.wait_for_url(re.compile("walltime=100d"))
    expect(answers).to_contain_text("You ask for 100\u00a0d; its limit is", timeout=30_000)
    expect(walltime).to_be_focused()
    walltime.fill("soon")
    expect(page.locator("#ask")).to_contain_text("hours:minutes, e.g. 12:00")
    expect(walltime).to_have_attribute("aria-invalid", "true")
    expect(answers).to_have_class(re.compile("ws-greyed"))
    expect(answers).to_contain_text("You ask for 100\u00a0d; its limit is")
    assert "walltime=100d" in page.url
    walltime.fill("2h")
    page.wait_for_url(re.compile("walltime=2h"))
    expect(answers).not_to_have_class(re.compile("ws-greyed"))
    page.get_by_label("Nodes", exact=True).fill("2")
    page.get_by_label("Cores per node", exact=True).fill("24")
    page.get_by_label("Cores", exact=True).fill("")
    page.wait_for_url(re.compile("cores_per_node=24"))
    line = answers.locator("[data-copy*='select=2:ncpus=24']").first
    expect(line).to_be_attached(timeout=30_000)
    page.get_by_role("link", name="1 GPU, 12 h").click()
    page.wait_for_url(re.compile("gpus=1"))
    expect(page.get_by_label("GPUs", exact=True)).to_have_value("1", timeout=30_000)
    page.close()
    assert errors == []


@pytest.mark.browser
def test_on_a_phone_the_form_is_folded(browser: Browser, site: Server) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 740}, base_url=site.url)
    opened(page, "/?cores=8&walltime=4:00")
    change = page.get_by_role("button", name="Change", exact=True)
    expect(change).to_have_attribute("aria-expanded", "false")
    expect(page.get_by_label("Walltime", exact=True)).to_be_hidden()
    change.click()
    expect(page.get_by_label("Walltime", exact=True)).to_have_value("4:00")
    page.close()
