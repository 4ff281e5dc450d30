"""What is read from the state of a job of which its scheduler says nothing: each case, and whatever the state."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webstat.answers.derive import Asks, Machine, Place, Share, derived
from webstat.data.limits import parse_limits
from webstat.format import NBSP
from webstat.reasons import KINDS, reason

GB = 1 << 30


def machine(*nodes: tuple[float, ...], all_gpus_free: int | None = None, in_parts: bool = True) -> Machine:
    """Nodes as (cores, free, GPUs, free, memory, free); what is left out is not there."""
    columns = np.array([(*node, *(0, 0, 0, 0, np.nan, np.nan)[len(node) :]) for node in nodes], dtype="float64")
    return Machine(*columns.reshape(-1, 6).T, all_gpus_free=all_gpus_free, in_parts=in_parts)


def said(asks: Asks, place: Place, share: Share | None = None, ahead: int | None = 0) -> tuple[str, str] | None:
    told = derived(asks, place, share, ahead)
    return None if told is None else (told.kind, told.words.replace(NBSP, " "))


BUSY = machine((24, 12), (24, 24), (24, 0))


@pytest.mark.parametrize(
    ("asks", "nodes", "told"),
    [
        (Asks(48, 2), BUSY, ("full", "Needs 48 cores; 36 are free.")),
        (Asks(4, 1), machine((24, 0)), ("full", "Needs 4 cores; none is free.")),
        (Asks(24, 1), machine((24, 20), (24, 12)), ("full", "Needs 24 cores on a node; at most 20 are free.")),
        (Asks(32, 2), machine((24, 20), (24, 12)), ("full", "Needs 16 cores on each of 2 nodes; there is room for 1.")),
        (Asks(24, 2), machine((24, 20), (24, 12)), None),
        (Asks(16, 4), machine((24, 20)), None),  # several parts may be on one node
        (Asks(33, 5), machine((24, 8), (24, 8), (24, 8), (24, 9)), None),  # four of 8 and one of 1 would fit
        (Asks(4, 1, gpus=2), machine((24, 24, 2, 1), (24, 24, 2, 0), all_gpus_free=1), ("gpu", "Needs 2 GPUs; 1 is free.")),
        (Asks(4, 1, gpus=2), machine((24, 24, 2, 1), (24, 24, 2, 1)), ("gpu", "Needs 2 GPUs on a node; at most 1 is free.")),
        (Asks(4, 1, gpus=2), machine((24, 24, 4, np.nan), all_gpus_free=3), None),  # not told where
        (Asks(4, 1, memory_bytes=96 * GB), machine((24, 24, 0, 0, 128 * GB, 64 * GB)),
         ("memory", "Needs 96 GB of memory on a node; at most 64 GB is free.")),
        (Asks(4, 1, memory_bytes=96 * GB), machine((24, 24, 0, 0, 128 * GB, np.nan)), None),
        (Asks(4, 1, memory_bytes=96 * GB), machine((24, 2, 0, 0, 128 * GB, 128 * GB), (24, 24, 0, 0, 128 * GB, 0)),
         ("memory", "Needs 96 GB of memory on a node; there is room for none.")),
        (Asks(96, 2), BUSY, ("never", "Cannot run: asks for 96 cores, there are 72.")),
        (Asks(32, 1), BUSY, ("never", "Cannot run: asks for 32 cores on a node, the largest has 24.")),
        (Asks(4, 1, gpus=1), BUSY, ("never", "Cannot run: asks for 1 GPU, there are none.")),
        (Asks(4, 1, gpus=4), machine((24, 24, 2, 2), (24, 24, 2, 2)),
         ("never", "Cannot run: asks for 4 GPUs on a node, the largest has 2.")),
        (Asks(4, 1, memory_bytes=600 * GB), machine((24, 24, 0, 0, 384 * GB, 384 * GB)),
         ("never", "Cannot run: asks for 600 GB of memory on a node, the largest has 384 GB.")),
        # Of Slurm only the least number of nodes is known: what fits on several is not held against it.
        (Asks(32, 1), machine((24, 20), (24, 12), in_parts=False), None),
        (Asks(4, 3), machine((24, 20), (24, 12), (24, 0), in_parts=False), ("full", "Needs 3 nodes; 2 have free cores.")),
        (Asks(4, 4), machine((24, 20), (24, 12), in_parts=False), ("never", "Cannot run: asks for 4 nodes, there are 2.")),
        # What is not told is not held against a job.
        (Asks(960, 40), machine(), None),
        (Asks(48, 0), machine((24, np.nan), (24, np.nan)), None),
        (Asks(24, 0), machine((24, 12), (24, 12)), None),
    ],
)  # fmt: skip
def test_room(asks: Asks, nodes: Machine, told: tuple[str, str] | None) -> None:
    assert said(asks, Place("long", nodes)) == told


LIMITS = parse_limits('{"resources_max.ncpus": "48", "resources_min.nodect": "2", "max_running": "60"}')


def test_limits_of_a_queue() -> None:
    place = Place("long", None, LIMITS, 4 * 3600.0, Share({"jobs": 60.0}))
    assert said(Asks(96, 4), place) == ("never", "Cannot run: asks for 96 cores, the queue long allows 48.")
    assert said(Asks(24, 1), place) == ("never", "Cannot run: asks for 1 node, the queue long wants 2.")
    told = derived(Asks(24, 2, walltime_seconds=2 * 86400.0), place, None, 0)
    assert told is not None and told.words.replace(NBSP, " ") == "Cannot run: asks for 2 d, the queue long allows 4 h."
    assert (told.helps or "").replace(NBSP, " ") == "Ask for at most 4 h."
    assert said(Asks(24, 2), place) == ("group_limit", "The queue long is at its limit of 60 running jobs.")
    assert said(Asks(24, 2), Place("long", None, LIMITS, None, Share({"jobs": 59.0}))) is None


def test_limits_of_a_user_come_before_room() -> None:
    full, place = Place("long", machine((24, 0))), Place("long")
    jobs = Share({"jobs": 30.0}, {"jobs": 30.0})
    cores = Share({"cores": 200.0, "jobs": 9.0}, {"cores": 240.0})
    assert said(Asks(4, 1), full, jobs) == ("user_limit", "is at the limit of 30 running jobs in long.")
    assert said(Asks(48, 2), place, cores) == ("user_limit", "has 200 of 240 cores in long; this asks for 48.")
    assert said(Asks(40, 2), place, cores) is None
    assert said(Asks(300, 9), place, cores) == ("never", "Cannot run: asks for 300 cores, a user may have 240 in long.")


def test_who_says_it_adds_the_user_and_the_jobs_ahead() -> None:
    at_limit = derived(Asks(4, 1), Place("long"), Share({"jobs": 30.0}, {"jobs": 30.0}), 0)
    behind = derived(Asks(4, 1), Place("long"), None, 3)
    known = {"state": "queued", "comment": None, "hold": None, "depends_on": None, "user": "dave", "queue": "long"}
    told = reason(**known, derived=at_limit)
    assert (told.kind, told.words, told.derived) == (
        "user_limit",
        "dave is at the limit of 30 running jobs in long.",
        True,
    )
    assert reason(**known, derived=behind, ahead=3).words == "3 jobs are ahead of it in long."
    # What the scheduler, a hold or the queue says comes first.
    assert not reason(**{**known, "comment": "Priority"}, derived=at_limit).derived
    assert reason(**{**known, "hold": "u"}, derived=at_limit).kind == "held"
    assert reason(**known, derived=at_limit, queue_state="stopped").words == "The queue long is stopped."
    assert derived(Asks(4, 1), Place("long"), None, 0) is None


AMOUNT = st.one_of(st.just(np.nan), st.floats(0, 1e15), st.integers(0, 128).map(float))
TEXTS = st.dictionaries(
    st.sampled_from(
        ["max_running", "max_user_run", "resources_max.ncpus", "resources_min.walltime", "max_run_res.mem"]
    ),
    st.sampled_from(["0", "3", "01:30:00", "[u:PBS_GENERIC=240]", "[o:PBS_ALL=9gb]", "odd"]),
)


@given(
    asks=st.builds(
        Asks,
        st.integers(0, 10**6),
        st.integers(0, 10**4),
        st.integers(0, 100),
        st.none() | st.floats(0, 1e18),
        st.none() | st.floats(0, 1e9),
    ),
    nodes=st.none() | st.lists(st.tuples(*[AMOUNT] * 6), max_size=6),
    in_parts=st.booleans(),
    gpus=st.none() | st.integers(0, 9),
    limits=TEXTS,
    name=st.text(max_size=30),
    walltime=st.none() | st.floats(0, 1e9),
    held=st.dictionaries(st.sampled_from(["jobs", "cores", "GPUs", "memory"]), st.floats(0, 1e15)),
    most=st.none() | st.dictionaries(st.sampled_from(["jobs", "cores", "GPUs", "memory"]), st.floats(0, 1e15)),
    ahead=st.none() | st.integers(0, 10**6),
)
def test_any_state_has_a_sentence_or_none(
    asks, nodes, in_parts, gpus, limits, name, walltime, held, most, ahead
) -> None:
    there = None if nodes is None else machine(*nodes, all_gpus_free=gpus, in_parts=in_parts)
    place = Place(name, there, parse_limits(json.dumps(limits)), walltime, Share(held))
    found = derived(asks, place, None if most is None else Share(held, most), ahead)
    why = reason(
        state="queued", comment=None, hold=None, depends_on=None, user="u", queue=name, ahead=ahead, derived=found
    )
    assert why.kind in KINDS and why.words.endswith(".") and len(why.words) < 200
    assert (found is None) == (why.kind == "unsaid") == (not why.derived)
    assert why.helps is None or why.helps.endswith(".")
