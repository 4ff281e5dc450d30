"""A site as it is run for good, every part a process that can be killed: HAProxy before two web processes, memcached,
PostgreSQL, two collectors, and agents with CURVE keys, one on a real scheduler and some that replay recordings.

A keeper starts again what has died, as systemd does.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg

from agent.keys import make_keys
from agent.probe import take_report
from agent.recording import Replay
from agent.states import JobState
from collector.schema import OPEN
from scripts.run import free_port
from tests.databases import Postgres
from tests.webstat.programs import HAProxy, program
from tests.webstat.recorded import SAMPLES
from tests.webstat.served import wait_for

ROOT = Path(__file__).resolve().parent.parent

REPLAYED = {"mixed": "openpbs-23.06.06/mixed", "torque": "torque-6.1.3.h5/mixed", "old": "torque-2.5.13/mixed"}
"""Cluster -> what it replays."""
REAL = "slurm"
CLUSTERS = (REAL, *REPLAYED)
PERIOD = 10
RESTART_SECONDS = 1.0
"""After which a process that died is started again."""


class Site:
    """Its parts by name, and where its page is."""

    def __init__(self, folder: Path, scheduler: Mapping[str, str]) -> None:
        self.folder = folder
        self.postgres = Postgres(careful=True)
        self.postgres.run("CREATE DATABASE site")
        self.url = self.postgres.url("site")
        self._scheduler = scheduler
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._commands: dict[str, tuple[list[str], Mapping[str, str]]] = {}
        self._over = threading.Event()
        ports = [free_port(0) for _ in range(2)]
        self.front = HAProxy(folder, ports)
        self._cache = free_port(0)
        self._write_settings()
        python, start = sys.executable, str(int(time.time()))
        account = ["-u", "root"] if os.geteuid() == 0 else []
        self._add("memcached", [program("memcached"), "-l", "127.0.0.1", "-p", str(self._cache), "-U", "0", *account])
        for name, endpoint in self._agents.items():
            served = ["--bind", endpoint, "--min-age", "1", "--allow", str(folder / "keys/collectors"),
                      "--secret-key-file", str(folder / f"keys/{name}.key_secret")]  # fmt: skip
            if name == REAL:
                self._add(f"agent {name}", [python, "-m", "agent", "serve", "--cluster", name, *served], scheduler)
            else:
                self._add(f"agent {name}", [python, "-m", "tests.replaying", REPLAYED[name], name, start, *served])
        for number in (1, 2):
            config = str(folder / f"collector{number}.toml")
            self._add(f"collector {number}", [python, "-m", "collector", "--config", config, "run"])
        for number, port in enumerate(ports, 1):
            config = str(folder / "collector1.toml")
            self._add(f"web {number}", [python, "app.py", "--config", config, "--port", str(port)])
        self._add("haproxy", [program("haproxy"), "-db", "-f", str(self.front.config)])
        self._keeper = threading.Thread(target=self._keep)

    @property
    def parts(self) -> tuple[str, ...]:
        """Everything that can be killed."""
        return (*self._commands, "postgresql")

    def _write_settings(self) -> None:
        keys = self.folder / "keys"
        self._agents = {name: f"tcp://127.0.0.1:{free_port(0)}" for name in CLUSTERS}
        for name in (*CLUSTERS, "web", "collector"):
            make_keys(keys, name)
        for folder, name in (("allowed", "web"), ("collectors", "collector")):
            (keys / folder).mkdir()
            (keys / folder / f"{name}.key").write_bytes((keys / f"{name}.key").read_bytes())
        clusters = "".join(
            f'[[cluster]]\nname = "{name}"\nagent = "{endpoint}"\nserver_key_file = "keys/{name}.key"\n'
            for name, endpoint in self._agents.items()
        )
        for number in (1, 2):
            (self.folder / f"collector{number}.toml").write_text(
                f'[store]\nurl = "{self.url}"\n'
                f"[collector]\nperiod_seconds = {PERIOD}\ntimeout_seconds = 10\nretries = 1\nbackoff_max_seconds = {PERIOD}\n"
                f"load_share = 0.0\nlease_seconds = 3\n"
                f'announce = "tcp://127.0.0.1:{free_port(0)}"\nrefresh = "tcp://127.0.0.1:{free_port(0)}"\n'
                f'secret_key_file = "keys/collector.key_secret"\nallow = ["keys/allowed"]\n'
                f'[web]\nproxies = ["127.0.0.1"]\nmemcached = "127.0.0.1:{self._cache}"\n'
                f'secret_file = "keys/web.secret"\nsecret_key_file = "keys/web.key_secret"\n'
                f"{clusters}"
            )

    def _add(self, name: str, command: Sequence[str], environment: Mapping[str, str] = os.environ) -> None:
        self._commands[name] = (list(command), environment)

    def _start(self, name: str) -> None:
        command, environment = self._commands[name]
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                command, cwd=ROOT, env={**environment}, stdout=log, stderr=log, start_new_session=True
            )

    def _keep(self) -> None:
        while not self._over.wait(RESTART_SECONDS):
            if self.postgres.process.poll() is not None:
                self.postgres.start()
            for name, process in list(self._processes.items()):
                if process.poll() is not None:
                    self._start(name)

    def kill(self, name: str) -> None:
        """kill -9."""
        if name == "postgresql":
            self.postgres.kill()
        else:
            os.killpg(self._processes[name].pid, signal.SIGKILL)

    def said(self, name: str) -> str:
        """The end of a part's log."""
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""

    def _answers(self) -> bool:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"{self.front.url}/clusters.json", context=self.front.context, timeout=10) as answer,
        ):
            return all(cluster["state"] == "live" for cluster in json.load(answer)["clusters"])
        return False

    def reports(self) -> dict[str, int]:
        """Each cluster's newest report."""
        return dict(self._ask("SELECT name, report FROM cluster"))

    def check_store(self) -> None:
        """Nothing is lost or doubled: every report once, every job once, every job in one state at a time."""
        for name, ident, report in self._ask("SELECT name, id, report FROM cluster"):
            told = self._ask(
                f"SELECT report, taken_at FROM poll WHERE cluster_id = {ident} AND report IS NOT NULL ORDER BY id"
            )
            assert [number for number, _ in told] == list(range(1, report + 1)), name
            times = [taken_at for _, taken_at in told]
            assert times == sorted(set(times)), name
            jobs = f"FROM job WHERE cluster_id = {ident}"
            assert (
                self._ask(f"SELECT number, submitted_at {jobs} GROUP BY number, submitted_at HAVING count(*) > 1") == []
            )
            living = self._ask(f"SELECT count(*) {jobs} AND ended_at IS NULL")[0][0]
            spans = f"FROM job_span JOIN job ON job.id = job_id WHERE cluster_id = {ident}"
            assert self._ask(f"SELECT count(*) {spans} AND until = {OPEN}")[0][0] == living, name
            assert self._ask(f"SELECT count(*) {spans} AND until = {OPEN} AND ended_at IS NOT NULL")[0][0] == 0, name
            if name in REPLAYED:
                recorded = take_report(Replay(SAMPLES / REPLAYED[name]))
                assert living == sum(job.state is not JobState.FINISHED for job in recorded.jobs), name

    def _ask(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(host=str(self.postgres.folder), user="postgres", dbname="site") as connection:
            return connection.execute(query).fetchall()  # type: ignore[call-overload, no-any-return]

    @contextlib.contextmanager
    def running(self) -> Iterator[Site]:
        """For as long as the block lasts."""
        try:
            for name in self._commands:
                self._start(name)
                if name == "collector 1":
                    time.sleep(2)  # it makes the tables
            self._keeper.start()
            wait_for(self._answers, "the page to answer through HAProxy", 120)
            yield self
        finally:
            self._over.set()
            if self._keeper.is_alive():
                self._keeper.join(60)
            for process in self._processes.values():
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait(30)
            self.postgres.stop()
