"""One job: what it did over time, what it is tied to, where it is. Pure.

Rows come from queries/one.py; the words are the pages'. What it uses is use.py's, a node's past node_past.py's.
How a job ended is exits.py's to tell, why it waits reasons.py's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from agent.report import Job, Node
from agent.states import HOLDS_CORES, IS_PENDING, JobState
from webstat.health import Cluster

FAILED = "failed"
"""The state of a job that ended with an error; no word of agent.states, whose last one is `finished`."""


@dataclass(frozen=True)
class OneJob:
    """A job as the store has it; times unix seconds."""

    row: int
    """Its id in the store."""
    record: Job
    """As the report gave it last; its end is None where that was estimated."""
    submitted_at: float
    """Or first seen, where the scheduler does not say."""
    ended_at: float | None = None
    ended_estimated: bool = False
    array_total: int | None = None
    """Tasks of its array, where that is told."""

    @property
    def state(self) -> str:
        """A word of agent.states.JobState, or FAILED."""
        return FAILED if self.ended_at is not None and self.record.exit_status else self.record.state.value

    @property
    def until(self) -> float:
        """When it ended; infinity while it lives."""
        return float("inf") if self.ended_at is None else self.ended_at


@dataclass(frozen=True)
class OneNode:
    """A node as the store has it; `gone_at` since when it is no longer listed."""

    row: int
    record: Node
    gone_at: float | None = None


# A job in time

WAITED, HELD, RAN, SUSPENDED, UNKNOWN = "waited", "held", "ran", "suspended", "unknown"
_DOES = {
    JobState.QUEUED: WAITED,
    JobState.TRANSITING: WAITED,
    JobState.WAITING: WAITED,
    JobState.HELD: HELD,
    JobState.SUSPENDED: SUSPENDED,
    JobState.FINISHED: UNKNOWN,
    JobState.UNKNOWN: UNKNOWN,
    **dict.fromkeys(HOLDS_CORES, RAN),
}


@dataclass(frozen=True)
class During:
    """A stretch of time and what was in it: [since, until), unix seconds."""

    what: str
    since: float
    until: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.until - self.since


@dataclass(frozen=True)
class Known:
    """A job with its past, as known at a moment: now, or when a silent cluster was last heard of."""

    cluster: Cluster
    job: OneJob
    stretches: Sequence[During]
    at: float
    stale: bool
    ended_between: tuple[float | None, float | None] = (None, None)
    """The two reports between which it ended, where that is estimated."""

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.job.ended_at is not None

    @property
    def pending(self) -> bool:
        """Whether it has not started."""
        return self.job.record.state in IS_PENDING

    @property
    def key(self) -> str:
        """What an address calls it."""
        return f"{self.cluster.name}/{self.job.record.id}"


def job_stretches(spans: pd.DataFrame, at: float) -> list[During]:
    """What a job did until `at`, from load_job_spans(): WAITED, HELD, RAN, SUSPENDED, UNKNOWN.

    Neighbours that are the same are one; what no span covers is UNKNOWN.
    """
    found: list[During] = []
    for state, since, until in zip(spans["state"], spans["since"], spans["until"], strict=True):
        if since >= at:
            break
        if found and since > found[-1].until:
            append_stretch(found, During(UNKNOWN, found[-1].until, since))
        append_stretch(found, During(_DOES[JobState(state)], since, min(until, at)))
    return found


def append_stretch(found: list[During], one: During) -> None:
    """Add a stretch; one that goes on as the last did makes that longer."""
    if found and found[-1].what == one.what and found[-1].until == one.since:
        one = During(one.what, found.pop().since, one.until)
    found.append(one)


def sums(stretches: Sequence[During]) -> dict[str, float]:
    """What -> seconds in all, in the order of first appearance."""
    total: dict[str, float] = {}
    for one in stretches:
        total[one.what] = total.get(one.what, 0) + one.seconds
    return total


@dataclass(frozen=True)
class Step:
    """A moment in a job's life and until when what began there went on."""

    what: str
    """submitted, eligible, held, released, started, suspended, resumed, requeued, restarted, unknown, ended"""
    at: float
    until: float | None = None


MOST_STEPS = 12


def steps(job: OneJob, stretches: Sequence[During]) -> tuple[list[Step], int]:
    """A job's life up to now in order, and how many steps in its middle were left out."""
    found = [Step("submitted", job.submitted_at)]
    eligible = job.record.eligible_at
    found += _turns(stretches)
    begun = next((step.at for step in found if step.what == "started"), job.until)
    if eligible is not None and job.submitted_at < eligible <= begun:
        found.append(Step("eligible", eligible))
    if job.record.started_at is not None and not any(one.what == RAN for one in stretches):
        found.append(Step("started", job.record.started_at))
    if job.ended_at is not None:
        found.append(Step("ended", job.ended_at))
    found.sort(key=lambda step: step.at)
    left_out = max(0, len(found) - MOST_STEPS)
    return (found[:4] + found[4 + left_out :] if left_out else found), left_out


def _turns(stretches: Sequence[During]) -> Iterator[Step]:
    before, ran = WAITED, False
    for one in stretches:
        if one.what == RAN:
            yield Step(("resumed" if before == SUSPENDED else "restarted") if ran else "started", one.since, one.until)
            ran = True
        elif one.what == WAITED:
            if ran or before == HELD:
                yield Step("requeued" if ran else "released", one.since, one.until)
        else:
            yield Step(one.what, one.since, one.until)
        before = one.what


def ends_by(job: OneJob, stretches: Sequence[During]) -> float | None:
    """When a started job's walltime is over; None where it has no limit. A suspended job's walltime stands still."""
    started, limit = job.record.started_at, job.record.walltime_seconds
    if started is None or limit is None:
        return None
    return started + limit + sum(one.seconds for one in stretches if one.what == SUSPENDED and one.since >= started)


# What it waits for


@dataclass(frozen=True)
class Tie:
    """A dependency: this job waits for another one (or another for this, `after` False)."""

    other: str
    """Native id."""
    after: bool
    kind: str
    """The scheduler's word: afterok, beforeany, ..."""


_TIE = re.compile(r"(after|before)[a-z]*")


def ties(depends_on: str | None, most: int = 20) -> list[Tie]:
    """The jobs that a native dependency names, each once.

    `on:1,afterok:103.pbs01@pbs01:104.pbs01@pbs01`, `afterok:13(unfulfilled)?afterany:14_*`.
    """
    found: dict[tuple[str, bool], Tie] = {}
    for clause in re.split(r"[,?]", (depends_on or "")[:2000]):
        kind, *others = clause.strip().split(":")
        matched = _TIE.fullmatch(kind)
        for other in others if matched else ():
            native = re.split(r"[@(+]", other.strip(), maxsplit=1)[0].removesuffix("_*")
            if native and matched:
                found.setdefault((native, matched[1] == "after"), Tie(native, matched[1] == "after", kind))
    return list(found.values())[:most]


# Where it is


def cores_on(hosts: str | None, word: int) -> int | None:
    """How many cores a job has on the node of that word id, from job.hosts (`24:3-10,17;12:20`); None if it is not on it."""
    for part in (hosts or "").split(";"):
        cores, _, ranges = part.partition(":")
        for first, _, last in (one.partition("-") for one in ranges.split(",") if one):
            if int(first) <= word <= int(last or first):
                return int(cores)
    return None


def word_ids(hosts: str | None) -> list[int]:
    """The word ids of all nodes in job.hosts."""
    found: list[int] = []
    for part in (hosts or "").split(";"):
        for first, _, last in (one.partition("-") for one in part.partition(":")[2].split(",") if one):
            found += range(int(first), int(last or first) + 1)
    return found
