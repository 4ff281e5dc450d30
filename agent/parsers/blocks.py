"""Structure of the listings made of blocks: a header at column 0, then one indented `name = value` a line.

`qstat -f`, `qstat -Q -f`, `qstat -B -f` and `pbsnodes -a` of TORQUE and of Slurm's torque wrappers print so. What the
names and values mean is the business of the modules that use this one.

The form can be forged: a value may hold line breaks, and so a header and a whole record of the user's choice. What
can be noticed is told: an attribute that stands twice in a block, and a line that looks like a header in a place where
no header can be.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Dict, Iterator, List, Set, Tuple

from agent.errors import ParseError
from agent.parsers.notes import Notes


@dataclass(frozen=True)
class Form:
    """How one command prints its blocks."""

    what: str
    """The listing, in the words of a message: `jobs of qstat -f`."""
    header: str
    """Word before the name, `Job Id:`; empty where the name stands alone."""
    first: str
    """The attribute that follows every header: a header without it is part of a value."""
    wraps: bool
    """Whether long lines are broken by newline and TAB."""
    last_counts: bool = False
    """Of an attribute that stands twice, take the last: where what users type comes before all the rest."""


def take_blocks(raw: bytes, form: Form, notes: Notes) -> Iterator[Tuple[str, Dict[str, str]]]:
    """Names and attributes of one output's blocks, in the order they were printed; what is wrong goes to `notes`.

    `raw` is the output as it came; empty or blank output gives no blocks. Every block ends with an empty line, so an
    output without one at its end was cut: its last block is left out and named. Raises ParseError where the output is
    not blank and has no whole block at all.
    """
    if not raw or raw.isspace():
        return
    size, raw = len(raw), b"\n" + raw
    if form.wraps:
        raw = raw.replace(b"\n\t", b"")
    text = raw.decode("utf-8", "replace")
    del raw  # listings are large
    header = re.escape(form.header) + "[ \\t]+" if form.header else ""
    head = rf"\n{header}(\S[^\n]*)\n(?=[ \t]+{form.first} = )"
    first = re.search(head, text)
    if not first:
        raise ParseError(f"expected {form.what}, got {size} bytes that hold none: {text.strip()[:80]!a}")
    # The first header may follow a warning that the client printed; every other one stands after an empty line.
    starts = [first, *re.compile(r"\n" + head).finditer(text, first.end())]
    ends = [start.start() for start in starts[1:]] + [len(text)]
    places = [(start[1].strip(), start.end(), end) for start, end in zip(starts, ends)]
    cut = "" if text.endswith("\n\n") else places.pop()[0]
    if not places:
        raise ParseError(f"expected {form.what}, got {size} bytes that end inside the first one")
    stray = len(text[: first.start()].strip())
    if stray:
        notes.add(f"{stray} characters stand before the first record")
    sound = _sound_doubles(text, places, form)
    for name, start, end in places:
        attributes, doubts = _block(text[start:end], form)
        if doubts and name in sound:
            notes.add(
                "the record that holds line breaks inside a value does not count: there is another of this name", name
            )
            continue
        for doubt in doubts:
            notes.add(f"a value holds line breaks: {doubt}", name)
        yield name, attributes
    if cut:
        notes.leave_out(cut, "the output ends inside it")


def _sound_doubles(text: str, places: List[Tuple[str, int, int]], form: Form) -> Set[str]:
    """The names that stand twice and at least once without a doubt."""
    counts = Counter(name for name, _, _ in places)
    return {name for name, start, end in places if counts[name] > 1 and not _block(text[start:end], form)[1]}


def _block(body: str, form: Form) -> Tuple[Dict[str, str], List[str]]:
    """Its attributes, and what shows that a value holds line breaks that imitate the form."""
    attributes: Dict[str, str] = {}
    doubtful: List[str] = []
    more: List[str] = []
    key = ""
    for line in body.rstrip("\n").split("\n"):
        attribute, equals, value = line.partition(" = ")
        if equals and line[:1] in " \t" and _IS_NAME(attribute.strip()):
            if more:
                attributes[key] += "\n" + "\n".join(more)
                more = []
            key = attribute.strip()
            if key in attributes:
                doubtful.append(f"{key} stands twice")
                if not form.last_counts:
                    key = ""
            attributes[key] = value
        elif form.header and line.startswith(form.header):
            doubtful.append(f"a value holds the line {line[:60]!r}")
        else:
            more.append(line)
    if more:
        attributes[key] = "\n".join([attributes.get(key, ""), *more])
    attributes.pop("", None)
    return attributes, doubtful


_IS_NAME = re.compile(r"[A-Za-z_][\w.-]*\Z").match
