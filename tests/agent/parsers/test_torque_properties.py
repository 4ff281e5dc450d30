"""What holds for every listing of TORQUE, recorded or made up: found by generating them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timezone
from typing import Any, Callable, Dict, List, Optional, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.parsers import torque_text, torque_xml
from agent.parsers.values import printable
from agent.report import Job
from agent.states import HOLDS_CORES, IS_PENDING, TORQUE_JOB_STATES, JobState
from tests.agent.parsers.checked import records, try_parse
from tests.agent.samples import load_sample

UTC = timezone.utc
Parser = Callable[[bytes], Any]

PARSERS: Dict[str, Parser] = {
    "xml jobs": lambda raw: torque_xml.parse_jobs(raw, UTC),
    "xml nodes": lambda raw: torque_xml.parse_nodes(raw, UTC),
    "text jobs": lambda raw: torque_text.parse_jobs(raw, UTC),
    "text nodes": lambda raw: torque_text.parse_nodes(raw, UTC),
    "text queues": torque_text.parse_queues,
    "text server": torque_text.parse_server,
}
MIXED = load_sample("torque-6.1.3.h5/mixed")
RECORDED = {
    "xml jobs": MIXED.output("qstat -t -x").read(),
    "xml nodes": MIXED.output("pbsnodes -x").read(),
    "text jobs": MIXED.output("qstat -t -f -1").read(),
    "text nodes": MIXED.output("pbsnodes -a").read(),
    "text queues": MIXED.output("qstat -Q -f").read(),
    "text server": MIXED.output("qstat -B -f").read(),
}
kinds = pytest.mark.parametrize("kind", list(PARSERS))


PIECES = st.sampled_from(
    """Job Id: 1.s\n|    Job_Name = a\n|\n|    job_state = R\n|<Data>|<Job>|</Job>|</Data>|<Job_Id>1</Job_Id>
|    exec_host = n/0-3\n|wn1\n     state = free\n|\n\t|<Node>|</Node>|<job_state>C</job_state>|<Job_Owner>a@b</Job_Owner>
|    Job_Owner = a@b\n|Queue: q\n|&#0;|    queue_type = E\n|Server: s\n    server_state = Idle\n|\xff|\x00|<![CDATA[|&amp;
|<""".encode("latin-1").split(b"|")
)


@kinds
@given(raw=st.one_of(st.binary(max_size=300), st.lists(PIECES, max_size=25).map(b"".join)))
@settings(max_examples=120, deadline=None)
def test_any_bytes_are_records_and_warnings_or_refused(kind: str, raw: bytes) -> None:
    parsed = try_parse(PARSERS[kind], raw)
    assert parsed is not None or raw.strip() or kind == "text server"


@kinds
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_a_damaged_recording_is_read_or_refused(kind: str, data: st.DataObject) -> None:
    raw = RECORDED[kind][:60_000]
    sound = len(records(PARSERS[kind](raw)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw)))
        gone = data.draw(st.sampled_from([0, 0, 1, 40, 3000]))
        raw = raw[:at] + data.draw(st.one_of(PIECES, st.binary(max_size=8))) + raw[at + gone :]
    parsed = try_parse(PARSERS[kind], raw)
    if sound > 30:  # a wound of 3,000 bytes touches four records at most, a node's are shorter
        assert parsed is not None
        assert len(records(parsed)) >= sound - 4 * 6


@pytest.mark.parametrize("kind", [kind for kind in PARSERS if kind != "text server"])
def test_a_cut_recording_tells_less_and_nothing_else(kind: str) -> None:
    raw = RECORDED[kind]
    whole = {getattr(one, "id", getattr(one, "name", "")): one for one in records(PARSERS[kind](raw))}
    refused = 0
    for at in range(0, len(raw), max(1, len(raw) // 100) + 7):
        parsed = try_parse(PARSERS[kind], raw[:at])
        if parsed is None:
            refused += 1
            continue
        found = records(parsed)
        assert len(found) < len(whole), at
        for one in found:
            original = whole[getattr(one, "id", getattr(one, "name", ""))]
            for name in (each.name for each in fields(one)):
                # What came after the cut is not told, where the text hides the cut in a value of several lines.
                assert getattr(one, name) in (getattr(original, name), None), (at, one, name)
        # Between two records a cut cannot be seen in text, which has no end of its own.
        unseen = not raw[:at].strip() or (kind.startswith("text") and raw[:at].endswith(b"\n\n"))
        assert parsed.complete is unseen
        assert parsed.complete or parsed.warnings
    assert refused < 20


@dataclass(frozen=True)
class Asked:
    """One made-up job: what is put into a listing, and what must come out of it."""

    number: int
    index: Optional[int]
    letter: str
    name: str
    user: str
    comment: str
    submitted_at: int
    waited: int
    chunks: Tuple[Tuple[int, int, int], ...]
    slots: Tuple[Tuple[str, Tuple[Tuple[int, int], ...]], ...]
    memory_kb: int
    walltime: int
    old: bool = field(default=False)

    @property
    def id(self) -> str:
        return f"{self.number}{'' if self.index is None else f'[{self.index}]'}.tq01"

    def attributes(self, time: Callable[[int], str]) -> Dict[str, str]:
        attributes = {
            "Job_Name": self.name,
            "Job_Owner": f"{self.user}@login.example",
            "job_state": self.letter,
            "queue": "batch",
            "ctime": time(self.submitted_at),
            "Priority": "-3",
            "Hold_Types": "n",
            "comment": self.comment,
            "Resource_List.nodes": "+".join(f"{n}:ppn={cores}:gpus={gpus}" for n, cores, gpus in self.chunks),
            "Resource_List.mem": f"{self.memory_kb}kb",
            "Resource_List.walltime": f"{self.walltime // 3600:02}:{self.walltime // 60 % 60:02}:{self.walltime % 60:02}",
        }
        if TORQUE_JOB_STATES[self.letter] not in IS_PENDING:
            attributes["exec_host"] = self.exec_host()
            attributes["start_time"] = time(self.submitted_at + self.waited)
        if self.letter == "C":
            attributes["comp_time"] = time(self.submitted_at + self.waited + 5)
            attributes["exit_status"] = "271"
        return attributes

    def exec_host(self) -> str:
        if self.old:  # 2.5: one entry a slot
            return "+".join(
                f"{node}/{slot}" for node, ranges in self.slots for low, high in ranges for slot in range(low, high + 1)
            )
        return "+".join(
            f"{node}/" + ",".join(str(low) if low == high else f"{low}-{high}" for low, high in ranges)
            for node, ranges in self.slots
        )

    def job(self) -> Job:
        state = TORQUE_JOB_STATES[self.letter]
        hosts: Dict[str, int] = {}
        for node, ranges in self.slots:
            hosts[node] = hosts.get(node, 0) + sum(high - low + 1 for low, high in ranges)
        started, ended = state not in IS_PENDING, state is JobState.FINISHED
        return Job(
            id=self.id,
            state=state,
            native_state=self.letter,
            name=printable(self.name),
            user=self.user,
            queue="batch",
            array_id=None if self.index is None else f"{self.number}[].tq01",
            array_index=None if self.index is None else str(self.index),
            cores=sum(hosts.values()) if started else sum(n * cores for n, cores, _ in self.chunks),
            nodes=len(hosts) if started else sum(n for n, _, _ in self.chunks),
            gpus=sum(n * gpus for n, _, gpus in self.chunks),
            memory_bytes=self.memory_kb << 10,
            walltime_seconds=self.walltime,
            submitted_at=self.submitted_at,
            started_at=self.submitted_at + self.waited if started else None,
            ended_at=self.submitted_at + self.waited + 5 if ended else None,
            exit_status=271 if ended else None,
            priority=-3,
            comment=printable(self.comment.strip()) or None,
            hosts=hosts if state in HOLDS_CORES else {},
        )


NODE = st.from_regex(re.compile(r"[a-z][a-z0-9-]{0,8}", re.ASCII), fullmatch=True)
RANGE = st.tuples(st.integers(0, 40), st.integers(0, 30)).map(lambda pair: (pair[0], pair[0] + pair[1]))
# What users can type; the text form can only tell of names without line breaks and spaces around
TYPED = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\r"), max_size=30)
ASKED = st.builds(
    Asked,
    number=st.integers(1, 10**9),
    index=st.none() | st.integers(0, 5000),
    letter=st.sampled_from(sorted(TORQUE_JOB_STATES)),
    name=TYPED,
    user=st.from_regex(re.compile(r"[a-z][a-z0-9._-]{0,10}", re.ASCII), fullmatch=True),
    comment=TYPED,
    submitted_at=st.integers(1_000_000_000, 2_500_000_000),
    waited=st.integers(0, 10**6),
    chunks=st.lists(st.tuples(st.integers(1, 50), st.integers(1, 128), st.integers(0, 8)), min_size=1, max_size=3).map(
        tuple
    ),
    slots=st.lists(st.tuples(NODE, st.lists(RANGE, min_size=1, max_size=3).map(tuple)), min_size=1, max_size=4).map(
        tuple
    ),
    memory_kb=st.integers(0, 2**40),
    walltime=st.integers(1, 10**7),
    old=st.booleans(),
)
LISTING = st.lists(ASKED, max_size=6, unique_by=lambda asked: asked.id)


def as_xml(listing: List[Asked]) -> bytes:
    def escaped(text: str) -> str:
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    jobs = []
    for asked in listing:
        flat = asked.attributes(str)
        inside = {name.partition(".")[2]: text for name, text in flat.items() if "." in name}
        parts = [f"<{name}>{escaped(text)}</{name}>" for name, text in flat.items() if "." not in name]
        parts.append(
            "".join(["<Resource_List>", *(f"<{n}>{escaped(t)}</{n}>" for n, t in inside.items()), "</Resource_List>"])
        )
        jobs.append(f"<Job><Job_Id>{asked.id}</Job_Id>{''.join(parts)}</Job>")
    return f'<?xml version="1.0"?>\n<Data>{"".join(jobs)}</Data>\n'.encode()


def as_text(listing: List[Asked], width: Optional[int]) -> bytes:
    blocks = []
    for asked in listing:
        attributes = asked.attributes(lambda at: datetime.fromtimestamp(at, UTC).strftime("%a %b %e %H:%M:%S %Y"))
        lines = [f"    {name} = {text}".encode() for name, text in attributes.items()]
        if width:  # the client wraps bytes, not characters
            lines = [b"\n\t".join(line[at : at + width] for at in range(0, len(line), width)) for line in lines]
        blocks.append(f"Job Id: {asked.id}\n".encode() + b"\n".join(lines) + b"\n\n")
    return b"".join(blocks)


def plain(asked: Asked) -> Asked:
    """The same with texts that hold no line break, which only XML keeps apart from the form."""
    return replace(asked, **{key: " ".join(getattr(asked, key).split()) or "x" for key in ("name", "comment")})


def readable(job: Job) -> Job:
    """What becomes of characters that XML cannot hold depends on the form: here they are all one."""
    texts = {key: getattr(job, key) and re.sub(r"[\ufffd\s]", "?", getattr(job, key)) for key in ("name", "comment")}
    return replace(job, **texts)


@given(listing=LISTING)
@settings(max_examples=100, deadline=None)
def test_jobs_come_back_from_xml_whatever_people_type(listing: List[Asked]) -> None:
    parsed = torque_xml.parse_jobs(as_xml(listing), UTC)
    assert parsed.complete
    assert parsed.warnings == []
    told = [replace(asked, comment=f"a{asked.comment}z", name=f"a{asked.name}z") for asked in listing]
    parsed = torque_xml.parse_jobs(as_xml(told), UTC)
    assert [readable(job) for job in parsed.jobs] == [readable(asked.job()) for asked in told]


@given(listing=LISTING, width=st.none() | st.integers(20, 80))
@settings(max_examples=100, deadline=None)
def test_jobs_come_back_from_text(listing: List[Asked], width: Optional[int]) -> None:
    listing = [plain(asked) for asked in listing]
    parsed = torque_text.parse_jobs(as_text(listing, width), UTC)
    assert parsed.complete
    assert parsed.warnings == []
    assert parsed.jobs == [asked.job() for asked in listing]


@given(listing=LISTING, share=st.floats(0, 1, exclude_max=True), xml=st.booleans())
@settings(max_examples=120, deadline=None)
def test_a_cut_listing_invents_nothing(listing: List[Asked], share: float, xml: bool) -> None:
    listing = [plain(asked) for asked in listing]
    raw = as_xml(listing) if xml else as_text(listing, None)
    cut = raw[: int(len(raw) * share)]
    parsed = try_parse(PARSERS["xml jobs" if xml else "text jobs"], cut)
    if parsed is None:
        return
    expected = [asked.job() for asked in listing]
    assert [readable(job) for job in parsed.jobs] == [readable(job) for job in expected[: len(parsed.jobs)]]
    at_an_end = cut.endswith(b"\n\n") or not cut
    assert parsed.complete is (not cut.strip() or cut.rstrip().endswith(b"</Data>") if xml else at_an_end)
