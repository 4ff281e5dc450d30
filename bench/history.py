"""The history explorer on a store of years (`make bench-store`), side by side with DuckDB on the same jobs.

A view is one card: the chart with its table and numbers, the hours of the week, the mix of sizes, waits by queue and size.
Questions are drawn from one seed; the page's own memory of answers is not used, that of columns is, as in a server that
has run for a while.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench import duck
from collector.settings import Settings
from webstat.data.explore import tables
from webstat.data.explore.answer import answer
from webstat.data.explore.cut import NAMES
from webstat.data.explore.explorer import Asked
from webstat.data.explore.metrics import METRICS
from webstat.data.explore.question import read
from webstat.data.source import Source
from webstat.memory import keep_freed

STORE = Path(os.environ.get("BENCH_PATH", "var/bench-5y")) / "store.sqlite"
QUESTIONS = 40
TARGETS = {"1 month": 150, "5 years": 400}
"""Milliseconds that 95 of 100 views take at most."""


def main() -> None:
    """Print how long views take, and how long DuckDB takes for the same."""
    if not STORE.exists():
        sys.exit(f"bench: there is no {STORE}; make it with: make bench-store")
    keep_freed()  # as the web process does
    source = Source(Settings.model_validate({"store": {"url": f"sqlite:///{STORE}"}}))
    connection = duck.load(STORE)
    until = int(max(cluster.taken_at or 0 for cluster in source.clusters()))
    for name, asks in (("1 month", months(until)), ("5 years", years())):
        ours: dict[str, list[float]] = {}
        theirs: dict[str, list[float]] = {}
        for words in asks:
            began = time.perf_counter()
            question, problems = read(words, until, UTC, [cluster.name for cluster in source.clusters()])
            assert not problems, problems
            asked = source.explorer.asked(question, source.clusters())
            ours.setdefault("asked", []).append(time.perf_counter() - began)
            for view, draw in views(source, asked).items():
                ours.setdefault(view, []).append(seconds(draw))
            for view, draw in queries(connection, asked).items():
                theirs.setdefault(view, []).append(seconds(draw))
        print(f"{name}: {len(ours['asked'])} questions (target: 95 of 100 views under {TARGETS[name]} ms)")
        every = [taken for view, times in ours.items() if view != "asked" for taken in times]
        print(f"  every view       {told(every)}")
        for view, times in ours.items():
            beside = f"   DuckDB {told(theirs[view])}" if view in theirs else ""
            print(f"  {view:16} {told(times)}{beside}")
    agree(source, connection, until)
    source.close()


def months(until: int) -> Iterator[dict[str, str]]:
    """A month somewhere in the five years, by everything."""
    rng = random.Random(7)
    metrics, cuts = list(METRICS), [*NAMES, "nothing"]
    for number in range(QUESTIONS):
        first = datetime.fromtimestamp(until, UTC) - timedelta(days=rng.randrange(31, 1790))
        last = first + timedelta(days=30)
        words = {"from": f"{first:%Y-%m-%d}", "to": f"{last:%Y-%m-%d}", "compare": rng.choice(("yes", "no"))}
        yield {**words, "metric": metrics[number % len(metrics)], "by": rng.choice(cuts)}


def years() -> Iterator[dict[str, str]]:
    """All five years, by everything."""
    rng = random.Random(8)
    metrics, cuts = list(METRICS), [*NAMES, "nothing"]
    for number in range(QUESTIONS):
        yield {"range": "5y", "compare": "no", "metric": metrics[number % len(metrics)], "by": rng.choice(cuts)}


def views(source: Source, asked: Asked) -> dict[str, Callable[[], Any]]:
    """What the cards of the page ask."""
    explorer = source.explorer
    return {
        "chart and table": partial(answer, explorer, asked),
        "hours of week": partial(tables.week, explorer, asked),
        "mix of sizes": partial(tables.mix, explorer, asked, "size"),
        "waits by queue": partial(tables.waits, explorer, asked),
        "nodes": partial(tables.nodes, explorer, asked),
    }


def queries(connection: Any, asked: Asked) -> dict[str, Callable[[], Any]]:
    """The nearest that one query of DuckDB tells: the chart alone, without its table; waits by queue."""
    edges, metric = asked.edges.tolist(), asked.question.metric
    by = {"group": "grp", "account": "account", "queue": "queue", "cluster": "cluster"}.get(
        asked.question.by or "", "user"
    )
    chart: Callable[[], Any] = partial(duck.core_hours, connection, edges, by)
    if metric in ("wait", "slowdown"):
        chart = partial(duck.waits, connection, edges)
    elif metric in ("submitted", "started", "ended"):
        chart = partial(duck.counts, connection, edges)
    elif metric in ("failed", "cpu-efficiency", "walltime-efficiency"):
        chart = partial(duck.ends, connection, edges)
    elif metric.startswith(("running", "queued")):
        chart = partial(duck.means, connection, edges)
    return {"chart and table": chart, "waits by queue": partial(duck.waits_by_size, connection, edges)}


def seconds(draw: Callable[[], Any]) -> float:
    """How long something takes."""
    began = time.perf_counter()
    draw()
    return time.perf_counter() - began


def told(times: list[float]) -> str:
    """Median and 95th percentile."""
    return f"median {median(times) * 1000:7.1f} ms, p95 {np.percentile(times, 95) * 1000:7.1f} ms"


def agree(source: Source, connection: Any, until: int) -> None:
    """Both count the same core-hours, but for runs before the last one and suspensions, which DuckDB is not told of."""
    words = {"range": "5y", "compare": "no", "by": "cluster"}
    question, _ = read(words, until, UTC, [cluster.name for cluster in source.clusters()])
    asked = source.explorer.asked(question, source.clusters())
    ours = answer(source.explorer, asked).all["core_hours"]
    theirs = float(duck.core_hours(connection, asked.edges.tolist(), "cluster")["core_hours"].sum())
    print(f"core-hours of five years: {ours:,.0f}; DuckDB {theirs:,.0f} ({ours / theirs - 1:+.2%})")


if __name__ == "__main__":
    main()
