"""What Maui and Moab tell of waiting jobs: `diagnose -p` (priorities) and `diagnose -q` (reasons).

The forms are those of the Maui and Moab manuals, not of a recorded cluster: reading is tolerant, and
what is not a job's line is passed over. Finding the job that an id means is left to diagnose.py.
"""

from __future__ import annotations

import re
from typing import Dict, List

from agent.errors import ParseError

# 13678    1321*    7.6(100.0)   0.2(  2.7)  92.2(1218.)      the star marks a priority set by hand
_PRIORITY_LINE = re.compile(r"\s*(\S+)\s+(-?\d{1,18})\*?(?:\s+[-\d.].*)?\Z")
# job 67                   has the following hold(s) in place:  Defer
_REASON_LINE = re.compile(r"\s*job\s+'?([^\s']+)'?\s+(\S.*)\Z", re.IGNORECASE)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def parse_priorities(raw: bytes) -> Dict[str, int]:
    """`diagnose -p`: job id as Maui prints it -> start priority; raises ParseError if it is no such listing."""
    lines = _lines(raw)
    header = next((number for number, line in enumerate(lines) if "PRIORITY" in line), None)
    if header is None:
        if any(line.strip() for line in lines):
            raise _not_this("diagnose -p", "a header line with PRIORITY", lines)
        return {}
    matches = map(_PRIORITY_LINE.match, lines[header + 1 :])
    return {found.group(1): int(found.group(2)) for found in matches if found}


def parse_reasons(raw: bytes) -> Dict[str, str]:
    """`diagnose -q`: job id as Maui prints it -> why it is blocked, several reasons joined by `; `."""
    lines = _lines(raw)
    reasons: Dict[str, List[str]] = {}
    for line in lines:
        found = _REASON_LINE.match(line)
        if found:
            reasons.setdefault(found.group(1), []).append(" ".join(found.group(2).split()))
    if not reasons and any(line.strip() for line in lines) and not re.search("blocked|diagnosing", "\n".join(lines)):
        raise _not_this("diagnose -q", "lines 'job ID reason'", lines)
    return {job: "; ".join(dict.fromkeys(words)) for job, words in reasons.items()}


def _lines(raw: bytes) -> List[str]:
    return [_UNPRINTABLE.sub(" ", line) for line in raw.decode("utf-8", "replace").split("\n")]


def _not_this(command: str, expected: str, lines: List[str]) -> ParseError:
    first = next(line.strip() for line in lines if line.strip())
    return ParseError(f"{command}: expected {expected}, it begins with {first[:80]!r}")
