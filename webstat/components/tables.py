"""Small complete tables: hairlines, right-aligned numbers, quiet zeros, row headers."""

from __future__ import annotations

from collections.abc import Sequence

from dash import html

from webstat.components.text import Part
from webstat.format import number


def head(text: Part, rows: int = 1, columns: int = 1, extra: str = "") -> html.Th:
    """A column header; `columns` over several makes it a group."""
    return html.Th(
        text,
        scope="colgroup" if columns > 1 else "col",
        rowSpan=rows if rows > 1 else None,
        colSpan=columns if columns > 1 else None,
        className=extra,
    )


def cell(content: Part, extra: str = "") -> html.Td:
    """A cell."""
    return html.Td(content, className=extra)


def number_cell(value: float | None, extra: str = "") -> html.Td:
    """A right-aligned number; zero is shown, quiet."""
    return html.Td(number(value), className=f"n {extra}{'' if value else ' z'}".strip())


def table(heads: Sequence[Sequence[html.Th]], rows: Sequence[html.Tr], caption: str) -> html.Div:
    """A table that scrolls by itself where it is too wide; `caption` is for screen readers."""
    return html.Div(
        html.Table(
            [
                html.Caption(caption, className="visually-hidden"),
                html.Thead([html.Tr(list(row)) for row in heads]),
                html.Tbody(list(rows)),
            ],
            className="table table-hover ws-table",
        ),
        className="table-responsive",
        tabIndex=0,  # so that the arrow keys scroll it
        role="group",
        **{"aria-label": caption},
    )
