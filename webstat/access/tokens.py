"""Tokens of programs: made, and recognised by their hash alone, so that settings hold no secret."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable

from collector.settings import TokenSettings

PREFIX = "webstat_"
"""So that one that has leaked is recognised where secrets are looked for."""


def make_token() -> str:
    """A new one, of 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_of(token: str) -> str:
    """What settings hold of it."""
    return hashlib.sha256(token.encode()).hexdigest()


def token_table(name: str, token: str, scopes: Iterable[str], sees: str) -> str:
    """What is to be written into webstat.toml. Raises ValueError where the name is none."""
    checked = TokenSettings.model_validate(
        {"name": name, "sha256": hash_of(token), "scopes": tuple(scopes), "sees": sees}
    )
    listed = ", ".join(f'"{scope}"' for scope in checked.scopes)
    return (
        f'[[access.token]]\nname = "{checked.name}"\nsha256 = "{checked.sha256}"\nscopes = [{listed}]\n'
        f'sees = "{checked.sees}"\n'
    )


def find_token(given: str, known: Iterable[TokenSettings]) -> TokenSettings | None:
    """Which token it is; None where it is none of them."""
    digest = hash_of(given)
    return next((one for one in known if hmac.compare_digest(one.sha256, digest)), None)
