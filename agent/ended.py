"""Jobs that have ended: what an accounting log's records and the listings beside them come to. Pure.

What a record says is read by parsers/accounting.py, the log's files by accounting_log.py. A listing is right about what
lives: the log only tells how that ended which is no longer listed, or is listed as finished.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import tzinfo
from typing import Dict, FrozenSet, Iterable, List, NamedTuple, Optional, Union

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
from agent.parsers.notes import Notes
from agent.parsers.openpbs_records import MAX_RECORD
from agent.report import Job, Report
from agent.states import IS_PENDING, JobState

KEPT_SECONDS = 1800
"""How long an end is told after it was read: a collector that was away for a while still hears of it."""
MOST_KEPT = 20_000
"""How many ends are told; the oldest are forgotten."""
MOST_WAITING = 50_000
"""How many waiting jobs are remembered, to tell of their deletion."""

_LONGEST_QUEUED = 4096  # bytes of a record that is remembered whole
_AHEAD_SECONDS = 86400  # an end further in the future is none
_NEAR_SECONDS = 300  # within which a record is written of what it tells
_LETTERS = {"openpbs": "F", "torque": "C"}
"""What each scheduler's listing calls a job that has ended; OpenPBS says X of an array's."""


class _End(NamedTuple):
    job: Job
    read_at: float


class _Waiting(NamedTuple):
    """A job that waits: as it was listed, or the text of the record of its submission."""

    told: Union[Job, str]
    at: float


class EndedJobs:
    """Remembers ends for a while, and the jobs that wait, between one report and the next."""

    def __init__(self, zone: tzinfo) -> None:
        self._clock = Clock(zone)
        self._reader = JobReader()
        self._ended: Dict[str, _End] = {}
        self._waiting: Dict[str, _Waiting] = {}
        self._held: Optional[str] = None
        self._servers: FrozenSet[str] = frozenset()
        self._zone_fits = True
        self._kind = ""
        self._at = 0.0

    def join(self, report: Report, blocks: Iterable[List[str]], notes: Notes) -> List[Job]:
        """The report's jobs and those that have ended, each once.

        `blocks` are the log's lines since the last report, one character per byte. They are not asked for before a job
        was listed: some servers leave themselves out of the ids that they list, and never out of their log.
        """
        self._kind, self._at = report.scheduler.kind, report.taken_at
        servers = {
            name.partition(".")[2] for name in [job.id for job in report.jobs] + [one.id for one in report.arrays]
        }
        self._servers = frozenset(servers) or self._servers
        if not self._servers:
            return report.jobs
        for job in report.jobs:
            if job.state in IS_PENDING:
                self._wait(job.id, job)
        for lines in blocks:
            self._read(lines, notes)
        if self._held is not None and self._held[KIND] in OF_A_LIFE and not is_open(self._held):
            self._tell(self._held, notes)
            self._held = None
        self._reader.forget()
        self._waiting = {name: one for name, one in self._waiting.items() if one.at == self._at}
        return self._joined(report.jobs, notes)

    def _joined(self, listed: List[Job], notes: Notes) -> List[Job]:
        living = {job.id: job for job in listed if job.state is not JobState.FINISHED}
        for name in living.keys() & self._ended.keys():
            # It was put back into its queue. While it is exiting, it may be listed for some time.
            if self._ended[name].read_at < self._at and living[name].state is not JobState.EXITING:
                del self._ended[name]
        for name in [name for name, end in self._ended.items() if end.read_at < self._at - KEPT_SECONDS]:
            del self._ended[name]
        if len(self._ended) > MOST_KEPT:
            notes.add(f"more than {MOST_KEPT} jobs ended of late; the oldest ends are not told")
            for name in list(self._ended)[:-MOST_KEPT]:
                del self._ended[name]
        others = {name.partition(".")[2] for name in self._ended}
        if others and self._servers.isdisjoint(others):
            notes.add(
                f"its jobs are of the server {min(others)[:80]}, those listed of {min(self._servers)[:80]}: "
                "it is not this cluster's log, and nothing of it is told"
            )
            return listed
        # Of what has ended since the listing was made, the next one tells.
        past = int(self._at)
        latest = max((end.job.ended_at or 0 for end in self._ended.values()), default=0)
        if latest > past + _NEAR_SECONDS:
            notes.add(
                f"a job ended {latest - past} s after this report: the server's clock is ahead of this host's; "
                "it is told once that time has come"
            )
        told = {name: end.job for name, end in self._ended.items() if (end.job.ended_at or 0) <= past}
        jobs = [job if job.id in living else told.pop(job.id, job) for job in listed]
        return jobs + [job for name, job in told.items() if name not in living]

    def _wait(self, name: str, told: Union[Job, str]) -> None:
        if name in self._waiting or len(self._waiting) < MOST_WAITING:
            self._waiting[name] = _Waiting(told, self._at)

    def _read(self, lines: List[str], notes: Notes) -> None:
        """Some lines; the last record stays in hand, since its text may go on in the next."""
        held = self._held
        for line in lines:
            if is_line(line):
                if held is not None:
                    self._tell(held, notes)
                if self._clock.turns(line):
                    self._clock.see(line)
                held = line
            elif held is not None and (held[KIND] not in OF_A_LIFE or is_open(held)):
                if len(held) < MAX_RECORD:
                    held += "\n" + line
            elif line and not line.isspace():
                notes.add("lines that are no records were skipped")
        self._held = held

    def _tell(self, line: str, notes: Notes) -> None:
        """What one whole record says."""
        kind = line[KIND]
        name, _, text = line[TEXT:].rstrip().partition(";")
        if kind not in OF_A_LIFE or "[]" in name:
            return
        if "" in self._servers:
            name = name.partition(".")[0]
        try:
            if kind in (QUEUED, STARTED, RERUN):
                self._ended.pop(name, None)  # it lives again, or another job has its number
                if kind == STARTED:
                    self._waiting.pop(name, None)
                elif kind == QUEUED and name not in self._waiting and "user=" in text and len(text) < _LONGEST_QUEUED:
                    self._wait(name, text)
            elif kind == ENDED:
                self._waiting.pop(name, None)
                self._end(self._of_record(name, text, self._clock.at(line), notes))
            else:
                self._delete(name, self._clock.at(line))
        except ValueError as problem:
            notes.add(f"this record was left out: {problem}", name)

    def _of_record(self, name: str, text: str, at: Optional[int], notes: Notes) -> Job:
        if at is None:
            raise ValueError("its date is none")
        job = self._reader.job(name, attributes_of(text), at)
        self._zone_fits = abs(at - (job.ended_at or 0)) <= _NEAR_SECONDS
        if not self._zone_fits:
            notes.add("the times of its lines are not those in its records, so deletions are not told; see --timezone")
        return job

    def _delete(self, name: str, at: Optional[int]) -> None:
        """It was deleted; of one that runs, its end is told by another record."""
        waiting = self._waiting.pop(name, None)
        if waiting is None or at is None or not self._zone_fits:
            return
        told = waiting.told
        if isinstance(told, str):
            self._end(self._reader.job(name, attributes_of(told), at))
        elif at >= waiting.at - _NEAR_SECONDS:  # it was listed then
            self._end(replace(told, ended_at=at, comment=None, estimated_start_at=None))

    def _end(self, job: Job) -> None:
        if job.ended_at is None or job.ended_at > self._at + _AHEAD_SECONDS:
            raise ValueError("it ends in the future; look at the server's clock")
        if job.submitted_at is not None and job.ended_at - job.submitted_at > LONGEST_SECONDS:
            raise ValueError("it took more than ten years")
        letter = "X" if self._kind == "openpbs" and job.array_index else _LETTERS[self._kind]
        self._ended.pop(job.id, None)  # so that the newest comes last
        self._ended[job.id] = _End(replace(job, state=JobState.FINISHED, native_state=letter), self._at)
