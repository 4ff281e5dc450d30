"""One job, one node: whole, as records; their spans, and which jobs were on a node, as frames.

A job's nodes lie in job.hosts as ranges of word ids (collector/rows.py); which of them hold a node is not a
question for SQL alone, so rows that may are read one after the other until enough do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

import pandas as pd
from sqlalchemy import Connection, Engine, func, or_, select

from agent.states import JobState
from collector import schema
from collector.node_months import packed_spans
from collector.rows import job_record, join_id, node_record, split_id
from collector.schema import JOB_STATES, NODE_STATES
from webstat.data.one import OneJob, OneNode, cores_on, word_ids
from webstat.data.queries.engine import one_moment, read_frame, with_words
from webstat.data.queries.veil import counts_all

_AT_ONCE = 500
"""Ids per query: well under SQLite's limit of variables."""


def load_job(engine: Engine, cluster_id: int, job_id: str) -> OneJob | None:
    """The job of that native id, the latest where it was used twice; None where there is none.

    An id without its server is understood too. Raises StoreEmpty, StoreBroken.
    """
    number, server = split_id(job_id)
    j, live = schema.job.c, schema.job_live.c
    with one_moment(engine) as connection:
        servers = _word_id(connection, server) if server is not None else None
        if server is not None and servers is None:
            return None
        query = (
            select(schema.job, live.comment, live.estimated_start_at)
            .outerjoin(schema.job_live, live.job_id == j.id)
            .where(j.cluster_id == cluster_id, j.number == number)
            .order_by(j.submitted_at.desc(), j.id.desc())
            .limit(1)
        )
        if servers is not None:
            query = query.where(j.server_id == servers)
        row = connection.execute(query).mappings().first()
        if row is None:
            return None
        named = ("server_id", "user_id", "group_id", "account_id", "project_id", "queue_id")
        wanted = [row[name] for name in named if row[name] is not None]
        words = _words(connection, [*wanted, *word_ids(row["hosts"])])
        array, total = schema.job_array.c, None
        if row["array_number"] is not None:
            total = connection.scalar(
                select(array.total).where(array.cluster_id == cluster_id, array.number == row["array_number"])
            )
        return OneJob(
            row["id"], job_record(row, words), row["submitted_at"], row["ended_at"], row["ended_estimated"], total
        )


def _word_id(connection: Connection, text: str) -> int | None:
    return connection.scalar(select(schema.word.c.id).where(schema.word.c.text == text))


def _words(connection: Connection, wanted: Iterable[int]) -> dict[int, str]:
    left, words = iter(sorted(set(wanted))), {}
    while some := list(islice(left, _AT_ONCE)):
        query = select(schema.word.c.id, schema.word.c.text).where(schema.word.c.id.in_(some))
        words.update((ident, text) for ident, text in connection.execute(query))
    return words


def load_job_spans(engine: Engine, row: int) -> pd.DataFrame:
    """The states of a job in order: since int64, until int64 (OPEN while it goes on), state str, cores int64."""
    query = schema.every_span(
        lambda s: select(s.since.label("since"), s.until, s.state, s.cores).where(schema.job.c.id == row)
    ).order_by("since")
    frame = read_frame(engine, query, {"since": "int64", "until": "int64", "state": "int64", "cores": "int64"})
    return with_words(frame, JOB_STATES)


def load_reports_around(engine: Engine, cluster_id: int, at: int) -> tuple[float | None, float | None]:
    """When the last report before `at` and the first one after were taken; None where there is none."""
    p = schema.poll.c
    reports = select(p.taken_at).where(p.cluster_id == cluster_id, p.taken_at.is_not(None)).limit(1)
    # A report is taken after its poll has begun: those begun before `at` may have been taken after it.
    day = 86400
    with one_moment(engine) as connection:
        before = connection.scalar(
            reports.where(p.at <= at, p.at > at - day, p.taken_at <= at).order_by(p.at.desc(), p.id.desc())
        )
        after = connection.scalar(reports.where(p.at > at - day, p.at < at + day, p.taken_at > at).order_by(p.at, p.id))
    return before, after


def load_states(engine: Engine, cluster_id: int, job_ids: Sequence[str]) -> pd.DataFrame:
    """Of the jobs of those native ids that are in the store, the latest of each.

    id str (as asked for), state str, user str, name str, exit_status float64, ended_at float64 (NaN while it lives).
    """
    j, server, user = schema.job.c, schema.word.alias(), schema.word.alias()
    query = (
        select(j.number, server.c.text, j.state, user.c.text, j.name, j.exit_status, j.ended_at)
        .select_from(schema.job)
        .join(user, user.c.id == j.user_id)
        .outerjoin(server, server.c.id == j.server_id)
        .where(j.cluster_id == cluster_id, j.number.in_([split_id(one)[0] for one in job_ids]))
        .order_by(j.submitted_at.desc(), j.id.desc())
    )
    frame = read_frame(
        engine,
        query,
        {
            "id": "object",
            "server": "object",
            "state": "int64",
            "user": "str",
            "name": "str",
            "exit_status": "float64",
            "ended_at": "float64",
        },
    )
    whole = [join_id(number, name) for number, name in zip(frame["id"], frame.pop("server"), strict=True)]
    asked = {one: one for one in job_ids}
    frame["id"] = pd.Series([asked.get(one) or asked.get(split_id(one)[0]) for one in whole], dtype="object")
    found = frame[frame["id"].notna()].drop_duplicates("id").reset_index(drop=True)
    return with_words(found.astype({"id": "str"}), JOB_STATES)


def load_node(engine: Engine, cluster_id: int, name: str) -> OneNode | None:
    """The node of that name, listed or gone; None where there never was one."""
    n = schema.node.c
    with one_moment(engine) as connection:
        query = select(schema.node).where(n.cluster_id == cluster_id, n.name == name)
        row = connection.execute(query).mappings().first()
    return None if row is None else OneNode(row["id"], node_record(row), row["gone_at"])


def load_node_spans(engine: Engine, cluster_id: int, row: int, since: int, until: int) -> pd.DataFrame:
    """The states of a node within [since, until), in order: since int64, until int64 (OPEN while it goes on), state str."""
    s = schema.node_span.c
    query = select(s.since, s.until, s.state).where(s.node_id == row, s.until > since, s.since < until)
    with one_moment(engine) as connection:
        told = connection.execute(query).all()
        packed = packed_spans(connection, cluster_id, since, until)
    mine = packed["node_id"] == row
    old = zip(*(packed[name][mine].tolist() for name in ("since", "until", "state")), strict=True)
    frame = pd.DataFrame(sorted([*map(tuple, told), *old]), columns=["since", "until", "state"], dtype="int64")
    return with_words(frame, NODE_STATES)


def load_jobs_before(engine: Engine, cluster_id: int, node: str, since: int, most: int) -> pd.DataFrame:
    """The last jobs that ended on a node after `since`, at most `most`, the latest first.

    id str, name str, user str, queue str, cores int64 (of the job), cores_here int64, started_at float64,
    ended_at int64, ended_estimated bool, exit_status float64, walltime_seconds float64 (NaN where not told).
    """
    j = schema.job.c
    with one_moment(engine) as connection:
        word = _word_id(connection, node)
        here = {} if word is None else _ended_on(connection, cluster_id, word, since, most)
    server, user, queue = (schema.word.alias() for _ in range(3))
    query = (
        select(
            j.id, j.number, server.c.text, j.name, user.c.text, queue.c.text, j.cores, j.started_at, j.ended_at,
            j.ended_estimated, j.exit_status, j.walltime_seconds,
        )
        .select_from(schema.job)
        .join(user, user.c.id == j.user_id)
        .join(queue, queue.c.id == j.queue_id)
        .outerjoin(server, server.c.id == j.server_id)
        .where(j.id.in_(list(here)))
        .order_by(j.ended_at.desc(), j.id.desc())
    )  # fmt: skip
    frame = read_frame(
        engine,
        query,
        {
            "cores_here": "int64",
            "id": "object",
            "server": "object",
            **dict.fromkeys(("name", "user", "queue"), "str"),
            "cores": "int64",
            "started_at": "float64",
            "ended_at": "int64",
            "ended_estimated": "bool",
            "exit_status": "float64",
            "walltime_seconds": "float64",
        },
    )
    frame["cores_here"] = frame["cores_here"].map(here).astype("int64")
    frame["id"] = pd.Series(map(join_id, frame["id"], frame.pop("server")), dtype="str", index=frame.index)
    return frame


def _ended_on(connection: Connection, cluster_id: int, word: int, since: int, most: int) -> dict[int, int]:
    """Row -> cores on the node, of the last jobs that ended there."""
    j = schema.job.c
    query = (
        select(j.id, j.hosts)
        .where(
            j.cluster_id == cluster_id,
            j.ended_at >= since,
            # All that the node may be in: by its own number (or one that begins like it), or in a range.
            or_(j.hosts.like(f"%:{word}%"), j.hosts.like(f"%,{word}%"), j.hosts.like("%-%")),
        )
        .order_by(j.ended_at.desc(), j.id.desc())
    )
    found: dict[int, int] = {}
    rows = connection.execution_options(yield_per=1000).execute(query)
    for row, hosts in rows:
        cores = cores_on(hosts, word)
        if cores is not None:
            found[row] = cores
            if len(found) == most:
                break
    rows.close()
    return found


@counts_all
def load_ahead(engine: Engine, cluster_id: int, row: int) -> int | None:
    """How many queued jobs of its queue have waited longer than that job; None where it is not queued."""
    j, other = schema.job.c, schema.job.alias()
    queued = JOB_STATES.index(JobState.QUEUED)
    with one_moment(engine) as connection:
        mine = connection.execute(
            select(j.queue_id, func.coalesce(j.eligible_at, j.submitted_at).label("since")).where(
                j.id == row, j.state == queued, j.ended_at.is_(None)
            )
        ).first()
        if mine is None:
            return None
        since = func.coalesce(other.c.eligible_at, other.c.submitted_at)
        return connection.scalar(
            select(func.count()).where(
                other.c.cluster_id == cluster_id,
                other.c.ended_at.is_(None),
                other.c.state == queued,
                other.c.queue_id == mine.queue_id,
                since < mine.since,
            )
        )
