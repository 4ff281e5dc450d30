"""Slurm's own JSON, as 22.05 prints it: `squeue --json` (jobs) and `sinfo --json` (nodes).

It tells what the torque wrappers leave out: exact states, reasons, holds, memory, GPUs, exit statuses, arrays and used
cores of nodes. It costs four times as much and exits 0 when the controller is away: then `errors` holds the words.
Later versions print numbers as objects: their documents are refused. What the fields mean is left
to slurm_records.
"""

from __future__ import annotations

import json
from datetime import tzinfo
from typing import Any, Dict, Iterator, List, Sized, Tuple

from agent.errors import ParseError
from agent.parsers import ParsedJobs, ParsedNodes
from agent.parsers.notes import Notes
from agent.parsers.slurm_records import Record, expand_array, read_job, read_node, text_of
from agent.parsers.values import printable
from agent.report import Array, Job, Node

MOST_TASKS = 100_000
"""Waiting tasks of arrays that one listing is expanded to; past that an array counts as one job."""


def parse_jobs(raw: bytes, zone: tzinfo) -> ParsedJobs:
    """The output of `squeue --json` as jobs, arrays that have tasks left to start, and warnings.

    `raw` is the document as it came; `zone` is not needed, times are unix seconds. A waiting array is one record in
    it and becomes a job for each task, under squeue's names (`17_4`), at most MOST_TASKS in all. Raises ParseError
    where it is no such document, or it says why there is none.
    """
    del zone
    notes = Notes("squeue --json")
    jobs: Dict[str, Job] = {}
    arrays: List[Array] = []
    for name, record in _records(raw, "jobs", "job_id", notes):
        try:
            job = read_job(record, notes)
        except ValueError as problem:
            notes.leave_out(name, str(problem))
            continue
        waiting = text_of(record, "array_task_string")
        if waiting:
            arrays.append(Array(job.array_id or job.id, job.native_state, job.name, job.user, job.queue))
        found = expand_array(job, waiting, MOST_TASKS - len(jobs), notes) if waiting else [job]
        for one in found:
            if one.id in jobs:
                notes.add("this id is listed twice; the first record counts", one.id)
            else:
                jobs[one.id] = one
    _refuse_if_none(jobs, notes)
    return ParsedJobs(list(jobs.values()), arrays, notes.warnings(), notes.complete)


def parse_nodes(raw: bytes, zone: tzinfo) -> ParsedNodes:
    """The output of `sinfo --json` as nodes, without their jobs, and warnings; errors as in parse_jobs."""
    del zone
    notes = Notes("sinfo --json")
    nodes: Dict[str, Node] = {}
    for name, record in _records(raw, "nodes", "name", notes):
        try:
            node = read_node(record, notes)
        except ValueError as problem:
            notes.leave_out(name, str(problem))
            continue
        if node.name in nodes:
            notes.add("this node is listed twice; the first record counts", name)
        else:
            nodes[node.name] = node
    _refuse_if_none(nodes, notes)
    return ParsedNodes(list(nodes.values()), notes.warnings(), notes.complete)


def _records(raw: bytes, key: str, name: str, notes: Notes) -> Iterator[Tuple[str, Record]]:
    try:
        document = json.loads(raw.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as problem:
        begins = f"{len(raw)} bytes that begin with {raw[:80]!r}"
        raise ParseError(f"{notes.source}: expected a JSON document, got {begins} ({problem})") from None
    records = document.get(key) if isinstance(document, dict) else None
    if not isinstance(records, list):
        raise ParseError(f"{notes.source}: expected a JSON document with a list of {key}, got one without it")
    problems = document.get("errors")
    if problems:
        words = _words(problems)
        if not records:
            raise ParseError(f"{notes.source} lists nothing and says why: {words}")
        notes.leave_out("", words)
    for number, record in enumerate(records):
        if isinstance(record, dict):
            yield str(record.get(name, f"record {number}"))[:80], record
        else:
            notes.leave_out(f"record {number}", "it is no JSON object")


def _refuse_if_none(read: Sized, notes: Notes) -> None:
    """A document of which nothing could be read is another version's, not an idle cluster."""
    if not read and not notes.complete:
        raise ParseError(f"{notes.source}: none of its records could be read; the first: {notes.warnings()[0].message}")


def _words(problems: Any) -> str:
    """`[{"error": "Unspecified error", "description": "Failed while looking for jobs"}]` -> those words."""
    found: Dict[str, None] = {}
    for problem in problems if isinstance(problems, list) else [problems]:
        fields = problem if isinstance(problem, dict) else {"error": problem}
        for key in ("description", "error", "source"):
            if fields.get(key):
                found[printable(str(fields[key])[:200])] = None
    return ", ".join(found) or "no words"
