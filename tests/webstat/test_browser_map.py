"""The cluster page in Chromium: the node map with its jobs and keys, the zoom of the chart, across new reports."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select, update

from collector import schema
from collector.schema import NODE_STATES
from tests.browser import open_browser
from tests.webstat.served import FakeCollector, Server, served, settings_for, wait_for
from tests.webstat.stores import HOSTILE, Builder, Shape

pytestmark = pytest.mark.browser

WIDE, PHONE = {"width": 1440, "height": 1000}, {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@dataclass
class Living:
    """A web process on a store that grows, and the collector that says so."""

    server: Server
    builder: Builder
    collector: FakeCollector

    def say(self, **news: object) -> None:
        self.collector.say("one", self.builder.report("one", **news))  # type: ignore[arg-type]

    def set_node(self, name: str, state: str, **columns: object) -> None:
        with self.builder.engine.begin() as connection:
            number = NODE_STATES.index(state)  # type: ignore[arg-type]
            connection.execute(
                update(schema.node)
                .where(schema.node.c.name == name)
                .values(state=number, native_state=state, **columns)
            )

    def jobs_of(self, name: str) -> list[str]:
        with self.builder.engine.begin() as connection:
            return json.loads(
                connection.execute(select(schema.node.c.jobs).where(schema.node.c.name == name)).scalar_one()
            )


@pytest.fixture
def living(tmp_path: Path) -> Iterator[Living]:
    builder = Builder(tmp_path / "store.sqlite")
    builder.add(Shape("one", "one", nodes=40, days=1, gpu_nodes=4, load=0.6, users=("alice", "bob", *HOSTILE)))
    collector = FakeCollector()
    with served(settings_for(builder.url, "one", collector=collector)) as server:
        wait_for(lambda: server.app.state.hub.connected, "the announcements to be heard")
        yield Living(server, builder, collector)
    collector.close()
    builder.close()


@dataclass
class Opened:
    page: Page
    said: list[str] = field(default_factory=list)


@pytest.fixture
def opened(browser: Browser, living: Living) -> Iterator[Opened]:
    context = browser.new_context(viewport=WIDE, timezone_id="Asia/Kolkata")
    page = context.new_page()
    page.add_init_script("window.alert = () => { window.alerted = true; }")
    found = Opened(page)
    page.on("console", lambda m: found.said.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: found.said.append(str(error)))
    page.goto(living.server.url + "/cluster/one")
    page.locator("#nodemap .nd").first.wait_for()
    yield found
    assert found.said == []
    context.close()


def ringed(page: Page) -> set[str]:
    return set(
        page.locator("#nodemap .nd.hit").evaluate_all(
            "cells => cells.map((c) => c.getAttribute('aria-label').split(',')[0])"
        )
    )


def cell(page: Page, name: str) -> str:
    return f'#nodemap .nd[aria-label^="{name},"]'


def query(page: Page) -> dict[str, str]:
    return page.evaluate("Object.fromEntries(new URLSearchParams(location.search))")


def test_every_node_is_a_cell_that_says_how_it_is(opened: Opened) -> None:
    page = opened.page
    assert page.locator("#nodemap .nd[data-at]").count() == 40
    expect(page.locator("#nodemap .ws-nodes")).to_have_attribute(
        "aria-label", re.compile(r"^40 nodes: .*all cores in use")
    )
    texts = page.locator("#nodemap .ws-nodes .nd.o, #nodemap .ws-nodes .nd.x").all_inner_texts()
    assert texts
    assert set(texts) <= {"O", "D"}
    expect(page.locator(cell(page, "cn040"))).to_have_attribute("href", "/node/one/cn040")


def test_a_job_that_is_pointed_at_rings_its_nodes(opened: Opened, living: Living) -> None:
    page = opened.page
    (job, *_) = living.jobs_of("cn001")
    nodes = {name for name in (f"cn{n:03d}" for n in range(1, 41)) if job in living.jobs_of(name)}
    assert ringed(page) == set()
    page.locator(cell(page, "cn001")).hover()
    tip = page.locator(".ws-node-tip")
    expect(tip).to_be_visible()
    expect(tip).to_contain_text("cn001")
    expect(tip).to_contain_text("24 of 24 cores in use")
    tip.locator(".ws-tip-job", has_text=job.split(".")[0]).hover()
    assert ringed(page) == nodes
    page.locator("h1").hover()
    expect(tip).to_be_hidden()
    assert ringed(page) == set()

    tip_job = page.locator(".ws-tip-job", has_text=job.split(".")[0])
    page.locator(cell(page, "cn001")).hover()
    tip_job.click()
    assert query(page) == {"job": f"one/{job}"}
    page.locator("h1").hover()
    wait_for(lambda: page.wait_for_timeout(50) or ringed(page) == nodes, "the chosen job's nodes to be ringed")
    expect(page.locator(".ws-ringed")).to_contain_text(job.split(".")[0])


def test_strangers_names_are_text_in_tips(opened: Opened) -> None:
    page = opened.page
    for place in range(20):
        page.locator("#nodemap .nd[data-at]").nth(place).hover()
        expect(page.locator(".ws-node-tip")).to_be_visible()
    assert page.evaluate("window.alerted") is None
    assert page.locator("#nodemap script, #nodemap img, #nodemap iframe").count() == 0


def test_arrow_keys_move_and_enter_opens(opened: Opened) -> None:
    page = opened.page
    focused = "document.activeElement.getAttribute('aria-label').split(',')[0]"
    assert page.locator("#nodemap .nd[tabindex='0']").count() == 1
    page.locator(cell(page, "cn001")).focus()
    for key, name in [
        ("ArrowRight", "cn002"), ("ArrowDown", "cn018"), ("ArrowDown", "cn034"), ("ArrowDown", "cn034"),
        ("End", "cn040"), ("ArrowUp", "cn024"), ("ArrowLeft", "cn023"), ("Home", "cn017"), ("ArrowLeft", "cn016"),
    ]:  # fmt: skip
        page.keyboard.press(key)
        assert page.evaluate(focused) == name, key
    assert page.locator("#nodemap .nd[tabindex='0']").count() == 1
    expect(page.locator(".ws-node-tip")).to_contain_text("cn016")
    page.keyboard.press("Escape")
    expect(page.locator(".ws-node-tip")).to_be_hidden()
    page.keyboard.press("Enter")
    expect(page.locator(cell(page, "cn016"))).to_have_attribute("aria-current", "true")
    assert query(page) == {"node": "one/cn016"}


def test_after_a_report_only_cells_that_differ_are_touched(opened: Opened, living: Living) -> None:
    page = opened.page
    page.locator(cell(page, "cn003")).focus()
    page.evaluate(
        """() => {
            window.touched = new Set();
            window.first = document.querySelector('#nodemap .nd');
            new MutationObserver((records) => records.forEach((record) => {
                const cell = (record.target.closest ? record.target : record.target.parentElement).closest('.ws-nodes .nd');
                if (cell) window.touched.add(cell.getAttribute('aria-label').split(',')[0]);
            })).observe(document.querySelector('.ws-nodes'), {subtree: true, childList: true, attributes: true, characterData: true});
        }"""
    )
    living.set_node("cn002", "down", comment="PSU dead")
    living.say()
    expect(page.locator(cell(page, "cn002"))).to_have_class(re.compile(r"\bx\b"))
    expect(page.locator(cell(page, "cn002"))).to_have_text("D")
    assert page.evaluate("[...window.touched]") == ["cn002"]
    assert page.evaluate("window.first === document.querySelector('#nodemap .nd')")
    assert page.evaluate("document.activeElement.getAttribute('aria-label').split(',')[0]") == "cn003"
    page.locator(cell(page, "cn002")).hover()
    expect(page.locator(".ws-node-tip")).to_contain_text("“PSU dead”")


def test_colours_are_chosen_in_the_address(opened: Opened) -> None:
    page = opened.page
    page.get_by_role("group", name="Colour of the cells").get_by_text("User").click()
    expect(page.locator("#nodemap .nd.b-c").first).to_be_visible()
    assert query(page) == {"map": "user"}
    wait_for(
        lambda: page.wait_for_timeout(50) or page.evaluate("document.activeElement.textContent") == "User", "the focus"
    )
    expect(page.locator(".ws-legend")).to_contain_text("alice")
    page.get_by_role("group", name="Colour of the cells").get_by_text("Memory").click()
    expect(page.locator(".ws-legend")).to_contain_text("GB free")
    assert page.locator("#nodemap .ws-nodes .nd.b-c").count() == 0
    page.get_by_role("group", name="Rows of the map").get_by_text("By property").click()
    expect(page.locator("#nodemap .ws-nodes > b", has_text="gpu, k80")).to_be_visible()
    assert page.locator("#nodemap .nd[data-at]").count() == 40


def test_the_same_as_a_table(opened: Opened, living: Living) -> None:
    page = opened.page
    page.locator("#nodemap-details summary").click()
    rows = page.locator("#nodemap-table tbody tr")
    expect(rows).to_have_count(40)
    expect(rows.nth(0)).to_contain_text("all cores in use")
    living.set_node("cn001", "offline", comment="<b>DIMM</b>")
    living.say()
    expect(rows.nth(0)).to_contain_text("offline by an admin")
    expect(rows.nth(0)).to_contain_text("<b>DIMM</b>")
    assert page.locator("#nodemap-details").evaluate("(details) => details.open")
    rows.nth(1).locator("a").click()
    expect(page.locator(cell(page, "cn002"))).to_have_attribute("aria-current", "true")


def test_on_a_phone_the_cells_are_a_picture(browser: Browser, living: Living) -> None:
    context = browser.new_context(viewport=PHONE, has_touch=True)
    page = context.new_page()
    page.goto(living.server.url + "/cluster/one")
    page.locator("#nodemap .nd").first.wait_for()
    grid = page.locator("#nodemap .ws-nodes")
    expect(grid).to_have_attribute("role", "img")
    assert grid.locator("a, [tabindex]").count() <= 1
    page.locator("#nodemap .nd[data-at]").nth(3).tap()
    expect(page.locator(".ws-node-tip")).to_contain_text("cn004")
    page.locator(".ws-node-tip .ws-tip-job").first.tap()
    assert query(page)["job"].startswith("one/")
    context.close()


CHART = ".ws-graph .js-plotly-plot"
HOURS = f"document.querySelector('{CHART}').layout.xaxis.range.map(Date.parse).reduce((a, b) => b - a) / 3.6e6"
RANGE = f"document.querySelector('{CHART}').layout.xaxis.range.map((at) => at.slice(0, 16))"


def zoom(page: Page) -> None:
    page.locator(f"{CHART} .nsewdrag").first.wait_for()
    page.wait_for_timeout(500)
    box = page.locator(f"{CHART} .nsewdrag").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 80)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 80, steps=5)
    page.mouse.up()
    page.wait_for_url("**zoom=*")


def test_a_zoom_is_in_the_address_and_survives_reports_and_reloads(opened: Opened, living: Living) -> None:
    page = opened.page
    zoom(page)
    start, end = (int(part) for part in query(page)["zoom"].split("-"))
    now = page.evaluate("Date.now() / 1000")
    assert now - 86400 - 900 < start < end < now
    assert (end - start) / 86400 == pytest.approx(0.3, abs=0.02)
    expect(page.get_by_role("link", name="Whole 24 h")).to_be_visible()
    local = page.evaluate(
        "([a, b]) => [a, b].map((at) => new Date(at * 1000).toLocaleString('sv', {timeZone: 'Asia/Kolkata'}).slice(0, 16))",
        [start, end],
    )
    assert page.evaluate(RANGE) == local
    before = page.evaluate(RANGE)

    living.say(start_cores=7, user="newcomer")
    expect(page.locator(".ws-bars").first).to_contain_text("newcomer")
    assert page.evaluate(RANGE) == before
    page.reload()
    page.locator(CHART + " .main-svg").first.wait_for()
    page.wait_for_timeout(500)
    assert page.evaluate(RANGE) == before

    page.get_by_role("link", name="Whole 24 h").click()
    expect(page.get_by_role("link", name="Whole 24 h")).to_have_count(0)
    wait_for(lambda: page.wait_for_timeout(50) or page.evaluate(RANGE) != before, "the whole range")
    assert "zoom" not in query(page)
    page.go_back()
    wait_for(lambda: page.wait_for_timeout(50) or page.evaluate(RANGE) == before, "the zoom to come back")


def test_a_double_click_shows_everything(opened: Opened) -> None:
    page = opened.page
    page.locator(f"{CHART} .nsewdrag").first.wait_for()
    page.wait_for_timeout(500)
    assert page.evaluate(HOURS) > 23
    zoom(page)
    wait_for(lambda: page.wait_for_timeout(50) or page.evaluate(HOURS) < 12, "the zoom")
    expect(page.get_by_role("link", name="Whole 24 h")).to_be_visible()
    page.wait_for_timeout(500)
    page.locator(f"{CHART} .nsewdrag").first.dblclick(position={"x": 200, "y": 80})
    wait_for(lambda: page.wait_for_timeout(50) or "zoom" not in query(page), "the address without a zoom")
    expect(page.get_by_role("link", name="Whole 24 h")).to_have_count(0)
    wait_for(lambda: page.wait_for_timeout(50) or page.evaluate(HOURS) > 23, "the whole range")


@pytest.mark.parametrize("text", ["x", "1-2", "<script>", "9999999999999-1", "5-"])
def test_a_zoom_that_says_nothing_is_ignored(opened: Opened, living: Living, text: str) -> None:
    page = opened.page
    page.goto(f"{living.server.url}/cluster/one?zoom={text}")
    page.locator(CHART + " .main-svg").first.wait_for()
    assert page.get_by_role("link", name="Whole 24 h").count() == 0


def test_both_charts_show_groups_or_queues(opened: Opened) -> None:
    page = opened.page
    by = page.get_by_role("group", name="Cores by").first
    by.get_by_text("Queue").click()
    expect(page.locator(".ws-bars a", has_text="batch").first).to_be_visible()
    expect(page.locator(".ws-dir").first).to_contain_text("batch")
    assert query(page) == {"by": "queue"}
    page.locator("#usage-details summary").click()
    expect(page.locator("#usage-table thead")).to_contain_text("batch")
    assert page.locator("#usage-table tbody tr").count() >= 24


def test_what_would_be_free_is_drawn_beside_the_past(opened: Opened) -> None:
    page = opened.page
    page.locator("[aria-labelledby=q-next] .main-svg").first.wait_for()
    before, after = (page.locator(f"[aria-labelledby={ident}]").bounding_box() for ident in ("q-day", "q-next"))
    assert before is not None and after is not None
    assert after["x"] >= before["x"] + before["width"] and after["y"] == before["y"]
    page.locator("#future-details summary").click()
    expect(page.locator("#future-table thead")).to_contain_text("Whole nodes")
    assert page.locator("#future-table tbody tr").count() == 25


COLUMNS = """() => [...document.querySelectorAll("[aria-labelledby=q-queues] th[scope^=col]")]
  .filter((head) => head.offsetWidth).map((head) => head.innerText.replace(/\\s+/g, " ").trim())"""
SHORT = ["Queue", "Runs", "Queued", "Waited, last 7 d", "50 %", "90 %"]
LONG = ["Queue", "State", "Running", "Queued", "Held jobs", "Waited, last 7 d"]


@pytest.mark.parametrize(
    ("width", "panel", "limits", "all_columns"),
    [(360, False, False, False), (800, False, False, True), (992, False, False, True), (1440, False, True, True), (1440, True, False, True)],
)  # fmt: skip
def test_the_table_of_queues_has_the_columns_it_has_room_for(
    opened: Opened, living: Living, width: int, panel: bool, limits: bool, all_columns: bool
) -> None:
    page = opened.page
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(living.server.url + "/cluster/one" + ("?node=one/cn001" if panel else ""))
    page.locator("#nodemap .nd").first.wait_for()
    if panel:
        page.locator("#panel h2").first.wait_for()
    columns = page.evaluate(COLUMNS)
    assert ("Limits" in columns) == ("walltime" in columns) == limits
    if all_columns:
        assert [column for column in columns if column in LONG] == LONG
        assert "Runs" not in columns
    else:
        assert columns == SHORT
    # As many cells in a row as there are columns: none is left over where its head has gone.
    cells = page.evaluate(
        """() => [...document.querySelectorAll("[aria-labelledby=q-queues] tbody tr")].map((row) =>
             [...row.children].filter((cell) => cell.offsetWidth).reduce((sum, cell) => sum + cell.colSpan, 0))"""
    )
    heads = page.evaluate(
        """() => [...document.querySelectorAll("[aria-labelledby=q-queues] thead tr:first-child th")]
             .filter((cell) => cell.offsetWidth).reduce((sum, cell) => sum + cell.colSpan, 0)"""
    )
    assert set(cells) == {heads}
    overflow = page.evaluate(
        """() => { const box = document.querySelector("[aria-labelledby=q-queues] .table-responsive");
             return box.scrollWidth - box.clientWidth; }"""
    )
    assert overflow <= 0


def test_links_of_reasons_can_be_hit_and_cells_read_under_the_pointer(opened: Opened) -> None:
    page = opened.page
    heights = page.locator(".ws-sentences a").evaluate_all("links => links.map((link) => link.offsetHeight)")
    assert heights
    assert min(heights) >= 24
    free = page.locator("#nodemap .ws-nodes .nd.f0[data-at]").first
    colour = "cell => getComputedStyle(cell).color"
    before = free.evaluate(colour)
    free.hover()
    assert free.evaluate(colour) == before
