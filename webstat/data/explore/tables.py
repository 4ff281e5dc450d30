"""What stands below the chart: hours of the week, mixes of jobs, waits by queue and size, nodes in service.

All are of the question's range and filters; its metric and cut matter to none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, tzinfo

import numpy as np
import pandas as pd

from collector.columns import Numbers
from webstat.data.explore import buckets
from webstat.data.explore.answer import known_share
from webstat.data.explore.cut import CLASSES, Product
from webstat.data.explore.explorer import EVERYTHING, Asked, Explorer
from webstat.data.explore.metrics import HOUR, divided
from webstat.data.explore.quantiles import QUANTILES

MOST_WEEK_SECONDS = 100 * buckets.DAY
LONG_WEEK_SECONDS = 31 * buckets.DAY
"""Of a longer range, the hours of the week are those of its last so many days; of one with very many jobs, fewer."""


@dataclass(frozen=True)
class Week:
    """Mean utilisation by weekday (Monday first) and hour of the day, float64 (7, 24), NaN where nothing is usable.

    `since` is where the range that it is of begins, which may be later than the question's.
    """

    since: int
    shares: Numbers


def week(explorer: Explorer, asked: Asked) -> Week:
    """When the clusters are full."""
    since = max(asked.since, asked.until - (MOST_WEEK_SECONDS if asked.exact else LONG_WEEK_SECONDS))
    zone = asked.question.zone
    edges = buckets.edges(buckets.start_of(since, "hour", zone), asked.until, "hour", zone)
    if not asked.exact:
        asked = replace(asked, exact=True, edges=edges, question=asked.question.changed(compare=False))
    counter = explorer.counter(asked, int(edges[0]), ("core_seconds",), ())
    used = counter.measured(EVERYTHING, edges, ("core_seconds",))["core_seconds"][0]
    usable = explorer.capacity(asked, edges)["usable"].to_numpy()
    known = (usable > 0) & (_known(explorer, asked, edges) > 0.5)
    places = _hours_of_week(edges[:-1], zone)[known]
    work = np.bincount(places, weights=used[known], minlength=168)
    room = np.bincount(places, weights=np.maximum(usable, used)[known], minlength=168)
    return Week(since, divided(work, room).reshape(7, 24))


def _known(explorer: Explorer, asked: Asked, edges: Numbers) -> Numbers:
    return known_share(explorer.stretches(asked, int(edges[0]), int(edges[-1])), asked, edges)


def _hours_of_week(starts: Numbers, zone: tzinfo) -> Numbers:
    """Hours since Monday midnight of the local clock, of the beginnings of hours."""
    days: dict[int, int] = {}
    found = []
    for at in starts.tolist():  # the distance from UTC changes at whole hours of UTC days at most a few times a year
        hour = at // 3600
        if hour not in days:
            moment = datetime.fromtimestamp(at, zone)
            days[hour] = moment.weekday() * 24 + moment.hour
        found.append(days[hour])
    return np.array(found, dtype=np.int64)


def mix(explorer: Explorer, asked: Asked, by: str) -> pd.DataFrame:
    """What jobs of each class of a cut came to: key int64, name, word str, core_hours, ended, share float64; all classes."""
    edges = asked.edges[[0, -1]]
    names = ("core_seconds", "ended")
    counter = explorer.counter(asked, asked.since, names, (by,))
    cut = counter.cut(by, asked.since, asked.until, names)
    found = {name: numbers[:, 0] for name, numbers in counter.measured(cut, edges, names).items()}
    places = {key: row for row, key in enumerate(cut.keys)}

    def told(name: str) -> Numbers:
        return np.array([found[name][places[key]] if key in places else 0.0 for key in CLASSES[by]])

    core_hours = told("core_seconds") / HOUR
    return pd.DataFrame(
        {
            "key": np.array(list(CLASSES[by]), dtype=np.int64),
            "name": pd.Series([words for _, words in CLASSES[by].values()], dtype="str"),
            "word": pd.Series([word for word, _ in CLASSES[by].values()], dtype="str"),
            "core_hours": core_hours,
            "ended": told("ended"),
            "share": divided(core_hours, core_hours.sum()),
        }
    )


def waits(explorer: Explorer, asked: Asked) -> pd.DataFrame:
    """How long jobs waited, by cluster, queue and size: a row each where jobs started, in this order.

    cluster, cluster_word, queue, size, size_word str (cluster as in addresses, size in words), jobs int64, wait_half,
    wait_75, wait_most (90 %), wait_95 float64 (seconds).
    """
    edges = asked.edges[[0, -1]]
    cuts = ("cluster", "queue", "size")
    counter = explorer.counter(asked, asked.since, ("started",), cuts)
    product = Product(tuple(counter.cut(by, asked.since, asked.until, ("started",)) for by in cuts))
    found, counts = counter.distributed(product, edges, "wait", QUANTILES)
    some = np.flatnonzero(counts[:, 0])
    places = np.unravel_index(some, tuple(cut.size for cut in product.cuts))
    columns = [
        explorer.names(asked, by, [cut.keys[place] for place in places[number]])
        for number, (by, cut) in enumerate(zip(cuts, product.cuts, strict=True))
    ]
    sizes = [product.cuts[2].keys[place] for place in places[2]]
    return pd.DataFrame(
        {
            "cluster": pd.Series(columns[0], dtype="str"),
            "cluster_word": pd.Series(
                explorer.words(asked, "cluster", [product.cuts[0].keys[place] for place in places[0]]), dtype="str"
            ),
            "queue": pd.Series(columns[1], dtype="str"),
            "size": pd.Series([CLASSES["size"][key][0] for key in sizes], dtype="str"),
            "size_word": pd.Series(columns[2], dtype="str"),
            "jobs": counts[some, 0].astype(np.int64),
            "wait_half": found[some, 0, 0],
            "wait_75": found[some, 0, 1],
            "wait_most": found[some, 0, 2],
            "wait_95": found[some, 0, 3],
        }
    )


def nodes(explorer: Explorer, asked: Asked) -> pd.DataFrame:
    """Nodes in and out of service by bucket, means: at int64, up, offline, down float64, NaN where not known."""
    frame = explorer.capacity(asked, asked.edges)
    seconds = np.diff(asked.edges)
    known = (frame["nodes"].to_numpy() > 0) & (_known(explorer, asked, asked.edges) > 0)
    out = {name: frame[f"nodes_{name}"].to_numpy() / seconds for name in ("offline", "down")}
    up = frame["nodes"].to_numpy() / seconds - out["offline"] - out["down"]
    columns = {"up": up, **out}
    return pd.DataFrame(
        {"at": asked.edges[:-1], **{name: np.where(known, numbers, np.nan) for name, numbers in columns.items()}}
    )
