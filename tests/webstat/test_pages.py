"""Every page, drawn from stores in every state, without a browser."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dash import no_update
from plotly.utils import PlotlyJSONEncoder

from collector.settings import ClusterSettings, Settings, StoreSettings, WebSettings
from tests.webstat.stores import HOSTILE, WORLD, Builder, Shape
from webstat import router
from webstat.data.source import Source
from webstat.errors import StoreBroken
from webstat.pages import PAGES, find
from webstat.theme import tokens

PAGE, PANEL = len(router.FRAME), len(router.FRAME) + 1
"""Where they stand among the callback's outputs."""
VIEWER = {"theme": "light", "zone": "Europe/Berlin"}


def settings_for(url: str, *names: str, **web: Any) -> Settings:
    clusters = tuple(ClusterSettings(name=name, agent="tcp://127.0.0.1:1") for name in names)
    return Settings(store=StoreSettings(url=url), cluster=clusters, web=WebSettings(**web))


class Site:
    """A source, and what a browser would have on its screen."""

    def __init__(self, settings: Settings | Source) -> None:
        self.source = settings if isinstance(settings, Source) else Source(settings)
        self.artist = router.Artist(SimpleNamespace(of=lambda viewer: self.source))  # type: ignore[arg-type]
        self.drawn: dict[str, Any] = {}
        self.pieces: list[Any] = []

    def draw(self, path: str, connected: bool = True, now: float | None = None, **viewer: str) -> list[Any]:
        drawing = self.artist.draw(connected, path, {**VIEWER, **viewer}, self.drawn, now or time.time())
        self.pieces = json.loads(json.dumps([value for _, _, value in drawing.pieces], cls=PlotlyJSONEncoder))
        parts = drawing.outputs()
        if parts[-1] is not no_update:
            self.drawn = json.loads(json.dumps(parts[-1]))
        return [part if part is no_update else json.loads(json.dumps(part, cls=PlotlyJSONEncoder)) for part in parts]

    def page(self, path: str, **how: Any) -> Any:
        self.drawn = {}
        return self.draw(path, **how)[PAGE]


def texts(component: Any) -> list[str]:
    """Every text in a component tree."""
    if isinstance(component, str):
        return [component]
    if isinstance(component, list):
        return [text for part in component for text in texts(part)]
    if isinstance(component, dict):
        return texts(component.get("props", {}).get("children"))
    return []


def walk(component: Any) -> Iterator[dict[str, Any]]:
    """Every component of a tree."""
    if isinstance(component, list):
        for part in component:
            yield from walk(part)
    elif isinstance(component, dict) and "type" in component:
        yield component
        yield from walk(component["props"].get("children"))


def said(component: Any) -> str:
    return " ".join("".join(texts(component)).replace("\u00a0", " ").split())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builder]:
    builder = Builder(tmp_path_factory.mktemp("world") / "store.sqlite")
    for shape in WORLD:
        builder.add(shape)
    yield builder
    builder.close()


@pytest.fixture(scope="module")
def source(world: Builder) -> Iterator[Source]:
    source = Source(settings_for(world.url, *(shape.name for shape in WORLD)))
    yield source
    source.close()


@pytest.fixture
def site(source: Source) -> Site:
    return Site(source)


ADDRESSES = [
    "/",
    "/free",
    "/jobs",
    "/job/certainty/1.pbs01",
    "/node/certainty/cn001",
    "/user/alice",
    "/group/staff",
    "/history",
    "/history/jobs?event=ran&sort=user",
    "/tell?kind=cores",
    "/health",
    *(f"/cluster/{shape.name}" for shape in WORLD),
]


def test_every_page_has_an_address_here() -> None:
    assert {page.path for page in PAGES} == {find(address.split("?")[0])[0].path for address in ADDRESSES}


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_opens(site: Site, address: str, theme: str) -> None:
    page = site.page(address, theme=theme)
    headings = [c["type"] for c in walk(page) if c["type"] in ("H1", "H2")]
    assert headings.count("H1") == 1
    assert headings[0] == "H1"
    idents = [json.dumps(c["props"]["id"]) for c in walk(page) if "id" in c["props"]]
    assert len(idents) == len(set(idents))
    for graph in (c for c in walk(page) if c["type"] == "Graph"):
        hover = graph["props"]["figure"]["layout"]["template"]["layout"]["hoverlabel"]
        assert hover["bgcolor"] == tokens(theme)["surface"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_links_lead_to_pages(site: Site, address: str) -> None:
    parts = site.draw(address)
    links = [c["props"]["href"] for part in parts[:-1] for c in walk(part) if "href" in c["props"]]
    assert links
    for href in links:
        path = re.split("[?#]", href)[0]
        assert find(path) is not None or path.endswith((".txt", ".csv")) or path.startswith("/api/"), href


@pytest.mark.parametrize("address", ADDRESSES)
def test_icons_are_hidden_and_figures_have_words(site: Site, address: str) -> None:
    page = site.page(address)
    messages = {c["props"]["id"]: said(c) for c in walk(page) if isinstance(c["props"].get("id"), str)}
    for component in walk(page):
        props = component["props"]
        if "bi-" in str(props.get("className", "")):
            assert props.get("aria-hidden") == "true"
        if props.get("role") == "img":
            assert props.get("aria-label") or messages[props["aria-labelledby"]]
        if component["type"] == "Th":
            assert props["scope"] in ("row", "col", "colgroup")


def test_what_has_not_changed_is_not_drawn_again(site: Site) -> None:
    now = time.time()
    assert no_update not in site.draw("/cluster/certainty", now=now)
    assert site.draw("/cluster/certainty", now=now + 1) == [no_update] * (PANEL + 2)
    assert site.draw("/", now=now + 1)[PAGE] is not no_update


def test_a_new_report_draws_its_pages_and_no_other(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "s.sqlite")
    for name in ("one", "two"):
        builder.add(Shape(name, name, nodes=4, days=1))
    site = Site(settings_for(builder.url, "one", "two"))
    site.draw("/cluster/one")
    builder.report("two")
    parts = site.draw("/cluster/one")
    assert parts[PAGE] is no_update
    assert parts[1] is not no_update  # the age in the bar is another
    builder.report("one", start_cores=3, user="newcomer")
    parts = site.draw("/cluster/one")
    assert parts[PAGE] is no_update, "the page stays, its parts are replaced"
    assert "newcomer" in said(site.pieces)
    assert any("data" in one for one in site.pieces if isinstance(one, dict)), "the chart is another"
    assert site.draw("/cluster/one") == [no_update] * (PANEL + 2)
    site.source.close()
    builder.close()


def test_the_overview_leads_with_what_is_free(site: Site) -> None:
    words = said(site.page("/"))
    assert words.startswith("Where can I run now?")
    assert "10 clusters, 7 answering" in words
    assert "Without biox3, newton and fresh:" in words
    assert "cores were free of 6,400" in words
    assert "Does not answer (timeout). Below is its state at" in words
    assert "Nothing runs, nothing waits. All 192 cores are free." in words


def test_states_are_said_in_words(site: Site) -> None:
    for name, expected in {
        "late": "late · data 3 min old",
        "partial": "Jobs and queues are current, nodes are incomplete.",
        "biox3": "last seen 12 min ago",
        "newton": "Its agent refuses our key.",
        "fresh": "No report yet.",
        "idle": "Nobody.",
        "full": "The nodes call",
    }.items():
        assert expected in said(site.page(f"/cluster/{name}")), name


def test_the_past_is_told_in_the_past_tense(site: Site) -> None:
    words = said(site.page("/cluster/biox3"))
    assert "Who held the cores?" in words
    assert "Which nodes had room?" in words


def test_hostile_names_are_text(site: Site) -> None:
    page = site.page("/cluster/hostile")
    assert "<script>alert(1)</s…" in said(page)
    for component in walk(page):
        assert component["type"] not in ("Markdown", "DangerouslySetInnerHTML", "Iframe", "Script")
        assert "dangerously_allow_html" not in component["props"]
    assert all(len(text) < 400 for text in texts(page))
    figure = next(c["props"]["figure"] for c in walk(page) if c["type"] == "Graph")
    assert "<" not in "".join(trace["name"] for trace in figure["data"])
    assert HOSTILE[4] not in said(page), "a line-turner came through"


def test_an_unknown_page_says_so(site: Site) -> None:
    for path in ("/nowhere", "/cluster/nope", "/cluster/", "/cluster/a/b", "/" + "x" * 500):
        words = said(site.page(path))
        assert words.startswith("There is no such page"), path
        assert len(words) < 700


def test_no_clusters(tmp_path: Path) -> None:
    site = Site(settings_for(f"sqlite:///{tmp_path}/none.sqlite"))
    words = said(site.page("/"))
    assert words.startswith("No clusters are configured")
    assert "python -m agent serve" in words
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("connected", "words"), [(True, "The collector runs."), (False, "Start the collector:")])
def test_no_data_yet(tmp_path: Path, connected: bool, words: str) -> None:
    site = Site(settings_for(f"sqlite:///{tmp_path}/none.sqlite", "alpha", "beta"))
    found = said(site.page("/", connected=connected))
    assert found.startswith("No data yet")
    assert "alpha, beta" in found
    assert words in found
    assert site.draw("/cluster/alpha", connected=connected)[0] is not None


def test_a_missing_collector_is_said_on_every_page(site: Site) -> None:
    later = time.time() + 3600
    for address in ADDRESSES:
        assert "The collector does not run." in said(site.page(address, connected=False, now=later))
    assert "The collector does not run." not in said(site.page("/", connected=True, now=later))


def test_a_broken_store_is_an_error_the_router_can_name(tmp_path: Path) -> None:
    (tmp_path / "bad.sqlite").write_bytes(b"no database at all, and long enough to be looked into" * 50)
    site = Site(settings_for(f"sqlite:///{tmp_path}/bad.sqlite", "one"))
    with pytest.raises(StoreBroken):
        site.draw("/")
    site.source.close()


def test_simulated_clusters_are_called_demo_on_every_page(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "s.sqlite")
    builder.add(Shape("sim", "sim", nodes=4, days=1, demo=True))
    builder.add(Shape("real", "real", nodes=4, days=1))
    site = Site(settings_for(builder.url, "sim", "real"))
    for path in ("/", "/health", "/cluster/sim", "/cluster/real", "/nowhere"):
        site.drawn = {}
        assert said(site.draw(path)[2]).startswith("DEMO: simulated clusters (sim).")
    site.source.close()
    builder.close()


def test_one_cluster_needs_no_menu(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "s.sqlite")
    builder.add(Shape("only", "only", nodes=4, days=1))
    site = Site(settings_for(builder.url, "only"))
    parts = site.draw("/")
    assert [c["type"] for c in walk(parts[0]) if c["type"] == "Details"] == []
    assert "/cluster/only" in json.dumps(parts[0])
    assert said(parts[1]).startswith("1 cluster live")
    site.source.close()
    builder.close()


def test_the_clusters_are_those_of_the_settings_in_their_order(world: Builder) -> None:
    site = Site(settings_for(world.url, "full", "unheard-of", "certainty"))
    assert [c.name for c in site.source.clusters()] == ["full", "unheard-of", "certainty"]
    assert [c.report for c in site.source.clusters()] == [1000, 0, 1000]
    site.source.close()
    everything = Site(settings_for(world.url))
    assert [c.name for c in everything.source.clusters()] == sorted(shape.name for shape in WORLD)
    everything.source.close()


@pytest.mark.parametrize(
    ("zone", "words"), [("Asia/Kolkata", "UTC+5:30"), ("../../etc/passwd", "UTC"), ("x" * 300, "UTC"), ("", "UTC")]
)
def test_times_are_those_of_the_viewer(site: Site, zone: str, words: str) -> None:
    assert re.search(rf"Times are {re.escape(words)}[;.]", said(site.draw("/", zone=zone)[4]))


def test_a_zone_in_the_settings_wins(world: Builder) -> None:
    site = Site(settings_for(world.url, "certainty", timezone="Asia/Tokyo"))
    assert "Times are UTC+9;" in said(site.draw("/")[4])
    site.source.close()
