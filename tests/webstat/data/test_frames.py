from __future__ import annotations

import pandas as pd
import pytest

from webstat.data import frames

TOTALS = {
    "user": "str", "group": "str", "queue": "str", "state": "str", "jobs": "int64", "cores": "int64", "gpus": "int64",
    "asked_core_seconds": "float64", "unlimited": "int64", "first_submitted_at": "int64",
}  # fmt: skip
NODES = ("cores", "cores_used", "gpus", "gpus_used", "memory_bytes", "memory_used_bytes", "load")


def totals(*rows: tuple[object, ...]) -> pd.DataFrame:
    """Rows of (user, queue, state, jobs, cores[, asked core-seconds, unlimited, first submitted, gpus])."""
    filled = [(*row, *(0.0, 0, 0, 0)[len(row) - 5 :]) for row in rows]
    named = [(u, f"g{u}", q, s, j, c, g, a, n, f) for u, q, s, j, c, a, n, f, g in filled]
    frame = pd.DataFrame(named, columns=list(TOTALS))
    return frame.astype(TOTALS)


def nodes(*rows: dict[str, object]) -> pd.DataFrame:
    base = {"native_state": "", "properties": None, "comment": None, **dict.fromkeys(NODES)}
    filled = [{"name": f"n{place}", **base, **row} for place, row in enumerate(rows)]
    frame = pd.DataFrame(filled, columns=["name", "state", "native_state", *NODES, "properties", "comment"])
    return frame.astype({"name": "str", "state": "str", "native_state": "str", **dict.fromkeys(NODES, "float64")})


MACHINE = nodes(
    {"state": "busy", "cores": 24, "cores_used": 24},
    {"state": "partial", "cores": 24, "cores_used": 20, "gpus": 4, "gpus_used": 3},
    {"state": "free", "cores": 24, "cores_used": 0, "gpus": 4, "gpus_used": 0},
    {"state": "free", "cores": 16, "cores_used": None},
    {"state": "reserved", "cores": 24, "cores_used": 4},
    {"state": "offline", "cores": 24, "cores_used": 12},
    {"state": "down", "cores": 24, "cores_used": 0},
    {"state": "busy", "cores": 24, "cores_used": 1},
)


def test_capacity_adds_up_to_what_is_installed() -> None:
    running = totals(("a", "q", "running", 3, 60), ("b", "q", "exiting", 1, 1), ("b", "q", "suspended", 1, 50))
    found = frames.capacity(MACHINE, running)
    assert (found.installed, found.in_use, found.free) == (184, 61, 44)
    assert (found.reserved, found.offline, found.blocked, found.difference) == (20, 36, 23, 0)
    assert found.in_use + found.free + found.reserved + found.offline + found.blocked == found.installed
    assert found.usable == 148
    assert found.share == pytest.approx(61 / 148)
    assert (found.whole_nodes, found.whole_gpu_nodes, found.gpus, found.gpus_free) == (2, 1, 8, 5)
    assert found.node_states == {"busy": 2, "free": 2, "partial": 1, "reserved": 1, "offline": 1, "down": 1}
    assert found.out == 2
    assert found.node_sizes == (24, 16)


def test_a_difference_between_jobs_and_nodes_is_told() -> None:
    assert frames.capacity(MACHINE, totals(("a", "q", "running", 1, 50))).difference == 11
    assert frames.capacity(MACHINE, totals(("a", "q", "running", 1, 70))).difference == -9


def test_without_nodes_nothing_is_invented() -> None:
    found = frames.capacity(nodes(), totals(("a", "q", "running", 1, 50)))
    assert (found.in_use, found.installed, found.free, found.usable, found.share) == (50, None, None, None, None)
    untold = frames.capacity(nodes({"state": "free"}), totals())
    assert (untold.installed, untold.free, untold.nodes) == (None, None, 1)


def test_gpus_that_nodes_do_not_count_are_counted_by_jobs() -> None:
    machine = nodes({"state": "partial", "cores": 8, "cores_used": 2, "gpus": 4})
    assert frames.capacity(machine, totals(("a", "q", "running", 1, 2, 0.0, 0, 0, 3))).gpus_free == 1


def test_a_node_used_beyond_its_cores_is_full_not_negative() -> None:
    found = frames.capacity(nodes({"state": "busy", "cores": 4, "cores_used": 9}), totals(("a", "q", "running", 1, 9)))
    assert (found.free, found.blocked, found.share, found.difference) == (0, 0, 1.0, -5)


def test_jobs_are_counted_by_what_they_do() -> None:
    found = frames.jobs(
        totals(
            ("a", "q", "running", 3, 60),
            ("a", "r", "exiting", 1, 2),
            ("b", "q", "suspended", 2, 8),
            ("b", "q", "queued", 4, 100, 36000.0, 1, 900),
            ("a", "q", "transiting", 1, 1, 0.0, 0, 950),
            ("c", "q", "held", 5, 5, 1.0, 0, 10),
            ("c", "q", "waiting", 2, 2, 1.0, 0, 20),
            ("c", "q", "unknown", 1, 1),
        )
    )
    assert (found.running, found.suspended, found.queued, found.held, found.unknown) == (4, 2, 5, 7, 1)
    assert (found.queued_cores, found.waiting_for_time, found.users, found.oldest_queued_at) == (101, 2, 1, 900)
    assert found.backlog_seconds(100) == 360
    assert found.backlog_seconds(None) is None
    assert found.backlog_seconds(0) is None


def test_a_backlog_of_jobs_without_walltime_is_unknown() -> None:
    assert frames.jobs(totals(("a", "q", "queued", 2, 8, 0.0, 2, 0))).backlog_seconds(10) is None
    assert frames.jobs(totals()).backlog_seconds(10) == 0


def test_holders_most_first_then_by_name() -> None:
    found = frames.holders_frame(
        totals(
            ("b", "q", "running", 1, 10),
            ("a", "q", "running", 1, 4),
            ("a", "r", "exiting", 2, 6),
            ("c", "q", "running", 1, 90),
            ("d", "q", "queued", 1, 999),
        )
    )
    assert list(found.itertuples(index=False, name=None)) == [("c", 90, 1), ("a", 10, 3), ("b", 10, 1)]


@pytest.mark.parametrize(("by", "expected"), [("group", {"ga": 14, "gb": 3}), ("queue", {"q": 11, "r": 6})])
def test_holders_by_group_or_queue(by: str, expected: dict[str, int]) -> None:
    rows = totals(("a", "q", "running", 1, 8), ("a", "r", "running", 1, 6), ("b", "q", "exiting", 1, 3))
    found = frames.holders_frame(rows, by)
    assert dict(zip(found["holder"], found["cores"], strict=True)) == expected


def test_others_are_folded_and_nobody_is_folded_alone() -> None:
    holders = pd.DataFrame({"holder": [f"u{n}" for n in range(12)], "cores": range(12, 0, -1), "jobs": 1})
    listed, folded, cores = frames.with_others(holders, ["u0", "u11"], limit=4)
    assert listed["holder"].tolist() == ["u0", "u1", "u2", "u11"]
    assert (folded, cores) == (8, sum(range(2, 10)))
    assert int(listed["cores"].sum()) + cores == int(holders["cores"].sum())
    assert frames.with_others(holders.head(5), [], limit=4)[1] == 0


def test_queues() -> None:
    queues = pd.DataFrame(
        {
            "name": ["batch", "route", "debug", "old", "quiet"],
            "type": ["execution", "routing", "execution", "execution", "execution"],
            "enabled": [True, True, True, False, None],
            "started": [True, True, False, False, None],
            "priority": 0.0,
            "max_walltime_seconds": [86400.0, None, 1800.0, None, None],
        }
    )
    rows = totals(
        ("a", "batch", "running", 2, 20),
        ("a", "batch", "queued", 3, 30),
        ("a", "batch", "held", 1, 8),
        ("a", "unlisted", "running", 1, 1),
    )
    waits = pd.DataFrame({"queue": ["batch"] * 4, "wait_seconds": [0, 10, 20, 1000]})
    found = frames.queues_frame(queues, rows, waits).set_index("name")
    assert found["state"].to_dict() == {
        "batch": "open", "route": "open", "debug": "stopped", "old": "closed", "quiet": "unknown", "unlisted": "unknown",
    }  # fmt: skip
    assert found.loc["batch", ["running", "running_cores", "queued", "queued_cores", "held"]].tolist() == [
        2,
        20,
        3,
        30,
        1,
    ]
    assert found.loc["batch", ["started", "wait_half"]].tolist() == [4, 15.0]
    assert found.loc["batch", "wait_most"] == pytest.approx(706)
    assert found.loc["unlisted", "running"] == 1
    assert found.loc["route", "routing"]
    assert pd.isna(found.loc["debug", "wait_half"])


def test_queues_of_nothing() -> None:
    none = pd.DataFrame(
        {"name": [], "type": [], "enabled": [], "started": [], "priority": [], "max_walltime_seconds": []}
    )
    waits = pd.DataFrame({"queue": pd.Series([], dtype="str"), "wait_seconds": pd.Series([], dtype="int64")})
    assert frames.queues_frame(none, totals(), waits).empty


def test_room_is_where_work_is_taken_roomiest_first() -> None:
    machine = nodes(
        {"state": "partial", "cores": 24, "cores_used": 20, "memory_bytes": 100, "memory_used_bytes": 40},
        {"state": "free", "cores": 24, "cores_used": 0, "gpus": 4, "gpus_used": 1, "properties": '["gpu", "k80"]'},
        {"state": "free", "cores": 24, "cores_used": 0},
        {"state": "offline", "cores": 24, "cores_used": 0},
        {"state": "busy", "cores": 24, "cores_used": 24},
        {"state": "free"},
    )
    found = frames.room_frame(machine)
    assert found["name"].tolist() == ["n1", "n2", "n0"]
    assert found["cores_free"].tolist() == [24, 24, 4]
    assert found["gpus_free"].tolist() == [3, 0, 0]
    assert found["properties"].tolist() == [["gpu", "k80"], [], []]
    assert found["memory_free_bytes"].iloc[2] == 60
    assert frames.room_frame(nodes()).empty


def test_out_of_service_down_first() -> None:
    machine = nodes({"state": "offline", "comment": "DIMM"}, {"state": "free"}, {"state": "down"}, {"state": "unknown"})
    assert frames.out_frame(machine)["name"].tolist() == ["n2", "n3", "n0"]
