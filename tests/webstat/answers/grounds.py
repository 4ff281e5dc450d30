"""Clusters made for tests of the advisor: frames as the queries give them, and one queue's verdict."""

from __future__ import annotations

import json

import pandas as pd

from tests.webstat.data.test_frames import nodes, totals
from webstat.answers.forbid import Who
from webstat.answers.ground import Ground, ground
from webstat.answers.judge import Judged, Moment, judge
from webstat.answers.request import read_request
from webstat.format import NBSP

NOW = 1_800_000_000.0
HOUR = 3600
GB = 1024**3


def node(cores: int = 24, used: int = 0, state: str | None = None, **more: object) -> dict[str, object]:
    """A node of load_nodes(); its state follows from what is used."""
    follows = "free" if not used else "busy" if used >= cores else "partial"
    return {"state": state or follows, "cores": cores, "cores_used": used, **more}


def queues(**told: dict[str, object]) -> pd.DataFrame:
    """load_queues(): name -> type, enabled, started, walltime (seconds) and limits, where they are not the usual."""
    rows = []
    for name, one in told.items():
        limits = one.get("limits")
        rows.append(
            (name, one.get("type", "execution"), one.get("enabled", True), one.get("started", True), 0.0,
             one.get("walltime"), json.dumps(limits) if limits else None)
        )  # fmt: skip
    columns = ["name", "type", "enabled", "started", "priority", "max_walltime_seconds", "limits"]
    return pd.DataFrame(rows, columns=columns).astype(
        {"name": "str", "type": "str", "max_walltime_seconds": "float64", "limits": "object"}
    )


def waiting(*rows: tuple[object, ...]) -> pd.DataFrame:
    """load_alike_counted(): rows of (queue, comment, cores[, nodes, jobs, estimated start in hours, gpus])."""
    filled = [(*row, *(1, 1, None, 0)[len(row) - 3 :]) for row in rows]
    made = [
        (queue, "queued", cores, on, gpus, comment, None, None, jobs, at, None if start is None else NOW + start * HOUR)
        for at, (queue, comment, cores, on, jobs, start, gpus) in enumerate(filled)
    ]
    columns = ["queue", "state", "cores", "nodes", "gpus", "comment", "hold", "depends_on", "jobs", "submitted_at"]
    frame = pd.DataFrame(made, columns=[*columns, "estimated_start_at"])
    return frame.astype({"queue": "str", "state": "str", "estimated_start_at": "float64"})


def reserved(*rows: tuple[object, ...]) -> pd.DataFrame:
    """load_reservations(): rows of (state, starts, ends, nodes), moments in hours from now."""
    columns = ["id", "name", "owner", "state", "queue", "starts_at", "ends_at", "nodes", "cores", "comment"]
    filled = [
        (f"R{place}", "", "", state, None, NOW + starts * HOUR, NOW + ends * HOUR, on, None, None)
        for place, (state, starts, ends, on) in enumerate(rows)
    ]
    return pd.DataFrame(filled, columns=columns).astype({"starts_at": "float64", "ends_at": "float64"})


def running(*rows: tuple[str, str, float]) -> pd.DataFrame:
    """As much of releases() as is read: rows of (queue, node, walltime in hours)."""
    made = [(queue, name, NOW - HOUR, NOW - HOUR + hours * HOUR) for queue, name, hours in rows]
    return pd.DataFrame(made, columns=["queue", "node", "started_at", "ends_by"])


def made(
    machine: list[dict[str, object]],
    listed: pd.DataFrame | None = None,
    held: pd.DataFrame | None = None,
    wait: pd.DataFrame | None = None,
    kept: pd.DataFrame | None = None,
    kind: str = "openpbs",
    runs: pd.DataFrame | None = None,
) -> Ground:
    """A cluster of these nodes, with one open queue `batch` where no others are told."""
    return ground(
        nodes(*machine),
        queues(batch={}) if listed is None else listed,
        totals() if held is None else held,
        waiting() if wait is None else wait,
        reserved() if kept is None else kept,
        kind,
        NOW,
        runs,
    )


def verdict(
    found: Ground, queue: str = "batch", fresh: bool = True, kind: str = "openpbs", who: Who | None = None, **asked: str
) -> Judged:
    """What a queue would do with a job that is asked for in these words."""
    request, problems = read_request(asked)
    assert problems == {}
    one = next(one for one in found.queues if one.name == queue)
    named = who or Who()
    return judge(found, one, kind, request, named, found.uses(queue, named), Moment(NOW, NOW - 20, fresh))


def words(found: Judged) -> str:
    """Why, with moments as seconds from now, and plain spaces."""
    told = "".join(one if isinstance(one, str) else f"{one.at - NOW:+.0f}" for one in found.why)
    return told.replace(NBSP, " ").strip()
