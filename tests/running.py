"""`make run` in a test: started, interrupted, and looked after."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@contextlib.contextmanager
def make_run(
    tmp_path: Path,
    *arguments: str,
    config: Path | None = None,
    until: str,
    base: Mapping[str, str] = os.environ,
) -> Iterator[list[str]]:
    """Run it with a folder of its own for temporary files; gives its words once `until` is among them.

    When the block ends it is interrupted, and must have left nothing behind.
    """
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    environment = {
        **base,
        "TMPDIR": str(temporary),
        "WEBSTAT_CONFIG": str(config or tmp_path / "none.toml"),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "scripts.run", *arguments],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        words: list[str] = []
        for line in process.stdout:
            words.append(line)
            if until in line:
                break
        else:
            pytest.fail("it ended: " + "".join(words))
        yield words
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
        assert list(temporary.iterdir()) == [], "it left something behind"
        assert not _still_running(str(temporary))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def _still_running(words: str) -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            if words in command:
                found.append(command)
    return found
