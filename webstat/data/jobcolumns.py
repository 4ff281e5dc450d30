"""From rows of jobs to the columns of the jobs table, one cluster at a time. Pure.

Rows come from queries/jobs.py; how clusters are put together is jobtable.py's, which jobs are asked for jobsearch.py's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from agent.states import IS_PENDING
from collector.rows import hosts_record
from collector.schema import JOB_STATES
from webstat.efficiency import findings
from webstat.exits import exit_words
from webstat.format import NBSP
from webstat.native_reasons import Told
from webstat.reasons import DERIVED, KINDS, Reason, reason

Columns = dict[str, np.ndarray]
"""Column -> one value a job; names of users and the like as ids of words, states as places in STATES."""

FAILED = "failed"
STATES = (
    "running", "exiting", "suspended", "queued", "transiting", "waiting", "held", "unknown", FAILED, "finished",
)  # fmt: skip
"""What the table calls a job's state; the most advanced of those that live come first, ends last."""

EXPECTS = ("", "ends", "starts", "ended")
TONES = ("", "warn", "bad")
REASONS = (None, *KINDS.values())
"""Titles of the kinds of reasons why jobs wait; the first is for those that do not."""

LONGEST_WHY = 60

_PLACE = {state: place for place, state in enumerate(STATES)}
_FROM_STORE = np.array([_PLACE[state.value] for state in JOB_STATES], dtype=np.int8)
PENDING = frozenset(_PLACE[state.value] for state in IS_PENDING)
RUNNING, EXITING, SUSPENDED = _PLACE["running"], _PLACE["exiting"], _PLACE["suspended"]
ENDED = frozenset((_PLACE[FAILED], _PLACE["finished"]))

_SAID = {"transiting": "transiting moving", "waiting": "waiting for its time"}
"""States whose word on the page is another one."""

_ALARMING = frozenset(("never", "failed"))
"""Kinds of reasons that are marked."""

_MANY = 999_999_999
_MANY_TEXT = f"{_MANY:,}"
"""A number of jobs ahead that stands for every one above 1: sentences differ by it alone."""


@dataclass(frozen=True)
class About:
    """The cluster that rows are of: what is searched and said of it, and the time and queues of its newest report."""

    name: str
    title: str
    scheduler: str
    taken_at: float
    queue_states: Mapping[str, str]
    """Queue -> one of frames.queue_state()."""
    queued_since: Mapping[str, np.ndarray] | None = None
    """Queue -> since when its queued jobs wait, in order, where `rows` lack some of them; None where all are there."""
    derived: Mapping[str, Told] = field(default_factory=dict)
    """Job id -> what is read from the state where the scheduler says nothing."""


def job_columns(rows: pd.DataFrame, about: About, words: np.ndarray) -> Columns:
    """The columns of the jobs in `rows`, in their order; times unix seconds, NaN where not told.

    `rows` as load_living_jobs() has them; `words` are texts by id, the first one None. All but what is named in Columns
    are as the table shows them; besides them are `place` (the order of ids), `since` (from when a wait counts) and
    `text` (all that is searched, in small letters).
    """
    told = {name: rows[name].to_numpy() for name in rows.columns}
    columns: Columns = {
        name: told[name]
        for name in (
            "name", "native_state", "exit_status", "cores", "nodes", "gpus", "memory_bytes", "walltime_seconds",
            "eligible_at", "started_at", "ended_at", "walltime_used_seconds", "cpu_used_seconds", "memory_used_bytes",
            "priority", "comment", "depends_on", "hold", "array_number",
        )
    }  # fmt: skip
    columns |= {name: told[f"{name}_id"] for name in ("user", "group", "account", "project", "queue")}
    columns["submitted_at"] = told["submitted_at"].astype(np.float64)
    servers = words[told["server_id"]]
    columns["id"] = _ids(told["number"], servers)
    columns["array_id"] = _ids(told["array_number"], servers)
    columns["place"] = np.array([_place(number) for number in told["number"]], dtype=np.int64)
    over, status = ~np.isnan(told["ended_at"]), told["exit_status"]
    state = np.where(over, _PLACE["finished"], _FROM_STORE[told["state"]])
    columns["state"] = np.where(over & ~np.isnan(status) & (status != 0), _PLACE[FAILED], state).astype(np.int8)
    columns |= _times(columns, about.taken_at)
    columns |= _expected(columns, told["estimated_start_at"], about.taken_at)
    columns |= _whys(columns, about, words)
    columns["text"] = _texts(columns, told["hosts"], about, words)
    return columns


def _ids(numbers: np.ndarray, servers: np.ndarray) -> np.ndarray:
    return objects(
        number if number is None or server is None else f"{number}.{server}"
        for number, server in zip(numbers, servers, strict=True)
    )


_LAST = np.iinfo(np.int64).max


def _place(number: str) -> int:
    """Where an id comes: by its number, then by its index in the array; what is none of ours comes last."""
    if number.isdecimal():
        return int(number) << 24 if len(number) < 12 else _LAST
    head, _, tail = number.partition("[" if "[" in number else "_")
    index = tail.rstrip("]")
    if head.isdecimal() and index.isdecimal() and len(head) < 12 and len(index) < 7:
        return (int(head) << 24) + 1 + int(index)
    return _LAST


def _times(columns: Columns, taken_at: float) -> Columns:
    """How long jobs waited and ran up to the report, or to their ends."""
    state, started, ended = columns["state"], columns["started_at"], columns["ended_at"]
    since = np.where(np.isnan(columns["eligible_at"]), columns["submitted_at"], columns["eligible_at"])
    pending = np.isin(state, list(PENDING))
    until = np.where(np.isnan(started) | pending, np.where(np.isnan(ended), taken_at, ended), started)
    ran = np.where(state == RUNNING, taken_at - started, np.where(np.isin(state, list(ENDED)), ended - started, np.nan))
    # While it exits or is suspended its walltime stands still; since when that is so is not told.
    ran = np.where(np.isnan(ran) & ~pending, columns["walltime_used_seconds"], ran)
    ran = np.where(np.isnan(ran) & (state == EXITING), taken_at - started, ran)
    return {"since": since, "waited_seconds": np.maximum(until - since, 0.0), "ran_seconds": np.maximum(ran, 0.0)}


def _expected(columns: Columns, estimate: np.ndarray, taken_at: float) -> Columns:
    """What comes next for a job and when; an estimate that has passed is none."""
    state = columns["state"]
    ends = np.where(np.isin(state, (RUNNING, EXITING)), columns["started_at"] + columns["walltime_seconds"], np.nan)
    starts = np.where(np.isin(state, list(PENDING)) & (estimate > taken_at), estimate, np.nan)
    ended = np.where(np.isin(state, list(ENDED)), columns["ended_at"], np.nan)
    at, what = np.full(len(state), np.nan), np.zeros(len(state), dtype=np.int8)
    for word, times in (("ends", ends), ("starts", starts), ("ended", ended)):
        known = ~np.isnan(times)
        at[known], what[known] = times[known], EXPECTS.index(word)
    return {"expected_at": at, "expects": what}


def jobs_ahead(columns: Columns) -> np.ndarray:
    """How many queued jobs of its queue have waited longer than each queued job; -1 for the others."""
    ahead = np.full(len(columns["state"]), -1, dtype=np.int64)
    queued = np.flatnonzero(columns["state"] == _PLACE["queued"])
    if queued.size:
        queue, since = columns["queue"][queued], columns["since"][queued]
        order = np.lexsort((since, queue))
        queue, since = queue[order], since[order]
        place = np.arange(queued.size)
        first_of_queue = np.concatenate(([True], queue[1:] != queue[:-1]))
        first_of_time = first_of_queue | np.concatenate(([True], since[1:] != since[:-1]))
        before = np.maximum.accumulate(np.where(first_of_time, place, 0))
        ahead[queued[order]] = before - np.maximum.accumulate(np.where(first_of_queue, place, 0))
    return ahead


def _jobs_ahead_among(columns: Columns, words: np.ndarray, since: Mapping[str, np.ndarray]) -> np.ndarray:
    """The same where those that wait are not all in `columns`."""
    ahead = np.full(len(columns["state"]), -1, dtype=np.int64)
    for place in np.flatnonzero(columns["state"] == _PLACE["queued"]):
        others = since.get(words[columns["queue"][place]], np.zeros(0))
        ahead[place] = np.searchsorted(others, columns["since"][place], side="left")
    return ahead


def _whys(columns: Columns, about: About, words: np.ndarray) -> Columns:
    """Why jobs wait, how they run, how they ended: at most LONGEST_WHY characters."""
    why = np.full(len(columns["state"]), "", dtype=object)
    tone, kind = np.zeros(len(why), dtype=np.int8), np.zeros(len(why), dtype=np.int8)
    state = columns["state"]
    waits = np.flatnonzero(np.isin(state, [*PENDING, SUSPENDED]))
    if waits.size:
        among = about.queued_since
        ahead = jobs_ahead(columns) if among is None else _jobs_ahead_among(columns, words, among)
        why[waits], tone[waits], kind[waits] = _reasons(columns, waits, ahead[waits], about, words)
    runs = np.flatnonzero(np.isin(state, (RUNNING, EXITING)))
    if runs.size:
        why[runs], tone[runs] = _findings(columns, runs, about.taken_at)
    ends = np.flatnonzero(np.isin(state, list(ENDED)) & ~np.isnan(columns["exit_status"]))
    statuses, which = np.unique(columns["exit_status"][ends], return_inverse=True)
    said = [_cut(exit_words(int(status), about.scheduler)) for status in statuses]
    why[ends] = objects(said)[which]
    tone[ends] = np.where(columns["exit_status"][ends] != 0, TONES.index("bad"), 0)
    return {"why": why, "why_tone": tone, "reason": kind}


def _reasons(
    columns: Columns, waits: np.ndarray, ahead: np.ndarray, about: About, words: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sentences, tones, and places in REASONS. Each sentence is made once: most jobs wait for the reason of many."""
    foretold = columns["expects"][waits] == EXPECTS.index("starts")
    told = [columns[name][waits] for name in ("state", "comment", "hold", "depends_on", "user", "queue")]
    derived = objects(about.derived.get(ident) for ident in columns["id"][waits])
    codes = [pd.factorize(column)[0] for column in (*told, derived)]
    _, one_of, which = np.unique(_as_one([*codes, foretold, np.minimum(ahead, 2)]), True, True)
    made = []
    for row in one_of.tolist():
        state, comment, hold, depends_on, user, queue = (column[row] for column in told)
        asked = {
            "state": STATES[state],
            "comment": comment,
            "hold": hold,
            "depends_on": depends_on,
            "user": words[user] or "",
            "queue_state": about.queue_states.get(words[queue], "unknown"),
            "ahead": None if ahead[row] < 0 else _MANY if ahead[row] > 1 else int(ahead[row]),
            "estimated_start_at": about.taken_at if foretold[row] else None,
            "derived": derived[row],
        }
        found = _marked(reason(**asked, queue=words[queue] or ""))
        # The queue has a column of its own: where there is no room for it, it is left out.
        shorter = found if len(found.words) <= LONGEST_WHY else _marked(reason(**asked))
        tone = TONES.index("warn" if found.kind in _ALARMING else "")
        kind = REASONS.index(KINDS[found.kind])
        made.append((found.words, shorter.words, _MANY_TEXT in found.words, tone, kind))
    why = []
    for one, before in zip(which.tolist(), ahead.tolist(), strict=True):
        text, shorter, numbered, *_ = made[one]
        if numbered:
            number = f"{before:,}"
            text = text.replace(_MANY_TEXT, number)
            if len(text) > LONGEST_WHY:
                shorter = shorter.replace(_MANY_TEXT, number)
        why.append(text if len(text) <= LONGEST_WHY else _cut(shorter))
    tones, kinds = (np.array([one[at] for one in made], dtype=np.int8)[which] for at in (3, 4))
    return objects(why), tones, kinds


def _marked(found: Reason) -> Reason:
    return replace(found, words=f"{DERIVED}{found.words}") if found.derived else found


def _as_one(codes: Sequence[np.ndarray]) -> np.ndarray:
    """Several columns of numbers from -1 on as one, which differs where any of them does."""
    one, size = np.zeros(len(codes[0]), dtype=np.int64), 1
    for column in codes:
        values = int(column.max(initial=-1)) + 2
        if size * values > _LAST:
            one = np.unique(one, return_inverse=True)[1]
            size = len(one)
        one, size = one * values + column + 1, size * values
    return one


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_WHY else text[: LONGEST_WHY - 1] + "…"


def _findings(columns: Columns, runs: np.ndarray, taken_at: float) -> tuple[np.ndarray, np.ndarray]:
    told = (
        "cores", "cpu_used_seconds", "walltime_used_seconds", "memory_bytes", "memory_used_bytes", "walltime_seconds",
        "started_at",
    )  # fmt: skip
    why, tones = [], []
    for values in zip(*(columns[name][runs].tolist() for name in told), strict=True):
        found = findings(**dict(zip(told, values, strict=True)), now=taken_at)
        why.append(_cut(found[0].words) if found else "")
        tones.append(TONES.index(found[0].tone) if found else 0)
    return objects(why), np.array(tones, dtype=np.int8)


def _texts(columns: Columns, hosts: np.ndarray, about: About, words: np.ndarray) -> np.ndarray:
    """What is searched: a line a field, so that no word is found across two; nodes only of jobs that hold them."""
    living = ~np.isin(columns["state"], list(ENDED))
    nodes: dict[str | None, str] = {None: ""}
    for text in hosts[living]:
        if text not in nodes:
            nodes[text] = "\n".join(hosts_record(text, words))  # type: ignore[arg-type]
    places = [nodes[text] if lives else "" for text, lives in zip(hosts, living, strict=True)]
    # What many jobs have in common is put together once.
    said = [f"{_SAID.get(state, state)}\n{about.name}\n{about.title}" for state in STATES]
    common = [columns[name] for name in ("user", "group", "account", "project", "queue")]
    _, one_of, which = np.unique(_as_one([columns["state"], *common]), True, True)
    shared = objects(
        "\n".join([said[columns["state"][row]], *(words[column[row]] or "" for column in common)])
        for row in one_of.tolist()
    )[which]
    texts = [columns[name] for name in ("id", "name", "why", "comment", "depends_on")]
    # Python turns text that is not ASCII into small letters several times slower, and most of it is so for these alone.
    return objects(
        "\n".join([field for field in fields if field]).replace(NBSP, " ").replace("…", " ").casefold()
        for fields in zip(shared, *texts, places, strict=True)
    )


def objects(values: Iterable[object]) -> np.ndarray:
    """Values as an array of objects, whatever they are."""
    listed = list(values)
    array = np.empty(len(listed), dtype=object)
    array[:] = listed
    return array
