"""The tables of `show`, from reports made by hand."""

from __future__ import annotations

import pytest

from agent.report import Job, Node, Report, Scheduler
from agent.settings import TABLES
from agent.states import JobState, NodeState
from agent.tables import make_table, render_table, safe_text, table_to_json

JOBS = [
    Job("1.pbs", JobState.RUNNING, "R", "relax", "alice", "batch", "chem", cores=8, hosts={"n1": 4, "n2": 4}),
    Job("2.pbs", JobState.EXITING, "E", "relax", "alice", "batch", "chem", cores=2, hosts={"n1": 2}),
    Job("3.pbs", JobState.SUSPENDED, "S", "big", "bob", "batch", "physics", cores=64),
    Job("4.pbs", JobState.QUEUED, "Q", "late", "bob", "long", "physics", cores=16, priority=5, submitted_at=2000),
    Job("5.pbs", JobState.QUEUED, "Q", "first", "bob", "long", "physics", cores=1, priority=5, submitted_at=1000),
    Job("6.pbs", JobState.QUEUED, "Q", "top", "carol", "long", None, cores=1, priority=90, comment="Not enough"),
    Job(
        "7.pbs",
        JobState.HELD,
        "H",
        "held",
        "carol",
        "long",
        None,
        cores=1,
        priority=99,
        hold="u",
        depends_on="afterok:1",
    ),
    Job("8.pbs", JobState.FINISHED, "F", "done", "dave", "long", "chem", cores=4),
]
NODES = [
    Node("n1", NodeState.PARTIAL, "free", 8, 6, 2, 1, 2**34, None, 1.5, ("1.pbs", "2.pbs"), ("ib",)),
    Node("n2", NodeState.BUSY, "job-busy", 4, 4, jobs=("1.pbs",)),
    Node("n3", NodeState.FREE, "free", 4, 0),
    Node("n4", NodeState.OFFLINE, "offline", 4, 0),
    Node("n5", NodeState.FREE, "free"),
]


def report(jobs=JOBS, nodes=NODES) -> Report:
    return Report("c", Scheduler("openpbs", "1", "pbs"), 5.0, {}, list(jobs), [], list(nodes), [], [], "0")


def rows(name, **records):
    given = report(**records)
    return table_to_json(make_table(name, given), given)["rows"]


def test_slots_per_user():
    assert rows("user") == [
        {"user": "alice", "cores_running": 10, "jobs_running": 2, "jobs_queued": 0, "cores_queued": 0, "jobs_suspended": 0},
        {"user": "bob", "cores_running": 0, "jobs_running": 0, "jobs_queued": 2, "cores_queued": 17, "jobs_suspended": 1},
        {"user": "carol", "cores_running": 0, "jobs_running": 0, "jobs_queued": 2, "cores_queued": 2, "jobs_suspended": 0},
    ]  # fmt: skip
    assert "10 cores in use of 16 on usable nodes" in render_table(make_table("user", report()))


def test_slots_per_group():
    assert [(row["group"], row["cores_running"], row["jobs_queued"]) for row in rows("group")] == [
        ("chem", 10, 0),
        ("physics", 0, 2),
        (None, 0, 2),
    ]


def test_running_jobs():
    assert [row["id"] for row in rows("running")] == ["1.pbs", "2.pbs"]
    assert rows("running")[0]["hosts"] == {"n1": 4, "n2": 4}
    assert "n1:4 n2:4" in render_table(make_table("running", report()))


def test_used_walltime_is_what_the_scheduler_says_else_since_the_start():
    jobs = [
        Job("1", JobState.RUNNING, "R", started_at=1, walltime_used_seconds=2),
        Job("2", JobState.RUNNING, "R", started_at=2),
        Job("3", JobState.RUNNING, "R", started_at=9),
        Job("4", JobState.RUNNING, "R"),
    ]
    used = {row["id"]: row["walltime_used_seconds"] for row in rows("running", jobs=jobs)}
    assert used == {"1": 2, "2": 3, "3": 0, "4": None}


def test_queued_jobs_by_priority_then_age_held_last():
    assert [row["name"] for row in rows("queued")] == ["top", "first", "late", "held"]
    assert rows("queued")[0]["reason"] == "Not enough"
    assert rows("queued")[3]["reason"] == "hold u; depends on afterok:1"
    assert rows("queued")[1]["reason"] is None


def test_nodes():
    assert [(row["name"], row["cores_used"], row["cores"], row["jobs"]) for row in rows("nodes")][:2] == [
        ("n1", 6, 8, ["1.pbs", "2.pbs"]),
        ("n2", 4, 4, ["1.pbs"]),
    ]
    assert rows("nodes")[4]["cores_used"] is None


def test_free_nodes_are_usable_and_have_room():
    assert [(row["name"], row["cores_free"], row["gpus_free"]) for row in rows("freenodes")] == [
        ("n3", 4, None),
        ("n1", 2, 1),
    ]
    assert "6 free cores on 2 nodes, 1 of them all free" in render_table(make_table("freenodes", report()))


@pytest.mark.parametrize("name", TABLES)
def test_an_idle_cluster_has_all_tables(name):
    text = render_table(make_table(name, report([], [])))
    assert "(none)" in text
    assert rows(name, jobs=[], nodes=[]) == []


@pytest.mark.parametrize("name", TABLES)
def test_lines_are_aligned_and_fit(name):
    text = render_table(make_table(name, report()), width=200)
    title, rule, *lines = text.splitlines()
    starts = [index for index, c in enumerate(rule) if c == "-" and (index == 0 or rule[index - 1] == " ")]
    assert len(starts) == len(make_table(name, report()).columns)
    for line in [title, *lines[:-1]]:
        assert all(line[start - 2 : start].strip() == "" for start in starts[1:] if start <= len(line)), line
        assert len(line) <= 200


def test_long_names_are_cut_with_an_ellipsis():
    job = Job("1.pbs", JobState.QUEUED, "Q", "n" * 300, "u" * 300, comment="c" * 3000)
    text = render_table(make_table("queued", report([job])), width=160)
    assert "u" * 13 + "…" in text
    assert "u" * 14 not in text
    assert max(map(len, text.splitlines())) <= 160


def test_strangers_text_cannot_act_on_a_terminal():
    evil = "a\x1b[31m\nb\tc\x9b\u202e\u2028d\ud800"
    job = Job(evil, JobState.QUEUED, "Q", evil, evil, evil, comment=evil)
    text = render_table(make_table("queued", report([job])))
    assert len(text.splitlines()) == 4
    for character in "\x1b\x9b\t\u202e\u2028\ud800":
        assert character not in text
    assert safe_text("plain é 漢") == "plain é 漢"


def test_wide_characters_keep_columns_straight():
    jobs = [Job("1", JobState.QUEUED, "Q", "漢字", "alice"), Job("2", JobState.QUEUED, "Q", "ab", "alice")]
    lines = render_table(make_table("queued", report(jobs))).splitlines()
    assert lines[2].index("queued") + 2 == lines[3].index("queued")


def test_times_that_no_calendar_has():
    job = Job("1", JobState.QUEUED, "Q", submitted_at=10**17, walltime_seconds=258_000_000)
    assert "71666:40:00" in render_table(make_table("queued", report([job])))
