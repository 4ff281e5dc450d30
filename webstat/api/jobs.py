"""The jobs table's rows, counts and file: GET /data/jobs and GET /jobs.csv.

Which jobs and rows are meant by a question is data/jobsearch.py's and data/jobrows.py's.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import numpy as np
import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from webstat.answers.starts import starts
from webstat.api.answers import answer
from webstat.api.asked import Asking
from webstat.data import jobs
from webstat.data.jobrows import SORTS, Rows, flat_rows, folded_rows, sort_rows, window
from webstat.data.jobsearch import FACETS, GROUPS, Found, Query, facets, in_scope, near, search
from webstat.data.jobtable import SHOWN, TASKS, Table
from webstat.data.source import Source
from webstat.errors import NoMoment, WebError
from webstat.format import HOUR, iso, shorten
from webstat.health import Cluster, health, stamp
from webstat.past import look
from webstat.sheets import plain

ROWS, MOST_ROWS = 100, 500
MOST_ITEMS, LONGEST_TEXT = 500, 200
USUAL_SORT = "expected_at"

FILE_COLUMNS = tuple(column for column in SHOWN if column not in ("key", "kind", *TASKS))
USUAL_FILE = (
    "id", "name", "user", "group", "account", "project", "cluster", "queue", "state", "exit_status", "cores", "nodes",
    "gpus", "memory_bytes", "walltime_seconds", "submitted_at", "started_at", "ended_at", "walltime_used_seconds",
    "cpu_used_seconds", "memory_used_bytes", "waited_seconds", "ran_seconds", "expected_at", "expects", "why",
)  # fmt: skip

_AT_ONCE = 1000
"""Lines of a file that are made at a time."""


class Refused(Exception):
    """A question that cannot be answered, with the sentence that says what is expected."""


@dataclass(frozen=True)
class Asked:
    """What an address asks for; the order is a column and whether it is turned round."""

    query: Query
    sort: str
    descending: bool
    start: int
    rows: int
    unfolded: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def key(self) -> tuple[object, ...]:
        """The same as what can be remembered under."""
        names = tuple(sorted(self.query.names.items()))
        return (*self.query.words, names, self.sort, self.descending, self.start, self.rows, self.unfolded)


def router() -> APIRouter:
    """The two routes."""
    routes = APIRouter()

    @routes.get("/data/jobs")
    def data(request: Request, source: Asking) -> Response:
        def make() -> Response:
            asked = asked_of(request.query_params)
            there, now = look(source, request.query_params, time.time())
            clusters = there.clusters()
            # Ages are counted in the browser: an answer rests on the reports, on how they are judged, and on the hour.
            stamps = tuple((cluster.name, stamp(cluster, now)) for cluster in clusters)
            key = ("jobs", stamps, int(now // HOUR), *asked.key)
            return answer(request, there, key, lambda: _body(there, clusters, asked, now))

        return _or_refusal(make, lambda said, status: Response(orjson.dumps({"error": said}), status, media_type=JSON))

    @routes.get("/jobs.csv")
    def file(request: Request, source: Asking) -> Response:
        def make() -> Response:
            asked = asked_of(request.query_params)
            there, now = look(source, request.query_params, time.time())
            table = jobs.table(there, there.clusters(), now)
            rows = flat_rows(table, np.flatnonzero(search(table, asked.query).without()))
            form = "%Y-%m-%d" if there is source else "%Y-%m-%dT%H%M%SZ"
            name = f"webstat-jobs-{datetime.fromtimestamp(now, UTC):{form}}.csv"
            headers = {
                "Content-Disposition": f'attachment; filename="{name}"',
                "Cache-Control": "no-store",
                "X-Content-Type-Options": "nosniff",
            }
            return StreamingResponse(_lines(rows, asked), headers=headers, media_type="text/csv; charset=utf-8")

        return _or_refusal(make, lambda said, status: Response(said + "\n", status, media_type=TEXT))

    return routes


JSON, TEXT = "application/json", "text/plain; charset=utf-8"


def _or_refusal(make: Callable[[], Response], refuse: Callable[[str, int], Response]) -> Response:
    try:
        return make()
    except Refused as refused:
        return refuse(str(refused), 400)
    except NoMoment as error:
        return refuse(str(error), 400)
    except WebError as error:
        return refuse(f"The store cannot be read: {error}", 503)


# Questions


def asked_of(words: Mapping[str, str]) -> Asked:
    """What the words of an address ask of the table; raises Refused."""
    text = words.get("q", "")
    if len(text) > LONGEST_TEXT:
        raise Refused(f"q has at most {LONGEST_TEXT} characters, not {len(text)}.")
    names = {facet: items for facet in FACETS if (items := _items(words, facet))}
    _among("state", names.get("state", ()), GROUPS)
    sort = words.get("sort") or USUAL_SORT
    _among("sort", [sort.removeprefix("-")], SORTS)
    columns = _items(words, "columns")
    _among("columns", columns, FILE_COLUMNS)
    return Asked(
        Query(text, names),
        sort.removeprefix("-"),
        sort.startswith("-"),
        _number(words, "start", 0, 0, 10**9),
        _number(words, "rows", ROWS, 1, MOST_ROWS),
        _items(words, "open"),
        columns or USUAL_FILE,
    )


def _items(words: Mapping[str, str], name: str) -> tuple[str, ...]:
    items = tuple(unquote(item) for item in words.get(name, "").split(",") if item)
    if len(items) > MOST_ITEMS:
        raise Refused(f"{name} has at most {MOST_ITEMS} names, not {len(items):,}.")
    return items


def _among(name: str, items: Sequence[str], known: Sequence[str] | Mapping[str, Any]) -> None:
    for item in items:
        if item not in known:
            raise Refused(f"{name} is among {', '.join(known)}, not “{shorten(item, 40)}”.")


def _number(words: Mapping[str, str], name: str, usual: int, least: int, most: int) -> int:
    text = words.get(name, "")
    if not text:
        return usual
    if text.isascii() and text.isdigit() and least <= int(text[:12]) <= most:
        return int(text)
    raise Refused(f"{name} is a whole number from {least} to {most:,}, not “{shorten(text, 40)}”.")


# Answers


def _body(source: Source, clusters: Sequence[Cluster], asked: Asked, now: float) -> bytes:
    table = jobs.table(source, clusters, now)
    found = search(table, asked.query)
    matching = np.flatnonzero(found.without())
    rows = folded_rows(table, matching, asked.unfolded)
    order = sort_rows(rows, asked.sort, asked.descending)[asked.start : asked.start + asked.rows]
    return orjson.dumps(
        {
            "stamp": " ".join(f"{cluster.name}:{stamp(cluster, now)}" for cluster in clusters),
            "total": in_scope(found),
            "clusters": [
                {
                    "name": cluster.name,
                    "title": cluster.title,
                    "taken_at": cluster.taken_at,
                    "stale": health(cluster, now).stale,
                }
                for cluster in clusters
            ],
            "rows": len(rows),
            "jobs": len(matching),
            "arrays": rows.arrays,
            "tasks": rows.tasks,
            "sums": {name: int(table.columns[name][matching].sum()) for name in ("cores", "gpus")},
            "facets": facets(table, asked.query, found),
            "near": _near(table, asked.query, found) if not matching.size else None,
            "start": asked.start,
            "columns": {**window(rows, order), **starts(source, clusters, rows, order, now)},
        }
    )


def _near(table: Table, query: Query, found: Found) -> dict[str, Any] | None:
    one = near(table, query, found)
    return None if one is None else {"kind": one.kind, "name": one.name, "jobs": one.jobs}


def _lines(rows: Rows, asked: Asked) -> Iterator[str]:
    """A line for each job, tasks of arrays too, after one with the names of the columns."""
    order = sort_rows(rows, asked.sort, asked.descending)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(asked.columns)
    for start in range(0, max(1, len(order)), _AT_ONCE):
        columns = window(rows, order[start : start + _AT_ONCE], asked.columns)
        cells = [_cells(name, columns[name]) for name in asked.columns]
        writer.writerows(zip(*cells, strict=True))
        yield text.getvalue()
        text.seek(0)
        text.truncate()


def _cells(name: str, values: Sequence[str | int | None]) -> list[str | int]:
    if name.endswith("_at"):
        return ["" if value is None else iso(value) for value in values]  # type: ignore[arg-type]
    return ["" if value is None else value if isinstance(value, int) else plain(value) for value in values]
