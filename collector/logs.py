"""Records of accounting logs, in their order -> jobs that have ended. Pure.

What a record's text says is read by agent/parsers/accounting.py. What is told of jobs before they end is kept as
`Unended`, so that a log can be taken up where it was left. Files and the store are imports.py's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import tzinfo

from agent.parsers.accounting import (
    ENDED,
    KIND,
    LONGEST_SECONDS,
    OF_A_LIFE,
    QUEUED,
    RERUN,
    STARTED,
    TEXT,
    Clock,
    JobReader,
    attributes_of,
    is_line,
    is_open,
)
from agent.parsers.openpbs_jobs import array_size
from agent.parsers.openpbs_records import MAX_RECORD
from agent.parsers.values import parse_integer
from collector.merge import Ended
from collector.rows import split_id

MOST_UNENDED = 200_000
"""How many queued jobs are remembered; the oldest are forgotten."""

DAY = 86400
_OF_A_RUN = ("start", "end", "Exit_status", "exec_host", "exec_vnode", "session", "run_count")


@dataclass
class Unended:
    """Records of jobs whose end has not been told, by native id; records are whole lines.

    `queued` are those that wait. `started` are those that run, where a rerun will not tell when they
    started (TORQUE). `reruns` are the runs that a job had before it was put back.
    """

    queued: dict[str, str] = field(default_factory=dict)
    started: dict[str, str] = field(default_factory=dict)
    reruns: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def rows(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """(kind, native id, records) of all."""
        for name, line in self.queued.items():
            yield QUEUED, name, (line,)
        for name, line in self.started.items():
            yield STARTED, name, (line,)
        for name, lines in self.reruns.items():
            yield RERUN, name, lines

    def add(self, kind: str, name: str, lines: tuple[str, ...]) -> None:
        """The opposite of `rows`."""
        if kind == RERUN:
            self.reruns[name] = lines
        else:
            (self.queued if kind == QUEUED else self.started)[name] = lines[0]


@dataclass(frozen=True, slots=True)
class Problem:
    """A line that was skipped."""

    line: int
    reason: str


@dataclass
class Found:
    """What a reader has found since this was last taken."""

    ended: list[Ended] = field(default_factory=list)
    arrays: dict[str, int] = field(default_factory=dict)
    """Number -> size."""
    records: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    """Kind of record -> how many."""
    problems: list[Problem] = field(default_factory=list)
    since: int | None = None
    until: int | None = None
    """First and last second that the records tell of."""


class LogReader:
    """Reads the lines of one log after the other.

    The last record stays in hand until the next one begins, since its text may go on: `in_hand` says how many bytes
    it has.
    """

    def __init__(self, zone: tzinfo, now: float, unended: Unended) -> None:
        self.unended = unended
        self._found = Found()
        self._latest = int(now) + DAY
        self._clock = Clock(zone)
        self._reader = JobReader()
        self._held: str | None = None
        self._hand = 0
        self._number = 0
        self._last: str | None = None

    @property
    def in_hand(self) -> int:
        """Bytes from where the record begins that may go on."""
        return self._hand

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
        self._reader.forget()
        times = [time for time in (found.since, self._last and self._time(self._last)) if time]
        if times:
            found.since, found.until = min(times), max(times)
        self._last = None
        return found

    def look_back(self, lines: list[str]) -> None:
        """Lines that were read before: in the hour that comes twice they tell which one it is."""
        for line in lines:
            if is_line(line) and self._clock.turns(line):
                self._clock.see(line)

    def read(self, lines: list[str], number: int) -> None:
        """Some lines without their ends; `number` is that of the first one in its file."""
        held, hand, tell, clock, day, turns = self._held, self._hand, self._tell, self._clock, "", False
        for line in lines:
            if line[19:22:2] == ";;" and line[2:6:3] == "//":
                if held is not None:
                    tell(held)
                if line[:10] != day:
                    day, turns = line[:10], clock.turns(line)
                if turns:
                    clock.see(line)
                held, hand, self._number = line, 0, number
            elif held is not None and (held[KIND] not in OF_A_LIFE or is_open(held)):
                if len(held) < MAX_RECORD:
                    held += "\n" + line
            elif line and not line.isspace():
                self.skip(number, "it is no record; expected e.g. 11/23/2026 21:10:26;E;123.pbs01;user=...")
            number += 1
            hand += len(line) + 1
        self._held, self._hand = held, 0 if held is None else hand
        for memory in (self.unended.queued, self.unended.started, self.unended.reruns):
            for _ in range(len(memory) - MOST_UNENDED):
                del memory[next(iter(memory))]

    def finish(self) -> None:
        """The log is at its end: nothing follows the record in hand."""
        held, self._held, self._hand = self._held, None, 0
        if held is not None:
            self._tell(held)

    def skip(self, number: int, reason: str) -> None:
        """Note a line that cannot be read."""
        self._found.problems.append(Problem(number, reason))

    def _tell(self, line: str) -> None:
        """What one whole record says."""
        found, kind = self._found, line[KIND]
        found.records += 1
        found.kinds[kind] += 1
        if found.since is None:
            found.since = self._time(line)
        self._last = line
        if kind not in OF_A_LIFE:
            return
        end = line.find(";", TEXT)
        name = line[TEXT:end]
        unended = self.unended
        if "[]" in name:
            if kind == QUEUED:
                self._array(name, line[end + 1 :].rstrip())
        elif kind == QUEUED:
            unended.queued[name] = line
        elif kind == STARTED:
            unended.queued.pop(name, None)
            if " start_count=" in line:  # TORQUE: a rerun will not tell when it started
                unended.started[name] = line
        elif kind == ENDED:
            self._end(name, line, line[end + 1 :].rstrip())
        elif kind == RERUN:
            self._rerun(name, line)
        else:
            self._delete(name, line)

    def _end(self, name: str, line: str, text: str) -> None:
        attributes = attributes_of(text)
        at = 0 if "end" in attributes else self._time(line)
        runs = self.unended.reruns.pop(name, None)
        self.unended.started.pop(name, None)
        self.unended.queued.pop(name, None)
        before = () if runs is None else self._runs(runs)
        count = attributes.get("run_count") or attributes.get("start_count")
        self._add(name, attributes, at, before, count in (None, str(len(before) + 1)))

    def _rerun(self, name: str, line: str) -> None:
        """It was put back into its queue: the run that was is kept, and what it is waits again."""
        unended = self.unended
        start = unended.started.pop(name, None)
        if " start=" not in line:
            if start is None:
                return
            line = f"{start.rstrip()} end={self._time(line) or 0}"
        runs = unended.reruns.get(name, ())
        if line not in runs:
            unended.reruns[name] = (*runs, line)
        unended.queued[name] = line

    def _delete(self, name: str, line: str) -> None:
        """It was deleted; of one that runs, its end is told by another record."""
        record = self.unended.queued.pop(name, None)
        if record is None:
            return
        runs = self.unended.reruns.pop(name, ())
        attributes = attributes_of(record[TEXT:].rstrip().partition(";")[2])
        if "user" in attributes:  # TORQUE tells only the queue
            if record[KIND] != QUEUED:  # it was put back
                attributes = {
                    key: value
                    for key, value in attributes.items()
                    if key not in _OF_A_RUN and key[:15] != "resources_used."
                }
            self._add(name, attributes, self._time(line), self._runs(runs), True)

    def _add(
        self, name: str, attributes: dict[str, str], at: int | None, runs: tuple[tuple[int, int], ...], whole: bool
    ) -> None:
        try:
            if at is None:
                raise ValueError("its date is none")
            job = self._reader.job(name, attributes, at)
            submitted, ended = job.submitted_at, job.ended_at
            assert submitted is not None
            assert ended is not None
            if ended > self._latest:
                raise ValueError("it ends in the future; look at the server's clock, or at --timezone")
            if ended - submitted > LONGEST_SECONDS:
                raise ValueError("it took more than ten years")
        except ValueError as problem:
            self.skip(self._number, str(problem))
        else:
            self._found.ended.append(Ended(job, submitted, ended, runs, whole))

    def _runs(self, lines: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
        """(started, ended) of each of these runs."""
        runs = []
        for line in lines:
            attributes = attributes_of(line[TEXT:].rstrip().partition(";")[2])
            start, end = parse_integer(attributes.get("start")), parse_integer(attributes.get("end"))
            if start and (end := end or self._time(line)):
                runs.append((start, max(start, end)))
        return tuple(sorted(set(runs)))

    def _array(self, name: str, text: str) -> None:
        size = array_size(attributes_of(text).get("array_indices", ""))
        if size is not None:
            self._found.arrays[split_id(name)[0]] = size

    def _time(self, line: str) -> int | None:
        at = self._clock.at(line)
        return at if at is not None and 0 < at <= self._latest else None
