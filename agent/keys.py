"""CURVE key files: made, loaded and checked, with their permissions. Collector and page use them too; sockets are curve.py's.

A key pair is two files, NAME.key (public, to be copied to the peers) and NAME.key_secret (stays, mode
0600). The text is that of zmq.auth certificates, so files made by other ZeroMQ tools can be used:

    metadata
    curve
        public-key = "40 characters of Z85"
        secret-key = "40 characters of Z85"
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, FrozenSet, Iterable, List, Set, Tuple

import zmq

from agent.errors import KeysError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LINE = re.compile(r'\s*(public-key|secret-key)\s*=\s*"?([^"\s]*)"?\s*\Z')
_Z85 = re.compile(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")
_MAX_FILE = 64 * 1024


@dataclass(frozen=True)
class KeyPair:
    """A public and a secret CURVE key, each 40 characters of Z85 as pyzmq takes them."""

    public: bytes
    secret: bytes = field(repr=False)


def make_keys(folder: Path, name: str) -> Tuple[Path, Path]:
    """Write a new key pair into `folder`; returns the public and the secret file. Overwrites nothing."""
    if not _NAME.fullmatch(name):
        raise KeysError(f"{name!r} is no name for a key: use letters, digits, '.', '_' and '-'")
    public_file, secret_file = folder / f"{name}.key", folder / f"{name}.key_secret"
    public, secret = (key.decode("ascii") for key in zmq.curve_keypair())
    secret_line = f'    secret-key = "{secret}"\n'
    body = f'metadata\n    name = {name}\ncurve\n    public-key = "{public}"\n'
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_new(secret_file, f"# webstat: SECRET key of {name}. It stays on this host.\n{body}{secret_line}", 0o600)
        try:
            _write_new(public_file, f"# webstat: public key of {name}. Copy it to the peers.\n{body}", 0o644)
        except OSError:
            secret_file.unlink()
            raise
    except FileExistsError as error:
        raise KeysError(
            f"{error.filename} exists and is left alone; choose another --name, or remove it first"
        ) from None
    except OSError as error:
        raise KeysError(f"the keys cannot be written: {error}") from None
    return public_file, secret_file


def load_secret(path: Path) -> KeyPair:
    """The key pair in a secret key file; raises KeysError, also if others could read the file."""
    keys = _load(path)
    if "secret-key" not in keys:
        raise KeysError(f"{path} holds no secret key; give the file that ends in .key_secret")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise KeysError(f"{path} has mode {mode:04o}, so others can read the secret key; run: chmod 600 {path}")
    pair = KeyPair(keys["public-key"], keys["secret-key"])
    if zmq.curve_public(pair.secret) != pair.public:
        raise KeysError(f"{path}: the public key does not belong to the secret key; make a new pair")
    return pair


def load_public(path: Path) -> bytes:
    """The public key in a key file, as pyzmq takes it."""
    return _load(path)["public-key"]


def load_allowed(paths: Iterable[Path]) -> FrozenSet[bytes]:
    """The public keys in these files, and in all *.key files of these folders; raises KeysError if none, or one is bad."""
    paths = list(paths)
    allowed, wrong = read_allowed(paths)
    if wrong:
        raise wrong[0]
    if not allowed:
        named = ", ".join(map(str, paths)) or "no file"
        raise KeysError(f"no public key in {named}; copy the .key file of each peer that may come in there")
    return allowed


def read_allowed(paths: Iterable[Path]) -> Tuple[FrozenSet[bytes], List[KeysError]]:
    """The same keys, of the files that are good; and what is wrong with the others."""
    allowed: Set[bytes] = set()
    wrong: List[KeysError] = []
    for path in paths:
        try:
            files = _key_files(path)
        except KeysError as error:
            wrong.append(error)
            continue
        for file in files:
            try:
                allowed.add(load_public(file))
            except KeysError as error:
                wrong.append(error)
    return frozenset(allowed), wrong


def _key_files(path: Path) -> List[Path]:
    """The public key files that `path` names: itself, or those of a folder. Raises KeysError where others may add one."""
    try:
        if not path.is_dir():
            return [path]
        _refuse_writers(path, path.stat().st_mode)
        return sorted(path.glob("*.key"))
    except OSError as error:
        raise KeysError(f"the folder of keys {path} cannot be read: {error.strerror or error}") from None


def _load(path: Path) -> Dict[str, bytes]:
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_FILE).decode("utf-8", "replace")
            _refuse_writers(path, os.fstat(file.fileno()).st_mode)
        folder = path.parent.stat().st_mode
    except OSError as error:
        raise KeysError(
            f"the key file {path} cannot be read: {error.strerror or error}; make one with: python -m agent keys make"
        ) from None
    if not folder & stat.S_ISVTX:  # where it is set, as of /tmp, others cannot put a file in this one's place
        _refuse_writers(path.parent, folder)
    keys: Dict[str, bytes] = {}
    for line in text.splitlines():
        found = _LINE.match(line)
        if not found:
            continue
        if not _Z85.fullmatch(found.group(2)):
            raise KeysError(f"{path}: {found.group(1)} is not 40 characters of Z85; the file is damaged")
        keys[found.group(1)] = found.group(2).encode("ascii")
    if "public-key" not in keys:
        raise KeysError(f"{path} is no CURVE key file: it has no line 'public-key = \"...\"'")
    return keys


def _refuse_writers(path: Path, mode: int) -> None:
    if mode & 0o022:
        raise KeysError(
            f"{path} has mode {stat.S_IMODE(mode):04o}, so others can write to it and put in a key of theirs; "
            f"run: chmod go-w {path}"
        )


def _write_new(path: Path, text: str, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            os.fchmod(file.fileno(), mode)  # whatever the umask says
    except OSError:
        with contextlib.suppress(OSError):
            path.unlink()
        raise
