"""A store with five months behind it, polled with gaps and imported, for what happens to it later."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select

from agent.report import Array, Job, Node, Queue, Report
from agent.states import JobState, NodeState
from collector.rollup import DAY, HOUR
from collector.schema import metadata
from collector.store import PollTimes, Store
from tests.collector.imported import T0, import_into, open_store, told, write_log
from tests.collector.reports import a_job, a_report, as_running
from tests.databases import store_at

BEGAN = T0 - 150 * DAY
PERIOD = 60


def long_past(folder: Path, seed: int, jobs: int = 250) -> Path:
    """Make the store, with all its sums and columns; returns its file. Its newest report is of T0."""
    folder.mkdir(exist_ok=True)
    store, cluster_id = open_store(folder)
    chance = random.Random(seed)
    for number, (report, times) in enumerate(reports(chance)):
        if number % 25 == 0:
            store.roll_up(cluster_id, 0)
        if times is None:
            store.store_failure(cluster_id, PollTimes(report.taken_at, 1.0), "silent", "nothing answers")
        else:
            store.store_report(cluster_id, report, times)
    store.roll_up(cluster_id, 0)
    import_into(store, cluster_id, write_log(folder / "log", sorted_log(chance, jobs)))
    store.roll_up(cluster_id, 0)
    store.close()
    return folder / "store.sqlite"


def reports(chance: random.Random) -> Iterator[tuple[Report, PollTimes | None]]:
    """Polls in bursts; None for one that failed. Some jobs end between them, one lives all along."""
    always = as_running(a_job(1, user="old", submitted_at=BEGAN), BEGAN + 60)
    array = [
        as_running(a_job(9, id=f"9[{n}].pbs01", array_id="9[].pbs01", user="a", submitted_at=BEGAN), BEGAN + n)
        for n in (1, 2)
    ]
    number, moment, mine = 10, BEGAN + 3600, list[Job]()
    while moment < T0:
        for _ in range(chance.randrange(3, 12)):
            before, moment = moment, moment + chance.choice([PERIOD, PERIOD, 2 * PERIOD, 700, 1000, 4 * HOUR])
            mine = [one for one in mine if chance.random() < 0.7]
            for _ in range(chance.randrange(3)):
                number += 1
                one = a_job(number, user=chance.choice("abc"), submitted_at=chance.randint(before, moment))
                mine.append(one if chance.random() < 0.4 else as_running(one, moment - 1))
            listed = [always, *(array if moment < BEGAN + 60 * DAY else array[:1]), *mine]
            states = [chance.choice([NodeState.FREE, NodeState.BUSY, NodeState.DOWN]) for _ in range(2)]
            report = a_report(
                min(moment, T0),
                listed,
                arrays=[Array("9[].pbs01", "B", total=2)],
                nodes=[Node(f"n{n}", state, state.value, cores=16) for n, state in enumerate(states, 1)],
                queues=[Queue("batch", "execution", chance.random() < 0.8, True)],
            )
            reaches = before if chance.random() < 0.1 else None
            failed = chance.random() < 0.1
            yield report, None if failed else PollTimes(report.taken_at - 1, 1.0, None, reaches)
        moment += chance.choice([2 * HOUR, DAY, 5 * DAY, 9 * DAY])
    yield a_report(T0, [replace(always, state=JobState.RUNNING)]), PollTimes(T0 - 1, 1.0)


def sorted_log(chance: random.Random, jobs: int) -> list[str]:
    """Jobs over all the months, some in arrays, some put back once, some that never ran."""
    lines = []
    for number in range(10_000, 10_000 + jobs):
        submitted = chance.randrange(BEGAN, T0 - 10 * DAY)
        started = submitted + chance.choice([0, 30, chance.randrange(3 * DAY)])
        ended = started + chance.choice([1, 600, chance.randrange(6 * DAY)])
        name = f"{number - number % 4}[{number % 4}]" if number % 5 == 0 else f"{number}"
        fields: dict[str, Any] = {"user": chance.choice("abc"), "ctime": submitted, "start": started, "end": ended}
        if chance.random() < 0.2:
            middle = (started + ended) // 2
            put_back = {**fields, "end": middle}
            lines.append((middle, told("R", name, middle, **put_back)))
            fields["start"] = min(middle + 60, ended)
        lines.append((ended, told("E", name, ended, exit_status=chance.choice([0, 1]), **fields)))
    return [line for _, line in sorted(lines)]


def everything(engine: Engine, *, but: dict[str, set[str]] | None = None) -> dict[str, list[dict[str, Any]]]:
    """Table -> its rows, in an order of their own; `but` names columns that do not count."""
    with engine.connect() as connection:
        found = {
            table.name: [
                {name: value for name, value in row.items() if name not in (but or {}).get(table.name, ())}
                for row in connection.execute(select(table)).mappings()
            ]
            for table in metadata.sorted_tables
        }
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


def opened(file: Path) -> Store:
    """The store at `file`, of whose cluster nobody else may write meanwhile."""
    store = Store(store_at(file))
    store.hold(1)
    return store
