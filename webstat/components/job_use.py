"""What a job uses of what it asked for: numbers, bars, what stands out, its cost, and what its owner could gain."""

from __future__ import annotations

from dash import html

from webstat import efficiency
from webstat.answers.smaller import like
from webstat.components import smaller
from webstat.components.cards import note
from webstat.components.job import use_row, use_table
from webstat.components.text import Part
from webstat.data import people
from webstat.data.one import Known
from webstat.data.use import Use, use
from webstat.format import duration, hours, memory, number
from webstat.view import View


def section(view: View, known: Known, heading: type) -> list[Part]:
    """Title, table, findings and cost; empty for a job that never ran."""
    used = use(known.job, known.stretches, known.at)
    if used is None:
        return []
    record = known.job.record
    title = heading(
        "Did it use what it asked for?" if known.over else "Does it use what it asked for?", className="ws-q mb-1"
    )
    cost = html.Div(_cost(used, record.gpus, known, view), className="ws-sub mt-1")
    if view.at is not None and not known.over:
        return [title, html.P("What it had used by then is not kept.", className="mb-1"), cost]
    if used.young and not known.over:
        words = f"It has run for {duration(used.walltime_used_seconds)}; what it uses is told after {duration(efficiency.YOUNG)}."
        return [title, html.P(words, className="mb-1"), cost]
    busy = (
        "–"
        if used.cores_busy is None
        else f"{used.cores_busy:.1f}"
        if used.cores_busy < 99.95
        else number(used.cores_busy)
    )
    efficient = html.Span(
        "CPU efficiency", className="ws-def ws-sub", title="CPU time used, divided by cores × walltime used", tabIndex=0
    )
    rows = [
        use_row(["Cores ", efficient], number(record.cores), busy, used.cores_share, used.cores_odd),
        use_row(
            "Memory, peak",
            memory(record.memory_bytes),
            memory(record.memory_used_bytes),
            used.memory_share,
            used.memory_odd,
        ),
        use_row(
            "Walltime", duration(record.walltime_seconds), duration(used.walltime_used_seconds), used.walltime_share
        ),
    ]
    if record.gpus:
        rows.insert(1, use_row("GPUs", number(record.gpus), "–", None))
    table = use_table(rows, "asked", "used", "What the job asked for and what it uses")
    return [title, table, *_findings(known, used), *_less(view, known, used), cost]


def _findings(known: Known, used: Use) -> list[Part]:
    record = known.job.record
    untold: list[Part] = []
    if used.cores_share is None and record.memory_used_bytes is None:
        untold = [html.P("The scheduler does not tell what its jobs use.", className="ws-sub mt-2 mb-1")]
    found = efficiency.findings(
        cores=record.cores,
        cpu_used_seconds=record.cpu_used_seconds,
        walltime_used_seconds=used.walltime_used_seconds,
        memory_bytes=record.memory_bytes,
        memory_used_bytes=record.memory_used_bytes,
        walltime_seconds=record.walltime_seconds,
        started_at=record.started_at,
        now=known.at,
        over=known.over,
        exit_status=record.exit_status,
    )
    warnings = [_then(one.words) if known.over else one.words for one in found if one.tone == "warn"]
    if not warnings:
        return untold
    first, *rest = warnings
    lines = [html.Div(f"{words}.") for words in rest]
    return [*untold, note("warn", f"{first}.", lines, "lightbulb", "mt-2 mb-2")]


def _less(view: View, known: Known, used: Use) -> list[Part]:
    """To the owner: what their jobs like this one used, and how long jobs waited that asked for that."""
    record = known.job.record
    if used.young or view.me is None or view.me != record.user:
        return []
    kinds = people.used(view.source, people.USER, view.me, view.now)[1]
    place = (known.cluster.name, record.queue, record.cores, record.walltime_seconds)
    return smaller.told(view, like(kinds, *place, used.walltime_used_seconds, used.cores_busy), this=True)


def _then(words: str) -> str:
    """A finding on a job that has ended."""
    for now, before in (("Keeps ", "Kept "), ("Uses ", "Used ")):
        if words.startswith(now):
            return before + words.removeprefix(now)
    return words


def _cost(used: Use, gpus: int, known: Known, view: View) -> str:
    words = f"{'Cost' if known.over else 'Cost so far'}: {hours(used.core_seconds)} core-hours"
    # What a job of a past moment had used by then is not kept.
    if used.idle_core_seconds and not used.young and (known.over or view.at is None):
        words += f", {hours(used.idle_core_seconds)} of them held idle"
    words += f" and {hours(gpus * used.ran_seconds)} GPU-hours" if gpus else ""
    if used.core_seconds_most is not None:
        words += f"; {hours(used.core_seconds_most)} core-hours if it runs to its limit"
    return f"{words}."
