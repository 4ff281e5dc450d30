"""The random store of history's tests, with a settings file beside it, and hostile names among its users."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import insert

from collector.schema import usage_day, word
from collector.settings import load_settings
from tests.webstat.data.explore.random_store import SINCE, Plain, make_jobs, write_store
from webstat.data.source import Source

HOSTILE = "<script>alert(1)</script>"
FORMULA = "=cmd|' /C calc'!A0"
JOBS: list[Plain] = [
    replace(job, user={"carol": HOSTILE, "dave": FORMULA}.get(job.user, job.user)) for job in make_jobs(11, 700)
]


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    engine = write_store(folder / "store.sqlite", JOBS)
    with engine.begin() as connection:  # erin ran something in September only
        connection.execute(insert(word).values(id=900, text="erin"))
        sums = dict.fromkeys(("gpu_seconds", "waited_core_seconds", "submitted", "started", "ended", "wait_seconds"), 0)
        keys = {"cluster_id": 1, "bucket": SINCE, "queue_id": 1, "user_id": 900, "group_id": 0}
        connection.execute(insert(usage_day).values(**keys, **sums, core_seconds=3600))
    engine.dispose()
    path = folder / "webstat.toml"
    path.write_text('[store]\nurl = "sqlite:///store.sqlite"\n[web]\ntimezone = "Europe/Berlin"\n')
    return path


@pytest.fixture(scope="session")
def source(config: Path) -> Iterator[Source]:
    source = Source(load_settings(config))
    yield source
    source.close()
