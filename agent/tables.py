"""The tables of `show`, as data and as plain text: slots per user and group, jobs, nodes, free nodes.

Pure functions of a report. Names are strangers' text: control characters, terminal escapes and characters
that turn the line around are shown as a replacement character, long names are cut with an ellipsis.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Callable, DefaultDict, Dict, List, Optional, Sequence, Tuple

from agent.report import Job, Node, Report
from agent.states import HOLDS_CORES, IS_PENDING, USABLE, JobState, NodeState

Cell = Any
"""A string, a number, or None for what the scheduler does not say."""

NOT_TOLD = "-"
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode's control, format, half and unassigned characters, and its line separators."""


@dataclass(frozen=True)
class Column:
    """One column: its key in JSON, its title, and how wide it may be."""

    key: str
    title: str
    widest: int = 20
    right: bool = False
    show: Optional[Callable[[Any], str]] = None


@dataclass(frozen=True)
class Table:
    """Rows under columns; the footer is one line of totals."""

    name: str
    columns: Tuple[Column, ...]
    rows: List[Tuple[Cell, ...]]
    footer: str = ""


def make_table(name: str, report: Report) -> Table:
    """The table `user`, `group`, `running`, `queued`, `nodes` or `freenodes` of a report."""
    return _TABLES[name](report)


def table_to_json(table: Table, report: Report) -> Dict[str, Any]:
    """The table for machines: values as they are, times in unix seconds, durations in seconds."""
    keys = [column.key for column in table.columns]
    return {
        "cluster": report.cluster,
        "taken_at": report.taken_at,
        "table": table.name,
        "rows": [dict(zip(keys, row)) for row in table.rows],
    }


def render_table(table: Table, width: Optional[int] = None) -> str:
    """The table as aligned lines; the last column takes what is left of `width` columns of the terminal."""
    cells = [[_cell(column, value) for column, value in zip(table.columns, row)] for row in table.rows]
    titles = [column.title for column in table.columns]
    widths = [max([_columns(title), *(_columns(row[index]) for row in cells)]) for index, title in enumerate(titles)]
    widths = [min(wide, max(column.widest, len(column.title))) for wide, column in zip(widths, table.columns)]
    if width is not None:
        before = sum(widths[:-1]) + 2 * (len(widths) - 1)
        widths[-1] = min(widths[-1], max(len(titles[-1]), 10, width - before))
    lines = [_line(table.columns, row, widths) for row in [titles, ["-" * wide for wide in widths], *cells]]
    if not table.rows:
        lines.append("(none)")
    return "\n".join([*lines, table.footer] if table.footer else lines)


# What is in them


def _slots(name: str, title: str, key: Callable[[Job], Optional[str]], report: Report) -> Table:
    sums: DefaultDict[str, List[int]] = defaultdict(lambda: [0, 0, 0, 0, 0])
    for job in report.jobs:
        row = sums[key(job) or ""]
        if job.state in HOLDS_CORES:
            row[0] += job.cores
            row[1] += 1
        elif job.state in IS_PENDING:
            row[2] += 1
            row[3] += job.cores
        elif job.state is JobState.SUSPENDED:
            row[4] += 1
    rows: List[Tuple[Cell, ...]] = [(who or None, *numbers) for who, numbers in sums.items() if any(numbers)]
    rows.sort(key=lambda row: (-row[1], -row[4], row[0] is None, row[0]))
    cores = sum(row[1] for row in rows)
    capacity = sum(node.cores or 0 for node in report.nodes if node.state in USABLE)
    columns = (
        Column(name, title),
        Column("cores_running", "CORES", right=True),
        Column("jobs_running", "RUNNING", right=True),
        Column("jobs_queued", "QUEUED", right=True),
        Column("cores_queued", "CORES WANTED", right=True),
        Column("jobs_suspended", "SUSPENDED", right=True),
    )
    free = f" of {capacity} on usable nodes" if capacity else ""
    return Table(name, columns, rows, f"{cores} cores in use{free}")


def _user(report: Report) -> Table:
    return _slots("user", "USER", lambda job: job.user, report)


def _group(report: Report) -> Table:
    return _slots("group", "GROUP", lambda job: job.group, report)


def _running(report: Report) -> Table:
    jobs = [job for job in report.jobs if job.state in HOLDS_CORES]
    jobs.sort(key=lambda job: (job.user, job.started_at or 0, job.id))
    columns = (
        Column("id", "JOB"),
        Column("user", "USER", 14),
        Column("queue", "QUEUE", 14),
        Column("name", "NAME", 18),
        Column("state", "STATE", 9),
        Column("cores", "CORES", right=True),
        Column("started_at", "STARTED", show=_moment),
        Column("walltime_used_seconds", "USED", right=True, show=_duration),
        Column("walltime_seconds", "LIMIT", right=True, show=_duration),
        Column("hosts", "HOSTS", 60, show=_hosts),
    )
    rows = [
        (
            job.id,
            job.user,
            job.queue,
            job.name,
            job.state.value,
            job.cores,
            job.started_at,
            _used(job, report.taken_at),
            job.walltime_seconds,
            job.hosts,
        )
        for job in jobs
    ]
    return Table("running", columns, rows, f"{len(jobs)} running jobs, {sum(job.cores for job in jobs)} cores")


def _used(job: Job, taken_at: float) -> Optional[int]:
    """Walltime used, as the scheduler says, else as its start says."""
    if job.walltime_used_seconds is not None or job.started_at is None:
        return job.walltime_used_seconds
    return max(0, int(taken_at) - job.started_at)


def _queued(report: Report) -> Table:
    jobs = [job for job in report.jobs if job.state in IS_PENDING]
    # Equal priorities (often none is told): the longest waiting first. Held jobs come last.
    jobs.sort(
        key=lambda job: (job.state is JobState.HELD, -(job.priority or 0), job.submitted_at or float("inf"), job.id)
    )
    columns = (
        Column("id", "JOB"),
        Column("user", "USER", 14),
        Column("queue", "QUEUE", 14),
        Column("name", "NAME", 18),
        Column("state", "STATE", 10),
        Column("cores", "CORES", right=True),
        Column("nodes", "NODES", right=True),
        Column("walltime_seconds", "LIMIT", right=True, show=_duration),
        Column("submitted_at", "SUBMITTED", show=_moment),
        Column("priority", "PRIORITY", right=True),
        Column("reason", "REASON", 100),
    )
    rows = [
        (
            job.id,
            job.user,
            job.queue,
            job.name,
            job.state.value,
            job.cores,
            job.nodes,
            job.walltime_seconds,
            job.submitted_at,
            job.priority,
            _reason(job),
        )
        for job in jobs
    ]
    return Table("queued", columns, rows, f"{len(jobs)} waiting jobs, {sum(job.cores for job in jobs)} cores wanted")


def _reason(job: Job) -> Optional[str]:
    words = [job.comment] if job.comment else []
    if job.hold:
        words.append(f"hold {job.hold}")
    if job.depends_on:
        words.append(f"depends on {job.depends_on}")
    return "; ".join(words) or None


def _node_columns() -> Tuple[Column, ...]:
    return (
        Column("name", "NODE", 24),
        Column("state", "STATE", 9),
        Column("cores_used", "USED", right=True),
        Column("cores", "CORES", right=True),
        Column("gpus_used", "GPUS USED", right=True),
        Column("gpus", "GPUS", right=True),
        Column("load", "LOAD", right=True, show=lambda load: f"{load:.2f}"),
        Column("memory_bytes", "MEMORY", right=True, show=_size),
        Column("jobs", "JOBS", 60, show=" ".join),
    )


def _node_row(node: Node) -> Tuple[Cell, ...]:
    return (
        node.name,
        node.state.value,
        node.cores_used,
        node.cores,
        node.gpus_used,
        node.gpus,
        node.load,
        node.memory_bytes,
        list(node.jobs),
    )


def _nodes(report: Report) -> Table:
    rows = [_node_row(node) for node in report.nodes]
    used = sum(node.cores_used or 0 for node in report.nodes)
    return Table("nodes", _node_columns(), rows, f"{len(rows)} nodes, {used} of {_cores(report.nodes)} cores taken")


def _freenodes(report: Report) -> Table:
    """Nodes with room: usable, and at least one core is not taken."""
    roomy = [(node, free) for node in report.nodes if (free := _free_cores(node))]
    roomy.sort(key=lambda pair: -pair[1])
    columns = (
        Column("name", "NODE", 24),
        Column("state", "STATE", 9),
        Column("cores_free", "FREE", right=True),
        Column("cores", "CORES", right=True),
        Column("gpus_free", "GPUS FREE", right=True),
        Column("load", "LOAD", right=True, show=lambda load: f"{load:.2f}"),
        Column("memory_bytes", "MEMORY", right=True, show=_size),
        Column("properties", "PROPERTIES", 60, show=" ".join),
    )
    rows = [
        (
            node.name,
            node.state.value,
            free,
            node.cores,
            None if node.gpus is None else node.gpus - (node.gpus_used or 0),
            node.load,
            node.memory_bytes,
            list(node.properties),
        )
        for node, free in roomy
    ]
    whole = sum(1 for node, _ in roomy if node.state is NodeState.FREE)
    total = sum(free for _, free in roomy)
    return Table("freenodes", columns, rows, f"{total} free cores on {len(rows)} nodes, {whole} of them all free")


def _free_cores(node: Node) -> int:
    if node.state not in (NodeState.FREE, NodeState.PARTIAL) or node.cores is None or node.cores_used is None:
        return 0
    return max(0, node.cores - node.cores_used)


def _cores(nodes: Sequence[Node]) -> int:
    return sum(node.cores or 0 for node in nodes)


_TABLES: Dict[str, Callable[[Report], Table]] = {
    "user": _user,
    "group": _group,
    "running": _running,
    "queued": _queued,
    "nodes": _nodes,
    "freenodes": _freenodes,
}


# How it looks


def safe_text(text: str) -> str:
    """A stranger's text that can do nothing to a terminal: one line, no controls, no direction changes."""
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in _UNSAFE else c for c in text)


def _cell(column: Column, value: Cell) -> str:
    if value is None or value == "":
        return NOT_TOLD
    return safe_text(column.show(value) if column.show else str(value))


def _columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    wide = sum(1 for c in text if unicodedata.east_asian_width(c) in "WF")
    return len(text) + wide - sum(1 for c in text if unicodedata.combining(c))


def _fitted(text: str, width: int, right: bool) -> str:
    if _columns(text) > width:
        while text and _columns(text) > width - 1:
            text = text[:-1]
        text += "…"
    padding = " " * (width - _columns(text))
    return padding + text if right else text + padding


def _line(columns: Sequence[Column], cells: Sequence[str], widths: Sequence[int]) -> str:
    fitted = (_fitted(cell, width, column.right) for column, cell, width in zip(columns, cells, widths))
    return "  ".join(fitted).rstrip()


def _moment(seconds: int) -> str:
    """A time in this host's zone, as the terminal's user expects."""
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).astimezone().strftime("%Y-%m-%d %H:%M")
    except (OverflowError, OSError, ValueError):
        return str(seconds)


def _duration(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}"


def _size(count: int) -> str:
    return f"{count / 2**30:.1f}G"


def _hosts(hosts: Dict[str, int]) -> str:
    return " ".join(f"{name}:{cores}" for name, cores in hosts.items())
