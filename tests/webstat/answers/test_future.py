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
from webstat.answers.future import LINES, STEP, STEPS, foresee, future
from webstat.answers.track import Track
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


def row(node: str, cores: int, by: float, half: float = NAN, most: float = NAN, gpus: int = 0) -> dict[str, Any]:
    ends = {"ends_by": AT + by, "ends_p50": AT + half, "ends_p90": AT + most}
    return {"job_id": "1", "node": node, "queue": "q", "cores": cores, "gpus": gpus, **ends}


def reservation(nodes: tuple[str, ...], starts: float, ends: float | None, cores: int | None = None) -> Kept:
    begins, over = AT + starts, None if ends is None else AT + ends
    return Kept("R1", "R1", "", "confirmed", None, begins, over, nodes, cores, None, runs=starts <= 0, everything=False)


def frames(nodes: list[dict[str, Any]], rows: list[dict[str, Any]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    return pd.DataFrame(nodes), pd.DataFrame(rows, columns=list(row("", 1, 1)))


def random_cluster(seed: int) -> tuple[pd.DataFrame, pd.DataFrame, list[Kept]]:
    rng = random.Random(seed)
    nodes, rows = [], []
    for number in range(12):
        state, size, gpus = rng.choice(STATES), rng.choice((4, 8)), rng.choice((0, 0, 2))
        used = {"free": 0, "busy": rng.choice((size, size, 2))}.get(state, rng.randrange(size + 1))
        nodes.append(node(f"n{number}", state, size, used, gpus, rng.choice((NAN, gpus // 2))))
        left = used + rng.choice((0, 0, 0, -1, 2))
        while left > 0:
            cores = rng.randrange(1, left + 1)
            by = rng.choice((NAN, -5.0, rng.uniform(1, 2 * DAY), rng.uniform(1, DAY)))
            half, most = sorted(rng.uniform(0, by) for _ in "12") if by > 0 and rng.random() < 0.7 else (NAN, NAN)
            rows.append(row(f"n{number}", cores, by, half, most, gpus=min(gpus, 1)))
            left -= cores
    rows += [row("", 3, 5000, 100, 2000), row("gone", 4, 900)]
    kept = []
    for _ in range(3):
        starts = rng.choice((-HOUR, rng.uniform(0, 2 * DAY), rng.uniform(0, DAY)))
        ends = rng.choice((None, max(starts, 0) + rng.uniform(1, DAY)))
        some = tuple(rng.sample([one["name"] for one in nodes] + ["elsewhere"], 3))
        kept.append(reservation(some, starts, ends, rng.choice((None, 6))))
    return *frames(nodes, rows), kept


def ends_of(held: dict[str, Any], line: str) -> float:
    by = held["ends_by"] if held["ends_by"] > AT else NAN
    told = held[LINES[line]]
    return by if line == "certain" or math.isnan(told) else told


def by_hand(nodes: pd.DataFrame, held: pd.DataFrame, kept: list[Kept], line: str, step: int) -> tuple[int, int, int]:
    """Free cores, whole nodes and GPUs in a step."""
    begins, over = AT + step * STEP, AT + (step + 1) * STEP
    cores = whole = gpus = most = 0
    for one in nodes.to_dict("records"):
        if one["state"] in ("offline", "down", "unknown"):
            continue
        jobs = [job for job in held.to_dict("records") if job["node"] == one["name"]]
        gone = [job for job in jobs if ends_of(job, line) <= begins]
        on, released = sum(job["cores"] for job in jobs), sum(job["cores"] for job in gone)
        size, used = int(one["cores"]), int(one["cores_used"])
        idle = size - used
        if one["state"] == "busy" and idle:
            free = size if jobs and released == on else 0
        else:
            free = min(size, (0 if one["state"] == "busy" else idle) + max(0, released - max(0, on - used)))
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
        whole += free == size and not taken
        free = max(0, free - taken)
        cores += free
        most += size - taken
        on_gpus = sum(job["gpus"] for job in jobs)
        gpus_used = on_gpus if math.isnan(one["gpus_used"]) else int(one["gpus_used"])
        back = max(0, sum(job["gpus"] for job in gone) - max(0, on_gpus - gpus_used))
        gpus += min(int(one["gpus"]), max(0, int(one["gpus"]) - gpus_used) + back) if free else 0
    anywhere = sum(j["cores"] for j in held.to_dict("records") if j["node"] == "" and ends_of(j, line) <= begins)
    return min(cores + anywhere, most), whole, gpus


@pytest.mark.parametrize("seed", range(12))
def test_each_line_is_what_is_counted_by_hand(seed: int) -> None:
    nodes, held, kept = random_cluster(seed)
    found = foresee(nodes, held, kept, AT, UNTRIED)
    assert found is not None and found.steps.index.tolist() == [AT + STEP * step for step in range(STEPS)]
    for line in LINES:
        columns = [f"{kind}_{line}" for kind in ("cores", "nodes", "gpus")]
        for step in (0, 1, *range(2, STEPS, 7), STEPS - 1):
            expected = by_hand(nodes, held, kept, line, step)
            assert tuple(found.steps[columns].iloc[step]) == expected, (line, step)
    for kind in ("cores", "nodes", "gpus"):
        assert (found.steps[f"{kind}_certain"] <= found.steps[f"{kind}_likely"]).all()
        assert (found.steps[f"{kind}_likely"] <= found.steps[f"{kind}_expected"]).all()


def test_cores_whose_end_nobody_knows_are_told_and_never_become_free() -> None:
    nodes, held = frames(
        [node("a"), node("b"), node("c", "down")],
        [row("a", 3, NAN), row("a", 5, 600, 60, 120), row("b", 6, -60), row("b", 2, 600), row("c", 8, 60)],
    )
    found = foresee(nodes, held, [], AT, UNTRIED)
    assert found is not None
    assert (found.usable, found.held, found.endless, found.overdue, found.unforetold) == (16, 16, 3, 6, 2)
    assert found.steps["cores_certain"].iloc[[0, 1, 2, -1]].tolist() == [0, 0, 7, 7]
    assert found.steps["cores_expected"].iloc[[0, 1, 2, -1]].tolist() == [0, 5, 7, 7]
    assert found.steps["nodes_expected"].max() == 0


def test_a_maintenance_of_all_nodes_leaves_nothing() -> None:
    nodes, held = frames([node("a", "free", used=0), node("b")], [row("b", 8, 600)])
    found = foresee(nodes, held, [reservation(("a", "b"), 2 * HOUR + 1, 3 * HOUR)], AT, UNTRIED)
    assert found is not None and len(found.reserved) == 1
    cores = found.steps["cores_certain"]
    assert cores[AT] == 8 and cores[AT + 2 * HOUR - STEP] == 16
    assert cores[AT + 2 * HOUR] == 0  # it begins within this step
    assert cores[AT + 3 * HOUR] == 16


def test_without_nodes_nothing_is_told() -> None:
    nodes, held = frames([node("a", cores=NAN)], [row("a", 3, 60)])
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
        for line in LINES:
            assert first[f"cores_{line}"] == cores.free
            assert first[f"nodes_{line}"] == cores.whole_nodes
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
