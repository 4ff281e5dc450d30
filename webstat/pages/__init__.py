"""The site in one table: a page is a path, a title, its menu entry, and the function that draws it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from webstat.components.nav import CLUSTER, HEALTH, OVERVIEW
from webstat.pages import cluster, health, overview


@dataclass(frozen=True)
class Page:
    """One page; `<word>` in its path is passed to `layout` by that name and may stand in its title."""

    path: str
    title: str
    entry: str
    layout: Callable[..., Any]

    def match(self, path: str) -> dict[str, str] | None:
        """The words of a path that is this page's, else None."""
        pattern = re.sub(r"<(\w+)>", r"(?P<\1>[^/]+)", self.path)
        found = re.fullmatch(pattern, path)
        return None if found is None else {name: unquote(word) for name, word in found.groupdict().items()}


PAGES = (
    Page("/", "Overview", OVERVIEW, overview.layout),
    Page("/cluster/<name>", "<name>", CLUSTER, cluster.layout),
    Page("/health", "Health", HEALTH, health.layout),
)


def find(path: str) -> tuple[Page, dict[str, str]] | None:
    """The page at a path, and the words in it."""
    bare = path.rstrip("/") or "/"
    for page in PAGES:
        words = page.match(bare)
        if words is not None:
            return page, words
    return None
