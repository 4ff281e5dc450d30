"""`rollup`: sums and columns made again are those that were made bit by bit; what was pruned stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import delete, update

from collector import schema
from collector.retention import limits_of
from collector.rollup_command import mark_all, work_off
from collector.settings import RetentionSettings
from tests.collector.imported import T0
from tests.collector.pasts import everything, opened
from tests.collector.test_prune import Copy, run

NOT_VERSIONS = {"history_month": {"version"}}
MADE = ("usage_hour", "usage_day", "capacity_hour", "capacity_day", "history_month", "history_column", "dirty_hour")


@pytest.mark.parametrize(("seed", "broken"), [(1, True), (2, False)])
def test_made_again_they_are_the_same(
    each_store: str, copy_past: Copy, tmp_path: Path, seed: int, broken: bool
) -> None:
    store = opened(copy_past(seed, tmp_path / "store.sqlite"))
    before = everything(store.engine, but=NOT_VERSIONS)
    if broken:
        with store.engine.begin() as connection:
            for table in (schema.usage_hour, schema.usage_day):
                connection.execute(update(table).values(core_seconds=table.c.core_seconds + 7))
            connection.execute(delete(schema.capacity_hour))
            connection.execute(update(schema.history_column).values(data=b""))
    for _ in range(2):
        mark_all(store, 1)
        hours, months = work_off(store, 1)
        assert (hours > 24 * 145, months > 4) == (True, True)
        assert everything(store.engine, but=NOT_VERSIONS) == before
    assert work_off(store, 1) == (1, 0), "but for the hour that goes on nothing is left"
    store.close()


def test_what_was_pruned_stays_as_it_is(each_store: str, copy_past: Copy, tmp_path: Path) -> None:
    store = opened(copy_past(1, tmp_path / "store.sqlite"))
    limits = limits_of(RetentionSettings(spans_days=90, hours_days=0), T0)
    for _ in store.prune(limits):
        pass
    before = everything(store.engine)
    mark_all(store, 1)
    with store.engine.begin() as connection:  # older ones, marked for whatever reason
        connection.execute(schema.dirty_hour.insert().values(cluster_id=1, bucket=limits.spans - 3600))
    work_off(store, 1)
    after = everything(store.engine, but=NOT_VERSIONS)
    for row in before["history_month"]:
        del row["version"]
    assert after == before
    assert min(row["bucket"] for row in after["usage_hour"]) < limits.spans
    store.close()


def test_as_people_meet_it(on_sqlite: None, copy_past: Copy, tmp_path: Path) -> None:
    store = opened(copy_past(1, tmp_path / "store.sqlite"))
    busy = run(tmp_path, "rollup", "--rebuild")
    store.close()
    assert busy.returncode == 1
    assert "stop that collector first, roll up, then start it again" in busy.stderr
    unknown = run(tmp_path, "rollup", "d")
    assert (unknown.returncode, "there is no cluster 'd' in webstat.toml; there are: c" in unknown.stderr) == (1, True)
    done = run(tmp_path, "rollup", "c", "--rebuild")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("c: ")
    again = run(tmp_path, "rollup")
    assert again.stdout == "c: 1 hours summed, 0 months packed\n"
