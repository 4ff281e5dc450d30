"""A past moment as a store of its own: the very tables of the collector, as they were then, for every other query here.

What lived at that moment lies in memory, or in temporary tables; the rest are views that cut the real store off at it, so
nothing of what ended long ago is copied. What of a moment is known, and how exactly, is known_then.py's. One module, since
each table is cut in a way of its own, and all must be.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
import weakref
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Engine,
    Integer,
    MetaData,
    Select,
    Table,
    case,
    cast,
    create_engine,
    delete,
    func,
    insert,
    literal,
    null,
    select,
    union_all,
)
from sqlalchemy.pool import NullPool, StaticPool

from agent.states import HOLDS_CORES, IS_PENDING, JobState, NodeState
from collector import schema
from collector.node_months import packed_spans
from collector.rows import hosts_record, join_id
from collector.schema import JOB_STATES, NODE_STATES, OPEN
from webstat.data.queries.engine import VEILED, connected, file_of
from webstat.data.queries.known_then import How, Then, load_then
from webstat.data.queries.places import NodeWords
from webstat.data.queries.veil import VIEWS, Sight, draw_in_session, veiled_engine
from webstat.privacy import Veil
from webstat.reasons import NOT_KEPT

HOUR, DAY = 3600, 86400

_HOLDING = [JOB_STATES.index(state) for state in HOLDS_CORES]
_PENDING = [JOB_STATES.index(state) for state in IS_PENDING]
_ON_NODES = [*_HOLDING, JOB_STATES.index(JobState.SUSPENDED)]

_names = itertools.count()


def _in_memory(table: Table, name: str | None = None) -> Table:
    """A table with the same columns; its rows are few, so without indexes."""
    columns = (Column(one.name, one.type, primary_key=one.primary_key) for one in table.columns)
    return Table(name or table.name, MetaData(), *columns, schema=_MEMORY)


# What lies in memory is in the schema `main`, the real store in `store`, as SQLite calls them: what is asked of either
# names it.
_MEMORY, _STORE = "main", "store"
_store = MetaData()
_stored = {table.name: table.to_metadata(_store, schema=_STORE) for table in schema.metadata.sorted_tables}
_kept = {table.name: _in_memory(table) for table in (schema.cluster, schema.node, schema.queue)}
_polled = _in_memory(schema.poll, "polled")
_living = _in_memory(schema.job, "living")
_lived = _in_memory(schema.job_span, "lived")
_alive = Table("alive", MetaData(), Column("id", Integer, primary_key=True), schema=_MEMORY)
_then = Table(
    "then",
    MetaData(),
    Column("cluster_id", Integer, primary_key=True),
    Column("as_of", Integer, nullable=False),
    schema=_MEMORY,
)


@dataclass(frozen=True)
class Moment:
    """A store of one past moment; it goes with the last that holds it."""

    at: int
    sight: Sight
    clusters: tuple[Then, ...]
    """How each cluster is known at that moment, those that are not left out."""


def open_moment(store: Engine, at: int, veil: Veil | None = None) -> Moment:
    """Read what was at `at` (unix seconds), a moment that has passed; to be seen through a veil, where there is one.

    `store` itself has none. Raises StoreEmpty, StoreBroken.
    """
    then = load_then(store, at)
    opened = _open_beside_file if store.dialect.name == "sqlite" else _open_in_session
    sight, close = opened(store, at, then, veil)
    moment = Moment(at, sight, then)
    weakref.finalize(moment, close)
    return moment


def _open_beside_file(
    store: Engine, at: int, then: tuple[Then, ...], veil: Veil | None
) -> tuple[Sight, Callable[[], None]]:
    """SQLite: a database in memory, to which each connection attaches the store."""
    # A name with a slash is shared by all connections of this process, for as long as one of them is open.
    name = f"file:/moment-{next(_names)}?vfs=memdb"
    file = file_of(store)
    path = f"file:{quote(file)}?mode=ro&vfs=unix"
    keeper = sqlite3.connect(name, uri=True, check_same_thread=False)
    try:
        filling = create_engine("sqlite://", creator=lambda: _connect(name, path), poolclass=NullPool)
        with connected(filling) as connection, connection.begin():
            _fill(connection, then, veil)
    except BaseException:
        keeper.close()
        raise
    if veil is None:
        views = [*_views(at, filling.dialect, {}), "PRAGMA query_only=ON"]
        plain = create_engine("sqlite://", creator=lambda: _connect(name, path, views), poolclass=NullPool)
        return Sight(plain, plain), keeper.close
    under = _views(at, filling.dialect, {}, UNDER)
    connect = partial(_connect, name, path, under)
    veiled = (veiled_engine(connect, veil, file, _STORE, UNDER, counted=counted) for counted in (True, False))
    return Sight(*veiled), keeper.close


def _open_in_session(
    store: Engine, at: int, then: tuple[Then, ...], veil: Veil | None
) -> tuple[Sight, Callable[[], None]]:
    """PostgreSQL: temporary tables and views of one connection, found before the store's own; filled when it is opened."""
    places = {None: "public", _MEMORY: "pg_temp", _STORE: "public"}

    def open_engine(counted: bool) -> Engine:
        def fill() -> Any:
            words, options = store.dialect.create_connect_args(store.url)
            raw = store.dialect.connect(*words, **options)
            filling = create_engine(store.url, creator=lambda: raw, poolclass=StaticPool)
            with filling.connect().execution_options(schema_translate_map=places) as connection, connection.begin():
                _fill(connection, then, veil)
                for view in _views(at, filling.dialect, places, {} if veil is None else UNDER):
                    connection.exec_driver_sql(view)
            if veil is not None:
                draw_in_session(raw, veil, UNDER, counted=counted)
            return raw

        seen: dict[str, Any] = {"postgresql_readonly": True} if veil is None else {VEILED: veil}
        return create_engine(store.url, creator=fill, pool_size=1, max_overflow=0, execution_options=seen)

    sums = open_engine(True)
    sight = Sight(sums, sums if veil is None else open_engine(False))
    try:
        with connected(sums):
            pass
    except BaseException:
        sight.close()
        raise
    return sight, sight.close


def _connect(name: str, path: str, statements: Sequence[str] = ()) -> sqlite3.Connection:
    """A connection to the moment with the store beside it."""
    connection = sqlite3.connect(name, uri=True, timeout=10, check_same_thread=False)
    connection.execute("ATTACH ? AS store", (path,))
    for statement in statements:
        connection.execute(statement)
    return connection


# What lies in memory


def _fill(connection: Connection, then: Sequence[Then], veil: Veil | None) -> None:
    for table in (_then, _alive, _living, _lived, _polled, *_kept.values()):
        table.create(connection)
    if not then:
        return
    connection.execute(insert(_then), [{"cluster_id": one.cluster_id, "as_of": one.as_of} for one in then])
    _fill_clusters(connection, {one.cluster_id: one for one in then})
    for one in then:
        _fill_jobs(connection, one)
        if one.how is How.LOG:
            continue  # what polls had seen of nodes and queues before says nothing of then
        _fill_nodes(connection, one, veil is None or veil.lists)
        _fill_queues(connection, one)
    told = [one for one in then if one.how is not How.REPORT]
    if told:
        connection.execute(insert(_polled), [_poll_row(one) for one in told])


def _poll_row(then: Then) -> dict[str, Any]:
    """The poll that was not: what is known at the moment without a report of then is drawn as known up to it."""
    times = {"at": then.as_of, "taken_at": then.taken_at, "known_since": then.known_since, "seconds": 0.0}
    return {"id": -then.cluster_id, "cluster_id": then.cluster_id, "report": then.report, **times}


def _fill_clusters(connection: Connection, then: Mapping[int, Then]) -> None:
    """Of each cluster what was known of it then; what its report warned of and reserved is not kept."""
    rows = connection.execute(select(_stored["cluster"])).mappings().all()
    lost = dict.fromkeys(("warnings", "partial", "reservations", "query_parts", "next_poll_at"))
    told = ("period_seconds", "report", "taken_at", "query_seconds", "failures", "error_code", "error", "attempted_at")
    connection.execute(
        insert(_kept["cluster"]),
        [
            {**row, **lost, **{name: getattr(then[row["id"]], name) for name in told}}
            for row in rows
            if row["id"] in then
        ],
    )


def _fill_jobs(connection: Connection, then: Then) -> None:
    """The jobs that lived, as their spans say.

    What each had used by then is not kept, but for its time; nor what held it, or what it waited for: the store has the
    last of these, which may have come later.
    """
    j, at = schema.job.c, then.as_of
    # First who they are: most of the jobs that ended since had not come yet. With a column that no index has:
    # otherwise SQLite reads all that ended since from the covering job_by_end, not the few long ones from job_long.
    who = select(j.id).where(schema.lived_in(then.cluster_id, at, at + 1), j.state.is_not(None))
    here = j.id.in_(select(_alive.c.id))
    connection.execute(delete(_alive))
    living = schema.every_span(lambda s: select(*_job_then(s, at)).where(here, s.since <= at, s.until > at))
    lived = schema.every_span(lambda s: select(*_span_then(s, at)).where(here, s.since <= at))
    for table, rows in ((_alive, who), (_living, living), (_lived, lived)):
        connection.execute(
            insert(table).from_select([column.name for column in table.columns], rows),
            execution_options={"schema_translate_map": {None: _STORE, **_places(connection)}},
        )


def _places(connection: Connection) -> dict[str | None, str]:
    """The names of the schemas here, where they are not those of SQLite."""
    return dict(connection.get_execution_options().get("schema_translate_map", {}))


def _job_then(s: schema.SpansOf, at: int) -> list[ColumnElement[Any]]:
    """The columns of a job that was in this stretch at `at`."""
    j, as_of = schema.job.c, literal(at)
    holds, on_nodes = s.state.in_(_HOLDING), s.state.in_(_ON_NODES)
    # Of a job that was started again later the last start is told; of the run that went on then, its span.
    started = case((j.started_at <= as_of, j.started_at), (holds, s.since), else_=null())
    lost = ("cpu_used_seconds", "memory_used_bytes", "ended_at", "exit_status", "hold", "depends_on")
    then: dict[str, ColumnElement[Any]] = {
        **{name: cast(null(), j[name].type) for name in lost},
        "ended_estimated": literal(False),
        "implied": literal(False),
        "state": s.state,
        "native_state": literal(""),
        "queue_id": s.queue_id,
        "cores": s.cores,
        "gpus": s.gpus,
        "started_at": case((on_nodes, started), else_=null()),
        "walltime_used_seconds": case((holds, as_of - started), else_=null()),
        "eligible_at": case((j.eligible_at <= as_of, j.eligible_at), else_=null()),
        "hosts": case((on_nodes & (j.started_at <= as_of), j.hosts), else_=null()),
    }
    return [then.get(column.name, column).label(column.name) for column in schema.job.columns]


def _span_then(s: schema.SpansOf, at: int) -> list[ColumnElement[Any]]:
    """A stretch that had begun by `at`; one that went on is open."""
    return [
        case((s.until > at, OPEN), else_=s.until).label("until") if column.name == "until" else column
        for column in s.columns()
    ]


@dataclass
class _Held:
    """What jobs held on one node."""

    cores: int = 0
    gpus: int | None = 0
    """None where a job of several nodes does not tell how many are here."""
    jobs: list[str] = field(default_factory=list)


def _fill_nodes(connection: Connection, then: Then, with_jobs: bool) -> None:
    """The nodes that were listed, with what jobs held by their own word, and `with_jobs` which these are.

    Memory in use, load and words are not kept.
    """
    n, s = _stored["node"].c, _stored["node_span"].c
    # Of a node's spans the last that had begun is the only one that may have gone on.
    begun = _stored["node_span"].alias()
    last = select(func.max(begun.c.since)).where(begun.c.node_id == n.id, begun.c.since <= then.as_of)
    told = connection.execute(
        select(s.node_id, s.state, s.cores, s.gpus)
        .join_from(
            _stored["node"],
            _stored["node_span"],
            (s.node_id == n.id) & (s.since == last.correlate(_stored["node"]).scalar_subquery()),
        )
        .where(n.cluster_id == then.cluster_id, s.until > then.as_of)
    ).all()
    packed = packed_spans(connection, then.cluster_id, then.as_of, then.as_of + 1)
    old = zip(*(packed[name].tolist() for name in ("node_id", "state", "cores", "gpus")), strict=True)
    was = {node_id: (NODE_STATES[state], cores, gpus) for node_id, state, cores, gpus in (*told, *old)}
    listed = select(n.id, n.name, n.memory_bytes, n.properties).where(n.cluster_id == then.cluster_id)
    rows = [row for row in connection.execute(listed).mappings() if row["id"] in was]
    held = _held(connection, then.cluster_id)
    filled = []
    for row in rows:
        state, cores, gpus = was[row["id"]]
        span = {"state": NODE_STATES.index(state), "cores": cores, "gpus": gpus}
        used = _in_use(state, cores, held.get(row["name"]), bool(held))
        used |= {} if with_jobs else {"jobs": None}
        filled.append({**row, **span, **used, "cluster_id": then.cluster_id, "native_state": ""})
    if any(one.gpus is None for one in held.values()):
        # With some unknown, a sum over nodes would call theirs free: then only what jobs hold in all is counted.
        filled = [{**one, "gpus_used": None} for one in filled]
    if filled:
        connection.execute(insert(_kept["node"]), filled)


def _in_use(state: NodeState, cores: int, held: _Held | None, told: bool) -> dict[str, Any]:
    """Of a node with jobs, what they say; of one without, what its state says. None where jobs tell no nodes (`told`)."""
    if held is not None:
        jobs = json.dumps(held.jobs, ensure_ascii=False)
        return {"cores_used": min(held.cores, cores), "gpus_used": held.gpus, "jobs": jobs}
    idle = 0 if told or state is NodeState.FREE else None
    by_state = {NodeState.BUSY: cores, NodeState.PARTIAL: None}
    return {"cores_used": by_state.get(state, idle), "gpus_used": idle, "jobs": None}


def _held(connection: Connection, cluster_id: int) -> dict[str, _Held]:
    """What jobs held, by node."""
    j, n, w = _living.c, _stored["node"].c, _stored["word"].c
    nodes = select(w.id, w.text).join(_stored["node"], n.name == w.text).where(n.cluster_id == cluster_id)
    words = NodeWords(connection.execute(nodes).all())
    placed = (
        select(j.number, w.text, j.gpus, j.hosts)
        .outerjoin(_stored["word"], w.id == j.server_id)
        .where(j.cluster_id == cluster_id, j.hosts.is_not(None), j.state.in_(_HOLDING))
        .order_by(j.id)
    )
    held: dict[str, _Held] = defaultdict(_Held)
    for number, server, gpus, hosts in connection.execute(placed):
        on = hosts_record(hosts, words)
        for node, cores in on.items():
            here = held[node]
            here.jobs.append(join_id(number, server))
            here.cores += cores
            if gpus:
                here.gpus = here.gpus + gpus if len(on) == 1 and here.gpus is not None else None
    return held


def _fill_queues(connection: Connection, then: Then) -> None:
    """The queues that were there; of their limits only the walltime is kept."""
    q, s = _stored["queue"].c, _stored["queue_span"].c
    given = [s.enabled, s.started, s.max_walltime_seconds]
    there = (
        select(q.id, q.cluster_id, q.name, q.type, q.priority, *given)
        .join(_stored["queue_span"], s.queue_id == q.id)
        .where(q.cluster_id == then.cluster_id, s.since <= then.as_of, s.until > then.as_of)
    )
    connection.execute(insert(_kept["queue"]).from_select([column.name for column in there.selected_columns], there))


# What is looked up in the store, and cut off


UNDER = {name: f"{name}_then" for name in VIEWS if name != "node"}
"""Names of the views over which a veil is drawn; what nodes tell of jobs is left out where it may not be told."""


def _views(
    at: int, dialect: Dialect, places: Mapping[str | None, str], called: Mapping[str, str] = MappingProxyType({})
) -> list[str]:
    """The statements that make the store's tables be those of then, for one connection; some under another name."""

    def sql(query: Any) -> str:
        return str(
            query.compile(
                dialect=dialect,
                schema_translate_map=places,
                render_schema_translate=bool(places),
                compile_kwargs={"literal_binds": True},
            )
        )

    return [f"CREATE TEMP VIEW {called.get(name, name)} AS {sql(query)}" for name, query in _cut_off(at).items()]


def _cut_off(at: int) -> dict[str, Any]:
    j, t = _stored["job"].c, _then.c
    ended = select(_stored["job"]).join(_then, t.cluster_id == j.cluster_id).where(j.ended_at <= t.as_of)
    told = (
        select(_stored["job_span"])
        .join(_stored["job"], j.id == _stored["job_span"].c.job_id)
        .join(_then, t.cluster_id == j.cluster_id)
        .where(j.ended_at <= t.as_of)
    )
    p = _stored["poll"].c
    polled = select(_stored["poll"]).where(p.at <= at, func.coalesce(p.taken_at, p.at) < at + 1)
    said = select(
        _living.c.id.label("job_id"),
        literal(NOT_KEPT).label("comment"),
        cast(null(), BigInteger).label("estimated_start_at"),
    )
    return {
        "job": union_all(select(_living), ended),
        "job_live": said.where(_living.c.state.in_(_PENDING)),
        "job_span": union_all(select(_lived), told),
        "node_span": _spans("node_span", "node"),
        "queue_span": _spans("queue_span", "queue"),
        "poll": union_all(polled, select(_polled)),
        **{name: _sums(name, HOUR, at) for name in ("usage_hour", "capacity_hour")},
        "capacity_day": _sums("capacity_day", DAY, at),
        "usage_day": union_all(_sums("usage_day", DAY, at), _today(at)),
    }


def _spans(name: str, owner: str) -> Select[Any]:
    """The stretches that had begun; one that went on is open."""
    s, o, t = _stored[name].c, _stored[owner].c, _then.c
    until = case((s.until > t.as_of, OPEN), else_=s.until).label("until")
    return (
        select(*(until if column.name == "until" else column for column in s))
        .join(_stored[owner], o.id == s[f"{owner}_id"])
        .join(_then, t.cluster_id == o.cluster_id)
        .where(s.since <= t.as_of)
    )


def _sums(name: str, size: int, at: int) -> Select[Any]:
    """The buckets that were over."""
    return select(_stored[name]).where(_stored[name].c.bucket <= at - size)


def _today(at: int) -> Select[Any]:
    """The day that was not over: the sum of its hours that were."""
    u = _stored["usage_hour"].c
    keys = [u[key.name] for key in _stored["usage_hour"].primary_key if key.name != "bucket"]
    sums = [func.sum(column).label(column.name) for column in u if not column.primary_key]
    day = literal(at // DAY * DAY).label("bucket")
    placed = {column.name: column for column in (*keys, *sums, day)}
    return (
        select(*(placed[column.name] for column in u))
        .where(u.bucket >= at // DAY * DAY, u.bucket <= at - HOUR)
        .group_by(*keys)
    )
