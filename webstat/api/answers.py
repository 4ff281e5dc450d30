"""One way to answer: bytes made once per key, compressed once, and not sent again to who has them."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from webstat.data.source import Source
from webstat.errors import NoMoment

WORTH_COMPRESSING = 1000


def answer(
    request: Request,
    source: Source,
    key: tuple[object, ...],
    make: Callable[[], bytes],
    kind: str = "application/json",
    name: str | None = None,
) -> Response:
    """The bytes of `make`, remembered under `key`, which names the reports they rest on.

    A browser that has them already (If-None-Match) gets 304. With `name` they are saved as that file.
    """

    def pack() -> tuple[bytes, bytes, str]:
        body = make()
        small = gzip.compress(body, 4, mtime=0) if len(body) > WORTH_COMPRESSING else b""
        return body, small, hashlib.blake2b(body, digest_size=12).hexdigest()

    body, small, mark = source.share(("answer", *key), pack)
    headers = {
        "ETag": f'"{mark}"',
        "Cache-Control": "no-cache",
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }
    if name is not None:
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    if small and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(small, headers={**headers, "Content-Encoding": "gzip"}, media_type=kind)
    return Response(body, headers=headers, media_type=kind)


def answer_once(request: Request, body: bytes, kind: str = "application/json") -> Response:
    """Bytes that are another at each question, since they say an age or rest on what was typed: not remembered."""
    headers = {"Cache-Control": "no-store", "Vary": "Accept-Encoding", "X-Content-Type-Options": "nosniff"}
    if len(body) > WORTH_COMPRESSING and "gzip" in request.headers.get("accept-encoding", ""):
        body, headers["Content-Encoding"] = gzip.compress(body, 4, mtime=0), "gzip"
    return Response(body, headers=headers, media_type=kind)


def trouble(request: Request, error: Exception) -> Response:
    """What is said where the store cannot be read (503) or there is no such moment (400): as text or as JSON."""
    none_such = isinstance(error, NoMoment)
    status, sentence = (400, str(error)) if none_such else (503, f"The store could not be read: {error}.")
    if request.url.path.endswith((".txt", ".csv")):
        return Response(sentence + "\n", status, media_type="text/plain; charset=utf-8")
    return JSONResponse({"error": sentence}, status)
