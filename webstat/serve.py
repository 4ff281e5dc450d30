"""Command line of the web process: find the settings, build the app, serve it until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ipaddress
import logging
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from agent import notify
from agent.log import FORMATS, start_logging
from collector.errors import SettingsError
from collector.settings import Settings
from webstat.factory import create_app
from webstat.start import keep_loaded, settings_of
from webstat.static import AssetsMissing


def server() -> FastAPI:
    """The application, for an ASGI server that wants to run it itself."""
    app = create_app(settings_of(None))
    keep_loaded()
    return app


def check_exposure(settings: Settings) -> None:
    """Refuse to show an open page to other hosts, unless told so. Raises SettingsError."""
    host, access = settings.web.host, settings.access
    if access.mode != "open" or access.beyond_loopback or host == "localhost":
        return
    try:
        here = ipaddress.ip_address(host).is_loopback
    except ValueError:
        here = False
    if not here:
        raise SettingsError(
            f"[web] host = {host!r} can be reached from other hosts, and [access] mode is “open”: anybody there would see "
            "every user's jobs. Set [access] mode to proxy or oidc; or host to 127.0.0.1 behind a proxy on this host; or "
            "beyond_loopback = true, where that is meant"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; 2 where the settings or the set-up are wrong."""
    parser = argparse.ArgumentParser(prog="app.py", description="webstat's page")
    parser.add_argument("--config", type=Path, metavar="FILE", help="webstat.toml (also $WEBSTAT_CONFIG)")
    parser.add_argument("--log-format", choices=FORMATS, help="form of the log's lines; else that of [log]")
    parser.add_argument("--port", type=int, metavar="N", help="instead of [web] port: for one of several processes")
    options = parser.parse_args(arguments)
    try:
        settings = settings_of(options.config)
        check_exposure(settings)
        start_logging(settings.log.level, options.log_format or settings.log.format)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        app = create_app(settings)
        keep_loaded()
    except (SettingsError, AssetsMissing) as error:
        print(error, file=sys.stderr)
        return 2
    port = settings.web.port if options.port is None else options.port
    address = f"http://{settings.web.host}:{port}/"
    print(f"webstat: {address}", file=sys.stderr, flush=True)
    config = uvicorn.Config(
        app,
        host=settings.web.host,
        port=port,
        log_config=None,
        log_level="warning",
        access_log=False,
        ws="websockets-sansio",
        ws_max_size=1024,
        proxy_headers=False,  # the application itself must know whether a proxy asks
        timeout_keep_alive=75,  # longer than a proxy keeps a connection, so that none is closed while it asks
        timeout_graceful_shutdown=2,
    )
    server = _Server(config, address, app, settings.web.drain_seconds)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    return 0 if server.started else 1


class _Server(uvicorn.Server):
    """uvicorn's, which tells systemd when it listens, and that its loop turns; and a proxy that it is about to end."""

    def __init__(self, config: uvicorn.Config, address: str, app: FastAPI, drain_seconds: float) -> None:
        super().__init__(config)
        self._address = address
        self._app = app
        self._drain_seconds = drain_seconds
        self._alive: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            notify.ready(f"page at {self._address}")
            self._alive = asyncio.create_task(_keep_alive())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        notify.stopping()
        self._app.state.draining = True
        until = time.monotonic() + self._drain_seconds
        while time.monotonic() < until and not self.force_exit:
            await asyncio.sleep(0.05)
        if self._alive is not None:
            self._alive.cancel()
        await super().shutdown(sockets)


async def _keep_alive() -> None:
    every = notify.watchdog_seconds()
    while every is not None:
        notify.alive()
        await asyncio.sleep(every)
