"""How OpenPBS's clients print records, for tests that make their own: written after what qstat does, byte by byte.

Nothing here is shared with the parsers, which would only prove that they agree with themselves.
"""

from __future__ import annotations

import json
import re
from typing import Any, Dict, List, Tuple

Record = Tuple[str, List[Tuple[str, str]]]
"""Id and attributes (`Resource_List.ncpus`) in the server's order."""


def print_wide(records: List[Record], release: bool) -> bytes:
    """`qstat -f -w`: newlines and form feeds inside values are spelled out."""
    shown = []
    for name, attributes in records:
        shown.append(b"Job Id: %b\n" % name.encode())
        for key, value in attributes:
            spelled = value.replace("\n", "\\n").replace("\f", "\\f")
            shown.append(b"    %b = %b\n" % (key.encode(), _shown(spelled.encode(), release)))
        shown.append(b"\n")
    return b"".join(shown)


def print_wrapped(records: List[Record], release: bool) -> bytes:
    """`qstat -f`: lines broken by newline and TAB, newlines inside values as they are."""
    shown = []
    for name, attributes in records:
        shown.append(b"Job Id: %b\n" % name.encode())
        for key, value in attributes:
            shown.append(b"    %b = " % key.encode())
            shown += _wrapped(value.encode(), len(key) + 7, release)
            shown.append(b"\n")
        shown.append(b"\n")
    return b"".join(shown)


def _wrapped(value: bytes, column: int, release: bool) -> List[bytes]:
    out: List[bytes] = []
    for number, token in enumerate(token for token in value.split(b",") if token):
        if number:
            out.append(b",")
        if column + len(token) < 78:
            out.append(_shown(token, release))
            column += len(token)
            continue
        if number:
            out.append(b"\n\t")
            column = 9
        for byte in token:
            out.append(_shown(bytes([byte]), release))
            column += 1
            if column > 78:
                out.append(b"\n\t")
                column = 8
    return out


def _shown(value: bytes, release: bool) -> bytes:
    if not release:
        return value
    return b"".join(
        bytes([byte]) if 0x20 <= byte < 0x7F or byte in b"\n\t" else b"^" + bytes([(byte + 0x40) % 256])
        for byte in value
    )


def print_json(records: List[Record], release: bool) -> bytes:
    """`qstat -f -F json`; the release's is made by hand, and not always JSON."""
    document: Dict[str, Any] = {"timestamp": 1795469107, "pbs_version": "23.06.06", "pbs_server": "pbs01"}
    if records:
        document["Jobs"] = {name: _grouped(attributes) for name, attributes in records}
    if not release:
        text = json.dumps(document, ensure_ascii=False, indent="\t", separators=(",", ":\t"))
        return re.sub(r'("(?:ncpus|nodect|ngpus|Priority|Exit_status)":\t)"(-?\d+)"', r"\1\2", text).encode()
    return b"\n".join(_release_lines(document, 0)) + b"\n"


def _grouped(attributes: List[Tuple[str, str]]) -> Dict[str, Any]:
    grouped: Dict[str, Any] = {}
    for key, value in attributes:
        group, dot, resource = key.partition(".")
        if dot:
            grouped.setdefault(group, {})[resource] = value
        elif key == "Variable_List":
            grouped[key] = dict(pair.partition("=")[::2] for pair in re.split(r"(?<!\\),", value))
        else:
            grouped[key] = value
    return grouped


def _release_lines(value: Dict[str, Any], depth: int) -> List[bytes]:
    lines = [b"{"]
    for number, (key, item) in enumerate(value.items()):
        start = b" " * (4 * depth + 4) + b'"%b":' % key.encode()
        inner = _release_lines(item, depth + 1) if isinstance(item, dict) else [_release_value(item)]
        inner[-1] += b"," if number < len(value) - 1 else b""
        lines += [start + inner[0], *inner[1:]]
    return [*lines, b" " * (4 * depth) + b"}"]


def _release_value(item: Any) -> bytes:
    if isinstance(item, int):
        return b"%d" % item
    if _is_number_to_c(item):
        return item.encode()  # unquoted, whatever it looks like
    escapes = {'"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "\f": "\\f", "\b": "\\b"}
    escaped = "".join(escapes.get(character, character) for character in item)
    return b'"%b"' % _shown(escaped.encode(), release=True)


def _is_number_to_c(text: str) -> bool:
    """strtod takes all of it; with a leading zero only what is less than one counts."""
    number = re.fullmatch(
        r"[ \t]*[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|0x[0-9a-f]+|nan|inf|infinity)\s*",
        text,
        re.IGNORECASE | re.ASCII,
    )
    if not number:
        return False
    if not text.startswith("0"):
        return True
    return "x" not in text.lower() and float(text) < 1
