"""The jobs of a store in DuckDB, and the questions of the history explorer in SQL over them: what history is compared to.

One row a job, so a job runs from its start to its end, and waits before: runs before the last one and suspensions, which
the store's spans tell, are not seen. `python -m bench.duck var/bench-5y` loads a store and times every question.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from datetime import UTC
from pathlib import Path

import duckdb
import pandas as pd

from collector.lives import SIZES
from webstat.data.explore.buckets import edges

_CHUNK = 500_000
_TABLES = """
create table known(cluster varchar, until bigint);
create table jobs(
    cluster varchar, "user" varchar, grp varchar, account varchar, queue varchar,
    cores integer, gpus integer, nodes integer, walltime bigint, walltime_used bigint, cpu_used bigint,
    submitted_at bigint, eligible_at bigint, started_at bigint, ended_at bigint, exit_status integer
)
"""
_NUMBERS = (
    *("cores", "gpus", "nodes", "walltime", "walltime_used", "cpu_used"),
    *("submitted_at", "eligible_at", "started_at", "ended_at", "exit_status"),
)
_ROWS = """
select c.name cluster, user_id, group_id, account_id, queue_id, cores, gpus, nodes, walltime_seconds walltime,
       walltime_used_seconds walltime_used, cpu_used_seconds cpu_used, submitted_at, eligible_at, started_at, ended_at,
       exit_status
from job join cluster c on c.id = cluster_id where job.id > ? and job.id <= ? order by job.id
"""
_QUANTILES = "quantile_disc(started_at - coalesce(eligible_at, submitted_at), [0.5, 0.75, 0.9, 0.95])"


@dataclass(frozen=True)
class Only:
    """Which jobs are counted; None counts all."""

    cluster: Sequence[str] | None = None
    user: Sequence[str] | None = None
    grp: Sequence[str] | None = None
    account: Sequence[str] | None = None
    queue: Sequence[str] | None = None


ALL = Only()


def load(store: Path) -> duckdb.DuckDBPyConnection:
    """The store's jobs, from the file beside it; that is made where there is none or the store is newer."""
    file = store.with_suffix(".duckdb")
    if not file.exists() or file.stat().st_mtime < store.stat().st_mtime:
        file.unlink(missing_ok=True)
        making = file.with_suffix(".making")
        making.unlink(missing_ok=True)
        with closing(duckdb.connect(str(making))) as connection:
            _fill(connection, store)
        making.rename(file)
    return duckdb.connect(str(file), read_only=True)


def _fill(connection: duckdb.DuckDBPyConnection, store: Path) -> None:
    connection.execute(_TABLES)
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as reading:
        known = reading.execute("select name, cast(taken_at as integer) from cluster where taken_at is not null")
        connection.executemany("insert into known values (?, ?)", known.fetchall())
        words = pd.Series(dict(reading.execute("select id, text from word")), dtype="str")
        (last,) = reading.execute("select coalesce(max(id), 0) from job").fetchone()
        for first in range(0, last, _CHUNK):
            rows = pd.read_sql_query(_ROWS, reading, params=(first, first + _CHUNK))
            for name, column in (
                ("user", "user_id"),
                ("grp", "group_id"),
                ("account", "account_id"),
                ("queue", "queue_id"),
            ):
                rows[name] = rows[column].map(words)
            rows = rows.astype(dict.fromkeys(_NUMBERS, "Int64"))
            connection.register("portion", rows)
            connection.execute(
                "insert into jobs by name select * exclude (user_id, group_id, account_id, queue_id) from portion"
            )
            connection.unregister("portion")


def core_hours(
    connection: duckdb.DuckDBPyConnection, at: Sequence[int], by: str = "user", only: Only = ALL
) -> pd.DataFrame:
    """bucket, key, core_hours between the edges `at`; jobs are cut at them. `by` is a column of jobs."""
    return _ask(
        connection,
        at,
        only,
        f"""select bucket, "{by}" as key, sum(cores * (least(ends, high) - greatest(started_at, low))) / 3600 core_hours
        from lives join buckets on started_at < high and ends > low where started_at is not null group by all""",
    )


def means(connection: duckdb.DuckDBPyConnection, at: Sequence[int], only: Only = ALL) -> pd.DataFrame:
    """bucket, running_jobs, running_cores, queued_jobs, queued_cores: means over each bucket."""
    return _ask(
        connection,
        at,
        only,
        """select bucket,
          sum(seconds) filter (runs) / any_value(high - low) running_jobs,
          sum(seconds * cores) filter (runs) / any_value(high - low) running_cores,
          sum(seconds) filter (not runs) / any_value(high - low) queued_jobs,
          sum(seconds * cores) filter (not runs) / any_value(high - low) queued_cores
        from (
          select bucket, low, high, cores, runs, least(until, high) - greatest(since, low) as seconds
          from (
            select cores, true as runs, started_at as since, ends as until from lives where started_at is not null
            union all
            select cores, false, submitted_at, coalesce(started_at, ends) from lives
          ) join buckets on since < high and until > low
        ) group by bucket""",
    )


def counts(connection: duckdb.DuckDBPyConnection, at: Sequence[int], only: Only = ALL) -> pd.DataFrame:
    """bucket, submitted, started, ended."""
    moments = "\nunion all\n".join(
        f"select '{name}' what, {name}_at as moment from lives where {name}_at >= {at[0]} and {name}_at < {at[-1]}"
        for name in ("submitted", "started", "ended")
    )
    counted = ", ".join(f"count(*) filter (what = '{name}') {name}" for name in ("submitted", "started", "ended"))
    return _ask(
        connection,
        at,
        only,
        f"select bucket, {counted} from ({moments}) asof join buckets on moment >= low group by all",
    )


def waits(connection: duckdb.DuckDBPyConnection, at: Sequence[int], only: Only = ALL) -> pd.DataFrame:
    """bucket, jobs, waits: seconds that 50, 75, 90 and 95 % of the jobs that started in it waited at most; exact."""
    return _ask(
        connection,
        at,
        only,
        f"""select bucket, count(*) jobs, {_QUANTILES} waits from lives asof join buckets on started_at >= low
        where started_at >= {at[0]} and started_at < {at[-1]} group by bucket""",
    )


def waits_by_size(connection: duckdb.DuckDBPyConnection, at: Sequence[int], only: Only = ALL) -> pd.DataFrame:
    """queue, size (a class of collector.lives.SIZES), jobs, waits: the same of the whole range."""
    size = " + ".join(f"(cores > {most})::integer" for most in SIZES)
    return _ask(
        connection,
        at,
        only,
        f"""select queue, {size} size, count(*) jobs, {_QUANTILES} waits from lives
        where started_at >= {at[0]} and started_at < {at[-1]} group by all""",
    )


def ends(connection: duckdb.DuckDBPyConnection, at: Sequence[int], only: Only = ALL) -> pd.DataFrame:
    """bucket, cpu_efficiency, walltime_efficiency, failed: shares, of the jobs that ended in it."""
    ran = "started_at is not null and ended_at > started_at and cpu_used is not null"
    told = "walltime > 0 and walltime_used is not null"
    exited = "started_at is not null and exit_status is not null"
    return _ask(
        connection,
        at,
        only,
        f"""select bucket,
          sum(cpu_used) filter ({ran}) / sum(cores * (ended_at - started_at)) filter ({ran}) cpu_efficiency,
          sum(walltime_used) filter ({told}) / sum(walltime) filter ({told}) walltime_efficiency,
          count(*) filter ({exited} and exit_status <> 0) / count(*) filter ({exited}) failed
        from lives asof join buckets on ended_at >= low
        where ended_at >= {at[0]} and ended_at < {at[-1]} group by bucket""",
    )


def _ask(connection: duckdb.DuckDBPyConnection, at: Sequence[int], only: Only, question: str) -> pd.DataFrame:
    """Ask of `lives` (the jobs that are counted, `ends` told of the living, too) and `buckets` (bucket, low, high)."""
    kept = [field.name for field in fields(only) if getattr(only, field.name) is not None]
    where = " and ".join(f'list_contains(?, j."{name}")' for name in kept) or "true"
    return connection.execute(
        f"""with buckets as materialized (select unnest(?::bigint[]) low, unnest(?::bigint[]) high, low bucket),
        lives as (
          select j.*, coalesce(ended_at, until) ends from jobs j join known using (cluster)
          where submitted_at < ? and coalesce(ended_at, until) >= ? and {where}
        ) {question}""",
        [list(at[:-1]), list(at[1:]), at[-1], at[0], *(list(getattr(only, name)) for name in kept)],
    ).df()


QUESTIONS = {
    "core-hours by user": core_hours,
    "running and waiting, means": means,
    "submitted, started, ended": counts,
    "waits": waits,
    "waits by queue and size": waits_by_size,
    "efficiency and failures": ends,
}


def _ranges(until: int) -> Iterator[tuple[str, list[int]]]:
    for words, days, step in (("30 days by day", 30, "day"), ("5 years by month", 1826, "month")):
        yield words, [int(edge) for edge in edges(until - days * 86400, until, step, UTC)]


def main(folder: Path = Path("var/bench-5y")) -> None:
    """Print how long each question takes."""
    begun = time.perf_counter()
    with closing(load(folder / "store.sqlite")) as connection:
        jobs, until = connection.execute(
            "select count(*), max(until) from jobs, (select max(until) until from known)"
        ).fetchone()
        size = (folder / "store.duckdb").stat().st_size
        print(f"{jobs:,} jobs in {size / 1e6:,.0f} MB, opened in {time.perf_counter() - begun:.1f} s")
        for words, at in _ranges(until):
            for name, question in QUESTIONS.items():
                begun = time.perf_counter()
                rows = len(question(connection, at))
                print(f"  {words:18}{name:30}{(time.perf_counter() - begun) * 1000:8.0f} ms{rows:10,} rows")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
