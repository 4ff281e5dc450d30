"""What all Plotly figures share: the look of axes, fonts and hover labels in a theme, and text made safe."""

from __future__ import annotations

import html
from datetime import datetime, tzinfo
from typing import Any

from webstat.format import shorten
from webstat.theme import FONT, tokens

ISOLATE, POP = "\u2068", "\u2069"


def template(theme: str) -> dict[str, Any]:
    """The slim template of a theme; goes into layout.template."""
    t = tokens(theme)
    axis = {
        "gridcolor": t["line"],
        "linecolor": t["edge"],
        "zeroline": False,
        "ticks": "",
        "tickfont": {"size": 11},
        "title": {"font": {"size": 11}, "standoff": 6},
        "automargin": False,
        "hoverformat": ",.0f",
    }
    return {
        "layout": {
            "font": {"family": FONT, "size": 12, "color": t["ink-2"]},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "margin": {"l": 44, "r": 4, "t": 8, "b": 34},
            "xaxis": {**axis, "showgrid": False, "showline": True},
            "yaxis": {**axis, "rangemode": "tozero", "fixedrange": True, "nticks": 5},
            "hovermode": "x unified",
            "showlegend": False,
            "separators": ".,",
            "hoverlabel": {
                "bgcolor": t["surface"],
                "bordercolor": t["edge"],
                "font": {"family": FONT, "size": 12, "color": t["ink"]},
                "namelength": -1,
            },
        }
    }


def safe(name: str, limit: int = 24) -> str:
    """A stranger's text for a label or trace name: Plotly reads some HTML there, so it is escaped."""
    return f"{ISOLATE}{html.escape(shorten(name, limit), quote=False)}{POP}"


def local(at: float, zone: tzinfo) -> str:
    """A moment as Plotly's date axes want it: local time without a zone."""
    return f"{datetime.fromtimestamp(at, zone):%Y-%m-%d %H:%M:%S}"
