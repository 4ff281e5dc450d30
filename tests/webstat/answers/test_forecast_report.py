"""The table of how often forecasts held, of a store and of recorded and made traces, as the command prints it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.webstat.data.explore.random_store import make_jobs, write_store
from webstat.__main__ import main

SAMPLES = Path(__file__).parents[2] / "samples" / "swf"


def rows(*arguments: str) -> tuple[int, dict[tuple[str, str, str], list[str]]]:
    """Exit code, and (cluster, queue, asked) -> the cells after, of what is printed."""
    done = CliRunner().invoke(main, [*arguments])
    lines = [line for line in done.output.splitlines() if " at first " in line or " after 1 h " in line]
    found = {}
    for line in lines:
        name, asked, rest = line.partition("after 1 h") if "after 1 h" in line else line.partition("at first")
        cluster, queue = (*name.split(), "")[:2]
        found[cluster, queue, asked] = rest.split()
    return done.exit_code, found


def test_a_recorded_trace() -> None:
    code, found = rows("forecast-report", str(SAMPLES / "openpbs-23.06.06.swf"))
    assert code == 0
    tried, few, half, most = (int(one) for one in found["1-openpbs-23-06-06", "workq", "at first"][:4])
    assert tried + few <= 192 and few >= 20  # of the first twenty nothing can be foretold
    assert 0 <= half <= most <= 100


def test_a_trace_whose_waits_are_drawn_alike(tmp_path: Path) -> None:
    rng = random.Random(5)
    lines = ["; Version: 2.2", "; UnixStartTime: 1700000000", "; Queue: 1 batch"]
    for number in range(2000):
        wait = round(rng.expovariate(1 / 20000))
        lines.append(f"{number + 1} {number * 900} {wait} 600 4 -1 -1 4 3600 -1 1 {number % 7} 1 -1 1 -1 -1 -1")
    trace = tmp_path / "made.swf"
    trace.write_text("\n".join(lines) + "\n")
    code, found = rows("forecast-report", str(trace))
    assert code == 0
    for asked in ("at first", "after 1 h"):
        cells = found["1-made", "batch", asked]
        assert int(cells[0]) >= 250 and cells[-1] == "told"
        assert 85 <= int(cells[3]) <= 95 and 40 <= int(cells[2]) <= 60


def test_a_trace_without_jobs_is_an_error(tmp_path: Path) -> None:
    trace = tmp_path / "none.swf"
    trace.write_text("; Version: 2.2\n; UnixStartTime: 1700000000\n")
    assert rows("forecast-report", str(trace)) == (1, {})


def test_the_store_of_the_settings(tmp_path: Path, on_sqlite: None) -> None:
    write_store(tmp_path / "store.sqlite", make_jobs(3, 900)).dispose()
    config = tmp_path / "webstat.toml"
    config.write_text(f'[store]\nurl = "sqlite:///{tmp_path}/store.sqlite"\n')
    code, found = rows("--config", str(config), "forecast-report")
    assert code == 0
    assert {name for name, *_ in found} == {"one", "two"}
    assert {queue for _, queue, _ in found} == {"short", "long", "gpu"}


@pytest.mark.parametrize("days", ["7", "30"])
def test_less_of_the_past_has_fewer_jobs(tmp_path: Path, on_sqlite: None, days: str) -> None:
    write_store(tmp_path / "store.sqlite", make_jobs(3, 900)).dispose()
    config = tmp_path / "webstat.toml"
    config.write_text(f'[store]\nurl = "sqlite:///{tmp_path}/store.sqlite"\n')
    _, found = rows("--config", str(config), "forecast-report", "--days", days)
    assert all(int(cells[0]) <= 150 * int(days) / 61 + 25 for cells in found.values())
