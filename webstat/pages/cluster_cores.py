"""Who holds a cluster's cores now, and who used them in the last 24 hours: by user, group or queue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from dash import html

from webstat import addresses
from webstat.components import bars
from webstat.components.bars import Row
from webstat.components.cards import card, empty
from webstat.components.choices import choices
from webstat.components.exports import export_links
from webstat.components.graph import graph
from webstat.components.tables import head, number_cell, table
from webstat.components.text import Part, clock, foreign, link, person, strong
from webstat.data import frames, usage
from webstat.data.frames import Capacity
from webstat.data.queries.now import NO_GROUP
from webstat.data.usage import Stretch, Usage
from webstat.figures import stack
from webstat.format import number, plural, shorten
from webstat.health import Cluster
from webstat.identity import OTHERS, Shade, shades
from webstat.view import View

BY, ZOOM = "by", "zoom"
"""Words of the query: what holders are, and the part of the 24 hours that is looked at (unix seconds)."""

HOLDERS = ("user", "group", "queue")
LISTED = 8


@dataclass(frozen=True)
class Cores:
    """What both cards show: the same names in the same colours."""

    cluster: Cluster
    by: str
    capacity: Capacity
    held: pd.DataFrame
    """frames.holders_frame() of the newest report."""
    used: Usage
    usable: pd.Series
    shades: Mapping[str, Shade]
    zoom: Stretch | None

    @property
    def listed(self) -> list[str]:
        """The holders that have a colour."""
        return [str(name) for name in self.used.holders.columns]


def cores_of(cluster: Cluster, view: View) -> Cores:
    """What is known of the cluster's cores, for what the address asks."""
    by = view.query.get(BY, HOLDERS[0])
    by = by if by in HOLDERS else HOLDERS[0]
    used = view.source.usage(cluster, view.now, by)
    return Cores(
        cluster=cluster,
        by=by,
        capacity=view.source.capacity(cluster),
        held=frames.holders_frame(view.source.totals(cluster), by),
        used=used,
        usable=view.source.usable(cluster, view.now),
        shades=shades([str(name) for name in used.holders.columns], view.source.hues(view.now, by)),
        zoom=usage.zoom_in(view.query.get(ZOOM), int(used.total.index[0]), view.now),
    )


def by_choice(cores: Cores, view: View) -> html.Div:
    """The control that says whose cores are shown."""
    options = [(by.capitalize(), view.address(**{BY: None if by == HOLDERS[0] else by})) for by in HOLDERS]
    return choices("Cores by", options, HOLDERS.index(cores.by))


def _name(name: str, cores: Cores) -> Part:
    """A holder with a link to its page, a queue to its jobs."""
    if cores.by == "queue":
        return link(foreign(name, 20), addresses.jobs_page(cluster=cores.cluster.name, queue=name), quiet=True)
    if cores.by == "group":
        if name == NO_GROUP:
            return html.Span("no group", className="z")
        return link(foreign(name, 20), addresses.group_page(name), quiet=True)
    return link(person(name), addresses.user_page(name), quiet=True)


def holders_card(cores: Cores, view: View) -> html.Section:
    """Who holds the cores now, then the idle ones."""
    cluster, capacity = cores.cluster, cores.capacity
    stale = view.health(cluster).stale
    title = "Who held the cores?" if stale else f"Who holds the cores {view.moment()}?"
    share = f", share of {number(capacity.installed)} installed" if capacity.installed else ""
    together = view.source.veil is not None and not view.source.veil.lists and cores.by != "queue"
    subtitle = f"cores{share}" + ("" if together else f"; {plural(len(cores.held), cores.by)}")
    tools = by_choice(cores, view)
    if cores.held.empty:
        free = (
            f"All {number(capacity.free)} cores are free."
            if capacity.free == capacity.installed
            else f"{number(capacity.free)} cores are free."
        )
        body: list[Part] = [empty("Nobody.", f"No job runs on {cluster.title}. {free if capacity.installed else ''}")]
        return card(title, subtitle, body, "q-who", stale, tools=tools)
    listed, folded, folded_cores = frames.with_others(cores.held, list(cores.shades), LISTED)
    rows = [
        Row(_name(row.holder, cores), bars.shade_look(cores.shades.get(row.holder, OTHERS)), row.cores)
        for row in listed.itertuples()
    ]
    if folded:
        rows.append(Row(f"{number(folded)} others", bars.shade_look(OTHERS), folded_cores))
    idle = [
        Row("free", "b-free", capacity.free or 0),
        Row("reserved", "b-rsv", capacity.reserved),
        Row("blocked", "b-blk", capacity.blocked),
        Row("offline", "b-off", capacity.offline),
    ]
    groups = [rows, [row for row in idle if row.amount or row.look == "b-free"]] if capacity.installed else [rows]
    label = f"Cores by {cores.by}, then idle cores"
    body = [html.Div(bars.bar_list(groups, capacity.installed, label), className="ws-grey")]
    if capacity.difference:
        more = "more" if capacity.difference > 0 else "fewer"
        words = f"The nodes call {plural(abs(capacity.difference), 'core')} {more} taken than jobs hold."
        body.append(html.Div(words, className="ws-sub mt-2 pt-2 border-top"))
    return card(title, subtitle, body, "q-who", stale, tools=tools)


def usage_card(cores: Cores, view: View) -> html.Section:
    """The last 24 hours as stacked areas, with labels beside them and the same as a table below."""
    cluster, used = cores.cluster, cores.used
    figure = view.source.remember(
        ("stack", cluster.id, cluster.report, int(view.now // 60), cores.by, cores.zoom, view.theme, str(view.zone)),
        lambda: stack.usage_figure(
            used,
            cores.usable,
            until=view.now,
            theme=view.theme,
            zone=view.zone,
            shades=cores.shades,
            revision=f"{cluster.name} {cores.by}",
            zoom=cores.zoom,
        ),
    )
    heavy = ", ".join(shorten(name, 24) for name in cores.listed[:3])
    message = (
        f"Stacked cores in use by {cores.by} over the last 24 hours; {number(cores.capacity.in_use)} at the end; "
        f"most by {heavy or 'nobody'}"
    )
    nothing = ("No report came in these 24 h.", "Nothing is drawn for a time that nobody knows.")
    if used.known:
        nothing = (
            "No core was in use in these 24 h.",
            f"All that is usable was free: {number(cores.capacity.usable)} cores.",
        )
    parts: list[Part] = [graph("usage-day", figure, message, nothing)]
    if figure is not None:
        parts.append(_direct_labels(cores))
    subtitle = f"cores in use per {cores.by}, means of 15 min; labels give the latest value; drag to zoom"
    if cores.zoom:
        subtitle = f"cores in use per {cores.by}, means of 15 min; labels give the value at the right edge"
    # Where both cards are beside each other one control is enough.
    history = {"range": "7d"} if cores.by == "user" else {"range": "7d", "by": cores.by}
    tools: list[Part] = [
        html.Div(by_choice(cores, view), className="d-lg-none"),
        link("History", addresses.history_page(cluster=cores.cluster.name, **history)),
    ]
    if figure is not None:
        tools.append(export_links("/api/v1/history", _hours_words(cores, view), "usage-day"))
    if cores.zoom:
        tools.insert(0, link("Whole 24 h", view.address(**{ZOOM: None})))
    body = [html.Div(parts, className="ws-plot"), *([_as_table(cores, view)] if figure is not None else [])]
    title = f"How were the cores used in the {view.moment('last 24 h', '24 h before')}?"
    return card(title, subtitle, body, "q-day", tools=html.Div(tools, className="d-flex align-items-center gap-2"))


def _hours_words(cores: Cores, view: View) -> dict[str, str]:
    """What asks for the same 24 hours, hour by hour."""
    words = {"range": "24h", "metric": "running-cores", "by": cores.by, "cluster": addresses.item(cores.cluster.name)}
    if view.at is not None:
        words = {**words, "from": str(view.at - 86400), "to": str(view.at)}
        del words["range"]
    return {**words, "zone": str(view.zone)}


def _direct_labels(cores: Cores) -> html.Div:
    used, capacity = cores.used, cores.capacity
    found, line = stack.labels(used, cores.usable, cores.shades, cores.zoom[1] if cores.zoom else None)
    now = cores.held.set_index("holder")["cores"]
    shown = [label.holder for label in found if label.holder in now.index]
    rest = int(now.drop(shown).sum())

    def value(label: stack.Label) -> float:
        if cores.zoom:
            return label.cores
        return rest if label.holder is None else float(now.get(label.holder, 0))

    wanted: list[tuple[float, Part, Part, float | None]] = [
        (label.y, bars.key(bars.shade_look(label.shade)), _label_name(label.holder, cores), value(label))
        for label in found
    ]
    if line is not None:
        edge = cores.usable[cores.usable.index < cores.zoom[1]].iloc[-1] if cores.zoom else capacity.usable
        free = float(edge) - sum(label.cores for label in found) if cores.zoom else capacity.free
        if free is not None:
            below = wanted[-1][0] if wanted else stack.HEIGHT - stack.BOTTOM
            wanted.append(((line + below) / 2 if below > line else line, bars.key("b-free"), "free", free))
        wanted.append((line, html.I(className="ws-dots", **{"aria-hidden": "true"}), "usable", edge))
    places = stack.push_apart([y for y, *_ in wanted])
    labels = [
        html.Span([mark, name, " ", strong(number(amount))], style={"--y": f"{y:.0f}px"})
        for y, (_, mark, name, amount) in zip(places, wanted, strict=True)
    ]
    return html.Div(labels[::-1], className="ws-dir")


def _label_name(holder: str | None, cores: Cores) -> Part:
    if holder is None:
        return f"{cores.used.folded} others"
    return person(holder, 12) if cores.by == "user" else foreign(holder, 12)


def _as_table(cores: Cores, view: View) -> html.Details:
    """The chart's numbers, hour by hour, for who cannot see it or wants them exactly."""
    offset = stack.local_zone(view.now, view.zone).utcoffset(None).total_seconds()
    hours = usage.hourly_frame(cores.used, cores.usable, int(offset))
    heads = [head("Hour from")]
    for kind, name in hours.columns:
        words = {"others": f"{cores.used.folded} others", "total": "in use", "usable": "usable"}.get(kind)
        heads.append(head(words or _label_name(name, cores), extra="n"))
    rows = [
        html.Tr(
            [html.Th(clock(at, view), scope="row", className="fw-normal text-nowrap")]
            + [number_cell(None if pd.isna(value) else value) for value in values]
        )
        for at, *values in hours[::-1].itertuples(name=None)
    ]
    scroll = html.Div(
        table([heads], rows, f"Means per hour of cores in use on {cores.cluster.title}, latest first"),
        id="usage-table",
        className="ws-scroll ws-hours",
        tabIndex=0,
        role="region",
        **{"aria-label": "Cores in use, hour by hour"},
    )
    return html.Details([html.Summary("As table", className="ws-sub"), scroll], id="usage-details", className="mt-2")
