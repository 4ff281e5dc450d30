"""Conversions that several parsers share: texts as schedulers print them to numbers, times and printable text.

Every function takes text and returns None where it cannot be read: what that means for the record is the parser's
business. What the attributes mean is left to the modules of each scheduler.
"""

from __future__ import annotations

import re
from datetime import datetime, tzinfo
from typing import Callable, Dict, List, Optional

MAX_TEXT = 65536
"""Longer texts are cut: nothing that a scheduler keeps of a job for people is that long."""

_INTEGER = re.compile(r"[-+]?[0-9]{1,18}\Z")
_BYTES = re.compile(r"([0-9]{1,15}(?:\.[0-9]{0,15})?)([kmgtpe]?)([bw]?)\Z", re.IGNORECASE)
_EXPONENT = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40, "p": 50, "e": 60}
_MOST = 2**60  # an exbibyte: more is a typing error, and sums must stay within 64 bits
_WORD = 8  # bytes of a machine word, PBS's unit `w`
_SECONDS = re.compile(r"(?:(?:([0-9]{1,6}):)?([0-9]{1,9}):)?([0-9]{1,9}):([0-9]{1,2})(?:\.[0-9]*)?\Z")
_CTIME = re.compile(
    r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) +([0-9]{1,2}) ([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9]|60) ([0-9]{4})\Z"
)
_EPOCH = re.compile(r"[0-9]{1,11}\Z")
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"


def parse_integer(text: Optional[str]) -> Optional[int]:
    """`-1`, `1024` -> int; None for None and for anything else."""
    text = text.strip() if text else ""
    return int(text) if _INTEGER.match(text) else None


def parse_bytes(text: Optional[str]) -> Optional[int]:
    """`400gb`, `1368kb`, `0b`, `2147483648`, `1500mw` -> bytes; None for None and for anything else.

    Units are powers of 1024; a `w` is a word of 8 bytes. A fraction (`1.5gb`) is rounded down.
    """
    text = text.strip() if text else ""
    match = _BYTES.match(text)
    if not match:
        return None
    scale = (1 << _EXPONENT[match[2].lower()]) * (_WORD if match[3] in ("w", "W") else 1)
    size = int(float(match[1]) * scale) if "." in match[1] else int(match[1]) * scale
    return size if size <= _MOST else None


def parse_seconds(text: Optional[str]) -> Optional[int]:
    """`240:00:00`, `12:30`, `1:02:00:00` (days first), `90` -> seconds; None for None and for anything else."""
    text = text.strip() if text else ""
    if text.isdigit() and text.isascii():
        return int(text) if len(text) <= 12 else None
    match = _SECONDS.match(text)
    if not match:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def parse_ctime(text: Optional[str], zone: tzinfo) -> Optional[int]:
    """`Mon Nov 23 21:18:03 2026`, local time in `zone`, -> unix seconds UTC; None for None and for anything else.

    Of an hour that the clocks show twice in autumn, the first is meant: the text does not say. Nothing is before 1970.
    """
    match = _CTIME.match(text.strip()) if text else None
    if not match:
        return None
    month, day, hour, minute, second, year = match.groups()
    try:
        number = _MONTHS.index(month) // 4 + 1
        whole = datetime(int(year), number, int(day), int(hour), int(minute), tzinfo=zone)
        seconds = int(whole.timestamp()) + int(second)
    except (ValueError, OverflowError, OSError):
        return None
    return seconds if seconds >= 0 else None


class Remembered(Dict[str, Optional[int]]):
    """A conversion that remembers its results: a listing repeats the same few texts thousands of times.

    `remembered[text]` gives the number, or None for a text that cannot be read; those stand in `unreadable`, each once.
    """

    def __init__(self, convert: Callable[[str], Optional[int]]) -> None:
        super().__init__()
        self._convert = convert
        self.unreadable: List[str] = []

    def __missing__(self, text: str) -> Optional[int]:
        value = self[text] = self._convert(text)
        if value is None:
            self.unreadable.append(text)
        return value


def remembered_times(zone: tzinfo) -> Remembered:
    """`parse_ctime` remembered, reading unix seconds too (11 digits at most). Asks the zone once for each ten minutes of the calendar."""
    blocks = Remembered(lambda text: parse_ctime(text, zone))

    def convert(text: str) -> Optional[int]:
        text = text.strip()
        if _CTIME.match(text):
            # No zone's offset changes inside ten minutes.
            start = blocks[text[:-9] + "0:00" + text[-5:]]
            return None if start is None else start + int(text[-9]) * 60 + int(text[-7:-5])
        return int(text) if _EPOCH.match(text) else None

    return Remembered(convert)


_LIMITS = ("max_", "queued_jobs_threshold", "resources_available.", "resources_max.", "resources_min.")


_ACCESS = frozenset({"acl_user_enable", "acl_group_enable", "acl_host_enable", "from_route_only"})


def is_limit(attribute: str) -> bool:
    """Whether an attribute of a queue limits which or how many jobs run, or wait, in it."""
    return attribute.startswith(_LIMITS)


def restricts(attribute: str, value: str) -> bool:
    """Whether it limits a queue, or says that the queue takes only some jobs; lists of whose these are name people, and do not."""
    return is_limit(attribute) or (attribute in _ACCESS and value == "True")


def printable(text: str) -> str:
    """`text` without what could act where it is shown: control characters, terminal escapes, text direction marks.

    Line breaks and tabs become a space, the rest a replacement character. Over 65,536 characters it is cut.
    """
    if len(text) > MAX_TEXT:
        text = text[: MAX_TEXT - 1] + "…"
    if text.isprintable():
        return text
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character.isprintable() or character in "\u200c\u200d":  # the joiners that Persian, Hindi and emoji need
        return character
    return " " if character.isspace() else "\ufffd"
