"""Text in, records out: one module per command and format. No commands, no files, no clock.

Every parser takes the bytes a command printed and returns one of the records below. A record that
cannot be read becomes a warning; an output that is not that command's at all raises ParseError.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import List

from agent.report import Array, Job, Node, Queue, Reservation, Warning


@dataclass
class ParsedJobs:
    """What a job listing said."""

    jobs: List[Job] = field(default_factory=list)
    arrays: List[Array] = field(default_factory=list)
    warnings: List[Warning] = field(default_factory=list)
    complete: bool = True
    """False where a job was left out: its record could not be read, or the output was cut."""


@dataclass
class ParsedNodes:
    """What a node listing said."""

    nodes: List[Node] = field(default_factory=list)
    warnings: List[Warning] = field(default_factory=list)
    complete: bool = True
    """False where a node was left out: its record could not be read, or the output was cut."""


@dataclass
class ParsedQueues:
    """What a queue listing said."""

    queues: List[Queue] = field(default_factory=list)
    warnings: List[Warning] = field(default_factory=list)
    complete: bool = True
    """False where a queue was left out: its record could not be read, or the output was cut."""


@dataclass
class ParsedReservations:
    """What a listing of reservations said."""

    reservations: List[Reservation] = field(default_factory=list)
    warnings: List[Warning] = field(default_factory=list)
    complete: bool = True
    """False where one was left out: its record could not be read, or the output was cut."""


@dataclass
class ParsedServer:
    """What the server said of itself; empty strings where it did not."""

    name: str = ""
    version: str = ""
    warnings: List[Warning] = field(default_factory=list)
