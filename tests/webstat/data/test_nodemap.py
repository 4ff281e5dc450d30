"""The node map's compact value: order, rows, and who is where."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.webstat.data.test_frames import nodes
from webstat.data.nodemap import FEW, columns_for, natural, node_map, racks, size
from webstat.identity import STRIPED, Shade

NOTHING_TOLD = pd.DataFrame({"name": pd.Series(dtype="str"), "jobs": pd.Series(dtype="object")})
JOBS = {
    "id": "str", "name": "str", "user": "str", "queue": "str", "state": "str", "cores": "int64", "nodes": "int64",
    "started_at": "float64", "walltime_seconds": "float64", "hosts": "object",
}  # fmt: skip


def jobs(*rows: tuple[object, ...]) -> pd.DataFrame:
    """Rows of (id, user, queue, hosts)."""
    filled = [(i, "run", u, q, "running", sum(h.values()), len(h), 1000.0, 60.0, h) for i, u, q, h in rows]
    return pd.DataFrame(filled, columns=list(JOBS)).astype(JOBS)


def told(**by_node: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"name": list(by_node), "jobs": list(by_node.values())})


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([f"cn{n:03d}" for n in range(1, 40)], {"cn"}),
        ([*(f"cn{n:03d}" for n in range(1, 40)), *(f"gpu{n}" for n in range(4))], {"cn", "gpu"}),
        ([f"r{rack}n{n}" for rack in range(4) for n in range(20)], {f"r{rack}n" for rack in range(4)}),
        # Blades of four are too short for rows: their racks are the groups.
        (
            [f"r{rack}b{b}n{n}" for rack in range(3) for b in range(9) for n in range(4)],
            {f"r{rack}b" for rack in range(3)},
        ),
        ([f"smp01[{n}]" for n in range(16)], {"smp"}),
        ([f"n{n}.cluster7.example" for n in range(30)], {"n"}),
        (["alpha", "beta", "gamma", "delta", "eve", "fox", "gnu", "hen", "ibis"], {""}),
        ([], set()),
    ],
)
def test_racks_are_read_from_names(names: list[str], expected: set[str]) -> None:
    assert set(racks(names)) == expected


@given(st.lists(st.text(max_size=12), max_size=60))
def test_any_names_give_groups_worth_a_row(names: list[str]) -> None:
    groups = racks(names)
    assert len(groups) == len(names)
    assert len(set(groups)) <= max(1, len(names) / FEW)
    assert sorted(sorted(names, key=natural)) == sorted(names)


@pytest.mark.parametrize(("nodes", "expected"), [(3, 3), (128, 16), (400, 24), (829, 32), (1500, 48), (5000, 80)])
def test_rows_are_longer_where_there_are_more_nodes(nodes: int, expected: int) -> None:
    assert columns_for(nodes, ["cn"] * nodes) == expected


def test_rows_are_as_long_as_racks_that_are_alike() -> None:
    assert columns_for(80, [f"r{place // 20}" for place in range(80)]) == 20
    assert columns_for(128, ["cn"] * 124 + ["gpu"] * 4) == 16


@pytest.mark.parametrize(
    ("names", "expected"),
    [([f"cn{n}" for n in range(124)] + [f"gpu{n}" for n in range(4)], (16, 9)), (["a", "b"], (2, 1)), ([], (1, 0))],
)
def test_the_size_is_known_before_the_cells_come(names: list[str], expected: tuple[int, int]) -> None:
    assert size(names) == expected


def test_nodes_stand_in_the_order_of_their_numbers_rack_by_rack() -> None:
    names = ["cn10", "gpu1", "cn2", *(f"cn{n}" for n in range(20, 40)), *(f"gpu{n}" for n in range(2, 9))]
    machine = nodes(*({"name": name, "state": "free", "cores": 8, "cores_used": 0} for name in names))
    found = node_map(machine, NOTHING_TOLD, jobs(), {}, {})
    assert found["nodes"]["name"][:3] == ["cn2", "cn10", "cn20"]
    assert found["nodes"]["name"][-1] == "gpu8"
    assert found["rows"] == ["cn", "gpu"]
    assert found["nodes"]["row"] == [0] * 22 + [1] * 8


def test_jobs_know_their_nodes_and_cores() -> None:
    machine = nodes(
        {
            "name": "a1",
            "state": "busy",
            "cores": 8,
            "cores_used": 8,
            "memory_bytes": 64 * 1024**3,
            "memory_used_bytes": 2**20,
        },
        {"name": "a2", "state": "partial", "cores": 8, "cores_used": 3, "properties": '["ib"]'},
        {"name": "a3", "state": "down", "comment": "PSU dead"},
    )
    running = jobs(
        ("1.s", "alice", "batch", {"a2": 1, "a1": 8, "gone": 4}),
        ("2.s", "bob", "short", {}),
        ("3.s", "bob", "short", {}),
    )
    found = node_map(machine, told(a2=["1.s", "2.s", "9.s"]), running, {"bob": Shade(3, STRIPED)}, {"batch": Shade(1)})
    assert found["jobs"]["id"] == ["1.s", "2.s", "3.s"]
    assert found["jobs"]["nodes"] == [[0, 1], [1], []]
    assert found["jobs"]["on"] == [[8, 1], [None], []]
    assert found["jobs"]["ends_at"] == [1060, 1060, 1060]
    assert found["users"] == {"name": ["alice", "bob"], "hue": [0, 3], "texture": [0, 1]}
    assert found["queues"] == {"name": ["batch", "short"], "hue": [1, 0], "texture": [0, 0]}
    assert [found["states"][state] for state in found["nodes"]["state"]] == ["busy", "partial", "down"]
    assert found["nodes"]["memory"] == [65536, None, None]
    assert found["nodes"]["memory_used"] == [1, None, None]
    assert found["nodes"]["comment"] == [None, None, "PSU dead"]
    assert [found["sets"][one] for one in found["nodes"]["properties"]] == [[], ["ib"], []]


def test_it_is_plain_json_and_small() -> None:
    count = 5000
    machine = nodes(
        *({"name": f"cn{n}", "state": "busy", "cores": 64, "cores_used": 64, "load": 63.972} for n in range(count))
    )
    running = jobs(*((f"{n}.s", f"u{n % 40}", "batch", {f"cn{n}": 64}) for n in range(count)))
    text = json.dumps(node_map(machine, NOTHING_TOLD, running, {}, {}), separators=(",", ":"))
    assert len(text) < 150 * count
