"""What browsers and terminals ask for besides pages: data for tables and maps, search, text, CSV."""

from __future__ import annotations

from fastapi import APIRouter

from webstat.data.source import Source


def router(source: Source) -> APIRouter:
    """Every route; what each answers is its module's business."""
    return APIRouter()
