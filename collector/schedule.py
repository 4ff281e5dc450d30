"""When to poll, and when a refresh by hand is allowed: pure decisions on clock readings.

Times are readings of any one clock in seconds; `chance` is a random number in [0, 1) from the caller.
"""

from __future__ import annotations

STEADY_FAILURES = 2
"""So many failed polls in a row keep the period: most outages are short. Then it doubles each time."""


def first_poll(now: float, number: int, clusters: int, period: float) -> float:
    """When to poll a cluster for the first time: spread over five seconds, so that not all are asked at once."""
    return now + min(period, 5.0) * number / max(clusters, 1)


def next_poll(begun: float, now: float, period: float, failures: int, backoff_max: float, chance: float) -> float:
    """When to poll next: a period after the last poll was begun, later after several failures.

    Never in the past: what was missed is not made up for. The back-off has up to 20 % of jitter, so
    that many clusters behind one broken link do not come back in step.
    """
    if failures <= STEADY_FAILURES:
        return max(begun + period, now)
    pause = max(period, min(period * 2.0 ** min(failures - STEADY_FAILURES, 20), backoff_max))
    return max(begun + pause * (1.0 + 0.2 * chance), now)


def refresh_allowed_at(last_refresh: float | None, minimum: float) -> float:
    """From when on a refresh by hand is allowed; 0 if it always was."""
    return 0.0 if last_refresh is None else last_refresh + minimum
