"""Periods across changed clocks and new years."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from webstat.report.period import KINDS, last, read

BERLIN, SAO_PAULO = ZoneInfo("Europe/Berlin"), ZoneInfo("America/Sao_Paulo")
HOUR, DAY = 3600, 86400


def hours(kind: str, text: str, zone: ZoneInfo = BERLIN) -> float:
    period = read(kind, text, zone)
    return (period.until - period.since) / HOUR


def test_lengths_across_changed_clocks() -> None:
    assert hours("day", "2026-10-25") == 25
    assert hours("day", "2026-03-29") == 23
    assert hours("week", "2026-W43") == 169
    assert hours("month", "2026-10") == 745
    assert hours("month", "2026-03") == 743
    assert hours("month", "2024-02") == 29 * 24


def test_they_begin_at_the_first_local_second() -> None:
    assert read("month", "2026-10", BERLIN).since == datetime(2026, 9, 30, 22, tzinfo=UTC).timestamp()
    assert read("month", "2026-10", BERLIN).until == datetime(2026, 10, 31, 23, tzinfo=UTC).timestamp()
    # No midnight on this day: clocks went from 0:00 to 1:00.
    assert read("day", "2018-11-04", SAO_PAULO).since == datetime(2018, 11, 4, 3, tzinfo=UTC).timestamp()
    assert hours("day", "2018-11-04", SAO_PAULO) == 23


def test_weeks_over_new_year() -> None:
    week = read("week", "2026-W53", BERLIN)
    assert (str(week.first), week.name) == ("2026-12-28", "2026-W53")
    assert week.title == "Week 53 of 2026 (28 December – 3 January 2027)"
    first = read("week", "2027-W01", BERLIN)
    assert first.before == week and first.since == week.until
    assert week.words_beside(first) == "week 53 of 2026" and week.before.words_beside(week) == "week 52"


@pytest.mark.parametrize(
    ("kind", "text", "title", "inside", "before"),
    [
        ("month", "2026-10", "October 2026", "in October 2026", "September"),
        ("month", "2027-01", "January 2027", "in January 2027", "December 2026"),
        ("week", "2026-W43", "Week 43 of 2026 (19 – 25 October 2026)", "in week 43 of 2026", "week 42"),
        ("day", "2026-10-24", "Saturday 24 October 2026", "on 24 October 2026", "23 October"),
        ("day", "2027-01-01", "Friday 1 January 2027", "on 1 January 2027", "31 December 2026"),
    ],
)
def test_words(kind: str, text: str, title: str, inside: str, before: str) -> None:
    period = read(kind, text, BERLIN)
    assert (period.name, period.title, period.inside) == (text, title, inside)
    assert period.before.words_beside(period) == before and period.before.until == period.since


def test_the_last_ones_by_the_local_clock() -> None:
    late = datetime(2026, 10, 31, 23, 30, tzinfo=UTC).timestamp()  # in Berlin it is November
    assert last("month", late, BERLIN).name == "2026-10" and last("month", late, ZoneInfo("UTC")).name == "2026-09"
    assert last("week", late, BERLIN).name == "2026-W43"
    assert last("day", late, BERLIN).name == "2026-10-31"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "text", ["2026", "2026-13", "2026-W54", "2025-W53", "2026-02-30", "24.10.2026", "٢٠٢٦-١٠", "1969-12"]
)
def test_what_is_no_period_is_told(kind: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"is no {kind}; write e.g. {KINDS[kind]}"):
        read(kind, text, BERLIN)
