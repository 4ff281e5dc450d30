"""GET /data/nodes/<cluster>: what the node map draws, as one compact JSON value per report."""

from __future__ import annotations

import time
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from webstat.api.answers import answer
from webstat.api.asked import Asking
from webstat.data import nodemap, usage
from webstat.data.queries import places
from webstat.data.source import Source
from webstat.health import Cluster
from webstat.identity import Shade, shades
from webstat.past import look


def router() -> APIRouter:
    """The route; a cluster that is not there is 404."""
    routes = APIRouter()

    @routes.get("/data/nodes/{cluster}")
    def nodes(cluster: str, request: Request, source: Asking) -> Response:
        there, now = look(source, request.query_params, time.time())
        found = next((one for one in there.clusters() if one.name == cluster), None)
        if found is None:
            return JSONResponse({"error": "no such cluster"}, 404)
        # Colours are those of the charts, whose names may change with the hours they show.
        key = ("nodes", found.name, found.report, usage.window(now)[1])
        return answer(request, there, key, lambda: _body(there, found, now))

    return routes


def _body(source: Source, cluster: Cluster, now: float) -> bytes:
    content: dict[str, Any] = {"cluster": cluster.name, "taken_at": cluster.taken_at}
    content |= nodemap.node_map(
        source.nodes(cluster),
        source.read(places.load_node_jobs, cluster.id or 0, stamp=cluster.report),
        source.read(places.load_placed_jobs, cluster.id or 0, stamp=cluster.report),
        _shades(source, cluster, now, "user"),
        _shades(source, cluster, now, "queue"),
    )
    return orjson.dumps(content)


def _shades(source: Source, cluster: Cluster, now: float, by: str) -> dict[str, Shade]:
    used = source.usage(cluster, now, by)
    return shades([str(name) for name in used.holders.columns], source.hues(now, by))
