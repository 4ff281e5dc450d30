"""`python -m webstat advise`, on a store of recorded clusters."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from tests.webstat.recorded import Recorded
from webstat.__main__ import main
from webstat.errors import StoreEmpty


def config(folder: Path, recorded: Recorded) -> str:
    path = folder / "webstat.toml"
    path.write_text(f'[store]\nurl = "{recorded.url}"\n')
    return str(path)


def test_the_answers_as_a_table_and_as_json(recorded: Recorded, tmp_path: Path) -> None:
    asked = ["--config", config(tmp_path, recorded), "advise", "--cores", "1", "--walltime", "2h"]
    table = CliRunner().invoke(main, asked)
    assert table.exit_code == 0, table.output
    assert table.output.startswith("Where a job of 1 core, 2 h could run now:\nCLUSTER")
    told = json.loads(CliRunner().invoke(main, [*asked, "--json"]).output)
    assert told["request"] == "1 core, 2 h"
    assert told["answers"][0]["verdict"] == "now"
    assert told["answers"][0]["submit"] in table.output


def test_the_exit_code_says_whether_it_can_start(recorded: Recorded, tmp_path: Path) -> None:
    asked = ["--config", config(tmp_path, recorded), "advise"]
    assert CliRunner().invoke(main, [*asked, "--cores", "9000000"]).exit_code == 4
    unread = CliRunner().invoke(main, [*asked, "--walltime", "soon"])
    assert unread.exit_code == 2
    assert "hours:minutes, e.g. 12:00" in unread.output


def test_without_a_store_it_says_so(tmp_path: Path) -> None:
    path = tmp_path / "webstat.toml"
    path.write_text(
        f'[store]\nurl = "sqlite:///{tmp_path}/none.sqlite"\n[[cluster]]\nname = "a"\nagent = "tcp://127.0.0.1:1"\n'
    )
    said = CliRunner().invoke(main, ["--config", str(path), "advise"])
    assert isinstance(said.exception, StoreEmpty)
    assert said.output == ""


def test_it_loads_nothing_of_the_page(recorded: Recorded, tmp_path: Path) -> None:
    """What draws and serves pages takes longer to load than the answer."""
    asked = ["--config", config(tmp_path, recorded), "advise", "--cores", "1"]
    code = f"import sys; from webstat.__main__ import main; main({asked}, standalone_mode=False)"
    told = f"try:\n    {code}\nexcept SystemExit:\n    print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", told], check=True, capture_output=True, text=True).stdout.split()
    assert "webstat.answers.advise" in loaded
    assert not {"dash", "plotly", "fastapi", "uvicorn", "authlib"} & set(loaded)
