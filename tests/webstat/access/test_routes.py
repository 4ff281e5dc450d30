"""What each level sees, route by route, page by page and over the websocket, of a store of recorded clusters."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import requests
from fastapi.routing import APIRoute
from websockets.sync.client import connect

from collector.settings import AccessSettings, Settings
from tests.webstat.data.test_veil import hidden_words, owner_of
from tests.webstat.recorded import Recorded, record
from tests.webstat.served import Server, served
from webstat import ids
from webstat.data import jobs
from webstat.data.source import Source
from webstat.pages import PAGES
from webstat.privacy import SAYS, Level

LEVELS = (Level.PSEUDONYMS, Level.OWN, Level.TOTALS)
CLUSTER = "mixed"

ROUTES: dict[str, tuple[str, ...]] = {
    "/clusters.txt": ("/clusters.txt",),
    "/clusters.json": ("/clusters.json",),
    "/cluster/{name}.txt": (f"/cluster/{CLUSTER}.txt", "/cluster/torque.txt", "/cluster/slurm.txt"),
    "/cluster/{name}.json": (f"/cluster/{CLUSTER}.json", "/cluster/slurm.json"),
    "/user/{name}.txt": ("/user/{stranger}.txt",),
    "/group/{name}.txt": ("/group/{stranger}.txt",),
    "/data/find": ("/data/find?q=a", "/data/find?q=1", "/data/find?q=o", "/data/find?q={stranger}"),
    "/data/jobs": ("/data/jobs?rows=500", "/data/jobs?q={stranger}", "/data/jobs?rows=500&user={stranger}"),
    "/data/nodes/{cluster}": (f"/data/nodes/{CLUSTER}", "/data/nodes/torque"),
    "/jobs.csv": ("/jobs.csv",),
    "/api/v1/history/totals": tuple(f"/api/v1/history/totals?by={by}" for by in ("user", "group", "account")),
    "/api/v1/history": tuple(f"/api/v1/history?by={by}" for by in ("user", "group", "account")),
    "/api/v1/history/jobs": ("/api/v1/history/jobs?range=7d", "/api/v1/history/jobs?range=7d&user={stranger}"),
    "/api/v1/history/mix": ("/api/v1/history/mix?by=user",),
    "/api/v1/history/all.zip": ("/api/v1/history/all.zip?by=user",),
    "/api/v1/usage": tuple(f"/api/v1/usage?by={by}" for by in ("user", "group", "account")),
    "/api/v1/usage/day": tuple(f"/api/v1/usage/day?by={by}" for by in ("user", "group")),
    "/api/v1/jobs": ("/api/v1/jobs", "/api/v1/jobs?format=csv"),
}
"""Routes that tell of people or jobs -> what is asked of them; each at the present and, where it can, at a moment."""

SILENT = {
    "/refresh/{cluster}", "/healthz", "/readyz", "/metrics", "/assets/{name:path}", "/signin", "/signin/back", "/signout",
    "/signed-out", "/api/docs", "/api/v1", "/api/v1/{path:path}", "/api/v1/openapi.json", "/api/v1/nodes", "/api/v1/queues", "/api/v1/clusters",
    "/api/v1/waits", "/api/v1/forecasts", "/api/v1/free", "/api/v1/future", "/api/v1/history/nodes", "/api/v1/history/waits", "/api/v1/history/week", "/api/v1/history/worst-nodes",
}  # fmt: skip
"""Routes that tell of nobody; asked all the same."""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return record(tmp_path_factory.mktemp("recorded") / "store.sqlite", CLUSTER, "torque", "slurm")


@pytest.fixture(scope="module")
def me(recorded: Recorded) -> Iterator[str]:
    source = Source(recorded.settings())
    yield owner_of(source)
    source.close()


@pytest.fixture(scope="module")
def hidden(recorded: Recorded, me: str) -> set[str]:
    """Without what also stands in names of the own jobs, or in the words of charts."""
    source = Source(recorded.settings())
    listed = jobs.current(source, source.clusters(), recorded.now)
    own = " ".join(listed[listed["user"] == me]["name"])
    source.close()
    return {word for word in hidden_words(recorded, me) if len(word) > 3 and word not in own} - {"infer"}


@pytest.fixture(scope="module", params=LEVELS)
def site(
    recorded: Recorded, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Server]:
    with served(settings(recorded, tmp_path_factory.mktemp("keys") / "secret", member=request.param)) as server:
        server.level = request.param  # type: ignore[attr-defined]
        yield server


def settings(recorded: Recorded, secret: Any, **access: Any) -> Settings:
    told = recorded.settings(proxies=("127.0.0.1",), secret_file=secret)
    return told.model_copy(update={"access": AccessSettings(mode="proxy", **access)})


def as_person(name: str) -> dict[str, str]:
    return {"X-Forwarded-User": name}


def routes_of(server: Server) -> set[str]:
    """The addresses of all routes."""
    found: set[str] = set()

    def walk(routes: list[Any]) -> None:
        for route in routes:
            if isinstance(route, APIRoute):
                found.add(route.path)
            elif (inner := getattr(route, "original_router", None)) is not None:
                walk(inner.routes)

    walk(server.app.routes)
    return found


def test_every_route_is_looked_at(site: Server) -> None:
    assert routes_of(site) - SILENT == set(ROUTES)


def moments(site: Server, recorded: Recorded) -> tuple[str, ...]:
    """The present, and a past moment."""
    return ("",) if site.level is Level.TOTALS else ("", f"at={int(recorded.now) - 3}")  # type: ignore[attr-defined]


def telling(text: str, hidden: set[str]) -> set[str]:
    """The hidden words in a text; as a browser would show it, since JSON may write them otherwise."""
    return {word for word in hidden if re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text)}


@pytest.mark.parametrize("route", ROUTES)
def test_no_route_tells_of_others(site: Server, recorded: Recorded, me: str, hidden: set[str], route: str) -> None:
    stranger = "dave"
    assert stranger in hidden
    for address in ROUTES[route]:
        for moment in moments(site, recorded):
            url = site.url + address.replace("{stranger}", stranger)
            url += (("&" if "?" in url else "?") + moment) if moment else ""
            answer = requests.get(url, headers=as_person(me), timeout=30)
            if answer.status_code in (400, 422) and moment:
                continue  # it has no past moments
            assert answer.status_code == 200, (url, answer.text[:300])
            assert answer.headers["X-Webstat-Sees"] == site.level  # type: ignore[attr-defined]
            assert "private" in answer.headers["Cache-Control"] or answer.headers["Cache-Control"] == "no-store"
            said = answer.text
            if "zip" in answer.headers["Content-Type"]:
                with zipfile.ZipFile(io.BytesIO(answer.content)) as files:
                    said = "\n".join(files.read(name).decode() for name in files.namelist())
            elif "json" in answer.headers["Content-Type"]:
                said = json.dumps(answer.json(), ensure_ascii=False)
            asked = {stranger} if "{stranger}" in address else set()
            assert not telling(said, hidden) - asked, url


def test_an_admin_is_told_what_is_hidden_from_others(
    site: Server, recorded: Recorded, hidden: set[str], tmp_path: Any
) -> None:
    """Or the test above would find nothing in whatever it looked at."""
    with served(settings(recorded, tmp_path / "secret", admins=("root",))) as server:
        for route in (
            "/cluster/{name}.txt",
            "/data/find",
            "/data/jobs",
            "/jobs.csv",
            "/api/v1/jobs",
            "/api/v1/history",
        ):
            answer = requests.get(server.url + ROUTES[route][0], headers=as_person("root"), timeout=30)
            assert telling(answer.text, hidden), route
            assert "X-Webstat-Sees" not in answer.headers


@cache
def dependencies(url: str, person: str) -> list[Any]:
    """What a browser is told to ask for."""
    found: list[Any] = requests.get(f"{url}/_dash-dependencies", headers=as_person(person), timeout=30).json()
    return found


def draw(site: Server, path: str, headers: dict[str, str], **viewer: str) -> requests.Response:
    """What a browser is told to draw of a page."""
    for one in dependencies(site.url, headers["X-Forwarded-User"]):
        if f"{ids.DRAWN}.data" in one["output"] and not one["clientside_function"]:
            names = one["output"].strip(".").split("...")
            outputs = [dict(zip(("id", "property"), name.rsplit(".", 1), strict=True)) for name in names]
            address, _, search = path.partition("?")
            values = [address, f"?{search}" if search else "", {"theme": "light", "zone": "UTC", **viewer}, None, 0]
            inputs = [
                {"id": i["id"], "property": i["property"], "value": value}
                for i, value in zip(one["inputs"], values, strict=True)
            ]
            state = [{"id": i["id"], "property": i["property"], "value": None} for i in one["state"]]
            body = {"output": one["output"], "outputs": outputs, "inputs": inputs, "state": state}
            body["changedPropIds"] = [f"{ids.URL}.pathname"]
            return requests.post(f"{site.url}/_dash-update-component", json=body, headers=headers, timeout=60)
    raise LookupError("no drawing callback")


@pytest.mark.parametrize("page", [page.path for page in PAGES])
def test_no_page_tells_of_others(site: Server, recorded: Recorded, me: str, hidden: set[str], page: str) -> None:
    everyone = Source(recorded.settings())
    cluster = everyone.clusters()[0]
    node = str(everyone.nodes(cluster)["name"].iloc[0])
    listed = jobs.current(everyone, [cluster], recorded.now)
    other = str(listed[(listed["user"] != me) & (listed["state"] == "running")]["id"].iloc[0])
    own = str(listed[listed["user"] == me]["id"].iloc[0])
    everyone.close()
    fill = {"<cluster>": CLUSTER, "<node>": node, "<job>": other, "<user>": "dave", "<group>": "physics"}
    paths = [page]
    if page == "/user/<user>":
        paths.append(f"/user/{me}")
    if page == "/job/<cluster>/<job>":
        paths.append(f"/job/<cluster>/{own}")
    if page in ("/cluster/<cluster>", "/history"):
        paths += [f"{page}?by={by}" for by in ("group", "account")]
    if page == "/jobs":
        paths.append(f"/jobs?job={CLUSTER}/{other}")
        paths.append(f"/jobs?node={CLUSTER}/{node}")
    for template in paths:
        path = template
        asked = "dave" if "<user>" in path else "physics" if "<group>" in path else ""
        for name, value in fill.items():
            path = path.replace(name, value)
        for moment in moments(site, recorded) if template == page else ("",):
            address = path + ((("&" if "?" in path else "?") + moment) if moment else "")
            answer = draw(site, address, as_person(me), me="dave")
            assert answer.status_code == 200, answer.text[:300]
            said = json.dumps(answer.json(), ensure_ascii=False)
            assert not telling(said, hidden) - {asked}, address
            assert "could not be drawn" not in said, address
            assert SAYS[site.level] in said  # type: ignore[attr-defined]


def test_the_websocket_tells_of_nobody_and_opens_for_nobody_unknown(site: Server, me: str, hidden: set[str]) -> None:
    address = site.url.replace("http", "ws") + "/live"
    with connect(address, additional_headers=as_person(me)) as socket:
        said = socket.recv(timeout=20)
    assert set(json.loads(said)) == {"now", "news", "viewers"} and not telling(str(said), hidden)
    with pytest.raises(Exception, match="403"), connect(address):
        pass


def test_who_is_not_signed_in_is_told_nothing(site: Server, hidden: set[str]) -> None:
    for route in (*ROUTES, *SILENT - {"/healthz", "/readyz", "/metrics", "/assets/{name:path}", "/refresh/{cluster}"}):
        address = re.sub(r"\{[a-z:]+\}", CLUSTER, route)
        if address.startswith("/sign"):
            continue
        answer = requests.get(site.url + address, timeout=30)
        assert answer.status_code == 401, address
        assert "sign in" in answer.text.lower()
        assert not telling(answer.text, hidden)
    for page in ("/", "/jobs", "/_dash-layout", "/_dash-dependencies"):
        assert requests.get(site.url + page, headers={"Accept": "text/html"}, timeout=30).status_code == 401
    assert requests.post(site.url + "/_dash-update-component", json={}, timeout=30).status_code == 401
    assert requests.post(site.url + f"/refresh/{CLUSTER}", timeout=30).status_code == 401
    assert requests.get(site.url + "/healthz", timeout=30).status_code == 200
