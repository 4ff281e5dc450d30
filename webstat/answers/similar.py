"""From the waits of similar past jobs to the times by which half and nine tenths of such jobs start. Pure.

The 90 % time is an upper confidence bound on the 0.9 quantile by the binomial method, and history from before a change
is left out, after QBETS: D. Nurmi, J. Brevik, R. Wolski, "QBETS: Queue Bounds Estimation from Time Series", JSSPP 2007.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, exp, lgamma, log

import numpy as np

from collector.columns import Numbers
from webstat.answers.waits import DAY, Asked, Waits

DAYS = 90
"""Of how much history similar jobs are taken, by their start."""

FEWEST = 20
"""Similar jobs; of fewer nothing is foretold."""

ENOUGH = 50
"""Similar jobs from which on they need not be less similar."""

CONFIDENCE = 0.95
"""With which the 90 % time is not below the 0.9 quantile of the waits that such jobs have."""

NEWEST = 59
"""So many jobs are kept, at least, where the older ones are from before a change: QBETS's number for 0.95 of 0.95."""

RARE = 0.01
"""So improbable is a run of waits over the bound, in all that is looked at, that tells a change."""

STEPS = {
    "crowd": "of its queue",
    "size": "of its size",
    "walltime": "of its size and walltime",
    "hours": "of its size and walltime at such hours",
}
"""What similar jobs have in common beside their queue, one thing more at each step, and how that is said.

`crowd`, whether others of the own size waited already, made the ranges 3 % truer in backtests; how many they were, or how many
waited in the queue, made them worse.
"""


@dataclass(frozen=True)
class Similar:
    """The waits of similar jobs that waited longer than this one has, shortest first, less what it has waited.

    `since` is when the first of them became eligible, `like` what they have in common with it.
    """

    waits: Numbers
    since: float
    like: str


def similar(waits: Waits, asked: Asked, now: float, waited: float) -> Similar:
    """The similar jobs that had started by `now`: of the last of STEPS that has ENOUGH, else all of the queue."""
    first, known = np.searchsorted(waits.started, now - DAYS * DAY), waits.started_by(now)
    kept = np.arange(first, known)
    if waited > 0:
        kept = kept[waits.wait[kept] > waited]
    chosen, like = kept, STEPS["crowd"]
    for name, words in STEPS.items():
        some = chosen[getattr(waits, name)[chosen] == getattr(asked, name)]
        if len(some) < ENOUGH:
            break
        chosen, like = some, words
    chosen = chosen[changed_at(waits.wait[chosen]) :]
    since = float(waits.eligible[chosen].min()) if len(chosen) else now
    return Similar(np.sort(waits.wait[chosen]) - waited, since, like)


def changed_at(waits: Numbers) -> int:
    """The place, in waits by start, before which they were drawn from something else; 0 where nothing tells a change.

    A change is a run among the newest, or among twice as many and so on, over the bound of those before, that would be
    RARE given how often one over it followed another before: waits that follow each other are alike, so that a run of
    three means nothing by itself.
    """
    count, newer = len(waits), NEWEST
    while count - newer >= NEWEST:
        before, after = waits[: count - newer], waits[count - newer :]
        place = rank(len(before), 0.9) - 1
        bound = np.partition(before, place)[place]
        over = before > bound
        pairs, first = int(np.count_nonzero(over[1:] & over[:-1])), int(np.count_nonzero(over[:-1]))
        follows = min(max(pairs / max(1, first), 0.1), 0.99)
        run = 1 + ceil(log(RARE / newer / 0.1) / log(follows))
        edges = np.flatnonzero(np.diff(np.concatenate([[False], after > bound, [False]])))
        starts, ends = edges[::2], edges[1::2]
        long = np.flatnonzero(ends - starts >= run)
        if len(long):
            return min(count - newer + int(starts[long[-1]]), count - NEWEST)
        newer *= 2
    return 0


def quantile(ordered: Numbers, share: float) -> float:
    """The value that `share` of them are at most."""
    return float(ordered[max(0, ceil(share * len(ordered) - 1e-9) - 1)])


def upper_bound(ordered: Numbers, share: float) -> float:
    """With CONFIDENCE at least the `share` quantile of what these values are drawn from.

    Where they are too few for that (under 29 for 0.9), the largest: of 20 its confidence is still 88 %.
    """
    return float(ordered[min(rank(len(ordered), share), len(ordered)) - 1])


@lru_cache(maxsize=20_000)
def rank(count: int, share: float) -> int:
    """The first place, from 1, of `count` values in order that is with CONFIDENCE at or above their `share` quantile.

    It is count + 1 where none is. Where k is the place, at most k - 1 of them are below the quantile.
    """
    # The terms of the binomial distribution, from the top: only the last 5 % have to be added up.
    above, k = 0.0, count
    while k >= 0:
        ways = lgamma(count + 1) - lgamma(k + 1) - lgamma(count - k + 1)
        above += exp(ways + k * log(share) + (count - k) * log(1 - share))
        if above > 1 - CONFIDENCE:
            break
        k -= 1
    return k + 1
