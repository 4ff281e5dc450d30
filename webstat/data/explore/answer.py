"""Answers: what was measured, by bucket and key, with totals, the period before, and what of it is not known.

Counting is explorer.py's and below; what a metric is made of, metrics.py's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from collector.columns import Numbers
from collector.lives import spread
from collector.stretches import SHORTEST_GAP_SECONDS
from webstat.data import usage
from webstat.data.explore.buckets import month_edges
from webstat.data.explore.cut import Cut
from webstat.data.explore.explorer import EVERYTHING, Asked, Explorer
from webstat.data.explore.metrics import HOUR, METRICS, Measured, Metric, Value, divided
from webstat.data.explore.quantiles import QUANTILES

if TYPE_CHECKING:
    from webstat.data.source import Source

ENOUGH_KNOWN = 0.9
"""How much of the period before must be known for a comparison to mean anything."""

_TABLE = ("core_seconds", "ended", "exited", "failed", "cpu_used", "cpu_core_seconds", "started", "submitted")
"""Measures of which the table and the numbers above it are made, beside the metric's own."""


@dataclass(frozen=True)
class Gap:
    """A stretch of which the jobs of a cluster, by its title and by its name in addresses, are not known."""

    cluster: str
    since: int
    until: int
    name: str


@dataclass(frozen=True)
class Answer:
    """What was asked, and what came.

    `totals` has a row a key, most first: key int64, name, word (as in addresses) str, value, before (the metric over the
    range and the one before; NaN where not told), share, core_hours, submitted, started, ended, exited (those that told
    an exit status), failed (NaN where some ended and none told one), wait_half, wait_most, cpu_efficiency, idle_core_hours (of the jobs that ended and tell their processor time, without it) float64. `series` has the metric by bucket, a row as of
    totals; `whole` that of everything, `former` that of the period before, where it is compared. `all` and `all_before`
    are over everything: value, core_hours, usable_hours, utilisation, submitted, started, ended, failed, failed_share,
    wait_50, wait_75, wait_90, wait_95, waited (jobs that these rest on), slowdown, cpu_efficiency, idle_core_hours.
    """

    asked: Asked
    metric: Metric
    totals: pd.DataFrame
    series: Numbers
    whole: Numbers
    former: Numbers | None
    usable: Numbers
    """Usable core-hours by bucket; NaN where not known."""
    all: dict[str, float]
    all_before: dict[str, float] | None
    lines: Numbers | None
    """Of waits and slowdowns: the QUANTILES of everything, of shape (QUANTILES, buckets)."""
    gaps: tuple[Gap, ...]
    known: Numbers
    """How much of each bucket is known, 0 to 1, over its clusters. Where it is 0, series and whole are NaN."""
    known_before: float
    """The same of the period before; 0 where it is not compared. Below ENOUGH_KNOWN nothing of that period is told."""

    @property
    def edges(self) -> Numbers:
        """Of the buckets."""
        return self.asked.edges


def answered(source: Source, asked: Asked) -> Answer:
    """The answer, remembered as long as what it rests on; how it is drawn does not matter to it."""
    found = source.share(("history", *asked.key), lambda: answer(source.explorer, asked))
    return replace(found, asked=asked)


def answer(explorer: Explorer, asked: Asked) -> Answer:
    """Answer a question: the chart, its table, and the numbers above it."""
    question, metric, edges = asked.question, METRICS[asked.question.metric], asked.edges
    wide = asked.before if question.compare else edges[[0, -1]]
    names = tuple(dict.fromkeys((*metric.measures, *_TABLE)))
    counter = explorer.counter(asked, asked.first, names, (question.by,))
    cut = counter.cut(question.by, int(wide[0]), int(wide[-1]), names)
    # All that is counted is counted once: in the buckets of the period before, then those of the range.
    former = _edges_before(asked) if question.compare else edges[:1]
    all_edges, first = np.concatenate([former[:-1], edges]), len(former) - 1
    counting = explorer.beside(counter.measured, cut, all_edges, names)
    waits = counter.distributed(cut, wide, "wait", (0.5, 0.9))[0]
    all_waits, waited = counter.distributed(EVERYTHING, wide, "wait", QUANTILES)
    all_slowdown = counter.distributed(EVERYTHING, wide, "slowdown", (0.5,))[0][0, :, 0]
    stretches = explorer.stretches(asked, int(all_edges[0]), int(all_edges[-1]))
    known = known_share(stretches, asked, all_edges)
    usable = explorer.capacity(asked, all_edges)["usable"].to_numpy()
    measured = counting.result()
    halves = [slice(0, first), slice(first, None)] if question.compare else [slice(None)]
    totals = {name: _summed(numbers, halves) for name, numbers in measured.items()}
    wide_usable = _summed(usable[None, :], halves)[0]
    lines = None
    if metric.value is None:
        assert metric.distributed is not None
        series = counter.distributed(cut, all_edges, metric.distributed, (0.5,))[0][:, :, 0]
        lines = counter.distributed(EVERYTHING, all_edges, metric.distributed, QUANTILES)[0][0].T
        whole = lines[0]
        if metric.distributed == "wait":
            value, together = waits[:, :, 0], all_waits[0, :, 0]
        else:
            together = all_slowdown
            value = counter.distributed(cut, wide, metric.distributed, (0.5,))[0][:, :, 0]
    else:
        own, wide_own = usable, wide_usable
        if question.metric == "utilisation" and question.by == "cluster":  # each of its own cores
            metric = replace(metric, unit="share of the cluster's own usable cores", additive=False)
            own = explorer.usable(asked, all_edges, cut.keys)
            wide_own = _summed(own, halves)
        series, whole = _values(metric.value, measured, np.diff(all_edges), usable, own)
        value, together = _values(metric.value, totals, np.diff(wide), wide_usable, wide_own)
    frame = _totals(explorer, asked, metric, cut, totals, value, waits)
    overall = _overall(totals, wide_usable, together, all_waits[0], waited[0], all_slowdown)
    if not known[first:].any():
        frame, overall[-1] = frame.iloc[:0], dict.fromkeys(overall[-1], np.nan)
    before = float(np.average(known[:first], weights=np.diff(former))) if question.compare else 0.0
    compared = before >= ENOUGH_KNOWN
    if not compared:
        frame["before"] = np.nan
    series, whole = (np.where(known > 0, numbers, np.nan) for numbers in (series, whole))
    return Answer(
        asked,
        replace(metric, value=None),  # how it was made is nobody's business any more, and cannot be sent
        frame.drop(columns="row"),
        series[frame["row"].to_numpy(), first:],
        whole[first:],
        whole[:first] if compared else None,
        np.where(usable > 0, usable / HOUR, np.nan)[first:],
        overall[-1],
        overall[0] if compared else None,
        None if lines is None else np.where(known > 0, lines, np.nan)[:, first:],
        gaps(stretches, asked),
        known[first:],
        before,
    )


def _edges_before(asked: Asked) -> Numbers:
    """The buckets of the period before: as many, each as long before its own, or months."""
    start = int(asked.before[0])
    return asked.edges - (asked.since - start) if asked.exact else month_edges(start, asked.since)


def _summed(numbers: Numbers, halves: list[slice]) -> Numbers:
    return np.stack([numbers[:, half].sum(axis=1) for half in halves], axis=1)


def _values(
    value: Value, measured: Measured, seconds: Numbers, usable: Numbers, own: Numbers
) -> tuple[Numbers, Numbers]:
    """A metric by key and bucket, and that of everything by bucket; `own` is what is usable to a key."""
    together = {name: numbers.sum(axis=0, keepdims=True) for name, numbers in measured.items()}
    # Where offline nodes still worked off jobs, what was in use was usable.
    usable = np.where(usable > 0, np.maximum(usable, together["core_seconds"][0]), usable)
    own = np.where(own > 0, np.maximum(own, measured["core_seconds"]), own) if own.ndim == 2 else usable
    return value(measured, seconds, own), value(together, seconds, usable)[0]


def _totals(
    explorer: Explorer, asked: Asked, metric: Metric, cut: Cut, totals: Measured, value: Numbers, waits: Numbers
) -> pd.DataFrame:
    """Answer.totals, with each one's `row` of the cut; of keys with anything in the range itself."""
    last = {name: numbers[:, -1] for name, numbers in totals.items()}
    active = np.flatnonzero(
        (last["core_seconds"] > 0) | (last["submitted"] > 0) | (last["ended"] > 0) | (value[:, -1] > 0)
    )
    keys, by = [cut.keys[row] for row in active], asked.question.by
    now = value[active, -1]
    frame = pd.DataFrame(
        {
            "row": active,
            "key": np.array(keys, dtype=np.int64),
            "name": pd.Series(explorer.names(asked, by, keys), dtype="str"),
            "word": pd.Series(explorer.words(asked, by, keys), dtype="str"),
            "value": now,
            "before": value[active, 0] if value.shape[1] > 1 else np.full(len(active), np.nan),
            "share": divided(now, np.nansum(now)) if metric.additive else np.full(len(active), np.nan),
            "core_hours": last["core_seconds"][active] / HOUR,
            **{name: last[name][active] for name in ("submitted", "started", "ended", "exited")},
            "failed": np.where((last["exited"] > 0) | (last["ended"] == 0), last["failed"], np.nan)[active],
            "wait_half": waits[active, -1, 0],
            "wait_most": waits[active, -1, 1],
            "cpu_efficiency": divided(last["cpu_used"], last["cpu_core_seconds"])[active],
            "idle_core_hours": _idle(last["cpu_used"], last["cpu_core_seconds"])[active],
        }
    )
    return frame.sort_values(["value", "name"], ascending=[False, True], ignore_index=True, na_position="last")


def _overall(
    totals: Measured, usable: Numbers, value: Numbers, waits: Numbers, waited: Numbers, slowdown: Numbers
) -> list[dict[str, float]]:
    """Answer.all of each of the periods; `value` is the metric."""
    sums = {name: numbers.sum(axis=0, keepdims=True) for name, numbers in totals.items()}
    capacity = np.where(usable > 0, np.maximum(usable, sums["core_seconds"][0]), 0)
    columns = {
        "value": value,
        "core_hours": sums["core_seconds"][0] / HOUR,
        "usable_hours": np.where(usable > 0, usable / HOUR, np.nan),
        "utilisation": divided(sums["core_seconds"][0], capacity),
        **{name: sums[name][0] for name in ("submitted", "started", "ended", "failed")},
        "failed_share": divided(sums["failed"], sums["exited"])[0],
        **{f"wait_{round(share * 100)}": waits[:, number] for number, share in enumerate(QUANTILES)},
        "waited": waited,
        "slowdown": slowdown,
        "cpu_efficiency": divided(sums["cpu_used"], sums["cpu_core_seconds"])[0],
        "idle_core_hours": _idle(sums["cpu_used"], sums["cpu_core_seconds"])[0],
    }
    return [{name: float(numbers[place]) for name, numbers in columns.items()} for place in range(len(value))]


def _idle(used: Numbers, held: Numbers) -> Numbers:
    """Core-hours held without processor time; NaN where none is told."""
    return np.where(held > 0, np.maximum(held - used, 0) / HOUR, np.nan)


def known_share(stretches: pd.DataFrame, asked: Asked, edges: Numbers) -> Numbers:
    """How much of each bucket is known, over the clusters; `stretches` are the explorer's of that time."""
    rows = np.zeros(len(stretches), dtype=np.int64)
    seconds = spread(rows, stretches["since"].to_numpy(), stretches["until"].to_numpy(), None, edges, 1)[0]
    return seconds / np.diff(edges) / max(1, len(asked.known))


def gaps(stretches: pd.DataFrame, asked: Asked) -> tuple[Gap, ...]:
    """The stretches of the range of which jobs are not known, cluster by cluster; `stretches` are the explorer's of it, or more."""
    known: dict[int, list[tuple[int, int]]] = {one.id: [] for one in asked.known}
    columns = (stretches[name].tolist() for name in ("cluster_id", "since", "until"))
    for cluster_id, since, until in zip(*columns, strict=True):
        if until > asked.since:
            known[cluster_id].append((max(since, asked.since), until))
    found = []
    for cluster in asked.clusters:
        mine = known.get(cluster.id or 0, [])
        found += [
            Gap(cluster.title, int(start), int(end), cluster.name)
            for start, end in usage.gaps(mine, asked.since, asked.until, SHORTEST_GAP_SECONDS)
            if end - start >= SHORTEST_GAP_SECONDS
        ]
    return tuple(found)
