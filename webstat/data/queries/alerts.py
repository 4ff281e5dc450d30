"""What one person asked to be told of, and was: rules, notices with what became of them, and whose a feed is.

Each query names its owner, so none tells of others, whatever veil they look through.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, Row, func, select

from collector.schema import cluster, delivery, listener, notice, rule
from webstat.data.queries.engine import read_rows

RULE = tuple(column for column in rule.columns if column.name not in ("owner", "secret", "memory", "job_id"))
"""What is shown of a rule: its secret is told once, when it is made."""


@dataclass(frozen=True)
class Notice:
    """A row of `notice` with its cluster's name, and the rows of `delivery` that belong to it."""

    row: Row[Any]
    deliveries: tuple[Row[Any], ...]


def load_rules(engine: Engine, owner: str) -> Sequence[Row[Any]]:
    """The rules of an owner, newest first, with `cluster` and `title` of theirs. Raises StoreEmpty, StoreBroken."""
    query = select(*RULE, cluster.c.name.label("cluster"), cluster.c.title.label("title")).join(cluster)
    return read_rows(engine, query.where(rule.c.owner == owner).order_by(rule.c.id.desc()))


def load_notices(engine: Engine, owner: str, after: int, most: int) -> list[Notice]:
    """The notices of an owner with numbers above `after`, newest first. Raises StoreEmpty, StoreBroken."""
    shown = (notice.c[name] for name in ("id", "at", "kind", "subject", "words", "browser"))
    query = select(*shown, cluster.c.name.label("cluster")).join(cluster)
    mine = notice.c.owner == owner, notice.c.id > after
    rows = read_rows(engine, query.where(*mine).order_by(notice.c.id.desc()).limit(most))
    sent: dict[int, list[Row[Any]]] = defaultdict(list)
    ids = [row.id for row in rows]
    for one in read_rows(engine, select(delivery).where(delivery.c.notice_id.in_(ids))) if ids else ():
        sent[one.notice_id].append(one)
    return [Notice(row, tuple(sent[row.id])) for row in rows]


def load_newest_notice(engine: Engine, owner: str) -> int:
    """The number of an owner's newest notice; 0 for none. Raises StoreEmpty, StoreBroken."""
    return int(read_rows(engine, select(func.max(notice.c.id)).where(notice.c.owner == owner))[0][0] or 0)


def load_feed(engine: Engine, owner: str) -> str | None:
    """The secret in the address of an owner's feed; None for who never had a rule. Raises StoreEmpty, StoreBroken."""
    rows = read_rows(engine, select(listener.c.feed).where(listener.c.owner == owner))
    return rows[0].feed if rows else None


def load_owner(engine: Engine, feed: str) -> str | None:
    """Whose feed has that secret; None for nobody's. Raises StoreEmpty, StoreBroken."""
    rows = read_rows(engine, select(listener.c.owner).where(listener.c.feed == feed))
    return rows[0].owner if rows else None
