"""The description of the addresses for programs (OpenAPI 3.1), and the page that shows it to people, all served here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, Protocol

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from webstat.api.v1.columns import COLUMNS, Kind
from webstat.api.v1.formats import FORMATS
from webstat.api.v1.words import FORM, HISTORY, MOST_ROWS, Words
from webstat.static import Assets

VERSION = "1"

POLICY = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    ]
)

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>webstat: addresses for programs</title>
<link rel="icon" type="image/svg+xml" href="{icon}">
<link rel="stylesheet" href="{style}">
</head>
<body>
<main id="api" data-openapi="/api/v1/openapi.json"></main>
<noscript>The description for programs is at <a href="/api/v1/openapi.json">/api/v1/openapi.json</a>.</noscript>
<script src="{bundle}"></script>
<script src="{own}"></script>
</body>
</html>
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
    def usual_limit(self) -> int: ...


def page(assets: Assets) -> APIRouter:
    """GET /api/docs."""
    routes = APIRouter()
    body = PAGE.format(
        icon=escape(assets.url("favicon.svg")),
        style=escape(assets.url("vendor/swagger-ui.css")),
        bundle=escape(assets.url("vendor/swagger-ui-bundle.js")),
        own=escape(assets.url("api-docs.js")),
    )
    headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"}

    @routes.get("/api/docs", include_in_schema=False)
    def docs() -> Response:
        return HTMLResponse(body, headers={**headers, "Cache-Control": "no-cache"})

    return routes


def openapi(routes: Iterable[Described], prefix: str) -> dict[str, Any]:
    """The description of the routes as an OpenAPI document."""
    paths = {prefix + route.path: {"get": _operation(route)} for route in routes}
    paths[f"{prefix}/history/all.zip"] = {"get": _archive()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "webstat",
            "version": VERSION,
            "description": "Queues and usage of all clusters, now and over time. Times are ISO 8601 in UTC; unknown is null.",
        },
        "paths": paths,
        "components": {"schemas": {"Rows": _rows(), "Problems": _problems(), "Trouble": _trouble()}},
    }


def _operation(route: Described) -> dict[str, Any]:
    files = {
        one.media_type.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}}
        for name, one in FORMATS.items()
        if name != "json"
    }
    limits = f" Without limit JSON has {route.usual_limit:,} rows; Link leads to the next ones, X-Total-Count tells how many there are."
    return {
        "summary": route.summary,
        "description": route.summary + "." + limits,
        "tags": ["History" if route.path.startswith("/history") else "Now"],
        "operationId": route.path.strip("/").replace("/", "_").replace("-", "_"),
        "parameters": _parameters({**route.words, **FORM}),
        "responses": {
            "200": {
                "description": "The rows",
                "headers": {
                    "X-Total-Count": {"description": "Rows in all", "schema": {"type": "integer"}},
                    "Link": {"description": "prev and next", "schema": {"type": "string"}},
                },
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Rows"}}, **files},
            },
            **_REFUSALS,
        },
    }


def _archive() -> dict[str, Any]:
    return {
        "summary": "Every table of a question as CSV, and what they are",
        "tags": ["History"],
        "operationId": "history_all",
        "parameters": _parameters(HISTORY),
        "responses": {
            "200": {
                "description": "The files",
                "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
            },
            **_REFUSALS,
        },
    }


def _parameters(words: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "query", "description": said, "required": False, "schema": _SCHEMAS.get(name, _TEXT)}
        for name, said in words.items()
    ]


_TEXT: dict[str, Any] = {"type": "string"}

_SCHEMAS: dict[str, dict[str, Any]] = {
    "format": {"type": "string", "enum": list(FORMATS), "default": "json"},
    "limit": {"type": "integer", "minimum": 1, "maximum": MOST_ROWS},
    "offset": {"type": "integer", "minimum": 0, "maximum": 10**9},
}

_KINDS: dict[Kind, dict[str, Any]] = {
    "time": {"type": ["string", "null"], "format": "date-time"},
    "text": {"type": ["string", "null"]},
    "whole": {"type": ["integer", "null"]},
    "number": {"type": ["number", "null"]},
    "flag": {"type": ["boolean", "null"]},
}


def _rows() -> dict[str, Any]:
    columns = {name: {**_KINDS[column.kind], "description": column.words} for name, column in COLUMNS.items()}
    row = {"type": "object", "properties": columns, "additionalProperties": False}
    return {
        "type": "object",
        "required": ["meta", "rows"],
        "properties": {
            "meta": {"type": "object", "description": "what the rows rest on, how exact they are, until when known"},
            "rows": {"type": "array", "items": row},
        },
    }


def _problems() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["problems"],
        "properties": {"problems": {"type": "array", "items": {"type": "string"}}},
    }


def _trouble() -> dict[str, Any]:
    return {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}


def _refused(said: str, schema: str) -> dict[str, Any]:
    return {
        "description": said,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }


_REFUSALS = {
    "400": _refused("There is no such moment", "Trouble"),
    "422": _refused("A word that cannot be read, in sentences", "Problems"),
    "503": _refused("The store cannot be read", "Trouble"),
}
