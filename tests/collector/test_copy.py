"""A site moves from SQLite to PostgreSQL: every row, or none."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, select, update

from collector import copy as copying
from collector.alerts.rules import Rules
from collector.copy import copy_store
from collector.errors import StoreBusy, StoreError
from collector.schema import cluster, job
from collector.settings import NotifySettings
from collector.store import PollTimes, Store
from tests.collector.pasts import everything
from tests.collector.reports import T0, a_job, a_report, as_running, reading
from tests.databases import kept_in, store_at

Copy = Callable[[int, Path], Path]


@pytest.fixture
def file(copy_past: Copy, tmp_path: Path) -> Path:
    """The store that is copied."""
    return copy_past(1, tmp_path / "store.sqlite")


@pytest.fixture
def target(file: Path, tmp_path: Path) -> Iterator[str]:
    """Where to."""
    with kept_in("postgresql"):
        yield store_at(tmp_path / "copy")


def sqlite(file: Path) -> str:
    return f"sqlite:///{file}"


def wish_for(engine: Engine, kind: str) -> int:
    """A person asks to be told, and tries it; the number of the rule."""
    rules = Rules(engine, NotifySettings(webhooks=("hooks.example.org",)))
    with engine.connect() as connection:
        name = connection.execute(select(cluster.c.name).order_by(cluster.c.id)).scalars().first()
    to = {"channels": ["browser", "webhook"], "webhook": "https://hooks.example.org/x"}
    made = rules.wish({"act": "add", "owner": "user:alice", "feed": "f" * 40, "kind": kind, "cluster": name, **to})
    assert rules.wish({"act": "test", "owner": "user:alice", "id": made["id"]})["ok"]
    return int(made["id"])


def test_every_row_arrives_and_the_copy_goes_on(file: Path, target: str) -> None:
    source, copied = reading(sqlite(file)), reading(target)
    with source.begin() as connection:
        connection.execute(update(job).where(job.c.id == 1).values(name="<b>ü\U0001f40d\t\\N\x00"))
    asked = {wish_for(source, kind) for kind in ("silent", "node")}
    before = everything(source)
    command = [sys.executable, "-m", "collector", "copy", sqlite(file), target]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "compared" in done.stdout
    after = everything(copied)
    (odd,) = (row for row in before["job"] if row["id"] == 1)
    odd["name"] = odd["name"].replace("\0", "\ufffd")
    assert after == {name: sorted(rows, key=repr) for name, rows in before.items()}
    assert len(after["job"]) > 250
    assert [len(after[name]) for name in ("rule", "notice", "delivery", "listener")] == [2, 2, 2, 1]
    old, new = Store(sqlite(file)), Store(target)
    for store in (old, new):
        later = a_report(T0 + 60, [as_running(a_job(77_777, user="newcomer"), T0 + 30)])
        store.store_report(1, later, PollTimes(T0 + 60, 0.5))
        store.roll_up(1, 0)
        store.close()
    assert len(everything(copied)["job"]) == len(before["job"]) + 1
    assert everything(copied)["usage_day"] == everything(source)["usage_day"]
    assert wish_for(copied, "silent") > max(asked), "numbers go on, too"


def test_what_is_refused(file: Path, target: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"from SQLite to PostgreSQL: copy sqlite:///FILE"):
        copy_store(target, sqlite(file))
    with pytest.raises(StoreError, match="does not exist"):
        copy_store(sqlite(tmp_path / "none.sqlite"), target)
    with pytest.raises(StoreError, match="nothing was copied"):
        copy_store(sqlite(file), target.replace("postgresql:///", "postgresql:///no"))
    holder = Store(sqlite(file))
    with pytest.raises(StoreBusy, match="process id"):
        copy_store(sqlite(file), target)
    holder.close()
    other = Store(target)
    other.leases.register("tcp://a:1", "tcp://a:2", None)
    with pytest.raises(StoreBusy, match="1 collectors use"):
        copy_store(sqlite(file), target)
    other.close()
    engine = reading(target)
    with engine.begin() as connection:
        connection.execute(insert(cluster).values(name="x", title="X", period_seconds=60))
    with pytest.raises(StoreError, match="has clusters already"):
        copy_store(sqlite(file), target)


def test_a_row_that_came_out_different_takes_all_back(file: Path, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check = copying._check_table

    def spoil(old, new, table):  # type: ignore[no-untyped-def]
        if table is job:
            new.execute(update(job).where(job.c.id == 9).values(cores=job.c.cores + 1))
        return check(old, new, table)

    monkeypatch.setattr(copying, "_check_table", spoil)
    with pytest.raises(StoreError, match="a row of job came out different"):
        copy_store(sqlite(file), target)
    with reading(target).connect() as connection:
        assert connection.execute(select(cluster)).all() == []
