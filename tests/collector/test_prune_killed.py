"""kill -9 in the middle of `prune` and of `rollup --rebuild`, then go on: the same store as if nothing had happened."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from collector.rollup import DAY
from tests.collector.imported import T0
from tests.collector.pasts import everything, opened
from tests.collector.test_prune import CONFIG, Copy
from tests.databases import store_at

SMALL_STEPS = """
import sys, time
from collector import buckets, prune, rollup_command, store
from collector.__main__ import main
def slowly(*given, steps=store.prune):
    for gone in steps(*given):
        yield gone
        time.sleep(0.004)
store.prune = slowly
prune.JOBS_AT_ONCE, prune.ROWS_AT_ONCE = 10, 50
rollup_command.HOURS_AT_ONCE = 48
buckets.BATCH_SECONDS = 2 * 86400
main(sys.argv[1:])
"""
NOT_VERSIONS = {"history_month": {"version"}}
LEFT = {
    "prune": "select (select count(*) from job) + (select count(*) from usage_hour) + (select count(*) from poll)",
    "rollup": "select (select count(*) from dirty_hour) + (select count(*) from history_month where packed_until = month)",
}


def start(folder: Path, words: list[str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", SMALL_STEPS, "--config", str(folder / "webstat.toml"), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def left(folder: Path, what: str) -> int:
    with closing(sqlite3.connect(f"file:{folder / 'store.sqlite'}?mode=ro", uri=True)) as connection:
        return int(connection.execute(LEFT[what]).fetchone()[0])


def prepare(folder: Path, copy_past: Copy) -> Path:
    folder.mkdir()
    copy_past(2, folder / "store.sqlite")
    days = int(time.time() - (T0 - 60 * DAY)) // DAY
    levels = f"{days}\nhours_days = {days - 30}\npolls_days = {days - 20}\ndays_days = {days + 30}"
    (folder / "webstat.toml").write_text(CONFIG.format(days=levels, url=store_at(folder / "store.sqlite")))
    return folder


def finish(folder: Path, words: list[str]) -> None:
    process = start(folder, words)
    _, errors = process.communicate()
    assert process.returncode == 0, errors.decode()


@pytest.mark.parametrize("words", [["prune"], ["rollup", "--rebuild"]], ids=["prune", "rollup"])
def test_killed_anywhere_it_goes_on(on_sqlite: None, copy_past: Copy, tmp_path: Path, words: list[str]) -> None:
    undisturbed, killed = prepare(tmp_path / "undisturbed", copy_past), prepare(tmp_path / "killed", copy_past)
    finish(undisturbed, words)
    chance, what = random.Random(5), words[0]
    most = left(killed, what) if what == "prune" else 24 * 150
    least = left(undisturbed, what)
    steps = sorted((chance.uniform(least + 0.15 * (most - least), most) for _ in range(3)), reverse=True)
    for number, target in enumerate(steps):
        process = start(killed, words if number == 0 else words[:1])
        marked = what == "prune" or number > 0
        while process.poll() is None and not (marked and left(killed, what) <= target):
            marked = marked or left(killed, what) > 1000
            time.sleep(0.004)
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
        assert process.returncode == -signal.SIGKILL, errors.decode()
        assert least < left(killed, what) < most
    finish(killed, words[:1])
    found = []
    for folder in (killed, undisturbed):
        store = opened(folder / "store.sqlite")
        found.append(everything(store.engine, but=NOT_VERSIONS))
        store.close()
    assert found[0] == found[1]
