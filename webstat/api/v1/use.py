"""Who used how much, how long jobs waited, and what cores did in the last 24 hours, up to now or to a moment."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from webstat.api.v1 import history
from webstat.api.v1.columns import AGE
from webstat.api.v1.refusals import Refused
from webstat.api.v1.sheets import Look, Sheet
from webstat.api.v1.there import There, there
from webstat.data import usage as steps
from webstat.data.explore.answer import answered
from webstat.data.explore.explorer import Asked
from webstat.data.explore.question import read

USAGE = (
    "key", "name", "core_hours", "share", "submitted", "started", "ended", "exited", "failed", "wait_50", "wait_90",
    "cpu_efficiency", "idle_core_hours",
)  # fmt: skip

WAITS = ("cluster", "title", "queue", "size", "jobs", "wait_50", "wait_75", "wait_90", "wait_95", *AGE)

DAY = ("cluster", "at", "until", "name", "cores_mean", "usable_mean", *AGE)


def usage(look: Look) -> Sheet:
    """A row a user, group, account, queue or cluster: its core-hours and jobs, most first."""
    seen = there(look)
    asked = _asked(look, seen, "30d")
    sheet = history.totals_of(answered(look.source, asked), seen.now)
    columns = {name: sheet.columns[name] for name in USAGE}
    return Sheet(f"usage-{seen.moment}", columns, {**sheet.meta, **_moment(seen)})


def waits(look: Look) -> Sheet:
    """A row a cluster, queue and size of job of which some started: how long these had waited."""
    seen = there(look)
    sheet = history.waits_of(look, _asked(look, seen, "7d"))
    return Sheet(f"waits-{seen.moment}", seen.aged(sheet.columns), {**sheet.meta, **_moment(seen)})


def day(look: Look) -> Sheet:
    """A row a cluster, quarter of an hour and user (group, queue): cores in use, of the 24 hours before."""
    seen = there(look)
    by = look.words.get("by", "user")
    columns: dict[str, Any] = {name: [] for name in DAY if name not in AGE}
    for cluster in seen.seen:
        used = seen.source.usage(cluster, seen.now, "user" if by == "nothing" else by, named=None)
        usable = seen.source.usable(cluster, seen.now).tolist()
        lines = {"all": used.total} if by == "nothing" else {str(name): used.holders[name] for name in used.holders}
        for name, means in lines.items():
            at = means.index.tolist()
            columns["cluster"] += [cluster.name] * len(at)
            columns["at"] += at
            columns["until"] += [start + steps.STEP for start in at]
            columns["name"] += [name] * len(at)
            columns["cores_mean"] += means.tolist()
            columns["usable_mean"] += usable
    meta = seen.meta(step_seconds=steps.STEP, by=by)
    return Sheet(f"usage-day-{seen.moment}", seen.aged(columns), meta)


def _moment(seen: There) -> dict[str, Any]:
    told = seen.meta()
    return {name: told[name] for name in ("at", "clusters")}


def _asked(look: Look, seen: There, usual: str) -> Asked:
    """The question of history that ends at the moment; it is asked of the store as it is, which knows more of then."""
    source, words = look.source, {"range": usual, "compare": "no", **look.words}
    clusters = source.clusters()
    zone = ZoneInfo(source.settings.web.timezone or "UTC")
    question, problems = read(words, seen.now, zone, [one.name for one in clusters])
    if problems:
        raise Refused(problems)
    return source.explorer.asked(question, clusters)
