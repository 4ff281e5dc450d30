"""How long past jobs waited that asked for what somebody's or a group's jobs used, beside those that asked for as much.

Told of these jobs only where these support it: enough of them asked for the same in the same queue, and would have
fitted into a smaller class of History's, of walltime or of cores. No cause is claimed: who asks for less may differ
otherwise too, so jobs are compared of the same queue that are alike in the other of the two.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from collector.lives import NO_WALLTIME, SIZES, WALLTIMES
from webstat.data.explore.cut import CLASSES
from webstat.data.explore.question import Question
from webstat.efficiency import YOUNG
from webstat.format import DAY, duration, number, plural, shorten, wait

if TYPE_CHECKING:
    from webstat.data.source import Source
    from webstat.health import Cluster

WALLTIME, SIZE = "walltime", "size"
"""What could be asked less of: History's cuts, and the other of the two is kept alike."""

OWN_JOBS = 10
"""Jobs that ended without error from which something is said; of fewer, the next may be the one that needs it all."""
OWN_DAYS = 3
"""UTC days on which they must have been submitted: the tasks of one array are one experience, not many."""
SUPPORT = 0.95
"""Share of them that must fit, those that failed later than that beside them, which may have been cut off: a job that is
killed at its limit costs more than the wait of many."""
MARGIN = 1.25
"""A job fits where this times what it used is asked for: the next one may take a little more."""
LEAST = 20
"""Jobs on each side that a median is told of."""
SHORTER, WORTH_SECONDS = 0.5, 600
"""A wait is worth a word that is at most this share of the other, and shorter by so much: medians of LEAST scatter."""
TRIED = 3
"""Kinds of own jobs, the most frequent first, whose waits are looked up where the best of all is asked for."""
KEPT_SECONDS = 600


@dataclass(frozen=True)
class Alike:
    """Jobs of a user or group that ended without error and asked for the same, by classes, and fitted into a smaller one."""

    cluster: str
    queue: str
    by: str
    """WALLTIME or SIZE."""
    size: int
    walltime: int
    enough: int
    """The class of `by` into which `fitted` of the `jobs` fit."""
    jobs: int
    fitted: int

    @property
    def asked(self) -> int:
        """The class of `by` that they asked for."""
        return self.walltime if self.by == WALLTIME else self.size

    @property
    def most(self) -> int:
        """What `fitted` of them used at most: seconds, or cores kept busy."""
        return (WALLTIMES if self.by == WALLTIME else SIZES)[self.enough]


@dataclass(frozen=True)
class Waited:
    """Within how many seconds half of so many jobs started."""

    half_seconds: float
    jobs: int


@dataclass(frozen=True)
class Smaller:
    """What these jobs used, and how long jobs waited that asked for as much as these, and for less (`chosen`, a class)."""

    alike: Alike
    asked: Waited
    chosen: int
    waited: Waited

    @property
    def seconds(self) -> float:
        """By how much the median of the one is shorter."""
        return self.asked.half_seconds - self.waited.half_seconds


def alike_jobs(used: pd.DataFrame) -> tuple[Alike, ...]:
    """From load_ended_use() of one user or group: each kind of jobs that could have asked for less, the most frequent first."""
    ran = used[used["ran_seconds"] > 0]
    if ran.empty:
        return ()
    kinds = {
        "size": np.searchsorted(SIZES, ran["cores"]),
        "walltime": np.where(
            ran["walltime_seconds"] > 0, np.searchsorted(WALLTIMES, ran["walltime_seconds"]), NO_WALLTIME
        ),
    }
    found = []
    for (cluster, queue, size, walltime), jobs in ran.assign(**kinds).groupby(["cluster", "queue", *kinds]):
        good = jobs[jobs["exit_status"] == 0]
        rest = jobs[jobs["exit_status"] != 0]["ran_seconds"]
        one = Alike(str(cluster), str(queue), WALLTIME, int(size), int(walltime), 0, 0, 0)
        if walltime != NO_WALLTIME:
            found += _fitting(one, good, good["ran_seconds"], rest)
        old = good[(good["ran_seconds"] >= YOUNG) & good["cpu_used_seconds"].notna()]
        found += _fitting(replace(one, by=SIZE), old, old["cpu_used_seconds"] / old["ran_seconds"])
    return tuple(sorted(found, key=lambda one: -one.jobs))


def _fitting(one: Alike, good: pd.DataFrame, used: pd.Series, rest: pd.Series | None = None) -> list[Alike]:
    """The kind with its class, where its `good` jobs support one; those of the `rest` that used more speak against it."""
    if len(good) < OWN_JOBS or (good["submitted_at"] // DAY).nunique() < OWN_DAYS:
        return []
    needed = float(np.quantile(used, SUPPORT, method="higher")) * MARGIN
    enough = int(np.searchsorted(WALLTIMES if one.by == WALLTIME else SIZES, needed))
    if enough >= one.asked:
        return []
    one = replace(one, enough=enough, jobs=len(good))
    fitted = int((used <= one.most).sum())
    against = len(good) - fitted + (0 if rest is None else int((rest > one.most).sum()))
    return [replace(one, fitted=fitted)] if fitted >= SUPPORT * (fitted + against) else []


def like(
    kinds: Iterable[Alike],
    cluster: str,
    queue: str,
    cores: int,
    walltime_seconds: float | None,
    ran_seconds: float,
    cores_busy: float | None,
) -> list[Alike]:
    """Of alike_jobs() those that a job is one of, unless it needs more than they did itself."""
    size = int(np.searchsorted(SIZES, cores))
    walltime = int(np.searchsorted(WALLTIMES, walltime_seconds)) if walltime_seconds else NO_WALLTIME
    used = {WALLTIME: ran_seconds, SIZE: cores_busy or 0.0}
    here = [
        one for one in kinds if (one.cluster, one.queue, one.size, one.walltime) == (cluster, queue, size, walltime)
    ]
    return [one for one in here if used[one.by] <= one.most]


def best(source: Source, clusters: Sequence[Cluster], kinds: Iterable[Alike], since: int, now: float) -> Smaller | None:
    """Of the most frequent kinds the one whose jobs would have waited least together, had they waited as the others did.

    `source` is the store as it is, waits are of jobs that started from `since` to `now`; None where no shorter one is told.
    """
    found = [_smaller(source, clusters, one, since, now) for one in list(kinds)[:TRIED]]
    return max((one for one in found if one), key=lambda one: one.seconds * one.alike.jobs, default=None)


def _smaller(source: Source, clusters: Sequence[Cluster], kind: Alike, since: int, now: float) -> Smaller | None:
    waits = waits_by_class(source, clusters, kind, since, now)
    asked = waits.get(kind.asked)
    chosen = next((one for one in range(kind.enough, kind.asked) if one in waits), None)
    if asked is None or chosen is None:
        return None
    found = Smaller(kind, asked, chosen, waits[chosen])
    worth = found.seconds >= WORTH_SECONDS and found.waited.half_seconds <= asked.half_seconds * SHORTER
    return found if worth else None


def waits_by_class(
    source: Source, clusters: Sequence[Cluster], kind: Alike, since: int, now: float
) -> dict[int, Waited]:
    """How long the jobs of its queue waited that are alike in what is kept, by class of what could be less.

    Of all people's jobs that started from `since` to `now`; classes of fewer than LEAST are left out.
    """
    kept = SIZE if kind.by == WALLTIME else WALLTIME
    word = CLASSES[kept][kind.size if kept == SIZE else kind.walltime][0]
    filters = (("cluster", (kind.cluster,)), ("queue", (kind.queue,)), (kept, (word,)))
    until = int(now // KEPT_SECONDS + 1) * KEPT_SECONDS
    question = Question(since, until, UTC, None, "wait", kind.by, filters, compare=False)

    def make() -> dict[int, Waited]:
        explorer = source.explorer
        asked = explorer.asked(question, clusters)
        if not asked.known or asked.strangers:
            return {}
        counter = explorer.counter(asked, asked.since, ("started",), (kind.by,))
        cut = counter.cut(kind.by, asked.since, asked.until, ("started",))
        found, counts = counter.distributed(cut, asked.edges[[0, -1]], "wait", (0.5,))
        told = zip(cut.keys, found[:, 0, 0].tolist(), counts[:, 0].tolist(), strict=True)
        return {key: Waited(half, int(jobs)) for key, half, jobs in told if jobs >= LEAST}

    return source.share(("waits by class", question.filters, kind.by, since, until), make)


# In words


def sentences(found: Smaller, since: int, now: float, title: str, whose: str, this: bool) -> tuple[str, str]:
    """What the jobs used, and what others waited; `title` is the cluster's, `whose` "your" or "the group's", `this` says
    they are as one that is shown."""
    kind = found.alike
    of = f"{'All' if kind.fitted == kind.jobs else number(kind.fitted)} of {whose} {plural(kind.jobs, 'job')}"
    asks, queue = _asking(kind.by, kind.asked), shorten(kind.queue, 40)
    kept = _asking(SIZE, kind.size) if kind.by == WALLTIME else _asking(WALLTIME, kind.walltime)
    which = f"{of} like this one" if this else f"{of} of {kept} in {shorten(title, 40)} · {queue}"
    used = (
        f"ran at most {duration(kind.most)}"
        if kind.by == WALLTIME
        else f"kept at most {plural(kind.most, 'core')} busy"
    )
    own = f"{which} that asked for {asks} and ended without error {used}."
    days = plural(math.ceil((now - since) / DAY), "day")
    waited = (
        f"In {queue}, jobs of {kept} that asked for {_asking(kind.by, found.chosen)} waited "
        f"{wait(found.waited.half_seconds)} (median of {number(found.waited.jobs)} in {days}), those that asked for {asks} "
        f"{wait(found.asked.half_seconds)} (of {number(found.asked.jobs)})."
    )
    return own, waited


def _asking(by: str, key: int) -> str:
    if by == SIZE:
        return CLASSES[SIZE][key][1]
    if key == NO_WALLTIME:
        return "no walltime"
    if key == len(WALLTIMES):
        return f"more than {duration(WALLTIMES[-1])}"
    most = duration(WALLTIMES[key])
    return f"up to {most}" if key == 0 else f"{duration(WALLTIMES[key - 1])} to {most}"
