"""What is shown of jobs and nodes alike: states, links, buttons, rows of what is used, and all that a report says."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from dash import html

from agent.report import Job, Node
from webstat import addresses
from webstat import format as words
from webstat.components.capacity import NODE_WORDS
from webstat.components.text import Part, age, clock, foreign, icon, link, person
from webstat.data.one import FAILED
from webstat.health import Cluster
from webstat.view import View

JOB_STATES = {
    "running": ("st-run", "play-fill", "Running"),
    "queued": ("st-wait", "hourglass-split", "Queued"),
    "held": ("st-held", "pause-fill", "Held"),
    "suspended": ("", "stop-fill", "Suspended"),
    "exiting": ("", "arrow-bar-right", "Exiting"),
    "waiting": ("", "clock", "Waiting for its time"),
    "transiting": ("", "arrow-left-right", "Moving"),
    "finished": ("st-ok", "check-lg", "Finished"),
    FAILED: ("st-bad", "x-lg", "Failed"),
    "unknown": ("", "question-lg", "Unknown"),
}
"""State of a job -> tone, icon and word."""

NODE_ICONS = {
    "busy": ("", "square-fill"),
    "partial": ("", "square-half"),
    "free": ("", "square"),
    "reserved": ("", "calendar-check"),
    "offline": ("st-warn", "wrench"),
    "down": ("st-bad", "x-lg"),
    "unknown": ("", "question-lg"),
}
"""State of a node -> tone and icon; its words are NODE_WORDS."""


def job_state(state: str, native: str = "", exit_status: int | None = None) -> html.Span:
    """Icon and word of a job's state; a failed one with its exit, an unknown one with the scheduler's letter."""
    tone, symbol, word = JOB_STATES[state]
    if state == FAILED:
        word = f"{word} (exit {exit_status})"
    parts: list[Part] = [icon(symbol), word]
    if state == "unknown" and native:
        parts += [" (native “", foreign(native, 12), "”)"]
    return html.Span(parts, className=f"ws-st {tone}".strip())


def node_state(state: str) -> html.Span:
    """Icon and words of a node's state."""
    tone, symbol = NODE_ICONS[state]
    return html.Span([icon(symbol), NODE_WORDS[state][1]], className=f"ws-st {tone}".strip())


def pill(state: html.Span) -> html.Span:
    """A state as a pill."""
    return html.Span(state, className="ws-pill flex-shrink-0")


def known_at(cluster: Cluster, stale: bool, view: View) -> html.Span:
    """How old what is known is; of a silent cluster, of when it is."""
    if cluster.taken_at is None:
        return html.Span()
    if stale:
        return html.Span(["as of ", clock(cluster.taken_at, view)], className="ws-sub text-nowrap")
    return html.Span([age(cluster.taken_at, view), " old"], className="ws-sub text-nowrap d-none d-sm-inline")


def copy(text: str, label: str, symbol: str = "copy", shown: str = "") -> html.Button:
    """A button that copies `text`; an address of this site is copied whole, with the site's own name before it."""
    look = "btn btn-outline-secondary" if shown else "btn border-0 p-1 lh-1"
    return html.Button(
        [icon(symbol), html.Span(shown, className="ms-1")] if shown else icon(symbol),
        className=f"{look} ws-copy",
        title=label,
        **{"data-copy": text, "aria-label": label, "type": "button"},
    )


def close(view: View) -> html.Span:
    """What closes the panel: this page's address without it."""
    said = html.Span("Close", className="visually-hidden")
    mark = link([icon("x-lg"), said], view.address(job=None, node=None), title="Close (Esc)")
    mark.className = "ws-close btn border-0 p-1 lh-1"
    return html.Span(mark, className="ms-auto flex-shrink-0")


def user_link(user: str, limit: int = 24) -> Part:
    """A user, leading to their page; the browser marks its owner."""
    return link(person(user, limit), addresses.user_page(user)) if user else person(user)


def job_link(view: View, cluster: str, job_id: str, limit: int = 24) -> Part:
    """A job's number, opening its panel; the whole id is its title."""
    number = job_id.partition(".")[0]
    return link(
        foreign(number, limit), view.address(job=f"{cluster}/{job_id}", node=None), title=words.shorten(job_id, 80)
    )


def node_link(view: View, cluster: str, node: str, more: Sequence[Part] = ()) -> Part:
    """A node as a pill, opening its panel."""
    mark = link([foreign(node), *more], view.address(node=f"{cluster}/{node}", job=None))
    mark.className = "ws-pill text-decoration-none"
    return mark


def joined(parts: Sequence[Part | Sequence[Part]]) -> list[Part]:
    """Facts in one line, with a dot between them; empty ones are left out."""
    line: list[Part] = []
    for part in parts:
        if part:
            line += [" · "] if line else []
            line += part if isinstance(part, list) else [part]
    return line


def dots(parts: Sequence[Part]) -> html.Div:
    """Facts in one secondary line."""
    return html.Div(joined(parts), className="ws-sub ws-wrap")


def use_row(name: Part, asked: str, used: str, share: float | None, odd: bool = False) -> html.Tr:
    """What was asked for and what of it is used, as numbers, a bar and a share; an odd one has a mark."""
    percent: Part = words.percent(share)
    if odd:
        said = html.Span("not as asked: ", className="visually-hidden")
        percent = html.Span([icon("exclamation-triangle-fill"), " ", said, percent], className="st-warn text-nowrap")
    width = {"width": f"{min(1.0, max(0.0, share or 0)):.1%}"}
    return html.Tr(
        [
            html.Th(name, scope="row", className="fw-normal ps-0"),
            html.Td(asked, className="n"),
            html.Td(used, className="n"),
            html.Td(
                html.Div(html.I(className="odd" if odd else "", style=width), className="ws-used")
                if share is not None
                else "",
                className="ws-share",
            ),
            html.Td(percent, className="n pe-0"),
        ]
    )


def use_table(rows: Sequence[html.Tr], asked: str, used: str, caption: str) -> html.Table:
    """The rows of use_row() under their heads."""
    heads = [
        html.Th(html.Span("What", className="visually-hidden"), scope="col", className="ps-0"),
        html.Th(asked, scope="col", className="n"),
        html.Th(used, scope="col", className="n"),
        html.Th(html.Span("Share", className="visually-hidden"), scope="col", colSpan=2, className="pe-0"),
    ]
    return html.Table(
        [
            html.Caption(caption, className="visually-hidden"),
            html.Thead(html.Tr(heads)),
            html.Tbody(list(rows)),
        ],
        className="table ws-table",
    )


def listing(heads: Sequence[tuple[str, str]], rows: Sequence[Sequence[Part]], caption: str) -> html.Table:
    """A small table of links: heads are (text, class of the column), a row's first cell is its header."""
    looks = [look for _, look in heads]
    body = []
    for first, *rest in rows:
        cells: list[Part] = [html.Th(first, scope="row", className=f"fw-normal ps-0 {looks[0]}".strip())]
        cells += [html.Td(cell, className=look) for cell, look in zip(rest, looks[1:], strict=True)]
        body.append(html.Tr(cells))
    top = [
        html.Th(text, scope="col", className=f"{look} ps-0".strip() if not place else look)
        for place, (text, look) in enumerate(heads)
    ]
    return html.Table(
        [html.Caption(caption, className="visually-hidden"), html.Thead(html.Tr(top)), html.Tbody(body)],
        className="table table-hover ws-table",
    )


def attributes(record: Job | Node, ident: str, known: Part, view: View) -> html.Details:
    """Every field of the report's record, closed; what a report does not tell is `–`.

    `ident` stays the same, so that what was opened stays open when its content is replaced.
    """
    fields = [(field.name, getattr(record, field.name)) for field in dataclasses.fields(record)]
    rows = [
        html.Tr([html.Th(html.Code(name), scope="row", className="fw-normal ps-0"), html.Td(_value(name, value, view))])
        for name, value in fields
    ]
    summary = [
        html.Span(
            [
                icon("chevron-right"),
                f" All {len(fields)} attributes, as {view.moment('the report gives', 'the store keeps')} them",
            ]
        ),
        html.Span(known, className="ms-auto ws-sub text-nowrap"),
    ]
    said = html.Caption(
        f"Every field of {view.moment('the newest report', 'what is kept of then')}", className="visually-hidden"
    )
    body = html.Table([said, html.Tbody(rows)], className="table ws-table ws-attributes mt-2")
    return html.Details(
        [html.Summary(summary, className="d-flex gap-2"), html.Div(body)], id=ident, className="ws-sec ws-all"
    )


def _value(name: str, value: object, view: View) -> Part:
    if value is None or (isinstance(value, (str, tuple, Mapping)) and not value):
        return html.Span("–", className="z")
    if name.endswith("_at") and isinstance(value, (int, float)):
        return [f"{value:.0f} ", html.Span(["(", clock(value, view), ")"], className="z")]
    if name.endswith("_bytes") and isinstance(value, int):
        return [f"{value} ", html.Span(f"({words.memory(value)})", className="z")]
    if name.endswith("_seconds") and isinstance(value, int):
        return [f"{value} ", html.Span(f"({words.duration(value)})", className="z")]
    if isinstance(value, Mapping):
        return foreign(", ".join(f"{key}: {count}" for key, count in value.items()), 4000)
    if isinstance(value, tuple):
        return foreign(", ".join(map(str, value)), 4000)
    return foreign(str(getattr(value, "value", value)), 2000)
