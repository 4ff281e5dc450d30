"""Folders of recorded outputs: `Replay` answers queries from one, `write_recording` makes one.

A folder holds the outputs (large ones as .gz) and manifest.json: `scheduler`, `version`, `server`,
`timezone`, and `outputs`, each with `file`, `command`, `exit_code`, `seconds`, `bytes`, `stderr`,
`taken_at`, and where it applies `timezone`, `poll`, `client`, `state`, `timed_out_after_seconds`.
A series is one folder whose outputs have `poll` numbers, or a folder of folders with numbered names.
What outputs mean is the probe's business, what names are replaced by is that of pseudonyms.py.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import shlex
import zlib
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

from agent.commands import Output, timed_out
from agent.dialects import DIALECTS, JOBS, Alternative, alternatives, is_refusal
from agent.errors import CommandMissing, OutputTooLarge, RecordingError
from agent.zones import zone_named

MANIFEST = "manifest.json"
GZIP_OVER_BYTES = 20_000
_MAX_MANIFEST = 16 * 1024 * 1024
_STAMP = re.compile(rb'"timestamp":\s*(\d{1,12})\b')
_NUMBERED = re.compile(r"\d+\Z")


@dataclass(frozen=True)
class Choice:
    """Which of a folder's outputs to use, and how; None takes the default."""

    poll: Optional[int] = None
    """Default: the first poll, then the next at each report, then the last again and again."""
    state: Optional[str] = None
    """Default: in a folder of failures, the first state in which jobs were asked for."""
    client: Optional[str] = None
    """Part of the client's name. Default: the first client that the folder names."""
    format: Optional[str] = None
    timezone: Optional[str] = None
    """Default: as recorded."""
    max_bytes: int = 512 * 1024 * 1024


@dataclass(frozen=True)
class _Entry:
    """One output of the manifest."""

    folder: Path
    argv: Tuple[str, ...]
    command: str
    file: str
    exit_code: Optional[int]
    seconds: float
    stderr: str
    taken_at: Optional[float]
    timezone: Optional[str]
    timed_out_after: Optional[float]


class Replay:
    """Answers queries from a folder of recorded outputs, poll by poll."""

    def __init__(self, folder: Path, choice: Choice = Choice()) -> None:
        self.folder = folder
        self.choice = choice
        self.version = self.server = ""
        self._entries: List[_Entry] = []
        polls = _polls(folder)
        if choice.poll is not None:
            if choice.poll not in polls:
                raise RecordingError(f"{folder} has no poll {choice.poll}; it has {_range(polls)}")
            polls = {choice.poll: polls[choice.poll]}
        self._polls = [polls[number] for number in sorted(polls)]
        self._position = -1
        self._open(0)

    @property
    def place(self) -> str:
        """The folder's name, for a cluster whose name was not recorded."""
        return self.folder.resolve().name

    def learn(self, version: str, server: str) -> None:
        """What a recorded server tells of itself wins over the manifest."""
        self.version, self.server = version or self.version, server

    @property
    def polls(self) -> int:
        """How many different reports the folder can give."""
        return len(self._polls)

    def next_report(self) -> None:
        """Go to the next poll, staying at the last; the first call goes to the first."""
        following = min(self._position + 1, len(self._polls) - 1)
        if following > 0:
            self._open(following)
        self._position = following

    def fetch(self, query: str) -> Tuple[Alternative, Output, tzinfo]:
        """The best recorded answer to `query`: how it was asked, what came, the zone of its times.

        Raises CommandMissing if none was recorded, CommandTimeout, OutputTooLarge, RecordingError.
        """
        refused: Optional[Tuple[Alternative, Output, tzinfo]] = None
        ways = alternatives(self.kind, query, self.choice.format)
        for way in ways:
            entry = next((entry for entry in self._entries if entry.argv == way.argv), None)
            if entry is None:
                continue
            output = self._output(entry)
            zone = zone_named(self.choice.timezone or entry.timezone or self.timezone)
            if not is_refusal(output.exit_code, output.stdout, output.stderr):
                return way, output, zone
            refused = refused or (way, output, zone)
        if refused is not None:
            return refused
        commands = " or ".join(f"`{shlex.join(way.argv)}`" for way in ways)
        raise CommandMissing(f"no output of {commands} was recorded", shlex.join(ways[0].argv))

    def run(self, way: Alternative) -> Output:
        """The output recorded for exactly this command; raises CommandMissing if there is none."""
        entry = next((entry for entry in self._entries if entry.argv == way.argv), None)
        if entry is None:
            raise CommandMissing(
                f"{self.folder} has no recorded output of `{shlex.join(way.argv)}`", shlex.join(way.argv)
            )
        return self._output(entry)

    def _open(self, index: int) -> None:
        folder, number = self._polls[index]
        manifest = _load_manifest(folder)
        self.kind = str(manifest.get("scheduler"))
        if self.kind not in DIALECTS:
            raise RecordingError(
                f"{folder / MANIFEST}: scheduler is {manifest.get('scheduler')!r}, expected one of {', '.join(DIALECTS)}"
            )
        self.version = str(manifest.get("version") or "")
        self.server = str(manifest.get("server") or "")
        self.timezone = str(manifest.get("timezone") or "UTC")
        outputs = [output for output in manifest["outputs"] if number is None or output.get("poll") == number]
        outputs = self._of_client(self._of_state(outputs))
        self._entries = [_entry(folder, output) for output in outputs]
        self._require_jobs()

    def _of_state(self, outputs: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
        states = list(dict.fromkeys(str(output["state"]) for output in outputs if output.get("state")))
        wanted = self.choice.state
        if wanted is not None and wanted not in states:
            raise RecordingError(f"{self.folder} has no state {wanted!r}; it has {', '.join(states) or 'none'}")
        if not states:
            return outputs
        if wanted is None:
            jobs = {way.argv for way in DIALECTS[self.kind][JOBS]}
            asked = (s for s in states if any(o.get("state") == s and _argv(o.get("command")) in jobs for o in outputs))
            wanted = next(asked, states[0])
        return [output for output in outputs if output.get("state") == wanted]

    def _of_client(self, outputs: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
        clients = list(dict.fromkeys(str(output["client"]) for output in outputs if output.get("client")))
        if self.choice.client is None:
            return [output for output in outputs if not clients or output.get("client") in (None, clients[0])]
        chosen = [output for output in outputs if self.choice.client in str(output.get("client"))]
        if not chosen:
            raise RecordingError(
                f"{self.folder} has no outputs of a client {self.choice.client!r}; it has {', '.join(clients) or 'one'}"
            )
        return chosen

    def _require_jobs(self) -> None:
        ways = alternatives(self.kind, JOBS, self.choice.format)
        recorded = {entry.argv for entry in self._entries}
        if not any(way.argv in recorded for way in ways):
            expected = ", ".join(f"`{shlex.join(way.argv)}`" for way in ways)
            raise RecordingError(f"{self.folder} has no job listing of {self.kind}: expected one of {expected}")

    def _output(self, entry: _Entry) -> Output:
        if entry.timed_out_after is not None:
            raise timed_out(shlex.join(entry.argv), entry.timed_out_after, entry.stderr)
        if entry.exit_code is None:
            raise RecordingError(f"{entry.folder / MANIFEST}: {entry.file} has neither exit_code nor a time-out")
        return Output(
            command=shlex.join(entry.argv),
            stdout=_read(entry, self.choice.max_bytes),
            stderr=entry.stderr,
            exit_code=entry.exit_code,
            seconds=entry.seconds,
            finished_at=self._taken_at(entry),
        )

    def _taken_at(self, entry: _Entry) -> float:
        """When an output was taken: as the manifest says, else when the others were, else by OpenPBS's own stamp."""
        if entry.taken_at is not None:
            return entry.taken_at
        told = [other.taken_at for other in self._entries if other.taken_at is not None]
        if not told:
            documents = [other for other in self._entries if ".json" in other.file and not other.exit_code]
            stamps = (_STAMP.search(_read(other, self.choice.max_bytes)[:1000]) for other in documents)
            told = [float(stamp.group(1)) for stamp in stamps if stamp]
        if not told:
            raise RecordingError(f"{entry.folder / MANIFEST} says of no output when it was taken: taken_at is missing")
        return max(told)


def write_recording(
    folder: Path, facts: Dict[str, Any], outputs: Iterable[Output], comments: Sequence[str] = ()
) -> List[Path]:
    """Write outputs and manifest.json into a new or empty folder; returns the files written.

    `facts` are the manifest's head (`scheduler`, `version`, `server`, `timezone`, `note`).
    """
    prepare_folder(folder)
    entries: List[Dict[str, Any]] = []
    written: List[Path] = []
    for output in outputs:
        name = _file_name(output.command, taken=[entry["file"] for entry in entries])
        data = output.stdout
        if len(data) > GZIP_OVER_BYTES:
            name += ".gz"
            data = gzip.compress(data, mtime=0)
        (folder / name).write_bytes(data)
        written.append(folder / name)
        entries.append(
            {
                "file": name,
                "command": output.command,
                "exit_code": output.exit_code,
                "seconds": output.seconds,
                "bytes": len(output.stdout),
                "stderr": output.stderr,
                "taken_at": round(output.finished_at, 3),
            }
        )
    document = {**facts, "left_out": list(comments), "outputs": entries}
    (folder / MANIFEST).write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return [*written, folder / MANIFEST]


def prepare_folder(folder: Path) -> None:
    """Make the folder for a recording; raises RecordingError if it holds anything."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        occupied = any(folder.iterdir())
    except OSError as error:
        raise RecordingError(f"{folder} cannot be used for a recording: {error.strerror or error}") from None
    if occupied:
        raise RecordingError(f"{folder} is not empty; name a new folder for the recording")


def _file_name(command: str, taken: Sequence[str]) -> str:
    argv = shlex.split(command)
    ending = "json" if "json" in command else "xml" if "-x" in argv else "txt"
    stem = "-".join(filter(None, (re.sub(r"[^A-Za-z0-9]", "", word) for word in argv)))
    used = {Path(name).name.split(".")[0] for name in taken}
    while stem in used:
        stem += "_"
    return f"{stem}.{ending}"


def _polls(folder: Path) -> Dict[int, Tuple[Path, Optional[int]]]:
    """Number of each poll -> its folder, and its number inside the folder's manifest if it has one."""
    if (folder / MANIFEST).is_file():
        numbers = {output.get("poll") for output in _load_manifest(folder)["outputs"]}
        counted = {number for number in numbers if isinstance(number, int) and not isinstance(number, bool)}
        return {number: (folder, number) for number in counted} or {1: (folder, None)}
    if not folder.is_dir():
        raise RecordingError(f"{folder} is no folder; --replay wants one with recorded outputs and {MANIFEST}")
    inside = sorted(path.parent for path in folder.glob(f"*/{MANIFEST}"))
    numbered = {int(found.group()): path for path in inside if (found := _NUMBERED.search(path.name))}
    if inside and len(numbered) == len(inside) and all(path.name.startswith("poll") for path in inside):
        return {number: (path, None) for number, path in numbered.items()}
    if inside:
        names = ", ".join(path.name for path in inside)
        raise RecordingError(f"{folder} has no {MANIFEST}, but its folders have: name one of {names}")
    raise RecordingError(f"{folder} has no {MANIFEST}, which says what command printed which file")


def _load_manifest(folder: Path) -> Dict[str, Any]:
    path = folder / MANIFEST
    try:
        if path.stat().st_size > _MAX_MANIFEST:
            raise RecordingError(f"{path} has more than {_MAX_MANIFEST} bytes")
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RecordingError(f"{path} cannot be read: {error}") from None
    outputs = manifest.get("outputs") if isinstance(manifest, dict) else None
    if not isinstance(outputs, list) or not all(isinstance(output, dict) for output in outputs):
        raise RecordingError(f"{path} has no list 'outputs' that says which file is which command's output")
    return dict(manifest)


def _entry(folder: Path, output: Dict[str, Any]) -> _Entry:
    def number(name: str) -> Optional[float]:
        value = output.get(name)
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None

    file, command = output.get("file"), output.get("command")
    taken_at, seconds, exit_code = number("taken_at"), number("seconds"), output.get("exit_code")
    if not isinstance(file, str) or not isinstance(command, str):
        raise RecordingError(f"{folder / MANIFEST}: an output lacks file or command: {str(output)[:120]}")
    limit = number("timed_out_after_seconds")
    if limit is None and exit_code == 124:
        limit = _timeout_prefix(command)
    zone = output.get("timezone")
    return _Entry(
        folder=folder,
        argv=_argv(command),
        command=command,
        file=file,
        exit_code=exit_code if isinstance(exit_code, int) else None,
        seconds=seconds or 0.0,
        stderr=str(output.get("stderr") or ""),
        taken_at=taken_at,
        timezone=str(zone) if zone else None,
        timed_out_after=limit,
    )


def _argv(command: Any) -> Tuple[str, ...]:
    """The words of a recorded command line, without a `timeout N` before it; empty if it has none."""
    try:
        words = shlex.split(str(command))
    except ValueError:
        return ()
    if len(words) > 2 and words[0] == "timeout":
        words = words[2:]
    return tuple(words)


def _timeout_prefix(command: str) -> Optional[float]:
    found = re.match(r"timeout\s+(\d+(?:\.\d+)?)\s", command)
    return float(found.group(1)) if found else None


def _read(entry: _Entry, max_bytes: int) -> bytes:
    path = entry.folder / entry.file
    if path.resolve().parent != entry.folder.resolve():
        raise RecordingError(f"{entry.folder / MANIFEST}: the file {entry.file!r} is outside of the folder")
    try:
        raw = path.read_bytes()
        if path.suffix == ".gz":
            with gzip.GzipFile(fileobj=io.BytesIO(raw)) as unpacked:
                raw = unpacked.read(max_bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise RecordingError(f"{path} cannot be read: {error}") from None
    if len(raw) > max_bytes:
        raise OutputTooLarge(f"{path} holds more than {max_bytes} bytes; raise --max-output", entry.command)
    return raw


def _range(polls: Iterable[int]) -> str:
    numbers = sorted(polls)
    return f"only {numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
