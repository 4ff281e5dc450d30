"""One of a few, chosen by a link: a segmented control whose choice is in the address."""

from __future__ import annotations

from collections.abc import Sequence

from dash import dcc, html


def choices(label: str, options: Sequence[tuple[str, str]], chosen: int) -> html.Div:
    """Links (words, address) side by side; the one at place `chosen` is marked. `label` is for screen readers."""
    return html.Div(
        [
            # dcc.Link passes no aria attributes on, so the item around it carries the mark.
            html.Span(
                dcc.Link(words, href=href, className="btn btn-outline-secondary" + (" active" if at == chosen else "")),
                **({"aria-current": "true"} if at == chosen else {}),
            )
            for at, (words, href) in enumerate(options)
        ],
        className="ws-choices",
        role="group",
        **{"aria-label": label},
    )
