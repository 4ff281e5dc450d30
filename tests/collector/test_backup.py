"""A copy of the store is one moment of it, whole, and can take its place."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from collector import backup as copies
from collector.errors import CollectorError, StoreBusy, StoreError, StoreTooNew
from collector.settings import Settings, StoreSettings
from collector.store import PollTimes, Store
from tests.collector.pasts import everything, opened
from tests.collector.reports import T0, a_job, a_report
from tests.collector.test_migrations import write_dump


@pytest.fixture
def place(copy_past: Callable[[int, Path], Path], tmp_path: Path) -> Path:
    return copy_past(1, tmp_path / "webstat.sqlite")


def settings(file: Path) -> Settings:
    return Settings(store=StoreSettings(url=f"sqlite:///{file}"))


def test_a_copy_is_the_store_and_can_take_its_place(place: Path, tmp_path: Path) -> None:
    store = opened(place)
    before = everything(store.engine)
    copy = copies.backup(settings(place), tmp_path / "copy.sqlite")
    store.store_report(1, a_report(T0 + 60, [a_job(77)]), PollTimes(T0 + 59, 1.0))
    after = everything(store.engine)
    assert after != before
    store.close()
    assert not list(tmp_path.glob("copy.sqlite?*")), "one file, whole"

    aside = copies.restore(settings(place), copy)
    assert aside is not None
    again = opened(place)
    assert everything(again.engine) == before
    again.store_report(1, a_report(T0 + 120, [a_job(78)]), PollTimes(T0 + 119, 1.0))
    again.close()
    kept = opened(aside)
    assert everything(kept.engine) == after, "the store that was there"
    kept.close()


def test_it_is_of_one_moment_while_the_collector_writes(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "PAGES_AT_ONCE", 1)
    store = opened(place)
    before = everything(store.engine)
    stop, written = threading.Event(), 0

    def write() -> None:
        nonlocal written
        while not stop.is_set():
            written += 1
            at = T0 + 60 * written
            store.store_report(1, a_report(at, [a_job(100 + written)]), PollTimes(at - 1, 1.0))

    writer, plain = threading.Thread(target=write), copies._copy_pages

    def copied(old: sqlite3.Connection, new: sqlite3.Connection) -> None:
        writer.start()
        while written < 5:  # reports are stored between the first look and the first page, and go on
            stop.wait(0.01)
        plain(old, new)

    monkeypatch.setattr(copies, "_copy_pages", copied)
    try:
        copy = copies.backup(settings(place), tmp_path / "copy.sqlite")
    finally:
        stop.set()
        writer.join()
    store.close()
    found = opened(copy)
    assert everything(found.engine) == before
    found.close()


def test_into_a_folder_under_a_name_with_the_time(place: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copies"
    folder.mkdir()
    copy = copies.backup(settings(place), folder)
    assert copy.parent == folder
    assert copy.name.startswith("webstat-20")
    assert copy.stat().st_mode == place.stat().st_mode


def test_nothing_is_written_over(place: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("precious")
    with pytest.raises(StoreError, match="left alone"):
        copies.backup(settings(place), there)
    assert there.read_text() == "precious"
    with pytest.raises(StoreError, match="cannot be copied"):
        copies.backup(settings(place), tmp_path / "no" / "such" / "folder.sqlite")
    with pytest.raises(StoreError, match="does not exist"):
        copies.backup(settings(tmp_path / "nowhere.sqlite"), tmp_path / "copy.sqlite")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there", place.name]


def test_what_is_no_store_does_not_take_its_place(place: Path, tmp_path: Path) -> None:
    whole = place.read_bytes()
    other, newer, torn, none = (tmp_path / name for name in ("other", "newer", "torn", "none"))
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("create table t (a)")
    with closing(sqlite3.connect(newer)) as connection:
        connection.executescript(
            "create table alembic_version (version_num); insert into alembic_version values (9999)"
        )
    torn.write_bytes(whole[: len(whole) // 2])
    none.write_text("this is no database at all")
    expected: list[tuple[Path, type[CollectorError], str]] = [
        (other, StoreError, "no store of webstat"),
        (newer, StoreTooNew, "install the newer"),
        (torn, StoreError, "damaged|malformed|cannot be copied"),
        (none, StoreError, "cannot be copied"),
        (tmp_path / "nothing", StoreError, "does not exist"),
    ]
    for copy, error, words in expected:
        with pytest.raises(error, match=words):
            copies.restore(settings(place), copy)
        assert place.read_bytes() == whole
    assert not list(tmp_path.glob("*.restored*"))


def test_not_while_a_collector_writes(place: Path, tmp_path: Path) -> None:
    copy = copies.backup(settings(place), tmp_path / "copy.sqlite")
    store = opened(place)
    with pytest.raises(StoreBusy, match="stop that collector"):
        copies.restore(settings(place), copy)
    store.close()


def test_a_copy_of_an_older_schema_goes_on(tmp_path: Path) -> None:
    old = tmp_path / "old.sqlite"
    write_dump("0001", old)
    place = tmp_path / "webstat.sqlite"
    assert copies.restore(settings(place), old) is None
    store = Store(f"sqlite:///{place}")
    assert store.latest(1)[0] == 6
    store.close()


def test_as_people_meet_it(place: Path, tmp_path: Path) -> None:
    config = tmp_path / "webstat.toml"
    config.write_text(f'[store]\nurl = "sqlite:///{place}"\n')

    def collector(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "collector", "--config", str(config), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    done = collector("backup", str(tmp_path / "copy.sqlite"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "bytes, checked, in" in done.stdout
    assert collector("backup", str(tmp_path / "copy.sqlite")).returncode == 1
    done = collector("restore", str(tmp_path / "copy.sqlite"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "is the store now" in done.stdout
    assert "the store that was there: " in done.stdout
    done = collector("restore", str(config))
    assert done.returncode == 1
    assert done.stderr.startswith(f"collector: {config} cannot be copied")
