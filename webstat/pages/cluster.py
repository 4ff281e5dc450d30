"""One cluster, live: what is free, who holds the rest, which queue moves, which nodes have room."""

from __future__ import annotations

from collections.abc import Sequence

from dash import html

from webstat.components import capacity
from webstat.components.cards import empty, kpi
from webstat.components.nav import cluster_menu
from webstat.components.states import pill, trouble
from webstat.components.text import Part, foreign
from webstat.data import frames
from webstat.data.frames import Capacity, Jobs
from webstat.format import hours, number, percent, plural, shorten
from webstat.health import Cluster
from webstat.pages import cluster_cores, cluster_future, cluster_held, cluster_nodes, cluster_queues
from webstat.pages.overview import BACKLOG
from webstat.parts import as_one
from webstat.view import View

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
    machine = view.source.capacity(cluster)
    jobs = frames.jobs(view.source.totals(cluster))
    cores = cluster_cores.cores_of(cluster, view)
    kept = cluster_nodes.kept_in(cluster, view)
    return [
        _title(cluster, machine, view),
        trouble(cluster, view, extra="mb-3"),
        html.Div(cluster_nodes.maintenance_note(kept, view)),
        _kpis(machine, jobs, view.health(cluster).stale),
        _times(
            cluster_cores.holders_card(cores, view),
            cluster_cores.usage_card(cores, view),
            cluster_future.future_card(cluster, machine, jobs, view),
        ),
        _row(
            wide=[cluster_queues.queues_card(cluster, view)],
            narrow=[cluster_queues.waiting_card(cluster, view)],
        ),
        _row(
            wide=[
                cluster_nodes.map_card(cluster, machine, view),
                _maybe(cluster_nodes.out_card(cluster, view), "out"),
                _maybe(cluster_held.held_card(cluster, view), "held"),
            ],
            narrow=[
                cluster_nodes.room_card(cluster, machine, kept, view),
                _maybe(cluster_nodes.kept_card(cluster, kept, view), "kept"),
            ],
        ),
    ]


def _times(now: Part, before: Part, after: Part) -> html.Div:
    """Present, past and future side by side; on smaller screens the future below."""
    widths = ("col-lg-4 col-xl-3", "col-lg-8 col-xl-5", "col-xl-4")
    cards = zip((now, before, after), widths, strict=True)
    return html.Div(
        [html.Div(card, className=f"col-12 {width} ws-col") for card, width in cards], className="row g-3 mb-3"
    )


def _row(wide: Sequence[Part], narrow: Sequence[Part]) -> html.Div:
    """Cards side by side, two thirds and one third."""
    sides = [
        html.Div(list(cards), className=f"col-12 {width} ws-col")
        for cards, width in ((wide, "col-lg-8"), (narrow, "col-lg-4"))
    ]
    return html.Div(sides, className="row g-3 mb-3")


def _maybe(section: html.Section | None, name: str) -> Part:
    """A card that may be there or not, without the page around it being drawn anew."""
    return as_one(html.Div(section, className="ws-maybe"), name)


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
