"""The table of jobs over all clusters: its title line. The table itself is assets/jobs.js, filled from /data/jobs."""

from __future__ import annotations

from dash import html

from webstat.components.text import Part, clock, foreign, icon
from webstat.data import frames
from webstat.format import plural
from webstat.view import View

TABLE = "jobs"
"""The id of the place that assets/jobs.js fills."""

_NAMED = 3


def layout(view: View) -> list[Part] | None:
    """The page's body."""
    head = html.Div(
        [
            html.H1("Jobs", className="ws-h1"),
            html.Span(_size(view), className="text-body-secondary"),
            html.Span(_old(view), className="st-warn"),
        ],
        className="d-flex flex-wrap align-items-baseline column-gap-3 mb-2",
        id="jobs-head",
    )
    return [head, html.Div(id=TABLE, className="ws-table-place", **{"data-zone": str(view.zone)})]


def _size(view: View) -> str:
    known = [cluster for cluster in view.clusters if cluster.report]
    counts = [frames.jobs(view.source.totals(cluster)) for cluster in known]
    jobs = sum(one.running + one.suspended + one.queued + one.held + one.unknown for one in counts)
    order = "" if view.query.get("sort") else ", the next to start or end first"
    return f"{plural(jobs, 'job')} on {plural(len(known), 'cluster')}{order}."


def _old(view: View) -> list[Part]:
    """Clusters whose jobs are those of a past moment."""
    old = [cluster for cluster in view.clusters if cluster.taken_at is not None and view.health(cluster).stale]
    if not old:
        return []
    parts: list[Part] = [icon("clock-history")]
    for cluster in old[:_NAMED]:
        parts += [" ", foreign(cluster.title), ": state of ", clock(cluster.taken_at or 0, view), "."]
    return parts if len(old) <= _NAMED else [*parts, f" {len(old) - _NAMED} more clusters are silent."]
