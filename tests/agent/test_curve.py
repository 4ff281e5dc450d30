"""Who may come in: read again when files change, and asked at each request."""

from __future__ import annotations

import pytest

from agent.curve import Allowed, is_local
from agent.errors import KeysError
from agent.keys import load_public, make_keys


@pytest.fixture
def folder(tmp_path):
    make_keys(tmp_path / "one", "one")
    make_keys(tmp_path / "two", "two")
    (tmp_path / "allowed").mkdir()
    return tmp_path


def copy(folder, name, to="allowed"):
    target = folder / to / f"{name}.key"
    target.write_bytes((folder / name / f"{name}.key").read_bytes())
    return target


def test_keys_come_and_go_with_their_files(folder):
    one, two = (load_public(folder / name / f"{name}.key") for name in ("one", "two"))
    with pytest.raises(KeysError, match="no public key"):
        Allowed([folder / "allowed"])
    file = copy(folder, "one")
    allowed = Allowed([folder / "allowed"])
    assert allowed.now() == {one}
    copy(folder, "two")
    assert allowed.now() == {one, two}
    file.unlink()
    assert allowed.now() == {two}
    (folder / "allowed" / "two.key").write_bytes((folder / "one" / "one.key").read_bytes())
    assert allowed.now() == {one}, "the same name, another key"
    (folder / "allowed" / "two.key").unlink()
    assert allowed.now() == frozenset()


def test_a_single_file_is_read_again_too(folder):
    file = copy(folder, "one")
    allowed = Allowed([file])
    copy(folder, "two").replace(file)
    assert allowed.now() == {load_public(folder / "two" / "two.key")}


def test_what_becomes_bad_lets_nobody_in_and_is_said(folder, caplog):
    one = load_public(folder / "one" / "one.key")
    copy(folder, "one")
    allowed = Allowed([folder / "allowed"])
    half = folder / "allowed" / "half.key"
    half.write_text('public-key = "half')
    assert allowed.now() == {one}, "a file that is being copied harms no other"
    assert "damaged" in caplog.text
    half.unlink()
    (folder / "allowed").chmod(0o777)
    assert allowed.now() == frozenset()
    assert "others can write to it" in caplog.text
    (folder / "allowed").chmod(0o700)
    assert allowed.now() == {one}


def test_addresses_that_only_this_host_reaches():
    assert all(map(is_local, ("tcp://127.0.0.1:1", "tcp://[::1]:1", "tcp://localhost:1", "ipc:///tmp/x")))
    assert not any(map(is_local, ("tcp://0.0.0.0:1", "tcp://localhost.example.org:1", "tcp://127.example.org:1")))
