"""Facts of the clusters and their store, for Prometheus: read as pages read them, once a report.

What a silent cluster had last is not told: a program would take it for what is.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from webstat.cache import Newest
from webstat.data import frames
from webstat.data.queries import store
from webstat.data.queries.waiting import load_waiting_counted
from webstat.data.source import Source
from webstat.data.waiting import unknown_texts
from webstat.errors import WebError
from webstat.format import HOUR
from webstat.health import ORDER, Cluster, State, health

log = logging.getLogger(__name__)

MOST_QUEUES, MOST_OUTCOMES, LONGEST_NAME = 200, 20, 80
OTHER = "other"
"""What is more than that is summed under this name."""
AGAIN_SECONDS = 300
"""Sums of the last hour and day are made anew after so long, also where no report comes."""

GAUGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "webstat_store_up": ("1 if the store can be read, else 0; then nothing of clusters is told", ()),
    "webstat_store_bytes": ("Size of the store, SQLite's write-ahead log included", ()),
    "webstat_store_disk_free_bytes": ("Room left on the disk of an SQLite store", ()),
    "webstat_clusters": ("Clusters that pages show", ()),
    "webstat_cluster_up": ("1 if what is shown of the cluster is the present, else 0", ("cluster",)),
    "webstat_cluster_state": ("1 for the state the cluster is known in, 0 for others", ("cluster", "state")),
    "webstat_cluster_report_age_seconds": ("Age of the newest report", ("cluster",)),
    "webstat_cluster_report_number": ("Number of the newest report", ("cluster",)),
    "webstat_cluster_report_warnings": ("Warnings in the newest report", ("cluster",)),
    "webstat_cluster_poll_failures": ("Polls that failed in a row, 0 after one that did not", ("cluster",)),
    "webstat_cluster_poll_seconds": ("How long the last poll took, from asking to answer", ("cluster",)),
    "webstat_cluster_query_seconds": ("How long the scheduler's commands took for the newest report", ("cluster",)),
    "webstat_cluster_period_seconds": ("Pause between two polls that is in force", ("cluster",)),
    "webstat_cluster_pause_seconds": ("Pause between the last poll and the next, back-off included", ("cluster",)),
    "webstat_cluster_polls_24h": ("Polls of the last 24 hours by outcome: new, same, or an error's code", ("cluster", "outcome")),
    "webstat_cluster_command_rounds_1h": ("Rounds of scheduler commands in the last hour", ("cluster",)),
    "webstat_cluster_command_seconds_1h": ("Seconds that these commands took", ("cluster",)),
    "webstat_cluster_command_budget_ratio": ("Share of the time that they may take; not told without a limit", ("cluster",)),
    "webstat_cluster_cores_installed": ("Cores of all nodes", ("cluster",)),
    "webstat_cluster_cores": ("Cores by what they do: in_use, free, reserved, offline, blocked", ("cluster", "state")),
    "webstat_cluster_gpus_installed": ("GPUs of all nodes", ("cluster",)),
    "webstat_cluster_gpus_free": ("GPUs that are free on nodes that take work", ("cluster",)),
    "webstat_cluster_nodes": ("Nodes by state", ("cluster", "state")),
    "webstat_cluster_jobs_unknown_reason": ("Waiting jobs with a text that webstat does not know", ("cluster",)),
    "webstat_cluster_jobs": ("Jobs by queue and state", ("cluster", "queue", "state")),
}  # fmt: skip
"""Name -> what it is, and its labels."""


@dataclass
class Numbers:
    """Sums, by metric and the values of its labels."""

    sums: Counter[tuple[str, tuple[str, ...]]] = field(default_factory=Counter)

    def add(self, name: str, value: float | None, *labels: str) -> None:
        """Add a value; None is not known, and told by silence."""
        if value is not None:
            self.sums[name, tuple(label(one) for one in labels)] += value  # type: ignore[assignment]


class Facts(Collector):
    """The store's facts, as prometheus_client collects them; never raises."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._kept = Newest()

    def describe(self) -> list[GaugeMetricFamily]:
        """The families without values, so that nothing is read when this is registered."""
        return [GaugeMetricFamily(name, words, labels=labels) for name, (words, labels) in GAUGES.items()]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """What there is now; only webstat_store_up where the store is away."""
        try:
            numbers = self._all(time.time())
        except WebError as error:
            log.debug("no facts for metrics error=%s", error)
            numbers = Numbers(Counter({("webstat_store_up", ()): 0}))
        families = {family.name: family for family in self.describe()}
        for (name, labels), value in numbers.sums.items():
            families[name].add_metric(labels, value)
        yield from (family for family in families.values() if family.samples)

    def _all(self, now: float) -> Numbers:
        numbers, clusters = Numbers(), self._source.clusters()
        size = self._source.ask(store.load_bytes)  # raises where there is no store yet
        numbers.add("webstat_store_up", 1)
        numbers.add("webstat_store_bytes", size)
        file = self._source.settings.store.file
        if file is not None:
            numbers.add("webstat_store_disk_free_bytes", shutil.disk_usage(file.parent).free)
        numbers.add("webstat_clusters", len(clusters))
        for cluster in clusters:
            state = health(cluster, now).state
            _of_now(numbers, cluster, state, now)
            stamp = (cluster.report, cluster.attempted_at, cluster.failures, state, int(now // AGAIN_SECONDS))
            try:
                kept = self._kept.get(
                    cluster.name, stamp, lambda one=cluster, how=state: self._of_report(one, how, now)
                )
            except WebError:
                raise
            except Exception:  # the others are told all the same
                log.exception("no facts for metrics cluster=%s", cluster.name)
            else:
                numbers.sums.update(kept.sums)
        return numbers

    def _of_report(self, cluster: Cluster, state: State, now: float) -> Numbers:
        numbers = Numbers()
        if cluster.id is None:
            return numbers
        _polls(numbers, cluster, self._source, now)
        if health(cluster, now).stale:
            return numbers
        _capacity(numbers, cluster, self._source.capacity(cluster))
        waits = self._source.read(load_waiting_counted, cluster.id, stamp=cluster.report)
        numbers.add("webstat_cluster_jobs_unknown_reason", int(unknown_texts(waits).sum()), cluster.name)
        totals, queues = self._source.totals(cluster), self._source.queues(cluster)
        jobs: Counter[tuple[str, str]] = Counter(
            {(name, state): 0 for name in queues["name"] for state in ("running", "queued")}
        )
        for queue, what, count in totals[["queue", "state", "jobs"]].itertuples(index=False):
            jobs[queue, what] += int(count)
        of_queue: Counter[str] = Counter()
        for (queue, _), count in jobs.items():
            of_queue[queue] += count
        own = {name for name, _ in of_queue.most_common(MOST_QUEUES)}
        for (queue, what), count in jobs.items():
            numbers.add("webstat_cluster_jobs", count, cluster.name, queue if queue in own else OTHER, what)
        return numbers


def label(name: str) -> str:
    """A name from outside as the value of a label: of bounded length, printable, in Unicode that can be written."""
    short = name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
    return "".join(one if one.isprintable() else "\ufffd" for one in short)


def _of_now(numbers: Numbers, cluster: Cluster, state: State, now: float) -> None:
    name = cluster.name
    numbers.add("webstat_cluster_up", int(not health(cluster, now).stale), name)
    for one in ORDER:
        numbers.add("webstat_cluster_state", int(one is state), name, one.value)
    numbers.add("webstat_cluster_period_seconds", cluster.period_seconds, name)
    if cluster.load_share:
        numbers.add("webstat_cluster_command_budget_ratio", cluster.load_share, name)
    numbers.add("webstat_cluster_poll_failures", cluster.failures, name)
    numbers.add("webstat_cluster_report_number", cluster.report, name)
    if cluster.taken_at is not None:
        numbers.add("webstat_cluster_report_age_seconds", max(0.0, now - cluster.taken_at), name)
        numbers.add("webstat_cluster_report_warnings", len(cluster.warnings), name)
    numbers.add("webstat_cluster_query_seconds", cluster.query_seconds, name)
    if cluster.attempted_at is not None and cluster.next_poll_at is not None:
        numbers.add("webstat_cluster_pause_seconds", cluster.next_poll_at - cluster.attempted_at, name)


def _polls(numbers: Numbers, cluster: Cluster, source: Source, now: float) -> None:
    polls = source.polls(cluster, now)
    brought = polls["report"].notna()
    codes = polls["error_code"]
    outcomes = codes.where(codes.notna(), brought.map({True: "new", False: "same"})).value_counts()
    for place, (outcome, count) in enumerate(outcomes.items()):
        told = str(outcome) if place < MOST_OUTCOMES else OTHER
        numbers.add("webstat_cluster_polls_24h", int(count), cluster.name, told)
    rounds = polls[polls["query_seconds"].notna() & (polls["at"] > now - HOUR)]
    numbers.add("webstat_cluster_command_rounds_1h", len(rounds), cluster.name)
    numbers.add("webstat_cluster_command_seconds_1h", float(rounds["query_seconds"].sum()), cluster.name)
    if len(polls):
        numbers.add("webstat_cluster_poll_seconds", float(polls["seconds"].iloc[-1]), cluster.name)


def _capacity(numbers: Numbers, cluster: Cluster, capacity: frames.Capacity) -> None:
    name = cluster.name
    parts: Sequence[tuple[str, int | None]] = [("in_use", capacity.in_use)]
    if capacity.installed is not None:
        numbers.add("webstat_cluster_cores_installed", capacity.installed, name)
        numbers.add("webstat_cluster_gpus_installed", capacity.gpus, name)
        numbers.add("webstat_cluster_gpus_free", capacity.gpus_free, name)
        rest = {one: getattr(capacity, one) for one in ("free", "reserved", "offline", "blocked")}
        parts = [*parts, *rest.items()]
    for state, cores in parts:
        numbers.add("webstat_cluster_cores", cores, name, state)
    for state, nodes in capacity.node_states.items():
        numbers.add("webstat_cluster_nodes", nodes, name, state)
