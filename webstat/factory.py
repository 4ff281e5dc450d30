"""create_app(settings): the whole web process as one ASGI application.

Long-lived connections, refreshes and files are answered in the event loop; Dash's Flask application is
mounted in a small pool of threads. What a page shows is pages/'s business.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import time
from collections.abc import AsyncIterator
from dataclasses import asdict
from functools import partial
from html import escape
from typing import Any

from a2wsgi import WSGIMiddleware
from dash import ALL, ClientsideFunction, Dash, Input, Output, State, dcc, html
from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse, Response
from flask import Flask
from flask import Response as FlaskResponse
from flask import request as flask_request
from starlette.middleware.sessions import SessionMiddleware
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from collector.keys import own_pair
from collector.settings import Settings
from webstat import api, ids, metrics, ready, router
from webstat.access import signin
from webstat.access import viewer as viewers
from webstat.access.gate import SIGNED_OUT, Gate, Peer, same_site
from webstat.access.limits import Limits
from webstat.access.sources import Sources
from webstat.access.viewer import Viewer
from webstat.alerts import routes as alerts
from webstat.api.answers import trouble
from webstat.components.text import icon
from webstat.data.source import Source
from webstat.errors import WebError
from webstat.live import Hub
from webstat.memory import keep_freed
from webstat.metrics.activity import Activity, Kept
from webstat.metrics.facts import Facts
from webstat.pages import CLUSTER, find
from webstat.parts import CHART
from webstat.refresh import Refresher, tell
from webstat.secret import load_secret
from webstat.static import ASSETS, Assets, Compressor

log = logging.getLogger(__name__)

THREADS = 8
FALLBACK_SECONDS = 10

OWN_SCRIPTS = (
    "webstat.js",
    "address.js",
    "dom.js",
    "copy.js",
    "search.js",
    "me.js",
    "keys.js",
    "jobs-columns.js",
    "jobs-tools.js",
    "jobs-address.js",
    "jobs-grid.js",
    "jobs.js",
    "nodemap-looks.js",
    "nodemap-table.js",
    "nodemap.js",
    "history.js",
    "ask.js",
    "export.js",
    "past.js",
    "tell.js",
    "live.js",
)
"""In the order in which they are run."""

INDEX = """<!doctype html>
<html lang="en" data-bs-theme="light">
<head>
{{%metas%}}
<title>{{%title%}}</title>
<link rel="icon" type="image/svg+xml" href="{icon}">
<link rel="stylesheet" href="{bootstrap}">
<link rel="stylesheet" href="{icons}">
<link rel="stylesheet" href="{style}">
<script src="{first}" data-plotly="{plotly}" data-worker="{worker}" data-grid="{grid}"></script>
{{%css%}}
</head>
<body>
<a class="visually-hidden-focusable" href="#page">Skip to content</a>
{{%app_entry%}}
<noscript>webstat draws its pages in the browser: JavaScript must be on.</noscript>
{{%config%}}
{{%scripts%}}
{own}
{{%renderer%}}
</body>
</html>
"""


def create_app(settings: Settings) -> FastAPI:
    """The web process: pages, announcements, refreshes, files. Opens nothing before it is started.

    Raises SettingsError where its key cannot be used.
    """
    own = own_pair(settings.web.secret_key_file, "web")
    assets = Assets()
    sources = Sources(settings)
    source = sources.full
    artist = router.Artist(sources)
    hub = Hub(lambda: source.collectors(own).announce, source.clusters, artist.prepare)
    refresher = Refresher(lambda name: source.collectors(own).refresh_of(name))

    activity = Activity()
    activity.registry.register(Facts(source))
    activity.registry.register(Kept(activity, hub, {"results": source.memory, "drawings": artist.memory}))

    @contextlib.asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        keep_freed()
        logging.getLogger().addHandler(activity)
        # Dash learns where its scripts are when it answers its first page, which may be asked of another process.
        await asyncio.to_thread(site.test_client().get, "/")
        listening = app.state.listening = asyncio.create_task(hub.run())
        listening.add_done_callback(_say_if_it_failed)
        yield
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening
        sources.close()
        logging.getLogger().removeHandler(activity)

    app = FastAPI(lifespan=life, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.hub = hub
    app.state.sources = sources
    app.state.listening = None
    app.state.draining = False

    @app.websocket("/live")
    async def live(socket: WebSocket) -> None:
        if not same_site(socket.headers):
            await socket.close(1008)
            return
        await socket.accept()
        with hub.viewer() as viewer:
            await _until_gone(socket, viewer, viewers.current.get().until)

    @app.post("/refresh/{cluster}")
    async def refresh(cluster: str, request: Request) -> Response:
        if not same_site(request.headers):
            return JSONResponse({"ok": False, "message": "only this site may ask"}, 403)
        if cluster not in {c.name for c in await asyncio.to_thread(source.clusters)}:
            return JSONResponse({"ok": False, "message": "no such cluster"}, 404)
        return JSONResponse((await refresher.ask(cluster)).to_json())

    async def bring(wish: dict[str, Any]) -> dict[str, Any]:
        return await tell((await asyncio.to_thread(source.collectors, own)).any, wish)

    frank = settings.access.public_sees == "full"

    @app.get("/healthz")
    async def healthz() -> Response:
        try:
            clusters = await asyncio.to_thread(source.clusters)
        except WebError as error:
            return JSONResponse({"ok": False, "store": ready.words_of(error, frank)}, 503)
        known = sum(1 for cluster in clusters if cluster.report)
        return JSONResponse({"ok": True, "clusters": len(clusters), "seen": known, "collector_heard": hub.connected})

    @app.get("/readyz")
    async def readyz() -> Response:
        store = await asyncio.to_thread(ready.check_store, source, frank)
        checks = (
            store,
            ready.check_assets(assets),
            ready.check_hub(app.state.listening),
            ready.check_draining(app.state.draining),
        )
        told = {"ok": all(check.ok for check in checks), "checks": [asdict(check) for check in checks]}
        return JSONResponse(told, 503 if any(check.elsewhere for check in checks if not check.ok) else 200)

    @app.get("/metrics")
    async def scrape(request: Request) -> Response:
        return await asyncio.to_thread(metrics.answer, activity.registry, settings.web, request)

    @app.get("/assets/{name:path}")
    async def asset(name: str, request: Request) -> Response:
        return assets.answer(name, request)

    if settings.access.mode == "oidc":
        app.include_router(signin.router(settings, assets))
    app.include_router(api.router(assets))
    app.include_router(alerts.router(settings, bring))
    app.add_exception_handler(WebError, trouble)
    site = _dash(settings, assets, source, artist, hub).server
    app.mount("/", WSGIMiddleware(site, workers=THREADS))
    _guard(app, settings)
    app.add_middleware(activity.around)  # what is refused at the door is counted too
    return app


def _guard(app: FastAPI, settings: Settings) -> None:
    """The layers that a request passes before any of the above; the last that is added is the first to be passed."""
    app.add_middleware(Gate, settings=settings, limits=Limits())
    if settings.access.mode == "oidc" and settings.web.secret_file is not None:
        app.add_middleware(
            SessionMiddleware,
            secret_key=load_secret(settings.web.secret_file, "sessions").hex(),
            session_cookie="webstat_session",
            max_age=int(settings.access.session_hours * 3600),
        )
    if settings.web.proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.web.proxies))
    app.add_middleware(Peer)


class _Site(Dash):
    """Dash, less what every page would load and none uses."""

    mode = "open"
    """Of [access]."""

    _UNUSED = re.compile(r'<script src="[^"]*/dash_table/[^"]*"></script>')

    def interpolate_index(self, **parts: Any) -> str:
        """Dash's own page without the deprecated DataTable's script, and with a first line of ours."""
        parts["scripts"] = self._UNUSED.sub("", parts["scripts"])
        known = json.dumps(_known(viewers.current.get(), self.mode))
        parts["metas"] += f'<meta name="webstat-viewer" content="{escape(known)}">'
        parts["app_entry"] = '<div id="react-entry-point"><div class="ws-first">Reading the clusters …</div></div>'
        return super().interpolate_index(**parts)


def _known(viewer: Viewer, mode: str) -> dict[str, Any]:
    """What the browser is told of who looks."""
    name = viewer.name if viewer.signed_in else None
    return {"mode": mode, "name": name, "role": str(viewer.role), "mayRefresh": viewer.may_refresh}


def _dash(settings: Settings, assets: Assets, source: Source, artist: router.Artist, hub: Hub) -> Dash:
    server = Flask("webstat")
    app = _Site(
        "webstat",
        server=server,
        use_pages=False,
        assets_folder=str(ASSETS),
        include_assets_files=False,
        pages_folder="",
        title=settings.web.title,
        update_title=None,
        serve_locally=True,
        suppress_callback_exceptions=True,
        meta_tags=[{"name": "viewport", "content": "width=device-width,initial-scale=1"}],
        index_string=INDEX.format(
            icon=assets.url("favicon.svg"),
            bootstrap=assets.url("vendor/bootstrap.min.css"),
            icons=assets.url("vendor/bootstrap-icons.min.css"),
            style=assets.url("webstat.css"),
            first=assets.url("first.js"),
            plotly=assets.url("vendor/plotly-cartesian.min.js"),
            worker=assets.url("live-worker.js"),
            grid=assets.url("vendor/ag-grid-community.min.js"),
            own="\n".join(f'<script src="{assets.url(name)}"></script>' for name in OWN_SCRIPTS),
        ),
    )
    app.mode = settings.access.mode
    app.layout = partial(_frame, settings.collector.refresh_min_seconds)
    router.register(app, artist, hub)
    _register_browser_side(app)
    _register_headers(app, source, server)
    return app


def _frame(refresh_seconds: int) -> html.Div:
    button = "btn btn-outline-secondary"
    return html.Div(
        [
            dcc.Location(id=ids.URL, refresh="callback-nav"),
            dcc.Store(id=ids.VIEWER),
            dcc.Store(id=ids.NEWS),
            dcc.Store(id=ids.DRAWN),
            dcc.Interval(id=ids.TICK, interval=FALLBACK_SECONDS * 1000, disabled=True),
            html.Nav(
                [
                    dcc.Link([html.B(":"), "webstat", html.B(":")], href="/", className="ws-brand me-2"),
                    html.Div(id=ids.BAR),
                    html.Div(
                        [
                            html.Div(id=ids.FIND, className="ws-find d-none d-md-block"),
                            html.Span(id=ids.STREAM, className="ws-sub", role="status"),
                            html.Div(id=ids.FRESHNESS, className="d-flex align-items-center gap-2"),
                            html.Button(
                                [icon("arrow-clockwise"), html.Span("Refresh", className="d-none d-xl-inline ms-1")],
                                id=ids.REFRESH,
                                className=button,
                                title="Ask the collector for a new report",
                                **{"aria-label": "Refresh now", "data-every": str(refresh_seconds)},
                            ),
                            html.Button(icon("circle-half"), id=ids.THEME, className=button, **{"aria-label": "Theme"}),
                            html.Div(id=ids.ME),
                        ],
                        className="ms-auto d-flex align-items-center gap-2",
                    ),
                ],
                className="ws-nav d-flex align-items-center gap-3",
                **{"aria-label": "Main"},
            ),
            html.Aside(id=ids.DEMO, **{"aria-label": "Notices"}),
            html.Div(id=ids.PAST),
            html.Div(
                [
                    html.Main(id=ids.PAGE, className="ws-page", tabIndex=-1),
                    html.Aside(id=ids.PANEL, className="ws-panel", tabIndex=-1, **{"aria-label": "Details"}),
                ],
                className="ws-body",
            ),
            html.Footer(id=ids.FOOTER, className="ws-sub ws-footer"),
            html.Div(id=ids.REFRESH_SAID, className="ws-toast", role="status", **{"aria-live": "polite"}),
            html.Nav(id=ids.TABS, className="ws-tabs", **{"aria-label": "Main, small screen"}),
        ]
    )


def _register_browser_side(app: Dash) -> None:
    """Callbacks that run in assets/webstat.js."""
    app.clientside_callback(
        ClientsideFunction("webstat", "viewer"), Output(ids.VIEWER, "data"), Input(ids.THEME, "n_clicks")
    )
    app.clientside_callback(
        ClientsideFunction("webstat", "refresh"),
        Output(ids.REFRESH_SAID, "children"),
        Input(ids.REFRESH, "n_clicks"),
        State(ids.URL, "pathname"),
        State(ids.DRAWN, "data"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        ClientsideFunction("webstat", "zoomed"), Input({CHART: ALL}, "relayoutData"), prevent_initial_call=True
    )
    app.clientside_callback(
        ClientsideFunction("webstat", "clicked"), Input({CHART: ALL}, "clickData"), prevent_initial_call=True
    )
    app.clientside_callback(
        ClientsideFunction("webstat", "drawn"), Output(ids.PAGE, "data-drawn"), Input(ids.DRAWN, "data")
    )


def _register_headers(app: Dash, source: Source, server: Flask) -> None:
    compressor = Compressor()
    policy = "; ".join(
        [
            "default-src 'self'",
            f"script-src 'self' {' '.join(app.csp_hashes())}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",  # blob: a chart on its way to becoming a file
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'self'",
        ]
    )

    @server.after_request
    def finish(response: FlaskResponse) -> FlaskResponse:
        if response.mimetype == "text/html":
            response.headers["Content-Security-Policy"] = policy
            response.headers["Cache-Control"] = "no-cache"
            # Dash answers every address with its page: say so where it is none of ours.
            if response.status_code == 200 and not _exists(flask_request.path, source):
                response.status_code = 404
                return response
        return compressor.compress(flask_request, response)


def _exists(path: str, source: Source) -> bool:
    found = find(path)
    if found is None:
        return False
    try:
        return CLUSTER not in found[1] or found[1][CLUSTER] in {c.name for c in source.clusters()}
    except WebError:
        return True


async def _until_gone(socket: WebSocket, viewer: Any, until: float | None) -> None:
    """Pass news on until the browser leaves, or its session ends."""

    async def send() -> None:
        async for message in viewer.messages():
            await socket.send_text(message)

    sending = asyncio.create_task(send())
    try:
        # Nothing is expected from a browser; reading is how its leaving is noticed.
        async with asyncio.timeout(None if until is None else max(0.0, until - time.time())):
            while True:
                await socket.receive_text()
    except TimeoutError:
        await socket.close(SIGNED_OUT)
    except (WebSocketDisconnect, KeyError):
        pass
    finally:
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
            await sending


def _say_if_it_failed(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("announcements are no longer heard", exc_info=task.exception())
