"""The web process in a thread, and a stand-in for the collector's two sockets, on ports of their own."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn
import zmq

from agent.curve import Allowed, Door
from agent.keys import KeyPair
from collector.settings import AccessSettings, ClusterSettings, CollectorSettings, Settings, StoreSettings, WebSettings
from webstat.factory import create_app


def settings_for(url: str, *names: str, collector: FakeCollector | None = None, **web: Any) -> Settings:
    """Settings over a store; without a collector nothing listens where it should."""
    ends = {"announce": collector.announce, "refresh": collector.refresh} if collector else dict(NOBODY)
    return Settings(
        store=StoreSettings(url=url),
        collector=CollectorSettings(**ends),
        cluster=tuple(ClusterSettings(name=name, agent="tcp://127.0.0.1:1") for name in names),
        web=WebSettings(**web),
        access=AccessSettings(exports_a_minute=1_000_000),  # tests take more files than people
    )


NOBODY = {"announce": "tcp://127.0.0.1:9", "refresh": "tcp://127.0.0.1:9"}


class Server:
    """A running web process; `stop` and `start` keep its port."""

    def __init__(self, settings: Settings, port: int = 0) -> None:
        self._settings = settings
        self.port = port

    def start(self) -> Server:
        self.app = create_app(self._settings)
        config = uvicorn.Config(
            self.app,
            port=self.port,
            log_level="warning",
            ws="websockets-sansio",
            timeout_graceful_shutdown=1,
            proxy_headers=False,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        wait_for(lambda: self._server.started, "the web process to start")
        self.port = self._server.servers[0].sockets[0].getsockname()[1]
        return self

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(15)
        assert not self._thread.is_alive()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def served(settings: Settings) -> Iterator[Server]:
    """A web process for as long as the block lasts."""
    server = Server(settings).start()
    try:
        yield server
    finally:
        server.stop()


class FakeCollector:
    """Announces what it is told to, and answers refreshes with `answer`; None keeps the asker waiting.

    With keys of its `own` it takes those alone that are in `allow`. `tell` answers wishes about rules.
    """

    def __init__(
        self,
        answer: Callable[[str], dict[str, Any] | None] = lambda name: None,
        own: KeyPair | None = None,
        allow: tuple[Path, ...] = (),
        tell: Callable[[Any], dict[str, Any]] | None = None,
    ) -> None:
        self.asked: list[str] = []
        self._tell = tell
        self._answer = answer
        self._context = zmq.Context()
        self._pub = self._context.socket(zmq.PUB)
        self._router = self._context.socket(zmq.ROUTER)
        self._door = Door(self._context, own, Allowed(allow)) if own else None
        if self._door is not None:
            self._door.guard(self._pub)
            self._door.guard(self._router)
        self.announce = f"tcp://127.0.0.1:{self._pub.bind_to_random_port('tcp://127.0.0.1')}"
        self.refresh = f"tcp://127.0.0.1:{self._router.bind_to_random_port('tcp://127.0.0.1')}"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def say(self, cluster: str, report: int | None) -> None:
        self._pub.send(json.dumps({"cluster": cluster, "report": report, "taken_at": time.time()}).encode())

    def say_raw(self, frame: bytes) -> None:
        self._pub.send(frame)

    def _serve(self) -> None:
        while not self._over.is_set():
            if self._router.poll(100):
                *route, body = self._router.recv_multipart()
                question = json.loads(body)
                if "tell" in question and self._tell is not None:
                    answer: dict[str, Any] | None = self._tell(question["tell"])
                else:
                    self.asked.append(question["refresh"])
                    answer = self._answer(question["refresh"])
                if answer is not None:
                    self._router.send_multipart([*route, json.dumps(answer).encode()])

    def close(self) -> None:
        self._over.set()
        self._thread.join(5)
        if self._door is not None:
            self._door.close()
        self._context.destroy(linger=0)


def wait_for(is_so: Callable[[], Any], what: str, seconds: float = 15.0) -> None:
    """Return when `is_so` is; fail with `what` was awaited."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.02)
