"""The jobs table in plain Python, a job at a time: what the fast one is compared with; and jobs made at random."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from agent.states import IS_PENDING, JobState
from collector.schema import JOB_STATES
from tests.webstat.stores import HOSTILE
from webstat.data.jobcolumns import EXPECTS, TONES, About, job_columns
from webstat.data.jobsearch import GROUPS, LIVING
from webstat.data.jobtable import SHOWN, Table, Told, join
from webstat.data.queries.jobs import no_jobs

Job = dict[str, Any]

TAKEN_AT = 1_795_475_484
CLUSTERS = {"one": "Cluster One", "two": "<b>zwei</b>"}
WORDS = (None, "alice", "bob", "Zoë", "batch", "short", "physics", "chem", "p-1", "pbs01", "n001", "n002", *HOSTILE)
COMMENTS = (
    None,
    "Not Running: Insufficient amount of resource: ncpus (R: 8 A: 2 T: 64)",
    "Not Running: Not enough free nodes available",
    "Can Never Run: Insufficient amount of resource: mem (R: 600gb A: 384gb T: 384gb)",
    "words of its own\nin two lines",
)
PENDING = {state.value for state in IS_PENDING}
OVER = ("failed", "finished")
ORDER = ("running", "exiting", "suspended", "queued", "transiting", "waiting", "held", "unknown", "failed", "finished")


def a_table(seed: int, jobs: int = 160) -> tuple[Table, list[Job]]:
    """A table made at random, and its jobs as the other functions here take them."""
    chance = random.Random(seed)
    parts, told, searched = [], {}, {}
    for name, title in CLUSTERS.items():
        rows = _rows(chance, jobs)
        about = About(name, title, "openpbs", TAKEN_AT, {"short": "stopped"})
        frame = pd.DataFrame(
            {key: pd.Series([row[key] for row in rows], dtype=old) for key, old in no_jobs().dtypes.items()}
        )
        parts.append(job_columns(frame, about, np.array(WORDS, dtype=object)))
        for row in rows:
            nodes = {"3:10": ["n001"], "2:10-11": ["n001", "n002"], None: []}[row["hosts"]]
            searched[f"{name}/{row['number']}.pbs01"] = [title, *(nodes if row["ended_at"] is None else [])]
            if row["array_number"] and chance.random() < 0.3:
                told[f"{name}/{row['array_number']}.pbs01"] = Told(chance.choice((0, 40)), chance.choice((0, 3)))
    table = join(list(CLUSTERS), parts, np.array(WORDS, dtype=object), told)
    found = [{key: _none(value) for key, value in job.items()} for job in table.frame.to_dict("records")]
    for job in found:
        job["searched"] = searched[job["key"]]
        job["told"] = told.get(f"{job['cluster']}/{job['array_id']}", Told())
    return table, found


def _none(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _rows(chance: random.Random, jobs: int) -> list[Job]:
    def some(*values: Any) -> Any:
        return chance.choice((None, *values))

    numbers = [(str(number), None) for number in range(1, jobs // 2)]
    numbers += [(f"{900 + n % 9}[{n // 9}]", f"{900 + n % 9}[]") for n in range(jobs - len(numbers))]
    chance.shuffle(numbers)
    of_array: dict[str | None, Job] = {}
    rows = []
    for number, array in numbers:
        over = chance.random() < 0.3
        state = chance.choice([state for state in JOB_STATES if (state is JobState.FINISHED) == over])
        submitted = TAKEN_AT - chance.randrange(200_000)
        started = None if state in IS_PENDING or chance.random() < 0.1 else submitted + chance.randrange(5000)
        row: Job = {
            "user_id": chance.choice((1, 2, 3, *range(12, len(WORDS)))),
            **{name: chance.choice((0, 6, 7)) for name in ("group_id", "account_id", "project_id")},
            "server_id": 9,
            "queue_id": chance.choice((4, 5)),
            "number": number,
            "array_number": array,
            "name": chance.choice((*HOSTILE, "md", "MD-2", "")),
            "state": JOB_STATES.index(state),
            "native_state": state.value[0].upper(),
            "cores": chance.randrange(1, 64),
            "nodes": 1,
            "gpus": chance.choice((0, 0, 2)),
            "submitted_at": submitted,
            "memory_bytes": some(1 << 30, 1 << 38),
            "walltime_seconds": some(600, 86_400),
            "walltime_used_seconds": some(300, 40_000),
            "cpu_used_seconds": some(10, 100_000),
            "memory_used_bytes": some(1 << 20, 1 << 31),
            "eligible_at": some(submitted + 60),
            "started_at": started,
            "ended_at": (started or submitted) + chance.randrange(80_000) if over else None,
            "exit_status": some(0, 1, 137, 271, -11) if over else None,
            "priority": some(0, 5),
            "estimated_start_at": some(TAKEN_AT - 50, TAKEN_AT + 5000) if state in IS_PENDING else None,
            "hold": some("u", "s") if state is JobState.HELD else None,
            "depends_on": some("afterok:12.pbs01") if state is JobState.HELD else None,
            "hosts": some("3:10", "2:10-11") if state not in IS_PENDING else None,
            "comment": None if over else chance.choice(COMMENTS),
        }
        if array:  # tasks of one array are one user's
            mine = of_array.setdefault(array, row)
            row |= {name: mine[name] for name in mine if name.endswith("_id") or name in ("name", "cores", "gpus")}
        rows.append(row)
    return rows


def matches(job: Job, words: Iterable[str], names: Mapping[str, Collection[str]], but: str | None = None) -> bool:
    """Whether a job has all words, and one of the names of each facet except `but`."""
    said = {"transiting": "transiting moving", "waiting": "waiting for its time"}.get(job["state"], job["state"])
    facets = ("id", "name", "user", "group", "account", "project", "queue", "cluster", "comment", "why", "depends_on")
    fields = [said, *job["searched"], *(job[facet] or "" for facet in facets)]
    texts = [field.replace("\xa0", " ").replace("…", " ").casefold() for field in fields]
    if not all(any(word.casefold() in text for text in texts) for word in words):
        return False
    for facet, wanted in {"state": LIVING, **names}.items():
        if facet != but and (group_of(job) if facet == "state" else job[facet] or "–") not in wanted:
            return False
    return True


def group_of(job: Job) -> str:
    return next(name for name, states in GROUPS.items() if job["state"] in states)


def counts(jobs: list[Job], words: Iterable[str], names: Mapping[str, Collection[str]], facet: str) -> Counter[str]:
    """How many jobs have each name of a facet, with all other filters on."""
    found = [job for job in jobs if matches(job, words, names, but=facet)]
    return Counter(group_of(job) if facet == "state" else job[facet] for job in found)


def rows_of(jobs: list[Job], asked: list[Job], unfolded: Collection[str], sort: str) -> list[Job]:
    """The rows of the jobs `asked` for, of all `jobs`, folded and sorted."""
    arrays: dict[str, list[Job]] = {}
    for job in asked:
        if job["array_id"] is not None:
            arrays.setdefault(f"{job['cluster']}/{job['array_id']}", []).append(job)
    many = {key: tasks for key, tasks in arrays.items() if len(tasks) > 1}
    folded = {task["key"] for tasks in many.values() for task in tasks}
    tops = [job for job in asked if job["key"] not in folded]
    place = {job["key"]: number for number, job in enumerate(jobs)}
    tops += [_array_row(jobs, key, tasks, place) for key, tasks in many.items()]
    result = []
    for row in _sorted(tops, sort, place):
        result.append(row)
        if row["kind"] == "array" and row["key"] in unfolded:
            result += _sorted(many[row["key"]], sort, place)
    return [{name: _whole(row[name]) for name in SHOWN} for row in result]


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) else value


def _array_row(jobs: list[Job], key: str, tasks: list[Job], place: Mapping[str, int]) -> Job:
    tasks = sorted(tasks, key=lambda task: (ORDER.index(task["state"]), place[task["key"]]))
    shown, first = tasks[0], min(tasks, key=lambda task: place[task["key"]])
    waiting = [task for task in tasks if task["state"] in PENDING]
    whole = [job for job in jobs if f"{job['cluster']}/{job['array_id']}" == key]
    upcoming = [task for task in tasks if task["state"] not in OVER and task["expected_at"] is not None]
    if all(task["state"] in OVER for task in tasks):
        event = max(tasks, key=lambda task: task["expected_at"])
    else:
        soonest = min((task["expected_at"] for task in upcoming), default=None)
        both = [task for task in upcoming if task["expected_at"] == soonest]
        event = max(both, key=lambda task: EXPECTS.index(task["expects"]), default=None)
    reason = (waiting or tasks)[0]
    counted = Counter(job["state"] for job in whole)
    done = counted["failed"] + counted["finished"] + shown["told"].ended
    return {
        **shown,
        "key": key,
        "kind": "array",
        "id": shown["array_id"],
        "name": shown["name"].removesuffix(f"-{_index(shown)}"),
        "first": place[first["key"]],
        "index": _index(first),
        "submitted_at": min(task["submitted_at"] for task in tasks),
        "eligible_at": min((task["eligible_at"] for task in tasks if task["eligible_at"] is not None), default=None),
        "waited_seconds": max(task["waited_seconds"] for task in waiting or tasks),
        "expected_at": event and event["expected_at"],
        "expects": event["expects"] if event else "",
        **{name: reason[name] for name in ("reason", "why", "why_tone", "comment")},
        "tasks_done": done,
        "tasks_running": sum(counted[state] for state in ("running", "exiting", "suspended")),
        "tasks_waiting": sum(counted[state] for state in PENDING),
        "tasks_total": max(shown["told"].total, len(whole) + shown["told"].ended),
    }


def _index(task: Job) -> str:
    return task["id"].partition("[")[2].partition("]")[0]


def _sorted(rows: list[Job], sort: str, place: Mapping[str, int]) -> list[Job]:
    column, turned = sort.removeprefix("-"), sort.startswith("-")
    rows = sorted(rows, key=lambda row: row.get("first", place.get(row["key"])))
    if column == "expected_at":
        return sorted(rows, key=lambda row: _event(row, turned))
    told = [row for row in rows if row[column] is not None]
    if turned:  # descending, equals as they are
        told.reverse()
    told.sort(key=lambda row: _worth(row, column, place))
    return (told[::-1] if turned else told) + [row for row in rows if row[column] is None]


def _worth(row: Job, column: str, place: Mapping[str, int]) -> Any:
    orders: dict[str, Collection[str]] = {"state": ORDER, "expects": EXPECTS, "why_tone": TONES, "cluster": CLUSTERS}
    if column == "key":
        return row.get("first", place.get(row["key"]))
    if column in ("id", "array_id"):
        number, _, index = row["id"].partition(".")[0].partition("[")
        return int(number), int(row.get("index") or index.rstrip("]") or -1)
    if column in orders:
        return list(orders[column]).index(row[column])
    value = row[column]
    return (value == "", value.casefold(), value) if isinstance(value, str) else value


def _event(row: Job, turned: bool) -> tuple[int, float]:
    if row["state"] in OVER:
        return 2, -row["expected_at"]
    if row["expected_at"] is None:
        return 1, -row["waited_seconds"]
    return 0, -row["expected_at"] if turned else row["expected_at"]
