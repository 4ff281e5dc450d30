"""The tables that schedulers' texts on waiting jobs pass through: OpenPBS, TORQUE with pbs_sched or Maui, Slurm. Pure.

What holds, dependencies and states say without any text is reasons.py's to tell. Numbers are those of the text, and
the jobs ahead where the caller counted them. A text that no table holds is read as None.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from webstat.format import memory, number, plural, shorten

LONGEST = 500
"""Characters of a text that are looked at."""


@dataclass(frozen=True)
class Waiting:
    """Whose text it is: names for the sentence, and how many jobs are ahead in the queue if that is known."""

    job_id: str = ""
    user: str = ""
    queue: str = ""
    ahead: int | None = None

    @property
    def who(self) -> str:
        """The user at the start of a sentence."""
        return shorten(self.user) if self.user else "Its user"

    @property
    def place(self) -> str:
        """The queue behind a number: ` in short`, or nothing."""
        return f" in {shorten(self.queue, 16)}" if self.queue else ""

    def with_ahead(self, words: str) -> str:
        """A sentence with the jobs ahead, without its full stop where it is given."""
        if self.ahead is None:
            return f"{words}."
        if self.ahead <= 0:
            return f"{words}; it is next{self.place}."
        return f"{words}; {plural(self.ahead, 'job')} {'is' if self.ahead == 1 else 'are'} ahead{self.place}."


@dataclass(frozen=True)
class Told:
    """What a text means: the kind, one sentence, and what would help."""

    kind: str
    words: str
    helps: str | None = None


Rule = Callable[[re.Match[str], Waiting], Told]

SOONER = "Fewer cores, or another queue or cluster, may start it sooner."
BETWEEN = "A smaller or shorter job may start before them."
SHORTER = "A shorter walltime may let it start before they are needed."
ELSEWHERE = "Another queue or cluster may have what it needs."
CHANGE = "Change what it asks for, or delete it."
BEFORE = "A walltime that ends before it may let it start now."
ASK = "Ask an admin."
OWN_END = "It can start when another job of this user ends."
THEIR_END = "It can start when another of their jobs ends."


def read(text: str, waiting: Waiting) -> Told | None:
    """What a scheduler's text means; None where the tables do not hold it."""
    found = _find(" ".join(text[:LONGEST].split()))
    return found[0](found[1], waiting) if found else None


@lru_cache(maxsize=4096)
def _find(text: str) -> tuple[Rule, re.Match[str]] | None:
    never = re.match(r"Can Never Run: ?", text)
    bare = text[never.end() :] if never else re.sub(r"\ANot Running(?: -|:) ?", "", text)
    for pattern, rule in _NEVER if never else _RULES:
        match = pattern.match(bare)
        if match:
            return rule, match
    return None


def resource(name: str) -> str:
    """A resource by the user's noun: `cores`, `GPUs`, `memory`; its own name where it has none."""
    return _NOUNS.get(name.lower(), shorten(name, 20))


_NOUNS = {
    "ncpus": "cores",
    "procs": "cores",
    "cpu": "cores",
    "cpus": "cores",
    "ngpus": "GPUs",
    "gpus": "GPUs",
    "gres": "GPUs",
    "mem": "memory",
    "memory": "memory",
    "pmem": "memory",
    "vmem": "virtual memory",
    "node": "nodes",
    "nodes": "nodes",
    "nodect": "nodes",
    "job": "running jobs",
    "jobs": "running jobs",
    "submitjobs": "submitted jobs",
    "wall": "walltime",
    "walltime": "walltime",
    "wallduration": "walltime",
    "time": "walltime",
    "cpuminutes": "core-minutes",
    "cpumins": "core-minutes",
    "cpurunminutes": "core-minutes",
    "billing": "billing units",
}
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


def _never(words: str, helps: str = CHANGE) -> Rule:
    return lambda match, waiting: Told("never", f"Cannot ever run: {words}.", helps)


def _plain(kind: str, words: str, helps: str | None = None) -> Rule:
    return lambda match, waiting: Told(kind, words, helps)


def _ahead(kind: str, words: str, helps: str | None = None) -> Rule:
    return lambda match, waiting: Told(kind, waiting.with_ahead(words), helps)


def _order(match: re.Match[str], waiting: Waiting) -> Told:
    if waiting.ahead is None:
        return Told("order", "Jobs of higher priority are ahead of it.", BETWEEN)
    if waiting.ahead <= 0:
        return Told("order", f"It is next{waiting.place}.", BETWEEN)
    is_are = "is" if waiting.ahead == 1 else "are"
    return Told("order", f"{plural(waiting.ahead, 'job')} {is_are} ahead of it{waiting.place}.", BETWEEN)


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
    return Told("group_limit", f"{who} is at its limit of {noun}.", "It can start when other jobs end.")


def _slurm_limit(match: re.Match[str], waiting: Waiting) -> Told:
    """A limit of an association or QOS: Assoc|QOS, Grp|Max|Min, of what, per what."""
    owner, reach, per = match["owner"] or "Assoc", match["reach"], match["per"] or ""
    noun = resource(match["name"])
    whose = "account" if owner.startswith("Assoc") else "QOS"
    if reach == "Min":
        return Told("never", f"Cannot run: asks for fewer {noun} than its {whose} demands.", CHANGE)
    if reach == "Grp" or "Account" in per or per == "PA":
        if "Account" in per or per == "PA":
            whose = "account"
        return Told("group_limit", f"Its {whose} is at its limit of {noun}.", THEIR_END)
    if "Job" in per or "Node" in per or (noun == "walltime" and "User" not in per):
        return Told("never", f"Cannot run: asks for more {noun} than its {whose} lets a job have.", CHANGE)
    return Told("user_limit", f"{waiting.who} is at the limit of {noun} of this {whose}.", OWN_END)


def _nodes_out(match: re.Match[str], waiting: Waiting) -> Told:
    nodes = (match["nodes"] or "").strip()
    which = f"a node it needs, {shorten(nodes, 20)}," if nodes else "a node it needs"
    return Told("maintenance", f"Cannot start: {which} is out or reserved.", BEFORE if not nodes else ELSEWHERE)


_FAILURES = {
    "unknown node": "node unknown to the server",
    "unknown node-attribute": "node property unknown to the server",
}


def _failed(match: re.Match[str], waiting: Waiting) -> Told:
    said = match["why"].strip()
    words = _FAILURES.get(said.lower(), f"“{shorten(said, 60)}”")
    return Told("failed", f"Failed to start: {words}.", _tell(waiting))


def _failed_as(words: str) -> Rule:
    return lambda match, waiting: Told("failed", words, _tell(waiting))


def _tell(waiting: Waiting) -> str:
    return f"Tell an admin, with the job id {shorten(waiting.job_id, 40)}." if waiting.job_id else "Tell an admin."


def _stopped(match: re.Match[str], waiting: Waiting) -> Told:
    return stopped(waiting)


def stopped(waiting: Waiting) -> Told:
    """The queue starts none of its jobs."""
    queue = f"The queue {shorten(waiting.queue, 16)}" if waiting.queue else "Its queue"
    return Told("queue_stopped", f"{queue} is stopped.", "Use another queue, or ask an admin.")


def _table(*rows: tuple[str, Rule]) -> tuple[tuple[re.Pattern[str], Rule], ...]:
    return tuple((re.compile(pattern, re.IGNORECASE), rule) for pattern, rule in rows)


_FULL = _ahead("full", "The cluster is full", SOONER)
_KIND_BUSY = _ahead("full", "Too few nodes of its kind are free", SOONER)
_KEPT = _plain("kept", "Nodes are kept for a bigger job or a reservation.", SHORTER)
_MAINTENANCE = _plain("maintenance", "Would run into a maintenance or reservation.", BEFORE)
_ARRAY_LIMIT = _plain("array_limit", "Its array runs as many tasks at once as it may.", None)
_BEGUN = _plain("array_begun", "Its array has begun; no reason is given for this task.", None)

_NEVER = _table(
    (r"Insufficient amount of (?:(?:queue|server) )?resource: " + _AMOUNTS, _never_enough),
    (r"Not enough total nodes", _never("asks for more nodes than there are")),
    (r"Not enough (?:free nodes|of the right type of nodes)", _never("asks for more nodes than there are")),
    (r"can't fit in the largest placement set", _never("is larger than any group of nodes")),
    (r"would exceed .{0,200}?limit on resource (?P<name>\S+)", lambda match, waiting: Told(
        "never", f"Cannot ever run: asks for more {resource(match['name'])} than the limit.", CHANGE)),
    (r"(?P<said>.+)", lambda match, waiting: Told(
        "never", f"Cannot ever run: “{shorten(match['said'], 60)}”.", CHANGE)),
)  # fmt: skip

_PER = r"(?:per-(?P<whose>user|group|project) )?"
_RULES = _table(
    # OpenPBS and TORQUE's pbs_sched
    (r"Insufficient amount of (?P<where>queue |server )?resource: ?" + _AMOUNTS, _insufficient),
    (r"Not enough of the right type of nodes", _KIND_BUSY),
    (r"Not enough free nodes|No available resources on nodes|Too few free resources", _FULL),
    (r"\S+ set \S+ has too few free resources", _FULL),
    (r"All timesharing nodes are too loaded|Load is above max", _FULL),
    (r"Queue not started", _stopped),
    (r"Queue not an execution queue", _plain("queue_stopped", "Its queue only passes jobs on, and has not yet.", ASK)),
    (r"Job would break strict sorted order|Strict fifo order", _order),
    (r"Job is under job_sort_formula threshold", _order),
    (r"Job would (?:conflict with reservation or|interfere with a) top job", _KEPT),
    (r"Job would interfere with a confirmed reservation", _KEPT),
    (r"(?:Provisioning for job would interfere with backfill|Provision conflict)", _KEPT),
    (r"Draining system to allow", _plain("kept", "Nodes are kept for a job that waited too long.", SHORTER)),
    (r"Job would cross (?:dedicated time|prime)|Dedicated time conflict|Job will cross|Job would not finish before",
     _MAINTENANCE),
    (r"Number of concurrent running subjobs limit", _ARRAY_LIMIT),
    (r"(?P<whose>User|Group|Project) has reached queue(?P<here> running|(?: (?P<queue>\S+?)(?:'s)?) running)", _limit),
    (r"(?P<whose>User|Group|Project) has reached server", _limit),
    (r"(?:Queue (?P<queue>\S+)|Server) " + _PER + r"limit reached on resource (?P<name>\S+)", _limit),
    (r"(?:Queue (?P<queue>\S+)|Server) job limit reached for (?P<whose>user|group|project) (?P<owner>\S+)", _limit),
    (r"would exceed (?P<whose>user|group|project) (?P<owner>\S+?)'s limit on resource (?P<name>\S+)"
     r"(?: in (?:complex|queue (?P<queue>\S+)))?", _limit),
    (r"would exceed overall limit on resource (?P<name>\S+)(?: in (?:complex|queue (?P<queue>\S+)))?", _limit),
    (r"Queue(?P<here> |(?: (?P<queue>\S+)) )job limit has been reached|Server job limit has been reached", _limit),
    (r"PBS Error: ?(?P<why>.*)", _failed),
    (r"Job held,? too many failed attempts to run", _failed_as("The server holds it: it failed to start too often.")),
    (r"Job Array Began at", _BEGUN),
    # Slurm
    (r"Resources\b", _FULL),
    (r"Priority\b", _order),
    (r"Licenses\b", _plain("licence", "The licences it needs are taken.", ELSEWHERE)),
    (r"JobArrayTaskLimit\b", _ARRAY_LIMIT),
    (r"Partition(?:Down|Inactive)\b", _stopped),
    (r"PartitionTimeLimit\b", _never("asks for more walltime than its queue allows")),
    (r"PartitionNodeLimit\b", _never("asks for more or fewer nodes than its queue allows")),
    (r"PartitionConfig\b", _never("its queue does not allow what it asks for")),
    (r"BadConstraints\b", _never("no node has what it asks for")),
    (r"(?:Invalid(?:Account|QOS)|(?:Account|QOS)NotAllowed)\b", _never("its account or QOS is not allowed here")),
    (r"ReqNodeNotAvail(?:, ?UnavailableNodes:(?P<nodes>.*))?", _nodes_out),
    (r"Nodes required for job are DOWN", _plain("maintenance", "The nodes it needs are down, drained or reserved.",
                                                ELSEWHERE)),
    (r"ReservationDeleted\b", _never("its reservation was deleted")),
    (r"Reservation\b", _plain("maintenance", "Waits for its reservation to begin.")),
    (r"BeginTime\b", _plain("later", "Starts not before the time asked for.")),
    (r"Dependency\b", _plain("dependency", "Waits for another job.")),
    (r"DependencyNeverSatisfied\b", _plain("dependency", "Will never start: what it waits for failed.")),
    (r"(?:NodeDown|FrontEndDown)\b", _failed_as("Failed to start: its node went down.")),
    (r"(?:JobLaunchFailure|launch failed requeued held)\b", _failed_as("Failed to start, and is held.")),
    (r"job[ _]requeued[ _]in[ _]held[ _]state", _failed_as("Went back to the queue, and is held.")),
    (r"JobHeldUser\b", lambda match, waiting: Told("held", f"{waiting.who} holds it.")),
    (r"JobHeldAdmin\b", _plain("held", "An admin holds it.", ASK)),
    (r"(?:QOS|Assoc(?:iation)?)JobLimit\b", lambda match, waiting: Told(
        "user_limit", f"{waiting.who} is at the limit of running jobs.", OWN_END)),
    (r"(?:QOS|Assoc(?:iation)?)(?:Resource|Time)Limit\b|AccountingPolicy\b|QOSUsageThreshold\b", _plain(
        "group_limit", "Its account or QOS is at a limit.", THEIR_END)),
    (r"(?-i:(?P<owner>QOS|Assoc)?(?P<reach>Grp|Max|Min)(?P<name>[A-Z]\w*?)"
     r"(?P<per>Per(?:Job|Node|User|Account)|P[UAJ])?(?:Limit|NotSatisfied)?)\Z", _slurm_limit),
    # Maui and Moab
    (r"has the following hold\(s\) in place: ?(?:Defer|Batch)", _failed_as("Failed to start; the scheduler put it off.")),
    (r"has the following hold\(s\) in place: ?User", lambda match, waiting: Told("held", f"{waiting.who} holds it.")),
    (r"has the following hold\(s\) in place", _plain("held", "An admin or the system holds it.", ASK)),
    (r"(?:would violate|violates).*? for user", lambda match, waiting: Told(
        "user_limit", f"{waiting.who} is at a limit of this cluster.", OWN_END)),
    (r"(?:would violate|violates)", _plain("group_limit", "It would go beyond a limit of this cluster.")),
    (r"requires completion of job '?(?P<job>[^')\s]+)", lambda match, waiting: Told(
        "dependency", f"Waits until {shorten(match['job'], 40)} ends.")),
)  # fmt: skip
