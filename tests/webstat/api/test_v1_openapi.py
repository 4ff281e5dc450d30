"""Every address for programs, asked by its own description: what that allows is answered as it says, what it forbids is
refused, and whatever comes, nothing fails.

The questions are schemathesis's: the examples, the edges of every word, and drawn ones; the same at each run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig

from tests.webstat.served import Server, served, settings_for
from tests.webstat.stores import HOSTILE, Builder, Shape
from webstat.api.v1.openapi import openapi
from webstat.api.v1.routes import PREFIX, ROUTES

CLUSTERS = ("mercury", "bad", "unseen")

CONFIG: dict[str, Any] = {
    "seed": 7,
    "generation": {"deterministic": True, "max-examples": 8, "database": "none", "no-shrink": True},
    "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "400"]}},
    # Their words are those of /history, read by the same function: not every wrong one is asked of each again.
    "operations": [
        {"include-path-regex": "/history/.*", "phases": {"coverage": {"generation": {"mode": "positive"}}}},
    ],
}

NO_SCHEMA_SAYS_SO = (
    "There is no cluster", "No cluster is named", "A range is either range, or from and to", "is no time zone", "has not come yet",
    "no moment that there is", "is no date", "ends before it begins", "from 1 to 20,000", "step=",
)  # fmt: skip
"""Why a question that follows the description may be refused all the same: words that do not go together, names and
dates that there are none of."""


def described(**more: Any) -> Any:
    """The addresses by their description, in which clusters are called as here."""
    document = json.loads(json.dumps(openapi(ROUTES, PREFIX)))
    for path in document["paths"].values():
        for word in path["get"]["parameters"]:
            if word["name"] == "cluster":
                word["schema"]["items"]["enum"] = CLUSTERS
    return schemathesis.openapi.from_dict(document, config=SchemathesisConfig.from_dict({**CONFIG, **more}))


SCHEMA = described()


def choose_a_range(case: schemathesis.Case) -> None:
    """A range is said in one of two ways: of the questions that have both, some are asked each way."""
    query = case.query
    if "range" in query and query.keys() & {"from", "to"} and is_positive(case):
        for word in ("range",) if len(str(query)) % 2 else ("from", "to"):
            query.pop(word, None)


def is_positive(case: schemathesis.Case) -> bool:
    """Whether a question follows the description."""
    return case.meta.generation.mode.is_positive


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Clusters that live, one with names that try to act and silent, one that nobody has seen."""
    builder = Builder(tmp_path_factory.mktemp("live") / "store.sqlite")
    builder.add(Shape("mercury", "Mercury", nodes=12, gpu_nodes=2, days=2, queued=20))
    builder.add(Shape("bad", "=bad()", nodes=6, days=2, users=HOSTILE, queued=30, failures=5, error_code="silent"))
    builder.add(Shape("unseen", "unseen", seen=False))
    with served(settings_for(builder.url, *CLUSTERS)) as server:
        yield server
    builder.close()


def refused_for_a_reason(
    _: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> None:
    """A question that follows the description is refused only for what no schema can say."""
    if response.status_code == 400 and is_positive(case):
        for problem in response.json()["problems"]:
            assert any(reason in problem for reason in NO_SCHEMA_SAYS_SO), problem


@SCHEMA.parametrize()
def test_every_answer_is_as_it_is_described(case: schemathesis.Case, site: Server) -> None:
    choose_a_range(case)
    case.call_and_validate(base_url=site.url, additional_checks=[refused_for_a_reason])
