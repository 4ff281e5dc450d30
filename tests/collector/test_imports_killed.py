"""kill -9 in the middle of an import, then go on: the same store as if nothing had happened."""

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

from collector.store import Store
from tests.collector.imported import SETTINGS, UNENDED, contents, import_into, open_store, recorded_lines, write_log

CLUSTER = "c"
CONFIG = '[store]\nurl = "sqlite:///store.sqlite"\n[[cluster]]\nname = "c"\nagent = "tcp://127.0.0.1:1"\n'
SMALL_STEPS = """
import sys
from collector import imports, logfiles
from collector.__main__ import main
imports.BATCH_RECORDS, logfiles.CHUNK = 100, 15_000
main(sys.argv[1:])
"""
PLACE = "select name, position, records, skipped from import_file"


def start(config: Path, logs: Path) -> subprocess.Popen[bytes]:
    words = ["--config", str(config), "import-accounting", CLUSTER, str(logs), "--timezone", "UTC"]
    return subprocess.Popen([sys.executable, "-c", SMALL_STEPS, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def place_in(store_file: Path) -> int:
    """Bytes of the logs of which all is stored."""
    try:
        with closing(sqlite3.connect(f"file:{store_file}?mode=ro", uri=True)) as connection:
            return int(connection.execute("select coalesce(sum(position), 0) from import_file").fetchone()[0])
    except sqlite3.OperationalError:  # there is no store yet, or no such table in it
        return 0


@pytest.mark.parametrize("seed", range(2))
def test_killed_anywhere_it_goes_on(tmp_path: Path, seed: int) -> None:
    lines = recorded_lines()
    logs = tmp_path / "logs"
    logs.mkdir()
    for number, since in enumerate(range(0, len(lines), 9000)):
        write_log(logs / f"2026112{number}", lines[since : since + 9000])
    (tmp_path / "webstat.toml").write_text(CONFIG)
    chance, store_file = random.Random(seed), tmp_path / "store.sqlite"
    size = sum(path.stat().st_size for path in logs.iterdir())
    targets = sorted(chance.uniform(0, 0.95 * size) for _ in range(5))
    for target in targets:
        process = start(tmp_path / "webstat.toml", logs)
        while process.poll() is None and place_in(store_file) < target:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.02))
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
        assert process.returncode == -signal.SIGKILL, errors.decode()
    assert 0 < place_in(store_file) < size
    process = start(tmp_path / "webstat.toml", logs)
    said, errors = process.communicate()
    assert process.returncode == 0, errors.decode()
    assert "jobs: " in said.decode()
    (tmp_path / "other").mkdir()
    other, cluster_id = open_store(tmp_path / "other")
    import_into(other, cluster_id, *sorted(logs.iterdir()))
    other.roll_up(cluster_id, 0)
    store = Store(f"sqlite:///{tmp_path}/store.sqlite")
    try:
        assert store.sync_clusters(SETTINGS) == {CLUSTER: cluster_id}
        assert contents(store.engine, UNENDED, PLACE) == contents(other.engine, UNENDED, PLACE)
    finally:
        store.close()
        other.close()
