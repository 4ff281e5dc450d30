"""webstat.toml: what is right is read, what is wrong is named with what to write."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from collector.errors import SettingsError
from collector.settings import (
    AccessSettings,
    ClusterSettings,
    CollectorSettings,
    LogSettings,
    OidcSettings,
    RetentionSettings,
    Settings,
    StoreSettings,
    TokenSettings,
    WebSettings,
    load_settings,
    settings_path,
)

EXAMPLE = Path("webstat.example.toml")
GOOD = '[[cluster]]\nname = "a"\nagent = "tcp://h:7621"\n'


def load(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "webstat.toml"
    path.write_text(text)
    return load_settings(path)


def test_the_example_shows_the_defaults(tmp_path: Path) -> None:
    shown = load(tmp_path, EXAMPLE.read_text())
    assert shown.collector == CollectorSettings()
    assert shown.web == WebSettings()
    assert shown.retention == RetentionSettings()
    assert shown.access == AccessSettings()
    assert shown.log == LogSettings()
    assert shown.store.url == f"sqlite:///{tmp_path}/var/webstat.sqlite"


@pytest.mark.parametrize(
    "model",
    [
        StoreSettings, CollectorSettings, WebSettings, RetentionSettings, ClusterSettings,
        AccessSettings, OidcSettings, TokenSettings, LogSettings,
    ],
)  # fmt: skip
def test_the_example_names_every_setting(model: type) -> None:
    text = EXAMPLE.read_text()
    for name in model.model_fields:  # type: ignore[attr-defined]
        table = f"[access.{name}]"
        assert f"{name} = " in text or table in text, f"{name} is not in {EXAMPLE}"


def test_paths_are_beside_the_file(tmp_path: Path) -> None:
    text = '[collector]\nsecret_key_file = "keys/c.key_secret"\n' + GOOD + 'server_key_file = "keys/a.key"\n'
    settings = load(tmp_path, text)
    assert settings.collector.secret_key_file == tmp_path / "keys/c.key_secret"
    assert settings.cluster[0].server_key_file == tmp_path / "keys/a.key"
    keyed = load(tmp_path, '[collector]\nsecret_key_file = "c"\nallow = ["a", "/b"]\n[web]\nsecret_key_file = "w"\n')
    assert keyed.collector.allow == (tmp_path / "a", Path("/b"))
    assert keyed.web.secret_key_file == tmp_path / "w"


def test_one_memcached_or_several(tmp_path: Path) -> None:
    for given, read in (
        ('"127.0.0.1:11211"', ("127.0.0.1:11211",)),
        ('["[::1]:1", "/run/m.sock"]', ("[::1]:1", "/run/m.sock")),
    ):
        web = load(tmp_path, f'[web]\nmemcached = {given}\nsecret_file = "keys/web.secret"').web
        assert (web.memcached, web.secret_file) == (read, tmp_path / "keys/web.secret")


def test_other_databases_keep_their_address(tmp_path: Path) -> None:
    url = "postgresql+psycopg://me:secret@db/webstat"
    assert load(tmp_path, f'[store]\nurl = "{url}"').store.url == url


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[web", "is not TOML"),
        ("[web]\nport = 70000", r"\[web\] port: .*less than or equal to 65535 \(found 70000\)"),
        ('[web]\ntimezone = "Mars/Olympus"', "Europe/Berlin"),
        ('[web]\nproxies = ["proxy.example.org"]', "no address or network; write e.g. 127.0.0.1"),
        ('[web]\nmemcached = "localhost"', "host:port such as 127.0.0.1:11211"),
        ('[web]\nmemcached = "localhost:11211"', "secret_file to sign"),
        ("[colector]", r"\[colector\]: this key is not known; look for a misspelling"),
        ("[collector]\nperiod = 5", "misspelling in webstat.example.toml"),
        ("[collector]\nperiod_seconds = 0", "greater than or equal to 5"),
        ('[store]\nurl = "my.db"', "no database address"),
        ('[[cluster]]\nname = "a"', r"\[cluster\] no. 1 agent: this key is missing"),
        ('[[cluster]]\nname = "a.txt"\nagent = "tcp://h:1"', "leave off its ending"),
        (GOOD + '[[cluster]]\nname = "b/c"\nagent = "tcp://h:1"', r"no. 2 name: expected letters"),
        ('[[cluster]]\nname = "a"\nagent = "h:7621"', "such as tcp://login1.example.org:7621"),
        (GOOD + GOOD, "two .* tables are named a"),
        (GOOD + 'server_key_file = "x"', "secret_key_file; make one with: python -m collector keys"),
        ('[collector]\nallow = ["keys"]', r"\[collector\] has allow, but no secret_key_file"),
    ],
)
def test_what_is_wrong_is_named_with_what_to_write(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        load(tmp_path, text)


def test_a_missing_or_unreadable_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"copy webstat\.example\.toml"):
        load_settings(tmp_path / "none.toml")
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b'title = "\xe9"')
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(tmp_path / "latin.toml")


def test_which_file_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEBSTAT_CONFIG", raising=False)
    assert settings_path(None) == Path("webstat.toml")
    monkeypatch.setenv("WEBSTAT_CONFIG", "/etc/webstat.toml")
    assert settings_path(None) == Path("/etc/webstat.toml")
    assert settings_path("mine.toml") == Path("mine.toml")


def test_the_example_is_toml() -> None:
    assert tomllib.loads(EXAMPLE.read_text())["cluster"][0]["name"] == "mycluster"
