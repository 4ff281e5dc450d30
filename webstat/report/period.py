"""Months, weeks and days by the clock of a zone: from what is typed to where they begin and end, and their words. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from webstat.data.explore.buckets import after, midnight

KINDS = {"month": "2026-10", "week": "2026-W43", "day": "2026-10-24"}
"""Kind of period -> how one is written."""


@dataclass(frozen=True)
class Period:
    """A whole month, week (Monday first) or day, by its first local day."""

    kind: str
    first: date
    zone: tzinfo

    @property
    def since(self) -> int:
        """Its first second."""
        return midnight(self.first, self.zone)

    @property
    def until(self) -> int:
        """The first second after it."""
        return after(self.since, self.kind, self.zone)

    @property
    def step(self) -> str:
        """What it is drawn by."""
        return "hour" if self.kind == "day" else "day"

    @property
    def before(self) -> Period:
        """The one before."""
        last = self.first - timedelta(days=1)
        return containing(self.kind, last, self.zone)

    @property
    def name(self) -> str:
        """As it is typed, and stands in the names of files."""
        if self.kind == "week":
            year, week, _ = self.first.isocalendar()
            return f"{year}-W{week:02d}"
        return f"{self.first:%Y-%m}" if self.kind == "month" else f"{self.first:%Y-%m-%d}"

    @property
    def words(self) -> str:
        """`October 2026`, `week 43 of 2026`, `24 October 2026`."""
        if self.kind == "week":
            year, week, _ = self.first.isocalendar()
            return f"week {week} of {year}"
        day = f"{self.first.day} " if self.kind == "day" else ""
        return f"{day}{self.first:%B %Y}"

    @property
    def inside(self) -> str:
        """`in October 2026`, `on 24 October 2026`."""
        return f"{'on' if self.kind == 'day' else 'in'} {self.words}"

    @property
    def title(self) -> str:
        """The words, with the days of a week and the weekday of a day."""
        if self.kind == "day":
            return f"{self.first:%A} {self.words}"
        if self.kind == "month":
            return self.words
        last = self.first + timedelta(days=6)
        start = f"{self.first.day}" + ("" if self.first.month == last.month else f" {self.first:%B}")
        return f"W{self.words[1:]} ({start} – {last.day} {last:%B %Y})"

    def words_beside(self, other: Period) -> str:
        """The words, shorter where those of `other` are read with them: `September` beside October of the same year."""
        if self.kind == "week":
            year, week, _ = self.first.isocalendar()
            return f"week {week}" if year == other.first.isocalendar().year else self.words
        if self.first.year != other.first.year:
            return self.words
        return f"{self.first.day} {self.first:%B}" if self.kind == "day" else f"{self.first:%B}"


def containing(kind: str, day: date, zone: tzinfo) -> Period:
    """The period of that kind that a local day is in."""
    first = {"month": day.replace(day=1), "week": day - timedelta(days=day.weekday()), "day": day}[kind]
    return Period(kind, first, zone)


def last(kind: str, now: float, zone: tzinfo) -> Period:
    """The last one that has ended."""
    return containing(kind, datetime.fromtimestamp(now, zone).date(), zone).before


def read(kind: str, text: str, zone: tzinfo) -> Period:
    """The period that is typed; ValueError in words where it is none."""
    pattern = {"month": r"\d{4}-\d{2}", "week": r"\d{4}-W\d{2}", "day": r"\d{4}-\d{2}-\d{2}"}[kind]
    try:
        if not re.fullmatch(pattern, text, re.ASCII):
            raise ValueError
        day = date.fromisoformat({"month": f"{text}-01", "week": f"{text}-1", "day": text}[kind])
        if not 1970 < day.year < 9999:  # what lies outside has no seconds on some hosts
            raise ValueError
    except ValueError:
        raise ValueError(f"{text[:40]!r} is no {kind}; write e.g. {KINDS[kind]}") from None
    return containing(kind, day, zone)
