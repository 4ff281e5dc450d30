"""Traces in the Standard Workload Format -> jobs that have ended. Pure.

The format is that of the Parallel Workloads Archive: a header of lines that begin with `;`, then 18 numbers a job,
-1 where something is not told. Files and the store are imports.py's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from agent.parsers.accounting import LONGEST_SECONDS
from agent.parsers.values import parse_integer, printable
from agent.report import Job
from agent.states import JobState
from collector.logs import DAY, Found, Problem
from collector.merge import UNSEEN, Ended

FAILED, COMPLETED, CANCELLED = 0, 1, 5
"""Statuses of whole jobs; 2, 3 and 4 are those of parts of one, which has a line of its own."""

_FIELDS = 18
_LARGEST = 2**40
_MOST_CORES = 2**22
_NOTE = re.compile(r";\s*([A-Za-z]+)\s*:\s*(.*)").match
_NAMED = re.compile(r"(-?\d+)\s*[:=]?\s+(\S+)").match


@dataclass(frozen=True)
class Header:
    """What a trace says of itself: when its second 0 was, and what its queues are called."""

    began_at: int | None = None
    queues: dict[int, str] = field(default_factory=dict)
    ends: bool = False
    """Whether a job follows, so that this is all of it."""


def is_swf(lines: list[str]) -> bool:
    """Whether a file that begins so is a trace."""
    for line in lines:
        words = line.split()
        if not words:
            continue
        if line.startswith(";"):
            return True
        return len(words) == _FIELDS and all(_number(word) is not None for word in words)
    return False


def parse_header(lines: list[str]) -> Header:
    """The header of a trace; the first of several notes of one name counts."""
    began_at: int | None = None
    queues: dict[int, str] = {}
    for line in lines:
        if line.strip() and not line.startswith(";"):
            return Header(began_at, queues, True)
        note = _NOTE(line)
        if not note:
            continue
        if (
            note[1] == "UnixStartTime"
            and began_at is None
            and (number := parse_integer(note[2].split(" ")[0])) is not None
        ):
            began_at = number
        elif note[1] == "Queue" and (named := _NAMED(note[2])):
            queues.setdefault(int(named[1]), printable(named[2].rstrip(",;:.")))
    return Header(began_at, queues)


class TraceReader:
    """Reads the lines of one trace. Users, groups and queues are numbers there: user12, group3, queue1."""

    in_hand = 0
    """Every line stands for itself."""

    def __init__(self, header: Header, began_at: int, now: float) -> None:
        self._queues = header.queues
        self._began_at = began_at
        self._latest = int(now) + DAY
        self._found = Found()

    @property
    def ended(self) -> int:
        """How many jobs there are to be taken."""
        return len(self._found.ended)

    @property
    def waiting(self) -> int:
        """How many records have been read since."""
        return self._found.records

    def take(self) -> Found:
        """What was found, once."""
        found, self._found = self._found, Found()
        return found

    def look_back(self, lines: list[str]) -> None:
        """Nothing that was read before matters."""

    def finish(self) -> None:
        """The trace is at its end."""

    def skip(self, number: int, reason: str) -> None:
        """Note a line that cannot be read."""
        self._found.problems.append(Problem(number, reason))

    def read(self, lines: list[str], number: int) -> None:
        """Some lines without their ends; `number` is that of the first one in its file."""
        found = self._found
        for line in lines:
            words = line.split()
            if words and line[0] != ";":
                try:
                    one = self._job(words)
                except ValueError as problem:
                    self.skip(number, str(problem))
                else:
                    found.records += 1
                    found.kinds["part of a job" if one is None else "job"] += 1
                    if one is not None:
                        found.ended.append(one)
                        if found.since is None or one.submitted_at < found.since:
                            found.since = one.submitted_at
                        if found.until is None or one.ended_at > found.until:
                            found.until = one.ended_at
            number += 1

    def _job(self, words: list[str]) -> Ended | None:
        if len(words) != _FIELDS:
            raise ValueError(f"it has {len(words)} fields; a job has {_FIELDS}")
        try:
            numbers = [int(word) for word in words]
        except ValueError:
            numbers = [_whole(word) for word in words]
        if max(numbers) > _LARGEST:
            raise ValueError(f"{max(numbers)} is too large a number")
        (
            ident, submit, wait, run, processors, cpu, memory, asked, walltime, memory_asked,
            status, user, group, program, queue, _, _, _,
        ) = numbers  # fmt: skip
        if ident < 0 or submit < 0:
            raise ValueError("it tells no number or no time of submission")
        if status not in (FAILED, COMPLETED, CANCELLED, -1):
            return None
        submitted = self._began_at + submit
        left = submitted + max(wait, 0)
        started = None if run < 0 or (run == 0 and status == CANCELLED) else left
        ended = left + max(run, 0)
        if ended > self._latest:
            raise ValueError("it ends in the future; look at UnixStartTime in the header")
        if ended - submitted > LONGEST_SECONDS:
            raise ValueError("it took more than ten years")
        cores = min(processors if processors > 0 else max(asked, 0), _MOST_CORES)
        job = Job(
            id=str(ident),
            state=JobState.FINISHED,
            native_state=UNSEEN,
            name=f"program{program}" if program >= 0 else "",
            user=f"user{user}" if user >= 0 else "unknown",
            queue=self._queues.get(queue) or (f"queue{queue}" if queue >= 0 else ""),
            group=f"group{group}" if group >= 0 else None,
            account=None,
            project=None,
            array_id=None,
            array_index=None,
            cores=cores,
            nodes=0,
            gpus=0,
            memory_bytes=memory_asked * 1024 * cores if memory_asked > 0 else None,
            walltime_seconds=walltime if walltime > 0 else None,
            walltime_used_seconds=run if started is not None else None,
            cpu_used_seconds=cpu * cores if cpu >= 0 and started is not None else None,
            memory_used_bytes=memory * 1024 * cores if memory > 0 else None,
            submitted_at=submitted,
            eligible_at=None,
            started_at=started,
            ended_at=ended,
            estimated_start_at=None,
            exit_status={COMPLETED: 0, FAILED: 1}.get(status) if started is not None else None,
            priority=None,
            comment=None,
            hold=None,
            depends_on=None,
            hosts={},
        )
        return Ended(job, submitted, ended, trace=True)


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None


def _whole(word: str) -> int:
    number = _number(word)
    if number is None or not abs(number) <= _LARGEST:
        raise ValueError(f"{word[:40]!r} is no number")
    return int(number)
