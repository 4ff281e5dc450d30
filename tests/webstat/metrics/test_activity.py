"""What a process counts of itself, who may ask for it, and what it logs of requests."""

from __future__ import annotations

import json
import logging
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from websockets.sync.client import connect

from collector.metrics import HostedProcess
from collector.settings import WebSettings
from tests.webstat.metrics.output import read, text_of, total, value
from tests.webstat.served import FakeCollector, Server, served, settings_for, wait_for
from tests.webstat.stores import Builder, Shape
from tests.webstat.test_serving import get
from webstat import router
from webstat.metrics import may_ask
from webstat.pages import PAGES


@pytest.fixture(scope="module")
def collector() -> Iterator[FakeCollector]:
    fake = FakeCollector()
    yield fake
    fake.close()


@pytest.fixture(scope="module")
def server(collector: FakeCollector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    builder = Builder(tmp_path_factory.mktemp("activity") / "store.sqlite")
    builder.add(Shape("one", "One", nodes=2, days=1))
    with served(settings_for(builder.url, "one", collector=collector)) as server:
        yield server
    builder.close()


def test_requests_are_counted_by_route_never_by_address(server: Server) -> None:
    before = read(text_of(server))
    for number in range(40):
        get(f"{server.url}/nope/{number}")
        get(f"{server.url}/cluster/secret{number}")
        get(f"{server.url}/cluster/secret{number}.txt")
    request = urllib.request.Request(server.url + "/clusters.txt", method="BREW")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=20)
    refused.value.close()
    get(server.url + "/api/v1/clusters")
    # An answer may be read before its end is noted.
    name = "webstat_http_requests_total"
    wait_for(lambda: total(read(text_of(server)), name, route="/api/v1/clusters") == 1, "the last to be counted")
    wait_for(lambda: total(read(text_of(server)), name, status="4xx") == 121, "all to be counted")
    text = text_of(server)
    samples = read(text)
    assert "secret" not in text and "nope" not in text and "BREW" not in text
    assert value(samples, "webstat_http_requests_total", method="GET", route="other", status="4xx") == 40
    assert value(samples, "webstat_http_requests_total", method="GET", route="/cluster/<cluster>", status="4xx") == 40
    assert total(samples, "webstat_http_requests_total", method="other", status="4xx") == 1
    assert value(samples, "webstat_http_requests_total", method="GET", route="/api/v1/clusters", status="2xx") == 1
    counted = total(samples, "webstat_http_request_duration_seconds_count")
    assert counted == total(samples, name) > total(before, name) + 122


def test_viewers_and_announcements(server: Server, collector: FakeCollector) -> None:
    def told(name: str) -> float | None:
        return value(read(text_of(server)), name)

    assert told("webstat_viewers") == 0
    with connect(server.url.replace("http", "ws") + "/live"):
        wait_for(lambda: told("webstat_viewers") == 1, "the viewer to be counted")
    wait_for(lambda: told("webstat_viewers") == 0, "the viewer to be gone")
    wait_for(lambda: told("webstat_collector_heard") == 1, "the collector to be heard")
    before = told("webstat_announcements_total")
    collector.say("one", 1001)
    wait_for(lambda: told("webstat_announcements_total") == (before or 0) + 1, "the announcement to be counted")


def test_what_is_remembered_is_a_hit_the_second_time(server: Server) -> None:
    def told(what: str) -> float:
        return value(read(text_of(server)), f"webstat_cache_{what}_total", memory="results") or 0

    get(server.url + "/api/v1/queues")
    misses, hits = told("misses"), told("hits")
    get(server.url + "/api/v1/queues")
    assert told("misses") == misses
    assert told("hits") > hits


def draw(server: Server, path: str) -> dict[str, Any]:
    """What the page's callback answers, asked as the browser does."""
    (callback,) = (
        one
        for one in json.loads(get(server.url + "/_dash-dependencies")[2])
        if "ws-news" in str(one) or "pathname" in str(one["inputs"])
    )
    inputs = [
        {
            **one,
            "value": {
                "pathname": path,
                "search": "",
                "data": {"theme": "light", "zone": "UTC"} if "viewer" in one["id"] else None,
            }.get(one["property"]),
        }
        for one in callback["inputs"]
    ]
    outputs = [
        {"id": name.rpartition(".")[0], "property": name.rpartition(".")[2]}
        for name in callback["output"].strip(".").split("...")
    ]
    body = {
        "output": callback["output"],
        "outputs": outputs,
        "inputs": inputs,
        "state": [{**one, "value": None} for one in callback["state"]],
        "changedPropIds": [],
    }
    request = urllib.request.Request(
        server.url + "/_dash-update-component", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read())


def test_the_code_a_person_is_shown_is_in_the_log(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a page's own mistake")

    before = value(read(text_of(server)), "webstat_exceptions_total") or 0
    monkeypatch.setattr(router.Artist, "draw", broken)
    shown: list[str] = []
    could_not = router.start.broken
    monkeypatch.setattr(
        router.start, "broken", lambda matter, words, code: shown.append(code) or could_not(matter, words, code)
    )
    answer = json.dumps(draw(server, "/"))
    (code,) = shown
    assert code in answer
    (record,) = (one for one in caplog.records if one.levelno == logging.ERROR)
    assert f"code={code}" in record.getMessage()
    assert record.exc_info and "a page's own mistake" in str(record.exc_info[1])
    samples = read(text_of(server))
    assert value(samples, "webstat_exceptions_total") == before + 1
    assert (value(samples, "webstat_log_records_total", level="error") or 0) >= 1
    count = "webstat_http_request_duration_seconds_count"
    wait_for(lambda: total(read(text_of(server)), count, route="/_dash-update-component"), "the callback to be timed")


def test_failing_requests_are_logged_and_good_ones_only_where_wished(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    def logged() -> list[str]:
        return [one.getMessage().partition(" ms=")[0] for one in caplog.records if one.name == "webstat.requests"]

    with caplog.at_level(logging.INFO, "webstat.requests"):
        get(server.url + "/clusters.txt")
        get(server.url + "/cluster/secret")
        wait_for(logged, "the failing one to be logged")
    assert logged() == ["request method=GET route=/cluster/<cluster> status=404"]
    caplog.clear()
    with caplog.at_level(logging.DEBUG, "webstat.requests"):
        get(server.url + "/clusters.txt")
        wait_for(logged, "the good one to be logged")
    assert logged() == ["request method=GET route=/clusters.txt status=200"]


def test_what_a_proxy_passes_on_is_refused(server: Server) -> None:
    for name in ("X_Forwarded_For", "Forwarded", "Via", "X_Real_IP"):
        status, _, body = get(server.url + "/metrics", **{name: "203.0.113.7"})
        assert (status, b"webstat_viewers" in body) == (403, False), name
        assert b"[web] metrics_from" in body


@pytest.mark.parametrize(
    ("client", "forwarded", "networks", "may"),
    [
        ("127.0.0.1", [], None, True),
        ("::1", [], None, True),
        ("::ffff:127.0.0.1", [], None, True),
        ("10.0.0.5", [], None, False),
        ("10.0.0.5", [], ["10.0.0.0/8"], True),
        ("127.0.0.1", [], ["10.0.0.0/8"], False),
        ("127.0.0.1", ["203.0.113.7"], None, False),
        ("127.0.0.1", ["127.0.0.1, 203.0.113.7"], None, False),
        ("127.0.0.1", ["127.0.0.1", "203.0.113.7"], None, False),
        ("127.0.0.1", ["10.0.0.5"], ["127.0.0.1", "10.0.0.0/8"], True),
        ("127.0.0.1", ["unknown"], None, False),
        ("127.0.0.1", [""], None, False),
        (None, [], None, False),
    ],
)
def test_who_may_ask(client: str | None, forwarded: list[str], networks: list[str] | None, may: bool) -> None:
    web = WebSettings.model_validate({} if networks is None else {"metrics_from": networks})
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    request = Request({"type": "http", "client": client and (client, 1), "headers": headers})
    assert may_ask(web, request) is may


def test_the_process_is_told_in_the_units_sandbox_too(tmp_path: Path) -> None:
    (tmp_path / "self").symlink_to("/proc/self")  # ProcSubset=pid: no /proc/stat
    told = {one.name: one.samples[0].value for one in HostedProcess(proc=str(tmp_path), registry=None).collect()}
    real = {one.name: one.samples[0].value for one in HostedProcess(registry=None).collect()}
    assert set(told) == set(real) >= {"process_resident_memory_bytes", "process_cpu_seconds"}
    assert abs(told["process_start_time_seconds"] - real["process_start_time_seconds"]) < 5


def test_each_page_has_a_route() -> None:
    assert len({page.path for page in PAGES}) == len(PAGES) < 40
