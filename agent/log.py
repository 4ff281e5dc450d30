"""Logs to standard error, one line an event, as key=value pairs that a program can split again.

time=2026-11-23T10:00:00Z level=info event="report made" jobs=120 seconds=0.31
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from typing import Any, Dict

_PLAIN = re.compile(r"[A-Za-z0-9_./:@+,*%-]+")
_CONTROL = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class KeyValueFormatter(logging.Formatter):
    """Formats `logger.info("event", extra=fields(key=value))`, and the messages of libraries."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
        pairs: Dict[str, Any] = {"time": moment, "level": record.levelname.lower(), "event": record.getMessage()}
        pairs.update(getattr(record, "fields", {}))
        if record.exc_info:
            pairs["traceback"] = self.formatException(record.exc_info)
        return " ".join(f"{key}={quoted(value)}" for key, value in pairs.items())


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


def start_logging(level: str) -> None:
    """Send all log records to standard error in this form; `level` is debug, info, warning or error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(KeyValueFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
