"""Where a job should be submitted, as a table: every queue with its verdict, best first."""

from __future__ import annotations

from webstat.answers.advise import advise
from webstat.answers.request import COUNTS, MOST, read_request
from webstat.api.v1.columns import AGE
from webstat.api.v1.refusals import Refused
from webstat.api.v1.sheets import Look, Sheet, columns_of
from webstat.api.v1.there import there
from webstat.data.explore.behind import read_number
from webstat.twins import advice_json

ADVICE = (
    "cluster", "queue", "verdict", "room_until", "expected_50", "expected_90", "similar", "similar_days", "similar_held", "not_foretold",
    "because", "submit", *AGE,
)  # fmt: skip


def advice(look: Look) -> Sheet:
    """A row a queue; what would help most is told beside the rows."""
    problems: list[str] = []
    for name in COUNTS:
        read_number(look.words, name, 1, 0 if name == "gpus" else 1, MOST, problems)
    request, unread = read_request(look.words)
    problems += [
        f"{name} cannot be read: {hint}." for name, hint in unread.items() if name not in COUNTS or not problems
    ]
    if problems:
        raise Refused(problems)
    seen = there(look)
    found = advise(seen.source, request, seen.now)
    chosen = {one.name for one in seen.chosen}
    told = advice_json(found, seen.now)
    rows = [row for row in told["answers"] if row["cluster"] in chosen]
    meta = seen.meta(request=told["request"], change=told["change"])
    return Sheet(f"advice-{seen.moment}", seen.aged(columns_of(rows, ADVICE)), meta)
