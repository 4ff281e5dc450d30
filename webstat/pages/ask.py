"""Where can I run now? The form on the left, the ranked answers on the right; what is asked stands in the address.

The fields themselves are made by assets/ask.js, which keeps them as they are while answers change.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from dash import html

from webstat import ids
from webstat.answers.advise import Advice, Answer, advise
from webstat.answers.judge import Verdict
from webstat.answers.request import FIELDS, USUAL, WORDS, Request, read_request
from webstat.components.answers import answer_rows, places_words
from webstat.components.cards import note
from webstat.components.text import Part, foreign, link, strong
from webstat.data import jobs
from webstat.format import DAY, HOUR
from webstat.view import View

LISTED = {Verdict.NOW: 6, Verdict.LATER: 6, Verdict.NEVER: 4}
"""Answers that have a row of their own."""

MORE = {
    Verdict.NOW: "more would start it now",
    Verdict.LATER: "more would start it later",
    Verdict.NEVER: "more cannot take it",
}


def ask(view: View) -> html.Section:
    """The card at the top of the overview."""
    title = html.H1("Where can I run now?", className="ws-h1", id="q-ask")
    if view.at is not None:
        words = "What was promised to whom is not kept of the past, so this is answered for the present only."
        return _card([html.Div([title, html.Span(words, className="ws-sub")], className=_HEAD)])
    last = my_last(view)
    asked = any(view.query.get(word) for word in WORDS)
    request, problems = read_request(view.query) if asked else (last or USUAL, {})
    advice = advise(view.source, replace(request, user=request.user or view.me), view.now)
    subtitle = "Ranked over all clusters and queues. Answers follow as you type."
    head = html.Div([title, html.Span(subtitle, className="ws-sub")], className=_HEAD)
    form = html.Div([*_form(view, request, problems, last)], className="col-12 col-xl-3")
    shown = html.Div(html.Div(_answers(advice, problems, view)), id=ids.ANSWERS, className="ws-answers")
    return _card([head, html.Div([form, html.Div(shown, className="col-12 col-xl-9")], className="row g-3 g-xl-4")])


_HEAD = "d-flex flex-wrap align-items-baseline column-gap-3 mb-2"


def _card(body: Sequence[Part]) -> html.Section:
    inner = html.Div(list(body), className="card-body")
    return html.Section(inner, className="card mb-4 ws-where", **{"aria-labelledby": "q-ask"})


def my_last(view: View) -> Request | None:
    """What the viewer asked for last, of the jobs that live or have just ended; None where there is none."""
    if view.me is None:
        return None
    known = jobs.current(view.source, view.clusters, view.now)
    mine = known[known["user"] == view.me]
    if mine.empty:
        return None
    job = mine.loc[mine["submitted_at"].idxmax()]
    sizes = {name: None if job[name] != job[name] else int(job[name]) for name in ("memory_bytes", "walltime_seconds")}
    nodes = int(job["nodes"]) if job["nodes"] > 1 else None
    return Request(max(1, int(job["cores"])), nodes, gpus=int(job["gpus"]) or None, **sizes)


def _form(view: View, request: Request, problems: Mapping[str, str], last: Request | None) -> list[Part]:
    said = request.asked() | {name: view.query.get(name, "") for name in problems}
    said["memory"] = said.get("memory", "").removesuffix("gb")  # the unit stands beside the field
    shown = {"shown": said, "problems": problems}
    words = request.words + (f", as {request.group}" if request.group else "")
    folded = html.Div(
        [
            html.Span(words),
            html.Button(
                "Change",
                className="btn btn-outline-secondary ms-auto ws-ask-open",
                type="button",
                **{"aria-controls": ids.ASK, "aria-expanded": "false"},
            ),
        ],
        className="d-flex d-md-none align-items-center gap-2 border rounded px-2 py-1",
    )
    return [
        html.Div(folded),
        html.Div(id=ids.ASK, className="ws-ask-fields", **{"data-fields": json.dumps(FIELDS)}),
        html.Div(
            [
                html.Div(className="ws-ask-said", hidden=True, **{"data-said": json.dumps(shown)}),
                html.Div("Start from", className="form-label mt-2 mb-1 d-none d-md-block"),
                html.Div(_presets(view, request, last), className="flex-wrap gap-1 d-none d-md-flex"),
            ]
        ),
    ]


def _presets(view: View, request: Request, last: Request | None) -> list[Part]:
    node = _usual_node(view)
    known = [("my last job", last)] if last is not None else []
    known += [("1 core, 1 h", USUAL)]
    known += [("1 node, 24 h", Request(node, 1, walltime_seconds=DAY))] if node else []
    known += [("1 GPU, 12 h", Request(1, gpus=1, walltime_seconds=12 * HOUR))]
    return [_preset(words, one, one == replace(request, user=None, group=None), view) for words, one in known if one]


def _preset(words: str, request: Request, chosen: bool, view: View) -> Part:
    found = link(words, address(view, request))
    found.className = "btn btn-outline-secondary" + (" active" if chosen else "")
    return html.Span(found, **({"aria-current": "true"} if chosen else {}))


def address(view: View, request: Request) -> str:
    """The address that asks this; the group stays as it is."""
    group = view.query.get("group")
    return view.address(
        **{**dict.fromkeys(WORDS), **replace(request, user=None).asked(), **({"group": group} if group else {})}
    )


def _usual_node(view: View) -> int | None:
    sizes = [size for one in view.clusters if one.report for size in view.source.capacity(one).node_sizes[:1]]
    return min(sizes, default=None)


def _answers(advice: Advice, problems: Mapping[str, str], view: View) -> list[Part]:
    body: list[Part] = []
    if problems:
        labels = {name: label for name, label, *_ in FIELDS}
        names = " and ".join(labels.get(name, name).lower() for name in problems)
        body.append(note("warn", f"The {names} could not be read.", [" The answers are without it."], extra="mb-2"))
    change = advice.change
    if change is not None:
        words: list[Part] = [
            ": ", strong(foreign(change.answer.cluster.title)), " · ", foreign(change.answer.queue), " ",
            "would start it now." if change.answer.verdict is Verdict.NOW else "could run it then.",
        ]  # fmt: skip
        asks = link(change.words, address(view, replace(change.request, user=None)))
        body.append(
            html.Div(
                [html.B("What would help most: ", className="fw-semibold"), asks, *words],
                className="ws-note ok mb-2 d-block",
            )
        )
    shown: list[Answer] = []
    left_out: list[Part] = []
    for verdict, most in LISTED.items():
        found = [one for one in advice.answers if one.verdict is verdict]
        listed = found if len(found) <= most + 1 else found[:most]
        shown += listed
        if more := found[len(listed) :]:
            left_out.append(html.Div([f"{len(more)} {MORE[verdict]}: ", *places_words(more), "."]))
    if advice.hopeless:
        by_why: dict[str, list[Answer]] = {}
        for one in advice.hopeless:
            by_why.setdefault("".join(str(word) for word in one.judged.why), []).append(one)
        for why, those in by_why.items():
            left_out.append(html.Div([*places_words(those), f": {why[0].lower()}{why[1:]}"]))
    if advice.unknown:
        left_out.append(html.Div(["Of ", ", ".join(one.title for one in advice.unknown), " nothing is known yet."]))
    greyed = " ws-stale-answers" if problems else ""
    body.append(html.Div(answer_rows(shown, view), className="ws-ans" + greyed))
    body.append(html.Div(left_out, className="ws-sub pt-2 border-top"))
    return body
