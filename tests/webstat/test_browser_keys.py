"""What a keyboard does in Chromium: search, keys, their list, the panel and the focus; whose browser it is, what is
copied, how live the page says it is, and how it prints.

One module, since all of it shares the running browser and server.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from agent.states import JobState
from tests.webstat.looking import Looker
from tests.webstat.recorded import Recorded, record
from tests.webstat.served import FakeCollector, Server, served, settings_for, wait_for
from tests.webstat.stores import HOSTILE, WORLD, Builder, Shape

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return record(tmp_path_factory.mktemp("keys") / "store.sqlite", "mixed", "torque")


@pytest.fixture(scope="module")
def site(small: Recorded) -> Iterator[Server]:
    with served(small.settings()) as server:
        yield server


@pytest.fixture
def phone(browser: Browser, site: Server) -> Iterator[Looker]:
    looker = Looker(browser, site.url, 360, 740)
    yield looker
    assert looker.said == []
    looker.close()


def focused(page: Page) -> Any:
    """Id, or else text, of what has the focus; BODY where nothing has."""
    return page.evaluate(
        "(e => e === document.body ? 'BODY' : e.id || e.textContent.trim() || e.tagName)(document.activeElement)"
    )


def wrong(look: Looker) -> list[str]:
    """What axe-core finds of what is tested here; whole pages are test_axe.py's."""
    return [one for one in look.violations() if not one.startswith("landmark-unique: #footer")]


def at(page: Page, address: str) -> None:
    wait_for(lambda: page.evaluate("location.pathname + location.search") == address, f"the address {address}")


def options(page: Page) -> Locator:
    return page.locator("#find-list [role=option]")


# Search


def test_what_is_typed_is_offered_and_chosen_with_arrows(look: Looker, small: Recorded) -> None:
    job = next(one for one in small.reports["mixed"].jobs if one.state is JobState.RUNNING)
    page = look.open("/")
    box = page.get_by_role("combobox", name="Find a job, user, node")
    expect(box).to_have_attribute("aria-expanded", "false")
    box.press_sequentially(job.user)
    expect(box).to_have_attribute("aria-expanded", "true")
    expect(options(page).first).to_contain_text(f"{job.user} user")
    expect(options(page).last).to_have_text(f"Search all jobs for “{job.user}”")
    assert wrong(look) == []
    box.press("ArrowDown")
    expect(options(page).first).to_have_attribute("aria-selected", "true")
    assert box.get_attribute("aria-activedescendant") == options(page).first.get_attribute("id")
    box.press("ArrowUp")
    expect(page.locator("#find-list [aria-selected=true]")).to_have_count(0)
    assert box.get_attribute("aria-activedescendant") is None
    box.press("ArrowUp")
    expect(options(page).last).to_have_attribute("aria-selected", "true")
    box.press("ArrowDown")
    box.press("ArrowDown")
    box.press("Enter")
    at(page, f"/user/{job.user}")
    expect(box).to_have_value("")
    expect(page.locator("#find-list")).to_be_hidden()


def test_a_job_is_found_by_its_number_and_opened_with_a_click(look: Looker, small: Recorded) -> None:
    job = next(one for one in small.reports["torque"].jobs if one.state is JobState.RUNNING)
    page = look.open("/health")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "combobox"
    page.keyboard.type(job.id.split(".")[0])
    expect(options(page).first).to_contain_text(job.id)
    options(page).first.click()
    at(page, "/job/torque/" + page.evaluate("encodeURIComponent", job.id))
    expect(page.locator("h1")).to_contain_text(job.id.split(".")[0])


def test_enter_without_a_choice_searches_all_jobs(look: Looker) -> None:
    page = look.open("/")
    page.keyboard.press("/")
    page.keyboard.type("a b&c")
    page.keyboard.press("Enter")
    wait_for(lambda: urlsplit(page.url).path == "/jobs", "the page of jobs")
    assert parse_qs(urlsplit(page.url).query) == {"q": ["a b&c"]}


def test_esc_closes_the_offers_then_empties_then_leaves(look: Looker) -> None:
    page = look.open("/")
    box = page.locator("#find input")
    box.press_sequentially("mixed")
    expect(options(page).first).to_be_visible()
    box.press("Escape")
    expect(options(page)).to_have_count(0)
    expect(box).to_have_value("mixed")
    box.press("Escape")
    expect(box).to_have_value("")
    expect(box).to_be_focused()
    box.press("Escape")
    expect(box).not_to_be_focused()


def test_of_two_answers_the_later_question_counts(look: Looker) -> None:
    page = look.open("/")
    held: list[Route] = []

    def slow(route: Route) -> None:
        held.append(route)

    page.route("**/data/find?q=to", slow)
    box = page.locator("#find input")
    box.fill("to")
    wait_for(lambda: page.wait_for_timeout(20) or held, "the first question")
    box.fill("mixed")
    expect(options(page).first).to_contain_text("mixed cluster")
    held[0].fulfill(json=[{"kind": "user", "text": "too late", "detail": "", "href": "/user/late"}])
    page.wait_for_timeout(200)
    expect(page.locator("#find-list")).not_to_contain_text("too late")


def test_where_nothing_answers_the_jobs_can_still_be_searched(look: Looker) -> None:
    page = look.open("/")
    page.route("**/data/find*", lambda route: route.fulfill(status=503, body="{}"))
    page.locator("#find input").fill("mixed")
    expect(options(page)).to_have_text(["Search all jobs for “mixed”"])
    look.said.clear()  # Chromium reports the 503 itself


def test_names_are_offered_as_text(browser: Browser, tmp_path: Path) -> None:
    builder = Builder(tmp_path / "store.sqlite")
    builder.add(next(shape for shape in WORLD if shape.name == "hostile"))
    with served(settings_for(builder.url, "hostile")) as server:
        looker = Looker(browser, server.url, 1440)
        page = looker.open("/")
        for name in (HOSTILE[0], HOSTILE[1], "hostile"):
            page.locator("#find input").fill(name)
            expect(options(page).first).to_contain_text(name[:20])
            assert page.locator("#find script, #find img, #find b").count() == 0
        assert looker.said == []
        looker.close()
    builder.close()


def test_phones_have_no_search_in_the_bar(phone: Looker) -> None:
    page = phone.open("/")
    expect(page.locator("#find")).to_be_hidden()
    page.keyboard.press("/")
    at(page, "/jobs")
    assert phone.too_wide() <= 0


# Keys


def test_two_keys_lead_to_pages(look: Looker) -> None:
    page = look.open("/")
    for key, address in (("j", "/jobs"), ("h", "/health"), ("f", "/free"), ("o", "/")):
        page.keyboard.press("g")
        page.keyboard.press(key)
        at(page, address)
        look.settle()
    page.keyboard.press("g")
    page.keyboard.press("c")
    expect(page.locator("#clusters-menu")).to_have_attribute("open", "")
    page.keyboard.press("Enter")
    at(page, "/cluster/mixed")


def test_on_phones_the_clusters_key_leads_to_the_first(phone: Looker) -> None:
    page = phone.open("/health")
    page.keyboard.press("g")
    page.keyboard.press("c")
    at(page, "/cluster/mixed")


def test_keys_are_letters_while_somebody_types_and_with_other_keys_held(look: Looker) -> None:
    page = look.open("/health")
    page.locator("#find input").focus()
    page.keyboard.type("gj?")
    expect(page.locator("#find input")).to_have_value("gj?")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    for keys in ("Control+g", "Alt+g", "Meta+g", "x"):
        page.keyboard.press(keys)
        page.keyboard.press("j")
    page.keyboard.press("g")
    page.wait_for_timeout(1700)
    page.keyboard.press("j")
    page.wait_for_timeout(200)
    at(page, "/health")
    expect(page.locator("dialog[open]")).to_have_count(0)


def test_the_list_of_keys_opens_closes_and_gives_the_focus_back(look: Looker) -> None:
    page = look.open("/")
    page.locator("#theme").focus()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    expect(dialog).to_be_visible()
    assert focused(page) == "Close"
    for key in ("/", "g", "j", "k", "Enter", "Esc", "m", "c", "r", "?"):
        expect(dialog.locator("kbd").get_by_text(key, exact=True).first).to_be_visible()
    assert wrong(look) == []
    page.keyboard.press("g")
    page.keyboard.press("j")
    page.wait_for_timeout(100)
    at(page, "/")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert focused(page) == "theme"
    page.keyboard.press("?")
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()


def test_single_keys_can_be_switched_off_and_on_again(look: Looker) -> None:
    page = look.open("/")
    page.keyboard.press("?")
    page.get_by_label("Switch single keys off").check()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("j")
    page.keyboard.press("?")
    page.wait_for_timeout(200)
    at(page, "/")
    expect(page.locator("dialog[open]")).to_have_count(0)
    page = look.open("/health")
    page.keyboard.press("?")
    page.wait_for_timeout(200)
    expect(page.locator("dialog[open]")).to_have_count(0)
    # With keys off there is still a way to the list.
    page.locator("#me summary").click()
    page.get_by_role("button", name="All keys").click()
    page.get_by_label("Switch single keys off").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("o")
    at(page, "/")


def test_the_table_of_jobs_has_keys_of_its_own(look: Looker, small: Recorded) -> None:
    page = look.open("/jobs")
    page.locator("#jobs .ag-row").first.wait_for()
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Search jobs"
    page.keyboard.press("Escape")
    expect(page.locator("#jobs input[aria-label='Search jobs']")).not_to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page.locator("#panel")).to_have_attribute("data-open", "yes")
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_have_attribute("data-open", "no")
    assert "job=" not in page.url
    page.keyboard.press("c")
    expect(page.locator(".ws-columns")).to_have_attribute("open", "")


def test_mine_is_asked_for_once_and_then_leads_to_my_page(look: Looker) -> None:
    page = look.open("/health")
    page.keyboard.press("m")
    expect(page.get_by_label("My user name on the clusters")).to_be_focused()
    page.keyboard.type("somebody")
    page.keyboard.press("Enter")
    expect(page.locator("#me-menu")).not_to_have_attribute("open", "")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("m")
    at(page, "/user/somebody")


# The panel


def test_esc_closes_one_thing_at_a_time_and_the_focus_comes_back(look: Looker, small: Recorded) -> None:
    page = look.open("/cluster/mixed")
    link = page.locator('main a[href*="?node="], main a[href*="?job="]').first
    href = link.get_attribute("href")
    link.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#panel")).to_have_attribute("data-open", "yes")
    look.settle()
    page.locator("#me summary").click()
    expect(page.locator("#me-menu")).to_have_attribute("open", "")
    page.keyboard.press("Escape")
    expect(page.locator("#me-menu")).not_to_have_attribute("open", "")
    expect(page.locator("#panel")).to_have_attribute("data-open", "yes")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_have_attribute("data-open", "no")
    at(page, "/cluster/mixed")
    wait_for(lambda: page.evaluate("document.activeElement.getAttribute('href')") == href, "the focus to come back")


def test_on_a_phone_the_focus_goes_into_the_panel(phone: Looker, small: Recorded) -> None:
    page = phone.open("/cluster/mixed")
    link = page.locator('main a[href*="?node="], main a[href*="?job="]').first
    href = link.get_attribute("href")
    link.click()
    expect(page.locator("#panel")).to_have_attribute("data-open", "yes")
    wait_for(lambda: focused(page) == "panel", "the focus to go there")
    assert page.evaluate("document.getElementById('page').inert")
    page.keyboard.press("Tab")
    assert page.evaluate("document.getElementById('panel').contains(document.activeElement)")
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_have_attribute("data-open", "no")
    assert not page.evaluate("document.getElementById('page').inert")
    wait_for(lambda: page.evaluate("document.activeElement.getAttribute('href')") == href, "the focus to come back")


# Whose browser it is


def test_a_name_is_kept_shown_sent_and_forgotten(look: Looker, small: Recorded) -> None:
    user = next(one.user for one in small.reports["mixed"].jobs if one.state is JobState.RUNNING)
    page = look.open("/")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.post_data or "") if "_dash-update" in request.url else None)
    page.locator("#me summary").click()
    expect(page.locator("#me-menu")).to_contain_text("Kept in this browser only.")
    assert wrong(look) == []
    page.get_by_label("My user name on the clusters").fill(f"  {user} ")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#me summary")).to_have_text(user)
    expect(page.locator("#me-menu")).not_to_have_attribute("open", "")
    assert page.evaluate("webstat.viewer().me") == user
    wait_for(lambda: page.wait_for_timeout(20) or any(f'"me":"{user}"' in one for one in sent), "the page to be drawn")
    page = look.open(f"/user/{user}")
    expect(page.locator("#me summary")).to_have_text(user)
    page.locator("#me summary").click()
    page.get_by_role("link", name="My page").click()
    at(page, f"/user/{user}")
    page.locator("#me summary").click()
    page.get_by_role("button", name="Forget").click()
    expect(page.locator("#me summary")).to_have_text("Me")
    assert page.evaluate("webstat.stored('me')") in ("", None)
    expect(page.get_by_role("link", name="My page")).to_be_hidden()


def test_buttons_of_pages_set_and_ask_the_name(look: Looker) -> None:
    page = look.open("/health")
    page.evaluate(
        """() => {
          const add = (look, me) => { const b = document.createElement('button'); b.className = look; b.textContent = look;
            if (me !== null) b.dataset.me = me; document.querySelector('main').append(b); };
          add('ws-me-set', 'carol'); add('ws-me-ask', null);
        }"""
    )
    page.locator(".ws-me-set").click()
    expect(page.locator("#me summary")).to_have_text("carol")
    page.locator(".ws-me-ask").click()
    expect(page.get_by_label("My user name on the clusters")).to_be_focused()
    expect(page.get_by_label("My user name on the clusters")).to_have_value("carol")
    page.keyboard.type("dave")
    page.keyboard.press("Enter")
    assert focused(page) == "ws-me-ask"
    expect(page.locator("#me summary")).to_have_text("dave")


def test_another_tab_hears_of_the_name(look: Looker) -> None:
    page = look.open("/")
    other = page.context.new_page()
    other.goto(page.url)
    other.locator("main h1").wait_for()
    page.evaluate("webstat.askMe()")
    page.get_by_label("My user name on the clusters").fill("erin")
    page.keyboard.press("Enter")
    expect(other.locator("#me summary")).to_have_text("erin")


def test_a_browser_that_may_not_remember_says_so(browser: Browser, site: Server) -> None:
    looker = Looker(browser, site.url, 1440)
    looker.page.add_init_script("Storage.prototype.setItem = () => { throw new Error('forbidden'); }")
    page = looker.open("/")
    page.evaluate("webstat.askMe()")
    page.get_by_label("My user name on the clusters").fill("erin")
    page.keyboard.press("Enter")
    expect(page.locator("#me-menu [role=status]")).to_have_text("This browser lets no page remember anything.")
    looker.close()


# Copying


@pytest.mark.parametrize("allowed", [True, False], ids=["clipboard", "the-old-way"])
def test_copying_says_so_for_a_moment(browser: Browser, site: Server, allowed: bool) -> None:
    looker = Looker(browser, site.url, 1440)
    looker.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    if not allowed:
        looker.page.add_init_script("navigator.clipboard.writeText = () => Promise.reject(new Error('no https'))")
    page = looker.open("/jobs?q=a")
    page.evaluate(
        """() => ['17.pbs01', '/job/mixed/17.pbs01', ''].forEach((text) => {
          const b = document.createElement('button'); b.className = 'ws-copy'; b.dataset.copy = text; b.textContent = 'x';
          document.getElementById('jobs-head').append(b);
        })"""
    )
    said = page.locator(".ws-bubble")
    expected = ["17.pbs01", f"{site.url}/job/mixed/17.pbs01", page.url]
    for place, text in enumerate(expected):
        page.locator("#jobs-head .ws-copy").nth(place).click()
        expect(said).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == text
    expect(said).to_have_attribute("aria-live", "polite")
    expect(said).to_have_text("", timeout=5000)
    assert looker.said == []
    looker.close()


# How live the page is


@pytest.fixture
def living(tmp_path: Path) -> Iterator[tuple[Server, FakeCollector]]:
    builder = Builder(tmp_path / "store.sqlite")
    for name in ("one", "two"):
        builder.add(Shape(name, name, nodes=4, days=1))
    answer = {"ok": True, "message": "a new report is in", "report": 1001}
    collector = FakeCollector(lambda name: {**answer, "next_allowed_at": time.time() + 30})
    with served(settings_for(builder.url, "one", "two", collector=collector)) as server:
        wait_for(lambda: server.app.state.hub.connected, "the announcements to be heard")
        yield server, collector
    collector.close()
    builder.close()


NO_STREAM = "delete window.SharedWorker; window.WebSocket = function () { setTimeout(() => this.onclose(), 5); };"


def test_a_live_page_says_so_quietly(look: Looker) -> None:
    page = look.open("/")
    stream = page.locator("#stream")
    expect(stream).to_have_attribute("data-state", "live")
    expect(stream).to_have_attribute("title", "Live: new reports appear by themselves.")
    assert stream.evaluate("e => e.getBoundingClientRect().width") < 20


def test_without_a_stream_it_says_for_how_long(browser: Browser, living: tuple[Server, FakeCollector]) -> None:
    looker = Looker(browser, living[0].url, 1440)
    looker.page.add_init_script(NO_STREAM)
    page = looker.open("/")
    stream = page.locator("#stream")
    expect(stream).to_have_text("reconnecting …")
    expect(stream).to_have_attribute("data-state", "stale", timeout=25_000)
    visible = stream.locator("[aria-hidden=true]", has_text="stale")
    expect(visible).to_have_text(re.compile(r"^stale for \d+\u00a0s$"))
    expect(stream).to_contain_text(", asking every 10 s")
    before = visible.inner_text()
    expect(visible).not_to_have_text(before)
    told = stream.locator(".visually-hidden")
    expect(told).to_have_text("No live updates, asking every 10 s")
    assert wrong(looker) == []
    page.evaluate("Date.now = ((now) => () => now() + 185000)(Date.now)")
    expect(visible).to_have_text("stale for 3\u00a0min")
    page.set_viewport_size({"width": 360, "height": 740})
    assert looker.too_wide() <= 0
    expect(visible).to_be_visible()
    looker.close()


def test_the_button_says_why_it_waits(browser: Browser, living: tuple[Server, FakeCollector]) -> None:
    looker = Looker(browser, living[0].url, 1440)
    page = looker.open("/cluster/one")
    button = page.locator("#refresh")
    limit = "each cluster at most once per 30\u00a0s, asked by the collector for all."
    expect(button).to_have_attribute("title", f"Ask for new reports: {limit}")
    page.keyboard.press("r")
    expect(page.locator("#refresh-said")).to_contain_text("a new report is in")
    assert living[1].asked == ["one"]
    waits = re.compile(r"^The next one is allowed in (30|2\d)\u00a0s: " + re.escape(limit))
    expect(button).to_have_attribute("title", waits)
    expect(button).to_have_attribute("aria-label", re.compile(r"^Refresh: the next one is allowed in \d+\u00a0s$"))
    page.keyboard.press("r")
    expect(page.locator("#refresh-said")).to_have_text(waits)
    assert living[1].asked == ["one"]
    looker.close()


# On paper


def test_a_page_prints_on_white_without_what_can_be_pressed(look: Looker) -> None:
    for address in ("/", "/cluster/mixed", "/health"):
        page = look.open(address)
        page.evaluate("localStorage.setItem('webstat-theme', 'dark')")
        page = look.open(address)
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
        page.emulate_media(media="print")
        page.set_viewport_size({"width": 794, "height": 1123})
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.evaluate("getComputedStyle(document.body).color") == "rgb(22, 32, 42)"
        for hidden in page.locator("button, input, details:not([open]), .ws-tabs, #bar, #stream, .ws-toast").all():
            expect(hidden).to_be_hidden()
        assert page.evaluate("getComputedStyle(document.querySelector('.card')).breakInside") == "avoid"
        age = page.locator("time[data-ws=age]:visible").first
        moment = age.get_attribute("title") or ""
        assert re.fullmatch(r"\w{3} \d\d \w{3} \d{4} \d\d:\d\d:\d\d UTC", moment)
        assert moment in age.evaluate("e => getComputedStyle(e, '::after').content")
        assert page.evaluate(
            "[...document.querySelectorAll('main *')].filter(e => e.scrollHeight > e.clientHeight + 1"
            " && ['auto', 'scroll'].includes(getComputedStyle(e).overflowY)).length"
        ) == 0  # fmt: skip
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        page.emulate_media(media="screen")
        page.set_viewport_size({"width": 1440, "height": 900})
