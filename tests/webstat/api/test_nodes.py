"""GET /data/nodes/<cluster>."""

from __future__ import annotations

import gzip
import json
import urllib.request
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from tests.webstat.recorded import Recorded
from tests.webstat.served import Server, served, settings_for
from tests.webstat.stores import HOSTILE, Builder, Shape


def get(server: Server, path: str, **headers: str) -> tuple[int, Message, bytes]:
    asked = urllib.request.Request(server.url + path, headers={k.replace("_", "-"): v for k, v in headers.items()})
    try:
        with urllib.request.urlopen(asked, timeout=20) as answer:
            return answer.status, answer.headers, answer.read()
    except HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def found_in(server: Server, cluster: str) -> dict[str, Any]:
    status, _, body = get(server, f"/data/nodes/{cluster}")
    assert status == 200
    return json.loads(body)


@pytest.fixture
def builder(tmp_path: Path) -> Iterator[Builder]:
    builder = Builder(tmp_path / "store.sqlite")
    builder.add(Shape("one", "One", nodes=24, days=1, gpu_nodes=2))
    builder.add(Shape("odd", "Odd", nodes=12, days=1, users=HOSTILE, load=1.0))
    builder.add(Shape("fresh", "Fresh", seen=False))
    yield builder
    builder.close()


@pytest.fixture
def server(builder: Builder) -> Iterator[Server]:
    with served(settings_for(builder.url, "one", "odd", "fresh")) as server:
        yield server


def test_every_node_is_there_with_its_jobs(server: Server) -> None:
    found = found_in(server, "one")
    columns = found["nodes"]
    assert found["cluster"] == "one"
    assert {len(column) for column in columns.values()} == {24}
    assert columns["name"][0] == "cn001"
    assert found["columns"] == 16
    on = [0] * 24
    for places, amounts in zip(found["jobs"]["nodes"], found["jobs"]["on"], strict=True):
        for place, amount in zip(places, amounts, strict=True):
            on[place] += amount
    assert on == columns["used"]
    assert {found["states"][state] for state in columns["state"]} >= {"busy", "offline"}
    assert len(found["users"]["name"]) == len(found["users"]["hue"]) == len(found["users"]["texture"])
    assert any(found["users"]["hue"])


def test_recorded_clusters(recorded: Recorded) -> None:
    with served(recorded.settings()) as server:
        for name, report in recorded.reports.items():
            found = found_in(server, name)
            assert sorted(found["nodes"]["name"]) == sorted(node.name for node in report.nodes)
            place = {node: at for at, node in enumerate(found["nodes"]["name"])}
            where = dict(zip(found["jobs"]["id"], found["jobs"]["nodes"], strict=True))
            running = [job for job in report.jobs if job.hosts and job.state in ("running", "exiting", "suspended")]
            assert running, name
            for job in running:
                assert {place[node] for node in job.hosts if node in place} <= set(where[job.id]), job.id


def test_it_is_made_once_a_report_and_not_sent_twice(server: Server, builder: Builder) -> None:
    _, headers, body = get(server, "/data/nodes/one")
    assert get(server, "/data/nodes/one", If_None_Match=headers["ETag"])[::2] == (304, b"")
    _, small, packed = get(server, "/data/nodes/one", Accept_Encoding="gzip")
    assert small["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed) == body
    builder.report("one", start_cores=3, user="newcomer")
    status, _, later = get(server, "/data/nodes/one", If_None_Match=headers["ETag"])
    assert status == 200
    assert "newcomer" in json.loads(later)["users"]["name"]


def test_strangers_names_come_as_they_are(server: Server) -> None:
    assert get(server, "/data/nodes/odd")[1]["Content-Type"] == "application/json"
    assert set(found_in(server, "odd")["users"]["name"]) <= set(HOSTILE)


def test_a_cluster_without_a_report_has_no_nodes(server: Server) -> None:
    found = found_in(server, "fresh")
    assert found["nodes"]["name"] == []
    assert found["jobs"]["id"] == []


def test_what_is_not_there_is_404_and_what_cannot_be_read_503(server: Server, tmp_path: Path) -> None:
    assert get(server, "/data/nodes/two")[0] == 404
    (tmp_path / "bad.sqlite").write_bytes(b"no database at all, and long enough to be looked into" * 50)
    with served(settings_for(f"sqlite:///{tmp_path}/bad.sqlite", "one")) as broken:
        status, _, body = get(broken, "/data/nodes/one")
    assert status == 503
    assert "not a database" in json.loads(body)["error"]
