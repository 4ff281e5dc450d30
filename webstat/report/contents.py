"""What a report holds: asks history what its reader wants to know, and puts the answers into numbers, pictures and tables.

Sentences are sentences.py's, how it looks html.py's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
import pandas as pd

from webstat.data.explore import tables
from webstat.data.explore.answer import Answer
from webstat.data.explore.cut import CLASSES
from webstat.data.source import Source
from webstat.figures.svg import Band, Column
from webstat.format import shorten
from webstat.identity import HUES, STRIPED, shades
from webstat.report import sentences
from webstat.report.asking import Asking, Subject
from webstat.report.model import Measure, Number, Picture, Report, Table, Value, changed
from webstat.report.period import Period

SHOWN = 40
"""Rows of a table that people get; files have all."""
WORST_NODES = 10

_NAMES = {"user": "User", "group": "Group", "queue": "Queue", "cluster": "Cluster"}
_CORE_HOURS = Measure("core_hours", "Core-hours", "core-hours", "hours")
_GPU_HOURS = Measure("gpu_hours", "GPU-hours", "GPU-hours", "hours")
_SHARE = Measure("share", "Share", "share", "share1")
_ENDED = Measure("jobs_ended", "Jobs ended", "jobs", "count")
_HALF = Measure("wait_half", "Half waited less than", "seconds", "wait")
_MOST = Measure("wait_nine_of_ten", "Nine of ten less than", "seconds", "wait")
_CPU = Measure("cpu_efficiency", "CPU efficiency", "share", "share")
_MIXES = {
    "size": ("What sizes of job used the cores?", "by the cores a job asked for", "Cores asked for"),
    "walltime": ("What walltimes did jobs ask for?", "by the walltime asked for", "Walltime asked for"),
    "state": ("How did jobs end?", "by how they ended; one that has not ended counts what it used so far", "End"),
}


def report(source: Source, subject: Subject, period: Period, now: float) -> Report:
    """The whole report. Raises as Asking does."""
    asking = Asking(source, subject, period, now)
    own = asking.answer("user")
    clusters = [cluster.title for cluster in asking.clusters]
    beside = period.before.words_beside(period)
    numbers = _numbers(asking)
    share = next(one for one in numbers if one.measure.name in ("share", "utilisation"))
    title = {"everything": "All clusters", "cluster": next((c.title for c in asking.clusters if c.name == subject.name), subject.name)}.get(subject.kind, subject.name)  # fmt: skip
    pictures, made = _body(asking, now)
    names = {"ended", "failed", "wait", "cpu", "walltime", "core_hours", "share"}
    names |= {"change"} if asking.compared else set()
    names |= {"utilisation", "gpu_hours"} & {one.measure.name for one in numbers}
    names |= {"nodes"} & {picture.name for picture in pictures}
    return Report(
        subject.kind,
        subject.name,
        title,
        period,
        sentences.headline(subject, period, clusters, numbers[0].value, share.value, numbers[0].before, asking.whole),
        numbers,
        pictures,
        made,
        tuple(
            sentences.known_notes(
                period, own.asked.until, clusters, own.gaps, beside, asking.known_before, asking.compared
            )
        ),
        beside if asking.whole else f"the same stretch of {beside}",
        tuple(words for name, words in sentences.DEFINITIONS.items() if name in names),
        now,
    )


def _numbers(asking: Asking) -> tuple[Number, ...]:
    def both(metric: str, name: str) -> tuple[float, float]:
        by = "user" if metric == "core-hours" else None
        now = asking.answer(by, metric).all[name]
        return now, asking.answer(by, metric, before=True).all[name] if asking.compared else math.nan

    used = both("core-hours", "core_hours")
    gpus = both("gpu-hours", "value")
    if asking.subject.kind in ("group", "user"):
        everyone = [asking.answer(None, before=before, filters=()).all["core_hours"] for before in (False, True)]
        shares = [now / all_ if all_ else math.nan for now, all_ in zip(used, everyone, strict=True)]
        part = Number(Measure("share", "Share of all that was used", "share", "share1"), *shares)
    else:
        part = Number(Measure("utilisation", "Utilisation", "share", "share1"), *both("core-hours", "utilisation"))
    found = [
        Number(_CORE_HOURS, *used, adds_up=True),
        part,
        Number(_ENDED, *both("core-hours", "ended"), adds_up=True),
        Number(Measure("failed_share", "Failed of ended", "share", "share"), *both("core-hours", "failed_share")),
        Number(_HALF, *both("core-hours", "wait_50")),
        Number(_MOST, *both("core-hours", "wait_90")),
        Number(_CPU, *both("core-hours", "cpu_efficiency")),
        Number(Measure("walltime_used", "Walltime used of asked", "share", "share"), *both("walltime-efficiency", "value")),
    ]  # fmt: skip
    if any(hours > 0 for hours in gpus):
        found.insert(2, Number(_GPU_HOURS, *gpus, adds_up=True))
    return tuple(found)


def _body(asking: Asking, now: float) -> tuple[tuple[Picture, ...], tuple[Table, ...]]:
    kind = asking.subject.kind
    leading = "group" if kind in ("cluster", "everything") else "queue" if kind == "user" else "user"
    pictures = [_use_picture(asking, leading, now)]
    made = [_holders(asking, "group")] if leading == "group" else []
    if kind != "user":
        made.append(_holders(asking, "user"))
    if len(asking.clusters) > 1:
        made.append(_holders(asking, "cluster"))
    made += [_queues(asking), *(_mix(asking, by) for by in _MIXES), _waits(asking)]
    if kind == "cluster":
        pictures.append(_nodes_picture(asking))
        made.append(_worst_nodes(asking))
    return tuple(pictures), tuple(table for table in made if table.rows)


def _use_picture(asking: Asking, by: str, now: float) -> Picture:
    found = asking.answer(by)
    names = found.totals["name"].tolist()
    shade = shades(names[:HUES], asking.source.hues(now, by))
    bands = [
        Band(shorten(name), tuple(found.series[row]), f"c{shade[name].hue}", shade[name].texture)
        for row, name in enumerate(names[:HUES])
        if found.totals["value"].iloc[row] > 0
    ]
    if found.totals["value"].iloc[HUES:].sum() > 0:
        rest = len(names) - HUES
        bands.append(Band(f"{rest} {'other' if rest == 1 else 'others'}", tuple(found.series[HUES:].sum(axis=0)), "c0"))
    whole = asking.subject.kind in ("cluster", "everything")
    step = asking.period.step
    return Picture(
        f"use_by_{step}",
        f"Who used the cores, {'hour by hour' if step == 'hour' else 'day by day'}?" if by != "queue" else "When were cores used, and in which queue?",
        f"core-hours per {step}, stacked by {by}, largest at the bottom",
        _columns(asking, found),
        tuple(bands),
        tuple(found.usable) if whole and np.isfinite(found.usable).any() else (),
        "usable core-hours",
        _places(found),
    )  # fmt: skip


def _nodes_picture(asking: Asking) -> Picture:
    found = asking.answer("user")
    frame = tables.nodes(asking.source.explorer, found.asked)
    bands = (
        Band("in service", tuple(frame["up"]), "work"),
        Band("offline", tuple(frame["offline"]), "off", STRIPED),
        Band("down or unknown", tuple(frame["down"]), "bad-fill"),
    )
    return Picture(
        "nodes", "How many nodes were in service?", f"means per {asking.period.step}",
        _columns(asking, found), bands, gaps=_places(found),
    )  # fmt: skip


def _columns(asking: Asking, found: Answer) -> tuple[Column, ...]:
    kind = asking.period.kind
    columns = []
    for at in found.edges[:-1].tolist():
        local = datetime.fromtimestamp(at, asking.period.zone)
        if kind == "day":
            columns.append(Column(f"{local:%H:%M}", f"{local:%H:%M}" if local.hour % 6 == 0 else ""))
        else:
            labelled = kind == "week" or local.day in (1, 8, 15, 22, 29)
            label = f"{local:%a} {local.day}" if kind == "week" else f"{local.day} {local:%b}"
            columns.append(Column(f"{local:%a} {local.day} {local:%b}", label if labelled else ""))
    return tuple(columns)


def _places(found: Answer) -> tuple[tuple[float, float], ...]:
    """Gaps, as places among the columns."""
    edges = found.edges
    return tuple(
        (float(start), float(end))
        for start, end in (
            np.interp([gap.since, gap.until], edges, np.arange(len(edges), dtype=np.float64)) for gap in found.gaps
        )
    )


def _measures(asking: Asking, gpus: bool) -> list[Measure]:
    before = [Measure("change", "Change", "share", "change")] if asking.compared else []
    return [
        _CORE_HOURS, _SHARE, *before, *([_GPU_HOURS] if gpus else []), _ENDED,
        Measure("jobs_failed", "Failed", "jobs", "count"), _HALF, _MOST, _CPU,
    ]  # fmt: skip


def _values(
    row: object, before: Mapping[str, float] | None, gpus: Mapping[str, float] | None, whole: float
) -> list[Value]:
    """The cells of _measures() from a row of Answer.totals."""
    name, core_hours = row.name, row.core_hours  # type: ignore[attr-defined]
    was = [] if before is None else [changed(core_hours, before.get(name, 0.0))]
    gpu = [] if gpus is None else [gpus.get(name, 0.0)]
    share = core_hours / whole if whole else math.nan
    return [
        core_hours, share, *was, *gpu, row.ended, row.failed if row.exited or not row.ended else math.nan, row.wait_half, row.wait_most, row.cpu_efficiency,  # type: ignore[attr-defined]
    ]  # fmt: skip


def _by_name(frame: pd.DataFrame, column: str) -> dict[str, float]:
    return dict(zip(frame["name"], frame[column], strict=True))


def _holders(asking: Asking, by: str) -> Table:
    found = asking.answer(by)
    before = _by_name(asking.answer(by, before=True).totals, "core_hours") if asking.compared else None
    used = asking.answer(by, "gpu-hours")
    gpus = _by_name(used.totals, "value") if used.all["value"] > 0 else None
    whole = found.all["core_hours"]
    rows = [(row.name, *_values(row, before, gpus, whole)) for row in found.totals.itertuples(index=False)]
    asks = {
        "user": "Which users used how much?",
        "group": "Which groups used how much?",
        "cluster": "On which clusters?",
    }
    return Table(
        f"{by}s", asks[by], "most core-hours first", (Measure(by, _NAMES[by]), *_measures(asking, gpus is not None)),
        tuple(rows), shown=SHOWN,
    )  # fmt: skip


def _queues(asking: Asking) -> Table:
    """By cluster and queue; usage goes by the queue that a job was in at the time."""
    rows: list[tuple[Value, ...]] = []
    whole = asking.answer("user").all["core_hours"]
    alone = asking.subject.kind == "cluster"
    some_gpus = asking.answer(None, "gpu-hours").all["value"] > 0
    for cluster in asking.clusters:
        others = tuple(one for one in asking.subject.filters if one[0] != "cluster")
        filters = (("cluster", (cluster.name,)), *others)
        found = asking.answer("queue", filters=filters).totals
        before = None
        if asking.compared:
            before = _by_name(asking.answer("queue", before=True, filters=filters).totals, "core_hours")
        gpus = _by_name(asking.answer("queue", "gpu-hours", filters=filters).totals, "value") if some_gpus else None
        keys = () if alone else (cluster.title,)
        rows += [(*keys, row.name, *_values(row, before, gpus, whole)) for row in found.itertuples(index=False)]
    keys = [Measure(by, _NAMES[by]) for by in (["queue"] if alone else ["cluster", "queue"])]
    return Table(
        "queues", "In which queues?", "by the queue a job was in at the time, most core-hours first",
        (*keys, *_measures(asking, some_gpus)), tuple(rows), len(keys), SHOWN,
    )  # fmt: skip


def _mix(asking: Asking, by: str) -> Table:
    frame = tables.mix(asking.source.explorer, asking.asked(), by)
    frame = frame[(frame["core_hours"] > 0) | (frame["ended"] > 0)]
    title, subtitle, head = _MIXES[by]
    rows = frame[["name", "core_hours", "share", "ended"]].itertuples(index=False, name=None)
    return Table(f"jobs_by_{by}", title, subtitle, (Measure(by, head), _CORE_HOURS, _SHARE, _ENDED), tuple(rows))


def _waits(asking: Asking) -> Table:
    frame = tables.waits(asking.source.explorer, asking.asked())
    alone = asking.subject.kind == "cluster"
    keys = ["queue", "size"] if alone else ["cluster", "queue", "size"]
    frame["size"] = frame["size"].map(dict(CLASSES["size"].values()))
    frame["most_in_queue"] = frame.groupby(["cluster", "queue"])["jobs"].transform("sum")
    order = ["most_in_queue", "cluster", "queue"]
    frame = frame.sort_values(order, ascending=[False, True, True], kind="stable")
    rows = frame[[*keys, "jobs", "wait_half", "wait_most"]].itertuples(index=False, name=None)
    heads = {**_NAMES, "size": "Cores asked for"}
    return Table(
        "waits", "How long did jobs wait, by queue and size?", "of the jobs that started; the queue with most jobs first",
        (*(Measure(key, heads[key]) for key in keys), Measure("jobs_started", "Jobs", "jobs", "count"), _HALF, _MOST),
        tuple(rows), len(keys), SHOWN,
    )  # fmt: skip


def _worst_nodes(asking: Asking) -> Table:
    frame = asking.source.explorer.worst_nodes(asking.asked(), WORST_NODES)
    measures: Sequence[Measure] = (
        Measure("node", "Node"),
        Measure("down", "Down", "seconds", "duration"),
        Measure("offline", "Offline", "seconds", "duration"),
        Measure("times", "Times", "", "count"),
    )
    rows = frame[["name", "down_seconds", "offline_seconds", "times"]].itertuples(index=False, name=None)
    return Table(
        "nodes_out_of_service", "Which nodes were out of service longest?", "the worst ten",
        tuple(measures), tuple(rows),
    )  # fmt: skip
