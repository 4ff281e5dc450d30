"""The logs that importing is measured with: as many records as asked for, read without a complaint."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.imports import LOGS, multiply
from tests.collector.imported import import_into, open_store


@pytest.mark.parametrize("kind", LOGS)
def test_multiplied_logs_are_read_whole(tmp_path: Path, kind: str) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    assert multiply(LOGS[kind], logs, 500) >= 500
    store, cluster_id = open_store(tmp_path)
    summary = import_into(store, cluster_id, *sorted(logs.iterdir()))
    store.close()
    assert summary.records >= 500
    assert summary.jobs.new > 0
    assert summary.jobs.corrected == summary.jobs.known == 0
    assert summary.troubles == []
