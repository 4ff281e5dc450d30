"""What was decided is told: by webhook and e-mail, in the background, some times if need be, and never too often.

A message is written down before it is sent, with when it is tried again: so a collector that is killed loses none, and one
that was sent and not noted comes again under the same id. What a person may not be told yet waits, and then
comes together in one message.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, and_, func, select, update

from collector.alerts import mail, webhook
from collector.alerts.webhook import Failed, Refused
from collector.schema import cluster, delivery, notice, rule
from collector.settings import NotifySettings

log = logging.getLogger("collector.alerts")

FIRST_RETRY_SECONDS = 30.0
MOST_TRIES = 5
"""The last some 40 minutes after the first."""
HOUR = 3600.0
MOST_AT_ONCE = 200
"""Deliveries that are looked at, and notices in one message."""
VERSION = 1
"""Of what a webhook is sent: docs/alerts.md."""


@dataclass(frozen=True)
class Message:
    """Notices that go to one place together, and how often that has been tried."""

    id: str
    owner: str
    channel: str
    to: str | None
    """None where its rule is gone, or the address."""
    secret: str | None
    tries: int
    notices: tuple[dict[str, Any], ...]

    @property
    def keys(self) -> list[int]:
        """The numbers of its notices."""
        return [one["id"] for one in self.notices]


@dataclass(frozen=True)
class Outcome:
    """What became of one try: `error` is None where it was taken, `final` where no more are made."""

    error: str | None = None
    final: bool = True


def retry_seconds(tries: int) -> float | None:
    """How long to wait after so many tries; None after the last."""
    return None if tries >= MOST_TRIES else FIRST_RETRY_SECONDS * 4 ** (tries - 1)


def free_at(told: Sequence[float], now: float, most: int) -> float:
    """When a person may be told again who was told at these times: `now`, or when the hour allows it."""
    lately = sorted(at for at in told if at > now - HOUR)
    return now if len(lately) < most else lately[-most] + HOUR


def grouped(rows: Iterable[RowMapping]) -> list[Message]:
    """Due deliveries as messages: those of one person to one place in one, but one that was tried before by itself."""
    groups: dict[tuple[Any, ...], list[RowMapping]] = defaultdict(list)
    for row in rows:
        place = row["rule_id"] if row["channel"] == "webhook" else row["mail"]
        groups[row["owner"], row["channel"], place, row["message"]].append(row)
    return [
        Message(
            id=some[0]["message"] or secrets.token_hex(12),
            owner=some[0]["owner"],
            channel=some[0]["channel"],
            to=some[0]["webhook"] if some[0]["channel"] == "webhook" else some[0]["mail"],
            secret=some[0]["secret"],
            tries=some[0]["tries"] + 1,
            notices=tuple(_told(row) for row in some),
        )
        for some in groups.values()
    ]


def _told(row: RowMapping) -> dict[str, Any]:
    """A notice as programs get it."""
    return {
        **{name: row[name] for name in ("id", "at", "kind", "subject", "words")},
        "cluster": row["cluster"],
        "rule": row["rule_id"],
        "facts": json.loads(row["facts"]),
    }


def body_of(message: Message, page: str | None) -> bytes:
    """What is posted: docs/alerts.md."""
    document = {
        "version": VERSION,
        "id": message.id,
        "notices": message.notices,
        "page": f"{page}/tell" if page else None,
    }
    return json.dumps(document, ensure_ascii=False).encode()


class Deliverer:
    """Tells, for one collector. Its statements are to be called in the thread that writes, `send` in the event loop."""

    def __init__(self, engine: Engine, settings: NotifySettings) -> None:
        self._engine = engine
        self._settings = settings

    def take(self, cluster_ids: Collection[int], now: float) -> list[Message]:
        """What is to be sent now, of these clusters; it is noted as tried, and due again should nobody note more."""
        with self._engine.connect() as connection:
            rows = _due(connection, cluster_ids, now)
        if not rows:
            return []
        taken = []
        with self._engine.begin() as connection:
            told = _told_lately(connection, {row["owner"] for row in rows}, now)
            for message in grouped(rows):
                again = None if message.to is None else retry_seconds(message.tries)
                free = free_at(told[message.owner], now, self._settings.an_hour) if message.tries == 1 else now
                if free > now:
                    _set(connection, message, due_at=free)
                    continue
                told[message.owner].append(now)
                due = now + (again or FIRST_RETRY_SECONDS)
                _set(connection, message, message=message.id, tries=message.tries, due_at=due)
                taken.append(message)
        return taken

    async def send(self, message: Message) -> Outcome:
        """Try once."""
        try:
            await self._send(message)
        except Refused as error:
            return Outcome(str(error))
        except Failed as error:
            return Outcome(str(error), final=message.tries >= MOST_TRIES)
        except Exception as error:  # whatever it is, it is no other message's trouble
            log.exception("a message could not be made message=%s", message.id)
            return Outcome(f"{type(error).__name__}: {error}")
        return Outcome()

    def note(self, message: Message, outcome: Outcome, now: float) -> None:
        """Write down what became of it."""
        if outcome.error is None:
            values: dict[str, Any] = {"due_at": None, "told_at": now, "said": None}
        else:
            wait = None if outcome.final else retry_seconds(message.tries)
            values = {"due_at": None if wait is None else now + wait, "said": outcome.error[:300]}
        with self._engine.begin() as connection:
            _set(connection, message, **values)
        log.info(
            "told message=%s channel=%s owner=%s notices=%d try=%d error=%r",
            message.id, message.channel, message.owner, len(message.notices), message.tries, outcome.error or "",
        )  # fmt: skip

    async def _send(self, message: Message) -> None:
        settings, now = self._settings, time.time()
        if message.to is None:
            raise Refused("its rule was removed")
        if message.channel == "webhook":
            if not webhook.is_allowed(message.to, settings.webhooks):
                raise Refused("webhooks may not go there any more")
            body = body_of(message, settings.page)
            await webhook.post(message.to, message.secret or "", message.id, int(now), body)
            return
        if settings.smtp is None:
            raise Refused("this site sends no e-mails any more")
        words = [one["words"] for one in message.notices]
        written = mail.write_mail(settings, message.to, message.id, words, now)
        await asyncio.to_thread(mail.send_mail, settings, written)


def _due(connection: Connection, cluster_ids: Collection[int], now: float) -> Sequence[RowMapping]:
    return (
        connection.execute(
            select(
                notice,
                cluster.c.name.label("cluster"),
                *(delivery.c[name] for name in ("channel", "tries", "message")),
                *(rule.c[name] for name in ("webhook", "secret", "mail")),
            )
            .select_from(delivery)
            .join(notice)
            .join(cluster, cluster.c.id == notice.c.cluster_id)
            .outerjoin(rule, rule.c.id == notice.c.rule_id)
            .where(delivery.c.due_at <= now, notice.c.cluster_id.in_(cluster_ids))
            .order_by(notice.c.id)
            .limit(MOST_AT_ONCE)
        )
        .mappings()
        .all()
    )


def _told_lately(connection: Connection, owners: Collection[str], now: float) -> dict[str, list[float]]:
    """Owner -> when each message of the last hour went out; one that nobody has taken yet counts from what it tells."""
    told: dict[str, list[float]] = defaultdict(list)
    went = func.coalesce(delivery.c.told_at, notice.c.at)
    rows = connection.execute(
        select(notice.c.owner, delivery.c.message, func.max(went))
        .join(notice)
        .where(notice.c.owner.in_(owners), delivery.c.message.is_not(None), went > now - HOUR)
        .group_by(notice.c.owner, delivery.c.message)
    )
    for owner, _, at in rows:
        told[owner].append(at)
    return told


def _set(connection: Connection, these: Message, **values: Any) -> None:
    rows = and_(delivery.c.channel == these.channel, delivery.c.notice_id.in_(these.keys))
    connection.execute(update(delivery).where(rows).values(**values))
