"""Routes of "Tell me when": the own rules and notices, wishes for others, and the feed that needs no cookie."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.concurrency import run_in_threadpool

from collector.alerts.decide import OF_JOBS
from collector.settings import Settings
from webstat.access.audit import audit
from webstat.access.gate import address_of, same_site
from webstat.access.sources import Sources
from webstat.alerts.feed import KIND, feed
from webstat.alerts.owner import KEY_HEADER, Owner, owner_of
from webstat.alerts.said import notice_said, rule_said
from webstat.api.answers import answer_once
from webstat.api.asked import Asking
from webstat.data.queries import alerts
from webstat.data.queries.one import load_job
from webstat.data.source import Source
from webstat.errors import StoreEmpty

NOTICES = 50
"""That are shown, and stand in a feed."""
ACTS = ("add", "remove", "pause", "resume", "test", "feed")
LARGEST_WISH = 4000
"""Bytes; the collector takes no more than 4096, with a few around it."""

Ask = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


async def _owner(request: Request) -> Owner | None:
    sources: Sources = request.app.state.sources
    key = request.headers.get(KEY_HEADER, "")
    return owner_of(request.state.viewer, sources.settings, key, request.scope.get("session", {}))


Asker = Annotated[Owner | None, Depends(_owner)]


def router(settings: Settings, ask: Ask) -> APIRouter:
    """Every route; `ask` brings a wish to a collector."""
    routes = APIRouter()

    @routes.get("/data/tell")
    def rules_and_notices(request: Request, source: Asking, owner: Asker) -> Response:
        told = {
            "mode": settings.access.mode,
            "most": settings.notify.rules_each,
            "clusters": [_choices(source, one) for one in source.clusters() if one.report],
            "owner": None if owner is None else {"mail": owner.mail, "channels": owner.channels},
            **(_nothing() if owner is None else _of(source, owner)),
        }
        return answer_once(request, orjson.dumps(told))

    @routes.get("/data/notices")
    def newer_notices(request: Request, source: Asking, owner: Asker, after: int | None = None) -> Response:
        """What a browser is to say that has heard all up to `after`; without that, only the newest number."""
        newest, found = 0, []
        if owner is not None:
            newest = _asked(source, 0, alerts.load_newest_notice, owner.name)
            if after is not None and newest > after:
                found = _asked(source, [], alerts.load_notices, owner.name, after, NOTICES)
        news = [notice_said(one) for one in reversed(found) if one.row.browser]
        return answer_once(request, orjson.dumps({"last": newest, "notices": news}))

    @routes.post("/data/tell")
    async def change(request: Request, source: Asking, owner: Asker) -> Response:
        if not same_site(request.headers):
            return _refused("only this site may ask", 403)
        if owner is None:
            return _refused("sign in first" if settings.access.mode != "open" else "this browser has no key", 403)
        wish = await _read(request)
        if wish is None or wish.get("act") not in ACTS:
            return _refused("that could not be read", 400)
        if wish.get("act") == "add":
            refused = await run_in_threadpool(_complete, wish, source, owner)
            if refused:
                return _refused(refused, 400)
        if wish.get("act") in ("add", "feed"):
            wish["feed"] = secrets.token_urlsafe(32)
        wish["owner"] = owner.name
        if len(json.dumps(wish)) > LARGEST_WISH:
            return _refused("that is too long", 400)
        answer = await ask(wish)
        # Not where a webhook goes: there are addresses that are secrets.
        about = {name: wish[name] for name in ("id", "kind", "cluster", "subject", "channels") if wish.get(name)}
        outcome = "done" if answer["ok"] else answer["message"]
        address = address_of(request.scope)
        audit(f"rule {wish.get('act')}", request.state.viewer, address, owner=owner.name, **about, outcome=outcome)
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    @routes.get("/feed/{secret}.atom")
    def atom(request: Request, secret: str) -> Response:
        source = request.app.state.sources.full  # it has no one's veil: notices tell no names
        owner = _asked(source, None, alerts.load_owner, secret)
        if owner is None:
            return PlainTextResponse("There is no such feed, or no longer.\n", 404)
        notices = _asked(source, [], alerts.load_notices, owner, 0, NOTICES)
        site = settings.notify.page or str(request.base_url).rstrip("/")
        body = feed(notices, secret, settings.web.title, f"{site}/feed/{secret}.atom", site)
        return Response(body, media_type=KIND, headers={"Cache-Control": "private, no-cache"})

    return routes


async def _read(request: Request) -> dict[str, Any] | None:
    """The wish that is posted; None for what is too long, or none."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_WISH:
            return None
    try:
        wish = orjson.loads(body)
    except ValueError:
        return None
    return wish if isinstance(wish, dict) else None


def _complete(wish: dict[str, Any], source: Source, owner: Owner) -> str:
    """Put in what the page knows of who asks; returns why the wish is refused, or nothing."""
    channels = wish.get("channels")
    if not isinstance(channels, list) or not set(map(str, channels)) <= set(owner.channels):
        return "you cannot be told in that way here"
    wish.pop("mail", None)  # written to is only who asks
    if "mail" in channels:
        wish["mail"] = owner.mail
    if wish.get("kind") not in OF_JOBS:
        return ""
    found = next((one for one in source.clusters() if one.name == wish.get("cluster")), None)
    known = found is not None and source.ask(load_job, found.id or 0, str(wish.get("subject")))
    return "" if known else f"you see no job {wish.get('subject')} there"


def _of(source: Source, owner: Owner) -> dict[str, Any]:
    now = time.time()
    secret = _asked(source, None, alerts.load_feed, owner.name)
    return {
        "rules": [rule_said(row, now) for row in _asked(source, [], alerts.load_rules, owner.name)],
        "notices": [notice_said(one) for one in _asked(source, [], alerts.load_notices, owner.name, 0, NOTICES)],
        "feed": secret and f"/feed/{secret}.atom",
    }


def _nothing() -> Mapping[str, Any]:
    return {"rules": [], "notices": [], "feed": None}


def _choices(source: Source, one: Any) -> dict[str, Any]:
    queues = source.queues(one)
    names = sorted(queues.loc[queues["type"] != "routing", "name"])
    return {"name": one.name, "title": one.title, "queues": names}


def _asked(source: Source, nothing: Any, load: Callable[..., Any], *arguments: object) -> Any:
    """What a query says; `nothing` of a store that has no rules yet."""
    try:
        return source.ask(load, *arguments)
    except StoreEmpty:
        return nothing


def _refused(words: str, status: int) -> JSONResponse:
    return JSONResponse({"ok": False, "message": words}, status)
