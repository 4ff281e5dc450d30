"""What a collector tells Prometheus of itself, over its own port."""

from __future__ import annotations

import asyncio
import subprocess
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from agent.errors import CommandError
from agent.wire import error_to_wire
from collector.errors import CollectorError
from collector.metrics import MOST_OUTCOMES, Meter
from scripts.setup import find_program
from tests.collector.agents import fake_agent
from tests.collector.test_service import ask_refresh, free_endpoint, fresh, heard, running, settings_of, until_stored


def free_address() -> str:
    return free_endpoint().removeprefix("tcp://")


def fetch(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=20) as answer:
        return str(answer.read().decode())


def read(text: str) -> dict[tuple[str, ...], float]:
    """(name, values of its labels in the order of their names) -> value."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(one.name, *(one.labels[key] for key in sorted(one.labels))): one.value for one in samples}


def test_polls_refreshes_and_announcements_are_counted(tmp_path: Path) -> None:
    failed = error_to_wire(CommandError("qstat ended with exit code 255", "qstat -f", 255, "cannot connect"))
    address = free_address()

    async def scene() -> str:
        async with fake_agent(fresh) as good, fake_agent(lambda ask: failed) as bad:
            settings = settings_of(tmp_path, {"good": good.endpoint, "bad": bad.endpoint}, metrics=address)
            async with running(settings) as (service, subscriber):
                await until_stored(service)
                await heard(service, subscriber)
                await ask_refresh(settings, b'{"refresh": "good"}')
                await ask_refresh(settings, b'{"refresh": "nowhere"}')
                return await asyncio.to_thread(fetch, address)

    text = asyncio.run(scene())
    told = read(text)
    assert told["webstat_collector_polls_total", "good", "new"] >= 2
    assert told["webstat_collector_polls_total", "bad", "command_failed"] >= 1
    assert told["webstat_collector_fetch_seconds_count", "good"] == told["webstat_collector_polls_total", "good", "new"]
    assert told["webstat_collector_store_seconds_count",] == told["webstat_collector_polls_total", "good", "new"]
    assert told["webstat_collector_refreshes_total", "refused"] == 1
    assert told["webstat_collector_refreshes_total", "done"] == 1
    assert told["webstat_collector_announcements_total",] >= 3
    assert told["webstat_collector_clusters_held",] == 2
    assert ("webstat_collector_thread_waiting",) in told
    assert told["process_resident_memory_bytes",] > 1e6
    promtool = find_program("promtool")
    if promtool is not None:
        done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with pytest.raises(OSError, match="refused"):
        fetch(address)


def test_nothing_listens_unless_it_is_wished(tmp_path: Path) -> None:
    assert settings_of(tmp_path, {}).collector.metrics is None


def test_an_address_in_use_is_said() -> None:
    meter, address = Meter(lambda: 0), free_address()
    stop = meter.serve(address)
    with pytest.raises(CollectorError, match=r"change \[collector\] metrics"):
        meter.serve(address)
    stop()


def test_outcomes_that_an_agent_invents_are_bounded() -> None:
    meter, address = Meter(lambda: 0), free_address()
    for number in range(500):
        meter.polled("c", f"invented{number}" + "x" * 200, 0.1)
    stop = meter.serve(address)
    told = {name: count for name, count in read(fetch(address)).items() if name[0] == "webstat_collector_polls_total"}
    stop()
    assert len(told) == MOST_OUTCOMES + 1
    assert sum(told.values()) == 500
    assert max(len(word) for name in told for word in name) <= 40
