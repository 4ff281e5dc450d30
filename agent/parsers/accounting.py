"""Accounting logs of OpenPBS, PBS Pro and TORQUE: what a line is, and the job that its text tells.

A line is `11/23/2026 21:10:26;E;123.pbs01;user=alice group=physics ...`: local time, kind, job, text. A text may hold
newlines, so a line that is none of this goes on with the one before. Lines come as one character per byte (Latin-1).
What several records of one job come to is left to the callers; what attributes mean is openpbs_jobs' and torque_jobs'.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo
from typing import Dict, Mapping, Optional

from agent.parsers.openpbs_jobs import Texts, cores_by_vnode, count
from agent.parsers.torque_jobs import asked, memory_asked, slots_by_node
from agent.parsers.values import Remembered, parse_bytes, parse_integer, parse_seconds
from agent.report import Job
from agent.states import JobState

STAMP = slice(0, 19)
KIND = 20
TEXT = 22
"""Where a line has its time, its kind, and its job and text."""

QUEUED, STARTED, ENDED, RERUN, DELETED, ABORTED = "Q", "S", "E", "R", "D", "A"
"""Kinds that tell of a job's life; the others are of reservations, licences, changed attributes, suspension.

Aborted is a job that its dependency deleted."""

OF_A_LIFE = frozenset({QUEUED, STARTED, ENDED, RERUN, DELETED, ABORTED})

LONGEST_SECONDS = 10 * 366 * 86400
"""No job lives longer; what says otherwise is damaged."""

_LINE = re.compile(r"[01]\d/[0-3]\d/\d{4} [0-2]\d:[0-5]\d:[0-6]\d;[A-Za-z];").match
_ID = re.compile(r"([0-9]{1,18})(?:\[([0-9]{0,18})\])?((?:\.[\w.-]{1,255})?)\Z", re.ASCII).match
_SPACED = re.compile(r'="[^"\s]*\s').search
_ATTRIBUTE = re.compile(r'([^\s=]+)=("(?:[^"]|"(?!\s+[^\s="]+=|\s*\Z))*"|\S*)')
_MOST_REMEMBERED = 50_000


def is_line(line: str) -> bool:
    """Whether a line begins a record; else it goes on with the record before, or is damaged."""
    return _LINE(line) is not None


def is_open(text: str) -> bool:
    """Whether a record's text ends inside a quoted value, so that the next line belongs to it."""
    opened = text.rfind('="')
    if opened < 0:
        return False
    value = text[opened + 2 :].rstrip()
    return not value.endswith('"') and '" ' not in value


def attributes_of(text: str) -> Dict[str, str]:
    """`user=alice account="a b" start=1795468164` -> {name: value}, without the quotes."""
    if '"' not in text:
        return _split(text)
    found = dict(_ATTRIBUTE.findall(text)) if _SPACED(text) else _split(text)
    for name, value in found.items():
        if value[:1] == '"' == value[-1:]:
            found[name] = value[1:-1]
    return found


def _split(text: str) -> Dict[str, str]:
    parts = text.split(" ")
    try:
        return dict([part.split("=", 1) for part in parts])
    except ValueError:  # something without a value
        return {part.partition("=")[0]: part.partition("=")[2] for part in parts}


class JobReader:
    """Makes jobs of records' texts, and remembers what it converted: most texts come again."""

    def __init__(self) -> None:
        self._texts = Texts()
        self._sizes = Remembered(parse_bytes)
        self._spans = Remembered(parse_seconds)
        self._counts = Remembered(count)
        self._integers = Remembered(parse_integer)
        self._hosts: Dict[str, Dict[str, int]] = {}

    def job(self, name: str, attributes: Mapping[str, str], at: int) -> Job:
        """The job that ended with this record, of the time `at`. ValueError, with the reason, where it is unreadable.

        Of a Q record's attributes it makes the job as it would have ended then, without having started.
        """
        identity = _ID(name)
        if not identity:
            raise ValueError(f"{name[:40]!r} is no job id")
        get = attributes.get
        user = get("user")
        if not user:
            raise ValueError("it tells no user")
        text, sizes, spans, integers = self._texts, self._sizes, self._spans, self._integers
        vnodes = get("exec_vnode")
        hosts: Dict[str, int] = {}
        if vnodes or "Resource_List.select" in attributes:
            if vnodes:
                hosts = self._hosts.get(vnodes) or self._hosts.setdefault(vnodes, cores_by_vnode(vnodes))
            told = get("Resource_List.ncpus")
            cores = (self._counts[told] if told else None) or sum(hosts.values())
            nodes = self._counts[get("Resource_List.nodect") or "0"] or 0
            gpus = self._counts[get("Resource_List.ngpus") or "0"] or 0
            memory = get("Resource_List.mem")
            memory_bytes = sizes[memory] if memory else None
        else:
            cores, nodes, gpus = asked(attributes)
            memory_bytes = memory_asked(attributes, cores, sizes)
            hosts = slots_by_node(get("exec_host", ""))
            if hosts:
                cores, nodes = sum(hosts.values()), len(hosts)
                gpus = get("exec_gpus", "").count("+") + 1 if get("exec_gpus") else gpus
        started = _epoch(get("start"))
        ended = _epoch(get("end")) or at
        submitted = _epoch(get("ctime")) or _epoch(get("qtime")) or _epoch(get("etime")) or started
        if submitted is None:
            raise ValueError("it tells no time of submission")
        if started is not None and started > ended:
            raise ValueError("it ended before it started")
        index = identity[2]
        group, account, project = get("group"), get("account"), get("project")
        walltime, walltime_used = get("Resource_List.walltime"), get("resources_used.walltime")
        cpu_used, memory_used = get("resources_used.cput"), get("resources_used.mem")
        exited = get("Exit_status")
        return Job(
            id=name,
            state=JobState.FINISHED,
            native_state="",
            name=text[get("jobname", "")],
            user=text[user],
            queue=text[get("queue", "")],
            group=text[group] if group else None,
            account=text[account] if account else None,
            project=text[project] if project and project != "_pbs_project_default" else None,
            array_id=f"{identity[1]}[]{identity[3]}" if index else None,
            array_index=index,
            cores=cores,
            nodes=nodes,
            gpus=gpus,
            memory_bytes=memory_bytes,
            walltime_seconds=spans[walltime] if walltime else None,
            walltime_used_seconds=spans[walltime_used] if walltime_used else None,
            cpu_used_seconds=spans[cpu_used] if cpu_used else None,
            memory_used_bytes=sizes[memory_used] if memory_used else None,
            submitted_at=min(submitted, ended),
            eligible_at=_epoch(get("etime")),
            started_at=started,
            ended_at=ended,
            estimated_start_at=None,
            exit_status=integers[exited] if exited else None,
            priority=None,
            comment=None,
            hold=None,
            depends_on=None,
            hosts=hosts,
        )

    def forget(self) -> None:
        """To be called now and then: years of logs hold more different texts than are worth remembering."""
        for memory in (self._texts, self._sizes, self._spans, self._hosts):
            if len(memory) > _MOST_REMEMBERED:
                memory.clear()
        for conversion in (self._sizes, self._spans, self._counts, self._integers):
            conversion.unreadable.clear()


def _epoch(text: Optional[str]) -> Optional[int]:
    return int(text) or None if text and text.isdigit() and text.isascii() and len(text) <= 11 else None


class Clock:
    """Local times of a log's lines as unix seconds.

    Of an hour that the clocks show twice in autumn, the lines' order and the unix times in them tell which one is meant.
    """

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._day = ""
        self._turns = False
        self._second = 0
        self._latest = 0

    def turns(self, line: str) -> bool:
        """Whether the clocks are set back on this line's day: then every line must be shown to `see`."""
        if line[:10] != self._day:
            self._day, self._second, self._latest = line[:10], 0, 0
            start = _datetime(line[:10] + " 00:00:00", self._zone)
            try:
                self._turns = start is not None and _offset(start) > _offset(start + timedelta(days=1))
            except (OverflowError, ValueError):
                self._turns = False
        return self._turns

    def see(self, line: str) -> None:
        """A line of such a day, in its order."""
        moment = _datetime(line[STAMP], self._zone)
        if moment is None:
            return
        first, second = _seconds(moment), _seconds(moment.replace(fold=1))
        if first == second:
            return
        name = _TIMED.get(line[KIND : KIND + 1])
        told = _epoch(line.partition(f" {name}=")[2].partition(" ")[0]) if name else None
        if told is not None and min(abs(told - first), abs(told - second)) <= _NEAR:
            self._second = int(abs(told - second) < abs(told - first))
        elif first < self._latest - _SET_BACK:
            self._second = 1
        self._latest = max(self._latest, first)

    def at(self, line: str) -> Optional[int]:
        """The time of a line; None where there is no such time."""
        moment = _datetime(line[STAMP], self._zone)
        if moment is None:
            return None
        try:
            return _seconds(moment.replace(fold=self._second if line[:10] == self._day else 0))
        except (OverflowError, ValueError, OSError):
            return None


_TIMED = {ENDED: "end", STARTED: "start", QUEUED: "qtime"}
_NEAR = 60  # seconds within which a record is written of what it tells
_SET_BACK = 300  # seconds; less is several threads writing in their own order


def _datetime(stamp: str, zone: tzinfo) -> Optional[datetime]:
    try:
        month, day, year, hour, minute, second = map(int, (stamp[:2], stamp[3:5], stamp[6:10], stamp[11:13], stamp[14:16], stamp[17:19]))  # fmt: skip
        return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=zone)
    except ValueError:
        return None


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _offset(moment: datetime) -> timedelta:
    return moment.utcoffset() or timedelta()
