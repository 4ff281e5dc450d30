"""What recorded clusters are told to be is what was true of them: facts.json is from the schedulers' own counts, not from qstat."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.webstat.recorded import CLUSTERS, SAMPLES, Recorded
from tests.webstat.served import Server, served
from webstat.answers.advise import advise
from webstat.answers.request import Request
from webstat.api.v1.routes import PREFIX
from webstat.data.source import Source


@pytest.fixture(scope="module")
def site(recorded: Recorded) -> Iterator[Server]:
    with served(recorded.settings()) as server:
        yield server


def rows(site: Server, path: str, **words: str) -> list[dict[str, Any]]:
    answer = requests.get(f"{site.url}{PREFIX}{path}", {**words, "limit": "100000"}, timeout=30)
    assert answer.status_code == 200, answer.text[:300]
    told = answer.json()
    assert told["meta"]["total"] == len(told["rows"])
    return told["rows"]


def facts_of(cluster: str) -> dict[str, Any]:
    """By the words of the API: jobs by state, cores of running jobs by user and by queue, nodes and cores in all."""
    told = json.loads((SAMPLES / CLUSTERS[cluster] / "facts.json").read_text(encoding="utf-8"))
    if "vnodes_total" in told:
        by_state = told["expanded_without_array_parents_by_state"]
        by_user, by_queue = told["cores_in_use_by_user"], told["cores_in_use_by_queue"]
        nodes = told["vnodes_total"]
    else:
        by_state = told["qselect_by_state"]
        by_user, by_queue = (
            Counter(told[f"cores_running_by_{by}"]) + Counter(told[f"cores_exiting_by_{by}"])
            for by in ("user", "queue")
        )
        nodes = told["nodes_total"]
    count = Counter(by_state)
    return {
        "jobs_running": count["R"] + count["E"],
        "jobs_queued": count["Q"],
        "jobs_held": count["H"] + count["W"],
        "jobs_suspended": count["S"],
        "by_user": {name: cores for name, cores in by_user.items() if cores},
        "by_queue": {name: cores for name, cores in by_queue.items() if cores},
        "nodes": nodes,
        "cores": told.get("cores_available_total"),
    }


@pytest.mark.parametrize("cluster", ["mixed", "large", "torque", "old"])
def test_jobs_cores_and_nodes_are_those_that_there_were(site: Server, cluster: str) -> None:
    facts = facts_of(cluster)
    (about,) = rows(site, "/clusters", cluster=cluster)
    states = ("jobs_running", "jobs_queued", "jobs_held", "jobs_suspended")
    assert {name: about[name] for name in states} == {name: facts[name] for name in states}
    assert about["cores_in_use"] == sum(facts["by_user"].values())
    assert about["nodes"] == facts["nodes"] and facts["cores"] in (None, about["cores_installed"])
    assert about["cluster"] == cluster and about["age_seconds"] >= 0

    jobs = rows(site, "/jobs", cluster=cluster, state="running,queued,held,suspended")
    by_state, cores = Counter(job["state"] for job in jobs), Counter[tuple[str, str]]()
    assert by_state["running"] + by_state["exiting"] == facts["jobs_running"]
    assert len(jobs) == sum(facts[name] for name in states)
    for job in jobs:
        if job["state"] in ("running", "exiting"):
            cores["user", job["user"]] += job["cores"]
            cores["queue", job["queue"]] += job["cores"]
    assert {name: total for (by, name), total in cores.items() if by == "user"} == facts["by_user"]
    assert {name: total for (by, name), total in cores.items() if by == "queue"} == facts["by_queue"]

    queues = rows(site, "/queues", cluster=cluster)
    assert {one["name"]: one["cores_running"] for one in queues if one["cores_running"]} == facts["by_queue"]
    assert sum(one["jobs_queued"] for one in queues) == facts["jobs_queued"]
    assert len(rows(site, "/nodes", cluster=cluster)) == facts["nodes"]
    (room,) = rows(site, "/free", cluster=cluster, place="cluster")
    assert room["cores_free"] == about["cores_free"] and room["waiting"] == facts["jobs_queued"]
    steps = rows(site, "/future", cluster=cluster)
    assert steps[0]["cores_certain"] == steps[0]["cores_expected"] == about["cores_free"] and len(steps) == 145
    assert steps[-1]["cores_certain"] > about["cores_free"] and steps[0]["nodes_certain"] == about["nodes_whole"]


def test_filters_keep_what_they_name(site: Server) -> None:
    assert {one["cluster"] for one in rows(site, "/queues", cluster="mixed,torque")} == {"mixed", "torque"}
    nodes = rows(site, "/nodes", cluster="mixed")
    out = [one for one in nodes if one["state"] in ("down", "offline")]
    assert out and rows(site, "/nodes", cluster="mixed", state="down,offline") == close_to(out)
    of_torque = rows(site, "/nodes", cluster="torque")
    kind = next(one["properties"] for one in of_torque if one["properties"]).split(",")[0]
    has = [one["name"] for one in of_torque if kind in (one["properties"] or "").split(",")]
    assert [one["name"] for one in rows(site, "/nodes", cluster="torque", property=kind)] == has
    assert 0 < len(has) < len(of_torque)
    (one,) = rows(site, "/nodes", cluster="mixed", node=nodes[0]["name"])
    assert one["name"] == nodes[0]["name"]
    (queue,) = rows(site, "/queues", cluster="torque", queue="long")
    limits = ["max_running = 60", "resources_max.walltime = 720:00:00", "resources_min.walltime = 72:00:01"]
    assert set(limits) <= set(queue["limits"].split("; "))
    states = {one["state"] for one in rows(site, "/queues", cluster="torque")}
    assert "open" in states and {one["state"] for one in rows(site, "/queues", cluster="torque", state="open")} == {
        "open"
    }
    gpu = rows(site, "/free", cluster="mixed", name="gpu")
    assert gpu and {one["name"] for one in gpu} == {"gpu"}
    assert rows(site, "/free", cluster="mixed", name="nothing") == []
    assert rows(site, "/clusters", state="silent,refused") == []


def close_to(nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Nodes as another question tells them, which makes them older."""
    return [{**one, "age_seconds": pytest.approx(one["age_seconds"], abs=600)} for one in nodes]


def test_what_ended_in_a_day_is_what_usage_waits_and_the_day_rest_on(site: Server) -> None:
    used = rows(site, "/usage", cluster="series", range="24h", by="user")
    lived = rows(site, "/history/jobs", cluster="series", range="24h", event="lived")
    by_user = Counter[str]()
    for job in lived:
        by_user[job["user"]] += job["core_hours"]
    assert {one["key"]: one["core_hours"] for one in used if one["core_hours"]} == pytest.approx(
        {name: hours for name, hours in by_user.items() if hours}
    )
    started = rows(site, "/history/jobs", cluster="series", range="7d", event="started")
    waits = rows(site, "/waits", cluster="series")
    assert sum(one["jobs"] for one in waits) == len(started) > 0
    assert {one["cluster"] for one in waits} == {"series"} and all(one["cluster_state"] == "live" for one in waits)
    of_one = [job for job in started if job["queue"] == waits[0]["queue"]]
    assert all(one["wait_50"] <= one["wait_75"] <= one["wait_90"] <= one["wait_95"] for one in waits)
    assert max(job["wait_seconds"] for job in of_one) >= waits[0]["wait_95"]
    day = rows(site, "/usage/day", cluster="series")
    whole = {one["at"]: one["cores_mean"] for one in rows(site, "/usage/day", cluster="series", by="nothing")}
    for at, cores in whole.items():
        of_users = [one["cores_mean"] for one in day if one["at"] == at]
        assert all(one is None for one in of_users) if cores is None else sum(of_users) == pytest.approx(cores)
    assert any(cores for cores in whole.values())


def test_where_to_submit_is_what_the_advisor_says(site: Server, recorded: Recorded) -> None:
    told = rows(site, "/advice", cores="24", walltime="4:00")
    source = Source(recorded.settings())
    found = advise(source, Request(24, walltime_seconds=4 * 3600), time.time())
    source.close()
    both = list(zip(told, (*found.answers, *found.hopeless), strict=True))
    for row, one in both:
        assert (row["cluster"], row["queue"], row["verdict"]) == (one.cluster.name, one.queue, one.verdict.value)
        assert (row["submit"], row["similar"] or 0, row["not_foretold"] or "") == (
            one.line,
            one.similar,
            one.not_foretold,
        )
        assert (row["expected_90"] is None) == (one.p90_seconds is None)
        assert row["similar_held"] == one.held
    assert {row["verdict"] for row, _ in both} == {"now", "later", "impossible"}
    assert any(row["expected_90"] for row, _ in both) and any(row["not_foretold"] for row, _ in both)
