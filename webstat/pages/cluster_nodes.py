"""The nodes of a cluster: the map, which of them have room, which are out, which are kept for somebody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import html

from webstat.components import bars, capacity
from webstat.components.cards import card, empty, note
from webstat.components.choices import choices
from webstat.components.tables import cell, head, number_cell, table
from webstat.components.text import Part, clock, foreign, icon, link, person, strong, until
from webstat.data import frames, nodemap, reservations
from webstat.data.frames import Capacity
from webstat.data.queries.changes import load_reservations
from webstat.data.reservations import Kept
from webstat.format import memory, number, plural
from webstat.health import Cluster
from webstat.view import View

COLOUR, ROWS = "map", "rows"
"""Words of the query: what cells are coloured by, and what nodes share a row."""

COLOURS = (("Cores", None), ("User", "user"), ("Queue", "queue"), ("Memory", "memory"))
LISTED_OUT = 8
LISTED_KEPT = 6
LISTED_ROOM = 40


def kept_in(cluster: Cluster, view: View) -> list[Kept]:
    """The cluster's reservations that hold nodes or will."""
    told = view.source.read(load_reservations, cluster.id or 0, stamp=cluster.report)
    return reservations.kept(told, view.source.nodes(cluster), view.now)


def maintenance_note(kept: Sequence[Kept], view: View) -> html.Div | None:
    """What a reservation of the whole cluster means for who submits now; None where there is none."""
    found = reservations.next_for_all(kept)
    if found is None:
        return None
    what: Part = "Maintenance" if found.maintenance else ["All nodes are reserved (", foreign(found.name, 24), ")"]
    end: list[Part] = ["–", clock(found.ends_at, view)] if found.ends_at is not None else []
    if found.runs:
        until_then: list[Part] = [" until ", clock(found.ends_at, view)] if found.ends_at is not None else []
        words = " Until it ends, nothing but what it was made for starts."
        return _note([what, *until_then, "."], [words])
    begins = found.starts_at or view.now
    rest: list[Part] = [
        " Jobs whose walltime would cross it wait until after. Starting now, ask for ",
        until(begins, view),
        " or less.",
    ]
    return _note([what, " ", clock(begins, view), *end, "."], rest)


def _note(matter: list[Part], rest: list[Part]) -> html.Div:
    return note("warn", matter, rest, "calendar-event", "mb-3")


def map_card(cluster: Cluster, cores: Capacity, view: View) -> html.Section:
    """The node map, drawn by assets/nodemap.js into a placeholder, under the counts of states."""
    stale = view.health(cluster).stale
    title = f"Where {'was' if stale else 'is'} there room on the nodes?"
    nodes = view.source.nodes(cluster)
    if nodes.empty:
        return card(title, "one cell a node", [empty("No nodes.", "The scheduler tells of none.")], "q-nodes", stale)
    pieces = capacity.node_pieces(cores)
    columns, lines = view.source.remember(
        ("size of the map", cluster.id, cluster.report), lambda: nodemap.size(nodes["name"].tolist())
    )
    body: list[Part] = [
        html.Div([bars.stacked_bar(pieces, height=16), bars.counts(pieces, bold=True)], className="ws-grey mb-3"),
        html.Div(
            html.Div(id="nodemap", **{"data-cluster": cluster.name}),
            className="ws-map ws-grey",
            # So that nothing below moves when the cells come.
            style={"--lines": lines, "--cell": "10px" if columns > nodemap.MANY else "26px"},
        ),
        html.Details(
            [html.Summary("As table", className="ws-sub"), html.Div(id="nodemap-table")],
            id="nodemap-details",
            className="mt-2",
        ),
    ]
    when: list[Part] = [", at ", clock(cluster.taken_at or 0, view)] if stale else []
    subtitle = ["one cell a node; hover or focus for its jobs, hover a job for its nodes", *when]
    tools = html.Div([_rows_choice(nodes, view), _colour_choice(view)], className="d-flex flex-wrap gap-2")
    return card(title, subtitle, body, "q-nodes", stale, tools=tools)


def _colour_choice(view: View) -> html.Div:
    words = [word for _, word in COLOURS]
    chosen = view.query.get(COLOUR)
    options = [(text, view.address(**{COLOUR: word})) for text, word in COLOURS]
    return choices("Colour of the cells", options, words.index(chosen) if chosen in words else 0)


def _rows_choice(nodes: Any, view: View) -> html.Div | None:
    """By name or by property, where nodes have different properties."""
    if nodes["properties"].nunique(dropna=False) < 2:
        return None
    options = [("By name", view.address(**{ROWS: None})), ("By property", view.address(**{ROWS: "property"}))]
    return choices("Rows of the map", options, int(view.query.get(ROWS) == "property"))


def out_card(cluster: Cluster, view: View) -> html.Section | None:
    """Nodes out of service, with what is said of them; None where all serve."""
    out = frames.out_frame(view.source.nodes(cluster))
    if out.empty:
        return None
    rows = [
        html.Tr(
            [
                html.Th(_node(row.name, cluster, view), scope="row", className="fw-normal"),
                cell(html.Span([icon(*_out_icon(row.state)), row.state], className="ws-st")),
                cell(foreign(row.native_state, 40) if row.native_state else "–", "z d-none d-md-table-cell"),
                cell(foreign(row.comment, 90) if row.comment else html.Span("–", className="z"), "ws-wrap"),
            ]
        )
        for row in out.head(LISTED_OUT).itertuples()
    ]
    heads = [head("Node"), head("State"), head("Scheduler says", extra="d-none d-md-table-cell"), head("Comment")]
    body: list[Part] = [table([heads], rows, f"Nodes of {cluster.title} out of service")]
    if len(out) > LISTED_OUT:
        more = f"and {plural(len(out) - LISTED_OUT, 'more node', 'more nodes')}"
        body.append(html.Div(more, className="ws-sub mt-1"))
    stale = view.health(cluster).stale
    title = f"Which nodes {'were' if stale else 'are'} out of service?"
    return card(title, plural(len(out), "node"), body, "q-out", stale, fill=False)


def _out_icon(state: str) -> tuple[str, str]:
    return {"down": ("x-lg", "st-bad"), "offline": ("wrench", "st-warn")}.get(state, ("question", ""))


def _node(name: str, cluster: Cluster, view: View) -> Part:
    return link(foreign(name), view.address(node=f"{cluster.name}/{name}", job=None), quiet=True)


def kept_card(cluster: Cluster, kept: Sequence[Kept], view: View) -> html.Section | None:
    """Reservations, running and to come; None where there are none."""
    if not kept:
        return None
    rows = [
        html.Tr(
            [
                html.Th(_for_whom(one), scope="row", className="fw-normal"),
                cell(_when(one, view)),
                cell(_on(one, cluster, view)),
            ]
        )
        for one in kept[:LISTED_KEPT]
    ]
    body: list[Part] = [table([[head("Name"), head("When"), head("Nodes")]], rows, "Reservations")]
    if len(kept) > LISTED_KEPT:
        body.append(html.Div(f"and {len(kept) - LISTED_KEPT} more", className="ws-sub mt-1"))
    stale = view.health(cluster).stale
    title = f"What {'was' if stale else 'is'} reserved?"
    return card(title, "reservations that run, then those to come", body, "q-kept", stale, fill=False)


def _for_whom(one: Kept) -> list[Part]:
    owner: Part = html.Div(["for ", person(one.owner)], className="ws-sub") if one.owner else None
    return [foreign(one.name or one.id, 24), owner]


def _when(one: Kept, view: View) -> list[Part]:
    end: Part = clock(one.ends_at, view) if one.ends_at is not None else "–"
    if one.runs or one.starts_at is None:
        return [html.Span([icon("play-fill"), "now"], className="ws-st st-run"), " until ", end]
    return [clock(one.starts_at, view), "–", end]


def _on(one: Kept, cluster: Cluster, view: View) -> list[Part]:
    if one.everything:
        return ["all"]
    if not one.nodes:
        return [plural(one.cores, "core") if one.cores else html.Span("–", className="z")]
    named = sorted(one.nodes, key=nodemap.natural)
    shown = named if len(named) <= 3 else [named[0], named[-1]]
    words: list[Part] = [strong(number(len(named))), ": "]
    for place, name in enumerate(shown):
        gap = "" if not place else " … " if len(named) > 3 else ", "
        words += [gap, _node(name, cluster, view)]
    return words


def room_card(cluster: Cluster, cores: Capacity, kept: Sequence[Kept], view: View) -> html.Section:
    """Nodes with free cores, roomiest first."""
    nodes = view.source.nodes(cluster)
    room = view.source.remember(("room", cluster.id, cluster.report), lambda: frames.room_frame(nodes))
    stale = view.health(cluster).stale
    title = "Which nodes had room?" if stale else "Which nodes have room?"
    if room.empty:
        users = plural(frames.jobs(view.source.totals(cluster)).users, "user")
        nearest = f"All {number(cores.in_use)} cores in use are held by {users}."
        return card(title, "nodes with free cores", [empty("None.", nearest)], "q-room", stale)
    gpus = bool(cores.gpus)
    begins = reservations.begins_by_node(kept)
    last = "Room" if begins else "Serves"
    heads = [head("Node"), head(["Free", html.Br(), "cores"], extra="n")]
    heads += [head(["Free", html.Br(), "GPUs"], extra="n d-none d-sm-table-cell")] if gpus else []
    heads += [head(["Free", html.Br(), "memory"], extra="n"), head(last)]
    rows = []
    for row in room.head(LISTED_ROOM).itertuples():
        serves = foreign(", ".join(row.properties), 22) if row.properties else html.Span("–", className="z")
        cells = [
            html.Th(_node(row.name, cluster, view), scope="row", className="fw-normal"),
            cell([strong(number(row.cores_free)), html.Span(f" of {number(row.cores)}", className="z")], "n"),
        ]
        if gpus:
            cells.append(number_cell(row.gpus_free, "d-none d-sm-table-cell"))
        at = begins.get(row.name)
        cells += [
            cell(memory(row.memory_free_bytes), "n"),
            cell(["until ", clock(at, view)] if at is not None else serves, "text-nowrap"),
        ]
        rows.append(html.Tr(cells))
    scroll = html.Div(
        table([heads], rows, f"Nodes of {cluster.title} with free cores"),
        id="room",
        className="ws-scroll ws-room",
        tabIndex=0,
        role="region",
        **{"aria-label": "Nodes with free cores"},
    )
    when: list[Part] = [", at ", clock(cluster.taken_at or 0, view)] if stale else []
    subtitle = [f"{plural(len(room), 'node')} with free cores, roomiest first", *when]
    body: list[Part] = [scroll]
    if len(room) > LISTED_ROOM:
        words = f"and {plural(len(room) - LISTED_ROOM, 'more node')}: in the map, and in its table"
        body.append(html.Div(words, className="ws-sub mt-1"))
    return card(title, subtitle, body, "q-room", stale)
