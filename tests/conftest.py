"""What all tests share: their order, the rule that nothing may be skipped where WEBSTAT_NO_SKIP is set, and stores of each kind."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def each_store(request: pytest.FixtureRequest) -> Iterator[str]:
    """Runs a module's tests once on stores of SQLite, once on those of PostgreSQL: see tests/databases.py."""
    from tests.databases import kept_in  # not above: the agent's tests run where there is no psycopg

    with kept_in(request.param):
        yield request.param


@pytest.fixture
def on_sqlite() -> Iterator[None]:
    """A test of what only a file has."""
    from tests.databases import kept_in

    with kept_in("sqlite"):
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with what takes long first, then those of many tests: so that processes that share them end together."""
    tests = Counter(item.path for item in items)
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path not in slow, -tests[item.path]))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if os.environ.get("WEBSTAT_NO_SKIP") and skipped and exitstatus == 0:
        session.exitstatus = 1
        reporter.write_line(f"{len(skipped)} tests were skipped, and WEBSTAT_NO_SKIP is set", red=True)
