"""The jobs behind a point of history: which are asked for, and of which part of the range they are no longer kept.

Their rows are data.queries.history_jobs'; what the words of a question mean, question.py's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

import numpy as np

from collector.lives import month_after
from collector.rows import join_id
from webstat.data.explore.cut import OUTCOMES
from webstat.data.explore.explorer import Asked
from webstat.data.explore.question import Question, read
from webstat.data.queries.history_jobs import EVENTS, SORTS, Jobs, load_jobs_within

SORT_WORDS = {"cluster": "cluster_id", "id": "number", "state": "outcome", "core_hours": "core_seconds"}
"""Columns that are called otherwise here than in the store."""

COLUMNS = (
    "cluster", "id", "name", "user", "group", "account", "queue", "state", "cores", "nodes", "gpus", "submitted_at",
    "eligible_at", "started_at", "ended_at", "wait_seconds", "run_seconds", "core_hours", "walltime_seconds",
    "walltime_used_seconds", "cpu_used_seconds", "memory_used_bytes", "exit_status", "ended_estimated",
)  # fmt: skip
"""What is told of a job; jobs can be sorted by each of them."""

assert {SORT_WORDS.get(name, name) for name in COLUMNS} == set(SORTS)

USUAL_SORT = "-core_hours"


@dataclass(frozen=True)
class Wanted:
    """The jobs of a question that did `event` in its range, by `sort` (a column, with `-` before it the largest first)."""

    question: Question
    event: str = "lived"
    sort: str = USUAL_SORT


@dataclass(frozen=True)
class Behind:
    """Some of the jobs, all of them counted, and the stretches (cluster, until) of whose jobs some are no longer kept."""

    jobs: Jobs
    columns: dict[str, np.ndarray]
    """COLUMNS; NaN or None where not told."""
    unkept: tuple[tuple[str, int], ...]


def read_wanted(
    query: Mapping[str, str], now: float, zone: tzinfo, clusters: Collection[str], extent: tuple[int, int] | None = None
) -> tuple[Wanted, list[str]]:
    """Which jobs the words of an address ask for, and what of them could not be read, in words."""
    question, problems = read(query, now, zone, clusters, extent)
    event, sort = query.get("event", "lived"), query.get("sort", USUAL_SORT)
    if event not in EVENTS:
        problems.append(f"event={event[:40]!r} is unknown; write one of {', '.join(EVENTS)}.")
        event = "lived"
    if sort.removeprefix("-") not in COLUMNS:
        problems.append(f"sort={sort[:40]!r} is no column; write one of {', '.join(COLUMNS)}, with - before it or not.")
        sort = USUAL_SORT
    return Wanted(question, event, sort), problems


def read_number(query: Mapping[str, str], name: str, usual: int, least: int, most: int, problems: list[str]) -> int:
    """A whole number among the words of an address."""
    text = query.get(name)
    if text is None:
        return usual
    if re.fullmatch(r"\d{1,12}", text, re.ASCII) and least <= int(text) <= most:
        return int(text)
    problems.append(f"{name}={text[:20]!r} is no whole number from {least:,} to {most:,}.")
    return usual


def behind(ask: Callable[..., Any], asked: Asked, wanted: Wanted, limit: int, offset: int = 0) -> Behind:
    """The jobs asked for, from the place `offset` on, at most `limit`; `ask` is Source.ask."""
    question = asked.question
    sort = wanted.sort.removeprefix("-")
    jobs: Jobs = ask(
        load_jobs_within,
        {cluster.id: cluster.until for cluster in asked.known},
        question.since,
        question.until,
        {by: tuple(keys) for by, keys in asked.keys.items()},
        wanted.event,
        SORT_WORDS.get(sort, sort),
        wanted.sort.startswith("-"),
        limit,
        offset,
    )
    names = {cluster.id: cluster.name for cluster in asked.clusters}
    rows = jobs.rows
    columns = {name: rows[name].to_numpy() for name in COLUMNS if name in rows}
    columns["cluster"] = np.array([names[one] for one in rows["cluster_id"]], dtype=object)
    columns["id"] = np.array(
        [join_id(*pair) for pair in zip(rows["number"], rows["server"], strict=True)], dtype=object
    )
    columns["state"] = np.array([OUTCOMES[one][0] for one in rows["outcome"]], dtype=object)
    columns["core_hours"] = rows["core_seconds"].to_numpy() / 3600
    return Behind(jobs, {name: columns[name] for name in COLUMNS}, _unkept(asked))


def _unkept(asked: Asked) -> tuple[tuple[str, int], ...]:
    """Clusters by title with the second up to which jobs that lived in the range are no longer kept one by one."""
    titles = {cluster.id: cluster.title for cluster in asked.clusters}
    found: dict[str, int] = {}
    for row in asked.months:
        first = row.first_submitted_at
        if row.pruned and first is not None and first < asked.question.until:
            until = month_after(row.month)
            if until > asked.question.since:
                title = titles[row.cluster_id]
                found[title] = max(found.get(title, 0), until)
    return tuple(found.items())
