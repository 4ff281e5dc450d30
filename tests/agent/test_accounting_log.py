"""The accounting log, followed: what a report tells of jobs that have ended, whatever becomes of the files.

Long, since each way in which a log can change under its reader has a test of its own.
"""

from __future__ import annotations

import gzip
import json
import random
import time
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Dict, List, Optional, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import accounting_log, ended
from agent.__main__ import main
from agent.accounting_log import AccountingLog
from agent.parsers import ParsedJobs
from agent.parsers.accounting import KIND, TEXT, JobReader, attributes_of, is_line
from agent.parsers.openpbs_text import parse_jobs
from agent.parsers.torque_xml import parse_jobs as parse_torque_jobs
from agent.report import Array, Job, Report, Scheduler
from agent.states import JobState
from agent.zones import zone_named
from tests.agent.samples import SAMPLES, load_sample

UTC = zone_named("UTC")
T0 = 1_795_392_000
"""2026-11-23 00:00 UTC."""
DAY = 86400
HERE = Array("9[].pbs01", "B")
"""Something of this server's that is listed, so that its name is known."""


def report(at: float, jobs: Sequence[Job] = (), kind: str = "openpbs", arrays: Sequence[Array] = (HERE,)) -> Report:
    return Report("c", Scheduler(kind, "", ""), at, {}, list(jobs), list(arrays), [], [], [], "")


def record(kind: str, number: object, at: int, rest: str = "", **attributes: object) -> str:
    """A line with its end; those of E, S and Q records tell a whole job."""
    stamp = time.strftime("%m/%d/%Y %H:%M:%S", time.gmtime(at))
    base: Dict[str, object] = {}
    if kind in "ESQ":
        base = {"user": "alice", "jobname": "j", "queue": "q", "ctime": T0, "Resource_List.select": "1:ncpus=4"}
        base["Resource_List.ncpus"] = 4
        base.update({"S": {"start": at}, "E": {"start": T0 + 5, "end": at, "Exit_status": 3}, "Q": {}}[kind])
    words = " ".join(f"{key}={value}" for key, value in {**base, **attributes}.items())
    return f"{stamp};{kind};{number}.pbs01;{words}{rest}\n"


def listed(number: int, state: JobState = JobState.RUNNING, **fields: object) -> Job:
    values: Dict[str, object] = {"user": "alice", "queue": "q", "cores": 4, "submitted_at": T0, **fields}
    return Job(f"{number}.pbs01", state, "R", **values)  # type: ignore[arg-type]


class Log:
    """A log that grows, and the agent that follows it."""

    def __init__(self, folder: Path, zone: str = "UTC") -> None:
        self.folder = folder
        self.follower = AccountingLog(folder, zone_named(zone))
        self.warnings: List[str] = []

    def write(self, *lines: str, day: str = "20261123") -> None:
        with (self.folder / day).open("ab") as file:
            file.write("".join(lines).encode("latin-1"))

    def told(self, at: int, jobs: Sequence[Job] = (), **more: object) -> Dict[str, Job]:
        """The finished jobs of a report, by number; none of the report's jobs is there twice."""
        made = self.follower.with_ends(report(at, jobs, **more))  # type: ignore[arg-type]
        self.warnings = [warning.message for warning in made.warnings]
        assert len({job.id for job in made.jobs}) == len(made.jobs)
        alive = {job.id for job in jobs if job.state is not JobState.FINISHED}
        assert alive == {job.id for job in made.jobs if job.state is not JobState.FINISHED}
        return {job.id.partition(".")[0]: job for job in made.jobs if job.state is JobState.FINISHED}


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def recorded(scheduler: str) -> bytes:
    return gzip.decompress((SAMPLES / scheduler / "accounting/20261123.gz").read_bytes())


# What is told


def mixed() -> ParsedJobs:
    return parse_jobs(load_sample("openpbs-23.06.06/mixed").output("qstat -t -f").read(), UTC)


def test_the_ends_are_those_that_the_recorded_qstat_x_tells_of(log: Log) -> None:
    sample = load_sample("openpbs-23.06.06/mixed")
    output = sample.output("qstat -x -f")
    assert output.taken_at is not None
    listing = mixed()
    log.write(recorded("openpbs-23.06.06").decode("latin-1"))
    told = log.told(int(output.taken_at), listing.jobs, arrays=listing.arrays)
    history = {job.id.partition(".")[0]: job for job in parse_jobs(output.read(), UTC).jobs}
    history = {name: job for name, job in history.items() if job.state is JobState.FINISHED}
    assert len(history) > 20
    apart = {"priority", "comment", "hosts", "depends_on"}  # only qstat tells them, or only the log
    for name, job in history.items():
        assert {key: value for key, value in asdict(told[name]).items() if key not in apart} == {
            key: value for key, value in asdict(job).items() if key not in apart
        }
    tasks = {job.id: job for job in listing.jobs if job.state is JobState.FINISHED}
    assert len(tasks) == 2
    for name, job in tasks.items():  # an array's, which are listed as long as it lives
        (log_job,) = [one for one in told.values() if one.id == name]
        assert (log_job.native_state, log_job.ended_at) == (job.native_state, job.ended_at)
        assert log_job.exit_status is not None


def test_torque(log: Log) -> None:
    sample = load_sample("torque-6.1.3.h5/mixed")
    jobs = parse_torque_jobs(sample.output("qstat -t -x").read(), UTC).jobs
    log.write(recorded("torque-6.1.3.h5").decode("latin-1"))
    told = log.told(T0 + DAY - 1, jobs, kind="torque", arrays=[])
    assert log.warnings == []
    one = told["54037"]
    assert (one.id, one.native_state, one.exit_status) == ("54037.tq01.grid.example", "C", 0)
    assert (one.started_at, one.ended_at, one.cores) == (1795472972, 1795472982, 720)


def test_a_torque_server_may_leave_itself_out_of_the_ids_that_it_lists(log: Log) -> None:
    log.write(record("E", 1, T0 + 90), record("E", "2[3]", T0 + 90))
    bare = Job("7", JobState.RUNNING, "R")
    told = log.told(T0 + 99, [bare], kind="torque", arrays=[])
    assert {(job.id, job.array_id, job.native_state) for job in told.values()} == {
        ("1", None, "C"),
        ("2[3]", "2[]", "C"),
    }


def test_an_idle_server_whose_ids_are_not_known_is_waited_for(log: Log) -> None:
    log.write(record("E", 1, T0 + 90))
    assert log.told(T0 + 99, arrays=[]) == {}
    assert list(log.told(T0 + 199, [listed(2)], arrays=[])) == ["1"]
    assert list(log.told(T0 + 299, arrays=[])) == ["1"]


def test_the_log_of_another_server_is_refused(log: Log) -> None:
    log.write(record("E", 1, T0 + 90))
    assert log.told(T0 + 99, arrays=[Array("9[].pbs02", "B")]) == {}
    assert "it is not this cluster's log" in log.warnings[0]


def test_slurm_has_no_such_log(log: Log) -> None:
    log.write(record("E", 1, T0 + 90))
    assert log.told(T0 + 99, kind="slurm") == {}
    assert log.warnings == ["Slurm writes no such log; leave --accounting out"]


def test_what_is_listed_as_alive_lives(log: Log) -> None:
    log.write(record("S", 1, T0 + 5), record("E", 1, T0 + 90))
    assert log.told(T0 + 99, [listed(1, JobState.EXITING, started_at=T0 + 5)]) == {}
    assert log.told(T0 + 159, [listed(1, JobState.EXITING, started_at=T0 + 5)]) == {}
    (one,) = log.told(T0 + 219).values()
    assert (one.ended_at, one.exit_status, one.native_state) == (T0 + 90, 3, "F")


@pytest.mark.parametrize("kind", ["R", "S", "Q"])
def test_a_job_that_begins_anew_has_not_ended(log: Log, kind: str) -> None:
    log.write(record("E", 1, T0 + 90), record(kind, 1, T0 + 92))
    assert log.told(T0 + 99) == {}
    log.write(record("E", 1, T0 + 150))
    assert log.told(T0 + 159)["1"].ended_at == T0 + 150


def test_a_job_that_is_listed_after_its_end_was_put_back(log: Log) -> None:
    log.write(record("E", 1, T0 + 90))
    assert list(log.told(T0 + 99)) == ["1"]
    assert log.told(T0 + 159, [listed(1)]) == {}
    assert log.told(T0 + 219) == {}, "how that run ended is not known"


def test_a_finished_job_that_is_listed_too_comes_once_as_the_log_has_it(log: Log) -> None:
    log.write(record("E", 1, T0 + 90))
    (one,) = log.told(T0 + 99, [listed(1, JobState.FINISHED, ended_at=T0 + 91)]).values()
    assert (one.ended_at, one.exit_status) == (T0 + 90, 3)


def test_an_end_after_the_listing_is_told_by_the_next_report(log: Log) -> None:
    log.write(record("E", 1, T0 + 90))
    assert log.told(T0 + 89) == {}
    assert log.warnings == []
    assert log.told(T0 + 90)["1"].ended_at == T0 + 90
    log.write(record("E", 2, T0 + 5000))
    assert list(log.told(T0 + 120)) == ["1"]
    assert "the server's clock is ahead" in log.warnings[0]


def test_ends_are_told_for_half_an_hour(log: Log) -> None:
    log.write(record("E", 1, T0 + 90))
    assert [len(log.told(T0 + 99 + later)) for later in (0, 600, 1800, 1801)] == [1, 1, 1, 0]


def test_only_so_many_are_kept(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ended, "MOST_KEPT", 2)
    log.write(*(record("E", number, T0 + 90) for number in range(4)))
    assert list(log.told(T0 + 99)) == ["2", "3"]
    assert "more than 2 jobs ended" in log.warnings[0]


# Jobs that are deleted while they wait


def test_a_deleted_job_is_told_as_it_was_listed(log: Log) -> None:
    waiting = listed(1, JobState.HELD, priority=7, hold="u", comment="Job held", depends_on="afterok:3")
    assert log.told(T0 + 60, [waiting]) == {}
    log.write(record("D", 1, T0 + 90, "requestor=root@here"), record("A", 2, T0 + 91, "Job deleted"))
    (one,) = log.told(T0 + 99).values()
    assert (one.ended_at, one.started_at, one.exit_status, one.comment) == (T0 + 90, None, None, None)
    assert (one.priority, one.hold, one.depends_on, one.submitted_at) == (7, "u", "afterok:3", T0)


def test_a_job_that_was_never_listed_is_told_by_its_submission(log: Log) -> None:
    log.write(record("Q", 1, T0 + 90))
    assert log.told(T0 + 99) == {}
    log.write(record("D", 1, T0 + 100))
    assert log.told(T0 + 159)["1"].ended_at == T0 + 100


def test_a_deletion_of_a_job_that_runs_or_is_still_listed_is_no_end(log: Log) -> None:
    assert log.told(T0 + 60, [listed(1, JobState.QUEUED), listed(2, JobState.QUEUED)]) == {}
    log.write(record("S", 1, T0 + 70), record("D", 1, T0 + 90), record("D", 2, T0 + 90), record("D", 3, T0 + 90))
    assert log.told(T0 + 99, [listed(2, JobState.QUEUED)]) == {}
    log.write(record("E", 1, T0 + 110))
    told = log.told(T0 + 159)
    assert {name: job.ended_at for name, job in told.items()} == {"1": T0 + 110, "2": T0 + 90}


def test_a_deletion_before_the_job_was_listed_or_long_after_is_none_of_its(log: Log) -> None:
    assert log.told(T0 + 1000, [listed(1, JobState.QUEUED), listed(2, JobState.QUEUED)]) == {}
    log.write(record("D", 1, T0 + 90))
    assert log.told(T0 + 1060) == {}
    log.write(record("D", 2, T0 + 1100))
    assert log.told(T0 + 1120) == {}, "it has not been listed for a while"


def test_both_hours_of_the_autumn_change(tmp_path: Path) -> None:
    log = Log(tmp_path, "Europe/Athens")
    first = int(
        datetime(2026, 10, 25, 0, 30, tzinfo=timezone.utc).timestamp()
    )  # 03:30 EEST; 03:30 EET is an hour later
    one, two = listed(1, JobState.QUEUED, submitted_at=first), listed(2, JobState.QUEUED, submitted_at=first)
    log.told(first, [one, two])
    log.write("10/25/2026 03:31:00;D;1.pbs01;requestor=a@b\n", "10/25/2026 03:59:00;z;1.pbs01;\n", day="20261025")
    assert log.told(first + 1700, [two])["1"].ended_at == first + 60
    log.write("10/25/2026 03:31:00;D;2.pbs01;requestor=a@b\n", day="20261025")
    assert log.told(first + 3700)["2"].ended_at == first + 3660


def test_in_the_wrong_zone_deletions_are_not_told(tmp_path: Path) -> None:
    log = Log(tmp_path, "America/New_York")
    log.told(T0 + 60, [listed(1, JobState.QUEUED)])
    log.write(record("E", 2, T0 + 80), record("D", 1, T0 + 90))
    assert {name: job.ended_at for name, job in log.told(T0 + 99).items()} == {"2": T0 + 80}
    assert "see --timezone" in log.warnings[0]


# What becomes of files


@pytest.mark.parametrize("seed", range(4))
def test_in_whatever_pieces_it_is_written_the_same_ends_are_told(log: Log, seed: int) -> None:
    data = recorded("openpbs-23.06.06")
    dice, place, at = random.Random(seed), 0, T0 + DAY - 400
    told: Dict[str, Job] = {}
    while place < len(data):
        piece = dice.choice([1, 300, 50_000, 1_500_000]) * dice.randint(1, 3)
        log.write(data[place : place + piece].decode("latin-1"))
        place, at = place + piece, at + 1
        told.update(log.told(at))
        assert log.warnings == []
    expected: Dict[str, Job] = {}
    reader = JobReader()
    for line in data.decode("latin-1").split("\n"):
        if is_line(line) and line[KIND] == "E" and "[]" not in line[: TEXT + 40].split(";")[2]:
            name, _, text = line[TEXT:].rstrip().partition(";")
            expected[name.partition(".")[0]] = reader.job(name, attributes_of(text), 0)
    ran = {name: job for name, job in told.items() if job.started_at is not None}
    assert len(ran) > 1500
    assert ran.keys() == expected.keys()
    several = {"account"}  # where it is of several lines, only all of them tell it
    for name, job in expected.items():
        for key in asdict(job).keys() - several - {"native_state"}:
            assert getattr(ran[name], key) == getattr(job, key), (name, key)


def test_a_value_of_several_lines(log: Log) -> None:
    log.write(record("E", 1, T0 + 90, ' account="one'))
    assert log.told(T0 + 99) == {}
    log.write('two" project=p\n')
    (one,) = log.told(T0 + 100).values()
    assert (one.account, one.project) == ("one two", "p")


def test_half_a_line_is_waited_for(log: Log) -> None:
    line = record("E", 1, T0 + 90)
    log.write(record("E", 2, T0 + 90), line[:50])
    assert list(log.told(T0 + 99)) == ["2"]
    log.write(line[50:-1])
    assert list(log.told(T0 + 100)) == ["2"]
    log.write("\n")
    assert list(log.told(T0 + 101)) == ["2", "1"]


def test_another_day_another_file(log: Log) -> None:
    log.write(record("E", 1, T0 + DAY - 5))
    assert list(log.told(T0 + DAY - 2)) == ["1"]
    log.write(record("E", 2, T0 + DAY - 1))
    log.write(record("E", 3, T0 + DAY + 1), day="20261124")
    assert list(log.told(T0 + DAY + 60)) == ["1", "2", "3"]
    (log.folder / "20261123").rename(log.folder / "20261123.gz")
    log.write(record("E", 4, T0 + DAY + 61), day="20261124")
    assert list(log.told(T0 + DAY + 99)) == ["1", "2", "3", "4"]
    assert log.warnings == []


def test_an_agent_that_starts_after_midnight_reads_yesterday_too(log: Log) -> None:
    log.write(record("E", 1, T0 + DAY - 600))
    log.write(record("E", 2, T0 + DAY + 1), day="20261124")
    assert list(log.told(T0 + DAY + 60)) == ["1", "2"]


def test_a_file_that_was_cut_is_read_anew(log: Log) -> None:
    log.write(record("E", 1, T0 + 90), record("E", 2, T0 + 90))
    log.told(T0 + 99)
    (log.folder / "20261123").write_text(record("E", 3, T0 + 100))
    assert list(log.told(T0 + 159)) == ["1", "2", "3"]
    assert "20261123 was cut or replaced" in log.warnings[0]
    assert list(log.told(T0 + 219)) == ["1", "2", "3"]
    assert log.warnings == []


def test_a_copy_that_is_renewed_is_the_same_file(log: Log) -> None:
    log.write(record("E", 1, T0 + 90))
    log.told(T0 + 99)
    copy = log.folder / "copy"
    copy.write_text((log.folder / "20261123").read_text() + record("E", 2, T0 + 100))
    copy.replace(log.folder / "20261123")
    assert list(log.told(T0 + 159)) == ["1", "2"]
    assert log.warnings == []


def test_of_a_large_file_only_the_last_hours_are_read(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    log.write(*(record("E", number, T0 + 10 * number, f" x={'y' * 300}") for number in range(8000)))
    size = (log.folder / "20261123").stat().st_size
    read, plain = [], accounting_log._read_at
    monkeypatch.setattr(accounting_log, "_read_at", lambda *asked: read.append(len(plain(*asked))) or plain(*asked))
    told = log.told(T0 + 80_000)
    hours = accounting_log.LOOK_BACK_SECONDS
    assert {str(number) for number in range((80_000 - hours) // 10, 8000)} <= told.keys()
    assert len(told) < 2000
    assert sum(read) < size / 2
    read.clear()
    assert len(log.told(T0 + 80_001)) == len(told)
    assert read == []
    monkeypatch.setattr(accounting_log, "MOST_BACK", 100_000)
    again = Log(log.folder).told(T0 + 80_000)
    assert "7999" in again
    assert len(again) < len(told) / 2


def test_after_a_long_pause_too(log: Log) -> None:
    log.write(record("E", 1, T0 + 90))
    log.told(T0 + 99)
    log.write(*(record("E", number, T0 + 10 * number, f" x={'y' * 300}") for number in range(100, 8000)))
    assert 720 <= len(log.told(T0 + 80_000)) < 2000


def test_a_log_that_is_not_there_yet_or_cannot_be_read_is_a_warning(log: Log, tmp_path: Path) -> None:
    assert log.told(T0) == {}
    assert "named by its day" in log.warnings[0]
    log.write(record("E", 9, T0 - 40 * DAY), day="20261014")
    assert log.told(T0) == {}
    assert log.warnings == []
    (log.folder / "20261123").mkdir()
    assert log.told(T0 + 60) == {}
    assert "it cannot be read: Is a directory" in log.warnings[0]
    (log.folder / "20261123").rmdir()
    log.write(record("E", 1, T0 + 90))
    assert list(log.told(T0 + 99)) == ["1"]
    for nowhere, words in ((tmp_path / "none", "No such file"), (tmp_path / "20261123", "Not a directory")):
        made = AccountingLog(nowhere, UTC).with_ends(report(T0, [listed(1)]))
        (warning,) = made.warnings
        assert words in warning.message
        assert len(made.jobs) == 1


# Whoever writes into it


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("rubbish\n", "no records"),
        ("\x00\xff\x1f\n", "no records"),
        (record("E", 1, T0 + 90, user=""), "it tells no user"),
        (record("E", "one", T0 + 90), "is no job id"),
        (record("E", 1, T0 + 90, start=T0 + 99), "before it started"),
        (record("E", 1, T0 + 90, end=T0 + 90 + 2 * DAY), "in the future"),
        (record("E", 1, T0 + 90, end="x").replace("11/23", "99/39"), "no records"),
        (record("E", 1, T0 + 90, end="x").replace("11/23", "02/31"), "its date is none"),
        (record("E", 1, T0 + 90, ctime=5), "more than ten years"),
        (record("E", 1, T0 + 90, **{"Resource_List.select": "", "exec_host": "../x"}), None),
        ("y" * 5_000_000 + "\n", "more than 4000000 bytes"),
    ],
)
def test_what_is_damaged_is_skipped_with_a_reason(log: Log, line: str, words: Optional[str]) -> None:
    log.write(record("E", 2, T0 + 90), line, record("E", 3, T0 + 90))
    assert {"2", "3"} <= log.told(T0 + 99).keys()
    assert words is None or any(words in warning for warning in log.warnings)
    log.write(record("E", 4, T0 + 90))
    assert "4" in log.told(T0 + 100)


@given(st.lists(st.text(st.characters(max_codepoint=255), max_size=60), max_size=8), st.sampled_from("ESQRDAx"))
def test_any_bytes_are_survived(tmp_path_factory: pytest.TempPathFactory, texts: List[str], kind: str) -> None:
    log = Log(tmp_path_factory.mktemp("log"))
    log.told(T0 + 50, [listed(1, JobState.QUEUED)])
    log.write(*(record(kind, 1, T0 + 60)[:30] + text for text in texts), "\n", record("E", 2, T0 + 90))
    told = log.told(T0 + 99, [listed(7)])
    assert told["2"].ended_at == T0 + 90
    assert all(job.user.isprintable() for job in told.values())


# The command line


def test_report_with_a_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "20261123").write_bytes(recorded("openpbs-23.06.06"))
    replay = ["report", "--replay", str(SAMPLES / "openpbs-23.06.06/mixed"), "--timezone", "UTC"]
    assert main([*replay, "--accounting", str(tmp_path)]) == 0
    with_log = json.loads(capsys.readouterr().out)["jobs"]
    assert main(replay) == 0
    without = json.loads(capsys.readouterr().out)["jobs"]
    assert [job for job in with_log if job["state"] != "finished"] == [
        job for job in without if job["state"] != "finished"
    ]
    assert len(with_log) > len(without) + 20
    assert main([*replay, "--accounting", str(tmp_path), "--scheduler", "slurm"]) == 2
    assert "Slurm writes none" in capsys.readouterr().err
