"""The bound is that of the binomial distribution, added up term by term."""

from __future__ import annotations

from math import comb

import pytest

from webstat.answers.similar import CONFIDENCE, rank, upper_bound


def below(count: int, share: float, k: int) -> float:
    """The probability that at most k - 1 of `count` values lie below the `share` quantile."""
    return sum(comb(count, j) * share**j * (1 - share) ** (count - j) for j in range(k))


@pytest.mark.parametrize("share", [0.5, 0.75, 0.9, 0.97])
@pytest.mark.parametrize("count", [20, 28, 29, 45, 59, 100, 333, 800])
def test_the_bound_is_the_first_value_that_is_high_enough_with_confidence(count: int, share: float) -> None:
    k = rank(count, share)
    assert below(count, share, k - 1) < CONFIDENCE
    assert k == count + 1 or below(count, share, k) >= CONFIDENCE


def test_too_few_for_the_confidence_give_the_longest_wait() -> None:
    assert rank(28, 0.9) == 29
    assert rank(29, 0.9) == 29
    assert upper_bound(list(range(28)), 0.9) == 27
