"""How often forecasts of when a job starts held, as a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from webstat.answers.forecast import held_of, past_of
from webstat.api.v1.columns import AGE
from webstat.api.v1.sheets import Look, Sheet, columns_of
from webstat.api.v1.there import There, there
from webstat.health import Cluster

FORECASTS = ("cluster", "queue", "asked", "jobs", "held_50", "held_90", "recalibrated", "foretold", *AGE)


def forecasts(look: Look) -> Sheet:
    """Two rows a queue: past jobs asked about when they came, and when they had waited for an hour."""
    seen = there(look)
    rows = [row for one in seen.seen for row in _of_cluster(seen, one)]
    kept = [row for row in rows if seen.keeps("queue", row["queue"])]
    return Sheet(f"forecasts-{seen.moment}", seen.aged(columns_of(kept, FORECASTS)), seen.meta())


def _of_cluster(seen: There, cluster: Cluster) -> Iterator[dict[str, Any]]:
    for queue, both in held_of(past_of(seen.source, cluster)).items():
        for asked, found in zip(("first", "waiting"), both, strict=True):
            yield {
                "cluster": cluster.name,
                "queue": queue,
                "asked": asked,
                "jobs": found.tried,
                "held_50": found.held_half,
                "held_90": found.held,
                "recalibrated": found.most_share is not None,
                "foretold": not found.withheld,
            }
