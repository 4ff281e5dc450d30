"""How often forecasts of when a job starts held on a cluster, queue by queue."""

from __future__ import annotations

from collections.abc import Sequence

from dash import html

from webstat.answers.backtest import RECENT_DAYS, Record
from webstat.answers.forecast import held_of, past_of
from webstat.components.cards import card, empty
from webstat.components.tables import cell, head, table
from webstat.components.text import Part, foreign
from webstat.format import NBSP, percent, plural
from webstat.health import Cluster
from webstat.view import View

TITLE = "How often did forecasts hold?"


def held_card(cluster: Cluster, view: View) -> html.Section | None:
    """Shares of past jobs that started by the times that were told; None at a past moment, where it would be counted anew."""
    if view.at is not None or not cluster.report:
        return None
    rows = [(queue, *both) for queue, both in held_of(past_of(view.source, cluster)).items()]
    subtitle = f"share of jobs that started by the times told; of the last {RECENT_DAYS} d, with what was known then"
    if not rows:
        few = empty("Not known yet.", "Too few jobs have started for forecasts, or to tell how they would have held.")
        return card(TITLE, subtitle, [few], "q-held")
    body = [
        html.Tr([html.Th(foreign(queue, 24), scope="row"), *_cells(first), *_cells(waiting)])
        for queue, first, waiting in rows
    ]
    shown: list[Part] = [html.Div(table(_heads(), body, f"{TITLE} {cluster.title}"), className="ws-fit")]
    if mended := [queue for queue, *both in rows if any(one.most_share is not None for one in both)]:
        names = [part for queue in mended for part in (", ", foreign(queue, 24))][1:]
        words = f"Recalibrated, since the usual 90{NBSP}% time did not hold: "
        shown.append(html.Div([words, *names, "."], className="ws-sub mt-2"))
    return card(TITLE, subtitle, shown, "q-held")


def _heads() -> list[list[html.Th]]:
    top = [
        head("Queue", rows=2),
        head("Asked as they came", columns=2, extra="g"),
        head("After an hour", columns=2, extra="g"),
    ]
    half = html.Span(f"50{NBSP}%", className="ws-def", title="Started by the 50 % time; half of them is best")
    most = html.Span(f"90{NBSP}%", className="ws-def", title="Started by the 90 % time; nine of ten is best")
    return [top, [head(half, extra="n g"), head(most, extra="n"), head(half, extra="n g"), head(most, extra="n")]]


def _cells(record: Record) -> Sequence[html.Td]:
    if record.held is None:
        return [html.Td(f"only {plural(record.tried, 'job')}", colSpan=2, className="n g z")]
    about = f"Of {plural(record.tried, 'job')}"
    if record.withheld:
        about += ". It held no better when it was made from another quantile, so no forecast is told"
    elif record.most_share is not None:
        about += (
            f". Made from the {record.most_share:.2f} quantile, since the usual one held for {percent(record.usual)}"
        )
    most = f"{percent(record.held)}, not told" if record.withheld else percent(record.held)
    quiet = " z" if record.withheld else ""
    return [cell(percent(record.held_half), f"n g{quiet}"), html.Td(most, className=f"n{quiet}", title=about)]
