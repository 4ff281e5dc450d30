"""Which collector polls which cluster: on PostgreSQL several share them, by a lease each.

A lease is an advisory lock of the one connection with which a collector writes. So whoever writes holds the lease, and
however a collector ends, its leases end with its connection: at once where it is killed, and after `seconds`
where it hangs or its host is cut off, since the database then ends a connection that says nothing. No clock is compared.
On SQLite one collector has the whole file (database.py), and every lease is its own.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, delete, event, insert, select, text, update

from collector.errors import LeaseLost, StoreBusy, StoreError
from collector.schema import cluster, collector

_CLUSTER, _COLLECTOR = 0x77656231, 0x77656232
"""First halves of the locks' numbers; the second is the row's id."""

_OLDEST_SERVER = 140000
"""PostgreSQL 14 has idle_session_timeout."""

_HOLDERS = text(
    "SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid::bigint = :kind "
    "AND objsubid = 2 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


@dataclass(frozen=True)
class Shares:
    """What a collector holds, what of it is new, and what it should give to others when it is not busy with it."""

    held: frozenset[int]
    taken: frozenset[int]
    surplus: frozenset[int]


def living_collectors(connection: Connection) -> set[int]:
    """The numbers of the collectors that are connected to this PostgreSQL database."""
    return set(connection.execute(_HOLDERS, {"kind": _COLLECTOR}).scalars())


class Leases:
    """The leases of one process, on the engine with which it writes. Its owner calls it from one thread at a time."""

    def __init__(self, engine: Engine, seconds: float) -> None:
        self._engine = engine
        self._seconds = seconds
        self._several = engine.dialect.name == "postgresql"
        self._held: set[int] = set()
        self._id: int | None = None
        self._row: dict[str, Any] = {}
        if self._several:
            event.listen(engine, "connect", self._on_connect, insert=True)  # before SQLAlchemy asks anything
            event.listen(engine, "begin", self._on_begin)

    @property
    def id(self) -> int | None:
        """The number of this collector's row, once it is registered."""
        return self._id

    def holds(self, cluster_id: int) -> bool:
        """Whether a cluster is this process's to write."""
        return not self._several or cluster_id in self._held

    def register(self, announce: str, refresh: str, region: str | None, public_key: str | None = None) -> None:
        """Enter this collector, where others and the page find it, with the key by which the page knows it."""
        name = f"{socket.gethostname()}:{os.getpid()}"
        addresses = {"announce": announce, "refresh": refresh, "public_key": public_key}
        self._row = {"name": name, "region": region, **addresses}
        with self._engine.begin() as connection:
            self._forget_the_dead(connection)
            row = insert(collector).values(**self._row, started_at=time.time()).returning(collector.c.id)
            self._id = int(connection.execute(row).scalar_one())
            self._lock(connection, _COLLECTOR, self._id)

    def share(self, wanted: Sequence[int]) -> Shares:
        """Take free clusters of `wanted`, up to a fair part of them; also a sign of life. Call it again and again.

        Leases that were lost are taken again where nobody else has them by now.
        """
        if self._several:
            try:
                with self._engine.begin() as connection:
                    return self._share(connection, wanted)
            except LeaseLost:
                with self._engine.begin() as connection:
                    return self._share(connection, wanted)
        new = frozenset(wanted) - self._held
        if new:
            with self._engine.begin() as connection:
                self._note(connection, new)
            self._held |= new
        return Shares(frozenset(self._held), new, frozenset())

    def hold(self, connection: Connection, cluster_id: int) -> bool:
        """Take a cluster in the caller's transaction, unless it is held; returns whether it is new.

        Raises StoreBusy, naming who has it.
        """
        if not self._several or cluster_id in self._held:
            return False
        if not self._take(connection, cluster_id):
            name, holder = connection.execute(
                select(cluster.c.name, collector.c.name)
                .outerjoin(collector, collector.c.id == cluster.c.collector_id)
                .where(cluster.c.id == cluster_id)
            ).one()
            raise StoreBusy(
                f"{name} is held by {f'the collector {holder}' if holder else 'another process'}; stop it first"
            )
        return True

    def release(self, cluster_id: int) -> None:
        """Give a cluster to whoever takes it."""
        self._held.discard(cluster_id)
        if self._several:
            with self._engine.begin() as connection:
                self._unlock(connection, _CLUSTER, cluster_id)

    def close(self) -> None:
        """Take this collector's row away. The leases go with the connection."""
        self._held.clear()
        if self._id is not None:
            with self._engine.begin() as connection:
                connection.execute(delete(collector).where(collector.c.id == self._id))
            self._id = None

    def _share(self, connection: Connection, wanted: Sequence[int]) -> Shares:
        assert self._id is not None, "register first"
        self._lock(connection, _COLLECTOR, self._id)
        there = select(collector.c.id).where(collector.c.id == self._id)
        if connection.execute(there).first() is None:  # it was taken for dead
            connection.execute(insert(collector).values(id=self._id, **self._row, started_at=time.time()))
        alive = self._colleagues(connection)
        fair = -(-len(wanted) // len(alive))
        first = alive.index(self._id) * fair
        taken = set()
        for cluster_id in (*wanted[first:], *wanted[:first]):
            if len(self._held) >= fair:
                break
            if cluster_id not in self._held and self._take(connection, cluster_id):
                taken.add(cluster_id)
        return Shares(frozenset(self._held), frozenset(taken), frozenset(sorted(self._held)[fair:]))

    def _colleagues(self, connection: Connection) -> list[int]:
        """The collectors of this region that live, this one among them, in order."""
        living = living_collectors(connection)
        region = self._row["region"]
        here = select(collector.c.id).where(collector.c.region.is_not_distinct_from(region)).order_by(collector.c.id)
        return [one for one in connection.execute(here).scalars() if one in living]

    def _take(self, connection: Connection, cluster_id: int) -> bool:
        free = text("SELECT pg_try_advisory_lock(:kind, :id)")
        if not connection.execute(free, {"kind": _CLUSTER, "id": cluster_id}).scalar_one():
            return False
        _locks(connection, _CLUSTER).add(cluster_id)
        self._held.add(cluster_id)
        if self._id is not None:
            self._note(connection, {cluster_id})
        return True

    def _note(self, connection: Connection, ids: Collection[int]) -> None:
        connection.execute(update(cluster).where(cluster.c.id.in_(ids)).values(collector_id=self._id))

    def _lock(self, connection: Connection, kind: int, number: int) -> None:
        if self._several and number not in _locks(connection, kind):
            connection.execute(text("SELECT pg_advisory_lock(:kind, :id)"), {"kind": kind, "id": number})
            _locks(connection, kind).add(number)

    def _unlock(self, connection: Connection, kind: int, number: int) -> None:
        if number in _locks(connection, kind):
            connection.execute(text("SELECT pg_advisory_unlock(:kind, :id)"), {"kind": kind, "id": number})
            _locks(connection, kind).discard(number)

    def _forget_the_dead(self, connection: Connection) -> None:
        living = living_collectors(connection) if self._several else set()
        connection.execute(delete(collector).where(collector.c.id.not_in(living)))

    def _on_connect(self, connection: Any, _record: Any) -> None:
        if connection.info.server_version < _OLDEST_SERVER:
            raise StoreError(f"webstat needs PostgreSQL 14 or newer, this is {connection.info.server_version // 10000}")
        if (encoding := connection.info.parameter_status("server_encoding")) != "UTF8":
            raise StoreError(
                f"the database keeps texts as {encoding}; make it anew: createdb -E UTF8 -T template0 webstat"
            )
        milliseconds = int(self._seconds * 1000)
        with connection.cursor() as cursor:
            cursor.execute("SET application_name = 'webstat collector'")
            cursor.execute(f"SET idle_session_timeout = {milliseconds}")
            # What is computed within a transaction takes longer than what lies between two.
            cursor.execute(f"SET idle_in_transaction_session_timeout = {2 * milliseconds}")
            for name, value in (("idle", 10), ("interval", 5), ("count", 3)):
                cursor.execute(f"SET tcp_keepalives_{name} = {value}")
        connection.commit()

    def _on_begin(self, connection: Connection) -> None:
        """Nothing is written without the leases by which it was decided to."""
        if not self._held <= _locks(connection, _CLUSTER):
            self._held.clear()
            raise LeaseLost("the database ended this collector's connection; its clusters are taken anew")


def _locks(connection: Connection, kind: int) -> set[int]:
    """The locks that this very connection holds."""
    held: dict[int, set[int]] = connection.info.setdefault("locks", {})
    return held.setdefault(kind, set())
