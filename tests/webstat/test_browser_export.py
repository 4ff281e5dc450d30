"""Charts saved as pictures, and the description of the API, in a browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.browser import open_browser
from tests.webstat.looking import Looker
from tests.webstat.served import served, settings_for
from tests.webstat.stores import Builder, Shape

pytestmark = pytest.mark.browser


def test_a_chart_becomes_a_picture_and_the_api_is_described(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "store.sqlite")
    builder.add(Shape("one", "One", nodes=12, days=2))
    with served(settings_for(builder.url, "one")) as server, open_browser() as browser:
        looker = Looker(browser, server.url, 1440)
        page = looker.open("/cluster/one")
        begins = {"png": b"\x89PNG\r\n", "svg": b"<svg"}
        for form, first in begins.items():
            page.locator("#export-usage-day > summary").click()
            with page.expect_download() as saved:
                page.locator(f"#export-usage-day [data-export={form}]").click()
            file = tmp_path / f"chart.{form}"
            saved.value.save_as(file)
            name = rf"webstat-How-were-the-cores-used-in-the-last-24-h-\d{{4}}-.*-to-.*\.{form}"
            assert re.fullmatch(name, saved.value.suggested_filename)
            assert file.read_bytes().startswith(first)
            page.keyboard.press("Escape")
        picture = (tmp_path / "chart.svg").read_text(encoding="utf-8")
        assert "alice" in picture and "in use" in picture, "the names that stand beside the chart on the page"
        page.locator("#export-usage-day > summary").click()
        with page.expect_download() as saved:
            page.locator("#export-usage-day >> text=CSV").click()
        assert saved.value.suggested_filename.startswith("webstat-history-running-cores-by-user-")
        page.goto(f"{server.url}/api/docs")
        page.get_by_text("/api/v1/history/worst-nodes").wait_for()
        assert looker.said == []
        looker.close()
    builder.close()
