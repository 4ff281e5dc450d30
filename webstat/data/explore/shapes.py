"""What the parts of the explorer hand to each other."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from collector.columns import Numbers
from collector.lives import Columns

Filters = Mapping[str, Collection[int]]
"""Cut -> the keys that are kept."""


@dataclass(frozen=True, slots=True)
class Known:
    """A cluster whose history is asked for: its id, newest report's number, until when its jobs are known, and its rows
    of load_months().
    """

    id: int
    report: int
    until: int
    packed: tuple[Row[Any], ...]


@dataclass(frozen=True)
class Lives:
    """Jobs by columns, times in unix seconds: `jobs` has the columns asked for and `cluster` (ids), `spans` those of
    irregular ones. See collector.lives.pack_columns().
    """

    jobs: Columns
    spans: Columns

    def __len__(self) -> int:
        return len(self.jobs["ended"])


@dataclass(frozen=True, slots=True)
class Ended:
    """Jobs with their classes: the month each ended in (months since 1970), and of which of them that is true."""

    jobs: Columns
    months: Numbers | int
    true: Numbers | bool
