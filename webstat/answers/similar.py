"""From the waits of similar past jobs to the times by which half and nine tenths of such jobs start. Pure.

The 90 % time is an upper confidence bound on the 0.9 quantile by the binomial method, after QBETS: D. Nurmi, J. Brevik,
R. Wolski, "QBETS: Queue Bounds Estimation from Time Series", JSSPP 2007.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import exp, lgamma, log

import numpy as np

from collector.columns import Numbers
from webstat.answers.waits import Asked, Waits

FEWEST = 20
"""Similar jobs; of fewer nothing is foretold."""

ENOUGH = 100
"""Similar jobs from which on they need not be less similar."""

CONFIDENCE = 0.95
"""With which the 90 % time is not below the 0.9 quantile of the waits that such jobs have."""

STEPS = (
    (("size", "walltime", "hours"), "of its size and walltime at such hours"),
    (("size", "walltime"), "of its size and walltime"),
    (("size",), "of its size"),
    ((), "of its queue"),
)
"""What similar jobs have in common beside their queue, the most similar first, and how that is said."""


@dataclass(frozen=True)
class Similar:
    """The waits of similar jobs that waited at least as long as this one has, shortest first, less what it has waited.

    `since` is when the first of them became eligible, `like` what they have in common with it.
    """

    waits: Numbers
    since: float
    like: str


def similar(waits: Waits, asked: Asked, now: float, waited: float) -> Similar:
    """The similar jobs that had started by `now`: of the first of STEPS that has ENOUGH, else of the last one."""
    known = waits.started_by(now)
    kept = np.flatnonzero(waits.wait[:known] > waited) if waited > 0 else np.arange(known)
    chosen = kept
    like = STEPS[-1][1]
    for names, words in STEPS:
        some = kept
        for name in names:
            some = some[getattr(waits, name)[some] == getattr(asked, name)]
        if len(some) >= ENOUGH:
            chosen, like = some, words
            break
    since = float(waits.eligible[chosen].min()) if len(chosen) else now
    return Similar(np.sort(waits.wait[chosen]) - waited, since, like)


def quantile(ordered: Numbers, share: float) -> float:
    """The value that `share` of them are at most."""
    return float(ordered[max(0, int(np.ceil(share * len(ordered))) - 1)])


def upper_bound(ordered: Numbers, share: float) -> float:
    """With CONFIDENCE at least the `share` quantile of what these values are drawn from.

    Where they are too few for that (under 29 for 0.9), the largest: of 20 its confidence is still 88 %.
    """
    return float(ordered[min(rank(len(ordered), share), len(ordered)) - 1])


@lru_cache(maxsize=20_000)
def rank(count: int, share: float) -> int:
    """The smallest k for which of `count` values at most k - 1 are below their `share` quantile with CONFIDENCE; count + 1 if none."""
    if share <= 0:
        return 1
    if share >= 1:
        return count
    # The terms of the binomial distribution, from the top: only the last 5 % have to be added up.
    above, k = 0.0, count
    while k >= 0:
        above += exp(
            lgamma(count + 1) - lgamma(k + 1) - lgamma(count - k + 1) + k * log(share) + (count - k) * log(1 - share)
        )
        if above > 1 - CONFIDENCE:
            break
        k -= 1
    return k + 1
