"""Pages as plain text and as JSON, for terminals and programs: /cluster/<name>.txt, /clusters.txt, and .json of both.

What they say is twins.py's.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response

from agent.report import Report
from agent.tables import make_table, render_table, table_to_json
from webstat import twins
from webstat.answers.advise import advise
from webstat.answers.future import future
from webstat.answers.request import WORDS, read_request
from webstat.api.answers import answer_once
from webstat.api.asked import Asking
from webstat.cache import Memory
from webstat.data import frames
from webstat.data.queries.report import load_report, load_report_counted
from webstat.data.readings import readings
from webstat.data.source import Past, Source
from webstat.health import Cluster, health
from webstat.past import how_exact, look
from webstat.privacy import SAYS

TEXT = "text/plain; charset=utf-8"
NARROWEST, WIDEST = 40, 1000

_Made = dict[str, bytes]
"""A cluster's tables by name, as they are sent."""


def router() -> APIRouter:
    """The routes; the tables of the newest reports are made once per report and width."""
    routes = APIRouter()
    # Megabytes each: few are kept, and not among the results of pages.
    made = Memory(size=16)

    @routes.get("/clusters.txt")
    def clusters_text(request: Request, source: Asking) -> Response:
        there, now = look(source, request.query_params, time.time())
        width = _width(request)
        if isinstance(width, str):
            return _refused(request, 400, width)
        table = render_table(twins.clusters_table(_counted(there, now), now), width)
        lines = [
            *seen_lines(there),
            *moment_lines(there, there.clusters(), _zone(source)),
            table,
            *_advice(there, request, now, width),
        ]
        return answer_once(request, ("\n".join(lines) + "\n").encode("utf-8", "replace"), TEXT)

    @routes.get("/clusters.json")
    def clusters_json(request: Request, source: Asking) -> Response:
        there, now = look(source, request.query_params, time.time())
        listed = [
            twins.about(cluster, known, now) | (twins.counts(capacity, jobs) if capacity and jobs else {})
            for cluster, known, capacity, jobs in _counted(there, now)
        ]
        return answer_once(request, orjson.dumps(_moment_json(there) | {"clusters": listed}))

    @routes.get("/cluster/{name}.txt")
    def cluster_text(name: str, request: Request, source: Asking) -> Response:
        there, now = look(source, request.query_params, time.time())
        found = _asked(source, there, name, request)
        if isinstance(found, Response):
            return found
        cluster, names, width = found
        zone = _zone(source)

        def make() -> _Made:
            tables = {one: twins.table_in(one, report, zone) for one, report in _reports(there, cluster)}
            return {one: render_table(table, width).encode("utf-8", "replace") for one, table in tables.items()}

        texts = made.get(("text", there.veil, cluster.id, cluster.report, width, _at(there)), make)
        lines = [
            *seen_lines(there),
            *moment_lines(there, [cluster], zone),
            *_head(there, cluster, names == twins.TABLES, zone, now),
        ]
        parts = ["\n".join(lines).encode("utf-8", "replace"), *(texts[one] for one in names if one in texts)]
        if len(names) > 1:
            parts[1:] = [one.upper().encode() + b"\n" + text for one, text in zip(names, parts[1:], strict=False)]
        return answer_once(request, b"\n\n".join(parts) + b"\n", TEXT)

    @routes.get("/cluster/{name}.json")
    def cluster_json(name: str, request: Request, source: Asking) -> Response:
        there, now = look(source, request.query_params, time.time())
        found = _asked(source, there, name, request)
        if isinstance(found, Response):
            return found
        cluster, names, _ = found

        def make() -> _Made:
            return {
                one: orjson.dumps(table_to_json(make_table(one, report), report)["rows"])
                for one, report in _reports(there, cluster)
            }

        rows = made.get(("json", there.veil, cluster.id, cluster.report, _at(there)), make)
        head = _moment_json(there) | _head_json(there, cluster, now)
        head["tables"] = {one: orjson.Fragment(rows[one]) for one in names if one in rows}
        return answer_once(request, orjson.dumps(head))

    return routes


def _advice(there: Source, request: Request, now: float, width: int | None) -> list[str]:
    """Where the job could run that the address asks for; nothing where it asks for none, or for a past moment."""
    if isinstance(there, Past) or not any(request.query_params.get(word) for word in WORDS):
        return []
    wish, problems = read_request(request.query_params)
    lines = [f"{name} cannot be read: {hint}." for name, hint in problems.items()]
    return ["", *lines, *twins.advice_text(advise(there, wish, now), now, width)]


def _reports(there: Source, cluster: Cluster) -> list[tuple[str, Report]]:
    """The tables of a cluster's newest report with that report: of some only with the jobs that may be listed."""
    listed = there.ask(load_report, cluster.id or 0)
    counted = listed if there.veil is None else there.ask(load_report_counted, cluster.id or 0)
    if listed is None or counted is None:
        return []
    listed = twins.with_readings(listed, readings(there, cluster))
    return [(one, listed if one in twins.LISTS else counted) for one in twins.TABLES]


def _zone(source: Source) -> ZoneInfo:
    return ZoneInfo(source.settings.web.timezone or "UTC")


def _at(there: Source) -> int | None:
    return there.moment if isinstance(there, Past) else None


def moment_lines(there: Source, clusters: Sequence[Cluster], zone: ZoneInfo) -> list[str]:
    """The line that says which past moment is shown; none at the present."""
    if not isinstance(there, Past):
        return []
    known = [(cluster, then) for cluster in clusters if (then := there.then(cluster)) is not None]
    return [twins.moment_line(there.moment, how_exact(known, there.moment, zone), time.time())]


def _moment_json(there: Source) -> dict[str, Any]:
    sees = {} if there.veil is None else {"sees": there.veil.level}
    return {"at": there.moment, **sees} if isinstance(there, Past) else sees


def seen_lines(there: Source) -> list[str]:
    """What of other people is not told; no line where all is."""
    return [] if there.veil is None else [SAYS[there.veil.level].replace("’", "'")]


def _asked(
    source: Source, there: Source, name: str, request: Request
) -> tuple[Cluster, tuple[str, ...], int | None] | Response:
    """Which cluster, tables and width a request is for; or the answer that there is no such thing."""
    clusters = source.clusters()
    cluster = next((one for one in there.clusters() if one.name == name), None)
    if cluster is None and name in {one.name for one in clusters}:
        return _refused(request, 404, f"Nothing of {name} is known at that moment.")
    if cluster is None:
        return _refused(request, 404, twins.unknown("cluster", name, [one.name for one in clusters]))
    table = request.query_params.get("table")
    if table is not None and table not in twins.TABLES:
        return _refused(request, 400, twins.unknown("table", table, twins.TABLES))
    width = _width(request)
    if isinstance(width, str):
        return _refused(request, 400, width)
    return cluster, twins.TABLES if table is None else (table,), width


def _width(request: Request) -> int | str | None:
    """The columns of the asker's terminal, None where nothing is to be cut; else a sentence."""
    text = request.query_params.get("width")
    if text is None:
        return None
    if text.isascii() and text.isdigit() and NARROWEST <= int(text[:5]) <= WIDEST:
        return int(text)
    return f"width is a number of columns from {NARROWEST} to {WIDEST}, e.g. width=120."


def _refused(request: Request, status: int, sentence: str) -> Response:
    if request.url.path.endswith(".json"):
        return Response(orjson.dumps({"error": sentence}), status, media_type="application/json")
    return Response(sentence + "\n", status, media_type=TEXT)


def _counted(source: Source, now: float) -> list[twins.Counted]:
    def one(cluster: Cluster) -> twins.Counted:
        known = health(cluster, now)
        if not cluster.report:
            return cluster, known, None, None
        return cluster, known, source.capacity(cluster), frames.jobs(source.totals(cluster))

    return [one(cluster) for cluster in source.clusters()]


def _head(source: Source, cluster: Cluster, whole: bool, zone: ZoneInfo, now: float) -> list[str]:
    """The lines above the tables; above one table alone only how old it is, and which zone its times are in."""
    known = health(cluster, now)
    lines = [twins.first_line(cluster, known, now)]
    if whole and known.matter:
        lines.append(twins.says(known, now))
    if whole and cluster.report:
        lines.append(twins.totals(source.capacity(cluster), frames.jobs(source.totals(cluster)), known.stale))
    if whole and cluster.report and not known.stale and (found := future(source, cluster)) is not None:
        lines.append(twins.later(found, isinstance(source, Past)))
    if cluster.report:
        lines.append(twins.zone_line(zone, source.settings.web.timezone, now))
    return lines + (twins.warnings(cluster) if whole else [])


def _head_json(source: Source, cluster: Cluster, now: float) -> dict[str, Any]:
    known = health(cluster, now)
    head = twins.about(cluster, known, now)
    head["says"] = twins.says(known, now) or None
    if cluster.report:
        head["totals"] = twins.counts(source.capacity(cluster), frames.jobs(source.totals(cluster)))
    head["warnings"] = [{"source": one.source, "message": one.message} for one in cluster.warnings]
    head["partial"] = list(cluster.partial)
    return head
