"""What an address answers with before it is written down: columns, what is to be known of them, and which rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import Response

from webstat.api.answers import answer_once
from webstat.api.v1.columns import COLUMNS, cells
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
        meaning = {name: COLUMNS[name].words for name in written}
        return Written(written, {**self.meta, **paging, "columns": meaning})


def respond(request: Request, sheet: Sheet, form: Form) -> Response:
    """The sheet as it is asked for; a part of it says so in its headers and in its name."""
    table = sheet.written(form)
    total, rows = table.meta["total"], table.meta["rows"]
    answer = answer_once(request, FORMATS[form.format].write(table), FORMATS[form.format].media_type)
    part = "" if rows == total else f"-rows-{form.offset + 1}-to-{form.offset + rows}-of-{total}"
    kind = "inline" if form.format == "json" else "attachment"
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


def _address(request: Request, offset: int, limit: int) -> str:
    words = {**request.query_params, "offset": str(offset), "limit": str(limit)}
    return f"{request.url.path}?{urlencode(words)}"
