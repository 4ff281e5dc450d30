"""The text twins: the tables of `agent show`, from the store; what is said above them, and of what is not there."""

from __future__ import annotations

import gzip
import json
import re
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from agent.probe import take_report
from agent.recording import Choice, Replay
from agent.report import Report
from agent.settings import TABLES
from agent.states import JobState
from agent.tables import make_table, render_table, table_to_json
from collector import schema
from collector.store import PollTimes, Store
from tests.agent.samples import SAMPLES
from tests.collector.reports import T0, a_job, a_report
from tests.collector.reports import settings_for as collected
from tests.webstat.recorded import Recorded
from tests.webstat.served import Server, served, settings_for
from tests.webstat.stores import WORLD, Builder
from webstat import twins
from webstat.data.queries.engine import one_moment, open_store
from webstat.data.queries.report import load_report
from webstat.data.readings import readings
from webstat.data.source import Source
from webstat.errors import StoreEmpty

RECORDED = {
    "openpbs": "openpbs-23.06.06/mixed",
    "openpbs-as-user": "openpbs-23.06.06/mixed-as-user",
    "openpbs-empty": "openpbs-23.06.06/empty",
    "torque": "torque-6.1.3.h5/mixed",
    "torque-2.5": "torque-2.5.13/mixed",
    "slurm": "slurm-22.05.8/mixed",
    "slurm-series": "slurm-22.05.8/series/poll-12",
}
ZONE = "Europe/Berlin"


@pytest.fixture(scope="module")
def reports() -> dict[str, Report]:
    return {name: take_report(Replay(SAMPLES / folder, Choice()), name) for name, folder in RECORDED.items()}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, reports: dict[str, Report]) -> str:
    """A store into which the collector has put every recorded report."""
    url = f"sqlite:///{tmp_path_factory.mktemp('twins')}/store.sqlite"
    store = Store(url)
    ids = store.sync_clusters(collected(*reports))
    for name, report in reports.items():
        store.store_report(ids[name], report, PollTimes(report.taken_at, 0.5))
    store.close()
    return url


@pytest.fixture(scope="module")
def server(url: str, reports: dict[str, Report]) -> Iterator[Server]:
    with served(settings_for(url, *reports, timezone=ZONE)) as server:
        yield server


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    builder = Builder(tmp_path_factory.mktemp("world") / "store.sqlite")
    for shape in WORLD:
        builder.add(shape)
    with served(settings_for(builder.url, *(shape.name for shape in WORLD))) as server:
        yield server
    builder.close()


@pytest.fixture(scope="module")
def told(url: str, reports: dict[str, Report]) -> Iterator[dict[str, Report]]:
    """The reports with what is read from the state where their schedulers say nothing."""
    source = Source(settings_for(url, *reports))
    yield {one.name: twins.with_readings(reports[one.name], readings(source, one)) for one in source.clusters()}
    source.close()


def get(server: Server, path: str, **headers: str) -> tuple[int, Message, str]:
    request = urllib.request.Request(server.url + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            body = answer.read()
            text = gzip.decompress(body) if answer.headers["Content-Encoding"] == "gzip" else body
            return answer.status, answer.headers, text.decode()
    except HTTPError as error:
        with error:
            return error.code, error.headers, error.read().decode()


def data(server: Server, path: str) -> Any:
    status, _, text = get(server, path)
    assert status == 200
    return json.loads(text)


def test_the_tables_are_those_of_the_agent() -> None:
    assert twins.TABLES == TABLES


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("name", RECORDED)
def test_rows_are_those_of_show_for_the_same_report(
    server: Server, told: dict[str, Report], name: str, table: str
) -> None:
    expected = table_to_json(make_table(table, told[name]), told[name])
    answer = data(server, f"/cluster/{name}.json?table={table}")
    assert answer["tables"] == {table: expected["rows"]}
    assert answer["taken_at"] == expected["taken_at"]
    assert answer["cluster"] == name


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("name", RECORDED)
def test_text_is_that_of_show_with_the_times_in_the_sites_zone(
    server: Server, told: dict[str, Report], name: str, table: str
) -> None:
    expected = render_table(twins.table_in(table, told[name], ZoneInfo(ZONE))).splitlines()
    _, headers, text = get(server, f"/cluster/{name}.txt?table={table}")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    head, _, body = text.partition("\n\n")
    assert head.splitlines()[1].startswith(f"Times in the tables are {ZONE} (UTC+")
    # The store keeps a job's hosts, not their order.
    end = expected[0].find("HOSTS") if "HOSTS" in expected[0] else None
    assert [line[:end] for line in body.splitlines()] == [line[:end] for line in expected]


def test_times_are_those_of_the_zone(reports: dict[str, Report]) -> None:
    report = reports["openpbs"]
    started = next(job for job in report.jobs if job.started_at and job.state is JobState.RUNNING)
    rows = {
        zone: next(
            line for line in render_table(twins.table_in("running", report, ZoneInfo(zone))).splitlines()
            if line.startswith(started.id)
        )
        for zone in ("UTC", "Asia/Kolkata")
    }  # fmt: skip
    for zone, row in rows.items():
        assert f"{datetime.fromtimestamp(started.started_at or 0, ZoneInfo(zone)):%Y-%m-%d %H:%M}" in row
    assert rows["UTC"] != rows["Asia/Kolkata"]


def test_the_report_is_the_one_that_was_stored(url: str, reports: dict[str, Report]) -> None:
    engine = open_store(url)
    for ident, (name, report) in enumerate(reports.items(), 1):
        stored = load_report(engine, ident)
        assert stored is not None
        living = [job for job in report.jobs if job.state is not JobState.FINISHED]
        assert stored.jobs == living, name
        assert stored.nodes == report.nodes, name
        assert stored.warnings == report.warnings
        assert (stored.scheduler, stored.taken_at, stored.partial) == (
            report.scheduler,
            report.taken_at,
            report.partial,
        )
    assert load_report(engine, 99) is None
    engine.dispose()


def test_a_report_that_comes_in_between_is_not_half_read(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.sqlite"
    engine = open_store(url)
    with pytest.raises(StoreEmpty):
        load_report(engine, 1)
    store = Store(url)
    store.sync_clusters(collected("c"))
    store.store_report(1, a_report(T0, [a_job(1)]), PollTimes(T0, 0.5))
    with one_moment(engine) as connection:
        before = connection.execute(select(schema.cluster.c.report)).scalar_one()
        store.store_report(1, a_report(T0 + 60, [a_job(1), a_job(2)]), PollTimes(T0 + 60, 0.5))
        assert connection.execute(select(func.count()).select_from(schema.job)).scalar_one() == 1
        assert connection.execute(select(schema.cluster.c.report)).scalar_one() == before
    with one_moment(engine) as connection:
        assert connection.execute(select(func.count()).select_from(schema.job)).scalar_one() == 2
    engine.dispose()
    store.close()


def test_all_tables_come_under_one_head(server: Server, reports: dict[str, Report]) -> None:
    _, _, text = get(server, "/cluster/openpbs.txt")
    head, *tables = re.split(r"\n\n(?=[A-Z]+\n)", text)
    assert [table.split("\n", 1)[0] for table in tables] == [name.upper() for name in TABLES]
    report = reports["openpbs"]
    at = f"{datetime.fromtimestamp(report.taken_at, UTC):%a %d %b %Y %H:%M:%S} UTC"
    first, *rest = head.splitlines()
    assert first.startswith("openpbs (OpenPBS 23.06.06): SILENT, last seen ")
    assert first.endswith(f"this is its state of {at}")
    assert rest[0].startswith("Not asked. The last report is from ")
    used = sum(job.cores for job in report.jobs if job.state in (JobState.RUNNING, JobState.EXITING))
    assert re.match(
        rf"{used:,} of [\d,]+ cores were in use, [\d,]+ free; 1 of 28 GPUs free; \d+ jobs running, \d+ queued, ",
        rest[1],
    )
    assert rest[3:] == [f"warning: {one.source}: {one.message}" for one in report.warnings]
    assert len(report.warnings) > 0
    answer = data(server, "/cluster/openpbs.json")
    assert list(answer["tables"]) == list(TABLES)
    assert answer["totals"]["cores_in_use"] == used
    assert answer["state"] == "silent"
    assert answer["says"].startswith("Not asked.")


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("certainty", r"certainty \(OpenPBS 23\.06\.06\): live, data \d+ s old, of \w{3} .* UTC$", None),
        ("biox3", r"biox3 \(Slurm 22\.05\.8\): SILENT, last seen 1\d min ago; this is its state of .* UTC$",
         r"Does not answer \(timeout\)\. Below is its state at \w{3} .* UTC\. Next try in \d+ s\.$"),
        ("late", r"latecomer \[late\] \(OpenPBS 23\.06\.06\): late, data 3 min old, of ", r"Late\. The last poll failed: "),
        ("partial", r"partial \(TORQUE 2\.5\.13\): partial, data ", r"Jobs and queues are current, nodes are incomplete\."),
        ("newton", r"newton: REFUSED, never seen$", r"Its agent refuses our key\."),
        ("fresh", r"fresh: no report yet$", r"No report yet\. The collector asks every 1 min"),
        ("hostile", r"<b>hostile</b> & co \[hostile\] \(OpenPBS", None),
    ],
)  # fmt: skip
def test_the_first_line_says_how_old_it_is(world: Server, name: str, first: str, second: str | None) -> None:
    lines = get(world, f"/cluster/{name}.txt")[2].splitlines()
    assert re.match(first, lines[0]), lines[0]
    if second:
        assert re.match(second, lines[1]), lines[1]
    one = get(world, f"/cluster/{name}.txt?table=running")[2].splitlines()
    assert re.match(first, one[0]), one[0]
    assert "\u00a0" not in "".join(lines)


def test_a_cluster_without_a_report_has_no_tables(world: Server) -> None:
    answer = data(world, "/cluster/newton.json")
    assert answer["tables"] == {}
    assert (answer["state"], answer["taken_at"], answer["age_seconds"]) == ("refused", None, None)
    assert len(get(world, "/cluster/fresh.txt")[2].splitlines()) == 2


def test_names_cannot_act_in_a_terminal(tmp_path: Path) -> None:
    hostile = "a\x1b[31mred\r\n\u202etxt"
    url = f"sqlite:///{tmp_path}/store.sqlite"
    store = Store(url)
    store.sync_clusters(collected("c"))
    jobs = [a_job(1, user=hostile, name=hostile, comment=hostile), a_job(2)]
    store.store_report(1, a_report(T0, jobs), PollTimes(T0, 0.5))
    store.close()
    with served(settings_for(url, "c")) as server:
        text = get(server, "/cluster/c.txt")[2]
        assert "a\ufffd[31mred\ufffd\ufffd\ufffdtxt" in text
        assert not set(text) & {"\x1b", "\r", "\u202e"}
        assert data(server, "/cluster/c.json?table=queued")["tables"]["queued"][0]["user"] == hostile
        status, _, said = get(server, "/cluster/" + quote("\x1b[31m\u202e") + ".txt")
        assert (status, said) == (404, "No cluster is named “\ufffd[31m\ufffd”. There are: c.\n")


def test_width_cuts_the_last_column(server: Server) -> None:
    wide = get(server, "/cluster/openpbs.txt?table=queued")[2].splitlines()[3:]
    narrow = get(server, "/cluster/openpbs.txt?table=queued&width=120")[2].splitlines()[3:]
    assert max(map(len, wide)) > 120
    assert max(map(len, narrow)) == 120
    assert len(wide) == len(narrow)


@pytest.mark.parametrize("width", ["", "wide", "-1", "12", "1001", "99999999999999999", "1e3", "٨٠"])
def test_a_width_that_is_none_is_refused_in_words(server: Server, width: str) -> None:
    for path in ("/cluster/openpbs.txt", "/clusters.txt"):
        status, _, said = get(server, f"{path}?width={quote(width)}")
        assert status == 400
        assert said == "width is a number of columns from 40 to 1000, e.g. width=120.\n"


def test_what_is_unknown_is_said_with_what_there_is(server: Server) -> None:
    status, headers, said = get(server, "/cluster/opnepbs.txt")
    assert (status, headers["Content-Type"]) == (404, "text/plain; charset=utf-8")
    assert said == f"No cluster is named “opnepbs”. There are: {', '.join(RECORDED)}.\n"
    status, _, said = get(server, "/cluster/openpbs.txt?table=runing")
    assert (status, said) == (400, f"No table is named “runing”. There are: {', '.join(TABLES)}.\n")
    status, headers, said = get(server, "/cluster/opnepbs.json")
    assert (status, headers["Content-Type"]) == (404, "application/json")
    assert json.loads(said)["error"].startswith("No cluster is named “opnepbs”.")


def test_all_clusters_in_lines(world: Server) -> None:
    lines = get(world, "/clusters.txt")[2].splitlines()
    assert lines[0].split("  ")[0] == "CLUSTER"
    rows = {line.split()[0]: line for line in lines[2:]}
    assert [name for name in rows if name in {shape.name for shape in WORLD}] == [shape.name for shape in WORLD]
    answer = {one["cluster"]: one for one in data(world, "/clusters.json")["clusters"]}
    known = answer["certainty"]
    assert rows["certainty"].split()[1:8] == ["live", *(
        str(known[key]) for key in
        ("cores_free", "cores_in_use", "cores_installed", "jobs_running", "jobs_queued", "jobs_held")
    )]  # fmt: skip
    assert known["cores_free"] > 0
    assert rows["biox3"].split()[1] == "silent"
    assert re.search(r" 1\d min  Slurm 22\.05\.8$", rows["biox3"])
    assert re.fullmatch(r"newton +refused( +-){8}", rows["newton"])
    assert lines[-1].startswith("Without biox3, newton and fresh: ")
    assert "cores_free" not in answer["fresh"]


def test_where_a_job_could_run_follows_where_one_is_asked_for(world: Server) -> None:
    text = get(world, "/clusters.txt?cores=4&walltime=2:00")[2]
    assert text.startswith("CLUSTER")
    told = text.split("Where a job of 4 cores, 2 h could run now:\n")[1]
    assert re.search(r"^idle +\S+ +Starts now +\S* *8 nodes have room for it\..* qsub -q ", told, re.MULTILINE)
    silent = r"^biox3 .* Later +not foretold \(its cluster does not answer\) +From its state 1\d min ago\."
    assert re.search(silent, told, re.MULTILINE)
    assert "walltime cannot be read: hours:minutes, e.g. 12:00" in get(world, "/clusters.txt?cores=4&walltime=soon")[2]


def test_an_old_answer_is_never_kept_and_large_ones_are_compressed(server: Server) -> None:
    _, headers, text = get(server, "/cluster/openpbs.txt", **{"Accept-Encoding": "gzip"})
    assert headers["Content-Encoding"] == "gzip"
    assert headers["Cache-Control"] == "no-store"
    assert text.startswith("openpbs (")


def test_a_new_report_is_told_at_once(tmp_path: Path, reports: dict[str, Report]) -> None:
    url = f"sqlite:///{tmp_path}/store.sqlite"
    store = Store(url)
    store.sync_clusters(collected("c"))
    report = reports["torque"]
    store.store_report(1, report, PollTimes(report.taken_at, 0.5))
    with served(settings_for(url, "c")) as server:
        before = data(server, "/cluster/c.json?table=user")["tables"]["user"]
        later = replace(report, taken_at=report.taken_at + 60, jobs=[])
        store.store_report(1, later, PollTimes(later.taken_at, 0.5))
        after = data(server, "/cluster/c.json")
        assert before
        assert after["taken_at"] == later.taken_at
        assert after["tables"]["user"] == []
        assert "(none)" in get(server, "/cluster/c.txt?table=user")[2]
    store.close()


def test_a_store_without_tables_has_no_clusters_to_tell_of(tmp_path: Path) -> None:
    with served(settings_for(f"sqlite:///{tmp_path}/none.sqlite")) as server:
        assert get(server, "/clusters.txt")[2].splitlines()[-1] == "No cluster answers now."
        status, _, said = get(server, "/cluster/c.txt")
        assert (status, said) == (404, "No cluster is named “c”. There are none yet.\n")


def test_a_store_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    path.write_bytes(b"no database at all, and long enough to be looked into" * 50)
    with served(settings_for(f"sqlite:///{path}", "c")) as server:
        for address in ("/clusters.txt", "/cluster/c.txt"):
            status, headers, said = get(server, address)
            assert (status, said) == (503, "The store could not be read: file is not a database.\n")
            assert headers["Content-Type"] == "text/plain; charset=utf-8"
        for address in ("/clusters.json", "/cluster/c.json", "/data/find?q=a"):
            status, _, said = get(server, address)
            assert (status, json.loads(said)["error"]) == (503, "The store could not be read: file is not a database.")


def test_what_would_be_free_later_is_said_above_the_tables(recorded: Recorded) -> None:
    with served(recorded.settings()) as server:
        for at, words in (("", "free now"), (f"?at={int(recorded.now) - 3}", "free then")):
            with urllib.request.urlopen(f"{server.url}/cluster/mixed.txt{at}", timeout=20) as found:
                text = found.read().decode()
            assert re.search(rf"cores (are|were) {words}; by .* UTC at least [\d,]+", text)
            assert "before anything that waits starts." in text
