"""The shared conversions: what is read, and that nothing is invented of what is not."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Optional
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.parsers.values import (
    MAX_TEXT,
    Remembered,
    parse_bytes,
    parse_ctime,
    parse_integer,
    parse_seconds,
    printable,
    remembered_times,
)

ATHENS = ZoneInfo("Europe/Athens")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")  # its clocks go forward by half an hour


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("-1024", -1024),
        (" 7 ", 7),
        ("+3", 3),
        (None, None),
        ("", None),
        ("1.0", None),
        ("1e3", None),
        ("٣", None),
        ("1_000", None),
        ("9" * 18, 10**18 - 1),
        ("9" * 19, None),
        ("9" * 100000, None),
        ("0x10", None),
    ],
)
def test_integers(text: Optional[str], number: Optional[int]) -> None:
    assert parse_integer(text) == number


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0kb", 0),
        ("0b", 0),
        ("1368kb", 1368 * 1024),
        ("400gb", 400 << 30),
        ("2tb", 2 << 40),
        ("1pb", 1 << 50),
        ("5gw", 40 << 30),
        ("10", 10),
        ("10b", 10),
        ("10w", 80),
        ("1.5gb", 3 << 29),
        ("4GB", 4 << 30),
        ("8m", 8 << 20),
        (None, None),
        ("", None),
        ("gb", None),
        ("-1kb", None),
        ("1 gb", None),
        ("4gib", None),
        ("9eb", None),
        ("nan", None),
        ("9" * 30 + "kb", None),
        ("١kb", None),
        ("1kbb", None),
    ],
)
def test_sizes(text: Optional[str], size: Optional[int]) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("00:00:00", 0),
        ("01:02:03", 3723),
        ("240:00:00", 864000),
        ("12:30", 750),
        ("90", 90),
        ("1:02:00:00", 93600),
        ("71582788:15:00", 71582788 * 3600 + 900),
        ("00:00:01.75", 1),
        (" 5 ", 5),
        (None, None),
        ("", None),
        ("1:2:3:4:5", None),
        ("-1", None),
        ("1:", None),
        (":1", None),
        ("1::2", None),
        ("unlimited", None),
        ("٣", None),
        ("9" * 40, None),
        ("1:00:000", None),
    ],
)
def test_durations(text: Optional[str], seconds: Optional[int]) -> None:
    assert parse_seconds(text) == seconds


def seconds_utc(*when: Any) -> int:
    return int(datetime(*when, tzinfo=timezone.utc).timestamp())


@pytest.mark.parametrize(
    ("text", "zone", "epoch"),
    [
        ("Mon Nov 23 21:18:03 2026", timezone.utc, seconds_utc(2026, 11, 23, 21, 18, 3)),
        ("Mon Nov 23 21:18:03 2026", ATHENS, seconds_utc(2026, 11, 23, 19, 18, 3)),
        ("Wed Jul  1 00:00:00 2026", ATHENS, seconds_utc(2026, 6, 30, 21, 0, 0)),
        ("Sun Mar 29 02:59:59 2026", ATHENS, seconds_utc(2026, 3, 29, 0, 59, 59)),
        ("Sun Mar 29 04:00:00 2026", ATHENS, seconds_utc(2026, 3, 29, 1, 0, 0)),
        ("Sun Oct 25 03:30:00 2026", ATHENS, seconds_utc(2026, 10, 25, 0, 30, 0)),  # shown twice: the first
        ("Sun Oct 25 04:00:00 2026", ATHENS, seconds_utc(2026, 10, 25, 2, 0, 0)),
        ("Sun Oct  4 01:59:59 2026", LORD_HOWE, seconds_utc(2026, 10, 3, 15, 29, 59)),
        ("Sun Oct  4 02:30:00 2026", LORD_HOWE, seconds_utc(2026, 10, 3, 15, 30, 0)),
        ("Thu Jan  1 00:00:00 1970", timezone.utc, 0),
        ("Tue Dec 31 23:59:60 2024", timezone.utc, seconds_utc(2025, 1, 1, 0, 0, 0)),
    ]
    + [
        (text, timezone.utc, None)
        for text in (
            *(
                "",
                "Thu Jan  1 00:00:00 1969",
                "Mon Feb 30 00:00:00 2026",
                "Mon Nov 23 24:00:00 2026",
                "Mon Nov 23 21:18",
            ),
            *("Mon Nov 23 21:60:03 2026", "Mon Nov 23 21:18:03 2026 UTC", "Mon Nov 23 21:18:03 10000", "23 Nov 2026"),
            *(
                "Mon Abc 23 21:18:03 2026",
                "Mon Nov 23 +1:18:03 2026",
                "Mon Nov 23 ٢١:18:03 2026",
                "Fri Jan  1 00:00:00 0000",
            ),
        )
    ],
)
def test_times(text: str, zone: Any, epoch: Optional[int]) -> None:
    assert parse_ctime(text, zone) == epoch
    assert remembered_times(zone)[text] == epoch


def test_nothing_is_no_time() -> None:
    assert parse_ctime(None, timezone.utc) is None


@given(
    moment=st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2037, 12, 31)),
    zone=st.sampled_from([timezone.utc, ATHENS, LORD_HOWE, ZoneInfo("Asia/Kathmandu"), ZoneInfo("America/St_Johns")]),
)
def test_remembered_times_are_the_same_times(moment: datetime, zone: Any) -> None:
    text = moment.replace(microsecond=0).ctime()
    expected = int(moment.replace(microsecond=0, tzinfo=zone).timestamp())
    assert parse_ctime(text, zone) == expected
    times = remembered_times(zone)
    assert (times[text], times[str(expected)]) == (expected, expected)


def test_remembered_conversions_convert_once_and_know_what_they_could_not() -> None:
    asked = []

    def convert(text: str) -> Optional[int]:
        asked.append(text)
        return parse_integer(text)

    numbers = Remembered(convert)
    assert [numbers[text] for text in ("1", "x", "1", "x", "2")] == [1, None, 1, None, 2]
    assert asked == ["1", "x", "2"]
    assert numbers.unreadable == ["x"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("", ""),
        ("Universität Zürich – 東京", "Universität Zürich – 東京"),
        ("two\nlines\tand\r\nmore\u2028x", "two lines and  more x"),
        ("\x1b[31mred\x07\x00", "\ufffd[31mred\ufffd\ufffd"),
        ("\u202eevil\u2066\ufeff", "\ufffdevil\ufffd\ufffd"),
        ("\ud800", "\ufffd"),
        ("می\u200cخواهم 👩\u200d🔬", "می\u200cخواهم 👩\u200d🔬"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(max_size=200))
def test_printable_text_can_be_printed_and_stays_as_it_is(text: str) -> None:
    shown = printable(text)
    assert shown.replace("\u200c", "").replace("\u200d", "").isprintable()
    assert shown.encode("utf-8").decode("utf-8") == shown
    assert printable(shown) == shown


def test_long_text_is_cut() -> None:
    assert printable("x" * MAX_TEXT) == "x" * MAX_TEXT
    assert printable("x" * 10_000_000) == "x" * (MAX_TEXT - 1) + "…"
