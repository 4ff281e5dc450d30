"""What was installed and written down: packages, files for browsers, settings, keys."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from agent import __version__
from agent.errors import KeysError
from agent.keys import load_allowed, load_public, load_secret
from collector.settings import Settings
from webstat.doctor.finding import Finding, ok, problem, warning
from webstat.static import ASSETS, Assets, AssetsMissing

ROOT = Path(__file__).resolve().parents[2]
OLDEST = (3, 11)
LOOPBACK = re.compile(r"^(ipc:|tcp://(127\.|localhost[:/]|\[::1\]))")


def check_versions(root: Path = ROOT) -> Iterator[Finding]:
    """Python, and whether each package of requirements.txt is there, in the version that was tested."""
    python = platform.python_version()
    if sys.version_info < OLDEST:
        yield problem("python", f"{python} is too old", "make the virtual environment anew with Python 3.11 or newer")
    else:
        yield ok("python", f"{python}, webstat {__version__}")
    tested = dict(
        line.split("==") for line in (root / "constraints.txt").read_text().split() if not line.startswith("#")
    )
    pinned = {_plain(name): pin for name, pin in tested.items()}
    lines = (root / "requirements.txt").read_text().splitlines()
    names = [found[0] for line in lines if (found := re.match(r"[A-Za-z][A-Za-z0-9._-]*", line))]
    missing, other = [], []
    for name in names:
        try:
            have = version(name)
        except PackageNotFoundError:
            missing.append(name)
        else:
            if pinned.get(_plain(name), have) != have:
                other.append(f"{name} {have}")
    install = "pip install -r requirements.txt -c constraints.txt in the virtual environment"
    if missing:
        yield problem("packages", f"not installed: {', '.join(missing)}", install)
    elif other:
        yield warning("packages", f"in another version than was tested: {', '.join(other)}", install)
    else:
        yield ok("packages", f"{len(names)} as they were tested")


def check_assets(folder: Path = ASSETS) -> Iterator[Finding]:
    """Whether the files for browsers have been made."""
    try:
        yield ok("assets", f"{len(Assets(folder))} files for browsers")
    except AssetsMissing:
        yield problem("assets", f"{folder / 'vendor'} is missing", "run python scripts/vendor.py")


def check_settings(settings: Settings, path: Path) -> Iterator[Finding]:
    """Whether clusters are named; that the file can be read is known by now."""
    if not settings.cluster:
        yield warning("settings", "no cluster is named", f"copy webstat.example.toml to {path}, and name your clusters")
    else:
        yield ok("settings", f"{len(settings.cluster)} clusters")


def check_keys(settings: Settings) -> Iterator[Finding]:
    """Whether key files can be read by us and the secret one by nobody else, and who is asked without any."""
    checks: list[tuple[str, Callable[[Path], object], Path | None]] = [
        ("the collector's secret key", load_secret, settings.collector.secret_key_file),
        ("the page's secret key", load_secret, settings.web.secret_key_file),
        *(
            ("a key of those who may listen", lambda path: load_allowed([path]), one)
            for one in settings.collector.allow
        ),
        *((f"the key of {one.name}", load_public, one.server_key_file) for one in settings.cluster),
    ]
    files = [(whose, load, path) for whose, load, path in checks if path is not None]
    wrong = 0
    for whose, load, path in files:
        try:
            load(path)
        except KeysError as error:
            wrong += 1
            words, _, action = str(error).rpartition("; ")
            yield problem(
                "keys", f"{whose}: {words or error}", action if words else "make it anew: python -m collector keys"
            )
    bare = [one.name for one in settings.cluster if not one.server_key_file and not LOOPBACK.match(one.agent)]
    if bare:
        action = "use keys or ssh: docs/operations.md, “Reaching the agent from another host”"
        yield warning("keys", f"neither encrypted nor checked: {', '.join(bare)}", action)
    elif not wrong:
        yield ok("keys", f"{len(files)} files" if files else "none needed: all agents are reached on this host")


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
