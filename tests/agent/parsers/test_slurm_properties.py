"""What holds for every listing of Slurm, recorded or made up: found by generating them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any, Callable, Dict, List, Optional, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.parsers import slurm_json, slurm_text
from agent.parsers.values import printable
from agent.report import Job
from agent.states import HOLDS_CORES, IS_PENDING, SLURM_JOB_STATES, SLURM_WRAPPER_JOB_STATES, JobState
from tests.agent.parsers.checked import records, try_parse
from tests.agent.samples import load_sample

UTC = timezone.utc
Parser = Callable[[bytes], Any]

PARSERS: Dict[str, Parser] = {
    "text jobs": lambda raw: slurm_text.parse_jobs(raw, UTC),
    "text nodes": lambda raw: slurm_text.parse_nodes(raw, UTC),
    "text queues": slurm_text.parse_queues,
    "json jobs": lambda raw: slurm_json.parse_jobs(raw, UTC),
    "json nodes": lambda raw: slurm_json.parse_nodes(raw, UTC),
}
MIXED = load_sample("slurm-22.05.8/mixed")
RECORDED = {
    "text jobs": MIXED.output("qstat -f").read(),
    "text nodes": MIXED.output("pbsnodes -a").read(),
    "text queues": MIXED.output("qstat -Q -f").read(),
    "json jobs": MIXED.output("squeue --json").read(),
    "json nodes": MIXED.output("sinfo --json").read(),
}
kinds = pytest.mark.parametrize("kind", list(PARSERS))
text_kinds = pytest.mark.parametrize("kind", [kind for kind in PARSERS if kind.startswith("text")])


PIECES = st.sampled_from(
    """Job Id:\\t7\\n|\\tJob_Name = a\\n|\\n|\\tJob_Owner = a@b\\n|\\tjob_state = R\\n|\\texec_host = n1/4\\n|\\tPriority = 0\\n
|n1\\n    state = free\\n|    np = 4\\n|    status = slurmstate=idle*\\n|Queue:\\tq\\n\\tqueue_type = Execution\\n|\\xff|\\x00
|{"jobs": [|{"nodes": [|]}|{|}|,|"errors": []|null|-1|1e999|NaN|"job_id": 1|"cpus": 4|"job_state": "RUNNING\"""".encode(
        "latin-1"
    ).split(b"|")
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@kinds
@given(raw=st.one_of(st.binary(max_size=300), st.lists(PIECES, max_size=25).map(b"".join)))
@settings(max_examples=120, deadline=None)
def test_any_bytes_are_records_and_warnings_or_refused(kind: str, raw: bytes) -> None:
    parsed = try_parse(PARSERS[kind], raw)
    assert parsed is not None or raw.strip() or kind.startswith("json")


@text_kinds
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_a_damaged_recording_is_read_or_refused(kind: str, data: st.DataObject) -> None:
    raw = RECORDED[kind]
    sound = len(records(PARSERS[kind](raw)))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw)))
        gone = data.draw(st.sampled_from([0, 0, 1, 40, 600]))
        raw = raw[:at] + data.draw(st.one_of(PIECES, st.binary(max_size=8))) + raw[at + gone :]
    parsed = try_parse(PARSERS[kind], raw)
    if sound >= 30:  # a wound of 600 bytes touches four records at most
        assert parsed is not None
        assert len(records(parsed)) >= sound - 3 * 5


@pytest.mark.parametrize(("kind", "key"), [("json jobs", "jobs"), ("json nodes", "nodes")])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_fields_of_any_type_spoil_their_own_record_at_most(kind: str, key: str, data: st.DataObject) -> None:
    document = json.loads(RECORDED[kind])
    chosen = data.draw(st.integers(0, 5))
    record = document[key][chosen]
    for name in data.draw(st.lists(st.sampled_from(sorted(record)), max_size=5)):
        record[name] = data.draw(VALUES)
    parsed = try_parse(PARSERS[kind], json.dumps(document).encode())
    assert parsed is not None
    names = {getattr(one, "id", getattr(one, "name", "")) for one in records(parsed)}
    whole = {getattr(one, "id", getattr(one, "name", "")) for one in records(PARSERS[kind](RECORDED[kind]))}
    assert len(whole - names) <= 1


@kinds
def test_a_cut_recording_tells_less_and_nothing_else(kind: str) -> None:
    raw = RECORDED[kind].rstrip(b"\n") + (b"\n\n" if kind.startswith("text") else b"")
    whole = {getattr(one, "id", getattr(one, "name", "")): one for one in records(PARSERS[kind](raw))}
    for at in range(0, len(raw), max(1, len(raw) // 150)):
        parsed = try_parse(PARSERS[kind], raw[:at])
        if kind.startswith("json"):
            assert parsed is None  # a JSON document is whole or nothing
        elif parsed is not None:
            assert len(records(parsed)) < len(whole)
            assert all(whole[getattr(one, "id", getattr(one, "name", ""))] == one for one in records(parsed))
            assert parsed.complete is (raw[:at].endswith(b"\n\n") or not raw[:at].strip())


@dataclass(frozen=True)
class Asked:
    """One made-up job: what is put into a listing, and what must come out of it."""

    number: int
    word: str
    name: str
    user: str
    submitted_at: int
    waited: int
    hosts: Dict[str, int]
    cores: int
    minutes: Optional[int]
    priority: int

    @property
    def letter(self) -> str:
        return {"PENDING": "Q", "RUNNING": "R", "SUSPENDED": "S", "COMPLETED": "C", "TIMEOUT": "C", "DEADLINE": "U"}[
            self.word
        ]

    @property
    def start(self) -> int:
        return self.submitted_at + self.waited

    def job(self, text: bool) -> Job:
        state = SLURM_WRAPPER_JOB_STATES[self.letter] if text else SLURM_JOB_STATES[self.word]
        if text and state is JobState.QUEUED and self.priority == 0:
            state = JobState.HELD
        pending, ended = state in IS_PENDING, state is JobState.FINISHED
        return Job(
            id=str(self.number),
            state=state,
            native_state=self.letter if text else self.word,
            name=self.name,
            user=self.user,
            queue="batch,long",
            group="chem",
            cores=self.cores if pending else sum(self.hosts.values()),
            nodes=3 if pending else len(self.hosts),
            walltime_seconds=None if self.minutes is None else self.minutes * 60,
            submitted_at=self.submitted_at,
            started_at=None if pending else self.start,
            ended_at=self.start + 5 if ended else None,
            estimated_start_at=self.start if pending else None,
            priority=self.priority,
            hosts=self.hosts if state in HOLDS_CORES else {},
        )


WORDS = ["PENDING", "RUNNING", "SUSPENDED", "COMPLETED", "TIMEOUT", "DEADLINE"]
ASKED = st.builds(
    Asked,
    number=st.integers(1, 10**9),
    word=st.sampled_from(WORDS),
    name=st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=30),
    user=st.from_regex(re.compile(r"[a-z][a-z0-9._-]{0,10}", re.ASCII), fullmatch=True),
    submitted_at=st.integers(1_000_000_000, 2_500_000_000),
    waited=st.integers(0, 10**6),
    hosts=st.dictionaries(
        st.from_regex(re.compile(r"[a-z][a-z0-9-]{0,8}", re.ASCII), fullmatch=True),
        st.integers(1, 256),
        min_size=1,
        max_size=4,
    ),
    cores=st.integers(1, 10**5),
    minutes=st.none() | st.integers(1, 10**7),
    priority=st.integers(0, 0xFFFFFFEF),
)
LISTING = st.lists(ASKED, max_size=6, unique_by=lambda asked: asked.number)


def as_text(listing: List[Asked]) -> bytes:
    def ctime(at: int) -> str:
        return datetime.fromtimestamp(at, UTC).strftime("%a %b %e %H:%M:%S %Y")

    blocks = []
    for asked in listing:
        lines = [
            f"Job Id:\t{asked.number}",
            f"\tJob_Name = {asked.name}",
            f"\tJob_Owner = {asked.user}@login1",
            f"\tjob_state = {asked.letter}",
            "\tqueue = batch,long",
            f"\tqtime = {ctime(asked.submitted_at)}",
            f"\tmtime = {ctime(asked.start)}",
            f"\tctime = {ctime(asked.start + 5)}",
        ]
        if asked.word != "PENDING":
            lines.append("\texec_host = " + "+".join(f"{host}/{cores}" for host, cores in asked.hosts.items()))
        seconds = (0xFFFFFFFF if asked.minutes is None else asked.minutes) * 60
        lines += [
            f"\tPriority = {asked.priority}",
            f"\teuser = {asked.user}(1001)",
            "\tegroup = chem(1002)",
            f"\tResource_List.walltime = {seconds // 3600:02}:{seconds // 60 % 60:02}:00",
            f"\tResource_List.nodect = {len(asked.hosts) if asked.word != 'PENDING' else 3}",
            f"\tResource_List.ncpus = {sum(asked.hosts.values()) if asked.word != 'PENDING' else asked.cores}",
        ]
        blocks.append("\n".join(lines) + "\n\n")
    return "".join(blocks).encode()


def as_json(listing: List[Asked]) -> bytes:
    jobs = []
    for asked in listing:
        pending = asked.word == "PENDING"
        nodes = [
            {"nodename": host, "sockets": {"0": {"cores": {str(core): "allocated" for core in range(cores)}}}}
            for host, cores in asked.hosts.items()
        ]
        jobs.append(
            {
                "job_id": asked.number,
                "job_state": asked.word,
                "name": asked.name,
                "user_name": asked.user,
                "group_name": "chem",
                "partition": "batch,long",
                "cpus": asked.cores if pending else sum(asked.hosts.values()),
                "node_count": 3 if pending else len(asked.hosts),
                "nodes": "" if pending else ",".join(asked.hosts),
                "job_resources": {} if pending else {"allocated_nodes": nodes},
                "time_limit": asked.minutes,
                "submit_time": asked.submitted_at,
                "start_time": asked.start,
                "end_time": asked.start + 5,
                "priority": asked.priority,
                "state_reason": "None",
            }
        )
    return json.dumps({"meta": {}, "errors": [], "jobs": jobs}).encode()


def plain(asked: Asked) -> Asked:
    """The same with a name without line breaks, which the text form does not keep apart from itself."""
    return replace(asked, name=printable(" ".join(asked.name.split())) or "x")


@given(listing=LISTING)
@settings(max_examples=80, deadline=None)
def test_jobs_come_back_from_both_forms(listing: List[Asked]) -> None:
    listing = [plain(asked) for asked in listing]
    text = slurm_text.parse_jobs(as_text(listing), UTC)
    from_json = slurm_json.parse_jobs(as_json(listing), UTC)
    assert (text.complete, text.warnings, from_json.complete, from_json.warnings) == (True, [], True, [])
    assert text.jobs == [asked.job(text=True) for asked in listing]
    assert from_json.jobs == [asked.job(text=False) for asked in listing]


@given(listing=LISTING, typed=st.text(st.characters(blacklist_categories=["Cs"]), max_size=40), where=st.integers(0, 5))
@settings(max_examples=80, deadline=None)
def test_a_name_never_changes_what_json_tells_of_its_job(listing: List[Asked], typed: str, where: int) -> None:
    named = [replace(asked, name=typed) if number == where else plain(asked) for number, asked in enumerate(listing)]
    jobs = slurm_json.parse_jobs(as_json(named), UTC).jobs
    assert jobs == [replace(asked.job(text=False), name=printable(asked.name.strip())) for asked in named]


@given(listing=LISTING, share=st.floats(0, 1, exclude_max=True))
@settings(max_examples=80, deadline=None)
def test_a_cut_listing_invents_nothing(listing: List[Asked], share: float) -> None:
    listing = [plain(asked) for asked in listing]
    raw = as_text(listing)
    cut = raw[: int(len(raw) * share)]
    parsed = try_parse(PARSERS["text jobs"], cut)
    if parsed is not None:
        assert parsed.jobs == [asked.job(text=True) for asked in listing][: len(parsed.jobs)]
        assert parsed.complete is (cut.endswith(b"\n\n") or not cut)
    else:
        assert cut
        assert not cut.endswith(b"\n\n")


def test_the_made_up_words_are_slurm_s() -> None:
    assert set(WORDS) <= set(SLURM_JOB_STATES)
    pairs: List[Tuple[str, str]] = [(word, Asked(1, word, "a", "b", 1, 1, {}, 1, 1, 1).letter) for word in WORDS]
    assert {letter for _, letter in pairs} == set(SLURM_WRAPPER_JOB_STATES)
