"""What one queue would do with a job: each way to start now, each way to wait, each kind of impossible."""

from __future__ import annotations

import json
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.webstat.answers.grounds import GB, HOUR, NOW, made, node, queues, reserved, running, verdict, waiting, words
from tests.webstat.data.test_frames import totals
from webstat.answers.fit import Shape
from webstat.answers.forbid import Who
from webstat.answers.judge import Verdict

FULL = "Not Running: Not enough free nodes available"
LIMITED = "Not Running: User has reached queue batch running job limit."


def test_it_starts_now_where_there_is_room_and_nobody_waits() -> None:
    found = verdict(made([node(used=20), node()]), cores="24", walltime="4h")
    assert (found.verdict, found.shape, found.until) == (Verdict.NOW, Shape(1, 24, apart=False), None)
    assert words(found) == "1 node has room for it."


def test_without_a_number_of_nodes_it_may_be_spread_as_the_scheduler_can() -> None:
    machine = [node(used=8), node(used=16)]
    assert verdict(made(machine), cores="24").shape == Shape(3, 8, apart=False)
    assert verdict(made(machine, kind="torque"), cores="24", kind="torque").verdict is Verdict.LATER
    assert verdict(made(machine, kind="slurm"), cores="24", kind="slurm").shape == Shape(24, 1, apart=False)
    assert verdict(made(machine), cores="24", nodes="2").verdict is Verdict.LATER


@pytest.mark.parametrize("state", ["offline", "down", "unknown", "reserved", "busy"])
def test_nodes_that_take_no_work_have_no_room(state: str) -> None:
    found = verdict(made([node(state=state), node(used=23)]), cores="2")
    assert found.verdict is Verdict.LATER
    assert words(found) == "1 core is idle, at most 1 on a node."


def test_a_report_that_is_not_fresh_never_starts_anything_now() -> None:
    found = verdict(made([node()]), fresh=False, cores="1", walltime="1h")
    assert found.verdict is Verdict.LATER
    assert words(found).startswith("From its state -20 ago. ")


def test_jobs_that_wait_for_room_are_ahead_and_others_are_not() -> None:
    machine = [node(), node(used=20)]
    kept = verdict(made(machine, wait=waiting(("batch", FULL, 48))), cores="4", walltime="1h")
    assert kept.verdict is Verdict.LATER
    assert words(kept).startswith("Its idle room is for jobs that wait already.")
    assert verdict(made(machine, wait=waiting(("batch", LIMITED, 48))), cores="4").verdict is Verdict.NOW
    held = totals(("a", "batch", "queued", 3, 12))
    assert "3 waiting jobs do not need" in words(
        verdict(made(machine, held=held, wait=waiting(("batch", LIMITED, 4))), cores="4")
    )


def test_jobs_that_fit_take_their_room_and_leave_the_rest() -> None:
    wait = waiting(("batch", None, 4, 1, 5))
    assert verdict(made([node()], wait=wait), cores="4").verdict is Verdict.NOW
    assert verdict(made([node()], wait=wait), cores="5").verdict is Verdict.LATER


def test_a_job_ahead_keeps_only_nodes_that_could_ever_serve_it() -> None:
    wait = waiting(("batch", FULL, 48, 1))
    machine = [node(48, 40), node(24)]
    found = verdict(made(machine, wait=wait), cores="4")
    assert found.verdict is Verdict.NOW
    assert words(found).startswith("1 node has room")


def test_a_shorter_job_starts_before_the_start_that_is_foretold_to_who_is_ahead() -> None:
    found = made([node(), node(used=24)], wait=waiting(("batch", FULL, 48, 2, 1, 3.0)))
    now = verdict(found, cores="24", walltime="2h")
    assert (now.verdict, now.until) == (Verdict.NOW, NOW + 3 * HOUR)
    later = verdict(found, cores="24", walltime="4h")
    assert (later.verdict, later.until) == (Verdict.LATER, NOW + 3 * HOUR)
    assert words(later).startswith("The idle room is needed for jobs ahead from +10800.")
    assert verdict(found, cores="24").verdict is Verdict.LATER, "without a walltime it may run for ever"


def test_a_job_must_end_before_a_reservation_of_its_nodes() -> None:
    found = made([node(), node(used=24)], kept=reserved(("confirmed", 2, 5, ("n0",))))
    assert verdict(found, cores="24", walltime="2h").until == NOW + 2 * HOUR
    later = verdict(found, cores="24", walltime="2:01")
    assert words(later) == "The idle room is reserved from +7200."
    everything = made([node()], kept=reserved(("running", -1, 5, ("n0",))))
    later = verdict(everything, cores="1", walltime="1h")
    assert (later.verdict, later.not_before) == (Verdict.LATER, NOW + 5 * HOUR)


def test_of_slurm_only_what_its_jobs_prove_is_certain() -> None:
    machine, two = [node(24, 12), node(24, 12), node()], queues(batch={}, short={})
    found = made(machine, two, kind="slurm", runs=running(("batch", "n0", 4), ("batch", "n1", 2)))
    one = verdict(found, cores="12", walltime="4h", kind="slurm")
    assert (one.verdict, words(one)) == (Verdict.NOW, "2 nodes have room for it.")
    wide = verdict(found, cores="24", nodes="1", walltime="1h", kind="slurm")
    assert (wide.verdict, "does not tell which nodes" in words(wide)) == (Verdict.LATER, True)
    long = verdict(found, cores="1", walltime="5h", kind="slurm")
    assert (long.verdict, long.until) == (Verdict.LATER, NOW + 4 * HOUR)
    assert "whether a job may be longer than 4 h" in words(long)
    assert verdict(found, "short", cores="1", walltime="1h", kind="slurm").verdict is Verdict.LATER
    assert verdict(found, "short", cores="73", kind="slurm").verdict is Verdict.NEVER, "no partition has more than all"


def test_a_partition_whose_nodes_are_told_has_no_others() -> None:
    machine = [node(24, 1, properties='["batch"]'), node(properties='["batch", "short"]')]
    runs = running(("batch", "n0", 4), ("short", "n1", 4))
    told = made(machine, queues(batch={}, short={}), kind="slurm", runs=runs)
    assert verdict(told, cores="24", nodes="2", walltime="1h", kind="slurm").verdict is Verdict.NOW
    assert verdict(told, "short", cores="24", nodes="2", kind="slurm").verdict is Verdict.NEVER


def test_free_gpus_and_memory_count() -> None:
    machine = [node(used=4, gpus=4, gpus_used=3, memory_bytes=64 * GB, memory_used_bytes=60 * GB)]
    assert verdict(made(machine), cores="1", gpus="1", memory="4").verdict is Verdict.NOW
    assert verdict(made(machine), cores="1", gpus="2").verdict is Verdict.LATER
    assert verdict(made(machine), cores="1", memory="5").verdict is Verdict.LATER
    untold = [node(used=4, memory_bytes=64 * GB)]
    assert verdict(made(untold), cores="1", memory="1").verdict is Verdict.LATER
    assert verdict(made(untold), cores="1").verdict is Verdict.NOW


LIMITS = [
    ({"resources_max.walltime": "04:00:00"}, {"walltime": "12h"}, "You ask for 12 h; its limit is 4 h.", ("walltime", 4 * HOUR)),
    ({"resources_min.walltime": "00:30:01"}, {"walltime": "30min"}, "You ask for 30 min; it takes at least 0:30:01.",
     ("walltime", 1801)),
    ({"resources_max.ncpus": "16"}, {"cores": "24"}, "You ask for 24 cores; its limit is 16 cores.", ("cores", 16)),
    ({"resources_max.nodect": "1"}, {"nodes": "2"}, "You ask for 2 nodes; its limit is 1 node.", ("nodes", 1)),
    ({"resources_max.mem": "8gb"}, {"memory": "9"}, "You ask for 9 GB of memory; its limit is 8 GB of memory.", ("memory", 8 * GB)),
    ({"max_run_res.ncpus": "[u:PBS_GENERIC=16]"}, {"cores": "24"}, "You ask for 24 cores; its limit is 16 cores a user.",
     ("cores", 16)),
    ({"max_run_res.ncpus": "[o:PBS_ALL=16]"}, {"cores": "24"}, "You ask for 24 cores; its limit is 16 cores in all.",
     ("cores", 16)),
    ({"max_run_res.ngpus": "[u:PBS_GENERIC=1]"}, {"gpus": "2"}, "You ask for 2 GPUs; its limit is 1 GPU a user.", ("GPUs", 1)),
]  # fmt: skip


@pytest.mark.parametrize(("limits", "asked", "why", "fits"), LIMITS)
def test_a_limit_forbids_with_its_number(
    limits: dict[str, str], asked: dict[str, str], why: str, fits: tuple[str, int]
) -> None:
    machine = [node(gpus=2, gpus_used=0, memory_bytes=64 * GB), node(gpus=2, gpus_used=0, memory_bytes=64 * GB)]
    found = verdict(made(machine, queues(batch={"limits": limits})), **asked)
    assert (found.verdict, words(found)) == (Verdict.NEVER, why)
    assert [(one.what, one.most) for one in found.fits] == [fits]
    assert verdict(made(machine), **asked).verdict is Verdict.NOW, "without the limit it is possible"


TOO_LARGE = [
    ({"cores": "49"}, "You ask for 49 cores; it has 48.", "cores"),
    ({"nodes": "3"}, "You ask for 3 nodes; it has 2.", "nodes"),
    ({"nodes": "1", "cores": "25"}, "You ask for 25 cores a node; its largest has 24.", "cores_per_node"),
    ({"gpus": "1"}, "It has no GPUs.", ""),
    ({"memory": "200"}, "You ask for 200 GB; its nodes have 128 GB.", "memory"),
    ({"nodes": "1", "memory": "65"}, "You ask for 65 GB a node; its largest has 64 GB.", "memory"),
]


@pytest.mark.parametrize(("asked", "why", "what"), TOO_LARGE)
def test_nodes_too_small_or_too_few(asked: dict[str, str], why: str, what: str) -> None:
    found = verdict(made([node(memory_bytes=64 * GB), node(memory_bytes=64 * GB)]), **asked)
    assert (found.verdict, words(found), found.hopeless) == (Verdict.NEVER, why, not what)
    assert found.fits[0].what == what


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ({"enabled": False, "started": False}, "It is closed."),
        ({"started": False}, "It is stopped: it starts no jobs."),
        ({"enabled": False}, "It takes no new jobs."),
    ],
)
def test_a_queue_that_starts_nothing_new(state: dict[str, object], why: str) -> None:
    found = verdict(made([node()], queues(batch=state)), cores="1")
    assert (found.verdict, words(found), found.hopeless) == (Verdict.NEVER, why, True)


def test_nodes_that_are_out_of_service_are_named_as_the_reason() -> None:
    found = verdict(made([node(48, state="down"), node(24)]), nodes="1", cores="48")
    assert words(found) == "It would need nodes that are out of service: 1 of 2 nodes."


def test_routing_queues_and_those_of_reservations_are_no_places() -> None:
    listed = queues(batch={}, route={"type": "routing"}, R12={})
    assert [one.name for one in made([node()], listed).queues] == ["batch"]


def test_whose_jobs_a_queue_takes_is_said() -> None:
    ours = {"acl_user_enable": "True", "acl_group_enable": "True", "max_run": "[u:PBS_GENERIC=9]"}
    found = made([node(24, 20)], queues(batch={}, ours={"limits": ours}, inner={"limits": {"from_route_only": "True"}}))
    said = "It takes only users on its list and only groups on its list; whether that is you is not told."
    now = verdict(found, "ours", cores="1", walltime="1:00", who=Who("alice"))
    assert now.verdict is Verdict.NOW and words(now) == f"1 node has room for it. {said}"
    later = verdict(found, "ours", cores="24", walltime="1:00", who=Who("alice"))
    assert later.verdict is Verdict.LATER and words(later).endswith(said)
    inner = verdict(found, "inner", cores="1")
    assert (inner.hopeless, words(inner)) == (True, "It takes only what other queues pass on.")
    assert "takes" not in words(verdict(found, cores="1"))


LIMITED_USE = queues(
    batch={"limits": {"max_run": "[u:PBS_GENERIC=2], [u:bob=9]", "max_run_res.ncpus": "[o:PBS_ALL=40]"}}
)


def test_own_limits_are_read_where_somebody_is_named() -> None:
    held = totals(("alice", "batch", "running", 2, 8), ("bob", "batch", "running", 2, 8))
    found = made([node(), node()], LIMITED_USE, held)
    alice = verdict(found, who=Who("alice", found.groups_of("alice")), cores="1")
    assert (alice.verdict, words(alice)) == (Verdict.LATER, "alice holds 2 jobs of 2 jobs a user.")
    assert verdict(found, who=Who("bob"), cores="1").verdict is Verdict.NOW
    nobody = verdict(found, cores="1")
    assert (nobody.verdict, words(nobody)) == (
        Verdict.NOW, "2 nodes have room for it. Not checked: your limit of 2 jobs a user."
    )  # fmt: skip
    assert words(verdict(found, who=Who("bob"), cores="25")) == "Its jobs hold 16 cores of 40 cores in all."


def test_a_queue_that_holds_as_many_of_ones_jobs_as_it_takes() -> None:
    listed = queues(batch={"limits": {"max_queued": "[u:PBS_GENERIC=3]"}})
    held = totals(("alice", "batch", "running", 1, 8), ("alice", "batch", "queued", 2, 8))
    found = verdict(made([node()], listed, held), who=Who("alice"), cores="1")
    assert found.verdict is Verdict.NEVER
    assert words(found) == "It takes no more jobs: 3 jobs a user, queued ones included, and there are 3."


def placed(parts: int, need: tuple[int, int, int], room: list[tuple[int, int, int]], apart: bool) -> bool:
    """Whether so many parts can lie on nodes with that much room: every way is tried."""
    if not parts:
        return True
    for place, has in enumerate(room):
        if all(one >= wanted for one, wanted in zip(has, need, strict=True)):
            after = (-1, -1, -1) if apart else tuple(one - wanted for one, wanted in zip(has, need, strict=True))
            if placed(parts - 1, need, [*room[:place], after, *room[place + 1 :]], apart):  # type: ignore[list-item]
                return True
    return False


some_nodes = st.lists(
    st.tuples(
        st.sampled_from(["free", "partial", "busy", "down", "reserved"]),
        st.integers(1, 6),
        st.integers(0, 6),
        st.integers(0, 2),
        st.integers(0, 8),
        st.sampled_from([None, ["batch"], ["other"]]),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=150, deadline=None)
@given(
    some_nodes,
    st.fixed_dictionaries(
        {"cores": st.integers(1, 6)}, optional={"nodes": st.integers(1, 3), "gpus": st.integers(1, 2), "memory": st.integers(1, 8)}
    ),
    st.sampled_from(["openpbs", "torque", "slurm"]),
)  # fmt: skip
def test_now_never_names_a_queue_whose_nodes_lack_the_room(
    drawn: list[tuple[str, int, int, int, int, list[str] | None]], asked: dict[str, int], kind: str
) -> None:
    machine = [
        node(
            cores, min(used, cores), state, gpus=gpus, gpus_used=0, memory_bytes=8 * GB,
            memory_used_bytes=(8 - memory) * GB, properties=None if names is None else json.dumps(names),
        )
        for state, cores, used, gpus, memory, names in drawn
    ]  # fmt: skip
    listed = queues(batch={}, other={})
    runs = running(("batch", "n0", 8), ("other", "n0", 8)) if kind == "slurm" else None
    found = made(machine, listed, kind=kind, runs=runs)
    for name in ("batch", "other"):
        told = verdict(found, name, kind=kind, walltime="1h", **{word: str(value) for word, value in asked.items()})
        if told.verdict is not Verdict.NOW:
            continue
        own = any(names == [name] for *_, names in drawn)
        room = [
            (cores - min(used, cores), gpus, memory)
            for place, (state, cores, used, gpus, memory, names) in enumerate(drawn)
            if state in ("free", "partial") and (names == [name] if own else kind != "slurm" or place == 0)
        ]
        shape = told.shape
        assert shape is not None
        need = (shape.cores, shape.gpus, -(-int(shape.memory_bytes) // GB))
        assert shape.parts * shape.cores >= asked["cores"]
        assert placed(shape.parts, need, room, shape.apart), (name, shape, room)


def test_the_brute_force_finds_what_does_not_fit() -> None:
    room = [(4, 0, 8), (3, 0, 8)]
    fits = {(parts, cores): placed(parts, (cores, 0, 1), room, False) for parts, cores in product((1, 2, 3), (2, 3, 4))}
    assert fits == {
        (1, 2): True, (1, 3): True, (1, 4): True, (2, 2): True, (2, 3): True, (2, 4): False,
        (3, 2): True, (3, 3): False, (3, 4): False,
    }  # fmt: skip
