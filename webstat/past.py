"""A past moment in an address (`?at=<unix seconds>`): which one is asked for, how exactly it is known, and links that stay at it.

What was at that moment is data/source.py's; the bar that shows it, components/time_machine.py's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from urllib.parse import parse_qsl

from dash.development.base_component import Component

from webstat.data.queries.known_then import How, Then
from webstat.data.source import Source
from webstat.errors import NoMoment
from webstat.format import MINUTE, clock, duration, shorten, utc
from webstat.health import LATE_AFTER, Cluster

AT = "at"
"""The word of the query that names a moment."""

WITHOUT_MOMENT = ("/history", "/health", "/api")
"""Addresses that take no moment, nor what is below them: a range of time is theirs to name, or they are of now."""

LOST = (
    "Of the past the store keeps jobs, nodes and queues. Not kept, and so not shown, are the scheduler’s own words and "
    "estimates, its reservations and limits, who held a job, what it depended on, and the CPU time and memory it had used."
)


def asked(query: Mapping[str, str], now: float) -> int | None:
    """The moment that an address asks for, unix seconds; None for the present. Raises NoMoment."""
    text = query.get(AT)
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise NoMoment(
            f"“{shorten(text, 40)}” is no moment: {AT} is in unix seconds, e.g. {AT}={int(now) // 3600 * 3600}."
        )
    if int(text) > now:
        raise NoMoment(f"{_day(int(text))} has not come yet.")
    return int(text)


def _day(at: int) -> str:
    try:
        return utc(at)
    except (OverflowError, OSError, ValueError):
        return "That moment"


def look(source: Source, query: Mapping[str, str], now: float) -> tuple[Source, float]:
    """What an address asks: the store, or it as it was, and the second for which ages are told.

    Raises NoMoment, StoreEmpty, StoreBroken.
    """
    at = asked(query, now)
    return (source, now) if at is None else (source.at(at, now), float(at))


def how_exact(known: Sequence[tuple[Cluster, Then]], at: int, zone: tzinfo) -> str:
    """How exactly clusters are known at a moment, in words without a full stop; empty where none is."""
    by_report = [one for one in known if one[1].how is How.REPORT and not _in_gap(*one, at)]
    told = [one for one in known if one[1].how is How.TOLD]
    words = []
    if by_report:
        times = sorted({_second(then.taken_at, zone) for _, then in by_report})
        polls = f"poll of {times[0]}" if len(times) == 1 else f"polls of {times[0]}–{times[-1]}"
        slowest = max((cluster for cluster, _ in by_report), key=lambda cluster: cluster.period_seconds)
        words.append(f"{_names(by_report, known)}exact to {_period(slowest)} ({polls})")
    if told:
        words.append(f"{_names(told, known)}jobs exact to the second, as a later report told")
        before = max((then.before for _, then in told if then.before is not None), default=None)
        words[-1] += "" if before is None else f", nodes and queues as at {clock(before, zone, at)}"
    for cluster, then in known:
        if then.how is How.KEPT:
            words.append(f"{_name(cluster, known)}exact to {_period(cluster)}; its polls of then are kept no longer")
        elif then.how is How.LOG:
            words.append(
                f"{_name(cluster, known)}jobs from accounting logs only; its nodes and queues then are not known"
            )
        elif then.how is How.REPORT and _in_gap(cluster, then, at):
            words.append(f"{_name(cluster, known)}{_gap(then, at, zone)}")
    return "; ".join(words)


def _period(cluster: Cluster) -> str:
    return "the minute" if cluster.period_seconds <= MINUTE else duration(cluster.period_seconds)


def _in_gap(cluster: Cluster, then: Then, at: int) -> bool:
    return at - then.taken_at > LATE_AFTER * cluster.period_seconds


def _gap(then: Then, at: int, zone: tzinfo) -> str:
    last = f"what was last known, at {clock(then.taken_at, zone, at)}"
    if then.after is None:
        return f"no report since, so {last}"
    return f"in a gap of {duration(then.after - then.taken_at)}: {last}"


def _second(at: float, zone: tzinfo) -> str:
    return f"{datetime.fromtimestamp(at, zone):%H:%M:%S}"


def _name(cluster: Cluster, known: Sequence[object]) -> str:
    return f"{cluster.title}: " if len(known) > 1 else ""


def _names(some: Sequence[tuple[Cluster, Then]], known: Sequence[object]) -> str:
    return "" if len(some) == len(known) else ", ".join(cluster.title for cluster, _ in some) + ": "


def at_moment(href: str, at: int) -> str:
    """An address of this site at a moment; one that names a moment already, or none of the past, stays as it is."""
    rest, mark, part = href.partition("#")
    path, _, query = rest.partition("?")
    without = any(path == one or path.startswith(f"{one}/") for one in WITHOUT_MOMENT)
    if not path.startswith("/") or without or AT in dict(parse_qsl(query)):
        return href
    return f"{path}?{query}&{AT}={at}{mark}{part}" if query else f"{path}?{AT}={at}{mark}{part}"


def stay_at(body: Iterable[object], at: int) -> None:
    """Make every link of a drawing lead to its page at that moment, and every address that is copied name it."""
    for one in _components(body):
        for name in ("href", "data-copy"):
            if isinstance(value := getattr(one, name, None), str):
                setattr(one, name, at_moment(value, at))


def _components(body: Iterable[object]) -> Iterator[Component]:
    for one in body:
        if isinstance(one, Component):
            yield one
            yield from (inner for inner in one._traverse() if isinstance(inner, Component))
