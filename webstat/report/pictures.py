"""The pictures of a report: who used the cores, and how many nodes were in service, by day or hour.

How they are drawn is figures.svg's.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np

from webstat.data.explore import tables
from webstat.data.explore.answer import Answer
from webstat.figures.svg import Band, Column
from webstat.format import shorten
from webstat.identity import HUES, STRIPED, shades
from webstat.report.asking import Asking
from webstat.report.model import CORE_HOURS, Measure, Picture


def use_picture(asking: Asking, by: str, now: float) -> Picture:
    """Core-hours by bucket, stacked by who or what used them; of a cluster with what was usable."""
    found = asking.answer(by)
    names = found.totals["name"].tolist()
    shade = shades(names[:HUES], asking.source.hues(now, by))
    bands = [
        Band(shorten(name), tuple(found.series[row]), f"c{shade[name].hue}", shade[name].texture)
        for row, name in enumerate(names[:HUES])
        if found.totals["value"].iloc[row] > 0
    ]
    if found.totals["value"].iloc[HUES:].sum() > 0:
        rest = int((found.totals["value"].iloc[HUES:] > 0).sum())
        bands.append(Band(f"{rest} {'other' if rest == 1 else 'others'}", tuple(found.series[HUES:].sum(axis=0)), "c0"))
    whole = asking.subject.kind in ("cluster", "everything")
    step = asking.period.step
    return Picture(
        f"use_by_{step}",
        f"Who used the cores, {'hour by hour' if step == 'hour' else 'day by day'}?" if by != "queue" else "When were cores used, and in which queue?",
        f"core-hours per {step}, stacked by {by}, largest at the bottom",
        CORE_HOURS,
        _starts(asking, found),
        _columns(asking, found),
        tuple(bands),
        tuple(found.usable) if whole and np.isfinite(found.usable).any() else (),
        "usable core-hours",
        _places(found),
    )  # fmt: skip


def nodes_picture(asking: Asking) -> Picture:
    """Nodes in service, offline and down by bucket."""
    found = asking.answer("user")
    frame = tables.nodes(asking.source.explorer, found.asked)
    bands = (
        Band("in service", tuple(frame["up"]), "work"),
        Band("offline", tuple(frame["offline"]), "off", STRIPED),
        Band("down or unknown", tuple(frame["down"]), "bad-fill"),
    )
    return Picture(
        "nodes", "How many nodes were in service?", f"means per {asking.period.step}",
        Measure("nodes", "Nodes", "nodes", "count"), _starts(asking, found), _columns(asking, found), bands, gaps=_places(found),
    )  # fmt: skip


def _starts(asking: Asking, found: Answer) -> tuple[str, ...]:
    return tuple(datetime.fromtimestamp(at, asking.period.zone).isoformat() for at in found.edges[:-1].tolist())


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
