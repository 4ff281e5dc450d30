"""Where notices go in tests: a real web server and a real mail server, on ports of their own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult


@dataclass
class Hook:
    """What was posted, and what is answered to the next posts; the last status stays."""

    port: int = 0
    statuses: list[int] = field(default_factory=lambda: [204])
    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    before: Callable[[], None] = lambda: None
    """Called with a post in hand, before it is answered."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/told?by=webstat"

    @property
    def allowed(self) -> str:
        return f"127.0.0.1:{self.port}"

    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.posts]

    def words(self) -> list[str]:
        return [one["words"] for document in self.documents() for one in document["notices"]]


@contextlib.contextmanager
def web_server() -> Iterator[Hook]:
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            hook.posts.append(({name.lower(): value for name, value in self.headers.items()}, body))
            hook.before()
            status = hook.statuses.pop(0) if len(hook.statuses) > 1 else hook.statuses[0]
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("location", hook.url)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


@dataclass
class Mailbox:
    """What was sent, as (from, to, message); `refuse` is answered instead of taking the next ones."""

    port: int = 0
    mails: list[tuple[str, list[str], EmailMessage]] = field(default_factory=list)
    refuse: list[str] = field(default_factory=list)
    stop: Callable[[], Any] = lambda: None

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        if self.refuse:
            return self.refuse.pop(0)
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.mails.append((envelope.mail_from, envelope.rcpt_tos, message))
        return "250 taken"


@contextlib.contextmanager
def mail_server(tls: ssl.SSLContext | None = None, login: tuple[str, str] | None = None) -> Iterator[Mailbox]:
    """With `tls` it takes mail after STARTTLS alone, with `login` only from this user with this password."""
    box = Mailbox()

    def knows(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
        return AuthResult(success=login == (given.login.decode(), given.password.decode()), handled=False)

    more: dict[str, Any] = {"tls_context": tls, "require_starttls": True} if tls else {}
    more |= {"authenticator": knows, "auth_required": True} if login else {}
    started, over = threading.Event(), asyncio.Event()

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        # aiosmtpd's own Controller wants to know its port before it has one.
        server = await loop.create_server(lambda: SMTP(box, loop=loop, **more), "127.0.0.1", 0)
        async with server:
            box.port = server.sockets[0].getsockname()[1]
            box.stop = lambda: loop.call_soon_threadsafe(over.set)
            started.set()
            await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield box
    finally:
        box.stop()
        thread.join(10)
