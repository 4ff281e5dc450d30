"""What asking the schedulers costs them, and how their agents answered: pure, from polls and their sums, but for loads()."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import pandas as pd

from webstat.data.queries.past import load_spent
from webstat.data.usage import Stretch
from webstat.format import DAY, HOUR

if TYPE_CHECKING:
    from webstat.data.source import Source

CELL_SECONDS = 1800
"""Of one cell of the strip: 48 a day, which a phone still shows apart."""


@dataclass(frozen=True)
class Load:
    """What webstat's commands took of one scheduler's time, against what they may take."""

    cluster: str
    wished_seconds: int
    """The shortest time from poll to poll."""
    period_seconds: int
    """The one in force."""
    budget_share: float | None
    """Of the time, what commands may take; None for no limit."""
    rounds_hour: int = 0
    """Rounds of commands in the last hour; each is a few commands."""
    seconds_hour: float = 0.0
    rounds_day: int = 0
    seconds_day: float = 0.0

    @property
    def share_hour(self) -> float:
        """Of the last hour, what commands took."""
        return self.seconds_hour / HOUR

    @property
    def share_day(self) -> float:
        """The same of the last 24 hours."""
        return self.seconds_day / DAY

    @property
    def slowed(self) -> bool:
        """Whether it is asked less often than is wished."""
        return self.period_seconds > self.wished_seconds


def loads(source: Source, now: float) -> dict[str, Load]:
    """The load on each cluster's scheduler by the cluster's name; of those that the store knows.

    Raises StoreEmpty, StoreBroken.
    """
    spent = source.ask(load_spent, int(now - HOUR), int(now - DAY)).set_index("cluster_id").to_dict("index")
    return {
        one.name: Load(one.name, one.wished, one.period_seconds, one.load_share or None, **spent.get(one.id, {}))
        for one in source.clusters()
        if one.id is not None
    }


class Outcome(StrEnum):
    """How the polls of a stretch of time went."""

    ANSWERED = "answered"
    SOME = "some failed"
    FAILED = "all failed"
    BETWEEN = "between two polls"
    NONE = "not asked"


@dataclass(frozen=True)
class Cell:
    """A stretch of time and its polls."""

    since: float
    until: float
    outcome: Outcome
    polls: int = 0
    failed: int = 0


def outcomes(polls: pd.DataFrame, known: Sequence[Stretch], since: int, until: int, now: float) -> list[Cell]:
    """The whole cells that cover [since, until), from load_polls() and known_stretches(); the last may not be over."""
    place = (polls["at"] - since) // CELL_SECONDS
    asked = place.value_counts()
    failed = place[polls["error_code"].notna()].value_counts()
    cells = []
    for number, start in enumerate(range(since, until, CELL_SECONDS)):
        end = min(start + CELL_SECONDS, now)
        count, lost = int(asked.get(number, 0)), int(failed.get(number, 0))
        within = any(begun < end and over > start for begun, over in known)
        if count:
            outcome = Outcome.ANSWERED if not lost else Outcome.FAILED if lost == count else Outcome.SOME
        else:
            outcome = Outcome.BETWEEN if within else Outcome.NONE
        cells.append(Cell(start, end, outcome, count, lost))
    return cells
