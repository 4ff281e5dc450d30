"""What of a page is replaced when there is news: its parts and its charts. The rest stays as it is on the screen.

Dash makes everything anew that is in a replaced `children`, and with it go zoom, focus, scroll and open
menus. So a page is taken apart: where a component has an id of its own, or holds a chart, it stays and
what lies in it is looked at; anything else is a part, whose children are replaced when they differ. Of
a chart the figure is replaced. A region whose frame is another one is drawn as a whole.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from dash import dcc
from dash.development.base_component import Component
from plotly.io.json import to_json_plotly

PART, CHART = "part", "chart"
"""Keys of the pattern-matching ids that take_apart gives."""


def as_one(component: Component, name: str) -> Component:
    """The component as a part of its own, whatever it holds: replaced as a whole, under a name that stays."""
    component.id = {PART: name}
    return component


@dataclass
class Taken:
    """A page taken apart: its frame's fingerprint, parts and charts by name."""

    frame: str = ""
    parts: dict[str, Any] = field(default_factory=dict)
    charts: dict[str, Any] = field(default_factory=dict)

    def fingerprints(self) -> dict[str, str]:
        """Of every part and chart, by name: what a later page is compared with."""
        return {name: fingerprint(content) for name, content in {**self.parts, **self.charts}.items()}


def take_apart(body: list[Any], region: str) -> Taken:
    """Give the parts and charts in `body` their ids, which begin with `region`, and list them."""
    taken = Taken()
    frame = [_look(child, f"{region}-{place}", taken) for place, child in enumerate(body)]
    taken.frame = fingerprint(frame)
    return taken


def _look(node: Any, name: str, taken: Taken) -> Any:
    """What of `node` belongs to the frame."""
    if not isinstance(node, Component):
        return node
    props = {key: value for key, value in node.to_plotly_json()["props"].items() if key not in ("children", "figure")}
    look = [node.__class__.__name__, props]
    if isinstance(node, dcc.Graph):
        node.id = {CHART: name}
        taken.charts[name] = node.figure
    elif isinstance(getattr(node, "id", None), dict):
        taken.parts[node.id[PART]] = getattr(node, "children", None)
    elif _stays(node):
        children = node.children if isinstance(node.children, list) else [node.children]
        look.append([_look(child, f"{name}-{place}", taken) for place, child in enumerate(children)])
    elif "children" in node._prop_names:
        node.id = {PART: name}
        taken.parts[name] = getattr(node, "children", None)
    return look


def _stays(node: Component) -> bool:
    return hasattr(node, "id") or any(
        hasattr(inner, "id") for inner in node._traverse() if isinstance(inner, Component)
    )


def fingerprint(content: Any) -> str:
    """The same for the same content."""
    return hashlib.blake2b(to_json_plotly(content).encode(), digest_size=8).hexdigest()
