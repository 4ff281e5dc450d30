from __future__ import annotations

import pytest

from webstat.data.frames import Capacity, Jobs
from webstat.format import When
from webstat.sentences import answering, room, together


def said(capacity: Capacity, jobs: Jobs) -> str:
    _, matter, rest = room(capacity, jobs)
    return matter + "".join(part if isinstance(part, str) else f"<{part.form}>" for part in rest)


FULL = Capacity(in_use=100, installed=100, free=0, nodes=4)
SOME = Capacity(in_use=60, installed=100, free=40, whole_nodes=1, nodes=4)


@pytest.mark.parametrize(
    ("capacity", "jobs", "words"),
    [
        (Capacity(0, installed=3072, free=3072, nodes=128), Jobs(), "Nothing runs, nothing waits. All 3,072 cores are free."),
        (Capacity(0, installed=10, free=1, nodes=2), Jobs(), "Nothing runs, nothing waits. 1 of 10 cores is free."),
        (SOME, Jobs(running=3), "40 cores are free, 1 whole node among them. Nothing waits."),
        (SOME, Jobs(running=3, queued=1, oldest_queued_at=5), "40 cores are free, 1 whole node among them. 1 job waits, the longest for <age>."),
        (FULL, Jobs(running=3, queued=9, oldest_queued_at=5), "Full. 9 jobs wait, the longest for <age>."),
        (FULL, Jobs(running=3), "Full. Nothing waits."),
        (Capacity(5), Jobs(running=1), "The scheduler tells of no nodes. How many cores are free cannot be said."),
        (Capacity(5, nodes=2), Jobs(running=1), "The scheduler tells no cores of its nodes. How many cores are free cannot be said."),
    ],
)  # fmt: skip
def test_the_most_important_sentence(capacity: Capacity, jobs: Jobs, words: str) -> None:
    assert said(capacity, jobs) == words


def test_moments_are_left_to_the_browser() -> None:
    rest = room(FULL, Jobs(running=1, queued=2, oldest_queued_at=1234))[2]
    assert When(1234, "age") in rest


@pytest.mark.parametrize(
    ("total", "live", "words"),
    [(3, 3, "3 clusters"), (3, 2, "3 clusters, 2 answering"), (1, 0, "1 cluster, none answering"), (1, 1, "1 cluster")],
)
def test_the_headline(total: int, live: int, words: str) -> None:
    assert answering(total, live) == words


def test_totals_name_the_clusters_they_leave_out() -> None:
    parts = [(SOME, Jobs(running=3, queued=2)), (FULL, Jobs(running=1))]
    assert together(parts, []) == ("Together: ", "40 cores free", " of 200, 4 jobs running, 2 queued.")
    assert together(parts, ["biox3"])[0] == "Without biox3: "
    assert together(parts, ["a", "b", "c"])[0] == "Without a, b and c: "
    assert together(parts, ["a", "b", "c", "d"])[0] == "Without a, b and 2 more: "
