"""What a search box suggests: jobs, users, groups, queues, nodes and clusters, by what is typed. Pure.

Each cluster's names are put in order once per report; a question then looks through the orders.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from agent.states import HOLDS_CORES, IS_PENDING
from collector.rows import join_id
from webstat import addresses
from webstat.data.queries.now import NO_GROUP
from webstat.format import number, plural, shorten
from webstat.privacy import OTHERS

MOST = 12
LONGEST = 100
"""Characters of a question that are looked at."""

_EACH = 5
"""Suggestions of one kind that come before any other kind goes short."""
_RUNNING = frozenset(state.value for state in HOLDS_CORES)
_WAITING = frozenset(state.value for state in IS_PENDING)
_NODE_WORDS = {
    "free": "all cores free",
    "partial": "some cores free",
    "busy": "no core free",
}
"""What a node's state means; the other states say it themselves."""


@dataclass(frozen=True)
class Suggestion:
    """One thing that may be meant: its kind, its name, what it is, and where it is on this site."""

    kind: str
    """cluster, user, group, queue, node, job or array."""
    text: str
    detail: str
    href: str


Ended = tuple[str, str, Any]
"""(cluster, its title, a row of load_ended_by_number())"""


@dataclass(frozen=True)
class _Job:
    id: str
    name: str
    user: str
    state: str
    tasks: int = 0
    """More than 0: an array, by the id of its parent."""


@dataclass
class _Count:
    running: int = 0
    waiting: int = 0

    def words(self) -> str:
        told = [f"{number(self.running)} running"] * bool(self.running)
        told += [f"{number(self.waiting)} waiting"] * bool(self.waiting)
        return ", ".join(told) or "no jobs now"


@dataclass(frozen=True)
class Index:
    """One cluster's names, ready to be looked through."""

    cluster: str
    title: str
    scheduler: str
    jobs: list[_Job] = field(default_factory=list)
    """In the order of their ids, in small letters."""
    ids: list[str] = field(default_factory=list)
    """Those ids."""
    by_name: Mapping[str, list[int]] = field(default_factory=dict)
    """Job name in small letters -> places in `jobs`."""
    users: Mapping[str, _Count] = field(default_factory=dict)
    groups: Mapping[str, _Count] = field(default_factory=dict)
    queues: Mapping[str, _Count] = field(default_factory=dict)
    nodes: Mapping[str, str] = field(default_factory=dict)
    """Node -> state."""


def index(
    cluster: str,
    title: str,
    scheduler: str,
    names: pd.DataFrame,
    totals: pd.DataFrame,
    queues: pd.DataFrame,
    nodes: pd.DataFrame,
) -> Index:
    """The names of one cluster, from load_names(), load_job_totals(), load_queues() and load_nodes()."""
    counts: dict[str, defaultdict[str, _Count]] = {kind: defaultdict(_Count) for kind in ("user", "group", "queue")}
    jobs: list[_Job] = []
    tasks: Counter[str] = Counter()
    parents: dict[str, _Job] = {}
    for queue in queues["name"]:
        counts["queue"][queue] = _Count()
    for row in names.itertuples(index=False):
        one = _Job(join_id(row.number, row.server), row.name, row.user, row.state)
        jobs.append(one)
        if row.array_number is not None:
            parent = join_id(row.array_number, row.server)
            tasks[parent] += 1
            parents[parent] = one
    for row in totals.itertuples(index=False):
        for kind, by in counts.items():
            if (holder := getattr(row, kind)) not in (NO_GROUP, OTHERS):
                by[holder].running += row.jobs if row.state in _RUNNING else 0
                by[holder].waiting += row.jobs if row.state in _WAITING else 0
    jobs += [_Job(parent, one.name, one.user, one.state, tasks[parent]) for parent, one in parents.items()]
    jobs.sort(key=lambda one: one.id.lower())
    by_name: defaultdict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(jobs):
        by_name[one.name.lower()].append(place)
    return Index(
        cluster,
        title,
        scheduler,
        jobs,
        [one.id.lower() for one in jobs],
        by_name,
        counts["user"],
        counts["group"],
        counts["queue"],
        dict(zip(nodes["name"], nodes["state"], strict=True)),
    )


def asked(text: str) -> str:
    """What is looked for: without the space around it, and no longer than anything that has a name."""
    return text.strip()[:LONGEST]


def may_be_number(question: str) -> bool:
    """Whether it may be the beginning of a job's id; schedulers count their jobs."""
    return question[:1].isascii() and question[:1].isdigit()


def suggest(
    question: str, indexes: Sequence[Index], known: Mapping[str, Iterable[str]], ended: Iterable[Ended]
) -> list[Suggestion]:
    """At most MOST suggestions for what is typed, the likeliest first.

    `known` are users and groups of the past by kind; `ended` are jobs of the past whose numbers may fit.
    """
    wanted = question.lower()
    if not wanted:
        return []
    kinds = [
        _clusters(wanted, indexes),
        _people(wanted, "user", [one.users for one in indexes], indexes, known.get("user", ()), addresses.user_page),
        _people(
            wanted, "group", [one.groups for one in indexes], indexes, known.get("group", ()), addresses.group_page
        ),
        _queues(wanted, indexes),
        _nodes(wanted, indexes),
        _jobs(wanted, indexes),
    ]
    if may_be_number(question):
        kinds = [[*kinds[-1], *_ended(wanted, ended)], *kinds[:-1]]
    return _together(kinds)


_Ranked = tuple[int, Suggestion]
"""How well it fits (0 is what was typed, 1 begins with it, 2 holds it), and what it is."""


def _together(kinds: Sequence[Sequence[_Ranked]]) -> list[Suggestion]:
    """What was typed first; then some of each kind, the best fitting first; then what there is room for."""
    ranked = [sorted(found, key=lambda one: one[0]) for found in kinds]
    first = [one for found in ranked for one in found if one[0] == 0]
    others = [[one for one in found if one[0]] for found in ranked]
    some = sorted((one for found in others for one in found[:_EACH]), key=lambda one: one[0])
    rest = [one for found in others for one in found[_EACH:]]
    # A number may be used again: the page of an id is that of the job that has it now.
    by_page = {suggestion.href: suggestion for _, suggestion in reversed([*first, *some, *rest])}
    return list(reversed(by_page.values()))[:MOST]


def _rank(name: str, wanted: str) -> int | None:
    lower = name.lower()
    if wanted not in lower:
        return None
    return 0 if lower == wanted else 1 if lower.startswith(wanted) else 2


def _clusters(wanted: str, indexes: Sequence[Index]) -> list[_Ranked]:
    found = []
    for one in indexes:
        ranks = [rank for rank in (_rank(one.cluster, wanted), _rank(one.title, wanted)) if rank is not None]
        if ranks:
            detail = one.scheduler or "no report yet"
            page = addresses.cluster_page(one.cluster)
            found.append((min(ranks), Suggestion("cluster", _cut(one.title), detail, page)))
    return found


def _people(
    wanted: str,
    kind: str,
    living: Sequence[Mapping[str, _Count]],
    indexes: Sequence[Index],
    known: Iterable[str],
    page: Callable[[str], str],
) -> list[_Ranked]:
    sums: dict[str, _Count] = {}
    places: defaultdict[str, list[str]] = defaultdict(list)
    for one, counts in zip(indexes, living, strict=True):
        for name, count in counts.items():
            if _rank(name, wanted) is not None:
                total = sums.setdefault(name, _Count())
                total.running += count.running
                total.waiting += count.waiting
                places[name].append(one.title)
    for name in known:
        if _rank(name, wanted) is not None:
            sums.setdefault(name, _Count())
    found = []
    for name, total in sorted(sums.items(), key=lambda item: (-item[1].running, -item[1].waiting, item[0])):
        detail = " on ".join([total.words(), *([_and(places[name])] if places[name] else [])])
        found.append((_rank(name, wanted) or 0, Suggestion(kind, _cut(name), detail, page(name))))
    return found


def _and(titles: Sequence[str]) -> str:
    return shorten(titles[0], 40) if len(titles) == 1 else plural(len(titles), "cluster")


def _queues(wanted: str, indexes: Sequence[Index]) -> list[_Ranked]:
    found = []
    for one in indexes:
        for name, count in one.queues.items():
            rank = _rank(name, wanted)
            if rank is not None:
                page = addresses.jobs_page(cluster=one.cluster, queue=name)
                found.append((rank, Suggestion("queue", _cut(name), f"{one.title} · {count.words()}", page)))
    return found


def _nodes(wanted: str, indexes: Sequence[Index]) -> list[_Ranked]:
    found = []
    for one in indexes:
        for name, state in one.nodes.items():
            rank = _rank(name, wanted)
            if rank is not None:
                detail = f"{one.title} · {_NODE_WORDS.get(state, state)}"
                found.append((rank, Suggestion("node", _cut(name), detail, addresses.node_page(one.cluster, name))))
                if len(found) > 50 * MOST:  # more than anybody tells apart by typing on
                    return found
    return found


def _jobs(wanted: str, indexes: Sequence[Index]) -> list[_Ranked]:
    found = []
    for one in indexes:
        start = bisect_left(one.ids, wanted)
        here = []
        while start < len(one.ids) and len(here) <= MOST and one.ids[start].startswith(wanted):
            # An id without its server is the whole of what people type.
            whole = one.ids[start] == wanted or one.ids[start].startswith(wanted + ".")
            here.append((0 if whole else 1, one.jobs[start]))
            start += 1
        named = [one.jobs[place] for place in one.by_name.get(wanted, ())]
        named.sort(key=lambda job: job.state not in _RUNNING)
        here += [(0, job) for job in named[:_EACH]]
        found += [(rank, _job(one, job)) for rank, job in here]
    return found


def _job(one: Index, job: _Job) -> Suggestion:
    if job.tasks:
        detail = f"{_cut(job.name)} · {_cut(job.user)} · {plural(job.tasks, 'task')} · {one.title}"
        return Suggestion("array", job.id, detail, addresses.jobs_page(cluster=one.cluster, q=job.id))
    detail = f"{_cut(job.name)} · {_cut(job.user)} · {job.state} · {one.title}"
    return Suggestion("job", job.id, detail, addresses.job_page(one.cluster, job.id))


def _ended(wanted: str, ended: Iterable[Ended]) -> list[_Ranked]:
    found = []
    for cluster, title, row in ended:
        ident = join_id(row.number, row.server)
        if not ident.lower().startswith(wanted):
            continue
        failed = row.exit_status not in (None, 0)
        how = f"failed (exit {row.exit_status})" if failed else "finished"
        detail = f"{_cut(row.name)} · {_cut(row.user)} · {how} · {title}"
        whole = ident.lower() == wanted or row.number.lower() == wanted
        found.append((0 if whole else 1, Suggestion("job", ident, detail, addresses.job_page(cluster, ident))))
    return found


def _cut(name: str) -> str:
    return shorten(name, 60)
