"""Through which source a request is answered: the one place that every route gets it from."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from webstat.data.source import Source


async def source_of(request: Request) -> Source:
    """The store as whoever asks may see it."""
    source: Source = request.app.state.sources.of(request.state.viewer)
    return source


Asking = Annotated[Source, Depends(source_of)]
"""A parameter of a route: the source that its answer is read from."""
