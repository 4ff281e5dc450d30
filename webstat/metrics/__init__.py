"""What /metrics tells Prometheus: facts.py of the clusters and their store, activity.py of this process.

Of people nothing is told: labels are clusters, queues, states, outcomes and routes, each of a bounded number.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from collector.settings import WebSettings
from webstat.access.networks import is_among, read_networks

FORWARDED = ("forwarded", "via", "x-real-ip", "x-forwarded-host")
"""What a proxy adds besides X-Forwarded-For: such a request comes from whom nobody here knows."""


def answer(registry: CollectorRegistry, web: WebSettings, request: Request) -> Response:
    """Everything that is measured, to who may have it; 403 to others."""
    if not may_ask(web, request):
        words = "metrics are for the addresses in [web] metrics_from, asked for directly and not through a proxy\n"
        return PlainTextResponse(words, 403)
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(generate_latest(registry), headers=headers, media_type=CONTENT_TYPE_PLAIN_0_0_4)


def may_ask(web: WebSettings, request: Request) -> bool:
    """Whether a request comes from [web] metrics_from, each proxy's word for it included."""
    if request.client is None or any(name in request.headers for name in FORWARDED):
        return False
    told = [part.strip() for line in request.headers.getlist("x-forwarded-for") for part in line.split(",")]
    return all(is_among(address, read_networks(web.metrics_from)) for address in (request.client.host, *told))
