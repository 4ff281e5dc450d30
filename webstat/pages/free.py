"""What can be used now: free cores, GPUs and memory by cluster, queue and kind of node, roomiest first."""

from __future__ import annotations

from collections.abc import Sequence

from dash import html

from webstat import sentences
from webstat.addresses import cluster_page, jobs_page
from webstat.components.cards import card, empty
from webstat.components.states import pill
from webstat.components.tables import cell, head, table
from webstat.components.text import Part, age, foreign, link, strong
from webstat.data import free
from webstat.data.free import Free, Place, Room
from webstat.format import NBSP, UNKNOWN, duration, memory, number, plural
from webstat.health import Cluster
from webstat.view import View

WIDE = "d-none d-md-table-cell"
WIDER = "d-none d-lg-table-cell"
STOPPED = {"stopped": "stopped: starts no jobs", "closed": "closed", "draining": "takes no new jobs"}
"""State of a queue whose room is not usable -> what is said of it."""

FREE = "Cores that no job holds, on nodes that take work: not down, offline, reserved, or used exclusively"
WHOLE = "Nodes that take work and have no core taken"
LARGEST = "The most that is free on one node"

Seen = tuple[Cluster, Free]


def layout(view: View) -> list[Part]:
    """Which cluster, which queue, which kind of node has room; clusters that do not answer come last, greyed."""
    seen = [(cluster, free.at(view.source, cluster)) for cluster in view.clusters if cluster.report]
    answering = sorted((one for one in seen if not view.health(one[0]).stale), key=_roomiest)
    silent = [one for one in seen if view.health(one[0]).stale]
    return [
        _title(answering, view),
        html.Div(_clusters(answering, silent, view), className="mb-3"),
        html.Div(_queues(answering, silent, view), className="mb-3"),
        _kinds(answering),
    ]


def _roomiest(seen: Seen) -> tuple[int, int]:
    room = seen[1].room
    return -(room.capacity.free or 0), -room.block


def _title(answering: Sequence[Seen], view: View) -> html.Div:
    left_out = [cluster.title for cluster in view.clusters if view.health(cluster).stale]
    rooms = [found.room for _, found in answering]
    installed = sum(room.capacity.installed or 0 for room in rooms)
    gpus = sum(room.capacity.gpus for room in rooms)
    words: list[Part] = [
        sentences.where(left_out),
        strong(f"{plural(sum(room.capacity.free or 0 for room in rooms), 'core')} free"),
        f" of {number(installed)}, on {plural(sum(room.nodes_with_room for room in rooms), 'node')}",
    ]
    if gpus:
        words += ["; ", strong(plural(sum(room.gpus_free or 0 for room in rooms), "GPU")), f" of {number(gpus)}"]
    head = html.H1(f"Free {view.moment()}", className="ws-h1")
    said = html.Span([*words, "."], className="text-body-secondary") if answering else None
    return html.Div([head, said], className="d-flex flex-wrap align-items-baseline column-gap-3 mb-3")


def _heads(first: str, second: str, last: str | None = "Jobs wait") -> list[list[html.Th]]:
    """The two rows over a table of rooms, with the names' columns before and one after, where there is one."""
    top = [
        head(first, rows=2),
        head(second, rows=2, extra=WIDE),
        head(["Free ", html.Br(className="d-md-none"), _defined("cores", FREE)], rows=2, extra="n g"),
        head("Nodes", columns=2, extra=f"g {WIDE}"),
        head(_defined("Largest on one node", LARGEST), columns=3, extra=f"g {WIDE}"),
        head(["Largest", html.Br(), "on a node"], rows=2, extra="n g d-md-none"),
        head(["Free ", html.Br(className="d-md-none"), "GPUs"], rows=2, extra="n g"),
        *([head(last, rows=2, extra=f"n g {WIDE}")] if last else []),
    ]
    below = [
        head("with room", extra=f"n g {WIDE}"),
        head(_defined("whole", WHOLE), extra=f"n {WIDE}"),
        head("cores", extra=f"n g {WIDE}"),
        head("GPUs + cores", extra=f"n {WIDE}"),
        head("memory", extra=f"n {WIDE}"),
    ]
    return [top, below]


def _defined(word: str, meaning: str) -> html.Span:
    return html.Span(word, className="ws-def", title=meaning)


COLUMNS, FEW_COLUMNS = 7, 3
"""Cells of a room on a wide screen and on a small one."""


def _instead(words: str) -> list[html.Td]:
    """One cell in the place of a room's numbers."""
    return [
        html.Td(words, colSpan=COLUMNS, className=f"g z {WIDE}"),
        html.Td(words, colSpan=FEW_COLUMNS, className="g z d-md-none"),
    ]


def _cells(room: Room, was: str = "") -> list[html.Td]:
    """What is free in a room; `was` greys what is no longer known to be."""
    cores = room.capacity
    if cores.installed is None:
        return _instead("the scheduler tells no cores of its nodes")
    return [
        cell(_amount_of(cores.free, cores.installed, was), f"n g{was}"),
        cell(_amount(room.nodes_with_room, was), f"n g {WIDE}{was}"),
        cell(_amount(cores.whole_nodes, was), f"n {WIDE}{was}"),
        cell(_amount(room.block, was), f"n g {WIDE}{was}"),
        cell(_gpu_block(room, was), f"n {WIDE}{was}"),
        cell(memory(room.memory_bytes), f"n {WIDE}{was}"),
        cell(_amount(room.block, was), f"n g d-md-none{was}"),
        cell(_gpus(room, was), f"n g{was}"),
    ]


def _amount(value: int | None, was: str) -> Part:
    return html.Span(number(value), className="z") if not value or was else strong(number(value))


def _amount_of(value: int | None, whole: int, was: str) -> list[Part]:
    return [_amount(value, was), html.Span(f" of {number(whole)}", className="z d-none d-md-inline")]


def _gpus(room: Room, was: str) -> Part:
    if not room.capacity.gpus:
        return html.Span("none", className="z")
    return _amount_of(room.gpus_free, room.capacity.gpus, was)


def _gpu_block(room: Room, was: str) -> Part:
    if not room.capacity.gpus:
        return html.Span("none", className="z")
    if room.gpu_block is None:
        return html.Span("0" if room.gpus_free == 0 else UNKNOWN, className="z")
    gpus, cores = room.gpu_block
    return [_amount(gpus, was), f" + {number(cores)}"]


def _wait(count: int) -> str:
    return f"{number(count)} {'waits' if count == 1 else 'wait'}"


def _waiting(count: int, was: str, **filters: str) -> html.Td:
    shown: Part = link(number(count), jobs_page(state="queued", **filters)) if count else html.Span("0", className="z")
    return cell(shown, f"n g {WIDE}{was}")


def _clusters(answering: Sequence[Seen], silent: Sequence[Seen], view: View) -> html.Section:
    rows = [_cluster_row(cluster, found, view) for cluster, found in (*answering, *silent)]
    rows += [_new_row(cluster, view) for cluster in view.clusters if not cluster.report]
    body = table(_heads("Cluster", "Known"), rows, "Free cores, GPUs and memory by cluster")
    subtitle = "roomiest first; nodes that are down, offline, reserved or used exclusively count as full"
    return card("Which cluster has room?", subtitle, [body], "q-clusters", fill=False)


def _cluster_row(cluster: Cluster, found: Free, view: View) -> html.Tr:
    was = " z" if view.health(cluster).stale else ""
    below: list[Part] = [_wait(found.waiting) if found.waiting else "nothing waits"]
    if was:
        below = ["was so ", age(cluster.taken_at or 0, view), " ago"]
    name = [
        link(foreign(cluster.title, 32), cluster_page(cluster.name), quiet=True),
        html.Div(below, className="d-md-none ws-sub fw-normal"),
    ]
    return html.Tr(
        [
            html.Th(name, scope="row", className=was.strip()),
            cell([pill(cluster, view), _incomplete(cluster)], WIDE),
            *_cells(found.room, was),
            _waiting(found.waiting, was, cluster=cluster.name),
        ]
    )


def _incomplete(cluster: Cluster) -> Part:
    return html.Span(" nodes incomplete", className="ws-sub ps-1") if "nodes" in cluster.partial else None


def _new_row(cluster: Cluster, view: View) -> html.Tr:
    name = link(foreign(cluster.title, 32), cluster_page(cluster.name), quiet=True)
    waits = cell(html.Span(UNKNOWN, className="z"), f"n g {WIDE}")
    names = [html.Th(name, scope="row", className="z"), cell(pill(cluster, view), WIDE)]
    return html.Tr([*names, *_instead("nothing is known yet"), waits])


def _queues(answering: Sequence[Seen], silent: Sequence[Seen], view: View) -> html.Section:
    title = "Which queue has room?"
    places = [(cluster, place) for cluster, found in answering for place in found.queues]
    rows = [_queue_row(cluster, place) for cluster, place in sorted(places, key=_roomiest_place)]
    for cluster, found in silent:
        rows += (
            [_was(cluster, view), *(_queue_row(cluster, place, " z") for place in found.queues)] if found.queues else []
        )
    if not rows:
        return card(title, "", [empty("No queue.", "The schedulers tell of none.")], "q-queues", fill=False)
    subtitle = "“any node”: no node is set aside for the queue, so it may use what is free on the whole cluster"
    body = table(_heads("Queue", "Runs up to"), rows, "Free cores, GPUs and memory by queue")
    return card(title, subtitle, [body], "q-queues", fill=False)


def _roomiest_place(one: tuple[Cluster, Place]) -> tuple[object, ...]:
    place = one[1]
    return not place.usable, -(place.room.capacity.free or 0), -place.room.block, place.waiting or 0


def _was(cluster: Cluster, view: View) -> html.Tr:
    words = [foreign(cluster.title, 32), " does not answer. This was free ", age(cluster.taken_at or 0, view), " ago:"]
    return html.Tr(html.Th(words, scope="colgroup", colSpan=COLUMNS + 3, className="fw-normal z"))


def _queue_row(cluster: Cluster, place: Place, was: str = "") -> html.Tr:
    waiting, limit = place.waiting or 0, place.max_walltime_seconds
    of = "any node" if place.any_node else plural(place.room.capacity.nodes, "node")
    below = of + (f" · {_wait(waiting)}" if waiting else "")
    filters = {"cluster": cluster.name, "queue": place.name}
    name = [
        html.Span([foreign(cluster.title, 16), f"{NBSP}·{NBSP}"], className="fw-normal"),
        link(foreign(place.name, 20), jobs_page(**filters), quiet=True),
        html.Span(f" {of}", className="ws-sub fw-normal d-none d-md-inline ps-1"),
        html.Div(below, className="d-md-none ws-sub fw-normal"),
    ]
    cells = [
        html.Th(name, scope="row", className=was.strip()),
        cell(duration(limit) if limit else html.Span(UNKNOWN, className="z"), f"{WIDE}{was}"),
    ]
    if place.usable:
        cells += _cells(place.room, was)
    else:
        cells += _instead(STOPPED[place.state])
    return html.Tr([*cells, _waiting(waiting, was, **filters)])


def _kinds(answering: Sequence[Seen]) -> html.Section | None:
    """Room by property; nothing where no property tells nodes apart."""
    places = [(cluster, place) for cluster, found in answering for place in found.properties]
    if not places:
        return None
    rows = []
    for cluster, place in sorted(places, key=_roomiest_place):
        of = f"{plural(place.room.capacity.nodes, 'node')}"
        name = [
            html.Span(foreign(cluster.title, 16), className="fw-normal"),
            f"{NBSP}· ",
            foreign(place.name, 24),
            html.Div(of, className="d-md-none ws-sub fw-normal"),
        ]
        rows.append(html.Tr([html.Th(name, scope="row"), cell(of, WIDE), *_cells(place.room)]))
    more = sum(found.more_properties for _, found in answering)
    heads = _heads("Property", "Carried by", None)
    body: list[Part] = [table(heads, rows, "Free cores, GPUs and memory by property of the nodes")]
    if more:
        body.append(html.Div(f"and {plural(more, 'property', 'properties')} with less room", className="ws-sub mt-2"))
    subtitle = "by the properties that the scheduler gives some of its nodes, other than names of queues"
    return card("Which kind of node has room?", subtitle, body, "q-kinds", fill=False)
