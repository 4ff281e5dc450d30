"""Two accounts of one life become one, whichever comes first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.states import IS_PENDING, JobState
from collector.schema import OPEN
from collector.spans import Span, first_difference, joined, painted

QUEUED, HELD, RUNNING, SUSPENDED = JobState.QUEUED, JobState.HELD, JobState.RUNNING, JobState.SUSPENDED


def span(since: int, until: int, state: JobState, queue: str = "q") -> Span:
    return Span(since, until, state, queue, 4, 0)


TOLD = [span(0, 10, QUEUED), span(10, 20, RUNNING)]


def test_what_agrees_with_the_log_stays() -> None:
    seen = [span(0, 3, QUEUED), span(3, 8, HELD), span(8, 12, QUEUED), span(12, 15, SUSPENDED), span(15, OPEN, RUNNING)]
    assert painted(seen, TOLD) == [
        span(0, 3, QUEUED),
        span(3, 8, HELD),
        span(8, 10, QUEUED),
        span(10, 12, RUNNING),
        span(12, 15, SUSPENDED),
        span(15, 20, RUNNING),
    ]


def test_a_job_that_was_seen_only_waiting_ran_all_the_same() -> None:
    assert painted([span(0, 7, HELD)], TOLD) == [span(0, 10, HELD), span(10, 20, RUNNING)]


def test_what_was_seen_after_its_end_was_not() -> None:
    assert painted([span(0, 10, QUEUED), span(10, 35, RUNNING)], TOLD) == TOLD


def test_before_the_last_run_all_counts_where_the_log_does_not_tell_it() -> None:
    seen = [span(0, 2, QUEUED), span(2, 6, RUNNING), span(6, OPEN, QUEUED)]
    assert painted(seen, TOLD, 10) == [*seen[:2], span(6, 10, QUEUED), span(10, 20, RUNNING)]
    assert painted(seen, TOLD) == TOLD


def test_nothing_seen_is_what_the_log_tells() -> None:
    assert painted([], TOLD) == TOLD


def test_spans_that_say_the_same_are_one() -> None:
    assert joined([span(0, 3, QUEUED), span(3, 8, QUEUED), span(9, 10, QUEUED)]) == [
        span(0, 8, QUEUED),
        span(9, 10, QUEUED),
    ]


def test_where_two_lives_part() -> None:
    assert first_difference(TOLD, TOLD) == OPEN
    assert first_difference(TOLD, TOLD[:1]) == 10
    assert first_difference([], TOLD) == 0
    assert first_difference(TOLD, [TOLD[0], span(10, 25, RUNNING)]) == 20
    assert first_difference(TOLD, [span(0, 5, QUEUED), span(5, 20, RUNNING)]) == 5
    assert first_difference(TOLD, [TOLD[0], span(10, 20, RUNNING, "other")]) == 10


@st.composite
def lives(draw: st.DrawFn, states: tuple[JobState, ...], gaps: bool = False) -> list[Span]:
    times = sorted(draw(st.sets(st.integers(0, 40), min_size=1, max_size=6)))
    spans = [
        span(since, until, draw(st.sampled_from(states)), draw(st.sampled_from("ab")))
        for since, until in zip(times, [*times[1:], OPEN], strict=True)
    ]
    return [one for one in spans if not gaps or draw(st.booleans())]


@given(lives((QUEUED, HELD, RUNNING, SUSPENDED), gaps=True), lives((QUEUED, RUNNING)), st.integers(0, 50))
def test_painted_second_by_second(seen: list[Span], told: list[Span], open_until: int) -> None:
    def at(spans: list[Span], second: int) -> tuple[JobState, str] | None:
        return next(((one.state, one.queue) for one in reversed(spans) if one.since <= second), None)

    result = painted(seen, told, open_until)
    assert result == joined(result)
    assert [one.since for one in result[1:]] == [one.until for one in result[:-1]]
    assert (result[0].since, result[-1].until) == (told[0].since, OPEN)
    assert painted(result, told, open_until) == result
    for second in range(told[0].since, 60):
        log, live = at(told, second), at(seen, second)
        assert log is not None
        agrees = live is not None and (live[0] in IS_PENDING) == (log[0] in IS_PENDING)
        counts = live is not None and (agrees or second < open_until)
        assert at(result, second) == (live if counts else log)
