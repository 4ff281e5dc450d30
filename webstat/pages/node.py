"""One node: its state and what of it is in use, its jobs now and before, its states over the last seven days.

The same sections make the page of a node and, closer together, the panel beside another page (panel.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from dash import html

from agent.report import Node
from agent.states import NodeState
from webstat import addresses
from webstat.components import job as bricks
from webstat.components import node_past
from webstat.components.cards import empty, note
from webstat.components.states import trouble
from webstat.components.text import Part, age, clock, foreign, icon, link, strong
from webstat.data import usage
from webstat.data.node_past import KnownNode, jobs_here, node_stretches
from webstat.data.queries import one, past, places
from webstat.exits import exit_words
from webstat.format import DAY, HOUR, WEEK, duration, memory, number, plural, shorten
from webstat.health import Cluster
from webstat.view import View

MOST_BEFORE = 50
FEW_BEFORE, FEW_CHANGES = 10, 8
"""Rows in the panel; the page has more."""
MOST_CHANGES = 50
WIDE = "d-none d-md-table-cell"


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
            html.Div(
                [shown.facts, html.Div(shown.buttons, className="d-flex gap-2 ms-md-auto")], className=f"{row} mt-1"
            ),
        ],
        className="mb-3",
    )
    card = "card h-100 ws-sec"
    return [
        head,
        html.Div(shown.health, className="ws-if mb-3 d-flex flex-column gap-2"),
        html.Div(
            [
                html.Div(html.Section(shown.use, className=card), className="col-12 col-lg-6", id="node-use"),
                html.Div(html.Section(shown.now, className=card), className="col-12 col-lg-6", id="node-now"),
                html.Div(html.Section(shown.past, className=card), className="col-12", id="node-past"),
                html.Div(html.Section(shown.before, className=card), className="col-12", id="node-before"),
                html.Div(html.Div(shown.attributes, className="card"), className="col-12"),
            ],
            className="row g-3",
        ),
    ]


def look_up(view: View, cluster: Cluster, name: str) -> KnownNode | None:
    """The node of that name with its past, as far as the store has it."""
    if cluster.id is None:
        return None
    found = view.source.read(one.load_node, cluster.id, name, stamp=cluster.report)
    if found is None:
        return None
    stale = view.health(cluster).stale
    at = cluster.taken_at if stale and cluster.taken_at is not None else view.now
    since = int(at) // HOUR * HOUR - WEEK
    until = int(at if cluster.taken_at is None else cluster.taken_at) + 1
    spans = view.source.read(one.load_node_spans, cluster.id, found.row, since, until, stamp=cluster.report)
    polls = view.source.read(past.load_polls, cluster.id, since - DAY, stamp=cluster.report)
    known = usage.known_stretches(polls, cluster.wished, since, at)
    # What lies before the first report is told by the spans alone: the store may keep them longer than its polls.
    begun = known[0][0] if known else at
    silent = usage.gaps(known, int(begun), at, usage.LATE_AFTER * cluster.period_seconds) if known else []
    last = None if spans.empty or found.gone_at is not None else float(spans["since"].iloc[-1])
    return KnownNode(cluster, found, node_stretches(spans, since, at, silent), last, at, stale)


def missing(view: View, cluster: Cluster, name: str) -> list[Part]:
    """The answer where the store has no such node."""
    nodes = link("Its nodes are on the cluster’s page", addresses.cluster_page(cluster.name))
    said = f"{shorten(cluster.title, 40)} has no node {shorten(name, 60)}."
    return [trouble(cluster, view, extra="mb-3"), empty(said, ["No report has told of it. ", nodes])]


def sections(view: View, known: KnownNode, heading: type, place: str) -> Sections:
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
        past=node_past.section(view, known, heading, FEW_CHANGES if compact else MOST_CHANGES),
        before=_before(view, known, heading, compact),
        attributes=bricks.attributes(record, f"{place}-node-all", told, view),
        buttons=_buttons(view, known),
    )


def head(view: View, known: KnownNode, shown: Sections) -> list[Part]:
    """The panel's first lines: which node, its state, and Close."""
    name = html.H2(shown.title, className="fs-6 fw-semibold m-0 text-truncate")
    first = [name, *_beside(known, view), bricks.close(view)]
    return [html.Div(first, className="d-flex align-items-center gap-2"), shown.facts]


def _beside(known: KnownNode, view: View) -> list[Part]:
    record = known.node.record
    gone = html.Span([icon("dash-circle"), "no longer listed"], className="ws-st")
    state = bricks.node_state(record.state.value) if known.node.gone_at is None else gone
    beside: list[Part] = [bricks.copy(record.name, "Copy node name"), bricks.pill(state)]
    if known.node.gone_at is None:
        beside.append(bricks.known_at(known.cluster, known.stale, view))
    return beside


def _facts(view: View, known: KnownNode) -> list[Part | list[Part]]:
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


def _health(view: View, known: KnownNode) -> list[Part]:
    said: list[Part] = [trouble(known.cluster, view)]
    record = known.node.record
    if record.comment:
        out = record.state in (NodeState.DOWN, NodeState.OFFLINE)
        said.append(note("warn" if out else "", "Comment.", [" “", foreign(record.comment, 400), "”"]))
    return said


def _buttons(view: View, known: KnownNode) -> list[Part]:
    cluster, name = known.cluster, known.node.record.name
    on_map = link([icon("grid-3x3"), " Node map"], addresses.cluster_page(cluster.name))
    on_map.className = "btn btn-outline-secondary"
    address = addresses.node_page(cluster.name, name)
    buttons: list[Part] = [bricks.copy(address, "Copy a link to this node", "link-45deg", "Link"), on_map]
    if view.at is None and known.node.gone_at is None:
        down = addresses.tell_page(kind="node", cluster=cluster.name, subject=name)
        tell = link([icon("bell"), " Tell me when"], down, title="Tell me when this node goes down")
        tell.className = "btn btn-outline-secondary"
        buttons.append(tell)
    return buttons


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
    rows.append(bricks.use_row("Load", "", load, _share(record.load, record.cores)))
    table = bricks.use_table(rows, "has", "in use", "What the node has and what of it is in use")
    return [heading("How much of it is in use?", className="ws-q mb-1"), table]


def _share(used: float | None, whole: float | None) -> float | None:
    return used / whole if used is not None and whole else None


# What runs here now?


def _now(view: View, known: KnownNode, heading: type) -> list[Part]:
    if known.node.gone_at is not None:
        return []
    cluster = known.cluster
    placed = view.source.read(places.load_placed_jobs, cluster.id, stamp=cluster.report)
    jobs = jobs_here(placed, known.node.record)
    title = heading("What ran here then?" if known.stale else f"What runs here {view.moment()}?", className="ws-q mb-1")
    if jobs.empty:
        return [title, empty("No job.", _why_none(known.node.record))]
    rows = [
        [
            [bricks.job_link(view, cluster.name, job.id), _other_state(job.state)],
            bricks.user_link(job.user, 16),
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


# What ran here before?


def _before(view: View, known: KnownNode, heading: type, compact: bool) -> list[Part]:
    cluster, name = known.cluster, known.node.record.name
    since = int(known.at) // HOUR * HOUR - WEEK
    jobs = view.source.read(one.load_jobs_before, cluster.id, name, since, MOST_BEFORE, stamp=cluster.report)
    title = heading("What ran here before?", className="ws-q")
    if jobs.empty:
        nothing = empty("No job.", "No job that the store knows of ended here in the last 7 d.")
        return [title, html.Div(nothing, className="mt-2")]
    counted: list[Part] = [plural(len(jobs), "job")] if len(jobs) < MOST_BEFORE else [f"the last {len(jobs)} jobs"]
    if compact and len(jobs) > FEW_BEFORE:
        whole = link(f"{len(jobs)} on its page", addresses.node_page(cluster.name, name))
        counted = [f"the last {FEW_BEFORE} of ", whole]
    heads = [("Job", ""), ("User", ""), ("Cores", "n"), ("Result", ""), ("Ended", "n pe-0")]
    more = [("Name", WIDE), ("Queue", WIDE), ("Ran", f"n {WIDE}")]
    heads = heads if compact else [heads[0], more[0], heads[1], more[1], heads[2], more[2], *heads[3:]]
    rows = [_row_before(job, cluster, view, compact) for job in jobs.head(FEW_BEFORE if compact else None).itertuples()]
    table = html.Div(bricks.listing(heads, rows, "Jobs that ended on this node"), className="table-responsive")
    return [title, html.Div([*counted, " that ended here in the last 7 d"], className="ws-sub mb-1"), table]


def _row_before(job: Any, cluster: Cluster, view: View, compact: bool) -> list[Part]:
    number_of = bricks.job_link(view, cluster.name, job.id)
    user, cores = bricks.user_link(job.user, 16), _cores(job.cores_here, job.cores)
    about = html.Span("about ", className="z", title="it ended between two reports") if job.ended_estimated else ""
    ended = [_result(job.exit_status, cluster, compact), [about, clock(job.ended_at, view)]]
    if compact:
        return [number_of, user, cores, *ended]
    ran = duration(None if pd.isna(job.started_at) else job.ended_at - job.started_at)
    return [number_of, foreign(job.name, 30), user, foreign(job.queue), cores, ran, *ended]


def _result(exit_status: float, cluster: Cluster, compact: bool) -> Part:
    if pd.isna(exit_status):
        return html.Span("–", className="z", title="The scheduler does not say")
    if exit_status == 0:
        return html.Span([icon("check-lg"), "ok"], className="ws-st st-ok")
    short, _, rest = exit_words(int(exit_status), cluster.scheduler_kind).partition(":")
    whole = html.Span(f":{rest}", className="d-none d-md-inline") if not compact else ""
    return html.Span([icon("x-lg"), short, whole], className="ws-st st-bad", title=rest.strip())
