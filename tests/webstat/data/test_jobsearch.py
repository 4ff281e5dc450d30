"""Words, filters, counts, folding, order and windows of jobs: as plain Python has them, a job at a time."""

from __future__ import annotations

import random
from collections import Counter
from functools import lru_cache

import numpy as np
import pytest

from tests.webstat.data import plain_jobs as plain
from webstat.data.jobrows import SORTS, flat_rows, folded_rows, sort_rows, window
from webstat.data.jobsearch import FACETS, GROUPS, LIVING, MOST_NAMES, Query, facets, in_scope, near, search
from webstat.data.jobtable import Table

SEEDS = range(4)
EVERY_STATE = tuple(GROUPS)


@lru_cache
def made(seed: int) -> tuple[Table, list[plain.Job]]:
    return plain.a_table(seed)


def asked(seed: int) -> list[Query]:
    """Questions made at random: words cut out of what jobs say, names they have and names nobody has."""
    chance = random.Random(seed)
    _, jobs = made(seed)

    def word() -> str:
        texts = [job[name] for job in jobs for name in ("id", "name", "user", "comment", "why") if job[name]]
        text = chance.choice(chance.choice(texts).split() or ["x"])
        start = chance.randrange(len(text))
        return text[start : start + chance.randrange(1, 6)].replace("…", "")

    queries = [Query(), Query("n001"), Query("zwei held"), Query("FAILED"), Query("nobody has this")]
    for _ in range(15):
        names = {
            facet: tuple(chance.sample([*{job[facet] or "–" for job in jobs}, "nobody"], 2))
            for facet in FACETS[1:]
            if chance.random() < 0.2
        }
        if chance.random() < 0.6:
            names["state"] = tuple(chance.sample(EVERY_STATE, chance.randrange(1, 8)))
        queries.append(Query(" ".join(word() for _ in range(chance.choice((0, 0, 1, 1, 2)))), names))
    return queries


@pytest.mark.parametrize("seed", SEEDS)
def test_a_job_is_found_by_words_anywhere_and_by_names(seed: int) -> None:
    table, jobs = made(seed)
    assert [job["key"] for job in jobs] == table.texts_of("key", np.arange(len(table))).tolist()
    some = 0
    for query in asked(seed):
        found = search(table, query)
        expected = [plain.matches(job, query.text.split(), query.names) for job in jobs]
        assert found.without().tolist() == expected, query
        states = query.names.get("state", LIVING)
        assert in_scope(found) == sum(plain.group_of(job) in states for job in jobs)
        some += 0 < sum(expected) < len(jobs)
    assert some > 5


@pytest.mark.parametrize("seed", SEEDS)
def test_names_are_counted_with_all_other_filters_on(seed: int) -> None:
    table, jobs = made(seed)
    for query in asked(seed):
        counted = facets(table, query, search(table, query))
        assert list(counted) == list(FACETS)
        for facet in FACETS:
            expected = plain.counts(jobs, query.text.split(), query.names, facet)
            if facet == "state":
                assert counted[facet] == {name: expected[name] for name in GROUPS}
                continue
            none = expected.pop(None, 0)
            wanted = query.names.get(facet, ())
            assert dict(counted[facet]) == expected | {
                name: none if name == "–" else expected[name] for name in wanted
            }, (query, facet)
            numbers = [count for name, count in counted[facet] if name in expected]
            assert numbers == sorted(numbers, reverse=True)


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_are_folded_and_sorted_as_one_by_one(seed: int) -> None:
    table, jobs = made(seed)
    chance = random.Random(seed)
    sorts = [sign + column for column in SORTS for sign in ("", "-")]
    chance.shuffle(sorts)
    for query in asked(seed):
        sort = sorts.pop()
        matching = [job for job in jobs if plain.matches(job, query.text.split(), query.names)]
        unfolded = [key for key in table.arrays if chance.random() < 0.3]
        expected = plain.rows_of(jobs, matching, unfolded, sort)
        rows = folded_rows(table, np.flatnonzero(search(table, query).without()), unfolded)
        order = sort_rows(rows, sort.removeprefix("-"), sort.startswith("-"))
        columns = window(rows, order)
        found = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        assert [row["key"] for row in found] == [row["key"] for row in expected], (query, sort)
        assert found == expected, (query, sort)
        heads = [row for row in expected if row["kind"] == "array"]
        assert rows.arrays == sum(row["key"] not in unfolded for row in heads)
        tasks = Counter(f"{job['cluster']}/{job['array_id']}" for job in matching)
        assert rows.tasks == sum(tasks[row["key"]] for row in heads if row["key"] not in unfolded)
        assert len(rows) == len(expected)


@pytest.mark.parametrize("sort", SORTS)
def test_every_column_sorts_both_ways(sort: str) -> None:
    table, jobs = made(0)
    rows = folded_rows(table, np.arange(len(table)))
    for sign in ("", "-"):
        keys = window(rows, sort_rows(rows, sort, sign == "-"), ["key"])["key"]
        assert keys == [row["key"] for row in plain.rows_of(jobs, jobs, (), sign + sort)]


def test_a_window_is_a_part_of_the_whole() -> None:
    table, _ = made(1)
    rows = folded_rows(table, np.arange(len(table)), table.arrays[:2])
    order = sort_rows(rows, "name")
    whole = window(rows, order)
    part = window(rows, order[7:19])
    assert part == {name: values[7:19] for name, values in whole.items()}
    assert window(rows, order[10_000:])["key"] == []


def test_flat_rows_are_all_jobs_one_by_one() -> None:
    table, jobs = made(2)
    rows = flat_rows(table, np.arange(len(table)))
    columns = window(rows, sort_rows(rows, "key"))
    assert columns["key"] == [job["key"] for job in jobs]
    assert set(columns["kind"]) == {"job", "task"}
    assert rows.arrays == rows.tasks == 0


def test_nothing_can_be_folded() -> None:
    table, _ = made(0)
    rows = folded_rows(table, np.zeros(0, dtype=np.int64), ["one/900[].pbs01"])
    for sort in SORTS:
        assert sort_rows(rows, sort).tolist() == []
    assert window(rows, sort_rows(rows, "key"))["why"] == []


@pytest.mark.parametrize(("typed", "kind", "name"), [("alcie", "user", "alice"), ("physcs", "group", "physics")])
def test_what_nobody_has_is_answered_by_what_is_most_like_it(typed: str, kind: str, name: str) -> None:
    table, jobs = made(3)
    query = Query(f"{typed} running", {"state": EVERY_STATE, "group": ("physics",)})
    best = near(table, query, search(table, query))
    assert best is not None
    assert (best.kind, best.name) == (kind, name)
    assert best.jobs == sum(job[kind] == name and job["group"] == "physics" for job in jobs)
    assert near(table, Query("qqqqzzzz"), search(table, Query("qqqqzzzz"))) is None


def test_words_that_only_filters_keep_apart_have_nothing_near() -> None:
    table, _ = made(3)
    query = Query("alice", {"cluster": ("nowhere",)})
    found = search(table, query)
    assert not found.without().any()
    assert near(table, query, found) is None


def test_the_most_frequent_names_are_told_and_those_asked_for() -> None:
    table, _ = made(4)
    users = np.array([None, *(f"u{n}" for n in range(2 * MOST_NAMES))], dtype=object)
    columns = table.columns | {"user": np.arange(len(table)) + 1}
    many = Table(table.clusters, users, columns, table.arrays, table.tasks)
    query = Query("", {"state": EVERY_STATE, "user": ("u3", "somebody")})
    told = facets(many, query, search(many, query))["user"]
    assert ("somebody", 0) in told
    assert len(told) == len(table) + 1
