from __future__ import annotations

import time

import pandas as pd

from tests.webstat.recorded import Recorded
from webstat.data import frames, jobs
from webstat.data.jobsearch import Query, facets, search
from webstat.data.queries.waiting import load_waiting
from webstat.data.readings import readings
from webstat.data.source import Source
from webstat.data.waiting import kinds_of, longest, reasons_frame
from webstat.reasons import KINDS

COLUMNS = {
    "id": "str", "user": "str", "group": "str", "queue": "str", "state": "str", "cores": "int64", "nodes": "int64",
    "gpus": "int64", "submitted_at": "int64", "eligible_at": "float64", "estimated_start_at": "float64",
    "comment": "object", "hold": "object", "depends_on": "object",
}  # fmt: skip
FULL = "Not Running: Not enough free nodes available"


def waiting(*rows: dict[str, object]) -> pd.DataFrame:
    base = {
        "user": "bob", "group": "g", "queue": "batch", "state": "queued", "cores": 4, "nodes": 1, "gpus": 0,
        "submitted_at": 100, "eligible_at": None, "estimated_start_at": None,
        "comment": None, "hold": None, "depends_on": None,
    }  # fmt: skip
    filled = [{"id": f"{place}.s", **base, **row} for place, row in enumerate(rows)]
    return pd.DataFrame(filled, columns=list(COLUMNS)).astype(COLUMNS)


def test_jobs_are_counted_by_reason_most_first_and_held_ones_last() -> None:
    jobs = waiting(
        {"comment": FULL},
        {"comment": FULL, "cores": 96},
        {"state": "held", "hold": "u"},
        {"state": "held", "hold": "u"},
        {"state": "held", "hold": "o"},
        {"queue": "debug", "comment": FULL},
        {},
    )
    found = reasons_frame(jobs, {"debug": "stopped", "batch": "open"})
    assert list(found[["kind", "jobs", "cores"]].itertuples(index=False, name=None)) == [
        ("full", 2, 100),
        ("queue_stopped", 1, 4),
        ("held", 3, 12),
        ("unsaid", 1, 4),
    ]
    assert found["title"].tolist() == [KINDS[kind] for kind in found["kind"]]
    assert int(found["jobs"].sum()) == len(jobs)
    assert kinds_of(jobs, {"debug": "stopped"}).tolist()[5] == "queue_stopped"


def test_nobody_waits() -> None:
    assert reasons_frame(waiting(), {}).empty
    assert longest(waiting(), {}) is None
    assert longest(waiting({"state": "held"}), {}) is None


def test_the_longest_wait_is_counted_from_when_a_job_became_eligible() -> None:
    jobs = waiting(
        {"submitted_at": 10, "eligible_at": 500.0},
        {"submitted_at": 50, "nodes": 8, "comment": FULL, "estimated_start_at": 900.0},
        {"submitted_at": 1, "state": "held"},
    )
    found = longest(jobs, {})
    assert found is not None
    assert (found.id, found.since, found.nodes, found.estimated_start_at) == ("1.s", 50.0, 8, 900.0)
    assert found.words.startswith("The cluster is full")


def test_the_jobs_table_finds_as_many_of_each_reason(recorded: Recorded) -> None:
    source = Source(recorded.settings())
    clusters = source.clusters()
    table = jobs.table(source, clusters, time.time())
    seen: set[str] = set()
    for cluster in clusters:
        queues = frames.queues_frame(source.queues(cluster), source.totals(cluster), source.waits(cluster))
        states = dict(zip(queues["name"], queues["state"], strict=True))
        waits = source.read(load_waiting, cluster.id, stamp=cluster.report)
        counted = reasons_frame(waits, states, readings(source, cluster).told)
        query = Query(names={"cluster": (cluster.name,), "state": ("queued", "held")})
        assert dict(facets(table, query, search(table, query))["reason"]) == dict(
            zip(counted["title"], counted["jobs"], strict=True)
        )
        seen |= set(counted["kind"])
    assert {"full", "held", "gpu", "dependency"} <= seen
    source.close()
