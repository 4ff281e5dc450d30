"""What one user or group does and did: pure, from the frames of queries/people.py, but for at(), which remembers it.

Days are those of UTC. A day of which no cluster told anything is unknown, not zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

import pandas as pd

from webstat.answers.cost import Cost, cost_of
from webstat.answers.smaller import Alike, alike_jobs
from webstat.data import frames, jobs
from webstat.data.queries import people
from webstat.format import DAY

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from webstat.data.source import Source
    from webstat.health import Cluster

DAYS, FEW_DAYS = 30, 7
"""How many UTC days are looked back at, today included."""

LAST_ENDED = 10
SOON_SECONDS = 3600
"""A job that ends within this is about to end."""
KEPT_SECONDS = 300
"""The hour that is not over is summed this often."""

USER, GROUP = "user", "group"

ENDED = frozenset(("finished", "failed"))
"""States of data.jobs.current() that are no longer alive."""


@dataclass(frozen=True)
class Past:
    """The last DAYS days of a user or group."""

    days: pd.Series
    """Core-hours by UTC day (its first second), oldest first; NaN where nothing is known."""
    clusters: pd.DataFrame
    """As places_frame() gives it by cluster."""
    places: pd.DataFrame
    """As places_frame() gives it by cluster and queue."""
    members: pd.DataFrame
    """Core-hours by user, as members_frame() gives it."""
    ended: pd.DataFrame
    """load_ended(): the jobs that ended last."""
    waits: tuple[float, float] | None
    """Seconds within which 50 % and 90 % of the jobs started; None where none started."""
    started: int
    cost: Cost = field(default_factory=Cost)
    """Of the jobs that ran and ended in these days."""
    alike: tuple[Alike, ...] = ()
    """Which kinds of these jobs could have asked for less."""
    others: tuple[str, ...] = ()
    """A user's groups, most core-hours first."""
    last_day: int | None = None
    """The last day of which there is any use, ever."""

    @property
    def core_hours(self) -> float:
        """Of all the days."""
        return float(self.days.sum())

    @property
    def recent_core_hours(self) -> float:
        """Of the last FEW_DAYS days."""
        return float(self.days.iloc[-FEW_DAYS:].sum())


@dataclass(frozen=True)
class Now:
    """The jobs that live, counted; from the clusters whose state is known."""

    jobs: frames.Jobs = field(default_factory=frames.Jobs)
    cores: int = 0
    """Held by jobs that run or exit."""
    members: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """User -> cores held, jobs that run, jobs that wait or are held."""
    groups: tuple[str, ...] = ()


def at(source: Source, by: str, name: str, clusters: Iterable[Cluster], now: float) -> Past:
    """The past of a user or group; sums are remembered as long as those of the store are, the last ends per report."""
    since, today = first_day(now), int(now // DAY) * DAY
    stamp = int(now // KEPT_SECONDS)

    def make() -> Past:
        use = source.ask(people.load_use_days, by, name, since)
        starts = source.ask(people.load_starts, by, name, since)
        known = source.ask(people.load_known_days, since)
        cost, alike = used(source, by, name, now)
        return Past(
            days=days_series(use, known["day"], since, today),
            clusters=places_frame(use, starts, ["cluster"]),
            places=places_frame(use, starts, ["cluster", "queue"]),
            members=members_frame(use),
            ended=source.ask(people.load_ended, by, name, since, LAST_ENDED),
            waits=waits_of(starts),
            started=len(starts),
            cost=cost,
            alike=alike,
            others=_by_weight(use, GROUP) if by == USER else (),
            last_day=source.ask(people.load_last_day, by, name),
        )

    past = source.share(("people", by, name, stamp), make)
    reports = tuple((cluster.id, cluster.report) for cluster in clusters)
    newest = source.read(people.load_ended, by, name, today - DAY, LAST_ENDED, stamp=reports)
    return replace(past, ended=last_of(newest, past.ended))


def first_day(now: float) -> int:
    """Where the last DAYS days begin."""
    return int(now // DAY) * DAY - (DAYS - 1) * DAY


def used(source: Source, by: str, name: str, now: float) -> tuple[Cost, tuple[Alike, ...]]:
    """What the jobs of a user or group cost that ended in the last DAYS days, and which could have asked for less."""

    def make() -> tuple[Cost, tuple[Alike, ...]]:
        frame = source.ask(people.load_ended_use, by, name, first_day(now))
        return cost_of(frame), alike_jobs(frame)

    return source.share(("people", "used", by, name, int(now // KEPT_SECONDS)), make)


def living(source: Source, by: str, name: str, clusters: Sequence[Cluster], now: float) -> pd.DataFrame:
    """The jobs of a user or group that live, as data.jobs.current() has them, those first that need a look."""
    found = jobs.current(source, clusters, now)
    found = found[(found[by] == name) & ~found["state"].isin(ENDED)]
    return to_look_at(found, now)


def now_of(totals: Sequence[pd.DataFrame], by: str, name: str) -> Now:
    """What a user or group has now, from load_job_totals() of the clusters to be counted."""
    own = [frame[frame[by] == name] for frame in totals]
    if not own:
        return Now()
    living = pd.concat(own, ignore_index=True)
    holding = living[living["state"].isin(frames.IN_USE)]
    waiting = living[living["state"].isin(frames.QUEUED | frames.HELD)]
    cores = holding.groupby("user")["cores"].sum()
    running, pending = (part.groupby("user")["jobs"].sum() for part in (holding, waiting))
    members = {
        str(user): (int(cores.get(user, 0)), int(running.get(user, 0)), int(pending.get(user, 0)))
        for user in sorted(living["user"].unique())
    }
    return Now(frames.jobs(living), int(holding["cores"].sum()), members, tuple(sorted(living["group"].unique())))


def last_of(newest: pd.DataFrame, older: pd.DataFrame) -> pd.DataFrame:
    """The LAST_ENDED last of two load_ended(), each job once, as the first has it."""
    both = pd.concat([newest, older], ignore_index=True).drop_duplicates(["cluster", "id"])
    return both.sort_values("ended_at", ascending=False, kind="stable", ignore_index=True).head(LAST_ENDED)


def days_series(use: pd.DataFrame, known: Collection[int], first: int, last: int) -> pd.Series:
    """Core-hours by UTC day from `first` to `last` (their first seconds), float64; NaN on days not `known`."""
    days = pd.Index(range(first, last + DAY, DAY), name="day")
    sums = use.groupby("day")["core_hours"].sum().reindex(days)
    return sums.fillna(0.0).where(days.isin(list(known)))


def places_frame(use: pd.DataFrame, starts: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """By `keys`, which are cluster, or cluster and queue, most core-hours first.

    cluster str, queue str, core_hours float64, started int64, wait_half and wait_most float64 (seconds within
    which 50 % and 90 % of the jobs started; NaN where none did).
    """
    hours = use.groupby(keys)["core_hours"].sum()
    waits = starts.groupby(keys)["wait_seconds"]
    frame = pd.DataFrame(
        {
            "core_hours": hours,
            "started": waits.size(),
            "wait_half": waits.quantile(0.5),
            "wait_most": waits.quantile(0.9),
        }
    )
    frame = frame.fillna({"core_hours": 0.0, "started": 0}).astype({"started": "int64"})
    frame = frame[(frame["core_hours"] > 0) | (frame["started"] > 0)].reset_index()
    downwards = {"core_hours": False, "started": False, **dict.fromkeys(keys, True)}
    return frame.sort_values(list(downwards), ascending=list(downwards.values()), ignore_index=True)


def members_frame(use: pd.DataFrame) -> pd.DataFrame:
    """Core-hours by user, most first: user str, core_hours float64."""
    frame = use.groupby("user", as_index=False)["core_hours"].sum()
    return frame.sort_values(["core_hours", "user"], ascending=[False, True], ignore_index=True)


def waits_of(starts: pd.DataFrame) -> tuple[float, float] | None:
    """Seconds within which 50 % and 90 % of the jobs in load_starts() started; None where there are none."""
    if starts.empty:
        return None
    half, most = starts["wait_seconds"].quantile([0.5, 0.9])
    return float(half), float(most)


def to_look_at(rows: pd.DataFrame, now: float) -> pd.DataFrame:
    """Rows of data.jobs.current() that live, those first that need a look.

    Something is the matter; it ends within SOON_SECONDS; it waits, the longest first; it runs, by its end; the rest.
    """
    rank = pd.Series(4, index=rows.index)
    rank[rows["expects"] == "ends"] = 3
    rank[rows["state"].isin(frames.QUEUED)] = 2
    rank[(rows["expects"] == "ends") & (rows["expected_at"] < now + SOON_SECONDS)] = 1
    rank[rows["why_tone"] != ""] = 0
    waits = -rows["waited_seconds"].where(rank == 2)
    order = pd.DataFrame({"rank": rank, "waits": waits, "at": rows["expected_at"], "key": rows["key"]})
    return rows.loc[order.sort_values(["rank", "waits", "at", "key"]).index]


def closest(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Of the `known` names those that `name` may have been meant for, closest first."""
    folded: dict[str, str] = {}
    for one in sorted(known):
        folded.setdefault(one.casefold(), one)
    return [folded[one] for one in get_close_matches(name.casefold()[:64], folded, most, 0.6)]


def _by_weight(use: pd.DataFrame, column: str) -> tuple[str, ...]:
    sums = use.groupby(column)["core_hours"].sum()
    return tuple(sorted((str(one) for one in sums.index), key=lambda one: (-sums[one], one)))
