"""The interned texts of the store: users, groups, accounts, projects and queues by number.

What was entered inside a transaction counts only once that is committed: call `keep` then.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, insert, select
from sqlalchemy.dialects import postgresql

from collector.database import portions
from collector.schema import word


class Words:
    """Text -> id and back, in step with the `word` table; what other collectors append is read by load()."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._pending: dict[str, int] = {}
        self._texts: dict[int, str] = {}

    def load(self, connection: Connection) -> None:
        """Read the table."""
        self._ids = dict(connection.execute(select(word.c.text, word.c.id)).all())
        self._texts = {number: text for text, number in self._ids.items()}

    def intern(self, connection: Connection, texts: Iterable[str]) -> None:
        """Enter those of `texts` that the table lacks; `id_of` knows them from here on."""
        self._pending = {}
        needed = sorted(set(texts) - self._ids.keys())
        rows = [{"text": text} for text in needed]
        if needed and connection.dialect.name == "postgresql":  # where other collectors enter texts too
            connection.execute(postgresql.insert(word).on_conflict_do_nothing(), rows)
            for some in portions(needed):
                found = connection.execute(select(word.c.text, word.c.id).where(word.c.text.in_(some)))
                self._pending.update(dict(found.all()))
        elif needed:
            self._pending = dict(connection.execute(insert(word).returning(word.c.text, word.c.id), rows).all())

    def keep(self) -> None:
        """What was entered last is committed."""
        self._ids.update(self._pending)
        self._texts.update({number: text for text, number in self._pending.items()})
        self._pending = {}

    def id_of(self, text: str) -> int:
        """The number of a text that has been interned."""
        number = self._ids.get(text)
        return self._pending[text] if number is None else number

    @property
    def texts(self) -> dict[int, str]:
        """Number -> text of all that is committed."""
        return self._texts
