"""History as pictures: a metric over time by who or what, the hours of the week, nodes in service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

import numpy as np

from webstat import format as words
from webstat.figures.stack import pattern
from webstat.figures.template import local, safe, template
from webstat.identity import Shade, colour
from webstat.theme import tokens

HEIGHT, TOP, BOTTOM = 330, 8, 34
NODES_HEIGHT = 240
WEEK_HEIGHT = 226
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

Numbers = np.ndarray


@dataclass(frozen=True)
class Band:
    """One key's numbers by bucket; NaN where not known."""

    name: str
    values: Numbers
    shade: Shade


@dataclass(frozen=True)
class Line:
    """A line over the bands: usable capacity dotted, the period before dashed, the sum of all whole."""

    name: str
    values: Numbers
    dash: str = "solid"


def history_figure(
    edges: Numbers,
    bands: Sequence[Band],
    lines: Sequence[Line],
    *,
    unit: str,
    form: str,
    theme: str,
    zone: tzinfo,
    chart: str = "area",
    gaps: Sequence[tuple[int, int]] = (),
    meta: dict[str, Any] | None = None,
) -> dict[str, Any] | None:
    """A metric by bucket, largest band at the bottom; None where nothing of it is known.

    `edges` are the buckets' (unix seconds). `chart` is area (stacked), bars (stacked), or lines; `form` says how numbers
    are told: number, percent, duration, or times. `gaps` are boxed. `meta` goes into layout.meta, for the browser.
    """
    if not any(np.isfinite(one.values).any() for one in (*bands, *lines)):
        return None
    t = tokens(theme)
    scale = 100.0 if form == "percent" else 1.0 / 3600 if form == "duration" else 1.0
    times = [local(int(at), zone) for at in edges]
    widths = (np.diff(edges) * 1000).tolist()
    stacked = chart != "lines"
    data: list[dict[str, Any]] = []

    def hover(values: Numbers) -> dict[str, Any]:
        return {"customdata": [_said(value, form) for value in values], "hovertemplate": "%{customdata}"}

    for band in bands:
        fill = colour(band.shade, theme)
        values = band.values * scale
        common = {"name": safe(band.name), **hover(band.values)}
        if chart == "bars":
            marker = {"color": fill, "line": {"width": 0}, **_bar_pattern(band.shade, fill, t["surface"])}
            data.append(
                {
                    "type": "bar",
                    "x": times[:-1],
                    "y": _listed(values),
                    "width": widths,
                    "offset": 0,
                    "marker": marker,
                    **common,
                }
            )
        else:
            look: dict[str, Any] = {"line": {"width": 1.8, "color": fill, "shape": "hv"}}
            if stacked:
                look = {
                    "line": {"width": 0.8, "color": t["surface"], "shape": "hv"},
                    "stackgroup": "all",
                    "stackgaps": "infer zero",
                    "fillcolor": fill,
                    **pattern(band.shade, fill, t["surface"]),
                }
            elif band.shade.texture:
                look["line"]["dash"] = "dash"
            data.append(_stepped(times, values, **look, **common))
    for line in lines:
        look = {"width": 1.2 if line.dash == "solid" else 1.5, "color": t["ink-2"], "dash": line.dash, "shape": "hv"}
        data.append(_stepped(times, line.values * scale, name=line.name, line=look, **hover(line.values)))
    layout = {
        "template": template(theme),
        "height": HEIGHT,
        "barmode": "stack",
        "bargap": 0,
        "xaxis": {
            "type": "date",
            "range": [times[0], times[-1]],
            "tickformatstops": _TICKS,
            "hoverformat": "%a %-d %b %Y" if edges[1] - edges[0] > 20 * 3600 else "%a %-d %b %H:%M",
            "tickangle": 0,
            "nticks": 8,
        },
        "yaxis": {
            "rangemode": "tozero",
            "title": {"text": unit},
            "automargin": True,
            **({"ticksuffix": " %"} if form == "percent" else {"ticksuffix": " h"} if form == "duration" else {}),
        },
        "legend": {"traceorder": "reversed"},
        "meta": {"words": "from-to", **(meta or {})},
        **_gap_boxes(gaps, edges, zone, theme),
    }
    return {"data": data, "layout": layout}


_TICKS = [
    {"dtickrange": [None, 86_400_000 - 1], "value": "%H:%M\n%a %-d %b"},
    {"dtickrange": [86_400_000, 86_400_000 * 20], "value": "%-d %b\n%Y"},
    {"dtickrange": [86_400_000 * 20, None], "value": "%b\n%Y"},
]


def _stepped(times: Sequence[str], values: Numbers, **look: Any) -> dict[str, Any]:
    """A bucket's number stands at its beginning; the last is repeated at its end, so that single ones show."""
    if "customdata" in look:
        look["customdata"] = [*look["customdata"], look["customdata"][-1]]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": list(times),
        "y": [*_listed(values), *_listed(values[-1:])],
        **look,
    }


def _listed(values: Numbers) -> list[float | None]:
    return [float(f"{value:.5g}") if np.isfinite(value) else None for value in values]


def _said(value: float, form: str) -> str:
    if not np.isfinite(value):
        return words.UNKNOWN
    if form == "percent":
        return words.percent(value, 1)
    if form == "duration":
        return words.wait(value)
    if form == "times":
        return f"{value:.2f}"
    return words.number(value) if value >= 100 else f"{value:.1f}".removesuffix(".0")


def _bar_pattern(shade: Shade, fill: str, ground: str) -> dict[str, Any]:
    found = pattern(shade, fill, ground)
    return {"pattern": found["fillpattern"]} if found else {}


def _gap_boxes(gaps: Sequence[tuple[int, int]], edges: Numbers, zone: tzinfo, theme: str) -> dict[str, Any]:
    t = tokens(theme)
    length = int(edges[-1] - edges[0])
    shapes, notes = [], []
    for since, until in gaps:
        box = {"type": "rect", "x0": local(since, zone), "x1": local(until, zone), "y0": 0, "y1": 1, "yref": "paper"}
        look = {"line": {"width": 1, "dash": "dot", "color": t["warn-edge"]}, "fillcolor": t["warn-bg"], "opacity": 0.6}
        shapes.append({**box, **look, "layer": "below" if until - since > length / 3 else "above"})
        if until - since > length / 12:
            middle = {"x": local((since + until) / 2, zone), "y": 0.94, "yref": "paper", "showarrow": False}
            notes.append({**middle, "text": "no data", "font": {"size": 11, "color": t["warn"]}})
    return {"shapes": shapes, "annotations": notes}


def week_figure(shares: Numbers, *, theme: str) -> dict[str, Any] | None:
    """Mean utilisation by weekday and hour of the day, float64 (7, 24) from 0 to 1; None where nothing is known.

    The least and the most are written into their cells.
    """
    if not np.isfinite(shares).any():
        return None
    t = tokens(theme)
    percent = np.round(shares * 100, 1)
    low, high = float(np.nanmin(percent)), float(np.nanmax(percent))
    least, most = (np.unravel_index(find(percent), percent.shape) for find in (np.nanargmin, np.nanargmax))
    ramp = [[place / 4, t[f"r{place + 1}"]] for place in range(5)]
    notes = [
        {"x": int(hour), "y": WEEKDAYS[int(day)], "text": f"{percent[day, hour]:.0f}", "showarrow": False, "font": {"size": 11, "color": ink}}
        for (day, hour), ink in (((least[0], least[1]), t["ink"]), ((most[0], most[1]), t["surface"]))
    ]  # fmt: skip
    heat = {
        "type": "heatmap",
        "x": list(range(24)),
        "y": list(WEEKDAYS),
        "z": [[None if np.isnan(value) else float(value) for value in row] for row in percent],
        "colorscale": ramp,
        "zmin": low,
        "zmax": max(high, low + 1),
        "xgap": 2,
        "ygap": 2,
        "showscale": False,
        "hoverongaps": False,
        "hovertemplate": "%{y} %{x}:00–%{x}:59: %{z:.0f} %<extra></extra>",
    }
    layout = {
        "template": template(theme),
        "height": WEEK_HEIGHT,
        "margin": {"l": 36, "r": 4, "t": 4, "b": 34},
        "hovermode": "closest",
        "xaxis": {
            "tickvals": list(range(0, 24, 3)),
            "ticktext": [*map(str, range(0, 21, 3)), "21 h"],
            "showline": False,
            "fixedrange": True,
        },
        "yaxis": {
            "autorange": "reversed",
            "showgrid": False,
            "type": "category",
            "rangemode": "normal",
            "tickvals": list(WEEKDAYS),
        },
        "annotations": notes if most != least else notes[:1],
    }
    return {"data": [heat], "layout": layout}


def nodes_figure(
    edges: Numbers, up: Numbers, offline: Numbers, down: Numbers, *, theme: str, zone: tzinfo
) -> dict[str, Any] | None:
    """Nodes in service, offline and down, stacked; None where nothing is known."""
    if not np.isfinite(up).any():
        return None
    t = tokens(theme)
    times = [local(int(at), zone) for at in edges]
    looks = {
        "in service": (up, t["wait"], {}),
        "offline": (offline, t["off"], {"fillpattern": {"shape": "/", "fgcolor": t["off"], "bgcolor": t["surface"], "size": 6, "solidity": 0.5}}),
        "down": (down, t["bad-fill"], {}),
    }  # fmt: skip
    data = [
        _stepped(
            times,
            values,
            name=name,
            line={"width": 0.8, "color": t["surface"], "shape": "hv"},
            stackgroup="nodes",
            fillcolor=fill,
            hovertemplate="%{y:,.1f}",
            **more,
        )
        for name, (values, fill, more) in looks.items()
    ]
    layout = {
        "template": template(theme),
        "height": NODES_HEIGHT,
        "xaxis": {
            "type": "date",
            "range": [times[0], times[-1]],
            "tickformatstops": _TICKS,
            "tickangle": 0,
            "nticks": 6,
            "fixedrange": True,
        },
        "yaxis": {"title": {"text": "nodes"}, "rangemode": "tozero", "automargin": True},
        "legend": {"traceorder": "reversed"},
    }
    return {"data": data, "layout": layout}


def range_words(since: int, until: int, zone: tzinfo) -> str:
    """`24 Oct – 22 Nov 2026`; with times of day where it is not whole days; one day once."""
    start = datetime.fromtimestamp(since, zone)
    end = datetime.fromtimestamp(until - 1, zone)
    if _is_midnight(since, zone) and (_is_midnight(until, zone) or end.date() > start.date()):
        if start.date() == end.date():
            return f"{start:%-d %b %Y}"
        year = "" if start.year == end.year else f" {start:%Y}"
        return f"{start:%-d %b}{year} – {end:%-d %b %Y}"
    end = datetime.fromtimestamp(until, zone)
    last = f"{end:%H:%M}" if end.date() == start.date() else f"{end:%-d %b %Y %H:%M}"
    return f"{start:%-d %b %Y %H:%M} – {last}"


def _is_midnight(at: int, zone: tzinfo) -> bool:
    moment = datetime.fromtimestamp(at, zone)
    return (moment.hour, moment.minute, moment.second) == (0, 0, 0)
