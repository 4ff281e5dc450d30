"""Boxes: a card titled by its question, KPI numbers, notes, and the designed empty box."""

from __future__ import annotations

from collections.abc import Sequence

from dash import html

from webstat.components.text import Part, icon, strong

NOTE_ICONS = {"ok": "check-lg", "warn": "exclamation-triangle-fill", "bad": "x-lg", "": "info-circle"}


def card(
    title: str,
    subtitle: Part | Sequence[Part],
    body: Sequence[Part],
    ident: str,
    stale: bool = False,
    fill: bool = True,
    tools: Part = None,
) -> html.Section:
    """A card: the question, what is drawn and in which unit, then the answer. `ident` names it for screen readers;
    `fill` makes it as high as its neighbours; `tools` stand at the right of its head.
    """
    words = [html.H2(title, className="ws-q", id=ident), html.Div(subtitle, className="ws-sub")]
    head = html.Div(words, className="mb-2")
    if tools is not None:
        head = html.Div([html.Div(words, className="me-auto"), html.Div(tools)], className="ws-card-head mb-2")
    return html.Section(
        html.Div([head, html.Div(list(body))], className="card-body"),
        className="card" + (" h-100" if fill else "") + (" ws-stale" if stale else ""),
        **{"aria-labelledby": ident},
    )


def kpi(
    label: str, value: Part, unit: str = "", note: Part = "", small: bool = False, define: str | None = None
) -> html.Div:
    """One number with its label above, its unit beside, a note below; `define` explains the label."""
    name: Part = html.Span(label, className="ws-def", title=define, tabIndex=0) if define else label
    shown = [value, " ", html.Small(unit)] if unit else value
    parts = [html.Div(name, className="l"), html.Div(shown, className="v"), html.Div(note, className="s")]
    return html.Div(parts, className="ws-kpi sm" if small else "ws-kpi")


def note(tone: str, matter: str, rest: Sequence[Part] = (), symbol: str | None = None, extra: str = "") -> html.Div:
    """One sentence in a box: what is the matter in bold, then the rest. Tones: ok, warn, bad, none."""
    return html.Div(
        [
            icon(symbol or NOTE_ICONS[tone], f"st-{tone}" if tone else "text-body-secondary"),
            html.Div([strong(matter), *rest], className="lh-sm ws-said"),
        ],
        className=f"ws-note {tone} {extra}".strip(),
    )


def empty(fact: str, nearest: Part | Sequence[Part] = "") -> html.Div:
    """An answer that is nothing: the fact in bold, then the nearest thing that is not."""
    return html.Div(
        [html.B(fact, className="text-body fw-semibold"), html.Br(), html.Span(nearest)], className="ws-empty"
    )
