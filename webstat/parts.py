"""What of a page is replaced when there is news: its parts and its charts. The rest stays as it is on the screen.

Dash makes everything anew that is in a replaced `children`, and with it go zoom, focus, scroll and open
menus. So a page is taken apart: where a component has an id of its own, or holds a chart, it stays and
what lies in it is looked at; anything else is a part, whose children are replaced when they differ. Of
a chart the figure is replaced. A region whose frame is another one is drawn as a whole.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any

from dash import dcc
from dash.development.base_component import Component
from plotly.io.json import to_json_plotly

PART, CHART = "part", "chart"
"""Keys of the pattern-matching ids that take_apart gives."""

MARK = 8
"""Characters of a fingerprint: 48 bits."""


def as_one(component: Component, name: str) -> Component:
    """The component as a part of its own, whatever it holds: replaced as a whole, under a name that stays."""
    component.id = {PART: name}
    return component


@dataclass
class Taken:
    """A region taken apart. Where `frame` is the same, so are the number and the order of the pieces."""

    frame: str = ""
    pieces: list[tuple[dict[str, str], str, Any]] = field(default_factory=list)
    """(id, property, its value) of every part and chart."""
    marks: str = ""
    """The fingerprints of the pieces, one after the other: what a later drawing is compared with."""

    def differing(self, marks: str) -> list[tuple[dict[str, str], str, Any]]:
        """The pieces that are not those of `marks`, which belong to the same frame."""
        places = range(0, len(self.marks), MARK)
        return [
            piece
            for place, piece in zip(places, self.pieces, strict=True)
            if self.marks[place : place + MARK] != marks[place : place + MARK]
        ]


def take_apart(body: list[Any], region: str) -> Taken:
    """Give the parts and charts in `body` their ids, which begin with `region`, and list them."""
    taken = Taken()
    frame = [_look(child, f"{region}-{place}", taken) for place, child in enumerate(body)]
    taken.frame = fingerprint(frame)
    taken.marks = "".join(fingerprint(content) for _, _, content in taken.pieces)
    return taken


def _look(node: Any, name: str, taken: Taken) -> Any:
    """What of `node` belongs to the frame."""
    if not isinstance(node, Component):
        return node
    props = {key: value for key, value in node.to_plotly_json()["props"].items() if key not in ("children", "figure")}
    look = [node.__class__.__name__, props]
    if isinstance(node, dcc.Graph):
        node.id = {CHART: name}
        taken.pieces.append((node.id, "figure", node.figure))
    elif isinstance(getattr(node, "id", None), dict):
        taken.pieces.append((node.id, "children", getattr(node, "children", None)))
    elif _stays(node):
        children = node.children if isinstance(node.children, list) else [node.children]
        look.append([_look(child, f"{name}-{place}", taken) for place, child in enumerate(children)])
    elif "children" in node._prop_names:
        node.id = {PART: name}
        taken.pieces.append((node.id, "children", getattr(node, "children", None)))
    return look


def _stays(node: Component) -> bool:
    return hasattr(node, "id") or any(
        hasattr(inner, "id") for inner in node._traverse() if isinstance(inner, Component)
    )


def fingerprint(content: Any) -> str:
    """The same for the same content."""
    return base64.b64encode(hashlib.blake2b(to_json_plotly(content).encode(), digest_size=6).digest()).decode()
