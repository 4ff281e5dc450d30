"""Bars: the capacity bar with its counts, the sorted bar list, and the sparkline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dash import html

from webstat.components.text import Part, strong
from webstat.format import number, percent
from webstat.identity import Shade


@dataclass(frozen=True)
class Piece:
    """One part of a whole: its texture (a class of the style sheet), how much, and the word under it."""

    look: str
    amount: float
    word: str


def stacked_bar(pieces: Sequence[Piece], height: int = 14) -> html.Div:
    """Parts of one whole side by side; parts of nothing are left out."""
    shown = [piece for piece in pieces if piece.amount > 0]
    whole = sum(piece.amount for piece in shown) or 1
    return html.Div(
        [html.I(className=piece.look, style={"width": f"{piece.amount / whole:.2%}"}) for piece in shown],
        className="ws-bar",
        style={"height": f"{height}px"},
        role="img",
        **{"aria-label": ", ".join(f"{number(piece.amount)} {piece.word}" for piece in shown) or "nothing"},
    )


def key(look: str) -> html.I:
    """The small square that says which texture is meant."""
    return html.I(className=f"ws-key {look}", **{"aria-hidden": "true"})


def counts(pieces: Sequence[Piece], bold: bool = False) -> html.Div:
    """The counts under a stacked bar."""
    return html.Div(
        [
            html.Span(
                [key(piece.look), strong(number(piece.amount)) if bold else number(piece.amount), f" {piece.word}"],
                className="text-nowrap",
            )
            for piece in pieces
            if piece.amount > 0
        ],
        className="d-flex flex-wrap column-gap-3 mt-1" + ("" if bold else " ws-sub"),
        style={"fontSize": ".8125rem"} if bold else None,
    )


def shade_look(shade: Shade) -> str:
    """The classes that draw a shade."""
    return f"b-c c{shade.hue}" + ("", " tx", " td")[shade.texture]


@dataclass(frozen=True)
class Row:
    """One row of a bar list."""

    name: Part
    look: str
    amount: float


def bar_list(groups: Sequence[Sequence[Row]], whole: float | None, label: str) -> html.Div:
    """Sorted bars with name, value and share of `whole`, groups divided by a hairline."""
    longest = max((row.amount for group in groups for row in group), default=0) or 1
    cells: list[Part] = []
    for place, group in enumerate(group for group in groups if group):
        if place:
            cells.append(html.Div(className="sep"))
        for row in group:
            cells += [
                html.Span(row.name, className="text-nowrap text-truncate"),
                html.Div(className=f"bar {row.look}", style={"width": f"{max(0.0, row.amount) / longest:.1%}"}),
                html.Span(number(row.amount), className="n"),
                html.Span(percent(row.amount / whole) if whole else "", className="p"),
            ]
    return html.Div(cells, className="ws-bars", role="group", **{"aria-label": label})


def sparkline(mask: str, label: str) -> html.Div:
    """A trend inside a card; `mask` is an SVG data URI of figures/spark.py."""
    drawn = html.Div(className="ws-spark", style={"--m": f'url("{mask}")'}, role="img", **{"aria-label": label})
    return html.Div(drawn, className="ws-grey ws-trend")
