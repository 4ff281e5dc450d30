"""The units of deploy/systemd, judged by systemd's own tools."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.services import MOST_EXPOSURE, exposure, read_unit

UNITS = Path(__file__).resolve().parent.parent.parent / "deploy" / "systemd"
SERVICES = ["webstat-agent", "webstat-collector", "webstat-web"]

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs Debian's package systemd")


@pytest.fixture
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A unit as it is installed, with a Python that exists."""
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch(0o755)
    text = (UNITS / f"{request.param}.service").read_text(encoding="utf-8")
    places = {"@PREFIX@": str(tmp_path), "@CONFIG@": "/etc/webstat", "@STATE@": "/var/lib/webstat", "@USER@": "webstat"}
    for word, value in places.items():
        text = text.replace(word, value)
    file = tmp_path / f"{request.param}.service"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("unit", SERVICES, indirect=True)
def test_systemd_understands_every_line(unit: Path) -> None:
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True)
    mine = [line for line in (done.stdout + done.stderr).splitlines() if unit.name in line]
    assert mine == []


@pytest.mark.parametrize("unit", SERVICES, indirect=True)
def test_it_is_sandboxed(unit: Path) -> None:
    assert exposure(unit) < MOST_EXPOSURE


@pytest.mark.parametrize("name", SERVICES)
def test_it_tells_when_it_is_ready_and_is_watched(name: str) -> None:
    keys = read_unit(UNITS / f"{name}.service")
    assert keys["Type"] == ["notify"]
    assert keys["Restart"] == ["always"]
    assert keys["WatchdogSec"]


def test_what_a_setuid_qstat_needs_is_taken_back() -> None:
    """Each of these implies NoNewPrivileges (systemd.exec(5)), under which no setuid program works."""
    implies = {
        "NoNewPrivileges", "SystemCallFilter", "SystemCallArchitectures", "RestrictAddressFamilies", "RestrictNamespaces",
        "PrivateDevices", "ProtectKernelTunables", "ProtectKernelModules", "ProtectKernelLogs", "ProtectClock",
        "MemoryDenyWriteExecute", "RestrictRealtime", "RestrictSUIDSGID", "DynamicUser", "LockPersonality",
        "ProtectHostname",
    }  # fmt: skip
    strict = read_unit(UNITS / "webstat-agent.service")
    loose = read_unit(UNITS / "webstat-agent-setuid.conf")
    assert {key for key in implies & strict.keys() if loose.get(key) not in (["no"], [""])} == set()
