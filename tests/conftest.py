"""What all tests share: the rule that nothing may be skipped where WEBSTAT_NO_SKIP is set."""

from __future__ import annotations

import os

import pytest


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if os.environ.get("WEBSTAT_NO_SKIP") and skipped and exitstatus == 0:
        session.exitstatus = 1
        reporter.write_line(f"{len(skipped)} tests were skipped, and WEBSTAT_NO_SKIP is set", red=True)
