"""How well a cluster is known: live, late, partial, silent, refused or never seen. Pure.

What the states look like is components/states.py; what is asked of an admin is said here, in words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from webstat.format import When, duration, shorten

LATE_AFTER = 2.5
"""A report older than this many intervals is late; a longer silence between two reports is a gap."""

SILENT_AFTER_FAILURES = 3
REFUSED_CODES = frozenset({"refused", "protocol", "keys"})
SCHEDULERS = {"openpbs": "OpenPBS", "torque": "TORQUE", "slurm": "Slurm"}
LISTINGS = {"jobs": "qstat", "nodes": "pbsnodes", "queues": "qstat -Q"}


class State(StrEnum):
    """How well a cluster is known; from best to worst."""

    LIVE = "live"
    PARTIAL = "partial"
    LATE = "late"
    NEW = "new"
    REFUSED = "refused"
    SILENT = "silent"


ORDER = tuple(State)
STALE = frozenset({State.SILENT, State.REFUSED, State.NEW})
"""States in which what is shown is the past."""


@dataclass(frozen=True)
class Warning:  # noqa: A001 - the store's own word
    """Something of the newest report that could not be read."""

    source: str
    message: str


@dataclass(frozen=True)
class Cluster:
    """One cluster as the settings name it and the store knows it; times unix seconds UTC.

    `id` is None and `report` 0 while the store does not know it. `period_seconds` is what lies between two polls, longer than
    was wished where the scheduler's commands would take more than `load_share` of the time; None or 0 for no limit.
    """

    name: str
    title: str
    demo: bool = False
    id: int | None = None
    period_seconds: int = 60
    wished_seconds: int | None = None
    load_share: float | None = None
    scheduler_kind: str | None = None
    scheduler_version: str | None = None
    report: int = 0
    taken_at: float | None = None
    query_seconds: float | None = None
    query_parts: tuple[tuple[str, float], ...] = ()
    warnings: tuple[Warning, ...] = ()
    partial: tuple[str, ...] = ()
    failures: int = 0
    error_code: str | None = None
    error: str | None = None
    attempted_at: float | None = None
    next_poll_at: float | None = None

    @property
    def wished(self) -> int:
        """The shortest time between two polls, as webstat.toml has it."""
        return self.wished_seconds or self.period_seconds

    @property
    def scheduler(self) -> str:
        """`OpenPBS 23.06.06`, `TORQUE`, or nothing before the first report."""
        kind = SCHEDULERS.get(self.scheduler_kind or "", self.scheduler_kind or "")
        return " ".join(word for word in (kind, shorten(self.scheduler_version or "", 16)) if word)


@dataclass(frozen=True)
class Health:
    """The state of a cluster and the sentence about it: what is the matter, then what would help."""

    state: State
    matter: str = ""
    rest: tuple[str | When, ...] = ()

    @property
    def stale(self) -> bool:
        """Whether numbers are said in the past tense and greyed."""
        return self.state in STALE


def health(cluster: Cluster, now: float) -> Health:
    """Judge a cluster at `now`."""
    if cluster.report == 0 or cluster.taken_at is None:
        return _unseen(cluster)
    age = now - cluster.taken_at
    if cluster.failures and cluster.error_code in REFUSED_CODES:
        return Health(State.REFUSED, *_refusal(cluster, _state_below(cluster)))
    if cluster.failures >= SILENT_AFTER_FAILURES:
        matter, cause = _failure(cluster)
        return Health(State.SILENT, matter, (cause, *_state_below(cluster), *_next_try(cluster, now)))
    if age > max(10 * cluster.period_seconds, 600):
        rest = (" The last report is from ", When(cluster.taken_at, "clock"), "; the collector has brought none since.")
        return Health(State.SILENT, "Not asked.", rest)
    if cluster.failures:
        matter, cause = _failure(cluster)
        times = "The last poll" if cluster.failures == 1 else f"The last {cluster.failures} polls"
        rest = (f" {times} failed: {matter[0].lower()}{matter[1:]}{cause}", *_next_try(cluster, now))
        return Health(State.LATE, "Late.", rest)
    if age > LATE_AFTER * cluster.period_seconds:
        every = duration(cluster.period_seconds)
        rest = (" The last report is ", When(cluster.taken_at, "age"), f" old (expected every {every}).")
        return Health(State.LATE, "Late.", rest)
    if cluster.partial:
        return Health(State.PARTIAL, *_partial(cluster))
    return Health(State.LIVE)


def _unseen(cluster: Cluster) -> Health:
    if not cluster.failures:
        every = duration(cluster.period_seconds)
        return Health(
            State.NEW, "No report yet.", (f" The collector asks every {every}; the first answer appears here.",)
        )
    nothing = (" Never seen yet, so there is nothing to show.",)
    if cluster.error_code in REFUSED_CODES:
        return Health(State.REFUSED, *_refusal(cluster, nothing))
    matter, cause = _failure(cluster)
    check = " Admin: “python -m collector check” tells what to do."
    return Health(State.SILENT, matter, (cause, check, *nothing))


def _failure(cluster: Cluster) -> tuple[str, str]:
    code, words = cluster.error_code or "", shorten(cluster.error or "", 160)
    said = f" “{words}”" if words else ""
    if code == "silent":
        return "Does not answer", " (timeout)."
    if code == "command_missing":
        return "Its agent finds no scheduler command.", said
    if code in ("command_failed", "command_timeout", "output_too_large"):
        return "The scheduler does not answer its agent.", said
    if code in ("parse", "malformed", "too_large"):
        return "Its answer could not be read.", said
    return "The poll failed.", said


def _refusal(cluster: Cluster, then: tuple[str | When, ...]) -> tuple[str, tuple[str | When, ...]]:
    said = f" “{shorten(cluster.error or '', 160)}”." if cluster.error else ""
    if cluster.error_code == "protocol":  # its words say which side is to be upgraded
        return "Its agent speaks another protocol.", (said or " Admin: upgrade agent and collector.", *then)
    if cluster.error_code == "keys":
        return "Its keys cannot be used.", (said or " Admin: “python -m collector check” tells why.", *then)
    return "Its agent refuses our key.", (" Admin: on the agent’s host, allow the collector’s public key.", *then)


def _state_below(cluster: Cluster) -> tuple[str | When, ...]:
    return (" Below is its state at ", When(cluster.taken_at or 0, "clock"), ".")


def _next_try(cluster: Cluster, now: float) -> tuple[str | When, ...]:
    if cluster.next_poll_at is None or cluster.next_poll_at <= now:
        return ()
    return (" Next try in ", When(cluster.next_poll_at, "until"), ".")


def _partial(cluster: Cluster) -> tuple[str, tuple[str | When, ...]]:
    missing = [part for part in ("jobs", "nodes", "queues") if part in cluster.partial]
    current = [part for part in ("jobs", "nodes", "queues") if part not in cluster.partial]
    incomplete = f"{_and(missing)} are incomplete."
    matter = f"{_and(current)} are current, {incomplete}" if current else incomplete
    commands = [LISTINGS[part] for part in missing]
    told = [
        w for w in cluster.warnings if any(w.source.startswith(command) for command in commands)
    ] or cluster.warnings
    words = f" {shorten(told[0].source, 40)}: “{shorten(told[0].message, 120)}”." if told else ""
    return matter[0].upper() + matter[1:], (f"{words} What was known of the rest is kept.",)


def _and(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def worst(states: Iterable[State]) -> State:
    """The state that a headline over several clusters must name."""
    return max(states, key=ORDER.index, default=State.LIVE)


def collector_is_missing(clusters: Sequence[Cluster], connected: bool, now: float) -> bool:
    """Whether the collector does not run: it does not announce, and every poll is overdue.

    `connected` is whether the announcement socket has a peer; a page that cannot reach that socket
    still sees polls arrive in the store, so one alone is no proof.
    """
    if connected:
        return False
    return all(cluster.next_poll_at is None or cluster.next_poll_at + 15 < now for cluster in clusters)


def stamp(cluster: Cluster, now: float) -> str:
    """What a page about this cluster was made from; it is drawn again when this changes."""
    trouble = f"-{cluster.failures}-{int(cluster.next_poll_at or 0)}" if cluster.failures else ""
    return f"{cluster.report}-{health(cluster, now).state.value}{trouble}"


COLLECTOR = ""
"""The key under which stamps() says whether the collector runs; no cluster has an empty name."""


def stamps(clusters: Sequence[Cluster], connected: bool, now: float) -> dict[str, str]:
    """The stamp of every cluster, and of the collector: what the whole site was drawn from."""
    collector = "missing" if collector_is_missing(clusters, connected, now) else "there"
    return {COLLECTOR: collector, **{cluster.name: stamp(cluster, now) for cluster in clusters}}
