"""The table of what Maui's and Moab's `diagnose -q` say of jobs that are blocked, without `job ID` before it. Pure."""

from __future__ import annotations

import re

from webstat.format import number, shorten
from webstat.native_reasons.told import (
    ASK,
    CHANGE,
    ELSEWHERE,
    OWN_END,
    SOONER,
    THE_TIME,
    THEIR_END,
    WHICH,
    WITHOUT,
    Told,
    Waiting,
    failed,
    held_by_user,
    never,
    plain,
    resource,
    rows,
    with_ahead,
)

_COUNTED = frozenset({"running jobs", "waiting jobs", "array jobs", "cores", "nodes", "GPUs"})
_WHOSE = {"class": "queue", "acct": "account", "qos": "QOS", "par": "cluster"}


def _limit(match: re.Match[str], waiting: Waiting) -> Told:
    """`violates active HARD MAXPROC limit of 160 for class long  partition ALL (Req: 2  InUse: 160)`."""
    what, whose, name = match["what"].upper(), match["whose"].lower(), match["name"]
    idle = match["reach"].lower() == "idle"
    bare = what[3:].removeprefix("I") if idle else what[3:]
    noun = "waiting jobs" if idle and bare == "JOB" else resource(bare)
    most = f"{number(int(match['most']))} {noun}" if noun in _COUNTED else noun
    if what.startswith("MIN"):
        return Told("never", f"Cannot run: asks for fewer than {most}, the least here.", CHANGE)
    if match["reach"].lower() == "system":
        return Told("never", f"Cannot run: asks for more than {most}, the most of a job here.", CHANGE)
    if whose == "user" or (match["of"] or "").lower() == "user":
        place = f" in {shorten(name, 16)}" if whose == "class" and name else ""
        return Told("user_limit", f"{waiting.who} is at the limit of {most}{place}.", OWN_END)
    whose = _WHOSE.get(whose, whose)
    named = f" {shorten(name, 24)}" if name and whose != "cluster" else ""
    return Told("group_limit", f"The {whose}{named} is at its limit of {most}.", THEIR_END)


def _idle_cores(match: re.Match[str], waiting: Waiting) -> Told:
    needs = f"Needs {number(int(match['asked']))} cores, {number(int(match['free']))} are free"
    return Told("full", waiting.with_ahead(needs), SOONER)


_HOLD = r"has the following hold\(s\) in place: ?"
_UNTIL = {"start": "starts", "failed": "fails", "success": "ends without error"}


def _requires(match: re.Match[str], waiting: Waiting) -> Told:
    what = match["what"].lower()
    verb = next((verb for word, verb in _UNTIL.items() if word in what), "ends")
    return Told("dependency", f"Waits until {shorten(match['job'], 40)} {verb}.", WITHOUT)


_DEFERRED = failed("Failed to start; the scheduler put it off.")

ROWS = rows(
    "maui src/moab/MQueue.c",
    (_HOLD + r"(?:\S+,)?(?:Defer|Batch)", _DEFERRED),
    (_HOLD + r"User\b(?!,)", held_by_user),
    (_HOLD, plain("held", "An admin or the system holds it.", ASK)),
    (r"has non-idle expected state \(expected state: Deferred", _DEFERRED),
    (r"has non-idle (?:expected )?state", plain("other", "Maui does not count it as waiting.", ASK)),
    (r"has not reached its start date", plain("later", "Starts not before the time asked for.", THE_TIME)),
    (r"requires (?P<what>\w+) of job '?(?P<job>[^')\s]+)", _requires),
    (r"would violate 'local' fairness", plain("group_limit", "It would go beyond a limit of this cluster.", WHICH)),
    (r"requires class(?:es)? not configured", never("no nodes serve its queue")),
    (r"not allowed to run in partition", never("it may not use the nodes there are")),
    (r"would violate USER FS cap", lambda match, waiting: Told(
        "user_limit", f"{waiting.who} has used up the fair share.", "It can start as that is forgotten with time.")),
    (r"would violate (?P<whose>\w+) FS cap", plain(
        "group_limit", "Its group or queue has used up its fair share.", "It can start as that is forgotten with time.")),
    (r"is blocked by idle job policy", lambda match, waiting: Told(
        "user_limit", f"{waiting.who} has as many waiting jobs as are looked at.", OWN_END)),
    (r"is not blocked at this policy level", with_ahead("order", "No limit keeps it from starting", SOONER)),
) + rows(
    "maui src/moab/MJob.c",
    (r"violates (?P<reach>active|idle|system) (?:SOFT|HARD|\w+) (?P<what>M\w+) limit of (?P<most>\d{1,12}) for "
     r"(?P<whose>\w+) *(?P<name>(?!partition)[^\s(]+)? *(?P<of>(?!partition)[a-z]+)?", _limit),
    (r"(?:would violate|violates).*? for user", lambda match, waiting: Told(
        "user_limit", f"{waiting.who} is at a limit of this cluster.", OWN_END)),
    (r"(?:would violate|violates)", plain("group_limit", "It would go beyond a limit of this cluster.", WHICH)),
) + rows(
    "maui src/moab/MUI.c",
    (r"(?:job )?cannot run in partition \S+ \(insufficient idle procs available: (?P<free>\d{1,9}) < (?P<asked>\d{1,9})",
     _idle_cores),
    (r"(?:job )?cannot run in partition \S+ \(", with_ahead("full", "Too few nodes of its kind are free", ELSEWHERE)),
)  # fmt: skip
