"""How much of other people somebody sees: the levels, and the names that stand in for others. Pure.

What lies behind a veil is never read: the queries' engines do that (data/queries/veil.py). Who has which level is
access/'s.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

OTHERS = "others"
"""Whose jobs and use those are that may not even have a name."""

HIDDEN = "(only its owner sees what the scheduler says)"
"""Stands where a job's comment is hidden."""

UNTOLD = "(said only to those who see all names)"
"""Stands for words of a scheduler or an agent, which may name people."""

_NAMED = re.compile(r"\[[ugp]:(?!PBS_GENERIC\b|PBS_ALL\b)[^\]]*\],?\s*")

_CONSONANTS, _VOWELS = "bdfghjklmnprstvz", "aiou"


class Level(StrEnum):
    """From all to nothing."""

    FULL = "full"
    PSEUDONYMS = "pseudonyms"
    """Every job, but of other people neither names nor words: who they are is a name made up for each."""
    OWN = "own"
    """The own jobs; those of others only in sums."""
    TOTALS = "totals"
    """Sums alone."""
    NONE = "none"
    """Nothing before signing in."""


SAYS = {
    Level.FULL: "",
    Level.PSEUDONYMS: "Other people’s names are pseudonyms here.",
    Level.OWN: "You see your own jobs; those of other people are counted together, as “others”.",
    Level.TOTALS: "Jobs are only counted here, not listed.",
}
"""What a page tells who looks through a veil."""


@dataclass(frozen=True)
class Veil:
    """What somebody sees of a store: a level below FULL, and whose names are theirs to see."""

    level: Level
    me: str | None = None
    groups: frozenset[str] = frozenset()
    salt: bytes = field(default=b"", repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The user and the groups that are not hidden; nobody's at TOTALS."""
        if self.level is Level.TOTALS:
            return ()
        return (*([self.me] if self.me else []), *sorted(self.groups))

    @property
    def key(self) -> tuple[object, ...]:
        """All that tells it from other veils, in words that every process has; the salt stays a secret."""
        return str(self.level), self.me, self.groups, hashlib.sha256(self.salt).hexdigest()

    @property
    def lists(self) -> bool:
        """Whether jobs of others are listed."""
        return self.level in (Level.FULL, Level.PSEUDONYMS)


def without_people(limits: Mapping[str, str]) -> dict[str, str]:
    """A queue's limits, by native names, without what holds for some people only; that there is a list of them stays."""
    return {
        name: rest
        for name, text in limits.items()
        if (not name.startswith("acl_") or name.endswith("_enable")) and (rest := _NAMED.sub("", text).strip(", "))
    }


def pseudonym(text: str, salt: bytes, again: int = 0) -> str:
    """The name that stands in for a name, always the same one with the same salt, such as ~lusab-babad.

    `again` counts how many others had that name already.
    """
    digest = hmac.digest(salt, f"{again}\0{text}".encode("utf-8", "surrogatepass"), hashlib.sha256)
    return "~" + "-".join(_spoken(int.from_bytes(digest[place : place + 2])) for place in (0, 2))


def _spoken(number: int) -> str:
    """16 bits as five letters that can be said."""
    letters = []
    for place in range(4, -1, -1):
        alphabet = _VOWELS if place % 2 else _CONSONANTS
        number, digit = divmod(number, len(alphabet))
        letters.append(alphabet[digit])
    return "".join(reversed(letters))
