"""The bar of the time machine: which moment is shown and how exactly it is known, steps, and the month's load to slide over.

The slider and the field of the date are made by assets/past.js, which follows them too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from dash import html

from collector.stretches import SHORTEST_GAP_SECONDS
from webstat import ids, past
from webstat.components.job import copy
from webstat.components.text import Part, foreign, icon, strong
from webstat.data.queries.known_then import load_first_known, load_gaps, load_load, load_steps
from webstat.figures.spark import spark_figure
from webstat.format import DAY, HOUR, duration, iso, utc
from webstat.health import LATE_AFTER, Cluster
from webstat.view import View

RETAINED_SECONDS = 30 * DAY
"""How far the slider goes back, further where an earlier moment is shown."""
TICKS = 7


def bar(view: View, cluster: str | None = None) -> list[Part]:
    """All of the bar; nothing at the present. `cluster` is the one that the page is about."""
    if view.at is None:
        return []
    shown = [one for one in view.clusters if cluster in (None, one.name)]
    present = view.live.clusters()
    ends = _span(view, present)
    head = html.Div([_sentence(view, shown, present, cluster), _steps(view, shown, ends)], className="ws-past-head")
    slider = _slider(view, view.at, present, ends)
    return [html.Div([head, slider, _lost()], className="ws-past", role="region", **_label(view.at))]


def _label(at: int) -> dict[str, str]:
    return {"aria-label": "Past moment", "data-at": str(at)}


def _sentence(view: View, shown: Sequence[Cluster], present: Sequence[Cluster], cluster: str | None) -> html.Div:
    at = view.at or 0
    what: Part = strong(foreign(shown[0].title, 32)) if cluster and shown else "all clusters"
    known = [(one, then) for one in shown if (then := view.source.then(one)) is not None]
    exact = past.how_exact(known, at, view.zone)
    left_out = [one.title for one in present if view.cluster(one.name) is None and one.report]
    if cluster is None and left_out and known:
        exact += f"; not known then: {', '.join(left_out)}"
    ago = html.Time(_ago(view), dateTime=iso(at), title=utc(at), **{"data-ws": "ago", "data-at": str(at)})
    return html.Div(
        [
            icon("clock-history"),
            html.Div(
                ["You are looking at ", what, " as of ", strong(_moment(at, view)), " · ", ago, " ago"]
                + ([f" · {exact}"] if exact else [" · nothing is known of it"])
            ),
        ],
        className="ws-past-said",
    )


def _ago(view: View) -> str:
    return duration(view.real_now - view.now)


def _moment(at: int, view: View) -> html.Time:
    local = datetime.fromtimestamp(at, view.zone)
    year = f" {local.year}" if local.year != datetime.fromtimestamp(view.real_now, view.zone).year else ""
    return html.Time(f"{local:%a} {local.day} {local:%b}{year} {local:%H:%M}", dateTime=iso(at), title=utc(at))


# Steps


def _steps(view: View, shown: Sequence[Cluster], ends: tuple[int, int]) -> html.Div:
    at = view.at or 0
    first, last = ends
    before, after = view.live.ask(load_steps, tuple(one.id for one in shown), at)
    return html.Div(
        [
            _step("−1 h", "One hour back", max(first, at - HOUR) if at > first else None),
            _step(icon("chevron-left"), "Poll back ([)", before, "back"),
            html.Span(id=ids.PAST_DATE, className="ws-past-date", **{"data-zone": str(view.zone)}),
            _step(icon("chevron-right"), "Poll forward (])", after, "forward"),
            _step("+1 h", "One hour forward", min(last, at + HOUR) if at < last else None),
            copy("", "Copy a link to this moment", "link-45deg", "Link"),
            html.Button(
                [icon("broadcast"), " Back to live"],
                className="btn btn-primary text-nowrap",
                title="Back to live (l)",
                **{"data-step": "live", "type": "button"},
            ),
        ],
        className="ws-past-steps",
    )


def _step(shown: Part, label: str, at: int | None, name: str = "hour") -> html.Button:
    """A button to another moment; one that leads nowhere is off."""
    return html.Button(
        shown,
        className="btn btn-outline-secondary text-nowrap",
        title=label,
        disabled=at is None,
        **{"aria-label": label, "type": "button", "data-step": name, "data-to": "" if at is None else str(at)},
    )


def _span(view: View, present: Sequence[Cluster]) -> tuple[int, int]:
    """The first moment of which anything is known, and the newest report's."""
    known = view.live.ask(load_first_known)["at"]
    taken = [one.taken_at for one in present if one.taken_at is not None]
    last = int(max(taken, default=view.real_now))
    return int(known.min()) if len(known) else last, last


# The slider


def _slider(view: View, at: int, present: Sequence[Cluster], ends: tuple[int, int]) -> html.Div:
    first, last = ends
    since = max(first, min(last - RETAINED_SECONDS, at - DAY)) // HOUR * HOUR
    whole = max(1, last - since)

    def place(moment: float) -> str:
        return f"{min(1.0, max(0.0, (moment - since) / whole)):.2%}"

    hour = int(view.real_now // HOUR)
    load = view.live.read(load_load, since, stamp=(hour, last // HOUR))
    share = load.set_index("hour")["share"].reindex(range(since, last + 1, HOUR))
    mask = spark_figure(share, last) if len(share) > 1 else None
    shortest = max(SHORTEST_GAP_SECONDS, *(int(LATE_AFTER * one.wished) for one in present))
    gaps = view.live.read(load_gaps, since, shortest, stamp=hour)
    titles = {one.id: one.title for one in present}
    return html.Div(
        [
            html.Div(className="ws-spark c0", style={"--m": f'url("{mask}")'} if mask else {"visibility": "hidden"}),
            html.Div([_gap(row, place, titles) for row in gaps.itertuples()], className="ws-past-gaps"),
            html.Div(
                id=ids.PAST_SLIDER, **{"data-min": str(since), "data-max": str(last), "data-zone": str(view.zone)}
            ),
            html.Div(
                [html.Span(text, style={"left": place(moment)}) for text, moment in _ticks(since, last, view)]
                + [html.Span("now", className="end")],
                className="ws-past-ticks",
                **{"aria-hidden": "true"},
            ),
        ],
        className="ws-past-slider",
    )


def _gap(row: Any, place: Callable[[float], str], titles: Mapping[int | None, str]) -> html.Span:
    said = f"No report of {titles.get(row.cluster_id, 'a cluster')} from {utc(row.since)} to {utc(row.until)}"
    return html.Span(icon("x-lg"), title=said, style={"left": place((row.since + row.until) / 2)})


def _ticks(since: int, last: int, view: View) -> list[tuple[str, float]]:
    """Days of the viewer's zone, evenly; none so near to the end that it would touch `now`."""
    every = max(1, -(-(last - since) // DAY // TICKS))
    day = datetime.fromtimestamp(since, view.zone).replace(hour=0, minute=0, second=0) + timedelta(days=1)
    ticks = []
    while day.timestamp() < last - (last - since) * 0.06:
        if day.timestamp() > since + (last - since) * 0.02:
            ticks.append((f"{day.day} {day:%b}", day.timestamp()))
        day += timedelta(days=every)
    return ticks


def _lost() -> html.Details:
    return html.Details([html.Summary("What is not kept"), past.LOST], id="past-lost", className="ws-sub")
