"""The table: for each kind of scheduler and each query, the commands that answer it, best first.

Best is the cheapest form that users cannot forge or break: text for OpenPBS, XML for TORQUE. Which
alternative is taken, and what a failed command means for the report, is decided by the probe. Here is
also what the clients' own words tell: which scheduler they belong to, and that they refuse an option.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, Callable, Dict, FrozenSet, List, Optional, Tuple

from agent.errors import SettingsError
from agent.parsers import (
    maui_text,
    openpbs_json,
    openpbs_reservations,
    openpbs_text,
    slurm_config,
    slurm_json,
    slurm_text,
    torque_text,
    torque_xml,
)

JOBS, NODES, QUEUES, SERVER = "jobs", "nodes", "queues", "server"
RESERVATIONS = "reservations"
PRIORITIES, REASONS = "priorities", "reasons"
QUERIES = (JOBS, NODES, QUEUES, SERVER)
"""What every report is made of, in the order in which it is asked."""
EXTRAS = (RESERVATIONS, PRIORITIES, REASONS)
"""What a dialect may have beside them, and a host may lack: reservations, and what Maui and Moab can add."""

Parse = Callable[[bytes, tzinfo], Any]


@dataclass(frozen=True)
class Alternative:
    """One way to ask one query."""

    argv: Tuple[str, ...]
    format: str
    """`text`, `json` or `xml`."""
    parse: Parse
    idle_exits: FrozenSet[int] = frozenset()
    """Exit codes that, with nothing printed at all, mean that there is nothing to list."""
    subjobs: bool = True
    """The listing has the subjobs of arrays, not only their parents."""


def _zoneless(parse: Callable[[bytes], Any]) -> Parse:
    return lambda raw, zone: parse(raw)


def _ways(
    format_: str, parse: Parse, *commands: str, idle_exits: FrozenSet[int] = frozenset(), subjobs: bool = True
) -> List[Alternative]:
    return [Alternative(tuple(command.split()), format_, parse, idle_exits, subjobs) for command in commands]


_OPENPBS: Dict[str, List[Alternative]] = {
    JOBS: [
        *_ways("text", openpbs_text.parse_jobs, "qstat -t -f -w", "qstat -t -f"),
        *_ways("text", openpbs_text.parse_jobs, "qstat -f -w", "qstat -f", subjobs=False),
        *_ways("json", openpbs_json.parse_jobs, "qstat -t -f -F json"),
        *_ways("json", openpbs_json.parse_jobs, "qstat -f -F json", subjobs=False),
    ],
    NODES: [
        *_ways("text", openpbs_text.parse_nodes, "pbsnodes -av"),
        *_ways("json", openpbs_json.parse_nodes, "pbsnodes -av -F json"),
        # Without -v the vnodes of a host are merged into one.
        *_ways("text", openpbs_text.parse_nodes, "pbsnodes -a"),
        *_ways("json", openpbs_json.parse_nodes, "pbsnodes -a -F json"),
    ],
    QUEUES: [
        *_ways("text", _zoneless(openpbs_text.parse_queues), "qstat -Q -f"),
        *_ways("json", _zoneless(openpbs_json.parse_queues), "qstat -Q -f -F json"),
    ],
    SERVER: [
        *_ways("text", _zoneless(openpbs_text.parse_server), "qstat -B -f"),
        *_ways("json", _zoneless(openpbs_json.parse_server), "qstat -B -f -F json"),
    ],
    RESERVATIONS: _ways("text", openpbs_reservations.parse_reservations, "pbs_rstat -f"),
}

_TORQUE: Dict[str, List[Alternative]] = {
    JOBS: [
        *_ways("xml", torque_xml.parse_jobs, "qstat -t -x"),
        # Text can be forged, but a listing without the tasks of arrays counts too few cores.
        *_ways("text", torque_text.parse_jobs, "qstat -t -f -1", "qstat -t -f"),
        *_ways("xml", torque_xml.parse_jobs, "qstat -x", subjobs=False),
        *_ways("text", torque_text.parse_jobs, "qstat -f -1", "qstat -f", subjobs=False),
    ],
    NODES: [
        *_ways("xml", torque_xml.parse_nodes, "pbsnodes -x"),
        *_ways("text", torque_text.parse_nodes, "pbsnodes -a"),
    ],
    QUEUES: _ways("text", _zoneless(torque_text.parse_queues), "qstat -Q -f"),
    SERVER: _ways("text", _zoneless(torque_text.parse_server), "qstat -B -f"),
}

# Without a single job the wrapper prints nothing and exits 153, as PBS does for an unknown job.
_SLURM_IDLE = frozenset({153})

_SLURM: Dict[str, List[Alternative]] = {
    JOBS: [
        *_ways("text", slurm_text.parse_jobs, "qstat -f", idle_exits=_SLURM_IDLE),
        *_ways("json", slurm_json.parse_jobs, "squeue --json"),
    ],
    NODES: [
        *_ways("text", slurm_text.parse_nodes, "pbsnodes -a"),
        *_ways("json", slurm_json.parse_nodes, "sinfo --json"),
    ],
    QUEUES: _ways("text", _zoneless(slurm_text.parse_queues), "qstat -Q -f"),
    # The wrapper has no -B.
    SERVER: _ways("text", _zoneless(slurm_config.parse_server), "scontrol show config"),
}

_MAUI: Dict[str, List[Alternative]] = {
    PRIORITIES: _ways("text", _zoneless(maui_text.parse_priorities), "diagnose -p", "mdiag -p"),
    REASONS: _ways("text", _zoneless(maui_text.parse_reasons), "diagnose -q", "mdiag -q"),
}

# The queries of each kind, in the order in which they are asked.
DIALECTS: Dict[str, Dict[str, List[Alternative]]] = {
    "openpbs": {**_OPENPBS, **_MAUI},
    "torque": {**_TORQUE, **_MAUI},
    "slurm": {**_SLURM, **_MAUI},
}


def alternatives(kind: str, query: str, format_: Optional[str] = None) -> List[Alternative]:
    """The ways to ask `query`, best first.

    With `format_`, jobs are asked in that format only (SettingsError where the scheduler has none), the
    rest in that format where there is one, else in any: TORQUE prints no XML of its queues.
    """
    ways = DIALECTS[kind][query]
    if format_ is None:
        return ways
    wanted = [way for way in ways if way.format == format_]
    if query != JOBS:
        return wanted + [way for way in ways if way.format != format_]
    if not wanted:
        known = ", ".join(sorted({way.format for way in ways}))
        raise SettingsError(f"{kind} lists no jobs as {format_}; --format can be: {known}")
    return wanted


VERSION_COMMAND = ("qstat", "--version")
"""Asks the client alone, not the server: cheap, and answered while the server is down."""

_VERSIONS: Tuple[Tuple[str, str], ...] = (
    (r"pbs_version\s*=", "openpbs"),  # OpenPBS, PBS Pro ("PBSPro_19.1.3")
    (r"^version:\s*\d", "torque"),  # "Version: 6.1.3.h5", "version: 2.5.13"
    (r"unknown option: version", "slurm"),  # the wrapper is a Perl script without that option
    (r"\bslurm\b", "slurm"),
)


def kind_from_version(text: str) -> Optional[str]:
    """Which scheduler's client printed this for `qstat --version` (both streams); None if none of ours."""
    for pattern, kind in _VERSIONS:
        if re.search(pattern, text, re.IGNORECASE | re.MULTILINE):
            return kind
    return None


def kind_from_script(head: bytes) -> Optional[str]:
    """Which scheduler the file `qstat` belongs to, by its first bytes: Slurm's is a Perl script that says so."""
    return "slurm" if head.startswith(b"#!") and b"Slurm" in head else None


_REFUSAL = re.compile(
    r"^usage\b|unknown option|conflicting options|(invalid|illegal|unrecogni[sz]ed) option|requires an argument",
    re.IGNORECASE | re.MULTILINE,
)


def is_refusal(exit_code: int, stdout: bytes, stderr: str) -> bool:
    """Whether the client did not accept the options: then the next alternative is tried."""
    return exit_code != 0 and not stdout.strip() and bool(_REFUSAL.search(stderr))
