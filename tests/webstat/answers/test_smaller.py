"""What asking for less would have meant: which own jobs support it, and which waits are told, also by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
import pytest

from collector.lives import NO_WALLTIME, SIZES, WALLTIMES
from collector.settings import Settings
from tests.databases import store_at
from tests.webstat.data.explore.random_store import DAY, HOUR, SINCE, UNTIL, Plain, Span, make_jobs, write_store
from tests.webstat.test_pages import PANEL, Site, said
from webstat.answers.smaller import LEAST, OWN_JOBS, SIZE, WALLTIME, Alike, alike_jobs, best, like, waits_by_class
from webstat.data import people
from webstat.data.source import Source
from webstat.privacy import Level, Veil

MINUTE = 60
NOW = UNTIL + 5.0


def used(*rows: tuple[int, float, float | None, float | None, int], apart: int = DAY) -> pd.DataFrame:
    """load_ended_use() of jobs: how many, hours asked for, hours run, cores busy of 16, exit status."""
    made: list[tuple[Any, ...]] = []
    for count, asked, ran, busy, status in rows:
        cpu = None if busy is None or ran is None else busy * ran * HOUR
        made += [("one", "long", 16, int((ran or 0) * HOUR), cpu, asked * HOUR or None, None, None, status)] * count
    names = (
        "cluster", "queue", "cores", "ran_seconds", "cpu_used_seconds", "walltime_seconds", "memory_bytes",
        "memory_used_bytes", "exit_status",
    )  # fmt: skip
    return (
        pd.DataFrame(made, columns=list(names))
        .astype(dict.fromkeys(names[4:], "float64"))
        .assign(submitted_at=[SINCE + apart * number for number in range(len(made))])
    )


LIKE = Alike("one", "long", WALLTIME, size=2, walltime=3, enough=1, jobs=20, fitted=20)


@pytest.mark.parametrize(
    ("frame", "found"),
    [
        (used((20, 24, 3.0, 16, 0)), [LIKE]),
        (used((20, 24, 3.0, 16, 0), (5, 24, 2.0, 16, 1)), [LIKE]),  # those that failed early tell nothing
        (used((20, 24, 3.0, 16, 0), (5, 24, 24.0, 16, 271)), []),  # those that were cut off speak against it
        (used((20, 24, 3.3, 16, 0)), [replace(LIKE, enough=2)]),  # 4 h would leave no margin
        (used((OWN_JOBS - 1, 24, 3.0, 16, 0)), []),
        (used((19, 24, 3.0, 16, 0), (1, 24, 20.0, 16, 0)), []),  # interpolated upwards: 5 % of 20 is the longest
        (used((39, 24, 3.0, 16, 0), (1, 24, 20.0, 16, 0)), [replace(LIKE, jobs=40, fitted=39)]),
        (used((20, 24, 20.0, 16, 0)), []),
        (used((20, 0, 3.0, 16, 0)), []),  # who asks for no walltime cannot ask for less
        (used((20, 24, 20.0, 2.0, 0)), [replace(LIKE, by=SIZE, enough=1)]),
        (used((20, 24, 20.0, 7.0, 0)), []),  # 7 x 1.25 is in the class asked for
        (used((20, 24, 20.0, None, 0)), []),
        (used((20, 24, 3.0, 16, 0), apart=1), []),  # one array's tasks
    ],
)  # fmt: skip
def test_own_jobs_support_it_or_do_not(frame: pd.DataFrame, found: list[Alike]) -> None:
    assert list(alike_jobs(frame)) == found


def test_a_job_that_needs_more_than_its_likes_is_told_nothing() -> None:
    asked = ("one", "long", 16, 24 * HOUR)
    assert like([LIKE], *asked, 3 * HOUR, 16.0) == [LIKE]
    assert like([LIKE], *asked, 5 * HOUR, 16.0) == []
    assert like([LIKE], "one", "long", 16, 12 * HOUR, 3 * HOUR, None) == []
    assert like([LIKE], "one", "short", 16, 24 * HOUR, 3 * HOUR, None) == []
    assert like([LIKE], "one", "long", 16, None, 3 * HOUR, None) == []


# Waits, from stores


def opened(folder: Path, jobs: list[Plain], *, packed: bool = True) -> Source:
    write_store(folder / "store.sqlite", jobs, packed=packed).dispose()
    return Source(Settings.model_validate({"store": {"url": store_at(folder / "store.sqlite")}}))


def class_of(limits: tuple[int, ...], value: int | None) -> int:
    if value is None:
        return NO_WALLTIME
    return next((number for number, most in enumerate(limits) if value <= most), len(limits))


@pytest.mark.parametrize("by", [WALLTIME, SIZE])
def test_waits_are_those_counted_by_hand(tmp_path: Path, by: str) -> None:
    jobs = make_jobs(5, 4000)
    source, since = opened(tmp_path, jobs), SINCE + 20 * DAY
    compared = 0
    for queue in ("short", "long"):
        for size, walltime in ((0, 3), (2, NO_WALLTIME), (1, 5)):
            kind = Alike("one", queue, by, size, walltime, 0, 20, 20)
            waits: dict[int, list[int]] = {}
            for job in jobs:
                classes = {SIZE: class_of(SIZES, job.cores), WALLTIME: class_of(WALLTIMES, job.walltime)}
                other, same = (SIZE, size) if by == WALLTIME else (WALLTIME, walltime)
                if (job.cluster, job.queue) != ("one", queue) or classes[other] != same:
                    continue
                if job.started is not None and since <= job.started < UNTIL:
                    began = job.submitted if job.eligible is None else job.eligible
                    waits.setdefault(classes[by], []).append(max(0, job.started - began))
            expected = {key: (median(told), len(told)) for key, told in waits.items() if len(told) >= LEAST}
            found = waits_by_class(source, source.clusters(), kind, since, NOW)
            assert {key: (one.half_seconds, one.jobs) for key, one in found.items()} == expected
            compared += len(expected)
    assert compared > 6
    source.close()


def a_job(user: str, walltime: int, waited: int, ran: int, ago: int, **other: Any) -> Plain:
    start = UNTIL - ago
    spans = (
        Span(start - waited, start, False, True, "long", 16, 0),
        Span(start, start + ran, True, False, "long", 16, 0),
    )
    plain = Plain(
        "one", user, "physics", None, "long", 16, 0, start - waited, None, start, start + ran, 0, walltime, ran,
        16 * ran * 9 // 10, spans,
    )  # fmt: skip
    return replace(plain, **other)


def story(short: int = 40, waited: int = 20 * MINUTE) -> list[Plain]:
    """Alice asks for a day and runs two hours; who asks for four hours waits less."""
    mine = [a_job("alice", 24 * HOUR, 190 * MINUTE, 2 * HOUR, (n + 1) * 10 * HOUR) for n in range(15)]
    long = [a_job("bob", 24 * HOUR, 190 * MINUTE, 20 * HOUR, (n + 20) * 7 * HOUR) for n in range(30)]
    less = [a_job("bob", 4 * HOUR, waited, 3 * HOUR, (n + 2) * 9 * HOUR) for n in range(short)]
    return [*mine, *long, *less]


OWN = "All of your 15 jobs of 9–32 cores in One · long that asked for 12 h to 1 d and ended without error ran at most 4 h."
WAITED = (
    "In long, jobs of 9–32 cores that asked for 1 h to 4 h waited 20 min (median of 40 in 30 days), "
    "those that asked for 12 h to 1 d 3 h 10 (of 45)."
)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    source = opened(tmp_path, story())
    yield Site(source)
    source.close()


def words(part: Any) -> str:
    return said(part).replace("\u00a0", " ")


def test_the_owner_is_told_on_their_page_on_the_job_and_on_the_overview(site: Site) -> None:
    for address in ("/user/alice", "/"):
        shown = words(site.page(address, now=NOW, me="alice"))
        assert OWN in shown and WAITED in shown, address
    shown = words(site.page("/job/one/1", now=NOW, me="alice"))
    assert OWN.replace("of 9–32 cores in One · long", "like this one") in shown and WAITED in shown
    assert "Asked for 1 d, ran 2 h (8 %)." in shown
    site.drawn = {}
    assert WAITED in words(site.draw("/jobs?job=one%2F1", now=NOW, me="alice")[PANEL])


def test_nobody_else_is_told_what_to_do(site: Site) -> None:
    for address, me in (
        ("/user/alice", "bob"),
        ("/user/alice", ""),
        ("/group/physics", "alice"),
        ("/job/one/1", "bob"),
    ):
        shown = words(site.page(address, now=NOW, me=me))
        assert "of your" not in shown and "median of" not in shown, (address, me)
        assert "Do the jobs use what they ask for?" in shown or "Asked for 1 d, ran 2 h (8 %)." in shown


def test_of_a_group_it_is_told_of_all_its_jobs_together(tmp_path: Path) -> None:
    """Those of bob, who runs for long, are another group's here."""
    jobs = [replace(job, group="physics" if job.user == "alice" else "chemistry") for job in story()]
    carols = [replace(job, user="carol") for job in jobs[:5]]
    source = opened(tmp_path, [*carols, *jobs[5:]])
    site = Site(source)
    shown = words(site.page("/group/physics", now=NOW))
    assert OWN.replace("your", "the group’s") in shown and WAITED in shown
    assert "median of" not in words(site.page("/group/chemistry", now=NOW))
    assert "median of" not in words(site.page("/user/alice", now=NOW)), "of ten jobs, and to others"
    source.close()
    veiled = Source(source.settings, veil=Veil(Level.PSEUDONYMS, me="alice", salt=b"salt"))
    assert "median of" not in words(Site(veiled).page("/group/physics", now=NOW, me="alice"))
    veiled.close()


@pytest.mark.parametrize(
    ("short", "waited"),
    [(LEAST - 1, 20 * MINUTE), (40, 100 * MINUTE), (40, 200 * MINUTE)],
    ids=["too few", "not half", "longer"],
)
def test_a_wait_that_is_not_much_shorter_is_not_told(tmp_path: Path, short: int, waited: int) -> None:
    source = opened(tmp_path, story(short, waited))
    kinds = people.used(source, people.USER, "alice", NOW)[1]
    assert [(kind.by, kind.enough, kind.jobs) for kind in kinds] == [(WALLTIME, 1, 15)]
    assert best(source, source.clusters(), kinds, people.first_day(NOW), NOW) is None
    source.close()
