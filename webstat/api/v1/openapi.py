"""The description of the addresses for programs (OpenAPI 3.1): every word, every column, every refusal. Pure.

Where an answer is not what is said here, tests/webstat/api/test_v1_openapi.py fails: it asks every address by this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from webstat.api.v1.columns import COLUMNS, Kind
from webstat.api.v1.formats import FORMATS
from webstat.api.v1.refusals import PROBLEM
from webstat.api.v1.words import FORM, HISTORY, Word, Words
from webstat.data.explore.buckets import STEPS
from webstat.health import State

VERSION = "1"

_ABOUT = """Queues and use of all clusters, as they are, were at a moment, and over time. Read only.

- **How old?** `meta.clusters` says of each cluster its state, when its newest report was taken and how old that is; so does every row
  of what is now (`cluster_state`, `taken_at`, `age_seconds`).
- **Forms**: `format=json`, `csv`, `parquet` or `xlsx`. Times are ISO 8601 in UTC. What is not known is null or empty, never 0.
- **Pages**: `limit` and `offset`; `X-Total-Count` says how many rows there are, `Link` leads to the next ones.
- **Asked again**: send the `ETag` as `If-None-Match`, and 304 says that no row has changed since; ages do not count.
- **Refusals** have one shape, `application/problem+json`: 400 for what cannot be read, 404, 405, 503 where the store cannot be read.
  `problems` says in sentences what to write instead; nothing is passed over.
"""


class Described(Protocol):
    """What is described of a route."""

    @property
    def path(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def words(self) -> Words: ...
    @property
    def columns(self) -> tuple[str, ...]: ...
    @property
    def sometimes(self) -> tuple[str, ...]: ...
    @property
    def usual_limit(self) -> int: ...


def openapi(routes: Iterable[Described], prefix: str) -> dict[str, Any]:
    """The routes as an OpenAPI document."""
    paths = {prefix + route.path: {"get": _operation(route)} for route in routes}
    paths[f"{prefix}/history/all.zip"] = {"get": _archive()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "webstat", "version": VERSION, "description": _ABOUT},
        "tags": [
            {"name": "Now", "description": "As it is, or was at a moment (`at`)."},
            {
                "name": "History",
                "description": "Over any range, exact over jobs; from sums over months where there are very many.",
            },
        ],
        "paths": paths,
        "components": {
            "schemas": {"Problem": _PROBLEM, "Cluster": _CLUSTER, "NowMeta": _NOW_META, "HistoryMeta": _HISTORY_META},
            "responses": _REFUSALS,
        },
    }


def _operation(route: Described) -> dict[str, Any]:
    limits = f"Without `limit`, JSON has at most {route.usual_limit:,} rows."
    history = "range" in route.words
    files = {
        one.media_type.partition(";")[0]: {"schema": {"type": "string"} if name == "csv" else _BINARY}
        for name, one in FORMATS.items()
        if name != "json"
    }
    return {
        "summary": route.summary,
        "description": f"{route.summary}. {limits}",
        "tags": [_tag(route)],
        "operationId": route.path.strip("/").replace("/", "_").replace("-", "_"),
        "parameters": _parameters({**route.words, **FORM}),
        "responses": {
            "200": {
                "description": "The rows",
                "headers": {name: _HEADERS[name] for name in ("X-Total-Count", "Link", "ETag")},
                "content": {
                    "application/json": {"schema": _rows(route, "HistoryMeta" if history else "NowMeta")},
                    **files,
                },
            },
            "304": {
                "description": "The rows are those of If-None-Match still",
                "headers": {"ETag": _HEADERS["ETag"]},
            },
            **_REFUSED,
        },
    }


def _tag(route: Described) -> str:
    return "History" if route.path.startswith("/history") else "Now"


def _archive() -> dict[str, Any]:
    return {
        "summary": "Every table of a question as CSV, and what they are",
        "description": "One file with the tables of the history page, and a README.txt that says what their columns mean.",
        "tags": ["History"],
        "operationId": "history_all",
        "parameters": _parameters(HISTORY),
        "responses": {
            "200": {"description": "The files", "content": {"application/zip": {"schema": _BINARY}}},
            **_REFUSED,
        },
    }


def _parameters(words: Words) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "query",
            "description": f"{word.said[0].upper()}{word.said[1:]}, e.g. `{_written(word)}`",
            "required": False,
            # Not beside the schema: the page would fill in every example, and all words together ask nothing sensible.
            "schema": {**word.schema, "examples": [word.example]},
            **({"style": "form", "explode": False} if word.is_list else {}),
        }
        for name, word in words.items()
    ]


def _written(word: Word) -> str:
    return ",".join(word.example) if word.is_list else str(word.example)


_BINARY: dict[str, Any] = {"type": "string", "format": "binary"}

_KINDS: Mapping[Kind, dict[str, Any]] = {
    "time": {"type": ["string", "null"], "format": "date-time"},
    "text": {"type": ["string", "null"]},
    "whole": {"type": ["integer", "null"]},
    "number": {"type": ["number", "null"]},
    "flag": {"type": ["boolean", "null"]},
}


def _rows(route: Described, meta: str) -> dict[str, Any]:
    columns = {name: _column(name) for name in (*route.columns, *route.sometimes)}
    row = {"type": "object", "required": list(route.columns), "properties": columns, "additionalProperties": False}
    return _object(meta={"$ref": f"#/components/schemas/{meta}"}, rows={"type": "array", "items": row})


def _column(name: str) -> dict[str, Any]:
    column = COLUMNS[name]
    unit = {"x-unit": column.unit} if column.unit else {}
    return {**_KINDS[column.kind], "description": column.said, **unit}


def _object(optional: Mapping[str, Any] | None = None, **needed: Any) -> dict[str, Any]:
    properties = {**needed, **(optional or {})}
    return {"type": "object", "required": list(needed), "properties": properties, "additionalProperties": False}


def _said(kind: str | list[str], words: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "description": words, **more}


def _by_name(values: Mapping[str, Any], words: str) -> dict[str, Any]:
    return {"type": "object", "description": words, "additionalProperties": values}


_TIME = {"type": "string", "format": "date-time"}
_TIME_IF_KNOWN = {"type": ["string", "null"], "format": "date-time"}
_NUMBERS = {"type": ["object", "null"], "additionalProperties": {"type": ["number", "null"]}}
_TEXT = {"type": "string"}
_RANGE = _object(since=_TIME, until=_TIME)

_CLUSTER = _object(
    state=_said("string", "How well it is known", enum=[state.value for state in State]),
    report=_said("integer", "Number of its newest report; 0 before the first"),
    taken_at={**_TIME_IF_KNOWN, "description": "When that was taken"},
    age_seconds=_said(["number", "null"], "How old that is"),
    partial={"type": "array", "items": {"type": "string"}, "description": "What of it is incomplete"},
)

_ALWAYS = {
    "clusters": _by_name({"$ref": "#/components/schemas/Cluster"}, "How well each cluster is known, by its name"),
    "resolution": _said("string", "How exact the rows are"),
    "total": _said("integer", "Rows in all"),
    "offset": _said("integer", "Rows left out before the first"),
    "rows": _said("integer", "Rows in this answer"),
    "columns": _by_name({"type": "string"}, "What each column means"),
}

_RESTS_ON = _object(
    cores_held=_said("integer", "Cores of jobs that run"),
    cores_without_end=_said("integer", "Those of jobs without a walltime, or without a start: they never become free"),
    cores_overdue=_said("integer", "Those of jobs over their walltime: they are not counted on"),
    cores_by_walltime_only=_said("integer", "Those of jobs of which nothing but the walltime is known"),
    jobs_tried=_said("integer", "Jobs of past moments for which it was tried how well this holds"),
    ended_by_50=_said(["number", "null"], "Which share had ended by their 50 % time"),
    ended_by_90=_said(["number", "null"], "Which share had ended by their 90 % time"),
    likely_held=_said(["number", "null"], "At which share of past moments cores_likely cores were free"),
)

_NOW_META = _object(
    {
        "rests_on": _by_name(_RESTS_ON, "What the rows of each cluster rest on, and how well it held"),
        "properties_left_out": _by_name(
            {"type": "integer"}, "Of clusters with very many kinds of node, how many are not told"
        ),
        "step_seconds": _said("integer", "Length of a bucket"),
        "by": _said("string", "What it is divided by"),
        "request": _said("string", "The job that is asked for, in words"),
        "change": {
            "description": "The one change of it that would help most, and where; null where none changes a verdict, or none is needed",
            "anyOf": [
                {"type": "null"},
                _object(says=_TEXT, cluster=_TEXT, queue=_TEXT, verdict=_TEXT),
            ],
        },
    },
    at={**_TIME, "description": "The moment that is told of"},
    **_ALWAYS,
)

_HISTORY_META = _object(
    {
        "at": {**_TIME, "description": "The moment that the range ends at"},
        "metric": _said("string", "What value is"),
        "unit": _said("string", "Its unit"),
        "by": _said(["string", "null"], "What it is divided by"),
        "of": _said("string", "What jobs are mixed of"),
        "compared": {
            "description": "The period before; told is whether enough of it is known",
            "anyOf": [
                {"type": "null"},
                _object(since=_TIME, until=_TIME, known={"type": "number"}, told={"type": "boolean"}),
            ],
        },
        "all": {**_NUMBERS, "description": "The same over all keys"},
        "all_before": {**_NUMBERS, "description": "The same of the period before"},
        "event": _said("string", "What the jobs did in the range"),
        "sort": _said("string", "By what they are sorted"),
        "core_hours": _said("number", "Of all these jobs, within the range"),
        "no_longer_kept": {
            "type": "array",
            "description": "Clusters of whose jobs some are not kept one by one any longer",
            "items": _object(title={"type": "string"}, ended_before=_TIME),
        },
    },
    range={**_RANGE, "description": "What the rows are of"},
    zone=_said("string", "By which buckets begin"),
    filters=_by_name({"type": "array", "items": {"type": "string"}}, "Which jobs are counted"),
    step=_said("string", "Length of a bucket", enum=list(STEPS)),
    exact=_said("boolean", "Whether jobs were counted one by one"),
    known_until=_by_name(_TIME_IF_KNOWN, "Until when each cluster is known"),
    gaps={
        "type": "array",
        "description": "Stretches of which the jobs of a cluster are not known",
        "items": _object(cluster={"type": "string"}, since=_TIME, until=_TIME),
    },
    **_ALWAYS,
)

_PROBLEM = {
    **_object(
        status=_said("integer", "The HTTP status again"),
        title=_said("string", "Its name"),
        detail=_said("string", "All problems as one text"),
        problems={
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "description": "What to do, in sentences",
        },
    ),
    "description": "Every refusal: RFC 9457",
}

_HEADERS: dict[str, Any] = {
    "Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer"}, "required": True},
    "X-Total-Count": {"description": "Rows in all", "schema": {"type": "integer"}, "required": True},
    "Link": {"description": "Addresses of the rows before and after: prev and next", "schema": {"type": "string"}},
    "ETag": {"description": "For If-None-Match", "schema": {"type": "string"}, "required": True},
}


def _refusal(said: str, status: int, title: str, problem: str, **headers: Any) -> dict[str, Any]:
    example = {"status": status, "title": title, "detail": problem, "problems": [problem]}
    return {
        "description": said,
        **({"headers": headers} if headers else {}),
        "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}},
    }


_REFUSALS = {
    "Unread": _refusal(
        "A word that cannot be read, or a moment that has not come",
        400,
        "Bad Request",
        "There is no word 'usr' here. There are: cluster, at, format, limit, offset.",
    ),
    "Unknown": _refusal(
        "Where webstat is not open to all: nobody is signed in, or the token is not known",
        401,
        "Unauthorized",
        "Sign in first, or send a token: Authorization: Bearer ….",
    ),
    "Forbidden": _refusal("Who asks may not see this", 403, "Forbidden", "This token has no scope to read."),
    "TooMany": _refusal(
        "More files than may be taken in a minute",
        429,
        "Too Many Requests",
        "Too many: 30 files a minute may be taken; the next in 20 s.",
        **{"Retry-After": _HEADERS["Retry-After"]},
    ),
    "NoStore": _refusal(
        "The store cannot be read",
        503,
        "Service Unavailable",
        "The store could not be read: unable to open database file.",
        **{"Retry-After": _HEADERS["Retry-After"]},
    ),
}

_REFUSED = {
    "400": {"$ref": "#/components/responses/Unread"},
    "401": {"$ref": "#/components/responses/Unknown"},
    "403": {"$ref": "#/components/responses/Forbidden"},
    "429": {"$ref": "#/components/responses/TooMany"},
    "503": {"$ref": "#/components/responses/NoStore"},
}
