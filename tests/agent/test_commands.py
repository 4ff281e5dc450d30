"""Running commands: what may go wrong, with small scripts in place of the scheduler's."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from agent.commands import STDERR_LIMIT, Limits, Stopped, find, printable, run
from agent.errors import CommandMissing, CommandTimeout, OutputTooLarge


@pytest.fixture
def script(tmp_path):
    """Makes an executable shell script and returns its path."""

    def make(body: str, name: str = "qstat") -> str:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return str(path)

    return make


def _alive(pid_file: Path) -> bool:
    pid = int(pid_file.read_text())
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A killed process that nobody has waited for is dead all the same.
    return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def _gone(pid_file: Path) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if not _alive(pid_file):
            return True
        time.sleep(0.02)
    return False


def test_output_has_everything(script):
    before = time.time()
    output = run([script("printf 'one\\ntwo'; echo oh dear >&2; exit 3"), "-f", "a b"], Limits())
    assert output.stdout == b"one\ntwo"
    assert output.stderr == "oh dear\n"
    assert output.exit_code == 3
    assert output.command.endswith("qstat -f 'a b'")
    assert before <= output.finished_at <= time.time()


def test_large_output_comes_whole(script):
    output = run([script("head -c 5000000 /dev/zero; head -c 3000000 /dev/zero")], Limits())
    assert output.stdout == bytes(8_000_000)


def test_environment_and_standard_input(script):
    body = 'echo "$LC_ALL $TZ"; if read -r line; then echo got input; else echo no input; fi'
    output = run([script(body)], Limits(timezone="Europe/Athens"))
    assert output.stdout.decode().splitlines() == ["C.UTF-8 Europe/Athens", "no input"]


def test_no_shell_sees_the_arguments(script, tmp_path):
    target = tmp_path / "target"
    output = run([script('printf "%s" "$1"'), f"; touch {target}"], Limits())
    assert output.stdout.decode() == f"; touch {target}"
    assert not target.exists()


def test_folder_given_wins_over_path(script, tmp_path):
    script("echo mine", name="date")
    assert run(["date"], Limits(path=tmp_path)).stdout == b"mine\n"
    assert find("date", tmp_path) == str(tmp_path / "date")
    assert find("no-such-command-anywhere") is None


def test_missing_command():
    with pytest.raises(CommandMissing, match="not found on PATH"):
        run(["no-such-command-anywhere", "-f"], Limits())


def test_file_that_is_no_program(tmp_path):
    (tmp_path / "qstat").write_bytes(b"\x00\x01\x02")
    (tmp_path / "qstat").chmod(0o755)
    with pytest.raises(CommandMissing, match="cannot be started"):
        run([str(tmp_path / "qstat")], Limits())


def test_hanging_command_is_ended_with_its_children(script, tmp_path):
    pid_file = tmp_path / "pid"
    started = time.monotonic()
    with pytest.raises(CommandTimeout, match=r"did not finish within 0\.5 s") as caught:
        run([script(f"echo half; echo words >&2; sleep 600 & echo $! > {pid_file}; wait")], Limits(timeout_seconds=0.5))
    assert time.monotonic() - started < 60
    assert caught.value.exit_code is None
    assert caught.value.stderr == "words\n"
    assert _gone(pid_file)


def test_command_that_ignores_sigterm_is_killed(script, tmp_path):
    pid_file = tmp_path / "pid"
    body = f"trap '' TERM; echo $$ > {pid_file}; while :; do sleep 0.05; done"
    started = time.monotonic()
    with pytest.raises(CommandTimeout):
        run([script(body)], Limits(timeout_seconds=0.5))
    assert time.monotonic() - started < 60
    assert _gone(pid_file)


def test_command_that_closes_its_pipes_and_goes_on(script):
    with pytest.raises(CommandTimeout):
        run([script("exec >&- 2>&-; sleep 600")], Limits(timeout_seconds=0.5))


def test_grandchild_that_holds_the_pipe_is_not_waited_for(script, tmp_path):
    pid_file = tmp_path / "pid"
    started = time.monotonic()
    output = run([script(f"echo all of it; sleep 600 & echo $! > {pid_file}; exit 0")], Limits(timeout_seconds=60))
    assert time.monotonic() - started < 60
    assert (output.stdout, output.exit_code) == (b"all of it\n", 0)
    assert _gone(pid_file)


def test_grandchild_in_a_session_of_its_own_is_not_waited_for(script, tmp_path):
    pid_file = tmp_path / "pid"
    started = time.monotonic()
    body = f"echo all; setsid sh -c 'echo $$ > {pid_file}; exec sleep 600' & while [ ! -s {pid_file} ]; do :; done"
    try:
        output = run([script(body)], Limits(timeout_seconds=60))
        assert (output.stdout, output.exit_code) == (b"all\n", 0)
        assert time.monotonic() - started < 60
    finally:
        os.kill(int(pid_file.read_text()), signal.SIGKILL)


def test_too_much_output_is_cut_off_while_it_comes(script, tmp_path):
    pid_file = tmp_path / "pid"
    started = time.monotonic()
    with pytest.raises(OutputTooLarge, match="more than 1000000 bytes"):
        run([script(f"echo $$ > {pid_file}; exec tr '\\0' x < /dev/zero")], Limits(max_bytes=1_000_000))
    assert time.monotonic() - started < 60
    assert _gone(pid_file)


def test_standard_error_is_capped_and_harmless(script):
    output = run(
        [script("printf 'a\\033[31m\\377\\n' >&2; head -c 1000000 /dev/zero | tr '\\0' e >&2; echo out")], Limits()
    )
    assert output.stdout == b"out\n"
    assert len(output.stderr) <= STDERR_LIMIT
    assert output.stderr.startswith("a\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}\neee")


def test_printable_keeps_lines_and_tabs():
    assert printable("ä\tb\r\nc\x07".encode()) == "ä\tb\nc\N{REPLACEMENT CHARACTER}"
    assert printable("\u202eturned\u2028".encode()) == "\N{REPLACEMENT CHARACTER}turned\N{REPLACEMENT CHARACTER}"


def test_nothing_is_left_open(script):
    good, hanging = script("echo x", "good"), script("sleep 600", "hanging")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(5):
        run([good], Limits())
        with pytest.raises(CommandTimeout):
            run([hanging], Limits(timeout_seconds=0.05))
        with pytest.raises(CommandMissing):
            run(["no-such-command-anywhere"], Limits())
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_ended_by_a_signal(script):
    assert run([script("kill -9 $$")], Limits()).exit_code == -signal.SIGKILL


@pytest.mark.parametrize("body", ["sleep 600", "exec >&- 2>&-; sleep 600"])
def test_stop_ends_a_running_command(script, body):
    reading, writing = os.pipe()
    try:
        timer = threading.Timer(0.3, os.write, (writing, b"x"))
        timer.start()
        started = time.monotonic()
        with pytest.raises(Stopped):
            run([script(body)], Limits(stop_fd=reading))
        assert time.monotonic() - started < 60
        timer.join()
    finally:
        os.close(reading)
        os.close(writing)
