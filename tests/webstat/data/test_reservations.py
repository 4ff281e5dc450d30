from __future__ import annotations

import pandas as pd
import pytest

from tests.webstat.data.test_frames import nodes
from webstat.data.reservations import begins_by_node, kept, next_for_all

NOW = 1_800_000_000.0
HOUR = 3600
COLUMNS = ("id", "name", "owner", "state", "queue", "starts_at", "ends_at", "nodes", "cores", "comment")
MACHINE = nodes(*({"name": f"n{n}", "state": "free" if n else "down", "cores": 8, "cores_used": 0} for n in range(4)))
ALL = ("n1", "n2", "n3")


def told(*rows: tuple[object, ...]) -> pd.DataFrame:
    """Rows of (id, name, state, starts, ends, nodes); moments in hours from now."""
    filled = []
    for ident, name, state, starts, ends, on in rows:
        times = [None if at is None else NOW + at * HOUR for at in (starts, ends)]
        filled.append((ident, name, "root", state, None, *times, on, None, None))
    frame = pd.DataFrame(filled, columns=list(COLUMNS))
    return frame.astype({"starts_at": "float64", "ends_at": "float64", "cores": "float64"})


def test_what_runs_comes_first_then_by_start() -> None:
    found = kept(
        told(
            ("R3", "late", "confirmed", 9, 10, ("n1",)),
            ("R2", "course", "running", -1, 1, ("n2",)),
            ("R1", "soon", "confirmed", 2, 3, ("n1",)),
        ),
        MACHINE,
        NOW,
    )
    assert [(one.id, one.runs, one.everything) for one in found] == [
        ("R2", True, False),
        ("R1", False, False),
        ("R3", False, False),
    ]


@pytest.mark.parametrize(
    ("state", "starts", "ends"),
    [("unconfirmed", 1, 2), ("deleted", 1, 2), ("confirmed", -3, -1), ("finished", -3, 1)],
)
def test_what_keeps_nothing_is_left_out(state: str, starts: float, ends: float) -> None:
    assert kept(told(("R1", "x", state, starts, ends, ALL)), MACHINE, NOW) == []


def test_a_reservation_of_all_that_is_in_service_is_for_everybody() -> None:
    found = kept(
        told(("R1", "pm-maint", "confirmed", 65, 75, ALL), ("R2", "x", "confirmed", 1, 2, ("n0", "n1"))), MACHINE, NOW
    )
    everything = next_for_all(found)
    assert everything is not None
    assert (everything.id, everything.maintenance, everything.runs) == ("R1", True, False)
    assert next_for_all(kept(told(("R2", "x", "confirmed", 1, 2, ("n1",))), MACHINE, NOW)) is None


def test_nothing_covers_a_cluster_without_nodes() -> None:
    assert next_for_all(kept(told(("R1", "x", "confirmed", 1, 2, ())), nodes(), NOW)) is None


def test_until_when_a_node_can_be_used() -> None:
    found = kept(
        told(
            ("R1", "a", "confirmed", 5, 6, ("n1", "n2")),
            ("R2", "b", "confirmed", 3, 4, ("n1",)),
            ("R3", "c", "running", -1, 4, ("n3",)),
            ("R4", "d", "confirmed", None, None, ("n3",)),
        ),
        MACHINE,
        NOW,
    )
    assert begins_by_node(found) == {"n1": NOW + 3 * HOUR, "n2": NOW + 5 * HOUR}
