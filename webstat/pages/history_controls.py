"""What can be chosen on the history page: every choice is a link to the address that asks it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from dash import dcc, html

from webstat.addresses import jobs_behind_page
from webstat.components.choices import choices
from webstat.components.text import Part, foreign, icon, link
from webstat.data.explore.buckets import fitting_steps
from webstat.data.explore.cut import CLASSES, NAMES, WORDS
from webstat.data.explore.explorer import Asked
from webstat.data.explore.metrics import METRICS
from webstat.data.explore.question import ALL, CHARTS, RANGES, Question
from webstat.format import plural
from webstat.view import View

_SHORT = {"24h": "24 h", "7d": "7 d", "30d": "30 d", "90d": "90 d", "1y": "1 y", "5y": "5 y", ALL: "all"}
_STEPS = {"hour": "Hours", "day": "Days", "week": "Weeks", "month": "Months"}


def address(view: View, question: Question, **changes: str | None) -> str:
    """The address that asks `question`, with some of its words changed; the range stays as it is written."""
    words: dict[str, str | None] = dict.fromkeys(view.query)
    words |= question.words()
    return view.address(**{**words, **changes})


def controls(asked: Asked, view: View) -> html.Div:
    """The card of choices, and the filters in force below it."""
    question = asked.question
    parts = [
        _field("Range", [_ranges(question, view), _dates(asked)]),
        _field("Show", [_metrics(question, view)]),
        _field("Split by", [_cuts(question, view)]),
        _field("Clusters", [_clusters(question, view)]) if len(view.clusters) > 1 else None,
        _field("As", [_charts(question, view)]),
        _field("In", [_steps(asked, view)]) if asked.exact else None,
        _compare(question, view),
    ]
    chosen = html.Div(parts, className="card-body py-2 d-flex flex-wrap align-items-end gap-3")
    return html.Div([chosen, _filters(question, view)], className="card mb-3 ws-ask")


_NAMED = " ".join(by for by in NAMES if by in WORDS)
"""The cuts of which a name can be typed; assets/history.js makes the fields."""


def _field(label: str, content: Sequence[Part]) -> html.Div:
    return html.Div(
        [html.Div(label, className="form-label"), html.Div(list(content), className="d-flex flex-wrap gap-2")]
    )


def _ranges(question: Question, view: View) -> html.Div:
    presets = [*RANGES, ALL]
    options = [
        (_SHORT[preset], address(view, question, range=None if preset == "30d" else preset, step=None, **_NO_DATES))
        for preset in presets
    ]
    return choices("Range", options, presets.index(question.range) if question.range in presets else -1)


_NO_DATES: dict[str, str | None] = {"from": None, "to": None}


def _dates(asked: Asked) -> html.Div:
    """Two dates; assets/history.js writes them into the address."""
    zone = asked.zone
    first = datetime.fromtimestamp(asked.since, zone).date().isoformat()
    last = datetime.fromtimestamp(asked.until - 1, zone).date().isoformat()
    fields = [
        html.Div(className="ws-date", **{"data-date": name, "data-value": value, "data-label": label})
        for name, label, value in (("from", "From", first), ("to", "To, inclusive", last))
    ]
    between = html.Span("to", className="input-group-text")
    return html.Div([fields[0], between, fields[1]], className="input-group ws-dates")


def _menu(label: str, shown: Part, options: Sequence[tuple[Part, str, bool]]) -> html.Details:
    items = []
    for words, href, chosen in options:
        item = link(words, href)
        item.className = "dropdown-item" + (" active" if chosen else "")
        items.append(html.Li(item, **({"aria-current": "true"} if chosen else {})))
    summary = html.Summary(
        [shown, " ", icon("chevron-down")], className="btn btn-outline-secondary", title=label, **{"aria-label": label}
    )
    return html.Details([summary, html.Ul(items, className="dropdown-menu show")], className="ws-menu")


def _metrics(question: Question, view: View) -> html.Details:
    options: list[tuple[Part, str, bool]] = [
        (metric.name, address(view, question, metric=None if name == "core-hours" else name), name == question.metric)
        for name, metric in METRICS.items()
    ]
    name = METRICS[question.metric].name
    return _menu(f"What is shown: {name}", name, options)


def _cuts(question: Question, view: View) -> html.Details:
    options: list[tuple[Part, str, bool]] = [
        (one.capitalize(), address(view, question, by=None if by == "user" else by), by == question.by)
        for by, (one, _) in NAMES.items()
    ]
    options.append(("Nothing", address(view, question, by="nothing"), question.by is None))
    shown = NAMES[question.by][0].capitalize() if question.by else "Nothing"
    return _menu(f"Split by: {shown}", shown, options)


def _clusters(question: Question, view: View) -> html.Details:
    chosen = question.kept("cluster")
    options: list[tuple[Part, str, bool]] = [
        (f"All {len(view.clusters)}", address(view, question, cluster=None), not chosen)
    ]
    for cluster in view.clusters:
        options.append(
            (
                foreign(cluster.title),
                address(view, question, **toggled(question, "cluster", cluster.name)),
                cluster.name in chosen,
            )
        )
    shown = plural(len(chosen), "cluster") if chosen else f"all {len(view.clusters)}"
    if len(chosen) == 1:
        shown = next((cluster.title for cluster in view.clusters if cluster.name in chosen), chosen[0])
    return _menu(f"Clusters: {shown}", shown, options)


def _charts(question: Question, view: View) -> html.Details:
    options: list[tuple[Part, str, bool]] = [
        (words, address(view, question, chart=None if name == "area" else name), name == question.chart)
        for name, words in CHARTS.items()
    ]
    return _menu(f"Drawn as: {CHARTS[question.chart]}", CHARTS[question.chart], options)


def _steps(asked: Asked, view: View) -> html.Details:
    question = asked.question
    options: list[tuple[Part, str, bool]] = [
        (_STEPS[step], address(view, question, step=step), step == question.step)
        for step in fitting_steps(question.since, question.until)
    ]
    return _menu(f"In: {_STEPS[question.step]}", _STEPS[question.step], options)


def _compare(question: Question, view: View) -> html.Span:
    words = "Compared with the period before" if question.compare else "Compare with the period before"
    href = address(view, question, compare="no" if question.compare else None)
    return html.Span(
        dcc.Link([icon("check-square" if question.compare else "square"), " ", words], href=href, className="ws-quiet"),
        className="mb-1",
    )


def toggled(question: Question, by: str, word: str) -> dict[str, str | None]:
    """The word of the address of a filter, with one of its keys put in or taken out."""
    kept = question.kept(by)
    after = tuple(one for one in kept if one != word) if word in kept else (*kept, word)
    filters = _without(question, by)
    changed = question.changed(filters=(*filters, (by, after)) if after else filters)
    return {by: changed.words().get(by)}


def jobs_of(asked: Asked, keys: Mapping[str, str], **words: str) -> str:
    """The address of the jobs of these keys of cuts alone, in the range; `words` are more of its own."""
    kept = _narrowed(asked.question, keys).filter_words()
    return jobs_behind_page({**kept, **words}, asked.since, asked.until)


def counted_words(question: Question, keys: Mapping[str, str]) -> dict[str, str]:
    """The words of the address of the jobs that the metric counts, of these keys of cuts alone; the range may follow."""
    metric = METRICS[question.metric]
    if metric.state is not None and not question.kept("state"):
        keys = {**keys, "state": metric.state}
    return {**_narrowed(question, keys).filter_words(), "event": metric.event}


def _narrowed(question: Question, keys: Mapping[str, str]) -> Question:
    """The same of one key alone of each of these cuts."""
    return question.changed(filters=(*_without(question, *keys), *((by, (word,)) for by, word in keys.items())))


def _without(question: Question, *cuts: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((cut, words) for cut, words in question.filters if cut not in cuts)


def _filters(question: Question, view: View) -> html.Div:
    """The filters in force, each with a way out of it, and a field for one more."""
    chips: list[Part] = []
    for by, kept in question.filters:
        if by == "cluster":
            continue
        for word in kept:
            said = next((words for one, words in CLASSES[by].values() if one == word), word) if by in CLASSES else word
            href = address(view, question, **toggled(question, by, word))
            out = dcc.Link(
                [
                    f"{NAMES[by][0]} ",
                    html.B(foreign(said)),
                    " ",
                    icon("x-lg"),
                    html.Span("take out", className="visually-hidden"),
                ],
                href=href,
                className="btn btn-sm btn-outline-secondary",
            )
            chips.append(out)
    words = html.Span("Only", className="ws-sub")
    named = html.Div(className="ws-only input-group", **{"data-cuts": _NAMED})
    return html.Div([words, *chips, named], className="card-body pt-0 pb-2 d-flex flex-wrap align-items-center gap-2")
