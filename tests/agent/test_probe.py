"""Reports of live commands, with scripts in place of qstat and pbsnodes: what fails, how, and what is left.

One module, since all of it shares the made-up sources.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import timezone

import pytest

from agent.commands import Limits, Output
from agent.dialects import DIALECTS, JOBS, QUERIES, alternatives, kind_from_script, kind_from_version
from agent.errors import CommandError, CommandMissing, CommandTimeout, OutputTooLarge, ParseError, SettingsError
from agent.live import LiveSource, detect
from agent.parsers import ParsedJobs, ParsedQueues
from agent.probe import check_hosts, check_visible, count_cores_used, judge, take_report
from agent.report import Array, Job, Node, Queue
from agent.states import HOLDS_CORES, JobState, NodeState
from tests.agent.fake_commands import FakeCommands, fake_cluster, plain_tools
from tests.agent.samples import load_sample

OPENPBS, TORQUE, SLURM = "openpbs-23.06.06/mixed", "torque-6.1.3.h5/mixed", "slurm-22.05.8/mixed"


@pytest.fixture(autouse=True)
def no_real_scheduler(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", plain_tools(tmp_path / "tools"))


@pytest.fixture
def commands(tmp_path):
    return fake_cluster(tmp_path / "bin", load_sample(OPENPBS))


def source(commands: FakeCommands, timeout=20.0, max_bytes=10**8, scheduler=None, format_=None) -> LiveSource:
    return LiveSource(Limits(timeout, max_bytes, commands.folder), timezone.utc, scheduler, format_)


def failing(commands: FakeCommands, pattern: str, error=CommandError, **options) -> CommandError:
    with pytest.raises(error, match=pattern) as caught:
        take_report(source(commands, **options))
    return caught.value


# A cluster that works


@pytest.mark.parametrize("name", [OPENPBS, TORQUE, SLURM])
def test_a_working_cluster(tmp_path, name):
    sample = load_sample(name)
    commands = fake_cluster(tmp_path / "bin", sample)
    report = take_report(source(commands))
    assert report.scheduler.kind == sample.manifest["scheduler"]
    assert set(report.query_seconds) >= {"jobs", "nodes", "queues"}
    assert report.partial == ()
    assert len(report.jobs) > 50
    assert len(report.nodes) >= 30
    assert report.queues
    if sample.manifest["scheduler"] != "slurm":  # its wrapper has no -B
        assert (report.scheduler.version, report.scheduler.server) == (
            sample.manifest["version"],
            sample.manifest["server"],
        )
        assert report.cluster == sample.manifest["server"]
    assert take_report(source(commands), "mine").cluster == "mine"


def test_openpbs_is_asked_for_text_with_subjobs_and_once(commands):
    live = source(commands)
    take_report(live)
    assert commands.calls() == [
        "qstat --version",
        "qstat -t -f -w",  # this sample has it not: refused
        "qstat -t -f",
        "pbsnodes -av",
        "qstat -Q -f",
        "qstat -B -f",
        "pbs_rstat -f",
    ]
    take_report(live)
    assert commands.calls()[7:] == ["qstat -t -f", "pbsnodes -av", "qstat -Q -f", "qstat -B -f", "pbs_rstat -f"]


def test_torque_is_asked_for_xml(tmp_path):
    commands = fake_cluster(tmp_path / "bin", load_sample(TORQUE))
    take_report(source(commands))
    assert commands.calls()[1:3] == ["qstat -t -x", "pbsnodes -x"]


def test_what_a_client_no_longer_accepts_is_replaced(commands):
    live = source(commands)
    take_report(live)
    commands.on("qstat -t -f", stderr="qstat: conflicting options.\nusage: qstat\n", exit_code=2)
    commands.on("qstat -f", load_sample(OPENPBS).output("qstat -f").read())
    commands.on("qstat -f -w", stderr="usage: qstat\n", exit_code=2)
    before = len(commands.calls())
    take_report(live)
    tried = [call for call in commands.calls()[before:] if not any(word in call for word in ("-Q", "-B", "pbs_rstat"))]
    assert tried == ["qstat -t -f", "qstat -t -f -w", "qstat -t -f", "qstat -f -w", "qstat -f", "pbsnodes -av"]


def test_a_format_can_be_asked_for(commands):
    report = take_report(source(commands, format_="json"))
    assert "qstat -t -f -F json" in commands.calls()
    assert "qstat -t -f" not in commands.calls()
    assert report.jobs


def test_a_format_that_a_scheduler_has_not(tmp_path):
    with pytest.raises(SettingsError, match="--format can be: text, xml"):
        take_report(source(fake_cluster(tmp_path / "bin", load_sample(TORQUE)), format_="json"))


def test_an_idle_cluster_is_a_report(tmp_path):
    for name in ("openpbs-23.06.06/empty", "torque-6.1.3.h5/empty", "slurm-22.05.8/empty"):
        report = take_report(source(fake_cluster(tmp_path / name, load_sample(name))))
        assert report.jobs == []
        assert report.nodes
        assert report.warnings == []


# A job listing that fails


def test_qstat_is_not_there(tmp_path):
    commands = FakeCommands(tmp_path)
    with pytest.raises(CommandMissing, match="qstat was not found"):
        take_report(LiveSource(Limits(path=commands.folder), timezone.utc, "openpbs"))


def test_qstat_hangs(commands):
    commands.on("qstat -t -f", body="sleep 600")
    error = failing(commands, r"qstat -t -f( -w)? did not finish within 0\.5 s", CommandTimeout, timeout=0.5)
    assert error.command == "qstat -t -f"
    assert not any(call.startswith("pbsnodes") for call in commands.calls())


def test_qstat_exits_1(commands):
    commands.on("qstat -t -f", stderr="qstat: cannot connect to server pbs01 (errno=15010)\n", exit_code=1)
    error = failing(commands, r"qstat -t -f failed with exit code 1: .*cannot connect to server pbs01")
    assert (error.command, error.exit_code) == ("qstat -t -f", 1)
    assert "15010" in error.stderr


def test_qstat_exits_0_with_only_an_error(commands):
    commands.on("qstat -t -f", stderr="Unable to communicate with server\n")
    failing(commands, "printed nothing but an error: Unable to communicate")


def test_qstat_prints_an_empty_document_and_exits_255(commands):
    document = b'{\n    "timestamp":1,\n    "pbs_version":"23.06.06",\n    "pbs_server":"pbs01"\n}\n'
    commands.on("qstat -t -f -F json", document, "Connection refused\n", 255)
    failing(commands, "exit code 255: Connection refused", format_="json")


def test_qstat_is_killed(commands):
    commands.on("qstat -t -f", body="kill -9 $$")
    failing(commands, "was ended by signal 9")


def test_qstat_prints_too_much_on_one_line(commands):
    commands.on("qstat -t -f", body="exec tr '\\0' x < /dev/zero")
    failing(commands, "more than 2000000 bytes", OutputTooLarge, max_bytes=2_000_000)


def test_qstat_prints_something_else(commands):
    commands.on("qstat -t -f", b"Welcome to the cluster!\n" * 3)
    failing(commands, "Welcome to the cluster", ParseError)


def test_qstat_prints_one_very_long_line(commands):
    commands.on("qstat -t -f", body="head -c 20000000 /dev/zero | tr '\\0' x")
    failing(commands, "20000000 bytes", ParseError)


def test_nothing_is_accepted(tmp_path):
    commands = FakeCommands(tmp_path / "bin")
    commands.on("qstat --version", b"pbs_version = 14.1\n")
    failing(commands, "qstat -t -f -w failed with exit code 2: usage")


# A job listing that is odd


def test_bytes_that_are_not_utf8(commands):
    raw = load_sample(OPENPBS).output("qstat -t -f").read()
    commands.on("qstat -t -f", raw.replace(b"comment = ", b"comment = \xff\xfe\x80"))
    report = take_report(source(commands))
    assert len(report.jobs) > 50
    for job in report.jobs:
        (job.comment or "").encode("utf-8")


def test_a_truncated_listing_keeps_what_was_whole(commands):
    raw = load_sample(OPENPBS).output("qstat -t -f").read()
    commands.on("qstat -t -f", raw[: len(raw) // 2])
    report = take_report(source(commands))
    assert 20 < len(report.jobs) < 300
    assert report.partial == ("jobs",)
    assert report.warnings


def test_words_on_standard_error_beside_a_good_listing_are_a_warning(commands):
    raw = load_sample(OPENPBS).output("qstat -t -f").read()
    commands.on("qstat -t -f", raw, "licence expires \x1b[31msoon\n")
    report = take_report(source(commands))
    words = [warning.message for warning in report.warnings if warning.source == "qstat -t -f"]
    assert words == ["printed on standard error: licence expires \N{REPLACEMENT CHARACTER}[31msoon"]
    assert report.partial == ()


def test_arrays_without_subjobs_are_told(commands):
    commands.on("qstat -t -f", stderr="usage:\n", exit_code=2)
    report = take_report(source(commands))
    assert any("without their subjobs" in warning.message for warning in report.warnings)


# What fails beside a good job listing


@pytest.mark.parametrize(
    ("command", "part"), [("pbsnodes -av", "nodes"), ("qstat -Q -f", "queues"), ("qstat -B -f", "server")]
)
def test_a_failure_beside_good_jobs_is_a_warning(commands, command, part):
    commands.on(command, stderr="no route to host\n", exit_code=1)
    report = take_report(source(commands))
    assert len(report.jobs) > 50
    assert [(warning.source, warning.message) for warning in report.warnings if warning.source == command] == [
        (command, f"{command} failed with exit code 1: no route to host")
    ]
    assert report.partial == (() if part == "server" else (part,))
    assert getattr(report, part, []) == [] or part == "server"


def test_reservations_are_in_the_report(commands, tmp_path):
    report = take_report(source(commands))
    assert [(one.id, one.state, one.nodes) for one in report.reservations] == [
        ("R151.pbs01", "running", ("cn016", "cn017")),
        ("R152.pbs01", "confirmed", ("cn001", "smp01[0]", "smp01[1]")),
    ]
    assert "reservations" in report.query_seconds
    for other in (TORQUE, SLURM):
        folder = fake_cluster(tmp_path / other, load_sample(other))
        folder.on("pbs_rstat -f", load_sample(OPENPBS).output("pbs_rstat -f").read())
        assert take_report(source(folder)).reservations == ()
        assert "pbs_rstat -f" not in folder.calls()


def about_reservations(report):
    return [warning for warning in report.warnings if "rstat" in warning.source or "reservation" in warning.source]


def test_a_host_without_pbs_rstat_has_nothing_to_warn_of(commands):
    (commands.folder / "pbs_rstat").unlink()
    report = take_report(source(commands))
    assert about_reservations(report) == []
    assert (report.reservations, report.partial) == ((), ())


@pytest.mark.parametrize(
    ("printed", "words"),
    [
        ({"stderr": "Connection refused\npbs_rstat: cannot connect to server (errno=15010)\n", "exit_code": 162},
         r"pbs_rstat -f failed with exit code 162: Connection refused pbs_rstat: cannot connect"),
        ({"stderr": "Usage:\n\tpbs_rstat [-fFBS] [reservation-id]\n", "exit_code": 1}, "failed with exit code 1: Usage"),
        ({"stdout": b"Welcome!\n"}, "expected reservations of pbs_rstat -f"),
        ({"body": "sleep 600"}, r"pbs_rstat -f did not finish within 1 s"),
    ],
)  # fmt: skip
def test_reservations_that_cannot_be_had_are_a_warning_and_all_else_stands(commands, printed, words):
    commands.on("pbs_rstat -f", **printed)
    report = take_report(source(commands, timeout=1.0))
    (warning,) = about_reservations(report)
    assert re.search(words, warning.message)
    assert (report.reservations, report.partial) == ((), ())
    assert len(report.jobs) > 50
    assert report.cluster == "pbs01"


def test_a_reservation_that_cannot_be_read_is_a_warning_about_it(commands):
    raw = load_sample(OPENPBS).output("pbs_rstat -f").read()
    commands.on("pbs_rstat -f", raw.replace(b"reserve_state = RESV_RUNNING\n", b""))
    report = take_report(source(commands))
    assert [one.id for one in report.reservations] == ["R152.pbs01"]
    assert [one.source for one in about_reservations(report)] == ["pbs_rstat -f, R151.pbs01"]
    assert report.partial == ()


def test_a_cluster_keeps_its_name_when_its_server_does_not_tell_it(commands):
    live = source(commands)
    before = take_report(live)
    commands.on("qstat -B -f", stderr="no route to host\n", exit_code=1)
    after = take_report(live)
    assert after.scheduler == before.scheduler
    assert after.cluster == before.cluster == "pbs01"
    unknown = take_report(source(commands))
    assert unknown.scheduler.server == ""
    assert unknown.cluster == live.place


def test_pbsnodes_is_not_there(commands):
    (commands.folder / "pbsnodes").unlink()
    report = take_report(source(commands))
    assert report.partial == ("nodes",)
    assert any("pbsnodes was not found" in warning.message for warning in report.warnings)


def test_garbage_from_pbsnodes(commands):
    commands.on("pbsnodes -av", b"\x00\xff garbage")
    report = take_report(source(commands))
    assert report.nodes == []
    assert report.partial == ("nodes",)


def test_after_a_hang_nothing_else_is_asked(commands):
    commands.on("pbsnodes -av", body="sleep 600")
    report = take_report(source(commands, timeout=1.0))
    assert report.partial == ("nodes", "queues")
    assert "qstat -Q -f" not in commands.calls()
    assert any("pbsnodes -av did not answer in time" in warning.message for warning in report.warnings)
    assert report.cluster


# Which scheduler


@pytest.mark.parametrize(
    ("printed", "kind"),
    [
        ("pbs_version = 23.06.06\n", "openpbs"),
        ("pbs_version = PBSPro_19.1.3.20190626\n", "openpbs"),
        ("Version: 6.1.3.h5\nCommit: 4decc716daa73044648b5578ef68d89713d2f6a2\n", "torque"),
        ("version: 2.5.13\n", "torque"),
        ("Unknown option: version\nUsage:\n    qstat [-f] [-a|-i|-r] [-n [-1]]\n", "slurm"),
        ("GE 6.2u5\nusage: qstat [options]\n", None),
        ("", None),
    ],
)
def test_kind_from_what_the_client_says(printed, kind):
    assert kind_from_version(printed) == kind


def test_kind_from_the_wrappers_file():
    head = b"#! /usr/bin/perl -w\n#  This file is part of Slurm, a resource management program.\n"
    assert kind_from_script(head) == "slurm"
    assert kind_from_script(b"#!/bin/sh\nexec ssh head qstat\n") is None
    assert kind_from_script(b"\x7fELF Slurm") is None


def test_detection(tmp_path):
    commands = FakeCommands(tmp_path)
    commands.on("qstat --version", b"something else\n", exit_code=1)
    with pytest.raises(CommandError, match="say which it is with --scheduler"):
        detect(Limits(path=tmp_path))
    commands.on("qstat --version", body="# part of Slurm\nexit 1")
    assert detect(Limits(path=tmp_path)) == "slurm"


# The table of dialects


@pytest.mark.parametrize("kind", DIALECTS)
def test_every_dialect_answers_every_query(kind):
    for query in QUERIES:
        ways = alternatives(kind, query)
        assert ways
        assert len({way.argv for way in ways}) == len(ways)
        assert {way.format for way in ways} <= {"text", "json", "xml"}
    assert alternatives(kind, JOBS)[0].format == ("xml" if kind == "torque" else "text")


def test_other_listings_fall_back_to_any_format():
    assert [way.format for way in alternatives("torque", "queues", "xml")] == ["text"]
    assert [way.format for way in alternatives("openpbs", "nodes", "json")] == ["json", "json", "text", "text"]


# Judging and checking


def output(exit_code=0, stdout=b"x", stderr="") -> Output:
    return Output("qstat -f", stdout, stderr, exit_code, 0.1, 1.0)


@pytest.mark.parametrize(
    ("kind", "result", "good"),
    [
        ("slurm", output(153, b""), True),
        ("slurm", output(153, b"", "Problem"), False),
        ("slurm", output(153, b"Job Id: 1"), False),
        ("openpbs", output(153, b""), False),
        ("openpbs", output(0, b""), True),
        ("openpbs", output(0, b"x", "words"), True),
        ("openpbs", output(0, b" \n", "words"), False),
        ("torque", output(111, b""), False),
    ],
)
def test_judging(kind, result, good):
    way = alternatives(kind, JOBS)[0]
    if good:
        assert judge(way, result) is None
        return
    with pytest.raises(CommandError):
        judge(way, result)


def job(number, state=JobState.RUNNING, **more) -> Job:
    return Job(f"{number}.pbs", state, "?", cores=1, **more)


def test_hidden_jobs_are_told():
    queues = ParsedQueues([Queue("a", "execution", jobs={"running": 40, "queued": 10}), Queue("b", "execution")])
    (warning,) = check_visible(ParsedJobs([job(n) for n in range(7)]), queues)
    assert warning.message.startswith("only 7 of 50 jobs are visible")


def test_small_differences_are_no_news():
    queues = ParsedQueues([Queue("a", "execution", jobs={"running": 40, "queued": 10, "finished": 500})])
    jobs = [job(n) for n in range(38)] + [job(100 + n, JobState.QUEUED) for n in range(5)]
    assert check_visible(ParsedJobs(jobs, [Array("9[]", "Q")]), queues) == []
    assert check_visible(ParsedJobs([]), ParsedQueues([Queue("a", "execution", jobs={"running": 3})])) == []
    assert check_visible(ParsedJobs([]), ParsedQueues()) == []


def test_hosts_that_are_no_nodes():
    nodes = [Node("n1", NodeState.FREE, "free")]
    assert check_hosts([job(1, hosts={"n1": 2})], nodes) == []
    (warning,) = check_hosts([job(1, hosts={"n1.site.example": 2})], nodes)
    assert warning.message == "1 hosts of running jobs are not in the node listing: n1.site.example"
    assert check_hosts([job(1, hosts={"x": 1})], []) == []


def test_used_cores_are_counted_where_the_listing_has_none():
    jobs = [
        job(1, hosts={"n1": 2, "n2": 4}),
        job(2, JobState.EXITING, hosts={"n1": 1}),
        job(3, JobState.SUSPENDED, hosts={"n3": 4}),
    ]
    nodes = [
        Node("n1", NodeState.PARTIAL, "mixed", 4),
        Node("n2", NodeState.BUSY, "allocated", 4),
        Node("n3", NodeState.FREE, "idle", 4),
        Node("n4", NodeState.OFFLINE, "drained", 4),
        Node("n5", NodeState.PARTIAL, "mixed", 4),
        Node("n6", NodeState.FREE, "idle"),
        Node("n7", NodeState.FREE, "free", 4, cores_used=1),
    ]
    counted = {node.name: node for node in count_cores_used(nodes, jobs)}
    assert [(node.cores_used, node.state) for node in counted.values()] == [
        (3, NodeState.PARTIAL),
        (4, NodeState.BUSY),
        (0, NodeState.FREE),
        (0, NodeState.OFFLINE),
        (None, NodeState.PARTIAL),  # the jobs on it are not ours to see
        (None, NodeState.FREE),
        (1, NodeState.FREE),
    ]
    assert counted["n1"].jobs == ("1.pbs", "2.pbs")


def test_cores_by_user_are_those_of_the_facts(tmp_path):
    sample = load_sample(OPENPBS)
    report = take_report(source(fake_cluster(tmp_path / "bin", sample)))
    used: Counter[str] = Counter()
    for each in report.jobs:
        if each.state in HOLDS_CORES:
            used[each.user] += each.cores
    assert dict(used) == sample.facts["cores_in_use_by_user"]
