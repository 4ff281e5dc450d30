"""A page under test: opened, waited for, its console listened to, its theme and media changed in place."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.sync_api import Browser, Page, Request

AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
BESIDE = ["heading-order", "landmark-one-main", "landmark-unique", "page-has-heading-one", "region", "empty-heading"]
"""Rules that no success criterion demands, and these pages keep."""

# Chromium reports a page that answers 404 as an error, and that is what it should answer.
_HARMLESS = re.compile(r"status of 404|ERR_CONNECTION_REFUSED")
_QUIET_MS = 120

# Resolves when nothing but counting ages has changed for a while; at most two seconds later.
_SETTLED = """(quiet) => new Promise((resolve) => {
  const end = performance.now() + 2000;
  let timer = setTimeout(resolve, quiet);
  const watcher = new MutationObserver(() => {
    clearTimeout(timer);
    if (performance.now() > end) { watcher.disconnect(); resolve(); } else { timer = setTimeout(resolve, quiet); }
  });
  watcher.observe(document.body, { childList: true, subtree: true, attributes: true });
})"""

_VIOLATIONS = """async (options) => (await axe.run(document, options)).violations.map((rule) => ({
  id: rule.id,
  help: rule.help,
  nodes: rule.nodes.map((node) => node.target.join(" ") + "  " + node.html.slice(0, 160) + "  "
    + [...node.any, ...node.all, ...node.none].map((check) => check.message).join("; ").slice(0, 300)),
}))"""


class Looker:
    """One tab of a browser, and what went wrong in it."""

    def __init__(self, browser: Browser, origin: str, width: int, height: int = 900) -> None:
        self.origin, self.width, self.height = origin, width, height
        self._context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="light")
        self.page: Page = self._context.new_page()
        self.said: list[str] = []
        self._under_way: set[Request] = set()
        self.page.on("console", lambda message: self._hear(message.type, message.text))
        self.page.on("pageerror", lambda error: self._hear("error", str(error)))
        self.page.on("request", self._begin)
        self.page.on("requestfinished", lambda request: self._under_way.discard(request))
        self.page.on("requestfailed", lambda request: self._under_way.discard(request))

    def close(self) -> None:
        self._context.close()

    def _hear(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not _HARMLESS.search(text):
            self.said.append(text)

    def _begin(self, request: Request) -> None:
        if "worker" not in request.url:  # that a worker's script has come is never told
            self._under_way.add(request)

    def open(self, address: str) -> Page:
        """Go there, and wait until everything stands."""
        self._under_way.clear()
        self.page.goto(self.origin + address)
        self.page.locator("main h1").wait_for()
        self.settle()
        return self.page

    def settle(self) -> None:
        """Wait until no request is under way and the page has stopped changing."""
        end = time.monotonic() + 10
        while True:
            self.page.evaluate(_SETTLED, _QUIET_MS)
            if not self._under_way or time.monotonic() > end:
                return

    def theme(self, name: str) -> None:
        """Light or dark, as the operating system would switch it."""
        self.page.emulate_media(color_scheme=name)  # type: ignore[arg-type]
        self.page.locator(f"html[data-bs-theme={name}]").wait_for(state="attached")
        self.settle()

    @contextlib.contextmanager
    def media(self, **features: Any) -> Iterator[None]:
        """Other media features for a while: reduced_motion, forced_colors."""
        self.page.emulate_media(**features)
        yield
        self.page.emulate_media(**dict.fromkeys(features, "null"))

    @contextlib.contextmanager
    def at(self, width: int) -> Iterator[None]:
        """Another width for a while."""
        self.page.set_viewport_size({"width": width, "height": self.height})
        self.settle()
        yield
        self.page.set_viewport_size({"width": self.width, "height": self.height})

    def violations(self, *rules: str, without: Sequence[str] = ()) -> list[str]:
        """What axe-core finds, by some rules or by TAGS and BESIDE: a line for each place, with its rule."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE.read_text(encoding="utf-8"))
        options: dict[str, Any] = {"resultTypes": ["violations"]}
        if rules:
            options["runOnly"] = {"type": "rule", "values": list(rules)}
        else:
            options["runOnly"] = {"type": "tag", "values": TAGS}
            options["rules"] = {rule: {"enabled": rule in BESIDE} for rule in (*BESIDE, *without)}
        found: list[dict[str, Any]] = self.page.evaluate(_VIOLATIONS, options)
        return [f"{rule['id']}: {node}" for rule in found for node in rule["nodes"]]

    def too_wide(self) -> int:
        """Pixels by which the page would scroll to the side; 0 or less is right."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
