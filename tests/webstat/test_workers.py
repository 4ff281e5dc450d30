"""Several web processes as they are run for good: app.py at two ports behind HAProxy with deploy/haproxy.cfg, and memcached."""

from __future__ import annotations

import http.client
import http.server
import json
import re
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import expect
from pymemcache.client.base import Client
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from scripts.run import free_port
from tests.browser import open_browser
from tests.webstat.programs import HAProxy, Process, memcached, program, web
from tests.webstat.served import FakeCollector, wait_for
from tests.webstat.stores import Builder, Shape

PAGES = ("/", "/cluster/one", "/healthz", "/clusters.txt", "/data/nodes/one", "/data/jobs", "/api/v1/clusters")
DRAIN_SECONDS = 4


@dataclass
class Site:
    """All of it."""

    builder: Builder
    collector: FakeCollector
    cache: Process
    workers: tuple[Process, Process]
    front: HAProxy

    def report(self) -> int:
        """A new report of cluster one, announced."""
        number = self.builder.report("one", start_cores=24, user="somebody")
        self.collector.say("one", number)
        return number

    def listen(self, origin: str | None = None) -> ClientConnection:
        """A websocket through HAProxy."""
        address = f"wss://127.0.0.1:{self.front.port}/live"
        return connect(address, ssl=self.front.context, origin=origin, open_timeout=20)

    def wait_until_up(self) -> None:
        """Both processes are given requests."""
        for name in ("web1", "web2"):
            wait_for(lambda name=name: self.front.status("pages", name) == "UP", f"{name} to be up", seconds=60)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    program("haproxy")
    folder = tmp_path_factory.mktemp("workers")
    builder = Builder(folder / "store.sqlite")
    builder.add(Shape("one", "One", nodes=64, days=1))
    collector = FakeCollector()
    with ExitStack() as stack:
        stack.callback(builder.close)
        stack.callback(collector.close)
        cache = stack.enter_context(memcached(folder))
        config = folder / "webstat.toml"
        config.write_text(
            f'[store]\nurl = "{builder.url}"\n'
            f'[collector]\nannounce = "{collector.announce}"\nrefresh = "{collector.refresh}"\n'
            f'[web]\nproxies = ["127.0.0.1"]\ndrain_seconds = {DRAIN_SECONDS}\n'
            f'memcached = "127.0.0.1:{cache.port}"\nsecret_file = "web.secret"\n'
            '[[cluster]]\nname = "one"\nagent = "tcp://127.0.0.1:1"\n'
        )
        ports = free_port(0), free_port(0)
        workers = tuple(stack.enter_context(web(config, port, f"web{number}")) for number, port in enumerate(ports, 1))
        front = stack.enter_context(HAProxy(folder, ports).running())
        site = Site(builder, collector, cache, workers, front)  # type: ignore[arg-type]
        site.wait_until_up()
        yield site


@pytest.fixture(autouse=True)
def whole(site: Site) -> Iterator[None]:
    """Each test begins with both processes, whatever the one before did."""
    yield
    for worker in site.workers:
        if worker.process.poll() is not None:
            worker.start()
    site.wait_until_up()


def get(port: int, path: str, context: ssl.SSLContext | None = None, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:  # fmt: skip
    """An answer over a connection of its own."""
    if context is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    else:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context)
    try:
        connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.msg, answer.read()
    finally:
        connection.close()


def news(socket: ClientConnection, report: int, seconds: float = 30) -> None:
    """Until the viewer is told of this report."""
    end = time.monotonic() + seconds
    while True:
        message = json.loads(socket.recv(timeout=max(0.01, end - time.monotonic())))
        if message["news"].get("one", {}).get("report") == report:
            return


def test_haproxy_understands_every_line(site: Site) -> None:
    done = subprocess.run([program("haproxy"), "-c", "-f", str(site.front.config)], capture_output=True, text=True)
    assert done.returncode == 0
    assert "WARNING" not in done.stdout + done.stderr


def test_pages_come_over_tls_only(site: Site) -> None:
    front = site.front
    for path in PAGES:
        status, headers, _ = get(front.port, path, front.context)
        assert status == 200, path
        assert headers["Strict-Transport-Security"] == "max-age=31536000"
    status, headers, _ = get(front.plain, "/cluster/one")
    assert (status, headers["Location"]) == (301, f"https://127.0.0.1:{front.plain}/cluster/one")
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        get(front.port, "/", old)


def test_both_hear_of_a_new_report(site: Site) -> None:
    with ExitStack() as stack:
        viewers = [
            stack.enter_context(connect(f"ws://127.0.0.1:{worker.port}/live", open_timeout=20))
            for worker in site.workers
        ]
        viewers += [stack.enter_context(site.listen(f"https://127.0.0.1:{site.front.port}")) for _ in range(2)]
        for _ in range(2):
            number = site.report()
            for viewer in viewers:
                news(viewer, number)


def test_other_sites_may_not_listen(site: Site) -> None:
    with pytest.raises(InvalidStatus), site.listen("https://elsewhere.example"):
        pass


def test_a_new_report_is_a_new_answer_in_both_at_once(site: Site) -> None:
    def taken_at() -> list[float]:
        return [json.loads(get(worker.port, "/data/nodes/one")[2])["taken_at"] for worker in site.workers]

    with closing(Client(("127.0.0.1", site.cache.port))) as client:
        hits = client.stats()[b"get_hits"]
        before = taken_at()
        assert len(set(before)) == 1
        reports = 0
        while reports < 3 or client.stats()[b"get_hits"] == hits:  # one that is busy may not ask the other's in time
            assert reports < 20, "what one made the other never has"
            site.report()
            reports += 1
            after = taken_at()
            assert len(set(after)) == 1
            assert after[0] > before[0]
            before = after


def test_memcached_dying_is_not_noticed(site: Site) -> None:
    for kill in (site.cache.kill, site.cache.start):
        with Visitors(site) as visitors:
            kill()
            site.report()
            visitors.wait_for(60)
        assert visitors.failed == []


@dataclass
class Visitors:
    """People who open pages one after the other through HAProxy; `failed` is what did not come."""

    site: Site
    done: int = 0
    failed: list[str] = field(default_factory=list)
    broken_off: list[str] = field(default_factory=list)
    """Answers that had begun to come when their process was killed: nobody can go on with them."""

    def __enter__(self) -> Visitors:
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._browse, args=(number,)) for number in range(4)]
        for thread in self._threads:
            thread.start()
        self.wait_for(8)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def wait_for(self, more: int) -> None:
        """Until so many more answers have come."""
        until = self.done + more
        wait_for(lambda: self.done >= until or self.failed, f"{more} answers", seconds=120)

    def _browse(self, number: int) -> None:
        front = self.site.front
        while not self._over.is_set():
            path = PAGES[number % len(PAGES)]
            try:
                status = get(front.port, path, front.context)[0]
                if status != 200:
                    self.failed.append(f"{path}: {status}")
            except http.client.IncompleteRead:
                self.broken_off.append(path)
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(f"{path}: {error!r}")
            number += 1
            self.done += 1


@contextmanager
def watching(site: Site) -> Iterator[dict[int, ClientConnection]]:
    """A viewer on each process, by the process that holds it."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(site.listen()) for _ in range(2)]
        yield dict(enumerate(sockets))


def closed(socket: ClientConnection) -> bool:
    """Whether the connection has been closed; what was sent before is passed over."""
    try:
        while True:
            socket.recv(timeout=0.01)
    except TimeoutError:
        return False
    except ConnectionClosed:
        return True


@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_process_costs_visitors_nothing(site: Site, killed: int) -> None:
    with watching(site) as viewers, Visitors(site) as visitors:
        visitors.wait_for(20)
        site.workers[killed].kill()
        wait_for(lambda: sum(closed(viewer) for viewer in viewers.values()) == 1, "its viewer to notice, and no other")
        visitors.wait_for(60)
        with site.listen() as again:
            number = site.report()
            news(again, number)
        site.workers[killed].start()
        site.wait_until_up()
        visitors.wait_for(30)
    assert visitors.failed == []
    assert len(visitors.broken_off) <= len(visitors._threads)


def test_a_process_that_ends_says_so_first(site: Site) -> None:
    """SIGTERM, as an upgrade sends it: what it has begun it finishes, and it is given nothing more."""
    ending = site.workers[0]
    with site.listen() as viewer, site.listen() as other, Visitors(site) as visitors:
        ending.process.send_signal(signal.SIGTERM)
        wait_for(lambda: get(ending.port, "/readyz")[0] == 503, "it to say that it ends")
        assert get(ending.port, "/cluster/one")[0] == 200, "it serves on"
        wait_for(lambda: "DOWN" in site.front.status("pages", "web1"), "HAProxy to have heard it")
        assert ending.process.poll() is None, "it was heard in time"
        assert not closed(viewer)
        assert not closed(other)
        assert ending.process.wait(60) in (0, -signal.SIGTERM)
        assert closed(viewer) + closed(other) == 1
        visitors.wait_for(20)
    assert (visitors.failed, visitors.broken_off) == ([], [])


def test_a_browser_is_told_of_news_also_when_its_process_dies(site: Site) -> None:
    """Over HTTP/2, as browsers speak it, websockets too."""
    with open_browser() as browser:
        context = browser.new_context(viewport={"width": 1440, "height": 1000}, ignore_https_errors=True)
        page = context.new_page()
        page.goto(f"{site.front.url}/cluster/one")
        expect(page.locator("#stream")).to_contain_text("Live updates are on", timeout=60_000)
        assert page.evaluate("performance.getEntriesByType('navigation')[0].nextHopProtocol") == "h2"
        for cores, worker in zip((480, 960), site.workers, strict=True):
            worker.kill()
            site.collector.say("one", site.builder.report("one", start_cores=480))
            expect(page.locator(".ws-bars").first).to_contain_text(re.compile(rf"newcomer\s*{cores}"), timeout=60_000)
            worker.start()
            site.wait_until_up()
        context.close()


def test_draining_by_hand(site: Site) -> None:
    front = site.front
    try:
        front.command("set server pages/web1 state drain")
        wait_for(lambda: "DRAIN" in front.status("pages", "web1"), "pages to be drained")
        assert "DRAIN" in front.status("live", "web1"), "websockets go where pages go"
        asked = site.workers[0]
        asked.signal(signal.SIGSTOP)  # whoever was sent there would wait
        for path in PAGES:
            assert get(front.port, path, front.context)[0] == 200
    finally:
        asked.signal(signal.SIGCONT)
        front.command("set server pages/web1 state ready")


def test_where_no_process_is_ready_they_are_asked_all_the_same(site: Site) -> None:
    for worker in site.workers:
        worker.process.send_signal(signal.SIGTERM)
    wait_for(lambda: all("DOWN" in site.front.status("pages", name) for name in ("web1", "web2")), "both to be down")
    assert get(site.front.port, "/cluster/one", site.front.context)[0] == 200
    for worker in site.workers:
        worker.process.wait(60)
    status, headers, body = get(site.front.port, "/cluster/one", site.front.context)
    assert (status, headers["Retry-After"]) == (503, "5")
    assert b"webstat is being started" in body
    assert headers["Strict-Transport-Security"] == "max-age=31536000"


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with what it was asked."""

    protocol_version = "HTTP/1.1"
    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.dumps([self.path, [list(item) for item in self.headers.items()]]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: Any) -> None:
        pass


class EchoServer(http.server.ThreadingHTTPServer):
    """Health checks hang up on it."""

    def handle_error(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HAProxy]:
    """HAProxy before something that says what reaches it."""
    program("haproxy")
    with EchoServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        sooner = {"timeout http-request 10s": "timeout http-request 1s"}
        with HAProxy(tmp_path_factory.mktemp("echo"), (server.server_port,) * 2, sooner).running() as front:
            wait_for(lambda: front.status("pages", "web1") == "UP", "the echo to be up")
            yield front
        server.shutdown()
        thread.join()


def test_what_only_a_proxy_may_say_is_dropped(echo: HAProxy) -> None:
    forged = {
        "X-Forwarded-For": "1.2.3.4", "x-forwarded-proto": "gopher", "X-FORWARDED-USER": "root", "X-Forwarded-Groups": "wheel",
        "X_Forwarded_User": "root", "Forwarded": "for=1.2.3.4", "X-Real-IP": "1.2.3.4", "Remote-User": "root",
        "X-Remote-User": "root", "X-Auth-Request-User": "root", "REMOTE_USER": "root",
    }  # fmt: skip
    _, headers = json.loads(
        get(echo.port, "/", echo.context, Host="site.example:8443", Accept="text/html", **forged)[2]
    )
    assert sorted((name.lower(), value) for name, value in headers) == [
        ("accept", "text/html"),
        ("host", "site.example:8443"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "https"),
    ]


@pytest.mark.parametrize("path", ["/metrics", "/metrics/", "//metrics", "/%6Detrics", "/METRICS", "/metrics?a=b"])
def test_metrics_are_not_for_outside(echo: HAProxy, path: str) -> None:
    assert get(echo.port, path, echo.context)[0] == 404
    assert get(echo.port, "/api/v1/metrics-of-history", echo.context)[0] == 200


def test_slow_clients_wait_outside(echo: HAProxy) -> None:
    """Of a body that does not come nothing is passed on."""
    connection = http.client.HTTPSConnection("127.0.0.1", echo.port, context=echo.context, timeout=60)
    connection.putrequest("POST", "/refresh/one")
    connection.putheader("Content-Length", "10")
    connection.endheaders(b"12345")
    assert connection.getresponse().status == 408
    assert "/refresh/one" not in Echo.asked
    connection.close()
