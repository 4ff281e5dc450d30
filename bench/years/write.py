"""Writes a cluster that is being played into a store, through the collector's own writers.

A stretch of time and how far the store has come are one transaction: killed anywhere, it goes on.
"""

from __future__ import annotations

from bisect import bisect_right

from sqlalchemy import Connection, insert, select, update

from bench.years.clusters import DAY, Cluster
from bench.years.machine import POLL_SECONDS, POLLED_DAYS, Played
from bench.years.records import Records
from collector.buckets import mark_dirty
from collector.enter import enter, enter_arrays
from collector.ingest import JobChange, RecordChanges
from collector.rows import NODE_STATE_NUMBER, node_row, words_of
from collector.schema import cluster as cluster_table
from collector.schema import history_month, import_file, node, node_span, poll
from collector.store import PollTimes, Store
from collector.stretches import note_polled
from collector.write import insert_rows, write_jobs, write_queues

_POLL_TOOK = 1.2


class Writer:
    """Writes one cluster; `place` is how many stretches the store has of it."""

    def __init__(self, store: Store, cluster: Cluster, cluster_id: int, mark: str) -> None:
        self._store = store
        self.cluster = cluster
        self._id = cluster_id
        self._records = Records(cluster)
        self._here = (import_file.c.cluster_id == cluster_id) & (import_file.c.mark == mark)
        with store.engine.begin() as connection:
            place = connection.execute(select(import_file.c.position).where(self._here)).scalar_one_or_none()
            if place is None:
                self._begin(connection, mark)
            nodes = select(node.c.name, node.c.id).where(node.c.cluster_id == cluster_id)
            ids: dict[str, int] = dict(connection.execute(nodes).all())
        self.place = place or 0
        self._node_ids = [ids[name] for name in cluster.node_names]

    @property
    def is_whole(self) -> bool:
        """Whether the store has all but sums and columns."""
        return self._store.latest(self._id)[1] is not None

    def write(self, number: int, played: Played) -> None:
        """A stretch; the last one with what lives at the end. What the store has already is passed over."""
        if number >= self.place:
            with self._store.engine.begin() as connection:
                self._write(connection, played)
                connection.execute(
                    update(import_file)
                    .where(self._here)
                    .values(position=number + 1, records=import_file.c.records + len(played.ended))
                )
        if played.until >= self.cluster.end:
            at = float(self.cluster.end)
            self._store.store_report(self._id, self._records.report(played), PollTimes(at - _POLL_TOOK, _POLL_TOOK))

    def forget_columns(self) -> None:
        """Say that the columns of history are to be made again."""
        with self._store.engine.begin() as connection:
            here = history_month.c.cluster_id == self._id
            connection.execute(update(history_month).where(here).values(packed_until=history_month.c.month))

    def _begin(self, connection: Connection, mark: str) -> None:
        start = self.cluster.start
        values = {"name": "bench", "position": 0, "records": 0, "skipped": 0, "at": start}
        connection.execute(insert(import_file).values(cluster_id=self._id, mark=mark, **values))
        insert_rows(connection, node, [{"cluster_id": self._id, **node_row(one)} for one in self._records.nodes()])
        write_queues(connection, self._id, RecordChanges(new=self._records.queues()), start)

    def _write(self, connection: Connection, played: Played) -> None:
        told, seen = self._records.ended(played.ended)
        enter(connection, self._id, told, self._store.words)
        self._write_seen(connection, seen)
        enter_arrays(connection, self._id, {f"{number}[]": size for number, size in played.arrays.items()})
        self._write_node_spans(connection, played)
        note_polled(connection, self._id, played.until, self.cluster.start, POLL_SECONDS)
        if played.until >= self.cluster.end:
            self._write_polls(connection, played.counts)

    def _write_seen(self, connection: Connection, seen: list[JobChange]) -> None:
        if not seen:
            return
        words = self._store.words
        words.intern(connection, words_of([one.job for one in seen]))
        words.keep()
        write_jobs(connection, self._id, seen, words)
        mark_dirty(connection, self._id, min(one.submitted_at for one in seen), max(one.ended_at or 0 for one in seen))

    def _write_node_spans(self, connection: Connection, played: Played) -> None:
        size = {
            number: (pool.cores, pool.gpus)
            for pool in self.cluster.pools
            for number in range(pool.first, pool.first + pool.nodes)
        }
        rows = [
            {
                "node_id": self._node_ids[number],
                "since": since,
                "until": until,
                "state": NODE_STATE_NUMBER[state],
                "cores": size[number][0],
                "gpus": size[number][1],
            }
            for number, since, until, state in played.spans
        ]
        insert_rows(connection, node_span, rows)

    def _write_polls(self, connection: Connection, counts: list[tuple[int, int, int]]) -> None:
        """All of the last POLLED_DAYS; the report that is stored next brings the last one."""
        cluster = self.cluster
        total = (cluster.end - cluster.start) // POLL_SECONDS
        moments = [at for at, _, _ in counts]
        rows = []
        for at in range(max(cluster.start, cluster.end - POLLED_DAYS * DAY), cluster.end, POLL_SECONDS):
            place = bisect_right(moments, at) - 1
            running, pending = counts[place][1:] if place >= 0 else (None, None)
            rows.append(
                {
                    "cluster_id": self._id,
                    "at": at - 1,
                    "seconds": _POLL_TOOK,
                    "report": total - (cluster.end - at) // POLL_SECONDS,
                    "taken_at": float(at),
                    "query_seconds": 1.1,
                    "running": running,
                    "pending": pending,
                }
            )
        insert_rows(connection, poll, rows)
        connection.execute(update(cluster_table).where(cluster_table.c.id == self._id).values(report=total - 1))
