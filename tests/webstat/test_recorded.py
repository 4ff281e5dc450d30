"""The store of recorded clusters holds what was recorded, and is live."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from agent.states import JobState
from tests.webstat.recorded import CLUSTERS, Recorded
from webstat.data.source import Source
from webstat.health import State, health


@pytest.fixture
def source(recorded: Recorded):
    source = Source(recorded.settings())
    yield source
    source.close()


def test_every_recorded_cluster_is_live(source: Source, recorded: Recorded) -> None:
    clusters = {cluster.name: cluster for cluster in source.clusters()}
    assert set(clusters) == set(CLUSTERS)
    for name, cluster in clusters.items():
        assert health(cluster, time.time()).state in (State.LIVE, State.PARTIAL), name
        assert cluster.scheduler_kind == recorded.reports[name].scheduler.kind
    assert clusters["series"].report == 12


def test_jobs_and_nodes_are_those_of_the_reports(source: Source, recorded: Recorded) -> None:
    for cluster in source.clusters():
        report = recorded.reports[cluster.name]
        living = Counter(job.state for job in report.jobs if job.state is not JobState.FINISHED)
        totals = source.totals(cluster).groupby("state")["jobs"].sum()
        assert totals.to_dict() == {state.value: count for state, count in living.items()}, cluster.name
        assert set(source.nodes(cluster)["name"]) == {node.name for node in report.nodes}


def test_times_lie_before_now(recorded: Recorded) -> None:
    for report in recorded.reports.values():
        assert 0 < recorded.now - report.taken_at < 60
        submitted = [job.submitted_at for job in report.jobs if job.submitted_at]
        assert submitted and max(submitted) <= report.taken_at
