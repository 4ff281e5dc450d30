"""Where buckets of time begin and end, in the zone of who asks, across clock changes. Pure."""

from __future__ import annotations

from datetime import date, datetime, timedelta, tzinfo

import numpy as np

HOUR, DAY = 3600, 86400

STEPS = {"hour": HOUR, "day": DAY, "week": 7 * DAY, "month": 30 * DAY}
"""Steps and their usual seconds."""

MOST_BUCKETS = 1200
"""More cannot be drawn."""

_FINEST = ((3 * DAY, "hour"), (100 * DAY, "day"), (800 * DAY, "week"))
"""Up to which length which step is taken where none is asked for."""


def usual_step(since: int, until: int) -> str:
    """The step for a range where none is asked for."""
    return next((step for longest, step in _FINEST if until - since <= longest), "month")


def fitting_steps(since: int, until: int) -> tuple[str, ...]:
    """The steps that divide a range into a number of buckets that can be drawn."""
    return tuple(
        step for step, size in STEPS.items() if (until - since) / size <= MOST_BUCKETS and size <= until - since
    )


def start_of(at: float, step: str, zone: tzinfo) -> int:
    """First second of the hour, day, week (Monday) or month that `at` is in, by `zone`."""
    moment = datetime.fromtimestamp(at, zone)
    if step == "hour":  # whole hours of the clock, which some zones have at the half hour
        return int(at) - (int(at) + _offset(moment)) % HOUR
    day = datetime(moment.year, moment.month, moment.day, tzinfo=zone)
    if step == "week":
        day -= timedelta(days=day.weekday())
    elif step == "month":
        day = day.replace(day=1)
    return _first_second(day)


def midnight(day: date, zone: tzinfo) -> int:
    """First second of a local day."""
    return start_of(datetime(day.year, day.month, day.day, 12, tzinfo=zone).timestamp(), "day", zone)


def after(start: int, step: str, zone: tzinfo) -> int:
    """First second of the bucket after the one that begins at `start`."""
    if step == "hour":
        return start + HOUR
    # Far enough into the next bucket, whatever the clocks do, and never beyond it.
    return start_of(start + {"day": 36 * HOUR, "week": 8 * DAY, "month": 40 * DAY}[step], step, zone)


def edges(since: int, until: int, step: str, zone: tzinfo) -> np.ndarray:
    """`since`, the beginnings of buckets between, `until`; int64, at least two. Both ends are kept to the second."""
    found = [since]
    at = after(start_of(since, step, zone), step, zone)
    while at < until:
        if at > found[-1]:
            found.append(at)
        at = after(at, step, zone)
    return np.array([*found, max(until, since + 1)], dtype=np.int64)


def month_edges(since: int, until: int) -> np.ndarray:
    """The beginnings of the UTC months that touch [since, until), and of the one after them."""
    first = np.datetime64(since, "s").astype("datetime64[M]")
    last = np.datetime64(max(until - 1, since), "s").astype("datetime64[M]")
    return np.arange(first, last + 2).astype("datetime64[s]").astype(np.int64)


def months_before(month: int, number: int) -> int:
    """First second of the UTC month that lies so many months before one."""
    return int((np.datetime64(month, "s").astype("datetime64[M]") - number).astype("datetime64[s]").astype(np.int64))


def _first_second(day: datetime) -> int:
    """Of a local day; where midnight does not exist, the first second after it."""
    at = int(day.timestamp())
    while datetime.fromtimestamp(at, day.tzinfo).date() < day.date():  # clocks that are set forward at midnight
        at += 900
    return at


def _offset(moment: datetime) -> int:
    offset = moment.utcoffset()
    return 0 if offset is None else int(offset.total_seconds())
