"""`python -m webstat report` as people and cron call it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from collector.settings import Settings
from tests.webstat.data.explore.random_store import UNTIL
from webstat.__main__ import main
from webstat.errors import StoreEmpty
from webstat.report.command import Wish, make_reports

ROOT = Path(__file__).resolve().parents[3]


def call(config: Path, *words: str) -> click.testing.Result:
    return CliRunner().invoke(main, ["--config", str(config), "report", *words])


def test_from_a_shell(config: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "webstat", "--config", str(config), "report"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C"}
    where = {"cwd": tmp_path, "env": environment, "capture_output": True, "timeout": 120}
    done = subprocess.run([*command, "--group", "physics", "--month", "2026-10"], **where)  # type: ignore[call-overload]
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.startswith(b"webstat-group-physics-2026-10.html written\n  The group physics used ")
    text = (tmp_path / "webstat-group-physics-2026-10.html").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>") and text.rstrip().endswith("</html>")
    done = subprocess.run([*command, "--group", "phisics", "--month", "2026-10"], **where)  # type: ignore[call-overload]
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode() == "webstat: No group is named “phisics”. The closest: physics.\n"


def test_only_what_was_asked_goes_to_standard_output(config: Path) -> None:
    done = call(config, "--month", "2026-10", "--out", "-")
    assert done.exit_code == 0 and done.stderr == ""
    assert done.stdout.startswith("<!DOCTYPE html>")
    done = call(config, "--month", "2026-10", "--csv", "-")
    assert done.stdout.startswith("section,name,measure,unit,value") and done.stderr == ""


def test_several_into_a_folder_and_one_unknown(config: Path, tmp_path: Path) -> None:
    words = ["--group", "physics", "--group", "chem", "--cluster", "one", "--week", "2026-W44", "--out", str(tmp_path)]
    done = call(config, *words, "--csv", str(tmp_path), "--quiet")
    assert done.exit_code == 1 and done.stdout == ""
    assert done.stderr == "webstat: No group is named “chem”. There are: bio, physics, –.\n"
    names = {path.name for path in tmp_path.iterdir()}
    assert {
        "webstat-group-physics-2026-W44.html",
        "webstat-cluster-one-2026-W44.html",
        "webstat-cluster-one-2026-W44-queues.csv",
    } <= names


def test_one_csv_of_several(config: Path, tmp_path: Path) -> None:
    file = tmp_path / "all.csv"
    done = call(config, "--user", "alice", "--user", "bob", "--day", "2026-10-24", "--csv", str(file))
    assert done.exit_code == 0 and done.stderr == f"{file} written\n"
    text = file.read_text()
    assert "user:alice:2026-10-24" in text and "user:bob:2026-10-24" in text


def test_the_last_whole_month_is_the_usual_one(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: float(UNTIL))
    done = call(config, "--out", str(tmp_path))
    assert done.exit_code == 0 and (tmp_path / "webstat-everything-2026-10.html").exists()
    assert call(config, "--last", "day", "--out", str(tmp_path)).exit_code == 0
    assert (tmp_path / "webstat-everything-2026-11-19.html").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--month", "2026-1"], 2, "'2026-1' is no month; write e.g. 2026-10"),
        (["--month", "2026-10", "--last", "day"], 2, "Give one of --month, --week, --day and --last."),
        (["--zone", "Mars/Base"], 2, "time zone 'Mars/Base' is unknown"),
        (["--user", "a", "--user", "b", "--out", "x.html"], 2, "2 reports need a folder"),
        (["--out", "-", "--csv", "-"], 2, "Only one of --out and --csv can go to standard output."),
        (["--month", "2025-01"], 1, "Nothing is known of January 2025: the store's history is from"),
        (["--month", "2026-10", "--out", "/nowhere/x.html"], 1, "/nowhere/x.html cannot be written: No such file"),
    ],
)
def test_what_is_wrong_is_said(config: Path, words: list[str], code: int, said: str) -> None:
    done = call(config, *words)
    assert (done.exit_code, done.stdout) == (code, "") and said in done.stderr


def test_no_store_is_said(tmp_path: Path) -> None:
    settings = Settings.model_validate({"store": {"url": f"sqlite:///{tmp_path}/none.sqlite"}})
    with pytest.raises(StoreEmpty):
        make_reports(settings, Wish())
    assert list(tmp_path.iterdir()) == []
