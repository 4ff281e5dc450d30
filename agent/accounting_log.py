"""The accounting log of this cluster's server, followed: what is written anew since the last report.

OpenPBS and TORQUE write a file a day, named by the server's local day. Only new bytes are read; at first, and after a long
pause, the last two hours. What cannot be read is a warning in the report. What the lines come to is ended.py's.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, replace
from datetime import tzinfo
from pathlib import Path
from typing import BinaryIO, Dict, Iterator, List, Tuple

from agent.ended import EndedJobs
from agent.parsers.accounting import Clock, is_line
from agent.parsers.notes import Notes
from agent.report import Report

LOOK_BACK_SECONDS = 7200
"""How far back the log is read at first."""
MOST_BACK = 64_000_000
"""Bytes of each file that are looked through for that, at most."""

_CHUNK = 4_000_000  # bytes read at once; no line is so long
_STEP = 1 << 18  # bytes from one look to the next, on the way back
_LOOK = 1 << 16  # bytes in which there is a record
_MARK = 64  # bytes before a position that tell that the file is the same
_TWICE_SECONDS = 3600  # the clocks show an hour twice in autumn
_DAY = 86400
_DATED = re.compile(r"\d{8}(\.\w+)?\Z", re.ASCII).match


@dataclass(frozen=True)
class _Place:
    """Up to where a file was read; `mark` is what stands before, `seen` the size and time that it had then."""

    offset: int
    mark: bytes
    seen: Tuple[int, int]


class AccountingLog:
    """Follows the log in one folder."""

    def __init__(self, folder: Path, zone: tzinfo) -> None:
        self._folder = folder
        self._zone = zone
        self._ended = EndedJobs(zone)
        self._places: Dict[str, _Place] = {}
        self._read_at = 0.0

    def with_ends(self, report: Report) -> Report:
        """The report with the jobs that have ended by this log; never raises but for errors of the program."""
        notes = Notes(f"accounting log {self._folder}")
        jobs = report.jobs
        if report.scheduler.kind == "slurm":
            notes.add("Slurm writes no such log; leave --accounting out")
        else:
            names = self._grown(report.taken_at, notes)
            jobs = self._ended.join(report, self._new_lines(names, report.taken_at, notes), notes)
        return replace(report, jobs=jobs, warnings=[*report.warnings, *notes.warnings()])

    def _grown(self, now: float, notes: Notes) -> List[str]:
        """Names of the files that have changed, in order. Whatever the server's zone, its day is one of these."""
        days = [time.strftime("%Y%m%d", time.gmtime(now + days * _DAY)) for days in (-2, -1, 0, 1)]
        grown, there = [], False
        try:
            for name in days:
                try:
                    seen = _seen((self._folder / name).stat())
                except FileNotFoundError:
                    continue
                there = True
                if name not in self._places or self._places[name].seen != seen:
                    grown.append(name)
            if not there and not any(_DATED(path.name) for path in self._folder.iterdir()):
                notes.add("it has no file that is named by its day, such as 20261123; is it the right folder?")
        except OSError as error:
            notes.add(_unreadable(error))
        return grown

    def _new_lines(self, names: List[str], now: float, notes: Notes) -> Iterator[List[str]]:
        """The lines that have been written to these files, some thousand at once, without their ends."""
        paused, self._read_at = now - self._read_at > LOOK_BACK_SECONDS, now
        for name in names:
            if paused:
                self._places.pop(name, None)
            try:
                with (self._folder / name).open("rb") as file:
                    yield from self._lines_of(file, name, now, notes)
            except FileNotFoundError:
                continue  # it has just been renamed
            except OSError as error:
                notes.add(_unreadable(error))
        for name in sorted(self._places)[:-4]:
            del self._places[name]

    def _lines_of(self, file: BinaryIO, name: str, now: float, notes: Notes) -> Iterator[List[str]]:
        seen = _seen(os.fstat(file.fileno()))
        place = self._places.get(name)
        if place is not None and _read_at(file, place.offset - len(place.mark), len(place.mark)) == place.mark:
            offset = place.offset
        else:
            if place is not None:
                notes.add(f"{name} was cut or replaced; what it holds of the last hours is read anew")
            offset = _start(file, seen, now - LOOK_BACK_SECONDS, self._zone)
        while True:
            mark = _read_at(file, max(0, offset - _MARK), min(offset, _MARK))
            self._places[name] = _Place(offset, mark, seen)
            data = _read_at(file, offset, _CHUNK)
            cut = data.rfind(b"\n") + 1
            if not cut and len(data) == _CHUNK:
                notes.add(f"{name} has a line of more than {_CHUNK} bytes, which was skipped")
                cut = len(data)
            elif not cut:
                return  # the last line is still being written
            else:
                yield data[: cut - 1].decode("latin-1").split("\n")
            offset += cut


def _start(file: BinaryIO, seen: Tuple[int, int], since: float, zone: tzinfo) -> int:
    """Where a record begins that was written before `since`, not long before; 0 where there is none."""
    size, changed_ns = seen
    if changed_ns < since * 1e9:
        return size
    clock, offset = Clock(zone), size
    while (offset := offset - _STEP) > 0:
        place = offset
        for number, line in enumerate(_read_at(file, offset, _LOOK).decode("latin-1").split("\n")):
            if number and is_line(line):  # the first one is not whole
                at = clock.at(line)
                if at is not None and at + _TWICE_SECONDS < since:
                    return place
                break
            place += len(line) + 1
        if size - offset >= MOST_BACK:
            return offset
    return 0


def _read_at(file: BinaryIO, offset: int, count: int) -> bytes:
    file.seek(offset)
    return file.read(count)


def _seen(status: os.stat_result) -> Tuple[int, int]:
    return status.st_size, status.st_mtime_ns


def _unreadable(error: OSError) -> str:
    return (
        f"it cannot be read: {error.strerror or error}. Ends are estimated meanwhile; "
        "the account that runs the agent needs the right to read the folder and its files"
    )
