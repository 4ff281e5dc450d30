"""What somebody wants to run: read from words, and said in words. Pure.

How it lies on nodes is fit.py's, what a scheduler is told of it submit.py's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from webstat.format import DAY, HOUR, MINUTE, duration, memory, plural, shorten

MOST = 10_000_000
"""Of what is counted; more is a slip of the finger."""

WALLTIME_HINT = "hours:minutes, e.g. 12:00; or 12h, 2d, HH:MM:SS"
MEMORY_HINT = "over all nodes, e.g. 96 GB"
COUNT_HINT = "a whole number, e.g. 24"


@dataclass(frozen=True)
class Request:
    """A job as it would be asked for; None where it is not."""

    cores: int | None = None
    """In all."""
    nodes: int | None = None
    """Different ones; without it the scheduler may place it as there is room."""
    cores_per_node: int | None = None
    gpus: int | None = None
    """In all."""
    memory_bytes: int | None = None
    """Over all nodes."""
    walltime_seconds: int | None = None
    user: str | None = None
    group: str | None = None

    @property
    def total_cores(self) -> int:
        """All cores it would get; one where nothing is said, and one a GPU."""
        if self.nodes and self.cores_per_node:
            return self.nodes * self.cores_per_node
        if self.nodes:
            return math.ceil((self.cores or self.nodes) / self.nodes) * self.nodes
        if self.cores_per_node:
            return math.ceil((self.cores or 1) / self.cores_per_node) * self.cores_per_node
        return self.cores or self.gpus or 1

    @property
    def words(self) -> str:
        """`48 cores on 2 nodes, 1 GPU, 96 GB, 12 h`."""
        said = plural(self.total_cores, "core")
        if self.nodes:
            said += f" on {plural(self.nodes, 'node')}"
        elif self.cores_per_node:
            said += f", {self.cores_per_node} a node"
        parts = [
            said,
            plural(self.gpus, "GPU") if self.gpus else "",
            memory(self.memory_bytes) if self.memory_bytes else "",
        ]
        parts.append("no walltime" if self.walltime_seconds is None else duration(self.walltime_seconds))
        return ", ".join(part for part in parts if part)

    def asked(self) -> dict[str, str]:
        """The words of an address that ask for it."""
        counts = {name: getattr(self, name) for name in COUNTS}
        told = {name: str(value) for name, value in counts.items() if value is not None}
        if self.memory_bytes is not None:
            told["memory"] = memory_word(self.memory_bytes)
        if self.walltime_seconds is not None:
            told["walltime"] = walltime_word(self.walltime_seconds)
        return told | {name: value for name in PEOPLE if (value := getattr(self, name))}


USUAL = Request(cores=1, walltime_seconds=HOUR)
"""What is asked where nobody has asked for anything."""

COUNTS = ("cores", "nodes", "cores_per_node", "gpus")
PEOPLE = ("user", "group")
WORDS = (*COUNTS, "memory", "walltime", *PEOPLE)
"""The words by which it is asked, in addresses and everywhere."""


_COUNTED = r"[0-9]{1,3}(?:,?[0-9]{3})*"
FIELDS = (
    ("cores", "Cores", "", COUNT_HINT, _COUNTED),
    ("nodes", "Nodes", "", COUNT_HINT, f"{_COUNTED}|any"),
    ("cores_per_node", "Cores per node", "", COUNT_HINT, f"{_COUNTED}|any"),
    ("gpus", "GPUs", "", COUNT_HINT, _COUNTED),
    ("memory", "Memory", "GB", MEMORY_HINT, r"[0-9]+(?:\.[0-9]+)?\s*(?:[kmgtp]i?b?|b)?"),
    (
        "walltime", "Walltime", "h:min", WALLTIME_HINT,
        r"(?:[0-9]{1,4}-)?[0-9]{1,5}:[0-5][0-9](?::[0-5][0-9])?|(?:[0-9]+(?:\.[0-9]+)?\s*(?:d|h|m|min)\s*)+",
    ),
    ("group", "Group", "", "", r".*"),
)  # fmt: skip
"""What a form asks: the word, its label and unit, what is expected there, and how that looks to a browser."""


def read_request(words: Mapping[str, str]) -> tuple[Request, dict[str, str]]:
    """What is asked, and for each word that cannot be read what is expected there; such words are left out."""
    problems: dict[str, str] = {}
    found: dict[str, int | str | None] = {}
    for name in COUNTS:
        found[name] = _read(words, name, _count, COUNT_HINT, problems)
    found["memory_bytes"] = _read(words, "memory", parse_memory, MEMORY_HINT, problems)
    found["walltime_seconds"] = _read(words, "walltime", parse_walltime, WALLTIME_HINT, problems)
    for name in PEOPLE:
        found[name] = shorten(words.get(name, "").strip(), 100) or None
    request = Request(**found)  # type: ignore[arg-type]
    if request.nodes and request.cores_per_node and (request.cores or 0) > request.total_cores:
        problems["cores"] = (
            f"{plural(request.nodes, 'node')} of {plural(request.cores_per_node, 'core')} are {request.total_cores:,}"
        )
        request = replace(request, cores=None)
    return request, problems


def _read(words: Mapping[str, str], name: str, parse: object, hint: str, problems: dict[str, str]) -> int | None:
    text = words.get(name, "").strip()
    if not text or (text.lower() == "any" and name in ("nodes", "cores_per_node")):
        return None
    value: int | None = parse(text)  # type: ignore[operator]
    if value is None:
        problems[name] = hint
    return value or None


def _count(text: str) -> int | None:
    bare = text.replace(",", "")
    return int(bare) if re.fullmatch(r"[0-9]{1,8}", bare, re.ASCII) and int(bare) <= MOST else None


_CLOCK = re.compile(r"(?:(\d{1,4})-)?(\d{1,5}):([0-5]\d)(?::([0-5]\d))?", re.ASCII)
_UNITS = re.compile(r"(?:(\d{1,4}(?:\.\d+)?)d)?(?:(\d{1,5}(?:\.\d+)?)h)?(?:(\d{1,6})m(?:in)?)?", re.ASCII)


def parse_walltime(text: str) -> int | None:
    """Seconds of `12:00` (hours and minutes), `HH:MM:SS`, `1-12:00:00`, `12h`, `2d`, `1d12h`, `90min`; else None."""
    bare = text.strip().lower().replace(" ", "")
    if found := _CLOCK.fullmatch(bare):
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return days * DAY + hours * HOUR + minutes * MINUTE + seconds or None
    if bare and (found := _UNITS.fullmatch(bare)):
        days, hours, minutes = (float(part or 0) for part in found.groups())
        return round(days * DAY + hours * HOUR + minutes * MINUTE) or None
    return None


def walltime_word(seconds: int) -> str:
    """As one types it: `12:00`, or `0:00:30` where it is not whole minutes."""
    hours, rest = divmod(seconds, HOUR)
    minutes, rest = divmod(rest, MINUTE)
    return f"{hours}:{minutes:02d}" + (f":{rest:02d}" if rest else "")


_SIZE = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*([kmgtp]?)i?b?", re.ASCII)
_POWERS = {"k": 1, "m": 2, "": 3, "g": 3, "t": 4, "p": 5}


def parse_memory(text: str) -> int | None:
    """Bytes of `96`, `96 GB`, `1.5tb`, `512M`; without a unit they are GB. Else None."""
    found = _SIZE.fullmatch(text.strip().lower())
    return round(float(found[1]) * 1024 ** _POWERS[found[2]]) or None if found else None


def memory_word(size: int) -> str:
    """As one types it, in the largest unit that tells it exactly: `96gb`, `1536mb`."""
    for unit, power in (("gb", 3), ("mb", 2)):
        if size % 1024**power == 0:
            return f"{size // 1024**power}{unit}"
    return f"{math.ceil(size / 1024)}kb"
