"""When to poll next: pure decisions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collector.schedule import first_poll, next_poll, refresh_allowed_at

TIMES = st.floats(0, 1e9)


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
