"""What the waiting jobs wait for, counted: pure, from load_waiting() and the queues' states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from webstat.reasons import KINDS, reason


@dataclass(frozen=True)
class Longest:
    """The queued job that has waited longest; moments are unix seconds."""

    id: str
    user: str
    queue: str
    cores: int
    nodes: int
    since: float
    words: str
    """Why it waits, one sentence."""
    estimated_start_at: float | None
    """The scheduler's own estimate."""


def kinds_of(waiting: pd.DataFrame, queue_states: Mapping[str, str]) -> pd.Series:
    """The kind of reason (a key of reasons.KINDS) of each job in load_waiting(), same index."""
    told = ["state", "comment", "hold", "depends_on", "queue"]
    known: dict[tuple[object, ...], str] = {}
    kinds = []
    for key in waiting[told].itertuples(index=False, name=None):
        if key not in known:
            state, comment, hold, depends_on, queue = key
            found = reason(
                state=state,
                comment=comment,
                hold=hold,
                depends_on=depends_on,
                queue_state=queue_states.get(queue, "unknown"),
            )
            known[key] = found.kind
        kinds.append(known[key])
    return pd.Series(kinds, index=waiting.index, dtype="str")


def reasons_frame(waiting: pd.DataFrame, queue_states: Mapping[str, str]) -> pd.DataFrame:
    """Waiting jobs by reason: kind str, title str, jobs int64, cores int64; most first.

    What would help nobody to know stands last: those that are held, and those of which nothing is said.
    """
    by_kind = waiting.assign(kind=kinds_of(waiting, queue_states)).groupby("kind")["cores"].agg(["size", "sum"])
    frame = pd.DataFrame(
        {
            "kind": pd.Series(by_kind.index, dtype="str"),
            "title": pd.Series([KINDS[kind] for kind in by_kind.index], dtype="str"),
            "jobs": by_kind["size"].to_numpy(dtype="int64"),
            "cores": by_kind["sum"].to_numpy(dtype="int64"),
        }
    )
    order = {kind: place for place, kind in enumerate(KINDS)}
    last = frame["kind"].isin(("held", "unsaid", "not_kept", "hidden"))
    frame = frame.assign(last=last, place=frame["kind"].map(order))
    frame = frame.sort_values(["last", "jobs", "place"], ascending=[True, False, True], ignore_index=True)
    return frame.drop(columns=["last", "place"])


def longest(waiting: pd.DataFrame, queue_states: Mapping[str, str]) -> Longest | None:
    """The queued job that has been eligible longest, with why it waits; None where none is queued."""
    queued = waiting[waiting["state"] == "queued"]
    if queued.empty:
        return None
    since = queued["eligible_at"].fillna(queued["submitted_at"])
    row = queued.loc[since.idxmin()]
    expected = None if pd.isna(row["estimated_start_at"]) else float(row["estimated_start_at"])
    why = reason(
        state=row["state"],
        comment=row["comment"],
        hold=row["hold"],
        depends_on=row["depends_on"],
        job_id=row["id"],
        user=row["user"],
        queue=row["queue"],
        queue_state=queue_states.get(row["queue"], "unknown"),
        estimated_start_at=expected,
    )
    return Longest(
        id=row["id"],
        user=row["user"],
        queue=row["queue"],
        cores=int(row["cores"]),
        nodes=int(row["nodes"]),
        since=float(since.min()),
        words=why.words,
        estimated_start_at=expected,
    )
