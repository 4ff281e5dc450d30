"""One node: its state and what of it is in use, its jobs now and before, its states over the last seven days.

The same sections make the page of a node and, closer together, the panel beside another page (panel.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pandas as pd
from dash import html

from agent.report import Node
from agent.states import NodeState
from webstat import addresses
from webstat.components import job as bricks
from webstat.components.capacity import NODE_WORDS
from webstat.components.cards import empty, note
from webstat.components.states import trouble
from webstat.components.text import Part, age, clock, foreign, icon, link, strong
from webstat.data import usage
from webstat.data.node_past import ABSENT, GAP, SERVES, coarse, in_service, jobs_here, node_stretches
from webstat.data.one import During, OneNode, sums
from webstat.data.queries import one, past, places
from webstat.format import DAY, HOUR, WEEK, duration, memory, number, percent, plural, shorten
from webstat.health import Cluster
from webstat.view import View

MOST_BEFORE = 50
FEW_BEFORE, FEW_CHANGES = 10, 8
"""Rows in the panel; the page has more."""
MOST_CHANGES = 50

_LOOKS = {**NODE_WORDS, GAP: ("b-gap", "not known: no report"), ABSENT: ("b-none", "not listed")}
_SERVICE = {SERVES: "in service", **{state: words for state, (_, words) in _LOOKS.items()}}


@dataclass(frozen=True)
class Known:
    """A node with its states of the last seven days, at a moment: now, or when a silent cluster was last heard of."""

    cluster: Cluster
    node: OneNode
    stretches: Sequence[During]
    since: float | None
    """Since when it is in its state."""
    at: float
    stale: bool


@dataclass(frozen=True)
class Sections:
    """What is shown of a node; a section that does not apply is empty, so that the frame around stays the same."""

    title: Part
    facts: Part
    health: list[Part] = field(default_factory=list)
    use: list[Part] = field(default_factory=list)
    now: list[Part] = field(default_factory=list)
    past: list[Part] = field(default_factory=list)
    before: list[Part] = field(default_factory=list)
    attributes: html.Details | None = None
    buttons: list[Part] = field(default_factory=list)


def layout(view: View, cluster: str, node: str) -> list[Part] | None:
    """The page's body; None where there is no such cluster."""
    found = view.cluster(cluster)
    if found is None:
        return None
    known = look_up(view, found, node)
    if known is None:
        return [html.H1(foreign(node, 60), className="ws-h1 mb-3"), *missing(view, found, node)]
    shown = sections(view, known, html.H2, "page")
    row = "d-flex flex-wrap align-items-center column-gap-2 row-gap-1"
    head = html.Div(
        [
            html.Div([html.H1(shown.title, className="ws-h1"), *_beside(known, view)], className=row),
            html.Div([shown.facts, html.Div(shown.buttons, className="d-flex gap-2")], className=f"{row} mt-1"),
        ],
        className="mb-3",
    )
    card = "card ws-sec"
    column = "col-12 col-lg-6 d-flex flex-column gap-3"
    left = [html.Section(part, className=card) for part in (shown.use, shown.past)]
    right = [html.Section(part, className=card) for part in (shown.now, shown.before)]
    return [
        head,
        html.Div(shown.health, className="mb-3 d-flex flex-column gap-2"),
        html.Div(
            [
                html.Div(left, className=column, id="node-left"),
                html.Div(right, className=column, id="node-right"),
                html.Div(html.Div(shown.attributes, className="card"), className="col-12"),
            ],
            className="row g-3",
        ),
    ]


def look_up(view: View, cluster: Cluster, name: str) -> Known | None:
    """The node of that name with its past, as far as the store has it."""
    if cluster.id is None:
        return None
    found = view.source.read(one.load_node, cluster.id, name, stamp=cluster.report)
    if found is None:
        return None
    stale = view.health(cluster).stale
    at = cluster.taken_at if stale and cluster.taken_at is not None else view.now
    since = int(at) // HOUR * HOUR - WEEK
    spans = view.source.read(one.load_node_spans, found.row, since, stamp=cluster.report)
    polls = view.source.read(past.load_polls, cluster.id, since - DAY, stamp=cluster.report)
    known = usage.known_stretches(polls, cluster.period_seconds, since, at)
    # What lies before the first report is told by the spans alone: the store may keep them longer than its polls.
    begun = known[0][0] if known else at
    silent = usage.gaps(known, int(begun), at, usage.LATE_AFTER * cluster.period_seconds) if known else []
    last = None if spans.empty or found.gone_at is not None else float(spans["since"].iloc[-1])
    return Known(cluster, found, node_stretches(spans, since, at, silent), last, at, stale)


def missing(view: View, cluster: Cluster, name: str) -> list[Part]:
    """The answer where the store has no such node."""
    nodes = link("Its nodes are on the cluster’s page", addresses.cluster_page(cluster.name))
    said = f"{shorten(cluster.title, 40)} has no node {shorten(name, 60)}."
    return [trouble(cluster, view, extra="mb-3"), empty(said, ["No report has told of it. ", nodes])]


def sections(view: View, known: Known, heading: type, place: str) -> Sections:
    """All of a node; `heading` makes the titles, `place` (panel or page) begins the ids of what stays on the screen."""
    compact = place == "panel"
    record, cluster = known.node.record, known.cluster
    taken_at = cluster.taken_at
    told: Part = (
        [age(taken_at, view), " old"] if taken_at is not None and known.node.gone_at is None else "as it was last"
    )
    return Sections(
        title=foreign(record.name, 40),
        facts=bricks.dots(_facts(view, known)),
        health=_health(view, known),
        use=_use(record, heading),
        now=_now(view, known, heading),
        past=_past(view, known, heading, FEW_CHANGES if compact else MOST_CHANGES),
        before=_before(view, known, heading, FEW_BEFORE if compact else MOST_BEFORE),
        attributes=bricks.attributes(record, f"{place}-node-all", told, view),
        buttons=_buttons(known),
    )


def head(view: View, known: Known, shown: Sections) -> list[Part]:
    """The panel's first lines: which node, its state, and Close."""
    name = html.H2(shown.title, className="fs-6 fw-semibold m-0 text-truncate")
    first = [name, *_beside(known, view), bricks.close(view)]
    return [html.Div(first, className="d-flex align-items-center gap-2"), shown.facts]


def _beside(known: Known, view: View) -> list[Part]:
    record = known.node.record
    gone = html.Span([icon("dash-circle"), "no longer listed"], className="ws-st")
    state = bricks.node_state(record.state.value) if known.node.gone_at is None else gone
    beside: list[Part] = [bricks.copy(record.name, "Copy node name"), bricks.pill(state)]
    if known.stale and known.node.gone_at is None:
        beside.append(html.Span(["as of ", clock(known.at, view)], className="ws-sub text-nowrap"))
    return beside


def _facts(view: View, known: Known) -> list[Part | list[Part]]:
    record, cluster = known.node.record, known.cluster
    facts: list[Part | list[Part]] = [
        link(foreign(cluster.title, 30), addresses.cluster_page(cluster.name)),
        ["the scheduler says “", foreign(record.native_state, 40), "”"] if record.native_state else "",
    ]
    if known.node.gone_at is not None:
        facts.append(["not listed since ", clock(known.node.gone_at, view)])
    elif known.since is not None:
        facts.append(["since ", clock(known.since, view)])
    if record.properties:
        facts.append(["serves ", foreign(", ".join(record.properties), 120)])
    return facts


def _health(view: View, known: Known) -> list[Part]:
    said: list[Part] = [trouble(known.cluster, view)]
    record = known.node.record
    if record.comment:
        out = record.state in (NodeState.DOWN, NodeState.OFFLINE)
        said.append(note("warn" if out else "", "Comment.", [" “", foreign(record.comment, 400), "”"]))
    return said


def _buttons(known: Known) -> list[Part]:
    cluster, name = known.cluster, known.node.record.name
    on_map = link([icon("grid-3x3"), " Node map"], addresses.cluster_page(cluster.name))
    on_map.className = "btn btn-outline-secondary"
    address = addresses.node_page(cluster.name, name)
    return [bricks.copy(address, "Copy a link to this node", "link-45deg", "Link"), on_map]


# How much of it is in use?


def _use(record: Node, heading: type) -> list[Part]:
    rows = [
        bricks.use_row(
            "Cores", number(record.cores), number(record.cores_used), _share(record.cores_used, record.cores)
        ),
    ]
    if record.gpus:
        rows.append(
            bricks.use_row("GPUs", number(record.gpus), number(record.gpus_used), _share(record.gpus_used, record.gpus))
        )
    rows.append(
        bricks.use_row(
            "Memory",
            memory(record.memory_bytes),
            memory(record.memory_used_bytes),
            _share(record.memory_used_bytes, record.memory_bytes),
        )
    )
    load = "–" if record.load is None else f"{record.load:.1f}"
    rows.append(bricks.use_row("Load", number(record.cores), load, _share(record.load, record.cores)))
    table = bricks.use_table(rows, "has", "in use", "What the node has and what of it is in use")
    return [heading("How much of it is in use?", className="ws-q mb-1"), table]


def _share(used: float | None, whole: float | None) -> float | None:
    return used / whole if used is not None and whole else None


# What runs here now?


def _now(view: View, known: Known, heading: type) -> list[Part]:
    if known.node.gone_at is not None:
        return []
    cluster = known.cluster
    placed = view.source.read(places.load_placed_jobs, cluster.id, stamp=cluster.report)
    jobs = jobs_here(placed, known.node.record)
    title = heading("What ran here then?" if known.stale else "What runs here now?", className="ws-q mb-1")
    if jobs.empty:
        return [title, empty("No job.", _why_none(known.node.record))]
    rows = [
        [
            [bricks.job_link(view, cluster.name, job.id), _other_state(job.state)],
            bricks.user_link(view, job.user, 16),
            foreign(job.queue, 12),
            _cores(job.cores_here, job.cores),
            _end(job.started_at + job.walltime_seconds, view),
        ]
        for job in jobs.itertuples()
    ]
    heads = [("Job", ""), ("User", ""), ("Queue", ""), ("Cores", "n"), ("Ends by", "n pe-0")]
    return [title, html.Div(bricks.listing(heads, rows, "Jobs on this node"), className="table-responsive")]


def _why_none(record: Node) -> str:
    words = {
        NodeState.FREE: "All its cores are free.",
        NodeState.RESERVED: "It is reserved.",
        NodeState.OFFLINE: "An admin has taken it out of service.",
        NodeState.DOWN: "It is down.",
    }
    return words.get(record.state, "The scheduler tells of none.")


def _other_state(state: str) -> Part:
    return "" if state == "running" else html.Div(bricks.job_state(state), className="ws-sub")


def _cores(here: float, cores: int) -> Part:
    if pd.isna(here):
        return html.Span(f"– of {number(cores)}", className="z", title="The scheduler does not say how many here")
    of = html.Span(f" of {number(cores)}", className="z") if here != cores else ""
    return [strong(number(here)), of]


def _end(at: float, view: View) -> Part:
    return html.Span("–", className="z") if pd.isna(at) else clock(at, view)


# How has it been?


def _past(view: View, known: Known, heading: type, most: int) -> list[Part]:
    title: list[Part] = [
        heading("How has it been?", className="ws-q"),
        html.Div("state of the node, last 7 d", className="ws-sub mb-2"),
    ]
    whole = sum(one.seconds for one in known.stretches)
    share = {what: seconds / whole for what, seconds in sums(known.stretches).items()} if whole else {}
    if not share or list(share) == [ABSENT]:
        return [*title, empty("Not known.", "No report of the last 7 d lists it.")]
    order = [what for what in _LOOKS if what in share]
    label = ", ".join(f"{percent(share[what])} {_LOOKS[what][1]}" for what in order)
    pieces = [
        html.I(className=_LOOKS[one.what][0], style={"width": f"{one.seconds / whole:.3%}"})
        for one in coarse(known.stretches)
    ]
    keys = [
        html.Span(
            [
                html.I(className=f"ws-key {_LOOKS[what][0]}", **{"aria-hidden": "true"}),
                f"{_LOOKS[what][1]} {percent(share[what])}",
            ],
            className="text-nowrap",
        )
        for what in order
    ]
    return [
        *title,
        html.Div(pieces, className="ws-bar ws-strip", role="img", **{"aria-label": label}),
        _days(known.stretches[0].since, known.at, view),
        html.Div(keys, className="d-flex flex-wrap column-gap-3 ws-sub mt-1"),
        *_changes(known, view, most),
    ]


def _days(since: float, at: float, view: View) -> html.Div:
    """The weekdays under the strip, each from its midnight on."""
    day = datetime.fromtimestamp(since, view.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    marks: list[Part] = []
    for _ in range(9):
        day = (day + timedelta(days=1)).replace(hour=0)
        place = (day.timestamp() - since) / (at - since)
        if place < 0.97:
            marks.append(html.Span(f"{day:%a}", style={"left": f"{place:.2%}"}))
    return html.Div(marks, className="ws-days ws-sub", **{"aria-hidden": "true"})


def _changes(known: Known, view: View, most: int) -> list[Part]:
    changes = in_service(known.stretches)[::-1]
    if len(changes) == 1 and changes[0].what == SERVES:
        return [html.Div("In service all the time.", className="ws-sub mt-2")]
    lines = []
    for change in changes[:most]:
        begun: Part = (
            ["since ", clock(change.since, view)]
            if change.until >= known.at
            else [clock(change.since, view), " – ", clock(change.until, view)]
        )
        word = _SERVICE[change.what]
        lines.append(
            html.Li(
                [
                    strong(word[0].upper() + word[1:]),
                    " ",
                    *begun,
                    html.Span(f" · {duration(change.seconds)}", className="z"),
                ]
            )
        )
    more = len(changes) - most
    if more > 0:
        lines.append(html.Li(f"and {plural(more, 'earlier change')}", className="z"))
    return [html.Ul(lines, className="list-unstyled mt-2 mb-0 ws-changes")]


# What ran here before?


def _before(view: View, known: Known, heading: type, most: int) -> list[Part]:
    cluster, name = known.cluster, known.node.record.name
    since = int(known.at) // HOUR * HOUR - WEEK
    jobs = view.source.read(one.load_jobs_before, cluster.id, name, since, MOST_BEFORE, stamp=cluster.report)
    title = heading("What ran here before?", className="ws-q")
    if jobs.empty:
        return [
            title,
            html.Div(empty("No job.", "No job that the store knows of ended here in the last 7 d."), className="mt-2"),
        ]
    rows = [
        [
            bricks.job_link(view, cluster.name, job.id),
            bricks.user_link(view, job.user, 16),
            _cores(job.cores_here, job.cores),
            _result(job.exit_status),
            [html.Span("about ", className="z") if job.ended_estimated else "", clock(job.ended_at, view)],
        ]
        for job in jobs.head(most).itertuples()
    ]
    heads = [("Job", ""), ("User", ""), ("Cores", "n"), ("Result", ""), ("Ended", "n pe-0")]
    counted = (
        f"the last {number(MOST_BEFORE)} that ended here" if len(jobs) == MOST_BEFORE else plural(len(jobs), "job")
    )
    subtitle: list[Part] = [f"{counted}, last 7 d"]
    if len(jobs) > most:
        subtitle = [
            f"the last {number(most)} of ",
            link(f"{number(len(jobs))} on its page", addresses.node_page(cluster.name, name)),
            ", last 7 d",
        ]
    table = html.Div(bricks.listing(heads, rows, "Jobs that ended on this node"), className="table-responsive")
    return [title, html.Div(subtitle, className="ws-sub mb-1"), table]


def _result(exit_status: float) -> Part:
    if pd.isna(exit_status):
        return html.Span("–", className="z", title="The scheduler does not say")
    if exit_status == 0:
        return html.Span([icon("check-lg"), "ok"], className="ws-st st-ok")
    return html.Span([icon("x-lg"), f"exit {exit_status:.0f}"], className="ws-st st-bad")
