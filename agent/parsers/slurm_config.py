"""Slurm's own name and version, from `scontrol show config`; nothing else of it is read."""

from __future__ import annotations

import re

from agent.errors import ParseError
from agent.parsers import ParsedServer

_LINE = re.compile(rb"^(ClusterName|SLURM_VERSION)\s*=\s*(\S+)\s*$", re.MULTILINE)


def parse_server(raw: bytes) -> ParsedServer:
    """Cluster name and version; raises ParseError if neither is there."""
    found = {key: value.decode("ascii", "replace") for key, value in _LINE.findall(raw)}
    if not found:
        raise ParseError(f"scontrol show config: expected a line 'ClusterName = ...', it begins with {raw[:60]!r}")
    return ParsedServer(name=found.get(b"ClusterName", ""), version=found.get(b"SLURM_VERSION", ""))
