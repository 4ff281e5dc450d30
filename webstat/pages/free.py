"""What can be used now: cores and nodes per cluster, queue and property."""

from __future__ import annotations

from dash import html

from webstat.components.text import Part
from webstat.view import View


def layout(view: View) -> list[Part] | None:
    """The page's body."""
    return [html.H1("Free now", className="ws-h1")]
