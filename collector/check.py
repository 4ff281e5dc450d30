"""`check`: cluster by cluster, what works and what to do about what does not. Reads, and changes nothing."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import zmq.asyncio

from agent.curve import Peer, is_local
from agent.errors import WireError
from agent.report import PROTOCOL
from agent.wire import from_wire
from collector.client import failure, fetch_answer, fetch_reply, peers_of
from collector.errors import PollFailed, SettingsError
from collector.keys import allowed_keys, check_exposure, own_pair
from collector.settings import ClusterSettings, Settings

CLOCK_SKEW_SECONDS = 5.0
"""Clocks further apart make ages and ends wrong."""


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `ok` True, False, or None for a warning."""

    what: str
    ok: bool | None
    words: str


async def check_cluster(
    context: zmq.asyncio.Context, cluster: ClusterSettings, settings: Settings
) -> AsyncIterator[Finding]:
    """Name, port, keys, protocol, clock, commands: in this order, ending at the first that fails."""
    try:
        peers = peers_of(cluster, settings.collector)
    except SettingsError as error:
        yield Finding("keys", False, str(error))
        return
    async for finding in _check_address(cluster.agent):
        yield finding
        if finding.ok is False:
            return
    begun = time.time()
    try:
        pong = await fetch_answer(context, peers, "ping", min(10.0, settings.collector.timeout_seconds))
    except PollFailed as error:
        yield Finding(error.code if error.code in ("protocol", "keys") else "agent", False, str(error))
        return
    asked = (begun + time.time()) / 2
    keyed = cluster.server_key_file is not None
    words = "encrypted and checked by keys" if keyed else "open: neither encrypted nor checked"
    yield Finding("keys", True if keyed or is_local(cluster.agent) else None, f"the connection is {words}")
    yield Finding(
        "protocol", True, f"{PROTOCOL}; the agent is webstat {pong.get('agent_version', 'of unknown version')}"
    )
    yield _check_clock(pong.get("now"), asked)
    async for finding in _check_report(context, peers, settings.collector.timeout_seconds):
        yield finding


def check_sockets(settings: Settings) -> Iterator[Finding]:
    """Who may hear the collector's announcements and ask it for a refresh, and whether the page may."""
    collector, web = settings.collector, settings.web
    try:
        check_exposure(collector)
        own_pair(collector.secret_key_file, "collector")
        allowed = allowed_keys(collector).now() if collector.allow else None
    except SettingsError as error:
        yield Finding("keys", False, str(error))
        return
    if allowed is None:
        local = is_local(collector.announce) and is_local(collector.refresh)
        yield Finding("keys", True if local else None, "they are open: neither encrypted nor checked")
    else:
        yield Finding("keys", True, f"encrypted, and only for those whose keys are in allow: {len(allowed)}")
    try:
        page = own_pair(web.secret_key_file, "web")
    except SettingsError as error:
        elsewhere = web.secret_key_file is not None and not web.secret_key_file.exists()
        yield Finding("page", None if elsewhere else False, f"{error}; where the page is on another host, look there")
        return
    if allowed is None and page is not None:
        yield Finding("page", False, "it has a key and speaks to no collector without: give [collector] allow")
    elif allowed is not None and page is None:
        yield Finding("page", False, "it has no key and hears nothing: give [web] secret_key_file")
    elif allowed is not None and page is not None and page.public not in allowed:
        yield Finding(
            "page", False, f"its key is not allowed: copy the .key beside {web.secret_key_file} to [collector] allow"
        )
    elif allowed is not None:
        yield Finding("page", True, "its key is allowed")


async def _check_address(endpoint: str) -> AsyncIterator[Finding]:
    parts = urlsplit(endpoint)
    if parts.scheme != "tcp":
        return
    host, port = parts.hostname or "", parts.port
    if port is None:
        yield Finding("address", False, f"{endpoint} has no port; the agent's own default is 7621")
        return
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        yield Finding("name", False, f"{host} does not resolve ({error}); correct it in webstat.toml, or the DNS")
        return
    yield Finding("name", True, f"{host} is {found[0][4][0]}")
    try:
        async with asyncio.timeout(5):
            _, writer = await asyncio.open_connection(host, port)
        writer.close()
    except (OSError, TimeoutError) as error:
        words = "nothing answers within 5 s: a firewall?" if isinstance(error, TimeoutError) else str(error)
        yield Finding("port", False, f"{host} port {port}: {words}; start the agent there, or open the port")
        return
    yield Finding("port", True, f"{port} accepts connections")


def _check_clock(theirs: object, ours: float) -> Finding:
    if not isinstance(theirs, (int, float)):
        return Finding("clock", None, "the agent does not tell its time")
    skew = theirs - ours
    words = f"{abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} this host's"
    if abs(skew) > CLOCK_SKEW_SECONDS:
        return Finding("clock", None, f"{words}: ages and ends will be wrong by that; run NTP on both hosts")
    return Finding("clock", True, words)


async def _check_report(context: zmq.asyncio.Context, peers: Sequence[Peer], timeout: float) -> AsyncIterator[Finding]:
    try:
        report = from_wire(await fetch_reply(context, peers, "report", timeout))
    except WireError as error:
        yield Finding("commands", False, f"{failure(error)}; run the command by hand on the agent's host")
        return
    except PollFailed as error:
        yield Finding("commands", False, str(error))
        return
    cost = sum(report.query_seconds.values())
    yield Finding(
        "commands",
        None if report.partial else True,
        f"{report.scheduler.kind} {report.scheduler.version} on {report.scheduler.server}: {len(report.jobs)} jobs, "
        f"{len(report.nodes)} nodes, {len(report.queues)} queues in {cost:.1f} s"
        + (f"; incomplete: {', '.join(report.partial)}" if report.partial else ""),
    )
    for warning in report.warnings[:10]:
        yield Finding("warning", None, f"{warning.source}: {warning.message}")
    if len(report.warnings) > 10:
        yield Finding("warning", None, f"and {len(report.warnings) - 10} more warnings")
