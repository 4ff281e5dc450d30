"""How long each level of history is kept: [retention] and a clock reading -> the seconds before which it goes. Pure.

What goes then, and how, is prune.py's.
"""

from __future__ import annotations

from dataclasses import dataclass

from collector.lives import month_of
from collector.rollup import DAY, day_of
from collector.settings import RetentionSettings


@dataclass(frozen=True, slots=True)
class Limits:
    """What was before these seconds is kept no longer, level by level; 0 keeps all.

    Jobs, spans and columns go by whole (UTC) months, sums by whole days.
    """

    spans: int = 0
    hours: int = 0
    days: int = 0
    polls: int = 0
    columns: int = 0


def limits_of(retention: RetentionSettings, now: float) -> Limits:
    """The limits as they are at `now` (unix seconds)."""

    def before(days: int) -> int:
        return max(0, int(now) - days * DAY) if days else 0

    return Limits(
        spans=month_of(before(retention.spans_days)),
        hours=day_of(before(retention.hours_days)),
        days=day_of(before(retention.days_days)),
        polls=before(retention.polls_days),
        columns=month_of(before(retention.columns_days)),
    )
