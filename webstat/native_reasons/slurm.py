"""The table of Slurm's reasons, as squeue prints them. Pure."""

from __future__ import annotations

import re

from webstat.format import shorten
from webstat.native_reasons.told import (
    ARRAY_LIMIT,
    ASK,
    BEFORE,
    CHANGE,
    ELSEWHERE,
    FULL,
    GONE,
    ITSELF,
    OWN_END,
    THE_TIME,
    THEIR_END,
    WITHOUT,
    Rule,
    Told,
    Waiting,
    failed,
    held_by_user,
    never,
    order,
    plain,
    resource,
    rows,
    stopped,
)

_MINUTES = re.compile(r"(?:Run)?(?:Minutes|Mins)\Z", re.IGNORECASE)


def _noun(name: str) -> str:
    """What is limited: `cores`, and `core-minutes` where it is counted over time."""
    base = resource(_MINUTES.sub("", name))
    return f"{base.removesuffix('s')}-minutes" if _MINUTES.search(name) else base


def _limit(match: re.Match[str], waiting: Waiting) -> Told:
    """A limit of an association or QOS: Assoc|QOS, Grp|Max|Min, of what, per what."""
    owner, reach, per = match["owner"] or "Assoc", match["reach"], match["per"] or ""
    noun = _noun(match["name"])
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


def _own_jobs(words: str) -> Rule:
    return lambda match, waiting: Told("user_limit", f"{waiting.who} {words}.", OWN_END)


ROWS = rows(
    "slurm src/common/job_state_reason.c",
    (r"Resources\b", FULL),
    (r"Priority\b", lambda match, waiting: order(waiting)),
    (r"Licenses\b", plain("licence", "The licences it needs are taken.", ELSEWHERE)),
    (r"JobArrayTaskLimit\b", lambda match, waiting: ARRAY_LIMIT),
    (r"Partition(?:Down|Inactive)\b", lambda match, waiting: stopped(waiting)),
    (r"PartitionTimeLimit\b", never("asks for more walltime than its queue allows")),
    (r"PartitionNodeLimit\b", never("asks for more or fewer nodes than its queue allows")),
    (r"PartitionConfig\b", never("its queue does not allow what it asks for")),
    (r"(?:Bad)?Constraints\b", never("no node has what it asks for")),
    (r"MaxMemPerLimit\b", never("asks for more memory on a node than its queue allows")),
    (r"(?:Invalid(?:Account|QOS)|(?:Account|QOS)NotAllowed)\b", never("its account or QOS is not allowed here")),
    (r"Reservation(?:Deleted|Invalid)\b", never("its reservation was deleted or is not valid")),
    (r"Reservation\b", plain("maintenance", "Waits for its reservation to begin.",
                               "Nothing until then; without the reservation it waits like any other.")),
    (r"BeginTime\b", plain("later", "Starts not before the time asked for.", THE_TIME)),
    (r"Dependency\b", plain("dependency", "Waits for another job.", WITHOUT)),
    (r"DependencyNeverSatisfied\b", plain("dependency", "Will never start: what it waits for failed.", GONE)),
    (r"(?:NodeDown|FrontEndDown)\b", failed("Failed to start: its node went down.")),
    (r"(?:JobLaunchFailure|launch[ _]failed[ _]requeued[ _]held)\b", failed("Failed to start, and is held.")),
    (r"JobHoldMaxRequeue\b", failed("Went back to the queue too often, and is held.")),
    (r"SystemFailure\b", failed("Failed to start: the system failed.")),
    (r"BurstBufferOperation\b", failed("Its data could not be staged in.")),
    (r"(?:NonZeroExitCode|RaisedSignal|TimeLimit|InactiveLimit|OutOfMemory|DeadLine)\b", failed(
        "Its last run failed.")),
    (r"Prolog\b", plain("resource", "Its nodes are being made ready.", ITSELF)),
    (r"Cleaning\b", plain("resource", "What it left on its nodes is being cleaned up.", ITSELF)),
    (r"SchedDefer\b", plain("order", "It does not start at once, as it asks; it waits its turn.", ITSELF)),
    (r"BurstBufferResources\b", plain("resource", "The burst buffer it needs is not free.", ELSEWHERE)),
    (r"BurstBufferStageIn\b", plain("resource", "Its data are being staged in.", ITSELF)),
    (r"Power(?:NotAvail|Reserved)\b", plain("resource", "There is not enough power for it now.", ELSEWHERE)),
    (r"FedJobLock\b", plain("moving", "Another cluster of the federation may be starting it.", ITSELF)),
    (r"JobHeldUser\b", held_by_user),
    (r"JobHeldAdmin\b", plain("held", "An admin holds it.", ASK)),
    (r"(?:QOS|Assoc(?:iation)?)JobLimit\b", _own_jobs("is at the limit of running jobs")),
    (r"(?:QOS|Assoc(?:iation)?)(?:Resource|Time)Limit\b|AccountingPolicy\b|QOSUsageThreshold\b", plain(
        "group_limit", "Its account or QOS is at a limit.", THEIR_END)),
    (r"(?-i:(?P<owner>QOS|Assoc)?(?P<reach>Grp|Max|Min)(?P<name>[A-Z]\w*?)"
     r"(?P<per>Per(?:Job|Node|User|Account)|P[UAJ])?(?:Limit|NotSatisfied)?)\Z", _limit),
) + rows(
    "slurm src/slurmctld",
    (r"ReqNodeNotAvail(?:, ?UnavailableNodes:(?P<nodes>.*))?", _nodes_out),
    (r"Nodes required for job are DOWN", plain("maintenance", "The nodes it needs are down, drained or reserved.",
                                                ELSEWHERE)),
    (r"job[ _]requeued[ _]in[ _]held[ _]state", failed("Went back to the queue, and is held.")),
)  # fmt: skip
