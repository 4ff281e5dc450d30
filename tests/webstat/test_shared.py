"""Shared results, with a real memcached: signed, keyed by all they rest on, and never needed."""

from __future__ import annotations

import functools
import json
import logging
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from plotly.utils import PlotlyJSONEncoder
from pymemcache.client.base import Client

from collector.errors import SettingsError
from collector.settings import Settings
from scripts.run import free_port
from tests.databases import kept_in
from tests.webstat.programs import Process, memcached
from tests.webstat.recorded import Recorded
from tests.webstat.served import settings_for, wait_for
from tests.webstat.stores import Builder
from webstat import shared
from webstat.access.sources import Sources
from webstat.data.queries.engine import open_store
from webstat.data.queries.identity import identity_of
from webstat.data.queries.now import load_nodes
from webstat.privacy import OTHERS, Level, Veil
from webstat.router import Artist
from webstat.secret import load_secret
from webstat.shared import Shared, code_mark, words_of

SECRET = b"s" * 32


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with memcached(tmp_path_factory.mktemp("memcached")) as process:
        yield process


@pytest.fixture
def client(cache: Process) -> Iterator[Client]:
    """An empty memcached, and whoever else reaches it."""
    client = Client(("127.0.0.1", cache.port))
    client.flush_all(noreply=False)
    yield client
    client.close()


class Site:
    """Two web processes' view of one memcached."""

    def __init__(self, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shared, "WORTH_SECONDS", 0.0)
        self.port = port
        self.open: list[Shared] = []
        self.one, self.other = self.process(), self.process()

    def process(self, secret: bytes = SECRET, scope: str = "site") -> Shared:
        self.open.append(Shared([f"127.0.0.1:{self.port}"], secret, lambda: scope))
        return self.open[-1]

    def close(self) -> None:
        for one in self.open:
            one.close()


@pytest.fixture
def site(client: Client, cache: Process, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(shared, "ANSWER_SECONDS", 30.0)  # a busy machine is no reason to leave it alone
    site = Site(cache.port, monkeypatch)
    yield site
    site.close()


def never() -> Any:
    raise AssertionError("it was made again")


def keys_in(client: Client) -> list[str]:
    """What is in memcached, by its own words."""
    found = []
    for line in client.raw_command(b"lru_crawler metadump all", b"END\r\n").decode().splitlines():
        if line.startswith("key="):
            found.append(line.split()[0].removeprefix("key="))
    return found


def test_what_one_process_made_the_other_has(site: Site) -> None:
    frame = pd.DataFrame({"name": pd.Series(["a", None], dtype="str"), "cores": [1, 2]})
    assert site.one.get(("frame", 7), lambda: frame) is frame
    pd.testing.assert_frame_equal(site.other.get(("frame", 7), never), frame)


def test_a_new_report_is_another_result_in_both(site: Site) -> None:
    for report in (7, 8):
        assert site.one.get(("jobs", 1, report), lambda report=report: f"of {report}") == f"of {report}"
        assert site.other.get(("jobs", 1, report), never) == f"of {report}"


def test_none_is_a_result(site: Site) -> None:
    assert site.one.get(("none",), lambda: None) is None
    assert site.other.get(("none",), never) is None


def test_other_stores_code_and_secrets_share_nothing(site: Site, client: Client) -> None:
    site.one.get(("x",), lambda: "mine")
    assert site.process(scope="another site").get(("x",), lambda: "theirs") == "theirs"
    assert len(keys_in(client)) == 2
    assert site.process(secret=b"t" * 32).get(("x",), lambda: "theirs") == "theirs"
    assert site.process().get(("x",), lambda: "mine again") == "mine again", "that of the other secret is not taken"


class Exploit:
    """Unpickled, it says so."""

    ran: list[str] = []

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return Exploit.ran.append, ("ran",)


def test_what_others_put_there_is_not_taken(site: Site, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    site.one.get(("x",), lambda: "right")
    (name,) = keys_in(client)
    sealed = client.get(name)
    pickled = b'{"ct": 1, "v": 2}|' + pickle.dumps(Exploit())
    for value in (b"", b"x", sealed[:-1], sealed + b"x", sealed[:32] + b"-" + pickled, bytes(32) + b"-" + pickled, pickled, b"\x80" * 99):  # fmt: skip
        client.set(name, value, noreply=False)
        assert site.other.get(("x",), lambda: "made anew") == "made anew"
        assert site.one.get(("x",), never) == "made anew", "and put right"
    assert Exploit.ran == []
    assert "was not put there by this site" in caplog.text


def test_a_result_under_another_key_is_not_taken(site: Site, client: Client) -> None:
    site.one.get(("of Alice",), lambda: "Alice's")
    (alice,) = keys_in(client)
    site.one.get(("of Bob",), lambda: "Bob's")
    (bob,) = set(keys_in(client)) - {alice}
    client.set(bob, client.get(alice), noreply=False)
    assert site.other.get(("of Bob",), lambda: "Bob's") == "Bob's"


def test_large_results_are_compressed_or_left_out(site: Site, client: Client) -> None:
    text = "compressible " * 500_000
    site.one.get(("large",), lambda: text)
    assert site.other.get(("large",), never) == text
    noise = b"".join(hex(number * 7919 % 1_000_003).encode() for number in range(600_000))
    assert site.one.get(("noise",), lambda: noise) == noise
    assert site.other.get(("noise",), lambda: b"too large") == b"too large"


def test_what_cannot_be_sent_is_still_a_result(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    made = site.one.get(("lambda",), lambda: lambda: 5)
    assert made() == 5
    assert "not shared" in caplog.text
    assert site.one.get((object(),), lambda: 5) == 5


def test_what_is_quick_to_make_is_not_sent(site: Site, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "WORTH_SECONDS", 60.0)
    site.one.get(("quick",), lambda: 1)
    assert keys_in(client) == []


def test_what_fails_is_raised_and_tried_again(site: Site) -> None:
    with pytest.raises(ZeroDivisionError):
        site.one.get(("x",), lambda: 1 // 0)
    assert site.other.get(("x",), lambda: "well") == "well"


def test_of_two_that_ask_at_once_one_makes_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "PATIENCE_SECONDS", 30.0)
    monkeypatch.setattr(shared, "CLAIM_SECONDS", 60)
    asked, made = threading.Event(), []

    def make() -> str:
        made.append(1)
        asked.set()
        time.sleep(0.2)
        return "result"

    results: list[str] = []
    threads = [
        threading.Thread(target=lambda one=one: results.append(one.get(("x",), make))) for one in (site.one, site.other)
    ]
    threads[0].start()
    assert asked.wait(10)
    threads[1].start()
    for thread in threads:
        thread.join(30)
    assert (results, made) == (["result"] * 2, [1])


def test_who_died_over_it_is_not_waited_for(site: Site, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "PATIENCE_SECONDS", 0.05)
    site.one.get(("x",), lambda: 1)
    (name,) = keys_in(client)
    client.delete(name, noreply=False)
    client.add(f"{name}.claim", b"1", noreply=False)
    assert site.other.get(("x",), lambda: 2) == 2


def test_without_memcached_results_are_made(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    site = Site(free_port(0), monkeypatch)
    for number in range(50):
        assert site.one.get(("x", number), lambda number=number: number) == number
    assert caplog.text.count("memcached is of no help") == 1, "it is not tried again at each question"
    site.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # sockets that its death left open
def test_killed_and_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:  # fmt: skip
    monkeypatch.setattr(shared, "REST_SECONDS", 0.2)
    monkeypatch.setattr(shared, "ANSWER_SECONDS", 1.0)
    caplog.set_level(logging.INFO)
    with memcached(tmp_path) as cache:
        site, over = Site(cache.port, monkeypatch), threading.Event()
        wrong: list[object] = []

        def ask(one: Shared) -> None:
            number = 0
            while not over.is_set():
                number += 1
                found = one.get(("x", number), lambda number=number: number)
                if found != number:
                    wrong.append(found)

        threads = [threading.Thread(target=ask, args=(one,)) for one in (site.one, site.other) for _ in range(2)]
        for thread in threads:
            thread.start()
        cache.kill()
        wait_for(lambda: caplog.text.count("of no help") >= 2, "both to notice", 60)
        cache.start()
        wait_for(lambda: caplog.text.count("helps again") >= 2, "both to use it again", 60)
        noticed, used = caplog.text.count("of no help"), caplog.text.count("helps again")
        cache.signal(signal.SIGSTOP)  # it hangs: a little is waited, then it is left alone
        wait_for(lambda: caplog.text.count("of no help") >= noticed + 2, "both to notice that it hangs", 60)
        cache.signal(signal.SIGCONT)
        wait_for(lambda: caplog.text.count("helps again") >= used + 2, "both to use it again", 60)
        over.set()
        for thread in threads:
            thread.join(30)
        assert wrong == []
        wait_for(lambda: _is_shared(site), "results to be shared again")
        site.close()


def _is_shared(site: Site) -> bool:
    key = ("again", time.monotonic())
    site.one.get(key, lambda: "one")
    return site.other.get(key, lambda: "other") == "one"


def test_words_of_keys() -> None:
    assert words_of(("a", 1, 1.5, None, True, b"\0", frozenset({"b", "a"}))) == (
        "('a',1,1.5,None,True,b'\\x00',{'a','b'})"
    )
    assert words_of(load_nodes) == "webstat.data.queries.now.load_nodes"
    assert words_of(("1",)) != words_of((1,))
    for strange in (lambda: 1, object(), functools.partial(print)):
        with pytest.raises(TypeError):
            words_of((strange,))


def test_the_code_is_marked() -> None:
    assert code_mark() == code_mark()
    assert len(code_mark()) == 64


def test_the_secret(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "web.secret"
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(load_secret(path, "memcached"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(found) == 8
    assert len(set(found)) == 1
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]
    assert load_secret(path, "sessions") != found[0]
    path.chmod(0o640)
    with pytest.raises(SettingsError, match="chmod 600"):
        load_secret(path, "memcached")
    path.chmod(0o600)
    path.write_text("short\n")
    with pytest.raises(SettingsError, match="too short"):
        load_secret(path, "memcached")
    with pytest.raises(SettingsError, match="as the service's user run"):
        load_secret(path / "below", "memcached")


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_every_store_has_an_identity(tmp_path: Path, kind: str) -> None:
    with kept_in(kind):
        builders = [Builder(tmp_path / name) for name in ("one", "two")]
        settings = [settings_for(builder.url) for builder in builders]
        engines = [open_store(one.store.url) for one in settings]
        identities = [identity_of(engine, one.store.file) for engine, one in zip(engines, settings, strict=True)]
        again = open_store(settings[0].store.url)
        assert identities[0]() == identities[0]() == identity_of(again, settings[0].store.file)()
        assert identities[0]() != identities[1]()
        before = identities[0]()
        if kind == "sqlite":
            (tmp_path / "two").rename(tmp_path / "one")  # as restoring a backup does
            assert identities[0]() != before
        for engine in (*engines, again):
            engine.dispose()
        for builder in builders:
            builder.close()


PAGES = (
    "/", "/free", "/jobs", "/health", "/history", "/history?metric=wait", "/history?metric=utilisation&by=cluster", "/history?range=5y&by=user",
    "/history?by=group", "/history/jobs?range=7d", "/cluster/large", "/cluster/mixed?by=group", "/cluster/torque",
)  # fmt: skip


def test_pages_are_the_same_from_shared_results(
    recorded: Recorded, cache: Process, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:  # fmt: skip
    monkeypatch.setattr(shared, "WORTH_SECONDS", 0.0)
    monkeypatch.setattr(shared, "PATIENCE_SECONDS", 30.0)
    monkeypatch.setattr(shared, "ANSWER_SECONDS", 30.0)
    user = next(job.user for job in recorded.reports["mixed"].jobs)
    pages = (*PAGES, f"/user/{user}")
    alone = _drawn(recorded.settings(), pages, recorded.now)
    assert not [page for page, drawing in zip(pages, alone, strict=True) if "There is no such page" in drawing]
    sharing = recorded.settings(memcached=f"127.0.0.1:{cache.port}", secret_file=tmp_path / "web.secret")
    assert _drawn(sharing, pages, recorded.now) == alone
    put = client.stats()[b"curr_items"]
    assert put > 60
    missed = client.stats()[b"get_misses"]
    assert _drawn(sharing, pages, recorded.now) == alone
    assert client.stats()[b"curr_items"] == put
    assert client.stats()[b"get_misses"] == missed, "all that was made was shared"
    assert "not shared" not in caplog.text
    assert "of no help" not in caplog.text


def test_who_sees_less_is_given_nothing_of_who_sees_more(
    recorded: Recorded, cache: Process, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same question through each veil, first by those who see all, in two processes."""
    monkeypatch.setattr(shared, "WORTH_SECONDS", 0.0)
    monkeypatch.setattr(shared, "ANSWER_SECONDS", 30.0)
    sharing = recorded.settings(memcached=f"127.0.0.1:{cache.port}", secret_file=tmp_path / "web.secret")
    user = next(job.user for job in recorded.reports["mixed"].jobs)
    veils = [
        None, Veil(Level.PSEUDONYMS, salt=b"a"), Veil(Level.PSEUDONYMS, salt=b"b"), Veil(Level.OWN, user), Veil(Level.TOTALS),
    ]  # fmt: skip

    def holders() -> list[list[str]]:
        sources = Sources(sharing)
        try:
            (cluster,) = (one for one in sources.full.clusters() if one.name == "mixed")
            return [sorted(set(sources.through(veil).totals(cluster)["user"])) for veil in veils]
        finally:
            sources.close()

    told = holders()
    hits = client.stats()[b"get_hits"]
    assert holders() == told
    assert client.stats()[b"get_hits"] == hits + len(veils)
    assert user in told[0]
    assert told[3] == sorted({user, OTHERS})
    assert told[4] == [OTHERS]
    assert len({tuple(one) for one in told}) == len(veils)


def _drawn(settings: Settings, pages: Sequence[str], now: float) -> list[str]:
    """What a process that has just been started draws."""
    sources = Sources(settings)
    artist = Artist(sources)
    try:
        viewer = {"theme": "light", "zone": "UTC", "me": ""}
        drawings = [artist.draw(True, page, viewer, {}, now).regions["page"] for page in pages]
        return [json.dumps(drawing, cls=PlotlyJSONEncoder) for drawing in drawings]
    finally:
        sources.close()
