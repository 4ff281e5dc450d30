"""The door: whom a proxy names, what tokens may, what every answer tells browsers, and when nothing is served at all."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from pydantic import ValidationError

from collector.errors import SettingsError
from collector.settings import AccessSettings, Settings, TokenSettings, WebSettings
from tests.webstat.served import FakeCollector, Server, served, settings_for
from tests.webstat.stores import Builder, Shape
from webstat.access.tokens import find_token, hash_of, make_token, token_table
from webstat.access.viewer import Role, not_signed_in, person, program
from webstat.privacy import Level
from webstat.serve import check_exposure

TOKENS = {name: make_token() for name in ("reader", "totals", "asker", "gone")}
TABLES = (
    TokenSettings(name="reader", sha256=hash_of(TOKENS["reader"])),
    TokenSettings(name="totals", sha256=hash_of(TOKENS["totals"]), sees="totals"),
    TokenSettings(name="asker", sha256=hash_of(TOKENS["asker"]), scopes=("refresh",)),
)


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builder]:
    builder = Builder(tmp_path_factory.mktemp("store") / "store.sqlite")
    builder.add(Shape("one", "One", nodes=4, days=1, users=("alice", "bob")))
    yield builder
    builder.close()


@pytest.fixture(scope="module")
def collector() -> Iterator[FakeCollector]:
    collector = FakeCollector(lambda name: {"ok": True, "message": "asked"})
    yield collector
    collector.close()


def settings(builder: Builder, collector: FakeCollector | None = None, **access: object) -> Settings:
    told = settings_for(builder.url, "one", collector=collector, proxies=("127.0.0.1",))
    return told.model_copy(update={"access": AccessSettings(**access)})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def site(builder: Builder, collector: FakeCollector) -> Iterator[Server]:
    with served(settings(builder, collector, mode="proxy", token=TABLES, viewers=("carol",))) as server:
        yield server


def get(site: Server, path: str = "/data/jobs?rows=500", **headers: str) -> requests.Response:
    return requests.get(site.url + path, headers={k.replace("_", "-"): v for k, v in headers.items()}, timeout=30)


def users(answer: requests.Response) -> set[str]:
    assert answer.status_code == 200, answer.text
    return set(answer.json()["columns"]["user"])


def test_whom_the_proxy_names_sees_their_own(site: Server) -> None:
    assert users(get(site, X_Forwarded_User="alice")) == {"alice"}
    assert users(get(site, X_Forwarded_User="bob", X_Forwarded_Groups="x, y")) == {"bob"}
    assert users(get(site, X_Forwarded_User="carol")) == set()
    assert get(site).status_code == 401
    assert get(site, X_Forwarded_User="").status_code == 401


def test_a_name_from_elsewhere_than_the_proxy_does_not_count(builder: Builder) -> None:
    told = settings(builder, mode="proxy")
    told = told.model_copy(update={"web": WebSettings(proxies=("10.1.2.0/24",))})
    with served(told) as server:
        assert get(server, X_Forwarded_User="alice").status_code == 401
        assert get(server, X_Forwarded_User="alice", X_Forwarded_For="10.1.2.3").status_code == 401


def test_the_address_that_the_proxy_tells_is_believed_but_not_taken_for_the_proxy(
    site: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "webstat.audit"):
        get(site, "/jobs.csv", X_Forwarded_User="alice", X_Forwarded_For="192.0.2.7, 127.0.0.1")
    assert [one.getMessage() for one in caplog.records if one.name == "webstat.audit"] == [
        "export who=member alice address=192.0.2.7 path=/jobs.csv query="
    ]


@pytest.mark.parametrize(
    ("token", "path", "status"),
    [
        ("reader", "/data/jobs", 200), ("reader", "/clusters.json", 200), ("totals", "/jobs.csv", 200),
        ("asker", "/data/jobs", 403), ("asker", "/clusters.txt", 403), ("gone", "/data/jobs", 401), ("gone", "/", 401),
    ],
)  # fmt: skip
def test_a_token_may_what_its_scopes_say(site: Server, token: str, path: str, status: int) -> None:
    assert get(site, path, Authorization=f"Bearer {TOKENS[token]}").status_code == status


def test_a_token_sees_its_level(site: Server) -> None:
    assert users(get(site, Authorization=f"bearer {TOKENS['reader']}")) == {"alice", "bob"}
    assert users(get(site, Authorization=f"Bearer {TOKENS['totals']}")) == set()
    # A token is not made more by a name beside it.
    assert users(get(site, Authorization=f"Bearer {TOKENS['totals']}", X_Forwarded_User="alice")) == set()


def test_a_token_may_ask_for_a_report_with_that_scope_only(site: Server) -> None:
    for token, status in (("reader", 403), ("totals", 403), ("gone", 401)):
        headers = {"Authorization": f"Bearer {TOKENS[token]}"}
        assert requests.post(site.url + "/refresh/one", headers=headers, timeout=30).status_code == status


def test_tokens_are_made_shown_once_and_known_by_their_hash() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "webstat", "token", "nightly", "--scope", "read", "--sees", "totals"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    token = re.search(r"webstat_[\w-]{43}", done.stderr)
    assert token is not None and token[0] not in done.stdout
    told = Settings.model_validate(tomllib.loads(done.stdout)).access.token
    assert find_token(token[0], told) == told[0] and told[0].sees == "totals"
    assert find_token(token[0][:-1], told) is None
    with pytest.raises(ValueError, match="name"):
        token_table("a b", "x", ("read",), "full")


def test_every_answer_is_safe(site: Server, builder: Builder) -> None:
    for path in ("/", "/healthz", "/assets/webstat.css", "/data/jobs", "/nope"):
        told = get(site, path, X_Forwarded_User="alice").headers
        assert told["X-Content-Type-Options"] == "nosniff" and told["X-Frame-Options"] == "SAMEORIGIN", path
        assert told["Referrer-Policy"] == "same-origin" and "camera=()" in told["Permissions-Policy"], path
        assert told["Cross-Origin-Opener-Policy"] == told["Cross-Origin-Resource-Policy"] == "same-origin", path
        assert "Strict-Transport-Security" not in told, path
    told = get(site, "/", X_Forwarded_User="alice", X_Forwarded_Proto="https").headers
    assert told["Strict-Transport-Security"].startswith("max-age=")
    scripts = re.search(r"script-src ([^;]*)", told["Content-Security-Policy"])
    assert scripts is not None and "unsafe" not in scripts[1]
    for path in ("/data/jobs", "/clusters.txt", "/"):
        told = get(site, path, X_Forwarded_User="alice").headers
        assert told["Cache-Control"] == "no-store" or "private" in told["Cache-Control"]
        assert {"Authorization", "Cookie"} <= {one.strip() for one in told["Vary"].split(",")}


def test_an_open_site_shows_all_and_keeps_no_names(builder: Builder) -> None:
    with served(settings(builder)) as server:
        assert users(get(server)) == {"alice", "bob"} == users(get(server, X_Forwarded_User="alice"))
        assert get(server, "/").headers["Cache-Control"] == "no-cache"
    with served(settings(builder, public="totals")) as server:
        assert users(get(server)) == set()
        assert get(server, "/clusters.json").json()["sees"] == "totals"


def test_what_a_database_says_is_for_the_log_where_people_sign_in(tmp_path: Path) -> None:
    file = tmp_path / "bad.sqlite"
    file.write_bytes(b"no database at all, and long enough to be looked into" * 50)
    for mode, words in (("open", "not a database"), ("proxy", "the log says why")):
        told = settings_for(f"sqlite:///{file}", "one", proxies=("127.0.0.1",))
        with served(told.model_copy(update={"access": AccessSettings(mode=mode)})) as server:  # type: ignore[arg-type]
            assert words in get(server, "/healthz").json()["store"]
            assert words in get(server, "/readyz").json()["checks"][0]["words"]


def test_an_open_page_is_not_served_to_others() -> None:
    def told(host: str, **access: object) -> Settings:
        return Settings(web=WebSettings(host=host, proxies=("127.0.0.1",)), access=AccessSettings(**access))  # type: ignore[arg-type]

    for host in ("0.0.0.0", "::", "192.0.2.1", "web.example.org"):
        with pytest.raises(SettingsError, match="anybody there would see"):
            check_exposure(told(host))
        check_exposure(told(host, beyond_loopback=True))
        check_exposure(told(host, mode="proxy"))
    for host in ("127.0.0.1", "::1", "localhost", "127.8.8.8"):
        check_exposure(told(host))


def test_the_program_refuses_it_with_words(tmp_path: Path) -> None:
    (tmp_path / "webstat.toml").write_text('[web]\nhost = "0.0.0.0"\n')
    done = subprocess.run(
        [sys.executable, "app.py", "--config", str(tmp_path / "webstat.toml")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2 and "beyond_loopback = true" in done.stderr


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"access": {"mode": "oidc"}}, r"there is no \[access.oidc\]"),
        ({"access": {"mode": "proxy"}}, "proxies names none"),
        ({"access": {"public": "pseudonyms"}}, "needs .web. secret_file"),
        ({"access": {"member": "all"}}, "full"),
        ({"web": {"proxies": ["nowhere"]}}, "no address or network"),
        ({"access": {"token": [{"name": "a", "sha256": "0" * 64}] * 2}}, "same name"),
        ({"access": {"token": [{"name": "a", "sha256": "secret"}]}}, "sha256"),
    ],
)
def test_settings_that_would_not_do_are_refused(told: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Settings.model_validate(told)


def test_roles() -> None:
    access = AccessSettings(admins=("root", "group:wheel"), viewers=("group:guests", "kiosk"))
    assert person(access, "root", ()).role is person(access, "x", ("wheel",)).role is Role.ADMIN
    assert person(access, "kiosk", ()).role is person(access, "x", ("guests",)).role is Role.VIEWER
    assert person(access, "wheel", ()).role is person(access, "guests", ("root",)).role is Role.MEMBER
    assert person(access, "x", ("wheel", "guests")).role is Role.ADMIN
    assert not_signed_in(access).level is Level.FULL
    assert not_signed_in(AccessSettings(mode="proxy")).level is Level.NONE
    assert program(TABLES[2]).level is Level.NONE and program(TABLES[2]).may_refresh
