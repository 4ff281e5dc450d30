"""The jobs that live or ended lately, each with all that is known of it, and the tasks of arrays.

Users, groups, queues and the like come as ids into load_words(): as numbers they are quickly compared and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from sqlalchemy import ColumnElement, Engine, bindparam, func, select

from collector import schema
from webstat.data.queries.engine import one_moment, read_frame

HOUR = 3600

_IDS = ("server_id", "user_id", "group_id", "account_id", "project_id", "queue_id")
_COUNTS = ("state", "cores", "nodes", "gpus", "submitted_at")
_NUMBERS = (
    "memory_bytes", "walltime_seconds", "walltime_used_seconds", "cpu_used_seconds", "memory_used_bytes",
    "eligible_at", "started_at", "ended_at", "exit_status", "priority", "estimated_start_at",
)  # fmt: skip
_TEXTS = ("number", "array_number", "name", "native_state", "hold", "depends_on", "hosts", "comment")
_DTYPES = {
    **dict.fromkeys((*_IDS, *_COUNTS), "int64"),
    **dict.fromkeys(_NUMBERS, "float64"),
    **dict.fromkeys(_TEXTS, "object"),
}
_AT_ONCE = 500
"""Arrays per query: well under SQLite's limit of variables."""


def load_living_jobs(engine: Engine, cluster_id: int) -> pd.DataFrame:
    """The jobs that live, in no order.

    server_id, user_id, group_id, account_id, project_id, queue_id int64 (0 for none), state int64 (index into
    JOB_STATES), cores, nodes, gpus, submitted_at int64; memory_bytes, walltime_seconds, walltime_used_seconds,
    cpu_used_seconds, memory_used_bytes, eligible_at, started_at, ended_at, exit_status, priority,
    estimated_start_at float64 (NaN where not told); number, array_number, name, native_state, hold, depends_on,
    hosts, comment object (str or None).
    """
    return _load(engine, schema.job.c.cluster_id == cluster_id, schema.job.c.ended_at.is_(None))


def load_ended_jobs(engine: Engine, cluster_id: int, since: int, until: int) -> pd.DataFrame:
    """The jobs that ended in [since, until), in no order; columns as load_living_jobs() has them.

    server_id, user_id, group_id, account_id, project_id, queue_id, state, cores, nodes, gpus, submitted_at int64;
    memory_bytes, walltime_seconds, walltime_used_seconds, cpu_used_seconds, memory_used_bytes, eligible_at,
    started_at, ended_at, exit_status, priority, estimated_start_at float64; number, array_number, name,
    native_state, hold, depends_on, hosts, comment object.
    """
    ended_at = schema.job.c.ended_at
    return _load(engine, schema.job.c.cluster_id == cluster_id, ended_at >= since, ended_at < until)


def _load(engine: Engine, *where: ColumnElement[bool]) -> pd.DataFrame:
    live = {"comment": schema.job_live.c.comment, "estimated_start_at": schema.job_live.c.estimated_start_at}

    def column(name: str) -> ColumnElement[Any]:
        one = live[name] if name in live else schema.job.c[name]
        return func.coalesce(one, 0) if name in _IDS else one

    query = select(*map(column, _DTYPES)).select_from(schema.job).outerjoin(schema.job_live).where(*where)
    return read_frame(engine, query, _DTYPES)


def no_jobs() -> pd.DataFrame:
    """The columns of load_living_jobs() without a row."""
    return pd.DataFrame({name: pd.Series([], dtype=dtype) for name, dtype in _DTYPES.items()})


def load_ended_hours(engine: Engine, cluster_id: int, since: int) -> pd.DataFrame:
    """The hours since `since` in which jobs ended, oldest first.

    hour int64 (its first second), jobs int64, rows int64 and ends int64 (sums over the jobs' row ids and ends: with
    the number of jobs they tell whether the hour's jobs are still the same).
    """
    j = schema.job.c
    hour = j.ended_at - j.ended_at % HOUR
    query = (
        select(hour, func.count(), func.sum(j.id), func.sum(j.ended_at))
        .where(j.cluster_id == cluster_id, j.ended_at >= since)
        .group_by(hour)
        .order_by(hour)
    )
    return read_frame(engine, query, dict.fromkeys(("hour", "jobs", "rows", "ends"), "int64"))


def load_words(engine: Engine) -> pd.DataFrame:
    """Every name that ids stand for: id int64, text object; by id."""
    word = schema.word.c
    return read_frame(engine, select(word.id, word.text).order_by(word.id), {"id": "int64", "text": "object"})


def load_array_totals(engine: Engine, cluster_id: int, numbers: Sequence[str]) -> pd.DataFrame:
    """How many tasks arrays were submitted with, of those of which it is told: number object, total int64."""
    array = schema.job_array.c
    wanted = list(numbers)
    chunks = [wanted[start : start + _AT_ONCE] for start in range(0, len(wanted), _AT_ONCE)] or [[]]
    frames = [
        read_frame(
            engine,
            select(array.number, array.total).where(array.cluster_id == cluster_id, array.number.in_(chunk)),
            {"number": "object", "total": "int64"},
        )
        for chunk in chunks
    ]
    return pd.concat(frames, ignore_index=True)


def load_array_ended(engine: Engine, cluster_id: int, numbers: Sequence[str], before: int) -> pd.DataFrame:
    """How many tasks of arrays ended before `before`: number object, ended int64; in the order of `numbers`."""
    j = schema.job.c
    count = select(func.count()).where(
        j.cluster_id == cluster_id,
        j.number >= bindparam("first"),
        j.number < bindparam("last"),
        j.array_number == bindparam("array"),
        # Added to nothing, so that a planner does not read all that ever ended instead of the array's tasks.
        j.ended_at + 0 < before,
    )
    ended = []
    with one_moment(engine) as connection:
        for number in numbers:
            # `12[]` has the tasks `12[1]`, Slurm's `12` has `12_1`. What follows is a digit, before letters anywhere.
            prefix = number[:-1] if number.endswith("[]") else f"{number}_"
            values = {"first": prefix, "last": f"{prefix}z", "array": number}
            ended.append(connection.scalar(count, values))
    return pd.DataFrame({"number": pd.Series(list(numbers), dtype="object"), "ended": pd.Series(ended, dtype="int64")})
