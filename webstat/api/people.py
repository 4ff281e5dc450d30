"""Users and groups as plain text, for terminals: /user/<name>.txt and /group/<name>.txt.

What they say is twins.py's and answers/cost.py's. What asking for less would have meant is told on pages only, where it
is known who looks.
"""

from __future__ import annotations

import time
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import Response

from webstat import twins
from webstat.answers import cost
from webstat.api.answers import answer_once
from webstat.api.asked import Asking
from webstat.api.text import TEXT, moment_lines, seen_lines
from webstat.data import people
from webstat.data.people import DAYS, GROUP, USER
from webstat.data.source import Source
from webstat.health import health
from webstat.past import look


def router() -> APIRouter:
    """The two routes."""
    routes = APIRouter()

    @routes.get("/user/{name}.txt")
    def user_text(name: str, request: Request, source: Asking) -> Response:
        return _text(request, source, USER, name)

    @routes.get("/group/{name}.txt")
    def group_text(name: str, request: Request, source: Asking) -> Response:
        return _text(request, source, GROUP, name)

    return routes


def _text(request: Request, source: Source, by: str, name: str) -> Response:
    there, now = look(source, request.query_params, time.time())
    clusters = there.clusters()
    counted = [one for one in clusters if one.report and not health(one, now).stale]
    held = people.now_of([there.totals(one) for one in counted], by, name)
    without = [one.title for one in clusters if one.report and one not in counted]
    said = cost.sentences(people.used(there, by, name, now)[0], DAYS, {one.name: one.title for one in clusters})
    zone = ZoneInfo(source.settings.web.timezone or "UTC")
    lines = [
        *seen_lines(there),
        *moment_lines(there, clusters, zone),
        *twins.person(by, name, held.cores, held.jobs, without, said),
    ]
    return answer_once(request, ("\n".join(lines) + "\n").encode("utf-8", "replace"), TEXT)
