"""`import-accounting` as people meet it: what it says, what it refuses, how it ends."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from collector import schema
from collector.store import Store
from tests.collector.imported import OPENPBS_LOG, T0, contents, told, write_log
from tests.collector.reports import reading

LIFE = [told("Q", 1, T0), told("S", 1, T0 + 60, start=T0 + 60), told("E", 1, T0 + 99, start=T0 + 60, end=T0 + 99)]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "webstat.toml"
    clusters = "".join(f'[[cluster]]\nname = "{name}"\nagent = "tcp://127.0.0.1:1"\n' for name in ("alpha", "beta"))
    path.write_text(f'[store]\nurl = "sqlite:///store.sqlite"\n{clusters}')
    return path


def run(config: Path, *words: object, zone: str = "UTC") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "collector", "--config", str(config), "import-accounting", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TZ": zone},
    )


def test_a_cluster_that_was_never_polled(config: Path) -> None:
    done = run(config, "beta", OPENPBS_LOG, "--timezone", "Etc/UTC")
    assert (done.returncode, done.stderr) == (0, "")
    for words in (
        "1 file; times without a zone are read as Etc/UTC",
        "27,038 records in 1 file (A 2, B 3, D 10,946, E 1,852,",
        "jobs: 11,010 new, 0 corrected, 0 already known",
        "from 2026-11-23 21:09 UTC to 2026-11-23 22:06 UTC",
        "records/s",
    ):
        assert words in done.stdout
    engine = reading(f"sqlite:///{config.parent}/store.sqlite")
    with engine.connect() as connection:
        clusters = connection.execute(select(schema.cluster.c.name, schema.cluster.c.taken_at)).all()
    assert sorted(map(tuple, clusters)) == [("alpha", None), ("beta", None)]
    assert sum(row["ended"] for row in contents(engine)["day"]) == 11010
    engine.dispose()
    again = run(config, "beta", OPENPBS_LOG)
    assert (again.returncode, "1 file had been read before" in again.stdout) == (0, True)


def test_what_cannot_be_begun(config: Path, tmp_path: Path) -> None:
    log = write_log(tmp_path / "20261123", LIFE)
    (tmp_path / "empty").mkdir()
    for words, said in (
        (("gamma", log), "there is no cluster 'gamma' in webstat.toml; there are: alpha, beta"),
        (("alpha", tmp_path / "nowhere"), "does not exist; name accounting logs"),
        (("alpha", tmp_path / "empty"), "there is no accounting log"),
        (("alpha", log, "--timezone", "Mars/Olympus"), "time zone 'Mars/Olympus' is unknown"),
    ):
        done = run(config, *words)
        assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (1, True, False), done.stderr
    holder = Store(f"sqlite:///{tmp_path}/store.sqlite")
    done = run(config, "alpha", log)
    holder.close()
    assert done.returncode == 1
    assert f"already written by the collector with process id {os.getpid()}" in done.stderr
    assert "stop that collector first, import, then start it again" in done.stderr


def test_damaged_lines_are_shown_and_skipped(config: Path, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    log = write_log(logs / "20261123", [LIFE[0], *(f"rubbish {number}" for number in range(7)), *LIFE[1:]])
    (logs / "20261124.gz").write_bytes(b"\x1f\x8b")
    (logs / "core.1234").touch()
    done = run(config, "alpha", logs)
    assert done.returncode == 0
    assert "passed over, since their names are no dates: core.1234" in done.stdout
    assert [line for line in done.stdout.split("\n") if line.startswith("skipped")] == [
        *(
            f"skipped {log}:{number}: it is no record; expected e.g. 11/23/2026 21:10:26;E;123.pbs01;user=..."
            for number in range(2, 7)
        ),
        "skipped 2 more lines",
    ]
    assert f"not read to its end: {logs}/20261124.gz: its end is missing" in done.stdout
    only_rubbish = write_log(tmp_path / "rubbish", ["rubbish"])
    assert run(config, "alpha", only_rubbish).returncode == 1


def test_names_of_zones(config: Path, tmp_path: Path) -> None:
    deleted = [told("Q", 1, T0, ctime=T0), told("D", 1, T0 + 7200, "requestor=a")]  # the line says 02:00
    for cluster, words, ended in (("alpha", ("--timezone", "Europe/Athens"), 0), ("beta", (), 3600)):
        done = run(config, cluster, write_log(tmp_path / "20261123", deleted), *words, zone="Europe/Berlin")
        assert (words[-1] if words else "Europe/Berlin") in done.stdout.split("\n")[0]
        engine = reading(f"sqlite:///{tmp_path}/store.sqlite")
        assert ended in [row["ended_at"] - T0 for row in contents(engine)["job"]]
        engine.dispose()


@contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    ours, theirs = pty.openpty()
    try:
        yield ours, theirs
    finally:
        os.close(ours)


def test_a_bar_on_a_terminal(config: Path) -> None:
    with terminal() as (ours, theirs):
        command = [
            sys.executable,
            "-m",
            "collector",
            "--config",
            str(config),
            "import-accounting",
            "alpha",
            str(OPENPBS_LOG),
        ]
        process = subprocess.Popen(
            command, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm", "COLUMNS": "200"}
        )
        os.close(theirs)
        shown = b""
        try:
            while data := os.read(ours, 65536):
                shown += data
        except OSError:  # the other end is closed
            pass
        assert process.wait() == 0
    assert b"reading" in shown
    assert b"records/s" in shown
    assert b"100%" in shown
    assert b"summing" in shown
