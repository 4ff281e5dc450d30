"""What changed in a cluster, as events of one line each: pure, from the frames of queries/changes.py and polls,
but for at(), which asks for them.

Moments are unix seconds; the words of an event name no cluster. Nodes that changed in the same report in the same way
are one event, and of each node only the last change counts: one that comes and goes would crowd out all others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pandas as pd

from webstat.data import usage
from webstat.data.frames import OUT, queue_state
from webstat.data.queries import changes as queries
from webstat.data.queries.past import load_polls
from webstat.data.reservations import Kept, kept
from webstat.format import DAY, When, duration, number, plural
from webstat.health import LATE_AFTER, stamp

if TYPE_CHECKING:
    from webstat.data.source import Source
    from webstat.health import Cluster

MANY_TASKS = 20
"""Fewer array tasks within an hour are nothing to tell."""

COMING_SECONDS = 7 * 86400
MOST_COMING, MOST_ARRIVED = 3, 3
TOGETHER_SECONDS = 300
KEPT_SECONDS = 300
NAMED = 3
"""Of several names so many are told, the others counted."""


@dataclass(frozen=True)
class Name:
    """A stranger's word in a sentence."""

    text: str
    is_user: bool = False


@dataclass(frozen=True)
class Event:
    """Something that happened or will: when, its kind (the page has an icon for each), the sentence about it."""

    at: float
    kind: str
    words: tuple[str | Name | When, ...]
    coming: bool = False


def at(source: Source, cluster: Cluster, now: float) -> list[Event]:
    """What happened in a cluster in the last 24 hours, and what is to come; in no order."""
    if cluster.id is None or not cluster.report:
        return []
    since = int(now - DAY)

    def make() -> list[Event]:
        polls = source.ask(load_polls, cluster.id, since - DAY)
        first = source.ask(queries.load_first_report, cluster.id)
        reservations = source.ask(queries.load_reservations, cluster.id)
        return [
            *answer_events(polls, cluster, first, since, now),
            *node_events(source.ask(queries.load_node_changes, cluster.id, since)),
            *queue_events(source.ask(queries.load_queue_changes, cluster.id, since)),
            *arrival_events(source.ask(queries.load_arrivals, cluster.id, since)),
            *kept_events(kept(reservations, source.nodes(cluster), now), now),
        ]

    return source.share(("changes", cluster.id, stamp(cluster, now), int(now // KEPT_SECONDS)), make)


def answer_events(
    polls: pd.DataFrame, cluster: Cluster, first_report: float | None, since: float, until: float
) -> list[Event]:
    """Whether a cluster stopped answering since `since`, or answers again, from load_polls() of a day more.

    A gap in which no poll failed is one in which nobody asked. Of several gaps that are over, the last is told.
    """
    known = usage.known_stretches(polls, cluster.wished, int(since) - DAY, until)
    failed = polls.loc[polls["error_code"].notna(), "at"]
    late = LATE_AFTER * cluster.period_seconds
    missed = [gap for gap in usage.gaps(known, int(since) - DAY, until, late) if gap[1] >= since]
    if first_report is None or not missed:
        return []
    if missed[0][0] < first_report <= missed[0][1] + cluster.wished:
        _, begin = missed.pop(0)
        if not missed:
            return [Event(begin, "new", ("answers for the first time",))]
    start, end = missed[-1]
    asked = bool(failed.between(start, end).any())
    if end == until:
        words = "stopped answering" if asked else "was no longer asked"
        return [Event(start, "silent", (words,))] if start > since else []
    more = f"; {number(len(missed))} gaps in 24 h" if len(missed) > 1 else ""
    return [Event(end, "back", (f"{'answers' if asked else 'is asked'} again after {duration(end - start)}{more}",))]


def node_events(changes: pd.DataFrame) -> list[Event]:
    """Nodes that went out of service or came back, from load_node_changes()."""
    told = changes[changes["state"].isin(OUT) | changes["before"].isin(OUT)]
    last = told.drop_duplicates("name", keep="last")
    rows = sorted(last.itertuples(index=False), key=lambda row: (row.at, _what(row), row.name))
    events = []
    for (at, (kind, words, said)), group in groupby(rows, key=lambda row: (row.at, _what(row))):
        comment = (": “", Name(said), "”") if said else ()
        events.append(Event(float(at), kind, (*_listed(row.name for row in group), f" {words}", *comment)))
    return events


def _what(row: Any) -> tuple[str, str, str]:
    if row.state not in OUT:
        return "back", "back in service", ""
    words = {"down": "went down", "offline": "set offline"}.get(row.state, "in an unknown state")
    return row.state, words, (row.comment or "") if row.now else ""


def queue_events(changes: pd.DataFrame) -> list[Event]:
    """Queues that were opened, stopped or closed, from load_queue_changes()."""
    events = []
    words = {
        "open": " was opened",
        "stopped": " was stopped",
        "closed": " was closed",
        "draining": " takes no new jobs",
    }
    for row in changes.itertuples(index=False):
        state, before = queue_state(row.enabled, row.started), queue_state(row.enabled_before, row.started_before)
        if state != before and state in words:
            kind = "open" if state == "open" else "closed"
            events.append(Event(float(row.at), kind, ("queue ", Name(row.name), words[state])))
    return events


def arrival_events(arrays: pd.DataFrame) -> list[Event]:
    """Arrays with many tasks that were submitted, from load_arrivals(); those of a user within an hour are one event."""
    events = []
    for (user, _), group in arrays.groupby(["user", arrays["at"] // 3600]):
        tasks = int(group["tasks"].sum())
        if tasks < MANY_TASKS:
            continue
        what = "an array of " if len(group) == 1 else f"{number(len(group))} arrays, "
        where = (" in ", Name(group["queue"].iloc[0])) if group["queue"].nunique() == 1 else ()
        words = (Name(str(user), True), f" queued {what}{plural(tasks, 'task')}", *where)
        events.append(Event(float(group["at"].max()), "arrived", words))
    return events


def kept_events(reservations: Sequence[Kept], now: float) -> list[Event]:
    """Reservations that run, or will within COMING_SECONDS."""
    events = []
    for one in reservations:
        if one.starts_at is None or one.starts_at > now + COMING_SECONDS:
            continue
        what = "maintenance" if one.maintenance else "reservation"
        name = (" “", Name(one.name), "”") if one.name and one.name.casefold() != what else ()
        owner = one.owner.partition("@")[0]
        by = (" by ", Name(owner, True)) if owner else ()
        where = ("all nodes",) if one.everything else _nodes_of(one)
        until = () if one.ends_at is None else (" until ", When(one.ends_at, "clock"))
        if one.runs:
            events.append(Event(one.starts_at, "kept", (*where, f" kept for {what}", *name, *by, *until)))
            continue
        wait = ("; jobs that would run into it wait",) if one.everything else ()
        words = (what, *name, *by, ", ", *where, ", ", When(one.starts_at, "clock"), *until, *wait)
        events.append(Event(one.starts_at, "coming", words, coming=True))
    return events


def _nodes_of(one: Kept) -> tuple[str | Name, ...]:
    if one.nodes:
        return _listed(one.nodes)
    return (plural(one.cores, "core") if one.cores else "nodes",)


def _listed(names: Iterable[str]) -> tuple[str | Name, ...]:
    """Names with commas between them."""
    parts: list[str | Name] = []
    for text in ranges(names):
        parts += [", ", Name(text)] if parts else [Name(text)]
    return tuple(parts)


def ranges(names: Iterable[str]) -> list[str]:
    """Names in order, three or more consecutive ones as `cn057–cn060`, at most NAMED, then `4 more`."""
    runs: list[list[str]] = []
    for name in sorted(set(names), key=_parts):
        prefix, place, tail = _parts(name)
        if runs and place > 0 and _parts(runs[-1][-1]) == (prefix, place - 1, tail):
            runs[-1].append(name)
        else:
            runs.append([name])
    texts: list[tuple[str, int]] = []
    for run in runs:
        if len(run) > 2:
            texts.append((f"{run[0]}–{run[-1]}", len(run)))
        else:
            texts += [(name, 1) for name in run]
    shown = texts if len(texts) <= NAMED + 1 else texts[:NAMED]
    left = sum(count for _, count in texts[len(shown) :])
    return [text for text, _ in shown] + ([f"{number(left)} more"] if left else [])


def _parts(name: str) -> tuple[str, int, str]:
    """`cn057.x` -> (`cn`, 57, `.x`): the last number before any dot; -1 where there is none."""
    found = re.fullmatch(r"([^.]*?)(\d{1,9})([^.\d]*(?:\..*)?)", name, re.DOTALL)
    return (found[1], int(found[2]), found[3]) if found else (name, -1, "")


def newest_first(events: Iterable[tuple[str, Event]], limit: int) -> list[tuple[tuple[str, ...], Event]]:
    """(clusters, event): the soonest MOST_COMING of what is to come on top, then the newest, `limit` in all.

    What happens to several clusters within TOGETHER_SECONDS in the same words is one event.
    """
    merged: list[tuple[tuple[str, ...], Event]] = []
    for cluster, event in sorted(events, key=lambda one: (one[1].at, one[0])):
        for place, (clusters, other) in enumerate(merged):
            if other.words == event.words and event.at - other.at <= TOGETHER_SECONDS and cluster not in clusters:
                merged[place] = ((*clusters, cluster), other)
                break
        else:
            merged.append(((cluster,), event))
    ahead = [one for one in merged if one[1].coming][:MOST_COMING]
    past = [one for one in merged if not one[1].coming][::-1]
    arrived = [one for one in past if one[1].kind == "arrived"][MOST_ARRIVED:]
    return [*ahead[::-1], *(one for one in past if one not in arrived)][:limit]
