from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from agent.curve import Peer
from tests.webstat.served import NOBODY, FakeCollector, served, settings_for
from tests.webstat.stores import Builder, Shape
from webstat.refresh import Answer, Refresher

Make = Callable[[Callable[[str], dict[str, Any] | None]], FakeCollector]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[FakeCollector] = []

    def make(answer: Callable[[str], dict[str, Any] | None]) -> FakeCollector:
        made.append(FakeCollector(answer))
        return made[-1]

    yield make
    for collector in made:
        collector.close()


def ask(endpoint: str, name: str = "one", seconds: float = 2.0) -> Answer:
    return asyncio.run(Refresher(lambda _: Peer(endpoint), answer_seconds=seconds).ask(name))


def test_a_new_report(make: Make) -> None:
    collector = make(
        lambda name: {"ok": True, "message": "a new report is in", "report": 4712, "next_allowed_at": 99.5}
    )
    assert ask(collector.refresh) == Answer(True, "one: a new report is in (report 4,712).", 99.5, 4712)
    assert collector.asked == ["one"]


def test_too_soon(make: Make) -> None:
    words = "refreshed 13 s ago; the next is allowed in 17 s"
    collector = make(lambda name: {"ok": False, "message": words, "report": 7, "next_allowed_at": 5})
    assert ask(collector.refresh) == Answer(False, f"one: {words}.", 5.0, 7)


def test_no_collector_is_told_soon() -> None:
    begun = time.monotonic()
    answer = ask(NOBODY["refresh"])
    assert not answer.ok
    assert "The collector does not answer" in answer.message
    assert "python -m collector run" in answer.message
    assert time.monotonic() - begun < 10


def test_a_collector_that_goes_away_before_it_is_asked_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def reached(*_: object) -> bool:
        return True

    monkeypatch.setattr("webstat.refresh._reach", reached)
    assert "The collector does not answer" in ask(NOBODY["refresh"]).message


def test_a_lost_answer_is_asked_for_once_more(make: Make) -> None:
    answers = [None, {"ok": True, "message": "a new report is in", "report": 5}]
    collector = make(lambda name: answers.pop(0))
    assert ask(collector.refresh, seconds=0.3).report == 5
    assert collector.asked == ["one", "one"]


def test_no_answer_at_all_is_given_up(make: Make) -> None:
    collector = make(lambda name: None)
    answer = ask(collector.refresh, seconds=0.3)
    assert not answer.ok
    assert "gave no answer" in answer.message
    assert collector.asked == ["one", "one"]


@pytest.mark.parametrize("reply", [[], {}, {"ok": True}, "text", {"ok": True, "message": "m", "report": "many"}])
def test_an_odd_answer_is_named(make: Make, reply: Any) -> None:
    assert ask(make(lambda name: reply).refresh) == Answer(False, "one: the collector’s answer could not be read.")


def test_long_words_are_cut(make: Make) -> None:
    collector = make(lambda name: {"ok": False, "message": "<b>" + "x" * 9999, "report": None})
    assert len(ask(collector.refresh).message) < 300


def test_browsers_that_ask_at_once_share_one_question(make: Make) -> None:
    collector = make(lambda name: time.sleep(0.3) or {"ok": True, "message": "a new report is in", "report": 5})

    async def many() -> list[Answer]:
        refresher = Refresher(lambda _: Peer(collector.refresh))
        return await asyncio.gather(*(refresher.ask(name) for name in ["one"] * 20 + ["two"]))

    answers = asyncio.run(many())
    assert len(answers) == 21
    assert sorted(collector.asked) == ["one", "two"]


@pytest.fixture
def builder(tmp_path: Path) -> Iterator[Builder]:
    builder = Builder(tmp_path / "store.sqlite")
    builder.add(Shape("one", "One", nodes=2, days=1))
    yield builder
    builder.close()


def post(url: str, **headers: str) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(url, method="POST", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_the_page_asks_for_known_clusters_and_its_own_people(make: Make, builder: Builder) -> None:
    collector = make(lambda name: {"ok": True, "message": "a new report is in", "report": 5, "next_allowed_at": 1.0})
    with served(settings_for(builder.url, "one", collector=collector)) as server:
        status, answer = post(f"{server.url}/refresh/one")
        assert (status, answer["ok"], answer["report"]) == (200, True, 5)
        assert post(f"{server.url}/refresh/two")[0] == 404
        assert post(f"{server.url}/refresh/one", Origin="http://elsewhere.example")[0] == 403
        with pytest.raises(HTTPError) as refused:
            urllib.request.urlopen(f"{server.url}/refresh/one")
        refused.value.close()
        assert refused.value.code in (404, 405)
    assert collector.asked == ["one"]
