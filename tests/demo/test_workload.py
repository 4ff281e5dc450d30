"""The drawn workload has the model's proportions."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from demo.clusters import certainty, sites
from demo.workload import (
    POPULAR_WALLTIMES,
    POWER_OF_TWO_PROBABILITY,
    SERIAL_PROBABILITY,
    ArrivalClock,
    Workload,
    day_weights,
    draw_processors,
    draw_runtime,
)

MONDAY = 1_795_392_000  # 2026-11-23 00:00 UTC


def test_serial_and_power_of_two_jobs_have_the_models_share() -> None:
    random = Random(1)
    drawn = [draw_processors(random, 128) for _ in range(20000)]
    serial = sum(1 for processors, _ in drawn if processors == 1) / len(drawn)
    powers = sum(1 for processors, power in drawn if power and processors > 1) / len(drawn)
    assert serial == pytest.approx(SERIAL_PROBABILITY, abs=0.02)
    assert powers == pytest.approx(POWER_OF_TWO_PROBABILITY, abs=0.03)
    assert all(processors & (processors - 1) == 0 for processors, power in drawn if power)
    assert max(processors for processors, _ in drawn) <= 128


def test_large_jobs_run_longer_on_average() -> None:
    random = Random(2)
    small = sum(draw_runtime(random, 1 / 128) for _ in range(4000))
    large = sum(draw_runtime(random, 0.9) for _ in range(4000))
    assert large > 1.3 * small


def test_most_jobs_arrive_in_the_early_afternoon_and_fewest_before_dawn() -> None:
    weights = day_weights()
    assert sum(weights) == pytest.approx(48)
    assert 11 <= weights.index(max(weights)) / 2 <= 17
    assert 3 <= weights.index(min(weights)) / 2 <= 8


def test_arrivals_follow_the_clock_and_the_mean_gap() -> None:
    random, clock = Random(3), ArrivalClock(MONDAY, 200.0, utc_offset=0)
    times = [clock.next(random) for _ in range(30000)]
    assert times == sorted(times)
    assert (times[-1] - times[0]) / len(times) == pytest.approx(200, rel=0.1)
    hours = Counter(time // 3600 % 24 for time in times)
    assert hours[14] > 2.5 * hours[5]
    days = Counter((time // 86400 + 3) % 7 for time in times)
    assert days[1] > 1.4 * days[6]


@pytest.mark.parametrize("site", sites(), ids=lambda site: site.name)
def test_requests_fit_the_site(site) -> None:
    workload, random = Workload(site), Random(4)
    for _ in range(2000):
        request = workload.draw(random)
        queue = request.queue
        assert queue.takes_jobs
        assert queue.gpu == bool(request.gpus)
        assert request.walltime <= queue.max_walltime
        assert request.walltime in POPULAR_WALLTIMES or request.walltime == queue.max_walltime
        assert request.chunks * request.cores <= (queue.user_cores or 10**9)
        assert request.chunks <= len(site.nodes)
        node = site.gpu_node_cores if request.gpus else site.cores_per_node
        assert 1 <= request.cores <= node
        assert len(request.runtimes) == len(request.exit_statuses) >= 1


def test_walltimes_are_overestimated_and_some_jobs_hit_theirs() -> None:
    workload, random = Workload(certainty()), Random(5)
    shares = []
    for _ in range(3000):
        request = workload.draw(random)
        shares.append(request.runtimes[0] / request.walltime)
    ended_by_limit = sum(1 for share in shares if share > 1) / len(shares)
    assert 0.03 < ended_by_limit < 0.15
    shares.sort()
    assert 0.15 < shares[len(shares) // 2] < 0.6


def test_same_seed_same_requests() -> None:
    def draw() -> list[object]:
        workload, random = Workload(certainty()), Random("x")
        return [workload.draw(random) for _ in range(50)]

    assert draw() == draw()
