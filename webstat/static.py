"""The files of assets/, and compression of what Dash answers: each thing is compressed once, not per response."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Request as FlaskRequest
from flask import Response as FlaskResponse
from starlette.requests import Request
from starlette.responses import Response

from webstat.cache import Memory

ASSETS = Path(__file__).resolve().parent.parent / "assets"
FOREVER = "public, max-age=31536000, immutable"
ASK_EACH_TIME = "no-cache"
WORTH_COMPRESSING = 1000
TYPES = {".woff2": "font/woff2", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
TEXTS = ("text/", "application/json", "application/javascript", "image/svg+xml")


class AssetsMissing(RuntimeError):
    """assets/vendor has not been made."""


@dataclass(frozen=True)
class _File:
    body: bytes
    compressed: bytes | None
    kind: str
    mark: str


class Assets:
    """Every file under a folder, read once; nothing outside it can be asked for."""

    def __init__(self, folder: Path = ASSETS) -> None:
        if not (folder / "vendor" / "VERSIONS.json").is_file():
            raise AssetsMissing(f"{folder / 'vendor'} is missing: run “python scripts/vendor.py” first")
        paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".gz")
        self._files = {path.relative_to(folder).as_posix(): _read(path) for path in paths}

    def __len__(self) -> int:
        return len(self._files)

    def url(self, name: str) -> str:
        """The address of a file, with a mark of its content: it may be kept for ever."""
        return f"/assets/{name}?m={self._files[name].mark}"

    def answer(self, name: str, request: Request) -> Response:
        """A file, compressed where the browser takes that; 304 where it has it already."""
        file = self._files.get(name)
        if file is None:
            return Response("not found", 404, media_type="text/plain")
        fresh = request.query_params.get("m") == file.mark
        # Fonts are asked for by their package's own mark, which is as good.
        headers = {
            "Cache-Control": FOREVER if fresh or name.endswith(".woff2") else ASK_EACH_TIME,
            "ETag": f'"{file.mark}"',
            "Vary": "Accept-Encoding",
            "X-Content-Type-Options": "nosniff",
        }
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        if file.compressed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            return Response(file.compressed, headers={**headers, "Content-Encoding": "gzip"}, media_type=file.kind)
        return Response(file.body, headers=headers, media_type=file.kind)


def _read(path: Path) -> _File:
    body = path.read_bytes()
    kind = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    beside = path.with_name(path.name + ".gz")
    compressed = None
    if beside.is_file():
        compressed = beside.read_bytes()
    elif kind.startswith(TEXTS) and len(body) > WORTH_COMPRESSING:
        compressed = gzip.compress(body, 9, mtime=0)
    return _File(body, compressed, kind, hashlib.sha256(body).hexdigest()[:12])


class Compressor:
    """Compresses Flask's answers; equal bodies, such as one page for many viewers, only once."""

    def __init__(self, size: int = 64) -> None:
        self._memory = Memory(size)

    def compress(self, request: FlaskRequest, response: FlaskResponse) -> FlaskResponse:
        """Replace the body by its compressed form where that is worth it and the browser takes it."""
        response.headers.add("Vary", "Accept-Encoding")
        takes = "gzip" in request.headers.get("Accept-Encoding", "")
        if not takes or response.status_code != 200 or "Content-Encoding" in response.headers:
            return response
        if not (response.mimetype or "").startswith(TEXTS):
            return response
        body: Any = response.get_data()
        if len(body) > WORTH_COMPRESSING:
            # What is made once and kept by browsers is worth the last percent; what changes is not.
            level = 9 if "max-age" in response.headers.get("Cache-Control", "") else 4
            key = hashlib.sha256(body).digest()
            response.set_data(self._memory.get(key, lambda: gzip.compress(body, level, mtime=0)))
            response.headers["Content-Encoding"] = "gzip"
        return response
