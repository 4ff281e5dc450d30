from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webstat import format as words

NBSP = "\u00a0"


def plain(text: str) -> str:
    return text.replace(NBSP, " ")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (7, "7"), (2605, "2,605"), (2604.6, "2,605"), (None, "–"), (math.nan, "–"), (1_234_567, "1,234,567")],
)
def test_numbers(value: float | None, text: str) -> None:
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (9_999, "9,999"),
        (10_000, "10 k"),
        (107_400, "107 k"),
        (999_499, "999 k"),
        (999_500, "1.0 M"),
        (10_600_000, "10.6 M"),
        (None, "–"),
    ],
)
def test_compact_numbers(value: float | None, text: str) -> None:
    assert plain(words.compact(value)) == text


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0, 0, "Within 5 min"),
        (12, 290, "Within 5 min"),
        (301, 301, "In 5 min – 10 min"),
        (50 * 60, 3600, "In 50 min – 1 h"),
        (8_400 + 59, 46_700, "In 2 h 20 – 13 h"),
        (4 * 3600 - 1, 86399, "In 3 h 50 – 1 d"),
        (30 * 3600, 50 * 3600, "In 1 d 6 h – 2 d 6 h"),
        (7200, 7200, "Within 2 h"),
    ],
)
def test_ranges_are_no_more_exact_than_they_are(low: float, high: float, text: str) -> None:
    assert plain(words.range_words(low, high)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (14.9, "14 s"),
        (59.99, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (12_000, "3 h 20"),
        (3 * 3600 + 59, "3 h"),
        (3 * 3600 + 300, "3 h 05"),
        (86400, "1 d"),
        (86400 + 22 * 3600, "1 d 22 h"),
        (45 * 86400 + 7200, "45 d"),
        (-3, "0 s"),
        (None, "–"),
    ],
)
def test_durations_have_two_units_at_most(seconds: float | None, text: str) -> None:
    assert plain(words.duration(seconds)) == text


@given(st.floats(min_value=0, max_value=1e10))
def test_a_duration_is_never_longer_than_what_it_stands_for(seconds: float) -> None:
    units = {"s": 1, "min": 60, "h": 3600, "d": 86400}
    parts = plain(words.duration(seconds)).replace(",", "").split()
    total, place = 0, 0
    while place < len(parts):
        if place + 1 < len(parts):
            total += int(parts[place]) * units[parts[place + 1]]
        else:
            total += int(parts[place]) * 60  # `3 h 20`
        place += 2
    assert total <= seconds
    assert seconds - total < (86400 if total >= 14 * 86400 else 3600 if total >= 86400 else 60 if total >= 60 else 1)


@given(st.floats(min_value=0, max_value=1e9), st.floats(min_value=0, max_value=1e9))
def test_waits_say_less_than_a_minute(one: float, other: float) -> None:
    assert (plain(words.wait(one)) == "< 1 min") == (one < 60)
    assert words.wait(max(one, 60)) == words.duration(max(one, 60))


@pytest.mark.parametrize(
    ("share", "decimals", "text"),
    [
        (0, 0, "0 %"),
        (1, 0, "100 %"),
        (0.86, 0, "86 %"),
        (0.004, 0, "< 1 %"),
        (0.999, 0, "99 %"),
        (0.9996, 1, "99.9 %"),
        (0.0001, 1, "< 0.1 %"),
        (0.123, 1, "12.3 %"),
        (None, 0, "–"),
    ],
)
def test_percent(share: float | None, decimals: int, text: str) -> None:
    assert plain(words.percent(share, decimals)) == text


@given(st.floats(min_value=0, max_value=1))
def test_only_nothing_is_0_and_only_all_is_100_percent(share: float) -> None:
    assert (plain(words.percent(share)) == "0 %") == (share == 0)
    assert (plain(words.percent(share)) == "100 %") == (share == 1)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (96 * 1024**3, "96 GB"),
        (1.5 * 1024**4, "1.5 TB"),
        (1000 * 1024**3, "1 TB"),
        (999 * 1024**3, "999 GB"),
        (512 * 1024**2, "512 MB"),
        (None, "–"),
    ],
)
def test_memory_in_the_unit_of_qsub(size: float | None, text: str) -> None:
    assert plain(words.memory(size)) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0"), (30.2 * 3600, "30.2"), (189.4 * 3600, "189"), (60, "< 0.1"), (None, "–")]
)
def test_hours(seconds: float | None, text: str) -> None:
    assert plain(words.hours(seconds)) == text


def at(*moment: int, zone: str = "UTC") -> float:
    return datetime(*moment, tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (at(2026, 11, 23, 14, 32), "14:32"),
        (at(2026, 11, 22, 2, 0), "Sun 02:00"),
        (at(2026, 11, 17, 3, 12), "Tue 03:12"),
        (at(2026, 11, 16, 3, 12), "16 Nov 03:12"),
        (at(2025, 11, 16, 3, 12), "16 Nov 2025"),
        (at(2026, 11, 24, 18, 0), "Tue 18:00"),
    ],
)
def test_clock_times_say_no_more_than_they_must(moment: float, text: str) -> None:
    assert words.clock(moment, ZoneInfo("UTC"), at(2026, 11, 23, 20, 0)) == text


def test_clock_times_are_those_of_the_viewer() -> None:
    moment, now = at(2026, 11, 23, 23, 30), at(2026, 11, 23, 23, 45)
    assert words.clock(moment, ZoneInfo("America/Los_Angeles"), now) == "15:30"
    assert words.clock(moment, ZoneInfo("Asia/Kolkata"), now) == "05:00"


def test_full_moments_are_utc() -> None:
    assert words.utc(at(2026, 11, 23, 22, 31, 46)) == "Mon 23 Nov 2026 22:31:46 UTC"
    assert words.iso(at(2026, 11, 23, 14, 31, 46, zone="America/Los_Angeles")) == "2026-11-23T22:31:46Z"


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        (UTC, "UTC"),
        (timezone(timedelta(hours=1)), "UTC+1"),
        (timezone(timedelta(hours=-8)), "UTC−8"),
        (timezone(timedelta(hours=5, minutes=30)), "UTC+5:30"),
        (timezone(timedelta(hours=-3, minutes=-30)), "UTC−3:30"),
    ],
)
def test_zones(zone: timezone, text: str) -> None:
    assert words.zone_words(zone, 0) == text


@given(st.text(max_size=400), st.integers(min_value=2, max_value=60))
def test_strangers_texts_are_short_and_printable(text: str, limit: int) -> None:
    short = words.shorten(text, limit)
    assert len(short) <= limit
    assert all(c.isprintable() or c in "\u200c\u200d\u00a0" for c in short)


def test_line_turners_are_replaced_and_emoji_stay_whole() -> None:
    assert words.shorten("\u202eresu") == "\ufffdresu"
    assert words.shorten("👩\u200d🔬") == "👩\u200d🔬"
    assert words.shorten("a\nb\tc") == "a b c"


def test_plurals() -> None:
    assert [words.plural(n, "job") for n in (0, 1, 1200)] == ["0 jobs", "1 job", "1,200 jobs"]
