"""The store's only writer: one transaction per report, and the rollups that follow it.

What a report changes is decided in ingest.py; known.py holds what is stored already, write.py and
buckets.py have the statements. A process killed anywhere loses at most the report in hand.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Engine, case, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from agent.report import Report
from agent.states import IS_PENDING, JobState
from collector.buckets import compute, dirty_hours, mark_dirty
from collector.database import lock_for_writing, migrate, open_engine
from collector.history import pack, unpack
from collector.ingest import Changes, Known, changes, unknown_arrays, unknown_ids
from collector.known import keep, keep_records, kept_since, known_until, load_arrays, load_ended, load_known
from collector.leases import Leases, Shares
from collector.node_months import pack_nodes
from collector.partitions import make_room
from collector.prune import Gone, prune
from collector.retention import Limits
from collector.rollup import hour_of
from collector.rows import Row, job_words, reservations_text
from collector.schedule import Spent
from collector.schema import OPEN, cluster, cost_of_poll, poll
from collector.settings import Settings
from collector.stretches import note_polled
from collector.words import Words
from collector.write import write_arrays, write_jobs, write_nodes, write_queues

log = logging.getLogger("collector")

LEASE_SECONDS = 30.0
"""After so long a silence the database gives a collector's clusters to another one."""


@dataclass(frozen=True)
class PollTimes:
    """When a poll was begun, how long it took, and when the next one is due (unix seconds).

    `known_since` is set where the report tells all that happened since then, though nobody asked meanwhile. `period` is the
    one from now on, None where it stays. `query_seconds` is what commands took at most that brought no report.
    """

    at: float
    seconds: float
    next_at: float | None = None
    known_since: float | None = None
    period: int | None = None
    query_seconds: float | None = None


@dataclass(frozen=True)
class Stored:
    """What storing a report came to: its number and time, and how many jobs it changed.

    `is_new` is False where the store had this report already.
    """

    report: int
    taken_at: float
    is_new: bool
    jobs_changed: int


class Store:
    """One open store, migrated to this version's schema. Its owner calls it from one thread at a time.

    Raises StoreBusy where another collector writes it, StoreTooNew where a newer webstat wrote it.
    """

    def __init__(self, url: str, lease_seconds: float = LEASE_SECONDS) -> None:
        self._engine = open_engine(url)
        self._lock = lock_for_writing(self._engine)
        self.leases = Leases(self._engine, lease_seconds)
        self._words = Words()
        self._known: dict[int, Known] = {}
        self._rolled_up: dict[int, float] = {}
        try:
            migrate(self._engine)
            with self._engine.connect() as connection:
                self._words.load(connection)
        except BaseException:
            self.close()
            raise

    @property
    def engine(self) -> Engine:
        """For other writers of this process."""
        return self._engine

    @property
    def words(self) -> Words:
        """The interned texts, for the same."""
        return self._words

    def close(self) -> None:
        """Give up the leases, the connections and the lock."""
        try:
            self.leases.close()
        except SQLAlchemyError as error:  # they have gone with the database
            log.warning("the database is gone: %s", error)
        self._engine.dispose()
        if self._lock is not None:
            self._lock.close()

    def share(self, wanted: Sequence[int]) -> Shares:
        """Leases.share(), and what others stored of the clusters that are new is read."""
        shares = self.leases.share(wanted)
        if shares.taken:
            with self._engine.connect() as connection:
                self._forget(connection, *shares.taken)
        return shares

    def hold(self, *cluster_ids: int) -> None:
        """Take clusters for a command that works on them. Raises StoreBusy where a collector has one."""
        with self._engine.begin() as connection:
            for cluster_id in cluster_ids:
                self._hold(connection, cluster_id)

    def sync_clusters(self, settings: Settings) -> dict[str, int]:
        """Enter the clusters of webstat.toml; those no longer there stay, unlisted. Name -> id."""
        with self._engine.begin() as connection:
            if connection.dialect.name == "postgresql":  # others may do the same now
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('webstat clusters'))")
            names = [entry.name for entry in settings.cluster]
            connection.execute(update(cluster).where(cluster.c.name.not_in(names)).values(listed=False))
            ids: dict[str, int] = dict(connection.execute(select(cluster.c.name, cluster.c.id)).all())
            for entry in settings.cluster:
                wished, share = settings.pace_of(entry)
                row = {
                    "title": entry.title or entry.name,
                    "demo": entry.demo,
                    "wished_seconds": wished,
                    "load_share": share,
                    "listed": True,
                }
                if entry.name in ids:
                    here = update(cluster).where(cluster.c.id == ids[entry.name])
                    # A period that was stretched stays until the next report: who polls it may be another collector.
                    follows = (
                        func.coalesce(cluster.c.wished_seconds, cluster.c.period_seconds) >= cluster.c.period_seconds
                    )
                    period = case((follows, wished), else_=_larger(cluster.c.period_seconds, wished))
                    connection.execute(here.values(**row, period_seconds=period))
                else:
                    new = insert(cluster).values(name=entry.name, period_seconds=wished, **row)
                    statement = new.returning(cluster.c.id)
                    ids[entry.name] = connection.execute(statement).scalar_one()
        return {entry.name: ids[entry.name] for entry in settings.cluster}

    def latest(self, cluster_id: int) -> tuple[int, float | None]:
        """(number, taken_at) of the newest stored report; (0, None) before the first."""
        with self._engine.connect() as connection:
            statement = select(cluster.c.report, cluster.c.taken_at).where(cluster.c.id == cluster_id)
            row = connection.execute(statement).one()
        return row.report, row.taken_at

    def spent(self, cluster_id: int, since: float) -> list[Spent]:
        """The rounds of commands that polls since `since` cost the cluster's scheduler, oldest first."""
        rounds = (
            select(poll.c.at, poll.c.query_seconds)
            .where(poll.c.cluster_id == cluster_id, poll.c.at >= int(since), cost_of_poll())
            .order_by(poll.c.at)
        )
        with self._engine.connect() as connection:
            return [(float(at), float(seconds)) for at, seconds in connection.execute(rounds)]

    def store_report(self, cluster_id: int, report: Report, times: PollTimes) -> Stored:
        """Append what `report` changes, in one transaction; the same report again changes nothing."""
        inserted: list[int] = []
        new_nodes: list[int] = []
        new_queues: list[int] = []
        with self._engine.begin() as connection:
            self._hold(connection, cluster_id)
            known = self._take_known(connection, cluster_id)
            number = connection.execute(select(cluster.c.report).where(cluster.c.id == cluster_id)).scalar_one()
            kept = kept_since(connection, cluster_id)
            is_new = known.taken_at is None or report.taken_at > known.taken_at
            change = Changes(at=int(report.taken_at))
            if is_new:
                number += 1
                texts = self._words.texts
                known.ended.update(load_ended(connection, cluster_id, unknown_ids(known, report), texts))
                known.arrays.update(load_arrays(connection, cluster_id, unknown_arrays(known, report)))
                change = changes(known, report)
                change.jobs = [one for one in change.jobs if one.known or one.ended_at is None or one.ended_at >= kept]
                self._words.intern(connection, (text for one in change.jobs for text in job_words(one.job)))
                inserted = write_jobs(connection, cluster_id, change.jobs, self._words)
                write_arrays(connection, cluster_id, change)
                new_nodes = write_nodes(connection, cluster_id, change.nodes, change.at)
                new_queues = write_queues(connection, cluster_id, change.queues, change.at)
                since_last = change.at if known.taken_at is None else int(known.taken_at)
                last = max(change.at, change.dirty_until)
                mark_dirty(connection, cluster_id, min(change.dirty_since, since_last), last)
                unpack(connection, cluster_id, change.ends())
            _note_poll(connection, cluster_id, report, number, is_new, times)
        if is_new:  # only what is committed is known
            self._words.keep()
            keep(known, report, change, inserted)
            keep_records(known.nodes, change.nodes, new_nodes, change.at)
            keep_records(known.queues, change.queues, new_queues, change.at)
        self._known[cluster_id] = known
        return Stored(number, report.taken_at, is_new, len(change.jobs))

    def store_failure(self, cluster_id: int, times: PollTimes, code: str, message: str) -> int:
        """Note a poll that brought no report; returns how many failed in a row."""
        with self._engine.begin() as connection:
            self._hold(connection, cluster_id)
            _insert_poll(
                connection, cluster_id, times, error_code=code, error=message, query_seconds=times.query_seconds
            )
            statement = (
                update(cluster)
                .where(cluster.c.id == cluster_id)
                .values(
                    failures=cluster.c.failures + 1,
                    error_code=code,
                    error=message,
                    attempted_at=times.at,
                    next_poll_at=times.next_at,
                )
                .returning(cluster.c.failures)
            )
            return int(connection.execute(statement).scalar_one())

    def roll_up(self, cluster_id: int, every_seconds: float = 300.0) -> int:
        """Compute the dirty hours and their days again, and pack months of jobs and nodes; returns how many hours.

        The hour that is not over is computed at most once in `every_seconds`.
        """
        with self._engine.begin() as connection:
            self._hold(connection, cluster_id)
            until = known_until(connection, cluster_id)
        if until is None:
            return 0
        hours = dirty_hours(self._engine, cluster_id)
        if time.monotonic() - self._rolled_up.get(cluster_id, float("-inf")) < every_seconds:
            hours = [hour for hour in hours if hour < hour_of(until)]
        else:
            self._rolled_up[cluster_id] = time.monotonic()
        compute(self._engine, cluster_id, hours, until)
        pack(self._engine, cluster_id, until)
        pack_nodes(self._engine, cluster_id, until)
        return len(hours)

    def prune(self, limits: Limits) -> Iterator[Gone]:
        """Delete what is kept no longer, a short transaction at each step; other calls may come between the steps.

        On PostgreSQL of the clusters that are held: the others are pruned by who holds them.
        """
        with self._engine.connect() as connection:
            ids = connection.execute(select(cluster.c.id).order_by(cluster.c.id)).scalars().all()
        for gone in prune(self._engine, limits, [one for one in ids if self.leases.holds(one)]):
            known = self._known.get(gone.cluster_id)
            if known is not None and gone.rows["job"]:
                known.ended = {name: one for name, one in known.ended.items() if (one.ended_at or OPEN) >= gone.before}
                known.arrays.clear()  # those that are listed yet are looked up again
            yield gone

    def _hold(self, connection: Connection, cluster_id: int) -> None:
        if self.leases.hold(connection, cluster_id):
            self._forget(connection, cluster_id)

    def _forget(self, connection: Connection, *cluster_ids: int) -> None:
        """Others may have written of these clusters, and texts."""
        self._words.load(connection)
        for cluster_id in cluster_ids:
            self._known.pop(cluster_id, None)

    def _take_known(self, connection: Connection, cluster_id: int) -> Known:
        """What is known of a cluster; put back only after a commit, so that a failure has it read anew."""
        known = self._known.pop(cluster_id, None)
        return load_known(connection, cluster_id, self._words.texts) if known is None else known


def _note_poll(
    connection: Connection, cluster_id: int, report: Report, number: int, is_new: bool, times: PollTimes
) -> None:
    query_seconds = sum(report.query_seconds.values())
    here = connection.execute(
        select(cluster.c.period_seconds, cluster.c.wished_seconds).where(cluster.c.id == cluster_id)
    ).one()
    awaited = _awaited(connection, cluster_id) if is_new else None
    known_since = None if times.known_since is None else int(times.known_since)
    states = [record.state for record in report.jobs]
    _insert_poll(
        connection,
        cluster_id,
        times,
        report=number if is_new else None,
        taken_at=report.taken_at,
        known_since=known_since,
        period_seconds=(times.period or here.period_seconds) if is_new else None,
        query_seconds=query_seconds,
        running=states.count(JobState.RUNNING),
        pending=sum(1 for state in states if state in IS_PENDING),
    )
    row: Row = {
        "failures": 0,
        "error_code": None,
        "error": None,
        "attempted_at": times.at,
        "next_poll_at": times.next_at,
    }
    if is_new:
        wished = here.wished_seconds or here.period_seconds
        note_polled(connection, cluster_id, int(report.taken_at), known_since, wished, awaited)
        row.update(
            period_seconds=times.period or here.period_seconds,
            report=number,
            taken_at=report.taken_at,
            query_seconds=query_seconds,
            query_parts=json.dumps(report.query_seconds),
            scheduler_kind=report.scheduler.kind,
            scheduler_version=report.scheduler.version,
            scheduler_server=report.scheduler.server,
            warnings=_json([{"source": w.source, "message": w.message} for w in report.warnings]),
            partial=_json(list(report.partial)),
            reservations=reservations_text(report.reservations),
        )
    connection.execute(update(cluster).where(cluster.c.id == cluster_id).values(**row))


def _awaited(connection: Connection, cluster_id: int) -> int | None:
    """The period that was in force since the report before; None where no poll tells."""
    reports = select(poll.c.period_seconds).where(poll.c.cluster_id == cluster_id, poll.c.report.is_not(None))
    return connection.execute(reports.order_by(poll.c.at.desc(), poll.c.id.desc()).limit(1)).scalar_one_or_none()


def _larger(column: Column[int], number: int) -> ColumnElement[int]:
    return case((column > number, column), else_=number)


def _insert_poll(connection: Connection, cluster_id: int, times: PollTimes, **told: Any) -> None:
    at = int(times.at)
    make_room(connection, at, at, poll)
    connection.execute(insert(poll).values(cluster_id=cluster_id, at=at, seconds=times.seconds, **told))


def _json(value: list[Any]) -> str | None:
    return json.dumps(value, ensure_ascii=False) if value else None
