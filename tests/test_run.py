"""`make run` on demo clusters and on a webstat.toml: it comes up, says where, and leaves nothing behind."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import pytest

from scripts.run import free_port
from tests.browser import open_browser
from tests.running import make_run


@pytest.mark.slow
@pytest.mark.browser
def test_the_demo_shows_three_labelled_clusters_with_a_past(tmp_path: Path) -> None:
    port = free_port(0)
    with (
        make_run(tmp_path, "--demo", "--days", "2", "--port", str(port), until="past stored"),
        open_browser() as browser,
    ):
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        address = f"http://127.0.0.1:{port}"
        page.goto(address)
        cards = page.locator("main .card h2 a")
        cards.nth(2).wait_for(timeout=60_000)
        assert cards.count() == 3
        page.get_by_text("3 clusters live").first.wait_for(timeout=60_000)
        for path in ("/", "/health", *(str(card.get_attribute("href")) for card in cards.all())):
            page.goto(address + path)
            page.locator(".ws-demo").wait_for()
            assert "DEMO" in page.locator(".ws-demo").inner_text()
        page.locator(".ws-graph .main-svg").first.wait_for()
        assert page.locator(".ws-dir span").count() > 5, "the last 24 hours have users"


def test_a_webstat_toml_is_what_is_run(tmp_path: Path) -> None:
    port = free_port(0)
    config = tmp_path / "webstat.toml"
    config.write_text(
        f'[web]\nport = {port}\n[collector]\nannounce = "ipc://{tmp_path}/a"\nrefresh = "ipc://{tmp_path}/r"\n'
        '[[cluster]]\nname = "far"\nagent = "tcp://127.0.0.1:1"\n'
    )
    with make_run(tmp_path, config=config, until="the page is at") as words:
        assert f"the clusters of {config}" in words[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
            assert answer.status == 200
    assert (tmp_path / "var" / "webstat.sqlite").exists(), "a site's own store stays"
