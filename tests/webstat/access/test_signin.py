"""Signing in at a real provider: there and back, what each role may, and everything that must not work."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path

import itsdangerous
import pytest
import requests
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from collector.settings import AccessSettings, NotifySettings, OidcSettings, Settings
from tests.webstat import provider
from tests.webstat.served import FakeCollector, Server, served, settings_for
from tests.webstat.stores import Builder, Shape
from webstat.access.gate import SIGNED_OUT
from webstat.access.signin import own_address
from webstat.privacy import SAYS, Level

PAGE = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with provider.provider() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builder]:
    builder = Builder(tmp_path_factory.mktemp("store") / "store.sqlite")
    builder.add(Shape("one", "One", nodes=4, days=1, users=("alice", "bob", "carol")))
    yield builder
    builder.close()


@pytest.fixture(scope="module")
def collector() -> Iterator[FakeCollector]:
    collector = FakeCollector(lambda name: {"ok": True, "message": "asked"})
    yield collector
    collector.close()


def settings(
    builder: Builder, folder: Path, issuer: str, collector: FakeCollector | None = None, **access: object
) -> Settings:
    (folder / "client").write_text(provider.SECRET + "\n")
    oidc = OidcSettings(issuer=issuer, client_id=provider.CLIENT, client_secret_file=folder / "client")
    told = settings_for(builder.url, "one", collector=collector, secret_file=folder / "secret")
    access = {"admins": ("group:admins",), "viewers": ("group:guests",), "refreshes_a_minute": 3, **access}
    return told.model_copy(update={"access": AccessSettings(mode="oidc", oidc=oidc, **access)})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def site(
    builder: Builder, issuer: str, collector: FakeCollector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    with served(settings(builder, tmp_path_factory.mktemp("keys"), issuer, collector)) as server:
        yield server


def sign_in(site: Server, person: str, to: str = "/jobs?q=a%20b") -> tuple[requests.Session, requests.Response]:
    """A browser that was at `to` and came back from the provider as somebody."""
    session = requests.Session()
    asked = session.get(site.url + to, headers=PAGE, timeout=30)
    assert asked.url.startswith(session.get(asked.url, timeout=30).url[:20]) and "/authorize?" in asked.url
    back = session.post(asked.url, data={"person": person}, headers=PAGE, timeout=30)
    return session, back


def test_who_signs_in_is_back_where_they_were(site: Server) -> None:
    session, back = sign_in(site, "alice")
    assert back.status_code == 200 and back.url == site.url + "/jobs?q=a%20b"
    known = json.loads(re.search(r'name="webstat-viewer" content="([^"]*)"', back.text)[1].replace("&quot;", '"'))  # type: ignore[index]
    assert known == {"mode": "oidc", "name": "alice", "role": "member", "mayRefresh": True}
    told = session.get(site.url + "/clusters.txt", timeout=30)
    assert told.text.startswith(SAYS[Level.OWN].replace("’", "'"))


def test_e_mails_go_where_the_provider_says_or_where_the_site_does(
    builder: Builder, issuer: str, tmp_path: Path
) -> None:
    notify = NotifySettings(smtp="127.0.0.1:1", smtp_from="w@example.org", mail_to="{user}@site.example.org")
    told = settings(builder, tmp_path, issuer).model_copy(update={"notify": notify})
    with served(told) as server:
        for person, mail in (
            ("alice", "a.lice@example.org"),
            ("boss", "boss@site.example.org"),  # the provider does not vouch for it
            ("guest", "guest@site.example.org"),
        ):
            session, _ = sign_in(server, person, "/")
            owner = session.get(server.url + "/data/tell", timeout=30).json()["owner"]
            assert owner == {"mail": mail, "channels": ["browser", "mail"]}


@pytest.mark.parametrize(
    ("person", "role", "sees", "may_refresh"),
    [("alice", "member", "own", True), ("boss", "admin", None, True), ("guest", "viewer", "totals", False)],
)
def test_each_role_sees_and_may_its_own(
    site: Server, collector: FakeCollector, person: str, role: str, sees: str | None, may_refresh: bool
) -> None:
    session, back = sign_in(site, person, "/")
    assert f"&quot;role&quot;: &quot;{role}&quot;" in back.text
    listed = session.get(site.url + "/data/jobs?rows=500", timeout=30)
    assert listed.headers.get("X-Webstat-Sees") == sees
    users = set(listed.json()["columns"]["user"])
    assert users == {"alice": {"alice"}, "boss": {"alice", "bob", "carol"}, "guest": set()}[person]
    asked = session.post(site.url + "/refresh/one", timeout=30)
    assert asked.status_code == (200 if may_refresh else 403), asked.text
    assert (asked.json()["message"] == "A viewer may not ask for a new report.") is not may_refresh


def test_refreshes_and_files_are_limited_for_each(
    builder: Builder, issuer: str, collector: FakeCollector, tmp_path: Path
) -> None:
    with served(settings(builder, tmp_path, issuer, collector, exports_a_minute=2)) as site:
        alice, boss = sign_in(site, "alice")[0], sign_in(site, "boss")[0]
        answers = [alice.post(site.url + "/refresh/one", timeout=30) for _ in range(4)]
        assert [one.status_code for one in answers] == [200, 200, 200, 429]
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
        assert "3 reports a minute may be asked for" in answers[-1].json()["message"]
        assert boss.post(site.url + "/refresh/one", timeout=30).status_code == 200
        files = [
            alice.get(site.url + path, timeout=30) for path in ("/jobs.csv", "/api/v1/jobs?format=csv", "/jobs.csv")
        ]
        assert [one.status_code for one in files] == [200, 200, 429]
        assert files[-1].headers["Content-Type"].startswith("text/plain")
        assert alice.get(site.url + "/api/v1/jobs", timeout=30).status_code == 200


def test_a_session_cannot_be_made_or_changed(site: Server) -> None:
    session, _ = sign_in(site, "alice")
    cookie = session.cookies["webstat_session"]
    data, rest = cookie.split(".", 1)
    boss = itsdangerous.TimestampSigner("guessed").sign(data).decode()
    for forged in (boss, data[:-4] + "AAAA." + rest, data, "", "null", "." * 300):
        answer = requests.get(site.url + "/data/jobs", cookies={"webstat_session": forged}, timeout=30)
        assert answer.status_code == 401, forged
    assert session.get(site.url + "/data/jobs", timeout=30).status_code == 200


def test_the_cookie_is_out_of_the_reach_of_scripts_and_other_sites(site: Server) -> None:
    asked = requests.get(site.url + "/signin", allow_redirects=False, timeout=30)
    flags = SimpleCookie(asked.headers["Set-Cookie"])["webstat_session"]
    assert flags["httponly"] and flags["samesite"] == "lax" and flags["path"] == "/" and not flags["secure"]


def test_signing_out_ends_it(site: Server) -> None:
    session, _ = sign_in(site, "alice")
    out = session.post(site.url + "/signout", timeout=30)
    assert out.url == site.url + "/signed-out" and "You are signed out" in out.text
    assert session.get(site.url + "/data/jobs", timeout=30).status_code == 401


def test_a_link_signs_nobody_out(site: Server) -> None:
    session, _ = sign_in(site, "alice")
    assert session.get(site.url + "/signout", timeout=30).status_code == 404
    assert session.get(site.url + "/data/jobs", timeout=30).status_code == 200


def test_a_session_ends_and_its_stream_with_it(builder: Builder, issuer: str, tmp_path: Path) -> None:
    with served(settings(builder, tmp_path, issuer, session_hours=2.5 / 3600)) as site:
        session, _ = sign_in(site, "alice")
        cookie = f"webstat_session={session.cookies['webstat_session']}"
        begun = time.monotonic()
        with connect(site.url.replace("http", "ws") + "/live", additional_headers={"Cookie": cookie}) as socket:
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    socket.recv(timeout=30)
            assert closed.value.rcvd is not None and closed.value.rcvd.code == SIGNED_OUT
        assert time.monotonic() - begun < 20
        assert session.get(site.url + "/data/jobs", timeout=30).status_code == 401


def test_who_has_no_user_name_is_not_let_in(site: Server) -> None:
    _, back = sign_in(site, "nameless")
    assert back.status_code == 403 and "does not tell your user name on the clusters (preferred_username)" in back.text


@pytest.mark.parametrize("broken", ["key", "audience"])
def test_a_token_that_is_not_the_providers_is_refused(builder: Builder, tmp_path: Path, broken: str) -> None:
    with provider.provider(broken) as issuer, served(settings(builder, tmp_path, issuer)) as site:
        session, back = sign_in(site, "alice")
        assert back.status_code == 403 and "You are not signed in" in back.text
        assert session.get(site.url + "/data/jobs", timeout=30).status_code == 401


def test_a_sign_in_that_was_not_begun_here_is_refused(site: Server) -> None:
    assert requests.get(site.url + "/signin/back?code=x&state=y", timeout=30).status_code == 403
    session, _ = sign_in(site, "alice")
    assert session.get(site.url + "/signin/back?error=access_denied&state=y", timeout=30).status_code == 403


def test_a_provider_that_is_away_is_said(builder: Builder, tmp_path: Path) -> None:
    with served(settings(builder, tmp_path, "http://127.0.0.1:9")) as site:
        answer = requests.get(site.url + "/", headers=PAGE, timeout=30)
        assert answer.status_code == 502 and "cannot be asked" in answer.text
        assert requests.get(site.url + "/healthz", timeout=30).status_code == 200


def test_nobody_is_led_to_another_site() -> None:
    for to in (
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "",
        "/a\nb",
        "/signin?x",
    ):
        assert own_address(to) == "/", to
    assert own_address("/cluster/one?by=group") == "/cluster/one?by=group"


def test_many_sign_in_at_once(site: Server) -> None:
    names = ["alice", "boss", "guest"] * 3
    seen: dict[int, set[str]] = {}

    def one(place: int) -> None:
        session, _ = sign_in(site, names[place])
        seen[place] = set(session.get(site.url + "/data/jobs?rows=500", timeout=60).json()["columns"]["user"])

    threads = [threading.Thread(target=one, args=(place,)) for place in range(len(names))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    expected = {"alice": {"alice"}, "boss": {"alice", "bob", "carol"}, "guest": set()}
    assert seen == {place: expected[name] for place, name in enumerate(names)}
