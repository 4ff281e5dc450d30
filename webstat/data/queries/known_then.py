"""How a past moment is known: by which report each cluster, from when on at all, and where nobody asked.

What was at that moment is moment.py's; the words for it, sentences' and the pages'.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pandas as pd
from sqlalchemy import ColumnElement, Connection, Engine, Row, and_, case, func, or_, select

from collector import schema
from webstat.data.queries.engine import one_moment, read_frame
from webstat.health import LATE_AFTER

DAY = 86400


class How(StrEnum):
    """What a cluster's state at a moment rests on."""

    REPORT = "report"
    """The newest report that was there then: jobs, nodes and queues as it had them."""
    TOLD = "told"
    """A later report, which told all that happened since the one before: the jobs are exact to the second."""
    KEPT = "kept"
    """Reports that are no longer counted one by one: jobs, nodes and queues as they had them."""
    LOG = "log"
    """Accounting logs: the jobs are known, nodes and queues are not."""


@dataclass(frozen=True)
class Then:
    """One cluster at a moment; times unix seconds UTC."""

    cluster_id: int
    how: How
    as_of: int
    """The second whose state is shown: that of the report, or the moment itself."""
    taken_at: float
    report: int
    """Number of the report; of a later one where that told."""
    period_seconds: int
    """In which the next one was awaited then."""
    query_seconds: float | None = None
    failures: int = 0
    """Polls that had failed in a row by then."""
    error_code: str | None = None
    error: str | None = None
    attempted_at: float | None = None
    known_since: float | None = None
    """From when on all that happened is known, where it is not a report of then that tells."""
    before: float | None = None
    """When the last report up to the moment was taken."""
    after: float | None = None
    """When the first one after it was taken; None where there is none yet."""


def load_then(engine: Engine, at: int) -> tuple[Then, ...]:
    """The clusters that are known at `at`, by their ids. Raises StoreEmpty, StoreBroken."""
    with one_moment(engine) as connection:
        rows = connection.execute(select(schema.cluster).order_by(schema.cluster.c.id)).mappings().all()
        found = [
            _then(connection, row["id"], row["wished_seconds"] or row["period_seconds"], at)
            for row in rows
            # What was pruned is known by its sums only.
            if at >= (row["kept_since"] or 0)
        ]
    return tuple(one for one in found if one is not None)


def _then(connection: Connection, cluster_id: int, wished: int, at: int) -> Then | None:
    p = schema.poll.c
    reports = select(schema.poll).where(p.cluster_id == cluster_id, p.report.is_not(None)).limit(1)
    # A report is taken after its poll has begun: of those begun before, some were taken after.
    before = connection.execute(
        reports.where(p.at <= at, p.taken_at < at + 1).order_by(p.at.desc(), p.id.desc())
    ).first()
    begun = at - DAY if before is None else before.at
    after = connection.execute(reports.where(p.at >= begun, p.taken_at >= at + 1).order_by(p.at, p.id)).first()
    known = {"before": before and before.taken_at, "after": after and after.taken_at}
    if after is not None and after.known_since is not None and after.known_since <= at:
        known["known_since"] = after.known_since
        return Then(cluster_id, How.TOLD, at, float(at), after.report, wished, after.query_seconds, **known)
    period = (before and before.period_seconds) or wished
    if before is None or at - before.taken_at > LATE_AFTER * period:
        s = schema.known_span.c
        covers = and_(s.cluster_id == cluster_id, s.since <= at, s.until > at)
        for span in connection.execute(select(s.since, s.polled).where(covers)):
            # Each report is noted with the period before it, of which it tells nothing; a stretch that is older than
            # the first report that is kept was told by others.
            if not span.polled or (before is None and span.since < (after.taken_at if after else at) - wished - 1):
                how = How.KEPT if span.polled else How.LOG
                known["known_since"] = span.since
                return Then(cluster_id, how, at, float(at), after.report if after else 1, wished, **known)
    if before is None:
        return None
    failures, last = _failures(connection, cluster_id, before, at)
    told = {} if last is None else {"error_code": last.error_code, "error": last.error, "attempted_at": float(last.at)}
    return Then(
        cluster_id, How.REPORT, int(before.taken_at), before.taken_at, before.report, period, before.query_seconds,
        failures,
        **{"attempted_at": float(before.at), **told}, **known,
    )  # fmt: skip


def _failures(connection: Connection, cluster_id: int, report: Row[Any], at: int) -> tuple[int, Row[Any] | None]:
    """How many polls after a report had failed by `at`, and the last of them."""
    p = schema.poll.c
    begun = and_(p.cluster_id == cluster_id, p.at > report.at, p.at <= at)  # within which the index finds them
    failed = and_(begun, p.at + p.seconds <= at, p.error_code.is_not(None))
    count = connection.scalar(select(func.count()).where(failed)) or 0
    return count, connection.execute(select(schema.poll).where(failed).order_by(p.at.desc()).limit(1)).first()


def load_first_known(engine: Engine) -> pd.DataFrame:
    """From when on each cluster is known at all: cluster_id int64, at int64; those never seen left out."""
    c, p, s = schema.cluster.c, schema.poll.c, schema.known_span.c
    polled = select(p.taken_at).where(p.cluster_id == c.id, p.report.is_not(None)).order_by(p.at).limit(1)
    # A report is noted with the period before it, of which it tells nothing.
    begun = func.min(case((s.polled, s.since + func.coalesce(c.wished_seconds, c.period_seconds)), else_=s.since))
    told = select(begun).where(s.cluster_id == c.id)
    asked = [one.correlate(schema.cluster).scalar_subquery() for one in (polled, told)]
    columns = dict.fromkeys(("polled", "told", "kept"), "float64")
    frame = read_frame(engine, select(c.id, *asked, c.kept_since), {"cluster_id": "int64", **columns})
    frame["at"] = frame[["polled", "told"]].min(axis=1).clip(lower=frame["kept"].fillna(0)) // 1
    return frame.dropna(subset="at").astype({"at": "int64"})[["cluster_id", "at"]].reset_index(drop=True)


def load_steps(engine: Engine, cluster_ids: tuple[int, ...], at: int) -> tuple[int | None, int | None]:
    """The moments of the last report before the one shown at `at`, and of the first after it, of any of the clusters."""
    p = schema.poll.c
    before, after = [], []
    with one_moment(engine) as connection:
        for ident in cluster_ids:
            reports = select(p.at, p.taken_at).where(p.cluster_id == ident, p.report.is_not(None)).limit(1)
            last = connection.execute(reports.where(p.at <= at, p.taken_at < at).order_by(p.at.desc())).first()
            begun = at - DAY if last is None else last.at
            first = connection.execute(reports.where(p.at >= begun, p.taken_at >= at + 1).order_by(p.at)).first()
            before += [] if last is None else [int(last.taken_at)]
            after += [] if first is None else [int(first.taken_at)]
    return max(before, default=None), min(after, default=None)


def load_load(engine: Engine, since: int) -> pd.DataFrame:
    """How much of what was installed was in use in each hour since `since`, all clusters together, oldest first.

    hour int64 (its first second), share float64 (0 to 1; NaN where nobody knows what is installed).
    """
    u, c = schema.usage_hour.c, schema.capacity_hour.c
    used = select(u.bucket, func.sum(u.core_seconds)).where(u.bucket >= since, _everywhere(u)).group_by(u.bucket)
    there = select(c.bucket, func.sum(c.core_seconds)).where(c.bucket >= since, _everywhere(c)).group_by(c.bucket)
    frames = [
        read_frame(engine, query, {"hour": "int64", "cores": "float64"}).set_index("hour")["cores"]
        for query in (used, there)
    ]
    share = (frames[0] / frames[1]).clip(upper=1.0).sort_index()
    return share.rename("share").rename_axis("hour").reset_index()


def load_gaps(engine: Engine, since: int, shortest: int) -> pd.DataFrame:
    """Stretches since `since` of which no report of a cluster tells: cluster_id, since, until int64; of `shortest` s or more.

    Where a report was awaited later than that, the stretch is longer than was to be expected then.
    """
    p = schema.poll.c
    before, awaited = (
        func.lag(one).over(partition_by=p.cluster_id, order_by=p.taken_at) for one in (p.taken_at, p.period_seconds)
    )
    seen = (
        select(p.cluster_id, before.label("since"), p.taken_at.label("until"), p.known_since, awaited.label("awaited"))
        .where(_everywhere(p), p.at >= since, p.report.is_not(None))
        .subquery()
        .c
    )
    length = seen.until - seen.since
    long = and_(length >= shortest, length > LATE_AFTER * func.coalesce(seen.awaited, 0))
    query = select(seen.cluster_id, seen.since, seen.until).where(
        long, or_(seen.known_since.is_(None), seen.known_since > seen.since)
    )
    frame = read_frame(engine, query, {"cluster_id": "int64", "since": "float64", "until": "float64"})
    return frame.astype("int64")


def _everywhere(columns: Any) -> ColumnElement[bool]:
    """True of every row; makes the index be used, which begins with the cluster."""
    return columns.cluster_id.in_(select(schema.cluster.c.id))
