"""Of which time the jobs of a cluster are known: the rows of `known_span`.

Two kinds: what reports told, with every gap between them, and what logs told, which are whole but silent where nothing
happened. Where both tell of a time, the polled row stands and the imported one is cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from collector.rollup import DAY
from collector.schema import OPEN, known_span

LATE_AFTER = 2.5
"""Two reports belong together when they are no more than so many periods apart, or SHORTEST_GAP_SECONDS.

The period is the one in which the later was awaited when the earlier came, whatever it is now.
"""

SHORTEST_GAP_SECONDS = 900

Stretch = tuple[int, int]
"""[since, until)"""


def polled_stretches(
    reports: Iterable[tuple[int, int | None, int]], period: int, before: Iterable[Stretch] = ()
) -> list[Stretch]:
    """What reports, (taken_at, known_since, awaited within) in order, tell of: the rule by which webstat reads `poll`.

    Each tells of the wished `period` before it, or of what it says; `before` are stretches so far, which they may go on.
    """
    stretches = list(before)
    for at, told, awaited in reports:
        longest = max(LATE_AFTER * awaited, SHORTEST_GAP_SECONDS)
        since = start = at - period if told is None else min(told, at - period)
        while stretches and (since <= stretches[-1][1] or at - stretches[-1][1] <= longest):
            start = min(start, stretches.pop()[0])
        stretches.append((start, at))
    return stretches


def note_polled(
    connection: Connection, cluster_id: int, at: int, told: int | None, period: int, awaited: int | None = None
) -> None:
    """Note what a new report tells of: it goes on with the stretch before, or begins one.

    `period` is the wished one, `awaited` that in force since the report before, where it is another one.
    """
    awaited = awaited or period
    since = at - max(round(LATE_AFTER * awaited), SHORTEST_GAP_SECONDS, period, at - told if told is not None else 0)
    before = _overlapping(connection, cluster_id, since - 1, OPEN, polled=True)
    found = polled_stretches([(at, told, awaited)], period, before)
    old, new = [one for one in before if one not in found], [one for one in found if one not in before]
    for start, end in new:
        for other in _overlapping(connection, cluster_id, start, end, polled=False):
            _replace(connection, cluster_id, [other], _without(other, [(start, end)]), polled=False)
    _replace(connection, cluster_id, old, new, polled=True)


def extend_known(connection: Connection, cluster_id: int, since: int, until: int) -> None:
    """Note that a log told of a stretch; it joins others that logs told of, from which less than a day parts it.

    Not across what polls told: they know the gaps between them better than a log that is silent there.
    """
    near = _overlapping(connection, cluster_id, since - DAY, until + DAY, polled=False)
    polled = _overlapping(connection, cluster_id, since - DAY, until + DAY, polled=True)
    first, last, joined = since, until, []
    for one in [*(one for one in reversed(near) if one[0] < since), *(one for one in near if one[0] >= since)]:
        bridge = (one[1], first) if one[0] < since else (last, one[0])
        if bridge[0] >= bridge[1] or _without(bridge, polled) == [bridge]:
            first, last = min(first, one[0]), max(last, one[1])
            joined.append(one)
    told = _without((first, last), _overlapping(connection, cluster_id, first, last, polled=True))
    _replace(connection, cluster_id, sorted(joined), told, polled=False)


def _overlapping(connection: Connection, cluster_id: int, since: int, until: int, *, polled: bool) -> list[Stretch]:
    rows = connection.execute(
        select(known_span.c.since, known_span.c.until)
        .where(
            known_span.c.cluster_id == cluster_id,
            known_span.c.polled.is_(polled),
            known_span.c.since < until,
            known_span.c.until > since,
        )
        .order_by(known_span.c.since)
    )
    return [(row.since, row.until) for row in rows]


def _without(whole: Stretch, others: Iterable[Stretch]) -> list[Stretch]:
    """What is left of a stretch; the others are in order."""
    since, until = whole
    left = []
    for start, end in others:
        if start < until and end > since:
            left.append((since, start))
            since = end
    return [one for one in [*left, (since, until)] if one[0] < one[1]]


def _replace(
    connection: Connection, cluster_id: int, old: Sequence[Stretch], new: Sequence[Stretch], *, polled: bool
) -> None:
    if old == new:
        return
    here: ColumnElement[bool] = known_span.c.cluster_id == cluster_id
    connection.execute(delete(known_span).where(here, known_span.c.since.in_([since for since, _ in old])))
    rows = [{"cluster_id": cluster_id, "since": since, "until": until, "polled": polled} for since, until in new]
    if rows:
        connection.execute(insert(known_span), rows)
