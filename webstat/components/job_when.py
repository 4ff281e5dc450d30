"""A job in time: the bar of what it waited, ran and has left, and its life step by step."""

from __future__ import annotations

from dash import html

from webstat.addresses import cluster_page
from webstat.answers.forecast import Forecast, NotForetold, foretell, past_of
from webstat.components.job import joined
from webstat.components.text import Part, age, clock, link, strong, until
from webstat.data.one import HELD, RAN, SUSPENDED, UNKNOWN, WAITED, Known, Step, ends_by, steps, sums
from webstat.data.queries.one import load_ahead
from webstat.exits import exit_words
from webstat.format import NBSP, duration, plural, range_words
from webstat.view import View

_LOOKS = {
    WAITED: ("b-wait", "waited"),
    HELD: ("b-held", "held"),
    RAN: ("b-run", "ran"),
    SUSPENDED: ("b-off", "suspended"),
    UNKNOWN: ("b-unk", "not known"),
}


def section(view: View, known: Known, heading: type, reason: str) -> list[Part]:
    """Title, bar and steps; `reason` is the kind of why it waits, if it does."""
    life, left_out = steps(known.job, known.stretches)
    counts_from = next((step.at for step in life if step.what == "eligible"), known.job.submitted_at)
    items = [html.Li(_step(step, counts_from, known, view), className="done") for step in life]
    if left_out:
        items.insert(4, html.Li(html.Span(f"{plural(left_out, 'step')} more", className="ws-sub"), className="done"))
    items += [html.Li(parts, className="todo") for parts in _to_come(known, view, reason)]
    title = "When will it start?" if known.pending else "When?"
    return [heading(title, className="ws-q mb-2"), *_bar(known), html.Ol(items, className="ws-steps")]


def _bar(known: Known) -> list[Part]:
    parts = [(*_LOOKS[what], seconds) for what, seconds in sums(known.stretches).items()]
    limit = ends_by(known.job, known.stretches)
    if limit is not None and limit > min(known.at, known.job.until):
        parts.append(("b-free", "not needed" if known.over else "left", limit - min(known.at, known.job.until)))
    parts = [part for part in parts if part[2] >= 1]
    whole = sum(seconds for *_, seconds in parts)
    if not whole:
        return []
    said = [
        f"{duration(seconds)} {word}" if word in ("left", "not needed") else f"{word} {duration(seconds)}"
        for _, word, seconds in parts
    ]
    pieces = [html.I(className=look, style={"width": f"{seconds / whole:.2%}"}) for look, _, seconds in parts]
    label = ", ".join(said)
    under = [
        html.Span(
            [html.I(className=f"ws-key {look}", **{"aria-hidden": "true"}), word],
            style={"flex": f"{seconds / whole:.3f} 1 0"},
        )
        for (look, _, seconds), word in zip(parts, said, strict=True)
    ]
    return [
        html.Div(pieces, className="ws-bar", style={"height": "10px"}, role="img", **{"aria-label": label}),
        html.Div(under, className="ws-under ws-sub mt-1 mb-3"),
    ]


_STEPS = {
    "submitted": "Submitted",
    "eligible": "Eligible",
    "released": "Released",
    "started": "Started",
    "resumed": "Resumed",
    "requeued": "Queued again",
    "restarted": "Started again",
    "held": "Held",
    "suspended": "Suspended",
    "unknown": "Not listed",
    "ended": "Ended",
}


def _step(step: Step, counts_from: float, known: Known, view: View) -> list[Part]:
    lines: list[Part] = [strong(_STEPS[step.what]), " ", clock(step.at, view)]
    below = _below(step, counts_from, known, view)
    return [*lines, html.Div(below, className="ws-sub ws-wrap")] if below else lines


def _below(step: Step, counts_from: float, known: Known, view: View) -> list[Part]:
    """What is said under a step; the wait is counted from when the job became eligible, where that is told."""
    record = known.job.record
    goes_on = step.until is not None and step.until >= known.at and not known.over and not known.stale
    if step.what == "eligible" or (step.what == "submitted" and counts_from == step.at):
        return _waited(step.at, known, view)
    if step.what in ("started", "restarted"):
        return [
            f"on {plural(record.nodes, 'node')}, {plural(record.cores, 'core')}"
            if record.nodes
            else plural(record.cores, "core")
        ]
    if step.what in ("held", "suspended", "unknown", "requeued") and step.until is not None:
        return [
            "for ",
            age(step.at, view) if goes_on else duration(step.until - step.at),
            " so far" if goes_on else "",
        ]
    if step.what == "ended":
        return _ending(known, view)
    return []


def _waited(since: float, known: Known, view: View) -> list[Part]:
    began = next((one.since for one in known.stretches if one.what == RAN), known.job.record.started_at)
    if began is not None:
        return [f"waited {duration(began - since)}"]
    if known.over:
        return [f"waited {duration(known.job.until - since)} and never started"]
    if known.stretches and not any(one.what == WAITED for one in known.stretches):
        return []  # it has been held all the time, as the next step says
    if known.stale:
        return [f"had waited {duration(known.at - since)}"]
    return ["waited ", age(since, view), " so far"]


def _ending(known: Known, view: View) -> list[Part]:
    record, cluster = known.job.record, known.cluster
    ran = record.started_at is not None
    words: list[Part] = (
        [exit_words(record.exit_status, cluster.scheduler_kind)] if ran or record.exit_status is not None else []
    )
    if known.job.ended_estimated and known.job.ended_at is not None:
        before, after = known.ended_between
        if before is not None and after is not None:
            words.append(["estimated, between the reports of ", clock(before, view), " and ", clock(after, view)])
        else:
            words.append("estimated: the scheduler does not say when")
    return joined(words)


def _to_come(known: Known, view: View, reason: str) -> list[list[Part]]:
    """What lies before a job that lives."""
    if known.over or known.job.state in ("unknown", "exiting"):
        return []
    if known.pending:
        return _start_to_come(known, view, reason)
    limit = ends_by(known.job, known.stretches)
    if limit is None:
        return [[strong("End not known"), _under("no walltime is told that would end it")]]
    if limit < known.at:
        over = duration(known.at - limit)
        return [[strong(["Was to end by ", clock(limit, view)]), _under(f"its walltime is over since {over}")]]
    ends: list[Part] = [strong(["Ends by ", clock(limit, view)])]
    if not known.stale:
        ends += [", in ", until(limit, view), " at the latest"]
    return [[*ends, _under(f"start + {duration(known.job.record.walltime_seconds)} of walltime")]]


def _start_to_come(known: Known, view: View, reason: str) -> list[list[Part]]:
    """The scheduler's estimate, our own range beside it, and how many jobs are ahead."""
    foretold, limit = known.job.record.estimated_start_at, known.job.record.walltime_seconds
    own = _own_range(known, view, reason)
    lacks = "" if foretold is not None else "; the scheduler gives no estimate"
    if isinstance(own, NotForetold):
        ours = [strong("Start not foretold"), _under(f"{own.why}{lacks}")]
    else:
        ours = [strong(range_words(own.p50_seconds, own.p90_seconds)), _under([*_rests_on(own, known), lacks])]
    found: list[list[Part]] = [ours]
    if foretold is not None:
        says = "the scheduler’s own estimate" + (", which has passed" if foretold < known.at else "")
        found.insert(0, [strong(["Starts about ", clock(foretold, view)]), _under(says)])
    if limit is not None and foretold is not None and foretold >= known.at:
        found.append(
            [
                strong(["Ends by ", clock(foretold + limit, view)]),
                _under(f"if it starts as the scheduler says: start + {duration(limit)} of walltime"),
            ]
        )
    ahead = view.source.read(load_ahead, known.cluster.id, known.job.row, stamp=known.cluster.report)
    if ahead is not None:
        words = f"{plural(ahead, 'job')} ahead" if ahead else "No job ahead"
        found.insert(0, [strong(words), _under("queued for longer in its queue")])
    return found


def _own_range(known: Known, view: View, reason: str) -> Forecast | NotForetold:
    """What similar past jobs tell of its start."""
    record, cluster = known.job.record, known.cluster
    if known.stale:
        return NotForetold("its cluster does not answer")
    since = known.job.submitted_at if record.eligible_at is None else record.eligible_at
    return foretell(
        past_of(view.source, cluster),
        queue=record.queue,
        cores=record.cores,
        gpus=record.gpus,
        walltime_seconds=record.walltime_seconds,
        now=known.at,
        waited_seconds=max(0.0, known.at - since),
        reason=reason,
    )


def _rests_on(own: Forecast, known: Known) -> list[Part]:
    """`half and 90 % of 916 similar jobs, 30 d (of its size); such answers held for 89 of 100`."""
    what = "recalibrated, from" if own.recalibrated else f"half and 90{NBSP}% of"
    words: list[Part] = [f"{what} {plural(own.similar, 'similar job')}, {own.days}{NBSP}d ({own.like})"]
    if own.held is not None:
        held = link(f"such answers held for {own.held * 100:.0f} of 100", f"{cluster_page(known.cluster.name)}#q-held")
        words += ["; ", held]
    return words


def _under(words: Part) -> html.Div:
    return html.Div(words, className="ws-sub")
