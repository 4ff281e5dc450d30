"""The one helper that makes a Plotly graph: no tool bar, nothing sent elsewhere, a message for who cannot see it."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from webstat.components.cards import empty

CONFIG = {
    "displayModeBar": False,
    "displaylogo": False,
    "showSendToCloud": False,
    "plotlyServerURL": "",
    "responsive": True,
    "scrollZoom": False,
    "doubleClick": "autosize",
}


def graph(ident: str, figure: dict[str, Any] | None, message: str, nothing: tuple[str, str]) -> html.Div:
    """A figure with its message as label, or the words for when there is none: (fact, nearest)."""
    if figure is None:
        return html.Div(empty(*nothing), className="flex-grow-1")
    height = f"{figure['layout']['height']}px"
    drawn = dcc.Graph(id=ident, figure=figure, config=CONFIG, style={"height": height}, responsive=True)
    said = html.Span(html.Span(message), id=f"{ident}-message", className="visually-hidden")
    label = {"aria-labelledby": f"{ident}-message"}
    return html.Div([said, html.Div(drawn, role="img", **label)], className="flex-grow-1 ws-graph")
