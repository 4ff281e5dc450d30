"""What cores did over time: pure, from spans and polls to means per step, with gaps left open.

Means are computed from exact starts and ends, over the time in which reports came. A step without any
report is a gap (NaN); nothing is interpolated.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from agent.states import NodeState
from webstat.data.frames import OUT
from webstat.health import LATE_AFTER

STEP = 900
"""Seconds of one step of the last 24 hours."""

NAMED = 7
"""Holders that are told one by one where not all are."""

SHORTEST_ZOOM = 60
"""Seconds below which a zoom shows nothing."""

Stretch = tuple[float, float]


def window(until: float, seconds: int = 86400, step: int = STEP) -> tuple[int, int]:
    """The whole steps that cover the `seconds` before `until`: (first second, last second).

    Aligned to the clock, so that a step that has passed looks the same in every later picture.
    """
    end = -int(-until // step) * step
    return end - seconds, end


def zoom_in(text: str | None, since: int, until: float) -> Stretch | None:
    """The part of [since, until) that `<from>-<to>` names (unix seconds); None for what names none worth drawing."""
    found = re.fullmatch(r"(\d{1,12})-(\d{1,12})", text or "")
    if not found:
        return None
    start, end = max(int(found[1]), since), min(int(found[2]), until)
    return (start, end) if end - start >= SHORTEST_ZOOM else None


def known_stretches(polls: pd.DataFrame, period: int, since: int, until: float, step: int = STEP) -> list[Stretch]:
    """When the cluster was known within [since, until), from load_polls().

    Two reports belong together when they are no more than 2.5 intervals apart, or less than a step,
    which could not be drawn, or when the later one tells all that happened since the earlier. The interval is the one
    in which the later was awaited then, the wished `period` where that is not told. Before the first report and after
    the last nothing is known, but for the wished period in which the next one is awaited.
    """
    good = polls.loc[polls["report"].notna(), ["taken_at", "known_since", "period_seconds"]].sort_values("taken_at")
    awaited = good.pop("period_seconds").shift().fillna(period)
    stretches: list[Stretch] = []
    for (at, told), within in zip(good.itertuples(index=False), awaited, strict=True):
        longest = max(LATE_AFTER * within, step)
        begun = start = at - period if np.isnan(told) else min(told, at - period)
        while stretches and (at - stretches[-1][1] <= longest or begun <= stretches[-1][1]):
            start = min(start, stretches.pop()[0])
        stretches.append((start, at))
    cut = [(max(start, since), min(end, until)) for start, end in stretches]
    return [(start, end) for start, end in cut if end > start]


def gaps(known: Sequence[Stretch], since: int, until: float, shortest: float) -> list[Stretch]:
    """What lies between the known stretches within [since, until); at the end only from `shortest` seconds on."""
    edges = [since, *(edge for stretch in known for edge in stretch), until]
    between = [(edges[place], edges[place + 1]) for place in range(0, len(edges), 2)]
    return [(start, end) for start, end in between if end - start >= (shortest if end == until else 1)]


@dataclass(frozen=True)
class Usage:
    """Mean cores in use per step; the index holds the steps' first seconds, NaN is a gap.

    `holders` has one float64 column a user (or group, or queue), most core-hours first; `others` is the
    sum of the `folded` ones that have none; `total` the sum of all.
    """

    holders: pd.DataFrame
    others: pd.Series
    total: pd.Series
    folded: int
    known: tuple[Stretch, ...]


def usage(
    spans: pd.DataFrame, known: Sequence[Stretch], since: int, until: int, step: int = STEP, named: int | None = NAMED
) -> Usage:
    """Add up load_core_spans() over [since, until), whole steps, with columns for at most `named` holders, None for all."""
    edges = np.arange(since, until + 1, step, dtype="float64")
    index = pd.Index(edges[:-1].astype("int64"), name="at")
    seconds = _known_seconds(known, edges)
    fine = np.unique(np.concatenate([edges, [edge for stretch in known for edge in stretch]]))
    fine = fine[(fine >= since) & (fine <= until)]
    is_known = _known_seconds(known, fine) > 0
    step_of = np.minimum(np.searchsorted(edges, fine[:-1], side="right") - 1, len(index) - 1)

    def means(part: pd.DataFrame) -> np.ndarray:
        work = np.where(is_known, np.diff(_work_until(part, fine)), 0.0)
        sums = np.bincount(step_of, weights=work, minlength=len(index))
        # Differences of large sums leave a trace where there was nothing.
        sums[np.abs(sums) < 0.01] = 0.0
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(seconds > 0, sums / seconds, np.nan)

    length = spans["until"].clip(upper=until) - spans["since"].clip(lower=since)
    heaviest = (spans["cores"] * length).groupby(spans["holder"]).sum()
    order = sorted(heaviest.index, key=lambda holder: (-heaviest[holder], holder))
    shown = order[:named]
    return Usage(
        holders=pd.DataFrame({holder: means(spans[spans["holder"] == holder]) for holder in shown}, index=index),
        others=pd.Series(means(spans[~spans["holder"].isin(shown)]), index=index),
        total=pd.Series(means(spans), index=index),
        folded=len(order) - len(shown),
        known=tuple(known),
    )


def _known_seconds(known: Iterable[Stretch], edges: np.ndarray) -> np.ndarray:
    seconds = np.zeros(len(edges) - 1)
    for start, end in known:
        seconds += np.clip(np.minimum(edges[1:], end) - np.maximum(edges[:-1], start), 0, None)
    return seconds


def _work_until(spans: pd.DataFrame, edges: np.ndarray) -> np.ndarray:
    """Core-seconds done before each edge: what had started, less what had ended, each times how long ago."""
    result = np.zeros(len(edges))
    origin = edges[0]  # small numbers keep float64 exact
    for column, sign in (("since", 1.0), ("until", -1.0)):
        times, cores = spans[column].to_numpy(dtype="float64") - origin, spans["cores"].to_numpy(dtype="float64")
        order = np.argsort(times)
        times, cores = times[order], cores[order]
        count = np.searchsorted(times, edges - origin)
        sums = np.concatenate([[0.0], np.cumsum(cores)])[count]
        moments = np.concatenate([[0.0], np.cumsum(cores * times)])[count]
        result += sign * (sums * (edges - origin) - moments)
    return result


def usable_series(
    hours: pd.DataFrame, total: pd.Series, usable_now: int | None, until: float, step: int = STEP
) -> pd.Series:
    """Usable cores at the steps of usage(), from load_capacity_hours(); float64, NaN where not known.

    Hours know installed cores by node state, not which of them idled: where an offline node still
    worked off its jobs, what was in use counts as usable.
    """
    serving = hours[~hours["state"].isin(OUT - {NodeState.UNKNOWN.value})]
    by_hour = serving.groupby("bucket")["core_seconds"].sum() / 3600.0
    hour = pd.Index(total.index - total.index % 3600)
    series = pd.Series(by_hour.reindex(hour).to_numpy(dtype="float64"), index=total.index)
    # The hour that is not over yet has not been summed; its nodes are those of now.
    current = total.index >= until - until % 3600
    if usable_now is not None:
        series[current & (total.index < until)] = float(usable_now)
    return series.where(series.isna(), np.fmax(series, total.fillna(0)))


def hourly_frame(usage: Usage, usable: pd.Series, offset: int = 0) -> pd.DataFrame:
    """Means per hour of what usage() and usable_series() have per step; the index is the hours' first second.

    float64 columns named (kind, name), so that no holder is mistaken for a sum: ("holder", name) for each holder,
    ("others", "") where some are folded, ("total", ""), ("usable", ""). `offset` is how far local time is ahead of
    UTC, in seconds. Hours without any report are NaN.
    """
    columns: dict[tuple[str, str], pd.Series] = {("holder", str(name)): usage.holders[name] for name in usage.holders}
    if usage.folded:
        columns["others", ""] = usage.others
    columns["total", ""] = usage.total
    columns["usable", ""] = usable
    frame = pd.DataFrame(columns)
    return frame.groupby((frame.index + offset) // 3600 * 3600 - offset).mean()
