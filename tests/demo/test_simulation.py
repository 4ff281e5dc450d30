"""The simulated clusters keep the rules of real ones, whenever they are looked at."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from demo.clusters import DAY, HOUR, Site, sites, small
from demo.jobs import Job, Phase, Why
from demo.scheduler import bits
from demo.simulation import ROUND_GAP, Simulation

START = 1_795_392_000
KINDS = ("openpbs", "torque", "slurm")
SITES = [*(small(kind) for kind in KINDS), *sites()]


def fingerprint(simulation: Simulation) -> list[tuple[object, ...]]:
    return [
        (job.number, job.index, job.phase, job.user.name, job.started, job.ended, job.places, job.hold)
        for job in simulation.jobs
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_the_state_depends_on_the_time_alone(kind: str) -> None:
    at_once = Simulation(small(kind), 7, START)
    at_once.advance(START + 2 * DAY)
    in_steps = Simulation(small(kind), 7, START)
    for at in range(START - DAY, START + 2 * DAY, 2717):
        in_steps.advance(at)
        for job in in_steps.jobs:  # looking must not change anything
            in_steps.reason(job)
    in_steps.advance(START + 2 * DAY)
    assert fingerprint(at_once) == fingerprint(in_steps)
    assert at_once.next_number == in_steps.next_number
    assert len(at_once.jobs) > 10


def test_other_seeds_and_names_give_other_clusters() -> None:
    first, second = Simulation(small(), 1, START), Simulation(small(), 2, START)
    first.advance(START + DAY)
    second.advance(START + DAY)
    assert fingerprint(first) != fingerprint(second)


def test_time_does_not_run_backwards() -> None:
    simulation = Simulation(small(), 1, START)
    simulation.advance(START + DAY)
    before = fingerprint(simulation)
    simulation.advance(START)
    assert simulation.now == START + DAY
    assert fingerprint(simulation) == before


@pytest.mark.parametrize("site", SITES, ids=lambda site: site.name)
def test_nothing_is_given_away_twice_and_limits_hold(site: Site) -> None:
    simulation = Simulation(site, 3, START)
    for at in range(START, START + 3 * DAY, 9 * HOUR + 377):
        simulation.advance(at)
        cores: Counter[int] = Counter()
        gpus: Counter[int] = Counter()
        memory: Counter[int] = Counter()
        slots: dict[int, int] = {}
        of_user: Counter[tuple[str, str]] = Counter()
        jobs_of_user: Counter[tuple[str, str]] = Counter()
        for job in simulation.jobs:
            if job.started is None:
                assert job.phase in (Phase.QUEUED, Phase.HELD, Phase.WAITING)
                continue
            assert job.phase in (Phase.RUNNING, Phase.EXITING)
            assert len(job.places) == job.chunks
            assert simulation.now - job.started <= job.walltime + 60
            of_user[job.queue.name, job.user.name] += job.all_cores
            jobs_of_user[job.queue.name, job.user.name] += 1
            for node, taken in job.places:
                assert taken.bit_count() == job.cores
                assert not slots.get(node, 0) & taken, "two jobs on one core"
                slots[node] = slots.get(node, 0) | taken
                cores[node] += job.cores
                memory[node] += job.memory
            for node, taken in job.gpu_places:
                gpus[node] += taken.bit_count()
        for node in site.nodes:
            assert cores[node.index] <= node.cores
            assert gpus[node.index] <= node.gpus
            assert memory[node.index] <= node.memory
            assert simulation.machine.free_cores[node.index] == node.cores - cores[node.index]
        for queue in site.queues:
            for (name, user), number in of_user.items():
                if name == queue.name and queue.user_cores is not None:
                    assert number <= queue.user_cores, user
            for (name, user), number in jobs_of_user.items():
                if name == queue.name and queue.user_jobs is not None:
                    assert number <= queue.user_jobs, user
        for array in simulation.arrays.values():
            running = sum(1 for task in array.tasks if task.started is not None and task.released is None)
            assert array.slot_limit is None or running <= array.slot_limit


@pytest.mark.parametrize("site", SITES, ids=lambda site: site.name)
def test_reserved_nodes_are_free_of_jobs_while_they_are_reserved(site: Site) -> None:
    simulation = Simulation(site, 5, START)
    seen = 0
    for at in range(START, START + 7 * DAY, HOUR):
        simulation.advance(at)
        for reservation in simulation.active_reservations():
            for node in bits(reservation.nodes):
                seen += 1
                assert not simulation.machine.jobs[node]
    assert seen or not site.reservations


@pytest.mark.parametrize("site", SITES, ids=lambda site: site.name)
def test_no_backfilled_job_delays_the_top_job(site: Site) -> None:
    simulation = Simulation(site, 11, START)
    simulation.advance(START + 10 * DAY)
    promises = [promise for pool in simulation.pools for promise in pool.promises]
    kept = [promise for promise in promises if promise.job.started is not None]
    assert len(kept) > 5
    late = [promise for promise in kept if (promise.job.started or 0) > promise.due + ROUND_GAP]
    assert late == []


def test_without_a_top_job_the_oldest_starts_first() -> None:
    """Jobs of one shape, queue and user have nothing to overtake each other with."""
    simulation = Simulation(small(), 13, START)
    started: dict[tuple[object, ...], list[Job]] = {}
    for at in range(START, START + 5 * DAY, HOUR):
        simulation.advance(at)
        for job in [*simulation.jobs, *simulation.ended]:
            if job.started is not None and job.eligible is not None and not job.array:
                jobs = started.setdefault((job.shape, job.queue.name, job.user.name, job.walltime), [])
                if job not in jobs:
                    jobs.append(job)
    pairs = 0
    for jobs in started.values():
        jobs.sort(key=lambda job: (job.eligible or 0, job.serial))
        for earlier, later in pairwise(jobs):
            pairs += 1
            assert (earlier.started or 0) <= (later.started or 0)
    assert pairs > 20


@pytest.mark.parametrize("site", sites(), ids=lambda site: site.name)
def test_the_clusters_are_busy_but_not_stuck(site: Site) -> None:
    simulation = Simulation(site, 1, START)
    all_cores = sum(node.cores for node in site.nodes)
    used, waiting = [], []
    for at in range(START, START + 12 * DAY, 2 * HOUR):
        simulation.advance(at)
        used.append(sum(job.all_cores for job in simulation.jobs if job.started is not None) / all_cores)
        waiting.append(sum(1 for job in simulation.jobs if job.started is None))
    assert 0.65 < sum(used) / len(used) < 0.97
    assert 5 < sum(waiting) / len(waiting) < 250
    jobs_per_day = simulation.submitted / 16
    assert 0.6 * site.jobs_per_day < jobs_per_day < 1.4 * site.jobs_per_day


def test_jobs_wait_for_different_reasons() -> None:
    reasons: Counter[Why] = Counter()
    phases: Counter[str] = Counter()
    for site in sites():
        simulation = Simulation(site, 1, START)
        for at in range(START, START + 6 * DAY, 8 * HOUR):
            simulation.advance(at)
            for job in simulation.jobs:
                if job.phase is Phase.QUEUED:
                    reasons[simulation.reason(job).why] += 1
                elif job.started is None:
                    phases[job.hold or job.phase.value] += 1
    assert {Why.CORES, Why.GPUS, Why.KEPT, Why.ARRAY_SLOTS, Why.USER_JOBS, Why.USER_CORES} <= set(reasons)
    assert {"u", "s", "waiting"} <= set(phases)


def test_dependents_start_after_success_and_never_after_failure() -> None:
    simulation = Simulation(small(), 17, START, remember=40 * DAY)
    simulation.advance(START + 20 * DAY)
    after_success = after_failure = 0
    for job in simulation.ended:
        before = job.depends_on
        if before is None or before.ended is None:
            continue
        if before.exit_status == 0:
            after_success += 1
            assert job.started is not None and before.released is not None and job.started >= before.released
        else:
            after_failure += 1
            assert job.started is None
    assert after_success > 5
    assert after_failure > 0


def test_every_end_is_within_the_limit_and_failures_happen() -> None:
    simulation = Simulation(small("torque"), 19, START, remember=40 * DAY)
    simulation.advance(START + 10 * DAY)
    statuses: Counter[int] = Counter()
    for job in simulation.ended:
        if job.started is not None:
            assert job.ended is not None and job.released is not None
            assert job.submitted <= job.started <= job.ended < job.released <= job.ended + 20
            assert job.ended - job.started <= job.walltime
            statuses[job.exit_status] += 1
    assert statuses[0] > 0.7 * sum(statuses.values())
    assert len(statuses) > 3


def test_nodes_break_and_come_back() -> None:
    site = small()
    simulation = Simulation(site, 23, START)
    seen = set()
    for at in range(START, START + 30 * DAY, 6 * HOUR):
        simulation.advance(at)
        for index, (state, _, _) in simulation.out.items():
            seen.add((index, state))
            assert not simulation.machine.usable >> index & 1
            if state == "down":
                assert all(job.ended is not None for job in simulation.machine.jobs[index])
    assert {state for _, state in seen} == {"offline", "down"}
    assert len(simulation.out) < 4
