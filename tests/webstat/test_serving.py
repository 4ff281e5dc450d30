"""What goes over HTTP: files, headers, status, and that nothing comes from elsewhere."""

from __future__ import annotations

import gzip
import json
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from urllib.error import HTTPError

import plotly
import pytest

from scripts import vendor
from tests.webstat.served import Server, served, settings_for
from tests.webstat.stores import Builder, Shape
from webstat import serve
from webstat.components.graph import CONFIG
from webstat.start import settings_of
from webstat.static import ASSETS, Assets, AssetsMissing

ROOT = ASSETS.parent


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    builder = Builder(tmp_path_factory.mktemp("served") / "store.sqlite")
    builder.add(Shape("one", "One", nodes=2, days=1))
    with served(settings_for(builder.url, "one")) as server:
        yield server
    builder.close()


def get(url: str, **headers: str) -> tuple[int, Message, bytes]:
    request = urllib.request.Request(url, headers={name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers, answer.read()
    except HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def test_the_page_and_all_its_files_come_from_here(server: Server) -> None:
    status, headers, body = get(server.url + "/")
    page = body.decode()
    assert status == 200
    assert headers["Cache-Control"] == "no-cache"
    assert "script-src 'self' 'sha256-" in headers["Content-Security-Policy"]
    assert "unsafe-eval" not in headers["Content-Security-Policy"]
    files = re.findall(r'(?:src|href|data-plotly|data-worker)="([^"#]+)"', page)
    assert len(files) > 12
    for file in files:
        assert file.startswith("/"), file
        status, headers, _ = get(server.url + file)
        assert status == 200, file
        assert "max-age=31536000" in headers["Cache-Control"], file
    assert not [file for file in files if "dash_table" in file]
    assert re.findall(r"https?://[^\"\\]*", re.sub(r'<script id="_dash-config".*?</script>', "", page)) == []


def test_scripts_come_from_a_process_that_was_asked_for_no_page(server: Server, tmp_path: Path) -> None:
    """As behind a proxy, which had the page from another process."""
    scripts = re.findall(r'src="(/_dash-component-suites/[^"]+)"', get(server.url + "/")[2].decode())
    assert len(scripts) > 5
    with served(settings_for(f"sqlite:///{tmp_path}/none.sqlite", "one")) as other:
        assert {get(other.url + script)[0] for script in scripts} == {200}


@pytest.mark.parametrize(
    ("path", "status"),
    [("/", 200), ("/cluster/one", 200), ("/health", 200), ("/healthz", 200), ("/cluster/two", 404), ("/nope", 404)],
)
def test_what_is_not_there_is_404(server: Server, path: str, status: int) -> None:
    assert get(server.url + path)[0] == status


def test_files_are_compressed_once_and_kept(server: Server) -> None:
    plain = get(server.url + "/assets/vendor/plotly-cartesian.min.js")
    small = get(server.url + "/assets/vendor/plotly-cartesian.min.js", Accept_Encoding="gzip")
    assert small[1]["Content-Encoding"] == "gzip"
    assert gzip.decompress(small[2]) == plain[2]
    assert len(small[2]) < 600_000
    assert plain[1]["Cache-Control"] == "no-cache"
    assert get(server.url + "/assets/vendor/plotly-cartesian.min.js", If_None_Match=plain[1]["ETag"])[0] == 304


def test_dash_answers_are_compressed(server: Server) -> None:
    status, headers, body = get(server.url + "/_dash-layout", Accept_Encoding="gzip")
    assert (status, headers["Content-Encoding"]) == (200, "gzip")
    assert json.loads(gzip.decompress(body))["type"] == "Div"


@pytest.mark.parametrize(
    "path", ["/assets/../app.py", "/assets/%2e%2e/app.py", "/assets//etc/passwd", "/assets/none.css", "/assets/"]
)
def test_nothing_but_the_assets_is_served(server: Server, path: str) -> None:
    status, _, body = get(server.url + path)
    assert status == 404
    assert b"create_app" not in body


def test_healthz(server: Server) -> None:
    answer = json.loads(get(server.url + "/healthz")[2])
    assert answer == {"ok": True, "clusters": 1, "seen": 1, "collector_heard": False}


def test_healthz_of_a_broken_store(tmp_path: Path) -> None:
    (tmp_path / "bad.sqlite").write_bytes(b"no database at all, and long enough to be looked into" * 50)
    with served(settings_for(f"sqlite:///{tmp_path}/bad.sqlite", "one")) as broken:
        status, _, body = get(broken.url + "/healthz")
    assert status == 503
    assert "not a database" in json.loads(body)["store"]


def test_style_sheets_fetch_nothing_from_elsewhere() -> None:
    sheets = [*ASSETS.glob("*.css"), *(ASSETS / "vendor").glob("*.css")]
    assert len(sheets) >= 3
    for sheet in sheets:
        text = sheet.read_text(encoding="utf-8")
        assert "@import" not in text
        for address in re.findall(r"url\(\s*[\"']?([^\"')]+)", text):
            assert not re.match(r"(https?:)?//", address), address


def test_own_scripts_name_no_other_site() -> None:
    for script in ASSETS.glob("*.js"):
        assert re.findall(r"https?://\S+", script.read_text(encoding="utf-8")) == []


def test_plotly_is_the_same_on_both_sides() -> None:
    bundled = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    version = re.search(r"plotly\.js v([\d.]+)", bundled.read_text(encoding="utf-8")[:400])
    assert version is not None
    pins = json.loads((ROOT / "package.json").read_text())["dependencies"]
    assert pins["plotly.js-cartesian-dist-min"] == version[1]
    ours = (ASSETS / "vendor" / "plotly-cartesian.min.js").read_text(encoding="utf-8")[:400]
    assert f"v{version[1]}" in ours


def test_pins_are_exact_and_checked_and_name_no_host() -> None:
    lock = (ROOT / "package-lock.json").read_text()
    pins = json.loads((ROOT / "package.json").read_text())["dependencies"]
    packages = json.loads(lock)["packages"]
    for name, version in pins.items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version)
        entry = packages[f"node_modules/{name}"]
        assert entry["version"] == version
        assert entry["integrity"].startswith("sha512-")
        assert "resolved" not in entry
    needed = {f"node_modules/{name}" for entry in packages.values() for name in entry.get("dependencies", {})}
    assert set(packages) == {"", *needed}


def test_vendored_files_say_what_they_are() -> None:
    assert vendor.is_current()
    versions = json.loads((ASSETS / "vendor" / "VERSIONS.json").read_text())["packages"]
    assert {entry["licence"] for entry in versions.values()} <= {"MIT", "Apache-2.0"}
    for package, _, target in vendor.FILES:
        assert package in versions
        assert (ASSETS / "vendor" / target).is_file()


def test_vendor_is_made_again_when_it_is_not_whole(tmp_path: Path) -> None:
    for name in ("VERSIONS.json", "bootstrap.min.css"):
        (tmp_path / name).write_bytes((ASSETS / "vendor" / name).read_bytes())
    assert not vendor.is_current(tmp_path)
    (tmp_path / "VERSIONS.json").write_text('{"made_from": "something else"}')
    assert not vendor.is_current(tmp_path)
    assert not vendor.is_current(tmp_path / "none")


def test_without_vendored_files_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(AssetsMissing, match=r"python scripts/vendor\.py"):
        Assets(tmp_path)


def test_charts_cannot_be_sent_elsewhere() -> None:
    assert CONFIG["showSendToCloud"] is False
    assert CONFIG["plotlyServerURL"] == ""
    assert CONFIG["displayModeBar"] is False


def test_settings_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WEBSTAT_CONFIG", raising=False)
    assert settings_of(None).cluster == ()
    (tmp_path / "webstat.toml").write_text("[web]\nport = 1234\n")
    assert settings_of(None).web.port == 1234
    (tmp_path / "other.toml").write_text("[web]\nport = 2345\n")
    monkeypatch.setenv("WEBSTAT_CONFIG", str(tmp_path / "other.toml"))
    assert settings_of(None).web.port == 2345
    assert settings_of(tmp_path / "webstat.toml").web.port == 1234


@pytest.mark.parametrize("text", ["[web]\nport = 'x'\n", "not toml", None])
def test_wrong_settings_are_named(tmp_path: Path, text: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "webstat.toml"
    if text is not None:
        path.write_text(text)
    assert serve.main(["--config", str(path)]) == 2
    assert str(path) in capsys.readouterr().err


def test_logs_are_json_where_that_is_wished(tmp_path: Path) -> None:
    config = tmp_path / "webstat.toml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config.write_text(f"[web]\nport = {taken.getsockname()[1]}\n")
        command = [sys.executable, "app.py", "--config", str(config), "--log-format", "json"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    first, *lines = done.stderr.splitlines()
    assert first.startswith("webstat: http://127.0.0.1:")
    told = [json.loads(line) for line in lines]
    assert [one["logger"] for one in told if one["level"] == "error" and "address already in use" in one["event"]] == [
        "uvicorn.error"
    ]


def test_importing_has_no_side_effect() -> None:
    lines = (ROOT / "app.py").read_text().splitlines()
    assert len(lines) <= 12
    assert "from webstat.serve import main, server" in lines
