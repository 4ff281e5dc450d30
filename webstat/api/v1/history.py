"""History as tables: what the explorer answers, and how exact it is and until when known."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from webstat.api.v1.refusals import Refused
from webstat.api.v1.sheets import Look, Sheet
from webstat.api.v1.there import about
from webstat.api.v1.words import MOST_ROWS
from webstat.data.explore import tables
from webstat.data.explore.answer import Answer, Gap, answered, gaps
from webstat.data.explore.behind import Wanted, behind, read_wanted
from webstat.data.explore.explorer import Asked
from webstat.data.explore.quantiles import QUANTILES, WITHIN
from webstat.format import iso

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

SERIES = ("at", "until", "key", "name", "value", "known", "usable_core_hours")

SPREAD = ("before", *(f"{what}_{share * 100:.0f}" for what in ("wait", "slowdown") for share in QUANTILES))
"""Columns of a series that is divided by nothing: of the period before, and of waits and slowdowns."""

TOTALS = (
    "key", "name", "value", "before", "share", "core_hours", "submitted", "started", "ended", "exited", "failed",
    "wait_50", "wait_90", "cpu_efficiency", "idle_core_hours",
)  # fmt: skip

WEEK = ("weekday", "hour", "utilisation")

MIX = ("key", "name", "core_hours", "ended", "share")

WAITS = ("cluster", "title", "queue", "size", "jobs", *(f"wait_{share * 100:.0f}" for share in QUANTILES))

NODES = ("at", "until", "up", "offline", "down")

WORST_NODES = ("cluster", "name", "times", "offline_seconds", "down_seconds")

_RESOLUTION = {"hour": "hourly", "day": "daily", "week": "weekly", "month": "monthly"}


def series(look: Look) -> Sheet:
    """The metric by bucket and key; divided by nothing, also that of the period before and its spread."""
    asked, _ = asked_for(look)
    return series_of(answered(look.source, asked), look.now)


def totals(look: Look) -> Sheet:
    """Each key over the whole range, most first."""
    asked, _ = asked_for(look)
    return totals_of(answered(look.source, asked), look.now)


def week(look: Look) -> Sheet:
    """Utilisation by hour of the week."""
    asked, _ = asked_for(look)
    return week_of(look, asked)


def mix(look: Look) -> Sheet:
    """What jobs were mixed of."""
    asked, _ = asked_for(look)
    return mix_of(look, asked, look.words.get("of", "size"))


def waits(look: Look) -> Sheet:
    """How long jobs waited, by cluster, queue and size."""
    asked, _ = asked_for(look)
    return waits_of(look, asked)


def nodes(look: Look) -> Sheet:
    """Nodes in and out of service by bucket."""
    asked, _ = asked_for(look)
    return nodes_of(look, asked)


def worst_nodes(look: Look) -> Sheet:
    """The nodes that were out of service longest."""
    asked, _ = asked_for(look)
    frame = look.source.explorer.worst_nodes(asked, MOST_ROWS)
    names = {cluster.id: cluster.name for cluster in asked.clusters}
    columns = {"cluster": [names[one] for one in frame["cluster_id"]]}
    columns |= {name: frame[name].to_numpy() for name in WORST_NODES[1:]}
    return Sheet(_file("history-worst-nodes", asked), columns, meta_of(look, asked))


def jobs(look: Look) -> Sheet:
    """The jobs behind the range, one by one."""
    asked, wanted = asked_for(look)
    found = behind(look.source.ask, asked, wanted, look.form.limit, look.form.offset)
    meta = {
        **meta_of(look, asked),
        "range": _range(asked.question.since, asked.question.until),
        "exact": True,
        "resolution": "to the second",
        "event": wanted.event,
        "sort": wanted.sort,
        "core_hours": found.jobs.core_seconds / 3600,
        "no_longer_kept": [{"title": title, "ended_before": iso(until)} for title, until in found.unkept],
    }
    return Sheet(_file("history-jobs", asked), found.columns, meta, found.jobs.total)


def asked_for(look: Look) -> tuple[Asked, Wanted]:
    """What the words ask; raises Refused."""
    source, words = look.source, look.words
    clusters = source.clusters()
    zone = ZoneInfo(source.settings.web.timezone or "UTC")
    extent = source.explorer.extent(clusters) if words.get("range") == "all" else None
    wanted, problems = read_wanted(words, look.now, zone, [cluster.name for cluster in clusters], extent)
    if "range" in words and ("from" in words or "to" in words):
        problems.append("A range is either range, or from and to.")
    if problems:
        raise Refused(problems)
    return source.explorer.asked(wanted.question, clusters), wanted


def series_of(found: Answer, now: float) -> Sheet:
    """The chart of an answer."""
    asked, buckets = found.asked, len(found.edges) - 1
    if asked.question.by is None:
        keys, names, values = ["all"], ["all"], found.whole[None, :]
    else:
        keys, names, values = found.totals["word"].tolist(), found.totals["name"].tolist(), found.series
    columns: dict[str, Any] = {
        "at": np.tile(found.edges[:-1], len(keys)),
        "until": np.tile(found.edges[1:], len(keys)),
        "key": np.repeat(np.array(keys, dtype=object), buckets),
        "name": np.repeat(np.array(names, dtype=object), buckets),
        "value": values.ravel(),
        "known": np.tile(found.known, len(keys)),
        "usable_core_hours": np.tile(found.usable, len(keys)),
    }
    if asked.question.by is None:
        if found.former is not None:
            columns["before"] = np.append(found.former, [np.nan] * buckets)[:buckets]
        if found.lines is not None:
            what = found.metric.distributed
            columns |= {f"{what}_{share * 100:.0f}": line for share, line in zip(QUANTILES, found.lines, strict=True)}
    return Sheet(_file("history", asked, metric=True), columns, _meta_of_answer(found, now))


def totals_of(found: Answer, now: float) -> Sheet:
    """The table of an answer; `all` of its meta is over everything."""
    frame = found.totals
    columns = {"key": frame["word"].to_numpy(), "name": frame["name"].to_numpy()}
    columns |= {
        "wait_50" if name == "wait_half" else "wait_90" if name == "wait_most" else name: frame[name].to_numpy()
        for name in frame.columns
        if name not in ("key", "name", "word")
    }
    meta = _meta_of_answer(found, now)
    meta |= {"all": _told(found.all), "all_before": None if found.all_before is None else _told(found.all_before)}
    return Sheet(_file("history-totals", found.asked, metric=True), columns, meta)


def week_of(look: Look, asked: Asked) -> Sheet:
    """tables.week() with a row an hour."""
    found = tables.week(look.source.explorer, asked)
    columns = {
        "weekday": [day for day in WEEKDAYS for _ in range(24)],
        "hour": list(range(24)) * 7,
        "utilisation": found.shares.ravel(),
    }
    meta = {**meta_of(look, asked), "range": _range(found.since, asked.until)}
    return Sheet(_file("history-week", asked), columns, meta)


def mix_of(look: Look, asked: Asked, by: str) -> Sheet:
    """tables.mix() of a cut by classes."""
    frame = tables.mix(look.source.explorer, asked, by)
    columns = {"key": frame["word"].to_numpy()}
    columns |= {name: frame[name].to_numpy() for name in MIX[1:]}
    return Sheet(_file(f"history-mix-by-{by}", asked), columns, {**meta_of(look, asked), "of": by})


def waits_of(look: Look, asked: Asked) -> Sheet:
    """tables.waits()."""
    frame = tables.waits(look.source.explorer, asked)
    names = {"cluster": "cluster_word", "title": "cluster", "queue": "queue", "size": "size", "jobs": "jobs"}
    names |= {"wait_50": "wait_half", "wait_75": "wait_75", "wait_90": "wait_most", "wait_95": "wait_95"}
    columns = {name: frame[theirs].to_numpy() for name, theirs in names.items()}
    return Sheet(_file("history-waits", asked), columns, meta_of(look, asked))


def nodes_of(look: Look, asked: Asked) -> Sheet:
    """tables.nodes()."""
    frame = tables.nodes(look.source.explorer, asked)
    columns = {"at": frame["at"].to_numpy(), "until": asked.edges[1:]}
    columns |= {name: frame[name].to_numpy() for name in NODES[2:]}
    return Sheet(_file("history-nodes", asked), columns, meta_of(look, asked))


def _meta_of_answer(found: Answer, now: float) -> dict[str, Any]:
    asked = found.asked
    question = asked.question
    compared = None
    if question.compare:
        before = asked.before
        told = found.all_before is not None
        compared = {**_range(int(before[0]), int(before[1])), "known": found.known_before, "told": told}
    measured = {"metric": question.metric, "unit": found.metric.unit, "by": question.by}
    return {**_meta(asked, found.gaps, now), **measured, "compared": compared}


def meta_of(look: Look, asked: Asked) -> dict[str, Any]:
    """What a table rests on, how exact it is, and until when it is known."""
    stretches = look.source.explorer.stretches(asked, asked.since, asked.until)
    return _meta(asked, gaps(stretches, asked), look.now)


def _meta(asked: Asked, open_gaps: tuple[Gap, ...], now: float) -> dict[str, Any]:
    question = asked.question
    step = question.step if asked.exact else "month"
    exact = f"{_RESOLUTION[step]} buckets, exact to the second"
    if not asked.exact:
        exact = f"whole months by UTC, from monthly sums; waits and slowdowns to within {WITHIN}"
    names = {cluster.id: cluster.name for cluster in asked.clusters}
    return {
        "range": _range(asked.since, asked.until),
        "zone": str(asked.zone),
        "filters": {by: list(words) for by, words in question.filters},
        "step": step,
        "exact": asked.exact,
        "resolution": exact,
        "known_until": {names[one.id]: iso(one.until) if one.until else None for one in asked.known},
        "clusters": about(asked.clusters, now),
        "gaps": [{"cluster": gap.name, **_range(gap.since, gap.until)} for gap in open_gaps],
    }


def _range(since: int, until: int) -> dict[str, str]:
    return {"since": iso(since), "until": iso(until)}


def _told(numbers: dict[str, float]) -> dict[str, float | None]:
    return {name: None if value != value else value for name, value in numbers.items()}


def _file(name: str, asked: Asked, metric: bool = False) -> str:
    question = asked.question
    what = f"-{question.metric}-by-{question.by or 'nothing'}" if metric else ""
    since, until = (_day(at, asked.zone) for at in (asked.question.since, asked.question.until))
    return f"{name}{what}-{since}-to-{until}"


def _day(at: int, zone: tzinfo) -> str:
    """For file names: a date, with its time of day where that is not its beginning."""
    local = datetime.fromtimestamp(at, zone)
    return local.strftime("%Y-%m-%d" if not (local.hour or local.minute) else "%Y-%m-%dT%H%M")
