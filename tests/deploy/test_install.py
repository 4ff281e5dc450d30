"""deploy/install.sh on folders of its own: install, run as the units say, upgrade, uninstall; data stay."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.run import free_port
from tests.agent.samples import SAMPLES
from tests.deploy.services import MOST_EXPOSURE, exposure, service
from tests.webstat.served import wait_for
from webstat.secret import load_secret

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = ROOT / "deploy" / "install.sh"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="installs, which takes root"),
    pytest.mark.skipif(shutil.which("useradd") is None, reason="needs useradd"),
]


@dataclass(frozen=True)
class Site:
    """Where a webstat of these tests is installed."""

    folder: Path
    user: str

    @property
    def prefix(self) -> Path:
        return self.folder / "opt"

    @property
    def config(self) -> Path:
        return self.folder / "etc"

    @property
    def state(self) -> Path:
        return self.folder / "var"

    @property
    def units(self) -> Path:
        return self.folder / "units"

    def install(self, role: str, *more: str, code: int = 0) -> str:
        """Run the script; returns what it said."""
        places = [f"--{name}={getattr(self, name)}" for name in ("prefix", "config", "state", "units")]
        words = [word for place in places for word in place.split("=")]
        done = subprocess.run(
            [str(SCRIPT), role, *words, "--user", self.user, "--no-start", *more], capture_output=True, text=True
        )
        assert done.returncode == code, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout + done.stderr


@pytest.fixture
def site() -> Iterator[Site]:
    # Not in pytest's own folder: the service's user has to come here, and any other pytest closes that folder to others.
    with tempfile.TemporaryDirectory(prefix="webstat-install-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        found = Site(folder, f"webstat-t{os.getpid()}")
        yield found
        subprocess.run(["userdel", found.user], capture_output=True)


def files(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Path -> contents, mode and owner of each file below."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found[str(path.relative_to(folder))] = (path.read_bytes(), path.stat().st_mode, path.stat().st_uid)
    return found


def test_an_agent_from_nothing_to_nothing(site: Site) -> None:
    site.install("agent", "--cluster", "mine", "--bind", "tcp://127.0.0.1:0")
    assert pwd.getpwnam(site.user).pw_shell == "/usr/sbin/nologin"
    secret = site.config / "keys" / "agent.key_secret"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert secret.owner() == site.user
    assert (site.config / "agent.env").stat().st_mode & 0o777 == 0o640

    with (site.config / "agent.env").open("a", encoding="utf-8") as settings:
        settings.write(f"WEBSTAT_AGENT_REPLAY={SAMPLES / 'torque-6.1.3.h5' / 'mixed'}\n")
    (site.prefix / "agent" / "of_an_older_version.py").touch()
    before = files(site.config)
    site.install("agent", "--cluster", "another")
    assert files(site.config) == before, "settings and keys stay"
    assert not (site.prefix / "agent" / "of_an_older_version.py").exists()

    with service(site.units / "webstat-agent.service", site.user, site.folder) as agent:
        agent.wait_for("READY=1")
        assert re.search(r"STATUS=serving mine at tcp://127\.0\.0\.1:\d+", "\n".join(agent.said))
        agent.wait_for("WATCHDOG=1", times=4)
        agent.stop()

    said = site.install("uninstall")
    assert str(site.config) in said
    assert not site.prefix.exists()
    assert list(site.units.iterdir()) == []
    assert files(site.config) == before


def is_heard(port: int) -> bool:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz") as answer:
        heard: bool = json.load(answer)["collector_heard"]
        return heard


def test_collector_and_page(site: Site) -> None:
    said = site.install("server")
    assert f"{site.config}/webstat.toml: name your clusters" in said
    secrets = [site.config / "keys" / f"{name}.key_secret" for name in ("collector", "web")]
    assert [(one.stat().st_mode & 0o777, one.owner()) for one in secrets] == [(0o600, site.user)] * 2
    config = site.config / "webstat.toml"
    port, announce, refresh = (free_port(0) for _ in range(3))
    text = config.read_text(encoding="utf-8")
    for old, new in (
        ("port = 8050", f"port = {port}"),
        ("127.0.0.1:7622", f"127.0.0.1:{announce}"),
        ("127.0.0.1:7623", f"127.0.0.1:{refresh}"),
        ("tcp://login1.example.org:7621", "tcp://127.0.0.1:9"),
    ):
        assert old in text
        text = text.replace(old, new)
    config.write_text(text, encoding="utf-8")
    before = files(site.config)

    collector, page = (site.units / f"webstat-{name}.service" for name in ("collector", "web"))
    for _ in range(2):  # the second time it is an upgrade
        with service(collector, site.user, site.folder) as polling, service(page, site.user, site.folder) as web:
            polling.wait_for("READY=1")
            web.wait_for("READY=1")
            for one in (polling, web):
                one.wait_for("WATCHDOG=1", times=3)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz") as answer:
                assert json.load(answer)["clusters"] == 1
            wait_for(lambda: is_heard(port), "the page to hear the collector, with the keys that were made")
            web.stop()
            polling.stop()
        site.install("server")
        assert files(site.config) == before

    store = site.state / "webstat.sqlite"
    assert store.owner() == site.user
    site.install("uninstall")
    assert store.exists()
    assert not site.prefix.exists()
    assert files(site.config) == before


def test_several_web_processes(site: Site) -> None:
    """The same unit at a port each, of the same number after an upgrade, and one again where that is said."""
    said = site.install("server", "--workers", "3")
    assert "webstat-web@8051 webstat-web@8052 webstat-web@8053" in said
    assert not (site.units / "webstat-web.service").exists()
    secret = site.config / "keys" / "web.secret"
    assert (secret.stat().st_mode & 0o777, secret.owner()) == (0o600, site.user)
    assert len(load_secret(secret, "memcached")) == 32
    assert "webstat-web@8053" in site.install("server")

    port = free_port(0)
    template = site.units / "webstat-web@.service"
    instance = site.units / f"webstat-web@{port}.service"
    instance.write_text(template.read_text(encoding="utf-8").replace("%i", str(port)), encoding="utf-8")
    with service(instance, site.user, site.folder) as web:
        web.wait_for("READY=1")
        assert f"STATUS=page at http://127.0.0.1:{port}/" in "\n".join(web.said)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz") as answer:
            assert answer.status == 200
        web.stop()
    instance.unlink()
    if shutil.which("systemd-analyze"):
        assert exposure(template) < MOST_EXPOSURE

    said = site.install("server", "--workers", "1")
    assert "webstat-web)" in said
    assert not template.exists()
    site.install("server", "--workers", "2")
    site.install("uninstall")
    assert list(site.units.iterdir()) == []


def test_what_is_not_its_own_is_left_alone(site: Site) -> None:
    site.prefix.mkdir()
    (site.prefix / "precious").touch()
    said = site.install("server", code=1)
    assert "not empty and not webstat's" in said
    site.install("uninstall")
    assert (site.prefix / "precious").exists()


@pytest.mark.parametrize(
    ("role", "more", "words"),
    [
        ("agent", [], "--cluster NAME"),
        ("agent", ["--cluster", "a b"], "a cluster's name"),
        ("server", ["--prefix", "relative"], "absolute folder"),
        ("server", ["--state", "/with space"], "absolute folder"),
        ("server", ["--colour"], "there is no option --colour"),
        ("server", ["--user"], "--user needs a value"),
        ("server", ["--workers", "many"], "--workers many: give a number"),
        ("server", ["--workers", "0"], "--workers 0: give a number"),
        ("both", [], "agent, server, or uninstall"),
    ],
)
def test_what_is_wrong_is_said(site: Site, role: str, more: list[str], words: str) -> None:
    assert words in site.install(role, *more, code=1)
    assert not site.prefix.exists()
