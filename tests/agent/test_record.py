"""Recordings with names replaced: the same numbers, and no name left in any byte."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from datetime import timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.commands import Limits
from agent.errors import RecordingError
from agent.live import LiveSource
from agent.probe import take_report
from agent.pseudonyms import Pseudonyms
from agent.recorder import record
from agent.recording import Choice, Replay
from agent.settings import load_settings
from agent.states import HOLDS_CORES
from agent.vocabulary import ATTRIBUTE_RULES, EMPTY, HOST, KEEP, KEPT_WORDS, NAME, NAMES, OWNER, WORDS
from tests.agent.fake_commands import FakeCommands, fake_cluster, plain_tools
from tests.agent.samples import SAMPLES, load_sample

RECORDED = [
    "openpbs-23.06.06/mixed",
    "openpbs-23.06.06/wide",
    "openpbs-23.06.06/mixed-as-user",
    "openpbs-23.06.06/large",
    "openpbs-23.06.06/empty",
    "torque-6.1.3.h5/mixed",
    "torque-6.1.3.h5/large",
    "torque-2.5.13/mixed",
    "slurm-22.05.8/mixed",
    "slurm-22.05.8/accounting",
    "slurm-22.05.8/empty",
]


def make(folder, source, *arguments):
    """Record a source into a folder; returns what it said."""
    return list(record(load_settings(["record", str(folder), *arguments], {}), source))


def content(folder):
    """All bytes of a recording, unpacked."""
    files = sorted(folder.iterdir())
    return {
        file.name: gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes() for file in files
    }


def sizes(report):
    """What must not change: the numbers, with names only by how often each stands."""
    jobs = report.jobs
    by = {
        name: sorted(Counter(getattr(job, name) for job in jobs).values())
        for name in ("user", "group", "queue", "name", "account", "project")
    }
    cores = Counter()
    for job in jobs:
        if job.state in HOLDS_CORES:
            cores[job.user] += job.cores
    return {
        "by": by,
        "cores_by_user": sorted(cores.values()),
        "jobs": [
            (
                re.sub(r"\..*", "", job.id),
                job.state,
                job.native_state,
                job.cores,
                job.nodes,
                job.gpus,
                job.memory_bytes,
                job.walltime_seconds,
                job.walltime_used_seconds,
                job.submitted_at,
                job.started_at,
                job.ended_at,
                job.exit_status,
                job.priority,
                job.array_index,
                sorted(job.hosts.values()),
            )
            for job in jobs
        ],
        "arrays": [(array.native_state, array.total) for array in report.arrays],
        "nodes": [
            (node.state, node.native_state, node.cores, node.cores_used, node.gpus, node.memory_bytes, node.load, len(node.jobs))
            for node in report.nodes
        ],
        "queues": [(queue.type, queue.enabled, queue.started, queue.max_walltime_seconds, queue.jobs) for queue in report.queues],
        "limits": [[(key, re.sub(r":[^=\]]*=", ":=", text)) for key, text in queue.limits.items()] for queue in report.queues],
        "reservations": [(one.state, one.starts_at, one.ends_at, one.cores, len(one.nodes)) for one in report.reservations],
        "reserved_are_nodes": {name for one in report.reservations for name in one.nodes} <= {node.name for node in report.nodes},
        "reserved_are_queues": {one.queue for one in report.reservations} <= {queue.name for queue in report.queues},
        "hosts_are_nodes": {host for job in jobs for host in job.hosts} <= {node.name for node in report.nodes},
        "partial": report.partial,
    }  # fmt: skip


def names(report):
    """Every name that must not be in the recording: no number and no word that schedulers use themselves."""
    found = {report.scheduler.server, report.cluster}
    for job in report.jobs:
        found |= {job.user, job.group, job.name, job.queue, job.account, job.project, *job.hosts}
    found |= {node.name for node in report.nodes} | {queue.name for queue in report.queues}
    for one in report.reservations:
        found |= {one.id, one.name, one.owner, one.queue}
    words = {word for name in found if name for word in (name, *re.split(r"[\s.]+", name))}
    return {
        word
        for word in words
        if len(word) >= 3
        and word.lower() not in KEPT_WORDS
        and word.lower() not in ATTRIBUTE_RULES  # the form itself: `queue = ...`
        and not re.fullmatch(r"[\d.:,+-]+\w?", word)
        and word != "_pbs_project_default"
    }


@pytest.mark.parametrize("sample", RECORDED)
def test_the_same_numbers_and_no_names(tmp_path, sample):
    make(tmp_path / "new", Replay(SAMPLES / sample), *([] if "large" in sample else ["--all-formats"]))
    before, after = take_report(Replay(SAMPLES / sample)), take_report(Replay(tmp_path / "new"))
    assert sizes(after) == sizes(before)
    assert after.taken_at == before.taken_at
    text = b"\n".join(content(tmp_path / "new").values()).decode("utf-8")
    words = set(re.findall(r"[^\W_](?:[\w-]*[^\W_])?", text)) | set(text.split())
    assert names(before) & words == set()
    few = {job.user for job in before.jobs} | {node.name for node in before.nodes} | {before.scheduler.server}
    assert [name for name in names(before) & few if len(name) >= 6 and name in text] == []
    if before.jobs:
        assert len(names(before)) > 10


@pytest.mark.parametrize(
    ("sample", "format_"),
    [
        ("openpbs-23.06.06/wide", "json"),
        ("torque-6.1.3.h5/mixed", "text"),
        ("slurm-22.05.8/mixed", "json"),
        ("slurm-22.05.8/accounting", "json"),
    ],
)
def test_other_formats_too(tmp_path, sample, format_):
    make(tmp_path / "new", Replay(SAMPLES / sample), "--all-formats")
    choice = Choice(format=format_)
    before, after = take_report(Replay(SAMPLES / sample, choice)), take_report(Replay(tmp_path / "new", choice))
    assert sizes(after)["by"] == sizes(before)["by"]
    assert sizes(after)["cores_by_user"] == sizes(before)["cores_by_user"]
    assert [node.state for node in after.nodes] == [node.state for node in before.nodes]


@pytest.mark.parametrize("sample", ["openpbs-23.06.06/mixed", "torque-6.1.3.h5/mixed", "slurm-22.05.8/mixed"])
def test_what_users_typed_is_gone(tmp_path, sample):
    make(tmp_path / "new", Replay(SAMPLES / sample), "--all-formats")
    text = b"\n".join(content(tmp_path / "new").values()).decode("utf-8")
    for typed in ("/home/", "PBS_O_HOME", "@hpc.example", "grid.example", "ticket", "wiki", "DIMM", "/bin/sleep"):
        assert typed not in text, typed


def test_the_same_name_is_the_same_everywhere(tmp_path):
    make(tmp_path / "new", Replay(SAMPLES / "openpbs-23.06.06" / "mixed"))
    before = take_report(Replay(SAMPLES / "openpbs-23.06.06" / "mixed"))
    after = take_report(Replay(tmp_path / "new"))
    for name in ("user", "group", "queue", "name", "account", "project"):
        pairs = {(getattr(old, name), getattr(new, name)) for old, new in zip(before.jobs, after.jobs)}
        assert len(pairs) == len({old for old, _ in pairs}) == len({new for _, new in pairs})
    assert {queue.name for queue in after.queues} >= {job.queue for job in after.jobs}


def test_two_recordings_have_different_pseudonyms(tmp_path):
    sample = SAMPLES / "torque-6.1.3.h5" / "mixed"
    for name in ("one", "two"):
        make(tmp_path / name, Replay(sample))
    one, two = (take_report(Replay(tmp_path / name)) for name in ("one", "two"))
    assert not {job.user for job in one.jobs} & {job.user for job in two.jobs}


def test_names_can_be_kept(tmp_path):
    said = make(tmp_path / "new", Replay(SAMPLES / "openpbs-23.06.06" / "mixed"), "--keep-names")
    sample = load_sample("openpbs-23.06.06/mixed")
    kept = content(tmp_path / "new")
    assert kept["qstat-t-f.txt.gz"] == sample.output("qstat -t -f").read()
    assert kept["pbsnodes-av.txt.gz"] == sample.output("pbsnodes -av").read()
    ours, theirs = take_report(Replay(tmp_path / "new")), take_report(Replay(SAMPLES / "openpbs-23.06.06" / "mixed"))
    assert (ours.jobs, ours.nodes) == (theirs.jobs, theirs.nodes)
    assert kept["pbsrstat-f.txt"] == sample.output("pbs_rstat -f").read()
    assert said[-1].startswith("6 files in ")


def test_a_running_cluster(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", plain_tools(tmp_path / "tools"))
    sample = load_sample("torque-6.1.3.h5/mixed")
    commands = fake_cluster(tmp_path / "bin", sample)
    commands.on("diagnose -p", b"Job   PRIORITY*  Cred\n\n48277   1500*   7.0( 90.0)\n")
    commands.on("diagnose -q", b"Diagnosing blocked jobs\n\njob 48277   violates MAXJOB limit of 4 for user carol\n")
    live = LiveSource(Limits(20.0, 10**8, commands.folder), timezone.utc)
    said = make(tmp_path / "new", live, "--timezone", "UTC")
    assert [line.split(":")[0] for line in said[:6]] == [
        "qstat -t -x",
        "pbsnodes -x",
        "qstat -Q -f",
        "qstat -B -f",
        "diagnose -p",
        "diagnose -q",
    ]
    after = take_report(Replay(tmp_path / "new"))
    assert len(after.jobs) > 200
    assert "carol" not in content(tmp_path / "new")["diagnose-q.txt"].decode()
    assert b"1500" in content(tmp_path / "new")["diagnose-p.txt"]
    assert after.scheduler.version == "6.1.3.h5"


def test_a_failing_cluster_can_be_recorded(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", plain_tools(tmp_path / "tools"))
    commands = FakeCommands(tmp_path / "bin")
    commands.on("qstat --version", b"pbs_version = 1\n")
    for words in ("qstat -t -f -w", "pbsnodes -av", "qstat -Q -f", "qstat -B -f"):
        commands.on(
            words, stderr="Connection refused\nqstat: cannot connect to server secret01 (errno=15010)\n", exit_code=255
        )
    make(tmp_path / "new", LiveSource(Limits(20.0, 10**8, commands.folder), timezone.utc))
    manifest = json.loads((tmp_path / "new" / "manifest.json").read_text())
    words = manifest["outputs"][0]["stderr"]
    assert re.fullmatch(r"Connection refused\nqstat: cannot connect to server x\w+ \(errno=15010\)\n", words)
    with pytest.raises(Exception, match="exit code 255: Connection refused"):
        take_report(Replay(tmp_path / "new"))


def test_output_that_cannot_be_taken_apart_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", plain_tools(tmp_path / "tools"))
    commands = fake_cluster(tmp_path / "bin", load_sample("torque-6.1.3.h5/empty"))
    commands.on("qstat -Q -f", b"alice's secret project\n")
    said = make(tmp_path / "new", LiveSource(Limits(20.0, 10**8, commands.folder), timezone.utc))
    assert "left out: qstat -Q -f: its names cannot be replaced (ParseError)" in said
    assert "alice" not in b"".join(content(tmp_path / "new").values()).decode()


def test_no_command_runs_for_a_folder_with_something_in_it(tmp_path):
    (tmp_path / "mine").write_text("x")
    commands = FakeCommands(tmp_path / "bin")
    with pytest.raises(RecordingError, match="is not empty"):
        make(tmp_path, LiveSource(Limits(path=commands.folder), timezone.utc))
    assert commands.calls() == []


# One value at a time


@pytest.fixture
def pseudonyms():
    return Pseudonyms(b"key")


@pytest.mark.parametrize(
    "text",
    [
        "Mon Nov 23 21:20:35 2026",
        "01:00:00",
        "125829120kb",
        "1:ncpus=24:mem=120gb",
        "0-3,8-9,12-13",
        "1-50%10",
        "Not Running: Insufficient amount of resource: ncpus (R: 8 A: 4 T: 16)",
        "state-unknown,down,offline",
        "Queued:40 Running:10 Exiting:0 Expired:0",
        "mixed~",
        "-11",
    ],
)
def test_numbers_and_the_schedulers_words_stay(pseudonyms, text):
    assert pseudonyms.words(text) == text


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("cn001/0*24+cn002[3]/1*2", r"(x\w{9})/0\*24\+(x\w{9})\[3\]/1\*2"),
        ("123[4].pbs01.site.example", r"123\[4\]\.x\w{9}\.x\w{9}\.x\w{9}"),
        ("gpu01-gpu/1+gpu01-gpu/0", r"(x\w{9})-gpu/1\+\1-gpu/0"),
        ("Job run at Mon on (cn001:ncpus=2)", r"Job run at Mon on \(x\w{9}:ncpus=2\)"),
        ("(10.78.1.1)", r"\(0\.0\.0\.0\)"),
        ("[u:PBS_GENERIC=240]", r"\[u:PBS_GENERIC=240\]"),
        ("[g:physics=25],[u:x=1]", r"\[g:x\w{9}=25\],\[u:x=1\]"),
        ("afterok:12.pbs01@pbs01", r"afterok:12\.(x\w{9})@\1"),
        ("ask Zoë!", r"x\w{9} x\w{9}!"),
    ],
)
def test_other_words_are_replaced(pseudonyms, text, pattern):
    assert re.fullmatch(pattern, pseudonyms.words(text))


def test_names_that_look_like_numbers_or_words_are_replaced(pseudonyms):
    for name in ("1001", "free", "R", "1e999", "nan", "a b\nc"):
        assert re.fullmatch(r"x\w{9}", pseudonyms.attribute("Job_Name", name))
    assert pseudonyms.attribute("euser", "alice(1001)") == pseudonyms.name("alice")
    user, host = pseudonyms.attribute("Job_Owner", "a@b@login1").rsplit("@", 1)
    assert user == pseudonyms.name("a@b")
    assert host == pseudonyms.name("login1")


def test_attributes_that_nobody_knows_are_left_out(pseudonyms):
    assert pseudonyms.attribute("secret_attribute", "1") is None
    assert pseudonyms.attribute("Variable_List", "A=b") == ""
    assert re.fullmatch(r"Resource_List\.x\w{9}", pseudonyms.key("Resource_List.secret_lic"))
    assert pseudonyms.key("Resource_List.mem") == "Resource_List.mem"


_AROUND = st.text(" .,:;=/@+-()[]\n\"'<>%#*~_0123456789", max_size=12)


@given(_AROUND, st.text("abcdefXYZÄß", min_size=5, max_size=15).filter(lambda word: not word.islower()), _AROUND)
def test_no_word_comes_through(before, word, after):
    text = f"{before}{word}{after}"
    for rule in (NAME, NAMES, OWNER, HOST, WORDS, KEEP, EMPTY):
        assert word not in Pseudonyms(b"key").value(rule, text)


def test_a_pseudonym_needs_its_key():
    assert Pseudonyms().name("alice") != Pseudonyms().name("alice")
    assert Pseudonyms(b"1").name("alice") == Pseudonyms(b"1").name("alice")
