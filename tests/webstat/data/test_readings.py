"""What is read from the state where a scheduler says nothing: the same for everybody, and on every page that tells it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from agent.report import Job, Node, Queue, Report, Scheduler
from agent.states import JobState, NodeState
from agent.tables import make_table
from collector import schema
from collector.database import open_engine
from collector.store import PollTimes, Store
from tests.collector.reports import a_job, a_report, settings_for
from tests.databases import store_at
from tests.webstat.recorded import record
from tests.webstat.test_pages import Site, said
from webstat import twins
from webstat.data import frames, jobs
from webstat.data.queries.report import load_report
from webstat.data.queries.waiting import load_shares, load_waiting, load_waiting_counted
from webstat.data.readings import readings
from webstat.data.source import Source
from webstat.data.waiting import kinds_of, reasons_frame, unknown_texts
from webstat.health import Cluster
from webstat.metrics.facts import Facts
from webstat.privacy import Level, Veil
from webstat.reasons import NO_HELP, READING

NOW = int(time.time())
GB = 1 << 30
QUEUES = [
    Queue("batch", "execution", True, True, limits={"max_run": "[u:PBS_GENERIC=2], [u:carol=3]"}),
    Queue("long", "execution", True, True, max_walltime_seconds=3600),
    Queue("debug", "execution", True, False),
    Queue("route", "routing", True, True),
]
NODES = [
    Node("n1", NodeState.PARTIAL, "free", cores=24, cores_used=20, memory_bytes=96 * GB, memory_used_bytes=8 * GB),
    Node("n2", NodeState.PARTIAL, "free", cores=24, cores_used=16, memory_bytes=96 * GB, memory_used_bytes=80 * GB),
    Node("n3", NodeState.OFFLINE, "offline", cores=24, cores_used=0, memory_bytes=96 * GB),
]


def queued(number: int, user: str, queue: str = "batch", **asked: object) -> Job:
    return a_job(number, user=user, queue=queue, submitted_at=NOW - 1000 + number, **asked)


def running(number: int, user: str, cores: int = 12) -> Job:
    hosts = {"n1": cores}
    return a_job(number, JobState.RUNNING, user=user, cores=cores, started_at=NOW - 900, hosts=hosts)


JOBS = [
    running(1, "bob"), running(2, "bob"), running(3, "carol"), running(4, "carol"),
    queued(11, "bob"),  # at its limit of 2
    queued(12, "carol"),  # her own limit is 3: two jobs are ahead, room is there
    queued(13, "dave", cores=24),  # at most 8 are free on a node
    queued(14, "dave", cores=8, memory_bytes=64 * GB),  # only n2 has 8 cores, and 16 GB
    queued(21, "alice", "long", walltime_seconds=7200),
    queued(22, "alice", "long", cores=96),
    queued(23, "alice", "long", cores=30, nodes=2),
    queued(24, "alice", "long"),
    queued(31, "alice", "debug"),
    queued(32, "alice", "route"),
    queued(41, "erin", comment="Not Running: frankie must go first"),
    queued(42, "erin", comment="Not Running: Not enough free nodes available"),
    a_job(43, JobState.HELD, user="erin", hold="u"),
]  # fmt: skip
READ = {
    "11.pbs01": "user_limit", "12.pbs01": "order", "13.pbs01": "full", "14.pbs01": "memory", "21.pbs01": "never",
    "22.pbs01": "never", "23.pbs01": "full", "24.pbs01": "order",
}  # fmt: skip
PEOPLE = {"alice", "bob", "carol", "dave", "erin", "frankie"}
VEILS = (None, *(Veil(level, me="bob", salt=b"salt") for level in (Level.PSEUDONYMS, Level.OWN, Level.TOTALS)))


def write(url: str, report: Report) -> None:
    store = Store(url)
    ids = store.sync_clusters(settings_for("c"))
    store.store_report(ids["c"], report, PollTimes(NOW - 6, 0.4, NOW + 600, period=600))
    store.close()


@pytest.fixture(scope="module")
def url(each_store: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    url = store_at(tmp_path_factory.mktemp("readings") / "store.sqlite")
    write(url, a_report(NOW - 5, JOBS, nodes=NODES, queues=QUEUES))
    return url


def open_source(url: str, veil: Veil | None = None) -> Source:
    settings = settings_for("c")
    return Source(settings.model_copy(update={"store": settings.store.model_copy(update={"url": url})}), veil=veil)


@pytest.fixture(scope="module", params=VEILS, ids=lambda veil: "full" if veil is None else str(veil.level))
def source(url: str, request: pytest.FixtureRequest) -> Iterator[Source]:
    source = open_source(url, request.param)
    yield source
    source.close()


def only(source: Source) -> Cluster:
    (cluster,) = source.clusters()
    return cluster


def test_everybody_has_the_same_readings_and_nobody_is_named(source: Source) -> None:
    cluster = only(source)
    read = readings(source, cluster)
    assert {ident: told.kind for ident, told in read.told.items()} == READ
    assert (read.ahead["11.pbs01"], read.ahead["12.pbs01"], read.ahead["24.pbs01"]) == (0, 1, 3)
    words = " ".join(f"{told.words} {told.helps}" for told in read.told.values())
    assert not any(name in words for name in PEOPLE)
    shares = source.ask(load_shares, cluster.id)
    most = Counter(shares.loc[shares["queue"] == "batch", "most_jobs"])
    assert most == {2.0: 3, 3.0: 1}  # bob, dave and erin; carol by name
    assert shares.select_dtypes("str")["queue"].nunique() == 4 and len(shares.columns) == 10


def test_counts_by_reason_are_the_same_and_the_jobs_table_agrees(source: Source) -> None:
    cluster = only(source)
    read = readings(source, cluster).told
    states = frames.queue_states(source.queues(cluster))
    counted = reasons_frame(source.ask(load_waiting_counted, cluster.id), states, read).set_index("kind")
    assert counted["jobs"].to_dict() == {
        "full": 3, "order": 2, "never": 2, "memory": 1, "user_limit": 1, "queue_stopped": 1, "other": 1, "unsaid": 1,
        "held": 1,
    }  # fmt: skip
    assert counted["derived"].to_dict() == {
        **dict.fromkeys(counted.index, 0), **Counter(READ.values()), "queue_stopped": 1,
    }  # fmt: skip
    table = jobs.current(source, source.clusters(), float(NOW)).set_index("id")
    listed = set(source.ask(load_waiting, cluster.id)["id"])
    assert listed <= set(table.index)
    for ident in listed & READ.keys():
        assert table["why"][ident].startswith("Derived: ")
    if source.veil is None:
        assert table["why"]["11.pbs01"] == "Derived: bob is at the limit of 2 running jobs in batch."
        assert table["why"]["12.pbs01"] == "Derived: 1 job is ahead of it in batch."
        assert table["why"]["41.pbs01"] == "“Not Running: frankie must go first”."
        assert table["why"]["32.pbs01"].startswith("The scheduler gives no reason.")


def test_the_text_twin_says_it_of_the_jobs_that_it_lists(source: Source) -> None:
    cluster = only(source)
    report = source.ask(load_report, cluster.id)
    assert report is not None
    table = make_table("queued", twins.with_readings(report, readings(source, cluster)))
    told = {row[0]: row[-1] for row in table.rows}
    assert {
        ident for ident, words in told.items() if (words or "").startswith("Derived: ")
    } == told.keys() & READ.keys()
    if "11.pbs01" in told:
        assert told["11.pbs01"] == "Derived: bob is at the limit of 2 running jobs in batch."


def test_pages_mark_it_and_health_counts_texts_that_nobody_knows(source: Source) -> None:
    cluster = only(source)
    site = Site(source)
    card = said(site.page("/cluster/c", now=float(NOW))).replace("\u00a0", " ")
    assert "Of 9 of these jobs the scheduler says nothing; their reason is webstat’s own reading of the state." in card
    texts = unknown_texts(source.read(load_waiting_counted, cluster.id, stamp=cluster.report))
    assert texts.to_dict() == {"Not Running: frankie must go first": 1}
    health = said(site.page("/health", now=float(NOW)))
    assert "1 waiting job with a text that webstat does not know" in health
    assert ("frankie" in health) == (source.veil is None)
    if source.veil is not None:  # /metrics is made without one
        return
    (family,) = (one for one in Facts(source).collect() if one.name == "webstat_cluster_jobs_unknown_reason")
    assert [(sample.labels, sample.value) for sample in family.samples] == [({"cluster": "c"}, 1)]


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ("11.pbs01", "bob is at the limit of 2 running jobs in batch."),
        ("13.pbs01", "Needs 24 cores; 12 are free."),
        ("14.pbs01", "Needs 64 GB of memory on a node; there is room for none."),
        ("21.pbs01", "Cannot run: asks for 2 h, the queue long allows 1 h."),
        ("31.pbs01", "The queue debug is stopped."),
    ],
)
def test_the_page_of_a_job_has_a_sentence_an_action_and_a_mark(url: str, job: str, words: str) -> None:
    source = open_source(url)
    page = said(Site(source).page(f"/job/c/{job}", now=float(NOW))).replace("\u00a0", " ")
    assert words in page and "This is webstat’s own reading of the state; the scheduler says nothing." in page
    assert "What would help?" in page and "In the scheduler’s words" not in page
    source.close()


def test_where_nothing_would_help_the_page_says_so(url: str) -> None:
    source = open_source(url)
    page = said(Site(source).page("/job/c/32.pbs01", now=float(NOW)))
    assert "The scheduler gives no reason. It is next in route." in page and NO_HELP in page
    assert READING not in page
    source.close()


def test_what_nothing_is_known_of_is_not_read_from(tmp_path: Path) -> None:
    """Nodes that were not read this time, and queues of OpenPBS's reservations, which Slurm has not."""
    big = [queued(1, "bob", cores=960), queued(2, "bob", "R17", cores=960)]
    for name, scheduler, partial, kinds in (
        ("partial", "openpbs", True, {}),
        ("whole", "openpbs", False, {"1.pbs01": "never"}),
        ("slurm", "slurm", False, {"1.pbs01": "never", "2.pbs01": "never"}),
    ):
        queues = [Queue("batch", "execution", True, True), Queue("R17", "execution", True, True)]
        report = a_report(NOW - 5, big, nodes=NODES, queues=queues, scheduler=Scheduler(scheduler, "1", "s"))
        url = f"sqlite:///{tmp_path}/{name}.sqlite"
        write(url, report)
        source = open_source(url)
        cluster = only(source)
        if partial:
            cluster = Cluster(**{**vars(cluster), "partial": ("nodes",)})
        assert {ident: told.kind for ident, told in readings(source, cluster).told.items()} == kinds
        source.close()


def test_a_past_moment_has_no_readings(url: str) -> None:
    source = open_source(url)
    there = source.at(NOW - 3, float(NOW))
    assert readings(there, only(there)).told == {}
    source.close()


def test_readings_agree_with_what_recorded_schedulers_said(tmp_path: Path) -> None:
    """Of jobs that lack room or could never run, by the scheduler's own words, which are then taken away."""
    recorded = record(tmp_path / "store.sqlite", "series", "mixed", "torque", "old")
    said_so: dict[tuple[str, str], str] = {}
    source = Source(recorded.settings())
    for cluster in source.clusters():
        waits = source.ask(load_waiting_counted, cluster.id)
        waits = waits[waits["state"] == "queued"]
        kinds = kinds_of(waits, frames.queue_states(source.queues(cluster)))
        said_so |= {(cluster.name, ident): kind for ident, kind in zip(waits["id"], kinds, strict=True)}
    source.close()
    engine = open_engine(recorded.url)
    with engine.begin() as connection:
        connection.execute(update(schema.job_live).values(comment=None))
    engine.dispose()
    source = Source(recorded.settings())
    read = {
        (cluster.name, ident): told.kind
        for cluster in source.clusters()
        for ident, told in readings(source, cluster).told.items()
    }
    source.close()
    room = {"full", "gpu", "memory", "never"}
    judged = {key: kind for key, kind in said_so.items() if kind in room}
    same = [key for key, kind in judged.items() if read.get(key) == kind]
    alike = [key for key in judged if read.get(key) in room | {"user_limit"}]
    assert len(judged) > 100
    assert len(same) >= 0.9 * len(judged) and len(alike) >= 0.95 * len(judged)
