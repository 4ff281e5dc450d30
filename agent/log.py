"""Logs to standard error, one line an event, as key=value pairs or JSON that a program can split again.

    time=2026-11-23T10:00:00Z level=info logger=webstat.agent event="report made" jobs=120 seconds=0.31

Of all three services. Values are escaped, so no name or message from outside can begin a line or a pair of its own.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from typing import Any, Dict, Optional, Tuple

_PLAIN = re.compile(r"[A-Za-z0-9_./:@+,*%-]+")
_CONTROL = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_DIRECTIVE = re.compile(r"%[-#0 +]*[0-9]*(?:\.[0-9]+)?[diouxXeEfFgGrsa]")
_PAIRS = re.compile(rf"(?: [a-z_]+={_DIRECTIVE.pattern}[^\s%]*)+\Z")

FORMATS = ("text", "json")


class KeyValueFormatter(logging.Formatter):
    """Formats `logger.info("event", extra=fields(key=value))`, `logger.info("event key=%s", value)`, and any message."""

    def format(self, record: logging.LogRecord) -> str:
        return " ".join(f"{key}={quoted(value)}" for key, value in self.pairs(record).items())

    def pairs(self, record: logging.LogRecord) -> Dict[str, Any]:
        """The record's time, level, logger and event, its own pairs, and the traceback of an error."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
        event, told = _split(record) or (record.getMessage(), {})
        own = {**told, **getattr(record, "fields", {})}
        head = {"time": moment, "level": record.levelname.lower(), "logger": record.name, "event": event}
        pairs: Dict[str, Any] = {**head, **own}
        if record.exc_info:
            pairs["traceback"] = self.formatException(record.exc_info)
        return pairs


class JsonFormatter(KeyValueFormatter):
    """The same pairs as one JSON object a line, in ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(self.pairs(record), default=str)


def _split(record: logging.LogRecord) -> Optional[Tuple[str, Dict[str, Any]]]:
    """The event and pairs of a message whose template ends in ` key=%s key=%d`; None of another one.

    Only the template is looked at: what is put into it can add no pair.
    """
    found = _PAIRS.search(record.msg) if isinstance(record.msg, str) and isinstance(record.args, tuple) else None
    if found is None:
        return None
    arguments = list(record.args or ())
    words = found.group().split()
    head = record.msg[: found.start()]
    before = len(arguments) - len(words)
    if before != len(_DIRECTIVE.findall(head.replace("%%", ""))):
        return None
    pairs: Dict[str, Any] = {}
    for word, value in zip(words, arguments[before:]):
        key, _, form = word.partition("=")
        plain = form in ("%s", "%d", "%r")
        pairs[key] = value if plain and isinstance(value, (str, int, float, type(None))) else form % (value,)
    return (head % tuple(arguments[:before]) if before else head.replace("%%", "%")), pairs


def fields(**pairs: Any) -> Dict[str, Dict[str, Any]]:
    """The `extra` of a log call: pairs that stand behind the event."""
    return {"fields": pairs}


def quoted(value: Any) -> str:
    """A value as one word: bare if it is plain, else in double quotes with control characters escaped."""
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    text = str(value)
    if _PLAIN.fullmatch(text):
        return text
    return _CONTROL.sub(lambda found: f"\\u{ord(found.group()):04x}", json.dumps(text, ensure_ascii=False))


def start_logging(level: str, form: str = "text") -> None:
    """Send all log records to standard error; `level` is debug, info, warning or error, `form` one of FORMATS."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else KeyValueFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
