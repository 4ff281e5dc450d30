"""Names replaced by pseudonyms, the same name by the same one everywhere: one value at a time.

A pseudonym is a keyed hash; the key is made for one recording and thrown away, so that nobody can
find a name by hashing a list of users. Names are replaced label by label (`cn01.site.example` is three),
so that a host's short and full name still match. How outputs are taken apart is left to anonymise.py.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from typing import Dict, Optional

from agent.vocabulary import (
    ATTRIBUTE_RULES,
    EMPTY,
    HOST,
    KEEP,
    KEPT_WORDS,
    NAME,
    NAMES,
    OWNER,
    RESOURCE_PREFIXES,
    WORDS,
)

_LENGTH = 9
_NUMBER = re.compile(
    r"[-+]?\d+(?:[.:]\d+)*(?:-\d+(?:[.:]\d+)*)*(?:\[[\d,:-]*\])?(?:%\d+)?(?:[kmgtpe]?[bw]|[kmgtpesh%])?\Z",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}\Z")
_LABEL = re.compile(r"(.*?)(\[[\d,-]*\])?\Z", re.DOTALL)
_SPLIT = re.compile(r"([^\w.\-\[\]~%\x80-\U0010ffff]+)")
_EDGE = re.compile(r"([.\-~]*)(.*?)([.\-~]*)\Z", re.DOTALL)
_VERSIONS = frozenset({"pbs_version", "version", "release", "slurmd_version", "software"})
_VERSION = re.compile(r"[\w.+-]{1,40}\Z", re.ASCII)
_DEFAULT_PROJECT = "_pbs_project_default"


class Pseudonyms:
    """One recording's pseudonyms."""

    def __init__(self, key: Optional[bytes] = None) -> None:
        self._key = key or secrets.token_bytes(32)
        self._known: Dict[str, str] = {}
        """Pieces of text and what they become: a listing repeats the same few."""

    def name(self, text: str) -> str:
        """The pseudonym of a name, whatever it looks like; label by label."""
        if text in ("", _DEFAULT_PROJECT):
            return text
        return ".".join(
            self._label(label) if label.strip("[]-,0123456789") else self._hash(label) for label in text.split(".")
        )

    def words(self, text: str) -> str:
        """Text with every word replaced that is neither a number nor a scheduler's own."""
        pieces = _SPLIT.split(text)
        return "".join(piece if index % 2 else self._piece(piece) for index, piece in enumerate(pieces))

    def attribute(self, name: str, value: str) -> Optional[str]:
        """What an attribute's value becomes; None where the attribute is to be left out."""
        table, dot, _ = name.lower().partition(".")
        if dot and table in RESOURCE_PREFIXES:
            return self.words(value)
        rule = ATTRIBUTE_RULES.get(name.lower())
        if rule is None:
            return None
        if name.lower() in _VERSIONS and _VERSION.match(value):
            return value
        return self.value(rule, value)

    def value(self, rule: str, value: str) -> str:
        """What a value becomes under a rule of vocabulary.py."""
        if rule == EMPTY:
            return ""
        if rule == NAME:
            # Slurm's wrapper: `alice(1001)`, with the user's number.
            return self.name(re.sub(r"\(\d+\)\Z", "", value))
        if rule == NAMES:
            return "".join(
                piece if piece in ",@ +*" or not piece else self.name(piece) for piece in re.split(r"([,@ +*])", value)
            )
        if rule == OWNER:
            user, at, host = value.rpartition("@")
            return f"{self.name(user)}@{self.words(host)}" if at else self.name(value)
        assert rule in (HOST, WORDS, KEEP), rule
        return self.words(value)

    def key(self, name: str) -> str:
        """An attribute's name: the part behind a table of resources can be a site's own word."""
        table, dot, resource = name.partition(".")
        return f"{table}.{self.words(resource)}" if dot else name

    def _piece(self, piece: str) -> str:
        known = self._known.get(piece)
        if known is None:
            known = self._known[piece] = self._replaced(piece)
        return known

    def _replaced(self, piece: str) -> str:
        before, middle, after = _EDGE.fullmatch(piece).groups()  # type: ignore[union-attr]
        if middle.startswith("["):  # OpenPBS's limits: `[u:PBS_GENERIC=240]`, and no index as in `smp01[0]`
            return f"{before}[{self._piece(middle[1:])}{after}"
        if middle.endswith("]") and "[" not in middle:
            return f"{before}{self._piece(middle[:-1])}]{after}"
        if not middle or _kept(middle):
            return piece
        if _ADDRESS.match(middle):
            return f"{before}0.0.0.0{after}"
        if middle.lower().endswith("-gpu") or middle.lower().endswith("-mic"):  # TORQUE: gpu01-gpu/0 is on gpu01
            return f"{before}{self._labels(middle[:-4])}{middle[-4:]}{after}"
        return f"{before}{self._labels(middle)}{after}"

    def _labels(self, text: str) -> str:
        return ".".join(label if not label or _kept(label) else self._label(label) for label in text.split("."))

    def _label(self, label: str) -> str:
        stem, index = _LABEL.fullmatch(label).groups()  # type: ignore[union-attr]
        return f"{self._hash(stem)}{index or ''}" if stem else label

    def _hash(self, text: str) -> str:
        if not text:
            return text
        digest = hmac.new(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
        return "x" + base64.b32encode(digest).decode("ascii").lower()[:_LENGTH]


def _kept(word: str) -> bool:
    if _ADDRESS.match(word):
        return False
    return bool(_NUMBER.match(word)) or word.lower() in KEPT_WORDS
