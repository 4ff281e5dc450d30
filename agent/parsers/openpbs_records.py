"""What OpenPBS's attributes mean: records from names and values, in whichever format they were printed.

Values come as the client printed them, one character per byte (Latin-1): most of them are plain ASCII and never need
decoding; what people wrote is decoded here. Finding names and values in an output, and telling true records from
forged ones, is left to openpbs_text and openpbs_json.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import tzinfo
from typing import Callable, Dict, Iterator, List, Mapping, Optional, Set, Tuple

from agent.parsers import ParsedJobs
from agent.parsers.values import Remembered, parse_bytes, parse_integer, parse_seconds, printable, remembered_times
from agent.report import Array, Job, Node, Queue, Warning
from agent.states import (
    HOLDS_CORES,
    IS_PENDING,
    OPENPBS_JOB_STATES,
    OPENPBS_NODE_STATES,
    JobState,
    NodeState,
    occupied,
    worst,
)

Attributes = Mapping[str, str]

JOB_RESOURCES = {
    "Resource_List": ("mem", "ncpus", "ngpus", "nodect", "walltime"),
    "resources_used": ("cput", "mem", "walltime"),
    "estimated": ("start_time",),
}
JOB_ATTRIBUTES = (
    *("Job_Name", "Job_Owner", "job_state", "queue", "Account_Name", "ctime", "depend", "exec_vnode", "Hold_Types"),
    *("Priority", "stime", "obittime", "euser", "egroup", "comment", "etime", "Exit_status", "array"),
    *("array_state_count", "array_indices_submitted", "history_timestamp", "project"),
)
"""What a job's record is made of; everything else in a listing is skipped unread."""

MOST_WARNINGS = 100


class Notes:
    """The warnings of one listing: each said once, and no more of them than people would read."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._said: Dict[Tuple[str, str], None] = {}
        self._unsaid = 0

    def add(self, message: str, record: str = "") -> None:
        """Remember a warning on the listing, or on the record with this name."""
        key = (f"{self.source}, {printable(record[:80])}" if record else self.source, printable(message[:300]))
        if key not in self._said:
            if len(self._said) < MOST_WARNINGS:
                self._said[key] = None
            else:
                self._unsaid += 1

    def warnings(self) -> List[Warning]:
        """All of them, in order; the last one counts what was too much."""
        warnings = [Warning(source, message) for source, message in self._said]
        if self._unsaid:
            warnings.append(Warning(self.source, f"{self._unsaid} more warnings were left out"))
        return warnings


class JobReader:
    """Makes jobs and arrays of one listing's attributes, and remembers what it converted: most texts come again."""

    def __init__(self, notes: Notes, zone: tzinfo) -> None:
        self.parsed = ParsedJobs()
        self._notes = notes
        self._seen: Set[str] = set()
        self._texts = Texts()
        self._times = remembered_times(zone)
        self._sizes = Remembered(parse_bytes)
        self._spans = Remembered(parse_seconds)
        self._counts = Remembered(_count)
        self._integers = Remembered(parse_integer)

    def finish(self) -> ParsedJobs:
        """Everything that was read, with the warnings of the whole listing."""
        kinds = {"time": self._times, "size": self._sizes, "duration": self._spans, "count": self._counts}
        kinds["number"] = self._integers
        for kind, conversion in kinds.items():
            for text in conversion.unreadable:
                self._notes.add(f"{text[:80]!r} is no {kind}; where it stands, nothing is told")
        self.parsed.warnings = self._notes.warnings()
        return self.parsed

    def leave_out(self, name: str, reason: str) -> None:
        """Note that a record which is there could not be read."""
        self.parsed.complete = False
        self._notes.add(f"this record was left out: {reason}", name)

    def read(self, name: str, attributes: Attributes) -> None:
        """Add the job or array `name` with these attributes; what cannot be read becomes a warning."""
        identity = _ID(name)
        letter = attributes.get("job_state")
        if not identity or not letter:
            return self.leave_out(name, "it has no job_state" if identity else "that is no job id")
        if name in self._seen:
            return self._notes.add("this id is listed twice; the first record counts", name)
        self._seen.add(name)
        if identity[2] == "" or attributes.get("array") == "True":
            return self._read_array(name, letter, attributes)
        return self._read_job(name, identity, letter, attributes)

    def _read_array(self, name: str, letter: str, attributes: Attributes) -> None:
        text = self._texts
        self.parsed.arrays.append(
            Array(
                id=name,
                native_state=text[letter],
                name=text[attributes.get("Job_Name", "")],
                user=text[attributes.get("euser") or attributes.get("Job_Owner", "").partition("@")[0]],
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
            hosts = _cores_by_vnode(vnodes)
            if not hosts:
                self._notes.add(f"exec_vnode {vnodes[:80]!r} cannot be read", name)
        asked = get("Resource_List.ncpus")
        cores = counts[asked] if asked else sum(hosts.values())
        if cores is None:
            if holds_cores and not hosts:
                return self.leave_out(name, f"it runs, and its ncpus is {asked!r:.80}")
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
        priority, comment, depend, hold = get("Priority"), get("comment"), get("depend"), get("Hold_Types")
        self.parsed.jobs.append(
            _job(
                id=name,
                state=state,
                native_state=text[letter],
                name=text[get("Job_Name", "")],
                user=text[get("euser") or get("Job_Owner", "").partition("@")[0]],
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


def _job(**fields: object) -> Job:
    # Not Job(**fields): the __init__ of a frozen dataclass takes as long as all the rest of reading a job, and gives
    # each one a table of its own for the names of its fields. A test compares the fields.
    job = object.__new__(Job)
    job.__dict__.update(fields)
    return job


class Texts(Dict[str, str]):
    """From the client's bytes (Latin-1) to what people wrote, remembered: `texts[value]`."""

    def __missing__(self, value: str) -> str:
        text = self[value] = decoded(value)
        return text


def decoded(value: str) -> str:
    """What people wrote, printable, from one character per byte.

    The release's client prints each byte outside ASCII as `^` and the byte plus 0x40, the newer one leaves UTF-8 as
    it is. `^` and something is taken back where a whole UTF-8 character comes out of it; elsewhere it was typed so.
    """
    if not value.isascii() or "^" in value:
        value = _CARETS.sub(_uncareted, value)
        with suppress(UnicodeEncodeError):  # from a \u escape of JSON: it is decoded already
            value = value.encode("latin-1").decode("utf-8", "replace")
    return printable(value)


_CARETS = re.compile(r"\^[\x02-\x1f]\^[\xc0-\xff]|\^[\x20-\x2f](?:\^[\xc0-\xff]){2}|\^[\x30-\x34](?:\^[\xc0-\xff]){3}")


def _uncareted(match: re.Match[str]) -> str:
    raw = bytes((ord(character) - 0x40) & 0xFF for character in match[0][1::2])
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return match[0]
    return raw.decode("latin-1")


def _count(text: str) -> Optional[int]:
    number = parse_integer(text)
    return number if number is not None and 0 <= number <= 10**9 else None


_ID = re.compile(r"([0-9]{1,15})(?:\[([0-9]{0,15})\])?((?:\.[\w.-]{1,255})?)\Z", re.ASCII).match
_CHUNK_CORES = re.compile(r":ncpus=([0-9]{1,9})(?![^:])")
_VNODE = re.compile(r"[\w.\[\]{}#$-]{1,255}\Z").match
_RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9})(?::([0-9]{1,9}))?)?\Z").match
_COUNTER = re.compile(r"([A-Za-z]+):([0-9]{1,9})(?:\s|\Z)")


def _cores_by_vnode(exec_vnode: str) -> Dict[str, int]:
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
    """How many subjobs an array was submitted with: `0-90:10`, `1-50`, `1,3,5-9`; else the sum of its counters."""
    total = 0
    for piece in attributes.get("array_indices_submitted", "").split(","):
        part = _RANGE(piece.strip())
        if not part:
            break
        first, last, step = int(part[1]), int(part[2] or part[1]), int(part[3] or 1)
        if last < first or not step:
            break
        total += (last - first) // step + 1
    else:
        return total
    counters = _COUNTER.findall(attributes.get("array_state_count", ""))
    return sum(int(number) for _, number in counters) if counters else None


def read_node(name: str, attributes: Attributes, notes: Notes) -> Node:
    """One vnode of `pbsnodes -av`, or one host of `pbsnodes -a`. ValueError, with the reason, where it cannot be read.

    `pbsnodes -a` prints `<various>` where the vnodes of a host differ; a state so merged is unknown.
    """
    words = [word.strip() for word in attributes.get("state", "").split(",") if word.strip()]
    if not words:
        raise ValueError(attributes.get("Error", "").strip() or "it has no state")
    for word in words:
        if word == "<various>":
            notes.add("vnodes of one host were merged, their states are lost; pbsnodes -av lists each", name)
        elif word not in OPENPBS_NODE_STATES:
            notes.add(f"node state {word[:40]!r} is unknown")
    state = worst(OPENPBS_NODE_STATES.get(word, NodeState.UNKNOWN) for word in words)
    cores = _amount(parse_integer, attributes, "ncpus", notes, name)
    gpus = _amount(parse_integer, attributes, "ngpus", notes, name)
    memory = _amount(parse_bytes, attributes, "mem", notes, name)
    jobs = [job.strip().partition("/")[0] for job in attributes.get("jobs", "").split(",")]
    comment = decoded(attributes.get("comment", ""))
    return Node(
        name=decoded(name),
        state=occupied(state, cores[0] or 0, cores[1] or 0),
        native_state=decoded(",".join(words)),
        cores=cores[0],
        cores_used=cores[1],
        gpus=gpus[0],
        gpus_used=gpus[1],
        memory_bytes=memory[0],
        memory_used_bytes=memory[1],
        jobs=tuple(dict.fromkeys(decoded(job) for job in jobs if job)),
        properties=tuple(_properties(attributes)),
        comment=comment or None,
    )


def _amount(
    convert: Callable[[Optional[str]], Optional[int]], attributes: Attributes, resource: str, notes: Notes, name: str
) -> Tuple[Optional[int], Optional[int]]:
    """How much of a resource there is and how much is taken; what is there and not assigned to anybody is free."""
    amounts: List[Optional[int]] = []
    for group in ("resources_available", "resources_assigned"):
        text = attributes.get(f"{group}.{resource}")
        amounts.append(convert(text))
        if text is not None and amounts[-1] is None and text != "<various>":
            notes.add(f"its {group}.{resource} {text[:40]!r} cannot be read", name)
    there, taken = amounts
    if there is None:
        return None, taken or None  # the text prints zeros for a node that never reported
    return there, 0 if f"resources_assigned.{resource}" not in attributes else taken


_LISTS = ("queue", "resources_available.Qlist", "resources_available.feature", "resources_available.features")
_OF_EVERY_NODE = frozenset({"arch", "host", "vnode"})
_QUANTITY = re.compile(r"[-+]?[0-9][0-9.]*[kmgtpe]?[bw]?\Z", re.IGNORECASE).match


def _properties(attributes: Attributes) -> Iterator[str]:
    """Queues and features that a node serves, then its other named resources: `gpu_model=a100`, `has_nvme`."""
    for key in _LISTS:
        yield from (decoded(word.strip()) for word in attributes.get(key, "").split(",") if word.strip())
    for key, value in sorted(attributes.items()):
        group, _, resource = key.partition(".")
        if group == "resources_available" and key not in _LISTS and resource not in _OF_EVERY_NODE:
            if value == "True":
                yield decoded(resource)
            elif value not in ("False", "<various>", "") and not _QUANTITY(value):
                yield decoded(f"{resource}={value}")


def read_queue(name: str, attributes: Attributes, notes: Notes) -> Queue:
    """One record of `qstat -Q -f`. ValueError, with the reason, where it cannot be read."""
    kind = _QUEUE_TYPES.get(attributes.get("queue_type", ""))
    if not kind:
        raise ValueError(f"its queue_type is {attributes.get('queue_type', '')[:40]!r}")
    counts: Dict[str, int] = {}
    for word, number in _COUNTER.findall(attributes.get("state_count", "")):
        if word in _COUNTED:
            counts[_COUNTED[word].value] = int(number)
        elif word not in _NOT_JOBS:
            notes.add(f"state_count has an unknown state {word[:40]!r}")
    return Queue(
        name=decoded(name),
        type=kind,
        enabled=_TRUTH.get(attributes.get("enabled", "")),
        started=_TRUTH.get(attributes.get("started", "")),
        priority=parse_integer(attributes.get("Priority")),
        max_walltime_seconds=parse_seconds(attributes.get("resources_max.walltime")),
        jobs=counts,
    )


_TRUTH = {"True": True, "False": False}
_QUEUE_TYPES = {"Execution": "execution", "Route": "routing"}
_COUNTED = {
    "Transit": JobState.TRANSITING,
    "Queued": JobState.QUEUED,
    "Held": JobState.HELD,
    "Waiting": JobState.WAITING,
    "Running": JobState.RUNNING,  # suspended ones are counted here
    "Exiting": JobState.EXITING,
}
_NOT_JOBS = frozenset({"Begun"})  # arrays that have begun; their subjobs are jobs
