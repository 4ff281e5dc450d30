"""One thing that was looked at, and how bad it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from agent.tables import safe_text
from webstat.format import NBSP


class Level(IntEnum):
    """How bad; the number is the exit code."""

    OK = 0
    WARNING = 1
    PROBLEM = 2


@dataclass(frozen=True)
class Finding:
    """What was looked at, how it is in words, and, where it is not well, one thing to do."""

    level: Level
    what: str
    words: str
    action: str = ""

    def __post_init__(self) -> None:
        for name in ("words", "action"):  # they quote what schedulers and databases say
            object.__setattr__(self, name, safe_text(getattr(self, name).replace(NBSP, " ")))

    def to_json(self) -> dict[str, str]:
        """As `--json` tells it."""
        return {"level": self.level.name.lower(), "what": self.what, "words": self.words, "action": self.action}


def ok(what: str, words: str) -> Finding:
    """All is well."""
    return Finding(Level.OK, what, words)


def warning(what: str, words: str, action: str) -> Finding:
    """It works, but somebody should look."""
    return Finding(Level.WARNING, what, words, action)


def problem(what: str, words: str, action: str) -> Finding:
    """It does not work."""
    return Finding(Level.PROBLEM, what, words, action)
