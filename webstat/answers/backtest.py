"""How often such answers held: history asked again, each time from what was known then. Pure.

A past job is asked about at the second it became eligible, or after it had waited for AN_HOUR; what had not started by then
is not known, so nothing of the future comes in. Ranges that do not hold as they say are made from another quantile,
if that holds on a later part of the past too; else no more are told.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import Any

import numpy as np

from collector.columns import Numbers
from webstat.answers.similar import FEWEST, quantile, similar, upper_bound
from webstat.answers.waits import DAY, Asked, Waits

AN_HOUR = 3600.0
"""How long a job has waited of which it is asked while it waits."""

RECENT_DAYS = 30
"""How much of the past is asked again."""

TRIED = 300
"""Jobs of a queue that are asked about, at most: evenly spread over that time."""

FEWEST_TRIED = 50
"""Under so many nothing is said of how often answers held, and nothing is made of it."""

GOOD = (0.85, 0.95)
"""For which share of jobs a 90 % time holds as it says."""

SHORTEST_SECONDS = 300
"""No 90 % time is told that is shorter."""

WANTED = (0.9, 0.93, 0.87)
"""Shares of the earlier past for which another quantile is to hold: the first that holds on the later past too is taken."""

GOOD_HALF = (0.4, 0.6)
"""The same of a 50 % time."""

SHORT_SECONDS = 600
"""Times that are so short need not be shorter, however often they hold."""


@dataclass(frozen=True)
class Tried:
    """Answers about past jobs of a queue, in the order in which the jobs came. Each array has an element for a job.

    `at` is when it was asked, `wait` how long the job still waited (or has waited by now, and `started` is False),
    `half` and `most` the 50 % and 90 % times told, `place` the smallest share whose quantile of the similar waits would have held,
    infinite where none would. `declined` counts jobs of which nothing was foretold.
    """

    at: Numbers
    wait: Numbers
    half: Numbers
    most: Numbers
    place: Numbers
    declined: int

    def __len__(self) -> int:
        return len(self.at)


@dataclass(frozen=True)
class Record:
    """How often the answers for a queue held: of `tried` jobs, shares that started by the 50 % and the 90 % time.

    None where too few were tried. `half_share` and `most_share` are the quantiles that times are made from where the usual
    ones do not hold; then `held_half` and `held` are what these held of on the later part of the past, and `usual` is what the usual 90 %
    time held of. Where no quantile would do, nothing is foretold: it is `withheld`. `declined` counts jobs of which nothing was foretold.
    """

    tried: int = 0
    declined: int = 0
    held_half: float | None = None
    held: float | None = None
    usual: float | None = None
    half_share: float | None = None
    most_share: float | None = None
    withheld: bool = False


def tried(waits: Waits, until: float, waited: float = 0.0, days: float = RECENT_DAYS) -> Tried:
    """Ask about the jobs of the last `days` before `until`, when they had waited so long; those that had not, not.

    A job that has not started counts where its 90 % time has passed: that did not hold.
    """
    asked_at = waits.eligible + waited
    recent = (asked_at >= until - days * DAY) & (asked_at < until)
    candidates = np.flatnonzero(recent & (waits.wait > waited) if waited > 0 else recent)
    candidates = candidates[np.argsort(asked_at[candidates], kind="stable")]
    some = candidates[np.unique(np.linspace(0, len(candidates) - 1, min(TRIED, len(candidates))).astype(np.int64))]
    rows, declined = [], 0
    for job in some.tolist():
        now = float(asked_at[job])
        asked = Asked(*(int(column[job]) for column in (waits.size, waits.walltime, waits.hours, waits.crowd)))
        found = similar(waits, asked, now, waited).waits
        if len(found) < FEWEST:
            declined += 1
            continue
        half, most = quantile(found, 0.5), max(upper_bound(found, 0.9), SHORTEST_SECONDS)
        wait = min(float(waits.wait[job]), until - float(waits.eligible[job])) - waited
        if waits.started[job] > until and wait <= most:
            continue  # it may still start in time, or was deleted while it could
        below = int(np.searchsorted(found, wait, side="left"))
        place = (below + 1) / len(found) if below < len(found) else inf
        rows.append((now, wait, half, most, place))
    columns = np.array(rows, dtype=np.float64).reshape(len(rows), 5).T
    return Tried(*columns, declined)


def record(answers: Tried) -> Record:
    """What the answers tell of how often they hold, and what is to be done about it."""
    made = Record(len(answers), answers.declined)
    if len(answers) < FEWEST_TRIED:
        return made
    usual = float(np.mean(answers.wait <= answers.most))
    made = replace(made, held=usual, usual=usual, **_half(answers))
    if is_good(usual) or (usual > 0.9 and np.quantile(answers.most, 0.9) <= SHORT_SECONDS):
        return made
    place = np.where(answers.wait <= SHORTEST_SECONDS, 0.0, answers.place)
    for wanted in WANTED:
        share, later = _again(place, wanted)
        if is_good(later):
            return replace(made, held=later, most_share=share)
    return replace(made, withheld=True)


def is_good(share: float) -> bool:
    """Whether a 90 % time held as it says, to the hundredth."""
    return GOOD[0] <= round(share, 2) <= GOOD[1]


def _half(answers: Tried) -> dict[str, Any]:
    held = float(np.mean(answers.wait <= answers.half))
    if GOOD_HALF[0] <= held <= GOOD_HALF[1]:
        return {"held_half": held}
    share, later = _again(answers.place, 0.5)
    return {"held_half": later, "half_share": share} if abs(later - 0.5) < abs(held - 0.5) else {"held_half": held}


def _again(place: Numbers, wanted: float) -> tuple[float, float]:
    """The share whose quantile holds for `wanted` of the first two thirds, and of how many of the last third it does."""
    cut = 2 * len(place) // 3
    share = quantile(np.sort(place[:cut]), wanted)
    return (share, float(np.mean(place[cut:] <= share))) if share <= 1 else (1.0, 0.0)
