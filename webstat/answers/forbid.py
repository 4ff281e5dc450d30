"""What a queue's limits say to a job: which forbid it for good, and which are used up just now. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from webstat.answers.request import Request, walltime_word
from webstat.data.limits import JOBS, Limit, Limits
from webstat.format import MINUTE, duration, memory, number, plural

COUNTED = ("jobs", "cores", "GPUs")
"""What of the running jobs is known by user, group and queue; other limits cannot be compared with use."""


@dataclass(frozen=True)
class Use:
    """What jobs of somebody, or of all, hold in a queue."""

    jobs: int = 0
    cores: int = 0
    gpus: int = 0
    living: int = 0
    """All jobs that have not ended."""

    def __add__(self, other: Use) -> Use:
        return Use(self.jobs + other.jobs, self.cores + other.cores, self.gpus + other.gpus, self.living + other.living)

    def of(self, what: str) -> int:
        """How much of one of COUNTED is held."""
        return {"jobs": self.jobs, "cores": self.cores, "GPUs": self.gpus}[what]


@dataclass(frozen=True)
class Who:
    """For whom the limits are read; None where nobody is named, so that only what holds for each is read."""

    user: str | None = None
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Refusal:
    """Why a queue can never start a job; `most` is what would fit, and of what."""

    words: str
    what: str = ""
    most: float | None = None


def asked_amounts(request: Request, parts: int) -> dict[str, float]:
    """What a job asks for, by the words of limits; `parts` are its nodes. What it does not ask for is missing."""
    amounts: dict[str, float] = {JOBS: 1, "cores": request.total_cores, "nodes": parts, "GPUs": request.gpus or 0}
    if request.memory_bytes is not None:
        amounts |= {"memory": request.memory_bytes, "virtual memory": request.memory_bytes}
    if request.walltime_seconds is not None:
        amounts["walltime"] = request.walltime_seconds
    return amounts


def refusals(limits: Limits, asked: Mapping[str, float], who: Who, uses: Mapping[str, Use]) -> Iterator[Refusal]:
    """The limits that a job breaks whatever runs; `uses` are those of `all`, `user` and `group` in the queue."""
    for limit in _for(limits.known, who):
        amount = asked.get(limit.what)
        if limit.queued and limit.what == JOBS:
            living = uses[limit.whom].living if limit.whom in uses else 0
            if living + 1 > limit.most:
                yield Refusal(f"It takes no more jobs: {limit.words}, and there are {number(living)}.")
        elif amount is None or limit.whom == "array":
            continue
        elif limit.least and amount < limit.most:
            yield Refusal(
                f"You ask for {_said(limit.what, amount)}; it takes at least {_said(limit.what, limit.most)}.",
                limit.what,
                limit.most,
            )
        elif not limit.least and amount > limit.most:
            own = limit.words if limit.whom != "job" else _said(limit.what, limit.most)
            yield Refusal(f"You ask for {_said(limit.what, amount)}; its limit is {own}.", limit.what, limit.most)


def used_up(limits: Limits, asked: Mapping[str, float], who: Who, uses: Mapping[str, Use]) -> Iterator[str]:
    """The limits that leave no room for a job beside what runs, each a sentence."""
    for limit in _for(limits.known, who):
        if limit.least or limit.queued or limit.whom not in uses or limit.what not in COUNTED:
            continue
        held, amount = uses[limit.whom].of(limit.what), asked.get(limit.what, 0)
        if amount and held + amount > limit.most >= amount:
            whose = {"all": "Its jobs", "user": who.user or "", "group": "The group"}[limit.whom]
            yield f"{whose} hold{'' if limit.whom == 'all' else 's'} {_said(limit.what, held)} of {limit.words}."


def unchecked(limits: Limits, who: Who) -> Iterator[str]:
    """Limits that may be in the way, of which that cannot be told, in words."""
    for limit in _for(limits.known, who):
        of_somebody = limit.whom in ("user", "group", "project") and not limit.queued
        if of_somebody and (limit.whom == "project" or (who.user is None if limit.whom == "user" else not who.groups)):
            yield f"your limit of {limit.amount} {'a' if limit.name is None else 'for'} {limit.whom}"
        elif limit.whom != "job" and not limit.queued and not limit.least and limit.what not in COUNTED:
            yield f"the limit of {limit.words}"
    yield from (f"{name} = {value}" for name, value in limits.raw)


def _for(limits: Iterable[Limit], who: Who) -> Iterator[Limit]:
    """Those that hold for somebody: what names them stands in the place of what holds for each."""
    named = {(one.what, one.whom, one.queued) for one in limits if one.name is not None and _is_named(one, who)}
    for one in limits:
        if one.name is None and (one.what, one.whom, one.queued) in named:
            continue
        if one.name is None or _is_named(one, who):
            yield one


def _is_named(limit: Limit, who: Who) -> bool:
    names: Collection[str | None] = (who.user,) if limit.whom == "user" else who.groups if limit.whom == "group" else ()
    return limit.name in names


def _said(what: str, amount: float) -> str:
    if what in ("walltime", "CPU time"):
        # A limit of 0:30:01 keeps out jobs of 30 min, and must not be said as the same.
        return walltime_word(int(amount)) if amount % MINUTE else duration(amount)
    if "memory" in what:
        return f"{memory(amount)} of {what}"
    return plural(round(amount), what.removesuffix("s"))
