"""Rules and notices in the store: what people wish for, and what is decided after each report.

Each is one transaction: a notice is written together with what its rule knows from then on, so nothing is decided twice.
How it is decided is decide.py's, how it is told deliver.py's.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, delete, func, insert, or_, select, update

from agent.report import Report
from collector.alerts.decide import (
    GAP_PERIODS,
    OF_JOBS,
    Fired,
    JobSeen,
    Kind,
    Look,
    Memory,
    Rule,
    Seen,
    look_at_failures,
    look_at_job,
    look_at_report,
    step,
    titled,
)
from collector.alerts.webhook import is_allowed, make_secret
from collector.alerts.wishes import Add, OfRule, Renew, Wish, read_wish
from collector.rows import split_id
from collector.schema import cluster, delivery, job, listener, node, notice, poll, queue, rule, word
from collector.settings import NotifySettings

log = logging.getLogger("collector.alerts")

MOST_OF_CLUSTER = 2000
"""Rules that look at one cluster, of all people: what a report costs stays bounded."""
KEPT_SECONDS = 30 * 86400
"""For so long notices are shown, and rules that have ended."""

Answer = dict[str, Any]
_LOOKS = rule.c.ended_at.is_(None)


class NotPossible(Exception):
    """What is said to who wished for it."""


class Rules:
    """Those of one store. Its owner calls it from the thread that writes."""

    def __init__(self, engine: Engine, settings: NotifySettings) -> None:
        self._engine = engine
        self._settings = settings

    def wish(self, given: Any) -> Answer:
        """Do what a page asks for in a person's name; what it is told."""
        wish = read_wish(given)
        if isinstance(wish, str):
            return {"ok": False, "message": wish}
        now = time.time()
        try:
            with self._engine.begin() as connection:
                answer = self._do(connection, wish, int(now))
        except NotPossible as error:
            return {"ok": False, "message": str(error)}
        log.info(
            "rules changed act=%s owner=%s id=%s", wish.act, wish.owner, answer.get("id", getattr(wish, "id", None))
        )
        return {"ok": True, **answer}

    def after_report(self, cluster_id: int, report: Report, period: float) -> int:
        """Decide what a new report means to each rule of its cluster; returns how many notices that made."""
        rules = self._rules_of(cluster_id, report.taken_at)
        if not rules:
            return 0
        at = report.taken_at
        with self._engine.begin() as connection:
            before = _report_before(connection, cluster_id, at)
            unbroken = before is not None and at - before <= GAP_PERIODS * period
            seen, whole = _jobs_of(connection, rules), Seen(report)

            def look(one: Rule, row: RowMapping) -> Look | None:
                if one.kind in OF_JOBS:
                    return look_at_job(one, seen.get(row["job_id"]))
                if one.kind is Kind.SILENT:
                    return look_at_failures(0, report_known=True)
                stuck = one.kind is Kind.STUCK
                last = _last_start(connection, cluster_id, one.subject, int(at - one.number)) if stuck else None
                return look_at_report(one, whole, last)

            return self._decide(connection, rules, look, at, unbroken)

    def after_failure(self, cluster_id: int, failures: int) -> int:
        """The same after a poll that failed `failures` times in a row: only silence is told by it."""
        now = time.time()
        rules = self._rules_of(cluster_id, now, rule.c.kind == Kind.SILENT.value)
        if not rules:
            return 0
        with self._engine.begin() as connection:
            known = bool(connection.execute(select(cluster.c.report).where(cluster.c.id == cluster_id)).scalar_one())
            return self._decide(connection, rules, lambda *_: look_at_failures(failures, known), now, True)

    def tidy(self, now: float) -> None:
        """Delete what is shown no longer."""
        before = int(now - KEPT_SECONDS)
        old = select(notice.c.id).where(notice.c.at < before)
        with self._engine.begin() as connection:
            connection.execute(delete(delivery).where(delivery.c.notice_id.in_(old)))
            connection.execute(delete(notice).where(notice.c.at < before))
            connection.execute(delete(rule).where(or_(rule.c.ended_at < before, rule.c.expires_at < before)))

    def _rules_of(self, cluster_id: int, at: float, *more: Any) -> Sequence[RowMapping]:
        there = (rule.c.cluster_id == cluster_id, _LOOKS, rule.c.paused.is_(False), rule.c.expires_at > int(at))
        with self._engine.connect() as connection:
            return connection.execute(select(rule).where(*there, *more).order_by(rule.c.id)).mappings().all()

    def _decide(
        self,
        connection: Connection,
        rows: Sequence[RowMapping],
        look: Callable[[Rule, RowMapping], Look | None],
        at: float,
        unbroken: bool,
    ) -> int:
        title = _title(connection, rows[0]["cluster_id"])
        made = 0
        for row in rows:
            one = Rule(row["id"], row["owner"], Kind(row["kind"]), row["subject"], row["number"], row["once"])
            before = Memory.read(row["memory"])
            after, fired = step(one, before, look(one, row), at, unbroken)
            changed: dict[str, Any] = {} if after == before else {"memory": after.to_text()}
            if fired is not None:
                _note(connection, row, titled(fired, title, one.kind), int(at))
                over = one.once or one.kind in OF_JOBS
                changed |= {"told_at": int(at), "ended_at": int(at) if over else None}
                made += 1
            if changed:
                connection.execute(update(rule).where(rule.c.id == one.id).values(**changed))
        return made

    def _do(self, connection: Connection, wish: Wish, now: int) -> Answer:
        if isinstance(wish, Add):
            return self._add(connection, wish, now)
        if isinstance(wish, Renew):
            if not connection.execute(
                update(listener).where(listener.c.owner == wish.owner).values(feed=wish.feed)
            ).rowcount:
                connection.execute(insert(listener).values(owner=wish.owner, feed=wish.feed))
            return {"message": "the feed has another address; the old one is none any more"}
        return _change(connection, wish, now)

    def _add(self, connection: Connection, wish: Add, now: int) -> Answer:
        here = connection.execute(select(cluster.c.id).where(cluster.c.name == wish.cluster, cluster.c.listed))
        cluster_id = here.scalar_one_or_none()
        if cluster_id is None:
            raise NotPossible(f"no cluster is named {wish.cluster!r}")
        self._check_room(connection, wish, cluster_id, now)
        if wish.webhook is not None and not is_allowed(wish.webhook, self._settings.webhooks):
            raise NotPossible("webhooks may not go there; an admin says where they may: [notify] webhooks")
        if wish.mail is not None and self._settings.smtp is None:
            raise NotPossible("this site sends no e-mails")
        secret = make_secret() if wish.webhook is not None else None
        row = {
            **wish.model_dump(include={"owner", "subject", "number", "once", "webhook", "mail"}),
            "kind": wish.kind.value,
            "cluster_id": cluster_id,
            "job_id": _find_subject(connection, wish, cluster_id),
            "channels": json.dumps(sorted(set(wish.channels))),
            "secret": secret,
            "created_at": now,
            "expires_at": now + wish.days * 86400,
        }
        ident = connection.execute(insert(rule).values(**row).returning(rule.c.id)).scalar_one()
        known = connection.execute(select(listener.c.owner).where(listener.c.owner == wish.owner))
        if known.first() is None:
            connection.execute(insert(listener).values(owner=wish.owner, feed=wish.feed))
        return {"message": "you will be told", "id": ident, **({"secret": secret} if secret else {})}

    def _check_room(self, connection: Connection, wish: Add, cluster_id: int, now: int) -> None:
        active = select(func.count()).where(_LOOKS, rule.c.expires_at > now)
        own = connection.execute(active.where(rule.c.owner == wish.owner)).scalar_one()
        if own >= self._settings.rules_each:
            raise NotPossible(f"you have {own} rules, and more are not allowed; remove one first")
        if connection.execute(active.where(rule.c.cluster_id == cluster_id)).scalar_one() >= MOST_OF_CLUSTER:
            raise NotPossible("there are too many rules of this cluster; ask your admin")


def _find_subject(connection: Connection, wish: Add, cluster_id: int) -> int | None:
    """The row of a rule's job; that its node or queue exists. Raises NotPossible."""
    if wish.subject is None:
        return None
    if wish.kind in OF_JOBS:
        number, server = split_id(wish.subject)
        found = connection.execute(
            select(job.c.id)
            .outerjoin(word, word.c.id == job.c.server_id)
            .where(
                job.c.cluster_id == cluster_id,
                job.c.number == number,
                word.c.text.is_not_distinct_from(server),
                job.c.ended_at.is_(None),
            )
        ).scalars()
        ident: int | None = next(iter(found.all()), None)
        if ident is None:
            raise NotPossible(f"no job {wish.subject} waits or runs on {wish.cluster}")
        return ident
    table = node if wish.kind is Kind.NODE else queue
    there = table.c.cluster_id == cluster_id, table.c.name == wish.subject, table.c.gone_at.is_(None)
    if connection.execute(select(table.c.id).where(*there)).first() is None:
        raise NotPossible(f"{wish.cluster} has no {table.name} {wish.subject}")
    return None


def _change(connection: Connection, wish: OfRule, now: int) -> Answer:
    own = rule.c.id == wish.id, rule.c.owner == wish.owner
    row = connection.execute(select(rule).where(*own)).mappings().one_or_none()
    if row is None:
        raise NotPossible("there is no such rule of yours")
    if wish.act == "remove":
        of_it = select(notice.c.id).where(notice.c.rule_id == wish.id)
        # What it has told stays to be seen; what it has not yet is not told any more.
        open_ones = delivery.c.notice_id.in_(of_it), delivery.c.due_at.is_not(None)
        connection.execute(update(delivery).where(*open_ones).values(due_at=None, said="its rule was removed"))
        connection.execute(delete(rule).where(*own))
        return {"message": "the rule is removed"}
    if wish.act == "test":
        about = row["subject"] or _title(connection, row["cluster_id"])
        _note(connection, row, Fired(f"A test of your rule {row['kind']}, {about}", {"test": True}), now)
        return {"message": "a test is on its way"}
    # Of the time in between it knows nothing.
    connection.execute(update(rule).where(*own).values(paused=wish.act == "pause", memory=None))
    return {"message": "the rule is paused" if wish.act == "pause" else "the rule looks on"}


def _note(connection: Connection, row: RowMapping, fired: Fired, at: int) -> None:
    channels = json.loads(row["channels"])
    about = {
        **{name: row[name] for name in ("owner", "cluster_id", "kind", "subject")},
        "rule_id": row["id"],
        "at": at,
        "words": fired.words,
        "facts": json.dumps(dict(fired.facts)),
        "browser": "browser" in channels,
    }
    ident = connection.execute(insert(notice).values(**about).returning(notice.c.id)).scalar_one()
    for channel in channels:
        if channel != "browser":
            connection.execute(insert(delivery).values(notice_id=ident, channel=channel, due_at=time.time()))


def _title(connection: Connection, cluster_id: int) -> str:
    return str(connection.execute(select(cluster.c.title).where(cluster.c.id == cluster_id)).scalar_one())


def _jobs_of(connection: Connection, rules: Sequence[RowMapping]) -> dict[int, JobSeen]:
    ids = [row["job_id"] for row in rules if row["job_id"] is not None]
    columns = job.c.id, job.c.started_at, job.c.ended_at, job.c.ended_estimated, job.c.exit_status
    rows = connection.execute(select(*columns).where(job.c.id.in_(ids))) if ids else ()
    return {row.id: JobSeen(*row[1:]) for row in rows}


def _report_before(connection: Connection, cluster_id: int, at: float) -> float | None:
    """When the report before the one of `at` was taken; None where none is known."""
    there = poll.c.cluster_id == cluster_id, poll.c.report.is_not(None), poll.c.taken_at < at
    newest = select(poll.c.taken_at).where(*there).order_by(poll.c.at.desc(), poll.c.id.desc()).limit(1)
    before: float | None = connection.execute(newest).scalar_one_or_none()
    return before


def _last_start(connection: Connection, cluster_id: int, queue_name: str | None, since: int) -> float | None:
    """When a job of a queue last started, of those that live or ended since."""
    here = (
        job.c.cluster_id == cluster_id,
        job.c.queue_id == select(word.c.id).where(word.c.text == queue_name).scalar_subquery(),
    )
    lately = or_(job.c.ended_at.is_(None), job.c.ended_at >= since)
    last: float | None = connection.execute(select(func.max(job.c.started_at)).where(*here, lately)).scalar_one()
    return last
