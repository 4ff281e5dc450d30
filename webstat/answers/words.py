"""When a job would start, in words that are no more exact than what they rest on. Pure."""

from __future__ import annotations

from webstat.answers.advise import Answer
from webstat.answers.judge import Verdict
from webstat.format import NBSP, number, range_words


def when_words(answer: Answer) -> str:
    """When it would start: `Starts now`, `In 2 h 20 – 13 h`, `Later`, `Impossible`."""
    if answer.verdict is Verdict.NOW:
        return "Starts now"
    if answer.verdict is Verdict.NEVER:
        return "Impossible"
    if answer.p50_seconds is None or answer.p90_seconds is None:
        return "Later"
    return range_words(answer.p50_seconds, answer.p90_seconds)


def rests_on(answer: Answer) -> str:
    """What the time rests on, or why none is told."""
    if answer.verdict is not Verdict.LATER:
        return ""
    if answer.not_foretold:
        return f"not foretold ({answer.not_foretold})"
    return f"of {number(answer.similar)} similar jobs, {answer.days}{NBSP}d"


def held_words(answer: Answer) -> str:
    """How often such answers held; empty where that is not known."""
    return "" if answer.held is None else f"such answers held for {answer.held * 100:.0f} of 100"
