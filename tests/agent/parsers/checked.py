"""What holds for every parser, whatever the bytes: records and warnings that are fit to be passed on, or ParseError."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Callable, List, Optional

from agent.errors import ParseError
from agent.parsers.values import printable


def records(parsed: Any) -> List[Any]:
    """What the listing holds; the server's own words are one record."""
    for name in ("jobs", "nodes", "queues", "reservations"):
        if hasattr(parsed, name):
            return list(getattr(parsed, name))
    return [parsed]


def try_parse(parse: Callable[[bytes], Any], raw: bytes) -> Optional[Any]:
    """What it says, or None where it refuses; anything but ParseError is a failure of the test."""
    try:
        parsed = parse(raw)
    except ParseError as error:
        assert str(error)
        return None
    assert all(warning.source and warning.message for warning in parsed.warnings)
    for record in records(parsed):
        for one in fields(record):
            value = getattr(record, one.name)
            inner = (
                [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, tuple) else [value]
            )
            assert all(printable(text) == text for text in inner if isinstance(text, str))
            assert not isinstance(value, int) or -(2**63) <= value < 2**63
    return parsed
