"""What holds for every input of OpenPBS's parsers: records come back as they were printed, and nothing is invented."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from datetime import datetime, timezone
from functools import cache
from typing import Any, Callable, Dict, List, Tuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.errors import ParseError
from agent.parsers import openpbs_json, openpbs_reservations, openpbs_text
from agent.report import Job
from agent.states import HOLDS_CORES, IS_PENDING, OPENPBS_JOB_STATES, JobState
from tests.agent.parsers import openpbs_clients as clients
from tests.agent.samples import load_sample

UTC = timezone.utc
MIXED = load_sample("openpbs-23.06.06/mixed")


def text_jobs(raw: bytes) -> Any:
    return openpbs_text.parse_jobs(raw, UTC)


def json_jobs(raw: bytes) -> Any:
    return openpbs_json.parse_jobs(raw, UTC)


def text_nodes(raw: bytes) -> Any:
    return openpbs_text.parse_nodes(raw, UTC)


def json_nodes(raw: bytes) -> Any:
    return openpbs_json.parse_nodes(raw, UTC)


READ_BY: Dict[str, Callable[[bytes], Any]] = {
    "qstat -f -w": text_jobs,
    "qstat -f": text_jobs,
    "qstat -f -F json": json_jobs,
    "pbsnodes -av": text_nodes,
    "pbsnodes -av -F json": json_nodes,
    "qstat -Q -f": openpbs_text.parse_queues,
    "qstat -Q -f -F json": openpbs_json.parse_queues,
    "qstat -B -f": openpbs_text.parse_server,
    "qstat -B -f -F json": openpbs_json.parse_server,
    "pbs_rstat -f": lambda raw: openpbs_reservations.parse_reservations(raw, UTC),
}
COMMANDS = list(READ_BY)


# --- What is printed comes back

VISIBLE = st.characters(exclude_categories=["C", "Z"], exclude_characters="\\,")
ODD = st.sampled_from(
    [
        *("nan", "inf", "-INFINITY", "+3", ".5", "5.", "1e999", "007", "0x1F", "-1.50", "0", "00", "true", "null"),
        *('"', '"x"', "a^b", "^^^", "^", "Zürich", "ʻokina", "東京", "–", "😀", "=", "{", "}", '":{', "[]", "Job"),
        *("N" * 230, "e\u0301"),
    ]
)
NAMES = st.one_of(ODD, st.text(VISIBLE, min_size=1, max_size=40))
# What users put into their environment: anything, and pieces of the forms themselves.
TYPED = st.one_of(
    st.sampled_from(
        [
            *(
                "\n",
                "\n\n",
                "\t",
                "\n\t",
                " ",
                "x" * 71,
                "y" * 300,
                '"',
                '":{\n',
                "\n        }",
                "ʻ",
                "東",
                "^",
                "},\n",
            ),
            *(
                "Job Id: 4242.pbs01\n",
                "\n\nJob Id: 7.pbs01\n    Job_Name = x\n    job_state = R\n",
                "\n\nJob Id: 8\n\n",
            ),
            *("\n    job_state = F\n", "\n    euser = mallory\n", "\n    Resource_List.ncpus = 9999\n", "\n    x = y"),
        ]
    ),
    NAMES,
)
MOMENTS = st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2037, 12, 31)).map(
    lambda moment: moment.replace(microsecond=0)
)


def epoch(moment: datetime) -> int:
    return int(moment.replace(tzinfo=UTC).timestamp())


@st.composite
def jobs(draw: Any) -> Tuple[clients.Record, Job]:
    """A job as the server has it, in the server's order, and as it must be read."""
    number, index = draw(st.integers(1, 9_999_999)), draw(st.none() | st.integers(0, 9999).map(str))
    name = f"{number}[{index}].pbs01" if index is not None else f"{number}.pbs01"
    letter = draw(st.sampled_from(sorted(OPENPBS_JOB_STATES)))
    state = OPENPBS_JOB_STATES[letter]
    pending, ended = state in IS_PENDING, state is JobState.FINISHED
    account, group, comment, project = (draw(st.none() | NAMES) for _ in range(4))
    owner, cores, gpus = draw(NAMES).replace("@", "a"), draw(st.integers(0, 9999)), draw(st.integers(0, 8))
    memory, walltime = draw(st.none() | st.integers(0, 10**9)), draw(st.none() | st.integers(0, 10**7))
    submitted, started, finished, eligible = (draw(MOMENTS) for _ in range(4))
    typed = "".join(draw(st.lists(TYPED, max_size=8))).replace(",", "\\,")
    chunks = {f"cn{number:03d}": cores for number in range(draw(st.integers(1, 12)))} if not pending else {}
    attributes: List[Tuple[str, Any]] = [
        ("Job_Name", draw(NAMES)),
        ("Job_Owner", f"{owner}@login01.hpc.example"),
        ("resources_used.walltime", None if pending else clock(walltime)),
        ("job_state", letter),
        ("queue", "workq"),
        ("server", "pbs01"),
        ("Account_Name", account),
        ("ctime", submitted.ctime()),
        ("exec_vnode", "+".join(f"({node}:ncpus={count})" for node, count in chunks.items()) or None),
        ("Hold_Types", "n"),
        ("Output_Path", "login01.hpc.example:/home/" + draw(st.sampled_from(["x", "long/" * 30, "comma,and,comma"]))),
        ("Priority", str(draw(st.integers(-1024, 1023)))),
        ("Resource_List.mem", None if memory is None else f"{memory}kb"),
        ("Resource_List.ncpus", str(cores)),
        ("Resource_List.ngpus", str(gpus)),
        ("Resource_List.nodect", str(len(chunks))),
        ("Resource_List.walltime", clock(walltime)),
        ("stime", started.ctime()),
        ("Variable_List", f"PBS_O_HOME=/home,PBS_O_LANG=C.UTF-8,A=1,MULTI={typed},PBS_O_HOST=login01.hpc.example"),
        ("euser", owner),
        ("egroup", group or "users"),
        ("comment", comment),
        ("etime", eligible.ctime()),
        ("eligible_time", "00:00:10"),
        ("Exit_status", "271" if ended else None),
        ("history_timestamp", str(epoch(finished)) if ended else None),
        ("project", project or "_pbs_project_default"),
    ]
    printed = [(key, value) for key, value in attributes if value is not None]
    said = dict(printed)
    return (name, printed), Job(
        id=name,
        state=state,
        native_state=letter,
        name=said["Job_Name"],
        user=owner,
        queue="workq",
        group=group or "users",
        account=account,
        project=project if project != "_pbs_project_default" else None,
        array_id=f"{number}[].pbs01" if index is not None else None,
        array_index=index,
        cores=cores,
        nodes=len(chunks),
        gpus=gpus,
        memory_bytes=None if memory is None else memory * 1024,
        walltime_seconds=walltime,
        walltime_used_seconds=None if pending else walltime,
        submitted_at=epoch(submitted),
        eligible_at=epoch(eligible),
        started_at=None if pending else epoch(started),
        ended_at=epoch(finished) if ended else None,
        exit_status=271 if ended else None,
        priority=int(said["Priority"]),
        comment=comment,
        hosts=chunks if state in HOLDS_CORES else {},
    )


def clock(seconds: Any) -> Any:
    return None if seconds is None else f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


LISTINGS = st.lists(jobs(), max_size=5, unique_by=lambda pair: pair[0][0])


@pytest.mark.parametrize("release", [True, False], ids=["release", "newer"])
@pytest.mark.parametrize("form", ["wide", "wrapped", "json"])
@settings(max_examples=150, deadline=None)
@given(listing=LISTINGS)
def test_jobs_come_back_as_they_were_printed(form: str, release: bool, listing: List[Any]) -> None:
    printed = {"wide": clients.print_wide, "wrapped": clients.print_wrapped, "json": clients.print_json}[form]
    parsed = (json_jobs if form == "json" else text_jobs)(printed([record for record, _ in listing], release))
    assert parsed.jobs == [job for _, job in listing]
    assert parsed.arrays == []
    assert parsed.complete


# --- Cut off anywhere, nothing is invented


def pieces(command: str, newer: bool) -> bytes:
    """The output with a few records only, the oddest ones among them: small enough to be cut at every byte."""
    raw = MIXED.output(command, newer=newer).read()
    if "-Q" in command or "-B" in command or "rstat" in command:
        return raw
    names = ["cn010", "cn033"] if "pbsnodes" in command else ["138.pbs01", "142.pbs01", "156.pbs01"]
    if "json" in command:
        indent = b"\t\t" if newer else b" " * 8
        head, *members = re.split(b'\n(?=%b")' % indent, raw)
        chosen = [member for member in members if member.split(b'"')[1].decode() in names]
        foot = re.sub(rb"\A.*?\n(?=\s*\}\s*\}\s*\Z)", b"\n", members[-1], flags=re.DOTALL)
        return b"\n".join([head, *chosen])[:-1] + foot
    header = "" if "pbsnodes" in command else "Job Id: "
    starts = [raw.index(f"\n{header}{name}\n".encode()) + 1 for name in names]
    ends = [re.compile(rb"\n\n(?=Job Id: [^4]|cn|\Z)").search(raw, start) for start in starts]
    return b"".join(raw[start : end.end()] for start, end in zip(starts, ends) if end)


CUT = [
    pytest.param(command, newer, id=f"{command}-{'newer' if newer else 'release'}")
    for command in COMMANDS
    for newer in (False, True)
    if MIXED.find(command, newer=newer)
]


def all_records(parsed: Any) -> List[Any]:
    found = [getattr(parsed, kind, []) for kind in ("jobs", "arrays", "nodes", "queues", "reservations")]
    return [record for kind in found for record in kind] or [
        (getattr(parsed, "name", ""), getattr(parsed, "version", ""))
    ]


@pytest.mark.parametrize(("command", "newer"), CUT)
def test_cut_at_every_byte_nothing_is_invented(command: str, newer: bool) -> None:
    raw, read = pieces(command, newer), READ_BY[command]
    whole = read(raw)
    assert len(all_records(whole)) > (0 if "-B" in command else 1)
    unseen = 0
    for end in range(len(raw)):
        try:
            parsed = read(raw[:end])
        except ParseError:
            continue
        for record in all_records(parsed):
            assert record in all_records(whole) or record == ("", ""), (end, record)
        if parsed != whole and getattr(parsed, "complete", False):
            unseen += 1
            assert raw[:end].endswith(b"\n\n") or not raw[:end].strip()
    # Only between two records, or before the first, can a cut not be seen; in JSON not even there.
    assert unseen <= (len(all_records(whole)) if "json" not in command else 1)


# --- Whatever comes, there is an answer


@cache
def recorded(command: str) -> bytes:
    return MIXED.output(command).read()


def check_answers(read: Callable[[bytes], Any], raw: bytes) -> None:
    """Records and warnings that can be written down, or a ParseError in words."""
    try:
        parsed = read(raw)
    except ParseError as error:
        assert str(error).isprintable()
        return
    assert len(json.dumps(asdict(parsed), ensure_ascii=False, allow_nan=False).encode("utf-8")) < 200_000_000
    for kind in ("jobs", "nodes", "reservations"):
        for record in getattr(parsed, kind, []):
            assert all(text.isprintable() for text in asdict(record).values() if type(text) is str)
    for queue in getattr(parsed, "queues", []):
        assert all(text.isprintable() for pair in queue.limits.items() for text in pair)
    for warning in parsed.warnings:
        assert (warning.source + warning.message).isprintable()


@pytest.mark.parametrize("command", COMMANDS)
@settings(max_examples=100, deadline=None)
@example(raw=b"")
@example(raw=b"\n\n\n")
@example(raw=b"\x00")
@example(raw=b"Job Id: ")
@example(raw=b"Job Id: 1.pbs01\n")
@example(raw=b"Job Id: 1.pbs01\n\n")
@example(raw=b"Job Id: 1.pbs01\n    job_state = \xff\n\n")
@example(raw=b'{"pbs_version":1,"Jobs":{"1":{"job_state":{}}}}')
@example(raw=b'{"pbs_version":1,"Jobs":{"1":null,"nodes":7},"nodes":[],"Queue":"","Server":{"x":[]}}')
@example(raw=b'\n    "Jobs":{\n        "1.pbs01":' + b"[" * 100_000)
@example(raw=b"[" * 100_000)
@example(raw=b'{"pbs_version":' + b"9" * 5000 + b"}")
@given(raw=st.binary(max_size=300))
def test_any_bytes_are_answered(command: str, raw: bytes) -> None:
    check_answers(READ_BY[command], raw)


@pytest.mark.parametrize("command", COMMANDS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_outputs_are_answered(command: str, data: st.DataObject) -> None:
    raw = bytearray(recorded(command))
    start = data.draw(st.integers(0, len(raw)))
    raw = raw[start : start + 6000] if data.draw(st.booleans()) else raw[:6000]
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw)))
        gone = data.draw(st.sampled_from([0, 1, 7, 400]))
        raw[at : at + gone] = data.draw(
            st.binary(max_size=8) | st.sampled_from([b"\n\n", b"\n\t", b'"', b"\\", b"{", b"}"])
        )
    check_answers(READ_BY[command], bytes(raw))


def test_the_printers_print_what_qstat_printed() -> None:
    """The forms above are the real ones: a recorded listing, read as lines and printed again, is the same bytes."""
    raw = MIXED.output("qstat -f -w").read()
    read_again = [
        (block[8:].split("\n", 1)[0], [tuple(line.split(" = ", 1)) for line in re.findall(r"\n    (.*)", block)])
        for block in re.split(r"(?<=\n)\n(?=Job Id: )", raw.decode("latin-1"))
    ]
    plain = [(name, pairs) for name, pairs in read_again if all("^" not in v and "\\" not in v for _, v in pairs)]
    assert len(plain) > 70
    wrapped = _without_waiting(MIXED.output("qstat -f").read())
    for record in plain:
        assert clients.print_wide([record], release=True) in raw
        assert _without_waiting(clients.print_wrapped([record], release=True)) in wrapped


def _without_waiting(raw: bytes) -> bytes:
    return re.sub(rb"eligible_time = [0-9:]+", b"", raw)  # goes on growing between two commands
