"""How a report travels: requests, replies and errors as bytes, and back.

One frame is one message. Requests and error replies are JSON; a report is JSON with its records
as columns, compressed with zlib. Inside one protocol number reading is tolerant (unknown fields
are ignored, missing optional ones get their default) and strict at the edges: size, protocol
number and types, each with a typed error that names the field. Nothing here knows of sockets.
"""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, Callable, Dict, FrozenSet, List, NamedTuple, Optional, Tuple, Type, TypeVar, get_type_hints

from agent import __version__
from agent.errors import AgentError, ErrorReply, MalformedMessage, MessageTooLarge, ProtocolMismatch
from agent.report import PROTOCOL, Array, Job, Node, Queue, Report, Reservation, Scheduler, Warning
from agent.states import JobState, NodeState

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""Default limit of one message as it travels."""
MAX_UNPACKED_BYTES = 768 * 1024 * 1024
"""Limit of one message unpacked: a small message that unpacks to more is an attack."""
_INT_LIMIT = 2**63

Record = TypeVar("Record")


@dataclass(frozen=True)
class Request:
    """What a collector asks: `report`, or `ping`."""

    ask: str


# Requests and errors


def request_to_wire(ask: str) -> bytes:
    """One request frame."""
    return json.dumps({"protocol": PROTOCOL, "ask": ask}).encode()


def request_from_wire(data: bytes) -> Request:
    """Read a request frame; raises MessageTooLarge, MalformedMessage or ProtocolMismatch."""
    if len(data) > 4096:
        raise MessageTooLarge(f"a request has at most 4096 bytes, this one has {len(data)}")
    document = _load(data)
    _check_protocol(document, "collector", "agent")
    ask = document.get("ask")
    if not isinstance(ask, str):
        raise MalformedMessage(f"field 'ask' of the request is {_kind(ask)}, expected a string")
    return Request(ask)


def answer_to_wire(facts: Dict[str, Any]) -> bytes:
    """A reply that is no report, such as the one to `ping`: JSON-ready facts."""
    return _dump({"protocol": PROTOCOL, "kind": "answer", **facts})


def answer_from_wire(data: bytes) -> Dict[str, Any]:
    """The facts of such a reply; raises ErrorReply for an error reply, else as from_wire."""
    document = _load(data)
    _check_protocol(document, "agent", "collector")
    _raise_error_reply(document)
    if document.get("kind") != "answer":
        raise MalformedMessage(f"field 'kind' of the reply is {document.get('kind')!r}, expected 'answer'")
    return document


def error_to_wire(error: AgentError) -> bytes:
    """An error reply: stable code, words, and the facts of `error.detail()`."""
    words = {"code": error.code, "message": str(error), "detail": error.detail()}
    return _dump({"protocol": PROTOCOL, "kind": "error", "agent_version": __version__, **words})


# Reports


def to_wire(report: Report, max_bytes: int = MAX_MESSAGE_BYTES) -> bytes:
    """One reply frame; raises MessageTooLarge if it would be over `max_bytes`."""
    document: Dict[str, Any] = {
        "protocol": report.protocol,
        "kind": "report",
        "agent_version": report.agent_version,
        "cluster": report.cluster,
        "scheduler": asdict(report.scheduler),
        "taken_at": report.taken_at,
        "query_seconds": report.query_seconds,
        "partial": list(report.partial),
    }
    for name, record_type in _TABLES.items():
        document[name] = _to_columns(getattr(report, name), record_type)
    data = zlib.compress(_dump(document), 1)
    if len(data) > max_bytes:
        raise MessageTooLarge(
            f"the report has {len(data)} bytes compressed, the limit is {max_bytes}; raise --max-message on both sides"
        )
    return data


def from_wire(data: bytes, max_bytes: int = MAX_MESSAGE_BYTES) -> Report:
    """Read a reply frame into a Report.

    Raises ErrorReply where the peer answered with an error, MessageTooLarge, ProtocolMismatch or
    MalformedMessage where the frame cannot be read.
    """
    if len(data) > max_bytes:
        raise MessageTooLarge(f"the reply has {len(data)} bytes, the limit is {max_bytes}")
    document = _load(data)
    _check_protocol(document, "agent", "collector")
    _raise_error_reply(document)
    if document.get("kind") != "report":
        raise MalformedMessage(f"field 'kind' of the reply is {document.get('kind')!r}, expected 'report'")
    tables: Dict[str, Any] = {
        name: _from_columns(name, document.get(name), record_type) for name, record_type in _TABLES.items()
    }
    tables["reservations"] = tuple(tables["reservations"])
    scheduler = _field(document, "scheduler", dict)
    query_seconds = _field(document, "query_seconds", dict)
    for name, seconds in query_seconds.items():
        if not isinstance(seconds, (int, float)):
            raise MalformedMessage(f"field 'query_seconds.{name}' is {_kind(seconds)}, expected a number")
    partial = document.get("partial", [])
    if not isinstance(partial, list) or any(not isinstance(name, str) for name in partial):
        raise MalformedMessage("field 'partial' holds something else than names")
    return Report(
        cluster=_field(document, "cluster", str),
        scheduler=Scheduler(
            **{key: _field(scheduler, key, str, "scheduler.") for key in ("kind", "version", "server")}
        ),
        taken_at=float(_field(document, "taken_at", (int, float))),
        query_seconds={name: float(seconds) for name, seconds in query_seconds.items()},
        agent_version=_field(document, "agent_version", str),
        partial=tuple(partial),
        protocol=document["protocol"],
        **tables,
    )


def report_to_json(report: Report) -> Dict[str, Any]:
    """The report as people read it: one object a record, every field, JSON-ready."""
    return asdict(report)


# Records as columns


class _Column(NamedTuple):
    name: str
    types: FrozenSet[type]
    default: Any
    required: bool
    convert: Optional[Callable[[Any], Any]]


def _column(name: str, hint: Any, default: Any, factory: Any) -> _Column:
    text = str(hint)
    required = default is MISSING and factory is MISSING
    value = factory() if factory is not MISSING else (None if required else default)
    optional: FrozenSet[type] = frozenset({type(None)}) if "Optional" in text or "Union" in text else frozenset()
    if hint in (JobState, NodeState):
        return _Column(name, frozenset({str}), value, required, hint)
    if "Dict" in text:
        return _Column(name, frozenset({dict}), value, required, _counts if "int" in text else _texts)
    if "Tuple" in text:
        return _Column(name, frozenset({list}), value, required, _words)
    if "bool" in text:
        return _Column(name, optional | {bool}, value, required, None)
    if "float" in text:
        return _Column(name, optional | {float, int}, value, required, None)
    if "int" in text:
        return _Column(name, optional | {int}, value, required, None)
    return _Column(name, optional | {str}, value, required, None)


def _counts(value: Dict[str, Any]) -> Dict[str, int]:
    if any(type(count) is not int or abs(count) >= _INT_LIMIT for count in value.values()):
        raise ValueError("expected whole numbers")
    return value


def _texts(value: Dict[str, Any]) -> Dict[str, str]:
    if any(type(text) is not str for text in value.values()):
        raise ValueError("expected strings")
    return value


def _words(value: List[Any]) -> Tuple[str, ...]:
    if any(type(word) is not str for word in value):
        raise ValueError("expected strings")
    return tuple(value)


def _columns(record_type: Type[Any]) -> Tuple[_Column, ...]:
    hints = get_type_hints(record_type)
    return tuple(_column(f.name, hints[f.name], f.default, f.default_factory) for f in fields(record_type))


_TABLES: Dict[str, Type[Any]] = {
    "jobs": Job,
    "arrays": Array,
    "nodes": Node,
    "queues": Queue,
    "warnings": Warning,
    "reservations": Reservation,
}
_COLUMNS: Dict[Type[Any], Tuple[_Column, ...]] = {
    record_type: _columns(record_type) for record_type in _TABLES.values()
}


def _to_columns(records: List[Any], record_type: Type[Any]) -> Dict[str, Any]:
    """Columns of the records; those that hold only the default are left out."""
    columns: Dict[str, List[Any]] = {}
    for column in _COLUMNS[record_type]:
        values = [getattr(record, column.name) for record in records]
        if column.required or any(value != column.default for value in values):
            columns[column.name] = values
    return {"count": len(records), "columns": columns}


def _from_columns(table: str, document: Any, record_type: Type[Record]) -> List[Record]:
    if document is None:
        return []
    count = _field(document, "count", int, f"{table}.") if isinstance(document, dict) else None
    given = document.get("columns") if isinstance(document, dict) else None
    if count is None or count < 0 or not isinstance(given, dict):
        raise MalformedMessage(f"field '{table}' is {_kind(document)}, expected count and columns")
    if not count:
        return []
    table_columns = []
    for column in _COLUMNS[record_type]:
        values = given.get(column.name)
        if values is None:
            if column.required:
                raise MalformedMessage(f"field '{table}.{column.name}' is missing")
            table_columns.append([column.default] * count)
            continue
        if not isinstance(values, list) or len(values) != count:
            raise MalformedMessage(f"field '{table}.{column.name}' is {_kind(values)}, expected a list of {count}")
        table_columns.append(_checked(f"{table}.{column.name}", column, values))
    return [record_type(*row) for row in zip(*table_columns)]


def _checked(where: str, column: _Column, values: List[Any]) -> List[Any]:
    wrong = set(map(type, values)) - column.types
    if wrong:
        names = " or ".join(sorted(t.__name__ for t in column.types))
        raise MalformedMessage(f"field '{where}' holds {sorted(t.__name__ for t in wrong)[0]}, expected {names}")
    if int in column.types and any(value is not None and abs(value) >= _INT_LIMIT for value in values):
        raise MalformedMessage(f"field '{where}' holds a number that is out of range")
    if str in column.types and column.convert is None:
        once: Dict[Optional[str], Optional[str]] = {}
        return [once.setdefault(value, value) for value in values]  # many jobs have the same words
    if column.convert is None:
        return values
    if column.convert in (JobState, NodeState):
        return [_state(column.convert, value) for value in values]
    try:
        return [column.convert(value) for value in values]
    except ValueError as error:
        raise MalformedMessage(f"field '{where}': {error}") from None


def _state(vocabulary: Any, value: str) -> Any:
    """A word that a newer peer knows and we do not is `unknown`; its native text stands beside it."""
    return vocabulary._value2member_map_.get(value, vocabulary.UNKNOWN)


# JSON and its edges

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def _dump(document: Dict[str, Any]) -> bytes:
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "replace")


def _load(data: bytes) -> Dict[str, Any]:
    if not data.startswith(b"{"):
        data = _unpack(data)
    try:
        document = json.loads(data, parse_constant=_no_constant)
        if _SURROGATE.search(data):  # half a character cannot be stored: write it as a question mark
            document = json.loads(json.dumps(document, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise MalformedMessage(f"the message is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise MalformedMessage(f"the message is {_kind(document)}, expected an object")
    return document


def _unpack(data: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(data, MAX_UNPACKED_BYTES)
    except zlib.error as error:
        raise MalformedMessage(f"the message is neither JSON nor zlib: {error}") from None
    if unpacker.unconsumed_tail:
        raise MessageTooLarge(f"the message unpacks to more than {MAX_UNPACKED_BYTES} bytes")
    if not unpacker.eof:
        raise MalformedMessage("the message is cut short")
    return unpacked


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is not a number")


def _check_protocol(document: Dict[str, Any], peer: str, own: str) -> None:
    """Only the same number is spoken; the words say which side is to be upgraded."""
    number, version = document.get("protocol"), document.get("agent_version")
    if type(number) is int and number == PROTOCOL:
        return
    who = f"the {peer} (webstat {version[:40]})" if isinstance(version, str) else f"the {peer}"
    if type(number) is not int:
        raise ProtocolMismatch(
            f"{who} names no protocol number but {repr(number)[:40]}, this {own} speaks {PROTOCOL}; "
            "is it webstat's? Install the same version on both"
        )
    older = peer if number < PROTOCOL else own
    raise ProtocolMismatch(f"{who} speaks protocol {str(number)[:20]}, this {own} {PROTOCOL}: upgrade the {older}")


def _raise_error_reply(document: Dict[str, Any]) -> None:
    if document.get("kind") == "error":
        detail = document.get("detail")
        raise ErrorReply(
            str(document.get("message", "no words")),
            str(document.get("code", "unknown")),
            detail if isinstance(detail, dict) else {},
        )


def _field(document: Dict[str, Any], name: str, expected: Any, prefix: str = "") -> Any:
    value = document.get(name)
    if not isinstance(value, expected) or isinstance(value, bool):
        raise MalformedMessage(f"field '{prefix}{name}' is {_kind(value)}, expected {_names(expected)}")
    return value


def _names(expected: Any) -> str:
    kinds = expected if isinstance(expected, tuple) else (expected,)
    return " or ".join(kind.__name__ for kind in kinds)


def _kind(value: Any) -> str:
    return "missing" if value is None else f"a {type(value).__name__}"
