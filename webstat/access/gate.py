"""The door of the web process: every request passes it, and is refused, or goes on as somebody's.

Who somebody is comes from a token, from the proxy's headers or from the session; what they may do is viewer.py's. Also
what every answer tells browsers about its safety.
"""

from __future__ import annotations

import time
from urllib.parse import parse_qs, quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from collector.settings import Settings
from webstat.access import viewer as viewers
from webstat.access.audit import audit
from webstat.access.limits import Limits
from webstat.access.networks import is_among, read_networks
from webstat.access.tokens import find_token
from webstat.access.viewer import Role, Viewer
from webstat.api.v1 import refusals
from webstat.privacy import Level

OPEN = ("/healthz", "/readyz", "/metrics", "/assets", "/signin", "/signout", "/signed-out", "/feed")
"""What tells of no cluster, or decides itself who may have it: /metrics by address, /feed by the secret in it."""

SIGNED_OUT = 4401
"""How a websocket is closed for who is not signed in, or no longer."""

SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "SAMEORIGIN",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
"""Headers of every answer."""

WISHES_A_MINUTE = 30
"""Changes of rules, of one person, or of one address where nobody signs in."""

HSTS = "max-age=31536000"


class Peer:
    """The outermost layer: keeps who is connected before a proxy's word for it is taken, and makes cookies safe."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        scope["webstat.peer"] = scope.get("client")

        async def finish(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SAFE.items():
                    headers.setdefault(name, value)
                if scope["scheme"] == "https":
                    headers.setdefault("Strict-Transport-Security", HSTS)
                    cookies = headers.getlist("set-cookie")
                    del headers["set-cookie"]
                    for cookie in cookies:
                        headers.append("set-cookie", cookie if "; secure" in cookie.lower() else f"{cookie}; secure")
            await send(message)

        await self._app(scope, receive, finish)


class Gate:
    """Lets in, or refuses with words."""

    def __init__(self, app: ASGIApp, settings: Settings, limits: Limits) -> None:
        self._app = app
        self._access = settings.access
        self._proxies = read_networks(settings.web.proxies)
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        viewer = self._who(scope)
        refused = self._refuse(scope, viewer)
        if refused is not None:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": SIGNED_OUT, "reason": "sign in first"})
            else:
                await refused(scope, receive, send)
            return
        assert viewer is not None
        scope["state"] = {**scope.get("state", {}), "viewer": viewer}
        mark = viewers.current.set(viewer)
        try:
            await self._app(scope, receive, self._private(scope, send))
        finally:
            viewers.current.reset(mark)

    def _who(self, scope: Scope) -> Viewer | None:
        """Who asks; None with a token that is none."""
        headers = Headers(scope=scope)
        given = headers.get("authorization", "")
        if given[:7].lower() == "bearer ":
            token = find_token(given[7:].strip(), self._access.token)
            return None if token is None else viewers.program(token)
        if self._access.mode == "proxy" and self._is_proxy(scope):
            name = headers.get(self._access.user_header, "").strip()
            if name:
                groups = headers.get(self._access.groups_header, "").split(",")
                return viewers.person(self._access, name, (one.strip() for one in groups if one.strip()))
        if self._access.mode == "oidc":
            session = scope.get("session", {})
            if "name" in session and session.get("until", 0.0) > time.time():
                return viewers.person(self._access, session["name"], session["groups"], session["until"])
        return viewers.not_signed_in(self._access)

    def _is_proxy(self, scope: Scope) -> bool:
        peer = scope.get("webstat.peer")
        return is_among(peer[0] if peer else "", self._proxies)

    def _refuse(self, scope: Scope, viewer: Viewer | None) -> Response | None:
        """Why a request goes no further; None where it does."""
        path, address = scope["path"], address_of(scope)
        if viewer is None:
            audit("token refused", "unknown", address, path=path)
            return refusal(scope, 401, "This token is not known, or no longer.")
        if any(path == one or path.startswith(f"{one}/") for one in OPEN):
            return None
        if viewer.level is Level.NONE:
            return self._sign_in(scope, viewer)
        if scope["type"] == "websocket":
            return None
        who = viewer.name or address
        if path.startswith("/refresh/") and scope["method"] == "POST":
            if not viewer.may_refresh:
                return refusal(scope, 403, f"A {viewer.role} may not ask for a new report.")
            if wait := self._limits.wait("refresh", who, self._access.refreshes_a_minute):
                return _too_many(scope, wait, f"{self._access.refreshes_a_minute} reports a minute may be asked for")
            audit("refresh", viewer, address, cluster=path.removeprefix("/refresh/"))
        elif path == "/data/tell" and scope["method"] == "POST":
            if wait := self._limits.wait("tell", who, WISHES_A_MINUTE):
                return _too_many(scope, wait, f"{WISHES_A_MINUTE} changes of rules a minute")
        elif _is_export(scope):
            if wait := self._limits.wait("export", who, self._access.exports_a_minute):
                return _too_many(scope, wait, f"{self._access.exports_a_minute} files a minute may be taken")
            audit("export", viewer, address, path=path, query=scope["query_string"].decode("latin1"))
        return None

    def _sign_in(self, scope: Scope, viewer: Viewer) -> Response:
        if viewer.role is Role.PROGRAM:
            return refusal(scope, 403, "This token has no scope to read.")
        if scope["type"] == "http" and wants_page(scope) and self._access.mode == "oidc":
            asked = scope["path"] + (f"?{scope['query_string'].decode('latin1')}" if scope["query_string"] else "")
            return RedirectResponse(f"/signin?next={quote(asked, safe='/')}", 303)
        if self._access.mode == "proxy":
            return refusal(scope, 401, "The proxy in front of webstat names nobody: sign in there.")
        return refusal(scope, 401, "Sign in first, or send a token: Authorization: Bearer ….")

    def _private(self, scope: Scope, send: Send) -> Send:
        """What is said to one is not for the caches of others."""
        if self._access.mode == "open" and self._access.public_sees == "full":
            return send

        async def finish(message: Message) -> None:
            if message["type"] == "http.response.start" and not scope["path"].startswith("/assets/"):
                headers = MutableHeaders(scope=message)
                before = headers.get("cache-control", "no-cache")
                headers["Cache-Control"] = (
                    before if "no-store" in before or "private" in before else f"private, {before}"
                )
                if (viewer := scope["state"]["viewer"]).level is not Level.FULL:
                    headers["X-Webstat-Sees"] = str(viewer.level)
                headers.add_vary_header("Authorization")
                headers.add_vary_header("Cookie")
            await send(message)

        return finish


def same_site(headers: Headers) -> bool:
    """Whether a request comes from our own pages, or from a program, which sends no Origin."""
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")


def address_of(scope: Scope) -> str:
    """Where a request comes from; a proxy's word for it, where that is believed."""
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


def wants_page(scope: Scope) -> bool:
    """Whether a browser asks for something to be looked at."""
    return scope["method"] in ("GET", "HEAD") and "text/html" in Headers(scope=scope).get("accept", "")


def refusal(scope: Scope, status: int, words: str, headers: dict[str, str] | None = None) -> Response:
    """A refusal in the form that was asked for."""
    more = {"Cache-Control": "no-store", **({"WWW-Authenticate": "Bearer"} if status == 401 else {}), **(headers or {})}
    path = scope["path"]
    if path == "/api/v1" or path.startswith("/api/v1/"):
        return refusals.refusal(status, [words], more)
    if path.endswith((".txt", ".csv")) or (scope["type"] == "http" and wants_page(scope)):
        return PlainTextResponse(words + "\n", status, headers=more)
    return JSONResponse({"ok": False, "message": words, "error": words}, status, headers=more)


def _too_many(scope: Scope, wait: float, words: str) -> Response:
    seconds = max(1, round(wait))
    return refusal(scope, 429, f"Too many: {words}; the next in {seconds} s.", {"Retry-After": str(seconds)})


def _is_export(scope: Scope) -> bool:
    """Whether a request is for a file rather than for what a page shows."""
    path = scope["path"]
    if path.endswith((".csv", ".zip")):
        return True
    if not path.startswith("/api/v1/"):
        return False
    return parse_qs(scope["query_string"].decode("latin1")).get("format", ["json"])[-1] != "json"
