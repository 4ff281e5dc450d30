"""GET /data/jobs and /jobs.csv, from the recorded large clusters and from names that try to act."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode

import numpy as np
import pytest
from starlette.datastructures import QueryParams

from agent.probe import take_report
from agent.recording import Choice, Replay
from agent.report import Job, Report
from agent.states import JobState
from collector.store import PollTimes, Store
from tests.agent.samples import SAMPLES
from tests.collector.reports import a_job, a_report
from tests.collector.reports import settings_for as collected
from tests.webstat.served import Server, served, settings_for
from tests.webstat.stores import HOSTILE
from webstat.answers.starts import NAMES
from webstat.api import jobs as api
from webstat.data import jobs
from webstat.data.jobrows import SORTS
from webstat.data.jobtable import SHOWN
from webstat.data.source import Source

RECORDED = {
    "openpbs": "openpbs-23.06.06/large-wide",
    "torque": "torque-6.1.3.h5/mixed",
    "slurm": "slurm-22.05.8/mixed",
}
OTHERS = ("bad", "old", "unseen")
FORMULAS = ("=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\tx", "\rx", "＝1", "-5", "+7.25", "a=b", "")


@pytest.fixture(scope="module")
def reports() -> dict[str, Report]:
    return {name: take_report(Replay(SAMPLES / folder, Choice()), name) for name, folder in RECORDED.items()}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, reports: dict[str, Report]) -> str:
    """A store of the recorded clusters, one whose names try to act, an old one, and one that nobody has seen."""
    url = f"sqlite:///{tmp_path_factory.mktemp('jobs')}/store.sqlite"
    store = Store(url)
    ids = store.sync_clusters(collected(*reports, *OTHERS))
    for name, report in reports.items():
        store.store_report(ids[name], report, PollTimes(report.taken_at, 0.5))
    now = time.time()
    store.store_report(ids["bad"], a_report(now, [*bad_jobs(now), *ended_jobs(now)]), PollTimes(now, 0.5))
    store.store_report(ids["old"], a_report(now - 3 * 86_400, [a_job(1)]), PollTimes(now - 3 * 86_400, 0.5))
    store.close()
    return url


def bad_jobs(now: float) -> list[Job]:
    names = (*HOSTILE, *FORMULAS)
    return [
        a_job(
            n, name=name, user=name or "nobody", account=name or None, comment=name or None, submitted_at=int(now) - 60
        )
        for n, name in enumerate(names)
    ]


def ended_jobs(now: float) -> list[Job]:
    over = {"state": JobState.FINISHED, "submitted_at": int(now) - 60, "ended_at": int(now) - 5, "user": "ender"}
    return [a_job(900 + n, exit_status=status, **over) for n, status in enumerate((0, 137, -11, None))]


@pytest.fixture(scope="module")
def server(url: str) -> Iterator[Server]:
    with served(settings_for(url, *RECORDED, *OTHERS)) as server:
        yield server


def get(server: Server, path: str, **headers: str) -> tuple[int, Message, bytes]:
    request = urllib.request.Request(server.url + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers, answer.read()
    except HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def data(server: Server, **words: Any) -> dict[str, Any]:
    status, headers, body = get(server, f"/data/jobs?{urlencode(words)}")
    assert status == 200
    assert headers["Content-Type"] == "application/json"
    return json.loads(body)


def rows(answer: dict[str, Any]) -> list[dict[str, Any]]:
    columns = answer["columns"]
    assert list(columns) == [*SHOWN, *NAMES]
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def test_without_words_it_is_the_first_hundred_rows_of_all_that_live(
    server: Server, reports: dict[str, Report]
) -> None:
    answer = data(server)
    living = sum(job.state is not JobState.FINISHED for report in reports.values() for job in report.jobs)
    assert answer["jobs"] == answer["total"] == living + len(bad_jobs(0)) + 1
    assert len(rows(answer)) == 100
    assert answer["jobs"] == answer["rows"] - answer["arrays"] + answer["tasks"]
    assert answer["arrays"] > 80
    assert answer["near"] is None
    told = {cluster["name"]: cluster for cluster in answer["clusters"]}
    assert list(told) == [*RECORDED, *OTHERS]
    assert told["openpbs"]["taken_at"] == reports["openpbs"].taken_at
    assert {name: told[name]["stale"] for name in OTHERS} == {"bad": False, "old": True, "unseen": True}
    assert told["unseen"]["taken_at"] is None


def test_sums_and_counts_are_of_all_that_matches(server: Server, reports: dict[str, Report]) -> None:
    mine = [job for job in reports["openpbs"].jobs if job.user == "alice" and job.state is JobState.QUEUED]
    answer = data(server, user="alice", state="queued", cluster="openpbs")
    assert answer["jobs"] == len(mine)
    assert answer["sums"] == {"cores": sum(job.cores for job in mine), "gpus": sum(job.gpus for job in mine)}
    assert answer["facets"]["state"]["queued"] == len(mine)
    queues = {name: sum(job.queue == name for job in mine) for name in {job.queue for job in mine}}
    assert {name: jobs for name, jobs in answer["facets"]["queue"] if jobs} == queues


def test_windows_follow_each_other(server: Server) -> None:
    words = {"sort": "-cores", "cluster": "openpbs"}
    whole = rows(data(server, **words, rows=300))
    parts = [row for start in (0, 100, 200) for row in rows(data(server, **words, start=start))]
    assert parts == whole
    assert [row["cores"] for row in whole] == sorted((row["cores"] for row in whole), reverse=True)
    beyond = data(server, **words, start=10**6)
    assert rows(beyond) == [] and beyond["rows"] > 300 and beyond["start"] == 10**6


def test_an_unfolded_array_is_followed_by_its_tasks(server: Server, reports: dict[str, Report]) -> None:
    array = reports["openpbs"].arrays[0]
    tasks = [job for job in reports["openpbs"].jobs if job.array_id == array.id]
    key = f"openpbs/{array.id}"
    folded = rows(data(server, q=array.id.partition("[")[0], cluster="openpbs"))
    assert [row["key"] for row in folded if row["kind"] == "array"] == [key]
    assert folded[0]["tasks_total"] == array.total == len(tasks)
    found = rows(data(server, q=array.id.partition("[")[0], cluster="openpbs", open=quote(key, safe="")))
    assert found[0] == folded[0]
    assert {row["id"] for row in found[1:]} == {job.id for job in tasks}
    assert {row["kind"] for row in found[1:]} == {"task"}


def test_names_with_commas_and_signs_can_be_asked_for(server: Server) -> None:
    for name in (*HOSTILE, *FORMULAS[:-1]):
        for facet in ("user", "account"):
            answer = data(server, **{facet: quote(name, safe=""), "cluster": "bad"})
            assert [row["name"] for row in rows(answer)] == [name], (facet, name)
    both = ",".join(quote(name, safe="") for name in HOSTILE[:2])
    assert data(server, user=both, cluster="bad")["jobs"] == 2
    assert [row["user"] for row in rows(data(server, account="–", cluster="bad"))] == ["nobody"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_words_find_what_they_name(server: Server, name: str) -> None:
    answer = data(server, q=name[:200].upper() if name.isascii() else name, cluster="bad")
    assert name in [row["name"] for row in rows(answer)]


def test_the_nearest_name_is_offered(server: Server) -> None:
    answer = data(server, q="alcie")
    assert answer["jobs"] == 0 and rows(answer) == []
    assert answer["near"]["kind"] == "user" and answer["near"]["name"] == "alice"
    assert answer["near"]["jobs"] == data(server, user="alice")["jobs"]


@pytest.mark.parametrize("sort", SORTS)
def test_every_column_can_be_sorted_by(server: Server, sort: str) -> None:
    for sign in ("", "-"):
        assert len(rows(data(server, sort=sign + sort))) == 100


REFUSED = {
    "rows=abc": "rows is a whole number from 1 to 500, not “abc”.",
    "rows=0": "rows is a whole number from 1 to 500, not “0”.",
    "rows=501": "rows is a whole number from 1 to 500, not “501”.",
    "rows=１０": "rows is a whole number",
    "rows=" + "9" * 5000: "rows is a whole number",
    "start=-1": "start is a whole number from 0 to 1,000,000,000, not “-1”.",
    "sort=nonsense": "sort is among key, id,",
    "sort=--id": "not “-id”.",
    "state=running,asleep": "state is among running, queued, held, suspended, finished, failed, unknown, not “asleep”.",
    "columns=id,password": "not “password”.",
    "q=" + "x" * 201: "q has at most 200 characters, not 201.",
    "user=" + "a,a," * 300: "user has at most 500 names, not 600.",
    "open=" + "a," * 501: "open has at most 500 names, not 501.",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_be_answered_is_refused_in_words(server: Server, words: str) -> None:
    status, headers, body = get(server, "/data/jobs?" + quote(words, safe="=&,"))
    assert status == 400
    assert headers["Content-Type"] == "application/json"
    assert REFUSED[words] in json.loads(body)["error"]
    status, headers, body = get(server, "/jobs.csv?" + quote(words, safe="=&,"))
    assert status == 400
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert REFUSED[words] in body.decode()


@pytest.mark.parametrize(
    "words", ["q=%00", "q=%FF%FE", "user=%25zz", "open=x", "cluster=nowhere", "q=" + "a%20" * 99, "q="]
)
def test_odd_words_are_answered(server: Server, words: str) -> None:
    assert get(server, f"/data/jobs?{words}")[0] == 200


def test_an_answer_is_small_and_sent_once(server: Server) -> None:
    status, headers, body = get(server, "/data/jobs?cluster=openpbs", **{"Accept-Encoding": "gzip"})
    assert status == 200 and headers["Content-Encoding"] == "gzip"
    assert len(body) < 20_000
    assert json.loads(gzip.decompress(body))["jobs"] > 10_000
    assert get(server, "/data/jobs?cluster=openpbs", **{"If-None-Match": headers["ETag"]})[0] == 304


def test_an_answer_rests_on_reports_and_on_the_hour_alone(url: str) -> None:
    source = Source(settings_for(url, "old"))
    clusters = source.clusters()
    now = time.time() // 3600 * 3600 + 3000
    asked = api.asked_of(QueryParams("state=running,queued,finished,failed"))
    first, later = (api._body(source, clusters, asked, at) for at in (now, now + 500))
    assert first == later
    source.close()


def test_a_new_report_is_another_answer(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/store.sqlite")
    ids = store.sync_clusters(collected("c", "d"))
    now = time.time()
    for name in ids:
        store.store_report(ids[name], a_report(now - 90, [a_job(1)]), PollTimes(now - 90, 0.5))
    with served(settings_for(f"sqlite:///{tmp_path}/store.sqlite", "c", "d")) as server:
        before = data(server)
        store.store_report(ids["d"], a_report(now - 30, [a_job(1), a_job(2)]), PollTimes(now - 30, 0.5))
        after = data(server)
        assert (before["jobs"], after["jobs"]) == (2, 3)
        assert before["stamp"] != after["stamp"]
    store.close()


def test_a_store_that_cannot_be_read_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "bad.sqlite").write_bytes(b"this is no database, though long enough to be looked at" * 40)
    with served(settings_for(f"sqlite:///{tmp_path}/bad.sqlite", "c")) as server:
        for path in ("/data/jobs", "/jobs.csv"):
            status, _, body = get(server, path)
            assert status == 503 and "The store cannot be read" in body.decode()
    with served(settings_for(f"sqlite:///{tmp_path}/none.sqlite", "c")) as server:
        assert data(server)["jobs"] == 0
        assert len(get(server, "/jobs.csv")[2].splitlines()) == 1


# The file


def lines(server: Server, **words: Any) -> list[dict[str, str]]:
    status, headers, body = get(server, f"/jobs.csv?{urlencode(words)}")
    assert status == 200
    assert headers["Content-Type"] == "text/csv; charset=utf-8"
    name = re.fullmatch(r'attachment; filename="webstat-jobs-(\d{4}-\d\d-\d\d)\.csv"', headers["Content-Disposition"])
    assert name is not None and abs((datetime.fromisoformat(name[1]) - datetime.now()).days) <= 1
    return list(csv.DictReader(io.StringIO(body.decode(), newline=""), strict=True))


def test_the_file_has_every_job_that_matches_one_by_one(server: Server, url: str) -> None:
    source = Source(settings_for(url, *RECORDED, *OTHERS))
    table = jobs.table(source, source.clusters(), time.time())
    source.close()
    frame = table.frame[table.frame["cluster"] == "openpbs"].sort_values(["cores"], ascending=False, kind="stable")
    found = lines(server, cluster="openpbs", sort="-cores")
    assert [line["id"] for line in found] == frame["id"].tolist()
    assert list(found[0]) == list(api.USUAL_FILE)
    for column in ("cores", "walltime_seconds", "memory_bytes", "waited_seconds"):
        numbers = ["" if np.isnan(value) else str(int(value)) for value in frame[column].tolist()]
        assert [line[column] for line in found] == numbers
    times = [
        "" if np.isnan(at) else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for at in frame["started_at"].tolist()
    ]
    assert [line["started_at"] for line in found] == times
    assert data(server, cluster="openpbs")["jobs"] == len(found)


def test_the_file_has_the_columns_asked_for(server: Server) -> None:
    found = lines(server, columns="why,id,comment", q="alice", cluster="openpbs")
    assert found and all(list(line) == ["why", "id", "comment"] for line in found)


def test_no_cell_of_the_file_is_a_formula(server: Server) -> None:
    found = {line["id"]: line for line in lines(server, cluster="bad", columns="id,name,user,account,comment,cores")}
    plain = {"-5", "+7.25", "a=b", ""}
    for n, name in enumerate((*HOSTILE, *FORMULAS)):
        line = found[f"{n}.pbs01"]
        starts = name[:1] in ("=", "+", "-", "@", "\t", "\r", "＝")
        expected = f"'{name}" if starts and name not in plain else name
        assert (line["name"], line["user"], line["account"]) == (expected, expected or "nobody", expected)
        assert line["cores"] == "4"


def test_numbers_stay_numbers_in_the_file(server: Server) -> None:
    found = lines(server, user="ender", state="finished,failed", columns="exit_status,state,why", sort="id")
    assert [(line["exit_status"], line["state"]) for line in found] == [
        ("0", "finished"), ("137", "failed"), ("-11", "failed"), ("", "finished"),
    ]  # fmt: skip
    assert found[1]["why"] == "exit 137: killed, usually out of memory"


def test_failed_is_a_state_of_its_own(server: Server) -> None:
    assert data(server, user="ender")["jobs"] == 0
    counted = data(server, user="ender", state="failed")
    assert counted["jobs"] == 2
    assert counted["facets"]["state"]["failed"] == counted["facets"]["state"]["finished"] == 2
