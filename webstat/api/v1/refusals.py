"""How everything under /api/v1 refuses: by one shape (RFC 9457) and one table of statuses, whatever was the matter.

400  a question that cannot be read: an unknown word, a value that is none, a moment that has not come
404  no such address        405  an address that only answers GET and HEAD
503  the store cannot be read       500  a fault of webstat itself
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute

from webstat.errors import NoMoment, StoreEmpty, WebError

log = logging.getLogger(__name__)

PROBLEM = "application/problem+json"

RETRY_SECONDS = 10
"""After which a store that could not be read may be asked again."""


class Refused(Exception):
    """A question that cannot be answered; `problems` says why, in sentences."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = list(problems)


def refusal(status: int, problems: Sequence[str], headers: Mapping[str, str] | None = None) -> Response:
    """The one shape: status and its name, `problems` as a list of sentences, and as one text in `detail`."""
    body = {
        "status": status,
        "title": HTTPStatus(status).phrase,
        "detail": " ".join(problems),
        "problems": list(problems),
    }
    kept = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **(headers or {})}
    return Response(orjson.dumps(body), status, kept, media_type=PROBLEM)


class Address(APIRoute):
    """A route whose every refusal, and that of what it depends on, has the one shape."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own handler, with what it raises put into words."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except Exception as error:
                return refused(error)

        return answer


def refused(error: Exception) -> Response:
    """What is answered where `error` was raised."""
    match error:
        case Refused():
            return refusal(400, error.problems)
        case NoMoment():
            return refusal(400, [str(error)])
        case RequestValidationError():
            return refusal(400, [f"{one['loc'][-1]}: {one['msg']}." for one in error.errors()])
        case StoreEmpty():
            said = f"There is no store to read yet ({error}); the collector makes it."
            return refusal(503, [said], {"Retry-After": str(RETRY_SECONDS)})
        case WebError():
            return refusal(503, [f"The store could not be read: {error}."], {"Retry-After": str(RETRY_SECONDS)})
        case HTTPException():
            return refusal(error.status_code, [str(error.detail)], error.headers)
    log.error("an address for programs failed", exc_info=error)
    return refusal(500, ["webstat itself failed here; its log says how."])
