"""Flags and environment."""

from __future__ import annotations

from pathlib import Path

import pytest

import agent
from agent.errors import SettingsError
from agent.settings import OPTIONS, AgentSettings, build_parser, load_settings

MB = 1024 * 1024


def load(*arguments, **environment):
    return load_settings(arguments, environment)


def test_defaults():
    assert load("serve") == AgentSettings("serve")
    settings = load("serve")
    assert (settings.bind, settings.min_age, settings.timeout) == ("tcp://127.0.0.1:7621", 15.0, 60.0)
    assert (settings.max_output, settings.max_message) == (512 * MB, 64 * MB)


def test_flags_win_over_the_environment():
    settings = load(
        "serve", "--timeout", "5", WEBSTAT_AGENT_TIMEOUT="9", WEBSTAT_AGENT_MIN_AGE="0", WEBSTAT_AGENT_INSECURE="yes"
    )
    assert (settings.timeout, settings.min_age, settings.insecure) == (5.0, 0.0, True)


def test_keys_and_allowed(tmp_path):
    settings = load("serve", "--secret-key-file", "a.key_secret", "--allow", "b.key", "--allow", "c")
    assert settings.secret_key_file == Path("a.key_secret")
    assert settings.allow == (Path("b.key"), Path("c"))
    assert load("serve", WEBSTAT_AGENT_SECRET_KEY_FILE="a", WEBSTAT_AGENT_ALLOW="b:c").allow == (Path("b"), Path("c"))
    assert load("serve", "--keys", "a", "--allow", "b").secret_key_file == Path("a")


def test_what_each_command_takes(tmp_path):
    assert load("show", "queued", "--json").table == "queued"
    assert load("record", "out", "--keep-names").keep_names
    assert load("keys", "make", "dir", "--name", "x").name == "x"
    assert load("report", "--replay", "dir", "--poll", "3").poll == 3
    assert load("report", "--path", str(tmp_path)).path == load("report", "--qstat-dir", str(tmp_path)).path == tmp_path


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (["serve", "--timeout", "0"], {}, "--timeout '0': expected a number of seconds"),
        (["serve", "--timeout", "nan"], {}, "--timeout 'nan'"),
        (["serve"], {"WEBSTAT_AGENT_TIMEOUT": "soon"}, "WEBSTAT_AGENT_TIMEOUT 'soon': expected a number"),
        (["serve"], {"WEBSTAT_AGENT_INSECURE": "perhaps"}, "expected yes or no"),
        (["serve", "--min-age", "-1"], {}, "--min-age '-1'"),
        (["serve", "--max-output", "0"], {}, "expected megabytes"),
        (["serve", "--bind", "127.0.0.1:7621"], {}, "expected tcp://ADDRESS:PORT"),
        (["serve", "--bind", "tcp://127.0.0.1:99999"], {}, "port"),
        (["report", "--scheduler", "lsf"], {}, "expected one of openpbs, torque, slurm"),
        (["report", "--format", "yaml"], {}, "expected one of text, json, xml"),
        (["report", "--timezone", "Europe/Nowhere"], {}, "unknown; use an IANA name"),
        (["report", "--timezone", "../../etc/passwd"], {}, "unknown; use an IANA name"),
        (["report", "--cluster", "a b"], {}, "expected a name"),
        (["report", "--poll", "1"], {}, "needs --replay"),
        (["report", "--replay", "x", "--poll", "-1"], {}, "whole number from 0"),
        (["report", "--path", "/no/such/folder"], {}, "is no folder"),
        (["serve", "--allow", "x"], {}, "--secret-key-file"),
        (["serve", "--keys", "x"], {}, "--allow"),
    ],
)
def test_errors_say_what_to_change(arguments, environment, words):
    with pytest.raises(SettingsError) as caught:
        load_settings(arguments, environment)
    assert words in str(caught.value)


@pytest.mark.parametrize("arguments", [[], ["dance"], ["show"], ["show", "everything"], ["report", "--time", "3"]])
def test_wrong_usage_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        load_settings(arguments, {})
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_every_option_is_documented():
    text = (Path(agent.__file__).parent / "README.md").read_text(encoding="utf-8")
    for option in OPTIONS:
        assert f"`{option.flag}" in text, option.flag
        assert option.variable in text or option.field in ("state", "client")


def test_every_option_is_a_field_with_help():
    fields = AgentSettings.__dataclass_fields__
    for option in OPTIONS:
        assert option.field in fields, option.flag
        assert option.help
        assert option.variable.startswith("WEBSTAT_AGENT_")
    assert "examples:" in build_parser().format_help()
