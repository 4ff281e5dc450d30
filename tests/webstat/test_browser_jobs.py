"""The table of jobs in Chromium: what it shows is what /data/jobs answers, and everything chosen is in the address.

One module, since all of it shares the running browser and server.
"""

from __future__ import annotations

import json
import re
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect

from tests.webstat.looking import Looker
from tests.webstat.recorded import Recorded, record
from tests.webstat.served import FakeCollector, Server, served, settings_for, wait_for
from tests.webstat.stores import HOSTILE, WORLD, Builder, Shape
from webstat import format as words

pytestmark = pytest.mark.browser

WIDE, PHONE = {"width": 1440, "height": 1000}, {"width": 360, "height": 740}
ZONE = "America/Los_Angeles"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Recorded clusters with all kinds of jobs, arrays among them."""
    return record(tmp_path_factory.mktemp("small") / "store.sqlite", "mixed", "torque", "slurm")


@pytest.fixture(scope="module")
def site(small: Recorded) -> Iterator[Server]:
    with served(small.settings()) as server:
        yield server


class Jobs:
    """The page of jobs in a tab of its own."""

    def __init__(self, browser: Browser, server: Server, size: dict[str, int] = WIDE, me: str = "") -> None:
        self.server = server
        self.context: BrowserContext = browser.new_context(
            viewport=size,  # type: ignore[arg-type]
            timezone_id=ZONE,
            permissions=["clipboard-read", "clipboard-write"],
        )
        if me:
            self.context.add_init_script(f"localStorage.setItem('webstat-me', {json.dumps(me)})")
        self.page: Page = self.context.new_page()
        self.said: list[str] = []
        self.page.on("console", lambda m: self.said.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.said.append(str(error)))

    def open(self, **query: str) -> Jobs:
        self.page.goto(f"{self.server.url}/jobs" + (f"?{urlencode(query)}" if query else ""))
        self.page.locator("#jobs-grid .ag-row .ag-cell, .ws-nothing:visible").first.wait_for()
        return self

    def answer(self, **query: str) -> dict[str, Any]:
        """What the server says."""
        return self.page.request.get(f"{self.server.url}/data/jobs?{urlencode(query)}").json()

    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.page.url).query).items()}

    def queried(self, **query: str) -> None:
        wait_for(lambda: self.page.wait_for_timeout(20) or self.query() == query, f"{query}, not {self.query()}")

    def row(self, key: str) -> Locator:
        return self.page.locator(f'#jobs-grid [row-id="{key}"]')

    def cell(self, column: str, row: int = 0) -> Locator:
        return self.page.locator(f'#jobs-grid [row-index="{row}"] [col-id="{column}"]')

    def shows(self, **query: str) -> dict[str, Any]:
        """Wait until the table's first rows are those of the server's answer, which is returned."""
        answer = self.answer(**query)
        first = answer["columns"]["key"][:8]
        found: list[Any] = []

        def same() -> bool:
            found[:] = self.page.evaluate(
                "() => [...document.querySelectorAll('#jobs-grid [row-index]')].filter((row) => row.hasAttribute('row-id'))"
                ".sort((a, b) => a.getAttribute('row-index') - b.getAttribute('row-index'))"
                ".slice(0, 8).map((row) => row.getAttribute('row-id'))"
            )
            return found == first

        wait_for(lambda: self.page.wait_for_timeout(30) or same(), f"{first}")
        number = words.number(answer["rows"])
        expect(self.page.locator(".ws-foot")).to_contain_text(f"of {number}" if answer["rows"] else "No rows.")
        return answer

    def drawn(self) -> None:
        """As if the page had been drawn after news of every cluster."""
        self.page.evaluate(
            "webstat.shown = {...webstat.shown, news: Math.random()}; webstat.after.forEach((act) => act({}))"
        )

    def close(self) -> None:
        self.context.close()
        assert self.said == []


@pytest.fixture
def jobs(browser: Browser, site: Server, small: Recorded) -> Iterator[Jobs]:
    table = Jobs(browser, site, me=own_user(small))
    yield table
    table.close()


def own_user(recorded: Recorded) -> str:
    return next(job.user for job in recorded.reports["mixed"].jobs if job.state.value == "queued" and job.array_id)


def rows_of(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(zip(answer["columns"], row, strict=True)) for row in zip(*answer["columns"].values(), strict=True)]


def first_of(answer: dict[str, Any], **like: str) -> dict[str, Any]:
    return next(row for row in rows_of(answer) if all(row[name] == value for name, value in like.items()))


def test_it_shows_what_the_server_answers(jobs: Jobs) -> None:
    jobs.open()
    answer = jobs.shows()
    expect(jobs.page.locator("#jobs-head")).to_contain_text("jobs on 3 clusters, the next to start or end first.")
    running = answer["facets"]["state"]["running"]
    expect(jobs.page.get_by_role("button", name="Running")).to_contain_text(words.number(running))
    folded = f"{words.plural(answer['arrays'], 'array')} folded ({words.plural(answer['tasks'], 'task')})"
    expect(jobs.page.locator(".ws-foot")).to_contain_text(folded)
    grid = jobs.page.get_by_role("region", name="Jobs").locator("[role=grid], [role=treegrid]")
    expect(grid).to_have_attribute("aria-label", "Jobs")
    expect(grid).to_have_attribute("aria-rowcount", re.compile(rf"^({answer['rows']}|{answer['rows'] + 1})$"))


def test_every_block_is_fetched_when_it_is_scrolled_to(jobs: Jobs) -> None:
    jobs.open(sort="id")
    answer = jobs.answer(sort="id", rows="500")
    last = answer["columns"]["key"][min(answer["rows"], 500) - 1]
    jobs.page.locator("#jobs-grid .ag-row").first.hover()
    wait_for(lambda: jobs.page.mouse.wheel(0, 3000) or jobs.row(last).count(), "the last row")
    expect(jobs.page.locator(".ws-foot")).to_contain_text(f"–{answer['rows']} of {answer['rows']}")


def test_searching_is_instant_and_in_the_address(jobs: Jobs) -> None:
    jobs.open()
    user = own_user_of(jobs)
    jobs.page.get_by_label("Search jobs").press_sequentially(user, delay=15)
    jobs.queried(q=user)
    jobs.shows(q=user)
    jobs.page.reload()
    expect(jobs.page.get_by_label("Search jobs")).to_have_value(user)
    jobs.shows(q=user)
    jobs.page.get_by_role("button", name="Clear", exact=True).click()
    jobs.queried()
    jobs.shows()


def own_user_of(jobs: Jobs) -> str:
    return str(jobs.answer()["facets"]["user"][0][0])


def test_an_answer_that_comes_late_is_dropped(jobs: Jobs) -> None:
    jobs.open()
    held: list[Route] = []
    name = own_user_of(jobs)
    jobs.page.route(re.compile(r"/data/jobs\?q=slow"), lambda route: held.append(route))
    box = jobs.page.get_by_label("Search jobs")
    box.fill("slow")
    wait_for(lambda: jobs.page.wait_for_timeout(20) or held, "the slow question")
    box.fill(name)
    jobs.shows(q=name)
    body = json.dumps(jobs.answer(q="nothingiscalledthis"))
    for route in held:
        route.fulfill(status=200, content_type="application/json", body=body)
    jobs.page.wait_for_timeout(200)
    jobs.shows(q=name)


def test_states_are_chosen_and_back_takes_them_back(jobs: Jobs) -> None:
    jobs.open()
    finished = jobs.page.get_by_role("button", name="Finished")
    expect(finished).to_have_attribute("aria-pressed", "false")
    finished.click()
    living = "running,queued,held,suspended,unknown"
    jobs.queried(state=f"{living},finished")
    jobs.shows(state=f"{living},finished")
    expect(finished).to_have_attribute("aria-pressed", "true")
    jobs.page.get_by_role("button", name="Held").click(modifiers=["Shift"])
    jobs.queried(state="held")
    jobs.shows(state="held")
    jobs.page.go_back()
    jobs.shows(state=f"{living},finished")
    jobs.page.go_back()
    jobs.queried()
    jobs.shows()
    expect(finished).to_have_attribute("aria-pressed", "false")


def test_lists_of_names_have_counts_and_a_filter(jobs: Jobs) -> None:
    jobs.open()
    users = jobs.answer()["facets"]["user"]
    menu = jobs.page.locator(".ws-facet").nth(2)
    menu.locator("summary").click()
    name, count = users[-1]
    expect(menu.locator("li", has=jobs.page.get_by_label(name, exact=False)).first).to_contain_text(str(count))
    field = menu.get_by_label("Filter: User")
    if len(users) > 8:
        field.fill(name)
    else:
        expect(field).to_be_hidden()
    menu.locator("li:visible input").first.check()
    chosen = menu.locator("li:visible bdi").first.inner_text()
    jobs.queried(user=chosen)
    jobs.shows(user=chosen)
    expect(menu).to_have_attribute("open", "")
    expect(menu.locator("summary")).to_have_text(f"User: {chosen} ")
    menu.get_by_role("button", name="Clear").click()
    jobs.queried()
    jobs.page.keyboard.press("Escape")
    expect(menu).not_to_have_attribute("open", "")


def test_mine_is_one_click_away(jobs: Jobs, small: Recorded) -> None:
    me = own_user(small)
    jobs.open()
    mine = jobs.page.get_by_role("button", name="Mine")
    expect(mine).to_contain_text(str(dict(jobs.answer()["facets"]["user"])[me]))
    mine.click()
    jobs.queried(user=me)
    jobs.shows(user=me)
    expect(mine).to_have_attribute("aria-pressed", "true")
    expect(jobs.cell("user").locator("b")).to_have_text(f"{me} (you)")
    mine.click()
    jobs.queried()


def test_mine_asks_who_that_is(browser: Browser, site: Server) -> None:
    table = Jobs(browser, site).open()
    table.page.evaluate("webstat.askMe = () => { window.wasAsked = true; }")
    table.page.get_by_role("button", name="Mine").click()
    assert table.page.evaluate("window.wasAsked") is True
    table.queried()
    table.close()


def test_arrays_unfold_to_their_tasks(jobs: Jobs) -> None:
    array = first_of(jobs.page.request.get(f"{jobs.server.url}/data/jobs?rows=500").json(), kind="array")
    text = array["id"].partition("]")[0]
    jobs.open(q=text)
    button = jobs.row(array["key"]).get_by_role("button")
    expect(button).to_have_attribute("aria-expanded", "false")
    rest = f"{array['tasks_waiting']} wait" if array["tasks_waiting"] else f"{array['tasks_done']} done"
    expect(jobs.row(array["key"])).to_contain_text(f"{array['tasks_running']} run, {rest}")
    before = jobs.answer(q=text)["rows"]
    button.click()
    jobs.queried(q=text, open=array["key"])
    answer = jobs.shows(q=text, open=array["key"])
    assert answer["rows"] > before
    expect(jobs.row(array["key"]).get_by_role("button")).to_have_attribute("aria-expanded", "true")
    jobs.row(array["key"]).locator("[col-id=name]").click()
    jobs.queried(q=text)
    jobs.shows(q=text)


def test_a_row_opens_the_panel_and_the_keyboard_moves_on(jobs: Jobs) -> None:
    jobs.open(state="running", sort="id")
    keys = [
        key
        for key, kind in zip(
            *(jobs.shows(state="running", sort="id")["columns"][c] for c in ("key", "kind")), strict=True
        )
        if kind == "job"
    ]
    jobs.row(keys[0]).locator("[col-id=cores]").click()
    panel = jobs.page.locator("#panel")
    expect(panel).to_have_attribute("data-open", "yes")
    assert jobs.query()["job"] == keys[0]
    expect(jobs.row(keys[0])).to_have_attribute("aria-selected", "true")
    expect(jobs.page.locator("#jobs-grid [col-id=gpus]")).to_have_count(0)
    place = int(jobs.row(keys[0]).get_attribute("row-index") or 0)
    jobs.page.evaluate("webstat.rows.next()")
    expect(jobs.page.locator(f'#jobs-grid [row-index="{place + 1}"]')).to_be_visible()
    jobs.page.evaluate("webstat.rows.close()")
    expect(panel).to_have_attribute("data-open", "no")
    assert "job" not in jobs.query()
    assert jobs.page.evaluate("document.activeElement.closest('#jobs-grid') !== null"), "the focus was lost"
    jobs.page.keyboard.press("ArrowUp")
    jobs.page.keyboard.press("Enter")
    jobs.queried(state="running", sort="id", job=keys[0])
    jobs.page.reload()
    expect(jobs.row(keys[0])).to_have_attribute("aria-selected", "true")


def test_passing_over_rows_is_no_history(jobs: Jobs) -> None:
    jobs.open(state="running", sort="cores")
    keys = jobs.shows(state="running", sort="cores")["columns"]["key"]
    kinds = jobs.answer(state="running", sort="cores")["columns"]["kind"]
    start = next(place for place in range(20) if kinds[place] != "array" and kinds[place + 1] != "array")
    jobs.row(keys[start]).locator("[col-id=cores]").click()
    jobs.queried(state="running", sort="cores", job=keys[start])
    before = jobs.page.evaluate("history.length")
    jobs.page.keyboard.press("ArrowDown")
    jobs.queried(state="running", sort="cores", job=keys[start + 1])
    assert jobs.page.evaluate("history.length") == before


def test_links_of_a_row(jobs: Jobs) -> None:
    jobs.open(state="running", sort="id")
    job = first_of(jobs.shows(state="running", sort="id"), kind="job")
    link = jobs.row(job["key"]).locator("[col-id=job] a")
    assert link.get_attribute("href") == f"/job/{job['cluster']}/{quote(job['id'], safe='')}"
    with jobs.context.expect_page() as opening:
        link.click(modifiers=["Control"])
    assert urlsplit(opening.value.url).path.startswith(f"/job/{job['cluster']}/")
    opening.value.close()
    assert "job" not in jobs.query()
    jobs.row(job["key"]).locator("[col-id=user] a").click()
    wait_for(lambda: jobs.page.wait_for_timeout(20) or "/user/" in jobs.page.url, "the user's page")
    expect(jobs.page.locator("#jobs-grid")).to_have_count(0)
    wait_for(lambda: jobs.page.wait_for_timeout(20) or not jobs.page.evaluate("webstat.rows"), "the table to be gone")
    jobs.page.go_back()
    jobs.shows(state="running", sort="id")


def test_columns_sort_on_the_server(jobs: Jobs) -> None:
    jobs.open()
    head = jobs.page.locator(".ag-header-cell[col-id=cores]")
    head.click()
    jobs.queried(sort="-cores")
    jobs.shows(sort="-cores")
    expect(head).to_have_attribute("aria-sort", "descending")
    head.click()
    jobs.shows(sort="cores")
    expect(head).to_have_attribute("aria-sort", "ascending")
    head.focus()
    jobs.page.keyboard.press("Enter")
    jobs.queried()
    jobs.shows()
    expect(jobs.page.locator(".ag-header-cell[col-id=expected]")).to_have_attribute("aria-sort", "ascending")


def test_columns_are_chosen_and_remembered(jobs: Jobs) -> None:
    jobs.open()
    jobs.page.evaluate("webstat.rows.columns()")
    menu = jobs.page.locator(".ws-columns")
    menu.get_by_label("Memory").check()
    menu.get_by_label("Why it waits").uncheck()
    chosen = "state,job,name,user,queue,cores,gpus,memory,time,expected"
    jobs.queried(columns=chosen)
    heads = jobs.page.locator(".ag-header-cell")
    expect(heads).to_have_count(10)
    expect(heads.nth(7)).to_have_text("Memory")
    assert "memory_bytes" in (jobs.page.locator("a", has_text="CSV").get_attribute("href") or "")
    jobs.open()
    expect(heads.nth(7)).to_have_text("Memory")
    jobs.open(columns="job,comment,priority")
    expect(heads).to_have_text(["Job", "Priority", "Comment"])
    jobs.page.evaluate("webstat.rows.columns()")
    menu.get_by_role("button", name="The usual ones").click()
    jobs.queried()
    expect(heads).to_have_count(10)
    expect(heads.nth(7)).to_have_text("Waited, or ran")


def test_csv_and_link_have_the_same_jobs(jobs: Jobs) -> None:
    jobs.open(state="held", cluster="mixed", sort="-cores")
    answer = jobs.shows(state="held", cluster="mixed", sort="-cores")
    href = jobs.page.locator("a", has_text="CSV").get_attribute("href") or ""
    lines = jobs.page.request.get(jobs.server.url + href).text().splitlines()
    assert lines[0].split(",")[:3] == ["state", "id", "name"]
    assert len(lines) - 1 == answer["jobs"]
    jobs.page.get_by_role("button", name="Link").click()
    expect(jobs.page.locator(".ws-bubble")).to_have_text("Copied")
    assert jobs.page.evaluate("navigator.clipboard.readText()") == jobs.page.url


def test_nothing_found_offers_the_closest_name(jobs: Jobs) -> None:
    user = max((name for name, _ in jobs.answer()["facets"]["user"]), key=len)
    typo = user[:-1] + "#"
    jobs.open(q=typo)
    empty = jobs.page.locator(".ws-nothing")
    expect(empty).to_contain_text(f"No job matches “{typo}”.")
    near = jobs.answer(q=typo)["near"]
    empty.get_by_role("button", name="The closest name").click()
    jobs.shows(
        **{near["kind"] if near["kind"] in ("user", "queue", "group", "account", "cluster") else "q": near["name"]}
    )
    expect(empty).to_be_hidden()
    jobs.open(q=typo)
    empty.get_by_role("button", name="Clear search").click()
    jobs.queried()
    jobs.shows()


def test_jobs_that_have_ended_are_offered_where_only_they_match(jobs: Jobs) -> None:
    ended = next(
        job
        for job in rows_of(jobs.answer(state="finished,failed"))
        if not jobs.answer(q=job["id"])["rows"] and jobs.answer(q=job["id"], state="finished,failed")["rows"] == 1
    )
    jobs.open(q=ended["id"])
    offer = jobs.page.locator(".ws-nothing").get_by_role("button", name="Show 1")
    offer.click()
    expect(jobs.row(ended["key"])).to_be_visible()
    expect(jobs.cell("expected")).to_contain_text("ended ")


def test_a_failing_fetch_is_said_and_tried_again(browser: Browser, site: Server) -> None:
    table = Jobs(browser, site).open()
    rows = table.shows()["columns"]["key"]
    table.page.route("**/data/jobs*", lambda route: route.fulfill(status=500, body="no"))
    table.drawn()
    note = table.page.locator("#jobs .ws-note")
    expect(note).to_contain_text("The jobs could not be read. The last answer stays")
    expect(table.row(rows[0])).to_be_visible()
    table.page.unroute("**/data/jobs*")
    table.page.evaluate("webstat.after.forEach((act) => act({}))")
    expect(note).to_have_count(0)
    table.shows()
    assert all("500" in text for text in table.said)
    table.said.clear()
    table.close()


def test_only_this_page_loads_the_grid(browser: Browser, site: Server) -> None:
    table = Jobs(browser, site)
    asked: list[str] = []
    table.context.on("request", lambda request: asked.append(request.url))
    table.page.goto(site.url + "/")
    table.page.locator("main h1").wait_for()
    table.page.wait_for_timeout(500)
    assert not [url for url in asked if "ag-grid" in url or "/data/jobs" in url]
    table.page.locator("nav a", has_text="Jobs").first.click()
    table.shows()
    assert len([url for url in asked if "ag-grid" in url]) == 1
    table.page.locator("nav a", has_text="Overview").first.click()
    expect(table.page.locator("#jobs")).to_have_count(0)
    asked.clear()
    table.page.evaluate("webstat.shown = {...webstat.shown, news: 1}; webstat.after.forEach((act) => act({}))")
    table.page.wait_for_timeout(300)
    assert not [url for url in asked if "/data/jobs" in url]
    table.close()


def test_a_phone_shows_two_lines_a_job(browser: Browser, site: Server) -> None:
    table = Jobs(browser, site, PHONE).open()
    answer = table.shows()
    expect(table.page.locator(".ag-header-cell")).to_have_count(1)
    expect(table.page.locator(".ws-facets")).to_be_hidden()
    row = table.row(answer["columns"]["key"][0])
    assert row.bounding_box()["height"] >= 56  # type: ignore[index]
    expect(row).to_contain_text(answer["columns"]["user"][0])
    expect(row).to_contain_text("core")
    table.page.get_by_role("button", name="Filter").click()
    table.page.locator(".ws-facet summary").first.click()
    table.page.locator(".ws-facet").first.get_by_label("torque").check()
    table.queried(cluster="torque")
    table.shows(cluster="torque")
    expect(table.page.get_by_role("button", name="Filter")).to_have_text(re.compile("Filter1"))
    table.page.set_viewport_size(WIDE)
    expect(table.page.locator(".ag-header-cell")).to_have_count(10)
    table.shows(cluster="torque")
    table.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A cluster that does not answer, and one whose users' names try to act."""
    builder = Builder(tmp_path_factory.mktemp("world") / "store.sqlite")
    shapes = [shape for shape in WORLD if shape.name in ("vsp-compute", "biox3", "hostile")]
    for shape in shapes:
        builder.add(shape)
    with served(settings_for(builder.url, *(shape.name for shape in shapes))) as server:
        yield server
    builder.close()


def test_jobs_of_a_silent_cluster_are_dated(browser: Browser, world: Server) -> None:
    table = Jobs(browser, world).open(cluster="biox3", state="queued")
    answer = table.shows(cluster="biox3", state="queued")
    about = next(cluster for cluster in answer["clusters"] if cluster["name"] == "biox3")
    at = words.clock(about["taken_at"], ZoneInfo(ZONE), time.time())
    expect(table.cell("why")).to_have_text(re.compile(rf"^\s*State of {at}"))
    expect(table.page.locator("#jobs-grid [row-index='0']")).to_have_class(re.compile("ws-old"))
    expect(table.page.locator("#jobs-head")).to_contain_text(f"biox3: state of {at}.")
    table.open(cluster="vsp-compute", state="running")
    expect(table.page.locator("#jobs-grid .ws-old")).to_have_count(0)
    table.close()


def test_hostile_names_are_text(browser: Browser, world: Server) -> None:
    table = Jobs(browser, world)
    table.page.add_init_script("window.alert = () => { window.alerted = true; }")
    for name in (HOSTILE[0], HOSTILE[1], HOSTILE[7]):
        table.open(cluster="hostile", user=quote(name, safe=" "))
        expect(table.cell("user").first).to_have_text(name)
        expect(table.cell("queue").first).to_contain_text("<b>hostile</b> & co")
    table.open(cluster="hostile")
    menu = table.page.locator(".ws-facet").nth(2)
    menu.locator("summary").click()
    expect(menu).to_contain_text(HOSTILE[0])
    table.open(q=HOSTILE[1])
    assert table.page.evaluate("window.alerted") is None
    assert table.page.locator("main script, main iframe, main img").count() == 0
    table.close()


def test_news_change_rows_in_place(browser: Browser, tmp_path: Path) -> None:
    builder = Builder(tmp_path / "store.sqlite")
    builder.add(Shape("one", "one", nodes=60, days=1, queued=120))
    collector = FakeCollector()
    with served(settings_for(builder.url, "one", collector=collector)) as server:
        wait_for(lambda: server.app.state.hub.connected, "the announcements to be heard")
        table = Jobs(browser, server).open(sort="id")
        keys = table.shows(sort="id")["columns"]["key"]
        table.page.locator("#jobs-grid .ag-row").first.hover()
        table.page.mouse.wheel(0, 640)
        expect(table.row(keys[30])).to_be_visible()
        table.row(keys[30]).locator("[col-id=cores]").click()
        table.queried(sort="id", job=keys[30])
        scrolled = table.page.evaluate(SCROLLED)
        number = builder.report("one", start_cores=5)
        collector.say("one", number)
        wait_for(
            lambda: table.page.wait_for_timeout(50) or table.answer(q="newcomer")["rows"], "the server to know of it"
        )
        rows = words.number(table.answer(sort="id")["rows"])
        expect(table.page.locator(".ws-foot")).to_contain_text(f"of {rows}")
        assert table.page.evaluate(SCROLLED) == scrolled
        expect(table.row(keys[30])).to_have_attribute("aria-selected", "true")
        assert table.page.evaluate("document.activeElement.closest('[row-id]').getAttribute('row-id')") == keys[30]
        table.close()
    collector.close()
    builder.close()


SCROLLED = "Math.max(...[...document.querySelectorAll('#jobs-grid *')].map((element) => element.scrollTop))"


def changed_states(jobs: Jobs, change: Callable[[dict[str, Any]], None]) -> None:
    """From now on the server's answers are changed on their way."""

    def pass_on(route: Route) -> None:
        response = route.fetch()
        answer = response.json()
        change(answer)
        route.fulfill(response=response, json=answer)

    jobs.page.route("**/data/jobs*", pass_on)


def test_a_row_that_changed_its_state_is_marked_for_a_while(jobs: Jobs) -> None:
    jobs.open(sort="id")
    key = jobs.shows(sort="id")["columns"]["key"][2]

    def start(answer: dict[str, Any]) -> None:
        answer["columns"]["state"][2] = "exiting"

    changed_states(jobs, start)
    jobs.drawn()
    expect(jobs.row(key)).to_have_class(re.compile("ws-changed"))
    expect(jobs.row(key)).to_contain_text("Exiting")
    expect(jobs.page.locator(".ws-changed")).to_have_count(1)
    expect(jobs.row(key)).not_to_have_class(re.compile("ws-changed"), timeout=5000)


def test_a_range_of_starts_says_each_day_once(jobs: Jobs) -> None:
    noon = int(time.time() // 86400 * 86400 + 2 * 86400 + 12 * 3600)  # so that no midnight of a zone is between
    clocks = {
        at: words.clock(at, ZoneInfo(ZONE), time.time()) for at in (noon, noon + 3600, noon + 86400, noon + 9 * 86400)
    }
    day = clocks[noon + 9 * 86400].rpartition(" ")[0]
    ranges = {
        (noon, noon + 3600): f"{clocks[noon]} – {clocks[noon + 3600][-5:]}",
        (noon, noon + 86400): f"{clocks[noon]} – {clocks[noon + 86400]}",
        (noon, noon + 9 * 86400): f"{clocks[noon]} – {day}",
        (None, noon): f"by {clocks[noon]}",
        (None, 1000): "not foretold",  # it has passed
    }

    def foretell(answer: dict[str, Any]) -> None:
        columns = answer["columns"]
        for place, (since, until) in enumerate(ranges):
            told = {"state": "queued", "expects": "", "expected_at": None, "starts_from": since, "starts_by": until}
            for name, value in {**told, "similar": 57}.items():
                columns[name][place] = value

    changed_states(jobs, foretell)
    jobs.open(state="running")
    for place, text in enumerate(ranges.values()):
        expect(jobs.cell("expected", place)).to_have_text(text)
    assert "from 57 similar jobs" in (jobs.cell("expected").locator("span[title]").get_attribute("title") or "")


def test_times_and_sizes_read_as_on_the_server(jobs: Jobs) -> None:
    jobs.open()
    now = 1_795_473_000.0  # a Monday in November
    moments = [now + hours * 3600 + 17 for hours in (-9000, -800, -170, -150, -30, -5, 0, 3, 20, 100, 160, 175, 5000)]
    for zone in (ZONE, "UTC", "Asia/Kolkata"):
        found = jobs.page.evaluate(
            "([moments, zone, now]) => moments.map((at) => webstat.clock(at, zone, now))", [moments, zone, now]
        )
        assert found == [words.clock(at, ZoneInfo(zone), now) for at in moments]
    assert jobs.page.evaluate("(moments) => moments.map(webstat.utc)", moments) == [words.utc(at) for at in moments]
    sizes = [0, 1, 1536, 1 << 20, 96 << 30, int(9.5 * (1 << 30)), 999 << 30, 1000 << 30, 1 << 41, 3 << 52]
    assert jobs.page.evaluate("(sizes) => sizes.map(webstat.memory)", sizes) == [words.memory(size) for size in sizes]
    assert jobs.page.evaluate("webstat.memory(null)") == words.UNKNOWN


def test_titles_of_times_are_utc(jobs: Jobs) -> None:
    jobs.open(state="running")
    job = first_of(jobs.shows(state="running"), expects="ends")
    moment = jobs.row(job["key"]).locator("time")
    assert moment.get_attribute("title") == words.utc(job["expected_at"])
    stated = datetime.fromisoformat((moment.get_attribute("datetime") or "").replace("Z", "+00:00"))
    assert abs(stated.timestamp() - job["expected_at"]) < 1


@pytest.mark.parametrize("width", [1440, 1000, 360])
def test_axe_finds_nothing(browser: Browser, site: Server, width: int) -> None:
    looker = Looker(browser, site.url, width)
    wrong = []
    for address in ("/jobs", "/jobs?q=nothingiscalledthis", "/jobs?columns=job,comment,priority&user=nobody,noone"):
        page = looker.open(address)
        page.locator("#jobs-grid .ag-header-cell").first.wait_for(state="attached")
        if width == 1440:
            page.locator(".ws-columns summary").click()
        for theme in ("light", "dark"):
            looker.theme(theme)
            wrong += [f"{address} {theme}: {found}" for found in looker.violations()]
        assert looker.too_wide() <= 0
    assert wrong == []
    assert looker.said == []
    looker.close()


# From a key pressed in the search box to the first frame with its rows.
_STOPWATCH = """() => {
  window.took = [];
  const foot = document.querySelector(".ws-foot");
  const box = document.querySelector(".ws-search input");
  box.addEventListener("keydown", () => { window.pressed = performance.now(); }, true);
  new MutationObserver(() => {
    const since = window.pressed;
    window.pressed = 0;
    if (since) requestAnimationFrame(() => setTimeout(() => window.took.push(performance.now() - since), 0));
  }).observe(foot, { subtree: true, childList: true, characterData: true });
}"""


def test_how_long_a_keystroke_takes_on_many_jobs(browser: Browser, recorded: Recorded) -> None:
    with served(recorded.settings()) as server:
        table = Jobs(browser, server).open()
        total = table.shows()["total"]
        table.page.evaluate(_STOPWATCH)
        box = table.page.get_by_label("Search jobs")
        box.focus()
        typed = ""
        for letter in own_user_of(table)[:6]:
            typed += letter
            box.press(letter)
            table.shows(q=typed)
            table.page.wait_for_timeout(700)
        took = table.page.evaluate("window.took")
        print(f"keystroke to rows on {total} jobs: median {statistics.median(took):.0f} ms of {len(took)}")
        assert total > 10_000
        assert len(took) >= 1
        table.close()
