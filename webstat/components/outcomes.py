"""How polls went, as a strip of cells: shape and word first, colour third."""

from __future__ import annotations

from collections.abc import Sequence

from dash import html

from webstat.components.text import Part
from webstat.data.asking import Cell, Outcome
from webstat.format import clock, plural
from webstat.view import View

LOOKS = {
    Outcome.ANSWERED: "b-run",
    Outcome.SOME: "b-gap",
    Outcome.FAILED: "b-bad",
    Outcome.BETWEEN: "b-wait",
    Outcome.NONE: "b-free",
}
MOST_NAMED = 3


def strip(cells: Sequence[Cell], view: View) -> html.Div:
    """The cells, what their shapes mean as far as they occur, and the sentence for those who do not see them."""
    told = summary(cells, view)
    drawn = [html.I(className=LOOKS[cell.outcome], title=f"{_when(cell, view)}: {_words(cell)}") for cell in cells]
    kinds = [kind for kind in Outcome if any(cell.outcome is kind for cell in cells)]
    legend: list[Part] = [html.Span([_key(kind), kind.value], className="me-3 text-nowrap") for kind in kinds]
    return html.Div(
        [
            html.Div("How polls went, last 24 h, half an hour a cell", className="ws-sub mb-1"),
            html.Div(drawn, className="ws-bar ws-cells", role="img", **{"aria-label": told}),
            html.Div([html.Span(told, className="me-3"), *legend], className="ws-sub mt-1"),
        ]
    )


def summary(cells: Sequence[Cell], view: View) -> str:
    """How many polls there were, how many failed, and when."""
    polls, failed = sum(cell.polls for cell in cells), sum(cell.failed for cell in cells)
    if not failed:
        return f"{plural(polls, 'poll')}, none failed."
    bad = [_when(cell, view) for cell in cells if cell.failed]
    more = f" and {len(bad) - MOST_NAMED} more" if len(bad) > MOST_NAMED else ""
    return f"{plural(polls, 'poll')}, {failed} failed: {', '.join(bad[-MOST_NAMED:])}{more}."


def _key(kind: Outcome) -> html.I:
    return html.I(className=f"ws-key {LOOKS[kind]}", **{"aria-hidden": "true"})


def _when(cell: Cell, view: View) -> str:
    return f"{clock(cell.since, view.zone, view.now)}–{clock(cell.until, view.zone, view.now)}"


def _words(cell: Cell) -> str:
    if not cell.polls:
        return cell.outcome.value
    return f"{plural(cell.polls, 'poll')}, {cell.failed or 'none'} failed"
