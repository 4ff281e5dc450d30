"""The host: systemd's units, and time zones."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

from collector.settings import Settings
from webstat.doctor.finding import Finding, ok, problem, warning

SYSTEMD = Path("/run/systemd/system")
UNITS = ("webstat-collector", "webstat-web", "webstat-agent")
_SECONDS = 10


def check_units(running: Path = SYSTEMD) -> Iterator[Finding]:
    """Each unit that is installed: whether it runs; nothing where there is no systemd."""
    systemctl = shutil.which("systemctl")
    if systemctl is None or not running.is_dir():
        yield ok("units", "no systemd here: services are looked after by other means")
        return
    installed = 0
    for unit in UNITS:
        command = [systemctl, "show", "--property=LoadState,ActiveState,SubState,NRestarts", unit]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
        state = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
        if state.get("LoadState") in (None, "not-found"):
            continue
        installed += 1
        yield _unit(unit, state)
    if not installed:
        yield ok("units", "none is installed (deploy/install.sh does that)")


def _unit(unit: str, state: dict[str, str]) -> Finding:
    words = f"{unit} is {state.get('ActiveState', 'unknown')} ({state.get('SubState', 'unknown')})"
    restarts = state.get("NRestarts", "0")
    if state.get("ActiveState") == "active":
        if restarts != "0":
            return warning("units", f"{words}, after {restarts} restarts", f"journalctl -u {unit}")
        return ok("units", words)
    if state.get("ActiveState") == "inactive":
        return warning("units", words, f"systemctl enable --now {unit}")
    return problem("units", words, f"journalctl -u {unit}")


def check_zone(settings: Settings) -> Iterator[Finding]:
    """In which zone pages tell times, and whether this host knows zones."""
    try:
        ZoneInfo("Europe/Berlin")
    except (KeyError, ValueError, OSError):
        yield problem("zone", "this host has no time zone data", "apt-get install tzdata")
        return
    own = settings.web.timezone
    yield ok(
        "zone", f"{own} on every page" if own else f"each viewer's own; this host's is {time.strftime('%Z (UTC%z)')}"
    )
