"""Panel and pages of jobs and nodes, drawn from recorded clusters and from stores in every state, without a browser.

One module, since all of it shares the stores and how a page is drawn.
"""

from __future__ import annotations

import dataclasses
import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit
from zoneinfo import ZoneInfo

import pytest
from dash import no_update
from plotly.utils import PlotlyJSONEncoder

from agent.report import Job, Node, Queue
from agent.states import JobState, NodeState
from collector.store import PollTimes, Store
from tests.collector.reports import a_job, a_report, as_running
from tests.collector.reports import settings_for as collector_settings
from tests.databases import store_at
from tests.webstat.recorded import Recorded
from tests.webstat.stores import HOSTILE, TIMEOUT, Builder, Shape
from tests.webstat.test_pages import PAGE, PANEL, Site, said, settings_for, walk
from webstat.components import job_when
from webstat.components.capacity import NODE_WORDS
from webstat.components.job import JOB_STATES
from webstat.data.queries.places import load_placed_jobs
from webstat.data.queries.waiting import load_waiting
from webstat.data.source import Source
from webstat.pages import find, panel
from webstat.parts import take_apart
from webstat.view import View

MINUTE, HOUR, DAY = 60, 3600, 86400


def view_of(source: Source, path: str = "/jobs", now: float | None = None, **query: str) -> View:
    return View(
        source, source.clusters(), now or time.time(), "light", ZoneInfo("Europe/Berlin"), True, path, query, None
    )


def drawn(body: Any) -> Any:
    return json.loads(json.dumps(body, cls=PlotlyJSONEncoder))


def links(component: Any) -> list[str]:
    return [c["props"]["href"] for c in walk(component) if "href" in c["props"]]


# Recorded clusters


@pytest.fixture(scope="module")
def real(recorded: Recorded) -> Iterator[Source]:
    source = Source(recorded.settings())
    yield source
    source.close()


def of_every_kind(jobs: list[Job]) -> list[Job]:
    """One of those that are told alike."""
    kinds = {
        (job.state, job.comment is None, job.hold, job.depends_on is None, job.array_id is None, job.exit_status): job
        for job in jobs
    }
    assert len(kinds) > 2
    return list(kinds.values())


@pytest.mark.parametrize("cluster", ["mixed", "torque", "slurm", "accounts"])
def test_every_kind_of_recorded_job_has_a_panel_in_one_frame(real: Source, recorded: Recorded, cluster: str) -> None:
    frames = set()
    for job in of_every_kind(recorded.reports[cluster].jobs):
        body = panel.layout(view_of(real, job=f"{cluster}/{job.id}", q="kept"))
        frames.add(take_apart(body, "panel").frame)
        shown = drawn(body)
        words = said(shown)
        state = "failed" if job.state is JobState.FINISHED and job.exit_status else job.state.value
        assert JOB_STATES[state][2] in words
        assert f"All {len(dataclasses.fields(Job))} attributes" in words
        assert ("Why does it wait?" in words) == (state in ("queued", "held", "waiting", "transiting"))
        waits = state in ("queued", "held", "waiting", "transiting")
        assert ("Start not foretold" in words) == waits  # by us: too few jobs have started
        assert ("the scheduler’s own estimate" in words) == (waits and job.estimated_start_at is not None)
        assert not re.search(r"\b(nan|None|inf)\b", words.replace(job.name, ""))
        for href in links(shown):
            assert find(urlsplit(href).path) is not None, href
    assert len(frames) == 1


@pytest.mark.parametrize("cluster", ["mixed", "torque", "slurm"])
def test_every_recorded_node_has_a_panel_in_one_frame(real: Source, recorded: Recorded, cluster: str) -> None:
    frames = set()
    report = recorded.reports[cluster]
    on_node: dict[str, set[str]] = {}
    for job in report.jobs:
        for name in job.hosts if job.state is not JobState.FINISHED else ():
            on_node.setdefault(name, set()).add(job.id.partition(".")[0])
    for node in report.nodes:
        body = panel.layout(view_of(real, node=f"{cluster}/{node.name}"))
        frames.add(take_apart(body, "panel").frame)
        shown = drawn(body)
        words = said(shown)
        assert NODE_WORDS[node.state.value][1] in words
        assert f"All {len(dataclasses.fields(Node))} attributes" in words
        opened = {parse_qs(urlsplit(href).query).get("job", [""])[0].partition("/")[2] for href in links(shown)}
        assert on_node.get(node.name, set()) <= {job_id.partition(".")[0] for job_id in opened}
    assert len(frames) == 1


@pytest.mark.parametrize("cluster", ["mixed", "torque", "slurm"])
def test_jobs_and_nodes_have_pages(real: Source, recorded: Recorded, cluster: str) -> None:
    site = Site(real)
    report = recorded.reports[cluster]
    states = {job.state: job for job in report.jobs}.values()
    addresses = [f"/job/{cluster}/{quote(job.id, safe='')}" for job in states]
    addresses += [f"/node/{cluster}/{quote(node.name, safe='')}" for node in report.nodes[:5]]
    for address in addresses:
        page = site.page(address)
        headings = [c["type"] for c in walk(page) if c["type"] in ("H1", "H2", "H3")]
        assert headings[0] == "H1" and headings.count("H1") == 1 and "H3" not in headings
        assert "Close" not in said(page)


def test_a_dependency_leads_to_the_job_it_waits_for(real: Source, recorded: Recorded) -> None:
    ids = {job.id for job in recorded.reports["mixed"].jobs}
    waits = next(
        job
        for job in recorded.reports["mixed"].jobs
        if job.depends_on
        and job.depends_on.startswith("afterok:")
        and job.depends_on.split(":")[1].split("@")[0] in ids
    )
    other = str(waits.depends_on).split(":")[1].split("@")[0]
    shown = drawn(panel.layout(view_of(real, job=f"mixed/{waits.id}")))
    assert "Which jobs is it tied to?" in said(shown)
    assert f"/jobs?{urlencode({'job': f'mixed/{other}'})}" in links(shown)


# Made for one question each


class Made:
    """A store whose reports are written one by one, with the newest some seconds old."""

    def __init__(self, folder: Path) -> None:
        self.url = store_at(folder / "store.sqlite")
        self.now = time.time()
        self.store = Store(self.url)
        self.store.sync_clusters(collector_settings("c"))
        self.source = Source(settings_for(self.url, "c"))

    def put(self, ago: float, *jobs: Job, **fields: Any) -> None:
        at = self.now - ago
        report = a_report(at, jobs, **fields)
        self.store.store_report(1, report, PollTimes(at - 1, 0.5, at + 60))

    def job(self, number: int = 1, state: JobState = JobState.QUEUED, ago: float = HOUR, **fields: Any) -> Job:
        return a_job(number, state, submitted_at=int(self.now - ago), **fields)

    def running(self, number: int = 1, ago: float = HOUR, ran: float = HOUR / 2, **fields: Any) -> Job:
        return replace(as_running(self.job(number, ago=ago), int(self.now - ran)), **fields)

    def panel(self, **query: str) -> Any:
        return drawn(panel.layout(view_of(self.source, now=self.now, **query)))

    def words(self, **query: str) -> str:
        return said(self.panel(**query))

    def close(self) -> None:
        self.source.close()
        self.store.close()


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    made = Made(tmp_path)
    yield made
    made.close()


def test_a_running_job_tells_when_where_and_what_it_uses(made: Made) -> None:
    job = made.running(
        ago=3 * HOUR,
        ran=2 * HOUR,
        cores=48,
        nodes=2,
        hosts={"n1": 24, "n2": 24},
        walltime_seconds=8 * HOUR,
        walltime_used_seconds=2 * HOUR,
        cpu_used_seconds=int(11.5 * 2 * HOUR),
        memory_bytes=192 << 30,
        memory_used_bytes=110 << 30,
    )
    made.put(10, job)
    words = made.words(job="c/1.pbs01")
    assert "waited 1 h ran 2 h 5 h 59 left".replace(" ", "") in words.replace(" ", "")
    assert "start + 8 h of walltime" in words
    assert "at the latest" in words
    assert "Keeps 12 of its 48 cores busy (24 %)." in words
    assert "57 %" in words and "25 %" in words
    assert "Cost so far: 96.0 core-hours, 73.0 of them held idle; 384 core-hours if it runs to its limit." in words
    assert "n1 24 cores" in words and "show on the node map" in words
    assert "/cluster/c?job=c%2F1.pbs01" in links(made.panel(job="c/1.pbs01"))


def test_a_young_job_is_not_judged(made: Made) -> None:
    made.put(10, made.running(ran=300, walltime_used_seconds=290, cpu_used_seconds=1, walltime_seconds=HOUR))
    words = made.words(job="c/1.pbs01")
    assert "It has run for 4 min; what it uses is told after 10 min." in words
    assert "busy" not in words


def test_a_waiting_job_tells_why_in_the_schedulers_words_too(made: Made) -> None:
    comment = "Not Running: Job would conflict with reservation or top job"
    made.put(10, made.job(1, ago=2 * HOUR), made.job(2, comment=comment, cores=48, nodes=2, walltime_seconds=DAY))
    words = made.words(job="c/2.pbs01")
    assert "Why does it wait?" in words
    assert f"In the scheduler’s words: “{comment}”" in words
    assert "What would help?" in words
    assert "48 cores on 2 nodes, 1 d" in words
    assert "waited 1 h so far" in words
    assert "Start not foretold" in words and "the scheduler gives no estimate" in words
    assert "Ends by" not in words


def test_an_estimate_is_the_schedulers(made: Made) -> None:
    made.put(10, made.job(1, estimated_start_at=int(made.now + HOUR), walltime_seconds=HOUR))
    words = made.words(job="c/1.pbs01")
    assert "the scheduler’s own estimate" in words
    assert "if it starts as the scheduler says: start + 1 h of walltime" in words
    made.put(5, made.job(1, estimated_start_at=int(made.now - HOUR), walltime_seconds=HOUR))
    words = made.words(job="c/1.pbs01")
    assert "the scheduler’s own estimate, which has passed" in words
    assert "as the scheduler says" not in words


def similar(made: Made, waited: int, count: int = 40) -> list[Job]:
    """Jobs that waited so long and run."""
    return [made.running(number, ago=waited + 60 * number, ran=60 * number) for number in range(100, 100 + count)]


def test_times_made_from_other_quantiles_are_called_recalibrated(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    made.put(5, made.job(1), *similar(made, waited=3 * HOUR, count=60))
    assert "half and 90 % of 60 similar jobs" in made.words(job="c/1.pbs01")
    told = job_when.foretell
    monkeypatch.setattr(job_when, "foretell", lambda *of, **job: replace(told(*of, **job), recalibrated=True))
    words = made.words(job="c/1.pbs01")
    assert "recalibrated, from 60 similar jobs" in words and "half and" not in words


def test_a_waiting_job_is_told_what_similar_ones_waited(made: Made) -> None:
    estimate = int(made.now + 5 * HOUR)
    mine = [
        made.job(1, ago=HOUR),
        made.job(2, ago=HOUR // 2, estimated_start_at=estimate),
        made.job(3, JobState.HELD, hold="u"),
    ]
    made.put(5, *mine, *similar(made, waited=3 * HOUR + 300, count=60), *similar(made, waited=9 * HOUR, count=100)[60:])
    words = made.words(job="c/1.pbs01")
    assert "In 2 h – 8 h" in words  # most waited 3 h, the rest 9 h; it has waited one
    assert "half and 90 % of 100 similar jobs, 1 d (of its queue)" in words
    assert "No job ahead" in words
    assert "the scheduler gives no estimate" in words and "not foretold" not in words
    words = made.words(job="c/2.pbs01")
    assert "the scheduler’s own estimate" in words and "In 2 h 30 – 9 h" in words and "1 job ahead" in words
    assert "gives no estimate" not in words
    assert "it does not only wait for room" in made.words(job="c/3.pbs01")


def test_what_can_never_start_is_not_foretold(made: Made) -> None:
    closed = Queue("batch", "execution", enabled=True, started=False)
    made.put(7, made.job(1), *similar(made, waited=3 * HOUR, count=60))
    assert "not foretold" not in made.words(job="c/1.pbs01")
    made.put(5, made.job(1), *similar(made, waited=3 * HOUR, count=60), queues=[closed])
    assert "it does not only wait for room" in made.words(job="c/1.pbs01"), "though the scheduler says nothing of it"


def test_too_few_similar_jobs_foretell_nothing(made: Made) -> None:
    made.put(5, made.job(1), *similar(made, waited=3 * HOUR, count=7))
    words = made.words(job="c/1.pbs01")
    assert "Start not foretold" in words and "only 7 similar jobs; the scheduler gives no estimate" in words


def test_a_silent_cluster_foretells_nothing(made: Made) -> None:
    made.put(2 * DAY, made.job(1, ago=3 * DAY), *similar(made, waited=30 * HOUR * 2, count=60))
    assert "its cluster does not answer" in made.words(job="c/1.pbs01")


def test_a_hold_and_a_suspension_are_steps(made: Made) -> None:
    held = made.job(1, JobState.HELD, ago=3 * HOUR, hold="u")
    made.put(7200, held)
    made.put(5400, replace(held, state=JobState.QUEUED, hold=None))
    ran = as_running(replace(held, hold=None), int(made.now - 3600))
    made.put(3000, ran)
    made.put(1800, replace(ran, state=JobState.SUSPENDED))
    made.put(10, replace(ran, state=JobState.SUSPENDED))
    words = made.words(job="c/1.pbs01")
    assert re.search(r"Submitted.*Held.*Released.*Started.*Suspended", words)
    assert "for 30 min so far" in words
    assert "Why is it suspended?" in words


def test_an_ended_job_stays_with_its_exit_in_words(made: Made) -> None:
    job = made.running(ran=1200, walltime_used_seconds=1200, cpu_used_seconds=400, cores=4, walltime_seconds=HOUR)
    made.put(300, job)
    over = replace(job, state=JobState.FINISHED, ended_at=int(made.now - 100), exit_status=137, hosts={})
    made.put(10, over)
    words = made.words(job="c/1.pbs01")
    assert "Failed (exit 137)" in words
    assert "exit 137: killed, usually out of memory" in words
    assert "Did it use what it asked for?" in words
    assert "Kept 0.3 of its 4 cores busy (8 %)." in words
    assert "Where did it run?" in words and "n1 4 cores" in words
    assert "not needed" in words
    assert "Ends by" not in words and "show on the node map" not in words


def test_an_estimated_end_says_between_which_reports(made: Made) -> None:
    made.put(7200, made.running(ran=9000))
    made.put(3600)
    made.put(10)
    words = made.words(job="c/1.pbs01")
    assert re.search(r"Ended .*estimated, between the reports of .* and ", words)
    assert "the scheduler does not say how" in words


def test_a_job_deleted_before_it_started_says_so(made: Made) -> None:
    made.put(600, made.job(1))
    made.put(300)
    words = made.words(job="c/1.pbs01")
    assert "and never started" in words
    assert "use what it asked for" not in words and "Where" not in words


def test_a_job_past_its_walltime_says_so(made: Made) -> None:
    made.put(10, made.running(ran=2 * HOUR, ago=3 * HOUR, walltime_seconds=HOUR))
    words = made.words(job="c/1.pbs01")
    assert "Was to end by" in words and "its walltime is over since 1 h" in words
    made.put(5, made.running(2))
    assert "End not known" in made.words(job="c/2.pbs01")


def test_a_task_leads_to_its_array(made: Made) -> None:
    task = replace(made.running(1), id="5[3].pbs01", array_id="5[].pbs01", array_index="3")
    made.put(10, task)
    shown = made.panel(job="c/5[3].pbs01")
    assert "task 3 of 5[].pbs01" in said(shown)
    found = [parse_qs(urlsplit(href).query) for href in links(shown) if href.startswith("/jobs?")]
    assert any(query.get("q") == ["5[].pbs01"] for query in found)
    assert "That is the id of an array" in made.words(job="c/5[].pbs01")


def test_nodes_beyond_those_shown_are_folded(made: Made) -> None:
    hosts = {f"n{number:03d}": 2 for number in range(40)}
    made.put(10, replace(made.running(), hosts=hosts, cores=80, nodes=40))
    shown = made.panel(job="c/1.pbs01")
    assert "16 more nodes" in said(shown)
    assert sum("node=c%2Fn" in href for href in links(shown)) == 40


def test_what_is_not_there_is_told_with_a_way_on(made: Made) -> None:
    made.put(10)
    site = Site(made.source)
    for address in ("/job/c/999", "/health?job=c/999"):
        parts = site.draw(address)
        shown = parts[PAGE] if address.startswith("/job") else parts[PANEL]
        assert "c has no job 999." in said(shown)
        assert any(href.startswith("/jobs?q=999") for href in links(shown))
        site.drawn = {}
    assert "c has no node nix." in said(site.page("/node/c/nix"))
    assert "There is no such page" in said(site.page("/job/nowhere/1"))
    assert panel.layout(view_of(made.source, job="nowhere/1")) == []
    assert panel.layout(view_of(made.source, job="c")) == []


def test_close_and_links_keep_the_rest_of_the_address(made: Made) -> None:
    made.put(10, made.running(), made.running(2))
    shown = made.panel(job="c/1.pbs01", q="x y", node="c/n1")
    closing = [c for c in walk(shown) if "ws-close" in str(c["props"].get("className"))]
    assert [c["props"]["href"] for c in closing] == ["/jobs?q=x+y"]
    assert "Close" in said(closing[0])
    assert "/jobs?q=x+y&node=c%2Fn1" in links(shown), "a node takes the job's place"
    copies = [c["props"]["data-copy"] for c in walk(shown) if "data-copy" in c["props"]]
    assert copies == ["1.pbs01", "/job/c/1.pbs01"]
    assert all(c["props"].get("aria-label") for c in walk(shown) if c["type"] == "Button")


def test_news_and_another_job_replace_only_what_is_in_the_frame(made: Made) -> None:
    made.put(60, made.running(1, walltime_seconds=DAY), made.job(2))
    site = Site(made.source)
    first = site.draw("/health?job=c/1.pbs01", now=made.now)
    assert no_update not in first[PAGE : PANEL + 1]
    made.put(10, made.running(1, walltime_seconds=DAY, cores=7), made.job(2))
    second = site.draw("/health?job=c/1.pbs01", now=made.now + 20)
    assert second[PAGE : PANEL + 1] == [no_update, no_update]
    assert "7 cores" in said(site.pieces)
    third = site.draw("/health?job=c/2.pbs01", now=made.now + 20)
    assert third[PAGE : PANEL + 1] == [no_update, no_update], "neither page nor panel is drawn anew"
    assert "2.pbs01" in said(site.pieces) and "Why does it wait?" in said(site.pieces)
    fourth = site.draw("/health?node=c/n1", now=made.now + 20)
    assert fourth[PAGE] is no_update and fourth[PANEL] is not no_update
    fifth = site.draw("/health", now=made.now + 20)
    assert fifth[PAGE] is no_update and fifth[PANEL] == []


@pytest.mark.parametrize("path", ["/job/c/1.pbs01", "/node/c/n1"])
def test_news_replace_only_parts_of_the_page(made: Made, path: str) -> None:
    made.put(60, made.job(1))
    site = Site(made.source)
    site.draw(path, now=made.now)
    made.put(10, made.running(1), nodes=[Node("n1", NodeState.DOWN, "down", cores=16, comment="DIMM swap")])
    parts = site.draw(path, now=made.now + 20)
    assert parts[5] is no_update
    assert ("Running" if path.startswith("/job") else "DIMM swap") in said(site.pieces)


def test_a_node_tells_its_state_its_jobs_and_its_past(made: Made) -> None:
    node = Node("n1", NodeState.PARTIAL, "free", cores=16, cores_used=4, memory_bytes=64 << 30, load=3.9)
    gone = made.running(2, ago=5 * HOUR, ran=4 * HOUR)
    made.put(3 * HOUR, made.running(1, ago=5 * HOUR, ran=4 * HOUR), gone, nodes=[node])
    down = replace(node, state=NodeState.DOWN, native_state="down")
    over = replace(gone, state=JobState.FINISHED, exit_status=1, ended_at=int(made.now - 2.5 * HOUR))
    made.put(2 * HOUR, made.running(1, ago=5 * HOUR, ran=4 * HOUR), over, nodes=[down])
    made.put(10, made.running(1, ago=5 * HOUR, ran=4 * HOUR, walltime_seconds=DAY), nodes=[node])
    shown = made.panel(node="c/n1")
    words = said(shown)
    assert words.startswith("n1some cores free")
    assert "the scheduler says “free”" in words
    assert re.search(r"Cores.?16.?4.?25 %", words)
    assert "What runs here now?" in words
    assert re.search(r"In service since .* · 10 s", words)
    assert "Not known: no report" in words, "nobody asked in between"
    assert re.search(r"What ran here before\?1 job that ended here.*2alice4exit 1", words)
    opened = [href for href in links(shown) if "job=" in href]
    assert opened == ["/jobs?job=c%2F1.pbs01", "/jobs?job=c%2F2.pbs01"]


def test_a_node_that_is_gone_says_since_when(made: Made) -> None:
    made.put(600, nodes=[Node("n1", NodeState.FREE, "free", cores=16, cores_used=0)])
    made.put(300, nodes=[])
    words = made.words(node="c/n1")
    assert "no longer listed" in words and "not listed since" in words
    assert "What runs here now?" not in words


def test_a_stopped_queue_is_why_it_waits(made: Made) -> None:
    made.put(10, made.job(1), queues=[Queue("batch", "execution", True, False)])
    assert "stopped" in made.words(job="c/1.pbs01")


# Stores in every state


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    builder = Builder(tmp_path_factory.mktemp("odd") / "store.sqlite")
    silent = {"failures": 6, "error_code": "silent", "error": TIMEOUT}
    builder.add(Shape("silent", "silent", nodes=8, days=2, age=12 * MINUTE, **silent))
    builder.add(Shape("hostile", "<b>hostile</b> & co", users=HOSTILE, job_names=HOSTILE, nodes=20, queued=30, days=2))
    builder.add(Shape("newton", "newton", seen=False, failures=4, error_code="refused", error="refused"))
    source = Source(settings_for(builder.url, "silent", "hostile", "newton"))
    yield source
    source.close()
    builder.close()


def jobs_of(source: Source, name: str) -> list[tuple[str, str]]:
    cluster = next(one for one in source.clusters() if one.name == name)
    found = [source.read(load, cluster.id, stamp=0) for load in (load_placed_jobs, load_waiting)]
    return [(job.id, job.state) for frame in found for job in frame.itertuples()]


def test_a_silent_clusters_jobs_are_those_of_its_last_report(odd: Source) -> None:
    for job_id, state in jobs_of(odd, "silent")[::7]:
        words = said(drawn(panel.layout(view_of(odd, job=f"silent/{job_id}"))))
        assert "as of " in words
        assert "Does not answer (timeout). Below is its state at" in words
        assert "at the latest" not in words and "so far" not in words.replace("Cost so far", "")
        assert ("Why did it wait?" in words) == (state in ("queued", "held"))
    words = said(drawn(panel.layout(view_of(odd, node="silent/cn001"))))
    assert "as of " in words and "What ran here then?" in words


def test_a_cluster_never_seen_has_no_jobs(odd: Source) -> None:
    assert "newton has no job 1." in said(drawn(panel.layout(view_of(odd, job="newton/1"))))
    assert "newton has no node n1." in said(drawn(panel.layout(view_of(odd, node="newton/n1"))))


def test_strangers_names_are_only_ever_text(odd: Source) -> None:
    site = Site(odd)
    bodies = [panel.layout(view_of(odd, job=f"hostile/{job_id}")) for job_id, _ in jobs_of(odd, "hostile")]
    bodies += [panel.layout(view_of(odd, node=f"hostile/cn{number:03d}")) for number in range(1, 21)]
    bodies.append(site.page(f"/job/hostile/{quote(HOSTILE[0], safe='')}"))
    bodies.append(site.page(f"/node/hostile/{quote(HOSTILE[1], safe='')}"))
    seen = set()
    for component in (c for body in bodies for c in walk(drawn(body))):
        props = component["props"]
        assert "dangerously_allow_html" not in props and component["type"] not in ("Markdown", "Iframe", "Script")
        assert str(props.get("href", "/")).startswith("/")
        children = props.get("children")
        for text in children if isinstance(children, list) else [children]:
            if isinstance(text, str) and ("onerror" in text or "\u202e" in text or "<script" in text):
                assert component["type"] in ("Bdi", "B"), "kept from turning the text around it"
                seen.add(text)
    assert len(seen) >= 3
