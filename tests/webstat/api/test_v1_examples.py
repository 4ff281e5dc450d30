"""The examples of docs/api.md do what they say: those for curl and pandas are run."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.webstat.served import Server, served, settings_for
from tests.webstat.stores import Builder, Shape

DOCS = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")
SITE = "http://127.0.0.1:8050"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    builder = Builder(tmp_path_factory.mktemp("live") / "store.sqlite")
    builder.add(Shape("one", "One", nodes=12, days=2))
    with served(settings_for(builder.url, "one")) as server:
        yield server
    builder.close()


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)
    return str(found)


def test_what_curl_asks_is_answered(site: Server, tmp_path: Path) -> None:
    lines = block("sh").strip().splitlines()
    assert len(lines) >= 4
    for line in lines:
        words = [word.replace(SITE, site.url) for word in shlex.split(line)]
        for _ in range(2):  # once more with the mark of the first, where it is kept
            told = subprocess.run([*words, "--fail"], cwd=tmp_path, capture_output=True, timeout=60, check=True)
            assert told.stdout or "-o" in words
    saved = json.loads((tmp_path / "jobs.json").read_text(encoding="utf-8"))
    assert saved["rows"] and (tmp_path / "jobs.etag").read_text(encoding="utf-8").startswith('W/"')


def test_what_pandas_reads_is_read(site: Server) -> None:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(block("python").replace(SITE, site.url), "docs/api.md", "exec"), {})
    assert "alice" in said.getvalue() and "wait_90" in said.getvalue()


def test_the_refusal_that_is_shown_is_one() -> None:
    shown = json.loads(block("json"))
    assert list(shown) == ["status", "title", "detail", "problems"]
