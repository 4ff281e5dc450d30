"""Accessibility of every page, in Chromium: axe-core, reflow, reduced motion, forced colours, the keyboard's way in.

Addresses are made from the table of pages: a page whose path has a word that is not known here fails.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page

from agent.states import JobState
from tests.webstat.looking import Looker
from tests.webstat.recorded import CLUSTERS, Recorded, record
from tests.webstat.served import Server, served, settings_for
from tests.webstat.stores import WORLD, Builder
from webstat.pages import PAGES

pytestmark = pytest.mark.browser

WIDE, PHONE = 1440, 360
WIDTHS = [WIDE, PHONE]
NARROW = 320
"""CSS pixels that are left of 1280 at a zoom of 400 % (WCAG 1.4.10)."""
COLOURS = ("color-contrast", "link-in-text-block")
"""The rules whose answer depends on the theme."""


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """The recorded clusters without the large one, whose tables would take axe-core minutes."""
    names = (name for name in CLUSTERS if name != "large")
    return record(tmp_path_factory.mktemp("few") / "store.sqlite", *names)


@pytest.fixture(scope="module")
def site(few: Recorded) -> Iterator[Server]:
    with served(few.settings()) as server:
        yield server


def words_of(recorded: Recorded) -> dict[str, str]:
    """What the words of pages' paths are on the recorded clusters."""
    report = recorded.reports["mixed"]
    running = next(job for job in report.jobs if job.state is JobState.RUNNING and job.group)
    node = next(node.name for node in report.nodes if node.jobs)
    return {"cluster": "mixed", "job": running.id, "node": node, "user": running.user, "group": running.group or ""}


def address_of(path: str, words: dict[str, str]) -> str:
    return re.sub(r"<(\w+)>", lambda word: quote(words[word[1]], safe=""), path)


def more_addresses(recorded: Recorded) -> list[str]:
    """Other looks of the same pages: panels open, other schedulers, jobs that wait or have ended, nothing found."""
    waiting = next(job for job in recorded.reports["mixed"].jobs if job.state is JobState.QUEUED and job.comment)
    ended = next(job for job in recorded.reports["torque"].jobs if job.state is JobState.FINISHED)
    down = next(node for node in recorded.reports["torque"].nodes if node.state.value == "down")
    words = words_of(recorded)
    return [
        f"/jobs?job=mixed/{quote(words['job'])}",
        f"/jobs?job=mixed/{quote(waiting.id)}",
        "/jobs?q=nothingiscalledthis",
        f"/job/mixed/{quote(waiting.id, safe='')}",
        f"/job/torque/{quote(ended.id, safe='')}",
        f"/cluster/mixed?node=mixed/{quote(words['node'])}",
        f"/node/torque/{quote(down.name, safe='')}",
        "/cluster/old",
        "/cluster/slurm",
        "/user/nobody-of-this-name",
        "/nowhere",
    ]


def check(looker: Looker, address: str) -> list[str]:
    """Everything that is wrong with a page at its width, in both themes."""
    page = looker.open(address)
    wrong = [f"{page.locator('h1').count()} h1"] if page.locator("h1").count() != 1 else []
    if looker.too_wide() > 0:
        wrong.append(f"{looker.too_wide()} px too wide")
    wrong += looker.violations()
    looker.theme("dark")
    wrong += [f"dark: {violation}" for violation in looker.violations(*COLOURS)]
    looker.theme("light")
    wrong += [f"console: {text}" for text in looker.said]
    looker.said.clear()
    return wrong


def check_turned(looker: Looker, address: str) -> list[str]:
    """What is wrong with a page that is wide and light, then narrow and dark: half of check() at a third of its time."""
    looker.open(address)
    wrong = looker.violations()
    with looker.at(PHONE):
        looker.theme("dark")
        wrong += [f"{PHONE} px, dark: {violation}" for violation in looker.violations()]
        looker.theme("light")
    wrong += check_narrow(looker) + [f"console: {text}" for text in looker.said]
    looker.said.clear()
    return wrong


def check_narrow(looker: Looker) -> list[str]:
    """Whether the page that is open would scroll to the side at a zoom of 400 %."""
    with looker.at(NARROW):
        return [f"{by} px too wide at {NARROW} px"] if (by := looker.too_wide()) > 0 else []


def check_media(looker: Looker) -> list[str]:
    """Whether the page that is open stands still for who wants no motion, and keeps text and focus in forced colours."""
    with looker.media(reduced_motion="reduce"):
        wrong = [f"moves: {element}" for element in looker.page.evaluate(_MOVING)]
    with looker.media(forced_colors="active"):
        wrong += [f"forced colours: {line}" for line in looker.violations("color-contrast")]
        looker.page.keyboard.press("Tab")
        ring = looker.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        wrong += ["forced colours: no ring around what has the focus"] if ring == "none" else []
    return wrong


# Elements that would move for longer than a blink.
_MOVING = """() => [...document.querySelectorAll("*")].filter((element) => {
  const style = getComputedStyle(element);
  const longest = (text) => Math.max(...text.split(",").map(parseFloat));
  return (style.transitionProperty !== "none" && longest(style.transitionDuration) > 0.02)
    || (style.animationName !== "none" && longest(style.animationDuration) > 0.02);
}).map((element) => element.tagName + "." + element.className).slice(0, 5)"""


@pytest.fixture(scope="module", params=WIDTHS)
def looker(request: pytest.FixtureRequest, browser: Browser, site: Server) -> Iterator[Looker]:
    looker = Looker(browser, site.url, request.param)
    yield looker
    looker.close()


@pytest.mark.parametrize("path", [page.path for page in PAGES])
def test_every_page_on_recorded_clusters(looker: Looker, few: Recorded, path: str) -> None:
    wrong = check(looker, address_of(path, words_of(few)))
    wrong += check_media(looker) if looker.width == WIDE else check_narrow(looker)
    assert not wrong, "\n".join(wrong)


def test_other_looks_of_pages(browser: Browser, site: Server, few: Recorded) -> None:
    looker = Looker(browser, site.url, WIDE)
    wrong = [f"{address} {one}" for address in more_addresses(few) for one in check_turned(looker, address)]
    looker.close()
    assert not wrong, "\n".join(wrong)


def test_the_table_of_queues_has_the_columns_that_fit(browser: Browser, site: Server) -> None:
    looker = Looker(browser, site.url, WIDE)
    queues = looker.open("/cluster/mixed").get_by_role("group", name="Queues of mixed")
    beyond = {}
    for width in (WIDE, 1280, 992, 600):
        with looker.at(width):
            beyond[width] = queues.evaluate("(it) => it.scrollWidth - it.clientWidth")
    looker.close()
    assert max(beyond.values()) <= 0, beyond


@pytest.mark.parametrize("width", WIDTHS)
def test_a_past_moment(browser: Browser, site: Server, few: Recorded, width: int) -> None:
    looker = Looker(browser, site.url, width)
    wrong = check(looker, f"/cluster/mixed?at={int(few.now) - 1}") + check_narrow(looker)
    wrong += check(looker, "/?at=1")
    looker.close()
    assert not wrong, "\n".join(wrong)


def test_a_large_cluster(browser: Browser, recorded: Recorded) -> None:
    with served(recorded.settings()) as server:
        wrong = []
        for width, address in ((WIDE, "/cluster/large"), (PHONE, "/cluster/large"), (PHONE, "/free"), (WIDE, "/jobs")):
            looker = Looker(browser, server.url, width)
            looker.open(address)
            found = looker.violations(without=COLOURS) + check_narrow(looker) + looker.said
            wrong += [f"{width} px {address} {one}" for one in found]
            looker.close()
    assert not wrong, "\n".join(wrong)


def test_every_state_of_a_cluster(browser: Browser, tmp_path: Path) -> None:
    builder = Builder(tmp_path / "store.sqlite")
    for shape in WORLD:
        builder.add(shape)
    with served(settings_for(builder.url, *(shape.name for shape in WORLD))) as server:
        looker = Looker(browser, server.url, WIDE)
        looked = ["/", "/health", "/free", "/jobs", *(f"/cluster/{shape.name}" for shape in WORLD)]
        wrong = [f"{address} {one}" for address in looked for one in check_turned(looker, address)]
        looker.close()
    builder.close()
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("names", [("mixed",), ()], ids=["never-asked", "no-cluster"])
def test_before_the_first_report(browser: Browser, tmp_path: Path, few: Recorded, names: tuple[str, ...]) -> None:
    words = words_of(few)
    with served(settings_for(f"sqlite:///{tmp_path / 'none.sqlite'}", *names)) as server:
        looker = Looker(browser, server.url, WIDE)
        looked = [address_of(page.path, words) for page in PAGES]
        wrong = [f"{address} {one}" for address in looked for one in check_turned(looker, address)]
        looker.close()
    assert not wrong, "\n".join(wrong)


def test_the_keyboard_reaches_the_page_first(browser: Browser, site: Server) -> None:
    looker = Looker(browser, site.url, 1440)
    page = looker.open("/cluster/mixed")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#page"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "page"
    looker.close()


def press(keys: str) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        for key in keys.split():
            page.keyboard.press(key)

    return act


def unfold(*selectors: str) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        for selector in selectors:
            page.locator(selector).first.click()

    return act


OPENED = [
    ("/cluster/mixed", press("?"), "dialog[open]"),
    ("/cluster/mixed", press("/ a l i"), "#find-list [role=option]"),
    ("/cluster/mixed", unfold("#clusters-menu summary"), "#clusters-menu[open]"),
    ("/cluster/mixed", unfold("#me-menu summary"), "#me-menu[open]"),
    (
        "/cluster/mixed",
        unfold("#usage-details summary", "#future-details summary", "#nodemap-details summary"),
        "#nodemap-details table",
    ),
    ("/cluster/mixed", unfold("#nodemap .nd"), "#nodemap .nd:focus"),
    ("/jobs", press("c"), ".ws-columns[open]"),
    ("/jobs", unfold(".ws-facet summary"), ".ws-facet[open]"),
    ("/jobs", unfold(".ws-fold"), ".ws-fold[aria-expanded=true]"),
]


def test_what_opens(browser: Browser, site: Server) -> None:
    looker = Looker(browser, site.url, WIDE)
    wrong, at = [], None
    for address, act, seen in OPENED:
        page = looker.page if at == address else looker.open(address)
        at = address
        page.keyboard.press("Escape")
        act(page)
        page.locator(seen).first.wait_for()
        looker.settle()
        wrong += [f"{seen} {one}" for one in looker.violations() + looker.said]
    looker.close()
    assert not wrong, "\n".join(wrong)


_FAULTS = """document.querySelector("main").insertAdjacentHTML("beforeend",
  "<p style='color: #999; background: #fff'>pale</p><img src='data:,'><h2></h2><div style='width: 3000px'>wide</div>"
  + "<a href='#' style='transition: color 1s'></a>")"""


def test_faults_are_seen(browser: Browser, site: Server) -> None:
    looker = Looker(browser, site.url, WIDE)
    looker.open("/health").evaluate(_FAULTS)
    found = {line.split(":")[0] for line in looker.violations()}
    assert {"color-contrast", "image-alt", "empty-heading", "link-name"} <= found
    assert looker.too_wide() > 1000
    assert check_narrow(looker)
    assert "moves: A." in check_media(looker)
    looker.page.evaluate("console.error('told')")
    assert looker.said == ["told"]
    looker.close()
