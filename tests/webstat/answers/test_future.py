"""What would be free when is what a plain count says, node by node and step by step."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.webstat.recorded import Recorded
from webstat.answers.future import COLUMNS, foresee, future
from webstat.answers.releases import STEP, STEPS, Holding
from webstat.answers.track import LEVELS, Track
from webstat.data.reservations import Kept
from webstat.data.source import Source
from webstat.format import DAY
from webstat.privacy import Level, Veil

AT, HOUR = 1_800_000_000, 3600
STATES = ("free", "partial", "busy", "reserved", "offline", "down", "unknown")
NAN = math.nan
UNTRIED = Track(0)


def node(
    name: str, state: str = "busy", cores: float = 8, used: float = 8, gpus: float = 0, gpus_used: float = NAN
) -> dict[str, Any]:
    return {"name": name, "state": state, "cores": cores, "cores_used": used, "gpus": gpus, "gpus_used": gpus_used}


def row(job: str, node: str, cores: int, by: float, half: float = NAN, gpus: int = 0) -> dict[str, Any]:
    ends = {"ends_by": AT + by, "ends_p50": AT + half, "ends_p90": NAN}
    return {"job_id": job, "node": node, "queue": "q", "cores": cores, "gpus": gpus, **ends}


def holding(rows: list[dict[str, Any]], ended: dict[str, np.ndarray] | None = None) -> Holding:
    """What these hold; of each job with which probability it has ended in each step, else as its walltime says."""
    frame = pd.DataFrame(rows, columns=list(row("", "", 1, 1)))
    moments = AT + STEP * np.arange(STEPS)
    by = frame.drop_duplicates("job_id").set_index("job_id")["ends_by"]
    parts = [ended[job] if ended else (at > AT) & (at <= moments) for job, at in by.items()]
    return Holding(frame, moments, np.array(parts, dtype=np.float32).reshape(-1, STEPS))


def reservation(nodes: tuple[str, ...], starts: float, ends: float | None, cores: int | None = None) -> Kept:
    begins, over = AT + starts, None if ends is None else AT + ends
    return Kept("R1", "R1", "", "confirmed", None, begins, over, nodes, cores, None, runs=starts <= 0, everything=False)


def random_cluster(seed: int) -> tuple[pd.DataFrame, Holding, list[Kept]]:
    """Nodes in all states with jobs on one, two or unknown ones, told with and without contradictions."""
    rng = random.Random(seed)
    nodes, rows, ended = [], [], {}
    for number in range(12):
        state, size, gpus = rng.choice(STATES), rng.choice((4, 8)), rng.choice((0, 0, 2))
        used = {"free": 0, "busy": rng.choice((size, size, 2))}.get(state, rng.randrange(size + 1))
        nodes.append(node(f"n{number}", state, size, used, gpus, rng.choice((NAN, gpus // 2))))
        left = used + rng.choice((0, 0, 0, -1, 2))
        while left > 0:
            cores = rng.randrange(1, left + 1)
            by = rng.choice((NAN, -5.0, rng.uniform(1, 2 * DAY), rng.uniform(1, DAY)))
            rows.append(row(f"{len(rows)}", f"n{number}", cores, by, gpus=min(gpus, 1)))
            left -= cores
    for job in rng.sample(rows, 3):
        rows.append({**job, "node": rng.choice(("n1", "n2"))})
    rows += [row("anywhere", "", 3, 5000), row("gone", "gone", 4, 900)]
    for job in rows:
        due = AT + STEP * np.arange(STEPS) >= job["ends_by"]
        some = np.sort([rng.random() for _ in range(STEPS)]) * rng.choice((0, 1))
        ended[job["job_id"]] = np.where(due & (job["ends_by"] > AT), 1.0, some)
        ended[job["job_id"]][0] = 0.0
    kept = []
    for _ in range(3):
        starts = rng.choice((-HOUR, rng.uniform(0, 2 * DAY), rng.uniform(0, DAY)))
        ends = rng.choice((None, max(starts, 0) + rng.uniform(1, DAY)))
        some_nodes = tuple(rng.sample([one["name"] for one in nodes] + ["elsewhere"], 3))
        kept.append(reservation(some_nodes, starts, ends, rng.choice((None, 6))))
    return pd.DataFrame(nodes), holding(rows, ended), kept


def by_hand(
    nodes: pd.DataFrame, held: Holding, kept: list[Kept], step: int, expected: bool
) -> tuple[float, float, float]:
    """Free cores, whole nodes and GPUs in a step: for certain, or on the average."""
    begins, over = AT + step * STEP, AT + (step + 1) * STEP
    order = list(dict.fromkeys(held.rows["job_id"]))
    jobs_told = [
        {**job, "gone": held.ended[order.index(job["job_id"]), step] if expected else AT < job["ends_by"] <= begins}
        for job in held.rows.to_dict("records")
    ]
    cores = whole = gpus = most = 0.0
    for one in nodes.to_dict("records"):
        if one["state"] in ("offline", "down", "unknown"):
            continue
        jobs = [job for job in jobs_told if job["node"] == one["name"]]
        all_gone, any_gone = math.prod(job["gone"] for job in jobs), 1 - math.prod(1 - job["gone"] for job in jobs)
        on, released = sum(job["cores"] for job in jobs), sum(job["cores"] * job["gone"] for job in jobs)
        size, used = int(one["cores"]), int(one["cores_used"])
        idle = size - used
        there = 0 if one["state"] == "busy" else idle
        alone = one["state"] == "busy" and idle > 0
        free = size * all_gone * bool(jobs) if alone else min(size, there + max(0, released - max(0, on - used)))
        taken = 0
        running = [r for r in kept if r.runs and one["name"] in r.nodes]
        if one["state"] == "reserved" and (
            not running or any(r.ends_at is None or r.ends_at > begins for r in running)
        ):
            taken = size
        for r in kept:
            coming = not r.runs and one["name"] in r.nodes and r.starts_at < AT + DAY
            if coming and r.starts_at < over and (r.ends_at or math.inf) > begins:
                taken += size if r.cores is None else min(size, math.ceil(r.cores / len(r.nodes)))
        taken = min(taken, size)
        if not taken and (jobs if alone else there + min(on, max(used, on)) >= size + max(0, on - used)):
            whole += all_gone
        free = max(0, free - taken)
        cores += free
        most += size - taken
        on_gpus = sum(job["gpus"] for job in jobs)
        gpus_used = on_gpus if math.isnan(one["gpus_used"]) else int(one["gpus_used"])
        usable = 1 if there else all_gone * bool(jobs) if alone else any_gone
        back = max(0, sum(job["gpus"] * job["gone"] for job in jobs) - max(0, on_gpus - gpus_used))
        if free:
            gpus += min(int(one["gpus"]), max(0, int(one["gpus"]) - gpus_used) * usable + back)
    anywhere = sum(job["cores"] * job["gone"] for job in jobs_told if job["node"] == "")
    return min(cores + anywhere, most), whole, gpus


@pytest.mark.parametrize("seed", range(12))
def test_each_line_is_what_is_counted_by_hand(seed: int) -> None:
    nodes, held, kept = random_cluster(seed)
    found = foresee(nodes, held, kept, AT, UNTRIED)
    assert found is not None and found.steps.index.tolist() == [AT + STEP * step for step in range(STEPS)]
    for line in ("certain", "expected"):
        columns = [f"{kind}_{line}" for kind in ("cores", "nodes", "gpus")]
        for step in (0, 1, *range(2, STEPS, 7), STEPS - 1):
            counted = by_hand(nodes, held, kept, step, line == "expected")
            assert found.steps[columns].iloc[step].tolist() == pytest.approx(
                [math.floor(one + 1e-3) for one in counted], abs=1 if line == "expected" else 0
            ), (line, step)
    for kind in ("cores", "nodes", "gpus"):
        assert (found.steps[f"{kind}_certain"] <= found.steps[f"{kind}_expected"]).all()


def test_fewer_than_expected_are_free_in_nine_of_ten_cases() -> None:
    nodes = pd.DataFrame([node("a"), node("b")])
    half = {"1": np.full(STEPS, 0.5), "2": np.full(STEPS, 0.5)}
    held = holding([row("1", "a", 4, DAY), row("1", "b", 2, DAY), row("2", "b", 6, DAY)], half)
    found = foresee(nodes, held, [], AT, Track(500, 0.5, 0.9, 1.0, LEVELS, 50, 0.9, 1.0))
    assert found is not None
    # Both jobs with 6 cores: the standard deviation is 6 · √(2 · ¼).
    last = found.steps.iloc[-2]
    assert last["cores_expected"] == 6 and last["cores_likely"] == math.floor(6 - 6 * math.sqrt(0.5))
    assert last["cores_certain"] == 0 and last["nodes_expected"] == 0
    assert foresee(nodes, held, [], AT, UNTRIED).steps["cores_likely"].iloc[-2] == 6


def test_cores_whose_end_nobody_knows_are_told_and_never_become_free() -> None:
    nodes = pd.DataFrame([node("a"), node("b"), node("c", "down")])
    rows = [
        row("1", "a", 3, NAN), row("2", "a", 5, 900, 60), row("3", "b", 6, -60), row("4", "b", 2, 600), row("5", "c", 8, 60),
    ]  # fmt: skip
    found = foresee(nodes, holding(rows), [], AT, UNTRIED)
    assert found is not None
    assert (found.usable, found.held, found.endless, found.overdue, found.unforetold) == (16, 16, 3, 6, 2)
    for column in ("cores_certain", "cores_expected"):
        assert found.steps[column].iloc[[0, 1, 2, -1]].tolist() == [0, 2, 7, 7]
    assert found.steps["nodes_expected"].max() == 0


def test_a_maintenance_of_all_nodes_leaves_nothing() -> None:
    nodes, held = pd.DataFrame([node("a", "free", used=0), node("b")]), holding([row("1", "b", 8, 600)])
    found = foresee(nodes, held, [reservation(("a", "b"), 2 * HOUR + 1, 3 * HOUR)], AT, UNTRIED)
    assert found is not None and len(found.reserved) == 1
    cores = found.steps["cores_certain"]
    assert cores[AT] == 8 and cores[AT + 2 * HOUR - STEP] == 16
    assert cores[AT + 2 * HOUR] == 0  # it begins within this step
    assert cores[AT + 3 * HOUR] == 16


def test_without_nodes_nothing_is_told() -> None:
    nodes, held = pd.DataFrame([node("a", cores=NAN)]), holding([row("1", "a", 3, 60)])
    assert foresee(nodes, held, [], AT, UNTRIED) is None
    assert foresee(nodes.iloc[:0], held, [], AT, UNTRIED) is None


@pytest.fixture
def source(recorded: Recorded) -> Iterator[Source]:
    source = Source(recorded.settings())
    yield source
    source.close()


def test_recorded_clusters_begin_with_what_is_free_now(source: Source) -> None:
    for cluster in source.clusters():
        found, cores = future(source, cluster), source.capacity(cluster)
        assert found is not None
        first = found.steps.iloc[0]
        for line in ("certain", "likely", "expected"):
            assert first[f"cores_{line}"] == cores.free
        assert first["nodes_certain"] == first["nodes_expected"] == cores.whole_nodes
        assert list(found.steps.columns) == list(COLUMNS)
        assert found.steps["cores_certain"].iloc[-1] > first["cores_certain"]
        assert found.steps["cores_expected"].max() <= found.usable


@pytest.mark.parametrize("level", [Level.PSEUDONYMS, Level.OWN, Level.TOTALS])
def test_through_a_veil_it_is_the_same(recorded: Recorded, source: Source, level: Level) -> None:
    veiled = Source(recorded.settings(), veil=Veil(level, me="nobody", salt=b"salt"))
    try:
        for cluster in source.clusters():
            ours, theirs = future(veiled, cluster), future(source, cluster)
            assert ours is not None and theirs is not None
            pd.testing.assert_frame_equal(ours.steps, theirs.steps)
            assert np.array_equal(
                [ours.held, ours.endless, ours.overdue], [theirs.held, theirs.endless, theirs.overdue]
            )
    finally:
        veiled.close()
