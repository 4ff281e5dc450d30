"""A range of times on one shared logarithmic axis, from now to three days."""

from __future__ import annotations

import math

from dash import html

from webstat.format import DAY, MINUTE

LONGEST = 3 * DAY
"""Seconds at the right end of the axis."""


def place(seconds: float, shortest: float = MINUTE) -> float:
    """Where a time stands on the axis: 0 is now, 1 is LONGEST or later; from about `shortest` on equal factors are equal
    distances.
    """
    return min(1.0, math.log1p(max(0.0, seconds) / shortest) / math.log1p(LONGEST / shortest))


def range_bar(low: float, high: float, label: str) -> html.Div:
    """The stretch from `low` to `high` (seconds) on the axis; never so short that it is not seen."""
    left, right = place(low), place(high)
    bar = html.I(style={"left": f"{min(left, 0.96):.1%}", "width": f"{max(0.04, right - left):.1%}"})
    return html.Div(bar, className="ws-range", role="img", **{"aria-label": label})
