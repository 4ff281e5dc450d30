"""What an address answers with before it is written down: columns, what is to be known of them, and which rows.

Who has the same rows already, but for the ages of their clusters, gets 304.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson
from fastapi import Request
from fastapi.responses import Response

from webstat.api.answers import answer_once
from webstat.api.v1.columns import COLUMNS, COUNTED_FROM_NOW, cells
from webstat.api.v1.formats import FORMATS, Written
from webstat.api.v1.words import Form
from webstat.data.source import Source


@dataclass(frozen=True)
class Look:
    """Who asks what: the store, the words of the address, the form of the answer; `now` is unix seconds."""

    source: Source
    words: Mapping[str, str]
    form: Form
    now: float


@dataclass(frozen=True)
class Sheet:
    """A table of lists or arrays by column: `name` is for files. Where `total` is told, the columns are the rows that the form asks for already."""

    name: str
    columns: Mapping[str, Any]
    meta: Mapping[str, Any]
    total: int | None = None

    def written(self, form: Form) -> Written:
        """The rows that are asked for, and what is to be known of them."""
        columns, total = self.columns, self.total
        if total is None:
            total = len(next(iter(columns.values())))
            columns = {name: values[form.offset : form.offset + form.limit] for name, values in columns.items()}
        written = {name: cells(name, values) for name, values in columns.items()}
        rows = len(next(iter(written.values())))
        paging = {"total": total, "offset": form.offset, "rows": rows}
        meaning = {name: COLUMNS[name].said for name in written}
        return Written(written, {**self.meta, **paging, "columns": meaning})


def columns_of(rows: Sequence[Mapping[str, Any]], names: Iterable[str]) -> dict[str, list[Any]]:
    """Rows as columns; None where a row has none."""
    return {name: [row.get(name) for row in rows] for name in names}


def respond(request: Request, sheet: Sheet, form: Form) -> Response:
    """The sheet as it is asked for; a part of it says so in its headers and in its name."""
    table = sheet.written(form)
    mark = f'W/"{_mark(table, form)}"'
    headers = {"ETag": mark, "Cache-Control": "private, no-cache"}
    if mark.removeprefix("W/") in _had(request):
        return Response(status_code=304, headers={**headers, "Vary": "Accept-Encoding"})
    total, rows = table.meta["total"], table.meta["rows"]
    answer = answer_once(request, FORMATS[form.format].write(table), FORMATS[form.format].media_type)
    part = "" if rows == total else f"-rows-{form.offset + 1}-to-{form.offset + rows}-of-{total}"
    kind = "inline" if form.format == "json" else "attachment"
    answer.headers.update(headers)
    answer.headers["Content-Disposition"] = f'{kind}; filename="webstat-{sheet.name}{part}.{form.format}"'
    answer.headers["X-Total-Count"] = str(total)
    places = {"prev": form.offset - form.limit if form.offset else None, "next": form.offset + form.limit}
    links = [
        f'<{_address(request, max(0, start), form.limit)}>; rel="{name}"'
        for name, start in places.items()
        if start is not None and start < total
    ]
    if links:
        answer.headers["Link"] = ", ".join(links)
    return answer


def _mark(table: Written, form: Form) -> str:
    """The same for the same rows in the same form: what is counted from the second of asking has no part in it."""
    columns = {name: values for name, values in table.columns.items() if name not in COUNTED_FROM_NOW}
    meta = {name: value for name, value in table.meta.items() if name not in ("at", "range", "clusters")}
    states = [(name, one["state"], one["report"]) for name, one in table.meta["clusters"].items()]
    content = orjson.dumps([form.format, columns, meta, states], option=orjson.OPT_NON_STR_KEYS)
    return hashlib.blake2b(content, digest_size=12).hexdigest()


def _had(request: Request) -> list[str]:
    """The marks of the answers that who asks has kept, weak or not."""
    return [mark.strip().removeprefix("W/") for mark in request.headers.get("if-none-match", "").split(",")]


def _address(request: Request, offset: int, limit: int) -> str:
    words = {**request.query_params, "offset": str(offset), "limit": str(limit)}
    return f"{request.url.path}?{urlencode(words)}"
