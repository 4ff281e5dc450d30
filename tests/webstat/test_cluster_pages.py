"""The cluster page: by user, group or queue, limits, reasons, reservations, zooms; from recorded and made clusters."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import update

from collector import schema
from tests.webstat.recorded import Recorded
from tests.webstat.stores import Builder, Shape
from tests.webstat.test_pages import PAGE, Site, said, settings_for, walk
from webstat.components.ranges import place
from webstat.data.source import Source
from webstat.format import DAY, HOUR, MINUTE


@pytest.fixture(scope="module")
def real(recorded: Recorded) -> Iterator[Site]:
    source = Source(recorded.settings())
    yield Site(source)
    source.close()


@pytest.fixture
def builder(tmp_path: Path) -> Iterator[Builder]:
    builder = Builder(tmp_path / "store.sqlite")
    builder.add(Shape("one", "one", nodes=6, days=2, out=1))
    yield builder
    builder.close()


@pytest.fixture
def made(builder: Builder) -> Iterator[Site]:
    source = Source(settings_for(builder.url, "one"))
    yield Site(source)
    source.close()


def card(page: Any, ident: str) -> dict[str, Any]:
    return next(c for c in walk(page) if c["props"].get("aria-labelledby") == ident)


def cards(page: Any) -> list[str]:
    return [c["props"]["aria-labelledby"] for c in walk(page) if c["type"] == "Section"]


def hrefs(component: Any) -> list[str]:
    return [c["props"]["href"] for c in walk(component) if "href" in c["props"]]


def row(page: Any, name: str) -> str:
    """What the row of a queue says."""
    found = [c for c in walk(card(page, "q-queues")) if c["type"] == "Tr"]
    return next(said(one) for one in found if said(one).startswith(name))


def reserve(builder: Builder, *rows: dict[str, Any]) -> None:
    base = {"id": "R1.one", "name": "maint", "owner": "root", "state": "confirmed", "queue": "R1", "comment": None}
    base |= {"cores": 48, "nodes": [f"cn{n:03d}" for n in range(1, 7)]}
    told = json.dumps([{**base, **one} for one in rows])
    with builder.engine.begin() as connection:
        connection.execute(update(schema.cluster).values(reservations=told))


@pytest.mark.parametrize("by", ["user", "group", "queue"])
def test_both_charts_show_the_same_names(real: Site, by: str) -> None:
    page = real.page(f"/cluster/mixed?by={by}")
    listed = said(card(page, "q-who"))
    assert f"{by}" in listed
    chart = card(page, "q-day")
    labels = [said(c) for c in walk(chart) if "--y" in str(c["props"].get("style"))]
    named = [label.rsplit(" ", 1)[0] for label in labels if not re.search("usable|free|others", label)]
    assert named
    assert all(
        name in said(card(page, "q-who")) or label.endswith(" 0") for name, label in zip(named, labels, strict=False)
    )
    heads = [said(c) for c in walk(chart) if c["type"] == "Th" and c["props"]["scope"] == "col"]
    assert set(named) <= set(heads)
    links = hrefs(card(page, "q-who"))
    expected = {"user": "/user/", "group": "/group/", "queue": "/jobs?cluster=mixed&queue="}[by]
    assert any(href.startswith(expected) for href in links)


def test_what_is_no_choice_is_the_usual_one(real: Site) -> None:
    def words(address: str) -> str:
        return re.sub(r"\d+\s(s|min)\b", "", said(real.page(address)))  # ages go on meanwhile

    assert words("/cluster/mixed?by=nobody&map=x&rows=y&zoom=z") == words("/cluster/mixed")


def test_limits_are_said_in_words(real: Site) -> None:
    page = real.page("/cluster/mixed")
    assert "25 jobs for group physics" in row(page, "short")
    assert "1 h24020" in row(page, "short").replace(" 240", "240").replace(" 20 ", "20")
    assert "30 min to 10 d" in row(page, "long")
    assert "720 cores in all; 96 cores for carol" in row(page, "long")
    assert "8 GPUs a user" in row(page, "gpu")
    assert "10 jobs a user, queued ones included" in row(page, "express")
    torque = real.page("/cluster/torque")
    assert "60 jobs in all" in row(torque, "long")


def test_what_is_not_understood_is_in_the_tooltip(made: Site, builder: Builder) -> None:
    with builder.engine.begin() as connection:
        limits = json.dumps({"max_run_res.foo_lic": "[u:PBS_GENERIC=2]"})
        connection.execute(update(schema.queue).where(schema.queue.c.name == "batch").values(limits=limits))
    page = made.page("/cluster/one")
    assert "1 other limit" in row(page, "batch")
    titles = [c["props"].get("title") for c in walk(card(page, "q-queues"))]
    assert "The scheduler says: max_run_res.foo_lic = [u:PBS_GENERIC=2]" in titles


def test_schedulers_that_tell_no_limits_are_not_said_to_have_none(real: Site) -> None:
    assert "no limit" not in said(card(real.page("/cluster/slurm"), "q-queues"))


def test_reasons_lead_to_their_jobs(real: Site) -> None:
    found = card(real.page("/cluster/mixed"), "q-waiting")
    assert "Longest wait: " in said(found)
    filters = [parse_qs(urlsplit(href).query) for href in hrefs(found) if href.startswith("/jobs")]
    assert {"The cluster is full"} in [set(one["reason"]) for one in filters]
    assert all(one["cluster"] == ["mixed"] and one["state"] == ["queued,held"] for one in filters)


def test_a_reservation_of_everything_is_said_under_the_title(made: Site, builder: Builder) -> None:
    now = time.time()
    assert "Maintenance" not in said(made.page("/cluster/one"))
    reserve(builder, {"starts_at": now + 65 * HOUR + 30, "ends_at": now + 75 * HOUR})
    builder.report("one")
    page = made.page("/cluster/one", now=now)
    words = said(page)
    assert "Jobs whose walltime would cross it wait until after. Starting now, ask for 2 d 17 h or less." in words
    assert words.index("Maintenance") < words.index("Cores free")
    assert re.search(r"maint ?for root", said(card(page, "q-kept")))
    assert "all" in said(card(page, "q-kept"))

    reserve(builder, {"state": "running", "starts_at": now - HOUR, "ends_at": now + HOUR, "name": "course"})
    builder.report("one")
    words = said(made.page("/cluster/one", now=now))
    assert re.search(r"All nodes are reserved \(course\) until .*nothing but what it was made for starts", words)


def test_a_reservation_of_some_nodes_is_listed_and_ends_their_room(made: Site, builder: Builder) -> None:
    now = time.time()
    with builder.engine.begin() as connection:
        connection.execute(update(schema.node).where(schema.node.c.name == "cn004").values(state=0, cores_used=0))
    builder.report("one")
    page = made.page("/cluster/one", now=now)
    assert "q-kept" not in cards(page)
    assert "Serves" in said(card(page, "q-room"))
    reserve(
        builder,
        {"starts_at": now + 30 * HOUR, "ends_at": now + 40 * HOUR, "name": "course", "nodes": [f"cn00{n}" for n in (2, 3, 4, 5, 6)]},
        {"id": "R9", "state": "unconfirmed", "starts_at": now, "ends_at": now + 9, "name": "perhaps"},
    )  # fmt: skip
    builder.report("one")
    page = made.page("/cluster/one", now=now)
    assert "5: cn002 … cn006" in said(card(page, "q-kept"))
    assert "perhaps" not in said(page)
    assert "Starting now" not in said(page)
    assert "until " in said(card(page, "q-room"))


def test_queues_of_reservations_are_listed_only_while_jobs_are_in_them(real: Site, recorded: Recorded) -> None:
    page = real.page("/cluster/mixed")
    named = {one.queue for one in recorded.reports["mixed"].reservations}
    busy = {job.queue for job in recorded.reports["mixed"].jobs if job.state in ("running", "queued")}
    listed = {said(c) for c in walk(card(page, "q-queues")) if c["type"] == "Bdi"}
    assert named
    assert named & listed == named & busy


def test_a_zoom_is_drawn_and_can_be_left(made: Site) -> None:
    now = int(time.time())
    page = made.page(f"/cluster/one?zoom={now - 8 * HOUR}-{now - 4 * HOUR}&by=queue")
    figure = next(c["props"]["figure"] for c in walk(page) if c["type"] == "Graph")
    assert len(figure["layout"]["xaxis"]["range"]) == 2
    chart = card(page, "q-day")
    assert "/cluster/one?by=queue" in hrefs(chart)
    assert "labels give the value at the right edge" in said(chart)
    whole = made.page("/cluster/one?zoom=1-2")
    figure = next(c["props"]["figure"] for c in walk(whole) if c["type"] == "Graph")
    assert "range" not in figure["layout"]["xaxis"]


def test_the_map_is_a_place_that_stays_across_reports(made: Site, builder: Builder) -> None:
    page = made.page("/cluster/one")
    (found,) = [c for c in walk(page) if c["props"].get("id") == "nodemap"]
    assert found["props"]["data-cluster"] == "one"
    assert not found["props"].get("children")
    builder.report("one", start_cores=2, user="newcomer")
    made.draw("/cluster/one")
    with builder.engine.begin() as connection:
        connection.execute(update(schema.node).where(schema.node.c.name == "cn001").values(state=5))
    reserve(builder, {"starts_at": time.time() + HOUR, "ends_at": time.time() + 2 * HOUR})
    builder.report("one")
    assert made.draw("/cluster/one")[PAGE].__class__.__name__ != "list", "the page was drawn anew as a whole"


def test_times_stand_in_their_order_on_the_axis_of_waits() -> None:
    times = [0, 30, MINUTE, 15 * MINUTE, HOUR, 7 * HOUR, DAY, 3 * DAY, 30 * DAY]
    places = [place(seconds) for seconds in times]
    assert places == sorted(places)
    assert (places[0], places[-2], places[-1]) == (0, 1, 1)
    assert place(15 * MINUTE) == pytest.approx(0.33, abs=0.01)


def test_what_would_be_free_is_said_drawn_and_listed(real: Site) -> None:
    for name in ("mixed", "torque", "slurm", "large"):
        page = real.page(f"/cluster/{name}")
        found = card(page, "q-next")
        cluster = next(one for one in real.source.clusters() if one.name == name)
        free = real.source.capacity(cluster).free
        assert re.search(rf"\b{free:,} cores? (is|are) free now; by .* at least [\d,]+", said(found))
        figure = next(c for c in walk(found) if c["type"] == "Graph")["props"]["figure"]
        assert [trace["name"] for trace in figure["data"]] == ["at least, by walltimes", "usable"]
        assert figure["data"][0]["y"][0] == free
        rows = [c for c in walk(found) if c["type"] == "Tr"]
        assert len(rows) == 27 and said(rows[2]).endswith("–")  # nothing is expected of so few jobs
        assert "cluster=" + name in " ".join(hrefs(found)) and "/api/v1/future" in " ".join(hrefs(found))


def test_what_would_be_free_is_dated_once_a_cluster_is_silent(builder: Builder) -> None:
    builder.add(
        Shape("quiet", "quiet", nodes=4, days=2, age=2 * HOUR, failures=6, error_code="silent", error="no answer")
    )
    builder.add(
        Shape("gone", "gone", nodes=4, days=2, age=30 * HOUR, failures=9, error_code="silent", error="no answer")
    )
    builder.add(Shape("idle", "idle", users=(), queued=0, nodes=3, out=0))
    source = Source(settings_for(builder.url, "quiet", "gone", "idle"))
    site = Site(source)
    try:
        quiet = said(card(site.page("/cluster/quiet"), "q-next"))
        assert quiet.startswith("What would have been free when?") and "as of " in quiet
        assert re.search("cores? (was|were) free then", quiet)
        gone = said(card(site.page("/cluster/gone"), "q-next"))
        assert "older than a day" in gone and "at least" not in gone
        assert "No job runs: 72 of 72 cores in service." in said(card(site.page("/cluster/idle"), "q-next"))
    finally:
        source.close()


def test_a_reservation_takes_its_nodes_from_what_would_be_free(builder: Builder, made: Site) -> None:
    reserve(builder, {"starts_at": time.time() + 5 * HOUR, "ends_at": time.time() + 6 * HOUR})
    found = card(made.page("/cluster/one"), "q-next")
    assert re.search("A maintenance takes (all|6) nodes? from", said(found))
    figure = next(c for c in walk(found) if c["type"] == "Graph")["props"]["figure"]
    certain = next(trace["y"] for trace in figure["data"] if trace["name"] == "at least, by walltimes")
    assert certain[31] == 0 < certain[-1] and certain[29] > 0
    assert len(figure["layout"]["annotations"]) == 1


def test_at_a_past_moment_it_is_what_was_to_be_free_then(real: Site, made: Site) -> None:
    at = int(time.time()) - 1
    found = said(card(real.page(f"/cluster/series?at={at}"), "q-next"))
    assert "free at that moment; by" in found and "Reservations of then are not kept" in found
    unknown = said(card(made.page(f"/cluster/one?at={at - 8 * HOUR}"), "q-next"))
    assert "The nodes of then are not known." in unknown
