"""What a report says in sentences: its headline, what is known, and what each number means. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, tzinfo

from webstat.data.explore.answer import Gap
from webstat.format import NBSP, duration, hours, number, percent, plural, shorten
from webstat.report.asking import Subject, listed
from webstat.report.model import changed
from webstat.report.period import Period

MOST_GAPS = 10
SAME = 0.005
"""Changes below are none."""

DEFINITIONS = {
    "core_hours": ("Core-hours", "cores of a job × hours that it ran inside the period; of one that ran across its edge, the part inside"),
    "gpu_hours": ("GPU-hours", "as core-hours, of GPUs"),
    "share": ("Share", "core-hours as a share of all that were used at the same time on the same clusters; in a table, of its sum"),
    "utilisation": ("Utilisation", "core-hours used ÷ usable core-hours, those of nodes in service; what nodes out of service still ran counts as both"),
    "change": ("Change", "core-hours compared with the period before"),
    "ended": ("Jobs ended", "jobs whose end lies in the period, each task of an array by itself"),
    "failed": ("Failed", "jobs with an exit status other than 0; as a share, of those that ended and told one"),
    "wait": ("Waited", "from when a job could have started to its start, of the jobs that started in the period: half of them waited less, nine of ten waited less"),
    "cpu": ("CPU efficiency", "processor time ÷ (cores × run) of the jobs that ended, of those that tell it"),
    "idle": ("Core-hours held idle", "(cores × run) less processor time, of the same jobs"),
    "walltime": ("Walltime used", "walltime used ÷ walltime asked of the jobs that ended, of those that tell both"),
    "nodes": ("Nodes", "means of each day; offline: taken out by an admin; down: does not answer, or its state is not known"),
}  # fmt: skip


def headline(
    subject: Subject,
    period: Period,
    clusters: Sequence[str],
    core_hours: float,
    share: float,
    before: float,
    whole: bool,
) -> str:
    """`The group physics used 12,345 core-hours in October 2026: 18 % of what was used on 3 clusters, 7 % more than in
    September.` `share` is of what was usable where a cluster or everything is told of; `before` NaN tells nothing.
    """
    told_of = {"group": "The group", "user": "The user"}.get(subject.kind)
    inside = period.inside + ("" if whole else " so far")
    where = shorten(clusters[0], 40) if len(clusters) == 1 else plural(len(clusters), "cluster")
    amount = f"{hours(core_hours * 3600)} core-hours"
    if told_of:
        name = f"{told_of} {shorten(subject.name, 40)}"
        start = f"{name} used {amount if core_hours else 'no core-hours'} {inside}"
        parts = [f"{percent(share)} of what was used on {where}"] if core_hours and not math.isnan(share) else []
    else:
        start = f"On {where}, {amount} were used {inside}"
        parts = [f"{percent(share)} of what was usable"] if not math.isnan(share) else []
    parts += compared(core_hours, before, period, whole)
    return f"{start}: {', '.join(parts)}." if parts else f"{start}."


def compared(now: float, before: float, period: Period, whole: bool) -> list[str]:
    """`7 % more than in September`, if anything."""
    if math.isnan(before):
        return []
    on = "on" if period.kind == "day" else "in"
    than = f"{on} {'' if whole else 'the same stretch of '}{period.before.words_beside(period)}"
    if not before:
        return [f"after none {than}"] if now else []
    if not now:
        return [f"after {hours(before * 3600)} {than}"]
    share = changed(now, before)
    if abs(share) < SAME:
        return [f"as much as {than}"]
    if share >= 9:
        return [f"{number(share + 1)} times as much as {than}"]
    return [f"{percent(abs(share))} {'more' if share > 0 else 'less'} than {than}"]


def known_notes(
    period: Period,
    until: int,
    clusters: Sequence[str],
    gaps: Sequence[Gap],
    beside: str,
    known_before: float,
    is_compared: bool,
) -> list[str]:
    """How exact the report is, until when anything is known, and what is not."""
    zone = period.zone
    notes = [
        f"Jobs are counted one by one, to the second, by the clock of {zone_name(zone)}. {'Cluster' if len(clusters) == 1 else 'Clusters'}: {listed(clusters)}.",
        "Known to the end of the period."
        if until >= period.until
        else f"Known until {moment(until, zone)}: the rest of the period is not in it.",
    ]  # fmt: skip
    if not is_compared:
        notes.append(
            f"Nothing is compared with {beside}: too little is known of one of the two ({percent(known_before)} of {beside})."
        )
    for gap in gaps[:MOST_GAPS]:
        notes.append(
            f"Not known of {shorten(gap.cluster, 40)}: {moment(gap.since, zone)} – {moment(gap.until, zone)} "
            f"({duration(gap.until - gap.since)}); what ran then may be missing."
        )
    if len(gaps) > MOST_GAPS:
        rest = sum(gap.until - gap.since for gap in gaps[MOST_GAPS:])
        notes.append(
            f"{plural(len(gaps) - MOST_GAPS, 'more stretch', 'more stretches')} are not known, {duration(rest)} in sum."
        )
    if not gaps:
        notes.append("Nothing before that is missing.")
    return notes


def moment(at: float, zone: tzinfo) -> str:
    """`31 Oct 2026 23:59`"""
    local = datetime.fromtimestamp(at, zone)
    return f"{local.day}{NBSP}{local:%b}{NBSP}{local:%Y %H:%M}"


def zone_name(zone: tzinfo) -> str:
    """A zone as people know it."""
    return str(zone)
