r"""OpenPBS's and PBS Pro's text: `qstat -t -f -w`, `qstat -t -f`, `pbsnodes -av`, `qstat -Q -f`, `qstat -B -f`.

It is the cheapest form and the only one that is always readable. What users can do to it:

- `-w` prints one attribute a line, and a newline inside a value as `\n`: an empty line stands between records and
  nowhere else. (The release turns the byte 0xCA into `^` and a newline, but never into two newlines in a row.) So
  exactly the server's records are found.
- Without `-w` long lines are broken by newline and TAB, in the middle of words and characters, and newlines inside
  values come raw: a user's environment can hold a whole record. qstat counts columns on through such newlines, though,
  so that the breaks inside a forged record stand at the wrong columns. A record without the attributes that every job
  has is part of the value before it; one that has them, but wrong breaks, is left out. A warning tells of both.

In both forms what stands before Variable_List, which users write most freely, counts for more than what follows it.
What the attributes mean is left to openpbs_jobs and openpbs_records.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import tzinfo
from typing import Dict, Iterable, Iterator, List, Tuple

from agent.errors import ParseError
from agent.parsers import ParsedJobs, ParsedNodes, ParsedQueues, ParsedServer
from agent.parsers.notes import Notes
from agent.parsers.openpbs_jobs import JOB_ATTRIBUTES, JOB_RESOURCES, JobReader
from agent.parsers.openpbs_records import CUT, MAX_RECORD, TOO_LONG, decoded, read_node, read_queue
from agent.parsers.values import is_limit

Records = Iterable[Tuple[bytes, str]]
"""Each record's text without its header's words, and what is wrong with it: empty, or the reason to leave it out."""


def parse_jobs(raw: bytes, zone: tzinfo) -> ParsedJobs:
    """The output of `qstat -f`, with any of `-t`, `-w` and `-x`, as jobs, arrays and warnings.

    `raw` is the output as it came; nothing at all is an idle server. `zone` is the client's: times are printed in it.
    A record that was cut off at the end is left out. Raises ParseError where there is no record at all.
    """
    notes = Notes("qstat -f")
    reader = JobReader(notes, zone)
    records: Records = _records(raw, b"Job Id: ", notes)
    wrapped = _is_wrapped(raw)
    if wrapped:
        records = _unforged(records, notes)
    values_may_break = wrapped or bool(_BREAK_IN_VALUE(raw))
    for record, wrong in records:
        text = record.decode("latin-1")
        name = text.partition("\n")[0]
        if wrong:
            notes.leave_out(name, wrong)
        elif values_may_break and text.count("\n") != text.count("\n    "):
            reader.read(name, _job_attributes_with_breaks(text, notes))
        else:
            reader.read(name, _job_attributes(text, notes))
    return reader.finish()


def parse_nodes(raw: bytes, zone: tzinfo) -> ParsedNodes:
    """The output of `pbsnodes -av` or `pbsnodes -a` as nodes and warnings.

    `raw` is the output as it came; nothing at all is a server without nodes. `zone` is not needed: no time of a node
    is kept. Raises ParseError where there is no node at all.
    """
    del zone
    notes = Notes("pbsnodes -a")
    parsed = ParsedNodes()
    for record, wrong in _node_records(raw):
        name, attributes = _attributes(record)
        try:
            if wrong:
                raise ValueError(wrong)
            parsed.nodes.append(read_node(name, attributes, notes))
        except ValueError as reason:
            notes.leave_out(name, str(reason))
    parsed.warnings, parsed.complete = notes.warnings(), notes.complete
    return parsed


def parse_queues(raw: bytes) -> ParsedQueues:
    """The output of `qstat -Q -f` as queues and warnings; nothing at all is a server without queues.

    Raises ParseError where there is no queue at all.
    """
    notes = Notes("qstat -Q -f")
    parsed = ParsedQueues()
    for record, wrong in _records(raw, b"Queue: ", notes):
        name, attributes = _queue_attributes(record)
        try:
            if wrong:
                raise ValueError(wrong)
            parsed.queues.append(read_queue(name, attributes, notes))
        except ValueError as reason:
            notes.leave_out(name, str(reason))
    parsed.warnings, parsed.complete = notes.warnings(), notes.complete
    return parsed


def parse_server(raw: bytes) -> ParsedServer:
    """The output of `qstat -B -f`: name and version of the server; of the first, if it lists several.

    Both are empty where nothing was printed. Raises ParseError where there is no server.
    """
    notes = Notes("qstat -B -f")
    server = ParsedServer()
    for record, wrong in _records(raw, b"Server: ", notes):
        name, attributes = _attributes(record)
        if wrong:
            notes.leave_out(name, wrong)
        else:
            server.name, server.version = decoded(name), decoded(attributes.get("pbs_version", ""))
        break
    server.warnings = notes.warnings()
    return server


def split_records(raw: bytes, header: str) -> Iterator[Tuple[str, Dict[str, str]]]:
    """Name and all attributes of each whole record that the server wrote, unwrapped: for writing an output again.

    `header` is `Job Id:`, `Queue:` or `Server:`, empty for nodes. Raises ParseError as the parsers do.
    """
    notes = Notes("")
    records: Records = _records(raw, f"{header} ".encode(), notes) if header else _node_records(raw)
    if header == "Job Id:" and _is_wrapped(raw):
        records = _unforged(records, notes)
    elif header:
        records = ((record.replace(b"\n\t", b""), wrong) for record, wrong in records)
    for record, wrong in records:
        if wrong:
            continue
        if header == "Queue:":
            yield _queue_attributes(record)
        else:
            text = record.decode("latin-1")
            yield text.partition("\n")[0], _job_attributes_with_breaks(text, notes)


def _records(raw: bytes, head: bytes, notes: Notes) -> Iterator[Tuple[bytes, str]]:
    """Split at every header that follows an empty line; a record is whole if an empty line ends it."""
    start = 0 if raw.startswith(head) else raw.find(b"\n" + head) + 1
    if not raw.startswith(head, start):
        if raw.strip():
            raise ParseError(f"expected records that begin with {head.decode()!r}, got {_excerpt(raw)}")
        return
    if raw[:start].strip():
        notes.add(f"{start} bytes before the first record were skipped: {_excerpt(raw[:start])}")
    following = b"\n\n" + head
    while True:
        start += len(head)
        end = raw.find(following, start)
        if end < 0:
            break
        yield _checked(raw, start, end)
        start = end + 2
    yield _checked(raw, start, len(raw))


def _checked(raw: bytes, start: int, end: int) -> Tuple[bytes, str]:
    if end - start > MAX_RECORD:
        return raw[start : start + 80].partition(b"\n")[0], TOO_LONG
    if end < len(raw) or raw.endswith(b"\n\n"):
        return raw[start:end].rstrip(b"\n"), ""
    return raw[start:end], CUT


def _is_wrapped(raw: bytes) -> bool:
    # A newline and TAB after `^` may be what the release makes of the byte 0xCA and a TAB, with -w too.
    at = raw.find(b"\t")
    while at >= 0 and (raw[at - 1 : at] != b"\n" or raw[at - 2 : at] == b"^\n"):
        at = raw.find(b"\t", at + 1)
    return at >= 0


_BREAK_IN_VALUE = re.compile(rb"\^\n(?!    |\n)").search
_USERS_TEXT = b"\n    Variable_List = "
_OF_EVERY_JOB = tuple(b"\n    %b = " % name for name in (b"Job_Name", b"Job_Owner", b"job_state", b"queue", b"ctime"))
_AFTER_USERS_TEXT = re.compile(
    rb"\n    (?:euser|queue_type|comment|etime|run_count|eligible_time|Submit_arguments|executable|project) = "
).search


def _unforged(records: Records, notes: Notes) -> Iterator[Tuple[bytes, str]]:
    """Undo the wrapping; give back to values the records that only stand in them, and leave out what looks forged."""
    held: List[bytes] = []
    name = wrong_with_held = ""
    for wrapped, wrong in records:
        record = wrapped.replace(b"\n\t", b"")
        shown = record[:80].partition(b"\n")[0].decode("latin-1")
        cut = wrong == CUT
        if held and not _is_job(record) and (not cut or not _has_ended(b"\n\n".join(held))):
            # One that was cut off may lack an attribute for that reason: it is a value's if the job before goes on.
            notes.add(f"'Job Id: {shown}' stands inside a value and is no job", name)
            held.append(b"Job Id: " + record)
            wrong_with_held = wrong
        elif not wrong and not _breaks_as_qstat(wrapped):
            notes.add("this record was left out: it looks forged, its line breaks are not qstat's", shown)
        else:
            if held:
                yield b"\n\n".join(held), wrong_with_held
            held, name, wrong_with_held = [record], shown, wrong
    if held:
        record = b"\n\n".join(held)
        # An empty line may stand inside a value, too: what the server prints last must have come.
        yield record, wrong_with_held or ("" if _has_ended(record) else CUT)


def _is_job(record: bytes) -> bool:
    end = record.find(_USERS_TEXT)
    end = len(record) if end < 0 else end
    for attribute in _OF_EVERY_JOB:  # noqa: SIM110 - in a listing's innermost loop
        if record.find(attribute, 0, end) < 0:
            return False
    return True


def _has_ended(record: bytes) -> bool:
    start = record.find(_USERS_TEXT)
    return start < 0 or bool(_AFTER_USERS_TEXT(record, start))


def _breaks_as_qstat(wrapped: bytes) -> bool:
    """Whether the lines before Variable_List are broken where qstat breaks them."""
    end = wrapped.find(_USERS_TEXT)
    end = len(wrapped) if end < 0 else end
    if wrapped.find(b"\n\t", 0, end) < 0:
        return True
    for attribute in wrapped[:end].split(b"\n    ")[1:]:
        if b"\n\t" in attribute and attribute != _broken(attribute) and not _may_be_broken(attribute):
            return False
    return True


def _may_be_broken(attribute: bytes) -> bool:
    """The same for a value with `^`, which counts as a column of its own if typed, and not if it encodes a byte."""
    fulls = [_WIDTH - 3]  # without the four spaces
    for line in attribute.split(b"\n\t")[:-1]:
        most = len(line) - line.count(b",")
        if not line.endswith(b",") and not any(most - line.count(b"^") <= full <= most for full in fulls):
            return False
        fulls = [_WIDTH - 8, _WIDTH - 7]  # after a comma, and elsewhere
    return True


_WIDTH = 78


def _broken(attribute: bytes) -> bytes:
    """`name = value` as qstat -f breaks it: after a comma if the next piece does not fit, else at the full width.

    Its own count of columns: commas are not counted, and after a comma a continuation has one column less.
    """
    name, equals, value = attribute.replace(b"\n\t", b"").partition(b" = ")
    lines = [name, equals]
    column = len(name) + 7
    for number, piece in enumerate(value.split(b",")):
        if number:
            lines.append(b",")
        if column + len(piece) < _WIDTH:
            lines.append(piece)
            column += len(piece)
            continue
        if number:
            lines.append(b"\n\t")
            column = 9
        start = 0
        while start < len(piece):
            end = min(start + _WIDTH + 1 - column, len(piece))
            lines.append(piece[start:end])
            column += end - start
            start = end
            if column > _WIDTH:
                lines.append(b"\n\t")
                column = 8
    return b"".join(lines)


_JOB_KEYS = [*JOB_ATTRIBUTES, *(rf"{group}\.(?:{'|'.join(keys)})" for group, keys in JOB_RESOURCES.items())]
_USED = {*JOB_ATTRIBUTES, *(f"{group}.{key}" for group, keys in JOB_RESOURCES.items() for key in keys)}
_find_job_attributes = re.compile(rf"\n    ({'|'.join(_JOB_KEYS)}) = (.*)").findall
_split_attributes = re.compile(r"\n {4,5}(?=[A-Za-z_][\w.-]{0,80} = )").split


def _job_attributes(text: str, notes: Notes) -> Dict[str, str]:
    """The attributes of a job's record that are used, where none stands twice."""
    middle = text.find("\n    Variable_List = ")
    if middle < 0:
        middle = len(text)
    server_wrote = _find_job_attributes(text, 0, middle)
    mixed = _find_job_attributes(text, middle)
    attributes: Dict[str, str] = dict(mixed)
    attributes.update(reversed(server_wrote))
    if len(attributes) < len(server_wrote) + len(mixed):
        return _job_attributes_with_breaks(text, notes)
    return attributes


def _job_attributes_with_breaks(text: str, notes: Notes) -> Dict[str, str]:
    """All attributes of a record in whose values newlines stand, each with all of its lines.

    Where one stands twice, what comes first counts, but what comes last if both come after Variable_List: there the
    user's text is before the server's. What follows a `^` at the end of a line may be the rest of a value that had the
    byte 0xCA: it does not count if the attribute stands elsewhere too.
    """
    parts = _split_attributes(text)
    pairs = [part.partition(" = ")[::2] for part in parts[1:]]
    doubted = [before.endswith("^") for before in parts[:-1]]
    solid = {name for (name, _), doubt in zip(pairs, doubted) if not doubt}
    if len(solid) < len(pairs):
        _note_twice([name for name, _ in pairs], text, notes)
        pairs = [pair for pair, doubt in zip(pairs, doubted) if not doubt or pair[0] not in solid]
    middle = next((number for number, (name, _) in enumerate(pairs) if name == "Variable_List"), len(pairs))
    return {**dict(pairs[middle:]), **dict(reversed(pairs[:middle]))}


def _note_twice(names: List[str], text: str, notes: Notes) -> None:
    twice = sorted(name for name, times in Counter(names).items() if times > 1 and name in _USED)
    if twice:
        notes.add(f"{', '.join(twice)[:80]} stands there twice: newlines in a value", text[:80].partition("\n")[0])


def _attributes(record: bytes) -> Tuple[str, Dict[str, str]]:
    """Name and attributes of a record that no user writes; where one stands twice, the first counts."""
    name, *parts = _split_attributes(record.replace(b"\n\t", b"").decode("latin-1"))
    return name, dict(reversed([part.partition(" = ")[::2] for part in parts]))


def _queue_attributes(record: bytes) -> Tuple[str, Dict[str, str]]:
    """The same for a queue, where a limit may stand several times (`max_run` for users, for groups): all of it counts."""
    name, *parts = _split_attributes(record.replace(b"\n\t", b"").decode("latin-1"))
    told: Dict[str, List[str]] = {}
    for key, _, value in (part.partition(" = ") for part in parts):
        told.setdefault(key, []).append(value)
    return name, {key: ", ".join(values if is_limit(key) else values[:1]) for key, values in told.items()}


_node_heads = re.compile(rb"(?:\A|\n\n)(?=[^\s]{1,255}\n     [A-Za-z_][\w.-]* = )").finditer


def _node_records(raw: bytes) -> Iterator[Tuple[bytes, str]]:
    """Split at every name that follows an empty line and is followed by an attribute: comments hold empty lines."""
    raw = raw.lstrip(b"\n")
    heads = list(_node_heads(raw))
    if not heads and raw.strip():
        raise ParseError(f"expected nodes of pbsnodes -a, got {_excerpt(raw)}")
    for head, end in zip(heads, [*(head.start() for head in heads[1:]), len(raw)]):
        yield _checked(raw, head.end(), end)


def _excerpt(raw: bytes) -> str:
    start = raw[:400].strip()[:60].decode("latin-1")
    return f"{len(raw)} bytes: {start!a}"
