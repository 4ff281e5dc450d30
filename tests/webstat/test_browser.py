"""The pages in Chromium: every one at both widths and themes, then what moves: live updates, refresh, theme.

One module, since all of it shares the running browser and server.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from tests.webstat.served import FakeCollector, Server, served, settings_for, wait_for
from tests.webstat.stores import WORLD, Builder, Shape

pytestmark = pytest.mark.browser

WIDE, PHONE = {"width": 1440, "height": 1000}, {"width": 360, "height": 740}
ADDRESSES = ["/", "/health", "/nowhere", *(f"/cluster/{shape.name}" for shape in WORLD)]


@dataclass
class Watched:
    """A page, what its console said, and what it asked for elsewhere."""

    page: Page
    said: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    def check(self) -> None:
        assert self.said == []
        assert self.elsewhere == []


def watch(context: BrowserContext, origin: str) -> Watched:
    page = context.new_page()
    watched = Watched(page)
    # Chromium reports a page that answers 404 as an error, and that is what it should answer.
    harmless = re.compile(r"status of 404.*|.*ERR_CONNECTION_REFUSED.*")
    page.on("console", lambda m: watched.said.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: watched.said.append(str(error)))

    def requested(request: Any) -> None:
        if not request.url.startswith((origin, "data:", "blob:")):
            watched.elsewhere.append(request.url)

    context.on("request", requested)
    page.on("close", lambda _: None)
    watched.said = _Filtered(harmless)
    return watched


class _Filtered(list):  # type: ignore[type-arg]
    def __init__(self, harmless: re.Pattern[str]) -> None:
        super().__init__()
        self._harmless = harmless

    def append(self, text: str) -> None:
        if not self._harmless.search(text):
            super().append(text)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    builder = Builder(tmp_path_factory.mktemp("world") / "store.sqlite")
    for shape in WORLD:
        builder.add(shape)
    collector = FakeCollector()
    with served(settings_for(builder.url, *(s.name for s in WORLD), collector=collector)) as server:
        yield server
    collector.close()
    builder.close()


def opened(page: Page, url: str) -> None:
    page.goto(url)
    page.locator("main h1").wait_for()


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["1440", "360"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page(browser: Browser, world: Server, size: dict[str, int], theme: str) -> None:
    context = browser.new_context(viewport=size, color_scheme=theme)  # type: ignore[arg-type]
    watched = watch(context, world.url)
    page = watched.page
    for address in ADDRESSES:
        opened(page, world.url + address)
        assert page.locator("h1").count() == 1, address
        if address == "/cluster/certainty":
            page.locator(".ws-graph .main-svg").first.wait_for()
        too_wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert too_wide <= 0, f"{address} is {too_wide} px too wide"
        assert page.evaluate("document.documentElement.dataset.bsTheme") == theme
        assert page.title() != "webstat" or address == "/nowhere"
    assert page.evaluate("window.alerted") is None
    watched.check()
    context.close()


def test_only_the_small_plotly_is_loaded_and_only_where_it_is_needed(browser: Browser, world: Server) -> None:
    context = browser.new_context(viewport=WIDE)
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    opened(page, world.url + "/")
    page.wait_for_timeout(1000)
    assert not [url for url in asked if "plotly" in url]
    page.locator(".card h2 a", has_text="certainty").click()
    page.locator(".ws-graph .main-svg").first.wait_for()
    assert [re.sub(r".*/|\?.*", "", url) for url in asked if "plotly" in url] == ["plotly-cartesian.min.js"]
    context.close()


def test_hostile_names_are_shown_as_text(browser: Browser, world: Server) -> None:
    context = browser.new_context(viewport=WIDE)
    page = context.new_page()
    page.add_init_script("window.alert = () => { window.alerted = true; }")
    opened(page, world.url + "/cluster/hostile")
    page.locator(".ws-graph .main-svg").first.wait_for()
    expect(page.locator("h1")).to_have_text("<b>hostile</b> & co")
    expect(page.locator(".ws-bars").first).to_contain_text("<script>alert(1)</s…")
    page.locator(".ws-graph .nsewdrag").first.hover(position={"x": 300, "y": 100})
    page.wait_for_timeout(300)
    assert page.evaluate("window.alerted") is None
    assert page.locator("main script, main iframe, main img").count() == 0
    context.close()


def test_the_theme_is_chosen_kept_and_there_before_the_first_paint(browser: Browser, world: Server) -> None:
    context = browser.new_context(viewport=WIDE, color_scheme="light")
    page = context.new_page()
    opened(page, world.url + "/cluster/certainty")
    theme = "document.documentElement.dataset.bsTheme"
    seen = [page.evaluate(theme)]
    for _ in range(3):
        page.locator("#theme").click()
        page.wait_for_timeout(300)
        seen.append(page.evaluate(theme))
    assert set(seen) == {"light", "dark"}
    while page.evaluate(theme) != "dark":
        page.locator("#theme").click()
        page.wait_for_timeout(300)
    page.add_init_script(
        "addEventListener('DOMContentLoaded', () => { window.early = document.documentElement.dataset.bsTheme; })"
    )
    opened(page, world.url + "/")
    assert page.evaluate("window.early") == "dark"
    context.close()


def test_menus_open_and_close_by_keyboard(browser: Browser, world: Server) -> None:
    context = browser.new_context(viewport=WIDE)
    page = context.new_page()
    opened(page, world.url + "/")
    menu = page.locator("#clusters-menu")
    page.locator("#clusters-menu summary").focus()
    page.keyboard.press("Enter")
    expect(menu).to_have_attribute("open", "")
    page.keyboard.press("Escape")
    expect(menu).not_to_have_attribute("open", "")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    context.close()


def test_ages_count_up_without_asking(browser: Browser, tmp_path: Path) -> None:
    builder, collector = Builder(tmp_path / "store.sqlite"), FakeCollector()
    builder.add(Shape("calm", "Calm", nodes=2, days=1, period=3600))  # nothing of it becomes late meanwhile
    with served(settings_for(builder.url, "calm", collector=collector)) as server:
        context = browser.new_context(viewport=WIDE)
        page = context.new_page()
        opened(page, server.url + "/cluster/calm")
        wait_for(lambda: server.app.state.hub.connected, "the announcements to be heard")
        page.wait_for_timeout(6000)  # it may be told of that
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if "_dash-update" in request.url else None)
        age = page.locator("main time[data-ws=age]").first
        before = age.inner_text()
        wait_for(lambda: page.wait_for_timeout(100) or age.inner_text() != before, "the age to change", 65)
        assert asked == []
        context.close()
    collector.close()
    builder.close()


@dataclass
class Living:
    """A web process on a store that grows, and the collector that says so."""

    server: Server
    builder: Builder
    collector: FakeCollector


@pytest.fixture
def living(tmp_path: Path) -> Iterator[Living]:
    builder = Builder(tmp_path / "store.sqlite")
    for name in ("one", "two"):
        builder.add(Shape(name, name, nodes=6, days=1))
    collector = FakeCollector(
        lambda name: {
            "ok": True,
            "message": "a new report is in",
            "next_allowed_at": time.time() + 30,
            "report": 1001,
        }
    )
    with served(settings_for(builder.url, "one", "two", collector=collector)) as server:
        wait_for(lambda: server.app.state.hub.connected, "the announcements to be heard")
        yield Living(server, builder, collector)
    collector.close()
    builder.close()


def test_a_new_report_appears_without_reloading(browser: Browser, living: Living) -> None:
    context = browser.new_context(viewport=WIDE)
    watched = watch(context, living.server.url)
    page = watched.page
    opened(page, living.server.url + "/cluster/one")
    graph = page.locator(".ws-graph .js-plotly-plot")
    page.locator(".ws-graph .main-svg").first.wait_for()
    page.evaluate("window.same = document.querySelector('.js-plotly-plot')")
    page.get_by_label("Other cluster").click()
    page.locator(".ws-room").focus()
    page.evaluate("scrollTo(0, 120)")
    expect(page.locator(".ws-bars").first).not_to_contain_text("newcomer")
    scrolled = page.evaluate("scrollY")

    number = living.builder.report("one", start_cores=5, user="newcomer")
    living.collector.say("one", number)
    expect(page.locator(".ws-bars").first).to_contain_text("newcomer")

    assert page.evaluate("document.querySelector('.js-plotly-plot') === window.same"), "the graph was made anew"
    assert page.evaluate("document.activeElement.classList.contains('ws-room')"), "the focus was lost"
    expect(page.locator("main details.ws-menu").first).to_have_attribute("open", "")
    assert page.evaluate("scrollY") == scrolled
    assert graph.count() == 2, "past and future"
    watched.check()
    context.close()


def test_a_page_is_asked_for_only_when_its_report_is_new(browser: Browser, living: Living) -> None:
    context = browser.new_context(viewport=WIDE)
    page = context.new_page()
    opened(page, living.server.url + "/cluster/one")
    page.wait_for_timeout(2500)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "_dash-update" in request.url else None)
    page.wait_for_timeout(6500)  # more than one sign of life
    assert asked == []
    living.collector.say("one", living.builder.report("one"))
    wait_for(lambda: page.wait_for_timeout(50) or asked, "the page to be asked for")
    page.wait_for_timeout(1000)
    assert len(asked) == 1
    context.close()


def test_a_hidden_tab_asks_for_nothing_until_it_is_seen(browser: Browser, living: Living) -> None:
    context = browser.new_context(viewport=WIDE)
    page = context.new_page()
    page.add_init_script(
        "window.hide = (yes) => { Object.defineProperty(document, 'hidden', {value: yes, configurable: true});"
        " document.dispatchEvent(new Event('visibilitychange')); }"
    )
    opened(page, living.server.url + "/cluster/one")
    page.wait_for_timeout(1500)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "_dash-update" in request.url else None)
    page.evaluate("hide(true)")
    living.collector.say("one", living.builder.report("one", start_cores=2))
    page.wait_for_timeout(2000)
    assert asked == []
    page.evaluate("hide(false)")
    expect(page.locator(".ws-bars").first).to_contain_text("newcomer")
    context.close()


def test_all_tabs_of_a_browser_share_one_connection(browser: Browser, living: Living) -> None:
    context = browser.new_context(viewport=PHONE)
    pages = [context.new_page() for _ in range(3)]
    for page in pages:
        opened(page, living.server.url + "/cluster/one")
    hub = living.server.app.state.hub
    wait_for(lambda: pages[0].wait_for_timeout(50) or hub.viewers, "the connection")
    assert hub.viewers == 1
    living.collector.say("one", living.builder.report("one", start_cores=3))
    for page in pages:
        page.bring_to_front()
        expect(page.locator(".ws-bars").first).to_contain_text("newcomer", timeout=20_000)
    context.close()


def test_the_page_survives_the_web_process(browser: Browser, living: Living) -> None:
    context = browser.new_context(viewport=WIDE)
    page = context.new_page()
    opened(page, living.server.url + "/cluster/one")
    stream = page.locator("#stream")
    expect(stream).to_have_attribute("data-state", "live")
    living.server.stop()
    expect(stream).to_have_attribute("data-state", "reconnecting", timeout=10_000)
    expect(stream).to_have_attribute("data-state", "unreachable", timeout=25_000)
    expect(stream).to_have_text("webstat does not answer")
    expect(page.locator(".ws-bars").first).to_contain_text("free"), "what was there stays"
    living.server.start()
    living.builder.report("one", start_cores=4)
    expect(stream).to_have_attribute("data-state", "live", timeout=45_000)
    expect(page.locator(".ws-bars").first).to_contain_text("newcomer", timeout=15_000)
    context.close()


def test_without_the_stream_it_asks_by_itself(browser: Browser, living: Living) -> None:
    context = browser.new_context(viewport=WIDE)
    # A proxy that lets no websocket through.
    context.add_init_script(
        "delete window.SharedWorker; window.WebSocket = function () { setTimeout(() => this.onclose(), 5); };"
    )
    page = context.new_page()
    opened(page, living.server.url + "/cluster/one")
    expect(page.locator("#stream")).to_have_attribute("data-state", "stale", timeout=25_000)
    living.builder.report("one", start_cores=4)
    expect(page.locator(".ws-bars").first).to_contain_text("newcomer", timeout=20_000)
    context.close()


def test_without_shared_workers_a_tab_connects_by_itself(browser: Browser, living: Living) -> None:
    context = browser.new_context(viewport=WIDE)
    context.add_init_script("delete window.SharedWorker")
    watched = watch(context, living.server.url)
    opened(watched.page, living.server.url + "/cluster/one")
    expect(watched.page.locator("#stream")).to_have_attribute("data-state", "live")
    living.collector.say("one", living.builder.report("one", start_cores=4))
    expect(watched.page.locator(".ws-bars").first).to_contain_text("newcomer")
    watched.check()
    context.close()


def test_refresh_says_what_happened(browser: Browser, living: Living) -> None:
    context = browser.new_context(viewport=WIDE)
    watched = watch(context, living.server.url)
    page = watched.page
    opened(page, living.server.url + "/cluster/one")
    button = page.locator("#refresh")
    button.click()
    expect(page.locator("#refresh-said")).to_have_text("one: a new report is in (report 1,001).")
    assert living.collector.asked == ["one"]
    expect(button).to_be_disabled()
    expect(button).to_have_attribute("data-left", re.compile(r"^(30|2\d)\u00a0s$"))
    page.locator("#clusters-menu summary").click()
    page.locator("#clusters-menu .dropdown-item", has_text="two").click()
    expect(page.locator("h1")).to_have_text("two")
    expect(button).to_be_enabled()
    watched.check()
    context.close()


def test_refresh_on_the_overview_asks_for_all(browser: Browser, living: Living) -> None:
    context = browser.new_context(viewport=PHONE)
    page = context.new_page()
    opened(page, living.server.url + "/")
    page.locator("#refresh").click()
    expect(page.locator("#refresh-said")).to_contain_text("one: a new report is in")
    expect(page.locator("#refresh-said")).to_contain_text("two: a new report is in")
    assert sorted(living.collector.asked) == ["one", "two"]
    context.close()


def test_refresh_without_a_collector_says_what_to_do(browser: Browser, tmp_path: Path) -> None:
    builder = Builder(tmp_path / "store.sqlite", now=time.time() - 3600)
    builder.add(Shape("one", "one", nodes=2, days=1))
    context = browser.new_context(viewport=WIDE)
    with served(settings_for(builder.url, "one")) as server:
        page = context.new_page()
        opened(page, server.url + "/")
        expect(page.locator("main")).to_contain_text("The collector does not run.")
        page.locator("#refresh").click()
        expect(page.locator("#refresh-said")).to_contain_text("Admin: start it with “python -m collector run”.")
        context.close()
    builder.close()


def test_an_empty_store_fills_by_itself(browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context(viewport=WIDE)
    with served(settings_for(f"sqlite:///{tmp_path}/store.sqlite", "one", "two")) as server:
        watched = watch(context, server.url)
        page = watched.page
        opened(page, server.url + "/")
        expect(page.locator("h1")).to_have_text("No data yet")
        builder = Builder(tmp_path / "store.sqlite")
        builder.add(Shape("one", "one", nodes=2, days=1))
        expect(page.locator("h2.ws-h1")).to_have_text("2 clusters, 1 answering", timeout=15_000)
        builder.close()
        watched.check()
        context.close()


def test_no_clusters_configured(browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context(viewport=PHONE)
    with served(settings_for(f"sqlite:///{tmp_path}/none.sqlite")) as server:
        watched = watch(context, server.url)
        opened(watched.page, server.url + "/")
        expect(watched.page.locator("h1")).to_have_text("No clusters are configured")
        expect(watched.page.locator("main")).to_contain_text("webstat.example.toml")
        watched.page.wait_for_timeout(1500)
        watched.check()
        context.close()


def test_a_store_that_breaks_is_said_and_tried_again(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    path.write_bytes(b"no database at all, and long enough to be looked into" * 50)
    context = browser.new_context(viewport=WIDE)
    with served(settings_for(f"sqlite:///{path}", "one")) as server:
        page = context.new_page()
        opened(page, server.url + "/")
        expect(page.locator("main")).to_contain_text("The store could not be read. file is not a database")
        path.unlink()
        builder = Builder(path)
        builder.add(Shape("one", "one", nodes=2, days=1))
        expect(page.locator("h2.ws-h1")).to_have_text("1 cluster", timeout=20_000)
        builder.close()
        context.close()


def test_a_store_that_breaks_under_an_open_page_leaves_it_as_it_was(browser: Browser, tmp_path: Path) -> None:
    path, away = tmp_path / "store.sqlite", tmp_path / "away.sqlite"
    builder = Builder(path)
    builder.add(Shape("one", "one", nodes=2, days=1))
    builder.close()
    context = browser.new_context(viewport=WIDE)
    with served(settings_for(f"sqlite:///{path}", "one")) as server:
        page = context.new_page()
        opened(page, server.url + "/")
        expect(page.locator("h2.ws-h1")).to_have_text("1 cluster", timeout=20_000)
        path.rename(away)
        path.write_bytes(b"no database at all, and long enough to be looked into" * 50)
        page.locator("#theme").click()  # what asks for a drawing
        expect(page.locator("#demo")).to_contain_text("What you see is as it was", timeout=20_000)
        expect(page.locator("main section.card").first).to_be_visible()
        expect(page.locator("h2.ws-h1")).to_have_text("1 cluster")
        path.unlink()
        away.rename(path)
        expect(page.locator("#demo")).to_be_empty(timeout=30_000)
        expect(page.locator("main section.card").first).to_be_visible()
        context.close()


def test_a_page_that_cannot_be_fetched_leaves_what_is_there(browser: Browser, living: Living) -> None:
    context = browser.new_context(viewport=WIDE)
    page = context.new_page()
    opened(page, living.server.url + "/cluster/one")

    def fail(route: Route) -> None:
        route.abort()

    page.route("**/_dash-update-component*", fail)
    living.collector.say("one", living.builder.report("one", start_cores=2))
    page.wait_for_timeout(1500)
    expect(page.locator(".ws-bars").first).to_contain_text("free")
    page.unroute("**/_dash-update-component*", fail)
    living.collector.say("one", living.builder.report("one", start_cores=2))
    expect(page.locator(".ws-bars").first).to_contain_text("newcomer")
    context.close()
