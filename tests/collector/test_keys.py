"""`keys` and `check`: one command makes a site's keys, the other says what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.keys import load_public, load_secret, make_keys
from collector.__main__ import MARKS
from collector.check import check_sockets
from collector.keys_command import make_site_keys
from collector.settings import load_settings
from tests.collector.test_command_line import collector

CLUSTERS = (
    '[[cluster]]\nname = "far"\nagent = "tcp://login.example.org:7621"\n'
    '[[cluster]]\nname = "tunnel"\nagent = "tcp://127.0.0.1:1"\n'
)
WRITTEN = '[collector]\nsecret_key_file = "keys/collector.key_secret"\nallow = ["keys/allowed"]\n{more}[web]\n{web}'
WEB = 'secret_key_file = "keys/web.key_secret"\n'


def written(more: str = "", web: str = WEB) -> str:
    return WRITTEN.format(more=more, web=web)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "webstat.toml"
    path.write_text(CLUSTERS)
    yield path


def test_one_command_makes_all_keys_and_says_what_goes_where(config: Path) -> None:
    folder = config.parent / "keys"
    made = collector(config, "keys")
    assert made.returncode == 0, made.stderr
    pairs = {name: load_secret(folder / f"{name}.key_secret") for name in ("collector", "web", "agents/far/agent")}
    assert len({pair.public for pair in pairs.values()}) == 3
    assert load_public(folder / "allowed" / "web.key") == pairs["web"].public
    assert sorted(contents(folder)) == [
        "agents/far/agent.key", "agents/far/agent.key_secret", "allowed/web.key", "collector.key", "collector.key_secret",
        "web.key", "web.key_secret",
    ]  # fmt: skip
    lines = made.stdout.splitlines()
    told = {line.strip() for line in lines[lines.index("Write into webstat.toml:") :]}
    assert {'allow = ["keys/allowed"]', 'server_key_file = "keys/agents/far"', *WEB.splitlines()} <= told
    assert "For the agent of far, on login.example.org:" in told
    assert any(str(folder / "agents/far/agent.key_secret") in line and "delete it here" in line for line in told)


def test_what_exists_is_left_alone_and_checked(config: Path) -> None:
    folder = config.parent / "keys"
    make_all(config)
    before = contents(folder)
    config.write_text(written() + CLUSTERS.replace("\n[[", '\nserver_key_file = "keys/agents/far"\n[['))
    again = collector(config, "keys")
    assert (again.returncode, contents(folder)) == (0, before)
    assert "Write into" not in again.stdout
    (folder / "agents/far/agent.key_secret").unlink()  # it is on the login node now
    moved = collector(config, "keys")
    assert "whose secret key is elsewhere" in moved.stdout
    assert "delete it here" not in moved.stdout
    make_keys(config.parent / "more", "second")
    (folder / "allowed" / "web.key").write_bytes((config.parent / "more" / "second.key").read_bytes())
    refused = collector(config, "keys")
    assert refused.returncode == 1
    assert "holds another key" in refused.stderr
    (folder / "collector.key_secret").chmod(0o644)
    assert "chmod 600" in collector(config, "keys").stderr


def test_agents_may_be_left_out(config: Path) -> None:
    assert collector(config, "keys", "--no-agents", "--dir", str(config.parent / "here")).returncode == 0
    assert not list((config.parent / "here").glob("agents*"))
    assert (config.parent / "here" / "allowed" / "web.key").exists()


def make_all(config: Path) -> None:
    list(make_site_keys(load_settings(config), config.parent, config.parent / "keys", True))


def findings(config: Path) -> list[str]:
    return [f"{MARKS[one.ok]} {one.what} {one.words}" for one in check_sockets(load_settings(config))]


def test_check_says_it(config: Path) -> None:
    config.write_text(
        "[collector]\nannounce = 'tcp://0.0.0.0:7622'\n" + CLUSTERS.replace("login.example.org", "127.0.0.1")
    )
    said = collector(config, "check").stdout
    assert "announcements and refreshes (tcp://0.0.0.0:7622, tcp://127.0.0.1:7623)\n  ✕ keys" in said


@pytest.mark.parametrize(
    ("change", "mark", "words"),
    [
        (lambda folder: None, "✓ page", "its key is allowed"),
        (lambda folder: (folder / "allowed" / "web.key").unlink(), "✕ keys", "no public key in"),
        (lambda folder: (folder / "allowed").chmod(0o777), "✕ keys", "chmod go-w"),
        (lambda folder: (folder / "collector.key_secret").chmod(0o640), "✕ keys", "chmod 600"),
        (lambda folder: (folder / "web.key_secret").chmod(0o640), "✕ page", "chmod 600"),
        (lambda folder: (folder / "web.key_secret").unlink(), "! page", "on another host, look there"),
        (lambda folder: make_keys(folder / "allowed", "other") and (folder / "allowed" / "web.key").unlink(), "✕ page", "is not allowed"),
    ],
)  # fmt: skip
def test_check_names_what_is_wrong_with_keys(config: Path, change: object, mark: str, words: str) -> None:
    make_all(config)
    config.write_text(written())
    change(config.parent / "keys")  # type: ignore[operator]
    found = findings(config)
    assert any(mark in one and words in one for one in found), found


@pytest.mark.parametrize(
    ("text", "mark", "words"),
    [
        ("", "✓ keys", "open"),
        ("[collector]\ninsecure = true\nannounce = 'tcp://0.0.0.0:7622'\n", "! keys", "neither encrypted nor checked"),
        ("[collector]\nannounce = 'tcp://0.0.0.0:7622'\n", "✕ keys", "insecure = true"),
        (f"[web]\n{WEB}", "✕ page", "give [collector] allow"),
        (written(web=""), "✕ page", "hears nothing"),
    ],
)
def test_check_names_what_is_missing(config: Path, text: str, mark: str, words: str) -> None:
    make_all(config)
    config.write_text(text)
    found = findings(config)
    assert any(mark in one and words in one for one in found), found


def test_run_refuses_to_be_open_to_others(config: Path) -> None:
    config.write_text("[collector]\nannounce = 'tcp://0.0.0.0:*'\n" + CLUSTERS)
    refused = collector(config, "run")
    assert refused.returncode == 1
    assert "announce = 'tcp://0.0.0.0:*' can be reached from other hosts, and there are no keys" in refused.stderr
