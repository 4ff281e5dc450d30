"""Users and groups as text: what they have now, and what their jobs cost and used."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from agent.states import HOLDS_CORES
from tests.webstat.recorded import Recorded
from tests.webstat.served import Server, served
from webstat.answers import cost
from webstat.data import people
from webstat.data.source import Source
from webstat.format import NBSP


@pytest.fixture(scope="module")
def server(recorded: Recorded) -> Iterator[Server]:
    with served(recorded.settings()) as server:
        yield server


def lines(server: Server, address: str) -> list[str]:
    answer = requests.get(server.url + address, timeout=30)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    return answer.text.splitlines()


@pytest.mark.parametrize(("by", "name"), [("user", "alice"), ("user", "bob"), ("group", "physics")])
def test_it_says_what_the_page_says(server: Server, recorded: Recorded, by: str, name: str) -> None:
    first, *rest = lines(server, f"/{by}/{name}.txt")
    running = [
        job
        for report in recorded.reports.values()
        for job in report.jobs
        if job.state in HOLDS_CORES and getattr(job, by) == name
    ]
    assert first.startswith(f"{name} ({by}): {len(running)} job")
    assert f"running on {sum(job.cores for job in running):,} core" in first
    source = Source(recorded.settings())
    titles = {one.name: one.title for one in source.clusters()}
    said = cost.sentences(people.used(source, by, name, recorded.now)[0], people.DAYS, titles)
    source.close()
    assert rest == [line.replace(NBSP, " ") for line in said]
    assert len(rest) > 1


def test_a_past_moment_is_named_and_strangers_have_nothing(server: Server, recorded: Recorded) -> None:
    assert lines(server, f"/user/alice.txt?at={int(recorded.now) - 3}")[0].startswith("As of ")
    assert lines(server, "/user/%3Cb%3Enobody.txt") == [
        "<b>nobody (user): 0 jobs running on 0 cores, 0 queued, 0 held.",
        "No job that ran has ended in the last 30 days.",
    ]
