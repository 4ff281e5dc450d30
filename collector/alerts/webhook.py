"""A notice as a POST of JSON: signed as https://www.standardwebhooks.com has it, and only to where the admin lets it go."""

from __future__ import annotations

import asyncio
import base64
import hmac
import ipaddress
import secrets
from collections.abc import Iterable

import httpx2

SECONDS = 10.0
"""From the connection to the status line of the answer, of which no more is read."""
PREFIX = "whsec_"
PORTS = {"http": 80, "https": 443}


class Refused(Exception):
    """It was not taken, and will not be at the next try either."""


class Failed(Exception):
    """It was not taken this time."""


def make_secret() -> str:
    """By which one rule's posts are signed."""
    return PREFIX + base64.b64encode(secrets.token_bytes(24)).decode()


def is_allowed(address: str, allowed: Iterable[str]) -> bool:
    """Whether posts may go to an address: `allowed` as [notify] webhooks has it.

    No name is looked up: a listed name is trusted with where it leads, and a network is only for addresses in numbers.
    """
    try:
        url = httpx2.URL(address)
        port = url.port or PORTS.get(url.scheme)
    except (httpx2.InvalidURL, ValueError):
        return False
    if url.scheme not in PORTS or not url.host or url.userinfo or port is None:
        return False
    return any(_fits(url.host.rstrip(".").lower(), port, one) for one in allowed)


def _fits(host: str, port: int, pattern: str) -> bool:
    place, colon, number = pattern.rpartition(":")
    if not colon or "/" in number:
        place, number = pattern, ""
    if port not in ({int(number)} if number else set(PORTS.values())):
        return False
    if "/" not in place:
        return host == place.lower()
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(place)
    except ValueError:
        return False


def signature(secret: str, message: str, at: int, body: bytes) -> str:
    """What stands in the header webhook-signature."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    digest = hmac.digest(key, f"{message}.{at}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(digest).decode()}"


async def post(address: str, secret: str, message: str, at: int, body: bytes) -> None:
    """Send it; redirects are not followed, proxies of the environment not used. Raises Refused, Failed."""
    headers = {
        "content-type": "application/json",
        "user-agent": "webstat",
        "webhook-id": message,
        "webhook-timestamp": str(at),
        "webhook-signature": signature(secret, message, at, body),
    }
    try:
        async with (
            asyncio.timeout(SECONDS),
            httpx2.AsyncClient(follow_redirects=False, trust_env=False, timeout=SECONDS) as client,
            client.stream("POST", address, content=body, headers=headers) as answer,
        ):
            status = answer.status_code
    except TimeoutError:
        raise Failed(f"no answer in {SECONDS:.0f} s") from None
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise Failed(str(error) or type(error).__name__) from None
    if status < 200 or (300 <= status < 500 and status not in (408, 425, 429)):
        raise Refused(f"it answered {status}")
    if status >= 300:
        raise Failed(f"it answered {status}")
