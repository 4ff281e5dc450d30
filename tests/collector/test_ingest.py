"""Decisions on what a report changes, case by case."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.report import Array, Node, Queue
from agent.states import JobState, NodeState
from collector.ingest import Changes, Known, KnownJob, KnownRecord, changes, unknown_arrays
from collector.schema import OPEN
from collector.spans import Span
from tests.collector.reports import T0, a_job, a_report, as_running

QUEUED, HELD, RUNNING = JobState.QUEUED, JobState.HELD, JobState.RUNNING
SUSPENDED, EXITING, FINISHED = JobState.SUSPENDED, JobState.EXITING, JobState.FINISHED


def span(since: int, until: int, state: JobState, cores: int = 4, queue: str = "batch") -> Span:
    return Span(since, until, state, queue, cores, 0)


def knowing(*jobs: KnownJob, taken_at: float = T0 + 600) -> Known:
    return Known(taken_at=taken_at, jobs={one.job.id: one for one in jobs})


def queued(number: int = 1) -> KnownJob:
    return KnownJob(number, a_job(number), T0, span(T0, OPEN, QUEUED))


def running(number: int = 1, started_at: int = T0 + 60) -> KnownJob:
    return KnownJob(number, as_running(a_job(number), started_at), T0, span(started_at, OPEN, RUNNING))


def the_change(known: Known, *jobs: object, at: float = T0 + 660, **fields: object) -> Changes:
    return changes(known, a_report(at, jobs, **fields))  # type: ignore[arg-type]


def test_empty_report_on_empty_store() -> None:
    result = changes(Known(), a_report(T0, nodes=[], queues=[]))
    assert (result.jobs, result.nodes.new, result.queues.new, result.dirty_since) == ([], [], [], OPEN)


@pytest.mark.parametrize(
    ("job", "spans", "ended"),
    [
        (a_job(), [span(T0, OPEN, QUEUED)], None),
        (a_job(state=HELD), [span(T0, OPEN, HELD)], None),
        (a_job(submitted_at=None), [span(T0 + 600, OPEN, QUEUED)], None),
        (as_running(a_job(), T0 + 60), [span(T0, T0 + 60, QUEUED), span(T0 + 60, OPEN, RUNNING)], None),
        (as_running(a_job(), T0), [span(T0, OPEN, RUNNING)], None),
        (
            a_job(state=EXITING, started_at=T0 + 60),
            [span(T0, T0 + 60, QUEUED), span(T0 + 60, T0 + 600, RUNNING), span(T0 + 600, OPEN, EXITING)],
            None,
        ),
        (
            a_job(state=SUSPENDED, started_at=T0 + 60, walltime_used_seconds=100),
            [span(T0, T0 + 60, QUEUED), span(T0 + 60, T0 + 160, RUNNING), span(T0 + 160, OPEN, SUSPENDED)],
            None,
        ),
        (
            a_job(state=FINISHED, started_at=T0 + 60, ended_at=T0 + 90),
            [span(T0, T0 + 60, QUEUED), span(T0 + 60, T0 + 90, RUNNING)],
            T0 + 90,
        ),
        (a_job(state=FINISHED, ended_at=T0 + 90), [span(T0, T0 + 90, QUEUED)], T0 + 90),
        (a_job(state=JobState.UNKNOWN, native_state="Z"), [span(T0, OPEN, JobState.UNKNOWN)], None),
    ],
)
def test_a_job_first_seen_brings_its_past(job: object, spans: list[Span], ended: int | None) -> None:
    (change,) = the_change(Known(), job, at=T0 + 600).jobs
    assert change.opened == spans
    assert (change.ended_at, change.ended_estimated) == (ended, False)


def test_an_unchanged_job_changes_nothing() -> None:
    known = queued()
    assert the_change(knowing(known), replace(known.job)).jobs == []


def test_a_start_is_dated_by_the_scheduler() -> None:
    known = queued()
    (change,) = the_change(knowing(known), as_running(known.job, T0 + 630)).jobs
    assert change.closed == span(T0, T0 + 630, QUEUED)
    assert change.opened == [span(T0 + 630, OPEN, RUNNING)]


def test_a_start_that_nobody_dated_is_dated_by_the_report() -> None:
    known = queued()
    (change,) = the_change(knowing(known), replace(known.job, state=RUNNING, native_state="R")).jobs
    assert change.opened == [span(T0 + 660, OPEN, RUNNING)]


def test_started_and_ended_between_two_reports() -> None:
    known = queued()
    finished = replace(known.job, state=FINISHED, started_at=T0 + 610, ended_at=T0 + 640)
    (change,) = the_change(knowing(known), finished).jobs
    assert change.closed == span(T0, T0 + 610, QUEUED)
    assert change.opened == [span(T0 + 610, T0 + 640, RUNNING)]
    assert (change.ended_at, change.ended_estimated) == (T0 + 640, False)


def test_an_end_told_by_the_scheduler_is_exact() -> None:
    known = running()
    (change,) = the_change(knowing(known), replace(known.job, state=FINISHED, ended_at=T0 + 633)).jobs
    assert change.closed == span(T0 + 60, T0 + 633, RUNNING)
    assert (change.opened, change.ended_at, change.ended_estimated) == ([], T0 + 633, False)


def test_where_a_job_ran_is_kept_when_it_has_ended() -> None:
    known = running()
    (told,) = the_change(knowing(known), replace(known.job, state=FINISHED, hosts={})).jobs
    (vanished,) = the_change(knowing(known)).jobs
    assert told.job.hosts == vanished.job.hosts == {"n1": 4}


def test_a_job_no_longer_listed_ended_between_the_reports() -> None:
    (change,) = the_change(knowing(running())).jobs
    assert (change.ended_at, change.ended_estimated) == (T0 + 630, True)
    assert change.closed == span(T0 + 60, T0 + 630, RUNNING)


def test_after_a_gap_a_job_ends_no_later_than_its_walltime() -> None:
    known = running()
    known.job = replace(known.job, walltime_seconds=600)
    (change,) = the_change(knowing(known), at=T0 + 7800).jobs
    assert T0 + 600 <= (change.ended_at or 0) <= T0 + 660


def test_what_a_partial_listing_lacks_has_not_ended() -> None:
    known = knowing(running())
    known.nodes["n9"] = KnownRecord(9, Node("n9", NodeState.FREE, "free"), T0)
    result = the_change(known, partial=("jobs", "nodes"))
    assert (result.jobs, result.nodes.gone) == ([], [])


def test_an_incomplete_listing_keeps_no_job_beyond_its_walltime() -> None:
    known = running()
    known.job = replace(known.job, walltime_seconds=300)
    held = queued(2)
    held.job = replace(held.job, walltime_seconds=300)
    assert the_change(knowing(known, held), partial=("jobs",), at=T0 + 900).jobs == []
    (change,) = the_change(knowing(known, held), partial=("jobs",), at=T0 + 1000).jobs
    assert (change.known, change.ended_estimated) == (known, True)


def test_a_requeued_job_that_started_again() -> None:
    known = running()
    (change,) = the_change(knowing(known), as_running(known.job, T0 + 650)).jobs
    assert change.closed is not None
    assert [change.closed, *change.opened] == [
        span(T0 + 60, T0 + 625, RUNNING),
        span(T0 + 625, T0 + 650, QUEUED),
        span(T0 + 650, OPEN, RUNNING),
    ]


def test_suspended_and_resumed_are_dated_by_the_reports() -> None:
    known = running()
    (change,) = the_change(knowing(known), replace(known.job, state=SUSPENDED, native_state="S")).jobs
    assert (change.closed, change.opened) == (span(T0 + 60, T0 + 660, RUNNING), [span(T0 + 660, OPEN, SUSPENDED)])


def test_a_move_to_another_queue_opens_a_span() -> None:
    known = queued()
    (change,) = the_change(knowing(known), replace(known.job, queue="long")).jobs
    assert change.opened == [span(T0 + 660, OPEN, QUEUED, queue="long")]


def test_a_number_used_again_is_another_job() -> None:
    known = running()
    result = the_change(knowing(known), a_job(submitted_at=T0 + 640))
    ended, appeared = result.jobs
    assert (ended.known, ended.ended_estimated) == (known, True)
    assert (appeared.known, appeared.submitted_at) == (None, T0 + 640)


def test_a_job_that_comes_back_is_the_same_job() -> None:
    known = Known(taken_at=T0 + 600)
    past = KnownJob(7, a_job(), T0, None, ended_at=T0 + 500)
    known.ended[past.job.id] = past
    (change,) = the_change(known, a_job()).jobs
    assert (change.known, change.ended_at) == (past, None)
    assert change.opened == [span(T0 + 660, OPEN, QUEUED)]


def test_a_finished_job_still_listed_changes_nothing() -> None:
    known = Known(taken_at=T0 + 600)
    done = a_job(state=FINISHED, started_at=T0 + 1, ended_at=T0 + 500)
    known.ended[done.id] = KnownJob(7, done, T0, None, ended_at=T0 + 500)
    assert the_change(known, done).jobs == []


def test_what_it_used_so_far_opens_no_span() -> None:
    known = running()
    (change,) = the_change(knowing(known), replace(known.job, cpu_used_seconds=99)).jobs
    assert (change.used_only, change.closed, change.opened) == (True, None, [])


def test_an_id_listed_twice_counts_once() -> None:
    assert len(the_change(Known(), a_job(), a_job(name="again")).jobs) == 1


def test_times_of_a_wrong_clock_make_no_backward_span() -> None:
    known = running(started_at=T0 + 650)
    (change,) = the_change(knowing(known), replace(known.job, state=FINISHED, ended_at=T0 + 10)).jobs
    assert change.opened == []
    assert change.closed is not None and change.closed.until <= change.closed.since, "dropped, not stored"


def test_an_older_report_changes_nothing() -> None:
    result = the_change(knowing(running(), taken_at=T0 + 600), at=T0 + 600)
    assert (result.jobs, result.nodes.new) == ([], [])


def test_a_node_turns_only_when_state_or_size_does() -> None:
    node = Node("n1", NodeState.FREE, "free", cores=16, load=0.1)
    known = Known(taken_at=T0, nodes={"n1": KnownRecord(1, node, T0)})
    loaded = the_change(known, nodes=[replace(node, load=0.9)]).nodes.changed
    down = the_change(known, nodes=[replace(node, state=NodeState.DOWN)]).nodes.changed
    assert [turned for _, _, turned in loaded] == [False]
    assert [turned for _, _, turned in down] == [True]


def test_queue_counters_are_not_kept() -> None:
    queue = Queue("batch", "execution", True, True, jobs={"queued": 3})
    assert changes(Known(), a_report(T0, queues=[queue])).queues.new == [replace(queue, jobs={})]


def test_a_changed_limit_is_written_and_turns_no_span() -> None:
    queue = Queue("batch", "execution", True, True, limits={"max_run": "[u:bob=3]", "max_queued": "[u:bob=9]"})
    known = Known(taken_at=T0, queues={"batch": KnownRecord(1, queue, T0)})
    other = replace(queue, limits={"max_run": "[u:bob=4]"})
    ((_, record, turned),) = the_change(known, queues=[other]).queues.changed
    assert (record, turned) == (other, False)
    again = replace(queue, limits=dict(reversed(queue.limits.items())))
    assert the_change(known, queues=[again]).queues.changed == []


def test_the_size_of_an_array_is_written_once_and_when_it_differs() -> None:
    known = Known(taken_at=T0, arrays={"1[]": 40, "2[]": 50})
    arrays = [
        Array("1[].pbs01", "B", total=40),
        Array("2[].pbs01", "B", total=51),
        Array("3[].pbs01", "Q", total=7),
        Array("4[].pbs01", "Q"),
    ]
    change = the_change(known, arrays=arrays)
    assert (change.new_arrays, change.resized_arrays) == ({"3[]": 7}, {"2[]": 51})
    assert unknown_arrays(known, a_report(T0 + 60, arrays=arrays)) == ["3[]"]
