"""Which jobs are asked for: words anywhere, and filters that are counted against each other. Pure.

In which order and how folded they are shown is jobrows.py's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher

import numpy as np
import pandas as pd

from webstat.data.jobcolumns import REASONS, STATES
from webstat.data.jobtable import Table
from webstat.data.queries.now import NO_GROUP

GROUPS: Mapping[str, tuple[str, ...]] = {
    "running": ("running", "exiting"),
    "queued": ("queued", "transiting"),
    "held": ("held", "waiting"),
    "suspended": ("suspended",),
    "finished": ("finished",),
    "failed": ("failed",),
    "unknown": ("unknown",),
}
"""States as they are filtered by."""

LIVING = tuple(name for name in GROUPS if name not in ("finished", "failed"))
FACETS = ("state", "cluster", "queue", "user", "group", "account", "reason")
MOST_NAMES = 500
"""Names of a facet that are told, the most frequent first, besides those that are filtered by."""

_GROUP_OF = np.array([[state in states for states in GROUPS.values()].index(True) for state in STATES])
_ALIKE = 0.6


@dataclass(frozen=True)
class Query:
    """What is asked for: words, and for each facet the names of which a job must have one; none is any.

    Of groups, accounts and reasons to wait, NO_GROUP is a job that has none.
    """

    text: str = ""
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def words(self) -> list[str]:
        """The words that must each be found, in small letters."""
        return self.text.casefold().split()

    @property
    def states(self) -> tuple[str, ...]:
        """Names of GROUPS."""
        return self.names.get("state") or LIVING


@dataclass(frozen=True)
class Found:
    """For each job, whether the words and each facet's names let it through; True for those not asked for."""

    words: np.ndarray
    names: Mapping[str, np.ndarray]

    def without(self, facet: str | None = None) -> np.ndarray:
        """Whether all but one facet let a job through."""
        result = self.words
        for name, lets in self.names.items():
            if name != facet:
                result = result & lets
        return result


@dataclass(frozen=True)
class Near:
    """The name most like words that were not found, what it names, and how many jobs have it."""

    kind: str
    name: str
    jobs: int


def search(table: Table, query: Query) -> Found:
    """Ask the table."""
    names = {"state": np.isin(_codes(table, "state"), [list(GROUPS).index(name) for name in query.states])}
    for facet in FACETS[1:]:
        if wanted := query.names.get(facet):
            names[facet] = np.isin(
                _codes(table, facet), [code for code, name in _named(table, facet) if name in wanted]
            )
    return Found(_with_words(table, query.words), names)


def in_scope(found: Found) -> int:
    """How many jobs are in one of the states asked for, whatever else is."""
    return int(np.count_nonzero(found.names["state"]))


def _with_words(table: Table, words: list[str]) -> np.ndarray:
    """Whether each word is somewhere in a job's text; each is looked for only where those before it were found."""
    result = np.ones(len(table), dtype=bool)
    for word in words:
        texts = table.texts
        if not result.all():
            rows = np.flatnonzero(result)
            texts = [texts[row] for row in rows.tolist()]
            result[rows] = [word in text for text in texts]
        else:
            # One by one in Python takes a tenth of the time that numpy's search in strings does.
            result = np.fromiter((word in text for text in texts), bool, len(texts))
    return result


def _codes(table: Table, facet: str) -> np.ndarray:
    return _GROUP_OF[table.columns["state"]] if facet == "state" else table.columns[facet]


def _named(table: Table, facet: str) -> list[tuple[int, str]]:
    """The codes that occur and what they stand for."""
    if facet == "state":
        return list(enumerate(GROUPS))
    if facet == "cluster":
        return list(enumerate(table.clusters))
    if facet == "reason":
        return [(code, name or NO_GROUP) for code, name in enumerate(REASONS)]
    codes = np.unique(table.columns[facet]).tolist()
    return [(code, table.words[code] if code else NO_GROUP) for code in codes]


def facets(table: Table, query: Query, found: Found) -> dict[str, dict[str, int] | list[tuple[str, int]]]:
    """How many jobs have each name with all but that facet's own filter on: of states all, of others [(name, jobs)].

    Most jobs come first, then by name; names that no job has are left out unless they are filtered by.
    """
    result: dict[str, dict[str, int] | list[tuple[str, int]]] = {}
    for facet in FACETS:
        codes = _codes(table, facet)[found.without(facet)]
        counts = np.bincount(codes) if codes.size else np.zeros(0, dtype=np.int64)
        if facet == "state":
            result[facet] = {
                name: int(counts[code]) if code < len(counts) else 0 for code, name in _named(table, facet)
            }
            continue
        result[facet] = _listed(table, facet, counts, query.names.get(facet, ()))
    return result


def _listed(table: Table, facet: str, counts: np.ndarray, wanted: tuple[str, ...]) -> list[tuple[str, int]]:
    names = {"cluster": table.clusters, "reason": REASONS}.get(facet, table.words)
    having = np.flatnonzero(counts)
    none = int(counts[0]) if counts.size and names[0] is None else 0
    listed = [(names[code], int(counts[code])) for code in having.tolist() if names[code] is not None]
    listed.sort(key=lambda one: (-one[1], one[0].casefold(), one[0]))
    told = listed[:MOST_NAMES]
    more = dict(listed[MOST_NAMES:]) | ({NO_GROUP: none} if none else {})
    seen = {name for name, _ in told}
    return [*told, *((name, more.get(name, 0)) for name in dict.fromkeys(wanted) if name not in seen)]


def near(table: Table, query: Query, found: Found) -> Near | None:
    """The name most like a word that no job has, among jobs that the filters let through; None where none is like it."""
    every = np.flatnonzero(_and_all(found))
    lost = next((word for word in query.words if not any(word in text for text in table.texts)), None)
    if lost is None or not every.size:
        return None
    best: tuple[float, int, str, str] | None = None
    matcher = SequenceMatcher(autojunk=False, b=lost)
    for kind in ("user", "group", "queue", "account", "project", "cluster", "name"):
        for name, jobs in _counted(table, kind, every):
            matcher.set_seq1(name[:64].casefold())
            floor = _ALIKE if best is None else best[0]
            if matcher.real_quick_ratio() < floor or matcher.quick_ratio() < floor:
                continue
            one = (matcher.ratio(), jobs, kind, name)
            if one[0] >= _ALIKE and (best is None or one[:2] > best[:2]):
                best = one
    return None if best is None else Near(best[2], best[3], best[1])


def _and_all(found: Found) -> np.ndarray:
    return np.logical_and.reduce(list(found.names.values()))


def _counted(table: Table, kind: str, jobs: np.ndarray) -> Iterator[tuple[str, int]]:
    codes, names = pd.factorize(table.columns[kind][jobs])
    counts = np.bincount(codes[codes >= 0], minlength=len(names)).tolist()
    texts = {"cluster": table.clusters, "name": None}.get(kind, table.words)
    for name, count in zip(names.tolist(), counts, strict=True):
        text = name if texts is None else texts[name]
        if text is not None:
            yield text, count
