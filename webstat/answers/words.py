"""When a job would start, in words that are no more exact than what they rest on. Pure."""

from __future__ import annotations

import math

from webstat.answers.advise import Answer
from webstat.answers.judge import Verdict
from webstat.format import DAY, HOUR, MINUTE, NBSP, duration, number


def when_words(answer: Answer) -> str:
    """When it would start: `Starts now`, `In 2 h 20 – 13 h`, `Later`, `Impossible`."""
    if answer.verdict is Verdict.NOW:
        return "Starts now"
    if answer.verdict is Verdict.NEVER:
        return "Impossible"
    if answer.p50_seconds is None or answer.p90_seconds is None:
        return "Later"
    low, high = _about(answer.p50_seconds, math.floor), _about(answer.p90_seconds, math.ceil)
    return f"In {duration(low)} – {duration(high)}" if 0 < low < high else f"Within {duration(high)}"


def rests_on(answer: Answer) -> str:
    """What the time rests on, or why none is told."""
    if answer.verdict is not Verdict.LATER:
        return ""
    if answer.not_foretold:
        return f"not foretold ({answer.not_foretold})"
    return f"of {number(answer.similar)} similar jobs, {answer.days}{NBSP}d"


def _about(seconds: float, rounded: object) -> float:
    """An estimate, no more exact than it is: 5 min below 1 h, 10 min below 4 h, 1 h below 1 d, then 6 h."""
    step = 5 * MINUTE if seconds < HOUR else 10 * MINUTE if seconds < 4 * HOUR else HOUR if seconds < DAY else 6 * HOUR
    return max(rounded(seconds / step) * step, 0 if rounded is math.floor else step)  # type: ignore[operator]
