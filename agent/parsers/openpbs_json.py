r"""OpenPBS's and PBS Pro's JSON: `qstat -t -f -F json`, `pbsnodes -av -F json`, `qstat -Q -f -F json`, `qstat -B -f -F json`.

The release's JSON is often none: what looks like a number to C stands unquoted (`nan`, `+3`, `.5`), the byte 0xE2
becomes a bare quote, 0xCA a newline, backslashes stay single; and one such job spoils the document for every reader.
So it is cut at the lines where records begin, each record is decoded by itself, and only one that does not decode is
repaired, line by line. JSON that is laid out otherwise is decoded as a whole. The release does not escape the names of
environment variables: users can forge records in its JSON, which they cannot in the text of `qstat -f -w`.

What the attributes mean is left to openpbs_jobs and openpbs_records.
"""

from __future__ import annotations

import json
import re
from datetime import tzinfo
from typing import Any, Dict, Iterator, List, Tuple, Union

from agent.errors import ParseError
from agent.parsers import ParsedJobs, ParsedNodes, ParsedQueues, ParsedServer
from agent.parsers.notes import Notes
from agent.parsers.openpbs_jobs import JOB_ATTRIBUTES, JOB_RESOURCES, JobReader
from agent.parsers.openpbs_records import CUT, MAX_RECORD, TOO_LONG, decoded, read_node, read_queue

Member = Tuple[str, Union[Dict[str, Any], str]]
"""A record's name, and its values, or the reason why it has none."""


def parse_jobs(raw: bytes, zone: tzinfo) -> ParsedJobs:
    """The output of `qstat -f -F json`, with or without `-t` and `-x`, as jobs, arrays and warnings.

    `raw` is the output as it came; a document without `Jobs` is an idle server. `zone` is the client's: times are
    printed in it. Raises ParseError where it is no such document.
    """
    notes = Notes("qstat -f -F json")
    reader = JobReader(notes, zone)
    for name, values in _members(raw, "Jobs", notes):
        if isinstance(values, str):
            notes.leave_out(name, values)
        else:
            reader.read(name, _job_attributes(values))
    return reader.finish()


def parse_nodes(raw: bytes, zone: tzinfo) -> ParsedNodes:
    """The output of `pbsnodes -av -F json` or `pbsnodes -a -F json` as nodes and warnings.

    `raw` is the output as it came. `zone` is not needed: no time of a node is kept. Raises ParseError where it is no
    such document.
    """
    del zone
    notes = Notes("pbsnodes -a -F json")
    parsed = ParsedNodes()
    for name, values in _members(raw, "nodes", notes):
        try:
            parsed.nodes.append(read_node(name, _attributes(values), notes))
        except ValueError as reason:
            notes.leave_out(name, str(reason))
    parsed.warnings, parsed.complete = notes.warnings(), notes.complete
    return parsed


def parse_queues(raw: bytes) -> ParsedQueues:
    """The output of `qstat -Q -f -F json` as queues and warnings. Raises ParseError where it is no such document."""
    notes = Notes("qstat -Q -f -F json")
    parsed = ParsedQueues()
    for name, values in _members(raw, "Queue", notes):
        try:
            parsed.queues.append(read_queue(name, _attributes(values), notes))
        except ValueError as reason:
            notes.leave_out(name, str(reason))
    parsed.warnings, parsed.complete = notes.warnings(), notes.complete
    return parsed


def parse_server(raw: bytes) -> ParsedServer:
    """The output of `qstat -B -f -F json`: name and version of the server; of the first, if it lists several.

    Both are empty where the document has no server: its own `pbs_version` is the client's. Raises ParseError where it
    is no such document.
    """
    notes = Notes("qstat -B -f -F json")
    server = ParsedServer()
    for name, values in _members(raw, "Server", notes):
        try:
            server.version = decoded(_attributes(values).get("pbs_version", ""))
            server.name = decoded(name)
        except ValueError as reason:
            notes.leave_out(name, str(reason))
        break
    server.warnings = notes.warnings()
    return server


def split_records(raw: bytes, listing: str) -> Iterator[Tuple[str, Dict[str, Any]]]:
    """Name and all values of each record that can be decoded, numbers as text: for writing an output again.

    `listing` is `Jobs`, `nodes`, `Queue` or `Server`. Raises ParseError as the parsers do.
    """
    for name, values in _members(raw, listing, Notes("")):
        if not isinstance(values, str):
            yield name, values


_RESOURCES = [(group, [(key, f"{group}.{key}") for key in keys]) for group, keys in JOB_RESOURCES.items()]


def _job_attributes(values: Dict[str, Any]) -> Dict[str, str]:
    """The attributes of a job that are used, as the text form names them."""
    get = values.get
    attributes = {key: value for key in JOB_ATTRIBUTES if type(value := get(key)) is str}
    for group, keys in _RESOURCES:
        inner = get(group)
        if type(inner) is dict:
            for key, name in keys:
                value = inner.get(key)
                if type(value) is str:
                    attributes[name] = value
    return attributes


def _attributes(values: Union[Dict[str, Any], str]) -> Dict[str, str]:
    """All attributes of a record, as the text form names and writes them; ValueError for a reason."""
    if isinstance(values, str):
        raise ValueError(values)
    attributes: Dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, str):
            attributes[key] = value
        elif isinstance(value, list):
            attributes[key] = ", ".join(item for item in value if isinstance(item, str))
        elif isinstance(value, dict):
            attributes.update((f"{key}.{name}", text) for name, text in value.items() if isinstance(text, str))
    return attributes


# Numbers stay the text they are: a job may be named 007 or 1e5. Control characters are allowed inside strings.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str, strict=False)


def _joined(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    """An object in which a name stands several times, as a queue's limits may: their texts joined, objects merged."""
    told: Dict[str, List[Any]] = {}
    for key, value in pairs:
        told.setdefault(key, []).append(value)
    return {key: values[0] if len(values) == 1 else _one_of(values) for key, values in told.items()}


def _one_of(values: List[Any]) -> Any:
    if all(isinstance(value, str) for value in values):
        return ", ".join(values)
    if all(isinstance(value, dict) for value in values):
        return _joined([pair for value in values for pair in value.items()])
    return values[-1]


_QUEUE_DECODER = json.JSONDecoder(
    parse_int=str, parse_float=str, parse_constant=str, strict=False, object_pairs_hook=_joined
)
_OF_ANY_LISTING = ("timestamp", "pbs_version", "pbs_server")
_LISTINGS = ("Jobs", "nodes", "Queue", "Server", "Reservations", "resources", "hooks")


def _members(raw: bytes, listing: str, notes: Notes) -> Iterator[Member]:
    """The records of the object `listing` in the document, one by one, in Latin-1 (one character per byte)."""
    opening = re.search(rb'\n(?:    |\t)"%b":[ \t]*\{(\n[ \t]+")' % listing.encode(), raw)
    if not opening:
        yield from _members_of_other_layout(raw, listing)
        return
    mark = opening[1]
    decoder = _decoder(listing)
    start = opening.end()
    end = raw.find(mark, start)
    while end >= 0:
        name, rest, values = _member(raw[start:end], decoder)
        if rest != "," and not isinstance(values, str):
            values = f"unexpected text follows it: {rest[:40]!r}"
        yield name, values
        start = end + len(mark)
        end = raw.find(mark, start)
    name, rest, values = _member(raw[start:], decoder)
    closed = rest.startswith("}") and rest.endswith("}") and len(rest) > 1
    if isinstance(values, str) and not raw.rstrip().endswith(b"}"):
        values = CUT
    elif not isinstance(values, str) and not closed:
        notes.complete = False
        notes.add(f"the document is not closed after the last record: {rest[:40]!r} instead of braces", name)
    yield name, values


def _decoder(listing: str) -> json.JSONDecoder:
    return _QUEUE_DECODER if listing == "Queue" else _DECODER


def _member(chunk: bytes, decoder: json.JSONDecoder) -> Tuple[str, str, Union[Dict[str, Any], str]]:
    """Name, what follows the value, and the value of one `name": {...}`."""
    if len(chunk) > MAX_RECORD:
        return chunk[:80].partition(b'"')[0].decode("latin-1"), "", TOO_LONG
    name, _, text = chunk.decode("latin-1").partition('":')
    for attempt in (str.lstrip, _repaired):
        text = attempt(text)
        try:
            value, end = decoder.raw_decode(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            return name, text[end:].strip(), value
    return name, "", "it is no JSON, and cannot be repaired"


def _members_of_other_layout(raw: bytes, listing: str) -> Iterator[Member]:
    try:
        document = _decoder(listing).decode(raw.decode("latin-1"))
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict):
        members = document.get(listing)
        if isinstance(members, dict):
            for name, values in members.items():
                yield name, values if isinstance(values, dict) else "it is no JSON object"
            return
        others = [name for name in _LISTINGS if name in document]
        if listing not in document and not others and any(name in document for name in _OF_ANY_LISTING):
            return
    start = raw[:400].strip()[:60].decode("latin-1")
    raise ParseError(f"expected a JSON document of PBS with {listing!r} in it, got {len(raw)} bytes: {start!a}")


_STARTS_A_LINE = re.compile(r'[ \t]*(?:"[^"\n]*":|[\]}],?[ \t]*\Z)').match
_NAME = re.compile(r'[ \t]*"[^"\n]*":[ \t]*').match
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?\Z").match
_WORDS = frozenset({"true", "false", "null", "{", "[", "{}", "[]"})
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})|\\|"')


def _repaired(text: str) -> str:
    """A record's JSON with each line's value made JSON: quoted, escaped, or joined if a newline stands in it."""
    lines: List[List[str]] = []
    for line in _without_users_text(text.strip()).split("\n"):
        if lines and not _STARTS_A_LINE(line):
            lines[-1].append(line)
        else:
            lines.append([line])
    return "\n".join(_repaired_line("\n".join(parts)) for parts in lines)


def _without_users_text(text: str) -> str:
    """The environment emptied: it is not used, and most of what is broken stands there."""
    name = text.find('"Variable_List":')
    indent = text[text.rfind("\n", 0, name) + 1 : name]
    start, end = text.find("{", name), text.find(f"\n{indent}}}", name)
    return text if name < 0 or indent.strip() or not 0 <= start < end else text[: start + 1] + text[end:]


def _repaired_line(line: str) -> str:
    name = _NAME(line)
    if not name:
        return line
    value = line[name.end() :].rstrip()
    comma = value[-1:] if value.endswith(",") else ""
    value = value[: len(value) - len(comma)]
    if value in _WORDS or _NUMBER(value):
        return line
    if value.startswith('"') and value.endswith('"') and len(value) > 1:
        value = value[1:-1]
    value = _ESCAPE.sub(lambda found: found[0] if len(found[0]) > 1 else "\\" + found[0], value)
    return f'{name[0]}"{value}"{comma}'
