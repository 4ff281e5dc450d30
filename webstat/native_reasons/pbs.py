"""The table of OpenPBS's texts and TORQUE's pbs_sched. Pure.

Numbers are those of the text, and the jobs ahead where the caller counted them. A comment may have been cut anywhere.
"""

from __future__ import annotations

import re

from webstat.format import memory, number, shorten
from webstat.native_reasons.told import (
    ARRAY_LIMIT,
    ASK,
    BEFORE,
    CHANGE,
    ELSEWHERE,
    FULL,
    OTHERS_END,
    OWN_END,
    SHORTER,
    SOONER,
    THEIR_END,
    Told,
    Waiting,
    failed,
    never,
    order,
    plain,
    resource,
    rows,
    stopped,
    tell,
    with_ahead,
)

_KINDS = {"cores": "full", "GPUs": "gpu", "memory": "memory", "virtual memory": "memory", "nodes": "full"}

_UNITS = {"b": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30, "tb": 1 << 40, "pb": 1 << 50}
# ncpus (R: 264 A: 22 T: 1504) · mem (R: 16gb A: 0kb T: 25984gb) · gpu_model (h100 != a100,v100) · ncpus
# A comment may have been cut anywhere: what is missing is not told.
_AMOUNTS = (
    r"(?P<name>\S+)?(?: \((?:R: (?P<asked>\S+)(?: A: (?P<free>-?\w+)(?: T: (?P<all>\w+)\))?)?"
    r"|(?P<want>[^!]*?) != (?P<have>.*?)\)?\Z))?"
)


def _amount(text: str | None) -> float | None:
    found = re.fullmatch(r"(-?\d{1,18})([kmgtp]?b)?", text or "", re.IGNORECASE)
    return float(found[1]) * _UNITS[(found[2] or "b").lower()] if found else None


def _of(value: float, noun: str, text: str | None) -> str:
    if (text or "").lower().endswith("b"):
        return f"{memory(value)} of {noun}"
    if value == 1 and noun in ("cores", "GPUs", "nodes"):
        noun = noun[:-1]
    return f"{number(value)} {noun}"


def _bare(value: float, text: str | None) -> str:
    return memory(value) if (text or "").lower().endswith("b") else number(value)


def _insufficient(match: re.Match[str], waiting: Waiting) -> Told:
    noun = resource(match["name"] or "resources")
    asked, free, total = _amount(match["asked"]), _amount(match["free"]), _amount(match["all"])
    kind = _KINDS.get(noun, "licence" if match["where"] else "resource")
    helps = SOONER if kind == "full" else ELSEWHERE
    if match["want"] is not None:
        return Told("resource", f"No node with {noun} {shorten(match['want'], 16)} is free.", helps)
    if asked is None or free is None:
        name = f"The {noun} it asks for is" if kind == "resource" else f"The {noun} it needs are"
        return Told(kind, waiting.with_ahead(f"{name} not free"), helps)
    needs = f"Needs {_of(asked, noun, match['asked'])}"
    if free >= asked:
        return Told(kind, f"{needs}; {_bare(free, match['free'])} are free, not where it can run.", helps)
    if kind == "gpu" and total and free <= 0:
        return Told(kind, waiting.with_ahead(f"{needs}, all {number(total)} are busy"), helps)
    of_all = f" of {_bare(total, match['all'])}" if total and kind in ("gpu", "licence") else ""
    left = "none" if free <= 0 else f"{_bare(free, match['free'])}{of_all}"
    join = ";" if waiting.ahead is None else ","
    is_one = free <= 1 or match["free"].lower().endswith("b")
    return Told(kind, waiting.with_ahead(f"{needs}{join} {left} {'is' if is_one else 'are'} free"), helps)


def _never_enough(match: re.Match[str], waiting: Waiting) -> Told:
    noun = resource(match["name"] or "resources")
    asked, most = _amount(match["asked"]), _amount(match["all"] or match["free"])
    if match["want"] is not None:
        words = f"asks for {noun} {shorten(match['want'], 16)}; there is only {shorten(match['have'].replace(',', ', '), 24)}"
        return Told("never", f"Cannot ever run: {words}.", CHANGE)
    if asked is None or most is None:
        return Told("never", f"Cannot ever run: asks for more {noun} than there are.", CHANGE)
    there = "none" if most <= 0 else _bare(most, match["all"] or match["free"])
    verb = "are" if most > 1 and noun.endswith("s") else "is"
    return Told(
        "never",
        f"Cannot ever run: asks for {_of(asked, noun, match['asked'])}, there {verb} {there}.",
        f"Ask for at most {_of(most, noun, match['all'] or match['free'])}." if most > 0 else CHANGE,
    )


def _limit(match: re.Match[str], waiting: Waiting) -> Told:
    """A limit of PBS: whose (user, group, project, all), of what, and where (a queue, the server)."""
    parts = match.groupdict()
    noun = resource(parts["name"]) if parts.get("name") else "running jobs"
    queue = parts.get("queue") or (waiting.queue if parts.get("here") else None)
    place = f" in {shorten(queue, 16)}" if queue else " on this cluster"
    whose = (parts.get("whose") or "").lower()
    if whose == "user":
        who = shorten(parts["owner"]) if parts.get("owner") else waiting.who
        return Told("user_limit", f"{who} is at the limit of {noun}{place}.", OWN_END)
    if whose:
        who = f"The {whose}{' ' + shorten(parts['owner']) if parts.get('owner') else ''}"
        return Told("group_limit", f"{who} is at its limit of {noun}{place}.", THEIR_END)
    who = f"The queue {shorten(queue, 16)}" if queue else "The cluster"
    return Told("group_limit", f"{who} is at its limit of {noun}.", OTHERS_END)


_FAILURES = {
    "unknown node": "node unknown to the server",
    "unknown node-attribute": "node property unknown to the server",
}


def _failed(match: re.Match[str], waiting: Waiting) -> Told:
    said = match["why"].strip()
    words = _FAILURES.get(said.lower(), f"“{shorten(said, 60)}”")
    return Told("failed", f"Failed to start: {words}.", tell(waiting))


_ORDER, _STOPPED = (lambda match, waiting: order(waiting)), (lambda match, waiting: stopped(waiting))
_KIND_BUSY = with_ahead("full", "Too few nodes of its kind are free", SOONER)
_KEPT = plain("kept", "Nodes are kept for a bigger job or a reservation.", SHORTER)
_MAINTENANCE = plain("maintenance", "Would run into a maintenance or reservation.", BEFORE)
_NOT_SET_UP = plain("resource", "No node can be set up as it asks.", ASK)

NEVER = rows(
    "openpbs src/scheduler/job_info.cpp",
    (r"Insufficient amount of (?:(?:queue|server) )?resource: " + _AMOUNTS, _never_enough),
    (r"Not enough total nodes", never("asks for more nodes than there are")),
    (r"Not enough (?:free nodes|of the right type of nodes)", never("asks for more nodes than there are")),
    (r"can't fit in the largest placement set", never("is larger than any group of nodes")),
    (r"would exceed .{0,200}?limit on resource (?P<name>\S+)", lambda match, waiting: Told(
        "never", f"Cannot ever run: asks for more {resource(match['name'])} than the limit.", CHANGE)),
    (r"Invalid Job/Resv", never("what it asks for is not valid")),
    (r"Specified (?P<what>\S+) does not exist", lambda match, waiting: Told(
        "never", f"Cannot ever run: the {shorten(match['what'], 20)} it asks for does not exist.", CHANGE)),
    (r"(?P<said>.+)", lambda match, waiting: Told(
        "never", f"Cannot ever run: “{shorten(match['said'], 60)}”.", CHANGE)),
)  # fmt: skip
"""What follows `Can Never Run: `."""

_PER = r"(?:per-(?P<whose>user|group|project) )?"
ROWS = rows(
    "openpbs src/scheduler/job_info.cpp",
    (r"Insufficient amount of (?P<where>queue |server )?resource: ?" + _AMOUNTS, _insufficient),
    (r"Not enough of the right type of nodes", _KIND_BUSY),
    (r"Not enough (?:free )?nodes|No available resources on nodes|Too few free resources", FULL),
    (r"\S+ set \S+ has too few free resources", FULL),
    (r"Can't preempt enough work", with_ahead("full", "Too little can be suspended to make room", SOONER)),
    (r"Max number of small cpusets", with_ahead("resource", "No small part of a node is free", SOONER)),
    (r".{0,80}is requesting an exclusive node|Nodes not available|Node has reached (?:job|user|group) run limit"
     r"|Node ineligible because job requested pack", with_ahead("full", "No node is free enough for it", SOONER)),
    (r"Node is in an ineligible state|Node has no PBS license|Node not eligible", plain(
        "maintenance", "The nodes it could use are out or not licensed.", ELSEWHERE)),
    (r"Node is of an ineligible type|Node can't satisfy a multi-node job", plain(
        "resource", "No node it may use is of its kind.", ELSEWHERE)),
    (r"Queue not started", _STOPPED),
    (r"Queue not an execution queue", plain("queue_stopped", "Its queue only passes jobs on, and has not yet.", ASK)),
    (r"Job would break strict sorted order", _ORDER),
    (r"Job is under job_sort_formula threshold", _ORDER),
    (r"Job would (?:conflict with reservation or|interfere with a) top job", _KEPT),
    (r"Job would interfere with a confirmed reservation", _KEPT),
    (r"(?:Provisioning for job would interfere with backfill|Provision conflict)", _KEPT),
    (r"Cannot provision", _NOT_SET_UP),
    (r"Job would cross (?:dedicated time|prime)|Dedicated time conflict|Job will cross|Job would not finish before",
     _MAINTENANCE),
    (r"Job will run in (?P<when>(?:non)?prime)time only", lambda match, waiting: Told(
        "later", f"Runs only {'outside' if match['when'].lower() == 'nonprime' else 'in'} prime time.",
        "A queue for all hours may start it sooner.")),
    (r"Number of concurrent running subjobs limit", lambda match, waiting: ARRAY_LIMIT),
    (r"(?P<whose>User|Group|Project) has reached queue(?P<here> running|(?: (?P<queue>\S+?)(?:'s)?) running)", _limit),
    (r"(?P<whose>User|Group|Project) has reached server", _limit),
    (r"(?:Queue (?P<queue>\S+)|Server) " + _PER + r"limit reached on resource (?P<name>\S+)", _limit),
    (r"(?:Queue (?P<queue>\S+)|Server) job limit reached for (?P<whose>user|group|project) (?P<owner>\S+)", _limit),
    (r"would exceed (?P<whose>user|group|project) (?P<owner>\S+?)'s limit on resource (?P<name>\S+)"
     r"(?: in (?:complex|queue (?P<queue>\S+)))?", _limit),
    (r"would exceed overall limit on resource (?P<name>\S+)(?: in (?:complex|queue (?P<queue>\S+)))?", _limit),
    (r"Queue(?P<here> |(?: (?P<queue>\S+)) )job limit has been reached|Server job limit has been reached", _limit),
    (r"Job would exceed mission CPU share", plain("group_limit", "Its mission is at its share of cores.", THEIR_END)),
    (r"Job exceeds total mission share", never("asks for more cores than its mission has")),
    (r"Job has zero shares", plain("group_limit", "Its group has no share of the cluster.", ASK)),
    (r"Specified (?P<what>\S+) does not exist", lambda match, waiting: Told(
        "never", f"Cannot run: the {shorten(match['what'], 20)} it asks for does not exist.", CHANGE)),
    (r"can't fit in the largest placement set", never("is larger than any group of nodes")),
    (r"Invalid Job/Resv", never("what it asks for is not valid")),
    (r"Internal Scheduling Error", failed("The scheduler ran into an error with it.")),
    (r"Job (?:is )?not in queued state", plain("other", "The scheduler does not count it as queued.", ASK)),
    (r"PBS Error: ?(?P<why>.*)", _failed),
) + rows(
    "openpbs src/server",
    (r"Job (?:array )?held,? too many failed attempts to run", failed(
        "The server holds it: it failed to start too often.")),
    (r"Job Array Began at", plain("array_begun", "Its array has begun; no reason is given for this task.")),
    (r"Job held by (?P<owner>\S+) on", lambda match, waiting: Told(
        "held", f"{shorten(match['owner'])} holds it.", ASK)),
    (r"Job (?:run|was sent for execution) at", plain("other", "It was started before, and waits to run again.")),
) + rows(
    "torque src/scheduler.cc/samples/fifo",
    (r"Not enough memory available", with_ahead("memory", "The memory it needs is not free", ELSEWHERE)),
    (r"Not enough cpus available", with_ahead("full", "The cores it needs are not free", SOONER)),
    (r"All timesharing nodes are too loaded|Load is above max", FULL),
    (r"Strict fifo order", _ORDER),
    (r"Draining system to allow", plain("kept", "Nodes are kept for a job that waited too long.", SHORTER)),
    (r"Max token usage reached", plain("licence", "The licences it needs are taken.", ELSEWHERE)),
    (r"Queue is configured to be ignored", plain("queue_stopped", "The scheduler leaves its queue out.", ASK)),
    (r"An internal scheduling error", failed("The scheduler ran into an error with it.")),
    (r"Job started on", plain("other", "It was started before, and waits to run again.")),
)  # fmt: skip
"""What follows `Not Running: `, or stands alone."""
