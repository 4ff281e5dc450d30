"""`make agent-zipapp`: the agent as one file, dist/webstat-agent.pyz, for any Python from 3.9 that has pyzmq."""

from __future__ import annotations

import shutil
import tempfile
import zipapp
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "dist" / "webstat-agent.pyz"

MAIN = """import sys
try:
    import zmq
except ImportError:
    sys.exit("agent: this Python has no pyzmq; run: %s -m pip install pyzmq" % sys.executable)
from agent.__main__ import main
sys.exit(main())
"""


def make(file: Path = FILE) -> Path:
    """Write the file; returns it."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "agent", Path(folder) / "agent", ignore=shutil.ignore_patterns("__pycache__"))
        (Path(folder) / "__main__.py").write_text(MAIN, encoding="utf-8")
        file.parent.mkdir(parents=True, exist_ok=True)
        zipapp.create_archive(folder, file, interpreter="/usr/bin/env python3", compressed=True)
    return file


if __name__ == "__main__":
    made = make()
    print(f"{made.relative_to(ROOT)}: {made.stat().st_size // 1024} kB; copy it to the login node, then: ", end="")
    print(f"python3 {made.name} serve --cluster NAME")
