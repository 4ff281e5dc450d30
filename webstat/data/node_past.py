"""What state a node was in over time, and which jobs are on it. Pure, from the frames of queries/."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from agent.report import Node
from agent.states import USABLE
from webstat.data.one import During, OneNode, append_stretch
from webstat.data.usage import Stretch
from webstat.health import Cluster

GAP, ABSENT, SERVES = "gap", "absent", "serves"
"""No report came; it was not listed; it could take work."""
_SERVES = {state.value for state in USABLE}


@dataclass(frozen=True)
class KnownNode:
    """A node with its states of the last days, as known at a moment: now, or when a silent cluster was last heard of."""

    cluster: Cluster
    node: OneNode
    stretches: Sequence[During]
    since: float | None
    """Since when it is in its state; None where it is no longer listed."""
    at: float
    stale: bool


def node_stretches(spans: pd.DataFrame, since: float, at: float, silent: Sequence[Stretch] = ()) -> list[During]:
    """What state a node was in within [since, at), from load_node_spans(): words of agent.states.NodeState.

    ABSENT while it was not listed, GAP in the `silent` stretches, in which nobody knew. Neighbours that are the
    same are one; they cover all of [since, at).
    """
    found: list[During] = []
    end = since
    for state, first, last in zip(spans["state"], spans["since"], spans["until"], strict=True):
        first, last = max(first, since), min(last, at)
        if first >= last:
            continue
        if first > end:
            append_stretch(found, During(ABSENT, end, first))
        append_stretch(found, During(state, first, last))
        end = last
    if end < at:
        append_stretch(found, During(ABSENT, end, at))
    return _with_gaps(found, silent)


def _with_gaps(stretches: Sequence[During], silent: Sequence[Stretch]) -> list[During]:
    found: list[During] = []
    for one in stretches:
        at = one.since
        for first, last in silent:
            first, last = max(first, at), min(last, one.until)
            if first >= last:
                continue
            if first > at:
                append_stretch(found, During(one.what, at, first))
            append_stretch(found, During(GAP, first, last))
            at = last
        if at < one.until:
            append_stretch(found, During(one.what, at, one.until))
    return found


def in_service(stretches: Sequence[During]) -> list[During]:
    """The same with free, partial and busy as one: SERVES. What is left are the changes that matter to users."""
    found: list[During] = []
    for one in stretches:
        append_stretch(found, During(SERVES if one.what in _SERVES else one.what, one.since, one.until))
    return found


def coarse(stretches: Sequence[During], cells: int = 336) -> list[During]:
    """The same in at most `cells` stretches, for a strip: what is shorter than a cell is told by the rest of its cell,
    but for a time out of service, which is always told.
    """
    if not stretches:
        return []
    since, until = stretches[0].since, stretches[-1].until
    width = (until - since) / cells
    found: list[During] = []
    place = 0
    for cell in range(cells):
        start, end = since + cell * width, since + (cell + 1) * width
        shares: dict[str, float] = {}
        while place < len(stretches):
            one = stretches[place]
            shares[one.what] = shares.get(one.what, 0) + min(end, one.until) - max(start, one.since)
            if one.until > end or place == len(stretches) - 1:
                break
            place += 1
        what = max(shares, key=lambda what: (what not in _SERVES and shares[what] > 0, shares[what]))
        append_stretch(found, During(what, start, end))
    return found


def jobs_here(placed: pd.DataFrame, node: Node) -> pd.DataFrame:
    """Those of load_placed_jobs() that are on a node, by their own hosts or by what the node tells.

    Its columns, and cores_here float64 (NaN where only the node tells of the job).
    """
    here = [hosts.get(node.name) for hosts in placed["hosts"]]
    found = placed.assign(cores_here=pd.Series(here, dtype="float64", index=placed.index))
    return found[found["cores_here"].notna() | found["id"].isin(node.jobs)].reset_index(drop=True)
