"""What the tables of texts are made of: a row, whose text it is, what it means, and the phrases they share. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from webstat.format import plural, shorten


@dataclass(frozen=True)
class Waiting:
    """Whose text it is: names for the sentence, and how many jobs are ahead in the queue if that is known."""

    job_id: str = ""
    user: str = ""
    queue: str = ""
    ahead: int | None = None

    @property
    def who(self) -> str:
        """The user at the start of a sentence."""
        return shorten(self.user) if self.user else "Its user"

    @property
    def place(self) -> str:
        """The queue behind a number: ` in short`, or nothing."""
        return f" in {shorten(self.queue, 16)}" if self.queue else ""

    def with_ahead(self, words: str) -> str:
        """A sentence with the jobs ahead, without its full stop where it is given."""
        if self.ahead is None:
            return f"{words}."
        if self.ahead <= 0:
            return f"{words}; it is next{self.place}."
        return f"{words}; {plural(self.ahead, 'job')} {'is' if self.ahead == 1 else 'are'} ahead{self.place}."


@dataclass(frozen=True)
class Told:
    """What a text means: the kind, one sentence, and what would help."""

    kind: str
    words: str
    helps: str | None = None


Rule = Callable[[re.Match[str], Waiting], Told]


@dataclass(frozen=True)
class Row:
    """One row of a table: how texts begin, what is made of them, and where the scheduler has them."""

    pattern: re.Pattern[str]
    rule: Rule
    source: str
    """Folder and file of the scheduler's own source or manual."""


def rows(source: str, *told: tuple[str, Rule]) -> tuple[Row, ...]:
    """Rows of one source."""
    return tuple(Row(re.compile(pattern, re.IGNORECASE), rule, source) for pattern, rule in told)


SOONER = "Fewer cores, or another queue or cluster, may start it sooner."
BETWEEN = "A smaller or shorter job may start before them."
SHORTER = "A shorter walltime may let it start before they are needed."
ELSEWHERE = "Another queue or cluster may have what it needs."
CHANGE = "Change what it asks for, or delete it."
BEFORE = "A walltime that ends before it may let it start now."
ASK = "Ask an admin."
OWN_END = "It can start when another job of this user ends."
THEIR_END = "It can start when another of their jobs ends."
OTHERS_END = "It can start when other jobs end."
WITHOUT = "Nothing but that; or delete it and submit it without the dependency."
GONE = "Delete it, and submit it again without the dependency."
MORE_AT_ONCE = (
    "It can start when another of its tasks ends; a larger number behind the % of the array lets more run at once."
)
THE_TIME = "Its user can change the time, with qalter -a or scontrol update StartTime."
ITSELF = "Nothing: this passes by itself."
WHICH = "Another queue or cluster; an admin knows the limit."


def plain(kind: str, words: str, helps: str | None = None) -> Rule:
    """The same for every text."""
    return lambda match, waiting: Told(kind, words, helps)


def with_ahead(kind: str, words: str, helps: str | None = None) -> Rule:
    """The same, with the jobs ahead."""
    return lambda match, waiting: Told(kind, waiting.with_ahead(words), helps)


def never(words: str, helps: str = CHANGE) -> Rule:
    """It asks for what it cannot get."""
    return plain("never", f"Cannot ever run: {words}.", helps)


def failed(words: str) -> Rule:
    """A start that did not succeed."""
    return lambda match, waiting: Told("failed", words, tell(waiting))


def tell(waiting: Waiting) -> str:
    """Whom to tell of a failure, with which job id."""
    return f"Tell an admin, with the job id {shorten(waiting.job_id, 40)}." if waiting.job_id else "Tell an admin."


def order(waiting: Waiting) -> Told:
    """Other jobs come first."""
    if waiting.ahead is None:
        return Told("order", "Jobs of higher priority are ahead of it.", BETWEEN)
    if waiting.ahead <= 0:
        return Told("order", f"It is next{waiting.place}.", BETWEEN)
    is_are = "is" if waiting.ahead == 1 else "are"
    return Told("order", f"{plural(waiting.ahead, 'job')} {is_are} ahead of it{waiting.place}.", BETWEEN)


def stopped(waiting: Waiting) -> Told:
    """The queue starts none of its jobs."""
    queue = f"The queue {shorten(waiting.queue, 16)}" if waiting.queue else "Its queue"
    return Told("queue_stopped", f"{queue} is stopped.", "Use another queue, or ask an admin.")


FULL = with_ahead("full", "The cluster is full", SOONER)
ARRAY_LIMIT = Told("array_limit", "Its array runs as many tasks at once as it may.", MORE_AT_ONCE)


def held_by_user(match: re.Match[str], waiting: Waiting) -> Told:
    """Its user holds it."""
    return Told("held", f"{waiting.who} holds it.", "Its user can release it.")


def resource(name: str) -> str:
    """A resource by the user's noun: `cores`, `GPUs`, `memory`; its own name where it has none."""
    return _NOUNS.get(name.lower(), shorten(name, 20))


_NOUNS = {
    **dict.fromkeys(("ncpus", "procs", "proc", "cpu", "cpus", "pe"), "cores"),
    **dict.fromkeys(("ngpus", "gpus", "gres"), "GPUs"),
    **dict.fromkeys(("mem", "memory", "pmem"), "memory"),
    "vmem": "virtual memory",
    **dict.fromkeys(("node", "nodes", "nodect"), "nodes"),
    **dict.fromkeys(("job", "jobs"), "running jobs"),
    **dict.fromkeys(("submitjob", "submitjobs"), "submitted jobs"),
    **dict.fromkeys(("wall", "walltime", "wallduration", "time", "wc"), "walltime"),
    "arrayjob": "array jobs",
    "ps": "core-seconds",
    "billing": "billing units",
    **dict.fromkeys(("lic", "license"), "licences"),
    "bb": "burst buffer",
    "energy": "energy",
    "unknown": "resources",
}
