"""A store as somebody may see it: views under the names of the collector's tables, which tell what may be told.

Every other query is asked through them unchanged, so no page, file or count can tell more. Words have their
pseudonyms beside them, from MASK on: what names a person who is hidden, names that word instead. Packed history has its
words masked where it is read (explore/gather.py), reservations in load_reservations().
"""

from __future__ import annotations

import itertools
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from psycopg import IsolationLevel
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Engine,
    MetaData,
    Select,
    Table,
    Text,
    case,
    cast,
    create_engine,
    event,
    false,
    null,
    or_,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import QueuePool

from collector import schema
from webstat.data.queries.engine import VEILED, file_of
from webstat.errors import StoreBroken
from webstat.privacy import HIDDEN, OTHERS, Veil, pseudonym

T = TypeVar("T", bound=Callable[..., Any])

MASK = 1 << 20
"""What is added to the id of a word to have that of its pseudonym; by itself the id of OTHERS.

Low, since ids are places in arrays elsewhere; a store with more words is not shown through a veil at all.
"""

PEOPLE = ("user_id", "group_id", "account_id", "project_id")
"""Columns that name people."""

_names = itertools.count()


def counts_all(load: T) -> T:
    """Marks a query that only counts jobs: it counts those too that may not be looked at one by one."""
    load.counts_all = True  # type: ignore[attr-defined]
    return load


@dataclass(frozen=True)
class Sight:
    """The engines of one store through one veil, or through none."""

    sums: Engine
    """Every job is in it, with the scheduler's words, so that they can be counted: no row of it may be shown."""
    lists: Engine
    """The jobs are in it that may be looked at one by one."""

    def of(self, load: Callable[..., Any]) -> Engine:
        """Which of them a query is to be asked of; of the second, unless it is marked."""
        return self.sums if hasattr(load, "counts_all") else self.lists

    def close(self) -> None:
        """Give back the connections."""
        for engine in (self.sums, self.lists):
            engine.dispose()


def open_sight(store: Engine, veil: Veil | None) -> Sight:
    """The store through a veil. Nothing is opened before the first query."""
    if veil is None:
        return Sight(store, store)
    opened = _beside_file if store.dialect.name == "sqlite" else _in_session
    return Sight(*(opened(store, veil, counted=counted) for counted in (True, False)))


class Words:
    """The words of a store and their pseudonyms, in a database in memory which connections to SQLite attach."""

    def __init__(self, salt: bytes) -> None:
        self.salt = salt
        self._lock = threading.Lock()
        self._stamp: tuple[Any, ...] | None = None
        self._keeper: sqlite3.Connection | None = None
        self._name = ""

    def attach(self, connection: sqlite3.Connection, store: str, path: str) -> None:
        """Put them beside an open store, under the name `words`. `store` is its schema, `path` its file."""
        name = self._made(connection, store, _newest_word(connection, store, path))
        connection.execute("ATTACH ? AS words", (name,))

    def _made(self, connection: sqlite3.Connection, store: str, stamp: tuple[Any, ...]) -> str:
        """The name of the database for these words. A newer one leaves the older one to those who have it attached."""
        with self._lock:
            if stamp != self._stamp:
                name = f"file:/words-{next(_names)}?vfs=memdb"
                keeper = sqlite3.connect(name, uri=True, check_same_thread=False)
                with keeper:
                    keeper.execute("CREATE TABLE word (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
                    rows = connection.execute(f"SELECT id, text FROM {store}.word ORDER BY id").fetchall()
                    keeper.executemany("INSERT INTO word VALUES (?, ?)", _with_pseudonyms(rows, self.salt))
                    keeper.execute("CREATE INDEX by_text ON word (text)")
                if self._keeper is not None:
                    self._keeper.close()
                self._keeper, self._name, self._stamp = keeper, name, stamp
            return self._name

    def __del__(self) -> None:
        if self._keeper is not None:
            self._keeper.close()


def _newest_word(connection: sqlite3.Connection, store: str, path: str) -> tuple[Any, ...]:
    """Another one as soon as the store has another word, or is another store."""
    row = connection.execute(f"SELECT id, text FROM {store}.word ORDER BY id DESC LIMIT 1").fetchone()
    return (Path(path).stat().st_ino, *(row or ()))


def _with_pseudonyms(rows: list[tuple[int, str]], salt: bytes) -> Iterator[tuple[int, str]]:
    if rows and rows[-1][0] >= MASK:
        raise StoreBroken(f"it has more than {MASK:,} names; people cannot be hidden in it")
    yield from rows
    yield MASK, OTHERS
    taken: set[str] = set()
    for ident, text in rows:
        name = next(one for again in itertools.count() if (one := pseudonym(text, salt, again)) not in taken)
        taken.add(name)
        yield ident + MASK, name


# SQLite: views of each connection


def _beside_file(store: Engine, veil: Veil, *, counted: bool) -> Engine:
    path = f"file:{quote(file_of(store))}?mode=ro"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(path, uri=True, timeout=10, check_same_thread=False)

    return veiled_engine(connect, veil, file_of(store), "main", {}, counted=counted)


def veiled_engine(
    connect: Callable[[], sqlite3.Connection],
    veil: Veil,
    path: str,
    store: str,
    under: Mapping[str, str],
    *,
    counted: bool,
) -> Engine:
    """An engine over connections to SQLite that see through a veil; the rest as of _draw()."""
    words = Words(veil.salt)

    def draw(connection: sqlite3.Connection) -> None:
        _draw(connection, veil, words, path, store, under, counted=counted)

    def open_veiled() -> sqlite3.Connection:
        connection = connect()
        try:
            draw(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    # Drawing takes longer than most questions, so connections are kept: few, since each viewer may have a veil of their own.
    engine = create_engine(
        "sqlite://", poolclass=QueuePool, pool_size=1, max_overflow=3, execution_options={VEILED: veil}
    )

    @event.listens_for(engine, "do_connect")
    def _open(_dialect: Any, record: Any, _args: Any, _more: Any) -> sqlite3.Connection:
        record.info["file"] = _which(path)
        return open_veiled()

    @event.listens_for(engine, "checkout")
    def _is_still_there(_raw: Any, record: Any, _proxy: Any) -> None:
        if record.info["file"] != _which(path):
            raise DisconnectionError("the store was made anew")

    @event.listens_for(engine, "begin")
    def _see_one_moment(connection: Connection) -> None:
        """All of a transaction, so that no job comes in with a word that is not among the words."""
        raw: Any = connection.connection.dbapi_connection
        newest = f"SELECT (SELECT max(id) FROM {store}.word) IS (SELECT max(id) FROM words.word WHERE id < {MASK})"
        raw.execute("BEGIN")
        while not raw.execute(newest).fetchone()[0]:
            raw.execute("ROLLBACK")
            draw(raw)
            raw.execute("BEGIN")

    return engine


def _which(path: str) -> tuple[int, int] | None:
    """Another one as soon as another file is in its place; None where there is none."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _draw(
    connection: sqlite3.Connection,
    veil: Veil,
    words: Words,
    path: str,
    store: str,
    under: Mapping[str, str],
    *,
    counted: bool,
) -> None:
    """Draw the veil over what a connection sees, anew where there is one; `store` is the schema of the file at `path`.

    `under` says under which names tables are found that are seen through views already. Where `counted`, every job is
    in the views.
    """
    assert not connection.in_transaction, "a rollback would take the veil away"
    connection.execute("PRAGMA query_only=OFF")
    for name in (*_places(under, "", ""), OWNERS, "word"):
        connection.execute(f"DROP VIEW IF EXISTS temp.{name}")
    if any(name == "words" for _, name, _ in connection.execute("PRAGMA database_list")):
        connection.execute("DETACH words")
    words.attach(connection, store, path)
    known = {
        name: row[0]
        for name in veil.names
        for row in connection.execute("SELECT id FROM words.word WHERE text = ? AND id < ?", (name, MASK))
    }
    places = _places(under, "temp", store)
    for statement in statements(veil, known, places, sqlite.dialect(), counted=counted):
        connection.execute(statement)
    connection.execute("CREATE TEMP VIEW word AS SELECT id, text FROM words.word")
    connection.execute("PRAGMA query_only=ON")


# PostgreSQL: temporary words and views of each session


def _in_session(store: Engine, veil: Veil, *, counted: bool) -> Engine:
    def connect() -> Any:
        arguments, options = store.dialect.create_connect_args(store.url)
        raw = store.dialect.connect(*arguments, **options)
        try:
            draw_in_session(raw, veil, {}, counted=counted)
        except BaseException:
            raw.close()
            raise
        return raw

    # Few each, since a site may have many viewers with a veil of their own.
    engine = create_engine(
        store.url, creator=connect, pool_size=1, max_overflow=3, pool_pre_ping=True, execution_options={VEILED: veil}
    )
    event.listen(engine, "checkout", _still_true)
    return engine


def draw_in_session(raw: Any, veil: Veil, under: Mapping[str, str], *, counted: bool) -> None:
    """Draw the veil over what a psycopg connection sees, as draw() does, for as long as it lives."""
    with raw.cursor() as cursor:
        rows = cursor.execute("SELECT id, text FROM public.word ORDER BY id").fetchall()
        cursor.execute("CREATE TEMP TABLE veiled_word (id integer PRIMARY KEY, text text NOT NULL)")
        with cursor.copy("COPY veiled_word FROM STDIN") as copy:
            for row in _with_pseudonyms(rows, veil.salt):
                copy.write_row(row)
        cursor.execute("CREATE INDEX ON veiled_word (text)")
        cursor.execute("ANALYZE veiled_word")
        known = {text: ident for ident, text in rows if text in veil.names}
        places = _places(under, "pg_temp", "public")
        for statement in statements(veil, known, places, postgresql.dialect(), counted=counted):
            cursor.execute(statement)
        cursor.execute("CREATE TEMP VIEW word AS SELECT id, text FROM veiled_word")
    raw.commit()
    # From its first question on, each transaction sees the store at one moment: no job with a word that is not here.
    raw.isolation_level, raw.read_only = IsolationLevel.REPEATABLE_READ, True


_NEWEST = "SELECT max(id) FROM public.word"


def _still_true(raw: Any, record: Any, _proxy: Any) -> None:
    """Begin a transaction, unless the store has new words: then the connection is made anew."""
    with raw.cursor() as cursor:
        mine = cursor.execute(f"SELECT max(id) FROM veiled_word WHERE id < {MASK}").fetchone()[0]
        if mine != cursor.execute(_NEWEST).fetchone()[0]:
            raise DisconnectionError("the store has new words")


# What the views tell


_NOBODY = false()

VIEWS = ("job", "job_live", "usage_hour", "usage_day", "poll", "node")
"""The tables that tell of people."""

OWNERS = "job_owner"
"""Where every job is counted, a view that tells users apart: job_id, owner_id. Only queries that are marked may ask it."""


def statements(
    veil: Veil,
    clear: Mapping[str, int],
    places: Mapping[str, tuple[str, str]],
    dialect: Dialect,
    *,
    counted: bool,
) -> list[str]:
    """The views. `clear` are the names that are not hidden, with their ids; `places` says where tables lie."""
    seen = {name: _table(name, *places[name]) for name in places}

    def masked(column: ColumnElement[Any], own: ColumnElement[bool] = _NOBODY) -> ColumnElement[Any]:
        hidden = column + MASK if veil.lists else MASK
        shown = or_(column.is_(None), column.in_([0, *clear.values()]), own)
        return case((shown, column), else_=hidden).label(column.name)

    def told(table: str, **instead: ColumnElement[Any]) -> Select[Any]:
        """A table without what would name people, and with columns instead of its own."""
        columns = seen[table].c
        return select(
            *(
                instead[one.name].label(one.name) if one.name in instead else masked(one) if one.name in PEOPLE else one
                for one in columns
            )
        )

    job, live = seen["job"].c, seen["job_live"].c
    own = job.user_id.in_([ident for name, ident in clear.items() if name == veil.me])
    named = {"name": case((own, job.name), else_="")}
    said = told("job_live")
    if not counted:
        # Not in sums: a group would then have its members' jobs under two names.
        named |= {name: masked(job[name], own) for name in PEOPLE}
        owned = live.job_id.in_(select(job.id).where(own))
        said = told("job_live", comment=case((or_(owned, live.comment.is_(None)), live.comment), else_=HIDDEN))
    jobs = told("job", **named)
    if not counted and not veil.lists:
        jobs = jobs.where(own)
    nothing = cast(null(), Text)
    views = {name: told(name) for name in places} | {"job": jobs, "job_live": said, "poll": told("poll", error=nothing)}
    if "node" in places:
        views["node"] = told("node", comment=nothing, **({} if veil.lists else {"jobs": nothing}))
    if counted:
        views[OWNERS] = select(job.id.label("job_id"), job.user_id.label("owner_id"))
    return [f"CREATE TEMP VIEW {name} AS {_sql(view, dialect)}" for name, view in views.items()]


def _places(under: Mapping[str, str], here: str, store: str) -> dict[str, tuple[str, str]]:
    """Where each table lies that a view is made of: under another name `here`, else in the store.

    At a past moment nodes lie in memory, and are filled with what may be told.
    """
    return {name: (here, under[name]) if under else (store, name) for name in VIEWS if not under or name in under}


def _table(name: str, place: str, called: str) -> Table:
    columns = (Column(one.name, one.type) for one in schema.metadata.tables[name].columns)
    return Table(called, MetaData(), *columns, schema=place)


def _sql(query: Select[Any], dialect: Dialect) -> str:
    return str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
