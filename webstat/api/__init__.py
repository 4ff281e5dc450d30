"""What browsers and terminals ask for besides pages: data for tables and maps, search, text, CSV."""

from __future__ import annotations

from fastapi import APIRouter

from webstat.api import find, jobs, nodes, text
from webstat.data.source import Source


def router(source: Source) -> APIRouter:
    """Every route; what each answers is its module's business."""
    routes = APIRouter()
    routes.include_router(find.router(source))
    routes.include_router(jobs.router(source))
    routes.include_router(nodes.router(source))
    routes.include_router(text.router(source))
    return routes
