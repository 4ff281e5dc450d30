"""What asking costs, and how polls went: pure sums of polls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.store import PollTimes, Store
from tests.collector.reports import T0, a_report, settings_for
from tests.databases import store_at
from webstat.data.asking import CELL_SECONDS, Outcome, loads, outcomes
from webstat.data.source import Source
from webstat.format import DAY, HOUR

UNTIL = T0 + DAY


@given(st.lists(st.tuples(st.integers(T0, UNTIL - 1), st.booleans()), max_size=60))
def test_every_poll_is_in_one_cell(asked: list[tuple[int, bool]]) -> None:
    polls = pd.DataFrame(
        {"at": [at for at, _ in asked], "error_code": ["silent" if failed else None for _, failed in asked]}
    ).astype({"at": "int64", "error_code": "object"})
    cells = outcomes(polls, [(T0, T0 + HOUR)], T0, UNTIL, UNTIL - 60)
    assert len(cells) == DAY // CELL_SECONDS
    assert (cells[0].since, cells[-1].until) == (T0, UNTIL - 60), "the last is not over"
    for cell in cells:
        mine = Counter(failed for at, failed in asked if cell.since <= at < cell.since + CELL_SECONDS)
        assert (cell.polls, cell.failed) == (mine.total(), mine[True])
        if not mine:
            assert cell.outcome is (Outcome.BETWEEN if cell.since < T0 + HOUR else Outcome.NONE)
        else:
            assert (cell.outcome is Outcome.FAILED) == (not mine[False])
            assert (cell.outcome is Outcome.ANSWERED) == (not mine[True])


@pytest.fixture
def store(each_store: str, tmp_path: Path) -> Iterator[Store]:
    store = Store(store_at(tmp_path / "store.sqlite"))
    yield store
    store.close()


def test_the_load_is_what_commands_took(store: Store, tmp_path: Path) -> None:
    settings = settings_for("a", "b", "c", load_share=0.1)
    settings = settings.model_copy(
        update={
            "store": settings.store.model_copy(update={"url": store_at(tmp_path / "store.sqlite")}),
            "cluster": (*settings.cluster[:2], settings.cluster[2].model_copy(update={"load_share": 0.0})),
        }
    )
    ids = store.sync_clusters(settings)
    source = Source(settings)
    assert loads(source, T0)["a"].rounds_day == 0
    for at in (T0, T0 + 30 * 60, T0 + 50 * 60):
        report = a_report(at, query_seconds={"jobs": 20.0, "nodes": 10.0})
        store.store_report(ids["a"], report, PollTimes(at - 30, 31.0, period=300))
    store.store_report(ids["a"], report, PollTimes(at + 10, 0.1))  # a repeat: the scheduler was not asked
    store.store_failure(ids["a"], PollTimes(at + 60, 60.0, query_seconds=60.0), "command_timeout", "killed")
    store.store_failure(ids["a"], PollTimes(at + 200, 5.0), "silent", "nobody there")
    known = loads(source, T0 + HOUR + 60)
    a = known["a"]
    assert (a.rounds_hour, a.seconds_hour, a.rounds_day, a.seconds_day) == (3, 120.0, 4, 150.0)
    assert (a.wished_seconds, a.period_seconds, a.slowed, a.budget_share) == (60, 300, True, 0.1)
    assert a.share_hour == pytest.approx(120 / 3600)
    assert a.share_day == pytest.approx(150 / 86400)
    assert (known["b"].rounds_day, known["b"].slowed) == (0, False)
    assert known["c"].budget_share is None
    assert np.isclose(loads(source, T0 + 2 * DAY)["a"].seconds_day, 0.0)
    (cluster, *_) = source.clusters()
    assert cluster.query_parts == (("jobs", 20.0), ("nodes", 10.0))
    source.close()
