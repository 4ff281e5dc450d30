"""Stretches of a job's life, and how two accounts of one life become one. Pure.

Who tells them is ingest.py's (reports) and merge.py's (accounting logs).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from agent.states import IS_PENDING, JobState
from collector.schema import OPEN


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a job's life, [since, until), until OPEN while it goes on."""

    since: int
    until: int
    state: JobState
    queue: str
    cores: int
    gpus: int


_RUNS = frozenset({JobState.RUNNING, JobState.SUSPENDED, JobState.EXITING})


def painted(seen: Sequence[Span], told: Sequence[Span], open_until: int = 0) -> list[Span]:
    """`told`, with what was seen where that agrees with it: a job that waits may be held, one that runs suspended.

    Both in order. What was seen last before a gap or the end is taken to have gone on. Before `open_until`
    what was told is not known to be true: there all that was seen counts.
    """
    result: list[Span] = []
    for one in told:
        place = one.since
        for number, other in enumerate(seen):
            until = min(one.until, seen[number + 1].since if number + 1 < len(seen) else OPEN)
            since = max(place, other.since)
            if until <= since:
                continue
            if since > place:
                result.append(replace(one, since=place, until=since))
            if _agree(one.state, other.state):
                result.append(replace(other, since=since, until=until))
            elif since < open_until:
                cut = min(until, open_until)
                result.append(replace(other, since=since, until=cut))
                if cut < until:
                    result.append(replace(one, since=cut, until=until))
            else:
                result.append(replace(one, since=since, until=until))
            place = until
        if place < one.until:
            result.append(replace(one, since=place))
    return joined(result)


def joined(spans: Iterable[Span]) -> list[Span]:
    """Adjoining spans that say the same as one."""
    result: list[Span] = []
    for one in spans:
        last = result[-1] if result else None
        if last is not None and last.until == one.since and _same(last, one):
            result[-1] = replace(last, until=one.until)
        else:
            result.append(one)
    return result


def first_difference(one: Sequence[Span], other: Sequence[Span]) -> int:
    """The first second at which two lives differ; OPEN where they do not."""
    for before, after in zip(one, other, strict=False):
        if before != after:
            if before.since != after.since or not _same(before, after):
                return min(before.since, after.since)
            return min(before.until, after.until)
    longer = one if len(one) > len(other) else other
    return OPEN if len(one) == len(other) else longer[min(len(one), len(other))].since


def _agree(told: JobState, seen: JobState) -> bool:
    return (told in IS_PENDING and seen in IS_PENDING) or (told in _RUNS and seen in _RUNS)


def _same(one: Span, other: Span) -> bool:
    return (one.state, one.queue, one.cores, one.gpus) == (other.state, other.queue, other.cores, other.gpus)
