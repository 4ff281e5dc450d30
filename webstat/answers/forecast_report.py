"""`python -m webstat forecast-report`: how often forecasts held, asked again of the past, as a table in a terminal.

Of the clusters of a store, or of traces (.swf), which are read into a store of their own for it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

import click

from agent.tables import safe_text
from collector.progress import progress
from collector.settings import Settings, load_settings
from webstat.answers.backtest import AN_HOUR, RECENT_DAYS, Record, Tried, record, tried
from webstat.answers.forecast import Past, waits_since
from webstat.answers.similar import DAYS
from webstat.answers.waits import DAY
from webstat.data.source import Source
from webstat.format import NBSP, duration
from webstat.health import Cluster

ASKED = {0.0: "at first", AN_HOUR: "after 1 h"}
"""How long a job had waited when it was asked about -> how that is said."""

HEADS = ("cluster", "queue", "asked", "jobs", "too few", "50 % held", "90 % held", "half of the 90 % times", "so it is")


@dataclass(frozen=True)
class Line:
    """A line of the table."""

    cluster: str
    queue: str
    waited: float
    answers: Tried
    found: Record

    def cells(self) -> tuple[str, ...]:
        """As HEADS names them."""
        found, times = self.found, sorted(self.answers.most.tolist())
        asked = (self.cluster, self.queue, ASKED[self.waited], f"{found.tried:,}", f"{found.declined:,}")
        if found.held is None or found.usual is None or found.held_half is None:
            return (*asked, "", "", "", "too few to say")
        so = "withheld" if found.withheld else "told"
        held = f"{found.usual * 100:.0f}"
        if found.most_share is not None:
            so, held = f"told from the {found.most_share:.2f} quantile", f"{held} → {found.held * 100:.0f}"
        middle = duration(times[len(times) // 2]).replace(NBSP, " ")
        return (*asked, f"{found.held_half * 100:.0f}", held, f"up to {middle}", so)


def report_forecasts(settings: Settings, traces: Sequence[Path] = (), days: float | None = None) -> int:
    """Print the table for the store, or for traces; `days` is how much of the past is asked again: of a trace, all of it.

    Returns the exit code: 1 where there was nothing to ask. Raises StoreEmpty, StoreBroken.
    """
    if not traces:
        source = Source(settings)
        try:
            return _report(source, RECENT_DAYS if days is None else days)
        finally:
            source.close()
    with tempfile.TemporaryDirectory(prefix="webstat-") as folder:
        source = Source(_read_traces(Path(folder), traces))
        try:
            return _report(source, inf if days is None else days)
        finally:
            source.close()


def _report(source: Source, days: float) -> int:
    pasts = [(cluster, until, _past(source, cluster, until, days)) for cluster, until in _known(source)]
    lines = []
    with progress(sum(len(ASKED) * len(past.queues) for *_, past in pasts), "asking the past") as say:
        for cluster, until, past in pasts:
            for line in _lines(cluster, past, until, days):
                lines.append(line)
                say(1, f"{cluster.name} {line.queue}")
    for words in text_table(HEADS, [line.cells() for line in lines if line.found.tried or line.found.declined]):
        click.echo(words)
    return 0 if any(line.found.tried for line in lines) else 1


def _known(source: Source) -> Iterator[tuple[Cluster, int]]:
    """The clusters of which something is known, and until when."""
    for cluster in source.clusters():
        extent = source.explorer.extent((cluster,)) if cluster.id is not None else None
        if extent is not None:
            yield cluster, extent[1]


def _past(source: Source, cluster: Cluster, until: int, days: float) -> Past:
    return waits_since(source, cluster, max(0, int(until - min(days, until / DAY) * DAY) - DAYS * DAY))


def _lines(cluster: Cluster, past: Past, until: int, days: float) -> Iterator[Line]:
    for queue, waits in sorted(past.queues.items()):
        for waited in ASKED:
            answers = tried(waits, until, waited, days)
            yield Line(cluster.name, queue, waited, answers, record(answers))


def text_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of a table, each column as wide as it has to be."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for row in (heads, *rows):
        yield safe_text("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _read_traces(folder: Path, traces: Sequence[Path]) -> Settings:
    """A store in this folder with a cluster for each trace, named after its file, and the settings that say so.

    The collector's own command fills it: nothing else may write a store.
    """
    names = [f"{number}-{re.sub('[^A-Za-z0-9]+', '-', path.stem).strip('-')}" for number, path in enumerate(traces, 1)]
    config = folder / "webstat.toml"
    tables = [f"[store]\nurl = {json.dumps(f'sqlite:///{folder}/store.sqlite')}\n"]
    tables += [f'[[cluster]]\nname = {json.dumps(name)}\nagent = "tcp://127.0.0.1:1"\n' for name in names]
    config.write_text("\n".join(tables), encoding="utf-8")
    for name, path in zip(names, traces, strict=True):
        importing = [sys.executable, "-m", "collector", "--config", config, "import-accounting", name, path.resolve()]
        subprocess.run([*importing, "--timezone", "UTC"], cwd=Path(__file__).parents[2], check=False)
    return load_settings(config)
