"""Answers to where a job could run, as rows: where, when, on one shared axis, why, and the line to submit with."""

from __future__ import annotations

from collections.abc import Sequence

from dash import html

from webstat.addresses import cluster_page
from webstat.answers.advise import Answer
from webstat.answers.judge import Verdict
from webstat.answers.submit import command
from webstat.answers.words import held_words, rests_on, when_words
from webstat.components.job import copy
from webstat.components.ranges import LONGEST, place
from webstat.components.text import Part, clock, foreign, icon, link, sentence
from webstat.format import DAY, HOUR, number
from webstat.view import View

LOOKS = {
    Verdict.NOW: ("check-lg", "st-ok"),
    Verdict.LATER: ("hourglass-split", "st-wait"),
    Verdict.NEVER: ("x-lg", "st-bad"),
}
"""Verdict -> icon and tone."""

TICKS = ((0.0, "now"), (HOUR, "1 h"), (4 * HOUR, "4 h"), (DAY, "1 d"), (LONGEST, "3 d"))
_SHORTEST = HOUR / 2
"""Waits that are told apart; what is shorter is nearly now."""

_LEFT, _WIDTH = 0.03, 0.93
"""Where the axis begins in its column, and how much of it it takes."""

NAMED = 6
"""Queues that are named in one line."""


def answer_rows(answers: Sequence[Answer], view: View) -> list[html.Div]:
    """The head and a row for each answer, inside of `ws-ans`."""
    return [_head(), *(_row(one, view) for one in answers)] if answers else []


def places_words(answers: Sequence[Answer]) -> list[Part]:
    """Queues by their clusters' names: `certainty · gpu, biox3 · gpu and 3 others`."""
    named = answers if len(answers) <= NAMED + 1 else answers[:NAMED]
    words: list[Part] = []
    for number_, one in enumerate(named):
        words += [", " if number_ else "", foreign(one.cluster.title), " · ", foreign(one.queue)]
    more = len(answers) - len(named)
    return [*words, f" and {number(more)} others"] if more else words


def _at(seconds: float) -> str:
    return f"{_LEFT + _WIDTH * place(seconds, _SHORTEST):.1%}"


def _head() -> html.Div:
    ticks = [
        html.Span(words, className="position-absolute ws-sub ws-tick", style={"left": _at(at)}) for at, words in TICKS
    ]
    axis = html.Div(html.Div(ticks, className="position-relative", style={"height": "1rem"}), className="a-x py-0")
    cells: list[Part] = [html.Div(word, className="ws-sub") for word in ("", "Where", "Expected start")]
    return html.Div([*cells, axis, html.Div("Why", className="ws-sub"), html.Div()], className="row-l hd")


def _row(answer: Answer, view: View) -> html.Div:
    symbol, tone = LOOKS[answer.verdict]
    weight = "fw-normal" if answer.verdict is Verdict.NEVER else "fw-semibold"
    name = [
        foreign(answer.cluster.title), html.Span([" · ", foreign(answer.queue)], className="fw-normal"),
    ]  # fmt: skip
    where = link(name, cluster_page(answer.cluster.name), quiet=True)
    where.className += f" {weight}"
    cells = [
        html.Div(icon(symbol), className=tone),
        html.Div(html.Div(where), className="a-q"),
        html.Div(_when(answer, weight, tone, view), className="a-t text-nowrap"),
        html.Div(_axis(answer), className="a-x py-0 d-none d-md-flex"),
        html.Div(html.Div(_why(answer, view)), className="a-y"),
        html.Div(_submit(answer), className="a-s d-none d-md-flex"),
    ]
    return html.Div(cells, className="row-l")


def _when(answer: Answer, weight: str, tone: str, view: View) -> list[Part]:
    tinted = f"{weight} {tone}" if answer.verdict is not Verdict.LATER else weight
    below: list[Part] = [rests_on(answer)]
    if answer.verdict is Verdict.NOW and answer.judged.until is not None:
        below = ["room until ", clock(answer.judged.until, view)]
    extra = "" if answer.not_foretold else " d-none d-md-block"
    return [
        html.B(when_words(answer), className=tinted),
        html.Span(below, className=f"ws-sub{extra}", title=held_words(answer) or None) if below[0] else None,
    ]


def _axis(answer: Answer) -> html.Div:
    if answer.verdict is Verdict.NEVER:
        return html.Div(className="ws-when")
    drawn: list[Part] = [html.U(style={"left": _at(at)}) for at, _ in TICKS]
    if answer.verdict is Verdict.NOW:
        drawn.append(html.S(className="ok", style={"left": _at(0)}))
    elif answer.p50_seconds is not None and answer.p90_seconds is not None:
        width = _WIDTH * (place(answer.p90_seconds, _SHORTEST) - place(answer.p50_seconds, _SHORTEST))
        drawn.append(html.I(style={"left": _at(answer.p50_seconds), "width": f"{width:.1%}"}))
        drawn.append(html.S(style={"left": _at(answer.p50_seconds)}))
    return html.Div(drawn, className="ws-when", **{"aria-hidden": "true"})


def _why(answer: Answer, view: View) -> list[Part]:
    words = sentence(answer.judged.why, view)
    if answer.fresh or answer.verdict is not Verdict.LATER:
        return words
    aged = html.Span([icon("clock-history"), " ", *words[:3]], className="st-warn")
    return [aged, *words[3:]]


def _submit(answer: Answer) -> Part:
    if answer.line is None:
        return None
    program = command(answer.cluster.scheduler_kind)
    return copy(answer.line, f"Copy: {answer.line}", "clipboard", f"{program} line")
