"""The panel beside every page: the job or the node that the address names (`?job=cluster/id`, `?node=cluster/name`)."""

from __future__ import annotations

from webstat.components.text import Part
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
    """The panel's body; empty where nothing is chosen."""
    return []
