"""Tell me when, as people have it: whose rules are whose, what may be wished, notices, the feed, and the page in a browser."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import requests
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.pool import NullPool

from collector import schema
from collector.alerts.rules import Rules
from collector.alerts.wishes import read_wish
from collector.settings import AccessSettings, NotifySettings, Settings
from tests.webstat.looking import Looker
from tests.webstat.recorded import Recorded, record
from tests.webstat.served import FakeCollector, Server, served
from webstat.access.viewer import EVERYBODY, person
from webstat.alerts.owner import owner_of
from webstat.data import jobs
from webstat.data.source import Source

CLUSTER = "mixed"
KEY, OTHER_KEY = "k" * 40, "o" * 40
HOOKS = "hooks.example.org"
ATOM = "{http://www.w3.org/2005/Atom}"

Serve = Callable[..., Server]


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    return record(tmp_path / "store.sqlite", CLUSTER)


@pytest.fixture
def engine(recorded: Recorded) -> Iterator[Engine]:
    engine = create_engine(recorded.url, poolclass=NullPool)
    yield engine
    engine.dispose()


NOTIFY = NotifySettings(
    webhooks=(HOOKS,), smtp="127.0.0.1:1", smtp_from="w@example.org", mail_to="{user}@example.org", rules_each=3
)


@pytest.fixture
def serve(recorded: Recorded, engine: Engine, tmp_path: Path) -> Iterator[Serve]:
    """A web process, and a collector that does what is wished; `access` are the settings of who may look."""
    rules = Rules(engine, NOTIFY)
    with ExitStack() as stack:
        collector = FakeCollector(tell=rules.wish)
        stack.callback(collector.close)

        def start(**access: Any) -> Server:
            web = {"proxies": ("127.0.0.1",), "secret_file": tmp_path / "secret"} if access else {}
            settings = recorded.settings(collector, **web)
            told: Settings = settings.model_copy(update={"access": AccessSettings(**access), "notify": NOTIFY})
            return stack.enter_context(served(told))

        yield start


def as_key(key: str = KEY) -> dict[str, str]:
    return {"X-Webstat-Key": key}


def as_person(name: str) -> dict[str, str]:
    return {"X-Forwarded-User": name}


def post(server: Server, headers: dict[str, str], **wish: Any) -> requests.Response:
    return requests.post(f"{server.url}/data/tell", data=json.dumps(wish), headers=headers, timeout=30)


def told(server: Server, headers: dict[str, str]) -> dict[str, Any]:
    answer = requests.get(f"{server.url}/data/tell", headers=headers, timeout=30)
    assert answer.headers["Cache-Control"].endswith("no-store")
    found: dict[str, Any] = answer.json()
    return found


def living(recorded: Recorded) -> list[tuple[str, str]]:
    """(id, user) of the jobs of the cluster that wait or run."""
    source = Source(recorded.settings())
    try:
        listed = jobs.current(source, source.clusters(), recorded.now)
    finally:
        source.close()
    return list(zip(listed["id"], listed["user"], strict=True))


SILENT = {"act": "add", "kind": "silent", "cluster": CLUSTER, "channels": ["browser"]}


def test_rules_of_a_browser_are_its_own(serve: Serve, engine: Engine) -> None:
    server = serve()
    assert post(server, as_key(), **SILENT).json()["ok"]
    ((rule,), mine) = told(server, as_key())["rules"], told(server, as_key())
    assert (rule["words"], rule["by"], rule["state"]) == (f"{CLUSTER} does not answer", ["browser"], "looking")
    assert mine["owner"] == {"mail": None, "channels": ["browser"]}
    assert told(server, as_key(OTHER_KEY))["rules"] == [] and told(server, {})["owner"] is None
    for act in ("remove", "pause", "test"):
        assert not post(server, as_key(OTHER_KEY), act=act, id=rule["id"]).json()["ok"]
    with engine.connect() as connection:
        (owner,) = connection.execute(select(schema.rule.c.owner)).scalars()
    assert owner.startswith("key:") and KEY not in owner
    assert post(server, as_key(), act="pause", id=rule["id"]).json()["ok"]
    assert told(server, as_key())["rules"][0]["state"] == "paused"
    assert post(server, as_key(), act="remove", id=rule["id"]).json()["ok"]
    assert told(server, as_key())["rules"] == []


def test_what_an_open_page_cannot_do(serve: Serve, recorded: Recorded) -> None:
    server = serve()
    to_somewhere = {"channels": ["webhook"], "webhook": f"https://{HOOKS}/x"}
    assert post(server, as_key(), **{**SILENT, **to_somewhere}).status_code == 400
    assert post(server, as_key(), **{**SILENT, "channels": ["mail"]}).status_code == 400
    assert post(server, as_key("short"), **SILENT).status_code == 403
    assert post(server, {**as_key(), "Origin": "https://elsewhere.example.org"}, **SILENT).status_code == 403
    assert requests.post(f"{server.url}/data/tell", data="[", headers=as_key(), timeout=30).status_code == 400
    for subject in ("x" * 4000, "\u4e2d" * 1000):
        assert post(server, as_key(), **{**SILENT, "subject": subject}).status_code == 400
    assert post(server, as_key(), act="%s\nforged=1").status_code == post(server, as_key(), act=[]).status_code == 400
    for wrong in (
        {"kind": "cores"},
        {"kind": "node", "subject": "none"},
        {"kind": "other"},
        {"days": 0},
        {"owner": "user:root"},
    ):
        answer = post(server, as_key(), **{**SILENT, **wrong})
        assert "owner" in wrong or not answer.json()["ok"], wrong
    assert [rule["words"] for rule in told(server, as_key())["rules"]] == [f"{CLUSTER} does not answer"], (
        "its own, not root's"
    )
    assert told(server, as_person("root"))["owner"] is None


def test_any_node_is_asked_for_without_its_name(serve: Serve) -> None:
    server = serve()
    assert post(server, as_key("n" * 40), **{**SILENT, "kind": "node"}).json()["ok"]
    assert [rule["words"] for rule in told(server, as_key("n" * 40))["rules"]] == [f"any node of {CLUSTER} goes down"]


def test_a_person_is_told_everywhere_and_limited(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    server = serve(mode="proxy")
    alice, bob = as_person("alice"), as_person("bob")
    assert told(server, alice)["owner"] == {"mail": "alice@example.org", "channels": ["browser", "webhook", "mail"]}
    with caplog.at_level(logging.INFO, "webstat.audit"):
        answer = post(server, alice, **{**SILENT, "channels": ["webhook"], "webhook": f"https://{HOOKS}/x"}).json()
    assert answer["ok"] and answer["secret"].startswith("whsec_")
    assert "rule add who=member alice" in caplog.text and answer["secret"] not in caplog.text
    assert answer["secret"] not in json.dumps(told(server, alice)), "it is told once"
    refused = post(
        server, alice, **{**SILENT, "channels": ["webhook"], "webhook": "http://169.254.169.254/latest"}
    ).json()
    assert not refused["ok"] and "may not go there" in refused["message"]
    assert post(server, alice, **{**SILENT, "channels": ["mail"]}).json()["ok"]
    assert post(server, alice, **SILENT).json()["ok"]
    full = post(server, alice, **SILENT).json()
    assert not full["ok"] and "you have 3 rules" in full["message"]
    assert told(server, bob)["rules"] == [] and len(told(server, alice)["rules"]) == 3
    assert requests.get(f"{server.url}/data/tell", timeout=30).status_code == 401


def test_mail_goes_to_who_asked(serve: Serve, engine: Engine) -> None:
    server = serve(mode="proxy")
    assert post(server, as_person("alice"), **{**SILENT, "channels": ["mail"], "mail": "bob@example.org"}).json()["ok"]
    with engine.connect() as connection:
        assert connection.execute(select(schema.rule.c.mail)).scalars().all() == ["alice@example.org"]
    assert told(server, as_person("a b"))["owner"]["mail"] is None, "no address is made of such a name"


def test_a_rule_names_only_jobs_that_its_owner_sees(serve: Serve, recorded: Recorded) -> None:
    known = living(recorded)
    me = known[0][1]
    own = next(ident for ident, user in known if user == me)
    other = next(ident for ident, user in known if user != me)
    ended = {**SILENT, "kind": "ended"}
    for sees, may_own, may_other in (("own", True, False), ("pseudonyms", True, True), ("totals", False, False)):
        server = serve(mode="proxy", member=sees)
        for ident, may in ((own, may_own), (other, may_other)):
            answer = post(server, as_person(me), **ended, subject=ident).json()
            assert answer["ok"] is may, (sees, ident, answer)
            if may:
                assert post(server, as_person(me), act="remove", id=answer["id"]).json()["ok"]
            else:
                assert answer["message"] == f"you see no job {ident} there"
        assert not post(server, as_person(me), **ended, subject="999999.none").json()["ok"]


def test_a_test_is_listed_said_and_in_the_feed(serve: Serve) -> None:
    server = serve()
    start = requests.get(f"{server.url}/data/notices", headers=as_key(), timeout=30).json()
    assert start == {"last": 0, "notices": []}
    rule = post(server, as_key(), **SILENT).json()
    address = server.url + told(server, as_key())["feed"]
    empty = ElementTree.fromstring(requests.get(address, timeout=30).content)
    assert empty.findall(f"{ATOM}entry") == []
    assert post(server, as_key(), act="test", id=rule["id"]).json()["ok"]
    (notice,) = told(server, as_key())["notices"]
    assert notice["words"] == f"A test of your rule silent, {CLUSTER}" and notice["deliveries"] == []
    news = requests.get(f"{server.url}/data/notices?after=0", headers=as_key(), timeout=30).json()
    assert news == {"last": notice["id"], "notices": [notice]}
    assert (
        requests.get(f"{server.url}/data/notices?after=0", headers=as_key(OTHER_KEY), timeout=30).json()["notices"]
        == []
    )
    answer = requests.get(address, timeout=30)
    assert answer.headers["Content-Type"].startswith("application/atom+xml")
    feed = ElementTree.fromstring(answer.content)
    assert feed.tag == f"{ATOM}feed"
    for part in ("id", "title", "updated", "author"):
        assert feed.find(ATOM + part) is not None, part
    (entry,) = feed.findall(f"{ATOM}entry")
    assert entry.findtext(f"{ATOM}title") == notice["words"]
    assert str(entry.findtext(f"{ATOM}id")).startswith("urn:uuid:")
    links = {link.get("rel"): link.get("href") for link in feed.findall(f"{ATOM}link")}
    assert links == {"self": address, "alternate": f"{server.url}/tell"}
    assert post(server, as_key(), act="feed").json()["ok"]
    assert requests.get(address, timeout=30).status_code == 404
    renewed = server.url + told(server, as_key())["feed"]
    assert renewed != address and requests.get(renewed, timeout=30).status_code == 200


def test_who_has_rules() -> None:
    settings = Settings(notify=NOTIFY)
    signed = person(AccessSettings(mode="proxy"), "alice", ())
    found = owner_of(signed, settings, KEY, {"mail": "a.lice@uni.example.org"})
    assert found is not None and (found.name, found.mail) == ("user:alice", "a.lice@uni.example.org")
    proxied = settings.model_copy(update={"access": AccessSettings(mode="proxy")})
    assert owner_of(EVERYBODY, proxied, KEY, {}) is None, "a key is no sign-in"
    assert isinstance(read_wish({"act": "add"}), str)


@pytest.fixture
def tab(browser: Browser, serve: Serve) -> Iterator[Page]:
    """A phone's tab that may say notices."""
    server = serve()
    context = browser.new_context(base_url=server.url, viewport={"width": 360, "height": 740})
    context.grant_permissions(["notifications"], origin=server.url)
    context.add_init_script(
        "window.said = []; window.Notification = class { constructor(title, more) { window.said.push(more.body); } "
        "static permission = 'granted'; };"
    )
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    assert errors == []
    context.close()


def test_a_rule_is_made_tried_and_removed_with_the_keyboard(tab: Page) -> None:
    tab.goto("/tell?kind=silent")
    expect(tab.locator("#q-rules")).to_be_visible(timeout=30_000)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    tab.get_by_role("button", name="Tell me", exact=True).press("Enter")
    rule = tab.locator(".ws-told-rules li")
    expect(rule).to_contain_text(f"When {CLUSTER} does not answer")
    rule.get_by_role("button", name="Test").press("Enter")
    expect(tab.locator(".ws-told-list").last).to_contain_text("A test of your rule")
    tab.evaluate("window.webstat.onNews.forEach((act) => act())")
    expect(tab.locator("body")).to_be_visible()
    for _ in range(100):
        if tab.evaluate("window.said.length"):
            break
        tab.wait_for_timeout(100)
    assert tab.evaluate("window.said") == [f"A test of your rule silent, {CLUSTER}"]
    rule.get_by_role("button", name="Remove").press("Enter")
    expect(rule).to_have_count(0)


def test_where_only_a_worker_may_show_notices_it_does(tab: Page) -> None:
    tab.add_init_script(
        "window.Notification = class { constructor() { throw new TypeError('not here'); } static permission = 'granted'; };"
    )
    tab.goto("/tell?kind=silent")
    tab.get_by_role("button", name="Tell me", exact=True).press("Enter", timeout=30_000)
    rule = tab.locator(".ws-told-rules li")
    rule.get_by_role("button", name="Test").press("Enter")
    expect(tab.locator(".ws-told-list").last).to_contain_text("A test of your rule")
    tab.evaluate("window.webstat.onNews.forEach((act) => act())")
    shown = "navigator.serviceWorker.getRegistration('/assets/').then((one) => one ? one.getNotifications() : [])"
    for _ in range(100):
        found = tab.evaluate(f"{shown}.then((all) => all.map((one) => [one.body, one.data]))")
        if found:
            break
        tab.wait_for_timeout(100)
    assert found == [[f"A test of your rule silent, {CLUSTER}", f"/cluster/{CLUSTER}"]]
    rule.get_by_role("button", name="Remove").press("Enter")
    expect(rule).to_have_count(0)


def test_the_panel_of_a_job_has_a_button(tab: Page, recorded: Recorded) -> None:
    ident = living(recorded)[0][0]
    tab.goto(f"/job/{CLUSTER}/{ident}")
    tab.locator("button.ws-tell").first.click(timeout=30_000)
    expect(tab.locator("#refresh-said")).to_contain_text("You will be told")
    tab.goto("/tell")
    expect(tab.locator(".ws-told-rules li")).to_contain_text(f"job {ident} on {CLUSTER}", timeout=30_000)


def test_the_page_is_accessible_when_it_is_filled(browser: Browser, serve: Serve) -> None:
    looker = Looker(browser, serve().url, 1440)
    page = looker.open("/tell?kind=stuck")
    page.get_by_role("button", name="Tell me", exact=True).click()
    page.locator(".ws-told-rules li").get_by_role("button", name="Test").click()
    expect(page.locator(".ws-told-list").last).to_contain_text("A test of your rule")
    wrong = looker.violations()
    with looker.at(360):
        looker.theme("dark")
        wrong += looker.violations()
        assert looker.too_wide() <= 0
    looker.close()
    assert wrong == [] and looker.said == []
