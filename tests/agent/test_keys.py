"""CURVE key files: made, loaded, and refused where they are wrong."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
import zmq.auth

from agent.errors import KeysError
from agent.keys import KeyPair, load_allowed, load_public, load_secret, make_keys, read_allowed


@pytest.fixture
def files(tmp_path):
    return make_keys(tmp_path / "keys", "agent")


def test_made_keys_belong_together_and_are_private(files):
    public_file, secret_file = files
    pair = load_secret(secret_file)
    assert load_public(public_file) == pair.public == load_public(secret_file)
    assert zmq.curve_public(pair.secret) == pair.public
    assert stat.S_IMODE(secret_file.stat().st_mode) == 0o600
    assert pair.secret not in public_file.read_bytes()


def test_mode_does_not_depend_on_the_umask(tmp_path):
    before = os.umask(0)
    try:
        _, secret_file = make_keys(tmp_path / "k", "agent")
    finally:
        os.umask(before)
    assert stat.S_IMODE(secret_file.stat().st_mode) == 0o600


def test_files_are_those_of_other_zeromq_tools(files, tmp_path):
    _, secret_file = files
    pair = load_secret(secret_file)
    assert zmq.auth.load_certificate(secret_file) == (pair.public, pair.secret)
    theirs_public, theirs_secret = zmq.auth.create_certificates(tmp_path, "theirs")
    Path(theirs_secret).chmod(0o600)
    assert load_allowed([tmp_path]) == {zmq.auth.load_certificate(theirs_public)[0]}
    assert load_secret(tmp_path / "theirs.key_secret").public == load_public(tmp_path / "theirs.key")


def test_nothing_is_overwritten(files, tmp_path):
    public_file, secret_file = files
    before = secret_file.read_bytes()
    with pytest.raises(KeysError, match="exists"):
        make_keys(tmp_path / "keys", "agent")
    assert secret_file.read_bytes() == before
    secret_file.unlink()
    with pytest.raises(KeysError, match="exists"):
        make_keys(tmp_path / "keys", "agent")
    assert not secret_file.exists()
    assert public_file.exists()


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a b"])
def test_bad_names(tmp_path, name):
    with pytest.raises(KeysError, match="no name for a key"):
        make_keys(tmp_path, name)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_secret_that_others_can_read(files, mode):
    files[1].chmod(mode)
    with pytest.raises(KeysError, match="chmod 600"):
        load_secret(files[1])


def test_what_is_wrong_is_said(files, tmp_path):
    public_file, _ = files
    with pytest.raises(KeysError, match="cannot be read: No such file"):
        load_public(tmp_path / "none.key")
    with pytest.raises(KeysError, match="holds no secret key"):
        load_secret(public_file)
    (tmp_path / "other").write_text("hello")
    with pytest.raises(KeysError, match="no CURVE key file"):
        load_public(tmp_path / "other")
    (tmp_path / "short").write_text('public-key = "abc"')
    with pytest.raises(KeysError, match="not 40 characters"):
        load_public(tmp_path / "short")
    _, other_secret = make_keys(tmp_path / "more", "other")
    mixed = other_secret.read_text().replace(load_public(other_secret).decode(), load_public(public_file).decode())
    other_secret.write_text(mixed)
    with pytest.raises(KeysError, match="does not belong"):
        load_secret(other_secret)


def test_allowed_are_files_and_folders(tmp_path):
    one, _ = make_keys(tmp_path / "a", "one")
    two, _ = make_keys(tmp_path / "b", "two")
    three, _ = make_keys(tmp_path / "b", "three")
    assert load_allowed([one, tmp_path / "b"]) == {load_public(file) for file in (one, two, three)}
    (tmp_path / "empty").mkdir()
    with pytest.raises(KeysError, match="no public key"):
        load_allowed([tmp_path / "empty"])


def test_a_secret_does_not_show_in_a_traceback():
    assert "hidden" not in repr(KeyPair(b"public", b"hidden"))


@pytest.mark.parametrize("mode", [0o775, 0o757])
def test_a_folder_that_others_can_write_to_is_refused(tmp_path, mode):
    folder = tmp_path / "keys"
    public, secret = make_keys(folder, "one")
    folder.chmod(mode)
    for load in (load_public, load_secret, lambda file: load_allowed([file]), lambda file: load_allowed([folder])):
        with pytest.raises(KeysError, match=f"chmod go-w {folder}"):
            load(secret)
    folder.chmod(mode | stat.S_ISVTX)
    assert load_allowed([public]), "as in /tmp, nobody can put another file in its place"
    with pytest.raises(KeysError, match="others can write to it"):
        load_allowed([folder])
    folder.chmod(0o755)
    assert load_allowed([folder])


def test_a_file_that_others_can_write_to_is_refused(files):
    files[0].chmod(0o664)
    with pytest.raises(KeysError, match=f"chmod go-w {files[0]}"):
        load_public(files[0])


def test_what_is_wrong_does_not_hide_what_is_good(tmp_path):
    one, _ = make_keys(tmp_path / "a", "one")
    (tmp_path / "a" / "half.key").write_text('public-key = "half')
    keys, wrong = read_allowed([tmp_path / "a", tmp_path / "none.key"])
    assert keys == {load_public(one)}
    assert sorted(str(error).split(": ")[0] for error in wrong)[0].endswith("half.key")
    assert len(wrong) == 2
    with pytest.raises(KeysError, match="damaged"):
        load_allowed([tmp_path / "a"])
