"""Where should I submit? Every queue of every cluster, ranked: starts now, expected, impossible; and what would help most.

What one queue would do is judge.py's to say, how long such jobs wait forecast.py's. Nothing here lists a job or names
anybody, so it tells everyone the same; own limits are read only for who may be seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from webstat.answers import ground as grounds
from webstat.answers.change import best, tries
from webstat.answers.forbid import Use, Who
from webstat.answers.forecast import NotForetold, foretell, past_of
from webstat.answers.ground import Ground, Queue
from webstat.answers.judge import Judged, Moment, Verdict, judge
from webstat.answers.request import Request
from webstat.answers.submit import line
from webstat.data.source import Source
from webstat.health import Cluster, State, health

ORDER = tuple(Verdict)


@dataclass(frozen=True)
class Answer:
    """What one queue would do with the job."""

    cluster: Cluster
    queue: str
    judged: Judged
    fresh: bool
    """Whether the cluster's report is as new as it can be."""
    wasteful: bool = False
    """Whether it would lie on GPU nodes for nothing."""
    restricted: bool = False
    """Whether it takes only some people's jobs."""
    p50_seconds: float | None = None
    """Of LATER, by when half of such jobs start; None where that is not foretold."""
    p90_seconds: float | None = None
    similar: int = 0
    """Jobs that this rests on, submitted over `days`."""
    days: int = 0
    held: float | None = None
    """Share of past answers of this kind whose 90 % time held, 0 to 1; None where too few were tried."""
    not_foretold: str = ""
    """Why not."""
    line: str | None = None
    """What to type; None where it is impossible."""

    @property
    def verdict(self) -> Verdict:
        """Whether it starts now, later or never."""
        return self.judged.verdict


@dataclass(frozen=True)
class Change:
    """The one change that would help most."""

    words: str
    """`Ask for at most 4 h`."""
    request: Request
    answer: Answer
    """Where that would help, and how."""


@dataclass(frozen=True)
class Advice:
    """The answers, best first; `hopeless` are queues for which nothing about the job matters."""

    request: Request
    answers: tuple[Answer, ...]
    hopeless: tuple[Answer, ...] = ()
    change: Change | None = None
    unknown: tuple[Cluster, ...] = ()
    """Clusters without a report."""


@dataclass(frozen=True, eq=False)
class _Place:
    """A queue with all that its verdict rests on."""

    cluster: Cluster
    ground: Ground
    queue: Queue
    who: Who
    uses: Mapping[str, Use]
    at: Moment

    def judged(self, request: Request) -> Judged:
        return judge(self.ground, self.queue, self.cluster.scheduler_kind, request, self.who, self.uses, self.at)


def advise(source: Source, request: Request, now: float) -> Advice:
    """The answers to a request at `now`. Raises StoreEmpty, StoreBroken."""
    clusters = source.clusters()
    known = [one for one in clusters if one.report]
    # Pasts are read beside the grounds: half the time of either is SQLite's, which lets Python go on. Not in one of the
    # explorer's threads, which may count for long.
    with ThreadPoolExecutor(1, "pasts") as beside:
        pasts = beside.submit(lambda: [past_of(source, one) for one in known])
        places = [place for one in known for place in _places(source, one, request, now)]
        pasts.result()
    pairs = [(place, _answer(source, place, request, now)) for place in places]
    found = [answer for _, answer in pairs]
    order = {one.name: number for number, one in enumerate(clusters)}
    found.sort(key=lambda one: (*_rank(one), order[one.cluster.name]))
    return Advice(
        request=request,
        answers=tuple(one for one in found if not one.judged.hopeless),
        hopeless=tuple(one for one in found if one.judged.hopeless),
        change=_change(source, pairs, request, now),
        unknown=tuple(one for one in clusters if not one.report),
    )


def _places(source: Source, cluster: Cluster, request: Request, now: float) -> Iterator[_Place]:
    found = grounds.at(source, cluster)
    known = health(cluster, now)
    at = Moment(now, cluster.taken_at or now, known.state is State.LIVE, known.stale)
    who = _who(source, found, request)
    for queue in found.queues:
        yield _Place(cluster, found, queue, who, found.uses(queue.name, who), at)


def _who(source: Source, found: Ground, request: Request) -> Who:
    """Whose limits can be read; behind a veil others have no use of their own, which would look like none."""
    seen = None if source.veil is None else source.veil.names
    user, group = (one if seen is None or one in seen else None for one in (request.user, request.group))
    groups = frozenset({group}) if group else found.groups_of(user) if user else frozenset()
    return Who(user, groups)


def _answer(source: Source, place: _Place, request: Request, now: float) -> Answer:
    judged, cluster = place.judged(request), place.cluster
    wasteful = place.queue.gpus_only and not request.gpus
    answer = Answer(cluster, place.queue.name, judged, place.at.fresh, wasteful, bool(place.queue.limits.takes))
    if judged.verdict is not Verdict.NEVER and judged.shape is not None:
        typed = line(cluster.scheduler_kind, answer.queue, judged.shape, request.walltime_seconds)
        answer = replace(answer, line=typed)
    if judged.verdict is not Verdict.LATER:
        return answer
    if place.at.stale:
        return replace(answer, not_foretold="its cluster does not answer")
    told = foretell(
        past_of(source, cluster),
        queue=answer.queue,
        cores=request.total_cores,
        gpus=request.gpus or 0,
        walltime_seconds=request.walltime_seconds,
        now=now,
        ahead=place.queue.waiting,
    )
    if isinstance(told, NotForetold):
        return replace(answer, not_foretold=told.why)
    earliest = 0.0 if judged.not_before is None else judged.not_before - now
    p50, p90 = (max(earliest, one) for one in (told.p50_seconds, told.p90_seconds))
    return replace(answer, p50_seconds=p50, p90_seconds=p90, similar=told.similar, days=told.days, held=told.held)


def _rank(one: Answer) -> tuple[object, ...]:
    """What starts now, open-ended first; then what is foretold, soonest first; then the rest. Last of each what few can use."""
    later = one.p50_seconds if one.p50_seconds is not None else float("inf")
    lasts = -one.judged.until if one.judged.until is not None else float("-inf")
    return ORDER.index(one.verdict), one.wasteful, one.restricted, not one.fresh, later, one.p90_seconds or 0.0, lasts


def _change(source: Source, pairs: list[tuple[_Place, Answer]], request: Request, now: float) -> Change | None:
    found = [answer for _, answer in pairs]
    if any(one.verdict is Verdict.NOW for one in found):
        return None
    hoped = [place for place, one in pairs if not one.judged.hopeless and place.at.fresh]
    windows = [one.judged.until - now for one in found if one.judged.until is not None]
    blocks = {int(place.queue.nodes.left[place.queue.places].max(initial=0)) for place in hoped}
    fits = [refusal for one in found for refusal in one.judged.fits]
    wanted = {Verdict.NOW}
    groups = list(tries(request, windows, blocks, fits))

    def helps(one: Request) -> bool:
        return any(place.judged(one).verdict in wanted for place in hoped)

    chosen = best(groups, helps)
    if chosen is None and all(one.verdict is Verdict.NEVER for one in found):
        wanted.add(Verdict.LATER)
        chosen = best(groups, helps)
    if chosen is None:
        return None
    answers = (_answer(source, place, chosen.request, now) for place in hoped)
    return Change(chosen.words, chosen.request, min((one for one in answers if one.verdict in wanted), key=_rank))
