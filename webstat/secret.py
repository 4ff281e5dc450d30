"""The secret that all web processes of a site know, and nobody else: `[web] secret_file`. Made by the first that looks for it."""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
import stat
from pathlib import Path

from collector.errors import SettingsError

_BYTES = 32
"""As written, in two hexadecimal digits each."""


def load_secret(path: Path, purpose: str) -> bytes:
    """The key for one purpose; that of another is another, and tells nothing of it.

    Raises SettingsError where the file cannot be made or read, is too short, or can be read by others.
    """
    try:
        if not path.exists():
            _make(path)
        text = path.read_bytes().strip()
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise SettingsError(
            f"secret_file {path} cannot be read or made: {error.strerror or error}; as the service's user run: "
            f"(umask 077; head -c 32 /dev/urandom | base64 > {path})"
        ) from None
    if mode & 0o077:
        raise SettingsError(f"{path} has mode {mode:04o}, so others can read the secret; run: chmod 600 {path}")
    if len(text) < _BYTES:
        raise SettingsError(f"{path} is too short for a secret; remove it, and another is made")
    return hmac.digest(text, purpose.encode(), "sha256")


def _make(path: Path) -> None:
    """Several processes may start at once: one of them makes it, whole from the first moment."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    begun = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(begun, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_BYTES) + "\n")
        with contextlib.suppress(FileExistsError):
            os.link(begun, path)
    finally:
        begun.unlink()
