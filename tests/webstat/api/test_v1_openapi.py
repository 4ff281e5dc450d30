"""Every address for programs, asked by its own description: what that allows is answered as it says, what it forbids is
refused, and whatever comes, nothing fails.

The questions are schemathesis's: the examples, the edges of every word, and drawn ones; the same at each run.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from schemathesis.config import SchemathesisConfig

from collector.store import Store
from tests.webstat.served import Server, served, settings_for
from tests.webstat.stores import HOSTILE, Builder, Shape
from webstat.api.v1.columns import COLUMNS
from webstat.api.v1.openapi import openapi
from webstat.api.v1.routes import PREFIX, ROUTES

CLUSTERS = ("mercury", "bad", "unseen")

CONFIG: dict[str, Any] = {
    "seed": 7,
    "generation": {"deterministic": True, "max-examples": 6, "database": "none", "no-shrink": True},
    "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "400"]}},
    # Their words are those of /history, read by the same function: the edges of each are not tried again.
    "operations": [
        {
            "include-path-regex": "/history/.*",
            "phases": {"coverage": {"enabled": False}, "fuzzing": {"generation": {"max-examples": 12}}},
        },
    ],
}

SHORT: dict[str, Any] = {
    **CONFIG,
    "generation": {**CONFIG["generation"], "max-examples": 2},
    "phases": {"coverage": {"enabled": False}, "examples": {"enabled": False}},
    "operations": [],
}

UNREADABLE: dict[str, Any] = {
    **SHORT,
    "generation": {**CONFIG["generation"], "max-examples": 1},
    "checks": {
        "not_a_server_error": {"expected-statuses": ["400", "503"]},
        "positive_data_acceptance": {"expected-statuses": ["400", "503"]},
    },
}

NO_SCHEMA_SAYS_SO = (
    "There is no cluster", "No cluster is named", "A range is either range, or from and to", "is no time zone",
    "has not come yet", "no moment that there is", "is no date", "ends before it begins", "from 1 to 20,000", "step=",
    "cores cannot be read: ", "walltime cannot be read: ",
)  # fmt: skip
"""Why a question that follows the description may be refused all the same: words that do not go together, names and
dates that there are none of."""


def described(config: dict[str, Any]) -> Any:
    """The addresses by their description, in which clusters are called as here."""
    document = json.loads(json.dumps(openapi(ROUTES, PREFIX)))
    for path in document["paths"].values():
        for word in path["get"]["parameters"]:
            if word["name"] == "cluster":
                word["schema"]["items"]["enum"] = CLUSTERS
    return schemathesis.openapi.from_dict(document, config=SchemathesisConfig.from_dict(config))


EVERYTHING, FRESH, REFUSED = described(CONFIG), described(SHORT), described(UNREADABLE)


def choose_a_range(case: schemathesis.Case) -> None:
    """A range is said in one of two ways: of the questions that have both, some are asked each way."""
    query = case.query
    if "range" in query and query.keys() & {"from", "to"} and is_positive(case):
        for word in ("range",) if len(str(query)) % 2 else ("from", "to"):
            query.pop(word, None)


def is_positive(case: schemathesis.Case) -> bool:
    """Whether a question follows the description."""
    return case.meta.generation.mode.is_positive


def refused_for_a_reason(
    _: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> None:
    """A question that follows the description is refused only for what no schema can say."""
    if response.status_code == 400 and is_positive(case):
        for problem in response.json()["problems"]:
            assert any(reason in problem for reason in NO_SCHEMA_SAYS_SO), problem


def never_answered(_: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """Where there is nothing to read, no question gets rows."""
    assert response.status_code in (400, 405, 503)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Clusters that live, one with names that try to act and silent, one that nobody has seen."""
    builder = Builder(tmp_path_factory.mktemp("live") / "store.sqlite")
    builder.add(Shape("mercury", "Mercury", nodes=4, cores=8, gpu_nodes=1, days=1, out=1, queued=4))
    builder.add(
        Shape(
            "bad", "=bad()", nodes=3, cores=8, days=1, out=1, users=HOSTILE, queued=9, failures=5, error_code="silent"
        )
    )
    builder.add(Shape("unseen", "unseen", seen=False))
    with served(settings_for(builder.url, *CLUSTERS)) as server:
        yield server
    builder.close()


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A store that a collector has just made."""
    url = f"sqlite:///{tmp_path_factory.mktemp('fresh')}/store.sqlite"
    Store(url).close()
    with served(settings_for(url, *CLUSTERS)) as server:
        yield server


@pytest.fixture(scope="module", params=["missing", "of no tables", "past", "too new"])
def unreadable(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """What is no store of this version."""
    path = tmp_path_factory.mktemp("unreadable") / "store.sqlite"
    if request.param == "of no tables":
        path.touch()
    elif request.param == "past":
        sql = Path(__file__).parents[2] / "collector" / "store-0003.sql"
        with sqlite3.connect(path) as connection:
            connection.executescript(sql.read_text(encoding="utf-8"))
        connection.close()
    elif request.param == "too new":
        Store(f"sqlite:///{path}").close()
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.close()
    with served(settings_for(f"sqlite:///{path}", *CLUSTERS)) as server:
        yield server


@EVERYTHING.parametrize()
def test_every_answer_is_as_it_is_described(case: schemathesis.Case, site: Server) -> None:
    choose_a_range(case)
    case.call_and_validate(base_url=site.url, additional_checks=[refused_for_a_reason])


@FRESH.parametrize()
def test_an_empty_store_is_answered_as_it_is_described(case: schemathesis.Case, fresh: Server) -> None:
    choose_a_range(case)
    case.call_and_validate(base_url=fresh.url, additional_checks=[refused_for_a_reason])


@REFUSED.parametrize()
def test_a_store_that_cannot_be_read_is_503(case: schemathesis.Case, unreadable: Server) -> None:
    choose_a_range(case)
    case.call_and_validate(base_url=unreadable.url, additional_checks=[never_answered, refused_for_a_reason])


def test_the_description_is_whole(site: Server) -> None:
    document = requests.get(f"{site.url}{PREFIX}/openapi.json", timeout=20).json()
    assert document == json.loads(json.dumps(openapi(ROUTES, PREFIX))) and document["openapi"].startswith("3.1")
    operations = {path: one["get"] for path, one in document["paths"].items()}
    assert set(operations) == {*(PREFIX + route.path for route in ROUTES), f"{PREFIX}/history/all.zip"}
    idents = [one["operationId"] for one in operations.values()]
    assert len(set(idents)) == len(idents) and all(ident.isidentifier() for ident in idents)
    for operation in operations.values():
        assert operation["summary"] and operation["description"] and operation["tags"]
        assert {"200", "400", "503"} <= operation["responses"].keys()
        for word in operation["parameters"]:
            schema = word["schema"]
            assert word["description"] and schema["examples"], word
            if schema["type"] == "integer":
                assert schema["minimum"] < schema["maximum"]
            elif schema["type"] == "string":
                assert schema.keys() & {"enum", "pattern", "maxLength"}, word
            else:
                assert schema["maxItems"] == 500 and not word["explode"]
    for route in ROUTES:
        operation = operations[PREFIX + route.path]
        assert {one["name"] for one in operation["parameters"]} == {*route.words, "format", "limit", "offset"}
        rows = operation["responses"]["200"]["content"]["application/json"]["schema"]["properties"]["rows"]["items"]
        assert rows["required"] == list(route.columns)
        assert all(one["description"] for one in rows["properties"].values())
    told = {name for route in ROUTES for name in (*route.columns, *route.sometimes)}
    assert told == set(COLUMNS)
