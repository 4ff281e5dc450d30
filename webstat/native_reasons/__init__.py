"""The tables that schedulers' texts on waiting jobs pass through: OpenPBS, TORQUE with pbs_sched or Maui, Slurm. Pure.

Each scheduler's table is a module; docs/reasons.md shows all rows. What holds, dependencies and states say without any
text is reasons.py's to tell. A text that no table holds is read as None.
"""

from __future__ import annotations

import re
from functools import lru_cache

from webstat.native_reasons import maui, pbs, slurm
from webstat.native_reasons.told import (
    ARRAY_LIMIT,
    ASK,
    GONE,
    ITSELF,
    THE_TIME,
    WITHOUT,
    Row,
    Told,
    Waiting,
    order,
    stopped,
)

__all__ = [
    "ARRAY_LIMIT",
    "ASK",
    "GONE",
    "ITSELF",
    "LONGEST",
    "ROWS",
    "THE_TIME",
    "WITHOUT",
    "Row",
    "Told",
    "Waiting",
    "order",
    "read",
    "row_of",
    "stopped",
]

LONGEST = 500
"""Characters of a text that are looked at."""

ROWS = (*pbs.ROWS, *slurm.ROWS, *maui.ROWS)


def read(text: str, waiting: Waiting) -> Told | None:
    """What a scheduler's text means; None where the tables do not hold it."""
    found = row_of(text)
    return found[0].rule(found[1], waiting) if found else None


def row_of(text: str) -> tuple[Row, re.Match[str]] | None:
    """The row that holds a text, and what it found in it."""
    return _find(" ".join(text[:LONGEST].split()))


@lru_cache(maxsize=4096)
def _find(text: str) -> tuple[Row, re.Match[str]] | None:
    never = re.match(r"Can Never Run: ?", text, re.IGNORECASE)
    bare = text[never.end() :] if never else re.sub(r"\ANot Running(?: -|:) ?", "", text)
    for row in pbs.NEVER if never else ROWS:
        match = row.pattern.match(bare)
        if match:
            return row, match
    return None
