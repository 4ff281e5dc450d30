"""How soon pages are there, and how soon the jobs table answers a key, with 10,000 jobs: in Chromium.

First contentful paint and "usable" (the page's own content is on the screen, and takes clicks) of cold loads, each
in a browser context of its own, side by side with an empty page of the same server. Then keys typed into the
search over all jobs, until the rows that match are painted; and what a refresh of the table brings over the wire.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

from playwright.sync_api import Browser, Page

from bench.site import site
from tests.browser import open_browser

LOADS = 5
PAGES = (
    ("an empty page", "/healthz", "pre, body"),
    ("overview", "/", "main .ws-kpi"),
    ("cluster, with chart and map", "/cluster/large", ".js-plotly-plot .scatterlayer path >> nth=0 >> visible=true"),
    ("jobs", "/jobs", ".ag-center-cols-container .ag-row >> nth=10"),
    ("free now", "/free", "main table tbody tr >> nth=0"),
)
"""(words, path, what there is when the page is usable)"""
KEYS = "rosetta"
_PAINTED = """() => {
  const field = document.querySelector("input[aria-label='Search jobs']");
  window.typed = [];
  let at = 0;
  field.addEventListener('input', () => { at = performance.now(); }, true);
  const rows = document.querySelector('.ag-center-cols-container');
  new MutationObserver(() => {
    if (at) { const from = at; at = 0; requestAnimationFrame(() => window.typed.push(performance.now() - from)); }
  }).observe(rows, { childList: true, subtree: true, characterData: true });
}"""


def main() -> None:
    """Print the tables."""
    with site() as running, open_browser() as browser:
        print(f"{running.agents['large'].jobs:,} jobs; cold loads, median of {LOADS}")
        for words, path, sign in PAGES:
            loads = [_load(browser, running.url + path, sign) for _ in range(LOADS)]
            first, usable = (statistics.median(times) for times in zip(*loads, strict=True))
            print(f"  {words:28} first paint {first:6.0f} ms (target 1,000)   usable {usable:6.0f} ms (target 2,000)")
        typed, sizes = _type(browser, running.url + "/jobs")
        print(f"  key to rows painted          {statistics.median(typed):6.0f} ms (worst {max(typed):.0f}; target 200)")
        print(f"  a refresh of the table       {statistics.median(sizes) / 1000:6.1f} kB on the wire (target 100)")


def _load(browser: Browser, address: str, sign: str) -> tuple[float, float]:
    """(first contentful paint, usable), milliseconds after the navigation began."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    begun = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.wait_for_selector(sign)
    usable = (time.perf_counter() - begun) * 1000
    paint = page.evaluate("() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0")
    context.close()
    return float(paint), usable


def _type(browser: Browser, address: str) -> tuple[list[float], list[int]]:
    """Milliseconds from each key to the rows it leaves, and bytes of each refresh of the table."""
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    sizes: list[int] = []
    page.goto(address)
    page.wait_for_selector(PAGES[3][2])
    page.wait_for_selector("input[aria-label='Search jobs']")
    _count(page, sizes)
    page.wait_for_timeout(15_000)  # three reports
    refreshes = list(sizes)
    page.evaluate(_PAINTED)
    page.click("input[aria-label='Search jobs']")
    for key in KEYS:
        page.keyboard.type(key)
        page.wait_for_timeout(700)
    return page.evaluate("() => window.typed"), refreshes


def _count(page: Page, sizes: list[int]) -> None:
    def finished(request: Any) -> None:
        if "/data/jobs" in request.url:
            sizes.append(request.sizes()["responseBodySize"])

    page.on("requestfinished", finished)


if __name__ == "__main__":
    main()
