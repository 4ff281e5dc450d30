"""One shape for all that is refused; and who has an answer already is told so."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import requests
from fastapi import FastAPI, HTTPException
from fastapi.exceptions import RequestValidationError

from collector.settings import AccessSettings
from tests.webstat.served import Server, served, settings_for
from tests.webstat.stores import Builder, Shape
from webstat.api.asked import source_of
from webstat.api.v1.refusals import PROBLEM, refused
from webstat.api.v1.routes import PREFIX, ROUTES
from webstat.errors import StoreBroken


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builder]:
    builder = Builder(tmp_path_factory.mktemp("live") / "store.sqlite")
    builder.add(Shape("one", "One", nodes=4, cores=8, days=1))
    builder.add(Shape("two", "Two", nodes=4, cores=8, days=1))
    yield builder
    builder.close()


@pytest.fixture(scope="module")
def site(builder: Builder) -> Iterator[Server]:
    with served(settings_for(builder.url, "one", "two")) as server:
        yield server


def asked(site: Server, path: str, method: str = "GET", **headers: str) -> requests.Response:
    return requests.request(method, f"{site.url}{PREFIX}{path}", headers=headers, timeout=20)


def problems(answer: requests.Response, status: int) -> list[str]:
    """The problems of a refusal, which has the one shape."""
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, PROBLEM), answer.text
    told = answer.json()
    assert list(told) == ["status", "title", "detail", "problems"] and told["status"] == status
    assert told["detail"] == " ".join(told["problems"]) and told["title"] == answer.reason
    assert answer.headers["Cache-Control"] == "no-store"
    return told["problems"]


@pytest.mark.parametrize("path", ["", "/", "/nothing", "/jobs/17", "/history/", "/%00", "/jobs%2f", "/" + "x" * 3000])
def test_an_address_that_there_is_none_of(site: Server, path: str) -> None:
    (problem,) = problems(asked(site, path), 404)
    assert f"{PREFIX}/jobs" in problem and len(problem) < 1500


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_addresses_only_tell(site: Server, method: str) -> None:
    for path in ("/jobs", "/history/all.zip", "/openapi.json"):
        answer = asked(site, path, method)
        assert method in problems(answer, 405)[0] and answer.headers["Allow"] == "GET, HEAD"
    assert problems(asked(site, "/nothing", method), 404)


def test_head_is_get_without_its_rows(site: Server) -> None:
    for path in ("/jobs", "/history?format=csv", "/openapi.json"):
        told, whole = asked(site, path, "HEAD"), asked(site, path)
        assert (told.status_code, told.content) == (200, b"") and whole.content
        for name in ("Content-Type", "X-Total-Count", "ETag"):
            assert told.headers.get(name) == whole.headers.get(name)


def test_what_is_raised_where_a_source_is_chosen_has_the_shape_too(
    site: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever may not see anything, or a fault of our own, comes out of the dependency of every route."""
    raised: list[Exception] = []

    async def refusing() -> None:
        raise raised[0]

    app: FastAPI = site.app
    app.dependency_overrides[source_of] = refusing
    try:
        for error, status, said in (
            (HTTPException(401, "Who are you?", {"WWW-Authenticate": "Bearer"}), 401, "Who are you?"),
            (StoreBroken("disk full"), 503, "The store could not be read: disk full."),
            (ZeroDivisionError("secret"), 500, "webstat itself failed here; its log says how."),
        ):
            raised[:] = [error]
            with caplog.at_level(logging.ERROR):
                for route in ROUTES:
                    answer = asked(site, route.path)
                    assert problems(answer, status) == [said]
            assert answer.headers.get("WWW-Authenticate") == ("Bearer" if status == 401 else None)
            assert answer.headers.get("Retry-After") == ("10" if status == 503 else None)
        assert "secret" in caplog.text
    finally:
        app.dependency_overrides.clear()


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_who_has_the_rows_already_is_told_so(builder: Builder, site: Server, route) -> None:
    path = f"{route.path}?cluster=two" + ("&range=24h" if "range" in route.words else "")
    first = asked(site, path)
    mark = first.headers["ETag"]
    assert first.status_code == 200 and mark.startswith('W/"')
    again = asked(site, path, **{"If-None-Match": f'"other", {mark}'})
    assert (again.status_code, again.content) == (304, b"") and again.headers["ETag"] == mark
    assert asked(site, path, **{"If-None-Match": '"other"'}).status_code == 200
    assert asked(site, f"{path}&format=csv").headers["ETag"] != mark
    builder.report("two", start_cores=1)
    news = asked(site, path, **{"If-None-Match": mark})
    assert news.status_code == 200 and news.headers["ETag"] != mark
    assert news.json()["meta"]["clusters"]["two"]["report"] == first.json()["meta"]["clusters"]["two"]["report"] + 1


def test_what_is_refused_at_the_door_has_the_shape(builder: Builder, site: Server) -> None:
    token = {"Authorization": "Bearer nobody's"}
    for path in (*(route.path for route in ROUTES), "/nothing"):
        assert problems(asked(site, path, **token), 401) == ["This token is not known, or no longer."]
    few = settings_for(builder.url, "one", "two").model_copy(update={"access": AccessSettings(exports_a_minute=1)})
    with served(few) as server:
        assert asked(server, "/nodes?format=csv").status_code == 200
        again = asked(server, "/nodes?format=csv")
        assert "files a minute" in problems(again, 429)[0] and int(again.headers["Retry-After"]) > 0
        assert asked(server, "/nodes").status_code == 200


def test_what_fastapi_itself_refuses_has_the_shape() -> None:
    """No address leaves its words to FastAPI's checks today; one that would is refused alike."""
    error = RequestValidationError([{"loc": ("query", "n"), "msg": "should be an integer", "type": "int"}])
    answer = refused(error)
    assert answer.status_code == 400 and b'"problems":["n: should be an integer."]' in answer.body
