"""What somebody asks of history: read from the words of an address, checked, and said as words again. Pure.

What cannot be read is passed over and told as a problem, so that a page still answers; the API refuses it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from webstat.addresses import item
from webstat.data.explore.buckets import DAY, fitting_steps, midnight, start_of, usual_step
from webstat.data.explore.cut import CLASSES, NAMES, WORDS
from webstat.data.explore.metrics import METRICS

RANGES = {"24h": 1, "7d": 7, "30d": 30, "90d": 90, "1y": 365, "5y": 1826}
"""Range presets and their days; beside them `all`."""
ALL = "all"

CHARTS = {"area": "Stacked areas", "lines": "Lines", "bars": "Bars"}

MOST_SHOWN = 50
USUAL_SHOWN = 7
LONGEST_SECONDS = 100 * 366 * DAY


@dataclass(frozen=True)
class Question:
    """One question: [since, until) in unix seconds, what is measured, and how it is divided.

    `range` is the preset that it came from, if any. `filters` are (cut, words kept), clusters by name, users by name,
    classes by their words (collector.lives' classes; see cut.CLASSES).
    """

    since: int
    until: int
    zone: tzinfo
    range: str | None = "30d"
    metric: str = "core-hours"
    by: str | None = "user"
    filters: tuple[tuple[str, tuple[str, ...]], ...] = ()
    step: str = "day"
    chart: str = "area"
    shown: int = USUAL_SHOWN
    compare: bool = True

    @property
    def before(self) -> tuple[int, int]:
        """The period of the same length before."""
        return 2 * self.since - self.until, self.since

    def kept(self, by: str) -> tuple[str, ...]:
        """The words that a filter keeps; none where there is no such filter."""
        return dict(self.filters).get(by, ())

    def words(self) -> dict[str, str]:
        """The words of an address that ask this."""
        said: dict[str, str] = {}
        if self.range is None:
            said["from"], said["to"] = _moment(self.since, self.zone), _moment(self.until, self.zone)
        elif self.range != "30d":
            said["range"] = self.range
        usual = Question(self.since, self.until, self.zone)
        for name in ("metric", "chart", "shown"):
            if getattr(self, name) != getattr(usual, name):
                said[name] = str(getattr(self, name))
        if self.by != usual.by:
            said["by"] = self.by or "nothing"
        if self.step != usual_step(self.since, self.until):
            said["step"] = self.step
        if not self.compare:
            said["compare"] = "no"
        for by, kept in self.filters:
            said[by] = ",".join(item(word) for word in kept)
        return said

    def filter_words(self) -> dict[str, str]:
        """Those of words() that say which jobs are kept."""
        return {name: text for name, text in self.words().items() if name in NAMES}

    def changed(self, **changes: object) -> Question:
        """The question with something else in it."""
        return replace(self, **changes)  # type: ignore[arg-type]


def read(
    query: Mapping[str, str], now: float, zone: tzinfo, clusters: Collection[str], extent: tuple[int, int] | None = None
) -> tuple[Question, list[str]]:
    """The question that the words of an address ask, and what of them could not be read, in words.

    `extent` is what anything is known of, for the range `all`.
    """
    problems: list[str] = []
    zone = _zone(query.get("zone"), zone, problems)
    preset, since, until = _range(query, now, zone, extent, problems)
    metric = _one_of("metric", query.get("metric"), METRICS, "core-hours", problems)
    by: str | None = _one_of("by", query.get("by"), (*NAMES, "nothing"), "user", problems)
    fitting = fitting_steps(since, until)
    usual = usual_step(since, until)
    step = _one_of("step", query.get("step"), fitting or (usual,), usual, problems)
    filters = []
    for cut in NAMES:
        kept = tuple(dict.fromkeys(listed(query.get(cut, ""))))
        if cut == "cluster":
            allowed: Collection[str] | None = clusters
        else:
            allowed = None if cut in WORDS else [word for word, _ in CLASSES[cut].values()]
        strange = [word for word in kept if allowed is not None and word not in allowed]
        if strange:
            known = ", ".join(allowed or ())
            problems.append(f"There is no {NAMES[cut][0]} {strange[0][:60]!r}. There are: {known}.")
        kept = tuple(word for word in kept if word not in strange)
        if kept:
            filters.append((cut, kept))
    return (
        Question(
            since,
            until,
            zone,
            preset,
            metric,
            None if by == "nothing" else by,
            tuple(filters),
            step,
            _one_of("chart", query.get("chart"), CHARTS, "area", problems),
            _shown(query.get("shown"), problems),
            _one_of("compare", query.get("compare"), ("yes", "no"), "yes", problems) == "yes",
        ),
        problems,
    )


def _range(
    query: Mapping[str, str], now: float, zone: tzinfo, extent: tuple[int, int] | None, problems: list[str]
) -> tuple[str | None, int, int]:
    end = int(now) + 1
    if "from" in query or "to" in query:
        since, until = (read_moment(query.get(word), zone) for word in ("from", "to"))
        if since is None and query.get("from"):
            problems.append(f"{query['from'][:40]!r} is no date; write e.g. 2026-10-24 or 2026-10-24T14:00.")
        if until is None and query.get("to"):
            problems.append(f"{query['to'][:40]!r} is no date; write e.g. 2026-11-22 or 2026-11-22T14:00.")
        until = end if until is None else until
        since = until - 30 * DAY if since is None else since
        if not 0 <= since < until <= since + LONGEST_SECONDS:
            problems.append("The range ends before it begins; the last 30 days are shown.")
        else:
            return None, since, until
    preset = _one_of("range", query.get("range"), (*RANGES, ALL), "30d", problems)
    if preset == ALL:
        since, until = extent or (end - 30 * DAY, end)
        return preset, since, max(until, since + 1)
    if preset == "24h":
        return preset, start_of(now, "hour", zone) - 23 * 3600, end
    today = datetime.fromtimestamp(now, zone).date()
    return preset, midnight(today - timedelta(days=RANGES[preset] - 1), zone), end


def read_moment(text: str | None, zone: tzinfo) -> int | None:
    """The second that a text names: unix seconds, a date, or a date with a time of day; local where it names no zone."""
    if not text:
        return None
    if re.fullmatch(r"\d{1,11}", text, re.ASCII) and len(text) > 8:
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp())
    except (ValueError, OverflowError):
        return None


def _moment(at: int, zone: tzinfo) -> str:
    """Shortest text that read_moment() reads as this second."""
    local = datetime.fromtimestamp(at, zone)
    for form in ("%Y-%m-%d", "%Y-%m-%dT%H:%M"):
        text = local.strftime(form)
        if read_moment(text, zone) == at:
            return text
    return str(at)


def _zone(name: str | None, zone: tzinfo, problems: list[str]) -> tzinfo:
    if not name:
        return zone
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        problems.append(f"{name[:40]!r} is no time zone; write e.g. Europe/Berlin.")
        return zone


def _one_of(word: str, text: str | None, allowed: Collection[str], usual: str, problems: list[str]) -> str:
    if text is None or text in allowed:
        return text or usual
    problems.append(f"{word}={text[:40]!r} is unknown; write one of {', '.join(allowed)}.")
    return usual


def _shown(text: str | None, problems: list[str]) -> int:
    if text is None:
        return USUAL_SHOWN
    if re.fullmatch(r"\d{1,3}", text, re.ASCII) and 1 <= int(text) <= MOST_SHOWN:
        return int(text)
    problems.append(f"shown={text[:20]!r} is no number from 1 to {MOST_SHOWN}.")
    return USUAL_SHOWN


def listed(text: str) -> list[str]:
    """The items of a list divided by commas, as addresses.item() writes them."""
    return [unquote(word) for word in text.split(",") if word]
