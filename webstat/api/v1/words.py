"""What can be asked of an address, word by word, and the refusal of what cannot be read. Pure.

A word that is unknown, said twice or not understood is refused, never passed over: an answer to another question than
the one asked would be taken for the right one. What a word means beyond its form is checked by who answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from starlette.datastructures import QueryParams

from agent.states import NodeState
from webstat.api.jobs import FILE_COLUMNS
from webstat.api.v1.formats import FORMATS
from webstat.api.v1.refusals import Refused
from webstat.data.explore.behind import COLUMNS as JOB_COLUMNS
from webstat.data.explore.behind import read_number
from webstat.data.explore.buckets import STEPS
from webstat.data.explore.cut import CLASSES, NAMES
from webstat.data.explore.metrics import METRICS
from webstat.data.explore.question import ALL, CHARTS, MOST_SHOWN, RANGES, listed, read_moment
from webstat.data.jobsearch import GROUPS
from webstat.data.queries.history_jobs import EVENTS
from webstat.format import shorten
from webstat.health import State

JOB_NOW_COLUMNS = tuple(name for name in FILE_COLUMNS if name != "why_tone")
"""What is told of a job that lives or has just ended; jobs can be sorted by each of them."""

MOST_ROWS = 100_000
"""In one answer."""

MOST_EXCEL_ROWS = 20_000
"""The same as Excel, which takes seconds to write."""

MOST_ITEMS, LONGEST_TEXT = 500, 200
"""Names in a list, and characters of words that are searched for."""

_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})?)?"
AT = rf"^([0-9]{{1,12}}|{_DATE})$"
MOMENT = rf"^([0-9]{{9,11}}|{_DATE})$"


@dataclass(frozen=True)
class Word:
    """A word of an address: what it asks, how it is written (JSON Schema), and an example."""

    said: str
    schema: Mapping[str, Any]
    example: Any

    @property
    def is_list(self) -> bool:
        """Whether it names several things, divided by commas."""
        return self.schema["type"] == "array"


Words = Mapping[str, Word]
"""By name, as they are told."""


def _one(said: str, names: Iterable[str], usual: str | None = None, example: str | None = None) -> Word:
    schema = {"type": "string", "enum": list(names)} | ({} if usual is None else {"default": usual})
    return Word(said, schema, example or usual or schema["enum"][0])


def _several(several: str, example: str, known: Iterable[str] | None = None) -> Word:
    item = {"type": "string"} | ({"pattern": "^[^,]+$"} if known is None else {"enum": list(known)})
    schema = {"type": "array", "items": item, "minItems": 1, "maxItems": MOST_ITEMS}
    return Word(f"only these {several}, divided by commas", schema, [example])


def _number(said: str, least: int, most: int, usual: int | None = None, example: int | None = None) -> Word:
    schema = {"type": "integer", "minimum": least, "maximum": most}
    return Word(said, schema | ({} if usual is None else {"default": usual}), usual if example is None else example)


def _sorted_by(columns: Iterable[str], usual: str, said: str) -> Word:
    names = [f"{sign}{column}" for column in columns for sign in ("", "-")]
    return _one(f"a column, with - before it the largest first; {said} where not told", names, example=usual)


_EXAMPLES = {
    "cluster": "mercury", "user": "alice", "group": "physics", "account": "p123", "queue": "batch", "state": "failed",
    "size": "2-8", "walltime": "24h",
}  # fmt: skip

_CLUSTER = _several("clusters", _EXAMPLES["cluster"])

_FILTERS = {
    by: _several(several, _EXAMPLES[by], [word for word, _ in CLASSES[by].values()] if by in CLASSES else None)
    for by, (_, several) in NAMES.items()
}

FORM: Words = {
    "format": _one("how the rows are written", FORMATS, "json"),
    "limit": _number(f"most rows in the answer; as Excel at most {MOST_EXCEL_ROWS:,}", 1, MOST_ROWS, example=100),
    "offset": _number("rows to leave out before the first", 0, 10**9, 0),
}

_AT = Word(
    "as it was at that moment: unix seconds, a date, or a date with time, UTC where it names no zone; now where not told",
    {"type": "string", "pattern": AT},
    "2026-11-22T14:00",
)

_RANGE: Words = {
    "range": _one("how far back; 1y is 365 days, all is everything that is known", (*RANGES, ALL), "30d"),
    "from": Word(
        "instead of range: a date, a date with time, or unix seconds; where it begins",
        {"type": "string", "pattern": MOMENT},
        "2026-10-24",
    ),
    "to": Word(
        "the same; where it ends, which is not in the range", {"type": "string", "pattern": MOMENT}, "2026-11-22"
    ),
    "zone": Word(
        "time zone by which days begin and dates are read; UTC, or that of the site, where not told",
        {"type": "string", "minLength": 1, "maxLength": 64},
        "Europe/Berlin",
    ),
}

HISTORY: Words = {
    **_RANGE,
    "metric": _one("what is measured", METRICS, "core-hours"),
    "by": _one("what it is divided by", (*NAMES, "nothing"), "user"),
    "step": _one("buckets; one that fits the range where not told", STEPS, example="day"),
    "compare": _one("whether the period before is told too", ("yes", "no"), "yes"),
    **_FILTERS,
    "chart": _one("of the page, without meaning here: how it is drawn", CHARTS, "area"),
    "shown": _number("of the page, without meaning here: how many keys are drawn", 1, MOST_SHOWN, example=7),
}

MIX: Words = {"of": _one("what jobs are mixed of", CLASSES, "size"), **HISTORY}

JOBS_BEHIND: Words = {
    "event": _one("what the jobs did in the range", EVENTS, "lived"),
    "sort": _sorted_by(JOB_COLUMNS, "-core_hours", "-core_hours"),
    **HISTORY,
}

LIVE: Words = {"cluster": _CLUSTER, "at": _AT}

CLUSTERS: Words = {**LIVE, "state": _several("states", "live", [one.value for one in State])}

QUEUES: Words = {
    **LIVE,
    "queue": _several("queues", "batch"),
    "state": _several("states", "open", ("open", "stopped", "draining", "closed", "unknown")),
}

FORECASTS: Words = {**LIVE, "queue": QUEUES["queue"]}

NODES: Words = {
    **LIVE,
    "node": _several("nodes", "cn001"),
    "state": _several("states", "free", [one.value for one in NodeState]),
    "property": _several("properties of nodes, of which it has one", "gpu"),
}

FREE: Words = {
    **LIVE,
    "place": _several("kinds of places", "queue", ("cluster", "queue", "property")),
    "name": _several("names of clusters, queues or properties", "batch"),
}

JOBS_NOW: Words = {
    "q": Word(
        "words that must stand in a job's id, names or reason",
        {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT},
        "fold",
    ),
    "state": _several("states; those that live where not told", "running", GROUPS),
    **LIVE,
    **{name: _several(f"{name}s", _EXAMPLES[name]) for name in ("queue", "user", "group", "account")},
    "reason": _several("reasons why they wait, as its column says them", "Waits for free cores"),
    "sort": _sorted_by(JOB_NOW_COLUMNS, "expected_at", "the next to start or end first"),
}

WAITS: Words = {
    **LIVE,
    "range": _one("how far back from then; of the jobs that started in it", RANGES, "7d"),
    "zone": _RANGE["zone"],
    **{by: _FILTERS[by] for by in ("queue", "size", "user", "group", "account")},
}

USAGE: Words = {
    **LIVE,
    "range": _one("how far back from then", RANGES, "30d"),
    "zone": _RANGE["zone"],
    "by": _one("whose", ("user", "group", "account", "queue", "cluster"), "user"),
    **{by: _FILTERS[by] for by in ("user", "group", "account", "queue")},
}

DAY: Words = {
    **LIVE,
    "by": _one("what it is divided by", ("user", "group", "queue", "nothing"), "user"),
}


@dataclass(frozen=True)
class Form:
    """How an answer is to be written, and which of its rows."""

    format: str
    limit: int
    offset: int


def read_form(params: QueryParams, known: Words, usual_limit: int, form: Words = FORM) -> tuple[dict[str, str], Form]:
    """The words of a question, each said once, known and well written, and its form; `at` as unix seconds. Raises Refused."""
    problems = []
    allowed = {**known, **form}
    words = dict(params.multi_items())
    for name, text in words.items():
        said = len(params.getlist(name))
        if name not in allowed:
            problems.append(f"There is no word {shorten(name, 40)!r} here. There are: {', '.join(allowed)}.")
        elif said > 1:
            problems.append(f"{name} is said {said} times; say it once, several divided by commas.")
        elif problem := _misread(name, text, allowed[name]):
            problems.append(problem)
    written = words.get("format", "json")
    most = MOST_EXCEL_ROWS if written == "xlsx" else MOST_ROWS
    usual = usual_limit if written == "json" else most
    limit = read_number(words, "limit", usual, 1, most, problems)
    offset = read_number(words, "offset", 0, 0, 10**9, problems)
    if "at" in words and not problems:
        at = int(words["at"]) if words["at"].isdigit() else read_moment(words["at"], UTC)
        if at is None:
            problems.append(f"at={words['at']!r} is no moment that there is.")
        words["at"] = str(at)
    if problems:
        raise Refused(problems)
    return {name: text for name, text in words.items() if name not in FORM}, Form(written, limit, offset)


def _misread(name: str, text: str, word: Word) -> str | None:
    """What is wrong with a word by its schema; numbers are read_number()'s to check."""
    schema = word.schema
    if word.is_list:
        if "" in text.split(","):
            return f"{name} has a name that is empty; leave it out, or write e.g. {name}={','.join(word.example)}."
        items, known = listed(text), schema["items"].get("enum")
        strange = [item for item in items if known is not None and item not in known]
        if strange:
            return f"{name}={shorten(strange[0], 40)!r} is unknown; write one or more of {', '.join(known)}."
        if text.count(",") >= schema["maxItems"]:
            return f"{name} has at most {schema['maxItems']} names, not {text.count(',') + 1:,}."
        return None
    if "enum" in schema and text not in schema["enum"]:
        return f"{name}={shorten(text, 40)!r} is unknown; write one of {', '.join(schema['enum'])}."
    if "pattern" in schema and not re.fullmatch(schema["pattern"].strip("^$"), text, re.ASCII):
        return f"{name}={shorten(text, 40)!r} is no moment; write a date, a date with time, or unix seconds, e.g. {word.example}."
    if len(text) > schema.get("maxLength", len(text)):
        return f"{name} has at most {schema['maxLength']} characters, not {len(text):,}."
    if len(text) < schema.get("minLength", 0):
        return f"{name} is empty; leave it out, or write e.g. {word.example}."
    return None
