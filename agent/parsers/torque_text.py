"""TORQUE's text: `qstat -t -f -1` and its forms with and without -t and -1, `pbsnodes -a`, `qstat -Q -f`, `qstat -B -f`.

For jobs and nodes this is the fallback where XML cannot be had. A value may hold line breaks as they are (submit_args
keeps what the user typed; -1 changes nothing in that), so a user can forge whole records: their own job may end early
and a job follow that does not exist. What betrays it is told as a warning (an id or an attribute that stands twice, a
line like a header inside a value); one who takes care is not found out. For queues and server there is no other form,
and no user's text in it. What the attributes mean is left to torque_jobs and torque_nodes.
"""

from __future__ import annotations

from datetime import tzinfo

from agent.errors import ParseError
from agent.parsers import ParsedJobs, ParsedNodes, ParsedQueues, ParsedServer
from agent.parsers.blocks import Form, take_blocks
from agent.parsers.notes import Notes
from agent.parsers.torque_jobs import read_jobs
from agent.parsers.torque_nodes import read_nodes, read_queues
from agent.parsers.values import printable

_JOBS = Form("jobs of qstat -f", header="Job Id:", first="Job_Name", wraps=True)
_NODES = Form("nodes of pbsnodes -a", header="", first="state", wraps=False)
_QUEUES = Form("queues of qstat -Q -f", header="Queue:", first="queue_type", wraps=True)
_SERVER = Form("a server of qstat -B -f", header="Server:", first="server_state", wraps=True)


def parse_jobs(raw: bytes, zone: tzinfo) -> ParsedJobs:
    """The output of `qstat -f`, with or without `-t` and `-1`, as jobs, array templates and warnings.

    `raw` is the output as it came; nothing at all is an idle server. `zone` is the one the client printed its times
    in. Raises ParseError where it is no such listing, or none of its records is whole.
    """
    notes = Notes("qstat -f")
    return read_jobs(take_blocks(raw, _JOBS, notes), zone, notes)


def parse_nodes(raw: bytes, zone: tzinfo) -> ParsedNodes:
    """The output of `pbsnodes -a` as nodes and warnings; arguments and errors as in parse_jobs."""
    del zone
    notes = Notes("pbsnodes -a")
    return read_nodes(take_blocks(raw, _NODES, notes), notes)


def parse_queues(raw: bytes) -> ParsedQueues:
    """The output of `qstat -Q -f` as queues and warnings; a server without queues prints nothing."""
    notes = Notes("qstat -Q -f")
    return read_queues(take_blocks(raw, _QUEUES, notes), notes)


def parse_server(raw: bytes) -> ParsedServer:
    """The output of `qstat -B -f` as the server's name and version."""
    notes = Notes("qstat -B -f")
    for name, attributes in take_blocks(raw, _SERVER, notes):
        return ParsedServer(printable(name), printable(attributes.get("pbs_version", "")), notes.warnings())
    raise ParseError("qstat -B -f: expected a server, got nothing")
