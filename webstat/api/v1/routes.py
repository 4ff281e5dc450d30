"""The table of addresses under /api/v1, and how each is answered.

Work is done in a pool of threads, since the routes are plain functions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match

from webstat.api.asked import Asking
from webstat.api.v1 import everything, forecasts, history, live, use
from webstat.api.v1.openapi import openapi
from webstat.api.v1.refusals import Address, refusal
from webstat.api.v1.sheets import Look, Sheet, respond
from webstat.api.v1.words import (
    CLUSTERS,
    DAY,
    FORECASTS,
    FREE,
    HISTORY,
    JOBS_BEHIND,
    JOBS_NOW,
    LIVE,
    MIX,
    MOST_ROWS,
    NODES,
    QUEUES,
    USAGE,
    WAITS,
    Words,
    read_form,
)
from webstat.data.explore import behind
from webstat.data.queries.now import load_clusters
from webstat.data.queries.store import known_schemas, load_revision
from webstat.data.source import Source
from webstat.errors import StoreBroken
from webstat.format import shorten

PREFIX = "/api/v1"

METHODS = ["GET", "HEAD"]
OTHERS = ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"]


@dataclass(frozen=True)
class Route:
    """An address, what it answers, the words it takes, its columns, and the rows of JSON where no limit is told.

    `sometimes` are columns that it has for some questions only.
    """

    path: str
    summary: str
    words: Words
    make: Callable[[Look], Sheet]
    columns: tuple[str, ...]
    usual_limit: int = MOST_ROWS
    sometimes: tuple[str, ...] = ()


ROUTES = (
    Route("/clusters", "Clusters as they are: state, age, capacity, jobs", CLUSTERS, live.clusters, live.CLUSTERS),
    Route("/queues", "Queues as they are: open or not, limits, jobs, waits", QUEUES, live.queues, live.QUEUES),
    Route("/nodes", "Nodes as they are", NODES, live.nodes, live.NODES),
    Route("/jobs", "Jobs that live, or ended in the last 24 hours", JOBS_NOW, live.jobs, live.JOBS, 1000),
    Route("/free", "Where there is room: by cluster, queue and kind of node", FREE, live.free, live.FREE),
    Route("/future", "What would be free when, before anything that waits starts", LIVE, live.future, live.FUTURE),
    Route("/forecasts", "How often forecasts of starts held", FORECASTS, forecasts.forecasts, forecasts.FORECASTS),
    Route("/waits", "How long jobs waited, by cluster, queue and size", WAITS, use.waits, use.WAITS),
    Route("/usage", "Core-hours by user, group, account, queue or cluster", USAGE, use.usage, use.USAGE),
    Route("/usage/day", "Cores in use over the 24 hours before, by quarters of an hour", DAY, use.day, use.DAY),
    Route("/history", "A metric by bucket and key", HISTORY, history.series, history.SERIES, sometimes=history.SPREAD),
    Route("/history/totals", "Each key over the whole range", HISTORY, history.totals, history.TOTALS),
    Route("/history/week", "Utilisation by hour of the week", HISTORY, history.week, history.WEEK),
    Route("/history/mix", "What jobs were mixed of: sizes, walltimes, end states", MIX, history.mix, history.MIX),
    Route("/history/waits", "Waits by cluster, queue and size", HISTORY, history.waits, history.WAITS),
    Route("/history/nodes", "Nodes in and out of service by bucket", HISTORY, history.nodes, history.NODES),
    Route("/history/worst-nodes", "Nodes longest out of service", HISTORY, history.worst_nodes, history.WORST_NODES),
    Route("/history/jobs", "The jobs behind a range, one by one", JOBS_BEHIND, history.jobs, behind.COLUMNS, 1000),
)


def router() -> APIRouter:
    """All routes, their description, and the refusal of what is none of them."""
    routes = APIRouter(route_class=Address, include_in_schema=False)
    for route in ROUTES:
        routes.add_api_route(PREFIX + route.path, _answer(route), methods=METHODS)

    @routes.api_route(PREFIX + "/history/all.zip", methods=METHODS)
    def all_zip(request: Request, source: Asking) -> Response:
        words, form = read_form(request.query_params, HISTORY, MOST_ROWS, form={})
        _check(source)
        return everything.archive(Look(source, words, form, time.time()))

    described = openapi(ROUTES, PREFIX)

    @routes.api_route(PREFIX + "/openapi.json", methods=METHODS)
    async def description() -> Response:
        return JSONResponse(described)

    known = tuple(routes.routes)

    async def unknown(request: Request) -> Response:
        return _unknown(request, known)

    for path in (PREFIX, PREFIX + "/{path:path}"):
        routes.add_api_route(path, unknown, methods=[*METHODS, *OTHERS])
    return routes


def _answer(route: Route) -> Callable[..., Response]:
    def answer(request: Request, source: Asking) -> Response:
        words, form = read_form(request.query_params, route.words, route.usual_limit)
        _check(source)
        return respond(request, route.make(Look(source, words, form, time.time())), form)

    return answer


def _check(source: Source) -> None:
    """Where the store is not there, or another version's, pages show clusters without a report; a program must be told.

    Raises StoreEmpty, StoreBroken.
    """
    head, revision = known_schemas()[0], source.ask(load_revision)
    if revision not in (None, head):
        raise StoreBroken(f"its schema is {revision}, this webstat reads {head}")
    source.ask(load_clusters)


def _unknown(request: Request, known: Sequence[BaseRoute]) -> Response:
    path, method = request.url.path, request.method
    if any(route.matches(request.scope)[0] is Match.PARTIAL for route in known):
        said = f"{method} is not answered here: addresses for programs only tell, by {' and '.join(METHODS)}."
        return refusal(405, [said], {"Allow": ", ".join(METHODS)})
    paths = ", ".join(PREFIX + route.path for route in ROUTES)
    return refusal(404, [f"There is no address {shorten(path, 80)!r}. There are: {paths}; /api/docs describes them."])
