"""Cores over time, stacked by who used them: the figure, and the direct labels beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any

import numpy as np
import pandas as pd

from webstat.data.usage import Stretch, Usage
from webstat.figures.template import local, safe, template
from webstat.identity import DOTTED, OTHERS, STRIPED, Shade, colour
from webstat.theme import tokens

HEIGHT, TOP, BOTTOM = 300, 8, 34
LABEL_PIXELS = 15
"""Direct labels are pushed apart to this distance."""


@dataclass(frozen=True)
class Label:
    """A direct label: which band, and where its middle is at the right edge (pixels from the top of the plot)."""

    holder: str | None
    """None is the band of others."""
    shade: Shade
    y: float
    cores: float
    """The band's mean there."""


def runs(series: pd.Series) -> list[tuple[int, int]]:
    """The stretches of a series that are known: (first position, position after the last)."""
    known = np.concatenate([[False], series.notna().to_numpy(), [False]])
    edges = np.flatnonzero(np.diff(known.astype(int)))
    return [(int(start), int(stop)) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def top_of(usage: Usage, usable: pd.Series) -> float:
    """The upper end of the y axis."""
    highest = np.nanmax([0.0, *usage.total.dropna(), *usable.dropna()])
    return float(highest) * 1.06 or 1.0


def usage_figure(
    usage: Usage,
    usable: pd.Series,
    *,
    until: float,
    theme: str,
    zone: tzinfo,
    shades: Mapping[str, Shade],
    revision: str,
    zoom: Stretch | None = None,
) -> dict[str, Any] | None:
    """Cores in use as bands, largest at the bottom, others on top; None where no core was in use, or no report came.

    `usable` is the dotted line; `shades` has the shade of each column of `usage.holders`. Of a `zoom` only that
    stretch is shown; what a viewer does to the axes is kept as long as it and `revision` are the same.
    `layout.meta` has the distance of the axis from UTC in seconds, for who reads what a viewer chose. Local times
    are those of the zone at `until`: on the two days a year when clocks change, the hours before the change are
    labelled an hour off.
    """
    segments = runs(usage.total)
    if not segments or not (usage.total > 0).any():
        return None
    t = tokens(theme)
    index = usage.total.index
    step = int(index[1] - index[0])
    offset = local_zone(until, zone)
    top = top_of(usage, usable)

    def line(series: pd.Series, start: int, stop: int, **look: Any) -> dict[str, Any]:
        # A step's mean stands at its first second; the last is repeated at its end, so that single steps show.
        values = [*series.iloc[start:stop], series.iloc[stop - 1]]
        return {
            "type": "scatter",
            "mode": "lines",
            "x0": local(index[start], offset),
            "dx": step * 1000,
            "y": [None if np.isnan(value) else round(float(value), 1) for value in values],
            "hovertemplate": "%{y:,.0f}",
            **look,
        }

    bands: list[tuple[str, pd.Series, Shade]] = [
        (safe(str(holder)), usage.holders[holder], shades[str(holder)]) for holder in usage.holders.columns
    ]
    if usage.folded:
        bands.append((f"{usage.folded} others", usage.others, OTHERS))
    data = []
    for number, (start, stop) in enumerate(segments):
        for name, series, shade in bands:
            if not (series.iloc[start:stop] > 0).any():
                continue
            fill = colour(shade, theme)
            look: dict[str, Any] = {"fillcolor": fill, **pattern(shade, fill, t["surface"])}
            data.append(
                line(
                    series,
                    start,
                    stop,
                    name=name,
                    stackgroup=f"s{number}",
                    line={"width": 0.8, "color": t["surface"]},
                    **look,
                )
            )
        data.append(line(usage.total, start, stop, name="in use", line={"width": 1.2, "color": t["ink-2"]}))
    for start, stop in runs(usable):
        dotted = {"width": 1.5, "color": t["ink-2"], "dash": "dot"}
        data.append(line(usable, start, stop, name="usable", line=dotted))
    edges = [local(index[0], offset), local(until, offset)]
    layout = {
        "template": template(theme),
        "height": HEIGHT,
        "xaxis": {
            "type": "date",
            # A `range` would move on with the clock at each report; it is given for a zoom only.
            "autorangeoptions": {"include": edges, "clipmin": edges[0], "clipmax": edges[1]},
            "tickformat": "%H:%M\n%a %-d %b",
            "hoverformat": "%a %H:%M",
            "tickangle": 0,
            **({} if zoom is None else {"range": [local(at, offset) for at in zoom]}),
        },
        "yaxis": {
            "range": [0, round(top, 1)],
            "title": {"text": "cores in use"},
            "tickformat": ",d" if top < 10_000 else "~s",  # 20k, which the margin has room for
        },
        "legend": {"traceorder": "reversed"},
        "uirevision": revision if zoom is None else f"{revision} {zoom[0]:.0f}-{zoom[1]:.0f}",
        "meta": {"offset": round(offset.utcoffset(None).total_seconds())},
        **_gaps(usage.total, segments, until, step, offset, theme),
    }
    return {"data": data, "layout": layout}


def pattern(shade: Shade, fill: str, ground: str) -> dict[str, Any]:
    """The textures of the style sheet's .tx and .td."""
    if shade.texture == STRIPED:
        return {"fillpattern": {"shape": "/", "fgcolor": fill, "bgcolor": ground, "size": 6, "solidity": 0.5}}
    if shade.texture == DOTTED:
        return {"fillpattern": {"shape": ".", "fgcolor": ground, "bgcolor": fill, "size": 5, "solidity": 0.25}}
    return {}


def _gaps(
    total: pd.Series, segments: Sequence[tuple[int, int]], until: float, step: int, zone: tzinfo, theme: str
) -> dict[str, Any]:
    """Dotted boxes over what is not known, with words where they fit."""
    t = tokens(theme)
    start_of = total.index[0]
    edges = [0, *(edge for segment in segments for edge in segment), len(total)]
    shapes, annotations = [], []
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        start, end = start_of + first * step, min(start_of + last * step, until)
        if end - start < step:
            continue
        new = first == 0
        shapes.append(
            {
                "type": "rect",
                "x0": local(start, zone),
                "x1": local(end, zone),
                "y0": 0,
                "y1": 1,
                "yref": "paper",
                "layer": "below",
                "line": {"width": 0 if new else 1, "dash": "dot", "color": t["warn-edge"]},
                "fillcolor": t["sunken"] if new else t["warn-bg"],
                "opacity": 0.6,
            }
        )
        wide = end - start > (until - start_of) / 6
        annotations.append(
            {
                "x": local((start + end) / 2, zone),
                "y": 0.5,
                "yref": "paper",
                "text": "no data" if not new else "no report yet then",
                "textangle": 0 if wide else -90,
                "showarrow": False,
                "font": {"size": 11, "color": t["ink-2"] if new else t["warn"]},
            }
        )
    return {"shapes": shapes, "annotations": annotations}


def local_zone(at: float, zone: tzinfo) -> timezone:
    """The zone as a fixed distance from UTC, the one in force at `at`: a regular axis has no jumps."""
    return timezone(datetime.fromtimestamp(at, zone).utcoffset() or timedelta())


def labels(
    usage: Usage, usable: pd.Series, shades: Mapping[str, Shade], until: float | None = None
) -> tuple[list[Label], float | None]:
    """Direct labels of the bands at the right edge, bottom first, and where the usable line ends (pixels).

    The edge is the last step known, or the last known before `until`.
    """
    known = usage.total.notna().to_numpy()
    if until is not None:
        known = known & (usage.total.index < until)
    if not known.any():
        return [], None
    last = int(np.flatnonzero(known)[-1])
    scale = (HEIGHT - TOP - BOTTOM) / top_of(usage, usable)

    def pixels(cores: float) -> float:
        return HEIGHT - BOTTOM - cores * scale

    bands: list[tuple[str | None, Shade, float]] = [
        (str(holder), shades[str(holder)], float(usage.holders[holder].iloc[last])) for holder in usage.holders.columns
    ]
    if usage.folded:
        bands.append((None, OTHERS, float(usage.others.iloc[last])))
    result, below = [], 0.0
    for holder, shade, cores in bands:
        result.append(Label(holder, shade, pixels(below + cores / 2), cores))
        below += cores
    line = usable.iloc[last]
    return result, None if np.isnan(line) else pixels(float(line))


def push_apart(wished: Sequence[float], low: float = 0.0, high: float = HEIGHT - 8.0) -> list[float]:
    """Positions near the wished ones, in the same order (bottom first), LABEL_PIXELS apart, within [low, high]."""
    placed: list[float] = []
    for y in wished:
        placed.append(min(y, high if not placed else placed[-1] - LABEL_PIXELS))
    floor = low
    for place in range(len(placed) - 1, -1, -1):
        placed[place] = max(placed[place], floor)
        floor = placed[place] + LABEL_PIXELS
    return placed
