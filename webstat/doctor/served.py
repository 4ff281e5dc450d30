"""What listens: the page, the collector's sockets, memcached. Asked over the network, as others would."""

from __future__ import annotations

import json
import socket
import time
import urllib.request
from collections.abc import Iterator
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from collector.settings import Settings
from webstat.data.source import Source
from webstat.doctor.finding import Finding, ok, problem, warning
from webstat.errors import WebError
from webstat.health import collector_is_missing

_SECONDS = 5.0
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
START = "systemctl start webstat-web, or python app.py"


def check_page(settings: Settings) -> Iterator[Finding]:
    """What answers at the page's port."""
    host = _ANYWHERE.get(settings.web.host, settings.web.host)
    address = f"http://{f'[{host}]' if ':' in host else host}:{settings.web.port}"
    try:
        with _DIRECT.open(f"{address}/readyz", timeout=_SECONDS) as answer:
            body = answer.read(65536)
    except HTTPError as error:
        with error:
            body = error.read(65536)
    except (URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ConnectionRefusedError):
            yield warning("page", f"nothing listens at {address}: the port is free", START)
        else:
            yield problem("page", f"{address} does not answer: {reason}", "journalctl -u webstat-web")
        return
    try:
        told = json.loads(body)
        failed = [f"{one['name']}: {one['words']}" for one in told.get("checks", ()) if not one["ok"]]
        ready = bool(told["ok"])
    except (ValueError, TypeError, KeyError, AttributeError):
        words = f"what answers at {address} is not webstat"
        yield problem("page", words, "end that program, or change [web] port")
        return
    if ready:
        yield ok("page", f"{address} is ready")
    else:
        yield problem(
            "page", f"{address} is not ready: {'; '.join(failed) or 'it is ending'}", "journalctl -u webstat-web"
        )


def check_collector(source: Source) -> Iterator[Finding]:
    """Whether something of ZeroMQ listens where each collector announces, and whether polls are overdue."""
    start = "systemctl start webstat-collector, or python -m collector run"
    try:
        overdue = collector_is_missing([one for one in source.clusters() if one.id], False, time.time())
        known = any(one.id for one in source.clusters())
    except WebError:
        overdue, known = False, False  # said of the store already
    for endpoint in sorted({peer.endpoint for peer in source.collectors(None).announce}):
        if not _is_zeromq(endpoint):
            yield problem("collector", f"none is heard at {endpoint}", start)
        elif overdue and known:
            yield problem(
                "collector", f"one listens at {endpoint}, but every poll is overdue", "journalctl -u webstat-collector"
            )
        else:
            yield ok("collector", f"one is heard at {endpoint}")


def _is_zeromq(endpoint: str) -> bool:
    """Whether the greeting of ZeroMQ comes: before any keys, so they do not matter."""
    parts = urlsplit(endpoint)
    address = endpoint.removeprefix("ipc://") if parts.scheme == "ipc" else (parts.hostname or "", parts.port or 0)
    try:
        peer = _connect(address)
    except OSError:
        return False
    with peer:
        try:
            return peer.recv(1) == b"\xff"
        except OSError:
            return False


def check_memcached(settings: Settings) -> Iterator[Finding]:
    """Whether each memcached of the settings answers; nothing where none is set."""
    for address in getattr(settings.web, "memcached", ()):
        try:
            host, _, port = address.rpartition(":")
            peer = _connect(address if address.startswith("/") else (host.strip("[]"), int(port)))
            with peer:
                peer.sendall(b"version\r\n")
                answer = peer.recv(256).decode("ascii", "replace").strip()
        except (OSError, ValueError) as error:
            yield warning(
                "memcached",
                f"{address} does not answer: {error}",
                "systemctl start memcached, or change [web] memcached",
            )
            continue
        if answer.startswith("VERSION "):
            yield ok("memcached", f"{address} answers, {answer.removeprefix('VERSION ')}")
        else:
            yield problem("memcached", f"what answers at {address} is no memcached", "change [web] memcached")


def _connect(address: str | tuple[str, int]) -> socket.socket:
    """Connected to a socket's path, or to a host and port."""
    if not isinstance(address, str):
        return socket.create_connection(address, _SECONDS)
    peer = socket.socket(socket.AF_UNIX)
    try:
        peer.settimeout(_SECONDS)
        peer.connect(address)
    except OSError:
        peer.close()
        raise
    return peer
