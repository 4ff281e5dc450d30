"""How well each cluster is known, for everyone: the proof that asking is gentle, and what an admin needs first."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from dash import html

from webstat.components.cards import empty, kpi
from webstat.components.outcomes import strip
from webstat.components.states import pill, trouble
from webstat.components.tables import cell, head, table
from webstat.components.text import Part, age, clock, foreign, link, until
from webstat.data import usage, waiting
from webstat.data.asking import CELL_SECONDS, Load, loads, outcomes
from webstat.data.queries.waiting import load_waiting_counted
from webstat.data.source import Poller
from webstat.format import MINUTE, duration, number, percent, plural, shorten
from webstat.health import Cluster
from webstat.view import View

SHOWN_WARNINGS = 10
SHOWN_COLLECTORS = 6
SHOWN_PARTS = 6
SHOWN_TEXTS = 5
COMMANDS = "The seconds that qstat and pbsnodes took for the newest report: what asking costs the scheduler."


def layout(view: View) -> list[Part]:
    """Who asks, then one card a cluster."""
    asked = loads(view.source, view.now) if any(cluster.id is not None for cluster in view.clusters) else {}
    who = view.source.pollers()
    cards = [
        html.Div(_card(cluster, asked.get(cluster.name), who, view), className="col-12 col-xl-6", id=cluster.name)
        for cluster in view.clusters
    ]
    words = "How fresh the data are, what asking costs the schedulers, and what went wrong."
    top = html.Div(
        [html.H1("Health", className="ws-h1"), html.Span(words, className="text-body-secondary")],
        className="d-flex flex-wrap align-items-baseline column-gap-3 mb-3",
    )
    return [top, _collectors(who, view), html.Div(cards, className="row g-3")]


def _collectors(who: Sequence[Poller], view: View) -> html.P | None:
    if not who:
        return None
    polled = sum(len(one.clusters) for one in who)
    names = ", ".join(_poller(one) for one in who[:SHOWN_COLLECTORS])
    more = f" and {len(who) - SHOWN_COLLECTORS} more" if len(who) > SHOWN_COLLECTORS else ""
    verb = "polls" if len(who) == 1 else "poll"
    words = (
        f"{plural(len(who), 'collector')} {verb} {polled} of {plural(len(view.clusters), 'cluster')}: {names}{more}."
    )
    return html.P(words, className="ws-sub ws-wrap mb-3")


def _poller(one: Poller) -> str:
    return f"{one.name} (region {one.region})" if one.region else one.name


def _card(cluster: Cluster, load: Load | None, who: Sequence[Poller], view: View) -> html.Section:
    ident = f"h-{cluster.name}"
    title = link(foreign(cluster.title), f"/cluster/{cluster.name}", quiet=True)
    top = html.Div(
        [
            html.H2(title, className="ws-q fs-6", id=ident),
            html.Span(cluster.scheduler, className="ws-sub text-truncate d-none d-sm-inline"),
            html.Span(pill(cluster, view), className="ms-auto"),
        ],
        className="d-flex align-items-center gap-2 mb-2",
    )
    polls = view.source.polls(cluster, view.now) if cluster.id else pd.DataFrame()
    body = [
        trouble(cluster, view, details=False),
        _numbers(cluster, polls, view),
        _day(polls, cluster, view),
        _cost(cluster, load, who),
        _last_error(cluster),
        _warnings(cluster),
        _unknown_texts(cluster, view),
    ]
    stale = " ws-stale" if view.health(cluster).stale else ""
    return html.Section(
        html.Div([top, *body], className="card-body"), className=f"card h-100{stale}", **{"aria-labelledby": ident}
    )


def _numbers(cluster: Cluster, polls: pd.DataFrame, view: View) -> html.Div:
    when: Part = age(cluster.taken_at, view) if cluster.taken_at is not None else "–"
    at: Part = ["report of ", clock(cluster.taken_at, view)] if cluster.taken_at is not None else "no report yet"
    waits = cluster.next_poll_at is not None and cluster.next_poll_at > view.now
    due: Part = ["next in ", until(cluster.next_poll_at, view)] if waits else "the next is due"
    known = cluster.query_seconds is not None
    cost = f"{cluster.query_seconds:.1f}" if known else "–"
    of_time = f"{percent((cluster.query_seconds or 0) / cluster.period_seconds, 1)} of the time" if known else ""
    last = polls["seconds"].iloc[-1] if len(polls) else None
    how = "" if last is None else "no report" if pd.notna(polls["error_code"].iloc[-1]) else "of the last poll"
    cells = [
        kpi("Age of data", when, note=at, small=True),
        kpi("Asked every", _pause(cluster.period_seconds), note=due, small=True),
        kpi("Its commands took", cost, "s" if known else "", of_time or "not known yet", small=True, define=COMMANDS),
        kpi("Answer after", f"{last:.1f}" if last is not None else "–", "" if last is None else "s", how, small=True),
    ]
    # Two a row on phones, where the third is the first of its row.
    looks = ("col", "col ps-2", "col ps-md-2", "col ps-2")
    columns = [html.Div(one, className=look) for one, look in zip(cells, looks, strict=True)]
    return html.Div(columns, className="row row-cols-2 row-cols-md-4 g-0 ws-kpis ws-pairs mt-3 mb-3")


def _day(polls: pd.DataFrame, cluster: Cluster, view: View) -> html.Div:
    if not len(polls):
        return html.Div(empty("Never asked in the last 24 h.", "The collector notes each poll; none is in the store."))
    since, end = usage.window(view.now, step=CELL_SECONDS)
    known = usage.known_stretches(polls, cluster.wished, since, view.now)
    missed = usage.gaps(known, since, view.now, usage.LATE_AFTER * cluster.period_seconds)
    total = sum(over - start for start, over in missed)
    words = (
        f"{plural(len(missed), 'gap')} in the last 24 h, {duration(total)} in all."
        if missed
        else "No gap in the last 24 h."
    )
    cells = outcomes(polls[polls["at"] >= since], known, since, end, view.now)
    return html.Div([strip(cells, view), html.Div(words, className="ws-sub")])


def _cost(cluster: Cluster, load: Load | None, who: Sequence[Poller]) -> html.Div | None:
    if load is None or not cluster.report:
        return None
    may = "no limit is set" if load.budget_share is None else f"of {load.budget_share * 100:g}\u00a0% that it may take"
    rows = [
        ("Rounds of commands", number(load.rounds_hour), number(load.rounds_day)),
        ("Time they took", _seconds(load.seconds_hour), _seconds(load.seconds_day)),
        (f"Share of the time, {may}", percent(load.share_hour, 1), percent(load.share_day, 1)),
    ]
    heads = [[head("Load on its scheduler"), head("last hour", extra="n"), head("24 h", extra="n")]]
    body = [html.Tr([html.Th(name, scope="row"), cell(hour, "n"), cell(day, "n")]) for name, hour, day in rows]
    parts = sorted(cluster.query_parts, key=lambda part: -part[1])
    told = ", ".join(f"{shorten(name, 20)} {seconds:.1f} s" for name, seconds in parts[:SHOWN_PARTS])
    words = [f"A round asks for {plural(len(parts), 'listing')}: {told}."] if parts else []
    if load.slowed:
        words.append(
            f"Wished every {_pause(load.wished_seconds)}; asked every {_pause(load.period_seconds)}, "
            "since its commands are slow."
        )
    words += [f"Polled by {_poller(one)}." for one in who if cluster.name in one.clusters]
    return html.Div(
        [
            table(heads, body, f"What asking costs the scheduler of {cluster.title}"),
            html.Div(" ".join(words), className="ws-sub ws-wrap mt-1"),
        ],
        className="mt-3",
    )


def _pause(seconds: int) -> str:
    return duration(seconds) if seconds < MINUTE else _seconds(seconds)


def _seconds(seconds: float) -> str:
    """As duration(), with the seconds told where they matter: `0.2 s`, `200 s`, `57 min`."""
    exact = seconds < 10 * MINUTE and seconds % MINUTE
    return f"{seconds:.{1 if seconds < MINUTE else 0}f}\u00a0s" if exact else duration(seconds)


def _last_error(cluster: Cluster) -> html.Div | None:
    if not cluster.failures:
        return None
    times = "The last poll failed" if cluster.failures == 1 else f"The last {cluster.failures} polls failed"
    return html.Div(
        [
            html.H3(times, className="ws-q mt-3"),
            html.Div(
                [html.Code(cluster.error_code or "unknown"), " ", foreign(cluster.error or "no words", 400)],
                className="ws-words",
            ),
        ]
    )


def _warnings(cluster: Cluster) -> html.Div | None:
    if not cluster.warnings:
        return None
    rows = [
        html.Li([html.Code(foreign(w.source, 60)), " ", foreign(w.message, 240)])
        for w in cluster.warnings[:SHOWN_WARNINGS]
    ]
    more = len(cluster.warnings) - len(rows)
    if more > 0:
        rows.append(html.Li(f"and {number(more)} more", className="z"))
    return html.Div(
        [
            html.H3(f"{plural(len(cluster.warnings), 'warning')} in the last report", className="ws-q mt-3"),
            html.Ul(rows, className="ws-words list-unstyled mb-0"),
        ]
    )


def _unknown_texts(cluster: Cluster, view: View) -> html.Div | None:
    """Waiting jobs with a text that webstat does not know; the texts only for who sees everybody's names."""
    if not cluster.report:
        return None
    texts = waiting.unknown_texts(view.source.read(load_waiting_counted, cluster.id, stamp=cluster.report))
    if texts.empty:
        return None
    jobs = int(texts.sum())
    title = f"{plural(jobs, 'waiting job')} with a text that webstat does not know"
    body: Part = html.Div("The texts may name people, and are shown to those who see all names.", className="ws-sub")
    if view.source.veil is None:
        shown = texts.head(SHOWN_TEXTS)
        rows = [
            html.Li(["“", foreign(text, 80), "” ", html.Span(f"({plural(count, 'job')})", className="z")])
            for text, count in shown.items()
        ]
        if len(texts) > len(shown):
            rows.append(html.Li(f"and {number(len(texts) - len(shown))} more", className="z"))
        body = html.Ul(rows, className="ws-words list-unstyled mb-0")
    return html.Div([html.H3(title, className="ws-q mt-3"), body])
