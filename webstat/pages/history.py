"""History: any range, any metric, divided by anything, and what stands behind it."""

from __future__ import annotations

from urllib.parse import urlencode

from dash import html

from webstat.components.cards import empty, kpi, note
from webstat.components.exports import question_words
from webstat.components.job import copy
from webstat.components.text import Part, icon
from webstat.data.explore.answer import Answer, answered
from webstat.data.explore.cut import NAMES
from webstat.data.explore.explorer import Asked
from webstat.data.explore.quantiles import WITHIN
from webstat.data.explore.question import Question, read
from webstat.figures.history import range_words
from webstat.format import UNKNOWN, compact, duration, number, percent, plural, shorten, wait
from webstat.pages import history_chart, history_controls, history_tables
from webstat.pages.history_chart import arrow
from webstat.view import View

STEPS = {"hour": "hourly", "day": "daily", "week": "weekly", "month": "monthly"}

DEFINITIONS = {
    "utilisation": "Core-hours used, divided by core-hours of nodes in service; what offline nodes still ran counts as both",
    "wait": "Of the jobs that started in the range, from when each could have started",
    "slowdown": "(wait + run) ÷ run of the median job that ended; runs under 10 min count as 10 min",
    "cpu": "Processor time of the jobs that ended, divided by cores × run; of those that tell it",
    "failed": "Jobs with an exit status other than 0, of those that ended and told one",
}


def layout(view: View) -> list[Part]:
    """The page of the question that the address asks."""
    question, problems = question_of(view)
    asked = view.source.explorer.asked(question, view.clusters)
    controls = history_controls.controls(asked, view)
    problems += [f"No {NAMES[by][0]} is named {shorten(name, 60)!r} in what is stored." for by, name in asked.strangers]
    said = [note("warn", problem, extra="mb-3") for problem in problems]
    if not asked.known or view.source.explorer.extent(asked.clusters) is None:
        nothing = empty(
            "Nothing has been recorded yet.",
            "History begins with the first report, or with an import of accounting logs.",
        )
        return [_head(asked, view), controls, *said, nothing]
    found = answered(view.source, asked)
    return [
        _head(asked, view, found),
        controls,
        *said,
        _kpis(found),
        html.Div(history_chart.chart_card(found, view), className="mb-3"),
        html.Div(history_chart.totals_card(found, view), className="mb-3"),
        html.Div(
            [
                html.Div(
                    [history_tables.week_card(asked, view), history_tables.mix_card(asked, view, "size")],
                    className="col-12 col-xl-4 ws-col",
                ),
                html.Div(history_tables.waits_card(asked, view), className="col-12 col-xl-8 ws-col"),
            ],
            className="row g-3 mb-3",
        ),
        html.Div(
            [
                html.Div(
                    [history_tables.mix_card(asked, view, "walltime"), history_tables.mix_card(asked, view, "state")],
                    className="col-12 col-xl-4 ws-col",
                ),
                html.Div(history_tables.nodes_card(asked, view), className="col-12 col-xl-8 ws-col"),
            ],
            className="row g-3",
        ),
        _kept(view),
    ]


def question_of(view: View) -> tuple[Question, list[str]]:
    """What the address asks, and what of it could not be read."""
    extent = None
    if view.query.get("range") == "all":
        extent = view.source.explorer.extent(view.clusters)
    return read(view.query, view.now, view.zone, [cluster.name for cluster in view.clusters], extent)


def _head(asked: Asked, view: View, found: Answer | None = None) -> html.Div:
    question = asked.question
    words: list[Part] = [range_words(asked.since, asked.until, asked.zone)]
    words += [", ", plural(len(asked.clusters), "cluster")]
    if asked.exact:
        words.append(f", {STEPS[question.step]} sums exact to the second")
    else:
        words.append(f", whole months by UTC from monthly sums, waits to within {WITHIN}")
    words.append(". ")
    if found is not None and found.gaps:
        words.append(_gaps(found, view))
    whole = f"/api/v1/history/all.zip?{urlencode(question_words(question))}"
    tools: list[Part] = [
        html.A([icon("download"), " Export all"], href=whole, className="btn btn-outline-secondary", download=""),
        copy("", "Copy a link to this page", "link-45deg", "Link"),
    ]
    return html.Div(
        [
            html.H1("History", className="ws-h1"),
            html.Span(words, className="text-body-secondary"),
            html.Span(tools, className="ms-md-auto d-flex gap-2"),
        ],
        className="d-flex flex-wrap align-items-baseline column-gap-3 mb-2",
    )


def _gaps(found: Answer, view: View) -> html.Span:
    longest = max(found.gaps, key=lambda gap: gap.until - gap.since)
    many = "One gap" if len(found.gaps) == 1 else f"{number(len(found.gaps))} gaps, the longest"
    when = range_words(longest.since, longest.until, found.asked.zone)
    words = f" {many}: {longest.cluster}, {duration(longest.until - longest.since)} ({when})."
    titles = "; ".join(
        f"{gap.cluster} {range_words(gap.since, gap.until, found.asked.zone)}" for gap in found.gaps[:20]
    )
    return html.Span([icon("exclamation-triangle-fill"), words], className="st-warn", title=titles)


def _kpis(found: Answer) -> html.Div:
    now, before = found.all, found.all_before

    def change(name: str) -> Part:
        return relative(now[name], before[name] if before else None)

    def points(name: str) -> Part:
        if before is None or before[name] != before[name] or now[name] != now[name]:
            return ""
        difference = (now[name] - before[name]) * 100
        return [arrow(difference), f" {abs(difference):.1f} points {'more' if difference >= 0 else 'less'}"]

    def was(name: str) -> str:
        return "" if before is None else f"before: {wait(before[name])}"

    share = percent(now["utilisation"], 1).removesuffix("%").strip()
    slower = "" if before is None or before["slowdown"] != before["slowdown"] else f"before: {before['slowdown']:.2f}"
    cells = [
        kpi("Core-hours used", compact(now["core_hours"]), note=change("core_hours")),
        kpi(
            "Utilisation",
            share,
            "%" if share != UNKNOWN else "",
            points("utilisation"),
            define=DEFINITIONS["utilisation"],
        ),
        kpi("Jobs ended", number(now["ended"]), note=change("ended")),
        kpi("Failed", percent(now["failed_share"], 1), note=points("failed_share"), define=DEFINITIONS["failed"]),
        kpi("Waited, half of the jobs", wait(now["wait_50"]), note=was("wait_50"), define=DEFINITIONS["wait"]),
        kpi("Waited, nine of ten", wait(now["wait_90"]), note=was("wait_90"), define=DEFINITIONS["wait"]),
        kpi(
            "Slowdown",
            UNKNOWN if now["slowdown"] != now["slowdown"] else f"{now['slowdown']:.2f}",
            note=slower,
            define=DEFINITIONS["slowdown"],
        ),
        kpi("CPU efficiency", percent(now["cpu_efficiency"]), note=points("cpu_efficiency"), define=DEFINITIONS["cpu"]),
    ]
    columns = [html.Div(one, className="col px-2") for one in cells]
    strip = html.Div(columns, className="row row-cols-2 row-cols-md-4 g-0 ws-kpis ws-k8")
    return html.Div(html.Div(strip, className="card-body py-2"), className="card mb-3")


def relative(now: float, before: float | None) -> Part:
    """How much more or less than before: an arrow and per cent; nothing where it cannot be said."""
    if before is None or not before > 0 or now != now:
        return ""
    difference = now / before - 1
    if abs(difference) < 0.005:
        return "as before"
    many = f"{number(now / before)} times" if now / before >= 10 else f"{abs(difference) * 100:.0f} % "
    return [arrow(difference), f" {many}{'' if now / before >= 10 else 'more' if difference > 0 else 'less'}"]


def _kept(view: View) -> html.P:
    """How long what is kept."""
    kept = view.source.settings.retention

    def said(days: int) -> str:
        return "for ever" if not days else f"for {plural(days, 'day')}"

    words = (
        f"Jobs one by one are kept {said(kept.spans_days)}, what history is counted from {said(kept.columns_days)}, "
        f"capacity by hours {said(kept.hours_days)} and by days {said(kept.days_days)}."
    )
    return html.P(words, className="ws-sub mt-3 mb-0")
