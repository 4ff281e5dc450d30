"""When to poll next: pure decisions."""

from __future__ import annotations

import statistics

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.schedule import (
    HOUR,
    RECENT,
    Spent,
    affordable_at,
    fair_period,
    first_poll,
    next_poll,
    recent,
    refresh_allowed_at,
)

TIMES = st.floats(0, 1e9)
COSTS = st.lists(st.floats(0, 1000), max_size=12)
SHARES = st.floats(0.001, 1)
WISHES = st.integers(5, 86400)


def rounds(costs: list[float], every: float = 60) -> list[Spent]:
    return [(place * every, seconds) for place, seconds in enumerate(costs)]


def test_a_healthy_cluster_is_polled_once_a_period() -> None:
    assert next_poll(begun=100, now=103, period=60, failures=0, backoff_max=600, chance=0.9) == 160


def test_what_was_missed_is_not_made_up_for() -> None:
    assert next_poll(begun=100, now=500, period=60, failures=0, backoff_max=600, chance=0) == 500


def test_a_cluster_that_stays_silent_is_asked_less_and_less() -> None:
    pauses = [next_poll(0, 0, 60, failures, 600, 0) for failures in range(9)]
    assert pauses == [60, 60, 60, 120, 240, 480, 600, 600, 600]


def test_a_period_longer_than_the_longest_pause_stays() -> None:
    assert next_poll(0, 0, 900, 50, 600, 0) == 900


@given(TIMES, st.floats(0, 1000), st.floats(5, 86400), st.integers(0, 10**6), st.floats(5, 1e5), st.floats(0, 0.99))
def test_next_is_never_in_the_past_nor_sooner_than_a_period(
    begun: float, took: float, period: float, failures: int, backoff_max: float, chance: float
) -> None:
    due = next_poll(begun, begun + took, period, failures, backoff_max, chance)
    assert due >= begun + took
    assert due >= begun + period
    assert due <= max(begun + took, begun + 1.2 * max(period, backoff_max))


@given(TIMES, st.integers(1, 200), st.floats(5, 3600))
def test_first_polls_are_spread_within_five_seconds(now: float, clusters: int, period: float) -> None:
    due = [first_poll(now, number, clusters, period) for number in range(clusters)]
    assert due[0] == now
    assert due == sorted(due)
    assert due[-1] <= now + 5


def test_a_refresh_is_allowed_again_after_the_minimum() -> None:
    assert refresh_allowed_at(None, 30) == 0
    assert refresh_allowed_at(100.0, 30) == 130


def test_a_slow_scheduler_is_given_room_at_once_and_a_quick_one_asked_as_wished() -> None:
    assert fair_period([], 60, 0.05) == 60, "nothing is known yet"
    assert fair_period(rounds([1, 1, 1]), 60, 0.05) == 60
    assert fair_period(rounds([10]), 60, 0.05) == 200
    assert fair_period(rounds([1, 1, 1, 1, 10]), 60, 0.05) == 200, "at once"
    assert fair_period(rounds([1, 1, 1, 10, 1]), 60, 0.05) == 60, "one slow round stretches one pause"
    assert fair_period(rounds([10] * 5 + [1, 1]), 60, 0.05) == 200
    assert fair_period(rounds([10] * 5 + [1, 1, 1]), 60, 0.05) == 60, "it is quick again"
    assert fair_period(rounds([10]), 60, 0) == 60, "without a limit"


@given(COSTS, WISHES, SHARES)
def test_share_and_floor_are_kept(costs: list[float], wished: int, share: float) -> None:
    period = fair_period(rounds(costs), wished, share)
    assert period >= wished
    last = costs[-RECENT:]
    needs = max(last[-1], statistics.median(last)) if last else 0.0
    assert needs <= share * period * (1 + 1e-9)
    assert period <= max(wished, needs / share + 1), "no longer than it must be"


@given(COSTS, COSTS, WISHES, WISHES, SHARES, SHARES)
def test_the_period_grows_with_cost_and_wish_and_shrinks_with_the_share(
    costs: list[float], more: list[float], wished: int, other: int, share: float, wider: float
) -> None:
    dearer = [seconds + extra for seconds, extra in zip(costs, [*more, *[0.0] * len(costs)], strict=False)]
    narrow, wide = sorted([share, wider])
    least, most = sorted([wished, other])
    assert fair_period(rounds(costs), least, wide) <= fair_period(rounds(dearer), most, narrow)


@given(COSTS, st.floats(0, 2 * HOUR), WISHES, SHARES)
def test_what_is_forgotten_decides_nothing(costs: list[float], later: float, wished: int, share: float) -> None:
    spent = rounds(costs, every=HOUR / 4)
    now = (spent[-1][0] if spent else 0.0) + later
    kept = recent(spent, now)
    assert fair_period(kept, wished, share) == fair_period(spent, wished, share)
    assert affordable_at(kept, now, share) == affordable_at(spent, now, share)


@settings(deadline=None)
@given(st.floats(0.01, 180), SHARES, WISHES)
def test_polling_alone_never_spends_what_a_refresh_needs(seconds: float, share: float, wished: int) -> None:
    spent = [(0.0, seconds)]
    for _ in range(60):
        spent.append((spent[-1][0] + fair_period(spent, wished, share), seconds))
        assert affordable_at(spent, spent[-1][0] + 1, share) == spent[-1][0] + 1


def test_a_refresh_waits_until_the_hour_has_room_for_it() -> None:
    spent = [(600.0 * place, 45.0) for place in range(6)]  # 270 s of the 180 s, one of 45 s let pass
    assert affordable_at(spent, 3000, 0.05) == 3600, "when the first is an hour ago"
    assert affordable_at(spent, 3601, 0.05) == 3601
    assert affordable_at(spent, 3000, 0) == 3000
