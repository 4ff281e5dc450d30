"""Through a veil no query tells of other people more than its level allows, and every sum stays what it was."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, is_dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import insert, select

from agent.states import JobState, NodeState
from collector import schema
from collector.database import open_engine
from collector.settings import Settings
from tests.databases import store_at
from tests.webstat.data.explore.random_store import SINCE, UNTIL, make_jobs, write_store
from tests.webstat.recorded import Recorded, record
from webstat.answers.cost import Cost
from webstat.data import jobs
from webstat.data import people as people_data
from webstat.data.explore.answer import answer
from webstat.data.explore.question import Question
from webstat.data.queries import alerts, changes, find, known_then, now, one, past, people, places, waiting
from webstat.data.queries import jobs as jobs_queries
from webstat.data.queries import report as report_queries
from webstat.data.queries.veil import MASK
from webstat.data.source import Source
from webstat.errors import StoreBroken, StoreEmpty
from webstat.privacy import HIDDEN, OTHERS, Level, Veil, pseudonym, without_people

SALT = b"salt"
STATES = {state.value for state in (*JobState, *NodeState)}
LEVELS = (Level.PSEUDONYMS, Level.OWN, Level.TOTALS)
MODULES = (alerts, changes, find, jobs_queries, known_then, now, one, past, people, places, report_queries, waiting)
INTERNAL = {"load_words", "load_then"}
"""Tables that only other queries look into: words by their ids, and what moment.py makes its views from."""
LOADS: dict[str, Callable[..., Any]] = {
    name: load
    for module in MODULES
    for name, load in vars(module).items()
    if name.startswith("load_") and load.__module__ == module.__name__ and name not in INTERNAL
}


@pytest.fixture(scope="module")
def recorded(each_store: str, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return record(tmp_path_factory.mktemp("recorded") / "store.sqlite", "mixed", "torque", "slurm", "series")


@pytest.fixture(scope="module")
def plain(recorded: Recorded) -> Iterator[Source]:
    source = Source(recorded.settings())
    yield source
    source.close()


def owner_of(plain: Source) -> str:
    """Who has jobs on the first cluster."""
    return str(plain.totals(plain.clusters()[0])["user"].iloc[0])


@pytest.fixture(scope="module", params=LEVELS)
def veiled(recorded: Recorded, plain: Source, request: pytest.FixtureRequest) -> Iterator[Source]:
    source = Source(recorded.settings(), veil=Veil(request.param, me=owner_of(plain), salt=SALT))
    yield source
    source.close()


def texts_of(found: Any) -> Iterator[str]:
    """Every text in what a query returned."""
    if isinstance(found, str):
        yield found
    elif isinstance(found, pd.DataFrame):
        for column in found.columns:
            yield from texts_of(found[column].tolist())
    elif is_dataclass(found) and not isinstance(found, type):
        yield from texts_of(asdict(found))
    elif isinstance(found, dict):
        yield from texts_of([*found.keys(), *found.values()])
    elif hasattr(found, "_mapping"):
        yield from texts_of(dict(found._mapping))
    elif isinstance(found, (list, tuple, set, frozenset)):
        for each in found:
            yield from texts_of(each)


def hidden_words(recorded: Recorded, me: str) -> set[str]:
    """Names of other people, of their jobs, and what was said of these, that are not also public words."""
    engine = open_engine(recorded.url)
    j, w = schema.job.c, schema.word.c
    found: set[str] = set()
    public: set[str] = {OTHERS, ""}
    with engine.connect() as connection:
        for column in (j.user_id, j.group_id, j.account_id, j.project_id):
            found |= set(connection.execute(select(w.text).join(schema.job, column == w.id)).scalars())
        mine = connection.execute(select(w.id).where(w.text == me)).scalar_one()
        found |= set(connection.execute(select(j.name).where(j.user_id != mine)).scalars())
        comments = select(schema.job_live.c.comment).join(schema.job).where(j.user_id != mine)
        found |= {text for text in connection.execute(comments).scalars() if text}
        public |= set(connection.execute(select(schema.queue.c.name)).scalars())
        public |= set(connection.execute(select(w.text).join(schema.job, j.queue_id == w.id)).scalars())
        public |= set(connection.execute(select(w.text).join(schema.job, j.server_id == w.id)).scalars())
        for column in (j.group_id, j.account_id, j.project_id):
            public |= set(
                connection.execute(select(w.text).join(schema.job, column == w.id).where(j.user_id == mine)).scalars()
            )
        public |= set(connection.execute(select(j.name).where(j.user_id == mine)).scalars())
        said = select(schema.job_live.c.comment).join(schema.job).where(j.user_id == mine)
        public |= set(connection.execute(said).scalars())
    engine.dispose()
    # A job may be called anything; what looks like a number or a state is found everywhere.
    return {text for text in found - public - {me} if re.search("[a-z]{3}", text) and text not in STATES}


@pytest.fixture(scope="module")
def hidden(recorded: Recorded, plain: Source) -> set[str]:
    return hidden_words(recorded, owner_of(plain))


def arguments_for(load: Callable[..., Any], source: Source, plain: Source, name: str) -> dict[str, Any]:
    """What to ask, by the names of the parameters: of everything, and of somebody else."""
    cluster = plain.clusters()[0]
    living = plain.ask(jobs_queries.load_living_jobs, cluster.id)
    at = int(cluster.taken_at or 0)
    values = {
        "cluster_id": cluster.id,
        "cluster_ids": tuple(one.id for one in plain.clusters()),
        "since": at - 30 * 86400,
        "until": at + 86400,
        "at": at,
        "hour": at - 3600,
        "day": at - 86400,
        "before": at,
        "by": "user",
        "name": name,
        "node": plain.nodes(cluster)["name"].iloc[0],
        "start": str(living["number"].iloc[0])[:1],
        "limit": 1000,
        "most": 1000,
        "shortest": 1,
        "numbers": tuple(n for n in living["array_number"] if n),
        "job_id": f"{living['number'].iloc[0]}.{cluster.name}",
        "job_ids": tuple(plain.ask(places.load_placed_jobs, cluster.id)["id"]),
        "row": 1,
        "owner": f"user:{name}",
        "feed": "f" * 40,
        "after": 0,
    }
    wanted = list(inspect.signature(load).parameters)[1:]
    if load is one.load_node:
        values["name"] = values["node"]
    return {parameter: values[parameter] for parameter in wanted}


@pytest.mark.parametrize("name", LOADS)
def test_no_query_tells_of_others(plain: Source, veiled: Source, hidden: set[str], name: str) -> None:
    load, counted = LOADS[name], hasattr(LOADS[name], "counts_all")
    found = set(texts_of(veiled.ask(load, *arguments_for(load, veiled, plain, owner_of(plain)).values())))
    if counted and name.endswith("_counted"):
        found -= {text for text in found if " " in text}  # the scheduler's words, of which only the kinds are counted
    assert not found & hidden


def test_what_is_hidden_is_there_without_a_veil(plain: Source, hidden: set[str]) -> None:
    """Or the test above would find nothing in whatever it looked at."""
    telling = set()
    for name, load in LOADS.items():
        if set(texts_of(plain.ask(load, *arguments_for(load, plain, plain, owner_of(plain)).values()))) & hidden:
            telling.add(name)
    assert telling >= {
        "load_living_jobs", "load_names", "load_job_totals", "load_core_spans", "load_holder_hours", "load_placed_jobs",
        "load_waiting", "load_report", "load_ended_by_number",
    }  # fmt: skip


def test_sums_are_the_same(plain: Source, veiled: Source) -> None:
    for cluster in plain.clusters():
        seen, sums = ["queue", "state"], ["jobs", "cores", "gpus", "asked_core_seconds", "unlimited"]
        ours, theirs = (source.totals(cluster).groupby(seen)[sums].sum() for source in (veiled, plain))
        pd.testing.assert_frame_equal(ours, theirs)
        until = float(cluster.taken_at or 0)
        pd.testing.assert_series_equal(veiled.usage(cluster, until).total, plain.usage(cluster, until).total)
        ours, theirs = (
            source.waits(cluster).sort_values(["queue", "wait_seconds"], ignore_index=True)
            for source in (veiled, plain)
        )
        pd.testing.assert_frame_equal(ours, theirs)
        assert veiled.capacity(cluster) == plain.capacity(cluster)
        ours, theirs = (source.ask(waiting.load_waiting_counted, cluster.id) for source in (veiled, plain))
        assert sorted(ours["comment"].fillna("")) == sorted(theirs["comment"].fillna(""))
        assert (
            set(veiled.totals(cluster)["user"]) >= {owner_of(plain)}
            or cluster.name != plain.clusters()[0].name
            or (veiled.veil is not None and veiled.veil.level is Level.TOTALS)
        )


def test_what_jobs_cost_is_told_of_nobody_who_is_hidden(recorded: Recorded, plain: Source, veiled: Source) -> None:
    assert veiled.veil is not None
    me, told = owner_of(plain), 0
    names = sorted({user for cluster in plain.clusters() for user in plain.totals(cluster)["user"]})
    for name in names:
        theirs, ours = (people_data.used(source, people_data.USER, name, recorded.now) for source in (plain, veiled))
        told += theirs[0].jobs
        seen = name == me and veiled.veil.level is not Level.TOTALS
        assert ours == (theirs if seen else (Cost(), ())), name
    assert told and len(names) > 2


def test_lists_hold_the_jobs_that_may_be_listed(recorded: Recorded, plain: Source, veiled: Source) -> None:
    assert veiled.veil is not None
    ours, theirs = (jobs.current(source, source.clusters(), recorded.now) for source in (veiled, plain))
    mine = theirs[theirs["user"] == owner_of(plain)]
    own = ours[ours["user"] == owner_of(plain)]
    assert len(mine) and len(mine) < len(theirs)
    if veiled.veil.level is Level.TOTALS:
        assert ours.empty
        return
    pd.testing.assert_frame_equal(own.reset_index(drop=True), mine.reset_index(drop=True))
    if veiled.veil.level is Level.OWN:
        assert len(ours) == len(own)
        return
    assert ours["key"].tolist() == theirs["key"].tolist()
    pairs = set(zip(theirs["user"], ours["user"], strict=True))
    assert len(pairs) == theirs["user"].nunique() == ours["user"].nunique()
    others = ours[ours["user"] != owner_of(plain)]
    assert set(others["name"]) == {""} and set(others["comment"].dropna()) <= {HIDDEN}
    assert all(re.fullmatch(r"~[a-z]{5}-[a-z]{5}", user) for user in others["user"])


def test_a_pseudonym_is_the_same_everywhere_and_its_person_can_be_asked_for(recorded: Recorded, plain: Source) -> None:
    veiled = Source(recorded.settings(), veil=Veil(Level.PSEUDONYMS, salt=SALT))
    again = Source(recorded.settings(), veil=Veil(Level.PSEUDONYMS, salt=b"another"))
    try:
        cluster = plain.clusters()[0]
        person = owner_of(plain)
        name = pseudonym(person, SALT)
        assert name in set(veiled.totals(cluster)["user"]) and name not in set(again.totals(cluster)["user"])
        asked = (int(cluster.taken_at or 0) - 30 * 86400, 100)
        found = veiled.ask(people.load_ended, "user", name, *asked)
        assert found["id"].tolist() == plain.ask(people.load_ended, "user", person, *asked)["id"].tolist()
        assert veiled.ask(people.load_ended, "user", person, *asked).empty
    finally:
        veiled.close()
        again.close()


def test_a_past_moment_is_seen_through_the_veil_too(
    recorded: Recorded, plain: Source, veiled: Source, hidden: set[str]
) -> None:
    assert veiled.veil is not None
    at = int(recorded.now) - 3
    there, whole = veiled.at(at, recorded.now), plain.at(at, recorded.now)
    assert [one.name for one in there.clusters()] == [one.name for one in whole.clusters()] != []
    counted = 0
    for cluster in whole.clusters():
        seen, sums = ["queue", "state"], ["jobs", "cores"]
        ours, theirs = (source.totals(cluster).groupby(seen)[sums].sum() for source in (there, whole))
        pd.testing.assert_frame_equal(ours, theirs)
        counted += int(theirs["jobs"].sum())
        for load in (
            jobs_queries.load_living_jobs, places.load_placed_jobs, places.load_node_jobs, waiting.load_waiting,
            report_queries.load_report, find.load_names, now.load_job_totals, now.load_nodes,
        ):  # fmt: skip
            assert not set(texts_of(there.ask(load, cluster.id))) & hidden
        listed = len(there.ask(jobs_queries.load_living_jobs, cluster.id))
        assert listed == {Level.PSEUDONYMS: int(theirs["jobs"].sum()), Level.TOTALS: 0}.get(veiled.veil.level, listed)
    assert counted


def test_somebody_who_comes_is_seen_at_once(tmp_path: Path, each_store: str) -> None:
    recorded = record(tmp_path / "store.sqlite", "torque")
    veiled = Source(recorded.settings(), veil=Veil(Level.PSEUDONYMS, me="newcomer", salt=SALT))
    engine = open_engine(recorded.url)
    try:
        before = len(veiled.ask(jobs_queries.load_living_jobs, 1))
        with engine.begin() as connection:
            for name in ("stranger", "newcomer"):
                word = connection.execute(insert(schema.word).values(text=name)).inserted_primary_key[0]
                row = dict(connection.execute(select(schema.job).limit(1)).mappings().one())
                row |= {"id": 10**9 + word, "user_id": word, "ended_at": None, "name": name, "number": str(word)}
                connection.execute(insert(schema.job), [row])
        found = veiled.ask(find.load_names, 1)
        assert len(found) == before + 2
        assert {"newcomer", pseudonym("stranger", SALT)} <= set(found["user"])
        assert "newcomer" in set(found["name"]) and "stranger" not in set(found["name"])
    finally:
        veiled.close()
        engine.dispose()


def test_a_store_that_is_made_anew_is_the_next_one_seen(tmp_path: Path) -> None:
    recorded, other = record(tmp_path / "store.sqlite", "torque"), record(tmp_path / "other.sqlite", "mixed")
    veiled = Source(recorded.settings(), veil=Veil(Level.PSEUDONYMS, salt=SALT))
    before = set(veiled.ask(find.load_names, 1)["number"])
    (tmp_path / "other.sqlite").replace(tmp_path / "store.sqlite")
    after = set(veiled.ask(find.load_names, 1)["number"])
    (tmp_path / "store.sqlite").unlink()
    with pytest.raises(StoreEmpty):
        veiled.ask(find.load_names, 1)
    assert before and after and not before & after
    assert other.url != recorded.url
    veiled.close()


def test_too_many_words_are_refused(tmp_path: Path, each_store: str) -> None:
    recorded = record(tmp_path / "store.sqlite", "torque")
    engine = open_engine(recorded.url)
    with engine.begin() as connection:
        connection.execute(insert(schema.word).values(id=MASK, text="one too many"))
    engine.dispose()
    veiled = Source(recorded.settings(), veil=Veil(Level.TOTALS, salt=SALT))
    with pytest.raises(StoreBroken, match="more than 1,048,576 names"):
        veiled.totals(veiled.clusters()[0])
    veiled.close()


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("level", LEVELS)
def test_history_is_the_same_with_other_names(tmp_path: Path, each_store: str, level: Level, packed: bool) -> None:
    write_store(tmp_path / "store.sqlite", make_jobs(7, 400), packed=packed).dispose()
    settings = Settings.model_validate({"store": {"url": store_at(tmp_path / "store.sqlite")}})
    plain = Source(settings)
    for by in ("user", "group", "account"):
        asked = Question(SINCE, UNTIL, UTC, by=by, step="month", shown=50, compare=False)
        whole = answer(plain.explorer, plain.explorer.asked(asked, plain.clusters()))
        totals = whole.totals.set_index("name")["value"]
        names = set(totals.index)
        me = sorted(names)[-1]
        veil = Veil(level, me=me if by == "user" else None, groups=frozenset() if by == "user" else {me}, salt=SALT)
        source = Source(settings, veil=veil)
        found = answer(source.explorer, source.explorer.asked(asked, source.clusters()))
        shown = found.totals.set_index("name")["value"]
        assert shown.sum() == pytest.approx(totals.sum()) and shown.sum() > 0
        clear = {"–", *(set() if level is Level.TOTALS else {me})}
        if level is Level.PSEUDONYMS:
            expected = {name if name in clear else pseudonym(name, SALT): value for name, value in totals.items()}
            assert dict(shown) == pytest.approx(expected)
        else:
            assert set(shown.index) == {OTHERS, *(names & clear)}
        stranger = next(name for name in sorted(names) if name not in clear)
        told = source.explorer.asked(
            Question(SINCE, UNTIL, UTC, by=by, filters=((by, (stranger, "nobody-at-all")),)), source.clusters()
        )
        assert {word for _, word in told.strangers} == {stranger, "nobody-at-all"}
        source.close()
    plain.close()


def test_limits_of_single_people_are_left_out() -> None:
    told = {
        "max_run": "[u:PBS_GENERIC=5], [u:alice=9], [g:chem=3]",
        "acl_users": "alice,bob",
        "max_user_run": "30",
        "max_queued": "[u:alice=1]",
    }
    assert without_people(told) == {"max_run": "[u:PBS_GENERIC=5]", "max_user_run": "30"}
