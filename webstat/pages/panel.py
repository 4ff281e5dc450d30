"""The panel beside every page: the job or the node that the address names (`?job=cluster/id`, `?node=cluster/name`)."""

from __future__ import annotations

from collections.abc import Sequence

from dash import html

from webstat.components import job as bricks
from webstat.components.text import Part, foreign
from webstat.health import Cluster
from webstat.pages import job, node
from webstat.view import View

JOB, NODE = "job", "node"
"""Words of the query; their value is a cluster's name, a slash, and the job's id or the node's name."""


def chosen(view: View) -> tuple[str, str, str] | None:
    """What the address chooses: (JOB or NODE, cluster, id or name); None where it chooses nothing."""
    for kind in (JOB, NODE):
        cluster, slash, name = view.query.get(kind, "").partition("/")
        if slash and view.cluster(cluster) and name:
            return kind, cluster, name
    return None


def rests_on(view: View) -> list[str]:
    """The clusters whose news may change the panel."""
    found = chosen(view)
    return [found[1]] if found else []


def layout(view: View) -> list[Part]:
    """The panel's body; empty where nothing is chosen.

    The frame is the same for every job, and for every node: another one, or news, replaces what is in it.
    """
    found = chosen(view)
    if found is None:
        return []
    kind, name, ident = found
    cluster = view.cluster(name)
    assert cluster is not None
    return _job(view, cluster, ident) if kind == JOB else _node(view, cluster, ident)


def _job(view: View, cluster: Cluster, job_id: str) -> list[Part]:
    known = job.look_up(view, cluster, job_id)
    if known is None:
        return _missing(view, job_id, job.missing(view, cluster, job_id))
    shown = job.sections(view, known, html.H3, "panel")
    parts = (job.head(view, known, shown), shown.health, shown.why, shown.when, shown.use, shown.where, shown.tied)
    return [*map(_section, parts), shown.attributes, _section(shown.buttons, "d-flex gap-2")]


def _node(view: View, cluster: Cluster, name: str) -> list[Part]:
    known = node.look_up(view, cluster, name)
    if known is None:
        return _missing(view, name, node.missing(view, cluster, name))
    shown = node.sections(view, known, html.H3, "panel")
    parts = (node.head(view, known, shown), shown.health, shown.use, shown.now, shown.past, shown.before)
    return [*map(_section, parts), shown.attributes, _section(shown.buttons, "d-flex gap-2")]


def _missing(view: View, name: str, answer: Sequence[Part]) -> list[Part]:
    title = html.H2(foreign(name, 40), className="fs-6 fw-semibold m-0 text-truncate")
    return [
        _section([html.Div([title, bricks.close(view)], className="d-flex align-items-center gap-2")]),
        _section(answer),
    ]


def _section(parts: Sequence[Part], look: str = "") -> html.Div:
    return html.Div([part for part in parts if part is not None], className=f"ws-sec {look}".strip())
