"""The lower half of the history page: hours of the week, mixes of jobs, waits by queue and size, nodes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from dash import html

from webstat.addresses import node_page
from webstat.components.cards import card, empty
from webstat.components.exports import export_links, question_words
from webstat.components.graph import graph
from webstat.components.tables import cell, head, number_cell, table
from webstat.components.text import Part, foreign, link
from webstat.data.explore import tables
from webstat.data.explore.cut import CLASSES
from webstat.data.explore.explorer import Asked
from webstat.figures.history import WEEKDAYS, nodes_figure, range_words, week_figure
from webstat.format import UNKNOWN, compact, duration, percent, plural, wait
from webstat.pages import history_controls
from webstat.view import View

WORST_NODES = 8
MOST_WAITS = 40
"""Rows of queues that are listed."""

_TINTS = ((600, "t1", "< 10 min"), (7200, "t2", "< 2 h"), (43200, "t3", "< 12 h"), (129600, "t4", "< 36 h"))

_MIXES = {
    "size": ("What sizes of job used the cores?", "core-hours by the cores a job asked for"),
    "walltime": ("What walltimes did jobs ask for?", "core-hours by the walltime asked for"),
    "state": ("How did jobs end?", "core-hours and jobs by how they ended"),
}


def week_card(asked: Asked, view: View) -> html.Section:
    """When the clusters are full."""
    found = view.source.share(("week", *asked.key), lambda: tables.week(view.source.explorer, asked))
    figure = week_figure(found.shares, theme=view.theme)
    subtitle = "mean utilisation by weekday and hour of day, your local time"
    if found.since > asked.since:
        subtitle += f", {range_words(found.since, asked.until, asked.zone)}"
    body: list[Part] = []
    message = "Nothing is known."
    if figure is not None:
        emptiest, fullest = (_hour(find(found.shares)) for find in (np.nanargmin, np.nanargmax))
        low, high = float(np.nanmin(found.shares)), float(np.nanmax(found.shares))
        message = f"Emptiest: {emptiest}, {percent(low)}. Fullest: {fullest}, {percent(high)}."
        ramp = html.Span(className="ws-ramp", **{"aria-hidden": "true"})
        words = html.Span(["emptiest: ", html.B(emptiest), " · fullest: ", html.B(fullest)], className="ms-auto")
        body = [
            html.Div(
                [percent(low), ramp, percent(high), words], className="d-flex flex-wrap align-items-center gap-2 ws-sub"
            )
        ]
    nothing = ("No capacity is known for this range.", "It is known from the first report of the nodes on.")
    body.insert(0, graph("history-week", figure, message, nothing))
    return card(
        "When are the clusters full?", subtitle, body, "q-week", fill=False, tools=_saved(asked, "week", "history-week")
    )


def _hour(place: int) -> str:
    day, hour = divmod(int(place), 24)
    return f"{WEEKDAYS[day]} {hour}–{hour + 1} h"


def mix_card(asked: Asked, view: View, by: str) -> html.Section:
    """What classes of jobs used the cores."""
    found = view.source.share(("mix", by, *asked.key), lambda: tables.mix(view.source.explorer, asked, by))
    title, subtitle = _MIXES[by]
    longest = found["core_hours"].max() or 1
    cells: list[Part] = []
    for row in found.itertuples():
        bar = html.Div(className="bar b-run", style={"width": f"{row.core_hours / longest:.1%}"})
        name: Part = row.name
        if row.ended or row.core_hours:
            name = link(row.name, history_controls.jobs_of(asked, {by: row.word}), quiet=True)
        cells += [
            html.Span(name, className="text-nowrap text-truncate"),
            bar,
            html.Span(compact(row.core_hours), className="n"),
            html.Span([percent(row.share, 0), " · ", plural(round(row.ended), "job")], className="p text-nowrap"),
        ]
    body: Part = html.Div(cells, className="ws-bars ws-mix", role="group", **{"aria-label": title})
    if not found["core_hours"].any() and not found["ended"].any():
        body = empty("No job ran in this range.", "Another range, or fewer filters, may show some.")
    return card(
        title,
        f"{subtitle}, share, and jobs ended",
        [body],
        f"q-mix-{by}",
        fill=False,
        tools=_saved(asked, "mix", of=by),
    )


def _saved(asked: Asked, what: str, graph: str | None = None, **words: str) -> html.Details:
    return export_links(f"/api/v1/history/{what}", {**question_words(asked.question), **words}, graph)


def waits_card(asked: Asked, view: View) -> html.Section:
    """How long jobs waited, by queue and size."""
    found = view.source.share(("waits", *asked.key), lambda: tables.waits(view.source.explorer, asked))
    title = "How long do jobs wait, by queue and size?"
    subtitle = f"from when they could start to their start, of the {plural(int(found['jobs'].sum()), 'job')} that started in the range"
    if found.empty:
        body: list[Part] = [empty("No job started in this range.", "Another range, or fewer filters, may show some.")]
        return card(title, subtitle, body, "q-waits")
    sizes = [word for word, _ in CLASSES["size"].values()]
    words = dict(CLASSES["size"].values())
    heads = [
        [head("Queue", rows=2), head("Cores the job asked for", columns=len(sizes))],
        [head(words[size].removesuffix(" cores").removesuffix(" core"), extra="n") for size in sizes],
    ]
    busiest = found.groupby(["cluster", "queue"])["jobs"].sum().sort_values(ascending=False).head(MOST_WAITS).index
    rows = []
    several = len(asked.clusters) > 1
    names = {one.title: one.name for one in asked.clusters}
    for (cluster, queue), some in found.groupby(["cluster", "queue"], sort=True):
        if (cluster, queue) not in busiest:
            continue
        by_size = some.set_index("size")
        name = (
            [html.B(foreign(str(cluster)), className="fw-semibold"), " · ", foreign(str(queue))]
            if several
            else foreign(str(queue))
        )
        keys = {"queue": str(queue), **({"cluster": names[str(cluster)]} if several else {})}
        cells = [_wait_cell(by_size, size, asked, {**keys, "size": size}) for size in sizes]
        rows.append(html.Tr([html.Th(name, scope="row", className="fw-normal text-nowrap"), *cells]))
    made = table(heads, rows, title)
    made.children.className += " ws-tint"
    rest = found.groupby(["cluster", "queue"]).ngroups - len(rows)
    key = [html.Span([html.I(className=f"ws-swatch {look}", **{"aria-hidden": "true"}), words], className="text-nowrap") for _, look, words in (*_TINTS, (0, "t5", "more"))]  # fmt: skip
    legend = html.Div(
        [html.Span([html.B("bold"), ": half waited less / nine of ten waited less; tint by the second:"]), *key],
        className="ws-sub d-flex flex-wrap gap-2 mt-2",
    )
    more = html.Div(f"{plural(rest, 'queue')} with fewer jobs are left out here.", className="ws-sub") if rest else None
    return card(title, subtitle, [made, legend, more], "q-waits", tools=_saved(asked, "waits"))


def _wait_cell(by_size: pd.DataFrame, size: str, asked: Asked, keys: Mapping[str, str]) -> html.Td:
    if size not in by_size.index:
        return cell(UNKNOWN, "n z")
    row = by_size.loc[size]
    tint = next((look for most, look, _ in _TINTS if row["wait_most"] < most), "t5")
    words = [html.B(wait(row["wait_half"]), className="fw-semibold"), " / ", wait(row["wait_most"])]
    jobs = link(words, history_controls.jobs_of(asked, keys, event="started"), quiet=True)
    return html.Td(jobs, className=f"n {tint}", title=f"of {plural(int(row['jobs']), 'job')}")


def nodes_card(asked: Asked, view: View) -> html.Section:
    """Nodes in and out of service over time, and those that were out longest."""
    explorer = view.source.explorer
    frame = view.source.share(("nodes", *asked.key), lambda: tables.nodes(explorer, asked))
    worst = view.source.share(("worst", *asked.key), lambda: explorer.worst_nodes(asked, WORST_NODES))
    up, offline, down = (frame[name].to_numpy() for name in ("up", "offline", "down"))
    figure = nodes_figure(asked.edges, up, offline, down, theme=view.theme, zone=asked.zone)
    message = "Nodes in service over time."
    if figure is not None:
        whole = np.nansum(up + offline + down)
        message = f"In service {percent(float(np.nansum(up) / whole), 1) if whole else UNKNOWN} of the time."
    nothing = ("No node is known for this range.", "Nodes are known from the first report on.")
    body: list[Part] = [graph("history-nodes", figure, message, nothing)]
    titles = {cluster.id: cluster for cluster in asked.clusters}
    rows = [
        html.Tr(
            [
                html.Th(
                    [
                        html.B(foreign(titles[row.cluster_id].title), className="fw-semibold"),
                        " · ",
                        link(foreign(row.name), node_page(titles[row.cluster_id].name, row.name), quiet=True),
                    ],
                    scope="row",
                    className="fw-normal text-nowrap",
                ),
                cell(duration(row.down_seconds) if row.down_seconds else "0", "n"),
                cell(duration(row.offline_seconds) if row.offline_seconds else "0", "n"),
                number_cell(row.times),
            ]
        )
        for row in worst.itertuples()
        if row.cluster_id in titles
    ]
    if rows:
        heads = [
            head("Out of service longest"),
            head("Down", extra="n"),
            head("Offline", extra="n"),
            head("Times", extra="n"),
        ]
        body.append(table([heads], rows, "Nodes that were out of service longest"))
    elif figure is not None:
        body.append(html.Div("No node was out of service.", className="ws-sub"))
    subtitle = (
        f"nodes in service, offline and down, means per {asked.question.step if asked.exact else 'month'}. {message}"
    )
    return card(
        "How many nodes were in service?", subtitle, body, "q-nodes", tools=_saved(asked, "nodes", "history-nodes")
    )
