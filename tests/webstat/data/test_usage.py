"""Means per step are exact: compared with adding up second by second."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.schema import OPEN
from webstat.data import usage

SINCE, UNTIL, STEP = 1_800_000_000, 1_800_000_000 + 6 * 60, 60


def spans(*rows: tuple[str, int, int, int]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["holder", "since", "until", "cores"])
    return frame.astype({"holder": "str", "since": "int64", "until": "int64", "cores": "int64"})


def polls(
    *taken_at: float,
    failed: tuple[float, ...] = (),
    told: dict[float, float] | None = None,
    periods: dict[float, int] | None = None,
) -> pd.DataFrame:
    rows = [(at, 1.0, at, (told or {}).get(at, np.nan)) for at in taken_at]
    rows += [(at, np.nan, np.nan, np.nan) for at in failed]
    frame = pd.DataFrame(rows, columns=["at", "report", "taken_at", "known_since"]).astype("float64")
    return frame.assign(period_seconds=frame["at"].map(periods or {}).astype("float64"))


def test_windows_are_whole_steps_of_the_clock() -> None:
    assert usage.window(86400 * 3 + 901) == (86400 * 2 + 1800, 86400 * 3 + 1800)
    assert usage.window(86400.0 * 3) == (86400 * 2, 86400 * 3)


moments = st.integers(min_value=SINCE - 100, max_value=UNTIL + 100)
span = st.tuples(st.sampled_from("abcd"), moments, moments, st.integers(min_value=1, max_value=64)).map(
    lambda row: (row[0], min(row[1:3]), max(row[1:3]) + 1 if max(row[1:3]) < UNTIL + 50 else OPEN, row[3])
)
stretch = st.tuples(moments, moments).map(lambda pair: (float(min(pair)), float(max(pair))))


@settings(max_examples=60, deadline=None)
@given(st.lists(span, max_size=12), st.lists(stretch, max_size=3))
def test_means_are_exact(rows: list[tuple[str, int, int, int]], wished: list[tuple[float, float]]) -> None:
    known: list[tuple[float, float]] = []
    for start, end in sorted(wished):
        start = max(start, known[-1][1] + 1 if known else SINCE)
        end = min(end, UNTIL)
        if end > start:
            known.append((start, end))
    found = usage.usage(spans(*rows), known, SINCE, UNTIL, step=STEP, named=2)
    for place, at in enumerate(range(SINCE, UNTIL, STEP)):
        seconds = [s for s in range(at, at + STEP) if any(start <= s < end for start, end in known)]
        if not seconds:
            assert np.isnan(found.total.iloc[place])
            assert found.holders.iloc[place].isna().all()
            continue
        for user in found.holders.columns:
            held = sum(c for s in seconds for u, since, until, c in rows if u == user and since <= s < until)
            assert found.holders[user].iloc[place] == pytest.approx(held / len(seconds), abs=1e-3)
        held = sum(c for s in seconds for _, since, until, c in rows if since <= s < until)
        assert found.total.iloc[place] == pytest.approx(held / len(seconds), abs=1e-3)
    known_total = found.total.dropna()
    parts = found.holders.sum(axis=1) + found.others
    assert np.allclose(parts.dropna(), known_total, atol=1e-2)


def test_a_job_shorter_than_the_interval_counts_in_full() -> None:
    found = usage.usage(spans(("a", SINCE + 10, SINCE + 13, 20)), [(SINCE, UNTIL)], SINCE, UNTIL, step=STEP)
    assert found.holders["a"].tolist() == pytest.approx([1.0, 0, 0, 0, 0, 0])


def test_the_heaviest_come_first_and_the_rest_is_folded() -> None:
    rows = [(f"u{n}", SINCE, UNTIL, n + 1) for n in range(10)]
    found = usage.usage(spans(*rows), [(SINCE, UNTIL)], SINCE, UNTIL, step=STEP)
    assert list(found.holders.columns) == ["u9", "u8", "u7", "u6", "u5", "u4", "u3"]
    assert found.folded == 3
    assert found.others.iloc[0] == pytest.approx(1 + 2 + 3)


def test_a_user_may_have_any_name() -> None:
    rows = [(name, SINCE, UNTIL, 1) for name in ("others", "total", "", "<b>", "user")]
    found = usage.usage(spans(*rows), [(SINCE, UNTIL)], SINCE, UNTIL, step=STEP)
    assert set(found.holders.columns) == {"others", "total", "", "<b>", "user"}
    assert found.total.iloc[0] == pytest.approx(5)


def test_reports_up_to_two_and_a_half_intervals_apart_belong_together() -> None:
    times = [SINCE + 60, SINCE + 120, SINCE + 270, SINCE + 421]
    found = usage.known_stretches(polls(*times), 60, SINCE, UNTIL + 600, step=60)
    assert found == [(SINCE, SINCE + 270), (SINCE + 361, SINCE + 421)]


def test_failed_polls_are_no_knowledge() -> None:
    found = usage.known_stretches(polls(SINCE + 60, failed=(SINCE + 120, SINCE + 180)), 60, SINCE, UNTIL, step=60)
    assert found == [(SINCE, SINCE + 60)]
    assert usage.known_stretches(polls(), 60, SINCE, UNTIL) == []


def test_a_silence_that_could_not_be_drawn_is_no_gap() -> None:
    found = usage.known_stretches(polls(SINCE + 60, SINCE + 360), 60, SINCE, UNTIL, step=900)
    assert found == [(SINCE, SINCE + 360)]


def test_a_longer_period_of_then_is_no_gap_whatever_it_is_now() -> None:
    slow, quick = (SINCE + 1200, SINCE + 2400), (SINCE + 2460, SINCE + 3660)
    periods = {SINCE + 1200: 1200, SINCE + 2400: 1200, SINCE + 2460: 60}
    found = usage.known_stretches(polls(*slow, *quick, periods=periods), 60, SINCE, SINCE + 9000, step=60)
    assert found == [(SINCE + 1140, SINCE + 2460), (SINCE + 3600, SINCE + 3660)], "the second is one, of 60 s"


def test_a_report_that_tells_all_since_long_before_closes_the_gap() -> None:
    times = (SINCE + 60, SINCE + 360)
    closed = usage.known_stretches(polls(*times, told={SINCE + 360: SINCE + 60}), 60, SINCE, UNTIL, step=60)
    assert closed == [(SINCE, SINCE + 360)]
    part = usage.known_stretches(polls(*times, told={SINCE + 360: SINCE + 200}), 60, SINCE, UNTIL, step=60)
    assert part == [(SINCE, SINCE + 60), (SINCE + 200, SINCE + 360)]


def test_gaps_lie_between_what_is_known() -> None:
    known = [(SINCE, SINCE + 100.0), (SINCE + 200.0, SINCE + 300.0)]
    assert usage.gaps(known, SINCE, SINCE + 310, shortest=150) == [(SINCE + 100, SINCE + 200)]
    assert usage.gaps(known, SINCE, SINCE + 500, shortest=150)[-1] == (SINCE + 300, SINCE + 500)
    assert usage.gaps([], SINCE, UNTIL, shortest=150) == [(SINCE, UNTIL)]


def hours(*rows: tuple[int, str, int]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["bucket", "state", "core_seconds"])
    return frame.astype({"bucket": "int64", "state": "str", "core_seconds": "int64"})


def test_usable_cores_come_from_the_hours_and_end_with_now() -> None:
    index = pd.Index(range(0, 4 * 3600, 900))
    total = pd.Series(10.0, index=index)
    rows = hours((0, "busy", 100 * 3600), (0, "down", 50 * 3600), (3600, "free", 4 * 3600), (7200, "offline", 3600))
    found = usage.usable_series(rows, total, usable_now=77, until=3 * 3600 + 1000.0)
    assert found.iloc[:4].tolist() == [100.0] * 4
    assert found.iloc[4:8].tolist() == [10.0] * 4  # what is in use is usable
    assert found.iloc[8:12].isna().all()
    assert found.iloc[12:14].tolist() == [77.0] * 2
    assert found.iloc[14:].isna().all()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1100-1500", (1100, 1500)),
        ("100-1500", (1000, 1500)),
        ("1100-99999", (1100, 2000)),
        ("1100-1110", None),
        ("1500-1100", None),
        ("1-900", None),
        ("3000-4000", None),
        ("", None),
        (None, None),
        ("a-b", None),
        ("1100", None),
        ("1e3-2e3", None),
        ("-5-1500", None),
        ("1100-1500; drop", None),
        ("9" * 40 + "-" + "9" * 41, None),
    ],
)
def test_zooms_are_parts_of_what_is_shown(text: str | None, expected: tuple[int, int] | None) -> None:
    assert usage.zoom_in(text, 1000, 2000) == expected


@pytest.mark.parametrize(("offset", "hours"), [(0, 3), (1800, 2), (-3600, 3)])
def test_hours_are_those_of_the_clock_on_the_wall(offset: int, hours: int) -> None:
    step = usage.STEP
    since = 1_800_000_000 // 3600 * 3600 + 1800
    work = spans(("a", since, OPEN, 4), ("total", since + step, OPEN, 2), ("c", since, since + step, 1))
    used = usage.usage(work, [(since, since + 6 * step)], since, since + 8 * step, named=2)
    usable = pd.Series(10.0, index=used.total.index)
    found = usage.hourly_frame(used, usable, offset)
    assert list(found.columns) == [("holder", "a"), ("holder", "total"), ("others", ""), ("total", ""), ("usable", "")]
    assert len(found) == hours
    assert all((at + offset) % 3600 == 0 for at in found.index)
    assert found["holder", "a"].dropna().unique().tolist() == [4.0]
    assert found["usable", ""].tolist() == [10.0] * hours
    assert found["total", ""].iloc[0] == pytest.approx((5 + 6) / 2 if offset != 1800 else (5 + 6 + 6 + 6) / 4)
