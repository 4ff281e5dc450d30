"""What OpenPBS's node and queue attributes mean, in whichever format they were printed, and how its text is decoded.

Values come as the client printed them, one character per byte (Latin-1). Finding names and values in an output is left
to openpbs_text and openpbs_json, jobs to openpbs_jobs.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Callable, Dict, Iterator, List, Mapping, Optional, Tuple

from agent.parsers.notes import Notes
from agent.parsers.values import MAX_TEXT, parse_bytes, parse_integer, parse_seconds, printable, restricts
from agent.report import Node, Queue
from agent.states import OPENPBS_NODE_STATES, JobState, NodeState, occupied, worst

Attributes = Mapping[str, str]

MAX_RECORD = 8_000_000
"""Bytes. Longer records are not read: an environment has to fit into the kernel's 2 MB for a program's arguments."""

CUT = "the output ends inside it"
TOO_LONG = f"it is longer than {MAX_RECORD} bytes"

COUNTER = re.compile(r"(?<![A-Za-z])([A-Za-z]{1,40}):([0-9]{1,9})(?:\s|\Z)")
"""One counter of `state_count` and `array_state_count`: word and number."""


def decoded(value: str) -> str:
    """What people wrote, printable, from one character per byte.

    The release's client prints each byte outside ASCII as `^` and the byte plus 0x40, the newer one leaves UTF-8 as
    it is. `^` and something is taken back where a whole UTF-8 character comes out of it; elsewhere it was typed so.
    """
    value = value[: 8 * MAX_TEXT]  # no character is printed as more than eight bytes
    if not value.isascii() or "^" in value:
        value = _CARETS.sub(_uncareted, value)
        with suppress(UnicodeEncodeError):  # from a \u escape of JSON: it is decoded already
            value = value.encode("latin-1").decode("utf-8", "replace")
    return printable(value)


_CARETS = re.compile(r"\^[\x02-\x1f]\^[\xc0-\xff]|\^[\x20-\x2f](?:\^[\xc0-\xff]){2}|\^[\x30-\x34](?:\^[\xc0-\xff]){3}")


def _uncareted(match: re.Match[str]) -> str:
    raw = bytes((ord(character) - 0x40) & 0xFF for character in match[0][1::2])
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return match[0]
    return raw.decode("latin-1")


def read_node(name: str, attributes: Attributes, notes: Notes) -> Node:
    """One vnode of `pbsnodes -av`, or one host of `pbsnodes -a`. ValueError, with the reason, where it cannot be read.

    `pbsnodes -a` prints `<various>` where the vnodes of a host differ; a state so merged is unknown.
    """
    words = [word.strip() for word in attributes.get("state", "").split(",") if word.strip()]
    if not words:
        raise ValueError(attributes.get("Error", "").strip() or "it has no state")
    for word in words:
        if word == "<various>":
            notes.add("vnodes of one host were merged, their states are lost; pbsnodes -av lists each", name)
        elif word not in OPENPBS_NODE_STATES:
            notes.add(f"node state {word[:40]!r} is unknown")
    state = worst(OPENPBS_NODE_STATES.get(word, NodeState.UNKNOWN) for word in words)
    cores = _amount(parse_integer, attributes, "ncpus", notes, name)
    gpus = _amount(parse_integer, attributes, "ngpus", notes, name)
    memory = _amount(parse_bytes, attributes, "mem", notes, name)
    jobs = [job.strip().partition("/")[0] for job in attributes.get("jobs", "").split(",")]
    comment = decoded(attributes.get("comment", ""))
    return Node(
        name=decoded(name),
        state=occupied(state, cores[0] or 0, cores[1] or 0),
        native_state=decoded(",".join(words)),
        cores=cores[0],
        cores_used=cores[1],
        gpus=gpus[0],
        gpus_used=gpus[1],
        memory_bytes=memory[0],
        memory_used_bytes=memory[1],
        jobs=tuple(dict.fromkeys(decoded(job) for job in jobs if job)),
        properties=tuple(_properties(attributes)),
        comment=comment or None,
    )


def _amount(
    convert: Callable[[Optional[str]], Optional[int]], attributes: Attributes, resource: str, notes: Notes, name: str
) -> Tuple[Optional[int], Optional[int]]:
    """How much of a resource there is and how much is taken; what is there and not assigned to anybody is free."""
    amounts: List[Optional[int]] = []
    for group in ("resources_available", "resources_assigned"):
        text = attributes.get(f"{group}.{resource}")
        amounts.append(convert(text))
        if text is not None and amounts[-1] is None and text != "<various>":
            notes.add(f"its {group}.{resource} {text[:40]!r} cannot be read", name)
    there, taken = amounts
    if there is None:
        return None, taken or None  # the text prints zeros for a node that never reported
    return there, 0 if f"resources_assigned.{resource}" not in attributes else taken


_LISTS = ("queue", "resources_available.Qlist", "resources_available.feature", "resources_available.features")
_OF_EVERY_NODE = frozenset({"arch", "host", "vnode"})
_QUANTITY = re.compile(r"[-+]?[0-9][0-9.]*[kmgtpe]?[bw]?\Z", re.IGNORECASE).match


def _properties(attributes: Attributes) -> Iterator[str]:
    """Queues and features that a node serves, then its other named resources: `gpu_model=a100`, `has_nvme`."""
    for key in _LISTS:
        yield from (decoded(word.strip()) for word in attributes.get(key, "").split(",") if word.strip())
    for key, value in sorted(attributes.items()):
        group, _, resource = key.partition(".")
        if group == "resources_available" and key not in _LISTS and resource not in _OF_EVERY_NODE:
            if value == "True":
                yield decoded(resource)
            elif value not in ("False", "<various>", "") and not _QUANTITY(value):
                yield decoded(f"{resource}={value}")


def read_queue(name: str, attributes: Attributes, notes: Notes) -> Queue:
    """One record of `qstat -Q -f`. ValueError, with the reason, where it cannot be read."""
    kind = _QUEUE_TYPES.get(attributes.get("queue_type", ""))
    if not kind:
        raise ValueError(f"its queue_type is {attributes.get('queue_type', '')[:40]!r}")
    counts: Dict[str, int] = {}
    for word, number in COUNTER.findall(attributes.get("state_count", "")):
        if word in _COUNTED:
            counts[_COUNTED[word].value] = int(number)
        elif word not in _NOT_JOBS:
            notes.add(f"state_count has an unknown state {word[:40]!r}")
    return Queue(
        name=decoded(name),
        type=kind,
        enabled=_TRUTH.get(attributes.get("enabled", "")),
        started=_TRUTH.get(attributes.get("started", "")),
        priority=parse_integer(attributes.get("Priority")),
        max_walltime_seconds=parse_seconds(attributes.get("resources_max.walltime")),
        jobs=counts,
        limits={decoded(key): _limit(value) for key, value in attributes.items() if value and restricts(key, value)},
    )


def _limit(value: str) -> str:
    """`[u:bob=4], [g:chem=9]`: the newer client joins what the release tells one by one, without the space."""
    return decoded(value).replace("],[", "], [")


_TRUTH = {"True": True, "False": False}
_QUEUE_TYPES = {"Execution": "execution", "Route": "routing"}
_COUNTED = {
    "Transit": JobState.TRANSITING,
    "Queued": JobState.QUEUED,
    "Held": JobState.HELD,
    "Waiting": JobState.WAITING,
    "Running": JobState.RUNNING,  # suspended ones are counted here
    "Exiting": JobState.EXITING,
}
_NOT_JOBS = frozenset({"Begun"})  # arrays that have begun; their subjobs are jobs
