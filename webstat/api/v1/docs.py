"""The page that shows the addresses for programs to people; what it shows is openapi.py's."""

from __future__ import annotations

from html import escape

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from webstat.static import Assets

POLICY = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    ]
)

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>webstat: addresses for programs</title>
<link rel="icon" type="image/svg+xml" href="{icon}">
<link rel="stylesheet" href="{style}">
<link rel="stylesheet" href="{look}">
<script src="{first}"></script>
</head>
<body>
<nav class="api-nav" aria-label="Main"><a href="/"><b>:</b>webstat<b>:</b></a> <a href="/api/v1/openapi.json">openapi.json</a></nav>
<main id="api" data-openapi="/api/v1/openapi.json"></main>
<noscript>The description for programs is at <a href="/api/v1/openapi.json">/api/v1/openapi.json</a>.</noscript>
<script src="{bundle}"></script>
<script src="{own}"></script>
</body>
</html>
"""


def page(assets: Assets) -> APIRouter:
    """GET /api/docs."""
    routes = APIRouter()
    body = PAGE.format(
        icon=escape(assets.url("favicon.svg")),
        style=escape(assets.url("vendor/swagger-ui.css")),
        look=escape(assets.url("api-docs.css")),
        bundle=escape(assets.url("vendor/swagger-ui-bundle.js")),
        first=escape(assets.url("first.js")),
        own=escape(assets.url("api-docs.js")),
    )
    headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"}

    @routes.get("/api/docs", include_in_schema=False)
    def docs() -> Response:
        return HTMLResponse(body, headers={**headers, "Cache-Control": "no-cache"})

    return routes
