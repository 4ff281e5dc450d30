"""One node: its states, its jobs now and before."""

from __future__ import annotations

from dash import html

from webstat.components.text import Part
from webstat.view import View


def layout(view: View, cluster: str, node: str) -> list[Part] | None:
    """The page's body."""
    return [html.H1("Node", className="ws-h1")]
