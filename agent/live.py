"""The live source: this host's scheduler commands, and which scheduler they belong to.

What a report asks and what a failure means is left to probe.py, the commands themselves to dialects.py.
"""

from __future__ import annotations

import socket
from datetime import tzinfo
from pathlib import Path
from typing import Dict, Optional, Tuple

from agent import commands, dialects
from agent.commands import Limits, Output
from agent.dialects import Alternative
from agent.errors import CommandError, CommandMissing
from agent.probe import short


class LiveSource:
    """Asks this host's scheduler commands; remembers what it has found out about them."""

    def __init__(
        self, limits: Limits, zone: tzinfo, scheduler: Optional[str] = None, format_: Optional[str] = None
    ) -> None:
        self.limits = limits
        self.zone = zone
        self.format = format_
        self.version = ""
        self.server = ""
        self.place = socket.gethostname()
        self._kind = scheduler
        self._accepted: Dict[str, Alternative] = {}

    @property
    def kind(self) -> str:
        """The scheduler's kind; asked for at first use."""
        if self._kind is None:
            self._kind = detect(self.limits)
        return self._kind

    def learn(self, version: str, server: str) -> None:
        """Keep the server's own name and version: a cluster must not change its name when a query fails."""
        self.version, self.server = version, server

    def next_report(self) -> None:
        """Nothing to do: each command is run anew."""

    def fetch(self, query: str) -> Tuple[Alternative, Output, tzinfo]:
        """Run the best command that the client accepts for `query`; see probe.Source."""
        ways = dialects.alternatives(self.kind, query, self.format)
        known = self._accepted.get(query)
        refused: Optional[Tuple[Alternative, Output, tzinfo]] = None
        missing: Optional[CommandMissing] = None
        # What was accepted before comes first; if it no longer is, all are tried, best first.
        for way in [known, *ways] if known else ways:
            try:
                output = commands.run(way.argv, self.limits)
            except CommandMissing as error:
                missing = missing or error
                continue
            if dialects.is_refusal(output.exit_code, output.stdout, output.stderr):
                refused = refused or (way, output, self.zone)
                continue
            self._accepted[query] = way
            return way, output, self.zone
        self._accepted.pop(query, None)
        if refused is not None:
            return refused
        assert missing is not None
        raise missing

    def run(self, way: Alternative) -> Output:
        """Run exactly this command."""
        return commands.run(way.argv, self.limits)


def detect(limits: Limits) -> str:
    """Which scheduler's commands are installed; raises CommandMissing or CommandError."""
    try:
        output = commands.run(dialects.VERSION_COMMAND, limits)
    except CommandMissing as error:
        if commands.find("squeue", limits.path):
            return "slurm"  # without the wrappers: squeue and sinfo can be read too
        raise error
    kind = dialects.kind_from_version(f"{output.stdout[:4096].decode('utf-8', 'replace')}\n{output.stderr}")
    if kind is None:
        file = commands.find("qstat", limits.path)
        if file is not None:
            with Path(file).open("rb") as script:
                kind = dialects.kind_from_script(script.read(4096))
    if kind is None:
        raise CommandError(
            f"`{output.command}` tells of none of {', '.join(dialects.DIALECTS)}; say which it is with --scheduler. "
            f"It printed: {short(output.stderr or output.stdout.decode('utf-8', 'replace')) or 'nothing'}",
            output.command,
            output.exit_code,
            output.stderr,
        )
    return kind
