"""The node map as one compact value: nodes in order of their names, in rows, with the jobs on them. Pure.

What a cell looks like is assets/nodemap.js's business. Columns instead of records and numbers instead of repeated
words keep 5,000 nodes below 100 kB on the wire.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from webstat.format import shorten
from webstat.identity import OTHERS, Shade

FEW, MANY = 8, 48
"""Rows are as long as the racks that the names tell of where those have from FEW to MANY nodes."""

LONGEST_TEXT = 200
"""Characters of a comment or a native state that are sent."""

_MIB = 1024**2
_NUMBER = re.compile(r"([0-9]+)")


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """A key by which cn2 comes before cn10."""
    parts = enumerate(_NUMBER.split(name))
    return tuple((0, int(part), part) if place % 2 else (1, 0, part) for place, part in parts if part)


def racks(names: Sequence[str]) -> list[str]:
    """Each node's group by its name: what stands before its number, and before the number before that as long as
    groups are smaller than FEW on average: r1n1, r1n2, r2n1 -> r1n, r1n, r2n.
    """
    stems = [_NUMBER.split(re.sub(r"\[[^\]]*\]\Z", "", name.split(".")[0] or name)) for name in names]
    for dropped in (1, 2, 3):
        # split() gives text, number, text, number, ...: dropping a number drops what follows it.
        groups = ["".join(parts[: max(1, len(parts) - 2 * dropped)]) for parts in stems]
        if len(names) >= FEW * len(set(groups)):
            return groups
    return [""] * len(names)


def columns_for(nodes: int, groups: Iterable[Hashable]) -> int:
    """How many cells stand in a row: a rack's length where racks are alike, else more the more nodes there are."""
    usual = next(
        (columns for most, columns in ((200, 16), (400, 24), (1000, 32), (1800, 48), (3200, 64)) if nodes <= most), 80
    )
    sizes = pd.Series(list(groups), dtype="object").value_counts()
    if len(sizes) >= 3 and FEW <= sizes.median() <= min(MANY, 1.5 * usual) and sizes.max() <= 2 * sizes.median():
        return int(sizes.median())
    return min(usual, max(nodes, 1))


def size(names: Sequence[str]) -> tuple[int, int]:
    """Cells in a row and number of rows of the map of these nodes, in rows by name."""
    groups = Counter(racks(names))
    columns = columns_for(len(names), groups.elements())
    return columns, sum(-(-nodes // columns) for nodes in groups.values())


def node_map(
    nodes: pd.DataFrame,
    told: pd.DataFrame,
    jobs: pd.DataFrame,
    users: Mapping[str, Shade],
    queues: Mapping[str, Shade],
) -> dict[str, Any]:
    """Everything the map shows, as plain JSON.

    `nodes` is load_nodes(), `told` load_node_jobs(), `jobs` load_placed_jobs(). `users` and `queues` have the shades
    that the charts of the page give; whoever has none is one of the others. In the result:

    columns: cells in a row. states, rows, sets: words that the nodes' numbers point at (state, rack, properties).
    nodes: name, row, state, native, cores, used, gpus, gpus_used, memory, memory_used (MiB), load, comment, properties.
    users, queues: name, hue, texture. jobs: id, name, user, queue, state, cores, started_at, ends_at, nodes (places of
    its nodes), on (cores on each; null where not told).
    """
    nodes = nodes.iloc[sorted(range(len(nodes)), key=lambda place: natural(nodes["name"].iloc[place]))]
    names = nodes["name"].tolist()
    groups = racks(names)
    # Nodes of one rack stand together, the racks in the order of their first nodes.
    first = {group: place for place, group in reversed(list(enumerate(groups)))}
    order = sorted(range(len(names)), key=lambda place: first[groups[place]])
    nodes, groups, names = nodes.iloc[order], [groups[place] for place in order], [names[place] for place in order]
    rows, states, sets = _Words(), _Words(), _Words()
    place_of = {name: place for place, name in enumerate(names)}
    sets_of = [_properties(text) for text in nodes["properties"]]
    return {
        "columns": columns_for(len(names), groups),
        "nodes": {
            "name": names,
            "row": [rows(group) for group in groups],
            "state": [states(state) for state in nodes["state"]],
            "native": _texts(nodes["native_state"]),
            "cores": _numbers(nodes["cores"]),
            "used": _numbers(nodes["cores_used"]),
            "gpus": _numbers(nodes["gpus"]),
            "gpus_used": _numbers(nodes["gpus_used"]),
            "memory": _numbers(nodes["memory_bytes"] / _MIB),
            "memory_used": _numbers(nodes["memory_used_bytes"] / _MIB),
            "load": [None if pd.isna(load) else round(float(load), 1) for load in nodes["load"]],
            "comment": _texts(nodes["comment"]),
            "properties": [sets(one) for one in sets_of],
        },
        "rows": rows.words,
        "states": states.words,
        "sets": [list(one) for one in sets.words],
        **_jobs(jobs, told, place_of, users, queues),
    }


def _jobs(
    jobs: pd.DataFrame,
    told: pd.DataFrame,
    place_of: Mapping[str, int],
    users: Mapping[str, Shade],
    queues: Mapping[str, Shade],
) -> dict[str, Any]:
    listed: dict[str, dict[int, int | None]] = {}
    for name, ids in zip(told["name"], told["jobs"], strict=True):
        for ident in ids:
            if name in place_of:
                listed.setdefault(ident, {})[place_of[name]] = None
    user_words, queue_words = _Words(), _Words()
    places, on, whose, where = [], [], [], []
    for job in jobs.itertuples(index=False):
        at: dict[int, int | None] = dict(listed.get(job.id, {}))
        at.update({place_of[name]: cores for name, cores in job.hosts.items() if name in place_of})
        places.append(sorted(at))
        on.append([at[place] for place in sorted(at)])
        whose.append(user_words(job.user))
        where.append(queue_words(job.queue))
    return {
        "jobs": {
            "id": jobs["id"].tolist(),
            "name": [shorten(name, 60) for name in jobs["name"]],
            "user": whose,
            "queue": where,
            "state": jobs["state"].tolist(),
            "cores": jobs["cores"].tolist(),
            "started_at": _numbers(jobs["started_at"]),
            "ends_at": _numbers(jobs["started_at"] + jobs["walltime_seconds"]),
            "nodes": places,
            "on": on,
        },
        "users": _shaded(user_words.words, users),
        "queues": _shaded(queue_words.words, queues),
    }


class _Words(dict[Any, int]):
    """Numbers for words, in the order in which they come."""

    def __call__(self, word: Any) -> int:
        return self.setdefault(word, len(self))

    @property
    def words(self) -> list[Any]:
        return list(self)


def _shaded(names: Sequence[str], shades: Mapping[str, Shade]) -> dict[str, Any]:
    drawn = [shades.get(name, OTHERS) for name in names]
    return {"name": names, "hue": [shade.hue for shade in drawn], "texture": [shade.texture for shade in drawn]}


def _numbers(column: pd.Series) -> list[int | None]:
    return [None if pd.isna(value) else round(value) for value in column]


def _texts(column: pd.Series) -> list[str | None]:
    return [shorten(text, LONGEST_TEXT) if isinstance(text, str) and text else None for text in column]


def _properties(text: str | None) -> tuple[str, ...]:
    return tuple(str(word) for word in json.loads(text)) if isinstance(text, str) else ()
