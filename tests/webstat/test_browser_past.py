"""The time machine in Chromium: its keys, its steps, its slider and date, and the way back to the present."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.webstat.looking import Looker
from tests.webstat.recorded import Recorded, record
from tests.webstat.served import FakeCollector, Server, served
from webstat.data.queries.past import load_polls

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return record(tmp_path_factory.mktemp("past") / "store.sqlite", "series", "torque")


@pytest.fixture(scope="module")
def site(small: Recorded) -> Iterator[Server]:
    with served(small.settings()) as server:
        yield server


@pytest.fixture(scope="module")
def taken(site: Server) -> list[int]:
    """The moments of the polls of `series`, newest last."""
    return site.app.state.sources.full.ask(load_polls, 1, 0)["taken_at"].astype("int64").tolist()


def at(look: Looker) -> int | None:
    found = parse_qs(urlsplit(look.page.url).query).get("at")
    return int(found[0]) if found else None


def press(look: Looker, key: str) -> None:
    look.page.keyboard.press(key)
    look.settle()


def test_keys_step_through_the_past_and_back_to_the_present(look: Looker, taken: list[int]) -> None:
    page = look.open("/cluster/series?by=group")
    bar = page.locator("#past .ws-past")
    expect(bar).to_have_count(0)
    press(look, "t")
    newest = at(look)
    assert newest is not None and newest >= taken[-1] and "by=group" in page.url, "the newest report of all clusters"
    expect(bar).to_contain_text("You are looking at series as of")
    expect(page.locator("main")).to_contain_text("Who holds the cores at that moment?")
    steps = []
    for key in ("[", "[", "[", "]"):
        press(look, key)
        steps.append(at(look))
    start = len(taken) if newest > taken[-1] else len(taken) - 1
    assert steps == [taken[start - 1], taken[start - 2], taken[start - 3], taken[start - 2]]
    expect(page.locator("#refresh")).to_be_disabled()
    running = page.locator(".ws-kpi", has_text="Running").locator(".v").inner_text()
    page.get_by_role("link", name="Jobs", exact=True).first.click()
    look.settle()
    assert at(look) == steps[-1], "links stay at the moment"
    page.locator("a.ws-brand").click()
    look.settle()
    assert at(look) == steps[-1] and urlsplit(page.url).path == "/"
    expect(page.locator("main .card", has_text="series").first).to_contain_text(running)
    press(look, "l")
    assert at(look) is None
    expect(bar).to_have_count(0)
    expect(page.locator("#refresh")).to_be_enabled()


def test_the_slider_and_the_date_choose_a_moment(look: Looker, taken: list[int]) -> None:
    page = look.open(f"/cluster/series?at={taken[8]}")
    slider = page.get_by_role("slider", name="Moment")
    assert int(slider.input_value()) == pytest.approx(taken[8], abs=10)
    slider.focus()
    page.keyboard.press("End")
    look.settle()
    assert at(look) == int(slider.get_attribute("max") or 0) >= taken[-1]
    date = page.get_by_label("Date and time of the moment")
    before = date.input_value()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d", before)
    date.fill("2001-02-03T04:05")
    date.press("Enter")
    expect(page.locator("main h1")).to_contain_text("Nothing of series is known at that moment")
    page.get_by_role("link", name="The first moment that is known").click()
    expect(page.locator("main h1")).to_contain_text("series")
    assert at(look) == taken[0]
    page.go_back()
    page.locator("#past").get_by_role("button", name="Back to live").click()
    expect(page.locator("#past .ws-past")).to_have_count(0)


def test_the_slider_is_moved_on_by_keys(look: Looker, taken: list[int]) -> None:
    page = look.open(f"/cluster/series?at={taken[-1]}")
    slider = page.get_by_role("slider", name="Moment")
    slider.focus()
    moments = [taken[-1]]
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
        page.wait_for_url(lambda url: f"at={moments[-1]}" not in url)
        look.settle()
        expect(slider).to_be_focused()
        moments.append(at(look) or 0)
    assert moments == sorted(moments, reverse=True) and len(set(moments)) == 4


def test_the_past_stands_still(browser: Browser, tmp_path: Path) -> None:
    """News of reports change nothing, and no age counts on but that of the moment itself."""
    recorded, collector = record(tmp_path / "store.sqlite", "torque"), FakeCollector()
    with served(recorded.settings(collector)) as server:
        look = Looker(browser, server.url, 1440)
        moment = int(recorded.reports["torque"].taken_at)
        page = look.open(f"/cluster/torque?at={moment}")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        shown = page.locator("main").inner_text()
        ago = page.locator("#past [data-ws=ago]").inner_text()
        collector.say("torque", 99)
        page.evaluate("window.dash_clientside && window.webstat.now()")
        expect(page.locator("#past [data-ws=ago]")).not_to_have_text(ago)
        assert page.locator("main").inner_text() == shown
        assert not [url for url in asked if "_dash-update" in url]
        assert page.evaluate("window.webstat.now()") == moment
        assert look.said == []
        look.close()
    collector.close()
