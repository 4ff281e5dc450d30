"""What the text twins of pages say: the head about a cluster, its tables, and all clusters in a table. Pure.

The tables themselves are those of `agent show` (agent/tables.py); the routes are api/text.py's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Any

from agent.report import Job, Report
from agent.tables import Column, Table, make_table, render_table, safe_text
from webstat.answers import outlook
from webstat.answers.advise import Advice, Answer
from webstat.answers.future import Future
from webstat.answers.judge import Verdict
from webstat.answers.words import held_words, rests_on, when_words
from webstat.data.frames import Capacity, Jobs
from webstat.data.readings import Readings
from webstat.format import NBSP, When, duration, number, plural, shorten, utc, zone_words
from webstat.health import Cluster, Health, State
from webstat.reasons import DERIVED, reason
from webstat.sentences import listed, together

TABLES = ("user", "group", "running", "queued", "nodes", "freenodes")
"""The tables of `agent show`, in the order in which they are printed."""

LISTS = ("running", "queued")
"""Those of them with a line a job."""

Counted = tuple[Cluster, Health, Capacity | None, Jobs | None]
"""A cluster, how well it is known, and what its newest report counts; None before the first."""


def table_in(name: str, report: Report, zone: tzinfo) -> Table:
    """A table of `agent show` whose times are in `zone`; by the house's names those are the columns `…_at`."""
    table = make_table(name, report)
    columns = tuple(
        replace(column, show=lambda at: _moment(at, zone)) if column.key.endswith("_at") else column
        for column in table.columns
    )
    return replace(table, columns=columns)


def with_readings(report: Report, read: Readings) -> Report:
    """The report with what is read from the state in place of what its scheduler does not say."""
    if not read.told:
        return report
    return replace(report, jobs=[_with_reading(job, read) for job in report.jobs])


def _with_reading(job: Job, read: Readings) -> Job:
    told = read.told.get(job.id)
    if told is None or job.comment:
        return job
    why = reason(
        state=job.state.value, comment=None, hold=None, depends_on=None, user=job.user, queue=job.queue,
        ahead=read.ahead.get(job.id), derived=told,
    )  # fmt: skip
    return replace(job, comment=f"{DERIVED}{why.words}")


def _moment(at: float, zone: tzinfo) -> str:
    try:
        return f"{datetime.fromtimestamp(at, zone):%Y-%m-%d %H:%M}"
    except (OverflowError, OSError, ValueError):
        return str(at)


def first_line(cluster: Cluster, health: Health, now: float) -> str:
    """Which cluster this is, how well it is known, and how old its data are; no line without all three."""
    name = cluster.title if cluster.title == cluster.name else f"{cluster.title} [{cluster.name}]"
    scheduler = f" ({cluster.scheduler})" if cluster.scheduler else ""
    demo = ", simulated" if cluster.demo else ""
    if cluster.taken_at is None:
        state = "no report yet" if health.state is State.NEW else f"{health.state.value.upper()}, never seen"
        return _plain(f"{name}{scheduler}{demo}: {state}")
    age, at = duration(now - cluster.taken_at), utc(cluster.taken_at)
    if health.stale:
        return _plain(
            f"{name}{scheduler}{demo}: {health.state.value.upper()}, last seen {age} ago; this is its state of {at}"
        )
    return _plain(f"{name}{scheduler}{demo}: {health.state.value}, data {age} old, of {at}")


def moment_line(at: int, exact: str, now: float) -> str:
    """Which past moment is shown, and how exactly it is known."""
    known = exact or "nothing is known of it"
    return _plain(f"As of {utc(at)}, {duration(now - at)} ago: {known}.")


def says(health: Health, now: float) -> str:
    """The sentence about a cluster that is not live, its moments in UTC; empty for one that is."""
    return said((health.matter, *health.rest), now)


def said(sentence: Iterable[str | When], now: float) -> str:
    """A sentence as text, its moments in UTC."""
    form = {"clock": utc, "age": lambda at: duration(now - at), "until": lambda at: duration(at - now)}
    parts = [part if isinstance(part, str) else form[part.form](part.at) for part in sentence]
    return _plain("".join(parts))


def totals(capacity: Capacity, jobs: Jobs, stale: bool) -> str:
    """Cores and jobs in one line; in the past tense where nobody knows better."""
    verb = "were" if stale else "are"
    if capacity.installed is None:
        cores = f"{plural(capacity.in_use, 'core')} {verb} in use, of how many is not told"
    else:
        cores = f"{number(capacity.in_use)} of {plural(capacity.installed, 'core')} {verb} in use, {number(capacity.free)} free"
    gpus = f"; {number(capacity.gpus_free)} of {plural(capacity.gpus, 'GPU')} free" if capacity.gpus else ""
    suspended = f", {number(jobs.suspended)} suspended" if jobs.suspended else ""
    counts = f"{plural(jobs.running, 'job')} running, {number(jobs.queued)} queued, {number(jobs.held)} held{suspended}"
    return _plain(f"{cores}{gpus}; {counts}.")


def later(found: Future, past: bool) -> str:
    """What would be free later, or was to be at a past moment; moments in UTC."""
    matter, rest = outlook.headline(found, "then" if past else "now", were=past)
    parts = [part if isinstance(part, str) else utc(part.at) for part in rest]
    return _plain("".join([matter, *parts])[:-1] + ", before anything that waits starts.")


def zone_line(zone: tzinfo, name: str | None, now: float) -> str:
    """Which zone the times in tables are in."""
    words = zone_words(zone, now)
    return (
        f"Times in the tables are {words}." if name in (None, "UTC") else f"Times in the tables are {name} ({words})."
    )


def warnings(cluster: Cluster) -> list[str]:
    """What of the newest report could not be read, a line each."""
    return [f"warning: {safe_text(one.source)}: {safe_text(one.message)}" for one in cluster.warnings]


def counts(capacity: Capacity, jobs: Jobs) -> dict[str, int | None]:
    """The same totals for machines; None where the scheduler tells of no nodes."""
    return {
        "cores_installed": capacity.installed,
        "cores_in_use": capacity.in_use,
        "cores_free": capacity.free,
        "gpus_installed": capacity.gpus,
        "gpus_free": capacity.gpus_free,
        "jobs_running": jobs.running,
        "jobs_queued": jobs.queued,
        "jobs_held": jobs.held,
        "jobs_suspended": jobs.suspended,
    }


def about(cluster: Cluster, health: Health, now: float) -> dict[str, Any]:
    """A cluster, its state and age for machines; times unix seconds, None before the first report."""
    return {
        "cluster": cluster.name,
        "title": cluster.title,
        "scheduler": cluster.scheduler,
        "demo": cluster.demo,
        "state": health.state.value,
        "taken_at": cluster.taken_at,
        "age_seconds": None if cluster.taken_at is None else round(max(0.0, now - cluster.taken_at), 1),
        "period_seconds": cluster.period_seconds,
        "query_seconds": None if cluster.query_seconds is None else round(cluster.query_seconds, 3),
    }


def clusters_table(clusters: Sequence[Counted], now: float) -> Table:
    """One line a cluster; the footer sums up those that answer."""
    columns = (
        Column("cluster", "CLUSTER", 24),
        Column("state", "STATE"),
        Column("cores_free", "FREE", right=True),
        Column("cores_in_use", "IN USE", right=True),
        Column("cores_installed", "CORES", right=True),
        Column("jobs_running", "RUNNING", right=True),
        Column("jobs_queued", "QUEUED", right=True),
        Column("jobs_held", "HELD", right=True),
        Column("age_seconds", "DATA OLD", right=True, show=lambda age: _plain(duration(age))),
        Column("scheduler", "SCHEDULER", 24),
    )
    rows = []
    for cluster, health, capacity, jobs in clusters:
        known = about(cluster, health, now) | (counts(capacity, jobs) if capacity and jobs else {})
        rows.append(tuple(known.get(column.key) for column in columns))
    return Table("clusters", columns, rows, _plain(_together(clusters)))


def advice_text(advice: Advice, now: float, width: int | None) -> list[str]:
    """Where a job could run, for terminals: what is asked, a table of the queues, what would help, and what is not known."""
    columns = (
        Column("cluster", "CLUSTER", 24),
        Column("queue", "QUEUE", 16),
        Column("when", "START"),
        Column("rests_on", "RESTS ON", 90),
        Column("why", "WHY", 100),
        Column("submit", "SUBMIT", 160),
    )
    rows = [
        (
            one.cluster.name,
            one.queue,
            _plain(when_words(one)),
            _plain("; ".join(words for words in (rests_on(one), held_words(one)) if words)) or None,
            said(one.judged.why, now),
            one.line,
        )
        for one in advice.answers
    ]
    lines = [_plain(f"Where a job of {advice.request.words} could run now:")]
    lines.append(render_table(Table("advice", columns, rows, ""), width))
    if advice.change is not None:
        where = f"{advice.change.answer.cluster.name} {advice.change.answer.queue}"
        lines.append(
            _plain(
                f"What would help most: {advice.change.words}: {where} would {_HELPS[advice.change.answer.verdict]}."
            )
        )
    for one in advice.hopeless:
        lines.append(_plain(f"{one.cluster.name} {one.queue}: {said(one.judged.why, now)}"))
    if advice.unknown:
        lines.append(_plain(f"Of {', '.join(one.name for one in advice.unknown)} nothing is known yet."))
    return lines


def advice_json(advice: Advice, now: float) -> dict[str, Any]:
    """The same for machines; None where not known. `room_until` and `taken_at` are unix seconds, `expected_50` and
    `expected_90` seconds from now."""
    change = advice.change
    return {
        "request": _plain(advice.request.words),
        "change": None if change is None else {"says": _plain(change.words), **_where(change.answer)},
        "answers": [answer_json(one, now) for one in (*advice.answers, *advice.hopeless)],
    }


def answer_json(answer: Answer, now: float) -> dict[str, Any]:
    """What one queue would do, and how well its cluster is known."""
    return {
        **_where(answer),
        "room_until": answer.judged.until,
        "expected_50": answer.p50_seconds,
        "expected_90": answer.p90_seconds,
        "similar": answer.similar or None,
        "similar_days": answer.days or None,
        "similar_held": answer.held,
        "not_foretold": answer.not_foretold or None,
        "because": said(answer.judged.why, now),
        "submit": answer.line,
        "taken_at": answer.cluster.taken_at,
        "fresh": answer.fresh,
    }


def _where(answer: Answer) -> dict[str, str]:
    return {"cluster": answer.cluster.name, "queue": answer.queue, "verdict": answer.verdict.value}


_HELPS = {Verdict.NOW: "start it now", Verdict.LATER: "run it", Verdict.NEVER: "not run it"}


def _together(clusters: Sequence[Counted]) -> str:
    answering = [(capacity, jobs) for _, health, capacity, jobs in clusters if capacity and jobs and not health.stale]
    if not answering:
        return "No cluster answers now."
    missing = [cluster.title for cluster, health, _, _ in clusters if health.stale]
    return "".join(together(answering, missing))


def person(by: str, name: str, cores: int, jobs: Jobs, without: Sequence[str], said: Iterable[str]) -> list[str]:
    """A user or a group: what they have now `without` these clusters, then what is `said` of what they used."""
    counts = f"{plural(jobs.running, 'job')} running on {plural(cores, 'core')}, {number(jobs.queued)} queued, {number(jobs.held)} held"
    left_out = f", without {listed(without)}" if without else ""
    return [_plain(line) for line in (f"{shorten(name, 80)} ({by}): {counts}{left_out}.", *said)]


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """That there is none of that name, and which there are."""
    listed = ", ".join(known)
    return _plain(
        f"No {kind} is named “{name[:80]}”. " + (f"There are: {listed}." if listed else "There are none yet.")
    )


def _plain(text: str) -> str:
    return safe_text(text.replace(NBSP, " "))
