"""What would be free when, in words and by the hour, from future.py. Pure."""

from __future__ import annotations

import pandas as pd

from webstat.answers.backtest import GOOD
from webstat.answers.future import Future
from webstat.answers.runs import FEWEST
from webstat.answers.track import DAYS, Track
from webstat.format import DAY, HOUR, When, number, percent, plural

Words = tuple[str | When, ...]

SOON_SECONDS = 3 * HOUR


def headline(found: Future, moment: str = "now", were: bool = False) -> tuple[str, Words]:
    """How many cores are free, what is the matter first; then by two full hours how many will be, at least and as expected."""
    free = int(found.steps["cores_certain"].iloc[0])
    be = ("was" if free == 1 else "were") if were else ("is" if free == 1 else "are")
    matter = f"{plural(free, 'core')} {be} free {moment}"
    rest: list[str | When] = []
    for at in (_full_hour(found.at + SOON_SECONDS), (found.at + DAY) // HOUR * HOUR):
        row = found.steps.loc[: at + 1].iloc[-1]
        certain, expected = int(row["cores_certain"]), int(row["cores_expected"])
        more = f" ({number(expected)} expected)" if found.foretold else ""
        rest += ["; by ", When(at, "clock"), f" at least {number(certain)}{more}"]
    return matter, (*rest, ".")


def _full_hour(at: int) -> int:
    return -(-at // HOUR) * HOUR


def by_hour(found: Future, offset: int = 0) -> pd.DataFrame:
    """Future.steps at its beginning and at each full hour after; `offset` is how far local time is ahead of UTC in seconds."""
    first = _full_hour(found.at + 1 + offset) - offset
    moments = [found.at, *range(first, found.at + DAY + 1, HOUR)]
    steps = found.steps.index.searchsorted(moments, side="right") - 1
    return found.steps.iloc[steps].set_axis(pd.Index(moments, dtype="int64"))


def notes(found: Future) -> list[Words]:
    """What has to be known of it, a sentence each: what nobody knows, and what is taken away."""
    told: list[Words] = []
    for one in found.reserved:
        what = "maintenance" if one.maintenance else "reservation"
        which = "all nodes" if one.everything else plural(len(one.nodes), "node")
        till: Words = (" to ", When(one.ends_at, "clock")) if one.ends_at is not None else ()
        told.append((f"A {what} takes {which} from ", When(one.starts_at or 0.0, "clock"), *till, "."))
    if found.endless:
        told.append(
            (
                f"{_cores(found.endless)} held by jobs without a walltime ({percent(found.endless / found.held)} of those "
                "in use): nobody knows when these become free, so they never do here.",
            )
        )
    if found.overdue:
        told.append((f"{_cores(found.overdue)} held by jobs that are over their walltime; they are not counted on.",))
    if found.track.levels is not None and found.unforetold:
        of_all = found.held - found.endless - found.overdue
        which = "all others" if 0 < of_all == found.unforetold < found.held else plural(found.unforetold, "core")
        told.append((f"Of {which} only the walltime is known: fewer than {FEWEST} similar jobs have run so long.",))
    return told


def _cores(count: int) -> str:
    return f"{plural(count, 'core')} {'is' if count == 1 else 'are'}"


def record(track: Track) -> str:
    """How well what is expected has held, and what is not told since it did not."""
    if track.half is None or track.most is None:
        return "How well expected ends hold is not known yet: too few jobs ran at past moments."
    half, most, again = (round(100 * one) for one in (track.half, track.most, track.least or 0))
    tried = f"Tried on {plural(track.tried, 'job')} of {DAYS} days: by the times for 50 and 90 of 100, {half} and {most} had ended"
    if track.levels is None:
        low, high = (round(100 * one) for one in GOOD)
        return f"{tried}. Since the second is not {low} to {high}, only walltimes are drawn."
    if track.recalibrated:
        tried += ", recalibrated"
    if track.least is None:
        return f"{tried}."
    cores = f"{tried}; as many cores as “90 of 100” were free {again} of 100 times"
    return f"{cores}." if track.below is not None else f"{cores}, so that line is not drawn."
