"""Structure of the listings made of blocks: a header at column 0, then one indented `name = value` a line.

`qstat -f`, `qstat -Q -f`, `qstat -B -f` and `pbsnodes -a` of TORQUE and of Slurm's torque wrappers print so. What the
names and values mean is the business of the modules that use this one.

The form can be forged: a value may hold line breaks, and so a header and a whole record of the user's choice. What
can be noticed is told: an attribute that stands twice in a block, and a line that looks like a header in a place where
no header can be.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Dict, Iterator, List, Tuple

from agent.errors import ParseError
from agent.parsers.notes import Notes


@dataclass(frozen=True)
class Block:
    """One record as it was printed."""

    name: str
    """What follows the header's word; for nodes the header itself."""
    attributes: Dict[str, str]
    doubtful: Tuple[str, ...] = ()
    """What shows that a value holds line breaks that imitate the form, in words."""


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


@dataclass
class Blocks:
    """All blocks of one output."""

    blocks: List[Block] = field(default_factory=list)
    cut: str = ""
    """Name of the last record where it was left out because the output ends inside it; else empty."""
    stray: int = 0
    """Number of characters before the first block."""
    doubles: List[str] = field(default_factory=list)
    """Names of doubtful blocks that were left out because another block of that name is not doubtful."""


def parse_blocks(raw: bytes, form: Form) -> Blocks:
    """Read one output's blocks, in the order they were printed.

    `raw` is the output as it came; empty or blank output gives no blocks. Every block ends with an empty line, so an
    output without one at its end was cut: its last block is left out and named. Raises ParseError where the output is
    not blank and has no block at all.
    """
    if form.wraps:
        raw = raw.replace(b"\n\t", b"")
    text = raw.decode("utf-8", "replace")
    if not text.strip():
        return Blocks()
    header = re.escape(form.header) + "[ \\t]+" if form.header else ""
    head = rf"\n{header}(\S[^\n]*)\n(?=[ \t]+{form.first} = )"
    text = "\n" + text
    first = re.search(head, text)
    if not first:
        raise ParseError(f"expected {form.what}, got {len(raw)} bytes that hold none: {_excerpt(text)}")
    # The first header may follow a warning that the client printed; every other one stands after an empty line.
    starts = [first, *re.compile(r"\n" + head).finditer(text, first.end())]
    read = Blocks(stray=len(text[: starts[0].start()].strip()))
    ends = [start.start() for start in starts[1:]] + [len(text)]
    for start, end in zip(starts, ends):
        name = start.group(1).strip()
        if end == len(text) and not text.endswith("\n\n"):
            read.cut = name
        else:
            read.blocks.append(_block(name, text[start.end() : end], form))
    sound = {block.name for block in read.blocks if not block.doubtful}
    read.doubles = [block.name for block in read.blocks if block.doubtful and block.name in sound]
    if read.doubles:
        read.blocks = [block for block in read.blocks if not block.doubtful or block.name not in sound]
    return read


def take_blocks(raw: bytes, form: Form, notes: Notes) -> Iterator[Tuple[str, Dict[str, str]]]:
    """The same as names and attributes, with everything that is wrong with the form told in `notes`.

    Raises ParseError where parse_blocks does, and where not even the first block is whole.
    """
    read = parse_blocks(raw, form)
    if read.stray:
        notes.add(f"{read.stray} characters stand before the first record")
    for name in read.doubles:
        notes.add(
            "the record that holds line breaks inside a value does not count: there is another of this name", name
        )
    for block in read.blocks:
        for doubt in block.doubtful:
            notes.add(f"a value holds line breaks: {doubt}", block.name)
        yield block.name, block.attributes
    if read.cut:
        notes.leave_out(read.cut, "the output ends inside it")
        if not read.blocks:
            raise ParseError(f"expected {form.what}, got {len(raw)} bytes that end inside the first one")


def _block(name: str, body: str, form: Form) -> Block:
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
    return Block(name, attributes, tuple(doubtful))


_IS_NAME = re.compile(r"[A-Za-z_][\w.-]*\Z").match


def _excerpt(text: str) -> str:
    return ascii(text.strip()[:80])
