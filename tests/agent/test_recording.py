"""Replaying folders of recorded outputs: every sample gives a report or the right error."""

from __future__ import annotations

import gzip
import json
import shutil
from collections import Counter

import pytest

from agent.commands import Output
from agent.errors import CommandError, CommandTimeout, OutputTooLarge, RecordingError, SettingsError
from agent.probe import take_report
from agent.recording import MANIFEST, Choice, Replay, write_recording
from agent.states import HOLDS_CORES
from tests.agent.samples import SAMPLES, load_sample, load_samples

MIXED = SAMPLES / "openpbs-23.06.06" / "mixed"

FAILURES = {
    "openpbs-23.06.06/errors": (CommandTimeout, "qstat -f did not finish within 20 s"),
    "openpbs-23.06.06/server-down": (CommandError, r"qstat -t -f failed with exit code 255: Connection refused"),
    "slurm-22.05.8/controller-down": (CommandError, "exit code 8: Problem loading jobs"),
    "slurm-22.05.8/controller-hung": (CommandError, "exit code 140: Problem loading jobs"),
    "slurm-22.05.8/munge-down": (CommandError, "exit code 239: .*munged"),
    "torque-6.1.3.h5/server-down": (CommandError, "exit code 33: .*trqauthd"),
}
GOOD = [sample.name for sample in load_samples() if sample.name not in FAILURES]


def replay(name, **choice):
    return take_report(Replay(SAMPLES / name, Choice(**choice)))


def copy(folder, target):
    shutil.copytree(folder, target)
    manifest = json.loads((target / MANIFEST).read_text())
    return target, manifest


def save(folder, manifest):
    (folder / MANIFEST).write_text(json.dumps(manifest))


# All samples


@pytest.mark.parametrize("name", GOOD)
def test_every_sample_gives_a_report(name):
    source = Replay(SAMPLES / name)
    sample = load_sample(name)
    stamps = [output.taken_at for output in sample.outputs if output.taken_at] or [1795469117]  # of its JSON
    before = 0.0
    for _ in range(min(source.polls, 3)):
        report = take_report(source)
        assert report.scheduler.kind == sample.manifest["scheduler"]
        assert report.scheduler.version == sample.manifest["version"]
        assert min(stamps) <= report.taken_at <= max(stamps)
        assert report.taken_at > before
        before = report.taken_at
        assert "jobs" not in report.partial
        assert report.nodes or "nodes" in report.partial


@pytest.mark.parametrize("name", FAILURES)
def test_every_recorded_failure_gives_its_error(name):
    error, words = FAILURES[name]
    with pytest.raises(error, match=words):
        replay(name)


def test_no_sample_is_forgotten():
    assert set(FAILURES) <= {sample.name for sample in load_samples()}
    assert len(GOOD) > 15


@pytest.mark.parametrize("name", [name for name in GOOD if name.startswith("openpbs") and "user-view" not in name])
def test_all_jobs_are_visible_where_they_are(name):
    assert not any("visible" in warning.message for warning in replay(name).warnings)


def test_hidden_jobs_are_told():
    (warning,) = (w for w in replay("openpbs-23.06.06/user-view").warnings if "visible" in w.message)
    assert warning.message.startswith("only ")
    assert "of 115 jobs are visible to this account" in warning.message


# What can be chosen


@pytest.mark.parametrize("format_", ["text", "json"])
def test_formats_of_openpbs_agree(format_):
    report = replay("openpbs-23.06.06/mixed", format=format_)
    cores = Counter()
    for job in report.jobs:
        if job.state in HOLDS_CORES:
            cores[job.user] += job.cores
    assert dict(cores) == load_sample("openpbs-23.06.06/mixed").facts["cores_in_use_by_user"]


@pytest.mark.parametrize("name", ["torque-6.1.3.h5/mixed", "torque-2.5.13/mixed"])
def test_formats_of_torque_agree(name):
    xml, text = (replay(name, format=format_) for format_ in ("xml", "text"))
    # Of the jobs that run, not of all: those that end while the outputs are taken differ.
    assert {job.id: job.cores for job in xml.jobs if job.hosts} == {job.id: job.cores for job in text.jobs if job.hosts}
    assert [node.name for node in xml.nodes] == [node.name for node in text.nodes]


def test_a_format_that_was_not_recorded(tmp_path):
    folder, manifest = copy(MIXED, tmp_path / "copy")
    save(folder, {**manifest, "outputs": [o for o in manifest["outputs"] if "json" not in o["command"]]})
    with pytest.raises(RecordingError, match="has no job listing of openpbs: expected one of `qstat -t -f -F json`"):
        Replay(folder, Choice(format="json"))
    assert take_report(Replay(folder)).jobs


def test_series_go_poll_by_poll_and_stay_at_the_last():
    source = Replay(SAMPLES / "openpbs-23.06.06" / "timeseries")
    taken = [take_report(source).taken_at for _ in range(source.polls + 2)]
    assert source.polls == len(set(taken)) > 2
    assert taken == sorted(taken)
    assert taken[-1] == taken[-2] == taken[-3]


def test_series_of_folders():
    source = Replay(SAMPLES / "slurm-22.05.8" / "series")
    assert source.polls == 12
    first, second = take_report(source), take_report(source)
    assert second.taken_at > first.taken_at
    assert take_report(Replay(SAMPLES / "slurm-22.05.8" / "series" / "poll-02")) == second


@pytest.mark.parametrize(
    ("series", "second"),
    [("openpbs-23.06.06/timeseries", 1), ("slurm-22.05.8/series", 2), ("torque-6.1.3.h5/timeseries", 1)],
)
def test_one_poll_can_be_chosen(series, second):
    source = Replay(SAMPLES / series)
    take_report(source)
    chosen = Replay(SAMPLES / series, Choice(poll=second))
    assert chosen.polls == 1
    assert take_report(chosen) == take_report(source) == take_report(chosen)
    with pytest.raises(RecordingError, match=r"has no poll 99; it has [01] to"):
        Replay(SAMPLES / series, Choice(poll=99))


def test_states_of_a_failure_can_be_chosen():
    with pytest.raises(CommandTimeout, match="qstat -x did not finish within 25 s"):
        replay("torque-6.1.3.h5/server-down", state="server-frozen")
    with pytest.raises(CommandError, match="exit code 111"):
        replay("torque-6.1.3.h5/server-down", state="no-server")
    with pytest.raises(RecordingError, match="has no state 'on-fire'; it has up, no-trqauthd"):
        replay("torque-6.1.3.h5/server-down", state="on-fire")
    with pytest.raises(RecordingError, match="has no job listing"):
        replay("torque-6.1.3.h5/server-down", state="up")


def test_clients_can_be_chosen():
    old = replay("openpbs-23.06.06/mixed", format="json")
    new = replay("openpbs-23.06.06/mixed", format="json", client="master")
    assert new.taken_at > old.taken_at
    assert {job.id for job in new.jobs} == {job.id for job in old.jobs}
    with pytest.raises(RecordingError, match="no outputs of a client 'nobody'"):
        replay("openpbs-23.06.06/mixed", client="nobody")


def test_zone_is_the_recorded_one_unless_given():
    here = replay("openpbs-23.06.06/mixed")
    there = replay("openpbs-23.06.06/mixed", timezone="Europe/Athens")
    started = [(a.started_at - b.started_at) for a, b in zip(here.jobs, there.jobs) if a.started_at]
    assert set(started) == {2 * 3600}


def test_without_any_time_there_is_no_report(tmp_path):
    folder, manifest = copy(MIXED, tmp_path / "copy")
    for output in manifest["outputs"]:
        del output["taken_at"]
    save(folder, manifest)
    assert take_report(Replay(folder)).taken_at == 1795469113  # as OpenPBS wrote into its JSON
    manifest["outputs"] = [output for output in manifest["outputs"] if "json" not in output["command"]]
    save(folder, manifest)
    with pytest.raises(RecordingError, match="taken_at is missing"):
        take_report(Replay(folder))


# Folders that cannot be used


def test_folders_that_are_no_recording(tmp_path):
    with pytest.raises(RecordingError, match="is no folder"):
        Replay(tmp_path / "none")
    with pytest.raises(RecordingError, match=r"has no manifest\.json, which says"):
        Replay(tmp_path)
    with pytest.raises(RecordingError, match=r"its folders have: name one of .*mixed"):
        Replay(SAMPLES / "openpbs-23.06.06")
    for text in ("", "[]", "{", '{"outputs": 3}', '{"outputs": [3]}', "[" * 100_000):
        (tmp_path / MANIFEST).write_text(text)
        with pytest.raises(RecordingError, match="manifest"):
            Replay(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scheduler": "lsf"}, "scheduler is 'lsf', expected one of openpbs, torque, slurm"),
        ({"timezone": "Mars/Olympus"}, "time zone 'Mars/Olympus' is unknown"),
        ({"outputs": []}, "has no job listing of openpbs: expected one of `qstat -t -f -w`"),
        ({"outputs": [{"command": "qstat -f", "exit_code": 0}]}, "lacks file or command"),
    ],
)
def test_manifests_that_are_wrong(tmp_path, change, words):
    folder, manifest = copy(MIXED, tmp_path / "copy")
    save(folder, {**manifest, **change})
    with pytest.raises((RecordingError, SettingsError)) as caught:
        take_report(Replay(folder))
    assert words in str(caught.value)


@pytest.mark.parametrize("file", ["../../../../etc/passwd", "/etc/passwd", "../mixed/qstat-f.txt", "none.txt", "."])
def test_files_outside_of_the_folder_are_not_read(tmp_path, file):
    folder, manifest = copy(MIXED, tmp_path / "copy")
    for output in manifest["outputs"]:
        output["file"] = file
    save(folder, manifest)
    with pytest.raises(RecordingError, match=r"outside of the folder|cannot be read"):
        take_report(Replay(folder))


def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    folder, manifest = copy(MIXED, tmp_path / "copy")
    secret = tmp_path / "secret"
    secret.write_text("Job Id: 1.x\n    Job_Name = secret\n")
    for output in manifest["outputs"]:
        (folder / output["file"]).unlink(missing_ok=True)
        (folder / output["file"]).symlink_to(secret)
    with pytest.raises(RecordingError, match="outside of the folder"):
        take_report(Replay(folder))


def test_a_packed_bomb_is_not_unpacked(tmp_path):
    folder, manifest = copy(MIXED, tmp_path / "copy")
    (folder / "bomb.gz").write_bytes(gzip.compress(bytes(50_000_000)))
    for output in manifest["outputs"]:
        output["file"] = "bomb.gz"
    save(folder, manifest)
    with pytest.raises(OutputTooLarge, match="more than 1000000 bytes"):
        take_report(Replay(folder, Choice(max_bytes=1_000_000)))


def test_a_broken_gz_is_an_error(tmp_path):
    folder, manifest = copy(MIXED, tmp_path / "copy")
    for broken in (b"hello", gzip.compress(b"Job Id: 1" * 1000)[:-20]):
        (folder / "broken.gz").write_bytes(broken)
        for output in manifest["outputs"]:
            output["file"] = "broken.gz"
        save(folder, manifest)
        with pytest.raises(RecordingError, match="cannot be read"):
            take_report(Replay(folder))


# Writing


def test_what_is_written_is_replayed(tmp_path):
    sample = load_sample("openpbs-23.06.06/mixed")
    outputs = [
        Output(output.command, output.read(), output.stderr, output.exit_code, 0.5, output.taken_at)
        for output in sample.outputs
        if not output.newer_client and output.command in ("qstat -t -f", "pbsnodes -av", "qstat -Q -f", "qstat -B -f")
    ]
    facts = {name: sample.manifest[name] for name in ("scheduler", "version", "server", "timezone")}
    files = write_recording(tmp_path / "new", facts, outputs)
    assert sorted(file.name for file in files) == [
        "manifest.json",
        "pbsnodes-av.txt.gz",
        "qstat-B-f.txt",
        "qstat-Q-f.txt",
        "qstat-t-f.txt.gz",
    ]
    ours, theirs = take_report(Replay(tmp_path / "new")), replay("openpbs-23.06.06/mixed")
    assert (ours.jobs, ours.nodes, ours.queues) == (theirs.jobs, theirs.nodes, theirs.queues)


def test_nothing_is_written_into_a_folder_with_something_in_it(tmp_path):
    (tmp_path / "mine").write_text("x")
    with pytest.raises(RecordingError, match="is not empty; name a new folder"):
        write_recording(tmp_path, {}, [])
    with pytest.raises(RecordingError, match="cannot be used"):
        write_recording(tmp_path / "mine", {}, [])
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
