"""Every pair of a running site is changed by the steps of docs/operations.md, and no poll is lost."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq
from sqlalchemy import create_engine, func, select
from sqlalchemy.pool import NullPool

from agent.curve import Peer
from agent.keys import load_public, load_secret
from collector.schema import poll
from scripts.run import free_port
from tests.agent.samples import SAMPLES
from tests.webstat.served import wait_for

ROOT = Path(__file__).resolve().parent.parent


class Site:
    """Agent, collector and page as processes, with the keys that one command makes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys, self.login = folder / "keys", folder / "login"
        self.agent_at, self.announce, self.refresh = (f"tcp://127.0.0.1:{free_port(0)}" for _ in range(3))
        self.url = f"http://127.0.0.1:{free_port(0)}"
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._engine = create_engine(f"sqlite:///{folder}/store.sqlite", poolclass=NullPool)

    def write(self, collector: str = "collector", web: str = "web") -> None:
        (self.folder / "webstat.toml").write_text(
            f'[store]\nurl = "sqlite:///store.sqlite"\n'
            f'[collector]\nperiod_seconds = 5\ntimeout_seconds = 30\nretries = 3\nrefresh_min_seconds = 0\n'
            f'announce = "{self.announce}"\nrefresh = "{self.refresh}"\n'
            f'secret_key_file = "keys/{collector}.key_secret"\nallow = ["keys/allowed"]\n'
            f'[web]\nport = {self.url.rpartition(":")[2]}\nsecret_key_file = "keys/{web}.key_secret"\n'
            f'[[cluster]]\nname = "far"\nagent = "{self.agent_at}"\nserver_key_file = "keys/agents/far"\n'
        )  # fmt: skip

    def command(self, *arguments: str) -> str:
        done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def make_pair(self, folder: Path, name: str) -> None:
        self.command("-m", "agent", "keys", "make", str(folder), "--name", name)

    def start(self, name: str, **more: str) -> None:
        """Start a process, or another one in its place."""
        self.stop(name)
        config = ["--config", str(self.folder / "webstat.toml")]
        command = {
            "agent": ["-m", "agent", "serve", "--cluster", "far", "--bind", self.agent_at, "--min-age", "0",
                      "--replay", str(SAMPLES / "torque-6.1.3.h5" / "mixed"), "--allow", str(self.login / "collectors"),
                      "--secret-key-file", str(self.login / f"{more.get('secret', 'agent')}.key_secret")],
            "collector": ["-m", "collector", *config, "run"],
            "page": ["app.py", *config],
        }[name]  # fmt: skip
        with (self.folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen([sys.executable, *command], cwd=ROOT, stderr=log, stdout=log)

    def stop(self, name: str) -> None:
        if process := self._running.pop(name, None):
            process.send_signal(signal.SIGTERM)
            process.wait(30)

    def close(self) -> None:
        for name in tuple(self._running):
            self.stop(name)

    def polls(self) -> tuple[int, list[str]]:
        """How many polls there were, and the words of those that failed."""
        with self._engine.connect() as connection:
            number = connection.execute(select(func.count()).select_from(poll)).scalar_one()
            return number, list(connection.execute(select(poll.c.error).where(poll.c.error.is_not(None))).scalars())

    def works(self) -> None:
        """Wait until the page hears the collector, and a refresh that it wishes for has brought another poll."""
        before = self.polls()[0]
        wait_for(lambda: self._read("/healthz").get("collector_heard"), "the page to hear the collector", 60)
        wait_for(lambda: self._read("/refresh/far", "POST").get("ok"), "a refresh", 60)
        wait_for(lambda: self.polls()[0] > before, "another poll", 60)

    def _read(self, path: str, method: str = "GET") -> dict[str, Any]:
        request = urllib.request.Request(f"{self.url}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except OSError:  # it does not listen yet
            return {}

    def logs(self) -> str:
        return "\n".join(file.read_text()[-2000:] for file in self.folder.glob("*.log"))

    def is_let_in(self, kind: int, endpoint: str, server: Path, own: Path) -> bool:
        """Whether a socket with these keys is taken; refused is what was refused, not what took long."""
        events = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
        with zmq.Context() as context, context.socket(kind) as socket:
            socket.linger = 0
            monitor = socket.get_monitor_socket(events)
            try:
                Peer(endpoint, load_public(server), load_secret(own)).connect(socket)
                assert monitor.poll(20_000)
                event = int.from_bytes(monitor.recv_multipart()[0][:2], sys.byteorder)
                return event == zmq.EVENT_HANDSHAKE_SUCCEEDED
            finally:
                socket.disable_monitor()
                monitor.close(linger=0)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    site.write()
    for command in ("keys", "migrate"):
        site.command("-m", "collector", "--config", str(tmp_path / "webstat.toml"), command)
    site.login.mkdir()
    (site.login / "collectors").mkdir()
    shutil.move(site.keys / "agents" / "far" / "agent.key_secret", site.login)
    shutil.copy(site.keys / "collector.key", site.login / "collectors")
    for name in ("agent", "collector", "page"):
        site.start(name)
    try:
        yield site
    finally:
        site.close()


@pytest.mark.slow
def test_all_pairs_are_changed_and_no_poll_is_lost(site: Site) -> None:
    keys, login = site.keys, site.login
    allowed, collectors, agents = keys / "allowed", login / "collectors", keys / "agents" / "far"
    site.works()

    # The collector's: the new one beside the old at each agent, swap, remove the old.
    site.make_pair(keys, "collector-2")
    shutil.copy(keys / "collector-2.key", collectors)
    site.works()
    site.write(collector="collector-2")
    site.start("collector")
    site.works()
    (collectors / "collector.key").unlink()
    site.works()

    # The agent's: the new one beside the old at each collector, swap, remove the old.
    site.make_pair(login, "agent-2")
    shutil.copy(login / "agent-2.key", agents)
    site.works()
    site.start("agent", secret="agent-2")
    site.works()
    (agents / "agent.key").unlink()
    site.works()

    # The page's: the new one beside the old at each collector, swap, remove the old.
    site.make_pair(keys, "web-2")
    shutil.copy(keys / "web-2.key", allowed)
    site.works()
    site.write(collector="collector-2", web="web-2")
    site.start("page")
    site.works()
    (allowed / "web.key").unlink()
    site.works()

    number, failed = site.polls()
    assert (number > 10, failed) == (True, []), site.logs()
    new, old = keys / "collector-2.key", keys / "collector.key"
    for endpoint, kind in ((site.announce, zmq.SUB), (site.refresh, zmq.REQ)):
        assert site.is_let_in(kind, endpoint, new, keys / "web-2.key_secret")
        assert not site.is_let_in(kind, endpoint, new, keys / "web.key_secret"), "the old pair of the page"
        assert not site.is_let_in(kind, endpoint, old, keys / "web-2.key_secret"), "the old pair of the collector"
    agent, before = login / "agent-2.key", keys / "agents" / "far" / "agent-2.key"
    assert load_public(agent) == load_public(before)
    assert site.is_let_in(zmq.REQ, site.agent_at, agent, keys / "collector-2.key_secret")
    assert not site.is_let_in(zmq.REQ, site.agent_at, agent, keys / "collector.key_secret")
    logged = (site.folder / "agent.log").read_text() + (site.folder / "collector.log").read_text()
    assert len(re.findall("peer not allowed", logged)) == 2, "those two old ones, and nobody during the change"
