"""One cluster, live: what is free, who holds the rest, which queue moves, which nodes have room."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from dash import html

from webstat.components import bars, capacity
from webstat.components.bars import Row
from webstat.components.cards import card, empty, kpi
from webstat.components.graph import graph
from webstat.components.nav import cluster_menu
from webstat.components.states import pill, trouble
from webstat.components.tables import cell, head, number_cell, table
from webstat.components.text import Part, clock, foreign, icon, strong
from webstat.data import frames
from webstat.data.frames import Capacity, Jobs
from webstat.figures import stack
from webstat.format import duration, hours, memory, number, percent, plural, shorten, wait
from webstat.health import Cluster
from webstat.identity import OTHERS, Shade, shades
from webstat.pages.overview import BACKLOG
from webstat.view import View

LISTED_USERS = 8
LISTED_OUT = 8
IN_USE = "Cores of jobs that run, divided by installed cores less those that idle offline or down"


def layout(view: View, cluster: str) -> list[Part] | None:
    """The page of the cluster of that name; None where there is none."""
    found = view.cluster(cluster)
    return None if found is None else _body(found, view)


def _body(cluster: Cluster, view: View) -> list[Part]:
    if not cluster.report:
        check = (
            "When the first one comes, this page fills by itself. Admin: “python -m collector check” says what to do."
        )
        nothing = empty(f"There is no report of {shorten(cluster.title, 40)} yet.", check)
        return [_title(cluster, None, view), trouble(cluster, view, extra="mb-3"), nothing]
    cores = view.source.capacity(cluster)
    jobs = frames.jobs(view.source.totals(cluster))
    used = view.source.usage(cluster, view.now)
    colours = shades([str(user) for user in used.holders.columns], view.source.hues(view.now))
    stale = view.health(cluster).stale
    wide = "col-12 col-lg-8"
    narrow = "col-12 col-lg-4"
    return [
        _title(cluster, cores, view),
        trouble(cluster, view, extra="mb-3"),
        _kpis(cores, jobs, stale),
        html.Div(
            [
                html.Div(_holders(cluster, cores, jobs, colours, view), className=narrow),
                html.Div(_usage(cluster, cores, colours, view), className=wide),
                html.Div(
                    [_queues(cluster, view), _nodes(cluster, cores, view)], className=f"{wide} d-flex flex-column gap-3"
                ),
                html.Div(_room(cluster, cores, view), className=narrow),
            ],
            className="row g-3",
        ),
    ]


def _title(cluster: Cluster, cores: Capacity | None, view: View) -> html.Div:
    machine = capacity.machine_words(cores) if cores else ""
    about = " · ".join(word for word in (cluster.scheduler, machine) if word)
    return html.Div(
        [
            html.Div(
                [html.H1(foreign(cluster.title, 40), className="ws-h1"), cluster_menu(view, "Other cluster", cluster)],
                className="d-flex align-items-center gap-2",
            ),
            html.Span(about, className="text-body-secondary"),
            html.Span(pill(cluster, view, long=True), className="ms-md-auto"),
        ],
        className="d-flex flex-wrap align-items-center column-gap-3 row-gap-1 mb-3",
    )


def _kpis(cores: Capacity, jobs: Jobs, stale: bool) -> html.Div:
    gone = [
        f"{number(cores.node_states[state])} {word}"
        for state, word in (("down", "down"), ("offline", "offline"), ("unknown", "unknown"))
        if cores.node_states.get(state)
    ]
    usable = f"{number(cores.in_use)} of {number(cores.usable)} usable"
    running = f"jobs, {number(jobs.suspended)} suspended" if jobs.suspended else _jobs(jobs.running)
    held = f"jobs, {number(jobs.waiting_for_time)} until their time" if jobs.waiting_for_time else _jobs(jobs.held)
    backlog = (
        "of the full machine" if not jobs.unlimited else f"without {plural(jobs.unlimited, 'job')} with no walltime"
    )
    cells = [
        kpi("Cores free", number(cores.free), note=capacity.whole_words(cores)),
        kpi("In use", percent(cores.share).removesuffix("%").strip(), "%", usable, define=IN_USE),
        kpi("Running", number(jobs.running), note=running),
        kpi("Queued", number(jobs.queued), note=f"{_jobs(jobs.queued)}, {plural(jobs.queued_cores, 'core')}"),
        kpi("Held", number(jobs.held), note=held),
        kpi("Backlog", hours(jobs.backlog_seconds(cores.installed)), "h", backlog, define=BACKLOG),
        kpi("Nodes out", number(cores.out), f"of {number(cores.nodes)}", ", ".join(gone) or "all in service"),
    ]
    if cores.gpus:
        gone = cores.gpus - cores.gpus_free
        taken = "none taken" if not gone else "all in use" if not cores.gpus_free else f"{number(gone)} taken or out"
        cells.insert(2, kpi("GPUs free", number(cores.gpus_free), f"of {number(cores.gpus)}", taken))
    columns = [html.Div(one, className="col px-2") for one in cells]
    strip = html.Div(columns, className="row row-cols-2 row-cols-md-4 g-0 ws-kpis ws-k8")
    return html.Div(html.Div(strip, className="card-body py-2"), className="card mb-3" + (" ws-stale" if stale else ""))


def _jobs(count: int) -> str:
    return "job" if count == 1 else "jobs"


def _holders(cluster: Cluster, cores: Capacity, jobs: Jobs, colours: Mapping[str, Shade], view: View) -> html.Section:
    stale = view.health(cluster).stale
    title = "Who held the cores?" if stale else "Who holds the cores now?"
    holders = frames.holders_frame(view.source.totals(cluster))
    share = f", share of {number(cores.installed)} installed" if cores.installed else ""
    subtitle = f"cores{share}; {plural(jobs.users, 'user')}"
    if holders.empty:
        free = (
            f"All {number(cores.free)} cores are free."
            if cores.free == cores.installed
            else f"{number(cores.free)} cores are free."
        )
        body: list[Part] = [empty("Nobody.", f"No job runs on {cluster.title}. {free if cores.installed else ''}")]
        return card(title, subtitle, body, "q-who", stale)
    listed, folded, folded_cores = frames.with_others(holders, list(colours), LISTED_USERS)
    users = [
        Row(foreign(row.holder, 20), bars.shade_look(colours.get(row.holder, OTHERS)), row.cores)
        for row in listed.itertuples()
    ]
    if folded:
        users.append(Row(f"{number(folded)} others", bars.shade_look(OTHERS), folded_cores))
    idle = [
        Row("free", "b-free", cores.free or 0),
        Row("reserved", "b-rsv", cores.reserved),
        Row("blocked", "b-blk", cores.blocked),
        Row("offline", "b-off", cores.offline),
    ]
    groups = [users, [row for row in idle if row.amount or row.look == "b-free"]] if cores.installed else [users]
    body = [html.Div(bars.bar_list(groups, cores.installed, "Cores by user, then idle cores"), className="ws-grey")]
    if cores.difference:
        more = "more" if cores.difference > 0 else "fewer"
        body.append(
            html.Div(
                f"The nodes call {plural(abs(cores.difference), 'core')} {more} taken than jobs hold.",
                className="ws-sub mt-2 pt-2 border-top",
            )
        )
    return card(title, subtitle, body, "q-who", stale)


def _usage(cluster: Cluster, cores: Capacity, colours: Mapping[str, Shade], view: View) -> html.Section:
    used = view.source.usage(cluster, view.now)
    usable = view.source.usable(cluster, view.now)
    figure = view.source.remember(
        ("stack", cluster.id, cluster.report, int(view.now // 60), view.theme, str(view.zone)),
        lambda: stack.usage_figure(
            used,
            usable,
            until=view.now,
            theme=view.theme,
            zone=view.zone,
            shades=colours,
            revision=cluster.name,
        ),
    )
    latest = frames.holders_frame(view.source.totals(cluster)).set_index("holder")["cores"]
    heavy = ", ".join(shorten(str(user), 24) for user in used.holders.columns[:3])
    message = f"Stacked cores in use by user over the last 24 hours; {number(cores.in_use)} at the end; most by {heavy or 'nobody'}"
    nothing = ("No report came in these 24 h.", "Nothing is drawn for a time that nobody knows.")
    if used.known:
        nothing = ("No core was in use in these 24 h.", f"All that is usable was free: {number(cores.usable)} cores.")
    parts: list[Part] = [graph("usage-day", figure, message, nothing)]
    if figure is not None:
        parts.append(_direct_labels(used, usable, colours, latest, cores))
    subtitle = "cores in use per user, means of 15 min; labels give the latest value"
    return card("How were the cores used in the last 24 h?", subtitle, [html.Div(parts, className="ws-plot")], "q-day")


def _direct_labels(
    used: object, usable: pd.Series, colours: Mapping[str, Shade], latest: pd.Series, cores: Capacity
) -> html.Div:
    found, line = stack.labels(used, usable, colours)
    rest = int(latest.drop([label.holder for label in found if label.holder in latest.index]).sum())
    wanted: list[tuple[float, Part, Part, float | None]] = [
        (
            label.y,
            bars.key(bars.shade_look(label.shade)),
            foreign(label.holder, 12) if label.holder is not None else f"{used.folded} others",
            latest.get(label.holder, 0) if label.holder is not None else rest,
        )
        for label in found
    ]
    if line is not None:
        if cores.free is not None:
            below = wanted[-1][0] if wanted else stack.HEIGHT - stack.BOTTOM
            wanted.append(((line + below) / 2 if below > line else line, bars.key("b-free"), "free", cores.free))
        wanted.append((line, html.I(className="ws-dots", **{"aria-hidden": "true"}), "usable", cores.usable))
    places = stack.push_apart([y for y, *_ in wanted])
    labels = [
        html.Span([mark, name, " ", strong(number(value))], style={"--y": f"{y:.0f}px"})
        for y, (_, mark, name, value) in zip(places, wanted, strict=True)
    ]
    return html.Div(labels[::-1], className="ws-dir")


def _queues(cluster: Cluster, view: View) -> html.Section:
    waits = view.source.waits(cluster)
    rows = frames.queues_frame(view.source.queues(cluster), view.source.totals(cluster), waits)
    stale = view.health(cluster).stale
    title = "Which queue moved?" if stale else "Which queue moves?"
    subtitle = f"jobs and cores {'then' if stale else 'now'}; waits of the jobs that started in the last 7 d"
    if rows.empty:
        return card(
            title, subtitle, [empty("No queue.", "The scheduler tells of none, and no job is in one.")], "q-queues"
        )
    wide = "d-none d-md-table-cell"
    top = [
        head("Queue", rows=2),
        head("State", rows=2, extra=wide),
        head("Running", columns=2, extra=f"g {wide}"),
        head("Queued", columns=2, extra=f"g {wide}"),
        head("Runs", rows=2, extra="n g d-md-none"),
        head("Waits", rows=2, extra="n g d-md-none"),
        head(["Held", html.Br(), "jobs"], rows=2, extra=f"n g {wide}"),
        head(["Limit", html.Br(), "walltime"], rows=2, extra=f"n g {wide}"),
        head("Waited", columns=2, extra="g"),
    ]
    units = [("jobs", f"n g {wide}"), ("cores", f"n {wide}"), ("jobs", f"n g {wide}"), ("cores", f"n {wide}")]
    second = [head(unit, extra=extra) for unit, extra in units]
    second += [head(html.Span("50 %", className="ws-def", title="Half of them waited no longer"), extra="n g")]
    second += [head(html.Span("90 %", className="ws-def", title="Nine of ten waited no longer"), extra="n")]
    # Slurm's qstat names no limits: there, nothing said does not mean that there is none.
    told = cluster.scheduler_kind != "slurm"
    body = [_queue_row(row, wide, told) for row in rows.itertuples()]
    return card(
        title, subtitle, [table([top, second], body, f"Queues of {cluster.title}")], "q-queues", stale, fill=False
    )


QUEUE_STATES = {
    "open": ("st-ok", "check-lg", "open"),
    "stopped": ("st-warn", "slash-circle", "stopped"),
    "draining": ("st-warn", "box-arrow-right", "takes no new jobs"),
    "closed": ("st-warn", "slash-circle", "closed"),
    "unknown": ("", "question", "not told"),
}


def _queue_row(row: object, wide: str, told: bool) -> html.Tr:
    tone, symbol, word = QUEUE_STATES[row.state]
    state = html.Span([icon(symbol), word], className=f"ws-st {tone}")
    below = html.Div(word, className=f"d-md-none fw-normal {tone}") if row.state != "open" else None
    cells = [
        html.Th([foreign(row.name, 24), below], scope="row"),
        cell(state, wide),
        number_cell(row.running, f"g {wide}"),
        number_cell(row.running_cores, wide),
        number_cell(row.queued, f"g {wide}"),
        number_cell(row.queued_cores, wide),
        number_cell(row.running, "g d-md-none"),
        number_cell(row.queued, "g d-md-none"),
        number_cell(row.held, f"g {wide}"),
        cell(_limit(row.max_walltime_seconds, told), f"n g {wide}"),
    ]
    if row.routing:
        cells.append(html.Td("passes jobs on", className="n g z", colSpan=2))
    elif row.started:
        cells += [cell(wait(row.wait_half), "n g"), cell(wait(row.wait_most), "n")]
    else:
        cells.append(html.Td("no job in 7 d", className="n g z", colSpan=2))
    return html.Tr(cells)


def _limit(seconds: float, told: bool) -> Part:
    if not pd.isna(seconds):
        return duration(seconds)
    return "none" if told else html.Span("–", className="z", title="not told by the scheduler")


def _nodes(cluster: Cluster, cores: Capacity, view: View) -> html.Section:
    stale = view.health(cluster).stale
    title = f"What state {'were' if stale else 'are'} the nodes in?"
    if not cores.nodes:
        return card(title, "nodes by state", [empty("No nodes.", "The scheduler tells of none.")], "q-nodes")
    pieces = capacity.node_pieces(cores)
    body: list[Part] = [
        html.Div([bars.stacked_bar(pieces, height=16), bars.counts(pieces, bold=True)], className="ws-grey")
    ]
    out = frames.out_frame(view.source.nodes(cluster))
    if len(out):
        rows = [
            html.Tr(
                [
                    html.Th(foreign(row.name), scope="row", className="fw-normal"),
                    cell(html.Span([icon(*_out_icon(row.state)), row.state], className="ws-st")),
                    cell(foreign(row.native_state, 40), "z d-none d-md-table-cell"),
                    cell(foreign(row.comment, 90) if row.comment else html.Span("–", className="z"), "ws-wrap"),
                ]
            )
            for row in out.head(LISTED_OUT).itertuples()
        ]
        heads = [
            head("Out of service"),
            head("State"),
            head("Scheduler says", extra="d-none d-md-table-cell"),
            head("Comment"),
        ]
        body.append(html.Div(table([heads], rows, "Nodes out of service"), className="mt-3"))
        if len(out) > LISTED_OUT:
            body.append(
                html.Div(f"and {plural(len(out) - LISTED_OUT, 'more node', 'more nodes')}", className="ws-sub mt-1")
            )
    return card(title, f"{plural(cores.nodes, 'node')}, one state each", body, "q-nodes", stale, fill=False)


def _out_icon(state: str) -> tuple[str, str]:
    return {"down": ("x-lg", "st-bad"), "offline": ("wrench", "st-warn")}.get(state, ("question", ""))


def _room(cluster: Cluster, cores: Capacity, view: View) -> html.Section:
    room = frames.room_frame(view.source.nodes(cluster))
    stale = view.health(cluster).stale
    title = "Which nodes had room?" if stale else "Which nodes have room?"
    if room.empty:
        nearest = f"All {number(cores.in_use)} cores in use are held by {plural(frames.jobs(view.source.totals(cluster)).users, 'user')}."
        return card(title, "nodes with free cores", [empty("None.", nearest)], "q-room", stale)
    gpus = bool(cores.gpus)
    heads = [head("Node"), head(["Free", html.Br(), "cores"], extra="n")]
    heads += [head(["Free", html.Br(), "GPUs"], extra="n")] if gpus else []
    heads += [head(["Free", html.Br(), "memory"], extra="n"), head("Serves")]
    rows = []
    for row in room.itertuples():
        cells = [
            html.Th(foreign(row.name), scope="row", className="fw-normal"),
            cell([strong(number(row.cores_free)), html.Span(f" of {number(row.cores)}", className="z")], "n"),
        ]
        if gpus:
            cells.append(number_cell(row.gpus_free))
        cells += [
            cell(memory(row.memory_free_bytes), "n"),
            cell(
                foreign(", ".join(row.properties), 22) if row.properties else html.Span("–", className="z"),
                "text-nowrap",
            ),
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
    return card(title, subtitle, [scroll], "q-room", stale)
