"""Every live page, its text twins and its data at a past moment; moments that there are none of; links that stay at it."""

from __future__ import annotations

import csv
import io
import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qsl, urlencode

import pytest

from agent.states import JobState
from tests.webstat.recorded import Recorded, record
from tests.webstat.served import served
from tests.webstat.test_pages import Site, said, walk
from webstat.data.queries.known_then import How, Then
from webstat.data.queries.past import load_polls
from webstat.data.source import Source
from webstat.errors import NoMoment
from webstat.health import Cluster
from webstat.pages import PAGES
from webstat.past import WITHOUT_MOMENT, asked, at_moment, how_exact
from webstat.router import FRAME

BAR = FRAME.index("past")
"""Where the bar stands among the callback's outputs."""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """A cluster of twelve polls, and one of which there is a single report, of the last seconds."""
    return record(tmp_path_factory.mktemp("past") / "store.sqlite", "series", "old")


@pytest.fixture(scope="module")
def source(small: Recorded) -> Iterator[Source]:
    source = Source(small.settings())
    yield source
    source.close()


@pytest.fixture(scope="module")
def taken(source: Source) -> list[int]:
    """The moments of the polls of `series`, newest last."""
    return source.ask(load_polls, 1, 0)["taken_at"].astype("int64").tolist()


@pytest.fixture
def site(source: Source) -> Site:
    return Site(source)


@dataclass(frozen=True)
class Answer:
    status: int
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


Get = Callable[..., Answer]


@pytest.fixture(scope="module")
def get(small: Recorded) -> Iterator[Get]:
    """What the web process answers at a path, with words of the query."""
    with served(small.settings()) as server:

        def get(path: str, **words: object) -> Answer:
            try:
                with urllib.request.urlopen(f"{server.url}{path}?{urlencode(words)}") as response:
                    return Answer(response.status, response.read().decode())
            except HTTPError as error:
                return Answer(error.code, error.read().decode())

        yield get


def addresses(recorded: Recorded) -> dict[str, str]:
    """An address of every page that shows what is."""
    report = recorded.reports["series"]
    job = next(one for one in report.jobs if one.state is JobState.RUNNING and one.group)
    node = next(one.name for one in report.nodes if one.jobs)
    words = {"cluster": "series", "job": job.id, "node": node, "user": job.user, "group": job.group or ""}
    found = {}
    for page in PAGES:
        if page.live:
            found[page.path] = page.path
            for word, text in words.items():
                found[page.path] = found[page.path].replace(f"<{word}>", text)
    return found


LIVE = [page.path for page in PAGES if page.live]


@pytest.mark.parametrize("path", LIVE)
def test_every_live_page_opens_at_a_past_moment(site: Site, small: Recorded, taken: list[int], path: str) -> None:
    address = addresses(small)[path]
    drawn = site.draw(f"{address}?at={taken[6]}")
    page, bar = json.loads(json.dumps(site.page(f"{address}?at={taken[6]}"))), drawn[BAR]
    assert [one["type"] for one in walk(page) if one["type"] == "H1"] == ["H1"]
    assert "You are looking at" in said(bar) and "Back to live" in said(bar)
    everywhere = [*walk(page), *(one for part in drawn[: len(FRAME)] for one in walk(part))]
    links = [one["props"]["href"] for one in everywhere if "href" in one["props"]]
    assert links
    for link in links:
        live = link.startswith(WITHOUT_MOMENT) and not link.startswith("/api/v1/future?")
        assert (f"at={taken[6]}" in link) is not live, link
    assert "Look at a past moment" not in said(drawn[FRAME.index("footer")])


@pytest.mark.parametrize("path", LIVE)
def test_at_the_present_there_is_no_bar(site: Site, small: Recorded, path: str) -> None:
    drawn = site.draw(addresses(small)[path])
    assert drawn[BAR] == [] and "Look at a past moment" in said(drawn[FRAME.index("footer")])


@pytest.mark.parametrize("path", [page.path for page in PAGES if not page.live])
def test_what_is_always_live_takes_no_moment(site: Site, taken: list[int], path: str) -> None:
    assert site.draw(f"{path}?at={taken[6]}")[BAR] == []


def test_files_of_a_past_page_are_there(site: Site, get: Get, taken: list[int]) -> None:
    page = site.page(f"/cluster/series?at={taken[6]}")
    files = [link for one in walk(page) if (link := str(one["props"].get("href"))).startswith("/api/")]
    assert files
    for link in files:
        path, _, query = link.partition("?")
        words = dict(parse_qsl(query))
        assert words["at" if path.endswith("/future") else "to"] == str(taken[6])
        assert get(path, **{**words, "format": "csv"}).status == 200


def test_titles_speak_of_that_moment(site: Site, taken: list[int]) -> None:
    shown = said(site.page(f"/cluster/series?at={taken[6]}"))
    assert "Who holds the cores at that moment?" in shown and "in the 24 h before?" in shown
    assert "past: " in shown and " old" not in shown
    assert "Who holds the cores now?" not in shown
    assert said(site.page(f"/free?at={taken[6]}")).startswith("Free at that moment")


def test_the_past_is_drawn_once(source: Source, taken: list[int]) -> None:
    site = Site(source)
    address = f"/cluster/series?at={taken[6]}"
    first = site.artist.draw(False, address, {"theme": "light", "zone": "UTC"}, {}, time.time())
    again = site.artist.draw(False, address, {"theme": "light", "zone": "UTC"}, first.drawn or {}, time.time() + 3600)
    assert first.drawn and first.drawn["at"] == taken[6]
    assert again.drawn is None and not again.regions and not again.pieces


HOSTILE = [
    "abc",
    "-5",
    "1e9",
    "12 34",
    "٣٤٥",
    "9" * 13,
    "9" * 400,
    "<script>alert(1)</script>",
    "0x10",
    "1.5",
    "NaN",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_no_moment_is_said_in_words(site: Site, get: Get, text: str) -> None:
    with pytest.raises(NoMoment, match="is no moment: at is in unix seconds"):
        asked({"at": text}, 1e9)
    for path in ("/cluster/series.txt", "/clusters.json", "/data/jobs", "/jobs.csv", "/data/nodes/series"):
        answer = get(path, at=text)
        assert answer.status == 400 and "is no moment" in answer.text
    shown = said(site.page(f"/?{urlencode({'at': text})}"))
    assert "There is no such moment" in shown and "Back to live" in shown


@pytest.mark.parametrize("ahead", [60, 10**11])
def test_a_moment_that_has_not_come_is_refused(site: Site, ahead: int) -> None:
    shown = said(site.page(f"/cluster/series?at={int(time.time()) + ahead}"))
    assert "has not come yet" in shown and "Back to live" in shown


def test_before_the_first_report_the_first_moment_is_offered(site: Site, taken: list[int]) -> None:
    for path in ("/", "/cluster/series", "/jobs", "/user/alice"):
        page = site.page(f"{path}?at={taken[0] - 1}")
        assert "is known at that moment" in said(page)
        assert f"{path}?at={taken[0]}" in [one["props"].get("href") for one in walk(page)]
    assert "Nothing of any cluster" in said(site.page("/?at=0"))


def test_a_cluster_that_was_not_known_then_is_named(site: Site, taken: list[int]) -> None:
    assert "Nothing of old is known at that moment" in said(site.page(f"/cluster/old?at={taken[3]}"))
    overview = site.draw(f"/?at={taken[3]}")
    assert "not known then: old" in said(overview[BAR])
    assert "There is no such page" in said(site.page(f"/cluster/never?at={taken[3]}"))


def test_text_twins_say_which_moment_they_show(get: Get, taken: list[int]) -> None:
    text = get("/cluster/series.txt", at=taken[6]).text
    assert text.startswith("As of ") and "exact to 1 h (poll of " in text.splitlines()[0]
    assert get("/cluster/series.json", at=taken[6]).json()["at"] == taken[6]
    assert get("/clusters.txt", at=taken[6]).text.startswith("As of ")
    known = get("/clusters.json", at=taken[6]).json()
    assert [one["cluster"] for one in known["clusters"]] == ["series"] and known["at"] == taken[6]
    assert "at" not in get("/clusters.json").json()
    answer = get("/cluster/old.txt", at=taken[6])
    assert answer.status == 404 and answer.text == "Nothing of old is known at that moment.\n"


def test_tables_maps_and_files_show_the_moment(get: Get, taken: list[int]) -> None:
    then, now = get("/data/jobs", at=taken[2]).json(), get("/data/jobs").json()
    assert {one["name"] for one in then["clusters"]} == {"series"} and then["jobs"] != now["jobs"]
    rows = list(csv.DictReader(io.StringIO(get("/jobs.csv", at=taken[2]).text)))
    assert len(rows) == then["jobs"]
    nodes, later = get("/data/nodes/series", at=taken[2]).json(), get("/data/nodes/series").json()
    assert int(nodes["taken_at"]) == taken[2] and nodes["jobs"] != later["jobs"]


@pytest.mark.parametrize(
    ("href", "there"),
    [
        ("/", "/?at=7"),
        ("/jobs?user=a%26b", "/jobs?user=a%26b&at=7"),
        ("/cluster/a?job=a/1#x", "/cluster/a?job=a/1&at=7#x"),
        ("/cluster/a.txt", "/cluster/a.txt?at=7"),
        ("/jobs?at=5", "/jobs?at=5"),
        ("/history?range=7d", "/history?range=7d"),
        ("/history/jobs?user=a", "/history/jobs?user=a"),
        ("/health#a", "/health#a"),
        ("/api/v1/history?format=csv", "/api/v1/history?format=csv"),
        ("#page", "#page"),
        ("https://example.org/", "https://example.org/"),
    ],
)
def test_links_stay_at_the_moment(href: str, there: str) -> None:
    assert at_moment(href, 7) == there


AT = 1_795_392_000
MINUTELY = Cluster("a", "A", period_seconds=60)
HOURLY = Cluster("b", "B", period_seconds=3600)


def then(how: How, taken_at: float, **told: float) -> Then:
    return Then(1, how, int(taken_at), taken_at, 1, 60, **told)


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ([], ""),
        ([(MINUTELY, then(How.REPORT, AT - 12))], "exact to the minute (poll of 23:59:48)"),
        (
            [(MINUTELY, then(How.REPORT, AT - 12)), (HOURLY, then(How.REPORT, AT - 60))],
            "exact to 1 h (polls of 23:59:00–23:59:48)",
        ),
        (
            [(MINUTELY, then(How.REPORT, AT - 7200, after=AT + 3600)), (HOURLY, then(How.REPORT, AT - 60))],
            "B: exact to 1 h (poll of 23:59:00); A: in a gap of 3 h: what was last known, at Sun 22:00",
        ),
        ([(MINUTELY, then(How.REPORT, AT - 7200))], "no report since, so what was last known, at Sun 22:00"),
        (
            [(MINUTELY, then(How.TOLD, AT, before=AT - 7200))],
            "jobs exact to the second, as a later report told, nodes and queues as at Sun 22:00",
        ),
        ([(MINUTELY, then(How.LOG, AT))], "jobs from accounting logs only; its nodes and queues then are not known"),
        ([(MINUTELY, then(How.KEPT, AT))], "exact to the minute; its polls of then are kept no longer"),
    ],
)
def test_how_exact_a_moment_is_known(known: list[tuple[Cluster, Then]], words: str) -> None:
    assert how_exact(known, AT, UTC).replace("\u00a0", " ") == words
