"""The table of jobs over all clusters or one; assets/jobs.js fills it from /data/jobs."""

from __future__ import annotations

from dash import html

from webstat.components.text import Part
from webstat.view import View


def layout(view: View) -> list[Part] | None:
    """The page's body."""
    return [html.H1("Jobs", className="ws-h1")]
