"""What OpenPBS's job attributes mean: jobs and arrays from names and values, in whichever format they were printed.

Values come as the client printed them, one character per byte (Latin-1): most are plain ASCII and never need decoding.
Finding names and values in an output, and telling true records from forged ones, is left to openpbs_text and
openpbs_json; decoding what people wrote to openpbs_records.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import tzinfo
from typing import Dict, List, Mapping, Optional, Set, Tuple

from agent.parsers import ParsedJobs
from agent.parsers.notes import Notes
from agent.parsers.openpbs_records import COUNTER, decoded
from agent.parsers.values import Remembered, parse_bytes, parse_integer, parse_seconds, remembered_times
from agent.report import Array, Job
from agent.states import HOLDS_CORES, IS_PENDING, OPENPBS_JOB_STATES, JobState

Attributes = Mapping[str, str]

JOB_RESOURCES = {
    "Resource_List": ("mem", "ncpus", "ngpus", "nodect", "walltime"),
    "resources_used": ("cput", "mem", "walltime"),
    "estimated": ("start_time",),
}
JOB_ATTRIBUTES = (
    *("Job_Name", "Job_Owner", "job_state", "queue", "Account_Name", "ctime", "depend", "exec_vnode", "Hold_Types"),
    *("Priority", "stime", "obittime", "euser", "egroup", "comment", "etime", "Exit_status"),
    *("array_state_count", "array_indices_submitted", "history_timestamp", "project"),
)
"""What a job's record is made of; everything else in a listing is skipped unread."""


class JobReader:
    """Makes jobs and arrays of one listing's attributes, and remembers what it converted: most texts come again."""

    def __init__(self, notes: Notes, zone: tzinfo) -> None:
        self.parsed = ParsedJobs()
        self._notes = notes
        self._seen: Set[str] = set()
        self._owners: List[str] = []
        self._eusers: List[Optional[str]] = []
        self._texts = Texts()
        self._times = remembered_times(zone)
        self._sizes = Remembered(parse_bytes)
        self._spans = Remembered(parse_seconds)
        self._counts = Remembered(count)
        self._integers = Remembered(parse_integer)

    def finish(self) -> ParsedJobs:
        """Everything that was read, with the warnings of the whole listing."""
        if None in self._eusers and len(set(self._eusers)) > 1:
            self._undo_eusers()
        numbers = {"count": self._counts, "number": self._integers}
        self._notes.add_unreadable({"time": self._times, "size": self._sizes, "duration": self._spans, **numbers})
        self.parsed.warnings, self.parsed.complete = self._notes.warnings(), self._notes.complete
        return self.parsed

    def read(self, name: str, attributes: Attributes) -> None:
        """Add the job or array `name` with these attributes; what cannot be read becomes a warning."""
        identity = _ID(name)
        letter = attributes.get("job_state")
        if not identity or not letter:
            return self._notes.leave_out(name, "it has no job_state" if identity else "that is no job id")
        if name in self._seen:
            return self._notes.add("this id is listed twice; the first record counts", name)
        self._seen.add(name)
        if identity[2] == "":
            return self._read_array(name, letter, attributes)
        return self._read_job(name, identity, letter, attributes)

    def _undo_eusers(self) -> None:
        # The server shows euser and egroup of all jobs or, to ordinary users, of none: then users typed these.
        for number, (job, owner, euser) in enumerate(zip(self.parsed.jobs, self._owners, self._eusers)):
            if euser or job.group:
                self.parsed.jobs[number] = replace(job, user=owner, group=None)
                self._notes.add("its euser is not the server's: newlines in a value", job.id)

    def _read_array(self, name: str, letter: str, attributes: Attributes) -> None:
        text = self._texts
        self.parsed.arrays.append(
            Array(
                id=name,
                native_state=text[letter],
                name=text[attributes.get("Job_Name", "")],
                user=text[attributes.get("Job_Owner", "").partition("@")[0]],
                queue=text[attributes.get("queue", "")],
                total=_subjobs(attributes),
            )
        )

    def _read_job(self, name: str, identity: re.Match[str], letter: str, attributes: Attributes) -> None:
        get, text = attributes.get, self._texts
        times, sizes, spans = self._times, self._sizes, self._spans
        counts, integers = self._counts, self._integers

        if letter not in _STATES:
            self._notes.add(f"job state {letter[:40]!r} is unknown")
        state, pending, holds_cores, ended = _STATES.get(letter, _UNKNOWN)

        hosts: Dict[str, int] = {}
        vnodes = get("exec_vnode")
        if vnodes and holds_cores:
            hosts = cores_by_vnode(vnodes)
            if not hosts:
                self._notes.add(f"exec_vnode {vnodes[:80]!r} cannot be read", name)
        asked = get("Resource_List.ncpus")
        cores = counts[asked] if asked else sum(hosts.values())
        if cores is None:
            if holds_cores and not hosts:
                return self._notes.leave_out(name, f"it runs, and its ncpus is {asked!r:.80}")
            cores = sum(hosts.values())  # none where it waits, and nobody can have that many

        # What a subjob that waits inherits from its array, and a requeued job from its last run, is not its own.
        started = None if pending else get("stime")
        exited = get("Exit_status") if ended or letter == "E" else None
        ended_at = (get("history_timestamp") or get("obittime")) if ended else None
        estimated = get("estimated.start_time") if pending else None

        index = identity[2]
        walltime, memory = get("Resource_List.walltime"), get("Resource_List.mem")
        walltime_used, cpu_used = get("resources_used.walltime"), get("resources_used.cput")
        memory_used = get("resources_used.mem")
        submitted, eligible = get("ctime"), get("etime")
        group, account, project = get("egroup"), get("Account_Name"), get("project")
        owner, euser = text[get("Job_Owner", "").partition("@")[0]], get("euser")
        self._owners.append(owner)
        self._eusers.append(euser)
        priority, comment, depend, hold = get("Priority"), get("comment"), get("depend"), get("Hold_Types")
        self.parsed.jobs.append(
            Job(
                id=name,
                state=state,
                native_state=text[letter],
                name=text[get("Job_Name", "")],
                user=text[euser] if euser else owner,
                queue=text[get("queue", "")],
                group=text[group] if group else None,
                account=text[account] if account else None,
                project=text[project] if project and project != "_pbs_project_default" else None,
                array_id=f"{identity[1]}[]{identity[3]}" if index else None,
                array_index=index,
                cores=cores,
                nodes=counts[get("Resource_List.nodect") or "0"] or 0,
                gpus=counts[get("Resource_List.ngpus") or "0"] or 0,
                memory_bytes=sizes[memory] if memory else None,
                walltime_seconds=spans[walltime] if walltime else None,
                walltime_used_seconds=spans[walltime_used] if walltime_used else None,
                cpu_used_seconds=spans[cpu_used] if cpu_used else None,
                memory_used_bytes=sizes[memory_used] if memory_used else None,
                submitted_at=times[submitted] if submitted else None,
                eligible_at=times[eligible] if eligible else None,
                started_at=times[started] if started else None,
                ended_at=times[ended_at] if ended_at else None,
                estimated_start_at=times[estimated] if estimated else None,
                exit_status=integers[exited] if exited else None,
                priority=integers[priority] if priority else None,
                comment=text[comment] if comment else None,
                hold=text[hold] if hold and hold != "n" else None,
                depends_on=text[depend] if depend else None,
                hosts=hosts,
            )
        )
        return None


def _told(state: JobState) -> Tuple[JobState, bool, bool, bool]:
    return state, state in IS_PENDING, state in HOLDS_CORES, state is JobState.FINISHED


# Looked up once here: the hash of an enum's member is computed in Python.
_STATES = {letter: _told(state) for letter, state in OPENPBS_JOB_STATES.items()}
_UNKNOWN = _told(JobState.UNKNOWN)


class Texts(Dict[str, str]):
    """From the client's bytes (Latin-1) to what people wrote, remembered: `texts[value]`."""

    def __missing__(self, value: str) -> str:
        text = self[value] = decoded(value)
        return text


def count(text: str) -> Optional[int]:
    """How many of something, up to a thousand million; None for anything else."""
    number = parse_integer(text)
    return number if number is not None and 0 <= number <= 10**9 else None


_ID = re.compile(r"([0-9]{1,15})(?:\[([0-9]{0,15})\])?((?:\.[\w.-]{1,255})?)\Z", re.ASCII).match
_CHUNK_CORES = re.compile(r":ncpus=([0-9]{1,9})(?![^:])")
_VNODE = re.compile(r"[\w.\[\]{}#$-]{1,255}\Z").match
_RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9})(?::([0-9]{1,9}))?)?\Z").match


def cores_by_vnode(exec_vnode: str) -> Dict[str, int]:
    """`(smp01[0]:mem=1gb:ncpus=16+smp01[1]:ncpus=8)+(cn001:ncpus=2)` -> vnode: cores; empty where unreadable.

    exec_host is no source of cores: it shows `smp01/0*0` for a chunk that lies on several vnodes.
    """
    hosts: Dict[str, int] = {}
    for chunk in exec_vnode.replace("(", "").replace(")", "").split("+"):
        vnode, _, _ = chunk.partition(":")
        if not _VNODE(vnode):
            return {}
        cores = _CHUNK_CORES.search(chunk)
        hosts[vnode] = hosts.get(vnode, 0) + (int(cores[1]) if cores else 0)
    return hosts


def _subjobs(attributes: Attributes) -> Optional[int]:
    """How many subjobs an array was submitted with; else the sum of its counters."""
    total = array_size(attributes.get("array_indices_submitted", ""))
    if total is not None:
        return total
    counters = COUNTER.findall(attributes.get("array_state_count", ""))
    return sum(int(number) for _, number in counters) if counters else None


def array_size(indices: str) -> Optional[int]:
    """How many subjobs `0-90:10`, `1-50` or `1,3,5-9` are; None for anything else."""
    total = 0
    for piece in indices.split(","):
        part = _RANGE(piece.strip())
        if not part:
            return None
        first, last, step = int(part[1]), int(part[2] or part[1]), int(part[3] or 1)
        if last < first or not step:
            return None
        total += (last - first) // step + 1
    return total
