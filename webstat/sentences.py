"""The most important sentence about a cluster that is live, and headline sentences over several. Pure.

What is the matter with one that is not live is health.py's to say.
"""

from __future__ import annotations

from collections.abc import Sequence

from webstat.data.frames import Capacity, Jobs
from webstat.format import When, number, plural

Sentence = tuple[str, str, tuple[str | When, ...]]
"""(tone, what is the matter, the rest)"""


def room(capacity: Capacity, jobs: Jobs) -> Sentence:
    """Whether there is room, and whether anybody waits for it."""
    if capacity.installed is None:
        tells = "The scheduler tells of no nodes" if not capacity.nodes else "The scheduler tells no cores of its nodes"
        return "warn", f"{tells}.", (" How many cores are free cannot be said.",)
    if not jobs.running and not jobs.queued:
        if capacity.free == capacity.installed:
            return "ok", "Nothing runs, nothing waits.", (f" All {number(capacity.installed)} cores are free.",)
        rest = f" {number(capacity.free)} of {number(capacity.installed)} cores {'is' if capacity.free == 1 else 'are'} free."
        return "ok", "Nothing runs, nothing waits.", (rest,)
    waits = _waits(jobs)
    if not capacity.free:
        return ("", "Full.", waits) if jobs.queued else ("", "Full.", (" Nothing waits.",))
    free = f"{_cores(capacity.free)} free"
    whole = f", {plural(capacity.whole_nodes, 'whole node')} among them" if capacity.whole_nodes else ""
    if jobs.queued:
        return "ok", f"{free}{whole}.", waits
    return "ok", f"{free}{whole}.", (" Nothing waits.",)


def _cores(count: int) -> str:
    return f"{plural(count, 'core')} {'is' if count == 1 else 'are'}"


def _waits(jobs: Jobs) -> tuple[str | When, ...]:
    count = f" {plural(jobs.queued, 'job')} {'waits' if jobs.queued == 1 else 'wait'}"
    if jobs.oldest_queued_at is None:
        return (f"{count}.",)
    return (f"{count}, the longest for ", When(jobs.oldest_queued_at, "age"), ".")


def answering(total: int, live: int) -> str:
    """Headline of the overview: `3 clusters, 2 answering`."""
    clusters = plural(total, "cluster")
    if live == total:
        return clusters
    return f"{clusters}, {number(live) if live else 'none'} answering"


def together(parts: Sequence[tuple[Capacity, Jobs]], left_out: Sequence[str]) -> tuple[str, str, str]:
    """Totals over the clusters that answer, in three pieces of which the second is the important one."""
    free = sum(capacity.free or 0 for capacity, _ in parts)
    installed = sum(capacity.installed or 0 for capacity, _ in parts)
    running = sum(jobs.running for _, jobs in parts)
    queued = sum(jobs.queued for _, jobs in parts)
    return (
        where(left_out),
        f"{plural(free, 'core')} free",
        (f" of {number(installed)}, {plural(running, 'job')} running, {number(queued)} queued."),
    )


def where(left_out: Sequence[str]) -> str:
    """What stands before totals over clusters: which ones are not in them."""
    return "Together: " if not left_out else f"Without {listed(left_out)}: "


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`, `a, b and 5 more`."""
    if len(words) > 3:
        return f"{', '.join(words[:2])} and {len(words) - 2} more"
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
