"""Showing a past moment: 10,000 jobs in the queue of then, among several hundred thousand that have ended since.

As many as end in 40 days on a cluster that keeps ten million jobs of three years. Compared with plain SQL that asks the
spans for the same totals, which reads all of them.
"""

from __future__ import annotations

import random
import sqlite3
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from sqlalchemy import create_engine

from bench.timing import medians
from collector import schema
from collector.schema import JOB_STATES, OPEN
from webstat.data.queries.engine import open_store
from webstat.data.queries.moment import Moment, open_moment
from webstat.data.queries.now import load_job_totals

DAYS, A_DAY, WAITING_DAYS = 40, 9_000, 1.0
"""Jobs that end each day, and how long each waits: so many are in the queue at any moment."""
NODES, CORES = 500, 24
NOW = 1_795_392_000
ROUNDS = 9


def main() -> None:
    """Print how long a moment takes at several ages."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.sqlite"
        jobs = make_store(path)
        store = open_store(f"sqlite:///{path}")
        plain = sqlite3.connect(path)
        print(f"{jobs:,} jobs, {path.stat().st_size / 1e6:.0f} MB; medians of {ROUNDS}")
        for days in (1, 10, 35):
            at = NOW - days * 86400
            ours, theirs = totals(open_moment(store, at)), plain_totals(plain, at)
            assert ours == theirs, (ours, theirs)
            taken = medians(
                ROUNDS, {"ours": partial(open_moment, store, at), "plain": partial(plain_totals, plain, at)}
            )
            count = sum(number for number, _ in ours.values())
            print(
                f"  {days:2} d ago, {count:,} jobs lived {taken['ours'] * 1000:8.1f} ms   (target under 300 ms)"
                f"   plain SQL over the spans {taken['plain'] * 1000:8.1f} ms"
            )
        plain.close()


def totals(moment: Moment) -> dict[str, tuple[int, int]]:
    """State -> jobs and cores, as pages ask for them."""
    by_state = load_job_totals(moment.sight.sums, 1).groupby("state")[["jobs", "cores"]].sum()
    return {state: (int(row["jobs"]), int(row["cores"])) for state, row in by_state.iterrows()}


def plain_totals(connection: sqlite3.Connection, at: int) -> dict[str, tuple[int, int]]:
    """The same by one question to the spans."""
    rows = connection.execute(
        "select state, count(*), sum(cores) from job_span where since <= ? and until > ? group by state", (at, at)
    )
    return {JOB_STATES[state].value: (jobs, cores) for state, jobs, cores in rows}


def make_store(path: Path) -> int:
    """Fill a store through its tables; returns how many jobs are in it."""
    engine = create_engine(f"sqlite:///{path}")
    schema.metadata.create_all(engine)
    engine.dispose()
    connection = sqlite3.connect(path)
    connection.execute("pragma journal_mode=wal")
    with connection:
        words = [f"user{number:02}" for number in range(60)] + ["batch", "long"] + [f"cn{n:04}" for n in range(NODES)]
        connection.executemany("insert into word (id, text) values (?, ?)", enumerate(words, start=1))
        connection.execute(
            "insert into cluster (id, name, title, listed, demo, period_seconds, report, taken_at, failures)"
            " values (1, 'c', 'c', 1, 0, 60, 1, ?, 0)",
            (NOW,),
        )
        polls = ((at, number) for number, at in enumerate(range(NOW - DAYS * 86400, NOW + 1, 60)))
        connection.executemany(
            "insert into poll (cluster_id, at, seconds, report, taken_at) values (1, ?, 0.5, ?, ?)",
            ((at, number, float(at)) for at, number in polls),
        )
        for number in range(NODES):
            columns = "(id, cluster_id, name, state, native_state, cores, cores_used)"
            connection.execute(
                f"insert into node {columns} values (?, 1, ?, 2, 'busy', ?, ?)",
                (number + 1, f"cn{number:04}", CORES, CORES),
            )
            connection.execute("insert into node_span values (?, 0, ?, 2, ?, 0)", (number + 1, OPEN, CORES))
        jobs = list(_jobs())
        connection.executemany(
            "insert into job (id, cluster_id, number, name, user_id, queue_id, state, native_state, cores, nodes, gpus,"
            " walltime_seconds, submitted_at, started_at, ended_at, ended_estimated, hosts)"
            " values (?, 1, ?, 'job', ?, ?, ?, '', ?, 1, 0, 86400, ?, ?, ?, 0, ?)",
            (job[:-1] for job in jobs),
        )
        connection.executemany(
            "insert into job_span values (?, ?, ?, ?, ?, ?, 0)", (span for job in jobs for span in job[-1])
        )
    connection.execute("analyze")
    connection.close()
    return len(jobs)


def _jobs() -> Iterator[tuple[object, ...]]:
    chance = random.Random(5)
    queued, running, finished = (
        next(place for place, state in enumerate(JOB_STATES) if state.value == word)
        for word in ("queued", "running", "finished")
    )
    for number in range(DAYS * A_DAY):
        submitted = NOW - DAYS * 86400 + number * 86400 // A_DAY
        started = submitted + int(chance.uniform(0.5, 1.5) * WAITING_DAYS * 86400)
        ended = started + int(chance.expovariate(1 / 7200)) + 1
        cores = chance.choice((1, 4, 8, 24))
        queue = chance.choice((61, 62))
        spans, state = [], queued
        for since, until, one in ((submitted, started, queued), (started, ended, running)):
            if since <= NOW:
                state = one
                spans.append((number + 1, since, until if until <= NOW else OPEN, one, queue, cores))
        over = ended <= NOW
        hosts = f"{cores}:{chance.randrange(63, 63 + NODES)}" if started <= NOW else None
        yield (
            number + 1, str(number), chance.randint(1, 60), queue, finished if over else state, cores, submitted,
            started if started <= NOW else None, ended if over else None, hosts, spans,
        )  # fmt: skip


if __name__ == "__main__":
    main()
