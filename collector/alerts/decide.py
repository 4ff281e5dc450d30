"""What has happened, of what somebody asked to be told of: pure decisions, from what was known and what is seen now.

A rule looks at one condition, or at that of each node. It tells when that begins to hold, once, and is ready to tell again
when it has not held for REARM_SECONDS: what flickers is told once. What a report does not tell leaves a rule as it was. Rows
are rules.py's.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

from agent.report import Job, Node, Report
from agent.states import OUT_OF_SERVICE, JobState, NodeState

REARM_SECONDS = 600.0
"""For so long must a condition not hold until it is told again."""
SILENT_AFTER_FAILURES = 3
"""As pages say it: one lost poll is no silence."""
NAMED = 3
"""So many nodes are named in a sentence."""
GAP_PERIODS = 3
"""After so many periods without a report nothing is known of how long a condition has held."""
TAKES_WORK = frozenset({NodeState.FREE, NodeState.PARTIAL})


class Kind(StrEnum):
    """What can be asked to be told of."""

    STARTED = "started"
    """A job has started."""
    ENDED = "ended"
    """A job has ended."""
    CORES = "cores"
    """So many cores are free."""
    NODE = "node"
    """A node, or any of them, has gone down, or out of service."""
    SILENT = "silent"
    """A cluster does not answer."""
    STUCK = "stuck"
    """Jobs wait in a queue, there is room, and none has started for so many seconds."""


OF_JOBS = frozenset({Kind.STARTED, Kind.ENDED})


@dataclass(frozen=True)
class Rule:
    """What one is decided by; `subject` is a job's id, a queue or a node, `number` cores or seconds."""

    id: int
    owner: str
    kind: Kind
    subject: str | None = None
    number: int = 0
    once: bool = True


@dataclass(frozen=True)
class Memory:
    """What a rule knows from the reports before: times of reports, unix seconds. It changes only when something does."""

    told: bool = False
    """It has told of what holds, and is not ready yet to tell again."""
    held_since: float | None = None
    clear_since: float | None = None
    nodes: Mapping[str, float | None] | None = None
    """Of a rule on any node: those that are out, or were lately, and since when not; None before the first look."""

    @classmethod
    def read(cls, text: str | None) -> Memory:
        """From the store."""
        return cls(**json.loads(text)) if text else cls()

    def to_text(self) -> str:
        """For the store."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class JobSeen:
    """A job by its row in the store; times unix seconds."""

    started_at: int | None
    ended_at: int | None
    estimated: bool = False
    """Its end lies between two reports."""
    exit_status: int | None = None


@dataclass(frozen=True)
class Look:
    """Whether a condition holds, and what is told of it; `since` is the earliest it can have begun to."""

    holds: bool
    words: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    since: float = 0.0
    nodes: Mapping[str, NodeState] | None = None
    """Of a rule on any node: the state of each that is listed. What is told is then made of those that go out."""


@dataclass(frozen=True)
class Fired:
    """What is to be told: a sentence without its full stop, and the same as facts for programs."""

    words: str
    facts: Mapping[str, Any]


def step(rule: Rule, memory: Memory, look: Look | None, at: float, unbroken: bool) -> tuple[Memory, Fired | None]:
    """What a rule knows after a look at `at`, and what it tells; `unbroken` says that nothing was missed since the last."""
    if look is None:
        return Memory(memory.told, nodes=memory.nodes), None
    if look.nodes is not None:
        return _step_of_nodes(memory.nodes, look.nodes, at)
    if not look.holds:
        clear = memory.clear_since if unbroken and memory.clear_since is not None else at
        return Memory(memory.told and at - clear < REARM_SECONDS, None, clear), None
    since = memory.held_since if unbroken and memory.held_since is not None else at
    patience = rule.number if rule.kind is Kind.STUCK else 0
    now = not memory.told and at - max(since, look.since) >= patience
    return Memory(memory.told or now, since, None), Fired(look.words, look.facts) if now else None


def _step_of_nodes(
    known: Mapping[str, float | None] | None, states: Mapping[str, NodeState], at: float
) -> tuple[Memory, Fired | None]:
    """Each node by itself; those that are out at the first look are known, and no news."""
    out = {name: state for name, state in states.items() if state in OUT_OF_SERVICE}
    after: dict[str, float | None] = dict.fromkeys(out)
    for name, back in (known or {}).items():
        if name not in states:
            after[name] = back  # it is not told of
        elif name not in out and at - (at if back is None else back) < REARM_SECONDS:
            after[name] = at if back is None else back
    new = [] if known is None else [name for name in out if name not in known]
    if not new:
        return Memory(nodes=after), None
    named = ", ".join(f"{name} {out[name].value}" for name in new[:NAMED])
    more = f" and {len(new) - NAMED} more" if len(new) > NAMED else ""
    words = f"Node {new[0]} is {out[new[0]].value}" if len(new) == 1 else f"{len(new)} nodes went out: {named}{more}"
    return Memory(nodes=after), Fired(words, {"nodes": {name: out[name].value for name in new}})


def look_at_job(rule: Rule, seen: JobSeen | None) -> Look | None:
    """A job that has started or ended; None where the store has lost it."""
    if seen is None:
        return None
    name, ended = f"Job {rule.subject}", seen.ended_at is not None
    facts = {"started_at": seen.started_at, "ended_at": seen.ended_at, "exit_status": seen.exit_status}
    if ended and seen.started_at is None:
        return Look(True, f"{name} has ended without having started", facts)
    if rule.kind is Kind.STARTED:
        return Look(seen.started_at is not None, f"{name} has started", facts)
    how = "" if seen.exit_status is None else f" with exit status {seen.exit_status}"
    return Look(ended, f"{name} has ended{how}", {**facts, "estimated": seen.estimated})


def look_at_failures(failures: int, report_known: bool) -> Look:
    """A cluster that does not answer, from how many polls failed in a row."""
    words = "has not answered" if not report_known else "does not answer"
    return Look(failures >= SILENT_AFTER_FAILURES, words, {"failures": failures})


class Seen:
    """A report as rules look at it: what many of them ask for is counted once."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self._rooms: dict[str | None, tuple[int, int]] = {}
        self._waiting: dict[str, list[Job]] | None = None

    def room(self, queue: str | None) -> tuple[int, int]:
        """(free cores, the most of them on one node) of a queue: of the nodes that have its name among their properties; of
        all, where none has, or for the whole cluster.
        """
        if queue not in self._rooms:
            tied = [one for one in self.report.nodes if queue in one.properties] if queue else []
            free = [_free(one) for one in tied or self.report.nodes]
            self._rooms[queue] = sum(free), max(free, default=0)
        return self._rooms[queue]

    def waiting(self, queue: str | None) -> list[Job]:
        """The jobs queued in it; Slurm writes several queues with commas between them."""
        if self._waiting is None:
            self._waiting = defaultdict(list)
            for one in self.report.jobs:
                if one.state is JobState.QUEUED:
                    for name in {one.queue, *one.queue.split(",")}:
                        self._waiting[name].append(one)
        return self._waiting.get(queue or "", [])

    @cached_property
    def nodes(self) -> dict[str, Node]:
        """By name."""
        return {one.name: one for one in self.report.nodes}


def look_at_report(rule: Rule, seen: Seen, last_start: float | None) -> Look | None:
    """Cores, nodes and queues, by a report; None where it does not tell. `last_start` is of the rule's queue."""
    if "nodes" in seen.report.partial or not seen.report.nodes:
        return None
    if rule.kind is Kind.CORES:
        free, _ = seen.room(rule.subject)
        where = f" in queue {rule.subject}" if rule.subject else ""
        return Look(
            free >= rule.number, f"{free} {'core is' if free == 1 else 'cores are'} free{where}", {"free": free}
        )
    if rule.kind is Kind.NODE and rule.subject is None:
        return Look(False, nodes={one.name: one.state for one in seen.report.nodes})
    if rule.kind is Kind.NODE:
        found = seen.nodes.get(rule.subject or "")
        if found is None:
            return None
        words = f"Node {found.name} is {found.state.value}"
        return Look(found.state in OUT_OF_SERVICE, words, {"state": found.state.value})
    return None if "jobs" in seen.report.partial else _look_at_queue(rule, seen, last_start)


def _look_at_queue(rule: Rule, seen: Seen, last_start: float | None) -> Look:
    # A closed queue starts nothing on purpose: that is no matter of waiting for it to end.
    closed = any(one.name == rule.subject and one.started is False for one in seen.report.queues)
    waiting, (free, block) = seen.waiting(rule.subject), seen.room(rule.subject)
    room = any(_fits(one, free, block) for one in waiting)
    words = f"Queue {rule.subject} is stuck: {len(waiting)} {'job waits' if len(waiting) == 1 else 'jobs wait'}"
    words += f", {free} cores are free, and none has started for {rule.number // 60} min"
    return Look(room and not closed, words, {"waiting": len(waiting), "free": free}, last_start or 0.0)


def _fits(job: Job, free: int, block: int) -> bool:
    """Whether there is room for a job: as many cores, and so many on one node as it needs on each."""
    return job.cores <= free and -(-job.cores // max(1, job.nodes)) <= block


def _free(node: Node) -> int:
    return max(0, (node.cores or 0) - (node.cores_used or 0)) if node.state in TAKES_WORK else 0


def titled(fired: Fired, cluster: str, kind: Kind) -> Fired:
    """The same with the cluster's name in its words, which are then told anywhere."""
    words = f"{cluster} {fired.words}" if kind is Kind.SILENT else f"{fired.words} ({cluster})"
    return replace(fired, words=words)
