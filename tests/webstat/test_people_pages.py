"""Users and groups, what is free, and the overview's lower half: drawn from recorded and from made clusters."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from agent.states import HOLDS_CORES, JobState, NodeState
from collector import schema
from tests.webstat.recorded import Recorded
from tests.webstat.stores import HOSTILE, TIMEOUT, Builder, Shape
from tests.webstat.test_pages import Site, said, settings_for, texts, walk
from webstat.addresses import group_page, user_page
from webstat.data.source import Source
from webstat.format import shorten
from webstat.pages import find

SHAPES = (
    Shape("live", "live", nodes=20, days=2, load=0.7, queued=30, gpu_nodes=2),
    Shape("mute", "mute", "slurm", nodes=10, days=2, age=1500.0, failures=9, error_code="silent", error=TIMEOUT),
    Shape("odd", "<b>odd</b>", nodes=10, days=2, users=HOSTILE, queued=20),
    Shape("fresh", "fresh", seen=False),
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    builder = Builder(tmp_path_factory.mktemp("built") / "store.sqlite")
    for shape in SHAPES:
        builder.add(shape)
    source = Source(settings_for(builder.url, *(shape.name for shape in SHAPES)))
    yield Site(source)
    source.close()
    builder.close()


@pytest.fixture(scope="module")
def real(recorded: Recorded) -> Iterator[Site]:
    source = Source(recorded.settings())
    yield Site(source)
    source.close()


def numbers(page: Any) -> dict[str, str]:
    """Label -> value of every KPI."""
    found = {}
    for component in walk(page):
        if component["props"].get("className") == "ws-kpi":
            label, value, _ = component["props"]["children"]
            found[said(label)] = said(value)
    return found


def rows(page: Any, heading: str) -> list[dict[str, Any]]:
    """Rows of the table in the card with that question."""
    card = next(c for c in walk(page) if c["type"] == "Section" and said(c).startswith(heading))
    body = next(c for c in walk(card) if c["type"] == "Tbody")
    return body["props"]["children"]


def hrefs(page: Any) -> list[str]:
    return [c["props"]["href"] for c in walk(page) if "href" in c["props"]]


def classed(page: Any, name: str) -> list[dict[str, Any]]:
    return [c for c in walk(page) if name in str(c["props"].get("className", "")).split()]


@pytest.mark.parametrize("address", ["/", "/free", "/user/alice", "/group/pande", "/user/nobody"])
def test_every_list_of_children_is_flat(built: Site, address: str) -> None:
    for component in walk([built.page(address, me="alice")]):
        children = component["props"].get("children")
        assert not isinstance(children, list) or not any(isinstance(child, list) for child in children), component


# Users and groups


@pytest.mark.parametrize("by", ["user", "group"])
def test_everybody_recorded_has_a_page_with_their_numbers(real: Site, recorded: Recorded, by: str) -> None:
    jobs = [job for report in recorded.reports.values() for job in report.jobs if job.state is not JobState.FINISHED]
    names = sorted({getattr(job, by) for job in jobs if getattr(job, by)})
    assert len(names) >= 3
    for name in names:
        own = [job for job in jobs if getattr(job, by) == name]
        page = real.page(user_page(name) if by == "user" else group_page(name))
        told = numbers(page)
        holding = [job for job in own if job.state in HOLDS_CORES]
        assert told["Cores held"] == f"{sum(job.cores for job in holding):,}", name
        assert told["Running"] == f"{len(holding):,}"
        assert told["Queued"] == f"{sum(job.state in (JobState.QUEUED, JobState.TRANSITING) for job in own):,}"
        assert told["Held"] == f"{sum(job.state in (JobState.HELD, JobState.WAITING) for job in own):,}"
        listed = rows(page, "How are the jobs doing?")
        assert len(listed) == min(50, len(own))
        assert f"All {len(own):,} job" in said(page)
        assert [c["type"] for c in walk(page) if c["type"] in ("H1", "H2")][:2] == ["H1", "H2"]


def test_every_link_of_a_person_leads_to_a_page(real: Site) -> None:
    for address in ("/user/alice", "/group/physics"):
        links = hrefs(real.page(address))
        assert any(link.startswith("/jobs?") and "alice" in link for link in links) or "group=physics" in str(links)
        assert any("job=" in link for link in links)
        for link in links:
            assert find(re.split("[?#]", link)[0]) is not None, link


def test_a_user_has_groups_and_a_group_has_users(real: Site) -> None:
    assert group_page("physics") in hrefs(real.page("/user/alice"))
    page = real.page("/group/physics")
    assert "/user/alice" in hrefs(page)
    assert "Who is in it?" in said(page)


def test_whose_page_it_is_can_be_said_and_taken_back(built: Site) -> None:
    for me, expected, words in (
        (None, "alice", "This is me"),
        ("bob", "alice", "This is me"),
        ("alice", "", "This is not me"),
    ):
        (button,) = classed(built.page("/user/alice", me=me or ""), "ws-me-set")
        assert (button["type"], button["props"]["data-me"], said(button).strip()) == ("Button", expected, words)
    assert classed(built.page("/group/pande"), "ws-me-set") == []


def test_what_a_silent_cluster_told_is_dated_and_not_counted(built: Site) -> None:
    page = built.page("/user/alice")
    words = said(page)
    assert "without mute" in words
    assert "State of " in words
    answering = next(cluster for cluster in built.source.clusters() if cluster.name == "live")
    totals = built.source.totals(answering)
    own = totals[(totals["user"] == "alice") & (totals["state"] == "running")]
    assert numbers(page)["Cores held"] == f"{int(own['cores'].sum()):,}"


@pytest.mark.parametrize("name", [*HOSTILE, "..", "a/b", "%41", "?x=1#y", " "])
def test_names_are_strangers_texts(built: Site, name: str) -> None:
    for address in (user_page(name), group_page(name)):
        page = built.page(address)
        words = said(page)
        assert "There is no such page" not in words
        assert "<script>" not in json.dumps(hrefs(page))
        assert "\u202e" not in words
        assert all(len(text) < 400 for text in texts(page))
        for component in walk(page):
            assert component["type"] not in ("Markdown", "DangerouslySetInnerHTML", "Iframe", "Script")
    assert shorten(name, 40).strip() in "".join(texts(built.page(user_page(name)))) or not name.strip()


@pytest.mark.parametrize(
    ("address", "near"), [("/user/alcie", "alice"), ("/user/Alice", "alice"), ("/user/zzzzzz", None)]
)
def test_a_name_that_nobody_knows_is_answered_with_the_nearest(built: Site, address: str, near: str | None) -> None:
    page = built.page(address)
    words = said(page)
    assert f"No user called “{address.removeprefix('/user/')}” has had a job here." in words
    assert (("/user/" + near) in hrefs(page)) if near else ("No name here is near to it." in words)
    assert numbers(page) == {}


# What is free


def test_totals_are_of_the_clusters_that_answer(built: Site) -> None:
    clusters = {cluster.name: cluster for cluster in built.source.clusters()}
    free = {name: built.source.capacity(cluster).free for name, cluster in clusters.items() if cluster.report}
    words = said(built.page("/free"))
    assert "Without mute and fresh: " in words
    assert f"{free['live'] + free['odd']:,} cores free of" in words
    assert free["mute"]
    assert "mute does not answer. This was free 25 min ago:" in words


def test_the_roomiest_cluster_is_first_and_silent_ones_are_last(built: Site) -> None:
    names = [said(row).split("nothing")[0] for row in rows(built.page("/free"), "Which cluster has room?")]
    clusters = {cluster.name: cluster for cluster in built.source.clusters()}
    first = max(("live", "odd"), key=lambda name: built.source.capacity(clusters[name]).free or 0)
    assert names[0].startswith(clusters[first].title)
    assert [name[:4] for name in names[2:]] == ["mute", "fres"]


def test_what_was_free_is_greyed(built: Site) -> None:
    listed = rows(built.page("/free"), "Which cluster has room?")
    for row, grey in zip(listed, (False, False, True, True), strict=True):
        cells = [cell for cell in row["props"]["children"] if cell["type"] == "Td"][1:]
        assert all(("z" in str(cell["props"].get("className")).split()) == grey for cell in cells[:1])


def test_a_stopped_queue_has_no_room_to_use(built: Site) -> None:
    stopped = [row for row in rows(built.page("/free"), "Which queue has room?") if "debug" in said(row)]
    assert len(stopped) == 3
    for row in stopped:
        assert "stopped: starts no jobs" in said(row)
        assert not re.search(r"\d+ of \d+", said(row))


def test_a_queue_without_nodes_of_its_own_may_use_any(built: Site) -> None:
    found = {
        said(row).split(" ")[0] + said(row): said(row) for row in rows(built.page("/free"), "Which queue has room?")
    }
    long = next(words for words in found.values() if words.startswith("live · long"))
    batch = next(words for words in found.values() if words.startswith("live · batch"))
    assert "any node" in long
    assert "any node" not in batch
    assert "18 nodes" in batch, "those with its name among their properties"


def test_recorded_room_is_on_the_page(real: Site, recorded: Recorded) -> None:
    words = said(real.page("/free"))
    usable = (NodeState.FREE, NodeState.PARTIAL)
    free = sum(
        max(0, (node.cores or 0) - (node.cores_used or 0))
        for report in recorded.reports.values()
        for node in report.nodes
        if node.state in usable
    )
    assert f"Together: {free:,} cores free of" in words
    assert "R151" in set(real.source.queues(next(c for c in real.source.clusters() if c.name == "mixed"))["name"])
    assert "· R151" not in words, "the queue of a reservation is no place to submit to"


# The overview


def test_without_a_name_the_overview_asks_for_it(built: Site) -> None:
    page = built.page("/")
    (button,) = classed(page, "ws-me-ask")
    assert button["type"] == "Button"
    assert "How are my jobs doing?" not in said(page)
    assert "What changed?" in said(page)


def test_my_jobs_that_need_a_look_come_first(built: Site) -> None:
    page = built.page("/", me="alice")
    assert classed(page, "ws-me-ask") == []
    card = next(c for c in walk(page) if c["type"] == "Section" and said(c).startswith("How are my jobs doing?"))
    assert len(rows(page, "How are my jobs doing?")) == 6
    link = next(c for c in walk(card) if said(c).startswith("All ") and "href" in c["props"])
    assert link["props"]["href"] == "/jobs?user=alice"
    total = int(re.findall(r"\d+", said(link))[0])
    assert total > 6
    assert re.search(r"alice: \d+ running \([\d,]+ cores?\), \d+ queued", said(card))


def test_a_viewer_without_jobs_is_told_so(built: Site) -> None:
    words = said(built.page("/", me="zorro"))
    assert "Nobody called zorro has had a job here." in words
    hostile = built.page("/", me=HOSTILE[0])
    assert "<script>" in said(hostile)
    assert all(c["type"] != "Script" for c in walk(hostile))


def test_a_card_leads_to_where_its_cores_are_free(built: Site) -> None:
    page = built.page("/")
    card = next(c for c in walk(page) if c["type"] == "Section" and said(c).startswith("live"))
    assert "/free" in hrefs(card)
    assert re.search(r"\d+ whole nodes? · largest \d+ cores? · \d+ of 8 GPUs free", said(card))


def test_what_changed_is_told_with_who_and_where(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "s.sqlite")
    builder.add(Shape("one", "one", nodes=4, days=2))
    site = Site(settings_for(builder.url, "one"))
    assert "Nothing changed." in said(site.page("/"))
    coming = int(time.time()) + 7200
    held = {
        "id": "R1",
        "name": "<i>course</i>",
        "owner": "grace",
        "state": "confirmed",
        "starts_at": coming,
        "nodes": ["cn001"],
    }
    with builder.engine.begin() as connection:
        connection.execute(update(schema.cluster).values(reservations=json.dumps([held])))
    builder.report("one")
    page = site.page("/")
    assert re.search(r"Coming: one reservation “<i>course</i>” by grace, cn001, ", said(page))
    assert "/user/grace" in hrefs(page)
    site.source.close()
    builder.close()
