"""A small OpenID Connect provider, run as a process of its own: `python -m tests.webstat.provider`.

It knows the people in PEOPLE and no passwords: whoever gives a name is that person. All else is as the standard says:
codes are used once, PKCE and the client's secret are checked, tokens are signed.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import html
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "webstat", "a secret of the client"
PEOPLE: dict[str, dict[str, Any]] = {
    "alice": {
        "preferred_username": "alice",
        "groups": ["physics"],
        "email": "a.lice@example.org",
        "email_verified": True,
    },
    "boss": {"preferred_username": "boss", "groups": ["admins"], "email": "any@example.org", "email_verified": False},
    "guest": {"preferred_username": "guest", "groups": ["guests"]},
    "nameless": {"groups": []},
}

FORM = '<form method="post"><input name="person" autofocus><button>Go on</button></form>'


def application(issuer: str, broken: str = "") -> FastAPI:
    """The provider; `broken` makes it sign with a key that it does not publish, or tell another audience."""
    app = FastAPI()
    key = RSAKey.generate_key(2048, {"kid": "one"}, private=True)
    other = RSAKey.generate_key(2048, {"kid": "one"}, private=True)
    codes: dict[str, dict[str, str]] = {}

    @app.get("/.well-known/openid-configuration")
    def about() -> dict[str, Any]:
        return {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "jwks_uri": f"{issuer}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }

    @app.get("/keys")
    def keys() -> dict[str, Any]:
        return {"keys": [key.as_dict(private=False)]}

    @app.get("/authorize")
    def ask(request: Request) -> Response:
        if request.query_params.get("client_id") != CLIENT:
            return HTMLResponse("unknown client", 400)
        return HTMLResponse(f"<title>Provider</title>{FORM}<p>{html.escape(str(request.url))}</p>")

    @app.post("/authorize")
    async def go_on(request: Request) -> Response:
        asked, person = dict(request.query_params), (await _form(request))["person"]
        code = secrets.token_urlsafe(16)
        codes[code] = {**asked, "person": person}
        return RedirectResponse(f"{asked['redirect_uri']}?code={code}&state={asked['state']}", 303)

    @app.post("/token")
    async def token(request: Request) -> Response:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme != "Basic" or base64.b64decode(given).decode().replace("+", " ").split(":") != [CLIENT, SECRET]:
            return JSONResponse({"error": "invalid_client"}, 401)
        form = await _form(request)
        asked = codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            asked is None
            or asked["redirect_uri"] != form.get("redirect_uri")
            or asked.get("code_challenge") != challenge
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        claims = {
            "iss": issuer, "sub": asked["person"], "aud": "somebody else" if broken == "audience" else CLIENT,
            "iat": now, "exp": now + 300, "nonce": asked["nonce"], **PEOPLE.get(asked["person"], {}),
        }  # fmt: skip
        signed = jwt.encode({"alg": "RS256", "kid": "one"}, claims, other if broken == "key" else key)
        return JSONResponse({"access_token": "none", "token_type": "Bearer", "id_token": signed, "expires_in": 300})

    return app


async def _form(request: Request) -> dict[str, str]:
    return dict(parse_qsl((await request.body()).decode()))


@contextlib.contextmanager
def provider(broken: str = "") -> Iterator[str]:
    """The issuer of a provider that runs for as long as the block lasts."""
    command = [sys.executable, "-m", "tests.webstat.provider", broken]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
            process.wait(20)


def main() -> None:
    """Say the issuer, and serve."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        issuer = f"http://127.0.0.1:{listening.getsockname()[1]}"
        config = uvicorn.Config(application(issuer, *sys.argv[1:]), log_level="warning")
        print(issuer, flush=True)
        uvicorn.Server(config).run([listening])


if __name__ == "__main__":
    main()
