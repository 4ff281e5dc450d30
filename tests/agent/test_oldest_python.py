"""The agent alone: its folder and pyzmq, on the oldest Python from 3.9 that this machine has.

The environments are made once, in .venv-oldest/, from the packages' ordinary index.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Dict, Optional, Tuple

import pytest
import zmq

from agent.wire import from_wire, request_to_wire
from scripts import agent_zipapp
from tests.agent.samples import SAMPLES

ROOT = Path(__file__).resolve().parent.parent.parent
ENVIRONMENTS = ROOT / ".venv-oldest"
OLDEST = (3, 9)

_ASK = "import sys, venv, ensurepip; print(*sys.version_info[:2])"


def version_of(python: str) -> Optional[Tuple[int, ...]]:
    """Major and minor number; None if it does not run, or has no venv."""
    asked = subprocess.run([python, "-c", _ASK], capture_output=True, text=True)
    return tuple(map(int, asked.stdout.split())) if asked.returncode == 0 else None


def find_oldest() -> Tuple[Tuple[int, ...], str]:
    """Version and file of the oldest usable Python; this one's if there is no other."""
    names = [f"python3.{minor}" for minor in range(OLDEST[1], sys.version_info[1] + 1)]
    files = [file for name in names if (file := shutil.which(name))]
    files += map(str, Path.home().glob(".pyenv/versions/3.*/bin/python"))
    found: Dict[Tuple[int, ...], str] = {}
    for file in [sys.executable, *files]:
        version = version_of(file)
        if version is not None and version >= OLDEST:
            found.setdefault(version, file)
    return min(found.items())


def make_environment(name: str, *packages: str) -> str:
    """The Python of a virtual environment with these packages; kept for the next run."""
    version, file = find_oldest()
    folder = ENVIRONMENTS / f"{name}-{version[0]}.{version[1]}"
    python = folder / "bin" / "python"
    if not python.exists() or subprocess.run([str(python), "-c", "import zmq"], capture_output=True).returncode:
        subprocess.run([file, "-m", "venv", "--clear", str(folder)], check=True)
    done = subprocess.run(
        [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return str(python)


@pytest.fixture(scope="module")
def python() -> str:
    return make_environment("agent", "-r", str(ROOT / "agent" / "requirements.txt"))


def run(python: str, *arguments: str) -> str:
    done = subprocess.run([python, "-W", "error", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]
    return done.stdout


def test_it_needs_pyzmq_and_nothing_else(python):
    code = """
import importlib, pkgutil, sys
before = set(sys.modules)
import agent
for module in pkgutil.walk_packages(agent.__path__, "agent."):
    importlib.import_module(module.name)
tops = {name.partition(".")[0] for name in set(sys.modules) - before}
files = {top: getattr(sys.modules.get(top), "__file__", None) or "" for top in tops}
print(*sorted(top for top, file in files.items() if "site-packages" in file))
print(*sorted(name for name in sys.modules if name.startswith("agent")))
"""
    third_party, ours = run(python, "-c", code).splitlines()
    assert set(third_party.split()) <= {"zmq", "_cffi_backend", "cffi"}
    assert "zmq" in third_party.split()
    assert {"agent.__main__", "agent.server", "agent.parsers.openpbs_text"} <= set(ours.split())


@pytest.mark.parametrize("sample", ["openpbs-23.06.06/wide", "torque-6.1.3.h5/mixed", "slurm-22.05.8/mixed"])
def test_its_report_is_the_same(python, sample):
    arguments = ["-m", "agent", "report", "--replay", str(SAMPLES / sample)]
    theirs, ours = json.loads(run(python, *arguments)), json.loads(run(sys.executable, *arguments))
    assert theirs == ours
    assert len(theirs["jobs"]) > 50


def test_the_zipapp_is_the_agent(python, tmp_path):
    file = agent_zipapp.make(tmp_path / "agent.pyz")
    arguments = ["report", "--replay", str(SAMPLES / "openpbs-23.06.06" / "wide")]
    elsewhere = subprocess.run([python, str(file), *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert elsewhere.returncode == 0, elsewhere.stderr
    assert elsewhere.stdout == run(python, "-m", "agent", *arguments)
    bare = subprocess.run([python, "-I", "-S", str(file), *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert bare.returncode == 1
    assert "no pyzmq" in bare.stderr
    assert "Traceback" not in bare.stderr


def test_it_serves(python):
    sample = str(SAMPLES / "torque-6.1.3.h5" / "mixed")
    agent = subprocess.Popen(
        [python, "-W", "error", "-m", "agent", "serve", "--bind", "tcp://127.0.0.1:0", "--replay", sample],
        cwd=ROOT,
        env=dict(os.environ),
        stderr=subprocess.PIPE,
        text=True,
    )
    context = zmq.Context()
    try:
        assert agent.stderr is not None
        found = None
        while not found and (line := agent.stderr.readline()):
            found = re.search(r"event=serving bind=(\S+)", line)
        assert found, "it ended before it served"
        with context.socket(zmq.REQ) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.RCVTIMEO, 20000)
            socket.connect(found.group(1))
            socket.send(request_to_wire("report"))
            assert len(from_wire(socket.recv()).jobs) > 200
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(10) == 0
    finally:
        agent.kill()
        agent.communicate()
        context.destroy(linger=0)


@pytest.mark.slow
def test_its_tests_pass():
    python = make_environment("tests", "-r", str(ROOT / "agent" / "requirements.txt"), "pytest", "hypothesis")
    said = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--ignore", __file__, str(Path(__file__).parent))
    assert re.search(r"\d{2,} passed", said)
    assert "failed" not in said
    assert "skipped" not in said
