"""The table of addresses under /api/v1, and how each is answered.

Work is done in a pool of threads, since the routes are plain functions.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from webstat.api.asked import Asking
from webstat.api.v1 import docs, everything, history, live
from webstat.api.v1.sheets import Look, Sheet, respond
from webstat.api.v1.words import HISTORY, JOBS_BEHIND, JOBS_NOW, LIVE, MIX, MOST_ROWS, Refused, Words, read_form

PREFIX = "/api/v1"


@dataclass(frozen=True)
class Route:
    """An address, what it answers, the words it takes, and the rows of JSON where no limit is told."""

    path: str
    summary: str
    words: Words
    make: Callable[[Look], Sheet]
    usual_limit: int = MOST_ROWS


ROUTES = (
    Route("/history", "A metric by bucket and key", HISTORY, history.series),
    Route("/history/totals", "Each key over the whole range", HISTORY, history.totals),
    Route("/history/week", "Utilisation by hour of the week", HISTORY, history.week),
    Route("/history/mix", "What jobs were mixed of: sizes, walltimes, end states", MIX, history.mix),
    Route("/history/waits", "Waits by cluster, queue and size", HISTORY, history.waits),
    Route("/history/nodes", "Nodes in and out of service by bucket", HISTORY, history.nodes),
    Route("/history/worst-nodes", "Nodes longest out of service", HISTORY, history.worst_nodes),
    Route("/history/jobs", "The jobs behind a range, one by one", JOBS_BEHIND, history.jobs, 1000),
    Route("/clusters", "Clusters as they are", LIVE, live.clusters),
    Route("/queues", "Queues as they are", LIVE, live.queues),
    Route("/nodes", "Nodes as they are", LIVE, live.nodes),
    Route("/jobs", "Jobs that live, or ended in the last 24 hours", JOBS_NOW, live.jobs, 1000),
    Route("/free", "Where there is room", LIVE, live.free),
)


def router() -> APIRouter:
    """All routes, and their description."""
    routes = APIRouter()
    for route in ROUTES:
        routes.add_api_route(PREFIX + route.path, _answer(route), methods=["GET"], include_in_schema=False)

    @routes.get(PREFIX + "/history/all.zip")
    def all_zip(request: Request, source: Asking) -> Response:
        try:
            words, form = read_form(request.query_params, HISTORY, MOST_ROWS)
            return everything.archive(Look(source, words, form, time.time()))
        except Refused as refused:
            return _refusal(refused)

    described = docs.openapi(ROUTES, PREFIX)

    @routes.get(PREFIX + "/openapi.json")
    def openapi() -> Response:
        return JSONResponse(described)

    return routes


def _answer(route: Route) -> Callable[..., Response]:
    def answer(request: Request, source: Asking) -> Response:
        try:
            words, form = read_form(request.query_params, route.words, route.usual_limit)
            return respond(request, route.make(Look(source, words, form, time.time())), form)
        except Refused as refused:
            return _refusal(refused)

    return answer


def _refusal(refused: Refused) -> Response:
    return JSONResponse({"problems": refused.problems}, 422)
