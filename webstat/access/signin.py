"""Signing in with OpenID Connect, by authlib: there, back with who somebody is, and out again."""

from __future__ import annotations

import html
import time
from typing import Annotated
from urllib.parse import urlsplit

from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.starlette_client import OAuth
from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from httpx2 import HTTPError
from joserfc.errors import JoseError

from collector.errors import SettingsError
from collector.settings import OidcSettings, Settings
from webstat.access import viewer as viewers
from webstat.access.audit import audit
from webstat.access.gate import address_of
from webstat.static import Assets

LONGEST_NAME, LONGEST_MAIL = 64, 200

TROUBLE = (HTTPError, OAuthError, JoseError, ValueError, KeyError, RuntimeError)
"""How a provider that is away, or says what it should not, shows."""

PAGE = """<!doctype html>
<html lang="en" data-bs-theme="light">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>{title} · {site}</title>
<link rel="icon" type="image/svg+xml" href="{icon}">
<link rel="stylesheet" href="{bootstrap}">
<link rel="stylesheet" href="{style}">
<script src="{first}"></script>
</head>
<body>
<main class="ws-page" id="page"><section class="card"><div class="card-body">
<h1 class="ws-h1">{title}</h1>
<p class="my-3">{words}</p>
<a class="btn btn-primary" href="/signin">Sign in</a>
</div></section></main>
</body>
</html>
"""

POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"


def router(settings: Settings, assets: Assets) -> APIRouter:
    """The routes. Raises SettingsError where the client's secret cannot be read."""
    asked = settings.access.oidc
    assert asked is not None
    oauth = OAuth()
    oauth.register(
        "site",
        client_id=asked.client_id,
        client_secret=_secret_of(asked),
        server_metadata_url=f"{asked.issuer.rstrip('/')}/.well-known/openid-configuration",
        client_kwargs={"scope": asked.scope, "code_challenge_method": "S256", "timeout": 10.0},
    )
    routes = APIRouter(include_in_schema=False)

    def say(title: str, words: str, status: int) -> Response:
        page = PAGE.format(
            title=html.escape(title),
            words=html.escape(words),
            site=html.escape(settings.web.title),
            icon=assets.url("favicon.svg"),
            bootstrap=assets.url("vendor/bootstrap.min.css"),
            style=assets.url("webstat.css"),
            first=assets.url("first.js"),
        )
        return HTMLResponse(page, status, {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"})

    @routes.get("/signin")
    async def sign_in(request: Request, to: Annotated[str, Query(alias="next")] = "/") -> Response:
        request.session["next"] = own_address(to)
        try:
            back = str(request.url_for("sign_in_back"))
            answer: Response = await oauth.site.authorize_redirect(request, back)
        except TROUBLE as error:
            audit("sign-in failed", "unknown", address_of(request.scope), error=repr(error))
            return say(
                "Signing in does not work", f"{asked.issuer} cannot be asked. Try again, or ask your admin.", 502
            )
        return answer

    @routes.get("/signin/back")
    async def sign_in_back(request: Request) -> Response:
        address = address_of(request.scope)
        try:
            told = dict((await oauth.site.authorize_access_token(request))["userinfo"])
        except TROUBLE as error:
            audit("sign-in failed", "unknown", address, error=repr(error))
            return say("You are not signed in", "The sign-in was broken off or took too long. Try again.", 403)
        name, groups = told.get(asked.user_claim), told.get(asked.groups_claim, [])
        if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME:
            audit("sign-in refused", "unknown", address, subject=told.get("sub"))
            words = f"{asked.issuer} does not tell your user name on the clusters ({asked.user_claim}). Ask your admin."
            return say("You are not signed in", words, 403)
        to = own_address(request.session.get("next", "/"))
        until = time.time() + settings.access.session_hours * 3600
        own = [one for one in groups if isinstance(one, str)] if isinstance(groups, list) else []
        request.session.clear()
        mail = told.get(asked.mail_claim)
        if isinstance(mail, str) and told.get("email_verified") is not False and len(mail) <= LONGEST_MAIL:
            request.session["mail"] = mail
        request.session.update(name=name.strip(), groups=own[: viewers.MOST_GROUPS], until=until)
        audit("signed in", viewers.person(settings.access, name.strip(), own), address)
        return RedirectResponse(to, 303)

    @routes.post("/signout")
    async def sign_out(request: Request) -> Response:
        audit("signed out", viewers.current.get(), address_of(request.scope))
        request.session.clear()
        return RedirectResponse("/signed-out", 303)

    @routes.get("/signed-out")
    async def signed_out() -> Response:
        return say("You are signed out", "Of webstat, that is: where you signed in, you may still be.", 200)

    return routes


def own_address(asked: str) -> str:
    """An address of this site, or its first page for what is none."""
    parts = urlsplit(asked)
    mine = asked.startswith("/") and not asked.startswith(("//", "/\\", "/signin")) and not parts.netloc
    return asked if mine and asked.isprintable() else "/"


def _secret_of(asked: OidcSettings) -> str:
    try:
        return asked.client_secret_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"[access.oidc] client_secret_file {asked.client_secret_file} cannot be read: {error}"
        ) from None
