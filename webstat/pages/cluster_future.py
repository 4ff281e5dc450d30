"""What would be free on a cluster when, over the next 24 hours, before anything that waits starts."""

from __future__ import annotations

from dash import html

from webstat import addresses
from webstat.answers import outlook
from webstat.answers.future import Future, future
from webstat.components import bars
from webstat.components.cards import card, empty
from webstat.components.exports import export_links
from webstat.components.graph import graph
from webstat.components.tables import head, number_cell, table
from webstat.components.text import Part, clock, sentence, strong
from webstat.data.frames import Capacity, Jobs
from webstat.figures import outlook as figures
from webstat.figures.outlook import CERTAIN, EXPECTED, LIKELY, Mark
from webstat.figures.stack import local_zone, push_apart
from webstat.format import DAY, number, plural
from webstat.health import Cluster
from webstat.view import View

_NAMES = {EXPECTED: "expected", LIKELY: "90 of 100", CERTAIN: "at least"}


def future_card(cluster: Cluster, cores: Capacity, jobs: Jobs, view: View) -> html.Section:
    """In one sentence, then as lines, then as a table; what it rests on and what nobody knows below."""
    stale = view.health(cluster).stale
    title = "What would have been free when?" if stale else "What would be free when?"
    found = future(view.source, cluster)
    if found is None or found.at + DAY <= view.now:
        why = "The newest report is older than a day: what it said is over."
        if found is None:
            why = view.moment("The scheduler tells no cores of its nodes.", "The nodes of then are not known.")
        return card(title, "free cores, next 24 h", [empty("That cannot be told.", why)], "q-next", stale)
    waits = f"before what waits starts ({plural(jobs.queued, 'job')})" if jobs.queued else "if nothing more starts"
    dated: list[Part] = [", as of ", clock(found.at, view)] if stale or cluster.failures else []
    subtitle: list[Part] = [f"free cores, next 24 h, {waits}", *dated]
    if not found.held and not found.reserved:
        free = f"{number(cores.free)} of {plural(found.usable, 'core')} in service"
        body: list[Part] = [empty("All that is free stays free.", f"No job runs: {free}.")]
        return card(title, subtitle, body, "q-next", stale)
    matter, rest = outlook.headline(found, "then" if stale else view.moment(), were=stale or view.at is not None)
    tools = export_links("/api/v1/future", _words(cluster, view), "future-day")
    body = [
        html.P([strong(matter), *sentence(rest, view)], className="mb-2"),
        html.Div([_plot(cluster, found, matter, rest, view), _labels(found)], className="ws-plot"),
        html.Div([html.Div(line, className="mt-1") for line in _said(found, view)], className="ws-sub mt-2"),
        _as_table(cluster, found, view),
    ]
    return card(title, subtitle, body, "q-next", stale, tools=tools)


def _words(cluster: Cluster, view: View) -> dict[str, str]:
    """What asks for the same steps."""
    words = {"cluster": addresses.item(cluster.name)}
    return words if view.at is None else {**words, "at": str(view.at)}


def _lines(found: Future) -> list[str]:
    """Those that there is a basis for."""
    if not found.foretold:
        return [CERTAIN]
    return [CERTAIN, EXPECTED] if found.track.below is None else [CERTAIN, LIKELY, EXPECTED]


def _plot(cluster: Cluster, found: Future, matter: str, rest: outlook.Words, view: View) -> html.Div:
    marks = [
        Mark(
            one.starts_at or 0.0,
            f"{'maintenance' if one.maintenance else 'reserved'}: "
            + ("all nodes" if one.everything else plural(len(one.nodes), "node")),
        )
        for one in found.reserved
    ]
    figure = view.source.remember(
        ("outlook", cluster.id, cluster.report, view.theme, str(view.zone)),
        lambda: figures.outlook_figure(
            found.steps,
            found.usable,
            lines=_lines(found),
            marks=marks,
            theme=view.theme,
            zone=view.zone,
            revision=f"{cluster.name} {found.at // DAY}",
        ),
    )
    last = found.steps.iloc[-1]
    ends = ", ".join(f"{_NAMES[line]} {number(last[line])}" for line in _lines(found))
    message = f"Free cores over 24 hours: {matter}; at the end {ends}, of {number(found.usable)} usable"
    return graph("future-day", figure, message, ("", ""))


def _labels(found: Future) -> html.Div:
    """Each line's name and where it ends, beside the plot."""
    keys: dict[str, Part] = {
        EXPECTED: html.I(className="ws-stroke", **{"aria-hidden": "true"}),
        LIKELY: html.I(className="ws-stroke dashed", **{"aria-hidden": "true"}),
        CERTAIN: bars.key("b-c c0"),
    }
    last = found.steps.iloc[-1]
    wanted = [(last[line], keys[line], _NAMES[line]) for line in _lines(found)]
    wanted.append((found.usable, html.I(className="ws-dots", **{"aria-hidden": "true"}), "usable"))
    heights = [figures.pixels(found.steps, found.usable, cores) for cores, *_ in wanted]
    places = push_apart(heights, high=figures.HEIGHT - 8.0)
    labels = [
        html.Span([mark, f"{name} ", strong(number(cores))], style={"--y": f"{y:.0f}px"})
        for y, (cores, mark, name) in zip(places, wanted, strict=True)
    ]
    return html.Div(labels[::-1], className="ws-dir")


def _said(found: Future, view: View) -> list[list[Part]]:
    told = [sentence(words, view) for words in outlook.notes(found)]
    if view.at is not None:
        told.append(["Reservations of then are not kept: none is counted."])
    return [*told, [outlook.record(found.track)]]


def _as_table(cluster: Cluster, found: Future, view: View) -> html.Details:
    """The numbers at each full hour, with whole nodes and GPUs."""
    offset = local_zone(found.at, view.zone).utcoffset(None).total_seconds()
    hours = outlook.by_hour(found, int(offset))
    columns = {"cores_certain": "at least", "cores_likely": "90 of 100", "cores_expected": "expected"}
    columns |= {"nodes_certain": "at least", "nodes_expected": "expected"}
    groups = [("Cores", 3), ("Whole nodes", 2)]
    if found.gpus:
        columns |= {"gpus_certain": "at least", "gpus_expected": "expected"}
        groups.append(("GPUs", 2))
    drawn = {f"{kind}_{line.split('_')[1]}" for line in _lines(found) for kind in ("cores", "nodes", "gpus")}
    rows = [
        html.Tr(
            [html.Th(clock(at, view), scope="row", className="fw-normal text-nowrap")]
            + [number_cell(row[name] if name in drawn else None) for name in columns]
        )
        for at, row in hours.iterrows()
    ]
    top = [head("From", rows=2), *(head(name, columns=count, extra="g") for name, count in groups)]
    below = [head(word, extra="n g" if word == "at least" else "n") for word in columns.values()]
    scroll = html.Div(
        table([top, below], rows, f"Free cores, whole nodes and GPUs on {cluster.title} by the hour"),
        id="future-table",
        className="ws-scroll ws-hours",
        tabIndex=0,
        role="region",
        **{"aria-label": "What would be free, hour by hour"},
    )
    return html.Details([html.Summary("As table", className="ws-sub"), scroll], id="future-details", className="mt-2")
