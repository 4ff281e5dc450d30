"""What a report holds: asks history what its reader wants to know, and puts the answers into numbers and tables.

Pictures are pictures.py's, sentences sentences.py's, how it looks html.py's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from webstat.data.explore import tables
from webstat.data.explore.cut import CLASSES
from webstat.data.source import Source
from webstat.report import sentences
from webstat.report.asking import Asking, Subject
from webstat.report.model import CORE_HOURS, Measure, Number, Picture, Report, Table, Value, changed
from webstat.report.period import Period
from webstat.report.pictures import nodes_picture, use_picture

SHOWN = 40
"""Rows of a table that people get; files have all."""
WORST_NODES = 10

_NAMES = {"user": "User", "group": "Group", "queue": "Queue", "cluster": "Cluster"}
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
    title = {"everything": "All clusters", "cluster": clusters[0]}.get(subject.kind, subject.name)
    pictures, made = _body(asking, now)
    names = {"ended", "failed", "wait", "cpu", "idle", "walltime", "core_hours", "share"}
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
        shares = [_share_of_all(asking, used[0], before=False), math.nan]
        if asking.compared:
            shares[1] = _share_of_all(asking, used[1], before=True)
        part = Number(Measure("share", "Share of all that was used", "share", "share1"), *shares)
    else:
        part = Number(Measure("utilisation", "Utilisation", "share", "share1"), *both("core-hours", "utilisation"))
    found = [
        Number(CORE_HOURS, *used, adds_up=True),
        part,
        Number(_ENDED, *both("core-hours", "ended"), adds_up=True),
        Number(Measure("failed_share", "Failed of ended", "share", "share"), *both("core-hours", "failed_share")),
        Number(_HALF, *both("core-hours", "wait_50")),
        Number(_MOST, *both("core-hours", "wait_90")),
        Number(_CPU, *both("core-hours", "cpu_efficiency")),
        Number(Measure("idle_core_hours", "Core-hours held idle", "core-hours", "hours"), *both("core-hours", "idle_core_hours"), adds_up=True),
        Number(Measure("walltime_used", "Walltime used of asked", "share", "share"), *both("walltime-efficiency", "value")),
    ]  # fmt: skip
    if any(hours > 0 for hours in gpus):
        found.insert(2, Number(_GPU_HOURS, *gpus, adds_up=True))
    return tuple(found)


def _share_of_all(asking: Asking, used: float, *, before: bool) -> float:
    everyone = asking.answer(None, before=before, filters=()).all["core_hours"]
    return used / everyone if everyone else math.nan


def _body(asking: Asking, now: float) -> tuple[tuple[Picture, ...], tuple[Table, ...]]:
    kind = asking.subject.kind
    leading = "group" if kind in ("cluster", "everything") else "queue" if kind == "user" else "user"
    pictures = [use_picture(asking, leading, now)]
    made = [_holders(asking, "group")] if leading == "group" else []
    if kind != "user":
        made.append(_holders(asking, "user"))
    if len(asking.clusters) > 1:
        made.append(_holders(asking, "cluster"))
    made += [_queues(asking), *(_mix(asking, by) for by in _MIXES), _waits(asking)]
    if kind == "cluster":
        pictures.append(nodes_picture(asking))
        made.append(_worst_nodes(asking))
    return tuple(pictures), tuple(table for table in made if table.rows)


def _measures(asking: Asking, gpus: bool) -> list[Measure]:
    before = [Measure("change", "Change", "share", "change")] if asking.compared else []
    return [
        CORE_HOURS, _SHARE, *before, *([_GPU_HOURS] if gpus else []), _ENDED,
        Measure("jobs_failed", "Failed", "jobs", "count"), _HALF, _MOST, _CPU,
    ]  # fmt: skip


def _values(
    row: Any, before: Mapping[int, float] | None, gpus: Mapping[int, float] | None, whole: float
) -> list[Value]:
    """The cells of _measures() from a row of Answer.totals."""
    core_hours = row.core_hours
    was = [] if before is None else [changed(core_hours, before.get(row.key, 0.0))]
    gpu = [] if gpus is None else [gpus.get(row.key, 0.0)]
    share = core_hours / whole if whole else math.nan
    failed = row.failed if row.exited or not row.ended else math.nan  # schedulers that tell no exit status
    return [core_hours, share, *was, *gpu, row.ended, failed, row.wait_half, row.wait_most, row.cpu_efficiency]


def _by_key(frame: pd.DataFrame, column: str) -> dict[int, float]:
    return dict(zip(frame["key"], frame[column], strict=True))


def _holders(asking: Asking, by: str) -> Table:
    found = asking.answer(by)
    before = _by_key(asking.answer(by, before=True).totals, "core_hours") if asking.compared else None
    used = asking.answer(by, "gpu-hours")
    gpus = _by_key(used.totals, "value") if used.all["value"] > 0 else None
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
            before = _by_key(asking.answer("queue", before=True, filters=filters).totals, "core_hours")
        gpus = _by_key(asking.answer("queue", "gpu-hours", filters=filters).totals, "value") if some_gpus else None
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
    return Table(f"jobs_by_{by}", title, subtitle, (Measure(by, head), CORE_HOURS, _SHARE, _ENDED), tuple(rows))


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
    measures = (
        Measure("node", "Node"),
        Measure("down", "Down", "seconds", "duration"),
        Measure("offline", "Offline", "seconds", "duration"),
        Measure("times", "Times", "", "count"),
    )
    rows = frame[["name", "down_seconds", "offline_seconds", "times"]].itertuples(index=False, name=None)
    return Table(
        "nodes_out_of_service", "Which nodes were out of service longest?", "the worst ten",
        measures, tuple(rows),
    )  # fmt: skip
