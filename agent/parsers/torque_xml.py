"""TORQUE's XML: `qstat -t -x` and `qstat -x` (jobs), `pbsnodes -x` (nodes), of 2.5 and 6.1.

The server escapes what users type, so no record can be forged here, which the text allows. Control characters and
bytes that are not UTF-8 pass through it, though, and would end an XML reader: they are replaced first. Records are cut
out of the document and read one by one: a bad one does not spoil the others, and no DOCTYPE, so no entity, ever acts.
There is no XML for queues and server. What the elements mean is left to torque_jobs and torque_nodes.
"""

from __future__ import annotations

import re
from datetime import tzinfo
from typing import Dict, Iterator, Tuple
from xml.etree import ElementTree

from agent.errors import ParseError
from agent.parsers import ParsedJobs, ParsedNodes
from agent.parsers.notes import Notes
from agent.parsers.torque_jobs import read_jobs
from agent.parsers.torque_nodes import read_nodes

# XML 1.0 forbids them even escaped: what is a space becomes one, the others bytes that UTF-8 has not, and so U+FFFD.
_SCRUB = bytes(
    byte if byte >= 0x20 or byte in b"\t\n\r" else 0x20 if chr(byte).isspace() else 0xFF for byte in range(256)
)
_FORBIDDEN = re.compile("[\ufffe\uffff]")
_PROLOG = re.compile(rb"(?:<\?xml[^>]*\?>)?\s*<Data>")
_EMPTY = re.compile(_PROLOG.pattern + rb"\s*</Data>")


def parse_jobs(raw: bytes, zone: tzinfo) -> ParsedJobs:
    """The output of `qstat -t -x` or `qstat -x` as jobs, array templates and warnings.

    `raw` is the output as it came; nothing at all and `<Data></Data>` are an idle server. `zone` is not needed, times
    are unix seconds. Raises ParseError where it is no such document, or none of its records is whole.
    """
    notes = Notes("qstat -x")
    return read_jobs(_records(raw, b"Job", "Job_Id", notes), zone, notes)


def parse_nodes(raw: bytes, zone: tzinfo) -> ParsedNodes:
    """The output of `pbsnodes -x` as nodes and warnings; arguments and errors as in parse_jobs."""
    del zone
    notes = Notes("pbsnodes -x")
    return read_nodes(_records(raw, b"Node", "name", notes), notes)


def _records(raw: bytes, tag: bytes, key: str, notes: Notes) -> Iterator[Tuple[str, Dict[str, str]]]:
    opening, closing = b"<" + tag + b">", b"</" + tag + b">"
    found, position = False, 0
    while True:
        start = raw.find(opening, position)
        end = raw.find(closing, start) if start >= 0 else -1
        if end < 0:
            break
        # Nothing escaped holds a `<`: an opening before the last one has lost its end.
        inner = raw.rfind(opening, start, end)
        stray = raw[position:inner].strip()
        if stray and not (position == 0 and _PROLOG.fullmatch(stray)):
            notes.leave_out("", f"{len(stray)} bytes between the records")
        position = end + len(closing)
        try:
            attributes = _attributes(raw[inner:position])
        except ElementTree.ParseError as problem:
            notes.leave_out(f"record at byte {inner}", f"it is not well-formed ({problem})")
            continue
        found = True
        yield attributes.pop(key, ""), attributes
    rest = raw[position:].strip()
    if not raw.strip() or (position and rest == b"</Data>") or (not position and _EMPTY.fullmatch(rest)):
        return
    if not found:
        raise ParseError(
            f"{notes.source}: expected a <Data> document of <{tag.decode()}> records,"
            f" got {len(raw)} bytes without a whole one, beginning with {raw[:80]!r}"
        )
    notes.leave_out("", f"the output ends {len(rest)} bytes after the last whole record, without </Data>")


def _attributes(record: bytes) -> Dict[str, str]:
    """A record's elements as one table; those inside another are named as the text names them: `Resource_List.mem`."""
    text = record.translate(_SCRUB).decode("utf-8", "replace")
    attributes: Dict[str, str] = {}
    for element in ElementTree.fromstring(_FORBIDDEN.sub("\ufffd", text)):
        attributes.setdefault(element.tag, element.text or "")
        for part in element:
            attributes.setdefault(f"{element.tag}.{part.tag}", part.text or "")
    return attributes
