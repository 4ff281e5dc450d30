"""The recorded outputs in tests/samples/, as objects: which folders there are, and what each command printed.

A sample is a folder with manifest.json (what was run, and how it ended) and facts.json (what was true, known without
parsing the text). Tests are generated from them; what the bytes mean is the parsers' business.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

SAMPLES = Path(__file__).resolve().parent.parent / "samples"


@dataclass(frozen=True)
class Output:
    """What one command printed once."""

    path: Path
    command: str
    exit_code: Optional[int]
    stderr: str
    taken_at: Optional[float]
    client: str
    """Name of the client program's build; empty where only one was used."""
    poll: Optional[int]
    """Number in a series; None elsewhere."""
    timezone: str
    """Zone of the text times."""
    more: Dict[str, Any]
    """The manifest's whole entry, for keys that few scenarios have (`state`, `run_as`)."""

    def read(self) -> bytes:
        """The bytes that the command printed, un-gzipped where they are kept so."""
        raw = self.path.read_bytes()
        return gzip.decompress(raw) if self.path.suffix == ".gz" else raw

    @property
    def newer_client(self) -> bool:
        """Whether the client of OpenPBS's development tree printed it."""
        return "master" in self.client

    def __str__(self) -> str:
        """Name for a test case: the command, then poll and client where they tell outputs apart."""
        parts = [self.command.replace(" ", "_")]
        if self.poll is not None:
            parts.append(f"poll{self.poll:02d}")
        if self.newer_client:
            parts.append("newer")
        return "-".join(parts)


@dataclass(frozen=True)
class Sample:
    """One scenario of one scheduler."""

    folder: Path
    manifest: Dict[str, Any]
    outputs: Tuple[Output, ...]

    @property
    def name(self) -> str:
        """`openpbs-23.06.06/mixed`, `slurm-22.05.8/series/poll-03`."""
        return self.folder.relative_to(SAMPLES).as_posix()

    @property
    def scenario(self) -> str:
        """The name without the scheduler: `mixed`, `series/poll-03`."""
        return self.name.split("/", 1)[1]

    @property
    def timezone(self) -> str:
        """Zone of the text times, where an output does not say otherwise."""
        return str(self.manifest["timezone"])

    @property
    def facts(self) -> Any:
        """facts.json, read anew at each use (callers keep it)."""
        return json.loads((self.folder / "facts.json").read_text(encoding="utf-8"))

    def find(self, *commands: str, poll: Optional[int] = None, newer: Optional[bool] = None) -> List[Output]:
        """All outputs of these exact command lines, in the manifest's order; by poll and client if given."""
        return [
            output
            for output in self.outputs
            if output.command in commands
            and (poll is None or output.poll == poll)
            and (newer is None or output.newer_client == newer)
        ]

    def output(self, command: str, poll: Optional[int] = None, newer: bool = False) -> Output:
        """The one output of this command line; LookupError if it is not there exactly once."""
        found = self.find(command, poll=poll, newer=newer)
        if len(found) != 1:
            raise LookupError(f"{self.name} has {len(found)} outputs of {command!r} (poll {poll}, newer {newer})")
        return found[0]

    def __str__(self) -> str:
        return self.name


def load_sample(name: str) -> Sample:
    """One sample by its path under tests/samples, e.g. `openpbs-23.06.06/mixed`."""
    return _load(SAMPLES / name)


def load_samples(prefix: str = "") -> List[Sample]:
    """All samples whose name starts with `prefix` (`openpbs`, `torque-6`, `slurm-22.05.8/series`), by name."""
    folders = sorted(path.parent for path in SAMPLES.rglob("manifest.json"))
    return [_load(folder) for folder in folders if folder.relative_to(SAMPLES).as_posix().startswith(prefix)]


def _load(folder: Path) -> Sample:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    outputs = tuple(
        Output(
            path=folder / entry["file"],
            command=entry["command"],
            exit_code=entry["exit_code"],
            stderr=entry["stderr"],
            taken_at=entry.get("taken_at"),
            client=entry.get("client", ""),
            poll=entry.get("poll"),
            timezone=entry.get("timezone", manifest["timezone"]),
            more=entry,
        )
        for entry in manifest["outputs"]
    )
    return Sample(folder, manifest, outputs)
