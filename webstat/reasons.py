"""Why a job waits: a kind, one sentence in plain words, what would help, and the scheduler's own words. Pure.

The schedulers' texts are read by native_reasons; here they meet what the job itself tells: its state, holds,
dependencies and queue. Sentences hold no clock time, since only the reader's browser knows the zone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from webstat import native_reasons
from webstat.format import plural, shorten
from webstat.native_reasons import ASK, Told, Waiting
from webstat.privacy import HIDDEN

KINDS: dict[str, str] = {
    "full": "The cluster is full",
    "order": "Other jobs are ahead",
    "kept": "Nodes are kept for a bigger job",
    "gpu": "No free GPU",
    "memory": "Not enough free memory",
    "licence": "No free licence",
    "resource": "Something else it needs is taken",
    "user_limit": "User limit reached",
    "group_limit": "Limit of a group, queue or cluster reached",
    "array_limit": "Enough tasks of its array run",
    "array_begun": "Tasks of arrays that have begun",
    "never": "Can never run",
    "queue_stopped": "The queue is stopped",
    "maintenance": "Nodes are out, reserved or in maintenance",
    "dependency": "Waits for another job",
    "held": "Held by user or admin",
    "later": "Waits for its start time",
    "failed": "Failed to start",
    "suspended": "Suspended",
    "moving": "Moves to another queue",
    "other": "Another reason",
    "unsaid": "The scheduler gives no reason",
    "not_kept": "What the scheduler said then is not kept",
    "hidden": "What the scheduler says is only its owner’s to see",
}
"""Kind -> its title where waiting jobs are counted by reason."""

NOT_KEPT = "(what the scheduler said then is not kept)"
"""What stands for the comment of a job at a past moment: the scheduler's words are forgotten when they change."""

READING = "webstat’s own reading of the state; the scheduler says nothing."
"""What a derived reason is marked with where there is room; DERIVED begins it where there is not."""

DERIVED = "Derived: "

NO_HELP = "Nothing that webstat knows of."
"""What would help, where nothing would."""

_MISSING = {NOT_KEPT: "not_kept", HIDDEN: "hidden"}
"""What stands for a comment that cannot be told -> the kind of reason that it then is."""

NOT_STARTING = frozenset({"stopped", "closed"})
"""States of a queue that starts none of its jobs."""


@dataclass(frozen=True)
class Reason:
    """Why a job waits; `kind` is a key of KINDS, `raw` the scheduler's own words."""

    kind: str
    words: str
    helps: str | None
    raw: str | None
    derived: bool = False
    """Whether it is read from the state, since the scheduler says nothing."""


def reason(
    *,
    state: str,
    comment: str | None,
    hold: str | None,
    depends_on: str | None,
    job_id: str = "",
    user: str = "",
    queue: str = "",
    queue_state: str = "open",
    ahead: int | None = None,
    estimated_start_at: float | None = None,
    derived: Told | None = None,
) -> Reason:
    """Why a job that does not run waits; never raises, whatever the texts hold.

    `state` is a word of agent.states.JobState, `queue_state` one of frames.queues. None, NaN and blank texts are
    "not told"; `ahead` is the number of waiting jobs before it in its queue, left out of the sentence where unknown.
    `derived` is what answers/derive.py reads from the state, told where the scheduler tells nothing.
    """
    raw, held, needs = _text(comment), _text(hold), _text(depends_on)
    missing = _MISSING.get(raw or "")
    raw = raw if missing is None else None
    held = None if held == "n" else held
    waiting = Waiting(_text(job_id) or "", _text(user) or "", _text(queue) or "", _count(ahead))
    said = native_reasons.read(raw, waiting) if raw else None
    foretold = _number(estimated_start_at) is not None
    told = _told(state, raw, said, held, needs, waiting, queue_state, foretold, missing)
    if told.kind == "unsaid" and derived is not None:
        found = _derived(derived, waiting)
        return Reason(found.kind, found.words, found.helps, None, derived=True)
    return Reason(
        told.kind, told.words, told.helps, raw, derived=told.kind == "queue_stopped" and raw is None and missing is None
    )


def _derived(found: Told, waiting: Waiting) -> Told:
    """With what the reading lacks: the user, and how many are ahead."""
    if found.kind == "order":
        return native_reasons.order(waiting)
    if found.kind == "user_limit":
        return Told(found.kind, f"{waiting.who} {found.words}", found.helps)
    return found


def _told(
    state: str,
    raw: str | None,
    said: Told | None,
    hold: str | None,
    depends_on: str | None,
    waiting: Waiting,
    queue_state: str,
    foretold: bool,
    missing: str | None,
) -> Told:
    """The first that applies; what must end before anything else can start it comes first."""
    if state == "suspended":
        resumed = "The scheduler or an admin resumes it; ask an admin if it stays so."
        return Told("suspended", "It is suspended, and goes on when it is resumed.", resumed)
    if state == "transiting":
        return Told("moving", "It moves to another queue or server.", native_reasons.ITSELF)
    if said and said.kind == "failed":
        return said
    if state == "held" or hold:
        if missing == "not_kept":
            return Told("held", "It is held; by whom is not kept.")
        return _held(hold, depends_on, said, waiting)
    if state == "waiting":
        return _later(raw, waiting)
    if said and said.kind in ("never", "dependency"):
        return said
    if queue_state in NOT_STARTING:
        return native_reasons.stopped(waiting)
    if said:
        return said
    if raw:
        return Told("other", f"“{shorten(' '.join(raw.split()), 100)}”.")
    if depends_on and (found := _dependency(depends_on)):
        return found
    kind = missing or "unsaid"
    gives = "The scheduler gives no reason, but expects a start." if foretold else "The scheduler gives no reason."
    gives = gives if missing is None else f"{KINDS[missing]}."
    if waiting.ahead is None:
        return Told(kind, gives)
    if waiting.ahead <= 0:
        return Told(kind, f"{gives} It is next{waiting.place}.")
    is_are = "is" if waiting.ahead == 1 else "are"
    return Told(kind, f"{gives} {plural(waiting.ahead, 'job')} {is_are} ahead{waiting.place}.")


def _held(hold: str | None, depends_on: str | None, said: Told | None, waiting: Waiting) -> Told:
    """Slurm writes holds as words, PBS as letters: u the user, o an operator, s the system, l TORQUE's slot limit."""
    found = _dependency(depends_on) if depends_on else None
    if hold == "DependencyNeverSatisfied":
        delete = f"“scancel {shorten(waiting.job_id, 40)}” deletes it." if waiting.job_id else native_reasons.GONE
        return Told("dependency", found.words if found else "Will never start: what it waits for failed.", delete)
    if hold == "Dependency" or (hold == "s" and found):
        return found or Told("dependency", "Waits for another job.", native_reasons.WITHOUT)
    if hold == "l":
        return native_reasons.ARRAY_LIMIT
    if hold in ("u", "JobHeldUser"):
        return Told("held", f"{waiting.who} holds it.", _release(hold, waiting))
    letters = set(hold or "") if re.fullmatch(r"[a-z]{1,4}", hold or "") else set()
    if hold == "JobHeldAdmin" or "o" in letters:
        return Told("held", "An admin holds it.", ASK)
    if "s" in letters or "p" in letters:
        return Told("held", "The system holds it.", ASK)
    if said and said.kind in ("held", "dependency"):
        return said
    return Told("held", "It is held; the scheduler does not say by whom.", ASK)


def _release(hold: str, waiting: Waiting) -> str:
    command = "qrls" if hold == "u" else "scontrol release"
    return f"“{command} {shorten(waiting.job_id, 40)}” releases it." if waiting.job_id else "Its user can release it."


def _later(raw: str | None, waiting: Waiting) -> Told:
    job = shorten(waiting.job_id, 40)
    command = f"scontrol update JobId={job} StartTime=now" if raw == "BeginTime" else f"qalter -a TIME {job}"
    return Told(
        "later", "Starts not before the time asked for.", f"“{command}” changes it." if job else native_reasons.THE_TIME
    )


_UNTIL = {
    "afterok": "Waits until {jobs} {ends} without error.",
    "afterokarray": "Waits until {jobs} {ends} without error.",
    "afterany": "Waits until {jobs} {ends}.",
    "afteranyarray": "Waits until {jobs} {ends}.",
    "afternotok": "Waits until {jobs} {fails}.",
    "afternotokarray": "Waits until {jobs} {fails}.",
    "after": "Waits until {jobs} {starts}.",
    "afterstart": "Waits until {jobs} {starts}.",
    "afterstartarray": "Waits until {jobs} {starts}.",
    "afterburstbuffer": "Waits until {jobs} {ends} and its data are staged out.",
    "aftercorr": "Waits until the same task of {jobs} ends without error.",
}


@lru_cache(maxsize=4096)
def _dependency(text: str) -> Told | None:
    """What a native dependency waits for: `afterok:13.pbs01@pbs01:14…,beforeany:…`, `afterok:13(unfulfilled)?…`."""
    clauses = [clause.strip().split(":") for clause in re.split(r"[,?]", text[:2000])]
    wanted = [(kind.lower(), jobs) for kind, *jobs in clauses if kind.lower() in _UNTIL and jobs]
    failed = [job for _, jobs in wanted for job in jobs if job.endswith("(failed)")]
    if failed:
        return Told("dependency", f"Will never start: {_names(failed)} failed.", native_reasons.GONE)
    words = _until(wanted) if wanted else _without_names(clauses)
    return Told("dependency", words, native_reasons.WITHOUT) if words else None


def _until(wanted: list[tuple[str, list[str]]]) -> str:
    if len({kind for kind, _ in wanted}) > 1:
        return f"Waits for {_names(job for _, jobs in wanted for job in jobs)}."
    names = [job for _, jobs in wanted for job in jobs]
    s = "s" if len(names) == 1 else ""
    verbs = {"ends": f"end{s}", "fails": f"fail{s}", "starts": f"start{s}"}
    return _UNTIL[wanted[0][0]].format(jobs=_names(names), **verbs)


def _without_names(clauses: list[list[str]]) -> str | None:
    for kind, *counts in clauses:
        if kind.lower().startswith("singleton"):
            return "Waits until its user's job of the same name ends."
        if kind.lower() == "on" and counts and re.fullmatch(r"\d{1,6}", counts[0]):
            return f"Waits for {plural(int(counts[0]), 'other job')}."
    return None


def _names(jobs: Iterable[str]) -> str:
    """Ids as people say them, without server, state and delay; at most two, then how many more."""
    names = [shorten(re.split(r"[.@(+]", job, maxsplit=1)[0] or job, 24) for job in jobs]
    if len(names) > 3:
        return f"{', '.join(names[:2])} and {len(names) - 2} others"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def _text(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _count(value: Any) -> int | None:
    number = _number(value)
    return None if number is None else int(number)
