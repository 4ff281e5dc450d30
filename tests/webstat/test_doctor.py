"""`python -m webstat doctor`: a site that is well, and one that is not for each thing it looks at."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from agent.keys import make_keys
from collector.settings import ClusterSettings, CollectorSettings, Settings, WebSettings
from tests.webstat.served import FakeCollector, served, settings_for
from tests.webstat.stores import TIMEOUT, Builder, Shape, toml
from webstat.__main__ import main
from webstat.data.queries.store import wal_of
from webstat.data.source import Source
from webstat.doctor import find_all, host, show, site, stored
from webstat.doctor import served as listening
from webstat.doctor.finding import Finding, Level, ok

GOOD = (Shape("one", "One", nodes=2, days=1), Shape("two", "Two", nodes=2, days=1))


def call(config: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["--config", str(config), "doctor", *words])


@pytest.fixture
def collector() -> Iterator[FakeCollector]:
    fake = FakeCollector()
    yield fake
    fake.close()


@pytest.fixture
def builder(tmp_path: Path) -> Iterator[Builder]:
    builder = Builder(tmp_path / "store.sqlite")
    yield builder
    builder.close()


def configured(builder: Builder, shapes: tuple[Shape, ...], collector: FakeCollector | None, port: int) -> Path:
    """A site's webstat.toml; without a collector nobody announces."""
    announce = collector.announce if collector else "tcp://127.0.0.1:9"
    path = builder.path.parent / "webstat.toml"
    path.write_text(toml(builder, shapes, announce, announce, port))
    return path


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def answering() -> Iterator[int]:
    """The port of something that answers everybody with one line, and is nothing that webstat knows."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            with peer:
                peer.recv(1024)
                peer.sendall(b"HTTP/1.0 200 OK\r\n\r\nhello\r\n")

    thread = threading.Thread(target=serve)
    thread.start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


def levels(findings: Iterator[Finding]) -> list[tuple[str, str]]:
    return [(one.level.name, one.what) for one in findings]


def test_a_site_that_is_well(builder: Builder, collector: FakeCollector) -> None:
    for shape in GOOD:
        builder.add(shape)
    with served(settings_for(builder.url, "one", "two", collector=collector)) as server:
        config = configured(builder, GOOD, collector, server.port)
        done = call(config)
        told = json.loads(call(config, "--json").stdout)
    lines = done.stdout.splitlines()
    # Another version of a package than was tested is a warning, and may be so where the tests run.
    assert [line for line in lines if not line.startswith("ok ") and " packages " not in line] == []
    assert done.exit_code == {"ok": 0, "warning": 1}[told["worst"]]
    found = {one["what"] for one in told["findings"]}
    assert found >= {"python", "packages", "assets", "units", "settings", "keys", "zone", "page", "store"}
    assert found >= {"disk", "wal", "collector", "clock", "cluster"}
    assert len(lines) == len(told["findings"])
    assert all(set(one) == {"level", "what", "words", "action"} for one in told["findings"])
    assert collector.asked == [], "no cluster was asked"
    assert "\x1b" not in done.stdout and "✓" not in done.stdout, "colours and ticks are for terminals"


def test_a_site_of_which_nothing_runs(builder: Builder) -> None:
    shapes = (
        Shape("gone", "Gone", nodes=2, days=1, age=7200, failures=6, error_code="silent", error=TIMEOUT),
        Shape("locked", "Locked", seen=False, failures=4, error_code="refused", error="the agent refused the key"),
        Shape("late", "Late", nodes=2, days=1, age=180.0, failures=1, error_code="silent", error="no\nanswer\x1b[31m"),
        Shape("fresh", "Fresh", seen=False),
    )
    for shape in shapes:
        builder.add(shape)
    done = call(configured(builder, shapes, None, free_port()))
    assert done.exit_code == 2
    words = done.stdout
    assert re.search(
        r"problem +collector +none is heard at tcp://127.0.0.1:9 → systemctl start webstat-collector", words
    )
    assert re.search(r"warning +page +nothing listens at http://127.0.0.1:\d+: the port is free → systemctl", words)
    assert re.search(r"problem +cluster +gone: silent, 2 h old\. Does not answer .* → python -m collector check", words)
    assert re.search(r"problem +cluster +locked: refused\. .* → python -m collector check", words)
    assert re.search(r"warning +cluster +late: late, 3 min old", words)
    assert re.search(r"warning +cluster +fresh: new\. .* → wait for the first report", words)
    assert "\x1b" not in words, "a scheduler's words draw nothing"


def test_settings_that_are_missing_or_wrong(tmp_path: Path) -> None:
    done = call(tmp_path / "none.toml")
    assert done.exit_code == 2
    assert re.search(r"problem +settings .*copy webstat\.example\.toml", done.stdout)
    (tmp_path / "bad.toml").write_text("[web]\nport = 'x'\n")
    done = call(tmp_path / "bad.toml", "--json")
    assert done.exit_code == 2
    (found,) = (one for one in json.loads(done.stdout)["findings"] if one["what"] == "settings")
    assert "[web] port" in found["words"]
    assert levels(site.check_settings(Settings(), tmp_path)) == [("WARNING", "settings")]


def test_a_page_that_is_open_to_other_hosts(tmp_path: Path) -> None:
    (tmp_path / "webstat.toml").write_text('[web]\nhost = "0.0.0.0"\n')
    (found,) = (one for one in find_all(tmp_path / "webstat.toml") if one.what == "access")
    assert (found.level, "beyond_loopback" in found.words) == (Level.PROBLEM, True)


def test_a_store_that_is_missing_broken_or_of_another_schema(builder: Builder, tmp_path: Path) -> None:
    def looked_at(url: str) -> Finding:
        source = Source(settings_for(url))
        (found,) = stored.check_store(source)
        source.close()
        return found

    assert looked_at(f"sqlite:///{tmp_path}/none.sqlite").action == "the collector makes it"
    (tmp_path / "bad.sqlite").write_bytes(b"no database at all, and long enough to be looked into" * 50)
    broken = looked_at(f"sqlite:///{tmp_path}/bad.sqlite")
    assert (broken.level, "not a database" in broken.words) == (Level.PROBLEM, True)
    assert looked_at(builder.url).level is Level.OK
    with builder.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num='9999'"))
    newer = looked_at(builder.url)
    assert (newer.level, newer.action) == (Level.PROBLEM, "install the newer one")


def test_a_full_disk_a_long_log_and_a_folder_of_others(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_for(builder.url)
    assert levels(stored.check_disk(settings)) == [("OK", "disk"), ("OK", "wal")]
    monkeypatch.setattr(stored, "LITTLE_BYTES", 1 << 60)
    monkeypatch.setattr(stored, "LARGE_WAL", 10)
    builder.add(GOOD[0])
    assert wal_of(builder.path).stat().st_size > 10
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    assert levels(stored.check_disk(settings)) == [("WARNING", "disk"), ("WARNING", "wal"), ("PROBLEM", "disk")]


def test_reports_from_the_future(builder: Builder) -> None:
    builder.add(Shape("ahead", "Ahead", nodes=1, days=1, age=-100.0))
    source = Source(settings_for(builder.url))
    (found,) = stored.check_clock(source)
    source.close()
    assert (found.level, "ahead" in found.words) == (Level.WARNING, True)
    assert "NTP" in found.action


def test_a_collector_that_is_overdue_or_is_something_else(
    builder: Builder, collector: FakeCollector, answering: int
) -> None:
    builder.add(Shape("old", "Old", nodes=1, days=1, age=7200))
    for announce, words in (
        (collector.announce, "every poll is overdue"),
        (f"tcp://127.0.0.1:{answering}", "none is heard"),
    ):
        settings = settings_for(builder.url).model_copy(update={"collector": CollectorSettings(announce=announce)})
        source = Source(settings)
        (found,) = listening.check_collector(source)
        source.close()
        assert (found.level, words in found.words) == (Level.PROBLEM, True)


def test_a_page_that_is_not_ready_or_is_something_else(tmp_path: Path, answering: int) -> None:
    with served(settings_for(f"sqlite:///{tmp_path}/none.sqlite", "one")) as server:
        (found,) = listening.check_page(Settings(web=WebSettings(host="0.0.0.0", port=server.port)))
    assert found.level is Level.PROBLEM
    assert "is not ready: store: there is none yet" in found.words
    (found,) = listening.check_page(Settings(web=WebSettings(port=answering)))
    assert (found.level, found.words.endswith("is not webstat")) == (Level.PROBLEM, True)


def test_keys_that_others_can_read_are_missing_or_are_none(tmp_path: Path) -> None:
    def looked_at(agent: str, key: Path | None, secret: Path | None) -> list[Finding]:
        cluster = ClusterSettings(name="c", agent=agent, server_key_file=key)
        return list(site.check_keys(Settings(cluster=(cluster,), collector=CollectorSettings(secret_key_file=secret))))

    public, secret = make_keys(tmp_path / "keys", "collector")
    far = "tcp://login1.example.org:7621"
    assert [one.level for one in looked_at(far, public, secret)] == [Level.OK]
    assert [one.level for one in looked_at("tcp://127.0.0.1:7621", None, None)] == [Level.OK]
    assert [one.level for one in looked_at(far, None, None)] == [Level.WARNING]
    secret.chmod(0o644)
    (open_to_all,) = looked_at(far, public, secret)
    assert (open_to_all.level, open_to_all.action) == (Level.PROBLEM, f"run: chmod 600 {secret}")
    secret.chmod(0o600)
    (missing,) = looked_at(far, tmp_path / "none.key", secret)
    assert (missing.level, "key of c" in missing.words) == (Level.PROBLEM, True)


def test_packages_that_are_missing_or_of_another_version(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("# said\n-r other.txt\nclick>=8\nno-such-package>=1\n")
    (tmp_path / "constraints.txt").write_text("click==0.1\n")
    assert levels(site.check_versions(tmp_path)) == [("OK", "python"), ("PROBLEM", "packages")]
    (tmp_path / "requirements.txt").write_text("click>=8\n")
    _, other = site.check_versions(tmp_path)
    assert (other.level, "click " in other.words) == (Level.WARNING, True)


def test_assets_that_were_not_made(tmp_path: Path) -> None:
    (found,) = site.check_assets(tmp_path)
    assert (found.level, found.action) == (Level.PROBLEM, "run python scripts/vendor.py")


@pytest.mark.parametrize(
    ("state", "level", "action"),
    [
        ("LoadState=loaded ActiveState=active SubState=running NRestarts=0", "OK", ""),
        ("LoadState=loaded ActiveState=active SubState=running NRestarts=7", "WARNING", "journalctl -u webstat-web"),
        (
            "LoadState=loaded ActiveState=inactive SubState=dead NRestarts=0",
            "WARNING",
            "systemctl enable --now webstat-web",
        ),
        ("LoadState=loaded ActiveState=failed SubState=failed NRestarts=0", "PROBLEM", "journalctl -u webstat-web"),
        ("LoadState=not-found ActiveState=inactive", "OK", ""),
    ],
)
def test_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str, level: str, action: str) -> None:
    program = tmp_path / "systemctl"
    lines = "\\n".join(state.split())
    program.write_text(f'#!/bin/sh\n[ "$3" = webstat-web ] && printf "{lines}\\n" || echo LoadState=not-found\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (found,) = host.check_units(tmp_path)
    assert (found.level.name, found.action) == (level, action)


def test_no_time_zones(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> None:
        raise KeyError(name)

    monkeypatch.setattr(host, "ZoneInfo", none)
    assert levels(host.check_zone(Settings())) == [("PROBLEM", "zone")]


def test_memcached(answering: int) -> None:
    class Web:
        memcached = (f"127.0.0.1:{answering}", "127.0.0.1:9", "/nowhere/socket")

    class Site:
        web = Web()

    found = levels(listening.check_memcached(Site()))  # type: ignore[arg-type]
    assert found == [("PROBLEM", "memcached"), ("WARNING", "memcached"), ("WARNING", "memcached")]


def test_a_check_that_fails_itself_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "webstat.toml").write_text("")
    monkeypatch.setattr(site, "check_keys", lambda settings: 1 / 0)
    found = list(find_all(tmp_path / "webstat.toml"))
    (broken,) = (one for one in found if one.what == "keys")
    assert broken.words == "this could not be looked at: ZeroDivisionError: division by zero"
    assert found[-1].what != "keys"


def test_ticks_and_colours_are_for_terminals(capsys: pytest.CaptureFixture[str]) -> None:
    findings = [ok("store", "it can be read"), Finding(Level.WARNING, "page", "late", "wait")]
    assert show(findings, as_json=False, terminal=False) == 1
    assert capsys.readouterr().out == "ok       store      it can be read\nwarning  page       late → wait\n"
    assert show(findings, as_json=False, terminal=True) == 1
    assert "✓ store" in capsys.readouterr().out
