"""The history page in Chromium: what is chosen is in the address, a chart leads to its jobs, a menu saves files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from collector.settings import Settings
from tests.browser import open_browser
from tests.webstat.data.explore.random_store import make_jobs, write_store
from tests.webstat.served import NOBODY, served

pytestmark = pytest.mark.browser

RANGE = "from=2026-10-05&to=2026-10-20"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    folder = tmp_path_factory.mktemp("history")
    write_store(folder / "store.sqlite", make_jobs(3, 400)).dispose()
    store = {"url": f"sqlite:///{folder}/store.sqlite"}
    settings = Settings.model_validate({"store": store, "collector": NOBODY, "web": {"timezone": "UTC"}})
    with served(settings) as server, open_browser() as browser:
        yield _opened(browser, server.url)


def _opened(browser: Browser, url: str) -> Page:
    page = browser.new_page(viewport={"width": 1440, "height": 1000}, base_url=url)
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    return page


def words(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def shown(page: Page, query: str = RANGE) -> None:
    page.goto(f"/history?{query}")
    expect(page.locator("h1")).to_have_text("History")
    page.locator(".js-plotly-plot .bars, .js-plotly-plot .scatterlayer").first.wait_for()


def test_choices_are_in_the_address(page: Page) -> None:
    shown(page)
    page.locator("summary[aria-label^='Split by']").click()
    page.get_by_role("link", name="Queue", exact=True).click()
    page.wait_for_url(re.compile("by=queue"))
    expect(page.locator("section[aria-labelledby=q-totals] thead")).to_contain_text("Queue")
    assert {"from", "to"} <= words(page).keys()


def test_dates_are_in_the_address(page: Page) -> None:
    shown(page)
    field = page.get_by_label("To, inclusive")
    expect(field).to_have_value("2026-10-19")
    field.fill("2026-10-12")
    page.wait_for_url(re.compile("to=2026-10-13"))
    assert words(page)["from"] == "2026-10-05"
    expect(page.locator("main")).to_contain_text("5 Oct – 12 Oct 2026")


def test_a_name_is_typed_to_filter_by_it(page: Page) -> None:
    shown(page)
    field = page.get_by_label("Only this name")
    field.fill("alice")
    field.press("Enter")
    page.wait_for_url(re.compile("user=alice"))
    expect(page.locator("main")).to_contain_text("user alice")
    page.get_by_label("What to filter by").select_option("user")
    field.fill("nobody, really 100 %")
    field.press("Enter")
    expect(page.locator("main")).to_contain_text("No user is named 'nobody, really 100 %' in what is stored.")
    assert words(page)["user"] == "alice,nobody%2C really 100 %25"


@pytest.mark.parametrize(
    ("query", "height", "expected"),
    [
        ("", 0.02, {"event": "ran"}),  # above all bands
        ("&by=queue", 0.98, {"event": "ran", "queue": "the lowest"}),
        ("&metric=failed&by=nothing", 0.5, {"event": "ended", "state": "failed"}),
        ("&metric=wait&by=queue", 0.5, {"event": "started"}),
    ],
)
def test_a_click_on_the_chart_lists_the_jobs_that_its_bucket_counts(
    page: Page, query: str, height: float, expected: dict[str, str]
) -> None:
    shown(page, RANGE + query)
    plot, hovered = page.locator("section[aria-labelledby=q-history] .nsewdrag").first, page.locator(".hoverlayer *")
    for number in range(40):  # a click is on what is hovered over, once the chart has found its place
        area = plot.bounding_box()
        assert area is not None
        plot.hover(position={"x": 300 + 10 * (number % 2), "y": height * area["height"]})
        page.wait_for_timeout(200)
        if hovered.count():
            break
    page.mouse.down()
    page.mouse.up()
    page.wait_for_url(re.compile("/history/jobs"))
    asked = words(page)
    assert int(asked.pop("to")) - int(asked.pop("from")) == 86400
    if "queue" in expected:
        expected = {**expected, "queue": asked.get("queue", "none")}
        assert expected["queue"] != "none"
    assert asked == expected
    expect(page.locator("h1")).to_have_text("Jobs of the past")


def test_a_zoom_is_the_range(page: Page) -> None:
    shown(page)
    plot = page.locator("section[aria-labelledby=q-history] .js-plotly-plot .nsewdrag").first.bounding_box()
    assert plot is not None
    across = [plot["x"] + plot["width"] * share for share in (0.25, 0.5)]
    page.mouse.move(across[0], plot["y"] + 50)
    page.mouse.down()
    page.mouse.move(across[1], plot["y"] + 60, steps=8)
    page.mouse.up()
    page.wait_for_url(lambda url: "from=2026-10-0" in url and "to=2026-10-12" in url)


def test_a_card_saves_its_numbers_and_its_picture(page: Page, tmp_path: Path) -> None:
    shown(page)
    card = page.locator("section[aria-labelledby=q-history]")
    for name, ending, beginning in (("CSV", ".csv", b"at,"), ("Picture to edit", ".svg", b"<svg")):
        card.locator(".ws-export summary").click()
        with page.expect_download() as download:
            card.locator(".ws-export .dropdown-item", has_text=name).first.click()
        file = tmp_path / f"file{ending}"
        download.value.save_as(file)
        assert download.value.suggested_filename.endswith(ending)
        assert beginning in file.read_bytes()[:400]
        page.keyboard.press("Escape")
