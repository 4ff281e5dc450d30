"""Of which time the jobs of a cluster are known: the rows of `known_span`, beside what `poll` tells itself.

Two kinds: what polls told that were pruned since, with every gap as it was, and what logs told, which are whole but
silent where nothing happened. Where both tell of a time, the polled row stands and the imported one is cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from collector.rollup import DAY
from collector.schema import known_span

LATE_AFTER = 2.5
"""Two reports belong together when they are no more than so many periods apart, or SHORTEST_GAP_SECONDS."""

SHORTEST_GAP_SECONDS = 900

Stretch = tuple[int, int]
"""[since, until)"""


def polled_stretches(
    reports: Iterable[tuple[int, int | None]], period: int, before: Stretch | None = None
) -> list[Stretch]:
    """What reports, (taken_at, known_since) in order, tell of: the rule by which webstat reads `poll`.

    Each tells of the period before it, or of what it says; `before` is the last stretch so far, which they may go on.
    """
    stretches = [] if before is None else [before]
    for at, told in reports:
        since = at - period if told is None else min(told, at - period)
        if stretches and (
            at - stretches[-1][1] <= max(LATE_AFTER * period, SHORTEST_GAP_SECONDS) or since <= stretches[-1][1]
        ):
            stretches[-1] = (stretches[-1][0], max(at, stretches[-1][1]))
        else:
            stretches.append((since, at))
    return stretches


def note_polled(
    connection: Connection,
    cluster_id: int,
    reports: Sequence[tuple[int, int | None]],
    following: tuple[int, int | None] | None,
    period: int,
) -> None:
    """Note what reports tell that are about to be pruned, and that they reach to the `following` one, if they do.

    Called for the oldest first: what is noted later goes on where the last stretch ended.
    """
    last = connection.execute(
        select(known_span.c.since, known_span.c.until)
        .where(known_span.c.cluster_id == cluster_id, known_span.c.polled)
        .order_by(known_span.c.since.desc())
        .limit(1)
    ).one_or_none()
    before = None if last is None else (last.since, last.until)
    found = polled_stretches(reports, period, before)
    if found and following is not None:
        found[-1] = polled_stretches([following], period, found[-1])[0]
    for since, until in found:
        for other in _overlapping(connection, cluster_id, since, until, polled=False):
            _replace(connection, cluster_id, [other], _without(other, [(since, until)]), polled=False)
    _replace(connection, cluster_id, [] if before is None else [before], found, polled=True)


def extend_known(connection: Connection, cluster_id: int, since: int, until: int) -> None:
    """Note that a log told of a stretch; it joins others that logs told of, from which less than a day parts it."""
    near = _overlapping(connection, cluster_id, since - DAY, until + DAY, polled=False)
    whole = min([since, *(one[0] for one in near)]), max([until, *(one[1] for one in near)])
    told = _without(whole, _overlapping(connection, cluster_id, *whole, polled=True))
    if told != near:
        _replace(connection, cluster_id, near, told, polled=False)


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
        if start > since:
            left.append((since, start))
        since = max(since, end)
    return [*left, (since, until)] if since < until else left


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
