"""What would be free when, as steps: for certain, in nine of ten cases, and as expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

import pandas as pd

from webstat.figures.stack import BOTTOM, TOP, local_zone
from webstat.figures.template import local, template
from webstat.theme import tokens

HEIGHT = 260

CERTAIN, LIKELY, EXPECTED = "cores_certain", "cores_likely", "cores_expected"


@dataclass(frozen=True)
class Mark:
    """Nodes that are taken away at a moment."""

    at: float
    words: str


def outlook_figure(
    steps: pd.DataFrame,
    usable: int,
    *,
    lines: Sequence[str],
    marks: Sequence[Mark] = (),
    theme: str,
    zone: tzinfo,
    revision: str,
) -> dict[str, Any]:
    """Free cores over the next 24 hours; `steps` is Future.steps, `lines` which of CERTAIN, LIKELY, EXPECTED are drawn.

    The lowest is filled to zero, what lies between two others tinted; `usable` is the dotted line. Local times are those
    of the zone where the steps begin.
    """
    t = tokens(theme)
    first, step = int(steps.index[0]), int(steps.index[1] - steps.index[0])
    offset = local_zone(first, zone)
    looks: dict[str, dict[str, Any]] = {
        CERTAIN: {
            "name": "at least, by walltimes",
            "fill": "tozeroy",
            "fillcolor": t["c0"],
            "line": {"width": 1.2, "color": t["ink-2"], "shape": "hv"},
        },
        LIKELY: {
            "name": "at least, 90 of 100",
            "line": {"width": 1.2, "color": t["work"], "dash": "dash", "shape": "hv"},
        },
        EXPECTED: {
            "name": "expected",
            "line": {"width": 2, "color": t["work"], "shape": "hv"},
            **({"fill": "tonexty", "fillcolor": t["wait"]} if LIKELY in lines else {}),
        },
    }

    def trace(values: list[int], **look: Any) -> dict[str, Any]:
        regular = {"x0": local(first, offset), "dx": step * 1000, "y": values}
        return {"type": "scatter", "mode": "lines", "hovertemplate": "%{y:,.0f}", **regular, **look}

    data = [trace(steps[line].tolist(), **looks[line]) for line in looks if line in lines]
    dotted = {"width": 1.5, "color": t["ink-2"], "dash": "dot"}
    data.append(trace([usable] * len(steps), name="usable", line=dotted))
    top = top_of(steps, usable)
    layout = {
        "template": template(theme),
        "height": HEIGHT,
        "dragmode": False,
        "xaxis": {
            "type": "date",
            "range": [local(first, offset), local(int(steps.index[-1]), offset)],
            "tickformat": "%H:%M\n%a %-d %b",
            "hoverformat": "%a %H:%M",
            "tickangle": 0,
            "nticks": 6,
            "fixedrange": True,
        },
        "yaxis": {
            "range": [0, round(top, 1)],
            "title": {"text": "free cores"},
            "tickformat": ",d" if top < 10_000 else "~s",
        },
        "uirevision": revision,
        "shapes": [_line(mark, offset, t["warn-edge"]) for mark in marks],
        "annotations": [_words(mark, offset, t) for mark in marks],
    }
    return {"data": data, "layout": layout}


def top_of(steps: pd.DataFrame, usable: int) -> float:
    """The upper end of the y axis."""
    return max(usable, int(steps[EXPECTED].max())) * 1.06 or 1.0


def pixels(steps: pd.DataFrame, usable: int, cores: float) -> float:
    """Where a number of cores lies, from the top of the plot."""
    return HEIGHT - BOTTOM - cores * (HEIGHT - TOP - BOTTOM) / top_of(steps, usable)


def _line(mark: Mark, zone: tzinfo, colour: str) -> dict[str, Any]:
    x = local(mark.at, zone)
    dotted = {"width": 1, "dash": "dot", "color": colour}
    return {"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper", "line": dotted}


def _words(mark: Mark, zone: tzinfo, t: Mapping[str, str]) -> dict[str, Any]:
    place = {"x": local(mark.at, zone), "y": 1, "yref": "paper", "xanchor": "right", "yanchor": "top", "textangle": -90}
    look = {"showarrow": False, "bgcolor": t["surface"], "font": {"size": 11, "color": t["warn"]}}
    return {**place, **look, "text": mark.words}
