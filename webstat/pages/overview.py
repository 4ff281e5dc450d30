"""The overview: where a job could run, then all clusters, each with what is free first. Silent clusters stay in their place."""

from __future__ import annotations

from dash import html

from webstat import sentences
from webstat.components import bars, capacity
from webstat.components.cards import kpi, note
from webstat.components.states import pill, trouble
from webstat.components.text import Part, age, clock, foreign, link, sentence, strong
from webstat.data import frames
from webstat.data import free as room
from webstat.data.frames import Capacity, Jobs
from webstat.figures.spark import spark_figure
from webstat.format import DAY, hours, number, percent, plural, wait
from webstat.health import Cluster, Health
from webstat.pages.ask import ask
from webstat.pages.changed import changed
from webstat.pages.mine import mine, who_are_you
from webstat.view import View

BACKLOG = "Core-hours asked by queued jobs, divided by all cores of the cluster"


def layout(view: View) -> list[Part]:
    """Where a job could run, the headline with totals, one card a cluster in the order of the settings, my jobs, and what changed."""
    seen = {c.name: (view.source.capacity(c), frames.jobs(view.source.totals(c))) for c in view.clusters if c.report}
    answering = [c for c in view.clusters if not view.health(c).stale]
    left_out = [c.title for c in view.clusters if view.health(c).stale]
    where, free, rest = sentences.together([seen[c.name] for c in answering if c.name in seen], left_out)
    headline = html.Div(
        [
            html.H2(sentences.answering(len(view.clusters), len(answering)), className="ws-h1"),
            html.Span([where, strong(free), rest], className="text-body-secondary") if answering else None,
        ],
        className="d-flex flex-wrap align-items-baseline column-gap-3 mb-3",
    )
    cards = [html.Div(_card(c, seen.get(c.name), view), className="col-12 col-md-6 col-xl-4") for c in view.clusters]
    body = [ask(view), headline, html.Div(cards, className="row g-3 mb-3")]
    if view.me is None:
        return [*body, who_are_you(), changed(view)]
    mine_first = [
        html.Div(mine(view, view.me), className="col-12 col-xl-8"),
        html.Div(changed(view), className="col-12 col-xl-4"),
    ]
    return [*body, html.Div(mine_first, className="row g-3")]


def _card(cluster: Cluster, seen: tuple[Capacity, Jobs] | None, view: View) -> html.Section:
    health = view.health(cluster)
    ident = f"h-{cluster.name}"
    about = " · ".join(word for word in (cluster.scheduler, _nodes(seen)) if word)
    head = html.Div(
        [
            html.H2(
                link(foreign(cluster.title), f"/cluster/{cluster.name}", quiet=True), className="ws-q fs-6", id=ident
            ),
            html.Span("DEMO", className="ws-demo-tag") if cluster.demo else None,
            html.Span(about, className="ws-sub text-truncate d-none d-sm-inline"),
            html.Span(pill(cluster, view), className="ms-auto"),
        ],
        className="d-flex align-items-center gap-2 mb-2",
    )
    body = _body(cluster, health, *seen, view) if seen else [trouble(cluster, view)]
    return html.Section(
        html.Div([head, *body], className="card-body d-flex flex-column"),
        className="card h-100" + (" ws-stale" if health.stale else ""),
        **{"aria-labelledby": ident},
    )


def _nodes(seen: tuple[Capacity, Jobs] | None) -> str:
    return f"{seen[0].nodes:,} {'node' if seen[0].nodes == 1 else 'nodes'}" if seen and seen[0].nodes else ""


def _body(cluster: Cluster, health: Health, cores: Capacity, jobs: Jobs, view: View) -> list[Part]:
    tone, matter, rest = sentences.room(cores, jobs)
    said = trouble(cluster, view) or note(tone, matter, sentence(rest, view), "hourglass-split" if not tone else None)
    were = "were free" if health.stale else "free"
    largest = room.at(view.source, cluster).room.block
    words = [
        capacity.whole_words(cores),
        f"largest {plural(largest, 'core')}" if largest else "",
        f"{number(cores.gpus_free)} of {number(cores.gpus)} GPUs free" if cores.gpus else "no GPUs",
    ]
    amount = [number(cores.free), " ", html.Small(f"cores {were} of {number(cores.installed)}")]
    free = html.Div(
        [
            html.Div(link(amount, "/free", quiet=True, title="Where they are free"), className="v"),
            html.Div(" · ".join(word for word in words if word), className="s"),
        ],
        className="ws-kpi mt-3 mb-1",
    )
    pieces = capacity.core_pieces(cores)
    bar = html.Div([bars.stacked_bar(pieces, height=16), bars.counts(pieces)], className="ws-grey")
    return [
        html.Div(said, className="ws-slot"),
        free,
        bar,
        _counts(cores, jobs),
        *_trend(cluster, health, view),
        _waits(cluster, jobs, view),
    ]


def _counts(cores: Capacity, jobs: Jobs) -> html.Div:
    cells = [
        kpi("Running", number(jobs.running), note=_jobs(jobs.running), small=True),
        kpi("Queued", number(jobs.queued), note=_jobs(jobs.queued), small=True),
        kpi("Held", number(jobs.held), note=_jobs(jobs.held), small=True),
        kpi(
            "Backlog", hours(jobs.backlog_seconds(cores.installed)), "h", "of full machine", small=True, define=BACKLOG
        ),
    ]
    columns = [html.Div(cell, className="col ps-2" if place else "col") for place, cell in enumerate(cells)]
    return html.Div(columns, className="row row-cols-4 g-0 ws-kpis mt-2 mb-2")


def _jobs(count: int) -> str:
    return "job" if count == 1 else "jobs"


def _trend(cluster: Cluster, health: Health, view: View) -> list[Part]:
    used = view.source.usage(cluster, view.now)
    usable = view.source.usable(cluster, view.now).ffill().bfill()
    share = (used.total / usable.where(usable > 0)).where(used.total.notna())
    mask = spark_figure(share, view.now)
    current = view.source.capacity(cluster).share
    at: list[Part] = ["at ", clock(cluster.taken_at or 0, view)] if health.stale else [view.moment("now", "then")]
    head = html.Div(
        [
            html.Span(
                [
                    f"Cores in use, {view.moment('last 24 h', '24 h before')} ",
                    html.Span("(dashed: 100 %)", className="d-none d-xl-inline"),
                ]
            ),
            html.Span([*at, " ", strong(percent(current)), " of usable"], className="ms-auto ws-strong"),
        ],
        className="d-flex ws-sub",
    )
    label = f"Cores in use on {cluster.title} over the last 24 hours, {percent(current)} of usable at the end"
    drawn = bars.sparkline(mask, label) if mask else html.Div("No report in these 24 h.", className="ws-sub ws-trend")
    end: Part = ["no data since ", clock(cluster.taken_at or 0, view)] if health.stale else clock(view.now, view)
    foot = html.Div(
        [
            html.Span([view.moment("yesterday ", "the day before, "), _time_of_day(view)]),
            html.Span(end, className="ms-auto"),
        ],
        className="d-flex ws-sub",
    )
    return [html.Div([head, drawn, foot], className="mt-auto")]


def _time_of_day(view: View) -> html.Time:
    drawn = clock(view.now - DAY, view)
    drawn.children = str(drawn.children).split()[-1]
    return drawn


def _waits(cluster: Cluster, jobs: Jobs, view: View) -> html.Div:
    waits = view.source.waits(cluster)["wait_seconds"]
    longest: list[Part] = (
        ["Longest wait ", strong(age(jobs.oldest_queued_at, view))] if jobs.oldest_queued_at else ["Nobody waits"]
    )
    usual: list[Part] = ["No job started in 7 d"]
    if len(waits):
        half, most = waits.quantile([0.5, 0.9])
        whose = html.Span("Half of the jobs", className="ws-def", title="Of those that started in the last 7 days")
        usual = [whose, " started within ", strong(wait(half)), ", 90 % in ", strong(wait(most))]
    return html.Div(
        [html.Span(longest), html.Span(usual, className="ms-sm-auto")],
        className="d-flex flex-wrap column-gap-3 ws-sub ws-strong mt-2 pt-2 border-top",
    )
