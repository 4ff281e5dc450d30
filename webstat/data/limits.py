"""What limits a queue, in words: from the scheduler's own names and values. Pure.

OpenPBS writes `max_run_res.ncpus = [u:PBS_GENERIC=240], [u:carol=96]`, TORQUE and old PBS `max_user_run = 30`.
What is not understood is not guessed at; it stays as the scheduler writes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from webstat.format import duration, memory, number

JOBS, TASKS = "jobs", "tasks"
"""What is counted where no resource is named."""

RESOURCES = {
    "ncpus": "cores", "procs": "cores", "ngpus": "GPUs", "nodect": "nodes", "nodes": "nodes",
    "mem": "memory", "vmem": "virtual memory", "pmem": "memory a process", "pvmem": "virtual memory a process",
    "walltime": "walltime", "cput": "CPU time",
}  # fmt: skip
"""The schedulers' names of what can be limited -> ours."""

ROUTED = "only what other queues pass on"
ACCESS = {
    "acl_user_enable": "only users on its list", "acl_group_enable": "only groups on its list",
    "acl_host_enable": "only hosts on its list", "from_route_only": ROUTED,
}  # fmt: skip
"""The schedulers' names of who and what a queue takes jobs from -> ours. Who is on a list is not told."""

_TIMES = frozenset({"walltime", "CPU time"})
_BYTES = frozenset({"memory", "virtual memory", "memory a process", "virtual memory a process"})
_PREFIXES = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4, "p": 1024**5}


@dataclass(frozen=True)
class Limit:
    """One limit: at most (or at least) `most` of `what`, for whom, and of which jobs."""

    what: str
    """JOBS, TASKS or a value of RESOURCES."""
    most: int
    """Seconds, bytes or a count."""
    whom: str
    """Each `job`, `array`, `user`, `group` or `project`, or `all` together; with `name` only that one."""
    name: str | None = None
    queued: bool = False
    """Whether it counts jobs that wait too."""
    least: bool = False

    @property
    def amount(self) -> str:
        """The number with its unit: `240 cores`, `30 jobs`, `2 d of walltime`, `48 GB of memory`."""
        if self.what in _TIMES:
            return f"{duration(self.most)} of {self.what}"
        if self.what in _BYTES:
            return f"{memory(self.most)} of {self.what}"
        return f"{number(self.most)} {self.what if self.most != 1 else self.what.removesuffix('s')}"

    @property
    def words(self) -> str:
        """The limit as part of a sentence: `240 cores a user`, `96 cores for carol`, `60 jobs in all`."""
        if self.name is not None:
            whom = f"for {self.name}" if self.whom == "user" else f"for {self.whom} {self.name}"
        else:
            whom = {"all": "in all", "array": "an array"}.get(self.whom, f"a {self.whom}")
        return (
            f"{'at least ' if self.least else ''}{self.amount} {whom}{', queued ones included' if self.queued else ''}"
        )


@dataclass(frozen=True)
class Limits:
    """What limits a queue; `raw` is what was not understood, by the scheduler's own name, `takes` are words of ACCESS."""

    known: tuple[Limit, ...] = ()
    raw: tuple[tuple[str, str], ...] = ()
    takes: tuple[str, ...] = ()

    def of(self, what: str, whom: str, least: bool = False) -> Limit | None:
        """The tightest limit on `what` that holds for every `whom`, for jobs that run."""
        found = [one for one in self.known if (one.what, one.whom, one.least) == (what, whom, least)]
        return min(
            (one for one in found if one.name is None and not one.queued), key=lambda one: one.most, default=None
        )

    def beside(self, shown: Iterable[Limit | None]) -> tuple[Limit, ...]:
        """Those that are not among `shown`."""
        left_out = [one for one in shown if one is not None]
        return tuple(one for one in self.known if one not in left_out)


def parse_limits(text: str | None) -> Limits:
    """Limits from load_queues()' JSON; what is no longer in force, or says nothing, is left out."""
    native: Mapping[str, str] = json.loads(text) if isinstance(text, str) else {}
    known: list[Limit] = []
    raw: list[tuple[str, str]] = []
    for name, value in native.items():
        found = [] if name in ACCESS else _limits(name, value)
        if found is None:
            raw.append((name, value))
        else:
            known += [one for one in found if one not in known]
    return Limits(tuple(known), tuple(raw), tuple(ACCESS[name] for name in native if name in ACCESS))


_SIMPLE = {
    "max_running": ("all", False), "max_user_run": ("user", False), "max_group_run": ("group", False),
    "max_queuable": ("all", True), "max_user_queuable": ("user", True),
}  # fmt: skip
"""Counts of jobs, as TORQUE and old PBS write them: whom, and whether those that wait count."""

_PER_JOB = re.compile(r"resources_(max|min|available)\.(\w+)")
_OLD_SHARE = re.compile(r"max_(user|group)_res\.(\w+)")
_SHARE = re.compile(r"max_(run|queued|run_res|queued_res)(?:\.(\w+))?")
_ENTITY = re.compile(r'\[([ugpo]):("[^"]*"|[^=\]"]+)=([^\]]+)\]')
_WHOM = {"u": "user", "g": "group", "p": "project", "o": "all"}
_EVERYBODY = "PBS_GENERIC"
_TOGETHER = "PBS_ALL"


def _limits(name: str, value: str) -> list[Limit] | None:
    """The limits one attribute sets; None where it is not understood."""
    if name in _SIMPLE:
        whom, queued = _SIMPLE[name]
        count = _count(value)
        return None if count is None else [Limit(JOBS, count, whom, queued=queued)]
    if name == "max_array_size":
        count = _count(value)
        return None if count is None else [Limit(TASKS, count, "array")]
    if found := _PER_JOB.fullmatch(name):
        kind, resource = found.groups()
        amount, what = _amount(value, resource), RESOURCES.get(resource)
        if amount is None or what is None:
            return None
        return [Limit(what, amount, "all" if kind == "available" else "job", least=kind == "min")]
    if found := _OLD_SHARE.fullmatch(name):
        amount, what = _amount(value, found[2]), RESOURCES.get(found[2])
        return None if amount is None or what is None else [Limit(what, amount, found[1])]
    if (found := _SHARE.fullmatch(name)) and found[1].endswith("_res") == bool(found[2]):
        return _shares(value, found[2], found[1].startswith("queued"))
    return None


def _shares(value: str, resource: str | None, queued: bool) -> list[Limit] | None:
    """`[u:PBS_GENERIC=240], [g:chem=9]`: each a limit of its own."""
    what = JOBS if resource is None else RESOURCES.get(resource)
    if what is None or _ENTITY.sub("", value).strip(" ,"):
        return None
    limits = []
    for letter, who, text in _ENTITY.findall(value):
        amount = _count(text) if resource is None else _amount(text, resource)
        if amount is None:
            return None
        name = who.strip('"')
        limits.append(Limit(what, amount, _WHOM[letter], None if name in (_EVERYBODY, _TOGETHER) else name, queued))
    return limits or None


def _count(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,15}", text.strip()) else None


def _amount(text: str, resource: str) -> int | None:
    """A resource's value: `48`, `01:30:00`, `96gb`."""
    what = RESOURCES.get(resource)
    if what in _TIMES:
        parts = text.strip().split(":")
        if not all(re.fullmatch(r"\d{1,9}", part) for part in parts) or len(parts) > 3:
            return None
        return sum(int(part) * 60**place for place, part in enumerate(reversed(parts)))
    if what in _BYTES:
        found = re.fullmatch(r"(\d{1,15})([kmgtp]?)([bw]?)", text.strip().lower())
        if not found:
            return None
        return int(found[1]) * _PREFIXES[found[2]] * (8 if found[3] == "w" else 1)
    return _count(text)
