"""Every address under /api/v1 in every form, against the explorer's answers; words that cannot be read; pages of rows."""

from __future__ import annotations

import csv
import io
import json
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit

import numpy as np
import openpyxl
import pytest
from arro3.io import read_parquet
from hypothesis import HealthCheck, given, settings, strategies
from openpyxl.utils.escape import unescape

from tests.webstat.data.explore.random_store import UNTIL, make_jobs, write_store
from tests.webstat.served import Server, served, settings_for
from tests.webstat.stores import HOSTILE, Builder, Shape
from webstat.api.v1.columns import COLUMNS
from webstat.api.v1.formats import FORMATS, Written, to_csv, to_parquet, to_xlsx
from webstat.api.v1.refusals import PROBLEM
from webstat.api.v1.routes import PREFIX, ROUTES, Route
from webstat.api.v1.words import MOST_ROWS
from webstat.data.explore import tables
from webstat.data.explore.answer import Answer, answer
from webstat.data.explore.question import read
from webstat.data.source import Source

RANGE = {"from": "2026-10-12", "to": "2026-10-26", "zone": "Europe/Berlin"}
FORMULAS = ("=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\tx", "\rx", "＝1", "http://a.example/", "a=b")


@dataclass(frozen=True)
class Site:
    server: Server
    source: Source

    def get(self, path: str, **words: str) -> tuple[int, Message, bytes]:
        address = f"{self.server.url}{path}" + (f"?{urlencode(words)}" if words else "")
        try:
            with urllib.request.urlopen(address, timeout=20) as found:
                return found.status, found.headers, found.read()
        except HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def json(self, path: str, **words: str) -> dict[str, Any]:
        status, headers, body = self.get(PREFIX + path, **words)
        assert (status, headers["Content-Type"]) == (200, "application/json"), body[:300]
        return json.loads(body)

    def answer(self, **words: str) -> Answer:
        clusters = self.source.clusters()
        question, problems = read(words, UNTIL, UTC, [one.name for one in clusters])
        assert problems == []
        return answer(self.source.explorer, self.source.explorer.asked(question, clusters))


@pytest.fixture(scope="module")
def random(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Clusters whose jobs are all known: of the past."""
    url = f"sqlite:///{tmp_path_factory.mktemp('random')}/store.sqlite"
    write_store(Path(url.removeprefix("sqlite:///")), make_jobs(5, 500)).dispose()
    of_site = settings_for(url)
    source = Source(of_site)
    with served(of_site) as server:
        yield Site(server, source)
    source.close()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Clusters that live, with names that try to act, and one that nobody has seen."""
    builder = Builder(tmp_path_factory.mktemp("live") / "store.sqlite")
    builder.add(Shape("one", "One", nodes=12, gpu_nodes=2, days=2, queued=20))
    builder.add(Shape("bad", "=bad()", nodes=6, days=2, users=HOSTILE, job_names=FORMULAS, queued=30))
    builder.add(Shape("unseen", "unseen", seen=False))
    of_site = settings_for(builder.url, "one", "bad", "unseen")
    source = Source(of_site)
    with served(of_site) as server:
        yield Site(server, source)
    source.close()
    builder.close()


def refused(expected: int, status: int, headers: Message, body: bytes) -> list[str]:
    """The problems of a refusal, which has the one shape."""
    assert (status, headers["Content-Type"]) == (expected, PROBLEM), body[:300]
    told = json.loads(body)
    assert list(told) == ["status", "title", "detail", "problems"] and told["status"] == status
    assert told["problems"] and told["detail"] == " ".join(told["problems"])
    return told["problems"]


def words_for(route: Route) -> dict[str, str]:
    if "from" in route.words:
        return dict(RANGE)
    return {"at": "2026-10-26", "range": "30d"} if "range" in route.words else {}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
@pytest.mark.parametrize("where", ["random", "live"])
def test_every_form_has_the_same_values(route: Route, where: str, request: pytest.FixtureRequest) -> None:
    site: Site = request.getfixturevalue(where)
    words = words_for(route)
    if where == "live":  # so that an answer at another second is the same
        words = {"range": "7d"} if words else {"at": str(int(time.time()) - 3600)} if "at" in route.words else {}
        words |= {"compare": "no"} if "compare" in route.words else {}
    told = site.json(route.path, **words, limit="400")
    rows, columns = told["rows"], list(told["meta"]["columns"])
    assert all(list(row) == columns for row in rows)
    assert rows or "nodes" in route.path or route.path == "/future"  # of then no nodes are known
    assert told["meta"]["rows"] == len(rows) and told["meta"]["clusters"]
    for form in ("csv", "parquet", "xlsx"):
        status, headers, body = site.get(PREFIX + route.path, **words, limit="400", format=form)
        assert status == 200 and headers["Content-Type"] == FORMATS[form].media_type
        assert headers["X-Total-Count"] == str(told["meta"]["total"])
        assert headers["Content-Disposition"].startswith('attachment; filename="webstat-')
        assert headers["Content-Disposition"].endswith(f'.{form}"')
        found = {"csv": from_csv, "parquet": from_parquet, "xlsx": from_xlsx}[form](body)
        assert list(found) == columns
        for name in columns:
            wanted = [row[name] for row in rows]
            if name == "age_seconds":
                continue  # counted from the second of asking
            assert found[name] == pytest.approx(wanted, nan_ok=True) if is_number(name) else found[name] == wanted, name


def is_number(name: str) -> bool:
    return COLUMNS[name].kind == "number"


def from_csv(body: bytes) -> dict[str, list[Any]]:
    head, *rows = list(csv.reader(io.StringIO(body.decode(), newline="")))
    return {name: [value_of(name, row[place]) for row in rows] for place, name in enumerate(head)}


def value_of(name: str, cell: str) -> Any:
    kind = COLUMNS[name].kind
    if kind == "text":
        return plain_again(cell) or None
    if not cell:
        return None
    return {"whole": int, "number": float, "flag": lambda text: text == "True"}.get(kind, str)(cell)


def plain_again(cell: str) -> str:
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "＝")) or cell.lstrip("+-").isdigit(), cell
    return cell[1:] if cell.startswith("'") else cell


def from_parquet(body: bytes) -> dict[str, list[Any]]:
    table = read_parquet(io.BytesIO(body)).read_all()
    return {
        name: [
            value.strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, datetime) else value
            for value in table[name].to_pylist()
        ]
        for name in table.column_names
    }


def from_xlsx(body: bytes) -> dict[str, list[Any]]:
    book = openpyxl.load_workbook(io.BytesIO(body))
    assert book.sheetnames == ["Rows", "About"]
    cells = list(book["Rows"].iter_rows())
    assert not any(cell.data_type == "f" or cell.hyperlink for row in cells for cell in row)
    found = {}
    for column in zip(*cells, strict=True):
        head = str(column[0].value)
        name = head.removesuffix(" (UTC)")
        assert head.endswith(" (UTC)") == (COLUMNS[name].kind == "time")
        values = [unescape(cell.value) if isinstance(cell.value, str) else cell.value for cell in column[1:]]
        found[name] = [
            value.strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, datetime) else value for value in values
        ]
    return found


@pytest.mark.parametrize(
    "words",
    [{"by": "queue"}, {"by": "nothing", "metric": "wait", "step": "week"}, {"by": "state", "user": "alice"},
     {"metric": "utilisation", "by": "cluster"}, {"by": "nothing", "cluster": "two"}],
)  # fmt: skip
def test_series_and_totals_are_the_answers(random: Site, words: dict[str, str]) -> None:
    found = random.answer(**RANGE, **words)
    told = random.json("/history", **RANGE, **words)
    series = np.array([np.nan if row["value"] is None else row["value"] for row in told["rows"]])
    expected = found.whole[None, :] if words["by"] == "nothing" else found.series
    assert series.reshape(expected.shape) == pytest.approx(expected, nan_ok=True)
    assert [row["at"] for row in told["rows"][: expected.shape[1]]] == [
        f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}" for at in found.edges[:-1].tolist()
    ]
    assert [row["known"] for row in told["rows"][: expected.shape[1]]] == pytest.approx(found.known)
    meta = told["meta"]
    assert [(gap["cluster"], gap["since"]) for gap in meta["gaps"]] == [
        (gap.name, f"{datetime.fromtimestamp(gap.since, UTC):%Y-%m-%dT%H:%M:%SZ}") for gap in found.gaps
    ]
    assert meta["exact"] and meta["zone"] == "Europe/Berlin" and meta["unit"] == found.metric.unit
    assert meta["compared"]["known"] == pytest.approx(found.known_before)
    if found.lines is not None and words["by"] == "nothing":
        assert [row["wait_90"] for row in told["rows"]] == pytest.approx(found.lines[2].tolist())
    totals = random.json("/history/totals", **RANGE, **words)
    assert [row["key"] for row in totals["rows"]] == found.totals["word"].tolist()
    for column, theirs in {"value": "value", "ended": "ended", "wait_90": "wait_most", "share": "share"}.items():
        values = [np.nan if row[column] is None else row[column] for row in totals["rows"]]
        assert values == pytest.approx(found.totals[theirs].tolist(), nan_ok=True)
    assert totals["meta"]["all"]["core_hours"] == pytest.approx(found.all["core_hours"])


def test_tables_are_the_explorers(random: Site) -> None:
    asked = random.answer(**RANGE).asked
    explorer = random.source.explorer
    told = random.json("/history/week", **RANGE)["rows"]
    assert [row["utilisation"] for row in told] == pytest.approx(tables.week(explorer, asked).shares.ravel())
    assert (told[25]["weekday"], told[25]["hour"]) == ("Tuesday", 1)
    for of in ("size", "walltime", "state"):
        mix = tables.mix(explorer, asked, of)
        told = random.json("/history/mix", **RANGE, of=of)["rows"]
        assert [row["core_hours"] for row in told] == pytest.approx(mix["core_hours"].tolist())
    waits = tables.waits(explorer, asked)
    told = random.json("/history/waits", **RANGE)["rows"]
    assert [row["jobs"] for row in told] == waits["jobs"].tolist()
    assert [row["wait_50"] for row in told] == pytest.approx(waits["wait_half"].tolist())
    nodes = tables.nodes(explorer, asked)
    assert [row["up"] for row in random.json("/history/nodes", **RANGE)["rows"]] == pytest.approx(nodes["up"].tolist())


def test_sums_over_months_say_so(random: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webstat.data.explore.explorer.MOST_EXACT", 0)
    meta = random.json("/history", **RANGE)["meta"]
    assert (meta["exact"], meta["step"]) == (False, "month")
    assert meta["resolution"].startswith("whole months by UTC") and meta["resolution"].endswith("to within 2 %")
    assert meta["range"]["since"] == "2026-10-01T00:00:00Z"


@pytest.mark.parametrize("path", ["/history", "/history/jobs", "/history/week"])
def test_pages_of_rows_are_all_rows_once(random: Site, path: str) -> None:
    whole = random.json(path, **RANGE)
    address: str | None = f"{PREFIX}{path}?{urlencode({**RANGE, 'limit': '30'})}"
    rows, pages = [], 0
    while address is not None:
        status, headers, body = random.get(address)
        assert status == 200
        part = json.loads(body)
        rows += part["rows"]
        pages += 1
        assert part["meta"]["total"] == whole["meta"]["total"] == int(headers["X-Total-Count"])
        assert f"rows-{part['meta']['offset'] + 1}-to-" in headers["Content-Disposition"]
        links = {
            link.partition("; rel=")[2].strip('"'): link.partition(";")[0].strip("<> ")
            for link in (headers["Link"] or "").split(", ")
            if link
        }
        assert ("prev" in links) == (pages > 1)
        address = links.get("next")
    assert rows == whole["rows"] and pages == -(-len(rows) // 30)
    beyond = random.json(path, **RANGE, offset="1000000")
    assert beyond["rows"] == [] and beyond["meta"]["total"] == whole["meta"]["total"]


@pytest.mark.parametrize(
    ("path", "words", "said"),
    [
        ("/history", {"metric": "fun"}, "metric='fun' is unknown"),
        ("/history", {"usr": "alice"}, "There is no word 'usr' here. There are: range, from"),
        ("/history", {"from": "yesterday"}, "from='yesterday' is no moment"),
        ("/history", {"from": "2026-10-02", "to": "2026-10-01"}, "The range ends before it begins"),
        ("/history", {"range": "7d", "from": "2026-10-02"}, "either range, or from and to"),
        ("/history", {"cluster": "three"}, "There is no cluster 'three'. There are: one, two."),
        ("/history", {"size": "<script>"}, "size='<script>' is unknown; write one or more of 1, 2-8"),
        ("/history", {"zone": "../../etc/passwd"}, "is no time zone"),
        ("/history", {"step": "hour", "range": "5y"}, "step='hour' is unknown"),
        ("/history", {"compare": "maybe"}, "compare='maybe' is unknown"),
        ("/history", {"format": "exe"}, "format='exe' is unknown; write one of json, csv, parquet, xlsx."),
        ("/history", {"limit": "0"}, "limit='0' is no whole number from 1 to 100,000."),
        ("/history", {"limit": str(MOST_ROWS + 1)}, "from 1 to 100,000"),
        ("/history", {"offset": "-1"}, "offset='-1' is no whole number"),
        ("/history/mix", {"of": "user"}, "of='user' is unknown; write one of state, size, walltime."),
        ("/history/jobs", {"event": "'; drop table job; --"}, 'event="\'; drop table job; --" is unknown'),
        ("/history/jobs", {"sort": "rowid"}, "sort='rowid' is unknown; write one of cluster, -cluster"),
        ("/jobs", {"state": "sleeping"}, "state='sleeping' is unknown; write one or more of running, queued"),
        ("/nodes", {"cluster": "x" * 500}, "No cluster is named"),
    ],
)
def test_words_that_cannot_be_read_are_refused(random: Site, path: str, words: dict[str, str], said: str) -> None:
    status, headers, body = random.get(PREFIX + path, **words)
    problems = refused(400, status, headers, body)
    assert any(said in problem for problem in problems), problems
    assert all(len(problem) < 2500 for problem in problems)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(strategies.data())
def test_whatever_is_asked_is_answered_or_refused_in_sentences(random: Site, data: strategies.DataObject) -> None:
    route = data.draw(strategies.sampled_from(ROUTES))
    text = strategies.text(strategies.characters(exclude_categories=["Cs"]), max_size=30)
    numbers = strategies.integers(-(10**20), 10**20).map(str)
    known = strategies.sampled_from(
        ["all", "user", "wait", "alice,–", "1,2-8", "2026-10-20", "0001-01-01", "9999-12-31", "csv"]
    )
    words = {*route.words, "limit", "offset", "format"}
    asked = data.draw(
        strategies.dictionaries(strategies.sampled_from(sorted(words)), known | text | numbers, max_size=4)
    )
    status, headers, body = random.get(PREFIX + route.path, **asked)
    if status != 200:
        assert refused(400, status, headers, body), asked


def test_a_word_said_twice_is_refused(random: Site) -> None:
    problems = refused(400, *random.get(f"{PREFIX}/history?user=alice&user=bob"))
    assert "user is said 2 times" in problems[0]


@pytest.mark.parametrize(
    ("at", "said"),
    [("soon", "is no moment"), ("", "is no moment"), ("9" * 12, "has not come yet"), ("9" * 13, "is no moment"),
     ("nan", "is no moment"), ("1e9", "is no moment"), ("-1", "is no moment"), ("2026-02-30", "no moment that there is"),
     ("0001-01-01", "is no moment"), ("\x00", "is no moment"), ("９９９９９９９９９", "is no moment")],
)  # fmt: skip
def test_a_moment_that_there_is_none_of(live: Site, at: str, said: str) -> None:
    for route in ROUTES:
        if "at" in route.words:
            problems = refused(400, *live.get(PREFIX + route.path, at=at))
            assert len(problems) == 1 and said in problems[0], problems


def test_a_moment_in_every_spelling_is_the_same(live: Site) -> None:
    at = int(time.time()) // 60 * 60 - 7200
    utc = datetime.fromtimestamp(at, UTC)
    spelled = [str(at), f"{utc:%Y-%m-%dT%H:%M}", f"{utc:%Y-%m-%d %H:%M:%SZ}", f"{utc:%Y-%m-%dT%H:%M:%S}+00:00"]
    told = [live.json("/jobs", at=text) for text in spelled]
    assert [one["meta"]["at"] for one in told] == [f"{utc:%Y-%m-%dT%H:%M:%SZ}"] * 4
    assert all(one["rows"] == told[0]["rows"] for one in told) and told[0]["rows"]


@pytest.mark.parametrize("name", ["'; drop table word; --", "%", "=1+1", "\x00", "alice,bob%2Ccarol", "🧪" * 100])
def test_names_that_nobody_has_find_nothing(random: Site, name: str) -> None:
    for path in ("/history", "/history/jobs", "/history/totals"):
        told = random.json(path, **RANGE, account=name)
        assert told["meta"]["total"] == 0 and told["rows"] == []
    told = random.json("/history", **RANGE, account=name, by="cluster", metric="utilisation")
    assert told["rows"] == []  # of no cluster is there a line


def test_what_lives_is_told_of_all_clusters(live: Site) -> None:
    clusters = live.json("/clusters")
    assert [row["cluster"] for row in clusters["rows"]] == ["one", "bad", "unseen"]
    unseen = clusters["rows"][2]
    assert unseen["taken_at"] is None and unseen["cores_free"] is None and unseen["jobs_running"] is None
    assert clusters["meta"]["clusters"]["unseen"]["taken_at"] is None
    assert clusters["meta"]["resolution"] == "as the newest report says"
    before = live.json("/clusters", at=str(int(time.time()) - 3600))["meta"]
    assert before["resolution"] not in ("", clusters["meta"]["resolution"]) and before["at"] < clusters["meta"]["at"]
    one = live.source.clusters()[0]
    nodes = live.json("/nodes", cluster="one")["rows"]
    assert [row["name"] for row in nodes] == live.source.nodes(one)["name"].tolist()
    free = live.json("/free", cluster="one")["rows"]
    assert free[0]["place"] == "cluster" and free[0]["cores_free"] == clusters["rows"][0]["cores_free"]
    queues = live.json("/queues")["rows"]
    assert sum(row["jobs_running"] for row in queues) == sum(row["jobs_running"] or 0 for row in clusters["rows"])
    jobs = live.json("/jobs", state="queued", cluster="bad", sort="-cores")["rows"]
    assert {row["cluster"] for row in jobs} == {"bad"} and len(jobs) == clusters["rows"][1]["jobs_queued"]
    assert [row["cores"] for row in jobs] == sorted((row["cores"] for row in jobs), reverse=True)


def test_formulas_stay_text_everywhere() -> None:
    table = Written({"name": [*FORMULAS, None], "cores": [*range(len(FORMULAS) + 1)]}, {"x": "=1+1"})
    lines = list(csv.reader(io.StringIO(to_csv(table).decode(), newline="")))
    assert [line[0] for line in lines[1:]][:7] == [f"'{text}" for text in FORMULAS[:7]]
    assert from_xlsx(to_xlsx(table))["name"] == [*FORMULAS, None]
    assert from_parquet(to_parquet(table))["name"] == [*FORMULAS, None]


def test_everything_in_one_file(random: Site) -> None:
    status, headers, body = random.get(f"{PREFIX}/history/all.zip", **RANGE, by="user")
    assert (status, headers["Content-Type"]) == (200, "application/zip")
    assert headers["Content-Disposition"].endswith('-core-hours-by-user-2026-10-12-to-2026-10-26.zip"')
    with zipfile.ZipFile(io.BytesIO(body)) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    tables_in = ("series", "totals", "week", "mix-state", "mix-size", "mix-walltime", "waits", "nodes")
    assert set(files) == {"README.txt", *(f"{name}.csv" for name in tables_in)}
    assert files["series.csv"] == random.get(f"{PREFIX}/history", **RANGE, by="user", format="csv")[2]
    readme = files["README.txt"].decode()
    assert all(f"\n{name}.csv, " in readme for name in tables_in) and COLUMNS["wait_90"].words in readme
    assert refused(400, *random.get(f"{PREFIX}/history/all.zip", metric="fun"))
    assert "There is no word 'format'" in refused(400, *random.get(f"{PREFIX}/history/all.zip", format="csv"))[0]


def test_openapi_names_every_route_and_word(random: Site) -> None:
    status, _, body = random.get(f"{PREFIX}/openapi.json")
    described = json.loads(body)
    assert status == 200 and described["openapi"].startswith("3.1")
    assert set(described["paths"]) == {*(PREFIX + route.path for route in ROUTES), f"{PREFIX}/history/all.zip"}
    for route in ROUTES:
        operation = described["paths"][PREFIX + route.path]["get"]
        assert {one["name"] for one in operation["parameters"]} == {*route.words, "format", "limit", "offset"}
        assert set(operation["responses"]["200"]["content"]) == {f.media_type.split(";")[0] for f in FORMATS.values()}


def test_the_page_for_people_is_all_from_here(random: Site) -> None:
    status, headers, body = random.get("/api/docs")
    assert status == 200 and "script-src 'self';" in headers["Content-Security-Policy"]
    page = body.decode()
    sources = [part.split('"')[0] for part in page.split('src="')[1:] + page.split('href="')[1:]]
    assert len(sources) >= 5 and all(source.startswith("/") for source in sources)
    for source in sources:
        assert random.get(urlsplit(source).path)[0] == 200
    assert "<script>" not in page
