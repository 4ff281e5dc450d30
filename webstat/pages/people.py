"""A user, or a group, on all clusters: what they hold now, what they used, how long they waited, how jobs ended."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from dash import html

from webstat.addresses import cluster_page, group_page, history_page, jobs_page, user_page
from webstat.answers import cost
from webstat.components import bars, joblist, smaller
from webstat.components.cards import card, empty, kpi
from webstat.components.graph import graph
from webstat.components.tables import cell, head, number_cell, table
from webstat.components.text import Part, clock, foreign, icon, link, person, strong
from webstat.data import people
from webstat.data.people import DAYS, FEW_DAYS, GROUP, USER, Now, Past
from webstat.figures.days import days_figure
from webstat.format import UNKNOWN, compact, number, percent, plural, shorten, wait
from webstat.identity import OTHERS, shades
from webstat.sentences import listed
from webstat.view import View

LISTED_JOBS, LISTED_USERS = 50, 20
WAITS = "Of the jobs that started in the last 30 UTC days, from when each could have started"
HELD = "Cores of jobs that run now"


def user_layout(view: View, user: str) -> list[Part]:
    """The page of a user."""
    return _layout(view, USER, user)


def group_layout(view: View, group: str) -> list[Part]:
    """The page of a group."""
    return _layout(view, GROUP, group)


def _layout(view: View, by: str, name: str) -> list[Part]:
    past = people.at(view.source, by, name, view.clusters, view.now)
    living = people.living(view.source, by, name, view.clusters, view.now)
    if past.last_day is None and living.empty and past.ended.empty:
        return [_title(view, by, name, [], []), _nobody(view, by, name)]
    counted = [cluster for cluster in view.clusters if cluster.report and not view.health(cluster).stale]
    now = people.now_of([view.source.totals(cluster) for cluster in counted], by, name)
    left_out = [cluster.title for cluster in view.clusters if cluster.report and cluster not in counted]
    title = _title(view, by, name, past.others or now.groups, left_out)
    wide = [_days(past, view), _living(living, past, view, by, name), _ended(past, view, by)]
    narrow = [_members(past, now, view)] if by == GROUP else []
    narrow += [_places(past, view), _used(past, view, by, name)]
    columns = [
        html.Div(wide, className="col-12 col-lg-8 d-flex flex-column gap-3"),
        html.Div(narrow, className="col-12 col-lg-4 d-flex flex-column gap-3"),
    ]
    return [title, _kpis(view, past, now), html.Div(columns, className="row g-3")]


def _title(view: View, by: str, name: str, groups: Sequence[str], left_out: Sequence[str]) -> html.Div:
    about: list[Part] = ["user" if by == USER else "group"]
    groups = [group for group in groups if group != UNKNOWN]
    if by == USER and groups:
        about = ["group " if len(groups) == 1 else "groups "]
        for place, group in enumerate(groups[:4]):
            about += [", " if place else "", link(foreign(group), group_page(group))]
        about += [f" and {number(len(groups) - 4)} more"] if len(groups) > 4 else []
    if left_out:
        about += [f" · what is held {view.moment('now', 'then')} without {listed(left_out)}"]
    shown = person(name, 40) if by == USER else foreign(name, 40)
    return html.Div(
        [
            html.H1(shown, className="ws-h1"),
            html.Span(about, className="text-body-secondary"),
            html.Span(
                [
                    link("History", history_page(**{by: name, "by": "queue"})),
                    _me(view, name) if by == USER else None,
                ],
                className="ms-md-auto d-flex align-items-center gap-3",
            ),
        ],
        className="d-flex flex-wrap align-items-center column-gap-3 row-gap-1 mb-3",
    )


def _me(view: View, name: str) -> html.Button:
    mine = view.me == name
    return html.Button(
        [icon("person-x" if mine else "person-check"), " ", "This is not me" if mine else "This is me"],
        className="btn btn-outline-secondary ws-me-set",
        type="button",
        **{"data-me": "" if mine else name},
    )


def _nobody(view: View, by: str, name: str) -> html.Div:
    """The answer to a name that no cluster knows, with the names that are nearest to it."""
    page = user_page if by == USER else group_page
    near = people.closest(name, view.source.hues(view.now, by))
    links: list[Part] = []
    for place, one in enumerate(near):
        links += [" · " if place else "", link(foreign(one), page(one))]
    fact = f"No {by} called “{shorten(name, 60)}” has had a job here."
    return empty(fact, ["The nearest names: ", *links] if near else "No name here is near to it.")


def _kpis(view: View, past: Past, now: Now) -> html.Div:
    jobs = now.jobs
    half, most = (wait(seconds) for seconds in past.waits) if past.waits else (UNKNOWN, UNKNOWN)
    started = f"of {plural(past.started, 'job')}, {DAYS} d"
    waiting = f"jobs, {plural(jobs.queued_cores, 'core')}" if jobs.queued else "jobs"
    cells = [
        kpi("Cores held", number(now.cores), note=f"by {plural(jobs.running, 'job')}", define=HELD),
        kpi(
            "Running",
            number(jobs.running),
            note=f"jobs, {number(jobs.suspended)} suspended" if jobs.suspended else "jobs",
        ),
        kpi("Queued", number(jobs.queued), note=waiting),
        kpi("Held", number(jobs.held), note="jobs"),
        kpi(
            f"Used in {FEW_DAYS} d",
            compact(past.recent_core_hours),
            note=f"core-hours, {view.moment('today', 'that day')} included",
        ),
        kpi(
            f"Used in {DAYS} d",
            compact(past.core_hours),
            note=f"core-hours, {view.moment('today', 'that day')} included",
        ),
        kpi("Half started within", half, note=started, define=WAITS),
        kpi("90 % started within", most, note=started, define=WAITS),
    ]
    columns = [html.Div(one, className="col px-2") for one in cells]
    strip = html.Div(columns, className="row row-cols-2 row-cols-md-4 g-0 ws-kpis ws-k8")
    return html.Div(html.Div(strip, className="card-body py-2"), className="card mb-3")


def _days(past: Past, view: View) -> html.Section:
    today = past.days.iloc[-1]
    most = past.days.idxmax() if past.days.notna().any() else None
    message = f"Core-hours used on each of the last {DAYS} days: {number(past.core_hours)} in all"
    if most is not None:
        message += f", at most {number(past.days[most])} on one day, {number(today)} on the last so far"
    nothing: tuple[str, Part] = (f"Nothing was used in these {DAYS} days.", "")
    if past.last_day is not None:
        nothing = (nothing[0], ["The last day with a job here: ", clock(past.last_day, view), "."])
    subtitle = f"core-hours on each of the last {DAYS} UTC days, all clusters; the last one is {view.moment('today', 'that day')} so far"
    figure = days_figure(past.days, theme=view.theme)
    return card(
        "How much was used each day?", subtitle, [graph("use-days", figure, message, nothing)], "q-days", fill=False
    )


def _living(living: pd.DataFrame, past: Past, view: View, by: str, name: str) -> html.Section:
    title, ident = "How are the jobs doing?", "q-living"
    if living.empty:
        nearest: list[Part] = ["Nothing runs and nothing waits."]
        if len(past.ended):
            nearest += [" The last one ended ", clock(past.ended["ended_at"].iloc[0], view), "."]
        return card(title, "jobs that live", [empty("No job.", nearest)], ident, fill=False)
    shown = living.head(LISTED_JOBS)
    subtitle = f"{plural(len(living), 'job')}, those first that need a look"
    everything = link(f"All {plural(len(living), 'job')}", jobs_page(**{by: name}))
    body = joblist.living(shown, f"Jobs of {shorten(name, 40)}", view, users=by == GROUP)
    more = f"{number(len(shown))} of them are listed. " if len(shown) < len(living) else ""
    return card(title, subtitle, [body, html.Div([more, everything], className="ws-sub mt-2")], ident, fill=False)


def _ended(past: Past, view: View, by: str) -> html.Section:
    title, ident = "How did the last jobs end?", "q-ended"
    if past.ended.empty:
        return card(title, "", [empty("No job ended.", f"None did in the last {DAYS} days.")], ident, fill=False)
    schedulers = {cluster.name: cluster.scheduler_kind for cluster in view.clusters}
    body = joblist.ended(past.ended, schedulers, "Jobs that ended last", view, users=by == GROUP)
    count = "the last one" if len(past.ended) == 1 else f"the last {len(past.ended)}"
    return card(title, f"{count}, newest first", [body], ident, fill=False)


def _places(past: Past, view: View) -> html.Section:
    title, ident = "Where did the jobs run?", "q-places"
    subtitle = f"by cluster and queue, last {DAYS} UTC days; waits of the jobs that started then"
    if past.places.empty:
        return card(title, subtitle, [empty("Nowhere.", f"No job ran in these {DAYS} days.")], ident, fill=False)
    heads = [
        [
            head("Where", rows=2),
            head(["Core-", html.Br(), "hours"], rows=2, extra="n g"),
            head("Share", rows=2, extra=f"n {joblist.WIDE}"),
            head("Jobs", rows=2, extra="n g"),
            head("Waited", columns=2, extra="g"),
        ],
        [head("50 %", extra="n g"), head("90 %", extra="n")],
    ]
    rows = []
    for cluster in past.clusters.itertuples():
        queues = past.places[past.places["cluster"] == cluster.cluster]
        rows.append(_place_row(_cluster_name(cluster.cluster, view), cluster, past.core_hours))
        for queue in queues.itertuples():
            rows.append(
                _place_row(html.Span(foreign(queue.queue, 18), className="fw-normal ps-3"), queue, past.core_hours)
            )
    return card(title, subtitle, [table(heads, rows, "Use by cluster and queue")], ident, fill=False)


def _used(past: Past, view: View, by: str, name: str) -> html.Section:
    subtitle = f"jobs that ran and ended in the last {DAYS} UTC days, each with its whole run"
    said = cost.sentences(past.cost, DAYS, {cluster.name: cluster.title for cluster in view.clusters})
    lines: list[Part] = [html.P(words, className="mb-1 ws-wrap") for words in said]
    if by == USER and view.me == name:
        lines += smaller.told(view, past.alike)
    elif by == GROUP and view.source.veil is None:
        lines += smaller.told(view, past.alike, "the group’s")
    return card("Do the jobs use what they ask for?", subtitle, lines, "q-used", fill=False)


def _cluster_name(name: str, view: View) -> Part:
    cluster = view.cluster(name)
    # One that is no longer in the settings has no page.
    return link(foreign(cluster.title, 18), cluster_page(name), quiet=True) if cluster else foreign(name, 18)


def _place_row(name: Part, row: object, whole: float) -> html.Tr:
    cells = [
        html.Th(name, scope="row"),
        cell(compact(row.core_hours), "n g"),
        cell(percent(row.core_hours / whole if whole else None), f"n z {joblist.WIDE}"),
        number_cell(row.started, "g"),
    ]
    if row.started:
        cells += [cell(wait(row.wait_half), "n g"), cell(wait(row.wait_most), "n")]
    else:
        cells.append(html.Td("none started", className="n g z", colSpan=2))
    return html.Tr(cells)


def _members(past: Past, now: Now, view: View) -> html.Section:
    title, ident = "Who is in it?", "q-members"
    hours = dict(past.members[["user", "core_hours"]].itertuples(index=False, name=None))
    users = sorted({*hours, *now.members}, key=lambda user: (-hours.get(user, 0.0), user))
    if not users:
        return card(
            title, "", [empty("Nobody.", f"No user of it had a job in the last {DAYS} days.")], ident, fill=False
        )
    colours = shades(users, view.source.hues(view.now))
    rows = []
    for user in users[:LISTED_USERS]:
        cores, running, waiting = now.members.get(user, (0, 0, 0))
        mark = bars.key(bars.shade_look(colours.get(user, OTHERS)))
        rows.append(
            html.Tr(
                [
                    html.Th(
                        [mark, link(person(user), user_page(user), quiet=True)], scope="row", className="fw-normal"
                    ),
                    cell(strong(number(cores)) if cores else html.Span("0", className="z"), "n g"),
                    number_cell(running),
                    number_cell(waiting),
                    cell(compact(hours.get(user, 0.0)), "n g"),
                ]
            )
        )
    heads = [
        head("User"),
        head(["Cores", html.Br(), view.moment("now", "then")], extra="n g"),
        head(["Jobs", html.Br(), "run"], extra="n"),
        head(["Jobs", html.Br(), "wait"], extra="n"),
        head(["Core-", html.Br(), f"hours, {DAYS} d"], extra="n g"),
    ]
    body: list[Part] = [table([heads], rows, "Users of the group")]
    if len(users) > len(rows):
        body.append(html.Div(f"and {plural(len(users) - len(rows), 'more user')}", className="ws-sub mt-1"))
    subtitle = f"{plural(len(users), 'user')} with jobs {view.moment('now', 'then')} or in the last {DAYS} UTC days, most core-hours first"
    return card(title, subtitle, body, ident, fill=False)
