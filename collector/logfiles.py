"""Accounting logs and traces on disk: which files there are, and their lines, from where they were left.

The only place that opens them. What the lines say is read by logs.py and swf.py.
"""

from __future__ import annotations

import hashlib
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from collector.errors import ImportRefused

CHUNK = 1 << 20
"""Bytes that are read, and looked through, at once."""
MOST_LINE = 8_000_000
"""Longer lines are skipped."""
HEAD = 1 << 16
"""How much of a file's beginning tells what it is."""
TAIL = 4096
"""How much of what stands before a position tells that it is the same file."""

_DATED = re.compile(r"(\d{8})(\.gz)?\Z").match
_TRACE = re.compile(r".*\.swf(\.gz)?\Z", re.IGNORECASE).match


@dataclass(frozen=True)
class Listing:
    """The files to be read, in order, and those of the folders that are none."""

    files: tuple[Path, ...]
    skipped: tuple[Path, ...] = ()


def find_files(paths: Sequence[Path]) -> Listing:
    """The files of `paths`, in their order; those of a folder and its folders by the date that is their name.

    Raises ImportRefused where a path does not exist.
    """
    files: list[Path] = []
    skipped: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = [Path(folder) / name for folder, _, names in os.walk(path) for name in names]
            files += sorted((one for one in found if _is_log(one)), key=lambda one: (one.name, str(one)))
            skipped += sorted(one for one in found if not _is_log(one))
        elif path.exists():
            files.append(path)
        else:
            raise ImportRefused(f"{path} does not exist; name accounting logs, .swf traces, or folders of them")
    return Listing(tuple(files), tuple(skipped))


def _is_log(path: Path) -> bool:
    return bool(_DATED(path.name) or _TRACE(path.name))


@dataclass
class Lines:
    """Some whole lines of a file, and what is known of their place."""

    lines: list[str]
    """Without their ends."""
    data: bytes
    """The same with them, after the end of what was left out before."""
    number: int
    """Of the first one; 1 is the file's first line."""
    end: int
    """Bytes of the (uncompressed) file up to the end of the last one."""
    too_long: int | None = None
    """Number of a line before them that was left out, being longer than MOST_LINE."""


@dataclass
class LogFile:
    """One file being read. Lines are one character per byte (Latin-1)."""

    path: Path
    trouble: str | None = None
    """Why it could not be read to its end."""
    waiting: int = 0
    """Bytes of an incomplete last line."""
    raw_read: int = 0
    """Bytes read from disk."""
    passed: bytes = b""
    """The last bytes before where reading began."""

    def head(self) -> bytes:
        """The file's first bytes, uncompressed."""
        head = b""
        for chunk in self._chunks():
            head += chunk
            if len(head) >= HEAD:
                break
        return head[:HEAD]

    def goes_on_at(self, position: int, tail_hash: str) -> bool:
        """Whether this is the file whose first `position` bytes were read before."""
        if not self._is_packed():
            return self._tail_at(position) == tail_hash
        if self._told_size() == position % 2**32:  # its first line is the same, too
            return True
        place, kept = 0, b""
        for chunk in self._chunks():
            kept = kept[-TAIL:] + chunk
            place += len(chunk)
            if place >= position:
                return hash_of(kept[: len(kept) - (place - position)][-TAIL:]) == tail_hash
        return False

    def is_at_end(self, position: int) -> bool:
        """Whether nothing follows `position`, as far as can be seen without reading it."""
        size = self._told_size() if self._is_packed() else self.path.stat().st_size
        return size == position % 2**32 if self._is_packed() else size == position

    def _is_packed(self) -> bool:
        with self.path.open("rb") as handle:
            return handle.read(2) == _PACKED

    def _told_size(self) -> int:
        """How large a .gz of one stream is, uncompressed, modulo 4 GiB: its last four bytes."""
        with self.path.open("rb") as handle:
            handle.seek(-4, os.SEEK_END)
            return int.from_bytes(handle.read(4), "little")

    def _tail_at(self, position: int) -> str:
        start = max(0, position - TAIL)
        with self.path.open("rb") as handle:
            handle.seek(start)
            tail = handle.read(position - start)
        return hash_of(tail) if len(tail) == position - start else ""

    def blocks(self, position: int = 0) -> Iterator[Lines]:
        """The lines from `position` on, some thousand at once; the last one only where it has its line end.

        Stops, with `trouble`, where the file is damaged.
        """
        self.trouble, self.waiting, self.passed = None, 0, b""
        place, number, rest = 0, 1, b""
        too_long: int | None = None
        dropping, dropped = False, b""
        for chunk in self._chunks():
            if place < position:
                passed = min(len(chunk), position - place)
                number += chunk.count(b"\n", 0, passed)
                place += passed
                self.passed = (self.passed + chunk[:passed])[-TAIL:]
                chunk = chunk[passed:]
            if dropping:
                cut = chunk.find(b"\n") + 1
                place += cut or len(chunk)
                dropped = (dropped + (chunk[:cut] if cut else chunk))[-TAIL:]
                number, dropping, chunk = number + (cut > 0), not cut, chunk[cut:] if cut else b""
            data = rest + chunk
            cut = data.rfind(b"\n") + 1
            if cut:
                whole, rest = data[:cut], data[cut:]
                lines = whole[:-1].decode("latin-1").split("\n")
                place += cut
                yield Lines(lines, dropped + whole, number, place, too_long)
                number, too_long, dropped = number + len(lines), None, b""
            else:
                rest = data
            if len(rest) > MOST_LINE:
                too_long, place, dropped, rest, dropping = number, place + len(rest), rest[-TAIL:], b"", True
        if too_long is not None:
            yield Lines([], dropped, number, place, too_long)
        self.waiting = len(rest)

    def _chunks(self) -> Iterator[bytes]:
        """The uncompressed bytes, none of them empty."""
        self.raw_read = 0
        try:
            with self.path.open("rb") as handle:
                packed = handle.read(2) == _PACKED
                handle.seek(0)
                yield from self._unpacked(handle) if packed else self._plain(handle)
        except OSError as error:
            self.trouble = f"it cannot be read: {error.strerror or error}"

    def _plain(self, handle: BinaryIO) -> Iterator[bytes]:
        while data := handle.read(CHUNK):
            self.raw_read += len(data)
            yield data

    def _unpacked(self, handle: BinaryIO) -> Iterator[bytes]:
        """What a .gz holds: one stream or several, each chunk no larger than CHUNK."""
        stream, raw = zlib.decompressobj(wbits=31), b""
        while True:
            raw = raw or handle.read(CHUNK // 4)
            try:
                data = stream.decompress(raw, CHUNK)
            except zlib.error as error:
                self.trouble = f"it is damaged ({error}); copy it again, then import it again"
                return
            if not (raw or data or stream.eof):
                self.trouble = "its end is missing; copy it again, then import it again"
                return
            raw = stream.unused_data if stream.eof else stream.unconsumed_tail
            self.raw_read = handle.tell() - len(raw)
            if data:
                yield data
            if stream.eof:
                raw = raw or handle.read(CHUNK // 4)
                if not raw.strip(b"\0"):  # padding of tapes
                    return
                stream = zlib.decompressobj(wbits=31)


_PACKED = b"\x1f\x8b"


def hash_of(data: bytes) -> str:
    """Half of a mark; the whole one is that of its first line and that of what stands before the position."""
    return hashlib.sha256(data).hexdigest()[:32]


def first_line(head: bytes) -> bytes:
    """What the first half of a mark is made of."""
    return head.partition(b"\n")[0]
