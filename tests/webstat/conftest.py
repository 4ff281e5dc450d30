"""What tests of pages share: the store filled from recorded clusters, a browser, and a tab in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser import open_browser
from tests.webstat.looking import Looker
from tests.webstat.recorded import Recorded, record
from tests.webstat.served import Server


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """All recorded clusters in one store, live, only to be read."""
    return record(tmp_path_factory.mktemp("recorded") / "store.sqlite")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One a module."""
    with open_browser() as browser:
        yield browser


@pytest.fixture
def look(browser: Browser, site: Server) -> Iterator[Looker]:
    """A wide tab at the module's `site`, whose console says nothing."""
    looker = Looker(browser, site.url, 1440)
    yield looker
    assert looker.said == []
    looker.close()
