"""The small forms in which the PBS family prints: times, durations, wrapped attributes, what a command answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import lru_cache

OPENPBS_WIDTH = 78
TORQUE_WIDTH = 77


@dataclass(frozen=True, slots=True)
class Answer:
    """What one command prints, and its exit code."""

    stdout: bytes = b""
    stderr: bytes = b""
    exit_code: int = 0


@lru_cache(maxsize=8192)
def ctime_text(at: int, zone: tzinfo | None, day: str = "2d") -> str:
    """`Mon Nov 23 21:20:26 2026` in the client's zone (None: this machine's), which is not said.

    `day` formats the day of the month: ctime puts a space before a single digit, other clients a zero.
    """
    moment = datetime.fromtimestamp(at, zone)
    return f"{_DAYS[moment.weekday()]} {_MONTHS[moment.month]} {moment.day:{day}} {moment:%H:%M:%S %Y}"


@lru_cache(maxsize=8192)
def minute_text(at: int, zone: tzinfo | None) -> str:
    """`Mon Nov 23 at 21:20`, as the schedulers write it into comments."""
    moment = datetime.fromtimestamp(at, zone)
    return f"{_DAYS[moment.weekday()]} {_MONTHS[moment.month]} {moment.day:02d} at {moment:%H:%M}"


# strftime's %a and %b would follow the locale.
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def duration_text(seconds: int) -> str:
    """`100:00:00`: hours do not become days."""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}"


def attribute_lines(attributes: Iterable[tuple[str, str]], width: int | None) -> str:
    """`    name = value` lines; broken where `width` says, as the clients do, or not at all."""
    if width is None:
        return "".join(f"    {name} = {value}\n" for name, value in attributes)
    return "".join(
        f"    {name} = {value}\n" if len(name) + len(value) + 7 < width else _wrapped(name, value, width)
        for name, value in attributes
    )


def _wrapped(name: str, value: str, width: int) -> str:
    """Break after a comma if what follows it does not fit, and inside a word that fits on no line.

    The clients count a continuation's TAB as 9 columns after a comma, as 8 inside a word, and commas not
    at all; so do we. ASCII only: they count bytes.
    """
    out = [f"    {name} = "]
    column = len(name) + 7
    for number, piece in enumerate(value.split(",")):
        if number:
            out.append(",")
        if column + len(piece) < width:
            out.append(piece)
            column += len(piece)
            continue
        if number:
            out.append("\n\t")
            column = 9
        for letter in piece:
            out.append(letter)
            column += 1
            if column > width:
                out.append("\n\t")
                column = 8
    out.append("\n")
    return "".join(out)


def table(rows: Iterable[Iterable[object]], formats: str) -> str:
    """Rows of a brief listing, each printed with one `str.format` string."""
    return "".join(formats.format(*row).rstrip() + "\n" for row in rows)
