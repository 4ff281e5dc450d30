"""From the report in the collector to the figure in the browser, with 10,000 jobs.

An agent made for the purpose answers each poll with the recorded large cluster a moment later, 1 % of
its jobs changed; collector, page and browser are the real ones. The clock starts when the agent has
sent its answer and stops when the chart has been drawn again; compared with half the period of the
fallback that asks by itself.
"""

from __future__ import annotations

import statistics
import time

from bench.site import Agent, site
from tests.browser import open_browser

UPDATES = 8
FALLBACK_SECONDS = 10.0
_WATCH = """() => {
  const curves = () => document.querySelector('.js-plotly-plot .scatterlayer')?.innerHTML ?? '';
  if (!curves()) return false;
  if (window.drawn) return true;
  let last = curves();
  window.drawn = [];
  setInterval(() => {
    const now = curves();
    if (now && now !== last) { last = now; window.drawn.push(Date.now()); }
  }, 10);
  return true;
}"""
"""Notes the time whenever the chart's curves are other ones."""


def main() -> None:
    """Print the table."""
    with site() as running:
        agent = running.agents["large"]
        delays = _watch(agent, f"{running.url}/cluster/large")
    median = statistics.median(delays)
    print(f"{agent.jobs:,} jobs, 1 % changed, {len(delays)} updates, one page open")
    print(
        f"  answer sent -> chart drawn   {median * 1000:8.0f} ms   (worst {max(delays) * 1000:.0f} ms; target under 1 s)"
    )
    print(f"  the fallback's mean wait     {FALLBACK_SECONDS / 2 * 1000:8.0f} ms   before it even asks")


def _watch(agent: Agent, address: str) -> list[float]:
    with open_browser() as browser:
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        for _ in range(60):
            try:
                page.goto(address)
                page.wait_for_function(_WATCH, timeout=2000)
                break
            except Exception:  # the page is still starting
                time.sleep(0.5)
        delays = []
        seen = len(agent.sent)
        while len(delays) < UPDATES:
            while len(agent.sent) == seen:
                page.wait_for_timeout(20)
            seen = len(agent.sent)
            sent = agent.sent[-1]
            page.wait_for_function("(at) => window.drawn.some((t) => t > at)", arg=sent * 1000, timeout=20_000)
            drawn = page.evaluate("(at) => Math.min(...window.drawn.filter((t) => t > at))", sent * 1000)
            delays.append(drawn / 1000 - sent)
        return delays
