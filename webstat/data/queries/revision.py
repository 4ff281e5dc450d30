"""Which version of the schema the store has."""

from __future__ import annotations

from sqlalchemy import Engine, column, select, table

from webstat.data.queries.engine import read_rows
from webstat.errors import StoreEmpty

_REVISION = table("alembic_version", column("version_num"))


def load_revision(engine: Engine) -> str | None:
    """The number of the store's schema; None where it has none. Raises StoreBroken."""
    try:
        rows = read_rows(engine, select(_REVISION.c.version_num))
    except StoreEmpty:
        return None
    return rows[0].version_num if rows else None
