"""Facts of clusters and store: what pages show, nothing of people, and bounded whatever a scheduler invents."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from collector import schema
from scripts.setup import find_program
from tests.webstat.metrics.output import read, text_of, total, value
from tests.webstat.served import Server, served, settings_for
from tests.webstat.stores import HOSTILE, WORLD, Builder, Shape
from webstat.data.source import Source
from webstat.metrics.facts import GAUGES, LONGEST_NAME, MOST_QUEUES, Facts, label

ODD = ('a"b', "a\\b", "a\nb{x=1} 2", "\ud83e\uddea".encode("utf-16", "surrogatepass").decode("utf-16"), "q" * 500)


@pytest.fixture(scope="module")
def builder(each_store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builder]:
    builder = Builder(tmp_path_factory.mktemp("facts") / "store.sqlite")
    for shape in WORLD:
        builder.add(shape)
    yield builder
    builder.close()


@pytest.fixture(scope="module")
def server(builder: Builder) -> Iterator[Server]:
    with served(settings_for(builder.url)) as server:
        yield server


def test_numbers_are_those_of_pages(builder: Builder, server: Server) -> None:
    samples = read(text_of(server))
    source = Source(settings_for(builder.url))
    clusters = {cluster.name: cluster for cluster in source.clusters()}
    for name in ("certainty", "vsp-compute", "partial", "idle", "full"):
        capacity, totals = source.capacity(clusters[name]), source.totals(clusters[name])
        assert value(samples, "webstat_cluster_cores_installed", cluster=name) == capacity.installed
        for state in ("in_use", "free", "offline"):
            assert value(samples, "webstat_cluster_cores", cluster=name, state=state) == getattr(capacity, state)
        assert total(samples, "webstat_cluster_nodes", cluster=name) == capacity.nodes
        assert total(samples, "webstat_cluster_jobs", cluster=name) == totals["jobs"].sum()
    age = value(samples, "webstat_cluster_report_age_seconds", cluster="certainty")
    assert age is not None
    assert abs(age - (time.time() - (clusters["certainty"].taken_at or 0))) < 20
    source.close()


def test_states_failures_and_polls(server: Server) -> None:
    samples = read(text_of(server))
    assert value(samples, "webstat_cluster_state", cluster="newton", state="refused") == 1
    assert value(samples, "webstat_cluster_poll_failures", cluster="biox3") == 6
    assert value(samples, "webstat_cluster_polls_24h", cluster="biox3", outcome="silent") == 6
    for name in ("certainty", "biox3", "newton"):
        assert total(samples, "webstat_cluster_state", cluster=name) == 1
    rounds = value(samples, "webstat_cluster_command_rounds_1h", cluster="certainty")
    assert rounds is not None and 55 <= rounds <= 61
    assert value(samples, "webstat_cluster_command_seconds_1h", cluster="certainty") == pytest.approx(rounds * 0.6)


def test_the_past_of_a_silent_cluster_is_not_told_as_if_it_were_now(server: Server) -> None:
    samples = read(text_of(server))
    for name in ("biox3", "newton", "fresh"):
        assert value(samples, "webstat_cluster_up", cluster=name) == 0
        told = {one for one, labels in samples if ("cluster", name) in labels}
        assert "webstat_cluster_state" in told
        assert not told & {"webstat_cluster_cores", "webstat_cluster_jobs", "webstat_cluster_nodes"}
    assert value(samples, "webstat_cluster_report_age_seconds", cluster="newton") is None, "never seen, so of no age"


def test_nobody_is_named(builder: Builder, server: Server) -> None:
    text = text_of(server)
    with builder.engine.connect() as connection:
        people = select(schema.word.c.text).where(
            schema.word.c.id.in_(select(schema.job.c.user_id).union(select(schema.job.c.group_id)))
        )
        names = {*connection.execute(people).scalars(), *connection.execute(select(schema.job.c.name)).scalars()}
    assert {"alice", "pande", "villin-fold"} <= names
    assert names & set(HOSTILE)
    words = {part for (_, labels) in read(text) for label in labels for part in label}
    assert names & words == set()
    assert [name for name in names if name in text] == []


def test_queues_of_any_name_and_number_are_bounded(each_store: str, tmp_path: Path) -> None:
    many = tuple((f"{number}-{ODD[number % len(ODD)]}", 3600) for number in range(MOST_QUEUES + 60))
    builder = Builder(tmp_path / "many.sqlite")
    builder.add(Shape("one", "One", nodes=40, days=2, queues=many, queued=2000))
    with served(settings_for(builder.url)) as server:
        text = text_of(server)
    samples = read(text)
    queues = {dict(labels)["queue"] for name, labels in samples if name == "webstat_cluster_jobs"}
    assert MOST_QUEUES / 2 < len(queues) <= MOST_QUEUES + 1
    assert "other" in queues
    assert max(map(len, queues)) <= LONGEST_NAME
    source = Source(settings_for(builder.url))
    (cluster,) = source.clusters()
    assert total(samples, "webstat_cluster_jobs") == source.totals(cluster)["jobs"].sum(), "none is lost in the sums"
    assert all(line.startswith(("#", "webstat_", "process_", "python_")) for line in text.splitlines())
    source.close()
    builder.close()


@pytest.mark.parametrize("name", [*ODD, "\ud800", "\x00", "\u202e"])
def test_a_label_can_always_be_written(name: str) -> None:
    assert label(name).encode()
    assert label(name).isprintable()


def test_each_gauge_is_told_with_its_words(server: Server) -> None:
    text = text_of(server)
    missing = [name for name in GAUGES if f"\n# HELP {name} " not in text]
    assert missing in ([], ["webstat_store_disk_free_bytes"]), "a database of PostgreSQL may be on another host"


def test_a_store_that_is_away_leaves_the_rest(on_sqlite: None, tmp_path: Path) -> None:
    file = tmp_path / "late.sqlite"
    with served(settings_for(f"sqlite:///{file}", "one")) as server:
        for content in (None, b"no database at all, and long enough to be looked into" * 50):
            if content:
                file.write_bytes(content)
            samples = read(text_of(server))
            assert value(samples, "webstat_store_up") == 0
            assert [name for name, _ in samples if name.startswith("webstat_cluster")] == []
            assert value(samples, "webstat_viewers") == 0
            assert (value(samples, "process_resident_memory_bytes") or 0) > 1e6


def test_one_cluster_that_cannot_be_counted_hides_no_other(
    builder: Builder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    source = Source(settings_for(builder.url))
    capacity = source.capacity
    broken = pytest.MonkeyPatch()
    broken.setattr(source, "capacity", lambda one: 1 / 0 if one.name == "full" else capacity(one))
    told = {
        sample.labels["cluster"]
        for one in Facts(source).collect()
        if one.name == "webstat_cluster_cores"
        for sample in one.samples
    }
    assert "certainty" in told and "full" not in told
    assert "no facts for metrics cluster=full" in caplog.text
    broken.undo()
    source.close()


def test_promtool_finds_nothing_to_say(server: Server) -> None:
    promtool = find_program("promtool")
    if promtool is None:
        pytest.skip("no promtool found: apt-get install prometheus to have its checks")
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text_of(server), capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
