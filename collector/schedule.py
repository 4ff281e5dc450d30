"""When to poll, and when a refresh by hand is allowed: pure decisions on clock readings.

Times are readings of any one clock in seconds; `chance` is a random number in [0, 1) from the caller.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

STEADY_FAILURES = 2
"""So many failed polls in a row keep the period: most outages are short. Then it doubles each time."""


RECENT = 5
"""Of so many rounds of commands the median counts, or the newest where that took longer."""

HOUR = 3600.0

Spent = tuple[float, float]
"""When a round of the scheduler's commands was begun, and the seconds that it took."""


def fair_period(spent: Sequence[Spent], wished: float, share: float) -> int:
    """The seconds from one poll to the next in which a round of commands takes no more than `share` of the time.

    Never less than `wished`; just that where nothing is known yet, or `share` is 0. `spent` is oldest first. A scheduler
    that has become slow is given room at once; one slow round among quick ones stretches a single pause.
    """
    if not spent or share <= 0:
        return math.ceil(wished)
    last = [seconds for _, seconds in spent[-RECENT:]]
    return math.ceil(max(wished, max(last[-1], statistics.median(last)) / share))


def recent(spent: Sequence[Spent], now: float) -> list[Spent]:
    """The rounds that later decisions rest on: those of the last hour, at least RECENT."""
    return [one for place, one in enumerate(spent, RECENT - len(spent)) if place >= 0 or one[0] > now - HOUR]


def affordable_at(spent: Sequence[Spent], now: float, share: float) -> float:
    """From when on a refresh by hand fits: once the commands of the hour before took no more than `share` of it.

    One round over that is let pass, since polling itself fills an hour up to it. At once where `share` is 0.
    """
    hour = [one for one in spent if one[0] > now - HOUR]
    at = now
    while share > 0 and hour and sum(seconds for _, seconds in hour) > share * HOUR + hour[-1][1]:
        at = hour.pop(0)[0] + HOUR
    return at


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
