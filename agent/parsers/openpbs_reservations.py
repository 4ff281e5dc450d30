"""OpenPBS's and PBS Pro's reservations: `pbs_rstat -f`, of which there is only text.

Each record is a line `Resv ID: R151.pbs01`, then `name = value` lines at column 0, never wrapped, then an empty line.
Newlines inside values come raw, and whoever may reserve writes Variable_List: a header counts only after an empty line
and before an attribute, and of an attribute that stands twice the first counts, since the server prints all that is read
here before Variable_List. One who takes care to forge a whole record there is not found out.
"""

from __future__ import annotations

import re
from datetime import tzinfo
from typing import Dict, Iterator, Set, Tuple

from agent.errors import ParseError
from agent.parsers import ParsedReservations
from agent.parsers.notes import Notes
from agent.parsers.openpbs_jobs import cores_by_vnode
from agent.parsers.openpbs_records import CUT, MAX_RECORD, TOO_LONG, Attributes, decoded
from agent.parsers.values import Remembered, parse_integer, remembered_times
from agent.report import Reservation

_heads = re.compile(rb"(?:\A|(?<=\n\n))Resv ID: (?=[^\n]{1,255}\n[A-Za-z_][\w.-]{0,80} = )").finditer
_split_attributes = re.compile(r"\n(?=[A-Za-z_][\w.-]{0,80} = )").split


def parse_reservations(raw: bytes, zone: tzinfo) -> ParsedReservations:
    """The output of `pbs_rstat -f` as reservations and warnings.

    `raw` is the output as it came; nothing at all is a server without reservations. `zone` is the client's: times are
    printed in it. Raises ParseError where there is no reservation at all.
    """
    notes = Notes("pbs_rstat -f")
    parsed = ParsedReservations()
    times = remembered_times(zone)
    seen: Set[str] = set()
    for name, attributes, wrong in _records(raw):
        if wrong or not attributes.get("reserve_state"):
            notes.leave_out(name, wrong or "it has no reserve_state")
        elif name in seen:
            notes.add("this reservation is listed twice; the first record counts", name)
        else:
            seen.add(name)
            parsed.reservations.append(_reservation(name, attributes, times))
    notes.add_unreadable({"time": times})
    parsed.warnings, parsed.complete = notes.warnings(), notes.complete
    return parsed


def split_records(raw: bytes) -> Iterator[Tuple[str, Dict[str, str]]]:
    """Name and all attributes of each whole record: for writing an output again. Raises ParseError as the parser does."""
    for name, attributes, wrong in _records(raw):
        if not wrong:
            yield name, attributes


def _records(raw: bytes) -> Iterator[Tuple[str, Dict[str, str], str]]:
    """Name, attributes, and what is wrong with the record: empty, or the reason to leave it out."""
    heads = list(_heads(raw))
    if not heads and raw.strip():
        excerpt = raw[:400].strip()[:60].decode("latin-1")
        raise ParseError(f"expected reservations of pbs_rstat -f, got {len(raw)} bytes: {excerpt!a}")
    for head, end in zip(heads, [*(head.start() for head in heads[1:]), len(raw)]):
        text = raw[head.end() : min(end, head.end() + MAX_RECORD)].decode("latin-1")
        name, *parts = _split_attributes(text.rstrip("\n"))
        wrong = TOO_LONG if end - head.end() > MAX_RECORD else "" if raw.endswith(b"\n\n", 0, end) else CUT
        yield name, dict(reversed([part.partition(" = ")[::2] for part in parts])), wrong


def _reservation(name: str, attributes: Attributes, times: Remembered) -> Reservation:
    get = attributes.get
    nodes = cores_by_vnode(get("resv_nodes", ""))
    starts, ends = get("reserve_start"), get("reserve_end")
    cores = parse_integer(get("Resource_List.ncpus"))
    return Reservation(
        id=decoded(name),
        name=decoded(get("Reserve_Name", "")),
        owner=decoded(get("Reserve_Owner", "").partition("@")[0]),
        state=re.sub(r"\Aresv_", "", decoded(get("reserve_state", "")).lower()),
        queue=decoded(get("queue", "")) or None,
        starts_at=times[starts] if starts else None,
        ends_at=times[ends] if ends else None,
        nodes=tuple(decoded(node) for node in nodes),
        cores=cores if cores is not None else sum(nodes.values()) or None,
        comment=decoded(get("comment", "")) or None,
    )
