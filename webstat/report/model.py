"""What a report is made of, before it is HTML or CSV: a headline, numbers, pictures, tables and notes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from webstat import format as said
from webstat.figures.svg import Band, Column
from webstat.report.period import Period

Value = str | float | None
"""A name, or a number in the unit of its measure; None and NaN are what is not known."""


@dataclass(frozen=True)
class Measure:
    """A column: its name for programs, its heading, the unit that its numbers are in, and how they are said."""

    name: str
    title: str
    unit: str = ""
    form: str = "text"
    """text, hours (of cores or GPUs), count, share, change, duration, wait."""


CORE_HOURS = Measure("core_hours", "Core-hours", "core-hours", "hours")

_FORMS: dict[str, Callable[[float], str]] = {
    "hours": lambda value: said.hours(value * said.HOUR),
    "count": said.number,
    "share": said.percent,
    "share1": lambda value: said.percent(value, 1),
    "change": lambda value: change(value),
    "duration": lambda value: said.duration(value) if value else "0",
    "wait": said.wait,
}


def words(value: Value, form: str) -> str:
    """A value as people read it."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return said.UNKNOWN
    return said.shorten(value, 60) if isinstance(value, str) else _FORMS[form](value)


def change(share: float) -> str:
    """How much more or less than before: `+7 %`, `−12 %`, `±0 %`, `×12`."""
    if share >= 9:
        return f"×{said.number(share + 1)}"
    whole = round(share * 100)
    sign = "+" if whole > 0 else "−" if whole < 0 else "±"
    return f"{sign}{abs(whole)}{said.NBSP}%"


def changed(now: float, before: float) -> float:
    """The change as a share of what was; NaN where there was nothing, or it is not known."""
    return now / before - 1 if before > 0 else math.nan


@dataclass(frozen=True)
class Number:
    """One of the numbers at the top, and what it was in the period before (NaN where nothing is compared)."""

    measure: Measure
    value: float
    before: float = math.nan
    adds_up: bool = False
    """Whether its change is told as a share of what it was."""

    @property
    def change(self) -> float:
        """See changed()."""
        return changed(self.value, self.before) if self.adds_up else math.nan


@dataclass(frozen=True)
class Picture:
    """Stacked columns, see figures.svg.columns_svg()."""

    name: str
    title: str
    subtitle: str
    measure: Measure
    starts: tuple[str, ...]
    """When each column begins, by the local clock with its distance from UTC."""
    columns: tuple[Column, ...]
    bands: tuple[Band, ...]
    limit: tuple[float, ...] = ()
    limit_words: str = ""
    gaps: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Table:
    """Rows of values, one for each of `measures`; the first `keys` measures are what the rows are about."""

    name: str
    title: str
    subtitle: str
    measures: tuple[Measure, ...]
    rows: tuple[tuple[Value, ...], ...]
    keys: int = 1
    shown: int = 1000
    """How many rows are for people; files have all."""


@dataclass(frozen=True)
class Report:
    """A whole report. `notes` are what its reader must know of how much is known."""

    kind: str
    """group, user, cluster, or everything."""
    name: str
    """Whose report it is; of everything, nothing."""
    title: str
    period: Period
    headline: str
    numbers: tuple[Number, ...]
    pictures: tuple[Picture, ...]
    tables: tuple[Table, ...]
    notes: tuple[str, ...]
    beside: str
    """The period before in words, as in `than in September`."""
    definitions: tuple[tuple[str, str], ...] = field(default=())
    made_at: float = 0.0
