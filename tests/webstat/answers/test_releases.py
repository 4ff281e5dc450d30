"""What running jobs hold, and until when: from recorded clusters, and from jobs of which all is known."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from agent.states import HOLDS_CORES
from tests.webstat.recorded import Recorded
from webstat.answers.releases import by_node, expected, releases
from webstat.answers.runs import Runs, Shares
from webstat.data.source import Source

HOUR, NOW = 3600.0, 1_800_000_000.0


@pytest.fixture
def source(recorded: Recorded) -> Iterator[Source]:
    source = Source(recorded.settings())
    yield source
    source.close()


def test_recorded_clusters_hold_what_their_reports_say(recorded: Recorded, source: Source) -> None:
    for cluster in source.clusters():
        found = releases(source, cluster)
        jobs = {job.id: job for job in recorded.reports[cluster.name].jobs if job.state in HOLDS_CORES}
        assert set(found["job_id"]) == set(jobs) != set()
        for job_id, rows in found.groupby("job_id"):
            job = jobs[str(job_id)]
            hosts = job.hosts or {"": job.cores}
            assert dict(zip(rows["node"], rows["cores"], strict=True)) == hosts
            assert rows["gpus"].sum() == job.gpus
            ends_by = np.nan
            if job.walltime_seconds is not None and job.started_at is not None:
                ends_by = int(job.started_at) + job.walltime_seconds
            assert rows["ends_by"].unique() == pytest.approx([ends_by], nan_ok=True)
            if job.memory_bytes is not None and job.hosts:
                assert rows["memory_bytes"].sum() == pytest.approx(job.memory_bytes)
        assert found["ends_p50"].isna().all()  # nothing of them has 20 similar jobs that ended


def held(**columns: object) -> pd.DataFrame:
    """load_held() of one job."""
    job = {"id": "1.s", "queue_id": 1, "queue": "long", "cores": 6, "gpus": 3, "memory_bytes": 12.0}
    job |= {"started_at": NOW - HOUR, "walltime_seconds": 4 * HOUR, "suspended_seconds": 0.0, "hosts": {"a": 4, "b": 2}}
    return pd.DataFrame({name: [value] for name, value in {**job, **columns}.items()})


def past(*used: float, asked: float = 4 * HOUR) -> Shares:
    number = len(used)
    ended = np.full(number, NOW)
    return Shares(
        Runs(np.full(number, 1), np.full(number, 1), np.array(used), ended - np.array(used) * asked, ended, ended)
    )


def test_a_job_is_expected_to_end_as_others_did_that_ran_so_long() -> None:
    shares = past(*[0.1] * 50, *np.arange(0.31, 0.51, 0.01))
    found = expected(held(), shares, NOW).iloc[0]
    assert found["ends_by"] == NOW + 3 * HOUR
    assert found["ends_p50"] == pytest.approx(NOW - HOUR + 0.40 * 4 * HOUR)
    assert found["ends_p90"] == pytest.approx(NOW - HOUR + 0.48 * 4 * HOUR)
    assert expected(held(), past(*[0.1] * 50, *[0.5] * 19), NOW)[["ends_p50", "ends_p90"]].isna().all(axis=None)


def test_nothing_is_guessed_of_a_job_without_walltime_or_start() -> None:
    for missing in ("walltime_seconds", "started_at"):
        found = expected(held(**{missing: np.nan}), past(*[0.9] * 99), NOW)
        assert found[["ends_by", "ends_p50", "ends_p90"]].isna().all(axis=None)


def test_time_suspended_comes_on_top_of_the_walltime() -> None:
    assert expected(held(suspended_seconds=HOUR), past(), NOW)["ends_by"].tolist() == [NOW + 4 * HOUR]


def test_a_job_over_its_walltime_is_expected_only_as_others_were() -> None:
    over = held(started_at=NOW - 5 * HOUR)
    found = expected(over, past(*[0.9] * 99, *[1.1] * 50), NOW).iloc[0]
    assert found["ends_by"] == NOW - HOUR and np.isnan(found["ends_p50"])
    found = expected(over, past(*[1.5] * 20), NOW).iloc[0]
    assert found["ends_p50"] == NOW + HOUR
    # Those that ended a little late are no reason to expect one later than its walltime.
    assert expected(held(), past(*[1.1] * 99), NOW)["ends_p90"].tolist() == [NOW + 3 * HOUR]


def test_what_a_job_holds_is_shared_out_over_its_nodes() -> None:
    found = by_node(expected(held(), past(), NOW))
    assert found[["node", "cores", "gpus", "memory_bytes"]].to_numpy().tolist() == [["a", 4, 2, 8.0], ["b", 2, 1, 4.0]]
    assert by_node(expected(held().iloc[:0], past(), NOW)).dtypes.tolist() == found.dtypes.tolist()
