"""What can be asked of an address, word by word, and the refusal of what cannot be read. Pure.

A word that is unknown, said twice or not understood is refused, never passed over: an answer to another question than
the one asked would be taken for the right one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import QueryParams

from webstat.api.v1.formats import FORMATS
from webstat.data.explore.behind import COLUMNS as JOB_COLUMNS
from webstat.data.explore.behind import read_number
from webstat.data.explore.buckets import STEPS
from webstat.data.explore.cut import CLASSES, NAMES
from webstat.data.explore.metrics import METRICS
from webstat.data.explore.question import ALL, CHARTS, RANGES
from webstat.data.jobrows import SORTS
from webstat.data.jobsearch import GROUPS
from webstat.data.queries.history_jobs import EVENTS
from webstat.format import shorten

MOST_ROWS = 100_000
"""In one answer."""

MOST_EXCEL_ROWS = 20_000
"""The same as Excel, which takes seconds to write."""

Words = Mapping[str, str]
"""Word of an address -> what it asks."""

_FILTERS = {
    by: f"only these {several}, divided by commas"
    + (f": {', '.join(word for word, _ in CLASSES[by].values())}" if by in CLASSES else "")
    for by, (_, several) in NAMES.items()
}

FORM: Words = {
    "format": f"one of {', '.join(FORMATS)}; json where not told",
    "limit": f"most rows in the answer, at most {MOST_ROWS:,}, as Excel {MOST_EXCEL_ROWS:,}",
    "offset": "rows to leave out before the first",
}

HISTORY: Words = {
    "range": f"one of {', '.join((*RANGES, ALL))}; 30d where not told",
    "from": "instead of range: a date, a date with time, or unix seconds; the beginning",
    "to": "the same; the end, which is not in the range",
    "zone": "time zone by which days begin and dates are read, e.g. Europe/Berlin; UTC, or that of the site, where not told",
    "metric": f"one of {', '.join(METRICS)}",
    "by": f"what it is divided by: one of {', '.join((*NAMES, 'nothing'))}; user where not told",
    "step": f"buckets: one of {', '.join(STEPS)}; one that fits the range where not told",
    "compare": "no: leave out the period before",
    **_FILTERS,
    "chart": f"of the page: one of {', '.join(CHARTS)}",
    "shown": "of the page: how many keys are drawn",
}

MIX: Words = {"of": f"what jobs are mixed of: one of {', '.join(CLASSES)}; size where not told", **HISTORY}

JOBS_BEHIND: Words = {
    "event": f"what the jobs did in the range: one of {', '.join(EVENTS)}; lived where not told",
    "sort": f"a column, with - before it the largest first: {', '.join(JOB_COLUMNS)}; -core_hours where not told",
    **HISTORY,
}

LIVE: Words = {
    "cluster": "only these clusters, divided by commas",
    "at": "unix seconds: as it was at that moment",
}

JOBS_NOW: Words = {
    "q": "words that must stand in a job's id, names or reason",
    "state": f"only these states, divided by commas: {', '.join(GROUPS)}; those that live where not told",
    **LIVE,
    **{name: f"only these {name}s, divided by commas" for name in ("queue", "user", "group", "account", "reason")},
    "sort": f"a column, with - before it the largest first: {', '.join(SORTS)}; the next to start or end first where not told",
}


class Refused(Exception):
    """A question that cannot be answered; `problems` says why, in sentences."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Form:
    """How an answer is to be written, and which of its rows."""

    format: str
    limit: int
    offset: int


def read_form(params: QueryParams, known: Words, usual_limit: int) -> tuple[dict[str, str], Form]:
    """The words of a question, each said once and known, and its form; raises Refused."""
    problems = []
    allowed = {**known, **FORM}
    words = dict(params.multi_items())
    for name in words:
        if name not in allowed:
            problems.append(f"There is no word {shorten(name, 40)!r} here. There are: {', '.join(allowed)}.")
        elif len(params.getlist(name)) > 1:
            problems.append(
                f"{name} is said {len(params.getlist(name))} times; say it once, several divided by commas."
            )
    form = words.get("format", "json")
    if form not in FORMATS:
        problems.append(f"format={shorten(form, 40)!r} is unknown; write one of {', '.join(FORMATS)}.")
    most = MOST_EXCEL_ROWS if form == "xlsx" else MOST_ROWS
    usual = usual_limit if form == "json" else most
    limit = read_number(words, "limit", usual, 1, most, problems)
    offset = read_number(words, "offset", 0, 0, 10**9, problems)
    if problems:
        raise Refused(problems)
    return {name: text for name, text in words.items() if name not in FORM}, Form(form, limit, offset)
