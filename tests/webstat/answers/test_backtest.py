"""The past is asked again without its future, and answers that do not hold are made anew or withheld."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC

import numpy as np
import pytest

from collector.lives import IRREGULAR, pack_columns
from webstat.answers import similar as similar_module
from webstat.answers.backtest import AN_HOUR, FEWEST_TRIED, Record, Tried, is_good, record, tried
from webstat.answers.forecast import Forecast, NotForetold, Past, foretell
from webstat.answers.similar import changed_at, quantile
from webstat.answers.waits import DAY, HOUR, Asked, Waits, waits_of

NOW = 1_790_000_000
QUEUE = 7


def history(waits: np.ndarray, apart: float = 600.0, held: np.ndarray | None = None) -> Waits:
    """Jobs of one kind that came `apart` from each other, the last one at NOW, and waited so long, or were held."""
    came = NOW - apart * np.arange(len(waits))[::-1]
    count = len(waits)
    jobs = {
        "submitted_at": came,
        "eligible_at": np.full(count, np.nan),
        "started_at": came + waits,
        "ended_at": came + waits + 1000,
        **{
            name: np.full(count, 1.0)
            for name in ("user_id", "group_id", "account_id", "cores", "exit_status", "implied")
        },
        **{name: np.full(count, 0.0) for name in ("gpus", "ended_estimated", "task")},
        **{name: np.full(count, np.nan) for name in ("walltime_used_seconds", "cpu_used_seconds")},
        "walltime_seconds": np.full(count, 3600.0),
        "queue_id": np.full(count, float(QUEUE)),
        "id": np.arange(count, dtype=float),
    }
    # What has not started by NOW waits, what has not ended runs.
    for name in ("started_at", "ended_at"):
        jobs[name] = np.where(jobs[name] <= NOW, jobs[name], np.nan)
    jobs["implied"] = (~np.isnan(jobs["ended_at"])).astype(float)
    nothing = {name: np.zeros(0) for name in ("job_id", "since", "until", "state", "queue_id", "cores", "gpus")}
    columns, _ = pack_columns(jobs, nothing, 0, NOW)
    columns["flags"] = np.where(np.zeros(count, dtype=bool) if held is None else held, IRREGULAR, 0)
    return waits_of(columns, UTC)[QUEUE]


def good(share: float | None) -> bool:
    return share is not None and is_good(share)


def drawn(count: int, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).exponential(3 * HOUR, count).round()


def test_what_is_drawn_alike_is_foretold_as_it_says() -> None:
    found = record(tried(history(drawn(6000)), NOW))
    assert good(found.held)
    assert found.held_half is not None and 0.4 <= found.held_half <= 0.6
    assert found.usual == found.held and found.most_share is None and not found.withheld


def test_nothing_of_the_future_comes_in() -> None:
    """Whatever starts after a job was asked about, the answer stays what it was."""
    waits = drawn(1500)
    whole = tried(history(waits), NOW)
    at = float(whole.at[len(whole) // 2])
    kept = NOW - 600.0 * np.arange(len(waits))[::-1] + waits <= at  # started by then
    other = np.where(kept, waits, waits + np.random.default_rng(5).exponential(30 * HOUR, len(waits)).round())
    changed = tried(history(other), NOW)
    before, after = whole.at <= at, changed.at <= at
    answers = {
        when: (half, most)
        for when, half, most in zip(whole.at[before], whole.half[before], whole.most[before], strict=True)
    }
    compared = 0
    for when, half, most in zip(changed.at[after], changed.half[after], changed.most[after], strict=True):
        if when in answers:
            assert answers[when] == (half, most)
            compared += 1
    assert compared > 50
    assert whole.most[-1] != changed.most[-1]


@pytest.mark.parametrize("waited", [0.0, AN_HOUR])
def test_each_answer_is_the_forecast_that_was_given_then(waited: float) -> None:
    waits = history(drawn(900))
    found = tried(waits, NOW, waited)
    held, told = [], []
    for at, wait in zip(found.at, found.wait, strict=True):
        then = foretell(
            Past({"q": waits}), queue="q", cores=1, gpus=0, walltime_seconds=3600, now=float(at), waited_seconds=waited
        )
        assert isinstance(then, Forecast)
        told.append((then.p50_seconds, then.p90_seconds))
        held.append(wait <= then.p90_seconds)
    assert told == list(zip(found.half, found.most, strict=True))
    assert record(found).usual == np.mean(held)


def test_a_job_that_still_waits_counts_once_its_time_is_over() -> None:
    waits = drawn(400)
    waits[-300:-250] = 90 * DAY  # came two days ago and have not started
    found = tried(history(waits), NOW)
    late = found.wait > 1.2 * DAY
    assert np.count_nonzero(late) >= 30
    assert not (found.wait[late] <= found.most[late]).any()
    assert (found.wait <= NOW - found.at).all()


def test_of_few_nothing_is_said() -> None:
    found = record(tried(history(drawn(FEWEST_TRIED + 10)), NOW))
    assert found.held is None and not found.withheld
    assert found.tried < FEWEST_TRIED and found.declined >= 20


def asked_of(waits: Waits, made: Record) -> Forecast | NotForetold:
    past = Past({"q": waits}, UTC, lambda queue, waiting: made)
    return foretell(past, queue="q", cores=1, gpus=0, walltime_seconds=3600, now=NOW)


def answers(place: np.ndarray, usual: float) -> Tried:
    """Answers of which the 90 % time of `usual` held, and the quantile `place` would have."""
    count = len(place)
    wait = place * DAY
    most = np.where(place <= np.quantile(place, usual), wait, wait / 2)
    return Tried(NOW + np.arange(count), wait, np.full(count, np.median(wait)), most, place, 0)


def test_times_that_hold_too_seldom_are_made_longer() -> None:
    rng = np.random.default_rng(1)
    found = record(answers(np.sqrt(rng.uniform(0, 1, 300)), 0.7))  # late: of ten jobs nine start by the 0.95 quantile
    assert found.usual is not None and found.usual < 0.85
    assert found.most_share is not None and 0.92 < found.most_share < 0.98
    assert good(found.held) and not found.withheld
    waits = history(drawn(2000))
    told, usual = asked_of(waits, found), asked_of(waits, Record())
    assert isinstance(told, Forecast) and isinstance(usual, Forecast)
    assert told.p90_seconds > usual.p90_seconds and told.held == found.held
    asked = Asked(0, 0, int(waits.hours[-1]), waits.crowd_at(0, NOW))
    assert told.p90_seconds == quantile(similar_module.similar(waits, asked, NOW, 0).waits, found.most_share)


def test_times_that_hold_too_often_are_made_shorter() -> None:
    found = record(answers(np.random.default_rng(2).uniform(0, 1, 300) ** 2, 0.99))
    assert found.usual is not None and found.usual > 0.95
    assert found.most_share is not None and 0.7 < found.most_share < 0.9
    assert good(found.held)


@pytest.mark.parametrize(
    "later",
    [lambda count: np.full(count, 2.0), lambda count: np.zeros(count) + 0.001],
    ids=["all longer than before", "all shorter than before"],
)
def test_what_no_quantile_mends_is_withheld(later: Callable[[int], np.ndarray]) -> None:
    """The past of the first two thirds says nothing of the last third."""
    rng = np.random.default_rng(4)
    place = np.concatenate([rng.uniform(0, 1, 200), later(100)])
    found = record(answers(place, 0.6))
    assert found.withheld and found.held == found.usual
    told = asked_of(history(drawn(500)), found)
    assert isinstance(told, NotForetold)
    assert told.why == "the 90\u00a0% time held for 60 of 100"


def test_minutes_need_not_be_shorter() -> None:
    waits = history(np.random.default_rng(6).integers(0, 3, 2000).astype(float))
    found = record(tried(waits, NOW))
    assert found.held == 1.0 and not found.withheld and found.most_share is None


def test_history_from_before_a_change_does_not_count() -> None:
    calm, busy = drawn(400, 8), drawn(120, 9) + 4 * DAY
    assert changed_at(calm) == 0
    place = changed_at(np.concatenate([calm, busy]))
    assert 380 <= place <= 461  # of the change, but for the fewest that are kept
    assert changed_at(drawn(40)) == 0


def test_waits_that_follow_each_other_tell_no_change() -> None:
    """Half of those that are over the bound follow another one: a run of some is nothing rare."""
    rng = np.random.default_rng(10)
    over = np.zeros(2000, dtype=bool)
    for place in range(1, 2000):
        over[place] = rng.uniform() < (0.5 if over[place - 1] else 0.04)
    waits = np.where(over, 10 * HOUR, HOUR) + rng.uniform(0, 1, 2000)
    threes = over[:-2] & over[1:-1] & over[2:]
    assert threes.any()
    assert changed_at(waits[: int(np.flatnonzero(threes)[0]) + 60]) == 0


def test_what_was_held_and_never_started_is_no_miss() -> None:
    waits = drawn(400)
    waits[-300:-250] = 90 * DAY
    held = np.zeros(400, dtype=bool)
    held[-300:-250] = True
    assert record(tried(history(waits), NOW)).usual == pytest.approx(0.77, abs=0.05)
    assert record(tried(history(waits, held=held), NOW)).usual == pytest.approx(0.91, abs=0.04)
