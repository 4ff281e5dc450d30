"""What TORQUE's job attributes mean: jobs from names and values, in whichever format they were printed.

TORQUE 2.5 and 6.1 write exec_host differently; both are read everywhere. Finding names and values in an output is left
to torque_xml and torque_text, nodes and queues to torque_nodes.
"""

from __future__ import annotations

import re
from datetime import tzinfo
from typing import Dict, Iterable, Mapping, Optional, Tuple

from agent.parsers import ParsedJobs
from agent.parsers.notes import Notes
from agent.parsers.values import Remembered, parse_bytes, parse_integer, parse_seconds, printable, remembered_times
from agent.report import Array, Job
from agent.states import HOLDS_CORES, IS_PENDING, TORQUE_JOB_STATES, JobState

Attributes = Mapping[str, str]
Records = Iterable[Tuple[str, Attributes]]

# 48226[3].tq01.grid.example; the server's name can be switched off
JOB_ID = re.compile(r"(\d{1,18})(?:\[(\d{0,18})\])?(\.[\w.-]+)?\Z")
_COUNT = re.compile(r"\d{1,7}\Z")
_RANGE = re.compile(r"(\d{1,7})(?:-(\d{1,7}))?\Z")


def read_jobs(records: Records, zone: tzinfo, notes: Notes) -> ParsedJobs:
    """All records of one qstat as jobs, tasks of arrays, and templates of arrays.

    Times are read as unix seconds (XML) and as local time in `zone` (text). What cannot be read goes to `notes`.
    """
    reader = _JobReader(zone, notes)
    jobs: Dict[str, Job] = {}
    arrays: Dict[str, Array] = {}
    for name, attributes in records:
        identity = JOB_ID.match(name)
        letter, owner = attributes.get("job_state", "").strip(), attributes.get("Job_Owner", "").strip()
        if not (identity and letter and owner):
            reason = "that is no job id" if not identity else f"it has no {'Job_Owner' if letter else 'job_state'}"
            notes.leave_out(name, reason)
        elif name in jobs or name in arrays:
            notes.add("this id is listed twice; the first record counts", name)
        elif identity[2] == "":
            arrays[name] = reader.array(name, attributes)
        else:
            try:
                jobs[name] = reader.job(name, identity, attributes)
            except ValueError as problem:
                notes.leave_out(name, str(problem))
    notes.add_unreadable(reader.conversions)
    return ParsedJobs(list(jobs.values()), list(arrays.values()), notes.warnings(), notes.complete)


class _JobReader:
    """Makes jobs of one listing's attributes, and remembers what it converted: most texts come again."""

    def __init__(self, zone: tzinfo, notes: Notes) -> None:
        self.notes = notes
        self.times = remembered_times(zone)
        self.sizes = Remembered(parse_bytes)
        self.spans = Remembered(parse_seconds)
        self.integers = Remembered(parse_integer)
        self.conversions = {
            "time": self.times,
            "size": self.sizes,
            "duration": self.spans,
            "number": self.integers,
        }

    def array(self, name: str, attributes: Attributes) -> Array:
        return Array(
            id=name,
            native_state=printable(attributes["job_state"].strip()),
            name=printable(attributes.get("Job_Name", "")),
            user=_user(attributes),
            queue=printable(attributes.get("queue", "")),
            total=_tasks(attributes.get("job_array_request", "")),
        )

    def job(self, name: str, identity: re.Match[str], attributes: Attributes) -> Job:
        """Raises ValueError where the cores that it uses cannot be read."""
        get = attributes.get
        letter = attributes["job_state"].strip()
        state = TORQUE_JOB_STATES.get(letter)
        if state is None:
            state = JobState.UNKNOWN
            self.notes.add(f"job state {letter[:40]!r} is unknown")
        pending, ended = state in IS_PENDING, state is JobState.FINISHED
        given = {} if pending else slots_by_node(get("exec_host", ""))
        cores, nodes, gpus = asked(attributes)
        memory_bytes = memory_asked(attributes, cores, self.sizes)
        if given:
            # What it was given, not what it asked for: `ncpus=4` and `-L` may get one slot.
            cores, nodes = sum(given.values()), len(given)
            gpus = get("exec_gpus", "").count("+") + 1 if get("exec_gpus") else gpus
        return Job(
            id=name,
            state=state,
            native_state=printable(letter),
            name=printable(get("Job_Name", "")),
            user=_user(attributes),
            queue=printable(get("queue", "")),
            group=told(attributes, "egroup"),
            account=told(attributes, "Account_Name"),
            array_id=f"{identity[1]}[]{identity[3] or ''}" if identity[2] else None,
            array_index=identity[2],
            cores=cores,
            nodes=nodes,
            gpus=gpus,
            memory_bytes=memory_bytes,
            walltime_seconds=self._convert(self.spans, get("Resource_List.walltime")),
            walltime_used_seconds=self._convert(self.spans, get("resources_used.walltime")),
            cpu_used_seconds=self._convert(self.spans, get("resources_used.cput")),
            memory_used_bytes=self._convert(self.sizes, get("resources_used.mem")),
            submitted_at=self._convert(self.times, get("ctime")),  # qtime is when it came to this queue
            eligible_at=self._convert(self.times, get("etime")),
            # A job that was put back into its queue keeps the start and the end of its last run.
            started_at=None if pending else self._convert(self.times, get("start_time")),
            # One that was deleted before it ran has no comp_time; that was its last change.
            ended_at=self._convert(self.times, get("comp_time" if given else "mtime")) if ended else None,
            exit_status=None if pending else self._convert(self.integers, get("exit_status")),
            priority=self._convert(self.integers, get("Priority")),
            comment=told(attributes, "comment"),
            hold=_hold(get("Hold_Types", "")),
            depends_on=told(attributes, "depend"),
            hosts=given if state in HOLDS_CORES else {},
        )

    @staticmethod
    def _convert(conversion: Remembered, text: Optional[str]) -> Optional[int]:
        return conversion[text] if text and not text.isspace() else None


def told(attributes: Attributes, key: str) -> Optional[str]:
    """An attribute as printable text; None where it is absent or blank."""
    return printable(attributes.get(key, "").strip()) or None


def _user(attributes: Attributes) -> str:
    owner = attributes["Job_Owner"].strip()
    return told(attributes, "euser") or printable(owner.rpartition("@")[0] or owner)


def _hold(text: str) -> Optional[str]:
    # 2.5 prints nothing for a task beyond its array's slot limit, 6.1 an l; n is none.
    kinds = printable(text.strip())
    return None if kinds in ("", "n") else kinds


def asked(attributes: Attributes) -> Tuple[int, int, int]:
    """Cores, nodes and GPUs that a job asked for.

    `-l nodes=1:ppn=8:gpus=2:gpu+3:batch:ppn=2`, `-l procs=10`, `-l ncpus=4`, or 6.1's `-L tasks=2:lprocs=4`.
    """
    cores = nodes = gpus = 0
    for part in attributes.get("Resource_List.nodes", "").partition("#")[0].split("+"):
        words = [word.strip() for word in part.split(":")]
        if not words[0]:
            continue
        chunks = int(words[0]) if _COUNT.match(words[0]) else 1  # a host's name is one node
        settings = dict(word.split("=", 1) for word in words if "=" in word)
        nodes += chunks
        cores += chunks * (_count(settings.get("ppn")) or 1)
        gpus += chunks * _count(settings.get("gpus"))
    cores += _count(attributes.get("Resource_List.procs"))
    if not cores:
        for key, value in attributes.items():
            if key.startswith("req_information.lprocs."):
                tasks = attributes.get(f"req_information.task_count.{key.rpartition('.')[2]}")
                cores += (_count(value) or 1) * (_count(tasks) or 1)
    cores = cores or _count(attributes.get("Resource_List.ncpus"))
    return cores, _count(attributes.get("Resource_List.nodect")) or nodes, gpus


def memory_asked(attributes: Attributes, cores: int, sizes: Remembered) -> Optional[int]:
    """Bytes over all nodes: `mem`, else what each process may have, times the cores; else the virtual limits."""
    for key, times in (("mem", 1), ("pmem", cores), ("vmem", 1), ("pvmem", cores)):
        text = attributes.get(f"Resource_List.{key}")
        size = sizes[text] if text and not text.isspace() else None
        if size is not None:
            whole = size * max(1, times)
            return whole if whole < 2**63 else None
    return None


def _count(text: Optional[str]) -> int:
    return int(text) if text and _COUNT.match(text.strip()) else 0


def _tasks(request: str) -> Optional[int]:
    """`0,3,5-9,100-104%5` -> 12, as the array was submitted; None where that is not told."""
    try:
        return sum(map(slots_in, request.partition("%")[0].split(",")))
    except ValueError:
        return None


def slots_by_node(exec_host: str) -> Dict[str, int]:
    """`wn1/0-3+wn2/8-9,12-13` (6.1) or `wn1/1+wn1/0` (2.5) -> node: slots. ValueError if it is neither."""
    nodes: Dict[str, int] = {}
    for part in exec_host.strip().split("+") if exec_host.strip() else ():
        node, _, slots = part.partition("/")
        if not node or node != printable(node):
            raise ValueError(f"its exec_host {exec_host[:80]!r} is unreadable")
        nodes[node] = nodes.get(node, 0) + sum(map(slots_in, slots.split(",")))
    return nodes


def slots_in(piece: str) -> int:
    """How many a range means: `8-9` -> 2, `3` -> 1. ValueError for anything else."""
    match = _RANGE.match(piece.strip())
    if not match or int(match[2] or match[1]) < int(match[1]):
        raise ValueError(f"{piece[:40]!r} is no range of numbers")
    return int(match[2] or match[1]) - int(match[1]) + 1
