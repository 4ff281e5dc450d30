"""Rules and notices as a browser gets them. Pure."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Row

from collector.alerts.decide import OF_JOBS, Kind
from webstat.addresses import cluster_page, job_page, node_page
from webstat.data.queries.alerts import Notice
from webstat.format import duration, plural

CHANNELS = {"browser": "browser", "webhook": "webhook", "mail": "e-mail"}


def rule_words(kind: str, subject: str | None, number: int, title: str) -> str:
    """What a rule looks at, as the end of "Tell me when …"."""
    match Kind(kind):
        case Kind.STARTED:
            return f"job {subject} on {title} starts"
        case Kind.ENDED:
            return f"job {subject} on {title} ends"
        case Kind.CORES:
            where = f"queue {subject} of {title}" if subject else title
            return f"{plural(number, 'core')} are free in {where}" if number != 1 else f"1 core is free in {where}"
        case Kind.NODE:
            return f"{f'node {subject}' if subject else 'any node'} of {title} goes down"
        case Kind.SILENT:
            return f"{title} does not answer"
        case Kind.STUCK:
            return f"queue {subject} of {title} starts nothing for {duration(number)} though there is room"


def place(kind: str, cluster: str, subject: str | None) -> str:
    """The address of what is told of."""
    if subject is not None and Kind(kind) in OF_JOBS:
        return job_page(cluster, subject)
    return node_page(cluster, subject) if subject is not None and kind == Kind.NODE else cluster_page(cluster)


def rule_said(row: Row[Any], now: float) -> dict[str, Any]:
    """A rule of load_rules()."""
    over = "told" if row.ended_at is not None else "expired" if row.expires_at <= now else ""
    return {
        "id": row.id,
        "words": rule_words(row.kind, row.subject, row.number, row.title),
        "href": place(row.kind, row.cluster, row.subject),
        "by": [
            f"webhook to {urlsplit(row.webhook).hostname}" if one == "webhook" else CHANNELS[one]
            for one in json.loads(row.channels)
        ],
        "state": over or ("paused" if row.paused else "looking"),
        "once": row.once or Kind(row.kind) in OF_JOBS,
        "told_at": row.told_at,
        "expires_at": row.expires_at,
    }


def notice_said(one: Notice) -> dict[str, Any]:
    """A notice of load_notices(), and what became of it by each way."""
    row = one.row
    return {
        "id": row.id,
        "at": row.at,
        "words": row.words,
        "href": place(row.kind, row.cluster, row.subject),
        "browser": row.browser,
        "deliveries": [
            {
                "by": CHANNELS[sent.channel],
                "state": "told" if sent.told_at is not None else "failed" if sent.due_at is None else "waits",
                "at": sent.told_at or sent.due_at,
                "said": sent.said,
                "tries": sent.tries,
            }
            for sent in one.deliveries
        ],
    }
