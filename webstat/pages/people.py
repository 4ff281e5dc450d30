"""A user, or a group, on all clusters: jobs, use, waits."""

from __future__ import annotations

from dash import html

from webstat.components.text import Part
from webstat.view import View


def user_layout(view: View, user: str) -> list[Part] | None:
    """The page's body."""
    return [html.H1("User", className="ws-h1")]


def group_layout(view: View, group: str) -> list[Part] | None:
    """The page's body."""
    return [html.H1("Group", className="ws-h1")]
