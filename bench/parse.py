"""Recorded output to a Report, compared with json.loads of the same server's JSON.

json.loads only makes dictionaries of the text: no record, number or time, and nothing of it is checked. All is timed
with the bytes in memory, so that neither commands nor files count; peaks include the input.
"""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from datetime import UTC, tzinfo
from functools import partial
from typing import Any

from agent.commands import Output
from agent.dialects import JOBS, QUERIES, Alternative, alternatives
from agent.errors import CommandMissing
from agent.probe import take_report
from bench.timing import medians
from tests.agent.samples import Sample, load_sample

ROUNDS = 9
MOST_TIMES, MOST_PEAK = 3.0, 4.0
SAMPLES = {
    "openpbs-23.06.06/large-wide": ("qstat -t -f -F json", ["qstat -t -f -w", "qstat -t -f", "qstat -t -f -F json"]),
    "openpbs-23.06.06/large": ("qstat -f -F json", ["qstat -f -w", "qstat -f -F json"]),
}


def main() -> None:
    """Print a table for each recorded large cluster."""
    for name, (compared, commands) in SAMPLES.items():
        _table(load_sample(name), compared, commands)


def _table(sample: Sample, compared: str, commands: list[str]) -> None:
    document = sample.output(compared).read()
    base = f"json.loads of {compared}"
    ways: dict[str, Callable[[], Any]] = {base: lambda: json.loads(document)}
    sizes = {base: len(document)}
    for command in commands:
        for output in sample.find(command):
            source = _InMemory(sample, command, output.newer_client)
            label = f"{command} to Report" + (" (newer client)" if output.newer_client else "")
            ways[label] = partial(take_report, source)
            sizes[label] = source.size
    jobs = len(take_report(_InMemory(sample, commands[0], newer=False)).jobs)
    print(f"{sample.name}: {jobs} jobs and subjobs")
    print(f"  {'':48}{'input':>10}{'median':>10}{'times':>8}{'peak':>14}")
    seconds = medians(ROUNDS, ways)
    for label, way in ways.items():
        times, peak = seconds[label] / seconds[base], _peak(way, sizes[label]) / sizes[label]
        over = label != base and (times > MOST_TIMES or peak > MOST_PEAK)
        print(
            f"  {label:48}{sizes[label] / 1e6:>7.1f} MB{seconds[label] * 1000:>7.0f} ms{times:>8.2f}{peak:>8.2f} x in"
            + ("  OVER" if over else "")
        )
    print(f"  (at most {MOST_TIMES:g} times json.loads, and {MOST_PEAK:g} times the input in memory)")


def _peak(way: Callable[[], Any], size: int) -> int:
    tracemalloc.start()
    try:
        way()
        return size + tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class _InMemory:
    """A source of reports whose outputs are read already: the jobs by this command, the rest as it is recorded."""

    kind, version, server, place = "openpbs", "", "", "bench"

    def __init__(self, sample: Sample, command: str, newer: bool) -> None:
        self._answers: dict[str, tuple[Alternative, Output, tzinfo]] = {}
        for query in QUERIES:
            for way in alternatives(self.kind, query):
                line = " ".join(way.argv)
                found = sample.find(line, newer=newer) or sample.find(line)
                if found and query not in self._answers and (query != JOBS or line == command):
                    recorded = found[0]
                    output = Output(line, recorded.read(), "", 0, 0.0, recorded.taken_at or 0.0)
                    self._answers[query] = (way, output, UTC)
        self.size = len(self._answers[JOBS][1].stdout)

    def learn(self, version: str, server: str) -> None:
        """Nothing is kept between reports."""

    def next_report(self) -> None:
        """Every report is the same."""

    def fetch(self, query: str) -> tuple[Alternative, Output, tzinfo]:
        """What was read."""
        if query not in self._answers:
            raise CommandMissing(f"no {query} were recorded", query)
        return self._answers[query]


if __name__ == "__main__":
    main()
