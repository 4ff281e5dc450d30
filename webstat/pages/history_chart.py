"""The chart of the history page, and the totals below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from dash import html

from webstat.addresses import jobs_behind_page
from webstat.components import bars
from webstat.components.cards import card, empty
from webstat.components.exports import export_links, question_words
from webstat.components.graph import graph
from webstat.components.tables import cell, head, number_cell, table
from webstat.components.text import Part, foreign, icon, link, person
from webstat.data.explore.answer import Answer
from webstat.data.explore.cut import NAMES
from webstat.data.explore.quantiles import QUANTILES
from webstat.data.explore.question import MOST_SHOWN, Question
from webstat.figures import spark
from webstat.figures.history import Band, Line, history_figure, range_words
from webstat.format import UNKNOWN, compact, number, percent, plural, shorten, wait
from webstat.identity import OTHERS, Shade, shades
from webstat.pages import history_controls
from webstat.view import View

FORMS = {
    "utilisation": "percent",
    "cpu-efficiency": "percent",
    "walltime-efficiency": "percent",
    "wait": "duration",
    "slowdown": "times",
}
"""Metrics whose numbers are not plain ones."""

_QUESTIONS = {
    "core-hours": "Who used the cores?",
    "gpu-hours": "Who used the GPUs?",
    "utilisation": "How full were the clusters?",
    "running-cores": "Who held the cores?",
    "running-jobs": "Whose jobs ran?",
    "queued-cores": "Who waited for cores?",
    "queued-jobs": "Whose jobs waited?",
    "submitted": "Who submitted jobs?",
    "started": "Whose jobs started?",
    "ended": "Whose jobs ended?",
    "failed": "Whose jobs failed?",
    "wait": "How long did jobs wait?",
    "slowdown": "How much longer did jobs take than they ran?",
    "cpu-efficiency": "How busy did jobs keep their cores?",
    "walltime-efficiency": "How much of the walltime asked was used?",
}

_DASHES = ("solid", "dash", "dot", "dashdot")


def form_of(question: Question) -> str:
    """How the question's metric is told: number, percent, duration or times."""
    return FORMS.get(question.metric, "number")


def said(value: float, question: Question) -> str:
    """A number of the question's metric, in words."""
    if value != value:
        return UNKNOWN
    form = form_of(question)
    if form == "percent":
        return percent(value, 1)
    if form == "duration":
        return wait(value)
    return f"{value:.2f}" if form == "times" else compact(value) if value >= 100 else f"{value:.1f}".removesuffix(".0")


def shades_of(found: Answer, view: View) -> dict[str, Shade]:
    """The shade of each key that is drawn by itself."""
    question = found.asked.question
    names = found.totals["name"].head(question.shown).tolist()
    known = view.source.hues(view.now, question.by) if question.by in ("user", "group", "queue") else {}
    return shades(names, known)


def chart_card(found: Answer, view: View) -> html.Section:
    """The metric over time."""
    question, asked = found.asked.question, found.asked
    colours = shades_of(found, view)
    bands, lines = _drawn(found, colours)
    chart = question.chart if found.metric.additive else "lines"
    figure = history_figure(
        found.edges,
        [band for band, _ in bands],
        [line for line, _ in lines],
        unit=found.metric.unit,
        form=form_of(question),
        theme=view.theme,
        zone=asked.zone,
        chart=chart,
        gaps=[(gap.since, gap.until) for gap in found.gaps[:40]],
        meta=_behind(found, stacked=chart != "lines"),
    )
    when = range_words(asked.since, asked.until, asked.zone)
    message = f"{found.metric.name}, {when}: {said(found.all['value'], question)} in all."
    nothing = ("Nothing is known of this range.", "No report came, and no accounting log was imported.")
    if found.gaps == () or np.isfinite(found.whole).any():
        nothing = (f"No {found.metric.name.lower()} in this range.", "Another range, or fewer filters, may show some.")
    parts: list[Part] = [graph("history-chart-figure", figure, message, nothing)]
    if figure is not None:
        parts.append(_labels(found, bands, lines))
    step = "month" if not asked.exact else question.step
    split = f" and {NAMES[question.by][0]}" if question.by and found.metric.additive else ""
    subtitle = f"{found.metric.unit} per {step}{split}; drag to zoom, click to list the jobs"
    tools = _tools(question, view)
    drawn = [one for one, _ in (*bands, *lines)]
    body = [html.Div(parts, className="ws-plot"), *([_as_table(found, drawn)] if figure is not None else [])]
    return card(_QUESTIONS[question.metric], subtitle, body, "q-history", tools=tools, fill=False)


def _drawn(
    found: Answer, colours: Mapping[str, Shade]
) -> tuple[list[tuple[Band, float]], list[tuple[Line, float | None]]]:
    """The bands and lines of the chart, each with what it comes to over the range; None where only its buckets are told."""
    question, now = found.asked.question, found.all
    if found.lines is not None and question.by is None:
        told = {0.5: now["value"]}  # of slowdowns only the half is told over the range
        if found.metric.distributed == "wait":
            told = {share: now[f"wait_{share * 100:.0f}"] for share in QUANTILES}
        return [], [
            (Line(f"{share * 100:.0f} % within", values, dash), told.get(share))
            for share, values, dash in zip(QUANTILES, found.lines, _DASHES, strict=True)
        ]
    if question.by is None and not found.metric.additive:
        return [], [(Line("all", found.whole), now["value"])]
    values = found.totals["value"].to_numpy()
    shown = min(question.shown, len(values))
    bands: list[tuple[Band, float]] = []
    for name, series, value in zip(found.totals["name"].head(shown), found.series, values, strict=False):
        bands.append((Band(name, series, colours.get(name, OTHERS) if question.by else Shade(0)), float(value)))
    rest = len(values) - shown
    if found.metric.additive and rest:
        others = Band(f"{number(rest)} others", found.series[shown:].sum(axis=0), OTHERS)
        bands.append((others, float(values[shown:].sum())))
    lines: list[tuple[Line, float | None]] = [
        (Line("all" if found.metric.additive else "all jobs", found.whole), now["value"])
    ]
    usable, hours = found.usable, now["usable_hours"]
    if question.metric == "running-cores":
        usable, hours = usable * 3600 / np.diff(found.edges), hours * 3600 / (found.asked.until - found.asked.since)
    if question.metric in ("core-hours", "running-cores") and not found.asked.keys:
        lines.append((Line("usable", usable, "dot"), hours))
    if found.former is not None and found.all_before is not None:
        lines.append((Line("the period before", found.former[: len(found.whole)], "dash"), found.all_before["value"]))
    return bands, lines


def _behind(found: Answer, stacked: bool) -> dict[str, Any]:
    """For the browser: where a click on the chart leads, and one on each of the bands where they are stacked."""
    question = found.asked.question
    meta = {"edges": found.edges.tolist(), "jobs": jobs_behind_page(history_controls.counted_words(question, {}))}
    if question.by is None or not stacked:
        return meta
    words = found.totals["word"].head(question.shown)
    keys = [history_controls.counted_words(question, {question.by: word}) for word in words]
    return {**meta, "bands": [jobs_behind_page(one) for one in keys]}


def _labels(found: Answer, bands: Sequence[tuple[Band, float]], lines: Sequence[tuple[Line, float | None]]) -> html.Div:
    """What each band and line is, with what it comes to over the range: the numbers of the table."""
    question = found.asked.question
    rows: list[Part] = []
    for line, whole in lines[::-1]:
        mark = html.I(className="ws-dots" if line.dash != "solid" else "ws-rule", **{"aria-hidden": "true"})
        rows.append(html.Span([mark, line.name, *([] if whole is None else [" ", html.B(said(whole, question))])]))
    for band, value in bands[::-1]:
        name = person(band.name, 14) if question.by == "user" and band.shade is not OTHERS else foreign(band.name, 14)
        rows.append(html.Span([bars.key(bars.shade_look(band.shade)), name, " ", html.B(said(value, question))]))
    return html.Div(rows, className="ws-keys", title="Over the whole range")


def _tools(question: Question, view: View) -> html.Div:
    saved = export_links("/api/v1/history", question_words(question), "history-chart-figure")
    more = min(MOST_SHOWN, 20)
    shown = ("Top 20", str(more)) if question.shown < more else ("Top 7", None)
    return html.Div(
        [
            link(shown[0], history_controls.address(view, question, shown=shown[1])) if question.by else None,
            saved,
        ],
        className="d-flex align-items-center gap-2",
    )


def _as_table(found: Answer, drawn: Sequence[Band | Line]) -> html.Details:
    """The chart's numbers for who cannot see it or wants them exactly."""
    question = found.asked.question
    zone = found.asked.zone
    columns = [(one.name, one.values) for one in drawn]
    heads = [head("Range"), *[head(foreign(name, 16), extra="n") for name, _ in columns]]
    rows = []
    for place in range(len(found.edges) - 1)[::-1]:
        when = range_words(int(found.edges[place]), int(found.edges[place + 1]), zone)
        cells = [cell(said(float(values[place]), question), "n") for _, values in columns]
        rows.append(html.Tr([html.Th(when, scope="row", className="fw-normal text-nowrap"), *cells]))
    scroll = html.Div(
        table([heads], rows, f"{found.metric.name} by bucket, latest first"),
        className="ws-scroll ws-hours",
        tabIndex=0,
        role="region",
        **{"aria-label": f"{found.metric.name} by bucket"},
        id="history-table",
    )
    return html.Details([html.Summary("As table", className="ws-sub"), scroll], id="history-details", className="mt-2")


def totals_card(found: Answer, view: View) -> html.Section:
    """The sums of the range by key, with change, and the way to the jobs."""
    question = found.asked.question
    what = NAMES[question.by] if question.by else ("All", "all")
    metric = found.metric.name
    shown = found.totals.head(max(question.shown, 10))
    colours = shades_of(found, view)
    heads = [head(what[0].capitalize()), head([metric, " ", icon("arrow-down")], extra="n")]
    if found.metric.additive:
        heads += [head("Share", extra="n"), head("")]
    if found.all_before is not None:
        heads.append(head("Change", extra="n"))
    for words in ("Core-hours", "Jobs ended", "Failed", "Waited, 50 %", "Waited, 90 %", "CPU efficiency"):
        if words != metric:
            heads.append(head(words, extra="n"))
    heads.append(head("Over time"))
    rows = [_row(found, place, row, colours, view) for place, row in enumerate(shown.itertuples())]
    rest = len(found.totals) - len(shown)
    if rest:
        more = history_controls.address(view, question, shown=str(min(MOST_SHOWN, len(found.totals))))
        words: Part = f"{number(rest)} more {what[1] if rest > 1 else what[0]}"
        if question.shown < MOST_SHOWN:
            words = link(words, more)
        value = float(found.totals["value"].iloc[len(shown) :].sum()) if found.metric.additive else float("nan")
        filler = [cell("") for _ in heads[2:]]
        rows.append(
            html.Tr([html.Th(words, scope="row", className="fw-normal"), cell(said(value, question), "n"), *filler])
        )
    rows.append(_total_row(found))
    when = range_words(found.asked.since, found.asked.until, found.asked.zone)
    before = ", against the period before" if found.all_before is not None else ""
    if question.compare and found.all_before is None:
        known = f"only {percent(found.known_before)}" if found.known_before else "nothing"
        before = f"; not compared, since {known} of the period before is known"
    if found.totals.empty:
        body: Part = empty("No job in this range.", "Another range, or fewer filters, may show some.")
    else:
        body = html.Div(table([heads], rows, f"{metric} by {what[0]}, {when}"), className="ws-totals")
    subtitle = f"{when}{before}; click a name to see its jobs"
    tools = export_links("/api/v1/history/totals", question_words(question))
    return card("How much is that in all?", subtitle, [body], "q-totals", fill=False, tools=tools)


def _row(found: Answer, place: int, row: Any, colours: Mapping[str, Shade], view: View) -> html.Tr:
    question, asked = found.asked.question, found.asked
    shade = colours.get(row.name, OTHERS) if question.by and place < question.shown else OTHERS
    name: Part = "all jobs"
    if question.by:
        shown = person(row.name, 24) if question.by == "user" else foreign(row.name, 32)
        counted = history_controls.counted_words(question, {question.by: row.word})
        only = link(
            [icon("funnel"), html.Span(f"Only {shorten(row.name, 40)}", className="visually-hidden")],
            history_controls.address(view, question, **history_controls.toggled(question, question.by, row.word)),
            quiet=True,
            title="Only this one",
        )
        name = [
            bars.key(bars.shade_look(shade)),
            link(shown, jobs_behind_page(counted, asked.since, asked.until), quiet=True),
            " ",
            only,
        ]
    cells: list[Part] = [
        html.Th(name, scope="row", className="text-nowrap fw-normal"),
        cell(said(row.value, question), "n fw-semibold"),
    ]
    if found.metric.additive:
        longest = found.totals["value"].iat[0] or 1
        bar = html.Div(className=f"ws-share {bars.shade_look(shade)}", style={"width": f"{row.value / longest:.1%}"})
        cells += [cell(percent(row.share, 1), "n"), cell(bar, "ws-shares")]
    if found.all_before is not None:
        cells.append(cell(change(row.value, row.before), "n text-nowrap"))
    cells += _common(found, row)
    cells.append(cell(_spark(found, place, shade)))
    return html.Tr(cells)


def arrow(difference: float) -> html.I:
    """Up where there is more than before, else down."""
    return icon("arrow-up-right" if difference > 0 else "arrow-down-right")


def change(now: float, before: float) -> Part:
    """An arrow and per cent; `new` for what was not there before."""
    if now != now or before != before:
        return UNKNOWN
    if before == 0:
        return "new" if now > 0 else UNKNOWN
    difference = now / before - 1
    if abs(difference) < 0.005:
        return "±0 %"
    return [
        arrow(difference),
        f" {number(now / before)} ×" if now / before >= 10 else f" {abs(difference) * 100:.0f} %",
    ]


def _common(found: Answer, row: Any) -> list[Part]:
    metric = found.metric.name
    columns = {
        "Core-hours": cell(compact(row.core_hours), "n"),
        "Jobs ended": number_cell(row.ended),
        "Failed": number_cell(row.failed),
        "Waited, 50 %": cell(wait(row.wait_half), "n"),
        "Waited, 90 %": cell(wait(row.wait_most), "n"),
        "CPU efficiency": cell(percent(row.cpu_efficiency), "n"),
    }
    return [content for words, content in columns.items() if words != metric]


def _total_row(found: Answer) -> html.Tr:
    question, now = found.asked.question, found.all
    cells: list[Part] = [
        html.Th("Total" if found.metric.additive else "All jobs", scope="row"),
        cell(said(now["value"], question), "n fw-semibold"),
    ]
    if found.metric.additive:
        cells += [cell(percent(1.0) if now["value"] > 0 else UNKNOWN, "n"), cell("")]
    if found.all_before is not None:
        cells.append(cell(change(now["value"], found.all_before["value"]), "n text-nowrap"))
    row = pd.Series(
        {
            **{name: now[name] for name in ("core_hours", "ended", "failed", "cpu_efficiency")},
            "wait_half": now["wait_50"],
            "wait_most": now["wait_90"],
        }
    )
    return html.Tr([*cells, *_common(found, row), cell("")], className="fw-semibold")


def _spark(found: Answer, place: int, shade: Shade) -> Part:
    values = found.series[place]
    top = np.nanmax(values) if np.isfinite(values).any() else 0
    if not top > 0 or len(values) < 2:
        return ""
    mask = spark.spark_figure(pd.Series(values / top), float(len(values)))
    if mask is None:
        return ""
    look = f"ws-spark row-h c{shade.hue}"
    label = f"{plural(len(values), 'bucket')}, the most {said(float(top), found.asked.question)}"
    return html.Div(className=look, style={"--m": f'url("{mask}")'}, role="img", **{"aria-label": label})
