"""Where tests keep their stores: in files of SQLite, or in databases of a real PostgreSQL that is started for them.

A test asks store_at() for the URL of the store that stands at a path; which kind that is, the fixture `each_store` says.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import URL

from collector.database import migrate, open_engine

TEMPLATE = "webstat_template"
"""A database with this version's schema and nothing in it: copied in a tenth of the time that the migrations take."""


class Postgres:
    """A server of its own: in a temporary folder, on a socket there; `careful` of power cuts, which costs time."""

    def __init__(self, careful: bool = False) -> None:
        programs = find_programs()
        if programs is None:
            pytest.skip("no PostgreSQL found: apt-get install postgresql to have the tests of stores in it")
        self.folder = Path(tempfile.mkdtemp(prefix="webstat-pg-"))
        self._made: dict[Path, str] = {}
        as_user: dict[str, Any] = {}
        if os.geteuid() == 0:  # it refuses to run as root
            account = pwd.getpwnam("postgres")
            os.chown(self.folder, account.pw_uid, account.pw_gid)
            as_user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        data = self.folder / "data"
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"],
            check=True, capture_output=True, timeout=120, cwd=self.folder, **as_user,
        )  # fmt: skip
        options = {
            "listen_addresses": "", "unix_socket_directories": str(self.folder), "max_connections": "200",
            "shared_buffers": "64MB",
        }  # fmt: skip
        if not careful:
            options |= dict.fromkeys(("fsync", "synchronous_commit", "full_page_writes"), "off")
        self._command = [programs / "postgres", "-D", data, *(f"--{name}={value}" for name, value in options.items())]
        self._programs, self._as_user = programs, as_user
        atexit.register(self.stop)
        self.start()
        self.run(f"CREATE DATABASE {TEMPLATE}")
        engine = open_engine(self.url(TEMPLATE))
        migrate(engine)
        engine.dispose()

    def start(self) -> None:
        """Start it, again where it was killed."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self._command, stdout=log, stderr=log, cwd=self.folder, start_new_session=True, **self._as_user
            )
        self._wait(self._programs)

    def kill(self) -> None:
        """kill -9 of all its processes, as a power cut would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=30)

    def stop(self) -> None:
        """End it; its databases go."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGQUIT)
        self.process.wait(timeout=30)
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str) -> str:
        """The SQLAlchemy URL of a database."""
        query = {"host": str(self.folder), "user": "postgres"}
        return URL.create("postgresql", database=database, query=query).render_as_string()

    def run(self, statement: str) -> None:
        """A statement that no transaction may hold."""
        with psycopg.connect(host=str(self.folder), user="postgres", dbname="postgres", autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload]

    def database_at(self, path: Path) -> str:
        """The name of the database that stands for a file; made where there was none."""
        if path not in self._made:
            name = "s" + hashlib.sha256(str(path).encode()).hexdigest()[:24]
            self.run(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
            self._made[path] = name
        return self._made[path]

    def drop_all(self) -> None:
        """Forget every database that stands for a file of a test that is over."""
        for name in self._made.values():
            self.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self._made.clear()

    def _wait(self, programs: Path) -> None:
        ready = [programs / "pg_isready", "-q", "-t", "30", "-h", self.folder, "-U", "postgres"]
        for _ in range(300):
            if subprocess.run(ready, timeout=60).returncode == 0:
                return
            if self.process.poll() is not None:
                break
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.1)
        raise RuntimeError((self.folder / "log").read_text(errors="replace"))


def find_programs() -> Path | None:
    """The folder with PostgreSQL's server programs: Debian keeps them off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4].split(".")[0]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


_server: Postgres | None = None
_used = False


@contextlib.contextmanager
def kept_in(kind: str) -> Iterator[None]:
    """Within, store_at() gives stores of this kind: sqlite or postgresql."""
    global _used
    server = running() if kind == "postgresql" else None
    before, _used = _used, server is not None
    try:
        yield
    finally:
        _used = before
        if server is not None:
            server.drop_all()


def running() -> Postgres:
    """The server, started by the first that asks; it ends with the tests."""
    global _server
    if _server is None:
        _server = Postgres()
    return _server


def store_at(path: Path) -> str:
    """The URL of the store that stands at this path: the file, or a database of its own."""
    if _used:
        return running().url(running().database_at(path))
    return URL.create("sqlite", database=str(path)).render_as_string()
