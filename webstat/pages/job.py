"""One job: when, what it uses, where, why it waits, and all that the report says of it.

The same sections make the page of a job and, closer together, the panel beside another page (panel.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlencode

from dash import html

from webstat import addresses
from webstat.components import job as bricks
from webstat.components import job_use, job_when
from webstat.components.cards import empty
from webstat.components.states import trouble
from webstat.components.text import Part, age, clock, foreign, icon, link, strong
from webstat.data import frames
from webstat.data.one import Known, job_stretches, ties
from webstat.data.queries import one
from webstat.data.readings import readings
from webstat.format import duration, memory, number, plural, shorten
from webstat.health import Cluster
from webstat.reasons import NO_HELP, READING, Reason, reason
from webstat.view import View

ALL_STATES = "running,queued,held,suspended,finished,failed,unknown"
SHOWN_NODES = 24


@dataclass(frozen=True)
class Sections:
    """What is shown of a job; a section that does not apply is empty, so that the frame around stays the same."""

    title: Part
    facts: Part
    health: list[Part] = field(default_factory=list)
    why: list[Part] = field(default_factory=list)
    when: list[Part] = field(default_factory=list)
    use: list[Part] = field(default_factory=list)
    where: list[Part] = field(default_factory=list)
    tied: list[Part] = field(default_factory=list)
    attributes: html.Details | None = None
    buttons: list[Part] = field(default_factory=list)


def layout(view: View, cluster: str, job: str) -> list[Part] | None:
    """The page's body; None where there is no such cluster."""
    found = view.cluster(cluster)
    if found is None:
        return None
    known = look_up(view, found, job)
    if known is None:
        return [html.H1(foreign(job, 60), className="ws-h1 mb-3"), *missing(view, found, job)]
    shown = sections(view, known, html.H2, "page")
    head = html.Div(
        [
            html.Div([html.H1(shown.title, className="ws-h1"), *_beside(known, view)], className=ROW),
            html.Div(
                [shown.facts, html.Div(shown.buttons, className="d-flex gap-2 ms-md-auto")], className=f"{ROW} mt-1"
            ),
        ],
        className="mb-3",
    )
    card = "card ws-sec"
    left = [html.Section(part, className=card) for part in (shown.why, shown.when, shown.tied)]
    right = [html.Section(part, className=card) for part in (shown.use, shown.where)]
    column = "col-12 col-lg-6 d-flex flex-column gap-3"
    return [
        head,
        html.Div(shown.health, className="ws-if mb-3"),
        html.Div(
            [
                html.Div(left, className=column, id="job-left"),
                html.Div(right, className=column, id="job-right"),
                html.Div(html.Div(shown.attributes, className="card"), className="col-12"),
            ],
            className="row g-3",
        ),
    ]


ROW = "d-flex flex-wrap align-items-center column-gap-2 row-gap-1"


def look_up(view: View, cluster: Cluster, job_id: str) -> Known | None:
    """The job of that id with its past, as far as the store has it."""
    if cluster.id is None:
        return None
    found = view.source.read(one.load_job, cluster.id, job_id, stamp=cluster.report)
    if found is None:
        return None
    stale = view.health(cluster).stale
    at = cluster.taken_at if stale and cluster.taken_at is not None else view.now
    spans = view.source.read(one.load_job_spans, found.row, stamp=cluster.report)
    between = (None, None)
    if found.ended_estimated and found.ended_at is not None:
        between = view.source.read(one.load_reports_around, cluster.id, int(found.ended_at), stamp=cluster.report)
    return Known(cluster, found, job_stretches(spans, min(at, found.until)), at, stale, between)


def missing(view: View, cluster: Cluster, job_id: str) -> list[Part]:
    """The answer where the store has no such job."""
    search = addresses.jobs_page(q=job_id, state=ALL_STATES)
    rest: list[Part] = ["It may never have been there, or it ended before the store began. "]
    if "[]" in job_id:
        rest = ["That is the id of an array; its tasks are jobs. "]
    rest.append(link("Search all clusters for it", search))
    return [
        trouble(cluster, view, extra="mb-3"),
        empty(f"{shorten(cluster.title, 40)} has no job {shorten(job_id, 60)}.", rest),
    ]


def sections(view: View, known: Known, heading: type, place: str) -> Sections:
    """All of a job; `heading` makes the titles, `place` begins the ids of what stays on the screen."""
    record = known.job.record
    why = _reason(view, known) if known.pending or known.job.state == "suspended" else None
    return Sections(
        title=foreign(record.id, 40),
        facts=bricks.dots(_facts(view, known)),
        health=[trouble(known.cluster, view)] if not known.over else [],
        why=_why(known, heading, why) if why else [],
        when=job_when.section(view, known, heading, why.kind if why else ""),
        use=job_use.section(view, known, heading),
        where=_where(view, known, heading),
        tied=_tied(view, known, heading),
        attributes=bricks.attributes(record, f"{place}-job-all", _age(view, known), view),
        buttons=_buttons(view, known),
    )


def head(view: View, known: Known, shown: Sections) -> list[Part]:
    """The panel's first lines: what it is, its state, and Close."""
    first = [
        html.H2(shown.title, className="fs-6 fw-semibold m-0 text-truncate"),
        *_beside(known, view),
        bricks.close(view),
    ]
    return [html.Div(first, className="d-flex align-items-center gap-2"), shown.facts]


def _beside(known: Known, view: View) -> list[Part]:
    record = known.job.record
    state = bricks.job_state(known.job.state, record.native_state, record.exit_status)
    beside: list[Part] = [bricks.copy(record.id, "Copy job id"), bricks.pill(state)]
    if not known.over:
        beside.append(bricks.known_at(known.cluster, known.stale, view))
    return beside


def _facts(view: View, known: Known) -> list[Part | list[Part]]:
    record, cluster = known.job.record, known.cluster
    user: list[Part] = [bricks.user_link(record.user)]
    if record.group:
        user += [" (", link(foreign(record.group), addresses.group_page(record.group)), ")"]
    facts: list[Part | list[Part]] = [foreign(record.name, 40), user]
    facts.append(link(foreign(cluster.title, 30), addresses.cluster_page(cluster.name)))
    facts.append(link(foreign(record.queue), addresses.jobs_page(cluster=cluster.name, queue=record.queue)))
    if known.pending:
        facts.append(_asks(record.cores, record.nodes, record.gpus, record.memory_bytes, record.walltime_seconds))
    else:
        facts.append(["submitted ", clock(known.job.submitted_at, view)])
    if record.array_id:
        task = f"task {shorten(record.array_index or '', 12)}" if record.array_index else "a task"
        of = f" of {number(known.job.array_total)}" if known.job.array_total else ""
        # Search finds an array by its id; its own row unfolds it.
        array = link(foreign(record.array_id, 30), addresses.jobs_page(q=record.array_id, state=ALL_STATES))
        facts.append([f"{task}{of} of ", array])
    return facts


def _asks(cores: int, nodes: int, gpus: int, size: int | None, walltime: int | None) -> str:
    """`48 cores and 2 GPUs on 2 nodes, 96 GB, 24 h`."""
    words = plural(cores, "core") + (f" and {plural(gpus, 'GPU')}" if gpus else "")
    words += f" on {plural(nodes, 'node')}" if nodes else ""
    return ", ".join([words, *([memory(size)] if size else []), *([duration(walltime)] if walltime else [])])


def _age(view: View, known: Known) -> Part:
    taken_at = known.cluster.taken_at
    if known.over or taken_at is None:
        return "as they were last"
    return [age(taken_at, view), " old"]


def _buttons(view: View, known: Known) -> list[Part]:
    record = known.job.record
    alike = {"user": record.user, "q": record.name, **({"state": ALL_STATES} if known.over else {})}
    buttons: list[Part] = [
        bricks.copy(addresses.job_page(known.cluster.name, record.id), "Copy a link to this job", "link-45deg", "Link")
    ]
    if record.name.strip() and record.user:
        same = link(
            [icon("list-ul"), " Jobs like this"], addresses.jobs_page(**alike), title="Jobs of this name and user"
        )
        same.className = "btn btn-outline-secondary"
        buttons.append(same)
    if not known.over and view.at is None:
        kind, words = ("started", "starts") if known.pending else ("ended", "ends")
        label = f"Tell me when it {words}"
        about = {"data-kind": kind, "data-cluster": known.cluster.name, "data-subject": record.id, "aria-label": label}
        look = "btn btn-outline-secondary ws-tell"
        buttons.append(html.Button([icon("bell"), f" {label}"], className=look, type="button", **about))
    return buttons


# Why does it wait?


def _reason(view: View, known: Known) -> Reason:
    record, cluster = known.job.record, known.cluster
    queues = view.source.queues(cluster).set_index("name")
    told = queues.loc[record.queue, ["enabled", "started"]] if record.queue in queues.index else (None, None)
    foretold = record.estimated_start_at
    return reason(
        state=record.state.value,
        comment=record.comment,
        hold=record.hold,
        depends_on=record.depends_on,
        job_id=record.id,
        user=record.user,
        queue=record.queue,
        queue_state=frames.queue_state(*told),
        ahead=view.source.read(one.load_ahead, cluster.id, known.job.row, stamp=cluster.report),
        estimated_start_at=foretold if foretold is not None and foretold > known.at else None,
        derived=readings(view.source, cluster).told.get(record.id),
    )


def _why(known: Known, heading: type, why: Reason) -> list[Part]:
    title = (
        "Why did it wait?"
        if known.stale
        else "Why is it suspended?"
        if known.job.state == "suspended"
        else "Why does it wait?"
    )
    body: list[Part] = [heading(title, className="ws-q mb-1"), html.P(html.Bdi(why.words), className="mb-1 ws-wrap")]
    if why.raw:
        said = ["In the scheduler’s words: “", foreign(why.raw, 600), "”"]
        body.append(html.Div(said, className="ws-sub ws-wrap"))
    elif why.derived:
        body.append(html.Div(f"This is {READING}", className="ws-sub ws-wrap"))
    mark = icon("check-lg", "st-ok") if why.helps else icon("dash-lg")
    helps = html.Div([mark, html.Bdi(why.helps or NO_HELP)], className="d-flex gap-2 ws-wrap")
    return [*body, heading("What would help?", className="ws-q mt-2 mb-1"), helps]


# Where?


def _where(view: View, known: Known, heading: type) -> list[Part]:
    record = known.job.record
    holds = not known.pending and not known.over
    if not record.hosts and not holds:
        return []
    title: list[Part] = [heading("Where did it run?" if known.over else "Where?", className="ws-q mb-1")]
    if not record.hosts:
        return [*title, html.P("The scheduler does not say on which nodes.", className="ws-sub mb-0")]
    if holds:
        on_map = f"{addresses.cluster_page(known.cluster.name)}?{urlencode({'job': known.key})}"
        title.append(html.Span(link("show on the node map", on_map), className="ms-auto ws-sub"))
    chips = [
        bricks.node_link(
            view, known.cluster.name, name, [" ", strong(number(cores)), " core" if cores == 1 else " cores"]
        )
        for name, cores in record.hosts.items()
    ]
    shown: list[Part] = [html.Div(chips[:SHOWN_NODES], className="d-flex flex-wrap gap-2")]
    if len(chips) > SHOWN_NODES:
        more = html.Summary(
            [icon("chevron-right"), f" {plural(len(chips) - SHOWN_NODES, 'more node', 'more nodes')}"], className="py-1"
        )
        shown.append(
            html.Details(
                [more, html.Div(chips[SHOWN_NODES:], className="d-flex flex-wrap gap-2")], className="ws-all mt-1"
            )
        )
    return [html.Div(title, className="d-flex align-items-baseline"), *shown]


# Which jobs is it tied to?


def _tied(view: View, known: Known, heading: type) -> list[Part]:
    found = ties(known.job.record.depends_on)
    if not found or known.over:
        return []
    cluster = known.cluster
    states = view.source.read(one.load_states, cluster.id, tuple(tie.other for tie in found), stamp=cluster.report)
    by_id = {row.id: row for row in states.itertuples()}
    lines = []
    for tie in found:
        other = by_id.get(tie.other)
        name = foreign(tie.other.partition(".")[0], 30)
        if other is None:
            words: list[Part] = [name, " (not in the store)"]
        else:
            failed = other.state == "finished" and other.exit_status == other.exit_status and other.exit_status != 0
            state = (
                bricks.job_state("failed", exit_status=int(other.exit_status))
                if failed
                else bricks.job_state(other.state)
            )
            words = [bricks.job_link(view, cluster.name, other.id, 30), " ", state, " · ", foreign(other.user)]
        line = ["Waits for ", *words] if tie.after else [*words, " waits for it"]
        lines.append(html.Li([*line, html.Span([" · ", foreign(tie.kind)], className="z ws-sub")], className="ws-wrap"))
    return [heading("Which jobs is it tied to?", className="ws-q mb-1"), html.Ul(lines, className="list-unstyled mb-0")]
