"""Numbers, durations, ages and times as people read them. Text only; components/times.py makes elements of it.

The browser counts ages up with the same rules (assets/webstat.js); a test compares the two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal

NBSP = "\u00a0"
UNKNOWN = "–"

MINUTE, HOUR, DAY, WEEK = 60, 3600, 86400, 7 * 86400

_KEPT = "\u200c\u200d" + NBSP  # joiners: letters and emoji fall apart without them; a number keeps its unit


@dataclass(frozen=True)
class When:
    """A moment inside a sentence: said as a clock time, as its age, or as the time until it.

    A sentence is a tuple of text and moments, since only the browser knows what time it is when it is read.
    """

    at: float
    form: Literal["clock", "age", "until"]


def number(value: float | None) -> str:
    """A whole number with separators: `2,605`; `–` for None."""
    return UNKNOWN if value is None or math.isnan(value) else f"{round(value):,}"


def compact(value: float | None) -> str:
    """As number() below 10,000, then `107 k`, `10.6 M`; for charts and totals."""
    if value is None or math.isnan(value):
        return UNKNOWN
    if abs(value) < 10_000:
        return number(value)
    if abs(value) < 999_500:
        return f"{value / 1e3:.0f}{NBSP}k"
    return f"{value / 1e6:.1f}{NBSP}M"


def hours(seconds: float | None) -> str:
    """Hours without their unit: `30.2`, from 100 on whole, `0`; `–` for None."""
    if seconds is None or math.isnan(seconds):
        return UNKNOWN
    value = seconds / HOUR
    if value == 0:
        return "0"
    if 0 < value < 0.05:
        return "<" + NBSP + "0.1"
    return f"{value:,.1f}" if value < 99.95 else f"{value:,.0f}"


def percent(share: float | None, decimals: int = 0) -> str:
    """A share (0 to 1) as `86 %`; never rounded to 0 or 100 unless it is."""
    if share is None or math.isnan(share):
        return UNKNOWN
    text = f"{share * 100:.{decimals}f}"
    if 0 < share < 1:
        edge = 10**-decimals
        if float(text) == 0:
            return f"<{NBSP}{edge:.{decimals}f}{NBSP}%"
        if float(text) == 100:
            return f"{100 - edge:.{decimals}f}{NBSP}%"
    return f"{text}{NBSP}%"


def duration(seconds: float | None) -> str:
    """Two units at most, rounded down: `14 s`, `12 min`, `3 h 20`, `1 d 22 h`, `45 d`; `–` for None."""
    if seconds is None or math.isnan(seconds):
        return UNKNOWN
    whole = max(0, math.floor(seconds))
    if whole < MINUTE:
        return f"{whole}{NBSP}s"
    if whole < HOUR:
        return f"{whole // MINUTE}{NBSP}min"
    if whole < DAY:
        return f"{whole // HOUR}{NBSP}h" + (f"{NBSP}{whole % HOUR // MINUTE:02d}" if whole % HOUR >= MINUTE else "")
    days, rest = divmod(whole, DAY)
    return f"{days:,}{NBSP}d" + (f"{NBSP}{rest // HOUR}{NBSP}h" if rest >= HOUR and days < 14 else "")


def wait(seconds: float | None) -> str:
    """As duration(), with `< 1 min` for what is shorter."""
    if seconds is not None and not math.isnan(seconds) and seconds < MINUTE:
        return f"<{NBSP}1{NBSP}min"
    return duration(seconds)


def range_words(low: float, high: float) -> str:
    """A range of times from now that is an estimate, no more exact than that: `In 2 h 20 – 13 h`, `Within 5 min`.

    To 5 min below 1 h, 10 min below 4 h, 1 h below 1 d, then 6 h; the low end down, the high end up.
    """

    first = math.floor(low / range_step(low)) * range_step(low)
    last = max(math.ceil(high / range_step(high)), 1) * range_step(high)
    return f"In {duration(first)} – {duration(last)}" if 0 < first < last else f"Within {duration(last)}"


def range_step(seconds: float) -> int:
    """To how many seconds an end of an estimated range is rounded that lies so far ahead."""
    return 5 * MINUTE if seconds < HOUR else 10 * MINUTE if seconds < 4 * HOUR else HOUR if seconds < DAY else DAY // 4


def memory(size: float | None) -> str:
    """Bytes in the unit one writes for qsub (1024-based): `96 GB`, `1.5 TB`; `–` for None."""
    if size is None or math.isnan(size):
        return UNKNOWN
    value, units = float(size), ["B", "KB", "MB", "GB", "TB", "PB"]
    while abs(value) >= 1024 and len(units) > 1:
        value /= 1024
        units.pop(0)
    if units[0] == "GB" and value >= 1000:
        value, units = value / 1024, ["TB"]
    digits = 1 if abs(value) < 10 and round(value, 1) != round(value) else 0
    return f"{value:.{digits}f}{NBSP}{units[0]}"


def plural(count: int, noun: str, nouns: str | None = None) -> str:
    """`1 job`, `2 jobs`, `1,200 jobs`."""
    return f"{number(count)} {noun if count == 1 else nouns or noun + 's'}"


def clock(at: float, zone: tzinfo, now: float) -> str:
    """A moment for reading: today `14:32`, within a week `Tue 02:00`, else `17 Nov 03:12`, another year `17 Nov 2025`."""
    moment, today = datetime.fromtimestamp(at, zone), datetime.fromtimestamp(now, zone)
    if moment.date() == today.date():
        return f"{moment:%H:%M}"
    if abs(moment.date() - today.date()) < timedelta(days=7):
        return f"{moment:%a %H:%M}"
    if moment.year == today.year:
        return f"{moment.day} {moment:%b %H:%M}"
    return f"{moment.day} {moment:%b %Y}"


def utc(at: float) -> str:
    """A moment in full, for tooltips: `Mon 23 Nov 2026 22:31:46 UTC`."""
    return f"{datetime.fromtimestamp(at, UTC):%a %d %b %Y %H:%M:%S} UTC"


def iso(at: float) -> str:
    """A moment for the datetime attribute: `2026-11-23T22:31:46Z`."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


def zone_words(zone: tzinfo, now: float) -> str:
    """A zone by its distance from UTC: `UTC`, `UTC+1`, `UTC−8`, `UTC+5:30`."""
    offset = datetime.fromtimestamp(now, zone).utcoffset() or timedelta()
    minutes = round(offset.total_seconds() / 60)
    if not minutes:
        return "UTC"
    whole, part = divmod(abs(minutes), 60)
    return f"UTC{'+' if minutes > 0 else '−'}{whole}" + (f":{part:02d}" if part else "")


def shorten(text: str, limit: int = 24) -> str:
    """A stranger's text cut to `limit` characters; what does not print becomes the replacement character."""
    clean = "".join(c if c.isprintable() or c in _KEPT else " " if c.isspace() else "\ufffd" for c in text)
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
