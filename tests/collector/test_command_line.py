"""python -m collector, as a person types it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from agent.errors import CommandError
from agent.report import Warning
from agent.wire import answer_to_wire, error_to_wire, to_wire
from tests.collector.agents import fake_agent
from tests.collector.reports import a_job, a_report
from tests.collector.test_service import free_endpoint


def collector(config: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "collector", "--config", str(config), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def config_for(tmp_path: Path, **agents: str) -> Path:
    path = tmp_path / "webstat.toml"
    clusters = "".join(f'[[cluster]]\nname = "{name}"\nagent = "{endpoint}"\n' for name, endpoint in agents.items())
    path.write_text(
        f'[collector]\nannounce = "{free_endpoint()}"\nrefresh = "{free_endpoint()}"\n'
        f"timeout_seconds = 3.0\nretries = 0\n{clusters}"
    )
    return path


def healthy(ask: str) -> bytes:
    if ask == "ping":
        return answer_to_wire({"now": time.time() + 100, "agent_version": "0.1.0"})
    return to_wire(a_report(time.time(), [a_job()], warnings=[Warning("pbsnodes -av", "it ended with exit code 1")]))


def test_migrate_makes_the_store_and_says_so_once(tmp_path: Path) -> None:
    config = config_for(tmp_path)
    assert collector(config, "migrate").stdout == "schema none -> 0008\n"
    assert collector(config, "migrate").stdout == "schema 0008\n"
    assert (tmp_path / "var/webstat.sqlite").exists()


def test_once_says_what_came_of_each_cluster(tmp_path: Path) -> None:
    async def scene() -> None:
        failed = error_to_wire(CommandError("qstat ended with exit code 255", "qstat -f", 255, "no route"))
        async with fake_agent(healthy) as good, fake_agent(lambda ask: failed) as bad:
            config = config_for(tmp_path, good=good.endpoint, bad=bad.endpoint)
            done = await asyncio.to_thread(collector, config, "once")
        assert done.returncode == 1
        assert "✓ good: report 1 stored, 1 jobs changed" in done.stdout
        assert "✕ bad: qstat ended with exit code 255; it said: no route" in done.stdout

    asyncio.run(scene())


def test_check_tells_what_works_and_what_to_do(tmp_path: Path) -> None:
    async def scene() -> None:
        async with fake_agent(healthy) as good:
            config = config_for(
                tmp_path, good=good.endpoint, closed="tcp://127.0.0.1:1", lost="tcp://no-such-host.invalid:7621"
            )
            done = await asyncio.to_thread(collector, config, "check")
        assert done.returncode == 1, done.stderr
        good_part, rest = done.stdout.split("closed (")
        closed_part, lost_part = rest.split("lost (")
        assert "✓ port" in good_part
        assert "! clock     100." in good_part
        assert "run NTP on both hosts" in good_part
        assert "1 jobs, 1 nodes, 1 queues" in good_part
        assert "pbsnodes -av: it ended with exit code 1" in good_part
        assert "✕ port" in closed_part
        assert "start the agent there" in closed_part
        assert "✕ name" in lost_part
        assert not (tmp_path / "var").exists(), "check writes nothing"

    asyncio.run(scene())


def test_errors_are_one_clear_line(tmp_path: Path) -> None:
    missing = collector(tmp_path / "none.toml", "run")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr.startswith("collector: ")
    assert "copy webstat.example.toml" in missing.stderr
    empty = collector(config_for(tmp_path), "run")
    assert empty.returncode == 1
    assert "names no cluster; add a [[cluster]] table" in empty.stderr


def test_sigterm_ends_run_cleanly_and_frees_the_store(tmp_path: Path) -> None:
    config = config_for(tmp_path, c="tcp://127.0.0.1:1")
    command = [sys.executable, "-m", "collector", "--config", str(config), "run"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    line = process.stderr.readline()
    while "collecting clusters=1" not in line:
        assert line, "it ended early"
        line = process.stderr.readline()
    second = collector(config, "run")
    assert f"process id {process.pid}" in second.stderr
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(timeout=20) == 0
    assert "stopped by a signal" in process.stderr.read()
    process.stderr.close()
    assert collector(config, "migrate").returncode == 0


def test_logs_are_of_the_form_that_is_asked_for(tmp_path: Path) -> None:
    config = config_for(tmp_path, c="tcp://127.0.0.1:1")

    def said(*arguments: str) -> list[str]:
        command = [sys.executable, "-m", "collector", "--config", str(config), *arguments, "once"]
        return subprocess.run(command, capture_output=True, text=True, timeout=60).stderr.splitlines()

    (text,) = said()
    assert 'level=warning logger=collector event="poll failed" cluster=c code=silent failures=1 ' in text
    (one,) = (json.loads(line) for line in said("--log-format", "json"))
    assert (one["event"], one["cluster"], one["failures"]) == ("poll failed", "c", 2)
    assert one["message"].startswith("nothing answers")
    config.write_text(config.read_text() + '[log]\nformat = "json"\nlevel = "error"\n')
    assert said() == []
    assert [json.loads(line)["level"] for line in said("-v")][-1] == "warning"
