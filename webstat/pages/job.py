"""One job: when, what it uses, where, why it waits, and all that the report says of it."""

from __future__ import annotations

from dash import html

from webstat.components.text import Part
from webstat.view import View


def layout(view: View, cluster: str, job: str) -> list[Part] | None:
    """The page's body."""
    return [html.H1("Job", className="ws-h1")]
