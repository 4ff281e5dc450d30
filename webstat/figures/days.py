"""What was used on each UTC day: one series, one bar a day without space between, so that it reads as steps."""

from __future__ import annotations

import math
from datetime import UTC
from typing import Any

import numpy as np
import pandas as pd

from webstat.figures.template import local, template
from webstat.format import compact
from webstat.theme import tokens

HEIGHT = 240
DAY_MILLISECONDS = 86_400_000


def days_figure(days: pd.Series, *, theme: str) -> dict[str, Any] | None:
    """Core-hours by day; None where none was used. The index holds the days' first seconds, NaN is a gap.

    The last day is not over: it is drawn in the tint with an outline.
    """
    if not (days > 0).any():
        return None
    t = tokens(theme)
    last = len(days) - 1
    look = {
        "color": [t["work"]] * last + [t["wait"]],
        "line": {"width": [0.0] * last + [1.0], "color": t["work"]},
    }
    bars = {
        "type": "bar",
        "x0": local(days.index[0], UTC),
        "dx": DAY_MILLISECONDS,
        "y": [None if np.isnan(value) else round(float(value), 1) for value in days],
        "width": DAY_MILLISECONDS,
        "offset": 0,
        "marker": look,
        "hovertemplate": "%{y:,.0f} core-hours<extra></extra>",
    }
    edges = [local(days.index[0], UTC), local(days.index[-1] + DAY_MILLISECONDS // 1000, UTC)]
    layout = {
        "template": template(theme),
        "height": HEIGHT,
        "bargap": 0,
        "xaxis": {
            "type": "date",
            "range": edges,
            "fixedrange": True,
            "tickformat": "%-d %b",
            "hoverformat": "%a %-d %b, UTC day",
            "tickangle": 0,
            "nticks": 8,
        },
        "yaxis": {"title": {"text": "core-hours"}, **_ticks(float(days.max()))},
        **_gaps(days, theme),
    }
    return {"data": [bars], "layout": layout}


def _ticks(highest: float) -> dict[str, Any]:
    """At most five lines at round numbers, from 0 to above the highest value."""
    rough = highest / 4
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    values = [step * place for place in range(5)]
    texts = [compact(value) if float(value).is_integer() else f"{value:g}" for value in values]
    return {"range": [0, max(highest * 1.06, values[1])], "tickvals": values, "ticktext": texts}


def _gaps(days: pd.Series, theme: str) -> dict[str, Any]:
    """A quiet box over the days before anything was known, with words."""
    first = days.first_valid_index()
    if first is None or first == days.index[0]:
        return {}
    t = tokens(theme)
    start, end = local(days.index[0], UTC), local(first, UTC)
    box = {"type": "rect", "x0": start, "x1": end, "y0": 0, "y1": 1, "yref": "paper", "layer": "below"}
    box |= {"line": {"width": 0}, "fillcolor": t["sunken"], "opacity": 0.6}
    words = {
        "x": local((days.index[0] + first) / 2, UTC),
        "y": 0.5,
        "yref": "paper",
        "text": "no report yet then",
        "showarrow": False,
        "font": {"size": 11, "color": t["ink-2"]},
    }
    wide = days.index.get_loc(first) > len(days) / 4
    return {"shapes": [box], "annotations": [words] if wide else []}
