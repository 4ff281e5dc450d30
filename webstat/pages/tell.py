"""Tell me when: the page's title line. The rest is assets/tell.js, filled from /data/tell, since an open page knows people
by a key that only their browser has.
"""

from __future__ import annotations

from dash import html

from webstat.components.text import Part
from webstat.view import View

TELL = "tell"
"""The id of the place that assets/tell.js fills."""


def layout(view: View) -> list[Part]:
    """The page's body."""
    words = "What webstat looks out for, for you, and how it tells you."
    top = html.Div(
        [html.H1("Tell me when", className="ws-h1"), html.Span(words, className="text-body-secondary")],
        className="d-flex flex-wrap align-items-baseline column-gap-3 mb-3",
        id="tell-head",
    )
    return [top, html.Div(id=TELL, **{"data-zone": str(view.zone)})]
