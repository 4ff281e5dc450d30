"""Whole outputs with their names replaced, per format: taken apart, each value replaced, written again.

Only attributes that vocabulary.py lists are written, in a plain form: a recording replays to the same numbers,
but line wrapping and forged lines are gone (`record --keep-names` keeps every byte). What a single value
becomes is the business of pseudonyms.py.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Tuple
from xml.sax.saxutils import escape, unescape

from agent.dialects import JOBS, NODES, QUEUES, RESERVATIONS, SERVER
from agent.errors import ParseError
from agent.parsers import openpbs_json, openpbs_reservations, openpbs_text
from agent.parsers.blocks import Form, take_blocks
from agent.parsers.notes import Notes
from agent.pseudonyms import Pseudonyms
from agent.vocabulary import ATTRIBUTE_RULES, EMPTY, HOST, NAME, RESOURCE_PREFIXES, WORDS

Record = Tuple[str, Mapping[str, str]]

_FORMS = {
    JOBS: Form("jobs of qstat -f", header="Job Id:", first="Job_Name", wraps=True),
    NODES: Form("nodes of pbsnodes -a", header="", first="state", wraps=False),
    QUEUES: Form("queues of qstat -Q -f", header="Queue:", first="queue_type", wraps=True),
    SERVER: Form("a server of qstat -B -f", header="Server:", first="server_state", wraps=True),
    RESERVATIONS: Form("reservations of pbs_rstat -f", header="Resv ID:", first="Reserve_Name", wraps=False),
}


def anonymise(kind: str, query: str, format_: str, raw: bytes, pseudonyms: Pseudonyms) -> bytes:
    """One output of a scheduler of this kind, as it was printed for `query`, with its names replaced.

    Raises ParseError where it cannot be taken apart: then it must not be recorded.
    """
    if not raw.strip():
        return b""
    if query not in _FORMS:
        return _lines(raw, pseudonyms.words)
    if format_ == "xml":
        return _xml(query, raw, pseudonyms)
    if format_ == "json":
        return (_openpbs_json if kind == "openpbs" else _slurm_json)(query, raw, pseudonyms)
    if kind == "slurm" and query == SERVER:
        return _slurm_config(raw, pseudonyms)
    return _text(query, _records(kind, query, raw), pseudonyms)


def _records(kind: str, query: str, raw: bytes) -> Iterator[Record]:
    if query == RESERVATIONS:
        yield from openpbs_reservations.split_records(raw)
        return
    if kind == "openpbs":
        yield from openpbs_text.split_records(raw, _FORMS[query].header)
        return
    # In Slurm's wrapper the job's name comes first, and may hold forged attributes: the last of two counts.
    form = replace(
        _FORMS[query], wraps=kind == "torque" and query != NODES, last_counts=kind == "slurm" and query == JOBS
    )
    yield from take_blocks(raw, form, Notes(""))


# Text


def _text(query: str, records: Iterable[Record], pseudonyms: Pseudonyms) -> bytes:
    header = _FORMS[query].header
    indent = " " * {NODES: 5, RESERVATIONS: 0}.get(query, 4)
    lines: List[str] = []
    for name, attributes in records:
        shown = _one_line(pseudonyms.value(NAME if query == QUEUES else HOST, name))
        lines.append(f"{header} {shown}".strip())
        for key, value in attributes.items():
            replaced = _attribute(query, key, value, pseudonyms)
            if replaced is not None:
                lines.append(f"{indent}{pseudonyms.key(key)} = {_one_line(replaced)}")
        lines.append("")
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def _lines(raw: bytes, replace: Callable[[str], str]) -> bytes:
    return "\n".join(map(replace, raw.decode("utf-8", "replace").split("\n"))).encode()


def _slurm_config(raw: bytes, pseudonyms: Pseudonyms) -> bytes:
    """Of Slurm's configuration only what the agent reads."""
    kept: List[str] = []
    for line in raw.decode("utf-8", "replace").splitlines():
        key, equals, value = (part.strip() for part in line.partition("="))
        if equals and key == "ClusterName":
            kept.append(f"ClusterName = {pseudonyms.name(value)}")
        elif equals and key == "SLURM_VERSION":
            kept.append(f"SLURM_VERSION = {pseudonyms.attribute('version', value)}")
    return "".join(f"{line}\n" for line in kept).encode()


# XML

_TAG = re.compile(r"<(/?)([A-Za-z][\w.-]*)(/?)>|<[^>]*(?:>|\Z)")


def _xml(query: str, raw: bytes, pseudonyms: Pseudonyms) -> bytes:
    """TORQUE's XML: what stands between tags is replaced, a tag is no stranger's text (`<` is escaped in values)."""
    text = raw.decode("utf-8", "replace")
    path: List[str] = []
    written: List[str] = []
    position = 0
    for tag in _TAG.finditer(text):
        written.append(_element(query, path, text[position : tag.start()], pseudonyms))
        position = tag.end()
        closing, name, alone = tag.groups()
        if name is None:
            continue
        if len(path) - bool(closing) >= 3:
            name = pseudonyms.words(name)
        written.append(f"<{closing}{name}{alone}>")
        if closing and path:
            path.pop()
        elif not closing and not alone:
            path.append(tag.group(2))
    return "".join(written).encode()


def _element(query: str, path: List[str], text: str, pseudonyms: Pseudonyms) -> str:
    """The text inside `<Data><Job><attribute>`, or one level deeper."""
    if len(path) < 3 or not text:
        return ""
    value = unescape(text, {"&quot;": '"', "&apos;": "'"})
    return escape(_one_line(_attribute(query, ".".join(path[2:4]), value, pseudonyms) or ""))


# JSON

_LISTINGS = {JOBS: "Jobs", NODES: "nodes", QUEUES: "Queue", SERVER: "Server"}
_CONTAINERS = frozenset({"jobs", "nodes", "job_resources", "allocated_nodes", "meta", "slurm", "errors", "warnings"})


def _openpbs_json(query: str, raw: bytes, pseudonyms: Pseudonyms) -> bytes:
    listing = _LISTINGS[query]
    document: Dict[str, Any] = {}
    stamp = re.search(rb'"timestamp":\s*(\d{1,12})\b', raw[:1000])
    if stamp:
        document["timestamp"] = int(stamp.group(1))
    document[listing] = {
        pseudonyms.value(NAME if query == QUEUES else HOST, name): _tree(query, listing, values, pseudonyms)
        for name, values in openpbs_json.split_records(raw, listing)
    }
    return json.dumps(document, indent=4).encode()


def _slurm_json(query: str, raw: bytes, pseudonyms: Pseudonyms) -> bytes:
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ParseError(f"the JSON cannot be read: {error}") from None
    return json.dumps(_tree(query, "", document, pseudonyms), indent=1).encode()


def _tree(query: str, name: str, value: Any, pseudonyms: Pseudonyms) -> Any:
    """A value of JSON under the attribute `name`; what is listed nowhere comes out empty."""
    if isinstance(value, dict):
        if name.lower() in RESOURCE_PREFIXES and name.lower() != "job_resources":
            return {pseudonyms.words(key): _leaf(query, f"{name}.x", inner, pseudonyms) for key, inner in value.items()}
        if ATTRIBUTE_RULES.get(name.lower()) == EMPTY:
            return {}
        return {
            key: _tree(query, key, inner, pseudonyms)
            for key, inner in value.items()
            if key.lower() in ATTRIBUTE_RULES or key.lower() in _CONTAINERS or key.lower() in RESOURCE_PREFIXES
        }
    if isinstance(value, list):
        return [_tree(query, name, inner, pseudonyms) for inner in value]
    return _leaf(query, name, value, pseudonyms)


def _leaf(query: str, name: str, value: Any, pseudonyms: Pseudonyms) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        kept = _attribute(query, name, str(value), pseudonyms)
        return value if kept == str(value) else kept or 0
    replaced = _attribute(query, name, str(value), pseudonyms)
    return "" if replaced is None else replaced


def _attribute(query: str, name: str, value: str, pseudonyms: Pseudonyms) -> Any:
    if name in ("name", "Job_Id") and query == NODES:
        return pseudonyms.value(HOST, value)
    if name.lower() in ("errors", "error", "description"):
        return pseudonyms.value(WORDS, value)
    return pseudonyms.attribute(name, value)


def _one_line(text: str) -> str:
    return " ".join(text.splitlines()) if "\n" in text or "\r" in text else text
