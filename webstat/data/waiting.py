"""What the waiting jobs wait for, counted: pure, from load_waiting() and the queues' states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from webstat.native_reasons import Told, row_of
from webstat.privacy import HIDDEN
from webstat.reasons import DERIVED, KINDS, NOT_KEPT, reason


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


def kinds_of(
    waiting: pd.DataFrame, queue_states: Mapping[str, str], derived: Mapping[str, Told] | None = None
) -> pd.Series:
    """The kind of reason (a key of reasons.KINDS) of each job in load_waiting(), same index.

    `derived` is what is read from the state (readings.py), by job id.
    """
    found = _found(waiting, queue_states, derived)
    return pd.Series([kind for kind, _ in found], index=waiting.index, dtype="str")


def _found(
    waiting: pd.DataFrame, queue_states: Mapping[str, str], derived: Mapping[str, Told] | None
) -> list[tuple[str, bool]]:
    """The kind of reason of each job, and whether it is derived."""
    told = ["state", "comment", "hold", "depends_on", "queue"]
    idents = waiting["id"] if derived else [None] * len(waiting)
    known: dict[tuple[object, ...], tuple[str, bool]] = {}
    found = []
    for ident, key in zip(idents, waiting[told].itertuples(index=False, name=None), strict=True):
        read = derived.get(ident) if derived else None
        whole = (*key, read)
        if whole not in known:
            state, comment, hold, depends_on, queue = key
            why = reason(
                state=state,
                comment=comment,
                hold=hold,
                depends_on=depends_on,
                queue_state=queue_states.get(queue, "unknown"),
                derived=read,
            )
            known[whole] = (why.kind, why.derived)
        found.append(known[whole])
    return found


def reasons_frame(
    waiting: pd.DataFrame, queue_states: Mapping[str, str], derived: Mapping[str, Told] | None = None
) -> pd.DataFrame:
    """Waiting jobs by reason: kind str, title str, jobs, cores int64, derived int64 (how many of the jobs); most first.

    What would help nobody to know stands last: those that are held, and those of which nothing is said.
    """
    found = pd.DataFrame(_found(waiting, queue_states, derived), columns=["kind", "derived"], index=waiting.index)
    found = found.astype({"kind": "str", "derived": "int64"}).assign(cores=waiting["cores"])
    grouped = found.groupby("kind")
    by_kind = grouped[["cores", "derived"]].sum().assign(jobs=grouped.size())
    frame = pd.DataFrame(
        {
            "kind": pd.Series(by_kind.index, dtype="str"),
            "title": pd.Series([KINDS[kind] for kind in by_kind.index], dtype="str"),
            **{name: by_kind[name].to_numpy(dtype="int64") for name in ("jobs", "cores", "derived")},
        }
    )
    order = {kind: place for place, kind in enumerate(KINDS)}
    last = frame["kind"].isin(("held", "unsaid", "not_kept", "hidden"))
    frame = frame.assign(last=last, place=frame["kind"].map(order))
    frame = frame.sort_values(["last", "jobs", "place"], ascending=[True, False, True], ignore_index=True)
    return frame.drop(columns=["last", "place"])


def longest(
    waiting: pd.DataFrame, queue_states: Mapping[str, str], derived: Mapping[str, Told] | None = None
) -> Longest | None:
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
        derived=(derived or {}).get(row["id"]),
    )
    return Longest(
        id=row["id"],
        user=row["user"],
        queue=row["queue"],
        cores=int(row["cores"]),
        nodes=int(row["nodes"]),
        since=float(since.min()),
        words=f"{DERIVED}{why.words}" if why.derived else why.words,
        estimated_start_at=expected,
    )


def unknown_texts(waiting: pd.DataFrame) -> pd.Series:
    """The texts that no table holds, each with how many waiting jobs have it: int64 by text, most first."""
    said = waiting["comment"].dropna()
    texts = said[said.str.strip().astype(bool) & ~said.isin((HIDDEN, NOT_KEPT))].value_counts()
    return texts[[row_of(text) is None for text in texts.index]]
