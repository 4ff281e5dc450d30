"""What browsers and terminals ask for besides pages: data for tables and maps, search, text, CSV."""

from __future__ import annotations

from fastapi import APIRouter

from webstat.api import find, jobs, nodes, people, text
from webstat.api.v1 import docs
from webstat.api.v1 import routes as v1
from webstat.static import Assets


def router(assets: Assets) -> APIRouter:
    """Every route; what each answers is its module's business."""
    routes = APIRouter()
    routes.include_router(find.router())
    routes.include_router(jobs.router())
    routes.include_router(nodes.router())
    routes.include_router(text.router())
    routes.include_router(people.router())
    routes.include_router(v1.router())
    routes.include_router(docs.page(assets))
    return routes
