"""The agent's command line, in-process, and as a process that is told to end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import zmq

from agent.__main__ import main
from agent.settings import TABLES
from agent.wire import answer_from_wire, from_wire, request_to_wire
from tests.agent.fake_commands import FakeCommands, fake_cluster, plain_tools
from tests.agent.samples import SAMPLES, load_sample

ROOT = Path(__file__).resolve().parent.parent.parent
MIXED = str(SAMPLES / "torque-6.1.3.h5" / "mixed")


@pytest.fixture(autouse=True)
def no_real_scheduler(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", plain_tools(tmp_path / "tools"))
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_report(capsys):
    assert main(["report", "--replay", MIXED, "--cluster", "mine"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["cluster"] == "mine"
    assert report["scheduler"] == {"kind": "torque", "version": "6.1.3.h5", "server": "tq01.grid.example"}
    assert len(report["jobs"]) > 200
    assert report["jobs"][0]["state"] in ("running", "queued", "held", "finished")
    assert set(report) == {
        "protocol", "agent_version", "cluster", "scheduler", "taken_at", "query_seconds", "jobs", "arrays", "nodes",
        "queues", "warnings", "partial", "reservations",
    }  # fmt: skip


@pytest.mark.parametrize("table", TABLES)
def test_show(table, capfd):
    assert main(["show", table, "--replay", MIXED]) == 0
    text = capfd.readouterr().out
    assert len(text.splitlines()) > 4
    assert main(["show", table, "--json", "--replay", MIXED]) == 0
    answer = json.loads(capfd.readouterr().out)
    assert answer["table"] == table
    assert len(answer["rows"]) == len(text.splitlines()) - 3


def test_show_asks_maui_where_it_is(tmp_path, capfd):
    commands = fake_cluster(tmp_path / "bin", load_sample("torque-6.1.3.h5/mixed"))
    main(["show", "queued", "--json", "--path", str(commands.folder)])
    before = {row["id"]: row for row in json.loads(capfd.readouterr().out)["rows"]}
    chosen = sorted(job for job in before if "[" not in job)[:2]
    one, two = (job.split(".")[0] for job in chosen)
    commands.on("diagnose -p", f"Job   PRIORITY*  Cred\n\n{one}   98765   7.0( 90.0)\n".encode())
    commands.on("diagnose -q", f"Diagnosing blocked jobs\n\njob {two}   violates MAXJOB limit\n".encode())
    assert main(["show", "queued", "--json", "--path", str(commands.folder)]) == 0
    after = {row["id"]: row for row in json.loads(capfd.readouterr().out)["rows"]}
    assert after[chosen[0]]["priority"] == 98765
    assert after[chosen[1]]["reason"].startswith("violates MAXJOB limit")
    others = set(before) - set(chosen)
    assert {job: after[job] for job in others} == {job: before[job] for job in others}
    commands.on("diagnose -p", stderr="ERROR: lost connection to server\n", exit_code=1)
    assert main(["show", "queued", "--json", "--path", str(commands.folder)]) == 0


def test_record_and_replay(tmp_path, capsys):
    target = str(tmp_path / "new")
    assert main(["record", target, "--replay", MIXED]) == 0
    said = capsys.readouterr().out
    assert f"python -m agent report --replay {target}" in said
    assert main(["report", "--replay", target]) == 0
    assert len(json.loads(capsys.readouterr().out)["jobs"]) > 200
    assert main(["record", target, "--replay", MIXED]) == 1


def test_keys(tmp_path, capsys):
    assert main(["keys", "make", str(tmp_path), "--name", "node"]) == 0
    assert "node.key_secret (stays here)" in capsys.readouterr().out
    for file in ("node.key", "node.key_secret"):
        assert main(["keys", "check", str(tmp_path / file)]) == 0
    public, secret = capsys.readouterr().out.splitlines()
    assert public.split()[-1] == secret.split()[-1]
    assert main(["keys", "check", str(tmp_path / "none")]) == 1
    assert main(["keys", "make", str(tmp_path), "--name", "node"]) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["report", "--replay", "/no/such/folder"], 1, "is no folder"),
        (["report", "--scheduler", "openpbs"], 1, "qstat was not found on PATH"),
        (["report"], 1, "qstat was not found on PATH"),
        (["report", "--timeout", "x"], 2, "--timeout 'x': expected a number"),
        (["serve", "--bind", "tcp://0.0.0.0:0"], 2, "--insecure"),
        (["report", "--replay", str(SAMPLES / "torque-6.1.3.h5" / "server-down")], 1, "trqauthd"),
    ],
)
def test_an_error_is_one_line(arguments, code, words, capsys):
    assert main(arguments) == code
    said = capsys.readouterr()
    (line,) = [line for line in said.err.splitlines() if not line.startswith("time=")]
    assert line.startswith("agent: ")
    assert words in line
    assert said.out == ""


def test_strangers_words_in_an_error_cannot_act(tmp_path, capsys):
    commands = FakeCommands(tmp_path / "bin")
    commands.on("qstat -t -x", stderr="\x1b[31mred\n\u202eturned\n", exit_code=1)
    assert main(["report", "--scheduler", "torque", "--path", str(commands.folder)]) == 1
    said = capsys.readouterr().err
    assert "red" in said
    assert "\x1b" not in said
    assert "\u202e" not in said


def test_version_and_help(capsys):
    for words in (["--version"], ["--help"], ["serve", "--help"], ["show", "--help"]):
        with pytest.raises(SystemExit) as caught:
            main(words)
        assert caught.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith("webstat agent 0.")
    assert "python -m agent show queued" in said


# As a process


class Process:
    """`python -m agent ...` as it is started on a cluster."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "agent", *arguments],
            cwd=ROOT,
            env=dict(os.environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.context = zmq.Context()

    def endpoint(self) -> str:
        for line in self.process.stderr:
            found = re.search(r"event=serving bind=(\S+)", line)
            if found:
                return found.group(1)
        raise AssertionError("it ended before it served")

    def socket(self, endpoint: str) -> zmq.Socket:
        socket = self.context.socket(zmq.REQ)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.RCVTIMEO, 20000)
        socket.connect(endpoint)
        return socket

    def end(self, number: int = signal.SIGTERM) -> float:
        """Signal it; returns the seconds until it was gone."""
        started = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(20)
        return time.monotonic() - started

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        self.context.destroy(linger=0)


@pytest.fixture
def start():
    started = []

    def run(*arguments) -> Process:
        started.append(Process(*arguments))
        return started[-1]

    yield run
    for process in started:
        process.close()


SERVE = ["serve", "--bind", "tcp://127.0.0.1:0"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_until_told_to_end(start, tmp_path, number):
    commands = fake_cluster(tmp_path / "bin", load_sample("openpbs-23.06.06/mixed"))
    agent = start(*SERVE, "--path", str(commands.folder))
    with agent.socket(agent.endpoint()) as socket:
        for _ in range(3):
            socket.send(request_to_wire("report"))
            report = from_wire(socket.recv())
        assert len(report.jobs) > 50
        socket.send(request_to_wire("ping"))
        assert answer_from_wire(socket.recv())["scheduler"] == "openpbs"
    assert commands.calls().count("qstat -t -f") == 1
    assert agent.end(number) < 5
    assert agent.process.returncode == 0
    assert "event=ended" in agent.process.stderr.read()


def test_it_ends_while_a_command_runs(start, tmp_path):
    commands = FakeCommands(tmp_path / "bin")
    pid_file = tmp_path / "pid"
    commands.on("qstat -t -x", body=f"echo $$ > {pid_file}; exec sleep 600")
    agent = start(*SERVE, "--scheduler", "torque", "--path", str(commands.folder))
    with agent.socket(agent.endpoint()) as socket:
        socket.send(request_to_wire("report"))
        deadline = time.monotonic() + 20
        while not (pid_file.exists() and pid_file.read_text().strip()) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert agent.end() < 5
    assert agent.process.returncode == 0
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


def test_report_ends_its_command_when_it_is_ended(start, tmp_path):
    commands = FakeCommands(tmp_path / "bin")
    pid_file = tmp_path / "pid"
    commands.on("qstat -t -x", body=f"echo $$ > {pid_file}; exec sleep 600")
    agent = start("report", "--scheduler", "torque", "--path", str(commands.folder))
    deadline = time.monotonic() + 20
    while not (pid_file.exists() and pid_file.read_text().strip()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert agent.end() < 5
    assert agent.process.returncode == 128 + signal.SIGTERM
    while time.monotonic() < deadline + 20:  # killed, it is there until init has looked
        try:
            os.kill(int(pid_file.read_text()), 0)
        except ProcessLookupError:
            break
        time.sleep(0.02)
    else:
        pytest.fail("the command outlived the agent")


def test_serve_a_replay(start):
    agent = start(*SERVE, "--min-age", "0", "--replay", str(SAMPLES / "torque-6.1.3.h5" / "timeseries"))
    with agent.socket(agent.endpoint()) as socket:
        taken = []
        for _ in range(3):
            socket.send(request_to_wire("report"))
            taken.append(from_wire(socket.recv()).taken_at)
    assert taken == sorted(set(taken))
    assert agent.end() < 5


def test_a_reader_that_has_seen_enough(start):
    agent = start("report", "--replay", MIXED)
    agent.process.stdout.read(100)
    agent.process.stdout.close()
    agent.process.stdout = None
    assert agent.process.wait(20) == 0
    assert agent.process.stderr.read() == ""
