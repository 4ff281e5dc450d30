"""The commands as processes: they print what the simulation says now, and fail as clients do when it is gone."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from agent.dialects import kind_from_version
from agent.parsers import openpbs_text, slurm_text, torque_xml
from agent.parsers.openpbs_reservations import parse_reservations
from demo.client import SOCKET
from demo.direct import take_report
from demo.state import Epoch, bin_folder, load_epoch, prepare

ROOT = Path(__file__).parent.parent.parent
NAMES = ("small-openpbs", "small-torque", "small-slurm")


def run(state: Path, cluster: str, command: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    name, *options = command.split()
    variables = {"PATH": os.environ["PATH"], "TZ": "Asia/Tokyo", **environment}
    argv = [str(bin_folder(state, cluster) / name), *options]
    return subprocess.run(argv, capture_output=True, timeout=60, env=variables, cwd="/", check=False)


def start(state: Path) -> subprocess.Popen[str]:
    """Serve the folder; returns when the commands are answered."""
    argv = [sys.executable, "-m", "demo", "serve", str(state)]
    process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("demo: small-openpbs, small-torque, small-slurm answer after")
    return process


def stop(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> int:
    process.send_signal(number)
    code = process.wait(timeout=30)
    assert process.stdout is not None
    process.stdout.close()
    return code


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Epoch]]:
    # A long path with a space: sockets and #! lines have limits that a state folder must not have.
    state = tmp_path_factory.mktemp("a state folder") / ("deep" * 30)
    # At some times of day one of these small clusters has next to nothing to do.
    for seed in range(43, 63):
        epoch = prepare(state, seed=seed, days=2, clusters=NAMES, fresh=True)
        if all(jobs_now(epoch, name) > 10 for name in NAMES):
            break
    yield state, epoch


def jobs_now(epoch: Epoch, cluster: str) -> int:
    simulation = epoch.simulate(cluster)
    simulation.advance(int(time.time()))
    return len(take_report(simulation).jobs)


@pytest.fixture(scope="module")
def served(prepared: tuple[Path, Epoch]) -> Iterator[tuple[Path, Epoch]]:
    state, epoch = prepared
    process = start(state)
    yield state, epoch
    assert stop(process) == 0
    assert not (state / SOCKET).exists()


@pytest.mark.parametrize(
    ("cluster", "command", "parse"),
    [
        ("small-openpbs", "qstat -t -f -w", openpbs_text.parse_jobs),
        ("small-openpbs", "qstat -t -f", openpbs_text.parse_jobs),
        ("small-torque", "qstat -t -x", torque_xml.parse_jobs),
        ("small-slurm", "qstat -f", slurm_text.parse_jobs),
    ],
)
def test_the_commands_print_the_present_in_the_clients_zone(served, cluster, command, parse) -> None:
    state, epoch = served
    simulation = epoch.simulate(cluster)
    simulation.advance(int(time.time()))
    done = run(state, cluster, command)
    assert (done.returncode, done.stderr) == (0, b"")
    jobs = {job.id: job for job in parse(done.stdout, ZoneInfo("Asia/Tokyo")).jobs}
    expected = {job.id: job for job in take_report(simulation, zone=ZoneInfo("Asia/Tokyo")).jobs}
    # A second or two has passed between the two looks: what started or ended in between may differ.
    common = [name for name in expected if name in jobs and expected[name].state is jobs[name].state]
    assert len(common) >= len(expected) - 5 and len(common) > 5
    for name in common:
        assert jobs[name].submitted_at == expected[name].submitted_at
        assert jobs[name].started_at == expected[name].started_at
        assert jobs[name].hosts == expected[name].hosts


@pytest.mark.parametrize("cluster", NAMES)
def test_nodes_queues_and_brief_listings(served, cluster: str) -> None:
    state, _ = served
    for command in ("pbsnodes -a", "qstat -Q -f", "qstat -Q", "qstat", "pbsnodes -l"):
        done = run(state, cluster, command)
        assert (done.returncode, done.stderr) == (0, b"")
        assert len(done.stdout.splitlines()) >= 1, command


def test_options_are_refused_with_their_exit_code(served) -> None:
    state, _ = served
    done = run(state, "small-slurm", "qstat -t -f")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"Unknown option: t\n")
    done = run(state, "small-openpbs", "pbs_rstat -x")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"pbs_rstat [-fFBS]" in done.stderr


def test_reservations_are_told_by_a_command_of_their_own(served) -> None:
    state, epoch = served
    done = run(state, "small-openpbs", "pbs_rstat -f")
    assert (done.returncode, done.stderr) == (0, b"")
    told = parse_reservations(done.stdout, ZoneInfo("Asia/Tokyo")).reservations
    simulation = epoch.simulate("small-openpbs")
    simulation.advance(int(time.time()))
    assert [one.starts_at for one in told] == [one.start for one in simulation.confirmed_reservations()]
    assert {one.queue for one in told} <= set(
        re.findall(r"Queue: (R\d+)", run(state, "small-openpbs", "qstat -Q -f").stdout.decode())
    )
    assert not (bin_folder(state, "small-torque") / "pbs_rstat").exists()


def test_a_reader_that_goes_away_is_no_error(served) -> None:
    state, _ = served
    command = f"'{bin_folder(state, 'small-openpbs') / 'qstat'}' -t -f | head -1"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, timeout=60, check=False)
    assert done.stdout.startswith(b"Job Id: ")
    assert done.stderr == b""


def test_a_second_server_is_turned_away(served) -> None:
    state, _ = served
    argv = [sys.executable, "-m", "demo", "serve", str(state)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, timeout=60, text=True, check=False)
    assert done.returncode == 1
    assert "another process serves" in done.stderr
    assert run(state, "small-slurm", "qstat -f").returncode == 0


def test_garbage_on_the_socket_hurts_nobody(served) -> None:
    state, _ = served
    script = f"import os, socket; os.chdir({str(state)!r}); s = socket.socket(socket.AF_UNIX); s.connect({SOCKET!r}); "
    for sent in ("s.close()", "s.sendall(b'nonsense\\n')", 's.sendall(b\'{"cluster": "x", "argv": []}\\n\')'):
        subprocess.run([sys.executable, "-c", script + sent], timeout=60, check=True)
    assert run(state, "small-torque", "qstat -x").returncode == 0


DOWN = [
    ("small-openpbs", "qstat -t -f -w", 255, b"qstat: cannot connect to server certainty (errno=15010)"),
    ("small-openpbs", "pbsnodes -av", 1, b"pbsnodes: cannot connect to server certainty, error=15010"),
    ("small-openpbs", "pbs_rstat -f", 162, b"pbs_rstat: cannot connect to server (errno=15010)"),
    ("small-torque", "qstat -t -x", 111, b"qstat: Error (111 - Connection refused)"),
    ("small-torque", "qstat -B -f", 145, b"Error (-111 - Unknown error -111)"),
    ("small-torque", "pbsnodes -x", 1, b"error=111 (Connection refused)"),
    ("small-slurm", "qstat -f", 8, b"Problem loading jobs."),
    ("small-slurm", "pbsnodes -a", 8, b"Problem loading node."),
    ("small-slurm", "scontrol show config", 1, b"Unable to contact slurm controller"),
]


def test_without_the_simulation_the_commands_fail_as_without_a_server(tmp_path: Path) -> None:
    state = tmp_path / "state"
    prepare(state, days=1, clusters=NAMES)
    for cluster, command, code, words in DOWN:
        done = run(state, cluster, command)
        assert (done.returncode, done.stdout) == (code, b""), command
        assert words in done.stderr
    # Killed, it leaves its socket behind: that must not look like life, and not stand in the way.
    process = start(state)
    assert run(state, "small-slurm", "qstat -f").returncode == 0
    stop(process, signal.SIGKILL)
    assert (state / SOCKET).exists()
    for cluster, command, code, words in DOWN:
        done = run(state, cluster, command)
        assert (done.returncode, done.stdout) == (code, b""), command
        assert words in done.stderr
    assert stop(start(state)) == 0


def test_it_ends_with_its_parent_where_that_is_asked(tmp_path: Path) -> None:
    state = tmp_path / "state"
    prepare(state, days=1, clusters=("small-slurm",))
    serve = [sys.executable, "-m", "demo", "serve", str(state), "--with-parent"]
    parent = f"import subprocess; p = subprocess.Popen({serve!r}, stdout=subprocess.PIPE); p.stdout.readline()"
    subprocess.run([sys.executable, "-W", "ignore", "-c", parent], cwd=ROOT, timeout=60, check=True)
    deadline = time.monotonic() + 30
    while (state / SOCKET).exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not (state / SOCKET).exists()


@pytest.mark.parametrize("cluster", NAMES)
def test_the_version_needs_no_server(prepared, cluster: str) -> None:
    state, _ = prepared
    done = run(state, cluster, "qstat --version")
    assert kind_from_version((done.stdout + done.stderr).decode()) == cluster.removeprefix("small-")


def test_a_prepared_folder_keeps_its_epoch(tmp_path: Path) -> None:
    first = prepare(tmp_path, seed=5, days=3, clusters=NAMES)
    assert prepare(tmp_path, seed=6) == first == load_epoch(tmp_path)
    assert prepare(tmp_path, seed=6, clusters=NAMES, fresh=True).seed == 6
